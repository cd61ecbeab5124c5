"""Exports: those that went out with a person's records are named, others are not."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tasks.erasure.outside import exported
from tasks.store.exports import under_way
from tasks.store.local import LocalStore
from tests.unit.tasks.store.test_exports import EXPORT


def told(tmp_path: Path, held: set[int], now: dict[int, str | None]) -> list[str]:
    store = LocalStore(tmp_path)
    with under_way(store, EXPORT):
        pass
    return list(exported(store, "trips", held, now))


def test_a_copy_from_before_the_erasure_is_named(tmp_path: Path) -> None:
    (line,) = told(tmp_path, {2, 3}, {2: "b", 3: "changed", 4: "e"})
    assert line == "export e1 (clean as parquet) in '/data/trips' on 'host': version 3 with the records"


def test_before_an_erasure_each_copy_of_a_version_that_holds_the_person_is_named(tmp_path: Path) -> None:
    (line,) = told(tmp_path, {4}, {3: "d", 4: None})
    assert line.endswith(": version 4 with the records")


def test_a_copy_from_after_the_erasure_and_one_of_other_versions_are_not(tmp_path: Path) -> None:
    assert told(tmp_path, {3}, {3: "d", 4: "e"}) == []
    assert told(tmp_path, {2}, {3: "d", 4: "changed by somebody else's erasure"}) == []


def test_a_version_that_is_gone_may_have_held_the_person(tmp_path: Path) -> None:
    (line,) = told(tmp_path, set(), {4: "e"})
    assert line.endswith(": version 3, which was retired, so that nobody can see whom it held")


def test_what_an_export_calls_itself_is_shown_as_text(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with under_way(store, msgspec.structs.replace(EXPORT, folder="/data/\x1b[31m")):
        pass
    (line,) = exported(store, "trips", {3}, {4: "e"})
    assert "\x1b" not in line
