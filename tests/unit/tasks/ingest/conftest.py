"""What the tests of ingest share: reading bytes to the end."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
import pytest

from schemas.policies import Source
from schemas.records import RawFile
from tasks.ingest.blocks import PLACE_SCHEMA, REJECT_SCHEMA, record_schema
from tasks.ingest.reader import RecordReader


@dataclass(frozen=True)
class Read:
    """A file, read to its end."""

    records: pl.DataFrame
    rejects: pl.DataFrame
    report: RawFile
    blocks: int

    def rows(self) -> list[tuple[str | None, ...]]:
        """The cells."""
        return self.records.drop(*PLACE_SCHEMA, "_flags").rows()

    def refused(self) -> list[tuple[int, str, bytes | None]]:
        """Number, slug and bytes of each reject."""
        numbers, rules, raws = (self.rejects.get_column(name).to_list() for name in ("_record", "_rules", "_raw"))
        return [
            (number, rule.removeprefix("ingest."), raw)
            for number, (rule,), raw in zip(numbers, rules, raws, strict=True)
        ]

    def reason(self) -> str:
        """The reason of the only reject."""
        return str(self.rejects.get_column("_reasons").explode().item())


@pytest.fixture
def read() -> Callable[..., Read]:
    """Reads bytes as a raw file: `read(data, "a.csv", ["id"], block_size=..., quote=...)`."""

    def read_all(
        data: bytes | io.BufferedIOBase,
        path: str,
        columns: list[str],
        *,
        block_size: int = 1 << 20,
        max_record_bytes: int = 1 << 20,
        **source: object,
    ) -> Read:
        stream = io.BytesIO(data) if isinstance(data, bytes) else data
        declared = Source("{partition}", **source)  # type: ignore[arg-type]
        sizes = {"block_size": block_size, "max_record_bytes": max_record_bytes}
        reader = RecordReader(stream, path=path, source=declared, columns=columns, **sizes)  # type: ignore[arg-type]
        blocks = list(reader)
        return Read(
            pl.concat([pl.DataFrame(schema=record_schema(columns)), *(block.records for block in blocks)]),
            pl.concat([pl.DataFrame(schema=REJECT_SCHEMA), *(block.rejects for block in blocks)]),
            reader.report,
            len(blocks),
        )

    return read_all
