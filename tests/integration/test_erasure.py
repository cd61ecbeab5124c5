"""A person's records shown and erased: on the command line, in dumps, archive and reports, with a run in between."""

from __future__ import annotations

import json
import stat
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result
from typer.testing import CliRunner

from flows.clean import PLAIN, clean
from flows.cli import app
from flows.rebuild import rebuild
from schemas.errors import ErasedMeanwhileError, ErasureIncompleteError
from schemas.records import Role
from schemas.registry import load_file
from tasks.erasure.condition import Condition
from tasks.erasure.receipt import Receipt, load_key, new_key
from tasks.erasure.stage import erase
from tasks.job import Job, Settled, Staged
from tasks.publish.verify import Kind, verify_version
from tasks.store.local import LocalStore
from tasks.store.versions import head, list_versions, open_version
from tests.integration.conftest import Place
from tests.s3_server import S3Server

MEMBERS = '''"""Members: of a club, one of whom wants to be forgotten."""
import pandera.polars as pa

from schemas import Dataset, Dedupe, Source, steps


class Members(pa.DataFrameModel):
    id: int = pa.Field(ge=1)
    email: str = pa.Field(str_matches="^[^@ ]+@[^@ ]+$", metadata={"subject": True, "personal": True})
    shoe: int = pa.Field(in_range={"min_value": 20, "max_value": 60})
    motto: str = pa.Field(nullable=True, str_matches="^[a-z ]*$")


DATASET = Dataset(
    model=Members,
    source=Source("members/{partition}/*", null_tokens=("",), archive_raw=ARCHIVE, erase_raw=ERASE),
    steps=(steps.strip("email"), steps.lowercase("email")),
    dedupe=Dedupe(key=("id",)),
)
'''
Winnow = Callable[..., Result]
HEADER = "id,email,shoe,motto\n"
FIRST = HEADER + (
    "1,ADA@home.example,40,carpe diem\n1,ADA@home.example,40,carpe diem\n2,grace@home.example,41,\n"
    "3,ada@home.example,40,Ada's Very Own\n4,ada@home.example\n5,kurt@home.example,42,Ask ada@home.example!\n"
    "6,mada@home.example,43,not her\n"
)
SECOND = HEADER + "11,ada@home.example,40,again\n12,grace@home.example,41,\n"
ADA = "email = 'Ada@home.example'"


def settled_in(home: Path, *, archive: bool = False, erase_raw: bool = False, **dumps: str) -> Place:
    (home / "declarations").mkdir(parents=True)
    source = MEMBERS.replace("ARCHIVE", str(archive)).replace("ERASE", str(erase_raw))
    (home / "declarations/members.py").write_text(source)
    for partition, text in (dumps or {"a": FIRST, "b": SECOND}).items():
        (home / "raw/members" / partition).mkdir(parents=True)
        (home / "raw/members" / partition / "1.csv").write_text(text)
    return Place(home)


def job(place: Place, partition: str) -> Job:
    declaration = str(place.home / "declarations/members.py")
    return Job("members", partition, declaration, str(place.home / "raw"), str(place.home / "store"), str(uuid.uuid4()))


def cleaned(place: Place, *partitions: str) -> LocalStore:
    for partition in partitions:
        clean(job(place, partition), PLAIN)
    return LocalStore(place.home / "store")


def erased(place: Place, condition: str = ADA) -> Receipt:
    dataset = load_file(place.home / "declarations/members.py")
    return erase(
        LocalStore(place.home / "store"), dataset, Condition.parse(condition), asked_by="test", run_id="erasure",
        key=load_key(new_key(), "memory"), raw_root=str(place.home / "raw"),
    )  # fmt: skip


def objects_with(home: Path, text: bytes) -> list[str]:
    """Files below a folder that hold a text, whatever compresses it: two other programs look."""
    return [
        str(path)
        for path in home.rglob("*")
        if path.is_file() and text in (path.read_bytes() if path.suffix != ".zst" else unpacked(path)).lower()
    ]


def unpacked(path: Path) -> bytes:
    from backports import zstd

    return zstd.decompress(path.read_bytes())


@pytest.fixture
def winnow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Winnow:
    """Runs commands in this process, in the place that is settled in the test's folder."""
    monkeypatch.chdir(tmp_path)
    variables = Place(tmp_path).variables
    return lambda *arguments: CliRunner().invoke(app, list(arguments), env=dict(variables))


