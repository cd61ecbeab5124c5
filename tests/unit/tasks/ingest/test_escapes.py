import itertools

import numpy as np
import polars as pl
import pytest

from tasks.ingest.escapes import Escape

BACKSLASH = Escape(ord("\\"), ord(","), ord('"'))


def back(escape: Escape, text: bytes) -> bytes:
    """Coded, and then restored as one cell."""
    coded, _ = escape.coded(text, np.array([0, len(text)]))
    return escape.restored_text(coded.decode()).encode()


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (rb"a,b", b"a,b"),
        (rb"\,\"", b"\x80" * 4),
        (rb"\\,", b"\x80\x80,"),
        (rb"\\\,", b"\x80" * 4),
        (rb"\N,", b"\x80\x80,"),
        (b"\\\n\n", b"\x80\x80\n"),
        (b"\\\r\n\r\n", b"\x80\x80\x80\r\n"),
        (b"\\\r\\\n", b"\x80" * 4),
        (b"a\\", b"a\x80"),
        (b"\\\r", b"\x80\x80"),
    ],
)
def test_what_is_escaped_is_hidden(text: bytes, hidden: bytes) -> None:
    assert BACKSLASH.hidden(text, final=True) == hidden


@pytest.mark.parametrize(
    ("text", "settled"), [(b"a\\", 1), (b"a\\\\", 3), (b"a\\\\\\", 3), (b"a\\\r", 1), (b"a\\\r,", 4), (b"\\", 0)]
)
def test_an_escape_whose_character_has_not_come_is_left_out(text: bytes, settled: int) -> None:
    assert len(BACKSLASH.hidden(text, final=False)) == settled


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (rb"\,", b","),
        (rb"\"", b'"'),
        (rb"\\", b"\\"),
        (rb"\\N", rb"\N"),
        (rb"\\\\", rb"\\"),
        (b"\\\n", b"\n"),
        (b"\\\r", b"\r"),
        (b"\\\r\n", b"\r\n"),
        (rb"\N", rb"\N"),
        (rb"\t\0", rb"\t\0"),
        ("\\é".encode(), "\\é".encode()),
        (b"\\\x01\\\x02\\\x03\\\x07", b"\\\x01\\\x02\\\x03\\\x07"),
        (b"\x01\x02\\", b"\x01\x02\\"),
    ],
)
def test_only_what_has_a_meaning_to_lose_loses_its_escape(text: bytes, meant: bytes) -> None:
    assert back(BACKSLASH, text) == meant


@pytest.mark.parametrize("delimiter", list(range(1, 8)))
def test_a_control_character_can_delimit(delimiter: int) -> None:
    escape = Escape(ord("\\"), delimiter, None)
    text = bytes([*b"a\\", delimiter, *b'\\"', delimiter, *b"b"])
    coded, _ = escape.coded(text, np.array([0, len(text)]))
    cells = coded.split(bytes([delimiter]))
    assert [escape.restored_text(cell.decode()) for cell in cells] == [f'a{chr(delimiter)}\\"', "b"]


def test_bounds_follow_the_records() -> None:
    records = [b"a\n", b"\\\x03,\\\x04\n", b"\\,\n", b"c\n"]
    bounds = np.cumsum([0, *map(len, records)])
    coded, moved = BACKSLASH.coded(b"".join(records), bounds)
    pieces = [coded[start:stop] for start, stop in itertools.pairwise(moved)]
    assert [BACKSLASH.restored_text(piece.decode()).encode() for piece in pieces] == [
        records[0], records[1], b",\n", records[3],
    ]  # fmt: skip


def test_cells_are_restored_as_texts_are() -> None:
    texts = ["", "plain", "\\N", "é\\,", "\\\\\\\n", "\\\x01\\\x02", "\\\r\n"]
    coded = [BACKSLASH.coded(text.encode(), np.array([0, len(text.encode())]))[0].decode() for text in texts]
    cells = pl.DataFrame({"a": coded, "b": ["untouched"] * len(coded)})
    restored = BACKSLASH.restored(cells)
    assert restored.get_column("a").to_list() == [BACKSLASH.restored_text(cell) for cell in coded]
    assert restored.get_column("a").to_list() == ["", "plain", "\\N", "é,", "\\\n", "\\\x01\\\x02", "\r\n"]
    assert restored.get_column("b").to_list() == ["untouched"] * len(coded)
    assert BACKSLASH.restored(cells.clear()).height == 0
