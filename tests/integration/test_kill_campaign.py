"""A short form of the campaign of kills (`make kill`): every victim in a folder and on a server that is killed, too."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.campaign.kills import campaign
from tests.campaign.victims import VICTIMS

#: Others than those of the campaign's first seed.
_SEED, _KILLS = 5, 1


@pytest.fixture
def environment() -> Iterator[None]:
    """The campaign tells this process where its server is."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("home", ["folder", pytest.param("server", marks=pytest.mark.s3)])
def test_what_was_killed_is_finished_by_running_it_again(home: str, environment: None) -> None:
    for _, victim, tally in campaign(list(VICTIMS), [home], _KILLS, _SEED, print):
        assert tally.failures == [], victim
        assert tally.kills >= _KILLS, victim
