"""Clock: how long a stretch of work takes, and how much of it polars works.

Belongs here: taking time. Does not belong here: what is timed (cases), or comparing it (figures).

How the share outside polars is measured: all that polars does with rows, reading CSV and writing Parquet among it, it
does inside `LazyFrame.collect` or `collect_all`; the eager methods end there, too. Both are replaced by the same
function between two looks at the clock, and a call within a call counts once. The rest of the time is outside: Python,
numpy, hashing, waiting for the disk to have what was written. What little polars does elsewhere (making a Series of an
array, casting one) counts as outside as well, so that the share is rather too great than too small.

CPU seconds are those of all threads of the process; polars' threads work only inside.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import msgspec
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
R = TypeVar("R")

#: Where Python enters polars' engine.
_ENTRANCES = ((pl.LazyFrame, "collect"), (pl, "collect_all"))


class Spent(msgspec.Struct, frozen=True):
    """Time that something took."""

    seconds: float
    cpu_seconds: float

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


class Clock:
    """Takes the time of named stretches, which may be nested, while `running`.

    Attributes:
        stretches: what was timed so far; times of the same name are added up.
    """

    def __init__(self) -> None:
        self.stretches: dict[str, Stretch] = {}
        self._inside = NO_TIME
        self._entered = NO_TIME
        self._depth = 0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Watches the entrances to polars while the block runs."""
        originals = [getattr(owner, name) for owner, name in _ENTRANCES]
        for (owner, name), original in zip(_ENTRANCES, originals, strict=True):
            setattr(owner, name, self._watched(original))
        try:
            yield
        finally:
            for (owner, name), original in zip(_ENTRANCES, originals, strict=True):
                setattr(owner, name, original)

    @contextlib.contextmanager
    def stretch(self, name: str) -> Iterator[None]:
        """Times the block."""
        began, inside = _now(), self._inside
        try:
            yield
        finally:
            whole = _now() - began
            found = Stretch(whole, whole - (self._inside - inside))
            before = self.stretches.get(name)
            self.stretches[name] = before + found if before else found

    def timed(self, name: str, function: Callable[P, R]) -> Callable[P, R]:
        """The same function, each call of it a stretch of this name."""

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            with self.stretch(name):
                return function(*args, **kwargs)

        return run

    def _watched(self, function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            self._enter()
            try:
                return function(*args, **kwargs)
            finally:
                self._leave()

        return run

    def _enter(self) -> None:
        # Of calls within calls, and of threads side by side, the time in which at least one is inside counts.
        with self._lock:
            if not self._depth:
                self._entered = _now()
            self._depth += 1

    def _leave(self) -> None:
        with self._lock:
            self._depth -= 1
            if not self._depth:
                self._inside += _now() - self._entered


def _now() -> Spent:
    return Spent(time.perf_counter(), time.process_time())
