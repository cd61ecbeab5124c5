"""Replay after a change of rule or source: what passes is published, as a backfill would, and no more."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from flows.batch import clean_batch
from flows.replaying import replay_partitions
from schemas.errors import UnknownNameError
from schemas.records import FILE, RECORD, RecordId, Replayed, Role
from tasks.audit.ledger import ledger
from tasks.job import Job
from tasks.publish.verify import verify_version
from tasks.replay.report import PartitionReplay
from tasks.report.explain import explain
from tasks.store.local import LocalStore
from tasks.store.versions import head, list_versions, open_version

DECLARATION = '''"""Sales: asked again."""
import pandera.polars as pa

from schemas import Dataset, Dedupe, Drift, Source, steps


class Sales(pa.DataFrameModel):
    id: int = pa.Field(ge=0)
    shop: str = pa.Field(isin=["north", "south"])
    price: float = pa.Field(in_range={"min_value": 0, "max_value": 10}, nullable=True)


DATASET = Dataset(
    model=Sales,
    source=Source("{partition}.csv", null_tokens=("",)),
    steps=(steps.lowercase("shop"),),
    dedupe=Dedupe(key=("id", "shop"), keep="first"),
)
'''
#: Of every fate, in an order in which those that pass later stand between others; records 1 to 12.
DUMP = """id,shop,price
1,north,1
2,east,2
3,EAST,3
3,East,3
4,south,11
5,north,
5,north,
6,west,1
7,east,n/a
8,SOUTH,2
9
10,east,99
"""
WIDER = ('isin=["north", "south"]', 'isin=["north", "south", "east"]')
#: Also of quarantined pairs in conflict, and of a record that stands before the one that was kept in its place.
RIVALS = "id,shop,price\n1,north,20\n1,north,20\n1,north,2\n2,south,20\n2,south,1\n9,south,1\n"


class Shop:
    """A folder with dumps, a declaration and a store."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.store = root, LocalStore(root / "store")
        (root / "raw").mkdir(parents=True)
        (root / "declarations").mkdir()
        self.text = DECLARATION
        self.declare()
        for name, folder in (("STORE", "store"), ("RAW", "raw"), ("DATASETS", "declarations")):
            monkeypatch.setenv(f"WINNOW_{name}", str(root / folder))

    @property
    def declaration(self) -> Path:
        return self.root / "declarations" / "sales.py"

    def declare(self, *change: str) -> None:
        if change:
            assert change[0] in self.text
            self.text = self.text.replace(*change)
        self.declaration.write_text(self.text)

    def clean(self, **dumps: str) -> None:
        for name, text in dumps.items():
            (self.root / "raw" / f"{name}.csv").write_text(text)
        raw, store = str(self.root / "raw"), str(self.root / "store")
        jobs = [Job("sales", name, str(self.declaration), raw, store, "r", "backfill") for name in dumps]
        assert [told.error for told in clean_batch(jobs)] == [None] * len(jobs)

    def replay(self, **named: object) -> dict[str, PartitionReplay]:
        found = replay_partitions("sales", run_id="again", **named)  # type: ignore[arg-type]  # any of its arguments
        assert [each.trouble for each in found] == [""] * len(found)
        return {each.partition: each for each in found}

    def states(self) -> dict[str, str]:
        found = ledger(
            self.store, "sales", declaration=str(self.declaration), pattern="{partition}.csv",
            raw_root=str(self.root / "raw"),
        )  # fmt: skip
        return {each.partition: each.state for each in found.standings}

    def hashes(self, partition: str = "a") -> dict[Role, str]:
        newest = head(self.store, "sales")
        assert newest is not None
        return {file.role: file.sha256 for file in newest.partitions[partition].files}

    def rows(self, role: Role) -> pl.DataFrame:
        return open_version(self.store, "sales").scan(role).collect()

    def verify(self) -> None:
        found = verify_version(self.store, "sales", raw_root=str(self.root / "raw"), deep=True)
        assert found.findings == ()
        assert found.notes == () or {note.kind for note in found.notes} == {"unnamed"}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(tmp_path, monkeypatch)


