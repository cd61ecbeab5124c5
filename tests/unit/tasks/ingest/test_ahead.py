import threading
from collections.abc import Iterator

import pytest

from tasks.ingest.ahead import ahead


def test_items_come_in_their_order_through_several_steps() -> None:
    assert list(ahead(number + 1 for number in ahead(iter(range(50))))) == list(range(1, 51))


def test_one_item_is_made_while_another_is_worked_on() -> None:
    made = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    for number in ahead(items()):
        assert made[min(number + 1, 2)].wait(10)


def test_what_goes_wrong_in_a_step_is_raised_where_its_item_is_due() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    steps = ahead(ahead(items()))
    assert next(steps) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(steps)


def test_no_thread_outlives_one_who_stops_early() -> None:
    before = threading.active_count()
    steps = ahead(ahead(iter(range(100))))
    assert next(steps) == 0
    steps.close()  # type: ignore[attr-defined]  # a generator, as an iterator
    del steps
    assert threading.active_count() == before
