"""Verdicts: what is found of candidates in the light of others, with few of them in memory at once.

Belongs here: which rules look at keys only, and the order of precedence between the verdicts. Does not belong here:
a verdict over rows that are in memory (exact, tasks/validate), or moving rows (stage).

The order of precedence: a record that breaks a quarantining rule about itself is quarantined, and is no candidate; of
the others, one that conflicts with another is quarantined where the conflict rule says so; of the others, one that
does not survive is a duplicate; of the survivors, one whose text is nearly that of a preferred one, or that is about
the same entity, is a duplicate, too;
of those that are left, one that breaks a quarantining rule across rows is quarantined; the
rest is kept.

Memory: duplicates, conflicts and uniqueness, of one column or several, are found by their keys alone, which go to the
disk when they are many. Labels are judged with the columns that a model reads in memory. A rule across rows that a
declaration writes as an expression of its own may look at anything: for it all candidates are held in memory with the
columns that it reads.
"""

from __future__ import annotations

import functools
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, Protocol

import polars as pl

from schemas.dataset import LABEL_ERROR
from schemas.records import CLUSTER, DIFFERING, Severity
from tasks.dedupe.candidates import InOrder
from tasks.dedupe.entities.among import same_entities
from tasks.dedupe.exact import PLACE, decide, representatives
from tasks.dedupe.near.among import near_duplicates
from tasks.dedupe.repeated import HASH, HASHES, ROW, gather, witnessed
from tasks.dedupe.stars import without_evidence
from tasks.job import CONFLICT, MISLABELLED, REVIEW
from tasks.validate import mask

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from schemas.dataset import Dataset
    from schemas.rules import Rule
    from tasks.dedupe.candidates import Block, Candidates
    from tasks.dedupe.exact import Verdict
    from tasks.dedupe.repeated import Part, Parts
    from tasks.validate.compile import CompiledRules

#: The other record of a conflict, null for a row that is in none.
CONFLICTING = {"_other_input": pl.UInt32(), "_other_record": pl.UInt64()}


class Limits(NamedTuple):
    """How many rows may be in memory of each kind; what is beyond that lies on the disk meanwhile."""

    hashes: int = 16_000_000
    """Of 8 bytes each."""
    members: int = 400_000
    """Rows of keys that occur more than once, with all columns."""
    verdicts: int = 1_000_000
    """Rows that are named with a number or two."""


class Spills(Protocol):
    """Makes an empty spill; see `tasks.store.spill.Spill`."""

    def __call__(self, name: str, *, by: str, numbers: int, at_once: int) -> Parts: ...  # noqa: D102


class JudgeOfLabels(Protocol):
    """Says which labels look wrong; see `tasks.audit.labels`.

    Attributes:
        columns: those of the candidates that it reads.
    """

    columns: Sequence[str]

    def judge(self, rows: pl.DataFrame) -> pl.Series: ...  # noqa: D102


class Found(NamedTuple):
    """What was found of a block's rows; None where nothing was.

    Attributes:
        duplicates: rows that do not survive: `_row` UInt64, `_of_input`, `_of_record`, `_differs`, `_differing` and
            `_cluster` as in `Verdict`, and the evidence of near-duplicates where these are looked for.
        across: rows that break any rule across rows: `_row`, the mask's words, and `_other_input`, `_other_record`
            where the row is in conflict.
    """

    duplicates: pl.DataFrame | None
    across: pl.DataFrame | None


