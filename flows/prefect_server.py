"""Prefect server: Prefect's own, as `winnow serve` starts it on SQLite.

Belongs here: the one thing in which it differs from `prefect server start`. Does not belong here: starting and ending
it with the others (station).

Run as `python -m flows.prefect_server server start ...`, with the arguments of `prefect`.

Prefect's server reads in most transactions before it writes. SQLite refuses such a write at once, without waiting for
its turn, when anybody else has written in between. An event that meets this four times in a row is given up, and no
automation ever hears of it: an alert is lost. And the errors leave cursors behind; where those are collected while
their connection waits for its turn, the whole server stands still for a minute, and living runs seem dead. A
transaction that says from the start that it will write waits instead. On PostgreSQL the question does not come up.
"""

from __future__ import annotations

import contextlib
import runpy
from typing import TYPE_CHECKING

from prefect.server.database.configurations import SQLITE_BEGIN_MODE, AioSqliteConfiguration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction


@contextlib.asynccontextmanager
async def _begun(
    _self: AioSqliteConfiguration,
    session: AsyncSession,
    with_for_update: bool = False,  # noqa: ARG001, FBT001  # the signature is Prefect's
) -> AsyncIterator[AsyncSessionTransaction]:
    """A transaction that has its turn to write from the start; what is opened inside it begins as ever."""
    async with session.begin() as transaction:
        mode = SQLITE_BEGIN_MODE.set("IMMEDIATE")
        try:
            await session.connection()  # only now SQLite is told
        finally:
            SQLITE_BEGIN_MODE.reset(mode)
        mode = SQLITE_BEGIN_MODE.set("DEFERRED")
        try:
            yield transaction
        finally:
            SQLITE_BEGIN_MODE.reset(mode)


def be_patient() -> None:
    """Lets every transaction of this process wait for its turn to write."""
    AioSqliteConfiguration.begin_transaction = _begun  # type: ignore[assignment, method-assign]  # there is no setting for it


if __name__ == "__main__":
    be_patient()
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
