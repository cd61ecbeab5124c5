"""Intervals: what a count says of the share behind it.

Belongs here: confidence intervals of shares, for one and for several at once, and corrections of p-values for being
many. Does not belong here: what is counted (coverage, leakage, shift).
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

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
    low, high = wilsons(np.array([count]), np.array([of]), confidence, together=together)
    return Interval(float(low[0]), float(high[0]))


def wilsons(
    counts: NDArray[Any], of: NDArray[Any], confidence: float = 0.95, *, together: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As `wilson`, of many shares: all lower ends and all upper ends.

    Example:
        >>> [ends.round(3).tolist() for ends in wilsons(np.array([0, 5]), np.array([10, 10]))]
        [[0.0, 0.237], [0.278, 0.763]]
    """
    z = NormalDist().inv_cdf(1 - (1 - confidence) / (2 * together))
    whole = np.maximum(of, 1).astype(np.float64)
    share, square = counts / whole, z * z
    middle = share + square / (2 * whole)
    half = z * np.sqrt(share * (1 - share) / whole + square / (4 * whole * whole))
    scale = 1 + square / whole
    # At the ends the formula gives 0 and 1 but for rounding; of nothing any share is possible.
    low = np.where(counts == 0, 0.0, np.maximum(0.0, (middle - half) / scale))
    high = np.where(counts == of, 1.0, np.minimum(1.0, (middle + half) / scale))
    return low, high


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
