"""Saved: a damaged file on disk, with all that it takes to read it again, whatever becomes of the campaign.

Belongs here: writing, reading and making smaller the file that shows a defect. Does not belong here: finding it.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import msgspec

from tests.campaign.case import Case
from tests.campaign.trial import Outcome, tried

SAVED = Path(__file__).resolve().parents[2] / ".winnow" / "campaign"
_NOT_TOLD = ("data", "text")


def save(case: Case, outcome: Outcome) -> Path:
    """Writes a file below `.winnow/campaign/`, and beside it how it is read and what was wrong; its path."""
    folder = SAVED / f"seed-{case.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{case.number:06d}-{case.path}"
    path.write_bytes(case.data)
    told = {name: value for name, value in vars(case).items() if name not in _NOT_TOLD}
    text = msgspec.json.encode({"wrong": outcome.detail, "case": told})
    _beside(path).write_bytes(msgspec.json.format(text))
    return path


def load(path: Path) -> Case:
    """A file that was saved."""
    told = msgspec.json.decode(_beside(path).read_bytes())["case"]
    return msgspec.convert({**told, "data": path.read_bytes(), "text": None}, Case)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def shrunk(case: Case) -> Case:
    """A smaller file that fails the same way: stretches are left out, ever shorter ones, while it still does."""
    wrong = _wrong(case)
    case = case.plain if _wrong(case.plain) == wrong else case
    length = len(case.data) // 2 if wrong else 0
    while length:
        start = 0
        while start < len(case.data):
            smaller = case.with_data(case.data[:start] + case.data[start + length :])
            case, start = (smaller, start) if _wrong(smaller) == wrong else (case, start + length)
        length //= 2
    return case


def _wrong(case: Case) -> str | None:
    """What is wrong, up to the figures in it; a file of which that is None does not fail."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = tried(case, Path(folder))
    return alike(outcome.detail) if outcome.failed else None


def alike(detail: str) -> str:
    """What two failures of one kind have in common: the words, not the figures and names.

    Example:
        >>> alike("line of record 6") == alike("line of record 17")
        True
    """
    return re.sub(r"[\d,.]+|'[^']*'", "", detail)[:60]
