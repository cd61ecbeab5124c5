"""Encodings: text in other bytes than UTF-8 with line feeds, as the splitter and the parser take it.

Belongs here: the shadow on which records are found, which records can't be decoded, and the others as plain text.
Does not belong here: telling a file's encoding (sniffing), or cutting and parsing (splitter, parser).

A shadow has one byte for each unit of the text, a byte or the two of UTF-16: those that structure it as the splitter
knows them, and anything for the rest. Records are cut in the shadow, and their bounds, times the width of a unit, are
those in the text. So offsets are of the original bytes, whatever the encoding, and nothing is decoded to find a record.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.ingest.escapes import NEUTRAL, Escape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from schemas.records import Encoding, LineEnd

_LF, _CR = 10, 13
_CR_ENDS = bytes.maketrans(b"\r\n", bytes([_LF, NEUTRAL]))
#: Bytes of windows-1252 that are no character.
UNDEFINED = b"\x81\x8d\x8f\x90\x9d"
_UNITS = {"utf-16-le": "<u2", "utf-16-be": ">u2"}
#: Bytes whose encoding is tried at once; a failure costs trying each record in them.
_DECODED_AT_ONCE = 1 << 16


def _utf8_sizes(encoding: str) -> bytes:
    return bytes(len(bytes([byte]).decode(encoding, "replace").encode()) for byte in range(256))


#: How many bytes of UTF-8 each byte becomes.
_SIZES = {encoding: _utf8_sizes(encoding) for encoding in ("windows-1252", "latin-1")}


@dataclass(frozen=True)
class Spelling:
    r"""How a text's characters, line ends and escapes are written in bytes; how fields are, the splitter knows.

    Attributes:
        encoding: of the characters.
        line_end: lf (which ends CRLF, too), cr, or any of the three.
        escape: what escapes, if anything does.

    Example:
        >>> spelling = Spelling("utf-16-le")
        >>> data = "é\nb\n".encode("utf-16-le")
        >>> spelling.shadow(data, final=True)
        b'\x80\nb\n'
        >>> spelling.plain(data, np.array([0, 4, 8]))
        (b'\xc3\xa9\nb\n', array([0, 3, 5]))
    """

    encoding: Encoding = "utf-8"
    line_end: LineEnd = "lf"
    escape: Escape | None = None

    @classmethod
    def of(
        cls, encoding: Encoding, line_end: LineEnd, *, delimiter: str, quote: str | None, escape: str | None
    ) -> Spelling:
        """The spelling of delimited text; `escape` takes the meaning from `delimiter` and `quote`."""
        escaped = Escape(ord(escape), ord(delimiter), ord(quote) if quote else None) if escape else None
        return cls(encoding, line_end, escaped)

    @property
    def width(self) -> int:
        """Bytes of a unit."""
        return 2 if self.encoding in _UNITS else 1

    def shadow(self, data: bytes, *, final: bool) -> bytes:
        """One byte for each unit of a text, of which line feeds, delimiters and quotes mean what they say.

        Args:
            data: begins where a record begins, or behind what an earlier shadow covers.
            final: whether no text comes behind it. If some does, units that it may change are left out at the end: they
                are to come again in front of it. Half a unit at the end of all is one.
        """
        shadow = self._unit_shadow(data, final=final) if self.width > 1 else data
        if self.escape:
            shadow = self.escape.hidden(shadow, final=final)
        if self.line_end == "cr":
            return shadow.translate(_CR_ENDS)
        return _any_ends(shadow, final=final) if self.line_end == "any" and b"\r" in shadow else shadow

    def line_ends(self, data: bytes) -> NDArray[np.int64]:
        """Where each physical line of a text ends, within a record or behind an escape, too: behind its last byte.

        Args:
            data: begins and ends where a record does.
        """
        shadow = dataclasses.replace(self, escape=None).shadow(data, final=True)
        ends = np.flatnonzero(np.frombuffer(shadow, np.uint8) == _LF) + 1
        return np.minimum(ends * self.width, len(data))

    def undecodable(self, data: bytes, bounds: NDArray[np.int64]) -> NDArray[np.bool_]:
        """For each record whether some of it is no character in the encoding.

        Args:
            data: the records.
            bounds: where each begins, and at last where the last one ends.
        """
        if self.encoding == "latin-1" or (self.width == 1 and data.isascii()):
            return np.zeros(len(bounds) - 1, np.bool_)
        if self.encoding == "utf-8":
            return _not_utf8(data, bounds)
        flaws = self._lone_surrogates(data) if self.width > 1 else _undefined(data)
        found = np.zeros(len(bounds) - 1, np.bool_)
        found[np.searchsorted(bounds, flaws, side="right") - 1] = True
        return found

    def plain(self, data: bytes, bounds: NDArray[np.int64]) -> tuple[bytes, NDArray[np.int64]]:
        """Records as UTF-8 with LF or CRLF behind each, escapes coded; and their bounds.

        Args:
            data: the records, none of them empty; all can be decoded.
            bounds: where each begins, and at last where the last one ends.
        """
        data, bounds = self._as_utf8(data, bounds)
        if self.escape:
            # First, lest an escaped carriage return and the line end behind it become an escaped CRLF.
            data, bounds = self.escape.coded(data, bounds)
        if self.line_end != "lf" and b"\r" in data and len(bounds) > 1:
            text, last = np.frombuffer(data, np.uint8).copy(), bounds[1:] - 1
            text[last[text[last] == _CR]] = _LF
            data = text.tobytes()
        return data, bounds

    def _as_utf8(self, data: bytes, bounds: NDArray[np.int64]) -> tuple[bytes, NDArray[np.int64]]:
        if self.encoding == "utf-8" or not data or (self.width == 1 and data.isascii()):
            return data, bounds
        text = data.decode(self.encoding).encode()
        lengths = np.add.reduceat(self._sizes(data), bounds[:-1] // self.width, dtype=np.int64)
        return text, np.append(0, np.cumsum(lengths))

    def _sizes(self, data: bytes) -> NDArray[np.uint8]:
        """How many bytes of UTF-8 each unit becomes; of a pair of surrogates, each half."""
        if self.width == 1:
            return np.frombuffer(data.translate(_SIZES[self.encoding]), np.uint8)
        units = np.frombuffer(data, _UNITS[self.encoding])
        sizes: NDArray[np.uint8] = np.add(units >= 0x80, units >= 0x800, dtype=np.uint8) + np.uint8(1)
        sizes -= (units & 0xF800) == 0xD800
        return sizes

    def _unit_shadow(self, data: bytes, *, final: bool) -> bytes:
        units = np.frombuffer(data, _UNITS[self.encoding], len(data) // 2)
        half = bytes([NEUTRAL]) if final and len(data) % 2 else b""
        shadow: bytes = np.minimum(units, NEUTRAL).astype(np.uint8).tobytes()
        return shadow + half

    def _lone_surrogates(self, data: bytes) -> NDArray[np.int64]:
        """Where a surrogate stands that is no half of a pair, or half a unit."""
        units = np.frombuffer(data, _UNITS[self.encoding], len(data) // 2)
        half = [len(data) - 1] * (len(data) % 2)
        places = np.flatnonzero((units & 0xF800) == 0xD800)
        high = (units[places] & 0x0400) == 0
        # Each pair begins with a high one that a low one follows at once.
        begins = np.flatnonzero(high[:-1] & ~high[1:] & (np.diff(places) == 1))
        lone = np.delete(places, np.append(begins, begins + 1))
        return np.append(lone * 2, half).astype(np.int64)


#: UTF-8 in which LF ends a line and nothing escapes.
PLAIN = Spelling()


def _any_ends(shadow: bytes, *, final: bool) -> bytes:
    """The shadow with a line feed for each carriage return that none follows."""
    if shadow.endswith(b"\r") and not final:
        shadow = shadow[:-1]
    text = np.frombuffer(shadow, np.uint8).copy()
    returns = np.flatnonzero(text == _CR)
    following = np.append(text, 0)[returns + 1]
    text[returns[following != _LF]] = _LF
    return text.tobytes()


def _undefined(data: bytes) -> NDArray[np.int64]:
    """Where a byte stands that is no character of windows-1252."""
    if len(data.translate(None, UNDEFINED)) == len(data):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.isin(np.frombuffer(data, np.uint8), list(UNDEFINED)))


def _not_utf8(data: bytes, bounds: NDArray[np.int64]) -> NDArray[np.bool_]:
    found = np.zeros(len(bounds) - 1, np.bool_)
    first = 0
    while first < len(found):
        reach = bounds[first] + _DECODED_AT_ONCE
        behind = max(first + 1, int(np.searchsorted(bounds, reach, side="right")) - 1)
        if not _is_utf8(data[bounds[first] : bounds[behind]]):
            found[first:behind] = [not _is_utf8(data[bounds[i] : bounds[i + 1]]) for i in range(first, behind)]
        first = behind
    return found


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
