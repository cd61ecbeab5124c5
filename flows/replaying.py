"""Replaying: the partitions of a data set whose records are asked again, one after another, without Prefect.

Belongs here: which partitions, their leases, and when what comes of them is published. Does not belong here: asking the
records of one (tasks/replay), or Prefect (replay).
"""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from flows.settings import load_settings
from schemas import registry
from schemas.errors import UnknownNameError, VersionNotFoundError, WinnowError
from schemas.moments import as_text
from schemas.records import Role
from tasks.job import Job
from tasks.publish.stage import Prepared, publish_all
from tasks.replay.report import PartitionReplay
from tasks.replay.stage import replay_partition, troubled
from tasks.store.lease import lease
from tasks.store.versions import head

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from schemas.records import Manifest
    from tasks.store.home import Store

#: Partitions that are published as one version.
_TOGETHER = 50


def replay_partitions(
    dataset: str,
    *,
    rule: str | None = None,
    partitions: Sequence[str] | None = None,
    run_id: str,
    dry_run: bool = False,
    progress: Callable[[str, float], None] = lambda _what, _share: None,
) -> tuple[PartitionReplay, ...]:
    """Asks the records that the newest version sets aside again, under today's contract.

    Args:
        dataset: its name.
        rule: only records that broke this rule; None is all.
        partitions: only these; None is all that set records aside.
        run_id: of this run.
        dry_run: say what would become of them, and publish nothing.
        progress: called with a partition and the share of them that is done.

    Raises:
        DatasetNotFoundError, DeclarationError: it is not declared, or wrongly.
        UnknownNameError: there is no such partition, or no record broke that rule.
        VersionNotFoundError: nothing was published yet.
        StoreError: the store can't be read.
    """
    settings = load_settings()
    declaration = registry.locate(dataset, settings.folders)
    job = Job(
        dataset=dataset,
        partition="",
        declaration=str(declaration),
        raw_root=settings.raw_root,
        store_root=settings.store_root,
        run_id=run_id,
        reason="replay",
        dry_run=dry_run,
        hold_seconds=settings.hold_keep_seconds,
    )
    store = job.open_store()
    manifest = head(store, dataset)
    if manifest is None:
        raise VersionNotFoundError(f"{dataset} has no version", fix="Clean it first: winnow backfill.")
    _check_rule(manifest, rule)
    names = _wanted(manifest, partitions, rule)
    found: list[PartitionReplay] = []
    for at in range(0, len(names), _TOGETHER):
        found += _replayed(job, store, names[at : at + _TOGETHER], rule)
        progress(names[min(at + _TOGETHER, len(names)) - 1], min(1.0, (at + _TOGETHER) / len(names)))
    return tuple(found)


def _check_rule(manifest: Manifest, rule: str | None) -> None:
    entries = manifest.partitions.values()
    known = {each.id for entry in entries for each in entry.rules}
    known |= {each.reason for entry in entries for each in entry.rejects}
    if rule is not None and rule not in known:
        raise UnknownNameError.of("rule, or one that no record broke,", rule, known)


def _wanted(manifest: Manifest, partitions: Sequence[str] | None, rule: str | None) -> list[str]:
    for name in partitions or ():
        if name not in manifest.partitions:
            raise UnknownNameError.of("partition", name, manifest.partitions)
    if partitions:
        return sorted(set(partitions))
    return [
        name
        for name, entry in sorted(manifest.partitions.items())
        if any(file.role in (Role.QUARANTINE, Role.REJECTS) for file in entry.files)
        and (rule is None or rule in {each.id for each in entry.rules} | {each.reason for each in entry.rejects})
    ]


def _replayed(job: Job, store: Store, names: Sequence[str], rule: str | None) -> list[PartitionReplay]:
    """Replays partitions and publishes what comes of them as one version."""
    dataset, now = job.load(), as_text(dt.datetime.now(dt.UTC))
    found: dict[str, PartitionReplay] = {}
    ready: list[Prepared] = []
    with contextlib.ExitStack() as leases:
        for name in names:
            each = msgspec.structs.replace(job, partition=name)
            try:
                if not job.dry_run:
                    leases.enter_context(lease(store, job.dataset, name, job.run_id))
                manifest = head(store, job.dataset)
                assert manifest is not None  # noqa: S101  # for the type checker: it was there before
                asked = replay_partition(each, store, dataset, manifest, rule=rule, now=now)
            except WinnowError as error:
                found[name] = troubled(name, error)
                continue
            found[name] = asked.report
            if asked.prepared:
                ready.append(asked.prepared)
        if ready:
            for each_ready, outcome in zip(ready, publish_all(store, dataset, ready), strict=True):
                name = each_ready.job.partition
                found[name] = msgspec.structs.replace(found[name], outcome=outcome)
    return [found[name] for name in names]
