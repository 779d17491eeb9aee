"""Who came: marks on seats, what they are worth in minutes, and what follows from them.

Attendance is truth, not a guess. A seat without a mark is UNMARKED, not NO_SHOW; only where others of
the same session were marked, or the roster was used, does silence mean absence. What was once told to
other services is corrected, never told anew: :class:`AttendanceCorrected` carries a revision that
grows, so that the newest wins in any order.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.scheduling.domain.groups import LONGEST_BLOCK, most_seats
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Event
from shared.contracts.scheduling import (
    ATTENDED_STATES,
    NOT_SEEN_BY_PROGRAM,
    AttendanceCorrected,
    PatientNotSeen,
    SeatCancelled,
    SessionAttended,
    SessionCancelled,
    SessionMissed,
)
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import derived_id

#: How long after its start a session's unmarked seats are judged. Design default.
GRACE = timedelta(minutes=15)

#: From when on somebody is late. Design default, after published attendance policies.
LATE_AFTER = timedelta(minutes=10)

#: Lateness beyond which nothing is credited: absent for billing. Design default, after published
#: attendance policies.
ABSENT_FOR_BILLING_AFTER = timedelta(minutes=30)

#: Share of a session, in percent, under which presence is partial. Design default.
WHOLE_PERCENT = 80

#: Notice that excuses an absence for any reason. Design default within the published 24 to 48 hours.
EXCUSE_NOTICE = timedelta(hours=24)

#: Reasons that excuse an absence without notice. Design default, after published attendance policies.
EXCUSED_WITHOUT_NOTICE = ("ILLNESS", "COURT", "WORK", "CHILD_EMERGENCY")

#: How long the facilitator has for a missing roster before the supervisor is asked. Design default.
ROSTER_DUE = timedelta(minutes=60)

#: A grace period that is judged this much too late was not watched: nobody could be checked in or marked
#: while the program was away, and then the facilitator is asked, never the patient (brief 13b.2). A miss
#: is announced within a minute of the grace period's end, so one that comes a minute later than that
#: comes after an outage. Design default.
DOOR_DOWN_AFTER = timedelta(minutes=2)

#: How long before its start people can check in to a session. Design default.
CHECK_IN_OPENS = timedelta(minutes=60)

#: How long after its end a session's electronic check-ins are credited when no roster came.
#: Design default.
CHECK_OUT_GRACE = timedelta(minutes=30)

#: No session lasts longer: blocks are at most four hours. Design default.
LONGEST_SESSION = timedelta(hours=12)

#: States of a seat that nobody sits on any more.
GIVEN_UP = ("CANCELLED", "CANCELLED_BY_PROGRAM")

#: States of a seat that leave the patient's time free for another session.
LEAVES_TIME_FREE = (*GIVEN_UP, "EXCUSED")

#: Marks, and the states that they bring, of a patient who was not there.
_AWAY = ("NO_SHOW", "EXCUSED")

#: States of a seat on which nothing is known yet.
OPEN = ("SCHEDULED", "UNMARKED")


class NoSuchSession(NotFound):
    """Raised when a session is named that is not there."""


class NoSuchSeat(NotFound):
    """Raised when somebody has no seat in the session."""


class SessionNotStarted(Conflict):
    """Raised when attendance is marked before there is any."""


class SessionUnderWay(Conflict):
    """Raised when a session is changed that has begun."""


class SessionTimesDoNotFit(InvalidInput):
    """Raised when a session is in the past, too long, or shorter than its minutes of treatment."""


class TooManySeats(InvalidInput):
    """Raised when a session has more seats than its kind may have."""


class CheckInNotOpen(Conflict):
    """Raised when somebody checks in too early, or after the session."""


class SessionCalledOff(Conflict):
    """Raised when attendance is marked in a session that the program cancelled."""


class SessionHeldAlready(Conflict):
    """Raised when a session is cancelled that somebody attended."""


class SeatGivenUp(Conflict):
    """Raised when attendance is marked on a seat that was cancelled."""


class AttendedAlready(Conflict):
    """Raised when an absence is excused of somebody who was there."""


class CameAndNotSeen(Conflict):
    """Raised when somebody is marked as absent who came and was not seen."""


class ExcuseTooLate(Conflict):
    """Raised when an absence is announced too late, for a reason that does not excuse it."""


class TimesDoNotFit(InvalidInput):
    """Raised when the times of a mark contradict it or the session, or are missing."""


class FamilyNotSeenAlone(InvalidInput):
    """Raised when a family is said to have been seen alone where it cannot have been."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What a facilitator says about one seat; times are moments, None where the mark implies them."""

    mark: str
    arrived_at: datetime | None = None
    left_at: datetime | None = None
    #: Minutes for which the family was seen without the patient; None where nothing is said of that.
    family_minutes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One judged seat of an episode's treatment in the past: what counting absences needs."""

    seat_id: str
    starts_at: datetime
    state: str


