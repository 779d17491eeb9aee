"""Reviews: the level of care is looked at again while somebody is in treatment."""

from dataclasses import dataclass
from datetime import datetime

from services.intake.domain import tasks
from services.intake.domain.decisions import check_licensed
from services.intake.domain.episodes import Episode
from shared.contracts import roles
from shared.contracts.event import Actor, Event
from shared.contracts.intake import (
    LEVELS_OF_CARE,
    LEVELS_OF_CARE_4,
    REVIEW_OUTCOMES,
    LevelOfCareChangeDecided,
    LevelReviewOpened,
)
from shared.errors import Conflict, InvalidInput
from shared.ids import derived_id

#: The task that a review opens.
REVIEW_TASK = "level_review"

OPEN, CLOSED, WITHDRAWN = "OPEN", "CLOSED", "WITHDRAWN"
_, STEP_UP, STEP_DOWN, _ = REVIEW_OUTCOMES


class ReviewAlreadyClosed(Conflict):
    """Raised when a review is closed that nobody needs to look at any more."""


@dataclass(eq=False, kw_only=True)
class LevelReview:
    """One review of the level of care, asked for by monitoring; ``note`` is kept sealed."""

    review_id: str
    episode_id: str
    patient_id: str
    journey_id: str
    reason: str
    requested_at: datetime
    due_at: datetime
    state: str = OPEN
    outcome: str | None = None
    #: Level of care that it came to, where that is another one.
    to_level: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    closed_by_role: str | None = None
    closed_by_credential: str | None = None
    note: str | None = None
    #: Of the newest word on whether it is wanted: it was asked for, no more, and perhaps again.
    revision: int = 0
    tenant_id: str = ""

    def opened(self) -> LevelReviewOpened:
        """Return the news that a review is due."""
        return LevelReviewOpened(
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            review_id=self.review_id,
            reason=self.reason,
            due_at=self.due_at,
        )

    def task(self) -> tasks.Task:
        """Return the task that asks a clinician to review."""
        return tasks.Task(
            task_id=derived_id(self.review_id, REVIEW_TASK),
            task=REVIEW_TASK,
            owner_role=roles.CLINICIAN,
            next_role=roles.SUPERVISOR,
            reason=self.reason,
            about_id=self.review_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            opened_at=self.requested_at,
            due_at=self.due_at,
        )

    def close(
        self,
        *,
        outcome: str,
        to_level: str | None,
        from_level: str | None,
        note: str,
        actor: Actor,
        now: datetime,
    ) -> list[Event]:
        """Close the review with what it came to, and return the news of another level of care.

        :param from_level: the level of the treatment; none where there is no treatment.
        :raises NotLicensed: when the actor holds no licence.
        :raises ReviewAlreadyClosed: when it is closed or withdrawn.
        :raises InvalidInput: when the level that it names does not fit what it came to.
        """
        check_licensed(actor)
        if self.state != OPEN:
            raise ReviewAlreadyClosed("The review is over.", rule="once")
        _check_level(outcome, from_level=from_level, to_level=to_level)
        self.state, self.to_level = CLOSED, to_level
        self.outcome = outcome
        self.note = note
        self.closed_at = now
        self.closed_by = actor.actor_id
        self.closed_by_role = actor.role
        self.closed_by_credential = actor.credential
        if to_level is None or from_level is None:
            return []
        return [
            LevelOfCareChangeDecided(
                patient_id=self.patient_id,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
                review_id=self.review_id,
                from_level=from_level,
                to_level=to_level,
                reason=self.reason,
                decided_at=now,
            )
        ]

    def withdraw(self, *, at: datetime) -> None:
        """Drop the review because the treatment it is about has ended."""
        if self.state == OPEN:
            self.state = WITHDRAWN
            self.closed_at = at

    def take_back(self, *, revision: int, at: datetime) -> bool:
        """Drop the review because what asked for it was corrected; return whether it is dropped by that.

        One that a human has closed stays as it was closed, and an older word changes nothing.
        """
        if revision <= self.revision:
            return False
        self.revision = revision
        if self.state == CLOSED:
            return False
        self.state, self.closed_at = WITHDRAWN, at
        return True

    def ask_again(self, *, revision: int) -> bool:
        """Open a review again that was withdrawn; return whether somebody is to be asked.

        One that a human has closed stays closed, and an older word changes nothing.
        """
        if revision <= self.revision:
            return False
        self.revision = revision
        if self.state != WITHDRAWN:
            return False
        self.state, self.closed_at = OPEN, None
        return True

    def withdraw_if_over(self, episode: Episode) -> None:
        """Drop a review that comes after its episode has ended."""
        if episode.closed_at is not None:
            self.withdraw(at=episode.closed_at)


def _check_level(outcome: str, *, from_level: str | None, to_level: str | None) -> None:
    """Refuse a level that is not higher, or lower, as the outcome says.

    :raises InvalidInput: when it is.
    """
    if outcome not in (STEP_UP, STEP_DOWN):
        if to_level is not None:
            raise InvalidInput(
                "The level stays.", field="to_level", rule=f"only with {STEP_UP} and {STEP_DOWN}"
            )
        return
    if from_level is None:
        raise InvalidInput(
            "There is no treatment.", field="outcome", rule="a review of somebody in treatment"
        )
    levels = LEVELS_OF_CARE if from_level in LEVELS_OF_CARE else LEVELS_OF_CARE_4
    here = levels.index(from_level)
    allowed = levels[here + 1 :] if outcome == STEP_UP else levels[:here]
    if to_level not in allowed:
        raise InvalidInput(
            "The level does not fit the outcome.", field="to_level", rule=f"one of {', '.join(allowed)}"
        )
