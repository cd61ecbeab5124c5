"""Shift: whether the values of a table are spread as they were.

Belongs here: which columns are compared, by what, and what is told. Does not belong here: the statistics (distances),
the classifier (classifier_test), or columns that a dump has or lacks (tasks/report/drift).

A column is told when two things hold: chance would hardly bring it so far (a p-value, corrected by Holm for all tests
of the run), and it is far (the population stability index, or the share of missing cells). Of a million rows nearly
every difference is beyond chance, and of fifty rows nearly every index is great: neither alone would do.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from schemas.audits import AuditFinding, AuditResult, Verdict
from schemas.fitness import TEST, TRAIN
from tasks.audit.distances import binned, chi_squared, kolmogorov_smirnov, psi, wasserstein
from tasks.audit.floats import floats
from tasks.audit.intervals import holm

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from schemas.fitness import Shift

#: Rows of each side that are looked at: every n-th of more.
_SAMPLE = 100_000
#: Rows of a side below which nothing is told.
_FEWEST = 30
#: A column of text with more distinct values than this is no category.
_CATEGORIES = 500
#: Values that a finding names.
_NAMED = 5


class Compared(NamedTuple):
    """What was found of one column.

    Attributes:
        column: its name.
        test: `values`, `missing`, or `vanished`.
        p_value: before it is corrected.
        distance: the population stability index, or the difference of shares.
        facts: further statistics, by name.
        told: evidence in words.
    """

    column: str
    test: str
    p_value: float
    distance: float
    facts: dict[str, float]
    told: str


def shift(
    now: pl.LazyFrame,
    then: pl.LazyFrame,
    policy: Shift,
    columns: Sequence[str],
    *,
    personal: Collection[str] = (),
) -> AuditResult:
    """Compares the values of two tables, column by column.

    Args:
        now: what arrived.
        then: what it is held against.
        policy: what is declared.
        columns: which columns; those that only one table has are left out.
        personal: columns of which no value is told.

    Example:
        >>> from schemas.fitness import Shift
        >>> then = pl.LazyFrame({"size": list(range(1000))})
        >>> found = shift(then.select(pl.col("size") * 3), then, Shift(), ["size"])
        >>> [(finding.subject, finding.verdict) for finding in found.findings]
        [('size', 'values shifted')]
    """
    there = set(now.collect_schema()) & set(then.collect_schema())
    columns = [name for name in columns if name in there]
    here, before = _sampled(now, columns), _sampled(then, columns)
    facts: dict[str, Any] = {"action": policy.action, "rows now": here.height, "rows then": before.height}
    if min(here.height, before.height) < _FEWEST:
        return AuditResult("shift", facts={**facts, "too few rows to tell": True})
    compared = [each for name in columns for each in _compared(here[name], before[name], name)]
    corrected = holm([each.p_value for each in compared])
    level = Verdict.WARN if policy.action == "warn" else Verdict.STOP
    findings = [
        _finding(each, p_value, policy, level)
        for each, p_value in zip(compared, corrected, strict=True)
        if p_value <= policy.error_rate and _is_far(each, policy)
    ]
    findings += [finding for name in columns for finding in _new(here[name], before[name], name, personal)]
    if policy.classifier:
        from tasks.audit.classifier_test import classifier_test

        accuracy, p_value, rows = classifier_test(here, before)
        facts |= {"classifier accuracy": accuracy, "classifier p-value": p_value}
        if p_value <= policy.error_rate and accuracy >= policy.max_accuracy:
            found = f"a classifier tells new rows from old ones in {accuracy:.1%} of {rows:,} cases (p = {p_value:.1g})"
            findings.append(AuditFinding("all columns", "told apart", found, "50% by chance", _FIX, level))
    return AuditResult("shift", tuple(findings), facts, {"columns": _table(compared, corrected.tolist())})


def sides(rows: pl.LazyFrame, column: str) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """The test split of a table and its train split."""
    split = pl.col(column).cast(pl.String)
    return rows.filter(split == TEST), rows.filter(split == TRAIN)


def _sampled(rows: pl.LazyFrame, columns: Sequence[str]) -> pl.DataFrame:
    height = rows.select(pl.len()).collect(engine="streaming").item()
    return rows.select(columns).gather_every(max(1, -(-height // _SAMPLE))).collect(engine="streaming")


# --- one column -------------------------------------------------------------------------------------------------------


def _compared(now: pl.Series, then: pl.Series, name: str) -> Iterator[Compared]:
    yield _missing(now, then, name)
    if _is_number(now.dtype) and _is_number(then.dtype):
        here, before = _numbers(now), _numbers(then)
        if min(here.size, before.size) >= _FEWEST:
            yield _of_numbers(here, before, name)
        return
    counts = _categories(now, then)
    if counts is not None:
        here, before = (counts[side].to_numpy().astype(np.float64) for side in ("now", "then"))
        statistic, freedom, p_value = chi_squared(before, here)
        told = f"chi-squared {statistic:,.1f} of {freedom:,} degrees"
        facts = {"chi_squared": statistic}
        yield Compared(name, "values", p_value, psi(before, here), facts, told)
        yield from _vanished(here, before, name)


def _is_number(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype.is_temporal()


def _numbers(column: pl.Series) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.sort(floats(column).drop_nulls().to_numpy())


def _of_numbers(
    here: np.ndarray[Any, np.dtype[np.float64]], before: np.ndarray[Any, np.dtype[np.float64]], name: str
) -> Compared:
    statistic, p_value = kolmogorov_smirnov(before, here)
    spread = float(np.quantile(before, 0.75) - np.quantile(before, 0.25)) or float(before.std()) or 1.0
    moved = wasserstein(before, here) / spread
    told = f"Kolmogorov-Smirnov {statistic:.3f}, moved by {moved:.2g} quartile ranges"
    facts = {"kolmogorov_smirnov": statistic, "wasserstein": moved}
    return Compared(name, "values", p_value, psi(*binned(before, here)), facts, told)


def _missing(now: pl.Series, then: pl.Series, name: str) -> Compared:
    here, before = now.null_count(), then.null_count()
    table = np.array([[before, then.len() - before], [here, now.len() - here]], np.float64)
    _, _, p_value = chi_squared(table[0], table[1])
    rise = here / now.len() - before / then.len()
    told = f"missing in {here / now.len():.1%} of rows, {before / then.len():.1%} before"
    return Compared(name, "missing", p_value, abs(rise), {"missing_rise": rise}, told)


def _categories(now: pl.Series, then: pl.Series) -> pl.DataFrame | None:
    """How often each value is on each side; None for a column that holds no categories."""

    def counted(column: pl.Series, side: str) -> pl.DataFrame:
        texts = column.cast(pl.String).drop_nulls().alias("value")
        return texts.value_counts(name=side)

    both = counted(then, "then").join(counted(now, "now"), on="value", how="full", coalesce=True)
    if both.height > _CATEGORIES or not both.height:
        return None
    return both.with_columns(pl.col("now", "then").fill_null(0)).sort("value")


def _vanished(
    here: np.ndarray[Any, np.dtype[np.float64]], before: np.ndarray[Any, np.dtype[np.float64]], name: str
) -> Iterator[Compared]:
    gone = (here == 0) & (before > 0)
    if gone.any() and here.sum():
        share = before[gone].max() / before.sum()
        # So often would none of so many rows have the most frequent of them.
        chance = math.exp(here.sum() * math.log1p(-share)) if share < 1 else 0.0
        told = f"{int(gone.sum()):,} values are gone, one of {share:.1%} of the rows before"
        yield Compared(name, "vanished", chance, float(share), {"vanished": float(gone.sum())}, told)


# --- telling ----------------------------------------------------------------------------------------------------------

_FIX = "Look at `winnow diff`; if the world has changed and not the data, say so in a new baseline."
_VERDICTS = {"values": "values shifted", "missing": "missing shifted", "vanished": "values vanished"}


def _is_far(compared: Compared, policy: Shift) -> bool:
    limits = {"values": policy.max_psi, "missing": policy.max_missing_rise, "vanished": 0.0}
    return compared.distance > limits[compared.test]


def _finding(compared: Compared, p_value: float, policy: Shift, level: Verdict) -> AuditFinding:
    label = compared.column == policy.label
    limit = f"PSI at most {policy.max_psi:g}" if compared.test == "values" else "as before"
    index = f"PSI {compared.distance:.2f}, " if compared.test == "values" else ""
    return AuditFinding(
        subject=compared.column,
        verdict="label shifted" if label and compared.test == "values" else _VERDICTS[compared.test],
        found=f"{index}{compared.told} (p = {p_value:.1g})",
        expected=limit,
        fix=_FIX,
        level=level,
    )


def _new(now: pl.Series, then: pl.Series, name: str, personal: Collection[str]) -> Iterator[AuditFinding]:
    """Values that were never there before; no chance brings them where there are few of them."""
    if _is_number(now.dtype) or _is_number(then.dtype) or (counts := _categories(now, then)) is None:
        return
    new = counts.filter((pl.col("then") == 0) & (pl.col("now") > 0))
    # A column whose values rarely return has new ones all the time.
    if not new.height or counts.height > then.len() / 10:
        return
    values = ", ".join(
        f"{value!a:.40}" for value in new.sort("now", "value", descending=[True, False])["value"][:_NAMED]
    )
    told = "" if name in personal else f": {values}{' ...' if new.height > _NAMED else ''}"
    found = f"{new.height:,} new values in {new['now'].sum():,} rows{told}"
    yield AuditFinding(
        name, "new values", found, "values that were there before", "Declare them, or correct the source."
    )


def _table(compared: Sequence[Compared], corrected: Sequence[float]) -> pl.DataFrame:
    names = ("kolmogorov_smirnov", "wasserstein", "chi_squared", "missing_rise", "vanished")
    rows = [
        {
            "column": each.column, "test": each.test, "distance": each.distance, "p_value": each.p_value,
            "p_holm": p_holm, **{name: each.facts.get(name) for name in names},
        }
        for each, p_holm in zip(compared, corrected, strict=True)
    ]  # fmt: skip
    numbers = ("distance", "p_value", "p_holm", *names)
    return pl.DataFrame(
        rows, schema=dict.fromkeys(("column", "test"), pl.String()) | dict.fromkeys(numbers, pl.Float64())
    )
