"""Needles: texts so much a person's own that they must be nowhere, in whatever spelling.

Belongs here: which texts can be searched for, and finding them in text, in bytes and in frames. Does not belong here:
what is searched (search, sweep).

A needle counts where it stands as a word of its own: `S-1042` is not in `S-10421`, nor `smith@x.example` in
`john.smith@x.example`, which are other people's.
"""

from __future__ import annotations

import functools
import json
import operator
import re
from typing import TYPE_CHECKING

import polars as pl

from schemas.records import RAW, REASONS
from tasks.report.escape import as_markdown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Shorter texts, and numbers with fewer digits, are in many a record by chance.
_SHORTEST, _FEWEST_DIGITS = 6, 8
_INSIDE = r"\w.@+\-"
_ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "cp1252")


def distinctive(text: str) -> bool:
    """Whether a text is in nobody's record by chance.

    Example:
        >>> distinctive("ada@home.example"), distinctive("4711"), distinctive("12345678")
        (True, False, True)
    """
    return len(text) >= (_FEWEST_DIGITS if text.isdecimal() else _SHORTEST)


class Needles:
    r"""Some texts, to be found wherever they stand.

    Example:
        >>> needles = Needles(["S-1042!"])
        >>> (
        ...     needles.in_bytes(b"of S-1042!, too"),
        ...     needles.in_bytes(b"S-1042!9"),
        ...     needles.in_bytes("S-1042!".encode("utf-16")),
        ... )
        (True, False, True)
        >>> bool(Needles(["7"]))
        False
    """

    def __init__(self, texts: Iterable[str]) -> None:
        """Takes the distinctive ones of the texts."""
        self.texts = tuple(sorted({text.strip() for text in texts if distinctive(text.strip())}))
        self.spellings = sorted({spelling for text in self.texts for spelling in _spellings(text)})
        self._bytes = {encoding: list(_encoded(self.spellings, encoding)) for encoding in _ENCODINGS}
        wanted = "|".join(map(re.escape, sorted(self.spellings, key=len, reverse=True)))
        self._pattern = re.compile(rf"(?<![{_INSIDE}])(?:{wanted})(?!\.*[\w@+\-])")

    def __bool__(self) -> bool:
        """Whether there is anything to search for."""
        return bool(self.texts)

    @property
    def longest(self) -> int:
        """Bytes of the longest spelling in any encoding."""
        return max((len(each) for known in self._bytes.values() for each in known), default=0)

    def in_text(self, text: str) -> bool:
        """Whether one stands in a text."""
        return bool(self) and self._pattern.search(text) is not None

    def in_bytes(self, data: bytes) -> bool:
        """Whether one stands in bytes, whatever text they are."""
        return bool(self) and any(self._in_encoded(data, encoding) for encoding in _ENCODINGS)

    def _in_encoded(self, data: bytes, encoding: str) -> bool:
        at = min((found for each in self._bytes[encoding] if (found := data.find(each)) >= 0), default=-1)
        if at < 0:
            return False
        start = at % 2 if encoding.startswith("utf-16") else 0
        return self.in_text(data[start:].decode(encoding, "replace"))

    def in_rows(self, schema: pl.Schema) -> pl.Expr:
        """Whether one stands in a row: in its cells, its raw bytes or its reasons."""
        found = [self._in_column(name, dtype) for name, dtype in schema.items() if _may_hold(name, dtype)]
        return pl.any_horizontal(found).fill_null(value=False) if found and self else pl.lit(value=False)

    def in_everything(self, schema: pl.Schema) -> pl.Expr:
        """As `in_rows`, in all columns that hold text or bytes."""
        found = [self._in_column(name, dtype) for name, dtype in schema.items() if _is_text(dtype)]
        return pl.any_horizontal(found).fill_null(value=False) if found and self else pl.lit(value=False)

    def _in_column(self, name: str, dtype: pl.DataType) -> pl.Expr:
        if dtype == pl.Binary:
            known = [each for listed in self._bytes.values() for each in listed]
            maybe = functools.reduce(operator.or_, (pl.col(name).bin.contains(each) for each in known))
            return pl.struct(maybe.alias("maybe"), pl.col(name).alias("value")).map_batches(
                functools.partial(_tried, self.in_bytes), return_dtype=pl.Boolean, is_elementwise=True
            )
        text = pl.col(name).list.join("\n") if dtype == pl.List(pl.String) else pl.col(name).cast(pl.String)
        maybe = text.str.contains_any(self.spellings)
        return pl.struct(maybe.alias("maybe"), text.alias("value")).map_batches(
            functools.partial(_tried, self.in_text), return_dtype=pl.Boolean, is_elementwise=True
        )


def _tried(found: object, pairs: pl.Series) -> pl.Series:
    """Where it may be, whether it is; few cells get here."""
    maybe = pairs.struct.field("maybe").fill_null(value=False)
    if not maybe.any():
        return maybe
    hits = pairs.struct.field("value").filter(maybe)
    told = pl.Series([bool(found(value)) for value in hits], dtype=pl.Boolean)  # type: ignore[operator]  # in_text or in_bytes
    return maybe.scatter(maybe.arg_true(), told)


def _may_hold(name: str, dtype: pl.DataType) -> bool:
    return _is_text(dtype) and (name in (RAW, REASONS) or not name.startswith("_"))


def _is_text(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.String | pl.Binary | pl.Categorical | pl.Enum) or dtype == pl.List(pl.String)


def _spellings(text: str) -> Iterator[str]:
    yield text
    yield text.replace('"', '""')
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield as_markdown(text, limit=len(text))


def _encoded(spellings: Iterable[str], encoding: str) -> Iterator[bytes]:
    for spelling in spellings:
        try:
            yield spelling.encode(encoding)
        except UnicodeEncodeError:
            continue
