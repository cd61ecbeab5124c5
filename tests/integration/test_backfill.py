"""A backfill and a held run as a person has them: in processes of their own, with a real server, killed and asked."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from flows.batch import clean_batch
from schemas.records import Manifest, Release
from tasks.job import Job
from tasks.publish.verify import verify_version
from tasks.store.local import LocalStore
from tasks.store.versions import head, list_versions
from tests.integration.conftest import Place, Server

pytestmark = [pytest.mark.prefect, pytest.mark.deployed, pytest.mark.timeout(900)]

DECLARATION = '''"""Sales: sixty days of them."""
import pandera.polars as pa

from schemas import Dataset, Dedupe, Gates, Source


class Sales(pa.DataFrameModel):
    id: int = pa.Field(ge=0)
    shop: str = pa.Field(isin=["north", "south"])


DATASET = Dataset(
    model=Sales,
    source=Source("{partition}.csv"),
    dedupe=Dedupe(key=("id",)),
    gates=Gates(max_quarantined=0.5, actions={"max_quarantined": "hold"}),
)
'''
DAYS = [f"2026-{month:02}-{day:02}" for month in (9, 10) for day in range(1, 31)]
DOUBTFUL = "2026-11-01"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Place:
    home = tmp_path_factory.mktemp("backfill")
    (home / "raw").mkdir()
    (home / "declarations").mkdir()
    (home / "declarations/sales.py").write_text(DECLARATION)
    for number, day in enumerate(DAYS):
        rows = "".join(f"{n},{('north', 'south', 'moon')[n % 7 % 3]}\n" for n in range(20 + number))
        (home / f"raw/{day}.csv").write_text(f"id,shop\n{rows}broken\n1,north\n")
    (home / f"raw/{DOUBTFUL}.csv").write_text("id,shop\n901,moon\n902,moon\n903,north\n")
    return Place(home, {"PREFECT_API_URL": server.api})


def newest(place: Place) -> Manifest | None:
    return head(LocalStore(place.home / "store"), "sales")


def undisturbed(place: Place, store: Path) -> str:
    jobs = [
        Job("sales", day, str(place.home / "declarations/sales.py"), str(place.home / "raw"), str(store), "r", "x")
        for day in DAYS
    ]
    assert [told.error for told in clean_batch(jobs, reports=False)] == [None] * len(jobs)
    manifest = head(LocalStore(store), "sales")
    assert manifest is not None
    return manifest.digest


def started(place: Place) -> subprocess.Popen[str]:
    return place.start("backfill", "sales", "--from", DAYS[0], "--to", DAYS[-1], "--json", "--at-once", "2")


def test_a_backfill_of_sixty_days_that_is_killed_is_finished_by_the_same_command(place: Place, tmp_path: Path) -> None:
    killed = started(place)
    with killed:
        for _ in range(3000):
            if newest(place) or killed.poll() is not None:
                break
            time.sleep(0.1)
        workers = psutil.Process(killed.pid).children(recursive=True)
        assert workers
        os.kill(killed.pid, signal.SIGKILL)
        # Whoever asked is gone, and so are those that were asked.
        psutil.wait_procs(workers, timeout=20)
        assert [worker for worker in workers if worker.is_running()] == []
        with contextlib.suppress(ValueError):
            killed.communicate(timeout=20)
    between = newest(place)
    assert between is not None
    assert 0 < len(between.partitions) < len(DAYS)
    assert verify_version(LocalStore(place.home / "store"), "sales", raw_root=str(place.home / "raw")).ok

    again = started(place)
    with again:
        stdout, stderr = again.communicate(timeout=600)
    assert again.returncode == 0, stderr
    outcomes = [json.loads(line) for line in stdout.splitlines()]
    assert len(outcomes) == len(DAYS)
    assert sum(not outcome["published"] for outcome in outcomes) == len(between.partitions)
    after = newest(place)
    assert after is not None
    assert after.digest == undisturbed(place, tmp_path / "store")
    store = LocalStore(place.home / "store")
    assert store.list("sales/_staging/") == ()
    assert len(list_versions(store, "sales")) <= 5
    asked = place.winnow("status", "sales", "--json")
    states = [json.loads(line) for line in asked.stdout.splitlines()]
    assert {each["partition"]: each["state"] for each in states} == {
        **dict.fromkeys(DAYS, "cleaned"),
        DOUBTFUL: "missing",
    }


@pytest.fixture
def waiting(place: Place, server: Server) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A run that a gate holds, and that waits for an answer; and its id."""
    arguments = ["run", "sales", "--partition", DOUBTFUL, "--hold", "wait", "--json"]
    with place.start(*arguments, WINNOW_HOLD_WAIT="600s") as process:
        try:
            yield process, paused(server, process)
        finally:
            process.kill()


def paused(server: Server, process: subprocess.Popen[str]) -> str:
    for _ in range(600):
        for run in server.find("flow_runs", flow_runs={"state": {"type": {"any_": ["PAUSED"]}}}):
            if run["name"] == f"sales {DOUBTFUL}":
                return str(run["id"])
        assert process.poll() is None, process.communicate()
        time.sleep(0.5)
    pytest.fail("the run was not paused")


def test_a_held_run_waits_in_the_ui_and_publishes_when_a_person_says_so(
    place: Place, server: Server, waiting: tuple[subprocess.Popen[str], str]
) -> None:
    process, run = waiting
    (artifact,) = server.find("artifacts", artifacts={"key": {"any_": ["sales-held"]}})
    assert artifact["flow_run_id"] == run
    assert "gate max\\_quarantined: 2 of 3 records (66.7%)" in artifact["data"]
    assert "| shop.isin | 2 |" in artifact["data"]
    answer = {"publish_anyway": True, "reason": "moved to the moon", "by": "ada"}
    wrong = httpx.post(f"{server.api}/flow_runs/{run}/resume", json={"run_input": {"publish_anyway": "perhaps"}})
    assert wrong.json()["status"] == "REJECT"
    told = httpx.post(f"{server.api}/flow_runs/{run}/resume", json={"run_input": answer})
    assert told.json()["status"] == "ACCEPT", told.text
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    outcome = json.loads(stdout)
    manifest = newest(place)
    assert manifest is not None
    assert (outcome["version"], outcome["published"], outcome["hold"]) == (manifest.version, True, None)
    assert isinstance(manifest.release, Release)
    assert (manifest.release.by, manifest.release.reason) == ("ada", "moved to the moon")
    assert manifest.release.gates == ("gate max_quarantined: 2 of 3 records (66.7%), expected at most 50.0%",)
