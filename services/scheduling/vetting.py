"""The monthly look at the federal exclusion lists, for everybody who works at a site."""

from datetime import datetime

from sqlalchemy.orm import Session

from services.scheduling import staffing
from services.scheduling.domain import clinicians, exclusions, records
from shared.clock import set_timer
from shared.messaging import announce, announce_all

#: Timer of the moment from which somebody is asked to look again; its key is the clinician.
CHECK_DUE = "exclusion_check_due"


def watch(db: Session, clinician: clinicians.Clinician, *, now: datetime) -> None:
    """Ask for the look that is due, or come back when it is."""
    due = exclusions.due_at(clinician.exclusions, added_at=clinician.added_at)
    if due > now:
        set_timer(db, CHECK_DUE, key=clinician.clinician_id, due_at=due)
    elif clinician.exclusion_task is None:
        asked = exclusions.ask(clinician.clinician_id, due=due)
        clinician.exclusion_task = asked.task_id
        announce(db, asked)


def record(
    db: Session,
    clinician: clinicians.Clinician,
    site: records.Site,
    check: exclusions.ExclusionCheck,
    *,
    now: datetime,
) -> None:
    """Keep what a look has found; somebody else is asked for what an excluded person can lead no more."""
    db.add(check)
    look = {"finding": check.finding, "checked_at": check.checked_at.isoformat()}
    clinician.exclusions = {**clinician.exclusions, check.source: look}
    due = exclusions.due_at(clinician.exclusions, added_at=clinician.added_at)
    if clinician.exclusion_task is not None and due > now:
        announce(db, exclusions.answered(clinician.exclusion_task, clinician.clinician_id, now=now))
        clinician.exclusion_task = None
    watch(db, clinician, now=now)
    announce_all(db, clinician.tell_credentials(now=now))
    left = staffing.uncovered(db, clinician, site, now=now)
    if left and exclusions.is_excluded(clinician.exclusions):
        asked = clinician.ask_to_reassign(
            reason="CLINICIAN_EXCLUDED", about=check.check_id, due_at=left[0].starts_at, now=now
        )
        announce_all(db, asked)
    else:
        staffing.settle(db, clinician, site, now=now)
