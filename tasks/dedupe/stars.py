"""Stars: records that go, each beside the one record that stands for it.

Belongs here: the order in which records are preferred, and putting rows beside each other. Does not belong here: what
makes two records the same (near, entities), or what becomes of them (verdicts).

Memory: 20 bytes of each record, and the records that stand for others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from schemas.records import CLUSTER, COMPARED, DIFFERING, INPUT, KIND, RECORD, SHARED, SHINGLES, SIMILARITY, WEIGHT
from tasks.dedupe.exact import by_preference, differing, filled
from tasks.dedupe.keys import cluster
from tasks.dedupe.repeated import ROW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, MutableSequence, Sequence

    from numpy.typing import NDArray

    from schemas.policies import Dedupe
    from tasks.dedupe.candidates import Block

    Blocks = Callable[[], Iterator[Block]]
    Numbers = NDArray[np.int64]

#: What is said of a duplicate beside the record that stands for it, where other ones than equal keys are looked for.
EVIDENCE = pl.Schema(
    {
        KIND: pl.String(),
        SIMILARITY: pl.Float64(),
        SHARED: pl.UInt32(),
        SHINGLES: pl.UInt32(),
        WEIGHT: pl.Float64(),
        COMPARED: pl.String(),
    }
)
_NUMBER, _FILLED = "_number", "_filled"


class Rows(NamedTuple):
    """The rows of a block that are in question.

    Attributes:
        numbers: theirs among all of these.
        frame: the rows, with their `_row` among all candidates.
    """

    numbers: Numbers
    frame: pl.DataFrame


def rows_left(blocks: Blocks) -> Iterator[Rows]:
    """The rows that are not out of their blocks, block by block."""
    start = 0
    for block in blocks():
        row = pl.int_range(block.start, block.stop, dtype=pl.UInt64, eager=True).alias(ROW).filter(block.stays())
        frame = block.kept().with_columns(row)
        yield Rows(np.arange(start, start + frame.height), frame)
        start += frame.height


def ranks(blocks: Blocks, dedupe: Dedupe, columns: Sequence[str]) -> NDArray[np.uint32]:
    """The place of each row in the order of preference."""
    wanted = (
        filled(columns).alias(_FILLED)
        if dedupe.keep == "most_complete"
        else pl.col(dedupe.by)
        if dedupe.by
        else pl.col(ROW)
    )
    parts = [rows.frame.select(pl.lit(0, pl.UInt32).alias(_NUMBER), wanted) for rows in rows_left(blocks)]
    compared = pl.concat(parts).with_columns(pl.int_range(pl.len(), dtype=pl.UInt32).alias(_NUMBER))
    if dedupe.keep == "most_complete":
        ordered = compared.sort(_FILLED, descending=True, maintain_order=True)
    else:
        ordered = by_preference(compared, dedupe, columns)
    places = np.empty(ordered.height, np.uint32)
    places[ordered.get_column(_NUMBER).to_numpy()] = np.arange(ordered.height, dtype=np.uint32)
    return places


def greedily(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """For each record, in the order of preference, the one that stands for it; itself where it stays.

    Args:
        count: how many there are.
        pairs: of records that are the same, the later one first, in order.

    Example:
        >>> greedily(3, [(1, 0), (2, 1)])
        [0, 0, 2]
    """
    of = list(range(count))
    choose(pairs, of)
    return of


def choose(pairs: Iterable[tuple[int, int]], of: MutableSequence[int] | Numbers) -> None:
    """Lets records go to others in pairs, as `greedily` does, where some of it is known already."""
    for one, other in pairs:
        if of[one] == one and of[other] == other:
            of[one] = other


def beside_leaders(
    blocks: Blocks, of: Numbers, dedupe: Dedupe, columns: Sequence[str], named_by: Sequence[str]
) -> Iterator[tuple[Numbers, pl.DataFrame]]:
    """The rows that go, block by block, each with the cells of the one that stands for it.

    Args:
        blocks: yields all rows.
        of: for each the number of the one that stands for it.
        dedupe: names the key, and the cluster by it.
        columns: the data set's columns.
        named_by: columns that name a cluster where there is no key.

    Yields:
        The numbers of some rows; and these, with `_of_input`, `_of_record`, `_cluster` and `_of.<column>`.
    """
    leading = np.unique(of[of != np.arange(of.size)])
    if not leading.size:
        return
    leaders = pl.concat(
        _leaders(rows, leading, dedupe, columns, named_by) for rows in rows_left(blocks) if rows.numbers.size
    )
    for rows in rows_left(blocks):
        gone = np.flatnonzero(of[rows.numbers] != rows.numbers)
        if gone.size:
            numbers = rows.numbers[gone]
            yield numbers, rows.frame[gone].hstack(leaders[np.searchsorted(leading, of[numbers])])


def _leaders(
    rows: Rows, leading: Numbers, dedupe: Dedupe, columns: Sequence[str], named_by: Sequence[str]
) -> pl.DataFrame:
    low, high = np.searchsorted(leading, [rows.numbers[0], rows.numbers[-1] + 1])
    chosen: pl.DataFrame = rows.frame[leading[low:high] - rows.numbers[0]]
    return chosen.select(
        pl.col(INPUT).alias("_of_input"),
        pl.col(RECORD).alias("_of_record"),
        cluster(dedupe.compared, chosen.schema).fill_null(cluster(named_by, chosen.schema)).alias(CLUSTER),
        *(pl.col(name).alias(f"_of.{name}") for name in columns),
    )


def with_evidence(beside: pl.DataFrame, evidence: Mapping[str, object], columns: Sequence[str]) -> pl.DataFrame:
    """What is said of rows that go.

    Args:
        beside: the rows, as `beside_leaders` gives them.
        evidence: columns of `EVIDENCE`; those that are not there are null.
        columns: the data set's columns.
    """
    told: pl.DataFrame = beside.select(
        ROW,
        "_of_input",
        "_of_record",
        # Another key is no conflict.
        pl.lit(value=False).alias("_differs"),
        differing(beside, columns).alias(DIFFERING),
        CLUSTER,
    )
    nothing = [None] * beside.height
    full = {name: evidence.get(name, nothing) for name in EVIDENCE}
    return pl.concat([told, pl.DataFrame(full, schema=EVIDENCE)], how="horizontal")


def without_evidence() -> tuple[pl.Expr, ...]:
    """The same columns for a duplicate by key."""
    nothing = [pl.lit(None, dtype).alias(name) for name, dtype in EVIDENCE.items() if name != KIND]
    return (pl.lit("exact").alias(KIND), *nothing)
