"""Dumps and store in a bucket: the same version as in a folder, and clear words and the last version when S3 fails."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from flows.clean import PLAIN, clean
from schemas.errors import DumpChangedError, EnvironmentFailedError, LeaseLostError, StoreError
from schemas.records import Manifest, RecordId, Role
from tasks.dedupe.task import settle
from tasks.job import Job, Outcome
from tasks.publish.verify import verify_version
from tasks.report.explain import explain
from tasks.store.lease import lease
from tasks.store.local import open_store
from tasks.store.paths import lease_key
from tasks.store.versions import head, list_versions, open_version
from tests.integration.conftest import Place, Server
from tests.integration.test_kill import DECLARATION, RAW
from tests.s3_proxy import Fault, S3Proxy
from tests.s3_server import S3Server, keys_in, put_tree, uploads_in

pytestmark = pytest.mark.s3


def _zipped(data: bytes) -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo("packed.csv"), data)
        return file.getvalue()


#: Each way to read a file that asks for more than its bytes from the first to the last.
FORMATS = {
    "p/plain.csv": RAW["one.csv"],
    "p/again.csv": RAW["one.csv"],
    "p/lines.jsonl.bz2": bz2.compress(b"".join(b'{"id": %d, "shop": "south"}\n' % n for n in range(9000, 9500))),
    "p/packed.csv.zip": _zipped(b"id,shop\n" + b"".join(b"%d,South\n" % n for n in range(9500, 9900))),
    "p/twice.csv": b"id,shop\n" + b"".join(b"%d,north\n" % n for n in range(10, 500)),
    "p/two.csv.gz": gzip.compress(RAW["two.csv"] + b"".join(b"%d,south\n" % n for n in range(5000, 9000)), mtime=0),
}


@pytest.fixture
def home(s3: S3Server, bucket: str, tmp_path: Path) -> Path:
    """Dumps in a folder and, the same, in the bucket below `raw/`."""
    for name, data in FORMATS.items():
        (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "raw" / name).write_bytes(data)
    frame = pl.DataFrame({"id": range(20_000, 23_000), "shop": ["north", "SOUTH", "moon"] * 1000})
    frame.write_parquet(tmp_path / "raw/p/rows.parquet", row_group_size=500)
    (tmp_path / "sales.py").write_text(DECLARATION.replace("{partition}/*.csv", "{partition}/*"))
    put_tree(s3.client(), bucket.removeprefix("s3://"), "raw/", tmp_path / "raw")
    return tmp_path


def job(home: Path, raw: str, store: str, run: str = "r") -> Job:
    return Job("sales", "p", str(home / "sales.py"), raw, store, run_id=run)


def cleaned(home: Path, raw: str, store: str, run: str = "r") -> Outcome:
    return clean(job(home, raw, store, run), PLAIN)


def content(url: str) -> Manifest:
    manifest = head(open_store(url), "sales")
    assert manifest is not None
    return manifest


@pytest.mark.parametrize("where", [("bucket", "bucket"), ("bucket", "folder"), ("folder", "bucket")], ids="-".join)
def test_a_bucket_gives_the_version_that_a_folder_gives(
    home: Path, s3: S3Server, bucket: str, where: tuple[str, str]
) -> None:
    roots = {"folder": str(home), "bucket": bucket}
    raw, store = f"{roots[where[0]]}/raw", f"{roots[where[1]]}/store"
    expected = cleaned(home, str(home / "raw"), str(home / "expected"))
    outcome = cleaned(home, raw, store)
    assert (outcome.digest, outcome.books) == (expected.digest, expected.books)
    assert content(store).partitions == content(str(home / "expected")).partitions
    assert verify_version(open_store(store), "sales", raw_root=raw).ok
    assert cleaned(home, raw, store, run="again").note.startswith("version 1, unchanged")
    if where[1] == "bucket":
        kinds = {key.split("/")[2] for key in keys_in(s3.client(), bucket.removeprefix("s3://"), "store/sales/")}
        assert kinds == {*Role, "reports", "raw", "_versions", "_contracts", "_leases"} - {
            Role.ERASED, Role.AUDIT, Role.SUPERSEDED, Role.DISPUTED,
        }  # fmt: skip
        assert uploads_in(s3.client(), bucket.removeprefix("s3://")) == []
        assert [path for path in (home / "scratch").rglob("*") if path.is_file()] == []


def test_records_are_read_and_explained_from_a_bucket(home: Path, bucket: str) -> None:
    raw, store = f"{bucket}/raw", f"{bucket}/store"
    cleaned(home, raw, store)
    snapshot = open_version(open_store(store), "sales")
    assert snapshot.files(Role.CLEAN)[0].startswith(f"{store}/sales/clean/p/")
    row = snapshot.scan(Role.CLEAN).filter(pl.col("id") == 5001).collect().row(0, named=True)
    found = explain(snapshot.store, snapshot.manifest, RecordId(row["_file"], row["_record"]), raw)
    assert (found.raw, found.raw_from) == ("5001,south\n", "the dump 'p/two.csv.gz'")


def test_a_dump_that_changes_or_vanishes_is_told(home: Path, s3: S3Server, bucket: str) -> None:
    raw, store, name = f"{bucket}/raw", f"{bucket}/store", bucket.removeprefix("s3://")
    cleaned(home, raw, store)
    s3.client().put_object(Bucket=name, Key="raw/p/plain.csv", Body=b"id,shop\n1,north\n")
    s3.client().delete_object(Bucket=name, Key="raw/p/rows.parquet")
    gone = [("raw", "p/plain.csv"), ("raw", "p/rows.parquet")]
    report = verify_version(open_store(store), "sales", raw_root=raw)
    # The store has copies of both, so that nothing is lost.
    assert (report.ok, [(note.kind, note.path) for note in report.notes]) == (True, gone)
    assert verify_version(open_store(store), "sales").ok
    for key in keys_in(s3.client(), name, "store/sales/raw/"):
        s3.client().delete_object(Bucket=name, Key=key)
    report = verify_version(open_store(store), "sales", raw_root=raw)
    assert set(gone) <= {(finding.kind, finding.path) for finding in report.findings}


def test_a_dump_replaced_between_reading_and_reading_again_stops_the_run(home: Path, s3: S3Server, bucket: str) -> None:
    # The same size and even the same second: only its ETag tells.
    def replaced(job: Job, staged: object) -> object:
        data = FORMATS["p/twice.csv"].replace(b"north", b"SOUTH")
        s3.client().put_object(Bucket=bucket.removeprefix("s3://"), Key="raw/p/twice.csv", Body=data)
        return settle.fn(job, staged)

    with pytest.raises(DumpChangedError, match="it changed while it was read"):
        clean(job(home, f"{bucket}/raw", f"{bucket}/store"), PLAIN._replace(settle=replaced))
    assert list_versions(open_store(f"{bucket}/store"), "sales") == ()


def test_a_run_survives_a_network_that_fails(
    home: Path, s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = cleaned(home, str(home / "raw"), str(home / "expected"))
    common = [Fault.INTERNAL, Fault.BUSY, Fault.RESET, Fault.LOST, Fault.LOST_500, Fault.CUT]
    asked: list[str] = []

    def rule(method: str, path: str, _headers: dict[str, str]) -> Fault:
        asked.append(path)
        return common[len(asked) // 12 % len(common)] if len(asked) % 12 == 0 else Fault.NONE

    with S3Proxy(s3.url, rule) as proxy:
        monkeypatch.setenv("WINNOW_S3_ENDPOINT", proxy.url)
        outcome = cleaned(home, f"{bucket}/raw", f"{bucket}/store")
        assert verify_version(open_store(f"{bucket}/store"), "sales", raw_root=f"{bucket}/raw").ok
    assert (outcome.digest, outcome.version, outcome.published) == (expected.digest, 1, True)
    assert {fault for _, _, fault in proxy.seen} > set(common)


# --- what stays ------------------------------------------------------------------------------------------------------


@pytest.fixture
def published(home: Path, bucket: str) -> Iterator[str]:
    """A store with a version, and dumps that would give another; afterwards that version is as it was."""
    store = f"{bucket}/store"
    cleaned(home, str(home / "raw"), store)
    before = content(store)
    (home / "raw/p/more.csv").write_bytes(b"id,shop\n" + b"".join(b"%d,south\n" % n for n in range(30_000, 90_000)))
    yield store
    assert content(store) == before
    assert verify_version(open_store(store), "sales").ok


def test_wrong_credentials_leave_the_version(home: Path, published: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as changed:
        changed.setenv("AWS_SECRET_ACCESS_KEY", "mistyped")
        with pytest.raises(StoreError, match="the server refuses the secret key"):
            cleaned(home, str(home / "raw"), published)


def test_a_server_that_dies_leaves_the_version(
    home: Path, s3: S3Server, published: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with S3Proxy(s3.url) as proxy, monkeypatch.context() as changed:
        changed.setenv("WINNOW_S3_ENDPOINT", proxy.url)
        changed.setenv("WINNOW_S3_PATIENCE", "0.5")

        def dies(job: Job, staged: object) -> object:
            proxy.rule = lambda *_: Fault.RESET
            return settle.fn(job, staged)

        with pytest.raises(StoreError, match=r"the server can't be reached"):
            clean(job(home, str(home / "raw"), published), PLAIN._replace(settle=dies))


def test_a_disk_that_is_full_leaves_the_version(home: Path, published: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small = home / "small"
    small.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(small)]
    if os.geteuid() != 0 or subprocess.run(mounting, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small disk can be mounted only by root, where the machine allows it")
    try:
        with monkeypatch.context() as changed:
            changed.setenv("WINNOW_SCRATCH", str(small))
            with pytest.raises(StoreError, match="the disk is full"):
                cleaned(home, str(home / "raw"), published)
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_run_that_lost_its_lease_publishes_nothing(home: Path, published: str) -> None:
    key = lease_key("sales", "p")

    def taken(job: Job, staged: object) -> object:
        # As another run does when this one was not heard of for too long.
        open_store(published).delete(key)
        with contextlib.closing(_entered(lease(open_store(published), "sales", "p", "another"))):
            return settle.fn(job, staged)

    with pytest.raises(LeaseLostError, match="this run lost its lease"):
        clean(job(home, str(home / "raw"), published, run="slow"), PLAIN._replace(settle=taken))


def _entered(manager: contextlib.AbstractContextManager[None]) -> contextlib.ExitStack:
    stack = contextlib.ExitStack()
    stack.enter_context(manager)
    return stack


def test_a_bucket_that_vanishes_is_told(home: Path, s3: S3Server, bucket: str) -> None:
    store = f"{s3.new_bucket()}/store"
    name, client = store.partition("/")[0], s3.client()

    def vanishes(job: Job, staged: object) -> object:
        for key in keys_in(client, name):
            client.delete_object(Bucket=name, Key=key)
        client.delete_bucket(Bucket=name)
        return settle.fn(job, staged)

    with pytest.raises(EnvironmentFailedError) as raised:
        clean(job(home, str(home / "raw"), f"s3://{store}"), PLAIN._replace(settle=vanishes))
    assert raised.value.fix


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.mark.prefect
def test_a_nightly_run_in_a_bucket_by_the_command_line(home: Path, s3: S3Server, bucket: str, server: Server) -> None:
    (home / "declarations").mkdir()
    (home / "sales.py").rename(home / "declarations/sales.py")
    prefect = {"PREFECT_API_URL": server.api}
    local = Place(home, prefect)
    remote = Place(
        home, prefect | s3.environment() | {"WINNOW_STORE": f"{bucket}/store", "WINNOW_RAW": f"{bucket}/raw"}
    )
    here, there = (json.loads(place.winnow("nightly", "sales", "--json").stdout) for place in (local, remote))
    assert (there["digest"], there["version"], there["published"]) == (here["digest"], 1, True)
    assert json.loads(remote.winnow("verify", "sales", "--json").stdout)["ok"]
    assert remote.winnow("files", "sales").stdout.startswith(f"{bucket}/store/sales/clean/p/")
    wrong = remote.winnow("versions", "sales", "--json", AWS_SECRET_ACCESS_KEY="mistyped")
    assert (wrong.returncode, json.loads(wrong.stdout)["error"]) == (3, "StoreError")
    # What travels through Prefect names places, and neither keys nor secrets.
    stored = json.dumps([server.find("flow_runs"), server.find("task_runs"), server.find("logs")])
    assert all(secret not in stored for secret in (s3.environment()["AWS_SECRET_ACCESS_KEY"], "mistyped"))
