"""Delimited: csv and tsv records into cells.

Belongs here: the header, the number of fields, and parsing cells, fast where polars gives back every byte and exactly
where it does not. Does not belong here: where records end (splitter).
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from schemas.errors import HeaderError, shown
from schemas.records import FLAGS
from tasks.ingest.blocks import Block, FileFacts, record_schema
from tasks.ingest.fields import content_of, fields_of
from tasks.ingest.header import match_columns
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
#: Records that the exact parser holds as Python objects at once.
_EXACT_AT_ONCE = 1 << 16


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
    parser = _Parser(columns, request, text)
    seen = 0
    for region in itertools.chain([first.behind_first()], found):
        if region.records:
            seen += region.records
            yield parser.block(region)
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


@dataclass(frozen=True)
class _Parser:
    columns: Columns
    request: ReadRequest
    text: TextStream

    def block(self, region: Region) -> Block:
        """The records of a region, parsed or rejected."""
        verdicts = self._verdicts(region)
        good = verdicts == 0
        cells = self._cells(*region.chosen(good)) if good.any() else pl.DataFrame(schema=self._schema)
        flags = pl.lit(0, pl.UInt8).alias(FLAGS)
        records = pl.concat([region.places(good).with_columns(flags), self._declared(cells)], how="horizontal")
        return Block(records, self._rejects(region, verdicts))

    def _verdicts(self, region: Region) -> NDArray[np.uint8]:
        expected, fields = len(self.columns.found), region.cut.delimiters + 1
        unread = region.cut.verdicts == 0
        conditions = [
            ~unread,
            region.undecodable(),
            _blank(region) & (expected > 1),
            fields < expected,
            fields > expected,
        ]
        rules = RejectRule.NOT_UTF8, RejectRule.BLANK_LINE, RejectRule.TOO_FEW_FIELDS, RejectRule.TOO_MANY_FIELDS
        return np.select(conditions, [region.cut.verdicts, *(np.uint8(rule.code) for rule in rules)], np.uint8(0))

    def _rejects(self, region: Region, verdicts: NDArray[np.uint8]) -> pl.DataFrame:
        bad = verdicts != 0
        counted = np.isin(verdicts, [RejectRule.TOO_FEW_FIELDS.code, RejectRule.TOO_MANY_FIELDS.code])
        figures = np.where(counted, region.cut.delimiters + 1, 0)
        fields, longest = len(self.columns.found), self.request.max_record_bytes
        reason = text_reason(fields=fields, max_record_bytes=longest, broken=self.text.broken)
        return reject_by_code(region.places(bad), verdicts[bad], figures[bad], reason)

    @property
    def _schema(self) -> dict[str, pl.DataType]:
        return {f"{position}": pl.String() for position in range(len(self.columns.found))}

    def _declared(self, cells: pl.DataFrame) -> pl.DataFrame:
        pairs = zip(self.columns.declared, self.columns.positions, strict=True)
        return cells.select(pl.col(f"{position}").alias(name) for name, position in pairs)

    def _cells(self, data: bytes, bounds: NDArray[np.int64]) -> pl.DataFrame:
        """Cells of good records, a column for each of the file's, named by its position."""
        try:
            cells = self._cells_of_polars(data)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return self._exact_cells(data, bounds)
        faithful = cells.height == len(bounds) - 1 and self._loses_nothing(cells, data, bounds)
        return cells if faithful else self._exact_cells(data, bounds)

    def _cells_of_polars(self, data: bytes) -> pl.DataFrame:
        dialect = self.request.dialect
        return pl.read_csv(
            data,
            has_header=False,
            schema=self._schema,
            infer_schema=False,
            separator=dialect.delimiter.decode(),
            quote_char=dialect.quote.decode() if dialect.quote else None,
            empty_string_is_null=False,
        )

    def _loses_nothing(self, cells: pl.DataFrame, data: bytes, bounds: NDArray[np.int64]) -> bool:
        """Whether cells, delimiters, line ends and quotes add up to the bytes.

        polars drops a byte order mark at the start of any buffer, and a CR at the end of an unquoted cell.
        """
        text, stops = np.frombuffer(data, np.uint8), bounds[1:]
        line_feeds = text[stops - 1] == _LF
        returns = line_feeds & (np.diff(bounds) > 1) & (text[stops - 2] == _CR)
        delimiters = (len(self.columns.found) - 1) * len(stops)
        content = len(data) - delimiters - int(line_feeds.sum()) - int(returns.sum())
        kept = sum(cells.select(pl.all().str.len_bytes().sum()).row(0))
        quote = self.request.dialect.quote
        if quote and quote in data:
            content -= data.count(quote)
            kept -= sum(cells.select(pl.all().str.count_matches(quote.decode(), literal=True).sum()).row(0))
        return bool(kept == content)

    def _exact_cells(self, data: bytes, bounds: NDArray[np.int64]) -> pl.DataFrame:
        starts = range(0, len(bounds) - 1, _EXACT_AT_ONCE)
        return pl.concat([self._exact_rows(data, bounds[start : start + _EXACT_AT_ONCE + 1]) for start in starts])

    def _exact_rows(self, data: bytes, bounds: NDArray[np.int64]) -> pl.DataFrame:
        dialect = self.request.dialect
        delimiter, quote = dialect.delimiter.decode(), dialect.quote.decode() if dialect.quote else None
        contents = (content_of(data[start:stop]).decode() for start, stop in itertools.pairwise(bounds.tolist()))
        rows = [fields_of(content, delimiter, quote) for content in contents]
        return pl.DataFrame(dict(zip(self._schema, zip(*rows, strict=True), strict=True)), schema=self._schema)


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
