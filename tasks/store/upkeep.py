"""Upkeep: one at a time changes which versions of a data set are kept.

Belongs here: the lease that retiring, rolling back, tagging and erasing hold meanwhile. Does not belong here: what they
do; or cleaning and publishing, which need it not, because they only add to the newest version, which is never retired.

Without it, a version could be retired between being found and being named again by a tag or by a rollback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.store.lease import check_lease, lease

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tasks.store.home import Store

#: In the place of a partition's name.
UPKEEP = "upkeep of versions"


def upkeep(store: Store, dataset: str, run_id: str) -> AbstractContextManager[None]:
    """Holds the right to say which versions of a data set are kept.

    Raises:
        LeaseHeldError: another run holds it; the message says which.
        StoreError: the store can't be written.
    """
    return lease(store, dataset, UPKEEP, run_id)


def check_upkeep(store: Store, dataset: str, run_id: str) -> None:
    """Sees that a run still holds the right.

    Raises:
        LeaseLostError: it does not.
        StoreError: the store can't be read.
    """
    check_lease(store, dataset, UPKEEP, run_id)
