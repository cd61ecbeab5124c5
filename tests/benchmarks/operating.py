"""Operating: what a year of nights costs by one command, and what a run costs beside the work that it does.

Belongs here: the cases and the tables about backfills and about the fixed cost of a run under Prefect. Does not belong
here: cleaning one dump (cases, groups).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from tests.benchmarks.figures import Figure, compared, figure
from tests.benchmarks.measured import NO_TIME, ROOT, Parts, Spent, Stretch, environment_of, measure, measure_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tasks.job import Job
    from tests.benchmarks.measured import Measured

    Work = Callable[[], Parts]
    Say = Callable[[str], None]

_NIGHTS, _AT_ONCE = 365, 2
#: Partitions of which each is a run of its own, after a first one that pays for what is done only once.
_RUNS = 10
_LIMIT = 3.0
_TIMES = 15
_STAGES = ("compare", "ingest", "settle", "balance", "commit", "report")


# --- cases: each in a process of its own ------------------------------------------------------------------------------


def nights(_folder: Path, count: str) -> Work:
    """Lays out so many nights of flights."""
    from pathlib import Path

    from flows.demo_dumps import lay_out
    from flows.settings import load_settings

    def work() -> Parts:
        return Parts(answer=str(len(lay_out(Path(load_settings().raw_root), nights=int(count)).files)))

    return work


def bare_nights(folder: Path) -> Work:
    """Reads each night's dump, filters it and writes Parquet with polars alone, night after night.

    It keeps no reasons, finds no duplicates, and loses what it can't read.
    """
    import polars as pl

    from flows.settings import load_settings
    from schemas import registry
    from tasks.ingest.listing import list_all_raw

    settings = load_settings()
    declared = registry.load("flights")
    dtypes = {each.name: pl.String() if each.dtype.is_temporal() else each.dtype for each in declared.columns}
    dumps = list_all_raw(settings.raw_root, declared.source.pattern)
    (folder / "out").mkdir(exist_ok=True)
    good = [
        *(pl.col(name).is_not_null() for name in ("year", "month", "day", "carrier", "flight", "origin", "dest")),
        pl.col("month").is_between(1, 12),
        pl.col("day").is_between(1, 31),
        pl.col("origin").is_in(["EWR", "JFK", "LGA"]),
        pl.col("distance").is_between(1, 6000),
        pl.col("dep_time").is_null() == pl.col("dep_delay").is_null(),
    ]

    def work() -> Parts:
        for partition, files in dumps.items():
            read = [
                pl.scan_csv(
                    f"{settings.raw_root}/{path}", schema_overrides=dtypes, null_values="NA", ignore_errors=True,
                    truncate_ragged_lines=True,
                )
                for path, _ in files
            ]  # fmt: skip
            pl.concat(read).filter(good).sink_parquet(folder / "out" / f"{partition}.parquet")
        return Parts()

    return work


def batched_nights(folder: Path) -> Work:
    """Cleans all nights in batches in this process, as each worker of a backfill does."""
    from flows.backfill import BATCH
    from flows.batch import clean_batch

    jobs = _jobs(folder)

    def work() -> Parts:
        spent = dict.fromkeys(_STAGES, 0.0)
        for at in range(0, len(jobs), BATCH):
            for told in clean_batch(jobs[at : at + BATCH]):
                _check(told.error)
                for stage, seconds in told.seconds.items():
                    spent[stage] += seconds
        # Of a stage of a batch only the clock on the wall is taken.
        return Parts({name: Stretch(Spent(seconds, 0.0), NO_TIME) for name, seconds in spent.items()})

    return work


def worked_nights(folder: Path) -> Work:
    """Cleans all nights with two workers, without Prefect; the workers' start is in it."""
    from concurrent.futures import ThreadPoolExecutor

    from flows.backfill import BATCH
    from flows.workers import Workers

    jobs = _jobs(folder)
    batches = [jobs[at : at + BATCH] for at in range(0, len(jobs), BATCH)]

    def work() -> Parts:
        with Workers(_AT_ONCE) as workers, ThreadPoolExecutor(_AT_ONCE) as threads:
            for batch in threads.map(workers.clean, batches):
                for told in batch:
                    _check(told.error)
        return Parts()

    return work


def _jobs(folder: Path) -> list[Job]:
    from flows.settings import load_settings
    from schemas import registry
    from tasks.ingest.listing import list_all_raw
    from tasks.job import Job

    settings, declaration = load_settings(), str(registry.locate("flights"))
    pattern = registry.load("flights").source.pattern
    return [
        Job("flights", name, declaration, settings.raw_root, f"{folder}/out/store", "benchmark", "backfill")
        for name in list_all_raw(settings.raw_root, pattern)
    ]


def _check(error: str | None) -> None:
    if error:
        message = f"a night was not cleaned: {error}"
        raise RuntimeError(message)


