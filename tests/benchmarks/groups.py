"""Groups: what is run for each table of figures, how often, and what each is measured against.

Belongs here: the tables about speed and about answers. Does not belong here: the table about memory (memory), the
cases, or how figures are shown.

Cases that are compared take turns, so that whatever else the machine does meets all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tests.benchmarks import layout
from tests.benchmarks.figures import Figure, compared, figure, part
from tests.benchmarks.measured import CaseError, Measured, measure, measure_command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Say = Callable[[str], None]

_STAGES = ("ingest", "settle", "publish", "report")
_SMALL, _SMALL_ROWS = 30, 1_000
#: Rows at most of the dumps of other forms, and of those for peers that can't take the large one.
_PART_ROWS = 1_000_000
#: Runs of each peer but the bare copy, and seconds after which a slow one is not run again.
_PEER_RUNS, _PEER_SECONDS = 3, 60.0
_PEERS = ("duckdb", "dataframely", "pandera", "pointblank", "great_expectations")
#: The fastest level of zstd, and what polars writes unless told otherwise.
_FAST = "1"
_ANSWER_LIMIT = 1.0
#: Versions of a data set that was published every night for a generation, or every hour for a year.
_VERSIONS = 10_000

Case = tuple[str, ...]


def in_turns(cases: Sequence[Case], folder: Path, runs: int, say: Say) -> dict[Case, list[Measured]]:
    """Runs each case so many times, all of them in turns.

    Args:
        cases: name and arguments of each.
        folder: of the dumps.
        runs: of each case.
        say: tells what goes on.

    Raises:
        CaseError: one failed.
    """
    found: dict[Case, list[Measured]] = {case: [] for case in cases}
    for run in range(runs):
        for case in cases:
            say(f"{' '.join(case)}, run {run + 1} of {runs}")
            found[case].append(measure(case[0], folder, *case[1:]))
    return found


def make(folder: Path, say: Say, *case: str) -> float:
    """Writes a dump; answers its megabytes."""
    say(f"Making a dump: {' '.join(case)}")
    return int(measure(case[0], folder, *case[1:]).parts.answer) / 1e6


# --- one large dump ---------------------------------------------------------------------------------------------------


def large(folder: Path, rows: int, runs: int, say: Say) -> list[Figure]:
    """Winnow, a bare copy, and what other tools make of the same dump."""
    megabytes = make(folder, say, "orders", layout.LARGE, str(rows))
    make(folder, say, "orders", layout.PART, str(min(rows, _PART_ROWS)))
    group = f"One dump: {rows:,} rows x 12 columns, {megabytes:,.1f} MB of CSV, one row in fifty bad, 22 rules"
    copied, fast, cleaned = ("bare", layout.LARGE), ("bare", layout.LARGE, _FAST), ("winnow", layout.LARGE)
    found = in_turns([copied, fast, cleaned], folder, runs, say)
    bare = _noted(figure(group, "bare copy by polars", found[copied]), found[copied][0])
    winnow = figure(group, "winnow", found[cleaned])
    return [
        bare,
        compared(figure(group, f"bare copy, zstd level {_FAST}", found[fast]), bare),
        compared(winnow, bare),
        *_within(group, winnow, found[cleaned]),
        *_peers(folder, bare, min(runs, _PEER_RUNS), say),
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


def _peers(folder: Path, bare: Figure, runs: int, say: Say) -> list[Figure]:
    found = {name: _Peer(name) for name in _PEERS}
    for _ in range(runs):
        for peer in found.values():
            if not peer.failure and sum(run.spent.seconds for run in peer.runs) < _PEER_SECONDS:
                peer.run(folder, layout.LARGE, say)
    figures = []
    for peer in found.values():
        figures += [peer.figure(bare)] if peer.runs else _on_part(folder, peer, bare, say)
    return figures


class _Peer:
    """Another tool, and how its runs went."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.runs: list[Measured] = []
        self.failure = ""

    def run(self, folder: Path, partition: str, say: Say) -> None:
        say(f"{self.name} {partition}, run {len(self.runs) + 1}")
        try:
            self.runs.append(measure(self.name, folder, partition))
        except CaseError as error:
            self.failure = str(error)

    def figure(self, bare: Figure) -> Figure:
        name = self.name.replace("_", " ")
        if not self.runs:
            return Figure(bare.group, name, 0, note=f"It failed ({self.failure}).")
        return _noted(compared(figure(bare.group, name, self.runs), bare), self.runs[0])


