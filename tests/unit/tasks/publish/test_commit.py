"""Commits, one process: the next version, a lost race, a lost answer, and nothing new."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from schemas.errors import ErasedMeanwhileError, StoreError
from schemas.policies import Retention
from schemas.records import Books, OutputFile, PartitionEntry, Role
from tasks.erasure.journal import Erasure, Replacement, write_erasure
from tasks.publish import commit as commit_module
from tasks.publish.commit import Change, Committed, commit
from tasks.publish.digest import version_digest
from tasks.retain.stage import retain
from tasks.store.local import LocalStore
from tasks.store.paths import version_key
from tasks.store.versions import head, list_versions, read_manifest

NOW = dt.datetime(2026, 11, 23, 4, 15, 30, 999, tzinfo=dt.timezone(dt.timedelta(hours=1)))


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def entry(partition: str, kept: int = 1) -> PartitionEntry:
    return PartitionEntry(partition, "c", "i", (), (Books(records=kept, kept=kept),), (), (), (), ())


def adding(partition: str, kept: int = 1) -> Callable[[Change], Change]:
    return lambda partitions: {**partitions, partition: entry(partition, kept)}


def committed(store: LocalStore, change: Callable[[Change], Change], run_id: str = "run") -> Committed:
    return commit(store, "trips", change=change, reason="nightly", run_id=run_id, contract="c", now=NOW)


class Rival(LocalStore):
    """A store in which another run commits just before each of our first tries."""

    def __init__(self, root: Path, *changes: Callable[[Change], Change]) -> None:
        super().__init__(root)
        self.changes = list(changes)

    def create(self, key: str, data: bytes) -> bool:
        if self.changes:
            committed(LocalStore(self.root), self.changes.pop(0), run_id="rival")
        return super().create(key, data)


class Forgetful(LocalStore):
    """A store whose first answer is lost, and says on the second try that the object is there."""

    lost = False

    def create(self, key: str, data: bytes) -> bool:
        created = super().create(key, data)
        if created and not self.lost:
            self.lost = True
            return False
        return created


def test_the_first_version(store: LocalStore) -> None:
    done = committed(store, adding("2026-10-01"))
    assert done.published
    manifest = done.manifest
    assert (manifest.version, manifest.parent) == (1, None)
    assert (manifest.reason, manifest.run_id, manifest.contract) == ("nightly", "run", "c")
    assert manifest.created_at == "2026-11-23T03:15:30Z"
    assert manifest.digest == version_digest("trips", manifest.partitions)
    assert read_manifest(store, "trips", 1) == manifest


def test_the_next_version_keeps_the_other_partitions(store: LocalStore) -> None:
    for day in ("b", "a"):
        committed(store, adding(day))
    newest = head(store, "trips")
    assert newest is not None
    assert (newest.version, newest.parent, list(newest.partitions)) == (2, 1, ["a", "b"])


def test_the_same_content_is_not_published_again(store: LocalStore) -> None:
    first = committed(store, adding("a"), run_id="monday")
    again = committed(store, adding("a"), run_id="tuesday")
    assert again == Committed(first.manifest, published=False)
    assert list_versions(store, "trips") == (1,)


def test_a_run_that_tries_again_after_it_published_is_told_so(store: LocalStore) -> None:
    first = committed(store, adding("a"), run_id="monday")
    assert committed(store, adding("a"), run_id="monday") == Committed(first.manifest, published=True)
    assert list_versions(store, "trips") == (1,)


def test_a_run_may_commit_more_than_once(store: LocalStore) -> None:
    for day in ("a", "b", "c"):
        assert committed(store, adding(day), run_id="backfill").published
    assert list_versions(store, "trips") == (1, 2, 3)


def test_a_lost_race_is_run_again_on_the_winners_version(tmp_path: Path) -> None:
    store = Rival(tmp_path, adding("x"), adding("y"))
    done = committed(store, adding("a"))
    assert done.published
    assert (done.manifest.version, list(done.manifest.partitions)) == (3, ["a", "x", "y"])
    assert [read_manifest(store, "trips", n).run_id for n in (1, 2, 3)] == ["rival", "rival", "run"]


def test_a_race_lost_to_the_same_content_publishes_nothing(tmp_path: Path) -> None:
    done = committed(Rival(tmp_path, adding("a")), adding("a"))
    assert not done.published
    assert done.manifest.run_id == "rival"
    assert list_versions(LocalStore(tmp_path), "trips") == (1,)


def test_a_lost_answer_is_recognised(tmp_path: Path) -> None:
    done = committed(Forgetful(tmp_path), adding("a"))
    assert done.published
    assert done.manifest.version == 1
    assert list_versions(LocalStore(tmp_path), "trips") == (1,)


def test_a_run_does_not_take_its_own_other_commit_for_a_lost_answer(tmp_path: Path) -> None:
    class Twin(Rival):
        def create(self, key: str, data: bytes) -> bool:
            if self.changes:
                committed(LocalStore(self.root), self.changes.pop(0), run_id="run")
            return LocalStore.create(self, key, data)

    done = committed(Twin(tmp_path, adding("b")), adding("a"))
    assert (done.manifest.version, list(done.manifest.partitions)) == (2, ["a", "b"])


def test_a_change_gets_a_dict_of_its_own(store: LocalStore) -> None:
    committed(store, adding("a"))

    def empty(partitions: Change) -> Change:
        partitions.clear()
        return partitions

    assert committed(store, empty).manifest.partitions == {}
    assert list(read_manifest(store, "trips", 1).partitions) == ["a"]


def test_a_change_that_raises_publishes_nothing(store: LocalStore) -> None:
    def broken(_partitions: Change) -> Change:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        committed(store, broken)
    assert store.list("") == ()


class Sleeper(LocalStore):
    """A store whose caller sleeps, just before it creates the version, until that number was published and retired."""

    slept = False

    def create(self, key: str, data: bytes) -> bool:
        if not self.slept:
            self.slept = True
            awake = LocalStore(self.root)
            for day in ("x", "y", "z"):
                committed(awake, adding(day), run_id="rival")
            retain(awake, "trips", Retention(keep_versions=1), run_id="gc", now=NOW)
        return super().create(key, data)


@pytest.mark.parametrize("before", [(), ("b",)])
def test_a_number_that_was_retired_is_not_taken_again(tmp_path: Path, before: tuple[str, ...]) -> None:
    for day in before:
        committed(LocalStore(tmp_path), adding(day))
    done = committed(Sleeper(tmp_path), adding("a"), run_id="late")
    newest = head(LocalStore(tmp_path), "trips")
    assert done.published
    assert done.manifest == newest
    assert list(done.manifest.partitions) == sorted([*before, "a", "x", "y", "z"])
    assert list_versions(LocalStore(tmp_path), "trips") == (done.manifest.version - 1, done.manifest.version)


def test_the_newest_is_found_although_it_is_retired_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path)
    committed(store, adding("a"))
    reading = LocalStore.read

    def late(self: LocalStore, key: str) -> bytes:
        if key == version_key("trips", 1):
            monkeypatch.setattr(LocalStore, "read", reading)
            committed(store, adding("b"))
            retain(store, "trips", Retention(keep_versions=1), run_id="gc", now=NOW)
        return reading(self, key)

    monkeypatch.setattr(LocalStore, "read", late)
    newest = head(store, "trips")
    assert newest is not None
    assert newest.version == 2


def test_races_are_not_lost_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_module, "_ATTEMPTS", 5)
    store = Rival(tmp_path, *(adding(f"rival-{number}") for number in range(9)))
    with pytest.raises(StoreError, match="lost 5 races in a row"):
        committed(store, adding("a"))


def test_a_broken_newest_manifest_stops_a_commit(store: LocalStore) -> None:
    store.create(version_key("trips", 1), b"{")
    with pytest.raises(StoreError, match="can't be decoded"):
        committed(store, adding("a"))
    assert list_versions(store, "trips") == (1,)


def test_the_order_of_commits_does_not_show_in_the_digest(tmp_path: Path) -> None:
    digests = set()
    for name, days in (("one", "abc"), ("other", "cab")):
        store = LocalStore(tmp_path / name)
        for day in days:
            done = committed(store, adding(day), run_id=name)
        digests.add(done.manifest.digest)
    assert len(digests) == 1


def test_a_manifest_is_json_that_a_person_can_read(store: LocalStore) -> None:
    committed(store, adding("a"))
    text = store.read(version_key("trips", 1)).decode()
    assert text.startswith('{\n "dataset": "trips",\n "version": 1,')
    assert msgspec.json.decode(text)["partitions"]["a"]["books"][0]["kept"] == 1


# --- erasures ---------------------------------------------------------------------------------------------------------


def with_file(partition: str, path: str) -> PartitionEntry:
    file = OutputFile(Role.CLEAN, path, 1, 1, "ab")
    return msgspec.structs.replace(entry(partition), files=(file,))


def erased(store: LocalStore, before: PartitionEntry, after: PartitionEntry) -> Committed:
    """As an erasure does: its journal first, then a version of its own."""
    replacement = Replacement(before.partition, before.cleaning, (1,), {}, before.files, after.files)
    write_erasure(store, "trips", Erasure("e1", "c", ("h",), "begun", "t", "me", replacements=(replacement,)))
    return commit(
        store, "trips", change=lambda partitions: {**partitions, after.partition: after}, reason="erasure", run_id="e",
        contract="c", now=NOW, erased=["e1"], replaced={"aa": "bb"},
    )  # fmt: skip


def test_an_erasure_is_a_version_even_if_the_newest_one_is_free_of_the_person(store: LocalStore) -> None:
    committed(store, adding("a"))
    done = erased(store, with_file("b", "clean/b/old"), entry("a"))
    assert (done.published, done.manifest.version, done.manifest.erasures) == (True, 2, ("e1",))
    assert done.manifest.replaced == {"aa": "bb"}
    after = committed(store, adding("c"))
    assert after.manifest.erasures == ("e1",)
    assert after.manifest.replaced == {}


def test_what_was_cleaned_without_knowing_of_an_erasure_is_not_published_after_it(store: LocalStore) -> None:
    committed(store, adding("a"))

    def late(erasures: list[str]) -> Committed:
        return commit(
            store, "trips", change=adding("b"), reason="run", run_id="r", contract="c", now=NOW, erasures=erasures
        )

    erased(store, with_file("a", "clean/a/old"), with_file("a", "clean/a/new"))
    with pytest.raises(ErasedMeanwhileError, match="Run it again"):
        late([])
    assert list_versions(store, "trips") == (1, 2)
    assert late(["e1"]).published


def test_a_run_that_loses_the_race_to_an_erasure_is_refused(tmp_path: Path) -> None:
    committed(LocalStore(tmp_path), adding("a"))

    class Raced(LocalStore):
        done = False

        def create(self, key: str, data: bytes) -> bool:
            if not self.done:
                self.done = True
                erased(LocalStore(tmp_path), with_file("a", "clean/a/old"), with_file("a", "clean/a/new"))
            return super().create(key, data)

    with pytest.raises(ErasedMeanwhileError):
        commit(
            Raced(tmp_path), "trips", change=adding("b"), reason="run", run_id="r", contract="c", now=NOW, erasures=[]
        )
    assert list_versions(LocalStore(tmp_path), "trips") == (1, 2)


def test_files_that_an_erasure_replaced_never_come_back(store: LocalStore) -> None:
    old, new = with_file("a", "clean/a/old"), with_file("a", "clean/a/new")
    committed(store, lambda _: {"a": old})
    before = read_manifest(store, "trips", 1)
    erased(store, old, new)
    with pytest.raises(ErasedMeanwhileError):  # as a rollback would that had read version 1 before
        committed(store, lambda _: dict(before.partitions))
    assert committed(store, adding("b")).manifest.partitions["a"] == new


def test_an_erasure_that_was_begun_and_broke_off_stops_no_commit(store: LocalStore) -> None:
    old = with_file("a", "clean/a/old")
    committed(store, lambda _: {"a": old})
    replacement = Replacement("a", "i", (1,), {}, old.files, ())
    write_erasure(store, "trips", Erasure("e1", "c", ("h",), "begun", "t", "me", replacements=(replacement,)))
    assert commit(
        store, "trips", change=adding("b"), reason="run", run_id="r", contract="c", now=NOW, erasures=["e1"]
    ).published
