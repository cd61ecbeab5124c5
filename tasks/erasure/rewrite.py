"""Rewrite: a partition's files without some records, under new names, and the entry that a manifest has of them.

Belongs here: reading, writing and balancing one cleaning anew. Does not belong here: which records (search), what is
left (withdrawal), or which versions get the new entry (stage).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from tasks.audit.stage import kept_without
from tasks.dedupe.moves import TOUCHED, moves_id, moves_of, with_conflicts
from tasks.erasure.copies import keep_copies, without_erased
from tasks.erasure.journal import Replacement
from tasks.erasure.search import frames_of
from tasks.erasure.withdrawal import is_one_of, placed, withdrawn
from tasks.publish.balance import FATES, check_balance
from tasks.publish.contract import cleaning_id
from tasks.publish.originals import original
from tasks.publish.reconcile import files_in_order, in_order
from tasks.publish.written import read_back, recounted
from tasks.store.faults import legible
from tasks.store.paths import data_key, file_key
from tasks.store.scan import described
from tasks.store.sinks import published_files, sink_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import BinaryIO

    import polars as pl

    from schemas.records import Across, OutputFile, PartitionEntry, RawFile, Role
    from tasks.store.home import Store


def rewritten(
    store: Store,
    dataset: str,
    entry: PartitionEntry,
    erased: Iterable[tuple[str, int]],
    versions: tuple[int, ...],
    raw_root: str | None,
    *,
    dumps: bool,
) -> tuple[PartitionEntry, Replacement] | None:
    """Writes a cleaning again without the erased records; None if it, and what it names, holds none of them.

    The bytes are those that cleaning the same dumps gives while the erasure is known (law 4).

    Raises:
        BooksError: what was written does not add up; a defect.
        StoreError: the store can't be read or written.
    """
    with legible(f"the files of {dataset} {entry.partition}"):
        withdrawal = withdrawn(frames_of(store, dataset, entry), _within(entry, erased), entry.inputs)
    made = entry
    if withdrawal.fates:
        alone = cleaning_id(entry.contract, entry.inputs, withdrawal.ids, entry.reviews)
        if entry.across:
            frames = frames_of(store, dataset, entry)
            before, after = (moves_of(each, entry.partition) for each in (frames, withdrawal.frames))
            cleaning = moves_id(alone, in_order(after, entry.inputs))
            across: Across | None = msgspec.structs.replace(entry.across, alone=alone)
            rules = with_conflicts(entry.rules, entry.across.terms, before, after)
        else:
            cleaning, across, rules = alone, None, entry.rules
        files = _written(store, dataset, entry, withdrawal.frames, alone, cleaning)
        gone = is_one_of(placed(withdrawal.ids))
        audits = kept_without(store, dataset, entry.partition, alone, entry.files, gone)
        files = files_in_order((*files, *audits))
        books = check_balance(read_back(store, dataset, files, entry.inputs))
        made = msgspec.structs.replace(entry, cleaning=cleaning, files=files, books=books, across=across, rules=rules)
        made = recounted(store, dataset, made)

    @contextlib.contextmanager
    def opened(raw: RawFile) -> Iterator[BinaryIO | None]:
        # As it was before: the copy that the old entry names.
        before = next(each for each in entry.inputs if each.path == raw.path)
        with original(store, dataset, raw_root, before) as found:
            yield found.stream

    made = without_erased(store, dataset, made, opened, dumps=dumps)
    if made == entry:
        return None
    keep_copies(store, dataset, made, opened)
    replaced = Replacement(
        partition=entry.partition,
        cleaning=entry.cleaning,
        versions=versions,
        fates={FATES[role].value: rows for role, rows in sorted(withdrawal.fates.items())},
        before=entry.files,
        after=made.files,
    )
    return made, replaced


def _within(entry: PartitionEntry, erased: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    files = {raw.sha256 for raw in entry.inputs}
    return sorted(each for each in erased if each[0] in files)


def _written(
    store: Store,
    dataset: str,
    entry: PartitionEntry,
    frames: Mapping[Role, pl.LazyFrame],
    alone: str,
    cleaning: str,
) -> tuple[OutputFile, ...]:
    names = {role: cleaning if role in TOUCHED else alone for role in frames}
    keys = {role: data_key(dataset, role, entry.partition, name) for role, name in names.items()}
    old = {file.role: file_key(dataset, file.path) for file in entry.files if file.role in keys}
    metadata = {keys[role]: described(store, key) for role, key in old.items()}
    sink_all(store, {keys[role]: frame for role, frame in frames.items()}, metadata=metadata)
    return files_in_order(published_files(store, dataset, keys))
