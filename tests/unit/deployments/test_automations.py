import uuid

import pytest
from prefect.events.actions import ChangeFlowRunState, DoNothing, SendNotification

from deployments.automations import automations, window_of
from schemas.errors import SettingsError


@pytest.mark.parametrize("setting", ["30", "0", "-60", "soon", "1e3"])
def test_a_silence_shorter_than_a_heartbeat_would_kill_the_living(setting: str) -> None:
    with pytest.raises(SettingsError, match="WINNOW_CRASHED_AFTER"):
        window_of(setting)


def test_by_default_several_heartbeats_are_missed() -> None:
    assert window_of("") >= 90


def test_without_a_block_nobody_is_told_and_with_one_each_but_the_crash_tells() -> None:
    quiet, loud = automations(None, 100), automations(uuid.uuid4(), 100)
    assert [type(each.actions[0]) for each in quiet] == [DoNothing, ChangeFlowRunState, DoNothing, DoNothing]
    assert [type(each.actions[0]) for each in loud].count(SendNotification) == 3
    assert len({each.name for each in loud}) == 4
