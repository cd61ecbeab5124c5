from __future__ import annotations

import math

import pandera.polars as pa
import polars as pl
import pytest

from schemas.errors import DeclarationError
from schemas.records import Severity
from schemas.rules import Rule, derive_rules
from tasks.validate.compile import CompiledRules, compile_rules
from tasks.validate.reasons import count, decode


def compiled(schema: pa.DataFrameSchema, **severities: Severity) -> CompiledRules:
    named = {rule.replace("__", "."): severity for rule, severity in severities.items()}
    return compile_rules(schema, derive_rules(schema, severities=named))


def broken(rules: CompiledRules, masked: pl.LazyFrame) -> list[list[str]]:
    return decode(masked, rules.rules).collect(engine="streaming")["_rules"].to_list()


def column(dtype: object, *checks: pa.Check, **settings: object) -> pa.DataFrameSchema:
    return pa.DataFrameSchema({"c": pa.Column(dtype, list(checks), **settings)})  # type: ignore[arg-type]


def by_rows(rules: CompiledRules, values: list[object], dtype: pl.DataType) -> list[list[str]]:
    frame = pl.LazyFrame({"c": pl.Series(values, dtype=dtype)})
    return broken(rules, frame.with_columns(rules.row_words()))


# --- rules about one row ----------------------------------------------------------------------------------------------


def test_all_broken_rules_of_a_row_are_set() -> None:
    rules = compiled(column(int, pa.Check.ge(0), pa.Check.ne(-5), pa.Check.isin([-5, 1])))
    assert by_rows(rules, [1, -5, -6, None], pl.Int64()) == [
        [],
        ["c.greater_than_or_equal_to", "c.not_equal_to"],
        ["c.greater_than_or_equal_to", "c.isin"],
        ["c.not_nullable"],
    ]


def test_nan_is_missing_and_a_null_passes_all_else() -> None:
    rules = compiled(column(float, pa.Check.lt(5)))
    assert by_rows(rules, [math.nan, None, 1.0], pl.Float64()) == [
        ["c.not_nullable", "c.less_than"],  # to polars, and so to pandera, NaN is the greatest of numbers
        ["c.not_nullable"],
        [],
    ]


def test_ignore_na_is_honoured() -> None:
    rules = compiled(column(str, pa.Check.ne("a", ignore_na=False), pa.Check.eq("a"), nullable=True))
    assert by_rows(rules, ["a", None], pl.String()) == [["c.not_equal_to"], ["c.not_equal_to"]]


def is_there(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).is_not_null())


def both_there(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.all_horizontal(pl.col("a").is_not_null(), pl.col("b").is_not_null()))


def test_a_cell_that_was_not_cast_breaks_castable_and_nothing_else() -> None:
    columns = {name: pa.Column(int, [pa.Check(is_there), pa.Check.ge(0, ignore_na=False)]) for name in ("a", "b")}
    rules = compiled(pa.DataFrameSchema(columns, checks=pa.Check(both_there)))
    frame = pl.LazyFrame({"a": [1, None, None], "b": [1, 2, None], "a_text": ["1", "x", None]})
    frame = frame.with_columns(pl.col("b").cast(pl.Int64))
    masked = frame.with_columns(rules.row_words({"a": pl.col("a_text") == "x"}))
    a_missing = ["a.not_nullable", "a.is_there", "a.greater_than_or_equal_to"]
    b_missing = [rule.replace("a.", "b.") for rule in a_missing]
    assert broken(rules, masked) == [[], ["a.castable"], [*a_missing, *b_missing, "both_there"]]


def test_columns_without_a_castable_rule_are_left_alone() -> None:
    rules = compiled(column(str))
    frame = pl.LazyFrame({"c": [None]}, schema={"c": pl.String})
    assert broken(rules, frame.with_columns(rules.row_words({"c": pl.lit(value=True)}))) == [[]]


def test_a_check_called_castable_is_a_check() -> None:
    def castable(data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col(data.key) > 0)

    rules = compiled(column(int, pa.Check(castable)))
    assert by_rows(rules, [-1], pl.Int64()) == [["c.castable_2"]]


def test_a_model_without_rules_gives_a_mask_of_zeros() -> None:
    rules = compiled(column(str, nullable=True))
    frame = pl.LazyFrame({"c": ["a", None]})
    masked = rules.across(frame.with_columns(rules.row_words()))
    assert masked.collect()["_mask0"].to_list() == [0, 0]
    assert masked.select(hit=rules.broken(*Severity)).collect()["hit"].to_list() == [False]


def test_across_rules_have_no_bit_in_row_words() -> None:
    rules = compiled(column(str, unique=True))
    assert by_rows(rules, ["a", "a"], pl.String()) == [[], []]


