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

from schemas.errors import StoreError, shown
from schemas.records import Manifest, OutputFile, PartitionEntry, RawFile, Role
from tasks.erasure.journal import erasures
from tasks.publish.contract import fingerprint_of
from tasks.publish.digest import version_digest
from tasks.publish.originals import original
from tasks.publish.survivors import misnamed
from tasks.publish.written import differences, read_back, rows_of
from tasks.store.contracts import read_contract
from tasks.store.faults import legible
from tasks.store.paths import (
    archive_prefix,
    contract_key,
    data_prefix,
    erasure_key,
    erasure_prefix,
    file_key,
    quote,
    version_key,
)
from tasks.store.retired import read_retirements
from tasks.store.scan import row_count
from tasks.store.versions import list_versions, no_version, read_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from schemas.records import Contract
    from tasks.publish.originals import Original
    from tasks.store.home import Store

    #: Called with what is looked at and the share of it that is done, from 0 to 1.
    Progress = Callable[[str, float], None]

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
    """A raw file is missing or has other bytes; only noted where the archive has them."""
    ARCHIVE = "archive"
    """The archived copy of a raw file is missing or has other bytes."""
    RECORDS = "records"
    """A raw file that is read again has other records than the version says, or in other places."""
    SURVIVOR = "survivor"
    """A row says that a record of another partition survives, or is in conflict with it, which is not so there; or that
    the text of another record is similar to its own, which it is not to that extent."""
    CONTRACT = "contract"
    """The record of what a contract fingerprint stands for is missing, or is another one's."""
    ERASURE = "erasure"
    """Only noted: an erasure that was begun and is not finished."""
    UNNAMED = "unnamed"
    """Only noted: a file or an archived copy that no version names, as a run leaves it that did not come to publish."""


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
    reread: int = 0
    """Records that were read again, and found to stand where the version says, if there are no findings."""
    manifest_sha256: str = ""
    """Of the version's manifest: whoever wrote it down elsewhere can tell it, and all before it, from forged ones."""


def verify_version(
    store: Store,
    dataset: str,
    version: int | None = None,
    *,
    raw_root: str | None = None,
    deep: bool = False,
    progress: Progress = lambda _what, _share: None,
) -> VerifyReport:
    """Looks at everything that a version claims.

    Args:
        store: where the data set lies.
        dataset: name of the data set.
        version: which one; None is the newest.
        raw_root: where its raw files lie, if it is to be seen that they are the ones that were cleaned.
        deep: whether they are read again too, from the archive where the dump is gone, and each record is looked for
            in the version.
        progress: called with what is looked at and the share of it that is done, from 0 to 1.

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
    findings, notes, reread = [*_manifest_findings(manifest), *chain], list(lineage.notes()), 0
    contracts, copies = _Contracts(store, manifest), set[str]()
    findings += contracts.findings
    findings += [finding for file in manifest.audits for finding in _file_findings(store, dataset, file)]
    for name, entry in sorted(manifest.partitions.items()):
        progress(name, 0.0)
        damaged = list(_partition_findings(store, dataset, entry)) if _is_countable(entry) else []
        raws = _Raws(store, dataset, raw_root, entry, copies)
        # What can't be read can't be held against anything.
        contract = contracts.known.get(entry.contract) if deep and not damaged and _is_countable(entry) else None
        raws.look(contract, progress)
        findings += [*damaged, *raws.findings]
        notes += raws.notes
        reread += raws.reread
    if not findings:  # what is damaged can't be held against anything
        findings += [Finding(Kind.SURVIVOR, path, told) for path, told in misnamed(store, manifest)]
    entries = manifest.partitions.values()
    return VerifyReport(
        dataset=dataset,
        version=number,
        ok=not findings,
        findings=tuple(findings),
        notes=(*_unfinished_erasures(store, dataset), *notes),
        files=sum(len(entry.files) for entry in entries),
        records=sum(entry.total.records for entry in entries),
        reread=reread,
        manifest_sha256=lineage.sha256[number],
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


class _Archived(msgspec.Struct):
    archive: str | None = None


class _Listing(msgspec.Struct):
    files: list[_Named]
    inputs: list[_Archived]


class _Outline(msgspec.Struct):
    """As much of a manifest as tells its place in the chain and which files it needs."""

    version: int
    parent: int | None
    partitions: dict[str, _Listing]
    parent_sha256: str | None = None
    replaced: dict[str, str] = {}
    audits: list[_Named] = []


class _Lineage:
    """All versions of a data set, read only as far as they concern each other."""

    def __init__(self, store: Store, dataset: str, versions: tuple[int, ...]) -> None:
        self.store, self.dataset = store, dataset
        self.sha256: dict[int, str] = {}
        self.outlines = {version: self._outline(version) for version in versions}
        retirements = read_retirements(store, dataset)
        self.retired = {each.version for record in retirements for each in record.versions}
        #: sha256 of each manifest that an erasure replaced -> sha256 of what came in its place.
        self.replaced = {old: new for record in retirements for old, new in record.replaced.items()}
        for outline in filter(None, self.outlines.values()):
            self.replaced |= outline.replaced

    def _outline(self, version: int) -> _Outline | None:
        try:
            data = self.store.read(version_key(self.dataset, version))
            self.sha256[version] = hashlib.sha256(data).hexdigest()
            return msgspec.json.decode(data, type=_Outline)
        except (StoreError, msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def findings(self, last: int) -> Iterator[Finding]:
        """Where the versions up to this one are not 1, 2, 3 …, each with the one before it, as it is, as its parent.

        One that `winnow gc` retired may be missing; what its child says of it can't be held against anything then.
        """
        for version in range(1, last + 1):
            path = version_key(self.dataset, version)
            if version not in self.outlines and version in self.retired:
                continue
            if version not in self.outlines:
                yield Finding(Kind.CHAIN, path, f"version {version} is missing")
                continue
            outline, parent = self.outlines[version], version - 1 or None
            if outline is None:
                yield Finding(Kind.CHAIN, path, f"version {version} can't be read")
            elif (outline.version, outline.parent) != (version, parent):
                told = f"it says that it is version {outline.version} after {outline.parent}"
                yield Finding(Kind.CHAIN, path, f"{told}, not {version} after {parent}")
            elif self._now(outline.parent_sha256) != (before := self.sha256.get(version - 1)) and (
                before or not parent
            ):
                told = f"it names a manifest of version {parent} with sha256 {shown(outline.parent_sha256)}"
                yield Finding(Kind.CHAIN, path, f"{told}, not {before}")

    def _now(self, sha256: str | None) -> str | None:
        """The sha256 of what is in the place of a manifest, if erasures replaced it."""
        here, seen = set(self.sha256.values()), set[str]()
        while sha256 in self.replaced and sha256 not in here | seen:
            seen.add(sha256)
            sha256 = self.replaced[sha256]
        return sha256

    def notes(self) -> Iterator[Finding]:
        """Data files that no version names; nothing can be said of them while a manifest can't be read."""
        if None in self.outlines.values():
            return
        outlines = (outline for outline in self.outlines.values() if outline)
        listings = [listing for outline in outlines for listing in outline.partitions.values()]
        paths = {file.path for listing in listings for file in listing.files}
        paths |= {raw.archive for listing in listings for raw in listing.inputs if raw.archive}
        paths |= {file.path for outline in self.outlines.values() if outline for file in outline.audits}
        named = {file_key(self.dataset, path) for path in paths}
        for prefix in (*(data_prefix(self.dataset, role) for role in Role), archive_prefix(self.dataset)):
            for key in self.store.list(prefix):
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


