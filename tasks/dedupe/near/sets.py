"""Sets: the sets of shingles of all texts, in the form in which they are joined.

Belongs here: numbering shingles from rare to frequent, and finding equal sets. Does not belong here: cutting texts
(shingles), or comparing sets (join).

A shingle that stands in one text only can't be shared: it counts in the text's size, and is not kept. The others are
numbered so that what few texts have comes first, as prefix filtering wants it (Chaudhuri, Ganti, Kaushik, A primitive
operator for similarity joins in data cleaning, 2006, section 4.3; Bayardo, Ma, Srikant, Scaling up all pairs
similarity search, 2007, section 3.2).

Memory: what is in the spills, and of every kept shingle of a text 4 bytes (8 while a part is sorted).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from tasks.dedupe.near.shingles import shingle
from tasks.dedupe.repeated import HASH, HASHES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from schemas.policies import Near
    from tasks.dedupe.repeated import Parts
    from tasks.dedupe.verdicts import Spills

#: The number of a text; also that of its set.
TEXT = "_text"
_SHINGLE = "_shingle"
#: Texts whose shingles are made at once, by the bytes that they have together.
_BYTES_AT_ONCE = 32 << 20
#: Shingles that may be in memory, of 12 bytes each before they are numbered.
AT_ONCE = 1 << 25
#: How often a shingle stands counts up to here: that two are very frequent is as good a reason to try others first.
_OFTEN = (1 << 16) - 1


class Sets(NamedTuple):
    """The sets of the shingles of texts, by the texts' numbers.

    Attributes:
        sizes: shingles of each set, also those that stand in no other.
        starts: where the kept ones of each set begin in `ids`, and at the end where the last ends.
        ids: the kept ones, set after set, each set's rising: from rare to frequent.
        shingles: all ids are less.
    """

    sizes: NDArray[np.int64]
    starts: NDArray[np.int64]
    ids: NDArray[np.int32]
    shingles: int

    @property
    def kept(self) -> NDArray[np.int64]:
        """How many shingles of each set are kept."""
        return np.diff(self.starts)


def sets_of(
    texts: Iterable[tuple[pl.Series, NDArray[np.uint32]]],
    count: int,
    near: Near,
    spills: Spills,
    at_once: int = AT_ONCE,
) -> Sets:
    """The sets of shingles of texts.

    Args:
        texts: some texts with their numbers, and others, until each number below `count` was there once.
        count: how many texts there are.
        near: what a shingle is.
        spills: makes what takes shingles that are too many for memory.
        at_once: how many these are.
    """
    hashes = spills("near-hashes", by=HASH, numbers=HASHES, at_once=at_once)
    for some, numbers in texts:
        for few, theirs in _portions(some, numbers):
            shingled = shingle(few, near)
            rows = {HASH: shingled.hashes, TEXT: np.repeat(theirs, shingled.counts)}
            hashes.add(pl.DataFrame(rows, schema={HASH: pl.UInt64, TEXT: pl.UInt32}))
    numbered = spills("near-shingles", by=TEXT, numbers=max(1, count), at_once=at_once)
    sizes, frequencies = _number(hashes, numbered, count)
    return _ordered(numbered, sizes, frequencies)


def _portions(texts: pl.Series, numbers: NDArray[np.uint32]) -> Iterator[tuple[pl.Series, NDArray[np.uint32]]]:
    sizes = texts.str.len_bytes().fill_null(0).to_numpy()
    for few in portions(sizes, _BYTES_AT_ONCE):
        yield texts[few], numbers[few]


def _number(hashes: Parts, numbered: Parts, count: int) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """Gives a number to each shingle that several texts have; the sizes so far, and how often each number stands."""
    alone = np.zeros(count, np.int64)
    frequencies: list[NDArray[np.uint16]] = []
    first = 0
    for part in hashes.parts():
        whole = part.whole()
        found, texts = whole.get_column(HASH).to_numpy(), whole.get_column(TEXT).to_numpy()
        del whole
        again = _perhaps_again(found)
        alone += np.bincount(texts[~again], minlength=count)
        found, texts = found[again], texts[again]
        places, begins = _grouped(found)
        times = np.diff(np.append(np.flatnonzero(begins), begins.size))
        several = np.repeat(times > 1, times)
        alone += np.bincount(texts[places[~several]], minlength=count)
        times = times[times > 1]
        group = np.repeat(np.arange(first, first + times.size, dtype=np.uint32), times)
        rows = {TEXT: texts[places[several]], _SHINGLE: group}
        numbered.add(pl.DataFrame(rows, schema={TEXT: pl.UInt32, _SHINGLE: pl.UInt32}))
        frequencies.append(np.minimum(times, _OFTEN).astype(np.uint16))
        first += times.size
    return alone, np.concatenate(frequencies) if frequencies else np.empty(0, np.uint16)


def _perhaps_again(hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether a hash stands there more than once; true of a few others too."""
    bits = max(8, min(25, int(hashes.size).bit_length() + 1))
    # The first bits are the same in all of a part.
    places = ((hashes << np.uint64(6)) >> np.uint64(64 - bits)).astype(np.int64)
    several: NDArray[np.bool_] = (np.bincount(places, minlength=1 << bits) > 1)[places]
    return several


