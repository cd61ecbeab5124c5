"""Exports: where copies of versions went, and which are being made right now.

Belongs here: the records of exports. Does not belong here: making one (tasks/export).

A record is written before the first file is copied, and stays: whoever erases a person has to know of every copy. While
an export is under way it also has a pin, so that its version is not retired. The pin counts while the lease of the
export is held, so that one that was killed pins nothing.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import LeaseHeldError, StoreError
from tasks.store.documents import decoded, encoded
from tasks.store.lease import lease
from tasks.store.paths import export_key, exports_prefix, lease_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.store.home import Store

_PIN = ".pin"


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A copy of a version outside of the store."""

    export: str
    """Its id."""
    dataset: str
    versions: tuple[int, ...]
    digests: tuple[str, ...]
    """Of those versions' content."""
    role: str
    format: str
    """parquet or delta."""
    folder: str
    """Absolute, on that host."""
    host: str
    begun_at: str
    """UTC, ISO 8601. Whether it was finished can be seen in the folder alone, which appears at once or not at all."""


def read_exports(store: Store, dataset: str) -> tuple[Export, ...]:
    """The records of all exports of a data set that were ever begun.

    Raises:
        StoreError: the store can't be read, or a record is broken.
    """
    keys = (key for key in store.list(exports_prefix(dataset)) if key.endswith(".json"))
    return tuple(_decoded(store.read(key), key) for key in keys)


@contextlib.contextmanager
def under_way(store: Store, export: Export) -> Iterator[None]:
    """Writes down an export, and keeps its versions from being retired while the block runs.

    Raises:
        StoreError: the store can't be written.
    """
    pin = exports_prefix(export.dataset) + export.export + _PIN
    with lease(store, export.dataset, _lease_of(export.export), export.export):
        store.create(pin, msgspec.json.encode(export.versions))
        store.create(export_key(export.dataset, export.export), encoded(export))
        try:
            yield
        finally:
            store.delete(pin)
    _forget_lease(store, export.dataset, export.export)


def versions_under_way(store: Store, dataset: str, run_id: str, *, dry_run: bool = False) -> frozenset[int]:
    """Versions that are being exported; pins of exports that were killed are removed on the way, but for a dry run.

    Raises:
        StoreError: the store can't be read or written.
    """
    found: set[int] = set()
    for key in store.list(exports_prefix(dataset)):
        if key.endswith(_PIN):
            export = key.rpartition("/")[2].removesuffix(_PIN)
            if dry_run or not _removed(store, dataset, key, export, run_id):
                with contextlib.suppress(StoreError):  # the export ended a moment ago
                    found |= set(decoded(store.read(key), list[int], what="the pin of an export", key=key))
    return frozenset(found)


def _removed(store: Store, dataset: str, key: str, export: str, run_id: str) -> bool:
    """Removes the pin of an export that was killed; whether it was."""
    try:
        with lease(store, dataset, _lease_of(export), run_id):
            store.delete(key)
    except LeaseHeldError:
        return False
    _forget_lease(store, dataset, export)
    return True


def _lease_of(export: str) -> str:
    return f"export {export}"


def _forget_lease(store: Store, dataset: str, export: str) -> None:
    """Removes the lease of an export that has ended: its id, and so the lease's, is never used again."""
    store.delete(lease_key(dataset, _lease_of(export)))


def _decoded(data: bytes, key: str) -> Export:
    return decoded(data, Export, what="the record of an export", key=key)
