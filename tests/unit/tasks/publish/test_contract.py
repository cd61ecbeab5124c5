"""The contract fingerprint: meaning counts, writing does not."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from schemas import registry
from schemas.errors import DeclarationError
from schemas.records import Contract, RawFile
from tasks.publish import contract
from tasks.publish.contract import cleaning_id, contract_fingerprint, contract_of, fingerprint_of, reading_of

DECLARATION = '''"""Trips."""
import pandera.polars as pa
from schemas import Dataset, Source

class Trips(pa.DataFrameModel):
    """One trip a row."""
    fare: float = pa.Field(nullable=True)

    @pa.check("fare")
    def positive(cls, data):
        """no trip is free"""
        return data.lazyframe.select(data.key) > 0

DATASET = Dataset(model=Trips, source=Source("trips/{partition}.csv"))
'''
_ROOT = Path(contract.__file__).parents[2]


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    place = tmp_path / "trips.py"
    place.write_text(DECLARATION)
    return place


def test_it_is_32_hexadecimal_digits_and_always_the_same(declared: Path) -> None:
    fingerprint = contract_fingerprint(declared)
    assert len(fingerprint) == 32
    assert int(fingerprint, 16)
    assert contract_fingerprint(str(declared)) == fingerprint
    script = f"from tasks.publish.contract import contract_fingerprint as f; print(f({str(declared)!r}))"
    run = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=_ROOT)
    assert run.stdout.strip() == fingerprint


@pytest.mark.parametrize(
    ("name", "setting"),
    [("Retention", "retention=Retention(keep_versions=9)"), ("Schedule", 'schedule=Schedule("15 2 * * *")')],
)
def test_which_versions_are_kept_and_when_it_runs_does_not_count(declared: Path, name: str, setting: str) -> None:
    fingerprint = contract_fingerprint(declared)
    changed = DECLARATION.replace("Dataset, Source\n", f"Dataset, {name}, Source\n")
    declared.write_text(changed.replace("model=Trips,", f"model=Trips, {setting},"))
    assert contract_fingerprint(declared) == fingerprint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import pandera", "# a comment\nimport pandera"),
        ('"""Trips."""', '"""Trips of taxis."""'),
        ('"""Trips."""\n', ""),
        ('"""One trip a row."""', '"""One trip in each row."""'),
        ("fare: float = pa.Field(nullable=True)", "fare: float = pa.Field(\n        nullable=True,\n    )"),
        ('Source("trips/{partition}.csv")', "Source('trips/{partition}.csv')"),
    ],
)
def test_how_a_declaration_is_written_does_not_count(declared: Path, old: str, new: str) -> None:
    fingerprint = contract_fingerprint(declared)
    assert old in DECLARATION
    declared.write_text(DECLARATION.replace(old, new))
    assert contract_fingerprint(declared) == fingerprint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("nullable=True", "nullable=False"),
        ("> 0", ">= 0"),
        ("trips/{partition}.csv", "trips/{partition}.csv.gz"),
        ("def positive", "def is_positive"),
        # It is the reason that stands beside every row that the check sets aside.
        ("no trip is free", "a trip costs something"),
    ],
)
def test_what_a_declaration_says_counts(declared: Path, old: str, new: str) -> None:
    fingerprint = contract_fingerprint(declared)
    assert old in DECLARATION
    declared.write_text(DECLARATION.replace(old, new))
    assert contract_fingerprint(declared) != fingerprint


def code_digest() -> tuple[Mapping[str, str], Mapping[str, str]]:
    contract._installed.cache_clear()
    try:
        return contract._installed()
    finally:
        contract._installed.cache_clear()


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small installation in the place of the real one."""
    for place in (
        "schemas/datasets",
        "tasks/erasure",
        "tasks/ingest",
        "tasks/normalise",
        "tasks/validate",
        "tasks/dedupe",
    ):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "__init__.py").write_text('"""Docstring."""\n')
    for module in ("blanking", "marks", "matching", "withdrawal"):
        (tmp_path / f"tasks/erasure/{module}.py").write_text("x = 1\n")
    (tmp_path / "tasks/store").mkdir()
    (tmp_path / "tasks/store/sinks.py").write_text("ROW_GROUP = 1\n")
    (tmp_path / "tasks/publish").mkdir()
    (tmp_path / "tasks/publish/splits.py").write_text("x = 1\n")
    (tmp_path / "tasks/ingest/csv.py").write_text('def f():\n    """Docstring."""\n    return 1\n')
    monkeypatch.setattr(contract, "_ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("tasks/ingest/csv.py", "def f():\n    return 2\n"),
        ("tasks/ingest/csv.py", "def f():\n    pass\n"),
        ("tasks/ingest/deep/er.py", "x = 1\n"),
        ("tasks/validate/compile.py", ""),
        ("schemas/steps.py", "x = 1\n"),
        ("tasks/dedupe/stage.py", "x = 1\n"),
        ("tasks/store/sinks.py", "ROW_GROUP = 2\n"),
        ("tasks/publish/splits.py", "x = 2\n"),
    ],
)
def test_code_that_gives_meaning_counts(code: Path, place: str, source: str) -> None:
    before = code_digest()
    (code / place).parent.mkdir(parents=True, exist_ok=True)
    (code / place).write_text(source)
    assert code_digest() != before


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("tasks/ingest/csv.py", 'def f():  # same\n    """Another docstring."""\n    return (1)\n'),
        ("tasks/ingest/csv.py", "def f():\n    return 1\n"),
        ("tasks/ingest/task.py", "x = 1\n"),
        ("schemas/datasets/other.py", "x = 1\n"),
        ("tasks/report/card.py", "x = 1\n"),
        ("flows/nightly.py", "x = 1\n"),
        ("tasks/store/local.py", "x = 1\n"),
        ("tasks/ingest/notes.txt", "x = 1\n"),
    ],
)
def test_other_code_does_not_count(code: Path, place: str, source: str) -> None:
    before = code_digest()
    (code / place).parent.mkdir(parents=True, exist_ok=True)
    (code / place).write_text(source)
    assert code_digest() == before


