"""Two versions in a store, compared: only what differs is read, in bounded memory, and nothing personal is shown."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from schemas.errors import StoreError, UnknownNameError, UsageError
from schemas.records import Books, PartitionEntry, Role
from tasks.diff.report import MASKED, DiffReport
from tasks.diff.rows import RowCounts
from tasks.diff.stage import diff
from tasks.store.local import LocalStore
from tasks.store.paths import data_key
from tasks.store.sinks import output_file
from tasks.store.versions import read_manifest
from tests.partitions import publish

_ROOT = Path(__file__).parents[2]


def cleaned(store: LocalStore, partition: str, rows: dict[str, Any], contract: str = "c") -> PartitionEntry:
    """A partition whose clean table has these columns."""
    frame = pl.DataFrame(rows)
    frame = frame.with_columns(
        pl.lit("f" * 64).alias("_file"),
        pl.int_range(1, pl.len() + 1, dtype=pl.UInt64).alias("_record"),
    )
    key = data_key("trips", Role.CLEAN, partition, hashlib.sha256(f"{rows} {contract}".encode()).hexdigest()[:16])
    store.write_file(key, frame.write_parquet)
    file = output_file(store, "trips", Role.CLEAN, key)
    return PartitionEntry(partition, contract, "i", (), (Books(file.rows, file.rows),), (file,), (), (), ())


def compared(
    store: LocalStore,
    before: int = 1,
    after: int = 2,
    *,
    key: Sequence[str] = (),
    personal: Sequence[str] | None = (),
    rows: int = 0,
) -> DiffReport:
    manifests = (read_manifest(store, "trips", number) for number in (before, after))
    return diff(store, *manifests, key=key, personal=personal, rows=rows)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Version 1 has a and b, version 2 another b, and c."""
    store = LocalStore(tmp_path / "a [store]")
    a = cleaned(store, "a", {"id": [1, 2], "name": ["ann", "bob"], "fare": [1.0, 2.0]})
    b = cleaned(store, "b", {"id": [1, 2, 3], "name": ["cid", "dan", "eve"], "fare": [3.0, 4.0, None]})
    other = cleaned(store, "b", {"id": [2, 3, 4], "name": ["dan", "eva", "flo"], "fare": [4.0, float("nan"), 6.0]})
    c = cleaned(store, "c", {"id": [9], "name": ["gus"], "fare": [9.0]})
    publish(store, "trips", a, b)
    publish(store, "trips", other, c)
    return store


def test_partitions_rows_and_columns(store: LocalStore) -> None:
    report = compared(store, key=["id"])
    assert not report.same
    assert [(each.partition, each.change.value) for each in report.partitions] == [("b", "recleaned"), ("c", "added")]
    assert report.rows == RowCounts(added=2, removed=1, changed=1, unchanged=1)
    assert (report.books_before.kept, report.books_after.kept) == (5, 6)
    assert report.sample == ()
    fare = next(column for column in report.columns if column.column == "fare")
    assert fare.before is not None
    assert fare.after is not None
    assert (fare.before.rows, fare.before.nulls, fare.before.mean) == (3, 1, 3.5)
    assert (fare.after.rows, fare.after.nan, fare.after.greatest) == (4, 1, 9.0)
    name = next(column for column in report.columns if column.column == "name")
    assert {each.value for each in name.new} == {"eva", "flo", "gus"}
    assert {each.value for each in name.vanished} == {"cid", "eve"}


def test_rows_that_differ_are_shown_with_their_cells(store: LocalStore) -> None:
    report = compared(store, key=["id"], rows=2)
    shown = {each.kind: each for each in report.sample if each.partition == "b"}
    changed = shown["changed"]
    assert changed.key == {"id": "3"}
    assert (changed.record_before, changed.record_after) == (f"{'f' * 16}:3", f"{'f' * 16}:2")
    assert [(cell.column, cell.before, cell.after) for cell in changed.cells] == [
        ("name", "eve", "eva"),
        ("fare", None, "nan"),
    ]
    assert {cell.column: cell.after for cell in shown["added"].cells} == {"id": "4", "name": "flo", "fare": "6.0"}
    assert shown["removed"].record_after is None
    assert [each.partition for each in report.sample if each.kind == "added"] == ["b", "c"]


