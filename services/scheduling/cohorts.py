"""How stable the cohorts of a site are, as the service sees it."""

from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy.orm import Session

from services.scheduling import schemas, tables
from services.scheduling.domain import cohorts, records, weeks
from shared.answers import answers_of


def stability_view(db: Session, *, site: records.Site, now: datetime) -> list[dict[str, Any]]:
    """Return what became of the people of each group of a site, in the order of the groups' opening."""
    today = weeks.local_day(at=now, zone=site.time_zone)
    found = tables.groups_of_site(db, site_id=site.site_id)
    since = {group.group_id: cohorts.looked_back_to(group, today=today) for group in found}
    # Open groups share a week, and so do cohorts that began together.
    then = {day: _members_then(db, site, day=day) for day in sorted(set(since.values()))}
    now_in = tables.members_of_groups(db, site_id=site.site_id)
    told = []
    for group in found:
        there = then[since[group.group_id]].get(group.group_id, set())
        told.append(
            cohorts.stability(
                group,
                since=since[group.group_id],
                then=there,
                now=now_in.get(group.group_id, set()),
                completed=tables.discharged_for(db, episode_ids=there, reason=cohorts.COMPLETED),
            )
        )
    return answers_of(schemas.Cohort, told)


def _members_then(db: Session, site: records.Site, *, day: date) -> dict[str, set[str]]:
    since = weeks.moment_of(day=day, at=time(0), zone=site.time_zone)
    until = weeks.moment_of(day=day + timedelta(days=7), at=time(0), zone=site.time_zone)
    return tables.members_within(db, site_id=site.site_id, since=since, until=until)
