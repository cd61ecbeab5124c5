"""Client: requests of S3 as plain calls, made by s3fs.

Belongs here: the file system of s3fs, set so that it does no more than it is asked, and its event loop. Does not belong
here: as whom (access), which requests (bucket), or trying again (patience).

Each call is one request, and its failure the one that happened: a request that something below repeats by itself would
be refused by what its own first attempt did, and nobody would know. s3fs repeats by default, and so do botocore and,
on connections that were used before, aiohttp.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import fsspec.asyn
import s3fs
from aiobotocore.httpsession import AIOHTTPSession
from botocore.exceptions import BotoCoreError, ClientError, ResponseStreamingError
from s3fs.core import S3_RETRYABLE_ERRORS

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

#: Seconds in which a connection must stand, and in which an answer must begin; what takes longer is tried again.
_CONNECT_SECONDS, _ANSWER_SECONDS = 10, 60
#: Connections at once: those of an upload, of a lease and of readers.
_CONNECTIONS = 16


class Client:
    """A connection to an S3 server; may be used by several threads, but not by a child that was forked.

    Attributes:
        endpoint: the server's address.
        region: the bucket's.
    """

    def __init__(self, session: Any, *, endpoint: str | None, region: str) -> None:  # noqa: ANN401  # has no types
        """Asks nothing of the server yet.

        Args:
            session: aiobotocore's; it has the credentials.
            endpoint: the server's address; None is AWS.
            region: the bucket's.

        Raises:
            BotoCoreError: a setting is wrong, or half of the credentials is missing.
            ValueError: the endpoint is no address.
        """
        self._files = s3fs.S3FileSystem(
            session=session,
            endpoint_url=endpoint,
            client_kwargs={"region_name": region},
            config_kwargs=_settings(own_endpoint=endpoint is not None),
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        self._files.retries = 1  # attempts, in all
        self._files.connect()
        self.endpoint: str = self._files.s3.meta.endpoint_url
        self.region: str = self._files.s3.meta.region_name

    def call(self, request: str, **asked: Any) -> dict[str, Any]:  # noqa: ANN401  # each request takes others
        """What the server answers to a request.

        Args:
            request: botocore's name for it: `put_object`.
            asked: what it takes.

        Raises:
            BotoCoreError: there is no whole answer.
            ClientError: the answer is an error.
        """
        with _as_it_happened():
            answer: dict[str, Any] = self._files.call_s3(request, **asked)
            return answer

    def fetch(self, **asked: Any) -> tuple[bytes, dict[str, Any]]:  # noqa: ANN401  # as call
        """The content of an object, whole, and what else the server says of it; raises as `call`."""

        async def fetched() -> tuple[bytes, dict[str, Any]]:
            answer = await self._files._call_s3("get_object", **asked)  # call_s3, for coroutines
            try:
                return await answer["Body"].read(), answer
            finally:
                answer["Body"].close()

        with _as_it_happened():
            found: tuple[bytes, dict[str, Any]] = fsspec.asyn.sync(self._files.loop, fetched)
            return found

    def stream(self, **asked: Any) -> Body:  # noqa: ANN401  # as call
        """The content of an object, to be read as it comes; raises as `call`."""
        return Body(self.call("get_object", **asked)["Body"], self._files.loop)


class Body:
    """What an answer brings, read as it comes."""

    def __init__(self, stream: Any, loop: asyncio.AbstractEventLoop) -> None:  # noqa: ANN401  # aiobotocore's
        self._stream, self._loop = stream, loop

    def read(self, most: int) -> bytes:
        """So many bytes, fewer only at its end; raises `BotoCoreError` when the connection breaks."""

        async def some() -> bytes:
            parts, missing = [], most
            while missing and (part := await self._stream.read(missing)):  # gives what is there
                parts.append(part)
                missing -= len(part)
            return b"".join(parts)

        with _as_it_happened():
            data: bytes = fsspec.asyn.sync(self._loop, some)
            return data

    def close(self) -> None:
        """Ends the request if it is under way, without waiting: what is thrown away is closed in any thread."""
        self._loop.call_soon_threadsafe(self._stream.close)


class _Once(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore has no types
    """Sends each request once.

    aiohttp sends GET, PUT and the like a second time when a connection that was kept open breaks. It has no setting
    for that but this attribute; tests/unit/tasks/store/test_client.py counts what arrives at a server.
    """

    async def _get_session(self, proxy_url: str | None) -> Any:  # noqa: ANN401  # aiohttp's
        session = await super()._get_session(proxy_url)
        session._retry_connection = False
        return session


def _settings(*, own_endpoint: bool) -> dict[str, Any]:
    return {
        "http_session_cls": _Once,
        "retries": {"mode": "standard", "total_max_attempts": 1},
        "connect_timeout": _CONNECT_SECONDS,
        "read_timeout": _ANSWER_SECONDS,
        "max_pool_connections": _CONNECTIONS,
        # Every body is signed, so that a server refuses one that was damaged on its way; further checksums are not
        # known to all of them.
        "s3": {"payload_signing_enabled": True, "addressing_style": "path" if own_endpoint else "auto"},
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }


@contextlib.contextmanager
def _as_it_happened() -> Iterator[None]:
    """Raises what s3fs turned into an error of the operating system as what it was, and what it lets through alike."""
    try:
        yield
    except OSError as error:
        if isinstance(error.__cause__, ClientError):
            raise error.__cause__ from None
        raise
    except BotoCoreError:
        raise
    except S3_RETRYABLE_ERRORS as error:  # of aiohttp: half an answer; of the parser: one that makes no sense
        raise ResponseStreamingError(error=error) from None
