"""Requests that less be told than a consent allows (42 CFR 2.26, 45 CFR 164.522(a))."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.intake.domain.privacy import PRIVACY_DEPUTY, PRIVACY_OFFICER
from services.intake.domain.tasks import Task
from shared.contracts.event import Actor, Event
from shared.contracts.intake import (
    COUNSELLING_NOTES,
    RESTRICTION_ANSWERS,
    RESTRICTION_STATES,
    PlanRestrictionAgreed,
    RestrictionAgreed,
    RestrictionEnded,
)
from shared.errors import Conflict, InvalidInput
from shared.ids import derived_id

REQUESTED, AGREED, DENIED, ENDED = RESTRICTION_STATES
AGREE, DENY = RESTRICTION_ANSWERS

#: How long somebody waits for an answer at most. Design default: the law names no time.
ANSWER_WITHIN = timedelta(days=5)

RESTRICTION_TASK = "restriction_request"

#: Towards whom a restriction must be agreed to, once what it is about is paid in full by the patient:
#: 42 CFR 2.26(a)(5), 45 CFR 164.522(a)(1)(vi).
HEALTH_PLAN = "HEALTH_PLAN"
#: Towards everybody outside.
ANYONE = "ANYONE"


class RestrictionMandatory(Conflict):
    """Raised when a restriction is denied that the law makes the program agree to."""


class RestrictionAnswered(Conflict):
    """Raised when a request is answered that was answered, or one is ended that is not in force."""


@dataclass(eq=False, kw_only=True)
class Restriction:
    """A patient's request that some information not reach somebody, and what became of it.

    Towards a health plan it may name the cover, the recipient at the door, both, or neither: then it counts
    for every plan. ``words`` are the patient's own and ``answer_reason`` the human's: both kept sealed. No
    classes means all of them.
    """

    restriction_id: str
    patient_id: str
    journey_id: str
    #: One of RESTRICTED_RECIPIENTS.
    towards: str
    recipient_id: str | None
    information_classes: list[str]
    paid_in_full: bool
    requested_at: datetime
    requested_by: str
    requested_by_role: str
    answer_due_at: datetime
    state: str = REQUESTED
    words: str | None = None
    answered_at: datetime | None = None
    answered_by: str | None = None
    answered_by_role: str | None = None
    answered_by_credential: str | None = None
    answer_reason: str | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    ended_by_role: str | None = None
    #: The patient's cover whose plan is not told, where the request names one.
    coverage_id: str | None = None
    tenant_id: str = ""

    @property
    def is_mandatory(self) -> bool:
        """Whether the program must agree."""
        return self.towards == HEALTH_PLAN and self.paid_in_full

    def forbids(self, information_class: str, *, recipient_id: str, pays: bool) -> bool:
        """Tell whether, once agreed to, it keeps a class of information from a recipient.

        :param pays: whether the patient's consent lets the recipient be told what is billed. Who is a health
            plan is not known of a recipient; where the request names none, these are taken for one.
        """
        if self.recipient_id is None and self.towards == HEALTH_PLAN:
            if not pays:
                return False
        elif self.recipient_id not in (None, recipient_id):
            return False
        return not self.information_classes or information_class in self.information_classes

    def keeps_claim_in(self, information_classes: Iterable[str], *, coverage_id: str) -> bool:
        """Tell whether, once agreed to, it keeps any of some classes from the plan of a cover.

        Where it names a recipient at the door and no cover, which plan that is is not known here: it counts
        for all of them.
        """
        if self.towards not in (HEALTH_PLAN, ANYONE) or self.coverage_id not in (None, coverage_id):
            return False
        return not self.information_classes or bool(set(information_classes) & set(self.information_classes))

    def task(self) -> Task:
        """Return the request to answer it."""
        return Task(
            task_id=derived_id(self.restriction_id, RESTRICTION_TASK),
            task=RESTRICTION_TASK,
            owner_role=PRIVACY_OFFICER,
            next_role=PRIVACY_DEPUTY,
            reason="MUST_BE_AGREED" if self.is_mandatory else self.towards,
            about_id=self.restriction_id,
            patient_id=self.patient_id,
            journey_id=self.journey_id,
            opened_at=self.requested_at,
            due_at=self.answer_due_at,
        )

    def answer(
        self, answer: str, *, reason: str | None, paid_in_full: bool | None, actor: Actor, now: datetime
    ) -> list[Event]:
        """Agree to it, or deny it with a reason.

        :param paid_in_full: what the books say of the payment, where the patient said something else.
        :raises RestrictionAnswered: when it was answered before.
        :raises RestrictionMandatory: when it must be agreed to.
        :raises InvalidInput: when a denial has no reason.
        """
        if self.state != REQUESTED:
            raise RestrictionAnswered("The request was answered.", field="restriction_id", rule="once")
        if paid_in_full is not None:
            self.paid_in_full = paid_in_full
        if answer == DENY and self.is_mandatory:
            raise RestrictionMandatory(
                "This request cannot be denied.",
                field="answer",
                rule="paid in full by the patient, towards a health plan (42 CFR 2.26, 45 CFR 164.522)",
            )
        if answer == DENY and not (reason or "").strip():
            raise InvalidInput("The reason is missing.", field="reason", rule="a denial says why")
        self.state = AGREED if answer == AGREE else DENIED
        self.answer_reason = reason
        self.answered_at = now
        self.answered_by, self.answered_by_role = actor.actor_id, actor.role
        self.answered_by_credential = actor.credential
        if self.state == DENIED:
            return []
        if self.towards == HEALTH_PLAN and self.recipient_id is None:
            return [
                PlanRestrictionAgreed(
                    restriction_id=self.restriction_id,
                    patient_id=self.patient_id,
                    journey_id=self.journey_id,
                    coverage_id=self.coverage_id,
                    information_classes=tuple(self.information_classes),
                    agreed_at=now,
                )
            ]
        return [
            RestrictionAgreed(
                restriction_id=self.restriction_id,
                patient_id=self.patient_id,
                journey_id=self.journey_id,
                recipient_id=self.recipient_id,
                information_classes=tuple(self.information_classes),
                agreed_at=now,
            )
        ]

    def end(self, *, actor: Actor, now: datetime) -> list[Event]:
        """End what was agreed, because the patient asks for that.

        :raises RestrictionAnswered: when it is not in force.
        """
        if self.state != AGREED:
            raise RestrictionAnswered(
                "The restriction is not in force.", field="restriction_id", rule="one in force"
            )
        self.state, self.ended_at = ENDED, now
        self.ended_by, self.ended_by_role = actor.actor_id, actor.role
        return [
            RestrictionEnded(
                restriction_id=self.restriction_id,
                patient_id=self.patient_id,
                journey_id=self.journey_id,
                ended_at=now,
            )
        ]


def request(restriction: Restriction) -> Restriction:
    """Check a request that less be told.

    :raises InvalidInput: when it says towards whom without saying who that is, or the other way round.
    """
    if restriction.towards == ANYONE and restriction.recipient_id is not None:
        raise InvalidInput(
            "The request names a recipient.", field="recipient_id", rule="towards anyone names nobody"
        )
    if restriction.towards not in (ANYONE, HEALTH_PLAN) and restriction.recipient_id is None:
        raise InvalidInput(
            "The request names no recipient.", field="recipient_id", rule="whom it is towards, by id"
        )
    if restriction.towards != HEALTH_PLAN and restriction.coverage_id is not None:
        raise InvalidInput(
            "The request names a cover.", field="coverage_id", rule="only towards a health plan"
        )
    if restriction.paid_in_full and restriction.towards != HEALTH_PLAN:
        raise InvalidInput(
            "Payment counts towards a health plan only.",
            field="paid_in_full",
            rule="only towards a health plan",
        )
    if COUNSELLING_NOTES in restriction.information_classes:
        raise InvalidInput(
            "Counselling notes leave to nobody as it is.",
            field="information_classes",
            rule="classes that can leave",
        )
    return restriction
