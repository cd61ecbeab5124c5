"""Splitter: where the records in a stretch of text begin and end.

Belongs here: RFC 4180 as arithmetic on arrays of positions; one pass over bytes, none over records in Python. Does not
belong here: reading the text (regions), or what stands in a record (delimited, jsonl).

A record is a line, unless a quoted field holds line ends. An unquoted field holds no quote; a quoted one begins at a
record's start or behind a delimiter, doubles every quote in it, and is followed by a delimiter or a line end. So,
counting quotes from the record's start, the odd ones open and the even ones close, and each can be judged by its
neighbouring bytes alone. Whether a line is the start of a record is known only when the records before it are, so all
lines are judged as if they were, and a walk over the few that span lines then chooses.

A record that breaks the grammar costs its first physical line only: reading starts again at the next one. That stays
linear, because every line is judged once, from its own start, by looking up the next misplaced quote and the next line
end outside quotes in sorted arrays. The one thing that can make a stretch be looked at again is a quote still open at
its end; `regions` then at least doubles the stretch, and gives up at `max_record_bytes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.ingest.rejects import RejectRule

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LF, _CR = 10, 13
#: Stands for a position behind every other.
_NOWHERE = np.int64(2**62)
#: Lines looked at in one go, so that a stretch of empty lines does not take eighty times its own size in arrays.
_MOST_LINES = 1 << 20
_UNDECIDED = 255
#: Bytes that are searched at once.
_PIECE = 1 << 18


@dataclass(frozen=True)
class Cut:
    """A stretch of text, cut into records.

    Attributes:
        bounds: where each record begins, and at last where the last one ends.
        lines: for each record the number of line ends before it.
        verdicts: for each record 0, or the code of the `RejectRule` that it breaks.
        line_ends: line ends up to the last bound.
        within_line: whether the last bound lies within a line that is longer than a record may be.
        more: whether records behind the last bound can be told without more text.
    """

    bounds: NDArray[np.int64]
    lines: NDArray[np.int64]
    verdicts: NDArray[np.uint8]
    line_ends: int
    within_line: bool
    more: bool

    @classmethod
    def nothing(cls, *, within_line: bool) -> Cut:
        """No record at all."""
        none = np.zeros(0, np.int64)
        return cls(np.zeros(1, np.int64), none, np.zeros(0, np.uint8), 0, within_line, more=False)

    @property
    def end(self) -> int:
        """Where the last record ends; the text behind it needs more text to be cut."""
        return int(self.bounds[-1])


@dataclass(frozen=True)
class _Lines:
    """Lines of a stretch; one that is too long is several of them."""

    ends: NDArray[np.int64]
    whole: NDArray[np.bool_]
    too_long: NDArray[np.bool_]

    @property
    def starts(self) -> NDArray[np.int64]:
        return np.concatenate([np.zeros(1, np.int64), self.ends[:-1]])


@dataclass(frozen=True)
class _Records:
    """The lines of a stretch at which a record starts, with their verdicts, and the first line that is left over."""

    first_lines: NDArray[np.int64]
    verdicts: NDArray[np.uint8]
    stop: int

    def first(self, count: int) -> _Records:
        """The first of them, at most `count`."""
        if len(self.first_lines) <= count:
            return self
        return _Records(self.first_lines[:count], self.verdicts, int(self.first_lines[count]))


@dataclass(frozen=True)
class Splitter:
    """Cuts text into records.

    Attributes:
        delimiter: the byte between fields; None when only lines matter.
        quote: the byte around fields; None when quotes mean nothing.
        max_record_bytes: the longest record, its line end included. A longer line is cut into rejected records of
            that size; a quote that closes later than that never closes.
    """

    delimiter: int | None
    quote: int | None
    max_record_bytes: int

    def split(self, data: bytes, *, final: bool, within_line: bool = False, most_lines: int = _MOST_LINES) -> Cut:
        """Cuts as many records off the front of `data` as can be told without the text behind it.

        Args:
            data: text that begins where a record begins, or within a line that is too long.
            final: whether no text comes behind it.
            within_line: whether it begins within a line that is too long.
            most_lines: lines to look at.
        """
        # A function of its own for each try, so that the arrays of one are gone when the next begins.
        while (cut := self._try(data, most_lines, final=final, within_line=within_line)) is None:
            most_lines *= 2
        return cut

    def _try(self, data: bytes, most_lines: int, *, final: bool, within_line: bool) -> Cut | None:
        """The cut, or None when the first record has more lines than were looked at."""
        text = np.frombuffer(data, np.uint8)
        lines, complete = self._lines(text, most_lines, within_line=within_line, final=final)
        if not len(lines.ends):
            return Cut.nothing(within_line=within_line)
        quotes = self.quotes(data, int(lines.ends[-1]))
        every = self._records(text, lines, quotes, final=final and complete)
        records = every.first(_MOST_LINES)
        if records.stop:
            return self._cut(lines, records, more=not complete or records is not every)
        return Cut.nothing(within_line=within_line) if complete else None

    def _lines(
        self, text: NDArray[np.uint8], most_lines: int, *, within_line: bool, final: bool
    ) -> tuple[_Lines, bool]:
        ends = _positions(text, _LF) + 1
        complete = len(ends) <= most_lines
        if not complete:
            ends = ends[:most_lines]
        elif final and len(text) and (not len(ends) or ends[-1] != len(text)):
            ends = np.append(ends, len(text))
        lengths = np.diff(ends, prepend=0)
        rest = len(text) - int(ends[-1] if len(ends) else 0) if complete else 0
        if not within_line and rest <= self.max_record_bytes and not (lengths > self.max_record_bytes).any():
            return _Lines(ends, np.ones(len(ends), np.bool_), np.zeros(len(ends), np.bool_)), complete
        return self._with_pieces(ends, np.append(lengths, rest), within_line=within_line), complete

    def _with_pieces(self, ends: NDArray[np.int64], lengths: NDArray[np.int64], *, within_line: bool) -> _Lines:
        """The same with too long lines cut; `lengths` has one more entry, the text behind the last line end."""
        too_long = lengths > self.max_record_bytes
        too_long[0] |= within_line
        stops = np.cumsum(lengths)
        pieces = [
            np.arange(stops[line] - lengths[line] + self.max_record_bytes, stops[line], self.max_record_bytes)
            for line in np.flatnonzero(lengths > self.max_record_bytes)
        ]
        every = np.union1d(ends, np.concatenate([np.zeros(0, np.int64), *pieces]))
        whole = np.isin(every, ends)
        line_of = np.searchsorted(ends, every)
        return _Lines(every, whole, too_long[line_of])

    def quotes(self, data: bytes, end: int | None = None) -> NDArray[np.int64]:
        """Where quotes stand in the text up to `end`."""
        if self.quote is None or data.find(self.quote, 0, end) < 0:
            return np.zeros(0, np.int64)
        return _positions(np.frombuffer(data, np.uint8)[:end], self.quote)

    def _records(self, text: NDArray[np.uint8], lines: _Lines, quotes: NDArray[np.int64], *, final: bool) -> _Records:
        count = len(lines.ends)
        too_long = np.where(lines.too_long, np.uint8(RejectRule.RECORD_TOO_LONG.code), np.uint8(0))
        if not len(quotes):
            return _Records(np.arange(count), too_long, count)
        after = np.searchsorted(quotes, lines.ends) % 2
        before = np.append(0, after[:-1])
        last = _last_lines(before, after, lines.whole)
        flaws = self._first_flaws(text, lines, before, quotes)
        verdicts = self._judge(lines, last, flaws, final=final)
        verdicts = np.where(lines.too_long, too_long, verdicts)
        return _choose(last, verdicts)

    def _first_flaws(
        self, text: NDArray[np.uint8], lines: _Lines, before: NDArray[np.int64], quotes: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """For each line, were it a record's start, the position of the first misplaced quote at or behind it."""
        flaws = np.full(len(lines.ends), _NOWHERE)
        for parity in (0, 1):
            mine = np.flatnonzero(before == parity)
            if not len(mine):
                continue
            opening, closing = quotes[parity::2], quotes[1 - parity :: 2]
            misplaced = np.sort(
                np.concatenate([opening[~self._may_open(text, opening)], closing[~self._may_close(text, closing)]])
            )
            flaws[mine] = np.append(misplaced, _NOWHERE)[np.searchsorted(misplaced, lines.starts[mine])]
        return flaws

    def _may_open(self, text: NDArray[np.uint8], quotes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """For each quote whether the byte before it lets it open a field: a second one opens a field again."""
        allowed: NDArray[np.bool_] = self._border[text[quotes - 1]] | (quotes == 0)
        return allowed

    def _may_close(self, text: NDArray[np.uint8], quotes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """For each quote whether what is behind it lets it close a field: before a second one it does so, too."""
        following = text[np.minimum(quotes + 1, len(text) - 1)]
        allowed: NDArray[np.bool_] = self._border[following] | (quotes + 1 == len(text))
        returns = np.flatnonzero(following == _CR)
        allowed[returns] |= text[np.minimum(quotes[returns] + 2, len(text) - 1)] == _LF
        return allowed

    @property
    def _border(self) -> NDArray[np.bool_]:
        """For each byte whether a field may begin behind it, and end before it."""
        border = np.zeros(256, np.bool_)
        border[[byte for byte in (self.delimiter, self.quote, _LF) if byte is not None]] = True
        return border

    def _judge(
        self, lines: _Lines, last: NDArray[np.int64], flaws: NDArray[np.int64], *, final: bool
    ) -> NDArray[np.uint8]:
        starts = lines.starts
        stops = np.append(lines.ends, _NOWHERE)[last]
        limits = starts + self.max_record_bytes
        flawed = flaws < stops
        # A quote is judged by the two bytes behind it, so it counts only where all text that it takes is at hand.
        stray = flawed & ((stops <= limits) | (flaws + 2 < limits))
        unclosed = ~stray & (flawed | (stops > limits))
        undecided = unclosed & (stops == _NOWHERE) & (limits > lines.ends[-1]) & (not final)
        codes = (_UNDECIDED, RejectRule.STRAY_QUOTE.code, RejectRule.UNCLOSED_QUOTE.code)
        return np.select([undecided, stray, unclosed], [np.uint8(code) for code in codes], np.uint8(0))

    def _cut(self, lines: _Lines, records: _Records, *, more: bool) -> Cut:
        line_ends = np.cumsum(np.append(0, lines.whole))
        return Cut(
            bounds=np.append(lines.starts[records.first_lines], lines.ends[records.stop - 1]),
            lines=line_ends[records.first_lines],
            verdicts=records.verdicts[records.first_lines],
            line_ends=int(line_ends[records.stop]),
            within_line=not lines.whole[records.stop - 1],
            more=more,
        )

    def fields(self, data: bytes, bounds: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many fields each record has, of records that all keep to the grammar.

        Args:
            data: the records, one behind another.
            bounds: where each begins, and at last where the last one ends.
        """
        if self.delimiter is None or len(bounds) < 2:
            return np.ones(len(bounds) - 1, np.int64)
        found = (np.frombuffer(data, np.uint8) == self.delimiter).view(np.uint8)
        quotes = self.quotes(data)
        if len(quotes):
            # Each record has an even number of quotes, so that every one begins outside.
            outside = np.ones(len(quotes) + 1, np.uint8)
            outside[1::2] = 0
            found &= np.repeat(outside, np.diff(quotes, prepend=0, append=len(data)))
        return np.add.reduceat(found, bounds[:-1], dtype=np.int64) + 1


def _positions(text: NDArray[np.uint8], byte: int) -> NDArray[np.int64]:
    """Where a byte stands; piece by piece, because arrays that stay in the caches are made several times as fast."""
    pieces = [np.flatnonzero(text[start : start + _PIECE] == byte) + start for start in range(0, len(text), _PIECE)]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)


def _last_lines(before: NDArray[np.int64], after: NDArray[np.int64], whole: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each line, were it a record's start, the line that ends the record, or the number of lines if none does."""
    count = len(before)
    last = np.arange(count)
    for parity in (0, 1):
        opening = np.flatnonzero((before == parity) & (after != parity))
        closing = np.flatnonzero((after == parity) & whole)
        last[opening] = np.append(closing, count)[np.searchsorted(closing, opening)]
    return last


def _choose(last: NDArray[np.int64], verdicts: NDArray[np.uint8]) -> _Records:
    """Walks from record to record; Python sees only the lines that, as starts, would span others or stay undecided."""
    count = len(last)
    spans = np.flatnonzero(((verdicts == 0) & (last > np.arange(count))) | (verdicts == _UNDECIDED))
    stop, following = count, 0
    edges = np.zeros(count + 1, np.int64)
    firsts, ends = [], []
    for line, end, verdict in zip(spans.tolist(), last[spans].tolist(), verdicts[spans].tolist(), strict=True):
        if line < following:
            continue
        if verdict == _UNDECIDED:
            stop = line
            break
        following = end + 1
        firsts.append(line + 1)
        ends.append(following)
    edges[firsts] += 1
    edges[ends] -= 1
    inner = np.cumsum(edges)[:stop] > 0
    return _Records(np.flatnonzero(~inner), verdicts, stop)
