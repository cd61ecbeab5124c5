"""A folder outside of the store: whole or not at all, and never a way to change what was published."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from pathlib import Path

import pytest

from schemas.errors import StoreError, UsageError
from tasks.store.local import LocalStore
from tasks.store.outside import appearing, check_free, place, write

DATA = b"rows " * 100
KEY = "trips/clean/a/x.parquet"
FACTS = {"size": len(DATA), "sha256": hashlib.sha256(DATA).hexdigest()}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "store")
    store.create(KEY, DATA)
    return store


def test_a_folder_appears_when_it_is_filled(tmp_path: Path) -> None:
    with appearing(tmp_path / "deep" / "out") as filling:
        write(filling / "a", b"1")
        assert not (tmp_path / "deep" / "out").exists()
    assert (tmp_path / "deep" / "out" / "a").read_bytes() == b"1"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]


def test_nothing_is_left_of_one_that_failed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), appearing(tmp_path / "out"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_one_left_is_removed_and_what_is_being_filled_is_not(tmp_path: Path) -> None:
    dead, living, other = (tmp_path / name for name in (".a[b.winnow-1", ".a[b.winnow-2", ".ab.winnow-3"))
    for each in (dead, living, other):
        each.mkdir()
        (each / "half").write_bytes(b"")
    descriptor = os.open(living, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with appearing(tmp_path / "a[b"):
        pass
    os.close(descriptor)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a[b.winnow-2", ".ab.winnow-3", "a[b"]


def test_an_empty_folder_is_taken_and_a_full_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with appearing(check_free(str(tmp_path / "out"))) as filling:
        write(filling / "a", b"1")
    with pytest.raises(UsageError, match="there is something already"):
        check_free(str(tmp_path / "out"))
    with pytest.raises(StoreError), appearing(tmp_path / "out"):
        pass
    assert (tmp_path / "out" / "a").exists()


@pytest.mark.parametrize("folder", ["s3://bucket/out", "file:///out"])
def test_a_url_is_refused(folder: str) -> None:
    with pytest.raises(UsageError, match="expected a folder"):
        check_free(folder)


def test_a_link_can_not_be_taken_for_a_copy(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "there")
    with pytest.raises(UsageError):
        check_free(str(tmp_path / "out"))


def test_a_copy_is_its_own_file(store: LocalStore, tmp_path: Path) -> None:
    target = tmp_path / "out" / "a.parquet"
    assert not place(store, KEY, target, **FACTS, link=False)
    target.write_bytes(b"edited")
    assert store.read(KEY) == DATA


def test_a_linked_file_is_the_stores_own_and_read_only(store: LocalStore, tmp_path: Path) -> None:
    target = tmp_path / "out" / "a.parquet"
    assert place(store, KEY, target, **FACTS, link=True)
    assert target.samefile(store.path(KEY))
    assert not target.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)


def test_where_no_link_can_be_made_it_is_a_copy(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)
    assert not place(store, KEY, tmp_path / "out" / "a.parquet", **FACTS, link=True)
    assert (tmp_path / "out" / "a.parquet").read_bytes() == DATA


@pytest.mark.parametrize("link", [False, True])
def test_damage_is_not_copied(store: LocalStore, tmp_path: Path, link: bool) -> None:
    Path(store.path(KEY)).write_bytes(DATA[:-1])
    with pytest.raises(StoreError, match=r"winnow verify"):
        place(store, KEY, tmp_path / "a", **FACTS, link=link)
