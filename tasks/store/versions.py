"""Versions: which there are, what they say, and how their files are read.

Belongs here: reading manifests and scanning what they list. Does not belong here: making one (tasks/publish/commit),
or proving that it is true (tasks/publish/verify). polars is imported only where rows are read.

The newest version is the highest number that a listing shows. No pointer says so, hence none can be wrong.
"""

from __future__ import annotations

import bisect
import datetime as dt
import functools
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from schemas.errors import StoreError, VersionNotFoundError, shown
from schemas.records import FILE, RECORD, Manifest
from tasks.store.paths import file_key, version_key, version_number, version_prefix
from tasks.store.retired import retired_versions

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

    from schemas.records import Role
    from tasks.store.home import Store

#: The form of manifests that this code reads and writes.
MANIFEST_FORMAT = 1
#: Names that a server gives in one answer.
_PAGE = 1000
#: Names among which one is a version's, but for other files in a thick row.
_FEW = 10
#: Manifests that are read at once: from a server each takes its way there and back.
_ABREAST = 8
#: Manifests that are kept decoded: the newest one, and those that it is compared with.
_REMEMBERED = 4
_DECODED: dict[bytes, Manifest] = {}
_DECODING = threading.Lock()


class _FormatOnly(msgspec.Struct):
    """A manifest of any format, read only far enough to know which."""

    format: int = MANIFEST_FORMAT


class Stored(NamedTuple):
    """A manifest, and the bytes in which it is stored."""

    manifest: Manifest
    data: bytes


def list_versions(store: Store, dataset: str, *, since: int = 1) -> tuple[int, ...]:
    """Numbers of all versions, rising; reads names and no manifest.

    Args:
        store: where the data set lies.
        dataset: name of the data set.
        since: only from this one on; a long list is many requests to a server.

    Raises:
        StoreError: the store can't be listed.
    """
    keys = store.list(version_prefix(dataset), after=version_key(dataset, since - 1) if since > 1 else "")
    numbers = (version_number(key) for key in keys)
    return tuple(sorted(number for number in numbers if number))


def newest_version(store: Store, dataset: str, *, since: int = 1) -> int | None:
    """The highest number of a version; None when nothing was published yet.

    Leaps over a long list instead of reading it: a server gives a thousand names in one answer.

    Args:
        store: where the data set lies.
        dataset: name of the data set.
        since: a version that is there, if one is known.

    Raises:
        StoreError: the store can't be listed.
    """
    at = since - 1
    while True:
        page = _numbers(store, dataset, at, _PAGE)
        at = max(filter(None, page), default=at)
        if len(page) < _PAGE:
            return at or None
        if not any(page):  # a thousand files in a row that are no manifests
            return max(list_versions(store, dataset), default=None)
        at = _leapt(store, dataset, at)


def newest_versions(store: Store, dataset: str, most: int) -> tuple[tuple[int, ...], int | None]:
    """The highest numbers of versions, falling, and the lowest one of all if there are others.

    Args:
        store: where the data set lies.
        dataset: name of the data set.
        most: how many.

    Raises:
        StoreError: the store can't be listed.
    """
    newest = newest_version(store, dataset) or 0
    numbers = list_versions(store, dataset, since=max(1, newest - most + 1))
    if len(numbers) < min(most, newest):  # some were retired
        numbers = list_versions(store, dataset)
    oldest = next(filter(None, _numbers(store, dataset, 0, _FEW)), None)
    if oldest is None and numbers:
        oldest = list_versions(store, dataset)[0]
    shown_ones = tuple(reversed(numbers[-most:]))
    return shown_ones, oldest if shown_ones and oldest != shown_ones[-1] else None


def _leapt(store: Store, dataset: str, at: int) -> int:
    """A version that is there, as far above this one as leaps can tell; the last, if other files are not in the way."""
    step, rising = _PAGE, True
    while step:
        found = next(iter(_numbers(store, dataset, at + step, 1)), None)
        at, rising = found or at, rising and found is not None
        step = step * 2 if rising else step // 2
    return at


def _numbers(store: Store, dataset: str, above: int, most: int) -> list[int | None]:
    """What the first names above a version stand for: versions, and None for other files."""
    after = version_key(dataset, above) if above > 0 else ""
    return [version_number(key) for key in store.list(version_prefix(dataset), after=after, most=most)]


def head(store: Store, dataset: str, *, since: int = 1) -> Manifest | None:
    """The newest version; None when nothing was published yet.

    Args:
        store: where the data set lies.
        dataset: name of the data set.
        since: a version that is there, if one is known.

    Raises:
        StoreError: the store can't be listed, or the manifest is broken.
    """
    stored = stored_head(store, dataset, since=since)
    return stored.manifest if stored else None


def stored_head(store: Store, dataset: str, *, since: int = 1) -> Stored | None:
    """The newest version as `head` gives it, with the bytes of its manifest."""
    newest = newest_version(store, dataset, since=since)
    while newest is not None:
        try:
            return _stored(store, dataset, newest)
        except VersionNotFoundError:
            # Newer ones were published meanwhile, and this one was retired.
            newer = newest_version(store, dataset, since=newest + 1)
            if newer in (newest, None):
                raise
            newest = newer
    return None


def read_manifest(store: Store, dataset: str, version: int) -> Manifest:
    """One version's manifest, with its types checked.

    Raises:
        VersionNotFoundError: there is no such version.
        StoreError: the manifest can't be read, is broken, or is another version's.
    """
    return _stored(store, dataset, version).manifest


def read_manifests(store: Store, dataset: str, versions: Iterable[int]) -> list[Manifest]:
    """The manifests of several versions, in their order, read side by side; raises as `read_manifest`."""
    with ThreadPoolExecutor(_ABREAST, thread_name_prefix="winnow-manifests") as readers:
        return list(readers.map(functools.partial(read_manifest, store, dataset), versions))


def _stored(store: Store, dataset: str, version: int) -> Stored:
    key = version_key(dataset, max(version, 0))
    try:
        data = store.read(key)
    except StoreError:
        if store.exists(key):
            raise
        raise no_version(store, dataset, version) from None
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

    def schemas(self, role: Role) -> dict[str, pl.Schema]:
        """The columns of a role by the contract under which a partition was cleaned: they follow from it.

        Reads one footer for each contract.

        Raises:
            StoreError: one can't be read.
        """
        from tasks.store.faults import legible
        from tasks.store.scan import scan

        contracts, found = dict(reversed(self._files(role))), {}
        for contract, key in contracts.items():
            with legible(key):
                found[contract] = scan(self.store, [key]).collect_schema()
        return found

    def _files(self, role: Role) -> list[tuple[str, str]]:
        """The contract and the key of each file."""
        return [
            (entry.contract, file_key(self.manifest.dataset, file.path))
            for _, entry in sorted(self.manifest.partitions.items())
            for file in entry.files
            if file.role == role
        ]


def open_version(
    store: Store, dataset: str, version: int | None = None, *, as_of: dt.datetime | None = None
) -> Snapshot:
    """A version to read from; the newest when none is named.

    Args:
        store: where the data set lies.
        dataset: its name.
        version: the version's number.
        as_of: instead of a number, a moment (with a time zone): the version that was the newest then.

    Raises:
        VersionNotFoundError: there is no such version, or none at all.
        StoreError: the manifest can't be read.

    Example:
        snapshot = open_version(open_store(".winnow/store"), "flights", 12)
        frame = snapshot.scan(Role.CLEAN).filter(pl.col("carrier") == "UA").collect()
    """
    if as_of is not None:
        version = version_as_of(store, dataset, as_of)
    manifest = head(store, dataset) if version is None else read_manifest(store, dataset, version)
    if manifest is None:
        raise no_version(store, dataset, version)
    return Snapshot(store, manifest)


def no_version(store: Store, dataset: str, version: int | None) -> VersionNotFoundError:
    """The error for a version that is not there, or for a data set that has none."""
    versions = list_versions(store, dataset)
    if version in retired_versions(store, dataset):
        return _gone(dataset, version or 0, versions, f"version {version} of {dataset} was retired")
    found = f"{dataset} has no version" + ("" if version is None else f" {version}")
    if versions:
        return VersionNotFoundError(found, fix=f"It has {versions[0]} to {versions[-1]}.")
    return VersionNotFoundError(found, fix=f"Nothing was published yet: winnow run {dataset} --partition P")


def version_as_of(store: Store, dataset: str, moment: dt.datetime) -> int:
    """The version that was the newest at a moment: the last one that was created at or before it.

    A later moment never leads to an earlier version, and what is published afterwards changes no answer about the past:
    a commit on a machine whose clock is behind takes the time of the version before it (tasks/publish/commit), so that
    times rise with the numbers. Only as many manifests are read as it takes to halve their number down to one.

    Args:
        store: where the data set lies.
        dataset: its name.
        moment: with a time zone.

    Raises:
        VersionNotFoundError: there was none yet, or it was retired.
        StoreError: a manifest can't be read.
    """
    versions = list_versions(store, dataset)
    retired = retired_versions(store, dataset)
    numbers = sorted({*versions, *retired})

    def created(number: int) -> dt.datetime:
        if number in retired:
            return moment_of(retired[number].created_at, dataset)
        return moment_of(read_manifest(store, dataset, number).created_at, version_key(dataset, number))

    before = bisect.bisect_right(numbers, moment, key=created)
    told = moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    if before == 0:
        if not numbers:
            raise no_version(store, dataset, None)
        first = created(numbers[0]).isoformat().replace("+00:00", "Z")
        raise VersionNotFoundError(f"{dataset} had no version at {told}", fix=f"Its first one is of {first}.")
    found = numbers[before - 1]
    if found not in versions:
        raise _gone(dataset, found, versions, f"version {found}, the newest of {dataset} at {told}, was retired")
    return found


def moment_of(text: str, where: str) -> dt.datetime:
    """The moment that a manifest writes as text.

    Raises:
        StoreError: it is none.

    Example:
        >>> moment_of("2026-11-23T03:15:30Z", "trips").isoformat()
        '2026-11-23T03:15:30+00:00'
    """
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise StoreError(f"{shown(text)} is no moment", expected="UTC, as ISO 8601 writes it", where=where)
    return moment


def _gone(dataset: str, version: int, kept: tuple[int, ...], found: str) -> VersionNotFoundError:
    """The error for a version that was retired, with its neighbours that were not."""
    near = [*[number for number in kept if number < version][-1:], *[number for number in kept if number > version][:1]]
    beside = " and ".join(f"{dataset}@{number}" for number in near)
    return VersionNotFoundError(found, fix=f"The nearest that are kept: {beside}." if near else None)


def _decoded(data: bytes, key: str) -> Manifest:
    if known := _DECODED.get(data):
        return known
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _undecodable(data, key, error) from error
    if manifest.format != MANIFEST_FORMAT:
        raise _other_format(manifest.format, key)
    remember(data, manifest)
    return manifest


def remember(data: bytes, manifest: Manifest) -> None:
    """Keeps what bytes decode to: a night reads the newest manifest several times, also the one that it wrote.

    Args:
        data: as they are stored.
        manifest: what they say.
    """
    with _DECODING:
        while len(_DECODED) >= _REMEMBERED:
            del _DECODED[next(iter(_DECODED))]
        _DECODED[data] = manifest


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
