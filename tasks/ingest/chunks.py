"""Chunks: a checksum of each MiB of a raw file, by which a damaged one tells where it is damaged.

Belongs here: taking the checksums while a file is read, and the stretches in which two files differ by them. Does not
belong here: proving that a file is the one that was cleaned (its sha256 does), or reading it (stored).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isal import isal_zlib

from schemas.records import CHUNK_BYTES, split_sums

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.records import RawFile

#: Stretches that are named one by one.
_NAMED = 3


class ChunkSums:
    r"""The CRC-32 of each chunk of some bytes that come in pieces of any size.

    Attributes:
        size: bytes so far.

    Example:
        >>> sums = ChunkSums()
        >>> sums.update(b"id,text\n")
        >>> sums.hex
        '54dfe478'
    """

    def __init__(self) -> None:
        self.size = 0
        self._ended: list[str] = []
        self._current = 0

    def update(self, data: bytes) -> None:
        """Takes the next bytes."""
        room = CHUNK_BYTES - self.size % CHUNK_BYTES
        if len(data) < room:
            # Nearly every piece that is read of a file: no slice, no loop.
            self._current = isal_zlib.crc32(data, self._current)
            self.size += len(data)
            return
        view = memoryview(data)
        while view:
            piece = view[: CHUNK_BYTES - self.size % CHUNK_BYTES]
            self._current = isal_zlib.crc32(piece, self._current)
            self.size += len(piece)
            view = view[len(piece) :]
            if self.size % CHUNK_BYTES == 0:
                self._ended.append(f"{self._current:08x}")
                self._current = 0

    @property
    def hex(self) -> str:
        """The checksums as a manifest has them: eight hexadecimal digits each, the last one's of what is left."""
        return "".join(self._ended) + (f"{self._current:08x}" if self.size % CHUNK_BYTES else "")


def differences(raw: RawFile, found: ChunkSums) -> str:
    r"""In words, how bytes that were found differ from those of a raw file; empty if they don't by their checksums.

    Args:
        raw: the file as it was cleaned.
        found: of what is there now.

    Example:
        >>> from schemas.records import RawFile
        >>> raw = RawFile("a.csv", 8, "", "csv", "none", 8, 8, 0, chunks="54dfe478")
        >>> sums = ChunkSums()
        >>> sums.update(b"id,texT\n")
        >>> differences(raw, sums)
        'other bytes between 0 and 8'
    """
    parts = [f"{found.size:,} bytes, expected {raw.size:,}"] if found.size != raw.size else []
    stretches = list(_stretches(raw, found))
    if stretches:
        named = " and ".join(f"{first:,} and {last:,}" for first, last in stretches[:_NAMED])
        more = len(stretches) - _NAMED
        parts.append(f"other bytes between {named}" + (f" and in {more:,} more stretches" if more > 0 else ""))
    return "; ".join(parts)


def _stretches(raw: RawFile, found: ChunkSums) -> Iterator[tuple[int, int]]:
    """First byte and end of each stretch of chunks that differ, as far as both files have bytes."""
    said, there = raw.chunk_sums, split_sums(found.hex)
    end = min(raw.size, found.size)
    begins: int | None = None
    for number in range(min(len(said), len(there))):
        # A chunk that only one of them has in full can't be compared; what is behind is told by the sizes.
        whole = (number + 1) * CHUNK_BYTES <= end or raw.size == found.size
        if whole and said[number] != there[number]:
            begins = number * CHUNK_BYTES if begins is None else begins
        elif begins is not None:
            yield begins, number * CHUNK_BYTES
            begins = None
    if begins is not None:
        yield begins, end
