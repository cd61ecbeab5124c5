"""Intervals: what a count says of the share behind it.

Belongs here: confidence intervals of shares, for one and for several at once, and corrections of p-values for being
many. Does not belong here: what is counted (coverage, leakage, shift).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Interval(NamedTuple):
    """Two ends of shares."""

    low: float
    high: float


def wilson(count: int, of: int, confidence: float = 0.95, *, together: int = 1) -> Interval:
    """The score interval of a share (Wilson, JASA 22, 1927).

    Args:
        count: how many.
        of: how many there could be.
        confidence: with which all of the intervals hold at once.
        together: how many intervals are to hold at once: each gets its part of the error (Bonferroni), which is what
            Goodman's simultaneous intervals for a multinomial (Technometrics 7, 1965) come to.

    Example:
        >>> [round(end, 3) for end in wilson(0, 10)], [round(end, 3) for end in wilson(5, 10)]
        ([0.0, 0.278], [0.237, 0.763])
        >>> wilson(0, 0)
        Interval(low=0.0, high=1.0)
    """
    if of == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf(1 - (1 - confidence) / (2 * together))
    share, square = count / of, z * z
    middle = share + square / (2 * of)
    half = z * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    scale = 1 + square / of
    # At the ends the formula gives 0 and 1 but for rounding.
    low = 0.0 if count == 0 else max(0.0, (middle - half) / scale)
    high = 1.0 if count == of else min(1.0, (middle + half) / scale)
    return Interval(low, high)


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """p-values corrected for being many, so that the chance of any false alarm is what is asked for (Holm, 1979).

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    found = np.asarray(p_values, np.float64)
    order = np.argsort(found, kind="stable")
    stepped = np.maximum.accumulate(found[order] * np.arange(found.size, 0, -1))
    corrected = np.empty_like(found)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def benjamini_hochberg(p_values: Sequence[float]) -> NDArray[np.float64]:
    """p-values corrected so that so great a share of the alarms is false (Benjamini and Hochberg, JRSS B 57, 1995).

    Example:
        >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(3).tolist()
        [0.03, 0.04, 0.04]
    """
    found = np.asarray(p_values, np.float64)
    order = np.argsort(found, kind="stable")[::-1]
    ranks = np.arange(found.size, 0, -1)
    stepped = np.minimum.accumulate(found[order] * found.size / ranks)
    corrected = np.empty_like(found)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected
