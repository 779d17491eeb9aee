"""A return to use that somebody reported, and the way back into care."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.aftercare.domain.episodes import Episode
from shared import dangers
from shared.contracts.aftercare import LapseReported, ReentryRequested
from shared.contracts.common import SafetyConcernRaised, TaskClosed, TaskOpened
from shared.contracts.event import Actor, Event
from shared.contracts.roles import COUNSELOR, PARTNER, PATIENT, SUPERVISOR
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import derived_id

#: How soon the level of care of somebody who comes back is decided. ASAM Criteria: re-assessment
#: without delay; design default 48 hours.
LEVEL_DECIDED_WITHIN = timedelta(hours=48)
#: The same-day contact is due at the end of the program's day, but never sooner than this.
#: Design default.
CONTACT_WITHIN = timedelta(hours=4)
#: How long a request to come back blocks another one if nobody is admitted. Design default: programs
#: keep re-entry open for 30 to 90 days.
REENTRY_STAYS_OPEN = timedelta(days=30)

#: Whom to call in danger, in every answer that carries risk: SAMHSA's 988 line and the emergency number.
CRISIS_LINES = {
    "988": "Suicide and crisis lifeline: call or text, day and night.",
    "911": "Emergency: overdose, trouble breathing, or any danger to life.",
}


def crisis_lines(*, emergency_line: str | None) -> dict[str, str]:
    """Return who helps now: the program's own number first, where it is known. Safety rule."""
    own = {"program_emergency_line": emergency_line} if emergency_line else {}
    return own | CRISIS_LINES


class NotTheirsToTell(InvalidInput):
    """Raised when the caller reports in somebody else's place: a patient or supporter as another."""


class ContactedAlready(Conflict):
    """Raised when the contact after a lapse is told that was made before."""


class LapseInTheFuture(InvalidInput):
    """Raised when a lapse is reported that is to happen later."""


@dataclass(eq=False, kw_only=True)
class Lapse:
    """One report of a return to use, or of a need for help before it."""

    lapse_id: str
    patient_id: str
    #: None where aftercare knows no admission of the patient.
    episode_id: str | None
    journey_id: str | None
    reported_by: str
    substance: str
    occurred_at: datetime
    reported_at: datetime
    contact_by: datetime
    #: When somebody spoke with the patient after the report.
    contacted_at: datetime | None = None
    #: Whether a safety concern was raised.
    escalated: bool = False
    tenant_id: str = ""

    @property
    def task_id(self) -> str:
        """The id of the task that asks for the same-day contact."""
        return derived_id(self.lapse_id, "task")

    def contact_by_hand(self, *, at: datetime) -> list[Event]:
        """Note the contact on somebody's word.

        :raises ContactedAlready: when somebody has spoken with the patient before.
        """
        if self.contacted_at is not None:
            raise ContactedAlready(field="task_id", rule="an open task")
        return self.contact(at=at)

    def contact(self, *, at: datetime) -> list[Event]:
        """Note that the patient was spoken with after the report: the same-day contact is done."""
        if self.contacted_at is not None or at < self.reported_at:
            return []
        self.contacted_at = at
        return [
            TaskClosed(
                task_id=self.task_id,
                task="lapse_contact",
                outcome="DONE",
                closed_at=at,
                about_id=self.lapse_id,
                patient_id=self.patient_id,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
            )
        ]


@dataclass(eq=False, kw_only=True)
class Reentry:
    """A request to intake to take a person back, open until they are admitted again."""

    reentry_id: str
    lapse_id: str
    patient_id: str
    journey_id: str
    requested_at: datetime
    level_decision_due_at: datetime
    #: "OPEN", "ADMITTED" or "EXPIRED".
    status: str = "OPEN"
    closed_at: datetime | None = None
    tenant_id: str = ""

    def admit(self, *, at: datetime) -> None:
        """Close it because the patient was admitted again."""
        if self.status == "OPEN" and at >= self.requested_at:
            self.status, self.closed_at = "ADMITTED", at

    def expire(self, *, now: datetime) -> None:
        """Close it if it has been open for so long that it should not block another one."""
        if self.status == "OPEN" and now - self.requested_at >= REENTRY_STAYS_OPEN:
            self.status, self.closed_at = "EXPIRED", self.requested_at + REENTRY_STAYS_OPEN


