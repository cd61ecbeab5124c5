"""A kill -9 at each stage boundary, then the same command again: the version of an undisturbed run (laws 5 and 6)."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from schemas.records import Role
from tasks.publish.verify import verify_version
from tasks.store.local import open_store
from tasks.store.versions import head

if TYPE_CHECKING:
    from schemas.records import Manifest

#: Cleans one partition in a process of its own, and kills that process before or after a stage.
SCRIPT = """
import os, signal, sys
from flows.clean import PLAIN, clean
from tasks.job import Job
from tasks.publish import stage as publishing
from tasks.store import archive

declaration, root, moment = sys.argv[1:]
when, _, name = moment.partition(" ")

def deadly(stage):
    def run(*arguments, **named):
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        stage(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)
    return run

stages = PLAIN._replace(**{name: deadly(getattr(PLAIN, name))}) if name in PLAIN._fields else PLAIN
if name == "_copied":
    archive._copied = deadly(archive._copied)
if name == "commit":
    publishing.commit = deadly(publishing.commit)
clean(Job("sales", "p", declaration, f"{root}/raw", f"{root}/store", run_id="r"), stages)
"""

DECLARATION = '''"""Sales: for the kills."""
import pandera.polars as pa

from schemas import Dataset, Dedupe, Source, steps


class Sales(pa.DataFrameModel):
    id: int = pa.Field(ge=0)
    shop: str = pa.Field(isin=["north", "south"])


DATASET = Dataset(
    model=Sales,
    source=Source("{partition}/*.csv", archive_raw=True),
    steps=[steps.lowercase("shop")],
    dedupe=Dedupe(key=["id"]),
)
'''

RAW = {
    "one.csv": b"id,shop\n1,north\n2,SOUTH\n3,east\nbroken\n" + b"".join(b"%d,north\n" % n for n in range(10, 2000)),
    "two.csv": b"id,shop\n1,north\n4,south\n",
    "two_again.csv": b"id,shop\n1,north\n4,south\n",
}
MOMENTS = [f"{when} {stage}" for stage in ("ingest", "settle", "publish", "report") for when in ("before", "after")]
#: Within publishing: a copy for the archive is written and has no name yet; all is there but the version.
MOMENTS += ["after _copied", "before commit"]


def run(root: Path, moment: str = "never") -> int:
    declaration = root / "sales.py"
    declaration.write_text(DECLARATION)
    for name, data in RAW.items():
        (root / "raw" / "p").mkdir(parents=True, exist_ok=True)
        (root / "raw" / "p" / name).write_bytes(data)
    command = [sys.executable, "-c", SCRIPT, str(declaration), str(root), moment]
    return subprocess.run(command, check=False, timeout=120).returncode


def published(root: Path) -> Manifest:
    manifest = head(open_store(root / "store"), "sales")
    assert manifest is not None
    return manifest


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    root = tmp_path_factory.mktemp("undisturbed")
    assert run(root) == 0
    return published(root)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_killed_at_a_stage_is_finished_by_running_it_again(
    tmp_path: Path, undisturbed: Manifest, moment: str
) -> None:
    assert run(tmp_path, moment) == -signal.SIGKILL
    store = open_store(tmp_path / "store")
    before = head(store, "sales")
    # Either nothing was published, or all of it.
    assert (before is None) == (moment not in ("after publish", "before report", "after report"))
    if before is not None:
        assert verify_version(store, "sales", before.version, raw_root=str(tmp_path / "raw")).ok
    assert run(tmp_path) == 0
    after = published(tmp_path)
    assert after.digest == undisturbed.digest
    assert after.version == 1
    assert verify_version(store, "sales", 1, raw_root=str(tmp_path / "raw"), deep=True).ok
    assert len(store.list("sales/raw/")) == len(set(RAW.values()))
    assert store.list("sales/_staging/") == ()
    assert store.list("sales/reports/") == ("sales/reports/p/000000000001.md",)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_number_of_threads_changes_no_byte(
    tmp_path: Path, undisturbed: Manifest, threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLARS_MAX_THREADS", threads)
    assert run(tmp_path) == 0
    assert published(tmp_path).digest == undisturbed.digest


def test_the_partition_has_every_fate(undisturbed: Manifest) -> None:
    # Otherwise the kills above would prove less than they say.
    total = undisturbed.partitions["p"].total
    assert min(total.kept, total.duplicate, total.quarantined, total.rejected, total.repaired) > 0
    assert {file.role for file in undisturbed.partitions["p"].files} == set(Role) - {
        Role.ERASED,
        Role.AUDIT,
        Role.SUPERSEDED,
        Role.DISPUTED,
    }