def _grouped(hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The order in which equal hashes stand together, and where in it each group begins.

    Sorting numbers is several times as fast as sorting places by them, so that the place is made part of the number,
    instead of the last bits of the hash; the few hashes that differ only in these are put in order afterwards.
    """
    bits = np.uint64(max(1, int(hashes.size).bit_length()))
    packed = np.sort((hashes >> bits << bits) | np.arange(hashes.size, dtype=np.uint64))
    places = (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    ordered = hashes[places]
    begins = np.ones(hashes.size, np.bool_)
    begins[1:] = ordered[1:] != ordered[:-1]
    first = packed >> bits
    mixed = np.flatnonzero(begins[1:] & (first[1:] == first[:-1])) + 1
    for prefix in np.unique(first[mixed]):
        low, high = np.searchsorted(first, [prefix, prefix + np.uint64(1)])
        places[low:high] = places[low:high][np.argsort(ordered[low:high], kind="stable")]
        ordered[low:high] = hashes[places[low:high]]
        begins[low + 1 : high] = ordered[low + 1 : high] != ordered[low : high - 1]
    return places, begins


def _ordered(numbered: Parts, sizes: NDArray[np.int64], frequencies: NDArray[np.uint16]) -> Sets:
    """The sets, with what stands rarely first."""
    rank = np.empty(frequencies.size, np.int32)
    rank[np.argsort(frequencies, kind="stable")] = np.arange(frequencies.size, dtype=np.int32)
    kept = np.zeros(sizes.size, np.int64)
    ids = [np.empty(0, np.int32)]
    for part in numbered.parts():
        rows = part.whole()
        texts = rows.get_column(TEXT).to_numpy().astype(np.uint64)
        packed = np.sort(texts << np.uint64(32) | rank[rows.get_column(_SHINGLE).to_numpy()].astype(np.uint64))
        # What stands twice in a text is in its set once.
        different = np.ones(packed.size, np.bool_)
        different[1:] = packed[1:] != packed[:-1]
        packed = packed[different]
        kept += np.bincount((packed >> np.uint64(32)).astype(np.int64), minlength=sizes.size)
        ids.append((packed & np.uint64(0xFFFFFFFF)).astype(np.int32))
    starts = np.zeros(sizes.size + 1, np.int64)
    np.cumsum(kept, out=starts[1:])
    return Sets(sizes + kept, starts, np.concatenate(ids), frequencies.size)


def first_equals(sets: Sets) -> NDArray[np.int64]:
    """For each set the first one that is equal to it, often itself; of an empty set always itself."""
    first = np.arange(sets.sizes.size, dtype=np.int64)
    # A set with a shingle of its own has no equal.
    asked = np.flatnonzero((sets.kept == sets.sizes) & (sets.sizes > 0))
    if not asked.size:
        return first
    content = np.append(sets.ids, np.int32(0)).astype(np.uint64)
    spread = (content ^ np.uint64(0x5DEECE66D)) * np.uint64(0x9E3779B97F4A7C15)
    spread ^= spread >> np.uint64(32)
    sums = np.add.reduceat(spread * np.uint64(0xD6E8FEB86659FD93), sets.starts[:-1])
    hashes = sums[asked] ^ sets.sizes[asked].astype(np.uint64) << np.uint64(48)
    places, begins = _grouped(hashes)
    # Places are not sorted within a group: its first is the least.
    leaders = np.minimum.reduceat(asked[places], np.flatnonzero(begins))[np.cumsum(begins) - 1]
    members = asked[places]
    same = _equal(sets, members, leaders)
    first[members[same]] = leaders[same]
    return first


def _equal(sets: Sets, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether two sets of which all shingles are kept are equal."""
    equal: NDArray[np.bool_] = sets.sizes[one] == sets.sizes[other]
    for start in range(0, one.size, 1 << 16):
        few = slice(start, start + (1 << 16))
        pairs = np.flatnonzero(equal[few]) + start
        counts = sets.kept[one[pairs]]
        left, right = (sets.ids[stretches(sets.starts[each[pairs]], counts)] for each in (one, other))
        if counts.size:
            equal[pairs] = np.logical_and.reduceat(left == right, np.cumsum(counts) - counts)
    return equal


def stretches(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of stretches one behind another: so many from each start on.

    Example:
        >>> stretches(np.array([5, 0]), np.array([2, 3])).tolist()
        [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(counts)
    total = int(ends[-1]) if ends.size else 0
    numbers: NDArray[np.int64] = np.arange(total, dtype=np.int64) + np.repeat(starts - (ends - counts), counts)
    return numbers


def portions(counts: NDArray[np.int64] | NDArray[np.uint32], at_once: int) -> Iterator[slice]:
    """Stretches of what has so many each, with not too many together."""
    ends = np.cumsum(counts)
    start = 0
    while start < ends.size:
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + at_once, side="right")))
        yield slice(start, stop)
        start = stop
