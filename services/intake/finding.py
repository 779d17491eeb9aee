"""What a way in names must be there, and the caller's own where it must: found, or refused."""

from datetime import date, datetime, timedelta
from typing import TypeVar

from sqlalchemy.orm import Session

from services.intake import queueing, tables
from services.intake.domain import access, coverage, instruments, legal, outward, programs, restrictions
from services.intake.domain.admission_waits import AdmissionWait
from services.intake.domain.assessments import Assessment
from services.intake.domain.episodes import Episode
from services.intake.domain.inquiries import Inquiry
from services.intake.domain.people import Patient
from services.intake.domain.sites import Site
from shared.contracts import roles
from shared.errors import NotFound
from shared.messaging import Call

Found = TypeVar("Found")


def _there(found: Found | None, what: str, *, field: str) -> Found:
    if found is None:
        raise NotFound(f"No such {what}.", field=field)
    return found


def site(db: Session, site_id: str) -> Site:
    """Return a site."""
    return _there(tables.find_site(db, site_id=site_id), "site", field="site_id")


def locked_site(db: Session, site_id: str) -> Site:
    """Return a site, which nobody else changes until the transaction ends."""
    return _there(tables.lock_site(db, site_id=site_id), "site", field="site_id")


def patient(db: Session, patient_id: str) -> Patient:
    """Return a patient."""
    return _there(tables.find_patient(db, patient_id=patient_id), "patient", field="patient_id")


def own_patient(db: Session, call: Call) -> Patient:
    """Return the patient whom a call names; to a patient, only themselves."""
    found = patient(db, call.data["patient_id"])
    check_own(call, found.patient_id, field="patient_id")
    return found


def to_answer(db: Session, call: Call) -> tables.ToAnswer:
    """Return who answers an instrument, as :func:`own_patient` does, with what is known of them."""
    found = tables.to_answer(
        db, patient_id=call.data["patient_id"], at=call.now, tasks_named=instruments.TASKS_OF_ANSWERS
    )
    known = _there(found, "patient", field="patient_id")
    check_own(call, known.patient.patient_id, field="patient_id")
    return known


def episode(db: Session, episode_id: str) -> Episode:
    """Return an episode."""
    return _there(tables.find_episode(db, episode_id=episode_id), "episode", field="episode_id")


def locked_episode(db: Session, episode_id: str) -> Episode:
    """Return an episode, which nobody else changes until the transaction ends."""
    return _there(tables.lock_episode(db, episode_id=episode_id), "episode", field="episode_id")


def to_assess(db: Session, episode_id: str) -> tables.ToAssess:
    """Return an episode, locked, with what is known beforehand to whoever assesses its patient."""
    return _there(tables.lock_to_assess(db, episode_id=episode_id), "episode", field="episode_id")


def to_decide(db: Session, episode_id: str, *, assessment_id: str | None = None) -> tables.ToDecide:
    """Return an episode, locked, with what it is decided by where its patient is treated."""
    known = tables.lock_to_decide(db, episode_id=episode_id, assessment_id=assessment_id)
    return _there(known, "episode", field="episode_id")


def locked_inquiry(db: Session, inquiry_id: str) -> Inquiry:
    """Return an inquiry, which nobody else changes until the transaction ends."""
    return _there(tables.lock_inquiry(db, inquiry_id=inquiry_id), "inquiry", field="inquiry_id")


def assessment(db: Session, assessment_id: str) -> Assessment:
    """Return an assessment."""
    return _there(
        tables.find_assessment(db, assessment_id=assessment_id), "assessment", field="assessment_id"
    )


def locked_restriction(db: Session, restriction_id: str) -> restrictions.Restriction:
    """Return a request for restriction, which nobody else changes until the transaction ends."""
    return _there(
        tables.lock_restriction(db, restriction_id=restriction_id), "request", field="restriction_id"
    )


def locked_demand(db: Session, demand_id: str) -> legal.LegalDemand:
    """Return a legal demand, which nobody else changes until the transaction ends."""
    return _there(tables.lock_demand(db, demand_id=demand_id), "demand", field="demand_id")


def locked_record_request(db: Session, call: Call) -> access.RecordRequest:
    """Return a request for a record, locked; a patient's own only."""
    found = tables.lock_record_request(db, request_id=call.data["request_id"])
    request = _there(found, "request", field="request_id")
    check_own(call, request.patient_id, field="request_id")
    return request


def outward_referral(db: Session, outward_referral_id: str) -> outward.OutwardReferral:
    """Return a referral to another program."""
    return _there(
        tables.find_outward_referral(db, outward_referral_id=outward_referral_id),
        "referral",
        field="outward_referral_id",
    )


def locked_follow_ups(
    db: Session, outward_referral_id: str
) -> tuple[outward.OutwardReferral, list[outward.FollowUp]]:
    """Return a referral to another program, and its follow-ups, first to last, locked."""
    return _there(
        tables.lock_follow_ups(db, outward_referral_id=outward_referral_id),
        "referral",
        field="outward_referral_id",
    )


def program(db: Session, program_id: str, *, lock: bool = False) -> programs.Program:
    """Return a program of the directory.

    :param lock: whether nobody else may change it until the transaction ends.
    """
    find = tables.lock_program if lock else tables.find_program
    program = find(db, program_id=program_id)
    if program is None:
        raise programs.NoSuchProgram("No such program.", field="program_id")
    return program


def locked_authorization(db: Session, authorization_id: str) -> coverage.Authorization:
    """Return an authorisation, which nobody else changes until the transaction ends."""
    return _there(
        tables.lock_authorization(db, authorization_id=authorization_id),
        "authorisation",
        field="authorization_id",
    )


def locked_wait(db: Session, call: Call) -> AdmissionWait:
    """Return an entry of the waiting list, locked; a patient's own only."""
    wait = queueing.locked(db, call.data["wait_id"])
    check_own(call, wait.patient_id, field="wait_id")
    return wait


def check_own(call: Call, patient_id: str, *, field: str) -> None:
    """Tell a patient who asks about somebody else that there is nobody."""
    if call.actor.role == roles.PATIENT and call.actor.actor_id != patient_id:
        raise NotFound("No such thing.", field=field)


def holidays(db: Session, site: Site, *, since: datetime) -> frozenset[date]:
    """Return the days from a moment on, on whose noon a site keeps a holiday of its own."""
    found = set()
    for begins, ends in tables.holidays_after(db, site_id=site.site_id, since=since):
        day, last = site.local_day(begins), site.local_day(ends)
        while day <= last:
            if begins <= site.begin_of(day) + timedelta(hours=12) < ends:
                found.add(day)
            day += timedelta(days=1)
    return frozenset(found)
