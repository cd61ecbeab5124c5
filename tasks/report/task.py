"""The report stage as a Prefect task: artifacts under stable keys, so that the UI shows their history."""

from __future__ import annotations

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.context import TaskRunContext

from tasks.job import Job, Outcome
from tasks.report.escape import as_markdown
from tasks.report.stage import run_report, version_and_parent
from tasks.report.summary import removed_by_rule, summary
from tasks.report.trend import last_partitions, trend

#: Rows of a table that the UI and the feed of events can take; the summary and `winnow show` have the others.
_ROWS = 200
#: Runs that somebody looks at one by one. A backfill would draw the same picture for each of its partitions.
_WATCHED = ("nightly", "run")


@task(name="report", task_run_name="report {job.dataset} {job.partition}", cache_policy=NO_CACHE)
def report(job: Job, outcome: Outcome) -> None:
    """Writes the report of a published run; inside a run of Prefect's also as its artifacts."""
    store = job.open_store()
    versions = version_and_parent(store, job.dataset, outcome.version or 0)
    found = run_report(job, store, job.load(), outcome, versions)
    if TaskRunContext.get() is None:
        return
    # The UI shows a description as markdown, and the cells of a table as they are: those are the declaration's words.
    where = f"{job.dataset} {as_markdown(job.partition, limit=255)}, version {found.version}"
    create_markdown_artifact(
        summary(found), key=f"{job.artifact_stem}-summary", description=f"{where}: what was removed, and why"
    )
    create_table_artifact(
        removed_by_rule(found)[:_ROWS],
        key=f"{job.artifact_stem}-removed-by-rule",
        description=f"{where}: rows that broke each rule",
    )
    if job.reason in _WATCHED:
        entries = last_partitions(versions[0])
        create_markdown_artifact(
            trend(job.dataset, entries),
            key=f"{job.artifact_stem}-trend",
            description=f"{where}: how the last partitions went",
        )
