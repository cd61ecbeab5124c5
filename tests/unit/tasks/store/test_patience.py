"""Patience: what passes is tried again for a while, and what stays is not."""

from __future__ import annotations

import time

import botocore.exceptions as aws
import pytest

from schemas.errors import SettingsError
from tasks.store.patience import passes, patiently, seconds


def answered(status: int, code: str = "") -> aws.ClientError:
    return aws.ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")


PASS = [
    answered(500, "InternalError"),
    answered(503, "SlowDown"),
    answered(502),
    answered(429),
    answered(400, "RequestTimeout"),
    answered(409, "ConditionalRequestConflict"),
    aws.EndpointConnectionError(endpoint_url="http://127.0.0.1"),
    aws.ReadTimeoutError(endpoint_url="http://127.0.0.1"),
    aws.ConnectionClosedError(endpoint_url="http://127.0.0.1"),
    aws.IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ConnectionResetError(),
]
STAY = [
    answered(403, "AccessDenied"),
    answered(404, "NoSuchBucket"),
    answered(412, "PreconditionFailed"),
    answered(501, "NotImplemented"),
    answered(507, "InsufficientStorage"),
    aws.SSLError(endpoint_url="https://127.0.0.1", error="certificate"),
    aws.NoCredentialsError(),
    ValueError(),
]


@pytest.fixture(autouse=True)
def awake(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time passes by waiting only."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(waits))
    return waits


@pytest.mark.parametrize("error", PASS, ids=repr)
def test_what_passes_is_tried_again_and_told_how_often_it_failed(error: Exception, awake: list[float]) -> None:
    told: list[int] = []

    def action(failures: int) -> str:
        told.append(failures)
        if failures < 4:
            raise error
        return "done"

    assert patiently(action) == "done"
    assert told == [0, 1, 2, 3, 4]
    assert len(awake) == 4
    assert len(set(awake)) == 4  # cut by chance


@pytest.mark.parametrize("error", STAY, ids=repr)
def test_what_stays_is_raised_at_once(error: Exception, awake: list[float]) -> None:
    def action(_failures: int) -> None:
        raise error

    assert not passes(error)
    with pytest.raises(type(error)):
        patiently(action)
    assert awake == []


def test_patience_has_an_end(awake: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    def action(_failures: int) -> None:
        raise ConnectionResetError

    monkeypatch.setenv("WINNOW_S3_PATIENCE", "100")
    with pytest.raises(ConnectionResetError):
        patiently(action)
    assert 90 < sum(awake) <= 100
    assert max(awake) <= 5
    awake.clear()
    monkeypatch.setenv("WINNOW_S3_PATIENCE", "0")
    with pytest.raises(ConnectionResetError):
        patiently(action)
    assert awake == []


@pytest.mark.parametrize("text", ["soon", "-1", "inf", "nan"])
def test_a_patience_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("WINNOW_S3_PATIENCE", text)
    with pytest.raises(SettingsError, match="expected a number of seconds"):
        seconds()
