"""Data sets whose dumps are hostile or wrong, a place to clean them in, and a real Prefect server with real runs.

Belongs here: what the tests of the command line, of the flows and of the UI share. Does not belong here: what they
assert.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from flows.demo_dumps import RESENT, lay_out

GUESTS = '''"""Guests: a hotel's book, in which somebody wrote what was not meant to be written."""

import pandera.polars as pa

from schemas import Dataset, Dedupe, Gates, Source, steps


class Guests(pa.DataFrameModel):
    id: int = pa.Field(ge=1)
    email: str = pa.Field(str_matches="^[^@ ]+@[^@ ]+$", metadata={"personal": True})
    room: int = pa.Field(in_range={"min_value": 1, "max_value": 400})
    rate: float = pa.Field(nullable=True)
    comment: str = pa.Field(str_matches="^[a-z ]+$", nullable=True)


DATASET = Dataset(
    model=Guests,
    source=Source("guests/{partition}/*.csv", null_tokens=("",)),
    steps=(steps.strip("comment"), steps.lowercase("comment")),
    dedupe=Dedupe(key=("id",)),
    gates=Gates(max_quarantined=0.9),
)
'''
LODGERS = GUESTS.replace("guests", "lodgers")
MISDECLARED = GUESTS.replace("steps.lowercase(", "steps.lowercse(").replace("guests", "misdeclared")

#: A page that takes any of these for more than text sets `owned`, shows a picture, a link or a bold word, or splits
#: a row of its table.
SCRIPT, IMAGE = "<script>window.owned=1</script>", "<img src=x onerror=window.owned=1>"
LINK, MARKED = "[click](javascript:window.owned=1)", "**bold** | `code` | <b>fat</b>"
#: Colours, a new window title, a bell, one of the control characters above 127, and a turn of the writing direction.
CONTROLS = "\x1b[31m\x1b]0;owned\x07\x9b31m\u202e"
HOSTILE = (SCRIPT, IMAGE, LINK, MARKED, CONTROLS)
PERSONAL = ("ada@home.example", "grace@home.example", "not-an-address-of-mary", "not-an-address-of-kurt")
#: Names come from somebody's file system.
HOSTILE_PARTITION = f"2013-01-22 \x1b[31m{IMAGE} {LINK} **bold**"
HOSTILE_FILE = "book | **1** <script>window.owned=2<script>.csv"

GUEST_BOOK = "\n".join(
    [
        "id,email,room,rate,comment",
        f"1,{PERSONAL[0]},12,80.5,Quiet",
        f"1,{PERSONAL[0]},12,80.5,Quiet",
        f"2,{PERSONAL[1]},13,nan,",
        f"3,{PERSONAL[2]},14,,{SCRIPT}",
        f"4,{PERSONAL[3]},15,,{IMAGE}",
        f"5,{PERSONAL[0]},16,,{LINK}",
        f"6,{PERSONAL[0]},17,,{MARKED}",
        f"7,{PERSONAL[0]},18,,{CONTROLS}",
        f"8,{PERSONAL[1]},cellar{IMAGE},,ok",
        f"9,{PERSONAL[1]}",
        f"10,{PERSONAL[1]},20,90,fine",
        "",
    ]
)
#: Not the declared columns, and named to be noticed.
LODGERS_BOOK = f"id,{SCRIPT},\x1b[31mroom\n1,{PERSONAL[2]},12\n"

#: The nights of which the demo's flights are laid out: up to the one that was delivered twice.
NIGHTS = 22
REDELIVERED = RESENT


@dataclass(frozen=True)
class Place:
    """A folder with dumps, declarations and a store, and the environment in which a command finds them."""

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        return {
            "WINNOW_STORE": str(self.home / "store"),
            "WINNOW_RAW": str(self.home / "raw"),
            "WINNOW_DATASETS": str(self.home / "declarations"),
            **self.environment,
        }

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Starts a command in a process of its own, as a person does, with Prefect's home where Winnow puts it."""
        inherited = {name: value for name, value in os.environ.items() if name != "PREFECT_HOME"}
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *arguments],
            env=inherited | self.variables | environment,
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def winnow(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        with self.start(*arguments, **environment) as process:
            stdout, stderr = process.communicate(timeout=600)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def furnish(home: Path, *, nights: int = NIGHTS) -> Place:
    """Lays out the demo's dumps, and those of the hostile and of the wrong data set, with their declarations."""
    lay_out(home / "raw", nights=nights)
    declarations = {"guests": GUESTS, "lodgers": LODGERS, "misdeclared": MISDECLARED}
    (home / "declarations").mkdir()
    for name, source in declarations.items():
        (home / "declarations" / f"{name}.py").write_text(source)
    books = {
        f"guests/{HOSTILE_PARTITION}/{HOSTILE_FILE}": GUEST_BOOK,
        "lodgers/2013-01-22/book.csv": LODGERS_BOOK,
        "misdeclared/2013-01-22/book.csv": GUEST_BOOK,
    }
    for path, text in books.items():
        (home / "raw" / path).parent.mkdir(parents=True)
        (home / "raw" / path).write_text(text)
    return Place(home)


# --- what is deployed -------------------------------------------------------------------------------------------------

#: Found nowhere in what the server keeps: they are in the environment of all that `winnow serve` starts.
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "planted-secret-of-the-store",
    "AWS_ACCESS_KEY_ID": "planted-key-of-the-store",
}
PLANTED = ("planted-secret-of-the-store", "planted-key-of-the-store")

TIDES = '''"""Tides: a gauge's readings, every night."""

