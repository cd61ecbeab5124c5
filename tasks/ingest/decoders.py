"""Decoders: compressed bytes into text, piece by piece, in bounded memory.

Belongs here: the frames of each compression one behind another, what is saved of one that breaks off, and when there is
too much text for what is stored. Does not belong here: the members of an archive (archives), or reading and hashing the
file (stored).

A decoder that meets a corrupt byte gives an error instead of the text before it. Keeping that text costs nothing as
long as all is well: the frame is decoded once more, from its start, up to the text that was given already, and from
there byte by byte. So everything before the corrupt byte is saved, whatever the compression.
"""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from isal import igzip_lib

from schemas.errors import shown
from tasks.ingest.dialects import Compression
from tasks.ingest.limits import setting, text_room
from tasks.ingest.stored import PIECE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from schemas.policies import Limits
    from tasks.ingest.stored import StoredBytes

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: Text decoded at once.
_TEXT_BYTES = 128 << 10
#: What a decoder takes beside its window.
_XZ_OVERHEAD = 1 << 20
#: What decoders raise at bytes that are none of theirs; bz2 an OSError.
_ISAL_ERROR = cast("type[Exception]", igzip_lib.IsalError)  # its stub says that it is an instance
_ERRORS = (zlib.error, _ISAL_ERROR, lzma.LZMAError, zstd.ZstdError, OSError, EOFError, ValueError)


class Decoder(Protocol):
    """The decompressor of one frame; those of bz2, lzma, zstd and igzip are alike."""

    @property
    def eof(self) -> bool:
        """Whether the frame has ended."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether there is no more text in what was given."""
        ...

    @property
    def unused_data(self) -> bytes:
        """Stored bytes behind the frame's end."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """The next text, at most `max_length` bytes."""
        ...


@dataclass(frozen=True)
class Codec:
    """How the frames of a compression are decoded.

    Attributes:
        name: for messages.
        start: makes the decoder of a frame.
        start_careful: makes one that gives every byte of text that stands before a corrupt one.
        padded: whether zeros may stand behind a frame, as tapes, block devices and xz pad with them.
    """

    name: str
    start: Callable[[], Decoder]
    start_careful: Callable[[], Decoder]
    padded: bool = True


class _Zlib:
    """A decoder of zlib's, with the manners of the others."""

    def __init__(self, window_bits: int) -> None:
        self._decoder = zlib.decompressobj(window_bits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        text = self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)
        self.needs_input = len(text) < max_length
        return text


def codec_of(compression: Compression, limits: Limits) -> Codec:
    """The codec of a compression, but zip, which is an archive."""
    if compression is Compression.GZIP:
        # ISA-L takes a third of zlib's time, but keeps back up to 64 KiB of text when a frame breaks off.
        return Codec("gzip", lambda: igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP), lambda: _Zlib(31))
    if compression is Compression.BZIP2:
        return Codec("bzip2", bz2.BZ2Decompressor, bz2.BZ2Decompressor)
    start = _zstd(limits) if compression is Compression.ZSTD else _xz(limits)
    return Codec(compression.value, start, start, padded=compression is Compression.XZ)


def deflate_codec() -> Codec:
    """The codec of a deflated member of a zip archive: one bare frame."""
    return Codec("zip", lambda: igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_DEFLATE), lambda: _Zlib(-15))


def _zstd(limits: Limits) -> Callable[[], Decoder]:
    greatest = limits.max_window_bytes.bit_length() - 1
    return lambda: zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: greatest})


def _xz(limits: Limits) -> Callable[[], Decoder]:
    memory = limits.max_window_bytes + _XZ_OVERHEAD
    return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=memory)


def can_begin(codec: Codec, first: bytes) -> bool:
    """Whether a file that begins with these bytes may be compressed so: they give some text, or no error."""
    try:
        codec.start_careful().decompress(first, 1)
    except _ERRORS:
        return False
    return True


