"""The way back: from every record of a version to its raw bytes, and from its raw files to the version again.

The dumps here are of every format and of several compressions and encodings, and hold records of every fate. Each store
archives its raw files, so that all must hold when the dumps are gone, too.
"""

from __future__ import annotations

import gzip
import io
import itertools
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import polars as pl
import pytest

from flows.clean import PLAIN, clean
from flows.rebuild import rebuild
from schemas.errors import DumpChangedError, StoreError
from schemas.records import CHUNK_BYTES, Manifest, RawFile, RecordId, Role
from tasks.job import Job, Outcome
from tasks.publish.commit import chained, encoded
from tasks.publish.digest import version_digest
from tasks.publish.rebuilt import Rebuilt
from tasks.publish.verify import Kind, VerifyReport, verify_version
from tasks.report.explain import Explanation, explain
from tasks.report.quarantine import set_aside
from tasks.store.home import Store
from tasks.store.local import open_store
from tasks.store.paths import file_key, version_key
from tasks.store.versions import list_versions, open_version, read_manifest
from tests.campaign.originals import workbook
from tests.partitions import build, publish, write
from tests.s3_server import S3Server, put_tree

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DECLARATION = '''"""Notes: in whatever form they come."""
import pandera.polars as pa

from schemas import Dataset, Dedupe, Gates, Source, steps


class Notes(pa.DataFrameModel):
    id: int
    text: str = pa.Field(str_length={"min_value": 2, "max_value": 100})


DATASET = Dataset(
    model=Notes,
    source=Source("{partition}/*", archive_raw=True),
    steps=(steps.lowercase("text"),),
    dedupe=Dedupe(key=("id",), across="partition"),
    gates=Gates(max_quarantined=0.9, max_rejected=0.9),
)
'''
#: Of each file: one kept, one repaired, one quarantined (a text too short), one rejected (a field too few), a duplicate
#: of the record before. The letter after `n` looks like a line feed to whoever counts bytes of UTF-16.
TEXTS = ("good note", "Loud Note", "x", None, "nĊ, \u0a0aand", "second\nline", "second\nline")


def _csv(first: int) -> str:
    lines = [f"{first + min(n, 5)}" + ("" if text is None else f',"{text}"') for n, text in enumerate(TEXTS)]
    return "\r\n".join(["id,text", *lines, ""])


def _jsonl(first: int) -> bytes:
    rows = [{"id": first + min(n, 5), "text": text} for n, text in enumerate(TEXTS) if text]
    return "\n".join([*(json.dumps(row, ensure_ascii=False) for row in rows), "no json", ""]).encode()


def _parquet(first: int) -> bytes:
    rows = [(first + min(n, 5), text) for n, text in enumerate(TEXTS) if text]
    made = io.BytesIO()
    pl.DataFrame(rows, schema={"id": pl.Int64, "text": pl.String}, orient="row").write_parquet(made)
    return made.getvalue()


def _xlsx(first: int) -> bytes:
    rows = [(str(first + min(n, 5)), text) for n, text in enumerate(TEXTS) if text]
    return workbook([("id", "text"), *rows])


DUMP: dict[str, bytes] = {
    "1.csv": _csv(100).encode(),
    "2.csv": b"\xff\xfe" + _csv(200).encode("utf-16-le"),
    "3.csv.gz": gzip.compress(_csv(300).encode(), mtime=0),
    "4.jsonl.zst": zstd.compress(_jsonl(400)),
    "5.jsonl": _jsonl(500),
    "6.parquet": _parquet(600),
    "7.xlsx": _xlsx(700),
    "8.csv": _csv(100).encode(),
    "9.csv": _csv(900).replace("\r\n", "\r").encode("utf-16"),
}
#: Of the next day, with one file that came the day before too, and one that is longer than a chunk.
NEXT: dict[str, bytes] = {
    "1.csv": DUMP["1.csv"],
    "2.csv": "".join(["id,text\n", *(f"{n},note number {n} of many\n" for n in range(70_000))]).encode(),
}
DAYS = {"2026-10-01": DUMP, "2026-10-02": NEXT}


