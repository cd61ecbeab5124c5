"""A proxy in front of an S3 server that fails on purpose, as networks and servers do.

Belongs here: errors, resets, slow and lost answers, by a rule that the test gives. Does not belong here: which requests
a test wants to fail.

The request's signature holds the address that the client knows, the proxy's; it is handed on with it.
"""

from __future__ import annotations

import enum
import http.client
import http.server
import socket
import struct
import threading
import time
import urllib.parse
from collections.abc import Callable

import botocore.auth
import botocore.awsrequest
import botocore.credentials

from tests.s3_server import KEY, SECRET


class Fault(enum.Enum):
    """What becomes of a request."""

    NONE = enum.auto()
    INTERNAL = enum.auto()
    """500, and the server never saw it."""
    BUSY = enum.auto()
    """503 SlowDown, and the server never saw it."""
    RESET = enum.auto()
    """The connection breaks, and the server never saw it."""
    SLOW = enum.auto()
    """It takes a while."""
    LOST = enum.auto()
    """The server does it, and the connection breaks before the answer."""
    LOST_500 = enum.auto()
    """The server does it, and the answer is 500."""
    CUT = enum.auto()
    """The answer breaks off half way."""
    UNCONDITIONAL = enum.auto()
    """The server knows no conditions: they are taken off before it sees them."""
    UNMATCHED = enum.auto()
    """The server knows no If-Match."""


Rule = Callable[[str, str, dict[str, str]], Fault]
_ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>on purpose</Message></Error>'
_SLOW_SECONDS = 0.3
_IGNORED = {Fault.UNCONDITIONAL: ("if-match", "if-none-match"), Fault.UNMATCHED: ("if-match",)}


class S3Proxy:
    """A proxy on a port of its own; `rule` is asked for every request: method, path with query, headers.

    Attributes:
        seen: method, path and fault of every request so far.
    """

    def __init__(self, upstream: str, rule: Rule = lambda *_: Fault.NONE) -> None:
        self.upstream, self.rule = urllib.parse.urlsplit(upstream), rule
        self.seen: list[tuple[str, str, Fault]] = []
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> S3Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    owner: S3Proxy
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if (self.headers.get("Transfer-Encoding") or "").lower() == "chunked":
            body = self._dechunked()
        headers = dict(self.headers.items())
        fault = self.owner.rule(self.command, self.path, headers)
        self.owner.seen.append((self.command, self.path, fault))
        if fault is Fault.RESET:
            return self._break()
        if fault in (Fault.INTERNAL, Fault.BUSY):
            return self._refuse(*((500, "InternalError") if fault is Fault.INTERNAL else (503, "SlowDown")))
        if fault is Fault.SLOW:
            time.sleep(_SLOW_SECONDS)
        if fault in _IGNORED:
            headers = self._without(headers, body, _IGNORED[fault])
        answer, data = self._forward(headers, body)
        if fault is Fault.LOST:
            return self._break()
        if fault is Fault.LOST_500:
            return self._refuse(500, "InternalError")
        self._answer(answer, data, cut=fault is Fault.CUT)
        return None

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815  # the names that http.server calls

    def _without(self, headers: dict[str, str], body: bytes, names: tuple[str, ...]) -> dict[str, str]:
        """The request without some headers, signed anew: a signature covers all of them."""
        url = f"{self.owner.url}{self.path}"
        kept = {name: value for name, value in headers.items() if name.lower() not in (*names, "authorization")}
        request = botocore.awsrequest.AWSRequest(self.command, url, kept, body)
        keys = botocore.credentials.Credentials(KEY, SECRET)
        botocore.auth.S3SigV4Auth(keys, "s3", "us-east-1").add_auth(request)
        return dict(request.headers.items())

    def _dechunked(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _forward(self, headers: dict[str, str], body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        upstream = self.owner.upstream
        connection = http.client.HTTPConnection(str(upstream.hostname), upstream.port, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if name.lower() not in ("connection", "transfer-encoding", "content-length", "expect"):
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def _answer(self, answer: http.client.HTTPResponse, data: bytes, *, cut: bool) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        if length is not None:
            self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.wfile.flush()
        if cut:
            self._break()

    def _refuse(self, status: int, code: str) -> None:
        data = b"" if self.command == "HEAD" else _ERROR.format(code=code).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _break(self) -> None:
        """Closes the connection with a reset and without a word."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.rfile.close()

    def finish(self) -> None:
        """Ends a connection, also one that was broken on purpose or by the client."""
        try:
            super().finish()
        except (OSError, ValueError):
            return
