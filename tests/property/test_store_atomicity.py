"""Law 5: a reader sees version n or n + 1, whoever else writes, wherever a writer is killed, and on a full disk.

The processes, the kills and the disk are real. Where a writer dies is chosen in two ways: before every single call by
which it touches the disk, one after another, and at moments that nobody chose, while polars writes.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from schemas.errors import StoreError
from schemas.records import Role
from tasks.store.local import LocalStore
from tasks.store.paths import data_key, file_key
from tasks.store.versions import head, list_versions, read_manifest
from tests.partitions import build, publish, write

_ROOT = Path(__file__).parents[2]


def started(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)


def check_whole(store: LocalStore, dataset: str = "trips") -> tuple[int, ...]:
    """Every version is readable, follows the one before it, and has all its files, whole; gives the versions."""
    versions = list_versions(store, dataset)
    assert versions == tuple(range(1, len(versions) + 1))
    for version in versions:
        manifest = read_manifest(store, dataset, version)
        assert manifest.parent == (version - 1 or None)
        for entry in manifest.partitions.values():
            for file in entry.files:
                assert store.sha256(file_key(dataset, file.path)) == file.sha256
    return versions


def unfinished(store: LocalStore) -> list[Path]:
    return list(store.root.rglob(".tmp-*"))


# --- many writers -----------------------------------------------------------------------------------------------------

_COMMITTING = """
import datetime as dt, sys
from pathlib import Path
from schemas.records import PartitionEntry
from tasks.publish.commit import commit
from tasks.store.local import LocalStore

store, writer = LocalStore(Path(sys.argv[1])), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for number in range(10):
    entry = PartitionEntry(f"{writer}-{number}", "c", "i", (), (), (), (), (), ())
    done = commit(
        store, "trips", change=lambda partitions: {**partitions, entry.partition: entry}, reason="run",
        run_id=f"{writer}-{number}", contract="c", now=dt.datetime.now(dt.UTC),
    )
    assert done.published
    print(done.manifest.version, flush=True)
"""


def test_commits_of_many_processes_are_one_line_that_lost_none(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _COMMITTING, str(tmp_path)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": _ROOT}
    writers = [subprocess.Popen([*command, name], **pipes) for name in "abcd"]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"  # type: ignore[union-attr]
    for writer in writers:
        writer.stdin.write("go\n")  # type: ignore[union-attr]
        writer.stdin.flush()  # type: ignore[union-attr]
    told = [list(map(int, writer.communicate(timeout=120)[0].split())) for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4

    store = LocalStore(tmp_path)
    assert check_whole(store) == tuple(range(1, 41))
    assert sorted(version for versions in told for version in versions) == list(range(1, 41))
    before: set[str] = set()
    for version in range(1, 41):
        manifest = read_manifest(store, "trips", version)
        assert manifest.partitions.keys() - before == {manifest.run_id}
        assert before < manifest.partitions.keys()
        before = set(manifest.partitions)
    assert before == {f"{name}-{number}" for name in "abcd" for number in range(10)}
    assert unfinished(store) == []


# --- a writer that dies -----------------------------------------------------------------------------------------------

# Forks a run for each call to the disk that it makes, kills it just before that call, keeps a copy of what is left, and
# runs it again. Nothing here has threads, so that forking is safe, and starting Python once is enough. Prints, for each
# run, whether it died and before which call.
_DYING = """
import datetime as dt, hashlib, json, os, shutil, signal, sys
from pathlib import Path
from schemas.records import OutputFile, PartitionEntry, Role
from tasks.publish.commit import commit
from tasks.store.lease import lease
from tasks.store.local import LocalStore
from tasks.store.paths import data_key, path_in, staging_key

DATA = b"rows " * 1000

