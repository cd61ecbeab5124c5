"""Columnar: the rows of a Parquet file as records.

Belongs here: reading row groups one after another, and what becomes of those that can't be read. Does not belong here:
the text of a value (cells).

Parquet has no bytes of a record, so places are numbers only. Rejected are: a file that can't be opened,
as one record that keeps its first bytes; the rows of a row group that can't be read, one by one, of which nothing is
left to keep; and a row that has no text or too much of it. Of these, one with a string that is not UTF-8 is kept as
JSON, and one longer than a record may be is not: it would be a gigabyte as easily as not.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import DumpUnreadableError, shown
from schemas.records import FLAGS, LENGTH, LINE, OFFSET, RAW, RECORD
from tasks.ingest.blocks import PLACE_SCHEMA, REJECT_SCHEMA, Block, FileFacts, record_schema
from tasks.ingest.cells import base64_texts, cell_texts, json_texts
from tasks.ingest.header import match_columns
from tasks.ingest.limits import cell_reason, longest_cells, refuse_width, setting, text_room
from tasks.ingest.listing import scratch_file
from tasks.ingest.rejects import RejectRule, reject_frame
from tasks.ingest.row_widths import greatest_row
from tasks.ingest.widening import match_types

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from tasks.ingest.blocks import ReadRequest
    from tasks.ingest.header import Columns
    from tasks.ingest.streams import TextStream

_CHUNK = 1 << 20
_MOST_ROWS = 1 << 16
#: So many blocks the rows of a batch may fill if each had the longest of all values; they hardly ever do.
_MOST_BLOCKS = 4
#: A footer can claim any number of rows. Those of an unreadable row group are rejected one by one up to this number.
_MOST_REJECTED = 10_000_000

#: What pyarrow and polars raise at a file that is not what it says. `RuntimeError` is nesting too deep and what they
#: have not implemented; a panic of polars is no `Exception`.
_UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    pa.ArrowException,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
)


def read_columnar(text: TextStream, request: ReadRequest) -> Generator[Block, None, FileFacts]:
    """Reads a Parquet file.

    Raises:
        HeaderError: its columns are not the declared ones, in a way that stops the partition.
    """
    with _random_access(text) as stored:
        opened = _open(stored)
        if isinstance(opened, str):
            reason = f"can't be opened as Parquet: {opened}"
            yield Block(pl.DataFrame(schema=record_schema(request.columns)), _whole_file(stored, reason, request))
            return FileFacts(header_size=None)
        schema = opened.schema_arrow
        refuse_width(len(schema), request.source.limits, request.path)
        columns = match_columns(schema.names, request.columns, request.drift, request.path)
        drift = columns.drift + match_types(schema, columns, request.dtypes, request.drift, request.path)
        rows = _Rows(stored, opened, columns, request)
        yield from _gathered(rows, request.block_size)
        claimed = None if rows.incredible else rows.claimed
        return FileFacts(header_size=None, notes=rows.notes, footer_records=claimed, drift=drift)


@contextlib.contextmanager
def _random_access(text: TextStream) -> Iterator[BinaryIO]:
    """The text as a file that can be read in any order: the stored one itself, or a copy of what decompresses."""
    stored = text.whole()
    if stored is not None:
        yield stored
        return
    with scratch_file() as copy:
        while chunk := text.read(_CHUNK):
            _write(copy, chunk)
        copy.seek(0)
        yield copy


def _write(copy: BinaryIO, chunk: bytes) -> None:
    try:
        copy.write(chunk)
    except OSError as error:
        fix = "Make room where temporary files go (TMPDIR)."
        raise DumpUnreadableError(f"can't be copied to read it: {error.strerror}", fix=fix) from error


def _open(stored: BinaryIO) -> pq.ParquetFile | str:
    """The file, or why it can't be opened. INT96 is read in microseconds: nanoseconds wrap around in the year 2262."""
    try:
        file = pq.ParquetFile(
            stored, page_checksum_verification=True, pre_buffer=False, coerce_int96_timestamp_unit="us"
        )
        names = file.schema_arrow.names
        counts = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    except _UNREADABLE as error:
        return shown(error)
    return file if names and min(counts, default=0) >= 0 else "no column, or a row group with fewer than no rows"


def _whole_file(stored: BinaryIO, reason: str, request: ReadRequest) -> pl.DataFrame:
    stored.seek(0)
    raw = stored.read(request.max_record_bytes)
    size = stored.seek(0, 2)
    cut = f"; the first {len(raw):,} of {size:,} bytes are kept" if size > len(raw) else ""
    return reject_frame(_places(1, [raw]), [RejectRule.UNREADABLE_PARQUET], [reason + cut])


