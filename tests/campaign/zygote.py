"""Zygote: a process that has imported everything and gives birth to those that are killed.

Belongs here: starting a command in a fork, within milliseconds. Does not belong here: which commands, or killing.

Python needs more seconds to import the libraries than a command to run; a thousand kills would be an hour of imports.
The process that is forked has used none of the libraries and has one thread, so that its children are as new ones.

Each line on standard input is a request, answered by two lines: the child's process number, and how it ended.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import traceback
from pathlib import Path

import msgspec


class Request(msgspec.Struct, frozen=True):
    """What a child does: `clean` and jobs as `dataset@partition`, or a command of `winnow` with its arguments."""

    arguments: list[str]
    environment: dict[str, str]
    log: str
    """File that receives what it says."""


def run(arguments: list[str]) -> None:
    """The command, as the flows and the command line run it, without the orchestrator's seconds."""
    from flows.clean import PLAIN, clean
    from flows.cli import app
    from flows.settings import load_settings
    from schemas import registry
    from tasks.job import Job

    if arguments[0] != "clean":
        app(arguments)
        return
    settings = load_settings()
    for number, each in enumerate(arguments[1:]):
        dataset, partition = each.split("@")
        declaration = str(registry.locate(dataset, settings.folders))
        job = Job(dataset, partition, declaration, settings.raw_root, settings.store_root, run_id=f"run {number}")
        clean(job, PLAIN)


def _child(request: Request) -> None:
    """Runs in the fork and never returns."""
    code = 1
    try:
        log = os.open(request.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.environ.update(request.environment)
        run(request.arguments)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  # whatever it is, it is told, and the process ends
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(code)


def main() -> None:
    """Answers requests until there are none."""
    for name in ("pandera.polars", "flows.clean", "flows.cli", "tasks.store.s3", "tasks.publish.verify"):
        importlib.import_module(name)  # what a command imports in any case
    if threading.active_count() != 1:
        raise RuntimeError("a process with threads can't be forked safely")
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    answers.write("ready\n")
    for line in sys.stdin:
        request = msgspec.json.decode(line, type=Request)
        child = os.fork()
        if not child:
            _child(request)
        answers.write(f"{child}\n")
        answers.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")


class Zygote:
    """A zygote, from the outside; one child at a time."""

    def __init__(self, root: Path, log: Path) -> None:
        from subprocess import PIPE, Popen

        self._log = log
        self._process = Popen([sys.executable, "-m", __spec__.name], cwd=root, stdin=PIPE, stdout=PIPE, text=True)
        self._heard()

    def _heard(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def start(self, arguments: list[str], environment: dict[str, str]) -> int:
        """Starts a command; its process number."""
        assert self._process.stdin is not None
        request = Request(arguments, environment, str(self._log))
        self._process.stdin.write(msgspec.json.encode(request).decode() + "\n")
        self._process.stdin.flush()
        return int(self._heard())

    def wait(self) -> tuple[int, str]:
        """Waits for its end: its exit code, negative if it was killed, and the end of what it said."""
        return int(self._heard()), self._log.read_text(encoding="utf-8", errors="replace")[-2000:]

    def close(self) -> None:
        """Ends the zygote."""
        self._process.kill()
        self._process.communicate()


if __name__ == "__main__":
    main()
