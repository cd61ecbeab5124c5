"""Verify: whether a published version still is what its manifest says, from the files alone.

Belongs here: every check of a version, and the findings. Does not belong here: mending anything, or trusting what a
run said of itself: hashes, rows, books and counts are computed anew (balance, recount).

What is found is told, never raised: a damaged file must not keep the others from being looked at. A file whose hash is
wrong is not opened, because a decoder that is fed damaged bytes may do worse than raise.
"""

from __future__ import annotations

import enum
import hashlib
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import StoreError, WinnowError, shown
from schemas.records import Manifest, OutputFile, PartitionEntry, RawFile, Role
from tasks.erasure.journal import erasures
from tasks.ingest.listing import open_raw
from tasks.publish.digest import version_digest
from tasks.publish.written import differences, read_back
from tasks.store.paths import data_prefix, erasure_key, erasure_prefix, file_key, quote, version_key
from tasks.store.scan import row_count
from tasks.store.versions import list_versions, no_version, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.store.home import Store


#: More records or bytes than any partition has; greater numbers would not fit the sums.
_MOST = 1 << 50


class Kind(enum.StrEnum):
    """What a finding is about."""

    MANIFEST = "manifest"
    """It can't be read, contradicts itself, or its digest is not that of its content."""
    CHAIN = "chain"
    """The versions before it are not one line."""
    FILE = "file"
    """A published file is missing, can't be read, or has other bytes."""
    BOOKS = "books"
    """Records are missing or counted twice (law 1)."""
    COUNTS = "counts"
    """Rules, rejects or repairs are other than the manifest says (laws 2 and 3)."""
    RAW = "raw"
    """A raw file is missing or has other bytes."""
    ERASURE = "erasure"
    """Only noted: an erasure that was begun and is not finished."""
    UNNAMED = "unnamed"
    """Only noted: a file that no version names, as a run leaves it that did not come to publish."""


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that is not as it should be."""

    kind: Kind
    path: str
    """Of the file, within the store or the raw root; a partition's folder for what concerns several files."""
    what: str


class VerifyReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was looked at, and what was found."""

    dataset: str
    version: int
    ok: bool
    """Whether there are no findings."""
    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...] = ()
    """What a person may want to know, though the version is sound."""
    files: int = 0
    """Published files looked at."""
    records: int = 0
    """Records of which each was found to have one fate, if there are no findings."""


def verify_version(
    store: Store, dataset: str, version: int | None = None, *, raw_root: str | None = None
) -> VerifyReport:
    """Looks at everything that a version claims.

    Args:
        store: where the data set lies.
        dataset: name of the data set.
        version: which one; None is the newest.
        raw_root: where its raw files lie, if they are to be looked at too.

    Raises:
        VersionNotFoundError: there is no such version.
        StoreError: the store itself can't be listed.
    """
    versions = list_versions(store, dataset)
    number = version if version is not None else max(versions, default=0)
    if number not in versions:
        raise no_version(store, dataset, version)
    lineage = _Lineage(store, dataset, versions)
    chain = list(lineage.findings(number))
    try:
        manifest = read_manifest(store, dataset, number)
    except StoreError as error:
        broken = Finding(Kind.MANIFEST, version_key(dataset, number), str(error))
        return VerifyReport(dataset, number, ok=False, findings=(broken, *chain))
    findings = [*_manifest_findings(manifest), *chain]
    for _, entry in sorted(manifest.partitions.items()):
        findings += _partition_findings(store, dataset, entry) if _is_countable(entry) else ()
        findings += _raw_findings(raw_root, entry.inputs) if raw_root is not None else ()
    entries = manifest.partitions.values()
    return VerifyReport(
        dataset=dataset,
        version=number,
        ok=not findings,
        findings=tuple(findings),
        notes=(*_unfinished_erasures(store, dataset), *lineage.notes()),
        files=sum(len(entry.files) for entry in entries),
        records=sum(entry.total.records for entry in entries),
    )


def _unfinished_erasures(store: Store, dataset: str) -> Iterator[Finding]:
    try:
        for erasure in erasures(store, dataset):
            if erasure.state == "begun":
                told = "it was begun and is not finished: run the same `winnow erase` again"
                yield Finding(Kind.ERASURE, erasure_key(dataset, erasure.id), told)
    except StoreError as error:
        yield Finding(Kind.ERASURE, erasure_prefix(dataset), str(error))


# --- the manifest and those before it ---------------------------------------------------------------------------------


def _manifest_findings(manifest: Manifest) -> Iterator[Finding]:
    path = version_key(manifest.dataset, manifest.version)
    if version_digest(manifest.dataset, manifest.partitions) != manifest.digest:
        yield Finding(Kind.MANIFEST, path, f"its content has not the digest {shown(manifest.digest)}")
    for name, entry in sorted(manifest.partitions.items()):
        for contradiction in _contradictions(name, entry):
            yield Finding(Kind.MANIFEST, path, f"partition {shown(name)}: {contradiction}")


def _contradictions(name: str, entry: PartitionEntry) -> Iterator[str]:
    if entry.partition != name:
        yield f"it is the entry of {shown(entry.partition)}"
    if len(entry.books) != len(entry.inputs):
        yield f"it has {len(entry.books)} books for {len(entry.inputs)} raw files"
    for file in entry.files:
        if not file.path.startswith(f"{file.role.value}/{quote(name)}/"):
            yield f"{shown(file.path)} is no place for its {file.role.value} rows"
    if not _is_countable(entry):
        yield f"it has counts that are not between 0 and {_MOST:,}, and was not looked at"


def _is_countable(entry: PartitionEntry) -> bool:
    """Whether all numbers are ones that can be counted up to; a manifest changed by hand may have any."""
    left: list[object] = [msgspec.to_builtins(entry)]
    while left:
        each = left.pop()
        if isinstance(each, dict | list | tuple):
            left += each.values() if isinstance(each, dict) else each
        elif isinstance(each, int) and not 0 <= each <= _MOST:
            return False
    return True


class _Named(msgspec.Struct):
    path: str


class _Listing(msgspec.Struct):
    files: list[_Named]


class _Outline(msgspec.Struct):
    """As much of a manifest as tells its place in the chain and which files it needs."""

    version: int
    parent: int | None
    partitions: dict[str, _Listing]


class _Lineage:
    """All versions of a data set, read only as far as they concern each other."""

    def __init__(self, store: Store, dataset: str, versions: tuple[int, ...]) -> None:
        self.store, self.dataset = store, dataset
        self.outlines = {version: self._outline(version) for version in versions}

    def _outline(self, version: int) -> _Outline | None:
        try:
            return msgspec.json.decode(self.store.read(version_key(self.dataset, version)), type=_Outline)
        except (StoreError, msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def findings(self, last: int) -> Iterator[Finding]:
        """Where the versions up to this one are not 1, 2, 3 …, each with the one before it as its parent."""
        for version in range(1, last + 1):
            path = version_key(self.dataset, version)
            if version not in self.outlines:
                yield Finding(Kind.CHAIN, path, f"version {version} is missing")
                continue
            outline, parent = self.outlines[version], version - 1 or None
            if outline is None:
                yield Finding(Kind.CHAIN, path, f"version {version} can't be read")
            elif (outline.version, outline.parent) != (version, parent):
                told = f"it says that it is version {outline.version} after {outline.parent}"
                yield Finding(Kind.CHAIN, path, f"{told}, not {version} after {parent}")

    def notes(self) -> Iterator[Finding]:
        """Data files that no version names; nothing can be said of them while a manifest can't be read."""
        if None in self.outlines.values():
            return
        named = {
            file_key(self.dataset, file.path)
            for outline in self.outlines.values()
            for listing in (outline.partitions.values() if outline else ())
            for file in listing.files
        }
        for role in Role:
            for key in self.store.list(data_prefix(self.dataset, role)):
                if key not in named:
                    yield Finding(Kind.UNNAMED, key, "no version names it")


