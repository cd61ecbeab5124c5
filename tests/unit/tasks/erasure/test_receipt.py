"""Receipts: the signature is of every field, and of one key."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from schemas.errors import SettingsError, StoreError
from tasks.erasure.journal import StoredObject
from tasks.erasure.receipt import Receipt, Swept, is_genuine, load_key, new_key, signed
from tasks.erasure.stage import receipts
from tasks.store.local import LocalStore
from tasks.store.paths import receipt_key

RECEIPT = Receipt(
    "trips", "e", "mail", ("h",), "t", "me", "t", 3, (1, 2), 4, {"kept": 4}, (StoredObject("a", "b"),), (),
    Swept(5, True), ("dump",),
)  # fmt: skip


def test_every_change_is_found() -> None:
    made = signed(RECEIPT, load_key(new_key(), "here"))
    assert is_genuine(made)
    assert is_genuine(made, made.public_key.upper())
    others = {
        "version": 4, "records": 5, "fates": {}, "before": (), "asked_by": "you", "swept": Swept(5, True, 1),
        "outside": (), "hashes": (), "signature": made.signature[2:] + "00", "public_key": "00" * 32,
    }  # fmt: skip
    for name, value in others.items():
        assert not is_genuine(msgspec.structs.replace(made, **{name: value})), name
    assert not is_genuine(RECEIPT)


def test_another_key_is_not_the_one_that_was_asked_for() -> None:
    made, other = (signed(RECEIPT, load_key(new_key(), "here")) for _ in range(2))
    assert is_genuine(other)
    assert not is_genuine(other, made.public_key)


@pytest.mark.parametrize("pem", [b"", b"nonsense", new_key().replace(b"PRIVATE", b"PUBLIC")])
def test_what_is_no_key_says_how_to_make_one(pem: bytes) -> None:
    with pytest.raises(SettingsError, match="openssl genpkey -algorithm ed25519"):
        load_key(pem, "here")


def test_a_damaged_receipt_is_told_and_no_traceback(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    key = receipt_key("guests", "e", 1)
    store.create(key, b"{")
    with pytest.raises(StoreError, match="the receipt of an erasure can't be decoded") as caught:
        receipts(store, "guests")
    assert key in str(caught.value)
