"""Journals: what the store knows of erasures, and that it is read before anything is cleaned."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import StoreError
from tasks.erasure.journal import (
    Erasure,
    erasure_id,
    erasures,
    originals_of_blanked,
    read_erasure,
    salt_of,
    take_along,
    tombstones,
    write_erasure,
)
from tasks.erasure.marks import probes
from tasks.store.local import LocalStore
from tasks.store.paths import blanked_key, erasure_key


def erasure(name: str, column: str = "mail") -> Erasure:
    return Erasure(name, column, (f"hash of {name}",), "begun", "t", "me", places={"aa": (len(name),)})


def test_nothing_was_erased_from_a_new_store(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert tombstones(store, "trips").ids == ()
    assert read_erasure(store, "trips", "e") is None
    assert store.list("") == ()


def test_all_erasures_together_are_the_tombstones(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for each in (erasure("one"), erasure("three"), erasure("four", "id")):
        write_erasure(store, "trips", each)
    store.create(blanked_key("trips", "bb", "aa"), b"")
    found = tombstones(store, "trips")
    assert found.ids == ("four", "one", "three")
    assert found.hashes == {"mail": {"hash of one", "hash of three"}, "id": {"hash of four"}}
    assert found.slow == found.hashes  # none of them has quick hashes of this polars
    assert found.quick == {}
    assert found.places == {"aa": {3, 4, 5}}
    assert found.salt == salt_of(store, "trips")
    assert originals_of_blanked(store, "trips") == {"bb": "aa"}
    other = LocalStore(tmp_path / "other")
    take_along(store, other, "trips")
    assert tombstones(other, "trips") == found


def test_the_secret_is_made_once_and_the_id_follows_from_what_was_asked(tmp_path: Path) -> None:
    salt = salt_of(LocalStore(tmp_path), "trips")
    assert salt_of(LocalStore(tmp_path), "trips") == salt
    assert len(salt) == 32
    assert erasure_id(salt, "mail", ["a", "b"]) == erasure_id(salt, "mail", ["b", "a", "a"])
    assert erasure_id(salt, "mail", ["a"]) != erasure_id(salt, "id", ["a"])


def test_a_journal_that_can_not_be_read_stops_everything(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.create(erasure_key("trips", "e"), b"{}")
    for ask in (erasures, tombstones):
        with pytest.raises(StoreError, match="Restore it from a backup"):
            ask(store, "trips")


def test_quick_hashes_count_only_where_they_mean_the_same(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    here = probes(salt_of(store, "trips"))
    for name, probed in (("here", here), ("elsewhere", (1, *here[1:]))):
        write_erasure(store, "trips", Erasure(name, "mail", (name,), "done", "t", "me", quick=(7,), probes=probed))
    found = tombstones(store, "trips")
    assert (found.quick, found.slow) == ({"mail": {7}}, {"mail": {"elsewhere"}})
