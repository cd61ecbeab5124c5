import gzip
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from schemas.errors import HeaderError
from schemas.policies import Drift
from tasks.ingest import parser
from tasks.ingest.blocks import RecordFlag

Reader = Callable[..., Any]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_cells_are_the_text_between_delimiters(read: Reader, end: str) -> None:
    data = end.join(["id,text", "1, a ", '"2","b,""c"""', '3,""', "4,"]).encode()
    assert read(data, "a.csv", ["id", "text"]).rows() == [("1", " a "), ("2", 'b,"c"'), ("3", ""), ("4", "")]


def test_declared_columns_come_in_their_order(read: Reader) -> None:
    found = read(b"b,a\n1,2\n", "a.csv", ["a", "b"])
    assert found.rows() == [("2", "1")]
    assert found.records.columns[-2:] == ["a", "b"]


def test_places_lead_back_to_the_bytes(read: Reader) -> None:
    data = b'\xef\xbb\xbfid,t\r\n1,"x\r\ny"\r\nbad\r\n2,z'
    found = read(data, "a.csv", ["id", "t"])
    assert found.report.header_size == 9
    assert found.report.text_size == len(data)
    places = pl.concat(
        [
            found.records.select(pl.col("_record", "_line", "_offset", "_length", "_raw")),
            found.rejects.drop("_rules", "_reasons"),
        ]
    )
    rows = places.sort("_record").rows()
    assert rows == [(1, 2, 9, 10, b'1,"x\r\ny"\r\n'), (2, 4, 19, 5, b"bad\r\n"), (3, 5, 24, 3, b"2,z")]
    assert all(data[offset : offset + length] == raw for _, _, offset, length, raw in rows)


def test_the_number_of_fields_is_told_with_the_expected_one(read: Reader) -> None:
    found = read(b"a,b,c\n1,2\n1,2,3\n1,2,3,4\n", "a.csv", ["a", "b", "c"])
    assert found.refused() == [(1, "too_few_fields", b"1,2\n"), (3, "too_many_fields", b"1,2,3,4\n")]
    assert found.rejects.get_column("_reasons").explode().to_list() == ["2 fields, 3 expected", "4 fields, 3 expected"]


def test_a_blank_line_is_rejected_unless_there_is_one_column(read: Reader) -> None:
    assert read(b"a,b\n\n1,2\n\r\n \n", "a.csv", ["a", "b"]).refused() == [
        (1, "blank_line", b"\n"),
        (3, "blank_line", b"\r\n"),
        (4, "too_few_fields", b" \n"),
    ]
    assert read(b'a\n\nx\n\r\n""\n', "a.csv", ["a"]).rows() == [("",), ("x",), ("",), ("",)]


def test_what_is_not_utf8_is_rejected_with_its_bytes(read: Reader) -> None:
    found = read(b"a,b\n\xc3\xa9,1\n\xff,2\n3,\xc3\n\xff\n", "a.csv", ["a", "b"])
    assert found.rows() == [("é", "1")]
    assert found.refused() == [(2, "not_utf8", b"\xff,2\n"), (3, "not_utf8", b"3,\xc3\n"), (4, "not_utf8", b"\xff\n")]


def test_quote_trouble_costs_one_line(read: Reader) -> None:
    found = read(b'a,b\n1,x"y\n2,"open\n3,z\n', "a.csv", ["a", "b"])
    assert found.rows() == [("3", "z")]
    assert found.refused() == [(1, "stray_quote", b'1,x"y\n'), (2, "unclosed_quote", b'2,"open\n')]


def test_odd_characters_are_data(read: Reader) -> None:
    assert read(b"a,b\n\0,x\ry\n\xe2\x80\xa8,\x1a\n", "a.csv", ["a", "b"]).rows() == [
        ("\0", "x\ry"),
        ("\u2028", "\x1a"),
    ]


@pytest.mark.parametrize(
    ("body", "cells"),
    [
        pytest.param(b"\xef\xbb\xbf1,2\n", ("\ufeff1", "2"), id="a mark at the start of the first record"),
        pytest.param(b"1\r,2\n", ("1\r", "2"), id="CR before a delimiter"),
        pytest.param(b"1,2\r", ("1", "2\r"), id="CR at the end of the file"),
        pytest.param(b"1,2\r\r\n", ("1", "2\r"), id="CR before the line end"),
    ],
)
def test_cells_that_the_fast_parser_alters_are_parsed_exactly(
    read: Reader, body: bytes, cells: tuple[str, str]
) -> None:
    assert read(b"a,b\n" + body, "a.csv", ["a", "b"]).rows() == [cells]


