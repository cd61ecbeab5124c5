"""Bucket: raw files that lie below a prefix of a bucket.

Belongs here: what listing asks of a folder and of a file, asked of S3. Does not belong here: patterns (listing), or
requests (tasks/store/bucket).

Nothing is copied to this machine first: a file is read as it comes, and what is read again is asked for at its place.
An object that is replaced while it is read is never read on.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from schemas.errors import DumpChangedError, DumpMissingError, DumpUnreadableError, StoreError, shown

if TYPE_CHECKING:
    import io
    from collections.abc import Iterable, Iterator

    from tasks.store.bucket import Bucket, Facts


class BucketFolder:
    """What stands for a folder: all keys with the same beginning up to a `/`."""

    def __init__(self, bucket: Bucket, prefix: str) -> None:
        self._bucket, self._prefix = bucket, prefix
        self._objects: set[str] = set()
        self._folders: set[str] = set()
        self.place = bucket.url(prefix)

    @classmethod
    def root(cls, url: str) -> BucketFolder:
        """The raw root.

        Raises:
            DumpMissingError: nothing is there.
            DumpUnreadableError: it can't be listed.
        """
        from tasks.store.s3 import bucket_of

        folder = cls(*bucket_of(url))
        with _unreadable(url):
            if not any(folder._bucket.list(folder._prefix, delimiter="/")):
                fix = "Set the raw root to the prefix that the dumps arrive below."
                raise DumpMissingError("nothing is there", expected="the raw root", where=shown(url), fix=fix)
        return folder

    def names(self, start: str) -> Iterable[str]:
        """Names of what is in it and begins so.

        Raises:
            DumpUnreadableError: it can't be listed.
        """
        with _unreadable(self.place):
            keys = [each.key for each in self._bucket.list(self._prefix + start, delimiter="/")]
        below = [key.removeprefix(self._prefix) for key in keys]
        # The prefix itself may be an object, by which some tools show an empty folder.
        self._objects = {name for name in below if name and not name.endswith("/")}
        self._folders = {name.removesuffix("/") for name in below if name.endswith("/")} - {""}
        return self._objects | self._folders

    def is_folder(self, name: str) -> bool:
        """Whether one of them is what several objects have in common, whatever else."""
        return name in self._folders

    def is_file(self, name: str) -> bool:
        """Whether one of them is an object, whatever else."""
        return name in self._objects

    def below(self, name: str) -> BucketFolder:
        """One of them, a folder."""
        return BucketFolder(self._bucket, f"{self._prefix}{name}/")


def open_object(url: str) -> io.BufferedReader:
    """Opens a raw file for reading, at any place.

    Raises:
        DumpUnreadableError: it is gone or may not be read.
    """
    from tasks.store.ranges import RangeReader, buffered

    bucket, key, facts = _found(url)

    def changed() -> DumpChangedError:
        return DumpChangedError("it changed while it was read", where=shown(url), fix="Run it again.")

    return buffered(RangeReader(bucket, key, facts, changed))


def object_size(url: str) -> int:
    """Bytes of a raw file as stored.

    Raises:
        DumpUnreadableError: it is gone or may not be looked at.
    """
    return _found(url)[2].size


def stamp(stream: Any) -> str | None:  # noqa: ANN401  # any raw stream
    """What changes when the object that is read changes; None when no object is read."""
    facts = getattr(stream, "facts", None)
    return None if facts is None else f"{facts.etag} {facts.size} {facts.modified:%Y-%m-%dT%H:%M:%SZ}"


def _found(url: str) -> tuple[Bucket, str, Facts]:
    from tasks.store.s3 import bucket_of

    root, _, key = url.removeprefix("s3://").partition("/")
    bucket, _ = bucket_of(f"s3://{root}")
    with _unreadable(url):
        facts = bucket.head(key)
    if facts is None:
        fix = "Check that it is there and may be read."
        raise DumpUnreadableError("can't be read: it is not there", where=shown(url), fix=fix)
    return bucket, key, facts


@contextlib.contextmanager
def _unreadable(url: str) -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise DumpUnreadableError(error.found, where=shown(url), fix=error.fix) from None