def lines(done: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_command_line_from_access_to_receipt(tmp_path: Path, winnow: Winnow) -> None:
    place = settled_in(tmp_path)
    store = cleaned(place, "a", "b")

    shown = lines(winnow("subject", "members", "--where", ADA, "--json"))
    assert [(each["partition"], each["fate"], each["versions"]) for each in shown] == [
        ("a", "kept", [1, 2]), ("a", "duplicate", [1, 2]), ("a", "quarantined", [1, 2]), ("a", "rejected", [1, 2]),
        ("b", "kept", [2]),
    ]  # fmt: skip
    assert shown[0]["values"] == {"id": 1, "email": "ada@home.example", "shoe": 40, "motto": "carpe diem"}
    exported = winnow("subject", "members", "--where", ADA, "--export", str(tmp_path / "ada.jsonl"))
    assert exported.exit_code == 0
    assert [json.loads(line) for line in (tmp_path / "ada.jsonl").read_text().splitlines()] == shown
    assert stat.S_IMODE((tmp_path / "ada.jsonl").stat().st_mode) == 0o600
    assert winnow("subject", "members", "--where", ADA, "--export", str(tmp_path / "ada.jsonl")).exit_code == 2

    before = store.list("")
    (planned,) = lines(winnow("erase", "members", "--where", ADA, "--dry-run", "--json"))
    assert (planned["records"], planned["mentioning"], planned["versions"]) == (6, 1, [1, 2])
    assert store.list("") == before

    done = winnow("erase", "members", "--where", ADA, "--by", "the data protection officer")
    assert done.exit_code == 0, done.stderr
    assert "6 records were erased (1 duplicate, 2 kept, 2 quarantined, 1 rejected)" in done.stdout
    assert "raw dump 'members/a/1.csv', 5 records: the declaration does not say that dumps are erased" in done.stdout
    assert "ada@" not in done.stdout.lower()
    assert objects_with(tmp_path / "store", b" ada@home") == objects_with(tmp_path / "store", b",ada@home") == []
    for version in (1, 2, 3):
        assert winnow("verify", f"members@{version}").exit_code == 0

    (told,) = lines(winnow("receipts", "members", "--json"))
    assert told["genuine"]
    assert told["receipt"]["asked_by"] == "the data protection officer"
    key = told["receipt"]["public_key"]
    assert winnow("receipts", "members", "--key", key).exit_code == 0
    assert winnow("receipts", "members", "--key", "00" * 32).exit_code == 1
    assert stat.S_IMODE((tmp_path / ".winnow/signing-key.pem").stat().st_mode) == 0o600

    assert "No record" in winnow("subject", "members", "--where", ADA).stdout
    record = head(store, "members").partitions["a"].inputs[0].sha256[:16]  # type: ignore[union-attr]
    (story,) = lines(winnow("explain", "members", f"{record}:3", "--json"))
    assert [each["fate"] for each in story["deliveries"]] == ["kept"]
    (story,) = lines(winnow("explain", "members", f"{record}:1", "--json"))
    assert (story["raw"], story["raw_from"]) == (None, "it is erased")
    assert [(each["fate"], each["values"]) for each in story["deliveries"]] == [("erased", None)]


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("shoe = 40", "not declared to tell whose a record is"),
        ("emial = x", "Did you mean email"),  # typos: on purpose
        ("email", "expected"),
    ],
)
def test_what_can_not_be_meant_is_refused(tmp_path: Path, winnow: Winnow, condition: str, told: str) -> None:
    settled_in(tmp_path)
    for command in (["subject"], ["erase"], ["erase", "--dry-run"]):
        done = winnow(*command, "members", "--where", condition)
        assert (done.exit_code, told in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "store").exists()


def test_reports_show_no_erased_record_and_stay_otherwise(tmp_path: Path) -> None:
    place = settled_in(tmp_path)
    store = cleaned(place, "a")
    key = "members/reports/a/000000000001.md"
    before = store.read(key).decode().splitlines()
    assert any("Ada's Very Own" in line for line in before)
    erased(place)
    after = store.read(key).decode().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [new.endswith("` erased") for _, new in changed] == [True, True, True]
    assert not any("Very Own" in line or "Ask" in line for line in after)


def test_another_persons_longer_address_is_left_alone(tmp_path: Path) -> None:
    place = settled_in(tmp_path)
    store = cleaned(place, "a")
    erased(place)
    kept = open_version(store, "members").scan(Role.CLEAN).collect()["email"].to_list()
    assert kept == ["grace@home.example", "mada@home.example"]


@pytest.mark.parametrize("erase_raw", [False, True])
def test_archived_copies_lose_the_records_and_dumps_where_it_is_declared(tmp_path: Path, erase_raw: bool) -> None:
    place = settled_in(tmp_path, archive=True, erase_raw=erase_raw)
    store = cleaned(place, "a", "b")
    dump = tmp_path / "raw/members/a/1.csv"
    receipt = erased(place)
    assert objects_with(tmp_path / "store", b",ada@home") == []
    assert (b",ada@home" in dump.read_bytes().lower()) is not erase_raw
    assert any("raw dump" in each for each in receipt.outside) is not erase_raw
    # Everybody else's record stands where it stood, and all versions are proven from the raw bytes.
    assert dump.read_text().splitlines()[3] == "2,grace@home.example,41,"
    assert dump.stat().st_size == len(FIRST)
    for raw_root in (str(tmp_path / "raw"), str(tmp_path / "nowhere")):
        for version in list_versions(store, "members"):
            report = verify_version(store, "members", version, raw_root=raw_root, deep=True)
            assert report.findings == ()
            assert report.reread == report.records
    assert clean(msgspec.structs.replace(job(place, "a"), dry_run=True), PLAIN).books.erased == 5
    for _ in ("from the dump", "from the archive"):
        manifest = head(store, "members")
        assert manifest is not None
        declaration = tmp_path / "declarations/members.py"
        assert rebuild(store, manifest, declaration=declaration, raw_root=str(tmp_path / "raw")).same
        dump.unlink(missing_ok=True)


