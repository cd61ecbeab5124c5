"""Whole cleanings in which several stages have a say in one record's fate."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.clean import PLAIN, clean
from schemas.errors import DeclarationError, GateError
from schemas.records import RecordId, Role
from tasks.job import Job, Outcome
from tasks.report.explain import explain
from tasks.store.local import open_store
from tasks.store.versions import open_version

HEAD = '''"""Mails: to be cleaned as a whole."""
import pandera.polars as pa
import polars as pl

from schemas import Dataset, Dedupe, Severity, Source


'''

MAILS = (
    HEAD
    + '''class Mails(pa.DataFrameModel):
    id: int
    mail: str = pa.Field(str_startswith="m")
    day: int

    @pa.check("mail", element_wise=True)
    @classmethod
    def plain(cls, mail: str) -> bool:
        """Must be plain."""
        return "!" not in mail


DATASET = Dataset(model=Mails, source=Source("{partition}/*"), dedupe=Dedupe(key=("id",), keep="latest", by="day"))
'''
)

FEW = (
    HEAD
    + '''class Few(pa.DataFrameModel):
    id: int

    @pa.dataframe_check
    @classmethod
    def among_the_first_two(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Only two rows are meant to be there."""
        return data.lazyframe.select(pl.int_range(pl.len()) < 2)


DATASET = Dataset(model=Few, source=Source("{partition}/*"))
'''
)

NAMES = (
    HEAD
    + """class Names(pa.DataFrameModel):
    len: int
    of: str
    other: str
    differs: str


DATASET = Dataset(
    model=Names,
    source=Source("{partition}/*"),
    dedupe=Dedupe(key=("len", "of")),
    severities={"len+of.conflict": Severity.WARN},
)
"""
)


def job_for(home: Path, declaration: str, **files: bytes) -> Job:
    (home / "raw" / "p").mkdir(parents=True, exist_ok=True)
    (home / "mails.py").write_text(declaration)
    for name, data in files.items():
        (home / "raw" / "p" / name.replace("_", ".")).write_bytes(data)
    return Job("mails", "p", str(home / "mails.py"), str(home / "raw"), str(home / "store"), run_id="r")


def run(job: Job) -> Outcome:
    return clean(job, PLAIN)


def rules_of(job: Job) -> list[list[str]]:
    frame = open_version(open_store(job.store_root), "mails").scan(Role.QUARANTINE).collect()
    return [sorted(rules) for rules in frame["_rules"].to_list()]


def test_a_check_of_single_cells_is_judged_before_survivors_are_chosen(tmp_path: Path) -> None:
    job = job_for(tmp_path, MAILS, a_csv=b"id,mail,day\n1,mary,1\n1,m!,2\n2,x!,1\n")
    books = run(job).books
    assert (books.kept, books.quarantined, books.duplicate) == (1, 2, 0)
    assert rules_of(job) == [["mail.plain"], ["mail.plain", "mail.str_startswith"]]


def test_a_rule_across_rows_that_names_no_column_is_evaluated(tmp_path: Path) -> None:
    job = job_for(tmp_path, FEW, a_csv=b"id\n1\n2\n3\n4\n")
    assert run(job).books.quarantined == 2
    assert rules_of(job) == [["among_the_first_two"]] * 2


def test_columns_may_have_any_name_but_one_with_an_underscore(tmp_path: Path) -> None:
    job = job_for(tmp_path, NAMES, a_csv=b"len,of,other,differs\n1,a,b,c\n1,a,b,d\n2,a,b,c\n2,a,b,c\n")
    books = run(job).books
    assert (books.kept, books.duplicate) == (2, 2)


def test_the_same_bytes_under_two_formats_have_no_identity(tmp_path: Path) -> None:
    data = b"id,mail,day\n1,mary,1\n"
    job = job_for(tmp_path, MAILS, a_jsonl=data, b_csv=data)
    with pytest.raises(GateError, match="same bytes"):
        run(job)


def test_a_dump_that_was_edited_since_is_no_evidence(tmp_path: Path) -> None:
    job = job_for(tmp_path, MAILS, a_csv=b"id,mail,day\n1,mary,1\n")
    run(job)
    (tmp_path / "raw" / "p" / "a.csv").write_bytes(b"id,mail,day\n1,mfak,1\n")
    store = open_store(job.store_root)
    manifest = open_version(store, "mails").manifest
    found = explain(store, manifest, RecordId(manifest.partitions["p"].inputs[0].sha256, 1), job.raw_root)
    assert found.raw is None
    assert "changed since" in found.raw_from


def test_a_declaration_that_is_edited_during_the_run_stops_it(tmp_path: Path) -> None:
    job = job_for(tmp_path, MAILS, a_csv=b"id,mail,day\n1,mary,1\n")

    def edit(*arguments: object) -> object:
        Path(job.declaration).write_text(MAILS.replace('"!" not in', '"?" not in'))
        return PLAIN.settle(*arguments)  # type: ignore[arg-type]

    with pytest.raises(DeclarationError, match="changed while"):
        clean(job, PLAIN._replace(settle=edit))  # type: ignore[arg-type]
    assert run(job).published


MANY = b"id,mail,day\n" + b"".join(b"%d,m%s,1\n" % (n, b"!" if n % 3 else b"") for n in range(450_000))
ALONE = """
import sys
from flows.clean import PLAIN, clean
from tasks.job import Job
declaration, root = sys.argv[1:]
print(clean(Job("mails", "p", declaration, f"{root}/raw", f"{root}/store", run_id="r"), PLAIN).digest)
"""


def test_the_number_of_threads_changes_no_byte_of_a_large_quarantine(tmp_path: Path) -> None:
    digests = set()
    for threads in ("1", "2", "4"):
        home = tmp_path / threads
        job = job_for(home, MAILS, a_csv=MANY)
        command = [sys.executable, "-c", ALONE, job.declaration, str(home)]
        environment = os.environ | {"POLARS_MAX_THREADS": threads}
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=120)
        digests.add(done.stdout.strip().splitlines()[-1])
    assert len(digests) == 1
