"""Streams: the decompressed bytes of a raw file, its stored bytes counted and hashed as they pass.

Belongs here: which compression a file has, and reading its text in pieces of any size. Does not belong here: how each
is decoded (decoders, archives), records, or opening files (listing).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from schemas.policies import Limits
from tasks.ingest.archives import can_begin_archive, member_text
from tasks.ingest.decoders import can_begin, codec_of, frames, limited
from tasks.ingest.dialects import MAGIC_BYTES, Compression, compression_of
from tasks.ingest.stored import PIECE_BYTES, StoredBytes

if TYPE_CHECKING:
    from collections.abc import Generator

    from tasks.ingest.chunks import ChunkSums

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

#: What was read once within its limits can be read again without knowing them.
_NO_LIMITS = Limits(max_ratio=float(1 << 62), max_window_bytes=1 << 31)


class TextStream:
    """The decompressed bytes of one raw file, whatever compresses it.

    A stream that breaks off raises nothing: what could be decoded is yielded, then the stream ends and `broken` says
    why. Everything before the corrupt byte is decoded, if the file can be read in any order; of another up to 128 KiB
    before it are missing.

    Attributes:
        compression: told by the first bytes. Where the name says another and nothing at all can be decoded, they only
            look like that, and there is none.
        size: decompressed bytes yielded so far.
        broken: None, or where and how the compressed stream broke off.
    """

    def __init__(
        self,
        stream: BinaryIO,
        path: str,
        named: Compression = Compression.NONE,
        *,
        limits: Limits = _NO_LIMITS,
        may_be_archive: bool = True,
    ) -> None:
        """Reads the first bytes.

        Args:
            stream: stands at the file's first byte.
            path: the file's, for messages.
            named: the compression that its name says.
            limits: how far it may be decompressed.
            may_be_archive: whether a zip archive is unpacked; one that is the format itself (a workbook) is not,
                unless the name says so.
        """
        self._stored = StoredBytes(stream, path)
        first = self._stored.take_all(PIECE_BYTES)
        self._stored.put_back(first)
        self.compression = compression_of(first[:MAGIC_BYTES], named)
        if self.compression is not named and not self._believed(first, limits, may_be_archive=may_be_archive):
            self.compression = Compression.NONE
        self.size = 0
        self.broken: str | None = None
        self._chunks = self._decompressed(path, limits)
        self._left = memoryview(b"")
        self._copy: BinaryIO | None = None

    def read(self, size: int) -> bytes:
        """The next `size` bytes, or all that are left when they are fewer.

        Raises:
            DumpUnreadableError: the stored bytes can't be read.
        """
        parts = [self._left[:size]]
        self._left = self._left[size:]
        missing = size - len(parts[0])
        while missing > 0 and (chunk := self._next_chunk()):
            parts.append(chunk[:missing])
            self._left = chunk[missing:]
            missing -= len(parts[-1])
        text = b"".join(parts)
        self.size += len(text)
        if self._copy:
            self._copy.write(text)
        return text

    def copy_to(self, copy: BinaryIO) -> None:
        """From now on writes to `copy` what is read; before anything else is read."""
        self._copy = copy

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, or all that are left when they are fewer; they are still to be read."""
        parts, have = [self._left], len(self._left)
        while have < size and (chunk := self._next_chunk()):
            parts.append(chunk)
            have += len(chunk)
        self._left = memoryview(b"".join(parts)) if len(parts) > 1 else self._left
        return bytes(self._left[:size])

    def skip(self, prefix: bytes) -> int:
        """Reads past `prefix` if it comes next; the bytes skipped."""
        while len(self._left) < len(prefix) and (chunk := self._next_chunk()):
            self._left = memoryview(bytes(self._left) + chunk)
        return len(self.read(len(prefix))) if self._left[: len(prefix)] == prefix else 0

    def whole(self) -> BinaryIO | None:
        """The stored file itself, at its start, if it is not compressed and can be read in any order.

        It is read, and so hashed, to its end first.
        """
        if self.compression is not Compression.NONE or not self._stored.seekable():
            return None
        self._stored.drain()
        return self._stored.at_start()

    def finish(self) -> tuple[int, str]:
        """Reads whatever is stored after the place where decoding ended; the file's stored size and its sha256."""
        self._stored.drain()
        return self._stored.size, self._stored.sha256

    @property
    def sums(self) -> ChunkSums:
        """The checksums of the stored bytes read so far; of all of them after `finish`."""
        return self._stored.sums

    def _next_chunk(self) -> memoryview:
        try:
            while not (chunk := next(self._chunks)):
                pass
        except StopIteration as end:
            self.broken = self.broken or end.value
            return memoryview(b"")
        return memoryview(chunk)

    def _believed(self, first: bytes, limits: Limits, *, may_be_archive: bool) -> bool:
        if self.compression is Compression.NONE:
            return True
        if self.compression is Compression.ZIP:
            return may_be_archive and can_begin_archive(first)
        return can_begin(codec_of(self.compression, limits), first)

    def _decompressed(self, path: str, limits: Limits) -> Generator[bytes, None, str | None]:
        if self.compression is Compression.NONE:
            return _plain(self._stored)
        if self.compression is Compression.ZIP:
            texts = member_text(self._stored, path)
        else:
            texts = frames(self._stored, codec_of(self.compression, limits))
        return limited(texts, self._stored, limits)


def _plain(stored: StoredBytes) -> Generator[bytes, None, str | None]:
    while piece := stored.take():
        yield piece
    return None
