"""Among: the near-duplicates among the records of a partition, each with the record that stands for it.

Belongs here: the evidence for each text that goes. Does not belong here: which texts are similar (join), the order in
which records are preferred (tasks/dedupe/stars), or what a partition does with what was found (tasks/dedupe/verdicts).

What the join found is proved once more, by the shingles themselves instead of their hashes: the evidence is counted on
the two texts of each record that goes. Should two shingles ever have one hash, no record goes for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from schemas.records import COMPARED, KIND, SHARED, SHINGLES, SIMILARITY
from tasks.dedupe.near.join import survivors
from tasks.dedupe.near.likeness import likeness, similar
from tasks.dedupe.near.sets import AT_ONCE, sets_of
from tasks.dedupe.stars import beside_leaders, ranks, rows_left, with_evidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schemas.policies import Dedupe, Near
    from tasks.dedupe.stars import Blocks
    from tasks.dedupe.verdicts import Spills


def near_duplicates(
    blocks: Blocks, dedupe: Dedupe, near: Near, columns: Sequence[str], spills: Spills, at_once: int = AT_ONCE
) -> Iterator[pl.DataFrame]:
    """The records whose text is nearly that of another one that survives.

    Args:
        blocks: yields all rows, each time it is called; those that are out of a block don't count.
        dedupe: who is preferred.
        near: what is similar.
        columns: the data set's columns.
        spills: makes what takes shingles that are too many for memory.
        at_once: how many these are.

    Yields:
        `_row`, `_of_input`, `_of_record`, `_differs`, `_differing`, `_cluster` (that of the record that survives) and
        the columns of `EVIDENCE`, in rising order of rows.
    """
    places = ranks(blocks, dedupe, columns)
    texts = ((rows.frame.get_column(near.column), places[rows.numbers]) for rows in rows_left(blocks))
    sets = sets_of(texts, places.size, near, spills, at_once)
    number_at = np.empty(places.size, np.int64)
    number_at[places] = np.arange(places.size)
    of = number_at[survivors(sets, near)[places]]
    del sets, number_at, places
    for _, beside in beside_leaders(blocks, of, dedupe, columns, [near.column]):
        yield _proved(beside, near, columns)


def _proved(beside: pl.DataFrame, near: Near, columns: Sequence[str]) -> pl.DataFrame:
    """What is said of rows that go, those left out that the texts themselves don't prove."""
    pairs = zip(beside.get_column(near.column), beside.get_column(f"_of.{near.column}"), strict=True)
    found = [likeness(text, of, near) for text, of in pairs]
    evidence = {
        KIND: ["near"] * len(found),
        SIMILARITY: [each.share for each in found],
        SHARED: [each.shared for each in found],
        SHINGLES: [each.of for each in found],
        COMPARED: beside.get_column(near.column),
    }
    proved = pl.Series([similar(each, near) for each in found], dtype=pl.Boolean)
    return with_evidence(beside, evidence, columns).filter(proved)