@dataclass(eq=False, kw_only=True)
class Session:
    """One date of a group, or of an hour with a therapist."""

    session_id: str
    site_id: str
    group_id: str | None
    kind: str
    modality: str
    facilitator_id: str
    starts_at: datetime
    ends_at: datetime
    clinical_minutes: int
    capacity: int
    #: "PLANNED", "CANCELLED_BY_PROGRAM", or "CANCELLED" when the one patient was discharged.
    state: str = "PLANNED"
    cancelled_at: datetime | None = None
    cancellation_reason: str | None = None
    #: When somebody first was marked or checked in: from then on silence means absence.
    first_mark_at: datetime | None = None
    #: Who is asked for the roster: "NOBODY", "FACILITATOR", "SUPERVISOR"; "DONE" once it came.
    roster_asked: str = "NOBODY"
    #: By when a signed note is owed; None while nobody came, and once it is signed.
    note_due_at: datetime | None = None
    #: When the last of the notes that it needs was signed for good.
    noted_at: datetime | None = None
    #: Whether somebody is asked for the note.
    note_asked: bool = False
    #: Whether somebody is asked to put the safety question to those who were there and heard it from nobody.
    question_asked_for: bool = False
    #: One of MODES: how people take part.
    mode: str = "IN_PERSON"
    room_id: str | None = None
    #: What it teaches, where it follows a curriculum: a part of one of its modules.
    curriculum_id: str | None = None
    module_no: int | None = None
    module_part: int = 1
    skill_tags: list[str] = field(default_factory=list)
    tenant_id: str = ""

    @property
    def is_treatment(self) -> bool:
        """Whether it has clinical minutes; a support group has none, and who stays away misses nothing."""
        return self.clinical_minutes > 0

    def judge(
        self,
        *,
        seats: "list[Seat]",
        past: dict[str, list[Seen]],
        now: datetime,
        door_closed_until: datetime | None = None,
    ) -> list[Event]:
        """Say who did not come, now that the grace period is over; or ask, when nobody was marked.

        :param past: the judged seats of each episode that has an open seat here.
        :param door_closed_until: until when, the last time, nobody could be checked in or marked anywhere.
        """
        waiting = [seat for seat in seats if seat.state == "SCHEDULED"]
        if self.state != "PLANNED" or not waiting:
            return []
        in_time = now - (self.starts_at + GRACE) <= DOOR_DOWN_AFTER
        watched = in_time and (door_closed_until is None or door_closed_until <= self.starts_at)
        if self.first_mark_at is not None and watched:
            caused: list[Event] = []
            for seat in waiting:
                caused += seat.take(
                    mark=Mark(mark="NO_SHOW"), session=self, past=past.get(seat.episode_id, []), now=now
                )
            return caused
        for seat in waiting:
            seat.state = "UNMARKED"
        self.roster_asked = "FACILITATOR"
        return [self._roster_task(owner=roles.COUNSELOR, next_role=roles.SUPERVISOR, now=now)]

    def ask_supervisor(self, *, seats: "list[Seat]", now: datetime) -> list[Event]:
        """Ask the supervisor for a roster that the facilitator did not give."""
        if self.roster_asked != "FACILITATOR" or not any(seat.state == "UNMARKED" for seat in seats):
            return []
        closed = self._roster_task_closed(outcome="ESCALATED", now=now)
        self.roster_asked = "SUPERVISOR"
        return [closed, self._roster_task(owner=roles.SUPERVISOR, next_role=None, now=now)]

    def settle(self, *, seats: "list[Seat]", now: datetime) -> list[Event]:
        """Close the question for the roster once no seat is unmarked any more."""
        if self.roster_asked not in ("FACILITATOR", "SUPERVISOR"):
            return []
        if any(seat.state == "UNMARKED" for seat in seats):
            return []
        closed = self._roster_task_closed(outcome="WITHDRAWN" if self.state != "PLANNED" else "DONE", now=now)
        self.roster_asked = "DONE"
        return [closed]

    def note_mark(self, *, now: datetime) -> None:
        """Note that somebody watches the door: silence means absence from now on."""
        if self.first_mark_at is None:
            self.first_mark_at = now

    def check_can_mark(self, *, now: datetime) -> None:
        """Refuse marks before the session, or when it was called off.

        :raises SessionNotStarted: before its start.
        :raises SessionCalledOff: when the program cancelled it.
        """
        if self.state != "PLANNED":
            raise SessionCalledOff
        if now < self.starts_at:
            raise SessionNotStarted

    def check_can_change(self, *, now: datetime) -> None:
        """Refuse to change who leads a session, or where, once it has begun.

        :raises SessionCalledOff: when it was called off.
        :raises SessionUnderWay: when it has begun.
        """
        if self.state != "PLANNED":
            raise SessionCalledOff
        if now >= self.starts_at:
            raise SessionUnderWay

    def cancel(
        self, *, reason: str, seats: "list[Seat]", past: dict[str, list[Seen]], now: datetime
    ) -> list[Event]:
        """Call the session off: no seat of it counts, and misses already told are withdrawn.

        :raises SessionHeldAlready: when somebody was there.
        """
        if self.state != "PLANNED":
            return []
        if any(seat.is_served or seat.state == "CHECKED_IN" for seat in seats):
            raise SessionHeldAlready
        self.state = "CANCELLED_BY_PROGRAM"
        self.cancelled_at = now
        self.cancellation_reason = reason
        caused: list[Event] = [
            SessionCancelled(
                session_id=self.session_id,
                site_id=self.site_id,
                starts_at=self.starts_at,
                reason=reason,
                cancelled_at=now,
            )
        ]
        for seat in seats:
            if seat.state not in GIVEN_UP:
                caused += seat.become(
                    state="CANCELLED_BY_PROGRAM",
                    session=self,
                    past=past.get(seat.episode_id, []),
                    now=now,
                )
                seat.number = None
                caused.append(
                    SeatCancelled(
                        patient_id=seat.patient_id,
                        episode_id=seat.episode_id,
                        journey_id=seat.journey_id,
                        seat_id=seat.seat_id,
                        session_id=self.session_id,
                        kind=self.kind,
                        starts_at=self.starts_at,
                        reason=reason,
                        cancelled_at=now,
                    )
                )
        return caused + self.settle(seats=seats, now=now)

    def _roster_task_id(self) -> str:
        return derived_id(self.session_id, "roster_missing", self.roster_asked)

    def _roster_task(self, *, owner: str, next_role: str | None, now: datetime) -> TaskOpened:
        return TaskOpened(
            task_id=self._roster_task_id(),
            task="roster_missing",
            owner_role=owner,
            reason="NO_MARK_AT_ALL" if self.first_mark_at is None else "DOOR_NOT_WATCHED",
            due_at=now + ROSTER_DUE,
            about_id=self.session_id,
            next_role=next_role,
        )

    def _roster_task_closed(self, *, outcome: str, now: datetime) -> TaskClosed:
        return TaskClosed(
            task_id=self._roster_task_id(),
            task="roster_missing",
            outcome=outcome,
            closed_at=now,
            about_id=self.session_id,
        )


