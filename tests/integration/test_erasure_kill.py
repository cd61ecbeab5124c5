"""A kill -9 before every third call by which an erasure changes the store: the versions verify, and it can be finished.

One process forks a run for each such call, before polars has any thread, so that starting Python once is enough.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]

GUESTS = '''"""Guests: with somebody who wants to be forgotten."""
import pandera.polars as pa

from schemas import Dataset, Dedupe, Source, steps


class Guests(pa.DataFrameModel):
    id: int = pa.Field(ge=1)
    email: str = pa.Field(str_matches="^[^@ ]+@[^@ ]+$", metadata={"subject": True})
    room: int = pa.Field(in_range={"min_value": 1, "max_value": 400})
    comment: str = pa.Field(nullable=True)


DATASET = Dataset(
    model=Guests,
    source=Source("{partition}/*.csv", null_tokens=("",)),
    steps=(steps.strip("email"), steps.lowercase("email", "comment")),
    dedupe=Dedupe(key=("id",)),
)
'''
HEADER = "id,email,room,comment\n"
RAW = {
    "a/1.csv": HEADER + "1,ADA@home.example,12,Quiet\n1,ADA@home.example,12,Quiet\n2,grace@home.example,13,x\n"
    "3,ada@home.example,999,bad\n4,ada@home.example\n5,kurt@home.example,9999,Of ada@home.example\n",
    "b/1.csv": HEADER + "11,ada@home.example,12,Again\n12,grace@home.example,13,y\n",
}

_SCRIPT = """
import contextlib, json, logging, os, signal, shutil, sys, uuid
from pathlib import Path
from schemas.registry import load_file
from tasks.erasure.condition import Condition
from tasks.erasure.receipt import load_key, new_key
from tasks.erasure.stage import erase
from tasks.job import Job
from tasks.publish.verify import verify_version
from tasks.store.local import LocalStore
from tasks.store.versions import list_versions

home = Path(sys.argv[1])
#: Threads of polars that do its work; none may be there yet, for it would not survive the fork.
BUSY = {"polars-0", "polars-1", "async-ex"}

def cleaned(root):
    from flows.clean import PLAIN, clean
    for partition in ("a", "b", "a"):
        clean(Job("guests", partition, str(home / "guests.py"), str(home / "raw"), str(root), str(uuid.uuid4())), PLAIN)

def forget(root):
    key = load_key(new_key(), "memory")
    condition = Condition.parse("email = ada@home.example")
    return erase(LocalStore(root), load_file(home / "guests.py"), condition, asked_by="t", run_id="e", key=key)

def mortal(name, left, pipe):
    call = getattr(LocalStore, name)
    def called(self, *arguments):
        left[0] -= 1
        if left[0] == 0:
            os.write(pipe, name.encode())
            os.kill(os.getpid(), signal.SIGKILL)
        return call(self, *arguments)
    return called

def state(root):
    store = LocalStore(root)
    found = [verify_version(store, "guests", version) for version in list_versions(store, "guests")]
    return {"versions": len(found), "findings": [str(each.findings) for each in found if not each.ok]}

def forked(work):
    out, into = os.pipe()
    assert not BUSY & {Path(task, "comm").read_text().strip()[:8] for task in Path("/proc/self/task").iterdir()}
    child = os.fork()
    if child == 0:
        work(into)
        os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as stream:
        told = stream.read().decode()
    return os.waitpid(child, 0)[1], told

def dying(root, at):
    def work(pipe):
        shutil.copytree(home / "store", root)
        left = [at]
        for name in ("create", "replace", "write_file", "writing", "delete", "clear"):
            setattr(LocalStore, name, mortal(name, left, pipe))
        forget(root)
    return work

def finishing(root):
    def work(pipe):
        before = state(root)
        receipt = forget(root)
        told = {"before": before, "after": state(root), "records": receipt.records, "fates": receipt.fates}
        os.write(pipe, json.dumps(told).encode())
    return work

assert forked(lambda pipe: cleaned(home / "store"))[0] == 0
for at in range(1, 1000, 3):
    root = home / f"{at}"
    ended, call = forked(dying(root, at))
    again, told = forked(finishing(root))
    assert again == 0, (at, call)
    found = json.loads(told)
    found |= {"died": ended == signal.SIGKILL, "call": call, "root": str(root)}
    print(json.dumps(found), flush=True)
    if ended == 0:
        break
    assert ended == signal.SIGKILL, ended
"""


@pytest.mark.slow
def test_an_erasure_may_die_before_any_change_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "guests.py").write_text(GUESTS)
    for name, text in RAW.items():
        (tmp_path / "raw" / name).parent.mkdir(parents=True)
        (tmp_path / "raw" / name).write_text(text)
    command = [sys.executable, "-c", _SCRIPT, str(tmp_path)]
    done = subprocess.run(command, cwd=_ROOT, check=False, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    deaths: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [death["died"] for death in deaths] == [True] * (len(deaths) - 1) + [False]
    assert {death["call"] for death in deaths} >= {"create", "replace", "writing", "delete", "clear"}
    assert len(deaths) > 12
    for death in deaths:
        # Wherever it died: whatever versions there are, each is whole, and all are when it was asked for again.
        assert death["before"]["findings"] == death["after"]["findings"] == [], death
        assert (death["after"]["versions"], death["records"]) == (3, 6), death
        assert death["fates"] == {"duplicate": 1, "kept": 2, "quarantined": 2, "rejected": 1}, death
        for path in Path(death["root"]).rglob("*"):
            assert b"ada@home" not in (path.read_bytes() if path.is_file() else b"").lower(), (path, death)
