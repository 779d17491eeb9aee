"""May this leave? The one place that decides what an outside recipient gets to know.

42 CFR Part 2 lets information about a patient leave the program only under a consent that names
the recipient and covers the information. Even that somebody is a patient is such information, so a
recipient without consent is told the same as if there were nobody. Default: no.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from gateway import tables
from gateway.tokens import Caller
from shared.contracts.gateway import DisclosureMade
from shared.contracts.intake import INFORMATION_CLASSES
from shared.ids import derived_id

#: What never leaves, whatever a consent says (42 CFR 2.31(b): notes need a consent of their own,
#: which this release does not take).
NEVER = frozenset({"COUNSELLING_NOTES"})

#: The classes of information that an event carries. An event that is not named here leaves to
#: nobody: risk, outreach, escalations and lapses are the program's own.
INFORMATION_OF_EVENT: dict[str, tuple[str, ...]] = {
    "assessment_completed": ("ASSESSMENT", "DIAGNOSES"),
    "level_of_care_decided": ("ASSESSMENT",),
    "patient_admitted": ("ASSESSMENT",),
    "referred_elsewhere": ("ASSESSMENT",),
    "schedule_proposed": ("ATTENDANCE",),
    "schedule_confirmed": ("ATTENDANCE",),
    "session_scheduled": ("ATTENDANCE",),
    "session_attended": ("ATTENDANCE",),
    "session_missed": ("ATTENDANCE",),
    "attendance_corrected": ("ATTENDANCE",),
    "weekly_dose_shortfall": ("ATTENDANCE",),
    "weekly_dose_corrected": ("ATTENDANCE",),
    "plan_drafted": ("TREATMENT_PLAN",),
    "plan_activated": ("TREATMENT_PLAN",),
    "patient_discharged": ("DISCHARGE_SUMMARY",),
    "program_graduated": ("DISCHARGE_SUMMARY",),
}


@dataclass(frozen=True, kw_only=True)
class Audience:
    """Who would get to know: somebody inside the program, the patient, or an outside recipient."""

    tenant_id: str
    #: The outside recipient, as consents name it; empty inside.
    recipient_id: str = ""
    #: The patient, where the audience is one.
    patient_id: str = ""

    @property
    def is_staff(self) -> bool:
        """Whether it is somebody inside the program."""
        return not self.recipient_id and not self.patient_id

    @classmethod
    def of(cls, caller: Caller) -> "Audience":
        """Return the audience that a caller is."""
        return cls(
            tenant_id=caller.tenant_id,
            recipient_id=caller.partner if caller.is_outside else "",
            patient_id=caller.actor.actor_id if caller.is_patient else "",
        )


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether something may leave, and the consent that it leaves under."""

    allowed: bool
    information_class: str
    consent_id: str | None = None
    #: Why, for the record: "inside", "own_record", "consent", "no_consent", "restricted", "never_leaves".
    reason: str


def may_leave(
    db: Session,
    *,
    audience: Audience,
    patient_id: str,
    information_class: str,
    now: datetime,
    confirmed: Mapping[str, Collection[str]] | None = None,
) -> Decision:
    """Decide whether information of one class about one patient may reach an audience now.

    :param confirmed: which classes may leave under which consents, as intake has said a moment ago; to
        outside recipients nothing leaves without (see :mod:`gateway.standing`).
    :param now: program time: consents begin and end in it.
    """
    if audience.patient_id:
        own = audience.patient_id == patient_id
        return Decision(
            allowed=own, information_class=information_class, reason="own_record" if own else "no_consent"
        )
    if not audience.recipient_id:
        return Decision(allowed=True, information_class=information_class, reason="inside")
    if information_class in NEVER or information_class not in INFORMATION_CLASSES:
        return Decision(allowed=False, information_class=information_class, reason="never_leaves")
    for consent in tables.consents_for(
        db, tenant_id=audience.tenant_id, patient_id=patient_id, recipient_id=audience.recipient_id
    ):
        if (
            information_class in (confirmed or {}).get(consent.consent_id, ())
            and information_class in consent.information_classes
            and consent.revoked_at is None
            and consent.granted_at <= now
            and (consent.expires_at is None or now < consent.expires_at)
        ):
            if _is_restricted(
                db, audience=audience, patient_id=patient_id, information_class=information_class
            ):
                return Decision(allowed=False, information_class=information_class, reason="restricted")
            return Decision(
                allowed=True,
                information_class=information_class,
                consent_id=consent.consent_id,
                reason="consent",
            )
    return Decision(allowed=False, information_class=information_class, reason="no_consent")


def _is_restricted(db: Session, *, audience: Audience, patient_id: str, information_class: str) -> bool:
    """Tell whether the program agreed not to tell it, whatever consents allow (42 CFR 2.26)."""
    return any(
        not restriction.information_classes or information_class in restriction.information_classes
        for restriction in tables.restrictions_for(
            db, tenant_id=audience.tenant_id, patient_id=patient_id, recipient_id=audience.recipient_id
        )
    )


def may_all_leave(
    db: Session,
    *,
    audience: Audience,
    patient_id: str,
    information: Iterable[str],
    now: datetime,
    confirmed: Mapping[str, Collection[str]] | None = None,
) -> tuple[Decision, ...] | None:
    """Return the decision for each class of information, or None when one of them may not leave."""
    decisions = []
    for information_class in information:
        decision = may_leave(
            db,
            audience=audience,
            patient_id=patient_id,
            information_class=information_class,
            now=now,
            confirmed=confirmed,
        )
        if not decision.allowed:
            return None
        decisions.append(decision)
    # Information of no class is of none that a consent can cover.
    return tuple(decisions) or None


def account_for(
    disclosed: dict[tuple[str, str], set[str]], *, audience: Audience, cause_id: str, now: datetime
) -> list[DisclosureMade]:
    """Return the events that account for what left (42 CFR 2.25).

    :param disclosed: the classes of information that left, by patient and consent.
    :param cause_id: the answer that they left with.
    """
    return [
        DisclosureMade(
            disclosure_id=derived_id(cause_id, patient_id, consent_id),
            patient_id=patient_id,
            consent_id=consent_id,
            recipient_id=audience.recipient_id,
            information_classes=tuple(sorted(classes)),
            disclosed_at=now,
        )
        for (patient_id, consent_id), classes in sorted(disclosed.items())
    ]


def patients_in(answer: Any) -> set[str]:
    """Return the ids of all patients that an answer mentions, however deep."""
    found: set[str] = set()
    waiting = [answer]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            patient_id = item.get("patient_id")
            if isinstance(patient_id, str):
                found.add(patient_id)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return found
