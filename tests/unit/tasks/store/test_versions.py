"""Reading versions: the newest is the highest number listed, and a broken manifest is named."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import msgspec
import polars as pl
import pytest

from schemas.errors import StoreError, VersionNotFoundError
from schemas.records import Role
from tasks.store import versions
from tasks.store.local import LocalStore
from tasks.store.paths import version_key
from tasks.store.versions import head, list_versions, newest_version, open_version, read_manifest
from tests.partitions import build, publish, write

_ROOT = Path(__file__).parents[4]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "a [store]")


def publish_days(store: LocalStore, *days: str) -> None:
    for day in days:
        publish(store, "trips", write(store, "trips", day, build({f"{day}.csv": "kkq"})))


def test_a_data_set_without_versions(store: LocalStore) -> None:
    assert head(store, "trips") is None
    assert list_versions(store, "trips") == ()
    with pytest.raises(VersionNotFoundError, match="Nothing was published yet: winnow run trips"):
        open_version(store, "trips")


def test_the_newest_is_the_highest_number(store: LocalStore) -> None:
    publish_days(store, "b", "a", "c")
    assert list_versions(store, "trips") == (1, 2, 3)
    newest = head(store, "trips")
    assert newest is not None
    assert (newest.version, newest.parent, list(newest.partitions)) == (3, 2, ["a", "b", "c"])
    assert read_manifest(store, "trips", 1).partitions.keys() == {"b"}


@pytest.mark.parametrize("page", [1, 2, 7])
@pytest.mark.parametrize(
    "others", [(), ("000000000003.json.bak", "0", "notes.txt"), tuple(f"0x{n}" for n in range(20))]
)
@pytest.mark.parametrize("last", [1, 2, 3, 29, 30])
@pytest.mark.parametrize("first", [1, 3, 20])
def test_the_newest_is_found_by_leaps(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, page: int, others: tuple[str, ...], last: int, first: int
) -> None:
    monkeypatch.setattr(versions, "_PAGE", page)
    there = range(min(first, last), last + 1)  # the oldest may have been removed
    for number in there:
        store.create(version_key("trips", number), b"")
    for name in others:
        store.create(f"trips/_versions/{name}", b"")
    assert newest_version(store, "trips") == last
    assert {newest_version(store, "trips", since=since) for since in there} == {last}
    assert newest_version(store, "others") is None


def test_other_files_among_the_manifests_are_ignored(store: LocalStore) -> None:
    publish_days(store, "a")
    for name in ("latest", "000000000009.json.bak", ".000000000009.json", "9.json"):
        store.create(f"trips/_versions/{name}", b"x")
    assert list_versions(store, "trips") == (1,)


@pytest.mark.parametrize("version", [0, 2, -1, 10**13])
def test_a_version_that_is_not_there_is_told_with_those_that_are(store: LocalStore, version: int) -> None:
    publish_days(store, "a")
    with pytest.raises(VersionNotFoundError, match=f"no version {version}. It has 1 to 1"):
        open_version(store, "trips", version)


def test_a_data_set_whose_name_leads_elsewhere_is_refused(store: LocalStore) -> None:
    for name in ("../trips", "", "a/../b"):
        with pytest.raises(StoreError, match="is no key"):
            head(store, name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "is version 2 of 'trips'"),
        ({"dataset": "stops"}, "is version 1 of 'stops'"),
        ({"partitions": []}, r"Expected `object`, got `array` - at `\$.partitions`"),
        ({"parent": "none"}, r"\$.parent"),
        ({"approved": True}, "unknown field `approved`"),
        ({"format": 2}, "format 2; expected format 1. Use the version of Winnow that wrote it"),
        ({"format": 2, "approved": True}, "format 2; expected format 1"),
    ],
)
def test_a_broken_manifest_is_named(store: LocalStore, change: dict[str, object], message: str) -> None:
    publish_days(store, "a")
    place = Path(store.path(version_key("trips", 1)))
    place.write_bytes(msgspec.json.encode({**msgspec.json.decode(place.read_bytes()), **change}))
    with pytest.raises(StoreError, match=message) as caught:
        head(store, "trips")
    assert caught.value.where == version_key("trips", 1)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[]", b"[" * 100_000])
def test_a_manifest_that_is_no_json_is_named(store: LocalStore, data: bytes) -> None:
    publish_days(store, "a")
    Path(store.path(version_key("trips", 1))).write_bytes(data)
    with pytest.raises(StoreError, match="can't be decoded") as caught:
        head(store, "trips")
    assert caught.value.where == version_key("trips", 1)


def test_a_version_is_scanned_in_the_order_of_partitions(store: LocalStore) -> None:
    publish_days(store, "b", "day=2026-10-01", "a/b")
    snapshot = open_version(store, "trips")
    rows = snapshot.scan(Role.CLEAN).collect()
    assert rows["text"].to_list() == [f"k of {day}.csv" for day in ("a/b", "b", "day=2026-10-01") for _ in range(2)]
    assert rows.columns == ["_file", "_record", "_offset", "_length", "id", "text"]
    assert snapshot.scan(Role.QUARANTINE).collect().height == 3
    assert pl.concat(pl.read_parquet(path, glob=False) for path in snapshot.files(Role.CLEAN)).equals(rows)


def test_a_role_without_files_has_no_rows(store: LocalStore) -> None:
    publish_days(store, "a")
    rejects = open_version(store, "trips").scan(Role.REJECTS).collect()
    assert rejects.schema == {"_file": pl.String, "_record": pl.UInt64}
    assert rejects.is_empty()
    assert open_version(store, "trips").files(Role.REJECTS) == ()


def test_an_old_version_reads_as_it_was(store: LocalStore) -> None:
    publish_days(store, "a")
    snapshot = open_version(store, "trips")
    publish_days(store, "b")
    assert snapshot.scan(Role.CLEAN).collect().height == 2
    assert open_version(store, "trips", 1).scan(Role.CLEAN).collect().height == 2
    assert open_version(store, "trips").scan(Role.CLEAN).collect().height == 4


def test_partitions_of_several_contracts_are_read_as_one_table(store: LocalStore) -> None:
    publish_days(store, "a", "b")
    entries = []
    for day, contract, frame in (
        ("a", "old", {"_file": ["f"], "_record": [1], "id": [1], "gone": ["x"]}),
        ("b", "new", {"_file": ["g"], "_record": [1], "id": [2.5], "text": ["y"]}),
    ):
        entry = read_manifest(store, "trips", 2).partitions[day]
        path = f"clean/{day}/{contract}-00000.parquet"
        store.write_file(f"trips/{path}", pl.DataFrame(frame).write_parquet)
        files = [msgspec.structs.replace(file, path=path) for file in entry.files if file.role is Role.CLEAN]
        entries.append(msgspec.structs.replace(entry, contract=contract, files=tuple(files)))
    publish(store, "trips", *entries)
    rows = open_version(store, "trips").scan(Role.CLEAN).collect()
    assert rows.select("id", "gone", "text").rows() == [(1.0, "x", None), (2.5, None, "y")]


def test_listing_needs_neither_polars_nor_a_manifest(store: LocalStore) -> None:
    folder = store.root / "trips/_versions"
    folder.mkdir(parents=True)
    for version in range(1, 10_001):
        (folder / f"{version:012d}.json").touch()
    began = time.process_time()
    assert len(list_versions(store, "trips")) == 10_000
    assert time.process_time() - began < 1
    script = (
        "import sys; from tasks.store.versions import head, list_versions; from tasks.store.local import open_store;"
        "from tasks.publish.commit import commit; from tasks.store.lease import lease;"
        "print(len(list_versions(open_store(sys.argv[1]), 'trips')), {'polars', 'pyarrow', 'prefect'} & {*sys.modules})"
    )
    run = [sys.executable, "-c", script, str(store.root)]
    assert subprocess.run(run, check=True, capture_output=True, text=True, cwd=_ROOT).stdout == "10000 set()\n"
