"""Commits of many writers on a folder and on S3, also while the network fails: none is lost, none is there twice.

WINNOW_TEST_COMMITS is how many each of the eight writers makes.
"""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.store.local import open_store
from tasks.store.versions import list_versions, read_manifest
from tests.s3_proxy import Fault, S3Proxy
from tests.s3_server import S3Server

_ROOT = Path(__file__).parents[2]
WRITERS = 8
COMMITS = int(os.environ.get("WINNOW_TEST_COMMITS", "50"))

#: Commits entries one after another, each twice under its run id, as a run does that is tried again; prints versions.
COMMITTING = """
import datetime as dt, sys
from schemas.records import PartitionEntry
from tasks.publish.commit import commit
from tasks.store.local import open_store

store, writer, commits = open_store(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for number in range(commits):
    entry = PartitionEntry(f"{writer}-{number}", "c", "i", (), (), (), (), (), ())
    done = commit(
        store, "trips", change=lambda partitions: {**partitions, entry.partition: entry}, reason="run",
        run_id=f"{writer}-{number}", contract="c", now=dt.datetime.now(dt.UTC),
    )
    assert done.published
    print(done.manifest.version, flush=True)
"""


def committed(url: str, writers: int, commits: int) -> list[int]:
    """Lets many processes commit at once; the versions that they were told."""
    command = [sys.executable, "-c", COMMITTING, url]
    processes = [
        subprocess.Popen(
            [*command, f"writer{number}", str(commits)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT,
        )
        for number in range(writers)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    told = [list(map(int, process.communicate(timeout=580)[0].split())) for process in _released(processes)]
    assert [process.returncode for process in processes] == [0] * writers
    return sorted(itertools.chain.from_iterable(told))


def _released(processes: list[subprocess.Popen[str]]) -> Iterator[subprocess.Popen[str]]:
    """All begin before the first one is waited for."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    yield from processes


def check_line(url: str, changes: int) -> None:
    """Each version follows the one before it and adds one partition to it."""
    store, before = open_store(url), set[str]()
    assert list_versions(store, "trips") == tuple(range(1, changes + 1))
    for version in range(1, changes + 1):
        manifest = read_manifest(store, "trips", version)
        now = set(manifest.partitions)
        assert manifest.parent == (version - 1 or None)
        assert before < now
        assert len(now) == len(before) + 1
        before = now


@pytest.mark.timeout(600)
@pytest.mark.parametrize("home", ["folder", pytest.param("bucket", marks=pytest.mark.s3)])
def test_eight_writers_lose_no_commit(home: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = str(tmp_path / "store") if home == "folder" else f"{request.getfixturevalue('bucket')}/store"
    assert committed(url, WRITERS, COMMITS) == list(range(1, WRITERS * COMMITS + 1))
    check_line(url, WRITERS * COMMITS)


@pytest.fixture
def flaky(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    """A network that fails each twentieth request in one of many ways, and loses each fifth answer to a commit."""
    chance, lock = random.Random(7), threading.Lock()
    common = [Fault.INTERNAL, Fault.BUSY, Fault.RESET, Fault.SLOW, Fault.LOST, Fault.LOST_500, Fault.CUT]

    def rule(method: str, path: str, _headers: dict[str, str]) -> Fault:
        with lock:
            if method == "PUT" and "/_versions/" in path and chance.random() < 0.2:
                return chance.choice([Fault.LOST, Fault.LOST_500])
            return chance.choice(common) if chance.random() < 0.05 else Fault.NONE

    with S3Proxy(s3.url, rule) as proxy:
        monkeypatch.setenv("WINNOW_S3_ENDPOINT", proxy.url)
        yield proxy


@pytest.mark.s3
def test_a_network_that_fails_loses_and_doubles_no_commit(flaky: S3Proxy, bucket: str) -> None:
    commits = 25
    assert committed(bucket, 4, commits) == list(range(1, 4 * commits + 1))
    lost = [
        fault for method, path, fault in flaky.seen if fault in (Fault.LOST, Fault.LOST_500) and "/_versions/" in path
    ]
    assert len(lost) >= 10
    flaky.rule = lambda *_: Fault.NONE
    check_line(bucket, 4 * commits)
