"""Splits in published versions: the column is there, stays, and keeps entities together."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from flows.clean import PLAIN, clean
from schemas.errors import DeclarationError
from schemas.records import Role
from tasks.job import Job
from tasks.publish.verify import verify_version
from tasks.store.local import open_store
from tasks.store.versions import list_versions, open_version

PEOPLE = '''"""People: who is who, with a split by person."""
import pandera.polars as pa

from schemas import Dataset, Source, Split


class People(pa.DataFrameModel):
    rec_id: str
    person: int
    surname: str = pa.Field(nullable=True)
    state: str = pa.Field(nullable=True)


DATASET = Dataset(
    model=People,
    source=Source("{partition}/*.csv", null_tokens=("",)),
    split=Split(by="person", test=0.2, validation=0.1),
)
'''
WITHOUT = PEOPLE.replace('    split=Split(by="person", test=0.2, validation=0.1),\n', "")
STRATIFIED = PEOPLE.replace("validation=0.1", 'validation=0.1, stratify="state"')


def job_for(home: Path, declaration: str, partition: str, people: pl.DataFrame) -> Job:
    (home / "raw" / partition).mkdir(parents=True, exist_ok=True)
    (home / "people.py").write_text(declaration)
    people.write_csv(home / "raw" / partition / "people.csv")
    return Job("people", partition, str(home / "people.py"), str(home / "raw"), str(home / "store"), run_id=partition)


def clean_table(job: Job) -> pl.DataFrame:
    return open_version(open_store(job.store_root), "people").scan(Role.CLEAN).collect()


@pytest.fixture(scope="session")
def febrl3(corpora: Path) -> pl.DataFrame:
    """5,000 records of 2,000 people, of whom most are there several times, each time written otherwise."""
    file = corpora / "entities" / "febrl3.csv"
    if not file.is_file():
        pytest.skip("the corpus entities/febrl3.csv is not there")
    raw = pl.read_csv(file, infer_schema=False)
    raw = raw.rename({name: name.strip() for name in raw.columns})
    person = pl.col("rec_id").str.extract(r"^rec-(\d+)-").cast(pl.Int64).alias("person")
    return raw.select("rec_id", person, pl.col("surname", "state").str.strip_chars())


@pytest.mark.parametrize("declaration", [PEOPLE, STRATIFIED])
def test_entities_of_febrl3_never_straddle(tmp_path: Path, febrl3: pl.DataFrame, declaration: str) -> None:
    job = job_for(tmp_path, declaration, "all", febrl3)
    assert clean(job, PLAIN).published
    rows = clean_table(job)
    assert rows.columns[-1] == "split"
    assert rows.height == febrl3.height
    spread = rows.group_by("person").agg(pl.col("split").n_unique(), pl.len())
    assert spread["split"].max() == 1
    assert spread.filter(pl.col("len") > 1).height > 1_000
    people = rows.unique("person")["split"].to_list()
    for name, share in {"train": 0.7, "test": 0.2, "validation": 0.1}.items():
        assert abs(people.count(name) / spread.height - share) < 0.05


def test_versions_to_come_move_no_record(tmp_path: Path) -> None:
    """A small one of 1,000; see `make kill` for what interrupts them."""
    seen: dict[int, str] = {}
    for day in range(12):
        ids = range(day * 5, day * 5 + 40)
        people = pl.DataFrame(
            {"rec_id": [f"r{n}" for n in ids], "person": list(ids), "surname": "smith", "state": f"s{day}"}
        )
        job = job_for(tmp_path, PEOPLE, f"day-{day:02d}", people)
        clean(job, PLAIN)
        for person, split in clean_table(job).select("person", "split").rows():
            assert seen.setdefault(person, split) == split
    assert len(list_versions(open_store(job.store_root), "people")) == 12
    assert set(seen.values()) == {"train", "validation", "test"}


def test_a_data_set_without_splits_has_the_bytes_that_it_had(tmp_path: Path) -> None:
    people = pl.DataFrame({"rec_id": ["a", "b"], "person": [1, 2], "surname": ["x", None], "state": ["s", "s"]})
    with_split, without = job_for(tmp_path / "a", PEOPLE, "p", people), job_for(tmp_path / "b", WITHOUT, "p", people)
    clean(with_split, PLAIN)
    clean(without, PLAIN)
    assert "split" not in clean_table(without).columns
    assert clean_table(with_split).drop("split").equals(clean_table(without))


def test_a_version_with_splits_is_proven(tmp_path: Path) -> None:
    people = pl.DataFrame({"rec_id": ["a", "b"], "person": [1, None], "surname": ["x", None], "state": ["s", "s"]})
    job = job_for(tmp_path, STRATIFIED.replace("person: int", "person: int = pa.Field(nullable=True)"), "p", people)
    clean(job, PLAIN)
    assert not verify_version(open_store(job.store_root), "people", raw_root=job.raw_root, deep=True).findings


TOYS = '''"""Toys: what a text is about; labels that look wrong are set aside."""
import pandera.polars as pa
import polars as pl

from schemas import Dataset, Dedupe, Labels, Source, Split


class Toys(pa.DataFrameModel):
    id: int = pa.Field(unique=True)
    made: pl.Date
    text: str
    kind: str = pa.Field(isin=["cat", "dog", "car"])


DATASET = Dataset(
    model=Toys,
    source=Source("{partition}/*.csv"),
    labels=Labels("kind", text=("text",), action="quarantine", confidence=0.5LABELS),
    split=SPLIT,
)
'''
SPLITS = {
    "cluster": 'Split(by="id", test=0.4, near=Dedupe.Near("text", jaccard=1.0))',
    "entity": 'Split(by="id", test=0.4)',
    "stratified": 'Split(by="id", test=0.4, stratify="kind")',
    "time": 'Split(at="made", test_from="2026-06-01")',
}


def toys(wrong: int = 40) -> pl.DataFrame:
    """240 short texts of three kinds; the first ones carry the label of another kind."""
    words = {"cat": "purr milk claw", "dog": "bark bone leash", "car": "road wheel fuel"}
    kinds = [list(words)[number % 3] for number in range(240)]
    given = [list(words)[(number + 1) % 3] if number < wrong else kind for number, kind in enumerate(kinds)]
    made = [f"2026-0{5 + number % 2}-01" for number in range(240)]
    return pl.DataFrame({"id": range(240), "made": made, "text": [words[kind] for kind in kinds], "kind": given})


@pytest.mark.parametrize("split", SPLITS)
def test_no_row_that_a_declared_split_puts_in_test_is_set_aside_for_its_label(tmp_path: Path, split: str) -> None:
    def table(where: str, labels: str) -> pl.DataFrame:
        declared = TOYS.replace("=SPLIT", f"={SPLITS[split]}").replace("LABELS", labels)
        job = job_for(tmp_path / where, declared, "p", toys())
        assert clean(job, PLAIN).published
        return clean_table(job)

    every = table("whole", ", min_rows=200")  # of no label there are so many: none is judged
    assert every.height == 240
    test = every.filter(pl.col("split") == "test")["id"].to_list()
    protected, exposed = table("protected", ""), table("exposed", ", protect=()")
    gone = set(every["id"]) - set(exposed["id"])
    assert gone <= set(range(40))
    assert 0 < len(gone - set(test)) < len(gone)
    assert set(every["id"]) - set(protected["id"]) == gone - set(test)
    # Nor does what is set aside move any other row into another split.
    assert protected.filter(pl.col("split") == "test")["id"].to_list() == test


def test_a_protected_split_that_there_is_not_is_refused(tmp_path: Path) -> None:
    declared = TOYS.replace("=SPLIT", f"={SPLITS['entity']}").replace(
        "LABELS", ', protect=("tset",)'
    )  # typos: on purpose
    with pytest.raises(DeclarationError, match="Did you mean"):
        clean(job_for(tmp_path, declared, "p", toys()), PLAIN)


def test_a_column_of_that_name_is_refused(tmp_path: Path) -> None:
    declaration = PEOPLE.replace("    state: str", "    split: str = pa.Field(nullable=True)\n    state: str")
    job = job_for(tmp_path, declaration, "p", pl.DataFrame({"rec_id": ["a"]}))
    with pytest.raises(DeclarationError, match="Split\\(column\\)"):
        clean(job, PLAIN)
