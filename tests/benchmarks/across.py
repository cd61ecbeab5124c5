"""Across: what a night costs when there are many nights before it in which its keys may stand.

Belongs here: the case and the table of `--what across`. Does not belong here: who survives (tests), or other cases.

The rows of all nights are as many as are asked for; each night brings as many as the others, of orders that no other
night has. The first night pays for what a process does once, so that the second to the eleventh are what the last ten
are held against; the peer is the same data set with duplicates looked for within each night only.
"""

from __future__ import annotations

import shutil
import statistics
from typing import TYPE_CHECKING

from tests.benchmarks import layout
from tests.benchmarks.figures import Figure, compared
from tests.benchmarks.measured import Parts, Spent, Stretch, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.benchmarks.groups import Say

    Work = Callable[[], Parts]

_NIGHTS = 300
#: Nights that are compared at either end, and those at the end of which the mean is taken, with all upkeep in it.
_FEW, _MANY = 10, 100


def across_nights(folder: Path, nights: str, rows: str, across: str) -> Work:
    """Cleans nights one after another in one process, each with keys that no other has."""
    from flows.clean import PLAIN, clean
    from tasks.job import Job
    from tests.benchmarks.clock import Clock
    from tests.benchmarks.dumps import write_orders

    declared = layout.output(folder) / "orders.py"
    text = layout.declaration("orders").read_text()
    declared.write_text(text.replace("dedupe=Dedupe(", f'dedupe=Dedupe(across="{across}", '))
    store = str(layout.output(folder) / "store")
    clock = Clock()

    def work() -> Parts:
        for night in range(1, int(nights) + 1):
            partition = f"night-{night:04d}"
            path = layout.dump(folder, partition)
            path.parent.mkdir(parents=True, exist_ok=True)
            expected = write_orders(path, rows=int(rows), number=night)
            with clock.stretch(f"{night:04d}"):
                job = Job("orders", partition, str(declared), str(folder / "raw"), store, run_id="benchmark")
                outcome = clean(job, PLAIN)
            if outcome.books != expected:
                message = f"{partition} was cleaned wrongly: {outcome.books}, expected {expected}"
                raise RuntimeError(message)
            shutil.rmtree(path.parent)
        return Parts(clock.stretches)

    return work


def across(folder: Path, rows: int, _runs: int, say: Say) -> list[Figure]:
    """The last nights of many beside the first ones, with the whole history looked at and without."""
    each = -(-rows // _NIGHTS // 1000) * 1000  # planted errors come in thousandths
    group = f"A night of {each:,} orders, with up to {each * (_NIGHTS - 1):,} rows of history in {_NIGHTS - 1} nights"
    figures: list[Figure] = []
    for where in ("dataset", "partition"):
        say(f"Cleaning {_NIGHTS} nights, duplicates within the {where}")
        spent = measure("across_nights", folder, str(_NIGHTS), str(each), where).parts.stretches
        nights = [spent[name] for name in sorted(spent)]
        first = _figure(group, f"{where}: nights 2 to {_FEW + 1}, median", nights[1 : _FEW + 1], statistics.median)
        last = _figure(group, f"{where}: the last {_FEW}, median", nights[-_FEW:], statistics.median)
        mean = _figure(group, f"{where}: the last {_MANY}, mean", nights[-_MANY:], statistics.mean)
        figures += [first, compared(last, first), compared(mean, first)]
    return figures


def _figure(group: str, name: str, nights: Sequence[Stretch], middle: Callable[[Sequence[float]], float]) -> Figure:
    spent: list[Spent] = [night.whole for night in nights]
    return Figure(
        group=group,
        name=name,
        runs=len(nights),
        seconds=middle([each.seconds for each in spent]),
        cpu_seconds=middle([each.cpu_seconds for each in spent]),
    )


CASES = {"across_nights": across_nights}
