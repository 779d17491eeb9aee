"""Sessions for which nobody leaves home: where the patient is, and who is licensed there."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from services.scheduling.domain.asked import Asked
from services.scheduling.domain.attendance import Seat, Session
from services.scheduling.domain.clinicians import Clinician
from shared.contracts import roles
from shared.contracts.common import TaskOpened
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import derived_id

#: How soon somebody calls a patient back who came and could not be seen: the session goes on meanwhile.
#: Design default.
CALL_BACK_WITHIN = timedelta(minutes=15)

NOT_SEEN = "patient_not_seen"


class NoTelehealth(Conflict):
    """Raised when somebody joins a session from afar that is held in person."""


class WhereaboutsNeeded(Conflict):
    """Raised when somebody checks in to a telehealth session who has not told where they are."""


class NotLicensedThere(InvalidInput):
    """Raised when a session is given to somebody without a licence of the state in which its patient is."""


class NoSuchVisit(NotFound):
    """Raised when nobody has joined with this seat from afar."""


@dataclass(eq=False, kw_only=True)
class Visit:
    """Where a patient is during one session, asked anew each time: brief section 3.4."""

    seat_id: str
    session_id: str
    #: The state in which the patient is, in two letters.
    state: str = ""
    #: One of TELEHEALTH_PLACES.
    place: str = "HOME"
    privacy_attested: bool = False
    told_at: datetime | None = None
    #: The number to call when the line breaks, and where exactly help would be sent; kept sealed.
    call_back: str | None = None
    whereabouts: str | None = None
    tenant_id: str = ""

    def tell(
        self,
        *,
        state: str,
        place: str,
        call_back: str,
        whereabouts: str,
        privacy_attested: bool,
        now: datetime,
    ) -> None:
        """Take what the patient says; the last word counts."""
        self.state = state
        self.place = place
        self.call_back = call_back
        self.whereabouts = whereabouts
        self.privacy_attested = privacy_attested
        self.told_at = now


@dataclass(eq=False, kw_only=True)
class UnseenArrival:
    """A patient came to a session and was not seen."""

    arrival_id: str
    seat_id: str
    session_id: str
    #: Who led the session.
    clinician_id: str
    #: Where they were, as in :class:`Visit`; None of somebody who came in person.
    state: str | None
    place: str | None
    #: One of NOT_SEEN_REASONS.
    reason: str
    came_at: datetime
    told_by: str
    told_by_role: str
    #: What somebody is asked to do because of it, and by when.
    task_id: str
    call_due_at: datetime
    #: The number to call, and where exactly help would be sent; kept sealed.
    call_back: str | None = None
    whereabouts: str | None = None
    tenant_id: str = ""

    def ask_for_call(self, seat: Seat) -> tuple[Asked, TaskOpened]:
        """Ask somebody to see to the patient, and to do away with what stands in their way."""
        asked = Asked(
            task_id=self.task_id,
            task=NOT_SEEN,
            about_id=seat.seat_id,
            patient_id=seat.patient_id,
            episode_id=seat.episode_id,
            journey_id=seat.journey_id,
        )
        opened = asked.opened(
            owner_role=roles.COUNSELOR,
            reason=self.reason,
            due_at=self.call_due_at,
            next_role=roles.SUPERVISOR,
        )
        return asked, opened


def task_id_of(arrival_id: str) -> str:
    """Return the id of what an arrival asks for."""
    return derived_id(arrival_id, NOT_SEEN)


def check_from_afar(session: Session) -> None:
    """Refuse to join a session that is held in person.

    :raises NoTelehealth: when it is.
    """
    if session.mode == "IN_PERSON":
        raise NoTelehealth


def why_not_seen(
    session: Session,
    *,
    clinician: Clinician,
    state: str,
    on: date,
    needs_facilitator: bool,
    privacy_attested: bool,
) -> str | None:
    """Return why somebody who is in a state on a day is not seen now, one of NOT_SEEN_REASONS, if so.

    :param needs_facilitator: whether they come so late that whoever leads the group is asked first.
    :param privacy_attested: whether they said that nobody listens, as they have to where others take part.
    """
    if not clinician.is_licensed_in(state=state, on=on):
        return "NOT_LICENSED_THERE"
    if needs_facilitator:
        return "ENTRY_NEEDS_FACILITATOR"
    if session.kind != "INDIVIDUAL" and not privacy_attested:
        return "PRIVACY_NOT_ATTESTED"
    return None
