"""Nightly: the newest partition of every data set.

Belongs here: which partitions tonight's run cleans, and what one data set's failure means for the others (nothing).
Does not belong here: cleaning one (clean), ranges of partitions (backfill), or the schedule (deployments).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import polars as pl
from prefect import flow, runtime

from flows.clean import clean_partition
from flows.settings import load_settings
from schemas import registry
from schemas.errors import DumpMissingError, SomeFailedError, WinnowError, shown
from tasks.ingest.listing import list_partitions
from tasks.job import Outcome

if TYPE_CHECKING:
    from schemas.dataset import Dataset


def newest(dataset: str) -> str:
    """The newest partition of a data set: the last in the order of names, so name partitions by ISO date.

    Raises:
        DumpMissingError: there is none.
    """
    return partitions_of(registry.load(dataset, load_settings().folders))[-1]


def partitions_of(declared: Dataset) -> list[str]:
    """The partitions of which there is a dump, in the order of their names; one at least.

    Raises:
        DumpMissingError: there is none.
    """
    raw_root = load_settings().raw_root
    found = list_partitions(raw_root, declared.source.pattern)
    if not found:
        raise DumpMissingError(f"no file matches {shown(declared.source.pattern)}", where=raw_root)
    return found


@flow(name="nightly", flow_run_name="nightly")
def nightly(datasets: list[str] | None = None, dry_run: bool = False) -> list[Outcome]:  # noqa: FBT001  # a flow's parameters are its form in the UI
    """Cleans the newest partition of each data set; one that fails keeps none of the others from being published.

    Args:
        datasets: names of data sets; empty means all that are declared.
        dry_run: clean and balance the books, but publish nothing.

    Raises:
        SomeFailedError: at least one was not published.
    """
    outcomes: list[Outcome] = []
    failures: dict[str, tuple[str, int]] = {}
    names = datasets or list(registry.find(load_settings().folders))
    # Of several data sets, one that waits for a person would keep the others back.
    hold: Literal["wait", "leave"] = "wait" if runtime.deployment.id is not None and len(names) == 1 else "leave"
    for dataset in names:
        try:
            outcomes.append(clean_partition(dataset, newest(dataset), reason="nightly", dry_run=dry_run, hold=hold))
        except WinnowError as error:
            failures[dataset] = (f"{error.kind}: {error}", error.exit_code)
        # A defect met in one data set must not cost the others their night; a panic of polars is no Exception.
        except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001
            failures[dataset] = (f"{type(error).__name__}: {shown(error)}", WinnowError.exit_code)
    if failures:
        raise SomeFailedError(failures, outcomes)
    return outcomes
