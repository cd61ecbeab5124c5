"""Lease: one run at a time cleans a partition.

Belongs here: taking and giving back the right to clean a partition. Does not belong here: publishing, which needs no
lease, because any number of runs may commit at once (tasks/publish/commit), or how a home keeps a lease (locks,
s3_lease).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.store.paths import lease_key

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tasks.store.home import Store


def lease(store: Store, dataset: str, partition: str, run_id: str) -> AbstractContextManager[None]:
    """Holds the right to clean a partition while the block runs.

    Args:
        store: where the data set lies.
        dataset: name of the data set.
        partition: name of the partition.
        run_id: told to whoever is refused meanwhile.

    Raises:
        LeaseHeldError: another run holds it; the message says which.
        StoreError: it can't be written.
    """
    return store.hold(lease_key(dataset, partition), run_id, f"{dataset} {partition}")


def check_lease(store: Store, dataset: str, partition: str, run_id: str) -> None:
    """Sees, before a run publishes, that it still holds the lease: it may have slept, or been cut off, too long.

    Raises:
        LeaseLostError: it does not.
        StoreError: the store can't be read.
    """
    store.check_held(lease_key(dataset, partition), run_id, f"{dataset} {partition}")
