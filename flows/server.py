"""Server: Prefect's, to which runs report and whose UI shows them.

Belongs here: finding out whether it answers, and what a server must have before anybody but this machine may reach it.
Does not belong here: starting one with its worker (station), Prefect's settings before its import (settings), or what a
run reports (tasks).
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import signal
from typing import TYPE_CHECKING

from schemas.errors import EnvironmentFailedError, UsageError, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: What Prefect reads: whom the server lets in, and whether a browser's request must prove where it comes from.
AUTHENTICATION, CSRF = "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_SERVER_CSRF_PROTECTION_ENABLED"
#: What a client of the server reads.
CLIENT_AUTHENTICATION = "PREFECT_API_AUTH_STRING"
_TRUE = {"1", "true", "t", "yes", "y", "on"}
#: Characters that a password has at least.
_PASSWORD = 12


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


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server there.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0")
        (True, True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(host: str, environment: Mapping[str, str] = os.environ) -> None:
    """Sees that a server which others can reach lets nobody in without a password, and no page act for a person.

    Args:
        host: where it listens.
        environment: the settings that it is to have.

    Raises:
        UsageError: it would be open; the message says what to set.
    """
    if is_loopback(host):
        return
    user, colon, password = environment.get(AUTHENTICATION, "").partition(":")
    missing = []
    if not (user and colon and len(password) >= _PASSWORD):
        missing.append(f"{AUTHENTICATION}=USER:PASSWORD, with a password of {_PASSWORD} characters or more")
    if environment.get(CSRF, "").lower() not in _TRUE:
        missing.append(f"{CSRF}=true")
    if missing:
        raise UsageError(
            f"{shown(host)} can be reached from other machines, and the server would be open to them",
            expected="a server with authentication and protection against forged requests",
            fix=f"Set {' and '.join(missing)}; or leave --host away to serve this machine alone.",
        )
