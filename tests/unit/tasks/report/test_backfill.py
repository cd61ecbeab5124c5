"""The report of a backfill: the gravest first, values escaped, days as letters or as a picture."""

from __future__ import annotations

import base64
import sys

import pytest

from schemas.records import Books
from tasks.report.backfill import Row, backfill_summary, calendar

BOOKS = Books(records=10, kept=8, quarantined=1, rejected=1)
DAYS = [Row(f"2026-10-{day:02}", "cleaned", "never cleaned", BOOKS) for day in range(1, 31)]


def test_it_counts_states_and_shows_the_gravest_first() -> None:
    text = backfill_summary(
        "trips", [*DAYS[:3], Row("2026-10-09", "failed", "GateError: too much"), Row("x|y", "held", "w")]
    )
    assert "5 partitions: 1 failed, 1 held, 3 cleaned. 24 rows kept." in text
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert lines[-5] == "| 2026-10-09 | failed | - | - | - | GateError: too much |"
    assert lines[-4] == "| x\\|y | held | - | - | - | w |"
    assert lines[-3] == "| 2026-10-01 | cleaned | 10 | 8 | 2 | never cleaned |"


def test_a_long_table_is_cut_and_says_so() -> None:
    text = backfill_summary("trips", [Row(f"p{n}", "cleaned", "") for n in range(250)])
    assert text.count("| cleaned |") == 200
    assert "50 more: `winnow status` shows all." in text


def test_many_days_are_a_picture_and_letters_where_it_cannot_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("vl_convert")
    picture = calendar(DAYS)
    start = "![calendar of the backfill](data:image/png;base64,"
    assert picture.startswith(start)
    assert base64.b64decode(picture.removeprefix(start).removesuffix(")")).startswith(b"\x89PNG")
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    assert calendar(DAYS).startswith(f"| 2026-10 | `{'c' * 30} ` |")


def test_partitions_that_are_no_days_have_no_calendar() -> None:
    assert calendar([Row("north", "cleaned", "")]) == ""
