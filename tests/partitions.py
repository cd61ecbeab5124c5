"""Partitions as the stages leave them in a store, made by hand, so that their books are known without Winnow.

Belongs here: raw files, the files of each fate, and the entry that a manifest has of them. Does not belong here: any
counting that the tests are about.

A dump is written as one letter for each of its records: `k` kept, `r` kept and repaired, `d` duplicate, `q`
quarantined, `x` rejected, `e` erased; or as `=` and the path of the dump of which it is a second delivery.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from schemas.records import (
    Books,
    Contract,
    DialectVerdict,
    OutputFile,
    PartitionEntry,
    RawFile,
    RejectCount,
    Role,
    RuleCount,
    Severity,
    StepCount,
)
from tasks.publish.commit import Committed, commit
from tasks.publish.contract import cleaning_id, fingerprint_of
from tasks.store.contracts import keep_contract
from tasks.store.local import Store
from tasks.store.paths import data_key
from tasks.store.sinks import output_file

#: What the partitions are said to be cleaned under; its source is how their dumps are read.
AGREED = Contract(
    dataset="",
    declaration="",
    declared="d" * 64,
    source={"pattern": "{partition}/*.csv"},
    columns=("id", "text"),
    code={},
    libraries={},
)
CONTRACT = fingerprint_of(AGREED)
NOW = dt.datetime(2026, 11, 23, 3, 15, tzinfo=dt.UTC)
HEADER = b"id,text\n"

_PLACE = {
    "_file": pl.String, "_source": pl.String, "_record": pl.UInt64, "_line": pl.UInt64, "_offset": pl.UInt64,
    "_length": pl.UInt32, "_raw": pl.Binary, "_rules": pl.List(pl.String), "_reasons": pl.List(pl.String),
}  # fmt: skip
SCHEMAS: dict[Role, dict[str, Any]] = {
    Role.CLEAN: {
        "_file": pl.String, "_record": pl.UInt64, "_offset": pl.UInt64, "_length": pl.UInt32,
        "id": pl.Int64, "text": pl.String,
    },
    Role.QUARANTINE: {**_PLACE, "id": pl.String, "text": pl.String},
    Role.DUPLICATES: {**_PLACE, "_duplicate_of": pl.String, "id": pl.String, "text": pl.String},
    Role.REJECTS: _PLACE,
    Role.ERASED: {
        "_file": pl.String, "_source": pl.String, "_record": pl.UInt64, "_offset": pl.UInt64, "_length": pl.UInt32,
    },
    Role.REPAIRS: {
        "_file": pl.String, "_record": pl.UInt64,
        **dict.fromkeys(["column", "step", "before", "after", "reason"], pl.String),
    },
}  # fmt: skip


@dataclass
class Built:
    """What a partition's files will hold, open to any change before it is written."""

    inputs: list[RawFile] = field(default_factory=list)
    books: list[Books] = field(default_factory=list)
    rows: dict[Role, list[dict[str, Any]]] = field(default_factory=lambda: {role: [] for role in Role})
    warned: int = 0

    def frames(self) -> dict[Role, pl.LazyFrame]:
        """The rows of each role that has any."""
        return {
            role: pl.LazyFrame(rows, schema=SCHEMAS[role], orient="row") for role, rows in self.rows.items() if rows
        }

    def files(self) -> list[OutputFile]:
        """What is said of files with these rows, without any file."""
        return [OutputFile(role, "", len(rows), 0, "") for role, rows in self.rows.items() if rows]


def build(dumps: Mapping[str, str], raw_root: Path | None = None) -> Built:
    """The rows of a partition with these dumps; the raw files are written where a root for them is given."""
    built = Built()
    for path, letters in dumps.items():
        again = letters.removeprefix("=") if letters.startswith("=") else None
        origin = again or path
        lines = [_line(record, letter, origin) for record, letter in enumerate(dumps[origin], 1)]
        text = HEADER + b"".join(lines)
        raw = RawFile(
            path=path,
            size=len(text),
            sha256=hashlib.sha256(text).hexdigest(),
            format="csv",
            compression="none",
            text_size=len(text),
            header_size=len(HEADER),
            records=len(lines),
            redelivery_of=again,
            dialect=DialectVerdict("utf-8", "lf", ",", '"', None, 0, 0),
            chunks=f"{zlib.crc32(text):08x}",
        )
        built.inputs.append(raw)
        if raw_root:
            (raw_root / path).parent.mkdir(parents=True, exist_ok=True)
            (raw_root / path).write_bytes(text)
        letters = "d" * len(lines) if again else letters
        built.books.append(
            Books(
                records=len(letters),
                kept=letters.count("k") + letters.count("r"),
                duplicate=letters.count("d"),
                quarantined=letters.count("q"),
                rejected=letters.count("x"),
                erased=letters.count("e"),
                repaired=letters.count("r"),
            )
        )
        offset = len(HEADER)
        for record, (letter, line) in enumerate(zip(letters, lines, strict=True), 1):
            for role, row in _rows(raw, record, letter, line, offset):
                built.rows[role].append(row)
            built.warned += letter in "kq" and record % 2
            offset += len(line)
    return built