def test_a_panic_of_the_fast_parser_costs_nothing(read: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(*args: object, **kwargs: object) -> None:
        raise pl.exceptions.PanicException("index out of bounds")

    monkeypatch.setattr(parser.pl, "read_csv", panic)
    monkeypatch.setattr(parser, "_EXACT_AT_ONCE", 2)
    found = read(b'a,b\n1,2\n"x\n""y",z\n3,4\n', "a.csv", ["a", "b"])
    assert found.rows() == [("1", "2"), ('x\n"y', "z"), ("3", "4")]


@pytest.mark.parametrize(
    "lose", [lambda cells: cells.head(1), lambda cells: cells.with_columns(pl.col("1").str.head(1))]
)
def test_whatever_the_fast_parser_loses_is_noticed(
    read: Reader, monkeypatch: pytest.MonkeyPatch, lose: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    parse = pl.read_csv
    monkeypatch.setattr(parser.pl, "read_csv", lambda *args, **kwargs: lose(parse(*args, **kwargs)))
    assert read(b"a,b\n1,two\n3,four\n", "a.csv", ["a", "b"]).rows() == [("1", "two"), ("3", "four")]


def test_other_delimiters_and_quotes(read: Reader) -> None:
    assert read(b"a\tb\n'1\t2'\t3\n", "a.tsv", ["a", "b"], quote="'").rows() == [("1\t2", "3")]
    assert read(b'a;b\n"1;2"\n', "a.csv", ["a", "b"], delimiter=";", quote="").rows() == [('"1', '2"')]


def test_an_empty_file_and_a_bare_header_are_notes(read: Reader) -> None:
    for data, header, note in [
        (b"", 0, "empty file"),
        (b"\xef\xbb\xbf", 3, "empty file"),
        (b"a,b\n", 4, "no record behind the header"),
        (b"a,b", 3, "no record behind the header"),
    ]:
        found = read(data, "a.csv", ["a", "b"])
        assert (found.report.records, found.report.header_size, found.report.notes) == (0, header, (note,))


def test_undeclared_columns_are_left_out_where_that_is_declared(read: Reader) -> None:
    found = read(b"x,a,y\n1,2,3\n", "a.csv", ["a"], drift=Drift(extra="ignore"))
    assert found.rows() == [("2",)]
    assert [(finding.kind, finding.column) for finding in found.report.drift] == [("extra", "x"), ("extra", "y")]


def test_a_missing_column_is_null_in_every_record(read: Reader) -> None:
    found = read(b"a\n1\n2\n3,4\n", "a.csv", ["b", "a", "c"], drift=Drift(missing="null"))
    assert found.rows() == [(None, "1", None), (None, "2", None)]
    assert found.records.get_column("_flags").to_list() == [0, 0]
    assert found.refused() == [(3, "too_many_fields", b"3,4\n")]


def test_drift_that_sets_records_aside_is_a_flag_of_each(read: Reader) -> None:
    drift = Drift(missing="quarantine", extra="quarantine", renamed={"old": "a"})
    found = read(b"x,old\n1,2\n3,4\n", "a.csv", ["a", "b"], drift=drift)
    assert found.rows() == [("2", None), ("4", None)]
    both = RecordFlag.MISSING_COLUMN | RecordFlag.EXTRA_COLUMN
    assert found.records.get_column("_flags").to_list() == [both, both]
    assert {finding.kind for finding in found.report.drift} == {"missing", "extra", "renamed"}
    with pytest.raises(HeaderError, match="undeclared columns 'x', 'y'"):
        read(b"x,a,y\n1,2,3\n", "a.csv", ["a"])


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"a,c\n1,2\n", "no column 'b'"),
        (b"\n1,2\n", "ingest.blank_line"),
        (b'"a,b\n1,2\n', "ingest.unclosed_quote"),
        (b'a,"b"c\n', "ingest.stray_quote"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", r"\x89PNG"),
        (b"a,b" + b"x" * 2_000, "ingest.record_too_long"),
        (b"a,\xff\n1,2\n\xc3\xa9", "not UTF-8"),
    ],
)
def test_a_header_that_is_none_stops_with_what_was_found(read: Reader, data: bytes, found: str) -> None:
    with pytest.raises(HeaderError) as caught:
        read(data, "dumps/a.csv", ["a", "b"], max_record_bytes=1_000)
    message = str(caught.value)
    assert found in message
    assert "dumps/a.csv" in message
    assert message.isprintable()
    assert len(message) < 500


