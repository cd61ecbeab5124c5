"""Reconcile: what partitions take from each other, and the files of those that others took rows from.

Belongs here: finding the keys that a change of partitions touches, the verdict on them, and writing partitions anew.
Does not belong here: the verdict itself (tasks/dedupe/across), what is in the files (tasks/dedupe/moves), or committing
them (commit).

What a partition holds alone is in its published files, wherever its rows were moved; so everything here is computed
from a version's files and from nothing that happened before. Only the partitions that hold a touched key are read.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import polars as pl

from schemas.errors import StoreError
from schemas.records import DUPLICATE_OF, FILE, INPUT, RECORD, PartitionEntry, Removal, Role
from tasks.dedupe.across import MOVES, PARTITION, decide_across
from tasks.dedupe.canonical import with_canonical
from tasks.dedupe.keys import stable_hash
from tasks.dedupe.moves import (
    TOUCHED,
    moved,
    moves_id,
    moves_of,
    placed,
    rows_alone,
    rows_disputed,
    with_conflicts,
)
from tasks.publish.balance import check_balance
from tasks.publish.written import read_back, rows_of
from tasks.store.faults import legible
from tasks.store.key_index import KeyIndex, index_family
from tasks.store.paths import data_key
from tasks.store.sinks import published_files, sink_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from schemas.records import OutputFile, RawFile, Terms
    from tasks.store.home import Store
    from tasks.store.key_index import Hashes

    Partitions = Mapping[str, PartitionEntry]

#: The last answer of `Held.touched`, which depends on nothing but what it is kept under: a run asks when it settles its
#: partition, to tell the gates, and again when it commits, where mostly nothing else was published meanwhile.
_TOUCHED: dict[tuple[object, ...], tuple[pl.DataFrame, frozenset[str]]] = {}
#: How often a partition's files are begun to be written.
_ATTEMPTS = 3
#: The order of a partition's files in its manifest.
_ORDER = [
    Role.CLEAN, Role.QUARANTINE, Role.DUPLICATES, Role.REJECTS, Role.REPAIRS, Role.ERASED, *TOUCHED[1:], Role.AUDIT,
]  # fmt: skip


class Rows(NamedTuple):
    """A partition's rows, published or not yet.

    Attributes:
        partition: its name.
        frames: the rows of each role.
        inputs: its raw files.
        alone: identity of what it holds, whatever others take from it (`schemas.records.Across`).
    """

    partition: str
    frames: Mapping[Role, pl.LazyFrame]
    inputs: Sequence[RawFile]
    alone: str

    def placed(self, terms: Terms) -> Iterator[pl.LazyFrame]:
        """What other partitions are compared with."""
        alone = placed(rows_alone(self.frames), self.partition, self.inputs, kept=True)
        yield with_canonical(alone, terms.canonical)
        disputed = rows_disputed(self.frames, terms)
        if disputed is not None:
            disputed = placed(disputed, self.partition, self.inputs, kept=False)
            yield with_canonical(disputed, terms.canonical)

    def hashes(self, terms: Terms) -> Hashes:
        """The hashes of its keys, each once, rising."""
        hashed = [rows.select(stable_hash(terms.key, rows.collect_schema())) for rows in self.placed(terms)]
        found = pl.concat(hashed).drop_nulls().collect(engine="streaming").to_series()
        return np.unique(found.to_numpy())

    def with_keys(self, terms: Terms, keys: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Those rows that have one of some keys."""
        for rows in self.placed(terms):
            yield rows.join(keys.lazy(), on=list(terms.key), how="semi").collect(engine="streaming")

    def keys(self, terms: Terms, hashes: Hashes) -> pl.DataFrame:
        """Its keys that have one of some hashes."""
        wanted = pl.DataFrame({"_hash": hashes}, schema={"_hash": pl.UInt64}).lazy()
        parts = [
            rows.select(*terms.key, stable_hash(terms.key, rows.collect_schema()).alias("_hash"))
            .join(wanted, on="_hash", how="semi")
            .select(terms.key)
            for rows in self.placed(terms)
        ]
        return pl.concat(parts).unique().collect(engine="streaming")


class Taken(NamedTuple):
    """What comes of holding a partition against others.

    Attributes:
        moves: its own.
        others: how many rows it takes from each of the others.
    """

    moves: pl.DataFrame
    others: tuple[Removal, ...]


