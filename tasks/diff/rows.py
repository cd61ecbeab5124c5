"""Rows: which rows of a partition differ, told by hashes, so that no row has to be held.

Belongs here: the identity of a row (its partition, key and content, as hashes) and the verdict over frames of them.
Does not belong here: putting them aside (stage), or what the rows that differ hold (sample in stage).

A row is one of another version when it has the same key in the same partition: keys are unique within a partition only.
Rows without a key, those that lack a value in it and those whose key is repeated are compared as a whole, as many times
as they occur. Hashes have 128 bits: of a thousand million rows, two different ones are taken for the same with a chance
of one in 10^20.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Columns of an identity: two hashes of the key, two of the content, the side (0 is before), partition and row in it.
KEY, CONTENT, SIDE, PARTITION, AT = ("_key", "_key_2"), ("_content", "_content_2"), "_side", "_partition", "_at"
_SEEDS = (1, 2)
#: Rows of one identity on both sides, and where the first of them is.
_BEFORE, _AFTER, _AT_BEFORE, _AT_AFTER = "_before", "_after", "_at_before", "_at_after"


class RowCounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many rows are not the same in both versions."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    """Same key, other content."""
    unchanged: int = 0
    repeated_keys: int = 0
    """Keys that more than one row of a version has; their rows are compared as a whole."""

    def __add__(self, other: RowCounts) -> RowCounts:
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return RowCounts(*(one + another for one, another in pairs))


@dataclass(frozen=True)
class Place:
    """Where a row that differs stands: the number of its partition, and its row there in each version."""

    partition: int
    before: int | None
    after: int | None

    @property
    def order(self) -> tuple[int, int]:
        """First the partition, then the row."""
        return self.partition, self.after if self.after is not None else self.before or 0


@dataclass
class Verdict:
    """What was found so far.

    Attributes:
        most: places of each kind that are kept, the first ones.
        counts: of all rows.
        places: by kind: `added`, `removed`, `changed`.
    """

    most: int = 0
    counts: RowCounts = field(default_factory=RowCounts)
    places: dict[str, list[Place]] = field(default_factory=lambda: {"changed": [], "added": [], "removed": []})

    def add(self, identities: pl.DataFrame) -> None:
        """Judges rows among which are all of each key that is among them."""
        rows = _judged(identities)
        self.counts += _counts(rows)
        if self.most:
            for kind in self.places:
                self._keep(kind, _places(rows, kind, self.most))

    def add_whole(self, partition: int, *, before: int = 0, after: int = 0) -> None:
        """Adds the rows of a partition that only one of the versions has."""
        self.counts += RowCounts(added=after, removed=before)
        self._keep("removed", [Place(partition, row, None) for row in range(min(before, self.most))])
        self._keep("added", [Place(partition, None, row) for row in range(min(after, self.most))])

    def _keep(self, kind: str, places: list[Place]) -> None:
        found = self.places[kind]
        found += places
        found.sort(key=lambda place: place.order)
        del found[self.most :]


def identities(
    frame: pl.DataFrame, *, key: Sequence[str], columns: Sequence[str], side: int, partition: int, start: int
) -> pl.DataFrame:
    """The identities of a partition's rows.

    Args:
        frame: rows, one after another as they stand in the partition.
        key: columns of the key; none compares rows as a whole.
        columns: columns of the content; the same in both versions, in the same types.
        side: 0 for the version before, 1 for the one after.
        partition: the partition's number.
        start: how many rows of the partition stand before these.

    Example:
        >>> frame = pl.DataFrame({"id": [1, 1, None]})
        >>> found = identities(frame, key=["id"], columns=["id"], side=0, partition=3, start=10)
        >>> found["_at"].to_list(), found["_key"][0] == found["_key"][1]
        ([10, 11, 12], True)
    """
    content, number = _comparable(frame.select(columns)), pl.Series(PARTITION, [partition], dtype=pl.UInt32)
    hashed = content.select(
        *(content.hash_rows(seed).alias(name) for seed, name in zip(_SEEDS, CONTENT, strict=True)),
    )
    keys = hashed.select(pl.col(CONTENT[0]).alias(KEY[0]), pl.col(CONTENT[1]).alias(KEY[1]))
    if key:
        named = content.select(key)
        complete = named.select(pl.all_horizontal(pl.all().is_not_null()).alias("complete"))["complete"]
        keys = keys.with_columns(
            pl.when(complete).then(named.hash_rows(seed)).otherwise(pl.col(name)).alias(name)
            for seed, name in zip(_SEEDS, KEY, strict=True)
        )
    at = pl.int_range(start, start + frame.height, dtype=pl.UInt64, eager=True)
    placed = pl.concat([keys, hashed], how="horizontal").with_columns(
        pl.lit(side, pl.UInt8).alias(SIDE), pl.lit(partition, pl.UInt32).alias(PARTITION), at.alias(AT)
    )
    # Two partitions may have rows of one key, which are not the same row.
    salts = [number.hash(seed).item() for seed in _SEEDS]
    return placed.with_columns(
        (pl.col(name) ^ pl.lit(salt, pl.UInt64)).alias(name)
        for names in (KEY, CONTENT)
        for name, salt in zip(names, salts, strict=True)
    )


def _comparable(frame: pl.DataFrame) -> pl.DataFrame:
    """A category is a number, which may be another one in another file."""
    return frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))


def _judged(identities: pl.DataFrame) -> pl.DataFrame:
    """A row for each key and content, with how often both versions have it, and both numbers for the key alone."""
    is_before, is_after = pl.col(SIDE) == 0, pl.col(SIDE) == 1
    each = identities.group_by(*KEY, *CONTENT).agg(
        is_before.sum().cast(pl.Int64).alias(_BEFORE),
        is_after.sum().cast(pl.Int64).alias(_AFTER),
        pl.col(PARTITION).first(),
        pl.col(AT).filter(is_before).min().alias(_AT_BEFORE),
        pl.col(AT).filter(is_after).min().alias(_AT_AFTER),
    )
    before, after = (pl.col(name).sum().over(list(KEY)) for name in (_BEFORE, _AFTER))
    return each.with_columns(
        before.alias("_key_before"),
        after.alias("_key_after"),
        pl.col(_AT_BEFORE).max().over(list(KEY)).alias("_key_at_before"),
    ).with_columns(((pl.col("_key_before") > 1) | (pl.col("_key_after") > 1)).alias("_repeated"))


def _changed() -> pl.Expr:
    """The later content of a key that both versions have once, where it is another one."""
    once = (pl.col("_key_before") == 1) & (pl.col("_key_after") == 1)
    return once & (pl.col(_BEFORE) == 0)


def _changed_away() -> pl.Expr:
    """The earlier content of such a key."""
    once = (pl.col("_key_before") == 1) & (pl.col("_key_after") == 1)
    return once & (pl.col(_AFTER) == 0)


def _more_after() -> pl.Expr:
    return (pl.col(_AFTER) - pl.col(_BEFORE)).clip(0)


def _more_before() -> pl.Expr:
    return (pl.col(_BEFORE) - pl.col(_AFTER)).clip(0)


def _counts(rows: pl.DataFrame) -> RowCounts:
    # Where rows are compared as a whole, the key is the content.
    keyed = rows.filter(pl.col("_repeated") & (pl.col(KEY[0]) != pl.col(CONTENT[0])))
    added, removed, changed, unchanged = rows.select(
        _more_after().filter(~_changed()).sum().alias("added"),
        _more_before().filter(~_changed_away()).sum().alias("removed"),
        _changed().sum().alias("changed"),
        pl.min_horizontal(_BEFORE, _AFTER).sum().alias("unchanged"),
    ).row(0)
    return RowCounts(added, removed, changed, unchanged, keyed.select(pl.struct(KEY).n_unique()).item())


def _places(rows: pl.DataFrame, kind: str, most: int) -> list[Place]:
    nothing = pl.lit(None, pl.UInt64)
    which, before, after = {
        "changed": (_changed(), pl.col("_key_at_before"), pl.col(_AT_AFTER)),
        "added": ((_more_after() > 0) & ~_changed(), nothing, pl.col(_AT_AFTER)),
        "removed": ((_more_before() > 0) & ~_changed_away(), pl.col(_AT_BEFORE), nothing),
    }[kind]
    found = rows.filter(which).select(PARTITION, before.alias("before"), after.alias("after"))
    first = found.sort(PARTITION, pl.coalesce("after", "before")).head(most)
    return [Place(*row) for row in first.rows()]
