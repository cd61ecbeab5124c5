"""Prefect's UI in a real browser: what a person sees of a run, and that no text from a dump is more than text there.

The browser can reach this machine only. Each test leaves screenshots in its `tmp_path`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.integration.conftest import HOSTILE_PARTITION, IMAGE, LINK, MARKED, REDELIVERED, SCRIPT, Season

pytestmark = [pytest.mark.prefect, pytest.mark.browser]

FLIGHTS, GUESTS = f"flights {REDELIVERED}", f"guests {HOSTILE_PARTITION}"


@pytest.fixture
def page(open_page: Callable[[str], Page], season: Season) -> Page:
    return open_page(season.server.url)


def artifact_page(season: Season, run: str, key: str) -> str:
    """Path of the page of an artifact of the first run of that name."""
    runs = sorted(
        season.server.find("flow_runs", flow_runs={"name": {"any_": [run]}}), key=lambda each: each["created"]
    )
    wanted = {"key": {"any_": [key]}, "flow_run_id": {"any_": [runs[0]["id"]]}}
    (artifact,) = season.server.find("artifacts", artifacts=wanted)
    return f"artifacts/artifact/{artifact['id']}"


def cells(page: Page) -> list[str]:
    return [text.strip() for text in page.get_by_role("cell").all_inner_texts()]


def test_a_person_finds_a_run_by_its_name_and_reads_its_summary(page: Page, season: Season, tmp_path: Path) -> None:
    page.goto("/")
    page.wait_for_url("**/v2/dashboard*")  # the UI that is shown unless a person asks for the other
    page.get_by_role("link", name="Runs", exact=True).click()
    page.get_by_placeholder("Search by flow run name").fill("flights")
    # The search reaches the address a moment later; a link that is clicked before that is left again for it.
    page.wait_for_url("**flow-run-search=flights*")
    page.wait_for_load_state("networkidle")
    expect(page.get_by_role("link", name=FLIGHTS, exact=True).first).to_be_visible()
    expect(page.get_by_role("link", name="backfill flights 2013-01-01..2013-01-03")).to_be_visible()
    page.screenshot(path=tmp_path / "runs.png")
    page.get_by_role("link", name=FLIGHTS, exact=True).last.click()  # the newest come first

    page.get_by_role("tab", name="Artifacts").click()
    expect(page).to_have_title(re.compile(f"^Flow Run: {FLIGHTS}"))
    for key in ("flights-summary", "flights-removed-by-rule", "flights-progress"):
        expect(page.get_by_text(key, exact=True)).to_be_visible()
    page.screenshot(path=tmp_path / "run.png")
    page.get_by_text("flights-summary", exact=True).click()

    # The key's history, the newest first; the first of all is this run's.
    history = page.locator("a[href*='/artifacts/artifact/']")
    expect(history).to_have_count(1)
    history.last.click()
    expect(page.get_by_role("heading", name="flights, 2013-01-22: version 1")).to_be_visible()
    page.screenshot(path=tmp_path / "summary.png")
    books = page.get_by_role("table").first
    assert books.get_by_role("columnheader").all_inner_texts() == [
        "records", "kept", "duplicate", "quarantined", "rejected", "repaired",
    ]  # fmt: skip
    assert books.get_by_role("cell").all_inner_texts() == ["1,780", "890", "890", "0", "0", "0"]
    expect(page.get_by_text("was delivered twice: its 890 records are duplicates")).to_be_visible()


def test_the_page_of_artifacts_has_the_stable_keys(page: Page, tmp_path: Path) -> None:
    page.goto("/v2/artifacts")
    for key in ("flights-summary", "flights-removed-by-rule", "guests-summary", "guests-removed-by-rule"):
        expect(page.get_by_text(key, exact=True)).to_be_visible()
    page.screenshot(path=tmp_path / "artifacts.png")
    page.goto("/v2/artifacts/key/flights-backfill")
    expect(page.get_by_role("link", name="backfill flights 2013-01-01..2013-01-03")).to_have_count(1)
    page.screenshot(path=tmp_path / "history.png")


def test_the_table_shows_rules_in_cells(page: Page, season: Season, tmp_path: Path) -> None:
    page.goto(f"/v2/{artifact_page(season, GUESTS, 'guests-removed-by-rule')}")
    expect(page.get_by_role("cell", name="comment.str_matches", exact=True)).to_be_visible()
    assert cells(page)[:5] == [
        "comment.str_matches",
        "quarantine",
        "5",
        "45.5 %",
        "must begin with a match of '^[a-z ]+$'",
    ]
    page.screenshot(path=tmp_path / "removed-by-rule.png")


@pytest.mark.parametrize("ui", ["/v2", ""], ids=["the default UI", "the older UI"])
def test_hostile_text_is_shown_and_does_nothing(page: Page, season: Season, tmp_path: Path, ui: str) -> None:
    page.goto(f"{ui}/{artifact_page(season, GUESTS, 'guests-summary')}")
    expect(page.get_by_role("heading", name="guests, 2013-01-22")).to_be_visible()
    expect(page.get_by_role("cell", name="comment.str_matches", exact=True)).to_be_visible()
    page.screenshot(path=tmp_path / "summary.png")
    text = page.locator("body").inner_text()
    for value in (SCRIPT, IMAGE, LINK, MARKED, r"\x1b[31m\x1b]0;owned\x07\x9b31m\u202e"):
        assert value in text
    assert_nothing_but_text(page)


@pytest.mark.parametrize("ui", ["/v2", ""], ids=["the default UI", "the older UI"])
def test_hostile_names_are_shown_and_do_nothing(page: Page, season: Season, tmp_path: Path, ui: str) -> None:
    paths = ["artifacts", "artifacts/key/guests-summary", artifact_page(season, GUESTS, "guests-progress")]
    for number, path in enumerate(paths):
        page.goto(f"{ui}/{path}")
        expect(page.get_by_text(re.compile(re.escape(IMAGE))).first).to_be_visible()
        page.screenshot(path=tmp_path / f"{number}.png")
        assert_nothing_but_text(page)


def test_the_log_of_a_failed_run_shows_a_hostile_header_as_text(page: Page, season: Season, tmp_path: Path) -> None:
    page.goto("/v2/runs?flow-run-search=lodgers")
    page.get_by_role("link", name="lodgers 2013-01-22", exact=True).click()
    expect(page.get_by_text("no column 'email' among 'id'").first).to_be_visible()
    page.screenshot(path=tmp_path / "failed.png")
    assert SCRIPT in page.locator("body").inner_text()
    assert "Traceback" not in page.locator("body").inner_text()
    assert_nothing_but_text(page)


def assert_nothing_but_text(page: Page) -> None:
    """No element that the hostile text spells is in the document; the UI itself has no bold text and no such script."""
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("a[href^=javascript]").count() == 0
    assert page.locator("b, strong").filter(has_text=re.compile("bold|fat|^1$")).count() == 0
    assert not any("owned" in script for script in page.locator("script").all_inner_texts())
