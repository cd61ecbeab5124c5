"""The publishing stage as a Prefect task: a thin wrapper."""

from __future__ import annotations

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.errors import shown
from tasks.job import Job, Outcome, Settled, Staged
from tasks.publish.stage import publish as publish_partition

logger = logging.getLogger(__name__)


@task(name="publish", task_run_name="publish {job.dataset} {job.partition}", cache_policy=NO_CACHE)
def publish(job: Job, staged: Staged, settled: Settled) -> Outcome:
    """Balances the books, asks the gates and commits the version; see `tasks.publish.stage.publish`."""
    outcome = publish_partition(job, job.open_store(), job.load(), staged, settled)
    books = outcome.books
    erased = f" + {books.erased} erased" if books.erased else ""
    logger.info(
        "%s %s, version %s: %d records = %d kept + %d duplicate + %d quarantined + %d rejected%s",
        job.dataset, shown(job.partition), outcome.version,
        books.records, books.kept, books.duplicate, books.quarantined, books.rejected, erased,
    )  # fmt: skip
    return outcome