def direct_runs(folder: Path) -> Work:
    """Calls the stages of a cleaning for one partition after another."""
    from flows.clean import PLAIN, clean

    first, *others = _jobs(folder)[: _RUNS + 1]
    clean(first, PLAIN)

    def work() -> Parts:
        for job in others:
            clean(job, PLAIN)
        return Parts()

    return work


def flow_runs(folder: Path) -> Work:
    """Runs the flow `clean-partition` for one partition after another, each a flow run with its task runs."""
    os.environ["WINNOW_STORE"] = f"{folder}/out/store"
    from flows.clean import clean_partition

    first, *others = [job.partition for job in _jobs(folder)[: _RUNS + 1]]
    clean_partition("flights", first)

    def work() -> Parts:
        for partition in others:
            clean_partition("flights", partition)
        return Parts()

    return work


CASES = {case.__name__: case for case in (nights, bare_nights, batched_nights, worked_nights, direct_runs, flow_runs)}


# --- tables -----------------------------------------------------------------------------------------------------------


def backfill(folder: Path, _rows: int, runs: int, say: Say) -> list[Figure]:
    """A year of nights by one command, beside a bare loop, and where its time goes."""
    say(f"Laying out {_NIGHTS} nights")
    measure("nights", folder, str(_NIGHTS))
    group = f"{_NIGHTS} nights of flights, 32 MB of CSV in {_NIGHTS} dumps"
    found: dict[str, list[Measured]] = {name: [] for name in ("bare_nights", "batched_nights", "worked_nights")}
    commands = []
    with _server(folder, say):
        for run in range(min(runs, 3)):
            for case, measured in found.items():
                say(f"{case}, run {run + 1}")
                measured.append(measure(case, folder))
            say(f"winnow backfill, run {run + 1}")
            command = ("backfill", "flights", "--from", "2013-01-01", "--to", "2013-12-31", "--json")
            commands.append(measure_command(folder, *command, store=f"{folder}/out/store-{run}"))
    bare = figure(group, "bare polars loop: read, filter, write", found["bare_nights"])
    one = compared(figure(group, "one process, no Prefect", found["batched_nights"]), bare)
    stages = [
        compared(Figure(group, f"one process: {stage}", len(found["batched_nights"]), _seconds(found, stage)), bare)
        for stage in _STAGES
    ]
    two = compared(figure(group, f"{_AT_ONCE} workers, no Prefect", found["worked_nights"]), bare)
    whole = compared(figure(group, "winnow backfill, from start to end of the command", commands), bare)
    limit = Figure(group, f"limit: {_TIMES} times the bare loop", len(commands), (bare.seconds or 0) * _TIMES)
    return [bare, one, *stages, two, whole, compared(limit, bare)]


def _seconds(found: dict[str, list[Measured]], stage: str) -> float:
    runs = found["batched_nights"]
    return sum(run.parts.stretches[stage].whole.seconds for run in runs) / len(runs)


def overhead(folder: Path, _rows: int, runs: int, say: Say) -> list[Figure]:
    """What one run of a partition costs with a running server, beside its stages called directly."""
    say(f"Laying out {_RUNS + 1} nights")
    measure("nights", folder, str(_RUNS + 1))
    direct, flows = [], []
    with _server(folder, say):
        for run in range(min(runs, 3)):
            say(f"run {run + 1}")
            direct.append(measure("direct_runs", folder))
            flows.append(measure("flow_runs", folder))
    group = f"A night of flights as a run of its own, one of {_RUNS} in one process that runs already"
    called = _each(figure(group, "stages called directly", direct))
    run_ = _each(figure(group, "the flow, with a running server", flows))
    cost = (run_.seconds or 0) - (called.seconds or 0)
    limit = Figure(group, f"limit of the fixed cost: {_LIMIT:.0f} seconds", len(flows), _LIMIT)
    return [called, compared(run_, called), limit, compared(Figure(group, "fixed cost", len(flows), cost), limit)]


def _each(found: Figure) -> Figure:
    import msgspec

    seconds, cpu = found.seconds or 0, found.cpu_seconds or 0
    return msgspec.structs.replace(found, seconds=seconds / _RUNS, cpu_seconds=cpu / _RUNS, output_mib=None)


@contextlib.contextmanager
def _server(folder: Path, say: Say) -> Iterator[None]:
    """A Prefect server of its own, to which everything reports meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    say("Starting a Prefect server")
    url = f"http://127.0.0.1:{port}/api"
    with subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "serve", "--port", str(port)],
        cwd=ROOT, env=environment_of(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            for _ in range(240):
                with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{url}/health"):
                    break
                time.sleep(0.5)
            os.environ["WINNOW_BENCH_PREFECT"] = url
            yield
        finally:
            os.environ.pop("WINNOW_BENCH_PREFECT", None)
            process.send_signal(signal.SIGTERM)
