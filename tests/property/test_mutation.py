"""A short mutation campaign (`make fuzz` is the long one), and whether a campaign would see what is wrong."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import polars as pl
import pytest

from schemas.policies import Source
from schemas.records import LENGTH, LINE, OFFSET, RAW, RECORD
from tasks.ingest.blocks import Block
from tasks.ingest.dialects import Compression
from tasks.ingest.reader import RecordReader
from tasks.ingest.streams import TextStream
from tests.campaign import mutate, saved
from tests.campaign.case import Case, drawn
from tests.campaign.crew import tried_by_crew
from tests.campaign.dressing import COMPRESSIONS, ENCODINGS, WRITERS, compressed, encoded
from tests.campaign.mutations import MUTATIONS
from tests.campaign.originals import CORPORA, FORMATS, GENERATED, Original, originals
from tests.campaign.recount import DefectError, recount
from tests.campaign.trial import Outcome, Reading, read, tried

SEED, SHARDS, FILES = 1, 2, 800


# --- the campaign -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_damaged_file_loses_a_record(shard: int, capsys: pytest.CaptureFixture[str]) -> None:
    """In shards, so that as many run side by side as the tests do."""
    result = mutate.campaign(SEED, range(shard * FILES, (shard + 1) * FILES), jobs=1)
    with capsys.disabled():  # what passes prints nothing else; stderr is what reaches the terminal from a worker, too
        sys.stderr.write(f"\n{mutate.summary(result)}")
    assert not result.failures, mutate.summary(result)
    sums = {name: sum(counts.get(name, 0) for counts in result.files.values()) for name in ("read", "files", "cleaned")}
    assert sums["files"] == result.count == FILES
    assert sums["read"] > FILES / 2  # or it shows little
    assert sums["cleaned"] > FILES / 100


def test_the_corpora_are_among_the_originals() -> None:
    if not CORPORA.is_dir():
        pytest.skip(f"no corpora at {CORPORA}: the campaign damages generated files only")
    folders = {path.name for path in CORPORA.iterdir() if path.is_dir()}
    assert {original.group for original in originals()} == {*folders, GENERATED}


def test_a_number_names_the_same_file_in_every_process() -> None:
    def digest(seed: int) -> str:
        cases = [drawn(seed, number) for number in range(40)]
        return hashlib.sha256(repr([vars(case) for case in cases]).encode()).hexdigest()

    code = (
        "import hashlib; from tests.campaign.case import drawn;"
        "print(hashlib.sha256(repr([vars(drawn(1, n)) for n in range(40)]).encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert told.stdout.strip() == digest(1) != digest(2)


# --- what is damaged --------------------------------------------------------------------------------------------------


def test_every_format_and_compression_that_is_read_is_damaged() -> None:
    assert {original.format for original in originals() if original.group == GENERATED} == set(FORMATS)
    assert set(COMPRESSIONS) == {each.value for each in Compression} <= WRITERS.keys()


def undamaged(original: Original) -> list[Block]:
    source = Source("{partition}/*", **original.settings)
    stream = io.BytesIO(original.data)
    reader = RecordReader(stream, path=f"a.{original.format}", source=source, columns=original.columns)
    return list(reader)


@pytest.mark.parametrize(
    "original", [each for each in originals() if each.group == GENERATED], ids=lambda each: each.name
)
def test_a_generated_file_is_read_well_before_it_is_damaged(original: Original) -> None:
    blocks = undamaged(original)
    parsed = sum(block.records.height for block in blocks)
    rejected = sum(block.rejects.height for block in blocks)
    assert parsed > 2
    assert rejected < parsed


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_what_is_compressed_is_read_as_it_was(compression: str) -> None:
    for number in range(4):
        stored = compressed(b"id,text\n1,a\n", compression, Random(number))
        assert TextStream(io.BytesIO(stored), "a", Compression(compression)).read(100) == b"id,text\n1,a\n"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_encoded_can_be_decoded(encoding: str) -> None:
    data = encoded("é\n".encode(), encoding, mark=False)
    assert data.decode({"windows-1252": "cp1252"}.get(encoding, encoding)) == "é\n"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.__name__)
def test_a_mutation_takes_any_bytes_and_changes_some(mutation: Callable[[Random, bytes, bytes], bytes]) -> None:
    data = b"a,b\n" + b"".join(b'%d,"x"\n' % number for number in range(40))
    changed = [mutation(Random(number), data, b"donor") for number in range(20)]
    assert sum(each != data for each in changed) > 10
    for tiny in (b"\n", b"a", b"a\n"):
        for donor in (b"", b"d"):
            assert isinstance(mutation(Random(1), tiny, donor), bytes)


# --- what a campaign sees ---------------------------------------------------------------------------------------------

TEXT = b'id,text\n1,a\n2\n3,"b\nc"\n4,d\n'


def whole(data: bytes = TEXT) -> Case:
    return dataclasses.replace(
        drawn(1, 1), number=1, path="a.csv", data=data, text=None, columns=("id", "text"), settings={}, drift={},
        dtypes={}, limits={}, block_size=1000, mutations=(),
    )  # fmt: skip


def changed(reading: Reading, column: str, value: pl.Expr) -> Reading:
    blocks = [Block(block.records.with_columns(value.alias(column)), block.rejects) for block in reading.blocks]
    return dataclasses.replace(reading, blocks=blocks)


def without(reading: Reading, record: int) -> Reading:
    keep = pl.col(RECORD) != record
    return dataclasses.replace(
        reading, blocks=[Block(block.records.filter(keep), block.rejects.filter(keep)) for block in reading.blocks]
    )


def count(reading: Reading, text: bytes = TEXT, stored: bytes = TEXT) -> None:
    recount(reading.blocks, reading.report, stored=stored, text=text)


def test_the_books_of_a_reading_are_exact() -> None:
    count(read(whole(), 1000))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (RECORD, pl.col(RECORD) + 1),
        (OFFSET, pl.col(OFFSET) + 1),
        (LENGTH, pl.col(LENGTH) - 1),
        (LINE, pl.lit(2, pl.UInt64)),
        (RAW, pl.lit(b"1,A\n")),
    ],
)
def test_a_record_with_a_wrong_place_is_seen(column: str, value: pl.Expr) -> None:
    with pytest.raises(DefectError):
        count(changed(read(whole(), 1000), column, value))


@pytest.mark.parametrize("record", [1, 2, 4])
def test_a_lost_record_is_seen(record: int) -> None:
    with pytest.raises(DefectError):
        count(without(read(whole(), 1000), record))


def test_a_record_yielded_twice_is_seen() -> None:
    reading = read(whole(), 1000)
    with pytest.raises(DefectError):
        count(dataclasses.replace(reading, blocks=reading.blocks * 2))


def test_text_that_no_record_holds_is_seen() -> None:
    with pytest.raises(DefectError):
        count(read(whole(), 1000), text=TEXT + b"5,e\n")
    with pytest.raises(DefectError):
        count(read(whole(), 1000), stored=TEXT + b"5,e\n")


@pytest.mark.parametrize("error", [ValueError("odd"), pl.exceptions.PanicException("panic"), SystemExit(1)])
def test_an_error_that_no_one_documented_is_a_failure(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    assert tried(whole()).kind == "read"
    assert tried(whole(b"other\n1\n")).kind == "refused"
    monkeypatch.setattr("tests.campaign.trial.read", fail)
    outcome = tried(whole())
    assert outcome.failed
    assert type(error).__name__ in outcome.detail


def test_reading_that_depends_on_the_blocks_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    case = dataclasses.replace(whole(), number=8, block_size=1000, other_block_size=4)
    assert tried(case).kind == "read"
    monkeypatch.setattr(
        "tests.campaign.trial.read",
        lambda case, block_size: (
            read(case, 1000) if block_size == 1000 else changed(read(case, 1000), "text", pl.lit("x"))
        ),
    )
    assert "differ" in tried(case).detail


def test_a_slow_file_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(case: Case, block_size: int) -> Reading:
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass
        return read(case, block_size)

    monkeypatch.setattr("tests.campaign.trial.MOST_SECONDS", 0.01)
    monkeypatch.setattr("tests.campaign.trial.read", slow)
    assert tried(whole()).detail.startswith("slow")


# --- processes that die -----------------------------------------------------------------------------------------------


def die_on_some(number: int, folder: Path) -> Outcome:
    """Tries nothing, but crashes on one number and hangs on another."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == 5:
        time.sleep(60)
    return Outcome(number, "generated/none", "csv", "read")


