"""Memory: whether what a cleaning takes depends on how much there is, how much of it is bad, or how it is cut.

Belongs here: the table about memory. Does not belong here: speed (groups), or the dumps (dumps, oddities).

Each dump is made, cleaned once and removed before the next is made: the largest takes most of the disk that is needed.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

from tests.benchmarks import layout
from tests.benchmarks.figures import Figure, compared, figure
from tests.benchmarks.groups import in_turns, make
from tests.benchmarks.measured import CaseError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.groups import Case, Say

#: The largest dump has this many times as many rows as the others.
TIMES = 10
_LIMIT_MIB = 2048.0


class _Dump(NamedTuple):
    name: str
    make: Case
    clean: Case


def memory(folder: Path, rows: int, _runs: int, say: Say) -> list[Figure]:
    """Peak memory for dumps of several sizes and shapes, the first of which is what the others are held against."""
    group = "Memory: each dump cleaned once"
    limit = Figure(group, "limit", 0, peak_mib=_LIMIT_MIB)
    figures: list[Figure] = []
    for dump in _dumps(rows):
        name = f"{dump.name} ({make(folder, say, *dump.make):,.0f} MB)"
        try:
            figures.append(figure(group, name, in_turns([dump.clean], folder, 1, say)[dump.clean]))
        except CaseError as error:
            # What was found of the others took long to find.
            figures.append(Figure(group, name, 0, note=f"It failed ({error})."))
        shutil.rmtree(folder / "raw")
    return [limit, figures[0], *(compared(each, figures[0]) for each in figures[1:])]


def _dumps(rows: int) -> list[_Dump]:
    of_orders = {
        f"{rows:,} orders": (layout.LARGE, rows),
        f"{rows * TIMES:,} orders": (layout.HUGE, rows * TIMES),
        f"{rows:,} orders, half of them bad": (layout.HALF_BAD, rows),
        f"{rows:,} orders, half of them copies": (layout.HALF_TWICE, rows),
    }
    readings, long = max(1_000, rows // 500_000 * 1_000), max(2, rows // 500_000)
    return [
        *(
            _Dump(name, ("orders", partition, str(count)), ("winnow", partition))
            for name, (partition, count) in of_orders.items()
        ),
        _Dump(f"{readings:,} rows of 5,000 columns", ("wide", str(readings)), ("winnow_odd", "wide")),
        _Dump(f"{long} cells of 50 MB, {long} of 100 MB", ("letters", str(long)), ("winnow_odd", "letters")),
    ]
