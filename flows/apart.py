"""Apart: big partitions of a backfill, each as a run of its own on whatever worker is free.

Belongs here: finding the deployment, starting its run and waiting for it. Does not belong here: which partitions are
big (backfill), or making deployments (deployments).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.deployments import run_deployment
from prefect.settings import PREFECT_API_URL

from flows.batch import Told
from schemas.errors import EXIT_STOPPED, GateError
from tasks.job import Job
from tasks.publish.stage import held, unchanged

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

#: Seconds between two looks at a run.
_EVERY = 5.0


def deployment_of(flow: str) -> str | None:
    """The name of a deployment of a flow that takes runs; None where there is no server, or it has none."""
    if not PREFECT_API_URL.value():
        return None
    with get_client(sync_client=True) as client:
        found = client.read_deployments(flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])))
    names = sorted(each.name for each in found if not each.paused and each.work_pool_name)
    return f"{flow}/{names[0]}" if names else None


@task(name="clean apart", task_run_name="{job.dataset} {job.partition}", cache_policy=NO_CACHE)
def apart(job: Job, deployment: str, of: str) -> list[Told]:
    """Has one partition cleaned by a run of a deployment, and waits until it has ended."""
    run: FlowRun = run_deployment(  # type: ignore[assignment]  # typed for async use
        deployment,
        parameters={"dataset": job.dataset, "partition": job.partition, "reason": job.reason},
        idempotency_key=f"{of} {job.partition}",
        poll_interval=_EVERY,
    )
    store, dataset = job.open_store(), job.load()
    outcome = unchanged(job, store, dataset) or held(job, store, dataset)
    if outcome and run.state and (run.state.is_completed() or outcome.hold):
        return [Told(job.partition, outcome)]
    message = f"its run {run.name} ended as {run.state.name if run.state else 'nothing'}; its log says why"
    return [Told(job.partition, None, GateError.__name__, message, EXIT_STOPPED)]
