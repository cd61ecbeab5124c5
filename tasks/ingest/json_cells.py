r"""JSON cells: columns of JSON values into columns of cells, without a Python object for each.

Belongs here: what a cell is for each kind of value: a string itself, a number its digits, null nothing, a nested value
compact JSON. Does not belong here: which texts are values (plain_json has proved it of all but the nested ones).
"""

from __future__ import annotations

import polars as pl

from tasks.ingest.exact_json import compact
from tasks.ingest.json_pattern import NESTED

#: A string, which is kept, or blanks between the parts of a value, which are not.
_STRING_OR_BLANKS = r'("(?:[^"\\]|\\.)*")| +'
#: Escapes that compact JSON may write otherwise. An escaped backslash before such a letter is taken for one of them.
_REWRITTEN = r"\\[u/]"


def cells_of(values: pl.Series, *, nested: bool, escapes: bool) -> tuple[pl.Series, pl.Series]:
    r"""Cells of a column of JSON values, and which rows have one.

    Args:
        values: String: scalars as they are written, or null for an absent one. Their strings and numbers are valid.
        nested: whether arrays and objects may be among them, of which only the brackets are known to close.
        escapes: whether strings with escapes may be among them.

    Returns:
        String: the cells, null for an absent value and the value null. Boolean: whether the value is JSON.

    Example:
        >>> values = pl.Series(['"a\\n"', "1.10", "null", "[1, 2]", "[1 2]"])
        >>> cells, valid = cells_of(values, nested=True, escapes=True)
        >>> cells.to_list(), valid.to_list()
        (['a\n', '1.10', None, '[1,2]', None], [True, True, True, True, False])
    """
    strings = values.str.starts_with('"')
    # A string that itself begins or ends with a quote has an escape before it, and is written anew below.
    cells = values.str.strip_chars('"') if strings.any() else values
    nulls = values == "null"
    if nulls.any():
        cells = cells.set(nulls, None)
    valid = pl.repeat(True, len(values), eager=True)
    if nested:
        within = values.str.starts_with("[") | values.str.starts_with("{")
        made = _nested_cells(values.filter(within))
        cells = cells.scatter(within.arg_true(), made)
        valid = valid.scatter(within.arg_true(), made.is_not_null())
    if escapes and (escaped := strings & values.str.contains("\\", literal=True)).any():
        cells = cells.scatter(escaped.arg_true(), values.filter(escaped).str.json_decode(pl.String))
    return cells, valid


def _nested_cells(values: pl.Series) -> pl.Series:
    """Arrays and objects as compact JSON, and null for what is no JSON."""
    valid = values.str.contains(NESTED)
    cells = values.set(~valid, None) if not valid.all() else values
    if cells.str.contains(" ", literal=True).any():
        cells = cells.str.replace_all(_STRING_OR_BLANKS, "${1}")
    rewritten = cells.str.contains(_REWRITTEN)
    if rewritten.any():
        made = [compact(text) for text in cells.filter(rewritten)]
        cells = cells.scatter(rewritten.arg_true(), pl.Series(made, dtype=pl.String))
    return cells
