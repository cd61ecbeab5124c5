"""The index of keys: found is what is there, whatever runs it is in, and whatever became of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.store.key_index import KeyIndex
from tasks.store.local import LocalStore
from tasks.store.paths import index_prefix

_parts = st.dictionaries(st.sampled_from("abcdef"), st.sets(st.integers(0, 30), max_size=12), min_size=1)


def hashes(numbers: set[int]) -> np.ndarray:
    """Few numbers far apart, at both ends of what a hash can be."""
    return np.array(sorted(numbers), np.uint64) * np.uint64((1 << 64) // 31)


def index(store: LocalStore, parts: dict[str, set[int]], *, writes: bool = True) -> KeyIndex:
    cleanings = {name: f"{name}{sorted(numbers)}" for name, numbers in parts.items()}
    return KeyIndex(store, "trips", "f", cleanings, lambda name: hashes(parts[name]), writes=writes)


@settings(max_examples=40, deadline=None)
@given(st.lists(_parts, min_size=1, max_size=8), st.sets(st.integers(0, 30)), st.booleans())
def test_what_is_found_is_what_the_partitions_hold_now(
    tmp_path_factory: pytest.TempPathFactory, nights: list[dict[str, set[int]]], asked: set[int], writes: bool
) -> None:
    store, held = LocalStore(tmp_path_factory.mktemp("store")), dict[str, set[int]]()
    for night in nights:
        held |= night
        found, holders = index(store, held, writes=writes).find(hashes(asked))
        assert found.tolist() == hashes({each for numbers in held.values() for each in numbers & asked}).tolist()
        assert holders == {name for name, numbers in held.items() if numbers & asked}
    assert bool(store.list(index_prefix("trips"))) == writes


def test_a_partition_is_read_once_and_runs_stay_few(tmp_path: Path) -> None:
    store, read = LocalStore(tmp_path), list[str]()
    for night in range(1, 65):
        cleanings = {f"{each:03d}": "c" for each in range(night)}

        def of(name: str) -> np.ndarray:
            read.append(name)
            return np.arange(int(name) * 10, int(name) * 10 + 10, dtype=np.uint64)

        KeyIndex(store, "trips", "f", cleanings, of)
    assert read == [f"{each:03d}" for each in range(64)]
    assert len(store.list(index_prefix("trips"))) < 8


@pytest.mark.parametrize("damage", [b"", b"winnow-keys-1\n", b"winnow-keys-1\n000000000009{}", b"other"])
def test_a_damaged_run_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    store, parts = LocalStore(tmp_path), {"a": {1, 2}, "b": {2, 3}}
    index(store, parts)
    for key in store.list(index_prefix("trips")):
        Path(store.path(key)).write_bytes(damage)
    found, holders = index(store, parts).find(hashes({2, 9}))
    assert (found.tolist(), holders) == (hashes({2}).tolist(), {"a", "b"})
    assert index(store, parts).find(hashes({3}))[1] == {"b"}
