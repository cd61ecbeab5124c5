"""Listing: the raw files of a dump, found and opened, below a folder or a prefix of a bucket.

Belongs here: everything by which ingest touches a disk. Does not belong here: what is in a file, or how a bucket is
asked (tasks/ingest/bucket).

A pattern is matched one path component after another. `*` is any run of characters but `/`, `?` is any one; a name that
begins with a full stop matches only a pattern that does, since tools write unfinished files under such names.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol, cast

from schemas.errors import DumpMissingError, DumpUnreadableError, UsageError, shown
from tasks.ingest import bucket

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PARTITION = "{partition}"
#: Stands for a partition, whose name may hold a wildcard that is none; no path can hold it.
_NO_WILDCARD = "\0"
#: More than an operating system reads in one call.
_MOST_AT_ONCE = 1 << 30


def list_raw(root: str | Path, pattern: str, partition: str) -> list[str]:
    """Paths of a partition's raw files, relative to the raw root, with `/`, sorted.

    Args:
        root: the raw root: a folder, or `s3://bucket/prefix`.
        pattern: as `Source.pattern`.
        partition: stands where `{partition}` stands, literally.

    Raises:
        UsageError: the partition can't be a name or a part of one.
        DumpMissingError: no file matches.
        DumpUnreadableError: a folder matches where a file is expected, or a folder can't be listed.
    """
    if not partition or partition.startswith(".") or any(character in partition for character in "/\\\0"):
        raise UsageError(f"{shown(partition)} is no partition", expected="a name without / and \\, such as 2026-11-01")
    found = sorted(_matches(root, pattern, partition), key=lambda match: match.path)
    if not found:
        raise DumpMissingError(
            f"no file matches {shown(pattern.replace(_PARTITION, partition))}",
            where=shown(root),
            fix="Check the raw root, the pattern, and whether the dump has arrived.",
        )
    for match in found:
        if not match.folder.is_file(match.name):
            fix = "Let the pattern name files: add /* to take those in the folder."
            raise DumpUnreadableError("a folder", expected="a file", where=shown(match.path), fix=fix)
    return [match.path for match in found]


def list_partitions(root: str | Path, pattern: str) -> list[str]:
    """Partitions of which at least one raw file is there, sorted; none is an empty list.

    Where `{partition}` stands beside a `*` in one component, a name is read with the longest partition it allows.

    Raises:
        DumpMissingError: the raw root itself is not there.
        DumpUnreadableError: a folder can't be listed.
    """
    return sorted({match.partition for match in _matches(root, pattern, None)})


def list_all_raw(root: str | Path, pattern: str) -> dict[str, tuple[tuple[str, int], ...]]:
    """Names and sizes of the raw files of every partition, in one pass over the folders.

    Raises:
        DumpMissingError: the raw root itself is not there.
        DumpUnreadableError: a folder can't be listed, or a file not be looked at.
    """
    found: dict[str, list[str]] = {}
    for match in _matches(root, pattern, None):
        found.setdefault(match.partition, []).append(match.path)
    return {
        name: tuple((path, raw_size(f"{root}/{path}")) for path in sorted(paths))
        for name, paths in sorted(found.items())
    }


def open_raw(url: str | Path) -> io.BufferedReader:
    """Opens a raw file for reading.

    Raises:
        DumpUnreadableError: it is gone, is not a regular file, or may not be read.
    """
    if is_url(url):
        return bucket.open_object(str(url))
    path = Path(url)
    try:
        # A pipe or a device would make the reader wait for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise DumpUnreadableError("no regular file", where=shown(path), fix="Put the raw file itself there.")
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def raw_size(url: str | Path) -> int:
    """Bytes of a raw file as stored.

    Raises:
        DumpUnreadableError: it is gone or may not be looked at.
    """
    if is_url(url):
        return bucket.object_size(str(url))
    try:
        return Path(url).stat().st_size
    except (OSError, ValueError) as error:
        raise _unreadable(Path(url), error) from error


def replace_raw(url: str, pieces: Iterable[bytes], *, sha256: str) -> None:
    """Puts other bytes in the place of a raw file in a folder, at once and durably; only an erasure does that.

    Args:
        url: of the file.
        pieces: the other bytes.
        sha256: of all of them; with another one, the file stays as it is.

    Raises:
        DumpUnreadableError: it can't be written.
    """
    path = Path(url)
    # Under a name that no pattern matches, beside it, so that the file system can give it the other one at once.
    unfinished = path.with_name(f".{path.name}.erasing")
    try:
        with unfinished.open("wb") as stream:
            shutil.copymode(path, unfinished)
            digest = hashlib.sha256()
            for piece in pieces:
                digest.update(piece)
                stream.write(piece)
            stream.flush()
            os.fsync(stream.fileno())
        if digest.hexdigest() != sha256:
            unfinished.unlink()
            raise DumpUnreadableError("it changed while it was read", where=shown(path), fix="Run it again.")
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        reason = error.strerror or type(error).__name__
        raise DumpUnreadableError(
            f"can't be written: {reason}", where=shown(path), fix="Let the user that erases write there."
        ) from error


def read_at(text: BinaryIO, first: int, size: int) -> bytes:
    """So many bytes of a text from a place on, or those that are left.

    Args:
        text: readable at any place; where it stands afterwards is not said.
        first: the place.
        size: how many bytes.
    """
    if isinstance(text, io.BufferedReader) and isinstance(text.raw, io.FileIO) and size < _MOST_AT_ONCE:
        # A buffer would be filled for each of many small stretches, and thrown away again.
        return os.pread(text.fileno(), size, first)
    text.seek(first)
    return text.read(size)


def stamp_of(stream: io.BufferedReader) -> str:
    """What changes when an open raw file does: when it was last changed and its inode, or what its bucket says."""
    told = bucket.stamp(stream.raw)
    if told is not None:
        return told
    found = os.fstat(stream.fileno())
    return f"{found.st_mtime_ns} {found.st_ino}"


def is_url(place: str | Path) -> bool:
    """Whether a place is in a bucket.

    Example:
        >>> is_url("s3://dumps/raw"), is_url("/data/raw")
        (True, False)
    """
    return str(place).startswith("s3://")


def scratch_file() -> BinaryIO:
    """A nameless temporary file, gone when it is closed."""
    return cast("BinaryIO", tempfile.TemporaryFile())


class _Folder(Protocol):
    """A folder, or what stands for one."""

    place: str

    def names(self, start: str) -> Iterable[str]:
        """Names of what is in it; those that don't begin so may be left out."""

    def is_folder(self, name: str) -> bool:
        """Whether one of them is a folder."""

    def is_file(self, name: str) -> bool:
        """Whether one of them is anything else."""

    def below(self, name: str) -> _Folder:
        """One of them, a folder."""


