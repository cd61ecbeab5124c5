"""Laws 1, 2 and 8 where they begin: whatever the bytes, each is in one record, and no record harms another.

The oracle reads a delimited text one character after another, as RFC 4180 is told; the splitter does so with arrays of
positions. Both must name the same records, the same rejects and the same reasons, for every size of block.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.errors import HeaderError
from schemas.policies import Source
from schemas.records import RawFile
from tasks.ingest.blocks import PLACE_SCHEMA, REJECT_SCHEMA, record_schema
from tasks.ingest.reader import RecordReader
from tasks.ingest.rejects import RejectRule

GREAT = 1 << 20
BLOCK_SIZES = st.sampled_from([1, 2, 3, 7, 16, 64, 1_024, GREAT])


@dataclass(frozen=True)
class Read:
    records: pl.DataFrame
    rejects: pl.DataFrame
    report: RawFile

    @property
    def raws(self) -> list[bytes]:
        """The bytes of all records in their order."""
        both = pl.concat([self.records.select("_record", "_raw"), self.rejects.select("_record", "_raw")])
        return both.sort("_record").get_column("_raw").to_list()

    @property
    def cells(self) -> list[tuple[str | None, ...]]:
        return self.records.drop(*PLACE_SCHEMA, "_flags").rows()


def read(
    data: bytes, path: str, columns: list[str], *, block_size: int = GREAT, longest: int = GREAT, quote: str = '"'
) -> Read:
    plain: dict[str, Any] = {"encoding": "utf-8", "line_end": "lf", "preamble": 0}
    source = Source("{partition}", quote=quote, **plain)
    stream = io.BytesIO(data)
    reader = RecordReader(
        stream, path=path, source=source, columns=columns, block_size=block_size, max_record_bytes=longest
    )
    blocks = list(reader)
    return Read(
        pl.concat([pl.DataFrame(schema=record_schema(columns)), *(block.records for block in blocks)]),
        pl.concat([pl.DataFrame(schema=REJECT_SCHEMA), *(block.rejects for block in blocks)]),
        reader.report,
    )


def assert_conserved(found: Read, text: bytes) -> None:
    """Bytes, numbers and counts add up, from the frames and not from the reader's own books."""
    header = found.report.header_size or 0
    assert b"".join(found.raws) == text[header:]
    numbers = [*found.records.get_column("_record"), *found.rejects.get_column("_record")]
    assert sorted(numbers) == list(range(1, found.report.records + 1))
    for frame in (found.records, found.rejects):
        for offset, length, raw in frame.select("_offset", "_length", "_raw").iter_rows():
            assert text[offset : offset + length] == raw


# --- delimited text against an oracle ---------------------------------------------------------------------------------


@dataclass
class Scan:
    """What one reading from a record's start met first: a record's end, a misplaced quote, or the end of the text."""

    fields: list[bytes] = field(default_factory=list)
    end: int | None = None
    flaw: int | None = None


def scan(text: bytes, start: int, quote: bytes) -> Scan:  # noqa: C901  # one state machine, to be read as one
    found, cell, state, at = Scan(), b"", "start", start
    while at < len(text):
        here, ahead = text[at : at + 1], text[at : at + 2]
        if state == "quoted":
            if quote and ahead == quote * 2:
                cell, at = cell + quote, at + 2
            else:
                state, cell = ("closed", cell) if here == quote else ("quoted", cell + here)
                at += 1
        elif here == b"\n" or ahead == b"\r\n":
            found.fields.append(cell)
            found.end = at + (1 if here == b"\n" else 2)
            return found
        elif here == b",":
            found.fields.append(cell)
            cell, state, at = b"", "start", at + 1
        elif state == "closed":
            found.flaw = at - 1
            return found
        elif here == quote and state == "start":
            state, at = "quoted", at + 1
        elif here == quote:
            found.flaw = at
            return found
        else:
            cell, state, at = cell + here, "plain", at + 1
    if state != "quoted":
        found.fields.append(cell)
        found.end = len(text)
    return found


def closes(text: bytes, start: int, quote: bytes) -> int | None:
    """Where a record would end if every quote opened or closed: the first line end behind an even number of them."""
    inside = False
    for at in range(start, len(text)):
        inside ^= text[at : at + 1] == quote
        if text[at : at + 1] == b"\n" and not inside:
            return at + 1
    return None if inside else len(text)


