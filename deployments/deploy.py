"""Deploy: brings the plan to Prefect's server: the work pool, the deployments and the automations.

Belongs here: making, changing and removing them, and saying what was done. Does not belong here: what is deployed
(plan), or what the automations watch (automations).

Run as `winnow deploy`, or `python -m deployments.deploy`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, cast

import typer

from flows.console import emit, say, table, told
from flows.settings import load_settings, prepare_prefect
from schemas import registry
from schemas.errors import DeclarationError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.deployments.runner import RunnerDeployment
    from prefect.flows import Flow

    from deployments.plan import Planned
    from schemas.dataset import Dataset

#: The pool that is made where the named one is missing: its workers start runs as programs beside them.
_POOL_TYPE = "process"
#: Deployments that the server lists in one answer.
_MOST = 200


def declared() -> tuple[dict[str, Dataset], dict[str, DeclarationError]]:
    """The data sets of the settings by name, and what is wrong with those whose declarations are."""
    datasets: dict[str, Dataset] = {}
    wrong: dict[str, DeclarationError] = {}
    for name, path in registry.find(load_settings().folders).items():
        try:
            datasets[name] = registry.load_file(path)
        except DeclarationError as error:
            wrong[name] = error
    return datasets, wrong


def descriptions() -> dict[str, str]:
    """What each flow that can be deployed says of itself, without the help texts of its parameters."""
    from prefect.flows import Flow

    from flows import forms

    found = [value for value in vars(forms).values() if isinstance(value, Flow)]
    return {each.name: (each.description or "").partition("\n\nArgs:")[0] for each in found}


def apply(plan: Sequence[Planned], pool: str, spared: Iterable[str] = ()) -> list[str]:
    """Makes the work pool where it is missing, and all deployments; removes those of an earlier plan.

    Args:
        plan: what is to be there.
        pool: name of the work pool.
        spared: tags of deployments that stay as they are.

    Returns:
        Full names of the deployments that were removed.
    """
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        _make_pool(client, pool)
        for each in plan:
            _runner_deployment(each).apply(work_pool_name=pool)
        return _remove_others(client, {each.full_name for each in plan}, set(spared))


def _make_pool(client: SyncPrefectClient, pool: str) -> None:
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound
    from prefect.workers.process import ProcessWorker

    try:
        client.read_work_pool(pool)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(WorkPoolCreate(name=pool, type=_POOL_TYPE, base_job_template=template))


def _runner_deployment(each: Planned) -> RunnerDeployment:
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.schedules import Cron

    from flows import forms

    timed = each.schedule
    flow = cast("Flow[..., object]", getattr(forms, each.function))
    made = flow.to_deployment(
        each.name,
        schedules=[Cron(timed.cron, timezone=timed.timezone, slug=timed.slug)] if timed else [],
        parameters=each.parameters,
        description=each.description,
        tags=list(each.tags),
        concurrency_limit=ConcurrencyLimitConfig(
            limit=each.concurrency, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE
        ),
    )
    found = cast("RunnerDeployment", made)  # typed for async use
    found.entrypoint = each.entrypoint
    return found


def _remove_others(client: SyncPrefectClient, kept: set[str], spared: set[str]) -> list[str]:
    """Removes deployments that were made from a declaration that is gone."""
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags

    from deployments.plan import TAG

    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    removed: list[str] = []
    for found in client.read_deployments(deployment_filter=ours, limit=_MOST):
        name = f"{client.read_flow(found.flow_id).name}/{found.name}"
        if name not in kept and not spared & set(found.tags):
            client.delete_deployment(found.id)
            removed.append(name)
    return removed


def main(
    *,
    pool: Annotated[str, typer.Option(help="Work pool whose workers start the runs.")] = "winnow",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deployed; change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Makes the deployments and automations of all declared data sets on Prefect's server."""
    with told(as_json=as_json):
        prepare_prefect()
        from deployments.automations import automations, put, window_of
        from deployments.plan import plan as planned
        from flows.server import check_server

        datasets, wrong = declared()
        plan, watched = planned(datasets, descriptions()), window_of()
        if dry_run:
            names = [each.name for each in automations(None, watched)]
            _tell(plan, names, removed=[], as_json=as_json, dry_run=True)
            _refuse(wrong)
            return
        if not os.environ.get("PREFECT_API_URL"):
            raise SettingsError(
                "PREFECT_API_URL names no server, and the one that lives as long as a run keeps no schedule",
                fix="Start one with `winnow serve`, or export PREFECT_API_URL=http://127.0.0.1:4200/api.",
            )
        check_server()
        removed = apply(plan, pool, spared=wrong)
        names = put(watched)
        _tell(plan, names, removed=removed, as_json=as_json, dry_run=False)
        _refuse(wrong)


def _refuse(wrong: dict[str, DeclarationError]) -> None:
    """Tells of declarations that are wrong, when all the others are deployed."""
    if not wrong:
        return
    first, *others = wrong.values()
    if others:
        raise DeclarationError(f"the declarations of {', '.join(wrong)} are wrong", fix=f"The first: {first}")
    raise first


def _tell(
    plan: Sequence[Planned], automations: Sequence[str], *, removed: Sequence[str], as_json: bool, dry_run: bool
) -> None:
    if as_json:
        for each in plan:
            emit({"deployment": each.full_name, "entrypoint": each.entrypoint, "schedule": each.schedule})
        for name in automations:
            emit({"automation": name})
        for name in removed:
            emit({"removed": name})
        return
    table("", ["deployment", "starts", "at once"], [_row(each) for each in plan])
    say(f"Automations: {', '.join(automations)}.")
    if removed:
        say(f"Removed, because nothing declares them any more: {', '.join(removed)}.")
    if dry_run:
        say("Dry run: nothing was changed.")


def _row(each: Planned) -> tuple[object, ...]:
    timed = each.schedule
    return each.full_name, f"{timed.cron} in {timed.timezone}" if timed else "by hand", each.concurrency


if __name__ == "__main__":
    typer.run(main)
