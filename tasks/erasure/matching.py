"""Matching: in which records a person's values stand.

Belongs here: the canonical text of a subject's cell, and expressions and frames that find it in typed rows, in raw
cells and in bytes that could not be parsed. Does not belong here: whose values they are (marks), or reading rows.

The canonical text is that of the typed value, so that `007` and `7` of an integer column are one; where a cell does
not cast, it is what its steps leave of it. White space around it does not count.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import polars as pl

from schemas.records import RAW

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from tasks.erasure.marks import Marks
    from tasks.normalise.plan import NormalisePlan

#: What may stand between the fields of a record that can't be parsed.
_FIELDS = re.compile(r"[,;\t|\r\n]")
#: What stands between words, if a word is what an id or an address is made of.
_WORDS = re.compile(r"[^\w.@+\-]+")
_JSON_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_AROUND = " \t\r\n\"'"


def canonical(plan: NormalisePlan, column: str) -> pl.Expr:
    """The canonical text of a cell, in a frame to which the plan was applied."""
    spec = next(each for each in plan.columns if each.name == column)
    return pl.coalesce(pl.col(column).cast(pl.String), plan.final_text(spec)).str.strip_chars()


def canonical_texts(plan: NormalisePlan, column: str, texts: Sequence[str]) -> pl.Series:
    """The canonical texts of raw cells of a column, as if all other cells of their rows were missing."""
    cells = pl.LazyFrame({column: texts}, schema={column: pl.String})
    return _applied(plan, cells, [column]).select(canonical(plan, column)).collect().to_series()


def in_typed(marks: Marks, schema: Container[str]) -> pl.Expr:
    """Whether a row of typed columns has a value that is marked; a column that it does not have can't have one."""
    return _any(
        _among(marks, column, pl.col(column).cast(pl.String).str.strip_chars())
        for column in marks.columns
        if column in schema
    )


def in_cells(marks: Marks, plan: NormalisePlan, rows: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    """Of rows of raw cells those with a value that is marked; only the keys of them.

    Args:
        marks: the values.
        plan: what the declaration does to cells.
        rows: with the keys, and raw cells as far as they had such columns when they were written.
        keys: columns that are wanted.
    """
    known = [column for column in marks.columns if any(spec.name == column for spec in plan.columns)]
    texts = [_among(marks, column, canonical(plan, column)) for column in known]
    return _applied(plan, rows, keys).filter(_any(texts)).select(keys)


def in_bytes(marks: Marks, plan: NormalisePlan) -> pl.Expr:
    """Whether the bytes of a record that can't be parsed have a value that is marked, as a field or a word of theirs.

    Nobody can tell which column such a field is in, so a short value may take along a record that is another's.
    """
    return pl.col(RAW).map_batches(lambda raw: _in_bytes(raw, marks, plan), return_dtype=pl.Boolean)


def words_of(raw: bytes) -> set[str]:
    r"""Everything in a record that may be a cell of it, however it is quoted or escaped.

    Example:
        >>> sorted(words_of(b'7, "ada@home.example"\n'))
        ['7', 'ada@home.example']
        >>> "Zoë" in words_of(rb'{"name": "Zo\u00eb", ')
        True
    """
    found: set[str] = set()
    for text in _decoded(raw):
        found.update(field.strip(_AROUND) for field in _FIELDS.split(text))
        found.update(word.strip(".") for word in _WORDS.split(text))
        found.update(_unescaped(text))
    return {word for word in found if word}


def _decoded(raw: bytes) -> Iterator[str]:
    try:
        yield raw.decode()
    except UnicodeDecodeError:
        yield raw.decode("cp1252", "replace")
    if b"\0" in raw:
        # Where a record begins in UTF-16 says nothing of which of the two it is.
        for encoding in ("utf-16-le", "utf-16-be"):
            yield raw.decode(encoding, "replace")


def _unescaped(text: str) -> Iterator[str]:
    for found in _JSON_TEXT.finditer(text):
        try:
            yield str(json.loads(found.group(), strict=False)).strip(_AROUND)
        except ValueError:
            yield found[1].strip(_AROUND)


def _in_bytes(raw: pl.Series, marks: Marks, plan: NormalisePlan) -> pl.Series:
    words = [sorted(words_of(each)) if each is not None else [] for each in raw]
    frame = pl.DataFrame({"words": words}, schema={"words": pl.List(pl.String)}).with_row_index("row")
    exploded = frame.explode("words").drop_nulls()
    distinct = exploded.get_column("words").unique()
    hits: set[str] = set()
    for column in marks.columns:
        if any(spec.name == column for spec in plan.columns):
            hits.update(distinct.filter(marks.among(column, canonical_texts(plan, column, distinct.to_list()))))
    rows = exploded.filter(pl.col("words").is_in(list(hits))).get_column("row")
    return frame.get_column("row").is_in(rows.implode()).alias(RAW)


def _applied(plan: NormalisePlan, rows: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    have = rows.collect_schema().names()
    names = [spec.name for spec in plan.columns]
    cells = [pl.col(each).cast(pl.String) if each in have else pl.lit(None, pl.String).alias(each) for each in names]
    return plan.applied(rows.select(*(key for key in keys if key not in names), *cells))


def _among(marks: Marks, column: str, texts: pl.Expr) -> pl.Expr:
    return texts.map_batches(lambda series: marks.among(column, series), return_dtype=pl.Boolean, is_elementwise=True)


def _any(exprs: Sequence[pl.Expr] | Iterator[pl.Expr]) -> pl.Expr:
    listed = list(exprs)
    return pl.any_horizontal(listed) if listed else pl.lit(value=False)
