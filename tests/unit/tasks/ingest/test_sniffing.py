import codecs
import time
from typing import Any

import pytest

from schemas.errors import HeaderError
from schemas.policies import Drift, Source
from tasks.ingest.sniffing import SAMPLE_BYTES, Origin, Verdict, pinned, sniff

PROPERTIES = ("encoding", "line_end", "delimiter", "quote", "escape", "preamble", "footer")


def told(
    text: bytes, columns: tuple[str, ...] = ("id", "text"), path: str = "dumps/a.csv", **settings: object
) -> Verdict:
    sample = text[:SAMPLE_BYTES]
    source = Source("{partition}", **settings)  # type: ignore[arg-type]
    return sniff(sample, whole=len(sample) == len(text), path=path, source=source, columns=columns)


def sniffed(verdict: Verdict) -> dict[str, Any]:
    return {name: getattr(verdict.dialect, name) for name in verdict.dialect.sniffed}


@pytest.mark.parametrize(
    "text", [b"id,text\n1,x\n", b"id,text\r\n1,x\r\n", b"text,id", b'"id",x,"text"\n', b"id,text\n\xc3\xa9"]
)
def test_a_plain_file_is_told_by_its_name(text: bytes) -> None:
    verdict = told(text)
    assert (sniffed(verdict), verdict.skipped, verdict.notes) == ({}, 0, ())
    assert [getattr(verdict.dialect, name) for name in PROPERTIES] == ["utf-8", "lf", ",", '"', None, 0, 0]
    assert verdict.origins == {**dict.fromkeys(PROPERTIES, Origin.DEFAULT), "delimiter": Origin.NAME}


def test_a_mark_is_skipped() -> None:
    assert told(codecs.BOM_UTF8 + b"id,text\n").skipped == 3
    verdict = told(codecs.BOM_UTF16_BE + "id,text\n".encode("utf-16-be"))
    assert (sniffed(verdict), verdict.skipped) == ({"encoding": "utf-16-be"}, 2)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_told_by_its_header(encoding: str) -> None:
    verdict = told("id,text\n1,é\n".encode(encoding))
    assert (sniffed(verdict), verdict.skipped) == ({"encoding": encoding}, 0)
    assert verdict.notes == (f"encoding {encoding}, sniffed: only so the header is one",)
    assert sniffed(told("id,text\n1,é\n".encode(encoding), encoding="utf-16")) == {"encoding": encoding}


def test_zeros_in_a_plain_file_are_data() -> None:
    assert sniffed(told(b"id,text\n\0,\0\n")) == {}


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_under_which_the_header_names_columns(delimiter: str) -> None:
    verdict = told(f'id{delimiter}"te,xt"\n'.encode(), ("id", "te,xt"))
    assert sniffed(verdict) == {"delimiter": delimiter}
    assert len(verdict.notes) == 1


def test_the_delimiter_of_the_name_comes_first() -> None:
    assert told(b"id;text,x;y\n", ("id;text", "text,x", "x;y")).dialect.delimiter == ","
    assert told(b"id\n", ("id",)).dialect.delimiter == ","
    assert told(b"id\n", ("id",), path="a.tsv").dialect.delimiter == "\t"
    assert told(b"id,text\n", path="a.tsv").dialect.delimiter == ","


def test_a_column_that_is_missing_or_renamed_does_not_hide_the_dialect() -> None:
    assert sniffed(told(b"id;name;city\n", ("id", "name", "text"))) == {"delimiter": ";"}
    assert sniffed(told(b"key;body\n", drift=Drift(renamed={"key": "id", "body": "text"}))) == {"delimiter": ";"}
    assert sniffed(told(b"id,name,city\n", ("id", "name", "text"))) == {}


def test_what_is_declared_is_not_sniffed() -> None:
    text = b"\xef\xbb\xbftitle\rid;text\r1;\xff\r"
    settings = {"delimiter": ";", "line_end": "cr", "preamble": 1, "encoding": "utf-8", "escape": "\\", "footer": 2}
    verdict = told(text, **settings)
    assert (verdict.dialect.sniffed, verdict.skipped, verdict.notes) == ((), 9, ())
    assert {name: origin for name, origin in verdict.origins.items() if origin is Origin.DEFAULT} == {
        "quote": Origin.DEFAULT
    }
    assert [getattr(verdict.dialect, name) for name in PROPERTIES] == ["utf-8", "cr", ";", '"', "\\", 1, 2]
    assert told(b"id;text\n", delimiter=",").dialect.delimiter == ","


@pytest.mark.parametrize(
    "text",
    [b"id,text\r1,x\r", b'id,text\r1,"x\ny"\r', b"id,text\r\r\n1,x\r\r\n", b"id,text,more\r1,x,y\r", b"id,x\r1,y\r"],
)
def test_a_header_that_only_cr_ends(text: bytes) -> None:
    verdict = told(text)
    assert sniffed(verdict) == {"line_end": "any"}
    assert verdict.names(text.partition(b"\r")[0] + b"\r")[0] == "id"


