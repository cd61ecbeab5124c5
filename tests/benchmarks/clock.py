"""Clock: how long a stretch of work takes, and how much of it polars works.

Belongs here: taking time. Does not belong here: what is timed (cases), or comparing it (figures).

How the share outside polars is measured: polars works on rows, reads CSV and writes Parquet behind four doors, through
which its eager methods go, too. While the clock runs, each is replaced by the same function between two looks at the
time; a call within a call counts once. The rest is outside: Python, numpy, hashing, waiting until the disk has what was
written. So is the little that polars does elsewhere (making a Series of an array, casting or sorting one), so that the
share outside is rather too great than too small. CPU seconds are those of all threads of the process.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import polars as pl

from tests.benchmarks.measured import NO_TIME, Spent, Stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
R = TypeVar("R")

#: Where Python enters polars' engine; the one with an underscore is where the eager methods do.
_DOORS = (
    (pl.LazyFrame, "collect"),
    (pl.LazyFrame, "_collect_eager"),
    (pl.LazyFrame, "sink_parquet"),
    (pl, "collect_all"),
)


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
        """Watches the doors of polars while the block runs."""
        with contextlib.ExitStack() as stack:
            for owner, name in _DOORS:
                stack.callback(setattr, owner, name, getattr(owner, name))
                setattr(owner, name, self._watched(getattr(owner, name)))
            yield

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