import pandera.polars as pa

from schemas import Dataset, Gates, Schedule, Source


class Tides(pa.DataFrameModel):
    at: str = pa.Field(str_matches="^[0-9:]+$")
    watcher: str = pa.Field(str_matches="^[a-z]+@pier.example$", metadata={"personal": True, "subject": True})
    metres: float = pa.Field(in_range={"min_value": -3, "max_value": 3})


DATASET = Dataset(
    model=Tides,
    source=Source("tides/{partition}/*.csv"),
    schedule=Schedule("* * * * *", timezone="Europe/Oslo", catch_up=2),
)
'''
#: As the tides, but more is quarantined than may be.
SILTED = TIDES.replace("    schedule=", "    gates=Gates(max_quarantined=0.1),\n    schedule=").replace(
    "tides", "silted"
)
#: As the silted ones, but a person is asked; nothing starts it by itself.
SHOALS = TIDES.replace(
    '    schedule=Schedule("* * * * *", timezone="Europe/Oslo", catch_up=2),\n',
    '    gates=Gates(max_quarantined=0.1, actions={"max_quarantined": "hold"}),\n',
).replace("tides", "shoals")
#: As the tides, for sixty days, which nothing cleans by itself.
BUOYS = TIDES.replace('    schedule=Schedule("* * * * *", timezone="Europe/Oslo", catch_up=2),\n', "").replace(
    "tides", "buoys"
)
#: Names of the data sets whose runs are the worker's.
HARBOUR = ("tides", "silted", "shoals", "buoys")
#: A person of the tides, and one whose row is set aside.
WATCHERS = ("planted@pier.example", "PLANTED-NOT-AN-ADDRESS")


def furnish_harbour(home: Path) -> Place:
    """What is deployed from the start: sixty days of buoys, for a run that takes a while, and the hotels."""
    place = furnish(home)
    (home / "declarations" / "buoys.py").write_text(BUOYS)
    for day in buoy_days():
        lay_gauge(place, "buoys", day, "1.5")
    return place


def lay_gauge(place: Place, name: str, day: str, height: str) -> None:
    """A day's readings; every other one is of that height."""
    rows = [f"{day[-2:]}:00:{minute:02},{WATCHERS[0]},{height if minute % 2 else -1}" for minute in range(20)]
    (place.home / "raw" / name / day).mkdir(parents=True)
    text = "\n".join(["at,watcher,metres", *rows, f"{day[-2:]}:00:30,{WATCHERS[1]},0.5", ""])
    (place.home / "raw" / name / day / "gauge.csv").write_text(text)


def open_gauges(place: Place) -> None:
    """Three more data sets, of five days of this month each; two of them have a night every minute."""
    for name, declaration, height in (
        ("tides", TIDES, "1.5"), ("silted", SILTED, "99"), ("shoals", SHOALS, "99"),
    ):  # fmt: skip
        for day in harbour_days():
            lay_gauge(place, name, day, height)
        (place.home / "declarations" / f"{name}.py").write_text(declaration)


def harbour_days() -> list[str]:
    """Names of their partitions: the first days of this month, which a calendar shows first."""
    return [f"{dt.datetime.now(dt.UTC):%Y-%m}-{day:02}" for day in range(1, 6)]


def buoy_days() -> list[str]:
    """Sixty days up to the end of last month."""
    first = dt.datetime.now(dt.UTC).date().replace(day=1)
    return [f"{first - dt.timedelta(days=back)}" for back in range(60, 0, -1)]


# --- Prefect ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """A running Prefect server with its worker, the file of what they said, and what is deployed on it."""

    url: str
    log: Path
    home: Path
    place: Place

    @property
    def api(self) -> str:
        return f"{self.url}/api"

    def find(self, what: str, **filters: object) -> list[dict[str, Any]]:
        """All records of a kind (`flow_runs`, `task_runs`, `artifacts`, `logs`) that the server stored."""
        found: list[dict[str, Any]] = []
        while True:
            body: dict[str, Any] = {**filters, "limit": 200, "offset": len(found)}
            answer = asked("POST", f"{self.api}/{what}/filter", body)
            found += answer.json()
            if len(answer.json()) < body["limit"]:
                return found


def asked(method: str, url: str, body: object = None, *, tries: int = 30) -> httpx.Response:
    """The server's answer; while its database is busy, it is asked again, as Prefect's own clients do."""
    for _ in range(tries):
        with contextlib.suppress(httpx.TimeoutException):
            answer = httpx.request(method, url, json=body, timeout=60)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                assert answer.is_success, answer.text
                return answer
        time.sleep(2)
    pytest.fail(f"busy for too long: {method} {url}")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What `winnow serve` starts: Prefect's server with its UI and an empty database, some 30 seconds to start.

    After it come the deployments of a place of its own, and a worker, which has nothing to do until a test says so.
    """
    home = tmp_path_factory.mktemp("server")
    place = furnish_harbour(tmp_path_factory.mktemp("harbour"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "serve", "--port", str(port), "--runs", "4"],
            env=os.environ | place.variables | SECRETS | {"PREFECT_HOME": str(home / "prefect")},
            cwd=place.home,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        found = Server(f"http://127.0.0.1:{port}", home / "log", home / "prefect", place)
        _wait_for(found, process)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(server: Server, process: subprocess.Popen[bytes], seconds: int = 120) -> None:
    for _ in range(seconds * 2):
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{server.api}/health", timeout=5).is_success:
                return
        if process.poll() is not None:
            break
        time.sleep(0.5)
    pytest.fail(f"the server did not start:\n{server.log.read_text(errors='replace')}")


@dataclass(frozen=True)
class Season:
    """Runs that reported to the server, by what they are for; each has ended."""

    place: Place
    server: Server
    runs: Mapping[str, subprocess.CompletedProcess[str]]

    def find(self, what: str, **filters: object) -> list[dict[str, Any]]:
        """As the server's, without what runs of deployments left, which go on by themselves."""
        found = self.server.find(what, **filters)
        if what == "flow_runs":
            return [run for run in found if not run["deployment_id"] and run["name"].partition(" ")[0] not in HARBOUR]
        ours = {run["id"] for run in self.find("flow_runs")}
        return [each for each in found if each["flow_run_id"] in ours]


@pytest.fixture(scope="session")
def season(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Season:
    """A redelivered night, that again in a night of three data sets of which one fails, a backfill, two mistakes."""
    place = Place(furnish(tmp_path_factory.mktemp("season")).home, {"PREFECT_API_URL": server.api})
    commands = {
        "redelivered": ["run", "flights", "--partition", REDELIVERED, "--json"],
        "nightly": ["nightly", "flights", "guests", "lodgers"],
        "backfill": ["backfill", "flights", "--from", "2013-01-01", "--to", "2013-01-03", "--json"],
        "missing dump": ["run", "flights", "--partition", "1999-01-01", "--json"],
        "misdeclared": ["run", "misdeclared", "--partition", "2013-01-22"],
    }
    return Season(place, server, {name: place.winnow(*command) for name, command in commands.items()})


# --- a browser --------------------------------------------------------------------------------------------------------

#: Prefect's UI asks for the settings of its statistics even where the server has them switched off; it gets no answer.
STATISTICS = "sr-client-cfg.amplitude.com"

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@pytest.fixture(scope="session")
def browser(needs_program: Callable[[str], Path]) -> Iterator[Browser]:
    chromium = needs_program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=list(_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[[str], Page]]:
    """Opens pages of a server's UI; fails the test if one needed anything from outside or ran a script from a dump."""
    expect.set_options(timeout=30_000)
    pages: list[Page] = []
    hosts: set[str | None] = set()

    def open_one(url: str) -> Page:
        page = browser.new_page(base_url=url, viewport={"width": 1400, "height": 1800})
        page.set_default_timeout(30_000)
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
        pages.append(page)
        return page

    yield open_one
    for page in pages:
        assert page.evaluate("window.owned") is None
        page.close()
    assert hosts - {None, STATISTICS} == {"127.0.0.1"}
