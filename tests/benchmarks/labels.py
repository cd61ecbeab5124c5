"""Labels: the tables about labels that look wrong: how many of the planted ones are found, and in how much memory.

Belongs here: which data, how much noise, and which peer. Does not belong here: what each case does (labelled).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tests.benchmarks.figures import Figure, compared, figure
from tests.benchmarks.groups import in_turns

if TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.groups import Case, Say

_NOISE = ("0.05", "0.1", "0.2")
_ROWS, _CLASSES = 200_000, 5_000
#: Rows of which cleanlab takes the probabilities: a tenth, whose copies fit into memory.
_PEER_ROWS = 20_000


def labels(folder: Path, rows: int, _runs: int, say: Say) -> list[Figure]:
    """Planted noise found, beside cleanlab by hand; and the memory of 200,000 rows of 5,000 labels."""
    figures: list[Figure] = []
    for data in ("newsgroups", "adult"):
        group = f"Labels: planted noise in {data}, no model given"
        for noise in _NOISE:
            cases: list[Case] = [("labels_found", data, noise), ("labels_by_hand", data, noise)]
            found = in_turns(cases, folder, 1, say)
            ours, theirs = (
                msgspec.structs.replace(
                    figure(group, f"{name}, {float(noise):.0%} noise", found[case]), note=found[case][0].parts.answer
                )
                for name, case in zip(("winnow", "cleanlab by hand"), cases, strict=True)
            )
            figures += [ours, compared(theirs, ours)]
    many = min(rows, _ROWS)
    group = f"Labels: confident learning, {_CLASSES:,} labels"
    cases = [("labels_many", str(many), str(_CLASSES)), ("labels_many", str(_PEER_ROWS), str(_CLASSES))]
    cases.append(("labels_cleanlab", str(_PEER_ROWS), str(_CLASSES)))
    found = in_turns(cases, folder, 1, say)
    names = (f"winnow, {many:,} rows", f"winnow, {_PEER_ROWS:,} rows", f"cleanlab, {_PEER_ROWS:,} rows")
    made = [
        msgspec.structs.replace(figure(group, name, found[case]), note=found[case][0].parts.answer)
        for name, case in zip(names, cases, strict=True)
    ]
    return [*figures, made[0], *(compared(each, made[0]) for each in made[1:])]
