"""Leakage: what would let a model look better on the test split than it is.

Belongs here: what two splits share (records, texts, clusters, entities) and what was known too late. Does not belong
here: what single columns tell (column_leaks), assigning splits (tasks/publish/splits), or finding near-duplicates
(tasks/dedupe/near), whose clusters are only looked up.

What two splits share is counted, not estimated, and told whatever its number. With one exception: rows of a table in
which no column says much (a few categories) are alike by chance. There the share of test rows that stand in the other
splits, too, is held against the share of the other rows that stand twice among themselves, which chance makes alike.
"""

from __future__ import annotations

import functools
import math
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from schemas.audits import AuditFinding, AuditResult, Verdict
from schemas.fitness import TEST, TRAIN
from schemas.records import FILE, RECORD
from tasks.audit.column_leaks import ColumnLeak, column_leaks, features_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from schemas.fitness import Leakage, Split

#: Records that the table of evidence names for each kind of leak.
_NAMED = 1_000
#: A column with so great a share of distinct values says so much that two rows are not alike in it by chance.
_RICH = 0.2
#: Texts with fewer characters than this (letters and digits) may well be alike by chance.
_LONG = 24
_GROUP, _SPLITS, _SPLIT = "_group", "_splits", "_split"


class Shared(NamedTuple):
    """Rows that stand in more than one split.

    Attributes:
        kind: of leak, such as `exact`.
        groups: groups of rows that should be in one split.
        rows: that they have together.
        held_out: of those, outside the train split.
        evidence: `_file`, `_record`, `_group`, `_split` of some of them.
        what: what they share, in words.
    """

    kind: str
    groups: int
    rows: int
    held_out: int
    evidence: pl.DataFrame
    what: str


def leakage(
    rows: pl.LazyFrame,
    policy: Leakage,
    split: Split | None,
    *,
    keys: Collection[str] = (),
    personal: Collection[str] = (),
    clusters: pl.LazyFrame | None = None,
) -> AuditResult:
    """Looks for leaks in a table.

    Args:
        rows: the table, with `_file` and `_record`, and the split's column if one is declared.
        policy: what is declared of leaks.
        split: the declared split; None looks at columns only.
        keys: columns that are declared to identify rows (of deduplication, subjects): they are no features.
        personal: columns of which no value is told.
        clusters: near-duplicates as `_file`, `_record`, `cluster`, where they are known.
    """
    schema = rows.collect_schema()
    times = {*policy.feature_times, *([policy.event_time] if policy.event_time else ())}
    # A text by which a split keeps clusters together is a feature all the same.
    cut = {*split.keys, split.at, split.stratify} if split else set()
    away = {*keys, *policy.ignore, *policy.entity, *times, *cut} - {policy.label}
    features = [name for name in features_of(schema, policy.label) if name not in away and name != _column(split)]
    shared = list(_shared(rows, policy, split, features, clusters)) if split else []
    late = list(_late(rows, policy, split))
    columns = column_leaks(rows, features, policy, personal=personal) if policy.label else []
    level = Verdict.WARN if policy.action == "warn" else Verdict.STOP
    findings = [*(_shared_finding(each, level) for each in shared), *(each(level) for each in late)]
    findings += [_column_finding(each, level) for each in columns]
    evidence = [each.evidence.select(FILE, RECORD, pl.lit(each.kind).alias("kind"), _GROUP, _SPLIT) for each in shared]
    return AuditResult(
        name="leakage",
        findings=tuple(findings),
        facts={
            "action": policy.action,
            "features": len(features),
            "rows that splits share": sum(each.rows for each in shared),
            "columns that leak": len({each.column for each in columns}),
        },
        tables={"shared": pl.concat(evidence)} if evidence else {},
    )


def _column(split: Split | None) -> str | None:
    return split.column if split else None


# --- what splits share ------------------------------------------------------------------------------------------------


def _shared(
    rows: pl.LazyFrame, policy: Leakage, split: Split, features: Sequence[str], clusters: pl.LazyFrame | None
) -> Iterator[Shared]:
    # Partitions that were cleaned before the split was declared have none.
    rows = rows.with_columns(pl.col(split.column).cast(pl.String).alias(_SPLIT)).filter(pl.col(_SPLIT).is_not_null())
    seen = [*features, *([policy.label] if policy.label else [])]
    if entity := policy.entity or split.keys:
        whole = pl.all_horizontal(pl.col(name).is_not_null() for name in entity)
        keyed = rows.filter(whole).with_columns(pl.struct(entity).hash().alias(_GROUP))
        yield from _straddling(keyed, "entity", f"the same {', '.join(entity)}")
    if seen and (exact := _exact(rows, seen)):
        yield exact
    for name in features:
        if rows.collect_schema()[name] == pl.String:
            text = pl.col(name).str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]+", "")
            alike = rows.filter(text.str.len_chars() >= _LONG).with_columns(
                text.hash().alias(_GROUP), text.alias("_text")
            )
            # Rows that are alike to the letter are told as such.
            yield from _straddling(alike, "text", f"the same letters and digits in {name}", but_for=name)
    if clusters is not None:
        near = rows.join(clusters.rename({"cluster": _GROUP}), on=[FILE, RECORD], how="inner")
        yield from _straddling(near, "near-duplicate", "a cluster of near-duplicates")


