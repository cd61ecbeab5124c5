from __future__ import annotations

import pandera.polars as pa
import polars as pl
import pytest
from polars import selectors

from schemas.capture import PASSES, Captured, capture, run
from schemas.errors import DeclarationError, UnknownNameError
from schemas.pandera_model import DeclaredCheck, read_model

DTYPES: dict[str, pl.DataType] = {"i": pl.Int64(), "f": pl.Float64(), "s": pl.String()}


def declared(check: pa.Check, column: str | None) -> DeclaredCheck:
    columns = {name: pa.Column(dtype, [check] if name == column else []) for name, dtype in DTYPES.items()}
    model = read_model(pa.DataFrameSchema(columns, checks=[check] if column is None else []))
    (found,) = [*model.checks, *(each for one in model.columns for each in one.checks)]
    return found


def captured(function: object, column: str | None = None, **settings: object) -> Captured:
    return capture(declared(pa.Check(function, name="asked", **settings), column), DTYPES)  # type: ignore[arg-type]


def passes(found: Captured, table: pl.DataFrame) -> list[bool | None]:
    assert found.passes is not None
    return table.select(found.passes).to_series().to_list()


TABLE = pl.DataFrame({"i": [1, 2, None], "f": [0.5, 9.0, 1.0], "s": ["a", "b", "c"]})


# --- natively ---------------------------------------------------------------------------------------------------------


def test_an_expression() -> None:
    found = captured(lambda data: data.lazyframe.select(pl.col(data.key) > 1), "i")
    assert (found.kind, found.how, found.why) == ("row", "native", "")
    assert passes(found, TABLE) == [False, True, None]


def test_several_expressions_must_all_hold() -> None:
    found = captured(lambda data: data.lazyframe.select(pl.col("i") > 0, low=pl.col("f") < 1))
    assert (found.kind, found.how) == ("row", "native")
    assert passes(found, TABLE) == [True, False, False]


def test_a_list_of_expressions_and_a_name() -> None:
    found = captured(lambda data: data.lazyframe.select([pl.col("i") > 0, (pl.col("f") > 0).alias("other")]))
    assert passes(found, TABLE) == [True, True, None]


def test_a_function_may_ask_for_the_columns() -> None:
    def all_there(data: pa.PolarsData) -> pl.LazyFrame:
        names = [name for name, dtype in data.lazyframe.collect_schema().items() if dtype.is_numeric()]
        assert data.lazyframe.columns == ["i", "f", "s"]
        return data.lazyframe.select(pl.all_horizontal(pl.col(name).is_not_null() for name in names))

    found = captured(all_there)
    assert (found.kind, found.how) == ("row", "native")
    assert passes(found, TABLE) == [True, True, False]


def test_one_value_is_a_verdict_on_the_table() -> None:
    assert captured(lambda data: data.lazyframe.select(pl.col("i").max() > 1)).kind == "table"


def test_one_value_beside_a_column_is_not() -> None:
    found = captured(lambda data: data.lazyframe.select(pl.col("i") > 0, pl.col("f").max() > 1))
    assert (found.kind, found.how) == ("across_rows", "native")


def test_python_for_each_cell() -> None:
    found = captured(str.isupper, "s", element_wise=True)
    assert (found.kind, found.how, found.why) == ("row", "python", "calls a Python function")
    assert passes(found, pl.DataFrame({"s": ["A", "b", None]})) == [True, False, None]


def test_an_element_wise_check_gets_its_parameters() -> None:
    found = captured(lambda value, least: value >= least, "i", element_wise=True, least=2)
    assert passes(found, TABLE) == [False, True, None]


def test_an_element_wise_check_that_raises_an_error_of_values_does_not_pass() -> None:
    found = captured(lambda value: 1 / value > 0, "i", element_wise=True)
    assert passes(found, pl.DataFrame({"i": [0, 1]})) == [False, True]


# --- by their own function --------------------------------------------------------------------------------------------

