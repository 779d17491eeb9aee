"""The patient's daily word, and what a dangerous answer sets off at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.monitoring.domain.episodes import Episode
from services.monitoring.domain.risk import CheckInFact
from shared import dangers
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Event
from shared.errors import Conflict, NotFound
from shared.ids import derived_id

#: Craving from which on help is shown with the answer.
CRAVING_NEEDS_HELP_FROM = 7

#: The questions of a check-in, each with the field that takes its answer.
QUESTIONS = {
    "craving": "How strong was your craving today, from 0 to 10?",
    "mood": "How was your mood, from 0 (worst) to 10?",
    "stress": "How much stress did you have, from 0 to 10?",
    "sleep_hours": "How many hours did you sleep last night?",
    "used": "Have you used anything since the last check-in?",
    "substance": "If so, what was it?",
    "risky_situation": "Were you in a risky situation?",
    "coping_skill_used": "Did you use one of your coping skills?",
    "confidence": "How confident are you for tonight, from 0 to 10?",
    "want_call": "Would you like us to call you?",
    "danger": "Are you in danger, or thinking of ending your life?",
}

#: Questions that nobody is asked while nobody is there to act on the answer. Safety rule.
SAFETY_QUESTIONS = ("danger",)

#: Safety questions left out in so many check-ins in a row reach a clinician. Safety rule; the number is a
#: design default.
SKIPS_FOR_CLINICIAN = 3
#: Newest check-ins that are looked at for it: of those, some may not have been asked. Design default.
SKIPS_LOOKED_AT = 30
#: How soon a clinician is asked to talk to the patient about it. Design default.
SKIPS_ANSWERED_WITHIN = timedelta(days=1)

#: How soon somebody who asks for a call is called. Design default.
CALLED_WITHIN = timedelta(hours=24)

#: What is said plainly while nobody has the duty. Safety rule.
NOBODY_ON_DUTY = (
    "Nobody of the staff is on duty right now. If you are in danger or thinking of ending your life,"
    " call or text 988, or call 911."
)


def questions(*, staff_on_duty: bool) -> dict[str, str]:
    """Return the questions that may be asked right now; an answer that comes anyway is taken."""
    return {
        field: text for field, text in QUESTIONS.items() if staff_on_duty or field not in SAFETY_QUESTIONS
    }


class SkipsTaskIsClosed(Conflict):
    """Raised when a task about safety questions that were left out is closed again."""


class NoCallAskedFor(NotFound):
    """Raised when a call is told to be made that the check-in did not ask for."""


class CalledAlready(Conflict):
    """Raised when the call that a check-in asked for is told to be made again."""


CALL_TASK = "check_in_call"


@dataclass(eq=False, kw_only=True)
class CheckIn:
    """What a patient told on one occasion; scales run from 0 to 10."""

    check_in_id: str
    episode_id: str
    checked_in_at: datetime
    craving: int
    mood: int
    stress: int
    sleep_hours: float
    used: bool
    substance: str | None = None
    risky_situation: bool = False
    coping_skill_used: bool = False
    confidence: int | None = None
    want_call: bool = False
    #: None where the question was not answered.
    danger: bool | None = None
    #: When somebody dealt with the call that was asked for.
    call_settled_at: datetime | None = None
    tenant_id: str = ""

    def fact(self) -> CheckInFact:
        """Return what the risk index counts."""
        return CheckInFact(
            at=self.checked_in_at,
            craving=self.craving,
            mood=self.mood,
            sleep_hours=self.sleep_hours,
            used=self.used,
            skill_used=self.coping_skill_used,
        )

    @property
    def carries_risk(self) -> bool:
        """Whether the answer must show where help is."""
        return self.used or bool(self.danger) or self.want_call or self.craving >= CRAVING_NEEDS_HELP_FROM

    def concerns(self) -> list[tuple[str, str]]:
        """Return the safety concerns that the answers raise, each with its level."""
        return dangers.in_check_in(danger=self.danger, used=self.used, substance=self.substance)

    @property
    def _call_task_id(self) -> str:
        return derived_id(self.check_in_id, CALL_TASK)

    def ask_for_call(self, episode: Episode) -> list[Event]:
        """Have a counselor call a patient who asks to be called."""
        if not self.want_call:
            return []
        return [
            TaskOpened(
                task_id=self._call_task_id,
                task=CALL_TASK,
                owner_role=roles.COUNSELOR,
                reason="WANTS_CALL",
                due_at=self.checked_in_at + CALLED_WITHIN,
                about_id=self.check_in_id,
                patient_id=episode.patient_id,
                episode_id=episode.episode_id,
                journey_id=episode.journey_id,
                next_role=roles.SUPERVISOR,
            )
        ]

    def settle_call(self, episode: Episode, *, task_id: str, outcome: str, at: datetime) -> list[Event]:
        """End the call on somebody's word; a discharge does not: whoever asked is still called.

        :raises NoCallAskedFor: when the check-in asked for none, or the task is another.
        :raises CalledAlready: when somebody dealt with it before.
        """
        if not self.want_call or task_id != self._call_task_id:
            raise NoCallAskedFor(field="task_id", rule="a call that was asked for")
        if self.call_settled_at is not None:
            raise CalledAlready(field="task_id", rule="an open task")
        self.call_settled_at = at
        return [
            TaskClosed(
                task_id=task_id,
                task=CALL_TASK,
                outcome=outcome,
                closed_at=at,
                about_id=self.check_in_id,
                patient_id=episode.patient_id,
                episode_id=episode.episode_id,
                journey_id=episode.journey_id,
            )
        ]


SKIPS_TASK = "safety_questions_skipped"


def watch_skips(episode: Episode, newest: CheckIn, *, skipped_in_row: int) -> list[Event]:
    """Ask a clinician once the safety question was left out too often in a row, until it is answered.

    :param skipped_in_row: check-ins without an answer up to *newest*, of those that were asked for one.
    """
    if newest.danger is not None:
        return close_skips_task(episode, outcome="WITHDRAWN", at=newest.checked_in_at)
    if skipped_in_row < SKIPS_FOR_CLINICIAN or episode.skips_task_id is not None:
        return []
    episode.skips_task_id = derived_id(newest.check_in_id, SKIPS_TASK)
    return [
        TaskOpened(
            task_id=episode.skips_task_id,
            task=SKIPS_TASK,
            owner_role=roles.CLINICIAN,
            reason="SAFETY_QUESTIONS_SKIPPED",
            due_at=newest.checked_in_at + SKIPS_ANSWERED_WITHIN,
            about_id=episode.episode_id,
            patient_id=episode.patient_id,
            episode_id=episode.episode_id,
            journey_id=episode.journey_id,
            next_role=roles.SUPERVISOR,
        )
    ]


def close_skips_task(episode: Episode, *, outcome: str, at: datetime) -> list[Event]:
    """End the task about safety questions that were left out, if there is one."""
    task_id, episode.skips_task_id = episode.skips_task_id, None
    if task_id is None:
        return []
    return [
        TaskClosed(
            task_id=task_id,
            task=SKIPS_TASK,
            outcome=outcome,
            closed_at=at,
            about_id=episode.episode_id,
            patient_id=episode.patient_id,
            episode_id=episode.episode_id,
            journey_id=episode.journey_id,
        )
    ]
