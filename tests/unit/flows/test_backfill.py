"""A backfill's batches, its task runs, and that no flow or task tries bad data again."""

from __future__ import annotations

import pytest
from prefect import Flow, Task

from flows import apart, backfill, clean, nightly, replay
from flows.backfill import BATCH, BATCH_BYTES
from tasks.audit.standing import Planned
from tasks.job import Job


def steps(count: int, size: int = 10) -> list[Planned]:
    return [Planned(f"p{number:05d}", "clean", "missing", "", size) for number in range(count)]


@pytest.mark.parametrize(
    ("found", "sizes"),
    [
        (steps(BATCH + 1), [BATCH, 1]),
        (steps(3, BATCH_BYTES // 2), [2, 1]),
        (steps(2, BATCH_BYTES * 2), [1, 1]),
        ([], []),
    ],
)
def test_a_batch_has_so_many_partitions_and_bytes_at_most(found: list[Planned], sizes: list[int]) -> None:
    batches = list(backfill._batches(found, apart_from=BATCH_BYTES))
    assert [len(batch) for batch in batches] == sizes
    assert [step for batch in batches for step in batch] == found


@pytest.mark.parametrize("count", [1, 59, 365, 20_000])
def test_a_backfill_has_fewer_than_a_hundred_task_runs(count: int) -> None:
    jobs = [
        [Job("t", step.partition, "", "", "", "r") for step in batch]
        for batch in backfill._batches(steps(count), 1 << 30)
    ]
    shares = backfill._shares(jobs)
    assert len(shares) < 100
    assert sum(len(batch) for share in shares for batch in share) == count


def test_nothing_is_tried_again_by_prefect() -> None:
    # Storage that fails for a while is tried again where it is asked; data is what it is.
    modules = (apart, backfill, clean, nightly, replay)
    found = {each for module in modules for each in vars(module).values() if isinstance(each, Flow | Task)}
    assert len(found) >= 8
    assert {each.retries for each in found} == {0}
