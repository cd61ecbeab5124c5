"""Station: Prefect's server, the deployments and a worker on one machine, started and ended as one.

Belongs here: the order in which they start and stop, and what a person is told meanwhile. Does not belong here: what is
deployed (deployments), or who may reach the server (server).

Each is a program of its own in a session of its own, so that Ctrl-C in a terminal reaches this one alone, which then
ends the worker before the server: a run can still report how it ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from flows.console import say
from flows.server import AUTHENTICATION, CLIENT_AUTHENTICATION, check_exposure, is_loopback
from flows.settings import load_settings
from schemas.errors import EXIT_USAGE, EnvironmentFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

#: Seconds for the server of a cold machine to answer, and for a program to end when it is told to.
_PATIENCE, _GRACE = 180, 20
#: Seconds between two heartbeats of a run, by which a dead one is told (deployments/automations). Prefect has no fewer.
HEARTBEAT = 30
#: Name of the work pool whose runs are programs beside the worker.
POOL = "winnow"


class _Stopped(Exception):  # noqa: N818  # somebody asked for it
    """A signal asked for the end."""


def serve(host: str, port: int, *, worker: bool, runs: int) -> None:
    """Starts all of it, and returns when a signal ends it.

    Args:
        host: where the server listens.
        port: on which port.
        worker: whether deployments are made and their runs started; else it is the server with its UI alone.
        runs: how many runs the worker has under way at once.

    Raises:
        UsageError: others could reach the server, and it would be open to them.
        EnvironmentFailedError: a part does not start, or ended by itself.
    """
    check_exposure(host)
    reached = host if is_loopback(host) else "127.0.0.1"
    url = f"http://{f'[{reached}]' if ':' in reached else reached}:{port}"
    environment = _environment(url, loopback=is_loopback(host))
    logs = Path(environment["PREFECT_HOME"])
    logs.mkdir(parents=True, exist_ok=True)
    with _ended_by_signals(), contextlib.ExitStack() as station:
        command = ["-m", "flows.prefect_server", "server", "start", "--host", host, "--port", str(port)]
        server = station.enter_context(_running("server", command, logs, environment))
        _wait_for(url, server, logs)
        programs = {"server": server}
        say(f"The runs: {url}/v2/runs (stop with Ctrl-C). In another terminal, so that runs report here:")
        say(f"  export PREFECT_API_URL={url}/api")
        if worker:
            _deploy(environment)
            command = ["-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process", "--limit", str(runs)]
            programs["worker"] = station.enter_context(_running("worker", command, logs, environment))
            say(f"A worker waits for runs, {runs} at once. The deployments: {url}/v2/deployments")
        say(f"What they say is in {logs}/server.log" + (" and worker.log." if worker else "."))
        sys.stdout.flush()
        _watch(programs, logs)


def _environment(url: str, *, loopback: bool) -> dict[str, str]:
    """Of all programs: this one's, with places that hold in any folder, since each run has one of its own."""
    settings = load_settings()
    environment = dict(os.environ)
    environment |= {
        "PREFECT_API_URL": f"{url}/api",
        "WINNOW_STORE": settings.store_root,
        "WINNOW_RAW": settings.raw_root,
        "WINNOW_DATASETS": os.pathsep.join(map(str, settings.folders)),
        "WINNOW_SIGNING_KEY": str(settings.signing_key_path),
        # A run begins in an empty folder: what is imported there is what is imported here.
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PYTHONUNBUFFERED": "1",
    }
    environment.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", str(HEARTBEAT))
    if loopback:
        # Else its UI would ask another one: that of PREFECT_API_URL, or whatever has the usual port.
        environment["PREFECT_UI_API_URL"] = f"{url}/api"
    else:
        # A browser elsewhere asks the host from which it has the page.
        environment.setdefault("PREFECT_UI_API_URL", "/api")
    if password := environment.get(AUTHENTICATION):
        environment.setdefault(CLIENT_AUTHENTICATION, password)
    return environment


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Makes the signals that ask a program to end end the block, in order."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise _Stopped

    before = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except _Stopped:
        say("Stopped.")
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


@contextlib.contextmanager
def _running(
    name: str, command: list[str], logs: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that ends with the block: it is asked to, and killed with all that it started if it does not."""
    with (logs / f"{name}.log").open("wb") as log:
        program = subprocess.Popen(  # noqa: S603  # our own interpreter
            [sys.executable, *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield program
    finally:
        # A second signal must not leave a program behind.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        with contextlib.suppress(ProcessLookupError):
            program.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(_GRACE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _wait_for(url: str, server: subprocess.Popen[bytes], logs: Path) -> None:
    say(f"The server starts, which takes some 20 seconds: {url}")
    sys.stdout.flush()
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and server.poll() is None:
        # Another status than OK raises HTTPError, an OSError too.
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/api/health", timeout=5):  # noqa: S310  # our own
            return
        time.sleep(0.25)
    raise EnvironmentFailedError(
        "Prefect's server did not start",
        where=f"{logs}/server.log",
        fix="If its port is taken, choose another one with --port.",
    )


def _deploy(environment: dict[str, str]) -> None:
    """Makes the deployments, by the program that `winnow deploy` is."""
    sys.stdout.flush()
    program = [sys.executable, "-m", "deployments.deploy", "--pool", POOL]
    done = subprocess.run(program, env=environment, check=False)  # noqa: S603  # as above
    if done.returncode == EXIT_USAGE:
        say("Not all is deployed, for the reason above. Put it right and run `winnow deploy`; this goes on meanwhile.")
    elif done.returncode:
        raise EnvironmentFailedError("the deployments were not made", fix="See what was said above.")


def _watch(programs: dict[str, subprocess.Popen[bytes]], logs: Path) -> None:
    """Waits until one of them ends by itself, or a signal comes."""
    while True:
        for name, program in programs.items():
            if program.poll() is not None:
                raise EnvironmentFailedError(
                    f"the {name} ended by itself with exit code {program.returncode}", where=f"{logs}/{name}.log"
                )
        time.sleep(0.5)
