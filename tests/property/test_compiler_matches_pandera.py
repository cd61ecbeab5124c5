"""The compiled rules against pandera itself, which is their oracle: which row breaks which rule.

Random schemas over random data are judged twice: by the compiled rules, and by `schema.validate(lazy=True)` with
pandera's native polars backend. The two must name the same pairs of row and rule, but for these differences, which are
on purpose; each is pinned by a test of its own below:

1. A missing value in a unique column, or in a set of columns that are unique together, is the duplicate of none. To
   pandera, nulls equal each other.
2. Every set of columns that is not unique is reported. pandera stops at the first.
3. A rule about the table as a whole is a verdict and blames no row. pandera blames row 0, or loses its whole report.
4. An element-wise check breaks for a value on which it raises an error of values (ValueError, KeyError, ...), and its
   answer is taken for true or false as Python does. pandera reports the check once, without a row.
5. A check that can't be evaluated on the declared types is refused when it is declared. pandera fails it once, without
   a row, whatever the data.
6. `n_failure_cases` cuts nothing.
7. A cell that could not be cast breaks `castable`, in every column, and makes the other rules that read it unknown.
   pandera reports the first such column only, and blames nulls too.
"""

from __future__ import annotations

import datetime as dt
import decimal
import functools
import math
import warnings
from collections.abc import Callable

import pandera.errors
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import DeclarationError
from schemas.rules import derive_rules, statements_of
from tasks.validate.compile import CompiledRules, compile_rules
from tasks.validate.reasons import count, decode

Broken = set[tuple[int, str]]

# --- the two judges ---------------------------------------------------------------------------------------------------


def compiled(schema: pa.DataFrameSchema) -> CompiledRules:
    return compile_rules(schema, derive_rules(schema))


def judged(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> pl.LazyFrame:
    rules = compiled(schema)
    return rules.across(frame.lazy().with_columns(rules.row_words()))


def broken_by_us(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> Broken:
    rules = derive_rules(schema)
    decoded = decode(judged(schema, frame), rules).select("_rules").collect(engine="streaming")
    return {(row, rule) for row, broken in enumerate(decoded["_rules"].to_list()) for rule in broken}


def broken_by_pandera(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> Broken:
    ids = rule_ids(schema)
    return {(row["index"], ids[_key(row)]) for row in failure_cases(schema, frame)}


def failure_cases(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> list[dict[str, object]]:
    try:
        with warnings.catch_warnings(action="ignore"):  # of slow lambdas, mostly
            schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        return error.failure_cases.to_dicts()
    return []


def _key(row: dict[str, object]) -> tuple[object, object]:
    column = row["column"] if row["schema_context"] == "Column" else None
    return column, row["check"] if row["check_number"] is None else row["check_number"]


def rule_ids(schema: pa.DataFrameSchema) -> dict[tuple[object, object], str]:
    """What pandera calls a rule (column, number of the check or name) -> its id."""
    names = {"not_nullable": "not_nullable", "unique": "field_uniqueness"}
    ids: dict[tuple[object, object], str] = {}
    numbers: dict[str | None, int] = {}
    for statement in statements_of(schema):
        column = statement.columns[0] if len(statement.columns) == 1 else None
        if statement.declared:
            number = numbers.get(statement.declared.column, 0)
            numbers[statement.declared.column] = number + 1
            ids[statement.declared.column, number] = statement.id
        elif column is None:
            ids[None, "multiple_fields_uniqueness"] = statement.id
        elif statement.check in names:
            ids[column, names[statement.check]] = statement.id
    return ids


def without_null_duplicates(found: Broken, schema: pa.DataFrameSchema, frame: pl.DataFrame) -> Broken:
    """Difference 1."""
    keys = {s.id: s.columns for s in statements_of(schema) if s.check == "unique" and not s.declared}
    lacking = {
        (row, rule)
        for rule, columns in keys.items()
        for row, missing in enumerate(
            frame.select(pl.any_horizontal(pl.col(name).is_null() for name in columns)).to_series()
        )
        if missing
    }
    return found - lacking


# --- random schemas and data ------------------------------------------------------------------------------------------

DTYPES = {
    "i": pl.Int64(),
    "j": pl.Int8(),
    "f": pl.Float64(),
    "m": pl.Decimal(10, 2),
    "s": pl.String(),
    "e": pl.Enum(["a", "bb", "ccc"]),
    "b": pl.Boolean(),
    "d": pl.Date(),
    "t": pl.Datetime("us", "UTC"),
}

_NOON = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
CELLS = {
    "i": st.integers(-3, 9) | st.sampled_from([2**63 - 1, -(2**63)]),
    "j": st.integers(-3, 9),
    "f": st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 2.5, -7.25]),
    "m": st.decimals(-5, 15, places=2),
    "s": st.sampled_from(["a", "bb", "ccc", "", "é", "x1", "a\nb", "zz9", "a\u0301", "\x00", "😀", " a"]),
    "e": st.sampled_from(["a", "bb", "ccc"]),
    "b": st.booleans(),
    "d": st.dates(dt.date(2024, 2, 26), dt.date(2024, 3, 2)),
    "t": st.sampled_from([_NOON + dt.timedelta(hours=hours) for hours in range(0, 96, 8)]),
}


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    rows = draw(st.sampled_from([0, 1, 4, 12]))
    cells = {name: draw(st.lists(st.none() | each, min_size=rows, max_size=rows)) for name, each in CELLS.items()}
    return pl.DataFrame({name: pl.Series(cells[name], dtype=dtype) for name, dtype in DTYPES.items()})


def even(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key) % 2 == 0)


def is_there(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).is_not_null())


