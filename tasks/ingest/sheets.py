"""Sheets: the rows of one sheet of an XLSX file as records.

Belongs here: which row is the header, and which rows are records. Does not belong here: reading the file (workbook) or
the text of a cell (workbook_child, which has the table of it).

A record is a row behind the header up to the last one with a value; its line is the row's number, and it has no bytes.
Rejected are: a file that can't be read, as one record that keeps its first bytes, and what is left of one that can't be
read on; a row with nothing in it; one with a value in a column that the header does not name, which is kept as a JSON
list of its cells; one that is too long or has a cell that is; and one with a value that has no text.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from schemas.errors import DumpUnreadableError, HeaderError, shown
from schemas.records import FLAGS, LENGTH, LINE, OFFSET, RAW, RECORD
from tasks.ingest.blocks import PLACE_SCHEMA, Block, FileFacts, record_schema
from tasks.ingest.header import listed, match_columns, names_in
from tasks.ingest.limits import cell_reason, longest_cells, refuse_width, setting, text_room
from tasks.ingest.rejects import RejectRule, reject_frame
from tasks.ingest.workbook import as_file, messages
from tasks.ingest.workbook_child import Batch, Choice, Ended, Failed, Opened, Order, Unreadable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from typing import BinaryIO

    from numpy.typing import NDArray

    from tasks.ingest.blocks import ReadRequest
    from tasks.ingest.header import Columns
    from tasks.ingest.streams import TextStream
    from tasks.ingest.workbook_child import Cell, Message

#: A sheet can't be read piece by piece: these bound what the process that holds it may take. Its XML is never in one
#: piece with its cells; a cell takes about 80 bytes and its text.
_MOST_XML_BYTES = 2 << 30
_MOST_MEMORY = 4 << 30
_MOST_SECONDS = 900

_BLANK = RejectRule.BLANK_LINE.code
_NOTHING = "a row with nothing in it"


def read_sheet(text: TextStream, request: ReadRequest) -> Generator[Block, None, FileFacts]:
    """Reads a sheet of an XLSX file.

    Raises:
        HeaderError: the sheet to be read is not there or can't be told, or no row of it names the declared columns.
        DumpUnreadableError: the machine and not the file is why it can't be read.
    """
    with as_file(text) as stored, contextlib.closing(messages(stored, _order(stored, request))) as told:
        opened = _opened(next(told), request)
        if isinstance(opened, Unreadable):
            yield Block(_no_records(request), _whole_file(stored, opened, request))
            return FileFacts(header_size=None)
        first = _heard(next(told), request)
        if not isinstance(first, Batch):
            return FileFacts(header_size=None, notes=opened.notes, footer_records=0)
        rows = _Rows(first, opened, request)
        yield from rows.blocks(itertools.chain([first], told))
        return FileFacts(header_size=None, notes=rows.notes, footer_records=rows.claimed, drift=rows.columns.drift)


def _order(stored: BinaryIO, request: ReadRequest) -> Order:
    room, _ = text_room(stored.seek(0, 2), request.source.limits)
    return Order(
        packed="",
        sheet=request.dialect.sheet,
        most_bytes=min(room, _MOST_XML_BYTES),
        most_memory=_MOST_MEMORY,
        most_seconds=_MOST_SECONDS,
        row_characters=request.max_record_bytes,
        batch_characters=request.block_size,
    )


def _opened(message: Message, request: ReadRequest) -> Opened | Unreadable:
    message = _heard(message, request)
    if isinstance(message, Choice):
        there = f"the sheets {listed(message.sheets)}"
        found = f"{there} have data" if message.found is None else f"no sheet {shown(message.found)} among {there}"
        fix = "Declare Source(sheet=...) with the name of the one to be read, or its number from 1."
        raise HeaderError(found, expected="one sheet", where=shown(request.path), fix=fix)
    assert isinstance(message, Opened | Unreadable)  # noqa: S101  # for the type checker: the child says no other first
    return message


def _heard(message: Message, request: ReadRequest) -> Message:
    if isinstance(message, Failed):
        fix = "Look after memory, the place for temporary files (TMPDIR) and the installation, and run it again."
        raise DumpUnreadableError(shown(message.reason), where=shown(request.path), fix=fix)
    return message


def _no_records(request: ReadRequest) -> pl.DataFrame:
    return pl.DataFrame(schema=record_schema(request.columns))


def _too_great(size: int, stored_bytes: int, request: ReadRequest) -> str:
    room, name = text_room(stored_bytes, request.source.limits)
    remedy = setting(name) if room < _MOST_XML_BYTES else "let the source split it"
    return f"{size:,} bytes decompressed, {min(room, _MOST_XML_BYTES):,} at most: {remedy}"


def _whole_file(stored: BinaryIO, found: Unreadable, request: ReadRequest) -> pl.DataFrame:
    stored.seek(0)
    raw = stored.read(request.max_record_bytes)
    size = stored.seek(0, 2)
    cut = f"; the first {len(raw):,} of {size:,} bytes are kept" if size > len(raw) else ""
    reason = shown(found.reason) if found.size is None else _too_great(found.size, size, request)
    told = f"can't be read as XLSX: {reason}{cut}"
    return reject_frame(_places(1, pl.Series([None]), [raw]), [RejectRule.UNREADABLE_SHEET], [told])


def _places(first: int, lines: pl.Series, raws: Sequence[bytes | None]) -> pl.DataFrame:
    numbers = pl.int_range(first, first + len(lines), dtype=pl.UInt64, eager=True).alias(RECORD)
    nothing = [pl.lit(None, PLACE_SCHEMA[name]).alias(name) for name in (OFFSET, LENGTH)]
    return pl.DataFrame([numbers, lines.alias(LINE).cast(pl.UInt64)]).with_columns(
        *nothing, pl.Series(RAW, raws, dtype=pl.Binary)
    )


class _Header:
    """The row that names the columns."""

    def __init__(self, batch: Batch, first_column: int, request: ReadRequest) -> None:
        refuse_width(len(batch.columns), request.source.limits, request.path)
        found = list(_candidates(batch))
        drift = request.drift
        scores = [len(names_in([name for _, name in names], request.columns, drift.renamed)) for _, names in found]
        best = scores.index(max(scores))
        self.row, named = found[best]
        self.columns = match_columns([name for _, name in named], request.columns, drift, request.path)
        stand = [position for position, _ in named]
        self.positions = [None if at is None else stand[at] for at in self.columns.positions]
        self.unnamed = sorted(set(range(len(batch.columns))) - set(stand))
        self._first_column = first_column

    def letter(self, position: int) -> str:
        """What the sheet calls a column."""
        return _letters(self._first_column + position)


def _candidates(batch: Batch) -> Iterator[tuple[int, list[tuple[int, str]]]]:
    """Position of each row with something in it, and position and text of what is; one without any if none has."""
    nothing = True
    for row, cells in enumerate(zip(*batch.columns, strict=True)):
        texts = [(at, _text(cell, "")) for at, cell in enumerate(cells) if cell is not None]
        if texts:
            nothing = False
            yield row, [(at, text) for at, text in texts if text is not None]
    if nothing:
        yield 0, []


def _text(cell: Cell, midnight: str) -> str | None:
    return dt.date.fromordinal(cell).isoformat() + midnight if isinstance(cell, int) else cell


def _letters(column: int) -> str:
    """What a sheet calls a column.

    Example:
        >>> _letters(0), _letters(27)
        ('A', 'AB')
    """
    rest, letter = divmod(column, 26)
    return (_letters(rest - 1) if rest else "") + chr(ord("A") + letter)


class _Judged(NamedTuple):
    """The rows of a batch: their texts, the codes of the rules they break, and their longest cells where one is."""

    batch: Batch
    texts: pl.DataFrame
    codes: NDArray[np.uint8]
    longest: NDArray[np.int64] | None


class _Rows:
    """The rows of a sheet as blocks.

    Attributes:
        columns: where the declared ones stand.
        claimed: how many rows the sheet says that it has; None if it could not be read to its end.
        notes: what a person should know; complete when all blocks have been read.
    """

    def __init__(self, first: Batch, opened: Opened, request: ReadRequest) -> None:
        self._request = request
        self._header = header = _Header(first, opened.first_column, request)
        self.columns: Columns = header.columns
        # A whole day under a declared instant is written as the midnight that it is.
        pairs = zip(request.columns, header.positions, strict=True)
        self._instants = {at for name, at in pairs if isinstance(request.dtypes.get(name), pl.Datetime)}
        self._next, self._blank = 1, 0
        self.claimed: int | None = None
        self.notes = opened.notes + ((f"rows above the header: {header.row:,}",) if header.row else ())

    def blocks(self, told: Iterator[Message]) -> Iterator[Block]:
        """The rows behind the header."""
        skip = self._header.row + 1
        for message in told:
            message = _heard(message, self._request)
            if isinstance(message, Batch):
                yield from self._of_batch(message, skip)
                skip = 0
            elif isinstance(message, Unreadable):
                yield from self._lost(message.reason)
            elif isinstance(message, Ended):
                self._close(message.rows)

    def _of_batch(self, batch: Batch, skip: int) -> Iterator[Block]:
        texts = pl.DataFrame([self._texts(at, cells).alias(str(at)) for at, cells in enumerate(batch.columns)])
        longest = longest_cells(texts, self._request.source.limits)
        codes = self._codes(batch, texts, longest)
        filled = np.flatnonzero(codes[skip:] != _BLANK)
        end = skip + int(filled[-1]) + 1 if len(filled) else skip
        # Rows with nothing in them are records only if another one follows.
        if len(filled):
            yield from self._blanks()
            yield self._block(_Judged(batch, texts, codes, longest), range(skip, end))
        self._blank += texts.height - end

    def _texts(self, at: int, cells: Sequence[Cell]) -> pl.Series:
        midnight = "T00:00:00" if at in self._instants else ""
        dated = any(isinstance(cell, int) for cell in cells)
        return pl.Series([_text(cell, midnight) for cell in cells] if dated else cells, dtype=pl.String)

    def _codes(self, batch: Batch, texts: pl.DataFrame, longest: NDArray[np.int64] | None) -> NDArray[np.uint8]:
        """For each row the code of the rule that it breaks, or 0."""
        codes = np.zeros(texts.height, np.uint8)
        codes[~_any_filled(texts)] = _BLANK
        codes[_any_filled(texts.select(map(str, self._header.unnamed)))] = RejectRule.TOO_MANY_FIELDS.code
        if longest is not None:
            codes[longest > self._request.source.limits.max_cell_bytes] = RejectRule.CELL_TOO_LONG.code
        codes[list(batch.long)] = RejectRule.RECORD_TOO_LONG.code
        codes[list(batch.textless)] = RejectRule.UNREADABLE_SHEET.code
        return codes

    def _block(self, judged: _Judged, rows: range) -> Block:
        part, found = judged.texts[rows.start : rows.stop], judged.codes[rows.start : rows.stop]
        places = self._numbered(len(rows), [None] * len(rows))
        flags = pl.lit(self.columns.flags, pl.UInt8).alias(FLAGS)
        cells = [
            (pl.lit(None, pl.String) if at is None else pl.col(str(at))).alias(name)
            for name, at in zip(self.columns.declared, self._header.positions, strict=True)
        ]
        good = pl.Series(found == 0)
        records = pl.concat([places.with_columns(flags), part.select(cells)], how="horizontal").filter(good)
        told = [self._told(judged, row) for row in (rows.start + np.flatnonzero(found)).tolist()]
        raws = pl.Series(RAW, [raw for _, raw, _ in told], dtype=pl.Binary)
        refused = places.filter(~good).with_columns(raws)
        return Block(records, reject_frame(refused, [rule for rule, _, _ in told], [reason for *_, reason in told]))

    def _told(self, judged: _Judged, row: int) -> tuple[RejectRule, bytes | None, str]:
        """Rule, bytes and reason of a row that is refused."""
        rule, most = RejectRule.of_code(int(judged.codes[row])), self._request.max_record_bytes
        cells = judged.texts.row(row)
        if rule is RejectRule.TOO_MANY_FIELDS:
            stray = next(at for at in self._header.unnamed if cells[at] is not None)
            reason = f"a value in column {self._header.letter(stray)}, which the header does not name"
            return rule, _as_json(cells), reason
        if rule is RejectRule.CELL_TOO_LONG and judged.longest is not None:
            reason = cell_reason(int(judged.longest[row]), self._request.source.limits.max_cell_bytes)
            return rule, _as_json(cells), reason
        if rule is RejectRule.RECORD_TOO_LONG:
            long = judged.batch.long[row]
            return rule, None, f"a row of {long:,} characters, {most:,} at most: {setting('max_record_bytes')}"
        return rule, None, _NOTHING if rule is RejectRule.BLANK_LINE else shown(judged.batch.textless[row])

    def _blanks(self) -> Iterator[Block]:
        if self._blank:
            rules, reasons = [RejectRule.BLANK_LINE] * self._blank, [_NOTHING] * self._blank
            places = self._numbered(self._blank, [None] * self._blank)
            self._blank = 0
            yield Block(_no_records(self._request), reject_frame(places, rules, reasons))

    def _lost(self, reason: str) -> Iterator[Block]:
        yield from self._blanks()
        rejects = reject_frame(
            self._numbered(1, [None]), [RejectRule.UNREADABLE_SHEET], [f"can't be read on: {shown(reason)}"]
        )
        yield Block(_no_records(self._request), rejects)

    def _numbered(self, rows: int, raws: Sequence[bytes | None]) -> pl.DataFrame:
        """Places of the next rows; their lines follow from their numbers: no row behind the header is left out."""
        first, self._next = self._next, self._next + rows
        line = first + self._header.row + 1
        return _places(first, pl.int_range(line, line + rows, eager=True), raws)

    def _close(self, rows: int) -> None:
        self.claimed = rows - self._header.row - 1 - self._blank
        if self._blank:
            self.notes += (f"rows of empty text behind the last record: {self._blank:,}",)
        if not self.claimed:
            self.notes += ("no record behind the header",)


def _as_json(cells: tuple[str | None, ...]) -> bytes:
    return json.dumps(cells, ensure_ascii=False).encode()


def _any_filled(texts: pl.DataFrame) -> NDArray[np.bool_]:
    if not texts.width:
        return np.zeros(texts.height, np.bool_)
    return texts.select(pl.any_horizontal(pl.all().is_not_null())).to_series().to_numpy()