@pytest.mark.parametrize("personal", [("name",), None])
def test_what_is_personal_is_shown_nowhere(store: LocalStore, personal: tuple[str, ...] | None) -> None:
    report = compared(store, key=["id"], rows=9, personal=personal)
    text = msgspec.json.encode(report).decode()
    for value in ("ann", "cid", "dan", "eve", "eva", "flo", "gus"):
        assert f'"{value}"' not in text
    masked = [cell for each in report.sample for cell in each.cells if cell.column == "name"]
    assert {value for cell in masked for value in (cell.before, cell.after)} == {None, MASKED}
    if personal is None:
        assert {value for each in report.sample for value in each.key.values()} == {MASKED}


def test_only_partitions_that_differ_are_read(store: LocalStore) -> None:
    (kept,) = read_manifest(store, "trips", 1).partitions["a"].files
    # Its footer is whole, but no page of it can be decoded.
    place = Path(store.path(f"trips/{kept.path}"))
    data = place.read_bytes()
    place.write_bytes(b"PAR1" + b"\xff" * 200 + data[204:])
    assert compared(store, key=["id"]).rows.changed == 1


def test_a_version_and_itself(store: LocalStore) -> None:
    report = compared(store, 2, 2, key=["id"], rows=3)
    assert (report.same, report.partitions, report.rows, report.sample) == (True, (), RowCounts(), ())


def test_the_other_way_round(store: LocalStore) -> None:
    assert compared(store, 2, 1, key=["id"]).rows == RowCounts(added=1, removed=2, changed=1, unchanged=1)


def test_without_a_key(store: LocalStore) -> None:
    assert compared(store).rows == RowCounts(added=3, removed=2, unchanged=1)


def test_columns_that_came_went_and_changed_their_type(store: LocalStore) -> None:
    other = cleaned(store, "b", {"id": [2.0, 3.0], "name": ["dan", "eve"], "tip": ["x", None]}, contract="d")
    publish(store, "trips", other)
    report = compared(store, 1, 3, key=["id"])
    changes = {column.column: column.change for column in report.columns}
    assert changes == {"id": "retyped", "name": None, "fare": None, "tip": "added"}
    assert report.rows == RowCounts(added=1, removed=1, changed=1, unchanged=1)


def test_what_can_not_be_compared_is_told(store: LocalStore) -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean name\?"):
        compared(store, key=["nme"])
    stops = msgspec.structs.replace(read_manifest(store, "trips", 2), dataset="stops")
    with pytest.raises(UsageError, match="two data sets"):
        diff(store, read_manifest(store, "trips", 1), stops)
    (lost,) = read_manifest(store, "trips", 2).partitions["b"].files
    Path(store.path(f"trips/{lost.path}")).unlink()
    with pytest.raises(StoreError, match="can't read"):
        compared(store, key=["id"])


# --- memory -----------------------------------------------------------------------------------------------------------

_LARGE = """
import sys
from pathlib import Path
import polars as pl
from tasks.diff.stage import diff
from tasks.store.local import LocalStore
from tasks.store.versions import read_manifest

store = LocalStore(Path(sys.argv[1]))
Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far, which is that of the parent

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

before = peak()
report = diff(store, read_manifest(store, "trips", 1), read_manifest(store, "trips", 2), key=["id"], rows=3)
print((peak() - before) // 1024, report.rows.added, report.rows.removed, report.rows.changed, report.rows.unchanged)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    peaks = []
    for rows in (2_000_000, 6_000_000):
        store = LocalStore(tmp_path / str(rows))
        for shift in (0, 1):
            key = data_key("trips", Role.CLEAN, "a", f"{shift:016x}")
            number = pl.int_range(shift, rows + shift)
            frame = pl.LazyFrame().select(
                number.alias("id"), (number // 1000 + pl.lit(shift) * (number % 1000 == 0)).alias("n"),
                number.hash().cast(pl.String).alias("t"), pl.lit("f" * 64).alias("_file"),
                number.cast(pl.UInt64).alias("_record"),
            )  # fmt: skip
            store.write_file(key, frame.sink_parquet)
            file = output_file(store, "trips", Role.CLEAN, key)
            publish(store, "trips", PartitionEntry("a", "c", "i", (), (Books(rows, rows),), (file,), (), (), ()))
        command = [sys.executable, "-c", _LARGE, str(store.root)]
        done = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True)
        peak, *counts = map(int, done.stdout.split())
        assert counts == [1, 1, rows // 1000 - 1, rows - rows // 1000]
        peaks.append(peak)
    assert peaks[1] < peaks[0] * 1.4, peaks
