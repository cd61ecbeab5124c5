"""Lease: one run at a time cleans a partition.

Belongs here: taking and giving back the right to clean a partition. Does not belong here: publishing, which needs no
lease, because any number of runs may commit at once (tasks/publish/commit).

The lease is a lock of the operating system on a file, so that it ends with the process that holds it, however that
ends. The file's content only says who that is, and the file stays: removing it would let two runs lock two files of
one name.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import LeaseHeldError, shown
from tasks.store.faults import translated
from tasks.store.paths import lease_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.store.home import Store

#: More than a holder ever takes; a file that was changed by hand may be of any size.
_LONGEST = 4096


class Holder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who holds a lease."""

    run_id: str
    process: int
    host: str
    since: str
    """UTC, ISO 8601."""


@contextlib.contextmanager
def lease(store: Store, dataset: str, partition: str, run_id: str) -> Iterator[None]:
    """Holds the right to clean a partition while the block runs.

    Args:
        store: where the data set lies; a local one.
        dataset: name of the data set.
        partition: name of the partition.
        run_id: told to whoever is refused meanwhile.

    Raises:
        LeaseHeldError: another run holds it; the message says which.
        StoreError: the file can't be made or locked.
    """
    key = lease_key(dataset, partition)
    path = Path(store.path(key))
    with translated("lock", key):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        with translated("lock", key):
            if not _locked(descriptor):
                raise _refusal(descriptor, f"{dataset} {partition}")
            _sign(descriptor, run_id)
        try:
            yield
        finally:
            # Said aloud, because a child that was forked meanwhile would keep the lock with its copy of the file.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        return False
    return True


def _sign(descriptor: int, run_id: str) -> None:
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    holder = Holder(run_id=run_id, process=os.getpid(), host=socket.gethostname(), since=now)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, msgspec.json.encode(holder), 0)


def _refusal(descriptor: int, where: str) -> LeaseHeldError:
    try:
        holder = msgspec.json.decode(os.pread(descriptor, _LONGEST, 0), type=Holder)
    except msgspec.MsgspecError:  # the other run took the lease a moment ago and has not signed yet
        found, process = "another run is cleaning this partition", "it"
    else:
        found = (
            f"run {shown(holder.run_id)} (process {holder.process} on {shown(holder.host)}) is cleaning this "
            f"partition since {shown(holder.since)}"
        )
        process = f"process {holder.process}"
    return LeaseHeldError(found, where=where, fix=f"Wait until it is done, or end {process}; its lease ends with it.")