# --- rules across rows ------------------------------------------------------------------------------------------------


def below_the_rest(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col("a") <= pl.col("a").median().over("b"))


def all_there(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.all().is_not_null())


def wide() -> CompiledRules:
    columns = {"a": pa.Column(int, unique=True), "b": pa.Column(str, nullable=True), "z": pa.Column(bool)}
    return compiled(pa.DataFrameSchema(columns, unique=["a", "b"], checks=[pa.Check(below_the_rest)]))


def test_across_adds_its_bits_to_those_that_are_there() -> None:
    rules = wide()
    frame = pl.LazyFrame({"a": [1, 1, None], "b": ["x", None, "x"], "z": [True, None, True], "id": [7, 8, 9]})
    masked = rules.across(frame.with_columns(rules.row_words()))
    assert masked.collect_schema().names() == ["a", "b", "z", "id", "_mask0"]
    assert broken(rules, masked) == [["a.unique"], ["a.unique", "z.not_nullable"], ["a.not_nullable"]]


def test_across_on_a_frame_without_a_mask_gives_its_own_bits_only() -> None:
    rules = wide()
    frame = pl.LazyFrame({"a": [1, 1, 3], "b": ["x", "x", "x"]})
    assert broken(rules, rules.across(frame)) == [
        ["a.unique", "a+b.unique"],
        ["a.unique", "a+b.unique"],
        ["below_the_rest"],
    ]


def test_across_reads_only_the_columns_it_says() -> None:
    rules = wide()
    assert rules.across_columns == ("a", "b")
    fallback = compiled(pa.DataFrameSchema({n: pa.Column(str) for n in "ab"}, checks=pa.Check(all_there)))
    assert fallback.across_columns == ("a", "b")
    assert compiled(column(int, pa.Check.ge(0))).across_columns == ()


def test_across_leaves_out_what_could_not_be_cast() -> None:
    def first_or_there(data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col("c").is_not_null() | (pl.col("c").cum_count() > 9))

    rules = compiled(column(int, pa.Check(first_or_there), nullable=True))
    frame = pl.LazyFrame({"c": [None, None, 1]}, schema={"c": pl.Int64}).with_row_index("row")
    masked = rules.across(frame.with_columns(rules.row_words({"c": pl.col("row") == 0})))
    assert broken(rules, masked) == [["c.castable"], ["c.first_or_there"], []]


def test_a_fallback_stands_beside_expressions() -> None:
    columns = {"a": pa.Column(int, unique=True, nullable=True), "b": pa.Column(str, nullable=True)}
    rules = compiled(pa.DataFrameSchema(columns, checks=pa.Check(all_there)))
    assert {part.rule.id: (part.how, part.why) for part in rules.parts} == {
        "a.castable": ("native", ""),
        "a.unique": ("native", ""),
        "all_there": ("fallback", "selects columns by a pattern or position"),
    }
    frame = pl.LazyFrame({"a": [1, 1, 2], "b": ["x", None, "z"], "_file": [None] * 3})
    masked = rules.across(frame)
    assert broken(rules, masked) == [["a.unique"], ["a.unique", "all_there"], []]
    assert masked.collect_schema().names() == ["a", "b", "_file", "_mask0"]


def test_more_than_64_rules() -> None:
    checks = [pa.Check.ne(number, name=f"not_{number}") for number in range(70)]
    rules = compiled(column(int, *checks, unique=True))
    assert rules.words == ["_mask0", "_mask1"]
    frame = pl.LazyFrame({"c": [0, 69, 69, 100]})
    masked = rules.across(frame.with_columns(rules.row_words()))
    assert broken(rules, masked) == [["c.not_0"], ["c.not_69", "c.unique"], ["c.not_69", "c.unique"], []]
    counted = count(masked, rules.rules)
    assert {rule: rows for rule, rows in counted.items() if rows} == {"c.not_0": 1, "c.not_69": 2, "c.unique": 2}


# --- rules about the table --------------------------------------------------------------------------------------------


def reaches_three(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col("c").max() >= 3)


def has_rows(data: pa.PolarsData) -> bool:
    return bool(data.lazyframe.collect().height)


@pytest.mark.parametrize(
    ("values", "verdicts"),
    [
        ([1, 3], [False, False, True]),
        ([1], [True, False, True]),
        ([], [False, True, True]),
        ([1, 2], [True, False, False]),
    ],
    ids=str,
)
def test_verdicts_on_the_table(values: list[int], verdicts: list[bool]) -> None:
    checks = [pa.Check(reaches_three), pa.Check(has_rows), pa.Check.unique_values_eq([1, 2])]
    rules = compiled(column(int, *checks))
    frame = pl.LazyFrame({"c": values}, schema={"c": pl.Int64})
    found = rules.table_verdicts(frame)
    assert [rule.id for rule, _ in found] == ["c.reaches_three", "c.has_rows", "c.unique_values_eq"]
    assert [verdict for _, verdict in found] == verdicts


