"""Benchmarks: Winnow beside its peers in one run, on data that is made here. Started by `make bench`.

Belongs here: what the command takes, and where all of it lies. Does not belong here: what is run and compared (groups,
memory), the cases, or the figures.

A figure decides nothing: no test reads it. Everything lies in a folder of its own below `.winnow`, on the disk that a
store would be on, and is removed at the end.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

# Started as a file, Python looks for modules beside it; these are named from the root, as everywhere.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console

from tests.benchmarks import groups, operating
from tests.benchmarks.across import across
from tests.benchmarks.figures import Bench, Figure, machine, show, write
from tests.benchmarks.fitness import audit, lift
from tests.benchmarks.history import history
from tests.benchmarks.homes import store
from tests.benchmarks.labels import labels
from tests.benchmarks.measured import ROOT
from tests.benchmarks.memory import TIMES, memory
from tests.benchmarks.near import near

_WINNOW = ROOT / ".winnow"
_SPEED = {"large": groups.large, "forms": groups.forms, "small": groups.small, "answers": groups.answers}
_OPERATED = {"backfill": operating.backfill, "overhead": operating.overhead, "history": history}
_FITNESS = {"near": near, "labels": labels, "audit": audit, "lift": lift, "across": across}
_ALL = {**_SPEED, **_OPERATED, **_FITNESS, "memory": memory, "store": store}
#: Bytes of disk for each row: 86 of the dump, and at most as many again for what is staged and for what is kept.
_BYTES_PER_ROW = 260


def main() -> None:
    """Runs what is asked for, prints the tables and writes the JSON."""
    options = _options()
    _WINNOW.mkdir(exist_ok=True)
    _check_disk(options.rows * (TIMES if options.what == "memory" else 1))
    facts, figures = machine(), list[Figure]()
    with tempfile.TemporaryDirectory(dir=_WINNOW, prefix="bench-") as name:
        for group in _SPEED.values() if options.what == "speed" else [_ALL[options.what]]:
            figures += group(Path(name), options.rows, options.runs, _say)
    bench = Bench(facts, figures)
    written = _WINNOW / ("bench.json" if options.what == "speed" else f"bench-{options.what}.json")
    write(bench, written)
    show(bench)
    _say(f"Written to {written.relative_to(ROOT)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times Winnow against its peers in one run.")
    parser.add_argument("--rows", type=_thousands, default=10_000_000, help="of the large dump, a multiple of 1,000")
    parser.add_argument(
        "--runs", type=int, default=5, help="of each case; the figures are medians; slow peers have fewer"
    )
    parser.add_argument(
        "--what",
        choices=["speed", *_ALL],
        default="speed",
        help=f"one table; `memory` cleans {TIMES} times the rows, too",
    )
    return parser.parse_args()


def _thousands(text: str) -> int:
    rows = int(text)
    if rows < 1000 or rows % 1000:
        message = f"{rows} is no multiple of 1,000"
        raise argparse.ArgumentTypeError(message)
    return rows


def _check_disk(rows: int) -> None:
    needed, free = rows * _BYTES_PER_ROW / 1e9, shutil.disk_usage(_WINNOW).free / 1e9
    if free < needed:
        sys.exit(f"{rows:,} rows need some {needed:,.1f} GB of disk, and {free:,.1f} GB are free: ask for fewer.")


def _say(text: str) -> None:
    Console(stderr=True, highlight=False).print(text, soft_wrap=True)


if __name__ == "__main__":
    main()
