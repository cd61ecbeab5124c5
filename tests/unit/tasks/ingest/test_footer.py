from dataclasses import dataclass

import pytest

from tasks.ingest.footer import with_footer


@dataclass(frozen=True)
class Stretch:
    records: int


def counted(sizes: list[int], footer: int, *, well: bool = True) -> list[tuple[int, int]]:
    found = with_footer(map(Stretch, sizes), footer, ended_well=lambda: well)
    return [(stretch.records, last) for stretch, last in found]


@pytest.mark.parametrize(
    ("sizes", "footer", "last"),
    [
        ([3, 2], 0, [0, 0]),
        ([3, 2], 1, [0, 1]),
        ([3, 2], 2, [0, 2]),
        ([3, 2], 4, [2, 2]),
        ([3, 2], 9, [3, 2]),
        ([1, 1, 1, 1], 2, [0, 0, 1, 1]),
        ([0, 5, 0], 2, [0, 2, 0]),
        ([], 3, []),
    ],
)
def test_the_last_records_are_the_footer(sizes: list[int], footer: int, last: list[int]) -> None:
    assert counted(sizes, footer) == list(zip(sizes, last, strict=True))


def test_a_text_that_broke_off_has_no_footer() -> None:
    assert counted([3, 2], 4, well=False) == [(3, 0), (2, 0)]


def test_no_more_is_held_than_is_needed() -> None:
    drawn = []

    def draw() -> object:
        for size in (4, 3, 2, 1):
            drawn.append(size)
            yield Stretch(size)

    found = with_footer(draw(), 3, ended_well=lambda: True)  # type: ignore[arg-type, var-annotated]
    next(found)
    assert drawn == [4, 3]
    next(found)
    assert drawn == [4, 3, 2, 1]
