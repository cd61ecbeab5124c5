"""Winnow as its users operate it: one server and worker, schedules, forms in a browser, alerts, a lost machine.

All of it goes on at once on the server that `winnow serve` started, whose data sets are those of the harbour; a
deployed run takes some 20 seconds to start. The browser can reach this machine only, and each of its tests leaves
screenshots in its `tmp_path`.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import psutil
import pytest
from playwright.sync_api import Page, expect
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.batch import clean_batch
from flows.erase import erase
from flows.maintain import maintain
from flows.rollback import rollback
from schemas.errors import EXIT_USAGE, UsageError
from tasks.job import Job
from tasks.store.local import open_store
from tasks.store.versions import head
from tests.integration.conftest import PLANTED, WATCHERS, Place, Server, asked, buoy_days, harbour_days, open_gauges

pytestmark = [pytest.mark.prefect, pytest.mark.deployed, pytest.mark.timeout(900)]

NIGHTLY = {"nightly-tides", "nightly-silted"}
FAILED_NIGHT = re.compile(r"nightly silted \([0-9a-f-]+\) ended as Failed\. ")
#: The block of the webhook, as `winnow deploy` takes it.
BLOCK = "custom-webhook/watch"


@dataclass
class Harbour:
    """The server, and what came to the webhook."""

    server: Server
    messages: list[dict[str, str]] = field(default_factory=list)
    deployed: subprocess.CompletedProcess[str] | None = None
    lost: str = ""
    """Id of the run whose machine was lost."""
    asking: str = ""
    """Id of the run that a gate holds."""

    def post(self, path: str, /, **body: object) -> Any:  # noqa: ANN401  # JSON
        return asked("POST", f"{self.server.api}{path}", body).json()

    def deployments(self) -> dict[str, dict[str, Any]]:
        return {each["name"]: each for each in self.server.find("deployments")}

    def start(self, deployment: str, **parameters: object) -> str:
        """Starts a run as the form in the UI does; gives its id."""
        place = f"/deployments/{self.deployments()[deployment]['id']}/create_flow_run"
        return str(self.post(place, parameters=parameters)["id"])

    def run(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = asked("GET", f"{self.server.api}/flow_runs/{run}").json()
        return found

    def ended(self, run: str) -> dict[str, Any]:
        """The run, when it has ended."""
        return until(lambda: found if (found := self.run(run))["state_type"] in ENDED else None)

    def runs_of(self, deployment: str, *states: str) -> list[dict[str, Any]]:
        wanted = {
            "deployment_id": {"any_": [self.deployments()[deployment]["id"]]},
            "state": {"type": {"any_": states}},
        }
        return self.server.find("flow_runs", flow_runs=wanted)

    def events(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.post("/events/filter", filter={"event": {"name": [name]}})["events"]
        return found

    def quieten(self) -> None:
        """No further night starts by itself."""
        for name in NIGHTLY:
            asked("PATCH", f"{self.server.api}/deployments/{self.deployments()[name]['id']}", {"paused": True})

    def partitions(self, dataset: str) -> list[str]:
        newest = head(open_store(self.server.place.home / "store"), dataset)
        return sorted(newest.partitions) if newest else []


T = TypeVar("T")
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def until(found: Callable[[], T | None], seconds: float = 400) -> T:
    """What is there at last."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.5)
    pytest.fail(f"not there after {seconds} seconds")


@pytest.fixture(scope="module")
def harbour(server: Server) -> Iterator[Harbour]:
    """All is deployed, alerts go to a webhook, and a second machine is lost in the middle of a backfill."""
    until(lambda: "A worker waits for runs" in server.log.read_text())
    found = Harbour(server)
    with listening(found.messages) as port, lost_machine(found):
        environment = {"PREFECT_API_URL": server.api, "PREFECT_HOME": str(server.home.parent / "client")}
        open_gauges(server.place)
        make_block = (
            "from prefect.blocks.notifications import CustomWebhookNotificationBlock as Webhook\n"
            f"Webhook(name='watch', url='http://127.0.0.1:{port}/',"
            " json_data={'subject': '{{subject}}', 'body': '{{body}}'}).save('watch')\n"
        )
        subprocess.run([sys.executable, "-c", make_block], env=os.environ | environment, check=True, timeout=600)
        with server.place.start("deploy", "--json", WINNOW_NOTIFY_BLOCK=BLOCK, **environment) as deploying:
            said, errors = deploying.communicate(timeout=600)
        found.deployed = subprocess.CompletedProcess(deploying.args, deploying.returncode, said, errors)
        found.asking = found.start("nightly-shoals", dataset="shoals")
        yield found
        found.quieten()


