"""Ranges: an object of S3 as a stream that is read at any place.

Belongs here: which bytes are asked for, and going on after a connection broke. Does not belong here: what the bytes
mean, or what a person is told when the object is not what it was (the callers).
"""

from __future__ import annotations

import contextlib
import io
import os
from typing import TYPE_CHECKING, Any

from botocore.exceptions import IncompleteReadError

from tasks.store.patience import patiently
from tasks.store.s3_faults import answered

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.store.bucket import Bucket, Facts
    from tasks.store.client import Body

#: Bytes that are asked for at once: few at a place that was jumped to, and more the longer reading goes on there.
_LEAST, _MOST = 1 << 20, 64 << 20
#: Bytes of the buffer in front of it: what is read in smaller pieces costs no request for each.
_BUFFER = 1 << 20


class RangeReader(io.RawIOBase):
    """The bytes of an object, as they were when it was opened.

    Each request names the object's ETag: of an object that is replaced meanwhile not one byte is read.
    """

    def __init__(self, bucket: Bucket, key: str, facts: Facts, changed: Callable[[], Exception]) -> None:
        """Asks for nothing yet.

        Args:
            bucket: holds the object.
            key: the object's.
            facts: what the bucket says of it.
            changed: makes the error for an object that is no longer this one.
        """
        super().__init__()
        self.facts = facts
        self._bucket, self._key, self._changed = bucket, key, changed
        self._at = 0
        self._body: Body | None = None
        self._body_at, self._body_stop, self._width = 0, 0, _LEAST

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The place of the byte that is read next."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes to another place; only the next read asks for what is there."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.facts.size}[whence]
        if start + offset < 0:
            raise ValueError("a negative place in a file")  # as every stream of Python says
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  # whatever has a buffer
        """Reads some bytes; none at the end.

        Raises:
            StoreError: the server fails for good.
            Exception: what `changed` makes, if the object is another one now.
        """
        view = memoryview(buffer).cast("B")
        if not len(view) or self._at >= self.facts.size:
            return 0
        with answered("read", self._bucket.url(self._key)):
            data = patiently(lambda _: self._some(len(view)))
        view[: len(data)] = data
        self._at += len(data)
        self._body_at = self._at
        return len(data)

    def close(self) -> None:
        """Ends the request that is under way."""
        self._drop()
        super().close()

    def _some(self, most: int) -> bytes:
        body = self._body
        if body is None or self._body_at != self._at or self._at >= self._body_stop:
            body = self._ask()
        try:
            data = body.read(min(most, self._body_stop - self._at))
        except Exception:
            self._drop()
            raise
        if not data:  # the connection was closed before all had come
            self._drop()
            raise IncompleteReadError(actual_bytes=self._at, expected_bytes=self._body_stop)
        return data

    def _ask(self) -> Body:
        goes_on = self._body is not None and self._at == self._body_stop
        self._width = min(self._width * 2, _MOST) if goes_on else _LEAST
        self._drop()
        stop = min(self._at + self._width, self.facts.size)
        body = self._bucket.body(self._key, self._at, stop, self.facts.etag)
        if body is None:
            raise self._changed()
        self._body, self._body_at, self._body_stop = body, self._at, stop
        return body

    def _drop(self) -> None:
        if self._body is not None:
            with contextlib.suppress(Exception):  # it is thrown away
                self._body.close()
        self._body = None


def buffered(reader: RangeReader) -> io.BufferedReader:
    """The stream with a buffer in front, as files have it."""
    return io.BufferedReader(reader, _BUFFER)
