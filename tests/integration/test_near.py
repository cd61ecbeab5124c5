"""Near-duplicates in whole cleanings: their fates, their evidence, and its proof from the version's files alone."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
import pytest

from flows.clean import PLAIN, clean
from schemas.errors import DeclarationError, MissingExtraError
from schemas.records import RecordId, Role
from tasks.job import Job
from tasks.publish.likenesses import unlike
from tasks.publish.verify import Kind, verify_version
from tasks.report.describe import describe
from tasks.report.duplicates import clusters
from tasks.report.explain import explain
from tasks.store.local import open_store
from tasks.store.paths import file_key
from tasks.store.versions import open_version

NOTES = '''"""Notes: texts that come again with a word exchanged."""
import pandera.polars as pa

from schemas import Dataset, Dedupe, Source, steps


class Notes(pa.DataFrameModel):
    id: int
    stars: int = pa.Field(nullable=True)
    text: str = pa.Field(nullable=True, str_contains="e")


DATASET = Dataset(
    model=Notes,
    source=Source("{partition}/*", null_tokens=[""]),
    steps=[steps.lowercase("text")],
    dedupe=Dedupe(key=["id"], KEEP, near=Dedupe.Near("text", jaccard=0.5, words=1)),
)
'''
A, B, C = "one two three four", "Two three four five", "three four five six"
LINES = [
    f"1,3,{A}",
    f"2,1,{B}",  # goes to A
    f"3,2,{C}",  # unlike A, and like B only
    f"3,2,{C}",  # the same key again
    f"4,,{A} seven",
    "5,9,nothing else",
    "6,9,",
    f"7,9,{A.replace('e', 'i')}",  # breaks a rule
    f"8,9,{A}",  # in conflict with the next one
    f"8,1,{B}",
]


def cleaned(home: Path, keep: str = 'keep="first"') -> Job:
    (home / "raw" / "p").mkdir(parents=True)
    (home / "notes.py").write_text(NOTES.replace("KEEP", keep))
    (home / "raw" / "p" / "a.csv").write_text("id,stars,text\n" + "".join(f"{line}\n" for line in LINES))
    job = Job("notes", "p", str(home / "notes.py"), str(home / "raw"), str(home / "store"), run_id="r")
    clean(job, PLAIN)
    return job


def removed(job: Job) -> pl.DataFrame:
    rows = open_version(open_store(job.store_root), "notes").scan(Role.DUPLICATES).collect().sort("_record")
    return rows.with_columns(pl.col("_duplicate_of").str.split(":").list.last().cast(pl.Int64).alias("of"))


def test_records_with_a_similar_text_are_duplicates_and_both_ends_of_a_chain_are_kept(tmp_path: Path) -> None:
    job = cleaned(tmp_path)
    books = open_version(open_store(job.store_root), "notes").manifest.partitions["p"].total
    assert (books.records, books.kept, books.duplicate, books.quarantined) == (10, 4, 3, 3)
    found = removed(job).select("_record", "of", "_kind", "_similarity", "_shared", "_shingles", "_compared")
    assert found.rows() == [
        (2, 1, "near", 0.6, 3, 5, B.lower()),
        (4, 3, "exact", None, None, None, None),
        (5, 1, "near", 0.8, 4, 5, f"{A} seven"),
    ]
    assert removed(job)["_rules"].to_list()[0] == ["text.near_duplicate"]
    assert removed(job)["_reasons"].to_list()[0] == ["a similar text survives: 3 of 5 runs of 1 words of both texts"]


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        ('keep="last"', [(1, 5), (2, 5), (3, 4)]),
        ('keep="latest", by="stars"', [(1, 9), (2, 9), (4, 3), (5, 9), (10, 9)]),
        ('keep="most_complete"', [(2, 1), (4, 3), (5, 1), (9, 1), (10, 9)]),
    ],
)
def test_who_stays_follows_from_the_policy(tmp_path: Path, keep: str, expected: list[tuple[int, int]]) -> None:
    found = removed(cleaned(tmp_path, keep)).select("_record", "of").rows()
    assert found == expected


def test_their_clusters_and_their_stories_can_be_shown(tmp_path: Path) -> None:
    job = cleaned(tmp_path)
    store = open_store(job.store_root)
    manifest = open_version(store, "notes").manifest
    sizes = {found.records for found in clusters(store, manifest).clusters}
    assert sizes == {3, 2}
    told = explain(store, manifest, RecordId(manifest.partitions["p"].inputs[0].sha256, 2), job.raw_root)
    assert told.deliveries[0].duplicate_of == f"{manifest.partitions['p'].inputs[0].sha256}:1"


def test_verify_counts_the_shared_shingles_again(tmp_path: Path) -> None:
    job = cleaned(tmp_path)
    store = open_store(job.store_root)
    assert verify_version(store, "notes", raw_root=job.raw_root, deep=True).ok
    manifest = open_version(store, "notes").manifest
    (file,) = (each for each in manifest.partitions["p"].files if each.role is Role.DUPLICATES)
    path = Path(store.path(file_key("notes", file.path)))
    metadata = {name: text for name, text in pl.read_parquet_metadata(path).items() if name.startswith("winnow.")}
    forged = pl.read_parquet(path).with_columns(pl.lit("three four five six").alias("_compared"))
    path.chmod(0o644)
    forged.write_parquet(path, metadata=metadata)
    kinds = {finding.kind for finding in verify_version(store, "notes").findings}
    assert kinds == {Kind.FILE}
    assert list(unlike(store, manifest)) == [
        ("p", "2 near-duplicates are not as similar to the record they name as they say")
    ]


def test_show_says_what_is_nearly_the_same(tmp_path: Path) -> None:
    told = describe(cleaned(tmp_path).load(), "", "").dedupe
    assert told[1:] == ("text nearly the same: Jaccard similarity of runs of 1 words at least 0.5, in each partition",)


def test_a_missing_extra_is_named_with_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'winnow\[text\]'"):
        cleaned(tmp_path)


def test_a_column_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.py").write_text(NOTES.replace("KEEP", 'keep="last"').replace('Near("text"', 'Near("stars"'))
    with pytest.raises(DeclarationError, match="a column of text"):
        Job("notes", "p", str(tmp_path / "notes.py"), "", "", run_id="r").load()
