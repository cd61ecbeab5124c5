"""Report: what an export did, or would do.

Belongs here: the record. Does not belong here: doing it (stage, delta).
"""

from __future__ import annotations

import msgspec


class ExportReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was copied, from where to where."""

    dataset: str
    versions: tuple[int, ...]
    """Of Parquet one, of Delta all that the table has."""
    folder: str
    format: str
    roles: tuple[str, ...]
    dry_run: bool
    export: str = ""
    """Id of the record that the store keeps of it; none for a dry run."""
    files: int = 0
    size: int = 0
    """Bytes of those files."""
    linked: int = 0
    """Files that are second names of the store's own: they take no room, and must not be written to."""
    copied: int = 0
    rewritten: int = 0
    """Files with a column of a type that Delta has not."""
    left_out: tuple[str, ...] = ()
    """Columns that lead back to the raw record, and have a type that Delta has not."""


class Counts(msgspec.Struct):
    """What was done with the files so far."""

    files: int = 0
    size: int = 0
    linked: int = 0
    copied: int = 0
    rewritten: int = 0
