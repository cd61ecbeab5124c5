from __future__ import annotations

from pathlib import Path

import polars as pl

from schemas.audits import AuditFinding, AuditResult, Verdict
from schemas.records import FILE, RECORD, Role
from tasks.audit.stage import keep, kept_without, read_audits, stopped_by
from tasks.erasure.withdrawal import is_one_of
from tasks.store.local import open_store
from tasks.store.paths import file_key
from tasks.store.scan import scan

A, B = "a" * 64, "b" * 64
ISSUES = pl.DataFrame({FILE: [A, A, B], RECORD: [1, 2, 1], "score": [0.1, 0.2, 0.3]}).cast({RECORD: pl.UInt64})
RESULT = AuditResult(
    "labels",
    (AuditFinding("intent", "errors", "3 of 9", level=Verdict.STOP), AuditFinding("bug", "thin", "2 rows")),
    facts={"rows": 9, "share": 1 / 3},
    tables={"issues": ISSUES, "matrix": pl.DataFrame({"given": ["bug"], "rows": [9]})},
)


def test_what_an_audit_found_is_read_back_from_its_files(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    kept = keep(store, "tickets", "2026-10-01", "c0ffee", [RESULT], scope="partition")
    assert {file.role for file in kept.files} == {Role.AUDIT}
    assert [file.rows for file in kept.files] == [2, 3, 1]
    assert read_audits(store, "tickets", kept.files) == kept.audits == (RESULT.audit("partition"),)
    assert kept.audits[0].verdict is Verdict.STOP
    assert [finding.found for finding in stopped_by(kept.audits)] == ["intent: errors (3 of 9)"]


def test_an_erased_record_leaves_the_tables_whether_it_was_erased_before_or_after(tmp_path: Path) -> None:
    store, gone = open_store(tmp_path), is_one_of([(A, 2)])
    whole = keep(store, "tickets", "p", "0", [RESULT], scope="partition")
    after = kept_without(store, "tickets", "p", "1", whole.files, gone)
    before = keep(store, "tickets", "p", "2", [RESULT], scope="partition", gone=gone)
    assert [file.sha256 for file in after] == [file.sha256 for file in before.files]
    assert before.audits == ()
    left = scan(store, [file_key("tickets", after[0].path)]).collect()
    assert left.equals(ISSUES[[0, 2]])
