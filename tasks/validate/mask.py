"""The mask: which rules a row breaks, as bits.

Belongs here: the layout of the bits and the expressions that set and read them. Does not belong here: rules.

Rule i is bit i % 64 of the UInt64 column `_mask<i // 64>`; a bit that is set means that the row breaks the rule.
"""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Bits in a word.
WORD = 64


def words(rules: int) -> list[str]:
    """Names of the columns that hold the bits of so many rules; at least one."""
    return [f"_mask{word}" for word in range(max(1, -(-rules // WORD)))]


def set_bits(broken: Mapping[int, pl.Expr], rules: int) -> list[pl.Expr]:
    """The words of so many rules, from what tells for some of them that they are broken (Boolean, never null).

    Example:
        >>> pl.select(set_bits({0: pl.lit(value=True), 65: pl.lit(value=True)}, rules=66)).row(0)
        (1, 2)
    """
    return [_word(name, word, broken) for word, name in enumerate(words(rules))]


def bit(number: int) -> pl.Expr:
    """True where the rule of this number is broken."""
    return pl.col(f"_mask{number // WORD}") & _literal(1 << number % WORD) != 0


def any_of(numbers: Iterable[int]) -> pl.Expr:
    """True where any of the rules of these numbers is broken."""
    wanted: dict[int, int] = {}
    for number in numbers:
        wanted[number // WORD] = wanted.get(number // WORD, 0) | 1 << number % WORD
    hits = [pl.col(f"_mask{word}") & _literal(bits) != 0 for word, bits in sorted(wanted.items())]
    return pl.any_horizontal(hits) if hits else pl.lit(value=False)


def _word(name: str, word: int, broken: Mapping[int, pl.Expr]) -> pl.Expr:
    # A chain of |, which is faster than sum_horizontal over the same terms.
    bits = [
        pl.when(expr).then(_literal(1 << number % WORD)).otherwise(_literal(0))
        for number, expr in broken.items()
        if number // WORD == word
    ]
    return functools.reduce(operator.or_, bits, _literal(0)).alias(name)


@functools.cache
def _literal(value: int) -> pl.Expr:
    return pl.lit(value, pl.UInt64)
