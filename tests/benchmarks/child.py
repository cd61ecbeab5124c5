"""Child: one case in a fresh process, so that neither its memory nor its caches are another case's.

Belongs here: both ends of that process. Does not belong here: what is done in it (cases).

The time is that of the work alone, without starting Python and importing; the peak of memory is that of the whole
process. The environment is the caller's without any setting of Winnow or Prefect.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tests.benchmarks.cases import CASES, Parts

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]


class Measured(msgspec.Struct, frozen=True):
    """What running something cost."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    parts: Parts = Parts()


def environment(folder: Path) -> dict[str, str]:
    """The environment of what is measured: settings that lead into the folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WINNOW_", "PREFECT_"))}
    return kept | {
        "WINNOW_STORE": str(folder / "demo" / "store"),
        "WINNOW_RAW": str(folder / "demo" / "raw"),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }


def measure(case: str, folder: Path) -> Measured:
    """Runs a case in a process of its own.

    Raises:
        subprocess.CalledProcessError: it failed; what it said is on stderr.
    """
    command = [sys.executable, "-m", __spec__.name, case, str(folder)]
    told = subprocess.run(command, cwd=ROOT, env=environment(folder), check=True, stdout=subprocess.PIPE).stdout
    return msgspec.json.decode(told.splitlines()[-1], type=Measured)


def measure_command(arguments: Sequence[str], folder: Path) -> Measured:
    """Runs a command of `winnow` as a person does, from start to end.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [sys.executable, "-m", "flows.cli", *arguments]
    began = time.perf_counter()
    # Its own usage, and not that of all children, comes only with wait4.
    with subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=subprocess.DEVNULL) as running:
        _, status, usage = os.wait4(running.pid, 0)
        seconds = time.perf_counter() - began
        running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main(case: str, folder: str) -> None:
    """Runs one case and prints, as the last line, what it cost."""
    work = CASES[case](Path(folder))
    began, cpu_began = time.perf_counter(), time.process_time()
    parts = work()
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    measured = Measured(seconds, cpu_seconds, peak, parts)
    sys.stdout.write(f"\n{msgspec.json.encode(measured).decode()}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