# --- raw files --------------------------------------------------------------------------------------------------------


class _Contracts:
    """The records of the contracts under which a version's partitions were cleaned."""

    def __init__(self, store: Store, manifest: Manifest) -> None:
        self.known: dict[str, Contract] = {}
        self.findings: list[Finding] = []
        for fingerprint in sorted({manifest.contract, *(entry.contract for entry in manifest.partitions.values())}):
            key = contract_key(manifest.dataset, fingerprint)
            try:
                self.known[fingerprint] = read_contract(store, manifest.dataset, fingerprint)
            except StoreError as error:
                self.findings.append(Finding(Kind.CONTRACT, key, str(error)))
                continue
            if (found := fingerprint_of(self.known[fingerprint])) != fingerprint:
                self.findings.append(Finding(Kind.CONTRACT, key, f"what it holds has the fingerprint {found}"))


class _Raws:
    """The raw files of a partition.

    Attributes:
        copies: of the archive, at which was looked already: several partitions may name one.
    """

    def __init__(
        self, store: Store, dataset: str, raw_root: str | None, entry: PartitionEntry, copies: set[str]
    ) -> None:
        self.store, self.dataset, self.raw_root, self.entry = store, dataset, raw_root, entry
        self.copies = copies
        self.findings: list[Finding] = []
        self.notes: list[Finding] = []
        self.reread = 0

    def look(self, contract: Contract | None, progress: Progress) -> None:
        """Sees that they are what they were; reads them again if a contract says how."""
        for raw in self.entry.inputs:
            if self.raw_root is None and (not raw.archive or raw.archive in self.copies):
                continue
            both = raw.archive not in self.copies
            with original(self.store, self.dataset, self.raw_root, raw, both=both) as found:
                self._tell(raw, found)
                if contract and found.stream:
                    self._read_again(raw, found.stream, contract, progress)

    def _tell(self, raw: RawFile, found: Original) -> None:
        if raw.archive and raw.archive not in self.copies and found.archive_trouble:
            key = file_key(self.dataset, raw.archive)
            self.findings.append(Finding(Kind.ARCHIVE, key, f"it {found.archive_trouble}"))
        self.copies.update(filter(None, [raw.archive]))
        if self.raw_root is not None and found.dump_trouble:
            archived = "; the archive has it as it was" if found.stream else ""
            trouble = Finding(Kind.RAW, raw.path, f"it {found.dump_trouble}{archived}")
            (self.notes if found.stream else self.findings).append(trouble)

    def _read_again(self, raw: RawFile, stream: BinaryIO, contract: Contract, progress: Progress) -> None:
        from tasks.publish.reread import reread

        try:
            with legible(f"the files of {self.dataset} {self.entry.partition}"):
                rows = rows_of(self.store, self.dataset, self.entry.files)
                what = f"{self.entry.partition}: {raw.path}"
                told, replayed = (lambda share: progress(what, share)), self.entry.replayed is not msgspec.UNSET
                for difference in reread(stream, raw, rows, contract, told, replayed=replayed):
                    self.findings.append(Finding(Kind.RECORDS, raw.path, difference))
        except StoreError as error:
            self.findings.append(Finding(Kind.FILE, f"{self.dataset} {self.entry.partition}", str(error)))
        self.reread += raw.records
