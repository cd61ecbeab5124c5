"""What differs between two cleanings of a partition, and between two contracts, in words."""

from __future__ import annotations

import msgspec
import pytest

from schemas.records import (
    Books,
    Contract,
    OutputFile,
    PartitionEntry,
    RawFile,
    RejectCount,
    Role,
    RuleCount,
    Severity,
    StepCount,
)
from tasks.publish.rebuilt import compared, contract_change

RAW = RawFile("a.csv", 10, "a" * 64, "csv", "none", 10, 3, 4)
ENTRY = PartitionEntry(
    partition="p",
    contract="c",
    cleaning="i",
    inputs=(RAW,),
    books=(Books(4, 2, 1, 1, 0, 1),),
    files=(OutputFile(Role.CLEAN, "clean/p/i.parquet", 2, 99, "1"), OutputFile(Role.REPAIRS, "r", 1, 9, "2")),
    rules=(RuleCount("n.in_range", Severity.QUARANTINE, 1),),
    rejects=(RejectCount("ingest.blank_line", 1),),
    steps=(StepCount("n", "strip", 3, changed_value=False),),
)


def changed(**fields: object) -> PartitionEntry:
    return msgspec.structs.replace(ENTRY, **fields)


def test_the_same_is_the_same() -> None:
    found = compared(ENTRY, changed())
    assert (found.same, found.same_files, found.differences) == (True, True, ())


@pytest.mark.parametrize(
    ("again", "told"),
    [
        (changed(inputs=(), books=()), ("a.csv: it is not read any more",)),
        (
            changed(inputs=(msgspec.structs.replace(RAW, records=5),)),
            ("a.csv: records is '5', published as '4'",),
        ),
        (
            changed(books=(Books(4, 1, 1, 2, 0, 1),)),
            ("a.csv: 1 kept, published 2", "a.csv: 2 quarantined, published 1"),
        ),
        (changed(files=ENTRY.files[:1]), ("repairs: 0 rows, published 1",)),
        (
            changed(files=(msgspec.structs.replace(ENTRY.files[0], sha256="3"), ENTRY.files[1])),
            ("clean: as many rows, other bytes",),
        ),
        (changed(rules=()), ("rules: 0 of n.in_range (quarantine), published 1",)),
        (changed(rejects=(RejectCount("ingest.footer", 1),)), (
            "rejects: 0 of ingest.blank_line, published 1", "rejects: 1 of ingest.footer, published 0",
        )),
        (changed(steps=()), ("steps: 0 of n by strip, published 3",)),
        (changed(cleaning="j"), ("the cleaning is called j, published as 'i'",)),
    ],
)  # fmt: skip
def test_each_difference_is_told(again: PartitionEntry, told: tuple[str, ...]) -> None:
    found = compared(ENTRY, again)
    assert not found.same
    assert found.differences == told


def test_another_contract_alone_is_no_difference_of_the_files() -> None:
    files = tuple(msgspec.structs.replace(file, path=f"{file.path}x") for file in ENTRY.files)
    found = compared(ENTRY, changed(contract="d", cleaning="j", files=files))
    assert (found.same, found.same_files, found.differences) == (False, True, ())


BEFORE = Contract("trips", "a = 1\nb = 2\n", "d1", {}, (), {"one.py": "1", "two.py": "2"}, {"polars": "2.1"})


def test_what_changed_of_a_contract_is_named() -> None:
    now = Contract("trips", "a = 1\nb = 3\n", "d2", {}, (), {"one.py": "9", "three.py": "3"}, {"polars": "2.2"})
    found = contract_change("c", ("p",), BEFORE, now)
    assert [line for line in found.declaration if line[:1] + line[1:2] in ("-b", "+b")] == ["-b = 2", "+b = 3"]
    assert found.modules == {"one.py": "changed", "three.py": "added", "two.py": "removed"}
    assert found.libraries == {"polars": "2.1 -> 2.2"}


def test_another_way_to_write_the_same_is_no_change() -> None:
    now = msgspec.structs.replace(BEFORE, declaration="# a comment\na = 1\nb = 2\n")
    assert contract_change("c", ("p",), BEFORE, now).declaration == ()
