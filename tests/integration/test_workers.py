"""Workers of a backfill: told to stop, they publish what is ready and leave nothing half done."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from flows.workers import Workers
from schemas.errors import EnvironmentFailedError
from tasks.job import Job
from tasks.publish.verify import verify_version
from tasks.store.local import LocalStore
from tasks.store.versions import head

DECLARATION = '''"""Sales: cleaned by workers."""
import pandera.polars as pa

from schemas import Dataset, Source


class Sales(pa.DataFrameModel):
    id: int = pa.Field(ge=0)


DATASET = Dataset(model=Sales, source=Source("{partition}.csv"))
'''


def jobs(root: Path, count: int) -> list[Job]:
    (root / "raw").mkdir()
    (root / "sales.py").write_text(DECLARATION)
    names = [f"p{number:04d}" for number in range(count)]
    for name in names:
        (root / "raw" / f"{name}.csv").write_text("id\n1\n2\n-3\n")
    declaration, raw, store = str(root / "sales.py"), str(root / "raw"), str(root / "store")
    return [Job("sales", name, declaration, raw, store, "r", "backfill") for name in names]


def test_workers_clean_side_by_side_and_end_with_whoever_started_them(tmp_path: Path) -> None:
    found = jobs(tmp_path, 4)
    with Workers(2) as workers:
        told = [*workers.clean(found[:2]), *workers.clean(found[2:])]
    assert [each.error for each in told] == [None] * 4
    assert {each.outcome.version for each in told if each.outcome} == {1, 2}
    assert all(worker.poll() is not None for worker in workers._all)


def test_a_batch_that_is_interrupted_publishes_what_is_ready(tmp_path: Path) -> None:
    found, store, errors = jobs(tmp_path, 2_000), LocalStore(tmp_path / "store"), list[str]()

    def clean(workers: Workers) -> None:
        try:
            workers.clean(found)
        except EnvironmentFailedError as error:
            errors.append(error.found)

    with Workers(1) as workers:
        thread = threading.Thread(target=clean, args=[workers])
        thread.start()
        for _ in range(3000):
            if len(store.list("sales/clean/")) > 5 or not thread.is_alive():
                break
            time.sleep(0.1)
    thread.join(30)
    assert errors == ["the process that cleaned it ended (exit code 3)"]
    manifest = head(store, "sales")
    assert manifest is not None
    assert 5 < len(manifest.partitions) < len(found)
    assert store.list("sales/_staging/") == ()
    assert verify_version(store, "sales", raw_root=str(tmp_path / "raw")).ok
