"""Ahead: the next item is made while one is worked on.

Belongs here: the threads that steps of reading have. Does not belong here: the steps.
"""

from __future__ import annotations

import collections
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
R = TypeVar("R")

#: Items that are worked on at once by `abreast`.
_ABREAST = 2


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


def abreast(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """What a function makes of each item, in the order of the items; it works on two at once.

    No more than two results wait to be taken.

    Example:
        >>> list(abreast(lambda number: number * number, range(4)))
        [0, 1, 4, 9]
    """
    iterator = iter(items)
    with ThreadPoolExecutor(_ABREAST, thread_name_prefix="winnow-abreast") as workers:
        waiting = collections.deque(workers.submit(function, item) for item in itertools.islice(iterator, _ABREAST))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(workers.submit(function, item) for item in itertools.islice(iterator, 1))
            yield result
