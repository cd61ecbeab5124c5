"""Workers: processes that clean batches for a backfill, so that partitions are cleaned on all cores.

Belongs here: starting them, handing batches to whichever is free, and ending them. Does not belong here: what they do
(batch), or what is in a batch (backfill).

A worker imports no Prefect. It ends with whoever started it, however that ends.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING

import msgspec

from flows.batch import Request, Told
from schemas.errors import EnvironmentFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from tasks.job import Job

#: Seconds in which a worker that is told to stop has cleared what it staged.
_PATIENCE = 20.0


class Workers:
    """At most so many processes, started when they are first needed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._free: queue.LifoQueue[subprocess.Popen[bytes] | None] = queue.LifoQueue()
        for _ in range(most):
            self._free.put(None)
        self._all: list[subprocess.Popen[bytes]] = []
        self._starting, self._closed = threading.Lock(), False

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def clean(self, jobs: Sequence[Job], *, reports: bool = True) -> tuple[Told, ...]:
        """Has a batch cleaned by the next worker that is free.

        Raises:
            EnvironmentFailedError: it was killed meanwhile.
        """
        worker = self._free.get()
        try:
            worker = worker or self._started()
            told = _asked(worker, Request(tuple(jobs), reports=reports))
        except BaseException:
            self._free.put(None)  # another one is started in its place
            raise
        self._free.put(worker)
        return told

    def close(self) -> None:
        """Tells all workers to stop, and waits until they have cleared what they staged."""
        with self._starting:
            self._closed = True
        for worker in self._all:
            with contextlib.suppress(ProcessLookupError):
                worker.send_signal(signal.SIGTERM)
        for worker in self._all:
            try:
                worker.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
            for stream in (worker.stdin, worker.stdout):
                with contextlib.suppress(OSError):
                    _there(stream).close()

    def _started(self) -> subprocess.Popen[bytes]:
        # Each with its share of the cores: more threads than cores would only wait for each other.
        threads = str(max(1, (os.cpu_count() or 1) // self._most))
        environment = {"POLARS_MAX_THREADS": threads, **os.environ}
        with self._starting:
            if self._closed:
                raise EnvironmentFailedError("the backfill was stopped", fix="Run the same command again to finish.")
            worker = subprocess.Popen(
                [sys.executable, "-m", "flows.batch"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            self._all.append(worker)
        return worker


def _asked(worker: subprocess.Popen[bytes], request: Request) -> tuple[Told, ...]:
    line = b""
    with contextlib.suppress(BrokenPipeError):
        _there(worker.stdin).write(msgspec.json.encode(request) + b"\n")
        _there(worker.stdin).flush()
        line = _there(worker.stdout).readline()
    if not line:
        first, last = request.jobs[0], request.jobs[-1]
        raise EnvironmentFailedError(
            f"the process that cleaned it ended (exit code {worker.wait()})",
            where=f"{first.dataset} {first.partition} to {last.partition}",
            fix="See that there is memory enough (--at-once 1 needs less), then run the same command again.",
        )
    return msgspec.json.decode(line, type=tuple[Told, ...])


def _there(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # noqa: S101  # for the type checker: both are pipes
    return stream
