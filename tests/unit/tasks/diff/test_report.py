"""What is told: columns of two versions, and values that are cut."""

from __future__ import annotations

import polars as pl

from tasks.diff.columns import Distributions
from tasks.diff.report import column_diff, common_types, told


def test_columns_that_both_have_are_compared_in_a_type_for_both() -> None:
    before = {"a": pl.Int8(), "b": pl.String(), "c": pl.Date(), "gone": pl.Date()}
    after = {"a": pl.Int64(), "b": pl.Enum(["x"]), "c": pl.Boolean(), "new": pl.Date()}
    assert common_types(before, after) == {"a": pl.Int64(), "b": pl.String(), "c": pl.String()}


def test_what_became_of_a_column() -> None:
    types = ({"a": pl.Int8(), "b": pl.String()}, {"a": pl.Int64(), "c": pl.String()})
    found = (Distributions(types[0], personal=()), None)
    found[0].add(pl.DataFrame({"a": [1], "b": ["x"]}, schema=types[0]))
    a, b, c = (column_diff(name, types, found, {"c"}) for name in "abc")
    assert (a.change, a.dtype_before, a.dtype_after) == ("retyped", "Int8", "Int64")
    assert (b.change, b.dtype_after, b.personal) == ("removed", None, False)
    assert (c.change, c.dtype_before, c.personal) == ("added", None, True)
    assert a.before is not None
    assert (a.before.mean, a.after) == (1, None)


def test_a_long_value_is_cut() -> None:
    assert told(None) is None
    assert told("x" * 200) == "x" * 200
    assert told("x" * 201) == "x" * 199 + "…"
