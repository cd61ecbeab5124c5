"""Labels and annotators: what a declaration says of the column that a model is to learn, and of those who filled it.

Belongs here: the frozen parameter classes. Does not belong here: the audits that they ask for (tasks/audit/labels,
tasks/audit/annotators), or decisions of reviewers, which are no part of a declaration (tasks/audit/review).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.errors import DeclarationError
from schemas.policies import declared

Action = Literal["report", "review", "quarantine"]
Consensus = Literal["majority", "dawid-skene", "mace", "glad"]


@declared
class Labels:
    """A column of labels that is looked through for wrong ones.

    Each row's label is compared with what a model says that was fitted on the other rows (confident learning). The
    model is one of the built-in ones: a linear one over the words of text columns, or gradient boosting over a table's
    columns. Or the probabilities of a model of your own are columns of the dump. The rule `<column>.label_error`
    counts the rows whose label looks wrong.

    Each partition is judged by itself, when it is cleaned: a row's verdict depends on its own dump and the declaration
    alone, whatever other partitions hold. A small partition has a poor model; let one hold more where that matters.

    Attributes:
        column: the column of the labels.
        text: columns of text that the model reads. None of these and no `features`: what the partition's columns
            hold decides, and the audit says how.
        features: columns of a table that the model reads.
        probabilities: label -> column with the probability of it, out of a model that did not see the row's own label.
        groups: column whose equal values are never on both sides of a fold: the entity that rows are about.
        split: column of the dump that says in which split a row is. A declared Split needs no naming: what it puts into
            a protected split is protected, too.
        protect: splits of which no row is ever set aside. What a model is tested on changes by a person's decision
            only, or its score would be made better by leaving out what it can't do.
        action: what becomes of a row whose label looks wrong. It is counted (`report`), it is counted and stands in
            the queue of `winnow review export` (`review`), or it is set aside when the model is sure (`quarantine`).
        confidence: for `quarantine`, the least probability of the label that the model gives instead. None is the mean
            probability of that label in the rows that carry it: how sure models are differs from one to another, and
            of a linear one over text few rows reach 0.9.
        min_rows: rows that a label has at least; those of a rarer one are not judged, and don't teach the model.
        folds: in so many parts are the rows cut, each of which is judged by a model fitted on the others.
        seed: of the cut and of the model.

    Example:
        >>> Labels("intent", text=("text",)).action
        'report'
    """

    column: str
    text: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    probabilities: dict[str, str] = Field(default_factory=dict)
    groups: str | None = None
    split: str | None = None
    protect: tuple[str, ...] = ("test",)
    action: Action = "report"
    confidence: float | None = Field(default=None, ge=0, le=1)
    min_rows: int = Field(default=10, ge=2)
    folds: int = Field(default=5, ge=2, le=50)
    seed: int = Field(default=0, ge=0)

    def __post_init__(self) -> None:
        told = [name for name in ("text", "features", "probabilities") if getattr(self, name)]
        if len(told) > 1:
            raise DeclarationError(
                f"{' and '.join(told)} are given",
                expected="one of text, features and probabilities, or none",
                where=f"Labels({self.column})",
            )
        if self.column in (*self.text, *self.features):
            raise DeclarationError("the label itself is among what the model reads", where=f"Labels({self.column})")
        if self.min_rows < self.folds:
            raise DeclarationError(
                f"min_rows={self.min_rows} with folds={self.folds}",
                expected="at least as many rows of a label as folds",
                where=f"Labels({self.column})",
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that it names."""
        others = (each for each in (self.groups, self.split) if each)
        return (self.column, *self.text, *self.features, *self.probabilities.values(), *others)


@declared
class Annotators:
    """Labels that several people gave to the same things: each row is one vote.

    The audit tells how far they agree, how good each of them is, and what each thing's label is by all votes together.
    No vote is changed or set aside by it.

    Attributes:
        item: column of what was labelled.
        worker: column of who labelled it.
        label: column of the label.
        at: column of the moment at which a vote was given, or of the seconds that it took.
        models: ways to a consensus that are tried; the one under which held-out votes are likeliest is taken. `mace`
            and `glad` are crowd-kit's and take longer.
        min_confidence: the votes on an item whose consensus is less sure stand in the queue of `winnow review export`,
            with the consensus as the suggestion; what a reviewer decides changes or sets aside that one vote.
        min_alpha: Krippendorff's alpha below which the run stops; None never stops it.
        min_votes: votes that a worker has at least to be called poor; of fewer one can't tell.
        seed: of the intervals and of what is held out.

    Example:
        >>> Annotators("item", "worker", "label").models
        ('majority', 'dawid-skene')
    """

    item: str
    worker: str
    label: str
    at: str | None = None
    models: tuple[Consensus, ...] = Field(default=("majority", "dawid-skene"), min_length=1)
    min_confidence: float = Field(default=0.7, ge=0, le=1)
    min_alpha: float | None = Field(default=None, ge=-1, le=1)
    min_votes: int = Field(default=10, ge=2)
    seed: int = Field(default=0, ge=0)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that it names."""
        return (self.item, self.worker, self.label, *([self.at] if self.at else []))
