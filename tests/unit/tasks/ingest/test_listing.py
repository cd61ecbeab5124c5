import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.errors import DumpMissingError, DumpUnreadableError, UsageError
from tasks.ingest.listing import list_all_raw, list_partitions, list_raw, open_raw, raw_size, scratch_file


def make(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return root


def test_files_of_a_partition_come_sorted_and_relative(tmp_path: Path) -> None:
    make(tmp_path, "t/2026-11-01/b.csv", "t/2026-11-01/a.csv", "t/2026-11-01/a.txt", "t/2026-11-02/c.csv")
    assert list_raw(tmp_path, "t/{partition}/*.csv", "2026-11-01") == ["t/2026-11-01/a.csv", "t/2026-11-01/b.csv"]


def test_a_partition_can_be_a_part_of_a_name(tmp_path: Path) -> None:
    make(tmp_path, "flights-1.csv", "flights-12.csv", "other-1.csv")
    assert list_raw(tmp_path, "flights-{partition}.csv", "1") == ["flights-1.csv"]
    assert list_partitions(tmp_path, "flights-{partition}.csv") == ["1", "12"]


@pytest.mark.parametrize("partition", ["*", "[a]", "a?", "(.+)", "2026.11"])
def test_a_partition_is_taken_literally(tmp_path: Path, partition: str) -> None:
    make(tmp_path, f"{partition}/x.csv", "zzz/x.csv", "a/x.csv", "2026-11/x.csv")
    assert list_raw(tmp_path, "{partition}/*.csv", partition) == [f"{partition}/x.csv"]


def test_an_asterisk_does_not_cross_folders_nor_match_hidden_names(tmp_path: Path) -> None:
    make(tmp_path, "p/a.csv", "p/deep/b.csv", "p/.a.csv.part", "p/.b.csv")
    assert list_raw(tmp_path, "{partition}/*.csv", "p") == ["p/a.csv"]
    assert list_raw(tmp_path, "{partition}/*/?.csv", "p") == ["p/deep/b.csv"]


def test_no_file_names_the_pattern(tmp_path: Path) -> None:
    make(tmp_path, "p/a.csv")
    with pytest.raises(DumpMissingError, match=r"q/\*\.csv"):
        list_raw(tmp_path, "{partition}/*.csv", "q")


def test_a_missing_root_is_said(tmp_path: Path) -> None:
    for list_them in (
        lambda root: list_raw(root, "{partition}.csv", "p"),
        lambda root: list_partitions(root, "{partition}"),
    ):
        with pytest.raises(DumpMissingError, match="no folder there"):
            list_them(tmp_path / "gone")


def test_a_folder_that_matches_is_not_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "p/a.csv", "p/b.csv/part-0")
    with pytest.raises(DumpUnreadableError, match=r"b\.csv': a folder"):
        list_raw(tmp_path, "{partition}/*.csv", "p")


@pytest.mark.parametrize("partition", ["", "..", "../x", "a/b", ".hidden", "a\0"])
def test_a_partition_that_is_no_name_is_refused(tmp_path: Path, partition: str) -> None:
    with pytest.raises(UsageError):
        list_raw(tmp_path, "{partition}/*", partition)


def test_partitions_need_a_file(tmp_path: Path) -> None:
    make(tmp_path, "t/b/x.csv", "t/a/x.csv", "t/a/y.csv", "t/c/x.txt")
    (tmp_path / "t/d").mkdir()
    assert list_partitions(tmp_path, "t/{partition}/*.csv") == ["a", "b"]
    assert list_partitions(tmp_path, "u/{partition}/*.csv") == []


def test_a_name_that_is_not_utf8_is_refused_not_skipped(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "p") + b"/\xff.csv")).touch()
    with pytest.raises(DumpUnreadableError, match="not UTF-8") as caught:
        list_raw(tmp_path, "{partition}/*.csv", "p")
    str(caught.value).encode()


def test_a_raw_file_is_opened_and_measured(tmp_path: Path) -> None:
    make(tmp_path, "a.csv")
    with open_raw(tmp_path / "a.csv") as stream:
        assert stream.read() == b"x"
    assert raw_size(str(tmp_path / "a.csv")) == 1


def test_what_is_no_readable_file_is_told_apart(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "nothing")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        for name in ("pipe.csv", "folder.csv", "dangling.csv", "gone.csv", "s", "a\0b"):
            with pytest.raises(DumpUnreadableError):
                open_raw(tmp_path / name)
    with pytest.raises(DumpUnreadableError, match="No such file"):
        raw_size(tmp_path / "gone.csv")


@contextlib.contextmanager
def as_anybody() -> Iterator[None]:
    """Without root's permission to read everything, where the tests have it."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    make(tmp_path, "a.csv")
    (tmp_path / "a.csv").chmod(0)
    with as_anybody(), pytest.raises(DumpUnreadableError, match="Permission denied"):
        open_raw(tmp_path / "a.csv")


def test_a_scratch_file_can_be_read_back() -> None:
    with scratch_file() as scratch:
        scratch.write(b"abc")
        scratch.seek(0)
        assert scratch.read() == b"abc"


def test_all_partitions_are_listed_in_one_go_with_sizes(tmp_path: Path) -> None:
    make(tmp_path, "t/b/2.csv", "t/b/1.csv", "t/a/1.csv", "t/a/.hidden.csv")
    (tmp_path / "t/a/1.csv").write_bytes(b"four")
    assert list_all_raw(tmp_path, "t/{partition}/*.csv") == {
        "a": (("t/a/1.csv", 4),),
        "b": (("t/b/1.csv", 1), ("t/b/2.csv", 1)),
    }
