"""What aftercare knows of an episode of treatment: facts that other services told, never pruned."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from shared.contracts.scheduling import AttendanceCorrected, SessionAttended, SessionMissed
from shared.errors import NotFound

#: States of a seat in which the patient was there. Design default, after published attendance policies.
ATTENDED_STATES = ("PRESENT", "LATE", "PARTIAL", "LEFT_EARLY", "MADE_UP")


class EpisodeUnknown(NotFound):
    """Raised when aftercare knows no admission of this episode."""


@dataclass(eq=False, kw_only=True)
class Episode:
    """One episode of treatment as far as aftercare needs it.

    Every field is set from an event's own content and its own moment, so that events may come in
    any order and more than once.
    """

    episode_id: str
    patient_id: str
    journey_id: str
    tenant_id: str = ""
    site_id: str | None = None
    time_zone: str | None = None
    admitted_at: datetime | None = None
    follow_up_consent: bool = False
    opioid_history: bool = False
    problems: list[str] = field(default_factory=list)
    assessed_at: datetime | None = None
    last_reached_at: datetime | None = None
    ready_criteria: list[str] = field(default_factory=list)
    ready_at: datetime | None = None
    discharge_id: str | None = None
    discharge_reason: str | None = None
    discharged_at: datetime | None = None
    graduated_at: datetime | None = None
    deceased_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether the patient was discharged."""
        return self.discharged_at is not None

    @property
    def status(self) -> str:
        """Where the episode stands: IN_TREATMENT, GRADUATED or DISCHARGED."""
        if not self.ended:
            return "IN_TREATMENT"
        return "GRADUATED" if self.graduated_at is not None else "DISCHARGED"

    @property
    def knows_opioids(self) -> bool:
        """Whether opioids are among the problems: tolerance is lost and naloxone belongs at hand."""
        return self.opioid_history or "OPIOID" in self.problems

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which the program counts days.

        :raises EpisodeUnknown: before the admission is known.
        """
        if self.time_zone is None:
            raise EpisodeUnknown(field="episode_id")
        return ZoneInfo(self.time_zone)

    def local_day(self, moment: datetime) -> date:
        """Return the day of the program on which *moment* falls."""
        return moment.astimezone(self.zone).date()

    def at_local(self, day: date, hour: time) -> datetime:
        """Return the moment, in UTC, at which the program's clocks show *hour* on *day*."""
        return datetime.combine(day, hour, tzinfo=self.zone).astimezone(UTC)

    def admit(
        self,
        *,
        site_id: str,
        time_zone: str,
        admitted_at: datetime,
        follow_up_consent: bool,
        opioid_history: bool,
    ) -> None:
        """Know the admission."""
        self.site_id = site_id
        self.time_zone = time_zone
        self.admitted_at = admitted_at
        self.follow_up_consent = follow_up_consent
        self.opioid_history = opioid_history

    def assess(self, *, problems: Sequence[str], completed_at: datetime) -> None:
        """Know the problems of the newest assessment."""
        if self.assessed_at is None or completed_at > self.assessed_at:
            self.assessed_at = completed_at
            self.problems = list(problems)

    def reach(self, *, at: datetime) -> None:
        """Know that somebody spoke with the patient outside of a session."""
        if self.last_reached_at is None or at > self.last_reached_at:
            self.last_reached_at = at

    def become_ready(self, *, criteria: Sequence[str], ready_at: datetime) -> None:
        """Know the newest word of monitoring on the graduation criteria."""
        if self.ready_at is None or ready_at > self.ready_at:
            self.ready_at = ready_at
            self.ready_criteria = sorted(criteria)

    def end(self, *, discharge_id: str, reason: str, at: datetime, death: bool) -> None:
        """Know that the episode ended."""
        self.discharge_id = discharge_id
        self.discharge_reason = reason
        self.discharged_at = at
        if death:
            self.die(at=at)

    def die(self, *, at: datetime) -> None:
        """Know that the patient died; the earliest word of it counts."""
        if self.deceased_at is None or at < self.deceased_at:
            self.deceased_at = at

    def last_contact(self, *, attended_at: datetime | None, now: datetime) -> datetime:
        """Return the last moment at which the patient was seen or spoken with.

        :param attended_at: start of the newest session attended.
        :raises EpisodeUnknown: before the admission is known.
        """
        if self.admitted_at is None:
            raise EpisodeUnknown(field="episode_id")
        moments = [self.admitted_at, attended_at, self.last_reached_at]
        return min(now, max(moment for moment in moments if moment is not None))


@dataclass(eq=False, kw_only=True)
class Seat:
    """A patient's place in one session, with the newest mark on it."""

    seat_id: str
    episode_id: str
    starts_at: datetime
    clinical_minutes: int
    tenant_id: str = ""
    state: str = ""
    credited_minutes: int = 0
    #: 0 for the first mark; grows with each correction. -1 before any.
    revision: int = -1

    @property
    def attended(self) -> bool:
        """Whether the patient was there, in whole or in part."""
        return self.state in ATTENDED_STATES

    def take(self, mark: SessionAttended | SessionMissed | AttendanceCorrected) -> None:
        """Keep *mark* if it is newer than the one that is known."""
        if isinstance(mark, SessionMissed):
            told = (0, "NO_SHOW", 0)
        elif isinstance(mark, SessionAttended):
            told = (0, mark.state, mark.credited_minutes)
        else:
            told = (mark.revision, mark.to_state, mark.credited_minutes)
        # A missed session that was made up later has two first marks: being there outweighs.
        if _rank(told) > _rank((self.revision, self.state, self.credited_minutes)):
            self.revision, self.state, self.credited_minutes = told


def _rank(mark: tuple[int, str, int]) -> tuple[int, bool, str, int]:
    revision, state, minutes = mark
    return revision, state in ATTENDED_STATES, state, minutes
