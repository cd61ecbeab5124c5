"""Candidates: the records among a text's first bytes that may be its header.

Belongs here: reading the first records in one way after another, and counting the declared columns that they name. Does
not belong here: choosing between them (sniffing).
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.ingest.encodings import Spelling
from tasks.ingest.fields import content_of, fields_of
from tasks.ingest.header import names_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from schemas.records import LineEnd
    from tasks.ingest.guesses import Guess

#: Lines that a preamble may have when none is declared.
MOST_PREAMBLE = 32
#: Lines that a header may have here.
_MOST_HEADER_LINES = 20
#: Declared columns in the first line that make it the header, even if not all are there. A line before the header may
#: well have one in a cell (`date,2026-11-01`).
_HEADER_COLUMNS = 2
_LF, _CR = 10, 13


@dataclass(frozen=True)
class Wanted:
    """What a header is looked for by.

    Attributes:
        columns: the declared ones.
        renamed: other names of them.
        delimiters: the bytes that may stand between fields, as text; the likeliest first.
        quote: what stands around fields, if anything does.
        escape: what escapes, if anything does.
        preamble: declared lines before the header.
    """

    columns: Sequence[str]
    renamed: Mapping[str, str]
    delimiters: Sequence[str]
    quote: str | None
    escape: str | None
    preamble: int | None

    def spelling(self, guess: Guess, line_end: LineEnd, delimiter: str) -> Spelling:
        """How text is spelled under one way to read it."""
        return Spelling.of(guess.encoding, line_end, delimiter=delimiter, quote=self.quote, escape=self.escape)


@dataclass(frozen=True)
class Candidate:
    """A record that may be the header, under one way to read the text.

    Attributes:
        text: the text under that way.
        delimiter: what stands between its fields.
        preamble: lines before it.
        start: units before it.
        names: its fields.
        columns: how many declared columns it names.
    """

    text: FirstText
    delimiter: str
    preamble: int
    start: int
    names: Sequence[str]
    columns: int

    @property
    def complete(self) -> bool:
        """Whether it names all declared columns, and holds no sign of being more than a line."""
        return self.columns == len(self.text.wanted.columns) and not self.torn

    @property
    def torn(self) -> bool:
        """Whether a name that is not declared holds a carriage return, which may be a line end that was not seen."""
        known = {*self.text.wanted.columns, *self.text.wanted.renamed}
        return any("\r" in name and name not in known for name in self.names)

    @property
    def rank(self) -> tuple[int, bool]:
        """Greater for the likelier header; all that name no column are alike."""
        return self.columns, self.columns > 0 and not self.torn

    @property
    def skipped(self) -> int:
        """Bytes before it."""
        return len(self.text.guess.mark) + self.start * self.text.width

    @property
    def follows_records(self) -> bool:
        """Whether a line before it has as many fields, and more than half of them filled: it may well be a record."""
        lines = self.text.lines(0, self.start)
        return any(self._is_like_record(self.text.names(*line, self.delimiter)) for line in lines)

    def _is_like_record(self, fields: Sequence[str]) -> bool:
        return len(fields) == len(self.names) and 2 * sum(map(bool, fields)) > len(fields)


@dataclass(frozen=True)
class FirstText:
    """The first bytes of a text in one encoding, with one kind of line end.

    Attributes:
        sample: the bytes.
        whole: whether these are all of the text.
        guess: the encoding.
        line_end: what ends a line.
        wanted: what a header is looked for by.
    """

    sample: bytes
    whole: bool
    guess: Guess
    line_end: LineEnd
    wanted: Wanted

    @functools.cached_property
    def width(self) -> int:
        """Bytes of a unit."""
        return self._spelling.width

    def candidates(self) -> Iterator[Candidate]:
        """Those of the declared line; or of the first line, and then those of later ones that name all columns."""
        declared = self.wanted.preamble or 0
        starts = itertools.islice(self._starts(), declared, None)
        start = next(starts, len(self._shadow) if self.whole else None)
        if start is None:
            return
        most = 0
        for delimiter in self.wanted.delimiters:
            first = self._candidate(declared, start, delimiter)
            most = max(most, first.columns)
            yield first
        # A single column's name may well stand alone in a line of data; and a line that names several is the header.
        alone = len(self.wanted.columns) == 1
        if self.wanted.preamble is None and not alone and most < _HEADER_COLUMNS:
            for preamble, start in zip(range(1, MOST_PREAMBLE + 1), starts, strict=False):
                later = (self._candidate(preamble, start, each) for each in self.wanted.delimiters)
                yield from (each for each in later if each.complete)

    def names(self, start: int, end: int, delimiter: str) -> Sequence[str]:
        """The fields of a record between two units; nothing if it is none."""
        spelling = self.wanted.spelling(self.guess, self.line_end, delimiter)
        try:
            return names_of(self._bytes(start, end), spelling, delimiter, self.wanted.quote)
        except ValueError:
            return ()

    def lines(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Where the lines between two units begin and end."""
        while start < end:
            behind = self._shadow.find(b"\n", start, end) + 1 or end
            yield start, behind
            start = behind

    def lone_returns(self) -> int:
        """How many carriage returns stand outside quotes with no line feed behind them."""
        shadow = self._shadow.removesuffix(b"\r")
        if b"\r" not in shadow or shadow.count(b"\r") == shadow.count(b"\r\n"):
            return 0
        shadow = shadow.replace(b"\r\n", b"\n")
        text = np.frombuffer(shadow, np.uint8)
        outside = text == _CR
        if self.wanted.quote:
            quotes = (text == ord(self.wanted.quote)).view(np.uint8)
            outside &= np.bitwise_xor.accumulate(quotes) == 0
        return int(np.count_nonzero(outside))

    def _candidate(self, preamble: int, start: int, delimiter: str) -> Candidate:
        names = self.names(start, self._end(start), delimiter)
        known = names_in(names, self.wanted.columns, self.wanted.renamed)
        return Candidate(self, delimiter, preamble, start, names, len(known))

    def _starts(self) -> Iterator[int]:
        """Where lines begin; an empty one begins at the end."""
        ends = (end for _, end in self.lines(0, len(self._shadow)) if self._shadow[end - 1] == _LF)
        return itertools.chain([0], ends)

    def _end(self, start: int) -> int:
        """Where the record ends that begins here: with its first line, unless a quoted field goes on behind it."""
        quote = (self.wanted.quote or "").encode()
        within = False
        lines = list(itertools.islice(self.lines(start, len(self._shadow)), _MOST_HEADER_LINES))
        for begin, end in lines:
            within ^= bool(quote) and self._shadow.count(quote, begin, end) % 2 == 1
            if not within:
                return end
        return lines[0][1] if lines else start

    @functools.cached_property
    def _shadow(self) -> bytes:
        return self._spelling.shadow(self._bytes(0, None), final=self.whole)

    @functools.cached_property
    def _spelling(self) -> Spelling:
        return self.wanted.spelling(self.guess, self.line_end, self.wanted.delimiters[0])

    def _bytes(self, start: int, end: int | None) -> bytes:
        mark = len(self.guess.mark)
        return self.sample[mark + start * self.width : None if end is None else mark + end * self.width]


def names_of(header: bytes, spelling: Spelling, delimiter: str, quote: str | None) -> list[str]:
    r"""The fields of a header as it stands in a file.

    Raises:
        ValueError: it can't be decoded, or breaks the grammar of records.

    Example:
        >>> names_of("a;é\r".encode("latin-1"), Spelling("latin-1", "cr"), ";", None)
        ['a', 'é']
    """
    text, _ = spelling.plain(header, np.array([0, len(header)]))
    fields = fields_of(content_of(text).decode(), delimiter, quote)
    return [spelling.escape.restored_text(field) for field in fields] if spelling.escape else fields
