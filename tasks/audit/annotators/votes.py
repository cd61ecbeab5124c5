"""Votes: who labelled what as what, as numbers, each voter once an item.

Belongs here: from rows to arrays, and what is odd about them: votes that were given twice, or that contradict each
other. Does not belong here: what the votes amount to (agreement, consensus).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from schemas.labels import Annotators


class Votes(NamedTuple):
    """Votes, sorted by item and worker; nobody votes twice on an item.

    Attributes:
        item, worker, label: numbers of them.
        items, workers, labels: what the numbers stand for, in rising order.
    """

    item: NDArray[np.int64]
    worker: NDArray[np.int64]
    label: NDArray[np.int64]
    items: pl.Series
    workers: pl.Series
    labels: pl.Series

    def only(self, which: NDArray[np.bool_]) -> Votes:
        """Some of the votes, under the same numbers."""
        return self._replace(item=self.item[which], worker=self.worker[which], label=self.label[which])

    def table(self) -> NDArray[np.int64]:
        """How many votes each item has for each label."""
        flat = self.item * self.labels.len() + self.label
        counts = np.bincount(flat, minlength=self.items.len() * self.labels.len())
        return counts.reshape(self.items.len(), self.labels.len())


class Gathered(NamedTuple):
    """The votes of some rows, and what was odd about these.

    Attributes:
        votes: one for each worker and item; of several the last.
        missing: rows without an item, a worker or a label.
        repeated: for each worker how often it gave an item the same label once more.
        contradictory: for each worker on how many items it gave several labels.
    """

    votes: Votes
    missing: int
    repeated: NDArray[np.int64]
    contradictory: NDArray[np.int64]


def gather(rows: pl.DataFrame, policy: Annotators) -> Gathered:
    """Rows as votes.

    Args:
        rows: in the order in which they were given; where the policy names a moment, that decides.
        policy: which column is which.

    Example:
        >>> from schemas.labels import Annotators
        >>> rows = pl.DataFrame({"i": ["a", "a", "a"], "w": ["p", "p", "q"], "y": ["yes", "no", "no"]})
        >>> found = gather(rows, Annotators("i", "w", "y"))
        >>> found.votes.label.tolist(), found.contradictory.tolist()
        ([0, 0], [1, 0])
    """
    names = {policy.item: "item", policy.worker: "worker", policy.label: "label"}
    told = rows.select(*(pl.col(name).cast(pl.String).alias(alias) for name, alias in names.items()))
    if policy.at and rows.schema[policy.at].is_temporal():
        told = told[rows.get_column(policy.at).arg_sort(nulls_last=False)]
    known = told.drop_nulls()
    lists = {name: known.get_column(name).unique().sort() for name in ("item", "worker", "label")}
    numbers = [
        pl.col(name).replace_strict(values, pl.int_range(values.len(), eager=True), return_dtype=pl.Int64)
        for name, values in lists.items()
    ]
    coded = known.select(numbers) if known.height else known.cast(pl.Int64)
    each = coded.group_by("item", "worker", maintain_order=True).agg(
        pl.col("label").last(), votes=pl.len(), different=pl.col("label").n_unique()
    )
    each = each.sort("item", "worker")
    item, worker, label = (each.get_column(name).to_numpy().astype(np.int64) for name in ("item", "worker", "label"))
    votes = Votes(item, worker, label, lists["item"], lists["worker"], lists["label"])
    workers = lists["worker"].len()
    again = (each.get_column("votes") - each.get_column("different")).to_numpy()
    several = (each.get_column("different") > 1).to_numpy()
    return Gathered(
        votes,
        rows.height - known.height,
        np.bincount(votes.worker, weights=again, minlength=workers).astype(np.int64),
        np.bincount(votes.worker, weights=several, minlength=workers).astype(np.int64),
    )
