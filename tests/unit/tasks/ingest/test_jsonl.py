import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from schemas.policies import Drift
from tasks.ingest.blocks import RecordFlag

Reader = Callable[..., Any]


def cell(read: Reader, value: str) -> str | None:
    ((text,),) = read(f'{{"a":{value}}}'.encode(), "a.jsonl", ["a"]).rows()
    return text


@pytest.mark.parametrize("number", ["1.10", "1e400", "-0", "0.1E-7", "123456789012345678901234567890", "1" * 5_000])
def test_numbers_keep_their_digits(read: Reader, number: str) -> None:
    assert cell(read, number) == number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("true", "true"),
        ("false", "false"),
        ("null", None),
        ('""', ""),
        ('"null"', "null"),
        (r'"\u00e9\n\ud83d\ude00\u0000"', "é\n\U0001f600\0"),
        ("[ 1.50, true , null ]", "[1.50,true,null]"),
        ('{ "b" : {"c": [1e2]}, "d": "é\\u0022" }', '{"b":{"c":[1e2]},"d":"é\\""}'),
        ('{"b":1,"b":2}', '{"b":1,"b":2}'),
        ("[]", "[]"),
        ("{}", "{}"),
    ],
)
def test_values_become_text_that_changes_nothing(read: Reader, value: str, text: str | None) -> None:
    assert cell(read, value) == text


def test_an_absent_key_is_null(read: Reader) -> None:
    assert read(b'{"b":"1"}\n{}\n', "a.jsonl", ["a", "b"]).rows() == [(None, "1"), (None, None)]


def test_repeated_and_undeclared_keys_are_flagged_and_the_last_counts(read: Reader) -> None:
    found = read(b'{"a":1,"a":2}\n{"a":1,"x":2}\n{"a":1,"x":2,"x":3}\n{"a":1}\n', "a.jsonl", ["a"])
    assert found.rows() == [("2",), ("1",), ("1",), ("1",)]
    flags = [RecordFlag(flag) for flag in found.records.get_column("_flags")]
    both = RecordFlag.DUPLICATE_KEY | RecordFlag.EXTRA_COLUMN
    assert flags == [RecordFlag.DUPLICATE_KEY, RecordFlag.EXTRA_COLUMN, both, RecordFlag(0)]


def test_keys_are_matched_record_by_record(read: Reader) -> None:
    data = b'{"a":1,"b":2}\n{"old":3,"b":null}\n{"b":4}\n{"a":5,"b":6,"x":7}\n'
    drift = Drift(missing="quarantine", extra="ignore", renamed={"old": "a"})
    found = read(data, "a.jsonl", ["a", "b"], drift=drift)
    assert found.rows() == [("1", "2"), ("3", None), (None, "4"), ("5", "6")]
    assert found.records.get_column("_flags").to_list() == [0, 0, RecordFlag.MISSING_COLUMN, 0]
    drift_found = [(finding.kind.value, finding.records) for finding in found.report.drift]
    assert drift_found == [("missing", 1), ("extra", 1), ("renamed", 1)]


def test_a_key_that_no_parsed_record_has_is_told(read: Reader) -> None:
    (finding,) = read(b'{"a":1}\nnonsense\n{"a":2}\n', "a.jsonl", ["a", "b"], block_size=8).report.drift
    assert (finding.kind.value, finding.column, finding.records) == ("missing", "b", 2)


def test_undeclared_keys_are_counted_where_they_are_ignored(read: Reader) -> None:
    data = b"".join(json.dumps({"a": n, f"x{n}": 1, "y": 2}).encode() + b"\n" for n in range(50))
    found = read(data, "a.jsonl", ["a"], drift=Drift(extra="ignore"))
    assert found.records.get_column("_flags").sum() == 0
    drift = [(finding.column, finding.records) for finding in found.report.drift]
    assert drift == [("x0", 1), ("y", 50), *((f"x{n}", 1) for n in range(1, 9)), (None, 41)]


