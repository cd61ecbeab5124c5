import itertools

import numpy as np
import pytest

from schemas.records import Encoding, LineEnd
from tasks.ingest.encodings import Spelling

UTF16: list[Encoding] = ["utf-16-le", "utf-16-be"]
SINGLE: list[Encoding] = ["windows-1252", "latin-1"]


def bounds_of(records: list[bytes]) -> np.ndarray:
    return np.cumsum([0, *map(len, records)])


@pytest.mark.parametrize("encoding", ["utf-8", *SINGLE])
def test_bytes_are_their_own_shadow(encoding: Encoding) -> None:
    data = b'"a",\xe9\r\nb\r'
    assert Spelling(encoding).shadow(data, final=True) is data


@pytest.mark.parametrize("encoding", UTF16)
def test_a_unit_of_utf16_has_one_byte_of_shadow(encoding: Encoding) -> None:
    # U+0A0D and U+2C22 hold the bytes of a line end, a delimiter and a quote; the last one is a pair of surrogates.
    data = 'a,"\u0a0d\u2c22\u00e9\n\U0001f600'.encode(encoding)
    assert Spelling(encoding).shadow(data, final=True) == b'a,"\x80\x80\x80\n\x80\x80'
    assert Spelling(encoding).width == 2


@pytest.mark.parametrize(("final", "shadow"), [(True, b"a\x80"), (False, b"a")])
def test_half_a_unit_waits_for_the_other_half(final: bool, shadow: bytes) -> None:
    assert Spelling("utf-16-le").shadow(b"a\0b", final=final) == shadow


@pytest.mark.parametrize(
    ("line_end", "data", "final", "shadow"),
    [
        ("lf", b"a\rb\r\nc\r", False, b"a\rb\r\nc\r"),
        ("cr", b"a\rb\nc\r", False, b"a\nb\x80c\n"),
        ("any", b"a\rb\r\nc\n\r", True, b"a\nb\r\nc\n\n"),
        ("any", b"a\r\r\nb\r", False, b"a\n\r\nb"),
        ("any", b"\r", False, b""),
    ],
)
def test_a_line_feed_stands_for_each_line_end(line_end: LineEnd, data: bytes, final: bool, shadow: bytes) -> None:
    assert Spelling("utf-8", line_end).shadow(data, final=final) == shadow


@pytest.mark.parametrize("encoding", [*UTF16, *SINGLE, "utf-8"])
@pytest.mark.parametrize("line_end", ["lf", "cr", "any"])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_shadows_of_pieces_are_the_shadow_of_all(encoding: Encoding, line_end: LineEnd, size: int) -> None:
    spelling = Spelling.of(encoding, line_end, delimiter=",", quote='"', escape="\\")
    data = 'a\r\n\r"é",\\\r\n\\\\\\\n\r\r\n\\\\,\r'.encode(encoding)
    pieces, rest = [], b""
    for start in range(0, len(data), size):
        piece = rest + data[start : start + size]
        pieces.append(spelling.shadow(piece, final=start + size >= len(data)))
        rest = piece[len(pieces[-1]) * spelling.width :]
    assert b"".join(pieces) == spelling.shadow(data, final=True)
    assert rest == b""


@pytest.mark.parametrize("encoding", [*UTF16, *SINGLE])
def test_plain_records_are_utf8_between_new_bounds(encoding: Encoding) -> None:
    texts = ["a,b\n", "é,ÿ\r\n", "x\n", "\n", "£"]
    texts += ["€\n", "ŠŸ\n"] if encoding != "latin-1" else []
    texts += ["\u0800\uffff\U0001f600\ud7ff\ue000\n", "\U0010ffff"] if encoding in UTF16 else []
    records = [text.encode(encoding) for text in texts]
    data, bounds = Spelling(encoding).plain(b"".join(records), bounds_of(records))
    assert [data[start:stop].decode() for start, stop in itertools.pairwise(bounds)] == texts


def test_carriage_returns_that_end_records_become_line_feeds() -> None:
    records = [b'"a\rb"\r', b"c\r\n", b"d\n", b"e\r"]
    data, bounds = Spelling("utf-8", "any").plain(b"".join(records), bounds_of(records))
    assert data == b'"a\rb"\nc\r\nd\ne\n'
    assert bounds.tolist() == [0, 6, 9, 11, 13]


def test_no_record_is_no_text() -> None:
    for encoding in (*UTF16, *SINGLE):
        assert Spelling(encoding, "cr").plain(b"", np.array([0]))[0] == b""


@pytest.mark.parametrize(
    ("encoding", "records"),
    [
        ("utf-8", [b"a\n", b"!\xff\n", b"\xc3\xa9\n", b"!\xc3\n"]),
        ("windows-1252", [b"\x80\xff\n", b"!\x81\n", b"!\x8d\x8f\x90\x9d", b"\xe9"]),
        ("latin-1", [b"\x80\xff\n", b"\x81\n"]),
        ("utf-16-le", [b"a\0\n\0", b"!\0\x00\xd8\n\0", b"\x3d\xd8\x00\xde\n\0", b"!\0\x00\xde\x3d\xd8\n\0", b"!\0a"]),
        (
            "utf-16-le",
            [b"\x3d\xd8\x00\xde\n\0", b"!\0\x3d\xd8\x3d\xd8\x00\xde\n\0", b"!\0\x3d\xd8\x00\xde\x00\xde\n\0"],
        ),
        ("utf-16-be", [b"\0a\0\n", b"\0!\xd8\x00\0\n", b"\xd8\x3d\xde\x00\0\n"]),
    ],
)
def test_each_record_is_undecodable_on_its_own(encoding: Encoding, records: list[bytes]) -> None:
    found = Spelling(encoding).undecodable(b"".join(records), bounds_of(records))
    assert found.tolist() == [b"!" in record for record in records]


def test_empty_records_take_no_blame() -> None:
    found = Spelling("windows-1252").undecodable(b"\x81", np.array([0, 1, 1]))
    assert found.tolist() == [True, False]
