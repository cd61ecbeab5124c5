import numpy as np
import polars as pl
import pytest

from tasks.ingest.blocks import RecordFlag, raw_column, record_schema


def test_raw_column_slices_what_lies_between_bounds() -> None:
    column = raw_column(b"ab\xff\ncd", np.array([0, 1, 1, 6]))
    assert column.dtype == pl.Binary
    assert column.to_list() == [b"a", b"", b"b\xff\ncd"]


def test_raw_column_of_nothing_is_empty() -> None:
    assert raw_column(b"", np.array([0])).to_list() == []


@pytest.mark.parametrize(
    ("flag", "bit"), [(RecordFlag.DUPLICATE_KEY, 1), (RecordFlag.EXTRA_COLUMN, 2), (RecordFlag.MISSING_COLUMN, 4)]
)
def test_the_bits_of_flags_never_move(flag: RecordFlag, bit: int) -> None:
    assert flag == bit  # stored in Parquet


def test_declared_columns_stand_behind_the_place() -> None:
    assert list(record_schema(["b", "a"])) == ["_record", "_line", "_offset", "_length", "_raw", "_flags", "b", "a"]
