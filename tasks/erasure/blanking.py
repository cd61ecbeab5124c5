r"""Blanking: a raw text whose erased records are overwritten, so that every other record stands where it stood.

Belongs here: streams of bytes in, streams of bytes out. Does not belong here: where the bytes lie (copies).

What is written over them is the sha256 of the text as it was, over and over: two texts that differ in nothing but their
erased records would otherwise be one. The line end of a record stays, so that the text has as many records as before.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from schemas.records import RawFile

_TEXT = ("csv", "jsonl")
_WIDE = ("utf-16-le", "utf-16-be")
_LINE_ENDS = ("\r\n", "\n", "\r")


def can_blank(raw: RawFile) -> bool:
    """Whether records of a raw file are stretches of the bytes as they are stored."""
    return raw.compression == "none" and raw.format in _TEXT


def is_blank(record: bytes, raw: RawFile) -> bool:
    r"""Whether a record of a raw file is one that was overwritten.

    Example:
        >>> from schemas.records import RawFile
        >>> raw = RawFile("a.csv", 9, "0f1e" * 16, "csv", "none", 9, 0, 1)
        >>> is_blank(b"0f1e0f\r\n", raw), is_blank(b"0f1f\n", raw), is_blank(b"\n", raw)
        (True, False, False)
    """
    text = record.decode(raw.encoding, "replace").rstrip("\r\n")
    return bool(text) and text == (raw.sha256 * (len(text) // len(raw.sha256) + 1))[: len(text)]


class Blanked:
    r"""A stream in which some stretches are overwritten.

    Example:
        >>> import io
        >>> Blanked(io.BytesIO(b"id\n17\nabc\r\n9"), [(6, 5), (11, 1)], "utf-8", "0f1e").read(100)
        b'id\n17\n0f1\r\n0'
    """

    def __init__(self, stream: BinaryIO, spans: Sequence[tuple[int, int]], encoding: str, original: str) -> None:
        """Reads nothing yet.

        Args:
            stream: stands at its first byte.
            spans: first byte and length of each stretch.
            encoding: of the text.
            original: sha256 of the text as it was, in hexadecimal.
        """
        self._stream, self._at = stream, 0
        narrow = encoding if encoding in _WIDE else "ascii"
        self._filler = original.encode(narrow)
        self._ends = [end.encode(narrow) for end in _LINE_ENDS]
        self._spans = sorted((start, start + length) for start, length in spans if length)
        self._stops = [stop for _, stop in self._spans]
        #: Bytes before and behind those in hand, as they were: a line end may lie across.
        self._before, self._behind = b"", b""

    def read(self, size: int) -> bytes:
        """The next bytes; none at the end."""
        longest = len(self._ends[0])
        there = self._behind + self._stream.read(size + longest - len(self._behind))
        data, self._behind = bytearray(there[:size]), there[size:]
        window = self._before + there
        first = bisect.bisect_right(self._stops, self._at)
        for start, stop in self._spans[first:]:
            if start >= self._at + len(data):
                break
            self._blank(data, start, stop - self._line_end(window, start, stop))
        self._at += len(data)
        self._before = (self._before + there[:size])[-longest:]
        return bytes(data)

    def _blank(self, data: bytearray, start: int, stop: int) -> None:
        low, high = max(start, self._at), min(stop, self._at + len(data))
        if low < high:
            # In step with the record's own first byte, wherever the piece begins.
            filler = self._filler * ((high - low) // len(self._filler) + 2)
            skipped = (low - start) % len(self._filler)
            data[low - self._at : high - self._at] = filler[skipped : skipped + high - low]

    def _line_end(self, window: bytes, start: int, stop: int) -> int:
        """Bytes of the line end with which a stretch ends; 0 if that is too far behind the window to matter."""
        begin = self._at - len(self._before)
        tail = window[max(start, begin) - begin : stop - begin] if stop <= begin + len(window) else b""
        return next((len(end) for end in self._ends if tail.endswith(end)), 0)
