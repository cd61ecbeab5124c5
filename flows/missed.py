"""Missed: which partitions a night has to clean, told from what is there and never from a date.

Belongs here: the choice. Does not belong here: cleaning them (nightly, forms), or when a night is (the declaration's
schedule).
"""

from __future__ import annotations

from flows.nightly import partitions_of
from flows.settings import load_settings
from schemas import registry
from tasks.store.local import open_store
from tasks.store.versions import head


def due(dataset: str) -> list[str]:
    """The partitions that tonight's run cleans, in their order: those that were missed, and the newest.

    So many partitions before the newest one as the declared schedule says are looked at. A partition was missed if the
    newest version does not hold it: its dump came late, its night failed, or no worker ran.

    Raises:
        DatasetNotFoundError: no such data set is declared.
        DumpMissingError: there is no dump at all.
    """
    settings = load_settings()
    declared = registry.load(dataset, settings.folders)
    *older, last = partitions_of(declared)
    back = declared.schedule.catch_up if declared.schedule else 0
    before = older[-back:] if back else []
    version = head(open_store(settings.store_root), dataset)
    held = version.partitions if version else {}
    return [*(name for name in before if name not in held), last]
