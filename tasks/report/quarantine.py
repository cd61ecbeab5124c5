"""Quarantine: the records of a version that were set aside, as a person looks through them.

Belongs here: reading them from the ledger, filtered and bounded. Does not belong here: printing, or one record's whole
story (explain).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from schemas.errors import UnknownNameError
from schemas.records import FILE, LINE, RAW, REASONS, RECORD, RULES, SOURCE, Role
from tasks.publish.balance import FATES
from tasks.store.paths import file_key
from tasks.store.scan import scan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.records import Manifest
    from tasks.store.home import Store

#: Bytes of a raw record that are read; `explain` shows all.
_RAW_BYTES = 1024


class SetAside(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One record that is not in the clean table, with every reason."""

    record: str
    partition: str
    fate: str
    source: str
    line: int | None
    rules: tuple[str, ...]
    reasons: tuple[str, ...]
    raw: str | None
    cells: dict[str, str | None]
    """Its raw cells; none for a record that could not be parsed. Of one that was taken out for what another partition
    holds, its values."""


class Found(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first of the records that were asked for, and how many there are."""

    records: tuple[SetAside, ...]
    total: int


def set_aside(
    store: Store, manifest: Manifest, *, rule: str | None = None, partition: str | None = None, limit: int = 1_000
) -> Found:
    """The quarantined and rejected records of a version, in the order of partitions, files and records.

    Args:
        store: the store.
        manifest: of the version.
        rule: only records that broke this rule.
        partition: only records of this partition.
        limit: how many are read; `total` counts all.

    Raises:
        UnknownNameError: no record of the version broke that rule, or it has no such partition.
    """
    if partition is not None and partition not in manifest.partitions:
        raise UnknownNameError.of("partition", partition, manifest.partitions)
    _check_rule(manifest, rule)
    records: list[SetAside] = []
    total = 0
    for name in [partition] if partition is not None else sorted(manifest.partitions):
        for file in manifest.partitions[name].files:
            if file.role not in (Role.QUARANTINE, Role.DISPUTED, Role.REJECTS):
                continue
            rows = scan(store, [file_key(manifest.dataset, file.path)])
            if file.role is Role.DISPUTED:  # a row of the clean table, until another partition's took it out
                rows = rows.with_columns(pl.lit(None, pl.Binary).alias(RAW), pl.lit(None, pl.UInt64).alias(LINE))
            wanted = rows if rule is None else rows.filter(pl.col(RULES).list.contains(rule))
            total += wanted.select(pl.len()).collect().item()
            shown = wanted.head(max(0, limit - len(records))).with_columns(pl.col(RAW).bin.slice(0, _RAW_BYTES))
            spelt = {raw.sha256: raw.encoding for raw in manifest.partitions[name].inputs}
            records += [_record(name, file.role, row, spelt) for row in shown.collect().iter_rows(named=True)]
    return Found(tuple(records), total)


def _check_rule(manifest: Manifest, rule: str | None) -> None:
    entries = manifest.partitions.values()
    known = {each.id for entry in entries for each in entry.rules} | {
        each.reason for entry in entries for each in entry.rejects
    }
    if rule is not None and rule not in known:
        raise UnknownNameError.of("rule, or one that no record broke,", rule, known)


def _record(partition: str, role: Role, row: dict[str, Any], spelt: Mapping[str, str]) -> SetAside:
    raw, encoding = row[RAW], spelt.get(row[FILE], "utf-8")
    return SetAside(
        record=f"{row[FILE][:16]}:{row[RECORD]}",
        partition=partition,
        fate=FATES[role].value,
        source=row[SOURCE],
        line=row[LINE],
        rules=tuple(row[RULES]),
        reasons=tuple(row[REASONS]),
        raw=None if raw is None else raw.decode(encoding, "backslashreplace").rstrip("\r\n"),
        cells={
            name: value if value is None or isinstance(value, str) else str(value)
            for name, value in row.items()
            if not name.startswith("_")
        },
    )
