"""The commands that move between versions and compare them, over a store of three nights of flights."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from typer.testing import CliRunner

from flows.clean import PLAIN, clean
from flows.cli import app
from schemas import registry
from tasks.job import Job
from tests.integration.conftest import CONTROLS, GUESTS, PERSONAL, Place

PARTITIONS = ("2026-10-01", "2026-10-02")
FIRST = f"id,email,room,rate,comment\n1,{PERSONAL[0]},12,80.5,quiet\n2,{PERSONAL[1]},13,90,fine\n"
SECOND = f"id,email,room,rate,comment\n3,{PERSONAL[0]},14,70,ok\n"
#: The second delivery of the first night: a guest moved, one came, and the comment is hostile.
AGAIN = f"id,email,room,rate,comment\n1,{PERSONAL[0]},22,80.5,quiet\n2,{PERSONAL[1]},13,90,fine\n4,{PERSONAL[1]},15,,\n"


class Answer(NamedTuple):
    code: int
    text: str
    error: str


def ask(place: Place, *arguments: str) -> Answer:
    with contextlib.chdir(place.home):
        result = CliRunner().invoke(app, arguments, env=place.variables | {"COLUMNS": "80"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def records(place: Place, *arguments: str) -> list[dict[str, Any]]:
    answer = ask(place, *arguments, "--json")
    assert (answer.code, answer.error) == (0, ""), answer
    return [json.loads(line) for line in answer.text.splitlines()]


def told(place: Place, *arguments: str) -> str:
    answer = ask(place, *arguments)
    assert (answer.code, answer.error) == (0, ""), answer
    return answer.text


def deliver(place: Place, partition: str, text: str) -> None:
    folder = place.home / "raw" / "guests" / partition
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "book.csv").write_text(text)
    declaration = registry.locate("guests", [place.home / "declarations"])
    roots = (str(place.home / "raw"), str(place.home / "store"))
    clean(Job("guests", partition, str(declaration), *roots, run_id=f"guests {partition}"), PLAIN)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Version 1 has one night, 2 has two, and 3 has the first one again, otherwise."""
    (tmp_path / "declarations").mkdir()
    (tmp_path / "declarations" / "guests.py").write_text(GUESTS)
    place = Place(tmp_path)
    for partition, text in zip([*PARTITIONS, PARTITIONS[0]], [FIRST, SECOND, AGAIN], strict=True):
        deliver(place, partition, text)
    return place


# --- rollback and tag -------------------------------------------------------------------------------------------------


def test_rollback_publishes_an_older_version_again(place: Place) -> None:
    (planned,) = records(place, "rollback", "guests", "--to", "1", "--dry-run")
    assert [(each["partition"], each["change"]) for each in planned["changes"]] == [
        (PARTITIONS[0], "recleaned"),
        (PARTITIONS[1], "removed"),
    ]
    assert len(records(place, "versions", "guests")) == 3
    assert "Published guests@4, with the data of guests@1." in told(place, "rollback", "guests", "--to", "1")
    newest, *_, oldest = records(place, "versions", "guests")
    assert (newest["version"], newest["reason"], newest["digest"]) == (4, "rollback", oldest["digest"])
    assert "nothing was published" in told(place, "rollback", "guests", "--to", "1")
    assert ask(place, "verify", "guests", "--no-raw").code == 0


@pytest.mark.parametrize(("to", "message"), [("9", "has no version 9"), ("x y", "no name"), ("old", "has no tag")])
def test_rollback_to_nothing_is_wrong_usage(place: Place, to: str, message: str) -> None:
    answer = ask(place, "rollback", "guests", "--to", to)
    assert answer.code == 2
    assert message in answer.error


def test_a_tag_means_its_version_everywhere(place: Place) -> None:
    assert "guests@paper is guests@2." in told(place, "tag", "guests@2", "paper")
    assert records(place, "files", "guests@paper") == records(place, "files", "guests@2")
    assert ask(place, "verify", "guests@paper", "--no-raw").code == 0
    assert {each["version"]: each["tags"] for each in records(place, "versions", "guests")} == {
        3: [],
        2: ["paper"],
        1: [],
    }
    assert "paper" in told(place, "versions", "guests")
    (tag,) = records(place, "tag", "guests")
    assert (tag["name"], tag["version"]) == ("paper", 2)
    assert "paper" in told(place, "tag", "guests")
    assert ask(place, "tag", "guests@3", "paper").code == 2
    (moved,) = records(place, "tag", "guests@3", "paper", "--move")
    assert moved["version"] == 3
    (planned,) = records(place, "tag", "guests@1", "paper", "--move", "--dry-run")
    assert (planned["version"], records(place, "tag", "guests")[0]["version"]) == (1, 3)
    assert "is removed" in told(place, "tag", "guests", "paper", "--delete")
    assert "has no tags" in told(place, "tag", "guests")


def test_a_version_is_found_as_of_a_moment(place: Place) -> None:
    assert records(place, "files", "guests@9999-12-31") == records(place, "files", "guests")
    answer = ask(place, "files", "guests@2001-01-01")
    assert (answer.code, "had no version at 2001-01-01" in answer.error) == (2, True)


# --- diff -------------------------------------------------------------------------------------------------------------


def test_diff_tells_partitions_books_columns_and_rows(place: Place) -> None:
    (found,) = records(place, "diff", "guests@2", "guests@3", "--rows", "5")
    assert [(each["partition"], each["change"]) for each in found["partitions"]] == [(PARTITIONS[0], "recleaned")]
    assert found["key"] == ["id"]
    assert found["rows"] == {"added": 1, "removed": 0, "changed": 1, "unchanged": 1, "repeated_keys": 0}
    changed = next(each for each in found["sample"] if each["kind"] == "changed")
    assert changed["key"] == {"id": "1"}
    assert changed["cells"] == [{"column": "room", "before": "12", "after": "22"}]
    (story,) = records(place, "explain", "guests@2", changed["record_before"])
    assert story["partition"] == PARTITIONS[0]