def run(root):
    store = LocalStore(root)
    with lease(store, "trips", "d", "run"):
        store.write_file(staging_key("trips", "d", "x"), lambda path: Path(path).write_bytes(DATA))
        key = data_key("trips", Role.CLEAN, "d", "0" * 16)
        store.write_file(key, lambda path: Path(path).write_bytes(DATA))
        file = OutputFile(Role.CLEAN, path_in("trips", key), 1, len(DATA), hashlib.sha256(DATA).hexdigest())
        entry = PartitionEntry("d", "c", "i", (), (), (file,), (), (), ())
        commit(store, "trips", change=lambda partitions: {**partitions, "d": entry}, reason="run", run_id="run",
               contract="c", now=dt.datetime(2026, 11, 23, tzinfo=dt.UTC))
        store.clear("trips/_staging/d/")

def mortal(name, left, pipe):
    call = getattr(os, name)
    def called(*arguments, **options):
        left[0] -= 1
        if left[0] == 0:
            call_write(pipe, name.encode())
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return called

call_write = os.write
for dying_at in range(1, 1000):
    root = Path(sys.argv[1], str(dying_at))
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        left = [dying_at]
        for name in ("open", "write", "fsync", "link", "replace", "unlink", "mkdir", "scandir", "ftruncate"):
            setattr(os, name, mortal(name, left, into))
        run(root)
        os._exit(0)
    os.close(into)
    ended = os.waitpid(child, 0)[1]
    print(json.dumps({"root": str(root), "died": ended == signal.SIGKILL, "before": os.read(out, 99).decode()}))
    os.close(out)
    if ended == 0:
        break
    assert ended == signal.SIGKILL
    if root.exists():
        shutil.copytree(root, f"{root}.killed")
    run(root)
"""


def test_a_writer_may_die_before_any_call_to_the_disk(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _DYING, str(tmp_path)]
    done = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True)
    deaths = [json.loads(line) for line in done.stdout.splitlines()]
    assert {death["before"] for death in deaths if death["died"]} >= {"open", "write", "fsync", "link", "unlink"}
    assert len(deaths) > 30
    assert [death["died"] for death in deaths] == [True] * (len(deaths) - 1) + [False]

    data, seen = b"rows " * 1000, []
    for death in deaths[:-1]:
        killed = LocalStore(Path(f"{death['root']}.killed"))
        seen.append(len(check_whole(killed)))
        for key in killed.list("trips/clean/"):
            assert killed.read(key) == data, death
        again = LocalStore(Path(death["root"]))
        assert check_whole(again) == (1,), death
        assert again.list("trips/_staging/") == (), death
    # Version 0 or 1 and nothing between: once it is there it stays, however early after that the writer dies.
    assert seen == sorted(seen)
    assert set(seen) == {0, 1}


_SINKING = """
import datetime as dt, itertools, sys
from pathlib import Path
import polars as pl
from schemas.records import PartitionEntry, Role
from tasks.publish.commit import commit
from tasks.store.local import LocalStore
from tasks.store.paths import data_key
from tasks.store.sinks import output_file

store = LocalStore(Path(sys.argv[1]))
rows = pl.LazyFrame().select(pl.int_range(1_000_000).alias("a")).with_columns(b=pl.col("a").hash())
print("writing", flush=True)
for number in itertools.count():
    key = data_key("trips", Role.CLEAN, f"{sys.argv[2]}-{number}", "0" * 16)
    store.write_file(key, rows.sink_parquet)
    file = output_file(store, "trips", Role.CLEAN, key)
    entry = PartitionEntry(f"{sys.argv[2]}-{number}", "c", "i", (), (), (file,), (), (), ())
    commit(store, "trips", change=lambda partitions: {**partitions, entry.partition: entry}, reason="run",
           run_id=entry.partition, contract="c", now=dt.datetime.now(dt.UTC))