@dataclass(eq=False, kw_only=True)
class Seat:
    """One patient's seat in one session; ``number`` is None once the seat is free for others."""

    seat_id: str
    session_id: str
    patient_id: str
    episode_id: str
    journey_id: str
    capacity: int
    number: int | None
    #: The session's, repeated so that the database keeps a patient from being in two places.
    starts_at: datetime
    ends_at: datetime
    state: str = "SCHEDULED"
    #: When the patient checked in at the door; a mark's own times stand above it.
    checked_in_at: datetime | None = None
    arrived_at: datetime | None = None
    left_at: datetime | None = None
    credited_minutes: int = 0
    #: Minutes for which the family was seen without the patient; None while that was never said.
    family_minutes: int | None = None
    #: When the patient checked out, and what they said to the safety question.
    checked_out_at: datetime | None = None
    check_out_answer: str | None = None
    #: Whether somebody is asked for a check-out that did not come.
    check_out_asked: bool = False
    #: Whether the patient came without having been booked.
    walked_in: bool = False
    excuse_reason: str | None = None
    #: What was said about the absence, kept sealed.
    note: str | None = None
    #: Whether other services were told of this seat's attendance or absence.
    told: bool = False
    #: How often what they were told was corrected.
    revision: int = 0
    #: One of SEAT_ORIGINS: how the seat came about.
    origin: str = "PLAN"
    #: The seat that was missed, where this one makes up for it.
    makes_up: str | None = None
    #: The seat that was taken in place of this one.
    swapped_to: str | None = None
    #: One of NOT_SEEN_REASONS, where the patient came, the last time, and was not seen.
    not_seen_because: str | None = None
    tenant_id: str = ""

    @property
    def is_turned_away(self) -> bool:
        """Whether the patient came and the program could not see them; their seat is kept for them."""
        return self.state == "CANCELLED_BY_PROGRAM" and self.not_seen_because is not None

    @property
    def is_waiting(self) -> bool:
        """Whether the patient came and waits for what stands in their way: nobody has decided yet."""
        return self.state in ("UNMARKED", "EXCUSED") and self.not_seen_because is not None

    @property
    def is_gone(self) -> bool:
        """Whether nobody sits on it any more."""
        return self.state in GIVEN_UP and not self.is_turned_away

    @property
    def is_served(self) -> bool:
        """Whether the patient was there, or the family without them: somebody has to write about it."""
        return self.state in ATTENDED_STATES or bool(self.family_minutes)

    def check_in(
        self, *, session: Session, arrived_at: datetime, past: list[Seen], now: datetime
    ) -> list[Event]:
        """Note that the patient is at the door; a second time changes nothing.

        :raises CheckInNotOpen: more than an hour before the start, or for an arrival after the end.
        :raises SessionCalledOff: when the program cancelled the session.
        :raises SeatGivenUp: when the seat was cancelled.
        """
        self._check_can_come(session)
        if self._is_there:
            if now < session.ends_at:
                self.not_seen_because = None
            return []
        _check_is_open(session, arrived_at=arrived_at, now=now)
        session.note_mark(now=now)
        self.not_seen_because = None
        self.checked_in_at = self.arrived_at = arrived_at
        return self.become(state="CHECKED_IN", session=session, past=past, now=now)

    def turn_away(self, *, session: Session, reason: str, past: list[Seen], now: datetime) -> list[Event]:
        """Note that the patient came and is not seen now; their seat is kept for them.

        For the program's own reasons nothing of it counts against them. For others they wait, and their seat
        is unmarked, since no software can tell what becomes of it. Whoever was there before the line broke
        stays marked so. A second time changes nothing.

        :param reason: one of NOT_SEEN_REASONS.
        :raises CheckInNotOpen: more than an hour before the start, or after the end.
        :raises SessionCalledOff: when the program cancelled the session.
        :raises SeatGivenUp: when the seat was cancelled.
        """
        self._check_can_come(session)
        _check_is_open(session, arrived_at=now, now=now)
        session.note_mark(now=now)
        known = self.is_turned_away or (self.is_waiting and reason not in NOT_SEEN_BY_PROGRAM)
        self.not_seen_because = reason
        if self._is_there or known:
            return []
        corrected: list[Event] = []
        if reason in NOT_SEEN_BY_PROGRAM:
            corrected = self.become(state="CANCELLED_BY_PROGRAM", session=session, past=past, now=now)
        elif self.state != "EXCUSED":
            corrected = self.become(state="UNMARKED", session=session, past=past, now=now)
        came = PatientNotSeen(
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            seat_id=self.seat_id,
            session_id=self.session_id,
            kind=session.kind,
            starts_at=self.starts_at,
            clinical_minutes=session.clinical_minutes,
            reason=reason,
            came_at=now,
        )
        return [*corrected, came]

    @property
    def _is_there(self) -> bool:
        return self.state == "CHECKED_IN" or self.state in ATTENDED_STATES

    def _check_can_come(self, session: Session) -> None:
        if session.state != "PLANNED":
            raise SessionCalledOff
        if self.is_gone:
            raise SeatGivenUp

    def take(self, *, mark: Mark, session: Session, past: list[Seen], now: datetime) -> list[Event]:
        """Take a facilitator's mark; the same mark again changes nothing.

        What was told before is corrected. A NO_SHOW before the grace period is over is kept back
        until then: the patient may still come. Of somebody who came and was not seen it changes
        nothing: a roster tells who was in the session, not who came to it.

        :raises SeatGivenUp: when the seat was cancelled.
        :raises TimesDoNotFit: when times are missing, in the future or the wrong way round.
        :raises FamilyNotSeenAlone: when the patient was there, or it is no session with the family.
        """
        if self.is_gone:
            raise SeatGivenUp
        if mark.family_minutes is not None:
            self._note_family(mark=mark, minutes=mark.family_minutes, session=session, now=now)
        if mark.mark in _AWAY:
            if mark.arrived_at or mark.left_at:
                raise TimesDoNotFit(field="marks", rule=f"{mark.mark} has no times")
            if mark.mark == "NO_SHOW" and now < session.starts_at + GRACE and self.state in OPEN:
                return []
            if self.is_turned_away or self.is_waiting:
                return []
            self.arrived_at = self.left_at = None
            return self.become(state=mark.mark, session=session, past=past, now=now)
        arrived_at, left_at = self._times(mark=mark, session=session, now=now)
        self.arrived_at, self.left_at = arrived_at, left_at
        if self.is_waiting:
            self.not_seen_because = None
        state, credited = worth(session=session, arrived_at=arrived_at, left_at=left_at)
        if self.makes_up is not None and state == "PRESENT":
            state = "MADE_UP"
        return self.become(state=state, credited_minutes=credited, session=session, past=past, now=now)

    def correct(
        self,
        *,
        mark: Mark,
        session: Session,
        past: list[Seen],
        now: datetime,
        although_they_came: bool = False,
    ) -> list[Event]:
        """Take a mark that puts this one seat right; see :meth:`take`.

        :param although_they_came: whether whoever says so knows that the patient came and waits.
        :raises CameAndNotSeen: when it calls somebody absent who came and was not seen: for the program's own
            reasons always, else when that is not known.
        :raises SeatGivenUp: when the seat was cancelled.
        :raises TimesDoNotFit: when times are missing, in the future or the wrong way round.
        :raises FamilyNotSeenAlone: when the patient was there, or it is no session with the family.
        """
        if mark.mark in _AWAY and mark.family_minutes is None:
            if self.is_turned_away:
                raise CameAndNotSeen(field="mark", rule="the patient came, and the program did not see them")
            if self.is_waiting and not (although_they_came and now >= session.starts_at + GRACE):
                raise CameAndNotSeen(
                    field="mark",
                    rule="the patient came and waits; from the end of the grace period on, an absence needs"
                    " although_they_came",
                )
            if self.is_waiting:
                self.not_seen_because = None
        return self.take(mark=mark, session=session, past=past, now=now)

    def credit_check_in(self, *, session: Session, past: list[Seen], now: datetime) -> list[Event]:
        """Credit an electronic check-in when the session is long over and no roster came."""
        if self.state != "CHECKED_IN":
            return []
        return self.take(mark=Mark(mark="PRESENT"), session=session, past=past, now=now)

    def excuse(
        self, *, session: Session, reason: str, noticed_at: datetime, past: list[Seen], now: datetime
    ) -> list[Event]:
        """Excuse an absence, ahead or afterwards.

        :raises ExcuseTooLate: with less than 24 hours' notice, unless for illness, court, work or a
            child's emergency.
        :raises AttendedAlready: when the patient was there.
        :raises SeatGivenUp: when the seat was cancelled.
        """
        if self.state in GIVEN_UP or session.state != "PLANNED":
            raise SeatGivenUp
        if self._is_there:
            raise AttendedAlready
        if self.state == "EXCUSED":
            return []
        if noticed_at > now:
            raise TimesDoNotFit(field="noticed_at", rule="not in the future")
        if reason not in EXCUSED_WITHOUT_NOTICE and session.starts_at - noticed_at < EXCUSE_NOTICE:
            raise ExcuseTooLate(field="reason", rule="24 hours' notice, or one of the reasons that need none")
        self.excuse_reason = reason
        return self.become(state="EXCUSED", session=session, past=past, now=now)

    def become(
        self,
        *,
        state: str,
        session: Session,
        past: list[Seen],
        now: datetime,
        credited_minutes: int = 0,
    ) -> list[Event]:
        """Take on a state and return what others have to be told of it."""
        before = (self.state, self.credited_minutes)
        self.state, self.credited_minutes = state, credited_minutes
        if self.family_minutes and state not in _AWAY:
            self.family_minutes = 0
        if before == (state, credited_minutes):
            return []
        if state != "EXCUSED":
            self.excuse_reason = None
        seen = Seen(seat_id=self.seat_id, starts_at=self.starts_at, state=state)
        history = [other for other in past if other.seat_id != self.seat_id]
        if session.is_treatment:
            history.append(seen)
        if self.told:
            self.revision += 1
            return [
                AttendanceCorrected(
                    patient_id=self.patient_id,
                    episode_id=self.episode_id,
                    journey_id=self.journey_id,
                    seat_id=self.seat_id,
                    session_id=self.session_id,
                    starts_at=self.starts_at,
                    clinical_minutes=session.clinical_minutes,
                    from_state=before[0],
                    to_state=state,
                    credited_minutes=credited_minutes,
                    revision=self.revision,
                    consecutive=absences_in_row(history),
                    corrected_at=now,
                )
            ]
        if state in ATTENDED_STATES:
            self.told = True
            return [
                SessionAttended(
                    patient_id=self.patient_id,
                    episode_id=self.episode_id,
                    journey_id=self.journey_id,
                    seat_id=self.seat_id,
                    session_id=self.session_id,
                    kind=session.kind,
                    starts_at=self.starts_at,
                    clinical_minutes=session.clinical_minutes,
                    credited_minutes=credited_minutes,
                    state=state,
                )
            ]
        if state == "NO_SHOW" and session.is_treatment:
            self.told = True
            return [
                SessionMissed(
                    patient_id=self.patient_id,
                    episode_id=self.episode_id,
                    journey_id=self.journey_id,
                    seat_id=self.seat_id,
                    session_id=self.session_id,
                    kind=session.kind,
                    starts_at=self.starts_at,
                    clinical_minutes=session.clinical_minutes,
                    consecutive=absences_in_row(history, up_to=seen),
                    missed_at=now,
                )
            ]
        return []

    def _note_family(self, *, mark: Mark, minutes: int, session: Session, now: datetime) -> None:
        """Note for how long the family was seen without the patient; none takes it back."""
        if mark.mark not in _AWAY:
            raise FamilyNotSeenAlone(field="marks", rule=f"family_minutes only with {' or '.join(_AWAY)}")
        if session.kind != "FAMILY":
            raise FamilyNotSeenAlone(field="marks", rule="family_minutes only in a session of kind FAMILY")
        so_far = int((now - session.starts_at).total_seconds()) // 60
        if minutes > min(session.clinical_minutes, so_far):
            raise FamilyNotSeenAlone(
                field="marks", rule="family_minutes at most the clinical minutes, and not in the future"
            )
        self.family_minutes = minutes

    def _times(self, *, mark: Mark, session: Session, now: datetime) -> tuple[datetime, datetime]:
        """Return when the patient came and left; what the mark leaves open the check-in or session says."""
        arrived_at = mark.arrived_at or self.checked_in_at
        if arrived_at is None:
            if mark.mark == "LATE":
                raise TimesDoNotFit(field="arrived_at", rule="LATE needs the time of arrival")
            arrived_at = session.starts_at
        left_at = mark.left_at or self.checked_out_at
        if left_at is None:
            if mark.mark == "LEFT_EARLY":
                raise TimesDoNotFit(field="left_at", rule="LEFT_EARLY needs the time of leaving")
            left_at = session.ends_at
        if mark.arrived_at and mark.arrived_at > now:
            raise TimesDoNotFit(field="arrived_at", rule="not in the future")
        if mark.left_at and mark.left_at > now:
            raise TimesDoNotFit(field="left_at", rule="not in the future")
        if arrived_at >= min(left_at, session.ends_at) or left_at <= session.starts_at:
            raise TimesDoNotFit(field="arrived_at", rule="before leaving, and within the session")
        return arrived_at, left_at


