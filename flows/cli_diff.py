"""The command that compares two versions.

Belongs here: its arguments and what it prints. Does not belong here: the comparison (tasks/diff).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from flows.cli_inspect import AsJson
from flows.cli_moves import open_home, partition_row
from flows.console import emit, say, table, told, visible
from flows.settings import load_settings
from schemas.errors import DatasetNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from tasks.diff.columns import Distribution, ValueCount
    from tasks.diff.report import ColumnDiff, DiffReport, RowDiff

#: Characters of a value in a table.
_SHOWN = 40


def diff(
    before: Annotated[str, typer.Argument(metavar="DATASET@A", help="The one version: number, tag or date.")],
    after: Annotated[
        str | None, typer.Argument(metavar="[DATASET@B]", help="The other one; default: the newest.")
    ] = None,
    *,
    key: Annotated[
        list[str] | None,
        typer.Option(help="Column that tells rows apart within a partition; may be given again. Default: as declared."),
    ] = None,
    rows: Annotated[int, typer.Option(help="Show so many rows of each kind that differ.", min=0, max=1_000)] = 0,
    as_json: AsJson = False,
) -> None:
    """Says how two versions differ: partitions, books, rules, columns, values and rows."""
    from flows.references import manifest_of
    from tasks.diff.stage import diff as compared

    with told(as_json=as_json):
        store = open_home()
        one = manifest_of(store, before)
        other = manifest_of(store, after or one.dataset)
        declared, personal = _declared(one.dataset)
        found = compared(store, one, other, key=key or declared, personal=personal, rows=rows)
        emit(found) if as_json else _say(found, undeclared=personal is None)


def _declared(dataset: str) -> tuple[tuple[str, ...], Collection[str] | None]:
    """The declared key and the personal columns; of a data set that is no longer declared, every column may be one."""
    from flows.cards import card_of

    try:
        card = card_of(dataset, load_settings().folders)
    except DatasetNotFoundError:
        return (), None
    return card.key, card.personal


def _say(found: DiffReport, *, undeclared: bool) -> None:
    say(f"{found.dataset}@{found.before} -> {found.dataset}@{found.after}")
    if found.same:
        say("Both have the same content.")
        return
    if undeclared:
        say(f"{found.dataset} is not declared any more: no values are shown, since any of them may be personal.")
    say()
    table("Partitions", ["partition", "change", "rows before", "rows after"], map(partition_row, found.partitions))
    say()
    _say_counts(found)
    columns = [(each.column, *_column(each)) for each in found.columns]
    table(
        "Columns, in the partitions that differ",
        ["column", "change", "missing", "mean", "range", "values"],
        columns,
    )
    say()
    by = f"by {', '.join(found.key)}" if found.key else "as a whole, for want of a key"
    rows = found.rows
    say(
        f"Rows {by}: {rows.added:,} added, {rows.removed:,} removed, {rows.changed:,} changed, "
        f"{rows.unchanged:,} unchanged in those partitions."
    )
    if rows.repeated_keys:
        say(f"{rows.repeated_keys:,} keys are repeated in a partition; their rows were compared as a whole.")
    for row in found.sample:
        _say_row(row)


def _say_counts(found: DiffReport) -> None:
    before, after = (msgspec.structs.asdict(books) for books in (found.books_before, found.books_after))
    fates = [(name, before[name], after[name], after[name] - before[name]) for name in before]
    table("Books", ["", "before", "after", "difference"], fates)
    say()
    if found.rules:
        rules = [(each.rule, each.before, each.after, each.after - each.before) for each in found.rules]
        table("Rules", ["rule", "before", "after", "difference"], rules)
        say()


def _column(column: ColumnDiff) -> tuple[str, ...]:
    change = column.change or ""
    if column.change == "retyped":
        change = f"{column.dtype_before} -> {column.dtype_after}"
    pair = (column.before, column.after)
    return (
        change,
        _both(*(f"{each.nulls:,}" if each else "" for each in pair)),
        _both(*(_number(each.mean) if each else "" for each in pair)),
        _both(*(_range(each) if each else "" for each in pair)),
        "; ".join(_values(column)),
    )


def _values(column: ColumnDiff) -> Iterator[str]:
    if column.personal:
        yield "(personal)"
    counts = [each.distinct for each in (column.before, column.after) if each]
    if any(count is not None for count in counts):
        yield "distinct " + _both(*("many" if count is None else f"{count:,}" for count in counts))
    for what, values in (("new", column.new), ("vanished", column.vanished)):
        if values:
            yield f"{what}: {', '.join(map(_value, values[:3]))}"


def _value(value: ValueCount) -> str:
    return f"{visible(value.value)[:_SHOWN]} ({value.rows:,})"


def _both(before: str, after: str = "") -> str:
    return before if before == after or not after else f"{before} -> {after}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.6g}"


def _range(found: Distribution) -> str:
    if found.least is None:
        return ""
    return " to ".join(each if isinstance(each, str) else _number(each) for each in (found.least, found.greatest))


def _say_row(row: RowDiff) -> None:
    key = ", ".join(f"{name}={visible(value)[:_SHOWN]}" for name, value in row.key.items())
    records = " -> ".join(each for each in (row.record_before, row.record_after) if each)
    say(f"{row.kind} in {row.partition}: {key or records}" + (f"  ({records})" if key else ""))
    for cell in row.cells:
        before, after = ("missing" if each is None else visible(each)[:_SHOWN] for each in (cell.before, cell.after))
        told_cell = {"added": after, "removed": before}.get(row.kind, f"{before} -> {after}")
        say(f"    {cell.column}: {told_cell}")


COMMANDS: dict[str, Callable[..., None]] = {"diff": diff}
