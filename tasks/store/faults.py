"""Faults: what can go wrong with a disk, told in words that a person can act on.

Belongs here: from an operating system's error, also one inside an error of polars or pyarrow, to `StoreError`. Does
not belong here: deciding what to do about it. polars is not imported: listing versions must not cost its start.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from typing import TYPE_CHECKING

from schemas.errors import StoreError, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

_AGAIN = "then run the same command again: it goes on from the last version, which is untouched."
_ACCESS = "Let the user that runs Winnow read and write the store."
_OUT_OF_PLACE = "Move away what lies there, or choose another store."

#: Error number -> what happened, what to do.
_WORDS = {
    errno.ENOSPC: ("the disk is full", f"Free space there, {_AGAIN}"),
    errno.EDQUOT: ("the disk quota is used up", f"Free space or have the quota raised, {_AGAIN}"),
    errno.EFBIG: ("the file is larger than may be written there", f"Raise the limit on file sizes, {_AGAIN}"),
    errno.EACCES: ("permission denied", _ACCESS),
    errno.EPERM: ("the operation is not permitted", _ACCESS),
    errno.EROFS: ("the file system is read-only", "Make it writable or choose another store."),
    errno.ENOENT: ("it is not there", "`winnow verify` says whether a published file is missing."),
    errno.EEXIST: ("a file lies where a folder is needed", _OUT_OF_PLACE),
    errno.ENOTDIR: ("a file lies where a folder is needed", _OUT_OF_PLACE),
    errno.EISDIR: ("a folder lies where a file is needed", _OUT_OF_PLACE),
    errno.ENAMETOOLONG: ("the name is too long for the file system", "Shorten the partition's name."),
    errno.EIO: ("the disk failed", "Check the disk, then `winnow verify`."),
    errno.EMFILE: ("too many files are open", f"Raise `ulimit -n`, {_AGAIN}"),
    errno.ENFILE: ("too many files are open on this machine", f"Close some, {_AGAIN}"),
    errno.ESTALE: ("the network file system lost the file", f"Mount it again, {_AGAIN}"),
    errno.ENOLCK: ("the file system can't lock files", "Put the store on a file system that can."),
}

#: What polars calls an error of an S3 server, and how it quotes the answer. The rest of it holds the signed request.
_SERVER = "object-store error"
_ANSWERED = re.compile(r"status code: (\d{3})")
_SERVER_WORDS = {
    "403": ("permission denied, or the credentials are wrong", "Check them, and that they may read the bucket."),
    "404": ("it is not there", "`winnow verify` says whether a published file is missing."),
    "": ("the server can't be reached", f"Check WINNOW_S3_ENDPOINT and the network, {_AGAIN}"),
}

#: How polars ("os error 28") and pyarrow ("errno 28") quote the operating system.
_QUOTED_NUMBER = re.compile(r"\(os error (\d+)\)|\[errno (\d+)\]", re.IGNORECASE)
#: Where their errors come from; polars panics with an exception of the library that binds it to Python.
_ENGINES = ("polars", "pyarrow", "pyo3_runtime")


@contextlib.contextmanager
def translated(action: str, what: str) -> Iterator[None]:
    """Turns errors of the operating system that happen inside into `StoreError`; lets every other error through.

    Args:
        action: what was tried, as a verb: `write`.
        what: the key, or what a person calls the thing.

    Raises:
        StoreError: with the reason and what to do.
    """
    try:
        yield
    except BaseException as error:
        number = _error_number(error)
        if number is None and not isinstance(error, OSError):
            raise
        raise store_error(action, what, number, error) from error


@contextlib.contextmanager
def legible(what: str) -> Iterator[None]:
    """Turns every error of polars and pyarrow that happens inside into `StoreError`: the file can't be read.

    Raises:
        StoreError: with the reason and what to do.
    """
    try:
        with translated("read", what):
            yield
    except BaseException as error:  # polars panics with a BaseException when a file's bytes are damaged
        if not _of_engine(error):
            raise
        if told := _told_of_server(str(error)):
            raise StoreError(f"can't read {shown(what)}: {told[0]}", fix=told[1]) from None
        raise StoreError(
            f"can't read {shown(what)}: {type(error).__name__}: {shown(error)}",
            expected="a Parquet file as Winnow writes them",
            fix="`winnow verify` says which files are damaged.",
        ) from error


def store_error(action: str, what: str, number: int | None, error: object = "") -> StoreError:
    """The error for an error number, or for an error without one.

    Example:
        >>> print(store_error("write", "trips/clean/a.parquet", 13))
        can't write 'trips/clean/a.parquet': permission denied. Let the user that runs Winnow read and write the store.
    """
    unknown = (os.strerror(number) if number else shown(error), "Look at the store's file system.")
    reason, fix = _told_of_server(str(error)) or _WORDS.get(number or 0, unknown)
    return StoreError(f"can't {action} {shown(what)}: {reason}", fix=fix)


def _told_of_server(text: str) -> tuple[str, str] | None:
    """What polars says of an S3 server, in few words; None when it speaks of no server."""
    if _SERVER not in text:
        return None
    found = _ANSWERED.search(text)
    answer = found[1] if found else ""
    return _SERVER_WORDS.get(answer) or (f"the server answered {answer}", f"Look there, {_AGAIN}")


def _error_number(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if not (isinstance(error, OSError) or _of_engine(error)):
        return None
    found = _QUOTED_NUMBER.search(str(error))
    return int(found[1] or found[2]) if found else None


def _of_engine(error: BaseException) -> bool:
    return any(kind.__module__.partition(".")[0] in _ENGINES for kind in type(error).__mro__)
