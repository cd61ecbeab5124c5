"""Local: a store in a folder, on a disk of this machine or one that is mounted.

Belongs here: files, folders, and the order of calls that makes a write atomic and durable. Does not belong here: what
keys mean (paths), or versions.

Everything is written under a temporary name beside its final one, flushed to the disk, and only then given its name:
by `link(2)`, which fails where the name is taken. A staged object is only renamed: no run relies on one that an earlier
run made. A writer that is killed leaves a temporary file that no listing shows.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import filecmp
import hashlib
import os
import shutil
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import SettingsError, StoreError, shown
from tasks.store.faults import translated
from tasks.store.home import Store
from tasks.store.locks import locked
from tasks.store.paths import UNFINISHED, is_staged, parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

__all__ = ["LocalStore", "Store", "open_store"]

#: How file systems say that they have no hard links.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


def open_store(root: str | Path) -> Store:
    """The store at a place; nothing is made there before the first write.

    Args:
        root: a folder, or `s3://bucket/prefix`.

    Raises:
        SettingsError: the place is another kind of URL, or there are no credentials.
    """
    if str(root).startswith("s3://"):
        from tasks.store.s3 import S3Store

        return S3Store(str(root))
    if "://" in str(root):
        fix = "Set WINNOW_STORE to one of them."
        raise SettingsError(f"the store is {shown(root)}", expected="a folder or s3://bucket/prefix", fix=fix)
    return LocalStore(Path(root))


class LocalStore(Store):
    """A store below a folder; see `Store` for what it does."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    @property
    def storage_options(self) -> dict[str, str] | None:
        """Files need none."""
        return None

    def create(self, key: str, data: bytes) -> bool:
        """Makes a small object unless there is one; says whether it did."""
        target = self._place(key)
        with translated("write", key):
            if target.exists():
                return False
            with _unfinished(target) as temporary:
                _write(temporary, data)
                return _link(temporary, target)

    def replace(self, key: str, data: bytes) -> None:
        """Makes a small object, or replaces it at once."""
        target = self._place(key)
        with translated("write", key), _unfinished(target) as temporary:
            _write(temporary, data)
            temporary.replace(target)
            _flush(target.parent)

    @contextlib.contextmanager
    def writing(self, key: str) -> Iterator[str]:
        """Yields a path to write to; the file gets its name after the block."""
        with self.unfinished(key) as temporary:
            yield str(temporary)
            with translated("write", key):
                _name(temporary, self._place(key), key)

    @contextlib.contextmanager
    def unfinished(self, key: str) -> Iterator[Path]:
        """Yields a path beside the key's file, which no listing shows; what is there is gone after the block."""
        with contextlib.ExitStack() as stack:
            with translated("write", key):
                temporary = stack.enter_context(_unfinished(self._place(key)))
            yield temporary

    def write_file(self, key: str, producer: Callable[[str], object]) -> None:
        """Makes a data file that `producer` writes."""
        with translated("write", key), self.writing(key) as path:
            producer(path)

    def read(self, key: str) -> bytes:
        """A small object."""
        with translated("read", key):
            return self._place(key).read_bytes()

    @contextlib.contextmanager
    def reading(self, key: str) -> Iterator[BinaryIO]:
        """Opens an object to be read as a stream."""
        with translated("read", key):
            stream = self._place(key).open("rb")
        with stream:
            yield stream

    def path(self, key: str) -> str:
        """The file of an object; without a key, the store's folder."""
        return str(self._place(key) if key else self.root)

    def link(self, key: str, path: str) -> bool:
        """Gives an object's file a second name; not on another file system, and not without end."""
        with translated("read", key):
            try:
                os.link(self._place(key), path)
            except OSError as error:
                if error.errno not in (*_NO_LINKS, errno.EXDEV, errno.EMLINK):
                    raise
                return False
        return True

    def list(self, prefix: str, *, after: str = "", most: int | None = None) -> tuple[str, ...]:
        """Keys that begin with the prefix, sorted."""
        folder, slash, start = prefix.rpartition("/")
        with translated("list", prefix):
            top = self._place(folder) if folder else self.root
            found = _files(top, folder + slash) if top.exists() else iter(())
            keys = (key for key in found if key.startswith(folder + slash + start) and key > after)
            return tuple(sorted(key for key in keys if not _is_hidden(key))[:most])

    def exists(self, key: str) -> bool:
        """Whether there is an object under the key."""
        with translated("read", key):
            return self._place(key).is_file()

    def size(self, key: str) -> int:
        """Bytes of an object."""
        with translated("read", key):
            return self._place(key).stat().st_size

    def age(self, key: str) -> dt.timedelta:
        """How long ago an object was written."""
        with translated("read", key):
            return _age(self._place(key))

    def sha256(self, key: str) -> str:
        """Hash of an object's bytes."""
        with translated("read", key), self._place(key).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def delete(self, key: str) -> None:
        """Removes an object; it is no error when there is none."""
        target = self._place(key)
        with translated("delete", key), contextlib.suppress(FileNotFoundError):
            target.unlink()
            _flush(target.parent)

    def clear(self, prefix: str) -> None:
        """Removes all objects below a prefix, and what killed writers left among them."""
        folder = self._place(prefix.removesuffix("/"))
        with translated("delete", prefix), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)

    def clear_unfinished(self, prefix: str, *, older_than: dt.timedelta = dt.timedelta(0)) -> None:
        """Removes what killed writers left below a prefix."""
        folder = self._place(prefix.removesuffix("/"))
        with translated("delete", prefix):
            for key in _files(folder, prefix) if folder.exists() else ():
                if _is_hidden(key) and (not older_than or _age(self.root / key) > older_than):
                    (self.root / key).unlink(missing_ok=True)

    def abort_stale_uploads(self, older_than: dt.timedelta) -> int:  # noqa: ARG002  # as the protocol has it
        """There are none: what a killed writer left is gone with `clear_unfinished`."""
        return 0

    def hold(self, key: str, run_id: str, what: str) -> contextlib.AbstractContextManager[None]:
        """Holds a lease while the block runs."""
        return locked(self._place(key), key, run_id, what)

    def check_held(self, key: str, run_id: str, what: str) -> None:
        """A lock of the operating system is not lost while its process runs."""

    def _place(self, key: str) -> Path:
        return self.root.joinpath(*parts_of(key))


