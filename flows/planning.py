"""Planning: what a backfill would do, told without Prefect, so that a dry run answers at once.

Belongs here: from settings and a range to a plan. Does not belong here: how a partition stands (tasks/audit/standing),
or doing it (backfill).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.cards import card_of
from flows.settings import load_settings
from schemas import registry
from schemas.errors import DumpMissingError, shown
from tasks.audit.ledger import ledger
from tasks.audit.standing import Planned, State, plan
from tasks.store.local import open_store

if TYPE_CHECKING:
    from collections.abc import Collection


def planned(dataset: str, first: str, last: str, only: Collection[State] = ()) -> tuple[Planned, ...]:
    """What a backfill would do with each partition of a range; changes nothing and needs no Prefect.

    Raises:
        DatasetNotFoundError, DeclarationError, DumpUnreadableError, StoreError: it can't be told.
        DumpMissingError: the range holds no partition.
    """
    settings = load_settings()
    declaration = str(registry.locate(dataset, settings.folders))
    pattern = card_of(dataset, settings.folders).pattern
    store = open_store(settings.store_root)
    found = ledger(store, dataset, declaration=declaration, pattern=pattern, raw_root=settings.raw_root)
    within = [each for each in found.standings if first <= each.partition <= last]
    if not within:
        raise DumpMissingError(f"no partition from {shown(first)} to {shown(last)}", where=dataset)
    return plan(within, only, raws=found.raws.keys())
