"""Sniffing: how a delimited file is written, told by its first bytes where neither declaration nor name tell it.

Belongs here: choosing the header among the candidates, and the verdict with what told each part of it. Does not belong
here: judging bytes as an encoding (guesses), finding candidates, or reading the file (delimited).

The declared columns are known, so sniffing is matching: a way to read the text is right if a record of it then names
them. The plain way, UTF-8 with the name's delimiter and the header in the first line, comes first, and nothing that
matches no better replaces it. If nothing matches, the plain way it is, in which the header is then found to be none.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import HeaderError, shown
from schemas.records import DialectVerdict
from tasks.ingest.candidates import Candidate, FirstText, Wanted, names_of
from tasks.ingest.dialects import Dialect
from tasks.ingest.encodings import Spelling
from tasks.ingest.guesses import guesses_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from schemas.policies import Source
    from schemas.records import LineEnd

#: First bytes of a text that are looked at.
SAMPLE_BYTES = 1 << 18
_DELIMITERS = (",", ";", "\t", "|")


class Origin(enum.StrEnum):
    """What told a property of a dialect."""

    DECLARED = "declared"
    NAME = "name"
    DEFAULT = "default"
    SNIFFED = "sniffed"


@dataclass(frozen=True)
class Verdict:
    """How a file is written.

    Attributes:
        dialect: as the manifest has it.
        origins: for each property of the dialect what told it.
        skipped: bytes before the header: byte order mark and preamble.
        notes: what a person should know: all that was sniffed, and what is in doubt.
    """

    dialect: DialectVerdict
    origins: Mapping[str, Origin]
    skipped: int
    notes: tuple[str, ...]

    @functools.cached_property
    def spelling(self) -> Spelling:
        """How characters, line ends and escapes are written."""
        told = self.dialect
        return Spelling.of(told.encoding, told.line_end, delimiter=told.delimiter, quote=told.quote, escape=told.escape)

    def names(self, header: bytes) -> list[str]:
        """The names in a header as it stands in the file.

        Raises:
            ValueError: it can't be decoded, or breaks the grammar of records.
        """
        return names_of(header, self.spelling, self.dialect.delimiter, self.dialect.quote)


def sniff(sample: bytes, *, whole: bool, path: str, source: Source, columns: Sequence[str]) -> Verdict:
    r"""Tells how a delimited file is written.

    Args:
        sample: the first `SAMPLE_BYTES` bytes of its text.
        whole: whether these are all of it.
        path: the file's, relative to the raw root; its suffixes tell the delimiter that `source` leaves open.
        source: how the file is declared to be written.
        columns: the declared ones.

    Raises:
        DeclarationError: the declared dialect is impossible.
        HeaderError: the declared encoding or preamble is not the file's, or what stands before its header may well be
            records.

    Example:
        >>> from schemas.policies import Source
        >>> text = "exported today\nid;text\n1;é, ü, ø and ß\n".encode("windows-1252")
        >>> verdict = sniff(text, whole=True, path="a.csv", source=Source("{partition}.csv"), columns=["id", "text"])
        >>> verdict.dialect.sniffed, verdict.skipped
        (('encoding', 'delimiter', 'preamble'), 15)
    """
    named = Dialect.of(path, source).delimiter.decode()
    found = _header(sample, whole=whole, path=path, source=source, wanted=_wanted(source, named, columns))
    dialect = DialectVerdict(
        encoding=found.text.guess.encoding,
        line_end=found.text.line_end,
        delimiter=found.delimiter,
        quote=source.quote or None,
        escape=source.escape,
        preamble=found.preamble,
        footer=source.footer,
    )
    origins = _origins(dialect, found, source)
    sniffed = tuple(name for name, origin in origins.items() if origin is Origin.SNIFFED)
    dialect = msgspec.structs.replace(dialect, sniffed=sniffed)
    return Verdict(dialect, origins, found.skipped, tuple(_notes(dialect, found, source)))


def pinned(source: Source, dialect: DialectVerdict) -> Source:
    """A source under which records of the file behind its header are read the same way again, and none is a footer."""
    return dataclasses.replace(
        source,
        encoding=dialect.encoding,
        line_end=dialect.line_end,
        delimiter=dialect.delimiter,
        preamble=dialect.preamble,
        footer=0,
    )


def _wanted(source: Source, named: str, columns: Sequence[str]) -> Wanted:
    others = [each for each in _DELIMITERS if each not in (named, source.quote, source.escape)]
    return Wanted(
        columns=columns,
        renamed=source.drift.renamed,
        delimiters=[named] if source.delimiter else [named, *others],
        quote=source.quote or None,
        escape=source.escape,
        preamble=source.preamble,
    )


def _header(sample: bytes, *, whole: bool, path: str, source: Source, wanted: Wanted) -> Candidate:
    """The first candidate that names all declared columns; or else the one that names most."""
    guesses = guesses_of(sample, whole=whole, declared=source.encoding, path=path)
    line_ends: tuple[LineEnd, ...] = (source.line_end,) if source.line_end else ("lf", "any")
    texts = (FirstText(sample, whole, guess, line_end, wanted) for guess in guesses for line_end in line_ends)
    best: Candidate | None = None
    for candidate in (candidate for text in texts for candidate in text.candidates()):
        if candidate.complete:
            return _trusted(candidate, path, source)
        if best is None or candidate.rank > best.rank:
            best = candidate
    if best is None:
        found = f"its first {len(sample):,} bytes end within the preamble"
        raise HeaderError(found, expected=f"a preamble of {source.preamble} lines", where=shown(path))
    return best


def _trusted(candidate: Candidate, path: str, source: Source) -> Candidate:
    if source.preamble is None and candidate.preamble and candidate.follows_records:
        lines = candidate.preamble
        raise HeaderError(
            f"line {lines + 1} names the declared columns, but what stands before it may be records",
            expected="the header in the first line",
            where=shown(path),
            fix=f"If they are no records, declare Source(preamble={lines}).",
        )
    return candidate


def _origins(dialect: DialectVerdict, found: Candidate, source: Source) -> dict[str, Origin]:
    plain = {"encoding": "utf-8", "line_end": "lf", "delimiter": found.text.wanted.delimiters[0], "preamble": 0}
    settled = {"quote": source.quote != '"', "escape": source.escape is not None, "footer": source.footer > 0}
    origins = {name: Origin.DECLARED if declared else Origin.DEFAULT for name, declared in settled.items()}
    for name, value in plain.items():
        if getattr(source, name) is not None:
            origins[name] = Origin.DECLARED
        elif getattr(dialect, name) != value:
            origins[name] = Origin.SNIFFED
        else:
            origins[name] = Origin.NAME if name == "delimiter" else Origin.DEFAULT
    if found.text.guess.why:
        origins["encoding"] = Origin.SNIFFED
    return {name: origins[name] for name in DialectVerdict.__struct_fields__ if name in origins}


def _notes(dialect: DialectVerdict, found: Candidate, source: Source) -> Iterator[str]:
    guess, text = found.text.guess, found.text
    told = {
        "encoding": f"encoding {dialect.encoding}, sniffed: {guess.why}",
        "line_end": "line ends LF, CRLF and CR, sniffed: the header is one only if CR ends it",
        "delimiter": f"delimiter {shown(dialect.delimiter)}, sniffed: the header names more declared columns under it",
        "preamble": f"header in line {dialect.preamble + 1}, sniffed: what stands before it does not name the columns",
    }
    yield from (words for name, words in told.items() if name in dialect.sniffed)
    if guess.doubt:
        yield guess.doubt
    if source.line_end is None and text.line_end == "lf" and (returns := text.lone_returns()):
        yield (
            f"carriage returns taken for data in the first {len(text.sample):,} bytes: {returns:,}; "
            "if they end lines, declare Source(line_end='any')"
        )
