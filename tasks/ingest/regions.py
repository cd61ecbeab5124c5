"""Regions: the text of a raw file as stretches of whole records, in bounded memory.

Belongs here: keeping the text that can't be cut yet until more of it has come, and the place of each record. Does not
belong here: where records end (splitter), or what is in them (delimited, jsonl).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from schemas.records import LENGTH, LINE, OFFSET, RECORD
from tasks.ingest.blocks import raw_column
from tasks.ingest.encodings import PLAIN, Spelling
from tasks.ingest.rejects import RejectRule
from tasks.ingest.splitter import Cut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tasks.ingest.splitter import Splitter
    from tasks.ingest.streams import TextStream


@dataclass(frozen=True)
class Region:
    """A stretch of text that holds whole records and nothing else.

    Attributes:
        data: the text.
        offset: where in the file's text it begins.
        line: number of the physical line on which it begins.
        first_record: number of its first record.
        cut: where its records are.
        spelling: how its text is written.
    """

    data: bytes
    offset: int
    line: int
    first_record: int
    cut: Cut
    spelling: Spelling = PLAIN

    @property
    def records(self) -> int:
        """How many records it holds."""
        return len(self.cut.verdicts)

    def behind_first(self) -> Region:
        """The same without its first record, which gives its number to none."""
        cut, start = self.cut, int(self.cut.bounds[1])
        rest = dataclasses.replace(
            cut,
            bounds=cut.bounds[1:] - start,
            lines=cut.lines[1:],
            verdicts=cut.verdicts[1:],
        )
        data, number = self.data[start:], self.first_record + 1
        return dataclasses.replace(self, data=data, offset=self.offset + start, first_record=number, cut=rest)

    def chosen(self, mask: NDArray[np.bool_]) -> tuple[bytes, NDArray[np.int64]]:
        """The text of some of the records on its own, and its bounds."""
        return chosen(self.data, self.cut.bounds, mask)

    def places(self, mask: NDArray[np.bool_]) -> pl.DataFrame:
        """Some of the records as the columns of `PLACE_SCHEMA`, which keep the bytes of all in memory."""
        cut = self.cut
        raw = raw_column(self.data, cut.bounds)
        return pl.DataFrame(
            {
                RECORD: pl.Series(self.first_record + np.flatnonzero(mask), dtype=pl.UInt64),
                LINE: pl.Series(self.line + cut.lines[mask], dtype=pl.UInt64),
                OFFSET: pl.Series(self.offset + cut.bounds[:-1][mask], dtype=pl.UInt64),
                LENGTH: pl.Series(np.diff(cut.bounds)[mask], dtype=pl.UInt32),
            }
        ).with_columns(raw if mask.all() else raw.filter(pl.Series(mask)))

    def undecodable(self) -> NDArray[np.bool_]:
        """For each record whether it is not UTF-8."""
        return self.spelling.undecodable(self.data, self.cut.bounds)

    def plain(self, mask: NDArray[np.bool_]) -> tuple[bytes, NDArray[np.int64]]:
        """The text of some of the records, which can be decoded, as the parser takes it."""
        return self.spelling.plain(*self.chosen(mask))


def chosen(data: bytes, bounds: NDArray[np.int64], mask: NDArray[np.bool_]) -> tuple[bytes, NDArray[np.int64]]:
    """Some of the records that lie one behind another in `data`, and their bounds.

    Args:
        data: the records.
        bounds: where each begins, and at last where the last one ends.
        mask: for each whether it is wanted.
    """
    if mask.all():
        return data, bounds
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    starts, stops = bounds[edges[::2]], bounds[edges[1::2]]
    view = memoryview(data)
    text = b"".join([view[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)])
    return text, np.append(0, np.cumsum(np.diff(bounds)[mask]))


def regions(
    text: TextStream,
    splitter: Splitter,
    *,
    block_size: int,
    first_record: int = 1,
    first_line: int = 1,
    spelling: Spelling = PLAIN,
) -> Iterator[Region]:
    """The rest of a text, cut into regions one after another without a gap.

    If the stream breaks off, what stands behind the last whole record is one more record, which may be empty, with the
    verdict `truncated_stream`; a line that the break left unterminated is not whole.

    Args:
        text: read to its end.
        splitter: tells where records end.
        block_size: bytes read at once. Memory is a few times the greatest of this, the longest record, and what one
            compressed slice expands to.
        first_record: number of the first record.
        first_line: number of the line on which it begins.
        spelling: how the text is written.
    """
    start = Region(b"", text.size, first_line, first_record, Cut.nothing(within_line=False), spelling)
    pending, shadow, tail, width, ended = b"", b"", b"", spelling.width, False
    while not ended:
        # Doubling what is pending keeps the work linear where a record spans many blocks.
        wanted = max(block_size, len(pending))
        block = text.read(wanted)
        ended = len(block) < wanted
        if spelling != PLAIN:
            # What was not settled is looked at again, in front of what follows.
            block, tail = tail + block, b""
        part = spelling.shadow(block, final=ended)
        # What stands behind the last line end is not looked at yet, so that a region is the whole text in hand.
        stop = len(part) if ended else part.rfind(b"\n") + 1 or len(part)
        plain = part is block
        pending, tail = b"".join([pending, tail, memoryview(block)[: stop * width]]), block[stop * width :]
        shadow = pending if plain else b"".join([shadow, memoryview(part)[:stop]])
        more = True
        while more:
            final = ended and not text.broken
            cut = splitter.split(shadow, final=final, within_line=start.cut.within_line)
            more = cut.more
            if cut.end:
                shadow = shadow[cut.end :]
                # Half a unit at the end of all is one in the shadow.
                cut = dataclasses.replace(cut, bounds=np.minimum(cut.bounds * width, len(pending)))
                region = _with_lines(dataclasses.replace(start, data=pending[: cut.end], cut=cut))
                yield region
                pending, start = pending[cut.end :], _behind(region)
                shadow = pending if plain else shadow
    pending += tail
    if text.broken:
        yield dataclasses.replace(start, data=pending, cut=_truncated(len(pending)))


def _with_lines(region: Region) -> Region:
    """The same with physical lines counted anew where the splitter can't see all: those that an escape hides."""
    if not region.spelling.escape:
        return region
    cut, ends = region.cut, region.spelling.line_ends(region.data)
    lines = np.searchsorted(ends, cut.bounds[:-1], side="right")
    return dataclasses.replace(region, cut=dataclasses.replace(cut, lines=lines, line_ends=len(ends)))


def _behind(region: Region) -> Region:
    """An empty region that begins where another ends."""
    cut = Cut.nothing(within_line=region.cut.within_line)
    line, record = region.line + region.cut.line_ends, region.first_record + region.records
    offset = region.offset + len(region.data)
    return dataclasses.replace(region, data=b"", offset=offset, line=line, first_record=record, cut=cut)


def _truncated(length: int) -> Cut:
    verdicts = np.full(1, RejectRule.TRUNCATED_STREAM.code, np.uint8)
    return Cut(np.array([0, length]), np.zeros(1, np.int64), verdicts, 0, within_line=False, more=False)
