"""The lease: one run for each partition, and it ends with its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.errors import LeaseHeldError
from tasks.store.lease import lease
from tasks.store.local import LocalStore
from tasks.store.paths import lease_key

_HOLDER = """
import sys, time
from pathlib import Path
from tasks.store.lease import lease
from tasks.store.local import LocalStore

with lease(LocalStore(Path(sys.argv[1])), "trips", "2026-10-01", "run-of-another-process"):
    print("held", flush=True)
    time.sleep(60)
"""
_ROOT = Path(__file__).parents[4]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def test_a_second_run_is_refused_and_told_who_holds_it(store: LocalStore) -> None:
    with lease(store, "trips", "d", "run-a"), pytest.raises(LeaseHeldError) as caught:
        lease(store, "trips", "d", "run-b").__enter__()
    assert "run 'run-a'" in str(caught.value)
    assert f"process {os.getpid()}" in str(caught.value)
    assert caught.value.where == "trips d"


def test_other_partitions_and_data_sets_are_free(store: LocalStore) -> None:
    with lease(store, "trips", "a", "1"), lease(store, "trips", "b", "2"), lease(store, "stops", "a", "3"):
        pass


def test_it_can_be_taken_again_after_the_block_however_it_ends(store: LocalStore) -> None:
    with pytest.raises(ZeroDivisionError), lease(store, "trips", "a", "1"):
        raise ZeroDivisionError
    with lease(store, "trips", "a", "2"):
        pass


def test_a_killed_holder_holds_nothing(store: LocalStore) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(store.root)], stdout=subprocess.PIPE, text=True, cwd=_ROOT
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LeaseHeldError, match="run-of-another-process"):
            lease(store, "trips", "2026-10-01", "mine").__enter__()
        holder.send_signal(signal.SIGKILL)
        holder.wait(timeout=10)
        with lease(store, "trips", "2026-10-01", "mine"):
            pass
    finally:
        holder.kill()
        holder.communicate()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{}", b'{"run_id": 3}', b"x" * 10_000])
def test_a_holder_that_did_not_sign_is_refused_all_the_same(store: LocalStore, content: bytes) -> None:
    with lease(store, "trips", "a", "1"):
        Path(store.path(lease_key("trips", "a"))).write_bytes(content)
        with pytest.raises(LeaseHeldError, match="another run is cleaning this partition"):
            lease(store, "trips", "a", "2").__enter__()


def test_any_name_of_a_partition_can_be_leased(store: LocalStore) -> None:
    with lease(store, "trips", "../../etc/passwd", "1"):
        pass
    assert [path.parent for path in store.root.rglob("*.lock")] == [store.root / "trips/_leases"]