def _straddling(rows: pl.LazyFrame, kind: str, what: str, *, but_for: str | None = None) -> Iterator[Shared]:
    """Groups of rows in several splits; those whose rows are all equal in the column `but_for` are left out."""
    differ = [pl.col(but_for).n_unique().alias("_texts")] if but_for else []
    groups = rows.group_by(_GROUP).agg(pl.col(_SPLIT).n_unique().alias(_SPLITS), *differ)
    found = groups.filter((pl.col(_SPLITS) > 1) & ((pl.col("_texts") > 1) if but_for else True)).select(_GROUP)
    members = rows.join(found, on=_GROUP, how="semi").select(FILE, RECORD, _GROUP, _SPLIT).collect(engine="streaming")
    if members.height:
        yield _shared_of(members, kind, what)


def _shared_of(members: pl.DataFrame, kind: str, what: str) -> Shared:
    ordered = members.sort(FILE, RECORD)
    # Numbered in the order of records: a hash is another one in the next version of polars.
    firsts = ordered.select(pl.col(_GROUP).unique(maintain_order=True)).with_row_index("_number", offset=1)
    numbered = ordered.join(firsts, on=_GROUP, maintain_order="left").with_columns(
        pl.col("_number").cast(pl.Int64).alias(_GROUP)
    )
    held_out = int((members[_SPLIT] != TRAIN).sum())
    return Shared(kind, firsts.height, members.height, held_out, numbered.head(_NAMED), what)


def _exact(rows: pl.LazyFrame, names: Sequence[str]) -> Shared | None:
    """Rows that are equal in all features and the label, and stand in several splits."""
    hashed = rows.select(FILE, RECORD, _SPLIT, pl.struct(names).hash().alias(_GROUP))
    # Of each distinct row only its hash and two counts are held; its place only where splits share it.
    train = pl.col(_SPLIT) == TRAIN
    counts = (
        hashed.group_by(_GROUP)
        .agg(
            train.sum().alias(TRAIN),
            (~train).sum().alias("held_out"),
            (pl.col(_SPLIT).min() != pl.col(_SPLIT).max()).alias(_SPLITS),
        )
        .collect(engine="streaming")
    )
    shared = counts.filter(_SPLITS).select(_GROUP)
    if not shared.height:
        return None
    if not _says_much(rows, names) and not _more_than_chance(counts):
        return None
    members = hashed.join(shared.lazy(), on=_GROUP, how="semi").collect(engine="streaming")
    return _shared_of(members, "exact", "equal in every feature")


def _says_much(rows: pl.LazyFrame, names: Sequence[str]) -> bool:
    distinct = rows.select(pl.len().alias("_len"), *(pl.col(name).approx_n_unique() for name in names))
    counts = distinct.collect(engine="streaming").row(0, named=True)
    return any(counts[name] > _RICH * counts["_len"] for name in names)


def _more_than_chance(counts: pl.DataFrame) -> bool:
    """Whether held-out rows stand in the train split more often than its own rows stand there twice."""
    train, held_out = int(counts[TRAIN].sum()), int(counts["held_out"].sum())
    twice = int(counts.filter(pl.col(TRAIN) > 1)[TRAIN].sum())
    across = int(counts.filter(pl.col(TRAIN) > 0)["held_out"].sum())
    if not train or not held_out:
        return False
    pooled = (twice + across) / (train + held_out)
    spread = math.sqrt(max(pooled * (1 - pooled), 1e-12) * (1 / train + 1 / held_out))
    return bool((across / held_out - twice / train) / spread > NormalDist().inv_cdf(1 - 1e-4))


def _shared_finding(shared: Shared, level: Verdict) -> AuditFinding:
    fixes = {
        "entity": "Assign splits by it: Split(by=...).",
        "exact": "Declare Dedupe(key=...) over what makes a row the same, or Split(by=...) over it.",
        "text": "Declare Dedupe(near=...), or leave the rows of one split out.",
        "near-duplicate": "Let one of each cluster survive (Dedupe.Near), or keep each in one split: Split(near=...).",
    }
    return AuditFinding(
        subject=f"splits share: {shared.kind}",
        verdict="leak",
        found=f"{shared.rows:,} rows ({shared.held_out:,} held out) in {shared.groups:,} groups: {shared.what}",
        expected="none",
        fix=fixes[shared.kind],
        level=level,
    )


# --- what was known too late ------------------------------------------------------------------------------------------


def _late(rows: pl.LazyFrame, policy: Leakage, split: Split | None) -> Iterator[functools.partial[AuditFinding]]:
    if policy.event_time is None:
        return
    event = pl.col(policy.event_time)
    checks = [
        (name, (pl.col(name).cast(pl.Datetime("us")) > event.cast(pl.Datetime("us")))) for name in policy.feature_times
    ]
    counted = [late.sum().alias(name) for name, late in checks]
    if split is not None and split.at is not None:
        train_last = event.filter(pl.col(split.column) == TRAIN).max()
        early = (event <= train_last) & (pl.col(split.column).cast(pl.String) == TEST)
        counted.append(early.sum().alias("\x00early"))
    if not counted:
        return
    found = rows.select(pl.len().alias("\x00rows"), *counted).collect(engine="streaming").row(0, named=True)
    for name in policy.feature_times:
        if found[name]:
            yield functools.partial(
                AuditFinding,
                f"column {name}",
                "leak: known after the label",
                f"later than {policy.event_time} in {found[name]:,} of {found[chr(0) + 'rows']:,} rows",
                "never later",
                "Leave the column out, or take its value as it was then.",
            )
    if found.get("\x00early"):
        yield functools.partial(
            AuditFinding,
            "splits overlap in time",
            "leak: trained on the future",
            f"{found[chr(0) + 'early']:,} test rows are not later than the last train row by {policy.event_time}",
            "none",
            "Split by the time of the label: Split(at=...).",
        )


def _column_finding(leak: ColumnLeak, level: Verdict) -> AuditFinding:
    return AuditFinding(f"column {leak.column}", leak.kind, leak.evidence, leak.expected, leak.fix, level)