def _check_is_open(session: Session, *, arrived_at: datetime, now: datetime) -> None:
    if not session.starts_at - CHECK_IN_OPENS <= arrived_at < session.ends_at or arrived_at > now:
        raise CheckInNotOpen(
            field="arrived_at", rule="from one hour before the start to the end, not in the future"
        )


def seat_of(seats: Iterable[Seat], *, patient_id: str) -> Seat | None:
    """Return a patient's seat in a session, if there is one.

    Whoever left the program and came back soon has one of each episode: a seat that stands goes before one
    that leaves their time free, that before one that was given up, and the newer episode's before the other.
    """
    own = [seat for seat in seats if seat.patient_id == patient_id]
    return max(
        own,
        key=lambda seat: (
            not seat.is_gone,
            seat.state not in LEAVES_TIME_FREE,
            seat.episode_id,
        ),
        default=None,
    )


def plan_session(
    *,
    session_id: str,
    site_id: str,
    kind: str,
    modality: str,
    facilitator_id: str,
    starts_at: datetime,
    ends_at: datetime,
    clinical_minutes: int | None,
    capacity: int,
    mode: str,
    room_id: str | None,
    now: datetime,
) -> Session:
    """Plan a session outside the standing groups.

    :raises SessionTimesDoNotFit: when it starts in the past, ends before it starts, lasts more than
        four hours or has more minutes of treatment than it lasts.
    :raises TooManySeats: when it has more seats than its kind may have.
    """
    minutes = int((ends_at - starts_at).total_seconds()) // 60
    if starts_at <= now:
        raise SessionTimesDoNotFit(field="starts_at", rule="in the future")
    if not 0 < minutes <= LONGEST_BLOCK:
        raise SessionTimesDoNotFit(field="ends_at", rule=f"at most {LONGEST_BLOCK} minutes after starts_at")
    if kind == "SUPPORT":
        clinical_minutes = 0
    elif clinical_minutes is None:
        clinical_minutes = minutes
    if clinical_minutes > minutes:
        raise SessionTimesDoNotFit(field="clinical_minutes", rule="at most the minutes of the session")
    most = 1 if kind == "INDIVIDUAL" else most_seats(kind=kind, mode=mode)
    if capacity > most:
        raise TooManySeats(field="capacity", rule=f"at most {most} for {kind}, {mode}")
    return Session(
        session_id=session_id,
        site_id=site_id,
        group_id=None,
        kind=kind,
        modality=modality,
        facilitator_id=facilitator_id,
        starts_at=starts_at,
        ends_at=ends_at,
        clinical_minutes=clinical_minutes,
        capacity=capacity,
        mode=mode,
        room_id=room_id,
    )


