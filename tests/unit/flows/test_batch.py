"""A batch: several partitions in one version, failures that keep no other back, and holds until a decision."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from flows.batch import Told, clean_batch
from schemas.errors import HoldGoneError, HoldNotFoundError
from schemas.policies import Retention
from schemas.records import Release
from tasks.audit.ledger import ledger
from tasks.job import Job
from tasks.publish.release import Released, discard, release
from tasks.publish.verify import verify_version
from tasks.retain.stage import retain
from tasks.store.holds import read_holds
from tasks.store.local import LocalStore
from tasks.store.versions import head, list_versions

DECLARATION = '''"""Sales: for batches and holds."""
import pandera.polars as pa

from schemas import Dataset, Gates, Source


class Sales(pa.DataFrameModel):
    id: int = pa.Field(ge=0)
    shop: str = pa.Field(isin=["north", "south"])


DATASET = Dataset(
    model=Sales,
    source=Source("{partition}.csv"),
    gates=Gates(max_quarantined=0.5, max_rejected=0.2, actions={"max_quarantined": "hold"}),
)
'''
GOOD, DOUBTFUL, BAD = "id,shop\n1,north\n2,south\n", "id,shop\n1,east\n2,west\n3,north\n", "id,shop\nx\ny\n1,north\n"
NOW = dt.datetime.now(dt.UTC)


class Shop:
    """A folder with dumps, a declaration and a store."""

    def __init__(self, root: Path) -> None:
        self.root, self.store = root, LocalStore(root / "store")
        (root / "raw").mkdir()
        (root / "sales.py").write_text(DECLARATION)

    def deliver(self, **dumps: str) -> None:
        for name, text in dumps.items():
            (self.root / "raw" / f"{name}.csv").write_text(text)

    def job(self, partition: str, run_id: str = "r") -> Job:
        declaration, raw, store = str(self.root / "sales.py"), str(self.root / "raw"), str(self.root / "store")
        return Job("sales", partition, declaration, raw, store, run_id, "backfill")

    def clean(self, *partitions: str) -> dict[str, Told]:
        return {told.partition: told for told in clean_batch([self.job(name) for name in partitions])}

    def states(self) -> dict[str, str]:
        found = ledger(
            self.store, "sales", declaration=str(self.root / "sales.py"), pattern="{partition}.csv",
            raw_root=str(self.root / "raw"),
        )  # fmt: skip
        return {each.partition: each.state for each in found.standings}

    def held(self, partition: str) -> str:
        (hold,) = [each for each in read_holds(self.store, "sales", now=NOW) if each.partition == partition]
        return hold.hold

    def release(self, hold: str, now: dt.datetime = NOW) -> Released:
        return release(self.store, "sales", hold, by="ada", reason="known", run_id="someone", now=now)

    def discard(self, hold: str) -> Released:
        return discard(self.store, "sales", hold, by="ada", reason="wrong", run_id="someone", now=NOW)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_batch_is_one_version_without_those_that_fail_or_are_held(shop: Shop) -> None:
    shop.deliver(a=GOOD, b=BAD, c=DOUBTFUL, d=GOOD.replace("1", "9"))
    told = shop.clean("a", "b", "c", "d", "none")
    newest = head(shop.store, "sales")
    assert newest is not None
    assert (newest.version, list(newest.partitions)) == (1, ["a", "d"])
    assert [each.error for each in told.values()] == [None, "GateError", None, None, "DumpMissingError"]
    assert shop.states() == {"a": "cleaned", "b": "failed", "c": "held", "d": "cleaned"}
    assert shop.store.list("sales/_staging/") == ()
    assert {key.split("/")[2] for key in shop.store.list("sales/reports/")} == {"a", "d"}
    assert verify_version(shop.store, "sales", raw_root=str(shop.root / "raw"), deep=True).ok


def test_one_by_one_or_together_gives_the_same_content(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Shop(tmp_path / "other")
    for each in (shop, other):
        each.deliver(a=GOOD, b=GOOD.replace("1", "9"), c="id,shop\n5,north\n")
    shop.clean("a", "b", "c")
    for partition in "cab":
        other.clean(partition)
    one, many = head(shop.store, "sales"), head(other.store, "sales")
    assert one is not None
    assert many is not None
    assert (one.digest, one.version, many.version) == (many.digest, 1, 3)


def test_the_same_batch_again_publishes_nothing(shop: Shop) -> None:
    shop.deliver(a=GOOD, c=DOUBTFUL)
    first, again = shop.clean("a", "c"), shop.clean("a", "c")
    assert list_versions(shop.store, "sales") == (1,)
    assert again["a"].outcome is not None
    assert not again["a"].outcome.published
    assert first["c"].outcome is not None
    assert again["c"].outcome is not None
    assert again["c"].outcome.hold == first["c"].outcome.hold


def test_what_failed_is_forgotten_once_it_is_cleaned(shop: Shop) -> None:
    shop.deliver(b=BAD)
    shop.clean("b")
    assert shop.states() == {"b": "failed"}
    shop.deliver(b=GOOD)
    shop.clean("b")
    assert shop.states() == {"b": "cleaned"}
    assert shop.store.list("sales/_failures/") == ()


def test_a_release_publishes_exactly_what_was_held_and_says_who_did_it(shop: Shop) -> None:
    shop.deliver(a=GOOD, c=DOUBTFUL)
    shop.clean("a", "c")
    hold = shop.held("c")
    done = shop.release(hold)
    newest = head(shop.store, "sales")
    assert newest is not None
    assert (done.version, newest.version, newest.reason) == (2, 2, "backfill")
    assert isinstance(newest.release, Release)
    assert (newest.release.by, newest.release.reason, newest.release.hold) == ("ada", "known", hold)
    assert newest.partitions["c"].total.quarantined == 2
    assert shop.states() == {"a": "cleaned", "c": "cleaned"}
    assert verify_version(shop.store, "sales", raw_root=str(shop.root / "raw"), deep=True).ok
    assert shop.release(hold).version == 2
    assert list_versions(shop.store, "sales") == (1, 2)
    with pytest.raises(HoldGoneError, match="was released by 'ada'"):
        shop.discard(hold)


def test_what_is_discarded_is_gone_after_gc_and_asked_again_when_it_is_cleaned_again(shop: Shop) -> None:
    shop.deliver(c=DOUBTFUL)
    shop.clean("c")
    first = shop.held("c")
    files = {key for key in shop.store.list("sales/") if key.startswith(("sales/clean", "sales/quarantine"))}
    gc(shop)
    assert files <= set(shop.store.list("sales/"))
    shop.discard(first)
    assert shop.states() == {"c": "missing"}
    with pytest.raises(HoldGoneError, match="was discarded by 'ada'"):
        shop.release(first)
    shop.clean("c")
    assert shop.held("c") != first
    shop.discard(shop.held("c"))
    gc(shop)
    assert shop.store.list("sales/clean/") == shop.store.list("sales/_holds/") == ()
    with pytest.raises(HoldNotFoundError):
        shop.release(first)


def gc(shop: Shop, now: dt.datetime = NOW) -> None:
    retain(shop.store, "sales", Retention(), run_id="gc", now=now, older_than=dt.timedelta(0))


def test_a_hold_ends_when_it_is_too_old(shop: Shop) -> None:
    shop.deliver(c=DOUBTFUL)
    shop.clean("c")
    late = NOW + dt.timedelta(days=31)
    with pytest.raises(HoldGoneError, match="it could be released until"):
        shop.release(shop.held("c"), now=late)
    gc(shop, late)
    assert shop.store.list("sales/clean/") == ()


def test_a_hold_is_not_released_over_another_cleaning_or_damaged(shop: Shop) -> None:
    shop.deliver(c=DOUBTFUL)
    shop.clean("c")
    hold = shop.held("c")
    (clean,) = shop.store.list("sales/clean/")
    kept = shop.store.read(clean)
    shop.store.delete(clean)
    with pytest.raises(HoldGoneError, match="is missing"):
        shop.release(hold)
    (shop.root / "store" / clean).write_bytes(kept[:-1] + b"x")
    with pytest.raises(HoldGoneError, match="has other bytes"):
        shop.release(hold)
    (shop.root / "store" / clean).write_bytes(kept)
    shop.deliver(c=GOOD)
    shop.clean("c")
    with pytest.raises(HoldGoneError, match="another cleaning of the partition was published"):
        shop.release(hold)


def test_a_release_that_was_killed_before_it_published_is_finished_by_the_same_act(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.deliver(c=DOUBTFUL)
    shop.clean("c")
    hold = shop.held("c")
    with monkeypatch.context() as killed:
        killed.setattr("tasks.publish.release.commit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            shop.release(hold)
    assert list_versions(shop.store, "sales") == ()
    gc(shop)
    assert shop.release(hold).version == 1


def interrupted(*_arguments: object, **_named: object) -> None:
    raise KeyboardInterrupt
