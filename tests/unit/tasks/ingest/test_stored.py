import hashlib
import io
import os

import pytest

from schemas.errors import DumpUnreadableError
from tasks.ingest.stored import PIECE_BYTES, StoredBytes

DATA = bytes(range(256)) * 2_000


def test_every_byte_is_counted_and_hashed_once_whatever_is_put_back() -> None:
    stored = StoredBytes(io.BytesIO(DATA), "a")
    first = stored.take()
    assert len(first) == PIECE_BYTES
    stored.put_back(first[100:])
    assert stored.offset == 100
    assert first[:100] + stored.take_all(len(DATA)) == DATA
    assert stored.take() == b""
    assert (stored.size, stored.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())


def test_what_is_put_back_comes_next_in_pieces_of_any_size() -> None:
    stored = StoredBytes(io.BytesIO(DATA), "a")
    stored.put_back(stored.take(10))
    assert (stored.take(4), stored.take_all(4), stored.offset) == (DATA[:4], DATA[4:8], 8)
    stored.put_back(b"")
    stored.put_back(DATA[4:8])
    assert stored.take_all(8) == DATA[4:12]


def test_looking_takes_nothing() -> None:
    stored = StoredBytes(io.BytesIO(DATA), "a")
    stored.take(50)
    assert stored.look(1_000, 20) == DATA[1_000:1_020]
    assert stored.look(len(DATA) - 1, 20) == DATA[-1:]
    assert stored.length() == len(DATA)
    assert (stored.offset, stored.take(5)) == (50, DATA[50:55])


def test_draining_hashes_the_rest() -> None:
    stored = StoredBytes(io.BytesIO(DATA), "a")
    stored.put_back(stored.take(10))
    stored.drain()
    stored.at_start().read()
    stored.drain()
    assert (stored.size, stored.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())


def test_a_pipe_can_be_read_only_forward() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert not StoredBytes(pipe, "a").seekable()


def test_a_failing_disk_is_the_environments_fault() -> None:
    class Failing(io.BytesIO):
        def seek(self, offset: int, whence: int = 0, /) -> int:
            if offset > 100:
                raise OSError(5, "Input/output error")
            return super().seek(offset, whence)

    stored = StoredBytes(Failing(DATA), "dumps/a.gz")
    stored.take(50)
    with pytest.raises(DumpUnreadableError, match=r"dumps/a\.gz.*Input/output error"):
        stored.look(1_000, 20)
    assert stored.take(5) == DATA[50:55]
