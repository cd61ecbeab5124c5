"""Distributions: exact where they say so, bounded where there is too much, and nothing of what is personal."""

from __future__ import annotations

import datetime as dt
import random

import polars as pl
import pytest

from tasks.diff import columns
from tasks.diff.columns import Distribution, Distributions, ValueCount, new_and_vanished

FRAME = pl.DataFrame(
    {
        "n": [1.0, 2.0, 3.0, None, float("nan")],
        "i": [5, 4, 3, 2, 1],
        "t": ["a", "b", "a", None, "ccc"],
        "f": [True, True, False, None, None],
        "d": [dt.date(2026, 1, day) for day in (3, 1, 2)] + [None, None],
    },
    schema_overrides={"i": pl.UInt8},
)


def added(*frames: pl.DataFrame, personal: tuple[str, ...] = ()) -> Distributions:
    found = Distributions(dict(frames[0].schema), personal=personal)
    for frame in frames:
        found.add(frame)
    return found


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_same_whatever_the_frames(size: int) -> None:
    found = added(*(FRAME.slice(start, size) for start in range(0, 5, size)))
    quantiles = {"p05": 1.0, "p25": 1.0, "p50": 2.0, "p75": 3.0, "p95": 3.0}
    n = found.of("n")
    assert (n.rows, n.nulls, n.nan, n.mean, n.least, n.greatest) == (5, 1, 1, 2.0, 1.0, 3.0)
    assert n.quantiles is not None
    assert n.quantiles.keys() == quantiles.keys()
    assert (n.quantiles["p50"], n.estimated) == (2.0, False)
    assert found.of("i").mean == 3.0
    t = found.of("t")
    assert (t.nulls, t.distinct, t.mean_length) == (1, 3, 1.5)
    assert t.top == (ValueCount("a", 2), ValueCount("b", 1), ValueCount("ccc", 1))
    assert found.of("f").top == (ValueCount("true", 2), ValueCount("false", 1))
    d = found.of("d")
    assert (d.nulls, d.least, d.greatest) == (2, "2026-01-01", "2026-01-03")


def test_a_personal_column_has_rows_and_nulls_only() -> None:
    found = added(FRAME, personal=("n", "t", "d"))
    for name, nulls in (("n", 1), ("t", 1), ("d", 2)):
        assert found.of(name) == Distribution(5, nulls)
        assert found.values(name) is None


def test_a_column_without_any_value() -> None:
    nothing = FRAME.head(0)
    assert added(nothing).of("n") == Distribution(0, 0, 0)
    assert added(nothing).of("t") == Distribution(0, 0, distinct=0)
    nulls = pl.DataFrame({"n": [None, None]}, schema={"n": pl.Int32})
    assert added(nulls).of("n") == Distribution(2, 2, 0)


def test_free_text_is_not_counted_value_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "COUNTED", 4)
    frames = [pl.DataFrame({"t": [f"text {number}"]}) for number in range(6)]
    found = added(*frames)
    assert found.values("t") is None
    assert found.of("t") == Distribution(6, 0, mean_length=6.0)
    assert added(*frames[:4]).of("t").distinct == 4


def test_quantiles_of_many_rows_are_near_and_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "SAMPLED", 4_000)
    values = list(range(50_000))
    random.Random(3).shuffle(values)
    frames = [pl.DataFrame({"n": values[start : start + 7_000]}) for start in range(0, 50_000, 7_000)]
    found = added(*frames).of("n")
    assert found.estimated
    assert found.quantiles is not None
    for name, value in found.quantiles.items():
        assert abs(value / 50_000 - int(name[1:]) / 100) < 0.03
    assert (found.mean, found.least, found.greatest) == (24_999.5, 0, 49_999)
    assert added(*frames).of("n") == found
    assert added(pl.concat(frames)).of("n") == found


def test_new_and_vanished_values() -> None:
    before = pl.DataFrame({"value": ["a", "b", "c"], "rows": [1, 5, 9]})
    after = pl.DataFrame({"value": ["c", "d"], "rows": [1, 2]})
    assert new_and_vanished(before, after) == (
        (ValueCount("d", 2),),
        (ValueCount("b", 5), ValueCount("a", 1)),
    )
    assert new_and_vanished(None, after) == ((), ())
