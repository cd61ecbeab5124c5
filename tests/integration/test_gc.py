"""Retention over real stores: what goes, what stays, and what happens when it is killed before any of its steps."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from schemas.errors import LeaseHeldError, StoreError, VersionNotFoundError
from schemas.policies import Retention
from schemas.records import Role
from tasks.publish.rollback import rollback
from tasks.publish.verify import Kind, verify_version
from tasks.retain.report import RetainReport
from tasks.retain.stage import retain
from tasks.store.exports import under_way
from tasks.store.lease import lease
from tasks.store.local import LocalStore
from tasks.store.paths import archive_path, contract_key, file_key, report_key, version_key
from tasks.store.retired import retired_versions
from tasks.store.tags import set_tag
from tasks.store.upkeep import upkeep
from tasks.store.versions import list_versions, open_version, read_manifest
from tests.partitions import CONTRACT, NOW, build, publish, write
from tests.unit.tasks.store.test_exports import EXPORT

_ROOT = Path(__file__).parents[2]
LAST = Retention(keep_versions=1)
DAY = dt.timedelta(days=1)


def filled(root: Path) -> LocalStore:
    """Five versions: a is cleaned anew in each of the first three, then b and c come; each has its report."""
    store = LocalStore(root)
    for number, (day, letters) in enumerate([("a", "kq"), ("a", "kkd"), ("a", "kkkx"), ("b", "kr"), ("c", "k")], 1):
        publish(store, "trips", write(store, "trips", day, build({f"{day}{len(letters)}.csv": letters})))
        store.create(report_key("trips", day, number), b"report")
    return store


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return filled(tmp_path / "store")


def run(store: LocalStore, retention: Retention = LAST, run_id: str = "gc", *, dry_run: bool = False) -> RetainReport:
    return retain(store, "trips", retention, run_id=run_id, now=NOW, dry_run=dry_run)


def data_files(store: LocalStore) -> set[str]:
    return {key for role in Role for key in store.list(f"trips/{role.value}/")}


def named(store: LocalStore, *versions: int) -> set[str]:
    entries = [entry for number in versions for entry in read_manifest(store, "trips", number).partitions.values()]
    return {file_key("trips", file.path) for entry in entries for file in entry.files}


def age(store: LocalStore, key: str, days: float) -> None:
    then = dt.datetime.now(dt.UTC).timestamp() - days * 86_400
    os.utime(store.path(key), (then, then))


# --- what goes and what stays -----------------------------------------------------------------------------------------


def test_without_a_limit_nothing_goes(store: LocalStore) -> None:
    before = store.list("")
    report = run(store, Retention())
    assert (report.kept, report.retired, report.files, report.policy) == ((1, 2, 3, 4, 5), (), 0, "")
    assert [key for key in store.list("") if "_leases" not in key] == list(before)


def test_versions_beyond_the_limit_go_with_the_files_that_only_they_name(store: LocalStore) -> None:
    first, kept = named(store, 1) | named(store, 2), named(store, 5)
    report = run(store)
    assert (report.kept, report.retired) == ((5,), (1, 2, 3, 4))
    assert (report.files, report.young) == (len(first - kept), 0)
    assert data_files(store) == kept
    assert list_versions(store, "trips") == (5,)
    assert store.list("trips/reports/") == (report_key("trips", "c", 5),)
    verified = verify_version(store, "trips")
    assert (verified.ok, verified.notes) == (True, ())
    assert sorted(retired_versions(store, "trips")) == [1, 2, 3, 4]
    with pytest.raises(VersionNotFoundError, match="version 2 of trips was retired"):
        open_version(store, "trips", 2)


def test_the_next_version_follows_the_last_one(store: LocalStore) -> None:
    run(store)
    assert publish(store, "trips", write(store, "trips", "d", build({"d.csv": "k"}))).manifest.version == 6
    assert verify_version(store, "trips").ok
    assert run(store, Retention(keep_versions=2), "again").retired == ()
    assert run(store, run_id="third").retired == (5,)
    assert verify_version(store, "trips").ok


def test_a_second_time_there_is_nothing_to_do(store: LocalStore) -> None:
    run(store)
    before = store.list("")
    report = run(store, run_id="again")
    assert (report.retired, report.files) == ((), 0)
    assert store.list("") == before


def test_a_missing_version_that_nobody_retired_is_still_damage(store: LocalStore) -> None:
    run(store, Retention(keep_versions=3))
    store.delete(version_key("trips", 4))
    findings = verify_version(store, "trips").findings
    assert [(finding.kind, finding.path) for finding in findings] == [(Kind.CHAIN, version_key("trips", 4))]


def test_a_dry_run_says_it_and_changes_nothing(store: LocalStore) -> None:
    before = store.list("")
    planned = run(store, dry_run=True)
    assert store.list("") == before
    done = run(store)
    assert (planned.kept, planned.retired, planned.files, planned.size) == (
        done.kept,
        done.retired,
        done.files,
        done.size,
    )


def test_a_tagged_version_stays_whole(store: LocalStore) -> None:
    set_tag(store, "trips", "paper", 2, now=NOW)
    assert run(store).kept == (2, 5)
    assert data_files(store) == named(store, 2, 5)
    assert all(verify_version(store, "trips", number).ok for number in (2, 5))


def test_a_version_that_is_being_exported_stays_until_that_is_done(store: LocalStore) -> None:
    with under_way(store, EXPORT):
        assert run(store).kept == (3, 4, 5)
    assert verify_version(store, "trips", 3).ok
    assert run(store, run_id="again").kept == (5,)


def test_rollback_tags_and_gc_take_turns(store: LocalStore) -> None:
    with upkeep(store, "trips", "other"), pytest.raises(LeaseHeldError, match="holds the lease"):
        run(store)
    assert list_versions(store, "trips") == (1, 2, 3, 4, 5)


def test_a_manifest_that_can_not_be_read_stops_it_before_anything_goes(store: LocalStore) -> None:
    Path(store.path(version_key("trips", 5))).write_bytes(b"{")
    before = store.list("trips/")
    with pytest.raises(StoreError, match="nothing was removed"):
        run(store)
    assert set(before) <= set(store.list("trips/"))


def test_what_a_killed_run_began_to_say_of_retired_versions_goes_with_the_next_one(store: LocalStore) -> None:
    begun = Path(store.path("trips/_retired")) / ".tmp-1"
    begun.parent.mkdir()
    begun.write_bytes(b'{"run_id":')
    run(store, dry_run=True)
    assert begun.exists()
    run(store)
    assert not begun.exists()


def with_copies(root: Path) -> LocalStore:
    """Three versions of one partition under three contracts; the dump of the first two is the same, and so its copy."""
    store = LocalStore(root)
    for number, letters in enumerate(["kq", "kq", "kkd"], 1):
        entry = write(store, "trips", "a", build({"a.csv": letters}))
        path = archive_path(entry.inputs[0].sha256, packed=False)
        store.create(file_key("trips", path), b"copy")
        contract = f"{number:032x}"
        store.create(contract_key("trips", contract), b"{}")
        raw = msgspec.structs.replace(entry.inputs[0], archive=path)
        publish(store, "trips", msgspec.structs.replace(entry, inputs=(raw,), contract=contract))
    return store


def shared(store: LocalStore) -> list[str]:
    return [*store.list("trips/raw/"), *store.list("trips/_contracts/")]


def test_copies_of_raw_files_and_contracts_go_with_the_last_version_that_names_them(tmp_path: Path) -> None:
    store = with_copies(tmp_path / "store")
    copies = [entry.inputs[0].archive for entry in (read_manifest(store, "trips", n).partitions["a"] for n in (1, 3))]
    first, last = (file_key("trips", copy or "") for copy in copies)
    contracts = [contract_key("trips", f"{number:032x}") for number in (1, 2, 3)]
    assert run(store, Retention(keep_versions=2)).retired == (1,)
    assert shared(store) == [*sorted([first, last]), *contracts[1:], contract_key("trips", CONTRACT)]
    planned = run(store, dry_run=True)
    report = run(store, run_id="again")
    assert (report.retired, report.files) == ((2,), planned.files)
    assert shared(store) == [last, contracts[2], contract_key("trips", CONTRACT)]


def test_a_copy_that_a_killed_gc_left_goes_with_the_next(tmp_path: Path) -> None:
    store = with_copies(tmp_path / "store")
    before = {key: store.read(key) for key in shared(store)}
    run(store)
    kept = shared(store)
    for key, data in before.items():
        store.create(key, data)
    assert run(store, run_id="again").files == len(before) - len(kept) > 0
    assert shared(store) == kept


def test_a_copy_that_no_version_ever_named_goes_when_it_is_a_day_old_whatever_the_haste(tmp_path: Path) -> None:
    store = with_copies(tmp_path / "store")
    orphan, contract = "trips/raw/00/" + "0" * 64 + ".zst", contract_key("trips", "f" * 32)
    for key in (orphan, contract):
        store.create(key, b"of a run that was killed before it published")
    report = retain(store, "trips", Retention(), run_id="gc", now=NOW, older_than=dt.timedelta(0))
    assert (report.files, report.young) == (0, 2)
    for key in (orphan, contract):
        age(store, key, 1.1)
    assert run(store, Retention(), "again").files == 2
    assert not {orphan, contract} & set(shared(store))


# --- what runs left, and what they are about to publish ---------------------------------------------------------------


def test_what_killed_runs_left_goes_when_it_is_old(store: LocalStore) -> None:
    old, new = "trips/clean/a/" + "e" * 16 + "-00000.parquet", "trips/clean/z/" + "f" * 16 + "-00000.parquet"
    store.create(old, b"old")
    store.create(new, b"new")
    age(store, old, 2)
    store.write_file("trips/_staging/z/x", lambda path: Path(path).write_bytes(b"staged"))
    unfinished = [Path(store.path("trips/_versions")) / ".tmp-1", Path(store.path("trips/clean/b")) / ".tmp-2"]
    for path in unfinished:
        path.write_bytes(b"half")
    report = run(store, Retention())
    assert (report.files, report.young, report.staging) == (1, 1, ("z",))
    assert (store.exists(old), store.exists(new)) == (False, True)
    assert store.list("trips/_staging/") == ()
    assert [path.exists() for path in unfinished] == [True, True]
    for path in unfinished:
        then = dt.datetime.now(dt.UTC).timestamp() - 100_000
        os.utime(path, (then, then))
    run(store, Retention(), "again")
    assert [path.exists() for path in unfinished] == [False, False]


def test_a_partition_that_is_being_cleaned_is_left_alone(store: LocalStore) -> None:
    orphan = "trips/clean/a/" + "e" * 16 + "-00000.parquet"
    store.create(orphan, b"written, and about to be published")
    age(store, orphan, 9)
    store.write_file("trips/_staging/a/x", lambda path: Path(path).write_bytes(b"staged"))
    with lease(store, "trips", "a", "running"):
        report = run(store)
    assert report.busy == ("a",)
    assert store.exists(orphan)
    assert store.list("trips/_staging/") == ("trips/_staging/a/x",)
    # The run ended without publishing; what it left, and what its partition had to be spared, goes now.
    assert run(store, run_id="again").busy == ()
    assert data_files(store) == named(store, 5)


def test_a_file_that_was_published_since_it_looked_stays(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = write(store, "trips", "a", build({"other.csv": "kkq"}))
    files = [file_key("trips", file.path) for file in entry.files]
    for key in files:
        age(store, key, 9)
    listing = LocalStore.list

    def late(self: LocalStore, prefix: str, *, after: str = "", most: int | None = None) -> tuple[str, ...]:
        if prefix == "trips/rejects/" and list_versions(LocalStore(self.root), "trips")[-1] == 5:
            monkeypatch.setattr(LocalStore, "list", listing)
            publish(LocalStore(self.root), "trips", entry)
        return listing(self, prefix, after=after, most=most)

    monkeypatch.setattr(LocalStore, "list", late)
    run(store, Retention())
    assert list_versions(store, "trips")[-1] == 6
    assert set(files) <= data_files(store)
    assert verify_version(store, "trips").ok


# --- killed -----------------------------------------------------------------------------------------------------------

# Forks a run for each call by which it changes the store, kills it just before that call, and prints where.
_DYING = """
import datetime as dt, json, os, shutil, signal, sys
from pathlib import Path
from schemas.policies import Retention
from tasks.publish.rollback import rollback
from tasks.retain.stage import retain
from tasks.store.local import LocalStore

