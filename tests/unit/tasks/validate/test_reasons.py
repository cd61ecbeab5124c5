from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from schemas.records import Severity
from schemas.rules import Rule
from tasks.validate import mask
from tasks.validate.reasons import count, counting, decode

RULES = tuple(Rule(f"c.r{n}", "c", f"r{n}", "row", Severity.QUARANTINE, f"reason {n}") for n in range(70))


def masked(*rows: set[int]) -> pl.LazyFrame:
    flags = pl.LazyFrame({f"f{n}": pl.Series([n in row for row in rows], dtype=pl.Boolean) for n in range(len(RULES))})
    words = mask.set_bits({n: pl.col(f"f{n}") for n in range(len(RULES))}, len(RULES))
    return flags.select(pl.int_range(pl.len()).alias("row"), *words)


def test_every_broken_rule_is_named_with_its_reason() -> None:
    decoded = decode(masked({0, 63, 64, 69}, set(), {5}), RULES).collect()
    assert decoded["_rules"].to_list() == [["c.r0", "c.r63", "c.r64", "c.r69"], [], ["c.r5"]]
    assert decoded["_reasons"].to_list() == [["reason 0", "reason 63", "reason 64", "reason 69"], [], ["reason 5"]]
    assert decoded.schema["_rules"] == decoded.schema["_reasons"] == pl.List(pl.String)


def test_the_rest_of_the_frame_and_its_order_are_kept() -> None:
    frame = masked(*({n % 70} for n in range(1000)))
    decoded = decode(frame, RULES).collect(engine="streaming")
    assert_frame_equal(decoded.drop("_rules", "_reasons"), frame.collect())
    assert decoded["_rules"].to_list() == [[f"c.r{n % 70}"] for n in range(1000)]


def test_decoding_no_rows() -> None:
    decoded = decode(masked(), RULES)
    assert decoded.collect().shape == (0, 5)
    assert decoded.collect_schema()["_rules"] == pl.List(pl.String)


@pytest.mark.parametrize("engine", ["streaming", "in-memory"])
def test_decoding_after_a_filter(engine: str) -> None:
    decoded = decode(masked({1}, {2}, {1, 2}).filter(mask.bit(2)), RULES).select("row", "_rules")
    found = decoded.collect(engine=engine)  # type: ignore[call-overload]
    assert found.rows() == [(1, ["c.r2"]), (2, ["c.r1", "c.r2"])]


def test_rows_are_counted_by_rule() -> None:
    counted = count(masked({0, 63, 64}, set(), {64}), RULES)
    assert list(counted) == [rule.id for rule in RULES]
    assert {rule: rows for rule, rows in counted.items() if rows} == {"c.r0": 1, "c.r63": 1, "c.r64": 2}


def test_counting_no_rows_and_no_rules() -> None:
    assert set(count(masked(), RULES).values()) == {0}
    assert count(masked(), ()) == {}


def test_counts_of_parts_add_up() -> None:
    frame = masked({0}, {0, 1}, {1}).collect()
    parts = pl.concat([part.select(counting(RULES)) for part in frame.iter_slices(2)])
    assert parts.sum().row(0, named=True) == count(frame.lazy(), RULES)
