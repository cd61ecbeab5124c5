"""Journal: what the store knows of its erasures, of those that are under way and of those that are done.

Belongs here: the record of an erasure, the secret of its hashes, reading all of them and writing one. Does not belong
here: what is done in which order (stage).

A journal is written before anything changes and says more with each step, so that an erasure that was killed is
finished by asking for it again. Of the person it holds keyed hashes, and of the records their places.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Literal

import msgspec

from schemas.records import OutputFile
from tasks.erasure.marks import Tombstones, hashed, probes
from tasks.store.documents import decoded, encoded
from tasks.store.paths import blanked_prefix, erasure_key, erasure_prefix, salt_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.store.home import Store

_SALT_BYTES = 32


class StoredObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object of the store, as it was or is."""

    key: str
    sha256: str


class Replacement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One cleaning of one partition, before and after."""

    partition: str
    cleaning: str
    """Of the entry that was replaced."""
    versions: tuple[int, ...]
    """In which it stood."""
    fates: dict[str, int]
    """How many records were erased, by the fate that they had."""
    before: tuple[OutputFile, ...]
    after: tuple[OutputFile, ...]


class Erasure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One erasure."""

    id: str
    column: str
    hashes: tuple[str, ...]
    """Of the canonical values, keyed; see `marks.hashed`."""
    state: Literal["begun", "done"]
    asked_at: str
    asked_by: str
    quick: tuple[int, ...] = ()
    """Quick hashes of the same values; see `marks.quick_hashes`."""
    probes: tuple[int, ...] = ()
    """By which to tell whether quick hashes mean anything here."""
    places: dict[str, tuple[int, ...]] = {}
    """sha256 of a raw file -> numbers of its erased records."""
    replacements: tuple[Replacement, ...] = ()
    before: tuple[StoredObject, ...] = ()
    """Other objects that were changed: manifests and reports."""
    after: tuple[StoredObject, ...] = ()
    format: int = 1


def salt_of(store: Store, dataset: str) -> bytes:
    """The data set's secret; made at the first erasure.

    Raises:
        StoreError: the store can't be read or written.
    """
    key = salt_key(dataset)
    if not store.exists(key):
        store.create(key, secrets.token_bytes(_SALT_BYTES))
    return store.read(key)


def erasure_id(salt: bytes, column: str, values: Sequence[str]) -> str:
    """The id of an erasure, the same whenever it is asked for."""
    return hashed(salt, column, "\0".join(sorted(set(values))))[:16]


def erasure_ids(store: Store, dataset: str) -> tuple[str, ...]:
    """Ids of all erasures of a data set, by their names alone.

    Raises:
        StoreError: the store can't be listed.
    """
    names = (key.rpartition("/")[2] for key in store.list(erasure_prefix(dataset)))
    return tuple(name.removesuffix(".json") for name in names if name.endswith(".json"))


def erasures(store: Store, dataset: str) -> tuple[Erasure, ...]:
    """All erasures of a data set, by id.

    Raises:
        StoreError: one can't be read: nothing may be cleaned while it is not known who was erased.
    """
    keys = [erasure_key(dataset, each) for each in erasure_ids(store, dataset)]
    return tuple(_decoded(store.read(key), key) for key in keys)


def read_erasure(store: Store, dataset: str, erasure: str) -> Erasure | None:
    """One erasure, or None.

    Raises:
        StoreError: it can't be read.
    """
    key = erasure_key(dataset, erasure)
    return _decoded(store.read(key), key) if store.exists(key) else None


def write_erasure(store: Store, dataset: str, erasure: Erasure) -> None:
    """Writes how far an erasure is.

    Raises:
        StoreError: the store can't be written.
    """
    data = encoded(erasure)
    store.replace(erasure_key(dataset, erasure.id), data)


def originals_of_blanked(store: Store, dataset: str) -> dict[str, str]:
    """sha256 of each raw file whose erased records are blank -> the one that it had before.

    Raises:
        StoreError: the store can't be listed.
    """
    names = (key.rpartition("/")[2].partition("-") for key in store.list(blanked_prefix(dataset)))
    return {blanked: original for blanked, _, original in names}


def take_along(store: Store, other: Store, dataset: str) -> None:
    """Lets another store, in which the same is cleaned for a while, know who was erased from this one.

    Raises:
        StoreError: the stores can't be read or written.
    """
    for key in store.list(erasure_prefix(dataset)):
        other.create(key, store.read(key))


def tombstones(store: Store, dataset: str) -> Tombstones:
    """What keeps all that was erased from coming back.

    Raises:
        StoreError: the store can't be read.
    """
    found = erasures(store, dataset)
    if not found:
        return Tombstones()
    salt = salt_of(store, dataset)
    here = probes(salt)
    hashes: dict[str, frozenset[str]] = {}
    quick: dict[str, frozenset[int]] = {}
    slow: dict[str, frozenset[str]] = {}
    places: dict[str, frozenset[int]] = {}
    for each in found:
        hashes[each.column] = hashes.get(each.column, frozenset()).union(each.hashes)
        if each.probes == here and len(each.quick) == len(each.hashes):
            quick[each.column] = quick.get(each.column, frozenset()).union(each.quick)
        else:
            slow[each.column] = slow.get(each.column, frozenset()).union(each.hashes)
        for file, records in each.places.items():
            places[file] = places.get(file, frozenset()).union(records)
    return Tombstones(tuple(sorted(each.id for each in found)), salt, hashes, quick, slow, places)


def _decoded(data: bytes, key: str) -> Erasure:
    fix = "Restore it from a backup: without it, who was erased would come back."
    return decoded(data, Erasure, what="the journal of an erasure", key=key, fix=fix)
