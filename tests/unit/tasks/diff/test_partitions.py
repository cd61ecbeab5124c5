"""What two manifests say differently: partitions, books and rules."""

from __future__ import annotations

import msgspec

from schemas.records import Books, OutputFile, PartitionEntry, RejectCount, Role, RuleCount, Severity
from tasks.diff.partitions import Change, clean_paths, partition_changes, rule_changes, totals


def entry(partition: str, kept: int = 1, sha256: str = "s", contract: str = "c") -> PartitionEntry:
    files = (
        OutputFile(Role.CLEAN, f"clean/{partition}/{contract}.parquet", kept, 1, sha256),
        OutputFile(Role.REJECTS, f"rejects/{partition}/{contract}.parquet", 1, 1, "r"),
    )
    rules = (RuleCount("id.ge", Severity.QUARANTINE, kept),)
    rejects = (RejectCount("encoding", 1),)
    return PartitionEntry(partition, contract, "i", (), (Books(kept + 1, kept, rejected=1),), files, rules, rejects, ())


def test_each_kind_of_change() -> None:
    before = {each.partition: each for each in (entry("a"), entry("b"), entry("c"), entry("d"))}
    after = {
        "b": entry("b"),
        "c": entry("c", kept=3, sha256="t"),
        "d": entry("d", contract="e"),
        "e": entry("e", kept=5),
    }
    changes = partition_changes(before, after)
    assert [(each.partition, each.change, each.rows_before, each.rows_after) for each in changes] == [
        ("a", Change.REMOVED, 1, None),
        ("c", Change.RECLEANED, 1, 3),
        ("d", Change.RESTATED, 1, 1),
        ("e", Change.ADDED, None, 5),
    ]
    assert [each.contract_changed for each in changes] == [False, False, True, False]
    assert partition_changes(before, before) == ()


def test_other_raw_files_are_told() -> None:
    other = msgspec.structs.replace(entry("a"), cleaning="other", inputs=(1,))  # type: ignore[arg-type]
    (change,) = partition_changes({"a": entry("a")}, {"a": other})
    assert (change.change, change.inputs_changed, change.contract_changed) == (Change.RESTATED, True, False)


def test_rules_whose_counts_are_the_same_are_left_out() -> None:
    before, after = [entry("a"), entry("b")], [entry("a"), entry("b", kept=3)]
    (change,) = rule_changes(before, after)
    assert (change.rule, change.severity, change.before, change.after) == ("id.ge", Severity.QUARANTINE, 2, 4)
    assert [(each.rule, each.before, each.after) for each in rule_changes([], [entry("a")])] == [
        ("id.ge", 0, 1),
        ("encoding", 0, 1),
    ]


def test_books_and_files() -> None:
    assert totals([entry("a"), entry("b", kept=3)]) == Books(6, 4, rejected=2)
    assert totals([]) == Books()
    assert clean_paths(entry("a")) == ("clean/a/c.parquet",)
