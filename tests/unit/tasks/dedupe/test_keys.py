"""Hashes of keys: pinned, since they are stored, and the same for equal keys only."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.dedupe.keys import cluster, stable_hash

EACH = pl.DataFrame(
    {
        "text": ["é"],
        "whole": [-7],
        "real": [0.1],
        "fixed": [Decimal("1.50")],
        "day": [dt.date(2026, 10, 1)],
        "moment": [dt.datetime(2026, 10, 1, 3, tzinfo=dt.UTC)],
        "time": [dt.time(3)],
        "flag": [True],
        "kind": pl.Series(["a"], dtype=pl.Enum(["a", "b"])),
    }
)


def hashed(frame: pl.DataFrame, *key: str) -> list[int | None]:
    return frame.select(stable_hash(key or frame.columns, frame.schema)).to_series().to_list()


def test_the_hash_of_a_key_is_the_same_for_ever() -> None:
    assert hashed(EACH) == [2219391425751649593]
    assert hashed(EACH, "text") == [17839895020865391795]


@pytest.mark.parametrize("name", EACH.columns)
def test_each_part_of_a_key_counts(name: str) -> None:
    others = [column for column in EACH.columns if column != name]
    assert hashed(EACH) != hashed(EACH, *others)


_texts = st.text(alphabet="ab:1é", max_size=3)


@given(st.tuples(_texts, _texts), st.tuples(_texts, _texts))
def test_two_keys_have_one_hash_only_if_they_are_equal(one: tuple[str, str], other: tuple[str, str]) -> None:
    frame = pl.DataFrame([one, other], schema=["a", "b"], orient="row")
    first, second = hashed(frame)
    assert (first == second) == (one == other)
    names = frame.select(cluster(["a", "b"], frame.schema)).to_series()
    assert (names[0] == names[1]) == (one == other)


@pytest.mark.parametrize("values", [[0.0, -0.0], [float("nan"), float("nan")]])
def test_equal_numbers_have_equal_hashes(values: list[Any]) -> None:
    first, second = hashed(pl.DataFrame({"a": values}))
    assert first == second is not None


def test_a_key_with_a_missing_part_has_none() -> None:
    assert hashed(pl.DataFrame({"a": ["x", None], "b": [None, 1]})) == [None, None]
