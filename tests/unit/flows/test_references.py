"""References: what a person types to name a version."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from flows.references import manifest_of, moment_in, named
from schemas.errors import DatasetNotFoundError, UsageError, VersionNotFoundError
from tasks.store.local import LocalStore
from tasks.store.tags import set_tag
from tests.partitions import NOW, build, publish, write


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    monkeypatch.chdir(tmp_path)
    store = LocalStore(tmp_path)
    for day in "ab":
        publish(store, "trips", write(store, "trips", day, build({f"{day}.csv": "k"})))
    set_tag(store, "trips", "paper", 1, now=NOW)
    return store


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("trips@1", 1),
        ("trips@000002", 2),
        ("trips@paper", 1),
        ("trips@2026-11-23", 2),
        ("trips@2026-11-23T03:15:00Z", 2),
        ("trips@2026-11-23T04:15:00+01:00", 2),
        ("trips@2026-11-23 03:15:00", 2),
    ],
)
def test_a_version_is_named_by_number_tag_or_moment(store: LocalStore, reference: str, version: int) -> None:
    assert named(store, reference) == ("trips", version)
    assert manifest_of(store, reference).version == version


def test_without_a_version_it_is_the_newest(store: LocalStore) -> None:
    assert named(store, "trips") == ("trips", None)
    assert manifest_of(store, "trips").version == 2


@pytest.mark.parametrize(
    "which", ["", "-1", "1.5", "2026-13-01", "2026-10-01T25:00", "1" * 13, " 1", "²", "1\n", "2026-W48-1"]
)
def test_what_is_none_of_them_is_refused(store: LocalStore, which: str) -> None:
    with pytest.raises(UsageError, match=r"is no version; expected DATASET, DATASET@12, DATASET@TAG"):
        named(store, f"trips@{which}")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("trips@3", "trips has no version 3. It has 1 to 2"),
        ("trips@papre", "Did you mean paper?"),
        ("trips@2026-11-22", r"trips had no version at 2026-11-22T23:59:59.999999Z. Its first one is of 2026-11-23"),
    ],
)
def test_a_version_that_is_not_there(store: LocalStore, reference: str, message: str) -> None:
    with pytest.raises(VersionNotFoundError) as caught:
        manifest_of(store, reference)
    assert message in str(caught.value)


def test_a_data_set_that_is_not_there(store: LocalStore) -> None:
    with pytest.raises(DatasetNotFoundError):
        named(store, "trops@1")
    with pytest.raises(VersionNotFoundError, match="Nothing was published yet"):
        named(store, "flights@2026-10-01")


def test_a_date_is_its_last_moment_in_utc() -> None:
    assert moment_in("2026-10-01") == dt.datetime(2026, 10, 1, 23, 59, 59, 999999, tzinfo=dt.UTC)
    assert moment_in("2026-10-01T00:00") == dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
    assert moment_in("0001-01-01T00:00+23:00") is None
