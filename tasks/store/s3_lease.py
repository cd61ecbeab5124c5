"""S3 lease: the right to clean a partition, as an object that its holder renews.

Belongs here: taking, renewing, giving back, taking over, all by conditional puts. Does not belong here: leases in a
folder (locks).

A lease ends when it was not renewed for its time. Only the server's clock is asked, twice in one answer: when the
object was made, and what time it is; no machine's clock has to be right. A holder that is seen to have ended, because
it was a process of this very machine, is not waited for. The object stays when its lease is given back, and says so.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import LeaseHeldError, LeaseLostError, StoreError, shown
from tasks.store.holder import Holder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.store.bucket import Bucket, Facts

logger = logging.getLogger(__name__)

#: Seconds after which a lease that was not renewed may be taken. Renewed three times as often, so that two renewals may
#: fail before it ends.
SECONDS = 60.0


class _Lease(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The object's content; no two are the same, so that a put whose answer was lost is recognised."""

    holder: Holder
    seconds: float
    """For how long it is good."""
    sign: str
    """Of this taking and renewal."""
    released: bool = False


@contextlib.contextmanager
def hold(bucket: Bucket, key: str, run_id: str, what: str) -> Iterator[None]:
    """Holds a lease while the block runs; see `Store.hold`.

    Raises:
        LeaseHeldError: another run holds it.
        StoreError: the server fails.
    """
    holder = Holder.this(run_id)
    etag = _take(bucket, key, holder, what)
    heart = _Heart(bucket, key, holder, etag)
    heart.start()
    try:
        yield
    finally:
        heart.stop()


def check_held(bucket: Bucket, key: str, run_id: str, what: str) -> None:
    """Sees that a run still holds a lease; see `Store.check_held`.

    Raises:
        LeaseLostError: it does not.
        StoreError: the server fails.
    """
    found = bucket.get(key)
    lease = _decoded(found[0]) if found else None
    if found and lease and lease.holder.run_id == run_id and not lease.released and _age(found[1]) <= lease.seconds:
        return
    told = lease.holder.told() if lease and lease.holder.run_id != run_id else "it was not renewed in time"
    raise LeaseLostError(f"this run lost its lease: {told}", where=what, fix="Run it again; nothing was published.")


def _take(bucket: Bucket, key: str, holder: Holder, what: str) -> str:
    """The ETag of the lease, taken."""
    etag = bucket.put(key, _signed(holder), absent=True)
    if etag is not None:
        return etag
    found = bucket.get(key)
    if found is None:
        raise StoreError("a lease was removed while it was taken", where=what, fix="Run it again.")
    data, facts = found
    lease = _decoded(data)
    if not _is_free(lease, facts):
        raise _refusal(lease, facts, what)
    taken = bucket.put(key, _signed(holder), etag=facts.etag)
    if taken is None:
        raise LeaseHeldError("another run just took this partition's lease", where=what, fix="Wait until it is done.")
    if lease and not lease.released:
        logger.warning(
            "%s: took over the lease of run %s, which ended without giving it back", what, lease.holder.run_id
        )
    return taken


def _is_free(lease: _Lease | None, facts: Facts) -> bool:
    if lease is None:  # changed by hand: nobody renews it, so it ends like one
        return _age(facts) > SECONDS
    return lease.released or lease.holder.is_gone or _age(facts) > lease.seconds


def _age(facts: Facts) -> float:
    """Seconds since it was last renewed."""
    return (facts.now - facts.modified).total_seconds()


def _signed(holder: Holder, *, released: bool = False) -> bytes:
    return msgspec.json.encode(_Lease(holder, SECONDS, uuid.uuid4().hex, released))


def _decoded(data: bytes) -> _Lease | None:
    try:
        return msgspec.json.decode(data, type=_Lease)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _refusal(lease: _Lease | None, facts: Facts, what: str) -> LeaseHeldError:
    found = lease.holder.told() if lease else "another run is cleaning this partition"
    left = max(0, round((lease.seconds if lease else SECONDS) - _age(facts)))
    fix = (
        f"Wait until it is done. If it was killed, its lease ends in {left} seconds; a run on its machine takes it now."
    )
    return LeaseHeldError(found, where=what, fix=fix)


class _Heart:
    """Renews a lease until it is stopped, then gives it back."""

    def __init__(self, bucket: Bucket, key: str, holder: Holder, etag: str) -> None:
        self._bucket, self._key, self._holder = bucket, key, holder
        self._etag: str | None = etag
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"lease {key}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _beat(self) -> None:
        while self._etag is not None and not self._stopped.wait(SECONDS / 3):
            try:
                self._etag = self._bucket.put(self._key, _signed(self._holder), etag=self._etag)
            except StoreError as error:
                # It may be renewed the next time; whether it still is ours is asked before anything is published.
                logger.warning("the lease %s could not be renewed: %s", shown(self._key), error)
        if self._etag is None:
            logger.warning("the lease %s was lost: nothing will be published", shown(self._key))

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        if self._etag is not None:
            with contextlib.suppress(StoreError):  # it ends by itself; what went wrong before must not be hidden
                self._bucket.put(self._key, _signed(self._holder, released=True), etag=self._etag)
