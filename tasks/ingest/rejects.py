"""Rejects: why a record could not be parsed, as a stable slug and in words.

Belongs here: the reasons for which ingest refuses a record, and the frame of refused records. Does not belong here:
finding them (splitter and the formats), or rules of the model, which only parsed records can break.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from schemas.records import REASONS, RULES
from tasks.ingest.blocks import REJECT_SCHEMA
from tasks.ingest.limits import cell_reason, setting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


class RejectRule(enum.StrEnum):
    """Why a record is rejected; the value is what manifests, reports and tests name."""

    TOO_FEW_FIELDS = "ingest.too_few_fields"
    TOO_MANY_FIELDS = "ingest.too_many_fields"
    BLANK_LINE = "ingest.blank_line"
    UNCLOSED_QUOTE = "ingest.unclosed_quote"
    STRAY_QUOTE = "ingest.stray_quote"
    NOT_UTF8 = "ingest.not_utf8"  # or not text in whatever encoding the file has; the reason names it
    RECORD_TOO_LONG = "ingest.record_too_long"
    TRUNCATED_STREAM = "ingest.truncated_stream"
    NOT_JSON = "ingest.not_json"
    NOT_AN_OBJECT = "ingest.not_an_object"
    LONE_SURROGATE = "ingest.lone_surrogate"
    UNREADABLE_PARQUET = "ingest.unreadable_parquet"
    REPEATED_HEADER = "ingest.repeated_header"
    FOOTER = "ingest.footer"
    UNREADABLE_SHEET = "ingest.unreadable_sheet"
    CELL_TOO_LONG = "ingest.cell_too_long"

    @property
    def code(self) -> int:
        """The rule as a small number from 1, for arrays in which 0 is a good record."""
        return _CODES[self]

    @classmethod
    def of_code(cls, code: int) -> RejectRule:
        """The rule that has this code."""
        return _RULES[code - 1]


_RULES = tuple(RejectRule)
_CODES = {rule: number for number, rule in enumerate(_RULES, start=1)}


def reject_frame(
    places: pl.DataFrame, rules: Sequence[str] | pl.Series, reasons: Sequence[str] | pl.Series
) -> pl.DataFrame:
    """Rejected records with one rule and one reason each.

    Args:
        places: the columns of `PLACE_SCHEMA`.
        rules: for each of them its slug.
        reasons: for each of them the same in words, already escaped.
    """
    found = {RULES: pl.Series(rules, dtype=pl.String), REASONS: pl.Series(reasons, dtype=pl.String)}
    listed = [pl.concat_list(name).alias(name) for name in found]
    return places.with_columns(**found).with_columns(listed).select(list(REJECT_SCHEMA)).cast(REJECT_SCHEMA)  # type: ignore[arg-type]  # a dict's values are invariant


def reject_by_code(
    places: pl.DataFrame,
    codes: NDArray[np.uint8],
    figures: NDArray[np.int64],
    words: Callable[[RejectRule, int], str],
) -> pl.DataFrame:
    """Rejected records whose reason follows from the rule and one figure, put into words once for each such pair.

    Args:
        places: the columns of `PLACE_SCHEMA`.
        codes: for each of them the code of its rule.
        figures: for each of them a figure for the reason, such as the number of its fields.
        words: the reason of a rule and a figure.
    """
    pairs, which = np.unique(np.stack([codes.astype(np.int64), figures], axis=1), axis=0, return_inverse=True)
    told = [(RejectRule.of_code(code), figure) for code, figure in pairs.tolist()]
    rules = pl.Series([rule.value for rule, _ in told], dtype=pl.String)
    reasons = pl.Series([words(rule, figure) for rule, figure in told], dtype=pl.String)
    return reject_frame(places, rules.gather(which.ravel()), reasons.gather(which.ravel()))


def text_reason(
    *,
    fields: int,
    max_record_bytes: int,
    broken: str | None,
    encoding: str = "utf-8",
    footer: int = 0,
    max_cell_bytes: int = 0,
) -> Callable[[RejectRule, int], str]:
    """Puts into words why a record of text is rejected.

    Args:
        fields: how many the header has.
        max_record_bytes: the longest record.
        broken: how the stream broke off, if it did.
        encoding: that the text is read in.
        footer: how many of the last records are declared to be none.
        max_cell_bytes: the longest cell.

    Returns:
        A function of the rule and a figure, which counts for three rules only: the number of fields found, or the bytes
        of the longest cell.

    Example:
        >>> text_reason(fields=3, max_record_bytes=100, broken=None)(RejectRule.TOO_FEW_FIELDS, 2)
        '2 fields, 3 expected'
    """
    constant = {
        RejectRule.BLANK_LINE: "a line with nothing in it",
        RejectRule.UNCLOSED_QUOTE: f"a quoted field ends neither within {max_record_bytes:,} bytes nor before the text",
        RejectRule.STRAY_QUOTE: "a quote inside an unquoted field, or text behind a closing quote",
        RejectRule.NOT_UTF8: f"not {encoding.upper()} text",
        RejectRule.RECORD_TOO_LONG: (
            f"part of a line of more than {max_record_bytes:,} bytes: {setting('max_record_bytes')}"
        ),
        RejectRule.TRUNCATED_STREAM: f"behind the last whole record: {broken}",
        RejectRule.REPEATED_HEADER: "the header once more",
        RejectRule.FOOTER: f"one of the last {footer:,} records, declared to be a footer",
    }

    def words(rule: RejectRule, found: int) -> str:
        if rule in (RejectRule.TOO_FEW_FIELDS, RejectRule.TOO_MANY_FIELDS):
            return f"{found:,} fields, {fields:,} expected"
        if rule is RejectRule.CELL_TOO_LONG:
            return cell_reason(found, max_cell_bytes)
        return constant[rule]

    return words
