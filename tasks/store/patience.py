"""Patience: what is worth trying again, and for how long.

Belongs here: telling a failure that passes from one that stays, and waiting. Does not belong here: what a person is
told in the end (s3_faults).

A request that failed may have been carried out all the same, only its answer was lost. Whoever calls with something
that is not the same when done twice is told how often it was tried before.
"""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING, TypeVar

import botocore.exceptions as aws
from botocore.exceptions import ClientError

from schemas.errors import SettingsError, shown

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: Seconds for which a failing request is tried again, unless WINNOW_S3_PATIENCE says otherwise.
_SECONDS = 60.0
#: Seconds of the first wait, doubled after each failure, and at most; each is cut by chance, so that many clients
#: that were turned away together don't come back together.
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0

#: Codes of answers that pass. 409 is another conditional request that is under way on the same key.
_PASSING = ("SlowDown", "RequestTimeout", "ConditionalRequestConflict", "OperationAborted", "InternalError")
#: No answer, or half of one.
_LOST = (
    aws.ConnectionError,
    aws.HTTPClientError,
    aws.IncompleteReadError,
    aws.ResponseStreamingError,
    ConnectionError,
    TimeoutError,
)
_SERVER_ERROR, _TOO_MANY = 500, 429
#: Not carried out and won't be.
_NEVER = (501, 505, 507)


def seconds() -> float:
    """How long a failing request is tried again.

    Raises:
        SettingsError: WINNOW_S3_PATIENCE is no number of seconds.
    """
    text = os.environ.get("WINNOW_S3_PATIENCE") or str(_SECONDS)
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise SettingsError(f"WINNOW_S3_PATIENCE is {shown(text)}", expected="a number of seconds", fix="Set it so.")
    return found


def passes(error: Exception) -> bool:
    """Whether a failure is of a kind that passes: no connection, a lost answer, a server in trouble or in haste."""
    if isinstance(error, ClientError):
        number = status(error)
        return code(error) in _PASSING or (number >= _SERVER_ERROR and number not in _NEVER) or number == _TOO_MANY
    return isinstance(error, _LOST) and not isinstance(error, aws.SSLError)


def patiently(action: Callable[[int], T]) -> T:
    """Tries until it is done, a failure stays, or patience is over; then the last failure is raised.

    Args:
        action: called with how often it failed before.

    Example:
        >>> patiently(lambda failures: "done")
        'done'
    """
    end = time.monotonic() + seconds()
    failures = 0
    while True:
        try:
            return action(failures)
        except Exception as error:
            if not passes(error):
                raise
            wait = random.uniform(0, min(_FIRST_WAIT * 2**failures, _LONGEST_WAIT))  # noqa: S311  # no secret
            if time.monotonic() + wait >= end:
                raise
        failures += 1
        time.sleep(wait)


def status(error: ClientError) -> int:
    """The HTTP status of an answer; the class of an error and its text differ from server to server."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code(error: ClientError) -> str:
    """What the server calls it."""
    return str(error.response.get("Error", {}).get("Code", ""))
