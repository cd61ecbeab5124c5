"""Rollback: a new version with the old one's partitions, and nothing where nothing would change."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import LeaseHeldError, StoreError, VersionNotFoundError
from tasks.diff.partitions import Change
from tasks.publish.rollback import RolledBack, rollback
from tasks.publish.verify import verify_version
from tasks.store.local import LocalStore
from tasks.store.upkeep import upkeep
from tasks.store.versions import head, list_versions, read_manifest
from tests.partitions import NOW, build, publish, write


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Version 1 has a, 2 has a and b, 3 has another a and b."""
    store = LocalStore(tmp_path)
    for day, letters in (("a", "kkq"), ("b", "kd"), ("a", "kkkqx")):
        publish(store, "trips", write(store, "trips", day, build({f"{day}.csv": letters})))
    return store


def back(store: LocalStore, to: int, **options: bool) -> RolledBack:
    return rollback(store, "trips", to, run_id="back", now=NOW, **options)


def test_the_new_version_has_the_old_ones_partitions(store: LocalStore) -> None:
    done = back(store, 1)
    assert (done.to, done.version, done.published) == (1, 4, True)
    newest = read_manifest(store, "trips", 4)
    assert newest.partitions == read_manifest(store, "trips", 1).partitions
    assert (newest.parent, newest.reason, newest.run_id) == (3, "rollback", "back")
    assert newest.digest == done.digest == read_manifest(store, "trips", 1).digest
    assert [(each.partition, each.change, each.rows_before, each.rows_after) for each in done.changes] == [
        ("a", Change.RECLEANED, 3, 2),
        ("b", Change.REMOVED, 1, None),
    ]
    assert all(verify_version(store, "trips", version).ok for version in (1, 2, 3, 4))


def test_a_rollback_can_be_rolled_back(store: LocalStore) -> None:
    back(store, 1)
    assert [each.change for each in back(store, 3).changes] == [Change.RECLEANED, Change.ADDED]
    assert read_manifest(store, "trips", 5).partitions == read_manifest(store, "trips", 3).partitions


@pytest.mark.parametrize("dry_run", [False, True])
def test_to_what_is_there_already_publishes_nothing(store: LocalStore, dry_run: bool) -> None:
    done = back(store, 3, dry_run=dry_run)
    assert (done.version, done.published, done.changes) == (3, False, ())
    assert list_versions(store, "trips") == (1, 2, 3)


def test_a_dry_run_says_what_would_change(store: LocalStore) -> None:
    planned, objects = back(store, 1, dry_run=True), store.list("")
    assert (planned.version, planned.published) == (3, False)
    assert store.list("") == objects
    assert back(store, 1).changes == planned.changes


def test_again_after_the_answer_was_lost(store: LocalStore) -> None:
    first = back(store, 1)
    again = back(store, 1)
    assert (again.version, again.published, again.changes) == (first.version, True, first.changes)
    assert list_versions(store, "trips") == (1, 2, 3, 4)


@pytest.mark.parametrize("version", [0, 4, -1])
def test_a_version_that_is_not_there(store: LocalStore, version: int) -> None:
    with pytest.raises(VersionNotFoundError):
        back(store, version)


def test_damage_is_not_published_anew(store: LocalStore) -> None:
    (lost,) = (file for file in read_manifest(store, "trips", 1).partitions["a"].files if file.role == "quarantine")
    Path(store.path(f"trips/{lost.path}")).unlink()
    for dry_run in (True, False):
        with pytest.raises(StoreError, match=r"the file is missing.*winnow verify trips@1"):
            back(store, 1, dry_run=dry_run)
    newest = head(store, "trips")
    assert newest is not None
    assert newest.version == 3


def test_versions_are_not_rolled_back_while_they_are_retired(store: LocalStore) -> None:
    with upkeep(store, "trips", "gc"), pytest.raises(LeaseHeldError):
        back(store, 1)
    assert list_versions(store, "trips") == (1, 2, 3)
