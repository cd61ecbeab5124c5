"""Outside: a folder that is no store, which appears whole or not at all.

Belongs here: how copies of the store's objects get into such a folder, proven and durable. Does not belong here: which
objects, and under which names (tasks/export).

The folder is filled under another name beside its own and then renamed. Its filler holds a lock on it, so that the next
one can tell a folder that a killed one left from one that is being filled.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import StoreError, UsageError, shown
from tasks.store.faults import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.store.home import Store

_BLOCK = 1 << 20
_READ_ONLY = 0o444


def check_free(folder: str) -> Path:
    """The folder as a path, if nothing is there yet.

    Raises:
        UsageError: it is a URL, or there is something already.
    """
    if "://" in folder:
        raise UsageError(f"the folder is {shown(folder)}", expected="a folder of this machine, or one that is mounted")
    path = Path(folder).expanduser().absolute()
    with translated("read", str(path)):
        if path.is_symlink() or (path.exists() and not (path.is_dir() and not any(path.iterdir()))):
            raise UsageError("there is something already", expected="no folder, or an empty one", where=shown(path))
    return path


@contextlib.contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """Yields a folder to fill; after the block it has its name, whole and durable. If the block raises, it is gone.

    Raises:
        StoreError: it can't be made; or something came to lie under its name meanwhile.
    """
    with translated("write", str(folder)):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _clear_left_behind(folder)
        filling = folder.with_name(f"{_hidden(folder)}{uuid.uuid4().hex}")
        filling.mkdir()
        descriptor = os.open(filling, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with translated("write", str(folder)):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield filling
        with translated("write", str(folder)):
            for path, _, _ in os.walk(filling):
                _flush(Path(path))
            filling.rename(folder)
            _flush(folder.parent)
    finally:
        shutil.rmtree(filling, ignore_errors=True)
        os.close(descriptor)


def place(store: Store, key: str, target: Path, *, size: int, sha256: str, link: bool) -> bool:
    """Copies an object to a file, or gives it a second name there; says whether it was linked.

    A copy is proven: what is written has the hash that the manifest tells. A linked file is made read-only, under both
    of its names: a tool that opens it to write would change what was published.

    Args:
        store: where the object is.
        key: which one.
        target: the file, which is not there yet.
        size: its bytes.
        sha256: its hash.
        link: whether a second name is wanted, where the home can give one.

    Raises:
        StoreError: the object is not what it should be, or the file can't be written.
    """
    with translated("write", str(target)):
        target.parent.mkdir(parents=True, exist_ok=True)
    if link and store.link(key, str(target)):
        with translated("write", str(target)):
            target.chmod(_READ_ONLY)
            found = target.stat().st_size
        if found != size:
            raise _damaged(key, f"{found:,} bytes", f"{size:,}")
        return True
    with store.reading(key) as stream, translated("copy", key), target.open("xb") as file:
        digest = hashlib.sha256()
        while block := stream.read(_BLOCK):
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != sha256:
        raise _damaged(key, f"the sha256 {digest.hexdigest()}", sha256)
    return False


def write(target: Path, data: bytes) -> None:
    """Makes a small file.

    Raises:
        StoreError: it can't be written.
    """
    with translated("write", str(target)), target.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _hidden(folder: Path) -> str:
    return f".{folder.name}.winnow-"


def _clear_left_behind(folder: Path) -> None:
    """Removes what killed ones left of this folder."""
    for left in folder.parent.glob(f"{_escaped(_hidden(folder))}*"):
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(left, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise
            finally:
                os.close(descriptor)


def _escaped(name: str) -> str:
    """A name as a pattern that only it fits."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged(key: str, found: str, expected: str) -> StoreError:
    fix = "`winnow verify` says what else is damaged."
    return StoreError(f"it has {found}", expected=expected, where=key, fix=fix)
