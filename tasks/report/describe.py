"""Describe: from a data set to its card.

Belongs here: wording. Does not belong here: the card's records (card), or keeping cards (flows/cards).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from schemas.errors import shown
from schemas.fitness import TEST, VALIDATION
from schemas.policies import Drift
from tasks.normalise.casts import formats_of
from tasks.normalise.plan import NormalisePlan
from tasks.report.card import Card, ColumnCard, RuleCard
from tasks.retain.policy import policy_in_words
from tasks.validate.screening import compiled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.columns import ColumnSpec
    from schemas.dataset import Dataset
    from schemas.policies import Dedupe, Gates, Retention, Schedule


def describe(dataset: Dataset, title: str, declaration: str) -> Card:
    """Describes a data set.

    Args:
        dataset: the declaration.
        title: its first line.
        declaration: path of its file.
    """
    parts = compiled(dataset, NormalisePlan(dataset)).parts
    return Card(
        name=dataset.name,
        title=title,
        declaration=declaration,
        source=dataset.source.pattern + (", archived in the store" if dataset.source.archive_raw else ""),
        pattern=dataset.source.pattern,
        columns=tuple(_column(column) for column in dataset.columns),
        steps=tuple(_steps(dataset)),
        dedupe=tuple(_dedupe(dataset)),
        gates=tuple(_gates(dataset.gates)),
        retention=tuple(_retention(dataset.retention)),
        schedule=tuple(_schedule(dataset.schedule)),
        fitness=tuple(_fitness(dataset)),
        key=dataset.dedupe.key if dataset.dedupe else (),
        personal=tuple(sorted(dataset.personal)),
        rules=tuple(
            RuleCard(
                id=part.rule.id,
                severity=part.rule.severity.value,
                kind=part.rule.kind,
                how=f"{part.how}: {part.why}" if part.why else part.how,
                reason=part.rule.reason,
            )
            for part in parts
        ),
    )


def _column(column: ColumnSpec) -> ColumnCard:
    notes = ["personal"] if column.personal else []
    if column.dtype.is_temporal():
        notes.append("read as " + " or ".join(formats_of(column)) + (f" in {column.zone}" if column.zone else ""))
    if column.dtype == pl.Boolean:
        notes.append(f"read as {'/'.join(column.true or ('true',))} or {'/'.join(column.false or ('false',))}")
    return ColumnCard(column.name, _type(column.dtype), column.nullable, "; ".join(notes), column.description or "")


def _type(dtype: pl.DataType) -> str:
    """The type as a person writes it; polars writes its own parameters out, and all categories of an Enum."""
    match dtype:
        case pl.Datetime():
            return f"Datetime[{dtype.time_unit}{f', {dtype.time_zone}' if dtype.time_zone else ''}]"
        case pl.Decimal():
            return f"Decimal[{dtype.precision}, {dtype.scale}]"
        case pl.Enum():
            return f"Enum of {len(dtype.categories)}"
        case _:
            return str(dtype)


def _steps(dataset: Dataset) -> Iterator[str]:
    yield from _drift(dataset.source.drift)
    if dataset.source.null_tokens:
        yield f"missing is {', '.join(repr(token) for token in dataset.source.null_tokens)}"
    for step in dataset.steps:
        yield f"{step.name} {', '.join(step.columns)}{' (leaves repairs)' if step.changes_value else ''}"
    for correction in dataset.corrections:
        yield f"correction of {correction.column} where {correction.where}: {correction.reason}"


def _drift(drift: Drift) -> Iterator[str]:
    """What is declared of drift, where it is not the default."""
    for kind in ("missing", "extra", "reordered", "widened"):
        policy = getattr(drift, kind)
        if policy != getattr(Drift(), kind):
            yield f"{kind} columns: {policy}"
    for other, name in drift.renamed.items():
        yield f"a column called {shown(other)} is read as {name}"


def _dedupe(dataset: Dataset) -> Iterator[str]:
    if dataset.dedupe:
        by = f" by {dataset.dedupe.by}" if dataset.dedupe.by else ""
        by += f" ({', '.join(dataset.dedupe.prefer)})" if dataset.dedupe.prefer else ""
        kept = f"keeping the {dataset.dedupe.keep.replace('_', ' ')}{by}"
        within = ", within each partition" if dataset.dedupe.across == "partition" else ""
        yield f"by {', '.join(dataset.dedupe.key)}, {kept}{within}"
        yield from _dedupe_further(dataset.dedupe)


def _dedupe_further(dedupe: Dedupe) -> Iterator[str]:
    for name, forms in dedupe.canonical.items():
        yield f"{name} compared whatever its {', '.join(forms)}"
    if near := dedupe.near:
        unit = f"{near.characters} characters" if near.characters else f"{near.words} words"
        measure = "containment" if near.containment else "Jaccard similarity"
        yield f"{near.column} nearly the same: {measure} of runs of {unit} at least {near.threshold}, in each partition"
    if entities := dedupe.entities:
        fields, rules = ", ".join(entities.fields), " or ".join(", ".join(rule) for rule in entities.blocking)
        yield f"the same entity by {fields}: probability at least {entities.match} where {rules} are equal"


def _retention(retention: Retention) -> Iterator[str]:
    """What is kept, where anything is not."""
    if told := policy_in_words(retention):
        yield told


def _schedule(schedule: Schedule | None) -> Iterator[str]:
    if schedule:
        yield f"cron {schedule.cron} in {schedule.timezone}, looking {schedule.catch_up} partitions back"


def _fitness(dataset: Dataset) -> Iterator[str]:
    """What is asked of the table as training data."""
    if split := dataset.split:
        shares = ", ".join(f"{share:.0%} {name}" for name, share in split.shares.items())
        moments = ((TEST, split.test_from), (VALIDATION, split.validation_from))
        times = ", ".join(f"{name} from {moment}" for name, moment in moments if moment)
        strata = f", alike in each {split.stratify}" if split.stratify else ""
        strata += f", with similar {split.near.column} together" if split.near else ""
        yield f"split by {split.at}: {times}" if split.at else f"split by {', '.join(split.keys)}: {shares}{strata}"
    for group in dataset.coverage.groups if dataset.coverage else ():
        floors = {"rows": group.min_rows, "share": group.min_share}
        told = ", ".join(f"at least {floor:g} {what}" for what, floor in floors.items() if floor is not None)
        yield f"each {group.name}: {told or 'counted'}" + (
            f" ({dataset.coverage.action})" if told and dataset.coverage else ""
        )
    if leakage := dataset.leakage:
        yield f"leaks are looked for ({leakage.action})"
    if shift := dataset.shift:
        yield f"drift against {shift.against} ({shift.action})"


def _gates(gates: Gates) -> Iterator[str]:
    limits = ("max_quarantined", "max_rejected", "min_records", "max_quarantined_rise", "max_records_change")
    for name in (*limits, "max_cluster", "max_removed"):
        if getattr(gates, name) is not None:
            yield f"{name} = {getattr(gates, name)}"
    if gates.max_quarantined_rise is not None or gates.max_records_change is not None:
        yield f"usual is the median of {gates.history} partitions before"
    yield "an empty partition may be published" if gates.allow_empty else "an empty partition is not published"
    if not gates.allow_drift:
        yield "a partition whose columns drifted is not published"
    for name, action in gates.actions.items():
        yield f"{name}: {'the run is held for a person' if action == 'hold' else action}"
