"""Commands that clean: one partition, tonight's, a range, what was set aside, the demo.

Belongs here: their arguments and what they print. Does not belong here: commands that only read (cli_inspect), or the
flows themselves.

Prefect is imported inside the commands, after `_ready`: importing it takes seconds and reads its settings.
"""

from __future__ import annotations

import collections
import signal
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli_inspect import AsJson, DatasetName
from flows.console import emit, progress, say, table, told
from flows.outcomes import print_outcomes
from flows.settings import load_settings, prepare_prefect
from schemas import registry
from schemas.errors import EXIT_STOPPED, SomeFailedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tasks.job import Outcome
    from tasks.replay.report import PartitionReplay

DryRun = Annotated[bool, typer.Option("--dry-run", help="Clean and balance the books, but publish nothing.")]
Hold = Literal["wait", "leave"]
Wanted = Literal["missing", "stale", "failed"]


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
    hold: Annotated[
        Hold, typer.Option(help="When a gate holds it: wait for an answer in the UI, or leave it for winnow release.")
    ] = "leave",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Cleans one partition and publishes it as a new version."""
    with told(as_json=as_json):
        _ready([dataset])
        from flows.clean import clean_partition

        outcome = clean_partition(dataset, partition, reason="run", dry_run=dry_run, hold=hold)
        print_outcomes([outcome], as_json=as_json)


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
    missing: Annotated[bool, typer.Option("--missing", help="Those that were never cleaned.")] = False,
    stale: Annotated[bool, typer.Option("--stale", help="Those cleaned under another contract or dump.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Those whose last cleaning published nothing.")] = False,
    every: Annotated[bool, typer.Option("--all", help="All; unchanged ones are skipped. The default.")] = False,
    at_once: Annotated[int | None, typer.Option(help="Batches cleaned at the same time.", min=1, max=16)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done and why; do nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Cleans a range of partitions, as far as they have to be; stopped anywhere, the same command does the rest."""
    with told(as_json=as_json):
        wanted: tuple[tuple[Wanted, bool], ...] = (
            ("missing", missing),
            ("stale", stale),
            ("failed", failed),
        )
        only: list[Wanted] = [state for state, is_wanted in wanted if is_wanted]
        if every and only:
            raise UsageError(f"--all beside --{only[0]}", fix="--all is all of them.")
        if dry_run:
            _print_plan(dataset, first, last, only, as_json=as_json)
            return
        _ready([dataset])
        from flows.backfill import backfill as backfill_flow
        from flows.backfill import default_at_once

        _print_all(
            lambda: backfill_flow(dataset, first, last, only=only, at_once=at_once or default_at_once()),
            as_json=as_json,
        )


def _print_plan(dataset: str, first: str, last: str, only: Sequence[Wanted], *, as_json: bool) -> None:
    from flows.planning import planned

    steps = planned(dataset, first, last, only)
    if as_json:
        for step in steps:
            emit(step)
        return
    table("", ["partition", "would", "state", "why"], [(s.partition, s.act, s.state, s.reason) for s in steps])
    counts = collections.Counter(step.act for step in steps)
    say(f"Dry run: {', '.join(f'{counts[act]:,} to {act}' for act in ('clean', 'compare', 'leave') if counts[act])}.")


def replay(
    dataset: DatasetName,
    *,
    rule: Annotated[str | None, typer.Option(help="Only records that broke this rule.")] = None,
    partition: Annotated[list[str] | None, typer.Option(help="Only of these partitions; may be given again.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would become of them; publish nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Asks quarantined and rejected records again under today's contract, and publishes those that pass now."""
    with told(as_json=as_json):
        if dry_run:
            from flows.replaying import replay_partitions

            with progress() as show:
                found = replay_partitions(
                    dataset, rule=rule, partitions=partition, run_id="dry run", dry_run=True, progress=show
                )
        else:
            _ready([dataset])
            from flows.replay import replay as replay_flow

            found = tuple(replay_flow(dataset, rule, partition))
        _print_replay(dataset, found, dry_run=dry_run, as_json=as_json)


def _print_replay(dataset: str, found: Sequence[PartitionReplay], *, dry_run: bool, as_json: bool) -> None:
    for each in found if as_json else ():
        emit(each)
    if not as_json:
        columns = ["partition", "asked", "kept", "duplicate", "set aside", "stale", "why"]
        rows = [
            (
                each.partition, each.asked, each.kept, each.duplicate, each.still_set_aside,
                "no" if each.whole else "yes", each.trouble or each.why_not,
            )
            for each in found
        ]  # fmt: skip
        table("", columns, rows)
        versions = sorted({each.outcome.version for each in found if each.outcome and each.outcome.version})
        done = f"published {dataset}@{versions[-1]}" if versions else "nothing was published"
        say(f"Dry run: {done}." if dry_run else f"{done[0].upper()}{done[1:]}.")
    held = [each for each in found if each.outcome and each.outcome.hold]
    if held or any(each.trouble for each in found):
        raise SystemExit(EXIT_STOPPED)


def _stop(_signal: int, _frame: object) -> None:
    """A run that is told to end by its machine ends as it does by Ctrl-C: it clears what it staged."""
    raise KeyboardInterrupt


def _print_all(flow: Callable[[], Sequence[Outcome]], *, as_json: bool) -> None:
    """Prints the outcomes of a run over several; of one that fails in part, those that were published."""
    signal.signal(signal.SIGTERM, _stop)
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


COMMANDS: dict[str, Callable[..., None]] = {
    "run": run,
    "nightly": nightly,
    "backfill": backfill,
    "replay": replay,
    "demo": demo,
}
