"""The command line: `winnow`.

Belongs here: the application, and which commands it has. Does not belong here: the commands (the modules `cli_*`), how
they print (console), or what they compute (tasks).

Commands that only read never import Prefect, pandera or pandas: they answer within a second.
"""

from __future__ import annotations

import io
import sys

import typer

from flows import (
    cli_diff,
    cli_duplicates,
    cli_erasure,
    cli_export,
    cli_gc,
    cli_inspect,
    cli_moves,
    cli_rebuild,
    cli_review,
    cli_run,
    cli_serve,
    cli_status,
)

app = typer.Typer(
    name="winnow",
    help="Cleans machine-learning training data every night and can prove what it did.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (
    cli_run.COMMANDS,
    cli_inspect.COMMANDS,
    cli_duplicates.COMMANDS,
    cli_status.COMMANDS,
    cli_moves.COMMANDS,
    cli_diff.COMMANDS,
    cli_export.COMMANDS,
    cli_rebuild.COMMANDS,
    cli_erasure.COMMANDS,
    cli_gc.COMMANDS,
    cli_serve.COMMANDS,
    cli_review.COMMANDS,
):
    for name, command in group.items():
        app.command(name)(command)

review = typer.Typer(help="Takes doubtful labels to reviewers, and their decisions back.", no_args_is_help=True)
for name, command in cli_review.REVIEW.items():
    review.command(name)(command)
app.add_typer(review, name="review")


def main() -> None:
    """Runs the command line; the process exits with 0 done, 1 stopped by the data, 2 wrong usage, 3 environment."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows fewer characters than the data has shows their escapes.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()


if __name__ == "__main__":
    main()
