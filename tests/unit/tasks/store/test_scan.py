"""Scanning: rows and footers of objects, whatever their names hold."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from schemas.errors import StoreError
from tasks.store.local import LocalStore
from tasks.store.scan import row_count, scan

KEYS = ["trips/clean/day=1 [a]/x.parquet", "trips/clean/day=2%2F*/x.parquet"]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "a [store] *")
    for number, key in enumerate(KEYS):
        store.write_file(key, pl.DataFrame({"a": [number, number + 10]}).write_parquet)
    return store


def test_files_are_scanned_one_after_another(store: LocalStore) -> None:
    assert_frame_equal(scan(store, KEYS).collect(), pl.DataFrame({"a": [0, 10, 1, 11]}))
    assert_frame_equal(scan(store, KEYS[:1]).collect(), pl.DataFrame({"a": [0, 10]}))


def test_rows_are_counted_by_the_footer(store: LocalStore) -> None:
    assert row_count(store, KEYS[0]) == 2


@pytest.mark.parametrize("data", [b"", b"PAR1", b"no Parquet at all" * 10])
def test_a_file_that_is_no_parquet_is_told(store: LocalStore, data: bytes) -> None:
    Path(store.path(KEYS[0])).write_bytes(data)
    with pytest.raises(StoreError, match="can't read 'trips/clean/day=1"):
        row_count(store, KEYS[0])


def test_a_missing_file_is_told(store: LocalStore) -> None:
    with pytest.raises(StoreError, match="is not there"):
        row_count(store, "trips/clean/b/x.parquet")
