"""Report: what a comparison of two versions tells.

Belongs here: its records, and which columns of two versions are the same. Does not belong here: finding anything
(partitions, columns, rows), or printing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from schemas.records import Books
from tasks.diff.columns import Distribution, Distributions, ValueCount, new_and_vanished
from tasks.diff.partitions import PartitionChange, RuleChange
from tasks.diff.rows import RowCounts

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: In the place of a value that is shown to nobody.
MASKED = "(personal)"
#: Characters of a value that are told.
_MOST_CHARACTERS = 200


class ColumnDiff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column of either version."""

    column: str
    change: str | None
    """added, removed or retyped; None where both versions have it in one type."""
    dtype_before: str | None
    dtype_after: str | None
    personal: bool
    before: Distribution | None
    """In the partitions that differ; None where nothing was read."""
    after: Distribution | None
    new: tuple[ValueCount, ...] = ()
    """Its most frequent values that no earlier row has."""
    vanished: tuple[ValueCount, ...] = ()


class CellDiff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cell of a row that differs; of an added or removed row each cell that is not missing."""

    column: str
    before: str | None
    after: str | None


class RowDiff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row that differs."""

    kind: str
    """added, removed or changed."""
    partition: str
    record_before: str | None
    """Its record, as `winnow explain` takes it."""
    record_after: str | None
    key: dict[str, str | None]
    cells: tuple[CellDiff, ...]


class DiffReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How two versions of a data set differ."""

    dataset: str
    before: int
    after: int
    same: bool
    """Whether both have the same content."""
    books_before: Books
    """Of all partitions."""
    books_after: Books
    partitions: tuple[PartitionChange, ...]
    rules: tuple[RuleChange, ...]
    columns: tuple[ColumnDiff, ...]
    key: tuple[str, ...]
    """Columns by which rows were told apart; none compares them as a whole."""
    rows: RowCounts
    sample: tuple[RowDiff, ...] = ()


def column_diff(
    name: str,
    types: tuple[Mapping[str, pl.DataType], Mapping[str, pl.DataType]],
    found: tuple[Distributions | None, Distributions | None],
    personal: Collection[str],
) -> ColumnDiff:
    """What became of a column.

    Args:
        name: its name.
        types: the types of all columns before and after.
        found: the distributions before and after, where rows were read.
        personal: columns whose values are shown to nobody.
    """
    before, after = (each.get(name) for each in types)
    values = [each.values(name) if each and name in kinds else None for each, kinds in zip(found, types, strict=True)]
    new, vanished = new_and_vanished(*values)
    of = [each.of(name) if each and name in kinds else None for each, kinds in zip(found, types, strict=True)]
    return ColumnDiff(
        column=name,
        change=_change(before, after),
        dtype_before=None if before is None else str(before),
        dtype_after=None if after is None else str(after),
        personal=name in personal,
        before=of[0],
        after=of[1],
        new=new,
        vanished=vanished,
    )


def common_types(before: Mapping[str, pl.DataType], after: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """Columns that both versions have, in the type that holds the values of both; text where there is none.

    Example:
        >>> common_types({"a": pl.Int32(), "b": pl.Date()}, {"a": pl.Float64(), "b": pl.Boolean(), "c": pl.Date()})
        {'a': Float64, 'b': String}
    """
    return {name: _common(before[name], after[name]) for name in before if name in after}


def told(value: object) -> str | None:
    """A value as text, cut; None is missing."""
    if value is None:
        return None
    text = str(value)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"


def _change(before: pl.DataType | None, after: pl.DataType | None) -> str | None:
    if before is None:
        return "added"
    if after is None:
        return "removed"
    return None if before == after else "retyped"


def _common(one: pl.DataType, other: pl.DataType) -> pl.DataType:
    if one == other:
        return one
    empty = (pl.DataFrame(schema={"a": dtype}) for dtype in (one, other))
    try:
        return pl.concat(empty, how="vertical_relaxed").schema["a"]
    except pl.exceptions.PolarsError:
        return pl.String()
