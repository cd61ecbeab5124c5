"""Reasons: the bits of a mask as rule ids and words, and how many rows broke each rule.

Belongs here: decoding and counting of mask words. Does not belong here: the layout of the mask (mask), or the words
themselves (schemas/wording).

Only rows that are set aside are decoded. Rows break few different combinations of rules, so each chunk's distinct
words are decoded once and looked up; building the lists row by row would cost far more than the mask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from schemas.records import REASONS, RULES
from tasks.validate import mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.rules import Rule

_TEXTS = pl.List(pl.String)
_DECODED = pl.Struct({RULES: _TEXTS, REASONS: _TEXTS})


def decode(frame: pl.LazyFrame, rules: Sequence[Rule]) -> pl.LazyFrame:
    """Adds the rules that each row breaks.

    Args:
        frame: rows with the mask's words; only those that are set aside, it is work for each of them.
        rules: all rules, in the order of bits.

    Returns:
        The frame with `_rules` List[String], the ids in the order of bits, and `_reasons` List[String], each one's
        reason at the same place; both empty where no rule is broken. The mask's words are kept.
    """
    decoded = pl.struct(mask.words(len(rules))).map_batches(
        lambda words: _decoded(words, rules), return_dtype=_DECODED, is_elementwise=True
    )
    return frame.with_columns(decoded.struct.unnest())


def counting(rules: Sequence[Rule]) -> list[pl.Expr]:
    """Aggregates that count, over frames with the mask's words, the rows that broke each rule; named by rule id."""
    return [mask.bit(number).sum().alias(rule.id) for number, rule in enumerate(rules)]


def count(frame: pl.LazyFrame, rules: Sequence[Rule]) -> dict[str, int]:
    """How many rows broke each rule, by its id; rules that no row broke are there with 0."""
    counted = frame.select(pl.len().alias(""), *counting(rules)).collect(engine="streaming").row(0, named=True)
    return {rule.id: counted[rule.id] for rule in rules}


def _decoded(words: pl.Series, rules: Sequence[Rule]) -> pl.Series:
    masks = words.struct.unnest()
    distinct = masks.unique(maintain_order=True)
    broken = [_broken(row) for row in distinct.iter_rows()]
    texts = pl.DataFrame(
        {
            RULES: [[rules[number].id for number in numbers] for numbers in broken],
            REASONS: [[rules[number].reason for number in numbers] for numbers in broken],
        },
        schema={RULES: _TEXTS, REASONS: _TEXTS},
    )
    looked_up = masks.join(distinct.hstack(texts), on=masks.columns, how="left", maintain_order="left")
    return looked_up.select(pl.struct(RULES, REASONS)).to_series()


def _broken(words: tuple[int, ...]) -> list[int]:
    bits = sum(word << mask.WORD * number for number, word in enumerate(words))
    return [number for number in range(bits.bit_length()) if bits >> number & 1]
