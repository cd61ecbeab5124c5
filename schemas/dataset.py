"""Dataset: one table to be cleaned, declared as a pandera-polars model and its policies.

Belongs here: the class that a declaration makes, and every check that can be made on it before data is read. Does not
belong here: finding declarations (registry), or cleaning (tasks).
"""

from __future__ import annotations

import functools
from collections import Counter
from typing import TYPE_CHECKING

import pandera.polars as pa
import polars as pl
from pydantic import Field

import schemas.text_rules  # noqa: F401  # registers the checks that a field of a model can name
from schemas.audits import AUDITS
from schemas.categories import Value, categories_of
from schemas.columns import ColumnSpec, columns_of, is_key
from schemas.corrections import Correction
from schemas.errors import DeclarationError, UnknownNameError, shown
from schemas.fitness import SPLITS, Coverage, Leakage, Shift, Split
from schemas.labels import Annotators, Labels
from schemas.policies import CHOOSING, Dedupe, Gates, Retention, Schedule, Source, declared
from schemas.records import Severity
from schemas.rules import Rule, derive_rules
from schemas.steps import Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: What ingest can find wrong with a record that it could parse all the same.
_RECORD_RULES = {
    "duplicate_key": "a key stands in the record more than once",
    "extra_column": "the record has a column or a key that the model does not declare",
    "missing_column": "the record lacks a column or a key that the model declares",
}
#: What a decision of a reviewer can do to its record, beside putting another label in the place of the wrong one.
_REVIEW_RULES = {
    "reviewed_out": "a reviewer decided that the record teaches nothing",
    "reviewed_other": "a reviewer's decision found its record, but not the label that it was made about",
}
#: The rule that counts labels that look wrong.
LABEL_ERROR = "label_error"


