"""The audit of annotators: agreement, workers and consensus as findings and tables.

Belongs here: from rows and a policy to an `AuditResult`. Does not belong here: the coefficients (agreement), the models
(consensus), or publishing a consensus as data: every vote stays the record that it was, and the tables stand beside.

The votes on an item whose consensus is not sure are a table of their own, by record: they stand in the review queue
with the consensus as the suggestion, and a reviewer's decision about one of them is about that record.

Signs of a worker who does not read are told apart, because each has an innocent cause too: a kappa that is not above
chance, one label nearly always where others use several, votes given much faster than others', repeated votes, and
votes that contradict the worker's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from schemas.audits import AuditFinding, AuditResult, Verdict
from schemas.records import FILE, RECORD
from tasks.audit.annotators.agreement import agreement, of_workers
from tasks.audit.annotators.consensus import choose
from tasks.audit.annotators.votes import gather

if TYPE_CHECKING:
    from collections.abc import Container

    from numpy.typing import NDArray

    from schemas.audits import Fact
    from schemas.labels import Annotators
    from tasks.audit.annotators.agreement import Agreement, Estimate, OfWorkers
    from tasks.audit.annotators.consensus import Chosen
    from tasks.audit.annotators.votes import Gathered, Votes

_DECIMALS = 6
#: Labels up to which an item's soft labels are columns.
_COLUMNS = 100
#: Share of one label in a worker's votes above which it votes nearly always the same, and in all votes below which
#: that is odd.
_SAME, _USUAL = 0.95, 0.8
#: Of the median time that all take for a vote, what is odd.
_FAST = 0.25
#: Workers and items that findings name.
_NAMED = 10
_QUEUE = pl.Schema(
    {FILE: pl.String(), RECORD: pl.UInt64(), "given": pl.String(), "suggested": pl.String(), "score": pl.Float64(),
     "confidence": pl.Float64(), "issue": pl.Boolean()}
)  # fmt: skip


def audit(rows: pl.DataFrame, policy: Annotators, personal: Container[str] = ()) -> AuditResult:
    """Looks at votes.

    Args:
        rows: one vote each, in their order, with `_file`, `_record` and the columns of the policy.
        policy: what is declared.
        personal: columns whose values findings don't show.

    Raises:
        MissingExtraError: a model of crowd-kit is declared, and it is not installed.
    """
    gathered = gather(rows, policy)
    votes, counts = gathered.votes, gathered.votes.table()
    facts: dict[str, Fact] = {"votes": rows.height, "votes without a value": gathered.missing}
    facts |= {"items": votes.items.len(), "workers": votes.workers.len(), "labels": votes.labels.len()}
    facts |= {"repeated": int(gathered.repeated.sum()), "contradictory": int(gathered.contradictory.sum())}
    if votes.labels.len() < 2:  # with one label there is nothing to agree on
        return AuditResult("annotators", facts=facts, tables={"queue": pl.DataFrame(schema=_QUEUE)})
    agreed, chosen = agreement(counts, policy.seed), choose(votes, policy.models, policy.seed)
    facts |= {**_interval("alpha", agreed.alpha), **_interval("fleiss kappa", agreed.kappa)}
    facts |= {"consensus": chosen.name, "held-out votes": chosen.votes}
    facts |= {f"held-out log-likelihood, {name}": round(value, _DECIMALS) for name, value in chosen.held_out.items()}
    items = _items(votes, counts, chosen, policy)
    workers = _workers(gathered, of_workers(votes, counts), chosen, _seconds(rows, policy), policy)
    unsure = items.filter("unsure")
    facts["unsure items"] = unsure.height
    tables = {"items": items, "workers": workers, "labels": _labels(votes, counts, agreed)}
    tables["queue"] = _queue(rows, items, votes, chosen, policy)
    return AuditResult("annotators", tuple(_findings(policy, agreed, items, workers, personal)), facts, tables)


def _interval(name: str, found: Estimate) -> dict[str, Fact]:
    ends = {name: found.value, f"{name}, low": found.low, f"{name}, high": found.high}
    # JSON has no NaN.
    return {key: None if np.isnan(value) else round(value, 9) for key, value in ends.items()}


# --- tables -----------------------------------------------------------------------------------------------------------


def _items(votes: Votes, counts: NDArray[np.int64], chosen: Chosen, policy: Annotators) -> pl.DataFrame:
    soft = np.round(chosen.fitted.soft, _DECIMALS)
    best = soft.argmax(axis=1)
    whole = counts.sum(axis=1)
    made = pl.DataFrame(
        {
            "item": votes.items,
            "consensus": votes.labels.gather(best),
            "confidence": soft.max(axis=1),
            "votes": whole,
            "agree": counts[np.arange(best.size), best],
            "unsure": soft.max(axis=1) < policy.min_confidence,
        }
    )
    if votes.labels.len() > _COLUMNS:
        return made
    return made.hstack([pl.Series(f"p: {label}", soft[:, at]) for at, label in enumerate(votes.labels)])


def _queue(rows: pl.DataFrame, items: pl.DataFrame, votes: Votes, chosen: Chosen, policy: Annotators) -> pl.DataFrame:
    """The votes on items that are not sure, as the review queue takes them; see `labels.audit.LabelVerdicts`."""
    unsure = items.with_row_index("_item").filter("unsure").select("_item", "item", "consensus", "confidence")
    labels = votes.labels.alias("given").to_frame().with_row_index("_label")
    named = {"item": policy.item, "worker": policy.worker, "given": policy.label}
    cells = [pl.col(name).cast(pl.String).alias(alias) for alias, name in named.items()]
    told = rows.select(FILE, RECORD, *cells).drop_nulls()
    asked = told.join(unsure, on="item", maintain_order="left").join(labels, on="given", maintain_order="left")
    score = chosen.fitted.soft[asked["_item"].to_numpy(), asked["_label"].to_numpy()]
    made = asked.with_columns(score=pl.Series(np.round(score, _DECIMALS), dtype=pl.Float64), issue=True)
    return made.rename({"consensus": "suggested"}).select(_QUEUE.names()).cast(_QUEUE)


def _workers(
    gathered: Gathered, held: OfWorkers, chosen: Chosen, seconds: pl.DataFrame, policy: Annotators
) -> pl.DataFrame:
    votes = gathered.votes
    workers, labels = votes.workers.len(), votes.labels.len()
    given = np.bincount(votes.worker * labels + votes.label, minlength=workers * labels).reshape(workers, labels)
    whole = given.sum(axis=1)
    usual = given.sum(axis=0).max() / max(given.sum(), 1)
    same = given.max(axis=1) / np.maximum(whole, 1)
    quality = chosen.fitted.quality
    if quality is None:
        quality = held.agreed / np.maximum(held.compared, 1)
    enough = whole >= policy.min_votes
    speed = _medians(votes, seconds)
    known = speed[np.isfinite(speed)]
    signs = {
        "at chance": enough & (held.low <= 0),
        "nearly one label": enough & (same >= _SAME) & (usual < _USUAL),
        "fast": enough & (speed < _FAST * (np.median(known) if known.size else 0)),
        "repeats": gathered.repeated > 0,
        "contradicts itself": gathered.contradictory > 0,
    }
    told = [", ".join(sign for sign, which in signs.items() if which[at]) for at in range(workers)]
    made = pl.DataFrame(
        {
            "worker": votes.workers,
            "votes": whole,
            "quality": quality,
            "compared": held.compared,
            "agreed": held.agreed,
            "kappa": held.kappa,
            "low": held.low,
            "high": held.high,
            "top label": votes.labels.gather(given.argmax(axis=1)),
            "top share": same,
            "median seconds": speed,
            "repeated": gathered.repeated,
            "contradictory": gathered.contradictory,
            "signs": pl.Series(told, dtype=pl.String),
        }
    )
    return made.with_columns(pl.selectors.float().round(_DECIMALS).fill_nan(None))


def _labels(votes: Votes, counts: NDArray[np.int64], agreed: Agreement) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "label": votes.labels,
            "votes": counts.sum(axis=0),
            "kappa": [each.value for each in agreed.of_label],
            "low": [each.low for each in agreed.of_label],
            "high": [each.high for each in agreed.of_label],
        }
    ).with_columns(pl.selectors.float().round(_DECIMALS).fill_nan(None))


def _seconds(rows: pl.DataFrame, policy: Annotators) -> pl.DataFrame:
    """What each vote took: as told, or since the worker's vote before; `worker` and `seconds`."""
    if policy.at is None:
        return pl.DataFrame(schema={"worker": pl.String, "seconds": pl.Float64})
    told = rows.select(
        pl.col(policy.worker).cast(pl.String).alias("worker"), pl.col(policy.at).alias("at")
    ).drop_nulls()
    if not told.schema["at"].is_temporal():
        return told.select("worker", pl.col("at").cast(pl.Float64, strict=False).alias("seconds"))
    since = pl.col("at").sort().diff().over("worker", mapping_strategy="explode")
    return told.sort("worker").select("worker", since.dt.total_milliseconds().truediv(1000).alias("seconds"))


