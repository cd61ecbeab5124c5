"""Maintain: what is no longer needed leaves, in the store and in Prefect's own history.

Belongs here: the run over all data sets, and the deletion of old runs through Prefect's API. Does not belong here: what
of the store may go (tasks/retain).

Prefect's server removes events by itself, after seven days unless PREFECT_SERVER_EVENTS_RETENTION_PERIOD tells another
time.
Runs, with their states, logs and artifacts, it keeps for ever.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from prefect import flow, runtime, task
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from pydantic import Field

from flows import events
from flows.fields import NAMES, DatasetName
from flows.settings import load_settings
from schemas import registry
from schemas.errors import SomeFailedError, WinnowError
from tasks.retain.stage import retain
from tasks.store.local import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prefect.client.orchestration import SyncPrefectClient

    from tasks.retain.report import RetainReport

#: Runs and artifacts that are removed with one request, or listed in one.
_BATCH = 50
#: Only of runs that have ended is the history ever removed.
_ENDED = ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]


class Removed(NamedTuple):
    """What was removed of Prefect's history."""

    runs: int
    artifacts: int


@flow(name="maintain", flow_run_name="maintain")
def maintain(
    datasets: list[DatasetName] | None = None,
    history_days: Annotated[int, Field(ge=1)] = 90,
    leftovers_days: Annotated[int, Field(ge=1)] = 1,
    dry_run: bool = False,  # noqa: FBT001  # a flow's parameters are its form in the UI
) -> None:
    """Retires versions beyond the declared retention, removes files that nothing needs, and Prefect's old runs.

    Args:
        datasets: Data sets; none chosen means all.
        history_days: Runs that ended so many days ago leave Prefect, with their logs and artifacts.
        leftovers_days: Files that no version ever named leave the store when they are so many days old.
        dry_run: Only say what would leave.

    Raises:
        SomeFailedError: of at least one data set nothing could be removed.
    """
    reports: list[RetainReport] = []
    failures: dict[str, tuple[str, int]] = {}
    for dataset in datasets or list(NAMES):
        try:
            reports.append(retain_one(dataset, leftovers_days, dry_run=dry_run))
        except WinnowError as error:
            failures[dataset] = (f"{error.kind}: {error}", error.exit_code)
    removed = forget(history_days, dry_run=dry_run)
    create_markdown_artifact(_text(reports, removed, history_days, dry_run=dry_run), key="maintain")
    if failures:
        raise SomeFailedError(failures, reports)


@task(name="retain", task_run_name="retain {dataset}", cache_policy=NO_CACHE)
def retain_one(dataset: str, leftovers_days: int, *, dry_run: bool) -> RetainReport:
    """What `winnow gc` does for one data set."""
    settings = load_settings()
    policy = registry.load(dataset, settings.folders).retention
    report = retain(
        open_store(settings.store_root),
        dataset,
        policy,
        run_id=str(runtime.task_run.id or uuid.uuid4()),
        now=dt.datetime.now(dt.UTC),
        older_than=dt.timedelta(days=leftovers_days),
        dry_run=dry_run,
    )
    if not dry_run and (report.retired or report.files):
        events.tell(events.MAINTAINED, dataset, retired=len(report.retired), files=report.files, bytes=report.size)
    return report


@task(name="forget", cache_policy=NO_CACHE)
def forget(history_days: int, *, dry_run: bool) -> Removed:
    """Removes from Prefect what it keeps of runs that ended long ago, a batch a request, the oldest first.

    Args:
        history_days: how many days ago.
        dry_run: only count.
    """
    before = dt.datetime.now(dt.UTC) - dt.timedelta(days=history_days)
    old = {"state": {"type": {"any_": _ENDED}}, "end_time": {"before_": before.isoformat()}}
    runs = artifacts = 0
    with get_client(sync_client=True) as client:
        whole = int(_asked(client, "/flow_runs/count", {"flow_runs": old}))
        if dry_run:
            return Removed(whole, 0)
        progress = create_progress_artifact(0.0, key="maintain-progress", description="Old runs that left Prefect")
        for batch in _batches(client, old):
            artifacts += _remove_artifacts(client, batch)
            _asked(client, "/flow_runs/bulk_delete", {"flow_runs": {"id": {"any_": batch}}, "limit": _BATCH})
            runs += len(batch)
            update_progress_artifact(progress, min(100.0, 100.0 * runs / whole))  # type: ignore[arg-type]  # typed for async use
        update_progress_artifact(progress, 100.0)  # type: ignore[arg-type]  # as above
    return Removed(runs, artifacts)


def _batches(client: SyncPrefectClient, old: dict[str, Any]) -> Iterator[list[str]]:
    """Ids of old runs; the next ones when these are gone."""
    seen: set[str] = set()
    while True:
        found = _asked(client, "/flow_runs/filter", {"flow_runs": old, "limit": _BATCH, "sort": "END_TIME_DESC"})
        batch = [str(run["id"]) for run in found]
        if not batch or seen & set(batch):  # what was deleted is there again: better stop than go on for ever
            return
        seen.update(batch)
        yield batch


def _remove_artifacts(client: SyncPrefectClient, runs: list[str]) -> int:
    removed = 0
    while True:
        # Deleting runs leaves their artifacts, and a key's history would lead to runs that are gone.
        body = {"artifacts": {"flow_run_id": {"any_": runs}}, "limit": _BATCH}
        found = _asked(client, "/artifacts/filter", body)
        for artifact in found:
            client.request("DELETE", "/artifacts/{id}", path_params={"id": artifact["id"]})
        removed += len(found)
        if len(found) < _BATCH:
            return removed


def _asked(client: SyncPrefectClient, path: str, body: dict[str, Any]) -> Any:  # noqa: ANN401  # JSON
    answer = client.request("POST", path, json=body)  # type: ignore[arg-type]  # typed for the paths that it knows
    answer.raise_for_status()
    return answer.json()


def _text(reports: Sequence[RetainReport], removed: Removed, history_days: int, *, dry_run: bool) -> str:
    were = "would be" if dry_run else "were"
    lines = [
        "# What left" if not dry_run else "# What would leave",
        "",
        "| data set | keeps | versions retired | of | files removed | MB |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {each.dataset} | {each.policy or 'all versions'} | {len(each.retired):,} "
            f"| {len(each.retired) + len(each.kept):,} | {each.files:,} | {each.size / 1e6:,.1f} |"
            for each in reports
        ),
        "",
        f"Of Prefect's history {removed.runs:,} runs that ended more than {history_days} days ago {were} removed"
        + ("." if dry_run else f", with {removed.artifacts:,} artifacts and their logs."),
    ]
    return "\n".join(lines)
