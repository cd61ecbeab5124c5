"""Rows of repeated keys: every one of them is found by its key alone, and portions are seen beside what they need."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import Dedupe
from schemas.policies import Keep
from tasks.dedupe.candidates import Candidates
from tasks.dedupe.exact import PLACE, decide, representatives
from tasks.dedupe.repeated import HASH, HASHES, ROW, Parts, Suspects, gather, key_hash, witnessed

with_fixture = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

_floats = st.sampled_from([0.0, -0.0, math.nan, 1.5, None])
_texts = st.sampled_from(["", "a", "a long text of more than twelve bytes", None])
ROWS = st.lists(st.tuples(_floats, _texts, st.integers(0, 3)), max_size=40)


def frame_of(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    schema = {"a": pl.Float64, "b": pl.String, "c": pl.Int64}
    places = {"_input": pl.lit(0, pl.UInt32), "_record": pl.int_range(1, pl.len() + 1, dtype=pl.UInt64)}
    return pl.DataFrame(rows, schema=schema, orient="row").select(**places, **{name: pl.col(name) for name in schema})


def gathered(frame: pl.DataFrame, key: list[str], block: int, parts: Callable[..., Parts]) -> pl.DataFrame:
    candidates = Candidates([lambda each=each: each for each in frame.iter_slices(block)] or [lambda: frame])
    hashes = parts("hashes", by=HASH, numbers=HASHES, at_once=3)
    rows = parts("rows", by=HASH, numbers=HASHES, at_once=3)
    gather(candidates.blocks, key, ["_record", *key], hashes, rows)
    return pl.concat([frame.select("_record", *key).clear(), *(part.whole().drop(HASH, ROW) for part in rows.parts())])


@with_fixture
@given(ROWS, st.sampled_from([1, 2, 7, 100]), st.sampled_from([["a"], ["b"], ["a", "b"], ["c", "b"]]))
def test_every_row_of_a_repeated_key_is_found_and_no_row_without_a_key(
    parts_in_memory: Callable[..., Parts], rows: list[tuple[Any, ...]], block: int, key: list[str]
) -> None:
    frame = frame_of(rows)
    found = gathered(frame, key, block, parts_in_memory)
    complete = frame.drop_nulls(key)
    repeated = complete.filter(pl.struct(key).is_duplicated())
    assert set(repeated["_record"]) <= set(found["_record"]) <= set(complete["_record"])
    assert found["_record"].is_unique().all()
    # What was found is the rows themselves.
    assert found.sort("_record").equals(frame.select("_record", *key).filter(pl.col("_record").is_in(found["_record"])))


def test_rows_that_are_out_of_their_block_do_not_count(parts_in_memory: Callable[..., Parts]) -> None:
    frame = frame_of([(1.0, "x", 1), (1.0, "x", 2), (2.0, "y", 3), (2.0, "y", 4)])
    candidates = Candidates([lambda: frame])
    out = pl.DataFrame({ROW: [1]}, schema={ROW: pl.UInt64})
    hashes, rows = (parts_in_memory(name, by=HASH, numbers=HASHES, at_once=9) for name in ("hashes", "rows"))
    gather(lambda: (block.without(out) for block in candidates.blocks()), ["a"], ["a"], hashes, rows)
    assert sorted(row for part in rows.parts() for row in part.whole()[ROW]) == [2, 3]


def test_rows_are_numbered_through_all_blocks(parts_in_memory: Callable[..., Parts]) -> None:
    frame = frame_of([(float(number % 5), "x", 1) for number in range(9)])
    candidates = Candidates([lambda each=each: each for each in frame.iter_slices(2)])
    hashes, rows = (parts_in_memory(name, by=HASH, numbers=HASHES, at_once=9) for name in ("hashes", "rows"))
    gather(candidates.blocks, ["a"], ["_record"], hashes, rows)
    found = pl.concat([part.whole() for part in rows.parts()])
    assert (found[ROW] + 1).equals(found["_record"], check_names=False)
    assert sorted(found[ROW]) == [0, 1, 2, 3, 5, 6, 7, 8]


@given(ROWS)
def test_equal_keys_have_equal_hashes(rows: list[tuple[Any, ...]]) -> None:
    hashed = frame_of(rows).with_columns(key_hash(["a", "b"]))
    assert (hashed.group_by("a", "b").agg(pl.col(HASH).n_unique())[HASH] == 1).all()
    incomplete = pl.col("a").is_null() | pl.col("b").is_null()
    assert hashed.select((pl.col(HASH).is_null() == incomplete).all()).item()


def test_suspects_are_few_where_few_keys_are_repeated() -> None:
    hashes = pl.Series(np.random.default_rng(7).integers(0, 1 << 64, 100_000, dtype=np.uint64))
    suspects = Suspects(100_000)
    suspects.add(hashes[:500])
    found = set(suspects.among(hashes).tolist())
    assert set(range(500)) <= found
    assert len(found) < 2_000


# --- portions ---------------------------------------------------------------------------------------------------------

COLUMNS = ["c", "a", "b"]


@pytest.mark.parametrize("keep", ["first", "last", "latest", "most_complete"])
@given(ROWS, st.sampled_from([1, 2, 3, 7, 100]), st.randoms())
def test_portions_get_the_verdict_that_all_rows_get(
    keep: Keep, rows: list[tuple[Any, ...]], size: int, luck: random.Random
) -> None:
    frame = frame_of(rows)
    policy = Dedupe(key=["c"], keep=keep, by="a" if keep == "latest" else None)
    order = list(range(frame.height))
    luck.shuffle(order)
    numbered = frame.with_row_index(ROW)[order]

    def portions() -> Iterator[pl.DataFrame]:
        return numbered.iter_slices(size)

    expected = decide(frame.lazy(), policy, COLUMNS)
    duplicates, conflicts = [expected.duplicates.clear()], [expected.conflicts.clear()]
    for portion, seen in witnessed(portions, lambda rows: representatives(rows, policy, COLUMNS), ROW):
        verdict = decide(seen.lazy(), policy, COLUMNS)
        duplicates.append(verdict.duplicates.join(portion, on=PLACE, how="semi"))
        conflicts.append(verdict.conflicts.join(portion, on=PLACE, how="semi"))
        assert seen.height <= size + 3 * 4
    assert pl.concat(duplicates).sort(PLACE).equals(expected.duplicates)
    assert pl.concat(conflicts).sort(PLACE).equals(expected.conflicts)
