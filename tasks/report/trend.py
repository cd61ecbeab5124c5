"""Trend: what became of the records of the last partitions, as a chart and as markdown around it.

Belongs here: the choice of numbers and the picture. Does not belong here: reading the store (stage), or Prefect (task).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import MissingExtraError
from tasks.report.escape import as_markdown
from tasks.report.pictures import drawn, in_markdown
from tasks.report.summary import share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.records import Manifest, PartitionEntry

#: Partitions that are shown: about a month of nights.
LAST = 30
#: The fates that the chart has a line for, and their colours, which differ for those who see no red or green, too.
_FATES = {"quarantined": "#d55e00", "rejected": "#000000", "duplicate": "#0072b2"}
_WIDTH = 640


def last_partitions(manifest: Manifest) -> tuple[PartitionEntry, ...]:
    """The last partitions of a version by name, each as its newest cleaning left it."""
    return tuple(manifest.partitions[name] for name in sorted(manifest.partitions)[-LAST:])


def trend(dataset: str, entries: Sequence[PartitionEntry]) -> str:
    """The trend in markdown: a chart, if what draws it is installed, and the numbers.

    Args:
        dataset: its name.
        entries: partitions in their order.
    """
    lines = [f"# {as_markdown(dataset)}: the last {len(entries)} partitions", ""]
    try:
        lines += [in_markdown(chart(entries), "Records, and shares of them that were set aside"), ""]
    except MissingExtraError as error:
        lines += [as_markdown(str(error), limit=400), ""]
    lines += [
        "| partition | records | kept | quarantined | rejected | duplicate |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for entry in reversed(entries):
        books = entry.total
        shares = (share(part, books.records) for part in (books.quarantined, books.rejected, books.duplicate))
        name = as_markdown(entry.partition)
        lines.append(f"| {name} | {books.records:,} | {books.kept:,} | {' | '.join(shares)} |")
    return "\n".join(lines)


def chart(entries: Sequence[PartitionEntry]) -> bytes:
    """The picture, a PNG: records of each partition, and below them the share of each fate.

    Raises:
        MissingExtraError: what draws it is not installed.
    """
    return drawn(_picture(entries))


def _picture(entries: Sequence[PartitionEntry]) -> dict[str, object]:
    """The picture in the words of Vega-Lite."""
    names = [_label(entry.partition) for entry in entries]
    # Numbered, because two names may be cut to the same text.
    axis = {"field": "at", "type": "ordinal", "axis": {"labelExpr": _labels(names), "labelAngle": -60, "title": None}}
    records = [{"at": at, "records": entry.total.records} for at, entry in enumerate(entries)]
    shares = [
        {"at": at, "fate": fate, "share": getattr(entry.total, fate) / max(entry.total.records, 1)}
        for at, entry in enumerate(entries)
        for fate in _FATES
    ]
    # Never all of the height for nothing at all.
    height = {"domainMin": 0, "domainMax": max(0.01, *(float(each["share"]) for each in shares))}
    colour = {"field": "fate", "scale": {"domain": [*_FATES], "range": [*_FATES.values()]}, "title": None}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "vconcat": [
            {
                "width": _WIDTH,
                "height": 110,
                "data": {"values": records},
                "mark": {"type": "bar", "color": "#9aa5b1"},
                "encoding": {
                    "x": {**axis, "axis": None},
                    "y": {"field": "records", "type": "quantitative", "title": "records"},
                },
            },
            {
                "width": _WIDTH,
                "height": 150,
                "data": {"values": shares},
                "mark": {"type": "line", "point": True},
                "encoding": {
                    "x": axis,
                    "y": {
                        "field": "share",
                        "type": "quantitative",
                        "title": "share",
                        "axis": {"format": ".1%"},
                        "scale": height,
                    },
                    "color": {**colour, "type": "nominal"},
                },
            },
        ],
    }


def _label(name: str) -> str:
    """A name as the chart has room for: printable, without what ends a text in an expression."""
    shown = "".join(character if character.isalnum() or character in "-_. " else "?" for character in name)
    return shown[:16]


def _labels(names: Sequence[str]) -> str:
    """An expression that gives the label of a number."""
    return "[" + ",".join(f"'{name}'" for name in names) + "][datum.value]"
