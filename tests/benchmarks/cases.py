"""Cases: what is measured in a process of its own, Winnow and its peers doing what they can of the same work.

Belongs here: one function for each case, which prepares (imports, above all) and gives back the work that is timed.
Does not belong here: starting the process and taking the time (child), or comparing (figures).

A case is given a folder with what `inputs` wrote. What Winnow makes of it is checked against the books that the dump
is known to have: a fast cleaning that is wrong is no result.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from schemas.records import Books
from tests.benchmarks.clock import Clock, Stretch
from tests.benchmarks.dumps import write_orders

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.clean import Stages
    from tasks.job import Job, Outcome

    Work = Callable[[], "Parts"]

LARGE = "large"
#: Partitions of which the first pays for what a process does once, and of which the others are measured.
SMALL = tuple(f"small-{number:02d}" for number in range(31))
SMALL_ROWS = 1_000

_DECLARATION = Path(__file__).with_name("orders.py")
_TYPES: dict[str, pl.DataType] = {
    "order_id": pl.Int64(),
    "customer_id": pl.String(),
    "shop": pl.String(),
    "country": pl.String(),
    "ordered_at": pl.Datetime("us"),
    "shipped_on": pl.Date(),
    "quantity": pl.Int64(),
    "unit_price": pl.Float64(),
    "discount": pl.Float64(),
    "weight": pl.Float64(),
    "status": pl.String(),
    "comment": pl.String(),
}


class Parts(msgspec.Struct, frozen=True):
    """What a case tells of itself.

    Attributes:
        stretches: parts of its work, by name.
        record: id of a record that was set aside, for `winnow explain`.
    """

    stretches: dict[str, Stretch] = {}
    record: str = ""


def inputs(folder: Path, rows: int) -> None:
    """Writes the dumps that the cases read."""
    sizes = {LARGE: rows, **dict.fromkeys(SMALL, SMALL_ROWS)}
    books = {
        partition: write_orders(_dump(folder, partition), rows=size, number=number)
        for number, (partition, size) in enumerate(sizes.items())
    }
    (folder / "books.json").write_bytes(msgspec.json.encode(books))


def dump_size(folder: Path) -> int:
    """Bytes of the large dump."""
    return _dump(folder, LARGE).stat().st_size


def _dump(folder: Path, partition: str) -> Path:
    return folder / "raw" / "orders" / partition / "orders.csv"


# --- Winnow -----------------------------------------------------------------------------------------------------------


def winnow(folder: Path) -> Work:
    """Cleans the large dump: from raw CSV to a published version with its ledger."""
    cleaned = _cleaner(folder, Clock())
    return lambda: cleaned([LARGE])


def winnow_small(folder: Path) -> Work:
    """Cleans the small dumps one after another in one process, as a backfill does."""
    first, rest = _cleaner(folder, Clock()), _cleaner(folder, Clock())

    def work() -> Parts:
        once = first(SMALL[:1]).stretches["clean"]
        return Parts({**rest(SMALL[1:]).stretches, "first": once})

    return work


def _cleaner(folder: Path, clock: Clock) -> Callable[[tuple[str, ...] | list[str]], Parts]:
    from flows.clean import PLAIN, clean
    from tasks.job import Job

    expected = msgspec.json.decode((folder / "books.json").read_bytes(), type=dict[str, Books])
    stages = _timed(PLAIN, clock)
    store = folder / f"store-{uuid.uuid4().hex}"

    def cleaned(partitions: tuple[str, ...] | list[str]) -> Parts:
        with clock.running():
            for partition in partitions:
                job = Job("orders", partition, str(_DECLARATION), str(folder / "raw"), str(store), run_id="benchmark")
                with clock.stretch("clean"):
                    outcome = clean(job, stages)
                _check(outcome, expected[partition])
        return Parts(clock.stretches)

    return cleaned


def _timed(stages: Stages, clock: Clock) -> Stages:
    return stages._replace(**{name: clock.timed(name, getattr(stages, name)) for name in stages._fields})


def _check(outcome: Outcome, expected: Books) -> None:
    if not outcome.published or outcome.books != expected:
        message = f"{outcome.partition} was cleaned wrongly: {outcome.books}, expected {expected}"
        raise RuntimeError(message)


# --- peers ------------------------------------------------------------------------------------------------------------


def bare(folder: Path) -> Work:
    """Copies the large dump to Parquet with polars alone, typed.

    It keeps no reasons, makes nulls of what it can't read, and loses fields of records that have too many.
    """
    return lambda: _copied(folder, [LARGE])


def bare_small(folder: Path) -> Work:
    """The same for the small dumps, one after another."""

    def work() -> Parts:
        clock = Clock()
        _copied(folder, SMALL[:1])
        with clock.stretch("copy"):
            _copied(folder, SMALL[1:])
        return Parts(clock.stretches)

    return work


def _copied(folder: Path, partitions: tuple[str, ...] | list[str]) -> Parts:
    for partition in partitions:
        frame = pl.scan_csv(_dump(folder, partition), schema=_TYPES, ignore_errors=True, truncate_ragged_lines=True)
        frame.sink_parquet(folder / f"bare-{partition}.parquet")
    return Parts()


def pandera(folder: Path) -> Work:
    """Reads the large dump typed, validates it with pandera itself, writes the good rows and the failures.

    It evaluates the same checks and nulls. It finds neither duplicates nor what could not be cast, and keeps no raw
    text.
    """
    from pandera.errors import SchemaErrors

    from tests.benchmarks.orders import Orders

    def work() -> Parts:
        clock = Clock()
        frame = pl.read_csv(_dump(folder, LARGE), schema=_TYPES, ignore_errors=True, truncate_ragged_lines=True)
        with clock.stretch("validate"):
            try:
                Orders.validate(frame, lazy=True)
                failures = pl.DataFrame({"index": []}, schema={"index": pl.Int32})
            except SchemaErrors as errors:
                failures = errors.failure_cases
        bad = frame.with_row_index("index").select(pl.col("index").is_in(failures["index"].cast(pl.UInt32).implode()))
        frame.filter(~bad.to_series()).write_parquet(folder / "pandera.parquet")
        failures.write_parquet(folder / "failures.parquet")
        return Parts(clock.stretches)

    return work


# --- the demo's store -------------------------------------------------------------------------------------------------


def demo(_folder: Path) -> Work:
    """Lays out the demo's dumps and cleans those that the demo cleans; the settings say where."""
    from flows.clean import PLAIN, clean, job_of
    from flows.demo_dumps import lay_out
    from flows.references import manifest_of
    from flows.settings import load_settings
    from tasks.report.quarantine import set_aside
    from tasks.store.local import open_store

    def work() -> Parts:
        settings = load_settings()
        partitions = lay_out(settings.raw_root).partitions
        jobs: list[Job] = [job_of("flights", partition, reason="backfill") for partition in partitions["flights"]]
        jobs += [job_of(name, each[-1], reason="nightly") for name, each in partitions.items() if name != "flights"]
        for job in jobs:
            clean(job, PLAIN)
        store = open_store(settings.store_root)
        found = set_aside(store, manifest_of(store, "flights"), limit=1)
        return Parts(record=found.records[0].record)

    return work


CASES: dict[str, Callable[[Path], Work]] = {
    case.__name__: case for case in (winnow, winnow_small, bare, bare_small, pandera, demo)
}
