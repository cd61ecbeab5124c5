"""Documents: the small JSON files that the store keeps beside the data, read with their types checked.

Belongs here: writing one, decoding one, and the error where it can't be. Does not belong here: what a document means
(each module that writes one), or its key (paths).
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from schemas.errors import StoreError, shown

T = TypeVar("T")

#: What is to be done about a damaged document that Winnow writes once and never again.
RESTORE = "Nothing of Winnow changes it: restore this file from a backup."


def encoded(document: msgspec.Struct) -> bytes:
    """A record as a document; equal ones have equal bytes."""
    return msgspec.json.format(msgspec.json.encode(document, order="deterministic"), indent=1)


def decoded(data: bytes, document: type[T], *, what: str, key: str, fix: str = RESTORE) -> T:
    r"""A document as the record that it is.

    Args:
        data: the file's bytes.
        document: the record's type.
        what: what it is called in a message: `the tag`.
        key: the file's, for the message.
        fix: what to do where it is broken.

    Raises:
        StoreError: it is no such record.

    Example:
        >>> decoded(b"[1, 2]", list[int], what="the pin", key="pins/a.json")
        [1, 2]
    """
    try:
        return msgspec.json.decode(data, type=document)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreError(f"{what} can't be decoded: {shown(error)}", where=key, fix=fix) from error
