"""Likeness: when two sets of shingles are similar, in whole numbers.

Belongs here: the arithmetic of thresholds, and how similar two texts are. Does not belong here: what a shingle is
(shingles), or which texts are worth comparing (join).

A similarity is a fraction of counts and a threshold the fraction that its decimals say, so that no rounding decides
about a text. How many shingles two sets must share follows from their sizes: Xiao, Wang, Lin, Yu, Efficient similarity
joins for near-duplicate detection (PPJoin, 2008), section 2.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.dedupe.near.shingles import shingle_set

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from schemas.policies import Near

    Numbers = NDArray[np.int64]


class Likeness(NamedTuple):
    """How similar two texts are: so many of so many shingles."""

    shared: int
    of: int
    """All shingles of both texts, or those of the one with fewer; 0 where a text has none."""

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return self.shared / self.of if self.of else 0.0


def likeness(one: str | None, other: str | None, near: Near) -> Likeness:
    """How similar two texts are, by the shingles themselves.

    Example:
        >>> from schemas.policies import Near
        >>> likeness("a b c d", "b c d", Near("text", jaccard=0.5))
        Likeness(shared=1, of=2)
        >>> likeness("a b c d", "b c d", Near("text", containment=0.5))
        Likeness(shared=1, of=1)
    """
    left, right = shingle_set(one, near), shingle_set(other, near)
    if not left or not right:
        return Likeness(0, 0)
    shared = len(left & right)
    return Likeness(shared, min(len(left), len(right)) if near.containment else len(left) + len(right) - shared)


def similar(found: Likeness, near: Near) -> bool:
    """Whether two texts that are so similar are nearly the same."""
    return bool(found.of) and found.shared * near.least.denominator >= near.least.numerator * found.of


def required(one: Numbers, other: Numbers, near: Near) -> Numbers:
    """How many shingles sets of these sizes share at least when they are similar."""
    least = near.least
    if near.containment:
        return _divided_up(np.minimum(one, other) * least.numerator, least.denominator)
    return _divided_up((one + other) * least.numerator, least.numerator + least.denominator)


def required_of_smaller(sizes: Numbers, near: Near) -> Numbers:
    """How many shingles a set shares at least with a similar one that is not smaller."""
    return required(sizes, sizes, near)


def required_of_larger(sizes: Numbers, near: Near) -> Numbers:
    """How many shingles a set shares at least with a similar one that is not larger."""
    if near.containment:
        return np.minimum(sizes, 1)
    return _divided_up(sizes * near.least.numerator, near.least.denominator)


def _divided_up(numbers: Numbers, by: int) -> Numbers:
    return -(-numbers // by)
