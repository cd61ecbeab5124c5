"""Fitness: what a declaration asks of a table that a model is to be fitted on. Splits, coverage, leaks, drift.

Belongs here: frozen parameter classes whose defaults do nothing, and the checks that can be made on them alone. Does
not belong here: policies about dumps and records (policies), or any code that acts on these (tasks/publish/splits,
tasks/audit).
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Literal

from pydantic import Field

from schemas.errors import DeclarationError, shown
from schemas.policies import Near, declared

#: What becomes of a run of which a gate was broken: it is told, kept for a person, or stopped.
Action = Literal["warn", "hold", "fail"]

#: The splits, in the order in which they take their part of all hashes: who adds a validation split later moves no
#: record into or out of the test split.
TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)

#: Cells that a group may have at most when they are counted out of what is declared.
MOST_CELLS = 10_000


@declared
class Split:
    """Which rows a model is fitted on, tuned on and tested on: a column of the clean table.

    By entity (the default way): a salted hash of `by` decides, and nothing else does. So a record keeps its split in
    all versions to come, all records of an entity are in one split, and two data sets with the same salt agree about
    an entity that both have. A row that lacks a part of `by` is an entity of its own.

    By time: what is at or after `test_from` is test, and so on. The moments are declared, so a row keeps its split.

    Stratified: within each partition and each value of `stratify` the shares are as near to the declared ones as whole
    entities can be. No rule can be stratified that exactly and look at one record alone, so this one looks at its
    partition: records keep their split as long as their partition's dump stays the same, and an entity that occurs in
    two partitions may come into two splits (which the audit of leaks tells). Use it for entities that do not return.

    By cluster: entities of which two rows of a partition have nearly the same text (`near`), and what a chain of such
    texts connects, are in one split, that of one of them. Like strata this looks at the partition, and with the same
    consequence; an entity whose texts are like no other's has the split that it has without `near`.

    Attributes:
        by: the column or columns that tell the entity: text, categories, whole numbers, dates or truth values.
        test: share of entities that are test.
        validation: share of entities that are validation; the rest is train.
        salt: another one gives another split.
        at: for a split by time: a column of dates or moments.
        test_from: for a split by time: ISO 8601.
        validation_from: for a split by time: ISO 8601, before `test_from`.
        stratify: a column in whose values the shares are to be alike.
        near: which texts of a partition are nearly the same and must be in one split; they are compared in memory.
        column: name of the column in the clean table.

    Example:
        >>> Split(by="ticket_id", test=0.1, validation=0.1).keys
        ('ticket_id',)
    """

    by: str | tuple[str, ...] = ()
    test: float = Field(default=0.0, ge=0, lt=1, allow_inf_nan=False)
    validation: float = Field(default=0.0, ge=0, lt=1, allow_inf_nan=False)
    salt: str = ""
    at: str | None = None
    test_from: str | None = None
    validation_from: str | None = None
    stratify: str | None = None
    near: Near | None = None
    column: str = Field(default="split", min_length=1, pattern="^[^_]")

    def __post_init__(self) -> None:
        if (self.at is not None) == bool(self.keys):
            raise DeclarationError("neither or both are said", expected="either `by` or `at`", where="Split")
        if self.near and self.stratify:
            raise DeclarationError("both `near` and `stratify`", expected="one of them", where="Split")
        self._check_time() if self.at is not None else self._check_shares()

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that tell the entity; none for a split by time."""
        return (self.by,) if isinstance(self.by, str) else self.by

    @property
    def columns(self) -> tuple[str, ...]:
        """All declared columns that it reads."""
        near = self.near.column if self.near else None
        return (*self.keys, *(name for name in (self.at, self.stratify, near) if name))

    @property
    def looks_at_partition(self) -> bool:
        """Whether a row's split depends on other rows of its partition."""
        return bool(self.stratify or self.near)

    @property
    def shares(self) -> dict[str, float]:
        """The declared share of each split; none for a split by time."""
        if self.at is not None:
            return {}
        told = {VALIDATION: self.validation, TEST: self.test}
        rest = float(1 - Decimal(str(self.test)) - Decimal(str(self.validation)))
        return {TRAIN: rest, **{name: share for name, share in told.items() if share}}

    def _check_shares(self) -> None:
        if self.test_from or self.validation_from:
            raise DeclarationError("moments without `at`", where="Split", fix="Name the column of the time: at=...")
        whole = self.test + self.validation
        if not 0 < whole < 1:
            raise DeclarationError(
                f"test and validation are {whole:g} of all", expected="more than 0 and less than 1", where="Split"
            )

    def _check_time(self) -> None:
        if self.test or self.validation or self.looks_at_partition or self.salt:
            raise DeclarationError("a split by time has no shares, strata, clusters or salt", where="Split(at)")
        moments = [moment for moment in (self.validation_from, self.test_from) if moment is not None]
        if not moments:
            raise DeclarationError("no moment is said", expected="test_from or validation_from", where="Split(at)")
        parsed = [moment_of(moment) for moment in moments]
        if parsed != sorted(set(parsed)):
            raise DeclarationError("test_from is not after validation_from", where="Split(at)")


def moment_of(text: str) -> dt.datetime:
    """The moment that a declaration writes; one without a zone is of UTC.

    Raises:
        DeclarationError: it is none.
    """
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise DeclarationError(f"{shown(text)} is no moment", expected="ISO 8601", where="Split(at)") from None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


