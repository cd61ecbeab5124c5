"""Recount: the books of one file, counted once more from its blocks and its bytes alone.

Belongs here: law 1 and law 2 as arithmetic on what a reader yielded. Does not belong here: reading, or the reader's own
books, which are not looked at here.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import polars as pl

from schemas.records import LENGTH, LINE, OFFSET, RAW, RECORD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.records import RawFile
    from tasks.ingest.blocks import Block

_PLACE = (RECORD, LINE, OFFSET, LENGTH, RAW)


class DefectError(AssertionError):
    """Winnow did with a file what it may not do with any."""


def recount(blocks: Sequence[Block], report: RawFile, *, stored: bytes, text: bytes | None) -> None:
    """Holds what was yielded against the file.

    Args:
        blocks: all of them.
        report: what the reader told.
        stored: the file.
        text: what it decompresses to; None for a format that has no text.

    Raises:
        DefectError: a record is missing, stands twice, or has other bytes than the file.
    """
    _expect("stored bytes", report.size, len(stored))
    _expect("sha256", report.sha256, hashlib.sha256(stored).hexdigest())
    for block in blocks:
        _expect("records of a block", bool(block.records.height + block.rejects.height), True)
        for frame in (block.records, block.rejects):
            _expect("order of the records of a frame", frame.get_column(RECORD).is_sorted(), True)
    frames = [frame.select(_PLACE) for block in blocks for frame in (block.records, block.rejects)]
    rows = pl.concat(frames).sort(RECORD).rows() if frames else []
    _expect("record numbers", [row[0] for row in rows], list(range(1, report.records + 1)))
    if report.text_size is not None:
        _recount_text(rows, report, text or b"")


def _recount_text(rows: Sequence[tuple[int, int, int, int, bytes]], report: RawFile, text: bytes) -> None:
    _expect("bytes of text", report.text_size, len(text))
    end = report.header_size or 0
    lines = _LineNumbers(report, text)
    for number, line, offset, length, raw in rows:
        _expect(f"offset of record {number}", offset, end)
        end = offset + length
        if raw != text[offset:end]:
            _expect(f"bytes of record {number}", raw, text[offset:end])
        if lines.known:
            _expect(f"line of record {number}", line, lines.at(offset))
    _expect("end of the last record", end, len(text))


class _LineNumbers:
    """Physical lines, where LF and nothing else ends one."""

    def __init__(self, report: RawFile, text: bytes) -> None:
        dialect = report.dialect
        self.known = dialect is None or (dialect.line_end == "lf" and not dialect.encoding.startswith("utf-16"))
        self._text, self._seen, self._line = text, 0, 1

    def at(self, offset: int) -> int:
        """The line of a byte, which is not before the one asked for last."""
        self._line += self._text.count(b"\n", self._seen, offset)
        self._seen = offset
        return self._line


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        message = f"{what}: found {_cut(found)}, expected {_cut(expected)}"
        raise DefectError(message)


def _cut(value: object) -> str:
    text = repr(value)
    return text if len(text) < 160 else f"{text[:160]}… ({len(text):,} characters)"