class Held:
    """The partitions of a version, against which others are held."""

    def __init__(self, store: Store, dataset: str, partitions: Partitions, *, writes: bool = True) -> None:
        """Reads nothing yet.

        Args:
            store: where they lie.
            dataset: name of the data set.
            partitions: of the version.
            writes: whether the index may be brought up to date in the store.
        """
        self.store, self.dataset, self.partitions, self._writes = store, dataset, partitions, writes

    def rows(self, name: str) -> Rows:
        """A partition's rows."""
        entry = self.partitions[name]
        return Rows(name, rows_of(self.store, self.dataset, entry.files), entry.inputs, entry.alone)

    def of_terms(self, terms: Terms) -> dict[str, PartitionEntry]:
        """The partitions that are compared on these terms."""
        return {name: each for name, each in self.partitions.items() if each.across and each.across.terms == terms}

    def touched(
        self, terms: Terms, changes: Sequence[Rows], others: Iterable[str]
    ) -> tuple[pl.DataFrame, frozenset[str]]:
        """The keys of some rows that another partition holds too, and the partitions that do.

        Args:
            terms: on which they are compared.
            changes: rows that come or go; those of one partition are no others to each other.
            others: the partitions that don't change.
        """
        cleanings = {name: across.alone for name in others if (across := self.partitions[name].across)}
        changing = tuple((rows.partition, rows.alone) for rows in changes)
        asked = (self.store.path(""), self.dataset, terms, changing, frozenset(cleanings.items()))
        if asked not in _TOUCHED:
            found = self._touched(terms, changes, cleanings)
            _TOUCHED.clear()
            _TOUCHED[asked] = found
        return _TOUCHED[asked]

    def _touched(
        self, terms: Terms, changes: Sequence[Rows], cleanings: Mapping[str, str]
    ) -> tuple[pl.DataFrame, frozenset[str]]:
        per_change = [(rows, rows.hashes(terms)) for rows in changes]
        found, holders = np.empty(0, np.uint64), frozenset[str]()
        if cleanings:
            index = KeyIndex(
                self.store,
                self.dataset,
                index_family(msgspec.to_builtins(terms)),
                cleanings,
                lambda name: self.rows(name).hashes(terms),
                writes=self._writes,
            )
            needles = functools.reduce(np.union1d, (hashes for _, hashes in per_change), found)
            found, holders = index.find(needles)
        found = np.union1d(found, _shared(per_change))
        keys = [rows.keys(terms, found) for rows, _ in per_change] if found.size else []
        return (pl.concat(keys).unique() if keys else pl.DataFrame()), holders

    def taken(self, rows: Rows, terms: Terms) -> Taken:
        """The moves of one partition's rows, held against all others, and what it takes from them.

        Raises:
            StoreError: the store can't be read or written.
        """
        others = sorted(self.of_terms(terms).keys() - {rows.partition})
        if not others:
            return Taken(pl.DataFrame(schema=MOVES), ())
        with legible(f"the files of {self.dataset}"):
            keys, holders = self.touched(terms, [rows], others)
            parts = [self.rows(name) for name in sorted(holders)]
            decided = _decided(terms, [rows, *parts], keys)
            mine = in_order(decided.filter(pl.col(PARTITION) == rows.partition), rows.inputs)
            return Taken(mine, tuple(self._removed(each, decided) for each in parts))

    def _removed(self, rows: Rows, decided: pl.DataFrame) -> Removal:
        """How many of the rows that a partition has now it would lose as duplicates."""
        lost = decided.filter((pl.col(PARTITION) == rows.partition) & pl.col(DUPLICATE_OF).is_not_null())
        new = lost.join(moves_of(rows.frames, rows.partition), on=[FILE, RECORD], how="anti")
        return Removal("partition", rows.partition, new.height, self.partitions[rows.partition].total.kept)


def reconciled(
    store: Store,
    dataset: str,
    before: Partitions,
    after: Partitions,
    *,
    guard: Callable[[], None] = lambda: None,
) -> dict[str, PartitionEntry]:
    """Partitions of a version to be, each with what the others leave to it.

    Writes the files of those of which that changes. They are named by what is in them, so that doing it again, or at
    the same time elsewhere, gives the same objects.

    Args:
        store: where they lie.
        dataset: name of the data set.
        before: the partitions of a version, reconciled.
        after: the same, some of them replaced, some new, some gone.
        guard: called before a file of a partition is written that was not replaced.

    Raises:
        BooksError: what was written does not add up; a defect.
        StoreError: the store can't be read or written.
    """
    changed = sorted(name for name in before.keys() | after.keys() if _alone(before, name) != _alone(after, name))
    made = dict(after)
    entries = [side[name] for side in (before, after) for name in changed if name in side]
    terms = {entry.across.terms for entry in entries if entry.across}
    for each in sorted(terms, key=msgspec.json.encode):
        was, held = Held(store, dataset, before), Held(store, dataset, after)
        for rows, now, wanted in _on_terms(was, held, each, changed):
            if rows.partition not in changed:
                guard()
            made[rows.partition] = _rewritten(store, dataset, after[rows.partition], rows, now, wanted)
    return made


