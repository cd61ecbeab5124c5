"""Demo: a month of real flights, cleaned as an airline's nights would be.

Belongs here: the tour, what is run and shown in which order. Does not belong here: the dumps (demo_dumps), or the
flows, which are the ones that production runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.backfill import backfill
from flows.cards import cards
from flows.console import say, visible
from flows.demo_dumps import lay_out
from flows.nightly import nightly
from flows.outcomes import print_outcomes
from flows.references import manifest_of
from flows.settings import load_settings
from schemas.errors import SettingsError, shown
from tasks.ingest.listing import is_url
from tasks.report.quarantine import set_aside
from tasks.store.local import open_store
from tasks.store.versions import open_version

if TYPE_CHECKING:
    from tasks.store.home import Store

#: The data set of which the demo has a history.
_HISTORY = "flights"
_EXAMPLES = 10


def demo(nights: int, *, as_json: bool) -> None:
    """Lays out the dumps, cleans all nights but the last as history and the last as tonight's run, and shows the books.

    Args:
        nights: how many nights of January 2013.
        as_json: print each outcome as JSON instead of the tour.

    Raises:
        MissingExtraError: the packages with the data are not installed.
        SomeFailedError: a night was not published, as when its books do not balance.
    """
    settings = load_settings()
    tell = (lambda _text="": None) if as_json else say
    if is_url(settings.raw_root):
        found, fix = f"the raw root is {shown(settings.raw_root)}", "Unset WINNOW_RAW, or set it to a folder."
        raise SettingsError(found, expected="a folder for the demo's dumps", fix=fix)
    layout = lay_out(Path(settings.raw_root), nights=nights)
    dates = layout.partitions[_HISTORY]
    tell(f"{len(layout.files)} dumps of {len(layout.partitions)} data sets lie in {settings.raw_root}.")
    for fault in layout.faults:
        tell(f"  planted: {fault}")
    for note in layout.notes:
        tell(f"  note: {note}")
    tell(f"Cleaning {len(dates) - 1} nights of {_HISTORY} as history, then {dates[-1]} of every data set as tonight's.")
    outcomes = [
        *backfill(_HISTORY, dates[0], dates[-2]),
        *nightly(sorted(layout.partitions)),
    ]
    cards(settings.folders)  # while pandera is there: the first `winnow list` finds them made
    tell()
    tell("The books, which balance: records = kept + duplicate + quarantined + rejected")
    print_outcomes(outcomes, as_json=as_json)
    if as_json:
        return
    store = open_store(settings.store_root)
    _set_aside(store, dates[-1])
    _readers(store)
    _where(store)


def _set_aside(store: Store, partition: str) -> None:
    found = set_aside(store, manifest_of(store, _HISTORY), partition=partition, limit=_EXAMPLES)
    say()
    shown = f"{len(found.records)} of {found.total} records"
    say(f"Set aside tonight ({shown}; `winnow quarantine {_HISTORY}` lists all):")
    for record in found.records:
        say(f"  {record.record}  {visible(record.raw)[:110]}")
        for rule, reason in zip(record.rules, record.reasons, strict=True):
            say(f"      {rule}: {visible(reason)}")


def _readers(store: Store) -> None:
    """Reads the version back with three readers that know nothing of Winnow, by the lines that the README shows."""
    from schemas.records import Role

    files = list(open_version(store, _HISTORY).files(Role.CLEAN))
    say()
    say(f"Plain Parquet, read by anything (files = the lines that `winnow files {_HISTORY}` prints):")
    for line, rows in _read(files) if store.storage_options is None else _read_from_s3(files, store.storage_options):
        say(f"  {line:<42} {rows:,} rows")


def _read(files: list[str]) -> list[tuple[str, int]]:
    import duckdb
    import pandas as pd
    import polars as pl

    return [
        ("polars.read_parquet(files)", pl.read_parquet(files).height),
        ("duckdb.read_parquet(files)", len(duckdb.read_parquet(files))),
        ("pandas.read_parquet(files)", len(pd.read_parquet(files))),  # type: ignore[call-overload]  # the stubs know one path only
    ]


def _read_from_s3(files: list[str], options: dict[str, Any]) -> list[tuple[str, int]]:
    """Only with polars: each of the others wants a package of its own, or to be told the server in its own way."""
    import polars as pl

    return [("polars.read_parquet(files, storage_options=…)", pl.read_parquet(files, storage_options=options).height)]


def _where(store: Store) -> None:
    say()
    say(f"The store:   {store.path('')}")
    keys = f"{_HISTORY}-summary and {_HISTORY}-removed-by-rule"
    say(f"The runs:    winnow serve, then open http://127.0.0.1:4200/v2/runs (artifacts: {keys})")
    say(f"The proof:   winnow verify {_HISTORY}")
    say(f"One record:  winnow explain {_HISTORY} RECORD_ID")
