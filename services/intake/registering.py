"""Registering who is referred: by the staff, by an import, or by a partner who learns nothing by it."""

from collections.abc import Collection
from typing import Any

from marshmallow import ValidationError
from sqlalchemy.orm import Session

from services.intake import contacting, finding, inquiring, schemas, tables
from services.intake.domain import people, referrals, timeline
from services.intake.domain.contact_points import ContactBook, ContactPoint, Told
from services.intake.domain.episodes import Episode
from services.intake.domain.inquiries import Inquiry
from services.intake.domain.people import Patient
from services.intake.domain.referrals import Referral
from services.intake.domain.sites import Site
from shared.contracts import roles
from shared.database import blind_index
from shared.errors import InvalidInput, Refusal
from shared.ids import new_id
from shared.messaging import Call, announce_all


class Known:
    """Whom intake knows of the people with some identities, until the transaction ends.

    Asked for all of them at once. Nobody else can make one of them known meanwhile.
    """

    def __init__(self, db: Session, *, tenant_id: str, identity_indexes: Collection[bytes]) -> None:
        tables.take_turns(db, tenant_id=tenant_id, about=identity_indexes)
        patients = tables.recognise(db, identity_indexes=identity_indexes)
        patient_ids = [patient.patient_id for patient in patients]
        locked = tables.lock_open_episodes(db, patient_ids=patient_ids) if patient_ids else []
        points = tables.contact_points_of(db, patient_ids=patient_ids) if patient_ids else []
        self._tenant_id = tenant_id
        self._points: dict[str, list[ContactPoint]] = {}
        for point in points:
            self._points.setdefault(point.patient_id, []).append(point)
        open_episodes = {episode.patient_id: episode for episode in locked}
        self._found: dict[bytes, tuple[Patient, Episode | None]] = {
            patient.identity_index: (patient, open_episodes.get(patient.patient_id)) for patient in patients
        }

    def find(self, identity_index: bytes) -> tuple[Patient | None, Episode | None]:
        """Return a person, and their episode where one is open."""
        return self._found.get(identity_index, (None, None))

    def contacts_of(self, patient: Patient) -> ContactBook:
        """Return how a person is reached; somebody new is reached nowhere yet."""
        return contacting.book_of(
            patient, self._points.get(patient.patient_id, ()), tenant_id=self._tenant_id
        )

    def add(self, patient: Patient, episode: Episode, contacts: ContactBook) -> None:
        """Know somebody, who has an open episode, from now on."""
        self._found[patient.identity_index] = (patient, episode)
        self._points[patient.patient_id] = contacts.points


def register(
    db: Session, call: Call, site: Site, data: dict[str, Any], *, known: Known | None = None
) -> tuple[Referral, Episode]:
    """Register a referral: the person is recognised, or made known; their inquiry ends.

    :param data: what the schema of a referral loaded.
    :param known: whom intake knows, where that was asked already.
    """
    person = data["patient"]
    received_at = data["received_at"] or call.now
    referrals.check_received(received_at, born_on=person["birth_date"], site=site, now=call.now)
    inquiry = finding.locked_inquiry(db, data["inquiry_id"]) if data.get("inquiry_id") else None
    teds_codes, recorded_service = referrals.read_teds(data["teds"])
    if inquiry is not None:
        # What they said themselves counts until somebody says otherwise.
        teds_codes = inquiry.teds_codes() | teds_codes
    identity_index = index_of(person, tenant_id=call.tenant_id)
    known = known or Known(db, tenant_id=call.tenant_id, identity_indexes=[identity_index])
    patient, open_episode = known.find(identity_index)
    known_patient = patient is not None
    if patient is None:
        patient = Patient(
            # What was asked about them before they had a name goes on to be about them.
            patient_id=inquiry.patient_id if inquiry else new_id(),
            journey_id=new_id(),
            identity_index=identity_index,
            given_name=person["given_name"],
            family_name=person["family_name"],
            birth_date=person["birth_date"].isoformat(),
            sex=person["sex"],
            registered_at=call.now,
        )
    referral, episode, events = referrals.refer(
        patient=patient,
        known_patient=known_patient,
        open_episode=open_episode,
        site=site,
        referral_id=new_id(),
        episode_id=new_id(),
        referral_source=data["referral_source"],
        teds_codes=teds_codes,
        recorded_service=recorded_service,
        received_at=received_at,
        asked_at=inquiry.received_at if inquiry else None,
    )
    contacts = known.contacts_of(patient)
    _tell_contacts(contacts, person, inquiry, call, known_patient=known_patient)
    due = timeline.assessment_task(referral)
    db.add_all([patient, referral, episode, due])
    contacting.keep(db, contacts)
    known.add(patient, episode, contacts)
    announce_all(db, [*events, due.opened()])
    if inquiry is not None:
        inquiring.become_referral(db, inquiry, referral_id=referral.referral_id, at=call.now)
    return referral, episode


