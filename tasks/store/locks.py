"""Locks: leases in a folder.

Belongs here: a lock of the operating system on a file, which ends with the process that holds it, however that ends.
Does not belong here: leases in a bucket (s3_lease).

The file's content only says who holds it, and the file stays: removing it would let two runs lock two files of one
name.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import LeaseHeldError
from tasks.store.faults import translated
from tasks.store.holder import Holder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: More than a holder ever takes; a file that was changed by hand may be of any size.
_LONGEST = 4096


@contextlib.contextmanager
def locked(path: Path, key: str, run_id: str, what: str) -> Iterator[None]:
    """Holds the lock on a file while the block runs; see `Store.hold`.

    Raises:
        LeaseHeldError: another run holds it.
        StoreError: the file can't be made or locked.
    """
    with translated("lock", key):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        with translated("lock", key):
            if not _is_taken(descriptor):
                raise _refusal(descriptor, what)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, msgspec.json.encode(Holder.this(run_id)), 0)
        try:
            yield
        finally:
            # Said aloud, because a child that was forked meanwhile would keep the lock with its copy of the file.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _is_taken(descriptor: int) -> bool:
    """Takes the lock, if it is free; whether it was."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        return False
    return True


def _refusal(descriptor: int, what: str) -> LeaseHeldError:
    try:
        holder = msgspec.json.decode(os.pread(descriptor, _LONGEST, 0), type=Holder)
    except msgspec.MsgspecError:  # the other run took the lease a moment ago and has not signed yet
        found, process = "another run is cleaning this partition", "it"
    else:
        found, process = holder.told(), f"process {holder.process}"
    return LeaseHeldError(found, where=what, fix=f"Wait until it is done, or end {process}; its lease ends with it.")
