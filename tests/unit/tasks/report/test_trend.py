import re

from schemas.records import Books, Manifest, PartitionEntry
from tasks.report.pictures import packed
from tasks.report.trend import LAST, chart, last_partitions, trend

ODD = "2013'); alert(1); (' <img src=x onerror=1>"


def entry(name: str, *, quarantined: int = 0) -> PartitionEntry:
    books = Books(records=100, kept=100 - quarantined, quarantined=quarantined)
    return PartitionEntry(name, "c", "c", (), (books,), (), (), (), ())


def test_the_chart_is_a_small_picture_whatever_the_names() -> None:
    picture = chart([entry(ODD, quarantined=3), entry("a\x1b[31m\nb"), entry("")])
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert picture.endswith(b"IEND\xaeB`\x82")
    assert len(picture) < 60_000
    assert packed(picture) == picture


def test_the_text_has_the_numbers_and_the_picture_the_newest_first() -> None:
    text = trend("tides", [entry("2013-01-01"), entry("2013-01-02", quarantined=25), entry(ODD)])
    rows = [line for line in text.splitlines() if line.startswith("| 2013")]
    assert rows[1:] == [
        "| 2013-01-02 | 100 | 75 | 25.0 % | 0.0 % | 0.0 % |",
        "| 2013-01-01 | 100 | 100 | 0.0 % | 0.0 % | 0.0 % |",
    ]
    assert "<img" not in text
    assert len(re.findall(r"!\[[^]]*]\(data:image/png;base64,", text)) == 1


def test_the_last_partitions_are_those_of_the_last_names() -> None:
    partitions = {f"{day:03}": entry(f"{day:03}") for day in range(LAST + 5)}
    found = last_partitions(Manifest("tides", 1, None, "run", "r", "2013-01-01T00:00:00Z", "c", "d", partitions))
    assert [each.partition for each in found] == [f"{day:03}" for day in range(5, LAST + 5)]
