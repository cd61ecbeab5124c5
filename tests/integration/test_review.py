"""Labels that look wrong go out to reviewers, and their decisions come back: by the command line, in one process.

The runs go through the stages without Prefect, which other tests are about.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from flows.clean import PLAIN, clean
from flows.cli import app
from flows.rebuild import rebuild
from schemas.errors import GateError
from schemas.records import Role
from tasks.job import Job, Outcome
from tasks.store.local import open_store
from tasks.store.versions import head, open_version

TOYS = '''"""Toys: what a text is about."""

import pandera.polars as pa

from schemas import Dataset, Labels, Source, steps


class Toys(pa.DataFrameModel):
    id: int = pa.Field(unique=True)
    owner: str = pa.Field(metadata={"personal": True, "subject": True})
    text: str
    kind: str = pa.Field(isin=["animal", "dog", "car"])


DATASET = Dataset(
    model=Toys,
    source=Source("toys/{partition}/*.csv"),
    steps=(steps.lowercase("kind"),),
    labels=Labels("kind", text=("text",), action="review", confidence=0.9),
)
'''
VOTES = '''"""Votes on texts."""

import pandera.polars as pa

from schemas import Annotators, Dataset, Source


class Votes(pa.DataFrameModel):
    item: str
    worker: str
    label: str


DATASET = Dataset(
    model=Votes,
    source=Source("votes/{partition}/*.csv"),
    annotators=Annotators("item", "worker", "label", min_alpha=0.5),
)
'''
_WORDS = {"animal": "purr milk claw", "dog": "bark bone leash", "car": "road wheel fuel"}
#: Record -> the label that it should have; the first six rows of the dump.
WRONG = {number: list(_WORDS)[(number - 1) % 3] for number in range(1, 7)}


class Home:
    """A place to clean toys in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.declaration = root / "declarations" / "toys.py"
        self.declaration.parent.mkdir()
        self.declaration.write_text(TOYS)
        lines = []
        for number in range(1, 121):
            kind = list(_WORDS)[(number - 1) % 3]
            given = list(_WORDS)[number % 3] if number in WRONG else kind
            words = _WORDS[kind].split()
            text = f"{words[number % 2]} {words[2 - number % 2]} {words[1]}"
            lines.append(f"{number},owner{number},{'=' if number == 2 else ''}{text},{given.title()}\n")
        self.dump("toys", "p1/a.csv", "id,owner,text,kind\n" + "".join(lines))

    def dump(self, dataset: str, path: str, text: str) -> None:
        place = self.root / "raw" / dataset / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def clean(self, dataset: str = "toys", run_id: str = "run") -> Outcome:
        declaration = self.declaration.with_stem(dataset)
        job = Job(dataset, "p1", str(declaration), str(self.root / "raw"), str(self.root / "store"), run_id)
        return clean(job, PLAIN)

    def winnow(self, *arguments: str, code: int = 0) -> list[dict[str, object]]:
        found = CliRunner().invoke(app, [*arguments, "--json"])
        assert found.exit_code == code, found.output
        return [json.loads(line) for line in found.output.splitlines()]

    def rows(self, name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO((self.root / name).read_text(), newline="")))

    def kinds(self) -> dict[int, str]:
        rows = open_version(open_store(self.root / "store"), "toys").scan(Role.CLEAN).select("_record", "kind")
        return dict(rows.collect().rows())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in ("store", "raw"):
        monkeypatch.setenv(f"WINNOW_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("WINNOW_DATASETS", str(tmp_path / "declarations"))
    monkeypatch.chdir(tmp_path)
    return Home(tmp_path)


def number(row: dict[str, str]) -> int:
    """Of a row's record in its file."""
    return int(row["record"].partition(":")[2])


def decided(home: Home, name: str, rows: list[dict[str, str]]) -> str:
    with (home.root / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return name


def test_decisions_make_the_round_trip(home: Home) -> None:
    first = home.clean()
    issues = first.audits[0].facts["issues"]
    assert [rule.rows for rule in first.rules if rule.id == "kind.label_error"] == [issues]
    home.winnow("review", "export", "toys", "--out", "queue.csv")
    rows = home.rows("queue.csv")
    assert len(rows) == issues
    assert set(WRONG) <= {number(row) for row in rows}
    assert {number(row) for row in rows[:2]} <= set(WRONG)
    assert "owner" not in rows[0]
    assert [row["text"][:2] for row in rows if row["id"] == "2"] == ["'="]
    home.winnow("review", "export", "toys", "--out", "queue.csv", code=2)  # it might hold decisions

    for row in rows:
        row |= {"value": WRONG.get(number(row), row["label"]), "reviewer": "ada", "reason": "read it"}
    rows[0] |= {"value": "", "action": "exclude"}
    rows[1] |= {"value": "", "action": "keep"}
    done = decided(home, "done.csv", rows)
    (dry,) = home.winnow("review", "import", "toys", done, "--dry-run")
    assert home.clean().published is False
    (taken,) = home.winnow("review", "import", "toys", done)
    assert len(taken["intake"]["taken"]) == len(dry["intake"]["taken"]) == issues  # type: ignore[index]
    assert taken["partitions"] == ["p1"]
    (again,) = home.winnow("review", "import", "toys", done)
    assert (again["review"], again["intake"]["known"]) == (None, issues)  # type: ignore[index]

    before = home.kinds()
    outcome = home.clean(run_id="second")
    out, kept = (number(row) for row in rows[:2])
    assert (outcome.version, outcome.books.kept, outcome.books.quarantined) == (2, 119, 1)
    expected = {n: WRONG[n] if n in WRONG and n != kept else kind for n, kind in before.items() if n != out}
    assert home.kinds() == expected
    assert home.clean().published is False
    # What is decided about is not asked again, and the same file still says nothing new.
    assert home.winnow("review", "export", "toys", "--out", "left.csv")[0]["rows"] == 0
    assert home.winnow("review", "import", "toys", done)[0]["review"] is None
    changed = next(row for row in rows[2:] if number(row) in WRONG)
    (told,) = home.winnow("explain", "toys", changed["record"])
    repair = told["repairs"][-1]  # type: ignore[index]
    assert (repair["step"], repair["after"]) == ("review", WRONG[number(changed)])
    assert repair["reason"].startswith("reviewed by ada at ")
    assert home.winnow("verify", "toys", "--raw")[0]["ok"] is True
    (audit,) = home.winnow("audit", "toys", "--partition", "p1")
    assert audit["audit"]["name"] == "labels"  # type: ignore[index]
    (row, *_) = home.winnow("audit", "toys", "--table", "labels.classes")
    assert row["label"] == "animal"
    home.winnow("audit", "toys", "--table", "labels.nothing", code=2)


def test_a_reviewed_version_is_rebuilt_to_the_byte_and_survives_an_erasure(home: Home) -> None:
    home.clean()
    home.winnow("review", "export", "toys", "--out", "queue.csv")
    rows = home.rows("queue.csv")
    for row in rows:
        row |= {"value": WRONG.get(number(row), row["label"]), "reviewer": "ada"}
    home.winnow("review", "import", "toys", decided(home, "done.csv", rows))
    home.clean(run_id="second")
    store = open_store(home.root / "store")
    manifest = head(store, "toys")
    assert manifest is not None
    assert len(manifest.partitions["p1"].reviews) == 1
    found = rebuild(store, manifest, declaration=home.declaration, raw_root=str(home.root / "raw"))
    assert found.same, found
    home.winnow("erase", "toys", "--where", "owner=owner3", "--yes", "--by", "test")
    erased = head(store, "toys")
    assert erased is not None
    scores = [file for file in erased.partitions["p1"].files if file.role is Role.AUDIT]
    assert [file.path.rpartition("-")[2] for file in scores] == ["scores.parquet"]
    records = pl.read_parquet(store.path(f"toys/{scores[0].path}")).get_column("_record")
    assert (len(records), 3 in records) == (119, False)
    assert home.winnow("verify", "toys")[0]["ok"] is True
    # Cleaned again, with the erasure known, it comes out the same.
    digest = erased.digest
    found = rebuild(store, erased, declaration=home.declaration, raw_root=str(home.root / "raw"))
    assert found.rebuilt_digest == digest, found


def test_votes_on_unsure_items_make_the_round_trip(home: Home) -> None:
    declared = VOTES.replace("min_alpha=0.5", "models=('majority',)")
    home.declaration.with_stem("votes").write_text(declared)
    rows = [f"i{item},w{worker},{'yes' if item % 2 else 'no'}\n" for item in range(20) for worker in range(3)]
    home.dump("votes", "p1/a.csv", "item,worker,label\n" + "".join(rows).replace("i7,w1,yes", "i7,w1,no"))
    assert home.clean("votes").audits[0].facts["unsure items"] == 1
    home.winnow("review", "export", "votes", "--out", "queue.csv")
    queue = home.rows("queue.csv")
    assert [(row["item"], row["worker"], row["label"], row["suggested"]) for row in queue] == [
        ("i7", "w1", "no", "yes"), ("i7", "w0", "yes", "yes"), ("i7", "w2", "yes", "yes"),
    ]  # fmt: skip
    for row, action in zip(queue, ("relabel", "keep", "exclude"), strict=True):
        row |= {"action": action, "value": "yes" if action == "relabel" else "", "reviewer": "ada"}
    (taken,) = home.winnow("review", "import", "votes", decided(home, "done.csv", queue))
    assert taken["partitions"] == ["p1"]
    outcome = home.clean("votes", "second")
    assert (outcome.version, outcome.books.kept, outcome.books.quarantined) == (2, 59, 1)
    assert outcome.audits[0].facts["unsure items"] == 0
    (told,) = home.winnow("explain", "votes", queue[0]["record"])
    assert told["repairs"][-1]["after"] == "yes"  # type: ignore[index]
    assert home.winnow("review", "export", "votes", "--out", "left.csv")[0]["rows"] == 0
    assert home.clean("votes").published is False
    assert home.winnow("verify", "votes", "--raw")[0]["ok"] is True


def test_votes_are_kept_as_they_are_and_low_agreement_stops_the_run(home: Home) -> None:
    home.declaration.with_stem("votes").write_text(VOTES)
    rows = [f"i{item},w{worker},{'yes' if item % 2 else 'no'}\n" for item in range(20) for worker in range(3)]
    home.dump("votes", "p1/a.csv", "item,worker,label\n" + "".join(rows))
    outcome = home.clean("votes")
    assert outcome.books.kept == 60
    assert outcome.audits[0].facts["alpha"] == 1
    (items, *_) = home.winnow("audit", "votes", "--table", "annotators.items", "--limit", "1")
    assert (items["item"], items["consensus"], items["votes"]) == ("i0", "no", 3)
    apart = "".join(rows).replace("w1,yes", "w1,no").replace("w2,no", "w2,yes")
    home.dump("votes", "p1/a.csv", f"item,worker,label\n{apart}")
    with pytest.raises(GateError, match="low agreement"):
        home.clean("votes", "second")
