"""A schedule makes runs: the one fault of a wrong pin that nothing but the server's log would show.

With SQLAlchemy 2.1 the server of Prefect 3.8 starts, runs what it is told to, and never creates a scheduled run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Server

pytestmark = pytest.mark.prefect

DEPLOY = """
from flows.nightly import nightly
nightly.to_deployment("every-minute", cron="* * * * *").apply()
"""


def test_a_cron_schedule_creates_runs_by_itself(server: Server) -> None:
    environment = os.environ | {"PREFECT_API_URL": server.api}
    subprocess.run([sys.executable, "-c", DEPLOY], env=environment, check=True, timeout=120)
    wanted = {"flow_runs": {"tags": {"all_": ["auto-scheduled"]}}}
    for _ in range(90):
        runs = server.find("flow_runs", **wanted)
        if runs:
            break
        time.sleep(1)
    assert runs
    assert {run["state_type"] for run in runs} == {"SCHEDULED"}