def _medians(votes: Votes, seconds: pl.DataFrame) -> NDArray[np.float64]:
    medians = seconds.drop_nulls().group_by("worker").agg(pl.col("seconds").median())
    of_each = votes.workers.alias("worker").to_frame().join(medians, on="worker", how="left", maintain_order="left")
    return of_each.get_column("seconds").fill_null(float("nan")).to_numpy()


# --- findings ---------------------------------------------------------------------------------------------------------


def _findings(
    policy: Annotators, agreed: Agreement, items: pl.DataFrame, workers: pl.DataFrame, personal: Container[str]
) -> list[AuditFinding]:
    found = []
    alpha = agreed.alpha
    if policy.min_alpha is not None and not alpha.value >= policy.min_alpha:
        found.append(
            AuditFinding(
                policy.label,
                "low agreement",
                f"Krippendorff's alpha {alpha.value:.3f} ({alpha.low:.3f} to {alpha.high:.3f})",
                expected=f"at least {policy.min_alpha}",
                fix="Look at the workers and at the instructions that they have.",
                level=Verdict.STOP,
            )
        )
    unsure = int(items.get_column("unsure").sum())
    if unsure:
        found.append(
            AuditFinding(
                policy.item,
                "unsure",
                f"{unsure:,} of {items.height:,} items",
                fix="Their votes: `winnow review export`.",
            )
        )
    for row in workers.filter(pl.col("signs") != "").sort("quality", "worker").head(_NAMED).iter_rows(named=True):
        quality = f"quality {row['quality']:.2f}, {row['votes']:,} votes"
        who = "one whom the table `annotators.workers` names" if policy.worker in personal else row["worker"]
        found.append(AuditFinding(f"{policy.worker}: {who}", row["signs"], quality))
    return found