def test_diff_shows_nothing_personal_and_nothing_that_drives_the_terminal(place: Place) -> None:
    deliver(place, PARTITIONS[1], SECOND.replace("ok", "ok ok"))
    hostile = GUESTS.replace('str_matches="^[a-z ]+$", ', "")
    (place.home / "declarations" / "guests.py").write_text(hostile)
    deliver(place, PARTITIONS[0], AGAIN.replace("fine", CONTROLS))
    for arguments in (("--rows", "9"), ("--rows", "9", "--json"), ("--rows", "9", "--key", "email")):
        text = told(place, "diff", "guests@3", *arguments)
        assert not any(address in text for address in PERSONAL)
        assert "\x1b" not in text
        assert "\x9b" not in text
    assert "changed" in told(place, "diff", "guests@3", "--rows", "9")


def test_diff_of_the_same_content_says_so(place: Place) -> None:
    assert "same content" in told(place, "diff", "guests@3")


def test_diff_of_a_data_set_that_is_no_longer_declared_shows_no_value(place: Place) -> None:
    (place.home / "declarations" / "guests.py").unlink()
    text = told(place, "diff", "guests@2", "--rows", "9")
    assert "is not declared any more" in text
    assert "22" not in text.split("Rows as a whole")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("guests@2", "guests@9"), "no version 9"), (("guests@2", "--key", "idd"), "Did you mean id?")],
)
def test_diff_of_what_is_not_there_is_wrong_usage(place: Place, arguments: tuple[str, ...], message: str) -> None:
    answer = ask(place, "diff", *arguments)
    assert answer.code == 2
    assert message in answer.error


# --- gc ---------------------------------------------------------------------------------------------------------------


def keeping(place: Place, retention: str) -> None:
    declared = GUESTS.replace("import Dataset, Dedupe, Gates,", "import Dataset, Dedupe, Gates, Retention,")
    declared = declared.replace("    gates=Gates", f"    retention={retention},\n    gates=Gates")
    (place.home / "declarations" / "guests.py").write_text(declared)


def test_gc_without_a_declared_retention_keeps_every_version(place: Place) -> None:
    (report,) = records(place, "gc", "guests")
    assert (report["kept"], report["retired"], report["files"]) == ([1, 2, 3], [], 0)
    assert "guests: keeps all versions." in told(place, "gc", "guests")


def test_gc_retires_what_the_declaration_does_not_keep(place: Place) -> None:
    keeping(place, "Retention(keep_versions=1)")
    deliver(place, PARTITIONS[0], AGAIN)  # unchanged: which versions are kept makes nothing stale
    assert len(records(place, "versions", "guests")) == 3
    told(place, "tag", "guests@1", "paper")
    text = told(place, "gc", "guests", "--dry-run")
    assert "keeps the newest, and those with a tag" in text
    assert "1 of 3 versions would be retired: 2." in text
    (report,) = records(place, "gc", "guests")
    assert (report["kept"], report["retired"]) == ([1, 3], [2])
    assert [each["version"] for each in records(place, "versions", "guests")] == [3, 1]
    for reference in ("guests", "guests@paper"):
        assert ask(place, "verify", reference, "--no-raw").code == 0
    answer = ask(place, "files", "guests@2")
    assert (answer.code, "version 2 of guests was retired" in answer.error) == (2, True)
    assert any(line.startswith("keeps ") for line in told(place, "show", "guests").splitlines())


def test_gc_of_all_and_of_none(place: Place) -> None:
    assert {report["dataset"] for report in records(place, "gc", "--all")} >= {"flights", "guests"}
    for arguments in ((), ("guests", "--all"), ("guests", "--older-than", "soon"), ("gests",)):
        answer = ask(place, "gc", *arguments)
        assert answer.code == 2
        assert answer.error


# --- export -----------------------------------------------------------------------------------------------------------


def test_export_copies_a_version_and_says_where(place: Place, tmp_path: Path) -> None:
    assert "would be in" in told(place, "export", "guests@2", str(tmp_path / "out"), "--dry-run")
    assert not (tmp_path / "out").exists()
    (found,) = records(place, "export", "guests@2", str(tmp_path / "out"))
    assert (found["versions"], found["files"], found["copied"]) == ([2], 2, 2)
    rows = pl.read_parquet(tmp_path / "out" / "clean", hive_partitioning=True)
    assert rows.height == 3
    assert "links to the store's own" in told(place, "export", "guests", str(tmp_path / "linked"), "--link")
    answer = ask(place, "export", "guests", str(tmp_path / "out"))
    assert (answer.code, "there is something already" in answer.error) == (2, True)


def test_export_of_every_version_as_a_delta_table(place: Place, tmp_path: Path) -> None:
    text = told(place, "export", "guests", str(tmp_path / "out"), "--format", "delta")
    assert "3 versions of guests, 1 to 3, are in" in text
    assert [pl.read_delta(str(tmp_path / "out"), version=number).height for number in (1, 2, 3)] == [2, 3, 4]
    (found,) = records(place, "export", "guests@2", str(tmp_path / "part"), "--format", "delta", "--since", "2")
    assert found["versions"] == [2]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--since", "1"),
        ("--format", "delta", "--role", "quarantine"),
        ("--format", "delta", "--since", "9"),
        ("--format", "hudi"),
    ],
)
def test_export_of_what_can_not_be_meant_is_wrong_usage(
    place: Place, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    answer = ask(place, "export", "guests", str(tmp_path / "out"), *arguments)
    assert answer.code == 2
    assert not (tmp_path / "out").exists()
