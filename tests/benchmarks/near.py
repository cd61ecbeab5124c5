"""Near: the table about near-duplicates, in CPU seconds for each 100,000 documents.

Belongs here: which tools and corpora are compared. Does not belong here: what each does (nearness), or the documents
(texts).

The peers take a sample, since they need a minute for what Winnow does in one or two seconds; a document costs them the
same whatever the number of the others. On that sample Winnow's pairs are compared with those of comparing all with all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tests.benchmarks.figures import Figure, compared, figure
from tests.benchmarks.groups import in_turns, make
from tests.benchmarks.measured import CaseError, Measured, Spent, measure

if TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.groups import Case, Say

_PER = 100_000
_SAMPLE, _WHOLE, _LARGE, _TEMPLATED = 20_000, 200_000, 2_000_000, 100_000
_LIMIT_MIB = 8192.0
_SEED = "20261130"
#: Runs of each peer: they differ by a few per cent, and by tens from Winnow.
_PEER_RUNS = 2


def near(folder: Path, rows: int, runs: int, say: Say) -> list[Figure]:
    """Winnow beside its peers, and on ten times as many documents; fewer of these where `rows` is less."""
    counts = {"sample": _SAMPLE, "whole": _WHOLE, "templated": _TEMPLATED, "large": min(rows, _LARGE)}
    sizes = {name: make(folder, say, "near_texts", name, str(count), _SEED) for name, count in counts.items()}
    group = (
        f"Near-duplicates: for each {_PER:,} documents; 3 words, Jaccard 0.8 ({sizes['whole']:,.0f} MB are {_WHOLE:,})"
    )
    cases: dict[str, Case] = {name: ("near_winnow", name) for name in counts}
    found = in_turns([cases["whole"], cases["sample"]], folder, runs, say)
    figures = [_figure(group, "winnow", "whole", counts, found[cases["whole"]])]
    figures.append(_figure(group, "winnow", "sample", counts, found[cases["sample"]]))
    figures += [_peer(group, name, counts, folder, say) for name in ("datatrove", "datasketch")]
    found = in_turns([cases["templated"], cases["large"]], folder, 1, say)
    figures += [_figure(group, "winnow", name, counts, found[cases[name]]) for name in ("templated", "large")]
    limit = Figure(group, "limit", 0, peak_mib=_LIMIT_MIB, note=_agreement(folder, say))
    return [figures[0], *(compared(each, figures[0]) for each in figures[1:]), limit]


def _peer(group: str, name: str, counts: dict[str, int], folder: Path, say: Say) -> Figure:
    case = (f"near_{name}", "sample")
    try:
        return _figure(group, name, "sample", counts, in_turns([case], folder, _PEER_RUNS, say)[case])
    except CaseError as error:
        return Figure(group, name, 0, note=f"It failed ({error}).")


def _figure(group: str, tool: str, name: str, counts: dict[str, int], runs: list[Measured]) -> Figure:
    count = counts[name]
    made = figure(group, f"{tool}, {name} ({count:,})", [_scaled(run, _PER / count) for run in runs])
    rate = _PER / made.cpu_seconds if made.cpu_seconds else 0
    return msgspec.structs.replace(made, note=f"{rate:,.0f} documents a CPU second. {runs[0].about}")


def _scaled(run: Measured, by: float) -> Measured:
    return msgspec.structs.replace(run, spent=Spent(run.spent.seconds * by, run.spent.cpu_seconds * by))


def _agreement(folder: Path, say: Say) -> str:
    """Whether the pairs are those of comparing every document of the sample with every other one."""
    say("Comparing all with all")
    ours, all_ = (measure(case, folder, "sample").parts.answer for case in ("near_pairs", "near_brute"))
    same = "the same" if ours == all_ else f"NOT the same ({ours})"
    return f"On the sample, comparing all with all finds pairs, digest {all_}; Winnow finds {same}."
