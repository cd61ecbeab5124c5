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
        places: sha256 of a raw file -> numbers of its records that were erased, however they were found.
    """

    ids: tuple[str, ...] = ()
    salt: bytes = b""
    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    places: Mapping[str, frozenset[int]] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that have hashes."""
        return tuple(sorted(self.hashes))

    def among(self, column: str, texts: pl.Series) -> pl.Series:
        """Whether texts are erased values; each distinct one is hashed once."""
        known = self.hashes.get(column, frozenset())
        distinct = texts.drop_nulls().unique() if known else ()
        erased = [text for text in distinct if hashed(self.salt, column, text) in known]
        return texts.is_in(erased).fill_null(value=False) if erased else _none_of(texts)

    def places_in(self, inputs: Sequence[RawFile]) -> Iterable[tuple[str, int]]:
        """The erased records of raw files, as far as they have so many."""
        for raw in inputs:
            yield from ((raw.sha256, each) for each in self.places.get(raw.sha256, ()) if each <= raw.records)


def _none_of(texts: pl.Series) -> pl.Series:
    return texts.is_null() & False


def hashed(salt: bytes, column: str, text: str) -> str:
    """The keyed hash of a value of a column, in hexadecimal.

    Example:
        >>> hashed(b"salt", "id", "7") == hashed(b"pepper", "id", "7")
        False
    """
    data = f"{column}\0{text}".encode()
    return hashlib.blake2b(data, digest_size=_HASH_BYTES, key=salt).hexdigest()
