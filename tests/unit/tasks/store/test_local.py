"""The local store: objects appear whole or not at all, and nothing that was published is replaced."""

from __future__ import annotations

import datetime as dt
import errno
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from schemas.errors import SettingsError, StoreError
from tasks.store.local import LocalStore, open_store

DATA = "trips/clean/d/0123456789abcdef-00000.parquet"
STAGED = "trips/_staging/d/records.parquet"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def everything_in(store: LocalStore) -> list[Path]:
    return [path for path in store.root.rglob("*") if path.is_file()]


def test_opening_makes_nothing(tmp_path: Path) -> None:
    open_store(tmp_path / "store")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("url", ["gs://bucket/store", "http://127.0.0.1/store"])
def test_another_kind_of_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="expected a folder or s3://bucket/prefix"):
        open_store(url)


def test_create_makes_an_object_once(store: LocalStore) -> None:
    assert store.create("a/b.json", b"first")
    assert not store.create("a/b.json", b"second")
    assert store.read("a/b.json") == b"first"
    assert len(everything_in(store)) == 1


def test_create_survives_writes_that_take_only_a_part(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data)[:7]))
    assert store.create("a", b"0123456789" * 10)
    assert store.read("a") == b"0123456789" * 10


def test_create_recognises_its_own_link_when_the_answer_was_lost(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def link_without_answer(source: Path, target: Path) -> None:
        link(source, target)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    monkeypatch.setattr(os, "link", link_without_answer)
    assert store.create("a", b"mine")


def test_create_loses_a_race_after_looking(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def link_too_late(source: Path, target: Path) -> None:
        Path(target).write_bytes(b"theirs")
        link(source, target)

    monkeypatch.setattr(os, "link", link_too_late)
    assert not store.create("a", b"mine")
    assert store.read("a") == b"theirs"
    assert len(everything_in(store)) == 1


def test_a_file_system_without_links_is_refused_in_words(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_link(source: Path, target: Path) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "link", no_link)
    with pytest.raises(StoreError, match=r"hard links.*local disk"):
        store.create("a", b"x")
    assert everything_in(store) == []


def test_replace_leaves_the_object_before_or_the_new_one(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.replace("a/b.json", b"first")
    store.replace("a/b.json", b"second")
    assert store.read("a/b.json") == b"second"

    def no_space(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(StoreError, match="disk is full"):
        store.replace("a/b.json", b"third")
    assert store.read("a/b.json") == b"second"
    assert len(everything_in(store)) == 1


def test_replace_flushes_before_and_after_it_names(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, Path.replace
    store.create("a/other.json", b"")  # makes the folder, which is flushed, too

    def flush(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def name(source: Path, target: Path) -> Path:
        done.append("name")
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(Path, "replace", name)
    store.replace("a/b.json", b"first")
    assert done == ["file", "name", "folder"]


def test_an_object_is_read_at_any_place(store: LocalStore) -> None:
    store.create("a/b", b"0123456789")
    with store.reading("a/b") as stream:
        assert stream.seek(7) == 7
        assert stream.read() == b"789"
    assert store.storage_options is None


def test_what_fails_while_reading_is_not_blamed_on_the_store(store: LocalStore) -> None:
    store.create("a/b", b"0123456789")
    with pytest.raises(OSError, match="elsewhere"), store.reading("a/b"):
        raise OSError(errno.ENOSPC, "elsewhere")


def test_a_data_file_appears_after_the_block(store: LocalStore) -> None:
    with store.writing(DATA) as path:
        Path(path).write_bytes(b"rows")
        assert not store.exists(DATA)
        assert store.list("") == ()
    assert store.read(DATA) == b"rows"
    assert len(everything_in(store)) == 1


def test_nothing_appears_when_the_block_raises(store: LocalStore) -> None:
    def broken(path: str) -> None:
        Path(path).write_bytes(b"half of the ro")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.write_file(DATA, broken)
    assert everything_in(store) == []


@pytest.mark.parametrize("key", [DATA, STAGED])
def test_the_same_bytes_may_be_written_twice(store: LocalStore, key: str) -> None:
    for _ in range(2):
        store.write_file(key, lambda path: Path(path).write_bytes(b"rows"))
    assert store.read(key) == b"rows"
    assert len(everything_in(store)) == 1


def test_a_published_name_is_never_given_to_other_bytes(store: LocalStore) -> None:
    store.write_file(DATA, lambda path: Path(path).write_bytes(b"rows"))
    with pytest.raises(StoreError, match="other content"):
        store.write_file(DATA, lambda path: Path(path).write_bytes(b"rowz"))
    assert store.read(DATA) == b"rows"
    assert len(everything_in(store)) == 1


def test_a_staged_object_is_replaced(store: LocalStore) -> None:
    for data in (b"of a killed run", b"mine"):
        store.write_file(STAGED, lambda path, data=data: Path(path).write_bytes(data))
    assert store.read(STAGED) == b"mine"


def test_polars_and_the_store_agree_on_awkward_folders(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "with [brackets] * and %2F")
    frame = pl.DataFrame({"a": [1, 2]})
    store.write_file("t/clean/a%2Fb=c/x.parquet", frame.write_parquet)
    assert pl.scan_parquet(store.path("t/clean/a%2Fb=c/x.parquet"), glob=False).collect().equals(frame)


def test_list_gives_whole_objects_below_a_prefix_in_order(store: LocalStore) -> None:
    for key in ("t/b/2", "t/a/1", "t/ab", "u/x"):
        store.create(key, b"")
    (store.root / "t/a/.tmp-left-by-a-killed-writer").write_bytes(b"half")
    assert store.list("t/") == ("t/a/1", "t/ab", "t/b/2")
    assert store.list("t/a") == ("t/a/1", "t/ab")
    assert store.list("t/a/") == ("t/a/1",)
    assert store.list("nowhere/") == ()
    assert store.list("") == ("t/a/1", "t/ab", "t/b/2", "u/x")


def test_size_hash_and_existence(store: LocalStore) -> None:
    store.create("a", b"12345")
    assert store.size("a") == 5
    assert store.sha256("a") == hashlib.sha256(b"12345").hexdigest()
    assert store.exists("a")
    assert not store.exists("b")
    assert not store.exists("a/b")


@pytest.mark.parametrize("ask", ["read", "size", "sha256"])
def test_an_absent_object_is_told(store: LocalStore, ask: str) -> None:
    with pytest.raises(StoreError, match="'nothing/here': it is not there"):
        getattr(store, ask)("nothing/here")


def test_delete_is_done_when_nothing_is_there(store: LocalStore) -> None:
    store.create("a/b", b"")
    store.delete("a/b")
    store.delete("a/b")
    store.delete("never/there")
    assert not store.exists("a/b")


def test_clear_takes_objects_and_leftovers_but_only_below_the_prefix(store: LocalStore) -> None:
    for key in ("t/_staging/d/x", "t/_staging/d/y/z", "t/_staging/da"):
        store.create(key, b"")
    (store.root / "t/_staging/d/.tmp-1").write_bytes(b"")
    store.clear("t/_staging/d/")
    store.clear("t/_staging/d/")
    assert store.list("") == ("t/_staging/da",)
    assert not (store.root / "t/_staging/d").exists()


def test_an_object_and_what_is_unfinished_have_an_age(store: LocalStore) -> None:
    store.create("t/clean/d/x", b"")
    unfinished = Path(store.path("t/clean/d")) / ".tmp-1"
    unfinished.touch()
    then = time.time() - 7200
    for place in (Path(store.path("t/clean/d/x")), unfinished):
        os.utime(place, (then, then))
    assert dt.timedelta(hours=1.9) < store.age("t/clean/d/x") < dt.timedelta(hours=2.1)
    store.clear_unfinished("t/", older_than=dt.timedelta(hours=3))
    assert unfinished.exists()
    store.clear_unfinished("t/", older_than=dt.timedelta(hours=1))
    assert not unfinished.exists()
    with pytest.raises(StoreError):
        store.age("t/clean/d/y")


def test_clear_unfinished_leaves_every_object(store: LocalStore) -> None:
    store.create("t/clean/d/x", b"")
    leftover = store.root / "t/clean/d/.tmp-1"
    leftover.write_bytes(b"")
    store.clear_unfinished("t/clean/d/")
    store.clear_unfinished("t/nowhere/")
    assert store.list("") == ("t/clean/d/x",)
    assert not leftover.exists()


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/etc/passwd", "a//b", "a/./b", "a\nb", "a\0b", ".tmp-1", "a/"])
def test_a_key_that_leads_elsewhere_is_refused(store: LocalStore, key: str) -> None:
    for ask in (store.read, store.path, store.exists, store.delete, lambda key: store.replace(key, b"")):
        with pytest.raises(StoreError, match="is no key"):
            ask(key)


def test_clear_unfinished_leaves_what_may_still_be_written(store: LocalStore) -> None:
    store.create("a/b", b"")
    old, new = store.root / "a/.tmp-old", store.root / "a/.tmp-new"
    for path in (old, new):
        path.write_bytes(b"")
    os.utime(old, (0, 0))
    store.clear_unfinished("a/", older_than=dt.timedelta(hours=1))
    assert (old.exists(), new.exists(), store.exists("a/b")) == (False, True, True)


def test_a_file_in_the_way_is_told(store: LocalStore) -> None:
    store.create("t", b"a file where the data set's folder should be")
    with pytest.raises(StoreError, match="a file lies where a folder is needed"):
        store.create("t/_versions/1.json", b"")
    with pytest.raises(StoreError, match="a file lies where a folder is needed"):
        store.write_file(DATA.replace("trips", "t"), lambda path: Path(path).write_bytes(b""))


def test_a_name_too_long_is_told(store: LocalStore) -> None:
    with pytest.raises(StoreError, match="Shorten the partition's name"):
        store.create("t/" + "x" * 300, b"")


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """For root, who may do everything, the rights of nobody."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


@pytest.mark.usefixtures("unprivileged")
def test_a_store_that_may_not_be_read_or_written_is_told() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))
        store.create("t/_versions/1.json", b"")
        (store.root / "t/_versions").chmod(0o500)
        with pytest.raises(StoreError, match="permission denied"):
            store.create("t/_versions/2.json", b"")
        with pytest.raises(StoreError, match="permission denied"):
            store.delete("t/_versions/1.json")
        (store.root / "t").chmod(0o000)
        for ask in (store.read, store.exists, store.list, store.size):
            with pytest.raises(StoreError, match="permission denied"):
                ask("t/_versions/1.json")
        (store.root / "t").chmod(0o700)
        (store.root / "t/_versions").chmod(0o700)
