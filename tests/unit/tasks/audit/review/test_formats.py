from __future__ import annotations

import csv
import io

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import UsageError
from tasks.audit.review.formats import TOLD, read, written

QUEUE = pl.DataFrame(
    {
        "record": ["9f86d081:17", "9f86d081:18"],
        "column": ["intent"] * 2,
        "label": ["bug", "-other"],
        "suggested": ["billing", "bug"],
        "score": [0.01, 0.02],
        "confidence": [0.9, 0.8],
        "text": ["=HYPERLINK('http://x')", "'tis +1"],
    }
)


def test_no_cell_of_a_csv_is_a_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(written(QUEUE, "csv").decode())))
    assert [row["text"] for row in rows] == ["'=HYPERLINK('http://x')", "''tis +1"]
    assert rows[1]["label"] == "'-other"


@given(st.lists(st.text(max_size=8), min_size=2, max_size=2))
def test_what_goes_out_comes_back(texts: list[str]) -> None:
    queue = QUEUE.with_columns(label=pl.Series(texts))
    for form, name in (("csv", "q.csv"), ("parquet", "q.parquet")):
        back = read(written(queue, form), name)  # type: ignore[arg-type]
        assert [row.get("label", "") for row in back] == [text.strip() for text in texts]
        assert [row["record"] for row in back] == QUEUE["record"].to_list()


def test_tasks_of_label_studio_come_back_with_their_annotations() -> None:
    tasks = [msgspec.json.decode(line) for line in written(QUEUE, "label-studio").splitlines()]
    assert tasks[0]["predictions"][0]["result"][0]["value"] == {"choices": ["billing"]}
    result = [
        {"from_name": "label", "type": "choices", "value": {"choices": ["billing"]}},
        {"from_name": "reason", "type": "textarea", "value": {"text": ["it is about", "money"]}},
    ]
    done = {"completed_by": {"email": "ada@home.example"}, "updated_at": "2026-11-30T12:00:00Z", "result": result}
    tasks[0]["annotations"] = [done, {**done, "was_cancelled": True}]
    back = read(msgspec.json.encode(tasks), "export.json")
    assert [row["record"] for row in back] == ["9f86d081:17"]
    assert (back[0]["value"], back[0]["reason"]) == ("billing", "it is about money")
    assert (back[0]["reviewer"], back[0]["decided_at"]) == ("ada@home.example", "2026-11-30T12:00:00Z")
    assert set(TOLD) <= back[0].keys()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\xff\xfe", "a.csv"),
        (b"{}", "a.json"),
        (b"[1]", "a.json"),
        (b"x", "a.parquet"),
        (b"", "a.txt"),
        (b"{", "a.jsonl"),
    ],
)
def test_what_is_no_file_of_decisions_is_refused(data: bytes, name: str) -> None:
    with pytest.raises(UsageError):
        read(data, name)
