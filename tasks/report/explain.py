"""Explain: one record's whole story, from its raw bytes to its fate.

Belongs here: finding a record in a version's files and in its dump. Does not belong here: how it is printed (the
command line), or proving anything about the version (tasks/publish/verify).
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import polars as pl

from schemas.errors import RecordNotFoundError, StoreError, WinnowError, shown
from schemas.records import (
    CLUSTER,
    CONFLICTS_WITH,
    DIFFERING,
    DUPLICATE_OF,
    FILE,
    LENGTH,
    LINE,
    OF_PARTITION,
    OFFSET,
    RAW,
    REASONS,
    RECORD,
    RULES,
    SOURCE,
    Fate,
    Role,
)
from tasks.dedupe.moves import TOUCHED
from tasks.ingest.encodings import Spelling
from tasks.ingest.streams import TextStream
from tasks.publish.balance import FATES
from tasks.publish.originals import original
from tasks.replay.report import EarlierVerdict
from tasks.store.contracts import read_contract
from tasks.store.paths import file_key, verdicts_prefix
from tasks.store.scan import scan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from schemas.records import Contract, Manifest, PartitionEntry, RawFile, RecordId
    from tasks.publish.originals import Original
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
    conflicts_with: str | None = None
    of_partition: str | None = None
    """The partition of the record that it is a duplicate of or in conflict with, where it is another one's."""
    cluster: str | None = None
    """What all records have in common that have its key, in `winnow duplicates`."""
    differing: tuple[str, ...] = ()
    """Columns in which it differs from the record that it is a duplicate of."""
    values: dict[str, Any] | None = None
    """The row of the clean table, when it is kept, or would be but for other partitions."""


class Explanation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that is known of one record."""

    record: str
    dataset: str
    version: int
    partition: str
    sha256: str
    raw: str | None
    """Its bytes as text, escaped where they are none; of a Parquet or XLSX file its cells as JSON. None when there are
    none, or they can't be had."""
    raw_from: str
    """Where the bytes were read: the dump, the archive or the ledger, and why not the dump; or why there are none."""
    deliveries: tuple[Delivery, ...]
    repairs: tuple[Repair, ...]
    verdicts: tuple[EarlierVerdict, ...] = ()
    """What was said of it before it was asked again, the oldest first."""


def explain(store: Store, manifest: Manifest, record: RecordId, raw_root: str) -> Explanation:
    """Finds a record in a version and reads its bytes back from the dump, or from the archive.

    What is wrong with the dump is told in the explanation: the rest of the story does not depend on it.

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
    if any(role is Role.ERASED for role, _, _ in rows):
        # Whatever is left of it outside, nobody is shown it.
        told = _Bytes(None, None, "it is erased")
    else:
        with original(store, manifest.dataset, raw_root, raw) as left:
            told = _bytes(left, raw, [row for _, _, row in rows], _contract(store, manifest.dataset, entry))
    return Explanation(
        record=f"{raw.sha256[:16]}:{number}",
        dataset=manifest.dataset,
        version=manifest.version,
        partition=entry.partition,
        sha256=raw.sha256,
        raw=None if told.data is None else told.data[:_SHOWN_BYTES].decode(raw.encoding, "backslashreplace"),
        raw_from=told.source,
        deliveries=tuple(_delivery(role, path, row, raw, told.line) for role, path, row in rows),
        repairs=tuple(repairs),
        verdicts=tuple(_verdicts(store, manifest.dataset, entry.partition, is_it)),
    )


def _verdicts(store: Store, dataset: str, partition: str, is_it: pl.Expr) -> Iterator[EarlierVerdict]:
    """What was said of a record before each replay that asked it again."""
    keys = [key for key in store.list(verdicts_prefix(dataset, partition)) if key.endswith(".parquet")]
    if not keys:
        return
    for row in scan(store, keys).filter(is_it).sort("replayed_at").collect().iter_rows(named=True):
        told = {name: row[name] for name in EarlierVerdict.__struct_fields__ if name != "rules"}
        yield EarlierVerdict(rules=tuple(row[RULES]), **told)


class _Bytes(NamedTuple):
    """What is shown of a record's bytes, the line on which they begin, and where they are from."""

    data: bytes | None
    line: int | None
    source: str


