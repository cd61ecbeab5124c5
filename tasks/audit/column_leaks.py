"""Column leaks: columns that tell the label better than they should be able to.

Belongs here: identifiers, columns that determine the label or stand for it, the order of rows, and columns that are
constant in one class. Does not belong here: what splits share (leakage).

How false alarms are kept rare: each row is in one of two halves, a rule (the most frequent label of each value) is
learnt in one half and tried in the other, so that nothing is told by heart; what is judged is the lower end of an
interval of its skill, of intervals that hold for all columns at once; and p-values are corrected for all columns and
classes together (Holm). Skill is the share of a blind guess's errors that the rule avoids.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from schemas.records import FILE, LINEAGE, RECORD
from tasks.audit.distances import chi_squared_tail
from tasks.audit.floats import floats, has_floats
from tasks.audit.intervals import holm, wilson

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from schemas.fitness import Leakage

#: Rows that are looked at: every n-th of more. A leak that matters shows in far fewer.
_SAMPLE = 50_000
#: Rows below which nothing can be told of a column, and below which nothing can be told of a class.
_FEWEST, _FEWEST_OF_CLASS = 50, 20
#: Bands into which numbers are cut, at quantiles.
_BANDS = 32
#: Skill from which a column determines the label, and from which it stands for it.
_DETERMINES, _PROXY = 0.98, 0.9
#: Least association (Cramer's V) of order and label that is told.
_ASSOCIATED = 0.2
#: Greatest share outside a class that a value may have that is constant in it.
_CONSTANT = 0.8
#: Share of distinct values from which a column identifies rows.
_IDENTIFIES = 0.99
#: Characters of the longest text that can be an identifier.
_ID_CHARACTERS = 64
_LABEL, _VALUE, _HALF, _N = "_label", "_value", "_half", "_n"


class ColumnLeak(NamedTuple):
    """What is wrong with a column.

    Attributes:
        column: its name, or what stands for the order of rows.
        kind: of leak.
        evidence: in words, with numbers.
        expected: what it should be like.
        fix: what to do.
    """

    column: str
    kind: str
    evidence: str
    expected: str
    fix: str


def features_of(schema: pl.Schema, label: str | None) -> list[str]:
    """The columns of a table that a model could be fitted on."""
    return [name for name in schema if name != label and not name.startswith("_") and name not in LINEAGE]


def column_leaks(
    rows: pl.LazyFrame, features: Sequence[str], policy: Leakage, *, personal: Collection[str] = ()
) -> list[ColumnLeak]:
    """Looks at each column beside the label.

    Args:
        rows: the table, with `_file` and `_record`.
        features: columns to look at.
        policy: names the label, and how many false alarms are borne.
        personal: columns of which no value is told.

    Example:
        >>> told = [n % 2 for n in range(400)]
        >>> rows = pl.LazyFrame({"_file": "f", "_record": range(400), "paid": told, "closed": [2 * n for n in told]})
        >>> from schemas.fitness import Leakage
        >>> [(leak.column, leak.kind) for leak in column_leaks(rows, ["closed"], Leakage(label="paid"))]
        [('closed', 'determines the label')]
    """
    label = pl.col(str(policy.label)).cast(pl.String).alias(_LABEL)
    every = max(1, -(-rows.select(pl.len()).collect(engine="streaming").item() // _SAMPLE))
    place = [pl.col(FILE), pl.col(RECORD)]
    sample = rows.select(*place, *features, label).gather_every(every).filter(pl.col(_LABEL).is_not_null())
    frame = sample.collect(engine="streaming")
    if frame.height < _FEWEST or frame[_LABEL].n_unique() < 2:  # a label of one value tells nothing
        return []
    # A row's half must not follow from its place, of which the label may depend.
    halves = np.random.default_rng(frame.height).integers(0, 2, frame.height).astype(np.bool_)
    frame = frame.with_columns(pl.Series(_HALF, halves))
    identifying = [name for name in features if _identifies(frame[name])]
    found = [_identifier(frame, name) for name in identifying]
    rest = [name for name in features if name not in identifying]
    tables = {name: _table(frame, _banded(frame[name])) for name in rest}
    found += _skilled(tables, policy.error_rate)
    told = {leak.column for leak in found}
    found += _constant({name: table for name, table in tables.items() if name not in told}, policy, personal)
    return [*found, *_ordered(frame, policy.error_rate)]


# --- identifiers ------------------------------------------------------------------------------------------------------


def _identifies(column: pl.Series) -> bool:
    if not (column.dtype.is_integer() or column.dtype == pl.String) or column.null_count() == column.len():
        return False
    if column.n_unique() < _IDENTIFIES * column.len():
        return False
    if column.dtype == pl.String:
        known = column.drop_nulls()
        return bool((known.str.len_chars() <= _ID_CHARACTERS).all() and not known.str.contains(r"\s").any())
    return True


def _identifier(frame: pl.DataFrame, name: str) -> ColumnLeak:
    distinct = frame[name].n_unique()
    evidence = f"{distinct:,} distinct values in {frame.height:,} rows looked at"
    if frame[name].dtype.is_integer() and (order := _follows_order(frame, name)) is not None:
        evidence += f"; follows the order of records (rank correlation {order:.3f})"
    fix = "It is no feature: name it in Leakage(ignore=...), Split(by=...) or Dedupe(key=...)."
    return ColumnLeak(name, "identifier", evidence, "values that rows share", fix)


def _follows_order(frame: pl.DataFrame, name: str) -> float | None:
    known = frame.filter(pl.col(name).is_not_null()).sort(FILE, RECORD)
    ranks = known[name].rank("average").to_numpy()
    places = np.arange(ranks.size, dtype=np.float64)
    if ranks.size < _FEWEST:
        return None
    found = float(np.corrcoef(ranks, places)[0, 1])
    return found if abs(found) > 0.95 else None  # one file's order, but for a few rows


# --- what values tell of the label ------------------------------------------------------------------------------------


def _banded(column: pl.Series) -> pl.Series:
    """A column as few values: numbers and times as the band in which they are, where they have many."""
    if not has_floats(column.dtype) or column.n_unique() <= _BANDS:
        return column.cast(pl.String).alias(_VALUE)
    numbers = floats(column)
    known = numbers.drop_nulls().to_numpy()
    # The most frequent value has a band of its own, so that a constant is seen as one.
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BANDS + 1)[1:-1])) if known.size else np.array([0.0])
    filled = numbers.fill_null(0.0).to_numpy()
    twice = np.searchsorted(edges, filled, "left") + np.searchsorted(edges, filled, "right")
    bands = pl.Series(_VALUE, twice).cast(pl.String)
    return bands.set(numbers.is_null(), None).alias(_VALUE)


def _table(frame: pl.DataFrame, values: pl.Series) -> pl.DataFrame:
    """How many rows each value has, by label and half."""
    beside = frame.select(_LABEL, _HALF).with_columns(values)
    return beside.group_by(_VALUE, _LABEL, _HALF).agg(pl.len().alias(_N)).sort(_VALUE, _LABEL, _HALF, nulls_last=True)


def _skill(table: pl.DataFrame, error: float, together: int) -> tuple[float, float]:
    """The skill of a column, and the lower end of its interval."""
    right = whole = blind = 0
    for half in (False, True):
        learnt, tried = table.filter(pl.col(_HALF) == half), table.filter(pl.col(_HALF) != half)
        order = [pl.col(_N), pl.col(_LABEL)]
        best = learnt.sort(*order, descending=[True, False]).group_by(_VALUE, maintain_order=True).first()
        most = learnt.group_by(_LABEL).agg(pl.col(_N).sum()).sort(*order, descending=[True, False]).item(0, _LABEL)
        guess = best.select(_VALUE, pl.col(_LABEL).alias("_guess"))
        judged = tried.join(guess, on=_VALUE, how="left", nulls_equal=True).with_columns(
            pl.col("_guess").fill_null(most)
        )
        right += int(judged.filter(pl.col(_LABEL) == pl.col("_guess"))[_N].sum())
        blind += int(tried.filter(pl.col(_LABEL) == most)[_N].sum())
        whole += int(tried[_N].sum())
    if blind >= whole:
        return 0.0, 0.0
    base = blind / whole
    low = wilson(right, whole, 1 - error, together=together).low
    return (right / whole - base) / (1 - base), (low - base) / (1 - base)


def _skilled(tables: dict[str, pl.DataFrame], error: float) -> list[ColumnLeak]:
    found = []
    for name, table in tables.items():
        skill, low = _skill(table, error, len(tables))
        # Perfect skill determines whatever the interval, when the rows suffice for a proxy.
        kind = (
            "determines the label" if low >= _DETERMINES or (skill == 1 and low >= _PROXY) else "stands for the label"
        )
        if low >= _PROXY:
            evidence = (
                f"alone it avoids {skill:.1%} of a blind guess's errors on rows it has not seen (at least {low:.1%})"
            )
            fix = "Ask when and from what it is made; leave it out if it is known only with the label."
            found.append(ColumnLeak(name, kind, evidence, f"below {_PROXY:.0%}", fix))
    return found


# --- constant in one class --------------------------------------------------------------------------------------------


def _constant(tables: dict[str, pl.DataFrame], policy: Leakage, personal: Collection[str]) -> list[ColumnLeak]:
    cases = [(name, *case) for name, table in tables.items() for case in _constant_in(table)]
    tried = sum(table[_LABEL].n_unique() for table in tables.values())
    corrected = holm([case[-1] for case in cases] + [1.0] * (tried - len(cases)))[: len(cases)].tolist()
    found = []
    for (name, label, value, rows, share, _), p_value in zip(cases, corrected, strict=True):
        if p_value <= policy.error_rate:
            hidden = name in personal or policy.label in personal
            what = "missing" if value is None else "one value"
            of_class = "one class" if hidden else f"the class {label!a:.60}"
            evidence = (
                f"{what} in all {rows:,} rows of {of_class}, and in {share:.1%} of the others (p = {p_value:.1g})"
            )
            fix = "Ask whether it is filled in because of the label."
            found.append(ColumnLeak(name, "constant in one class", evidence, "varies in every class", fix))
    return found


def _constant_in(table: pl.DataFrame) -> Iterator[tuple[str, str | None, int, float, float]]:
    """Class, value, rows, share of the value in the other classes, and p-value of each constant class."""
    counts = table.group_by(_VALUE, _LABEL).agg(pl.col(_N).sum())
    whole = int(counts[_N].sum())
    for label, value, rows in counts.filter(pl.len().over(_LABEL) == 1).sort(_LABEL).select(_LABEL, _VALUE, _N).rows():
        others = whole - rows
        same = counts.filter(pl.col(_VALUE).eq_missing(pl.lit(value, pl.String)) & (pl.col(_LABEL) != label))[_N].sum()
        share = same / others if others else 1.0
        if rows >= _FEWEST_OF_CLASS and share <= _CONSTANT:
            # So often would all rows of the class have the value if it did not depend on the class.
            pooled = (same + rows) / whole
            yield label, value, rows, share, math.exp(rows * math.log(pooled)) if pooled > 0 else 0.0


# --- the order of rows ------------------------------------------------------------------------------------------------


def _ordered(frame: pl.DataFrame, error: float) -> list[ColumnLeak]:
    """Whether the label follows from where a row stands."""
    files = frame[FILE].n_unique()
    place = frame.select(((pl.int_range(pl.len()).over(FILE) * _BANDS) // pl.len().over(FILE)).alias(_VALUE))
    cases = [("the record's place in its file", place[_VALUE].cast(pl.String))]
    if 1 < files <= frame.height // _FEWEST_OF_CLASS:
        cases.append(("the file", frame[FILE].alias(_VALUE)))
    found, p_values, strengths = [], [], []
    for _, values in cases:
        p_value, strength = _association(_table(frame, values))
        p_values.append(p_value)
        strengths.append(strength)
    for (name, _), p_value, strength in zip(cases, holm(p_values), strengths, strict=True):
        if p_value <= error and strength >= _ASSOCIATED:
            evidence = f"the label depends on it (Cramer's V {strength:.2f}, p = {p_value:.1g})"
            fix = "Leave numbers and names of records out of the features, and shuffle before taking the first rows."
            found.append(ColumnLeak(name, "order tells the label", evidence, f"V below {_ASSOCIATED}", fix))
    return found


def _association(table: pl.DataFrame) -> tuple[float, float]:
    """p-value of independence (chi-squared), and Cramer's V, corrected for bias.

    Bergsma, Journal of the Korean Statistical Society 42, 2013.
    """
    wide = (
        table.group_by(_VALUE, _LABEL)
        .agg(pl.col(_N).sum())
        .sort(_VALUE, _LABEL)
        .pivot(on=_LABEL, index=_VALUE, values=_N)
    )
    counts: NDArray[np.float64] = wide.drop(_VALUE).fill_null(0).to_numpy().astype(np.float64)
    whole = counts.sum()
    expected = np.outer(counts.sum(1), counts.sum(0)) / whole
    statistic = float(((counts - expected) ** 2 / expected).sum())
    rows, columns = counts.shape
    freedom = (rows - 1) * (columns - 1)
    if not freedom:
        return 1.0, 0.0
    phi = max(0.0, statistic / whole - freedom / (whole - 1))
    fewer = min(rows - (rows - 1) ** 2 / (whole - 1), columns - (columns - 1) ** 2 / (whole - 1)) - 1
    return chi_squared_tail(statistic, freedom), math.sqrt(phi / fewer) if fewer > 0 else 0.0
