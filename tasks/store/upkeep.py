"""Upkeep: one at a time changes which versions of a data set are kept.

Belongs here: the lease that retiring, rolling back, tagging and erasing hold meanwhile. Does not belong here: what they
do; or cleaning and publishing, which need it only to write other partitions anew, because they only add to the newest
version, which is never retired.

Without it, a version could be retired between being found and being named again by a tag or by a rollback.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from schemas.errors import LeaseHeldError
from tasks.store.lease import check_lease, lease

if TYPE_CHECKING:
    import contextlib
    from contextlib import AbstractContextManager

    from tasks.store.home import Store

#: Seconds between two looks at whether it is free.
_PAUSE = (0.05, 0.5)
#: In the place of a partition's name.
UPKEEP = "upkeep of versions"


def upkeep(store: Store, dataset: str, run_id: str) -> AbstractContextManager[None]:
    """Holds the right to say which versions of a data set are kept.

    Raises:
        LeaseHeldError: another run holds it; the message says which.
        StoreError: the store can't be written.
    """
    return lease(store, dataset, UPKEEP, run_id)


def wait_for_upkeep(
    stack: contextlib.ExitStack, store: Store, dataset: str, run_id: str, *, patience: float = 600.0
) -> None:
    """Takes the same right for a run that writes files of partitions of which it holds no lease, until it is done.

    So nothing removes such a file between being written and being named by a version.

    Args:
        stack: gives it back.
        store: where the data set lies.
        dataset: its name.
        run_id: of the run.
        patience: seconds to wait for whoever has it.

    Raises:
        LeaseHeldError: it took longer.
        StoreError: the store can't be written.
    """
    end = time.monotonic() + patience
    while True:
        try:
            stack.enter_context(upkeep(store, dataset, run_id))
        except LeaseHeldError:
            if time.monotonic() > end:
                raise
            # By chance, so that several that wait don't meet each time.
            time.sleep(random.uniform(*_PAUSE))  # noqa: S311  # no secret
        else:
            return


def check_upkeep(store: Store, dataset: str, run_id: str) -> None:
    """Sees that a run still holds the right.

    Raises:
        LeaseLostError: it does not.
        StoreError: the store can't be read.
    """
    check_lease(store, dataset, UPKEEP, run_id)