def test_a_dump_that_is_another_one_by_now_is_left_alone(tmp_path: Path) -> None:
    place = settled_in(tmp_path, erase_raw=True)
    cleaned(place, "a", "b")
    dump = tmp_path / "raw/members/a/1.csv"
    dump.write_text(FIRST + "7,ada@home.example,40,later\n")
    receipt = erased(place)
    assert dump.read_text().endswith("later\n")
    assert [each for each in receipt.outside if "members/a/1.csv" in each and "changed" in each]
    assert "ada@" not in (tmp_path / "raw/members/b/1.csv").read_text()


def test_a_run_that_read_the_person_before_the_erasure_publishes_nothing_after_it(tmp_path: Path) -> None:
    place = settled_in(tmp_path)
    store = cleaned(place, "a")

    def settle_and_then_erase(job: Job, staged: Staged) -> Settled:
        found = PLAIN.settle(job, staged)
        with pytest.raises(ErasureIncompleteError, match="If a run is under way"):
            erased(place)
        return found

    stages = PLAIN._replace(settle=settle_and_then_erase)
    with pytest.raises(ErasedMeanwhileError, match="Run it again"):
        clean(job(place, "b"), stages)
    assert list_versions(store, "members") == (1, 2)
    notes = verify_version(store, "members").notes
    assert {note.kind for note in notes} >= {Kind.ERASURE}
    receipt = erased(place)
    assert receipt.swept.found == 0
    assert verify_version(store, "members").notes == ()
    cleaned(place, "b")
    assert objects_with(tmp_path / "store", b",ada@home") == []
    assert head(store, "members").partitions["b"].total.erased == 1  # type: ignore[union-attr]


def test_something_that_is_no_record_keeps_the_receipt_back(tmp_path: Path) -> None:
    place = settled_in(tmp_path)
    store = cleaned(place, "a")
    store.create("members/notes/about-her.txt", b"ask Ada, ada@home.example")
    with pytest.raises(ErasureIncompleteError, match=r"left in 'members/notes/about-her\.txt'"):
        erased(place)
    assert verify_version(store, "members").ok
    store.delete("members/notes/about-her.txt")
    assert erased(place).records == 5


def test_who_is_erased_before_the_first_dump_never_comes_in(tmp_path: Path) -> None:
    place = settled_in(tmp_path)
    assert erased(place).records == 0
    store = cleaned(place, "a", "b")
    assert objects_with(tmp_path / "store", b",ada@home") == []
    assert head(store, "members").partitions["b"].total.erased == 1  # type: ignore[union-attr]


@pytest.mark.s3
@pytest.mark.slow
def test_all_of_it_holds_where_the_store_is_in_a_bucket(tmp_path: Path, s3: S3Server, bucket: str) -> None:
    place = settled_in(tmp_path, archive=True)
    jobs = [msgspec.structs.replace(job(place, partition), store_root=f"{bucket}/store") for partition in "ab"]
    for each in jobs:
        clean(each, PLAIN)
    store = jobs[0].open_store()
    dataset = load_file(tmp_path / "declarations/members.py")
    receipt = erase(
        store, dataset, Condition.parse(ADA), asked_by="test", run_id="erasure", key=load_key(new_key(), "memory"),
        raw_root=str(tmp_path / "raw"),
    )  # fmt: skip
    assert (receipt.records, receipt.version, receipt.versions_changed) == (6, 3, (1, 2))
    for version in list_versions(store, "members"):
        report = verify_version(store, "members", version, raw_root=str(tmp_path / "raw"), deep=True)
        assert (report.findings, report.notes) == ((), ())
    name, client = bucket.removeprefix("s3://"), s3.client()
    for key in store.list("members/"):
        data: bytes = client.get_object(Bucket=name, Key=f"store/{key}")["Body"].read()
        if key.endswith(".zst"):
            (tmp_path / "copy.zst").write_bytes(data)
            data = unpacked(tmp_path / "copy.zst")
        assert b",ada@home" not in data.lower(), key
        assert b" ada@home" not in data.lower(), key
    again = msgspec.structs.replace(job(place, "a"), store_root=f"{bucket}/store")
    assert not clean(again, PLAIN).published
