"""Exact duplicates: who survives, and what is a conflict."""

from __future__ import annotations

import polars as pl
import pytest

from schemas import Dedupe
from tasks.dedupe.exact import decide

COLUMNS = ["k", "t", "v"]
Place = tuple[int, int]


def rows(*cells: tuple[object, ...]) -> pl.LazyFrame:
    """Rows (input, record, k, t, v)."""
    schema = {"_input": pl.UInt32, "_record": pl.UInt64, "k": pl.Int64, "t": pl.Int64, "v": pl.String}
    return pl.LazyFrame(cells, schema=schema, orient="row")


SAMPLE = rows(
    (0, 1, 1, 5, "a"),
    (0, 2, 1, 9, None),
    (0, 3, 2, 1, "x"),
    (1, 1, 1, 9, "b"),
    (1, 2, None, 1, "c"),
    (1, 3, 2, 1, "x"),
    (1, 4, None, 1, "c"),
)


@pytest.mark.parametrize(
    ("policy", "survivors"),
    [
        (Dedupe(key=["k"]), {1: (0, 1), 2: (0, 3)}),
        (Dedupe(key=["k"], keep="last"), {1: (1, 1), 2: (1, 3)}),
        (Dedupe(key=["k"], keep="latest", by="t"), {1: (0, 2), 2: (0, 3)}),
        (Dedupe(key=["k"], keep="most_complete"), {1: (0, 1), 2: (0, 3)}),
    ],
    ids=lambda value: value.keep if isinstance(value, Dedupe) else "",
)
def test_the_policy_names_the_survivor_of_each_key(policy: Dedupe, survivors: dict[int, Place]) -> None:
    found = decide(SAMPLE, policy, COLUMNS).duplicates
    assert {(i, r): (of_i, of_r) for i, r, of_i, of_r, *_ in found.rows()} == {
        place: survivors[key]
        for key, places in {1: [(0, 1), (0, 2), (1, 1)], 2: [(0, 3), (1, 3)]}.items()
        for place in places
        if place != survivors[key]
    }


def test_rows_of_one_key_with_other_content_are_conflicts_and_name_each_other() -> None:
    conflicts = decide(SAMPLE, Dedupe(key=["k"]), COLUMNS).conflicts
    assert conflicts.rows() == [(0, 1, 0, 2), (0, 2, 0, 1), (1, 1, 0, 1)]


def test_an_exact_duplicate_does_not_differ_from_its_survivor() -> None:
    found = decide(SAMPLE, Dedupe(key=["k"]), COLUMNS).duplicates
    assert {(i, r): differs for i, r, _, _, differs, *_ in found.rows()} == {(0, 2): True, (1, 1): True, (1, 3): False}


def test_a_missing_key_is_the_duplicate_of_none() -> None:
    places = decide(SAMPLE, Dedupe(key=["k"]), COLUMNS).duplicates.select("_input", "_record").rows()
    assert not {(1, 2), (1, 4)} & set(places)


def test_a_key_of_all_columns_leaves_no_content_to_differ_in() -> None:
    verdict = decide(SAMPLE, Dedupe(key=COLUMNS), COLUMNS)
    assert [row[:-1] for row in verdict.duplicates.rows()] == [(1, 3, 0, 3, False, [])]
    assert verdict.conflicts.is_empty()


@pytest.mark.parametrize("keep", ["first", "last", "most_complete"])
def test_the_order_of_arrival_does_not_matter(keep: str) -> None:
    policy = Dedupe(key=["k"], keep=keep)  # type: ignore[arg-type]
    expected = decide(SAMPLE, policy, COLUMNS)
    for seed in range(5):
        shuffled = SAMPLE.collect().sample(fraction=1, shuffle=True, seed=seed).lazy()
        found = decide(shuffled, policy, COLUMNS)
        assert found.duplicates.equals(expected.duplicates)
        assert found.conflicts.equals(expected.conflicts)


def test_many_copies_of_one_row_with_many_contents_stay_linear() -> None:
    height = 30_000
    frame = pl.DataFrame(
        {
            "_input": pl.zeros(height, pl.UInt32, eager=True),
            "_record": pl.int_range(1, height + 1, dtype=pl.UInt64, eager=True),
            "k": pl.zeros(height, pl.Int64, eager=True),
            "t": pl.int_range(height, eager=True),
            "v": ["same"] * height,
        }
    ).lazy()
    verdict = decide(frame, Dedupe(key=["k"]), COLUMNS)
    assert (verdict.duplicates.height, verdict.conflicts.height) == (height - 1, height)


def test_ignored_columns_make_no_conflict() -> None:
    verdict = decide(SAMPLE, Dedupe(key=["k"], ignore=["t", "v"]), COLUMNS)
    assert verdict.conflicts.is_empty()
    assert not verdict.duplicates["_differs"].any()
