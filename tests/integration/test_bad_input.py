"""Bad input and a bad environment: a clear error or a fate, an exit code, and nothing lost."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flows.clean import PLAIN, clean
from schemas.errors import (
    DumpMissingError,
    DumpUnreadableError,
    GateError,
    HeaderError,
    LeaseHeldError,
    StoreError,
    WinnowError,
)
from tasks.job import Job, Outcome
from tasks.store.lease import lease
from tasks.store.local import open_store
from tasks.store.versions import head

if TYPE_CHECKING:
    from collections.abc import Iterator

DECLARATION = '''"""Sales: for bad input."""
import pandera.polars as pa

from schemas import Dataset, Source


class Sales(pa.DataFrameModel):
    id: int = pa.Field(ge=0)
    shop: str = pa.Field(isin=["north", "south"])


DATASET = Dataset(model=Sales, source=Source("{partition}/*.csv*"))
'''

GOOD = b"id,shop\n1,north\n2,south\n"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    declaration = tmp_path / "sales.py"
    declaration.write_text(DECLARATION)
    (tmp_path / "raw" / "p").mkdir(parents=True)
    return Job("sales", "p", str(declaration), str(tmp_path / "raw"), str(tmp_path / "store"), run_id="r")


def deliver(job: Job, data: bytes, name: str = "a.csv") -> None:
    (Path(job.raw_root) / "p" / name).write_bytes(data)


def run(job: Job) -> Outcome:
    return clean(job, PLAIN)


@pytest.mark.parametrize(
    ("data", "error", "exit_code", "words"),
    [
        (b"", GateError, 1, "none of 0 records is kept"),
        (b"id,shop\n", GateError, 1, "none of 0 records is kept"),
        (b"id,store\n1,north\n", HeaderError, 1, "shop"),
        (b"id,shop,more\n1,north,x\n", HeaderError, 1, "more"),
        (b"id,id,shop\n1,1,north\n", HeaderError, 1, "id"),
        (bytes(range(256)) * 40, HeaderError, 1, "a.csv"),
    ],
    ids=["empty", "header only", "wrong header", "extra column", "column twice", "rubbish"],
)
def test_a_dump_that_can_not_be_cleaned_is_a_clear_error(
    job: Job, data: bytes, error: type[WinnowError], exit_code: int, words: str
) -> None:
    deliver(job, data)
    with pytest.raises(error, match=words) as raised:
        run(job)
    assert raised.value.exit_code == exit_code
    assert raised.value.fix
    assert str(raised.value).isprintable()
    assert head(open_store(job.store_root), "sales") is None


def test_a_missing_dump_is_named(job: Job) -> None:
    with pytest.raises(DumpMissingError, match="p/") as raised:
        run(job)
    assert raised.value.exit_code == 3


def test_a_folder_where_a_file_should_be_is_named(job: Job) -> None:
    (Path(job.raw_root) / "p" / "a.csv").mkdir()
    with pytest.raises(DumpUnreadableError, match="folder") as raised:
        run(job)
    assert raised.value.exit_code == 3


def test_a_truncated_gzip_keeps_what_it_yielded_and_rejects_the_rest(job: Job) -> None:
    rows = b"id,shop\n" + b"".join(b"%d,north\n" % number for number in range(20_000))
    deliver(job, gzip.compress(rows, mtime=0)[:20_000], "a.csv.gz")
    books = run(job).books
    assert books.balanced
    assert books.rejected == 1
    assert books.kept > 1000


def test_rubbish_between_good_records_costs_no_other_record(job: Job) -> None:
    deliver(job, GOOD + b"\xff\xfe\x00,\n" + b'3,"north\n' + b"4,south\n")
    books = run(job).books
    assert (books.records, books.kept, books.rejected) == (5, 3, 2)


def test_two_runs_of_the_same_partition_at_once_are_told(job: Job) -> None:
    deliver(job, GOOD)
    with lease(open_store(job.store_root), "sales", "p", "other-run"), pytest.raises(LeaseHeldError) as raised:
        run(job)
    assert "other-run" in str(raised.value)
    assert raised.value.exit_code == 3
    assert run(job).published


@contextmanager
def tiny_disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir()
    mounted = os.geteuid() == 0 and not subprocess.call(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],  # fixed words
        stderr=subprocess.DEVNULL,
    )
    if not mounted:
        pytest.skip("mounting a small file system needs root")
    try:
        yield
    finally:
        subprocess.check_call(["umount", str(folder)])  # as above


def test_a_full_disk_is_told_and_leaves_the_last_version(job: Job, tmp_path: Path) -> None:
    deliver(job, GOOD)
    with tiny_disk(tmp_path / "store", "1m"):
        assert run(job).version == 1
        rows = b"".join(b"%d,north\n" % (number * 7919) for number in range(400_000))
        deliver(job, GOOD + rows)
        with pytest.raises(StoreError, match="the disk is full") as raised:
            run(job)
        assert raised.value.exit_code == 3
        newest = head(open_store(job.store_root), "sales")
        assert newest is not None
        assert newest.version == 1


def test_a_store_that_is_no_folder_is_told(job: Job) -> None:
    deliver(job, GOOD)
    Path(job.store_root).write_text("a file")
    with pytest.raises(StoreError) as raised:
        run(job)
    assert raised.value.fix


def test_a_damaged_manifest_is_told(job: Job) -> None:
    deliver(job, GOOD)
    run(job)
    (Path(job.store_root) / "sales" / "_versions" / "000000000001.json").write_text("{")
    with pytest.raises(StoreError, match="manifest"):
        run(job)


def test_the_command_line_says_it_in_words_and_exits_with_the_code(job: Job, tmp_path: Path) -> None:
    folder = tmp_path / "declarations"
    folder.mkdir()
    Path(job.declaration).rename(folder / "sales.py")
    environment = os.environ | {
        "WINNOW_STORE": job.store_root,
        "WINNOW_RAW": job.raw_root,
        "WINNOW_DATASETS": str(folder),
    }
    command = [sys.executable, "-m", "flows.cli", "show", "salez"]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )  # our own command
    assert done.returncode == 2
    assert "Did you mean sales?" in done.stderr
    assert "Traceback" not in done.stderr
