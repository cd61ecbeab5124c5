import gzip
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import HeaderError
from schemas.policies import Drift, Limits
from tasks.ingest import columnar
from tasks.ingest.blocks import RecordFlag

Reader = Callable[..., Any]


def parquet(columns: dict[str, Any], **options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


SMALL = parquet({"id": [1, 2, None], "t": ["a", "", None]})


def test_rows_are_records_without_bytes(read: Reader) -> None:
    found = read(SMALL, "a.parquet", ["t", "id"])
    assert found.rows() == [("a", "1"), ("", "2"), (None, None)]
    places = found.records.select("_record", "_line", "_offset", "_length", "_raw", "_flags").rows()
    assert places == [(number, None, None, None, None, 0) for number in (1, 2, 3)]
    report = found.report
    assert (report.format, report.text_size, report.header_size, report.records) == ("parquet", None, None, 3)
    assert (report.size, report.sha256, report.notes) == (len(SMALL), hashlib.sha256(SMALL).hexdigest(), ())


def test_row_groups_and_batches_are_one_sequence(read: Reader) -> None:
    data = parquet({"n": list(range(1_000))}, row_group_size=300)
    found = read(data, "a.parquet", ["n"], block_size=800)
    assert [row[0] for row in found.rows()] == [str(n) for n in range(1_000)]
    assert found.records.get_column("_record").to_list() == list(range(1, 1_001))
    assert found.blocks > 4


@pytest.mark.parametrize("compress", [gzip.compress, lambda data: data], ids=["gzip", "pipe"])
def test_a_stream_that_can_only_be_read_forwards_is_copied(read: Reader, compress: Callable[[bytes], bytes]) -> None:
    reading, writing = os.pipe()
    os.write(writing, compress(SMALL))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        found = read(pipe, "a.parquet", ["id"], drift=Drift(extra="ignore"))
    assert found.rows() == [("1",), ("2",), (None,)]
    assert found.report.sha256 == hashlib.sha256(compress(SMALL)).hexdigest()


def test_columns_are_held_against_the_declared_ones(read: Reader) -> None:
    with pytest.raises(HeaderError, match="undeclared columns 't'"):
        read(SMALL, "a.parquet", ["id"])
    with pytest.raises(HeaderError, match="no column 'x'"):
        read(SMALL, "a.parquet", ["id", "t", "x"])
    (finding,) = read(SMALL, "a.parquet", ["t"], drift=Drift(extra="ignore")).report.drift
    assert (finding.kind, finding.column, finding.policy) == ("extra", "id", "ignore")


def test_columns_may_be_missing_or_called_otherwise(read: Reader) -> None:
    drift = Drift(missing="quarantine", renamed={"t": "text"})
    found = read(SMALL, "a.parquet", ["other", "text", "id"], drift=drift)
    assert found.rows() == [(None, "a", "1"), (None, "", "2"), (None, None, None)]
    assert found.records.get_column("_flags").to_list() == [RecordFlag.MISSING_COLUMN] * 3
    assert {finding.kind for finding in found.report.drift} == {"missing", "renamed", "reordered"}


def test_a_row_without_text_is_kept_under_the_names_of_the_file(read: Reader) -> None:
    drift = Drift(missing="null", extra="ignore", renamed={"t": "text"})
    found = read(with_bad_string(3, 1), "a.parquet", ["text", "other"], drift=drift)
    ((number, _, raw),) = found.refused()
    assert (number, json.loads(raw)) == (2, {"t": "base64:/w=="})
    assert found.rows() == [("ok", None), ("ok", None)]


def test_a_dot_in_a_name_is_no_path(read: Reader) -> None:
    data = parquet({"a.b": ["flat"], "a": [{"b": "nested", "c": 1}]})
    assert read(data, "a.parquet", ["a.b", "a"]).rows() == [("flat", '{"b":"nested","c":1}')]
    assert read(data, "a.parquet", ["a.b"], drift=Drift(extra="ignore")).rows() == [("flat",)]


@pytest.mark.parametrize("data", [b"", b"PAR1", b"nonsense", SMALL[:-10], b"PAR1" + b"\xff" * 50 + b"\x10\0\0\0PAR1"])
def test_a_file_that_cannot_be_opened_is_one_reject_with_its_bytes(read: Reader, data: bytes) -> None:
    found = read(data, "a.parquet", ["id"])
    assert found.refused() == [(1, "unreadable_parquet", data)]
    assert found.report.records == 1
    assert found.reason().startswith("can't be opened as Parquet")
    assert found.reason().isprintable()


def test_of_a_great_file_the_first_bytes_are_kept_and_that_is_said(read: Reader) -> None:
    found = read(b"x" * 1_000, "a.parquet", ["id"], max_record_bytes=100)
    assert found.refused() == [(1, "unreadable_parquet", b"x" * 100)]
    assert "the first 100 of 1,000 bytes" in found.reason()


def test_a_compressed_file_that_breaks_off_is_one_reject(read: Reader) -> None:
    found = read(gzip.compress(SMALL)[:-20], "a.parquet.gz", ["id", "t"])
    ((number, slug, raw),) = found.refused()
    assert (number, slug) == (1, "unreadable_parquet")
    assert SMALL.startswith(raw)
    assert any("gzip stream ends" in note for note in found.report.notes)


def corrupt_second_group() -> bytes:
    data = parquet(
        {"n": list(range(30))}, row_group_size=10, write_page_checksum=True, compression="none", use_dictionary=False
    )
    metadata = pq.ParquetFile(io.BytesIO(data)).metadata
    place = metadata.row_group(1).column(0).data_page_offset + metadata.row_group(1).column(0).total_compressed_size - 1
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def test_a_corrupt_row_group_costs_its_own_rows_only(read: Reader) -> None:
    found = read(corrupt_second_group(), "a.parquet", ["n"])
    assert [row[0] for row in found.rows()] == [str(n) for n in (*range(10), *range(20, 30))]
    assert found.refused() == [(number, "unreadable_parquet", None) for number in range(11, 21)]
    assert "row group 1 can't be read" in found.rejects.get_column("_reasons")[0][0]
    assert found.report.records == 30


def test_more_lost_rows_than_anyone_can_look_at_are_one_record(read: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columnar, "_MOST_REJECTED", 9)
    found = read(corrupt_second_group(), "a.parquet", ["n"])
    assert [number for number, _, _ in found.refused()] == [11]
    assert "stands for 10 claimed rows" in found.reason()
    assert found.report.records == 21
    assert found.report.notes == ("one rejected record stands for 10 rows that the footer claims",)


def with_bad_string(rows: int, bad: int) -> bytes:
    """Parquet whose string column has one value that is not UTF-8: written as binary, declared as string."""
    values = [b"\xff" if row == bad else b"ok" for row in range(rows)]
    lengths = pa.array([sum(map(len, values[:row])) for row in range(rows + 1)], pa.int32())
    strings = pa.StringArray.from_buffers(rows, lengths.buffers()[1], pa.py_buffer(b"".join(values)))
    return parquet({"n": list(range(rows)), "t": strings}, use_dictionary=False)


def test_a_row_with_a_string_that_is_not_utf8_is_rejected_alone_and_kept_as_json(read: Reader) -> None:
    found = read(with_bad_string(100, 41), "a.parquet", ["n", "t"])
    ((number, slug, raw),) = found.refused()
    assert (number, slug) == (42, "not_utf8")
    assert json.loads(raw) == {"n": 41, "t": "base64:/w=="}
    assert [row[0] for row in found.rows()] == [str(n) for n in range(100) if n != 41]


def test_a_row_longer_than_a_record_may_be_is_rejected_alone(read: Reader) -> None:
    found = read(parquet({"t": ["a", "x" * 5_000, "b"]}), "a.parquet", ["t"], max_record_bytes=1_000, block_size=100)
    assert found.rows() == [("a",), ("b",)]
    assert found.refused() == [(2, "record_too_long", None)]


def test_a_panic_of_polars_costs_the_row_and_not_the_run(read: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = columnar.cell_texts

    def panic_at_two(array: pa.Array) -> pl.Series:
        if "two" in array.to_pylist():
            raise pl.exceptions.PanicException("out of range")
        return texts(array)

    monkeypatch.setattr(columnar, "cell_texts", panic_at_two)
    found = read(parquet({"t": ["one", "two", "three"]}), "a.parquet", ["t"])
    assert found.rows() == [("one",), ("three",)]
    assert found.refused() == [(2, "unreadable_parquet", b'{"t":"two"}')]


def test_an_interrupt_is_no_bad_value(read: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(array: pa.Array) -> pl.Series:
        raise KeyboardInterrupt

    monkeypatch.setattr(columnar, "cell_texts", interrupt)
    with pytest.raises(KeyboardInterrupt):
        read(SMALL, "a.parquet", ["id", "t"])


def test_old_timestamps_are_read_beyond_2262_and_noted(read: Reader) -> None:
    far = pa.array([253_370_764_800_000_000], pa.timestamp("us"))  # the year 9999
    data = parquet({"at": far}, use_deprecated_int96_timestamps=True)
    found = read(data, "a.parquet", ["at"])
    assert found.rows() == [("9999-01-01T00:00:00.000000",)]
    assert found.report.notes == ("INT96 timestamps are read in microseconds",)


def test_a_file_without_rows_is_a_note(read: Reader) -> None:
    found = read(parquet({"id": pa.array([], pa.int64())}), "a.parquet", ["id"])
    assert (found.report.records, found.report.notes, found.blocks) == (0, ("no record",), 0)


# --- limits -----------------------------------------------------------------------------------------------------------


def test_too_many_columns_stop_the_partition(read: Reader) -> None:
    data = parquet({f"c{number}": [1] for number in range(20)})
    with pytest.raises(HeaderError, match=r"20 columns; expected 19 at most.*max_columns"):
        read(data, "a.parquet", ["c0"], limits=Limits(max_columns=19))


def test_a_row_with_a_cell_beyond_its_limit_is_rejected_alone(read: Reader) -> None:
    data = parquet({"id": [1, 2, 3], "t": ["a", "x" * 50, "b"]})
    found = read(data, "a.parquet", ["id", "t"], limits=Limits(max_cell_bytes=49))
    assert found.rows() == [("1", "a"), ("3", "b")]
    assert found.refused() == [(2, "cell_too_long", None)]
    assert found.reason() == "a cell of 50 bytes, 49 at most: raise Source(limits=Limits(max_cell_bytes=...))"


@pytest.fixture
def memory() -> Iterator[pa.MemoryPool]:
    """Counts what Arrow takes."""
    usual = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(pool)
    yield pool
    pa.set_memory_pool(usual)


@pytest.mark.parametrize("stored_as", ["dictionary", "string"])
def test_a_long_value_that_many_rows_share_is_read_in_few_rows_at_once(
    read: Reader, memory: pa.MemoryPool, stored_as: str
) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 3_000, pa.int32()), pa.array(["x" * 1_000_000]))
    data = parquet({"t": texts}, compression="zstd", store_schema=stored_as == "dictionary")
    assert len(data) < 10_000
    rows = read(data, "a.parquet", ["t"], limits=Limits(max_text_bytes=20_000_000))
    assert memory.max_memory() < 100 << 20
    assert 20 <= rows.records.height < 100
    assert rows.report.records == 3_000
    assert "raise Source(limits=Limits(max_text_bytes=...))" in rows.rejects.get_column("_reasons").to_list()[0][0]
