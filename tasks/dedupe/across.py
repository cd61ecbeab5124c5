"""Across: duplicates and conflicts between partitions, decided on the rows that each partition would keep alone.

Belongs here: the terms on which partitions are compared, and the verdict over rows of several ones. Does not belong
here: finding rows that need a look (tasks/store/key_index), a partition's own duplicates (exact), or what becomes of a
partition's files (moves).

Each partition is cleaned as if it were alone; of each key that leaves it one row at most. What the others bring can
only take such rows away: the verdict is a function of what the partitions hold alone, so that the order in which they
were cleaned, and how often, is forgotten. The order of preference is total (the policy, then partition, file and
record), so that the best row of the best rows of all partitions is the best one of the whole data set.

Where two records of one key differ and the conflict rule sets them aside, it does so in all partitions. Rows that a
partition has set aside for a conflict of its own are disputed: they do not survive, but every row of another partition
with their key is in conflict with one of them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from schemas.records import CONFLICTS_WITH, DIFFERING, DUPLICATE_OF, FILE, INPUT, OF_PARTITION, RECORD, Severity, Terms
from tasks.dedupe.exact import by_preference, content_of, differing, other_contents
from tasks.dedupe.ledger import own_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.dataset import Dataset

#: The partition of a row; and whether its own partition would keep it.
PARTITION, KEPT = "_partition", "_kept"
#: The order of all records of a data set.
ORDER = (PARTITION, INPUT, RECORD)

#: One verdict on a row: the record that it is a duplicate of, or in conflict with; null is the one that it is not.
MOVES = pl.Schema(
    {
        PARTITION: pl.String(),
        FILE: pl.String(),
        RECORD: pl.UInt64(),
        DUPLICATE_OF: pl.String(),
        CONFLICTS_WITH: pl.String(),
        OF_PARTITION: pl.String(),
        DIFFERING: pl.List(pl.String),
        "_differs": pl.Boolean(),
    }
)


def terms_of(dataset: Dataset) -> Terms | None:
    """On which terms the partitions of a data set are compared; None where they are not."""
    dedupe = dataset.dedupe
    if dedupe is None or dedupe.across != "dataset":
        return None
    columns = [(column.name, str(column.dtype)) for column in dataset.columns]
    conflict = next(rule.severity for rule in dataset.own_rules if rule.check == "conflict")
    return Terms(
        key=dedupe.compared,
        keep=dedupe.keep,
        conflict=conflict,
        columns=hashlib.sha256(msgspec.json.encode(columns)).hexdigest()[:16],
        by=dedupe.by,
        prefer=dedupe.prefer,
        ignore=dedupe.ignore,
        canonical=tuple(sorted(dedupe.canonical.items())),
    )


def decide_across(rows: pl.DataFrame, terms: Terms) -> pl.DataFrame:
    """What becomes of rows in the light of other partitions.

    Args:
        rows: of some keys all rows that partitions would keep alone, and the first rows of the first two contents of
            keys that a partition disputes alone: `_partition`, `_input`, `_file`, `_record`, `_kept`, and the columns.
        terms: on which they are compared.

    Returns:
        A row for each that is not kept after all, in the order of all records; columns as in `MOVES`.
    """
    key = list(terms.key)
    columns = [name for name in rows.columns if not name.startswith("_")]
    members = rows.with_columns(content_of(columns, terms.names, terms.ignore)).sort(*ORDER)
    disputed = pl.DataFrame(schema=MOVES)
    if terms.conflict is not Severity.WARN:
        others = other_contents(members, key)
        disputed = _disputed(members, others, key)
        members = members.join(others, on=key, how="anti", maintain_order="left")
    moves = pl.concat([disputed, _superseded(members, terms, columns)])
    order = rows.select(PARTITION, INPUT, FILE, RECORD)
    return moves.join(order, on=[PARTITION, FILE, RECORD], how="left").sort(*ORDER).select(MOVES.names())


def _disputed(members: pl.DataFrame, others: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Rows that would be kept, each beside the first row of another content."""
    beside = others.select(
        *key,
        own_id().alias(CONFLICTS_WITH),
        pl.col(PARTITION).alias(OF_PARTITION),
        pl.col("_content").alias("_other"),
    )
    found = members.filter(KEPT).join(beside, on=key, how="inner", maintain_order="left_right")
    return (
        found.filter(pl.col("_content").ne_missing(pl.col("_other")))
        .unique([*ORDER], keep="first", maintain_order=True)
        .with_columns(
            pl.lit(None, pl.String).alias(DUPLICATE_OF),
            pl.lit([], pl.List(pl.String)).alias(DIFFERING),
            pl.lit(value=True).alias("_differs"),
        )
        .select(MOVES.names())
    )


def _superseded(members: pl.DataFrame, terms: Terms, columns: Sequence[str]) -> pl.DataFrame:
    """Rows that would be kept, each beside the one that survives."""
    key = list(terms.key)
    content = [name for name in columns if name not in key]
    kept = members.filter(KEPT)
    survivors = (
        by_preference(kept, terms, columns)
        .unique(key, keep="first", maintain_order=True)
        .select(
            *key,
            own_id().alias(DUPLICATE_OF),
            pl.col(PARTITION).alias(OF_PARTITION),
            pl.col("_content").alias("_of"),
            *(pl.col(name).alias(f"_of.{name}") for name in content),
        )
    )
    found = kept.join(survivors, on=key, how="left", maintain_order="left")
    # Of one partition each key has one such row at most, so that another row is one of another partition.
    found = found.filter(pl.col(PARTITION) != pl.col(OF_PARTITION))
    return found.with_columns(
        differing(found, content),
        pl.col("_content").ne_missing(pl.col("_of")).alias("_differs"),
        pl.lit(None, pl.String).alias(CONFLICTS_WITH),
    ).select(MOVES.names())
