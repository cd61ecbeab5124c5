"""Figures: what was measured, each beside what it is measured against, as tables and as JSON.

Belongs here: medians, ratios, and how they are shown. Does not belong here: measuring (measured), or what is compared
with what (run).
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.benchmarks.measured import Measured, Stretch

#: Characters to a line, also where a terminal has fewer: a number that is cut off is none.
_WIDTH = 160


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a table; every number is a median over the runs."""

    group: str
    name: str
    runs: int
    seconds: float | None = None
    """Of a clock on the wall."""
    cpu_seconds: float | None = None
    """Of all cores together."""
    outside_seconds: float | None = None
    """Of `seconds`, those in which polars did nothing."""
    outside_cpu_seconds: float | None = None
    peak_mib: float | None = None
    """Most memory that the process ever had, with Python and what it imported."""
    against: str | None = None
    """What this is measured against: another figure of the group, or a limit."""
    ratio: float | None = None
    """`seconds` by those of `against`."""
    cpu_ratio: float | None = None
    """`cpu_seconds` by those of `against`: steadier where the machine does other things, too."""
    memory_ratio: float | None = None
    """`peak_mib` by that of `against`."""
    spread: float | None = None
    """Slowest run by fastest run."""
    output_mib: float | None = None
    """Of all files written, with everything that is kept beside the good rows."""
    rows: int | None = None
    """Rows kept as good."""
    note: str = ""
    """What must be known of it, in words."""


class Machine(msgspec.Struct, frozen=True):
    """What the figures depend on."""

    cores: int
    memory_gib: float
    load: float
    """Processes that wanted a core in the minute before, for each core; far above 0 the machine was busy."""
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
        polars=importlib.metadata.version("polars"),
        pandera=importlib.metadata.version("pandera"),
    )


def figure(group: str, name: str, runs: Sequence[Measured]) -> Figure:
    """The figure of something that was run several times."""
    seconds = [run.spent.seconds for run in runs]
    return Figure(
        group=group,
        name=name,
        runs=len(runs),
        seconds=statistics.median(seconds),
        cpu_seconds=statistics.median(run.spent.cpu_seconds for run in runs),
        peak_mib=statistics.median(run.peak_mib for run in runs),
        spread=max(seconds) / min(seconds),
        output_mib=statistics.median(run.output_mib for run in runs) or None,
        rows=runs[0].parts.rows,
    )


def part(group: str, name: str, runs: Sequence[Measured], which: str, *, times: int = 1) -> Figure:
    """The figure of a stretch within something that was run several times.

    Args:
        group: of figures that are shown together.
        name: for people.
        runs: of the whole.
        which: name of the stretch.
        times: how often each run went through it; the figure is for one time.
    """
    stretches = [run.parts.stretches[which] for run in runs]

    def middle(take: Callable[[Stretch], float]) -> float:
        return statistics.median(map(take, stretches)) / times

    seconds = [stretch.whole.seconds for stretch in stretches]
    return Figure(
        group=group,
        name=name,
        runs=len(runs),
        seconds=middle(lambda stretch: stretch.whole.seconds),
        cpu_seconds=middle(lambda stretch: stretch.whole.cpu_seconds),
        outside_seconds=middle(lambda stretch: stretch.outside.seconds),
        outside_cpu_seconds=middle(lambda stretch: stretch.outside.cpu_seconds),
        spread=max(seconds) / min(seconds),
    )


def compared(made: Figure, against: Figure) -> Figure:
    """A figure measured against another."""
    return msgspec.structs.replace(
        made,
        against=against.name,
        ratio=_ratio(made.seconds, against.seconds),
        cpu_ratio=_ratio(made.cpu_seconds, against.cpu_seconds),
        memory_ratio=_ratio(made.peak_mib, against.peak_mib),
    )


def _ratio(made: float | None, against: float | None) -> float | None:
    return made / against if made is not None and against else None


# --- shown ------------------------------------------------------------------------------------------------------------


def write(bench: Bench, path: Path) -> None:
    """Writes the figures as JSON, with four digits that count."""
    figures = [msgspec.structs.replace(each, **_rounded(msgspec.structs.asdict(each))) for each in bench.figures]
    rounded = msgspec.json.encode(Bench(bench.machine, figures))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(rounded, indent=1) + b"\n")


def _rounded(values: dict[str, object]) -> dict[str, float]:
    return {name: float(f"{value:.4g}") for name, value in values.items() if isinstance(value, float)}


def show(bench: Bench) -> None:
    """Prints the figures as one table for each group, with the notes below it."""
    console = Console(highlight=False, markup=False, emoji=False, width=_WIDTH)
    console.print(", ".join(f"{name} {value}" for name, value in msgspec.structs.asdict(bench.machine).items()))
    for group in dict.fromkeys(each.group for each in bench.figures):
        figures = [each for each in bench.figures if each.group == group]
        console.print()
        console.print(_table(group, figures))
        for each in figures:
            if each.note:
                console.print(f"{each.name}: {each.note}")
    console.print("\noutside: of the column before it, the time outside polars and Parquet writing")


#: Heading, field and format of each column of numbers; those that a group has none of are left out.
_COLUMNS = (
    ("runs", "runs", "d"),
    ("seconds", "seconds", ".3f"),
    ("outside", "outside_seconds", ".3f"),
    ("spread", "spread", ".2f"),
    ("CPU s", "cpu_seconds", ".3f"),
    ("outside", "outside_cpu_seconds", ".3f"),
    ("peak MiB", "peak_mib", ",.0f"),
    ("out MiB", "output_mib", ",.1f"),
    ("rows kept", "rows", ",d"),
    ("ratio", "ratio", ".2f"),
    ("of CPU", "cpu_ratio", ".2f"),
    ("of MiB", "memory_ratio", ".2f"),
)


def _table(group: str, figures: Sequence[Figure]) -> Table:
    table = Table(title=group, title_justify="left", header_style="bold", box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    columns = [column for column in _COLUMNS if any(getattr(each, column[1]) is not None for each in figures)]
    for heading, _, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("against", no_wrap=True)
    for each in figures:
        table.add_row(each.name, *(_cell(each, name, form) for _, name, form in columns), each.against or "")
    return table


def _cell(figure: Figure, name: str, form: str) -> str:
    value = getattr(figure, name)
    return "" if value is None else format(value, form)