@declared
class Group:
    """Groups of rows that must be there, and how many.

    Attributes:
        by: one column, or several whose combinations count.
        bands: of a column of numbers the values at which a new band begins: {"age": (18, 40, 65)}.
        min_rows: fewest rows of each group.
        min_share: smallest share (0 to 1) of each group among all rows.
        reference: share of each value in the population that the table is to stand for; for one column only.
        within_split: whether the floors hold in each split, too.

    Example:
        >>> Group(by=("sex", "age"), bands={"age": (18, 40, 65)}, min_rows=50).keys
        ('sex', 'age')
    """

    by: str | tuple[str, ...]
    bands: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    min_rows: int | None = Field(default=None, ge=1)
    min_share: float | None = Field(default=None, gt=0, lt=1)
    reference: dict[str, float] = Field(default_factory=dict)
    within_split: bool = False

    def __post_init__(self) -> None:
        if not self.keys or len(set(self.keys)) < len(self.keys):
            raise DeclarationError(f"it is by {self.keys}", expected="one or several columns", where="Group(by)")
        for name, edges in self.bands.items():
            if name not in self.keys:
                raise DeclarationError(f"{shown(name)} is not in `by`", where="Group(bands)")
            if not edges or list(edges) != sorted(set(edges)):
                raise DeclarationError(f"the bands of {shown(name)} do not rise", where="Group(bands)")
        if self.reference:
            self._check_reference()

    def _check_reference(self) -> None:
        whole = sum(self.reference.values())
        if len(self.keys) > 1:
            raise DeclarationError("a reference for several columns", where="Group(reference)")
        if any(share < 0 for share in self.reference.values()) or abs(whole - 1) > 1e-6:  # rounding of shares
            raise DeclarationError(f"the shares sum to {whole:g}", expected="1", where="Group(reference)")

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns."""
        return (self.by,) if isinstance(self.by, str) else self.by

    @property
    def name(self) -> str:
        """As it is called in reports and gates."""
        return " x ".join(self.keys)


@declared
class Coverage:
    """Which groups of rows a version must hold, and what becomes of a run without them.

    Attributes:
        groups: what is counted; declared categories count where they have no rows.
        label: a column by whose values each group is counted, too.
        confidence: of all intervals of one group together.
        action: what becomes of a run that breaks a floor.

    Example:
        >>> Coverage(groups=(Group("sex", min_share=0.3),)).action
        'hold'
    """

    groups: tuple[Group, ...] = ()
    label: str | None = None
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    action: Action = "hold"

    @property
    def columns(self) -> tuple[str, ...]:
        """All declared columns that it reads."""
        return (*(name for group in self.groups for name in group.keys), *((self.label,) if self.label else ()))


@declared
class Leakage:
    """What is asked of a version about leaks, and what becomes of a run with one.

    Attributes:
        label: the column that a model is to tell.
        entity: columns that tell whose a row is; those of `Split(by=...)` where none are named.
        event_time: a column of the moment at which the label was known.
        feature_times: columns of moments at which features were known; later than `event_time` they are leaks.
        near: which texts are nearly the same and must be in one split; None compares their letters and digits only.
        ignore: columns that are no features, such as keys kept for joining.
        error_rate: expected share of false findings among the findings of one run.
        action: what becomes of a run with a leak.
    """

    label: str | None = None
    entity: tuple[str, ...] = ()
    event_time: str | None = None
    feature_times: tuple[str, ...] = ()
    near: Near | None = None
    ignore: tuple[str, ...] = ()
    error_rate: float = Field(default=0.01, gt=0, lt=1)
    action: Action = "hold"

    def __post_init__(self) -> None:
        if self.feature_times and self.event_time is None:
            raise DeclarationError("feature_times without event_time", where="Leakage")

    @property
    def columns(self) -> tuple[str, ...]:
        """All declared columns that it reads by name."""
        near = self.near.column if self.near else None
        named = (*self.entity, *self.feature_times, *self.ignore, self.label, self.event_time, near)
        return tuple(name for name in named if name)


@declared
class Shift:
    """Which drift of values is too much, and against what; `Drift` is about columns that a dump has or lacks.

    Attributes:
        against: what the rows of the new partition are held against: the version before (`previous`), or the version
            of a number. `test` holds the test split of the whole version against its train split instead.
        columns: which columns; none named are all but keys.
        label: the column whose shift is told apart.
        max_psi: greatest population stability index of a column; 0.25 is the field's rule of thumb for a great change.
        max_missing_rise: greatest difference of the share of missing cells.
        error_rate: chance of any false alarm among all columns of one run (Holm).
        classifier: whether a classifier is asked to tell the two apart, too (needs the extra `labels`).
        max_accuracy: its greatest accuracy; one half is chance.
        action: what becomes of a run with drift.
    """

    against: Literal["previous", "test"] | int = "previous"
    columns: tuple[str, ...] = ()
    label: str | None = None
    max_psi: float = Field(default=0.25, gt=0)
    max_missing_rise: float = Field(default=0.05, ge=0, le=1)
    error_rate: float = Field(default=0.01, gt=0, lt=1)
    classifier: bool = False
    max_accuracy: float = Field(default=0.6, ge=0.5, lt=1)
    action: Action = "warn"