def _on_terms(
    was: Held, held: Held, terms: Terms, changed: Sequence[str]
) -> Iterator[tuple[Rows, pl.DataFrame, pl.DataFrame]]:
    """The partitions of some terms that change, with their moves until now and those that are wanted."""
    group = held.of_terms(terms)
    old = [was.rows(name) for name in changed if name in was.of_terms(terms)]
    new = [held.rows(name) for name in changed if name in group]
    with legible(f"the files of {held.dataset}"):
        others = sorted(group.keys() - set(changed))
        keys, holders = held.touched(terms, [*old, *new], others)
        parts = [*new, *(held.rows(name) for name in sorted(holders))]
        decided = _decided(terms, parts, keys)
        for rows in parts:
            mine = decided.filter(pl.col(PARTITION) == rows.partition)
            now = moves_of(rows.frames, rows.partition)
            lasting = now.clear() if rows.partition in changed else _untouched(now, rows, terms, keys)
            wanted = in_order(pl.concat([lasting, mine]), rows.inputs)
            if not wanted.equals(in_order(now, rows.inputs)):
                yield rows, now, wanted


def _decided(terms: Terms, parts: Sequence[Rows], keys: pl.DataFrame) -> pl.DataFrame:
    if not keys.height:
        return pl.DataFrame(schema=MOVES)
    return decide_across(pl.concat(each for rows in parts for each in rows.with_keys(terms, keys)), terms)


def _shared(per_change: Sequence[tuple[Rows, Hashes]]) -> Hashes:
    """Hashes that rows of several partitions have."""
    by_name: dict[str, list[Hashes]] = {}
    for rows, hashes in per_change:
        by_name.setdefault(rows.partition, []).append(hashes)
    each = [functools.reduce(np.union1d, parts) for parts in by_name.values()]
    together = np.sort(np.concatenate([np.empty(0, np.uint64), *each]))
    return np.unique(together[1:][together[1:] == together[:-1]])


def _untouched(moves: pl.DataFrame, rows: Rows, terms: Terms, keys: pl.DataFrame) -> pl.DataFrame:
    """Those moves of a partition whose rows have none of some keys."""
    if not moves.height or not keys.height:
        return moves
    frames = [rows.frames[role] for role in TOUCHED[1:] if role in rows.frames]
    aside = [with_canonical(each, terms.canonical).select(FILE, RECORD, *terms.key) for each in frames]
    gone = pl.concat(aside).join(keys.lazy(), on=list(terms.key), how="semi").select(FILE, RECORD).collect()
    return moves.join(gone, on=[FILE, RECORD], how="anti", maintain_order="left")


def in_order(moves: pl.DataFrame, inputs: Sequence[RawFile]) -> pl.DataFrame:
    """Moves of one partition in the order of its records."""
    numbers = {raw.sha256: number for number, raw in enumerate(inputs) if not raw.redelivery_of}
    order = pl.col(FILE).replace_strict(numbers, return_dtype=pl.UInt32).alias(INPUT)
    return moves.with_columns(order).sort(INPUT, RECORD).drop(INPUT) if moves.height else moves


def files_in_order(files: Iterable[OutputFile]) -> tuple[OutputFile, ...]:
    """A partition's files as its manifest lists them."""
    return tuple(sorted(files, key=lambda file: (_ORDER.index(file.role), file.path)))


def _rewritten(
    store: Store, dataset: str, entry: PartitionEntry, rows: Rows, now: pl.DataFrame, wanted: pl.DataFrame
) -> PartitionEntry:
    """A partition after moves; its other files stay what and where they are."""
    assert entry.across is not None  # noqa: S101  # for the type checker: only such partitions are compared
    terms = entry.across.terms
    frames = moved(rows.frames, wanted, terms, entry.inputs)
    cleaning = moves_id(entry.across.alone, wanted)
    keys = {role: data_key(dataset, role, entry.partition, cleaning) for role in frames}
    for attempt in range(_ATTEMPTS):
        try:
            sink_all(store, {keys[role]: frame for role, frame in frames.items()})
        except StoreError:
            # A run over that partition may have begun, which clears what it takes for a killed one's unfinished files.
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            break
    kept = (file for file in entry.files if file.role not in TOUCHED)
    files = files_in_order([*kept, *published_files(store, dataset, keys)])
    return msgspec.structs.replace(
        entry,
        cleaning=cleaning,
        files=files,
        books=check_balance(read_back(store, dataset, files, entry.inputs)),
        rules=with_conflicts(entry.rules, terms, now, wanted),
    )


def _alone(partitions: Partitions, name: str) -> object:
    """What a partition holds whatever the others do."""
    entry = partitions.get(name)
    return entry.across or entry.cleaning if entry else None
