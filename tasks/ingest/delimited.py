"""Delimited: csv and tsv records into cells.

Belongs here: the header, and which records are rejected for their encoding or their number of fields. Does not belong
here: where records end (splitter), or what stands between their delimiters (parser).
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from schemas.errors import HeaderError, shown
from schemas.records import FLAGS
from tasks.ingest.blocks import Block, FileFacts, record_schema
from tasks.ingest.fields import content_of, fields_of
from tasks.ingest.header import match_columns
from tasks.ingest.parser import Parser
from tasks.ingest.regions import regions
from tasks.ingest.rejects import RejectRule, reject_by_code, text_reason
from tasks.ingest.splitter import Splitter
from tasks.ingest.streams import BYTE_ORDER_MARK

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from tasks.ingest.blocks import ReadRequest
    from tasks.ingest.header import Columns
    from tasks.ingest.regions import Region
    from tasks.ingest.streams import TextStream

_LF, _CR = 10, 13


def read_delimited(text: TextStream, request: ReadRequest) -> Generator[Block, None, FileFacts]:
    """Reads a delimited file.

    Raises:
        HeaderError: the first record does not name the declared columns.
    """
    mark = text.skip(BYTE_ORDER_MARK)
    quote = request.dialect.quote[0] if request.dialect.quote else None
    splitter = Splitter(request.dialect.delimiter[0], quote, request.max_record_bytes)
    # The header is record 0, so that the first record behind it is number 1.
    found = regions(text, splitter, block_size=request.block_size, first_record=0)
    first = next(found, None)
    if first is None:
        return FileFacts(header_size=mark, notes=("empty file",))
    if first.cut.verdicts[0] == RejectRule.TRUNCATED_STREAM.code:
        yield _headless(dataclasses.replace(first, first_record=1), request, text)
        return FileFacts(header_size=mark, notes=("the stream breaks off within the header",))
    columns = _columns(first, request)
    blocks = _Blocks(columns, request, text, splitter)
    seen = 0
    for region in itertools.chain([first.behind_first()], found):
        if region.records:
            seen += region.records
            yield blocks.block(region)
    nothing = () if seen else ("no record behind the header",)
    return FileFacts(header_size=mark + int(first.cut.bounds[1]), notes=columns.notes + nothing)


def _headless(region: Region, request: ReadRequest, text: TextStream) -> Block:
    everything = np.ones(1, np.bool_)
    reason = text_reason(fields=0, max_record_bytes=request.max_record_bytes, broken=text.broken)
    rejects = reject_by_code(region.places(everything), region.cut.verdicts, np.zeros(1, np.int64), reason)
    return Block(pl.DataFrame(schema=record_schema(request.columns)), rejects)


def _columns(first: Region, request: ReadRequest) -> Columns:
    dialect, where = request.dialect, shown(request.path)
    expected = f"a first line that names the declared columns {', '.join(request.columns)}"
    content = content_of(first.data[: first.cut.bounds[1]])
    verdict = first.cut.verdicts[0]
    if verdict or not content:
        trouble = RejectRule.of_code(int(verdict)) if verdict else RejectRule.BLANK_LINE
        found = f"the first line is no header ({trouble}): {shown(content[:200].decode('latin-1'))}"
        raise HeaderError(found, expected=expected, where=where)
    try:
        names = fields_of(
            content.decode(), dialect.delimiter.decode(), dialect.quote.decode() if dialect.quote else None
        )
    except UnicodeDecodeError:
        # latin-1 gives each byte a character, so that the message shows the bytes themselves.
        found = f"the first line is not UTF-8 text: {shown(content[:200].decode('latin-1'))}"
        raise HeaderError(found, expected=expected, where=where) from None
    return match_columns(names, request.columns, dialect.extra_columns, request.path)


class _Blocks:
    """Makes blocks of regions."""

    def __init__(self, columns: Columns, request: ReadRequest, text: TextStream, splitter: Splitter) -> None:
        self._columns, self._request, self._text = columns, request, text
        self._parser = Parser(splitter, width=len(columns.found))

    def block(self, region: Region) -> Block:
        """The records of a region, parsed or rejected."""
        verdicts = region.cut.verdicts.copy()
        verdicts[(verdicts == 0) & region.undecodable()] = RejectRule.NOT_UTF8.code
        readable = verdicts == 0
        parsed = self._parser.parse(*region.chosen(readable))
        fields = np.zeros(region.records, np.int64)
        fields[readable] = parsed.fields
        self._judge_fields(region, fields, verdicts)
        good = verdicts == 0
        flags = pl.lit(0, pl.UInt8).alias(FLAGS)
        cells = self._declared(parsed.cells)
        records = pl.concat([region.places(good).with_columns(flags), cells], how="horizontal")
        return Block(records, self._rejects(region, verdicts, fields))

    def _judge_fields(self, region: Region, fields: NDArray[np.int64], verdicts: NDArray[np.uint8]) -> None:
        """Adds the verdicts on records that have other fields than the header."""
        expected = len(self._columns.found)
        unequal = np.flatnonzero((verdicts == 0) & (fields != expected))
        if not len(unequal):
            return
        few = fields[unequal] < expected
        verdicts[unequal] = np.where(few, RejectRule.TOO_FEW_FIELDS.code, RejectRule.TOO_MANY_FIELDS.code)
        verdicts[unequal[few & _blank(region)[unequal]]] = RejectRule.BLANK_LINE.code

    def _rejects(self, region: Region, verdicts: NDArray[np.uint8], fields: NDArray[np.int64]) -> pl.DataFrame:
        bad = verdicts != 0
        counted = np.isin(verdicts, [RejectRule.TOO_FEW_FIELDS.code, RejectRule.TOO_MANY_FIELDS.code])
        expected, longest = len(self._columns.found), self._request.max_record_bytes
        reason = text_reason(fields=expected, max_record_bytes=longest, broken=self._text.broken)
        return reject_by_code(region.places(bad), verdicts[bad], np.where(counted, fields, 0)[bad], reason)

    def _declared(self, cells: pl.DataFrame) -> pl.DataFrame:
        pairs = zip(self._columns.declared, self._columns.positions, strict=True)
        return cells.select(pl.col(f"{position}").alias(name) for name, position in pairs)


def _blank(region: Region) -> NDArray[np.bool_]:
    """For each record whether it is nothing but a line end."""
    text, bounds = np.frombuffer(region.data, np.uint8), region.cut.bounds
    lengths = np.diff(bounds)
    if not len(text):
        return np.zeros(len(lengths), np.bool_)
    first = text[bounds[:-1]]
    alone = (lengths == 1) & (first == _LF)
    blank: NDArray[np.bool_] = alone | ((lengths == 2) & (first == _CR) & (text[bounds[1:] - 1] == _LF))
    return blank