class _Match(NamedTuple):
    path: str
    partition: str
    folder: _Folder
    name: str


class _LocalFolder:
    """A folder on a disk."""

    def __init__(self, path: Path) -> None:
        self._path, self.place = path, str(path)

    def names(self, start: str) -> list[str]:  # noqa: ARG002  # a disk gives all in one go
        try:
            return [entry.name for entry in self._path.iterdir()]
        except OSError as error:
            raise _unreadable(self._path, error) from error

    def is_folder(self, name: str) -> bool:
        return (self._path / name).is_dir()

    def is_file(self, name: str) -> bool:
        return not self.is_folder(name)

    def below(self, name: str) -> _Folder:
        return _LocalFolder(self._path / name)


def _matches(root: str | Path, pattern: str, partition: str | None) -> Iterator[_Match]:
    """Everything that matches, in no particular order."""
    folder: _Folder = bucket.BucketFolder.root(str(root)) if is_url(root) else _LocalFolder(Path(root))
    if not is_url(root) and not Path(root).is_dir():
        fix = "Set the raw root to the folder that the dumps arrive in."
        raise DumpMissingError("no folder there", expected="the raw root", where=shown(root), fix=fix)
    components = [component for component in pattern.split("/") if component]
    yield from _walk(folder, "", components, partition, partition or "")


def _walk(folder: _Folder, path: str, components: list[str], partition: str | None, known: str) -> Iterator[_Match]:
    pattern, below = _component_pattern(components[0], partition), components[1:]
    for name in folder.names(_literal_start(components[0], partition)):
        found = pattern.fullmatch(name)
        if found is None or name.startswith(".") > components[0].startswith("."):
            continue
        _check_encoding(folder.place, name)
        named = found.groupdict().get("partition") or known
        if not below:
            yield _Match(path + name, named, folder, name)
        elif folder.is_folder(name):
            yield from _walk(folder.below(name), f"{path}{name}/", below, partition, named)


def _literal_start(component: str, partition: str | None) -> str:
    """What every name begins with that can match."""
    known = component if partition is None else component.replace(_PARTITION, _NO_WILDCARD)
    start = re.split(r"[*?]|" + re.escape(_PARTITION), known, maxsplit=1)[0]
    return start.replace(_NO_WILDCARD, partition or "")


def _check_encoding(folder: str, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        fix = "Rename it: a manifest could not name it."
        raise DumpUnreadableError(f"the name {shown(name)} is not UTF-8", where=shown(folder), fix=fix) from None


def _component_pattern(component: str, partition: str | None) -> re.Pattern[str]:
    wildcards = {"*": ".*", "?": "."}
    sides = [
        "".join(wildcards.get(character) or re.escape(character) for character in side)
        for side in component.split(_PARTITION)
    ]
    between = "(?P<partition>.+)" if partition is None else re.escape(partition)
    return re.compile(between.join(sides), re.DOTALL)


def _unreadable(path: Path, error: OSError | ValueError) -> DumpUnreadableError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return DumpUnreadableError(
        f"can't be read: {reason}", where=shown(path), fix="Check that it is there and may be read."
    )
