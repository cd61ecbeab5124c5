"""Candidates: blocks in their order, rows looked up again by their numbers, and frames that are made when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.dedupe.candidates import Candidates, InOrder
from tasks.dedupe.repeated import ROW, Parts

with_fixture = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def candidates_of(*sizes: int) -> Candidates:
    start = 0
    frames = []
    for size in sizes:
        frames.append(pl.DataFrame({"n": range(start, start + size)}, schema={"n": pl.Int64}))
        start += size
    return Candidates([lambda frame=frame: frame for frame in frames])


def named(*rows: int) -> pl.DataFrame:
    return pl.DataFrame({ROW: rows}, schema={ROW: pl.UInt64})


def test_blocks_without_rows_are_passed_over() -> None:
    candidates = candidates_of(0, 2, 0, 3)
    assert candidates.rows == 5
    assert [(block.number, block.start, block.stop) for block in candidates.blocks()] == [(1, 0, 2), (3, 2, 5)]


def test_rows_that_are_named_are_out() -> None:
    _, block = candidates_of(2, 4).blocks()
    assert block.kept()["n"].to_list() == [2, 3, 4, 5]
    assert block.without(named(3), None, named(5, 3)).kept()["n"].to_list() == [2, 4]
    assert block.without(named(2)).without(named(5)).kept()["n"].to_list() == [3, 4]
    assert block.without(None).kept() is block.frame


@with_fixture
@given(st.lists(st.lists(st.integers(0, 99), unique=True, max_size=20), max_size=4), st.lists(st.integers(0, 100)))
def test_rows_come_in_order_and_once(
    parts_in_memory: Callable[..., Parts], added: list[list[int]], stops: list[int]
) -> None:
    parts = parts_in_memory("found", by=ROW, numbers=100, at_once=9)
    for rows in added:
        parts.add(named(*rows))
    cursor = InOrder(parts)
    taken: list[int] = []
    for stop in [*sorted(stops), 100]:
        rows = cursor.before(stop)
        taken += [] if rows is None else rows[ROW].to_list()
        assert taken == sorted(row for each in added for row in each if row < stop)


# --- lazy frames ------------------------------------------------------------------------------------------------------

SCHEMA = pl.Schema({"a": pl.Int64, "b": pl.String})


def three_frames() -> Iterator[pl.DataFrame]:
    return (pl.DataFrame({"a": [n, n + 1], "b": ["x", "y"]}, schema=SCHEMA) for n in (0, 2, 4))


@pytest.mark.parametrize("engine", ["streaming", "in-memory"])
def test_a_lazy_frame_is_all_frames_one_after_another(engine: Literal["streaming", "in-memory"]) -> None:
    rows = candidates_of(1).lazily(three_frames, SCHEMA)
    for _ in range(2):
        assert rows.collect(engine=engine).equals(pl.concat(three_frames()))
    assert rows.select(pl.len()).collect(engine=engine).item() == 6
    assert rows.select("b").filter(pl.col("b") == "y").collect(engine=engine).height == 3
    assert rows.filter(pl.col("a") > 2).select("b").collect(engine=engine)["b"].to_list() == ["y", "x", "y"]
    assert rows.head(3).collect(engine=engine)["a"].to_list() == [0, 1, 2]
    assert rows.filter(pl.col("a") > 0).head(3).collect(engine=engine)["a"].to_list() == [1, 2, 3]


def test_an_error_while_frames_are_made_is_told_as_it_is() -> None:
    class OwnError(Exception):
        pass

    def broken() -> Iterator[pl.DataFrame]:
        yield from three_frames()
        raise OwnError

    with pytest.raises(OwnError):
        candidates_of(1).lazily(broken, SCHEMA).collect(engine="streaming")


def test_no_frame_is_made_after_closing() -> None:
    candidates = candidates_of(1)
    made = 0

    def counted() -> Iterator[pl.DataFrame]:
        nonlocal made
        for frame in three_frames():
            made += 1
            if made == 2:
                # As another thread does, whose query has failed.
                candidates._closed = True
            yield frame

    rows = candidates.lazily(counted, SCHEMA)
    assert rows.collect(engine="streaming").height == 4
    candidates.close()
    assert rows.collect(engine="streaming").is_empty()
    assert made == 2
