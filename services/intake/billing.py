"""Attended days as the office sees them: which may be billed, and why the others may not."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from services.intake import tables
from services.intake.domain import billing
from services.intake.domain.consents import Consent
from services.intake.domain.restrictions import Restriction
from services.intake.domain.sites import Site
from shared.errors import InvalidInput

#: Days that go back from today when nobody says from which day on. Design default: a month.
USUAL_DAYS = 31

#: Days that are looked at in one turn.
_AT_ONCE = 200


def days_of(
    db: Session, site: Site, asked: dict[str, Any], *, billable: bool, now: datetime
) -> list[billing.JudgedDay]:
    """Return one more than a page of a site's attended days that are billable, or are not; oldest first.

    :raises InvalidInput: when the days end before they begin, or are too many.
    """
    first, last = _stretch(site, asked, now=now)
    after, limit = asked["after"], asked["limit"] + 1
    found: list[billing.JudgedDay] = []
    while len(found) < limit:
        days = tables.attended_days(
            db, site_id=site.site_id, first=first, last=last, after=after, limit=_AT_ONCE
        )
        found += [one for one in _judged(db, site, days, now=now) if one.is_billable == billable]
        if len(days) < _AT_ONCE:
            break
        after = days[-1].delivery_id
    return found[:limit]


def _stretch(site: Site, asked: dict[str, Any], *, now: datetime) -> tuple[date, date]:
    last: date = asked["to"] or max(site.local_day(now), asked["from_"] or date.min)
    first: date = asked["from_"] or last - timedelta(days=USUAL_DAYS)
    if not 0 <= (last - first).days < billing.MOST_DAYS:
        raise InvalidInput(
            "The days cannot be listed.",
            field="to",
            rule=f"not before from, and at most {billing.MOST_DAYS} days",
        )
    return first, last


def _judged(
    db: Session, site: Site, days: Sequence[billing.AttendedDay], *, now: datetime
) -> list[billing.JudgedDay]:
    patient_ids, episode_ids = ({getattr(day, name) for day in days} for name in ("patient_id", "episode_id"))
    known = tables.payments_of(db, episode_ids=episode_ids)
    own = tables.self_pays_of(db, episode_ids=episode_ids)
    promised: dict[str, list[Restriction]] = {}
    for one in tables.agreed_restrictions_of(db, patient_ids=sorted(patient_ids)):
        promised.setdefault(one.patient_id, []).append(one)
    consents = tables.billing_consents_of(db, patient_ids=patient_ids)
    consented = _days_by_patient(consents, site, now=now)
    families = {day.patient_id for day in days if day.family_forms or day.family_alone_minutes}
    consents = tables.family_consents_of(db, patient_ids=families) if families else []
    of_family = _days_by_patient(consents, site, now=now)
    found = []
    for day in days:
        if day.episode_id not in known:
            continue
        without = own[day.episode_id].days_without_cover(site=site) if day.episode_id in own else ()
        payment = replace(
            known[day.episode_id],
            days_without_cover=without,
            restrictions=tuple(promised.get(day.patient_id, ())),
            consented=tuple(consented.get(day.patient_id, ())),
        )
        with_family = any(
            first <= day.served_on and (last is None or day.served_on <= last)
            for first, last in of_family.get(day.patient_id, ())
        )
        found.append(billing.judge(day, payment, family_consent=with_family))
    return found


def _days_by_patient(
    consents: Sequence[Consent], site: Site, *, now: datetime
) -> dict[str, list[tuple[date, date | None]]]:
    found: dict[str, list[tuple[date, date | None]]] = {}
    for consent in consents:
        found.setdefault(consent.patient_id, []).append(consent.days(site=site, now=now))
    return found
