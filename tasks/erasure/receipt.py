"""Receipt: what an erasure did, signed, so that it can be shown to one who does not trust the store.

Belongs here: the receipt's form, its signature (Ed25519) and the check of it. Does not belong here: where keys lie
(flows/settings), or what is in a receipt (stage).

The signature is over the receipt's canonical JSON (UTF-8, sorted keys, no spaces) without `signature` itself.
"""

from __future__ import annotations

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from schemas.errors import SettingsError
from tasks.erasure.journal import StoredObject


class Swept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The search of every object of the data set, after the erasure."""

    objects: int
    bytes_searched: bool
    """Whether the values were searched for in all bytes and cells; short ones only in the subject's column, and as
    words of records that could not be parsed."""
    found: int = 0
    """Objects in which something was found; there is no receipt with more than none."""


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was asked, what was done and what is left. Of the person it holds a keyed hash."""

    dataset: str
    erasure: str
    column: str
    hashes: tuple[str, ...]
    asked_at: str
    asked_by: str
    finished_at: str
    version: int
    """The newest version when it was finished; all versions up to it are free of the person."""
    versions_changed: tuple[int, ...]
    records: int
    """Different records that were erased."""
    fates: dict[str, int]
    """How many were erased by the fate that they had, each cleaning of a partition counted for itself."""
    before: tuple[StoredObject, ...]
    """Objects as they were: gone, or replaced under the same key."""
    after: tuple[StoredObject, ...]
    swept: Swept
    outside: tuple[str, ...]
    """What is not in the store, and was not erased."""
    public_key: str = ""
    """In hexadecimal, 32 bytes."""
    signature: str = ""
    format: int = 1


def load_key(pem: bytes, where: str) -> Ed25519PrivateKey:
    """A private key.

    Raises:
        SettingsError: it is none that is usable here.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(
            "it holds no key that can sign",
            expected="an Ed25519 private key in PEM without a password",
            where=where,
            fix="Make one: openssl genpkey -algorithm ed25519 -out FILE",
        )
    return key


def new_key() -> bytes:
    """A new private key in PEM."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def signed(receipt: Receipt, key: Ed25519PrivateKey) -> Receipt:
    """The receipt with its signature.

    Example:
        >>> told = Receipt("a", "b", "c", (), "", "", "", 1, (), 0, {}, (), (), Swept(0, True), ())
        >>> made = signed(told, load_key(new_key(), "memory"))
        >>> is_genuine(made), is_genuine(msgspec.structs.replace(made, records=1))
        (True, False)
    """
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    receipt = msgspec.structs.replace(receipt, public_key=public, signature="")
    return msgspec.structs.replace(receipt, signature=key.sign(_canonical(receipt)).hex())


def is_genuine(receipt: Receipt, public_key: str | None = None) -> bool:
    """Whether the signature is that of the receipt's content, under a public key, or else the one that it names."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(receipt.public_key))
        key.verify(bytes.fromhex(receipt.signature), _canonical(receipt))
    except (InvalidSignature, ValueError):
        return False
    return public_key is None or public_key.lower() == receipt.public_key


def _canonical(receipt: Receipt) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(receipt, signature=""), order="sorted")
