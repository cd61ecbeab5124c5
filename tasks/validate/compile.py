"""Compiles a model's rules into expressions that give each row a bit mask of the rules it breaks.

Belongs here: from statements (schemas/rules) to polars expressions, and the passes over a frame that evaluate them.
Does not belong here: the layout of the mask (mask), its words for people (reasons), or what a broken rule does to its
row (stage).

Rules about one row are evaluated in one pass, chunk by chunk. Rules that look across rows need the whole table: run
chunk by chunk, a uniqueness would see its chunk only. Rules about the table give one verdict and set no bit.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from schemas.capture import PASSES, How, run
from schemas.columns import columns_of
from schemas.errors import DeclarationError
from schemas.rules import CASTABLE, NOT_NULLABLE, Rule, Statement, statements_of
from tasks.validate import mask

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from schemas.pandera_model import DeclaredCheck, PanderaModel
    from schemas.records import Severity


@dataclass(frozen=True, slots=True)
class Part:
    """A rule and how it is evaluated.

    Attributes:
        rule: the rule.
        broken: True where it is broken, never null; None where no expression over typed columns can say so.
        how: native, python (calls Python for each cell) or fallback (calls the check's own function).
        why: why it is not native; empty if it is.
        reads: columns of which a cell that could not be cast makes the rule unknown, and so not broken.
        fallback: the check whose function is called, or None.
        unique: the columns in which no two rows may agree, if the rule says that and no more; else none. Such a rule
            can be judged by those rows alone whose values stand in another row too.
    """

    rule: Rule
    broken: pl.Expr | None
    how: How = "native"
    why: str = ""
    reads: tuple[str, ...] = ()
    fallback: DeclaredCheck | None = None
    unique: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """The rules of a data set as expressions.

    Attributes:
        parts: one for each rule, in the order of bits.
        columns: the model's columns.
    """

    parts: tuple[Part, ...]
    columns: tuple[str, ...]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules, in the order of bits."""
        return tuple(part.rule for part in self.parts)

    @property
    def words(self) -> list[str]:
        """Names of the mask's columns."""
        return mask.words(len(self.parts))

    def with_rules(self, rules: Iterable[tuple[Rule, pl.Expr | None]]) -> CompiledRules:
        """The same rules and, after them, others that are no pandera checks.

        Args:
            rules: each with a Boolean expression that is True where it is broken; null counts as not broken. The kind
                of the rule says what evaluates it: `row_words`, `across` or `table_verdicts` (where the expression
                must give one value). None keeps a bit that nothing here sets.

        Raises:
            DeclarationError: two rules have the same id.
        """
        added = [Part(rule, None if broken is None else broken.fill_null(value=False)) for rule, broken in rules]
        parts = (*self.parts, *added)
        ids = [part.rule.id for part in parts]
        twice = sorted(rule_id for rule_id, times in Counter(ids).items() if times > 1)
        if twice:
            raise DeclarationError(f"two rules have the id {twice[0]}", fix="Rename the check or the column.")
        return replace(self, parts=parts)

    def row_words(self, uncastable: Mapping[str, pl.Expr] | None = None) -> list[pl.Expr]:
        """The mask of the rules that look at one row, for one `with_columns` over the typed columns.

        Args:
            uncastable: column -> whether its cell held something that could not be cast, and is null for that reason.
                Such a cell breaks `castable`; every other rule that reads it is unknown, and so not broken.

        Returns:
            One UInt64 expression for each of `words`; bits of other kinds of rules are 0.
        """
        known = uncastable or {}
        broken = {number: _without(part, part.broken, known) for number, part in self._of_kind("row")}
        broken |= {
            number: known[str(part.rule.column)].fill_null(value=False)
            for number, part in self._castable()
            if part.rule.column in known
        }
        return mask.set_bits({number: expr for number, expr in broken.items() if expr is not None}, len(self.parts))

    @property
    def across_columns(self) -> tuple[str, ...]:
        """The columns that `across` and `table_verdicts` read: the model's in its order, then others by name."""
        return self.columns_read(part.rule for part in self.parts if part.rule.kind != "row")

    def columns_read(self, rules: Iterable[Rule]) -> tuple[str, ...]:
        """The columns that these rules about more than one row read: the model's in its order, then others by name."""
        asked = {rule.id for rule in rules}
        wide = [part for part in self.parts if part.rule.id in asked]
        read = {name for part in wide if part.broken is not None for name in part.broken.meta.root_names()}
        if any(part.fallback for part in wide):
            read |= set(self.columns)
        return (*(name for name in self.columns if name in read), *sorted(read - set(self.columns)))

    def across(self, frame: pl.LazyFrame, only: Container[Rule] | None = None) -> pl.LazyFrame:
        """Adds the bits of the rules that look across rows.

        Args:
            frame: a whole table, with `across_columns`. If it has the mask's words already, the bits are added to
                them, and a cell that broke `castable` makes the rules that read it unknown for its row.
            only: the rules that are wanted, and no others; the frame needs no more than the `columns_read` by them.

        Returns:
            The frame, in its order, with all of the mask's words.
        """
        has_words = set(self.words) <= set(frame.collect_schema().names())
        uncastable = {str(part.rule.column): mask.bit(number) for number, part in self._castable()} if has_words else {}
        parts = {number: part for number, part in self._of_kind("across_rows") if only is None or part.rule in only}
        answers = {number: f"{PASSES}{number}" for number, part in parts.items() if part.fallback}
        broken = {
            number: _without(part, _failed(part, answers.get(number, "")), uncastable) for number, part in parts.items()
        }
        words = mask.set_bits({number: expr for number, expr in broken.items() if expr is not None}, len(self.parts))
        if has_words:
            words = [pl.col(name) | word for name, word in zip(self.words, words, strict=True)]
        return self._with_answers(frame, answers).with_columns(words).drop(answers.values())

    def table_verdicts(self, frame: pl.LazyFrame) -> list[tuple[Rule, bool]]:
        """The rules about the table as a whole, each with whether it is broken.

        Args:
            frame: the whole table, with `across_columns`.

        Raises:
            DeclarationError: a check gives more than one verdict on this table.
        """
        return [(part.rule, self._breaks(frame, part)) for _, part in self._of_kind("table")]

    def broken(self, *severities: Severity) -> pl.Expr:
        """True where a rule of one of these severities is broken, by the mask's words."""
        return mask.any_of(number for number, rule in enumerate(self.rules) if rule.severity in severities)

    def _of_kind(self, kind: str) -> Iterator[tuple[int, Part]]:
        return ((number, part) for number, part in enumerate(self.parts) if part.rule.kind == kind)

    def _castable(self) -> Iterator[tuple[int, Part]]:
        own = ((number, part) for number, part in self._of_kind("row") if part.broken is None)
        return ((number, part) for number, part in own if part.rule.check == CASTABLE)

    def _with_answers(self, frame: pl.LazyFrame, answers: Mapping[int, str]) -> pl.LazyFrame:
        """The frame and beside it, row by row, what the checks that are no expressions answer."""
        beside = [self._answer(frame, self.parts[number]).rename({PASSES: name}) for number, name in answers.items()]
        return pl.concat([frame, *beside], how="horizontal") if beside else frame

    def _answer(self, frame: pl.LazyFrame, part: Part) -> pl.LazyFrame:
        return run(part.fallback, frame, list(self.columns)) if part.fallback else frame

    def _breaks(self, frame: pl.LazyFrame, part: Part) -> bool:
        failed = _failed(part, PASSES)
        if failed is None:
            return False
        verdict = self._answer(frame, part).select(failed).collect(engine="streaming")
        if verdict.height != 1:
            raise DeclarationError(f"{verdict.height} verdicts", expected="one", where=f"rule {part.rule.id}")
        return bool(verdict.item())


def compile_rules(model: PanderaModel, rules: Sequence[Rule]) -> CompiledRules:
    """Compiles the rules that `derive_rules` derived from a model.

    Args:
        model: the model.
        rules: all of its rules in their order, which becomes the order of bits.

    Raises:
        ValueError: these are not the model's rules.

    Example:
        >>> import pandera.polars as pa
        >>> from schemas.rules import derive_rules
        >>> class Trips(pa.DataFrameModel):
        ...     fare: float = pa.Field(ge=0)
        >>> compiled = compile_rules(Trips, derive_rules(Trips))
        >>> trips = pl.DataFrame({"fare": [1.5, -1.0, None]})
        >>> trips.with_columns(compiled.row_words())["_mask0"].to_list()  # bit 1: not_nullable, bit 2: at least 0
        [0, 4, 2]
    """
    statements = statements_of(model)
    if [rule.id for rule in rules] != [statement.id for statement in statements]:
        message = "the rules are not those of the model"
        raise ValueError(message)
    dtypes = {column.name: column.dtype for column in columns_of(model)}
    parts = tuple(_part(rule, statement, dtypes) for rule, statement in zip(rules, statements, strict=True))
    return CompiledRules(parts, tuple(dtypes))


def _part(rule: Rule, statement: Statement, dtypes: Mapping[str, pl.DataType]) -> Part:
    check, captured = statement.declared, statement.captured
    if check and captured and captured.passes is None:
        return Part(rule, None, captured.how, captured.why, statement.columns or tuple(dtypes), check)
    if check and captured and captured.passes is not None:
        # The built-in checks answer null for a null; others may make anything of it.
        reads = () if check.builtin and check.ignore_na else tuple(captured.passes.meta.root_names())
        return Part(rule, ~captured.passes.fill_null(check.ignore_na), captured.how, captured.why, reads)
    if statement.check == CASTABLE:
        return Part(rule, None)
    if statement.check == NOT_NULLABLE:
        (name,) = statement.columns
        return Part(rule, _missing(name, dtypes[name]), reads=statement.columns)
    return Part(rule, _repeated(statement.columns), unique=tuple(statement.columns))


def _missing(name: str, dtype: pl.DataType) -> pl.Expr:
    missing = pl.col(name).is_null()
    return missing | pl.col(name).is_nan().fill_null(value=False) if dtype.is_float() else missing


def _repeated(names: Sequence[str]) -> pl.Expr:
    # A row that lacks a part of its key is the duplicate of none, as in Dedupe; to pandera, nulls equal each other.
    key = pl.struct(names) if len(names) > 1 else pl.col(names[0])
    return pl.all_horizontal(pl.col(name).is_not_null() for name in names) & key.is_duplicated()


def _failed(part: Part, answer: str) -> pl.Expr | None:
    """Where a rule is broken, given the column in which a fallback's answer lies."""
    if part.fallback is None:
        return part.broken
    return ~pl.col(answer).fill_null(part.fallback.ignore_na)


def _without(part: Part, broken: pl.Expr | None, uncastable: Mapping[str, pl.Expr]) -> pl.Expr | None:
    """The expression, not true where the rule reads a cell that could not be cast."""
    unknown = [uncastable[name] for name in part.reads if name in uncastable]
    if broken is None or not unknown:
        return broken
    return broken & ~pl.any_horizontal(unknown).fill_null(value=False)