def test_carriage_returns_that_may_end_lines_are_told() -> None:
    verdict = told(b'id,text\n1,"a\rb"\r2,x\r\n3,\r')
    assert verdict.dialect.line_end == "lf"
    (note,) = verdict.notes
    assert note.startswith("carriage returns taken for data in the first 24 bytes: 1;")
    assert told(b'id,text\n1,"a\rb"\r\n2,x\r\n').notes == ()


@pytest.mark.parametrize(
    ("preamble", "lines"),
    [
        (b"sep=;\n", 1),
        (b"Report\n\n", 2),
        (b'Report "May, 3.5" disk\n# made by id\n\n', 3),
        (b"id;2026;\n", 1),
        (b"Sales;\n;\n", 2),
    ],
)
def test_lines_before_the_header_are_skipped(preamble: bytes, lines: int) -> None:
    verdict = told(preamble + b"id;text\n1;x\n")
    assert sniffed(verdict) == {"delimiter": ";", "preamble": lines}
    assert verdict.skipped == len(preamble)
    assert len(verdict.notes) == 2


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        pytest.param(b"x\nid\ny\n", ("id",), id="a single column's name may be data"),
        pytest.param(b"title\nid,text\n", ("id", "text", "more"), id="not all columns"),
        pytest.param(b"id,text\nid,text,more\n", ("id", "text", "more"), id="the first line is a header"),
        pytest.param(b"x\n" * 33 + b"id,text\n", ("id", "text"), id="too far down"),
        pytest.param(b"no header\n1,2\n", ("id", "text"), id="no header"),
        pytest.param(b"no header\r1,2\r", ("id", "text"), id="no header and CR"),
        pytest.param(b"", ("id", "text"), id="nothing"),
        pytest.param(b"\n\n", ("id", "text"), id="blank lines"),
        pytest.param(b'"id,text\n', ("id", "text"), id="a quote that does not close"),
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0", ("id", "text"), id="no text"),
    ],
)
def test_what_matches_nothing_is_read_the_plain_way(text: bytes, columns: tuple[str, ...]) -> None:
    verdict = told(text, columns)
    assert (sniffed(verdict), verdict.skipped) == ({}, 0)


@pytest.mark.parametrize("text", [b"1,x\n2,y\nid,text\n", b"made by,me\n1,x\nid,text\n3,z\n"])
def test_records_before_a_header_are_not_lost_to_a_preamble(text: bytes) -> None:
    with pytest.raises(HeaderError, match=r"line 3 names the declared columns.*Source\(preamble=2\)"):
        told(text)
    assert told(text, preamble=2).skipped == text.index(b"id,text")


def test_a_declared_preamble_that_does_not_end_stops() -> None:
    with pytest.raises(HeaderError, match="a preamble of 3 lines"):
        told(b"x\ny\n" + b"z" * SAMPLE_BYTES, preamble=3)
    assert told(b"x\ny", preamble=3).skipped == 3
    assert told("x\ny\n".encode("utf-16"), preamble=3, encoding="utf-16").skipped == 10


def test_a_header_may_hold_line_ends_and_escapes() -> None:
    verdict = told(b'x\n"i\nd";te\\;xt\n', ("i\nd", "te;xt"), escape="\\")
    assert sniffed(verdict) == {"delimiter": ";", "preamble": 1}
    assert verdict.names(b'"i\nd";te\\;xt\n') == ["i\nd", "te;xt"]


def test_a_doubt_is_told() -> None:
    assert "2 of the first 12 bytes are not UTF-8" in told(b"id,text\n\xff\xff,\n").notes[0]


@pytest.mark.parametrize("end", ["\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "windows-1252"])
def test_a_pinned_source_reads_the_same_way_again(encoding: str, end: str) -> None:
    header = end.join(["made by Ä", "", "id;text", ""]).encode(encoding)
    source = Source("{partition}", footer=1)
    columns = ("id", "text")
    first = sniff(header, whole=True, path="a.csv", source=source, columns=columns)
    again = sniff(header, whole=True, path="a.csv", source=pinned(source, first.dialect), columns=columns)
    assert set(first.dialect.sniffed) >= {"delimiter", "preamble"}
    assert again.dialect.sniffed == again.notes == ()
    assert again.dialect.footer == 0
    assert again.skipped == first.skipped
    assert again.spelling == first.spelling


HOSTILE = {
    "one line": b"id" * SAMPLE_BYTES,
    "delimiters": b",;|\t" * SAMPLE_BYTES,
    "quotes": b'"' * SAMPLE_BYTES,
    "line ends": b"\n" * SAMPLE_BYTES,
    "carriage returns": b"\r\0" * SAMPLE_BYTES,
    "open quotes": (b'\0\r"' + b"id,text;" * 1_500 + b"\n") * 30,
    "lines of quotes": b'"\n' * SAMPLE_BYTES,
    "high bytes": b"\xff\0\r\n" * SAMPLE_BYTES,
    "escapes": b"\\" * SAMPLE_BYTES,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_takes_long(text: bytes) -> None:
    before = time.process_time()
    told(text, escape="\\")
    assert time.process_time() - before < 1