"""


def test_a_writer_that_is_killed_while_polars_writes_leaves_the_last_version_whole(tmp_path: Path) -> None:
    store, chance, leftovers, versions = LocalStore(tmp_path), random.Random(5), 0, 0
    for attempt in range(6):
        writer = started(_SINKING, tmp_path, attempt)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        time.sleep(chance.uniform(0.02, 0.5))
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        found = len(check_whole(store))
        assert found >= versions
        versions = found
        for key in store.list("trips/clean/"):
            assert pq.read_metadata(store.path(key)).num_rows == 1_000_000
        leftovers += len(unfinished(store))
        # As the holder of the lease does when it begins. A manifest that was not finished stays, since nobody could
        # tell it from one that another run is writing.
        store.clear_unfinished("trips/clean/")
        assert {path.parent.name for path in unfinished(store)} <= {"_versions"}
    assert leftovers, "no kill came in the midst of a file, so this tried nothing"


# --- a full disk ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mounted)]
    if os.geteuid() != 0 or subprocess.run(mounting, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small disk can be mounted only by root, where the machine allows it")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def fill(disk: Path) -> Path:
    """Takes all the room there is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream:
        for size in (1 << 16, 1 << 12):
            try:
                while stream.write(b"\0" * size):
                    pass
            except OSError:
                pass
    return filler


def test_a_full_disk_costs_nothing_that_was_published(small_disk: Path) -> None:
    store = LocalStore(small_disk / "store")
    publish(store, "trips", write(store, "trips", "a", build({"a.csv": "kqdx"})))
    entry = write(store, "trips", "b", build({"b.csv": "kqdx"}))
    published, objects = head(store, "trips"), store.list("")
    filler = fill(small_disk)

    rows = pl.LazyFrame().select(pl.int_range(1_000_000).hash())
    key = data_key("trips", Role.CLEAN, "c", "0" * 16)
    for attempt in (
        functools.partial(store.write_file, key, rows.sink_parquet),
        functools.partial(store.write_file, key, rows.collect().write_parquet),
        functools.partial(store.write_file, key, lambda path: pq.write_table(rows.collect().to_arrow(), path)),
        functools.partial(store.create, "trips/reports/x", b"\0" * 100_000),
        functools.partial(publish, store, "trips", entry),
    ):
        with pytest.raises(StoreError, match=r"the disk is full\. Free space there, then run"):
            attempt()
        assert store.list("") == objects
        assert unfinished(store) == []
        assert head(store, "trips") == published
        check_whole(store)

    filler.unlink()
    assert publish(store, "trips", entry).manifest.version == 2
    assert check_whole(store) == (1, 2)


# --- the store as a table of objects ----------------------------------------------------------------------------------

KEYS = st.sampled_from(["t/a", "t/b/c", "t/b/d", "t/_staging/p/x", "t/_staging/p/y", "u/a"])


class Objects(RuleBasedStateMachine):
    """Any sequence of calls does to the folder what it would do to a dict; only staged objects can be replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = LocalStore(Path(self.folder.name))
        self.model: dict[str, bytes] = {}

    @rule(key=KEYS, data=st.binary(max_size=3))
    def create(self, key: str, data: bytes) -> None:
        assert self.store.create(key, data) == (key not in self.model)
        self.model.setdefault(key, data)

    @rule(key=KEYS, data=st.binary(max_size=3))
    def write(self, key: str, data: bytes) -> None:
        written = functools.partial(self.store.write_file, key, lambda path: Path(path).write_bytes(data))
        if "_staging" not in key and self.model.get(key, data) != data:
            with pytest.raises(StoreError, match="other content"):
                written()
        else:
            written()
            self.model[key] = data

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.store.delete(key)
        self.model.pop(key, None)

    @rule(prefix=st.sampled_from(["t/_staging/p/", "t/b/", "u/", "nowhere/"]))
    def clear(self, prefix: str) -> None:
        self.store.clear(prefix)
        self.model = {key: data for key, data in self.model.items() if not key.startswith(prefix)}

    @invariant()
    def same_objects(self) -> None:
        assert self.store.list("") == tuple(sorted(self.model))
        for key, data in self.model.items():
            assert self.store.read(key) == data
            assert self.store.size(key) == len(data)
            assert self.store.sha256(key) == hashlib.sha256(data).hexdigest()

    def teardown(self) -> None:
        self.folder.cleanup()


TestObjects = Objects.TestCase
