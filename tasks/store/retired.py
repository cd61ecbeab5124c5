"""Retired: which versions are gone because the retention policy let them go, so that their absence is no damage.

Belongs here: the records of retirements, written before the first manifest goes. Does not belong here: which versions
are retired (tasks/retain/policy), or removing anything (tasks/retain/stage).

Each run of `winnow gc` that retires versions writes one record, created and never changed. It says of each version when
it was created and what its digest was: with that, `DATASET@2026-10-01` can tell a version that is gone from one that
never was, and whoever holds an export of it can still say that it is the one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tasks.store.documents import decoded
from tasks.store.paths import retired_key, retired_prefix

if TYPE_CHECKING:
    from tasks.store.home import Store


class RetiredVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left of a version."""

    version: int
    created_at: str
    digest: str


class Retirement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one run retired."""

    run_id: str
    retired_at: str
    """UTC, ISO 8601."""
    policy: str
    """As the declaration had it, in words."""
    versions: tuple[RetiredVersion, ...]
    files: tuple[str, ...]
    """Paths of the files that only these versions named, relative to the data set's folder: a run that was killed is
    finished by one that finds them here."""
    replaced: dict[str, str] = {}
    """What the retired versions of erasures said of older manifests: sha256 -> sha256 of what came in its place. The
    chain of the manifests that are kept may lead over these."""


def read_retirements(store: Store, dataset: str) -> tuple[Retirement, ...]:
    """All records of a data set, in the order of the newest version of each.

    Raises:
        StoreError: the store can't be read, or a record is broken.
    """
    keys = (key for key in store.list(retired_prefix(dataset)) if key.endswith(".json"))
    return tuple(_decoded(store.read(key), key) for key in keys)


def retired_versions(store: Store, dataset: str) -> dict[int, RetiredVersion]:
    """What is left of every version that was retired, by its number.

    One whose manifest is still there is among them when the run that was to retire it was killed.

    Raises:
        StoreError: the store can't be read, or a record is broken.
    """
    return {each.version: each for record in read_retirements(store, dataset) for each in record.versions}


def is_retired(store: Store, dataset: str, version: int) -> bool:
    """Whether a version was retired; mostly one listing, since the newest versions never are.

    Raises:
        StoreError: the store can't be read, or a record is broken.
    """
    keys = store.list(retired_prefix(dataset), after=retired_key(dataset, version - 1, "~"))
    records = (_decoded(store.read(key), key) for key in keys if key.endswith(".json"))
    return any(each.version == version for record in records for each in record.versions)


def _decoded(data: bytes, key: str) -> Retirement:
    return decoded(data, Retirement, what="the record of retired versions", key=key)
