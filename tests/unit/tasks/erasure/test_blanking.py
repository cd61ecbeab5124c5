"""Blanking: erased stretches become spaces, their line ends and everything else stay, in pieces of any size."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import RawFile
from tasks.erasure.blanking import Blanked, can_blank

TEXTS = st.lists(st.text(st.characters(exclude_characters="\r\n", max_codepoint=0x3FF), max_size=6), max_size=8)


SHA256 = "0123456789abcdef" * 4


@given(texts=TEXTS, end=st.sampled_from(["\n", "\r\n", "\r"]), size=st.integers(1, 9), data=st.data())
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_only_the_erased_records_change(
    encoding: str, texts: list[str], end: str, size: int, data: st.DataObject
) -> None:
    gone = data.draw(st.sets(st.sampled_from(range(len(texts))))) if texts else set()
    spans, expected, stored = [], b"", b""
    for number, text in enumerate(texts):
        record, line_end = text.encode(encoding), end.encode(encoding)
        if number in gone:
            spans.append((len(stored), len(record + line_end)))
            record_left = (SHA256.encode(encoding) * len(record))[: len(record)]
        else:
            record_left = record
        expected += record_left + line_end
        stored += record + line_end
    stream = Blanked(io.BytesIO(stored), spans, encoding, SHA256)
    assert b"".join(iter(lambda: stream.read(size), b"")) == expected


def test_a_record_without_line_end_and_one_over_several_lines() -> None:
    assert Blanked(io.BytesIO(b'1,"a\nb"\n2,x'), [(0, 8), (8, 3)], "utf-8", "abcd").read(99) == b"abcdabc\nabc"


@pytest.mark.parametrize(
    ("text_format", "compression", "can"), [("csv", "none", True), ("csv", "gzip", False), ("parquet", "none", False)]
)
def test_only_plain_text_can_be_blanked(text_format: str, compression: str, can: bool) -> None:
    assert can_blank(RawFile("a", 1, "", text_format, compression, 1, 0, 1)) is can
