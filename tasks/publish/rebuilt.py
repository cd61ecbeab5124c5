"""Rebuilt: in what a partition that was cleaned again differs from the published one, and what explains it.

Belongs here: comparing two entries of a manifest and two contracts, in words. Does not belong here: cleaning again
(flows/rebuild), or printing.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import shown
from schemas.records import Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from schemas.records import Contract, OutputFile, PartitionEntry, RawFile

#: Lines of a declaration that are shown around a changed one.
_AROUND = 2
#: Of a raw file, what is no more than its identity and its place.
_OF_RAW = ("archive", "redelivery_of", "notes", "drift", "dialect", "format", "compression", "records", "text_size")


class RebuiltPartition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came of cleaning a partition again."""

    partition: str
    contract: str
    """Under which it was published."""
    same: bool
    """Whether the manifest would say the same of it, to the last byte of its files."""
    same_files: bool
    """Whether its files have the same bytes, whatever the contract is called."""
    differences: tuple[str, ...] = ()
    trouble: str | None = None
    """Why it could not be cleaned again."""


class ContractChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What lies between a contract under which partitions were published and the one of today."""

    contract: str
    partitions: tuple[str, ...]
    declaration: tuple[str, ...] = ()
    """Lines of a unified diff; none when only the writing of the declaration changed, or nothing."""
    modules: dict[str, str] = {}
    """Path of a module of Winnow's -> changed, added or removed."""
    libraries: dict[str, str] = {}
    """Name -> the two versions."""
    trouble: str | None = None
    """Why the old contract is not known."""


class Rebuilt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came of cleaning a version again."""

    dataset: str
    version: int
    digest: str
    rebuilt_digest: str | None
    """None when a partition could not be cleaned again."""
    partitions: tuple[RebuiltPartition, ...]
    of: int
    """Partitions that the version has; those that were not cleaned again count as they were published."""
    changes: tuple[ContractChange, ...]

    @property
    def same(self) -> bool:
        """Whether the digest is the same."""
        return self.rebuilt_digest == self.digest


def compared(published: PartitionEntry, again: PartitionEntry) -> RebuiltPartition:
    """What differs between a published partition and the same cleaned again."""
    return RebuiltPartition(
        partition=published.partition,
        contract=published.contract,
        same=published == again,
        same_files=_contents(published) == _contents(again),
        differences=tuple(_differences(published, again)),
    )


def contract_change(contract: str, partitions: tuple[str, ...], before: Contract, now: Contract) -> ContractChange:
    """What changed since a contract.

    Args:
        contract: its fingerprint.
        partitions: those that were cleaned under it.
        before: what it stands for.
        now: what they were cleaned under again.
    """
    lines = difflib.unified_diff(
        before.declaration.splitlines(), now.declaration.splitlines(), "published", "today", n=_AROUND, lineterm=""
    )
    return ContractChange(
        contract,
        partitions,
        declaration=tuple(lines) if before.declared != now.declared else (),
        modules={
            path: "added" if path not in before.code else "removed" if path not in now.code else "changed"
            for path in _unlike(before.code, now.code)
        },
        libraries={
            name: f"{before.libraries.get(name)} -> {now.libraries.get(name)}"
            for name in _unlike(before.libraries, now.libraries)
        },
    )


def _unlike(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [name for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name)]


def _contents(entry: PartitionEntry) -> list[tuple[str, int, str]]:
    return [(file.role.value, file.rows, file.sha256) for file in entry.files]


def _differences(published: PartitionEntry, again: PartitionEntry) -> Iterator[str]:
    yield from _of_inputs(published, again)
    yield from _of_files(published, again)
    for name in ("rules", "rejects", "steps"):
        yield from _of_counts(name, _counts(published, name), _counts(again, name))
    if published.cleaning != again.cleaning and published.contract == again.contract:
        yield f"the cleaning is called {again.cleaning}, published as {shown(published.cleaning)}"


def _of_inputs(published: PartitionEntry, again: PartitionEntry) -> Iterator[str]:
    before, now = ({raw.path: raw for raw in entry.inputs} for entry in (published, again))
    for path in before.keys() - now.keys():
        yield f"{path}: it is not read any more"
    books = dict(zip(now, again.books, strict=True))
    for raw, said in zip(published.inputs, published.books, strict=False):
        if raw.path in now:
            yield from _of_raw(raw, now[raw.path])
            yield from (f"{raw.path}: {told}" for told in _of_books(said, books[raw.path]))


def _of_raw(before: RawFile, now: RawFile) -> Iterator[str]:
    for name in _OF_RAW:
        found, said = getattr(now, name), getattr(before, name)
        if found != said:
            yield f"{before.path}: {name} is {shown(found)}, published as {shown(said)}"


def _of_books(before: msgspec.Struct, now: msgspec.Struct) -> Iterator[str]:
    found = msgspec.structs.asdict(now)
    for name, said in msgspec.structs.asdict(before).items():
        if found[name] != said:
            yield f"{found[name]:,} {name}, published {said:,}"


def _of_files(published: PartitionEntry, again: PartitionEntry) -> Iterator[str]:
    before, now = ({_kind(file): file for file in entry.files} for entry in (published, again))
    for kind in sorted(before.keys() | now.keys()):
        yield from _of_file(kind, before.get(kind), now.get(kind))


def _kind(file: OutputFile) -> str:
    """The role of a file, and of an audit's table which it is."""
    table = file.path.rpartition("/")[2].removesuffix(".parquet").partition("-")[2]
    return f"{file.role.value} {table}" if file.role is Role.AUDIT else file.role.value


def _of_file(role: str, before: OutputFile | None, now: OutputFile | None) -> Iterator[str]:
    rows, said = now.rows if now else 0, before.rows if before else 0
    if rows != said:
        yield f"{role}: {rows:,} rows, published {said:,}"
    elif before and now and before.sha256 != now.sha256:
        yield f"{role}: as many rows, other bytes"


def _counts(entry: PartitionEntry, name: str) -> dict[str, int]:
    if name == "rules":
        return {f"{rule.id} ({rule.severity})": rule.rows for rule in entry.rules}
    if name == "rejects":
        return {count.reason: count.records for count in entry.rejects}
    return {f"{step.column} by {step.step}": step.cells for step in entry.steps}


def _of_counts(kind: str, before: Mapping[str, int], now: Mapping[str, int]) -> Iterator[str]:
    for name in sorted(before.keys() | now.keys()):
        if before.get(name, 0) != now.get(name, 0):
            yield f"{kind}: {now.get(name, 0):,} of {name}, published {before.get(name, 0):,}"
