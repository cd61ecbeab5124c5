"""Moving between versions in a bucket: tags, moments, rollback, diff, export and retention, as in a folder.

Each is tried for itself over a folder; here it is that a real server gives them all that they ask for.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from schemas.errors import LeaseHeldError
from schemas.policies import Retention
from schemas.records import Role
from tasks.diff.rows import RowCounts
from tasks.diff.stage import diff
from tasks.export.stage import export_parquet
from tasks.publish.rollback import rollback
from tasks.publish.verify import verify_version
from tasks.retain.report import RetainReport
from tasks.retain.stage import retain
from tasks.store.exports import read_exports
from tasks.store.home import Store
from tasks.store.lease import lease
from tasks.store.local import open_store
from tasks.store.paths import file_key
from tasks.store.retired import retired_versions
from tasks.store.tags import delete_tag, read_tag, set_tag
from tasks.store.versions import list_versions, open_version, read_manifest, version_as_of
from tests.partitions import NOW, build, publish, write
from tests.s3_server import S3Server, uploads_in

pytestmark = pytest.mark.s3
_ROOT = Path(__file__).parents[2]


def filled(url: str) -> Store:
    """Version 1 has a, 2 another a, 3 has b as well."""
    store = open_store(url)
    for day, letters in (("a", "kkq"), ("a", "kkkx"), ("b", "kd")):
        publish(store, "trips", write(store, "trips", day, build({f"{day}{len(letters)}.csv": letters})))
    return store


@pytest.fixture
def store(bucket: str) -> Store:
    return filled(f"{bucket}/winnow")


def data_files(store: Store) -> set[str]:
    return {key for role in Role for key in store.list(f"trips/{role.value}/")}


def named(store: Store, *versions: int) -> set[str]:
    entries = [entry for number in versions for entry in read_manifest(store, "trips", number).partitions.values()]
    return {file_key("trips", file.path) for entry in entries for file in entry.files}


def swept(store: Store, run_id: str, keep: int = 1) -> RetainReport:
    return retain(store, "trips", Retention(keep_versions=keep), run_id=run_id, now=NOW)


def test_tags_moments_and_rollback(store: Store) -> None:
    set_tag(store, "trips", "paper", 1, now=NOW)
    set_tag(store, "trips", "paper", 2, now=NOW, move=True)
    assert read_tag(store, "trips", "paper").version == 2
    assert version_as_of(store, "trips", NOW) == 3
    assert rollback(store, "trips", 1, run_id="back", now=NOW).version == 4
    assert not rollback(store, "trips", 1, run_id="again", now=NOW).published
    assert verify_version(store, "trips").ok
    delete_tag(store, "trips", "paper")
    assert store.list("trips/_tags/") == ()


def test_diff_and_export(store: Store, tmp_path: Path) -> None:
    found = diff(store, read_manifest(store, "trips", 1), read_manifest(store, "trips", 3), key=["id"], rows=3)
    assert found.rows == RowCounts(added=2, removed=0, changed=2, unchanged=0)
    assert {each.kind for each in found.sample} == {"added", "changed"}
    manifest = read_manifest(store, "trips", 3)
    report = export_parquet(store, manifest, str(tmp_path / "out"), now=NOW, link=True)
    assert (report.linked, report.copied) == (0, 2)
    rows = pl.read_parquet(tmp_path / "out" / "clean", hive_partitioning=False).sort("_file", "_record")
    assert rows.equals(open_version(store, "trips").scan(Role.CLEAN).collect().sort("_file", "_record"))
    (record,) = read_exports(store, "trips")
    assert record.versions == (3,)


def test_retention(store: Store, s3: S3Server, bucket: str) -> None:
    s3.client().create_multipart_upload(Bucket=bucket.removeprefix("s3://"), Key="winnow/trips/clean/z/half.parquet")
    kept, all_of_them = named(store, 3), data_files(store)
    report = swept(store, "gc")
    assert (report.kept, report.retired, report.files) == ((3,), (1, 2), len(all_of_them - kept))
    assert data_files(store) == kept
    assert verify_version(store, "trips").notes == ()
    assert sorted(retired_versions(store, "trips")) == [1, 2]
    # It may be one that another run sends right now.
    assert uploads_in(s3.client(), bucket.removeprefix("s3://")) == ["winnow/trips/clean/z/half.parquet"]


def test_a_partition_that_is_being_cleaned_is_left_alone(store: Store) -> None:
    store.create("trips/clean/b/" + "e" * 16 + "-00000.parquet", b"about to be published")
    with lease(store, "trips", "a", "running"):
        assert swept(store, "gc").busy == ("a",)
        with pytest.raises(LeaseHeldError), lease(store, "trips", "a", "other"):
            pass
    report = swept(store, "again")
    assert (report.busy, report.young) == ((), 1)
    assert data_files(store) - named(store, 3) == {"trips/clean/b/" + "e" * 16 + "-00000.parquet"}


# Forks a run for each call by which it changes the bucket, and kills it just before that call.
_DYING = """
import datetime as dt, json, os, signal, sys
from schemas.policies import Retention
from tasks.retain.stage import retain
from tasks.store.local import open_store
from tasks.store.s3 import S3Store

NOW = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)

def mortal(name, left):
    call = getattr(S3Store, name)
    def called(*arguments, **options):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return called

for dying_at, url in enumerate(sys.argv[1:], 1):
    child = os.fork()
    if child == 0:
        left = [dying_at]
        for name in ("create", "delete", "clear", "clear_unfinished", "abort_stale_uploads", "hold"):
            setattr(S3Store, name, mortal(name, left))
        retain(open_store(url), "trips", Retention(keep_versions=1), run_id="gc", now=NOW)
        os._exit(0)
    print(json.dumps({"url": url, "died": os.waitpid(child, 0)[1] == signal.SIGKILL}), flush=True)
"""


@pytest.mark.slow
def test_a_killed_gc_is_finished_by_the_next(bucket: str) -> None:
    urls = [f"{bucket}/{number}" for number in range(12)]
    kept = [named(filled(url), 3) for url in urls]
    done = subprocess.run([sys.executable, "-c", _DYING, *urls], cwd=_ROOT, check=True, capture_output=True, text=True)
    deaths = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(death["died"] for death in deaths)
    seen = set()
    for url, needed in zip(urls, kept, strict=True):
        store = open_store(url)
        left = list_versions(store, "trips")
        seen.add(left)
        assert left == tuple(range(left[0], 4))
        assert all(verify_version(store, "trips", number).ok for number in left)
        assert swept(store, "again").kept == (3,)
        assert data_files(store) == needed
        assert verify_version(store, "trips").ok
    assert {(1, 2, 3), (2, 3), (3,)} <= seen