def _contract(store: Store, dataset: str, entry: PartitionEntry) -> Contract | None:
    # It tells how to read a record that has no bytes; without it the rest of the story is told all the same.
    with contextlib.suppress(StoreError):
        return read_contract(store, dataset, entry.contract)
    return None


def _rows(
    store: Store, dataset: str, entry: PartitionEntry, is_it: pl.Expr
) -> Iterator[tuple[Role, str, dict[str, Any]]]:
    for file in entry.files:
        if file.role is Role.AUDIT:
            continue
        rows = scan(store, [file_key(dataset, file.path)]).filter(is_it).collect()
        for row in rows.iter_rows(named=True):
            yield file.role, file.path, row


def _delivery(role: Role, path: str, row: dict[str, Any], raw: RawFile, line: int | None) -> Delivery:
    kept = role in TOUCHED
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
        conflicts_with=row.get(CONFLICTS_WITH),
        of_partition=row.get(OF_PARTITION),
        cluster=row.get(CLUSTER),
        differing=tuple(row.get(DIFFERING) or ()),
        values={name: value for name, value in row.items() if not name.startswith("_")} if kept else None,
    )


def _bytes(found: Original, raw: RawFile, rows: list[dict[str, Any]], contract: Contract | None) -> _Bytes:
    """The record's bytes, its line, and where they were read."""
    kept_back = next((row[RAW] for row in rows if row.get(RAW) is not None), None)
    place = next(((row[OFFSET], row[LENGTH]) for row in rows if row[OFFSET] is not None), None)
    if found.stream is None:
        where = "nowhere" if kept_back is None else "the ledger"
        return _Bytes(kept_back, None, f"{where}: {found.trouble}")
    where = f"the dump {shown(raw.path)}" if found.place == "dump" else f"the archive: the dump {found.dump_trouble}"
    if place:
        data, line = _slice(found.stream, raw, *place)
        forged = "" if kept_back in (None, data) else "; the ledger says others: see winnow verify --raw"
        return _Bytes(data, line, where + forged)
    if kept_back is not None:
        return _Bytes(kept_back, None, "the ledger")
    cells = _cells(found.stream, raw, rows[0][RECORD], contract) if contract else None
    told = f"a {raw.format} file has no bytes of a single record; it is row {rows[0][RECORD]:,} of it"
    return _Bytes(cells, None, f"{told}, its cells read from {where}" if cells else told)


def _slice(stream: BinaryIO, raw: RawFile, offset: int, length: int) -> tuple[bytes, int]:
    """Bytes of the text, and the physical line on which they begin."""
    text = TextStream(stream, raw.path)
    spelling = Spelling(raw.encoding, raw.dialect.line_end if raw.dialect else "lf")
    line, left, pending = 1, offset, b""
    while left and (chunk := text.read(min(left, _CHUNK))):
        left -= len(chunk)
        chunk = pending + chunk
        shadow = spelling.shadow(chunk, final=not left)
        line += shadow.count(b"\n")
        pending = chunk[len(shadow) * spelling.width :]
    return text.read(length), line


def _cells(stream: BinaryIO, raw: RawFile, record: int, contract: Contract) -> bytes | None:
    """The cells of a record that has no bytes, as JSON; None when they can't be read again."""
    from tasks.ingest.reader import RecordReader
    from tasks.publish.contract import reading_of

    try:
        reader = RecordReader(stream, path=raw.path, source=reading_of(contract), columns=contract.columns)
        for block in reader:
            row = block.records.filter(pl.col(RECORD) == record)
            if row.height:
                return json.dumps(row.select(contract.columns).row(0, named=True), ensure_ascii=False).encode()
    except WinnowError:
        return None
    return None
