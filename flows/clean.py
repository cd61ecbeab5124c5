"""Clean: one partition of one data set, from its dump to a published version.

Belongs here: the order of the stages, the lease around them, and the flow that the UI shows. Does not belong here: what
a stage does (tasks), or which partitions are cleaned (nightly, backfill).
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import uuid
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import polars as pl
from prefect import flow, runtime

from flows import events, logs
from flows.asking import answered
from flows.settings import load_settings
from schemas import registry
from schemas.errors import shown
from tasks.audit.ledger import remember_failure
from tasks.dedupe.task import settle
from tasks.erasure.journal import take_along
from tasks.ingest.task import ingest
from tasks.job import Job, Outcome
from tasks.publish.stage import held, unchanged
from tasks.publish.task import publish
from tasks.report.stage import report_owed
from tasks.report.task import report
from tasks.store.failures import forget_failures
from tasks.store.lease import lease
from tasks.store.reviews import take_reviews
from tasks.store.staging import staging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tasks.job import Settled, Staged

logger = logging.getLogger(__name__)
logs.install()


class Stages(NamedTuple):
    """The stages of a cleaning as callables: Prefect tasks, or the functions inside them."""

    ingest: Callable[[Job], Staged]
    settle: Callable[[Job, Staged], Settled]
    publish: Callable[[Job, Staged, Settled], Outcome]
    report: Callable[[Job, Outcome], None]


#: Each stage a task run of its own, for one partition that someone looks at.
OBSERVED = Stages(ingest, settle, publish, report)
#: All stages inside the caller's task run, for many small partitions.
PLAIN = Stages(ingest.fn, settle.fn, publish.fn, report.fn)


def job_of(dataset: str, partition: str, *, reason: str, dry_run: bool = False) -> Job:
    """The job of cleaning one partition under the current settings.

    Raises:
        DatasetNotFoundError: no such data set is declared.
        SettingsError: a setting is wrong.
    """
    settings = load_settings()
    return Job(
        dataset=dataset,
        partition=partition,
        declaration=str(registry.locate(dataset, settings.folders)),
        raw_root=settings.raw_root,
        store_root=settings.store_root,
        run_id=runtime.flow_run.id or str(uuid.uuid4()),
        reason=reason,
        dry_run=dry_run,
        hold_seconds=settings.hold_keep_seconds,
    )


def clean(job: Job, stages: Stages) -> Outcome:
    """Takes one partition through all stages, holding its lease.

    A run that was killed anywhere is finished by running it again: what it staged is cleared, what it wrote under final
    names is written again with the same bytes, and what it committed is recognised as unchanged and reported.
    """
    with events.failures_told(job), _at_home(job) as job, _remembered(job):
        store = job.open_store()
        with lease(store, job.dataset, job.partition, job.run_id), staging(store, job.dataset, job.partition):
            dataset = job.load()
            outcome = unchanged(job, store, dataset) or held(job, store, dataset)
            if outcome is not None:
                logger.info("%s %s: %s", job.dataset, shown(job.partition), outcome.note)
            else:
                staged = stages.ingest(job)
                settled = stages.settle(job, staged)
                outcome = stages.publish(job, staged, settled)
        if outcome.published:
            events.tell_published(outcome)
        if outcome.version and not job.dry_run:
            forget_failures(store, job.dataset, [job.partition])
        if outcome.version and report_owed(job, store, outcome):
            stages.report(job, outcome)
    return outcome


@contextlib.contextmanager
def _remembered(job: Job) -> Iterator[None]:
    """Writes down in the store that the cleaning failed, if it does."""
    try:
        yield
    except (Exception, pl.exceptions.PanicException) as error:
        remember_failure(job, job.open_store(), error)
        raise


def log_outcome(outcome: Outcome) -> None:
    """One line for the books of a partition, and one for each rule that set rows aside."""
    where, books = f"{outcome.dataset} {shown(outcome.partition)}", outcome.books
    if not outcome.published and not outcome.hold:
        logger.info("%s: %s", where, outcome.note)
        return
    for rule in outcome.rules:
        if rule.rows:
            logger.info("%s: %d rows broke %s (%s)", where, rule.rows, rule.id, rule.severity)
    held_as = f"held as {outcome.hold}" if outcome.hold else f"version {outcome.version}"
    logger.info(
        "%s, %s: %d records = %d kept + %d duplicate + %d quarantined + %d rejected + %d erased",
        where, held_as,
        books.records, books.kept, books.duplicate, books.quarantined, books.rejected, books.erased,
    )  # fmt: skip


@contextlib.contextmanager
def _at_home(job: Job) -> Iterator[Job]:
    """The job, moved to a store of its own for a dry run, so that not one object of the real store changes."""
    if not job.dry_run:
        yield job
        return
    with tempfile.TemporaryDirectory(prefix="winnow-dry-run-") as folder:
        there = msgspec.structs.replace(job, store_root=folder, beside_root=job.store_root)
        take_along(job.open_store(), there.open_store(), job.dataset)
        take_reviews(job.open_store(), there.open_store(), job.dataset)
        yield there


@flow(name="clean-partition", flow_run_name="{dataset} {partition}", validate_parameters=True)
def clean_partition(  # `hold` is told below
    dataset: str,
    partition: str,
    reason: str = "run",
    dry_run: bool = False,  # noqa: FBT001  # a flow's parameters are its form in the UI
    hold: Literal["auto", "wait", "leave"] = "auto",
) -> Outcome:
    """Cleans one partition of one data set and publishes it as a new version.

    Args:
        dataset: name of the data set, as `winnow list` shows it.
        partition: name of the partition, as it stands in the paths of its dump.
        reason: why, for the version's manifest.
        dry_run: clean and balance the books, but publish nothing.
        hold: what becomes of the run when a gate holds it. `wait` pauses it with a question for a while; `leave` ends
            it; `auto` waits if a deployment started it. What is held stays in the store in any case.

    Raises:
        HeldError: a gate holds it, and nobody has decided.
    """
    outcome = clean(job_of(dataset, partition, reason=reason, dry_run=dry_run), OBSERVED)
    return answered(outcome, hold) if outcome.hold else outcome