class Home:
    """A place with dumps, a declaration and a store."""

    def __init__(self, folder: Path, store_root: str, raw_root: str | None = None) -> None:
        self.folder, self.store_root = folder, store_root
        self.raw, self.declaration = folder / "raw", folder / "notes.py"
        self.raw_root = raw_root or str(self.raw)

    @property
    def store(self) -> Store:
        return open_store(self.store_root)

    @property
    def manifest(self) -> Manifest:
        return open_version(self.store, "notes").manifest

    def lay_out(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.declaration.write_text(DECLARATION)
        for day, files in DAYS.items():
            (self.raw / day).mkdir(parents=True)
            for name, data in files.items():
                (self.raw / day / name).write_bytes(data)

    def clean(self, day: str, run_id: str = "run") -> Outcome:
        return clean(Job("notes", day, str(self.declaration), self.raw_root, self.store_root, run_id), PLAIN)

    def verify(self, *, deep: bool = True, version: int | None = None) -> VerifyReport:
        return verify_version(self.store, "notes", version, raw_root=self.raw_root, deep=deep)

    def rebuild(self, version: int | None = None, *, as_published: bool = False, **wanted: list[str]) -> Rebuilt:
        manifest = open_version(self.store, "notes", version).manifest
        declaration = None if as_published else self.declaration
        return rebuild(self.store, manifest, declaration=declaration, raw_root=self.raw_root, **wanted)

    def explain(self, record: str) -> Explanation:
        return explain(self.store, self.manifest, RecordId.parse(record), self.raw_root)

    def input(self, path: str) -> RawFile:
        day = self.manifest.partitions[path.partition("/")[0]]
        return next(raw for raw in day.inputs if raw.path == path)

    def copied(self, folder: Path) -> Home:
        """The same in another place, to be damaged."""
        shutil.copytree(self.folder, folder)
        return Home(folder, str(folder / "store"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A store of two versions, and its dumps; only read from."""
    folder = tmp_path_factory.mktemp("sound") / "notes"
    home = Home(folder, str(folder / "store"))
    home.lay_out()
    for day in DAYS:
        assert home.clean(day).published
    return home


@pytest.fixture
def home(sound: Home, tmp_path: Path) -> Home:
    """The same, to be damaged."""
    return sound.copied(tmp_path / "notes")


@pytest.fixture
def archived(home: Home) -> Home:
    """The same, its dumps gone."""
    shutil.rmtree(home.raw)
    home.raw.mkdir()
    return home


def kinds(report: VerifyReport) -> set[Kind]:
    return {finding.kind for finding in report.findings}


def flip(place: Path, at: int) -> None:
    data = bytearray(place.read_bytes())
    data[at] ^= 0x10
    place.write_bytes(data)


def records(home: Home) -> Iterator[tuple[str, RawFile, int]]:
    for raw in home.manifest.partitions["2026-10-01"].inputs:
        for number in range(1, raw.records + 1):
            yield f"{raw.sha256}:{number}", raw, number


# --- what the dumps hold ----------------------------------------------------------------------------------------------


def test_every_fate_and_format_is_there(sound: Home) -> None:
    entry = sound.manifest.partitions["2026-10-01"]
    assert {raw.format for raw in entry.inputs} == {"csv", "jsonl", "parquet", "xlsx"}
    assert {raw.compression for raw in entry.inputs} == {"none", "gzip", "zstd"}
    assert {raw.encoding for raw in entry.inputs} == {"utf-8", "utf-16-le"}
    total = entry.total
    assert min(total.kept, total.duplicate, total.quarantined, total.rejected, total.repaired) > 5


# --- verify -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2])
def test_each_record_is_proven_from_the_dumps(sound: Home, version: int) -> None:
    report = sound.verify(version=version)
    assert report.findings == report.notes == ()
    assert report.ok
    assert report.reread == report.records > 50


def test_each_record_is_proven_from_the_archive_when_the_dumps_are_gone(archived: Home) -> None:
    report = archived.verify()
    assert report.findings == ()
    assert report.reread == report.records
    assert {note.kind for note in report.notes} == {Kind.RAW}
    assert len(report.notes) == len(DUMP) + len(NEXT)
    assert all("the archive has it" in note.what for note in report.notes)


def test_a_dump_that_is_gone_is_found_where_nothing_was_archived(archived: Home) -> None:
    for key in archived.store.list("notes/raw/"):
        archived.store.delete(key)
    report = archived.verify()
    assert kinds(report) == {Kind.RAW, Kind.ARCHIVE}
    assert len([finding for finding in report.findings if finding.kind is Kind.RAW]) == len(DUMP) + len(NEXT)


@pytest.mark.parametrize("deep", [True, False])
def test_a_flipped_byte_of_a_dump_is_named_by_file_and_range(home: Home, deep: bool) -> None:
    flip(home.raw / "2026-10-02/2.csv", CHUNK_BYTES + 5)
    (note,) = home.verify(deep=deep).notes
    assert note.path == "2026-10-02/2.csv"
    assert f"other bytes between {CHUNK_BYTES:,} and {2 * CHUNK_BYTES:,};" in note.what
    flip(home.raw / "2026-10-02/2.csv", 0)
    flip(home.raw / "2026-10-02/2.csv", CHUNK_BYTES + 5)
    (note,) = home.verify(deep=deep).notes
    assert f"other bytes between 0 and {CHUNK_BYTES:,};" in note.what


@pytest.mark.parametrize("path", [f"2026-10-01/{name}" for name in DUMP if name != "8.csv"])
def test_a_byte_flipped_in_the_archive_is_found(home: Home, path: str) -> None:
    raw = home.input(path)
    assert raw.archive
    place = Path(home.store.path(file_key("notes", raw.archive)))
    size = place.stat().st_size
    for at, deep in ((0, False), (size // 2, True), (size - 1, False)):
        flip(place, at)
        report = home.verify(deep=deep)
        assert [(each.kind, each.path) for each in report.findings] == [(Kind.ARCHIVE, f"notes/{raw.archive}")]
        flip(place, at)


def test_a_record_of_a_contract_that_is_gone_or_another_ones_is_found(home: Home) -> None:
    (key,) = home.store.list("notes/_contracts/")
    place = Path(home.store.path(key))
    data = place.read_bytes()
    place.write_bytes(data.replace(b'"polars": "', b'"polars": "9'))
    assert kinds(home.verify()) == {Kind.CONTRACT}
    place.write_bytes(b"{}")
    assert kinds(home.verify()) == {Kind.CONTRACT}
    place.unlink()
    assert kinds(home.verify()) == {Kind.CONTRACT}


# --- rows that were forged so that all counts and hashes are right ----------------------------------------------------

DUMPS = {"a/1.csv": "kkrdqxkqdr", "a/2.csv": "xqkd", "a/3.csv": "=a/1.csv"}


def forged(home: Path, role: Role, change: Callable[[pl.DataFrame], pl.DataFrame]) -> VerifyReport:
    """What is found in a partition one of whose files says something else, and its manifest agrees."""
    store = open_store(home / "store")
    entry = write(store, "trips", "a", build(DUMPS, home / "raw"))
    manifest = publish(store, "trips", entry).manifest
    assert verify_version(store, "trips", raw_root=str(home / "raw"), deep=True).ok
    files = []
    for file in entry.files:
        key = file_key("trips", file.path)
        if file.role is role:
            change(pl.read_parquet(store.path(key))).write_parquet(store.path(key))
        files.append(msgspec.structs.replace(file, size=store.size(key), sha256=store.sha256(key)))
    partitions = {"a": msgspec.structs.replace(entry, files=tuple(files))}
    again = msgspec.structs.replace(manifest, partitions=partitions, digest=version_digest("trips", partitions))
    store.replace(version_key("trips", 1), encoded(again))
    assert verify_version(store, "trips", raw_root=str(home / "raw")).ok
    return verify_version(store, "trips", raw_root=str(home / "raw"), deep=True)


def swapped(name: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda frame: frame.with_columns(pl.col(name).reverse())


@pytest.mark.parametrize(
    ("role", "change", "told"),
    [
        (Role.CLEAN, swapped("_offset"), "does not stand at the byte"),
        (Role.QUARANTINE, swapped("_offset"), "does not stand at the byte"),
        (Role.QUARANTINE, swapped("_raw"), "has other bytes than its row"),
        (Role.DUPLICATES, swapped("_raw"), "has other bytes than its row"),
        (Role.REJECTS, swapped("_raw"), "has other bytes than its row"),
        (Role.QUARANTINE, swapped("text"), "has other cells than its row"),
        (Role.DUPLICATES, lambda frame: frame.with_columns(id=pl.lit("7")), "has other cells than its row"),
    ],
)
def test_a_forged_row_is_found_by_reading_again(
    tmp_path: Path, role: Role, change: Callable[[pl.DataFrame], pl.DataFrame], told: str
) -> None:
    report = forged(tmp_path, role, change)
    assert kinds(report) == {Kind.RECORDS}
    assert any(told in finding.what for finding in report.findings)


def test_a_record_whose_fate_was_forged_is_found(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    built = build({"a.csv": "kkqx"}, tmp_path / "raw")
    (rejected,), (quarantined,) = built.rows[Role.REJECTS], built.rows[Role.QUARANTINE]
    # The same columns in each other's file.
    for name in ("_record", "_line", "_offset", "_length", "_raw"):
        rejected[name], quarantined[name] = quarantined[name], rejected[name]
    publish(store, "trips", write(store, "trips", "a", built))
    assert verify_version(store, "trips", raw_root=str(tmp_path / "raw")).ok
    report = verify_version(store, "trips", raw_root=str(tmp_path / "raw"), deep=True)
    assert any("can be parsed where it is said to be rejected" in finding.what for finding in report.findings)


def test_a_dialect_that_was_forged_is_found(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    built = build(DUMPS, tmp_path / "raw")
    for number, raw in enumerate(built.inputs):
        assert raw.dialect
        built.inputs[number] = msgspec.structs.replace(raw, dialect=msgspec.structs.replace(raw.dialect, preamble=1))
    publish(store, "trips", write(store, "trips", "a", built))
    report = verify_version(store, "trips", raw_root=str(tmp_path / "raw"), deep=True)
    assert kinds(report) == {Kind.RECORDS}
    assert len(report.findings) == 3


def test_rows_are_found_in_whatever_order_they_stand(home: Home) -> None:
    manifest = home.manifest
    entry = manifest.partitions["2026-10-02"]
    (clean_file,) = (file for file in entry.files if file.role is Role.CLEAN)
    key = file_key("notes", clean_file.path)
    rows = pl.read_parquet(home.store.path(key)).reverse()
    rows.write_parquet(home.store.path(key), row_group_size=999)
    file = msgspec.structs.replace(clean_file, size=home.store.size(key), sha256=home.store.sha256(key))
    files = tuple(file if each.role is Role.CLEAN else each for each in entry.files)
    partitions = {**manifest.partitions, "2026-10-02": msgspec.structs.replace(entry, files=files)}
    again = msgspec.structs.replace(manifest, partitions=partitions, digest=version_digest("notes", partitions))
    home.store.replace(version_key("notes", 2), encoded(again))
    assert home.verify().ok


# --- the chain --------------------------------------------------------------------------------------------------------


def test_what_no_digest_covers_is_bound_by_the_next_manifest(home: Home) -> None:
    first = read_manifest(home.store, "notes", 1)
    for change in ({"run_id": "another"}, {"reason": "nightly"}, {"created_at": "2020-01-01T00:00:00Z"}):
        home.store.replace(version_key("notes", 1), encoded(msgspec.structs.replace(first, **change)))
        assert kinds(home.verify(deep=False)) == {Kind.CHAIN}
    # Whoever replaces a manifest by right chains those behind it anew.
    second = read_manifest(home.store, "notes", 2)
    home.store.replace(version_key("notes", 2), encoded(chained(second, home.store.read(version_key("notes", 1)))))
    report = home.verify(deep=False)
    assert report.ok
    assert report.manifest_sha256 == home.store.sha256(version_key("notes", 2))


# --- the archive ------------------------------------------------------------------------------------------------------


def test_a_copy_is_kept_once_whatever_names_it(sound: Home) -> None:
    contents = {data for files in DAYS.values() for data in files.values()}
    assert len(sound.store.list("notes/raw/")) == len(contents) < len(DUMP) + len(NEXT)
    assert sound.verify(deep=False).notes == ()


def test_what_is_compressed_already_is_kept_as_it_is(sound: Home) -> None:
    for name, data in DUMP.items():
        raw = sound.input(f"2026-10-01/{name}")
        assert raw.archive
        kept = sound.store.read(file_key("notes", raw.archive))
        packed = name.endswith((".csv", ".jsonl"))
        assert raw.archive.endswith(".zst" if packed else ".raw")
        assert (zstd.decompress(kept) if packed else kept) == data


def test_a_copy_that_no_version_names_is_noted(home: Home) -> None:
    home.store.create(f"notes/raw/ab/{'ab' * 32}.zst", b"x")
    (note,) = home.verify(deep=False).notes
    assert note.kind is Kind.UNNAMED


def test_nothing_is_published_over_a_damaged_copy(home: Home) -> None:
    raw = home.input("2026-10-01/1.csv")
    assert raw.archive
    flip(Path(home.store.path(file_key("notes", raw.archive))), 40)
    (home.raw / "2026-10-03").mkdir()
    shutil.copy(home.raw / "2026-10-01/1.csv", home.raw / "2026-10-03/1.csv")
    with pytest.raises(StoreError, match="copy"):
        home.clean("2026-10-03")
    assert list_versions(home.store, "notes") == (1, 2)


def test_a_copy_that_was_removed_is_kept_anew_by_running_again(home: Home) -> None:
    raw = home.input("2026-10-01/1.csv")
    assert raw.archive
    home.store.delete(file_key("notes", raw.archive))
    assert not home.verify(deep=False).ok
    assert not home.clean("2026-10-01", "again").published
    assert home.verify(deep=False).ok
    assert list_versions(home.store, "notes") == (1, 2)


def test_a_dry_run_keeps_no_copy(home: Home) -> None:
    (home.raw / "2026-10-03").mkdir()
    (home.raw / "2026-10-03/1.csv").write_bytes(_csv(1000).encode())
    before = home.store.list("notes/")
    job = Job("notes", "2026-10-03", str(home.declaration), str(home.raw), home.store_root, "run", dry_run=True)
    assert clean(job, PLAIN).books.kept
    assert home.store.list("notes/") == before


def test_a_dump_that_changes_before_it_is_archived_stops_the_partition(home: Home) -> None:
    (home.raw / "2026-10-03").mkdir()
    place = home.raw / "2026-10-03/1.csv"
    place.write_bytes(_csv(1000).encode())

    def changing(job: Job, *args: object) -> Outcome:
        place.write_bytes(_csv(2000).encode())
        return PLAIN.publish(job, *args)  # type: ignore[arg-type]

    job = Job("notes", "2026-10-03", str(home.declaration), str(home.raw), home.store_root, "run")
    with pytest.raises(DumpChangedError, match="before it could be archived"):
        clean(job, PLAIN._replace(publish=changing))
    assert list_versions(home.store, "notes") == (1, 2)
    assert home.verify(deep=False).findings == ()


# --- explain ----------------------------------------------------------------------------------------------------------


def own_bytes(raw: RawFile, number: int) -> str:
    """What the record holds, told without Winnow."""
    name = raw.path.rpartition("/")[2]
    if raw.format == "csv":
        text = _csv(int(name[0]) * 100 if name != "8.csv" else 100)
        end = "\r" if name == "9.csv" else "\r\n"
        lines = text.split("\r\n")[1:-1]
        return lines[number - 1] + end
    rows = [(int(name[0]) * 100 + min(n, 5), text) for n, text in enumerate(TEXTS) if text]
    if raw.format == "jsonl":
        lines = [*(json.dumps({"id": key, "text": text}, ensure_ascii=False) for key, text in rows), "no json"]
        return lines[number - 1] + "\n"
    return json.dumps({"id": str(rows[number - 1][0]), "text": rows[number - 1][1]}, ensure_ascii=False)


def test_every_record_is_explained_from_the_dump(sound: Home) -> None:
    for record, raw, number in records(sound):
        found = sound.explain(record)
        assert found.raw == own_bytes(raw, number), record
        assert f"the dump '{raw.path.replace('8.csv', '1.csv')}'" in found.raw_from


def test_every_record_is_explained_from_the_archive_when_the_dump_is_gone(archived: Home) -> None:
    for record, raw, number in records(archived):
        found = archived.explain(record)
        assert found.raw == own_bytes(raw, number), record
        assert "the archive: the dump can't be opened" in found.raw_from
        assert found.deliveries


def test_a_kept_record_tells_its_line_whatever_the_encoding(sound: Home) -> None:
    for name in ("1.csv", "2.csv", "9.csv"):
        raw = sound.input(f"2026-10-01/{name}")
        lines = {}
        for number in range(1, raw.records + 1):
            (first, *_) = sound.explain(f"{raw.sha256}:{number}").deliveries
            lines[number] = first.line
        # The sixth record holds a line end.
        assert lines == {1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 7, 7: 9}, name


def test_a_changed_dump_is_told_and_the_archive_shown(home: Home) -> None:
    raw = home.input("2026-10-02/2.csv")
    flip(home.raw / raw.path, 100)
    found = home.explain(f"{raw.sha256}:3")
    assert found.raw == "2,note number 2 of many\n"
    assert f"the dump has changed since: other bytes between 0 and {CHUNK_BYTES:,};" in found.raw_from


def test_when_nothing_has_the_bytes_the_rest_is_told(archived: Home) -> None:
    raw = archived.input("2026-10-01/3.csv.gz")
    assert raw.archive
    flip(Path(archived.store.path(file_key("notes", raw.archive))), 30)
    kept = archived.explain(f"{raw.sha256}:1")
    assert kept.raw is None
    assert kept.raw_from.startswith("nowhere: the dump can't be opened")
    assert f"the archived copy has changed since: other bytes between 0 and {raw.size}" in kept.raw_from
    assert kept.deliveries[0].values == {"id": 300, "text": "good note"}
    rejected = archived.explain(f"{raw.sha256}:4")
    assert rejected.raw == "303\r\n"
    assert rejected.raw_from.startswith("the ledger: the dump can't be opened")


def test_set_aside_records_are_listed_in_their_encoding(sound: Home) -> None:
    listed = set_aside(sound.store, sound.manifest, partition="2026-10-01").records
    raws = {each.raw for each in listed if each.source.endswith("2.csv")}
    assert raws == {'202,"x"', "203"}


# --- rebuild ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2])
def test_every_version_is_the_same_again(sound: Home, version: int) -> None:
    rebuilt = sound.rebuild(version)
    assert rebuilt.same
    assert rebuilt.rebuilt_digest == rebuilt.digest == read_manifest(sound.store, "notes", version).digest
    assert [each.same for each in rebuilt.partitions] == [True] * version
    assert rebuilt.changes == ()


def test_every_version_is_the_same_again_from_the_archive(archived: Home) -> None:
    assert archived.rebuild(1).same
    assert archived.rebuild(2).same


def test_a_dump_that_changed_is_not_taken(home: Home) -> None:
    flip(home.raw / "2026-10-01/2.csv", 100)
    assert home.rebuild(1).same
    raw = home.input("2026-10-01/2.csv")
    assert raw.archive
    home.store.delete(file_key("notes", raw.archive))
    rebuilt = home.rebuild(2)
    assert not rebuilt.same
    assert rebuilt.rebuilt_digest is None
    first, second = rebuilt.partitions
    assert first.trouble is not None
    assert "other bytes between 0 and" in first.trouble
    assert second.same
    assert home.rebuild(2, partitions=["2026-10-02"]).same


def test_a_changed_declaration_is_what_explains_a_difference(home: Home) -> None:
    home.declaration.write_text(DECLARATION.replace('"min_value": 2', '"min_value": 1'))
    rebuilt = home.rebuild(1)
    assert not rebuilt.same
    (verdict,) = rebuilt.partitions
    assert not verdict.same_files
    assert any("kept, published" in difference for difference in verdict.differences)
    assert any(difference.startswith("quarantine: ") for difference in verdict.differences)
    (change,) = rebuilt.changes
    assert change.partitions == ("2026-10-01",)
    assert [line for line in change.declaration if line.startswith(("-  ", "+  "))] == [
        '-    text: str = pa.Field(str_length={"min_value": 2, "max_value": 100})',
        '+    text: str = pa.Field(str_length={"min_value": 1, "max_value": 100})',
    ]
    assert change.modules == change.libraries == {}


def test_a_changed_declaration_may_give_the_same_files(home: Home) -> None:
    home.declaration.write_text(DECLARATION.replace("max_quarantined=0.9", "max_quarantined=0.8"))
    (verdict,) = home.rebuild(1).partitions
    assert (verdict.same, verdict.same_files, verdict.differences) == (False, True, ())


def test_under_the_declaration_of_then_the_digest_is_the_same(archived: Home) -> None:
    archived.declaration.write_text(DECLARATION.replace('"min_value": 2', '"min_value": 1'))
    assert not archived.rebuild(1).same
    assert archived.rebuild(1, as_published=True).same
    archived.declaration.unlink()
    assert archived.rebuild(2, as_published=True).same


@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_a_kept_declaration_that_is_not_the_one_of_then_does_not_run(home: Home, damage: str) -> None:
    (key,) = home.store.list("notes/_contracts/")
    place = Path(home.store.path(key))
    traces = home.folder / "it-ran"
    if damage == "changed":
        kept = msgspec.json.decode(place.read_bytes())
        kept["declaration"] = f"open({str(traces)!r}, 'w').close()\n{kept['declaration']}"
        place.write_bytes(msgspec.json.encode(kept))
    else:
        place.unlink()
    rebuilt = home.rebuild(1, as_published=True)
    assert not rebuilt.same
    expected = "has the contract fingerprint" if damage == "changed" else "the record of a contract is missing"
    assert expected in str(rebuilt.partitions[0].trouble)
    assert not traces.exists()


def test_other_code_can_not_stand_in_for_that_of_then(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.publish import contract

    code, libraries = contract._installed()
    monkeypatch.setattr(contract, "_installed", lambda *_: (code, {**libraries, "polars": "9.0"}))
    rebuilt = home.rebuild(1, as_published=True)
    assert "Install the version of Winnow, polars and pandera" in str(rebuilt.partitions[0].trouble)
    assert [change.libraries for change in rebuilt.changes] == [{"polars": f"{libraries['polars']} -> 9.0"}]


def test_changed_code_and_libraries_are_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.publish import contract

    code, libraries = contract._installed()
    other = {**code, "tasks/ingest/jsonl.py": "0" * 64, "tasks/ingest/new.py": "1" * 64}
    monkeypatch.setattr(contract, "_installed", lambda *_: (other, {**libraries, "polars": "9.0"}))
    (change,) = home.rebuild(1).changes
    assert change.declaration == ()
    assert change.modules == {"tasks/ingest/jsonl.py": "changed", "tasks/ingest/new.py": "added"}
    assert change.libraries == {"polars": f"{libraries['polars']} -> 9.0"}


def test_a_file_that_was_forged_is_what_differs(home: Home) -> None:
    manifest = home.manifest
    entry = manifest.partitions["2026-10-01"]
    (clean_file,) = (file for file in entry.files if file.role is Role.CLEAN)
    key = file_key("notes", clean_file.path)
    rows = pl.read_parquet(home.store.path(key)).with_columns(text=pl.lit("forged"))
    rows.write_parquet(home.store.path(key))
    file = msgspec.structs.replace(clean_file, size=home.store.size(key), sha256=home.store.sha256(key))
    files = tuple(file if each.role is Role.CLEAN else each for each in entry.files)
    partitions = {**manifest.partitions, "2026-10-01": msgspec.structs.replace(entry, files=files)}
    again = msgspec.structs.replace(manifest, partitions=partitions, digest=version_digest("notes", partitions))
    home.store.replace(version_key("notes", 2), encoded(again))
    # No hash, count or place is wrong: only cleaning again tells.
    assert home.verify().ok
    rebuilt = home.rebuild(2)
    assert [each.differences for each in rebuilt.partitions] == [("clean: as many rows, other bytes",), ()]
    assert rebuilt.changes == ()
    assert not rebuilt.same


def test_a_manifest_that_leads_out_of_the_folder_is_not_followed(home: Home) -> None:
    manifest = home.manifest
    entry = manifest.partitions["2026-10-01"]
    for path in ("../outside.csv", str(home.folder / "outside.csv")):
        inputs = (msgspec.structs.replace(entry.inputs[0], path=path), *entry.inputs[1:])
        partitions = {**manifest.partitions, "2026-10-01": msgspec.structs.replace(entry, inputs=inputs)}
        home.store.replace(version_key("notes", 2), encoded(msgspec.structs.replace(manifest, partitions=partitions)))
        first, _ = home.rebuild(2).partitions
        assert first.trouble is not None
        assert "no path of a raw file" in first.trouble


def test_progress_is_told(sound: Home) -> None:
    told: list[tuple[str, float]] = []
    verify_version(
        sound.store,
        "notes",
        raw_root=str(sound.raw),
        deep=True,
        progress=lambda what, share: told.append((what, share)),
    )
    assert {what for what, _ in told} > {"2026-10-02: 2026-10-02/2.csv"}
    shares = [share for what, share in told if what == "2026-10-02: 2026-10-02/2.csv"]
    assert all(before <= after for before, after in itertools.pairwise(shares))
    assert shares[-1] == 1.0


# --- oddities ---------------------------------------------------------------------------------------------------------

PACKED = gzip.compress(_csv(100).encode() * 400, mtime=0)
#: Name of a file, its bytes, and how its source is declared.
ODDITIES: dict[str, tuple[str, bytes, str]] = {
    "a stream that breaks off": ("a.csv.gz", PACKED[: len(PACKED) // 2], ""),
    "a corrupt byte in a stream": ("a.csv.gz", PACKED[:200] + b"\xff\xff" + PACKED[202:], ""),
    "an empty file beside a good one": ("a.csv", b"", ""),
    "a header alone": ("a.csv", b"id,text\n", ""),
    "a line that is too long": (
        "a.csv",
        b"id,text\n1,good\n2," + b"x" * 500 + b"\n",
        "limits=Limits(max_record_bytes=64)",
    ),
    "too much text": ("a.csv.gz", PACKED, "limits=Limits(max_text_bytes=5000)"),
    "a preamble and a footer": ("a.csv", b"made today\nid,text\n1,good\n2,fine\n9,total\n", "preamble=1, footer=1"),
    "a mark of order": ("a.csv", b"\xef\xbb\xbfid,text\n1,good\n", ""),
    "escapes and another delimiter": ("a.csv", b"id;text\n1;a\\;b\n2;c\\\nd\n3;x\n", 'escape="\\\\"'),
    "half a unit of UTF-16": ("a.csv", b"\xff\xfe" + "id,text\n1,good\n2,bad".encode("utf-16-le") + b"x", ""),
    "a Parquet file that is none": ("a.parquet", b"PAR1 nothing", ""),
    "an XLSX file that is none": ("a.xlsx", b"PK\x03\x04 nothing", ""),
    "keys twice and others": ("a.jsonl", b'{"id": 1, "id": 2, "text": "abc"}\n{"id": 3, "more": 1}\n\n', ""),
    "a repeated header": ("a.csv", b"id,text\n1,good\nid,text\n2,good\n", ""),
}


@pytest.mark.parametrize(("name", "data", "settings"), ODDITIES.values(), ids=ODDITIES.keys())
def test_odd_files_are_proven_and_rebuilt_too(tmp_path: Path, name: str, data: bytes, settings: str) -> None:
    home = Home(tmp_path, str(tmp_path / "store"))
    declared = DECLARATION.replace("archive_raw=True", f"archive_raw=True, {settings}")
    declared = declared.replace("max_quarantined=0.9, max_rejected=0.9", "allow_empty=True")
    home.declaration.write_text(declared.replace("Source, steps", "Source, steps\nfrom schemas.policies import Limits"))
    (home.raw / "p").mkdir(parents=True)
    (home.raw / "p" / name).write_bytes(data)
    if not settings:
        (home.raw / "p/z.csv").write_bytes(b"id,text\n77,good\n")
    assert home.clean("p").published
    for _ in ("from the dump", "from the archive"):
        report = home.verify()
        assert report.findings == ()
        assert report.reread == report.records
        assert home.rebuild().same
        for raw in home.manifest.partitions["p"].inputs:
            for number in {1, 2, 3, raw.records} & set(range(1, raw.records + 1)):
                told = home.explain(f"{raw.sha256}:{number}")
                assert told.deliveries
                assert "the ledger says others" not in told.raw_from
        shutil.rmtree(home.raw, ignore_errors=True)
        home.raw.mkdir()


# --- in a bucket ------------------------------------------------------------------------------------------------------


def objects(s3: S3Server, name: str, prefix: str) -> list[str]:
    found = s3.client().list_objects_v2(Bucket=name, Prefix=prefix)
    return [each["Key"] for each in found.get("Contents", [])]


@pytest.mark.s3
@pytest.mark.slow
def test_all_of_it_holds_where_store_and_dumps_are_in_a_bucket(
    s3: S3Server, bucket: str, sound: Home, tmp_path: Path
) -> None:
    name = bucket.removeprefix("s3://")
    home = Home(tmp_path / "notes", f"{bucket}/store", f"{bucket}/raw")
    home.lay_out()
    put_tree(s3.client(), name, "raw/", home.raw)
    shutil.rmtree(home.raw)
    for day in DAYS:
        assert home.clean(day).published
    assert home.manifest.digest == sound.manifest.digest
    assert home.verify().reread == home.verify().records
    assert home.rebuild(1).same
    assert home.rebuild(2).same
    raw = home.input("2026-10-01/2.csv")
    assert home.explain(f"{raw.sha256}:5").raw == own_bytes(raw, 5)
    for key in objects(s3, name, "raw/"):
        s3.client().delete_object(Bucket=name, Key=key)
    report = home.verify()
    assert report.ok
    assert (report.reread, len(report.notes)) == (report.records, len(DUMP) + len(NEXT))
    assert home.rebuild(1).same
    assert home.rebuild(2).same
    for path in ("2026-10-01/2.csv", "2026-10-01/3.csv.gz", "2026-10-01/6.parquet"):
        raw = home.input(path)
        found = home.explain(f"{raw.sha256}:5")
        assert found.raw == own_bytes(raw, 5)
        assert "the archive: the dump can't be opened" in found.raw_from
    (key,) = (key for key in objects(s3, name, "store/notes/raw/") if raw.sha256 in key)
    data = bytearray(s3.client().get_object(Bucket=name, Key=key)["Body"].read())
    data[100] ^= 1
    s3.client().put_object(Bucket=name, Key=key, Body=bytes(data))
    assert kinds(home.verify()) == {Kind.ARCHIVE, Kind.RAW}
