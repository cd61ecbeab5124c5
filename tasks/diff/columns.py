"""Columns: how the values of each column lie, added up frame by frame in bounded memory.

Belongs here: counts, means, quantiles, ranges and frequent values, and which values are new. Does not belong here:
which rows are looked at (stage), or single rows (rows).

Counts, means, extremes and the values of columns with few of them are exact. Quantiles are exact up to `SAMPLED` rows;
of more, they are those of so many rows, chosen by their hashes, hence the same ones each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

#: Rows of which quantiles are taken; their rank is then off by 0.4 % of the rows, at most, nineteen times of twenty.
SAMPLED = 65_536
#: Values of a column that are counted one by one; one with more holds free text, or identifies the row.
COUNTED = 10_000
#: Values that are told.
_TOLD = 10
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_CATEGORIES = (pl.String, pl.Boolean, pl.Categorical, pl.Enum)
_HASH = "\x00hash"  # no column that is declared can be called so


class ValueCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value and the rows that have it."""

    value: str
    rows: int


class Distribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the values of a column lie; of a personal column, only how many there are."""

    rows: int
    nulls: int
    nan: int | None = None
    mean: float | None = None
    least: float | str | None = None
    greatest: float | str | None = None
    quantiles: dict[str, float] | None = None
    """By their names, `p05` to `p95`."""
    estimated: bool = False
    """Whether the quantiles are those of a part of the rows."""
    distinct: int | None = None
    """How many values there are; None where they are too many to be counted one by one, or are no categories."""
    top: tuple[ValueCount, ...] = ()
    mean_length: float | None = None
    """Characters of a text."""


class Distributions:
    """Adds up the distributions of all columns.

    Example:
        >>> found = Distributions({"a": pl.Int64(), "b": pl.String()}, personal=())
        >>> found.add(pl.DataFrame({"a": [1, 2, None], "b": ["x", "y", "x"]}))
        >>> found.of("a").mean, found.of("a").nulls, found.of("b").top[0]
        (1.5, 1, ValueCount(value='x', rows=2))
    """

    def __init__(self, schema: Mapping[str, pl.DataType], *, personal: Collection[str]) -> None:
        """Prepares to add.

        Args:
            schema: the columns; every frame has them all, in these types.
            personal: columns of which only rows and nulls are counted.
        """
        self.rows = 0
        self._schema = dict(schema)
        shown = {name: dtype for name, dtype in schema.items() if name not in personal}
        self._numbers = [name for name, dtype in shown.items() if dtype.is_numeric()]
        self._times = [name for name, dtype in shown.items() if dtype.is_temporal()]
        self._texts = [name for name, dtype in shown.items() if dtype == pl.String]
        self._values: dict[str, pl.DataFrame | None] = {
            name: _no_values() for name, dtype in shown.items() if isinstance(dtype, _CATEGORIES)
        }
        self._totals: dict[str, Any] = {}
        self._sample: pl.DataFrame | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """Adds the rows of a frame."""
        self.rows += frame.height
        numbers = frame.select(pl.col(self._numbers).cast(pl.Float64, strict=False))
        for totals in (
            frame.select(pl.col(name).null_count().alias(f"nulls {name}") for name in self._schema),
            frame.select(pl.col(name).str.len_chars().sum().alias(f"length {name}") for name in self._texts),
            frame.select(_extremes(self._times)),
            numbers.select(pl.col(name).is_nan().sum().alias(f"nan {name}") for name in self._numbers),
            numbers.fill_nan(None).select(
                *(pl.col(name).sum().alias(f"sum {name}") for name in self._numbers), *_extremes(self._numbers)
            ),
        ):
            for key, value in totals.rows(named=True)[0].items() if totals.width else ():
                self._totals[key] = _combined(key.partition(" ")[0], self._totals.get(key), value)
        for name, counts in self._values.items():
            self._values[name] = None if counts is None else _counted(counts, frame[name])
        self._add_sample(frame, numbers)

    def of(self, name: str) -> Distribution:
        """The distribution of a column over all rows so far."""
        nulls = int(self._totals.get(f"nulls {name}") or 0)
        if name in self._numbers:
            return self._number(name, nulls)
        if name in self._times:
            least, greatest = (self._totals.get(f"{end} {name}") for end in ("min", "max"))
            return Distribution(self.rows, nulls, least=_told(least), greatest=_told(greatest))
        if name not in self._values:
            return Distribution(self.rows, nulls)
        counts, length = self._values[name], None
        if name in self._texts and self.rows > nulls:
            length = int(self._totals[f"length {name}"] or 0) / (self.rows - nulls)
        if counts is None:
            return Distribution(self.rows, nulls, mean_length=length)
        return Distribution(self.rows, nulls, distinct=counts.height, top=_first(counts), mean_length=length)

    def values(self, name: str) -> pl.DataFrame | None:
        """The values of a column as `value`, `rows`; None where they are too many, or no categories."""
        return self._values.get(name)

    def _number(self, name: str, nulls: int) -> Distribution:
        nan = int(self._totals.get(f"nan {name}") or 0)
        known = self.rows - nulls - nan
        if known == 0 or self._sample is None:
            return Distribution(self.rows, nulls, nan)
        of_sample = self._sample[name].drop_nulls().drop_nans()
        return Distribution(
            self.rows,
            nulls,
            nan,
            mean=self._totals[f"sum {name}"] / known,
            least=self._totals[f"min {name}"],
            greatest=self._totals[f"max {name}"],
            quantiles={f"p{share * 100:02.0f}": _quantile(of_sample, share) for share in _QUANTILES}
            if len(of_sample)
            else None,
            estimated=self._sample.height < self.rows,
        )

    def _add_sample(self, frame: pl.DataFrame, numbers: pl.DataFrame) -> None:
        if not self._numbers:
            return
        # The position is hashed with the row: of many rows that are equal, as many are chosen as of others.
        places = pl.Series("at", range(self.rows - frame.height, self.rows), dtype=pl.UInt64)
        added = numbers.with_columns(places.hash(1).alias(_HASH))
        held = added if self._sample is None else pl.concat([self._sample, added])
        self._sample = held if held.height <= SAMPLED else held.bottom_k(SAMPLED, by=_HASH)


def new_and_vanished(
    before: pl.DataFrame | None, after: pl.DataFrame | None
) -> tuple[tuple[ValueCount, ...], tuple[ValueCount, ...]]:
    """The most frequent values that only the later rows have, and those that only the earlier ones have.

    Example:
        >>> a = pl.DataFrame({"value": ["x", "y"], "rows": [1, 2]})
        >>> b = pl.DataFrame({"value": ["x", "z"], "rows": [1, 3]})
        >>> [each[0].value for each in new_and_vanished(a, b)]
        ['z', 'y']
    """
    if before is None or after is None:
        return (), ()
    return _first(after.join(before, on="value", how="anti")), _first(before.join(after, on="value", how="anti"))


def _no_values() -> pl.DataFrame:
    return pl.DataFrame(schema={"value": pl.String, "rows": pl.UInt64})


def _extremes(names: Sequence[str]) -> list[pl.Expr]:
    return [
        *(pl.col(name).min().alias(f"min {name}") for name in names),
        *(pl.col(name).max().alias(f"max {name}") for name in names),
    ]


def _counted(counts: pl.DataFrame, column: pl.Series) -> pl.DataFrame | None:
    """The counts with those of a column's values; None when they are too many."""
    values = column.drop_nulls().cast(pl.String).alias("value")
    added = values.to_frame().group_by("value").agg(pl.len().cast(pl.UInt64).alias("rows"))
    together = pl.concat([counts, added]).group_by("value").agg(pl.col("rows").sum())
    return together if together.height <= COUNTED else None


def _first(counts: pl.DataFrame) -> tuple[ValueCount, ...]:
    first = counts.sort(["rows", "value"], descending=[True, False]).head(_TOLD)
    return tuple(ValueCount(value, rows) for value, rows in first.select("value", "rows").rows())


def _combined(kind: str, one: Any, other: Any) -> Any:  # noqa: ANN401  # sums of numbers, extremes of dates
    if one is None or other is None:
        return other if one is None else one
    match kind:
        case "min":
            return min(one, other)
        case "max":
            return max(one, other)
        case _:
            return one + other


def _quantile(values: pl.Series, share: float) -> float:
    found = values.quantile(share, interpolation="nearest")
    return float(found) if found is not None else float("nan")


def _told(moment: object) -> str | None:
    return None if moment is None else str(moment)
