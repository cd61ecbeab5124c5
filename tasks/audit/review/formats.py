r"""Formats: the review queue as CSV, Parquet or tasks of Label Studio, and decisions read back from each.

Belongs here: from a frame to bytes and from bytes to rows of text. Does not belong here: what is in the queue (stage),
or weighing decisions (intake).

A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula, and runs what
stands there (OWASP, "CSV Injection"). Such a cell gets an apostrophe in front, which comes off when it is read back.

Of Label Studio the queue is JSON lines, one task each, with the suggested label as a prediction; what comes back is its
JSON or JSON lines with `annotations`. Its labelling interface needs a `Choices` called `label`, and may have a
`TextArea` called `reason`.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import polars as pl

from schemas.errors import UsageError, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

Format = Literal["csv", "parquet", "label-studio"]
#: Columns that a reviewer fills in.
TO_FILL = ("action", "value", "reviewer", "reason", "decided_at")
#: Columns that tell what is decided about; all others are context.
TOLD = ("record", "column", "label", "suggested", "score", "confidence")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: The most that one cell of a file of decisions may hold.
_MOST_CHARACTERS = 1 << 20


def written(queue: pl.DataFrame, form: Format) -> bytes:
    """The queue as a file.

    Args:
        queue: `TOLD` and the context, as text but for `score` and `confidence`.
        form: of the file.
    """
    if form == "label-studio":
        return b"".join(msgspec.json.encode(_task(row)) + b"\n" for row in queue.iter_rows(named=True))
    filled = queue.with_columns(pl.lit(None, pl.String).alias(name) for name in TO_FILL)
    ordered = filled.select(*TOLD, *TO_FILL, *(name for name in queue.columns if name not in TOLD))
    out = io.BytesIO()
    if form == "parquet":
        ordered.write_parquet(out)
    else:
        texts = (name for name, dtype in ordered.schema.items() if dtype == pl.String)
        harmless = ordered.with_columns(_harmless(pl.col(name)).alias(name) for name in texts)
        harmless.rename({name: _harmless_name(name) for name in harmless.columns}).write_csv(out)
    return out.getvalue()


def _harmless(text: pl.Expr) -> pl.Expr:
    # White space in front does not keep a spreadsheet from it. What begins with an apostrophe gets another one, so
    # that taking one off gives back what there was.
    risky = text.str.strip_chars_start(" ").str.contains(r"^[=+\-@\t\r\n']")
    return pl.when(risky).then(pl.lit("'") + text).otherwise(text)


def _harmless_name(name: str) -> str:
    return f"'{name}" if name.lstrip().startswith((*_FORMULA, "'")) else name


def _plain(text: str) -> str:
    """A cell without the apostrophe that `_harmless` puts in front.

    Example:
        >>> _plain("'=1+1"), _plain("'90s")
        ('=1+1', "'90s")
    """
    rest = text[1:]
    return rest if text.startswith("'") and rest.lstrip(" ").startswith((*_FORMULA, "\n", "'")) else text


def _task(row: dict[str, Any]) -> dict[str, Any]:
    suggestion = {
        "from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [row["suggested"]]},
    }  # fmt: skip
    told = [{"model_version": "winnow", "score": row["confidence"], "result": [suggestion]}] if row["suggested"] else []
    return {"data": row, "predictions": told}


def read(data: bytes, name: str) -> list[dict[str, str]]:
    """The rows of a file of decisions, with what is filled in as text; what is empty is left out.

    Args:
        data: the file's bytes.
        name: its name, which tells its format.

    Raises:
        UsageError: it is none of the formats, or is broken.
    """
    try:
        if name.endswith(".parquet"):
            rows = [dict(row) for row in pl.read_parquet(io.BytesIO(data)).iter_rows(named=True)]
        elif name.endswith(".csv"):
            rows = list(_csv(data))
        elif name.endswith((".json", ".jsonl", ".ndjson")):
            rows = list(_annotated(data))
        else:
            raise UsageError("its name tells no format", expected=".csv, .parquet, .json or .jsonl", where=shown(name))
    except (UnicodeDecodeError, csv.Error, msgspec.MsgspecError, pl.exceptions.PolarsError, LookupError) as error:
        raise UsageError(f"it can't be read: {shown(error)}", where=shown(name)) from error
    return [{key: str(value).strip() for key, value in row.items() if value not in (None, "")} for row in rows]


def _csv(data: bytes) -> Iterator[dict[str, str]]:
    csv.field_size_limit(_MOST_CHARACTERS)
    rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    for row in rows:
        yield {_plain(key): _plain(value) for key, value in row.items() if isinstance(key, str) and value}


def _annotated(data: bytes) -> Iterator[dict[str, Any]]:
    text = data.lstrip()
    tasks = msgspec.json.decode(text) if text.startswith(b"[") else [msgspec.json.decode(x) for x in text.splitlines()]
    for task in tasks:
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            raise msgspec.ValidationError("a task has no data")
        for each in task.get("annotations") or ():
            if not each.get("was_cancelled"):
                yield {key: task["data"].get(key) for key in TOLD} | _annotation(each)


def _annotation(each: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"decided_at": each.get("updated_at") or each.get("created_at")}
    who = each.get("completed_by")
    found["reviewer"] = (who.get("email") or who.get("id")) if isinstance(who, dict) else who
    for result in each.get("result") or ():
        value = result.get("value") or {}
        if result.get("type") == "choices" and value.get("choices"):
            found["value"] = value["choices"][0]
        elif result.get("from_name") == "reason" and value.get("text"):
            told = value["text"]
            found["reason"] = told if isinstance(told, str) else " ".join(map(str, told))
    return found
