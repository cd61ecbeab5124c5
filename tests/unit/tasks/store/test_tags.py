"""Tags: set once, moved only on purpose, and never for a version that is not there."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from schemas.errors import LeaseHeldError, StoreError, TagExistsError, UsageError, VersionNotFoundError
from tasks.store.local import LocalStore
from tasks.store.tags import delete_tag, read_tag, read_tags, set_tag
from tasks.store.upkeep import upkeep
from tests.partitions import build, publish, write

NOW = dt.datetime(2026, 11, 25, 1, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path)
    for day in "abc":
        publish(store, "trips", write(store, "trips", day, build({f"{day}.csv": "kkq"})))
    return store


def test_a_tag_says_which_version_and_when(store: LocalStore) -> None:
    tag = set_tag(store, "trips", "paper-2026", 2, now=NOW)
    assert (tag.name, tag.version, tag.created_at) == ("paper-2026", 2, "2026-11-24T23:30:00Z")
    assert read_tag(store, "trips", "paper-2026") == tag
    assert read_tags(store, "trips") == (tag,)
    assert store.list("trips/_tags/") == ("trips/_tags/paper-2026.json",)


def test_the_same_tag_again_changes_nothing(store: LocalStore) -> None:
    first = set_tag(store, "trips", "a", 2, now=NOW)
    assert set_tag(store, "trips", "a", 2, now=NOW + dt.timedelta(days=1)) == first


def test_a_tag_of_another_version_is_moved_only_on_purpose(store: LocalStore) -> None:
    set_tag(store, "trips", "a", 2, now=NOW)
    with pytest.raises(TagExistsError, match=r"the tag a of trips is version 2\. .* with --move"):
        set_tag(store, "trips", "a", 3, now=NOW)
    assert read_tag(store, "trips", "a").version == 2
    assert set_tag(store, "trips", "a", 3, now=NOW, move=True).version == 3
    assert read_tag(store, "trips", "a").version == 3


def test_a_dry_run_changes_nothing(store: LocalStore) -> None:
    assert set_tag(store, "trips", "a", 2, now=NOW, dry_run=True).version == 2
    assert read_tags(store, "trips") == ()
    tag = set_tag(store, "trips", "a", 2, now=NOW)
    assert set_tag(store, "trips", "a", 3, now=NOW, move=True, dry_run=True).version == 3
    with pytest.raises(TagExistsError):
        set_tag(store, "trips", "a", 3, now=NOW, dry_run=True)
    assert delete_tag(store, "trips", "a", dry_run=True) == tag
    assert read_tags(store, "trips") == (tag,)


def test_a_removed_tag_leaves_its_version(store: LocalStore) -> None:
    tag = set_tag(store, "trips", "a", 2, now=NOW)
    assert delete_tag(store, "trips", "a") == tag
    assert read_tags(store, "trips") == ()
    with pytest.raises(VersionNotFoundError, match="trips has no tag 'a'"):
        delete_tag(store, "trips", "a")


def test_an_unknown_tag_is_told_with_the_nearest(store: LocalStore) -> None:
    set_tag(store, "trips", "paper", 2, now=NOW)
    with pytest.raises(VersionNotFoundError, match=r"Did you mean paper\?"):
        read_tag(store, "trips", "papre")


@pytest.mark.parametrize("name", ["", "12", "2026-10-01", "../a", "a/b", ".a", "-a", "a\n", "ä", "a" * 65])
def test_a_name_that_could_be_anything_else_is_refused(store: LocalStore, name: str) -> None:
    with pytest.raises(UsageError, match="is no name for a tag"):
        set_tag(store, "trips", name, 1, now=NOW)
    with pytest.raises(UsageError, match="is no name for a tag"):
        read_tag(store, "trips", name)


def test_only_a_version_that_is_there_is_tagged(store: LocalStore) -> None:
    with pytest.raises(VersionNotFoundError):
        set_tag(store, "trips", "a", 4, now=NOW)
    assert store.list("trips/_tags/") == ()


def test_a_broken_tag_is_named(store: LocalStore) -> None:
    store.create("trips/_tags/a.json", b"{")
    store.create("trips/_tags/notes.txt", b"")
    with pytest.raises(StoreError, match="can't be decoded") as caught:
        read_tags(store, "trips")
    assert caught.value.where == "trips/_tags/a.json"


def test_upkeep_is_for_one_at_a_time_and_for_one_data_set(store: LocalStore) -> None:
    with upkeep(store, "trips", "first"):
        with pytest.raises(LeaseHeldError, match="first"), upkeep(store, "trips", "second"):
            pass
        with upkeep(store, "stops", "second"):
            pass
