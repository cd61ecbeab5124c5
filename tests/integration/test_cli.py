"""The commands that read, over a store of three nights of flights and a hotel's book full of hostile text.

The store is made without a Prefect server; the commands that clean are tried in test_flows.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pandas as pd
import polars as pl
import pytest
from typer.testing import CliRunner

from flows.clean import PLAIN, clean
from flows.cli import app
from flows.outcomes import print_outcomes
from schemas import registry
from schemas.errors import MissingExtraError
from schemas.records import Books
from tasks.job import Job, Outcome
from tests.integration.conftest import GUEST_BOOK, HOSTILE_FILE, HOSTILE_PARTITION, Place, furnish

#: A night with a cut line, the one that was delivered twice, and the one with the planted faults.
CUT, RESENT, TONIGHT = "2013-01-20", "2013-01-22", "2013-01-31"
READING = ("show", "versions", "files", "verify", "explain", "quarantine", "rebuild")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    try:
        made = furnish(tmp_path_factory.mktemp("place"), nights=31)
    except MissingExtraError as error:
        pytest.skip(str(error))
    for dataset, partition in [
        *(("flights", night) for night in (CUT, RESENT, TONIGHT)),
        ("guests", HOSTILE_PARTITION),
    ]:
        declaration = registry.locate(dataset, [made.home / "declarations"])
        roots = (str(made.home / "raw"), str(made.home / "store"))
        clean(Job(dataset, partition, str(declaration), *roots, run_id=f"{dataset} {partition}"), PLAIN)
    return made


class Answer(NamedTuple):
    code: int
    text: str
    error: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line, parse_constant=pytest.fail) for line in self.text.splitlines()]


def ask(place: Place, *arguments: str, **environment: str) -> Answer:
    with contextlib.chdir(place.home):
        result = CliRunner().invoke(app, arguments, env=place.variables | {"COLUMNS": "80"} | environment)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def told(place: Place, *arguments: str, **environment: str) -> str:
    answer = ask(place, *arguments, **environment)
    assert (answer.code, answer.error) == (0, "")
    return answer.text


def records(place: Place, *arguments: str) -> list[dict[str, Any]]:
    answer = ask(place, *arguments, "--json")
    assert (answer.code, answer.error) == (0, "")
    return answer.records


def raw_line(place: Place, source: str, number: int) -> str:
    """A line of a raw file, from 1, as it stands there."""
    return (place.home / "raw" / source).read_bytes().split(b"\n")[number - 1].decode()


# --- list and show ----------------------------------------------------------------------------------------------------


def test_list_names_the_data_sets_their_rules_and_newest_versions(place: Place) -> None:
    answer = ask(place, "list", "--json")
    found = {each["dataset"]: each for each in answer.records}
    assert {name: each["version"] for name, each in found.items()} == {
        "flights": 3, "guests": 1,
        **dict.fromkeys(["lodgers", "misdeclared", "planes", "snippets", "weather"]),
    }  # fmt: skip
    assert found["flights"]["rules"] == 59
    assert found["guests"]["title"].startswith("Guests: a hotel's book")
    assert Path(found["guests"]["declared_in"]) == place.home / "declarations" / "guests.py"


def test_list_shows_the_other_data_sets_when_one_is_declared_wrongly(place: Place) -> None:
    answer = ask(place, "list", COLUMNS="250")
    assert answer.code == 2
    assert re.search(r"^flights +3 +59 ", answer.text, re.MULTILINE)
    assert re.search(r"^misdeclared +- +- +UnknownNameError", answer.text, re.MULTILINE)
    assert "Did you mean lowercase?" in answer.text
    (wrong,) = (each for each in ask(place, "list", "--json").records if "error" in each)
    assert (wrong["dataset"], wrong["error"]) == ("misdeclared", "UnknownNameError")


def test_show_tells_a_declaration_as_one_object(place: Place) -> None:
    (card,) = records(place, "show", "guests")
    assert card["name"] == "guests"
    assert card["source"] == "guests/{partition}/*.csv"
    email = next(column for column in card["columns"] if column["name"] == "email")
    assert email == {"name": "email", "dtype": "String", "nullable": False, "notes": "personal", "description": ""}
    assert {"id", "severity", "kind", "how", "reason"} == set(card["rules"][0])
    assert {"email.str_matches", "room.in_range", "id.conflict"} <= {rule["id"] for rule in card["rules"]}
    assert card["dedupe"] == ["by id, keeping the first"]


@pytest.mark.parametrize("columns", [20, 80, 140])
def test_show_keeps_every_name_whole_however_wide_the_terminal_is(place: Place, columns: int) -> None:
    text = told(place, "show", "flights", COLUMNS=str(columns))
    (card,) = records(place, "show", "flights")
    lines = text.splitlines()
    for name, severity in ((rule["id"], rule["severity"]) for rule in card["rules"]):
        assert any(re.match(rf"{re.escape(name)} +{severity} +\S", line) for line in lines), name
    assert any(re.match(r"time_hour +Datetime\[us, UTC\] +The scheduled", line) for line in lines)
    table = lines[lines.index(next(line for line in lines if line.startswith("rule "))) :]
    assert max(map(len, table)) <= max(columns, 80)


# --- versions, files and verify ---------------------------------------------------------------------------------------


def test_versions_come_newest_first(place: Place) -> None:
    found = records(place, "versions", "flights")
    assert [each["version"] for each in found] == [3, 2, 1]
    assert set(found[0]) == {"version", "created_at", "reason", "partitions", "rows", "digest", "run_id", "tags"}
    assert [each["partitions"] for each in found] == [3, 2, 1]
    assert [each["version"] for each in records(place, "versions", "flights", "--last", "1")] == [3]
    text = told(place, "versions", "flights", "--last", "1")
    assert found[0]["digest"][:16] in text
    assert "Older ones from version 1 on: --last shows more." in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_data_set_of_which_nothing_was_published_says_so(place: Place) -> None:
    assert "winnow run weather --partition P" in told(place, "versions", "weather")
    assert records(place, "versions", "weather") == []
    for command in ("files", "verify", "quarantine"):
        answer = ask(place, command, "weather")
        assert answer.code == 2
        assert "Nothing was published yet" in answer.error


def test_files_are_read_alike_by_any_reader(place: Place) -> None:
    paths = told(place, "files", "flights").splitlines()
    found = records(place, "files", "flights")
    assert paths == [each["path"] for each in found]
    assert [each["partition"] for each in found] == [CUT, RESENT, TONIGHT]
    rows = sum(each["rows"] for each in found)
    assert rows > 2_000
    assert pl.read_parquet(paths).height == rows
    assert len(duckdb.read_parquet(paths)) == rows
    assert len(pd.read_parquet(paths)) == rows
    assert [Path(path).stat().st_size for path in paths] == [each["size"] for each in found]


def test_files_of_an_older_version_and_of_another_role(place: Place) -> None:
    assert len(told(place, "files", "flights@1").splitlines()) == 1
    (path,) = told(place, "files", "flights@2", "--role", "duplicates").splitlines()
    assert pl.read_parquet(path).height == 890
    assert told(place, "files", "flights@1", "--role", "duplicates") == ""


def test_verify_proves_a_version_and_finds_a_changed_byte(place: Place, tmp_path: Path) -> None:
    for dataset in ("flights", "flights@1", "guests"):
        assert "every file, count and record is as its manifest says" in told(place, "verify", dataset)
    (report,) = records(place, "verify", "flights")
    assert (report["ok"], report["version"], report["findings"]) == (True, 3, [])
    shutil.copytree(place.home / "store", tmp_path / "store")
    damaged = (
        tmp_path / "store" / Path(told(place, "files", "flights").splitlines()[1]).relative_to(place.home / "store")
    )
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    for arguments in (["verify", "flights"], ["verify", "flights", "--no-raw"], ["verify", "flights", "--json"]):
        answer = ask(place, *arguments, WINNOW_STORE=str(tmp_path / "store"))
        assert answer.code == 1
        assert damaged.name in answer.text
        assert RESENT in answer.text
    assert ask(place, "verify", "flights@1", WINNOW_STORE=str(tmp_path / "store")).code == 0


def test_verify_looks_at_the_dumps_unless_told_not_to(place: Place, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    answer = ask(place, "verify", "flights", "--json", WINNOW_RAW=str(tmp_path / "raw"))
    assert answer.code == 1
    assert {finding["kind"] for finding in answer.records[0]["findings"]} == {"raw"}
    assert ask(place, "verify", "flights", "--no-raw", WINNOW_RAW=str(tmp_path / "raw")).code == 0


def test_verify_reads_the_dumps_again_when_told_to(place: Place) -> None:
    for dataset in ("flights", "guests"):
        (quick,), (deep,) = records(place, "verify", dataset), records(place, "verify", dataset, "--raw")
        assert deep["ok"]
        assert (quick["reread"], deep["reread"]) == (0, deep["records"])
        assert deep["manifest_sha256"] == quick["manifest_sha256"]
        text = told(place, "verify", dataset, "--raw")
        assert f"{deep['records']:,} records were read again, and stand in the raw files where it says." in text
        assert deep["manifest_sha256"] in text


def test_verify_names_the_place_of_a_flipped_byte_in_a_dump(place: Place, tmp_path: Path) -> None:
    shutil.copytree(place.home / "raw", tmp_path / "raw")
    dump = tmp_path / "raw/flights" / TONIGHT / "flights.csv"
    content = bytearray(dump.read_bytes())
    content[1000] ^= 1
    dump.write_bytes(content)
    for option in (["--raw"], []):
        answer = ask(place, "verify", "flights", *option, "--json", WINNOW_RAW=str(tmp_path / "raw"))
        assert answer.code == 1
        (finding,) = answer.records[0]["findings"]
        assert (finding["kind"], finding["path"]) == ("raw", f"flights/{TONIGHT}/flights.csv")
        assert f"other bytes between 0 and {len(content):,}" in finding["what"]


# --- rebuild ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", ["flights@1", "flights@2", "flights", "guests"])
def test_rebuild_gives_every_version_its_digest_again(place: Place, reference: str) -> None:
    (found,) = records(place, "rebuild", reference)
    (verified,) = records(place, "verify", reference)
    assert found["same"]
    assert found["rebuilt_digest"] == found["digest"]
    assert found["version"] == verified["version"]
    assert found["changes"] == []


def test_rebuild_tells_what_it_did(place: Place) -> None:
    text = told(place, "rebuild", "flights", "--partition", CUT)
    assert re.search(rf"^{CUT} +the same *$", text, re.M)
    assert TONIGHT not in text
    (found,) = records(place, "rebuild", "flights", "--partition", CUT)
    assert f"flights@3: 1 of 3 partitions cleaned again, the same digest, {found['digest']}" in text


def test_rebuild_shows_the_change_of_a_declaration_that_explains_another_digest(place: Place, tmp_path: Path) -> None:
    shutil.copytree(place.home / "declarations", tmp_path / "declarations")
    (tmp_path / "declarations/guests.py").write_text(
        (place.home / "declarations/guests.py").read_text().replace('"max_value": 400', '"max_value": 14')
    )
    changed = {"WINNOW_DATASETS": str(tmp_path / "declarations")}
    answer = ask(place, "rebuild", "guests", **changed)
    assert answer.code == 1
    assert '  -    room: int = pa.Field(in_range={"min_value": 1, "max_value": 400})' in answer.text
    assert '  +    room: int = pa.Field(in_range={"min_value": 1, "max_value": 14})' in answer.text
    assert "NOT the same" in answer.text
    assert "guests@1 is NOT what it becomes today" in answer.text
    assert "\x1b" not in answer.text
    assert ask(place, "rebuild", "guests", "--as-published", **changed).code == 0
    (found,) = ask(place, "rebuild", "guests", "--json", **changed).records
    assert not found["same"]
    assert found["partitions"][0]["differences"]


def test_rebuild_says_why_it_can_not(place: Place, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    answer = ask(place, "rebuild", "flights@1", WINNOW_RAW=str(tmp_path / "raw"))
    assert answer.code == 1
    assert "can't be: 'flights/2013-01-20/flights.csv" in answer.text
    assert "flights@1 can't be cleaned again as a whole" in answer.text
    wrong = ask(place, "rebuild", "flights", "--partition", "2013-01-02")
    assert wrong.code == 2
    assert "Did you mean" in wrong.error


# --- quarantine and explain -------------------------------------------------------------------------------------------


def test_quarantine_lists_what_was_set_aside_with_every_reason(place: Place) -> None:
    found = records(place, "quarantine", "flights")
    assert {each["partition"] for each in found} == {CUT, TONIGHT}
    assert {each["fate"] for each in found} == {"quarantined", "rejected"}
    garbled = next(each for each in found if "dep_time.clock_time" in each["rules"])
    assert garbled["rules"] == ["dep_time.clock_time", "dep_delay_agrees"]
    assert garbled["cells"]["dep_time"] == "2575"
    assert garbled["raw"] == raw_line(place, garbled["source"], garbled["line"])
    text = told(place, "quarantine", "flights")
    for each in found:
        assert f"{each['record']}  {each['partition']}  {each['source']}, line {each['line']}" in text
        assert each["raw"] in text
        for rule, reason in zip(each["rules"], each["reasons"], strict=True):
            assert f"    {rule}: {reason}" in text
    assert f"{len(found)} of {len(found)} records" in text


def test_quarantine_is_filtered_by_rule_and_partition_and_cut(place: Place) -> None:
    everything = records(place, "quarantine", "flights")
    by_rule = records(place, "quarantine", "flights", "--rule", "origin.isin")
    assert by_rule == [each for each in everything if "origin.isin" in each["rules"]] != []
    assert records(place, "quarantine", "flights", "--partition", CUT) == [
        each for each in everything if each["partition"] == CUT
    ]
    assert "1 of 1 records" in told(place, "quarantine", "flights", "--partition", CUT)
    assert records(place, "quarantine", "flights", "--limit", "2") == everything[:2]
    assert f"2 of {len(everything)} records" in told(place, "quarantine", "flights", "--limit", "2")
    answer = ask(place, "quarantine", "flights", "--rule", "orgin.isin")  # typos: on purpose
    assert answer.code == 2
    assert "Did you mean origin.isin?" in answer.error


@pytest.mark.parametrize("fate", ["quarantined", "rejected"])
def test_explain_leads_from_what_was_set_aside_to_its_bytes(place: Place, fate: str) -> None:
    aside = next(each for each in records(place, "quarantine", "flights") if each["fate"] == fate)
    (story,) = records(place, "explain", "flights", aside["record"])
    (delivery,) = story["deliveries"]
    assert (delivery["fate"], delivery["source"], delivery["line"]) == (fate, aside["source"], aside["line"])
    assert (delivery["rules"], delivery["reasons"]) == (aside["rules"], aside["reasons"])
    assert story["raw"] == raw_line(place, aside["source"], aside["line"]) + "\n"
    with (place.home / "raw" / delivery["source"]).open("rb") as dump:
        dump.seek(delivery["offset"])
        assert dump.read(delivery["length"]).decode() == story["raw"]
    text = told(place, "explain", "flights", aside["record"])
    assert f"{fate}: {aside['source']}, line {aside['line']}, bytes {delivery['offset']} to " in text
    assert aside["raw"] in text
    for rule, reason in zip(aside["rules"], aside["reasons"], strict=True):
        assert f"  {rule}: {reason}" in text


def test_explain_tells_the_repair_of_a_kept_record(place: Place) -> None:
    clean_rows = pl.read_parquet(told(place, "files", "flights").splitlines())
    row = clean_rows.filter(carrier="EV", flight=5693, origin="LGA", day=31).row(0, named=True)
    (story,) = records(place, "explain", "flights", f"{row['_file'][:8]}:{row['_record']}")
    (delivery,) = story["deliveries"]
    assert (delivery["fate"], delivery["rules"]) == ("kept", [])
    assert delivery["values"]["tailnum"] == row["tailnum"] == "N832AS"
    assert ",n832as," in story["raw"] == raw_line(place, delivery["source"], delivery["line"]) + "\n"
    (repair,) = story["repairs"]
    assert (repair["column"], repair["step"], repair["before"], repair["after"]) == (
        "tailnum", "uppercase", "n832as", "N832AS",
    )  # fmt: skip
    text = told(place, "explain", "flights", f"{row['_file'][:8]}:{row['_record']}")
    assert "repair: tailnum by uppercase: n832as -> N832AS" in text
    assert "  tailnum = N832AS" in text


def test_explain_tells_both_deliveries_of_a_record_that_came_twice(place: Place) -> None:
    (path,) = told(place, "files", "flights@2", "--role", "duplicates").splitlines()
    row = pl.read_parquet(path).row(6, named=True)
    (story,) = records(place, "explain", "flights", f"{row['_file'][:16]}:{row['_record']}")
    first, second = sorted(story["deliveries"], key=lambda each: str(each["source"]))
    assert (first["fate"], second["fate"]) == ("kept", "duplicate")
    assert (first["source"], second["source"]) == (
        f"flights/{RESENT}/flights.csv", f"flights/{RESENT}/flights_resent.csv",
    )  # fmt: skip
    assert second["duplicate_of"].split(":")[1] == str(row["_record"])
    text = told(place, "explain", "flights", f"{row['_file'][:16]}:{row['_record']}")
    assert re.search(
        rf"^duplicate of {row['_file'][:16]}\w*:{row['_record']}: .*flights_resent\.csv, line 8", text, re.M
    )
    assert re.search(r"^kept: .*flights\.csv, line 8", text, re.M)


def test_explain_names_the_survivor_of_a_duplicate(place: Place) -> None:
    (path,) = told(place, "files", "guests", "--role", "duplicates").splitlines()
    (row,) = pl.read_parquet(path).iter_rows(named=True)
    (story,) = records(place, "explain", "guests", f"{row['_file'][:8]}:{row['_record']}")
    (delivery,) = story["deliveries"]
    assert (delivery["fate"], row["_record"]) == ("duplicate", 2)
    assert delivery["duplicate_of"] == row["_duplicate_of"]
    assert delivery["duplicate_of"].endswith(":1")
    assert story["raw"] == GUEST_BOOK.splitlines()[2] + "\n"


def test_a_number_that_json_has_not_is_null(place: Place) -> None:
    (path,) = told(place, "files", "guests").splitlines()
    rows = pl.read_parquet(path)
    assert rows.get_column("rate").is_nan().any()
    number = rows.filter(pl.col("rate").is_nan()).get_column("_record").item()
    (story,) = records(place, "explain", "guests", f"{rows.get_column('_file')[0][:8]}:{number}")
    assert story["deliveries"][0]["values"]["rate"] is None


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [*READING, "run", "backfill", "nightly"])
def test_an_unknown_data_set_is_told_with_the_nearest_name(place: Place, command: str) -> None:
    more: Mapping[str, list[str]] = {
        "explain": ["00000000:1"], "run": ["--partition", "x"], "backfill": ["--from", "a", "--to", "b"],
    }  # fmt: skip
    arguments = [command, "flihgts", *more.get(command, [])]
    answer = ask(place, *arguments)
    assert answer.code == 2
    assert answer.text == ""
    assert "DatasetNotFoundError" in answer.error
    assert "Did you mean flights?" in answer.error
    (record,) = ask(place, *arguments, "--json").records
    assert (record["error"], record["exit_code"]) == ("DatasetNotFoundError", 2)
    assert record["fix"] == "Did you mean flights?"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["files", "flights@x"], "flights has no tag 'x'"),
        (["files", "flights@-1"], "'-1' is no version"),
        (["files", "flights@99"], "It has 1 to 3"),
        (["files", f"flights@{'9' * 5000}"], "is no version"),
        (["files", "../flights"], "no data set is called"),
        (["versions", ""], "no data set is called"),
        (["explain", "flights", "what"], "is no record id"),
        (["explain", "flights", "00000000:1"], "has no record 00000000:1"),
        (["quarantine", "flights", "--partition", "2013-01-21"], "unknown partition '2013-01-21'"),
        (["versions", "flights", "--last", "0"], "greater than or equal to 1"),
        (["no-such-command"], "No such command"),
    ],
)
def test_wrong_usage_is_told_and_exits_with_two(place: Place, arguments: list[str], words: str) -> None:
    answer = ask(place, *arguments)
    assert answer.code == 2
    assert words in re.sub(r"\s+", " ", answer.error)


def test_a_wrong_setting_is_told_with_the_nearest_name(place: Place, tmp_path: Path) -> None:
    settings = tmp_path / "winnow.toml"
    settings.write_text("stroe = 'x'\n")  # typos: on purpose
    answer = ask(place, "versions", "flights", WINNOW_SETTINGS=str(settings))
    assert answer.code == 2
    assert "unknown setting 'stroe'" in answer.error  # typos: on purpose
    assert "Did you mean store?" in answer.error


# --- what reaches the terminal ----------------------------------------------------------------------------------------


def test_no_control_character_of_data_reaches_the_terminal(place: Place) -> None:
    ids = [each["record"] for each in records(place, "quarantine", "guests")]
    commands = [
        ["versions", "guests"], ["files", "guests"], ["verify", "guests"], ["show", "guests"], ["quarantine", "guests"],
        ["quarantine", "guests", "--partition", "\x1b[31m"], *(["explain", "guests", each] for each in ids),
    ]  # fmt: skip
    seen = ""
    for command in commands:
        for arguments in (command, [*command, "--json"]):
            answer = ask(place, *arguments)
            assert all(line.isprintable() for line in (answer.text + answer.error).splitlines())
            assert "--json" not in arguments or answer.text.isascii()
            seen += answer.text + answer.error
    # The characters were there to be escaped.
    assert r"\x1b[31m\x1b]0;owned\x07\x9b31m\u202e" in seen
    assert HOSTILE_FILE in seen


def test_the_outcome_of_a_run_fits_and_holds_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    books = Books(records=26_994, kept=20_000, duplicate=4_000, quarantined=2_000, rejected=994, repaired=7)
    outcome = Outcome("snippets", "2013-01-31", 31, "d", True, "version 31, published \x1b[31m", books, (), ())
    print_outcomes([outcome], as_json=False)
    heading, row, note = capsys.readouterr().out.splitlines()
    assert heading.split() == [
        "data", "set", "partition", "records", "kept", "duplicate", "quarantined", "rejected", "repaired",
    ]  # fmt: skip
    assert row.split() == ["snippets", "2013-01-31", "26,994", "20,000", "4,000", "2,000", "994", "7"]
    assert max(len(heading.rstrip()), len(row.rstrip())) <= 80
    assert note == r"snippets 2013-01-31: version 31, published \x1b[31m"


def test_a_terminal_without_the_characters_gets_escapes(place: Place) -> None:
    done = place.winnow("show", "flights", PYTHONIOENCODING="ascii", COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    assert r"\u2026" in done.stdout


def test_a_reader_that_stops_early_gets_no_traceback(place: Place) -> None:
    with place.start("quarantine", "flights", "--limit", "100") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()


# --- what is not imported ---------------------------------------------------------------------------------------------

_IMPORTED = """
import sys
from typer.testing import CliRunner
from flows.cli import app

