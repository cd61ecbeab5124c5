"""The same entity twice in whole cleanings: fates, evidence, and what stops a run until somebody has looked."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from flows.clean import PLAIN, clean
from schemas.errors import GateError
from schemas.records import Role
from tasks.job import Job, Outcome
from tasks.publish.verify import verify_version
from tasks.store.local import open_store
from tasks.store.versions import open_version

#: What a person writes to have febrl3 linked: the fields, and in which of them records must be equal to be compared.
PERSONS = '''"""Persons: a register in which some people stand several times."""
import pandera.polars as pa

from schemas import Dataset, Dedupe, Entities, Severity, Source

COLUMNS = ("given_name", "surname", "street_number", "address_1", "suburb", "postcode", "date_of_birth", "soc_sec_id")
Persons = type("Persons", (pa.DataFrameModel,), {
    "__annotations__": {name: str for name in ("rec_id", *COLUMNS)},
    **{name: pa.Field(nullable=True) for name in COLUMNS},
})
NAMES = dict.fromkeys(("given_name", "surname", "address_1", "suburb"), "name")
DATASET = Dataset(
    model=Persons,
    source=Source("{partition}/*", null_tokens=[""]),
    dedupe=Dedupe(key=["rec_id"], keep="most_complete", entities=Entities(
        fields={name: NAMES.get(name, "code") for name in COLUMNS},
        blocking=[["soc_sec_id"], ["date_of_birth"], ["given_name", "surname"], ["surname", "postcode"]],
        match=0.9, REVIEW
    )),
    SEVERITIES
)
'''

pytestmark = pytest.mark.slow


def run(home: Path, corpora: Path, review: str = "", severities: str = "", rows: int = 700) -> tuple[Job, Outcome]:
    (home / "raw" / "p").mkdir(parents=True)
    (home / "persons.py").write_text(PERSONS.replace("REVIEW", review).replace("SEVERITIES", severities))
    found = pl.read_csv(corpora / "entities" / "febrl3.csv", infer_schema=False)
    stripped = found.rename({name: name.strip() for name in found.columns}).with_columns(pl.all().str.strip_chars())
    stripped.drop("address_2", "state").head(rows).write_csv(home / "raw" / "p" / "a.csv")
    job = Job("persons", "p", str(home / "persons.py"), str(home / "raw"), str(home / "store"), run_id="r")
    return job, clean(job, PLAIN)


def test_records_of_one_person_are_duplicates_with_the_probability_as_evidence(tmp_path: Path, corpora: Path) -> None:
    job, outcome = run(tmp_path, corpora)
    store = open_store(job.store_root)
    rows = open_version(store, "persons").scan(Role.DUPLICATES).collect()
    assert outcome.books.duplicate == rows.height > 50
    assert rows["_kind"].unique().to_list() == ["entity"]
    assert rows["_similarity"].min() >= 0.9
    assert rows["_weight"].null_count() == rows["_cluster"].null_count() == 0
    assert rows["_rules"].list.first().unique().to_list() == ["entities.duplicate"]
    # Each names a person of its own, who is kept.
    clean_rows = open_version(store, "persons").scan(Role.CLEAN).collect()
    kept = dict(zip(clean_rows["_record"], clean_rows["rec_id"], strict=True))
    named = [kept[int(of.rpartition(":")[2])].split("-")[1] for of in rows["_duplicate_of"]]
    right = sum(one.split("-")[1] == other for one, other in zip(rows["rec_id"], named, strict=True))
    assert right >= 0.98 * rows.height
    assert verify_version(store, "persons", raw_root=job.raw_root, deep=True).ok


def test_doubtful_pairs_stop_the_run_until_somebody_says_otherwise(tmp_path: Path, corpora: Path) -> None:
    with pytest.raises(GateError, match=r"gate entities\.review: \d+ rows break it"):
        run(tmp_path / "held", corpora, "review=0.000001,")
    warned = 'severities={"entities.review": Severity.WARN},'
    _, outcome = run(tmp_path / "warned", corpora, "review=0.000001,", warned)
    assert next(rule.rows for rule in outcome.rules if rule.id == "entities.review")
    assert outcome.published
