"""Consents: what a patient agreed to in writing, and how they take it back."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from services.intake.domain.sites import Site
from services.intake.domain.tasks import Task
from shared.contracts import roles
from shared.contracts.event import Actor, Event
from shared.contracts.intake import (
    CONSENT_STATEMENTS,
    COUNSELLING_NOTES,
    ConsentExpired,
    ConsentExpiring,
    ConsentGranted,
    ConsentRevoked,
)
from shared.errors import Conflict, InvalidInput
from shared.ids import derived_id

#: Kinds that let information go to somebody: recipient and classes must be named. 42 CFR 2.31.
DISCLOSING = (
    "TPO",
    "FAMILY",
    "EMPLOYER",
    "ALUMNI",
    "CRIMINAL_JUSTICE",
    "COUNSELLING_NOTES",
    "LEGAL_PROCEEDINGS",
)
#: Kinds whose expiry, a moment or an event, must be named; for TPO "none" is lawful. 42 CFR 2.31.
ENDING = ("FAMILY", "EMPLOYER", "ALUMNI", "CRIMINAL_JUSTICE", "COUNSELLING_NOTES", "LEGAL_PROCEEDINGS")
#: What the form must have told, by kind, besides how to revoke. 42 CFR 2.31(a)(6), (a)(10), (b).
STATEMENTS = {
    "TPO": ("REVOCATION", "REDISCLOSURE", "REFUSAL"),
    "COUNSELLING_NOTES": ("REVOCATION", "TREATMENT_NOT_CONDITIONED"),
}
#: The same for every other kind. 42 CFR 2.31(a)(6).
USUAL_STATEMENTS = ("REVOCATION",)
#: How long before its end a consent is said to expire. Brief R9; on the day itself it has expired.
EXPIRING_BEFORE = (timedelta(days=30), timedelta(days=7))

#: By what right each other person signs: a guardian because a court said so; a representative by power of
#: attorney, or for somebody who has died. 42 CFR 2.14, 2.15.
AUTHORITIES = {
    "LEGAL_GUARDIAN": ("COURT_APPOINTED",),
    "PERSONAL_REPRESENTATIVE": ("POWER_OF_ATTORNEY", "EXECUTOR", "NEXT_OF_KIN_AFTER_DEATH"),
}

RENEWAL_TASK = "consent_renewal"
#: Asked when a patient in treatment has taken the consent to it back. Design default: the same day.
WITHOUT_CONSENT_TASK = "treatment_without_consent"
WITHOUT_CONSENT_WITHIN = timedelta(hours=8)


class ConsentAlreadyRevoked(Conflict):
    """Raised when a consent is revoked a second time."""


class ConsentHasEnded(Conflict):
    """Raised when a consent is said to end that has ended, or by an event that it does not name."""


class ConsentNotRevocable(Conflict):
    """Raised when a criminal-justice consent is revoked before the event it names (42 CFR 2.35)."""


@dataclass(eq=False, kw_only=True)
class Consent:
    """A consent in writing.

    ``recipient``, ``purpose``, ``signer`` and ``discloser_name`` are free text and kept sealed.
    ``ends_with_event`` names the event with which it ends, where that is not a moment; ``ended_at`` is
    when it ended by itself.
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
    discloser: str = "THIS_PROGRAM"
    discloser_name: str | None = None
    signer: str | None = None
    signing_authority: str | None = None
    signature: str = "ELECTRONIC"
    #: What the form told; the program's own form tells all of it.
    statements: list[str] = field(default_factory=lambda: list(CONSENT_STATEMENTS))
    ended_at: datetime | None = None
    end_reason: str | None = None
    tenant_id: str = ""

    def is_active(self, *, now: datetime) -> bool:
        """Tell whether the consent holds at a moment."""
        if self.revoked_at is not None or (self.ended_at is not None and self.ended_at <= now):
            return False
        return self.expires_at is None or self.expires_at > now

    @property
    def stood_until(self) -> datetime | None:
        """When it was revoked, ended or ends by itself, whichever is first; None where it does not end."""
        ends = (self.revoked_at, self.ended_at, self.expires_at)
        return min((one for one in ends if one is not None), default=None)

    def days(self, *, site: Site, now: datetime) -> tuple[date, date | None]:
        """Return the day on which it was signed and the last on which it stood, by a site's clock.

        There is no last day while it stands.
        """
        ended_at = None if self.is_active(now=now) else self.stood_until
        return site.local_day(self.signed_at), site.local_day(ended_at) if ended_at else None

    def next_reminder_at(self, *, now: datetime) -> datetime | None:
        """Return when to say next that it ends soon, or that it has ended; none when that never comes."""
        if self.expires_at is None or self.revoked_at is not None or self.ended_at is not None:
            return None
        moments = (*(self.expires_at - before for before in EXPIRING_BEFORE), self.expires_at)
        return min((moment for moment in moments if moment > now), default=None)

    def remind(self, *, at: datetime) -> list[Event]:
        """Say that it ends soon, or end it, when its moment has come."""
        if self.expires_at is None or self.revoked_at is not None or self.ended_at is not None:
            return []
        if at >= self.expires_at:
            return self._end(reason="DATE", at=self.expires_at)
        return [
            ConsentExpiring(
                consent_id=self.consent_id,
                patient_id=self.patient_id,
                journey_id=self.journey_id,
                kind=self.kind,
                days_left=(self.expires_at - at).days,
                expires_at=self.expires_at,
            )
        ]

    def end_with(self, named: str, *, occurred_at: datetime, now: datetime) -> list[Event]:
        """End it with the event that it names.

        :raises ConsentHasEnded: when it names another event, or holds no longer.
        :raises InvalidInput: when the event lies ahead, or before the consent.
        """
        if self.ends_with_event != named or not self.is_active(now=now):
            raise ConsentHasEnded("The consent does not end with this event now.", field="event")
        if not self.granted_at <= occurred_at <= now:
            raise InvalidInput(
                "The event cannot have been then.", field="occurred_at", rule="after the consent, not ahead"
            )
        return self._end(reason=named, at=occurred_at)

    def renewal_task(self) -> Task:
        """Return the request to ask the patient for the consent that follows this one."""
        expires_at = self.expires_at or self.granted_at
        return Task(
            task_id=derived_id(self.consent_id, RENEWAL_TASK),
            task=RENEWAL_TASK,
            owner_role=roles.FRONT_DESK,
            next_role=roles.COUNSELOR,
            reason=self.kind,
            about_id=self.consent_id,
            patient_id=self.patient_id,
            journey_id=self.journey_id,
            opened_at=max(self.granted_at, expires_at - EXPIRING_BEFORE[0]),
            due_at=expires_at,
        )

    def without_consent_task(self, *, episode_id: str) -> Task:
        """Return the request to talk to somebody who goes on being treated without a consent."""
        opened_at = self.revoked_at or self.granted_at
        return Task(
            task_id=derived_id(self.consent_id, WITHOUT_CONSENT_TASK),
            task=WITHOUT_CONSENT_TASK,
            owner_role=roles.COUNSELOR,
            next_role=roles.SUPERVISOR,
            reason="CONSENT_REVOKED",
            about_id=self.consent_id,
            patient_id=self.patient_id,
            episode_id=episode_id,
            journey_id=self.journey_id,
            opened_at=opened_at,
            due_at=opened_at + WITHOUT_CONSENT_WITHIN,
        )

    def _end(self, *, reason: str, at: datetime) -> list[Event]:
        self.ended_at, self.end_reason = at, reason
        return [
            ConsentExpired(
                consent_id=self.consent_id,
                patient_id=self.patient_id,
                journey_id=self.journey_id,
                kind=self.kind,
                reason=reason,
                expired_at=at,
            )
        ]

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
            self.discloser,
            self.discloser_name,
            self.expires_at,
            self.ends_with_event,
        )

    def revoke(self, *, event_occurred_at: datetime | None, actor: Actor, now: datetime) -> list[Event]:
        """Take the consent back.

        :param event_occurred_at: when the event happened that a criminal-justice consent names: the staff
            say so, who have seen the court's word.
        :raises ConsentAlreadyRevoked: when it was taken back before.
        :raises ConsentNotRevocable: when the named event has not happened since, as far as the staff say.
        """
        if self.revoked_at is not None:
            raise ConsentAlreadyRevoked("The consent is revoked already.", rule="once")
        if self.kind == "CRIMINAL_JUSTICE" and (
            actor.role == roles.PATIENT
            or event_occurred_at is None
            or not self.granted_at <= event_occurred_at <= now
        ):
            raise ConsentNotRevocable(
                "A criminal-justice consent stands until the event it names.",
                field="event_occurred_at",
                rule="the event it names has happened since, and the staff say so (42 CFR 2.35)",
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


def check_signer(consent: Consent, *, actor: Actor) -> None:
    """Refuse that a patient's app says that somebody else signed: staff see that person and their papers.

    :raises InvalidInput: when it does.
    """
    if actor.role == roles.PATIENT and consent.signed_by != "PATIENT":
        raise InvalidInput(
            "Patients sign for themselves.", field="signed_by", rule="staff record another's signature"
        )


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
    notes_only = set(consent.information_classes) == {COUNSELLING_NOTES}
    if (COUNSELLING_NOTES in consent.information_classes) != (consent.kind == COUNSELLING_NOTES) or (
        consent.kind == COUNSELLING_NOTES and not notes_only
    ):
        refuse("information_classes", "counselling notes need a consent of their own (42 CFR 2.31(b))")
    if consent.discloser == "NAMED" and not (consent.discloser_name or "").strip():
        refuse("discloser_name", "who may disclose is named, or of a class (42 CFR 2.31)")
    if consent.signed_by != "PATIENT":
        if not (consent.signer or "").strip():
            refuse("signer", "whoever signs for the patient is named (42 CFR 2.31)")
        if consent.signing_authority is None:
            refuse("signing_authority", "whoever signs for the patient says by what right (42 CFR 2.15)")
        elif consent.signing_authority not in AUTHORITIES[consent.signed_by]:
            refuse("signing_authority", f"one of {', '.join(AUTHORITIES[consent.signed_by])} (42 CFR 2.15)")
    elif consent.signing_authority is not None or consent.signer is not None:
        refuse("signed_by", "somebody else who signs is told with their right to sign (42 CFR 2.15)")
    if consent.kind in DISCLOSING:
        needed = STATEMENTS.get(consent.kind, USUAL_STATEMENTS)
        lacking = [statement for statement in needed if statement not in consent.statements]
        if lacking:
            refuse("statements", f"the form must have told: {', '.join(lacking)} (42 CFR 2.31)")
    return problems
