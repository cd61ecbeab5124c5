"""Expressions: what each declared step does to the text of a cell.

Belongs here: one function from text to text for each step, registered by the step's class. Does not belong here: the
order in which steps run and what is logged of them (plan).

A null stays null in every step.
"""

from __future__ import annotations

import functools
import re
import unicodedata

import polars as pl

from schemas import steps
from schemas.personal_data import masked

#: Whole numbers below this are told exactly by a float.
_WHOLE = 2.0**53


@functools.singledispatch
def applied(step: steps.Step, text: pl.Expr) -> pl.Expr:
    """The text of a cell after a step.

    Args:
        step: the declared step.
        text: a String expression.

    Example:
        >>> pl.select(applied(steps.lowercase("c"), pl.lit("Billing"))).item()
        'billing'
    """
    raise NotImplementedError(type(step).__name__)


def altered(step: steps.Step, before: pl.Expr, after: pl.Expr) -> pl.Expr:
    """Whether a step changed the *value* of a cell, not only how it was written."""
    changed = before.ne_missing(after)
    if isinstance(step, steps.Units):
        converting = [unit for unit, factor in step.factors.items() if factor != 1]
        if not converting:
            return pl.lit(value=False)
        return changed & before.str.extract(_quantity(converting), 2).is_not_null()
    return changed if step.changes_value else pl.lit(value=False)


@applied.register
def _strip(_step: steps.Strip, text: pl.Expr) -> pl.Expr:
    return text.str.strip_chars()


@applied.register
def _collapse_whitespace(_step: steps.CollapseWhitespace, text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(r"\s+", " ")


@applied.register
def _nfc(_step: steps.Nfc, text: pl.Expr) -> pl.Expr:
    # polars' own normalize looks at every cell; most cells are ASCII, which is in form C already. Python's is the
    # faster one on the rest.
    is_ascii = text.str.len_bytes() == text.str.len_chars()
    return pl.when(is_ascii).then(text).otherwise(_normalized(pl.when(~is_ascii).then(text)))


def _normalized(text: pl.Expr) -> pl.Expr:
    return text.map_elements(functools.partial(unicodedata.normalize, "NFC"), return_dtype=pl.String, skip_nulls=True)


@applied.register
def _lowercase(_step: steps.Lowercase, text: pl.Expr) -> pl.Expr:
    return text.str.to_lowercase()


@applied.register
def _uppercase(_step: steps.Uppercase, text: pl.Expr) -> pl.Expr:
    return text.str.to_uppercase()


@applied.register
def _null_tokens(step: steps.NullTokens, text: pl.Expr) -> pl.Expr:
    return without_tokens(text, step.tokens)


def without_tokens(text: pl.Expr, tokens: tuple[str, ...]) -> pl.Expr:
    """The text, or null where it is one of the tokens (compared without the white space around it)."""
    # A column that is null nearly everywhere is all that is stripped and compared.
    maybe = pl.when(_begins_like(text, tokens)).then(text)
    return pl.when(~maybe.str.strip_chars().is_in(tokens).fill_null(value=False)).then(text)


def _begins_like(text: pl.Expr, tokens: tuple[str, ...]) -> pl.Expr:
    """Whether a text is empty or begins like one of the tokens, or with what may be white space: all but `!` to `~`."""
    firsts = sorted({token[0] for token in tokens if token})
    return pl.any_horizontal(text < "!", text > "~", *(text.str.starts_with(first) for first in firsts))


@applied.register
def _number(step: steps.Number, text: pl.Expr) -> pl.Expr:
    plain = text.str.strip_chars()
    if step.thousands:
        plain = plain.str.replace_all(step.thousands, "", literal=True)
    plain = plain.str.replace_all(step.decimal, ".", literal=True)
    return pl.when(~misread(step, text)).then(plain).otherwise(text)


def misread(step: steps.Step, text: pl.Expr) -> pl.Expr:
    """Whether a step leaves text that a cast would take for another value: `1.5` where a point separates thousands."""
    if not isinstance(step, steps.Number):
        return pl.lit(value=False)
    decimal, thousands = re.escape(step.decimal), re.escape(step.thousands)
    fraction = rf"(?:{decimal}[0-9]*)?(?:[eE][+-]?[0-9]+)?"
    whole = rf"(?:[0-9]+|[0-9]{{1,3}}(?:{thousands}[0-9]{{3}})+)" if step.thousands else "[0-9]+"
    return ~text.str.contains(rf"^\s*[+-]?{whole}{fraction}\s*$")


def _quantity(units: list[str]) -> str:
    names = "|".join(re.escape(unit) for unit in sorted(units, key=len, reverse=True))
    return rf"^\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*({names})\s*$"


@applied.register
def _units(step: steps.Units, text: pl.Expr) -> pl.Expr:
    pattern = _quantity(list(step.factors))
    amount, unit = text.str.extract(pattern, 1), text.str.extract(pattern, 2)
    factor = unit.replace_strict(step.factors, default=None, return_dtype=pl.Float64)
    product = amount.cast(pl.Float64, strict=False) * factor
    # Written as a whole number where it is one, so that it can go into a column of integers.
    whole = (product == product.floor()) & (product.abs() < _WHOLE)
    number = (
        pl.when(whole).then(product.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(product.cast(pl.String))
    )
    # A factor of 1 keeps the digits as they were written: parsing and printing them could drop some. What has no
    # finite product stays as it is, and so fails to cast.
    return pl.when(factor == 1).then(amount).when(product.is_finite()).then(number).otherwise(text)


@applied.register
def _booleans(step: steps.Booleans, text: pl.Expr) -> pl.Expr:
    words = {word.lower(): "true" for word in step.true} | {word.lower(): "false" for word in step.false}
    found = text.str.strip_chars().str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.String)
    return pl.coalesce(found, text)


@applied.register
def _synonyms(step: steps.Synonyms, text: pl.Expr) -> pl.Expr:
    return text.replace(step.spellings)


@applied.register
def _mask(step: steps.Mask, text: pl.Expr) -> pl.Expr:
    return masked(text, step.kind)
