"""An inquiry: somebody asks for help, may stay without a name, and is called back in time."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.intake.domain import pre_screens
from services.intake.domain.contact_points import Told
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

#: How soon a specialist decides once there is nobody left to call. Design default: a day.
DECIDED_WITHIN = timedelta(hours=24)
#: How soon a clinician talks to somebody who is to see one first, such as a minor. Design default.
CLINICIAN_TALKS_WITHIN = timedelta(hours=24)
#: When somebody who is to begin elsewhere is asked how it went. Safety rule (13b.13).
FOLLOWED_AFTER = (timedelta(hours=48), timedelta(days=7))
#: The same after an emergency. Source: brief 2, contact within a day.
FOLLOWED_AFTER_EMERGENCY = (timedelta(hours=24), timedelta(days=7))

CALL_TASK = "call_back"
CALL_AGAIN_TASK = "call_back_again"
#: Answering somebody who left an address and no number.
ANSWER_TASK = "inquiry_answer"
DECISION_TASK = "inquiry_decision"
OFFER_TASK = "assessment_offer"
CLINICIAN_TASK = "clinician_talk"
FOLLOW_UP_TASK = "inquiry_follow_up"


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
    #: What they speak, a code of ISO 639.
    language: str | None = None
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

    def teds_codes(self) -> dict[str, int]:
        """Return what the pre-screen told in codes of the admission data set.

        A yes counts; a no may be shame.
        """
        told = pre_screens.read(self.pre_screen) if self.pre_screen is not None else None
        said = {"PREG": told is not None and told.pregnant, "IDU": told is not None and told.injecting}
        return {name: 1 for name, yes in said.items() if yes}

    @property
    def takes_pre_screen(self) -> bool:
        """Whether the questions before the first talk can be answered now."""
        return self.is_open and self.pre_screen is None

    def check_open(self) -> None:
        """Refuse what comes too late.

        :raises InquiryClosed: when somebody has decided, or it became a referral.
        """
        if not self.is_open:
            raise InquiryClosed("The inquiry is closed.", field="inquiry_id", rule="an open inquiry")

    @property
    def reachable(self) -> bool:
        """Whether there is a number or an address."""
        return bool(self.phone or self.email)

    def reached_at(self) -> Told:
        """Return how the person said that they are reached."""
        return Told(phone=self.phone, email=self.email, voicemail_safe=self.voicemail_safe)

    def take_contact(self, *, phone: str | None, email: str | None, site: Site, now: datetime) -> list[Task]:
        """Take over a number or an address where there was none; return what follows from it."""
        if phone and not self.phone:
            self.phone, self.email = phone, self.email or email
            return [self._answer_in_time(task=CALL_TASK, site=site, now=now)]
        if email and not self.reachable:
            self.email = email
            return [self._answer_in_time(task=ANSWER_TASK, site=site, now=now)]
        return []

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

    def record_call(self, *, outcome: str, actor: Actor, now: datetime) -> Task:
        """Note that somebody called; return the next call, or that a specialist is to decide.

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
            return self._task(
                derived_id(self.inquiry_id, DECISION_TASK),
                task=DECISION_TASK,
                reason=outcome,
                opened_at=now,
                due_at=now + DECIDED_WITHIN,
            )
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

    def follow_ups(self) -> list[Task]:
        """Return whom a decision leaves to be talked to, and when they are asked how it went.

        Nobody is left with a bare no (S16), as far as there is a way to reach them.
        """
        decision, at = self.decision, self.decided_at
        if at is None or not self.reachable:
            return []
        if decision == pre_screens.CLINICIAN_FIRST:
            return [
                self._task(
                    derived_id(self.inquiry_id, CLINICIAN_TASK),
                    task=CLINICIAN_TASK,
                    reason="CLINICIAN_FIRST",
                    opened_at=at,
                    due_at=at + CLINICIAN_TALKS_WITHIN,
                    owner_role=roles.CLINICIAN,
                )
            ]
        after = {
            pre_screens.OTHER_LEVEL: FOLLOWED_AFTER,
            pre_screens.MEDICAL_FIRST: FOLLOWED_AFTER,
            pre_screens.EMERGENCY: FOLLOWED_AFTER_EMERGENCY,
        }.get(decision or "", ())
        return [
            self._task(
                derived_id(self.inquiry_id, FOLLOW_UP_TASK, str(number)),
                task=FOLLOW_UP_TASK,
                reason=decision or "",
                opened_at=at,
                due_at=at + wait,
            )
            for number, wait in enumerate(after)
        ]

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
        return (*self.answer_task_ids(), self._overdue_id(), *again)

    def answer_task_ids(self) -> tuple[str, ...]:
        """Return the ids of the first answer, by telephone or in writing."""
        return (derived_id(self.inquiry_id, CALL_TASK), derived_id(self.inquiry_id, ANSWER_TASK))

    def decision_task_id(self) -> str:
        """Return the id of the request to decide."""
        return derived_id(self.inquiry_id, DECISION_TASK)

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

    def _answer_in_time(self, *, task: str, site: Site, now: datetime) -> Task:
        self.call_back_due_at = call_back_due_at(site, at=now)
        return self._task(
            derived_id(self.inquiry_id, task),
            task=task,
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

    def raised(self, concern: str, level: str, *, at: datetime, occasion: str = "") -> SafetyConcernRaised:
        """Return the news of a danger: a human must hear of it at once.

        :param occasion: what tells it from the same danger told before.
        """
        return SafetyConcernRaised(
            concern_id=derived_id(self.inquiry_id, concern, *filter(None, [occasion])),
            patient_id=self.patient_id,
            concern=concern,
            level=level,
            evidence_id=self.inquiry_id,
            raised_at=at,
        )


def receive(
    inquiry: Inquiry, *, dangers: list[tuple[str, str]], site: Site
) -> tuple[list[Task], list[Event]]:
    """Take an inquiry in; return what follows where there is a number or an address, and the news.

    :param dangers: concern and level of each danger in the self-check that came with it.
    """
    phone, email, inquiry.phone, inquiry.email = inquiry.phone, inquiry.email, None, None
    asked = inquiry.take_contact(phone=phone, email=email, site=site, now=inquiry.received_at)
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
