"""Keys that are compared in a canonical form, in whole cleanings, within and across partitions."""

from __future__ import annotations

from pathlib import Path

from flows.clean import PLAIN, clean
from schemas.records import Role
from tasks.job import Job
from tasks.publish.verify import verify_version
from tasks.store.local import open_store
from tasks.store.versions import open_version

GUESTS = '''"""Guests: people who write their names as they like."""
import pandera.polars as pa

from schemas import Dataset, Dedupe, Source


class Guests(pa.DataFrameModel):
    name: str
    born: str
    stars: int


DATASET = Dataset(
    model=Guests,
    source=Source("{partition}/*"),
    dedupe=Dedupe(
        key=["name", "born"], canonical={"name": ["case", "accents", "whitespace"], "born": ["date"]}, ignore=["stars"]
    ),
)
'''
#: José with a composed and a decomposed accent, and another one.
DUMPS = {
    "1": ["José Ruiz,2001-02-03,1", "JOSE\u0301  RUIZ,20010203,2", "Ana,2000-01-01,3"],
    "2": ["jose ruiz,2001/02/03,4", "ANA,2000-01-02,5", "Zoë,1999-01-01,6"],
}


def cleaned(home: Path, order: list[str]) -> Job:
    (home / "guests.py").write_text(GUESTS)
    for partition, lines in DUMPS.items():
        (home / "raw" / partition).mkdir(parents=True)
        (home / "raw" / partition / "a.csv").write_text("\n".join(["name,born,stars", *lines, ""]))
    for partition in order:
        job = Job(
            "guests", partition, str(home / "guests.py"), str(home / "raw"), str(home / "store"), run_id=partition
        )
        clean(job, PLAIN)
    return job


def test_spellings_of_one_key_are_one_and_are_published_as_they_came(tmp_path: Path) -> None:
    job = cleaned(tmp_path, ["1", "2"])
    store = open_store(job.store_root)
    version = open_version(store, "guests")
    kept = version.scan(Role.CLEAN).collect()
    assert kept.columns == ["_file", "_record", "_offset", "_length", "name", "born", "stars"]
    assert sorted(kept["name"]) == ["ANA", "Ana", "José Ruiz", "Zoë"]
    within = version.scan(Role.DUPLICATES).collect()
    assert within["_rules"].to_list() == [["name+born.duplicate"]]
    assert within["_differing"].to_list() == [["name", "born", "stars"]]
    across = version.scan(Role.SUPERSEDED).collect()
    assert across["name"].to_list() == ["jose ruiz"]
    assert across["_cluster"].to_list() == within["_cluster"].to_list()
    assert verify_version(store, "guests", raw_root=job.raw_root, deep=True).ok


def test_the_order_of_partitions_does_not_matter(tmp_path: Path) -> None:
    digests = set()
    for name, order in {"a": ["1", "2"], "b": ["2", "1", "2"]}.items():
        (tmp_path / name).mkdir()
        job = cleaned(tmp_path / name, order)
        digests.add(open_version(open_store(job.store_root), "guests").manifest.digest)
    assert len(digests) == 1
