"""Access: how an S3 server is reached, and as whom; the one place that knows secrets.

Belongs here: settings and credentials, and the client and the options for polars that follow from them. Does not
belong here: how the client sends (client), or what is asked of the server (bucket).

Keys come from a Prefect block if WINNOW_S3_CREDENTIALS_BLOCK names one, else from where every S3 tool looks: the
environment (AWS_ACCESS_KEY_ID and its like), a profile, the machine's role. They are never part of a job, which travels
through Prefect, and nothing here shows them.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import functools
import os
import urllib.parse
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import fsspec.asyn
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError

from schemas.errors import SettingsError, shown
from tasks.store.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable

#: Where nothing says otherwise. Servers other than AWS take any.
_REGION = "us-east-1"


@dataclass(frozen=True)
class Keys:
    """Credentials; the secret ones are in no representation."""

    key_id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class _Wanted:
    """All that the environment says about S3; a client is made anew when it says something else."""

    process: int
    """A client's connections must not be shared with a child that was forked."""
    endpoint: str | None
    region: str
    profile: str | None
    block: str | None
    keys: Keys | None = field(repr=False)

    @classmethod
    def now(cls) -> _Wanted:
        key_id, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
        token = os.environ.get("AWS_SESSION_TOKEN") or None
        return cls(
            process=os.getpid(),
            endpoint=_first("WINNOW_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
            region=_first("WINNOW_S3_REGION", "AWS_REGION", "AWS_DEFAULT_REGION") or "",
            profile=_first("WINNOW_S3_PROFILE", "AWS_PROFILE"),
            block=_first("WINNOW_S3_CREDENTIALS_BLOCK"),
            keys=Keys(key_id, secret, token) if key_id and secret else None,
        )


def _first(*names: str) -> str | None:
    return next(filter(None, map(os.environ.get, names)), None)


#: Loads the keys of a Prefect block by its name. The orchestrator is unknown here, so flows put it here.
_loaders: list[Callable[[str], Keys]] = []


def load_blocks_with(loader: Callable[[str], Keys]) -> None:
    """Says how a Prefect block is loaded, which is not done before one is needed."""
    _loaders[:] = [loader]


class Access:
    """A connection to an S3 server, of the process that asks for it."""

    def __init__(self, wanted: _Wanted) -> None:
        """Finds the credentials and makes the client; nothing is asked of the server yet.

        Raises:
            SettingsError: there are no credentials, or a setting is wrong.
        """
        self._wanted = wanted
        try:
            session = AioSession(profile=wanted.profile)
            # botocore's own parser takes most of the time that a list of ten thousand objects needs.
            session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
            keys = _of_block(wanted.block) if wanted.block else wanted.keys
            if keys:
                session.set_credentials(keys.key_id, keys.secret, keys.token)
            self._credentials = fsspec.asyn.sync(fsspec.asyn.get_loop(), session.get_credentials)
            region = wanted.region or session.get_config_variable("region") or _REGION
            self._client = Client(session, endpoint=wanted.endpoint, region=region)
        except (BotoCoreError, ValueError) as error:
            fix = "Check WINNOW_S3_ENDPOINT, WINNOW_S3_REGION and WINNOW_S3_PROFILE, and what stands in ~/.aws."
            raise SettingsError(f"S3 can't be used so: {shown(error)}", fix=fix) from None
        if self._credentials is None:
            raise SettingsError(
                "there are no credentials for S3",
                expected="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile",
                fix="Set them, or WINNOW_S3_PROFILE, or WINNOW_S3_CREDENTIALS_BLOCK to the name of a Prefect block.",
            )
        self.endpoint = self._client.endpoint

    @property
    def client(self) -> Client:
        """The client of this process: in a child that was forked, one of its own."""
        return self._here()._client

    @property
    def storage_options(self) -> dict[str, Any]:
        """What polars is told; with the credentials of this moment, since those of a role run out."""
        frozen = fsspec.asyn.sync(fsspec.asyn.get_loop(), self._here()._credentials.get_frozen_credentials)
        options: dict[str, Any] = {
            "aws_access_key_id": frozen.access_key,
            "aws_secret_access_key": frozen.secret_key,
            "aws_region": self._client.region,
            "max_retries": 8,
        }
        if frozen.token:
            options["aws_session_token"] = frozen.token
        host = urllib.parse.urlsplit(self.endpoint)
        if not (host.hostname or "").endswith(".amazonaws.com"):
            options |= {"aws_endpoint_url": self.endpoint, "aws_virtual_hosted_style_request": "false"}
            options["aws_allow_http"] = "true" if host.scheme == "http" else "false"
        return options

    def _here(self) -> Access:
        """The same connection, made anew if this process is not the one that made it.

        What is the parent's stays as it is: its event loop runs on there, and closing it here would disturb it.
        """
        process = os.getpid()
        return self if process == self._wanted.process else _made(replace(self._wanted, process=process))


def _moment(told: str) -> dt.datetime:
    """A time as S3 writes it: in a header as mail has it, in a body as ISO 8601 has it.

    Example:
        >>> _moment("Wed, 25 Nov 2026 12:46:24 GMT") == _moment("2026-11-25T12:46:24.000Z")
        True
    """
    try:
        return dt.datetime.fromisoformat(told)
    except ValueError:
        return email.utils.parsedate_to_datetime(told)


def access() -> Access:
    """The connection that the environment describes; made once.

    Raises:
        SettingsError: there are no credentials, or a setting is wrong.
    """
    return _made(_Wanted.now())


@functools.lru_cache(maxsize=8)
def _made(wanted: _Wanted) -> Access:
    return Access(wanted)


def _of_block(name: str) -> Keys:
    if not _loaders:
        raise SettingsError(
            f"the Prefect block {shown(name)} can't be loaded here",
            expected="a run by `winnow`, which knows Prefect",
            fix="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or WINNOW_S3_PROFILE, where no flow runs.",
        )
    return _loaders[0](name)
