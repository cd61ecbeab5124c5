"""Records of retired versions: what they tell of each, and that a broken one is named."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from schemas.errors import StoreError
from tasks.store.local import LocalStore
from tasks.store.paths import retired_key
from tasks.store.retired import RetiredVersion, Retirement, read_retirements, retired_versions


def record(run_id: str, *versions: int) -> Retirement:
    each = tuple(RetiredVersion(version, f"2026-10-{version:02d}T00:00:00Z", "d") for version in versions)
    return Retirement(run_id, "2026-11-25T00:00:00Z", "keep_versions=1", each, ("clean/a/b.parquet",))


def test_records_are_read_in_the_order_of_versions(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert retired_versions(store, "trips") == {}
    for each in (record("z", 4, 5), record("a", 10, 3)):
        newest = max(version.version for version in each.versions)
        store.create(retired_key("trips", newest, each.run_id), msgspec.json.encode(each))
    store.create("trips/_retired/notes.txt", b"")
    assert [each.run_id for each in read_retirements(store, "trips")] == ["z", "a"]
    assert sorted(retired_versions(store, "trips")) == [3, 4, 5, 10]
    assert retired_versions(store, "trips")[10].created_at == "2026-10-10T00:00:00Z"


@pytest.mark.parametrize("data", [b"", b"\xff", b'{"run_id": "a"}'])
def test_a_broken_record_is_named(tmp_path: Path, data: bytes) -> None:
    store = LocalStore(tmp_path)
    store.create(retired_key("trips", 1, "a"), data)
    with pytest.raises(StoreError, match="can't be decoded") as caught:
        read_retirements(store, "trips")
    assert caught.value.where == retired_key("trips", 1, "a")
