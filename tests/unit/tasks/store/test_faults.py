"""Faults: errors of the disk become words, whichever library met them; all others stay what they are."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import EXIT_ENVIRONMENT, BooksError, StoreError
from tasks.store.faults import legible, translated


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "read-only"),
        (errno.ENOTDIR, "a file lies where a folder is needed"),
        (errno.EIO, "the disk failed"),
        (errno.EMFILE, "too many files are open"),
        (errno.ECONNRESET, os.strerror(errno.ECONNRESET)),
    ],
)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(lambda number: OSError(number, os.strerror(number)), id="python"),
        pytest.param(lambda number: OSError(f"{os.strerror(number)} (os error {number})"), id="polars-os"),
        pytest.param(
            lambda number: pl.exceptions.ComputeError(f"parquet: underlying IO error: x (os error {number})"),
            id="polars-compute",
        ),
        pytest.param(
            lambda number: pa.lib.ArrowInvalid(f"Error writing bytes. Detail: [errno {number}] x"), id="pyarrow"
        ),
    ],
)
def test_each_library_tells_the_same_fault(kind: object, number: int, words: str) -> None:
    with pytest.raises(StoreError, match=words) as caught, translated("write", "t/clean/x"):
        raise kind(number)  # type: ignore[operator]
    assert caught.value.exit_code == EXIT_ENVIRONMENT
    assert caught.value.fix
    assert "can't write 't/clean/x'" in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        BooksError("a defect"),
        ValueError("(os error 28) in a text that no engine wrote"),
        pl.exceptions.SchemaError("not the disk's fault"),
        KeyboardInterrupt(),
    ],
)
def test_other_errors_pass(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, translated("write", "x"):
        raise error
    assert caught.value is error


def test_an_error_without_a_number_is_still_told() -> None:
    with pytest.raises(StoreError, match="something odd"), translated("write", "x"):
        raise OSError("something odd")


def test_what_polars_really_raises_for_an_absent_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="it is not there"), translated("read", "x"):
        pl.scan_parquet(tmp_path / "nothing.parquet").collect()


def test_what_pyarrow_really_raises_for_an_absent_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="it is not there"), translated("write", "x"):
        pq.write_table(pa.table({"a": [1]}), tmp_path / "nowhere" / "x.parquet")


@pytest.mark.parametrize("data", [b"", b"PAR1", b"not a parquet file at all", b"PAR1" + b"\xff" * 100 + b"PAR1"])
def test_a_file_that_is_no_parquet_can_not_be_read(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.parquet").write_bytes(data)
    with pytest.raises(StoreError, match="can't read"), legible("x.parquet"):
        pl.scan_parquet(tmp_path / "x.parquet").collect()


def test_a_panic_of_polars_is_an_illegible_file() -> None:
    with pytest.raises(StoreError, match="PanicException"), legible("x.parquet"):
        raise pl.exceptions.PanicException("index out of bounds")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BooksError("a defect"), ZeroDivisionError()])
def test_legible_lets_what_is_not_of_the_file_pass(error: BaseException) -> None:
    with pytest.raises(type(error)), legible("x"):
        raise error
