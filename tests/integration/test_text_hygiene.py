"""Text rules and masks in a real cleaning: counted by kind, repaired cell by cell, set aside with their reasons."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from flows.clean import PLAIN, clean
from schemas.records import Role
from tasks.job import Job
from tasks.store.local import open_store
from tasks.store.versions import open_version

MAILS = '''"""Mails: to be masked, and set aside where they are no text."""
import pandera.polars as pa

from schemas import Dataset, Source, steps


class Mails(pa.DataFrameModel):
    id: int
    text: str = pa.Field(no_html=True, no_key=True, max_repetition=0.5, metadata={"personal": True})


DATASET = Dataset(
    model=Mails,
    source=Source("{partition}/*.jsonl"),
    steps=(steps.strip("text"), *steps.mask("text", kinds=("email", "iban", "card", "ip", "phone"))),
)
'''
TEXTS = [
    "write to ann@example.org or bob@example.org",
    "call +49 30 1234567 or mail cy@example.org",
    "paid with 4111 1111 1111 1111 from DE89 3704 0044 0532 0130 00",
    "the order 4111 1111 1111 1112 of 2026-11-30 at 10:20:30",
    "<p>a page</p>",
    "my pass" + "word: correct-horse",
    "spam spam spam spam spam spam",
    "nothing in it",
]


def test_kinds_are_counted_cells_are_repaired_and_rows_are_set_aside(tmp_path: Path) -> None:
    (tmp_path / "raw" / "p").mkdir(parents=True)
    pl.DataFrame({"id": range(len(TEXTS)), "text": TEXTS}).write_ndjson(tmp_path / "raw" / "p" / "mails.jsonl")
    (tmp_path / "mails.py").write_text(MAILS)
    job = Job("mails", "p", str(tmp_path / "mails.py"), str(tmp_path / "raw"), str(tmp_path / "store"), run_id="r")
    outcome = clean(job, PLAIN)
    assert (outcome.books.kept, outcome.books.quarantined) == (5, 3)
    assert {rule.id: rule.rows for rule in outcome.rules if rule.rows} == {
        "text.no_html": 1, "text.no_key": 1, "text.max_repetition": 1,
    }  # fmt: skip
    snapshot = open_version(open_store(job.store_root), "mails")
    steps = {count.step: count.cells for count in snapshot.manifest.partitions["p"].steps if count.changed_value}
    assert steps == {"mask_email": 2, "mask_iban": 1, "mask_card": 1, "mask_phone": 1}
    assert snapshot.scan(Role.CLEAN).collect()["text"].to_list() == [
        "write to [EMAIL] or [EMAIL]",
        "call [PHONE] or mail [EMAIL]",
        "paid with [CARD] from [IBAN]",
        "the order 4111 1111 1111 1112 of 2026-11-30 at 10:20:30",
        "nothing in it",
    ]
    repairs = snapshot.scan(Role.REPAIRS).collect()
    assert repairs.height == 5
    assert repairs["before"][0] == TEXTS[0]
    reasons = snapshot.scan(Role.QUARANTINE).collect()["_reasons"].to_list()
    assert reasons == [
        ["must hold no HTML"],
        ["must not hold a key or password"],
        ["must repeat itself by at most 50%"],
    ]
