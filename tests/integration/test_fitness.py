"""Audits of a version as training data, in real runs: what they find is kept, and what breaks a floor stops the run."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from flows.clean import PLAIN, clean
from schemas.errors import DeclarationError, GateError
from schemas.records import Role
from tasks.audit.stage import read_audits
from tasks.job import Job
from tasks.store.local import open_store
from tasks.store.versions import list_versions, open_version
from tests.archives import adult, heart_disease

HEART = '''"""Heart disease: patients, with the narrowing that is to be told."""
import pandera.polars as pa

from schemas import Coverage, Dataset, Group, Leakage, Shift, Source, Split


class Heart(pa.DataFrameModel):
    patient: int
    age: int
    gender: str = pa.Field(isin=["female", "male", "other"])
    chest_pain: str
    cholesterol: int
    thal: str = pa.Field(nullable=True)
    diameter_narrowing: int = pa.Field(isin=[0, 1])


DATASET = Dataset(
    model=Heart,
    source=Source("{partition}/*.csv", null_tokens=("",)),
    split=Split(by="patient", test=0.2),
    coverage=Coverage(
        groups=(Group(("gender", "age"), bands={"age": (45, 60)}, min_rows=FLOOR),),
        label="diameter_narrowing",
    ),
    leakage=Leakage(label="diameter_narrowing"),
    shift=Shift(action="fail"),
)
'''


def job_for(home: Path, declaration: str, partition: str, rows: pl.DataFrame) -> Job:
    (home / "raw" / partition).mkdir(parents=True, exist_ok=True)
    (home / "heart.py").write_text(declaration)
    rows.write_csv(home / "raw" / partition / "rows.csv")
    return Job("heart", partition, str(home / "heart.py"), str(home / "raw"), str(home / "store"), run_id=partition)


@pytest.fixture
def patients() -> pl.DataFrame:
    rows = heart_disease().select("age", "gender", "chest_pain", "cholesterol", "thal", "diameter_narrowing")
    return rows.with_row_index("patient").select("patient", pl.all().exclude("patient"))


def test_a_floor_that_breaks_stops_the_run_and_names_the_group(tmp_path: Path, patients: pl.DataFrame) -> None:
    job = job_for(tmp_path, HEART.replace("FLOOR", "20"), "p", patients)
    with pytest.raises(
        GateError, match=r"gender x age = other x 45 to below 60: short by 20 \(0 of 303 rows"
    ) as caught:
        clean(job, PLAIN)
    assert "female x below 45: short by 5 (15 of 303 rows (4.95%, 2.48% to 9.66%))" in str(caught.value)
    assert list_versions(open_store(job.store_root), "heart") == ()


def test_a_floor_that_holds_lets_the_run_pass_and_its_audits_are_kept(tmp_path: Path, patients: pl.DataFrame) -> None:
    declaration = HEART.replace("FLOOR", "6").replace(', "other"', "")
    outcome = clean(job_for(tmp_path, declaration, "a", patients.head(150)), PLAIN)
    assert outcome.published
    job = job_for(tmp_path, declaration, "b", patients.tail(153))
    outcome = clean(job, PLAIN)
    assert {audit.name: audit.verdict.value for audit in outcome.audits} == {
        "coverage": "ok", "leakage": "ok", "shift": "ok",
    }  # fmt: skip
    store = open_store(job.store_root)
    manifest = open_version(store, "heart").manifest
    assert {audit.name for audit in read_audits(store, "heart", manifest.audits)} == {"coverage", "leakage", "shift"}


def test_a_partition_with_other_values_is_stopped(tmp_path: Path, patients: pl.DataFrame) -> None:
    declaration = HEART.replace("FLOOR", "1").replace(', "other"', "")
    clean(job_for(tmp_path, declaration, "a", patients.head(150)), PLAIN)
    other = patients.tail(153).with_columns((pl.col("cholesterol").cast(pl.Float64) * 10).cast(pl.Int64))
    with pytest.raises(GateError, match="gate shift: cholesterol: values shifted"):
        clean(job_for(tmp_path, declaration, "b", other), PLAIN)


def test_a_leak_stops_the_run(tmp_path: Path, patients: pl.DataFrame) -> None:
    declaration = (
        HEART.replace("FLOOR", "1").replace(', "other"', "").replace("    thal: str", "    code: int\n    thal: str")
    )
    rows = patients.with_columns((pl.col("diameter_narrowing").cast(pl.Int64) * 5 + 1).alias("code"))
    with pytest.raises(GateError, match="gate leakage: column code: determines the label"):
        clean(job_for(tmp_path, declaration, "a", rows), PLAIN)


def test_adult_is_audited_whole(tmp_path: Path) -> None:
    declaration = ADULT.replace("ACTION", "warn")
    job = job_for(tmp_path, declaration, "train", adult().with_row_index("person"))
    outcome = clean(job, PLAIN)
    assert outcome.published
    (coverage, leakage) = outcome.audits
    thin = {finding.subject: finding for finding in coverage.findings}
    assert thin["sex x race = Female x Other"].verdict.startswith("short by")
    assert {finding.subject for finding in leakage.findings} <= {"splits share: exact"}
    assert open_version(open_store(job.store_root), "heart").scan(Role.CLEAN).collect()["split"].n_unique() == 3
    with pytest.raises(GateError, match="Female x Other"):
        clean(job_for(tmp_path, ADULT.replace("ACTION", "hold"), "train", adult().with_row_index("person")), PLAIN)


ADULT = '''"""Adult: census records, with the income that is to be told."""
import pandera.polars as pa

from schemas import Coverage, Dataset, Group, Leakage, Source, Split


class Adult(pa.DataFrameModel):
    person: int
    age: int
    workclass: str = pa.Field(nullable=True)
    education: str
    sex: str = pa.Field(isin=["Female", "Male"])
    race: str
    hours_per_week: int
    income: str = pa.Field(isin=["<=50K", ">50K"])

    class Config:
        strict = False


DATASET = Dataset(
    model=Adult,
    source=Source("{partition}/*.csv", null_tokens=("",), drift=__import__("schemas").Drift(extra="ignore")),
    split=Split(by="person", test=0.2, validation=0.1),
    coverage=Coverage(groups=(Group(("sex", "race"), min_rows=120),), label="income", action="ACTION"),
    leakage=Leakage(label="income", action="warn"),
)
'''


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ('Group(("gender", "age")', 'Group(("gendr", "age")'),
        ('label="diameter_narrowing")', 'label="narrowing")'),
        ('Split(by="patient"', 'Split(by="patients"'),
        ("bands={", "bnads={"),  # typos: on purpose
    ],
)
def test_a_misspelt_name_is_refused_before_any_data_is_read(tmp_path: Path, said: str, instead: str) -> None:
    job = job_for(tmp_path, HEART.replace("FLOOR", "1").replace(said, instead), "p", pl.DataFrame({"patient": [1]}))
    with pytest.raises(DeclarationError, match="Did you mean"):
        clean(job, PLAIN)
