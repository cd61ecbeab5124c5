"""Recount: what a manifest says of a partition beside its books, computed anew from the ledger's files.

Belongs here: rules, rejects, repairs, and whether every row that was not kept has its reasons and its raw bytes. Does
not belong here: opening the files (written), fates (balance), or hashes (verify).

Three counts can't be computed anew in full, because the rows that they count are not all in the ledger: a rule of
severity `warn` also counts rows that were kept, so its ledger rows are only the least it may say; and of the cells
that a step touched, only those whose value it changed are listed. The manifest's digest protects the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from schemas.records import (
    DUPLICATE_OF,
    FILE,
    RAW,
    REASONS,
    RECORD,
    RULES,
    PartitionEntry,
    RejectCount,
    Role,
    RuleCount,
    Severity,
    StepCount,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


#: What is quarantined, and what is a duplicate.
_SET_ASIDE = (Role.QUARANTINE, Role.DISPUTED)
_DUPLICATE = (Role.DUPLICATES, Role.SUPERSEDED)


def recount(rows: Mapping[Role, pl.LazyFrame], entry: PartitionEntry) -> Iterator[str]:
    """Everything in which a partition's ledger and its manifest differ, one sentence each.

    Args:
        rows: what the partition's files hold, for each role that has any.
        entry: what the manifest says.
    """
    ledger = _Ledger(rows)
    yield from _rules(ledger, entry)
    yield from _differences("records rejected for", ledger.by_rule(Role.REJECTS), _rejects(entry))
    yield from _differences("repaired cells of", ledger.repairs(), _steps(entry))
    yield from _without_reasons(ledger, entry)
    yield from _strange_repairs(ledger, entry)


def recounted(rows: Mapping[Role, pl.LazyFrame], entry: PartitionEntry) -> PartitionEntry:
    """The entry with every count that its files tell counted anew; for one of which records were erased.

    What can't be counted anew stays as it was when the erased records were still among the others: rules that only
    warn, and cells of which only the writing changed.
    """
    ledger = _Ledger(rows)
    broken, rejected, repaired = ledger.by_rule(*_SET_ASIDE), ledger.by_rule(Role.REJECTS), ledger.repairs()
    rules = [_recounted_rule(rule, broken) for rule in entry.rules]
    steps = [_recounted_step(step, repaired) for step in entry.steps]
    return msgspec.structs.replace(
        entry,
        rules=tuple(rule for rule in rules if rule.rows),
        rejects=tuple(RejectCount(reason, records) for reason, records in sorted(rejected.items())),
        steps=tuple(step for step in steps if step.cells),
    )


def _recounted_rule(rule: RuleCount, broken: Mapping[str, int]) -> RuleCount:
    if rule.severity is Severity.WARN:
        return rule
    return msgspec.structs.replace(rule, rows=broken.get(rule.id, 0))


def _recounted_step(step: StepCount, repaired: Mapping[str, int]) -> StepCount:
    if not step.changed_value:
        return step
    return msgspec.structs.replace(step, cells=repaired.get(_cell_name(step), 0))


class _Ledger:
    """The rows of the ledger's files."""

    def __init__(self, rows: Mapping[Role, pl.LazyFrame]) -> None:
        self.rows = rows

    def by_rule(self, *roles: Role) -> dict[str, int]:
        """How many rows of some roles broke each rule."""
        rules = [self.rows[role].select(pl.col(RULES).explode()) for role in roles if role in self.rows]
        if not rules:
            return {}
        counts = pl.concat(rules).drop_nulls().group_by(RULES).len()
        return dict(counts.collect(engine="streaming").rows())

    def repairs(self) -> dict[str, int]:
        """How many cells were repaired, by column and step."""
        if Role.REPAIRS not in self.rows:
            return {}
        counts = self.rows[Role.REPAIRS].group_by("column", "step").len().collect(engine="streaming")
        return {f"{column} by {step}": cells for column, step, cells in counts.rows()}

    def number(self, role: Role, which: pl.Expr) -> int:
        """How many rows of a role are such."""
        if role not in self.rows:
            return 0
        return int(self.rows[role].select(which.fill_null(value=True).sum()).collect(engine="streaming").item())