def _tell_contacts(
    contacts: ContactBook, person: dict[str, Any], inquiry: Inquiry | None, call: Call, *, known_patient: bool
) -> None:
    """Take over how somebody is reached and what they speak, as far as the caller may say so."""
    told = Told(phone=person["phone"], email=person["email"], voicemail_safe=person["voicemail_safe"])
    patient, language = contacts.patient, person["language"]
    if known_patient and call.actor.role == roles.PARTNER:
        contacts.fill_in(told, by=call.actor, at=call.now)
        patient.language = patient.language or language
        return
    # What the person said themselves of their number counts for the same number in the referral.
    asked = inquiry.reached_at() if inquiry is not None else Told()
    contacts.take_over(told.with_word_of(asked), by=call.actor, at=call.now)
    contacts.take_over(asked, by=call.actor, at=call.now, first=False)
    patient.language = language or (inquiry.language if inquiry is not None else None) or patient.language


def import_rows(
    db: Session, call: Call, site: Site
) -> tuple[list[tuple[int, Referral]], list[tuple[int, dict[str, str]]]]:
    """Register the rows of an import.

    :returns: the referrals, and the problems of rows that break a rule, each with the row's line.
    """
    rows: dict[int, dict[str, Any]] = {}
    lines: dict[int, int] = {}
    refused: dict[int, Refusal] = {}
    identity_indexes: set[bytes] = set()
    for place, row in enumerate(call.data["rows"], start=1):
        # Lines of a file with a header are counted by its sender; otherwise rows are.
        lines[place] = row["line"] if isinstance(row, dict) and type(row.get("line")) is int else place
        try:
            data = _read_row(row, default_source=call.data["referral_source"])
            identity_indexes.add(index_of(data["patient"], tenant_id=call.tenant_id))
        except InvalidInput as refusal:
            refused[place] = refusal
        else:
            rows[place] = data
    known = Known(db, tenant_id=call.tenant_id, identity_indexes=identity_indexes)
    registered: list[tuple[int, Referral]] = []
    for place, data in rows.items():
        try:
            referral, _ = register(db, call, site, data, known=known)
        except Refusal as refusal:
            refused[place] = refusal
        else:
            registered.append((lines[place], referral))
    problems = [
        (lines[place], problem)
        for place, refusal in sorted(refused.items())
        for problem in refusal.problems or ({"field": "row", "rule": refusal.detail},)
    ]
    return registered, problems


def refer_or_join(db: Session, call: Call, site: Site) -> tuple[Referral | None, Episode]:
    """Open an episode for somebody whom a partner sends, or find the one that is open.

    Whatever would refuse a stranger refuses a known person as well, so that the sender can tell nothing.
    """
    person = call.data["patient"]
    received_at = call.data["received_at"] or call.now
    referrals.check_received(received_at, born_on=person["birth_date"], site=site, now=call.now)
    referrals.read_teds(call.data["teds"])
    identity_index = index_of(person, tenant_id=call.tenant_id)
    known = Known(db, tenant_id=call.tenant_id, identity_indexes=[identity_index])
    _, open_episode = known.find(identity_index)
    if open_episode is not None:
        return None, open_episode
    return register(db, call, site, call.data, known=known)


def index_of(person: dict[str, Any], *, tenant_id: str) -> bytes:
    """Return what finds a person by who they are, without saying who."""
    names = {name: person[name] for name in ("given_name", "family_name", "birth_date")}
    return blind_index(people.identity_text(**names), tenant_id=tenant_id)


def _read_row(row: Any, *, default_source: str | None) -> dict[str, Any]:
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
