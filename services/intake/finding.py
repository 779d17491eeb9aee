"""What a way in names must be there, and the caller's own where it must: found, or refused."""

from sqlalchemy.orm import Session

from services.intake import queueing, tables
from services.intake.domain import access, coverage, legal, outward, programs, restrictions
from services.intake.domain.admission_waits import AdmissionWait
from services.intake.domain.assessments import Assessment
from services.intake.domain.episodes import Episode
from services.intake.domain.inquiries import Inquiry
from services.intake.domain.people import Patient
from services.intake.domain.sites import Site
from shared.contracts import roles
from shared.errors import NotFound
from shared.messaging import Call


def site(db: Session, site_id: str) -> Site:
    """Return a site."""
    site = tables.find_site(db, site_id=site_id)
    if site is None:
        raise NotFound("No such site.", field="site_id")
    return site


def patient(db: Session, patient_id: str) -> Patient:
    """Return a patient."""
    patient = tables.find_patient(db, patient_id=patient_id)
    if patient is None:
        raise NotFound("No such patient.", field="patient_id")
    return patient


def episode(db: Session, episode_id: str) -> Episode:
    """Return an episode."""
    episode = tables.find_episode(db, episode_id=episode_id)
    if episode is None:
        raise NotFound("No such episode.", field="episode_id")
    return episode


def locked_episode(db: Session, episode_id: str) -> Episode:
    """Return an episode, which nobody else changes until the transaction ends."""
    episode = tables.lock_episode(db, episode_id=episode_id)
    if episode is None:
        raise NotFound("No such episode.", field="episode_id")
    return episode


def locked_inquiry(db: Session, inquiry_id: str) -> Inquiry:
    """Return an inquiry, which nobody else changes until the transaction ends."""
    inquiry = tables.lock_inquiry(db, inquiry_id=inquiry_id)
    if inquiry is None:
        raise NotFound("No such inquiry.", field="inquiry_id")
    return inquiry


def assessment(db: Session, assessment_id: str) -> Assessment:
    """Return an assessment."""
    assessment = tables.find_assessment(db, assessment_id=assessment_id)
    if assessment is None:
        raise NotFound("No such assessment.", field="assessment_id")
    return assessment


def locked_restriction(db: Session, restriction_id: str) -> restrictions.Restriction:
    """Return a request for restriction, which nobody else changes until the transaction ends."""
    restriction = tables.lock_restriction(db, restriction_id=restriction_id)
    if restriction is None:
        raise NotFound("No such request.", field="restriction_id")
    return restriction


def locked_demand(db: Session, demand_id: str) -> legal.LegalDemand:
    """Return a legal demand, which nobody else changes until the transaction ends."""
    demand = tables.lock_demand(db, demand_id=demand_id)
    if demand is None:
        raise NotFound("No such demand.", field="demand_id")
    return demand


def locked_record_request(db: Session, call: Call) -> access.RecordRequest:
    """Return a request for a record, locked; a patient's own only."""
    request = tables.lock_record_request(db, request_id=call.data["request_id"])
    if request is None:
        raise NotFound("No such request.", field="request_id")
    check_own(call, request.patient_id, field="request_id")
    return request


def outward_referral(db: Session, outward_referral_id: str) -> outward.OutwardReferral:
    """Return a referral to another program."""
    referral = tables.find_outward_referral(db, outward_referral_id=outward_referral_id)
    if referral is None:
        raise NotFound("No such referral.", field="outward_referral_id")
    return referral


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
    authorization = tables.lock_authorization(db, authorization_id=authorization_id)
    if authorization is None:
        raise NotFound("No such authorisation.", field="authorization_id")
    return authorization


def locked_wait(db: Session, call: Call) -> AdmissionWait:
    """Return an entry of the waiting list, locked; a patient's own only."""
    wait = queueing.locked(db, call.data["wait_id"])
    check_own(call, wait.patient_id, field="wait_id")
    return wait


def check_own(call: Call, patient_id: str, *, field: str) -> None:
    """Tell a patient who asks about somebody else that there is nobody."""
    if call.actor.role == roles.PATIENT and call.actor.actor_id != patient_id:
        raise NotFound("No such thing.", field=field)
