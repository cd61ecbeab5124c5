"""The ingest stage as a Prefect task: a thin wrapper that shows progress while it runs."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from prefect import task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.context import TaskRunContext

from tasks.ingest.stage import stage_partition
from tasks.job import Job, Staged
from tasks.report.escape import as_markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Seconds between two updates: each is a request to the server.
_EVERY = 2.0


@task(name="ingest", task_run_name="ingest {job.dataset} {job.partition}", cache_policy=NO_CACHE)
def ingest(job: Job) -> Staged:
    """Reads all raw files of the partition into staged records; see `tasks.ingest.stage.stage_partition`."""
    with _shown(job) as progress:
        return stage_partition(job, job.open_store(), job.load(), progress=progress)


@contextlib.contextmanager
def _shown(job: Job) -> Iterator[Callable[[float], None]]:
    """A callback that shows the share of bytes read, from 0 to 1; outside a task run, one that shows nothing."""
    if TaskRunContext.get() is None:
        yield lambda _share: None
        return
    where = f"{job.dataset} {as_markdown(job.partition, limit=255)}"  # the UI shows it as markdown
    artifact = create_progress_artifact(
        0.0, key=f"{job.artifact_stem}-progress", description=f"Reading the dump of {where}"
    )
    last = time.monotonic()

    def update(share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY:
            last = time.monotonic()
            update_progress_artifact(artifact, round(share * 100, 1))  # type: ignore[arg-type]  # typed for async use

    yield update
    update_progress_artifact(artifact, 100.0)  # type: ignore[arg-type]  # as above
