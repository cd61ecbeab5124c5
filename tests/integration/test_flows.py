"""Runs of the commands that clean, each in a process of its own, and what a real Prefect server then knows of them."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import sqlite3
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from schemas.records import Role
from tasks.store.local import open_store
from tasks.store.paths import report_key
from tasks.store.versions import head
from tests.integration.conftest import (
    HOSTILE,
    HOSTILE_PARTITION,
    IMAGE,
    LINK,
    PERSONAL,
    REDELIVERED,
    Season,
    Server,
    furnish,
)

pytestmark = pytest.mark.prefect

GUESTS = f"guests {HOSTILE_PARTITION}"
STAGES = ("ingest", "settle", "publish", "report")


def run_of(season: Season, name: str) -> dict[str, Any]:
    """The one flow run of that name; of several the first."""
    return min((run for run in season.find("flow_runs") if run["name"] == name), key=lambda run: run["created"])


def artifacts_of(season: Season, name: str) -> dict[str, dict[str, Any]]:
    """The artifacts of a flow run by key."""
    run = run_of(season, name)
    found = season.find("artifacts", artifacts={"flow_run_id": {"any_": [run["id"]]}})
    return {artifact["key"]: artifact for artifact in found if artifact["key"]}


# --- what the commands say --------------------------------------------------------------------------------------------


def test_run_ends_with_one_object(season: Season) -> None:
    done = season.runs["redelivered"]
    assert done.returncode == 0
    (line,) = done.stdout.splitlines()
    outcome = json.loads(line)
    assert {
        "dataset": outcome["dataset"], "partition": outcome["partition"], "version": outcome["version"],
        "published": outcome["published"],
    } == {"dataset": "flights", "partition": REDELIVERED, "version": 1, "published": True}  # fmt: skip
    assert re.fullmatch(r"[0-9a-f]{64}", outcome["digest"])
    assert outcome["books"] == {
        "records": 1780, "kept": 890, "duplicate": 890, "quarantined": 0, "rejected": 0, "erased": 0,
        "repaired": 0,
    }  # fmt: skip
    assert len(outcome["rules"]) == 59
    assert {frozenset(rule) for rule in outcome["rules"]} == {frozenset({"id", "severity", "rows"})}
    assert {"id": "origin.isin", "severity": "quarantine", "rows": 0} in outcome["rules"]
    (card,) = (json.loads(text) for text in season.place.winnow("show", "flights", "--json").stdout.splitlines())
    assert [rule["id"] for rule in outcome["rules"]] == [rule["id"] for rule in card["rules"]]


def test_backfill_prints_an_object_for_each_partition(season: Season) -> None:
    done = season.runs["backfill"]
    assert done.returncode == 0
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["partition"] for each in outcomes] == ["2013-01-01", "2013-01-02", "2013-01-03"]
    assert [each["version"] for each in outcomes] == [2, 2, 2]  # one batch


def test_a_data_set_that_fails_keeps_none_of_the_others_back(season: Season) -> None:
    done = season.runs["nightly"]
    assert done.returncode == 1
    assert re.search(r"^guests 2013-01-22 .*: version 1, published$", done.stdout, re.MULTILINE)
    assert "1 of 3 were not published: lodgers: HeaderError" in done.stderr
    store = open_store(season.place.home / "store")
    published = head(store, "guests")
    assert published is not None
    assert published.reason == "nightly"
    assert published.run_id == run_of(season, GUESTS)["id"]
    assert head(store, "lodgers") is None


def test_an_unchanged_partition_publishes_nothing_and_says_so(season: Season) -> None:
    assert re.search(r"^flights 2013-01-22: version 1, unchanged", season.runs["nightly"].stdout, re.MULTILINE)
    first, second = sorted(
        (run for run in season.find("flow_runs") if run["name"] == f"flights {REDELIVERED}"),
        key=lambda run: str(run["created"]),
    )
    tasks = Counter(task["flow_run_id"] for task in season.find("task_runs"))
    assert (tasks[first["id"]], tasks[second["id"]]) == (len(STAGES), 0)


@pytest.mark.parametrize(
    ("run", "code", "words"),
    [
        ("missing dump", 3, "no file matches 'flights/1999-01-01/*.csv*'"),
        ("misdeclared", 2, "unknown step 'lowercse'. Did you mean lowercase?"),
        ("nightly", 1, "no column 'email'"),
    ],
)
def test_a_mistake_is_told_without_a_traceback(season: Season, run: str, code: int, words: str) -> None:
    done = season.runs[run]
    assert done.returncode == code
    # One line of our own, beside those of Prefect's log, which have the time before a bar.
    own = [line for line in done.stderr.splitlines() if " | " not in line]
    (said,) = [json.loads(done.stdout)["message"]] if run == "missing dump" else own
    assert words in said
    for stream in (done.stdout, done.stderr):
        assert "Traceback" not in stream
        assert all(line.isprintable() for line in stream.splitlines())


# --- what the server knows --------------------------------------------------------------------------------------------


def test_runs_are_named_by_data_set_and_partition_and_have_their_states(season: Season) -> None:
    runs = [(run["name"], run["state_type"]) for run in season.find("flow_runs")]
    assert Counter(run for run in runs if run[1] != "SCHEDULED") == {
        (f"flights {REDELIVERED}", "COMPLETED"): 2,
        (GUESTS, "COMPLETED"): 1,
        ("lodgers 2013-01-22", "FAILED"): 1,
        ("nightly", "FAILED"): 1,
        ("backfill flights 2013-01-01..2013-01-03", "COMPLETED"): 1,
        ("flights 1999-01-01", "FAILED"): 1,
        ("misdeclared 2013-01-22", "FAILED"): 1,
    }
    nightly = run_of(season, "nightly")
    parents = {task["id"]: task["flow_run_id"] for task in season.find("task_runs")}
    for name in (GUESTS, "lodgers 2013-01-22"):
        assert parents[run_of(season, name)["parent_task_run_id"]] == nightly["id"]


def test_a_partition_is_few_task_runs(season: Season) -> None:
    names: dict[str, list[str]] = {}
    for task in season.find("task_runs"):
        names.setdefault(task["flow_run_id"], []).append(task["name"])
    assert sorted(names[run_of(season, GUESTS)["id"]]) == sorted(f"{stage} {GUESTS}" for stage in STAGES)
    backfill = names[run_of(season, "backfill flights 2013-01-01..2013-01-03")["id"]]
    assert backfill == ["flights 2013-01-01..2013-01-03"]
    assert sum(map(len, names.values())) < 100


@pytest.mark.parametrize(
    ("run", "stem"),
    [(f"flights {REDELIVERED}", "flights"), (GUESTS, "guests")],
    ids=["flights", "guests"],
)
def test_a_run_leaves_artifacts_under_stable_keys(season: Season, run: str, stem: str) -> None:
    found = artifacts_of(season, run)
    assert {key: artifact["type"] for key, artifact in found.items()} == {
        f"{stem}-summary": "markdown",
        f"{stem}-removed-by-rule": "table",
        f"{stem}-progress": "progress",
        f"{stem}-trend": "markdown",
    }
    assert found[f"{stem}-progress"]["data"] == 100


def test_a_backfill_leaves_one_summary_with_every_partition(season: Season) -> None:
    found = artifacts_of(season, "backfill flights 2013-01-01..2013-01-03")
    assert {key: artifact["type"] for key, artifact in found.items()} == {
        "flights-backfill": "markdown",
        "flights-backfill-progress": "progress",
    }
    assert found["flights-backfill-progress"]["data"] == 100
    text = found["flights-backfill"]["data"]
    assert text.startswith("# Backfill of flights\n\n3 partitions: 3 cleaned. ")
    assert text.count("| cleaned |") == 3
    assert "| 2013-01 | `ccc  " in text


def test_the_progress_of_a_run_that_failed_stays_where_it_was(season: Season) -> None:
    assert artifacts_of(season, "lodgers 2013-01-22")["lodgers-progress"]["data"] == 0


def test_the_summary_tells_of_a_redelivery_and_is_kept_beside_the_data(season: Season) -> None:
    text = artifacts_of(season, f"flights {REDELIVERED}")["flights-summary"]["data"]
    assert text.startswith("# flights, 2013-01-22: version 1\n")
    assert "| 1,780 | 890 | 890 | 0 | 0 | 0 |" in text
    assert "was delivered twice**: its 890 records are duplicates of the first delivery's" in text
    store = open_store(season.place.home / "store")
    assert store.read(report_key("flights", REDELIVERED, 1)).decode() == text


def test_the_table_counts_every_rule(season: Season) -> None:
    rows = json.loads(artifacts_of(season, GUESTS)["guests-removed-by-rule"]["data"])
    assert list(rows[0]) == ["rule", "severity", "rows", "share", "reason"]
    broken = {row["rule"]: (row["severity"], row["rows"], row["share"]) for row in rows if row["rows"]}
    assert broken == {
        "comment.str_matches": ("quarantine", 5, "45.5 %"),
        "email.str_matches": ("quarantine", 2, "18.2 %"),
        "room.castable": ("quarantine", 1, "9.1 %"),
        "ingest.too_few_fields": ("reject", 1, "9.1 %"),
    }
    (card,) = (json.loads(text) for text in season.place.winnow("show", "guests", "--json").stdout.splitlines())
    assert {row["rule"] for row in rows} == {rule["id"] for rule in card["rules"]} | {"ingest.too_few_fields"}


def test_the_log_has_a_line_for_each_rule_that_set_rows_aside(season: Season) -> None:
    messages = [log["message"] for log in season.find("logs")]
    for words in ("5 rows broke comment.str_matches (quarantine)", "1 rows broke room.castable (quarantine)"):
        assert sum(words in message for message in messages) == 1
    books = "version 1: 11 records = 3 kept + 1 duplicate + 6 quarantined + 1 rejected"
    assert sum(books in message for message in messages) == 1
    assert sum("flights '2013-01-22': version 1, unchanged since then" in message for message in messages) == 1


# --- what nobody must see ---------------------------------------------------------------------------------------------


def stored(season: Season) -> dict[str, list[str]]:
    """Every text that the server has of the runs, by kind; nothing is read back from escapes."""
    artifacts, runs = season.find("artifacts"), season.find("flow_runs")
    tasks = season.find("task_runs")
    return {
        "artifacts": [text for each in artifacts for text in (str(each["data"]), each["description"] or "")],
        "logs": [log["message"] for log in season.find("logs")],
        "states": [run["state"]["message"] or "" for run in runs + tasks],
        "parameters": [json.dumps(run["parameters"]) for run in runs],
    }


def test_no_personal_value_is_in_anything_that_a_run_reports(season: Season) -> None:
    ledger = head(open_store(season.place.home / "store"), "guests")
    assert ledger is not None
    assert {file.role for file in ledger.partitions[HOSTILE_PARTITION].files} == {*Role} - {
        Role.ERASED, Role.AUDIT, Role.SUPERSEDED, Role.DISPUTED,
    }  # fmt: skip
    texts = [text for kind in stored(season).values() for text in kind]
    texts += [stream for done in season.runs.values() for stream in (done.stdout, done.stderr)]
    assert sum(map(len, texts)) > 10_000
    for value in PERSONAL:
        assert not any(value in text for text in texts), value


def test_hostile_values_are_escaped_in_artifacts(season: Season) -> None:
    found = artifacts_of(season, GUESTS)
    summary = found["guests-summary"]["data"]
    for value in HOSTILE:
        assert value not in summary
    # They are shown, as text.
    assert "&lt;script&gt;window.owned=1&lt;/script&gt;" in summary
    assert r"\[click\](javascript:window.owned=1)" in summary
    assert r"\\x1b\[31m\\x1b\]0;owned\\x07\\x9b31m\\u202e" in summary
    for artifact in found.values():
        for text in (str(artifact["data"]), artifact["description"]):
            assert IMAGE not in text
            assert LINK not in text
            assert all(line.isprintable() for line in text.splitlines())


def test_logs_hold_no_traceback_and_no_control_character(season: Season) -> None:
    found = stored(season)
    assert len(found["logs"]) > 20
    for text in found["logs"] + found["states"]:
        assert "Traceback" not in text
        assert text.isprintable()


# --- which server -----------------------------------------------------------------------------------------------------


def test_serve_says_where_the_runs_are_and_how_to_report_to_it(server: Server) -> None:
    said = server.log.read_text()
    assert f"{server.url}/v2/runs" in said
    assert f"export PREFECT_API_URL={server.api}" in said
    # Its UI asks this server, not the one on the usual port.
    assert httpx.get(f"{server.url}/ui-settings", timeout=30).json()["api_url"] == server.api


def test_without_a_server_a_run_brings_its_own_which_no_interrupt_takes_away(tmp_path: Path) -> None:
    place = furnish(tmp_path, nights=1)
    with place.start("run", "flights", "--partition", "2013-01-01", "--json") as process:
        # Ctrl-C in a terminal reaches the server, too; the run must still be able to tell it how it ended.
        embedded_server(process).send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=240)
    assert process.returncode == 0
    assert json.loads(stdout)["published"]
    # It lived as long as the run, and what it stored is there for `winnow serve`.
    port = re.search(r"temporary server on http://127\.0\.0\.1:(\d+)", stderr)
    assert port is not None
    with contextlib.suppress(httpx.TransportError):
        pytest.fail(f"still answers: {httpx.get(f'http://127.0.0.1:{port[1]}/api/health', timeout=2)}")
    with contextlib.closing(sqlite3.connect(tmp_path / ".winnow" / "prefect" / "prefect.db")) as database:
        assert database.execute("SELECT name, state_type FROM flow_run").fetchall() == [
            ("flights 2013-01-01", "COMPLETED")
        ]
        keys = {key for (key,) in database.execute("SELECT key FROM artifact WHERE key IS NOT NULL")}
    assert keys == {"flights-summary", "flights-removed-by-rule", "flights-progress", "flights-trend"}


def embedded_server(run: subprocess.Popen[str], seconds: int = 120) -> psutil.Process:
    for _ in range(seconds * 10):
        for child in psutil.Process(run.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if "uvicorn" in child.cmdline():
                    return child
        time.sleep(0.1)
    pytest.fail("no server was started")


def test_a_server_that_does_not_answer_is_told(season: Season) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    nowhere = f"http://127.0.0.1:{port}/api"
    done = season.place.winnow("run", "flights", "--partition", REDELIVERED, PREFECT_API_URL=nowhere)
    assert done.returncode == 3
    assert f"PREFECT_API_URL={nowhere}: Prefect's server does not answer" in done.stderr
    assert "unset PREFECT_API_URL" in done.stderr
    assert "Traceback" not in done.stderr
