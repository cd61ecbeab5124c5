"""The faults that the demo plants into its dumps, each named with its cause and with what must become of it.

Belongs here: the table, and how a fault changes a line. Does not belong here: where the lines come from (demo_dumps).

The packaged data is nearly clean: most of what a delivery breaks was mended before it was published. So that the demo
shows more than a clean night, twelve faults of the usual kinds are put back. All else that it finds is real.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from schemas.records import Fate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: Where a fault sits: in a cell; in a second copy of the record right after it; between the halves of the line; or
#: in the second half, which is lost.
Kind = Literal["mistyped", "sent twice", "broken", "cut"]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One planted fault."""

    dataset: str
    partition: str
    record: str
    """Which record: a flight by carrier, number and origin; an hour of weather by origin and time_hour."""
    kind: Kind
    cause: str
    """How such a fault comes about."""
    fate: Fate
    """What must become of the record, or of both that it became."""
    rules: tuple[str, ...] = ()
    """The rules that it must break, and no others."""
    changes: dict[str, tuple[str, str]] = msgspec.field(default_factory=dict)
    """Column -> the cell as it is in the package, and as it is delivered."""

    def __str__(self) -> str:
        cells = "".join(f"; {column} {before} -> {after}" for column, (before, after) in self.changes.items())
        return f"{self.dataset} {self.partition}, {self.record}, {self.kind}: {self.cause}{cells}"


_LAST_NIGHT = "2013-01-31"


def _mistyped(record: str, column: str, before: str, after: str, cause: str, *rules: str) -> Fault:
    fate = Fate.QUARANTINED if rules else Fate.KEPT
    return Fault("flights", _LAST_NIGHT, record, "mistyped", cause, fate, rules, {column: (before, after)})


def _torn(dataset: str, partition: str, record: str, kind: Kind, cause: str) -> Fault:
    return Fault(dataset, partition, record, kind, cause, Fate.REJECTED)


FAULTS = (
    _torn("flights", "2013-01-20", "UA 1707 EWR", "cut", "The connection dropped within a line and came back later."),
    _torn("flights", _LAST_NIGHT, "US 1277 LGA", "broken", "A stray line break in the middle of a line."),
    _torn("weather", _LAST_NIGHT, "LGA 2013-02-01T04:00:00Z", "cut", "The connection dropped within the last line."),
    _mistyped("B6 645 JFK", "origin", "JFK", "JKF", "Two letters of the airport swapped.", "origin.isin"),
    _mistyped("AA 2267 LGA", "dest", "MIA", "M1A", "The digit 1 typed for the letter I.", "dest.str_matches"),
    _mistyped("AA 543 JFK", "distance", "1089", "1O89", "The letter O typed for the digit 0.", "distance.castable"),
    _mistyped("EV 3839 EWR", "air_time", "129", "29", "The first digit lost.", "speed_plausible"),
    _mistyped(
        "UA 53 EWR", "dep_time", "1540", "2575", "Digits garbled in transmission.",
        "dep_time.clock_time", "dep_delay_agrees",
    ),
    _mistyped(
        "UA 1638 EWR", "dep_time", "1633", "NA", "The message of the departure lost, that of the arrival not.",
        "departure_complete", "departed_before_arriving",
    ),
    _mistyped(
        "AA 717 LGA", "time_hour", "2013-01-31T13:00:00Z", "2013-01-31T08:00:00Z", "The local hour sent as UTC.",
        "zones_agree",
    ),
    _mistyped("EV 5693 LGA", "tailnum", "N832AS", "n832as", "Typed in small letters; a step repairs it."),
    Fault(
        "flights", _LAST_NIGHT, "MQ 4517 LGA", "sent twice",
        cause="The flight sent again with another arrival; nothing says which is right.",
        fate=Fate.QUARANTINED,
        rules=("carrier+flight+origin+time_hour.conflict",),
        changes={"arr_time": ("2041", "2031"), "arr_delay": ("11", "1")},
    ),
)  # fmt: skip


def faults_of(dataset: str, partition: str) -> tuple[Fault, ...]:
    """The faults that are planted into one partition's dump."""
    return tuple(fault for fault in FAULTS if (fault.dataset, fault.partition) == (dataset, partition))


def plant(faults: Iterable[Fault], records: Iterable[tuple[str, str]], columns: Sequence[str]) -> Iterator[str]:
    """The lines of a dump with its faults in them.

    Args:
        faults: the dump's faults.
        records: each record's name, as in `Fault.record`, and its line.
        columns: the columns of a line of CSV; `changes` means nothing in any other.

    Raises:
        LookupError: there is no record, or no cell, where one is to be planted.
    """
    wanted = {fault.record: fault for fault in faults}
    for name, line in records:
        yield from _delivered(line, wanted.pop(name, None), columns)
    if wanted:
        raise LookupError(f"no record called {', '.join(wanted)}")


def _delivered(line: str, fault: Fault | None, columns: Sequence[str]) -> tuple[str, ...]:
    if fault is None:
        return (line,)
    middle = len(line) // 2
    match fault.kind:
        case "mistyped":
            return (_changed(line, fault, columns),)
        case "sent twice":
            return (line, _changed(line, fault, columns))
        case "broken":
            return (line[:middle], line[middle:])
        case "cut":
            return (line[:middle],)


def _changed(line: str, fault: Fault, columns: Sequence[str]) -> str:
    cells = line.split(",")
    for column, (before, after) in fault.changes.items():
        place = columns.index(column)
        if cells[place] != before:
            raise LookupError(f"{column} of {fault.record} is {cells[place]}, not {before}")
        cells[place] = after
    return ",".join(cells)
