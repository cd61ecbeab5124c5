"""Measured: what running something costs, and running it in a process of its own.

Belongs here: starting processes, and the records in which they tell. Does not belong here: what runs in them (child,
cases). Nothing large is imported: a process that is started counts its parent's memory as its own until it is greater.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
#: Seconds after which a case is given up; the longest, a hundred million rows, takes a fraction of it.
_PATIENCE = 3600.0


class Spent(msgspec.Struct, frozen=True):
    """Time that something took."""

    seconds: float
    """Of a clock on the wall."""
    cpu_seconds: float
    """Of all cores together."""

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.seconds + other.seconds, self.cpu_seconds + other.cpu_seconds)

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.seconds - other.seconds, self.cpu_seconds - other.cpu_seconds)


NO_TIME = Spent(0.0, 0.0)


class Stretch(msgspec.Struct, frozen=True):
    """Time that a stretch of work took, and how much of it was not polars'."""

    whole: Spent
    outside: Spent

    def __add__(self, other: Stretch) -> Stretch:
        return Stretch(self.whole + other.whole, self.outside + other.outside)


class Parts(msgspec.Struct, frozen=True):
    """What a case tells of itself."""

    stretches: dict[str, Stretch] = {}
    """Parts of its work, by name."""
    answer: str = ""
    """What it found, if anything."""
    rows: int | None = None
    """Rows that it keeps as good, if it keeps any."""


class Measured(msgspec.Struct, frozen=True):
    """What running something cost."""

    spent: Spent
    peak_mib: float
    """Most memory that the process ever had, with Python and what it imported."""
    parts: Parts = Parts()
    about: str = ""
    """What its docstring says further."""
    output_mib: float = 0.0
    """Of all files that it wrote as its result."""


class CaseError(Exception):
    """A case failed; the message says how."""


def measure(case: str, folder: Path, *arguments: str) -> Measured:
    """Runs a case and removes what it wrote; the time is its work's, without starting Python and importing.

    Raises:
        CaseError: it failed, was killed, or took longer than anyone waits; what it logged is on stderr.
    """
    command = [sys.executable, "-m", "tests.benchmarks.child", case, str(folder), *arguments]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment_of(folder), check=True, capture_output=True, text=True, timeout=_PATIENCE
        )
        measured = msgspec.json.decode(done.stdout.splitlines()[-1], type=Measured)
        return msgspec.structs.replace(measured, output_mib=_size(folder / "out") / 2**20)
    except subprocess.TimeoutExpired:
        raise CaseError(f"took longer than {_PATIENCE / 60:.0f} minutes") from None
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.stderr)
        said = error.stderr.strip().splitlines()
        raise CaseError(said[-1] if said and error.returncode > 0 else f"ended by signal {-error.returncode}") from None
    finally:
        for left in ("out", "spill"):
            shutil.rmtree(folder / left, ignore_errors=True)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure_command(folder: Path, *arguments: str, store: str | None = None) -> Measured:
    """Runs a command of `winnow` from its start to its end, as a person does.

    Args:
        folder: it is run in.
        arguments: of the command.
        store: another one than the demo's.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [sys.executable, "-m", "flows.cli", *arguments]
    began = time.perf_counter()
    environment = environment_of(folder) | ({"WINNOW_STORE": store} if store else {})
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as running:
        # Its own usage, and not that of all children so far, comes only with wait4.
        _, status, usage = os.wait4(running.pid, 0)
        seconds = time.perf_counter() - began
        running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)
    return Measured(Spent(seconds, usage.ru_utime + usage.ru_stime), usage.ru_maxrss / 1024)


def environment_of(folder: Path) -> dict[str, str]:
    """The caller's environment, with none of its settings of Winnow and Prefect but those that lead into the folder.

    WINNOW_BENCH_PREFECT names a server that a benchmark has started, to which runs report.

    Nothing that runs here tells anyone that it did.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WINNOW_", "PREFECT_"))}
    if server := os.environ.get("WINNOW_BENCH_PREFECT"):
        kept["PREFECT_API_URL"] = server
    return kept | {
        "WINNOW_STORE": str(folder / "demo" / "store"),
        "WINNOW_RAW": str(folder / "demo" / "raw"),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "GX_ANALYTICS_ENABLED": "false",
    }
