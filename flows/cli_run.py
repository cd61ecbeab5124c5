"""Commands that clean: one partition, tonight's, a range, the demo; and the server that shows their runs.

Belongs here: their arguments and what they print. Does not belong here: commands that only read (cli_inspect), or the
flows themselves.

Prefect is imported inside the commands, after `prepare_prefect`: importing it takes seconds and reads its settings.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli_inspect import AsJson, DatasetName
from flows.console import emit, say, table, told
from flows.settings import prepare_prefect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tasks.job import Outcome

DryRun = Annotated[bool, typer.Option("--dry-run", help="Clean and balance the books, but publish nothing.")]


def run(
    dataset: DatasetName,
    *,
    partition: Annotated[str, typer.Option(help="Name of the partition, as in the paths of its dump.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Cleans one partition and publishes it as a new version."""
    with told(as_json=as_json):
        prepare_prefect()
        from flows.clean import clean_partition

        _print([clean_partition(dataset, partition, reason="run", dry_run=dry_run)], as_json=as_json)


def nightly(
    datasets: Annotated[list[str] | None, typer.Argument(metavar="[DATASET]...", help="Default: all.")] = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Cleans the newest partition of every data set."""
    with told(as_json=as_json):
        prepare_prefect()
        from flows.nightly import nightly as nightly_flow
        from schemas.errors import NightFailedError

        try:
            night = nightly_flow(datasets or None, dry_run=dry_run)
        except NightFailedError as error:
            _print(error.outcomes, as_json=as_json)
            raise
        _print(night, as_json=as_json)


def backfill(
    dataset: DatasetName,
    *,
    first: Annotated[str, typer.Option("--from", help="The first partition.")],
    last: Annotated[str, typer.Option("--to", help="The last partition.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Cleans a range of partitions, one after another."""
    with told(as_json=as_json):
        prepare_prefect()
        from flows.backfill import backfill as backfill_flow

        _print(backfill_flow(dataset, first, last, dry_run=dry_run), as_json=as_json)


def demo(
    *,
    nights: Annotated[int, typer.Option(help="How many nights of January 2013.", min=2, max=31)] = 31,
    as_json: AsJson = False,
) -> None:
    """Cleans a month of real flights, night by night, and shows the books."""
    with told(as_json=as_json):
        prepare_prefect()
        from flows.demo import demo as run_demo

        run_demo(nights, as_json=as_json)


def serve(
    *, port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65_535)] = 4200
) -> None:
    """Starts Prefect's server and UI on this machine only, over the runs that were made here."""
    prepare_prefect()
    say(f"The runs: http://127.0.0.1:{port}/runs (stop with Ctrl-C). In another terminal, so that runs report here:")
    say(f"  export PREFECT_API_URL=http://127.0.0.1:{port}/api")
    arguments = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606  # no shell: our own interpreter and fixed words


def _print(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    if as_json:
        for outcome in outcomes:
            emit(as_result(outcome))
        return
    rows = [
        (o.dataset, o.partition, o.version or "-", b.records, b.kept, b.duplicate, b.quarantined, b.rejected, b.repaired)
        for o in outcomes
        for b in (o.books,)
    ]
    names = ["data set", "partition", "version", "records", "kept", "duplicate", "quarantined", "rejected", "repaired"]
    table("", names, rows)
    for outcome in outcomes:
        say(f"{outcome.dataset} {outcome.partition}: {outcome.note}")


def as_result(outcome: Outcome) -> dict[str, object]:
    """What `run --json` ends with: the outcome without the manifest's entry, which `winnow files` and others show."""
    return {
        "dataset": outcome.dataset,
        "partition": outcome.partition,
        "version": outcome.version,
        "digest": outcome.digest,
        "published": outcome.published,
        "note": outcome.note,
        "books": outcome.books,
        "rules": outcome.rules,
        "rejects": outcome.rejects,
    }


COMMANDS: dict[str, Callable[..., None]] = {
    "run": run,
    "nightly": nightly,
    "backfill": backfill,
    "demo": demo,
    "serve": serve,
}
