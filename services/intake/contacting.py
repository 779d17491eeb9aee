"""How patients are reached: what the ways in of intake do with contact points in several steps."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from services.intake import tables
from services.intake.domain import contact_points
from services.intake.domain.contact_points import ContactBook, ContactPoint
from services.intake.domain.people import Patient
from shared.database import blind_index
from shared.errors import NotFound
from shared.ids import derived_id, new_id
from shared.messaging import Call

#: What is told of a contact point that is added, and of one that is changed.
_ADDED = ("kind", "address", "message_safe", "label", "position", "verified")
_CHANGED = ("label", "message_safe", "may_be_used", "verified", "position")


def book_of(patient: Patient, points: Iterable[ContactPoint], *, tenant_id: str) -> ContactBook:
    """Return a patient's contact points, with those that stand in the patient's own row alone."""

    def id_of(kind: str, address: str) -> str:
        # The same at each look until somebody changes one and so has it kept; told by nobody without the key.
        return derived_id(patient.patient_id, kind, index_of(kind, address, tenant_id=tenant_id).hex())

    book = ContactBook(patient, points, new_id=new_id)
    book.adopt(id_of=id_of)
    return book


def index_of(kind: str, address: str, *, tenant_id: str) -> bytes:
    """Return what finds an address, however it is written, without saying which it is."""
    return blind_index(contact_points.address_key(kind, address), tenant_id=tenant_id)


def find(db: Session, patient_id: str, *, tenant_id: str) -> ContactBook | None:
    """Return a patient's contact points, if the patient is known."""
    found = tables.patient_with_contacts(db, patient_id=patient_id)
    return None if found is None else book_of(*found, tenant_id=tenant_id)


def read(db: Session, call: Call) -> ContactBook:
    """Return the contact points of the patient whom a call names.

    :raises NotFound: when nobody has such an id.
    """
    book = find(db, call.data["patient_id"], tenant_id=call.tenant_id)
    if book is None:
        raise NotFound("No such patient.", field="patient_id")
    return book


def check_voicemail(db: Session, patient_id: str, *, tenant_id: str) -> None:
    """Refuse to record that a voicemail was left for somebody who called none of their numbers safe.

    :raises InvalidInput: when they did not (13b.11).
    """
    book = find(db, patient_id, tenant_id=tenant_id)
    if book is not None:
        book.check_voicemail()


def lock(db: Session, patient: Patient, *, tenant_id: str) -> ContactBook:
    """Return a patient's contact points, which nobody else changes until the transaction ends."""
    # The turn that registrations of the same person wait for.
    tables.take_turn(db, tenant_id=tenant_id, about=patient.identity_index)
    found = tables.patient_with_contacts(db, patient_id=patient.patient_id, anew=True)
    assert found is not None  # for the type checker: it was read before
    return book_of(*found, tenant_id=tenant_id)


def keep(db: Session, book: ContactBook) -> None:
    """Keep what was written into a book, so that each address can be looked up."""
    for point in book.points:
        if point.address_index is None:
            point.address_index = index_of(point.kind, point.address, tenant_id=db.info["tenant_id"])
    db.add_all(book.points)


def add(db: Session, patient: Patient, call: Call) -> tuple[ContactBook, ContactPoint]:
    """Add a contact point."""
    book = lock(db, patient, tenant_id=call.tenant_id)
    told = {name: call.data[name] for name in _ADDED}
    point = book.add(**told, by=call.actor, at=call.now)
    keep(db, book)
    return book, point


def change(db: Session, patient: Patient, call: Call) -> tuple[ContactBook, ContactPoint]:
    """Change what is told about a contact point."""
    book = lock(db, patient, tenant_id=call.tenant_id)
    point = book.find(call.data["contact_point_id"])
    told = {name: call.data[name] for name in _CHANGED}
    book.change(point, **told, by=call.actor, at=call.now)
    keep(db, book)
    return book, point


def end(db: Session, patient: Patient, call: Call) -> tuple[ContactBook, ContactPoint]:
    """Use a contact point no more."""
    book = lock(db, patient, tenant_id=call.tenant_id)
    point = book.find(call.data["contact_point_id"])
    book.end(point, why=call.data["why"], by=call.actor, at=call.now)
    keep(db, book)
    return book, point


def prefer(db: Session, patient: Patient, call: Call) -> ContactBook:
    """Keep what somebody speaks, and how they would rather be reached."""
    book = lock(db, patient, tenant_id=call.tenant_id)
    book.prefer(**{name: call.data[name] for name in ("language", "preferred_channel") if name in call.data})
    keep(db, book)
    return book