@contextlib.contextmanager
def listening(messages: list[dict[str, str]]) -> Iterator[int]:
    """Whom the notifications go to."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    yield listener.server_address[1]
    listener.shutdown()
    listener.server_close()


@contextlib.contextmanager
def lost_machine(harbour: Harbour) -> Iterator[None]:
    """A worker of another pool takes a long run, and both are killed as by a power cut: nobody reports that."""
    server = harbour.server
    pool = asked("GET", f"{server.api}/work_pools/winnow").json()
    harbour.post("/work_pools/", name="elsewhere", type="process", base_job_template=pool["base_job_template"])
    here = harbour.deployments()["backfill"]
    copied = ("flow_id", "entrypoint", "parameter_openapi_schema", "path", "enforce_parameter_schema")
    there = {name: here[name] for name in copied} | {"name": "backfill-elsewhere", "work_pool_name": "elsewhere"}
    harbour.post("/deployments/", **there)
    first, *_, last = buoy_days()
    harbour.lost = harbour.start("backfill-elsewhere", dataset="buoys", first=first, last=last)
    environment = (
        os.environ
        | server.place.variables
        | {
            "PREFECT_API_URL": server.api,
            "PREFECT_HOME": str(server.home.parent / "elsewhere"),
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        }
    )
    with (server.home.parent / "elsewhere.log").open("wb") as log:
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "elsewhere", "--type", "process"]
        worker = subprocess.Popen(command, env=environment, cwd=server.place.home, stdout=log, stderr=log)

    def lose() -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for each in [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
        worker.wait()

    def beats() -> bool:
        return any(
            event["resource"]["prefect.resource.id"] == f"prefect.flow-run.{harbour.lost}"
            for event in harbour.events("prefect.flow-run.heartbeat")
        )

    def half_done() -> bool:
        return bool(harbour.partitions("buoys")) and beats()

    def watch() -> None:
        try:
            until(half_done)
        finally:
            lose()

    losing = threading.Thread(target=watch)
    losing.start()
    try:
        yield
    finally:
        lose()
        losing.join()


@pytest.fixture
def page(open_page: Callable[[str], Page], server: Server) -> Page:
    return open_page(server.url)


# --- what is deployed -------------------------------------------------------------------------------------------------


def test_serve_deploys_what_is_declared_well_and_tells_of_the_rest(harbour: Harbour) -> None:
    said = harbour.server.log.read_text()
    assert "unknown step 'lowercse'. Did you mean lowercase?" in said
    assert "Not all is deployed" in said
    names = harbour.deployments().keys() - {"backfill-elsewhere"}
    sets = {"buoys", "flights", "guests", "lodgers", "planes", "shoals", "silted", "snippets", "tides", "weather"}
    assert {f"nightly-{name}" for name in sets} | {
        "clean-partition",
        "backfill",
        "replay",
        "erase",
        "maintain",
        "rollback",
    } <= names
    assert "nightly-misdeclared" not in names


def test_deploying_again_changes_and_doubles_nothing(harbour: Harbour) -> None:
    assert harbour.deployed is not None
    assert harbour.deployed.returncode == EXIT_USAGE  # of the one that is wrong
    said = [json.loads(line) for line in harbour.deployed.stdout.splitlines()]
    assert {"automation": "winnow: too much was quarantined"} in said
    assert not [each for each in said if "removed" in each]
    automations = [each["name"] for each in harbour.post("/automations/filter")]
    assert len(automations) == len(set(automations)) == 4
    # One that is written anew would forget the runs that it watches.
    updated = {event["resource"]["prefect.resource.name"] for event in harbour.events("prefect.automation.updated")}
    assert "winnow: too much was quarantined" in updated  # has somebody to tell since
    assert "winnow: a run without heartbeat has crashed" not in updated
    schedules = harbour.deployments()["nightly-tides"]["schedules"]
    assert [(each["schedule"]["cron"], each["schedule"]["timezone"]) for each in schedules] == [
        ("* * * * *", "Europe/Oslo")
    ]


# --- what happens by itself -------------------------------------------------------------------------------------------


def test_a_schedule_starts_a_night_by_itself_which_cleans_what_was_missed(harbour: Harbour) -> None:
    first = until(lambda: harbour.runs_of("nightly-tides", "COMPLETED"))[-1]
    assert "auto-scheduled" in first["tags"]
    assert first["name"] == "nightly tides"
    # The newest, and as many before it as are declared; those further back are for a backfill.
    assert set(harbour.partitions("tides")) >= set(harbour_days()[-3:])

    def published() -> dict[str, dict[str, Any]] | None:
        payloads = [each["payload"] for each in harbour.events("winnow.version.published")]
        found = {each["partition"]: each for each in payloads if each["dataset"] == "tides"}
        return found if harbour_days()[-1] in found else None

    mine = until(published)
    assert (mine[harbour_days()[-1]]["records"], mine[harbour_days()[-1]]["quarantined"]) == (21, 1)


def test_too_much_in_quarantine_alerts_and_so_does_the_night_that_failed_for_it(harbour: Harbour) -> None:
    until(lambda: harbour.runs_of("nightly-silted", "FAILED"))
    alert = until(lambda: [each for each in harbour.messages if each["subject"] == "Winnow: too much was quarantined"])[
        0
    ]
    assert alert["body"].startswith("silted ")
    assert "max_quarantined" in alert["body"]
    # Prefect's automations hear a quarter of an hour late of runs that start within five minutes of being scheduled:
    # they wait for an event that the scheduler does not send. So it is one of the later nights that tells.
    until(lambda: any(FAILED_NIGHT.match(each["body"]) for each in harbour.messages), seconds=700)
    assert harbour.partitions("silted") == []
    harbour.quieten()


def test_a_run_whose_machine_is_lost_is_marked_as_crashed(harbour: Harbour) -> None:
    first, *_, last = buoy_days()
    lost = harbour.ended(harbour.lost)
    assert (lost["state_type"], lost["name"]) == ("CRASHED", f"backfill buoys {first}..{last}")
    assert lost["state"]["message"].startswith("No heartbeat for 100 seconds")
    assert 0 < len(harbour.partitions("buoys")) < len(buoy_days())


# --- what a person does in the browser --------------------------------------------------------------------------------


def undisturbed(place: Place, store: Path) -> str:
    """The digest of all days of the buoys, cleaned without an accident."""
    declaration, raw = str(place.home / "declarations/buoys.py"), str(place.home / "raw")
    jobs = [Job("buoys", day, declaration, raw, str(store), "r", "x") for day in buoy_days()]
    assert [told.error for told in clean_batch(jobs, reports=False)] == [None] * len(jobs)
    manifest = head(open_store(store), "buoys")
    assert manifest is not None
    return manifest.digest


def pick(page: Page, label: str, day: str) -> None:
    """Picks a date in a form, month by month back."""
    page.get_by_role("button", name=label).first.click()
    cell = page.locator(f"td[data-day='{day}']:not([data-outside]) button")
    for _ in range(3):
        if cell.count():
            break
        page.get_by_role("button", name="Go to the Previous Month").click()
    cell.click()
    page.keyboard.press("Escape")


@pytest.mark.browser
def test_sixty_days_are_backfilled_from_the_form_and_what_the_lost_machine_left_is_finished(
    harbour: Harbour, page: Page, tmp_path: Path
) -> None:
    harbour.ended(harbour.lost)
    first, *_, last = buoy_days()
    page.goto("/v2/deployments")
    page.get_by_role("link", name="backfill", exact=True).first.click()
    page.get_by_role("button", name="Run").click()
    page.get_by_role("menuitem", name="Custom run").click()
    for text in ("The data set.", "The first partition of the range.", "Only say in the log what would be done"):
        expect(page.get_by_text(text)).to_be_visible()
    page.get_by_role("button", name="Select dataset").click()
    page.get_by_role("option", name="buoys").click()
    for day in (first, last):
        pick(page, "Pick a date", day)
    page.screenshot(path=tmp_path / "form.png")
    page.get_by_role("button", name="Submit").click()

    run = until(lambda: harbour.runs_of("backfill", "COMPLETED", "FAILED", "CRASHED"))[0]
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    assert run["parameters"] | {"dataset": "buoys", "first": first, "last": last} == run["parameters"]
    newest = head(open_store(harbour.server.place.home / "store"), "buoys")
    assert newest is not None
    assert newest.digest == undisturbed(harbour.server.place, tmp_path / "store")
    page.goto("/v2/runs?flow-run-search=backfill")
    page.get_by_role("link", name=f"backfill buoys {first}..{last}").first.click()
    page.get_by_role("tab", name="Artifacts").click()
    expect(page.get_by_text("buoys-backfill", exact=True).first).to_be_visible()
    page.screenshot(path=tmp_path / "run.png")
    page.get_by_text("buoys-backfill", exact=True).first.click()
    page.locator("a[href*='/artifacts/artifact/']").first.click()
    expect(page.get_by_role("heading", name="Backfill of buoys")).to_be_visible()
    page.screenshot(path=tmp_path / "calendar.png")


@pytest.mark.browser
def test_a_held_run_is_released_through_its_form(harbour: Harbour, page: Page, tmp_path: Path) -> None:
    name = f"shoals {harbour_days()[-1]}"
    wanted = {"name": {"any_": [name]}, "state": {"type": {"any_": ["PAUSED"]}}}
    held = until(lambda: harbour.server.find("flow_runs", flow_runs=wanted))[0]
    assert harbour.partitions("shoals") == []
    page.goto("/v2/runs?flow-run-search=shoals")
    page.get_by_role("link", name=name, exact=True).first.click()
    page.get_by_role("tab", name="Artifacts").click()
    expect(page.get_by_text("shoals-held", exact=True)).to_be_visible()
    page.screenshot(path=tmp_path / "held.png")
    page.get_by_role("button", name="Open menu").click()  # the three dots
    page.get_by_role("menuitem", name="Resume").click()
    expect(page.get_by_role("heading", name=f"Publish {name} all the same?")).to_be_visible()
    expect(page.get_by_text("Publish what the run made, exactly as it is.")).to_be_visible()
    page.screenshot(path=tmp_path / "question.png")
    form = page.get_by_role("dialog")
    form.get_by_role("switch").first.click()
    form.get_by_role("textbox").nth(0).fill("The gauge was silted up; we know.")
    form.get_by_role("textbox").nth(1).fill("Kurt")
    page.screenshot(path=tmp_path / "answer.png")
    form.get_by_role("button", name="Resume").click()

    assert harbour.ended(held["id"])["state_type"] == "COMPLETED"
    assert harbour.ended(harbour.asking)["state_type"] == "COMPLETED"
    newest = head(open_store(harbour.server.place.home / "store"), "shoals")
    assert newest is not None
    assert "The gauge was silted up; we know." in msgspec.json.encode(newest).decode()
    (told,) = [each for each in harbour.events("winnow.gate.held") if each["payload"]["dataset"] == "shoals"]
    assert told["payload"]["quarantined"] == 11


@pytest.mark.browser
def test_the_pages_of_deployments_and_automations_open(harbour: Harbour, page: Page, tmp_path: Path) -> None:
    page.goto("/v2/deployments")
    expect(page.get_by_text("nightly-flights", exact=True)).to_be_visible()
    page.screenshot(path=tmp_path / "deployments.png")
    page.goto("/v2/automations")
    expect(page.get_by_text("winnow: a run without heartbeat has crashed")).to_be_visible()
    page.screenshot(path=tmp_path / "automations.png")
    page.goto("/v2/events")
    page.get_by_role("button", name="Filter by event type").click()
    page.get_by_placeholder("Search event types...").fill("winnow")
    page.get_by_role("option").filter(has_text="winnow.version.published").first.click()
    page.keyboard.press("Escape")
    expect(page.get_by_text("winnow.version.published").first).to_be_visible()
    page.screenshot(path=tmp_path / "events.png")


# --- back, and forget -------------------------------------------------------------------------------------------------


@pytest.fixture
def here(harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> Iterator[Harbour]:
    """Flows that are called in this process report to the server and work on the harbour, too."""
    for name, value in harbour.server.place.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WINNOW_SIGNING_KEY", str(harbour.server.place.home / "key.pem"))
    with temporary_settings({PREFECT_API_URL: harbour.server.api}):
        yield harbour


def artifact(harbour: Harbour, key: str) -> str:
    """The newest text under a key."""
    return str(asked("GET", f"{harbour.server.api}/artifacts/{key}/latest").json()["data"])


def test_a_rollback_shows_what_it_would_do_before_it_does_it(here: Harbour) -> None:
    until(lambda: len(here.partitions("tides")) >= 3 or None)
    before = here.partitions("tides")
    asked = rollback("tides", "1")
    assert not asked.published
    assert here.partitions("tides") == before
    assert "Dry run: nothing was published. A new version would have the data of version 1." in artifact(
        here, "tides-rollback"
    )
    done = rollback("tides", "1", dry_run=False)
    assert done.published
    assert here.partitions("tides") == harbour_days()[-3:-2]
    assert [event["payload"]["to"] for event in until(lambda: here.events("winnow.version.rolled-back"))] == [1]
    rollback("tides", str(asked.version), dry_run=False)
    assert here.partitions("tides") == before


def test_a_person_is_erased_by_the_name_of_a_secret_which_goes_too(here: Harbour) -> None:
    # Whoever writes the condition itself into the form is refused before the server has stored it.
    form = {"dataset": "tides", "whose": f"watcher = '{WATCHERS[0]}'", "asked_by": "the desk"}
    place = f"{here.server.api}/deployments/{here.deployments()['erase']['id']}/create_flow_run"
    assert httpx.post(place, json={"parameters": form}, timeout=30).status_code == 409
    with pytest.raises(UsageError, match="there is no Secret block of that name"):
        erase("tides", "case-4712", "the desk", dry_run=False)
    Secret(value=f"watcher = '{WATCHERS[0]}'").save("case-4711", _sync=True)  # the browser has an event loop here
    erase("tides", "case-4711", "the desk")
    assert "Dry run: nothing was changed." in artifact(here, "tides-erasure")
    erase("tides", "case-4711", "the desk", dry_run=False)
    assert f"{20 * len(here.partitions('tides'))} records were erased" in artifact(here, "tides-erasure")
    with pytest.raises(ValueError, match="Unable to find block document"):
        Secret.load("case-4711", _sync=True)
    until(lambda: here.events("winnow.person.erased"))


def test_old_runs_leave_with_their_artifacts_and_the_others_stay(here: Harbour) -> None:
    flow = here.deployments()["maintain"]["flow_id"]
    runs = [here.post("/flow_runs/", flow_id=flow, state={"type": "COMPLETED"})["id"] for _ in range(61)]
    old, young = runs[:60], runs[60]
    for run in (*old[:3], young):
        here.post("/artifacts/", key="old-things", type="markdown", data="-", flow_run_id=run)
    with contextlib.closing(sqlite3.connect(here.server.home / "prefect.db", timeout=60)) as database:
        marks = ", ".join("?" * len(old))
        database.execute(f"UPDATE flow_run SET end_time = datetime('now', '-40 days') WHERE id IN ({marks})", old)
        database.commit()
    maintain(["tides"], history_days=30, dry_run=True)
    assert "60 runs that ended more than 30 days ago would be removed." in artifact(here, "maintain")
    maintain(["tides"], history_days=30)
    assert "60 runs that ended more than 30 days ago were removed, with 3 artifacts" in artifact(here, "maintain")
    left = here.server.find("flow_runs", flow_runs={"id": {"any_": runs}})
    assert [run["id"] for run in left] == [young]
    things = here.server.find("artifacts", artifacts={"key": {"any_": ["old-things"]}})
    assert [each["flow_run_id"] for each in things] == [young]
    assert here.run(here.lost)["name"].startswith("backfill buoys")


# --- what nobody must see ---------------------------------------------------------------------------------------------


def test_no_secret_and_no_personal_value_is_in_anything_that_prefect_keeps(harbour: Harbour) -> None:
    until(lambda: harbour.runs_of("nightly-tides", "COMPLETED"))
    until(lambda: harbour.runs_of("nightly-silted", "FAILED"))
    kept = {path.name: path.read_bytes() for path in harbour.server.home.rglob("*") if path.is_file()}
    assert {"prefect.db", "server.log", "worker.log"} <= kept.keys()
    # The rule that the second watcher broke is told everywhere; what was in the cell nowhere.
    assert any(b"watcher.str_matches" in content for content in kept.values())
    for name, content in kept.items():
        for value in (*PLANTED, *WATCHERS):
            assert value.encode() not in content, f"{name} holds {value}"
