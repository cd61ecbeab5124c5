"""Names in the store: safe, reversible, and the ones that the layout promises."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.errors import UsageError
from schemas.records import Role
from tasks.store import paths


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@example("..")
@example(".")
@example("../../etc/passwd")
@example(".tmp-x")
@example("%2e%2E")
@example("a\0b\nc")
@example("2026-10-01")
def test_a_partition_is_quoted_into_one_safe_part_of_a_key_and_back(partition: str) -> None:
    part = paths.quote(partition)
    assert paths.unquote(part) == partition
    assert part.isascii()
    assert part.isprintable()
    assert "/" not in part
    assert part[0] not in "._"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(min_size=1))
def test_two_partitions_have_two_names(one: str, other: str) -> None:
    if one != other and other.isprintable():
        assert paths.quote(one) != paths.quote(other)


def test_names_of_days_stay_readable() -> None:
    assert paths.quote("2026-10-01") == "2026-10-01"
    assert paths.quote("day=2026-10-01") == "day=2026-10-01"


@pytest.mark.parametrize("partition", ["", "\ud800", "a\udcff"])
def test_what_is_no_text_is_no_partition(partition: str) -> None:
    with pytest.raises(UsageError, match="no name for a partition"):
        paths.quote(partition)


def test_the_layout_is_the_promised_one() -> None:
    assert paths.version_key("trips", 12) == "trips/_versions/000000000012.json"
    assert paths.data_key("trips", Role.CLEAN, "a/b", "0123456789abcdef") == (
        "trips/clean/a%2Fb/0123456789abcdef-00000.parquet"
    )
    assert paths.data_key("trips", Role.REJECTS, "d", "0123456789abcdef", 7).endswith("-00007.parquet")
    assert paths.staging_key("trips", "d", "x.parquet") == "trips/_staging/d/x.parquet"
    assert paths.lease_key("trips", "d") == "trips/_leases/d.lock"


@pytest.mark.parametrize("name", ["12.json", "000000000012.json.tmp", "x000000000012.json", "00000000001a.json", ""])
def test_other_files_among_the_manifests_are_no_versions(name: str) -> None:
    assert paths.version_number(f"trips/_versions/{name}") is None


def test_only_what_lies_in_the_staging_folder_is_staged() -> None:
    assert paths.is_staged(paths.staging_key("trips", "d", "x"))
    assert not paths.is_staged(paths.data_key("trips", Role.CLEAN, "_staging", "0" * 16))
    assert not paths.is_staged("_staging/clean/x")


def test_a_path_in_a_manifest_is_relative_to_its_data_set() -> None:
    key = paths.data_key("trips", Role.CLEAN, "d", "0" * 16)
    assert paths.file_key("trips", paths.path_in("trips", key)) == key
