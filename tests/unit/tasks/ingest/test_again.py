"""Records read again: the bytes that stand at their places, wherever and how far apart these are."""

from __future__ import annotations

import io

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import Source
from schemas.errors import BooksError, DumpChangedError
from tasks.ingest.again import with_cells, with_raw

SCHEMA = {"_offset": pl.UInt64, "_length": pl.UInt32}


class CountedBytes(io.BytesIO):
    """Bytes that count how many were read."""

    counted = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.counted += len(data)
        return data


def places(*spans: tuple[int, int]) -> pl.DataFrame:
    return pl.DataFrame(spans, schema=SCHEMA, orient="row")


@given(st.lists(st.tuples(st.sampled_from([0, 1, 5, 4_096, 4_097, 20_000]), st.integers(0, 50)), min_size=1))
def test_each_record_gets_its_own_bytes(steps: list[tuple[int, int]]) -> None:
    spans, at = [], 0
    for gap, length in steps:
        spans.append((at + gap, length))
        at += gap + length
    text = b"".join(index.to_bytes(4, "big") for index in range(at // 4 + 1))
    found = with_raw(places(*spans), io.BytesIO(text), path="a.csv")
    assert found["_raw"].to_list() == [text[offset : offset + length] for offset, length in spans]
    assert found.select("_offset", "_length").equals(places(*spans))


def test_what_lies_between_distant_records_is_not_read() -> None:
    text = CountedBytes(bytes(1_000_000))
    with_raw(places((0, 10), (10, 10), (900_000, 10)), text, path="a.csv")
    assert text.counted == 30


def test_a_text_that_ends_too_early_is_no_record() -> None:
    with pytest.raises(DumpChangedError, match=r"'a\.csv': it is shorter than it was"):
        with_raw(places((0, 4), (4, 4)), io.BytesIO(b"a,b\nc"), path="a.csv")


def test_cells_come_from_the_bytes() -> None:
    records = places((5, 6), (15, 4)).with_columns(_raw=pl.Series([b'"x\n",1', b"z,3\n"]))
    found = with_cells(
        records.with_columns(_raw=pl.Series([b'"x\n",1\n', b"z,3\n"])),
        path="a.csv",
        header=b"a,b\n",
        source=Source("{partition}.csv"),
        columns=["a", "b"],
    )
    assert found.select("a", "b").rows() == [("x\n", "1"), ("z", "3")]


def test_bytes_that_are_no_records_any_more_are_a_defect() -> None:
    records = places((0, 1)).with_columns(_raw=pl.Series([b"x\ny\n"]))
    with pytest.raises(BooksError, match=r"'a\.csv': 2 records when parsed again; expected 1"):
        with_cells(records, path="a.csv", header=b"a\n", source=Source("{partition}.csv"), columns=["a"])
