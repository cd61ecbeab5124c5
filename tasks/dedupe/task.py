"""The settling stage as a Prefect task: a thin wrapper that logs one line for each rule that set rows aside."""

from __future__ import annotations

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.errors import shown
from tasks.dedupe.stage import settle as settle_partition
from tasks.job import Job, Settled, Staged

logger = logging.getLogger(__name__)


@task(name="settle", task_run_name="settle {job.dataset} {job.partition}", cache_policy=NO_CACHE)
def settle(job: Job, staged: Staged) -> Settled:
    """Gives every record its fate and writes the finished files; see `tasks.dedupe.stage.settle`."""
    settled = settle_partition(job, job.open_store(), job.load(), staged)
    for rule in settled.rules:
        if rule.rows:
            where = f"{job.dataset} {shown(job.partition)}"
            logger.info("%s: %d rows broke %s (%s)", where, rule.rows, rule.id, rule.severity)
    return settled
