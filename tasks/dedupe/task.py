"""The settling stage as a Prefect task: a thin wrapper that logs one line for each rule that set rows aside."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.errors import shown
from tasks.dedupe.stage import settle as settle_partition
from tasks.job import Job, Settled, Staged

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


@task(name="settle", task_run_name="settle {job.dataset} {job.partition}", cache_policy=NO_CACHE)
def settle(job: Job, staged: Staged) -> Settled:
    """Gives every record its fate and writes the finished files; see `tasks.dedupe.stage.settle`."""
    settled = settle_partition(job, job.open_store(), job.load(), staged, progress=_logged(job))
    for rule in settled.rules:
        if rule.rows:
            where = f"{job.dataset} {shown(job.partition)}"
            logger.info("%s: %d rows broke %s (%s)", where, rule.rows, rule.id, rule.severity)
    return settled


def _logged(job: Job) -> Callable[[str, float], None]:
    """A callback that logs what is done, and how long the rest will take at the same pace."""
    begun = time.monotonic()

    def log(what: str, share: float) -> None:
        left = (time.monotonic() - begun) * (1 - share) / share if share else 0.0
        where = f"{job.dataset} {shown(job.partition)}"
        logger.info("%s: %s, %.0f %% done, about %.0f s left", where, what, share * 100, left)

    return log
