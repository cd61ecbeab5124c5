import codecs

import pytest

from schemas.errors import HeaderError
from schemas.policies import DeclaredEncoding
from tasks.ingest.guesses import Guess, guesses_of


def guess(sample: bytes, *, whole: bool = True, declared: DeclaredEncoding | None = None) -> Guess:
    (only,) = guesses_of(sample, whole=whole, declared=declared, path="dumps/a.csv")
    return only


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")],
)
def test_a_mark_decides_and_is_told_where_it_is_not_plain(mark: bytes, encoding: str) -> None:
    found = guess(mark + b"\xff\xfe")
    assert (found.encoding, found.mark, bool(found.why)) == (encoding, mark, encoding != "utf-8")


@pytest.mark.parametrize("declared", ["utf-16", "utf-16-le"])
def test_a_mark_may_be_declared(declared: DeclaredEncoding) -> None:
    assert guess(codecs.BOM_UTF16_LE + b"a\0", declared=declared) == Guess("utf-16-le", codecs.BOM_UTF16_LE)


@pytest.mark.parametrize(
    ("mark", "declared", "told"),
    [
        (codecs.BOM_UTF16_LE, "utf-8", "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-le", "utf-16-be"),
        (codecs.BOM_UTF8, "windows-1252", "utf-8"),
        (codecs.BOM_UTF32_LE, None, "UTF-32"),
        (codecs.BOM_UTF32_BE, "utf-16", "UTF-32"),
    ],
)
def test_a_mark_that_contradicts_stops(mark: bytes, declared: DeclaredEncoding | None, told: str) -> None:
    with pytest.raises(HeaderError, match=rf"mark tells {told}.*expected|dumps/a\.csv"):
        guess(mark + b"a\0\0\0", declared=declared)


def test_without_a_mark_what_is_declared_holds() -> None:
    assert guess(b"\xff\x81", declared="latin-1") == Guess("latin-1")
    assert [each.encoding for each in guesses_of(b"a", whole=True, declared="utf-16", path="")] == [
        "utf-16-le",
        "utf-16-be",
    ]


@pytest.mark.parametrize(
    ("sample", "whole"), [(b"", True), (b"plain", True), ("é…😀".encode(), True), ("é…😀".encode()[:-1], False)]
)
def test_valid_utf8_is_plain(sample: bytes, whole: bool) -> None:
    assert guess(sample, whole=whole) == Guess("utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "id;Müller;Köln;Süd;Élan\n",
        "café, naïve, Ærøskøbing, 5 £, “quoted” – it’s €5\r\n",
        "CAFÉ” " + "ä " * 30 + "\n",
        "ß ß ß ß\x1a",
    ],
)
def test_western_text_is_windows_1252(text: str) -> None:
    found = guess(text.encode("windows-1252"))
    assert found.encoding == "windows-1252"
    assert "are not UTF-8" in found.why


def test_a_few_damaged_bytes_are_no_language() -> None:
    found = guess(b"id;name\n1;M\xfcller\n")
    assert (found.encoding, found.why) == ("utf-8", "")
    assert "declare Source(encoding=...)" in found.doubt


@pytest.mark.parametrize(
    "sample",
    [
        pytest.param("é ".encode() * 3 + b"a \xff", id="UTF-8 with damage"),
        pytest.param("Привет, мир".encode("cp1251"), id="Cyrillic"),
        pytest.param("Привет".encode("koi8-r"), id="KOI8-R"),
        pytest.param("你好,世界".encode("gbk"), id="Chinese"),
        pytest.param(b"a \x8f b", id="undefined in windows-1252"),
        pytest.param(b"\x1f\x8b\x08 \xe9", id="control characters"),
        pytest.param(bytes(range(1, 256)), id="everything"),
    ],
)
def test_other_bytes_are_utf8_in_doubt(sample: bytes) -> None:
    found = guess(sample)
    assert (found.encoding, found.why) == ("utf-8", "")
    assert "not UTF-8" in found.doubt
    assert "declare Source(encoding=...)" in found.doubt


def test_a_zero_may_be_half_a_letter() -> None:
    found = guesses_of(b"\0a\0,", whole=True, declared=None, path="")
    assert [each.encoding for each in found] == ["utf-8", "utf-16-le", "utf-16-be"]
