"""Withdrawal from alcohol, rated again day by day: one request at a time, until its worst is over."""

from datetime import datetime

from sqlalchemy.orm import Session

from services.intake import asking, tables
from services.intake.domain import timeline
from services.intake.domain.assessments import Assessment
from services.intake.domain.episodes import Episode
from shared.clock import Timer, cancel_timer, set_timer

#: Timer of the next rating; its key is the episode.
RATING_DUE = "withdrawal_rating_due"


def begin(db: Session, episode: Episode, assessment: Assessment) -> None:
    """Ask for the first of the ratings that an assessment asks for; those of an earlier one end with it."""
    if timeline.ratings_of(assessment):
        _ask(db, episode, assessment, number=1, at=assessment.completed_at)
    else:
        stop(db, episode)


def go_on(db: Session, timer: Timer) -> None:
    """Ask for the next rating a day after the one before, in treatment as well; an open request stays one."""
    episode = tables.lock_episode(db, episode_id=timer.key)
    assessment = tables.find_assessment(db, assessment_id=timer.data["assessment_id"])
    if episode is None or assessment is None or not episode.is_open:
        return
    if episode.assessment_id == assessment.assessment_id and timer.data["number"] < timeline.ratings_of(
        assessment
    ):
        _ask(db, episode, assessment, number=timer.data["number"] + 1, at=timer.due_at)


def stop(db: Session, episode: Episode) -> None:
    """Ask for no more of them."""
    cancel_timer(db, RATING_DUE, key=episode.episode_id)


def _ask(db: Session, episode: Episode, assessment: Assessment, *, number: int, at: datetime) -> None:
    if not tables.open_tasks_of(db, episode_id=episode.episode_id, task=timeline.RATING_TASK):
        asking.ask(db, timeline.rating_task(assessment, number=number, at=at))
    set_timer(
        db,
        RATING_DUE,
        key=episode.episode_id,
        due_at=at + timeline.RATED_EVERY,
        data={"assessment_id": assessment.assessment_id, "number": number},
    )
