"""Fitness: what auditing a table costs beside polars' own summary, and what cleaning is worth to a model.

Belongs here: the two tables. Does not belong here: the cases (audits), or the experiments (lift).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tests.benchmarks.figures import Figure, compared, figure
from tests.benchmarks.groups import in_turns, make
from tests.benchmarks.measured import measure

if TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.groups import Say

_MOST_ROWS = 1_000_000
_DATA = ("adult", "heart", "newsgroups")


def audit(folder: Path, rows: int, runs: int, say: Say) -> list[Figure]:
    """All audits of a table, and each alone, beside describe() and value counts."""
    size = min(rows, _MOST_ROWS)
    megabytes = make(folder, say, "audited_table", str(size))
    group = f"Auditing {size:,} rows x 20 columns, against as many ({megabytes:,.0f} MB of Parquet)"
    parts = [("audited", which) for which in ("coverage", "leakage", "shift")]
    found = in_turns([("described",), ("audited", "all"), *parts], folder, runs, say)
    peer = figure(group, "polars: describe() and value counts", found["described",])
    named = [("audited", "all"), *parts]
    return [peer, *(compared(figure(group, f"winnow audits: {case[1]}", found[case]), peer) for case in named)]


def lift(folder: Path, _rows: int, _runs: int, say: Say) -> list[Figure]:
    """Accuracy on one test set of a model fitted on a dirty dump, and on what Winnow made of it."""
    group = "Lift: the same model, the same test set, fitted on the raw dump and on the cleaned version"
    figures = []
    for which, told in (("rules", "cleaned by rules"), ("labels", "one label in ten wrong, by rules and Labels")):
        for data in _DATA:
            say(f"Fitting on {data}, raw and {told}")
            run = measure("lifted", folder, data, which)
            named = figure(group, f"{data}, {told}", [run])
            figures.append(msgspec.structs.replace(named, note=run.parts.answer))
    return figures
