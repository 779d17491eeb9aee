"""Sites that change: what is told of them, their licences, who is asked about both, and who hears of it."""

import dataclasses
from collections.abc import Sequence
from datetime import datetime, time
from typing import Any

from sqlalchemy.orm import Session

from services.intake import asking, directory, tables
from services.intake.domain import programs, site_tasks
from services.intake.domain.sites import Site
from shared.clock import cancel_timer, set_timer
from shared.database import act_for, origin_of
from shared.errors import InvalidInput
from shared.messaging import announce_all

#: Timer of the next moment at which a site's licences matter; its key is the site.
LICENCES_TURN = "site_licences_turn"
#: Timer of the daily look at all sites of a tenant; its key is the day.
SITES_DAY = "sites_day"
#: When that look is: as people come to work. Design default.
LOOKED_AT = time(8)

#: What of a site can be changed by telling it anew.
_CHANGEABLE = ("address", "emergency_phone", "name", "time_zone")


def change(db: Session, site: Site, data: dict[str, Any], *, now: datetime) -> None:
    """Change what is told of a site, and tell whoever keeps a copy; the same told again changes nothing.

    :raises InvalidInput: when nothing is told.
    """
    told = {name: data[name] for name in _CHANGEABLE if name in data}
    if not told:
        rule = f"at least one of {', '.join(_CHANGEABLE)}"
        raise InvalidInput("Nothing is to be changed.", field="name", rule=rule)
    in_use = "time_zone" in told and tables.site_is_in_use(db, site_id=site.site_id)
    settle(db, site, changed=site.change(told, in_use=in_use, now=now), now=now)


def settle(db: Session, site: Site, *, now: datetime, changed: tuple[str, ...] = ()) -> None:
    """Bring others, the directory, tasks and the timer in line with a site, however often."""
    news = site.tell(changed, now=now)
    announce_all(db, news)
    # Also without news: a licence that was renewed changes until when the directory shows it as verified.
    program = tables.lock_program(db, program_id=site.site_id)
    if program is not None and program.origin == programs.OWN:
        if news:
            program.follow(name=site.name, levels=site.levels_licensed, address=site.address, now=now)
        directory.settle_verified(db, program, now=now)
    _ask(db, site, now=now)
    next_look_at = site.next_look_at(after=now)
    if next_look_at is None:
        cancel_timer(db, LICENCES_TURN, key=site.site_id)
    else:
        set_timer(db, LICENCES_TURN, key=site.site_id, due_at=next_look_at)


def _ask(db: Session, site: Site, *, now: datetime) -> None:
    wanted = site_tasks.wanted(site, now=now)
    kinds = (site_tasks.EMERGENCY_LINE_TASK, site_tasks.LICENCE_TASK)
    for task in tables.open_tasks_on(db, about_id=site.site_id, tasks_named=kinds):
        if task.task_id not in {one.task_id for one in wanted}:
            outcome = site_tasks.outcome_of(site, task, wanted_now=wanted, now=now)
            announce_all(db, task.close(outcome=outcome, at=now))
    for task in wanted:
        asking.ask(db, task)


def begin_day(db: Session, tenant_ids: Sequence[str], *, occurrence: datetime) -> None:
    """Have the sites of every tenant looked at, each tenant by itself."""
    origin = origin_of(db)
    for tenant_id in tenant_ids:
        act_for(db, dataclasses.replace(origin, tenant_id=tenant_id))
        set_timer(db, SITES_DAY, key=occurrence.date().isoformat(), due_at=occurrence)


def look_at_all(db: Session, *, now: datetime) -> None:
    """Ask about every site that lacks its number for emergencies or a licence, also those of long ago."""
    for site_id in tables.site_ids(db):
        look_at(db, site_id, now=now)


def look_at(db: Session, site_id: str, *, now: datetime) -> None:
    """See what the day changes about a site's licences, and who has to be asked."""
    site = tables.lock_site(db, site_id=site_id)
    if site is not None:
        settle(db, site, now=now)
