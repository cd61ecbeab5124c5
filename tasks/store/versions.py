"""Versions: which there are, what they say, and how their files are read.

Belongs here: reading manifests and scanning what they list. Does not belong here: making one (tasks/publish/commit),
or proving that it is true (tasks/publish/verify). polars is imported only where rows are read.

The newest version is the highest number that a listing shows. No pointer says so, hence none can be wrong.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from schemas.errors import StoreError, VersionNotFoundError, shown
from schemas.records import FILE, RECORD, Manifest
from tasks.store.paths import file_key, version_key, version_number, version_prefix

if TYPE_CHECKING:
    import polars as pl

    from schemas.records import Role
    from tasks.store.home import Store

#: The form of manifests that this code reads and writes.
MANIFEST_FORMAT = 1


class _FormatOnly(msgspec.Struct):
    """A manifest of any format, read only far enough to know which."""

    format: int = MANIFEST_FORMAT


class Stored(NamedTuple):
    """A manifest, and the bytes in which it is stored."""

    manifest: Manifest
    data: bytes


def list_versions(store: Store, dataset: str) -> tuple[int, ...]:
    """Numbers of all versions, rising; reads names and no manifest.

    Raises:
        StoreError: the store can't be listed.
    """
    numbers = (version_number(key) for key in store.list(version_prefix(dataset)))
    return tuple(sorted(number for number in numbers if number))


def head(store: Store, dataset: str) -> Manifest | None:
    """The newest version; None when nothing was published yet.

    Raises:
        StoreError: the store can't be listed, or the manifest is broken.
    """
    stored = stored_head(store, dataset)
    return stored.manifest if stored else None


def stored_head(store: Store, dataset: str) -> Stored | None:
    """The newest version as `head` gives it, with the bytes of its manifest."""
    versions = list_versions(store, dataset)
    return _stored(store, dataset, versions[-1]) if versions else None


def read_manifest(store: Store, dataset: str, version: int) -> Manifest:
    """One version's manifest, with its types checked.

    Raises:
        VersionNotFoundError: there is no such version.
        StoreError: the manifest can't be read, is broken, or is another version's.
    """
    return _stored(store, dataset, version).manifest


def _stored(store: Store, dataset: str, version: int) -> Stored:
    key = version_key(dataset, max(version, 0))
    if not store.exists(key):
        raise no_version(store, dataset, version)
    data = store.read(key)
    manifest = _decoded(data, key)
    if (manifest.dataset, manifest.version) != (dataset, version):
        raise _broken(f"is version {manifest.version} of {shown(manifest.dataset)}", f"{version} of {dataset}", key)
    return Stored(manifest, data)


@dataclass(frozen=True)
class Snapshot:
    """A version to read from; it stays what it is, whatever is published meanwhile.

    Attributes:
        store: where its files lie.
        manifest: what it says of itself.
    """

    store: Store
    manifest: Manifest

    def files(self, role: Role) -> tuple[str, ...]:
        """Paths of the files of a role, in the order of partitions; give them to any reader of Parquet as a list."""
        return tuple(self.store.path(key) for _, key in self._files(role))

    def scan(self, role: Role) -> pl.LazyFrame:
        """All rows of a role, in the order of partitions.

        Partitions that were cleaned under other declarations may have other columns: a column that a partition does
        not have is null there, and a type that changed becomes one that holds both. A role without files gives no
        rows, and of the columns only `_file` String and `_record` UInt64.
        """
        import polars as pl

        from tasks.store.scan import scan

        parts = [
            scan(self.store, [key for _, key in files])
            for _, files in itertools.groupby(self._files(role), key=lambda file: file[0])
        ]
        if not parts:
            return pl.LazyFrame(schema={FILE: pl.String, RECORD: pl.UInt64})
        return parts[0] if len(parts) == 1 else pl.concat(parts, how="diagonal_relaxed")

    def _files(self, role: Role) -> list[tuple[str, str]]:
        """The contract and the key of each file."""
        return [
            (entry.contract, file_key(self.manifest.dataset, file.path))
            for _, entry in sorted(self.manifest.partitions.items())
            for file in entry.files
            if file.role == role
        ]


def open_version(store: Store, dataset: str, version: int | None = None) -> Snapshot:
    """A version to read from; the newest when none is named.

    Raises:
        VersionNotFoundError: there is no such version, or none at all.
        StoreError: the manifest can't be read.
    """
    manifest = head(store, dataset) if version is None else read_manifest(store, dataset, version)
    if manifest is None:
        raise no_version(store, dataset, version)
    return Snapshot(store, manifest)


def no_version(store: Store, dataset: str, version: int | None) -> VersionNotFoundError:
    """The error for a version that is not there, or for a data set that has none."""
    versions = list_versions(store, dataset)
    found = f"{dataset} has no version" + ("" if version is None else f" {version}")
    if versions:
        return VersionNotFoundError(found, fix=f"It has {versions[0]} to {versions[-1]}.")
    return VersionNotFoundError(found, fix=f"Nothing was published yet: winnow run {dataset} --partition P")


def _decoded(data: bytes, key: str) -> Manifest:
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _undecodable(data, key, error) from error
    if manifest.format != MANIFEST_FORMAT:
        raise _other_format(manifest.format, key)
    return manifest


def _undecodable(data: bytes, key: str, error: Exception) -> StoreError:
    try:
        found = msgspec.json.decode(data, type=_FormatOnly).format
    except (msgspec.MsgspecError, UnicodeDecodeError):
        found = MANIFEST_FORMAT
    if found != MANIFEST_FORMAT:
        return _other_format(found, key)
    return _broken(f"can't be decoded: {shown(error)}", "JSON as Winnow writes it", key)


def _other_format(found: int, key: str) -> StoreError:
    fix = "Use the version of Winnow that wrote it, or a newer one."
    return StoreError(f"the manifest has format {found}", expected=f"format {MANIFEST_FORMAT}", where=key, fix=fix)


def _broken(found: str, expected: str, key: str) -> StoreError:
    fix = "Nothing of Winnow changes a manifest: restore this file from a backup."
    return StoreError(f"the manifest {found}", expected=expected, where=key, fix=fix)
