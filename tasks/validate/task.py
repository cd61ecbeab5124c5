"""The screening stage as a Prefect task: a thin wrapper."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.job import Job, Screened, Staged
from tasks.validate.stage import screen as screen_partition


@task(name="screen", task_run_name="screen {job.dataset} {job.partition}", cache_policy=NO_CACHE)
def screen(job: Job, staged: Staged) -> Screened:
    """Casts and judges every staged record; see `tasks.validate.stage.screen`."""
    return screen_partition(job, job.open_store(), job.load(), staged)
