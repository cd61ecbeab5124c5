"""Fates: the verdicts of all stages put together, so that every record has exactly one.

Belongs here: who goes where, as frames of places. Does not belong here: reaching a verdict (exact, compile), or the
columns of the ledger's files (ledger).

The order of precedence: a record that breaks a quarantining rule about itself is quarantined; of the others, one that
conflicts with another is quarantined where the conflict rule says so; of the others, one that does not survive is a
duplicate; of the survivors, one that breaks a quarantining rule across rows is quarantined; the rest is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from schemas.records import Severity
from tasks.dedupe.exact import PLACE, Verdict
from tasks.job import CONFLICT

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.rules import Rule

_NO_PLACES = pl.Schema({"_input": pl.UInt32, "_record": pl.UInt64})
NO_VERDICT = Verdict(
    duplicates=pl.DataFrame(
        schema={**_NO_PLACES, "_of_input": pl.UInt32, "_of_record": pl.UInt64, "_differs": pl.Boolean}
    ),
    conflicts=pl.DataFrame(schema={**_NO_PLACES, "_other_input": pl.UInt32, "_other_record": pl.UInt64}),
)


@dataclass(frozen=True)
class Fates:
    """Where the candidates go that are not kept, and what else is known of them.

    Attributes:
        duplicates: as in `Verdict`, less those that are quarantined for a conflict.
        late: candidates quarantined for what other rows hold: place, mask words, `_other_input`, `_other_record`.
        across: all candidates that break any rule across rows: place and mask words; for the counts.
        conflicting: rows in conflict, whatever became of them.
    """

    duplicates: pl.DataFrame
    late: pl.DataFrame
    across: pl.DataFrame
    conflicting: int

    @property
    def removed(self) -> pl.DataFrame:
        """Places of the candidates that are not kept."""
        return pl.concat([self.duplicates.select(PLACE), self.late.select(PLACE)])


def settle_candidates(
    candidates: pl.LazyFrame,
    verdict: Verdict,
    conflict: Rule | None,
    judge: Callable[[pl.LazyFrame], pl.LazyFrame],
    stopping: pl.Expr,
    words: list[str],
    *,
    wide: bool,
) -> Fates:
    """Puts the verdicts on candidates together.

    Args:
        candidates: rows that passed on their own: `_input`, `_record` and the typed columns.
        verdict: duplicates and conflicts among them.
        conflict: the conflict rule, if the data set has one.
        judge: adds the mask words of the rules across rows to a frame that has the column `CONFLICT`.
        stopping: over the mask words: whether a rule is broken that sets the row aside.
        words: names of the mask words.
        wide: whether a rule across rows looks at more than `CONFLICT`; if not, most candidates need no look.
    """
    duplicates = verdict.duplicates
    if conflict and conflict.severity is not Severity.WARN:
        duplicates = duplicates.join(verdict.conflicts, on=PLACE, how="anti", maintain_order="left")
    survivors = conflicts = verdict.conflicts.lazy().with_columns(pl.lit(value=True).alias(CONFLICT))
    if wide:
        survivors = candidates.join(conflicts, on=PLACE, how="left", maintain_order="left")
    judged = judge(_without(survivors, duplicates).with_columns(pl.col(CONFLICT).fill_null(value=False)))
    across = (
        judged.filter(pl.any_horizontal(pl.col(word) != 0 for word in words))
        .select(*PLACE, *words, "_other_input", "_other_record")
        .collect(engine="streaming")
    )
    return Fates(duplicates, across.filter(stopping), across, verdict.conflicts.height)


def kept(candidates: pl.LazyFrame, fates: Fates) -> pl.LazyFrame:
    """The candidates that are kept, in their order."""
    return _without(candidates, fates.removed)


def _without(rows: pl.LazyFrame, places: pl.DataFrame) -> pl.LazyFrame:
    if places.is_empty():
        return rows
    return rows.join(places.lazy().select(PLACE), on=PLACE, how="anti", maintain_order="left")
