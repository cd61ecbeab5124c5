import threading
from collections.abc import Iterator

import pytest

from tasks.ingest.ahead import abreast, ahead


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


def test_results_of_two_at_once_come_in_the_order_of_their_items() -> None:
    second_done = threading.Event()

    def slow_first(number: int) -> int:
        if number == 0:
            assert second_done.wait(10)  # only true if the second is worked on meanwhile
        if number == 1:
            second_done.set()
        return number * number

    assert list(abreast(slow_first, range(20))) == [number * number for number in range(20)]


def test_no_more_is_begun_than_can_be_worked_on() -> None:
    begun: list[int] = []
    results = abreast(begun.append, range(20))
    next(results)
    assert len(begun) <= 3


def test_what_goes_wrong_abreast_is_raised_in_its_turn() -> None:
    def inverse(number: int) -> float:
        return 1 / number

    results = abreast(inverse, [1, 0, 2])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
