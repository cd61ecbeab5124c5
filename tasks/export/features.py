"""Features: a clean table as numbers that a model can be fitted on.

Belongs here: which columns are features and of which kind, how each becomes numbers, and the map from labels to
classes. All of it is learnt from the train split alone, or taken from the declaration, so that nothing of the test
split is in it. Does not belong here: files (fit), or reading them (load).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
import polars as pl

from schemas.categories import text_of
from schemas.errors import UsageError, shown
from tasks.audit.floats import floats, has_floats

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from schemas.categories import Value

FeatureKind = Literal["number", "time", "boolean", "category", "text"]

#: A column of text with no more distinct values in the train split, and no greater share of them, is of categories.
_CATEGORIES, _SHARE = 50, 0.05


class Feature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column of the clean table, and what it becomes."""

    column: str
    kind: FeatureKind
    names: tuple[str, ...] = ()
    """Of the columns that it becomes; a text becomes none."""
    categories: tuple[str, ...] = ()
    """Each has a column of zeros and ones. What is none of them has zeros in all."""
    fill: float = 0.0
    """What a missing number becomes: the median of the train split."""
    mean: float = 0.0
    spread: float = 1.0
    """Standard deviation in the train split, missing ones filled in; 1 for a constant."""
    tells_missing: bool = False
    """Whether a column says where it is missing: where it is, somewhere in the train split."""


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be told."""

    column: str
    classes: tuple[str, ...] = ()
    """Class 0, 1, ...; none of a label that is a number."""


def label_of(train: pl.DataFrame, column: str, categories: Mapping[str, Sequence[Value]]) -> Label:
    """The label's map: the declared categories in their order, else the values of the train split, sorted.

    Example:
        >>> label_of(pl.DataFrame({"y": ["no", "yes", None]}), "y", {}).classes
        ('no', 'yes')
    """
    if column not in train.columns:
        raise UsageError(f"the clean table has no column {shown(column)}", where="--label")
    if column in categories:
        return Label(column, tuple(map(text_of, categories[column])))
    if train[column].dtype.is_numeric():
        return Label(column)
    return Label(column, tuple(train[column].cast(pl.String).drop_nulls().unique().sort().to_list()))


def features_of(
    train: pl.DataFrame, columns: Sequence[str], categories: Mapping[str, Sequence[Value]]
) -> tuple[Feature, ...]:
    """What each column becomes.

    Args:
        train: the train split.
        columns: which.
        categories: the declared ones.

    Example:
        >>> train = pl.DataFrame({"size": [1.0, None, 3.0], "kind": ["a", "b", "a"]})
        >>> [feature.names for feature in features_of(train, ["size", "kind"], {"kind": ["a", "b", "c"]})]
        [('size', 'size (missing)'), ('kind = a', 'kind = b', 'kind = c')]
    """
    return tuple(_feature(train[name], [text_of(value) for value in categories.get(name, ())]) for name in columns)


def matrix(frame: pl.DataFrame, features: Sequence[Feature], *, standard: bool = False) -> NDArray[np.float64]:
    """Rows of numbers, none of them missing.

    Args:
        frame: the rows.
        features: as they were learnt.
        standard: whether numbers and times have mean 0 and standard deviation 1 in the train split.
    """
    parts = [part for feature in features for part in _numbers(frame[feature.column], feature, standard=standard)]
    return np.column_stack(parts) if parts else np.empty((frame.height, 0))


def classes(column: pl.Series, label: Label) -> pl.Series:
    """The class of each row, or its number; null where the label is missing or unknown."""
    if not label.classes:
        return column.cast(pl.Float64)
    codes = {name: code for code, name in enumerate(label.classes)}
    texts = pl.Series(column.name, [None if value is None else text_of(value) for value in column.to_list()], pl.String)
    return texts.replace_strict(codes, default=None, return_dtype=pl.Int64)


def _kind(column: pl.Series, declared: Sequence[str]) -> FeatureKind:
    if column.dtype == pl.Boolean:
        return "boolean"
    if column.dtype.is_temporal():
        return "time"
    if column.dtype.is_numeric():
        return "number"
    if declared or column.dtype in (pl.Categorical, pl.Enum):
        return "category"
    distinct = column.n_unique()
    return "category" if distinct <= _CATEGORIES and distinct <= max(2, _SHARE * column.len()) else "text"


def _feature(column: pl.Series, declared: Sequence[str]) -> Feature:
    name, kind = column.name, _kind(column, declared)
    gaps = kind != "text" and _plain(column).null_count() > 0
    missing = (f"{name} (missing)",) if gaps else ()
    if kind == "text":
        return Feature(name, kind)
    if kind == "category":
        values = declared or column.cast(pl.String).drop_nulls().unique().sort().to_list()
        return Feature(
            name, kind, (*(f"{name} = {value}" for value in values), *missing), tuple(values), tells_missing=gaps
        )
    numbers = _plain(column)
    fill = float(numbers.median() or 0.0)  # type: ignore[arg-type]  # of floats
    filled = numbers.fill_null(fill).to_numpy()
    mean = float(filled.mean()) if filled.size else 0.0
    spread = float(filled.std()) if filled.size else 0.0
    return Feature(name, kind, (name, *missing), (), fill, mean, spread or 1.0, tells_missing=gaps)


def _plain(column: pl.Series) -> pl.Series:
    """A column as floats, in which everything that is no finite number is missing; one of text as it is."""
    return floats(column) if has_floats(column.dtype) else column.cast(pl.String)


def _numbers(column: pl.Series, feature: Feature, *, standard: bool) -> Iterator[NDArray[np.float64]]:
    if feature.kind == "text":
        return
    plain = _plain(column)
    if feature.kind == "category":
        for value in feature.categories:
            yield (plain == value).fill_null(value=False).cast(pl.Float64).to_numpy()
    else:
        numbers = plain.fill_null(feature.fill).to_numpy().astype(np.float64)
        yield (numbers - feature.mean) / feature.spread if standard and feature.kind != "boolean" else numbers
    if feature.tells_missing:
        yield plain.is_null().cast(pl.Float64).to_numpy()
