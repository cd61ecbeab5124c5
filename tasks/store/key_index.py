"""Key index: which partitions hold a key, told by its hash, at the cost of the keys that are asked for.

Belongs here: sorted runs of hashes beside the versions, how they are read, joined and thrown away. Does not belong
here: what a key is (tasks/dedupe/keys), or what follows from two partitions holding one (tasks/dedupe/across).

It is a log-structured merge tree (O'Neil et al., 1996, "The log-structured merge-tree", section 2) of immutable runs. A
run is named by what it covers: partitions, each by the identity of its cleaning, and nothing else decides what is in
it. So no run is ever wrong: one that covers what is no more is passed over, and what no run covers is read from the
partitions themselves. All of it may be deleted at any time.

A run is one file: a header in JSON, the hashes in rising order (8 bytes each), and for each the number of the partition
in the header (4 bytes). In a folder it is mapped into memory, so that asking for n of N hashes touches n places.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from schemas.errors import StoreError
from tasks.store.paths import index_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from tasks.store.home import Store

    Hashes = NDArray[np.uint64]

_MAGIC = b"winnow-keys-1\n"
#: The header's length stands behind the magic in so many digits.
_LENGTH = 12
#: So many runs of about one size become one.
_TOGETHER = 4
#: Hashes in the smallest runs.
_SMALLEST = 4_096


class Covered(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """One partition in a run."""

    partition: str
    cleaning: str
    """What it holds alone (`schemas.records.Across`)."""
    rows: int


class Run(NamedTuple):
    """A run.

    Attributes:
        key: of its object; None if it is in memory only.
        covers: the partitions in it.
        hashes: in rising order.
        owners: for each hash the place of its partition in `covers`.
    """

    key: str | None
    covers: tuple[Covered, ...]
    hashes: Hashes
    owners: NDArray[np.uint32]


class KeyIndex:
    """The index over some partitions of a data set."""

    def __init__(
        self,
        store: Store,
        dataset: str,
        family: str,
        cleanings: Mapping[str, str],
        hashes_of: Callable[[str], Hashes],
        *,
        writes: bool = True,
    ) -> None:
        """Reads the runs that are there, and makes one of the partitions that none covers.

        Args:
            store: where the data set lies.
            dataset: its name.
            family: name of what the hashes mean; partitions of different ones are never in one run.
            cleanings: partition -> identity of what it holds.
            hashes_of: gives the hashes of a partition.
            writes: whether runs may be written, joined and deleted.

        Raises:
            StoreError: the store can't be read or written.
        """
        self._store, self._prefix, self._writes = store, f"{index_prefix(dataset)}{family}/", writes
        self._live = dict(cleanings)
        self._runs = self._read()
        covered = {each.partition for run in self._runs for each in run.covers if self._is_live(each)}
        if missing := sorted(set(cleanings) - covered):
            parts = {name: hashes_of(name) for name in missing}
            covers = [Covered(name, cleanings[name], parts[name].size) for name in missing]
            owners = [np.full(parts[name].size, place, np.uint32) for place, name in enumerate(missing)]
            self._runs.append(self._kept(_sorted(covers, [parts[name] for name in missing], owners)))
        if writes:
            self._tidy()

    def find(self, hashes: Hashes) -> tuple[Hashes, frozenset[str]]:
        """Those of some hashes (sorted) that a partition holds, and the partitions that hold any of them."""
        found: list[Hashes] = []
        holders: set[str] = set()
        for run in self._runs:
            first = np.searchsorted(run.hashes, hashes)
            inside = first < run.hashes.size
            inside[inside] = run.hashes[first[inside]] == hashes[inside]
            at, wanted = first[inside], hashes[inside]
            live = np.array([self._is_live(each) for each in run.covers], np.bool_)
            while at.size:
                # Each step looks at one more of the rows that have the same hash.
                owners = run.owners[at]
                alive = live[owners]
                found.append(wanted[alive])
                holders.update(run.covers[place].partition for place in np.unique(owners[alive]))
                at = at + 1
                more = at < run.hashes.size
                more[more] = run.hashes[at[more]] == wanted[more]
                at, wanted = at[more], wanted[more]
        return np.unique(np.concatenate(found)) if found else hashes[:0], frozenset(holders)

    def _is_live(self, covered: Covered) -> bool:
        return self._live.get(covered.partition) == covered.cleaning

    def _read(self) -> list[Run]:
        runs = []
        for key in self._store.list(self._prefix):
            try:
                run = _opened(self._store, key)
            except (StoreError, OSError, ValueError, msgspec.MsgspecError):
                continue  # another run joined it with others a moment ago, or it is damaged: it is made anew
            runs.append(run)
        return runs

    def _tidy(self) -> None:
        """Joins runs of about one size, and drops those of which little is alive."""
        levels: dict[int, list[Run]] = {}
        for run in self._runs:
            alive = sum(each.rows for each in run.covers if self._is_live(each))
            if not any(self._is_live(each) for each in run.covers):
                self._drop(run)
                self._runs = [each for each in self._runs if each is not run]
                continue
            level = int(np.log(max(run.hashes.size / _SMALLEST, 1)) / np.log(_TOGETHER))
            # A run that is half dead is joined with whatever is next.
            levels.setdefault(level if alive * 2 >= run.hashes.size else -1, []).append(run)
        for level, runs in levels.items():
            if len(runs) >= _TOGETHER or level < 0:
                self._join(runs)

    def _join(self, runs: Sequence[Run]) -> None:
        covers = sorted({each for run in runs for each in run.covers if self._is_live(each)})
        places = {each: place for place, each in enumerate(covers)}
        hashes, owners = [], []
        for run in runs:
            lasting = np.array([self._is_live(each) for each in run.covers], np.bool_)[run.owners]
            number = np.array([places.get(each, 0) for each in run.covers], np.uint32)
            hashes.append(run.hashes[lasting])
            owners.append(number[run.owners[lasting]])
        made = self._kept(_sorted(covers, hashes, owners))
        for run in runs:
            if run.key != made.key:
                self._drop(run)
        self._runs = [*(run for run in self._runs if not any(run is each for each in runs)), made]

    def _kept(self, run: Run) -> Run:
        """The run, written if it may be."""
        if not self._writes:
            return run
        told = msgspec.json.encode(run.covers)
        key = f"{self._prefix}{hashlib.sha256(told).hexdigest()[:32]}.keys"

        def write(path: str) -> None:
            head = _MAGIC + f"{len(told):0{_LENGTH}d}".encode() + told
            with Path(path).open("wb") as file:
                file.write(head + b" " * (-len(head) % 8))
                file.write(run.hashes.astype("<u8", copy=False).data)
                file.write(run.owners.astype("<u4", copy=False).data)

        if not self._store.exists(key):
            self._store.write_file(key, write)
        return run._replace(key=key)

    def _drop(self, run: Run) -> None:
        if run.key is not None:
            self._store.delete(run.key)


def index_family(*told: object) -> str:
    """A name for what hashes mean, that follows from these."""
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _sorted(covers: Collection[Covered], hashes: Iterable[Hashes], owners: Iterable[NDArray[np.uint32]]) -> Run:
    together = np.concatenate([np.empty(0, np.uint64), *hashes])
    numbers = np.concatenate([np.empty(0, np.uint32), *owners])
    order = np.lexsort((numbers, together))
    return Run(None, tuple(covers), together[order], numbers[order])


def _opened(store: Store, key: str) -> Run:
    path = store.path(key)
    # On another machine it is read whole: a bucket has no memory to map.
    data = np.frombuffer(store.read(key), np.uint8) if "://" in path else np.memmap(path, np.uint8, mode="r")
    start = len(_MAGIC) + _LENGTH
    if bytes(data[: len(_MAGIC)]) != _MAGIC:
        raise ValueError(key)
    end = start + int(bytes(data[len(_MAGIC) : start]))
    covers = msgspec.json.decode(bytes(data[start:end]), type=tuple[Covered, ...])
    rows = sum(each.rows for each in covers)
    first = end + (-end % 8)
    if data.size != first + 12 * rows:
        raise ValueError(key)
    hashes = data[first : first + 8 * rows].view("<u8")
    return Run(key, covers, hashes, data[first + 8 * rows :].view("<u4"))