def test_after_a_rule_is_widened_a_replay_comes_to_what_a_backfill_does(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.clean(a=DUMP)
    shop.declare(*WIDER)
    assert shop.states() == {"a": "stale"}
    done = shop.replay()["a"]
    assert (done.asked, done.kept, done.duplicate, done.still_set_aside) == (7, 2, 1, 4)
    assert (done.whole, done.why_not) == (True, "")
    newest = head(shop.store, "sales")
    assert newest is not None
    assert (newest.version, newest.reason) == (2, "replay")
    assert shop.states() == {"a": "cleaned"}
    shop.verify()

    other = Shop(tmp_path / "backfilled", monkeypatch)
    other.declare(*WIDER)
    other.clean(a=DUMP)
    assert shop.hashes() == other.hashes()
    backfilled = head(other.store, "sales")
    assert backfilled is not None
    mine, theirs = newest.partitions["a"], backfilled.partitions["a"]
    assert (mine.books, mine.rules, mine.rejects, mine.steps, mine.contract) == (
        theirs.books, theirs.rules, theirs.rejects, theirs.steps, theirs.contract,
    )  # fmt: skip


def test_who_was_asked_again_keeps_what_was_said_of_it_before(shop: Shop) -> None:
    shop.clean(a=DUMP)
    shop.declare(*WIDER)
    shop.replay()
    file = shop.rows(Role.CLEAN).item(0, FILE)
    newest = head(shop.store, "sales")
    assert newest is not None
    now_kept = explain(shop.store, newest, RecordId(file, 2), str(shop.root / "raw"))
    assert [each.fate for each in now_kept.deliveries] == ["kept"]
    assert now_kept.raw == "2,east,2\n"
    assert [(each.fate, each.rules, each.version) for each in now_kept.verdicts] == [("quarantined", ("shop.isin",), 1)]
    still = explain(shop.store, newest, RecordId(file, 8), str(shop.root / "raw"))
    assert [each.rules for each in still.deliveries] == [("shop.isin",)]
    assert len(still.verdicts) == 1
    always = explain(shop.store, newest, RecordId(file, 1), str(shop.root / "raw"))
    assert always.verdicts == ()


def test_a_replay_of_some_leaves_the_partition_stale_and_the_next_one_does_the_rest(shop: Shop) -> None:
    shop.clean(a=DUMP, b="id,shop,price\n1,north,1\n")
    shop.declare(*WIDER)
    assert list(shop.replay(rule="price.in_range")) == ["a"]
    assert list_versions(shop.store, "sales") == (1,)
    done = shop.replay(rule="shop.isin")["a"]
    assert (done.asked, done.kept, done.whole) == (6, 2, False)
    assert done.why_not == "1 quarantined records were not asked"
    newest = head(shop.store, "sales")
    assert newest is not None
    assert isinstance(newest.partitions["a"].replayed, Replayed)
    assert shop.states() == {"a": "stale", "b": "stale"}
    shop.verify()
    assert shop.replay()["a"].whole
    assert shop.states() == {"a": "cleaned", "b": "stale"}
    assert shop.replay(partitions=["b"])["b"].whole
    assert shop.states() == {"a": "cleaned", "b": "cleaned"}
    versions = list_versions(shop.store, "sales")
    shop.replay()
    assert list_versions(shop.store, "sales") == versions
    with pytest.raises(UnknownNameError):
        shop.replay(rule="shop.isni")


def test_a_dry_run_tells_the_same_and_changes_nothing(shop: Shop) -> None:
    shop.clean(a=DUMP)
    shop.declare(*WIDER)
    before = shop.store.list("sales/")
    told = shop.replay(dry_run=True)["a"]
    assert shop.store.list("sales/") == before
    done = shop.replay()["a"]
    assert (told.asked, told.kept, told.whole) == (done.asked, done.kept, done.whole)


def test_a_record_that_claims_the_place_of_a_kept_one_waits_for_a_backfill(shop: Shop) -> None:
    shop.clean(a=RIVALS)
    assert shop.rows(Role.CLEAN).get_column(RECORD).to_list() == [3, 5, 6]
    shop.declare('"max_value": 10', '"max_value": 30')
    # 1 and 2 have the same key as 3, and 4 as 5, with other prices: a backfill would quarantine them all.
    (done,) = replay_partitions("sales", run_id="again")
    assert (done.kept, done.whole) == (0, False)
    assert "only a backfill decides" in done.trouble
    assert list_versions(shop.store, "sales") == (1,)
    shop.clean(a=RIVALS)
    assert shop.rows(Role.CLEAN).get_column(RECORD).to_list() == [6]


def test_an_equal_record_that_stands_before_the_kept_one_is_not_published_twice(shop: Shop) -> None:
    shop.declare("in_range", "ge=0, in_range")
    shop.clean(a="id,shop,price\n1,north,1\n1,nOrth,1\n2,EAST,4\n2,south,4\n")
    shop.declare(*WIDER)
    done = shop.replay()["a"]
    assert (done.asked, done.kept) == (1, 1)
    assert shop.rows(Role.CLEAN).get_column(RECORD).to_list() == [1, 3, 4]
    shop.verify()


def test_kept_rows_that_break_a_rule_of_today_are_left_and_told(shop: Shop) -> None:
    shop.clean(a=DUMP)
    shop.declare('["north", "south"]', '["south", "east"]')
    done = shop.replay()["a"]
    assert (done.kept, done.whole, done.why_not) == (2, False, "2 kept rows break a rule of today")
    assert shop.states() == {"a": "stale"}
    assert shop.rows(Role.CLEAN).get_column("shop").unique().sort().to_list() == ["east", "north", "south"]
    shop.verify()


def test_a_source_that_is_read_otherwise_lets_rejected_records_in_and_says_that_kept_ones_may_change(
    shop: Shop,
) -> None:
    shop.clean(a=DUMP + '11,north,"1"x\n12,north,n/a\n')
    assert shop.rows(Role.REJECTS).height == 2
    shop.declare('null_tokens=("",)', 'null_tokens=("", "n/a"), quote=""')
    done = shop.replay()["a"]
    assert (done.whole, done.why_not) == (False, "cells may be read otherwise than they were")
    assert done.kept == 1
    assert shop.rows(Role.CLEAN).filter(pl.col("id") == 12).height == 1
    assert shop.states() == {"a": "stale"}
    shop.verify()


def test_other_columns_are_for_a_backfill(shop: Shop) -> None:
    shop.clean(a=DUMP)
    shop.declare("price: float", "price: str")
    shop.declare(', price: str = pa.Field(in_range={"min_value": 0, "max_value": 10}, nullable=True)'[2:], "price: str")
    found = replay_partitions("sales", run_id="again")
    assert [each.trouble for each in found] == ["its columns or their types are others today"]
