"""Child: what runs in the process of one case.

Belongs here: taking the time of a case's work. Does not belong here: the work (cases), or starting the process
(measured).
"""

from __future__ import annotations

import inspect
import resource
import sys
import time
from pathlib import Path

import msgspec

from tests.benchmarks import across, audits, labelled, lift, nearness, operating, publishing
from tests.benchmarks.cases import CASES as CLEANING
from tests.benchmarks.measured import Measured, Spent

CASES = {
    **CLEANING,
    **publishing.CASES,
    **nearness.CASES,
    **operating.CASES,
    **labelled.CASES,
    **audits.CASES,
    **lift.CASES,
    **across.CASES,
}


def main(case: str, folder: str, *arguments: str) -> None:
    """Runs one case and prints, as the last line, what it cost."""
    work = CASES[case](Path(folder), *arguments)
    began = Spent(time.perf_counter(), time.process_time())
    parts = work()
    spent = Spent(time.perf_counter(), time.process_time()) - began
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    about = (inspect.getdoc(CASES[case]) or "").partition("\n\n")[2]
    measured = Measured(spent, peak_mib, parts, " ".join(about.split()))
    sys.stdout.write(f"\n{msgspec.json.encode(measured).decode()}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
