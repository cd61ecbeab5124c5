"""Failures: what the store knows of cleanings that published nothing, so that a person can ask for them later.

Belongs here: the records and their keys. Does not belong here: whether a failure still stands (tasks/audit/standing),
or raising anything.

A record is created and never changed. It goes when the partition is cleaned, or when `winnow gc` finds that it no
longer stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.audit.kept import Failure
from tasks.store.documents import decoded, encoded
from tasks.store.paths import failure_key, failure_prefix, partition_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection

    from tasks.store.home import Store


def keep_failure(store: Store, dataset: str, failure: Failure, now: dt.datetime) -> None:
    """Writes down that a cleaning failed.

    Raises:
        StoreError: the store can't be written.
    """
    key = failure_key(dataset, failure.partition, f"{now:%Y%m%dT%H%M%S%fZ}", failure.run_id)
    store.create(key, encoded(failure))


def read_failures(store: Store, dataset: str) -> dict[str, Failure]:
    """The last failure of each partition that has any.

    Raises:
        StoreError: the store can't be read, or a record is broken.
    """
    last = {partition_of(key): key for key in store.list(failure_prefix(dataset)) if key.endswith(".json")}
    return {
        partition: decoded(store.read(key), Failure, what="the record of a failure", key=key, fix="Delete this file.")
        for partition, key in last.items()
    }


def failure_keys(store: Store, dataset: str) -> dict[str, list[str]]:
    """The keys of all records by partition, each in the order of their moments.

    Raises:
        StoreError: the store can't be listed.
    """
    found: dict[str, list[str]] = {}
    for key in store.list(failure_prefix(dataset)):
        found.setdefault(partition_of(key), []).append(key)
    return found


def forget_failures(store: Store, dataset: str, partitions: Collection[str]) -> None:
    """Removes the records of partitions that were cleaned since.

    Raises:
        StoreError: the store can't be written.
    """
    for partition, keys in failure_keys(store, dataset).items():
        if partition in partitions:
            for key in keys:
                store.delete(key)
