"""Cleaning: a damaged file taken from raw to a published version, in a store of its own.

Belongs here: a declaration made for the file, the cleaning, and the books as they were written. Does not belong here:
the file (case), or reading it alone (trial).
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pandera.polars as pa

from flows.clean import PLAIN, clean
from schemas.records import RECORD, Role
from tasks.job import Job
from tasks.publish.verify import verify_version
from tasks.store.local import open_store
from tasks.store.versions import open_version
from tests.campaign.recount import DefectError

if TYPE_CHECKING:
    from tests.campaign.case import Case

_FATES = (Role.CLEAN, Role.QUARANTINE, Role.DUPLICATES, Role.REJECTS)
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_MOST_COLUMNS = 8
#: Types and rules that a column may be declared with; the first one is the key's.
_FIELDS = (
    "str = pa.Field(nullable=True)",
    'str = pa.Field(nullable=True, str_length={"max_value": 20})',
    "int = pa.Field(nullable=True, ge=0)",
    "float = pa.Field(nullable=True, in_range={'min_value': 0, 'max_value': 1000})",
    "bool = pa.Field(nullable=True)",
    "pl.Date = pa.Field(nullable=True, metadata={'formats': ['%Y-%m-%d', '%Y%m%d']})",
    "pl.Decimal(10, 2) = pa.Field(nullable=True)",
    'str = pa.Field(str_matches="^[a-z]")',
)
_DECLARATION = '''"""Damaged: declared for one file of the mutation campaign."""
import pandera.polars as pa
import polars as pl

from schemas import Dataset, Dedupe, Drift, Gates, Limits, Source, steps


class Damaged(pa.DataFrameModel):
{fields}


DATASET = Dataset(
    model=Damaged,
    source=Source(
        "{{partition}}/*",
        null_tokens=("", "NA"),
        drift=Drift(missing="null", extra={extra!r}, renamed={renamed!r}),
        limits=Limits(**{limits!r}),
        **{settings!r},
    ),
    steps=(steps.strip("{key}"),),
    dedupe=Dedupe(key=("{key}",)),
    gates=Gates(allow_empty=True),
)
'''


def clean_case(case: Case, folder: Path) -> None:
    """Cleans a file and counts what was written.

    Args:
        case: the file.
        folder: for a folder of its own, which is removed.

    Raises:
        HeaderError: the file's columns are not the declared ones.
        DefectError: a record does not have exactly one fate, or the version does not verify.
    """
    home = Path(tempfile.mkdtemp(dir=folder))
    try:
        _clean_in(case, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _clean_in(case: Case, home: Path) -> None:
    declaration, raw = home / "damaged.py", home / "raw"
    declaration.write_text(declared(case))
    (raw / "p").mkdir(parents=True)
    (raw / "p" / case.path).write_bytes(case.data)
    job = Job("damaged", "p", str(declaration), str(raw), str(home / "store"), run_id="campaign")
    outcome = clean(job, PLAIN)
    store = open_store(home / "store")
    version = open_version(store, "damaged")
    entry = version.manifest.partitions["p"]
    numbers = [number for role in _FATES for number in version.scan(role).collect().get_column(RECORD)]
    if sorted(numbers) != list(range(1, entry.inputs[0].records + 1)) or outcome.books.records != len(numbers):
        raise DefectError(f"cleaned: {len(numbers)} records with a fate, {entry.inputs[0].records} read")
    report = verify_version(store, "damaged", 1, raw_root=str(raw))
    if not report.ok:
        raise DefectError(f"cleaned: the version does not verify: {report.findings}")


def declared(case: Case) -> str:
    """A declaration for some of the file's columns, by their own name if that can be one."""
    rng = Random(f"declared {case.seed}/{case.number}")
    fields: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for position, name in enumerate(case.columns[:_MOST_COLUMNS]):
        own = _PLAIN_NAME.fullmatch(name) and not hasattr(pa.DataFrameModel, name)
        column = name if own else f"column_{position}"
        fields[column] = rng.choice(_FIELDS) if fields else _FIELDS[0]
        if not own:
            renamed[name] = column
    return _DECLARATION.format(
        fields="\n".join(f"    {name}: {kind}" for name, kind in fields.items()),
        extra=rng.choice(["ignore", "quarantine"]),
        renamed=renamed,
        limits=dict(case.limits),
        settings=dict(case.settings),
        key=next(iter(fields)),
    )
