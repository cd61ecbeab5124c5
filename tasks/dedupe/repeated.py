"""Repeated: the rows whose key may stand in another row too, found by looking at keys only.

Belongs here: hashes of keys, and the portions in which rows of the same key come together. Does not belong here: what
becomes of them (exact, verdicts), or the disk that portions may lie on (tasks/store/spill).

A hash only chooses rows for a closer look, in which keys themselves are compared: two keys of one hash cost a little
time, and nothing that is written depends on a hash.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import polars as pl

from tasks.ingest.ahead import abreast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from tasks.dedupe.candidates import Block

#: The number of a row, from 0.
ROW = "_row"
#: The hash of a row's key.
HASH = "_hash"
#: All hashes are less.
HASHES = 1 << 64

_SEED = 20_261_123
#: Bits of a hash that tell its place among the suspects: at most so many, which is 64 MiB of memory.
_MOST_BITS = 26
_FEWEST_BITS = 12


class Part(Protocol):
    """Rows that belong together; see `tasks.store.spill.Part`."""

    @property
    def stop(self) -> int: ...  # noqa: D102

    @property
    def portions(self) -> Callable[[], Iterator[pl.DataFrame]]: ...  # noqa: D102

    def whole(self) -> pl.DataFrame: ...  # noqa: D102


class Parts(Protocol):
    """Rows put aside; see `tasks.store.spill.Spill`."""

    rows: int

    def add(self, frame: pl.DataFrame) -> None: ...  # noqa: D102

    def done(self) -> None: ...  # noqa: D102

    def parts(self) -> Iterator[Part]: ...  # noqa: D102


class Suspects:
    """A set of hashes of bounded size, which may hold some that were not added.

    It has as many places as there are rows, or twice as many; where a share of the rows has a key that is repeated, no
    more than that share of the others is suspected with them.
    """

    def __init__(self, expected: int) -> None:
        """Makes room for so many hashes."""
        bits = min(_MOST_BITS, max(_FEWEST_BITS, expected.bit_length()))
        self._shift = np.uint64(64 - bits)
        self._there = np.zeros(1 << bits, np.bool_)
        self.any = False

    def add(self, hashes: pl.Series) -> None:
        """Adds hashes."""
        self._there[hashes.to_numpy() >> self._shift] = True
        self.any = self.any or bool(hashes.len())

    def among(self, hashes: pl.Series) -> NDArray[np.intp]:
        """At which places there is a hash that was added, or one that can't be told from it; never a null."""
        found = self._there[hashes.fill_null(0).to_numpy() >> self._shift]
        if hashes.null_count():
            found &= hashes.is_not_null().to_numpy()
        return np.flatnonzero(found)


def key_hash(names: Sequence[str]) -> pl.Expr:
    """A hash of a row's key, null where a part of the key is missing; equal keys have equal hashes.

    Example:
        >>> frame = pl.DataFrame({"a": [0.0, -0.0, None], "b": [1, 1, 1]})
        >>> hashes = frame.select(key_hash(["a", "b"])).to_series()
        >>> hashes[0] == hashes[1], hashes[2]
        (True, None)
    """
    key = pl.struct(names) if len(names) > 1 else pl.col(names[0])
    complete = pl.all_horizontal(pl.col(name).is_not_null() for name in names)
    return pl.when(complete).then(key.hash(_SEED)).alias(HASH)


def gather(
    blocks: Callable[[], Iterable[Block]], key: Sequence[str], columns: Sequence[str], hashes: Parts, rows: Parts
) -> None:
    """Puts every row whose key stands in another row too into `rows`, and some others.

    Args:
        blocks: yields all rows, each time it is called; those that are out of a block don't count.
        key: the columns that are compared.
        columns: those that are wanted of the rows that are found, beside their `_row` and `_hash`.
        hashes: empty; parts by `_hash`.
        rows: empty; parts by `_hash`, so that rows of one key come together.
    """
    for hashed in abreast(lambda block: _hashed(block, key).drop_nulls(), blocks()):
        hashes.add(hashed.to_frame())
    suspects = Suspects(hashes.rows)
    for part in hashes.parts():
        for repeated in _repeated(part):
            suspects.add(repeated)
    for found in abreast(lambda block: _suspected(block, key, columns, suspects), blocks() if suspects.any else ()):
        rows.add(found)


def _suspected(block: Block, key: Sequence[str], columns: Sequence[str], suspects: Suspects) -> pl.DataFrame:
    """The rows of a block whose hash is among the suspects."""
    hashed = _hashed(block, key)
    found = suspects.among(hashed)
    number = pl.Series(ROW, found.astype(np.uint64) + np.uint64(block.start))
    # A few rows of a block would keep all of its text alive.
    return _own(block.frame.select(columns)[found]).hstack([number, hashed[found]])


def _hashed(block: Block, key: Sequence[str]) -> pl.Series:
    hashed = block.frame.select(key_hash(key)).to_series()
    return hashed.scatter(block.gone, None) if block.gone.size else hashed


def witnessed(
    portions: Callable[[], Iterable[pl.DataFrame]], witnesses: Callable[[pl.DataFrame], pl.DataFrame], identity: str
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Portions of rows, each beside the few other rows that it must be seen with, with one portion in memory at once.

    Args:
        portions: yields the rows, each time it is called.
        witnesses: gives the few rows of a frame that tell of any other row what all of them would tell.
        identity: a column that tells rows apart.

    Yields:
        Each portion; and the same rows with the witnesses of all portions.
    """
    firsts = list(itertools.islice(portions(), 2))
    if len(firsts) < 2:
        yield from ((portion, portion) for portion in firsts)
        return
    known = firsts.pop().clear()
    firsts.clear()
    for portion in portions():
        known = witnesses(pl.concat([known, portion]))
    for portion in portions():
        yield portion, pl.concat([portion, known]).unique(identity, maintain_order=True)


def _repeated(hashes: Part) -> Iterator[pl.Series]:
    """The hashes that are there more than once, some of them several times.

    Besides a portion, only different hashes are in memory: a key that stands in every row takes no room.
    """
    known = pl.Series(dtype=pl.UInt64)
    for portion in hashes.portions():
        ordered = pl.concat([known, portion.get_column(HASH)]).sort()
        again = (ordered == ordered.shift()).fill_null(value=False)
        yield ordered.filter(again)
        known = ordered.filter(~again)


def _own(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows in memory of their own: the classic layout of text has no views into other frames' buffers."""
    return cast("pl.DataFrame", pl.from_arrow(rows.to_arrow()))
