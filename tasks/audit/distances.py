"""Distances: how far two samples are apart, and how often chance alone would bring them so far.

Belongs here: statistics of two samples as arrays, and the tails of their distributions. Does not belong here: which
samples, or how great a distance is too great (shift). Written with numpy alone, so that no extra is needed; the tests
hold them against scipy.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Bins of the population stability index, at the quantiles of the first sample.
PSI_BINS = 10
#: Expected count below which a cell of a chi-squared table is put together with others (Cochran, 1954).
_FEWEST_EXPECTED = 5.0
#: Terms, and the relative size of the last one, of series.
_TERMS, _NEGLIGIBLE = 10_000, 1e-15


def psi(first: Floats, second: Floats) -> float:
    """Population stability index of two rows of counts (Siddiqi, Credit Risk Scorecards, 2006).

    Half a row is added to each cell, so that one empty cell does not make it infinite.

    Example:
        >>> round(psi(np.array([50.0, 50.0]), np.array([90.0, 10.0])), 3)
        0.853
    """
    here, there = (first + 0.5) / (first + 0.5).sum(), (second + 0.5) / (second + 0.5).sum()
    return float(((there - here) * np.log(there / here)).sum())


def binned(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Counts of two samples of numbers in bins at the quantiles of the first; a frequent value has a bin of its own."""
    edges = np.unique(np.quantile(first, np.linspace(0, 1, PSI_BINS + 1)[1:-1]))

    def counted(sample: Floats) -> Floats:
        bins = np.searchsorted(edges, sample, "left") + np.searchsorted(edges, sample, "right")
        return np.bincount(bins, minlength=2 * edges.size + 1).astype(np.float64)

    here, there = counted(first), counted(second)
    seen = (here + there) > 0
    return here[seen], there[seen]


def kolmogorov_smirnov(first: Floats, second: Floats) -> tuple[float, float]:
    """The greatest difference of two cumulative distributions, and its asymptotic p-value.

    Args:
        first: sorted.
        second: sorted.

    Example:
        >>> statistic, p_value = kolmogorov_smirnov(np.arange(100.0), np.arange(50.0, 150.0))
        >>> statistic, p_value < 1e-10
        (0.5, True)
    """
    both = np.concatenate([first, second])
    here = np.searchsorted(first, both, "right") / first.size
    there = np.searchsorted(second, both, "right") / second.size
    statistic = float(np.abs(here - there).max())
    effective = first.size * second.size / (first.size + second.size)
    return statistic, _kolmogorov_tail(math.sqrt(effective) * statistic)


def wasserstein(first: Floats, second: Floats) -> float:
    """The area between two cumulative distributions (earth mover's distance of numbers).

    Args:
        first: sorted.
        second: sorted.

    Example:
        >>> wasserstein(np.array([0.0, 1.0]), np.array([5.0, 6.0]))
        5.0
    """
    both = np.sort(np.concatenate([first, second]), kind="stable")
    here = np.searchsorted(first, both[:-1], "right") / first.size
    there = np.searchsorted(second, both[:-1], "right") / second.size
    return float((np.abs(here - there) * np.diff(both)).sum())


def chi_squared(first: Floats, second: Floats) -> tuple[float, int, float]:
    """Pearson's statistic of two rows of counts, its degrees of freedom, and its p-value; rare cells together.

    Example:
        >>> statistic, freedom, p_value = chi_squared(np.array([30.0, 70.0]), np.array([50.0, 50.0]))
        >>> round(statistic, 3), freedom, round(p_value, 4)
        (8.333, 1, 0.0039)
    """
    whole = first.sum() + second.sum()
    together = first + second
    rare = together * min(first.sum(), second.sum()) / whole < _FEWEST_EXPECTED
    if rare.any():
        first, second = (np.append(row[~rare], row[rare].sum()) for row in (first, second))
        together = first + second
    first, second, together = (row[together > 0] for row in (first, second, together))
    freedom = together.size - 1
    if freedom < 1 or not first.sum() or not second.sum():
        return 0.0, 0, 1.0
    statistic = 0.0
    for row in (first, second):
        expected = together * row.sum() / whole
        statistic += float(((row - expected) ** 2 / expected).sum())
    return statistic, freedom, chi_squared_tail(statistic, freedom)


def chi_squared_tail(statistic: float, freedom: int) -> float:
    """Chance of a chi-squared value as great as this one.

    The regularised incomplete gamma function by its series, or by its continued fraction (Press et al., Numerical
    Recipes, 6.2).

    Example:
        >>> round(chi_squared_tail(18.307, 10), 5)
        0.05
    """
    shape, at = freedom / 2, statistic / 2
    if at <= 0:
        return 1.0
    scale = math.exp(shape * math.log(at) - at - math.lgamma(shape))
    if at < shape + 1:
        term = total = 1 / shape
        for number in range(1, _TERMS):
            term *= at / (shape + number)
            total += term
            if term < total * _NEGLIGIBLE:
                break
        return max(0.0, 1 - scale * total)
    return scale * _fraction(shape, at)


def _fraction(shape: float, at: float) -> float:
    """Lentz's evaluation of the continued fraction of the upper incomplete gamma function."""
    tiny = 1e-300
    b = at + 1 - shape
    c, d = 1 / tiny, 1 / b
    found = d
    for number in range(1, _TERMS):
        a = -number * (number - shape)
        b += 2
        d = a * d + b
        d = 1 / (d if abs(d) > tiny else tiny)
        c = b + a / c
        c = c if abs(c) > tiny else tiny
        found *= d * c
        if abs(d * c - 1) < _NEGLIGIBLE:
            break
    return found


def _kolmogorov_tail(at: float) -> float:
    """Chance that Kolmogorov's limit is as great as this (Kolmogorov 1933; Smirnov 1948)."""
    if at < 0.2:  # 1 - 1e-12, and the series needs many terms there
        return 1.0
    terms = ((1 if k % 2 else -1) * math.exp(-2 * k * k * at * at) for k in range(1, 101))
    return min(1.0, max(0.0, 2 * sum(terms)))
