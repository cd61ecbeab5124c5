from __future__ import annotations

import datetime as dt
import inspect
import math
import threading
from collections.abc import Iterator

import polars as pl
import pytest

from schemas.row_local import is_row_local, runs_python

NUMBER, RATIO, TEXT, DAY, TIME, FLAG, KIND = (pl.col(name) for name in "ifsdtbe")

TABLE = pl.DataFrame(
    {
        "i": pl.Series([3, None, 1, 1, -7], dtype=pl.Int64),
        "f": pl.Series([1.5, math.nan, None, -0.0, math.inf], dtype=pl.Float64),
        "s": pl.Series(["b", "", "2024-05-06", None, "é b"], dtype=pl.String),
        "d": pl.Series([dt.date(2024, 2, 29), None, dt.date(1999, 12, 31), dt.date(1970, 1, 1), dt.date(2024, 2, 29)]),
        "t": pl.Series([1_709_208_000_000_000, None, 0, -1, 0], dtype=pl.Datetime("us")),
        "b": pl.Series([True, None, False, False, True], dtype=pl.Boolean),
        "e": pl.Series(["x", "y", None, "y", "x"], dtype=pl.Enum(["x", "y"])),
    }
)

LOCAL = [
    NUMBER >= 1,
    NUMBER.is_between(0, 2) & ~RATIO.is_nan(),
    NUMBER % 2 == 0,
    NUMBER.is_in([1, 2]),
    TEXT.is_in(frozenset(["b"])).not_(),
    TEXT.str.contains(r"^\d") | TEXT.is_null(),
    TEXT.str.strip_chars() == TEXT,
    TEXT.str.split(" ").list.len() > 1,
    TEXT.str.split(" ").list.eval(pl.element().str.len_chars() > 1).list.all(),
    TEXT.str.to_date("%Y-%m-%d", strict=False).is_not_null(),
    TEXT.str.json_path_match("$.a").is_null(),
    DAY.dt.year() > 2000,
    TIME.dt.date() <= DAY,
    TIME.dt.truncate("1mo") == TIME,
    RATIO.round(1).abs().clip(0, 1) == RATIO,
    NUMBER.cast(pl.Float64) > RATIO,
    pl.when(FLAG).then(NUMBER).otherwise(0) > 0,
    pl.all_horizontal(NUMBER > 0, RATIO > 0),
    pl.any_horizontal(FLAG, NUMBER > 2),
    pl.sum_horizontal("i", "f") > 1,
    pl.coalesce("i", pl.lit(0)) == 0,
    pl.concat_str("s", "s") == "bb",
    pl.struct("i", "f").struct.field("i") > 0,
    pl.fold(pl.lit(value=True), lambda a, b: a & b, [NUMBER > 0, NUMBER < 3]),
    NUMBER.fill_null(0).alias("other") > 0,
    NUMBER.replace_strict({1: 2}, default=0) == 2,
    KIND.cast(pl.String) == "x",
    NUMBER.map_elements(math.isfinite, return_dtype=pl.Boolean),
    NUMBER.map_batches(lambda column: column > 1, return_dtype=pl.Boolean, is_elementwise=True),
]

NOT_LOCAL = [
    pl.lit(pl.Series([True] * 5)),
    pl.len() > 1,
    NUMBER - NUMBER.mean() > 0,
    NUMBER.max() > 1,
    NUMBER.sum().over("s") > 1,
    NUMBER.cum_count() > 2,
    NUMBER.cum_sum() > 2,
    NUMBER.shift(1) == NUMBER,
    NUMBER.diff().fill_null(1) >= 0,
    NUMBER.rank() > 1,
    NUMBER.is_duplicated(),
    NUMBER.is_first_distinct(),
    pl.struct("i", "s").is_unique(),
    NUMBER.fill_null(strategy="forward") > 0,
    NUMBER.interpolate() > 0,
    NUMBER.rolling_mean(2) > 0,
    NUMBER.sort() == NUMBER,
    NUMBER.reverse() == NUMBER,
    NUMBER.shuffle() == NUMBER,
    NUMBER.is_in(pl.col("f").implode()),
    NUMBER.null_count() == 0,
    FLAG.all(),
    FLAG.any(),
    NUMBER.hash() > 3,
    TEXT.str.join() == "",
    TEXT.str.to_datetime(strict=False).is_null(),  # guesses the format from the first values
    RATIO.ewm_mean(alpha=0.5) > 0,
    pl.int_range(pl.len()) > 2,
    pl.when(NUMBER.max() > 2).then(FLAG).otherwise(~FLAG),
    NUMBER.map_batches(lambda column: column > column.max(), return_dtype=pl.Boolean),
    pl.all_horizontal(NUMBER > 0, NUMBER.is_unique()),
    pl.col("i", "f") > 0,
    pl.first() > 0,
]


