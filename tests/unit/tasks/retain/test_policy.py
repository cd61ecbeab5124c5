"""Which versions are kept: what each limit keeps, and that none lets the newest go."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import DeclarationError
from schemas.policies import Retention
from tasks.retain.policy import kept_versions, policy_in_words

NOW = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)


def aged(*days: float) -> dict[int, dt.datetime]:
    """Versions from 1 on, so many days old."""
    return {number: NOW - dt.timedelta(days=age) for number, age in enumerate(days, 1)}


@pytest.mark.parametrize(
    ("retention", "tagged", "kept"),
    [
        (Retention(), (), {1, 2, 3, 4, 5}),
        (Retention(keep_tagged=False), (), {1, 2, 3, 4, 5}),
        (Retention(keep_versions=1), (), {5}),
        (Retention(keep_versions=2), (), {4, 5}),
        (Retention(keep_versions=9), (), {1, 2, 3, 4, 5}),
        (Retention(keep_versions=1), (2, 7), {2, 5}),
        (Retention(keep_versions=1, keep_tagged=False), (2,), {5}),
        (Retention(keep_days=15), (), {3, 4, 5}),  # 3 was the newest 15 days ago
        (Retention(keep_days=10), (), {3, 4, 5}),  # 4 was created then, to the second; 3 was the newest just before
        (Retention(keep_days=0.5), (), {5}),
        (Retention(keep_days=15, keep_versions=4), (), {2, 3, 4, 5}),
        (Retention(keep_days=0.5, keep_versions=2), (1,), {1, 4, 5}),
    ],
)
def test_what_is_kept(retention: Retention, tagged: tuple[int, ...], kept: set[int]) -> None:
    assert kept_versions(aged(40, 30, 20, 10, 1), retention, now=NOW, tagged=tagged) == kept


def test_nothing_of_nothing() -> None:
    assert kept_versions({}, Retention(keep_versions=1, keep_days=1), now=NOW) == frozenset()


LIMITS = st.builds(
    Retention,
    keep_versions=st.one_of(st.none(), st.integers(1, 5)),
    keep_days=st.one_of(st.none(), st.floats(0.1, 30)),
    keep_tagged=st.booleans(),
)


@given(st.lists(st.floats(0, 40), min_size=1, max_size=12), LIMITS)
def test_every_moment_of_the_days_has_its_version(ages: list[float], retention: Retention) -> None:
    created = aged(*sorted(ages, reverse=True))
    kept = kept_versions(created, retention, now=NOW)
    assert max(created) in kept
    if retention.keep_days is not None:
        for age in (0, retention.keep_days / 2, retention.keep_days):
            moment = NOW - dt.timedelta(days=age)
            then = [number for number, born in created.items() if born <= moment]
            assert not then or max(then) in kept
    if retention.keep_versions is not None:
        assert set(sorted(created)[-retention.keep_versions :]) <= kept


@pytest.mark.parametrize("settings", [{"keep_versions": 0}, {"keep_days": 0}, {"keep_days": -1}, {"keep_day": 1}])
def test_a_limit_that_can_not_be_meant_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(DeclarationError):
        Retention(**settings)  # type: ignore[arg-type]  # that is what is tried


def test_words() -> None:
    assert policy_in_words(Retention()) == ""
    assert policy_in_words(Retention(keep_versions=1, keep_tagged=False)) == "the newest"
    assert (
        policy_in_words(Retention(keep_versions=2, keep_days=7.5))
        == "the newest 2 versions, and those of the last 7.5 days, and those with a tag"
    )
