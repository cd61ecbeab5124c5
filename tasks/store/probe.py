"""Probe: whether a server keeps the promise that a version rests on.

Belongs here: asking it once in a process, before the first write. Does not belong here: anything that a store holds.

A server that does not know conditional requests answers them with success and overwrites: two runs would publish the
same version, one of them would be lost, and nobody would be told. So a small object, the same for all runs, is put on
the condition that it is absent, until it is not, and on the condition that it is another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import StoreError

if TYPE_CHECKING:
    from tasks.store.bucket import Bucket

#: Below the store's root; it stays.
PROBE = "_probe"
_CONTENT = b"Winnow puts this object to see whether the server keeps the conditions of a request.\n"

_kept: set[tuple[int, str]] = set()


def check_promises(bucket: Bucket, key: str) -> None:
    """Sees that the bucket is there and that conditions are kept; asks once in a process.

    Args:
        bucket: holds the store.
        key: of the probe.

    Raises:
        StoreError: it is not, or they are not.
    """
    asked = (id(bucket.access), bucket.url(key))
    if asked in _kept:
        return
    # Some servers make a bucket when an object is put into it: a misspelt one must not be taken for an empty store.
    bucket.check()
    if bucket.put(key, _CONTENT, absent=True) is not None and bucket.put(key, _CONTENT, absent=True) is not None:
        raise _broken("If-None-Match", bucket)
    if bucket.put(key, _CONTENT, etag='"0"') is not None:
        raise _broken("If-Match", bucket)
    _kept.add(asked)


def _broken(header: str, bucket: Bucket) -> StoreError:
    return StoreError(
        f"the server at {bucket.access.endpoint} takes a put that it must refuse ({header})",
        expected="a server that keeps conditions (AWS, MinIO, Ceph, SeaweedFS and others do)",
        where=bucket.url(""),
        fix="Use another server, or a folder: here two runs could publish the same version, and one would be lost.",
    )
