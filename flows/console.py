"""Console: how the command line speaks. Tables and colours to a terminal, one JSON object a line to a program.

Belongs here: printing, and turning errors into messages and exit codes. Does not belong here: what is printed (the
commands know that), or anything that computes.
"""

from __future__ import annotations

import json
import sys
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from schemas.errors import EXIT_ENVIRONMENT, WinnowError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rich.console import Console

#: Characters that the last column of a table has at least, however narrow the terminal is.
_NARROWEST = 24


def console(*, stderr: bool = False) -> Console:
    """The console for people; colours only on a terminal, and none of rich's guessing about what text means."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True, stderr=stderr)


def emit(value: object) -> None:
    """Prints a record as one line of JSON, in ASCII, so that no character in it can drive the terminal.

    Structs, dates and tuples are written as JSON has them, and a number that JSON has not (NaN, infinity) as null.
    """
    plain = msgspec.json.decode(msgspec.json.encode(value, enc_hook=str))
    sys.stdout.write(json.dumps(plain) + "\n")
    sys.stdout.flush()


def visible(value: object) -> str:
    r"""A value from data with its control characters shown as escapes, so that it can't drive the terminal.

    Example:
        >>> visible("\x1b[31mred")
        '\\x1b[31mred'
    """
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, gap: int = 2) -> None:
    """Prints a table; numbers go to the right with their thousands apart, and None is a dash.

    Only the last column is wrapped where the terminal is narrow: the others hold names, which must stay whole.
    """
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    heading = Text(title) if title else None
    made = Table(
        title=heading, title_justify="left", header_style="bold", box=None, pad_edge=False, padding=(0, gap, 0, 0)
    )
    cells = [list(row) for row in rows]
    texts = [[_cell(cell) for cell in row] for row in cells]
    out, least = console(), 0
    for index, name in enumerate(columns):
        number = all(isinstance(row[index], int | None) for row in cells)
        last = index == len(columns) - 1
        whole = max(cell_len(text) for text in [name, *(row[index] for row in texts)])
        least += gap + (min(whole, _NARROWEST) if last else whole)
        made.add_column(name, justify="right" if number else "left", no_wrap=not last, overflow="fold")
    for row in texts:
        made.add_row(*(Text(text) for text in row))
    out.width = max(out.width, least)  # too narrow a terminal wraps the lines; rich would leave columns out
    out.print(made)


def _cell(cell: object) -> str:
    if cell is None:
        return "-"
    return f"{cell:,}" if isinstance(cell, int) else visible(cell)


def say(text: str = "") -> None:
    """Prints a line for a person; control characters in it are shown and don't reach the terminal."""
    sys.stdout.write(f"{visible(text)}\n")


@contextmanager
def progress() -> Iterator[Callable[[str, float], None]]:
    """A callback that shows on a terminal what is done, and the share of it from 0 to 1; elsewhere it shows nothing."""
    shown_on = console(stderr=True)
    if not shown_on.is_terminal:
        yield lambda _what, _share: None
        return
    from rich.text import Text

    with shown_on.status("") as status:
        yield lambda what, share: status.update(Text(f"{visible(what)}: {share:.0%}"))


@contextmanager
def told(*, as_json: bool) -> Iterator[None]:
    """Turns an error of ours into a message and an exit code; any other is a defect and keeps its traceback."""
    try:
        yield
    except WinnowError as error:
        _tell(error.as_record() | {"message": str(error)}, f"{error.kind}: {error}", as_json=as_json)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        message = "Interrupted; run the same command again to finish."
        record = {"error": "Interrupted", "exit_code": EXIT_ENVIRONMENT, "message": message}
        _tell(record, message, as_json=as_json)
        raise SystemExit(EXIT_ENVIRONMENT) from None
    except BrokenPipeError:  # whoever reads our output has enough of it; typer ends quietly
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
        # A defect of ours: its stack is what a report of it needs, and its code must not look like a verdict on data.
        traceback.print_exc()
        message = f"{type(error).__name__}: a defect in Winnow; please report it with the lines above."
        _tell({"error": "Defect", "exit_code": EXIT_ENVIRONMENT, "message": message}, message, as_json=as_json)
        raise SystemExit(EXIT_ENVIRONMENT) from None


def _tell(record: dict[str, Any], message: str, *, as_json: bool) -> None:
    if as_json:
        emit(record)
    else:
        console(stderr=True).print("\n".join(visible(line) for line in message.split("\n")), style="red")