# --- partitions -------------------------------------------------------------------------------------------------------


def _partition_findings(store: Store, dataset: str, entry: PartitionEntry) -> Iterator[Finding]:
    damaged = [finding for file in entry.files for finding in _file_findings(store, dataset, file)]
    yield from damaged
    if damaged:
        return  # its books can't balance, and to say so of each raw file would hide which file is damaged
    place = f"{dataset} {entry.partition}"
    try:
        written = read_back(store, dataset, entry.files, entry.inputs)
        for imbalance in written.imbalances:
            told = f"{imbalance.found}, expected {imbalance.expected}"
            yield Finding(Kind.BOOKS, imbalance.where, told)
        for raw, found, said in zip(entry.inputs, written.books, entry.books, strict=False):
            if found != said:
                yield Finding(Kind.BOOKS, raw.path, f"its books are {_told(found)}; the manifest says {_told(said)}")
        for difference in differences(store, dataset, entry):
            yield Finding(Kind.COUNTS, place, difference)
    except StoreError as error:
        yield Finding(Kind.FILE, place, str(error))


def _told(books: msgspec.Struct) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in msgspec.structs.asdict(books).items())


def _file_findings(store: Store, dataset: str, file: OutputFile) -> Iterator[Finding]:
    key = file_key(dataset, file.path)
    try:
        if not store.exists(key):
            yield Finding(Kind.FILE, key, "it is missing")
            return
        size, sha256 = store.size(key), store.sha256(key)
        if size != file.size:
            yield Finding(Kind.FILE, key, f"it has {size:,} bytes, expected {file.size:,}")
        if sha256 != file.sha256:
            yield Finding(Kind.FILE, key, f"its sha256 is {sha256}, expected {shown(file.sha256)}")
        elif (rows := row_count(store, key)) != file.rows:
            yield Finding(Kind.FILE, key, f"it has {rows:,} rows, expected {file.rows:,}")
    except StoreError as error:
        yield Finding(Kind.FILE, key, str(error))


def _raw_findings(raw_root: str, inputs: tuple[RawFile, ...]) -> Iterator[Finding]:
    for raw in inputs:
        try:
            with open_raw(f"{raw_root}/{raw.path}") as stream:
                sha256, size = hashlib.file_digest(stream, "sha256").hexdigest(), stream.tell()
        except (WinnowError, OSError) as error:
            yield Finding(Kind.RAW, raw.path, str(error))
            continue
        if (size, sha256) != (raw.size, raw.sha256):
            told = f"it has {size:,} bytes with sha256 {sha256}"
            yield Finding(Kind.RAW, raw.path, f"{told}, expected {raw.size:,} with {shown(raw.sha256)}")
