"""Splits: which rows are train, validation and test.

Belongs here: from a declared `Split` and rows to the name of each row's split. Does not belong here: writing the
column (tasks/dedupe/stage), its balance (tasks/audit/coverage), or leaks between splits (tasks/audit/leakage).

By entity, a row's point is the 64-bit xxHash (XXH3) of salt and key, and each split has an interval of
points: test the lowest, then validation, then train. The point depends on nothing else, so that nothing can move a
record. Stratified, the entities of a stratum are put in the order of their hashes, and their points are those of an
additive recurrence with the golden ratio (Knuth, The Art of Computer Programming 3, section 6.4), which fill each
interval as evenly as any number of points can; the start is a hash of stratum and partition, so that strata of a single
row are in test as often as their share says.

By cluster, the entities that similar texts connect have the point of one of them: of the one with the least hash of its
point, and not of the one with the least point, or clusters would be in test more often than single entities are.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from schemas.fitness import SPLITS, TEST, TRAIN, VALIDATION, Split
from schemas.records import FILE, RECORD
from tasks.audit.clusters import connected, near_clusters

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Type of the column.
SPLIT_TYPE = pl.Enum(SPLITS)

#: 2^64 divided by the golden ratio, to the nearest odd number.
_GOLDEN = 0x9E3779B97F4A7C15
#: Between the parts of what is hashed; no text of a cell holds it by accident.
_BETWEEN = "\x1f"

_ENTITY, _STRATUM = "_entity", "_stratum"


def point(split: Split) -> pl.Expr:
    """The point of each row's entity, UInt64; of a row that lacks a part of its key, that of the record itself.

    Reads the columns of `split.keys`, `_file` and `_record`.
    """
    key = pl.concat_str([_text(name) for name in split.keys], separator=_BETWEEN)
    # A hash of a record must not be that of an entity with the same text.
    record = pl.concat_str([pl.lit("record"), pl.col(FILE), pl.col(RECORD).cast(pl.String)], separator=_BETWEEN)
    return _hashed(split.salt, pl.coalesce(key, record))


def assigned(split: Split) -> pl.Expr:
    """The split of each row, for a split by entity or by time; of a row without a time, train.

    Example:
        >>> rows = pl.DataFrame({"_file": ["f"] * 4, "_record": [1, 2, 3, 4], "user": ["ann", "bob", "cy", "ann"]})
        >>> rows.select(assigned(Split(by="user", test=0.5, salt="2")))["split"].to_list()
        ['train', 'test', 'test', 'train']
    """
    if split.at is not None:
        return _by_time(split).alias(split.column)
    return _named(split, point(split)).alias(split.column)


def stratified(split: Split, blocks: Iterable[pl.DataFrame], partition: str) -> pl.DataFrame:
    """The split of each entity of a partition, where the shares are to be alike within strata.

    Holds one number for each entity. An entity of several strata is of the one that comes first as text.

    Args:
        split: with `stratify`.
        blocks: the rows of the partition, with the columns that the split reads, `_file` and `_record`.
        partition: its name.

    Returns:
        `_entity` UInt64 as `point` gives it, and the split.
    """
    stratum = pl.col(str(split.stratify)).cast(pl.String).fill_null("").alias(_STRATUM)
    least = [block.select(point(split).alias(_ENTITY), stratum).group_by(_ENTITY).agg(_LEAST) for block in blocks]
    if not least:
        return pl.DataFrame(schema={_ENTITY: pl.UInt64, split.column: SPLIT_TYPE})
    entities = pl.concat(least).group_by(_ENTITY).agg(_LEAST).sort(_STRATUM, _ENTITY)
    start = pl.concat_str([pl.lit(partition), pl.col(_STRATUM)], separator=_BETWEEN)
    ranked = entities.with_columns(
        _hashed(split.salt, start).alias("_start"),
        pl.int_range(pl.len(), dtype=pl.UInt64).over(_STRATUM).alias("_rank"),
    )
    points = ranked["_start"].to_numpy() + ranked["_rank"].to_numpy() * np.uint64(_GOLDEN)  # modulo 2^64
    return ranked.select(_ENTITY, pl.Series("_point", points)).select(
        _ENTITY, _named(split, pl.col("_point")).alias(split.column)
    )


def clustered(split: Split, blocks: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The split of each entity of a partition, where entities with nearly the same texts are to be in one.

    Holds the texts of all of them.

    Args:
        split: with `near`.
        blocks: as for `stratified`.

    Returns:
        As `stratified`.
    """
    assert split.near is not None  # noqa: S101  # for the type checker: called where it is declared
    parts = [block.select(FILE, RECORD, split.near.column, point(split).alias(_ENTITY)) for block in blocks]
    if not parts:
        return pl.DataFrame(schema={_ENTITY: pl.UInt64, split.column: SPLIT_TYPE})
    rows = pl.concat(parts)
    entities = rows.select(pl.col(_ENTITY).unique().sort()).with_row_index("_number")
    alike = rows.join(near_clusters(rows.lazy(), split.near).collect(), on=[FILE, RECORD]).join(entities, on=_ENTITY)
    one, other = alike.select("_number", pl.col("_number").min().over("cluster").alias("_other"))
    roots = connected(entities.height, *(side.cast(pl.Int64).to_numpy() for side in (one, other)))
    order = _hashed(split.salt, pl.col(_ENTITY).cast(pl.String))
    speaks = pl.col(_ENTITY).sort_by(order, _ENTITY).first().over("_root").alias("_point")
    pointed = entities.with_columns(pl.Series("_root", roots)).select(_ENTITY, speaks)
    return pointed.select(_ENTITY, _named(split, pl.col("_point")).alias(split.column))


