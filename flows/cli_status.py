"""Commands about partitions as a whole: how they stand, and what a person decides on those that a gate holds.

Belongs here: their arguments and what they print. Does not belong here: how a partition stands (tasks/audit/standing),
or what a decision leads to (tasks/publish/release). None of them needs Prefect.
"""

from __future__ import annotations

import collections
import datetime as dt
import getpass
import uuid
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli_inspect import AsJson, DatasetName
from flows.cli_moves import open_home
from flows.console import emit, say, table, told
from flows.settings import load_settings
from schemas import registry
from schemas.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tasks.audit.standing import Standing
    from tasks.publish.release import Released

HoldName = Annotated[str, typer.Argument(metavar="HOLD", help="Name of the hold, as `winnow status` shows it.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept.")]
By = Annotated[str | None, typer.Option(help="Who decides. Default: the user of this machine.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="See whether it could be done, and change nothing.")]


def status(
    dataset: DatasetName,
    *,
    only: Annotated[
        list[str] | None, typer.Option("--state", help="Only these: cleaned, missing, stale, held, failed.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Shows how each partition stands: cleaned, missing, stale, held or failed, and why."""
    from flows.cards import card_of
    from tasks.audit.ledger import ledger

    with told(as_json=as_json):
        states = ("cleaned", "missing", "stale", "held", "failed")
        for state in only or ():
            if state not in states:
                raise UsageError(f"no partition is ever {state}", expected=", ".join(states))
        settings, store = load_settings(), open_home()
        declaration = str(registry.locate(dataset, settings.folders))
        pattern = card_of(dataset, settings.folders).pattern
        found = ledger(store, dataset, declaration=declaration, pattern=pattern, raw_root=settings.raw_root)
        shown = [each for each in found.standings if not only or each.state in only]
        if as_json:
            for each in shown:
                emit(each)
            return
        _say_standings(dataset, shown, found.version)


def _say_standings(dataset: str, found: Sequence[Standing], version: int | None) -> None:
    rows = [(each.partition, each.state, each.records, each.kept, each.reason) for each in found]
    table("", ["partition", "state", "records", "kept", "why"], rows)
    counts = collections.Counter(each.state for each in found)
    newest = f"version {version:,}" if version else "nothing was published yet"
    say(f"{dataset}, {newest}: {', '.join(f'{count:,} {state}' for state, count in counts.most_common())}")


def release(
    dataset: DatasetName, hold: HoldName, *, reason: Reason, by: By = None, dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Publishes what a gate held, exactly as it is; who did it and why stands in the manifest."""
    from tasks.publish.release import release as act

    _decide(act, dataset, hold, reason=reason, by=by, dry_run=dry_run, as_json=as_json)


def discard(
    dataset: DatasetName, hold: HoldName, *, reason: Reason, by: By = None, dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Gives up what a gate held; `winnow gc` removes its files."""
    from tasks.publish.release import discard as act

    _decide(act, dataset, hold, reason=reason, by=by, dry_run=dry_run, as_json=as_json)


def _decide(
    act: Callable[..., Released], dataset: str, hold: str, *, reason: str, by: str | None, dry_run: bool, as_json: bool
) -> None:
    with told(as_json=as_json):
        if not reason.strip():
            raise UsageError("the reason is empty", expected="why it is decided so", fix="Give it with --reason.")
        who, now, run_id = by or getpass.getuser(), dt.datetime.now(dt.UTC), str(uuid.uuid4())
        done = act(open_home(), dataset, hold, by=who, reason=reason, run_id=run_id, now=now, dry_run=dry_run)
        if as_json:
            emit(done)
        elif done.dry_run:
            say(f"Dry run: {done.dataset} {done.partition}, held as {done.hold}: it can be done.")
        elif done.act == "release":
            say(f"Published {done.dataset}@{done.version} with {done.partition}, as it was held.")
        else:
            say(f"Discarded what was held of {done.dataset} {done.partition}; winnow gc removes its files.")


COMMANDS: dict[str, Callable[..., None]] = {"status": status, "release": release, "discard": discard}
