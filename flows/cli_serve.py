"""Commands that start Prefect's server and bring deployments to it.

Belongs here: their arguments. Does not belong here: starting the programs (station), or what is deployed (deployments).
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli_inspect import AsJson
from flows.console import told
from flows.settings import load_settings, prepare_prefect
from schemas import registry

if TYPE_CHECKING:
    from collections.abc import Callable


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


COMMANDS: dict[str, Callable[..., None]] = {"serve": serve, "deploy": deploy}
