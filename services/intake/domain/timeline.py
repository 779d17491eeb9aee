"""What follows a referral and an assessment, and by when: nobody waits without an owner.

Sources: brief 1.9 for the assessment and the decision, 1.6 for what a finding of withdrawal asks for.
"""

from datetime import datetime, timedelta

from services.intake.domain import reentries
from services.intake.domain.assessments import Assessment
from services.intake.domain.episodes import Episode
from services.intake.domain.inquiries import ASSESSMENT_WITHIN, ASSESSMENT_WITHIN_IF_URGENT
from services.intake.domain.referrals import Referral
from services.intake.domain.sites import Site
from services.intake.domain.tasks import Task
from services.intake.domain.withdrawal import RECHECK_WITHIN_HOURS
from shared.contracts import roles
from shared.ids import derived_id

#: Task of assessing somebody who was referred.
ASSESSMENT_TASK = "assessment_due"
#: Task of evaluating medically what the withdrawal gate found.
EVALUATION_TASK = "withdrawal_evaluation"
#: Task of rating withdrawal from alcohol again, a day after the last time.
RATING_TASK = "withdrawal_rating"

#: How often withdrawal from alcohol is rated again, and how long after the last drink. Source: brief 1.6,
#: daily for 3 to 5 days, where the last drink was less than 5 days ago.
RATED_EVERY = timedelta(hours=24)
FEWEST_RATINGS, MOST_RATINGS = 3, 5

#: Time that there is at least for what is to be done the same day. Design default: found in the evening,
#: it is done in the evening.
LEAST_OF_A_DAY = timedelta(hours=4)

#: The time that a finding allows, by its code, besides the same day. What must be done sooner is a danger:
#: it opens an escalation, whose deadlines are shorter.
_ALLOWED = {
    "WITHIN_24_HOURS": timedelta(hours=24),
    # Before the first session, which may be the next day. Design default.
    "BEFORE_START": timedelta(hours=24),
}


def assessment_task_id(episode_id: str) -> str:
    """Return the id of the request to assess somebody."""
    return derived_id(episode_id, ASSESSMENT_TASK)


def assessment_task(referral: Referral) -> Task:
    """Return the request to assess somebody: within a day where it is urgent, or in three."""
    within = ASSESSMENT_WITHIN_IF_URGENT if referral.urgent else ASSESSMENT_WITHIN
    return Task(
        task_id=assessment_task_id(referral.episode_id),
        task=ASSESSMENT_TASK,
        owner_role=roles.FRONT_DESK,
        next_role=roles.COUNSELOR,
        reason="URGENT" if referral.urgent else "REFERRED",
        about_id=referral.episode_id,
        patient_id=referral.patient_id,
        episode_id=referral.episode_id,
        journey_id=referral.journey_id,
        opened_at=referral.received_at,
        due_at=referral.waits_since + within,
    )


def decision_task(assessment: Assessment, *, site: Site) -> Task:
    """Return the request to decide on the level of care the same day; of a minor, with that word (13b.6)."""
    return _clinicians_task(
        assessment,
        task=reentries.DECISION_TASK,
        reason="MINOR" if assessment.minor else "ASSESSED",
        about_id=assessment.episode_id,
        due_at=_same_day(site, assessment.completed_at),
    )


def evaluation_task(assessment: Assessment, *, site: Site) -> Task | None:
    """Return the request to evaluate what the withdrawal gate found, the most urgent finding first.

    What is rated again every day is asked for each day anew.
    """
    at = assessment.completed_at
    due = {"SAME_DAY": _same_day(site, at), **{code: at + allowed for code, allowed in _ALLOWED.items()}}
    asked = [finding for finding in assessment.gate["findings"] if finding["act_within"] in due]
    if not asked:
        return None
    first = min(asked, key=lambda finding: due[finding["act_within"]])
    return _clinicians_task(
        assessment,
        task=EVALUATION_TASK,
        reason=first["code"],
        about_id=assessment.assessment_id,
        due_at=due[first["act_within"]],
    )


def ratings_of(assessment: Assessment) -> int:
    """Return how many more times withdrawal from alcohol is rated, a day apart; none of who drank long ago.

    Until five days after the last drink, and three times at least: it is worst on the second and third day,
    when somebody who seemed well is at home.
    """
    if not any(finding["act_within"] == "DAILY" for finding in assessment.gate["findings"]):
        return 0
    left = timedelta(hours=RECHECK_WITHIN_HOURS - assessment.findings["withdrawal"]["last_drink_hours"])
    return min(MOST_RATINGS, max(FEWEST_RATINGS, -(-left // RATED_EVERY)))


def rating_task(assessment: Assessment, *, number: int, at: datetime) -> Task:
    """Return the request to rate withdrawal once more within a day."""
    return _clinicians_task(
        assessment,
        task=RATING_TASK,
        reason="RECENT_DRINKING",
        about_id=assessment.assessment_id,
        opened_at=at,
        due_at=at + RATED_EVERY,
        number=number,
    )


def _clinicians_task(
    assessment: Assessment,
    *,
    task: str,
    reason: str,
    about_id: str,
    due_at: datetime,
    opened_at: datetime | None = None,
    number: int | None = None,
) -> Task:
    return Task(
        task_id=derived_id(assessment.assessment_id, task, *([str(number)] if number else [])),
        task=task,
        owner_role=roles.CLINICIAN,
        next_role=roles.SUPERVISOR,
        reason=reason,
        about_id=about_id,
        patient_id=assessment.patient_id,
        episode_id=assessment.episode_id,
        journey_id=assessment.journey_id,
        opened_at=opened_at or assessment.completed_at,
        due_at=due_at,
    )


def _same_day(site: Site, moment: datetime) -> datetime:
    """Return when what is to be done the same day is due: at midnight there, or a little later."""
    return max(site.end_of_day(moment), moment + LEAST_OF_A_DAY)


def decide_by(episode: Episode, task: Task) -> datetime:
    """Return by when a decision is due: the earlier of what was asked before and what is asked now."""
    return min(episode.decision_due_at or task.due_at, task.due_at)