def test_a_null_verdict_goes_by_ignore_na() -> None:
    rules = compiled(column(int, pa.Check(reaches_three, ignore_na=False)))
    ((_, verdict),) = rules.table_verdicts(pl.LazyFrame({"c": []}, schema={"c": pl.Int64}))
    assert verdict


def test_a_check_that_stops_giving_one_verdict_is_told() -> None:
    def first_and_odd_ones(data: pa.PolarsData) -> pl.LazyFrame:
        odd = (pl.col("c") == 42) | (pl.int_range(pl.len()) == 0)
        return data.lazyframe.filter(odd).select(pl.col("c") != 0)

    rules = compiled(column(int, pa.Check(first_and_odd_ones)))
    assert [verdict for _, verdict in rules.table_verdicts(pl.LazyFrame({"c": [0, 1]}))] == [True]
    with pytest.raises(DeclarationError, match=r"rule c\.first_and_odd_ones: 2 verdicts"):
        rules.table_verdicts(pl.LazyFrame({"c": [1, 42]}))


# --- severities and other rules ---------------------------------------------------------------------------------------


def test_broken_goes_by_severity() -> None:
    schema = pa.DataFrameSchema({"c": pa.Column(int, [pa.Check.ge(0), pa.Check.ge(5, name="large")], nullable=True)})
    rules = compiled(schema, c__large=Severity.WARN)
    masked = pl.DataFrame({"c": [9, 3, -1]}).with_columns(rules.row_words())
    for severities, expected in (
        ([Severity.WARN], [False, True, True]),
        ([Severity.QUARANTINE], [False, False, True]),
        ([Severity.FAIL], [False, False, False]),
        ([Severity.QUARANTINE, Severity.FAIL], [False, False, True]),
        ([], [False, False, False]),
    ):
        assert masked.with_columns(hit=rules.broken(*severities))["hit"].to_list() == expected


def other(rule_id: str, kind: str = "row", severity: Severity = Severity.QUARANTINE) -> Rule:
    return Rule(rule_id, None, rule_id, kind, severity, "said elsewhere")  # type: ignore[arg-type]


def test_rules_that_are_no_checks_follow_the_models() -> None:
    rules = compiled(column(int, pa.Check.ge(0))).with_rules(
        [
            (other("record.extra_column"), pl.col("_flags") & 2 != 0),
            (other("key.conflict", "across_rows"), pl.col("other").n_unique().over("c") > 1),
            (other("later"), None),
            (other("too_few", "table", Severity.FAIL), pl.len() < 9),
            (other("drifted", "table", Severity.FAIL), None),
        ]
    )
    frame = pl.LazyFrame({"c": [-1, 2, 2], "_flags": [2, None, 1], "other": ["x", "y", "z"]})
    masked = rules.across(frame.with_columns(rules.row_words()))
    assert broken(rules, masked) == [
        ["c.greater_than_or_equal_to", "record.extra_column"],
        ["key.conflict"],
        ["key.conflict"],
    ]
    assert rules.across_columns == ("c", "other")
    verdicts = [(rule.id, verdict) for rule, verdict in rules.table_verdicts(frame)]
    assert verdicts == [("too_few", True), ("drifted", False)]


def test_rules_may_be_added_in_several_goes() -> None:
    rules = compiled(column(str, nullable=True))
    rules = rules.with_rules([(other("a"), pl.col("c") == "a")]).with_rules([(other("b"), pl.col("c") == "b")])
    assert [rule.id for rule in rules.rules] == ["a", "b"]
    assert by_rows(rules, ["a", "b", None], pl.String()) == [["a"], ["b"], []]


def test_two_rules_of_one_id_are_refused() -> None:
    with pytest.raises(DeclarationError, match=r"two rules have the id c\.castable"):
        compiled(column(int)).with_rules([(other("c.castable"), pl.lit(value=True))])


def test_rules_of_another_model_are_refused() -> None:
    with pytest.raises(ValueError, match="not those of the model"):
        compile_rules(column(int), derive_rules(column(str)))


def test_the_same_bits_with_either_engine() -> None:
    rules = compiled(column(int, pa.Check.in_range(10, 90), pa.Check.ne(50), unique=True))
    frame = pl.LazyFrame({"c": [(row * 7919) % 100_003 % 120 for row in range(20_000)]})
    masked = rules.across(frame.with_columns(rules.row_words()))
    assert masked.collect(engine="streaming").equals(masked.collect(engine="in-memory"))
