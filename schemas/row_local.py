"""Tells expressions that look at one row from those that look across rows.

Belongs here: the list of polars' expression nodes known to be row-local, and the walk over an expression's serialised
tree. Does not belong here: what follows from it for a rule (capture).

polars' own `expr.meta.is_row_separable()` can't be asked: polars 2.1 answers True for `.over(...)` and `cum_count()`.
So the list is of what is allowed, and whatever is not on it counts as looking across rows. That is the safe side: such
a rule is evaluated over a whole table, which is right for any expression, and only slower.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAIN = """
    Abs AsStruct Ceil Clip Coalesce Cut Erf Erfc Exp FillNull Floor FoldHorizontal Log Log1p MaxHorizontal
    MeanHorizontal MinHorizontal Negate Replace ReplaceStrict Round RoundSF Sign SumHorizontal Truncate
"""
_BOOLEAN = """
    AllHorizontal AnyHorizontal IsBetween IsClose IsFinite IsIn IsInfinite IsNan IsNotNan IsNotNull IsNull Not
"""
_STRING = """
    ConcatHorizontal Contains ContainsAny CountMatches EndsWith EscapeRegex Extract ExtractAll ExtractGroups
    ExtractMany Find FindMany Format Head JsonDecode JsonPathMatch LenBytes LenChars Lowercase Normalize PadEnd
    PadStart Replace ReplaceMany Reverse Slice Split SplitExact SplitN StartsWith StripChars StripCharsEnd
    StripCharsStart StripPrefix StripSuffix Tail Titlecase ToInteger Uppercase ZFill
"""
_TEMPORAL = """
    BaseUtcOffset CastTimeUnit Century Combine ConvertTimeZone Date DatetimeFunction Day DaysInMonth DSTOffset Hour
    IsLeapYear IsoYear Microsecond Millennium Millisecond Minute Month MonthEnd MonthStart Nanosecond OffsetBy
    OrdinalDay Quarter Replace ReplaceTimeZone Round Second Time TimeStamp ToString TotalDays TotalHours
    TotalMicroseconds TotalMilliseconds TotalMinutes TotalNanoseconds TotalSeconds Truncate Week WeekDay Year
"""
_LIST = "Contains CountMatches Get Join Length Max Mean Median Min Sum"

#: Functions by the group that polars serialises them in; "" holds those without one.
_ROW_LOCAL = {
    "": frozenset(_PLAIN.split()),
    "Boolean": frozenset(_BOOLEAN.split()),
    "StringExpr": frozenset(_STRING.split()),
    "TemporalExpr": frozenset(_TEMPORAL.split()),
    "ListExpr": frozenset(_LIST.split()),
    "StructExpr": frozenset(["FieldByName"]),
    "Categorical": frozenset(["EndsWith", "LenBytes", "LenChars", "StartsWith"]),
    "Pow": frozenset(["Generic", "Sqrt", "Cbrt"]),
    "Business": frozenset(["AddBusinessDay", "IsBusinessDay"]),
}


def is_row_local(expr: pl.Expr) -> bool:
    """Whether an expression's value in a row depends on that row alone; False also where that is not known.

    Example:
        >>> is_row_local(pl.col("fare") > 0), is_row_local(pl.col("fare") > pl.col("fare").mean())
        (True, False)
    """
    try:
        return _local(json.loads(expr.meta.serialize(format="json")))
    except (pl.exceptions.PolarsError, RecursionError):
        return False  # a Python function that can't be pickled, or a tree deeper than anyone writes by hand


def runs_python(expr: pl.Expr) -> bool:
    """Whether evaluating an expression calls a Python function."""
    try:
        return '"AnonymousFunction":' in expr.meta.serialize(format="json")
    except pl.exceptions.PolarsError:
        return True


def _local(node: object) -> bool:
    if not isinstance(node, dict) or len(node) != 1:
        return False  # a node without parts, such as "Len"
    ((kind, parts),) = node.items()
    walk = _WALKS.get(kind)
    return walk is not None and walk(parts)


def _all_local(*names: str) -> Callable[..., bool]:
    return lambda parts: all(_local(parts[name]) for name in names)


def _literal(value: dict[str, object]) -> bool:
    return next(iter(value)) in ("Scalar", "Dyn")  # the others are whole columns: Series, Range


def _function(parts: dict[str, Any]) -> bool:
    return all(map(_local, parts["input"])) and _known_function(parts["function"])


def _known_function(function: str | dict[str, Any]) -> bool:
    if isinstance(function, str):
        return function in _ROW_LOCAL[""]
    ((group, detail),) = function.items()
    if group not in _ROW_LOCAL:
        return group in _ROW_LOCAL[""]
    name = next(iter(detail)) if isinstance(detail, dict) else detail
    if (group, name) == ("StringExpr", "Strptime"):
        return detail[name][1]["format"] is not None  # without a format it is guessed from the column's first values
    return name in _ROW_LOCAL[group]


def _python_function(parts: dict[str, Any]) -> bool:
    # The flag is set by map_elements, and by map_batches where its author says is_elementwise=True.
    return "ROW_SEPARABLE" in parts["options"]["flags"] and all(map(_local, parts["input"]))


_WALKS: dict[str, Callable[..., bool]] = {
    "Column": lambda _: True,
    "Literal": _literal,
    "Alias": lambda parts: _local(parts[0]),
    "BinaryExpr": _all_local("left", "right"),
    "Cast": _all_local("expr"),
    "Eval": _all_local("expr"),  # evaluated within each row's list, whatever it does there
    "Ternary": _all_local("predicate", "truthy", "falsy"),
    "Function": _function,
    "AnonymousFunction": _python_function,
}
