"""Likeness: thresholds hold to the last shingle, and what two sets must share follows from their sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import DeclarationError
from schemas.policies import Near
from tasks.dedupe.near.likeness import (
    Likeness,
    likeness,
    required,
    required_of_larger,
    required_of_smaller,
    similar,
)

SIZES = st.integers(1, 60)
NEARS = st.builds(
    lambda kind, hundredths: Near("text", **{kind: hundredths / 100}),
    st.sampled_from(["jaccard", "containment"]),
    st.integers(1, 100),
)


@given(NEARS, SIZES, SIZES)
def test_what_sets_must_share_is_the_least_that_makes_them_similar(near: Near, one: int, other: int) -> None:
    def like(shared: int) -> bool:
        return similar(Likeness(shared, min(one, other) if near.containment else one + other - shared), near)

    smaller, larger = sorted((one, other))
    enough = [shared for shared in range(smaller + 1) if like(shared)]
    needed = int(required(np.array([one]), np.array([other]), near)[0])
    assert needed == (enough[0] if enough else needed)
    assert enough or needed > smaller
    if enough:
        assert required_of_smaller(np.array([smaller]), near)[0] <= needed
        assert required_of_larger(np.array([larger]), near)[0] <= needed


def test_a_threshold_is_the_decimal_fraction_that_it_is_written_as() -> None:
    # 0.1 + 0.2 is not 0.3 in binary; 3 of 10 is.
    near = Near("text", jaccard=0.3, words=1)
    found = likeness("a b c d e f g", "a b c h i j", near)
    assert found == Likeness(3, 10)
    assert similar(found, near)
    assert not similar(Likeness(299_999, 1_000_000), near)


def test_texts_without_shingles_are_like_nothing() -> None:
    near = Near("text", jaccard=0.5)
    assert not similar(likeness("", "", near), near)
    assert not similar(likeness(None, "a b c", near), near)
    assert likeness(None, None, near).share == 0


@pytest.mark.parametrize(
    "settings",
    [{}, {"jaccard": 0.5, "containment": 0.5}, {"jaccard": 0.1234567}, {"jaccard": 0.5, "words": 2, "characters": 4}],
)
def test_a_policy_that_says_two_things_or_none_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(DeclarationError):
        Near("text", **settings)
