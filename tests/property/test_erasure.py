"""Erasures of random people from random dumps, in any order with cleanings: everyone else keeps what they had.

What is left is looked for by code that shares nothing with the search that erased: every byte of every object, and
every cell of every Parquet file.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.clean import PLAIN, clean
from schemas.records import Manifest, Role
from schemas.registry import load_file
from tasks.erasure.condition import Condition
from tasks.erasure.receipt import Receipt, is_genuine, load_key, new_key
from tasks.erasure.stage import erase
from tasks.job import Job
from tasks.publish.verify import verify_version
from tasks.store.local import LocalStore
from tasks.store.versions import head, list_versions, open_version, read_manifest

DECLARATION = '''"""Visits: generated, with people who ask to be forgotten."""
import pandera.polars as pa

from schemas import Dataset, Dedupe, Gates, Severity, Source, steps


class Visits(pa.DataFrameModel):
    id: int = pa.Field(ge=0)
    person: str = pa.Field(metadata={"subject": True}, str_length={"max_value": 20})
    shop: str = pa.Field(isin=["north", "south"])
    note: str = pa.Field(nullable=True, str_length={"max_value": 30})


DATASET = Dataset(
    model=Visits,
    source=Source("{partition}/*", null_tokens=["", "NA"], format=FORMAT, encoding="utf-8", line_end="lf", preamble=0),
    steps=[steps.strip("person", "shop"), steps.lowercase("person", "shop")],
    dedupe=Dedupe(key=["id"], keep="KEEP", across="ACROSS"),
    severities={"note.str_length": Severity.WARN},
    gates=Gates(allow_empty=True),
)
'''
PEOPLE = ["ada-100001", "Bob-100002", "cléo-10003"]
HEADER = b"id,person,shop,note\n"

_ids = st.sampled_from(["1", "2", "3", "x", ""])
_people = st.sampled_from([*PEOPLE, *(f" {person.upper()} " for person in PEOPLE), "dan-100004", "NA"])
_shops = st.sampled_from(["north", "South", "east"])
_notes = st.sampled_from(["", "ok", "much too long a note for this column", '"quo,ted"', "of dan-100004"])
_rows = st.tuples(_ids, _people, _shops, _notes).map(lambda cells: ",".join(cells).encode())
_rubbish = st.one_of(
    st.sampled_from([b"1,north", b"x" * 5, b""]),
    _people.map(lambda person: f'{person},1,"a'.encode()),
    _people.map(lambda person: f"7,{person},north,1,2,3".encode()),
)
_files = st.lists(st.one_of(_rows, _rows, _rows, _rubbish), max_size=10).map(
    lambda lines: HEADER + b"".join(line + b"\n" for line in lines)
)
_dump = st.lists(_files, min_size=1, max_size=2).map(lambda files: {f"{n}.csv": data for n, data in enumerate(files)})
dumps = st.fixed_dictionaries({"p": _dump, "q": _dump})
relaxed = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=12, deadline=None
)


@dataclass(frozen=True)
class Place:
    """Dumps, a declaration and a store."""

    home: Path

    @property
    def store(self) -> LocalStore:
        return LocalStore(self.home / "store")

    def clean(self, *partitions: str) -> None:
        for partition in partitions:
            declaration = str(self.home / "visits.py")
            clean(Job("visits", partition, declaration, f"{self.home}/raw", f"{self.home}/store", run_id="t"), PLAIN)

    def erase(self, *people: str) -> list[Receipt]:
        dataset, key = load_file(self.home / "visits.py"), load_key(new_key(), "memory")
        conditions = [Condition("person", (person,)) for person in people]
        return [erase(self.store, dataset, each, asked_by="t", run_id="t", key=key) for each in conditions]

    @property
    def newest(self) -> Manifest:
        found = head(self.store, "visits")
        assert found is not None
        return found


@pytest.fixture
def homes() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def furnished(
    folder: Path,
    dump: Mapping[str, Mapping[str, bytes]],
    text_format: str = "csv",
    keep: str = "first",
    across: str = "dataset",
) -> Place:
    home = Path(tempfile.mkdtemp(dir=folder))
    declared = DECLARATION.replace("FORMAT", repr(text_format)).replace("KEEP", keep).replace("ACROSS", across)
    (home / "visits.py").write_text(declared)
    for partition, files in dump.items():
        for name, data in files.items():
            path = home / "raw" / partition / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return Place(home)


def rows_of_others(place: Place, gone: set[str]) -> dict[Role, list[dict[str, Any]]]:
    """Every row of every role but those that name one of these people anywhere."""
    snapshot = open_version(place.store, "visits")
    found: dict[Role, list[dict[str, Any]]] = {}
    for role in set(Role) - {Role.ERASED, Role.REPAIRS}:
        rows = snapshot.scan(role).collect().iter_rows(named=True)
        found[role] = [row for row in rows if not any(person.encode() in told(row) for person in gone)]
    return found


def told(value: object) -> bytes:
    """A value as text in small letters, whatever bytes are in it."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").lower().encode()
    if isinstance(value, dict | list | tuple):
        each = value.values() if isinstance(value, dict) else value
        return b"\n".join(told(part) for part in each)
    return str(value).lower().encode()


