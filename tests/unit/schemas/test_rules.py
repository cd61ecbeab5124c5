from __future__ import annotations

import functools

import msgspec
import pandera.polars as pa
import polars as pl
import pytest

from schemas.errors import DeclarationError, UnknownNameError
from schemas.records import Severity
from schemas.rules import Rule, derive_rules


class Tickets(pa.DataFrameModel):
    ticket_id: str = pa.Field(unique=True, str_startswith="T")
    opened_at: pl.Datetime
    intent: str = pa.Field(isin=["billing", "bug"], nullable=True)
    confidence: float = pa.Field(in_range={"min_value": 0, "max_value": 1}, raise_warning=True)

    @pa.check("confidence")
    @classmethod
    def two_decimals(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Has at most
        two decimals."""
        return data.lazyframe.select(pl.col(data.key).round(2) == pl.col(data.key))

    @pa.dataframe_check
    @classmethod
    def sure_of_bugs(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select((pl.col("intent") != "bug") | (pl.col("confidence") > 0.5))

    @pa.dataframe_check
    @classmethod
    def grows(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col("opened_at").diff() >= pl.duration(seconds=0))

    @pa.dataframe_check
    @classmethod
    def enough(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """At least a hundred tickets are needed."""
        return data.lazyframe.select(pl.len() >= 100)

    class Config:
        unique = ("intent", "opened_at")


def ids(model: object, **settings: object) -> list[str]:
    return [rule.id for rule in derive_rules(model, **settings)]  # type: ignore[arg-type]


def by_id(model: object) -> dict[str, Rule]:
    return {rule.id: rule for rule in derive_rules(model)}  # type: ignore[arg-type]


def test_ids_follow_the_declaration() -> None:
    assert ids(Tickets) == [
        "ticket_id.not_nullable",
        "ticket_id.str_startswith",
        "ticket_id.unique",
        "opened_at.castable",
        "opened_at.not_nullable",
        "intent.isin",
        "confidence.castable",
        "confidence.not_nullable",
        "confidence.in_range",
        "confidence.two_decimals",
        "intent+opened_at.unique",
        "sure_of_bugs",
        "grows",
        "enough",
    ]


def test_derivation_is_stable() -> None:
    assert derive_rules(Tickets) == derive_rules(Tickets)


def test_each_rule_looks_at_a_row_or_across_rows_or_at_the_table() -> None:
    kinds = {rule.id: rule.kind for rule in derive_rules(Tickets)}
    across = {"ticket_id.unique", "intent+opened_at.unique", "grows"}
    assert {rule for rule, kind in kinds.items() if kind == "across_rows"} == across
    assert {rule for rule, kind in kinds.items() if kind == "table"} == {"enough"}


def test_severities_have_defaults() -> None:
    severities = {rule.id: rule.severity for rule in derive_rules(Tickets)}
    assert {rule for rule, severity in severities.items() if severity is Severity.WARN} == {"confidence.in_range"}
    assert {rule for rule, severity in severities.items() if severity is Severity.FAIL} == {"enough"}


def test_a_declared_severity_wins() -> None:
    wanted = {"confidence.in_range": Severity.FAIL, "enough": Severity.WARN, "intent.isin": Severity.WARN}
    severities = {rule.id: rule.severity for rule in derive_rules(Tickets, severities=wanted)}
    assert {rule: severities[rule] for rule in wanted} == wanted


def test_an_unknown_rule_in_severities_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown rule 'intent.is_in'.*Did you mean intent.isin"):
        derive_rules(Tickets, severities={"intent.is_in": Severity.WARN})


def test_a_rule_on_the_table_can_not_quarantine() -> None:
    with pytest.raises(DeclarationError, match="blames no row"):
        derive_rules(Tickets, severities={"enough": Severity.QUARANTINE})


def test_a_cell_that_can_not_be_read_is_never_only_counted() -> None:
    with pytest.raises(DeclarationError, match="in silence"):
        derive_rules(Tickets, severities={"confidence.castable": Severity.WARN})


def test_the_column_is_named_where_there_is_one() -> None:
    rules = by_id(Tickets)
    assert rules["intent.isin"].column == "intent"
    assert rules["intent.isin"].check == "isin"
    assert rules["intent+opened_at.unique"].column is None
    assert rules["sure_of_bugs"].column is None


def test_reasons_come_from_descriptions_or_parameters() -> None:
    reasons = {rule.id: rule.reason for rule in derive_rules(Tickets)}
    assert reasons["confidence.two_decimals"] == "Has at most two decimals."
    assert reasons["intent.isin"] == "must be one of 'billing', 'bug'"
    assert reasons["ticket_id.not_nullable"] == "is missing"
    assert reasons["sure_of_bugs"] == "does not pass the check sure_of_bugs"


def test_a_second_rule_of_a_name_gets_a_number() -> None:
    checks = [pa.Check.in_range(0, 9), pa.Check.in_range(1, 5), pa.Check.in_range(2, 3)]
    schema = pa.DataFrameSchema({"a": pa.Column(str, checks=[pa.Check.ne("x"), pa.Check.ne("y")], nullable=True)})
    assert ids(schema) == ["a.not_equal_to", "a.not_equal_to_2"]
    schema = pa.DataFrameSchema({"a": pa.Column(int, checks, nullable=True)}, unique=["a"])
    assert ids(schema) == ["a.castable", "a.in_range", "a.in_range_2", "a.in_range_3", "a.unique"]


def test_a_numbered_id_is_not_given_twice() -> None:
    def ne_2(data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col(data.key) != "z")

    checks = [pa.Check(ne_2, name="not_equal_to_2"), pa.Check.ne("x"), pa.Check.ne("y")]
    schema = pa.DataFrameSchema({"a": pa.Column(str, checks, nullable=True)})
    assert ids(schema) == ["a.not_equal_to_2", "a.not_equal_to", "a.not_equal_to_3"]


def test_a_column_and_a_set_of_one_column_may_both_be_unique() -> None:
    schema = pa.DataFrameSchema({"a": pa.Column(str, unique=True, nullable=True)}, unique=["a"])
    assert ids(schema) == ["a.unique", "a.unique_2"]


@pytest.mark.parametrize(
    "check",
    [
        pa.Check(lambda data: data.lazyframe.select(pl.col(data.key) > 0)),
        pa.Check(functools.partial(lambda data: data.lazyframe.select(pl.col(data.key) > 0))),
        pa.Check(lambda data: data.lazyframe.select(pl.col(data.key) > 0), name="is it good?"),
    ],
    ids=["lambda", "partial", "no identifier"],
)
def test_a_check_without_a_name_is_refused(check: pa.Check) -> None:
    with pytest.raises(DeclarationError, match="no name to call its rule by"):
        derive_rules(pa.DataFrameSchema({"a": pa.Column(int, check)}))


def test_a_rule_travels_as_json() -> None:
    rules = derive_rules(Tickets)
    assert msgspec.json.decode(msgspec.json.encode(rules), type=tuple[Rule, ...]) == rules


def test_models_inherit_rules() -> None:
    class Urgent(Tickets):
        priority: int = pa.Field(ge=1)

    assert ids(Urgent) == [
        *(rule for rule in ids(Tickets)[:10]),
        "priority.castable",
        "priority.not_nullable",
        "priority.greater_than_or_equal_to",
        *(rule for rule in ids(Tickets)[10:]),
    ]
