"""Join: which texts are similar, and which of them stand for the others.

Belongs here: taking texts in order of preference and comparing each with those before it. Does not belong here: where
pairs come from (postings), or which order that is.

The texts that stay are found greedily: in the order of preference a text stays unless one that stays is similar to it.
That is the lexicographically first maximal independent set of the graph of similar texts (Blelloch, Fineman, Shun,
Greedy sequential maximal independent set and matching are parallel on average, 2012, section 3): it depends on the
texts and their order of preference alone, each text that goes is similar to one that stays, and no two that stay are.

Only texts that stay are in the index. So of a page that is there a hundred thousand times with another number each,
every copy is compared with the one that stays, and not with all the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from schemas.errors import MissingExtraError
from tasks.dedupe.near.likeness import required
from tasks.dedupe.near.postings import Bounds, Index, Pairs, possible, prefixes_of
from tasks.dedupe.near.sets import first_equals, portions, stretches
from tasks.dedupe.stars import choose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from schemas.policies import Near
    from tasks.dedupe.near.postings import Entries, Prefixes
    from tasks.dedupe.near.sets import Sets

    Numbers = NDArray[np.int64]

_USUAL = Bounds()


def survivors(sets: Sets, near: Near, *, earlier: int = 0, bounds: Bounds = _USUAL) -> Numbers:
    """For each text the one that stands for it; itself where it stays.

    Args:
        sets: of the texts, numbered in the order of preference.
        near: the threshold.
        earlier: so many of the first texts are known to stay, no two of them similar; they are not compared again.
        bounds: how much is looked at together.

    Returns:
        For each text a number; of several that stay and are similar to it, that of the one preferred most.
    """
    return _Join(sets, near, bounds).stars(earlier)


def similar_pairs(sets: Sets, near: Near, *, bounds: Bounds = _USUAL) -> Pairs:
    """All pairs of similar texts, in order. For texts of which most are similar these are too many for memory."""
    return _Join(sets, near, bounds).pairs()


class _Join:
    def __init__(self, sets: Sets, near: Near, bounds: Bounds) -> None:
        self._sets, self._near, self._bounds = sets, near, bounds
        self._first = first_equals(sets)
        self._leads = (self._first == np.arange(self._first.size)) & (sets.sizes > 0)

    def stars(self, earlier: int) -> Numbers:
        """For each text the one that stands for it."""
        # What is known to stay stays, also where it is equal to another one that is known to.
        known = np.arange(self._first.size) < earlier
        prefixes = prefixes_of(self._sets, self._leads, self._near)
        index = Index(prefixes, self._sets, self._near, self._bounds)
        of = np.arange(self._first.size, dtype=np.int64)
        for texts in self._chunks(prefixes, earlier):
            if texts[0] < earlier:
                index.add(prefixes.of(texts))
            else:
                self._star(prefixes, index, texts, of)
        # An equal text goes where the first of its kind goes.
        return np.where(known, np.arange(of.size), of[self._first])

    def _chunks(self, prefixes: Prefixes, earlier: int) -> Iterator[Numbers]:
        """The texts that have a prefix, in order, those known to stay apart from the others."""
        texts = np.flatnonzero(np.diff(prefixes.starts))
        split = int(np.searchsorted(texts, earlier))
        for part in (texts[:split], texts[split:]):
            for start in range(0, part.size, self._bounds.texts):
                yield part[start : start + self._bounds.texts]

    def _star(self, prefixes: Prefixes, index: Index, texts: Numbers, of: Numbers) -> None:
        """Decides about a chunk of texts, all texts before which are decided about."""
        new = False
        while texts.size:
            entries = prefixes.of(texts)
            self._leave(index.pairs(entries, new=new), of)
            texts = texts[of[texts] == texts]
            entries = prefixes.of(texts)
            head, pairs = _within(entries, self._sets.sizes, self._near, self._bounds.pairs)
            decided = texts[: np.searchsorted(texts, head)]
            for found in pairs:
                one, other = self._similar(found)
                choose(zip(one.tolist(), other.tolist(), strict=True), of)
            staying = decided[of[decided] == decided]
            index.add(prefixes.of(staying))
            texts, new = texts[decided.size :], True

    def _leave(self, pairs: Iterator[Pairs], of: Numbers) -> None:
        """Lets each text go for which the index has a similar one; of several to the first."""
        for found in pairs:
            one, other = self._similar(found)
            # Where a text already goes to one, another one may come before that; staying, it stands for itself.
            np.minimum.at(of, one, other)

    def pairs(self) -> Pairs:
        """All pairs of similar texts."""
        prefixes = prefixes_of(self._sets, self._leads, self._near)
        index = Index(prefixes, self._sets, self._near, self._bounds)
        found = []
        for chunk in self._chunks(prefixes, 0):
            texts, new = chunk, False
            while texts.size:
                entries = prefixes.of(texts)
                found += [self._similar(pairs) for pairs in index.pairs(entries, new=new)]
                head, within = _within(entries, self._sets.sizes, self._near, self._bounds.pairs)
                found += [self._similar(pairs) for pairs in within]
                decided = texts[: np.searchsorted(texts, head)]
                index.add(prefixes.of(decided))
                texts, new = texts[decided.size :], True
        return self._among_equals(found)

    def _among_equals(self, found: list[Pairs]) -> Pairs:
        """The pairs of sets as pairs of all texts that have one of them."""
        full = np.flatnonzero(self._sets.sizes > 0)
        order = full[np.argsort(self._first[full], kind="stable")]
        kinds, starts, counts = np.unique(self._first[order], return_index=True, return_counts=True)
        one = np.concatenate([np.empty(0, np.int64), *(pairs.one for pairs in found), kinds])
        other = np.concatenate([np.empty(0, np.int64), *(pairs.other for pairs in found), kinds])
        left, right = (np.searchsorted(kinds, each) for each in (one, other))
        times = counts[left] * counts[right]
        within = stretches(np.zeros(times.size, np.int64), times)
        wide = np.repeat(counts[right], times)
        left = order[np.repeat(starts[left], times) + within // wide]
        right = order[np.repeat(starts[right], times) + within % wide]
        packed = np.unique(np.maximum(left, right) << 32 | np.minimum(left, right))
        packed = packed[packed >> 32 != packed & 0xFFFFFFFF]
        return Pairs(packed >> 32, packed & 0xFFFFFFFF)

    def _similar(self, pairs: Pairs) -> Pairs:
        """Those that are similar, by all of their shingles; they keep their order."""
        sizes = self._sets.sizes
        needed = required(sizes[pairs.one], sizes[pairs.other], self._near)
        similar = np.empty(needed.size, np.bool_)
        counts = self._sets.kept[pairs.one] + self._sets.kept[pairs.other]
        for few in portions(counts, self._bounds.shingles):
            similar[few] = self._shared(pairs.one[few], pairs.other[few]) >= needed[few]
        return Pairs(pairs.one[similar], pairs.other[similar])

    def _shared(self, one: Numbers, other: Numbers) -> Numbers:
        """How many shingles each pair shares."""
        try:
            from scipy.sparse import csr_array
        except ModuleNotFoundError:
            raise MissingExtraError.of("scipy", "text") from None

        def rows(texts: Numbers) -> csr_array:
            counts = self._sets.kept[texts]
            ids = self._sets.ids[stretches(self._sets.starts[texts], counts)]
            ends = np.zeros(texts.size + 1, np.int32)
            np.cumsum(counts, out=ends[1:])
            made = csr_array((np.ones(ids.size, np.int8), ids, ends), shape=(texts.size, self._sets.shingles))
            made.has_sorted_indices = made.has_canonical_format = True
            return made

        shared: Numbers = np.diff(rows(one).multiply(rows(other)).indptr).astype(np.int64)
        return shared


def _within(entries: Entries, sizes: Numbers, near: Near, at_once: int) -> tuple[int, Iterator[Pairs]]:
    """The pairs among some texts, as long as they are not too many.

    Args:
        entries: of these texts.
        sizes: of all sets.
        near: the threshold.
        at_once: how many pairs of entries are too many.

    Returns:
        The first text that is not covered; and the pairs of those before it, in order.
    """
    order = np.argsort(entries.token, kind="stable")
    sorted_ = entries.take(order)
    count = order.size
    begins = np.ones(count, np.bool_)
    begins[1:] = sorted_.token[1:] != sorted_.token[:-1]
    group = np.flatnonzero(begins)[np.cumsum(begins) - 1] if count else np.empty(0, np.int64)
    early_before: Numbers = np.cumsum(sorted_.early) - sorted_.early
    early = np.flatnonzero(sorted_.early)
    numbers = np.arange(count, dtype=np.int64)
    # An early entry meets all before it, a late one only the early ones.
    start = np.where(sorted_.early, group, early_before[group] if count else group)
    met = np.where(sorted_.early, numbers, early_before) - start
    by_text = np.empty(count, np.int64)
    by_text[order] = met
    ends = np.cumsum(by_text)
    covered = int(np.searchsorted(ends, at_once, side="right"))
    head = int(entries.text[covered]) if covered < count else int(entries.text[-1]) + 1 if count else 0
    chosen = np.flatnonzero((sorted_.text < head) & (met > 0))
    one, at = (np.repeat(each[chosen], met[chosen]) for each in (sorted_.text, sorted_.place))
    partners = stretches(start[chosen], met[chosen])
    late = np.repeat(~sorted_.early[chosen], met[chosen])
    partners[late] = early[partners[late]]
    return head, iter([possible(one, at, sorted_.text[partners], sorted_.place[partners], sizes, near)])
