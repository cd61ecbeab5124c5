"""Records: the small frozen facts that stages hand to each other and that manifests are made of.

Belongs here: fates, severities, counts, names of columns that Winnow adds, and the manifest's shape. Does not belong
here: anything that reads or writes them (tasks/store, tasks/publish), or says how data should be (policies).

All are `msgspec.Struct`: frozen, refusing unknown fields, read from and written to JSON with their types checked.
"""

from __future__ import annotations

import enum
import re
from typing import Any, Literal

import msgspec

from schemas.errors import UsageError, shown


class Fate(enum.StrEnum):
    """What became of a record; each has exactly one."""

    KEPT = "kept"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    REJECTED = "rejected"
    ERASED = "erased"
    """Of a person who asked to be forgotten; replaces the fate that it had."""


class Severity(enum.StrEnum):
    """What a broken rule does: it is counted, the row is set aside, or the run stops before publishing."""

    WARN = "warn"
    QUARANTINE = "quarantine"
    FAIL = "fail"


class Role(enum.StrEnum):
    """What a published file holds; also the folder it lies in."""

    CLEAN = "clean"
    QUARANTINE = "quarantine"
    REJECTS = "rejects"
    REPAIRS = "repairs"
    DUPLICATES = "duplicates"
    SUPERSEDED = "superseded"
    """Rows that would be kept, but a record of another partition has the same key and survives; duplicates."""
    DISPUTED = "disputed"
    """Rows that would be kept, but a record of another partition has the same key and other content; quarantined."""
    ERASED = "erased"
    """Places of records that were erased, and nothing of what was in them."""
    AUDIT = "audit"
    """Tables of audits, each file with columns of its own; see schemas/audits.py. No fate of a record."""


#: Names of the columns that Winnow adds. All begin with an underscore, which a declared column may not.
FILE, RECORD, SOURCE, LINE, OFFSET, LENGTH = "_file", "_record", "_source", "_line", "_offset", "_length"
RAW, FLAGS, INPUT = "_raw", "_flags", "_input"
RULES, REASONS, DUPLICATE_OF = "_rules", "_reasons", "_duplicate_of"
#: The other record of a conflict, as `winnow explain` takes it; null where there is none.
CONFLICTS_WITH = "_conflicts_with"
#: The partition of the record that a row is a duplicate of or in conflict with, where it is another one's; the name of
#: the row's cluster, which all records with its key have; and the columns in which the row differs from that record.
OF_PARTITION, CLUSTER, DIFFERING = "_of_partition", "_cluster", "_differing"
#: Of a duplicate, where a data set looks for other ones than equal keys: in which way it is one (`exact`, `near`,
#: `entity`); how similar its text is to that of the record it names, which is so many shared shingles of so many, or
#: with what probability both are about one entity; the weight of the match that leads to that; and the text as it was
#: compared. What does not apply is null.
KIND, SIMILARITY, SHARED, SHINGLES, WEIGHT = "_kind", "_similarity", "_shared", "_shingles", "_weight"
COMPARED = "_compared"

#: Columns that lead from a row of the clean table back to its raw record. `_offset` and `_length` count bytes of the
#: decompressed file and are null for columnar formats, which have none.
LINEAGE = (FILE, RECORD, OFFSET, LENGTH)


_EIGHT_DIGITS = re.compile("[0-9a-f]{8}")
#: Digits of the largest number that a record of any file can have.
_MOST_DIGITS = 20


class RecordId(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Identity of a record: the sha256 of its file (or the first characters of it) and its number, from 1.

    Example:
        >>> RecordId.parse("9f86d081:17")
        RecordId(file='9f86d081', record=17)
        >>> str(RecordId("9f86d081", 17))
        '9f86d081:17'
    """

    file: str
    record: int

    def __str__(self) -> str:
        return f"{self.file}:{self.record}"

    @classmethod
    def parse(cls, text: str) -> RecordId:
        """Reads `<sha256>:<number>`; eight characters of the sha256 are enough.

        Raises:
            UsageError: the text has another form.
        """
        file, colon, number = text.strip().partition(":")
        hexadecimal = len(file) in range(8, 65) and all(c in "0123456789abcdef" for c in file.lower())
        counts = number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS and int(number) > 0
        if not (colon and hexadecimal and counts):
            raise UsageError(
                f"{shown(text)} is no record id",
                expected="<first 8 or more characters of the file's sha256>:<record number from 1>",
                fix="`winnow quarantine DATASET` lists records with their ids.",
            )
        return cls(file.lower(), int(number))


class Books(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many records met each fate; `records` is counted apart from them, where the raw file was read."""

    records: int = 0
    kept: int = 0
    duplicate: int = 0
    quarantined: int = 0
    rejected: int = 0
    erased: int = 0
    repaired: int = 0
    """Kept records of which at least one cell has a repair row; not a fate."""

    def __add__(self, other: Books) -> Books:
        return Books(
            *(a + b for a, b in zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True))
        )

    @property
    def balanced(self) -> bool:
        """Whether every record has exactly one fate."""
        return self.records == self.kept + self.duplicate + self.quarantined + self.rejected + self.erased


