"""Holder: who holds a lease, and whether that process is still there.

Belongs here: telling processes of this machine apart, also after one ended and another got its number. Does not belong
here: leases themselves (locks, s3_lease).
"""

from __future__ import annotations

import datetime as dt
import os
import socket
from pathlib import Path

import msgspec

from schemas.errors import shown

_PROC = Path("/proc")


class Holder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who holds a lease."""

    run_id: str
    process: int
    host: str
    since: str
    """UTC, ISO 8601, by the holder's clock; for people only."""
    machine: str | None = None
    """The running system in which `process` is a number; None where it can't be told."""
    born: str | None = None
    """When the process began, as its system counts; None where it can't be told."""

    @classmethod
    def this(cls, run_id: str) -> Holder:
        """This process."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        process = os.getpid()
        return cls(run_id, process, socket.gethostname(), now, _machine(), _born(process))

    @property
    def is_gone(self) -> bool:
        """Whether the process was on this machine and has ended; False where that can't be told."""
        if self.machine is None or self.born is None or self.machine != _machine():
            return False
        return _born(self.process) != self.born

    def told(self) -> str:
        """Which run it is, for a message."""
        where = f"process {self.process} on {shown(self.host)}"
        return f"run {shown(self.run_id)} ({where}) is cleaning this partition since {shown(self.since)}"


def _machine() -> str | None:
    """The system since it was started, and the container in it: numbers of processes mean something only there."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return None


def _born(process: int) -> str | None:
    """When a process began; None when there is none, or it has ended and only waits to be asked how."""
    try:
        # The name of the program stands in brackets and may hold anything.
        state, *fields = (_PROC / str(process) / "stat").read_text(encoding="latin-1").rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else fields[18]
