"""What a person says about data: the names that a declaration needs.

A declaration imports these names and nothing else of Winnow's. They are looked up lazily, so that a command that only
lists versions does not import pandera.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas import steps
    from schemas.corrections import Correction
    from schemas.dataset import Dataset
    from schemas.fitness import Coverage, Group, Leakage, Shift, Split
    from schemas.labels import Annotators, Labels
    from schemas.policies import Dedupe, Drift, Entities, Gates, Limits, Retention, Schedule, Source
    from schemas.records import Severity

__all__ = [
    "Annotators",
    "Correction",
    "Coverage",
    "Dataset",
    "Dedupe",
    "Drift",
    "Entities",
    "Gates",
    "Group",
    "Labels",
    "Leakage",
    "Limits",
    "Retention",
    "Schedule",
    "Severity",
    "Shift",
    "Source",
    "Split",
    "steps",
]

_HOMES = {
    "Annotators": "schemas.labels",
    "Correction": "schemas.corrections",
    "Coverage": "schemas.fitness",
    "Dataset": "schemas.dataset",
    "Dedupe": "schemas.policies",
    "Drift": "schemas.policies",
    "Entities": "schemas.policies",
    "Gates": "schemas.policies",
    "Group": "schemas.fitness",
    "Leakage": "schemas.fitness",
    "Labels": "schemas.labels",
    "Limits": "schemas.policies",
    "Retention": "schemas.policies",
    "Schedule": "schemas.policies",
    "Severity": "schemas.records",
    "Shift": "schemas.fitness",
    "Source": "schemas.policies",
    "Split": "schemas.fitness",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
