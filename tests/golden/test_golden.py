"""Golden: what people read, kept as text, so that a change of it shows in a diff.

A deliberate change is taken over with `WINNOW_TEST_GOLDEN=write .venv/bin/python -m pytest tests/golden`, and then
read in `git diff`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from flows.clean import PLAIN, clean
from flows.demo_dumps import lay_out
from schemas import registry
from schemas.errors import MissingExtraError
from tasks.job import Job
from tasks.report.describe import describe
from tasks.report.escape import as_markdown
from tasks.store.local import open_store
from tasks.store.paths import report_key

HERE = Path(__file__).parent
NIGHT = "2013-01-31"
#: What follows from the code and the machine rather than from the data: hashes of the contract, and paths.
_HASH = re.compile(r"\b[0-9a-f]{64}\b|(?<=/)[0-9a-f]{16}(?=-\d{5})")


def compare(name: str, text: str) -> None:
    kept = HERE / name
    if os.environ.get("WINNOW_TEST_GOLDEN") == "write":
        kept.write_text(text)
    assert text == kept.read_text(), f"{name} changed; see the module's docstring"


@pytest.mark.parametrize("dataset", ["flights", "planes", "snippets", "weather"])
def test_the_rules_of_a_data_set(dataset: str) -> None:
    card = describe(registry.load(dataset), "", "")
    rules = [f"{rule.id}  [{rule.severity}, {rule.how}]\n    {rule.reason}\n" for rule in card.rules]
    compare(f"{dataset}-rules.txt", "".join(rules))


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    try:
        lay_out(folder)
    except MissingExtraError as error:
        pytest.skip(str(error))
    return folder


@pytest.mark.parametrize(
    ("dataset", "partition"), [("flights", NIGHT), ("flights", "2013-01-22"), ("planes", NIGHT), ("weather", NIGHT)]
)
def test_the_summary_of_a_night_of_the_demo(raw: Path, tmp_path: Path, dataset: str, partition: str) -> None:
    store = tmp_path / "store"
    declaration = registry.locate(dataset)
    clean(Job(dataset, partition, str(declaration), str(raw), str(store), run_id="golden"), PLAIN)
    text = open_store(store).read(report_key(dataset, partition, 1)).decode()
    compare(f"{dataset}-{partition}.md", _HASH.sub("HASH", text.replace(as_markdown(tmp_path, limit=400), "")))
