"""What humans are asked about a site: the number that is answered day and night, and licences that end."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from services.intake.domain import site_licences
from services.intake.domain.site_licences import Ending
from services.intake.domain.sites import Site
from services.intake.domain.tasks import DONE, ESCALATED, WITHDRAWN, Task
from shared.contracts import roles
from shared.ids import derived_id

#: Task of telling the number of a site that must have one, and has none. Safety rule (brief 13b.13).
EMERGENCY_LINE_TASK = "site_emergency_line"
#: Task of renewing a licence that ends, or has ended.
LICENCE_TASK = "site_licence_ends"

#: Time for telling the number, and for renewing, or giving up, a licence that has lapsed. Design default.
EMERGENCY_LINE_WITHIN = timedelta(days=1)
LAPSE_WITHIN = timedelta(hours=4)

#: The alert of a licence that has lapsed, after those before its end.
_LAPSED = 0


def wanted(site: Site, *, now: datetime) -> list[Task]:
    """Return what somebody has to do about a site now."""
    today = site.local_day(now)
    found = [_licence_task(site, one, now=now) for one in site_licences.endings(site.held(), today=today)]
    if site.emergency_phone is None and site_licences.needs_emergency_line(site.levels_on(today)):
        task_id = derived_id(site.site_id, EMERGENCY_LINE_TASK)
        due_at = now + EMERGENCY_LINE_WITHIN
        found.append(
            _task(site, task=EMERGENCY_LINE_TASK, task_id=task_id, reason="MISSING", at=now, due_at=due_at)
        )
    return found


def outcome_of(site: Site, task: Task, *, wanted_now: Iterable[Task], now: datetime) -> str:
    """Return how a task ends that is not wanted any more: solved, followed by a later alert, or given up."""
    level = _level_of(site, task)
    if level is None:
        return DONE
    if level in {_level_of(site, one) for one in wanted_now}:
        return ESCALATED
    return DONE if site.is_licensed_for(level, on=site.local_day(now)) else WITHDRAWN


def _level_of(site: Site, task: Task) -> str | None:
    """Return the level whose licence a task asks about, whatever has become of the licence since."""
    for one in site.held():
        for end in {one.last_on, one.ends_on} - {None}:
            assert end is not None
            for stage in (*site_licences.ALERT_DAYS, _LAPSED):
                if _licence_task_id(site, one.level, end, stage) == task.task_id:
                    return one.level
    return None


def _licence_task(site: Site, ending: Ending, *, now: datetime) -> Task:
    lapsed = ending.stage == _LAPSED
    return _task(
        site,
        task=LICENCE_TASK,
        task_id=_licence_task_id(site, ending.level, ending.ends_on, ending.stage),
        reason="LICENCE_LAPSED" if lapsed else f"EXPIRES_WITHIN_{ending.stage}_DAYS",
        at=now,
        due_at=now + LAPSE_WITHIN if lapsed else site.begin_of(ending.ends_on + timedelta(days=1)),
    )


def _licence_task_id(site: Site, level: str, ends_on: date, stage: int) -> str:
    return derived_id(site.site_id, LICENCE_TASK, level, ends_on.isoformat(), str(stage))


def _task(site: Site, *, task: str, task_id: str, reason: str, at: datetime, due_at: datetime) -> Task:
    return Task(
        task_id=task_id,
        task=task,
        owner_role=roles.OPERATIONS,
        next_role=roles.SUPERVISOR,
        reason=reason,
        about_id=site.site_id,
        opened_at=at,
        due_at=due_at,
    )
