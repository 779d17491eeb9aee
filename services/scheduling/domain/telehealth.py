"""Sessions for which nobody leaves home: where the patient is, and who is licensed there."""

from dataclasses import dataclass
from datetime import date, datetime

from services.scheduling.domain.attendance import Session
from services.scheduling.domain.clinicians import Clinician
from shared.errors import Conflict, InvalidInput, NotFound


class NoTelehealth(Conflict):
    """Raised when somebody joins a session from afar that is held in person."""


class WhereaboutsNeeded(Conflict):
    """Raised when somebody checks in to a telehealth session who has not told where they are."""


class NotLicensedThere(InvalidInput):
    """Raised when the clinician has no unexpired licence of the state in which the patient is."""


class PrivacyNotAttested(InvalidInput):
    """Raised when somebody joins a group without attesting that nobody listens."""


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


def check_may_join(
    *, session: Session, clinician: Clinician, state: str, privacy_attested: bool, on: date
) -> None:
    """Refuse a patient whom the clinician may not treat where they are.

    :raises NoTelehealth: when the session is held in person.
    :raises NotLicensedThere: when the clinician is not licensed in that state today.
    :raises PrivacyNotAttested: when others take part and the patient has not attested to be alone.
    """
    if session.mode == "IN_PERSON":
        raise NoTelehealth
    if not clinician.is_licensed_in(state=state, on=on):
        raise NotLicensedThere(field="state", rule="the clinician needs an unexpired licence of that state")
    if session.kind != "INDIVIDUAL" and not privacy_attested:
        raise PrivacyNotAttested(field="privacy_attested", rule="must be true where others take part")
