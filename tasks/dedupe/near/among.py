"""Among: the near-duplicates among the records of a partition, each with the record that stands for it.

Belongs here: the order in which records are preferred, and the evidence for each that goes. Does not belong here: which
texts are similar (join), or what a partition does with what was found (tasks/dedupe/verdicts).

What the join found is proved once more, by the shingles themselves instead of their hashes: the evidence is counted on
the two texts of each record that goes. Should two shingles ever have one hash, no record goes for it.

Memory: 24 bytes of each record, the sets of shingles (see sets), and the records that stand for others.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from schemas.records import CLUSTER, COMPARED, DIFFERING, INPUT, KIND, RECORD, SHARED, SHINGLES, SIMILARITY
from tasks.dedupe.exact import by_preference, differing
from tasks.dedupe.keys import cluster
from tasks.dedupe.near.join import survivors
from tasks.dedupe.near.likeness import likeness, similar
from tasks.dedupe.near.sets import sets_of
from tasks.dedupe.repeated import ROW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from schemas.policies import Dedupe, Near
    from tasks.dedupe.candidates import Block
    from tasks.dedupe.verdicts import Spills

    Blocks = Callable[[], Iterator[Block]]
    Numbers = NDArray[np.int64]

#: What is said of each near-duplicate beside the place of the record that stands for it.
EVIDENCE = pl.Schema(
    {KIND: pl.String, SIMILARITY: pl.Float64, SHARED: pl.UInt32, SHINGLES: pl.UInt32, COMPARED: pl.String}
)
_FILLED = "_filled"


class _Rows(NamedTuple):
    """Rows of a block that are in question: their numbers among all of these, and the frame of them."""

    block: Block
    numbers: Numbers
    frame: pl.DataFrame


def near_duplicates(
    blocks: Blocks, dedupe: Dedupe, near: Near, columns: Sequence[str], spills: Spills
) -> Iterator[pl.DataFrame]:
    """The records whose text is nearly that of another one that survives.

    Args:
        blocks: yields all rows, each time it is called; those that are out of a block don't count.
        dedupe: who is preferred.
        near: what is similar.
        columns: the data set's columns.
        spills: makes what takes shingles that are too many for memory.

    Yields:
        `_row`, `_of_input`, `_of_record`, `_differs` (never: the key is another one), `_differing`, `_cluster` (that of
        the record that survives) and the columns of `EVIDENCE`, in rising order of rows.
    """
    ranks = _ranks(blocks, dedupe, columns)
    texts = ((rows.frame.get_column(near.column), ranks[rows.numbers]) for rows in _rows(blocks))
    sets = sets_of(texts, ranks.size, near, spills)
    number_of = np.empty(ranks.size, np.int64)
    number_of[ranks] = np.arange(ranks.size)
    of = number_of[survivors(sets, near)[ranks]]
    del sets, number_of, ranks
    leading = np.unique(of[of != np.arange(of.size)])
    if leading.size:
        leaders = _leaders(blocks, leading, dedupe, near, columns)
        for rows in _rows(blocks):
            gone = np.flatnonzero(of[rows.numbers] != rows.numbers)
            if gone.size:
                beside = leaders[np.searchsorted(leading, of[rows.numbers[gone]])]
                yield _with_evidence(_numbered(rows)[gone].hstack(beside), near, columns)


def _rows(blocks: Blocks) -> Iterator[_Rows]:
    start = 0
    for block in blocks():
        frame = block.kept()
        yield _Rows(block, np.arange(start, start + frame.height), frame)
        start += frame.height


def _numbered(rows: _Rows) -> pl.DataFrame:
    number = pl.int_range(rows.block.start, rows.block.stop, dtype=pl.UInt64, eager=True).alias(ROW)
    return number.filter(rows.block.stays()).to_frame().hstack(rows.frame.get_columns())


def _ranks(blocks: Blocks, dedupe: Dedupe, columns: Sequence[str]) -> NDArray[np.uint32]:
    """The place of each row in the order of preference."""
    filled = pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.UInt32) for name in columns).alias(_FILLED)
    wanted = filled if dedupe.keep == "most_complete" else pl.col(dedupe.by) if dedupe.by else pl.lit(0, pl.UInt8)
    parts = [rows.frame.select(pl.int_range(pl.len()).alias("_height"), wanted) for rows in _rows(blocks)]
    compared = pl.concat(parts).drop("_height").with_row_index("_number")
    if dedupe.keep == "most_complete":
        ordered = compared.sort(_FILLED, descending=True, maintain_order=True)
    else:
        ordered = by_preference(compared, dedupe, columns)
    ranks = np.empty(ordered.height, np.uint32)
    ranks[ordered.get_column("_number").to_numpy()] = np.arange(ordered.height, dtype=np.uint32)
    return ranks


def _leaders(blocks: Blocks, leading: Numbers, dedupe: Dedupe, near: Near, columns: Sequence[str]) -> pl.DataFrame:
    """The rows that stand for others, in order, under names that can stand beside theirs."""
    parts = []
    for rows in _rows(blocks):
        low, high = np.searchsorted(leading, [rows.numbers[0], rows.numbers[-1] + 1]) if rows.numbers.size else (0, 0)
        chosen = rows.frame[leading[low:high] - rows.numbers[0]] if high > low else rows.frame.clear()
        names = cluster(dedupe.key, chosen.schema).fill_null(cluster([near.column], chosen.schema))
        parts.append(
            chosen.select(
                pl.col(INPUT).alias("_of_input"),
                pl.col(RECORD).alias("_of_record"),
                names.alias(CLUSTER),
                *(pl.col(name).alias(f"_of.{name}") for name in columns),
            )
        )
    return pl.concat(parts)


def _with_evidence(beside: pl.DataFrame, near: Near, columns: Sequence[str]) -> pl.DataFrame:
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
    told = beside.select(
        ROW,
        "_of_input",
        "_of_record",
        pl.lit(value=False).alias("_differs"),
        differing(beside, columns).alias(DIFFERING),
        CLUSTER,
    )
    proved = pl.Series([similar(each, near) for each in found], dtype=pl.Boolean)
    return told.hstack(pl.DataFrame(evidence, schema=EVIDENCE).get_columns()).filter(proved)


@functools.cache
def without_evidence() -> tuple[pl.Expr, ...]:
    """The same columns for a duplicate by key."""
    nothing = [pl.lit(None, dtype).alias(name) for name, dtype in EVIDENCE.items() if name != KIND]
    return (pl.lit("exact").alias(KIND), *nothing)
