from __future__ import annotations

import msgspec
import pytest

from schemas.errors import StoreError
from tasks.store.documents import RESTORE, decoded


class _Note(msgspec.Struct, forbid_unknown_fields=True):
    text: str


def test_a_document_is_the_record_that_was_written() -> None:
    note = _Note("it happened")
    assert decoded(msgspec.json.encode(note), _Note, what="the note", key="n.json") == note


@pytest.mark.parametrize("data", [b"", b"{", b'{"text": 1}', b'{"text": "\xff"}', b'{"text": "a", "more": 1}', b"[]"])
def test_what_is_no_such_record_is_told_with_the_place_and_what_to_do(data: bytes) -> None:
    with pytest.raises(StoreError, match="the note can't be decoded") as caught:
        decoded(data, _Note, what="the note", key="n.json")
    assert "n.json" in str(caught.value)
    assert RESTORE in str(caught.value)
