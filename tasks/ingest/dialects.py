"""Dialects: how one raw file is written, from its declaration, its name and its first bytes.

Belongs here: formats, compressions, and what separates fields. Does not belong here: reading any of it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from schemas.errors import DeclarationError, shown

if TYPE_CHECKING:
    from schemas.policies import Source

#: Names of formats as a manifest has them: csv stands for every delimited file.
StoredFormat = Literal["csv", "jsonl", "parquet"]

_FORMAT_SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_KNOWN = f"{' '.join(_FORMAT_SUFFIXES)}, with .gz or .zst after it"


class Compression(enum.StrEnum):
    """How a raw file's bytes are compressed."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


_COMPRESSION_SUFFIXES = {".gz": Compression.GZIP, ".zst": Compression.ZSTD}
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
#: A frame that holds no data begins with one of sixteen numbers, the lowest four bits of the first byte being free.
_ZSTD_SKIPPABLE_MAGIC = b"\x2a\x4d\x18"

#: Bytes of a file that tell its compression.
MAGIC_BYTES = 4


@dataclass(frozen=True)
class Dialect:
    """How the records of one file are written.

    Attributes:
        format: as a manifest names it.
        named_compression: what the file's name says; the bytes decide.
        delimiter: the byte between fields; meaningless but for csv.
        quote: the byte around fields, or None when quotes mean nothing.
    """

    format: StoredFormat
    named_compression: Compression
    delimiter: bytes
    quote: bytes | None

    @classmethod
    def of(cls, path: str, source: Source) -> Dialect:
        r"""The dialect of the file with this name.

        Raises:
            DeclarationError: neither declaration nor name tell the format, or the delimiter or the quote can't be one.

        Example:
            >>> from schemas.policies import Source
            >>> Dialect.of("2026-11-01/a.tsv.gz", Source("{partition}/*.tsv.gz")).delimiter
            b'\t'
        """
        stem, named = _split_compression(path)
        written = source.format or _format_of(stem, path)
        if written in ("jsonl", "parquet"):
            return cls(written, named, b"", None)  # type: ignore[arg-type]  # mypy doesn't narrow by `in`
        delimiter = source.delimiter or ("\t" if written == "tsv" else ",")
        _check_one_byte(delimiter, "delimiter")
        if source.quote:
            _check_one_byte(source.quote, "quote")
        if delimiter == source.quote:
            raise DeclarationError(f"delimiter and quote are both {shown(delimiter)}", where="Source(quote)")
        _check_escape(source, delimiter)
        return cls("csv", named, delimiter.encode(), source.quote.encode() or None)


def compression_of(magic: bytes) -> Compression:
    """The compression of a file, told by its first `MAGIC_BYTES` bytes; its name is not asked.

    Example:
        >>> compression_of(bytes([0x1F, 0x8B, 8, 0]))
        <Compression.GZIP: 'gzip'>
    """
    if magic.startswith(_GZIP_MAGIC):
        return Compression.GZIP
    if magic == _ZSTD_MAGIC or (magic[1:] == _ZSTD_SKIPPABLE_MAGIC and magic[0] >> 4 == 0x5):
        return Compression.ZSTD
    return Compression.NONE


def _split_compression(path: str) -> tuple[str, Compression]:
    for suffix, compression in _COMPRESSION_SUFFIXES.items():
        if path.lower().endswith(suffix):
            return path[: -len(suffix)], compression
    return path, Compression.NONE


def _format_of(stem: str, path: str) -> str:
    for suffix, written in _FORMAT_SUFFIXES.items():
        if stem.lower().endswith(suffix):
            return written
    raise DeclarationError(
        f"the name of {shown(path)} tells no format",
        expected=_KNOWN,
        where="Source(pattern)",
        fix="Declare Source(format=...).",
    )


def _check_escape(source: Source, delimiter: str) -> None:
    if not source.escape:
        return
    _check_one_byte(source.escape, "escape")
    if source.escape in (delimiter, source.quote):
        raise DeclarationError(
            f"the escape {shown(source.escape)} is the {'delimiter' if source.escape == delimiter else 'quote'}, too",
            where="Source(escape)",
            fix="Leave it out where quotes are doubled: that needs no escape.",
        )


def _check_one_byte(character: str, setting: str) -> None:
    if not character.isascii() or character in "\r\n":
        raise DeclarationError(
            f"the {setting} is {shown(character)}",
            expected="one ASCII character, no line end",
            where=f"Source({setting})",
        )