def below_its_greatest(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key) < pl.col(data.key).max())


def not_among_first(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).cum_count() > 2)


def changes(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).ne(pl.col(data.key).shift(1)))


def within_two(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(low=pl.col(data.key) > -2, high=pl.col(data.key) < 2)


def by_another_column(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.with_columns(answer=pl.col(data.key) > 0).select("answer")


def by_selector(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col("i", "j") >= 0)


def small(value: float) -> bool:
    return value < 3


def short(value: str) -> bool:
    return len(value) < 3


def in_order(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col("i") <= pl.col("j"))


def two_things(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col("i") > 0, pl.col("f") < 2)


def rare(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.len().over("s") < 3)


def early(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col("t").dt.date() <= pl.col("d"))


def named_only(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.all_horizontal(pl.col("i") > 0, pl.col("f").is_finite()))


def sample(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.with_row_index("row").select(pl.col("row") < 4)


Make = Callable[..., pa.Check]
BOUNDS = st.integers(-2, 8)


def check(make: Make, *args: object, **kwargs: object) -> st.SearchStrategy[pa.Check]:
    return st.booleans().map(lambda ignore_na: make(*args, ignore_na=ignore_na, **kwargs))


def custom(*functions: Callable[..., object]) -> st.SearchStrategy[pa.Check]:
    return st.sampled_from(functions).flatmap(lambda function: check(pa.Check, function))


def cell_by_cell(function: Callable[..., object]) -> st.SearchStrategy[pa.Check]:
    return check(pa.Check, function, element_wise=True)


COMPARISONS = st.tuples(
    st.sampled_from([pa.Check.eq, pa.Check.ne, pa.Check.gt, pa.Check.ge, pa.Check.lt, pa.Check.le]), BOUNDS
).flatmap(lambda drawn: check(*drawn))
RANGES = st.builds(
    lambda low, width, ends, ignore_na: pa.Check.in_range(
        low, low + width, include_min=ends[0], include_max=ends[1], ignore_na=ignore_na
    ),
    BOUNDS,
    st.integers(1, 5),
    st.tuples(st.booleans(), st.booleans()),
    st.booleans(),
)
NUMBERS = COMPARISONS | RANGES | custom(even, is_there, below_its_greatest, not_among_first, changes, within_two)
INTEGERS = (
    NUMBERS
    | check(pa.Check.isin, [1, 2, 3, 4, 5])
    | check(pa.Check.notin, [0, 1])
    | custom(by_another_column, by_selector)
    | cell_by_cell(small)
)
TEXTS = (
    check(pa.Check.str_matches, r"[a-z]+$")
    | check(pa.Check.str_contains, "[0-9]")
    | check(pa.Check.str_startswith, "a")
    | check(pa.Check.str_endswith, "9")
    | check(pa.Check.str_length, 1, 2)
    | check(pa.Check.str_length, min_value=1)
    | check(pa.Check.str_length, exact_value=3)
    | check(pa.Check.isin, ["a", "bb", "x1", "é"])
    | check(pa.Check.notin, ["", "a\nb"])
    | custom(is_there, not_among_first, changes)
    | cell_by_cell(short)
)
CHECKS = {
    "i": INTEGERS,
    "j": INTEGERS,
    "f": NUMBERS | check(pa.Check.isin, [1.0, 2.5]) | cell_by_cell(small),
    "m": check(pa.Check.ge, decimal.Decimal("1.50")) | check(pa.Check.lt, decimal.Decimal(9)) | custom(is_there),
    "s": TEXTS,
    "e": check(pa.Check.isin, ["a", "bb"]) | check(pa.Check.ne, "a") | custom(is_there),
    "b": check(pa.Check.eq, True) | custom(is_there, changes),
    "d": check(pa.Check.in_range, dt.date(2024, 2, 28), dt.date(2024, 3, 1)) | check(pa.Check.ge, dt.date(2024, 2, 29)),
    "t": check(pa.Check.lt, _NOON + dt.timedelta(days=1)) | custom(below_its_greatest),
}
TABLE_CHECKS = custom(in_order, two_things, rare, early, named_only, sample, by_selector)


@st.composite
def schemas(draw: st.DrawFn) -> pa.DataFrameSchema:
    columns = {
        name: pa.Column(
            dtype,
            draw(st.lists(CHECKS[name], max_size=3)),
            nullable=draw(st.booleans()),
            unique=draw(st.integers(0, 3)) == 0,
        )
        for name, dtype in DTYPES.items()
    }
    unique = draw(st.sampled_from([None, ["i", "s"], ["f", "b"], ["f", "j"], ["d", "e", "b"]]))
    return pa.DataFrameSchema(columns, checks=draw(st.lists(TABLE_CHECKS, max_size=3)), unique=unique)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(schemas(), frames())
def test_the_same_rows_break_the_same_rules(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> None:
    expected = without_null_duplicates(broken_by_pandera(schema, frame), schema, frame)
    assert broken_by_us(schema, frame) == expected


@settings(max_examples=10)  # each builds at least 65 checks and has pandera run them one by one
@given(frames(), st.sampled_from([65, 66, 130]))
def test_more_rules_than_a_word_has_bits(frame: pl.DataFrame, checks: int) -> None:
    bounds = [pa.Check.ge(number % 11 - 2, name=f"at_least_{number}") for number in range(checks)]
    schema = pa.DataFrameSchema({"i": pa.Column(pl.Int64, bounds, unique=True)})
    frame = frame.select("i")
    expected = without_null_duplicates(broken_by_pandera(schema, frame), schema, frame)
    assert broken_by_us(schema, frame) == expected
    counted = count(judged(schema, frame), derive_rules(schema))
    assert counted == {rule: sum(rule == broken for _, broken in expected) for rule in counted}


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(schemas(), frames(), st.integers(1, 4))
def test_rules_about_one_row_need_no_other_row(schema: pa.DataFrameSchema, frame: pl.DataFrame, size: int) -> None:
    rules = compiled(schema)
    whole = frame.select(rules.row_words())
    chunks = [chunk.select(rules.row_words()) for chunk in frame.iter_slices(size)]
    assert pl.concat([whole.clear(), *chunks]).equals(whole)


# --- the differences, one by one --------------------------------------------------------------------------------------


def test_difference_1_a_missing_value_is_the_duplicate_of_none() -> None:
    columns = {"i": pa.Column(pl.Int64, nullable=True, unique=True), "s": pa.Column(pl.String, nullable=True)}
    schema = pa.DataFrameSchema(columns, unique=["i", "s"])
    frame = pl.DataFrame({"i": [None, None, 1, 1], "s": ["a", "a", None, None]}, schema={"i": pl.Int64, "s": pl.String})
    assert broken_by_pandera(schema, frame) == {(row, rule) for row in range(4) for rule in ("i.unique", "i+s.unique")}
    assert broken_by_us(schema, frame) == {(2, "i.unique"), (3, "i.unique")}


def test_difference_1_does_not_touch_nan() -> None:
    schema = pa.DataFrameSchema({"f": pa.Column(pl.Float64, nullable=True, unique=True)})
    frame = pl.DataFrame({"f": [math.nan, math.nan, 1.0]})
    assert broken_by_us(schema, frame) == broken_by_pandera(schema, frame) == {(0, "f.unique"), (1, "f.unique")}


def test_difference_2_every_set_that_is_not_unique_is_reported() -> None:
    schema = pa.DataFrameSchema({"i": pa.Column(pl.Int64), "j": pa.Column(pl.Int64)}, unique=[["i"], ["i", "j"]])
    frame = pl.DataFrame({"i": [1, 1], "j": [2, 2]})
    assert len(failure_cases(schema, frame)) == 2
    assert broken_by_us(schema, frame) == {(row, rule) for row in range(2) for rule in ("i.unique", "i+j.unique")}


def highest_below(bound: int, data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col("i").max() < bound)


def test_difference_3_a_verdict_on_the_table_blames_no_row() -> None:
    checks = [pa.Check(functools.partial(highest_below, 3), name=f"below_{bound}") for bound in (3,)]
    checks += [pa.Check(functools.partial(highest_below, 9), name="below_9")]
    schema = pa.DataFrameSchema({"i": pa.Column(pl.Int64)}, checks=checks)
    frame = pl.DataFrame({"i": [1, 5]})
    assert [row["index"] for row in failure_cases(schema, frame)] == [0]
    assert broken_by_us(schema, frame) == set()
    verdicts = compiled(schema).table_verdicts(frame.lazy())
    assert [(rule.id, broken) for rule, broken in verdicts] == [("below_3", True), ("below_9", False)]


def test_difference_4_an_error_of_values_breaks_the_rule_for_its_value() -> None:
    schema = pa.DataFrameSchema({"s": pa.Column(pl.String, pa.Check(int, name="reads_as_int", element_wise=True))})
    frame = pl.DataFrame({"s": ["0", "one", "2"]})
    assert [row["index"] for row in failure_cases(schema, frame)] == [None]
    assert broken_by_us(schema, frame) == {(0, "s.reads_as_int"), (1, "s.reads_as_int")}


def test_difference_5_a_check_that_does_not_fit_its_column_is_refused() -> None:
    schema = pa.DataFrameSchema({"f": pa.Column(pl.Float64, pa.Check.isin([1, 2]))})
    assert [row["index"] for row in failure_cases(schema, pl.DataFrame({"f": [1.0]}))] == [None]
    with pytest.raises(DeclarationError, match=r"check f\.isin"):
        derive_rules(schema)


def test_difference_6_nothing_is_cut() -> None:
    schema = pa.DataFrameSchema({"i": pa.Column(pl.Int64, pa.Check.gt(5, n_failure_cases=1))})
    frame = pl.DataFrame({"i": [1, 2, 3]})
    assert len(broken_by_pandera(schema, frame)) == 1
    assert broken_by_us(schema, frame) == {(row, "i.greater_than") for row in range(3)}


def test_difference_7_cells_that_do_not_cast_are_told_from_missing_ones_in_every_column() -> None:
    columns = {name: pa.Column(pl.Int64, pa.Check(is_there), coerce=True) for name in ("i", "j")}
    schema = pa.DataFrameSchema(columns)
    raw = pl.DataFrame({"i": ["1", "x", None], "j": ["y", "2", "3"]})
    uncast = [row["index"] for row in failure_cases(schema, raw) if str(row["check"]).startswith("coerce")]
    assert uncast == [1, 2]

    rules = compiled(schema)
    typed = raw.lazy().select(pl.all().cast(pl.Int64, strict=False), pl.all().name.prefix("raw_"))
    uncastable = {name: pl.col(f"raw_{name}").is_not_null() & pl.col(name).is_null() for name in ("i", "j")}
    decoded = decode(typed.with_columns(rules.row_words(uncastable)), rules.rules).collect()
    assert decoded["_rules"].to_list() == [["j.castable"], ["i.castable"], ["i.not_nullable", "i.is_there"]]
