"""Listing: the raw files of a dump, found and opened.

Belongs here: everything by which ingest touches a disk. Does not belong here: what is in a file.

A pattern is matched one path component after another. `*` is any run of characters but `/`, `?` is any one; a name that
begins with a full stop matches only a pattern that does, since tools write unfinished files under such names.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from schemas.errors import DumpMissingError, DumpUnreadableError, UsageError, shown

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

_PARTITION = "{partition}"


def list_raw(root: str | Path, pattern: str, partition: str) -> list[str]:
    """Paths of a partition's raw files, relative to the raw root, with `/`, sorted.

    Args:
        root: the raw root.
        pattern: as `Source.pattern`.
        partition: stands where `{partition}` stands, literally.

    Raises:
        UsageError: the partition can't be a name or a part of one.
        DumpMissingError: no file matches.
        DumpUnreadableError: a folder matches where a file is expected, or a folder can't be listed.
    """
    if not partition or partition.startswith(".") or any(character in partition for character in "/\\\0"):
        raise UsageError(f"{shown(partition)} is no partition", expected="a name without / and \\, such as 2026-11-01")
    found = sorted(path for path, _ in _matches(Path(root), pattern, partition))
    if not found:
        raise DumpMissingError(
            f"no file matches {shown(pattern.replace(_PARTITION, partition))}",
            where=shown(root),
            fix="Check the raw root, the pattern, and whether the dump has arrived.",
        )
    for path in found:
        if Path(root, path).is_dir():
            fix = "Let the pattern name files: add /* to take those in the folder."
            raise DumpUnreadableError("a folder", expected="a file", where=shown(path), fix=fix)
    return found


def list_partitions(root: str | Path, pattern: str) -> list[str]:
    """Partitions of which at least one raw file is there, sorted; none is an empty list.

    Where `{partition}` stands beside a `*` in one component, a name is read with the longest partition it allows.

    Raises:
        DumpMissingError: the raw root itself is not there.
        DumpUnreadableError: a folder can't be listed.
    """
    return sorted({partition for _, partition in _matches(Path(root), pattern, None)})


def open_raw(url: str | Path) -> io.BufferedReader:
    """Opens a raw file for reading.

    Raises:
        DumpUnreadableError: it is gone, is not a regular file, or may not be read.
    """
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
    try:
        return Path(url).stat().st_size
    except (OSError, ValueError) as error:
        raise _unreadable(Path(url), error) from error


def stamp_of(stream: io.BufferedReader) -> tuple[int, int]:
    """When an open raw file was last changed, in nanoseconds, and its inode: another stamp means another content."""
    told = os.fstat(stream.fileno())
    return told.st_mtime_ns, told.st_ino


def scratch_file() -> BinaryIO:
    """A nameless temporary file, gone when it is closed."""
    return cast("BinaryIO", tempfile.TemporaryFile())


def _matches(root: Path, pattern: str, partition: str | None) -> Iterator[tuple[str, str]]:
    """Path and partition of everything that matches, in no particular order."""
    if not root.is_dir():
        fix = "Set the raw root to the folder that the dumps arrive in."
        raise DumpMissingError("no folder there", expected="the raw root", where=shown(root), fix=fix)
    components = [component for component in pattern.split("/") if component]
    yield from _walk(root, "", components, partition, partition or "")


def _walk(
    folder: Path, path: str, components: list[str], partition: str | None, known: str
) -> Iterator[tuple[str, str]]:
    pattern, below = _component_pattern(components[0], partition), components[1:]
    for name in _names(folder):
        found = pattern.fullmatch(name)
        if found is None or name.startswith(".") > components[0].startswith("."):
            continue
        _check_encoding(folder, name)
        named = found.groupdict().get("partition") or known
        if not below:
            yield path + name, named
        elif (folder / name).is_dir():
            yield from _walk(folder / name, f"{path}{name}/", below, partition, named)


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError as error:
        raise _unreadable(folder, error) from error


def _check_encoding(folder: Path, name: str) -> None:
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
