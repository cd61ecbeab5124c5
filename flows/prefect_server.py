"""Prefect server: Prefect's own, as `winnow serve` starts it on SQLite.

Belongs here: the one thing in which it differs from `prefect server start`. Does not belong here: starting and ending
it with the others (station).

Run as `python -m flows.prefect_server server start ...`, with the arguments of `prefect`.

Prefect's server looks at each event in a transaction that reads before it writes. SQLite refuses such a write at once
when anybody else has written in between; after four such refusals in a row Prefect gives the event up, and no
automation ever hears of it: an alert is lost. A transaction that says from the start that it will write waits for its
turn instead. On PostgreSQL the question does not come up.
"""

from __future__ import annotations

import contextlib
import runpy
from typing import TYPE_CHECKING

from prefect.server.database import provide_database_interface
from prefect.server.events import triggers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncSession


@contextlib.asynccontextmanager
async def _patient_session(*, begin_transaction: bool = False) -> AsyncIterator[AsyncSession]:
    """A session of the server's database, whose transaction waits for its turn to write."""
    interface = provide_database_interface()
    async with interface.session_context(
        begin_transaction=begin_transaction, with_for_update=begin_transaction
    ) as session:
        yield session


def be_patient() -> None:
    """Lets whatever looks at events in this process wait for its turn to write."""
    vars(triggers)["automations_session"] = _patient_session


if __name__ == "__main__":
    be_patient()
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
