"""Records of contracts: kept once, and told when they are not there or broken."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from schemas.errors import StoreError
from schemas.records import Contract
from tasks.store.contracts import keep_contract, read_contract
from tasks.store.local import LocalStore
from tasks.store.paths import contract_key

CONTRACT = Contract("trips", "x = 1\n", "d", {"pattern": "{partition}.csv"}, ("id",), {"a.py": "1"}, {"polars": "2.1"})


def test_a_record_is_kept_and_read(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    keep_contract(store, "c" * 32, CONTRACT)
    assert read_contract(store, "trips", "c" * 32) == CONTRACT


def test_the_first_writing_of_the_same_meaning_stays(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    keep_contract(store, "c" * 32, CONTRACT)
    keep_contract(store, "c" * 32, msgspec.structs.replace(CONTRACT, declaration="x = 1  # one\n"))
    assert read_contract(store, "trips", "c" * 32) == CONTRACT


def test_one_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the record of a contract is missing"):
        read_contract(LocalStore(tmp_path), "trips", "c" * 32)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"dataset": 1}'])
def test_one_that_is_broken_is_told(tmp_path: Path, data: bytes) -> None:
    store = LocalStore(tmp_path)
    store.create(contract_key("trips", "c" * 32), data)
    with pytest.raises(StoreError, match="can't be decoded"):
        read_contract(store, "trips", "c" * 32)
