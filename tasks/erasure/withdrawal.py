"""Withdrawal: what is left of a partition's files when records are taken out of them.

Belongs here: frames in, frames out. Does not belong here: which records (matching), or writing the files.

Nothing else changes: the fates of all other records stay what they were when the erased ones were still among them.
So it makes no difference whether a partition is cleaned before a person is erased or afterwards (law 4), and nobody's
record changes because another person asked for something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from schemas.records import FILE, INPUT, LENGTH, OFFSET, RECORD, SOURCE, Role
from tasks.dedupe.ledger import own_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from schemas.records import RawFile

#: All that is known of an erased record.
ERASED_SCHEMA = pl.Schema(
    {FILE: pl.String(), SOURCE: pl.String(), RECORD: pl.UInt64(), OFFSET: pl.UInt64(), LENGTH: pl.UInt32()}
)


class Withdrawal(NamedTuple):
    """A partition without some records.

    Attributes:
        frames: the rows of each role.
        ids: `<sha256>:<number>` of all erased records of the partition, those of earlier erasures too.
        fates: role -> how many of its rows were taken out now.
    """

    frames: dict[Role, pl.LazyFrame]
    ids: tuple[str, ...]
    fates: dict[Role, int]


def withdrawn(
    frames: Mapping[Role, pl.LazyFrame], erased: Iterable[tuple[str, int]], inputs: Sequence[RawFile]
) -> Withdrawal:
    """Takes records out of all frames, and puts their places into one of their own.

    Args:
        frames: the rows of each role that has any.
        erased: sha256 of the raw file and number of each record.
        inputs: the partition's raw files.
    """
    gone = is_one_of(erased)
    firsts = {raw.sha256: raw.path for raw in inputs if not raw.redelivery_of}
    parts = {role: rows for role, rows in frames.items() if role not in (Role.REPAIRS, Role.ERASED)}
    taken = pl.collect_all([_places(rows.filter(gone), firsts) for rows in parts.values()])
    fates: dict[Role, int] = {role: places.height for role, places in zip(parts, taken, strict=True) if places.height}
    before = [frames[Role.ERASED].collect()] if Role.ERASED in frames else []
    places = _in_order(pl.concat([pl.DataFrame(schema=ERASED_SCHEMA), *before, *taken]), inputs)
    left: dict[Role, pl.LazyFrame] = {
        role: rows.filter(~gone) for role, rows in frames.items() if role is not Role.ERASED
    }
    if places.height:
        left[Role.ERASED] = places.lazy()
    ids = places.select(own_id()).to_series().unique(maintain_order=True)
    return Withdrawal(left, tuple(ids), fates)


def is_one_of(erased: Iterable[tuple[str, int]]) -> pl.Expr:
    """Whether a row with `_file` and `_record` is about one of these records."""
    numbers: dict[str, list[int]] = {}
    for file, record in erased:
        numbers.setdefault(file, []).append(record)
    of_file = [
        (pl.col(FILE) == file) & pl.col(RECORD).is_in(pl.Series(records, dtype=pl.UInt64).implode())
        for file, records in sorted(numbers.items())
    ]
    return pl.any_horizontal(of_file).fill_null(value=False) if of_file else pl.lit(value=False)


def placed(ids: Iterable[str]) -> list[tuple[str, int]]:
    """Records by their ids, as `Withdrawal.ids` has them.

    Example:
        >>> placed(["9f86d081:17"])
        [('9f86d081', 17)]
    """
    return [(file, int(record)) for file, _, record in (each.partition(":") for each in ids)]


def _places(rows: pl.LazyFrame, firsts: Mapping[str, str]) -> pl.LazyFrame:
    have = rows.collect_schema().names()
    # A kept record is the first delivery's.
    source = pl.col(FILE).replace_strict(dict(firsts), default=None, return_dtype=pl.String)
    return rows.select(FILE, pl.col(SOURCE) if SOURCE in have else source.alias(SOURCE), RECORD, OFFSET, LENGTH).cast(
        ERASED_SCHEMA
    )


def _in_order(places: pl.DataFrame, inputs: Sequence[RawFile]) -> pl.DataFrame:
    order = pl.DataFrame(
        {SOURCE: [raw.path for raw in inputs], INPUT: range(len(inputs))}, schema={SOURCE: pl.String, INPUT: pl.UInt32}
    )
    return places.join(order, on=SOURCE, how="left").sort(INPUT, RECORD).drop(INPUT)
