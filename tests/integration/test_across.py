"""Records of one key in several partitions: who survives, what the others' files become, and who can see why."""

from __future__ import annotations

import concurrent.futures
import json
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from flows.clean import PLAIN, clean
from flows.cli import app
from flows.rebuild import rebuild
from schemas.errors import GateError
from schemas.records import Books, Manifest, Role
from tasks.job import Job, Outcome
from tasks.publish.commit import commit
from tasks.publish.rollback import rollback
from tasks.publish.verify import Kind, verify_version
from tasks.report.duplicates import clusters
from tasks.store.local import LocalStore
from tasks.store.paths import index_prefix
from tasks.store.versions import head, list_versions
from tests.partitions import NOW

DECLARATION = '''"""Orders: the same ones come again on other nights."""
import pandera.polars as pa

from schemas import Dataset, Dedupe, Gates, Severity, Source, steps


class Orders(pa.DataFrameModel):
    id: str = pa.Field(nullable=True)
    amount: int = pa.Field(nullable=True, ge=0)
    note: str = pa.Field(nullable=True, metadata={"personal": True})


DATASET = Dataset(
    model=Orders,
    source=Source("{partition}/*.csv", null_tokens=("",)),
    steps=(steps.strip("note"),),
    dedupe=Dedupe(key=("id",), POLICY),
    gates=Gates(allow_empty=True),
)
'''
LATEST = 'keep="latest", by="amount"'


class Shop:
    """Dumps, a declaration and a store."""

    def __init__(self, home: Path, policy: str = "") -> None:
        self.home = home
        self.store = LocalStore(home / "store")
        self.declare(policy)

    def declare(self, policy: str) -> None:
        (self.home / "declarations").mkdir(exist_ok=True, parents=True)
        (self.home / "declarations/orders.py").write_text(DECLARATION.replace("POLICY", policy))

    def dump(self, partition: str, *rows: str) -> None:
        shutil.rmtree(self.home / "raw" / partition, ignore_errors=True)
        (self.home / "raw" / partition).mkdir(parents=True)
        text = "".join(f"{row}\n" for row in ("id,amount,note", *rows))
        (self.home / "raw" / partition / "1.csv").write_text(text)

    def clean(self, partition: str, *rows: str, dry_run: bool = False) -> Outcome:
        if rows:
            self.dump(partition, *rows)
        declared = f"{self.home}/declarations/orders.py"
        job = Job("orders", partition, declared, f"{self.home}/raw", f"{self.home}/store", f"run-{partition}")
        job = Job(**{name: getattr(job, name) for name in job.__struct_fields__} | {"dry_run": dry_run})
        return clean(job, PLAIN)

    @property
    def newest(self) -> Manifest:
        found = head(self.store, "orders")
        assert found is not None
        return found

    def books(self, partition: str) -> Books:
        return self.newest.partitions[partition].total

    def rows(self, partition: str, role: Role = Role.CLEAN) -> list[dict[str, Any]]:
        files = [file.path for file in self.newest.partitions[partition].files if file.role is role]
        parts = [pl.read_parquet((self.home / "store/orders" / path).read_bytes()) for path in files]
        return [row for part in parts for row in part.to_dicts()]

    def amounts(self, partition: str, role: Role = Role.CLEAN) -> dict[str | None, int]:
        return {row["id"]: row["amount"] for row in self.rows(partition, role)}

    def check(self) -> None:
        for version in list_versions(self.store, "orders"):
            report = verify_version(self.store, "orders", version, raw_root=f"{self.home}/raw", deep=False)
            assert [each for each in report.findings if each.kind is not Kind.RAW] == []


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "a [home]", LATEST)


@pytest.fixture
def winnow(shop: Shop) -> Callable[..., Result]:
    places = {"STORE": "store", "RAW": "raw", "DATASETS": "declarations"}
    environment = {f"WINNOW_{name}": f"{shop.home}/{folder}" for name, folder in places.items()}
    return lambda *arguments: CliRunner().invoke(app, arguments, env=environment)


