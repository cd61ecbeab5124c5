import gzip
import io

import numpy as np
import pytest

from tasks.ingest.regions import Region, regions
from tasks.ingest.rejects import RejectRule
from tasks.ingest.splitter import Splitter
from tasks.ingest.streams import TextStream

SPLITTER = Splitter(ord(","), ord('"'), 1_000)


def cut(stored: bytes, block_size: int = 4, splitter: Splitter = SPLITTER) -> list[Region]:
    return list(regions(TextStream(io.BytesIO(stored), "a"), splitter, block_size=block_size))


def everything(region: Region) -> np.ndarray:
    return np.ones(region.records, np.bool_)


def test_regions_follow_each_other_without_a_gap() -> None:
    data = b'a,b\n\n"c\nd",e\nf\r\nlong line here,with much\ng'
    found = cut(data)
    assert len(found) > 2
    assert b"".join(region.data for region in found) == data
    rows = [row for region in found for row in region.places(everything(region)).rows()]
    assert [row[4] for row in rows] == [b"a,b\n", b"\n", b'"c\nd",e\n', b"f\r\n", b"long line here,with much\n", b"g"]
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row[1] for row in rows] == [1, 2, 3, 5, 6, 7]
    assert [row[2] for row in rows] == [0, 4, 5, 13, 16, 41]
    assert [row[3] for row in rows] == [4, 1, 8, 3, 25, 1]


def test_an_empty_text_has_no_region() -> None:
    assert cut(b"") == []


@pytest.mark.parametrize("block_size", [1, 3, 1_000])
def test_a_broken_stream_ends_in_one_more_record(block_size: int) -> None:
    stored = gzip.compress(b'1,2\n3,"4\n5')[:-8]
    rows = [row for region in cut(stored, block_size) for row in region.places(everything(region)).rows()]
    assert rows == [(1, 1, 0, 4, b"1,2\n"), (2, 2, 4, 6, b'3,"4\n5')]
    last = cut(stored, block_size)[-1]
    assert last.cut.verdicts.tolist() == [RejectRule.TRUNCATED_STREAM.code]


def test_the_record_of_a_broken_stream_may_be_empty() -> None:
    last = cut(gzip.compress(b"1,2\n")[:-8])[-1]
    assert last.places(everything(last)).rows() == [(2, 2, 4, 0, b"")]


def test_chosen_records_bring_their_own_bytes_only() -> None:
    (region,) = cut(b"a\nbb\nccc\n", block_size=100)
    data, bounds = region.chosen(np.array([True, False, True]))
    assert (data, bounds.tolist()) == (b"a\nccc\n", [0, 2, 6])
    assert region.places(np.array([False, True, False])).rows() == [(2, 2, 2, 3, b"bb\n")]


def test_without_its_first_record_a_region_keeps_the_places_of_the_others() -> None:
    (region,) = cut(b'"h\n"\nb\nc\n', block_size=100)
    rest = region.behind_first()
    assert rest.places(everything(rest)).rows() == [(2, 3, 5, 2, b"b\n"), (3, 4, 7, 2, b"c\n")]


def test_undecodable_records_are_found_one_by_one() -> None:
    good, bad = (
        "é€\U0001f600\n".encode(),
        [b"\xff\n", b"\xc3\n", b"\xed\xa0\x80\n", b"\xc0\x80\n", b"\xf5\x80\x80\x80\n"],
    )
    data = b"".join(good + each for each in bad) + b"ascii\n"
    (region,) = cut(data, block_size=10_000)
    assert region.undecodable().tolist() == [False, True] * 5 + [False]


def test_undecodable_records_are_found_far_apart() -> None:
    lines = [b"\xc3\xa9" * 2_000 + b"\n"] * 200
    lines[137] = b"\xa9" * 4_000 + b"\n"
    (region,) = cut(b"".join(lines), 10**7, Splitter(None, None, 10_000))
    assert np.flatnonzero(region.undecodable()).tolist() == [137]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("block_size", [64, 4_096])
def test_a_record_that_spans_many_blocks_is_not_read_again_and_again(block_size: int) -> None:
    data = b'"' + b"x\n" * 1_000_000 + b'"\n'
    found = cut(data, block_size, Splitter(ord(","), ord('"'), 1 << 24))
    assert [region.records for region in found] == [1]
