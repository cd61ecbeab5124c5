"""The plan as prefect.yaml, for those who deploy with `prefect deploy --all`.

Belongs here: the text of the file. Does not belong here: what stands in it (plan). Automations are not part of such a
file; `winnow deploy` makes them.

Write it anew with `python -m deployments.prefect_yaml`. A test holds that it is up to date.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from schemas import registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from deployments.plan import Planned

#: The file, which names the data sets that come with Winnow.
FILE = Path(__file__).with_name("prefect.yaml")

_HEAD = """\
---
# Made by `python -m deployments.prefect_yaml` from the declarations in schemas/datasets: edit those.
# In the folder that holds `deployments`, with PREFECT_API_URL set:
#   prefect work-pool create winnow --type process
#   prefect --no-prompt deploy --prefect-file deployments/prefect.yaml --all
# Workers import the flows from the installed package, and read WINNOW_STORE, WINNOW_RAW and WINNOW_DATASETS from their
# own environment. `winnow deploy` does the same, for the data sets in WINNOW_DATASETS too, and makes the automations.
name: winnow
# Nothing is fetched. Without a step Prefect would write down the folder of the machine that deploys.
pull:
  - prefect.deployments.steps.set_working_directory:
      directory: .
deployments:
"""


def as_yaml(plan: Sequence[Planned]) -> str:
    """The text of the file. Strings are written as JSON has them, which YAML reads as the same."""
    return _HEAD + "".join(line + "\n" for each in plan for line in _lines(each))


def _lines(each: Planned) -> Iterator[str]:
    yield f"  - name: {each.name}"
    yield f"    entrypoint: {each.entrypoint}"
    yield "    description: >-"
    indent = " " * 6
    # Not at hyphens: where lines are folded, YAML puts a space.
    yield from textwrap.wrap(
        " ".join(each.description.split()), 110, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
    yield f"    tags: {json.dumps(list(each.tags))}"
    yield f"    parameters: {json.dumps(each.parameters)}"
    yield "    concurrency_limit:"
    yield f"      limit: {each.concurrency}"
    yield "      collision_strategy: ENQUEUE"
    if each.schedule:
        yield "    schedules:"
        yield f"      - cron: {json.dumps(each.schedule.cron)}"
        yield f"        timezone: {each.schedule.timezone}"
        yield f"        slug: {each.schedule.slug}"
    else:
        yield "    schedules: []"
    yield "    work_pool:"
    yield "      name: winnow"


def made() -> str:
    """The text that the declarations which come with Winnow ask for."""
    from deployments.deploy import descriptions
    from deployments.plan import plan

    return as_yaml(plan({name: registry.load_file(path) for name, path in registry.find().items()}, descriptions()))


if __name__ == "__main__":
    FILE.write_text(made(), encoding="utf-8")
