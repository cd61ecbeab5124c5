"""Plan: which deployments follow from the declarations.

Belongs here: names, schedules, limits and texts of deployments. Does not belong here: bringing them to a server
(deploy), or writing them as a file (prefect_yaml).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from schemas.dataset import Dataset

#: All deployments that are made from declarations have this tag; one that no longer follows from any is removed.
TAG = "winnow"

#: What a person starts by hand: name, flow, and how many runs of it may be under way.
_BY_HAND = (("clean-partition", 8), ("backfill", 1), ("replay", 1), ("rollback", 1), ("erase", 1))


class Timed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a deployment's runs start by themselves."""

    cron: str
    timezone: str
    slug: str
    """By which Prefect knows a schedule again that was changed."""


class Planned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One deployment."""

    name: str
    flow: str
    """Name of the flow; with underscores that of the function in `flows.forms`."""
    description: str
    concurrency: int
    """Runs of it that may be under way; others wait."""
    tags: tuple[str, ...] = (TAG,)
    parameters: dict[str, str] = {}
    """What its form is filled in with."""
    schedule: Timed | None = None

    @property
    def function(self) -> str:
        """Name of its function in `flows.forms`."""
        return self.flow.replace("-", "_")

    @property
    def entrypoint(self) -> str:
        """Where a worker imports the flow from."""
        return f"flows.forms.{self.function}"

    @property
    def full_name(self) -> str:
        """As `prefect deployment run` takes it."""
        return f"{self.flow}/{self.name}"


def plan(datasets: Mapping[str, Dataset], descriptions: Mapping[str, str]) -> tuple[Planned, ...]:
    """The deployments of these data sets, in a stable order.

    Args:
        datasets: the declarations by name.
        descriptions: what each flow says of itself, by its name.
    """
    by_hand = (Planned(name, name, descriptions[name], limit) for name, limit in _BY_HAND)
    return (*_nightly(datasets, descriptions["nightly"]), *by_hand, _maintain(descriptions["maintain"]))


def _nightly(datasets: Mapping[str, Dataset], description: str) -> Iterator[Planned]:
    for name, dataset in datasets.items():
        declared = dataset.schedule
        yield Planned(
            name=f"nightly-{name}",
            flow="nightly",
            description=description,
            concurrency=1,
            tags=(TAG, name),
            parameters={"dataset": name},
            schedule=Timed(declared.cron, declared.timezone, f"nightly-{name}") if declared else None,
        )


def _maintain(description: str) -> Planned:
    """Retention at a quiet hour, every day; without a declared retention it removes leftovers only."""
    return Planned("maintain", "maintain", description, 1, schedule=Timed("40 5 * * *", "UTC", "maintain"))
