"""Publishing: what a process of its own does to bring rows that are there already into a store, or only into a file.

Belongs here: the cases of the table about homes. Does not belong here: the table (homes), or cleaning (cases).

The rows are mapped from an Arrow file, as candidates are when a partition is settled. Winnow writes them under their
final name, has them hashed and read back, balances the books and commits a version; a bare sink writes them.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import polars as pl

from tests.benchmarks.measured import Parts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from schemas.records import RawFile

    Work = Callable[[], Parts]

_HEADER, _LENGTH = 40, 86
_SHA256 = "5e" * 32
_NAME = "frame.arrow"


def frame(folder: Path, rows: str) -> Work:
    """Writes rows like those of orders, with their lineage; answers the bytes."""
    path = folder / _NAME

    def work() -> Parts:
        count = int(rows)
        number = pl.int_range(count, dtype=pl.UInt64, eager=True).alias("n").to_frame().lazy()
        chance = pl.col("n").hash(seed=1)
        number.select(
            pl.lit(_SHA256).alias("_file"),
            (pl.col("n") + 1).alias("_record"),
            (pl.col("n") * _LENGTH + _HEADER).alias("_offset"),
            pl.lit(_LENGTH, pl.UInt32).alias("_length"),
            pl.col("n").cast(pl.Int64).alias("order_id"),
            pl.format("C{}", chance % 99_991).alias("customer"),
            pl.format("sku {} of {}", chance % 4_099, pl.col("n") % 31).alias("product"),
            (chance % 9 + 1).cast(pl.Int64).alias("quantity"),
            (chance % 100_000 / 100).alias("price"),
            (pl.datetime(2026, 1, 1) + pl.duration(seconds=chance % 31_000_000)).alias("ordered_at"),
            (chance % 5 == 0).alias("gift"),
        ).sink_ipc(path)
        return Parts(answer=str(path.stat().st_size))

    return work


def bare_sink(folder: Path, home: str, settings: str) -> Work:
    """A bare `sink_parquet` of the same rows to the same home.

    Nothing is flushed to a disk, hashed, read back or named at once; `own` has Winnow's settings of Parquet, `default`
    polars' own.
    """
    from tasks.store.local import open_store

    own = {"row_group_size": 131_072, "compression_level": 1, "data_page_size": 256 << 20} if settings == "own" else {}
    rows = pl.scan_ipc(folder / _NAME)
    path, options = f"{folder}/out/{uuid.uuid4().hex}.parquet", None
    if home != "folder":
        path, options = f"{home}/bare/{uuid.uuid4().hex}.parquet", open_store(home).storage_options
    (folder / "out").mkdir(exist_ok=True)

    def work() -> Parts:
        rows.sink_parquet(path, storage_options=options, **own)  # type: ignore[arg-type]  # as any settings
        return Parts()

    return work


def publish_rows(folder: Path, home: str) -> Work:
    """The same rows as a version of a data set, from the first sink to the commit."""
    from schemas.records import PartitionEntry, Role
    from tasks.publish.balance import check_balance
    from tasks.publish.commit import commit
    from tasks.publish.written import read_back
    from tasks.store.local import open_store
    from tasks.store.paths import data_key
    from tasks.store.sinks import output_file, sink_all

    store = open_store(f"{folder}/out/store" if home == "folder" else f"{home}/{uuid.uuid4().hex}")
    rows = pl.scan_ipc(folder / _NAME)
    key = data_key("orders", Role.CLEAN, "p", "0" * 16)
    raw = _raw(int(rows.select(pl.len()).collect().item()))

    def work() -> Parts:
        sink_all(store, {key: rows})
        file = output_file(store, "orders", Role.CLEAN, key)
        books = check_balance(read_back(store, "orders", [file], [raw]))
        entry = PartitionEntry("p", "c", "0" * 16, (raw,), books, (file,), (), (), ())
        now = dt.datetime.now(dt.UTC)
        commit(store, "orders", change=lambda _: {"p": entry}, reason="run", run_id="r", contract="c", now=now)
        return Parts(rows=books[0].kept)

    return work


def _raw(records: int) -> RawFile:
    from schemas.records import RawFile

    size = _HEADER + _LENGTH * records
    return RawFile(
        path="p/orders.csv",
        size=size,
        sha256=_SHA256,
        format="csv",
        compression="none",
        text_size=size,
        header_size=_HEADER,
        records=records,
    )


def many_versions(_folder: Path, home: str, versions: str) -> Work:
    """Makes a data set with so many versions."""
    import concurrent.futures

    import msgspec

    from schemas.records import Manifest
    from tasks.store.local import open_store
    from tasks.store.paths import version_key

    store = open_store(home)

    def make(version: int) -> None:
        parent = version - 1 or None
        manifest = Manifest(
            "flights", version, parent, "nightly", f"run {version}", "2026-11-25T00:00:00Z", "c", "d", {}
        )
        store.create(version_key("flights", version), msgspec.json.encode(manifest))

    def work() -> Parts:
        make(1)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(make, range(2, int(versions) + 1)))
        return Parts()

    return work


CASES = {"frame": frame, "bare_sink": bare_sink, "publish_rows": publish_rows, "many_versions": many_versions}
