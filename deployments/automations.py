"""Automations: what Prefect's server does by itself when a night fails, a run dies or too much is quarantined.

Belongs here: what is watched, and who is told. Does not belong here: the events that are watched (flows/events, and
Prefect's own of its runs).
"""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING, Any, cast

from prefect.automations import Automation, AutomationCore
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, ChangeFlowRunState, DoNothing, SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from deployments.plan import TAG
from flows import events
from flows.station import HEARTBEAT
from schemas.errors import SettingsError, shown

if TYPE_CHECKING:
    from uuid import UUID

#: Name of the block that notifies, as `slack-webhook/ops`; and after how many seconds of silence a run counts as dead.
NOTIFY, SILENCE = "WINNOW_NOTIFY_BLOCK", "WINNOW_CRASHED_AFTER"
#: Three of them are missed.
_SILENCE = 100

_ENDS = ("Completed", "Failed", "Cancelled", "Crashed")
_RUN = {"prefect.resource.id": "prefect.flow-run.*"}
#: Runs of our deployments have their tag.
_OURS = {"prefect.resource.id": f"prefect.tag.{TAG}"}


def window_of(setting: str | None = None) -> int:
    """Seconds without a sign of life after which a run is marked crashed.

    Args:
        setting: as the environment has it.

    Raises:
        SettingsError: it is no number, or shorter than the time between two heartbeats.

    Example:
        >>> window_of("45")
        45
    """
    setting = os.environ.get(SILENCE) if setting is None else setting
    if not setting:
        return _SILENCE
    if not (setting.isdecimal() and int(setting) > HEARTBEAT):
        raise SettingsError(
            f"{SILENCE} is {shown(setting)}", expected=f"seconds, more than the {HEARTBEAT} between two heartbeats"
        )
    return int(setting)


def automations(notify: UUID | None, silence: int) -> tuple[AutomationCore, ...]:
    """All automations, in a stable order.

    Args:
        notify: id of the block that notifies; None does nothing but note in the event feed that it would have.
        silence: seconds after which a run without a heartbeat is dead.
    """
    run = "{{ flow_run.name }} ({{ flow_run.id }})"
    at = "{{ event.payload.dataset }} {{ event.payload.partition }}"
    return (
        _told(
            "a night failed",
            "A scheduled or ad hoc run ended without publishing all that it should.",
            {"expect": {"prefect.flow-run.Failed", "prefect.flow-run.Crashed"}, "match": _RUN, "match_related": _OURS},
            notify,
            f"{run} ended as {{{{ flow_run.state.name }}}}. Its log says why; running it again is safe.",
        ),
        AutomationCore(
            name="winnow: a run without heartbeat has crashed",
            description=f"A run of which nothing was heard for {silence} seconds is marked as crashed.",
            trigger=EventTrigger(
                after={"prefect.flow-run.heartbeat"},
                expect={"prefect.flow-run.heartbeat", *(f"prefect.flow-run.{end}" for end in _ENDS)},
                match=_RUN,
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                threshold=1,
                within=dt.timedelta(seconds=silence),
            ),
            actions=[
                ChangeFlowRunState(
                    name=None,
                    state=StateType.CRASHED,
                    message=f"No heartbeat for {silence} seconds: its machine or worker is gone. Run it again.",
                )
            ],
        ),
        _told(
            "too much was quarantined",
            "A partition had more quarantined records than its gates allow.",
            {"expect": {events.OVER_LIMIT}},
            notify,
            f"{at}: too much was quarantined ({{{{ event.payload.gates }}}}). The run's artifacts show the rules.",
        ),
        _told(
            "a run is held",
            "A gate holds a partition until a person decides.",
            {"expect": {events.HELD}},
            notify,
            f"{at} is held as {{{{ event.payload.hold }}}}. Open its run and press Resume.",
        ),
    )


def _told(name: str, description: str, trigger: dict[str, Any], notify: UUID | None, body: str) -> AutomationCore:
    """An automation that tells a person of each event."""
    action: ActionTypes = DoNothing()
    if notify:
        action = SendNotification(block_document_id=notify, subject=f"Winnow: {name}", body=body)
    return AutomationCore(
        name=f"winnow: {name}",
        description=description,
        trigger=EventTrigger(posture=Posture.Reactive, threshold=1, within=dt.timedelta(0), **trigger),
        actions=[action],
    )


def put(silence: int) -> list[str]:
    """Makes or changes all automations on the server; one that a person has switched off stays off.

    Returns:
        Their names.

    Raises:
        SettingsError: there is no such block to notify with.
    """
    made = automations(_notifier(os.environ.get(NOTIFY)), silence)
    for each in made:
        _put(each)
    return [each.name for each in made]


def _put(wanted: AutomationCore) -> None:
    settings = wanted.model_dump(exclude={"enabled"})
    try:
        found = cast("Automation", Automation.read(name=wanted.name))
    except ValueError:
        Automation(**settings).create()
        return
    # One that is written anew forgets the runs whose next heartbeat it awaits.
    if not _same(settings, found.model_dump()):
        Automation(id=found.id, enabled=found.enabled, **settings).update()


def _same(wanted: object, found: object) -> bool:
    """Whether what was found says all that is wanted; ids and defaults that the server adds are no difference.

    Example:
        >>> _same({"within": 40, "expect": {"a"}}, {"within": 40, "expect": {"a"}, "id": 1})
        True
        >>> _same({"within": 40}, {"within": 100})
        False
    """
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(name in found and _same(value, found[name]) for name, value in wanted.items() if name != "id")
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(_same, wanted, found))
    return wanted == found


def _notifier(name: str | None) -> UUID | None:
    if not name:
        return None
    kind, slash, document = name.partition("/")
    with get_client(sync_client=True) as client:
        try:
            if slash:
                return client.read_block_document_by_name(document, kind, include_secrets=False).id
        except ObjectNotFound:
            pass
    raise SettingsError(
        f"{NOTIFY} is {shown(name)}, and there is no such block",
        expected="TYPE/NAME of a notification block, like slack-webhook/ops",
        fix="Make it in Prefect's UI under Blocks.",
    )
