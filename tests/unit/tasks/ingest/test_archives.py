import io
import struct
import zipfile
from collections.abc import Sequence

import pytest

from schemas.errors import DumpUnreadableError
from tasks.ingest.dialects import Compression
from tasks.ingest.streams import TextStream

TEXT = b"".join(b"%d,some words\n" % number for number in range(5_000))
STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED


class _Forward(io.RawIOBase):
    """Takes bytes and can't go back, so that a writer must put sizes behind the data."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        self.data += memoryview(data)  # type: ignore[call-overload]  # bytes of some kind
        return len(memoryview(data))  # type: ignore[call-overload]  # as above


def archive_of(
    names: Sequence[str] = ("a.csv",), method: int = DEFLATED, *, forward: bool = False, big: bool = False
) -> bytes:
    back, ahead = io.BytesIO(), _Forward()
    with zipfile.ZipFile(ahead if forward else back, "w", method) as archive:
        for name in names:
            member = zipfile.ZipInfo(name)
            member.compress_type = STORED if name.endswith("/") else method
            with archive.open(member, "w", force_zip64=big) as writer:
                writer.write(b"" if name.endswith("/") else TEXT)
    return bytes(ahead.data) if forward else back.getvalue()


def text_of(stored: bytes, stream: io.BufferedIOBase | None = None) -> tuple[bytes, str | None]:
    text = TextStream(stream or io.BytesIO(stored), "dumps/a.zip", Compression.ZIP)  # type: ignore[arg-type]
    found = b"".join(iter(lambda: text.read(10_000), b""))
    assert text.compression is Compression.ZIP
    assert text.finish()[0] == len(stored)
    return found, text.broken


def patched(data: bytes, old: bytes, new: bytes, count: int = -1) -> bytes:
    assert old in data
    return data.replace(old, new, count)


@pytest.mark.parametrize("forward", [False, True], ids=["sizes before", "sizes behind"])
@pytest.mark.parametrize("big", [False, True], ids=["zip", "zip64"])
@pytest.mark.parametrize("method", [STORED, DEFLATED], ids=["stored", "deflated"])
def test_the_only_member_is_the_text(method: int, *, forward: bool, big: bool) -> None:
    assert text_of(archive_of(method=method, forward=forward, big=big)) == (TEXT, None)


def test_folders_do_not_count() -> None:
    assert text_of(archive_of(["dump/", "dump/2026/", "dump/2026/a.csv", "dump/empty/"])) == (TEXT, None)


@pytest.mark.parametrize("forward", [False, True])
def test_an_archive_is_read_from_a_pipe(*, forward: bool) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    stored = archive_of(forward=forward)
    assert text_of(stored, Pipe(stored)) == (TEXT, None)


def test_several_members_are_an_error_that_names_them_before_any_is_read() -> None:
    stored = archive_of(["a.csv", "b/\x1b[31mc.csv", *(f"{number}.csv" for number in range(20))])
    text = TextStream(io.BytesIO(stored), "dumps/a.zip", Compression.ZIP)
    with pytest.raises(DumpUnreadableError) as caught:
        text.read(1)
    message = str(caught.value)
    assert "'dumps/a.zip': a zip archive of 22 files: 'a.csv', 'b/\\x1b[31mc.csv'" in message
    assert "12 more" in message
    assert "Pack each file into an archive of its own" in message


def test_several_members_are_found_without_a_directory() -> None:
    stored = archive_of(["a.csv", "b.csv"])
    cut = stored[: stored.index(b"PK\x01\x02")]
    with pytest.raises(DumpUnreadableError, match=r"2 or more files: 'a\.csv', 'b\.csv'"):
        text_of(cut)


def test_an_archive_without_a_file_is_an_error() -> None:
    for names in ([], ["folder/"]):
        with pytest.raises(DumpUnreadableError, match="a zip archive that holds no file"):
            text_of(archive_of(names))


def test_an_encrypted_member_is_an_error() -> None:
    stored = archive_of()
    flagged = stored[:6] + b"\1" + stored[7:]
    with pytest.raises(DumpUnreadableError, match=r"'a\.csv' in a zip archive is encrypted.*without a password"):
        text_of(flagged)


def test_an_unusual_method_is_an_error() -> None:
    with pytest.raises(DumpUnreadableError, match="compressed by method 14; expected deflate or none"):
        text_of(archive_of(method=zipfile.ZIP_LZMA))


def test_a_corrupt_directory_costs_no_text() -> None:
    for method in (STORED, DEFLATED):
        stored = archive_of(method=method)
        begin = stored.index(b"PK\x01\x02")
        for spoilt in (stored[: begin + 10], stored[:begin] + b"PK\x01\x02" + b"\xff" * 80):
            text, broken = text_of(spoilt)
            assert text == TEXT
            assert broken == f"zip archive without a readable directory at byte {begin:,}"


def test_an_archive_cut_before_its_directory_is_told() -> None:
    stored = archive_of()
    begin = stored.index(b"PK\x01\x02")
    assert text_of(stored[:begin]) == (TEXT, f"zip archive ends before its directory, at byte {begin:,}")


def test_a_wrong_checksum_or_size_is_told_behind_the_text() -> None:
    for forward in (False, True):
        stored = archive_of(method=STORED, forward=forward)
        text, broken = text_of(patched(stored, b"100,some", b"101,some", 1))
        assert len(text) == len(TEXT)
        assert broken is not None
        assert "with another checksum or size than it states" in broken


def test_a_member_that_is_cut_off_says_how_much_is_missing() -> None:
    stored = archive_of(method=STORED)
    text, broken = text_of(stored[:10_000])
    assert TEXT.startswith(text)
    assert broken == f"zip member ends {len(TEXT) - len(text):,} bytes too early, at byte 10,000"


def test_a_folder_that_claims_to_be_huge_takes_no_memory() -> None:
    name = b"folder/"
    header = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0, 0, 0xFFFF_FFF0, 0, len(name), 0)
    text, broken = text_of(header + name + archive_of())
    assert text == b""
    assert broken is not None


def test_a_directory_of_a_million_names_is_not_read_at_once() -> None:
    entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    stored = archive_of()
    begin, count = stored.index(b"PK\x01\x02"), 100_000
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(entry) * count, begin, 0)
    text, broken = text_of(stored[:begin] + entry * count + end)
    assert text == TEXT
    assert broken is not None


def test_a_member_without_a_name_is_a_member() -> None:
    assert text_of(archive_of([""])) == (TEXT, None)
