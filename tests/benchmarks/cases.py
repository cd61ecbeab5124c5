"""Cases: what is measured, Winnow and its peers doing what they can of the same work, each in a process of its own.

Belongs here: one function for each case, which prepares (imports, above all) and gives back the work that is timed.
Does not belong here: starting the process and taking the time (measured, child), or comparing (figures).

What Winnow makes of a dump is checked against the books that the dump is known to have: a fast cleaning that is wrong
is no result. What only some cases need is imported in those, since it counts in the memory of the process.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from schemas.records import Books
from tests.benchmarks.clock import Clock
from tests.benchmarks.measured import Parts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flows.clean import Stages
    from tasks.job import Outcome

    Work = Callable[[], Parts]

LARGE, SMALL = "large", "small"

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


def dumps(folder: Path, rows: str, small: str, small_rows: str) -> Work:
    """Writes the dumps that the other cases read; answers how many bytes the large one has.

    There is one small dump more than is asked for: the first in a process pays for what is done only once, and is
    measured apart.
    """
    from tests.benchmarks.dumps import write_orders

    sizes = {LARGE: int(rows)} | {f"{SMALL}-{number:03d}": int(small_rows) for number in range(int(small) + 1)}

    def work() -> Parts:
        books = {
            partition: write_orders(_dump(folder, partition), rows=size, number=number)
            for number, (partition, size) in enumerate(sizes.items())
        }
        (folder / "books.json").write_bytes(msgspec.json.encode(books))
        return Parts(answer=str(_dump(folder, LARGE).stat().st_size))

    return work


def _books(folder: Path) -> dict[str, Books]:
    """What the books of each dump must be."""
    return msgspec.json.decode((folder / "books.json").read_bytes(), type=dict[str, Books])


def _small(folder: Path) -> list[str]:
    return [partition for partition in _books(folder) if partition.startswith(SMALL)]


def _dump(folder: Path, partition: str) -> Path:
    return folder / "raw" / "orders" / partition / "orders.csv"


# --- Winnow -----------------------------------------------------------------------------------------------------------


def winnow(folder: Path) -> Work:
    """Cleans the large dump: from raw CSV to a published version with its ledger."""
    clock = Clock()
    clean = _cleaner(folder, clock)

    def work() -> Parts:
        clean([LARGE])
        return Parts(clock.stretches)

    return work


def winnow_small(folder: Path) -> Work:
    """Cleans the small dumps one after another in one process, as a backfill does."""
    first, others = Clock(), Clock()
    clean_first, clean_others = _cleaner(folder, first), _cleaner(folder, others)
    partitions = _small(folder)

    def work() -> Parts:
        clean_first(partitions[:1])
        clean_others(partitions[1:])
        return Parts({**others.stretches, "first": first.stretches["clean"]})

    return work


def _cleaner(folder: Path, clock: Clock) -> Callable[[Sequence[str]], None]:
    from flows.clean import PLAIN, clean
    from tasks.job import Job

    expected, stages = _books(folder), _timed(PLAIN, clock)
    raw, store = folder / "raw", folder / f"store-{uuid.uuid4().hex}"

    def cleaned(partitions: Sequence[str]) -> None:
        with clock.running():
            for partition in partitions:
                job = Job("orders", partition, str(_DECLARATION), str(raw), str(store), run_id="benchmark")
                with clock.stretch("clean"):
                    outcome = clean(job, stages)
                _check(outcome, expected[partition])

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

    It keeps no reasons, makes nulls of what it can't read, and drops the fields that a record has too many.
    """

    def work() -> Parts:
        _copy(folder, [LARGE])
        return Parts()

    return work


def bare_small(folder: Path) -> Work:
    """The same for the small dumps, one after another."""
    clock, partitions = Clock(), _small(folder)

    def work() -> Parts:
        _copy(folder, partitions[:1])
        with clock.running(), clock.stretch("copy"):
            _copy(folder, partitions[1:])
        return Parts(clock.stretches)

    return work


def _copy(folder: Path, partitions: Sequence[str]) -> None:
    for partition in partitions:
        path = _dump(folder, partition)
        frame = pl.scan_csv(path, schema=_TYPES, ignore_errors=True, truncate_ragged_lines=True)
        frame.sink_parquet(folder / f"bare-{partition}.parquet")


def pandera(folder: Path) -> Work:
    """Reads the large dump typed, validates it with pandera itself, writes the good rows and the failures.

    It evaluates the same checks and nulls. It finds neither duplicates nor what could not be cast, and keeps no raw
    text.
    """
    from pandera.errors import SchemaErrors

    from tests.benchmarks.orders import Orders

    clock = Clock()

    def failures_of(frame: pl.DataFrame) -> pl.DataFrame:
        try:
            Orders.validate(frame, lazy=True)
        except SchemaErrors as errors:
            found: pl.DataFrame = errors.failure_cases
            return found
        message = "pandera found nothing wrong with a dump that has faults"
        raise RuntimeError(message)

    def work() -> Parts:
        frame = pl.read_csv(_dump(folder, LARGE), schema=_TYPES, ignore_errors=True, truncate_ragged_lines=True)
        with clock.running(), clock.stretch("validate"):
            failures = failures_of(frame)
        bad = failures.select(pl.col("index").cast(pl.UInt32)).unique()
        frame.with_row_index("index").join(bad, on="index", how="anti").drop("index").write_parquet(
            folder / "pandera.parquet"
        )
        failures.write_parquet(folder / "failures.parquet")
        return Parts(clock.stretches)

    return work


# --- the demo's store -------------------------------------------------------------------------------------------------


def demo(_folder: Path) -> Work:
    """Lays out the demo's dumps and cleans those that it cleans; answers with the id of a record that was set aside."""
    from flows.clean import PLAIN, clean, job_of
    from flows.demo_dumps import lay_out
    from flows.references import manifest_of
    from flows.settings import load_settings
    from tasks.report.quarantine import set_aside
    from tasks.store.local import open_store

    settings = load_settings()

    def work() -> Parts:
        partitions = lay_out(settings.raw_root).partitions
        jobs = [job_of("flights", partition, reason="backfill") for partition in partitions["flights"]]
        jobs += [job_of(name, each[-1], reason="nightly") for name, each in partitions.items() if name != "flights"]
        for job in jobs:
            clean(job, PLAIN)
        store = open_store(str(settings.store_root))
        found = set_aside(store, manifest_of(store, "flights"), limit=1)
        return Parts(answer=found.records[0].record)

    return work


CASES: dict[str, Callable[..., Work]] = {
    case.__name__: case for case in (dumps, winnow, winnow_small, bare, bare_small, pandera, demo)
}
