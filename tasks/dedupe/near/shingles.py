"""Shingles: what a text is compared by, the runs of so many words or characters that stand in it.

Belongs here: cutting texts into shingles, as hashes for finding similar texts and as strings for proving them. Does
not belong here: what similar means (likeness), or sets of shingles (sets).

Shingles are those of Broder, On the resemblance and containment of documents (1997), section 2. A word is what stands
between white space, with its case and its punctuation. A text of fewer words (characters) than a shingle has is one
shingle, all of it, so that short texts are similar only when their words are equal; one without any has none, and is
similar to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable

    import polars as pl
    from numpy.typing import NDArray

    from schemas.policies import Near

#: What separates words: Unicode's White_Space. Python's own `split` knows four separators more.
_SPACES = "".join(
    map(chr, (*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000))
)
_RUN_OF_SPACES = f"[{_SPACES}]+"
#: A text that has any of these is not only words with single spaces between them.
_UNEVEN = f"[{_SPACES.replace(' ', '')}]|  |^ | $"
_TO_BLANK = dict.fromkeys(map(ord, _SPACES), " ")
#: Odd constants of SplitMix64 (Steele, Lea, Flood 2014, section 4): multiplying by them spreads bits.
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_GOLDEN = 0x9E3779B97F4A7C15


class Shingled(NamedTuple):
    """The shingles of some texts.

    Attributes:
        hashes: of all shingles, text after text; one that stands twice in a text is there twice.
        counts: how many of them each text has; 0 for a missing text.
    """

    hashes: NDArray[np.uint64]
    counts: NDArray[np.int64]


def shingle(texts: pl.Series, near: Near) -> Shingled:
    """The shingles of texts as hashes.

    Args:
        texts: strings, some of them null.
        near: what a shingle is.

    Example:
        >>> import polars as pl
        >>> from schemas.policies import Near
        >>> shingle(pl.Series(["a b c d", "a  b c", "", None]), Near("text", jaccard=0.8)).counts.tolist()
        [2, 1, 0, 0]
    """
    if near.characters is not None:
        units, lengths = _characters(texts)
        return _runs(units, lengths, near.characters)
    units, lengths = _words(texts)
    return _runs(units, lengths, near.words)


def shingle_set(text: str | None, near: Near) -> frozenset[Hashable]:
    """The shingles of one text as strings: what similarity is proved by.

    Example:
        >>> from schemas.policies import Near
        >>> sorted(shingle_set("to be or not", Near("text", jaccard=0.8)))
        [('be', 'or', 'not'), ('to', 'be', 'or')]
    """
    if not text:
        return frozenset()
    if near.characters is not None:
        length = min(near.characters, len(text))
        return frozenset(text[at : at + length] for at in range(len(text) - length + 1))
    words = [word for word in text.translate(_TO_BLANK).split(" ") if word]
    length = min(near.words, len(words))
    return frozenset(zip(*(words[at:] for at in range(length)), strict=False))


def _words(texts: pl.Series) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """A hash of each word of the texts, and how many each text has."""
    import polars_hash as plh

    filled = texts.fill_null("")
    # Most texts have single spaces only, and to look is much cheaper than to replace.
    uneven = filled.str.contains(_UNEVEN)
    if uneven.any():
        even = filled.filter(uneven).str.replace_all(_RUN_OF_SPACES, " ").str.strip_chars(" ")
        filled = filled.scatter(uneven.arg_true(), even)
    split = filled.str.split(" ")
    lengths = split.list.len().to_numpy().astype(np.int64)
    # An empty text splits into one empty word.
    empty = (filled == "").to_numpy()
    words = split.explode().to_frame("word").select(plh.col("word").nchash.xxh3_64()).to_series().to_numpy()
    if not empty.any():
        return words, lengths
    starts = lengths.cumsum() - lengths
    lengths[empty] = 0
    return np.delete(words, starts[empty]), lengths


def _characters(texts: pl.Series) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Each character of the texts as a number, and how many each text has."""
    filled = texts.fill_null("")
    points = np.frombuffer("".join(filled.to_list()).encode("utf-32-le"), "<u4")
    return points.astype(np.uint64), filled.str.len_chars().to_numpy().astype(np.int64)


def _runs(units: NDArray[np.uint64], lengths: NDArray[np.int64], width: int) -> Shingled:
    """A hash of each run of so many units within a text; of all units of a shorter text."""
    counts = np.where(lengths >= width, lengths - width + 1, (lengths > 0).astype(np.int64))
    short = np.flatnonzero((lengths < width) & (lengths > 0))
    starts = lengths.cumsum() - lengths
    mixed = _combined(units, width)
    # Of the runs that begin at each unit, those that end in the same text.
    begins = np.ones(units.size, np.bool_)
    for back in range(1, width):
        ends = starts + lengths - back
        begins[ends[lengths >= back]] = False
    begins[starts[short]] = True
    hashes = (
        mixed[begins[: mixed.size]] if not short.size else _with_short(mixed, begins, units, starts, lengths, short)
    )
    return Shingled(hashes, counts)


def _combined(units: NDArray[np.uint64], width: int) -> NDArray[np.uint64]:
    """A hash of the `width` units from each one on, as far as there are so many."""
    size = max(0, units.size - width + 1)
    mixed = _spread(units[:size] + np.uint64(width * _GOLDEN & (1 << 64) - 1))
    for at in range(1, width):
        mixed = _spread(mixed * _FIRST + units[at : at + size])
    return mixed


def _with_short(
    mixed: NDArray[np.uint64],
    begins: NDArray[np.bool_],
    units: NDArray[np.uint64],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    short: NDArray[np.intp],
) -> NDArray[np.uint64]:
    """The hashes of the runs that begin where they may, those of short texts made of the units that there are."""
    every = np.zeros(units.size, np.uint64)
    every[: mixed.size] = mixed
    for length in np.unique(lengths[short]):
        at = starts[short[lengths[short] == length]]
        one = _spread(units[at] + np.uint64(int(length) * _GOLDEN & (1 << 64) - 1))
        for further in range(1, int(length)):
            one = _spread(one * _FIRST + units[at + further])
        every[at] = one
    return every[begins]


def _spread(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The values with every bit of each depending on most others."""
    values = (values ^ (values >> np.uint64(31))) * _SECOND
    return values ^ (values >> np.uint64(29))
