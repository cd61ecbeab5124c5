from typing import Any

import pytest

from schemas.errors import DeclarationError
from schemas.policies import Source
from tasks.ingest.dialects import Compression, Dialect, compression_of

ANY = Source("{partition}")


@pytest.mark.parametrize(
    ("name", "stored", "compression"),
    [
        ("a.csv", "csv", Compression.NONE),
        ("A.CSV.GZ", "csv", Compression.GZIP),
        ("a.tsv.zst", "csv", Compression.ZSTD),
        ("a.b.jsonl", "jsonl", Compression.NONE),
        ("a.ndjson.gz", "jsonl", Compression.GZIP),
        ("a.csv.bz2", "csv", Compression.BZIP2),
        ("a.csv.XZ", "csv", Compression.XZ),
        ("a.parquet.zip", "parquet", Compression.ZIP),
        ("2026/a.parquet", "parquet", Compression.NONE),
        ("2026/a.XLSX", "xlsx", Compression.NONE),
    ],
)
def test_the_name_tells_format_and_compression(name: str, stored: str, compression: Compression) -> None:
    dialect = Dialect.of(name, ANY)
    assert (dialect.format, dialect.named_compression) == (stored, compression)


@pytest.mark.parametrize("name", ["a.txt", "csv", "a.csv.rar", "a.gz", "a.zip"])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(DeclarationError, match=r"\.csv \.tsv \.jsonl \.ndjson \.parquet"):
        Dialect.of(name, ANY)


def test_the_declared_format_wins_over_the_name() -> None:
    assert Dialect.of("a.csv", Source("{partition}", format="jsonl")).format == "jsonl"
    assert Dialect.of("a.txt", Source("{partition}", format="tsv")).delimiter == b"\t"


def test_the_declared_delimiter_wins_over_the_format() -> None:
    assert Dialect.of("a.tsv", Source("{partition}", delimiter=";")).delimiter == b";"


def test_no_quote_means_quotes_mean_nothing() -> None:
    assert Dialect.of("a.csv", Source("{partition}", quote="")).quote is None


@pytest.mark.parametrize(
    "source",
    [
        Source("{partition}", delimiter="\n"),
        Source("{partition}", delimiter="\r"),
        Source("{partition}", delimiter="§"),
        Source("{partition}", quote="\n"),
        Source("{partition}", quote="«"),
        Source("{partition}", delimiter='"'),
    ],
)
def test_impossible_separators_are_refused(source: Source) -> None:
    with pytest.raises(DeclarationError):
        Dialect.of("a.csv", source)


@pytest.mark.parametrize(
    ("magic", "compression"),
    [
        (b"\x1f\x8b\x08\x00", Compression.GZIP),
        (b"\x28\xb5\x2f\xfd", Compression.ZSTD),
        (b"\x53\x2a\x4d\x18", Compression.ZSTD),
        (b"BZh91AY&SY", Compression.BZIP2),
        (b"BZh1\x17rE8P\x90", Compression.BZIP2),
        (b"\xfd7zXZ\0", Compression.XZ),
        (b"PK\x03\x04", Compression.ZIP),
        (b"PK\x05\x06", Compression.ZIP),
        (b"BZh9,1,2,3", Compression.NONE),
        (b"BZh0" + b"1AY&SY", Compression.NONE),
        (b"id,t", Compression.NONE),
        (b"\x1f", Compression.NONE),
        (b"", Compression.NONE),
    ],
)
def test_the_first_bytes_tell_the_compression(magic: bytes, compression: Compression) -> None:
    assert compression_of(magic) is compression


def test_a_file_cut_within_its_first_bytes_is_what_its_name_says() -> None:
    assert compression_of(b"\x1f", Compression.GZIP) is Compression.GZIP
    assert compression_of(b"BZh9", Compression.BZIP2) is Compression.BZIP2
    assert compression_of(b"BZx", Compression.BZIP2) is Compression.NONE
    assert compression_of(b"", Compression.BZIP2) is Compression.NONE


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"escape": "é"}, "one ASCII character"),
        ({"escape": "\n"}, "no line end"),
        ({"escape": '"'}, "is the quote, too"),
        ({"escape": ","}, "is the delimiter, too"),
        ({"escape": "\\\\"}, "at most 1 character"),
        ({"encoding": "utf8"}, r"Source\(encoding\)"),
        ({"line_end": "crlf"}, r"Source\(line_end\)"),
        ({"preamble": -1}, r"Source\(preamble\)"),
        ({"footer": 10**9}, r"Source\(footer\)"),
    ],
)
def test_an_impossible_setting_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        Dialect.of("a.csv", Source("{partition}", **settings))
