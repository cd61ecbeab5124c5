"""Kept: what a store remembers of partitions that were not published: failures, holds, and decisions on holds.

Belongs here: the records. Does not belong here: reading or writing them (tasks/store/failures, tasks/store/holds), or
what follows from them (standing, tasks/publish/release).
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from schemas.records import PartitionEntry
from tasks.audit.gates import Finding


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One cleaning of a partition that published nothing."""

    partition: str
    run_id: str
    failed_at: str
    """UTC, ISO 8601."""
    error: str
    """Stable name of the error."""
    message: str
    exit_code: int
    contract: str | None
    """Fingerprint under which it ran; None where the declaration could not be read."""
    before: str | None
    """The cleaning that the newest version had of the partition; None where it had none."""


class Hold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A partition that is cleaned and waits for a person."""

    hold: str
    """Its name: the identity of the cleaning, and how often that was held."""
    dataset: str
    entry: PartitionEntry
    """What the manifest would say."""
    findings: tuple[Finding, ...]
    """The gates that it did not pass and that hold."""
    reason: str
    """Of the run, as for the manifest: nightly, run, backfill."""
    run_id: str
    held_at: str
    """UTC, ISO 8601."""
    expires_at: str
    """UTC, ISO 8601: it can't be released any more from then on, and `winnow gc` removes it."""
    before: str | None
    """The cleaning that the newest version had of the partition; None where it had none."""
    erasures: tuple[str, ...] = ()
    """Ids of the erasures of whose records its files are free."""

    @property
    def partition(self) -> str:
        """The partition."""
        return self.entry.partition

    def is_over(self, now: dt.datetime) -> bool:
        """Whether it is too old."""
        return dt.datetime.fromisoformat(self.expires_at) <= now


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person decided on a hold."""

    hold: str
    act: Literal["release", "discard"]
    by: str
    reason: str
    decided_at: str
    """UTC, ISO 8601."""
