"""Referrals outward: somebody needs another program, and is followed until they are there."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.intake.domain import tasks
from services.intake.domain.admissions import is_admissible_level
from services.intake.domain.assessments import Assessment
from services.intake.domain.episodes import Episode
from services.intake.domain.sites import Site
from shared.contracts import roles
from shared.contracts.event import Event
from shared.contracts.intake import ReferredElsewhere
from shared.errors import Conflict
from shared.ids import derived_id

#: When somebody referred elsewhere is followed up. Design default.
FOLLOW_UPS_AFTER = (timedelta(hours=48), timedelta(days=7))
#: Time a follow-up may take once it is due. Design default.
FOLLOW_UP_WITHIN = timedelta(hours=24)

#: The task that a due follow-up opens.
FOLLOW_UP_TASK = "referral_follow_up"

PLANNED, DUE, DONE = "PLANNED", "DUE", "DONE"


class ReferralNotNeeded(Conflict):
    """Raised when somebody is referred elsewhere whom this site can treat, or nobody decided on."""


class NothingToFollowUp(Conflict):
    """Raised when a follow-up is recorded that is not there or was recorded before."""


@dataclass(eq=False, kw_only=True)
class OutwardReferral:
    """A referral to another program; ``program`` is its name, kept sealed."""

    outward_referral_id: str
    episode_id: str
    patient_id: str
    journey_id: str
    level: str
    referred_at: datetime
    referred_by: str
    referred_by_role: str
    program: str | None = None
    tenant_id: str = ""


@dataclass(eq=False, kw_only=True)
class FollowUp:
    """One look after whether somebody arrived where they were referred to."""

    follow_up_id: str
    outward_referral_id: str
    number: int
    due_at: datetime
    state: str = PLANNED
    outcome: str | None = None
    recorded_at: datetime | None = None
    recorded_by: str | None = None
    recorded_by_role: str | None = None
    note: str | None = None
    tenant_id: str = ""

    def fall_due(self) -> bool:
        """Ask for somebody to look; return whether that is still needed."""
        if self.state != PLANNED:
            return False
        self.state = DUE
        return True

    def record(
        self, *, outcome: str, note: str | None, actor_id: str, actor_role: str, now: datetime
    ) -> None:
        """Write down what the follow-up came to.

        :raises NothingToFollowUp: when it was recorded before.
        """
        if self.state == DONE:
            raise NothingToFollowUp("The follow-up is recorded.", field="number", rule="once")
        self.state = DONE
        self.outcome = outcome
        self.note = note
        self.recorded_at = now
        self.recorded_by = actor_id
        self.recorded_by_role = actor_role


def refer_elsewhere(
    *,
    outward_referral_id: str,
    episode: Episode,
    site: Site,
    assessment: Assessment | None,
    program: str | None,
    actor_id: str,
    actor_role: str,
    now: datetime,
) -> tuple[OutwardReferral, list[FollowUp], list[Event]]:
    """Refer somebody to another program and close the episode.

    :raises ReferralNotNeeded: when the site can treat the person, or there is no decision yet;
        for a minor, or where the licence for it has lapsed, the recommendation is enough.
    :raises Conflict: when the person is admitted or the episode has ended.
    """
    episode.check_before_admission()
    today, level = site.local_day(now), episode.decided_level
    if level is None and assessment is not None:
        # Nobody can decide on a level whose licence has lapsed here, and nobody waits for its renewal.
        lapsed = site.lapsed_on(assessment.recommended_level, on=today) is not None
        level = assessment.recommended_level if episode.minor or lapsed else None
    if level is None:
        raise ReferralNotNeeded(
            "There is no decision to refer on.",
            field="decision",
            rule="a licensed clinician has decided on the level",
        )
    if is_admissible_level(level, site=site, on=today) and not episode.minor:
        raise ReferralNotNeeded(
            "The site has this level.", field="level", rule="a level that the site cannot give"
        )
    referral = OutwardReferral(
        outward_referral_id=outward_referral_id,
        episode_id=episode.episode_id,
        patient_id=episode.patient_id,
        journey_id=episode.journey_id,
        level=level,
        referred_at=now,
        referred_by=actor_id,
        referred_by_role=actor_role,
        program=program,
    )
    follow_ups = [
        FollowUp(
            follow_up_id=derived_id(outward_referral_id, "follow_up", str(number)),
            outward_referral_id=outward_referral_id,
            number=number,
            due_at=now + after,
        )
        for number, after in enumerate(FOLLOW_UPS_AFTER, start=1)
    ]
    episode.close_as_referred(outward_referral_id=outward_referral_id, now=now)
    referred = ReferredElsewhere(
        patient_id=episode.patient_id,
        episode_id=episode.episode_id,
        journey_id=episode.journey_id,
        outward_referral_id=outward_referral_id,
        level=level,
        referred_at=now,
        follow_ups_due_at=tuple(follow_up.due_at for follow_up in follow_ups),
    )
    return referral, follow_ups, [referred]


def follow_up_task(follow_up: FollowUp, *, referral: OutwardReferral) -> tasks.Task:
    """Return the task that asks somebody to make a due follow-up."""
    return tasks.Task(
        task_id=derived_id(follow_up.follow_up_id, FOLLOW_UP_TASK),
        task=FOLLOW_UP_TASK,
        owner_role=roles.FRONT_DESK,
        next_role=roles.SUPERVISOR,
        reason=f"FOLLOW_UP_{follow_up.number}",
        about_id=referral.outward_referral_id,
        patient_id=referral.patient_id,
        episode_id=referral.episode_id,
        journey_id=referral.journey_id,
        opened_at=follow_up.due_at,
        due_at=follow_up.due_at + FOLLOW_UP_WITHIN,
    )


def next_to_record(follow_ups: list[FollowUp], *, number: int | None) -> FollowUp:
    """Return the follow-up of that number, or without a number the earliest that is not recorded.

    :raises NothingToFollowUp: when there is none.
    """
    for follow_up in sorted(follow_ups, key=lambda candidate: candidate.number):
        if follow_up.number == number or (number is None and follow_up.state != DONE):
            return follow_up
    raise NothingToFollowUp("There is nothing to follow up.", field="number", rule="an open follow-up")