class DriftKind(enum.StrEnum):
    """In which way a raw file's columns are not the declared ones."""

    MISSING = "missing"
    EXTRA = "extra"
    RENAMED = "renamed"
    REORDERED = "reordered"
    WIDENED = "widened"


class DriftFinding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way in which a raw file's columns are not the declared ones, and what was done about it."""

    kind: DriftKind
    policy: str
    """As declared: quarantine, null, ignore or cast; of a renamed column `accept`."""
    column: str | None = None
    """The declared column; of an extra one its name in the file. None where it stands for several."""
    found: str | None = None
    """What is there instead: the name or the stored type; of a missing column the extra one with the nearest name."""
    columns: int = 1
    """How many columns it stands for: those out of order, or those of the extra ones that are not named one by one."""
    records: int | None = None
    """Records that it concerns, where each has keys of its own (JSON); of the extra keys that are not named one by one
    how often they occur. None is the whole file."""


#: Bytes of a raw file that have one checksum in its manifest.
CHUNK_BYTES = 1 << 20

Encoding = Literal["utf-8", "utf-16-le", "utf-16-be", "windows-1252", "latin-1"]
#: `lf` is CRLF, too; `any` is both and CR.
LineEnd = Literal["lf", "cr", "any"]


class DialectVerdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a delimited file was read."""

    encoding: Encoding
    line_end: LineEnd
    delimiter: str
    quote: str | None
    escape: str | None
    preamble: int
    """Lines before the header."""
    footer: int
    """Last records that were rejected as none."""
    sniffed: tuple[str, ...] = ()
    """Names of the properties above that neither the declaration nor the file's name told, nor are as by default."""


class RawFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One raw file of a dump, as it was read."""

    path: str
    """Relative to the raw root, with `/`."""
    size: int
    """Bytes as stored (compressed, if it is)."""
    sha256: str
    format: str
    """csv, jsonl, parquet or xlsx."""
    compression: str
    """none, gzip or zstd."""
    text_size: int | None
    """Bytes after decompression; None for columnar formats."""
    header_size: int | None
    """Bytes that belong to no record: byte order mark and header line; None for columnar formats."""
    records: int
    redelivery_of: str | None = None
    """Path of the file of the same partition that had the same bytes and came first."""
    notes: tuple[str, ...] = ()
    """What a person should know: a stream that broke off, a compression the name hid."""
    drift: tuple[DriftFinding, ...] = ()
    """In which ways its columns are not the declared ones, and what was done about each."""
    dialect: DialectVerdict | None = None
    """How a delimited file was read; None for other formats."""
    chunks: str = ""
    """CRC-32 of each MiB as stored, eight hexadecimal digits each: where it is damaged can be told without it."""
    blanked: str | None = None
    """sha256 of the file since its erased records are overwritten, in the archive or in the dump; `sha256`
    stays the identity of its records."""
    archive: str | None = None
    """Path of the copy that the store keeps, relative to the data set's folder; None where none is asked for."""

    @property
    def encoding(self) -> Encoding:
        """Of its text."""
        return self.dialect.encoding if self.dialect else "utf-8"

    @property
    def chunk_sums(self) -> tuple[int, ...]:
        """The checksums of `chunks`; those of a changed manifest that are none are left out."""
        return split_sums(self.chunks)


def split_sums(digits: str) -> tuple[int, ...]:
    """Checksums written one behind another, eight hexadecimal digits each.

    Example:
        >>> split_sums("0000000a54dfe478")
        (10, 1423959160)
    """
    parts = (digits[at : at + 8] for at in range(0, len(digits), 8))
    return tuple(int(part, 16) for part in parts if _EIGHT_DIGITS.fullmatch(part))


class Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a contract fingerprint stands for: kept beside the versions, so that a change of it can be explained."""

    dataset: str
    declaration: str
    """Text of the declaring file."""
    declared: str
    """Hash of what that text means; other comments and another layout give the same."""
    source: dict[str, Any]
    """How raw files are read, as `schemas.policies.Source` takes it."""
    columns: tuple[str, ...]
    """The declared ones in their order."""
    code: dict[str, str]
    """Path of each module that gives a declaration its meaning -> hash of what its text means."""
    libraries: dict[str, str]
    """Name -> version, of those that do as the code says."""
    reading: str = ""
    """Hash of what the declaration says of how cells are read and which records are the same; of no rule."""


class RuleCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many rows broke a rule, with what it did to them."""

    id: str
    severity: Severity
    rows: int


class RejectCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many records could not be parsed, by the reason."""

    reason: str
    records: int


class Removal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many records a run removes as duplicates from a group of records."""

    group: str
    """A column; or `partition`."""
    value: str | None
    """Its value; or the partition's name. None is a missing value."""
    removed: int
    of: int


class StepCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many cells a step touched; `changed_value` tells repairs from mere formatting."""

    column: str
    step: str
    cells: int
    changed_value: bool


class OutputFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One published file."""

    role: Role
    path: str
    """Relative to the data set's folder in the store, with `/`."""
    rows: int
    size: int
    sha256: str


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """By what records of different partitions are told to be the same, and which of them survives."""

    key: tuple[str, ...]
    keep: str
    conflict: Severity
    """Of the rule that two records of one key have other content."""
    columns: str
    """Hash of the columns and their types: rows of other columns are not compared."""
    by: str | None = None
    prefer: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    canonical: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Columns of the key with the forms in which their values are compared; in `key` they are `_same.<column>`."""

    @property
    def names(self) -> tuple[str, ...]:
        """The declared columns of the key."""
        return tuple(name.removeprefix("_same.") for name in self.key)

    @property
    def key_name(self) -> str:
        """Name of the key, as it stands in rule ids."""
        return "+".join(self.names)


class Across(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a partition is held against the others."""

    alone: str
    """What its `cleaning` would be if there were no other partition: whatever the others bring, this stays."""
    terms: Terms
    """Partitions with other terms are not compared."""


class Replayed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That some records of a partition were cleaned again under a later contract than the others."""

    contract: str
    """Fingerprint of the later one."""
    records: int
    """How many were asked again, whatever became of them."""


class PartitionEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All that a manifest says of one partition. Holds nothing that differs between two runs over the same input."""

    partition: str
    contract: str
    """Fingerprint of the declaration, and of the code that gives it meaning, under which it was cleaned."""
    cleaning: str
    """Identity of this cleaning: a hash of the inputs, the contract, the erased records, and what other partitions
    took from it; the stem of its files' names. Files that do not depend on others keep the stem that they had alone."""
    inputs: tuple[RawFile, ...]
    books: tuple[Books, ...]
    """One for each input, in the same order."""
    files: tuple[OutputFile, ...]
    rules: tuple[RuleCount, ...]
    """Rules that at least one row broke."""
    rejects: tuple[RejectCount, ...]
    steps: tuple[StepCount, ...]
    reviews: tuple[str, ...] = ()
    """Ids of the imported reviews that decide on records of its inputs, sorted; see tasks/audit/review."""
    across: Across | None = None
    """None where duplicates are looked for within the partition only, or not at all."""
    replayed: Replayed | msgspec.UnsetType = msgspec.UNSET
    """Only of a partition of which some records were cleaned again, and the others not, under another contract."""

    @property
    def alone(self) -> str:
        """What its cleaning would be called if there were no other partition; whatever others take from it."""
        return self.across.alone if self.across else self.cleaning

    @property
    def total(self) -> Books:
        """The books of all inputs together."""
        return sum(self.books, Books())

    @property
    def drift(self) -> dict[str, tuple[DriftFinding, ...]]:
        """The findings of each raw file whose columns are not the declared ones, by its path."""
        return {raw.path: raw.drift for raw in self.inputs if raw.drift}


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That a person had a version published which a gate had held."""

    hold: str
    partition: str
    gates: tuple[str, ...]
    """The gates that it had not passed, each with what was found."""
    by: str
    """Who released it, as the machine or that person said."""
    reason: str
    held_at: str
    """UTC, ISO 8601."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An immutable numbered snapshot of a data set."""

    dataset: str
    version: int
    parent: int | None
    reason: str
    """nightly, run, backfill, replay, erasure or rollback."""
    run_id: str
    """Of the run that committed it, so that a commit whose answer was lost is recognised."""
    created_at: str
    """UTC, ISO 8601; never before its parent's, whatever the clock of the machine said."""
    contract: str
    """Fingerprint under which the newest partition of this commit was cleaned."""
    digest: str
    """sha256 over the content: data set and partitions, not who committed it or when."""
    partitions: dict[str, PartitionEntry]
    erasures: tuple[str, ...] = ()
    """Ids of the erasures that its files are free of, sorted."""
    replaced: dict[str, str] = {}
    """Of the version of an erasure: sha256 of each older manifest that it replaced -> sha256 of what is in its
    place, so that the chain of manifests leads over them."""
    audits: tuple[OutputFile, ...] = ()
    """Tables of the audits of the whole version, as it was to be when it was committed. No part of the digest: other
    than the data they may depend on the versions before."""
    parent_sha256: str | None = None
    """sha256 of the parent's manifest as it is stored: whoever knows the newest one's knows that of all before it."""
    release: Release | msgspec.UnsetType = msgspec.UNSET
    """Who let it be published that a gate had held, and why; it is only there where that was so."""
    format: int = 1
