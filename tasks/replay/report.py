"""Report: what a replay did, or would do.

Belongs here: the records. Does not belong here: doing it (stage).
"""

from __future__ import annotations

import msgspec

from tasks.job import Outcome


class PartitionReplay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of the records of one partition that were asked again."""

    partition: str
    asked: int
    """Quarantined and rejected records that were asked."""
    kept: int = 0
    """Of them, those that pass now."""
    duplicate: int = 0
    """Of them, those that pass, and are duplicates of a record that is kept."""
    still_set_aside: int = 0
    claims: int = 0
    """Of those set aside, the ones that pass but would put a kept record out of its place; a backfill decides."""
    whole: bool = False
    """Whether the partition is now as a backfill would make it, so that it is not stale any more."""
    why_not: str = ""
    """What a backfill might change that a replay can't."""
    trouble: str = ""
    """Why nothing was replayed, if that is so."""
    outcome: Outcome | None = None
    """What was published."""


class EarlierVerdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was said of a record before it was asked again."""

    fate: str
    rules: tuple[str, ...]
    contract: str
    """Fingerprint under which it was judged."""
    version: int
    """The newest version that said so."""
    published_at: str
    """When that version was published, in UTC."""
    replayed_at: str
    """When it was asked again, in UTC."""
