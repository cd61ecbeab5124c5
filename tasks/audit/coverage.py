"""Coverage: which groups of rows a version holds, which are too thin, and what to collect next.

Belongs here: counting declared groups and their combinations, and judging the counts by floors and references. Does not
belong here: intervals (intervals), what becomes of a run (gates), or which values are declared (schemas/categories).

A floor in rows is met or not: the rows are all there. A floor in shares is judged of the population that the rows are
drawn from: it is met where the whole interval is above it, short where the whole interval is below it, and otherwise
the rows are too few to tell. The intervals of one group hold all at once.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from schemas.audits import AuditFinding, AuditResult, Verdict
from schemas.categories import text_of
from schemas.fitness import MOST_CELLS, Coverage, Group
from tasks.audit.intervals import Interval, wilson, wilsons

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from schemas.categories import Value
    from schemas.fitness import Split

#: How a missing cell, and a value that is not among the declared ones, are called.
MISSING, OTHER = "(missing)", "(other)"
#: Findings that are told one by one; the table has all.
_TOLD = 20
_ROWS = "_rows"


class Scope(NamedTuple):
    """Which rows are counted: all (both empty), those of a split, or those of a label."""

    kind: str = ""
    value: str = ""

    def __str__(self) -> str:
        return f" in {self.kind} {self.value}" if self.kind else ""


class Cell(NamedTuple):
    """One group of rows.

    Attributes:
        group: as it is declared.
        value: its values, joined.
        scope: among which rows.
        rows: how many it has.
        of: how many all groups have.
        interval: of its share.
        verdict: `met`, `short by N`, `too few to tell`, `more than its share`, or empty where nothing is asked.
        short_by: rows that must come, if no others do.
        asked: what is asked, in words.
    """

    group: str
    value: str
    scope: Scope
    rows: int
    of: int
    interval: Interval
    verdict: str = ""
    short_by: int = 0
    asked: str = ""


def coverage(
    rows: pl.LazyFrame, policy: Coverage, categories: Mapping[str, Sequence[Value]], split: Split | None = None
) -> AuditResult:
    """Counts the declared groups of a table, and judges the counts.

    Args:
        rows: the table; only the columns of the groups, the label and the split are read.
        policy: what is declared.
        categories: the declared values of columns; those without rows are counted, too.
        split: the declared split, if the table has its column.

    Example:
        >>> rows = pl.LazyFrame({"sex": ["f"] * 3 + ["m"] * 97})
        >>> found = coverage(rows, Coverage(groups=(Group("sex", min_share=0.3),)), {"sex": ["f", "m", "x"]})
        >>> [(finding.subject, finding.verdict) for finding in found.findings]
        [('sex = x', 'short by 43'), ('sex = f', 'short by 39')]
    """
    counts = pl.collect_all([_counted(rows, group, policy, split) for group in policy.groups], engine="streaming")
    cells = [
        cell
        for group, count in zip(policy.groups, counts, strict=True)
        for cell in _cells(group, count, policy, categories, split)
    ]
    short = sorted((cell for cell in cells if _is_bad(cell)), key=lambda cell: (-cell.short_by, cell.group, cell.value))
    level = Verdict.WARN if policy.action == "warn" else Verdict.STOP
    findings = [_finding(cell, level) for cell in short[:_TOLD]]
    balance = list(_balance(rows, split, policy.confidence)) if split and split.shares else []
    return AuditResult(
        name="coverage",
        findings=(*findings, *(_balance_finding(cell) for cell in balance if cell.verdict != "met")),
        facts={
            "action": policy.action,
            "groups": len(cells),
            "met": sum(cell.verdict == "met" for cell in cells),
            "short": sum(cell.verdict.startswith("short") for cell in cells),
            "too few to tell": sum(cell.verdict == "too few to tell" for cell in cells),
            "rows to collect": sum(cell.short_by for cell in cells if not cell.scope.kind),
        },
        tables={"groups": _table([*cells, *balance])},
    )


def next_to_collect(result: AuditResult) -> list[tuple[str, int]]:
    """Which groups lack how many rows, the emptiest first."""
    wanted = result.tables["groups"].filter((pl.col("short_by") > 0) & (pl.col("scope") == ""))
    ordered = wanted.sort("short_by", "group", "value", descending=[True, False, False])
    return [
        (f"{group} = {value}", short) for group, value, short in ordered.select("group", "value", "short_by").rows()
    ]


# --- counting ---------------------------------------------------------------------------------------------------------


def _counted(rows: pl.LazyFrame, group: Group, policy: Coverage, split: Split | None) -> pl.LazyFrame:
    """How many rows each combination has; grouped by raw values, which are named afterwards, when they are few."""
    keys = [_key(name, group).alias(f"k{number}") for number, name in enumerate(group.keys)]
    if policy.label:
        keys.append(pl.col(policy.label).cast(pl.String).alias("label"))
    if split:
        keys.append(pl.col(split.column).cast(pl.String).alias("split"))
    names = [key.meta.output_name() for key in keys]
    return rows.select(keys).group_by(names).agg(pl.len().alias(_ROWS))


def _key(name: str, group: Group) -> pl.Expr:
    if name not in group.bands:
        return pl.col(name)
    value = pl.col(name).cast(pl.Float64)
    value = pl.when(value.is_not_nan()).then(value)
    return functools.reduce(operator.add, [(value >= edge).cast(pl.Int32) for edge in group.bands[name]])


def _bands(edges: Sequence[float]) -> list[str]:
    inner = [f"{low:g} to below {high:g}" for low, high in itertools.pairwise(edges)]
    return [f"below {edges[0]:g}", *inner, f"{edges[-1]:g} and more"]


def _declared(name: str, group: Group, categories: Mapping[str, Sequence[Value]]) -> list[str] | None:
    if name in group.bands:
        return _bands(group.bands[name])
    return [text_of(value) for value in categories[name]] if name in categories else None


def _value_names(count: pl.DataFrame, group: Group, categories: Mapping[str, Sequence[Value]]) -> pl.DataFrame:
    """The counts with the names of values instead of raw ones."""
    columns = []
    for number, name in enumerate(group.keys):
        key = pl.col(f"k{number}")
        declared = _declared(name, group, categories)
        if name in group.bands:
            key = key.replace_strict(dict(enumerate(declared or [])), return_dtype=pl.String, default=None)
        elif declared is not None:
            text = key.cast(pl.String)
            key = pl.when(text.is_in(declared) | text.is_null()).then(text).otherwise(pl.lit(OTHER))
        columns.append(key.cast(pl.String).fill_null(MISSING).alias(f"k{number}"))
    named = count.with_columns(columns)
    rest = [pl.col(name).fill_null(MISSING) for name in ("label", "split") if name in named.columns]
    return named.with_columns(rest).group_by(pl.all().exclude(_ROWS)).agg(pl.col(_ROWS).sum())


def _combinations(
    named: pl.DataFrame, group: Group, categories: Mapping[str, Sequence[Value]]
) -> list[tuple[str, ...]]:
    """The combinations that are counted: the declared ones, and those that are there; in a stable order."""
    keys = [f"k{number}" for number in range(len(group.keys))]
    there = {tuple(row) for row in named.select(keys).unique().rows()}
    values = []
    for number, name in enumerate(group.keys):
        declared = _declared(name, group, categories)
        values.append(declared if declared is not None else sorted({row[number] for row in there} - {MISSING}))
    if math.prod(map(len, values)) > MOST_CELLS:
        return sorted(there)
    product = list(itertools.product(*values))
    return [*product, *sorted(there - set(product))]


# --- judging ----------------------------------------------------------------------------------------------------------


def _cells(
    group: Group, count: pl.DataFrame, policy: Coverage, categories: Mapping[str, Sequence[Value]], split: Split | None
) -> Iterator[Cell]:
    named = _value_names(count, group, categories)
    combinations = _combinations(named, group, categories)
    yield from _scope_cells(group, named, combinations, Scope(), policy.confidence, judged=True)
    if policy.label:
        for value in sorted(set(named["label"].to_list())):
            part = named.filter(pl.col("label") == value)
            yield from _scope_cells(group, part, combinations, Scope("label", value), policy.confidence)
    if split:
        for value in sorted({*named["split"].to_list(), *split.shares}):
            part = named.filter(pl.col("split") == value)
            scope = Scope("split", value)
            yield from _scope_cells(group, part, combinations, scope, policy.confidence, judged=group.within_split)


def _scope_cells(
    group: Group,
    named: pl.DataFrame,
    combinations: Sequence[tuple[str, ...]],
    scope: Scope,
    confidence: float,
    *,
    judged: bool = False,
) -> Iterator[Cell]:
    keys = [f"k{number}" for number in range(len(group.keys))]
    rows = dict.fromkeys(combinations, 0)
    for *raw, count in named.group_by(keys).agg(pl.col(_ROWS).sum()).select(*keys, _ROWS).rows():
        rows[tuple(raw)] = count
    whole = sum(rows.values())
    counts = np.array(list(rows.values()), np.int64)
    ends = wilsons(counts, np.full(counts.size, whole), confidence, together=max(1, len(rows)))
    for (values, count), low, high in zip(rows.items(), *(end.tolist() for end in ends), strict=True):
        cell = Cell(group.name, " x ".join(values), scope, count, whole, Interval(low, high))
        asked = judged and not set(values) & {MISSING, OTHER}
        yield _judged(cell, group) if asked else cell


def _judged(cell: Cell, group: Group) -> Cell:
    """The cell with the gravest of its verdicts."""
    verdicts = []
    if group.min_rows is not None:
        short = max(0, group.min_rows - cell.rows)
        verdicts.append((short, f"short by {short:,}" if short else "met", f"at least {group.min_rows:,} rows"))
    if group.min_share is not None:
        asked = f"a share of at least {group.min_share:g}"
        if cell.interval.low >= group.min_share:
            verdicts.append((0, "met", asked))
        elif cell.interval.high < group.min_share:
            short = _short_of(cell, group.min_share)
            verdicts.append((short, f"short by {short:,}", asked))
        else:
            verdicts.append((0, "too few to tell", asked))
    if group.reference:
        verdicts.append(_beside(cell, group.reference.get(cell.value, 0.0)))
    if not verdicts:
        return cell
    order = ["met", "more than its share", "too few to tell"]
    short, verdict, asked = max(verdicts, key=lambda each: (each[0], each[1] in order and order.index(each[1])))
    return cell._replace(verdict=verdict, short_by=short, asked=asked)


def _short_of(cell: Cell, share: float) -> int:
    """Rows of this group that must come until it has a share, if no others do."""
    return max(1, math.ceil((share * cell.of - cell.rows) / (1 - share) - 1e-9)) if share < 1 else cell.of - cell.rows


def _beside(cell: Cell, reference: float) -> tuple[int, str, str]:
    asked = f"a share of {reference:.3g} as in the reference"
    if cell.interval.high < reference:
        short = _short_of(cell, reference)
        return short, f"short by {short:,}", asked
    if cell.interval.low > reference:
        return 0, "more than its share", asked
    # An interval that reaches from nothing to twice the share agrees with anything.
    tells = cell.interval.low > 0 or cell.interval.high < 2 * reference or reference == 0
    return 0, "met" if tells else "too few to tell", asked


def _balance(rows: pl.LazyFrame, split: Split, confidence: float) -> Iterator[Cell]:
    """The share of entities in each split, beside the declared one."""
    keys = [pl.col(name) for name in split.keys]
    whole_keys = pl.all_horizontal(key.is_not_null() for key in [*keys, pl.col(split.column)])
    entities = (
        rows.filter(whole_keys)
        .select(*keys, pl.col(split.column).cast(pl.String))
        .unique()
        .group_by(split.column)
        .len()
    )
    counts = dict.fromkeys(split.shares, 0) | dict(entities.collect(engine="streaming").rows())
    whole = sum(counts.values())
    for name, share in split.shares.items():
        interval = wilson(counts[name], whole, 1 - (1 - confidence) / 50, together=len(counts))
        met = interval.low <= share <= interval.high
        verdict = "met" if met else "more than its share" if interval.low > share else "less than its share"
        cell = Cell("entities", name, Scope("split", name), counts[name], whole, interval, verdict)
        yield cell._replace(asked=f"a share of {share:g} as declared")


# --- telling ----------------------------------------------------------------------------------------------------------


def _is_bad(cell: Cell) -> bool:
    return cell.verdict not in ("", "met", "more than its share")


def _finding(cell: Cell, level: Verdict) -> AuditFinding:
    too_few = cell.verdict == "too few to tell"
    return AuditFinding(
        subject=f"{cell.group} = {cell.value}{cell.scope}",
        verdict=cell.verdict,
        found=_told(cell),
        expected=cell.asked,
        fix="Collect more rows." if too_few else f"Collect {cell.short_by:,} more rows of it.",
        level=Verdict.WARN if too_few else level,
    )


def _told(cell: Cell) -> str:
    share = cell.rows / cell.of if cell.of else 0.0
    low, high = cell.interval
    return f"{cell.rows:,} of {cell.of:,} rows ({share:.2%}, {low:.2%} to {high:.2%})"


def _balance_finding(cell: Cell) -> AuditFinding:
    found = _told(cell).replace("rows", "entities")
    fix = "Few entities differ by chance; else rows were set aside unevenly, or the salt is an unlucky one."
    return AuditFinding(f"split {cell.value}", cell.verdict, found, cell.asked, fix)


def _table(cells: Sequence[Cell]) -> pl.DataFrame:
    rows = [
        {
            "group": cell.group,
            "value": cell.value,
            "scope": cell.scope.kind,
            "scope_value": cell.scope.value,
            "rows": cell.rows,
            "of": cell.of,
            "share": cell.rows / cell.of if cell.of else 0.0,
            "low": cell.interval.low,
            "high": cell.interval.high,
            "asked": cell.asked,
            "verdict": cell.verdict,
            "short_by": cell.short_by,
        }
        for cell in cells
    ]
    texts = dict.fromkeys(("group", "value", "scope", "scope_value", "asked", "verdict"), pl.String())
    numbers = dict.fromkeys(("rows", "of", "short_by"), pl.Int64()) | dict.fromkeys(
        ("share", "low", "high"), pl.Float64()
    )
    order = [
        "group",
        "value",
        "scope",
        "scope_value",
        "rows",
        "of",
        "share",
        "low",
        "high",
        "asked",
        "verdict",
        "short_by",
    ]
    return pl.DataFrame(rows, schema={name: {**texts, **numbers}[name] for name in order})
