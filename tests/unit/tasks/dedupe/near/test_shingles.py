"""Shingles: as hashes they are what they are as strings."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.policies import Near
from tasks.dedupe.near.shingles import shingle, shingle_set

POLICIES = [
    Near("text", jaccard=0.8),
    Near("text", jaccard=0.8, words=1),
    Near("text", jaccard=0.8, words=5),
    Near("text", jaccard=0.8, characters=4),
]
# U+001C separates words for Python's own split, and for nobody else here.
TEXTS = st.lists(st.none() | st.text("ab \u2003\t\x1cé\U0001f600", max_size=20), max_size=20)


@given(TEXTS, st.sampled_from(POLICIES))
def test_hashes_of_shingles_are_equal_where_the_shingles_are(texts: list[str | None], near: Near) -> None:
    shingled = shingle(pl.Series(texts, dtype=pl.String), near)
    assert int(shingled.counts.sum()) == shingled.hashes.size
    ends, hashed = shingled.counts.cumsum().tolist(), {}
    for text, end, count in zip(texts, ends, shingled.counts.tolist(), strict=True):
        found = frozenset(shingled.hashes[end - count : end].tolist())
        expected = shingle_set(text, near)
        assert len(found) == len(expected)
        assert hashed.setdefault(expected, found) == found
    assert len(set(hashed.values())) == len(hashed)


@pytest.mark.parametrize(
    ("near", "text", "expected"),
    [
        (POLICIES[0], "a b c d", {("a", "b", "c"), ("b", "c", "d")}),
        (POLICIES[0], "a\u00a0b\n c", {("a", "b", "c")}),
        (POLICIES[0], "a b", {("a", "b")}),
        (POLICIES[0], " \t", set()),
        (POLICIES[3], "abcde", {"abcd", "bcde"}),
        (POLICIES[3], "ab", {"ab"}),
    ],
)
def test_a_text_shorter_than_a_shingle_is_one_and_an_empty_one_has_none(
    near: Near, text: str, expected: set[object]
) -> None:
    assert shingle_set(text, near) == expected
