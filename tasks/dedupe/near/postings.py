"""Postings: which texts have a shingle among their first ones, and the pairs that follow.

Belongs here: the prefixes of sets, an index of them that grows, and the pairs of texts that share a shingle of it. Does
not belong here: whether a pair is similar (join).

Two sets that share so many shingles share one of the first few of each (prefix filtering: Chaudhuri, Ganti, Kaushik
2006, section 4.2). The smaller of two sets needs fewer of them than the larger one (Bayardo, Ma, Srikant 2007, section
3.3; PPJoin, 2008, section 3.2): a shingle within that shorter prefix is called early, one behind it late. Two sets are
compared when they share a shingle that is early in one of them at least. So texts that have only frequent shingles in
common, and those late, cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.dedupe.near.likeness import required, required_of_larger, required_of_smaller
from tasks.dedupe.near.sets import portions, stretches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from schemas.policies import Near
    from tasks.dedupe.near.sets import Sets

    Numbers = NDArray[np.int64]


class Bounds(NamedTuple):
    """How much is looked at together; what is found is the same for all of them."""

    pairs: int = 1 << 21
    """Pairs of entries, of some 100 bytes each."""
    texts: int = 1 << 15
    """Texts that are compared with the index."""
    shingles: int = 1 << 24
    """Shingles of pairs that are counted, of some 20 bytes each."""


class Entries(NamedTuple):
    """Shingles in prefixes.

    Attributes:
        text: whose prefix it is.
        token: the shingle, numbered anew: only those that can lead to a pair.
        place: where it stands in its set, the rarest at 0.
        early: whether it is in the shorter prefix, too.
    """

    text: NDArray[np.int32]
    token: NDArray[np.int32]
    place: NDArray[np.int32]
    early: NDArray[np.bool_]

    def take(self, which: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Entries:
        """Some of them."""
        return Entries(self.text[which], self.token[which], self.place[which], self.early[which])


class Prefixes(NamedTuple):
    """The entries of all texts, in the order of texts."""

    entries: Entries
    starts: Numbers
    tokens: int

    def of(self, texts: Numbers) -> Entries:
        """Those of some texts."""
        return self.entries.take(stretches(self.starts[texts], self.starts[texts + 1] - self.starts[texts]))


def prefixes_of(sets: Sets, wanted: NDArray[np.bool_], near: Near) -> Prefixes:
    """The prefixes of the wanted sets, without shingles that no pair can follow from."""
    sizes, kept = sets.sizes, sets.kept
    lone = sizes - kept
    long = np.minimum(np.maximum(sizes - required_of_larger(sizes, near) + 1 - lone, 0), kept)
    long[~wanted] = 0
    texts = np.repeat(np.arange(sizes.size, dtype=np.int32), long)
    places = stretches(np.zeros(sizes.size, np.int64), long)
    tokens = sets.ids[stretches(sets.starts[:-1], long)]
    early = places < (sizes - required_of_smaller(sizes, near) + 1 - lone)[texts]
    times = np.bincount(tokens, minlength=sets.shingles)
    useful = (times > 1) & (np.bincount(tokens[early], minlength=sets.shingles) > 0)
    anew = np.cumsum(useful, dtype=np.int32) - np.int32(1)
    left = useful[tokens]
    texts = texts[left]
    entries = Entries(texts, anew[tokens[left]], (places[left] + lone[texts]).astype(np.int32), early[left])
    starts = np.zeros(sizes.size + 1, np.int64)
    np.cumsum(np.bincount(texts, minlength=sizes.size), out=starts[1:])
    return Prefixes(entries, starts, int(useful.sum()))


class Pairs(NamedTuple):
    """Pairs of texts that may be similar; `one` comes after `other`."""

    one: Numbers
    other: Numbers


class _Lists:
    """Texts by token, added to the end of each token's list."""

    def __init__(self, tokens: NDArray[np.int32], count: int) -> None:
        sizes = np.bincount(tokens, minlength=count)
        self._starts = np.cumsum(sizes) - sizes
        self._filled = np.zeros(count, np.int32)
        self._mark = np.zeros(count, np.int32)
        self._texts = np.empty(tokens.size, np.int32)
        self._places = np.empty(tokens.size, np.int32)

    def add(self, entries: Entries) -> None:
        order = np.argsort(entries.token, kind="stable")
        tokens = entries.token[order]
        begins = np.ones(tokens.size, np.bool_)
        begins[1:] = tokens[1:] != tokens[:-1]
        at = np.flatnonzero(begins)
        counts = np.diff(np.append(at, tokens.size))
        within = np.arange(tokens.size) - np.repeat(at, counts)
        to = self._starts[tokens] + self._filled[tokens] + within
        self._texts[to], self._places[to] = entries.text[order], entries.place[order]
        self._filled[tokens[at]] += counts.astype(np.int32)

    def mark(self) -> None:
        np.copyto(self._mark, self._filled)

    def counts(self, tokens: NDArray[np.int32], *, new: bool) -> Numbers:
        counts = self._filled[tokens].astype(np.int64)
        return counts - self._mark[tokens] if new else counts

    def expand(
        self, tokens: NDArray[np.int32], counts: Numbers, *, new: bool
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        starts = self._starts[tokens] + (self._mark[tokens] if new else 0)
        at = stretches(starts, counts)
        return self._texts[at], self._places[at]


class Index:
    """The prefixes of the texts that others are compared with."""

    def __init__(self, prefixes: Prefixes, sets: Sets, near: Near, bounds: Bounds) -> None:
        """Makes room for all texts."""
        entries = prefixes.entries
        self._sizes, self._near, self._bounds = sets.sizes, near, bounds
        self._all = _Lists(entries.token, prefixes.tokens)
        self._early = _Lists(entries.token[entries.early], prefixes.tokens)

    def add(self, entries: Entries) -> None:
        """Adds texts by all of their entries; what was there before is old from now on."""
        self._all.mark()
        self._early.mark()
        self._all.add(entries)
        self._early.add(entries.take(entries.early))

    def pairs(self, entries: Entries, *, new: bool) -> Iterator[Pairs]:
        """The pairs of these texts with those in the index, or only with those that were added last."""
        for lists, some in ((self._all, entries.take(entries.early)), (self._early, entries.take(~entries.early))):
            counts = lists.counts(some.token, new=new)
            asked = np.flatnonzero(counts)
            some, counts = some.take(asked), counts[asked]
            for few in portions(counts, self._bounds.pairs):
                texts, places = lists.expand(some.token[few], counts[few], new=new)
                one, at = (np.repeat(each[few], counts[few]) for each in (some.text, some.place))
                yield possible(one, at, texts, places, self._sizes, self._near)


def possible(
    one: NDArray[np.int32],
    at: NDArray[np.int32],
    other: NDArray[np.int32],
    there: NDArray[np.int32],
    sizes: Numbers,
    near: Near,
) -> Pairs:
    """The pairs that what stands before and behind a shared shingle leaves possible, each once.

    At the first shingle that two similar sets share, enough is left behind it in both (positional filtering: PPJoin,
    2008, section 3.1).
    """
    mine, theirs = sizes[one], sizes[other]
    needed = required(mine, theirs, near)
    behind = np.minimum(mine - at, theirs - there)
    left = behind >= needed
    packed = one[left].astype(np.int64) << 32 | other[left]
    packed.sort()
    different = np.ones(packed.size, np.bool_)
    different[1:] = packed[1:] != packed[:-1]
    packed = packed[different]
    return Pairs(packed >> 32, packed & 0xFFFFFFFF)
