"""Card: a declaration as a person reads it, before any data is there.

Belongs here: the records of a card. Does not belong here: making one of a declaration (describe), which imports
pandera; a kept card is read without it.
"""

from __future__ import annotations

import msgspec


class ColumnCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One column."""

    name: str
    dtype: str
    nullable: bool
    notes: str
    """How its text is read, and whether it is personal."""
    description: str


class RuleCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule."""

    id: str
    severity: str
    kind: str
    how: str
    """native, python or fallback, with the reason when it is not native."""
    reason: str


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One data set."""

    name: str
    title: str
    declaration: str
    source: str
    pattern: str
    """Of its dumps, as `Source.pattern`."""
    columns: tuple[ColumnCard, ...]
    steps: tuple[str, ...]
    dedupe: tuple[str, ...]
    gates: tuple[str, ...]
    retention: tuple[str, ...]
    schedule: tuple[str, ...]
    key: tuple[str, ...]
    """Columns by which records are deduplicated."""
    personal: tuple[str, ...]
    """Columns whose values are shown to nobody."""
    rules: tuple[RuleCard, ...]
    fitness: tuple[str, ...] = ()
    """What is asked of the table as training data: splits, coverage, leaks, drift of values."""
