"""The audit of labels: which rows of a partition look wrongly labelled, and the tables that tell it.

Belongs here: from rows and a policy to a verdict for each row and an `AuditResult`. Does not belong here: the method
(confident), the models (baselines), or reading rows and setting them aside (tasks/dedupe).

The noise of a pair of classes is an estimate from a sample: its interval is the score interval of a share (Wilson,
JASA 22, 1927, as Brown, Cai and DasGupta recommend, Statistical Science 16, 2001). It covers the chance of which rows
there were, not that the model itself may be wrong about a class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from schemas.audits import AuditFinding, AuditResult, Verdict
from schemas.errors import MissingExtraError
from tasks.audit.intervals import wilsons
from tasks.audit.labels.baselines import folds_of, out_of_fold, table_model, text_model
from tasks.audit.labels.confident import Confident, confident_learning
from tasks.audit.labels.features import Chosen, choose, table, texts
from tasks.audit.labels.matrix import HELD, Held, Mapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from schemas.audits import Fact
    from schemas.labels import Labels
    from tasks.audit.labels.baselines import Model, Progress

#: Decimals of a published probability: further ones may differ from one processor to another.
_DECIMALS = 6
#: Pairs of classes that findings name.
_NAMED = 5


class LabelVerdicts(NamedTuple):
    """What is said of the labels of some rows.

    Attributes:
        broken: for each row whether it breaks the rule `<column>.label_error`.
        scores: one row for each that was judged: the number `_row`, `given`, `suggested` (null where the label looks
            right), `score` (probability of the given label), `confidence` (of the suggested one, or the likeliest
            other), `sure` (whether that is at least what the rows that carry that label have on average), `issue`.
        matrix: pairs of classes: `given`, `true`, `rows` that are surely of the true class, their `share` among those
            of the given label that are surely of any, and its interval `low`, `high`.
        classes: labels: `label`, `rows`, `judged`, `issues`, estimated `noise` (the share that is of another class),
            `low`, `high`; null where the label has too few rows, or was not learnt.
        facts: see `schemas.audits.Audit`.
        findings: the same.
    """

    broken: pl.Series
    scores: pl.DataFrame
    matrix: pl.DataFrame
    classes: pl.DataFrame
    facts: dict[str, Fact]
    findings: tuple[AuditFinding, ...]

    def result(self, identity: pl.DataFrame) -> AuditResult:
        """The verdicts as the result of an audit.

        Args:
            identity: `_file` and `_record` of each row.
        """
        places = identity[self.scores.get_column("_row")]
        scores = places.hstack(self.scores.drop("_row").get_columns())
        tables = {"scores": scores, "matrix": self.matrix, "classes": self.classes}
        return AuditResult("labels", self.findings, self.facts, tables)


def check_extra() -> None:
    """Sees that what the models need is installed.

    Raises:
        MissingExtraError: it is not.
    """
    import importlib.util

    for library in ("sklearn", "scipy"):
        if importlib.util.find_spec(library) is None:
            raise MissingExtraError.of("scikit-learn" if library == "sklearn" else library, "labels")


def audit(
    frame: pl.DataFrame,
    policy: Labels,
    columns: Sequence[str],
    *,
    protected: pl.Series | None = None,
    scratch: Callable[[], str] | None = None,
    progress: Progress = lambda _what, _share: None,
) -> LabelVerdicts:
    """Judges the labels of rows.

    Args:
        frame: the rows, with the columns of the policy, and those of `columns`.
        policy: what is declared.
        columns: those that a baseline may choose from where the policy names none.
        protected: for each row whether it is never set aside, beside those that the policy's own column of splits says.
        scratch: gives the path of a file for probabilities that are too many for memory; None holds all.
        progress: told what is done, and the share of it from 0 to 1.
    """
    labels = frame.get_column(policy.column).cast(pl.String)
    counts = labels.drop_nulls().value_counts().sort(policy.column)
    rare = counts.get_column("count") < policy.min_rows
    names = counts.get_column(policy.column).filter(~rare).to_list()
    numbers = {name: number for number, name in enumerate(names)}
    codes = labels.replace_strict(numbers, default=None, return_dtype=pl.Int64)
    judged = np.flatnonzero(codes.is_not_null().to_numpy())
    given = codes.gather(judged).to_numpy().astype(np.int64)
    facts: dict[str, Fact] = {
        "column": policy.column,
        "rows": frame.height,
        "labels": len(names),
        "rare labels": int(rare.sum()),
    }
    if len(names) < 2:  # with one class nothing can be taken for another
        return _nothing(frame, counts, policy, facts)
    probabilities, seen, told = _probabilities(frame, policy, names, (judged, given), columns, scratch, progress)
    found = confident_learning(given, probabilities, seen)
    seen &= found.learnt[given]
    facts |= told
    scores = _scores(judged, seen, given, found, names)
    issues = scores.filter("issue")
    not_learnt = [name for name, learnt in zip(names, found.learnt, strict=True) if not learnt]
    facts |= {"labels not learnt": len(not_learnt), "judged": scores.height, "issues": issues.height}
    matrix, classes = _matrix(found, names), _classes(scores, found, names, counts)
    broken = _broken(frame, policy, issues)
    if policy.action == "quarantine" and (kept := _protected(frame, policy, protected)) is not None:
        facts["protected issues"] = int((broken & kept).sum())
        broken &= ~kept
    findings = (*_findings(policy, facts, matrix), *_not_learnt(policy, not_learnt))
    return LabelVerdicts(broken, scores, matrix, classes, facts, findings)


def _probabilities(
    frame: pl.DataFrame,
    policy: Labels,
    names: Sequence[str],
    judged: tuple[NDArray[np.int64], NDArray[np.int64]],
    columns: Sequence[str],
    scratch: Callable[[], str] | None,
    progress: Progress,
) -> tuple[Held | Mapped, NDArray[np.bool_], dict[str, Fact]]:
    """The probabilities of the judged rows, of which of them they mean something, and where they are from."""
    numbers, given = judged
    rows = frame[numbers]
    if policy.probabilities:
        return _declared(rows, policy, names)
    chosen = choose(rows, policy, columns)
    told: dict[str, Fact] = {"columns read": ", ".join(chosen.text or chosen.features) or "none"}
    if chosen.left_out and not chosen.text:
        told["columns left out"] = ", ".join(chosen.left_out)
    model = _model(rows, chosen, len(names), policy.seed)
    groups = rows.get_column(policy.groups).rank("dense").to_numpy() if policy.groups else None
    fold = folds_of(given, groups, policy.folds, policy.seed)
    size = given.size * len(names)
    room: Held | Mapped
    if scratch is None or size <= HELD:
        room = Held(np.zeros((given.size, len(names)), np.float32))
    else:
        room = Mapped(scratch(), given.size, len(names))
    seen = out_of_fold(model, given, fold, room, progress=progress)
    told |= {"model": model.name, "folds": policy.folds, "groups": policy.groups, "seed": policy.seed}
    return room, seen, told


def _model(rows: pl.DataFrame, chosen: Chosen, classes: int, seed: int) -> Model:
    if chosen.text:
        return text_model(texts(rows, chosen.text), classes, seed)
    return table_model(table(rows, chosen.features), classes, seed)


def _declared(
    rows: pl.DataFrame, policy: Labels, names: Sequence[str]
) -> tuple[Held, NDArray[np.bool_], dict[str, Fact]]:
    """The declared probabilities; 0 for a label that has no column."""
    found = np.zeros((rows.height, len(names)), np.float32)
    for number, name in enumerate(names):
        if name in policy.probabilities:
            found[:, number] = rows.get_column(policy.probabilities[name]).cast(pl.Float32).fill_null(float("nan"))
    of_label = np.array([name in policy.probabilities for name in names], np.bool_)
    codes = (
        rows.get_column(policy.column)
        .cast(pl.String)
        .replace_strict({name: number for number, name in enumerate(names)}, return_dtype=pl.Int64)
    )
    seen = ~np.isnan(found).any(axis=1) & of_label[codes.to_numpy()]
    return Held(np.nan_to_num(found)), seen, {"model": "declared probabilities"}


# --- tables -----------------------------------------------------------------------------------------------------------


def _scores(
    judged: NDArray[np.int64],
    seen: NDArray[np.bool_],
    given: NDArray[np.int64],
    found: Confident,
    names: Sequence[str],
) -> pl.DataFrame:
    words = pl.Series(names, dtype=pl.String)
    return (
        pl.DataFrame(
            {
                "_row": judged,
                "given": words.gather(given),
                "suggested": words.gather(found.suggested),
                "score": found.self_confidence,
                "confidence": found.confidence,
                "sure": found.sure,
                "issue": found.wrong,
            }
        )
        .filter(pl.Series(seen))
        .with_columns(
            pl.col("score", "confidence").round(_DECIMALS), suggested=pl.when("issue").then(pl.col("suggested"))
        )
    )


def _broken(frame: pl.DataFrame, policy: Labels, issues: pl.DataFrame) -> pl.Series:
    """Which rows break the rule: all whose label looks wrong, or those that are to be set aside."""
    if policy.action == "quarantine":
        issues = issues.filter("sure" if policy.confidence is None else pl.col("confidence") >= policy.confidence)
    broken = np.zeros(frame.height, np.bool_)
    broken[issues.get_column("_row").to_numpy()] = True
    return pl.Series("broken", broken)


def _protected(frame: pl.DataFrame, policy: Labels, protected: pl.Series | None) -> pl.Series | None:
    """Which rows are never set aside; None where nothing says it of any."""
    if not policy.split or policy.split not in frame.columns:
        return protected
    named = frame.get_column(policy.split).cast(pl.String).is_in(policy.protect).fill_null(value=False)
    return named if protected is None else named | protected


def _matrix(found: Confident, names: Sequence[str]) -> pl.DataFrame:
    words = pl.Series(names, dtype=pl.String)
    whole = np.bincount(found.given, weights=found.rows, minlength=len(names))[found.given]
    low, high = _ends(found.rows, whole)
    return pl.DataFrame(
        {
            "given": words.gather(found.given),
            "true": words.gather(found.true),
            "rows": found.rows,
            "share": np.round(found.rows / whole, _DECIMALS),
            "low": low,
            "high": high,
        }
    )


def _classes(scores: pl.DataFrame, found: Confident, names: Sequence[str], counts: pl.DataFrame) -> pl.DataFrame:
    of = len(names)
    whole = np.bincount(found.given, weights=found.rows, minlength=of)
    other = np.bincount(found.given, weights=found.rows * (found.given != found.true), minlength=of)
    low, high = _ends(other, whole)
    noise = np.round(other / np.maximum(whole, 1), _DECIMALS)
    estimated = pl.DataFrame({"label": pl.Series(names, dtype=pl.String), "noise": noise, "low": low, "high": high})
    estimated = estimated.filter(pl.Series(whole > 0, dtype=pl.Boolean))
    judged = scores.group_by("given").agg(judged=pl.len(), issues=pl.col("issue").sum())
    return (
        counts.select(pl.nth(0).alias("label"), pl.col("count").cast(pl.UInt32).alias("rows"))
        .join(judged, left_on="label", right_on="given", how="left", maintain_order="left")
        .join(estimated, on="label", how="left", maintain_order="left")
        .with_columns(pl.col("judged", "issues").fill_null(0))
    )


def _ends(counts: NDArray[Any], of: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = wilsons(counts, of)
    return np.round(low, _DECIMALS), np.round(high, _DECIMALS)


def _findings(policy: Labels, facts: dict[str, Fact], matrix: pl.DataFrame) -> list[AuditFinding]:
    """How many labels look wrong, and the pairs of labels that are most often taken for each other."""
    if not facts["issues"]:
        return []
    fix = {
        "report": 'Look at them: Labels(action="review"), then `winnow review export`.',
        "review": "Look at them: `winnow review export`.",
        "quarantine": "`winnow quarantine --rule` shows those that were set aside.",
    }[policy.action]
    found = f"{facts['issues']:,} of {facts['judged']:,} rows"
    told = [AuditFinding(policy.column, "labels look wrong", found, fix=fix, level=Verdict.WARN)]
    pairs = matrix.filter(pl.col("given") != pl.col("true")).sort(
        ["rows", "given", "true"], descending=[True, False, False]
    )
    told += [
        AuditFinding(
            f"{policy.column}: {row['given']}",
            f"taken for {row['true']}",
            f"{row['rows']:,} rows, {row['share']:.1%} ({row['low']:.1%} to {row['high']:.1%}) of those it is sure of",
        )
        for row in pairs.head(_NAMED).iter_rows(named=True)
    ]
    return told


def _not_learnt(policy: Labels, names: Sequence[str]) -> Iterator[AuditFinding]:
    """Labels of which the model learnt so little that nothing can be said of their rows."""
    if names:
        told = ", ".join(names[:_NAMED]) + (" ..." if len(names) > _NAMED else "")
        fix = "Collect more rows of them, or see that no group or probabilities' column is missing."
        yield AuditFinding(policy.column, "labels not learnt", f"{len(names):,}: {told}", "none", fix, Verdict.OK)


def _nothing(frame: pl.DataFrame, counts: pl.DataFrame, policy: Labels, facts: dict[str, Fact]) -> LabelVerdicts:
    """Where there are no two labels with enough rows, nothing can be told."""
    scores = pl.DataFrame(
        schema={"_row": pl.Int64, "given": pl.String, "suggested": pl.String, "score": pl.Float64,
                "confidence": pl.Float64, "sure": pl.Boolean, "issue": pl.Boolean}
    )  # fmt: skip
    nobody = np.empty(0, np.int64)
    no, none = np.empty(0), np.empty(0, np.bool_)
    nothing = Confident(no, nobody, no, none, none, none, nobody, nobody, nobody)
    told = AuditFinding(
        policy.column,
        "too few rows to tell",
        f"{facts['labels']} labels with {policy.min_rows} rows or more",
        expected="two",
        level=Verdict.OK,
    )
    facts |= {"judged": 0, "issues": 0}
    broken = pl.Series("broken", np.zeros(frame.height, np.bool_))
    return LabelVerdicts(broken, scores, _matrix(nothing, []), _classes(scores, nothing, [], counts), facts, (told,))