def oracle(
    text: bytes, columns: int, quote: bytes, longest: int
) -> Iterator[tuple[bytes, RejectRule | None, list[bytes]]]:
    """Bytes, rule and fields of each record."""
    start = 0
    while start < len(text):
        line_end = text.find(b"\n", start) + 1 or len(text)
        if line_end - start > longest:
            for piece in range(start, line_end, longest):
                yield text[piece : min(piece + longest, line_end)], RejectRule.RECORD_TOO_LONG, []
            start = line_end
            continue
        found = scan(text, start, quote)
        rule = structural_rule(text, start, found, closes(text, start, quote), longest)
        end = line_end if rule or found.end is None else found.end
        yield text[start:end], rule or field_rule(text[start:end], len(found.fields), columns), found.fields
        start = end


def structural_rule(text: bytes, start: int, found: Scan, closed: int | None, longest: int) -> RejectRule | None:
    limit = start + longest
    if found.flaw is not None:
        near = (closed is not None and closed <= limit) or found.flaw + 2 < limit
        return RejectRule.STRAY_QUOTE if near else RejectRule.UNCLOSED_QUOTE
    return RejectRule.UNCLOSED_QUOTE if found.end is None or found.end > limit else None


def field_rule(record: bytes, fields: int, columns: int) -> RejectRule | None:
    try:
        record.decode()
    except UnicodeDecodeError:
        return RejectRule.NOT_UTF8
    if record in (b"\n", b"\r\n") and columns > 1:
        return RejectRule.BLANK_LINE
    rules = {True: RejectRule.TOO_FEW_FIELDS, False: RejectRule.TOO_MANY_FIELDS}
    return None if fields == columns else rules[fields < columns]


TOKENS = [
    b'"', b'""', b'","', b'"\n', b'\n"', b",", b"\n", b"\r\n", b"\r", b"a", b" ", b"0", b"\0", b"\xff", b"\xc3\xa9",
    b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xc3", b"-", b"'",
]  # fmt: skip
HOSTILE = st.one_of(
    st.lists(st.sampled_from(TOKENS), max_size=60).map(b"".join),
    st.lists(st.sampled_from([b'"', b",", b"\n", b"a"]), max_size=40).map(b"".join),
    st.binary(max_size=60),
)


@pytest.mark.parametrize("quote", ['"', ""])
@given(body=HOSTILE, columns=st.integers(1, 3), longest=st.sampled_from([9, 12, 20, 50, GREAT]), block_size=BLOCK_SIZES)
def test_any_bytes_are_split_and_judged_as_the_oracle_does(
    quote: str, body: bytes, columns: int, longest: int, block_size: int
) -> None:
    names = ["a", "b", "c"][:columns]
    text = ",".join(names).encode() + b"\n" + body
    found = read(text, "a.csv", names, block_size=block_size, longest=longest, quote=quote)
    assert_conserved(found, text)
    header = ",".join(names).encode()
    again = {mark + header + end for mark in (b"", b"\xef\xbb\xbf") for end in (b"", b"\n", b"\r\n")}
    expected = [
        (raw, RejectRule.REPEATED_HEADER if raw in again and rule in (None, *FIELD_RULES) else rule, fields)
        for raw, rule, fields in oracle(body, columns, quote.encode(), longest)
    ]
    good = [(raw, tuple(cell.decode() for cell in fields)) for raw, rule, fields in expected if rule is None]
    bad = [(raw, [str(rule)]) for raw, rule, _ in expected if rule is not None]
    assert list(zip(found.records.get_column("_raw").to_list(), found.cells, strict=True)) == good
    assert found.rejects.select("_raw", "_rules").rows() == bad


FIELD_RULES = (RejectRule.TOO_FEW_FIELDS, RejectRule.TOO_MANY_FIELDS)
CELLS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(["", '"', ",", "\n", "\r\n", "\r", '","'])


@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=20),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    block_size=BLOCK_SIZES,
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_what_a_csv_writer_writes_comes_back_exactly(
    rows: list[tuple[str, str, str]], line_end: str, quoting: int, block_size: int, mark: bytes
) -> None:
    # Python 3.11 leaves a cell that ends in CR without quotes, and then nobody can tell it from a line end of CRLF.
    assume(quoting == csv.QUOTE_ALL or not any(row[-1].endswith("\r") for row in rows))
    sink = io.StringIO(newline="")
    csv.writer(sink, lineterminator=line_end, quoting=quoting).writerows([("a", "b", "c"), *rows])  # type: ignore[arg-type]
    text = mark + sink.getvalue().encode()
    found = read(text, "a.csv", ["a", "b", "c"], block_size=block_size)
    assert found.cells == rows
    assert found.rejects.is_empty()
    assert_conserved(found, text)


