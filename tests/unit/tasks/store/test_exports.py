"""Records of exports: they stay, and pin their versions only while the export is under way."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from schemas.errors import StoreError
from tasks.store.exports import Export, read_exports, under_way, versions_under_way
from tasks.store.local import LocalStore

EXPORT = Export("e1", "trips", (3, 4), ("d", "e"), "clean", "parquet", "/data/trips", "host", "2026-11-25T00:00:00Z")


def test_a_version_is_pinned_while_it_is_exported(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert versions_under_way(store, "trips", "gc") == frozenset()
    with under_way(store, EXPORT):
        assert versions_under_way(store, "trips", "gc") == {3, 4}
        assert read_exports(store, "trips") == (EXPORT,)
    assert versions_under_way(store, "trips", "gc") == frozenset()
    assert read_exports(store, "trips") == (EXPORT,)
    assert store.list("") == ("trips/_exports/e1.json",)


def test_an_export_that_fails_pins_nothing_and_is_still_written_down(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with pytest.raises(ZeroDivisionError), under_way(store, EXPORT):
        raise ZeroDivisionError
    assert versions_under_way(store, "trips", "gc") == frozenset()
    assert read_exports(store, "trips") == (EXPORT,)


def test_the_pin_of_a_killed_export_is_removed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.create("trips/_exports/e1.pin", msgspec.json.encode(EXPORT.versions))
    assert versions_under_way(store, "trips", "gc", dry_run=True) == {3, 4}
    assert store.exists("trips/_exports/e1.pin")
    assert versions_under_way(store, "trips", "gc") == frozenset()
    assert store.list("") == ()


def test_a_broken_record_is_named(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.create("trips/_exports/e1.json", b"{")
    with pytest.raises(StoreError, match="can't be decoded") as caught:
        read_exports(store, "trips")
    assert caught.value.where == "trips/_exports/e1.json"
