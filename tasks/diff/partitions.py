"""Partitions: what two manifests say differently of their partitions, books and rules.

Belongs here: comparing entries of manifests. Does not belong here: anything that needs a row (columns, rows).
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import msgspec

from schemas.records import Books, PartitionEntry, Role, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Change(enum.StrEnum):
    """What became of a partition from one version to another."""

    ADDED = "added"
    REMOVED = "removed"
    RECLEANED = "recleaned"
    """Its clean table is another one."""
    RESTATED = "restated"
    """Its clean table is the same; its ledger, its contract or its raw files are not."""


class PartitionChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One partition that is not the same in both versions."""

    partition: str
    change: Change
    rows_before: int | None
    """Kept rows; None where the version has no such partition."""
    rows_after: int | None
    contract_changed: bool
    """Whether it was cleaned under another declaration or other code."""
    inputs_changed: bool
    """Whether it was cleaned from other raw files."""


class RuleChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule that another number of rows broke; of records that could not be parsed, the reason."""

    rule: str
    severity: Severity | None
    """None for the reason of a rejection."""
    before: int
    after: int


def partition_changes(
    before: Mapping[str, PartitionEntry], after: Mapping[str, PartitionEntry]
) -> tuple[PartitionChange, ...]:
    """Every partition that is not the same in both versions, by name.

    Example:
        >>> entry = PartitionEntry("a", "c", "i", (), (Books(1, 1),), (), (), (), ())
        >>> [(each.partition, each.change.value) for each in partition_changes({"a": entry}, {"a": entry, "b": entry})]
        [('b', 'added')]
    """
    names = sorted(before.keys() | after.keys())
    compared = (_change(name, before.get(name), after.get(name)) for name in names)
    return tuple(change for change in compared if change)


def clean_paths(entry: PartitionEntry) -> tuple[str, ...]:
    """Paths of the files of a partition's clean table, within the data set's folder."""
    return tuple(file.path for file in entry.files if file.role is Role.CLEAN)


def totals(entries: Iterable[PartitionEntry]) -> Books:
    """The books of several partitions together."""
    return sum((entry.total for entry in entries), Books())


def rule_changes(before: Iterable[PartitionEntry], after: Iterable[PartitionEntry]) -> tuple[RuleChange, ...]:
    """Rules and reasons of rejections that another number of rows broke, by name."""
    counts: dict[tuple[str, Severity | None], list[int]] = {}
    for side, entries in enumerate((before, after)):
        for key, rows in _counted(entries):
            counts.setdefault(key, [0, 0])[side] += rows
    changed = (RuleChange(*key, *pair) for key, pair in counts.items() if pair[0] != pair[1])
    return tuple(sorted(changed, key=lambda change: (change.severity is None, change.rule)))


def _counted(entries: Iterable[PartitionEntry]) -> Iterable[tuple[tuple[str, Severity | None], int]]:
    for entry in entries:
        yield from (((rule.id, rule.severity), rule.rows) for rule in entry.rules)
        yield from (((reject.reason, None), reject.records) for reject in entry.rejects)


def _change(name: str, before: PartitionEntry | None, after: PartitionEntry | None) -> PartitionChange | None:
    if before == after:
        return None
    both = before is not None and after is not None
    return PartitionChange(
        partition=name,
        change=_kind(before, after),
        rows_before=before.total.kept if before else None,
        rows_after=after.total.kept if after else None,
        contract_changed=both and before.contract != after.contract,  # type: ignore[union-attr]  # both are there
        inputs_changed=both and before.inputs != after.inputs,  # type: ignore[union-attr]  # both are there
    )


def _kind(before: PartitionEntry | None, after: PartitionEntry | None) -> Change:
    if before is None:
        return Change.ADDED
    if after is None:
        return Change.REMOVED
    # The hashes and not the names: a cleaning under another contract may have led to the same bytes.
    same = _clean_hashes(before) == _clean_hashes(after)
    return Change.RESTATED if same else Change.RECLEANED


def _clean_hashes(entry: PartitionEntry) -> list[str]:
    return [file.sha256 for file in entry.files if file.role is Role.CLEAN]
