"""Moments: how a moment is written, in every document and record.

Belongs here: the one form. Does not belong here: reading a moment where it stands (tasks/store/versions), or dates as
columns hold them (columns).
"""

from __future__ import annotations

import datetime as dt


def as_text(moment: dt.datetime) -> str:
    """A moment, with a time zone, as documents write it.

    Example:
        >>> as_text(dt.datetime(2026, 11, 23, 4, 15, tzinfo=dt.UTC))
        '2026-11-23T04:15:00Z'
    """
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
