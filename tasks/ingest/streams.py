"""Streams: the decompressed bytes of a raw file, its stored bytes counted and hashed as they pass.

Belongs here: decompression in bounded memory, and what is known of a stream that breaks off. Does not belong here:
records, or opening files (listing).
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, BinaryIO, Protocol

import zstandard

from schemas.errors import DumpUnreadableError, shown
from tasks.ingest.dialects import MAGIC_BYTES, Compression, compression_of

if TYPE_CHECKING:
    from collections.abc import Iterator

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_CHUNK = 1 << 20
#: Compressed bytes given to a decoder at once. One byte of gzip makes at most 1,032 bytes of text, four of zstd make
#: at most 128 KiB: a hostile stream makes at most 32 MiB of text from one slice, of either.
_SLICE = {Compression.GZIP: 32 << 10, Compression.ZSTD: 1 << 10}


class _BrokenError(Exception):
    """The compressed stream ends too early or is corrupt; the message says where and how."""


class TextStream:
    """The decompressed bytes of one raw file, whatever compresses it.

    A stream that breaks off raises nothing: what could be decoded is yielded, then the stream ends and `broken` says
    why. Of gzip everything before the corrupt byte is decoded; of zstd everything before the 1 KiB that holds it.

    Attributes:
        compression: told by the first bytes. Where the name says none and nothing at all can be decoded, they only
            look like that, and there is none.
        size: decompressed bytes yielded so far.
        broken: None, or where and how the compressed stream broke off.
    """

    def __init__(self, stream: BinaryIO, path: str, named: Compression = Compression.NONE) -> None:
        """Reads the first bytes.

        Args:
            stream: stands at the file's first byte.
            path: the file's, for messages.
            named: the compression that its name says.
        """
        self._stored = StoredBytes(stream, path)
        first = self._stored.read(_CHUNK)
        self.compression = compression_of(first[:MAGIC_BYTES])
        if self.compression is not named and not _can_be_decoded(first, self.compression):
            self.compression = Compression.NONE
        self.size = 0
        self.broken: str | None = None
        self._chunks = self._decompressed(first)
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

    def _next_chunk(self) -> memoryview:
        try:
            return memoryview(next(self._chunks, b""))
        except _BrokenError as error:
            self.broken = str(error)
            return memoryview(b"")

    def _decompressed(self, first: bytes) -> Iterator[bytes]:
        stored = self._stored.chunks(first)
        return stored if self.compression is Compression.NONE else _decoded(stored, self.compression)


class StoredBytes:
    """The bytes of a raw file as stored, counted and hashed as they are read.

    Attributes:
        size: bytes read so far.
    """

    def __init__(self, stream: BinaryIO, path: str) -> None:
        self._stream = stream
        self._path = path
        self._digest = hashlib.sha256()
        self.size = 0
        self._ended = False

    @property
    def sha256(self) -> str:
        """Of the bytes read so far."""
        return self._digest.hexdigest()

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; none at the end.

        Raises:
            DumpUnreadableError: the disk or the network failed.
        """
        try:
            data = self._stream.read(size)
        except OSError as error:
            where, reason = shown(self._path), error.strerror or type(error).__name__
            raise DumpUnreadableError(f"reading failed: {reason}", where=where, fix="Run it again.") from error
        self._digest.update(data)
        self.size += len(data)
        self._ended = not data
        return data

    def drain(self) -> None:
        """Reads whatever is left, once: the stream may be read again afterwards for other ends."""
        while not self._ended:
            self.read(_CHUNK)

    def seekable(self) -> bool:
        """Whether the stream can be read in any order."""
        return self._stream.seekable()

    def at_start(self) -> BinaryIO:
        """The stream itself, at its first byte."""
        self._stream.seek(0)
        return self._stream

    def chunks(self, first: bytes) -> Iterator[bytes]:
        """`first`, which was read already, and everything after it."""
        while first:
            yield first
            first = self.read(_CHUNK)


class _Frame(Protocol):
    """One gzip member or zstd frame."""

    def decode(self, piece: bytes | memoryview) -> tuple[bytes, str | None]:
        """The text of the next stored bytes, and what is wrong with them, if anything."""
        ...

    @property
    def rest(self) -> bytes | None:
        """Stored bytes behind the end; None while the end has not been seen."""
        ...


class _GzipMember:
    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)  # 31: expects a gzip header and checks the trailer

    def decode(self, piece: bytes | memoryview) -> tuple[bytes, str | None]:
        before = self._decoder.copy()
        try:
            return self._decoder.decompress(piece), None
        except zlib.error as error:
            return _decode_bytewise(before, piece), str(error)

    @property
    def rest(self) -> bytes | None:
        return self._decoder.unused_data if self._decoder.eof else None


def _decode_bytewise(decoder: zlib._Decompress, piece: bytes | memoryview) -> bytes:
    # A decoder that fails keeps back what it decoded of the piece before the corrupt byte; one that is given single
    # bytes has handed all of it over by then.
    text = bytearray()
    for position in range(len(piece)):
        try:
            text += decoder.decompress(piece[position : position + 1])
        except zlib.error:
            break
    return bytes(text)


class _ZstdFrame:
    def __init__(self) -> None:
        self._decoder = zstandard.ZstdDecompressor().decompressobj()

    def decode(self, piece: bytes | memoryview) -> tuple[bytes, str | None]:
        try:
            return self._decoder.decompress(piece), None
        except zstandard.ZstdError as error:
            return b"", str(error)

    @property
    def rest(self) -> bytes | None:
        return self._decoder.unused_data if self._decoder.eof else None


_FRAMES: dict[Compression, type[_GzipMember | _ZstdFrame]] = {
    Compression.GZIP: _GzipMember,
    Compression.ZSTD: _ZstdFrame,
}


def _decoded(stored: Iterator[bytes], compression: Compression) -> Iterator[bytes]:
    frame: _Frame | None = None
    offset = 0
    for chunk in stored:
        for start in range(0, len(chunk), _SLICE[compression]):
            piece: bytes | memoryview = memoryview(chunk)[start : start + _SLICE[compression]]
            end = offset + start + len(piece)
            while frame or (piece := _without_padding(piece, compression)):
                frame = frame or _FRAMES[compression]()
                text, wrong = frame.decode(piece)
                if text:
                    yield text
                if wrong:
                    raise _BrokenError(f"{compression} stream corrupt after byte {end - len(piece):,}: {shown(wrong)}")
                if frame.rest is None:
                    break
                piece, frame = frame.rest, None
        offset += len(chunk)
    if frame:
        raise _BrokenError(f"{compression} stream ends before its end mark, at byte {offset:,}")


def _can_be_decoded(first: bytes, compression: Compression) -> bool:
    if compression is Compression.NONE:
        return True
    text, wrong = _FRAMES[compression]().decode(first[: _SLICE[compression]])
    return bool(text) or wrong is None


def _without_padding(piece: bytes | memoryview, compression: Compression) -> bytes | memoryview:
    # Tapes and block devices pad with zeros behind the last member; gzip itself passes over them, too.
    return bytes(piece).lstrip(b"\0") if compression is Compression.GZIP else piece