NOW = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)
DOING = {
    "gc": lambda store: retain(store, "trips", Retention(keep_versions=2), run_id="gc", now=NOW),
    "rollback": lambda store: rollback(store, "trips", 1, run_id="back", now=NOW),
}

def mortal(name, left, pipe):
    call = getattr(os, name)
    def called(*arguments, **options):
        left[0] -= 1
        if left[0] == 0:
            os_write(pipe, name.encode())
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return called

os_write = os.write
pristine, work, doing = sys.argv[1:]
for dying_at in range(1, 1000):
    root = Path(work, str(dying_at))
    shutil.copytree(pristine, root)
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        left = [dying_at]
        for name in ("open", "write", "fsync", "link", "replace", "unlink", "mkdir", "ftruncate", "rmdir"):
            setattr(os, name, mortal(name, left, into))
        DOING[doing](LocalStore(root))
        os._exit(0)
    os.close(into)
    ended = os.waitpid(child, 0)[1]
    print(json.dumps({"root": str(root), "died": ended == signal.SIGKILL, "before": os.read(out, 99).decode()}))
    os.close(out)
    if ended == 0:
        break
    assert ended == signal.SIGKILL
"""


def deaths(pristine: Path, work: Path, doing: str) -> list[LocalStore]:
    command = [sys.executable, "-c", _DYING, str(pristine), str(work), doing]
    done = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True)
    each = [json.loads(line) for line in done.stdout.splitlines()]
    assert [death["died"] for death in each] == [True] * (len(each) - 1) + [False]
    assert {death["before"] for death in each[:-1]} >= {"open", "write", "fsync"}
    return [LocalStore(Path(death["root"])) for death in each[:-1]]


def test_a_killed_gc_costs_no_reader_anything_and_is_finished_by_the_next(tmp_path: Path) -> None:
    store = filled(tmp_path / "pristine")
    store.write_file("trips/_staging/a/x", lambda path: Path(path).write_bytes(b"staged"))
    kept = named(store, 4, 5)
    seen = set()
    killed = deaths(store.root, tmp_path / "work", "gc")
    assert len(killed) > 30
    for each in killed:
        left = list_versions(each, "trips")
        seen.add(left)
        # The oldest go first; whatever is still listed is whole, and the kept ones always are.
        assert left == tuple(range(left[0], 6))
        for number in left:
            assert verify_version(each, "trips", number).ok, (each.root, number)
        assert kept <= data_files(each)
        again = retain(each, "trips", Retention(keep_versions=2), run_id="again", now=NOW)
        assert again.kept == (4, 5)
        assert data_files(each) == kept
        assert each.list("trips/_staging/") == ()
        assert [verify_version(each, "trips", number).ok for number in (4, 5)] == [True, True]
        assert each.list("trips/reports/") == (report_key("trips", "b", 4), report_key("trips", "c", 5))
        assert sorted(retired_versions(each, "trips")) == [1, 2, 3]
    assert seen == {(1, 2, 3, 4, 5), (2, 3, 4, 5), (3, 4, 5), (4, 5)}


def test_a_killed_rollback_is_there_or_not_and_is_finished_by_the_next(tmp_path: Path) -> None:
    store = filled(tmp_path / "pristine")
    seen = []
    for each in deaths(store.root, tmp_path / "work", "rollback"):
        left = list_versions(each, "trips")
        assert left in ((1, 2, 3, 4, 5), (1, 2, 3, 4, 5, 6))
        seen.append(left[-1])
        assert verify_version(each, "trips").ok
        done = rollback(each, "trips", 1, run_id="again", now=NOW)
        assert (done.version, list_versions(each, "trips")[-1]) == (6, 6)
        assert read_manifest(each, "trips", 6).partitions == read_manifest(store, "trips", 1).partitions
    assert seen == sorted(seen)
    assert set(seen) == {5, 6}


# --- at work ----------------------------------------------------------------------------------------------------------

# Cleans a partition again and again, into one of three sets of bytes, so that names of files come back that a retired
# version had; holds the lease from before the first byte until it is published, as every run does.
_CLEANING = """
import contextlib, datetime as dt, random, sys, time
from pathlib import Path
from schemas.errors import LeaseHeldError
from tasks.store.lease import lease
from tasks.store.local import LocalStore
from tests.partitions import build, publish, write

