"""Categories: the values that a model declares for a column, so that one without rows is known to be missing.

Belongs here: reading them from `isin`, Enum and Boolean. Does not belong here: counting rows (tasks/audit/coverage), or
the map from labels to numbers (tasks/export/features).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from schemas.pandera_model import PanderaModel, read_model

if TYPE_CHECKING:
    from collections.abc import Iterable

#: A declared value.
Value = str | int | float | bool


def categories_of(model: PanderaModel) -> dict[str, tuple[Value, ...]]:
    """The declared values of each column that has them, in the order of the declaration where it has one.

    Example:
        >>> import pandera.polars as pa
        >>> class Tickets(pa.DataFrameModel):
        ...     intent: str = pa.Field(isin=["bug", "billing"])
        ...     paid: bool
        ...     text: str
        >>> categories_of(Tickets)
        {'intent': ('billing', 'bug'), 'paid': (False, True)}
    """
    found: dict[str, tuple[Value, ...]] = {}
    for column in read_model(model).columns:
        allowed = [check.parameters["allowed_values"] for check in column.checks if check.builtin == "isin"]
        if isinstance(column.dtype, pl.Enum):
            found[column.name] = tuple(column.dtype.categories.to_list())
        elif isinstance(column.dtype, pl.Boolean):
            found[column.name] = (False, True)
        elif allowed:
            found[column.name] = tuple(_ordered(set.intersection(*map(set, allowed))))
    return found


def text_of(value: Value) -> str:
    """A value as the clean table has it when it is cast to text.

    Example:
        >>> text_of(True), text_of(7)
        ('true', '7')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)


def _ordered(values: Iterable[Value]) -> list[Value]:
    # pandera keeps a set, whose order differs from process to process.
    return sorted(values, key=lambda value: (isinstance(value, str), value))