# --- writing ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    """A new name beside the final one, whose file is gone afterwards."""
    _make_folder(target.parent)
    temporary = target.with_name(f"{UNFINISHED}{uuid.uuid4().hex}")
    try:
        yield temporary
    finally:
        with contextlib.suppress(OSError):  # what went wrong before is what a person has to know
            temporary.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        rest = memoryview(data)
        while rest:  # a write may take only a part, and says so instead of failing
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _name(temporary: Path, target: Path, key: str) -> None:
    """Gives a finished data file its name."""
    if is_staged(key):
        # Not flushed: whatever a power cut leaves of it is cleared when the run starts again.
        temporary.replace(target)
        return
    _flush(temporary)
    if not _link(temporary, target) and not filecmp.cmp(temporary, target, shallow=False):
        raise other_content(key)


def other_content(key: str) -> StoreError:
    """The error for a data file that is there already, with other bytes than were to be written."""
    return StoreError(
        "there is a file of that name with other content",
        expected="the same bytes, because the name says what the content depends on",
        where=key,
        fix="If `winnow verify` calls it damaged, or no version names it, delete it and run again; otherwise the "
        "code was changed in a place that the contract fingerprint does not cover.",
    )


def _link(temporary: Path, target: Path) -> bool:
    """Gives a file a second, final name, durably, unless the name is taken; says whether it did."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        # A network file system tries again when an answer was lost, and then finds the link that it made itself.
        if not temporary.samefile(target):
            return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        raise StoreError(
            f"can't link a file: {os.strerror(error.errno)}",
            expected="a file system with hard links, by which a version is published at once or not at all",
            where=str(target.parent),
            fix="Put the store on a local disk, or let the user that runs Winnow write there.",
        ) from error
    _flush(target.parent)
    return True


def _make_folder(folder: Path) -> None:
    """Makes a folder and those above it durably: after a power cut, what was written in it is still reachable."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _flush(folder.parent)


def _flush(path: Path) -> None:
    """Waits until a file's bytes, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- listing ----------------------------------------------------------------------------------------------------------


def _age(path: Path) -> dt.timedelta:
    """How long ago a file was written; nothing of one that is gone meanwhile."""
    try:
        return dt.timedelta(seconds=time.time() - path.stat().st_mtime)
    except FileNotFoundError:
        if not _is_hidden(path.name):
            raise
        return dt.timedelta(0)


def _files(folder: Path, prefix: str) -> Iterator[str]:
    """Keys of all files below a folder, in no order."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError):  # another run cleared its staging meanwhile
                    yield from _files(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name


def _is_hidden(key: str) -> bool:
    return key.rpartition("/")[2].startswith(UNFINISHED)