def test_a_later_night_takes_a_record_from_an_earlier_one_in_one_version(shop: Shop) -> None:
    shop.clean("1", "a,1,x", "b,5,x", "c,1,x")
    outcome = shop.clean("2", "a,2,y", "b,4,y", "d,1,y")
    assert outcome.version == 2
    assert shop.amounts("1") == {"b": 5, "c": 1}
    assert shop.amounts("2") == {"a": 2, "d": 1}
    assert (shop.books("1"), shop.books("2")) == (Books(3, 2, 1), Books(3, 2, 1))
    (taken,) = shop.rows("1", Role.SUPERSEDED)
    (first,) = [row for row in shop.rows("2") if row["id"] == "a"]
    assert taken["_duplicate_of"] == f"{first['_file']}:{first['_record']}"
    assert (taken["_of_partition"], taken["_differing"]) == ("2", ["amount", "note"])
    assert taken["_rules"] == ["id.duplicate", "id.conflict"]
    assert [rule.rows for rule in shop.newest.partitions["1"].rules if rule.id == "id.conflict"] == [1]
    assert (taken["amount"], taken["note"], taken["_source"]) == (1, "x", "1/1.csv")
    shop.check()


def test_a_partition_that_is_cleaned_again_gives_back_what_it_no_longer_has(shop: Shop) -> None:
    shop.clean("2", "a,1,x", "b,1,x")
    alone = shop.newest.partitions["2"]
    shop.clean("1", "a,2,y", "b,3,y")
    assert shop.amounts("2") == {}
    shop.clean("1", "b,3,z")
    assert shop.amounts("2") == {"a": 1}
    shop.clean("1", "c,3,z")
    assert shop.newest.partitions["2"] == alone
    shop.check()


def test_records_in_conflict_are_set_aside_in_all_partitions_and_name_each_other(shop: Shop) -> None:
    shop.declare('keep="first"')
    shop.clean("1", "a,1,x", "a,1,x", "b,1,x")
    shop.clean("2", "a,2,x", "b,1,x", "c,1,x")
    assert (shop.amounts("1"), shop.amounts("2")) == ({"b": 1}, {"c": 1})
    (one,), (two,) = (shop.rows(name, Role.DISPUTED) for name in "12")
    assert one["_conflicts_with"] == f"{two['_file']}:{two['_record']}"
    assert two["_conflicts_with"] == f"{one['_file']}:{one['_record']}"
    assert (one["_of_partition"], two["_of_partition"]) == ("2", "1")
    assert shop.books("1") == Books(3, 1, 1, 1)
    assert one["_cluster"] == two["_cluster"] == shop.rows("1", Role.DUPLICATES)[0]["_cluster"]
    # One that the partition disputes alone disputes the others' too.
    shop.clean("3", "c,1,x", "c,2,x")
    assert (shop.amounts("2"), shop.amounts("2", Role.DISPUTED)) == ({}, {"a": 2, "c": 1})
    shop.check()


def test_a_conflict_that_fails_stops_the_run_that_brings_it(shop: Shop) -> None:
    shop.declare('keep="first"), severities={"id.conflict": Severity.FAIL}, corrections=(')
    shop.clean("1", "a,1,x")
    with pytest.raises(GateError, match=r"id\.conflict: 1 rows break it"):
        shop.clean("2", "a,2,x")
    assert shop.newest.version == 1


def test_a_run_that_would_wipe_out_a_class_or_another_partition_is_stopped(shop: Shop) -> None:
    source = DECLARATION.replace("POLICY", LATEST)
    gates = 'Gates(allow_empty=True, max_cluster=3, max_removed=0.5, removed_by=("note",))'
    (shop.home / "declarations/orders.py").write_text(source.replace("Gates(allow_empty=True)", gates))
    shop.clean("1", "a,1,x", "b,1,x", "c,1,y")
    with pytest.raises(GateError, match="gate max_cluster: 4 records have one key; also max_removed: 3 of 4 records"):
        shop.clean("2", *["d,1,x"] * 4, "e,1,y", "f,1,y", "g,2,z", "h,2,z")
    with pytest.raises(GateError, match=r"2 of 3 records with partition '1' \(66.7%\)"):
        shop.clean("2", "a,2,x", "b,2,x", "d,1,x")
    with pytest.raises(GateError, match=r"2 of 2 records with note a personal value \(100.0%\)"):
        shop.clean("2", "a,0,x", "b,0,x", "d,1,z", "e,1,z")
    assert shop.clean("2", "a,2,x", "d,1,x", "d,1,x").published


