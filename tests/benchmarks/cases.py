"""Cases: what a process of its own does: writing a dump, cleaning it with Winnow, laying out the demo.

Belongs here: one function for each case, which prepares (imports, above all) and gives back the work that is timed.
Does not belong here: other tools (peers), starting the process and taking the time (measured, child), or comparing
(figures, groups).

What Winnow makes of a dump is checked against the books that the dump is known to have: a fast cleaning that is wrong
is no result. What only some cases need is imported in those, since it counts in the memory of the process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks import layout, peers
from tests.benchmarks.clock import Clock
from tests.benchmarks.measured import Parts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flows.clean import Stages
    from schemas.records import Books
    from tasks.job import Outcome

    Work = Callable[[], Parts]

# --- dumps ------------------------------------------------------------------------------------------------------------


def orders(folder: Path, partition: str, rows: str, number: str = "0") -> Work:
    """Writes a dump of orders, with the faults and in the form that its name stands for; answers its bytes."""
    from tests.benchmarks.dumps import HALF_BAD, HALF_TWICE, WHOLE, Form, Plan, write_orders

    plans = {layout.HALF_BAD: HALF_BAD, layout.HALF_TWICE: HALF_TWICE, layout.JSONL: WHOLE}
    forms: dict[str, Form] = {layout.QUOTED: "quoted", layout.JSONL: "jsonl"}
    plan, form = plans.get(partition, Plan()), forms.get(partition, "plain")
    path = layout.dump(folder, partition)
    return _written(
        folder, partition, path, lambda: write_orders(path, rows=int(rows), number=int(number), plan=plan, form=form)
    )


def small_orders(folder: Path, times: str, rows: str) -> Work:
    """Writes small dumps.

    There is one more than is asked for: the first in a process pays for what is done only once, and is measured apart.
    """
    works = [orders(folder, f"{layout.SMALL}-{number:03d}", rows, str(number)) for number in range(1, int(times) + 2)]

    def work() -> Parts:
        for each in works:
            each()
        return Parts()

    return work


def compressed(folder: Path, partition: str, source: str) -> Work:
    """Compresses a dump of orders as another partition."""
    from tests.benchmarks.dumps import compress

    def write() -> Books:
        compress(layout.dump(folder, source), layout.dump(folder, partition))
        return layout.books(folder)[source]

    return _written(folder, partition, layout.dump(folder, partition), write)


def wide(folder: Path, rows: str) -> Work:
    """Writes a dump of 5,000 columns; answers its bytes."""
    from tests.benchmarks.oddities import write_wide

    path = layout.dump(folder, layout.ONLY, "wide")
    return _written(folder, "wide", path, lambda: write_wide(path, rows=int(rows)))


def letters(folder: Path, long: str) -> Work:
    """Writes a dump of short and long letters; answers its bytes."""
    from tests.benchmarks.oddities import write_letters

    path = layout.dump(folder, layout.ONLY, "letters")
    return _written(folder, "letters", path, lambda: write_letters(path, long=int(long)))


def _written(folder: Path, name: str, path: Path, write: Callable[[], Books]) -> Work:
    def work() -> Parts:
        layout.add_books(folder, name, write())
        return Parts(answer=str(path.stat().st_size))

    return work


# --- Winnow -----------------------------------------------------------------------------------------------------------


def winnow(folder: Path, partition: str) -> Work:
    """Cleans a dump of orders: from raw text to a published version with its ledger."""
    return _cleaned_once(folder, "orders", partition, layout.books(folder)[partition])


def winnow_odd(folder: Path, dataset: str) -> Work:
    """Cleans the one dump of a data set of unusual shape."""
    return _cleaned_once(folder, dataset, layout.ONLY, layout.books(folder)[dataset])


def _cleaned_once(folder: Path, dataset: str, partition: str, expected: Books) -> Work:
    clock = Clock()
    clean = _cleaner(folder, dataset, clock)

    def work() -> Parts:
        clean(partition, expected)
        return Parts(clock.stretches, rows=expected.kept)

    return work


def winnow_small(folder: Path) -> Work:
    """Cleans the small dumps one after another in one process, as a backfill does."""
    first, others = Clock(), Clock()
    clean_first, clean_others = _cleaner(folder, "orders", first), _cleaner(folder, "orders", others)
    dumps = _small(folder)

    def work() -> Parts:
        for number, (partition, expected) in enumerate(dumps.items()):
            (clean_others if number else clean_first)(partition, expected)
        return Parts({**others.stretches, "first": first.stretches["clean"]})

    return work


def _small(folder: Path) -> dict[str, Books]:
    return {name: expected for name, expected in layout.books(folder).items() if name.startswith(layout.SMALL)}


def _cleaner(folder: Path, dataset: str, clock: Clock) -> Callable[[str, Books], None]:
    from flows.clean import PLAIN, clean
    from tasks.job import Job

    stages, declared = _timed(PLAIN, clock), str(layout.declaration(dataset))
    raw, store = str(folder / "raw"), str(layout.output(folder) / "store")

    def cleaned(partition: str, expected: Books) -> None:
        with clock.running(), clock.stretch("clean"):
            outcome = clean(Job(dataset, partition, declared, raw, store, run_id="benchmark"), stages)
        _check(outcome, expected)

    return cleaned


def _timed(stages: Stages, clock: Clock) -> Stages:
    return stages._replace(**{name: clock.timed(name, getattr(stages, name)) for name in stages._fields})


def _check(outcome: Outcome, expected: Books) -> None:
    if not outcome.published or outcome.books != expected:
        message = f"{outcome.partition} was cleaned wrongly: {outcome.books}, expected {expected}"
        raise RuntimeError(message)


def bare_small(folder: Path) -> Work:
    """Copies the small dumps with polars alone, one after another."""
    clock, (first, *others) = Clock(), list(_small(folder))

    def work() -> Parts:
        peers.copy(folder, first)
        with clock.running(), clock.stretch("copy"):
            for partition in others:
                peers.copy(folder, partition)
        return Parts(clock.stretches)

    return work


# --- the demo's store -------------------------------------------------------------------------------------------------


def demo(_folder: Path) -> Work:
    """Lays out the demo's dumps and cleans those that it cleans; answers with the id of a record that was set aside."""
    from pathlib import Path

    from flows.clean import PLAIN, clean, job_of
    from flows.demo_dumps import lay_out
    from flows.references import manifest_of
    from flows.settings import load_settings
    from tasks.report.quarantine import set_aside
    from tasks.store.local import open_store

    settings = load_settings()

    def work() -> Parts:
        partitions = lay_out(Path(settings.raw_root)).partitions
        jobs = [job_of("flights", partition, reason="backfill") for partition in partitions["flights"]]
        jobs += [job_of(name, each[-1], reason="nightly") for name, each in partitions.items() if name != "flights"]
        for job in jobs:
            clean(job, PLAIN)
        store = open_store(settings.store_root)
        found = set_aside(store, manifest_of(store, "flights"), limit=1)
        return Parts(answer=found.records[0].record)

    return work


_OWN = (orders, small_orders, compressed, wide, letters, winnow, winnow_odd, winnow_small, bare_small, demo)
CASES: dict[str, Callable[..., Work]] = {case.__name__: case for case in (*_OWN, *peers.PEERS)}
