"""Stored: the bytes of a raw file as they lie there, counted and hashed as they pass.

Belongs here: reading them once in order, and looking a second time at a stretch of them. Does not belong here: what
they mean (decoders, archives), or opening the file (listing).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from schemas.errors import DumpUnreadableError, shown
from tasks.ingest.chunks import ChunkSums

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

#: Bytes read at once. More make decoders no faster, and all that is done to a piece finds it in the cache.
PIECE_BYTES = 128 << 10


class StoredBytes:
    r"""The bytes of a raw file as stored.

    Attributes:
        size: bytes read so far.

    Example:
        >>> import io
        >>> stored = StoredBytes(io.BytesIO(b"a,b\n1,2\n"), "a.csv")
        >>> stored.put_back(stored.take()[4:])
        >>> stored.offset, stored.take(), stored.take()
        (4, b'1,2\n', b'')
    """

    def __init__(self, stream: BinaryIO, path: str) -> None:
        """Reads nothing yet.

        Args:
            stream: stands at the file's first byte.
            path: the file's, for messages.
        """
        self._stream = stream
        self._path = path
        self._digest = hashlib.sha256()
        self._sums = ChunkSums()
        self._returned = b""
        self._ended = False
        self.size = 0

    @property
    def sha256(self) -> str:
        """Of the bytes read so far."""
        return self._digest.hexdigest()

    @property
    def sums(self) -> ChunkSums:
        """The checksums of the bytes read so far, chunk by chunk."""
        return self._sums

    @property
    def offset(self) -> int:
        """Where in the file the next byte to take stands."""
        return self.size - len(self._returned)

    def take(self, size: int = PIECE_BYTES) -> bytes:
        """The next bytes, at most `size`; none at the end.

        Raises:
            DumpUnreadableError: the disk or the network failed.
        """
        if self._returned:
            taken, self._returned = self._returned[:size], self._returned[size:]
            return taken
        return self._read(size)

    def take_all(self, size: int) -> bytes:
        """The next `size` bytes, or all that are left when they are fewer."""
        taken = self.take(size)
        while len(taken) < size and (more := self.take(size - len(taken))):
            taken += more
        return taken

    def put_back(self, data: bytes) -> None:
        """Gives back the last bytes that were taken; they come next."""
        self._returned = data + self._returned

    def drain(self) -> None:
        """Reads whatever is left, once: the stream may be read again afterwards for other ends."""
        self._returned = b""
        while not self._ended:
            self._read(PIECE_BYTES)

    def seekable(self) -> bool:
        """Whether the file can be read in any order."""
        return self._stream.seekable()

    def at_start(self) -> BinaryIO:
        """The stream itself, at its first byte."""
        self._stream.seek(0)
        return self._stream

    def length(self) -> int:
        """Bytes in the file, of one that can be read in any order."""
        return self._elsewhere(lambda: self._stream.seek(0, 2))

    def look(self, offset: int, size: int) -> bytes:
        """At most `size` bytes that stand at `offset`, of a file that can be read in any order; nothing is taken."""

        def read() -> bytes:
            self._stream.seek(offset)
            found = self._stream.read(size)
            while len(found) < size and (more := self._stream.read(size - len(found))):
                found += more
            return found

        return self._elsewhere(read)

    def _read(self, size: int) -> bytes:
        data = self._guarded(lambda: self._stream.read(size))
        self._digest.update(data)
        self._sums.update(data)
        self.size += len(data)
        self._ended = not data
        return data

    def _elsewhere(self, read: Callable[[], _T]) -> _T:
        here = self._guarded(self._stream.tell)
        try:
            return self._guarded(read)
        finally:
            self._stream.seek(here)

    def _guarded(self, read: Callable[[], _T]) -> _T:
        try:
            return read()
        except OSError as error:
            where, reason = shown(self._path), error.strerror or type(error).__name__
            raise DumpUnreadableError(f"reading failed: {reason}", where=where, fix="Run it again.") from error
