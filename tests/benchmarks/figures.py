"""Figures: what was measured, each beside what it is measured against, as a table and as JSON.

Belongs here: medians, ratios, and how they are shown. Does not belong here: measuring (child), or what is compared with
what (run).
"""

from __future__ import annotations

import os
import platform
import statistics
from typing import TYPE_CHECKING

import msgspec
import pandera
import polars as pl
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from tests.benchmarks.child import Measured
    from tests.benchmarks.clock import Stretch


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the table; every number is a median over the runs."""

    group: str
    name: str
    seconds: float
    """Of a clock on the wall."""
    runs: int
    cpu_seconds: float | None = None
    """Of all cores together."""
    peak_mib: float | None = None
    """Most memory that the process ever had, with Python and what it imported."""
    outside_seconds: float | None = None
    """Of `seconds`, those in which polars did nothing."""
    outside_cpu_seconds: float | None = None
    against: str = ""
    """Name of the figure, or the limit, that this one is measured against."""
    ratio: float | None = None
    """`seconds` by those of `against`; for a limit of memory, `peak_mib` by it."""
    cpu_ratio: float | None = None
    """`cpu_seconds` by those of `against`: the steadier ratio where the machine does other things, too."""
    spread: float | None = None
    """Slowest run by fastest run."""


class Machine(msgspec.Struct, frozen=True):
    """What the figures depend on."""

    cores: int
    memory_gib: float
    load: float
    """Processes that wanted a core during the minute before, by the number of cores: above 0, others took part."""
    system: str
    python: str
    polars: str
    pandera: str


class Bench(msgspec.Struct, frozen=True):
    """All that one run of the benchmarks found."""

    machine: Machine
    figures: list[Figure]


def machine() -> Machine:
    """This machine, without a name."""
    cores = len(os.sched_getaffinity(0))
    return Machine(
        cores=cores,
        memory_gib=round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        load=round(os.getloadavg()[0] / cores, 2),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        polars=pl.__version__,
        pandera=pandera.__version__,
    )


def figure(group: str, name: str, runs: Sequence[Measured], *, against: Figure | None = None) -> Figure:
    """The figure of something that was run several times, measured against another figure."""
    seconds = [run.seconds for run in runs]
    made = Figure(
        group=group,
        name=name,
        seconds=statistics.median(seconds),
        runs=len(runs),
        cpu_seconds=statistics.median(run.cpu_seconds for run in runs),
        peak_mib=statistics.median(run.peak_mib for run in runs),
        spread=max(seconds) / min(seconds),
    )
    return made if against is None else compared(made, against)


def part(name: str, runs: Sequence[Measured], which: str, *, of: Figure, by: int = 1) -> Figure:
    """The figure of a stretch within the runs of another figure, which it is measured against.

    Args:
        name: for people.
        runs: those of `of`.
        which: name of the stretch.
        of: the whole.
        by: how many times the stretch was gone through in each run; the figure is for one time.
    """
    stretches = [run.parts.stretches[which] for run in runs]

    def middle(take: Callable[[Stretch], float]) -> float:
        return statistics.median(map(take, stretches)) / by

    made = Figure(
        group=of.group,
        name=name,
        seconds=middle(lambda each: each.whole.seconds),
        cpu_seconds=middle(lambda each: each.whole.cpu_seconds),
        outside_seconds=middle(lambda each: each.outside.seconds),
        outside_cpu_seconds=middle(lambda each: each.outside.cpu_seconds),
        runs=len(runs),
    )
    return compared(made, of)


def compared(made: Figure, against: Figure) -> Figure:
    """A figure measured against another."""
    cpu_ratio = None
    if made.cpu_seconds is not None and against.cpu_seconds:
        cpu_ratio = made.cpu_seconds / against.cpu_seconds
    ratio = made.seconds / against.seconds
    return msgspec.structs.replace(made, against=against.name, ratio=ratio, cpu_ratio=cpu_ratio)


# --- shown ------------------------------------------------------------------------------------------------------------


def write(bench: Bench, path: Path) -> None:
    """Writes the figures as JSON; numbers have four digits that count."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(_rounded(bench)), indent=1) + b"\n")


def _rounded(bench: Bench) -> Bench:
    figures = [
        msgspec.structs.replace(
            each,
            **{k: float(f"{v:.4g}") for k, v in msgspec.structs.asdict(each).items() if isinstance(v, float)},
        )
        for each in bench.figures
    ]
    return Bench(bench.machine, figures)


def show(bench: Bench) -> None:
    """Prints the figures as one table for each group."""
    told = ", ".join(f"{name} {value}" for name, value in msgspec.structs.asdict(bench.machine).items())
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(told, soft_wrap=True)
    for group in dict.fromkeys(each.group for each in bench.figures):
        console.print()
        console.print(_table(group, [each for each in bench.figures if each.group == group]))


def _table(group: str, figures: Iterable[Figure]) -> Table:
    table = Table(title=group, title_justify="left", header_style="bold", box=None, pad_edge=False)
    table.add_column("what")
    for name in ("seconds", "CPU s", "not polars", "CPU s", "peak MiB"):
        table.add_column(name, justify="right")
    table.add_column("against")
    for name in ("ratio", "by CPU", "spread"):
        table.add_column(name, justify="right")
    for each in figures:
        seconds = (each.seconds, each.cpu_seconds, each.outside_seconds, each.outside_cpu_seconds)
        ratios = (each.ratio, each.cpu_ratio, each.spread)
        table.add_row(
            each.name,
            *(_number(value, ".3f") for value in seconds),
            _number(each.peak_mib, ",.0f"),
            each.against,
            *(_number(value, ".2f") for value in ratios),
        )
    return table


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
