"""Home: what a place must do to hold a store.

Belongs here: the one interface that everything else uses. Does not belong here: any particular place (local).

It asks no more than object stores give: whole objects under keys, created if absent, listed by prefix. Nothing is
appended to, and there is no rename, so that a folder and a bucket can both be a home.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import BinaryIO


class Store(Protocol):
    """Objects under keys. Every method raises `StoreError` when the home fails, with the reason in words.

    An object that is not staged (`paths.is_staged`) is written once: versions share their files, so replacing one
    would change a version that was published.
    """

    @property
    def storage_options(self) -> dict[str, Any] | None:
        """What polars must be told to reach a `path`; None where it needs nothing. Holds secrets: never show it."""
        ...

    def create(self, key: str, data: bytes) -> bool:
        """Makes a small object, durably, unless there is one under the key; says whether it did."""
        ...

    def replace(self, key: str, data: bytes) -> None:
        """Makes a small object, or replaces it, at once and durably; a reader finds the one before or this one.

        Only for what an erasure has to change (manifests), for a journal of it, and for a tag that is moved.
        """
        ...

    def writing(self, key: str) -> AbstractContextManager[str]:
        """Yields a place to write a data file to; it appears under its key, whole and durable, after the block.

        When the block raises, nothing appears. A file that is there with the same bytes stays.

        Raises:
            StoreError: the object is there with other bytes and is not staged.
        """
        ...

    def write_file(self, key: str, producer: Callable[[str], object]) -> None:
        """Makes a data file that `producer` writes to the path it is given; see `writing`."""
        ...

    def read(self, key: str) -> bytes:
        """A small object."""
        ...

    def reading(self, key: str) -> AbstractContextManager[BinaryIO]:
        """Opens an object to be read as a stream, at any place.

        Only what goes wrong with opening it is sure to be a `StoreError`: put `faults.translated` around the reading.
        """
        ...

    def path(self, key: str) -> str:
        """Where polars finds an object; where the store is, without a key.

        Hand it on with `glob=False`: a store's folder may have `[` in its name.
        """
        ...

    def link(self, key: str, path: str) -> bool:
        """Gives an object's file a second name outside of the store; False where the home or the place can't."""
        ...

    def list(self, prefix: str, *, after: str = "", most: int | None = None) -> tuple[str, ...]:
        """Keys that begin with the prefix, sorted; what is still being written is not among them.

        Args:
            prefix: any text that keys begin with.
            after: only greater ones.
            most: only so many, the first ones.
        """
        ...

    def exists(self, key: str) -> bool:
        """Whether there is an object under the key."""
        ...

    def size(self, key: str) -> int:
        """Bytes of an object."""
        ...

    def age(self, key: str) -> dt.timedelta:
        """How long ago an object was written, by the clock of its home."""
        ...

    def sha256(self, key: str) -> str:
        """Hash of an object's bytes, in hexadecimal, read as a stream."""
        ...

    def delete(self, key: str) -> None:
        """Removes an object; it is no error when there is none."""
        ...

    def clear(self, prefix: str) -> None:
        """Removes all objects below a prefix that ends in `/`, and what killed writers left among them."""
        ...

    def clear_unfinished(self, prefix: str, *, older_than: dt.timedelta = dt.timedelta(0)) -> None:
        """Removes what killed writers left below a prefix.

        Args:
            prefix: where to look; ends in `/`.
            older_than: longer than any write there takes; nothing for one who knows that nobody is writing there.
        """
        ...

    def abort_stale_uploads(self, older_than: dt.timedelta) -> int:
        """Ends what killed writers left half sent, anywhere in the store, and says how many; a folder has none.

        Args:
            older_than: longer than any write takes.
        """
        ...

    def hold(self, key: str, run_id: str, what: str) -> AbstractContextManager[None]:
        """Holds a lease while the block runs; it ends with its holder, however that ends.

        Args:
            key: the lease's.
            run_id: told to whoever is refused meanwhile.
            what: what it is the right to clean, for messages.

        Raises:
            LeaseHeldError: another run holds it; the message says which.
        """
        ...

    def check_held(self, key: str, run_id: str, what: str) -> None:
        """Sees that a run still holds a lease.

        Raises:
            LeaseLostError: it does not, and somebody else may.
        """
        ...
