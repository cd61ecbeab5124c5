"""Explain: one record's whole story, from its raw bytes to its fate.

Belongs here: finding a record in a version's files and in its dump. Does not belong here: how it is printed (the
command line), or proving anything about the version (tasks/publish/verify).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from schemas.errors import EnvironmentFailedError, RecordNotFoundError, shown
from schemas.records import DUPLICATE_OF, FILE, LENGTH, LINE, OFFSET, RAW, REASONS, RECORD, RULES, SOURCE, Fate, Role
from tasks.ingest.listing import open_raw, raw_size
from tasks.ingest.streams import TextStream
from tasks.publish.balance import FATES
from tasks.store.paths import file_key
from tasks.store.scan import scan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.records import Manifest, PartitionEntry, RawFile, RecordId
    from tasks.store.home import Store

_CHUNK = 1 << 20
#: Of a longer record only the beginning is shown; the dump and the ledger have all of it.
_SHOWN_BYTES = 1 << 16


class Repair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One cell whose value a step or a correction changed."""

    column: str
    step: str
    before: str | None
    after: str | None
    reason: str | None


class Delivery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record as one raw file delivered it; a file that came twice delivers each of its records twice."""

    fate: Fate
    source: str
    """Path of the raw file below the raw root."""
    file: str
    """Path of the published file in whose rows it is."""
    line: int | None
    offset: int | None
    length: int | None
    rules: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    duplicate_of: str | None = None
    values: dict[str, Any] | None = None
    """The row of the clean table, when it is kept."""


class Explanation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that is known of one record."""

    record: str
    dataset: str
    version: int
    partition: str
    sha256: str
    raw: str | None
    """Its bytes, escaped where they are no printable text; None when it has none, or they can't be had."""
    raw_from: str
    """Where the bytes were read: the dump, the ledger, or why there are none."""
    deliveries: tuple[Delivery, ...]
    repairs: tuple[Repair, ...]


def explain(store: Store, manifest: Manifest, record: RecordId, raw_root: str) -> Explanation:
    """Finds a record in a version and reads its bytes back from the dump.

    Raises:
        RecordNotFoundError: no file of the version has that sha256, or the file has no such record.
    """
    for entry in manifest.partitions.values():
        for raw in entry.inputs:
            if raw.sha256.startswith(record.file) and not raw.redelivery_of and record.record <= raw.records:
                return _explained(store, manifest, entry, raw, record.record, raw_root)
    raise RecordNotFoundError(
        f"version {manifest.version} of {manifest.dataset} has no record {record}",
        fix="`winnow quarantine DATASET` lists ids; the clean table's columns _file and _record hold the others.",
    )


def _explained(
    store: Store, manifest: Manifest, entry: PartitionEntry, raw: RawFile, number: int, raw_root: str
) -> Explanation:
    is_it = (pl.col(FILE) == raw.sha256) & (pl.col(RECORD) == number)
    found = list(_rows(store, manifest.dataset, entry, is_it))
    repairs = [
        msgspec.convert({name: row[name] for name in Repair.__struct_fields__}, Repair)
        for role, _, row in found
        if role is Role.REPAIRS
    ]
    rows = [(role, path, row) for role, path, row in found if role in FATES]
    # Whatever the dump still holds of it, nobody is shown it.
    erased = any(role is Role.ERASED for role, _, _ in rows)
    told = (None, None, "it is erased") if erased else _bytes(raw_root, raw, [row for _, _, row in rows])
    data, line, source = told
    return Explanation(
        record=f"{raw.sha256[:16]}:{number}",
        dataset=manifest.dataset,
        version=manifest.version,
        partition=entry.partition,
        sha256=raw.sha256,
        raw=None if data is None else data[:_SHOWN_BYTES].decode("utf-8", "backslashreplace"),
        raw_from=source,
        deliveries=tuple(_delivery(role, path, row, raw, line) for role, path, row in rows),
        repairs=tuple(repairs),
    )


def _rows(
    store: Store, dataset: str, entry: PartitionEntry, is_it: pl.Expr
) -> Iterator[tuple[Role, str, dict[str, Any]]]:
    for file in entry.files:
        rows = scan(store, [file_key(dataset, file.path)]).filter(is_it).collect()
        for row in rows.iter_rows(named=True):
            yield file.role, file.path, row


def _delivery(role: Role, path: str, row: dict[str, Any], raw: RawFile, line: int | None) -> Delivery:
    kept = role is Role.CLEAN
    return Delivery(
        fate=FATES[role],
        source=row.get(SOURCE, raw.path),
        file=path,
        line=row.get(LINE, line),
        offset=row[OFFSET],
        length=row[LENGTH],
        rules=tuple(row.get(RULES) or ()),
        reasons=tuple(row.get(REASONS) or ()),
        duplicate_of=row.get(DUPLICATE_OF),
        values={name: value for name, value in row.items() if not name.startswith("_")} if kept else None,
    )


def _bytes(raw_root: str, raw: RawFile, rows: list[dict[str, Any]]) -> tuple[bytes | None, int | None, str]:
    """The record's bytes, its line, and where they were read."""
    kept_back = next((row[RAW] for row in rows if row.get(RAW) is not None), None)
    offset, length = next(((row[OFFSET], row[LENGTH]) for row in rows if row[OFFSET] is not None), (None, None))
    if offset is None or length is None:
        if kept_back is not None:
            return kept_back, None, "the ledger"
        return None, None, f"a {raw.format} file has no bytes of a single record; it is row {rows[0][RECORD]} of it"
    try:
        data, line = _read_back(f"{raw_root}/{raw.path}", raw, offset, length)
    except EnvironmentFailedError as error:
        data, line = None, None
        trouble = str(error)
    else:
        trouble = "it has changed since"
    if data is not None and (kept_back is None or data == kept_back):
        return data, line, f"the dump {shown(raw.path)}"
    if kept_back is not None:
        return kept_back, None, f"the ledger; the dump can't be read: {trouble}"
    return None, None, f"nowhere: the dump can't be read: {trouble}"


def _read_back(url: str, raw: RawFile, offset: int, length: int) -> tuple[bytes | None, int | None]:
    if raw_size(url) != raw.size:
        return None, None
    with open_raw(url) as stream:
        text = TextStream(stream, raw.path)
        line, left = 1, offset
        while left and (chunk := text.read(min(left, _CHUNK))):
            line += chunk.count(b"\n")
            left -= len(chunk)
        data = text.read(length)
        # Bytes of a file that was edited since are no evidence, though it may be as long as before.
        _, sha256 = text.finish()
        return (data, line) if sha256 == raw.sha256 else (None, None)
