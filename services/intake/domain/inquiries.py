"""An inquiry: somebody asks for help, may stay without a name, and is called back in time."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.intake.domain import pre_screens
from services.intake.domain.sites import Site
from services.intake.domain.tasks import Task
from shared.contracts import roles
from shared.contracts.common import SafetyConcernRaised
from shared.contracts.event import Actor, Event
from shared.contracts.intake import (
    INQUIRY_STATES,
    InquiryDecided,
    InquiryReceived,
    PreScreenCompleted,
)
from shared.errors import Conflict, InvalidInput
from shared.ids import derived_id

OPEN, DECIDED, REFERRED = INQUIRY_STATES

#: How soon a human calls back in staffed hours, and otherwise. Brief 1.9.
CALL_BACK_WITHIN = timedelta(minutes=15)
CALL_BACK_OTHERWISE_WITHIN = timedelta(hours=2)
#: Time the supervisor has once nobody called in time. Design default.
OVERDUE_CALLED_WITHIN = timedelta(minutes=30)
#: When somebody who did not answer is called again, and how often in all. Design default.
CALL_AGAIN_AFTER = timedelta(hours=24)
MOST_CALLS = 3
#: How soon after the inquiry an assessment is offered: with opioids, injecting or pregnancy, and
#: otherwise. Brief 1.9.
ASSESSMENT_WITHIN_IF_URGENT = timedelta(hours=24)
ASSESSMENT_WITHIN = timedelta(days=3)

CALL_TASK = "call_back"
CALL_AGAIN_TASK = "call_back_again"
OFFER_TASK = "assessment_offer"


class InquiryClosed(Conflict):
    """Raised when something is to happen to an inquiry that was decided on or became a referral."""


class PreScreenedAlready(Conflict):
    """Raised when the questions before the first talk are answered a second time."""


class NobodyToCall(Conflict):
    """Raised when a call is recorded to somebody who gave no number."""


@dataclass(eq=False, kw_only=True)
class Inquiry:
    """One inquiry. ``patient_id`` stands for whoever asked, until they are known as somebody else.

    Name, contacts and words are sealed. ``status_digest`` finds it for whoever has its secret key.
    ``self_check`` and ``pre_screen`` hold codes and numbers only.
    """

    inquiry_id: str
    patient_id: str
    site_id: str
    status_digest: bytes
    received_at: datetime
    state: str = OPEN
    voicemail_safe: bool = False
    self_check: dict[str, Any] | None = None
    call_back_due_at: datetime | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)
    pre_screen: dict[str, Any] | None = None
    pre_screened_at: datetime | None = None
    recommendation: str | None = None
    reasons: list[str] = field(default_factory=list)
    rule_version: str | None = None
    decision: str | None = None
    decided_at: datetime | None = None
    decided_by: str | None = None
    decided_by_role: str | None = None
    decided_by_credential: str | None = None
    referral_id: str | None = None
    in_danger: bool = False
    given_name: str | None = None
    phone: str | None = None
    email: str | None = None
    words: str | None = None
    why: str | None = None
    tenant_id: str = ""

    @property
    def is_open(self) -> bool:
        """Whether nobody has decided on it yet."""
        return self.state == OPEN

    @property
    def urgent(self) -> bool:
        """Whether an assessment is to be offered within a day."""
        return self.pre_screen is not None and pre_screens.read(self.pre_screen).urgent

    def check_open(self) -> None:
        """Refuse what comes too late.

        :raises InquiryClosed: when somebody has decided, or it became a referral.
        """
        if not self.is_open:
            raise InquiryClosed("The inquiry is closed.", field="inquiry_id", rule="an open inquiry")

    def take_contact(self, *, phone: str | None, site: Site, now: datetime) -> list[Task]:
        """Take over a number, where there was none; return the call that follows from it."""
        if not phone or self.phone:
            return []
        self.phone = phone
        return [self._call_task(site=site, now=now)]

    def take_pre_screen(self, answers: pre_screens.Answers, *, now: datetime) -> list[Event]:
        """Keep the answers, and what they recommend; a danger is raised in the same step.

        :raises PreScreenedAlready: when they were given before.
        """
        self.check_open()
        if self.pre_screen is not None:
            raise PreScreenedAlready("The questions were answered.", field="status_key", rule="once")
        result = pre_screens.weigh(answers)
        self.pre_screen, self.pre_screened_at = answers.on_record(), now
        self.recommendation, self.reasons = result.recommendation, list(result.reasons)
        self.rule_version = pre_screens.RULE_VERSION
        dangers = [self.raised(concern, level, at=now) for concern, level in pre_screens.concerns(answers)]
        self.in_danger = self.in_danger or bool(dangers)
        done = PreScreenCompleted(
            inquiry_id=self.inquiry_id,
            site_id=self.site_id,
            recommendation=result.recommendation,
            reasons=result.reasons,
            rule_version=pre_screens.RULE_VERSION,
            urgent=answers.urgent,
            completed_at=now,
        )
        return [*dangers, done]

    def record_call(self, *, outcome: str, actor: Actor, now: datetime) -> Task | None:
        """Note that somebody called; return the next call that follows, if one does.

        :raises NobodyToCall: when there is no number.
        :raises InvalidInput: when a voicemail was left that the person did not call safe (13b.11).
        """
        self.check_open()
        if not self.phone:
            raise NobodyToCall("There is no number.", field="inquiry_id", rule="one with a number")
        if outcome == "VOICEMAIL" and not self.voicemail_safe:
            raise InvalidInput(
                "No voicemail is left here.", field="outcome", rule="the person says that voicemail is safe"
            )
        call = {"outcome": outcome, "at": now.isoformat(), "by": actor.actor_id, "by_role": actor.role}
        self.calls = [*self.calls, call]
        if outcome in ("REACHED", "WRONG_NUMBER") or len(self.calls) >= MOST_CALLS:
            return None
        number = str(len(self.calls))
        return self._task(
            derived_id(self.inquiry_id, CALL_AGAIN_TASK, number),
            task=CALL_AGAIN_TASK,
            reason=outcome,
            opened_at=now,
            due_at=now + CALL_AGAIN_AFTER,
        )

    def decide(self, *, decision: str, why: str | None, actor: Actor, now: datetime) -> list[Event]:
        """Keep what a specialist decided, beside what was recommended (S56).

        :raises InvalidInput: when the two differ and nobody says why.
        """
        self.check_open()
        agrees = None if self.recommendation is None else decision == self.recommendation
        if agrees is False and not (why or "").strip():
            raise InvalidInput(
                "The decision differs from the recommendation.", field="why", rule="needed when they differ"
            )
        self.state, self.decision, self.decided_at, self.why = DECIDED, decision, now, why
        self.decided_by, self.decided_by_role = actor.actor_id, actor.role
        self.decided_by_credential = actor.credential
        return [
            InquiryDecided(
                inquiry_id=self.inquiry_id,
                site_id=self.site_id,
                decision=decision,
                recommendation=self.recommendation,
                agrees=agrees,
                decided_at=now,
            )
        ]

    def offer_task(self) -> Task | None:
        """Return the request to offer an assessment in time, where that was decided."""
        if self.decision != pre_screens.ASSESSMENT_HERE or self.decided_at is None:
            return None
        within = ASSESSMENT_WITHIN_IF_URGENT if self.urgent else ASSESSMENT_WITHIN
        return self._task(
            derived_id(self.inquiry_id, OFFER_TASK),
            task=OFFER_TASK,
            reason="URGENT" if self.urgent else "USUAL",
            opened_at=self.decided_at,
            due_at=self.received_at + within,
            owner_role=roles.FRONT_DESK,
        )

    def become_referral(self, *, referral_id: str) -> None:
        """Go on as a referral.

        :raises InquiryClosed: when it did before.
        """
        if self.state == REFERRED:
            raise InquiryClosed("The inquiry became a referral.", field="inquiry_id", rule="once")
        self.state, self.referral_id = REFERRED, referral_id

    def call_task_ids(self) -> tuple[str, ...]:
        """Return the ids of every call that can have been asked for."""
        again = (derived_id(self.inquiry_id, CALL_AGAIN_TASK, str(n)) for n in range(1, MOST_CALLS))
        return (derived_id(self.inquiry_id, CALL_TASK), self._overdue_id(), *again)

    def overdue_task(self, *, at: datetime) -> Task:
        """Return the supervisor's request, when nobody has called by the deadline."""
        return self._task(
            self._overdue_id(),
            task=CALL_TASK,
            reason="DEADLINE_PASSED",
            opened_at=at,
            due_at=at + OVERDUE_CALLED_WITHIN,
            owner_role=roles.SUPERVISOR,
            next_role=roles.MEDICAL_DIRECTOR,
        )

    def _overdue_id(self) -> str:
        return derived_id(self.inquiry_id, CALL_TASK, "overdue")

    def _call_task(self, *, site: Site, now: datetime) -> Task:
        self.call_back_due_at = call_back_due_at(site, at=now)
        return self._task(
            derived_id(self.inquiry_id, CALL_TASK),
            task=CALL_TASK,
            reason="INQUIRY",
            opened_at=now,
            due_at=self.call_back_due_at,
        )

    def _task(
        self,
        task_id: str,
        *,
        task: str,
        reason: str,
        opened_at: datetime,
        due_at: datetime,
        owner_role: str = roles.COUNSELOR,
        next_role: str = roles.SUPERVISOR,
    ) -> Task:
        return Task(
            task_id=task_id,
            task=task,
            owner_role=owner_role,
            next_role=next_role,
            reason=reason,
            about_id=self.inquiry_id,
            patient_id=self.patient_id,
            opened_at=opened_at,
            due_at=due_at,
        )

    def raised(self, concern: str, level: str, *, at: datetime) -> SafetyConcernRaised:
        """Return the news of a danger: a human must hear of it at once."""
        return SafetyConcernRaised(
            concern_id=derived_id(self.inquiry_id, concern),
            patient_id=self.patient_id,
            concern=concern,
            level=level,
            evidence_id=self.inquiry_id,
            raised_at=at,
        )


