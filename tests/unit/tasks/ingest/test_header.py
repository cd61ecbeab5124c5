import pytest

from schemas.errors import HeaderError
from schemas.policies import Drift
from schemas.records import DriftFinding
from tasks.ingest.blocks import RecordFlag
from tasks.ingest.header import Columns, listed, match_columns


def match(found: list[str], declared: list[str], path: str = "a.csv", **drift: object) -> Columns:
    return match_columns(found, declared, Drift(**drift), path)  # type: ignore[arg-type]


def brief(findings: tuple[DriftFinding, ...]) -> list[tuple[str, str, str | None, str | None]]:
    return [(finding.kind.value, finding.policy, finding.column, finding.found) for finding in findings]


def test_the_declared_columns_alone_are_no_drift() -> None:
    columns = match(["a", "b"], ["a", "b"])
    assert (columns.positions, columns.flags, columns.drift) == ((0, 1), 0, ())


def test_columns_in_another_order_are_found_and_told_or_refused() -> None:
    columns = match(["c", "a", "b", "d"], ["a", "b", "c", "d"])
    assert columns.positions == (1, 2, 0, 3)
    assert brief(columns.drift) == [("reordered", "ignore", None, None)]
    assert columns.drift[0].columns == 3
    with pytest.raises(HeaderError, match="columns in the order 'c', 'a', 'b', 'd'"):
        match(["c", "a", "b", "d"], ["a", "b", "c", "d"], reordered="fail")


def test_a_column_more_or_less_is_no_other_order() -> None:
    columns = match(["x", "a", "c"], ["a", "b", "c"], missing="null", extra="ignore", reordered="fail")
    assert columns.positions == (1, None, 2)


def test_a_missing_column_is_named_with_the_nearest_found() -> None:
    with pytest.raises(HeaderError) as caught:
        match(["ticket", "txet"], ["ticket", "text"], "dumps/a.csv")
    message = str(caught.value)
    assert "no column 'text'" in message
    assert "Did you mean 'txet'?" in message
    assert "renamed=" in message
    assert "dumps/a.csv" in message
    assert "'ticket', 'text'" in message


@pytest.mark.parametrize(("policy", "flags"), [("null", 0), ("quarantine", RecordFlag.MISSING_COLUMN)])
def test_a_missing_column_has_no_position_and_is_told_with_the_name_it_may_have_now(policy: str, flags: int) -> None:
    columns = match(["ticket", "txet"], ["ticket", "text"], missing=policy, extra="ignore")
    assert (columns.positions, columns.flags) == ((0, None), flags)
    assert brief(columns.drift) == [("missing", policy, "text", "txet"), ("extra", "ignore", "txet", None)]


def test_names_are_compared_exactly() -> None:
    with pytest.raises(HeaderError):
        match(["ID"], ["id"])
    with pytest.raises(HeaderError):
        match([" id"], ["id"])


def test_an_undeclared_column_fails_sets_records_aside_or_is_left_out_as_declared() -> None:
    with pytest.raises(HeaderError, match=r"undeclared columns 'b'.*Declare them"):
        match(["a", "b"], ["a"])
    for policy, flags in (("ignore", 0), ("quarantine", RecordFlag.EXTRA_COLUMN)):
        columns = match(["b", "a"], ["a"], extra=policy)
        assert (columns.positions, columns.flags) == ((1,), flags)
        assert brief(columns.drift) == [("extra", policy, "b", None)]


def test_an_undeclared_column_that_stops_is_told_with_the_missing_one_that_it_may_be() -> None:
    with pytest.raises(HeaderError, match=r"undeclared columns 'txet'.*Did you mean 'text'\?"):
        match(["id", "txet"], ["id", "text"], missing="null")


def test_a_declared_other_name_is_accepted_and_told() -> None:
    columns = match(["old", "b"], ["a", "b"], renamed={"old": "a"})
    assert (columns.positions, columns.flags) == ((0, 1), 0)
    assert brief(columns.drift) == [("renamed", "accept", "a", "old")]


def test_a_file_in_which_only_other_names_stand_is_none_without_header() -> None:
    assert match(["old"], ["a"], renamed={"old": "a"}).positions == (0,)


def test_of_several_names_of_a_column_the_first_counts_and_the_others_are_extra() -> None:
    names = {"older": "a", "old": "a"}
    own = match(["old", "a", "older"], ["a"], renamed=names, extra="ignore")
    assert own.positions == (1,)
    assert brief(own.drift) == [("extra", "ignore", "old", None), ("extra", "ignore", "older", None)]
    other = match(["old", "older"], ["a"], renamed=names, extra="ignore")
    assert other.positions == (1,)
    assert brief(other.drift) == [("extra", "ignore", "old", None), ("renamed", "accept", "a", "older")]
    with pytest.raises(HeaderError, match="undeclared columns 'old'"):
        match(["old", "older"], ["a"], renamed=names)


def test_a_name_that_stands_twice_is_refused_even_where_extras_are_ignored() -> None:
    with pytest.raises(HeaderError, match="more than once: 'x'"):
        match(["a", "x", "x"], ["a"], extra="ignore")


def test_names_from_data_are_escaped_and_cut_in_messages() -> None:
    with pytest.raises(HeaderError) as caught:
        match(["a", "\x1b[31m", "y" * 10_000, *map(str, range(500))], ["a"])
    message = str(caught.value)
    assert "\x1b" not in message
    assert len(message) < 1_000


def test_a_manifest_keeps_ten_undeclared_names_cut_and_the_count_of_the_others() -> None:
    drift = match(["a", "y" * 10_000, *map(str, range(500))], ["a"], extra="ignore").drift
    assert [finding.columns for finding in drift] == [1] * 10 + [491]
    assert drift[0].column == "y" * 79 + "…"
    assert drift[-1].column is None


def test_a_long_list_tells_how_many_more() -> None:
    assert listed([str(n) for n in range(12)]).endswith("'9' and 2 more")


@pytest.mark.parametrize("missing", ["fail", "null", "quarantine"])
def test_a_file_without_a_header_is_told_without_repeating_its_first_record(missing: str) -> None:
    with pytest.raises(HeaderError, match="none of the declared columns among 2 fields") as raised:
        match(["7", "ada@home.example"], ["id", "email"], missing=missing, extra="ignore")
    assert "ada" not in str(raised.value)
