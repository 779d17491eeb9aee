"""How a patient is reached: their contact points, in the order in which to try them, and what is safe there.

An address stands under one id for good: a new number is a new contact point, so that what is on record as
sent, or as verified, stays true.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.intake.domain.people import Patient
from shared.contracts import roles
from shared.contracts.event import Actor
from shared.contracts.intake import CONTACT_ENDINGS, CONTACT_KINDS
from shared.errors import Conflict, InvalidInput, NotFound

PHONE, EMAIL = CONTACT_KINDS
#: The ending of an address that was noted by mistake.
NEVER_THEIRS = CONTACT_ENDINGS[0]
#: Kinds that the notification port can send a text to.
WRITTEN_TO = (EMAIL,)
#: Contact points that somebody adds to one patient at most; what a referral tells is never lost for it.
#: Design default: more is a slip.
MOST_CONTACT_POINTS = 20
#: Digits of a North American number with its country code, 1 (ITU-T E.164, North American Numbering Plan).
_NANP_DIGITS, _NANP_COUNTRY = 11, "1"


class ContactPointKnown(Conflict):
    """Raised when an address is added that is one of the patient's contact points already."""


class ContactPointGone(Conflict):
    """Raised when a contact point is changed or ended that was ended before."""


class TooManyContactPoints(Conflict):
    """Raised when a patient gets more contact points than anybody has."""


