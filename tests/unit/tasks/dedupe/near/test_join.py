"""Join: the pairs are those of comparing all with all, and who stays follows from the order of preference alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.policies import Near
from tasks.dedupe.near.join import similar_pairs, survivors
from tasks.dedupe.near.likeness import likeness, similar
from tasks.dedupe.near.postings import Bounds
from tasks.dedupe.near.sets import Sets, sets_of
from tasks.dedupe.repeated import Parts

with_fixture = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)

NEARS = st.builds(
    lambda kind, tenths, shingle: Near("text", **{kind: tenths / 10}, **shingle),
    st.sampled_from(["jaccard", "containment"]),
    st.integers(1, 10),
    st.sampled_from([{"words": 1}, {"words": 2}, {"words": 3}, {"characters": 3}]),
)
BOUNDS = st.builds(Bounds, *(st.sampled_from(each) for each in ([1, 7, 1 << 21], [1, 3, 1 << 15], [1, 1 << 24])))
_words = st.lists(st.sampled_from("abcdef"), max_size=12)


@st.composite
def documents(draw: st.DrawFn) -> list[str | None]:
    """Texts of which many are copies of a few, with some words exchanged."""
    pages = draw(st.lists(_words, min_size=1, max_size=3))
    texts: list[str | None] = []
    for _ in range(draw(st.integers(1, 20))):
        page = list(draw(st.sampled_from(pages)))
        for _ in range(draw(st.integers(0, 2))):
            page.insert(draw(st.integers(0, len(page))), draw(st.sampled_from("abxyz")))
        texts.append(draw(st.sampled_from([" ".join(page)] * 9 + [None])))
    return texts


def sets(texts: Sequence[str | None], near: Near, parts: Callable[..., Parts]) -> Sets:
    half = len(texts) // 2
    series, numbers = pl.Series(texts, dtype=pl.String), np.arange(len(texts), dtype=np.uint32)
    given = [(series[half:], numbers[half:]), (series[:half], numbers[:half])]
    return sets_of(given, len(texts), near, parts)


def by_hand(texts: Sequence[str | None], near: Near) -> list[tuple[int, int]]:
    pairs = itertools.product(range(len(texts)), repeat=2)
    return [(b, a) for b, a in pairs if a < b and similar(likeness(texts[a], texts[b], near), near)]


def greedily(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    of = list(range(count))
    for one, other in pairs:
        if of[one] == one and of[other] == other:
            of[one] = other
    return of


@with_fixture
@given(documents(), NEARS, BOUNDS)
def test_pairs_and_survivors_are_those_of_comparing_all_with_all(
    parts_in_memory: Callable[..., Parts], texts: list[str | None], near: Near, bounds: Bounds
) -> None:
    made, expected = sets(texts, near, parts_in_memory), by_hand(texts, near)
    found = similar_pairs(made, near, bounds=bounds)
    assert list(zip(found.one.tolist(), found.other.tolist(), strict=True)) == expected
    assert survivors(made, near, bounds=bounds).tolist() == greedily(len(texts), expected)


@with_fixture
@given(documents(), NEARS, BOUNDS, st.data())
def test_new_texts_beside_the_survivors_of_earlier_ones_get_what_they_get_beside_all(
    parts_in_memory: Callable[..., Parts], texts: list[str | None], near: Near, bounds: Bounds, data: st.DataObject
) -> None:
    split = data.draw(st.integers(0, len(texts)))
    whole = survivors(sets(texts, near, parts_in_memory), near).tolist()
    chosen = [*(number for number in range(split) if whole[number] == number), *range(split, len(texts))]
    earlier = sum(number < split for number in chosen)
    made = sets([texts[number] for number in chosen], near, parts_in_memory)
    found = survivors(made, near, earlier=earlier, bounds=bounds).tolist()
    assert [chosen[number] for number in found] == [whole[number] for number in chosen]


def test_a_chain_keeps_both_ends(parts_in_memory: Callable[..., Parts]) -> None:
    near = Near("text", jaccard=0.5, words=1)
    texts = ["a b c d", "b c d e", "c d e f"]
    assert by_hand(texts, near) == [(1, 0), (2, 1)]
    # B goes to A; C is like B, which is not there any more, and unlike A.
    assert survivors(sets(texts, near, parts_in_memory), near).tolist() == [0, 0, 2]


def test_with_the_middle_of_a_chain_preferred_both_ends_go(parts_in_memory: Callable[..., Parts]) -> None:
    near = Near("text", jaccard=0.5, words=1)
    assert survivors(sets(["b c d e", "a b c d", "c d e f"], near, parts_in_memory), near).tolist() == [0, 0, 0]


def test_texts_shorter_than_a_shingle_are_alike_when_their_words_are(parts_in_memory: Callable[..., Parts]) -> None:
    near = Near("text", jaccard=0.8)
    texts = ["yes", "no", "yes ", "", "", None, "yes no", "  yes\tno"]
    assert survivors(sets(texts, near, parts_in_memory), near).tolist() == [0, 1, 0, 3, 4, 5, 6, 6]


def test_a_page_repeated_with_another_number_is_compared_with_its_survivor_only(
    parts_in_memory: Callable[..., Parts],
) -> None:
    # All pairs would be 200 million; those that are looked at are bounded by what is in memory at once.
    page = " ".join(f"word{number}" for number in range(79))
    texts = [f"Order {number} {page}" for number in range(20_000)]
    near = Near("text", jaccard=0.85)
    found = survivors(sets(texts, near, parts_in_memory), near, bounds=Bounds(pairs=1 << 17))
    assert not found.any()


def test_forms_that_differ_in_more_than_they_share_cost_nothing(parts_in_memory: Callable[..., Parts]) -> None:
    # Every text has 50 shingles in common with every other one, and 8 of its own: a similarity of 50 / 66.
    texts = [" ".join([*(f"w{n}" for n in range(50)), *(f"x{t}-{n}" for n in range(8))]) for t in range(20_000)]
    near = Near("text", jaccard=0.85, words=1)
    found = survivors(sets(texts, near, parts_in_memory), near, bounds=Bounds(pairs=1 << 17))
    assert (found == np.arange(20_000)).all()


@pytest.mark.parametrize("name", ["articles_100", "articles_1000", "articles_2500"])
def test_every_planted_copy_of_an_article_is_found_and_none_invented(
    corpora: Path, parts_in_memory: Callable[..., Parts], name: str
) -> None:
    folder = corpora / "neardup"
    lines = [line.partition(" ") for line in (folder / f"{name}.train").read_text().splitlines()]
    numbers = {article: number for number, (article, _, _) in enumerate(lines)}
    planted = [line.split() for line in (folder / f"{name}.truth").read_text().splitlines()]
    near = Near("text", jaccard=0.5)
    found = similar_pairs(sets([text for _, _, text in lines], near, parts_in_memory), near)
    pairs = {frozenset(pair) for pair in zip(found.one.tolist(), found.other.tolist(), strict=True)}
    assert pairs == {frozenset(numbers[article] for article in pair) for pair in planted}
