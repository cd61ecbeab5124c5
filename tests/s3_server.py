"""A real S3 server for tests: SeaweedFS, one program, on this machine only.

Belongs here: starting it, killing it, starting it again over the same data, and the buckets of tests. Does not belong
here: what is tested, or a server that fails on purpose (s3_proxy).
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import botocore.config
import botocore.session

KEY, SECRET = "test-key", "test-secret-5bd1"  # of a server that only this test can reach
#: botocore makes its classes while it runs.
Client: TypeAlias = Any

#: Each of its ports has one for gRPC so far above it.
_GRPC = 10_000
_NAMES = ("master", "volume", "filer", "s3", "admin")


@dataclass
class S3Server:
    """A server over a folder."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['s3']}"

    def start(self) -> None:
        """Starts it and waits until it answers; where others took its ports meanwhile, on new ones the first time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = not self.ports
        for _ in range(3):
            self.ports = _free_ports() if fresh else self.ports
            self._launch()
            if self._answers():
                return
            self.kill()
        message = f"the S3 server did not start:\n{(self.folder / 'log').read_text(errors='replace')[-2000:]}"
        raise RuntimeError(message)

    def _launch(self) -> None:
        weed = Path(sys.executable).with_name("weed")
        ports = [f"-{name}.port={port}" for name, port in self.ports.items()]
        off = ["-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [weed, "mini", f"-dir={self.folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *ports, *off,
                 "-volume.max=200"],
                env=os.environ | {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def _answers(self) -> bool:
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process and self.process.poll() is None:
            with contextlib.suppress(Exception):
                self.client().list_buckets()
                return True
            time.sleep(0.1)
        return False

    def kill(self) -> None:
        """Ends it as a power cut does to a process: it can't tidy anything."""
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def client(self, url: str | None = None) -> Client:
        """A client of its own for the tests, so that they don't see through the code under test."""
        config = botocore.config.Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
        return botocore.session.get_session().create_client(
            "s3", region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET,
            endpoint_url=url or self.url, config=config,
        )  # fmt: skip

    def new_bucket(self) -> str:
        """The name of a bucket that is empty and nobody else's."""
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name

    def environment(self, url: str | None = None) -> dict[str, str]:
        """What Winnow is told to reach it."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "WINNOW_S3_ENDPOINT": url or self.url,
            "WINNOW_SCRATCH": str(self.folder.with_name(f"{self.folder.name}-scratch")),
        }

    def close(self) -> None:
        """Ends it and removes what it stored."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_ports() -> dict[str, int]:
    """A port for each name that is free with its second one; below those that the system gives away by itself."""
    found: dict[str, int] = {}
    while len(found) < len(_NAMES):
        port = random.randrange(12_000, 22_000)
        try:
            for each in (port, port + _GRPC):
                socket.create_server(("127.0.0.1", each)).close()
        except OSError:
            continue
        if port not in found.values():
            found[_NAMES[len(found)]] = port
    return found


def put_tree(client: Client, bucket: str, prefix: str, folder: Path) -> None:
    """Puts all files below a folder into a bucket."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            client.put_object(
                Bucket=bucket, Key=f"{prefix}{path.relative_to(folder).as_posix()}", Body=path.read_bytes()
            )


def keys_in(client: Client, bucket: str, prefix: str = "") -> list[str]:
    """All keys of a bucket."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [each["Key"] for page in pages for each in page.get("Contents", ())]


def uploads_in(client: Client, bucket: str) -> list[str]:
    """Keys of the uploads that were begun and not ended."""
    return sorted(each["Key"] for each in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ()))
