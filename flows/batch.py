"""Batch: several small partitions cleaned in one process and published as one version.

Belongs here: the order of the stages over a batch, and the process that cleans one batch after another for a backfill.
Does not belong here: Prefect, which takes seconds to import (backfill), or which partitions are cleaned.

What costs the same for each partition however small it is, is paid once for a batch: the commit, whose manifest names
all partitions of the data set, and what is flushed to the disk for it. Whatever was ready when a batch is interrupted
is published; a partition that was killed half-way is cleaned again by the next run.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import EXIT_ENVIRONMENT, WinnowError, shown
from tasks.job import Job, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from schemas.dataset import Dataset
    from tasks.publish.stage import Prepared
    from tasks.store.home import Store


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of one partition of a batch."""

    partition: str
    outcome: Outcome | None = None
    error: str | None = None
    """Stable name of the error, where there is no outcome."""
    message: str = ""
    exit_code: int = 0
    seconds: dict[str, float] = {}
    """What each stage took."""


def clean_batch(jobs: Sequence[Job], *, reports: bool = True) -> tuple[Told, ...]:
    """Cleans partitions of one data set under one run, one after another, and publishes them as one version.

    One that fails keeps none of the others from being published. The leases are held until the version is there.

    Args:
        jobs: their jobs, in their order.
        reports: whether each published one gets its report in the store.
    """
    batch = _Batch(jobs, reports=reports)
    try:
        for job in jobs:
            batch.clean(job)
    finally:
        batch.publish()
    return tuple(batch.told[job.partition] for job in jobs)


class _Batch:
    """What has come of a batch so far."""

    def __init__(self, jobs: Sequence[Job], *, reports: bool) -> None:
        self.store: Store = jobs[0].open_store()
        self.dataset: Dataset = jobs[0].load()
        self.reports = reports
        self.ready: dict[str, Prepared] = {}
        self.told: dict[str, Told] = {}
        self.seconds: dict[str, dict[str, float]] = {}
        self.leases = contextlib.ExitStack()

    def clean(self, job: Job) -> None:
        """Brings one partition to the point at which it can be published."""
        from tasks.dedupe.stage import settle
        from tasks.ingest.stage import stage_partition
        from tasks.publish.stage import held, prepare, unchanged
        from tasks.store.lease import lease
        from tasks.store.staging import staging

        with self._failing(job), contextlib.ExitStack() as stack:
            stack.enter_context(lease(self.store, job.dataset, job.partition, job.run_id))
            # Also where nothing is to be done: a run that was killed may have left something.
            stack.enter_context(staging(self.store, job.dataset, job.partition))
            with self._timed(job, "compare"):
                known = unchanged(job, self.store, self.dataset) or held(job, self.store, self.dataset)
            if known:
                self._tell(job, known)
                return
            with self._timed(job, "ingest"):
                staged = stage_partition(job, self.store, self.dataset)
            with self._timed(job, "settle"):
                settled = settle(job, self.store, self.dataset, staged)
            with self._timed(job, "balance"):
                beside = {name: each.entry for name, each in self.ready.items()}
                self.ready[job.partition] = prepare(job, self.store, self.dataset, staged, settled, beside=beside)
            # From here on the lease, and the files under their final names, are all that is needed.
            self.leases.push(stack.pop_all())

    def publish(self) -> None:
        """Publishes whatever is ready, and gives the leases back."""
        from tasks.publish.stage import publish_all
        from tasks.store.failures import forget_failures

        ready = list(self.ready.values())
        try:
            if not ready:
                return
            began = time.perf_counter()
            outcomes = publish_all(self.store, self.dataset, ready)
            forget_failures(self.store, self.dataset.name, list(self.ready))
            share = (time.perf_counter() - began) / len(ready)
            for each, outcome in zip(ready, outcomes, strict=True):
                self.seconds[each.job.partition]["commit"] = share
                self._tell(each.job, outcome)
        except WinnowError as error:
            for each in ready:
                self._fail(each.job, error)
        finally:
            self.leases.close()
        self._report([each.job for each in ready])

    def _report(self, jobs: Sequence[Job]) -> None:
        from tasks.report.stage import run_report, version_and_parent

        published = [job for job in jobs if (found := self.told[job.partition].outcome) and found.published]
        if not (self.reports and published):
            return
        version = max(self._outcome(job).version or 0 for job in published)
        versions = version_and_parent(self.store, self.dataset.name, version)
        for job in published:
            with self._failing(job), self._timed(job, "report"):
                run_report(job, self.store, self.dataset, self._outcome(job), versions)
            self._tell(job, self._outcome(job))

    def _outcome(self, job: Job) -> Outcome:
        outcome = self.told[job.partition].outcome
        assert outcome is not None  # noqa: S101  # for the type checker: asked of published ones only
        return outcome

    @contextlib.contextmanager
    def _failing(self, job: Job) -> Iterator[None]:
        import polars as pl

        try:
            yield
        except WinnowError as error:
            self._fail(job, error)
        # A defect met in one partition must not cost the others their backfill; a panic of polars is no Exception.
        except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001
            self._fail(job, error)

    def _fail(self, job: Job, error: BaseException) -> None:
        from tasks.audit.ledger import remember_failure

        remember_failure(job, self.store, error)
        if isinstance(error, WinnowError):
            self.told[job.partition] = Told(job.partition, None, error.kind, str(error), error.exit_code)
        else:
            told = f"a defect in Winnow: {shown(str(error))}"
            self.told[job.partition] = Told(job.partition, None, type(error).__name__, told, EXIT_ENVIRONMENT)

    def _tell(self, job: Job, outcome: Outcome) -> None:
        self.told[job.partition] = Told(job.partition, outcome, seconds=self.seconds.get(job.partition, {}))

    @contextlib.contextmanager
    def _timed(self, job: Job, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds.setdefault(job.partition, {})[stage] = time.perf_counter() - began


# --- the process ------------------------------------------------------------------------------------------------------


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One batch, as it is asked for on one line of standard input."""

    jobs: tuple[Job, ...]
    reports: bool = True


def main() -> None:
    """Cleans the batches that standard input names, one a line, and answers with one line for each."""
    lines = _Lines()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever else is printed is no answer
    try:
        for line in lines:
            request = msgspec.json.decode(line, type=Request)
            told = clean_batch(request.jobs, reports=request.reports)
            answers.write(f"{msgspec.json.encode(told).decode()}\n")
            answers.flush()
    except KeyboardInterrupt:
        # Python would wait for the thread that reads lines, which waits for whoever told us to stop.
        os._exit(EXIT_ENVIRONMENT)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Stops what is under way once; its staging is cleared and what is ready is published, undisturbed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


class _Lines:
    """Lines of standard input, read by a thread that ends the process when the other side is gone."""

    def __init__(self) -> None:
        import queue

        self._found: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            self._found.put(line)
        # Whoever asked was killed, or is done. What is half done is what a kill leaves, and so is its cure.
        os._exit(0)

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield self._found.get()


if __name__ == "__main__":
    main()
