"""The command that removes what is no longer needed.

Belongs here: its arguments and what it prints. Does not belong here: what may go, and in what order (tasks/retain).
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli_inspect import AsJson
from flows.cli_moves import open_home
from flows.console import emit, say, told
from flows.settings import load_settings, span_in
from schemas import registry
from schemas.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from schemas.policies import Retention
    from tasks.retain.report import RetainReport

#: Names that a sentence lists.
_NAMED = 10


def gc(
    datasets: Annotated[list[str] | None, typer.Argument(metavar="[DATASET]...", help="Data sets.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All data sets that are declared.")] = False,
    older_than: Annotated[
        str, typer.Option(help="Age from which on a file goes that no version ever named: 30m, 12h, 1d.")
    ] = "1d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Retires versions beyond the declared retention, and removes files that nothing needs."""
    from flows.references import check_dataset
    from tasks.retain.stage import retain

    with told(as_json=as_json):
        store, age = open_home(), span_in(older_than)
        if bool(datasets) == every:
            raise UsageError("no data set is named" if not every else "data sets are named beside --all")
        names = datasets or list(registry.find(load_settings().folders))
        for name in names:
            check_dataset(store, name)
        policies = {name: _retention(name) for name in names}
        for name, policy in policies.items():
            run_id, now = str(uuid.uuid4()), dt.datetime.now(dt.UTC)
            report = retain(store, name, policy, run_id=run_id, now=now, older_than=age, dry_run=dry_run)
            emit(report) if as_json else _say(report)


def _retention(dataset: str) -> Retention:
    """What is declared; of a data set that is no longer declared, all versions are kept."""
    from schemas.policies import Retention

    folders = load_settings().folders
    return registry.load(dataset, folders).retention if dataset in registry.find(folders) else Retention()


def _say(report: RetainReport) -> None:
    would = "would be " if report.dry_run else ""
    say(f"{report.dataset}: keeps {report.policy or 'all versions'}.")
    if report.retired:
        all_of_them = len(report.retired) + len(report.kept)
        say(f"  {len(report.retired):,} of {all_of_them:,} versions {would}retired: {_listed(report.retired)}.")
    say(f"  {report.files:,} files with {report.size / 1e6:,.1f} MB {would}removed.")
    if report.staging:
        say(f"  What killed runs had staged {would}removed of: {_listed(report.staging)}.")
    if report.uploads:
        say(f"  {report.uploads:,} uploads that killed runs had begun were ended.")
    if report.young:
        say(f"  {report.young:,} files that no version names are left: they are younger than --older-than.")
    if report.busy:
        say(f"  Left alone, because a run is cleaning them: {_listed(report.busy)}.")


def _listed(names: Sequence[object]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(map(str, names[:_NAMED])) + more


COMMANDS: dict[str, Callable[..., None]] = {"gc": gc}
