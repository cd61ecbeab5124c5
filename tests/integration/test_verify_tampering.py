"""Whatever is changed in a published version, or in its dumps, `verify` says so; what was not changed, it proves.

The partitions here hold every fate, a repair of each kind, two dumps and a second delivery of one of them.
"""

from __future__ import annotations

import copy
import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pyarrow.parquet as pq
import pytest

from schemas.errors import VersionNotFoundError
from schemas.records import Manifest, Role
from tasks.publish.digest import version_digest
from tasks.publish.verify import Kind, VerifyReport, verify_version
from tasks.store.local import LocalStore
from tasks.store.paths import file_key, version_key
from tests.partitions import build, publish, write

Json = Any
#: Keys and numbers that lead into a JSON value.
Place = tuple[str | int, ...]

DUMPS = {"a/1.csv": "kkrdqxkqdr", "a/2.csv": "xqkde", "a/3.csv": "=a/1.csv"}
OTHER = {"b/1.csv": "kkk"}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two versions, the second with two partitions, and the dumps beside it; copied for each test."""
    home = tmp_path_factory.mktemp("pristine")
    store = LocalStore(home / "store")
    publish(store, "trips", write(store, "trips", "b/..", build(OTHER, home / "raw")))
    publish(store, "trips", write(store, "trips", "2026-10-01", build(DUMPS, home / "raw")))
    return home


@pytest.fixture
def home(pristine: Path, tmp_path: Path) -> Path:
    return shutil.copytree(pristine, tmp_path / "home")


@pytest.fixture
def store(home: Path) -> LocalStore:
    return LocalStore(home / "store")


def verified(home: Path) -> VerifyReport:
    return verify_version(LocalStore(home / "store"), "trips", raw_root=str(home / "raw"))


def kinds(report: VerifyReport) -> set[Kind]:
    return {finding.kind for finding in report.findings}


def newest(store: LocalStore) -> dict[str, Json]:
    found: dict[str, Json] = msgspec.json.decode(store.read(version_key("trips", 2)))
    return found


def overwrite(store: LocalStore, manifest: dict[str, Json], *, redigested: bool = False) -> None:
    """Puts a changed manifest in the place of the newest; redigested, as one who knows how digests are made would."""
    if redigested:
        typed = msgspec.convert(manifest, Manifest)
        manifest = {**manifest, "digest": version_digest(typed.dataset, typed.partitions)}
    Path(store.path(version_key("trips", 2))).write_bytes(msgspec.json.encode(manifest))


# --- what was not changed ---------------------------------------------------------------------------------------------


def test_an_untouched_version_is_proven(home: Path) -> None:
    report = verified(home)
    assert report.findings == ()
    assert report.ok
    assert report.notes == ()
    assert report.files == 7
    assert report.records == 10 + 5 + 10 + 3


def test_every_version_can_be_verified(home: Path, store: LocalStore) -> None:
    assert verify_version(store, "trips", 1, raw_root=str(home / "raw")).ok
    assert verify_version(store, "trips", 2).ok


@pytest.mark.parametrize("version", [0, 3, -1])
def test_a_version_that_is_not_there_is_an_error(store: LocalStore, version: int) -> None:
    with pytest.raises(VersionNotFoundError):
        verify_version(store, "trips", version)
    with pytest.raises(VersionNotFoundError):
        verify_version(store, "nothing")


def test_files_that_no_version_names_are_only_noted(home: Path, store: LocalStore) -> None:
    store.create("trips/clean/2026-10-01/left-by-a-killed-run.parquet", b"")
    report = verified(home)
    assert report.ok
    assert [(note.kind, note.path) for note in report.notes] == [
        (Kind.UNNAMED, "trips/clean/2026-10-01/left-by-a-killed-run.parquet")
    ]


# --- published files --------------------------------------------------------------------------------------------------


def flipped(data: bytes, place: float) -> bytes:
    at = min(int(len(data) * place), len(data) - 1)
    return data[:at] + bytes([data[at] ^ 0x01]) + data[at + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    **{f"a byte flipped at {place}": lambda data, place=place: flipped(data, place) for place in (0, 0.1, 0.5, 0.9, 1)},
    "cut in half": lambda data: data[: len(data) // 2],
    "its last byte cut": lambda data: data[:-1],
    "emptied": lambda _data: b"",
    "a byte more": lambda data: data + b"\0",
    "removed": lambda _data: None,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.AUDIT, Role.SUPERSEDED, Role.DISPUTED)])
def test_damage_to_a_published_file_is_found(
    home: Path, store: LocalStore, role: Role, damage: Callable[[bytes], bytes | None]
) -> None:
    (path,) = (file["path"] for file in newest(store)["partitions"]["2026-10-01"]["files"] if file["role"] == role)
    place = Path(store.path(file_key("trips", path)))
    damaged = damage(place.read_bytes())
    if damaged is None:
        place.unlink()
    else:
        place.write_bytes(damaged)
    report = verified(home)
    assert not report.ok
    assert kinds(report) == {Kind.FILE}
    assert {finding.path for finding in report.findings} == {file_key("trips", path)}


def test_every_single_byte_of_a_file_counts(home: Path, store: LocalStore) -> None:
    (path,) = (file["path"] for file in newest(store)["partitions"]["b/.."]["files"])
    place = Path(store.path(file_key("trips", path)))
    data = place.read_bytes()
    for at in range(0, len(data), 37):
        place.write_bytes(data[:at] + bytes([data[at] ^ 0x80]) + data[at + 1 :])
        assert kinds(verified(home)) == {Kind.FILE}, at


def test_a_file_in_the_place_of_another_is_found(home: Path, store: LocalStore) -> None:
    files = {file["role"]: file["path"] for file in newest(store)["partitions"]["2026-10-01"]["files"]}
    shutil.copy(store.path(file_key("trips", files["quarantine"])), store.path(file_key("trips", files["duplicates"])))
    assert kinds(verified(home)) == {Kind.FILE}


# --- the manifest -----------------------------------------------------------------------------------------------------


def leaves(value: Json, path: Place = ()) -> Iterator[Place]:
    """Paths to everything in a JSON value that is neither an object nor a list."""
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, (*path, key))
    else:
        yield path


def at(value: Json, path: Place) -> Json:
    for key in path:
        value = value[key]
    return value


def changed(manifest: dict[str, Json], path: Place, to: Json) -> dict[str, Json]:
    manifest = copy.deepcopy(manifest)
    at(manifest, path[:-1])[path[-1]] = to
    return manifest


#: What no file can contradict: it says who published and when.
WITNESSES = {("reason",), ("run_id",), ("created_at",)}


def test_every_number_of_a_manifest_counts(home: Path, store: LocalStore) -> None:
    manifest = newest(store)
    numbers = [path for path in leaves(manifest) if type(at(manifest, path)) is int]
    assert len(numbers) > 50
    for path, change in itertools.product(numbers, (-1, 1, -(2**40), 2**62)):
        overwrite(store, changed(manifest, path, at(manifest, path) + change))
        assert not verified(home).ok, (path, change)


def test_every_other_value_of_a_manifest_counts(home: Path, store: LocalStore) -> None:
    manifest = newest(store)
    values = [path for path in leaves(manifest) if type(at(manifest, path)) is not int]
    assert len(values) > 50
    for path in values:
        value = at(manifest, path)
        other = not value if isinstance(value, bool) else "x" if value is None else f"{value}x"
        overwrite(store, changed(manifest, path, other))
        assert verified(home).ok == (path in WITNESSES), path


def test_numbers_are_compared_with_the_files_and_not_only_with_the_digest(home: Path, store: LocalStore) -> None:
    manifest = newest(store)
    numbers = [path for path in leaves(manifest) if type(at(manifest, path)) is int]
    unseen = set()
    for path, change in itertools.product(numbers, (-1, 1)):
        overwrite(store, changed(manifest, path, at(manifest, path) + change), redigested=True)
        if verified(home).ok:
            unseen.add((path[-3:], change))
    # A warning's rows are kept as well, so that quarantine holds the fewest that there can be; cells that were only
    # reformatted are in no file. How a dump was read is told by reading it again.
    uncounted = set(itertools.product([("rules", 0, "rows"), ("steps", 0, "cells")], (-1, 1)))
    dialect = {(path, change) for path, change in unseen if path[-2] == "dialect"}
    assert unseen - dialect == uncounted
    assert {path[-1] for path, _ in dialect} == {"preamble", "footer"}


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (("files",), Kind.BOOKS),
        (("inputs",), Kind.MANIFEST),
        (("books",), Kind.MANIFEST),
        (("rules",), Kind.COUNTS),
        (("rejects",), Kind.COUNTS),
        (("steps",), Kind.COUNTS),
    ],
)
def test_what_is_left_out_of_a_forged_manifest_is_found(
    home: Path, store: LocalStore, part: tuple[str], kind: Kind
) -> None:
    manifest = newest(store)
    overwrite(store, changed(manifest, ("partitions", "2026-10-01", *part), []), redigested=True)
    assert kind in kinds(verified(home))


def test_a_whole_partition_left_out_is_found_by_the_digest(home: Path, store: LocalStore) -> None:
    manifest = newest(store)
    del manifest["partitions"]["b/.."]
    overwrite(store, manifest)
    assert kinds(verified(home)) == {Kind.MANIFEST}


def test_a_partition_under_another_name_is_found(home: Path, store: LocalStore) -> None:
    manifest = newest(store)
    manifest["partitions"]["2026-10-02"] = manifest["partitions"].pop("2026-10-01")
    overwrite(store, manifest, redigested=True)
    assert kinds(verified(home)) == {Kind.MANIFEST}


def test_a_path_that_leads_out_of_the_store_is_not_followed(home: Path, store: LocalStore) -> None:
    (home / "secret").write_bytes(b"x")
    manifest = newest(store)
    path = ("partitions", "2026-10-01", "files", 0, "path")
    for place in ("../../../secret", "/etc/passwd", "clean/2026-10-01/../../../../secret", ""):
        overwrite(store, changed(manifest, path, place), redigested=True)
        assert Kind.FILE in kinds(verified(home))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"dataset": "trips"}', b"[" * 100_000, b'{"format": 9}'],
    ids=["empty", "cut", "list", "null", "binary", "partial", "deep", "newer"],
)
def test_a_broken_manifest_is_found(home: Path, store: LocalStore, data: bytes) -> None:
    Path(store.path(version_key("trips", 2))).write_bytes(data)
    assert Kind.MANIFEST in kinds(verified(home))


def test_an_unknown_field_is_found(home: Path, store: LocalStore) -> None:
    overwrite(store, {**newest(store), "approved": True})
    assert kinds(verified(home)) == {Kind.MANIFEST}


def test_a_manifest_of_another_version_or_data_set_is_found(home: Path, store: LocalStore) -> None:
    shutil.copy(store.path(version_key("trips", 1)), store.path(version_key("trips", 2)))
    assert kinds(verified(home)) == {Kind.MANIFEST, Kind.CHAIN}
    shutil.copytree(store.root / "trips", store.root / "stops")
    assert kinds(verify_version(store, "stops")) >= {Kind.MANIFEST}


def test_a_missing_or_broken_ancestor_is_found(home: Path, store: LocalStore) -> None:
    first = Path(store.path(version_key("trips", 1)))
    manifest = msgspec.json.decode(first.read_bytes())
    first.write_bytes(msgspec.json.encode({**manifest, "parent": 2}))
    assert kinds(verified(home)) == {Kind.CHAIN}
    first.write_bytes(b"")
    assert kinds(verified(home)) == {Kind.CHAIN}
    first.unlink()
    assert kinds(verified(home)) == {Kind.CHAIN}


# --- files that were forged together with their manifest --------------------------------------------------------------


def forge(store: LocalStore, role: Role, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Rewrites a published file, and the manifest with its new rows, size, hash and digest."""
    manifest = newest(store)
    for file in manifest["partitions"]["2026-10-01"]["files"]:
        if file["role"] == role:
            key = file_key("trips", file["path"])
            frame = change(pl.read_parquet(store.path(key)))
            frame.write_parquet(store.path(key))
            file |= {"rows": frame.height, "size": store.size(key), "sha256": store.sha256(key)}
    overwrite(store, manifest, redigested=True)