def what_is_left(place: Place, person: str) -> list[str]:
    found = []
    for path in (place.home / "store").rglob("*"):
        if path.is_file():
            data = told(path.read_bytes())
            if path.suffix == ".parquet":
                data += told(pl.read_parquet(path).rows())
            if person.lower().encode() in data:
                found.append(str(path))
    return found


@relaxed
@given(dumps, st.sampled_from(PEOPLE), st.sampled_from(["first", "last", "most_complete"]))
def test_a_person_is_gone_from_every_version_and_nobody_else_is(
    homes: Path, dump: Mapping, person: str, keep: str
) -> None:
    # Across partitions a person's record gives its key to the next one; the test after this one is about that.
    place = furnished(homes, dump, keep=keep, across="partition")
    place.clean("p", "q")
    records = {name: entry.total.records for name, entry in place.newest.partitions.items()}
    others = rows_of_others(place, {person.lower()})
    (receipt,) = place.erase(person)
    assert what_is_left(place, person) == []
    for version in list_versions(place.store, "visits"):
        report = verify_version(place.store, "visits", version, raw_root=str(place.home / "raw"))
        assert (report.findings, report.notes) == ((), ())
    for name, entry in place.newest.partitions.items():
        assert entry.total.balanced
        assert entry.total.records == records[name]
    assert rows_of_others(place, set()) == others
    assert is_genuine(receipt)
    assert receipt.records == len({
        (file, record) for file, record in open_version(place.store, "visits").scan(Role.ERASED)
        .select("_file", "_record").collect().rows()
    })  # fmt: skip


@relaxed
@given(dumps, st.permutations(PEOPLE[:2]))
def test_law_4_erasing_and_cleaning_in_any_order_give_the_same_bytes(
    homes: Path, dump: Mapping, people: list[str]
) -> None:
    afterwards = furnished(homes, dump)
    afterwards.clean("p", "q")
    afterwards.erase(*people)
    before = furnished(homes, dump)
    shutil.copytree(afterwards.home / "store/visits/_erasures", before.home / "store/visits/_erasures")
    before.clean("q", "p")
    between = furnished(homes, dump)
    between.clean("q")
    between.erase(people[1])
    between.clean("p")
    between.erase(people[0])
    assert afterwards.newest.digest == before.newest.digest == between.newest.digest
    assert not any(what_is_left(place, person) for place in (before, between) for person in people)


@relaxed
@given(dumps, st.sampled_from(PEOPLE))
def test_erasing_again_changes_nothing_and_no_cleaning_brings_the_person_back(
    homes: Path, dump: Mapping, person: str
) -> None:
    place = furnished(homes, dump)
    place.clean("p")
    place.erase(person)
    manifest = msgspec.json.encode(read_manifest(place.store, "visits", 1))
    place.erase(person)
    assert list_versions(place.store, "visits") == (1, 2)
    place.clean("p", "q")
    assert msgspec.json.encode(read_manifest(place.store, "visits", 1)) == manifest
    assert what_is_left(place, person) == []


@pytest.mark.parametrize("text_format", ["jsonl", "parquet"])
def test_other_formats_lose_the_person_too(homes: Path, text_format: str) -> None:
    frame = pl.DataFrame({"id": ["1", "2", "x"], "person": ["ada-100001", "dan-100004", "ADA-100001"]}).with_columns(
        shop=pl.lit("north"), note=pl.lit("ok")
    )
    path = homes / "data"
    frame.write_parquet(path) if text_format == "parquet" else frame.write_ndjson(path)
    place = furnished(homes, {"p": {"1": path.read_bytes()}}, text_format)
    place.clean("p")
    place.erase("ada-100001")
    assert what_is_left(place, "ada-100001") == []
    assert place.newest.partitions["p"].total.erased == 2
    assert verify_version(place.store, "visits").ok
