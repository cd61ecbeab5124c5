"""Leases in a bucket: one holder at a time, however the others ended and whatever the clocks say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from schemas.errors import LeaseHeldError, LeaseLostError
from tasks.store import s3_lease
from tasks.store.bucket import Bucket
from tasks.store.holder import Holder
from tasks.store.s3 import bucket_of
from tests.s3_proxy import Fault, S3Proxy
from tests.s3_server import S3Server

pytestmark = pytest.mark.s3

KEY, WHAT = "trips/_leases/p.lock", "trips p"

HOLDS = """
import sys, time
from tasks.store.local import open_store
with open_store(sys.argv[1]).hold("trips/_leases/p.lock", "run-of-another-process", "trips p"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def place(bucket: str) -> Bucket:
    return bucket_of(bucket)[0]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases that end soon; the server tells times by the second."""
    monkeypatch.setattr(s3_lease, "SECONDS", 3.0)


def hold(place: Bucket, run: str = "ours") -> Iterator[None]:
    return s3_lease.hold(place, KEY, run, WHAT)


def taken_by(place: Bucket, holder: Holder, *, seconds: float = 3.0) -> None:
    """Somebody took the lease and is not heard of again."""
    place.put(KEY, msgspec.json.encode(s3_lease._Lease(holder, seconds, "sign")))


def elsewhere(run: str = "theirs") -> Holder:
    return msgspec.structs.replace(Holder.this(run), host="another", machine="another", process=1)


def test_of_many_that_try_at_once_one_holds(place: Bucket) -> None:
    began, ended, held, refused = threading.Barrier(8), threading.Event(), [], []

    def attempt(number: int) -> None:
        began.wait()
        try:
            with hold(place, f"run {number}"):
                held.append(number)
                ended.wait(30)
        except LeaseHeldError:
            refused.append(number)
            if len(refused) == 7:
                ended.set()

    threads = [threading.Thread(target=attempt, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(held), len(refused)) == (1, 7)


def test_a_killed_holder_of_this_machine_is_not_waited_for(place: Bucket, bucket: str) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDS, bucket], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(LeaseHeldError, match="run 'run-of-another-process'"), hold(place):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        with hold(place):
            s3_lease.check_held(place, KEY, "ours", WHAT)


def test_a_silent_holder_elsewhere_is_waited_for_and_then_no_longer(place: Bucket, quick: None) -> None:
    taken_by(place, elsewhere())
    with pytest.raises(LeaseHeldError, match=r"its lease ends in [123] seconds"), hold(place):
        pass
    time.sleep(4.5)
    with hold(place):
        s3_lease.check_held(place, KEY, "ours", WHAT)
        with pytest.raises(LeaseLostError, match="run 'ours'"):
            s3_lease.check_held(place, KEY, "theirs", WHAT)


def test_a_holder_that_lives_renews_its_lease(place: Bucket, quick: None) -> None:
    with hold(place):
        time.sleep(5)
        s3_lease.check_held(place, KEY, "ours", WHAT)
        with pytest.raises(LeaseHeldError), hold(place, "another"):
            pass


def test_a_holder_that_was_cut_off_finds_that_it_lost_its_lease(
    s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    direct = bucket_of(bucket)[0]
    with S3Proxy(s3.url) as proxy:
        monkeypatch.setenv("WINNOW_S3_ENDPOINT", proxy.url)
        monkeypatch.setenv("WINNOW_S3_PATIENCE", "0.2")
        cut_off = bucket_of(bucket)[0]
        with hold(cut_off):
            proxy.rule = lambda *_: Fault.RESET
            time.sleep(5)
            with hold(direct, "another"):
                proxy.rule = lambda *_: Fault.NONE
                with pytest.raises(LeaseLostError, match="this run lost its lease: run 'another'"):
                    s3_lease.check_held(cut_off, KEY, "ours", WHAT)
                time.sleep(1.5)  # it tries to renew, and must not take back what is another's
                s3_lease.check_held(direct, KEY, "another", WHAT)


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.LOST_500, Fault.RESET])
def test_taking_and_renewing_survive_lost_answers(
    s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    with S3Proxy(s3.url) as proxy:
        monkeypatch.setenv("WINNOW_S3_ENDPOINT", proxy.url)
        place, puts = bucket_of(bucket)[0], []

        def every_other(method: str, *_: object) -> Fault:
            puts.append(method)
            return fault if method == "PUT" and puts.count("PUT") % 2 else Fault.NONE

        proxy.rule = every_other
        for run in ("first", "second"):
            with hold(place, run):
                s3_lease.check_held(place, KEY, run, WHAT)


@pytest.mark.parametrize("ahead", [-7 * 24 * 3600, 7 * 24 * 3600])
def test_a_wrong_clock_of_this_machine_changes_nothing(
    place: Bucket, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    taken_by(place, elsewhere(), seconds=60)
    now = time.time
    monkeypatch.setattr(s3_lease, "SECONDS", 60.0)
    monkeypatch.setattr(time, "time", lambda: now() + ahead)
    with pytest.raises(LeaseHeldError), hold(place):
        pass


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]" * 5000])
def test_a_lease_that_was_changed_by_hand_ends_like_any(place: Bucket, quick: None, content: bytes) -> None:
    place.put(KEY, content)
    with pytest.raises(LeaseHeldError, match="another run"), hold(place):
        pass
    if content == b"":
        time.sleep(4.5)
        with hold(place):
            pass


def test_a_process_of_this_machine_is_told_from_one_that_got_its_number() -> None:
    this = Holder.this("r")
    assert not this.is_gone
    assert msgspec.structs.replace(this, born="1").is_gone
    assert not msgspec.structs.replace(this, born="1", machine="another").is_gone
    assert not msgspec.structs.replace(this, born=None).is_gone
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert msgspec.structs.replace(this, process=child.pid).is_gone
    assert Path(f"/proc/{os.getpid()}").exists() == (this.machine is not None)