@pytest.mark.parametrize(
    ("line", "slug"),
    [
        (b"", "blank_line"),
        (b" \t\r", "blank_line"),
        (b"nonsense", "not_json"),
        (b'{"a":1', "not_json"),
        (b'{"a":1} x', "not_json"),
        (b'{"a":1}{"a":2}', "not_json"),
        (b'{"a":NaN}', "not_json"),
        (b'{"a":-Infinity}', "not_json"),
        (b'{"a":"\t"}', "not_json"),
        (b"{'a':1}", "not_json"),
        (b'{"a":01}', "not_json"),
        (b'\xef\xbb\xbf{"a":1}', "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"a":' * 100_000, "not_json"),
        (b'{"a":' + b"[" * 150 + b"]" * 150 + b"}", "not_json"),
        (b'{"x":' + b"[" * 150 + b"]" * 150 + b"}", "not_json"),
        (b"[1]", "not_an_object"),
        (b'"a"', "not_an_object"),
        (b"7", "not_an_object"),
        (b"null", "not_an_object"),
        (b"true", "not_an_object"),
        (b'{"a":"\xff"}', "not_utf8"),
        (b'{"a":"\xed\xa0\x80"}', "not_utf8"),
        (rb'{"a":"\ud800"}', "lone_surrogate"),
        (rb'{"a":["\udc00\ud800"]}', "lone_surrogate"),
        (rb'{"\ud800":1}', "lone_surrogate"),
        (rb'{"x":"\uDEAD"}', "lone_surrogate"),
    ],
)
def test_a_line_that_is_no_record_is_rejected_alone_with_its_bytes(read: Reader, line: bytes, slug: str) -> None:
    found = read(b'{"a":1}\n' + line + b'\n{"a":2}\n', "a.jsonl", ["a"])
    assert found.rows() == [("1",), ("2",)]
    assert found.refused() == [(2, slug, line + b"\n")]
    assert found.reason().isprintable()
    assert len(found.reason()) < 200


def test_nesting_is_judged_the_same_however_deep_the_caller_stands(read: Reader) -> None:
    lines = b"".join(
        b'{"a":' + b"[" * depth + b"]" * depth + b"}\n" for depth in (10, 98, 99, 100, 101, 300, 450, 480, 900)
    )

    def verdicts(frames: int) -> tuple[list[int], list[list[str]]]:
        if frames:
            return verdicts(frames - 1)
        found = read(lines, "a.jsonl", ["a"])
        return [number for number, _, _ in found.refused()], found.rejects.get_column("_reasons").to_list()

    shallow, deep = verdicts(0), verdicts(sys.getrecursionlimit() // 3)
    assert shallow == deep
    assert shallow[0] == [4, 5, 6, 7, 8, 9]


def test_a_pair_of_surrogates_and_an_escaped_backslash_are_no_lone_surrogate(read: Reader) -> None:
    assert cell(read, r'"\ud83d\ude00"') == "\U0001f600"
    assert cell(read, r'"\\ud800"') == r"\ud800"


def test_white_space_and_crlf_around_an_object_are_fine(read: Reader) -> None:
    found = read(b' {"a":1}\t\r\n\t{"a":2}', "a.ndjson", ["a"])
    assert found.rows() == [("1",), ("2",)]
    assert found.records.get_column("_length").to_list() == [11, 8]


def test_a_mark_belongs_to_no_record(read: Reader) -> None:
    found = read(b'\xef\xbb\xbf{"a":1}\n', "a.jsonl", ["a"])
    assert (found.rows(), found.report.header_size, found.report.text_size) == ([("1",)], 3, 11)


@pytest.mark.parametrize(("data", "header"), [(b"", 0), (b"\xef\xbb\xbf", 3)])
def test_an_empty_file_is_a_note(read: Reader, data: bytes, header: int) -> None:
    report = read(data, "a.jsonl", ["a"]).report
    assert (report.records, report.header_size, report.notes) == (0, header, ("empty file",))


def test_a_line_too_long_is_rejected_in_parts(read: Reader) -> None:
    data = b'{"a":1}\n{"a":"' + b"x" * 100 + b'"}\n{"a":2}\n'
    found = read(data, "a.jsonl", ["a"], max_record_bytes=50)
    assert found.rows() == [("1",), ("2",)]
    assert [slug for _, slug, _ in found.refused()] == ["record_too_long"] * 3
    assert b"".join(raw for _, _, raw in found.refused()) == data[8:-8]


def test_lines_are_split_at_line_feeds_only(read: Reader) -> None:
    assert read('{"a":"x\u2028y\u0085z"}\n'.encode(), "a.jsonl", ["a"]).rows() == [("x\u2028y\u0085z",)]
