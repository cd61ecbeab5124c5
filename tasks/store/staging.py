"""Staging: the objects that live as long as one run over one partition.

Belongs here: that they are gone before a run begins and after it ends. Does not belong here: what is staged (the
stages), or that only one run at a time stages for a partition (lease).
"""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING

from schemas.records import Role
from tasks.store.paths import (
    contract_prefix,
    data_prefix,
    index_prefix,
    quote,
    report_prefix,
    staging_prefix,
    version_prefix,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.store.home import Store

_AN_HOUR = dt.timedelta(hours=1)


@contextlib.contextmanager
def staging(store: Store, dataset: str, partition: str) -> Iterator[None]:
    """Clears what a killed run over the partition left behind, and at the end what this one staged.

    Only for the holder of the partition's lease: another run's objects would go as well.

    Raises:
        StoreError: the store can't be written.
    """
    prefix = staging_prefix(dataset, partition)
    store.clear(prefix)
    for role in Role:
        store.clear_unfinished(f"{data_prefix(dataset, role)}{quote(partition)}/")
    store.clear_unfinished(report_prefix(dataset, partition))
    # Others may be committing right now, but none of them for so long.
    for shared in (version_prefix, contract_prefix, index_prefix):
        store.clear_unfinished(shared(dataset), older_than=_AN_HOUR)
    try:
        yield
    finally:
        store.clear(prefix)