def frames(stored: StoredBytes, codec: Codec) -> Generator[bytes, None, str | None]:
    """The text of all frames one behind another.

    Returns:
        None, or where and how they break off.
    """
    while piece := _without_padding(stored, codec):
        stored.put_back(piece)
        if wrong := (yield from frame(stored, codec)):
            return wrong
    return None


def frame(stored: StoredBytes, codec: Codec) -> Generator[bytes, None, str | None]:
    """The text of one frame; what stands behind it is put back.

    Returns:
        None, or where and how it breaks off.
    """
    start, given, decoder = stored.offset, 0, codec.start()
    place = start
    while not decoder.eof:
        piece = b""
        if decoder.needs_input:
            place, piece = stored.offset, stored.take()
            if not piece:
                yield _saved(stored, codec, start, place, given)[0]
                return f"{codec.name} stream ends before its end mark, at byte {place:,}"
        try:
            text = decoder.decompress(piece, _TEXT_BYTES)
        except _ERRORS as error:
            saved, place = _saved(stored, codec, start, place, given)
            yield saved
            return f"{codec.name} stream corrupt at byte {place:,}: {_in_words(error)}"
        given += len(text)
        yield text
    stored.put_back(decoder.unused_data)
    return None


def limited(
    texts: Generator[bytes, None, str | None], stored: StoredBytes, limits: Limits
) -> Generator[bytes, None, str | None]:
    """The same text as long as it is not too much for what is stored.

    Returns:
        None, or where and how the text breaks off.
    """
    size = 0
    while True:
        try:
            text = next(texts)
        except StopIteration as end:
            wrong: str | None = end.value
            return wrong
        room, name = text_room(stored.offset, limits)
        if size + len(text) > room:
            yield text[: room - size]
            return f"more than {room:,} bytes of text in the first {stored.offset:,} stored ones: {setting(name)}"
        size += len(text)
        yield text


def _saved(stored: StoredBytes, codec: Codec, start: int, place: int, given: int) -> tuple[bytes, int]:
    """The text that a broken frame still gives, and at which byte it breaks off.

    Args:
        stored: read up to where the frame breaks off, or a little further.
        codec: of the frame.
        start: where the frame begins.
        place: where the piece begins at which it broke off.
        given: bytes of the frame's text that were given already.
    """
    if not stored.seekable() or (place == stored.offset and codec.start is codec.start_careful):
        return b"", place
    saved, decoder = bytearray(), codec.start_careful()
    for offset, data in _slowly(stored, start, place):
        try:
            for text in _texts(decoder, data, given):
                saved += b"" if given else text
                given -= min(given, len(text))
        except _ERRORS:
            return bytes(saved), offset
        if decoder.eof or len(saved) >= _TEXT_BYTES:
            break
    return bytes(saved), place


def _slowly(stored: StoredBytes, start: int, place: int) -> Iterator[tuple[int, bytes]]:
    """Stored bytes with their offsets, one by one from `place` on."""
    for offset in range(start, place, PIECE_BYTES):
        yield offset, stored.look(offset, min(PIECE_BYTES, place - offset))
    for offset, byte in enumerate(stored.look(place, stored.offset - place), start=place):
        yield offset, bytes([byte])


def _texts(decoder: Decoder, data: bytes, given: int) -> Iterator[bytes]:
    """All text that a decoder has in these stored bytes: what was given already in great pieces, then bytes."""
    while True:
        text = decoder.decompress(data, min(given, _TEXT_BYTES) or 1)
        given -= min(given, len(text))
        yield text
        data = b""
        if decoder.eof or decoder.needs_input:
            return


def _without_padding(stored: StoredBytes, codec: Codec) -> bytes:
    """The next stored bytes that are no padding; none at the end."""
    while piece := stored.take():
        rest = piece.lstrip(b"\0") if codec.padded else piece
        if rest:
            return rest
    return b""


def _in_words(error: Exception) -> str:
    words = shown(error)
    too_great = "memory" in words.lower()  # of xz and zstd alike
    return f"{words}: {setting('max_window_bytes')}" if too_great else words
