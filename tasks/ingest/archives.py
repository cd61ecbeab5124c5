"""Archives: the text of a zip archive's only member.

Belongs here: finding the member, and why an archive can't be read. Does not belong here: inflating it (decoders).

The archive is read forward, from one local header to the next, as any other stream: so every byte is hashed in
passing, and a cut or corrupt directory, which stands at the end, costs no text. The directory is asked for two things
only, where the file can be read in any order: whether it names several members, so that nothing of the first is read
in vain, and how long a stored member is of which the local header does not say it.
"""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from isal import isal_zlib

from schemas.errors import DumpUnreadableError, shown
from tasks.ingest.decoders import deflate_codec, frame
from tasks.ingest.header import listed as listed_names
from tasks.ingest.stored import PIECE_BYTES

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from tasks.ingest.stored import StoredBytes

_LOCAL = b"PK\x03\x04"
_DESCRIPTOR = b"PK\x07\x08"
#: What may stand behind the last member: the directory, its end, a longer end, and data for decrypting it.
_DIRECTORY = (b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x08")
_LOCAL_HEADER, _EXTRA_FIELD, _LONG_SIZES = struct.Struct("<4s5H3I2H"), struct.Struct("<2H"), struct.Struct("<2Q")
_LONGEST_DESCRIPTOR = 24
_ENCRYPTED, _SIZES_BEHIND, _UTF8 = 0x1, 0x8, 0x800
_STORED, _DEFLATED = 0, 8
_IN_EXTRA = 0xFFFF_FFFF
_ZIP64_EXTRA = 1
#: There is no compression method of a greater number.
_METHODS = 100
#: The greatest directory that is read: one of several thousand members.
_DIRECTORY_BYTES = 1 << 20
_FIX = "Pack each file into an archive of its own, or store it with .gz or .zst."


@dataclass(frozen=True)
class _Member:
    """A local header. Sizes and checksum are None where they stand behind the data."""

    name: str
    flags: int
    method: int
    checksum: int | None
    stored_size: int | None
    size: int | None

    @property
    def folder(self) -> bool:
        return self.name.endswith("/") and not self.size and self.stored_size is not None


def can_begin_archive(first: bytes) -> bool:
    """Whether a file that begins with these bytes, one of the signatures, may be an archive."""
    if not first.startswith(_LOCAL) or len(first) < _LOCAL_HEADER.size:
        return True
    _, _, _, method, _, _, _, _, _, name_length, _ = _LOCAL_HEADER.unpack_from(first)
    return bool(method < _METHODS and name_length)


def member_text(stored: StoredBytes, path: str) -> Generator[bytes, None, str | None]:
    """The text of the only member.

    Returns:
        None, or where and how it breaks off.

    Raises:
        DumpUnreadableError: there is no member or more than one, or it is encrypted or compressed in an unusual way.
    """
    directory = _directory(stored)
    if directory and len(directory) > 1:
        raise _several(f"{len(directory):,}", [entry.filename for entry in directory], path)
    member = _next_file(stored)
    if isinstance(member, str):
        return member
    if member is None:
        fix = "Pack the file into it."
        raise DumpUnreadableError("a zip archive that holds no file", where=shown(path), fix=fix)
    _refuse_unusual(member, path)
    if wrong := (yield from _checked(stored, member, directory)):
        return wrong
    following = _next_file(stored)
    if isinstance(following, _Member):
        raise _several("2 or more", [member.name, following.name], path)
    if following is None and stored.seekable() and directory is None:
        return f"zip archive without a readable directory at byte {stored.offset:,}"
    return following


def _checked(
    stored: StoredBytes, member: _Member, directory: Sequence[zipfile.ZipInfo] | None
) -> Generator[bytes, None, str | None]:
    """The text of a member, held against its checksum and sizes."""
    begin, checksum, size = stored.offset, 0, 0
    if member.method == _DEFLATED:
        texts = frame(stored, deflate_codec())
    else:
        listed = directory[0].file_size if directory else 0
        texts = _copied(stored, listed if member.size is None else member.size)
    while True:
        try:
            text = next(texts)
        except StopIteration as end:
            wrong: str | None = end.value
            break
        checksum, size = isal_zlib.crc32(text, checksum), size + len(text)
        yield text
    found = checksum, stored.offset - begin, size
    told = member.checksum, member.stored_size, member.size
    if not wrong and (found != told if member.checksum is not None else not _skip_descriptor(stored, *found)):
        wrong = f"zip member ends at byte {begin + found[1]:,} with another checksum or size than it states"
    return wrong


def _copied(stored: StoredBytes, size: int) -> Generator[bytes, None, str | None]:
    """So many stored bytes as they are."""
    while size:
        piece = stored.take(min(size, PIECE_BYTES))
        if not piece:
            return f"zip member ends {size:,} bytes too early, at byte {stored.offset:,}"
        size -= len(piece)
        yield piece
    return None


def _skip_descriptor(stored: StoredBytes, checksum: int, stored_size: int, size: int) -> bool:
    """Takes what stands behind the data of a member, if it states this; it has a signature or none, and two lengths."""
    stated = stored.take_all(_LONGEST_DESCRIPTOR)
    short = struct.pack("<3I", checksum, stored_size & _IN_EXTRA, size & _IN_EXTRA)
    long = struct.pack("<IQQ", checksum, stored_size, size)
    for form in (_DESCRIPTOR + long, _DESCRIPTOR + short, long, short):
        if stated.startswith(form):
            stored.put_back(stated[len(form) :])
            return True
    stored.put_back(stated)
    return False


def _next_file(stored: StoredBytes) -> _Member | str | None:
    """The next local header that is no folder's, or what is wrong; None where the directory begins."""
    while True:
        place, signature = stored.offset, stored.take_all(4)
        stored.put_back(signature)
        if signature in _DIRECTORY:
            return None
        header = stored.take_all(_LOCAL_HEADER.size)
        member = _member(stored, header) if signature == _LOCAL and len(header) == _LOCAL_HEADER.size else None
        if member is None:
            cut = len(header) < _LOCAL_HEADER.size or signature == _LOCAL
            return f"zip archive {'ends before its directory, at' if cut else 'corrupt after'} byte {place:,}"
        if not member.folder:
            return member
        for _ in _copied(stored, member.stored_size or 0):
            pass


def _member(stored: StoredBytes, header: bytes) -> _Member | None:
    """What a local header says; None if the file ends within it."""
    _, _, flags, method, _, _, checksum, stored_size, size, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    name, extra = stored.take_all(name_length), stored.take_all(extra_length)
    if len(name) + len(extra) < name_length + extra_length:
        return None
    text = name.decode("utf-8" if flags & _UTF8 else "cp437", errors="replace")
    if flags & _SIZES_BEHIND:
        return _Member(text, flags, method, None, None, None)
    if _IN_EXTRA in (size, stored_size):
        size, stored_size = _long_sizes(extra) or (size, stored_size)
    return _Member(text, flags, method, checksum, stored_size, size)


def _long_sizes(extra: bytes) -> tuple[int, int] | None:
    """Size and stored size from the fields behind a header, if one of them holds these."""
    while len(extra) >= _EXTRA_FIELD.size:
        kind, length = _EXTRA_FIELD.unpack_from(extra)
        if kind == _ZIP64_EXTRA and length >= _LONG_SIZES.size and len(extra) >= _EXTRA_FIELD.size + length:
            size, stored_size = _LONG_SIZES.unpack_from(extra, _EXTRA_FIELD.size)
            return size, stored_size
        extra = extra[_EXTRA_FIELD.size + length :]
    return None


def _refuse_unusual(member: _Member, path: str) -> None:
    if member.flags & _ENCRYPTED:
        found, fix = f"{shown(member.name)} in a zip archive is encrypted", "Store it without a password."
        raise DumpUnreadableError(found, where=shown(path), fix=fix)
    if member.method not in (_STORED, _DEFLATED):
        found = f"{shown(member.name)} in a zip archive is compressed by method {member.method}"
        raise DumpUnreadableError(found, expected="deflate or none", where=shown(path), fix=_FIX)


def _several(count: str, names: Sequence[str], path: str) -> DumpUnreadableError:
    found = f"a zip archive of {count} files: {listed_names(names)}"
    return DumpUnreadableError(found, expected="one file", where=shown(path), fix=_FIX)


class _View:
    """What zipfile asks of a file, without taking bytes, and never many at once."""

    def __init__(self, stored: StoredBytes) -> None:
        self._stored, self._size, self._at = stored, stored.length(), 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        if self._at < 0:
            message = "before the file's start"
            raise OSError(message)
        return self._at

    def read(self, size: int = -1) -> bytes:
        data = self._stored.look(self._at, _DIRECTORY_BYTES if size < 0 else min(size, _DIRECTORY_BYTES))
        self._at += len(data)
        return data


def _directory(stored: StoredBytes) -> list[zipfile.ZipInfo] | None:
    """The files that the directory names; None if there is none that can be read."""
    if not stored.seekable():
        return None
    try:
        with zipfile.ZipFile(_View(stored)) as archive:
            return [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, LookupError, OSError, OverflowError, struct.error):
        return None