for arguments in {commands}:
    result = CliRunner().invoke(app, arguments)
    print(arguments[0], result.exit_code, *sorted(set({libraries}) & set(sys.modules)))
"""
SLOW = ("prefect", "pandera", "pandas", "hypothesis", "duckdb", "jinja2")


def imported(place: Place, commands: list[list[str]], libraries: tuple[str, ...]) -> list[str]:
    """What of the libraries is imported after each command, one after another in a fresh process."""
    script = _IMPORTED.format(commands=commands, libraries=libraries)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | place.variables,
        cwd=place.home,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_reading_never_imports_prefect_or_pandera(place: Place) -> None:
    record = records(place, "quarantine", "flights")[0]["record"]
    told(place, "show", "flights")  # the first time, it reads the declaration; then its cache
    commands = [
        ["show", "flights"], ["versions", "flights"], ["files", "flights"], ["verify", "flights"],
        ["quarantine", "flights"], ["explain", "flights", record],
    ]  # fmt: skip
    assert imported(place, commands, SLOW) == [f"{command[0]} 0" for command in commands]


def test_listing_from_the_cache_does_not_even_import_polars(place: Place, tmp_path: Path) -> None:
    # Without the wrong declaration, which is read anew each time.
    good = shutil.copytree(place.home / "declarations", tmp_path / "declarations")
    (good / "misdeclared.py").unlink()
    fixed = Place(place.home, {"WINNOW_DATASETS": str(good)})
    assert ask(fixed, "list").code == 0
    commands = [["list"], ["show", "guests"], ["versions", "guests"], ["files", "guests"], ["list", "--json"]]
    assert imported(fixed, commands, (*SLOW, "polars", "pyarrow", "numpy")) == [
        f"{command[0]} 0" for command in commands
    ]


def test_a_misspelt_data_set_costs_no_start_of_prefect(place: Place) -> None:
    commands = [["run", "flihgts", "--partition", "x"], ["nightly", "flihgts"]]
    assert imported(place, commands, SLOW) == ["run 2", "nightly 2"]


# --- serve ------------------------------------------------------------------------------------------------------------


def test_a_server_that_others_could_reach_is_refused_without_a_password(place: Place) -> None:
    answer = ask(place, "serve", "--host", "0.0.0.0")
    assert (answer.code, answer.text) == (2, "")
    assert "the server would be open to them" in answer.error
    assert "Set PREFECT_SERVER_API_AUTH_STRING=USER:PASSWORD" in answer.error
    assert "PREFECT_SERVER_CSRF_PROTECTION_ENABLED=true" in answer.error
    half = ask(place, "serve", "--host", "::", PREFECT_SERVER_API_AUTH_STRING="winnow:correct-horse-battery")
    assert half.code == 2
    assert "correct-horse" not in half.error
    assert "Set PREFECT_SERVER_CSRF_PROTECTION_ENABLED=true;" in half.error
