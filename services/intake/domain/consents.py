"""Consents: what a patient agreed to in writing, and how they take it back."""

from dataclasses import dataclass
from datetime import datetime

from shared.contracts.event import Event
from shared.contracts.intake import ConsentGranted, ConsentRevoked
from shared.errors import Conflict, InvalidInput

#: Kinds that let information go to somebody: recipient and classes must be named. 42 CFR 2.31.
DISCLOSING = ("TPO", "FAMILY", "CRIMINAL_JUSTICE")
#: Kinds whose expiry, a moment or an event, must be named; for TPO "none" is lawful. 42 CFR 2.31.
ENDING = ("FAMILY", "CRIMINAL_JUSTICE")
#: Counselling notes need a consent of their own. 42 CFR 2.31(b).
COUNSELLING_NOTES = "COUNSELLING_NOTES"


class ConsentAlreadyRevoked(Conflict):
    """Raised when a consent is revoked a second time."""


class ConsentNotRevocable(Conflict):
    """Raised when a criminal-justice consent is revoked before the event it names (42 CFR 2.35)."""


@dataclass(eq=False, kw_only=True)
class Consent:
    """A consent in writing.

    ``recipient`` and ``purpose`` are free text and kept sealed. ``ends_with_event`` names the
    event with which it ends, where that is not a moment.
    """

    consent_id: str
    patient_id: str
    journey_id: str
    kind: str
    signed_by: str
    signed_at: datetime
    granted_at: datetime
    information_classes: list[str]
    recipient_id: str | None = None
    expires_at: datetime | None = None
    ends_with_event: str | None = None
    revoked_at: datetime | None = None
    recipient: str | None = None
    purpose: str | None = None
    tenant_id: str = ""

    def is_active(self, *, now: datetime) -> bool:
        """Tell whether the consent holds at a moment."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)

    def says_the_same_as(self, other: "Consent") -> bool:
        """Tell whether two consents allow the same to the same recipient for the same time."""
        return self.scope() == other.scope()

    def scope(self) -> tuple[object, ...]:
        """Return what the consent allows, to whom and for how long."""
        return (
            self.patient_id,
            self.kind,
            self.signed_by,
            self.recipient_id,
            self.recipient,
            self.purpose,
            sorted(self.information_classes),
            self.expires_at,
            self.ends_with_event,
        )

    def revoke(self, *, event_occurred_at: datetime | None, now: datetime) -> list[Event]:
        """Take the consent back.

        :param event_occurred_at: when the event happened that a criminal-justice consent names.
        :raises ConsentAlreadyRevoked: when it was taken back before.
        :raises ConsentNotRevocable: when the named event has not happened.
        """
        if self.revoked_at is not None:
            raise ConsentAlreadyRevoked("The consent is revoked already.", rule="once")
        if self.kind == "CRIMINAL_JUSTICE" and (event_occurred_at is None or event_occurred_at > now):
            raise ConsentNotRevocable(
                "A criminal-justice consent stands until the event it names.",
                field="event_occurred_at",
                rule="the event it names must have happened (42 CFR 2.35)",
            )
        self.revoked_at = now
        return [
            ConsentRevoked(
                consent_id=self.consent_id,
                patient_id=self.patient_id,
                journey_id=self.journey_id,
                kind=self.kind,
                revoked_at=now,
            )
        ]


def grant(consent: Consent) -> list[Event]:
    """Check the elements of a consent and return the news of it.

    :raises InvalidInput: naming each element that is missing or impossible.
    """
    problems = _problems(consent)
    if problems:
        raise InvalidInput("The consent lacks an element.", problems=tuple(problems))
    return [
        ConsentGranted(
            consent_id=consent.consent_id,
            patient_id=consent.patient_id,
            journey_id=consent.journey_id,
            kind=consent.kind,
            recipient_id=consent.recipient_id,
            information_classes=tuple(consent.information_classes),
            granted_at=consent.granted_at,
            expires_at=consent.expires_at,
        )
    ]


def _problems(consent: Consent) -> list[dict[str, str]]:
    problems = []

    def refuse(field: str, rule: str) -> None:
        problems.append({"field": field, "rule": rule})

    if consent.signed_at > consent.granted_at:
        refuse("signed_at", "may not be in the future")
    if consent.expires_at is not None and consent.expires_at <= consent.granted_at:
        refuse("expires_at", "must be in the future")
    if consent.kind in DISCLOSING:
        if not (consent.recipient or "").strip() and consent.recipient_id is None:
            refuse("recipient", "this kind of consent names a recipient (42 CFR 2.31)")
        if not consent.information_classes:
            refuse("information_classes", "this kind of consent says which information (42 CFR 2.31)")
        if not (consent.purpose or "").strip():
            refuse("purpose", "this kind of consent names a purpose (42 CFR 2.31)")
    if consent.kind in ENDING and consent.expires_at is None and consent.ends_with_event is None:
        refuse("expires_at", "this kind of consent ends at a moment or with an event (42 CFR 2.31)")
    if consent.kind == "CRIMINAL_JUSTICE" and consent.ends_with_event is None:
        refuse("ends_with_event", "a criminal-justice consent names the event it ends with (42 CFR 2.35)")
    if COUNSELLING_NOTES in consent.information_classes and len(set(consent.information_classes)) > 1:
        refuse("information_classes", "counselling notes need a consent of their own (42 CFR 2.31)")
    return problems
