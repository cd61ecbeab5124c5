"""Drift: in words, how the columns of raw files were not the declared ones.

Belongs here: the sentence that each finding makes, and gathering the findings of several files. Does not belong here:
finding them (tasks/ingest), or escaping for markdown (escape): names from data are escaped for a terminal or a log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from schemas.errors import shown
from schemas.records import DriftFinding, DriftKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_DONE = {
    "quarantine": "its records are quarantined",
    "null": "null in its records, and the rules decide",
    "ignore": "left out",
    "cast": "cast cell by cell",
    "accept": "read as the declared one",
}


class DriftRow(NamedTuple):
    """A finding and the files in which it is the same; its records are those of all of them."""

    finding: DriftFinding
    files: tuple[str, ...]


def drift_rows(drift: Mapping[str, Sequence[DriftFinding]]) -> list[DriftRow]:
    """The findings of several files, each once, in the order in which they are met.

    Args:
        drift: path of a raw file -> its findings.

    Example:
        >>> found = {path: [DriftFinding(DriftKind.EXTRA, "ignore", "x", records=2)] for path in ("a", "b")}
        >>> [(told(row.finding), row.files) for row in drift_rows(found)]
        [("column 'x' is not declared in 4 records", ('a', 'b'))]
    """
    alike: dict[DriftFinding, list[tuple[str, DriftFinding]]] = {}
    for path, findings in drift.items():
        for finding in findings:
            key = finding if finding.records is None else msgspec.structs.replace(finding, records=0)
            alike.setdefault(key, []).append((path, finding))
    return [DriftRow(_together(each), tuple(path for path, _ in each)) for each in alike.values()]


def _together(alike: Sequence[tuple[str, DriftFinding]]) -> DriftFinding:
    first = alike[0][1]
    if first.records is None:
        return first
    return msgspec.structs.replace(first, records=sum(finding.records or 0 for _, finding in alike))


def is_new(finding: DriftFinding, before: Iterable[DriftFinding]) -> bool:
    """Whether no finding of an earlier partition says the same of the same column."""
    return _said(finding) not in map(_said, before)


def told(finding: DriftFinding) -> str:
    """What was found, in words.

    Example:
        >>> told(DriftFinding(DriftKind.RENAMED, "accept", column="text", found="label"))
        "column 'text' is called 'label'"
    """
    within = f" in {finding.records:,} {'record' if finding.records == 1 else 'records'}" if finding.records else ""
    return f"{_sentence(finding)}{within if finding.column else ''}"


def done(finding: DriftFinding) -> str:
    """What was done about it, in words."""
    if finding.kind is DriftKind.REORDERED:
        return "found by their names"
    return _DONE.get(finding.policy, finding.policy)


def _sentence(finding: DriftFinding) -> str:
    column, other = f"column {shown(finding.column)}", shown(finding.found)
    match finding.kind:
        case DriftKind.MISSING:
            return f"{column} is missing" + (f" (perhaps called {other} now)" if finding.found is not None else "")
        case DriftKind.EXTRA if finding.column is not None:
            return f"{column} is not declared"
        case DriftKind.EXTRA if finding.records is not None:
            return f"{finding.records:,} values of further keys that are not declared"
        case DriftKind.EXTRA:
            return f"{finding.columns:,} more columns are not declared"
        case DriftKind.RENAMED:
            return f"{column} is called {other}"
        case DriftKind.REORDERED:
            return f"{finding.columns:,} columns stand in another order than declared"
        case DriftKind.WIDENED:
            return f"{column} is stored as {other}, which holds more than the declared type or something else"


def _said(finding: DriftFinding) -> tuple[object, ...]:
    return finding.kind, finding.column, finding.found