def test_a_crash_and_a_hang_cost_their_own_file_only() -> None:
    outcomes = {outcome.number: outcome for outcome in tried_by_crew(die_on_some, range(60), 2, hangs=0.5)}
    assert sorted(outcomes) == list(range(60))
    assert outcomes.pop(3).detail.startswith("crash: SIGSEGV")
    assert outcomes.pop(5).detail.startswith("hang")
    assert {outcome.kind for outcome in outcomes.values()} == {"read"}


# --- what is told of a failure ----------------------------------------------------------------------------------------


def test_a_failure_is_saved_and_made_smaller(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail_on_some(case: Case, folder: Path | None = None) -> Outcome:
        failed = b"!" in case.data and b"?" in case.data
        return Outcome(case.number, case.origin, case.format, "failed" if failed else "read", "both" if failed else "")

    monkeypatch.setattr(saved, "tried", fail_on_some)
    monkeypatch.setattr(saved, "SAVED", tmp_path)
    case = dataclasses.replace(whole(b"one ! two and three ? four" * 3), dtypes={"id": "Int64"})
    small = saved.shrunk(case)
    assert sorted(small.data) == sorted(b"!?")
    path = saved.save(small, fail_on_some(small))
    assert path.read_bytes() == small.data
    assert saved.load(path) == small
    assert small.types == {"id": pl.Int64()}


def test_a_campaign_tells_seed_count_and_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = functools.partial(Outcome, origin="generated/plain.csv", format="csv")
    outcomes = [failing(number, kind="failed" if number == 1 else "read", detail="wrong") for number in range(3)]
    monkeypatch.setattr(mutate, "tried_by_crew", lambda *_: iter(outcomes))
    result = mutate.campaign(7, range(3), jobs=1)
    text = mutate.summary(result)
    assert text.startswith("Mutation campaign: seed 7, 3 damaged files")
    assert "1 FAILED" in text
    assert "--seed 7 --only 1" in text