FORGERIES: dict[str, tuple[Role, Callable[[pl.DataFrame], pl.DataFrame], Kind]] = {
    "a kept row removed": (Role.CLEAN, lambda frame: frame[1:], Kind.BOOKS),
    "a kept row twice": (Role.CLEAN, lambda frame: pl.concat([frame, frame[:1]]), Kind.BOOKS),
    "one kept row twice, another lost": (Role.CLEAN, lambda frame: pl.concat([frame[1:], frame[1:2]]), Kind.BOOKS),
    "a record number that is not there": (
        Role.CLEAN,
        lambda frame: frame.with_columns(pl.col("_record") + pl.when(pl.col("_record") == 7).then(93).otherwise(0)),
        Kind.BOOKS,
    ),
    "a row of another file": (
        Role.CLEAN,
        lambda frame: frame.with_columns(_file=pl.col("_file").str.replace("^.", "z")),
        Kind.BOOKS,
    ),
    "a shorter record": (Role.QUARANTINE, lambda frame: frame.with_columns(pl.col("_length") - 1), Kind.BOOKS),
    "another source": (Role.DUPLICATES, lambda frame: frame.with_columns(_source=pl.lit("a/2.csv")), Kind.BOOKS),
    "a reject removed": (Role.REJECTS, lambda frame: frame[1:], Kind.BOOKS),
    "reasons withheld": (
        Role.QUARANTINE,
        lambda frame: frame.with_columns(pl.col("_rules").list.head(0), pl.col("_reasons").list.head(0)),
        Kind.COUNTS,
    ),
    "a reason too few": (
        Role.QUARANTINE,
        lambda frame: frame.with_columns(pl.col("_reasons").list.head(1)),
        Kind.COUNTS,
    ),
    "another rule": (
        Role.QUARANTINE,
        lambda frame: frame.with_columns(pl.col("_rules").list.eval(pl.element().str.replace("text", "other"))),
        Kind.COUNTS,
    ),
    "another reason of rejection": (
        Role.REJECTS,
        lambda frame: frame.with_columns(pl.col("_rules").list.eval(pl.lit("other"))),
        Kind.COUNTS,
    ),
    "raw bytes withheld": (
        Role.REJECTS,
        lambda frame: frame.with_columns(_raw=pl.lit(None, pl.Binary)),
        Kind.COUNTS,
    ),
    "a duplicate of nothing": (
        Role.DUPLICATES,
        lambda frame: frame.with_columns(_duplicate_of=pl.lit(None, pl.String)),
        Kind.COUNTS,
    ),
    "a repair removed": (Role.REPAIRS, lambda frame: frame[1:], Kind.COUNTS),
    "a repair of another record": (
        Role.REPAIRS,
        lambda frame: frame.with_columns(pl.lit(1, pl.UInt64).alias("_record")),
        Kind.BOOKS,
    ),
    "a repair of no record": (
        Role.REPAIRS,
        lambda frame: frame.with_columns(pl.lit(0, pl.UInt64).alias("_record")),
        Kind.COUNTS,
    ),
    "a repair of another step": (Role.REPAIRS, lambda frame: frame.with_columns(step=pl.lit("nfc")), Kind.COUNTS),
    "another table": (Role.CLEAN, lambda frame: frame.rename({"_record": "record"}), Kind.FILE),
    "another type": (Role.CLEAN, lambda frame: frame.with_columns(pl.col("_file").cast(pl.Binary)), Kind.FILE),
}


