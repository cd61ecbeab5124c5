"""Commands that clean: one partition, tonight's, a range, the demo; and the server that shows their runs.

Belongs here: their arguments and what they print. Does not belong here: commands that only read (cli_inspect), or the
flows themselves.

Prefect is imported inside the commands, after `_ready`: importing it takes seconds and reads its settings.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli_inspect import AsJson, DatasetName
from flows.console import told
from flows.outcomes import print_outcomes
from flows.settings import load_settings, prepare_prefect
from schemas import registry
from schemas.errors import SomeFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tasks.job import Outcome

DryRun = Annotated[bool, typer.Option("--dry-run", help="Clean and balance the books, but publish nothing.")]


def _ready(datasets: Iterable[str] = ()) -> None:
    """Sees that the data sets are declared, at once, and then, after Prefect's seconds, that its server answers."""
    folders = load_settings().folders
    for dataset in datasets:
        registry.locate(dataset, folders)
    prepare_prefect()
    from flows.server import check_server

    check_server()


def run(
    dataset: DatasetName,
    *,
    partition: Annotated[str, typer.Option(help="Name of the partition, as in the paths of its dump.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Cleans one partition and publishes it as a new version."""
    with told(as_json=as_json):
        _ready([dataset])
        from flows.clean import clean_partition

        print_outcomes([clean_partition(dataset, partition, reason="run", dry_run=dry_run)], as_json=as_json)


def nightly(
    datasets: Annotated[list[str] | None, typer.Argument(metavar="[DATASET]...", help="Default: all.")] = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Cleans the newest partition of every data set."""
    with told(as_json=as_json):
        _ready(datasets or ())
        from flows.nightly import nightly as nightly_flow

        _print_all(lambda: nightly_flow(datasets or None, dry_run=dry_run), as_json=as_json)


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
        _ready([dataset])
        from flows.backfill import backfill as backfill_flow

        _print_all(lambda: backfill_flow(dataset, first, last, dry_run=dry_run), as_json=as_json)


def _print_all(flow: Callable[[], Sequence[Outcome]], *, as_json: bool) -> None:
    """Prints the outcomes of a run over several; of one that fails in part, those that were published."""
    try:
        outcomes = flow()
    except SomeFailedError as error:
        print_outcomes(error.outcomes, as_json=as_json)
        raise
    print_outcomes(outcomes, as_json=as_json)


def demo(
    *,
    nights: Annotated[int, typer.Option(help="How many nights of January 2013.", min=2, max=31)] = 31,
    as_json: AsJson = False,
) -> None:
    """Cleans a month of real flights, night by night, and shows the books."""
    with told(as_json=as_json):
        _ready()
        from flows.demo import demo as run_demo

        run_demo(nights, as_json=as_json)


def serve(
    *,
    host: Annotated[str, typer.Option(help="Where to listen; others than this machine need a password.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="On which port.", min=1, max=65_535)] = 4200,
    worker: Annotated[bool, typer.Option("--worker/--no-worker", help="Deploy, and start scheduled runs.")] = True,
    runs: Annotated[int, typer.Option(help="Runs that are under way at once.", min=1)] = 2,
) -> None:
    """Starts Prefect's server and UI, the deployments of all data sets, and a worker; on this machine only."""
    with told(as_json=False):
        prepare_prefect()
        from flows.station import serve as serve_here

        serve_here(host, port, worker=worker, runs=runs)


def deploy(
    *,
    pool: Annotated[str, typer.Option(help="Work pool whose workers start the runs.")] = "winnow",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deployed; change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Makes the deployments and automations of all declared data sets on Prefect's server."""
    with told(as_json=as_json):
        registry.find(load_settings().folders)
        prepare_prefect()
        options = [*(["--dry-run"] if dry_run else []), *(["--json"] if as_json else [])]
        # Nothing imports deployments: they are a program of their own.
        arguments = [sys.executable, "-m", "deployments.deploy", "--pool", pool, *options]
        os.execv(sys.executable, arguments)  # noqa: S606  # our own interpreter


COMMANDS: dict[str, Callable[..., None]] = {
    "run": run,
    "nightly": nightly,
    "backfill": backfill,
    "demo": demo,
    "serve": serve,
    "deploy": deploy,
}