def test_a_renamed_module_counts(code: Path) -> None:
    before = code_digest()
    (code / "tasks/ingest/csv.py").rename(code / "tasks/ingest/tsv.py")
    assert code_digest() != before


@pytest.mark.parametrize("library", ["polars", "pandera"])
def test_the_libraries_that_do_the_work_count(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_digest()
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0" if name == library else version(name))
    assert code_digest() != before


def test_the_installed_code_is_what_is_hashed() -> None:
    hashed = {path.relative_to(_ROOT).as_posix() for path in contract._code_files()}
    assert {
        "schemas/records.py",
        "tasks/store/sinks.py",
        "tasks/validate/compile.py",
        "tasks/publish/splits.py",
    } <= hashed
    assert not [path for path in hashed if path.endswith("/task.py") or path.startswith("schemas/datasets/")]


@pytest.mark.parametrize("source", [b"def f(:\n", b"\xff\xfe\x00", b"x = '\0'\n"])
def test_a_declaration_that_is_no_python_is_told(tmp_path: Path, source: bytes) -> None:
    (tmp_path / "trips.py").write_bytes(source)
    with pytest.raises(DeclarationError, match="can't be read") as caught:
        contract_fingerprint(tmp_path / "trips.py")
    assert caught.value.where == str(tmp_path / "trips.py")


def test_a_declaration_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="can't be read"):
        contract_fingerprint(tmp_path / "gone.py")


#: One that can be imported, too.
WORKING = DECLARATION.replace("import pandera", "import polars as pl\nimport pandera").replace(
    "select(data.key) > 0", "select(pl.col(data.key) > 0)"
)


@pytest.fixture
def working(tmp_path: Path) -> Path:
    place = tmp_path / "trips.py"
    place.write_text(WORKING)
    return place


def test_a_record_says_what_a_fingerprint_stands_for(working: Path) -> None:
    dataset = registry.load_file(working)
    record = contract_of(dataset, working)
    assert fingerprint_of(record) == contract_fingerprint(working)
    assert (record.dataset, record.declaration, record.columns) == ("trips", WORKING, ("fare",))
    assert record.libraries.keys() == {"polars", "pandera"}
    assert "tasks/ingest/jsonl.py" in record.code
    # As it comes back from the store.
    kept = msgspec.json.decode(msgspec.json.encode(record), type=Contract)
    assert kept == record
    assert reading_of(kept) == dataset.source


def test_a_declaration_in_another_encoding_is_kept_as_text(tmp_path: Path) -> None:
    place = tmp_path / "trips.py"
    text = WORKING.replace("no trip is free", "kein Fährgeld")
    place.write_bytes(f"# coding: latin-1\n{text}".encode("latin-1"))
    assert "kein Fährgeld" in contract_of(registry.load_file(place), place).declaration


@pytest.mark.parametrize("source", [{}, {"pattern": "x"}, {"pattern": "{partition}", "unknown": 1}])
def test_a_record_that_tells_no_way_to_read_is_told(working: Path, source: dict[str, object]) -> None:
    record = contract_of(registry.load_file(working), working)
    with pytest.raises(DeclarationError):
        reading_of(msgspec.structs.replace(record, source=source))


def raw(path: str = "a.csv", sha256: str = "0" * 64) -> RawFile:
    return RawFile(path, 1, sha256, "csv", "none", 1, 0, 1)


def test_a_cleaning_is_named_by_contract_and_inputs_in_their_order() -> None:
    one, other = raw(), raw("b.csv", "1" * 64)
    identity = cleaning_id("c", (one, other))
    assert len(identity) == 16
    assert int(identity, 16)
    assert cleaning_id("c", [one, other]) == identity
    changed = [
        cleaning_id("d", (one, other)),
        cleaning_id("c", (other, one)),
        cleaning_id("c", (one,)),
        cleaning_id("c", (one, msgspec.structs.replace(other, sha256="2" * 64))),
        cleaning_id("c", (one, msgspec.structs.replace(other, path="c.csv"))),
    ]
    assert len({identity, *changed}) == 6
