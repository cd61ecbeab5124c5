import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.events import triggers
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, temporary_settings
from sqlalchemy import text

from flows.prefect_server import be_patient


async def count_at_once(events: int) -> None:
    """Reads a number, lets others write, and writes it: what Prefect's server does for each event."""

    async def count() -> None:
        async with triggers.automations_session(begin_transaction=True) as session:
            found = (await session.execute(text("SELECT n FROM bucket"))).scalar_one()
            await asyncio.sleep(0.05)
            await session.execute(text("UPDATE bucket SET n = :n"), {"n": found + 1})

    await asyncio.gather(*(count() for _ in range(events)))


def test_events_that_come_at_once_wait_for_each_other_and_none_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AioSqliteConfiguration, "begin_transaction", AioSqliteConfiguration.begin_transaction)  # kept
    path = tmp_path / "prefect.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("CREATE TABLE bucket (n INTEGER)")
        database.execute("INSERT INTO bucket VALUES (0)")
        with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{path}"}):
            be_patient()
            asyncio.run(count_at_once(4))
        assert database.execute("SELECT n FROM bucket").fetchone() == (4,)