store, day, chance = LocalStore(Path(sys.argv[1])), sys.argv[2], random.Random(sys.argv[2])
end, published, refused = time.monotonic() + 5, 0, 0
while time.monotonic() < end:
    try:
        with lease(store, "trips", day, day):
            entry = write(store, "trips", day, build({f"{day}.csv": "k" * chance.randint(1, 3) + "q"}))
            time.sleep(chance.uniform(0, 0.02))
            published += publish(store, "trips", entry, run_id=f"{day} {published}").published
    except LeaseHeldError:
        refused += 1
        time.sleep(0.002)
print(published, refused)
"""

_SWEEPING = """
import datetime as dt, sys, time
from pathlib import Path
from schemas.policies import Retention
from tasks.retain.stage import retain
from tasks.store.local import LocalStore

store, end, number, removed = LocalStore(Path(sys.argv[1])), time.monotonic() + 5, 0, 0
while time.monotonic() < end:
    number += 1
    report = retain(store, "trips", Retention(keep_versions=2), run_id=f"gc {number}", now=dt.datetime.now(dt.UTC),
                    older_than=dt.timedelta(0))
    removed += report.files
print(number, removed)
"""


@pytest.mark.slow
def test_runs_that_publish_meanwhile_lose_nothing(tmp_path: Path) -> None:
    store = filled(tmp_path / "store")
    commands = [("cleaning", _CLEANING, "a"), ("cleaning", _CLEANING, "b"), ("sweeping", _SWEEPING, "")]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(store.root), day], cwd=_ROOT, stdout=subprocess.PIPE, text=True
        )
        for _, script, day in commands
    ]
    told = [list(map(int, process.communicate(timeout=120)[0].split())) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    (first, _), (second, _), (sweeps, removed) = told
    assert min(first, second, sweeps) > 10, told
    assert removed > 0, told
    for number in list_versions(store, "trips")[-2:]:
        report = verify_version(store, "trips", number)
        assert report.ok, report.findings
    assert list_versions(store, "trips")[-1] == 5 + first + second
    run(store, run_id="last")
    assert data_files(store) == named(store, list_versions(store, "trips")[-1])
