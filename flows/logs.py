"""Logs: what Prefect's run logs hold of Winnow's own messages and of the errors that it raised on purpose.

Belongs here: one filter and one level. Does not belong here: messages (the tasks', schemas/errors).
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
    """Puts the filter on Prefect's run loggers and lets our own messages pass; a second call does nothing."""
    for name in ("tasks", "flows"):
        # Prefect sends our loggers' records to the run's log, but leaves them at the root's level, which is WARNING.
        logging.getLogger(name).setLevel(logging.INFO)
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        log = logging.getLogger(name)
        if not any(isinstance(found, WithoutTraceback) for found in log.filters):
            log.addFilter(WithoutTraceback())