def of_partition(split: Split, blocks: Iterable[pl.DataFrame], partition: str) -> pl.DataFrame:
    """The split of each entity, where it depends on other rows of the partition; see `stratified`, `clustered`."""
    return clustered(split, blocks) if split.near else stratified(split, blocks, partition)


def with_split(split: Split, rows: pl.DataFrame, entities: pl.DataFrame | None) -> pl.DataFrame:
    """Rows with their split.

    Args:
        split: the declared one.
        rows: with the columns that it reads, `_file` and `_record`.
        entities: as `of_partition` gave them; None of a split that looks at one row alone.
    """
    if entities is None:
        return rows.with_columns(assigned(split))
    beside = rows.select(point(split).alias(_ENTITY)).join(entities, on=_ENTITY, how="left", maintain_order="left")
    return rows.with_columns(beside.get_column(split.column))


_LEAST = pl.col(_STRATUM).min()


def _hashed(salt: str, text: pl.Expr) -> pl.Expr:
    import polars_hash  # noqa: F401  # gives expressions the name `nchash`

    salted = pl.concat_str([pl.lit(salt), text], separator=_BETWEEN)
    return salted.nchash.xxh3_64()  # type: ignore[attr-defined, no-any-return]  # as above


def _text(name: str) -> pl.Expr:
    """A key's cell as text that no version of polars writes in another way."""
    return pl.col(name).cast(pl.String)


def _named(split: Split, point: pl.Expr) -> pl.Expr:
    """The split that has a point in its interval."""
    test = _bound(split.test)
    validation = _bound(float(Decimal(str(split.test)) + Decimal(str(split.validation))))
    named = pl.when(point < test).then(pl.lit(TEST)).when(point < validation).then(pl.lit(VALIDATION))
    return named.otherwise(pl.lit(TRAIN)).cast(SPLIT_TYPE)


def _bound(share: float) -> pl.Expr:
    """The first point above a share of all points, by the share as it is written."""
    return pl.lit(int(Decimal(str(share)) * (1 << 64)), pl.UInt64)


def _by_time(split: Split) -> pl.Expr:
    named = pl.lit(TRAIN)
    for name, since in ((VALIDATION, split.validation_from), (TEST, split.test_from)):
        if since is not None:
            named = pl.when(_since(str(split.at), since)).then(pl.lit(name)).otherwise(named)
    return named.cast(SPLIT_TYPE)


def _since(name: str, moment: str) -> pl.Expr:
    """Whether a date or moment is at or after another; a moment without a zone is one of UTC."""
    from schemas.fitness import moment_of

    at = moment_of(moment)
    column = pl.col(name)
    # In microseconds since 1970, which dates, moments with a zone and moments without one all have.
    micros = column.cast(pl.Datetime("us")).dt.epoch("us")
    return micros >= round(at.timestamp() * 1_000_000)
