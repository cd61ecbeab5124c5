import bz2
import gzip
import hashlib
import io
import lzma
from collections.abc import Callable
from typing import Any

import pytest
import zstandard

from schemas.errors import DeclarationError, HeaderError
from schemas.policies import Limits, Source
from tasks.ingest.reader import RecordReader

Reader = Callable[..., Any]
CSV = b"id,t\n1,a\nbad\n2,b\n"
JSONL = b'{"id":1,"t":"a"}\nbad\n{"id":2,"t":"b"}\n'


@pytest.mark.parametrize(("path", "data", "header"), [("p/a.csv", CSV, 5), ("p/a.jsonl", JSONL, 0)])
@pytest.mark.parametrize(
    ("suffix", "compress", "compression"),
    [
        ("", bytes, "none"),
        (".gz", gzip.compress, "gzip"),
        (".zst", zstandard.compress, "zstd"),
        (".bz2", bz2.compress, "bzip2"),
        (".xz", lzma.compress, "xz"),
    ],
)
def test_compression_changes_nothing_but_the_report(
    read: Reader, path: str, data: bytes, header: int, suffix: str, compress: Callable[[bytes], bytes], compression: str
) -> None:
    stored = compress(data)
    found = read(stored, path + suffix, ["id", "t"])
    assert found.rows() == [("1", "a"), ("2", "b")]
    assert [number for number, _, _ in found.refused()] == [2]
    report = found.report
    assert (report.path, report.size, report.sha256) == (path + suffix, len(stored), hashlib.sha256(stored).hexdigest())
    assert (report.compression, report.text_size, report.header_size) == (compression, len(data), header)
    assert (report.records, report.notes, report.redelivery_of) == (3, (), None)


@pytest.mark.parametrize(
    ("path", "data", "note"),
    [
        ("a.csv.gz", CSV, "compression is none where the name says gzip"),
        ("a.csv", gzip.compress(CSV, mtime=0), "compression is gzip where the name says none"),
        ("a.csv.gz", zstandard.compress(CSV), "compression is zstd where the name says gzip"),
    ],
)
def test_a_name_that_hides_the_compression_is_a_note(read: Reader, path: str, data: bytes, note: str) -> None:
    found = read(data, path, ["id", "t"])
    assert found.rows() == [("1", "a"), ("2", "b")]
    assert found.report.notes == (note,)


@pytest.mark.parametrize(("path", "data", "header"), [("a.csv.gz", CSV, 5), ("a.jsonl.gz", JSONL, 0)])
def test_a_stream_that_breaks_off_keeps_what_was_read_and_rejects_the_rest(
    read: Reader, path: str, data: bytes, header: int
) -> None:
    stored = gzip.compress(data[:-2])[:-8]  # nothing of the text is missing but its last two bytes
    found = read(stored, path, ["id", "t"])
    assert len(found.rows()) == 1
    number, slug, raw = found.refused()[-1]
    assert (number, slug, raw) == (3, "truncated_stream", data.splitlines()[-1][:-1])
    assert "gzip stream ends" in found.rejects.get_column("_reasons").to_list()[-1][0]
    assert found.report.text_size == len(data) - 2
    assert (found.report.size, found.report.sha256) == (len(stored), hashlib.sha256(stored).hexdigest())
    assert any("gzip stream ends" in note for note in found.report.notes)


def test_a_stream_that_breaks_off_between_records_still_rejects_one(read: Reader) -> None:
    found = read(gzip.compress(CSV)[:-8], "a.csv.gz", ["id", "t"])
    assert found.rows() == [("1", "a"), ("2", "b")]
    assert found.refused()[-1] == (4, "truncated_stream", b"")
    assert found.report.records == 4


def test_a_stream_that_breaks_off_within_the_header_is_one_reject(read: Reader) -> None:
    found = read(gzip.compress(b"id,t")[:-8], "a.csv.gz", ["id", "t"])
    assert found.refused() == [(1, "truncated_stream", b"id,t")]
    assert (found.report.header_size, found.report.text_size) == (0, 4)


def test_a_stream_that_holds_nothing_but_its_first_bytes(read: Reader) -> None:
    for path in ("a.csv.gz", "a.jsonl.gz"):
        found = read(gzip.compress(CSV)[:4], path, ["id", "t"])
        assert found.refused() == [(1, "truncated_stream", b"")]


def test_bytes_that_only_look_compressed_cost_no_other_record(read: Reader) -> None:
    found = read(b"\x1f\x8b\n" + JSONL, "a.jsonl", ["id", "t"])
    assert found.rows() == [("1", "a"), ("2", "b")]
    assert found.refused()[0] == (1, "not_utf8", b"\x1f\x8b\n")
    assert found.report.compression == "none"


def test_a_corrupt_stream_that_the_name_announces_is_one_reject(read: Reader) -> None:
    found = read(b"\x1f\x8b\n" + JSONL, "a.jsonl.gz", ["id", "t"])
    assert found.refused() == [(1, "truncated_stream", b"")]
    assert found.report.compression == "gzip"


def test_a_text_beyond_its_limit_is_one_reject_that_names_the_setting(read: Reader) -> None:
    found = read(gzip.compress(CSV), "a.csv.gz", ["id", "t"], limits=Limits(max_text_bytes=10))
    assert found.rows() == [("1", "a")]
    assert found.refused() == [(2, "truncated_stream", b"b")]
    assert "raise Source(limits=Limits(max_text_bytes=...))" in found.reason()
    assert found.report.text_size == 10


def test_the_longest_record_is_a_setting_of_the_source() -> None:
    source = Source("{partition}", limits=Limits(max_record_bytes=4))
    reader = RecordReader(io.BytesIO(CSV + b"3,long\n"), path="a.csv", source=source, columns=["id", "t"])
    with pytest.raises(HeaderError, match="record_too_long"):
        list(reader)


def test_blocks_are_small_and_never_empty(read: Reader) -> None:
    found = read(b"id,t\n" + b"1,a\n" * 1_000, "a.csv", ["id", "t"], block_size=100)
    assert found.report.records == 1_000
    assert 30 < found.blocks < 60


def test_the_format_is_asked_for_before_anything_is_read() -> None:
    with pytest.raises(DeclarationError):
        RecordReader(io.BytesIO(CSV), path="a.doc", source=Source("{partition}"), columns=["id"])


def test_the_report_comes_at_the_end_and_the_stream_is_read_once() -> None:
    reader = RecordReader(io.BytesIO(CSV), path="a.csv", source=Source("{partition}"), columns=["id", "t"])
    with pytest.raises(RuntimeError, match="all blocks"):
        _ = reader.report
    assert len(list(reader)) == 1
    assert reader.report.records == 3
    with pytest.raises(RuntimeError, match="once"):
        iter(reader)


def test_short_reads_of_the_stream_are_not_its_end() -> None:
    class Dribbling(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(3, size if size and size > 0 else 3))

    reader = RecordReader(Dribbling(CSV), path="a.csv", source=Source("{partition}"), columns=["id", "t"])
    assert sum(block.records.height for block in reader) == 2
    assert reader.report.size == len(CSV)
