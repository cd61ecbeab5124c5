import csv

import numpy as np
import pytest

from tasks.ingest.fields import content_of, fields_of, same_content


@pytest.mark.parametrize(
    ("record", "content"),
    [(b"a\n", b"a"), (b"a\r\n", b"a"), (b"a\r", b"a\r"), (b"a\r\r\n", b"a\r"), (b"a", b"a"), (b"\n", b""), (b"", b"")],
)
def test_one_line_end_is_taken_off(record: bytes, content: bytes) -> None:
    assert content_of(record) == content


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ("", [""]),
        (",", ["", ""]),
        ('"",""', ["", ""]),
        ('"a,b",c', ["a,b", "c"]),
        ('"a\n""b""\r\n",c', ['a\n"b"\r\n', "c"]),
        ('""""', ['"']),
        (" a , b ", [" a ", " b "]),
        ("a\rb,c\r", ["a\rb", "c\r"]),
    ],
)
def test_fields_are_kept_to_the_character(content: str, fields: list[str]) -> None:
    assert fields_of(content, ",", '"') == fields


@pytest.mark.parametrize("content", ['a"', 'a"b"', '"a"b', '"a" ,b', 'a, "b"', '"a', '"', '"a"""b', '"a"\r,b'])
def test_a_misplaced_quote_is_an_error(content: str) -> None:
    with pytest.raises(ValueError, match="misplaced quote"):
        fields_of(content, ",", '"')


def test_quotes_mean_nothing_without_a_quote() -> None:
    assert fields_of('"a,b"', ",", None) == ['"a', 'b"']


@pytest.mark.parametrize("delimiter", list("^]\\-|;\t'"))
def test_any_character_can_delimit(delimiter: str) -> None:
    assert fields_of(f'a{delimiter}"b{delimiter}"', delimiter, '"') == ["a", f"b{delimiter}"]


def test_a_strict_csv_reader_agrees() -> None:
    content = 'a,"b ""c"" d",,"", e '
    assert fields_of(content, ",", '"') == next(csv.reader([content], strict=True))


@pytest.mark.parametrize("times", [1, 100])
def test_records_of_the_same_content_are_found(times: int) -> None:
    records = [b"a,b\n", b"a,b\r\n", b"a,b,\n", b"a,c\n", b" a,b\n", b"a,b\n", b"a,\n", b"\n", b"a,b\r\r\n", b"xa,b\n"]
    records = [*records * times, b"a,b"]
    bounds = np.cumsum([0, *map(len, records)])
    same = same_content(b"".join(records), bounds, b"a,b")
    assert same.tolist() == [content_of(record) == b"a,b" for record in records]
    assert not same_content(b"".join(records), bounds, b"a,b,c").any()


def test_no_record_has_the_same_content() -> None:
    assert same_content(b"", np.array([0]), b"a").tolist() == []
