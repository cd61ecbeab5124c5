"""Contracts: the records of what contract fingerprints stand for, one beside the versions for each.

Belongs here: keeping and reading them. Does not belong here: what is in one (tasks/publish/contract).

A record is created before the first version that names it, and never changed. It goes when no kept version names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import StoreError
from schemas.records import Contract
from tasks.store.documents import decoded, encoded
from tasks.store.paths import contract_key

if TYPE_CHECKING:
    from tasks.store.home import Store


def keep_contract(store: Store, fingerprint: str, contract: Contract) -> None:
    """Keeps the record of a fingerprint, unless it is there: the first text of a declaration that means the same stays.

    Raises:
        StoreError: the store can't be written.
    """
    data = encoded(contract)
    store.create(contract_key(contract.dataset, fingerprint), data)


def read_contract(store: Store, dataset: str, fingerprint: str) -> Contract:
    """What a fingerprint stands for.

    Raises:
        StoreError: the record is not there, or can't be read.
    """
    key = contract_key(dataset, fingerprint)
    fix = "Nothing of Winnow changes it, or removes it while a version names it: restore this file from a backup."
    if not store.exists(key):
        raise StoreError("the record of a contract is missing", where=key, fix=fix)
    return decoded(store.read(key), Contract, what="the record of a contract", key=key, fix=fix)
