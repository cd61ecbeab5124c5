import pytest

from flows.demo_faults import FAULTS, Fault, faults_of, plant
from schemas import registry
from schemas.records import Fate

COLUMNS = ["id", "size", "place"]
RECORDS = [("a", "a,1,here"), ("b", "b,2,there"), ("c", "c,3,there")]


def fault(kind: str, record: str = "b", **changes: tuple[str, str]) -> Fault:
    return Fault("d", "p", record, kind, "by mistake", Fate.REJECTED, changes=changes)  # type: ignore[arg-type]


def test_without_faults_lines_are_as_they_were() -> None:
    assert list(plant([], RECORDS, COLUMNS)) == ["a,1,here", "b,2,there", "c,3,there"]


@pytest.mark.parametrize(
    ("planted", "lines"),
    [
        (fault("mistyped", size=("2", "Z")), ["b,Z,there"]),
        (fault("sent twice", size=("2", "9"), place=("there", "")), ["b,2,there", "b,9,"]),
        (fault("broken"), ["b,2,", "there"]),
        (fault("cut"), ["b,2,"]),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_each_kind_changes_its_record_only(planted: Fault, lines: list[str]) -> None:
    assert list(plant([planted], RECORDS, COLUMNS)) == ["a,1,here", *lines, "c,3,there"]


def test_record_that_is_not_there_is_told() -> None:
    with pytest.raises(LookupError, match="no record called x"):
        list(plant([fault("cut", record="x")], RECORDS, COLUMNS))


def test_cell_that_says_something_else_is_told() -> None:
    with pytest.raises(LookupError, match="size of b is 2, not 3"):
        list(plant([fault("mistyped", size=("3", "Z"))], RECORDS, COLUMNS))


def test_no_record_has_two_faults() -> None:
    places = [(one.dataset, one.partition, one.record) for one in FAULTS]
    assert len(places) == len(set(places))


def test_faults_of_one_dump() -> None:
    assert [one.record for one in faults_of("weather", "2013-01-31")] == ["LGA 2013-02-01T04:00:00Z"]
    assert faults_of("weather", "2013-01-30") == ()


@pytest.mark.parametrize("one", FAULTS, ids=lambda one: one.record)
def test_rules_that_a_fault_breaks_are_declared_and_fit_its_fate(one: Fault) -> None:
    declared = {rule.id for rule in registry.load(one.dataset).rules}
    assert set(one.rules) <= declared
    assert bool(one.rules) is (one.fate is Fate.QUARANTINED)
    assert (one.kind in ("broken", "cut")) is (one.fate is Fate.REJECTED)


def test_a_fault_tells_where_it_is_and_what_was_changed() -> None:
    told = str(fault("mistyped", size=("2", "Z")))
    assert told == "d p, b, mistyped: by mistake; size 2 -> Z"
