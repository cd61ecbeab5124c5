"""Policy: from the declared retention to the versions that are kept.

Belongs here: the choice, out of numbers, times and tags. Does not belong here: reading or removing anything (stage).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from schemas.policies import Retention


def kept_versions(
    created: Mapping[int, dt.datetime], retention: Retention, *, now: dt.datetime, tagged: Collection[int] = ()
) -> frozenset[int]:
    """The versions that are kept.

    Args:
        created: when each version was created, by its number.
        retention: as declared.
        now: with a time zone.
        tagged: versions with a tag.

    Example:
        >>> from schemas.policies import Retention
        >>> days = {n: dt.datetime(2026, 10, n, tzinfo=dt.UTC) for n in range(1, 10)}
        >>> sorted(kept_versions(days, Retention(keep_versions=2), now=days[9], tagged=[4]))
        [4, 8, 9]
        >>> sorted(kept_versions(days, Retention(keep_days=2.5), now=days[9]))
        [6, 7, 8, 9]
    """
    numbers = sorted(created)
    if not _has_limit(retention):
        return frozenset(numbers)
    kept = set(numbers[-1:]) | set(numbers[-(retention.keep_versions or 1) :])
    if retention.keep_days is not None:
        begin = now - dt.timedelta(days=retention.keep_days)
        kept |= {number for number in numbers if created[number] >= begin}
        # The one that was the newest when these days began: with it, each moment of them has its version.
        kept |= set([number for number in numbers if created[number] < begin][-1:])
    if retention.keep_tagged:
        kept |= set(tagged) & set(numbers)
    return frozenset(kept)


def policy_in_words(retention: Retention) -> str:
    """What is kept, in words; nothing where everything is.

    Example:
        >>> from schemas.policies import Retention
        >>> policy_in_words(Retention(keep_versions=30)), policy_in_words(Retention())
        ('the newest 30 versions, and those with a tag', '')
    """
    if not _has_limit(retention):
        return ""
    parts = []
    if retention.keep_versions is not None:
        parts.append(
            f"the newest {retention.keep_versions:,} versions" if retention.keep_versions > 1 else "the newest"
        )
    if retention.keep_days is not None:
        parts.append(f"those of the last {retention.keep_days:g} days")
    if retention.keep_tagged:
        parts.append("those with a tag")
    return ", and ".join(parts)


def _has_limit(retention: Retention) -> bool:
    return retention.keep_versions is not None or retention.keep_days is not None
