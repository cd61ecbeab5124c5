"""S3: a store below a prefix of a bucket.

Belongs here: what the store promises, kept by requests to a server. Does not belong here: the requests (bucket, upload,
ranges), what keys mean (paths), or leases (s3_lease).

A data file is written to this machine's disk and sent when it is finished: polars writes it as fast as to a folder, its
hash is known before it is sent, and a run that dies in between leaves nothing in the bucket that a reader could see.
Staged objects, which live as long as their run, stay on that disk, where they can be mapped into memory.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import itertools
import re
from typing import TYPE_CHECKING, Any

from schemas.errors import SettingsError, StoreError, shown
from tasks.store import s3_lease
from tasks.store.access import access
from tasks.store.bucket import Bucket
from tasks.store.faults import translated
from tasks.store.home import Store
from tasks.store.local import LocalStore, other_content
from tasks.store.paths import is_staged, parts_of
from tasks.store.probe import PROBE, check_promises
from tasks.store.ranges import RangeReader, buffered
from tasks.store.scratch import scratch_folder
from tasks.store.upload import upload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from tasks.store.bucket import Facts, Upload


#: Names of buckets, also the old ones with capitals and underscores.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")


class S3Store(Store):
    """A store in a bucket; see `Store` for what it does."""

    def __init__(self, url: str) -> None:
        """Finds the credentials; asks nothing of the server yet.

        Raises:
            SettingsError: the URL names no bucket, or there are no credentials.
        """
        self._bucket, self._prefix = bucket_of(url)
        self._scratch = LocalStore(scratch_folder(self._bucket.url(self._prefix)))
        self._sent: dict[str, tuple[str, str]] = {}

    @property
    def storage_options(self) -> dict[str, Any]:
        """The credentials of this moment."""
        return self._bucket.access.storage_options

    def create(self, key: str, data: bytes) -> bool:
        """Makes a small object unless there is one; says whether it did."""
        name = self._writable(key)
        return self._bucket.put(name, data, absent=True) is not None

    def replace(self, key: str, data: bytes) -> None:
        """Makes a small object, or replaces it at once."""
        self._bucket.put(self._writable(key), data)

    @contextlib.contextmanager
    def writing(self, key: str) -> Iterator[str]:
        """Yields a path on this machine's disk; what is there after the block is sent."""
        if is_staged(key):
            with self._scratch.writing(key) as path:
                yield path
            return
        name = self._writable(key)
        with self._scratch.unfinished(key) as path:
            yield str(path)
            self._send(path, name, key)

    def _send(self, path: Path, name: str, key: str) -> None:
        with translated("read", str(path)), path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        etag = upload(self._bucket, path, name)
        if etag is None:
            if self._hash(key) != sha256:
                raise other_content(key)
            etag = self._facts(key).etag
        self._sent[key] = (etag, sha256)

    def write_file(self, key: str, producer: Callable[[str], object]) -> None:
        """Makes a data file that `producer` writes."""
        with self.writing(key) as path, translated("write", key):
            producer(path)

    def read(self, key: str) -> bytes:
        """A small object."""
        if is_staged(key):
            return self._scratch.read(key)
        found = self._bucket.get(self._name(key))
        if found is None:
            raise _missing(key)
        return found[0]

    @contextlib.contextmanager
    def reading(self, key: str) -> Iterator[BinaryIO]:
        """Opens an object to be read as a stream."""
        if is_staged(key):
            with self._scratch.reading(key) as stream:
                yield stream
            return
        with buffered(RangeReader(self._bucket, self._name(key), self._facts(key), lambda: _changed(key))) as stream:
            yield stream

    def path(self, key: str) -> str:
        """The URL of an object; of a staged one the file."""
        if is_staged(key):
            return self._scratch.path(key)
        return self._bucket.url(self._name(key) if key else self._prefix).removesuffix("/")

    def link(self, key: str, path: str) -> bool:  # noqa: ARG002  # as the protocol has it
        """An object has no file."""
        return False

    def list(self, prefix: str, *, after: str = "", most: int | None = None) -> tuple[str, ...]:
        """Keys that begin with the prefix, sorted; staged ones only if it is theirs."""
        if is_staged(prefix):
            return self._scratch.list(prefix, after=after, most=most)
        beyond = self._prefix + after if after else ""
        names = self._bucket.list(self._prefix + prefix, after=beyond, most=most)
        keys = (each.key.removeprefix(self._prefix) for each in names)
        return tuple(itertools.islice((key for key in keys if key != PROBE), most))

    def exists(self, key: str) -> bool:
        """Whether there is an object under the key."""
        if is_staged(key):
            return self._scratch.exists(key)
        return self._bucket.head(self._name(key)) is not None

    def size(self, key: str) -> int:
        """Bytes of an object."""
        return self._scratch.size(key) if is_staged(key) else self._facts(key).size

    def age(self, key: str) -> dt.timedelta:
        """How long ago an object was written, by the server's clock."""
        if is_staged(key):
            return self._scratch.age(key)
        facts = self._facts(key)
        return facts.now - facts.modified

    def sha256(self, key: str) -> str:
        """Hash of an object's bytes.

        What this very store sent and nobody replaced since is not fetched back: the server checked each part against
        its hash when it came. Open the store anew to have every byte read.
        """
        if is_staged(key):
            return self._scratch.sha256(key)
        if key in self._sent and self._facts(key).etag == self._sent[key][0]:
            return self._sent[key][1]
        return self._hash(key)

    def _hash(self, key: str) -> str:
        with self.reading(key) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]  # it has readinto

    def delete(self, key: str) -> None:
        """Removes an object; it is no error when there is none."""
        if is_staged(key):
            self._scratch.delete(key)
        else:
            self._bucket.delete([self._name(key)])

    def clear(self, prefix: str) -> None:
        """Removes all objects below a prefix, and what killed writers left among them."""
        parts_of(prefix.removesuffix("/"))
        self._scratch.clear(prefix)
        if not is_staged(prefix):
            self._bucket.delete([each.key for each in self._bucket.list(self._prefix + prefix)])
            self._abort(prefix, dt.timedelta(0))

    def clear_unfinished(self, prefix: str, *, older_than: dt.timedelta = dt.timedelta(0)) -> None:
        """Removes what killed writers left below a prefix: files that were to be sent, and uploads half done."""
        parts_of(prefix.removesuffix("/"))
        self._scratch.clear_unfinished(prefix, older_than=older_than)
        self._abort(prefix, older_than)

    def unfinished_uploads(self) -> Sequence[Upload]:
        """Uploads below the store that were begun and have not ended."""
        return list(self._bucket.uploads(self._prefix))

    def abort_stale_uploads(self, older_than: dt.timedelta) -> int:
        """Ends what killed writers left half sent; says how many."""
        return self._abort("", older_than)

    def _abort(self, prefix: str, older_than: dt.timedelta) -> int:
        begun = list(self._bucket.uploads(self._prefix + prefix))
        if not begun:
            return 0
        latest = self._bucket.now() - older_than
        stale = [each for each in begun if not older_than or (each.initiated or latest) < latest]
        for each in stale:
            self._bucket.abort(each)
        return len(stale)

    def hold(self, key: str, run_id: str, what: str) -> contextlib.AbstractContextManager[None]:
        """Holds a lease while the block runs."""
        return s3_lease.hold(self._bucket, self._writable(key), run_id, what)

    def check_held(self, key: str, run_id: str, what: str) -> None:
        """Sees that a run still holds a lease."""
        s3_lease.check_held(self._bucket, self._name(key), run_id, what)

    def _name(self, key: str) -> str:
        """An object's name in the bucket."""
        parts_of(key)
        return self._prefix + key

    def _writable(self, key: str) -> str:
        """The same, and the server keeps its promises."""
        check_promises(self._bucket, self._prefix + PROBE)
        return self._name(key)

    def _facts(self, key: str) -> Facts:
        facts = self._bucket.head(self._name(key))
        if facts is None:
            raise _missing(key)
        return facts


def bucket_of(url: str) -> tuple[Bucket, str]:
    """The bucket that a URL names, and the prefix in it, which ends in `/` if it is not empty.

    Raises:
        SettingsError: the URL names no bucket, or there are no credentials.
    """
    name, _, path = url.removeprefix("s3://").partition("/")
    if not _BUCKET.fullmatch(name):
        expected, fix = "s3://bucket/prefix", "Endpoint and credentials are settings of their own."
        # Somebody may have put a password into it.
        raise SettingsError(f"{shown(url.rpartition('@')[2])} names no bucket", expected=expected, fix=fix)
    prefix = "/".join(filter(None, path.split("/")))
    return Bucket(name, access()), f"{prefix}/" if prefix else ""


def _missing(key: str) -> StoreError:
    fix = "`winnow verify` says whether a published file is missing."
    return StoreError(f"can't read {shown(key)}: it is not there", fix=fix)


def _changed(key: str) -> StoreError:
    fix = "Nothing of Winnow replaces a published file: see what else writes into the bucket, then `winnow verify`."
    return StoreError("it was replaced while it was read", where=shown(key), fix=fix)
