"""What the tests of the laws share: one declaration, and a cleaning of generated dumps without a Prefect server."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from schemas.records import Role
from tasks.job import Job, Outcome
from tasks.store.local import open_store
from tasks.store.versions import open_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tasks.store.versions import Snapshot

DECLARATION = '''"""Sales: generated, to hold the laws against."""
import pandera.polars as pa

from schemas import Dataset, Dedupe, Gates, Severity, Source, steps


class Sales(pa.DataFrameModel):
    id: int = pa.Field(ge=0)
    shop: str = pa.Field(isin=["north", "south"])
    amount: float = pa.Field(nullable=True, in_range={"min_value": 0, "max_value": 100})
    note: str = pa.Field(nullable=True, str_length={"max_value": 5})


DATASET = Dataset(
    model=Sales,
    source=Source("{partition}/*", null_tokens=["", "NA"], format=FORMAT, encoding="utf-8", line_end="lf", preamble=0),
    steps=[steps.strip("shop", "amount", "id"), steps.lowercase("shop")],
    dedupe=Dedupe(key=["id"], keep="first"),
    severities={"note.str_length": Severity.WARN},
    gates=Gates(allow_empty=True),
)
'''


@dataclass(frozen=True)
class Cleaned:
    """A store after some cleanings, and the last outcome."""

    root: Path
    raw: Path
    outcome: Outcome

    @property
    def version(self) -> Snapshot:
        """The newest version."""
        return open_version(open_store(self.root), "sales")

    def frame(self, role: Role) -> pl.DataFrame:
        """All rows of a role."""
        return self.version.scan(role).collect()

    def rows(self, role: Role) -> list[dict[str, Any]]:
        """All rows of a role, each by its columns."""
        return list(self.frame(role).iter_rows(named=True))


@pytest.fixture
def clean_dumps() -> Iterator[Callable[..., Cleaned]]:
    """Cleans partitions, given as {partition: {file name: bytes}}, in the order of the mapping."""
    from flows.clean import PLAIN, clean

    with tempfile.TemporaryDirectory() as folder:

        def run(
            dumps: Mapping[str, Mapping[str, bytes]], text_format: str = "csv", into: Path | None = None
        ) -> Cleaned:
            home = into or Path(tempfile.mkdtemp(dir=folder))
            declaration = home / "sales.py"
            declaration.write_text(DECLARATION.replace("FORMAT", repr(text_format)))
            outcome = None
            for partition, files in dumps.items():
                for name, data in files.items():
                    path = home / "raw" / partition / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(data)
                job = Job("sales", partition, str(declaration), str(home / "raw"), str(home / "store"), run_id="test")
                outcome = clean(job, PLAIN)
            assert outcome is not None
            return Cleaned(home / "store", home / "raw", outcome)

        yield run