def test_a_key_that_is_missing_is_the_duplicate_of_none(shop: Shop) -> None:
    shop.clean("1", ",1,x", "a,1,x")
    shop.clean("2", ",1,x", "a,1,x")
    assert (shop.amounts("1"), shop.amounts("2")) == ({None: 1, "a": 1}, {None: 1})


def test_two_spellings_of_one_string_are_two_keys_unless_a_step_makes_them_one(shop: Shop) -> None:
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    assert composed != apart
    shop.clean("1", f"{composed},1,x")
    shop.clean("2", f"{apart},1,x")
    assert (shop.amounts("1"), shop.amounts("2")) == ({composed: 1}, {apart: 1})
    source = DECLARATION.replace("POLICY", LATEST).replace('steps.strip("note")', 'steps.nfc("id")')
    (shop.home / "declarations/orders.py").write_text(source)
    shop.clean("1")
    shop.clean("2")
    assert (shop.amounts("1"), shop.amounts("2")) == ({composed: 1}, {})


def test_partitions_of_other_terms_are_not_compared_until_they_are_cleaned_again(shop: Shop) -> None:
    shop.clean("1", "a,1,x")
    shop.declare('keep="last"')
    shop.clean("2", "a,1,x")
    assert (shop.amounts("1"), shop.amounts("2")) == ({"a": 1}, {"a": 1})
    shop.clean("1")
    assert (shop.amounts("1"), shop.amounts("2")) == ({}, {"a": 1})


def test_a_file_that_comes_again_in_another_partition_is_all_duplicates(shop: Shop) -> None:
    rows = [f"{number},1,x" for number in range(5_000)]
    shop.clean("1", *rows)
    shop.clean("2", *rows)
    assert (shop.books("1").kept, shop.books("2").duplicate) == (5_000, 5_000)
    shop.check()


def test_many_copies_of_one_row_in_several_partitions_are_one(shop: Shop) -> None:
    for name in "123":
        shop.clean(name, *["a,1,x"] * 60_000)
    assert [shop.books(name).kept for name in "123"] == [1, 0, 0]
    assert [shop.books(name).duplicate for name in "123"] == [59_999, 60_000, 60_000]


def test_a_cluster_is_shown_whole_by_its_first_records_whichever_partition_asks(shop: Shop) -> None:
    for name in "12":
        shop.clean(name, *["a,1,x"] * 5, "b,1,x")
    for partition, first in ((None, "1"), ("1", "1"), ("2", "1")):
        found = clusters(shop.store, shop.newest, partition=partition, members=3)
        of_a = found.clusters[0]
        assert (of_a.records, len(of_a.members), of_a.members[0].partition) == (10, 4, first)
        assert of_a.members[0].of is None
        assert [each.fate for each in of_a.members] == ["kept", "duplicate", "duplicate", "duplicate"]
    assert found.total == 2
    assert clusters(shop.store, shop.newest, partition="1").total == 1


def test_partitions_that_are_cleaned_at_one_time_and_touch_each_other_converge(shop: Shop, tmp_path: Path) -> None:
    names = ["1", "2", "3", "4"]
    for name in names:
        shop.dump(name, *(f"{key},{(key * int(name) * 7) % 5},x" for key in range(30)))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(shop.clean, names))
    after = Shop(tmp_path / "after", LATEST)
    shutil.copytree(shop.home / "raw", after.home / "raw")
    for name in reversed(names):
        after.clean(name)
    assert shop.newest.digest == after.newest.digest
    shop.check()


def test_the_index_may_be_lost_or_damaged(shop: Shop) -> None:
    shop.clean("1", "a,1,x")
    shop.clean("2", "b,1,x")
    shop.clean("3", "c,1,x")
    keys = shop.store.list(index_prefix("orders"))
    assert keys
    for key in keys:
        Path(shop.store.path(key)).write_bytes(b"winnow-keys-1\nrubbish")
    shop.clean("4", "a,2,x")
    assert shop.amounts("1") == {}
    shutil.rmtree(shop.home / "store/orders/_keys")
    shop.clean("5", "b,2,x")
    assert shop.amounts("2") == {}