@dataclass(eq=False, kw_only=True)
class ContactPoint:
    """One way to reach a patient; ``address`` is kept sealed.

    ``message_safe``: whether the patient said that a voicemail, or a message, may be left there (13b.11).
    ``refused_at``: since when the mailbox is refused by its server. ``position``: 1 is tried first.
    """

    contact_point_id: str
    patient_id: str
    #: One of CONTACT_KINDS.
    kind: str
    address: str
    message_safe: bool
    position: int
    added_at: datetime
    added_by: str
    added_by_role: str
    #: One of CONTACT_LABELS.
    label: str | None = None
    may_be_used: bool = True
    verified_at: datetime | None = None
    verified_by: str | None = None
    verified_by_role: str | None = None
    refused_at: datetime | None = None
    changed_at: datetime | None = None
    changed_by: str | None = None
    changed_by_role: str | None = None
    #: What finds it by its address without saying which; none where a version before wrote it.
    address_index: bytes | None = None
    #: One of CONTACT_ENDINGS.
    ending: str | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    ended_by_role: str | None = None
    tenant_id: str = ""

    @property
    def is_live(self) -> bool:
        """Whether it is one of the patient's now."""
        return self.ended_at is None

    @property
    def takes_messages(self) -> bool:
        """Whether a text may be sent to it."""
        return self.is_live and self.may_be_used and self.message_safe and self.kind in WRITTEN_TO

    def leads_to(self, kind: str, address: str) -> bool:
        """Tell whether it is this address, however that is written."""
        return self.kind == kind and address_key(kind, self.address) == address_key(kind, address)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What somebody tells of how a patient is reached, when they refer them or take them in."""

    phone: str | None = None
    email: str | None = None
    voicemail_safe: bool = False

    def with_word_of(self, asked: "Told") -> "Told":
        """Return the same, with a voicemail safe as well where the person said so of the same number."""
        same = (
            self.phone is not None
            and asked.phone is not None
            and address_key(PHONE, self.phone) == address_key(PHONE, asked.phone)
        )
        safe = self.voicemail_safe or (same and asked.voicemail_safe)
        return Told(phone=self.phone, email=self.email, voicemail_safe=safe)

    def addresses(self) -> list[tuple[str, str, bool]]:
        """Return kind, address and whether a message is safe there.

        Whoever gives an address for mail gives it to be written to; what is written reveals nothing.
        """
        told = [(PHONE, self.phone, self.voicemail_safe), (EMAIL, self.email, True)]
        return [(kind, address, safe) for kind, address, safe in told if address]


def address_key(kind: str, address: str) -> str:
    """Return what two ways of writing one address share: of a number, its digits."""
    if kind == EMAIL:
        return address.strip().casefold()
    digits = "".join(c for c in address if c.isdecimal())
    national = len(digits) == _NANP_DIGITS and digits.startswith(_NANP_COUNTRY)
    return digits[1:] if national else digits


class ContactBook:
    """All contact points of one patient, those of earlier times included."""

    def __init__(
        self, patient: Patient, points: Iterable[ContactPoint], *, new_id: Callable[[], str]
    ) -> None:
        """Open the book; *new_id* gives the ids of what is written into it."""
        self.patient = patient
        self.points = list(points)
        self._new_id = new_id

    def in_order(self) -> list[ContactPoint]:
        """Return those of now in the order in which to try them.

        First those that may be used and whose server does not refuse them, and among these the kind that
        the patient prefers, then in their order.
        """
        preferred = self.patient.preferred_channel
        return sorted(
            self._placed(),
            key=lambda one: (
                not one.may_be_used,
                one.refused_at is not None,
                one.kind != (preferred or one.kind),
            ),
        )

    def for_messages(self, *, but: Iterable[str | None] = ()) -> list[ContactPoint]:
        """Return those that a text may be sent to, in order, without those whose ids are in *but*."""
        tried = set(but)
        return [one for one in self.in_order() if one.takes_messages and one.contact_point_id not in tried]

    def check_voicemail(self) -> None:
        """Refuse a voicemail where none is safe.

        :raises InvalidInput: when the patient called none of their numbers safe (13b.11).
        """
        if not any(one.kind == PHONE and one.may_be_used and one.message_safe for one in self._placed()):
            raise InvalidInput(
                "No voicemail is left here.", field="outcome", rule="the person says that voicemail is safe"
            )

    def mailboxes(self) -> list[str]:
        """Return every address for mail of now."""
        return [one.address for one in self._placed() if one.kind == EMAIL]

    def ended(self) -> list[ContactPoint]:
        """Return those that are used no more, the newest ending first."""
        gone = [(one.ended_at, one) for one in self.points if one.ended_at is not None]
        return [one for _, one in sorted(gone, key=lambda pair: pair[0], reverse=True)]

    def find(self, contact_point_id: str) -> ContactPoint:
        """Return one of now.

        :raises NotFound: when the patient has none of that id.
        :raises ContactPointGone: when it was ended.
        """
        found = next((one for one in self.points if one.contact_point_id == contact_point_id), None)
        if found is None:
            raise NotFound("No such contact point.", field="contact_point_id")
        if not found.is_live:
            raise ContactPointGone(field="contact_point_id", rule="one that was not ended")
        return found

    def add(
        self,
        *,
        kind: str,
        address: str,
        message_safe: bool,
        by: Actor,
        at: datetime,
        position: int | None = None,
        label: str | None = None,
        verified: bool = False,
    ) -> ContactPoint:
        """Add one, at the end where no *position* is told.

        :raises ContactPointKnown: when it is one of the patient's already.
        :raises TooManyContactPoints: when there are too many.
        """
        if self._live(kind, address) is not None:
            raise ContactPointKnown(field="address", rule="one that the patient does not have yet")
        if len(self._placed()) >= MOST_CONTACT_POINTS:
            raise TooManyContactPoints(field="patient_id", rule=f"at most {MOST_CONTACT_POINTS}")
        point = self._write(kind, address, safe=message_safe, by=by, at=at, position=position)
        point.label = label
        if verified:
            _verify(point, verified=verified, by=by, at=at)
        self.keep_in_step()
        return point

    def change(
        self,
        point: ContactPoint,
        *,
        by: Actor,
        at: datetime,
        label: str | None = None,
        message_safe: bool | None = None,
        may_be_used: bool | None = None,
        verified: bool | None = None,
        position: int | None = None,
    ) -> None:
        """Change what is told about one; None leaves it as it is.

        :raises InvalidInput: when nothing is told.
        """
        told = {"label": label, "message_safe": message_safe, "may_be_used": may_be_used}
        if all(value is None for value in (*told.values(), verified, position)):
            raise InvalidInput(
                "Nothing is told.", field="contact_point_id", rule="at least one thing to change"
            )
        for name, value in told.items():
            if value is not None:
                setattr(point, name, value)
        if verified is not None:
            _verify(point, verified=verified, by=by, at=at)
        point.changed_at, point.changed_by, point.changed_by_role = at, by.actor_id, by.role
        if position is not None:
            self._place(point, position)
        self.keep_in_step()

    def end(self, point: ContactPoint, *, why: str, by: Actor, at: datetime) -> None:
        """Use one no more."""
        point.ending, point.ended_at, point.ended_by, point.ended_by_role = why, at, by.actor_id, by.role
        self._number(self._placed())
        self.keep_in_step()

    def prefer(self, **told: str | None) -> None:
        """Keep the language and the channel that the patient prefers; None drops what was told before.

        :raises InvalidInput: when nothing is told.
        """
        if not told:
            raise InvalidInput(
                "Nothing is told.", field="preferred_channel", rule="a language, a channel, or both"
            )
        for name, value in told.items():
            setattr(self.patient, name, value)
        self.keep_in_step()

    def take_over(self, told: Told, *, by: Actor, at: datetime, first: bool = True) -> None:
        """Take over what the staff, or the patient, tells anew.

        Nothing that was ended comes back so, and what was said of the safety of one that is there stays.

        :param first: whether its addresses are tried before all others from now on.
        """
        # From the last to the first, as each is placed before those that came before it.
        for kind, address, safe in reversed(told.addresses()) if first else told.addresses():
            point = self._live(kind, address)
            if point is not None:
                if first:
                    self._place(point, 1)
            elif not self._ever(kind, address):
                self._write(kind, address, safe=safe, by=by, at=at, position=1 if first else None)
        self.keep_in_step()

    def fill_in(self, told: Told, *, by: Actor, at: datetime) -> None:
        """Take over addresses of a kind of which there is none, and never was this one.

        Somebody outside cannot lead what is written to a patient to an address of their own.
        """
        for kind, address, safe in told.addresses():
            if not any(one.kind == kind for one in self._placed()) and not self._ever(kind, address):
                self._write(kind, address, safe=safe, by=by, at=at)
        self.keep_in_step()

    def adopt(self, *, id_of: Callable[[str, str], str]) -> None:
        """Make contact points of the one number and the one address that the patient's own row tells.

        They stand there from before there were contact points, or a copy of the version before wrote them.

        :param id_of: gives the id for a kind and an address; the same each time.
        """
        told = Told(phone=self.patient.phone, email=self.patient.email)
        for kind, address, safe in reversed(told.addresses()):
            if not self._ever(kind, address):
                # Placed before all others without numbering them anew: whoever only reads changes nothing.
                before = min((one.position for one in self._placed()), default=1) - 1
                self.points.append(
                    ContactPoint(
                        contact_point_id=id_of(kind, address),
                        patient_id=self.patient.patient_id,
                        kind=kind,
                        address=address,
                        message_safe=safe,
                        position=before,
                        added_at=self.patient.registered_at,
                        added_by="referral",
                        added_by_role=roles.SYSTEM,
                    )
                )

    def is_refused(self, contact_point_id: str | None) -> bool:
        """Tell whether the server of one refused it when it was tried last."""
        return any(
            one.contact_point_id == contact_point_id and one.refused_at is not None for one in self.points
        )

    def note_outcome(self, contact_point_id: str | None, *, refused: bool, at: datetime) -> None:
        """Know that the server of one refuses it, which is then tried last; or that a message got through."""
        for one in self.points:
            if one.contact_point_id == contact_point_id:
                one.refused_at = at if refused else None
        self.keep_in_step()

    def _write(
        self, kind: str, address: str, *, safe: bool, by: Actor, at: datetime, position: int | None = None
    ) -> ContactPoint:
        placed = self._placed()
        point = ContactPoint(
            contact_point_id=self._new_id(),
            patient_id=self.patient.patient_id,
            kind=kind,
            address=address,
            message_safe=safe,
            position=len(placed) + 1,
            added_at=at,
            added_by=by.actor_id,
            added_by_role=by.role,
        )
        self.points.append(point)
        if position is None:
            self._number([*placed, point])
        else:
            self._place(point, position)
        return point

    def _placed(self) -> list[ContactPoint]:
        live = (one for one in self.points if one.is_live)
        return sorted(live, key=lambda one: (one.position, one.added_at, one.contact_point_id))

    def _place(self, point: ContactPoint, position: int) -> None:
        others = [one for one in self._placed() if one is not point]
        others.insert(position - 1, point)
        self._number(others)

    def _number(self, placed: list[ContactPoint]) -> None:
        for number, one in enumerate(placed, start=1):
            if one.position != number:
                one.position = number

    def _live(self, kind: str, address: str) -> ContactPoint | None:
        return next((one for one in self._placed() if one.leads_to(kind, address)), None)

    def _ever(self, kind: str, address: str) -> bool:
        return any(one.leads_to(kind, address) for one in self.points)

    def keep_in_step(self) -> None:
        """Have the patient's own row tell the one number and the one address that may be used first.

        A copy of the version before knows of no others, and asks nobody whether they are safe.
        """
        numbers = (one.address for one in self.in_order() if one.kind == PHONE and one.may_be_used)
        callable_at = next(numbers, None)
        written_to_at = next((one.address for one in self.for_messages()), None)
        # Sealed anew at each writing, so that what has not changed is left alone.
        if self.patient.phone != callable_at:
            self.patient.phone = callable_at
        if self.patient.email != written_to_at:
            self.patient.email = written_to_at


def _verify(point: ContactPoint, *, verified: bool, by: Actor, at: datetime) -> None:
    said: tuple[Any, ...] = (at, by.actor_id, by.role) if verified else (None, None, None)
    point.verified_at, point.verified_by, point.verified_by_role = said
    if verified:
        point.refused_at = None
