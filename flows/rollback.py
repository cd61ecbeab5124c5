"""Rollback: an older version's data published again, as a flow.

Belongs here: the run, and what it shows. Does not belong here: what a rollback is (tasks/publish/rollback).
"""

from __future__ import annotations

import datetime as dt
import uuid

from prefect import flow, runtime
from prefect.artifacts import create_markdown_artifact

from flows import events
from flows.fields import DatasetName
from flows.references import named
from flows.settings import load_settings
from tasks.publish.rollback import RolledBack
from tasks.publish.rollback import rollback as roll_back
from tasks.report.escape import as_markdown
from tasks.store.local import open_store

#: Partitions that the artifact lists.
_LISTED = 200


@flow(name="rollback", flow_run_name="rollback {dataset} to {to}")
def rollback(dataset: DatasetName, to: str, dry_run: bool = True) -> RolledBack:  # noqa: FBT001  # a flow's parameters are its form in the UI
    """Publishes an older version's data as a new version; those in between stay as they are.

    Args:
        dataset: The data set.
        to: The version whose data is wanted: its number, a tag, or a date (the newest of that day).
        dry_run: Only show what would change. Switch it off to publish.
    """
    store = open_store(load_settings().store_root)
    _, version = named(store, f"{dataset}@{to}")
    now, run_id = dt.datetime.now(dt.UTC), str(runtime.flow_run.id or uuid.uuid4())
    done = roll_back(store, dataset, version or 0, run_id=run_id, now=now, dry_run=dry_run)
    create_markdown_artifact(_text(done, dry_run=dry_run), key=f"{dataset.replace('_', '-')}-rollback")
    if done.published:
        events.tell(events.ROLLED_BACK, dataset, version=done.version, to=done.to, digest=done.digest)
    return done


def _text(done: RolledBack, *, dry_run: bool) -> str:
    if not done.changes:
        said = f"Version {done.version} has the data of version {done.to} already: nothing was published."
    elif dry_run:
        said = f"Dry run: nothing was published. A new version would have the data of version {done.to}."
    else:
        said = f"Published version {done.version}, with the data of version {done.to}."
    lines = [f"# {done.dataset}: rollback to version {done.to}", "", said]
    if done.changes:
        lines += ["", "| partition | change | rows before | rows after |", "| --- | --- | ---: | ---: |"]
        lines += [
            f"| {as_markdown(each.partition, limit=255)} | {each.change.value} | {_count(each.rows_before)} "
            f"| {_count(each.rows_after)} |"
            for each in done.changes[:_LISTED]
        ]
    if len(done.changes) > _LISTED:
        lines += ["", f"and {len(done.changes) - _LISTED:,} more partitions"]
    return "\n".join(lines)


def _count(rows: int | None) -> str:
    return "-" if rows is None else f"{rows:,}"
