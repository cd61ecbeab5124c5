"""Marks: by what the records of a person are told.

Belongs here: the values of one subject in clear, as long as an erasure runs, and the hashes of all that were erased,
which stay. Does not belong here: where in a record a value stands (matching).

A hash is keyed with a secret of the data set, so that it says nothing to one who has only the hash. Who has the whole
store can try whether a person whom he names was erased, as he could if the name itself were kept; he can't list them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import polars as pl

    from schemas.records import RawFile

_HASH_BYTES = 16
#: Lengths of text by which hash functions go different ways.
_PROBED = (0, 1, 4, 8, 9, 16, 17, 32, 33, 64, 65, 128, 129, 240, 241, 1000)


class Marks(Protocol):
    """Values of columns by which records are told."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that have any."""
        ...

    def among(self, column: str, texts: pl.Series) -> pl.Series:
        """For each canonical text (see `matching.canonical`) of a column whether it is one of them; never null."""
        ...


@dataclass(frozen=True)
class Subject:
    """The canonical values of one column that are one person's."""

    column: str
    values: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)

    def among(self, column: str, texts: pl.Series) -> pl.Series:
        """Whether texts are among the values."""
        if column != self.column:
            return _none_of(texts)
        return texts.is_in(list(self.values)).fill_null(value=False)


@dataclass(frozen=True)
class Tombstones:
    """All that was erased from a data set.

    Attributes:
        ids: of the erasures, sorted.
        salt: the data set's secret.
        hashes: for each column the hashes of its erased values.
        quick: for each column the quick hashes (`quick_hashes`) of its erased values.
        slow: for each column those of `hashes` whose quick hashes were made by another polars, and mean nothing here.
        places: sha256 of a raw file -> numbers of its records that were erased, however they were found.
    """

    ids: tuple[str, ...] = ()
    salt: bytes = b""
    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    quick: Mapping[str, frozenset[int]] = field(default_factory=dict)
    slow: Mapping[str, frozenset[str]] = field(default_factory=dict)
    places: Mapping[str, frozenset[int]] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that have hashes."""
        return tuple(sorted(self.hashes))

    def among(self, column: str, texts: pl.Series) -> pl.Series:
        """Whether texts are erased values: those that may be one by their quick hash are hashed in earnest."""
        maybe = set[str]()
        if known := self.quick.get(column):
            maybe.update(texts.filter(_among_numbers(quick_hashes(self.salt, texts), known)).drop_nulls())
        erased = [text for text in maybe if hashed(self.salt, column, text) in self.hashes[column]]
        if slow := self.slow.get(column):
            erased += [text for text in texts.drop_nulls().unique() if hashed(self.salt, column, text) in slow]
        return texts.is_in(erased).fill_null(value=False) if erased else _none_of(texts)

    def places_in(self, inputs: Sequence[RawFile]) -> Iterable[tuple[str, int]]:
        """The erased records of raw files, as far as they have so many."""
        for raw in inputs:
            yield from ((raw.sha256, each) for each in self.places.get(raw.sha256, ()) if each <= raw.records)


def _none_of(texts: pl.Series) -> pl.Series:
    return texts.is_null() & False


def _among_numbers(numbers: pl.Series, known: frozenset[int]) -> pl.Series:
    import polars as pl

    # Half of all hashes are more than a signed number holds, which polars would take a list of them for.
    return numbers.is_in(pl.Series(list(known), dtype=pl.UInt64).implode())


def quick_hashes(salt: bytes, texts: pl.Series) -> pl.Series:
    """Hashes of all texts at once. They need not be the same under another version of polars; see `probes`."""
    return texts.hash(int.from_bytes(hashlib.blake2b(salt, digest_size=8).digest(), "big"))


def probes(salt: bytes) -> tuple[int, ...]:
    """Quick hashes of some known texts: where they are the same, those of other texts are, too."""
    import polars as pl

    return tuple(quick_hashes(salt, pl.Series([pl.__version__, *("p" * length for length in _PROBED)])))


def hashed(salt: bytes, column: str, text: str) -> str:
    """The keyed hash of a value of a column, in hexadecimal.

    Example:
        >>> hashed(b"salt", "id", "7") == hashed(b"pepper", "id", "7")
        False
    """
    data = f"{column}\0{text}".encode()
    return hashlib.blake2b(data, digest_size=_HASH_BYTES, key=salt).hexdigest()