def _rules(ledger: _Ledger, entry: PartitionEntry) -> Iterator[str]:
    set_aside = ledger.by_rule(*_SET_ASIDE)
    said = {rule.id: rule for rule in entry.rules}
    if len(said) < len(entry.rules):
        yield "a rule is counted twice"
    for unknown in sorted(set_aside.keys() - said.keys()):
        yield f"{set_aside[unknown]:,} quarantined rows broke {unknown}, which the manifest does not count"
    for rule in said.values():
        found = set_aside.get(rule.id, 0)
        if rule.severity is not Severity.WARN and found != rule.rows:
            yield f"{found:,} quarantined rows broke {rule.id}; the manifest counts {rule.rows:,}"
        elif not found <= rule.rows <= entry.total.records:
            yield f"the manifest counts {rule.rows:,} rows that broke {rule.id}; {found:,} are in quarantine alone"


def _rejects(entry: PartitionEntry) -> dict[str, int]:
    return {count.reason: count.records for count in entry.rejects}


def _cell_name(step: StepCount) -> str:
    return f"{step.column} by {step.step}"


def _steps(entry: PartitionEntry) -> dict[str, int]:
    said: dict[str, int] = {}
    for step in entry.steps:
        if step.changed_value:
            said[_cell_name(step)] = said.get(_cell_name(step), 0) + step.cells
    return said


def _differences(what: str, found: dict[str, int], said: dict[str, int]) -> Iterator[str]:
    for name in sorted(found.keys() | said.keys()):
        if found.get(name, 0) != said.get(name, 0):
            yield f"{found.get(name, 0):,} {what} {name}; the manifest counts {said.get(name, 0):,}"


def _without_reasons(ledger: _Ledger, entry: PartitionEntry) -> Iterator[str]:
    unexplained = (pl.col(RULES).list.len() == 0) | (pl.col(RULES).list.len() != pl.col(REASONS).list.len())
    # A row of a columnar file has no bytes of its own.
    columnar = [raw.sha256 for raw in entry.inputs if raw.text_size is None]
    rawless = pl.col(RAW).is_null() & ~pl.col(FILE).is_in(columnar)
    for role in (*_SET_ASIDE, *_DUPLICATE, Role.REJECTS):
        if unreasoned := ledger.number(role, unexplained):
            yield f"{unreasoned:,} rows in {role.value} have no rule, or not a reason for each"
        # A row that other partitions took away is one of the clean table, which has no bytes of its record.
        if role not in (Role.SUPERSEDED, Role.DISPUTED) and (lost := ledger.number(role, rawless)):
            yield f"{lost:,} rows in {role.value} have no raw bytes"
    for role in _DUPLICATE:
        if alone := ledger.number(role, pl.col(DUPLICATE_OF).is_null()):
            yield f"{alone:,} rows in {role.value} don't name the record that they duplicate"


def _strange_repairs(ledger: _Ledger, entry: PartitionEntry) -> Iterator[str]:
    if Role.REPAIRS not in ledger.rows:
        return
    records = {raw.sha256: raw.records for raw in entry.inputs}
    # A join, because polars streams no replace_strict: it would hold all rows in memory.
    lasts = pl.LazyFrame(
        {FILE: list(records), "_last": list(records.values())}, schema={FILE: pl.String, "_last": pl.UInt64}
    )
    known = pl.col(RECORD).is_between(1, pl.col("_last")).fill_null(value=False)
    rows = ledger.rows[Role.REPAIRS].select(FILE, RECORD).join(lasts, on=FILE, how="left")
    if strange := int(rows.select((~known).sum()).collect(engine="streaming").item()):
        yield f"{strange:,} repairs are of no record of the partition"
