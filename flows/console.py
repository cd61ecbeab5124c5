"""Console: how the command line speaks. Tables and colours to a terminal, one JSON object a line to a program.

Belongs here: printing, and turning errors into messages and exit codes. Does not belong here: what is printed (the
commands know that), or anything that computes.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from schemas.errors import EXIT_ENVIRONMENT, WinnowError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console


def console() -> Console:
    """The console for people; colours only on a terminal, and none of rich's guessing about what text means."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def emit(value: object) -> None:
    """Prints a record as one line of JSON; structs, paths and tuples as JSON has them."""
    sys.stdout.write(json.dumps(msgspec.to_builtins(value, enc_hook=str), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def visible(value: object) -> str:
    r"""A value from data with its control characters shown as escapes, so that it can't drive the terminal.

    Example:
        >>> visible("\x1b[31mred")
        '\\x1b[31mred'
    """
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table; numbers go to the right with their thousands apart."""
    from rich.table import Table
    from rich.text import Text

    heading = Text(title) if title else None
    made = Table(title=heading, title_justify="left", header_style="bold", box=None, pad_edge=False)
    cells = [list(row) for row in rows]
    for index, name in enumerate(columns):
        number = bool(cells) and all(isinstance(row[index], int | float) for row in cells)
        made.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in cells:
        made.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else visible(cell)) for cell in row))
    console().print(made)


def say(text: str = "") -> None:
    """Prints a line for a person."""
    console().print(text)


@contextmanager
def told(*, as_json: bool) -> Iterator[None]:
    """Turns an error of ours into a message and an exit code; any other error is a defect and keeps its traceback."""
    try:
        yield
    except WinnowError as error:
        _tell(error.as_record() | {"message": str(error)}, f"{error.name}: {error}", as_json=as_json)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        _tell({"error": "Interrupted"}, "Interrupted; run the same command again to finish.", as_json=as_json)
        raise SystemExit(EXIT_ENVIRONMENT) from None


def _tell(record: dict[str, Any], message: str, *, as_json: bool) -> None:
    if as_json:
        emit(record)
    else:
        from rich.console import Console

        Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(message, style="red")
