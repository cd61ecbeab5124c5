"""Fields: types of the parameters that a person fills in in the forms of Prefect's UI.

Belongs here: choices and pickers. Does not belong here: the flows that take them.

The choices are the data sets that are declared where the flow is imported: where it is deployed, and where it runs.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import Field

from flows.settings import load_settings
from schemas import registry

NAMES = tuple(registry.find(load_settings().folders))

DatasetName = Annotated[str, Field(json_schema_extra={"enum": list(NAMES)})]
"""One of the declared data sets."""

Partition = dt.date | str
"""A partition: picked as a date, or written as its name stands in the paths of dumps."""

BlockName = Annotated[str, Field(pattern="^[a-z0-9-]+$")]
"""Name of a block of Prefect's. Nothing else passes: a condition or a key that somebody writes here is never stored."""
