r"""Escapes: a character that takes the meaning from the one behind it, such as the backslash of MySQL's dumps.

Belongs here: hiding what is escaped from the splitter and the parser, and putting it back into the cells. Does not
belong here: doubled quotes, which the splitter and the parser know themselves.

An escape in front of a delimiter, a quote, a line end or an escape stands for that character alone. In front of
anything else both are data, so that nothing is lost of what another program may mean by `\N` or `\t`.

Before records are parsed, each escaped character is replaced by a code, a control character that means nothing to the
parser; the escape stays in front of it. A code that stands behind an escape in the data itself gets another one between
them. So each escape in the coded text begins a pair, and one replacement of pairs in the cells gives back the text.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LF, _CR = 10, 13
#: A byte that means nothing to the splitter.
NEUTRAL = 0x80
#: Bytes of which those are codes that mean nothing else.
_CONTROL = range(1, 32)


@dataclass(frozen=True)
class Escape:
    r"""What one dialect escapes, and how.

    Attributes:
        byte: the escape.
        delimiter: the byte between fields.
        quote: the byte around fields, or None.

    Example:
        >>> escape = Escape(ord("\\"), ord(","), ord('"'))
        >>> escape.hidden(b"a\\,b\\\n,c\n", final=True)
        b'a\x80\x80b\x80\x80,c\n'
        >>> coded, _ = escape.coded(b"a\\,b,c\n", np.array([0, 7]))
        >>> [escape.restored_text(cell) for cell in coded.decode().rstrip().split(",")]
        ['a,b', 'c']
    """

    byte: int
    delimiter: int
    quote: int | None

    def hidden(self, text: bytes, *, final: bool) -> bytes:
        """The text with a neutral byte for each escape and each character that it escapes.

        Args:
            text: begins at no escaped character.
            final: whether no text comes behind it. If some does, an escape whose character has not come yet is left
                out at the end.
        """
        if self.byte not in text:
            return text
        array = np.frombuffer(text, np.uint8).copy()
        first = self._escaping(array)
        lone = first[-1] + 1 == len(array)
        undecided = lone or (array[-1] == _CR and first[-1] + 2 == len(array))
        second = first[:-1] + 1 if lone else first + 1
        fed = _followed_by_feed(array, second)
        array[first] = array[second] = array[fed] = NEUTRAL
        return array[: first[-1]].tobytes() if undecided and not final else array.tobytes()

    def coded(self, text: bytes, bounds: NDArray[np.int64]) -> tuple[bytes, NDArray[np.int64]]:
        """Records of UTF-8 text without an escaped delimiter, quote or line end in them, and their bounds.

        Args:
            text: the records.
            bounds: where each begins, and at last where the last one ends.
        """
        if self.byte not in text:
            return text, bounds
        array = np.frombuffer(text, np.uint8).copy()
        second = self._escaping(array) + 1
        second = second[second < len(array)]
        fed = _followed_by_feed(array, second)
        codes = self._codes
        taken = second[np.isin(array[second], list(codes.all))]
        array[second] = np.frombuffer(codes.table, np.uint8)[array[second]]
        # An escaped CRLF is one code twice, so that no byte moves.
        array[fed - 1] = array[fed] = codes.crlf
        if not len(taken):
            return array.tobytes(), bounds
        return np.insert(array, taken, codes.itself).tobytes(), bounds + np.searchsorted(taken, bounds)

    def restored(self, cells: pl.DataFrame) -> pl.DataFrame:
        """Cells of coded records as they are meant.

        Args:
            cells: String columns.
        """
        found = pl.all().str.contains(chr(self.byte), literal=True).any()
        columns = [name for name, (escaped,) in cells.select(found).to_dict(as_series=False).items() if escaped]
        pairs = self._codes.pairs
        change = pl.col(columns).str.replace_many(list(pairs), list(pairs.values()))
        return cells.with_columns(change) if columns else cells

    def restored_text(self, cell: str) -> str:
        """One cell of a coded record as it is meant."""
        if chr(self.byte) not in cell:
            return cell
        pairs = self._codes.pairs
        return re.sub("|".join(map(re.escape, pairs)), lambda found: pairs[found[0]], cell)

    def _escaping(self, array: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Where an escape stands that is not escaped itself: every second one of a run."""
        every = np.flatnonzero(array == self.byte)
        begins = np.diff(every, prepend=-2) != 1
        run = np.maximum.accumulate(np.where(begins, every, 0))
        escaping: NDArray[np.int64] = every[(every - run) % 2 == 0]
        return escaping

    @property
    def _codes(self) -> _Codes:
        return _codes(self.byte, self.delimiter, self.quote)


@dataclass(frozen=True)
class _Codes:
    """What stands for what behind an escape.

    Attributes:
        table: for each byte its code, or the byte itself.
        crlf: twice, the code of a CRLF.
        itself: says that the escape and what comes next mean themselves.
        pairs: each coded pair and what it means.
    """

    table: bytes
    crlf: int
    itself: int
    pairs: dict[str, str]

    @property
    def all(self) -> set[int]:
        """The codes."""
        return {ord(pair[1]) for pair in self.pairs}


@functools.cache
def _codes(byte: int, delimiter: int, quote: int | None) -> _Codes:
    meant = [each for each in (delimiter, quote, byte, _CR, _LF) if each is not None]
    itself, crlf, *codes = [code for code in _CONTROL if code not in meant][: len(meant) + 2]
    escape = chr(byte)
    table = bytes.maketrans(bytes(meant), bytes(codes))
    pairs = {f"{escape}{chr(code)}": chr(each) for code, each in zip(codes, meant, strict=True)}
    return _Codes(table, crlf, itself, {f"{escape}{chr(crlf) * 2}": "\r\n", f"{escape}{chr(itself)}": escape, **pairs})


def _followed_by_feed(array: NDArray[np.uint8], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the line feed of an escaped CRLF stands."""
    fed = second[array[second] == _CR] + 1
    fed = fed[fed < len(array)]
    feeds: NDArray[np.int64] = fed[array[fed] == _LF]
    return feeds
