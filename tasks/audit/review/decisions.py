"""Decisions: which of several holds for a record, and how they are applied.

Belongs here: from reviews to one decision for each record, and to columns beside its records. Does not belong here:
keeping reviews (tasks/store/reviews), or what a decision does to a cell (tasks/normalise/plan).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from schemas.records import RECORD
from tasks.normalise.plan import REVIEW_ACTION, REVIEW_COLUMNS, REVIEW_EXPECT, REVIEW_REASON, REVIEW_VALUE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.reviews import Decision, Review

#: Of a record: sha256 of its file, and its number.
Place = tuple[str, int]
_SCHEMA = pl.Schema({RECORD: pl.UInt64(), **dict.fromkeys(REVIEW_COLUMNS, pl.String())})


def holding(reviews: Iterable[Review], column: str) -> dict[Place, Decision]:
    """For each record the decision on a column that holds: the last one, whatever the order of the imports.

    Of two that were made at the same moment, the one of the review with the greater id: it does not matter which, as
    long as it is always the same.
    """
    found: dict[Place, tuple[str, str, Decision]] = {}
    for review in reviews:
        for each in review.decisions:
            if each.column != column:
                continue
            place, told = (each.file, each.record), (each.decided_at, review.id, each)
            if place not in found or told[:2] > found[place][:2]:
                found[place] = told
    return {place: told[2] for place, told in sorted(found.items())}


class Decided:
    """The decisions that hold, as columns beside the records of a file."""

    def __init__(self, decisions: dict[Place, Decision]) -> None:
        """Takes those that hold."""
        self.files = {file for file, _ in decisions}
        self._rows: dict[str, list[tuple[int, str, str | None, str | None, str]]] = {}
        for (file, record), each in decisions.items():
            self._rows.setdefault(file, []).append((record, each.action, each.expect, each.value, each.why))

    def beside(self, records: pl.LazyFrame, file: str) -> pl.LazyFrame:
        """Records of a file with the columns that a plan of reviewed records reads.

        Args:
            records: with `_record`.
            file: its sha256.
        """
        names = (RECORD, REVIEW_ACTION, REVIEW_EXPECT, REVIEW_VALUE, REVIEW_REASON)
        decided = pl.LazyFrame(self._rows.get(file, []), schema={name: _SCHEMA[name] for name in names}, orient="row")
        return records.join(decided, on=RECORD, how="left", maintain_order="left")

    def records_of(self, file: str) -> list[int]:
        """Numbers of the records of a file that were decided about."""
        return [row[0] for row in self._rows.get(file, [])]
