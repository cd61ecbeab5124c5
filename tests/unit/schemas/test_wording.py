from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
from pathlib import Path

import pandera.polars as pa
import polars as pl
import pytest

from schemas import wording
from schemas.columns import ColumnSpec
from schemas.pandera_model import read_model

ROOT = Path(__file__).resolve().parents[3]

CHECKS = [
    (pa.Check.eq(1), "must be 1"),
    (pa.Check.ne("x"), "must not be 'x'"),
    (pa.Check.gt(1.5), "must be more than 1.5"),
    (pa.Check.ge(dt.date(2024, 1, 2)), "must be at least 2024-01-02"),
    (pa.Check.lt(9), "must be less than 9"),
    (pa.Check.le(9), "must be at most 9"),
    (pa.Check.in_range(0, 24), "must be between 0 and 24"),
    (pa.Check.in_range(0, 24, include_max=False), "must be between 0 and 24, without 24"),
    (pa.Check.in_range(0, 24, include_min=False, include_max=False), "must be between 0 and 24, without 0 and 24"),
    (pa.Check.isin(["b", "a"]), "must be one of 'a', 'b'"),
    (pa.Check.isin(["a"]), "must be 'a'"),
    (pa.Check.notin([1, 2]), "must not be one of 1, 2"),
    (pa.Check.isin(range(20)), "must be one of 0, 1, 2, 3, 4, 5, 6, 7, … (20 values)"),
    (pa.Check.isin([1, "a", None]), "must be one of None, 1, 'a'"),
    (pa.Check.str_matches("[a-z]+$"), "must begin with a match of '[a-z]+$'"),
    (pa.Check.str_contains(re.compile("[0-9]")), "must contain a match of '[0-9]'"),
    (pa.Check.str_startswith("T"), "must begin with 'T'"),
    (pa.Check.str_endswith("T"), "must end with 'T'"),
    (pa.Check.str_length(3), "must be 3 characters long"),
    (pa.Check.str_length(3, 20), "must be between 3 and 20 characters long"),
    (pa.Check.str_length(min_value=3), "must be at least 3 characters long"),
    (pa.Check.str_length(max_value=3), "must be at most 3 characters long"),
    (pa.Check.unique_values_eq(["a", "b"]), "all its values together must be 'a', 'b'"),
    (pa.Check.ne("x" * 200), f"must not be '{'x' * 78}…"),
    (pa.Check.ne("x", description="Was a typing\n  error."), "Was a typing error."),
    (pa.Check.ne("x", name="no_x"), "must not be 'x'"),
    (pa.Check(bool, name="good", error="is not good"), "is not good"),
    (pa.Check(bool, name="good"), "does not pass the check good"),
]


@pytest.mark.parametrize(("check", "words"), CHECKS, ids=[words for _, words in CHECKS])
def test_what_a_check_wants(check: pa.Check, words: str) -> None:
    (declared,) = read_model(pa.DataFrameSchema({"c": pa.Column(str, check)})).columns[0].checks
    assert wording.of_check(declared) == words


CASTS = [
    (ColumnSpec("c", pl.Int64()), "is not a whole number"),
    (ColumnSpec("c", pl.UInt64()), "is not a whole number of at least 0"),
    (ColumnSpec("c", pl.Int8()), "is not a whole number between -128 and 127"),
    (ColumnSpec("c", pl.UInt32()), "is not a whole number between 0 and 4294967295"),
    (ColumnSpec("c", pl.Float32()), "is not a number"),
    (ColumnSpec("c", pl.Decimal(10, 2)), "is not a number of at most 8 digits before the point and 2 after it"),
    (ColumnSpec("c", pl.Boolean()), "is none of 'true', 'false'"),
    (ColumnSpec("c", pl.Boolean(), true=("Y",), false=("N", "0")), "is none of 'Y', 'N', '0'"),
    (ColumnSpec("c", pl.Enum(["b", "a"])), "is none of 'b', 'a'"),
    (ColumnSpec("c", pl.Categorical()), "is not text"),
    (ColumnSpec("c", pl.Date(), formats=("%d/%m/%Y",)), "is not a date written like %d/%m/%Y"),
    (
        ColumnSpec("c", pl.Datetime(), formats=("%F %T", "%s")),
        "is not a date and time written like %F %T or %s, or could be read as two",
    ),
    (ColumnSpec("c", pl.Datetime("ms", "UTC")), "is not a date and time as ISO 8601 writes it"),
    (ColumnSpec("c", pl.Time()), "is not a time of day as ISO 8601 writes it"),
]


@pytest.mark.parametrize(("column", "words"), CASTS, ids=[words for _, words in CASTS])
def test_what_is_wrong_with_a_cell_that_does_not_cast(column: ColumnSpec, words: str) -> None:
    assert wording.of_cast(column) == words


def test_what_is_wrong_with_a_repeated_row() -> None:
    assert wording.of_unique(("a",)) == "stands in another row too"
    assert wording.of_unique(("a", "b")) == "another row has the same a and b"


def test_words_do_not_depend_on_the_process() -> None:
    program = (
        "import pandera.polars as pa; from schemas.rules import derive_rules;"
        "print(derive_rules(pa.DataFrameSchema({'c': pa.Column(str, pa.Check.isin({'x', 'y', 'z', 'a', 'b'}))})))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
    assert b"'a', 'b', 'x', 'y', 'z'" in printed.pop()