@pytest.mark.parametrize("expr", LOCAL, ids=str)
def test_what_looks_at_one_row(expr: pl.Expr) -> None:
    assert is_row_local(expr)
    assert row_by_row(expr).equals(TABLE.select(expr).to_series())


@pytest.mark.parametrize("expr", NOT_LOCAL, ids=str)
def test_what_looks_across_rows_or_is_not_known(expr: pl.Expr) -> None:
    assert not is_row_local(expr)


def test_a_function_that_can_not_be_pickled_is_not_known() -> None:
    lock = threading.Lock()
    expr = NUMBER.map_elements(lambda value: lock.locked() and math.isfinite(value), return_dtype=pl.Boolean)
    assert not is_row_local(expr)
    assert runs_python(expr)


def test_what_runs_python() -> None:
    assert runs_python(NUMBER.map_elements(math.isfinite, return_dtype=pl.Boolean))
    assert not runs_python(TEXT.str.contains("AnonymousFunction"))


# --- every method that polars has -------------------------------------------------------------------------------------

#: Something for every parameter that has no default; 1 for those not named.
ARGUMENTS = (
    dict.fromkeys(["n", "other", "exponent", "length", "window_size", "upper_bound", "new", "base"], 2)
    | dict.fromkeys(["index", "group_index", "offset", "lower_bound"], 0)
    | dict.fromkeys(["pattern", "prefix", "suffix", "literal", "characters", "replace_with"], "b")
    | dict.fromkeys(["by", "every", "period"], "1d")
    | {"patterns": ["b"], "indices": [0], "breaks": [1.0], "quantile": 0.5, "dtype": pl.Float64}
    | {"json_path": "$.a", "time_zone": "UTC", "time_unit": "ms", "format": "%Y", "encoding": "hex", "form": "NFC"}
)


def methods() -> Iterator[tuple[str, pl.Expr]]:
    """Every method of an expression, called with something, on each of the columns."""
    for column in (NUMBER, RATIO, TEXT, DAY, TIME, FLAG, KIND, TEXT.str.split(" ")):
        for namespace in ("", "str", "dt", "list", "cat"):
            home = getattr(column, namespace) if namespace else column
            for name in dir(home):
                method = getattr(home, name, None)
                if name.startswith("_") or name in ("meta", "inspect") or not inspect.isroutine(method):
                    continue
                expr = called(method)
                if expr is not None:
                    yield f"{column}.{namespace}.{name}", expr


def called(method: object) -> pl.Expr | None:
    try:
        parameters = inspect.signature(method).parameters.values()  # type: ignore[arg-type]
        wanted = [p for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
        expr = method(*[ARGUMENTS.get(parameter.name, 1) for parameter in wanted])  # type: ignore[operator]
    except Exception:  # noqa: BLE001  # whatever it says to arguments that it can't take
        return None
    return expr if isinstance(expr, pl.Expr) else None


def row_by_row(expr: pl.Expr) -> pl.Series:
    return pl.concat([row.select(expr.alias("answer")) for row in TABLE.iter_slices(1)]).to_series()


@pytest.mark.filterwarnings("ignore")
def test_every_method_taken_for_row_local_is() -> None:
    tried = 0
    for name, expr in methods():
        if not is_row_local(expr):
            continue
        try:
            whole = TABLE.select(expr.alias("answer")).to_series()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            continue  # not for a column of that type
        tried += 1
        assert row_by_row(expr).equals(whole), name
    assert tried > 200
