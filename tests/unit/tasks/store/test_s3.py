"""The store in a bucket: objects appear whole or not at all, and nothing that was published is replaced."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from schemas.errors import LeaseHeldError, LeaseLostError, SettingsError, StoreError
from tasks.store import probe, upload
from tasks.store.faults import legible
from tasks.store.local import open_store
from tasks.store.s3 import S3Store, bucket_of
from tasks.store.scan import row_count, scan
from tests.s3_proxy import Fault, S3Proxy
from tests.s3_server import S3Server, keys_in, uploads_in

pytestmark = pytest.mark.s3

DATA = "trips/clean/d/0123456789abcdef-00000.parquet"
STAGED = "trips/_staging/d/records.parquet"
BIG = upload.PART_BYTES + 1234


@pytest.fixture
def store(bucket: str) -> S3Store:
    return S3Store(f"{bucket}/a [store] %2F")


@pytest.fixture
def proxy(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    with S3Proxy(s3.url) as found:
        monkeypatch.setenv("WINNOW_S3_ENDPOINT", found.url)
        monkeypatch.setenv("WINNOW_S3_PATIENCE", "5")
        yield found


def everything_in(s3: S3Server, store: S3Store) -> list[str]:
    return keys_in(s3.client(), store.path("").removeprefix("s3://").partition("/")[0])


def scratched(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()]


# --- objects ----------------------------------------------------------------------------------------------------------


def test_opening_and_reading_makes_nothing(s3: S3Server, bucket: str) -> None:
    store = open_store(f"{bucket}/deep/er/")
    assert isinstance(store, S3Store)
    assert store.list("") == ()
    assert not store.exists(DATA)
    assert everything_in(s3, store) == []


def test_create_makes_an_object_once(store: S3Store) -> None:
    assert store.create("a/b.json", b"first")
    assert not store.create("a/b.json", b"second")
    assert store.read("a/b.json") == b"first"
    store.replace("a/b.json", b"third")
    assert store.read("a/b.json") == b"third"


@pytest.mark.parametrize("size", [0, 7, BIG])
def test_a_data_file_appears_whole_after_the_block(store: S3Store, s3: S3Server, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    with store.writing(DATA) as path:
        Path(path).write_bytes(data)
        assert not store.exists(DATA)
    with store.reading(DATA) as stream:
        assert stream.read() == data
    for each in (store, open_store(store.path(""))):  # as it was sent, and as it is fetched back
        assert each.sha256(DATA) == hashlib.sha256(data).hexdigest()
        assert each.size(DATA) == size
    assert uploads_in(s3.client(), store.path("").split("/")[2]) == []
    assert scratched(tmp_path) == []


def test_nothing_appears_when_the_block_raises(store: S3Store, tmp_path: Path) -> None:
    def broken(path: str) -> None:
        Path(path).write_bytes(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.write_file(DATA, broken)
    assert store.list("") == ()
    assert scratched(tmp_path) == []


@pytest.mark.parametrize("size", [10, BIG])
def test_a_published_name_is_never_given_to_other_bytes(store: S3Store, s3: S3Server, size: int) -> None:
    data = os.urandom(size)
    for _ in range(2):
        store.write_file(DATA, lambda path: Path(path).write_bytes(data))
    with pytest.raises(StoreError, match="other content"):
        store.write_file(DATA, lambda path: Path(path).write_bytes(data[:-1] + bytes([data[-1] ^ 1])))
    assert store.sha256(DATA) == hashlib.sha256(data).hexdigest()
    assert uploads_in(s3.client(), store.path("").split("/")[2]) == []


def test_what_was_sent_is_read_again_once_somebody_replaced_it(store: S3Store) -> None:
    store.write_file(DATA, lambda path: Path(path).write_bytes(b"rows"))
    store.replace(DATA, b"others")
    assert store.sha256(DATA) == hashlib.sha256(b"others").hexdigest()


def test_staged_objects_lie_on_this_machine(store: S3Store, s3: S3Server, tmp_path: Path) -> None:
    for rows in (b"rows", b"other rows"):
        store.write_file(STAGED, lambda path, rows=rows: Path(path).write_bytes(rows))
    assert store.read(STAGED) == Path(store.path(STAGED)).read_bytes() == b"other rows"
    assert store.list("trips/_staging/d/") == (STAGED,)
    assert (store.size(STAGED), store.exists(STAGED)) == (10, True)
    assert [each for each in everything_in(s3, store) if "_staging" in each] == []
    store.clear("trips/_staging/d/")
    assert scratched(tmp_path) == []


def test_frames_of_any_name_are_scanned(store: S3Store) -> None:
    keys = ["trips/clean/day=1 [a]%2F*/x.parquet", "trips/clean/b/x.parquet"]
    for number, key in enumerate(keys):
        store.write_file(key, pl.DataFrame({"a": [number, number + 10]}).write_parquet)
    assert scan(store, keys).collect().get_column("a").to_list() == [0, 10, 1, 11]
    assert row_count(store, keys[0]) == 2
    store.write_file(STAGED, pl.DataFrame({"a": [5]}).write_parquet)
    assert scan(store, [STAGED]).collect().height == 1


def test_list_gives_objects_below_a_prefix_in_order(store: S3Store) -> None:
    for key in ("b/2", "b/10", "a", "b/1", "bb/1"):
        store.create(key, b"")
    assert store.list("") == ("a", "b/1", "b/10", "b/2", "bb/1")
    assert store.list("b/1") == ("b/1", "b/10")
    assert store.list("b/", after="b/1") == ("b/10", "b/2")
    assert store.list("c/") == ()


def test_a_listing_has_more_than_a_page(store: S3Store, monkeypatch: pytest.MonkeyPatch, s3: S3Server) -> None:
    name, prefix = bucket_of(store.path(""))
    for number in range(5):
        store.create(f"t/{number}", b"")
    real = name.client.call
    monkeypatch.setattr(store._bucket.client, "call", lambda request, **asked: real(request, **asked, MaxKeys=2))
    assert store.list("t/") == tuple(f"t/{number}" for number in range(5))
    assert prefix == "a [store] %2F/"


@pytest.mark.parametrize("ask", ["read", "size", "sha256"])
def test_an_absent_object_is_told(store: S3Store, ask: str) -> None:
    with pytest.raises(StoreError, match="'nothing/here': it is not there"):
        getattr(store, ask)("nothing/here")


def test_an_object_is_read_at_any_place_but_not_after_it_was_replaced(store: S3Store) -> None:
    data = os.urandom(12 << 20)
    store.create("a/b", data)
    with store.reading("a/b") as stream:
        assert stream.seek(-5, os.SEEK_END) == len(data) - 5
        assert stream.read() == data[-5:]
        assert stream.read(1) == b""
        assert stream.seek(100) == 100
        assert stream.read(2 << 20) == data[100 : 100 + (2 << 20)]
        store.replace("a/b", data[::-1])
        with pytest.raises(StoreError, match="replaced while it was read"):
            stream.read()


def test_delete_and_clear(store: S3Store, s3: S3Server) -> None:
    store.delete("nothing")
    for key in ("a/1", "a/2", "a/3", "ab/1"):
        store.create(key, b"")
    store.delete("a/1")
    assert store.list("") == ("a/2", "a/3", "ab/1")
    name = store.path("").split("/")[2]
    s3.client().create_multipart_upload(Bucket=name, Key="a [store] %2F/a/half")
    store.clear("a/")
    assert store.list("") == ("ab/1",)
    assert uploads_in(s3.client(), name) == []


def test_unfinished_uploads_are_ended_by_place_or_by_age(store: S3Store, s3: S3Server) -> None:
    name = store.path("").split("/")[2]
    for key in ("trips/clean/p/x", "trips/clean/q/x"):
        s3.client().create_multipart_upload(Bucket=name, Key=f"a [store] %2F/{key}")
    s3.client().create_multipart_upload(Bucket=name, Key="another/store")
    store.clear_unfinished("trips/clean/p/")
    assert uploads_in(s3.client(), name) == ["a [store] %2F/trips/clean/q/x", "another/store"]
    assert store.abort_stale_uploads(dt.timedelta(hours=1)) == 0
    assert store.abort_stale_uploads(dt.timedelta(0)) == 1
    assert uploads_in(s3.client(), name) == ["another/store"]


@pytest.mark.parametrize("key", ["../a", "a//b", "/a", "a/", "a/.tmp-x", "a\nb", ""])
def test_a_key_that_leads_elsewhere_is_refused(store: S3Store, key: str) -> None:
    for ask in (store.read, store.exists, store.delete, store.size, lambda key: store.replace(key, b"")):
        with pytest.raises(StoreError, match="is no key"):
            ask(key)


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["s3://", "s3:///a", "s3://a b/c", "s3://user:hidden@bucket/x"])
def test_a_url_without_a_bucket_is_refused(s3: S3Server, url: str) -> None:
    with pytest.raises(SettingsError, match="expected s3://bucket/prefix") as raised:
        open_store(url)
    assert "hidden" not in str(raised.value)


def test_a_bucket_that_is_not_there_is_not_made(s3: S3Server) -> None:
    store = open_store("s3://no-such-bucket/store")
    with pytest.raises(StoreError, match="there is no such bucket"):
        store.create("a", b"")
    with pytest.raises(StoreError, match="there is no such bucket"):
        store.list("")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("AWS_SECRET_ACCESS_KEY", "mistyped-secret", "secret key"), ("AWS_ACCESS_KEY_ID", "no-such-key", "access key")],
)
def test_wrong_credentials_are_told_without_them(
    bucket: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    store = open_store(bucket)
    for ask in (lambda: store.create("a", b""), lambda: store.list(""), lambda: store.read("a")):
        with pytest.raises(StoreError, match=f"the {told}") as raised:
            ask()
        assert value not in f"{raised.value!r} {raised.value.__cause__!r}"


def test_no_credentials_are_told(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SettingsError, match="missing: AWS_SECRET_ACCESS_KEY"):
        open_store(bucket)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(SettingsError, match="no credentials for S3; expected AWS_ACCESS_KEY_ID"):
        open_store(bucket)
    monkeypatch.setenv("WINNOW_S3_PROFILE", "nobody")
    with pytest.raises(SettingsError, match="nobody"):
        open_store(bucket)


def test_a_server_that_is_not_there_is_told_in_time(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_S3_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("WINNOW_S3_PATIENCE", "0.3")
    with pytest.raises(StoreError, match=r"can't be reached \(EndpointConnectionError\), and did so for 0.3 seconds"):
        open_store(bucket).read("a")


@pytest.mark.parametrize(("fault", "header"), [(Fault.UNCONDITIONAL, "If-None-Match"), (Fault.UNMATCHED, "If-Match")])
def test_a_server_that_ignores_conditions_is_refused(proxy: S3Proxy, bucket: str, fault: Fault, header: str) -> None:
    proxy.rule = lambda *_: fault
    with pytest.raises(StoreError, match=rf"takes a put that it must refuse \({header}\)"):
        open_store(bucket).create("a/b", b"")
    assert not open_store(bucket).exists("a/b")


def test_a_server_is_asked_for_its_promise_once(proxy: S3Proxy, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        open_store(bucket).create(f"a/{number}", b"")
    assert sum(path.endswith(f"/{probe.PROBE}") for _, path, _ in proxy.seen) == 3


FAILURES = [Fault.INTERNAL, Fault.BUSY, Fault.RESET, Fault.LOST, Fault.LOST_500]


@pytest.mark.parametrize("fault", FAILURES)
def test_a_create_that_failed_once_says_what_it_did(proxy: S3Proxy, bucket: str, fault: Fault) -> None:
    store = open_store(bucket)
    store.create("a/before", b"")
    faults = iter([fault, fault])
    proxy.rule = lambda method, *_: next(faults, Fault.NONE) if method == "PUT" else Fault.NONE
    assert store.create("a/b", b"ours")
    faults = iter([fault, fault])
    assert not store.create("a/b", b"others")
    assert store.read("a/b") == b"ours"


@pytest.mark.parametrize("fault", [*FAILURES, Fault.CUT])
def test_a_large_file_survives_failures_of_each_request(proxy: S3Proxy, bucket: str, fault: Fault) -> None:
    store, data = open_store(bucket), os.urandom(BIG)
    store.create("a/before", b"")
    failed: set[str] = set()

    def first_time(method: str, path: str, _: object) -> Fault:
        what = f"{method} {path}"
        return Fault.NONE if what in failed or failed.add(what) else fault

    proxy.rule = first_time
    store.write_file(DATA, lambda path: Path(path).write_bytes(data))
    with store.reading(DATA) as stream:
        assert hashlib.sha256(stream.read()).digest() == hashlib.sha256(data).digest()
    assert len(failed) >= 6


def test_a_server_that_stays_broken_is_told(proxy: S3Proxy, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_S3_PATIENCE", "0.5")
    store = open_store(bucket)
    store.create("a/before", b"")
    proxy.rule = lambda *_: Fault.INTERNAL
    with pytest.raises(StoreError, match=r"answered 500 'InternalError', and did so for 0.5 seconds"):
        store.create("a/b", b"")


def test_what_polars_meets_on_a_server_is_told_in_words(
    s3: S3Server, store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_file(DATA, pl.DataFrame({"a": [1]}).write_parquet)
    rows = scan(store, [DATA])
    store.delete(DATA)
    with pytest.raises(StoreError, match=r"can't read 'x': it is not there"), legible("x"):
        rows.collect()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mistyped-secret")
    wrong = open_store(store.path(""))
    told = r"can't read 'x': permission denied, or the credentials are wrong"
    with pytest.raises(StoreError, match=told) as raised, legible("x"):
        scan(wrong, [DATA]).collect()
    assert "Signature" not in str(raised.value)


# --- leases -----------------------------------------------------------------------------------------------------------


def test_a_lease_is_refused_and_given_back(store: S3Store) -> None:
    with store.hold("t/_leases/p.lock", "first", "t p"):
        store.check_held("t/_leases/p.lock", "first", "t p")
        with pytest.raises(LeaseHeldError, match="run 'first'"), store.hold("t/_leases/p.lock", "second", "t p"):
            pass
        with store.hold("t/_leases/q.lock", "second", "t q"):
            pass
    with store.hold("t/_leases/p.lock", "second", "t p"), pytest.raises(LeaseLostError):
        store.check_held("t/_leases/p.lock", "first", "t p")
