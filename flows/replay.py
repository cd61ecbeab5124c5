"""Replay: the records that were set aside, asked again after a rule or a source was corrected.

Belongs here: the flow that the UI shows, and its artifact. Does not belong here: doing it (replaying, tasks/replay).
"""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING

from prefect import flow, runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from flows import logs
from flows.replaying import replay_partitions
from schemas.errors import shown
from tasks.replay.report import PartitionReplay
from tasks.report.escape import as_markdown

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)
logs.install()

#: Rows of the artifact's table.
_ROWS = 200
_WORDS = 300


@task(name="replay", task_run_name="replay {dataset}", cache_policy=NO_CACHE)
def replay_all(dataset: str, rule: str | None, partitions: list[str] | None, *, dry_run: bool) -> list[PartitionReplay]:
    """Asks the records of all partitions again; see `flows.replaying.replay_partitions`."""
    run_id = runtime.flow_run.id or str(uuid.uuid4())
    found = replay_partitions(dataset, rule=rule, partitions=partitions, run_id=run_id, dry_run=dry_run)
    for each in found:
        if each.trouble:
            logger.warning("%s %s: %s", dataset, shown(each.partition), each.trouble)
        elif each.asked:
            told = (each.asked, each.kept, each.duplicate, each.still_set_aside)
            logger.info(
                "%s %s: %d asked = %d kept + %d duplicate + %d set aside", dataset, shown(each.partition), *told
            )
    return list(found)


@flow(name="replay", flow_run_name="replay {dataset}")
def replay(
    dataset: str,
    rule: str | None = None,
    partitions: list[str] | None = None,
    dry_run: bool = False,  # noqa: FBT001  # a flow's parameters are its form in the UI
) -> list[PartitionReplay]:
    """Asks the quarantined and rejected records of a data set again, and publishes those that pass now.

    Args:
        dataset: name of the data set.
        rule: only records that broke this rule; empty means all.
        partitions: only records of these partitions; empty means all.
        dry_run: say what would become of them, and publish nothing.
    """
    found = replay_all(dataset, rule or None, partitions or None, dry_run=dry_run)
    create_markdown_artifact(
        in_markdown(dataset, found),
        key=f"{dataset.replace('_', '-')}-replay",
        description=f"What became of the records of {dataset} that were asked again",
    )
    return found


def in_markdown(dataset: str, found: Sequence[PartitionReplay]) -> str:
    """A replay as a table, the partitions of which anything changed first."""
    asked, kept = sum(each.asked for each in found), sum(each.kept for each in found)
    lines = [
        f"# Replay of {as_markdown(dataset)}",
        "",
        f"{asked:,} records of {len(found):,} partitions were asked again; {kept:,} pass now.",
        "",
        "| partition | asked | kept | duplicate | still set aside | stale | why |",
        "| --- | ---: | ---: | ---: | ---: | --- | --- |",
    ]
    for each in sorted(found, key=lambda one: (not one.trouble, -one.kept, one.partition))[:_ROWS]:
        counts = (each.asked, each.kept, each.duplicate, each.still_set_aside)
        why = as_markdown(each.trouble or each.why_not or "-", _WORDS)
        stale = "no" if each.whole else "yes"
        cells = " | ".join(f"{count:,}" for count in counts)
        lines.append(f"| {as_markdown(each.partition, 255)} | {cells} | {stale} | {why} |")
    return "\n".join(lines) + "\n"
