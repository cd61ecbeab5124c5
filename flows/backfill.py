"""Backfill: a range of partitions of one data set, as far as they have to be cleaned.

Belongs here: the plan, its batches, and how many are cleaned at once. Does not belong here: how a partition stands
(tasks/audit/standing), cleaning a batch (batch), or the processes that do (workers).

Small partitions are cleaned in batches, each of which is published as one version. A big one is a run of its own, on
whatever worker is free, where Prefect knows a deployment of `clean-partition`; else a batch of its own. Whatever was
published stays published when the backfill is stopped, and the same command does the rest.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Literal

from prefect import flow, runtime, task
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import ThreadPoolTaskRunner

from flows import events
from flows.apart import apart, deployment_of
from flows.batch import Told
from flows.clean import job_of, log_outcome
from flows.planning import planned
from flows.settings import load_settings
from flows.workers import Workers
from schemas.errors import HeldError, SomeFailedError, WinnowError, shown
from tasks.audit.standing import Planned
from tasks.job import Job, Outcome
from tasks.report.backfill import Row, backfill_summary
from tasks.report.escape import as_markdown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

logger = logging.getLogger(__name__)

#: Partitions and raw bytes of a batch: what is lost when it is killed.
BATCH, BATCH_BYTES = 24, 64 << 20
#: Task runs of one flow run; Prefect's UI and database are made for fewer than a hundred.
_TASKS = 80
#: As many as a machine of some size has cores.
_MOST_AT_ONCE = 16


@task(name="clean", task_run_name="{dataset} {first}..{last}", cache_policy=NO_CACHE)
def clean_some(dataset: str, first: str, last: str, batches: list[list[Job]], workers: Workers) -> list[Told]:  # noqa: ARG001  # the names are the run's
    """Has batches of small partitions cleaned, one after another, each published as one version."""
    found: list[Told] = []
    for batch in batches:
        found += workers.clean(batch)
        for told in found[-len(batch) :]:
            events.tell_told(dataset, told)
            if told.outcome:
                log_outcome(told.outcome)
            else:
                logger.error("%s %s: %s: %s", dataset, shown(told.partition), told.error, told.message)
    return found


@flow(name="backfill", flow_run_name="backfill {dataset} {first}..{last}")
def backfill(  # its parameters are the form in the UI
    dataset: str,
    first: str,
    last: str,
    only: list[Literal["missing", "stale", "failed"]] | None = None,
    at_once: int = 2,
    dry_run: bool = False,  # noqa: FBT001  # as above
) -> list[Outcome]:
    """Cleans the partitions of a data set from one name to another, both included, as far as they have to be.

    Args:
        dataset: name of the data set.
        first: the first partition.
        last: the last one.
        only: clean only partitions in these states; empty means all, of which unchanged ones are skipped.
        at_once: how many batches or big partitions are cleaned at the same time.
        dry_run: say what would be done with each partition and why, and clean none.

    Raises:
        DumpMissingError: the range holds no partition.
        SomeFailedError: at least one partition was not published; the others were.
    """
    steps = planned(dataset, first, last, only or ())
    if dry_run:
        for step in steps:
            logger.info("%s %s: %s (%s: %s)", dataset, shown(step.partition), step.act, step.state, step.reason)
        return []
    told: dict[str, Told] = {}
    try:
        _clean(dataset, [step for step in steps if step.act != "leave"], at_once, told)
    finally:
        _summarise(dataset, first, last, steps, told)
    return _outcomes(dataset, told)


def _clean(dataset: str, steps: Sequence[Planned], at_once: int, told: dict[str, Told]) -> None:
    """Cleans what is planned; what came of each partition is entered as it is known."""
    at_once = max(1, min(at_once, _MOST_AT_ONCE))
    run_id, apart_from = runtime.flow_run.id, load_settings().apart_bytes
    big = [step for step in steps if step.size >= apart_from]
    deployment = deployment_of("clean-partition") if big else None
    small = [step for step in steps if step.size < apart_from] if deployment else steps
    jobs = {step.partition: job_of(dataset, step.partition, reason="backfill") for step in steps}
    progress = create_progress_artifact(
        0.0, key=f"{dataset.replace('_', '-')}-backfill-progress", description=f"Partitions of {dataset}"
    )
    # The workers stop first, so that the threads that wait for them end.
    runner: ThreadPoolTaskRunner[list[Told]] = ThreadPoolTaskRunner(max_workers=at_once)
    with runner, Workers(at_once) as workers:
        futures: list[PrefectFuture[list[Told]]] = [
            runner.submit(
                clean_some,
                {
                    "dataset": dataset,
                    "first": share[0][0].partition,
                    "last": share[-1][-1].partition,
                    "batches": share,
                    "workers": workers,
                },
            )
            for share in _shares([[jobs[step.partition] for step in batch] for batch in _batches(small, apart_from)])
        ]
        if deployment:
            futures += [
                runner.submit(apart, {"job": jobs[step.partition], "deployment": deployment, "of": run_id})
                for step in big
            ]
        for future in as_completed(futures):
            for each in future.result():
                told[each.partition] = each
            update_progress_artifact(progress, round(100 * len(told) / max(1, len(steps)), 1))  # type: ignore[arg-type]  # typed for async use
            logger.info("%s: %d of %d partitions done", dataset, len(told), len(steps))


def _batches(steps: Sequence[Planned], apart_from: int) -> Iterator[list[Planned]]:
    batch: list[Planned] = []
    for step in steps:
        size = sum(each.size for each in batch) + step.size
        if batch and (len(batch) >= BATCH or size > BATCH_BYTES or step.size >= apart_from):
            yield batch
            batch = []
        batch.append(step)
    if batch:
        yield batch


def _shares(batches: Sequence[list[Job]]) -> list[list[list[Job]]]:
    """The batches of each task run."""
    each = max(1, -(-len(batches) // _TASKS))
    return [list(batches[at : at + each]) for at in range(0, len(batches), each)]


def _outcomes(dataset: str, told: dict[str, Told]) -> list[Outcome]:
    """The outcomes of what was published or is as it was.

    Raises:
        SomeFailedError: at least one partition is neither.
    """
    failures: dict[str, tuple[str, int]] = {}
    outcomes: list[Outcome] = []
    for partition, each in sorted(told.items()):
        name = f"{dataset} {shown(partition)}"
        if each.outcome is None:
            failures[name] = (f"{each.error}: {each.message}", each.exit_code)
        elif each.outcome.hold:
            failures[name] = (f"{HeldError.__name__}: {each.outcome.note}", HeldError.exit_code)
        else:
            outcomes.append(each.outcome)
    if failures:
        raise SomeFailedError(failures, outcomes)
    return outcomes


def _summarise(dataset: str, first: str, last: str, steps: Sequence[Planned], told: dict[str, Told]) -> None:
    """One artifact with the state of each partition and a calendar."""
    rows = [_row(step, told.get(step.partition)) for step in steps]
    where = f"{dataset} {as_markdown(first)} to {as_markdown(last)}"
    try:
        create_markdown_artifact(
            backfill_summary(dataset, rows),
            key=f"{dataset.replace('_', '-')}-backfill",
            description=f"What became of each partition: {where}",
        )
    except WinnowError:
        logger.exception("the summary of the backfill could not be made")


def _row(step: Planned, told: Told | None) -> Row:
    if told is None:
        state = {"held": "held", "cleaned": "unchanged"}.get(step.state, "left")
        return Row(step.partition, state if step.act == "leave" else "not reached", step.reason)
    if told.outcome is None:
        return Row(step.partition, "failed", f"{told.error}: {told.message}")
    outcome = told.outcome
    if outcome.hold:
        return Row(step.partition, "held", outcome.note, outcome.books)
    return Row(step.partition, "cleaned" if outcome.published else "unchanged", step.reason, outcome.books)


def default_at_once() -> int:
    """As many as there are cores, but not more than four."""
    return max(1, min(os.cpu_count() or 1, 4))
