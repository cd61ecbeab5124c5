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

# Started as a file, Python looks for modules beside it; they are named from the root, as everywhere.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from rich.console import Console

from tests.benchmarks import cases
from tests.benchmarks.child import ROOT, Measured, measure, measure_command
from tests.benchmarks.figures import Bench, Figure, compared, figure, machine, part, show, write

_OUTPUT = ROOT / ".winnow" / "bench.json"
_STAGES = ("ingest", "screen", "settle", "publish", "report")
_MEMORY_LIMIT_MIB = 2048.0
_ANSWER_LIMIT = 1.0


def main() -> None:
    """Runs all benchmarks, prints the tables and writes the JSON."""
    options = _options()
    facts = machine()
    (ROOT / ".winnow").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / ".winnow", prefix="bench-") as name:
        folder = Path(name)
        _say(f"Making {options.rows:,} orders")
        cases.inputs(folder, options.rows)
        figures = [
            *_large(folder, options.rows, options.repeats),
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
    rows = int(text.replace("_", ""))
    if rows < 1000 or rows % 1000:
        raise argparse.ArgumentTypeError(f"{rows} is no multiple of 1,000")
    return rows


def _say(text: str) -> None:
    Console(stderr=True, highlight=False).print(text, soft_wrap=True)


def _interleaved(names: list[str], folder: Path, repeats: int) -> dict[str, list[Measured]]:
    runs: dict[str, list[Measured]] = {name: [] for name in names}
    for repeat in range(repeats):
        for name in names:
            _say(f"{name}, run {repeat + 1} of {repeats}")
            runs[name].append(measure(name, folder))
    return runs


# --- one large dump ---------------------------------------------------------------------------------------------------


def _large(folder: Path, rows: int, repeats: int) -> list[Figure]:
    runs = _interleaved(["bare", "winnow", "pandera"], folder, repeats)
    size = cases.dump_size(folder) / 1e6
    group = f"One dump: {rows:,} rows x 12 columns, {size:,.0f} MB of CSV, one row in fifty bad"
    bare = figure(group, "bare copy with polars", runs["bare"])
    winnow = figure(group, "winnow, all stages", runs["winnow"], against=bare)
    pandera = figure(group, "pandera, and polars around it", runs["pandera"], against=bare)
    memory = Figure(
        group=group,
        name="winnow, memory",
        seconds=winnow.seconds,
        runs=repeats,
        peak_mib=winnow.peak_mib,
        against=f"limit of {_MEMORY_LIMIT_MIB:,.0f} MiB",
        ratio=(winnow.peak_mib or 0.0) / _MEMORY_LIMIT_MIB,
    )
    return [
        bare,
        winnow,
        memory,
        _outside(part("all", runs["winnow"], "clean", of=winnow), winnow),
        *(part(f"winnow, {stage}", runs["winnow"], stage, of=winnow) for stage in _STAGES),
        pandera,
        part("pandera, its validation alone", runs["pandera"], "validate", of=pandera),
    ]


def _outside(whole: Figure, against: Figure) -> Figure:
    """The time outside polars and Parquet writing as a figure of its own, so that its ratio is its share."""
    seconds, cpu_seconds = whole.outside_seconds or 0.0, whole.outside_cpu_seconds
    name = "winnow, outside polars and Parquet writing"
    return compared(Figure(whole.group, name, seconds, whole.runs, cpu_seconds), against)


# --- many small dumps -------------------------------------------------------------------------------------------------


def _small(folder: Path, repeats: int) -> list[Figure]:
    runs = _interleaved(["bare_small", "winnow_small"], folder, repeats)
    count = len(cases.SMALL) - 1
    group = f"Each of {count} small dumps in one process: {cases.SMALL_ROWS:,} rows x 12 columns"
    copies = figure(group, "", runs["bare_small"])
    bare = _alone(part("bare copy with polars", runs["bare_small"], "copy", of=copies, by=count))
    cleanings = figure(group, "", runs["winnow_small"])
    winnow = part("winnow, all stages", runs["winnow_small"], "clean", of=cleanings, by=count)
    return [
        bare,
        compared(winnow, bare),
        *(part(f"winnow, {stage}", runs["winnow_small"], stage, of=winnow, by=count) for stage in _STAGES),
        part("winnow, the first in its process", runs["winnow_small"], "first", of=winnow),
    ]


def _alone(made: Figure) -> Figure:
    """A figure that is measured against none."""
    return Figure(made.group, made.name, made.seconds, made.runs, made.cpu_seconds)


# --- commands ---------------------------------------------------------------------------------------------------------


def _answers(folder: Path, repeats: int) -> list[Figure]:
    _say("Cleaning the demo's dumps")
    demo = measure("demo", folder)
    commands = {
        "winnow list": ["list"],
        "winnow show": ["show", "flights"],
        "winnow versions": ["versions", "flights"],
        "winnow verify": ["verify", "flights"],
        "winnow explain": ["explain", "flights", demo.parts.record],
    }
    group = "Answers on the demo's store, from start to end of the command"
    limit = Figure(group, f"limit of {_ANSWER_LIMIT:.0f} second", _ANSWER_LIMIT, repeats)
    _say("Asking")
    measure_command(["list"], folder)  # the first one makes what all others find made
    runs: dict[str, list[Measured]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, arguments in commands.items():
            runs[name].append(measure_command(arguments, folder))
    return [
        *(figure(group, name, found, against=limit) for name, found in runs.items()),
        figure(group, "making that store, without Prefect", [demo]),
    ]


if __name__ == "__main__":
    main()
