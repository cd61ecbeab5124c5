"""The report stage as a Prefect task: artifacts under stable keys, so that the UI shows their history."""

from __future__ import annotations

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.context import TaskRunContext

from tasks.job import Job, Outcome
from tasks.report.escape import as_markdown
from tasks.report.stage import run_report
from tasks.report.summary import removed_by_rule, summary


@task(name="report", task_run_name="report {job.dataset} {job.partition}", cache_policy=NO_CACHE)
def report(job: Job, outcome: Outcome) -> None:
    """Writes the report of a published run; inside a run of Prefect's also as its artifacts."""
    found = run_report(job, job.open_store(), job.load(), outcome)
    if TaskRunContext.get() is None:
        return
    # The UI shows a description as markdown, and the cells of a table as they are: those are the declaration's words.
    where = f"{job.dataset} {as_markdown(job.partition, limit=255)}, version {found.version}"
    create_markdown_artifact(
        summary(found), key=f"{job.artifact_stem}-summary", description=f"What was removed and why: {where}"
    )
    create_table_artifact(
        removed_by_rule(found),
        key=f"{job.artifact_stem}-removed-by-rule",
        description=f"Rows that broke each rule: {where}",
    )
