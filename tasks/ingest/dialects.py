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
StoredFormat = Literal["csv", "jsonl", "parquet", "xlsx"]

_FORMAT_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
}
_KNOWN = f"{' '.join(_FORMAT_SUFFIXES)}, with .gz .zst .bz2 .xz or .zip after it"


class Compression(enum.StrEnum):
    """How a raw file's bytes are compressed."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"
    BZIP2 = "bzip2"
    XZ = "xz"
    ZIP = "zip"


_COMPRESSION_SUFFIXES = {
    ".gz": Compression.GZIP,
    ".zst": Compression.ZSTD,
    ".bz2": Compression.BZIP2,
    ".xz": Compression.XZ,
    ".zip": Compression.ZIP,
}
#: What files begin with. Text may begin with the four bytes of a bzip2 stream, but not with a block's behind them. A
#: zstd frame that holds no data has one of sixteen numbers; a zip archive that holds no member is nothing but its end.
_MAGIC = {
    Compression.GZIP: (b"\x1f\x8b",),
    Compression.ZSTD: (b"\x28\xb5\x2f\xfd", *(bytes([number]) + b"\x2a\x4d\x18" for number in range(0x50, 0x60))),
    Compression.BZIP2: tuple(
        b"BZh%d%b" % (size, block) for size in range(1, 10) for block in (b"1AY&SY", b"\x17rE8P\x90")
    ),
    Compression.XZ: (b"\xfd7zXZ\0",),
    Compression.ZIP: (b"PK\x03\x04", b"PK\x05\x06"),
}

#: Bytes of a file that tell its compression.
MAGIC_BYTES = 10


@dataclass(frozen=True)
class Dialect:
    """How the records of one file are written.

    Attributes:
        format: as a manifest names it.
        named_compression: what the file's name says; the bytes decide.
        delimiter: the byte between fields; meaningless but for csv.
        quote: the byte around fields, or None when quotes mean nothing.
        sheet: the name or the number from 1 of the sheet that is read; None is the only one with data.
    """

    format: StoredFormat
    named_compression: Compression
    delimiter: bytes
    quote: bytes | None
    sheet: str | int | None = None

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
        if written in ("jsonl", "parquet", "xlsx"):
            return cls(written, named, b"", None, source.sheet)  # type: ignore[arg-type]  # mypy doesn't narrow by `in`
        delimiter = source.delimiter or ("\t" if written == "tsv" else ",")
        _check_one_byte(delimiter, "delimiter")
        if source.quote:
            _check_one_byte(source.quote, "quote")
        if delimiter == source.quote:
            raise DeclarationError(f"delimiter and quote are both {shown(delimiter)}", where="Source(quote)")
        _check_escape(source, delimiter)
        return cls("csv", named, delimiter.encode(), source.quote.encode() or None)


def compression_of(magic: bytes, named: Compression = Compression.NONE) -> Compression:
    """The compression of a file, told by its first `MAGIC_BYTES` bytes.

    Args:
        magic: these bytes.
        named: what the file's name says. It is asked only where the file is so short that its bytes tell nothing.

    Example:
        >>> compression_of(bytes([0x1F, 0x8B, 8, 0]))
        <Compression.GZIP: 'gzip'>
        >>> compression_of(b"BZ", named=Compression.BZIP2)
        <Compression.BZIP2: 'bzip2'>
    """
    for compression, beginnings in _MAGIC.items():
        if magic.startswith(beginnings):
            return compression
    cut = magic and any(beginning.startswith(magic) for beginning in _MAGIC.get(named, ()))
    return named if cut else Compression.NONE


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
