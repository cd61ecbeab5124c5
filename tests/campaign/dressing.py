"""Dressing: how a text is put into a file: its encoding, its line ends, its compression.

Belongs here: writing what Winnow reads. Does not belong here: doing it wrong (mutations).

Compressions and encodings are those that the code names; one that it gains joins when this module can write it, and a
test asks for that.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from typing import TYPE_CHECKING, get_args

import zstandard

from schemas.policies import DeclaredEncoding
from tasks.ingest.dialects import Compression

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

ENCODINGS: tuple[str, ...] = get_args(DeclaredEncoding)
_CODECS = {"windows-1252": "cp1252"}
_MARK = "\ufeff"
#: Any that ZIP can tell.
_ZIP_DATE = (2020, 1, 1, 0, 0, 0)


def packed(members: Mapping[str, bytes]) -> bytes:
    """A ZIP archive of these files; the same one each time."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), data, zipfile.ZIP_DEFLATED)
    return sink.getvalue()


def unpacked(data: bytes) -> dict[str, bytes]:
    """The files in a ZIP archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


#: By the name of the compression its suffix, and what writes it.
WRITERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "none": ("", bytes),
    "gzip": (".gz", lambda data: gzip.compress(data, 6, mtime=0)),
    "zstd": (".zst", zstandard.compress),
    "bzip2": (".bz2", bz2.compress),
    "xz": (".xz", lzma.compress),
    "zip": (".zip", lambda data: packed({"member": data})),
}
COMPRESSIONS = tuple(each.value for each in Compression if each.value in WRITERS)


def compressed(data: bytes, compression: str, rng: Random) -> bytes:
    """The stored file; now and then of several members, where there can be more than one."""
    write = WRITERS[compression][1]
    if compression in ("none", "zip") or rng.random() < 0.7:
        return write(data)
    place = rng.randrange(len(data) + 1)
    return write(data[:place]) + write(data[place:])


def encoded(text: bytes, encoding: str, *, mark: bool) -> bytes:
    """UTF-8 text in another encoding; text that is not UTF-8 stays as it is. `utf-16` always has its mark."""
    try:
        found = text.decode()
    except UnicodeDecodeError:
        return text
    if encoding == "utf-16":
        return (_MARK + found).encode("utf-16-le")
    may_have_mark = mark and encoding.startswith("utf-")
    return (_MARK * may_have_mark + found).encode(_CODECS.get(encoding, encoding), "replace")


def with_line_ends(text: bytes, line_end: str, rng: Random) -> bytes:
    """Text with LF, CRLF, CR or any of them behind each line."""
    lines = text.replace(b"\r\n", b"\n").split(b"\n")
    ends = {"lf": [b"\n"], "crlf": [b"\r\n"], "cr": [b"\r"], "any": [b"\n", b"\r\n", b"\r"]}[line_end]
    pieces = [lines[0], *(piece for line in lines[1:] for piece in (rng.choice(ends), line))]
    return b"".join(pieces)
