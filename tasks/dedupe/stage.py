"""Settling as a stage: every record gets its one fate, and the finished files are written.

Belongs here: writing one file for each fate, and what other partitions have to do with it. Does not belong here: the
rows of each file (partition), the verdicts (verdicts), the columns of the files (ledger), or publishing.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from schemas.records import (
    Across,
    Role,
)
from tasks.dedupe.across import MOVES, terms_of
from tasks.dedupe.moves import TOUCHED, moved, moves_id, with_conflicts
from tasks.dedupe.partition import Partition, Progress
from tasks.job import Job, Settled, Staged
from tasks.publish.contract import cleaning_id
from tasks.publish.likenesses import NEAR_METADATA
from tasks.publish.reconcile import Held, Rows, Taken, files_in_order
from tasks.store.local import open_store
from tasks.store.paths import data_key
from tasks.store.sinks import published_files, sink_all
from tasks.store.versions import head

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.dataset import Dataset
    from schemas.records import OutputFile
    from tasks.dedupe.verdicts import Limits
    from tasks.store.home import Store


def settle(
    job: Job,
    store: Store,
    dataset: Dataset,
    staged: Staged,
    *,
    limits: Limits | None = None,
    progress: Progress = lambda _what, _share: None,
    held: Held | None = None,
) -> Settled:
    """Decides every candidate's fate and writes the clean table and the ledger under their final names.

    The files are named by the inputs and the contract, and nothing lists them before a manifest does: a run that is
    killed here leaves nothing that a reader could see.

    Args:
        job: names the partition and where its raw files lie.
        store: holds what was staged, and receives the files.
        dataset: the data set.
        staged: what ingest staged.
        limits: how many rows may be in memory; the outcome is the same for all of them.
        progress: told what is done of what takes long, the fitting of models, and the share of it from 0 to 1.
        held: the partitions that it is held against; None is the newest version.

    Raises:
        DumpChangedError, DumpUnreadableError: a raw file can't be read again as it was.
        StoreError: the store can't be read or written.
    """
    with contextlib.closing(Partition(job, store, dataset, staged, limits, progress)) as partition:
        frames, erased = partition.frames()
        alone, terms = cleaning_id(staged.contract, staged.inputs, erased, staged.reviews), terms_of(dataset)
        taken, cleaning = Taken(pl.DataFrame(schema=MOVES), ()), alone
        if terms:
            taken = (held or _newest(job)).taken(Rows(job.partition, frames, staged.inputs, alone), terms)
            cleaning = moves_id(alone, taken.moves)
            if taken.moves.height:
                frames = {**frames, **moved(frames, taken.moves, terms, staged.inputs)}
        names = {role: cleaning if role in TOUCHED else alone for role in frames}
        files, counted = _written(job, store, partition, frames, names)
        audited = partition.audited(alone, erased)
        rules = partition.counts(counted)
        return Settled(
            cleaning=cleaning,
            contract=staged.contract,
            files=files_in_order((*files, *audited.files)),
            rules=with_conflicts(rules, terms, taken.moves.clear(), taken.moves) if terms else rules,
            broken_tables=partition.broken_tables(),
            erasures=partition.tombstones.ids,
            across=Across(alone, terms) if terms else None,
            audits=audited.audits,
            removals=(*partition.removals(frames.get(Role.SUPERSEDED)), *taken.others),
            largest=partition.largest(files),
        )


def _newest(job: Job) -> Held:
    """The partitions of the newest version."""
    store = job.open_store() if job.beside_root is None else open_store(job.beside_root)
    newest = head(store, job.dataset)
    partitions = newest.partitions if newest else {}
    return Held(store, job.dataset, partitions, writes=job.beside_root is None)


def _written(
    job: Job, store: Store, partition: Partition, frames: Mapping[Role, pl.LazyFrame], names: Mapping[Role, str]
) -> tuple[tuple[OutputFile, ...], pl.DataFrame]:
    """Writes the files, and counts the rules in the same pass."""
    keys = {role: data_key(job.dataset, role, job.partition, names[role]) for role in frames}
    # The ledger explains itself: whoever opens one of its files finds the rules in its metadata.
    described = {"winnow.rules": msgspec.json.encode(partition.dataset.rules).decode()}
    near = partition.dataset.dedupe and partition.dataset.dedupe.near
    if near:
        described[NEAR_METADATA] = msgspec.json.encode(near).decode()
    metadata = {keys[role]: described for role in frames if role not in (Role.ERASED, *TOUCHED)}
    sinks = {keys[role]: frame for role, frame in frames.items()}
    (counted,) = sink_all(store, sinks, also=[partition.counted()], metadata=metadata)
    return published_files(store, job.dataset, keys), counted
