"""Logs: what Prefect's run logs say of an error that Winnow raised on purpose.

Belongs here: one filter. Does not belong here: messages (schemas/errors).
"""

from __future__ import annotations

import logging

from schemas.errors import WinnowError


class WithoutTraceback(logging.Filter):
    """Takes the traceback from a record about one of our errors: its message says what to do, the stack does not."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every record pass."""
        if record.exc_info and isinstance(record.exc_info[1], WinnowError):
            record.exc_info = record.exc_text = None
        return True


def install() -> None:
    """Puts the filter on Prefect's run loggers; a second call does nothing."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        log = logging.getLogger(name)
        if not any(isinstance(found, WithoutTraceback) for found in log.filters):
            log.addFilter(WithoutTraceback())
