"""Laws 1 and 2 for every dialect: the same cells come back, whatever bytes they are written in; each byte counts."""

from __future__ import annotations

import codecs
import csv
import io
import itertools

import numpy as np
import polars as pl
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.policies import Source
from schemas.records import Encoding, LineEnd
from tasks.ingest.encodings import Spelling
from tasks.ingest.parser import Parser
from tasks.ingest.regions import chosen
from tasks.ingest.sniffing import sniff
from tasks.ingest.splitter import Splitter

ENCODINGS = st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "windows-1252", "latin-1"])
ENDS: dict[LineEnd, list[str]] = {"lf": ["\n", "\r\n"], "cr": ["\r"], "any": ["\n", "\r\n", "\r"]}
WESTERN = ["é", "ÿ", "£", "x", "", " "]
WIDE = [*WESTERN, "€", "\u0a0d", "\u2c22", "\u0d0a", "\U0001f600", "\ufeff", "\uffff"]
MEANINGFUL = ['"', ",", "\n", "\r", "\r\n", "\\", "\\N", "\\\x01", "\x02", "\\\\", ",\\"]


def cells_of(encoding: Encoding) -> st.SearchStrategy[str]:
    alphabet = [*MEANINGFUL, *(WIDE if encoding.startswith("utf") else WESTERN)]
    return st.lists(st.sampled_from(alphabet), max_size=6).map("".join)


def read(data: bytes, spelling: Spelling, width: int, pieces: int) -> tuple[list[tuple[str, ...]], list[bytes]]:
    """Cells of the records that can be decoded, and the bytes of all; the text comes in pieces of that size."""
    shadow, rest = b"", b""
    for start in range(0, len(data), pieces):
        piece = rest + data[start : start + pieces]
        part = spelling.shadow(piece, final=start + pieces >= len(data))
        shadow, rest = shadow + part, piece[len(part) * spelling.width :]
    splitter = Splitter(ord(","), ord('"'), 1 << 20)
    cut = splitter.split(shadow, final=True)
    bounds = np.minimum(cut.bounds * spelling.width, len(data))
    good = (cut.verdicts == 0) & ~spelling.undecodable(data, bounds)
    parsed = Parser(splitter, width=width).parse(*spelling.plain(*chosen(data, bounds, good)))
    cells: pl.DataFrame = spelling.escape.restored(parsed.cells) if spelling.escape else parsed.cells
    return cells.rows(), [data[start:stop] for start, stop in itertools.pairwise(bounds)]


def quoted(rows: list[tuple[str, ...]], ends: list[str]) -> str:
    sink = io.StringIO(newline="")
    for row, end in zip(rows, ends, strict=True):
        csv.writer(sink, lineterminator=end, quoting=csv.QUOTE_ALL).writerow(row)
    return sink.getvalue()


def escaped(rows: list[tuple[str, ...]], ends: list[str]) -> str:
    """As MySQL writes: no quotes, and an escape before each character with a meaning; of CRLF before the first."""
    words = {"\\": "\\\\", ",": "\\,", '"': '\\"', "\n": "\\\n", "\r": "\\\r"}
    lines = []
    for row, end in zip(rows, ends, strict=True):
        cells = ["".join(words.get(letter, letter) for letter in cell).replace("\r\\\n", "\r\n") for cell in row]
        lines.append(",".join(cells) + end)
    return "".join(lines)


@given(data=st.data(), encoding=ENCODINGS, line_end=st.sampled_from(list(ENDS)), pieces=st.integers(1, 50))
def test_quoted_cells_come_back_from_any_encoding(
    data: st.DataObject, encoding: Encoding, line_end: LineEnd, pieces: int
) -> None:
    rows = data.draw(st.lists(st.tuples(cells_of(encoding), cells_of(encoding)), min_size=1, max_size=8))
    ends = data.draw(st.lists(st.sampled_from(ENDS[line_end]), min_size=len(rows), max_size=len(rows)))
    text = quoted(rows, ends).encode(encoding)
    cells, raws = read(text, Spelling(encoding, line_end), 2, pieces)
    assert cells == rows
    assert b"".join(raws) == text


@given(data=st.data(), encoding=ENCODINGS, line_end=st.sampled_from(list(ENDS)), pieces=st.integers(1, 50))
def test_escaped_cells_come_back_from_any_encoding(
    data: st.DataObject, encoding: Encoding, line_end: LineEnd, pieces: int
) -> None:
    rows = data.draw(st.lists(st.tuples(cells_of(encoding), cells_of(encoding)), min_size=1, max_size=8))
    ends = data.draw(st.lists(st.sampled_from(ENDS[line_end]), min_size=len(rows), max_size=len(rows)))
    # A line feed behind an escaped carriage return is one line end with it.
    assume(not any(row[-1].endswith("\r") and end == "\n" for row, end in zip(rows, ends, strict=True)))
    text = escaped(rows, ends).encode(encoding)
    spelling = Spelling.of(encoding, line_end, delimiter=",", quote='"', escape="\\")
    cells, raws = read(text, spelling, 2, pieces)
    assert cells == rows
    assert b"".join(raws) == text


HOSTILE = st.lists(
    st.sampled_from([b'"', b",", b"\n", b"\r", b"\\", b"\0", b"a", b"\x81", b"\xd8", b"\xdc", b"\xff", b"\xc3\xa9"]),
    max_size=60,
).map(b"".join)


@given(
    body=HOSTILE,
    encoding=ENCODINGS,
    line_end=st.sampled_from(list(ENDS)),
    escape=st.sampled_from([None, "\\", "\x01"]),
    pieces=st.integers(1, 9),
)
def test_no_byte_is_lost_whatever_the_dialect(
    body: bytes, encoding: Encoding, line_end: LineEnd, escape: str | None, pieces: int
) -> None:
    spelling = Spelling.of(encoding, line_end, delimiter=",", quote='"', escape=escape)
    cells, raws = read(body, spelling, 2, pieces)
    assert b"".join(raws) == body
    assert (cells, raws) == read(body, spelling, 2, 1_000)


@given(
    preamble=st.lists(st.sampled_from(["made by Ä", "", "x", "# 2026"]), max_size=3),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "windows-1252"]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
)
def test_whatever_writes_a_header_it_is_found(
    preamble: list[str], encoding: str, line_end: str, delimiter: str
) -> None:
    lines = [*preamble, delimiter.join(["id", "text"]), delimiter.join(["1", "é, ü, ø and ß"])]
    text = "".join(line + line_end for line in lines).encode(encoding)
    verdict = sniff(text, whole=True, path="a.csv", source=Source("{partition}"), columns=["id", "text"])
    end = verdict.skipped + len((lines[len(preamble)] + line_end).encode(verdict.dialect.encoding))
    assert verdict.names(text[verdict.skipped : end]) == ["id", "text"]
    assert (verdict.dialect.delimiter, verdict.dialect.preamble) == (delimiter, len(preamble))
    assert codecs.lookup(verdict.dialect.encoding) in (codecs.lookup(encoding), codecs.lookup("utf-8")) or (
        verdict.dialect.encoding == "utf-16-le"
    )
    departs = [verdict.dialect.encoding != "utf-8", line_end == "\r", delimiter != ",", bool(preamble)]
    assert len(verdict.notes) == sum(departs)


@given(sample=st.binary(max_size=200), whole=st.booleans())
def test_any_bytes_have_a_verdict(sample: bytes, whole: bool) -> None:
    verdict = sniff(sample, whole=whole, path="a.csv", source=Source("{partition}"), columns=["id", "text"])
    assert verdict.skipped <= len(sample)
