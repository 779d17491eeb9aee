"""What the program reports of its admissions: their records in TEDS codes, and the codes that they lack."""

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from services.intake import tables
from services.intake.domain import referrals, teds_records
from services.intake.domain.episodes import Episode
from services.intake.domain.referrals import Referral
from services.intake.domain.sites import Site
from shared.errors import InvalidInput, NotFound


def keep_codes(db: Session, episode: Episode, told: dict[str, Any]) -> Referral:
    """Keep what somebody found out in codes: a field that is told missing is forgotten.

    :raises InvalidInput: naming each field that is unknown or holds no code of its own.
    """
    referral = tables.find_referral(db, referral_id=episode.referral_id)
    if referral is None:
        raise NotFound("No such referral.", field="episode_id")
    codes, service = referrals.read_teds(told)
    if service is not None:
        raise InvalidInput(
            "The service is not told: it is that of the level decided on.",
            field="teds.SERVICES",
            rule="left out",
        )
    kept = {name: code for name, code in referral.teds.items() if name not in told}
    # What was known and what is new must fit together too. A dictionary of its own, so that it is seen.
    referral.teds, _ = referrals.read_teds(kept | codes)
    return referral


def records_of(db: Session, site: Site, asked: dict[str, Any]) -> list[teds_records.TedsRecord]:
    """Return one more than a page of the records of a site's admissions, by the id of the admission.

    :raises InvalidInput: when the stretch of days ends before it begins.
    """
    first, last = asked["from_"], asked["to"]
    if first and last and last < first:
        raise InvalidInput("The days end before they begin.", field="to", rule="not before from")
    listed = tables.find_program_of_site(db, site_id=site.site_id)
    found = tables.admitted_after(
        db,
        site_id=site.site_id,
        since=site.begin_of(first) if first else None,
        until=site.begin_of(last + timedelta(days=1)) if last else None,
        after=asked["after"],
        limit=asked["limit"] + 1,
    )
    return [
        teds_records.record_of(
            admission=admission,
            referral=referral,
            patient=patient,
            site=site,
            assessment=assessment,
            state=listed.state if listed else None,
        )
        for admission, referral, patient, assessment in found
    ]
