"""Reviews: what people decided about single records, and when.

Belongs here: the records that the store keeps of it. Does not belong here: reading a file of decisions, weighing them
against each other (tasks/audit/review), or applying them (tasks/normalise).

A decision is a correction of one cell, addressed by the record's identity and guarded by the label that the reviewer
saw. It is no part of the declaration's text, since there may be thousands, but as much a part of what a partition was
cleaned under: the ids of the reviews that concern a partition are part of its cleaning and stand in its entry.
"""

from __future__ import annotations

from typing import Literal

import msgspec

ReviewAction = Literal["relabel", "keep", "exclude"]


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one reviewer decided about one record's label."""

    file: str
    """sha256 of its raw file."""
    record: int
    """Its number in that file, from 1."""
    column: str
    action: ReviewAction
    """relabel: `value` is the label; keep: the label is right; exclude: the record teaches nothing."""
    expect: str | None
    """The label that it was made about: of the clean table, before any decision."""
    value: str | None
    """The label afterwards; of relabel only another one than `expect`."""
    reviewer: str
    reason: str
    decided_at: str
    """UTC, ISO 8601."""

    @property
    def why(self) -> str:
        """Who decided it, when and why, as a repair row says it."""
        return f"reviewed by {self.reviewer} at {self.decided_at}" + (f": {self.reason}" if self.reason else "")


class Review(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Decisions that came in one file."""

    id: str
    """16 hexadecimal digits: a hash of the decisions, so that the same file is the same review."""
    imported_at: str
    decisions: tuple[Decision, ...]