@pytest.mark.parametrize(("role", "change", "kind"), FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_file_does_not_balance(
    home: Path, store: LocalStore, role: Role, change: Callable[[pl.DataFrame], pl.DataFrame], kind: Kind
) -> None:
    forge(store, role, change)
    assert kind in kinds(verified(home))
    assert Kind.MANIFEST not in kinds(verified(home))


def test_a_file_whose_hash_is_right_but_that_no_reader_takes_is_found(home: Path, store: LocalStore) -> None:
    manifest = newest(store)
    for number, file in enumerate(manifest["partitions"]["2026-10-01"]["files"]):
        key = file_key("trips", file["path"])
        data = Path(store.path(key)).read_bytes()
        footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
        Path(store.path(key)).write_bytes(data[:footer] + b"\xff\xff\xff\xff" + data[footer + 4 :])
        path = ("partitions", "2026-10-01", "files", number, "sha256")
        overwrite(store, changed(manifest, path, store.sha256(key)), redigested=True)
        assert Kind.FILE in kinds(verified(home)), file["role"]
        Path(store.path(key)).write_bytes(data)


def test_the_files_are_what_the_manifest_says_to_another_reader(store: LocalStore) -> None:
    for entry in newest(store)["partitions"].values():
        for file in entry["files"]:
            assert pq.read_metadata(store.path(file_key("trips", file["path"]))).num_rows == file["rows"]


# --- the dumps --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*DUMPS, *OTHER])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_changed_dump_is_found(home: Path, path: str, damage: Callable[[bytes], bytes | None]) -> None:
    place = home / "raw" / path
    damaged = damage(place.read_bytes())
    if damaged is None:
        place.unlink()
    else:
        place.write_bytes(damaged)
    report = verified(home)
    assert [(finding.kind, finding.path) for finding in report.findings] == [(Kind.RAW, path)]


def test_a_dump_that_is_a_folder_now_is_found(home: Path) -> None:
    (home / "raw/a/1.csv").unlink()
    (home / "raw/a/1.csv").mkdir()
    assert kinds(verified(home)) == {Kind.RAW}


def test_dumps_are_looked_at_only_when_asked(home: Path, store: LocalStore) -> None:
    shutil.rmtree(home / "raw")
    assert verify_version(store, "trips").ok
    assert kinds(verified(home)) == {Kind.RAW}
