"""Report: what a retention did, or would do.

Belongs here: the record. Does not belong here: the choice (policy), or doing it (stage).
"""

from __future__ import annotations

import msgspec


class RetainReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one run over one data set removed, and what it left."""

    dataset: str
    dry_run: bool
    policy: str
    """In words; nothing where all versions are kept."""
    kept: tuple[int, ...]
    retired: tuple[int, ...]
    files: int = 0
    """Data files, archived copies and contracts removed, which no kept version names."""
    size: int = 0
    """Their bytes."""
    staging: tuple[str, ...] = ()
    """Partitions of which a killed run had left staged objects."""
    uploads: int = 0
    """Uploads to a bucket that killed runs had left half done."""
    young: int = 0
    """Files that no version names, but that are too young to be sure that no run is about to."""
    busy: tuple[str, ...] = ()
    """Partitions that were left alone, because a run is cleaning them."""
