"""Exports, read back by the tools that they are for; and killed before any of their steps."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.parse
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pytest
from deltalake import DeltaTable, QueryBuilder

from schemas.errors import MissingExtraError, StoreError, UsageError
from schemas.records import Manifest, Role
from tasks.export.delta import export_delta
from tasks.export.report import ExportReport
from tasks.export.stage import export_parquet
from tasks.publish.commit import commit
from tasks.store.exports import read_exports, versions_under_way
from tasks.store.local import LocalStore
from tasks.store.paths import file_key, version_key
from tasks.store.versions import open_version, read_manifest
from tests.integration.test_diff import cleaned
from tests.partitions import NOW, build, publish, write

_ROOT = Path(__file__).parents[2]
ODD = "../a b=é%"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Version 1 has a plain partition, 2 an odd one as well, 3 the first one otherwise, 4 only the odd one."""
    store = LocalStore(tmp_path / "store")
    publish(store, "trips", write(store, "trips", "2026-10-01", build({"a.csv": "kkq"})))
    publish(store, "trips", write(store, "trips", ODD, build({"b.csv": "kd"})))
    publish(store, "trips", write(store, "trips", "2026-10-01", build({"c.csv": "kkkx"})))
    return store


def manifest(store: LocalStore, version: int | None = None) -> Manifest:
    return open_version(store, "trips", version).manifest


def exported(store: LocalStore, folder: Path, version: int | None = None, **options: Any) -> ExportReport:  # noqa: ANN401  # as export_parquet has them
    return export_parquet(store, manifest(store, version), str(folder), now=NOW, **options)


# --- Parquet ----------------------------------------------------------------------------------------------------------


def test_other_tools_read_the_folder_as_it_is(store: LocalStore, tmp_path: Path) -> None:
    report = exported(store, tmp_path / "out")
    assert (report.files, report.copied, report.linked, report.versions) == (2, 2, 0, (3,))
    clean = tmp_path / "out" / "clean"
    expected = {"2026-10-01": 3, ODD: 1}
    rows = pl.read_parquet(clean, hive_partitioning=True, hive_schema={"partition": pl.String})
    assert dict(rows.group_by("partition").len().rows()) == expected
    counted = duckdb.sql(f"select partition, count(*) from '{clean}/*/*.parquet' group by 1").fetchall()
    assert dict(counted) == expected
    table = ds.dataset(clean, partitioning="hive").to_table()
    assert dict(pl.DataFrame(table.to_pydict()).group_by("partition").len().rows()) == expected
    assert pd.read_parquet(clean)["partition"].value_counts().to_dict() == expected
    without = rows.drop("partition").sort("_file", "_record")
    assert without.equals(open_version(store, "trips").scan(Role.CLEAN).collect().sort("_file", "_record"))


def test_the_manifest_is_in_it_and_the_store_knows_of_it(store: LocalStore, tmp_path: Path) -> None:
    report = exported(store, tmp_path / "out", 2)
    assert (tmp_path / "out" / "manifest.json").read_bytes() == store.read(version_key("trips", 2))
    (record,) = read_exports(store, "trips")
    assert (record.export, record.versions, record.folder) == (report.export, (2,), str(tmp_path / "out"))
    assert record.digests == (manifest(store, 2).digest,)
    assert versions_under_way(store, "trips", "gc") == frozenset()


def test_every_role_has_its_folder(store: LocalStore, tmp_path: Path) -> None:
    report = exported(store, tmp_path / "out", roles=tuple(Role))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"manifest.json", "clean", "rejects", "duplicates"}
    assert report.files == sum(len(entry.files) for entry in manifest(store).partitions.values())


def test_links_take_no_room_and_are_told(store: LocalStore, tmp_path: Path) -> None:
    report = exported(store, tmp_path / "out", link=True)
    assert (report.linked, report.copied) == (2, 0)
    files = [file for entry in manifest(store).partitions.values() for file in entry.files if file.role is Role.CLEAN]
    inodes = {Path(store.path(file_key("trips", file.path))).stat().st_ino for file in files}
    assert {path.stat().st_ino for path in (tmp_path / "out").rglob("*.parquet")} == inodes


