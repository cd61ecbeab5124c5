"""Backfill report: what became of each partition, as a table and as a calendar.

Belongs here: wording, and drawing where the extra `report` is installed. Does not belong here: finding it out (flows).
"""

from __future__ import annotations

import collections
import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import MissingExtraError
from schemas.records import Books
from tasks.report.escape import as_markdown
from tasks.report.pictures import drawn, in_markdown

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Rows of the table; those that say something come first, and `winnow status` has all.
_ROWS = 200
_WORDS = 300
#: State -> letter in the calendar, colour in the picture; gravest first.
STATES = {
    "failed": ("F", "#b2182b"),
    "held": ("H", "#ef8a62"),
    "not reached": ("-", "#d9d9d9"),
    "left": (".", "#f0f0f0"),
    "cleaned": ("c", "#2166ac"),
    "unchanged": ("u", "#92c5de"),
}


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One partition."""

    partition: str
    state: str
    """One of `STATES`."""
    reason: str
    books: Books | None = None


def backfill_summary(dataset: str, rows: Sequence[Row]) -> str:
    """A backfill in markdown: how many of each state, a calendar, and the state of each partition with its reason."""
    counts = collections.Counter(row.state for row in rows)
    told = ", ".join(f"{counts[state]:,} {state}" for state in STATES if counts[state])
    kept = sum(row.books.kept for row in rows if row.books)
    parts = [f"# Backfill of {as_markdown(dataset)}", f"{len(rows):,} partitions: {told}. {kept:,} rows kept."]
    parts += [calendar(rows), _table(rows)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(rows: Sequence[Row]) -> str:
    order = list(STATES)
    first = sorted(rows, key=lambda row: (order.index(row.state), row.partition))
    lines = ["| partition | state | records | kept | set aside | why |", "| --- | --- | ---: | ---: | ---: | --- |"]
    for row in first[:_ROWS]:
        books = row.books
        counts = (books.records, books.kept, books.quarantined + books.rejected) if books else None
        cells = [f"{count:,}" for count in counts] if counts else ["-"] * 3
        partition, reason = as_markdown(row.partition, 255), as_markdown(row.reason, _WORDS)
        lines.append(f"| {partition} | {row.state} | {' | '.join(cells)} | {reason} |")
    if len(rows) > _ROWS:
        lines.append(f"\n{len(rows) - _ROWS:,} more: `winnow status` shows all.")
    return "\n".join(lines)


def calendar(rows: Sequence[Row]) -> str:
    """The days of the partitions that are called by a date: as a picture, or as letters where it can't be drawn.

    Example:
        >>> print(calendar([Row("2026-10-01", "cleaned", ""), Row("2026-10-03", "failed", "")]))
        | 2026-10 | `c F                            ` |
        | --- | --- |
        <BLANKLINE>
        c cleaned, F failed
    """
    days = {day: row.state for row in rows if (day := _day(row.partition))}
    return (_drawn(days) if len(days) > _FEW_DAYS else "") or _lettered(days)


#: Days that need no picture.
_FEW_DAYS = 7


def _day(partition: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(partition)
    except ValueError:
        return None


def _lettered(days: dict[dt.date, str]) -> str:
    if not days:
        return ""
    months: dict[str, list[str]] = {}
    for day, state in sorted(days.items()):
        months.setdefault(f"{day:%Y-%m}", [" "] * 31)[day.day - 1] = STATES[state][0]
    lines = [f"| {month} | `{''.join(letters)}` |" for month, letters in months.items()]
    key = ", ".join(f"{letter} {state}" for state, (letter, _) in reversed(STATES.items()) if state in days.values())
    return "\n".join([lines[0], "| --- | --- |", *lines[1:], "", key])


def _drawn(days: dict[dt.date, str]) -> str:
    """The calendar as a picture in markdown; nothing where the extra is not installed."""
    values = [{"month": f"{day:%Y-%m}", "day": day.day, "state": state} for day, state in sorted(days.items())]
    used = [state for state in STATES if state in days.values()]
    chart = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": values},
        "mark": {"type": "rect", "stroke": "white"},
        "encoding": {
            "x": {"field": "day", "type": "ordinal", "title": None, "axis": {"labelAngle": 0}},
            "y": {"field": "month", "type": "ordinal", "title": None},
            "color": {
                "field": "state",
                "type": "nominal",
                "scale": {"domain": used, "range": [STATES[state][1] for state in used]},
                "title": None,
                "legend": {"orient": "bottom"},
            },
        },
        "width": {"step": 18},
        "height": {"step": 18},
    }
    try:
        return in_markdown(drawn(chart), "calendar of the backfill")
    except MissingExtraError:
        return ""
