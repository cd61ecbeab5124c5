"""Intervals and corrections agree with scipy, and hold as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.audit.intervals import benjamini_hochberg, holm, wilson

stats = pytest.importorskip("scipy.stats")


@given(st.integers(1, 10_000), st.data())
def test_wilson_is_scipys(of: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, of))
    theirs = stats.binomtest(count, of).proportion_ci(0.95, "wilson")
    assert wilson(count, of) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_benjamini_hochberg_is_scipys(p_values: list[float]) -> None:
    assert benjamini_hochberg(p_values) == pytest.approx(stats.false_discovery_control(p_values), abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_none_and_bonferroni(p_values: list[float]) -> None:
    found = holm(p_values)
    assert (found >= np.asarray(p_values) - 1e-15).all()
    assert (found <= np.minimum(1, np.asarray(p_values) * len(p_values)) + 1e-15).all()


def test_simultaneous_intervals_hold_at_once() -> None:
    shares, rng = np.array([0.5, 0.3, 0.15, 0.05]), np.random.default_rng(7)
    held = 0
    for counts in rng.multinomial(300, shares, size=2_000):
        intervals = [wilson(int(count), 300, 0.95, together=4) for count in counts]
        held += all(low <= share <= high for (low, high), share in zip(intervals, shares, strict=True))
    assert held / 2_000 > 0.93