def test_a_dry_run_writes_nothing(store: LocalStore, tmp_path: Path) -> None:
    objects = store.list("")
    planned = exported(store, tmp_path / "out", dry_run=True)
    assert (planned.files, planned.size > 0, planned.copied) == (2, True, 0)
    assert not (tmp_path / "out").exists()
    assert store.list("") == objects


def test_what_is_damaged_is_not_exported(store: LocalStore, tmp_path: Path) -> None:
    (file,) = (file for file in manifest(store).partitions[ODD].files if file.role is Role.CLEAN)
    place = Path(store.path(file_key("trips", file.path)))
    data = bytearray(place.read_bytes())
    data[8] ^= 1  # in a page; the footer is whole
    place.write_bytes(data)
    with pytest.raises(StoreError, match="sha256"):
        exported(store, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_column_of_that_name_is_not_overlaid(store: LocalStore, tmp_path: Path) -> None:
    for form in (exported, tabled):
        with pytest.raises(UsageError, match=r"trips has a column text\. .* --partition-column"):
            form(store, tmp_path / "out", column="text")
        with pytest.raises(UsageError, match="no name for a column"):
            form(store, tmp_path / "out", column="a=b")
    exported(store, tmp_path / "out", column="day")
    assert (tmp_path / "out" / "clean" / "day=2026-10-01").is_dir()


_EXPORTING = """
import datetime as dt, os, signal, sys
from tasks.export.stage import export_parquet
from tasks.store.local import LocalStore
from tasks.store.versions import open_version
from pathlib import Path

root, folder, dying_at = sys.argv[1], sys.argv[2], int(sys.argv[3])
left = [dying_at]

def mortal(name):
    call = getattr(os, name)
    def called(*arguments, **options):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return called

def child():
    for name in ("fsync", "link", "replace", "rename", "mkdir"):
        setattr(os, name, mortal(name))
    store = LocalStore(Path(root))
    export_parquet(store, open_version(store, "trips").manifest, folder, now=dt.datetime.now(dt.UTC))

for left[0] in range(1, 200):
    process = os.fork()
    if process == 0:
        child()
        os._exit(0)
    ended = os.waitpid(process, 0)[1]
    print(ended, Path(folder).exists(), flush=True)
    if ended == 0 or Path(folder).exists():
        break
"""


def test_a_killed_export_leaves_no_folder_of_that_name(store: LocalStore, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "here"
    command = [sys.executable, "-c", _EXPORTING, str(store.root), str(folder), "1"]
    lines = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    killed = str(int(signal.SIGKILL))
    assert len(lines) > 15
    assert lines == [f"{killed} False"] * (len(lines) - 1) + [f"{killed} True"]
    # Whenever the folder is there, it is whole; what the killed ones left beside it is gone, and nothing is pinned.
    assert pl.read_parquet(folder / "clean", hive_partitioning=False).height == 4
    assert (folder / "manifest.json").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["here"]
    assert versions_under_way(store, "trips", "gc") == frozenset()
    assert len(read_exports(store, "trips")) > 1


# --- Delta ------------------------------------------------------------------------------------------------------------


def tabled(store: LocalStore, folder: Path, *versions: int, **options: Any) -> ExportReport:  # noqa: ANN401  # as export_delta has them
    manifests = [read_manifest(store, "trips", number) for number in versions or (1, 2, 3)]
    return export_delta(store, manifests, str(folder), now=NOW, **options)


def rows_of(store: LocalStore, version: int, columns: list[str]) -> list[tuple[Any, ...]]:
    return sorted(open_version(store, "trips", version).scan(Role.CLEAN).select(columns).collect().rows())


def test_each_version_is_a_version_of_the_table(store: LocalStore, tmp_path: Path) -> None:
    gone = manifest(store).partitions[ODD]
    commit(store, "trips", change=lambda _: {ODD: gone}, reason="run", run_id="run", contract="c", now=NOW)
    report = tabled(store, tmp_path / "out", 1, 2, 3, 4)
    assert (report.versions, report.files, report.copied) == ((1, 2, 3, 4), 3, 3)
    assert report.left_out == ("_record", "_offset")
    folder = str(tmp_path / "out")
    columns = ["_file", "id", "text"]
    assert pl.read_delta(folder, version=0).height == 0
    for version in (1, 2, 3, 4):
        table = pl.read_delta(folder, version=version)
        assert sorted(table.select(columns).rows()) == rows_of(store, version, columns)
        names = {"2026-10-01", ODD} if version in (2, 3) else {"2026-10-01"} if version == 1 else {ODD}
        assert set(table["partition"]) == names
        found = QueryBuilder().register("t", DeltaTable(folder, version=version)).execute("select count(*) n from t")
        assert pl.DataFrame(found.read_all())["n"].item() == len(rows_of(store, version, columns))
    history = {each["version"]: each for each in DeltaTable(folder).history()}
    assert [history[version]["winnow.version"] for version in (1, 2, 3, 4)] == ["1", "2", "3", "4"]
    assert history[4]["winnow.digest"] == manifest(store, 4).digest
    (record,) = read_exports(store, "trips")
    assert (record.format, record.versions) == ("delta", (1, 2, 3, 4))


def test_a_version_with_the_same_clean_table_is_one_too(store: LocalStore, tmp_path: Path) -> None:
    same = msgspec.structs.replace(manifest(store).partitions[ODD], contract="other")
    publish(store, "trips", same)
    tabled(store, tmp_path / "out", 3, 4)
    assert DeltaTable(tmp_path / "out").version() == 2
    assert pl.read_delta(str(tmp_path / "out"), version=1).equals(pl.read_delta(str(tmp_path / "out"), version=2))


def test_columns_that_come_later_are_null_before(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    publish(store, "trips", cleaned(store, "a", {"id": [1]}))
    publish(store, "trips", cleaned(store, "b", {"id": [2], "tip": [0.5]}, contract="d"))
    tabled(store, tmp_path / "out", 1, 2)
    assert pl.read_delta(str(tmp_path / "out"), version=2).sort("id").select("id", "tip").rows() == [
        (1, None),
        (2, 0.5),
    ]


def test_types_that_delta_has_not_are_written_anew(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    publish(store, "trips", cleaned(store, "a", {"big": pl.Series([2**64 - 1], dtype=pl.UInt64)}))
    publish(
        store, "trips", cleaned(store, "b", {"kind": pl.Series(["x", None], dtype=pl.Enum(["y", "x"]))}, contract="d")
    )
    report = tabled(store, tmp_path / "out", 1, 2, link=True)
    assert (report.rewritten, report.linked) == (2, 0)
    table = pl.read_delta(str(tmp_path / "out"))
    assert table.schema["kind"] == pl.String
    assert sorted(table["kind"].to_list(), key=str) == [None, None, "x"]
    assert int(table["big"].drop_nulls().item()) == 2**64 - 1


def test_files_are_linked_into_a_table_too(store: LocalStore, tmp_path: Path) -> None:
    assert tabled(store, tmp_path / "out", link=True).linked == 3
    assert pl.read_delta(str(tmp_path / "out")).height == 4


def test_a_dry_run_makes_no_table(store: LocalStore, tmp_path: Path) -> None:
    assert tabled(store, tmp_path / "out", dry_run=True).files == 3
    assert not (tmp_path / "out").exists()


def test_without_the_extra_it_is_told_how_to_install_it(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'winnow\[delta\]'"):
        tabled(store, tmp_path / "out")


def test_the_log_is_json_that_names_every_file_once(store: LocalStore, tmp_path: Path) -> None:
    tabled(store, tmp_path / "out")
    added = []
    for log in sorted((tmp_path / "out" / "_delta_log").glob("*.json")):
        added += [entry["add"]["path"] for entry in map(json.loads, log.read_text().splitlines()) if "add" in entry]
    assert len(added) == len(set(added)) == 3
    assert all((tmp_path / "out" / urllib.parse.unquote(path)).is_file() for path in added)