class Verdicts:
    """The verdicts on all candidates.

    Attributes:
        broken: how many rows break each rule across rows, by its id; of the conflict rule, whatever became of them.
    """

    def __init__(
        self,
        candidates: Candidates,
        dataset: Dataset,
        rules: CompiledRules,
        spills: Spills,
        limits: Limits,
        labels: JudgeOfLabels | None = None,
    ) -> None:
        """Finds them.

        Args:
            candidates: the rows.
            dataset: the data set.
            rules: its rules.
            spills: makes what takes rows that are too many.
            limits: how many that are.
            labels: judges the labels of all survivors at once, where that is declared.
        """
        self._candidates, self._dataset, self._rules = candidates, dataset, rules
        self._names = [column.name for column in dataset.columns]
        self._spills, self._limits = spills, limits
        self._conflict = next((rule for rule in dataset.own_rules if rule.check == "conflict"), None)
        self._labels = labels
        self._mislabelled = next((rule for rule in dataset.own_rules if rule.check == LABEL_ERROR), None)
        self._review = next((rule for rule in dataset.own_rules if rule.check == "review"), None)
        self._wider = bool(dataset.dedupe and (dataset.dedupe.near or dataset.dedupe.entities))
        self._duplicates = self._by_row("duplicates")
        self._disputed, self._alike = self._by_row("disputed"), self._by_row("alike")
        self._linked = self._by_row("linked")
        self._across = self._by_row("across")
        self.broken: Counter[str] = Counter()
        self._decide()
        self._duplicates.done()
        self._disputed.done()
        self._compare()
        self._link()
        self._judge()
        self._across.done()

    def named(self) -> Iterator[tuple[Block, Found]]:
        """Blocks with what was found of their rows; none at all where nothing was found."""
        found = any(each.rows for each in (*self._gone, self._across))
        return self.blocks() if found else iter(())

    def blocks(self) -> Iterator[tuple[Block, Found]]:
        """Every block with what was found of its rows."""
        exact, *others = (InOrder(each) for each in self._gone)
        across = InOrder(self._across)
        for block in self._candidates.blocks():
            gone = self._all(exact.before(block.stop), [each.before(block.stop) for each in others])
            yield block, Found(gone, self._merged(across.before(block.stop)))

    @property
    def _gone(self) -> tuple[Parts, ...]:
        """The rows that do not survive: by their key, by their text, and by the entity that they are about."""
        return (self._duplicates, self._alike, self._linked)

    # --- duplicates and conflicts -------------------------------------------------------------------------------------

    def _decide(self) -> None:
        dedupe = self._dataset.dedupe
        if not dedupe:
            return
        columns = [*self._names, *(name for name in dedupe.compared if name not in self._names)]
        for members in self._gathered("duplicates", dedupe.compared, columns, survivors=False):
            stand_for_all = functools.partial(representatives, dedupe=dedupe, columns=self._names)
            for portion, rows in witnessed(members.portions, stand_for_all, ROW):
                self._enter(decide(rows.lazy(), dedupe, self._names), portion.select(*PLACE, ROW))

    def _enter(self, verdict: Verdict, told: pl.DataFrame) -> None:
        """Enters what a verdict says of the rows in `told`."""
        duplicates, conflicts = (each.join(told, on=PLACE) for each in (verdict.duplicates, verdict.conflicts))
        if self._conflict and self._conflict.severity is not Severity.WARN:
            duplicates = duplicates.join(conflicts, on=PLACE, how="anti")
        self._duplicates.add(duplicates.select(ROW, "_of_input", "_of_record", "_differs", DIFFERING, CLUSTER))
        # Of the rows in conflict, those that did not survive are not judged; they count all the same.
        survivors = conflicts.join(duplicates, on=PLACE, how="anti")
        if self._conflict:
            self._break(survivors.with_columns(pl.lit(value=True).alias(CONFLICT)).lazy(), [self._conflict])
            self.broken[self._conflict.id] += conflicts.height - survivors.height
            if self._wider and self._conflict.severity is not Severity.WARN:
                self._disputed.add(survivors.select(ROW))

    # --- similar texts, the same entities -----------------------------------------------------------------------------

    def _compare(self) -> None:
        """Looks for near-duplicates among the rows that are left."""
        dedupe = self._dataset.dedupe
        if dedupe and dedupe.near:
            left = functools.partial(self._without, self._duplicates, self._disputed)
            at_once = self._limits.hashes
            for found in near_duplicates(left, dedupe, dedupe.near, self._names, self._spills, at_once):
                self._alike.add(found)
        self._alike.done()

    def _link(self) -> None:
        """Looks for records of one entity among the rows that are left then."""
        dedupe = self._dataset.dedupe
        left = functools.partial(self._without, self._duplicates, self._disputed, self._alike)
        if dedupe and dedupe.entities and any(True for _ in left()):
            linked = same_entities(left, dedupe, dedupe.entities, self._names)
            for found in linked.duplicates:
                self._linked.add(found)
            if self._review and linked.doubtful.height and dedupe.entities.review is not None:
                self._break(linked.doubtful.with_columns(pl.lit(value=True).alias(REVIEW)).lazy(), [self._review])
        self._linked.done()

    def _all(self, exact: pl.DataFrame | None, others: Sequence[pl.DataFrame | None]) -> pl.DataFrame | None:
        """The duplicates of a block, whatever they are by, as one frame."""
        if exact is not None and self._wider:
            exact = exact.with_columns(without_evidence())
        found = [each for each in (exact, *others) if each is not None]
        return pl.concat(found).sort(ROW) if len(found) > 1 else found[0] if found else None

    # --- rules across rows --------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        across = [part for part in self._rules.parts if part.rule.kind == "across_rows"]
        own = (self._conflict, self._mislabelled, self._review)
        wide = [part for part in across if part.rule not in own]
        self._several = len(across) > 1
        for number, part in enumerate(each for each in wide if each.unique):
            two_of_each = functools.partial(_two_of_each, part.unique)
            for members in self._gathered(f"unique-{number}", part.unique, part.unique, survivors=True):
                for portion, rows in witnessed(members.portions, two_of_each, ROW):
                    self._break(rows.lazy(), [part.rule], portion)
        others = [part.rule for part in wide if not part.unique]
        if others:
            wanted = self._rules.columns_read(others)
            schema = pl.Schema({ROW: pl.UInt64(), **{name: self._candidates.schema[name] for name in wanted}})
            self._break(self._candidates.lazily(lambda: self._numbered_survivors(wanted), schema), others)
        if self._labels and self._mislabelled:
            self._judge_labels(self._labels, self._mislabelled)

    def _judge_labels(self, judge: JudgeOfLabels, rule: Rule) -> None:
        schema = {ROW: pl.UInt64(), **{name: self._candidates.schema[name] for name in judge.columns}}
        rows = pl.concat([pl.DataFrame(schema=schema), *self._numbered_survivors(judge.columns)])
        broken = judge.judge(rows).alias(MISLABELLED)
        self._break(rows.select(ROW).with_columns(broken).lazy(), [rule])

    def _numbered_survivors(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        for block in self._survivors():
            number = pl.int_range(block.start, block.stop, dtype=pl.UInt64, eager=True).alias(ROW)
            rows = block.frame.select(columns).rechunk()
            yield number.to_frame().hstack(rows.get_columns()).filter(block.stays())

    def _break(self, rows: pl.LazyFrame, rules: Container[Rule], told: pl.DataFrame | None = None) -> None:
        """Enters the rows that break one of these rules, or only those of them that are in `told`."""
        words = self._rules.words
        others = [name for name in CONFLICTING if name in rows.collect_schema()]
        missing = [pl.lit(None, dtype).alias(name) for name, dtype in CONFLICTING.items() if name not in others]
        judged = self._rules.across(rows, rules).filter(pl.any_horizontal(pl.col(word) != 0 for word in words))
        broken = judged.select(ROW, *words, *others, *missing).collect(engine="streaming")
        if told is not None:
            broken = broken.join(told, on=ROW, how="semi")
        for number, rule in enumerate(self._rules.rules):
            if rule in rules:
                self.broken[rule.id] += broken.select(mask.bit(number).sum()).item()
        self._across.add(broken)

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _gathered(self, name: str, key: Sequence[str], columns: Sequence[str], *, survivors: bool) -> Iterator[Part]:
        """The rows whose key stands in another row too, and some others; all rows of a key are in one part."""
        hashes = self._spills(f"hashes-{name}", by=HASH, numbers=HASHES, at_once=self._limits.hashes)
        rows = self._spills(f"rows-{name}", by=HASH, numbers=HASHES, at_once=self._limits.members)
        blocks = self._survivors if survivors else self._candidates.blocks
        gather(blocks, key, [*PLACE, *columns], hashes, rows)
        return rows.parts()

    def _survivors(self) -> Iterator[Block]:
        return self._without(*self._gone)

    def _without(self, *gone: Parts) -> Iterator[Block]:
        """All blocks, some rows of which are out."""
        out = [InOrder(each) for each in gone]
        for block in self._candidates.blocks():
            yield block.without(*(each.before(block.stop) for each in out))

    def _by_row(self, name: str) -> Parts:
        return self._spills(f"found-{name}", by=ROW, numbers=self._candidates.rows, at_once=self._limits.verdicts)

    def _merged(self, across: pl.DataFrame | None) -> pl.DataFrame | None:
        """One row for each that breaks rules, with the bits of all of them."""
        if across is None or not self._several:
            return across
        bits = [pl.col(word).bitwise_or() for word in self._rules.words]
        return across.group_by(ROW, maintain_order=True).agg(*bits, *(pl.col(name).max() for name in CONFLICTING))


def _two_of_each(key: Sequence[str], rows: pl.DataFrame) -> pl.DataFrame:
    """Two rows of each key, or one where there is no other: whether another row is alone can be told by them."""
    return rows.filter(pl.int_range(pl.len()).over(key) < 2)
