"""Benchmarks: Winnow beside its peers in one run, on data that is made here. Started by `make bench`.

Belongs here: what is run, how often, and what it is measured against. Does not belong here: the cases, or the figures.

Cases that are compared take turns, so that whatever else the machine does meets all of them. A figure decides nothing:
no test reads it. Everything lies in a folder of its own below `.winnow`, on the disk that a store would be on, and is
removed at the end.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

# Started as a file, Python looks for modules beside it; these are named from the root, as everywhere.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console

from tests.benchmarks.figures import Bench, Figure, compared, figure, machine, part, show, write
from tests.benchmarks.measured import ROOT, Measured, measure, measure_command

_OUTPUT = ROOT / ".winnow" / "bench.json"
_STAGES = ("ingest", "settle", "publish", "report")
_SMALL, _SMALL_ROWS = 30, 1_000
_MEMORY_LIMIT_MIB = 2048.0
_ANSWER_LIMIT = 1.0
_BARE = "bare copy by polars"


def main() -> None:
    """Runs all benchmarks, prints the tables and writes the JSON."""
    options = _options()
    facts = machine()
    (ROOT / ".winnow").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / ".winnow", prefix="bench-") as name:
        folder = Path(name)
        _say(f"Making dumps of {options.rows:,} and {_SMALL} x {_SMALL_ROWS:,} orders")
        size = int(measure("dumps", folder, str(options.rows), str(_SMALL), str(_SMALL_ROWS)).parts.answer)
        figures = [
            *_large(folder, options.rows, size, options.repeats),
            *_small(folder, options.repeats),
            *_answers(folder, options.repeats),
        ]
    bench = Bench(facts, figures)
    write(bench, _OUTPUT)
    show(bench)
    _say(f"Written to {_OUTPUT.relative_to(ROOT)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times Winnow against its peers in one run.")
    parser.add_argument("--rows", type=_thousands, default=1_000_000, help="of the large dump, a multiple of 1,000")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each case; the figures are medians")
    return parser.parse_args()


def _thousands(text: str) -> int:
    rows = int(text)
    if rows < 1000 or rows % 1000:
        message = f"{rows} is no multiple of 1,000"
        raise argparse.ArgumentTypeError(message)
    return rows


def _say(text: str) -> None:
    Console(stderr=True, highlight=False).print(text, soft_wrap=True)


def _in_turns(names: list[str], folder: Path, repeats: int) -> dict[str, list[Measured]]:
    runs: dict[str, list[Measured]] = {name: [] for name in names}
    for repeat in range(repeats):
        for name in names:
            _say(f"{name}, run {repeat + 1} of {repeats}")
            runs[name].append(measure(name, folder))
    return runs


# --- one large dump ---------------------------------------------------------------------------------------------------


def _large(folder: Path, rows: int, size: int, repeats: int) -> list[Figure]:
    runs = _in_turns(["bare", "winnow", "pandera"], folder, repeats)
    group = f"One dump: {rows:,} rows x 12 columns, {size / 1e6:,.1f} MB of CSV, one row in fifty bad"
    bare = figure(group, _BARE, runs["bare"])
    winnow = figure(group, "winnow", runs["winnow"])
    pandera = figure(group, "pandera", runs["pandera"])
    validation = part(group, "pandera: validation", runs["pandera"], "validate")
    return [
        bare,
        compared(winnow, bare),
        *_within(group, winnow, runs["winnow"]),
        _memory(winnow),
        compared(pandera, bare),
        compared(validation, pandera),
    ]


def _within(group: str, winnow: Figure, runs: list[Measured], times: int = 1) -> list[Figure]:
    """Winnow's stages, and what of all of them is not polars', each with its share of the whole as the ratio."""
    whole = part(group, "", runs, "clean", times=times)
    outside = Figure(
        group=group,
        name="winnow: outside polars",
        runs=len(runs),
        seconds=whole.outside_seconds,
        cpu_seconds=whole.outside_cpu_seconds,
    )
    stages = [part(group, f"winnow: {stage}", runs, stage, times=times) for stage in _STAGES]
    return [compared(each, winnow) for each in (*stages, outside)]


def _memory(winnow: Figure) -> Figure:
    peak = winnow.peak_mib or 0.0
    return Figure(
        group=winnow.group,
        name="winnow: memory",
        runs=winnow.runs,
        peak_mib=peak,
        against=f"limit of {_MEMORY_LIMIT_MIB:,.0f} MiB",
        ratio=peak / _MEMORY_LIMIT_MIB,
    )


# --- many small dumps -------------------------------------------------------------------------------------------------


def _small(folder: Path, repeats: int) -> list[Figure]:
    runs = _in_turns(["bare_small", "winnow_small"], folder, repeats)
    group = f"A small dump, one of {_SMALL} in one process: {_SMALL_ROWS:,} rows x 12 columns"
    bare = part(group, _BARE, runs["bare_small"], "copy", times=_SMALL)
    winnow = part(group, "winnow", runs["winnow_small"], "clean", times=_SMALL)
    first = part(group, "winnow: the first in its process", runs["winnow_small"], "first")
    return [
        bare,
        compared(winnow, bare),
        *_within(group, winnow, runs["winnow_small"], _SMALL),
        compared(first, winnow),
    ]


# --- commands ---------------------------------------------------------------------------------------------------------


def _answers(folder: Path, repeats: int) -> list[Figure]:
    _say("Cleaning the demo's dumps")
    record = measure("demo", folder).parts.answer
    commands = (
        ("list",),
        ("show", "flights"),
        ("versions", "flights"),
        ("verify", "flights"),
        ("explain", "flights", record),
    )
    group = "An answer on the demo's store, from start to end of the command"
    limit = Figure(group, f"limit of {_ANSWER_LIMIT:.0f} second", repeats, _ANSWER_LIMIT)
    _say("Asking")
    measure_command(folder, "list")  # makes the cards, which all others find
    runs: dict[str, list[Measured]] = {command[0]: [] for command in commands}
    for _ in range(repeats):
        for command in commands:
            runs[command[0]].append(measure_command(folder, *command))
    return [compared(figure(group, f"winnow {name}", found), limit) for name, found in runs.items()]


if __name__ == "__main__":
    main()