FALLBACKS = [
    (lambda data: data.lazyframe.with_columns(a=pl.col("i") > 1).select("a"), "uses LazyFrame.with_columns"),
    (lambda data: data.lazyframe.select(a=pl.col("i") > 1).with_columns(), "uses LazyFrame.with_columns after select"),
    (lambda data: data.lazyframe.select(pl.col("i", "f") > 1), "selects columns by a pattern or position"),
    (lambda data: data.lazyframe.select(selectors.numeric() > 1), "selects columns by a pattern or position"),
    (lambda data: data.lazyframe.select(pl.first() > 1), "selects columns by a pattern or position"),
    (lambda data: data.lazyframe.select(pl.Series([True, False, True])), "selects something that is no expression"),
]


@pytest.mark.parametrize(("function", "why"), FALLBACKS, ids=[why for _, why in FALLBACKS])
def test_what_is_no_expression_is_called(function: object, why: str) -> None:
    found = captured(function)
    assert found == Captured("across_rows", "fallback", why, None)
    check = declared(pa.Check(function, name="asked"), None)  # type: ignore[arg-type]
    answer = run(check, TABLE.lazy(), list(DTYPES)).collect()
    assert answer.columns == [PASSES]
    assert answer.height == TABLE.height


def test_a_function_sees_only_the_models_columns() -> None:
    check = declared(pa.Check(lambda data: data.lazyframe.select(pl.all().is_not_null()), name="there"), None)
    answer = run(check, TABLE.with_columns(_file=None).lazy(), list(DTYPES)).collect()
    assert answer[PASSES].to_list() == [True, True, False]


@pytest.mark.parametrize(
    "function",
    [
        lambda data: bool(data.lazyframe.collect().height),
        lambda data: data.lazyframe.filter(pl.col("i") > 0).select(pl.len() > 0),
    ],
    ids=["bool", "one row"],
)
def test_a_function_may_give_a_verdict_on_the_table(function: object) -> None:
    found = captured(function)
    assert (found.kind, found.how) == ("table", "fallback")


def test_unique_values_eq_is_given_each_value_once() -> None:
    check = declared(pa.Check.unique_values_eq(["a", "b"]), "s")
    assert capture(check, DTYPES).kind == "table"
    for texts, verdict in ((["a", "b", "a", None], True), (["a"], False), (["a", "b", "c"], False)):
        assert run(check, pl.LazyFrame({"s": texts}), list(DTYPES)).collect().item() is verdict


# --- refused ----------------------------------------------------------------------------------------------------------


def test_an_unknown_column_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"check asked: unknown column 'fx'.*Did you mean f\?"):
        captured(lambda data: data.lazyframe.select(pl.col("fx") > 1))


REFUSED = [
    (lambda data: data.lazyframe.select(pl.col("i") + 1), "answers with Int64"),
    (lambda data: data.lazyframe.select(pl.col("i") > 1, pl.col("i") < 3), "raises DuplicateError"),
    (lambda data: data.lazyframe.select(pl.col("i").is_in(["a"])), "raises InvalidOperationError"),
    (lambda data: data.lazyframe.select(pl.col("i").filter(pl.col("i") > 0) > 0), "rows for 3"),
    (lambda data: data.lazyframe.select(pl.col("i").unique() > 0), "rows for 3"),
    (lambda data: data.lazyframe.filter(pl.col("i") > 1).select("s"), "answers with String"),
    (lambda data: data.lazyframe.with_row_index().filter(pl.col("index") > 0).select(pl.col("i") > 1), "2 rows for 3"),
    (lambda data: data.lazyframe.select(), "answers with nothing"),
    (lambda data: data.lazyframe.collect()["i"] > 1, "answers with Series"),
    (lambda data: data.lazyframe.collect()["i"].max() > 1, "raises TypeError"),
    (lambda data: data.missing, "raises AttributeError"),
    (lambda data: data.key and None, "answers with NoneType"),
    (lambda data: data.lazyframe.select(pl.col("s").str.to_integer() > 1), "strict integer parsing failed"),
    (lambda data: data.lazyframe.select(pl.col("s").str.contains("(?=a)")), "raises ComputeError"),
]


@pytest.mark.parametrize(("function", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_can_not_be_used_is_refused(function: object, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        captured(function)


def test_a_faulty_element_wise_function_is_refused() -> None:
    with pytest.raises(DeclarationError, match="TypeError"):
        captured(len, "i", element_wise=True)