def _places(first: int, raws: Sequence[bytes | None]) -> pl.DataFrame:
    numbers = pl.int_range(first, first + len(raws), dtype=pl.UInt64, eager=True).alias(RECORD)
    nothing = [pl.lit(None, PLACE_SCHEMA[name]).alias(name) for name in (LINE, OFFSET, LENGTH)]
    return numbers.to_frame().with_columns(*nothing, pl.Series(RAW, raws, dtype=pl.Binary))


class _Rows:
    """The rows of an open file as blocks, once.

    Attributes:
        claimed: how many rows the footer claims, over all row groups.
        incredible: whether one record stands for more unreadable rows than are rejected one by one.
        notes: what a person should know; complete when all blocks have been read.
    """

    def __init__(self, stored: BinaryIO, file: pq.ParquetFile, columns: Columns, request: ReadRequest) -> None:
        self._stored, self._file, self._request, self._flags = stored, file, request, columns.flags
        pairs = zip(columns.declared, columns.positions, strict=True)
        # For each declared column what it is called in the file; None where it is missing.
        self._names = {name: None if at is None else columns.found[at] for name, at in pairs}
        self._groups = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
        self._next = 1
        self._limits, self._text_size = request.source.limits, 0
        self._room, name = text_room(stored.seek(0, 2), self._limits)
        self._too_much = f"the rows before hold {self._room:,} bytes of text: {setting(name)}"
        self.claimed = sum(group.num_rows for group in self._groups)
        self.incredible = False
        self.notes = self._first_notes()

    def __iter__(self) -> Iterator[Block]:
        for number, group in enumerate(self._groups):
            read, reason = 0, "it ends before the rows that the footer claims"
            for batch in self._batches(number, group):
                if isinstance(batch, str) or self._text_size > self._room:
                    reason = batch if isinstance(batch, str) else self._too_much
                    break
                read += batch.num_rows
                yield self._block(batch)
            if read < group.num_rows:
                yield from self._lost(group.num_rows - read, f"row group {number} can't be read: {reason}")

    def _first_notes(self) -> tuple[str, ...]:
        physical = self._file.schema
        int96 = any(physical.column(position).physical_type == "INT96" for position in range(len(physical)))
        stated = self._file.metadata.num_rows
        notes = {
            "INT96 timestamps are read in microseconds": int96,
            f"the footer states {stated:,} rows, its row groups {self.claimed:,}": stated != self.claimed,
            "no record": self.claimed == 0,
        }
        return tuple(note for note, holds in notes.items() if holds)

    def _batches(self, number: int, group: pq.RowGroupMetaData) -> Iterator[pa.RecordBatch | str]:
        """Batches of a row group, then, if it can't be read to its end, the reason."""
        width = max(1, group.total_byte_size // max(1, group.num_rows))
        wanted = [name for name in self._names.values() if name is not None]
        batches: Iterator[pa.RecordBatch] | None = None
        while True:
            try:
                if batches is None:
                    greatest = max(1, greatest_row(self._stored, self._file, number, wanted))
                    bounds = self._request.block_size // width, _MOST_BLOCKS * self._request.block_size // greatest
                    rows = max(1, min(_MOST_ROWS, *bounds))
                    batches = self._file.iter_batches(batch_size=rows, row_groups=[number], columns=wanted)
                batch = next(batches, None)
            except _UNREADABLE as error:
                yield shown(error)
                return
            if batch is None:
                return
            if batch.num_rows:
                yield batch

    def _block(self, batch: pa.RecordBatch) -> Block:
        parts = list(self._converted(batch))
        records = [part.records for part in parts if part.records.height]
        rejects = [part.rejects for part in parts if part.rejects.height]
        return Block(
            pl.concat(records or [pl.DataFrame(schema=record_schema(self._request.columns))]),
            pl.concat(rejects or [pl.DataFrame(schema=REJECT_SCHEMA)]),
        )

    def _converted(self, batch: pa.RecordBatch) -> Iterator[Block]:
        """The rows as text. Halves what can't be converted together, until the bad rows stand alone."""
        alone = batch.num_rows == 1
        if alone and batch.nbytes > self._request.max_record_bytes:
            most = f"{self._request.max_record_bytes:,} at most: {setting('max_record_bytes')}"
            reason = f"a row of {batch.nbytes:,} bytes, {most}"
            yield self._refused(None, RejectRule.RECORD_TOO_LONG, reason)
            return
        if alone or batch.nbytes <= self._request.block_size:
            cells = self._cells(batch)
            longest = longest_cells(pl.DataFrame(cells), self._limits) if isinstance(cells, list) else None
            if isinstance(cells, list) and longest is None:
                yield self._parsed(batch.num_rows, cells)
                return
            if alone and longest is not None:
                reason = cell_reason(int(longest[0]), self._limits.max_cell_bytes)
                yield self._refused(None, RejectRule.CELL_TOO_LONG, reason)
                return
            if alone and not isinstance(cells, list):
                yield self._refused(_row_as_json(batch), *_told(cells))
                return
        half = batch.num_rows // 2
        yield from self._converted(batch.slice(0, half))
        yield from self._converted(batch.slice(half))

    def _cells(self, batch: pa.RecordBatch) -> list[pl.Series] | BaseException:
        try:
            return [self._cells_of(batch, called).alias(name) for name, called in self._names.items()]
        except _UNREADABLE as error:
            return error

    def _cells_of(self, batch: pa.RecordBatch, called: str | None) -> pl.Series:
        return cell_texts(pa.nulls(batch.num_rows) if called is None else batch.column(called))

    def _parsed(self, rows: int, cells: list[pl.Series]) -> Block:
        places = _places(self._next, [None] * rows)
        self._next += rows
        self._text_size += rows * len(cells) + sum(int(cell.str.len_bytes().sum()) for cell in cells)
        flags = pl.lit(self._flags, pl.UInt8).alias(FLAGS)
        return Block(places.with_columns(flags, *cells), pl.DataFrame(schema=REJECT_SCHEMA))

    def _refused(self, raw: bytes | None, rule: RejectRule, reason: str) -> Block:
        rejects = reject_frame(_places(self._next, [raw]), [rule], [reason])
        self._next += 1
        return Block(pl.DataFrame(schema=record_schema(self._request.columns)), rejects)

    def _lost(self, rows: int, reason: str) -> Iterator[Block]:
        if rows > _MOST_REJECTED:
            self.incredible = True
            reason = f"{reason}; stands for {rows:,} claimed rows"
            self.notes += (f"one rejected record stands for {rows:,} rows that the footer claims",)
            rows = 1
        while rows:
            count = min(rows, _MOST_ROWS)
            rules = pl.repeat(RejectRule.UNREADABLE_PARQUET.value, count, dtype=pl.String, eager=True)
            reasons = pl.repeat(reason, count, dtype=pl.String, eager=True)
            rejects = reject_frame(_places(self._next, [None] * count), rules, reasons)
            self._next += count
            rows -= count
            yield Block(pl.DataFrame(schema=record_schema(self._request.columns)), rejects)


def _gathered(blocks: Iterable[Block], block_size: int) -> Iterator[Block]:
    """The same rows in blocks that are not much smaller than they may be."""
    waiting: list[Block] = []
    rows = size = 0
    for block in blocks:
        waiting.append(block)
        rows += block.records.height + block.rejects.height
        size += int(block.records.estimated_size()) + int(block.rejects.estimated_size())
        if rows >= _MOST_ROWS or size >= block_size:
            yield _together(waiting)
            waiting, rows, size = [], 0, 0
    if waiting:
        yield _together(waiting)


def _together(blocks: Sequence[Block]) -> Block:
    return Block(pl.concat([each.records for each in blocks]), pl.concat([each.rejects for each in blocks]))


def _told(error: BaseException) -> tuple[RejectRule, str]:
    if isinstance(error, UnicodeError):
        return RejectRule.NOT_UTF8, "a string that is not UTF-8"
    return RejectRule.UNREADABLE_PARQUET, f"a value that has no text: {shown(error)}"


def _row_as_json(row: pa.RecordBatch) -> bytes:
    """A row that has no text as JSON: bytes that are not UTF-8 in base64, what can't be shown at all as null."""
    members = [f"{json.dumps(name)}:{_value_as_json(row.column(name))}" for name in row.schema.names]
    return ("{" + ",".join(members) + "}").encode()


def _value_as_json(column: pa.Array) -> str:
    with contextlib.suppress(*_UNREADABLE):
        return json_texts(column)[0]
    with contextlib.suppress(*_UNREADABLE):
        return json.dumps(base64_texts(column)[0])
    return "null"
