"""Reasons in words: what a rule says, for the person who reads why a row was set aside.

Belongs here: sentences made from a check's parameters or a column's type. Does not belong here: values from data (a
reason says what the rule wants, not what was found), or escaping for a page (tasks/report).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.columns import ColumnSpec
    from schemas.pandera_model import DeclaredCheck

#: More values than this are cut; so is a text longer than that.
_LISTED, _CHARACTERS = 8, 80

NOT_NULLABLE = "is missing"


def of_check(check: DeclaredCheck) -> str:
    """What a check wants: its description if it has one, else words made from its parameters."""
    if check.description and check.description.strip():
        return " ".join(check.description.split())
    if check.builtin in _BUILT_IN:
        return _BUILT_IN[check.builtin](check.parameters)
    return f"does not pass the check {check.name}"


def of_cast(column: ColumnSpec) -> str:
    """What is wrong with a cell that could not be read as its column's type.

    Example:
        >>> from schemas.columns import ColumnSpec
        >>> of_cast(ColumnSpec("opened_at", pl.Date(), formats=("%Y-%m-%d", "%d/%m/%Y")))
        'is not a date written like %Y-%m-%d or %d/%m/%Y, or could be read as two'
    """
    dtype = column.dtype
    if isinstance(dtype, pl.Boolean):
        return f"is none of {_listed([*(column.true or ('true',)), *(column.false or ('false',))])}"
    if isinstance(dtype, pl.Enum):
        return f"is none of {_listed(dtype.categories.to_list())}"
    if isinstance(dtype, pl.Decimal):
        whole = dtype.precision - dtype.scale
        return f"is not a number of at most {whole} digits before the point and {dtype.scale} after it"
    if isinstance(dtype, pl.Date | pl.Datetime | pl.Time):
        how = f"written like {' or '.join(column.formats)}" if column.formats else "as ISO 8601 writes it"
        twice = ", or could be read as two" if len(column.formats) > 1 else ""
        clock = ", or is one that the clock there skips or repeats" if column.zone not in (None, "UTC") else ""
        return f"is not a {_TEMPORAL[type(dtype)]} {how}{twice}{clock}"
    if dtype.is_integer():
        return f"is not a whole number{_bounds(dtype)}"
    return "is not a number" if dtype.is_float() else "is not text"


def of_unique(columns: tuple[str, ...]) -> str:
    """What is wrong with a row that shares its value, or its values together, with another."""
    if len(columns) == 1:
        return "stands in another row too"
    return f"another row has the same {' and '.join(columns)}"


_TEMPORAL = {pl.Date: "date", pl.Datetime: "date and time", pl.Time: "time of day"}


def _bounds(dtype: pl.DataType) -> str:
    if dtype in (pl.Int64, pl.UInt64):  # nobody meets the bound by accident, and it is too long to read
        return "" if dtype == pl.Int64 else " of at least 0"
    lower, upper = pl.select(pl.lit(0, dtype).lower_bound().alias("lower"), pl.lit(0, dtype).upper_bound()).row(0)
    return f" between {lower} and {upper}"


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 1]}…"


def _listed(values: list[Any] | tuple[Any, ...] | frozenset[Any]) -> str:
    # A set has no order of its own, and one that depends on the process for texts.
    ordered = sorted(values, key=lambda value: (str(type(value)), value)) if isinstance(values, frozenset) else values
    shown = ", ".join(_shown(value) for value in list(ordered)[:_LISTED])
    return shown if len(ordered) <= _LISTED else f"{shown}, … ({len(ordered)} values)"


def _one_of(values: frozenset[Any], before: str) -> str:
    return f"must {before} {_listed(values)}" if len(values) == 1 else f"must {before} one of {_listed(values)}"


def _range(parameters: Mapping[str, Any]) -> str:
    low, high = _shown(parameters["min_value"]), _shown(parameters["max_value"])
    ends = [low] * (not parameters["include_min"]) + [high] * (not parameters["include_max"])
    without = f", without {' and '.join(ends)}" if ends else ""
    return f"must be between {low} and {high}{without}"


def _length(parameters: Mapping[str, Any]) -> str:
    low, high, exact = (parameters.get(name) for name in ("min_value", "max_value", "exact_value"))
    if exact is not None:
        return f"must be {exact} characters long"
    if low is None or high is None:
        return f"must be at {'most' if low is None else 'least'} {high if low is None else low} characters long"
    return f"must be between {low} and {high} characters long"


def _pattern(parameters: Mapping[str, Any]) -> str:
    pattern = parameters["pattern"]
    return _shown(str(getattr(pattern, "pattern", pattern)))


_BUILT_IN: dict[str | None, Callable[[Mapping[str, Any]], str]] = {
    "equal_to": lambda its: f"must be {_shown(its['value'])}",
    "not_equal_to": lambda its: f"must not be {_shown(its['value'])}",
    "greater_than": lambda its: f"must be more than {_shown(its['min_value'])}",
    "greater_than_or_equal_to": lambda its: f"must be at least {_shown(its['min_value'])}",
    "less_than": lambda its: f"must be less than {_shown(its['max_value'])}",
    "less_than_or_equal_to": lambda its: f"must be at most {_shown(its['max_value'])}",
    "in_range": _range,
    "isin": lambda its: _one_of(its["allowed_values"], "be"),
    "notin": lambda its: _one_of(its["forbidden_values"], "not be"),
    "str_matches": lambda its: f"must begin with a match of {_pattern(its)}",
    "str_contains": lambda its: f"must contain a match of {_pattern(its)}",
    "str_startswith": lambda its: f"must begin with {_shown(its['string'])}",
    "str_endswith": lambda its: f"must end with {_shown(its['string'])}",
    "str_length": _length,
    "unique_values_eq": lambda its: f"all its values together must be {_listed(its['values'])}",
}
