"""Weeks under the floor of clinical hours, as scheduling told of them, and the reviews that they ask for."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from shared.contracts.monitoring import LevelReviewRequested, LevelReviewWithdrawn
from shared.ids import derived_id

#: How soon a review of the level of care is due. Design default.
LEVEL_REVIEW_WITHIN = timedelta(hours=72)

#: Short weeks in a row that ask for a review of the level, again after as many more. Design default.
SHORT_WEEKS_FOR_REVIEW = 2

#: Why a review is asked for here.
SHORTFALL = "DOSE_SHORTFALL"


@dataclass(eq=False, kw_only=True)
class ToldWeek:
    """The newest word of one week; ``revision`` 0 is the first, corrections count up."""

    episode_id: str
    week_starts_on: date
    attended_minutes: int
    floor_minutes: int
    #: Short weeks in a row, this one included; 0 where it was told as short and is not.
    consecutive_weeks: int
    ends_at: datetime
    revision: int = 0
    #: When that was found, where it was after the week; older versions did not tell.
    told_at: datetime | None = None
    tenant_id: str = ""

    @property
    def is_short(self) -> bool:
        """Whether it stayed under the floor, as far as is known now."""
        return self.consecutive_weeks > 0

    @property
    def asks_for_review(self) -> bool:
        """Whether so many short weeks in a row ask for a review of the level."""
        return self.is_short and self.consecutive_weeks % SHORT_WEEKS_FOR_REVIEW == 0

    @property
    def known_at(self) -> datetime:
        """When it was known: at the end of the week, or later where a roster came late."""
        return self.ends_at if self.told_at is None else max(self.ends_at, self.told_at)

    def take(self, newer: "ToldWeek") -> None:
        """Take a newer word of the same week."""
        self.attended_minutes = newer.attended_minutes
        self.floor_minutes = newer.floor_minutes
        self.consecutive_weeks = newer.consecutive_weeks
        self.revision = newer.revision
        self.told_at = newer.told_at


@dataclass(eq=False, kw_only=True)
class LevelReview:
    """A review of the level of care that was asked for; ``withdrawn_at`` while it is asked for no more."""

    review_id: str
    episode_id: str
    reason: str
    due_at: datetime
    requested_at: datetime
    withdrawn_at: datetime | None = None
    tenant_id: str = ""

    def note_request(self, *, at: datetime) -> None:
        """Count the deadline from the earliest word that asked for it, whichever came first."""
        if at < self.requested_at:
            self.requested_at, self.due_at = at, at + LEVEL_REVIEW_WITHIN

    def settle(
        self, newest: ToldWeek, *, patient_id: str, journey_id: str, was_asked: bool
    ) -> list[LevelReviewRequested | LevelReviewWithdrawn]:
        """Ask for it, or no more, as the newest word of the week has it.

        :param was_asked: whether it has been asked for up to now.
        """
        self.withdrawn_at = None if newest.asks_for_review else newest.known_at
        if newest.asks_for_review == was_asked:
            return []
        if self.withdrawn_at is not None:
            return [
                LevelReviewWithdrawn(
                    patient_id=patient_id,
                    episode_id=self.episode_id,
                    journey_id=journey_id,
                    review_id=self.review_id,
                    reason=self.reason,
                    revision=newest.revision,
                    withdrawn_at=self.withdrawn_at,
                )
            ]
        return [
            LevelReviewRequested(
                patient_id=patient_id,
                episode_id=self.episode_id,
                journey_id=journey_id,
                review_id=self.review_id,
                reason=self.reason,
                due_at=self.due_at,
                requested_at=self.requested_at,
                revision=newest.revision,
            )
        ]


def review_of(week: ToldWeek) -> LevelReview:
    """Return the review that a week asks for."""
    return LevelReview(
        review_id=derived_id(week.episode_id, "level review", SHORTFALL, week.week_starts_on.isoformat()),
        episode_id=week.episode_id,
        reason=SHORTFALL,
        due_at=week.known_at + LEVEL_REVIEW_WITHIN,
        requested_at=week.known_at,
    )
