import csv

import pytest

from tasks.ingest.fields import content_of, fields_of


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
