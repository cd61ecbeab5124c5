import numpy as np
import polars as pl
import pytest

from tasks.ingest.blocks import PLACE_SCHEMA, REJECT_SCHEMA
from tasks.ingest.rejects import RejectRule, reject_by_code, reject_frame, text_reason

PLACES = pl.DataFrame([[1, 2, 3], [1, 2, 3], [0, 1, 2], [1, 1, 1], [b"a", b"b", b"c"]], schema=PLACE_SCHEMA)


def test_slugs_are_lower_case_words_behind_the_stage() -> None:
    assert all(rule.value == f"ingest.{rule.name.lower()}" for rule in RejectRule)


def test_codes_lead_back_to_rules_and_leave_zero_free() -> None:
    assert [RejectRule.of_code(rule.code) for rule in RejectRule] == list(RejectRule)
    assert min(rule.code for rule in RejectRule) == 1


def test_a_reject_has_its_rule_and_reason_in_lists() -> None:
    frame = reject_frame(PLACES, ["r"] * 3, ["x", "y", "z"])
    assert frame.schema == pl.Schema(REJECT_SCHEMA)
    assert frame.drop("_raw").row(1) == (2, 2, 1, 1, ["r"], ["y"])


def test_no_reject_is_an_empty_frame_of_the_same_columns() -> None:
    nothing = reject_by_code(PLACES.clear(), np.zeros(0, np.uint8), np.zeros(0, np.int64), "{}{}".format)
    assert nothing.schema == pl.Schema(REJECT_SCHEMA)
    assert nothing.is_empty()


def test_reasons_are_put_into_words_once_for_each_rule_and_figure() -> None:
    asked = []

    def words(rule: RejectRule, figure: int) -> str:
        asked.append((rule, figure))
        return f"{rule.name} {figure}"

    codes = np.array(
        [RejectRule.TOO_MANY_FIELDS.code, RejectRule.BLANK_LINE.code, RejectRule.TOO_MANY_FIELDS.code], np.uint8
    )
    frame = reject_by_code(PLACES, codes, np.array([5, 0, 5]), words)
    assert len(asked) == 2
    assert frame.get_column("_reasons").to_list() == [["TOO_MANY_FIELDS 5"], ["BLANK_LINE 0"], ["TOO_MANY_FIELDS 5"]]
    assert frame.get_column("_rules").to_list()[1] == ["ingest.blank_line"]


@pytest.mark.parametrize("rule", [*list(RejectRule)[:8], RejectRule.REPEATED_HEADER, RejectRule.FOOTER])
def test_every_reason_of_text_has_words(rule: RejectRule) -> None:
    words = text_reason(fields=3, max_record_bytes=100, broken="gzip stream ends")(rule, 7)
    assert words
    assert "None" not in words


def test_a_reason_names_the_encoding_and_the_footer() -> None:
    words = text_reason(fields=3, max_record_bytes=100, broken=None, encoding="utf-16-le", footer=2)
    assert words(RejectRule.NOT_UTF8, 0) == "not UTF-16-LE text"
    assert "last 2 records" in words(RejectRule.FOOTER, 0)