@declared
class Dataset:
    """One table to be cleaned.

    Attributes:
        model: the pandera-polars model of the clean table; the only source of rules.
        source: where the dumps lie and how to read them.
        steps: what happens to the text of cells before they are cast, in this order.
        corrections: known wrong cells.
        dedupe: which records are the same one; None keeps all.
        severities: rule id -> severity, for rules whose default is not wanted.
        gates: when a whole run must stop.
        retention: which versions are kept.
        schedule: when its nightly run starts; None leaves that to you.
        split: which rows are for training, validation and test; None makes no such column.
        coverage: which groups of rows must be there; None counts none.
        leakage: what is looked for that would make a test score too good; None looks for nothing.
        shift: which drift of values is too much; None looks for none.
        labels: a column whose labels are looked through for wrong ones.
        annotators: votes of several people on the same things, one a row.
        name: the name of the declaring file; set by the registry.
    """

    model: type[pa.DataFrameModel]
    source: Source
    steps: tuple[Step, ...] = ()
    corrections: tuple[Correction, ...] = ()
    dedupe: Dedupe | None = None
    severities: dict[str, Severity] = Field(default_factory=dict)
    gates: Gates = Gates()
    retention: Retention = Retention()
    schedule: Schedule | None = None
    split: Split | None = None
    coverage: Coverage | None = None
    leakage: Leakage | None = None
    shift: Shift | None = None
    labels: Labels | None = None
    annotators: Annotators | None = None
    name: str = ""

    def __post_init__(self) -> None:
        known = [column.name for column in self.columns]
        for where, name in self._named_columns():
            if name not in known:
                raise UnknownNameError.of("column", name, known, where=where)
        self._check_renamed(known)
        self._check_split(known)
        self._check_protected()
        self._check_groups()
        self._check_texts()
        self._check_rules()
        self._check_gates()

    def _named_columns(self) -> Iterator[tuple[str, str]]:
        for step in self.steps:
            yield from ((f"steps.{step.name}", column) for column in step.columns)
        for correction in self.corrections:
            yield from (("Correction", column) for column in correction.columns)
        if self.dedupe:
            yield from (("Dedupe(key)", column) for column in self.dedupe.key)
            yield from (("Dedupe(ignore)", column) for column in self.dedupe.ignore)
            yield from (("Dedupe(by)", column) for column in (self.dedupe.by,) if column)
            yield from (("Dedupe.Near", near.column) for near in (self.dedupe.near,) if near)
            if entities := self.dedupe.entities:
                yield from (("Entities(fields)", column) for column in entities.fields)
                yield from (("Entities(blocking)", column) for rule in entities.blocking for column in rule)
        yield from (("Gates(removed_by)", column) for column in self.gates.removed_by)
        yield from (("Drift(renamed)", column) for column in self.source.drift.renamed.values())
        yield from self._columns_of_policies()

    def _columns_of_policies(self) -> Iterator[tuple[str, str]]:
        for policy in (self.labels, self.annotators, self.split, self.coverage, self.leakage, self.shift):
            if policy is not None:
                own = {self.split.column} if self.split and policy is not self.split else set()
                yield from ((type(policy).__name__, column) for column in policy.columns if column not in own)
        if self.shift and self.shift.label:
            yield "Shift(label)", self.shift.label

    def _check_split(self, known: Sequence[str]) -> None:
        if self.split is None:
            if self.shift and self.shift.against == "test":
                raise DeclarationError("there is no split", expected="Split(...)", where="Shift(against='test')")
            return
        if self.split.column in known:
            raise DeclarationError(
                f"the model has a column {shown(self.split.column)}",
                where="Split(column)",
                fix="Name the split's column otherwise: Split(..., column=...).",
            )
        types = {column.name: column.dtype for column in self.columns}
        for name in self.split.keys:
            if not is_key(types[name]):
                raise DeclarationError(
                    f"{shown(name)} is of {types[name]}",
                    expected="text, categories, whole numbers, dates or truth values",
                    where="Split(by)",
                )
        if self.split.at and not isinstance(types[self.split.at], pl.Date | pl.Datetime):
            raise DeclarationError(f"{shown(self.split.at)} is of {types[self.split.at]}", where="Split(at)")

    def _check_protected(self) -> None:
        # A column of the dump may have other splits than these.
        if self.split and self.labels and self.labels.split in (None, self.split.column):
            for name in self.labels.protect:
                if name not in SPLITS:
                    raise UnknownNameError.of("split", name, SPLITS, where="Labels(protect)")

    def _check_texts(self) -> None:
        near = self.dedupe.near if self.dedupe else None
        texts = {near.column: "Dedupe.Near(column)"} if near else {}
        if self.split and self.split.near:
            texts[self.split.near.column] = "Split(near)"
        texts |= dict.fromkeys(self.dedupe.canonical if self.dedupe else (), "Dedupe(canonical)")
        for column in self.columns:
            if column.name in texts and column.dtype != pl.String:
                found = f"{column.name} is a column of {column.dtype}"
                raise DeclarationError(found, expected="a column of text", where=texts[column.name])

    def _check_renamed(self, known: Sequence[str]) -> None:
        for name in self.source.drift.renamed:
            if name in known:
                raise DeclarationError(
                    f"{shown(name)} is a declared column",
                    expected="the name of a column in the dump -> its declared name",
                    where="Drift(renamed)",
                )

    def _check_groups(self) -> None:
        named = dict.fromkeys(name for group in (self.coverage.groups if self.coverage else ()) for name in group.keys)
        bands = {name for group in (self.coverage.groups if self.coverage else ()) for name in group.bands}
        for name in named:
            if name in self.personal and name not in bands and name not in self.categories:
                raise DeclarationError(
                    f"{shown(name)} is personal, and its values would stand in the report",
                    where="Coverage(groups)",
                    fix="Declare its categories with isin, or its bands.",
                )

    def _check_rules(self) -> None:
        ids = [rule.id for rule in self.rules]
        twice = sorted(rule_id for rule_id, times in Counter(ids).items() if times > 1)
        if twice:
            raise DeclarationError(f"two rules have the id {twice[0]}", fix="Rename the check or the column.")

    def _check_gates(self) -> None:
        rules = [rule.id for rule in self.rules if rule.kind == "table" or rule.severity is Severity.FAIL]
        for name in self.gates.actions:
            if name not in (known := [*Gates.names(), *AUDITS, *rules]):
                raise UnknownNameError.of("gate", name, known, where="Gates(actions)")

    @functools.cached_property
    def columns(self) -> tuple[ColumnSpec, ...]:
        """The model's columns in their order."""
        return columns_of(self.model)

    @functools.cached_property
    def categories(self) -> dict[str, tuple[Value, ...]]:
        """The declared values of each column that has them."""
        return categories_of(self.model)

    @functools.cached_property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule a row can break, the model's first; their order is the order of bits in a mask."""
        own = self.own_rules
        severities = {k: v for k, v in self.severities.items() if k not in {rule.id for rule in own}}
        return (*derive_rules(self.model, severities=severities), *own)

    @functools.cached_property
    def own_rules(self) -> tuple[Rule, ...]:
        """The rules that follow from the policies rather than from the model."""
        rules = [self._rule(f"record.{check}", None, check, reason) for check, reason in _RECORD_RULES.items()]
        for column in dict.fromkeys(correction.column for correction in self.corrections):
            reason = "a declared correction found its row, but not the wrong value that it expects"
            rules.append(self._rule(f"{column}.expect", column, "expect", reason, default=Severity.FAIL))
        if self.dedupe and self.dedupe.entities:
            reason = "another record may be about the same person or thing"
            default, kind = Severity.FAIL, "across_rows"
            rules.append(self._rule("entities.review", None, "review", reason, default=default, kind=kind))
        if self.dedupe:
            rules.append(self._conflict_rule(self.dedupe))
        if self.reviewed:
            named = [(f"{self.reviewed}.{check}", check, reason) for check, reason in _REVIEW_RULES.items()]
            rules += [self._rule(rule_id, self.reviewed, check, reason) for rule_id, check, reason in named]
        if self.labels:
            rules.append(self._label_rule(self.labels))
        return tuple(rules)

    def _label_rule(self, labels: Labels) -> Rule:
        column, sets_aside = labels.column, labels.action == "quarantine"
        reason = "a model that did not see it is sure of another label"
        default = Severity.QUARANTINE if sets_aside else Severity.WARN
        return self._rule(f"{column}.{LABEL_ERROR}", column, LABEL_ERROR, reason, default=default, kind="across_rows")

    def _conflict_rule(self, dedupe: Dedupe) -> Rule:
        # A policy that compares content chooses between rows that differ; first and last would choose by luck.
        chosen = dedupe.keep in CHOOSING
        reason = "another record has the same key and other content"
        default = Severity.WARN if chosen else Severity.QUARANTINE
        return self._rule(f"{self.key_name}.conflict", None, "conflict", reason, default=default, kind="across_rows")

    def _rule(
        self,
        rule_id: str,
        column: str | None,
        check: str,
        reason: str,
        *,
        default: Severity = Severity.QUARANTINE,
        kind: str = "row",
    ) -> Rule:
        severity = self.severities.get(rule_id, default)
        return Rule(id=rule_id, column=column, check=check, kind=kind, severity=severity, reason=reason)  # type: ignore[arg-type]

    @property
    def key_name(self) -> str:
        """Name of the deduplication key, as it stands in rule ids."""
        return "+".join(self.dedupe.key) if self.dedupe else ""

    @property
    def reviewed(self) -> str | None:
        """The column about whose cells reviewers decide: labels, else votes; None where neither is declared."""
        if self.labels:
            return self.labels.column
        return self.annotators.label if self.annotators else None

    @property
    def subjects(self) -> tuple[str, ...]:
        """Columns whose values tell whose record a row is."""
        return tuple(column.name for column in self.columns if column.subject)

    @property
    def personal(self) -> frozenset[str]:
        """Columns whose values are shown to nobody in logs, artifacts and reports."""
        return frozenset(column.name for column in self.columns if column.personal)