def test_a_quoted_header_may_hold_line_ends(read: Reader) -> None:
    found = read(b'"a\nb","c"\n1,2\n', "a.csv", ["a\nb", "c"])
    assert found.rows() == [("1", "2")]
    assert found.records.get_column("_line").to_list() == [3]


def test_a_line_too_long_is_rejected_in_parts_with_all_its_bytes(read: Reader) -> None:
    found = read(b"a,b\n1,2\n" + b"x" * 250 + b"\n3,4\n", "a.csv", ["a", "b"], max_record_bytes=100)
    assert found.rows() == [("1", "2"), ("3", "4")]
    assert [(number, slug, len(raw)) for number, slug, raw in found.refused()] == [
        (n, "record_too_long", size) for n, size in [(2, 100), (3, 100), (4, 51)]
    ]


def test_rejects_keep_only_their_own_bytes_in_memory(read: Reader) -> None:
    found = read(
        b"a,b\n" + b"1,2\n" * 100_000 + b"bad line that is longer than a view holds\n",
        "a.csv",
        ["a", "b"],
        block_size=10**7,
        max_record_bytes=1_000,
    )
    assert found.rejects.height == 1
    assert found.rejects.estimated_size() < 1_000


@pytest.mark.parametrize("block_size", [1, 7, 1 << 20])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "windows-1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_file_is_read_in_whatever_way_it_is_written(read: Reader, block_size: int, encoding: str, end: str) -> None:
    lines = ["made by Ä and Ö", "", "id;text", "1;é", '2;"x' + end + '""y;"', "", "id;text", "3", "4;ü", "total;2"]
    data = (end.join(lines) + end).encode(encoding)
    found = read(data, "a.csv", ["id", "text"], block_size=block_size, footer=1)
    assert found.rows() == [("1", "é"), ("2", f'x{end}"y;'), ("4", "ü")]
    slugs = [(number, slug) for number, slug, _ in found.refused()]
    assert slugs == [(3, "blank_line"), (4, "repeated_header"), (5, "too_few_fields"), (7, "footer")]
    raws = dict(zip(found.records["_record"].to_list(), found.records["_raw"].to_list(), strict=True))
    raws |= {number: raw for number, _, raw in found.refused()}
    assert b"".join(raw for _, raw in sorted(raws.items())) == data[found.report.header_size :]
    assert found.records["_line"].to_list() == [4, 5, 10]
    assert {"delimiter", "preamble"} <= set(found.report.dialect.sniffed)
    assert found.report.dialect.footer == 1


def test_an_escape_takes_the_meaning(read: Reader) -> None:
    data = b'id,te\\,xt\n1,a\\\nb\n2,\\N\n3,\\"\\\\\n'
    found = read(data, "a.csv", ["id", "te,xt"], block_size=3, escape="\\")
    assert found.rows() == [("1", "a\nb"), ("2", "\\N"), ("3", '"\\')]
    assert found.rejects.is_empty()


def test_lines_are_physical_ones_behind_an_escape_too(read: Reader) -> None:
    found = read(b"id,name\n1,a\\\nb\n2,c\n", "a.csv", ["id", "name"], quote="", escape="\\")
    assert found.rows() == [("1", "a\nb"), ("2", "c")]
    assert found.records["_line"].to_list() == [2, 4]


def test_half_a_unit_behind_a_preamble_is_counted_once(read: Reader) -> None:
    data = b"\xfe\xff\0A\0\nB"
    found = read(data, "a.csv", ["id"], encoding="utf-16", preamble=2)
    assert found.report.header_size == found.report.text_size == len(data)


def test_a_stream_that_breaks_off_within_the_preamble_is_at_its_line(read: Reader) -> None:
    found = read(gzip.compress(b"x\ny\nz\nid,name\n1,2\n", 0)[:18], "a.csv.gz", ["id", "name"], preamble=3)
    assert found.rejects["_line"].to_list() == [2]


def test_records_that_are_no_text_in_their_encoding_are_rejected_alone(read: Reader) -> None:
    data = b"".join("a,b\n1,é\n2,!\n3,x\n".encode("utf-16-le").partition(b"!\0")).replace(b"!\0", b"\0\xd8") + b"4"
    found = read(data, "a.csv", ["a", "b"])
    assert found.rows() == [("1", "é"), ("3", "x")]
    assert found.refused() == [(2, "not_utf8", b"2\0,\0\0\xd8\n\0"), (4, "not_utf8", b"4")]
    assert found.rejects["_reasons"].explode().unique().to_list() == ["not UTF-16-LE text"]