@dataclass(frozen=True, kw_only=True)
class Report:
    """What somebody tells about a patient."""

    lapse_id: str
    patient_id: str
    reported_by: str
    substance: str
    #: When it happened; now, where nobody said.
    occurred_at: datetime | None = None
    #: Whether the patient may be in danger right now, or has overdosed.
    danger: bool = False
    overdose: bool = False
    #: Whether the patient asked for help, with or without having used.
    need_help: bool = False

    @property
    def is_danger(self) -> bool:
        """Whether somebody said so in plain words: then nothing else in the report stands in the way."""
        return self.danger or self.overdose

    def concerns(self) -> list[tuple[str, str]]:
        """Return the safety concerns that it raises, each with its level.

        A wish for help is one as well, where nothing graver was told.
        """
        return dangers.in_lapse(
            substance=self.substance, danger=self.danger, overdose=self.overdose, need_help=self.need_help
        )


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What the reporter is told."""

    crisis_lines: dict[str, str]
    lapse_id: str | None = None
    reentry_id: str | None = None
    contact_by: datetime | None = None
    received: bool = True


def refuse_unless_theirs_to_tell(report: Report, *, actor: Actor) -> None:
    """Refuse a patient who reports about another one, and a partner who is not a supporter.

    :raises NotFound: when a patient's token names another patient.
    :raises NotTheirsToTell: when the reporter named is not one that the caller can be.
    """
    if actor.role == PATIENT and actor.actor_id != report.patient_id:
        raise NotFound("No such patient.", field="patient_id")
    if actor.role == PATIENT and report.reported_by != "SELF":
        raise NotTheirsToTell(field="reported_by", rule="a patient reports as SELF")
    if actor.role == PARTNER and report.reported_by != "SUPPORTER":
        raise NotTheirsToTell(field="reported_by", rule="a partner reports as SUPPORTER")


def must_be_known(report: Report, *, actor: Actor) -> bool:
    """Return whether a report about an unknown patient is refused.

    Never for supporters, who would learn from it who is a patient, nor for patients themselves, nor
    where somebody is in danger.
    """
    return report.reported_by != "SUPPORTER" and actor.role != PATIENT and not report.is_danger


def receipt(lapse: Lapse, *, reentry: Reentry | None, lines: dict[str, str]) -> Receipt:
    """Return what the reporter is told: to a supporter the same, whoever they ask about."""
    if lapse.reported_by == "SUPPORTER":
        return Receipt(crisis_lines=lines)
    return Receipt(
        crisis_lines=lines,
        lapse_id=lapse.lapse_id,
        reentry_id=reentry.reentry_id if reentry else None,
        contact_by=lapse.contact_by,
    )


def take_report(report: Report, *, episode: Episode | None, now: datetime) -> tuple[Lapse, list[Event]]:
    """Take a report: a contact the same day, a page where the use may kill, no blame.

    :param episode: the patient's newest episode; None where no admission is known. A danger is
        passed on even then.
    :raises LapseInTheFuture: when it is said to happen later than now, and nobody is in danger.
    """
    occurred_at = report.occurred_at or now
    if occurred_at > now:
        if not report.is_danger:
            raise LapseInTheFuture(field="occurred_at", rule="not later than now")
        # A clock that goes ahead does not keep a danger from being heard.
        occurred_at = now
    concerns = report.concerns()
    lapse = Lapse(
        lapse_id=report.lapse_id,
        patient_id=report.patient_id,
        episode_id=episode.episode_id if episode else None,
        journey_id=episode.journey_id if episode else None,
        reported_by=report.reported_by,
        substance=report.substance,
        occurred_at=occurred_at,
        reported_at=now,
        contact_by=_same_day(episode, now),
        escalated=bool(concerns),
    )
    events: list[Event] = []
    if episode is not None and report.substance != dangers.NO_USE:
        events.append(
            LapseReported(
                patient_id=episode.patient_id,
                episode_id=episode.episode_id,
                journey_id=episode.journey_id,
                lapse_id=lapse.lapse_id,
                reported_by=lapse.reported_by,
                substance=lapse.substance,
                reported_at=now,
            )
        )
    events += [
        SafetyConcernRaised(
            concern_id=derived_id(lapse.lapse_id, "concern", concern),
            patient_id=lapse.patient_id,
            concern=concern,
            level=level,
            evidence_id=lapse.lapse_id,
            raised_at=now,
            episode_id=lapse.episode_id,
            journey_id=lapse.journey_id,
        )
        for concern, level in concerns
    ]
    events.append(
        TaskOpened(
            task_id=lapse.task_id,
            task="lapse_contact",
            owner_role=COUNSELOR,
            reason="HELP_WANTED" if lapse.substance == dangers.NO_USE else "LAPSE",
            due_at=lapse.contact_by,
            about_id=lapse.lapse_id,
            patient_id=lapse.patient_id,
            episode_id=lapse.episode_id,
            journey_id=lapse.journey_id,
            next_role=SUPERVISOR,
        )
    )
    return lapse, events


def ask_back(lapse: Lapse, *, episode: Episode, now: datetime) -> tuple[Reentry, list[Event]]:
    """Ask intake to take the patient of an ended episode back."""
    reentry = Reentry(
        reentry_id=derived_id(lapse.lapse_id, "reentry"),
        lapse_id=lapse.lapse_id,
        patient_id=episode.patient_id,
        journey_id=episode.journey_id,
        requested_at=now,
        level_decision_due_at=now + LEVEL_DECIDED_WITHIN,
    )
    event = ReentryRequested(
        patient_id=episode.patient_id,
        episode_id=episode.episode_id,
        journey_id=episode.journey_id,
        reentry_id=reentry.reentry_id,
        lapse_id=lapse.lapse_id,
        level_decision_due_at=reentry.level_decision_due_at,
        requested_at=now,
    )
    return reentry, [event]


def _same_day(episode: Episode | None, now: datetime) -> datetime:
    zone = episode.zone if episode is not None else ZoneInfo("UTC")
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    end_of_day = datetime.combine(tomorrow, time(0, 0), tzinfo=zone).astimezone(UTC)
    return max(end_of_day, now + CONTACT_WITHIN)
