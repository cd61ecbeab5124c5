"""Features: which columns a baseline reads, and as what.

Belongs here: from typed columns to what a model takes. Does not belong here: the models (baselines).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tasks.audit.floats import floats, has_floats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from schemas.labels import Labels

#: Words that a column of text has on average, at least; and the share of its values that are different ones.
_WORDS, _DIFFERENT = 3.0, 0.3
#: A column of other text is of categories if it has few values for its rows; else it names the row and teaches nothing.
_SHARE_OF_VALUES = 0.2
#: Categories that gradient boosting takes; rarer ones count as missing.
CATEGORIES = 255


class Chosen(NamedTuple):
    """The columns that a baseline reads.

    Attributes:
        text: columns of text; if there are any, the others are not read.
        features: columns of a table.
        left_out: columns that are neither.
    """

    text: tuple[str, ...]
    features: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Which baseline it is for."""
        return "text" if self.text else "table"


class Table(NamedTuple):
    """Columns as gradient boosting takes them.

    Attributes:
        values: rows by columns; NaN is missing, and a category is its number.
        categorical: which columns are of categories.
    """

    values: NDArray[np.float64]
    categorical: list[bool]


def choose(frame: pl.DataFrame, policy: Labels, columns: Sequence[str]) -> Chosen:
    """The columns that are declared, or those that the values make fit.

    Args:
        frame: the rows.
        policy: what is declared.
        columns: all that may be read; the label, the group and the split are not.

    Example:
        >>> from schemas.labels import Labels
        >>> rows = pl.DataFrame({"id": ["a", "b"], "text": ["not so short", "not so long"], "y": ["p", "q"]})
        >>> choose(rows, Labels("y"), ["id", "text"])
        Chosen(text=('text',), features=(), left_out=('id',))
    """
    if policy.text or policy.features:
        return Chosen(policy.text, policy.features)
    kinds = {name: _kind(frame.get_column(name)) for name in columns}
    text = tuple(name for name, kind in kinds.items() if kind == "text")
    features = tuple(name for name, kind in kinds.items() if kind == "feature")
    if text:
        return Chosen(text, (), tuple(name for name in columns if name not in text))
    return Chosen((), features, tuple(name for name in columns if name not in features))


def _kind(values: pl.Series) -> str:
    if values.dtype != pl.String:
        return "feature" if has_floats(values.dtype) else ""
    known = values.drop_nulls()
    if known.is_empty():
        return ""
    words = float(known.str.count_matches(r"\S+").mean() or 0)  # type: ignore[arg-type]  # a mean of counts is a float
    share = known.n_unique() / known.len()
    if words >= _WORDS and share >= _DIFFERENT:
        return "text"
    return "feature" if share <= _SHARE_OF_VALUES or known.n_unique() <= _few(known.len()) else ""


def _few(rows: int) -> int:
    return min(CATEGORIES, max(2, rows // 10))


def texts(frame: pl.DataFrame, columns: Sequence[str]) -> list[str]:
    """The text of each row, its columns one behind the other."""
    return frame.select(pl.concat_str(list(columns), separator="\n", ignore_nulls=True)).to_series().to_list()


def table(frame: pl.DataFrame, columns: Sequence[str]) -> Table:
    """Columns as numbers.

    Example:
        >>> rows = pl.DataFrame({"age": [1, None], "town": ["Ulm", "Bern"]})
        >>> table(rows, ["age", "town"]).values.tolist()
        [[1.0, 1.0], [nan, 0.0]]
    """
    made, categorical = [], []
    for name in columns:
        values = frame.get_column(name)
        is_category = values.dtype in (pl.String, pl.Categorical, pl.Enum)
        categorical.append(is_category)
        numbers = _codes(values.cast(pl.String)) if is_category else floats(values)
        made.append(numbers.fill_null(float("nan")).to_numpy())
    values_of_all = np.column_stack(made) if made else np.empty((frame.height, 0))
    return Table(values_of_all.astype(np.float64), categorical)


def _codes(values: pl.Series) -> pl.Series:
    """The number of each category in their order; of a rare one among too many, none."""
    counts = values.drop_nulls().value_counts().sort(["count", values.name], descending=[True, False])
    known = counts.head(CATEGORIES).get_column(values.name).sort()
    codes = {value: float(number) for number, value in enumerate(known)}
    return values.replace_strict(codes, default=None, return_dtype=pl.Float64)
