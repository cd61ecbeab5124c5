"""Statistics and tails agree with scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.audit.distances import binned, chi_squared, chi_squared_tail, kolmogorov_smirnov, psi, wasserstein

stats = pytest.importorskip("scipy.stats")
samples = st.lists(st.floats(-100, 100), min_size=2, max_size=60).map(lambda values: np.sort(np.array(values)))


@given(st.floats(0, 3_000), st.integers(1, 1_500))
def test_the_tail_of_chi_squared_is_scipys(statistic: float, freedom: int) -> None:
    assert chi_squared_tail(statistic, freedom) == pytest.approx(stats.chi2.sf(statistic, freedom), rel=1e-8, abs=1e-12)


@given(samples, samples)
def test_kolmogorov_smirnov_is_scipys(first: np.ndarray, second: np.ndarray) -> None:  # type: ignore[type-arg]
    statistic, p_value = kolmogorov_smirnov(first, second)
    effective = first.size * second.size / (first.size + second.size)
    assert statistic == pytest.approx(stats.ks_2samp(first, second, method="asymp").statistic)
    assert p_value == pytest.approx(stats.kstwobign.sf(np.sqrt(effective) * statistic), abs=1e-9)


@given(samples, samples)
def test_wasserstein_is_scipys(first: np.ndarray, second: np.ndarray) -> None:  # type: ignore[type-arg]
    assert wasserstein(first, second) == pytest.approx(stats.wasserstein_distance(first, second), abs=1e-9)


@given(st.lists(st.tuples(st.integers(40, 90), st.integers(40, 90)), min_size=2, max_size=8))
def test_chi_squared_is_scipys(cells: list[tuple[int, int]]) -> None:
    first, second = (np.array(row, np.float64) for row in zip(*cells, strict=True))
    theirs = stats.chi2_contingency(np.array([first, second]), correction=False)
    statistic, freedom, p_value = chi_squared(first, second)
    assert (statistic, freedom) == (pytest.approx(theirs.statistic), theirs.dof)
    assert p_value == pytest.approx(theirs.pvalue, abs=1e-9)


def test_rare_cells_are_judged_together() -> None:
    _, freedom, _ = chi_squared(np.array([100.0, 1, 1, 0]), np.array([100.0, 0, 0, 1]))
    assert freedom == 1


@given(samples, samples)
def test_bins_lose_nothing_and_the_index_is_no_less_than_zero(first: np.ndarray, second: np.ndarray) -> None:  # type: ignore[type-arg]
    here, there = binned(first, second)
    assert (here.sum(), there.sum()) == (first.size, second.size)
    assert psi(here, there) >= 0
    assert psi(here, here) == 0
