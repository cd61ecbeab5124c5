"""Rules: every statement that a model makes about its rows, each with an id, a severity and a reason in words.

Belongs here: what the rules of a model are and what they are called. Does not belong here: rules that follow from
policies (dataset), the words of reasons (wording), or evaluating anything (tasks/validate).

Ids are derived, never typed: `<column>.castable`, `<column>.not_nullable`, `<column>.<check>`, `<column>.unique`,
`<a>+<b>.unique`, and `<check>` for a check of the whole table. A second rule that would have the same id gets `_2`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from schemas import wording
from schemas.capture import Captured, Kind, capture
from schemas.columns import ColumnSpec, columns_of
from schemas.errors import DeclarationError, UnknownNameError
from schemas.pandera_model import DeclaredCheck, DeclaredModel, PanderaModel, read_model
from schemas.records import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Check names of the rules that are not pandera checks.
CASTABLE, NOT_NULLABLE, UNIQUE = "castable", "not_nullable", "unique"


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A statement about a row or a table, and what happens where it does not hold."""

    id: str
    column: str | None
    """None for a rule about several columns or the whole table."""
    check: str
    kind: Kind
    """Whether it looks at one row, at a row in the light of others, or at the table as a whole."""
    severity: Severity
    reason: str
    """What is wrong with a row that breaks it, in words."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A rule before it is given a severity, with what is needed to evaluate it.

    Attributes:
        id: as the rule's.
        check: as the rule's.
        columns: the columns that it is about; empty for a check of the whole table.
        kind: as the rule's.
        reason: as the rule's.
        declared: the pandera check behind it, or None.
        captured: that check as it can be evaluated, or None.
    """

    id: str
    check: str
    columns: tuple[str, ...]
    kind: Kind
    reason: str
    declared: DeclaredCheck | None = None
    captured: Captured | None = None


def derive_rules(model: PanderaModel, *, severities: Mapping[str, Severity] | None = None) -> tuple[Rule, ...]:
    """The rules of a model, in the order of its declaration, which is the order of bits in a mask.

    Without a word in `severities` a broken rule sets the row aside, or stops the run if it is about the table as a
    whole; a check declared with `raise_warning=True` is only counted.

    Args:
        model: a pandera-polars model or schema.
        severities: rule id -> severity, where the default is not wanted.

    Raises:
        DeclarationError: the model holds something that can't be meant, or a rule is given a severity it can't have.
        UnknownNameError: `severities` names a rule that does not exist.

    Example:
        >>> import pandera.polars as pa
        >>> class Trips(pa.DataFrameModel):
        ...     fare: float = pa.Field(ge=0, nullable=True)
        >>> [(rule.id, str(rule.severity), rule.reason) for rule in derive_rules(Trips)]
        [('fare.castable', 'quarantine', 'is not a number'),
         ('fare.greater_than_or_equal_to', 'quarantine', 'must be at least 0')]
    """
    wanted = severities or {}
    statements = statements_of(model)
    known = [statement.id for statement in statements]
    for rule_id in wanted:
        if rule_id not in known:
            raise UnknownNameError.of("rule", rule_id, known, where="severities")
    return tuple(_rule(statement, wanted.get(statement.id)) for statement in statements)


def statements_of(model: PanderaModel) -> tuple[Statement, ...]:
    """The statements behind the rules of a model, in the same order; raises as `derive_rules` does."""
    declared = read_model(model)
    columns = columns_of(model)
    taken: set[str] = set()
    return tuple(_numbered(statement, taken) for statement in _statements(declared, columns))


def _rule(statement: Statement, wanted: Severity | None) -> Rule:
    default = Severity.FAIL if statement.kind == "table" else Severity.QUARANTINE
    if statement.declared and statement.declared.warns:
        default = Severity.WARN
    severity = wanted or default
    _check_severity(statement, severity)
    column = statement.columns[0] if len(statement.columns) == 1 else None
    return Rule(statement.id, column, statement.check, statement.kind, severity, statement.reason)


def _check_severity(statement: Statement, severity: Severity) -> None:
    where = f"severities, {statement.id}"
    if statement.kind == "table" and severity is Severity.QUARANTINE:
        raise DeclarationError(
            "a rule about the whole table is to quarantine, but blames no row",
            expected="Severity.WARN or Severity.FAIL",
            where=where,
        )
    if statement.check == CASTABLE and not statement.declared and severity is Severity.WARN:
        raise DeclarationError(
            "a cell that can't be read is only to be counted, and would become a missing one in silence",
            expected="Severity.QUARANTINE or Severity.FAIL",
            where=where,
            fix="Name the texts that mean missing: steps.null_tokens(...).",
        )


# --- what a model states ----------------------------------------------------------------------------------------------


def _statements(model: DeclaredModel, specs: tuple[ColumnSpec, ...]) -> Iterator[Statement]:
    dtypes = {spec.name: spec.dtype for spec in specs}
    for column, spec in zip(model.columns, specs, strict=True):
        own = (spec.name,)
        if spec.dtype != pl.String:
            yield Statement(f"{spec.name}.{CASTABLE}", CASTABLE, own, "row", wording.of_cast(spec))
        if not spec.nullable:
            yield Statement(f"{spec.name}.{NOT_NULLABLE}", NOT_NULLABLE, own, "row", wording.NOT_NULLABLE)
        for check in column.checks:
            yield _of_check(check, dtypes)
        if column.unique:
            yield _of_unique(own)
    for names in model.unique:
        yield _of_unique(names)
    for check in model.checks:
        yield _of_check(check, dtypes)


def _of_unique(names: tuple[str, ...]) -> Statement:
    return Statement(f"{'+'.join(names)}.{UNIQUE}", UNIQUE, names, "across_rows", wording.of_unique(names))


def _of_check(check: DeclaredCheck, dtypes: Mapping[str, pl.DataType]) -> Statement:
    captured = capture(check, dtypes)
    columns = (check.column,) if check.column else ()
    return Statement(check.where, check.name, columns, captured.kind, wording.of_check(check), check, captured)


def _numbered(statement: Statement, taken: set[str]) -> Statement:
    """The statement with an id of its own: the second that would be called `a.in_range` is `a.in_range_2`."""
    rule_id, number = statement.id, 1
    while rule_id in taken:
        number += 1
        rule_id = f"{statement.id}_{number}"
    taken.add(rule_id)
    return statement if number == 1 else replace(statement, id=rule_id)
