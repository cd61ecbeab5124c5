"""Crew: processes that try the files of a campaign, each in its own way to die.

Belongs here: handing out numbers, and telling which file a process crashed or hung on. Does not belong here: what a
file is tried for (trial).

A process that hangs cannot end itself from Python: what it waits for may hold the interpreter. So before each file it
has the system's clock set, which ends it (`faulthandler`), and the crew goes on with another one behind that file.
"""

from __future__ import annotations

import collections
import contextlib
import faulthandler
import logging
import multiprocessing
import os
import resource
import signal
import tempfile
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING

from tests.campaign.trial import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.context import SpawnProcess
    from typing import TextIO

    Trial = Callable[[int, Path], Outcome]

#: Seconds of the wall clock after which a file hangs. It takes a second of CPU at most, so the rest is for a machine
#: that does other things, too.
HANGS = 60.0
#: Files given to a process at once.
_BATCH = 25
#: What a process may reserve: one that a file makes ask for more fails in it, and the machine goes on.
_MOST_RESERVED = 16 << 30
_TIMEOUT = "Timeout ("


@dataclass
class _Worker:
    """A process, and the numbers that it has not told of yet."""

    process: SpawnProcess
    pipe: Connection
    log: Path
    waiting: collections.deque[int] = field(default_factory=collections.deque)


def tried_by_crew(trial: Trial, numbers: range, jobs: int, *, hangs: float = HANGS) -> Iterator[Outcome]:
    """Tries files, in no particular order.

    Args:
        trial: tries the file with a number; given a folder for whatever it writes. A function that can be pickled.
        numbers: of the files.
        jobs: how many processes.
        hangs: seconds after which a file hangs.

    Yields:
        One outcome for each number.
    """
    with tempfile.TemporaryDirectory(prefix="winnow-campaign-") as name, _environment(Path(name)):
        crew = _Crew(trial, Path(name), hangs)
        try:
            yield from crew.run(collections.deque(numbers), min(jobs, len(numbers)))
        finally:
            crew.dismiss()


@contextlib.contextmanager
def _environment(folder: Path) -> Iterator[None]:
    """What the processes of the crew find: one thread for polars, since small files gain nothing from more."""
    wanted = {"POLARS_MAX_THREADS": "1", "PREFECT_HOME": str(folder / "prefect")}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ |= wanted
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


class _Crew:
    """Workers and what is left to do."""

    def __init__(self, trial: Trial, folder: Path, hangs: float) -> None:
        self._trial, self._folder, self._hangs = trial, folder, hangs
        self._workers: list[_Worker] = []
        self._hired = 0

    def run(self, left: collections.deque[int], jobs: int) -> Iterator[Outcome]:
        """Outcomes as they come."""
        for _ in range(jobs):
            self._give(self._hire(), left)
        while busy := [worker for worker in self._workers if worker.waiting]:
            ready = set(wait([worker.pipe for worker in busy]))
            for worker in busy:
                if worker.pipe in ready:
                    yield self._heard(worker)
                    if worker not in self._workers:
                        replacement = self._hire()
                        replacement.waiting = worker.waiting
                        self._send(replacement)
                    elif not worker.waiting:
                        self._give(worker, left)

    def _hire(self) -> _Worker:
        ours, theirs = multiprocessing.Pipe()
        log = self._folder / f"{self._hired}.log"
        self._hired += 1
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_work, args=(theirs, self._trial, self._folder, log, self._hangs), daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(process, ours, log)
        self._workers.append(worker)
        return worker

    def _give(self, worker: _Worker, left: collections.deque[int]) -> None:
        worker.waiting.extend(left.popleft() for _ in range(min(_BATCH, len(left))))
        self._send(worker)

    def _send(self, worker: _Worker) -> None:
        # A process that died between two files is noticed when it is waited for.
        with contextlib.suppress(BrokenPipeError):
            worker.pipe.send(list(worker.waiting))

    def _heard(self, worker: _Worker) -> Outcome:
        try:
            outcome: Outcome = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            return self._buried(worker)
        worker.waiting.remove(outcome.number)
        return outcome

    def _buried(self, worker: _Worker) -> Outcome:
        """What is known of the file on which a process died."""
        worker.process.join()
        self._workers.remove(worker)
        number = worker.waiting.popleft()
        log = worker.log.read_text(errors="replace") if worker.log.exists() else ""
        code = worker.process.exitcode or 0
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        how = f"hang: more than {self._hangs:.0f} seconds" if _TIMEOUT in log else f"crash: {name}"
        return Outcome(number, "", "", "failed", f"{how}\n{log[-4000:]}")

    def dismiss(self) -> None:
        """Ends the processes."""
        for worker in self._workers:
            worker.pipe.close()
            worker.process.terminate()
            worker.process.join()


def _work(pipe: Connection, trial: Trial, folder: Path, log: Path, hangs: float) -> None:
    """What a process of the crew does: numbers come in, outcomes go out."""
    with log.open("w") as told:
        _confine(told)
        with contextlib.suppress(EOFError, BrokenPipeError):
            while True:
                for number in pipe.recv():
                    faulthandler.dump_traceback_later(hangs, exit=True, file=told)
                    outcome = trial(number, folder)
                    faulthandler.cancel_dump_traceback_later()
                    pipe.send(outcome)


def _confine(log: TextIO) -> None:
    """What polars says of its panics goes to the log, what a cleaning logs nowhere, and memory has an end."""
    logging.disable(logging.WARNING)
    os.dup2(log.fileno(), 2)
    faulthandler.enable(file=log)
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_RESERVED, resource.getrlimit(resource.RLIMIT_AS)[1]))
