"""The laws, held against generated dumps: good rows, broken rows, repeated rows, rubbish.

Every law is checked from what was written, by code that shares nothing with the code that wrote it: Python's csv module
reads the raw bytes again, and the rules are stated a second time in Python.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import Role
from tasks.publish.verify import verify_version
from tasks.store.local import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from conftest import Cleaned

HEADER = b"id,shop,amount,note\n"
FATES = (Role.CLEAN, Role.QUARANTINE, Role.DUPLICATES, Role.REJECTS)

_ids = st.sampled_from(["1", "2", "3", " 3", "-1", "x", "", "99999999999999999999"])
_shops = st.sampled_from(["north", "South", " north ", "east", ""])
_amounts = st.sampled_from(["5", "5.0", "101", "NA", "", "1e400", "nan", "-0"])
_notes = st.sampled_from(["", "ok", "too long a note", '"quo,ted"', '"a\nb"', "é", "\x00", "=1+1"])
_rows = st.tuples(_ids, _shops, _amounts, _notes).map(lambda cells: ",".join(cells).encode())
_rubbish = st.one_of(
    st.binary(max_size=12).map(lambda data: data.replace(b"\n", b"")),
    st.sampled_from([b"1,north", b"1,north,2,x,y", b'1,"north,2,x', b'1,no"rth,2,x', b"1,north,\xff,x", b""]),
)
_files = st.lists(st.one_of(_rows, _rows, _rows, _rubbish), max_size=12).map(
    lambda lines: HEADER + b"".join(line + b"\n" for line in lines)
)
dumps = st.lists(_files, min_size=1, max_size=3).map(
    lambda files: {f"{number}.csv": data for number, data in enumerate(files)}
)

relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=25)


@relaxed
@given(dumps)
def test_law_1_every_record_and_every_byte_has_one_fate(clean_dumps: Callable[..., Cleaned], dump: Mapping) -> None:
    cleaned = clean_dumps({"p": dump})
    assert cleaned.outcome.books.balanced
    entry = cleaned.version.manifest.partitions["p"]
    first = {raw.sha256: raw.path for raw in reversed(entry.inputs)}
    # The kept records of a file that came twice are the first delivery's; every other row names its own file.
    fates = [(row.get("_source", first[row["_file"]]), row) for role in FATES for row in cleaned.rows(role)]
    for raw, books in zip(entry.inputs, entry.books, strict=True):
        spans = [(row["_record"], row["_offset"], row["_length"]) for path, row in fates if path == raw.path]
        spans.sort()
        assert [record for record, _, _ in spans] == list(range(1, books.records + 1))
        data = dump[raw.path.split("/")[-1]]
        at = raw.header_size or 0
        for _, offset, length in spans:
            assert offset == at
            at += length
        assert at == len(data)


@relaxed
@given(dumps)
def test_law_2_nothing_is_altered_in_silence(clean_dumps: Callable[..., Cleaned], dump: Mapping) -> None:
    cleaned = clean_dumps({"p": dump})
    by_sha = {raw.sha256: dump[raw.path.split("/")[-1]] for raw in cleaned.version.manifest.partitions["p"].inputs}
    for role in (Role.QUARANTINE, Role.DUPLICATES, Role.REJECTS):
        for row in cleaned.rows(role):
            assert row["_raw"] == by_sha[row["_file"]][row["_offset"] : row["_offset"] + row["_length"]]
    repairs = {(row["_file"], row["_record"], row["column"]): row for row in cleaned.rows(Role.REPAIRS)}
    for row in cleaned.rows(Role.CLEAN):
        raw = by_sha[row["_file"]][row["_offset"] : row["_offset"] + row["_length"]]
        (cells,) = csv.reader(io.StringIO(raw.decode(), newline=""))
        expected = dict(zip(("id", "shop", "amount", "note"), cells, strict=True))
        for column in ("shop", "note"):
            text = expected[column].strip() if column == "shop" else expected[column]
            repair = repairs.get((row["_file"], row["_record"], column))
            if repair:
                assert (repair["before"], repair["after"]) == (text, row[column])
            else:
                assert row[column] == (None if text.strip() in ("", "NA") else text)
        assert row["id"] == int(expected["id"])
        amount = expected["amount"].strip()
        assert row["amount"] == (None if amount in ("", "NA") else float(amount))


def broken_rules(cells: dict[str, str]) -> set[str]:
    """The rules about one row, said again in Python."""
    text = {name: None if cell.strip() in ("", "NA") else cell for name, cell in cells.items()}
    judged = [*_broken_id(text["id"]), *_broken_shop(text["shop"]), *_broken_amount(text["amount"])]
    return {*judged, *(["note.str_length"] if len(text["note"] or "") > 5 else [])}


def _broken_id(text: str | None) -> list[str]:
    if text is None:
        return ["id.not_nullable"]
    if not text.strip().removeprefix("-").isdigit() or abs(int(text)) >= 2**63:
        return ["id.castable"]
    return ["id.greater_than_or_equal_to"] if int(text) < 0 else []


def _broken_shop(text: str | None) -> list[str]:
    if text is None:
        return ["shop.not_nullable"]
    return [] if text.strip().lower() in ("north", "south") else ["shop.isin"]


def _broken_amount(text: str | None) -> list[str]:
    amount = 0.0 if text is None else float(text)
    if amount == float("inf"):
        return ["amount.castable"]
    return [] if 0 <= amount <= 100 else ["amount.in_range"]  # not a number is in no range


@relaxed
@given(dumps)
def test_law_3_a_quarantined_row_carries_every_rule_it_broke(
    clean_dumps: Callable[..., Cleaned], dump: Mapping
) -> None:
    cleaned = clean_dumps({"p": dump})
    for row in cleaned.rows(Role.QUARANTINE):
        (cells,) = csv.reader(io.StringIO(row["_raw"].decode(), newline=""))
        expected = broken_rules(dict(zip(("id", "shop", "amount", "note"), cells, strict=True)))
        assert set(row["_rules"]) - {"id.conflict"} == expected
        assert len(row["_rules"]) == len(row["_reasons"])
        assert (row["_conflicts_with"] is not None) == ("id.conflict" in row["_rules"])


@relaxed
@given(dumps, dumps)
def test_law_4_the_same_dumps_give_the_same_digest_in_any_order(
    clean_dumps: Callable[..., Cleaned], one: Mapping, other: Mapping
) -> None:
    forwards = clean_dumps({"a": one, "b": other})
    backwards = clean_dumps({"b": other, "a": one})
    assert forwards.version.manifest.digest == backwards.version.manifest.digest


@relaxed
@given(dumps)
def test_law_6_cleaning_again_publishes_nothing(clean_dumps: Callable[..., Cleaned], dump: Mapping) -> None:
    first = clean_dumps({"p": dump})
    again = clean_dumps({"p": dump}, into=first.root.parent)
    assert first.outcome.published
    assert not again.outcome.published
    assert again.outcome.version == first.outcome.version == 1


@relaxed
@given(dumps)
def test_law_6_cleaning_clean_data_changes_nothing(clean_dumps: Callable[..., Cleaned], dump: Mapping) -> None:
    clean = clean_dumps({"p": dump}).frame(Role.CLEAN).select("id", "shop", "amount", "note")
    again = clean_dumps({"p": {"clean.csv": clean.write_csv(quote_style="non_numeric").encode()}})
    assert again.outcome.books.kept == again.outcome.books.records == clean.height
    assert again.outcome.books.repaired == 0
    assert again.frame(Role.CLEAN).select(clean.columns).equals(clean)


@relaxed
@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.binary(max_size=200), min_size=1))
@pytest.mark.parametrize("text_format", ["jsonl", "parquet"])
def test_law_8_rubbish_costs_no_record_and_no_process(
    clean_dumps: Callable[..., Cleaned], text_format: str, dump: Mapping
) -> None:
    cleaned = clean_dumps({"p": dump}, text_format)
    assert cleaned.outcome.books.balanced


@relaxed
@given(dumps)
def test_what_is_published_verifies(clean_dumps: Callable[..., Cleaned], dump: Mapping) -> None:
    cleaned = clean_dumps({"p": dump})
    report = verify_version(open_store(cleaned.root), "sales", 1, raw_root=str(cleaned.raw))
    assert report.ok, report.findings
