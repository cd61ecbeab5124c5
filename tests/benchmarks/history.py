"""History: Prefect's database and pages after so many runs, and what `maintain` makes of them.

Belongs here: the runs, the sizes and the times of pages. Does not belong here: other benchmarks. The server runs on
this machine and takes its share of it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

from playwright.sync_api import expect, sync_playwright

from tests.benchmarks.figures import Figure
from tests.benchmarks.measured import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.benchmarks.groups import Say

#: Runs, and those of them that clean something new and leave four artifacts each; the others find all unchanged.
_RUNS, _CLEANED = 1_000, 125
_LIMIT_MIB = 500
#: Path of each page, and a text that is there when it is.
_PAGES = {
    "dashboard": ("/v2/dashboard", "Flow Runs"),
    "runs": ("/v2/runs", "gauge 0000"),
    "artifacts": ("/v2/artifacts", "gauge-summary"),
    "history of an artifact": ("/v2/artifacts/key/gauge-summary", "gauge 0124"),
    "deployments": ("/v2/deployments", "Deployments"),
    "event feed": ("/v2/events", "Event Feed"),
}
_DECLARATION = '''"""Gauge: a few readings."""

import pandera.polars as pa

from schemas import Dataset, Source


class Gauge(pa.DataFrameModel):
    at: int
    metres: float = pa.Field(in_range={"min_value": -3, "max_value": 3})


DATASET = Dataset(model=Gauge, source=Source("gauge/{partition}/*.csv"))
'''
_CLEAN = f"""
import sys
from flows.clean import clean_partition
for number in range({_RUNS}):
    clean_partition("gauge", f"{{number if number < {_CLEANED} else 0:04}}", reason="nightly")
    print(number, flush=True)
"""
_FORGET = "from flows.maintain import maintain; maintain(['gauge'], history_days=30)"


def history(folder: Path, rows: int, runs: int, say: Say) -> list[Figure]:  # as every group
    """A thousand runs on a server of their own, its pages and its database, before and after old runs have left."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("The pages are opened in chromium, which is not on this machine.")
    environment = _furnish(folder)
    with _served(folder, environment) as url:
        environment["PREFECT_API_URL"] = f"{url}/api"
        say(f"Making {_RUNS:,} runs, {_CLEANED} of which leave four artifacts each")
        seconds = _program(_CLEAN, folder, environment)
        group = f"After {_RUNS:,} runs and {_CLEANED * 4} artifacts (limit: {_LIMIT_MIB} MiB of database)"
        figures = [Figure(group, "making the runs", 1, seconds=seconds), _database(group, folder)]
        figures += [Figure(group, f"page: {name}", 1, seconds=took) for name, took in _opened(url, chromium)]
        say("Letting all but the last runs grow old, and having them removed")
        _grow_old(folder)
        figures.append(Figure(group, "maintain removes them", 1, seconds=_program(_FORGET, folder, environment)))
        figures.append(_database(group, folder))
    return figures


def _furnish(folder: Path) -> dict[str, str]:
    (folder / "declarations").mkdir()
    (folder / "declarations" / "gauge.py").write_text(_DECLARATION)
    for number in range(_CLEANED):
        place = folder / "raw" / "gauge" / f"{number:04}"
        place.mkdir(parents=True)
        text = "\n".join(["at,metres", *(f"{minute},{minute % 7 - 2}" for minute in range(100)), ""])
        (place / "gauge.csv").write_text(text)
    return {
        **os.environ,
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_LOGGING_EXTRA_LOGGERS": "tasks,flows",
        "WINNOW_STORE": str(folder / "store"),
        "WINNOW_RAW": str(folder / "raw"),
        "WINNOW_DATASETS": str(folder / "declarations"),
        "DO_NOT_TRACK": "1",
        "PYTHONPATH": str(ROOT),
    }


@contextlib.contextmanager
def _served(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "flows.cli", "serve", "--no-worker", "--port", str(port)]
    server = subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/api/health", timeout=5):
                break
            time.sleep(0.5)
        yield url
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def _program(code: str, folder: Path, environment: dict[str, str]) -> float:
    begun = time.monotonic()
    with (folder / "said").open("ab") as said:
        subprocess.run([sys.executable, "-c", code], env=environment, cwd=folder, stdout=said, stderr=said, check=True)
    return time.monotonic() - begun


def _database(group: str, folder: Path) -> Figure:
    files = [path for path in (folder / "prefect").iterdir() if path.name.startswith("prefect.db")]
    with contextlib.closing(sqlite3.connect(folder / "prefect" / "prefect.db")) as database:
        counts = {
            table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("flow_run", "task_run", "artifact", "log", "events")
        }
        free = database.execute("PRAGMA freelist_count").fetchone()[0] * 4096
    note = ", ".join(f"{count:,} of {table}" for table, count in counts.items())
    whole = sum(path.stat().st_size for path in files)
    return Figure(
        group, "database", 1, output_mib=whole / 2**20, note=f"{note}; {free / 2**20:,.1f} MiB are free for what comes"
    )


def _opened(url: str, chromium: str) -> Iterator[tuple[str, float]]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        )
        page = browser.new_page(base_url=url)
        page.goto("/v2/runs")  # what all pages share is fetched once
        page.wait_for_timeout(3_000)
        for name, (path, text) in _PAGES.items():
            begun = time.monotonic()
            page.goto(path)
            expect(page.get_by_text(text).first).to_be_visible(timeout=60_000)
            yield name, time.monotonic() - begun
        browser.close()


def _grow_old(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "prefect" / "prefect.db", timeout=60)) as database:
        database.execute("UPDATE flow_run SET end_time = datetime('now', '-60 days') WHERE end_time IS NOT NULL")
        database.commit()
