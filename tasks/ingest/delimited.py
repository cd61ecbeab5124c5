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
from tasks.ingest.ahead import ahead
from tasks.ingest.blocks import Block, FileFacts, record_schema
from tasks.ingest.fields import content_of, same_content
from tasks.ingest.footer import with_footer
from tasks.ingest.header import match_columns
from tasks.ingest.limits import longest_cells, refuse_width
from tasks.ingest.parser import Parser
from tasks.ingest.regions import chosen, regions
from tasks.ingest.rejects import RejectRule, reject_by_code, text_reason
from tasks.ingest.sniffing import SAMPLE_BYTES, sniff
from tasks.ingest.splitter import Splitter
from tasks.ingest.streams import BYTE_ORDER_MARK

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from tasks.ingest.blocks import ReadRequest
    from tasks.ingest.header import Columns
    from tasks.ingest.regions import Region
    from tasks.ingest.sniffing import Verdict
    from tasks.ingest.streams import TextStream

#: Rules whose reason names a figure of the record.
_COUNTED = (RejectRule.TOO_FEW_FIELDS, RejectRule.TOO_MANY_FIELDS, RejectRule.CELL_TOO_LONG)


def read_delimited(text: TextStream, request: ReadRequest) -> Generator[Block, None, FileFacts]:
    """Reads a delimited file.

    Raises:
        HeaderError: the first record does not name the declared columns.
    """
    sample = text.peek(SAMPLE_BYTES)
    whole = len(sample) < SAMPLE_BYTES
    verdict = sniff(sample, whole=whole, path=request.path, source=request.source, columns=request.columns)
    dialect, spelling = verdict.dialect, verdict.spelling
    skipped = text.read(verdict.skipped)
    quote = ord(dialect.quote) if dialect.quote else None
    splitter = Splitter(ord(dialect.delimiter), quote, request.max_record_bytes // spelling.width)
    # The header is record 0, so that the first record behind it is number 1.
    found = regions(
        text,
        splitter,
        block_size=request.block_size,
        first_record=0,
        first_line=1 + len(spelling.line_ends(skipped)),
        spelling=spelling,
    )
    first = next(found, None)
    facts = FileFacts(header_size=len(skipped), notes=verdict.notes, dialect=dialect)
    if first is None:
        return dataclasses.replace(facts, notes=(*facts.notes, "empty file"))
    if first.cut.verdicts[0] == RejectRule.TRUNCATED_STREAM.code:
        yield _headless(dataclasses.replace(first, first_record=1), request, text)
        return dataclasses.replace(facts, notes=(*facts.notes, "the stream breaks off within the header"))
    columns = _columns(first, verdict, request)
    blocks = _Blocks(columns, verdict, _plain_header(first), request, text, splitter)
    seen = 0
    behind = itertools.chain([first.behind_first()], found)
    for region, last in ahead(with_footer(behind, dialect.footer, ended_well=lambda: not text.broken)):
        if region.records:
            seen += region.records
            yield blocks.block(region, footer=last)
    nothing = () if seen else ("no record behind the header",)
    header_size = len(skipped) + int(first.cut.bounds[1])
    return dataclasses.replace(facts, header_size=header_size, notes=facts.notes + nothing, drift=columns.drift)


def _plain_header(first: Region) -> bytes:
    header = first.data[: first.cut.bounds[1]]
    return content_of(first.spelling.plain(header, np.array([0, len(header)]))[0])


def _headless(region: Region, request: ReadRequest, text: TextStream) -> Block:
    everything = np.ones(1, np.bool_)
    reason = text_reason(fields=0, max_record_bytes=request.max_record_bytes, broken=text.broken)
    rejects = reject_by_code(region.places(everything), region.cut.verdicts, np.zeros(1, np.int64), reason)
    return Block(pl.DataFrame(schema=record_schema(request.columns)), rejects)


def _columns(first: Region, verdict: Verdict, request: ReadRequest) -> Columns:
    where = shown(request.path)
    expected = f"a first line that names the declared columns {', '.join(request.columns)}"
    header, broken = first.data[: first.cut.bounds[1]], first.cut.verdicts[0]
    # latin-1 gives each byte a character, so that the message shows the bytes themselves.
    said = shown(content_of(header)[:200].decode("latin-1"))
    if broken or not content_of(header):
        trouble = RejectRule.of_code(int(broken)) if broken else RejectRule.BLANK_LINE
        raise HeaderError(f"the first line is no header ({trouble}): {said}", expected=expected, where=where)
    refuse_width(_at_most(header, verdict), request.source.limits, request.path)
    try:
        names = verdict.names(header)
    except UnicodeDecodeError:
        found = f"the first line is not {verdict.dialect.encoding.upper()} text: {said}"
        raise HeaderError(found, expected=expected, where=where) from None
    return match_columns(names, request.columns, request.drift, request.path)


def _at_most(header: bytes, verdict: Verdict) -> int:
    """As many fields as a header may have, counted without taking it apart."""
    return 1 + verdict.spelling.shadow(header, final=True).count(verdict.dialect.delimiter.encode())


class _Blocks:
    """Makes blocks of regions."""

    def __init__(
        self,
        columns: Columns,
        verdict: Verdict,
        header: bytes,
        request: ReadRequest,
        text: TextStream,
        splitter: Splitter,
    ) -> None:
        self._columns, self._request, self._text = columns, request, text
        self._verdict, self._header = verdict, header
        self._parser = Parser(splitter, width=len(columns.found))

    def block(self, region: Region, *, footer: int) -> Block:
        """The records of a region, parsed or rejected; the last `footer` of them are none."""
        verdicts = region.cut.verdicts.copy()
        verdicts[region.records - footer :] = RejectRule.FOOTER.code
        verdicts[(verdicts == 0) & region.undecodable()] = RejectRule.NOT_UTF8.code
        data, bounds = region.plain(verdicts == 0)
        again = _repeated(data, bounds, self._header)
        if again.any():
            verdicts[np.flatnonzero(verdicts == 0)[again]] = RejectRule.REPEATED_HEADER.code
            data, bounds = chosen(data, bounds, ~again)
        readable = verdicts == 0
        parsed = self._parser.parse(data, bounds)
        fields = np.zeros(region.records, np.int64)
        fields[readable] = parsed.fields
        if (parsed.fields != len(self._columns.found)).any():
            blank = np.zeros(region.records, np.bool_)
            blank[readable] = same_content(data, bounds, b"")
            self._judge_fields(blank, fields, verdicts)
        cells = self._without_long(parsed.cells, verdicts, fields)
        flags = pl.lit(self._columns.flags, pl.UInt8).alias(FLAGS)
        escape = region.spelling.escape
        cells = self._declared(escape.restored(cells) if escape else cells)
        records = pl.concat([region.places(verdicts == 0).with_columns(flags), cells], how="horizontal")
        return Block(records, self._rejects(region, verdicts, fields))

    def _without_long(
        self, cells: pl.DataFrame, verdicts: NDArray[np.uint8], figures: NDArray[np.int64]
    ) -> pl.DataFrame:
        """The cells of records without a cell beyond its limit; adds the verdicts on the others."""
        limits = self._request.source.limits
        longest = longest_cells(cells, limits)
        if longest is None:
            return cells
        too_long = longest > limits.max_cell_bytes
        places = np.flatnonzero(verdicts == 0)[too_long]
        verdicts[places] = RejectRule.CELL_TOO_LONG.code
        figures[places] = longest[too_long]
        return cells.filter(pl.Series(~too_long))

    def _judge_fields(self, blank: NDArray[np.bool_], fields: NDArray[np.int64], verdicts: NDArray[np.uint8]) -> None:
        """Adds the verdicts on records that have other fields than the header."""
        expected = len(self._columns.found)
        unequal = np.flatnonzero((verdicts == 0) & (fields != expected))
        few = fields[unequal] < expected
        verdicts[unequal] = np.where(few, RejectRule.TOO_FEW_FIELDS.code, RejectRule.TOO_MANY_FIELDS.code)
        verdicts[unequal[few & blank[unequal]]] = RejectRule.BLANK_LINE.code

    def _rejects(self, region: Region, verdicts: NDArray[np.uint8], fields: NDArray[np.int64]) -> pl.DataFrame:
        bad = verdicts != 0
        counted = np.isin(verdicts, [rule.code for rule in _COUNTED])
        expected, longest = len(self._columns.found), self._request.max_record_bytes
        told = self._verdict.dialect
        reason = text_reason(
            fields=expected,
            max_record_bytes=longest,
            broken=self._text.broken,
            encoding=told.encoding,
            footer=told.footer,
            max_cell_bytes=self._request.source.limits.max_cell_bytes,
        )
        return reject_by_code(region.places(bad), verdicts[bad], np.where(counted, fields, 0)[bad], reason)

    def _declared(self, cells: pl.DataFrame) -> pl.DataFrame:
        pairs = zip(self._columns.declared, self._columns.positions, strict=True)
        null = pl.lit(None, pl.String)
        return cells.select(
            (null if position is None else pl.col(f"{position}")).alias(name) for name, position in pairs
        )


def _repeated(data: bytes, bounds: NDArray[np.int64], header: bytes) -> NDArray[np.bool_]:
    """For each record whether it is the header again, with a byte order mark or without: files were joined."""
    if header not in data:
        return np.zeros(len(bounds) - 1, np.bool_)
    return same_content(data, bounds, header) | same_content(data, bounds, BYTE_ORDER_MARK + header)
