"""Reading versions: the newest is the highest number listed, and a broken manifest is named."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import StoreError, VersionNotFoundError
from schemas.records import PartitionEntry, Role
from tasks.publish.commit import commit
from tasks.store import versions
from tasks.store.local import LocalStore
from tasks.store.paths import retired_key, version_key
from tasks.store.retired import RetiredVersion, Retirement
from tasks.store.versions import (
    head,
    list_versions,
    newest_version,
    newest_versions,
    open_version,
    read_manifest,
    version_as_of,
)
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


# --- as of a moment ---------------------------------------------------------------------------------------------------


def hour(number: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(2026, 11, 23, number, minute, tzinfo=dt.UTC)


def publish_at(store: LocalStore, *moments: dt.datetime) -> None:
    for number, moment in enumerate(moments):
        commit(
            store,
            "trips",
            change=lambda partitions, number=number: {**partitions, str(number): empty_entry(str(number))},  # type: ignore[misc]  # mypy can't infer a lambda with a default
            reason="run",
            run_id="run",
            contract="c",
            now=moment,
        )


def empty_entry(partition: str) -> PartitionEntry:
    return PartitionEntry(partition, "c", "i", (), (), (), (), (), ())


def test_as_of_a_moment_is_the_newest_version_then(store: LocalStore) -> None:
    publish_at(store, hour(1), hour(3), hour(3), hour(7))
    asked = [hour(1), hour(2), hour(3), hour(6, 59), hour(7), hour(23)]
    assert [version_as_of(store, "trips", moment) for moment in asked] == [1, 1, 3, 3, 4, 4]
    assert open_version(store, "trips", as_of=hour(2)).manifest.version == 1
    with pytest.raises(VersionNotFoundError, match=r"no version at 2026-11-23T00:59:00Z. .* 2026-11-23T01:00:00Z"):
        version_as_of(store, "trips", hour(0, 59))


def test_a_clock_that_is_behind_changes_no_answer_about_the_past(store: LocalStore) -> None:
    publish_at(store, hour(2), hour(4))
    asked = [hour(2), hour(3), hour(4), hour(5)]
    before = [version_as_of(store, "trips", moment) for moment in asked[:-1]]
    publish_at(store, *([hour(2), hour(4), hour(1)]))  # the last one on a machine that is three hours behind
    after = [version_as_of(store, "trips", moment) for moment in asked]
    assert before == [*after[:2], 2] == [1, 1, 2]
    assert after[-1] == len(list_versions(store, "trips")) == 3
    assert read_manifest(store, "trips", 3).created_at == "2026-11-23T04:00:00Z"


@given(st.lists(st.integers(0, 20), min_size=1, max_size=12))
def test_a_later_moment_is_never_an_earlier_version(hours: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))
        publish_at(store, *map(hour, hours))
        asked = [moment for moment in map(hour, range(24)) if moment >= hour(hours[0])]
        found = [version_as_of(store, "trips", moment) for moment in asked]
    assert found == sorted(found)
    assert found[-1] == len(hours)
    # What was committed by a right clock is found at its own time.
    for number, moment in enumerate(hours, 1):
        if moment == max(hours[:number]) and moment not in hours[number:]:
            assert found[asked.index(hour(moment))] >= number


def test_few_manifests_are_read(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_at(store, *(hour(0) + dt.timedelta(minutes=number) for number in range(100)))
    read: list[str] = []
    monkeypatch.setattr(LocalStore, "read", lambda self, key: read.append(key) or Path(self.path(key)).read_bytes())
    assert version_as_of(store, "trips", hour(0, 41)) == 42
    assert len(read) <= 8


@pytest.mark.parametrize("text", ["yesterday", "2026-11-23T00:00:00"])
def test_a_manifest_without_a_moment_is_named(store: LocalStore, text: str) -> None:
    publish_at(store, hour(1))
    place = Path(store.path(version_key("trips", 1)))
    place.write_bytes(msgspec.json.encode({**msgspec.json.decode(place.read_bytes()), "created_at": text}))
    with pytest.raises(StoreError, match="is no moment") as caught:
        version_as_of(store, "trips", hour(2))
    assert caught.value.where == version_key("trips", 1)


def test_a_retired_version_is_told_from_one_that_never_was(store: LocalStore) -> None:
    publish_at(store, hour(1), hour(2), hour(3), hour(4))
    each = tuple(RetiredVersion(n, read_manifest(store, "trips", n).created_at, "d") for n in (2, 3))
    record = Retirement("gc", "2026-11-25T00:00:00Z", "keep", each, ())
    store.create(retired_key("trips", 3, "gc"), msgspec.json.encode(record))
    # As long as the manifests are there, so are the versions.
    assert [version_as_of(store, "trips", hour(number)) for number in (1, 2, 3, 4)] == [1, 2, 3, 4]
    for number in (2, 3):
        store.delete(version_key("trips", number))
    assert [version_as_of(store, "trips", hour(number)) for number in (1, 4)] == [1, 4]
    with pytest.raises(VersionNotFoundError, match=r"version 3, the newest of trips at .*, was retired"):
        version_as_of(store, "trips", hour(3, 30))
    with pytest.raises(VersionNotFoundError, match=r"version 2 of trips was retired. .* kept: trips@1 and trips@4"):
        open_version(store, "trips", 2)
    with pytest.raises(VersionNotFoundError, match=r"trips has no version 5"):
        open_version(store, "trips", 5)


def test_the_newest_are_found_beside_gaps(store: LocalStore) -> None:
    assert newest_versions(store, "trips", 3) == ((), None)
    publish_at(store, *map(hour, range(1, 8)))
    assert newest_versions(store, "trips", 3) == ((7, 6, 5), 1)
    assert newest_versions(store, "trips", 7) == ((7, 6, 5, 4, 3, 2, 1), None)
    for number in (1, 3, 4, 6):
        store.delete(version_key("trips", number))
    assert newest_versions(store, "trips", 2) == ((7, 5), 2)
    assert newest_versions(store, "trips", 9) == ((7, 5, 2), None)
