"""The verdict over rows of several partitions: by policy, then by partition, file and record; conflicts named."""

from __future__ import annotations

import polars as pl
import pytest

from schemas.records import Severity, Terms
from tasks.dedupe.across import MOVES, decide_across

#: Two partitions share key 1, three key 2; nobody else has 3.
ROWS = pl.DataFrame(
    {
        "_partition": ["a", "a", "b", "b", "b", "c"],
        "_input": [0, 0, 0, 0, 1, 0],
        "_file": ["fa", "fa", "fb", "fb", "fb2", "fc"],
        "_record": [1, 2, 1, 2, 1, 9],
        "_kept": [True] * 6,
        "k": [1, 2, 1, 3, 2, 2],
        "v": [5.0, 1.0, 5.0, None, float("nan"), 4.0],
        "w": ["x", "y", None, "x", "z", "y"],
    },
    schema_overrides={"_input": pl.UInt32, "_record": pl.UInt64},
)


def terms(keep: str = "first", conflict: Severity = Severity.WARN, **more: object) -> Terms:
    return Terms(key=("k",), keep=keep, conflict=conflict, columns="c", **more)  # type: ignore[arg-type]  # as given


@pytest.mark.parametrize(
    ("policy", "survivors"),
    [
        (terms(), {1: "fa:1", 2: "fa:2"}),
        (terms("last"), {1: "fb:1", 2: "fc:9"}),
        (terms("latest", by="v"), {1: "fa:1", 2: "fc:9"}),
        (terms("highest", by="v"), {1: "fa:1", 2: "fc:9"}),
        (terms("most_complete"), {1: "fa:1", 2: "fa:2"}),
        (terms("preferred", by="w", prefer=("z", "x")), {1: "fa:1", 2: "fb2:1"}),
    ],
)
def test_the_policy_names_the_survivor_of_the_data_set(policy: Terms, survivors: dict[int, str]) -> None:
    found = decide_across(ROWS.sample(fraction=1, shuffle=True, seed=1), policy)
    assert found.schema == MOVES
    told = {f"{file}:{record}": of for _, file, record, of, *_ in found.rows()}
    ids = dict(zip((f"{f}:{r}" for f, r in ROWS.select("_file", "_record").rows()), ROWS["k"], strict=True))
    assert told == {each: survivors[k] for each, k in ids.items() if k in survivors and each != survivors[k]}


def test_a_duplicate_says_in_which_columns_it_differs() -> None:
    found = decide_across(ROWS, terms(ignore=("w",)))
    assert found.select("_file", "_differing", "_differs").rows() == [
        ("fb", ["w"], False),
        ("fb2", ["v", "w"], True),
        ("fc", ["v"], True),
    ]


def test_rows_in_conflict_are_set_aside_each_beside_the_first_of_another_content() -> None:
    found = decide_across(ROWS, terms(conflict=Severity.QUARANTINE, ignore=("w",)))
    assert found.select("_file", "_duplicate_of", "_conflicts_with", "_of_partition").rows() == [
        ("fa", None, "fb2:1", "b"),
        ("fb", "fa:1", None, "a"),
        ("fb2", None, "fa:2", "a"),
        ("fc", None, "fa:2", "a"),
    ]


def test_what_a_partition_disputes_alone_disputes_the_rows_of_others() -> None:
    rows = ROWS.with_columns(pl.Series("_kept", [False, True, True, True, True, True])).with_columns(v=pl.lit(1.0))
    disputed = rows[:1].with_columns(v=pl.lit(2.0), _record=pl.lit(3, pl.UInt64))
    found = decide_across(pl.concat([rows, disputed]), terms(conflict=Severity.QUARANTINE, ignore=("w",)))
    assert [row for row in found.select("_file", "_record", "_conflicts_with").rows() if row[2]] == [("fb", 1, "fa:3")]
