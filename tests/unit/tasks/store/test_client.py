"""The client: one call is one request, its failure is the one that happened, and a forked child has its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec.asyn
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tasks.store.patience import passes, status
from tasks.store.s3 import bucket_of
from tests.s3_proxy import Fault, S3Proxy
from tests.s3_server import S3Server

pytestmark = pytest.mark.s3

_ROOT = Path(__file__).parents[4]


@pytest.fixture
def proxy(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    with S3Proxy(s3.url) as found:
        monkeypatch.setenv("WINNOW_S3_ENDPOINT", found.url)
        yield found


REQUESTS = ("put_object", "get_object", "head_object", "delete_object", "list_objects_v2")


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.RESET, Fault.INTERNAL, Fault.BUSY])
def test_a_request_that_failed_was_sent_once(proxy: S3Proxy, bucket: str, fault: Fault) -> None:
    found, _ = bucket_of(bucket)
    for request in REQUESTS:
        proxy.rule = lambda *_: Fault.NONE
        found.check()  # so that there is a connection, which is kept: on it requests are repeated most readily
        proxy.seen.clear()
        proxy.rule = lambda *_: fault
        asked = {"Bucket": found.name} if request == "list_objects_v2" else {"Bucket": found.name, "Key": "a"}
        with pytest.raises((BotoCoreError, ClientError)) as raised:
            found.client.call(request, **asked)
        assert passes(raised.value)
        assert [each for _, _, each in proxy.seen] == [fault]


def test_half_an_answer_is_a_lost_one(proxy: S3Proxy, bucket: str) -> None:
    found, _ = bucket_of(bucket)
    found.put("a", b"0123456789" * 100_000)
    proxy.rule = lambda *_: Fault.CUT
    body = found.client.stream(Bucket=found.name, Key="a")
    for ask in (lambda: found.client.fetch(Bucket=found.name, Key="a"), lambda: body.read(1 << 20)):
        with pytest.raises(BotoCoreError) as raised:
            ask()
        assert passes(raised.value)
    body.close()


def test_what_the_server_answers_is_raised_as_it_was(bucket: str) -> None:
    found, _ = bucket_of(bucket)
    found.put("a", b"first")
    with pytest.raises(ClientError) as raised:
        found.client.call("put_object", Bucket=found.name, Key="a", Body=b"second", IfNoneMatch="*")
    assert status(raised.value) == 412
    with pytest.raises(ClientError) as raised:
        found.client.fetch(Bucket=found.name, Key="b")
    assert status(raised.value) == 404


def test_a_body_is_read_in_pieces_and_may_be_left(bucket: str) -> None:
    found, _ = bucket_of(bucket)
    data = os.urandom(3 << 20)
    found.put("a", data)
    body = found.client.stream(Bucket=found.name, Key="a")
    pieces = [body.read(1 << 20), body.read(7), body.read(len(data)), body.read(1)]
    assert [len(piece) for piece in pieces] == [1 << 20, 7, (2 << 20) - 7, 0]
    assert b"".join(pieces) == data
    for _ in range(40):  # more than there are connections
        left = found.client.stream(Bucket=found.name, Key="a")
        assert left.read(3) == data[:3]
        left.close()


def test_a_stream_that_is_forgotten_is_closed_by_whatever_thread_collects_it(bucket: str) -> None:
    found, _ = bucket_of(bucket)
    found.put("a", os.urandom(3 << 20))
    left = found.client.stream(Bucket=found.name, Key="a")
    left.read(3)

    async def collected() -> None:
        left.close()

    fsspec.asyn.sync(fsspec.asyn.get_loop(), collected, timeout=10)
    assert found.head("a") is not None


#: A store that was used before the fork goes on in both, each over a connection of its own.
FORKING = """
import os, sys
from tasks.store.local import open_store

store = open_store(sys.argv[1])
store.create("before", b"parent")
child = os.fork()
if not child:
    done = store.create("child", b"child") and store.read("before") == b"parent" and bool(store.storage_options)
    os._exit(0 if done else 1)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(status, store.read("child"), store.create("after", b"parent"))
"""


def test_a_forked_child_has_a_client_of_its_own(bucket: str) -> None:
    command = [sys.executable, "-c", FORKING, bucket]
    told = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True, timeout=60)
    assert (told.stdout, told.stderr) == ("0 b'child' True\n", "")
