"""Backfill: a range of partitions of one data set, in one process.

Belongs here: which partitions, and one task run for each. Does not belong here: cleaning one (clean), or spreading them
over workers.
"""

from __future__ import annotations

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.clean import PLAIN, clean, job_of
from flows.settings import load_settings
from schemas import registry
from schemas.errors import DumpMissingError, SomeFailedError, WinnowError, shown
from tasks.ingest.listing import list_partitions
from tasks.job import Outcome


@task(name="clean", task_run_name="{dataset} {partition}", cache_policy=NO_CACHE)
def clean_one(dataset: str, partition: str, *, dry_run: bool) -> Outcome:
    """Cleans one partition with all its stages in this task run: small partitions don't pay for one run a stage."""
    return clean(job_of(dataset, partition, reason="backfill", dry_run=dry_run), PLAIN)


@flow(name="backfill", flow_run_name="backfill {dataset} {first}..{last}")
def backfill(dataset: str, first: str, last: str, dry_run: bool = False) -> list[Outcome]:  # noqa: FBT001  # a flow's parameters are its form in the UI
    """Cleans the partitions of a data set from one name to another, both included, in their order.

    Args:
        dataset: name of the data set.
        first: the first partition.
        last: the last one.
        dry_run: clean and balance the books, but publish nothing.

    Raises:
        DumpMissingError: the range holds no partition.
        SomeFailedError: at least one partition was not published; the others were.
    """
    settings = load_settings()
    pattern = registry.load(dataset, settings.folders).source.pattern
    partitions = [name for name in list_partitions(settings.raw_root, pattern) if first <= name <= last]
    if not partitions:
        raise DumpMissingError(f"no partition from {shown(first)} to {shown(last)}", where=dataset)
    outcomes: list[Outcome] = []
    failures: dict[str, tuple[str, int]] = {}
    for partition in partitions:
        try:
            outcomes.append(clean_one(dataset, partition, dry_run=dry_run))
        except WinnowError as error:
            failures[f"{dataset} {shown(partition)}"] = (f"{error.kind}: {error}", error.exit_code)
    if failures:
        raise SomeFailedError(failures, outcomes)
    return outcomes
