import pytest

from schemas.records import DriftFinding, DriftKind
from tasks.report.drift import done, drift_rows, is_new, told

EXTRA = DriftFinding(DriftKind.EXTRA, "ignore", "x")


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (DriftFinding(DriftKind.MISSING, "null", "a"), "column 'a' is missing"),
        (DriftFinding(DriftKind.MISSING, "null", "a", "b"), "column 'a' is missing (perhaps called 'b' now)"),
        (DriftFinding(DriftKind.MISSING, "null", "a", records=1), "column 'a' is missing in 1 record"),
        (EXTRA, "column 'x' is not declared"),
        (DriftFinding(DriftKind.EXTRA, "ignore", columns=1_000), "1,000 more columns are not declared"),
        (DriftFinding(DriftKind.EXTRA, "ignore", records=2), "2 values of further keys that are not declared"),
        (DriftFinding(DriftKind.RENAMED, "accept", "a", "b", records=3), "column 'a' is called 'b' in 3 records"),
        (DriftFinding(DriftKind.REORDERED, "ignore", columns=2), "2 columns stand in another order than declared"),
    ],
)
def test_what_was_found_in_words(finding: DriftFinding, words: str) -> None:
    assert told(finding) == words


def test_every_kind_and_policy_has_words() -> None:
    for kind in DriftKind:
        finding = DriftFinding(kind, "ignore", "\x1b[31m", "<b>")
        assert "\x1b" not in told(finding)
        assert " " in done(finding)


def test_a_finding_of_several_files_is_one_row_with_the_records_of_all() -> None:
    one, other = (DriftFinding(DriftKind.EXTRA, "ignore", "x", records=count) for count in (1, 2))
    rows = drift_rows({"a": (one,), "b": (other, EXTRA), "c": (EXTRA,)})
    assert [(row.finding.records, row.files) for row in rows] == [(3, ("a", "b")), (None, ("b", "c"))]


def test_a_finding_is_new_unless_the_same_was_said_of_the_column() -> None:
    assert not is_new(EXTRA, [DriftFinding(DriftKind.EXTRA, "quarantine", "x", records=9)])
    assert is_new(EXTRA, [])
    wider = DriftFinding(DriftKind.WIDENED, "cast", "x", "int64")
    assert is_new(wider, [EXTRA, DriftFinding(DriftKind.WIDENED, "cast", "x", "int32")])
