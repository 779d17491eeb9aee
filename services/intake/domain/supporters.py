"""Who backs a patient: their supporters, how each is reached, and what each may be told.

Who they are stays sealed in intake. A patient without anybody says so, and that is a problem to work on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.intake.domain.consents import Consent
from shared.contracts.event import Actor, Event
from shared.contracts.intake import SupportNetworkTold
from shared.errors import Conflict, InvalidInput

#: The consent under which a supporter may be told something: brief R8, each recipient a scope of its own.
CONSENT_KIND = "FAMILY"
#: Supporters of one patient at most. Design default: more is a slip.
MOST_SUPPORTERS = 30


class SupporterGone(Conflict):
    """Raised when a supporter is taken off, or changed, who was taken off before."""


class HasSupporters(Conflict):
    """Raised when somebody is said to have nobody who has supporters on record."""


class TooManySupporters(Conflict):
    """Raised when a patient gets more supporters than anybody has."""


@dataclass(eq=False, kw_only=True)
class Supporter:
    """Somebody who backs a patient; ``name``, ``phone`` and ``email`` are kept sealed."""

    supporter_id: str
    patient_id: str
    journey_id: str
    #: One of SUPPORTER_ROLES.
    role: str
    lives_with_patient: bool
    #: One of SUPPORTER_CHANNELS.
    reached_by: str
    name: str
    phone: str | None
    email: str | None
    #: What they may be told is what this consent covers while it stands; nothing without one.
    consent_id: str | None
    added_at: datetime
    added_by: str
    added_by_role: str
    ended_at: datetime | None = None
    ended_by: str | None = None
    ended_by_role: str | None = None
    tenant_id: str = ""

    def classes_told(self, consents: Iterable[Consent], *, now: datetime) -> list[str]:
        """Return the classes of information that they may be told now."""
        return next(
            (
                sorted(consent.information_classes)
                for consent in consents
                if consent.consent_id == self.consent_id and consent.is_active(now=now)
            ),
            [],
        )

    def end(self, *, actor: Actor, now: datetime) -> None:
        """Take them off.

        :raises SupporterGone: when they were before.
        """
        if self.ended_at is not None:
            raise SupporterGone(field="supporter_id", rule="somebody on record now")
        self.ended_at, self.ended_by, self.ended_by_role = now, actor.actor_id, actor.role


def add(supporter: Supporter, *, known: list[Supporter], consents: Iterable[Consent]) -> None:
    """Check a new supporter.

    :raises InvalidInput: when the way to reach them has no address, or the consent is none of the patient's
        for people close to them.
    :raises TooManySupporters: when there are too many.
    """
    if len(known) >= MOST_SUPPORTERS:
        raise TooManySupporters(field="patient_id", rule=f"at most {MOST_SUPPORTERS}")
    needed = {"PHONE": "phone", "TEXT": "phone", "EMAIL": "email"}.get(supporter.reached_by)
    if needed is not None and not getattr(supporter, needed):
        raise InvalidInput("The address is missing.", field=needed, rule=f"needed for {supporter.reached_by}")
    if supporter.consent_id is not None:
        consent = next((one for one in consents if one.consent_id == supporter.consent_id), None)
        if consent is None or consent.kind != CONSENT_KIND:
            raise InvalidInput(
                "The consent does not fit.",
                field="consent_id",
                rule=f"a consent of this patient, of the kind {CONSENT_KIND}",
            )


def told(*, patient_id: str, journey_id: str, supporters: list[Supporter], now: datetime) -> Event:
    """Return the news of how many back the patient, and in which roles; nobody is an answer too."""
    return SupportNetworkTold(
        patient_id=patient_id,
        journey_id=journey_id,
        supporters=len(supporters),
        roles=tuple(sorted({one.role for one in supporters})),
        told_at=now,
    )


@dataclass(eq=False, kw_only=True)
class SupportNetwork:
    """What a patient said last about who backs them: how many, or explicitly nobody."""

    patient_id: str
    supporters: int
    told_at: datetime
    told_by: str
    told_by_role: str
    tenant_id: str = ""
