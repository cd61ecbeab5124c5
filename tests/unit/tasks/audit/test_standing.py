"""Standing: one state and a reason for each partition, and what a backfill would do."""

from __future__ import annotations

import msgspec
import pytest

from schemas.records import Books, PartitionEntry, RawFile, Replayed
from tasks.audit.gates import Finding
from tasks.audit.kept import Failure, Hold
from tasks.audit.standing import Planned, RawFiles, Standing, plan, standings

RAW: RawFiles = (("a/1.csv", 10), ("a/2.csv", 20))
CONTRACT = "c" * 32


def entry(*, contract: str = CONTRACT, raw: RawFiles = RAW, cleaning: str = "11") -> PartitionEntry:
    inputs = tuple(RawFile(path, size, "5e", "csv", "none", size, 0, 5) for path, size in raw)
    return PartitionEntry("a", contract, cleaning, inputs, (Books(records=10, kept=9, quarantined=1),), (), (), (), ())


def hold(*, before: str | None = None, contract: str = CONTRACT) -> Hold:
    finding = Finding("min_records", "3 records", "at least 10", "Ask.", "hold")
    return Hold("11-1", "t", entry(contract=contract), (finding,), "run", "r", "then", "later", before)


def failure(*, before: str | None = None, contract: str | None = CONTRACT) -> Failure:
    return Failure("a", "r", "then", "GateError", "too much", 1, contract, before)


def one(
    raw: RawFiles | None = RAW,
    found: PartitionEntry | None = None,
    failed: Failure | None = None,
    held: Hold | None = None,
) -> Standing:
    raws, entries = ({"a": raw} if raw else {}), ({"a": found} if found else {})
    (only,) = standings(raws, entries, {"a": failed} if failed else {}, [held] if held else [], CONTRACT)
    return only


def test_a_partition_as_its_dump_and_contract_are_is_cleaned() -> None:
    found = one(found=entry())
    assert (found.state, found.size, found.records, found.kept) == ("cleaned", 30, 10, 9)
    assert one(raw=None, found=entry()).reason == "its dump is gone, and its cleaning is there"


def test_a_partition_of_which_there_is_only_a_dump_is_missing() -> None:
    assert (one().state, one().records) == ("missing", None)


@pytest.mark.parametrize(
    ("raw", "found", "told"),
    [
        (RAW, entry(contract="d" * 32), "cleaned under the contract dddddddddddd; today's is cccccccccccc"),
        ((*RAW, ("a/3.csv", 1)), entry(), "raw files new: 'a/3.csv'"),
        (RAW[:1], entry(), "raw files gone: 'a/2.csv'"),
        ((("a/1.csv", 10), ("a/2.csv", 21)), entry(), "raw files of another size: 'a/2.csv'"),
    ],
)
def test_a_partition_of_another_dump_or_contract_is_stale_and_says_which(
    raw: RawFiles, found: PartitionEntry, told: str
) -> None:
    assert (one(raw, found).state, one(raw, found).reason) == ("stale", told)


def test_what_was_replayed_of_a_stale_partition_is_told() -> None:
    mixed = msgspec.structs.replace(entry(contract="d" * 32), replayed=Replayed(CONTRACT, 7))
    assert "(but for 7 records that were replayed)" in one(found=mixed).reason


def test_a_failure_counts_until_something_is_published() -> None:
    assert one(failed=failure()).state == "failed"
    assert one(failed=failure()).reason == "then: GateError: too much"
    assert one(failed=failure(contract="d" * 32)).reason.endswith("; the contract is another one since")
    stale = entry(contract="d" * 32)
    assert one(found=stale, failed=failure(before="11")).state == "failed"
    assert one(found=stale, failed=failure(before="10")).state == "stale"
    assert one(found=entry(), failed=failure(before="11")).state == "cleaned"


def test_a_hold_waits_as_long_as_it_is_of_this_dump_and_contract() -> None:
    assert (one(held=hold()).state, one(held=hold()).hold) == ("held", "11-1")
    assert "gate min_records: 3 records, expected at least 10" in one(held=hold()).reason
    older = one(held=hold(contract="d" * 32))
    assert (older.state, older.hold) == ("missing", "11-1")
    assert "what is held as 11-1 is no longer of this dump and contract" in older.reason
    moved = one(found=entry(), held=hold(before="10"))
    assert (moved.state, moved.hold) == ("cleaned", None)


def act(found: Standing, *wanted: str, has_raw: bool = True) -> Planned:
    (only,) = plan([found], wanted, raws=["a"] if has_raw else [])  # type: ignore[arg-type]  # states as text
    return only


def test_a_plan_compares_what_looks_clean_and_leaves_what_is_held() -> None:
    clean, missing, held = one(found=entry()), one(), one(held=hold())
    assert [act(each).act for each in (clean, missing, held)] == ["compare", "clean", "leave"]
    assert [act(each, "missing").act for each in (clean, missing, held)] == ["leave", "clean", "leave"]
    assert [act(each, "held", "stale").act for each in (clean, missing, held)] == ["leave", "leave", "leave"]
    gone = act(one(raw=None, found=entry()), has_raw=False)
    assert (gone.act, gone.reason.endswith("there is no dump to clean")) == ("leave", True)
