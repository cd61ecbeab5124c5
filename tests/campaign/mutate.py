"""Mutate: the campaign of damaged files. Started by `make fuzz`, or with options as `python -m tests.campaign.mutate`.

Belongs here: the options, and what is printed. Does not belong here: the files, what is asked of them (trial), or what
is kept of those that show a defect (saved).

Each file is made from the seed and its number alone. A file on which Winnow fails is saved, with what was wrong, below
`.winnow/campaign/`; `--only NUMBER` tries it again in this process, `--saved PATH` does so after the campaign's files
have changed, and `--shrink` makes it smaller while it fails the same way.
"""

from __future__ import annotations

import argparse
import collections
import functools
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.progress import track

from tests.campaign.case import Case, drawn
from tests.campaign.crew import tried_by_crew
from tests.campaign.originals import CORPORA
from tests.campaign.saved import alike, load, save, shrunk
from tests.campaign.trial import MOST_SECONDS, Outcome, tried, tried_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SLOWEST, _SHOWN = 5, 3
_WORDS = {"parsed": "records parsed", "rejected": "records rejected"}
_COUNTED = ("files", "read", "refused", "failed", "cleaned", "parsed", "rejected")


class Campaign(msgspec.Struct, frozen=True):
    """What came of all files."""

    seed: int
    count: int
    corpora: bool
    """Whether the corpora were there."""
    seconds: float
    """Of the wall clock."""
    files: dict[str, dict[str, int]]
    """By format: how many files were read, refused and failed, how many were cleaned, and the records in them."""
    refused: dict[str, int]
    """By the error's class."""
    slowest: list[Outcome]
    failures: list[Outcome]
    memory_mib: float
    """The most that a process held after a file."""

    @property
    def title(self) -> str:
        """Seed, count and verdict in one line."""
        verdict = f"{len(self.failures):,} FAILED" if self.failures else "none failed"
        sources = "corpora and generated files" if self.corpora else f"generated files only: no corpora at {CORPORA}"
        return f"Mutation campaign: seed {self.seed}, {self.count:,} damaged files ({sources}): {verdict}"


@dataclass
class _Sums:
    """Outcomes, added up."""

    files: dict[str, collections.Counter[str]] = field(default_factory=dict)
    refused: collections.Counter[str] = field(default_factory=collections.Counter)
    slowest: list[Outcome] = field(default_factory=list)
    failures: list[Outcome] = field(default_factory=list)
    memory_mib: float = 0.0

    def add(self, outcome: Outcome) -> None:
        sums = self.files.setdefault(outcome.format, collections.Counter())
        sums.update({"files": 1, outcome.kind: 1, "cleaned": int(outcome.cleaned)})
        sums.update({"parsed": outcome.parsed, "rejected": outcome.rejected})
        self.slowest = sorted([*self.slowest, outcome], key=lambda each: -each.seconds)[:_SLOWEST]
        self.memory_mib = max(self.memory_mib, outcome.memory_mib)
        if outcome.kind == "refused":
            self.refused[outcome.detail] += 1
        if outcome.failed:
            self.failures.append(outcome)


def campaign(seed: int, numbers: range, jobs: int) -> Campaign:
    """Tries damaged files.

    Args:
        seed: of the campaign.
        numbers: of the files.
        jobs: how many processes try them side by side.
    """
    began, sums = time.monotonic(), _Sums()
    for outcome in _shown(tried_by_crew(functools.partial(tried_number, seed), numbers, jobs), len(numbers)):
        sums.add(_named(seed, outcome))
    return Campaign(
        seed=seed,
        count=len(numbers),
        corpora=CORPORA.is_dir(),
        seconds=time.monotonic() - began,
        files={name: dict(counts) for name, counts in sorted(sums.files.items())},
        refused=dict(sums.refused.most_common()),
        slowest=sums.slowest,
        failures=sorted(sums.failures, key=lambda each: each.number),
        memory_mib=sums.memory_mib,
    )


def _shown(outcomes: Iterable[Outcome], count: int) -> Iterable[Outcome]:
    """The same, with a bar on a terminal."""
    console = Console(stderr=True)
    return track(outcomes, "Trying", total=count, console=console) if console.is_terminal else outcomes


def _named(seed: int, outcome: Outcome) -> Outcome:
    """Of a process that died nothing is known but the number."""
    if outcome.origin:
        return outcome
    found = drawn(seed, outcome.number)
    return msgspec.structs.replace(outcome, origin=found.origin, format=found.format)


# --- the command ------------------------------------------------------------------------------------------------------


def main() -> int:
    """Runs a campaign, or one file of it; the exit code is 1 if a file failed."""
    options = _options()
    if options.saved is not None:
        return _once(load(options.saved), shrink=options.shrink)
    if options.only is not None:
        return _once(drawn(options.seed, options.only), shrink=options.shrink)
    result = campaign(options.seed, range(options.first, options.first + options.count), options.jobs)
    for outcome in result.failures:
        save(drawn(options.seed, outcome.number), outcome)
    if options.json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    else:
        sys.stdout.write(summary(result))
    return int(bool(result.failures))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Reads damaged files and holds the books against their bytes.")
    parser.add_argument("--count", type=int, default=100_000, help="files to try")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes side by side")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="try this file alone, in this process, and save it")
    parser.add_argument("--saved", type=Path, metavar="PATH", help="try a saved file in this process")
    parser.add_argument("--shrink", action="store_true", help="with --only or --saved: make the file smaller first")
    return parser.parse_args()


def _once(case: Case, *, shrink: bool) -> int:
    case = shrunk(case) if shrink else case
    with tempfile.TemporaryDirectory() as folder:
        outcome = tried(case, Path(folder))
    path = save(case, outcome)
    sys.stdout.write(f"{msgspec.json.format(msgspec.json.encode(outcome)).decode()}\nsaved: {path}\n")
    return int(outcome.failed)


def summary(result: Campaign) -> str:
    """All that a person wants to know of a campaign."""
    lines = [result.title, f"  {result.seconds:,.0f} seconds; a process held {result.memory_mib:,.0f} MiB at most"]
    for name, counts in result.files.items():
        told = ", ".join(f"{count:,} {_WORDS.get(what, what)}" for what in _COUNTED if (count := counts.get(what)))
        lines.append(f"  {name}: {told}")
    refused = ", ".join(f"{count:,} {name}" for name, count in result.refused.items()) or "none"
    lines += [f"  refused: {refused}", f"  slowest, of {MOST_SECONDS:.0f} CPU second allowed:"]
    lines += [f"    {each.seconds:.2f} s  file {each.number}, from {each.origin}" for each in result.slowest]
    return "\n".join([*lines, *_failures(result), ""])


def _failures(result: Campaign) -> Iterator[str]:
    """The failures, those of one kind together, the smallest numbers first."""
    kinds: dict[str, list[Outcome]] = {}
    for each in result.failures:
        kinds.setdefault(alike(each.detail), []).append(each)
    for found in kinds.values():
        yield f"  FAILED {len(found):,} like this: {found[0].detail.splitlines()[0]}"
        replay = f"    python -m tests.campaign.mutate --seed {result.seed} --only"
        yield from (f"{replay} {each.number}  # from {each.origin}" for each in found[:_SHOWN])


if __name__ == "__main__":
    sys.exit(main())
