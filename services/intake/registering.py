"""Registering who is referred: by the staff, by an import, or by a partner who learns nothing by it."""

from typing import Any

from marshmallow import ValidationError
from sqlalchemy.orm import Session

from services.intake import finding, inquiring, schemas, tables
from services.intake.domain import people, referrals
from services.intake.domain.episodes import Episode
from services.intake.domain.people import Patient
from services.intake.domain.referrals import Referral
from services.intake.domain.sites import Site
from shared.database import blind_index
from shared.errors import InvalidInput
from shared.ids import new_id
from shared.messaging import Call, announce_all


def register(db: Session, call: Call, site: Site, data: dict[str, Any]) -> tuple[Referral, Episode]:
    """Register a referral: the person is recognised, or made known; their inquiry ends.

    :param data: what the schema of a referral loaded.
    """
    person = data["patient"]
    received_at = data["received_at"] or call.now
    referrals.check_received(received_at, born_on=person["birth_date"], site=site, now=call.now)
    inquiry = finding.locked_inquiry(db, data["inquiry_id"]) if data.get("inquiry_id") else None
    teds_codes, recorded_service = referrals.read_teds(data["teds"])
    identity_index = index_of(person, tenant_id=call.tenant_id)
    tables.take_turn(db, tenant_id=call.tenant_id, about=identity_index)
    patient = tables.recognise(db, identity_index=identity_index)
    known_patient = patient is not None
    if patient is None:
        patient = Patient(
            # What was asked about them before they had a name goes on to be about them.
            patient_id=inquiry.patient_id if inquiry else new_id(),
            journey_id=new_id(),
            identity_index=identity_index,
            registered_at=call.now,
            **(person | {"birth_date": person["birth_date"].isoformat()}),
        )
    referral, episode, events = referrals.refer(
        patient=patient,
        known_patient=known_patient,
        open_episode=tables.lock_open_episode(db, patient_id=patient.patient_id),
        site=site,
        referral_id=new_id(),
        episode_id=new_id(),
        referral_source=data["referral_source"],
        teds_codes=teds_codes,
        recorded_service=recorded_service,
        received_at=received_at,
    )
    if known_patient:
        patient.update_contacts(phone=person["phone"], email=person["email"])
    db.add_all([patient, referral, episode])
    announce_all(db, events)
    if inquiry is not None:
        inquiring.become_referral(db, inquiry, referral_id=referral.referral_id, at=call.now)
    return referral, episode


def refer_or_join(db: Session, call: Call, site: Site) -> tuple[Referral | None, Episode]:
    """Open an episode for somebody whom a partner sends, or find the one that is open.

    Whatever would refuse a stranger refuses a known person as well, so that the sender can tell nothing.
    """
    person = call.data["patient"]
    received_at = call.data["received_at"] or call.now
    referrals.check_received(received_at, born_on=person["birth_date"], site=site, now=call.now)
    referrals.read_teds(call.data["teds"])
    identity_index = index_of(person, tenant_id=call.tenant_id)
    tables.take_turn(db, tenant_id=call.tenant_id, about=identity_index)
    patient = tables.recognise(db, identity_index=identity_index)
    open_episode = tables.lock_open_episode(db, patient_id=patient.patient_id) if patient else None
    if open_episode is not None:
        return None, open_episode
    return register(db, call, site, call.data)


def index_of(person: dict[str, Any], *, tenant_id: str) -> bytes:
    """Return what finds a person by who they are, without saying who."""
    names = {name: person[name] for name in ("given_name", "family_name", "birth_date")}
    return blind_index(people.identity_text(**names), tenant_id=tenant_id)


def import_row(row: Any, *, default_source: str | None) -> dict[str, Any]:
    """Return the referral that a row of an import tells.

    :raises InvalidInput: with the field of the row that is at fault.
    """
    if not isinstance(row, dict):
        raise InvalidInput("The row is no referral.", field="row", rule="an object with a patient")
    try:
        data: dict[str, Any] = schemas.ReferralRow().load(row)
    except ValidationError as error:
        raise InvalidInput.of(error.normalized_messages()) from None
    data["referral_source"] = data["referral_source"] or default_source
    if data["referral_source"] is None:
        raise InvalidInput(
            "The row lacks its source.", field="referral_source", rule="needed in the row or the import"
        )
    return data