def receive(
    inquiry: Inquiry, *, dangers: list[tuple[str, str]], site: Site
) -> tuple[list[Task], list[Event]]:
    """Take an inquiry in; return the call that follows where there is a number, and the news.

    :param dangers: concern and level of each danger in the self-check that came with it.
    """
    phone, inquiry.phone = inquiry.phone, None
    asked = inquiry.take_contact(phone=phone, site=site, now=inquiry.received_at)
    inquiry.in_danger = bool(dangers)
    received = InquiryReceived(
        inquiry_id=inquiry.inquiry_id,
        site_id=inquiry.site_id,
        anonymous=inquiry.given_name is None,
        reachable=inquiry.phone is not None,
        call_back_due_at=inquiry.call_back_due_at,
        received_at=inquiry.received_at,
    )
    raised = [inquiry.raised(concern, level, at=inquiry.received_at) for concern, level in dangers]
    return asked, [*raised, received]


def call_back_due_at(site: Site, *, at: datetime) -> datetime:
    """Return by when a human calls back: soon while the site is staffed, else before two hours have gone.

    An opening of the site within those two hours makes it sooner.
    """
    if site.is_staffed(at):
        return at + CALL_BACK_WITHIN
    opens_at = site.next_staffed_at(at)
    latest = at + CALL_BACK_OTHERWISE_WITHIN
    return latest if opens_at is None else min(latest, opens_at + CALL_BACK_WITHIN)
