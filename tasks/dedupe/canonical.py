"""Canonical: the form of a value in which two spellings of it are equal, kept apart from the value that is published.

Belongs here: what the declared forms mean. Does not belong here: changing values (steps do, and say so in repairs), or
comparing keys (exact, across).

Forms are taken in one order, whatever the order of the declaration: `unicode`, `case`, `accents`, `punctuation`,
`whitespace`, `number`, `date`. A value of which nothing is left is missing, and a record with a missing key is the
duplicate of none. Unicode is that of the running Python (Unicode Standard Annex 15 for its normal forms).
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, TypeVar

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
    Forms = Iterable[tuple[str, tuple[str, ...]]]

#: What the names of columns begin with that hold canonical values.
SAME = "_same."
_NUMBER = r"^\s*([+-]?)0*([0-9]+)(?:\.([0-9]*?)0*)?\s*$"
_NOT_ASCII = r"[^\x00-\x7F]"
#: Year first, or the day and the month could be either.
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")


def with_canonical(frame: Frame, canonical: Forms) -> Frame:
    """The frame with a column more for each that has declared forms.

    Example:
        >>> frame = pl.DataFrame({"name": ["José  Ruiz", "jose\u0301 ruiz "]})
        >>> with_canonical(frame, [("name", ("case", "whitespace"))])["_same.name"].to_list()
        ['josé ruiz', 'josé ruiz']
    """
    added = [canonical_form(name, forms).alias(f"{SAME}{name}") for name, forms in canonical]
    return frame.with_columns(added) if added else frame


def canonical_form(name: str, forms: Iterable[str]) -> pl.Expr:
    """The canonical value of a column of text."""
    wanted, value = set(forms), pl.col(name)
    value = _of_few(value, lambda text: unicodedata.normalize("NFC", text))
    if "case" in wanted:
        value = _of_few(value.str.to_lowercase(), lambda text: unicodedata.normalize("NFC", text.casefold()))
    if "accents" in wanted:
        value = _of_few(value, _without_accents)
    if "punctuation" in wanted:
        value = value.str.replace_all(r"[\p{P}\p{S}]", "")
    if "whitespace" in wanted:
        value = value.str.replace_all(r"\s+", " ").str.strip_chars(" ")
    if "number" in wanted:
        value = _number(value)
    if "date" in wanted:
        value = _date(value)
    return pl.when(value != "").then(value).alias(name)


def _of_few(value: pl.Expr, change: Callable[[str], str]) -> pl.Expr:
    """The value changed where it is not plain ASCII: Python is slow, and changes nothing else here."""

    def changed(texts: pl.Series) -> pl.Series:
        at = texts.str.contains(_NOT_ASCII).fill_null(value=False).arg_true()
        if not at.len():
            return texts
        return texts.scatter(at, pl.Series([change(text) for text in texts.gather(at)], dtype=pl.String))

    return value.map_batches(changed, return_dtype=pl.String(), is_elementwise=True)


def _without_accents(text: str) -> str:
    parts = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(each for each in parts if not unicodedata.combining(each)))


def _number(value: pl.Expr) -> pl.Expr:
    """Decimal numbers without what does not change them: `+007.50` is `7.5`; other text stays."""
    sign, whole, rest = (value.str.extract(_NUMBER, group) for group in (1, 2, 3))
    rest = pl.when(rest.fill_null("") == "").then(pl.lit("")).otherwise(pl.concat_str(pl.lit("."), rest))
    digits = pl.concat_str(whole, rest)
    minus = pl.when((sign == "-") & (digits != "0")).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.when(whole.is_not_null()).then(pl.concat_str(minus, digits)).otherwise(value)


def _date(value: pl.Expr) -> pl.Expr:
    """Dates with the year first as `2026-11-30`; other text stays."""
    dates = [value.str.strip_chars().str.to_date(each, strict=False, exact=True).cast(pl.String) for each in _DATES]
    return pl.coalesce(*dates, value)


def compared(key: Iterable[str], canonical: Mapping[str, object]) -> tuple[str, ...]:
    """The columns in which records of one key are equal.

    Example:
        >>> compared(["name", "born"], {"name": ("case",)})
        ('_same.name', 'born')
    """
    return tuple(f"{SAME}{name}" if name in canonical else name for name in key)