# --- independence of blocks and compression ---------------------------------------------------------------------------


@given(body=HOSTILE, path=st.sampled_from(["a.csv", "a.jsonl"]), longest=st.sampled_from([12, 30, GREAT]))
def test_neither_block_size_nor_compression_changes_a_frame(body: bytes, path: str, longest: int) -> None:
    text = (b"a,b\n" if path == "a.csv" else b'{"a":1}\n') + body
    whole = read(text, path, ["a", "b"], longest=longest)
    for block_size in (1, 5, 1_024):
        found = read(text, path, ["a", "b"], longest=longest, block_size=block_size)
        assert found.records.equals(whole.records)
        assert found.rejects.equals(whole.rejects)
        assert found.report == whole.report
    for stored in (gzip.compress(text), zstandard.compress(text)):
        found = read(stored, path, ["a", "b"], longest=longest, block_size=64)
        assert found.records.equals(whole.records)
        assert found.rejects.equals(whole.rejects)
        assert (found.report.text_size, found.report.records) == (len(text), whole.report.records)


# --- damage -----------------------------------------------------------------------------------------------------------

CSV_LINES = [b"id,text\n", *(b"%d,row number %d\n" % (n, n) for n in range(12))]
JSON_LINES = [b'{"id":%d,"text":"row \xc3\xa9 %d"}\n' % (n, n) for n in range(12)]


@pytest.mark.parametrize(("path", "lines"), [("a.csv", CSV_LINES), ("a.jsonl", JSON_LINES)])
@given(data=st.data(), block_size=BLOCK_SIZES)
def test_a_damaged_byte_harms_the_lines_it_touches_only(
    path: str, lines: list[bytes], data: st.DataObject, block_size: int
) -> None:
    text = b"".join(lines)
    first = len(lines[0]) if path == "a.csv" else 0  # another header is another story
    place = data.draw(st.integers(first, len(text) - 1), label="place")
    damaged = text[:place] + data.draw(st.binary(max_size=3), label="instead") + text[place + 1 :]
    found = read(damaged, path, ["id", "text"], block_size=block_size)
    assert_conserved(found, damaged)
    touched = text[:place].count(b"\n")
    harmed = {touched, touched + 1} if text[place : place + 1] == b"\n" else {touched}
    spared = [line for number, line in enumerate(lines) if number not in harmed and not (first and number == 0)]
    kept = found.records.get_column("_raw").to_list()
    assert [raw for raw in kept if raw in set(spared)] == spared


@pytest.mark.parametrize("path", ["a.csv.gz", "a.jsonl.zst"])
@given(data=st.data(), block_size=BLOCK_SIZES)
def test_a_stream_that_breaks_off_anywhere_keeps_its_whole_records(
    path: str, data: st.DataObject, block_size: int
) -> None:
    text = b"".join(CSV_LINES if path == "a.csv.gz" else JSON_LINES)
    stored = gzip.compress(text, 0) if path == "a.csv.gz" else zstandard.compress(text)
    cut = data.draw(st.integers(4, len(stored) - 1), label="cut")
    found = read(stored[:cut], path, ["id", "text"], block_size=block_size)
    got = found.report.text_size or 0
    assert_conserved(found, text[:got])
    assert found.rejects.get_column("_rules").to_list() == [[RejectRule.TRUNCATED_STREAM]]
    assert found.report.size == cut


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "csv.gz", "jsonl.zst", "tsv"])
@given(
    data=st.binary(max_size=200), magic=st.sampled_from([b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"PAR1", b"a\n"])
)
def test_rubbish_never_raises_anything_but_a_header_error(suffix: str, data: bytes, magic: bytes) -> None:
    with contextlib.suppress(HeaderError):
        found = read(magic + data, f"a.{suffix}", ["a"])
        assert found.report.size == len(magic + data)
        assert found.report.records == found.records.height + found.rejects.height


# --- JSON lines -------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(values=st.lists(JSON, max_size=8), block_size=BLOCK_SIZES, ascii_only=st.booleans())
def test_json_values_come_back_from_their_text(values: list[object], block_size: int, ascii_only: bool) -> None:
    lines = [json.dumps({"a": value}, ensure_ascii=ascii_only) for value in values]
    text = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")
    found = read(text, "a.jsonl", ["a"], block_size=block_size)
    assert_conserved(found, text)
    assert found.rejects.is_empty()
    for value, (cell,) in zip(values, found.cells, strict=True):
        if isinstance(value, str) or cell is None:
            assert cell == value
        else:
            assert json.loads(cell) == value
