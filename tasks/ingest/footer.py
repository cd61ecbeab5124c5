"""Footer: the last records of a text, which are declared to be none.

Belongs here: holding records back until enough of them have come behind to know that they are not the last. Does not
belong here: rejecting them (delimited).
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class _Stretch(Protocol):
    """Some records of a text, one or more."""

    @property
    def records(self) -> int: ...


S = TypeVar("S", bound=_Stretch)


def with_footer(stretches: Iterable[S], footer: int, *, ended_well: Callable[[], bool]) -> Iterator[tuple[S, int]]:
    """Stretches of a text in their order, each with how many of its last records belong to the footer.

    Held in memory are the fewest stretches behind the first that have `footer` records together.

    Args:
        stretches: all of a text's.
        footer: how many records it has.
        ended_well: asked when all have come. A text that broke off has no footer: it is in what did not come.
    """
    held: collections.deque[S] = collections.deque()
    behind = 0
    for stretch in stretches:
        held.append(stretch)
        behind += stretch.records
        while held and behind - held[0].records >= footer:
            first = held.popleft()
            behind -= first.records
            yield first, 0
    spared = behind - (footer if ended_well() else 0)
    for stretch in held:
        yield stretch, max(0, min(stretch.records, stretch.records - spared))
        spared -= stretch.records