def worth(*, session: Session, arrived_at: datetime, left_at: datetime) -> tuple[str, int]:
    """Return the state that presence amounts to, and the clinical minutes that it is credited with.

    The share of the block that the patient was there is applied to its clinical minutes, so that
    breaks are credited to nobody.
    """
    length = session.ends_at - session.starts_at
    there = min(left_at, session.ends_at) - max(arrived_at, session.starts_at)
    lateness = arrived_at - session.starts_at
    if lateness > ABSENT_FOR_BILLING_AFTER:
        return "PARTIAL", 0
    credited = session.clinical_minutes * there // length
    if there * 100 < length * WHOLE_PERCENT:
        return "PARTIAL", credited
    if lateness > LATE_AFTER:
        return "LATE", credited
    return ("LEFT_EARLY" if left_at < session.ends_at else "PRESENT"), credited


def seen_in(session: Session, seat: Seat) -> list[Seen]:
    """Return what a seat adds to the past of its episode: nothing before it was judged."""
    if not session.is_treatment or seat.state in (*OPEN, *GIVEN_UP, "EXCUSED"):
        return []
    return [Seen(seat_id=seat.seat_id, starts_at=seat.starts_at, state=seat.state)]


def absences_in_row(seen: Iterable[Seen], *, up_to: Seen | None = None) -> int:
    """Count the absences without excuse since the patient last came, in the order of sessions.

    What was excused, cancelled or never marked neither counts nor ends the row.

    :param up_to: the last seat to look at; all when left out.
    """
    count = 0
    for one in sorted(seen, key=lambda one: (one.starts_at, one.seat_id), reverse=True):
        if up_to is not None and (one.starts_at, one.seat_id) > (up_to.starts_at, up_to.seat_id):
            continue
        if one.state == "NO_SHOW":
            count += 1
        elif one.state in ATTENDED_STATES or one.state == "CHECKED_IN":
            break
    return count
