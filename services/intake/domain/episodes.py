"""An episode of care: from one referral to admission, referral elsewhere or discharge."""

from dataclasses import dataclass
from datetime import datetime

from shared.contracts.intake import EPISODE_STATES
from shared.errors import Conflict

REFERRED, ASSESSED, DECIDED, ADMITTED, REFERRED_ELSEWHERE, DISCHARGED = EPISODE_STATES


class EpisodeAlreadyOpen(Conflict):
    """Raised when somebody who has an open episode is referred again."""


class EpisodeClosed(Conflict):
    """Raised when something is to happen in an episode that has ended."""


class AlreadyAdmitted(Conflict):
    """Raised when a step before the admission is asked for after it."""


@dataclass(eq=False, kw_only=True)
class Episode:
    """One episode of care of one person.

    ``decided_level`` belongs to the newest assessment only: a new assessment takes it away.
    """

    episode_id: str
    patient_id: str
    journey_id: str
    site_id: str
    referral_id: str
    opened_at: datetime
    state: str = REFERRED
    minor: bool = False
    assessment_id: str | None = None
    decision_id: str | None = None
    decided_level: str | None = None
    admission_id: str | None = None
    outward_referral_id: str | None = None
    discharge_id: str | None = None
    closed_at: datetime | None = None
    #: Re-entry only: the moment by which the level of care must be decided.
    decision_due_at: datetime | None = None
    tenant_id: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the episode goes on."""
        return self.closed_at is None

    @property
    def awaits_decision(self) -> bool:
        """Whether nobody has decided on the level of care yet."""
        return self.is_open and self.state in (REFERRED, ASSESSED)

    def check_before_admission(self) -> None:
        """Refuse what belongs before the admission, once that is over.

        :raises EpisodeClosed: when the episode has ended.
        :raises AlreadyAdmitted: when the person is in the program already.
        """
        if not self.is_open:
            raise EpisodeClosed("The episode has ended.", rule="only an open episode can be changed")
        if self.state == ADMITTED:
            raise AlreadyAdmitted("The person is admitted already.", rule="once per episode")

    def take_assessment(self, *, assessment_id: str, minor: bool) -> None:
        """Rest on a new assessment; an earlier decision no longer counts."""
        self.check_before_admission()
        self.state = ASSESSED
        self.assessment_id = assessment_id
        self.minor = minor
        self.decision_id = None
        self.decided_level = None

    def take_decision(self, *, decision_id: str, level: str) -> None:
        """Rest on a clinician's decision."""
        self.check_before_admission()
        self.state = DECIDED
        self.decision_id = decision_id
        self.decided_level = level

    def take_admission(self, *, admission_id: str) -> None:
        """Let the treatment start."""
        self.check_before_admission()
        self.state = ADMITTED
        self.admission_id = admission_id

    def close_as_referred(self, *, outward_referral_id: str, now: datetime) -> None:
        """End the episode because another program takes over."""
        self.check_before_admission()
        self.state = REFERRED_ELSEWHERE
        self.outward_referral_id = outward_referral_id
        self.closed_at = now

    def close_as_discharged(self, *, discharge_id: str, at: datetime) -> None:
        """End the episode because the treatment ended."""
        self.state = DISCHARGED
        self.discharge_id = discharge_id
        self.closed_at = at

    def next_step(self, *, level_is_here: bool) -> str:
        """Return the code of the one thing to do next.

        :param level_is_here: whether the site can admit at the level decided on.
        """
        if self.state == DECIDED:
            return "ADMIT_PATIENT" if level_is_here and not self.minor else "REFER_ELSEWHERE"
        if self.state == ASSESSED:
            return "REFER_ELSEWHERE" if self.minor else "DECIDE_LEVEL_OF_CARE"
        return _NEXT_STEPS[self.state]


_NEXT_STEPS = {
    REFERRED: "COMPLETE_ASSESSMENT",
    ADMITTED: "ATTEND_PROGRAM",
    REFERRED_ELSEWHERE: "FOLLOW_UP_REFERRAL",
    DISCHARGED: "AFTERCARE",
}