def _line(record: int, letter: str, origin: str) -> bytes:
    # What is rejected has one field only.
    return f"{record}{' ' if letter == 'x' else ','}{letter} of {origin}\n".encode()


def _rows(raw: RawFile, record: int, letter: str, line: bytes, offset: int) -> Iterator[tuple[Role, dict[str, Any]]]:
    number, _, text = line.decode().rstrip("\n").partition(",")
    identity = {"_file": raw.sha256, "_record": record}
    span = {"_offset": offset, "_length": len(line)}
    cells = {"id": number, "text": text}
    place = {**identity, "_source": raw.path, "_line": record + 1, **span, "_raw": line}
    if letter in "kr":
        yield Role.CLEAN, {**identity, **span, "id": record, "text": text}
    if letter == "r" or (letter == "q" and record % 3 == 0):
        repair = {"column": "text", "step": "lowercase", "before": text.upper(), "after": text, "reason": None}
        yield Role.REPAIRS, {**identity, **repair}
    if letter == "q":
        rules = ["text.str_length", "id.in_range"][: 1 + record % 2]
        yield Role.QUARANTINE, {**place, "_rules": rules, "_reasons": ["too long", "too great"][: len(rules)], **cells}
    if letter == "e":
        yield Role.ERASED, {**identity, "_source": raw.path, **span}
    if letter == "x":
        rules = ["encoding"] if record % 2 else ["too_few_fields"]
        yield Role.REJECTS, {**place, "_rules": rules, "_reasons": ["in words"]}
    if letter == "d":
        reason = {"_rules": ["id.duplicate"], "_reasons": ["in words"], "_duplicate_of": f"{raw.sha256}:1"}
        yield Role.DUPLICATES, {**place, **reason, **cells}


def write(store: Store, dataset: str, partition: str, built: Built) -> PartitionEntry:
    """Writes a partition's files, and says of them what a manifest does."""
    cleaning = cleaning_id(CONTRACT, built.inputs)
    files = []
    for role, frame in built.frames().items():
        key = data_key(dataset, role, partition, cleaning)
        store.write_file(key, frame.collect().write_parquet)
        files.append(output_file(store, dataset, role, key))
    quarantined = built.rows[Role.QUARANTINE]
    reasons = [row["_rules"][0] for row in built.rows[Role.REJECTS]]
    repairs = len(built.rows[Role.REPAIRS])
    rules = [
        RuleCount("id.in_range", Severity.WARN, built.warned),
        RuleCount("text.str_length", Severity.QUARANTINE, len(quarantined)),
    ]
    return PartitionEntry(
        partition=partition,
        contract=CONTRACT,
        cleaning=cleaning,
        inputs=tuple(built.inputs),
        books=tuple(built.books),
        files=tuple(files),
        rules=tuple(rule for rule in rules if rule.rows),
        rejects=tuple(RejectCount(reason, reasons.count(reason)) for reason in sorted(set(reasons))),
        steps=(
            StepCount("text", "strip", 5, changed_value=False),
            *([StepCount("text", "lowercase", repairs, changed_value=True)] if repairs else []),
        ),
    )


def publish(store: Store, dataset: str, *entries: PartitionEntry, run_id: str = "run") -> Committed:
    """Commits entries as one version, under a contract that the store knows."""
    keep_contract(store, CONTRACT, msgspec.structs.replace(AGREED, dataset=dataset))
    added = {entry.partition: entry for entry in entries}
    return commit(
        store,
        dataset,
        change=lambda partitions: {**partitions, **added},
        reason="run",
        run_id=run_id,
        contract=CONTRACT,
        now=NOW,
    )