def test_a_dry_run_sees_the_other_partitions_and_changes_nothing(shop: Shop) -> None:
    shop.clean("1", "a,1,x")
    before = {key: shop.store.sha256(key) for key in shop.store.list("orders/")}
    assert shop.clean("2", "a,0,x", dry_run=True).books == Books(1, 0, 1)
    assert {key: shop.store.sha256(key) for key in shop.store.list("orders/")} == before


def test_a_version_is_rebuilt_with_what_other_partitions_took(shop: Shop) -> None:
    shop.clean("1", "a,1,x", "b,5,x")
    shop.clean("2", "a,2,y", "b,4,y")
    declared = shop.home / "declarations/orders.py"
    found = rebuild(shop.store, shop.newest, declaration=declared, raw_root=f"{shop.home}/raw")
    assert [each.differences for each in found.partitions] == [(), ()]
    assert found.same


def test_a_rollback_brings_back_a_whole_version_and_the_next_night_starts_from_it(shop: Shop) -> None:
    first = shop.clean("1", "a,1,x")
    shop.clean("2", "a,2,y")
    assert rollback(shop.store, "orders", 1, run_id="r", now=NOW).digest == first.digest
    shop.clean("2")
    assert (shop.amounts("1"), shop.amounts("2")) == ({}, {"a": 2})
    shop.check()


def test_a_version_whose_survivors_are_lost_does_not_verify(shop: Shop) -> None:
    shop.clean("1", "a,1,x")
    shop.clean("2", "a,2,y")
    contract = shop.newest.contract
    commit(
        shop.store, "orders", change=lambda both: {"1": both["1"]}, reason="run", run_id="forged", contract=contract,
        now=NOW, as_is=True,
    )  # fmt: skip
    (finding,) = verify_version(shop.store, "orders").findings
    assert (finding.kind, finding.path) == (Kind.SURVIVOR, "orders 1")


def test_explain_and_quarantine_tell_of_the_other_partition(shop: Shop, winnow: Callable[..., Result]) -> None:
    shop.clean("1", "a,1,x")
    shop.clean("2", "a,2,y")
    (taken,) = shop.rows("1", Role.SUPERSEDED)
    told = winnow("explain", "orders", f"{taken['_file'][:16]}:1")
    assert f"duplicate of {taken['_duplicate_of']} of partition 2: 1/1.csv, line 2, bytes 15 to 21" in told.stdout
    assert "differs in amount, note" in told.stdout
    assert "  a,1,x" in told.stdout
    shop.declare('keep="first"')
    for name in "12":
        shop.clean(name)
    told = winnow("quarantine", "orders", "--rule", "id.conflict", "--json")
    assert [json.loads(line)["partition"] for line in told.stdout.splitlines()] == ["1", "2"]


def test_duplicates_stand_side_by_side_without_what_is_personal(shop: Shop, winnow: Callable[..., Result]) -> None:
    shop.clean("1", "\x1b[31ma,1,secret one", "b,1,x", "b,1,x")
    shop.clean("2", "\x1b[31ma,2,secret two", "c,1,x")
    told = winnow("duplicates", "orders")
    assert told.exit_code == 0, told.output
    assert "secret" not in told.stdout
    assert "\x1b" not in told.stdout
    assert "2 of 2 clusters" in told.stdout
    assert "* 1" in told.stdout
    assert "secret one" in winnow("duplicates", "orders", "--personal").stdout
    found = [json.loads(line) for line in winnow("duplicates", "orders", "--json").stdout.splitlines()]
    assert [each["records"] for each in found] == [2, 2]
    for each in found:
        survivor, other = each["members"]
        assert (survivor["fate"], other["fate"]) == ("kept", "duplicate")
        assert other["of"].startswith(survivor["record"].partition(":")[0])
    name = found[0]["cluster"]
    alone = json.loads(winnow("duplicates", "orders@2", "--cluster", name, "--json").stdout)
    assert alone == found[0]
    missing = winnow("duplicates", "orders", "--cluster", "0000")
    assert missing.exit_code == 2
    assert "no record of orders@2 is a duplicate in cluster '0000'" in missing.output
