"""Raw files in a bucket: found, opened and told apart as those in a folder are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from schemas.errors import DumpChangedError, DumpMissingError, DumpUnreadableError
from tasks.ingest.listing import list_partitions, list_raw, open_raw, raw_size, stamp_of
from tests.s3_server import S3Server, put_tree

pytestmark = pytest.mark.s3

#: Names that patterns, URLs and shells take for something else.
FILES = {
    "sales/2026-11-01/a.csv": b"1",
    "sales/2026-11-01/b #?&+ %41 [x].csv": b"22",
    "sales/2026-11-01/.hidden.csv": b"-",
    "sales/2026-11-01/deeper/c.csv": b"-",
    "sales/2026-11-02/a.csv": b"333",
    "sales/flat-2026-11-03.csv": b"4",
    "other/2026-11-04/a.csv": b"-",
}


@pytest.fixture
def both(s3: S3Server, bucket: str, tmp_path: Path) -> tuple[str, str]:
    """The same dumps in a folder and in a bucket."""
    for name, data in FILES.items():
        (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "raw" / name).write_bytes(data)
    put_tree(s3.client(), bucket.removeprefix("s3://"), "in/", tmp_path / "raw")
    # By this some tools show an empty folder.
    s3.client().put_object(Bucket=bucket.removeprefix("s3://"), Key="in/sales/", Body=b"")
    return str(tmp_path / "raw"), f"{bucket}/in"


@pytest.mark.parametrize(
    "pattern",
    [
        "sales/{partition}/*.csv",
        "sales/flat-{partition}.csv",
        "*/{partition}/?.csv",
        "sales/{partition}/*/*",
        "*/*{partition}*",
    ],
)
def test_a_bucket_is_listed_as_a_folder_is(both: tuple[str, str], pattern: str) -> None:
    folder, bucket = both
    partitions = list_partitions(folder, pattern)
    assert list_partitions(bucket, pattern) == partitions != []
    for partition in partitions:
        try:
            expected: object = list_raw(folder, pattern, partition)
        except DumpUnreadableError as error:
            expected = str(error)
        try:
            found: object = list_raw(bucket, pattern, partition)
        except DumpUnreadableError as error:
            found = str(error)
        assert found == expected


def test_files_are_read_under_any_name(both: tuple[str, str]) -> None:
    for path in list_raw(both[1], "sales/{partition}/*.csv", "2026-11-01"):
        with open_raw(f"{both[1]}/{path}") as stream:
            assert stream.read() == FILES[path]
        assert raw_size(f"{both[1]}/{path}") == len(FILES[path])


def test_a_partition_with_a_wildcard_in_its_name_is_literal(both: tuple[str, str]) -> None:
    with pytest.raises(DumpMissingError, match="no file matches 'sales/2026-11-0"):
        list_raw(both[1], "sales/{partition}/*.csv", "2026-11-0?")


def test_what_is_not_there_is_told(both: tuple[str, str], bucket: str) -> None:
    with pytest.raises(DumpMissingError, match="no file matches"):
        list_raw(both[1], "sales/{partition}/*.csv", "1999-01-01")
    with pytest.raises(DumpMissingError, match="nothing is there; expected the raw root"):
        list_partitions(f"{bucket}/nowhere", "{partition}.csv")
    with pytest.raises(DumpUnreadableError, match="there is no such bucket"):
        list_partitions("s3://no-such-bucket-here", "{partition}.csv")
    for ask in (open_raw, raw_size):
        with pytest.raises(DumpUnreadableError, match="it is not there"):
            ask(f"{both[1]}/sales/none.csv")


def test_a_file_that_changes_has_another_stamp_and_is_not_read_on(s3: S3Server, bucket: str) -> None:
    client, name = s3.client(), bucket.removeprefix("s3://")
    client.put_object(Bucket=name, Key="a.csv", Body=os.urandom(12 << 20))
    with open_raw(f"{bucket}/a.csv") as stream:
        before = stamp_of(stream)
        assert len(stream.read(100)) == 100
        client.put_object(Bucket=name, Key="a.csv", Body=os.urandom(12 << 20))
        with pytest.raises(DumpChangedError, match="it changed while it was read"):
            stream.read()
    with open_raw(f"{bucket}/a.csv") as stream:
        assert stamp_of(stream) != before