def _on_part(folder: Path, failed: _Peer, bare: Figure, say: Say) -> list[Figure]:
    """What a peer that fails on the large dump makes of the smaller one, beside a bare copy of that."""
    copied, peer = ("bare", layout.PART), _Peer(failed.name)
    smaller = figure(bare.group, "bare copy of fewer rows", in_turns([copied], folder, 1, say)[copied])
    peer.run(folder, layout.PART, say)
    if not peer.runs:
        return [failed.figure(bare)]
    found = peer.figure(smaller)
    note = f"On the whole dump it failed ({failed.failure}). This is for {smaller.rows:,} rows. {found.note}"
    return [smaller, msgspec.structs.replace(found, note=note)]


def _noted(found: Figure, run: Measured) -> Figure:
    """The figure of a peer with what its docstring says that it leaves out."""
    return msgspec.structs.replace(found, note=run.about)


# --- other forms of the same records ----------------------------------------------------------------------------------


def forms(folder: Path, rows: int, runs: int, say: Say) -> list[Figure]:
    """The same orders with quotes in every record, compressed, and as JSON."""
    rows = min(rows, _PART_ROWS)
    sizes = {name: make(folder, say, "orders", name, str(rows)) for name in (layout.PART, layout.QUOTED, layout.JSONL)}
    sizes |= {name: make(folder, say, "compressed", name, layout.PART) for name in (layout.GZIP, layout.ZSTD)}
    told = ", ".join(f"{name} {size:,.1f} MB" for name, size in sizes.items())
    group = f"Forms of one dump: {rows:,} rows ({told})"
    copied = {name: ("bare", name) for name in (layout.PART, layout.QUOTED, layout.JSONL)}
    cleaned = {name: ("winnow", name) for name in sizes}
    found = in_turns([*copied.values(), *cleaned.values()], folder, runs, say)
    bare = {name: figure(group, f"bare copy: {name}", found[case]) for name, case in copied.items()}
    winnow = {name: figure(group, f"winnow: {name}", found[case]) for name, case in cleaned.items()}
    plain = winnow[layout.PART]
    return [
        *bare.values(),
        compared(plain, bare[layout.PART]),
        *(compared(winnow[name], plain) for name in (layout.QUOTED, layout.GZIP, layout.ZSTD)),
        compared(winnow[layout.JSONL], bare[layout.JSONL]),
    ]


# --- many small dumps -------------------------------------------------------------------------------------------------


def small(folder: Path, _rows: int, runs: int, say: Say) -> list[Figure]:
    """Many small dumps one after another, as a backfill has them."""
    say(f"Making {_SMALL} small dumps")
    measure("small_orders", folder, str(_SMALL), str(_SMALL_ROWS))
    copied, cleaned = ("bare_small",), ("winnow_small",)
    found = in_turns([copied, cleaned], folder, runs, say)
    group = f"A small dump, one of {_SMALL} in one process: {_SMALL_ROWS:,} rows x 12 columns"
    bare = part(group, "bare copy by polars", found[copied], "copy", times=_SMALL)
    winnow = part(group, "winnow", found[cleaned], "clean", times=_SMALL)
    first = part(group, "winnow: the first in its process", found[cleaned], "first")
    return [
        bare,
        compared(winnow, bare),
        *_within(group, winnow, found[cleaned], _SMALL),
        compared(first, winnow),
    ]


# --- commands ---------------------------------------------------------------------------------------------------------


def answers(folder: Path, _rows: int, runs: int, say: Say) -> list[Figure]:
    """Commands that a person waits for."""
    say("Cleaning the demo's dumps")
    record = measure("demo", folder).parts.answer
    commands = {
        "list": ("list",),
        "show": ("show", "flights"),
        "versions": ("versions", "flights"),
        "verify": ("verify", "flights"),
        "explain": ("explain", "flights", record),
        "diff": ("diff", "flights@1", "flights"),
    }
    say(f"Publishing {_VERSIONS:,} versions")
    measure("many_versions", folder, str(_VERSIONS))
    commands |= {
        f"versions, of {_VERSIONS:,}": ("versions", layout.MANY),
        f"files as of a date, of {_VERSIONS:,}": ("files", f"{layout.MANY}@2020-01-03"),
    }
    group = "An answer on the demo's store, from start to end of the command"
    limit = Figure(group, f"limit of {_ANSWER_LIMIT:.0f} second", runs, _ANSWER_LIMIT)
    say("Asking")
    measure_command(folder, "list")  # makes the cards, which all others find
    found: dict[str, list[Measured]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            found[name].append(measure_command(folder, *command))
    return [compared(figure(group, f"winnow {name}", each), limit) for name, each in found.items()]
