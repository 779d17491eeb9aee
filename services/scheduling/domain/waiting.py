"""The waiting list of a session: who is next, and for how long a seat is kept for them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.contracts.event import Event
from shared.contracts.scheduling import SeatOffered, SeatOfferSettled
from shared.errors import Conflict, NotFound

#: How long somebody has to take a seat that is offered, from when they can be told of it. Design default.
OFFER_LASTS = timedelta(hours=4)

#: How long before the start of a session the last offer ends. Design default.
OFFER_ENDS_BEFORE = timedelta(hours=1)

#: States in which somebody still waits.
STILL_WAITING = ("WAITING", "OFFERED")


class NoSuchWait(NotFound):
    """Raised when somebody is not on the waiting list."""


class NothingOffered(Conflict):
    """Raised when a seat is taken that nobody offered."""


class OfferExpired(Conflict):
    """Raised when a seat is taken after the offer has ended."""


@dataclass(eq=False, kw_only=True)
class Wait:
    """Somebody on the waiting list of a session."""

    wait_id: str
    session_id: str
    patient_id: str
    episode_id: str
    journey_id: str
    joined_at: datetime
    #: "WAITING", "OFFERED", or one of WAIT_OUTCOMES.
    state: str = "WAITING"
    offered_at: datetime | None = None
    expires_at: datetime | None = None
    settled_at: datetime | None = None
    tenant_id: str = ""

    def offer(self, *, starts_at: datetime, heard_at: datetime, now: datetime) -> list[Event]:
        """Keep a free seat for this patient until the offer ends.

        :param heard_at: when the patient can be told, e.g. once the night is over.
        """
        self.state = "OFFERED"
        self.offered_at = now
        self.expires_at = offer_ends(starts_at=starts_at, heard_at=heard_at, now=now)
        return [
            SeatOffered(
                patient_id=self.patient_id,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
                wait_id=self.wait_id,
                session_id=self.session_id,
                starts_at=starts_at,
                expires_at=self.expires_at,
            )
        ]

    def check_can_take(self, *, now: datetime) -> None:
        """Refuse to give a seat that is not, or no longer, kept for this patient.

        :raises NothingOffered: when none was offered.
        :raises OfferExpired: when the offer has ended.
        """
        if self.state == "EXPIRED" or (self.expires_at is not None and now >= self.expires_at):
            raise OfferExpired
        if self.state != "OFFERED":
            raise NothingOffered

    def settle(self, *, outcome: str, now: datetime) -> list[Event]:
        """End the waiting, in one of WAIT_OUTCOMES; a second time changes nothing."""
        if self.state not in STILL_WAITING:
            return []
        self.state = outcome
        self.settled_at = now
        return [
            SeatOfferSettled(
                patient_id=self.patient_id,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
                wait_id=self.wait_id,
                session_id=self.session_id,
                outcome=outcome,
                settled_at=now,
            )
        ]


def offer_ends(*, starts_at: datetime, heard_at: datetime, now: datetime) -> datetime:
    """Return until when a seat is kept: never up to the start, so that the next still has time.

    An offer that nobody can be told of before it ends is kept no longer than any other, for whoever looks.
    """
    last = starts_at - OFFER_ENDS_BEFORE
    return min((heard_at if heard_at < last else now) + OFFER_LASTS, last)


def may_still_offer(*, starts_at: datetime, now: datetime) -> bool:
    """Tell whether there is time to offer a seat before a session starts."""
    return starts_at - OFFER_ENDS_BEFORE > now
