"""Server: Prefect's, to which runs report and whose UI shows them.

Belongs here: finding out whether it answers, and starting one for people to look at. Does not belong here: Prefect's
settings before its import (settings), or what a run reports (tasks).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING

from schemas.errors import EnvironmentFailedError, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOST = "127.0.0.1"


def check_server() -> None:
    """Sees that the server answers: the one that PREFECT_API_URL names, else the embedded one, which is started.

    Raises:
        EnvironmentFailedError: it does not, or it is of another major version, or it refuses the credentials.
    """
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    try:
        with _deaf_to_interrupts(), get_client(sync_client=True) as client:
            client.raise_for_api_version_mismatch()
    except Exception as error:  # Prefect raises RuntimeError, and whatever its HTTP client or database raises
        raise EnvironmentFailedError(
            f"Prefect's server does not answer: {shown(error)}",
            where=f"PREFECT_API_URL={url}" if url else "the server that Prefect starts by itself",
            fix="Start that server, or unset PREFECT_API_URL to use one that lives as long as the run."
            if url
            else "See that PREFECT_HOME can be written, or name a running server in PREFECT_API_URL.",
        ) from error


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """What is started meanwhile never hears Ctrl-C, and this process hears it afterwards.

    A terminal sends it to every process: an embedded server that stopped at once could not be told that the run was
    interrupted, and the run would ask it for a minute.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def become_server(port: int) -> None:
    """Turns this process into a server on this machine only; does not return."""
    # Else its UI would ask another one: that of PREFECT_API_URL, or whatever has the usual port.
    os.environ["PREFECT_UI_API_URL"] = f"http://{_HOST}:{port}/api"
    sys.stdout.flush()  # what was said before would be lost with this program
    arguments = ["-m", "prefect", "server", "start", "--host", _HOST, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606  # our own interpreter, fixed words
