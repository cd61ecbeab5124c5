"""Ahead: the next item is made while one is worked on.

Belongs here: the one thread that each step of reading has. Does not belong here: the steps.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items, none of which is None; while one is worked on, a thread makes the next.

    Several in a row are a pipeline: each step works on another item. Numbers, hashes and frames are made without
    Python's lock, so that the steps do run at once.

    Example:
        >>> list(ahead(number * number for number in range(4)))
        [0, 1, 4, 9]
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="winnow-ahead") as maker:
        waiting = maker.submit(next, iterator, None)
        while (item := waiting.result()) is not None:
            waiting = maker.submit(next, iterator, None)
            yield item
