"""Forms: what a person can start in Prefect's UI, and what a schedule starts.

Belongs here: flows whose parameters are typed for the form that the UI makes of them: a choice of data sets, pickers of
dates, and a help text for each. Does not belong here: what they do (the flows beside this module), or when they run
(deployments).

No parameter takes a value from data: Prefect keeps parameters for as long as the run.
"""

from __future__ import annotations

from typing import Annotated, Literal

import polars as pl
from prefect import flow, runtime
from pydantic import Field

from flows.backfill import backfill as backfill_range
from flows.clean import clean_partition as clean_one
from flows.erase import erase
from flows.fields import DatasetName, Partition
from flows.maintain import maintain
from flows.missed import due
from flows.replay import replay as replay_records
from flows.rollback import rollback
from schemas.errors import SomeFailedError, WinnowError, shown
from tasks.job import Outcome
from tasks.replay.report import PartitionReplay

__all__ = ["backfill", "clean_partition", "erase", "maintain", "nightly", "replay", "rollback"]

Hold = Literal["auto", "wait", "leave"]


@flow(name="nightly", flow_run_name="nightly {dataset}")
def nightly(dataset: DatasetName, dry_run: bool = False) -> list[Outcome]:  # noqa: FBT001  # a flow's parameters are its form in the UI
    """Cleans the newest partition of a data set, and before it those of the nights before that were missed.

    Which partitions these are follows from the dumps and the newest version. One that fails keeps none of the others
    from being published.

    Args:
        dataset: The data set.
        dry_run: Clean and balance the books, but publish nothing.

    Raises:
        SomeFailedError: at least one was not published.
    """
    *_, newest = partitions = due(dataset)
    waits: Hold = "wait" if runtime.deployment.id else "leave"
    outcomes: list[Outcome] = []
    failures: dict[str, tuple[str, int]] = {}
    for partition in partitions:
        # A question about an old night keeps nobody waiting for the new one.
        hold: Hold = waits if partition == newest else "leave"
        try:
            outcomes.append(clean_one(dataset, partition, reason="nightly", dry_run=dry_run, hold=hold))
        except WinnowError as error:
            failures[f"{dataset} {shown(partition)}"] = (f"{error.kind}: {error}", error.exit_code)
        # A defect met in one partition must not cost the others their night; a panic of polars is no Exception.
        except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001
            failures[f"{dataset} {shown(partition)}"] = (f"{type(error).__name__}: {shown(error)}", 3)
    if failures:
        raise SomeFailedError(failures, outcomes)
    return outcomes


@flow(name="clean-partition", flow_run_name="{dataset} {partition}")
def clean_partition(dataset: DatasetName, partition: Partition, reason: str = "run", dry_run: bool = False) -> Outcome:  # noqa: FBT001  # as nightly
    """Cleans one partition of one data set and publishes it as a new version. A backfill hands its big ones to this.

    Args:
        dataset: The data set.
        partition: The partition.
        reason: Why, for the version's manifest.
        dry_run: Clean and balance the books, but publish nothing.
    """
    return clean_one.fn(dataset, str(partition), reason=reason, dry_run=dry_run)


@flow(name="backfill", flow_run_name="backfill {dataset} {first}..{last}")
def backfill(
    dataset: DatasetName,
    first: Partition,
    last: Partition,
    only: list[Literal["missing", "stale", "failed"]] | None = None,
    at_once: Annotated[int, Field(ge=1, le=16)] = 2,
    dry_run: bool = False,  # noqa: FBT001  # as nightly
) -> list[Outcome]:
    """Cleans a range of partitions of one data set as far as they have to be, and says what became of each.

    A partition that is unchanged since the newest version is skipped; a run that was stopped is finished by starting
    the same again.

    Args:
        dataset: The data set.
        first: The first partition of the range.
        last: The last one; it belongs to the range.
        only: Clean only partitions in these states; none chosen means all.
        at_once: How many batches, or big partitions, are cleaned at the same time.
        dry_run: Only say in the log what would be done with each partition, and why.
    """
    return backfill_range.fn(dataset, str(first), str(last), only, at_once, dry_run)


@flow(name="replay", flow_run_name="replay {dataset}")
def replay(
    dataset: DatasetName,
    rule: str | None = None,
    partitions: list[str] | None = None,
    dry_run: bool = False,  # noqa: FBT001  # as nightly
) -> list[PartitionReplay]:
    """Asks the quarantined and rejected records of a data set again, and publishes those that pass now.

    Args:
        dataset: The data set.
        rule: Only records that broke this rule, by its id as `winnow show` has it; empty means all.
        partitions: Only records of these partitions; none named means all.
        dry_run: Only say what would become of them.
    """
    return replay_records.fn(dataset, rule, partitions, dry_run)
