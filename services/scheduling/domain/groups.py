"""Standing groups: when they meet, who leads them and how many have room."""

from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from services.scheduling.domain import planner
from services.scheduling.domain.clinicians import Clinician, CredentialNotValid
from services.scheduling.domain.rooms import Room
from services.scheduling.domain.weeks import Span, span
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Event
from shared.contracts.scheduling import GroupPlacesChanged
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import derived_id

#: Most patients in a counselling group. Common ceiling of states and payers.
MOST_IN_GROUP = 12

#: Most patients in an education group or workshop. Design default.
MOST_IN_EDUCATION = 30

#: Most patients in anything that is held from afar. Design default, as who leads must see each of them
#: (brief 3.4).
MOST_FROM_AFAR = 12

#: Fewest patients who make a group that may be billed: payers ask for two (brief 3.1).
FEWEST_IN_GROUP = 2

#: Minutes of a block that are no treatment, once it lasts BREAK_FROM_MINUTES. Design default: the
#: default block of 180 minutes is 75 process group, 15 break, 60 skills, 30 check-in and check-out.
BREAK_MINUTES = 15
BREAK_FROM_MINUTES = 150

#: Shortest and longest block, in minutes. Design default.
SHORTEST_BLOCK = 45
LONGEST_BLOCK = 240

#: The task to tell why a counselling group's block is shorter than three hours, and how long there is for it.
#: Design default.
BLOCK_REASON = "block_reason"
BLOCK_REASON_DUE = timedelta(days=7)

#: Local hours within which a track's groups meet. Design default.
TRACK_HOURS: dict[str, tuple[time, time]] = {
    "MORNING": (time(9), time(12)),
    "AFTERNOON": (time(13), time(16)),
    "EVENING": (time(18), time(21)),
    "TELEHEALTH": (time(18), time(21)),
}


class NoSuchGroup(NotFound):
    """Raised when a group is named that is not there."""


class GroupKnownAlready(Conflict):
    """Raised when a group is opened under an id that is taken."""


class BlockOutOfBounds(InvalidInput):
    """Raised when a group's block is too short or too long, or has no more minutes than treatment."""


class GroupTooLarge(InvalidInput):
    """Raised when a group has more seats than its kind may have."""


#: How long a group that is opened closed gathers its cohort, where no day is told. Design default.
GATHERS_FOR = timedelta(days=7)


class EnrolmentClosed(Conflict):
    """Raised when a newcomer would join a closed group after its cohort began."""


class CohortBeginsInPast(InvalidInput):
    """Raised when a cohort would begin on a day that is over, or in a group that is open to newcomers."""


class ClinicianDoubleBooked(Conflict):
    """Raised when a facilitator would have to be in two places."""


class GroupIsOver(Conflict):
    """Raised when something is asked of a group that has ended for good."""


@dataclass(eq=False, kw_only=True)
class Group:
    """A group that meets on the same weekdays at the same local time, every week."""

    group_id: str
    site_id: str
    kind: str
    modality: str
    track: str
    weekdays: list[int]
    starts: time
    ends: time
    clinical_minutes: int
    capacity: int
    facilitator_id: str
    opened_at: datetime
    #: "OPEN" to newcomers at any time, or "CLOSED": its cohort stays together once it began.
    enrolment: str = "OPEN"
    #: The local day from which on nobody joins a closed group: until then its cohort gathers. None in an
    #: open group, and in one that an older version closed: that cohort has begun.
    cohort_begins_on: date | None = None
    #: One of MODES: how people take part.
    mode: str = "IN_PERSON"
    #: Where it meets; its dated sessions meet there too.
    room_id: str | None = None
    #: When it ended for good, and why: one of GROUP_END_REASONS.
    ended_at: datetime | None = None
    end_reason: str | None = None
    #: Why its block is shorter than three hours, one of BLOCK_REASONS, and whether somebody is asked why.
    block_reason: str | None = None
    block_reason_asked: bool = False
    #: The curriculum that it follows, from a local day on, beginning with a module, at one of
    #: CURRICULUM_PACES.
    curriculum_id: str | None = None
    curriculum_since: date | None = None
    curriculum_first: int = 1
    curriculum_pace: str = "WEEK"
    #: What others were told of it, as JSON, and how often they were told.
    told: dict[str, Any] = field(default_factory=dict)
    revision: int = 0
    tenant_id: str = ""

    @property
    def minutes(self) -> int:
        """Return the length of the block on the clock, breaks included."""
        return block_minutes(starts=self.starts, ends=self.ends)

    @property
    def is_short(self) -> bool:
        """Whether it is a counselling group that makes no block of a day by itself: brief, sentence S41.

        Workshops, families and support groups are short by their nature, and are planned beside blocks.
        """
        return self.kind == "GROUP" and self.minutes < planner.SHORTEST_BLOCK

    def ask_for_reason(self, *, now: datetime) -> list[Event]:
        """Ask why the block is short, where nobody said so. The group meets all the same."""
        if not self.is_short or self.block_reason is not None or self.block_reason_asked:
            return []
        self.block_reason_asked = True
        return [
            TaskOpened(
                task_id=derived_id(self.group_id, BLOCK_REASON),
                task=BLOCK_REASON,
                owner_role=roles.SUPERVISOR,
                reason="SHORTER_THAN_THREE_HOURS",
                due_at=now + BLOCK_REASON_DUE,
                about_id=self.group_id,
                next_role=roles.MEDICAL_DIRECTOR,
            )
        ]

    def explain_block(self, reason: str, *, now: datetime) -> list[Event]:
        """Take the reason why the block is as long as it is; the last one told counts.

        :raises GroupIsOver: when the group has ended.
        """
        self.check_runs()
        self.block_reason = reason
        return self._reason_settled(outcome="DONE", now=now)

    def _reason_settled(self, *, outcome: str, now: datetime) -> list[Event]:
        if not self.block_reason_asked:
            return []
        self.block_reason_asked = False
        return [
            TaskClosed(
                task_id=derived_id(self.group_id, BLOCK_REASON),
                task=BLOCK_REASON,
                outcome=outcome,
                closed_at=now,
                about_id=self.group_id,
            )
        ]

    def takes_newcomers(self, *, on: date) -> bool:
        """Tell whether somebody can join on a local day: nobody does once a closed group's cohort began."""
        if self.enrolment == "OPEN":
            return True
        return self.cohort_begins_on is not None and on < self.cohort_begins_on

    def check_joins(self, *, is_member: bool, on: date, field: str) -> None:
        """Refuse a newcomer whom the group does not take.

        :param is_member: whether they have a standing place in it.
        :raises EnrolmentClosed: when its cohort began, and they are not of it.
        """
        if not is_member and not self.takes_newcomers(on=on):
            raise EnrolmentClosed(field=field, rule="nobody joins a closed group after its cohort began")

    def change_enrolment(self, enrolment: str, *, begins_on: date | None, today: date) -> None:
        """Close the group, from a local day on or at once, or open it to newcomers again.

        Closing a group whose cohort has begun already changes nothing: its beginning stays.

        :raises CohortBeginsInPast: when the day is over, or the group is opened.
        """
        if begins_on is not None and (enrolment == "OPEN" or begins_on < today):
            raise CohortBeginsInPast(field="cohort_begins_on", rule="not in the past, and of a closed group")
        if enrolment == "OPEN":
            self.enrolment, self.cohort_begins_on = "OPEN", None
        elif self.takes_newcomers(on=today):
            self.enrolment, self.cohort_begins_on = "CLOSED", begins_on or today

    def spans(self) -> tuple[Span, ...]:
        """Return the stretches of the week in which the group meets; none once it has ended."""
        if self.ended_at is not None:
            return ()
        return tuple(span(weekday=day, starts=self.starts, ends=self.ends) for day in self.weekdays)

    def check_runs(self) -> None:
        """Refuse to change a group that has ended.

        :raises GroupIsOver: when it has.
        """
        if self.ended_at is not None:
            raise GroupIsOver(field="group_id", rule="a group that has not ended")

    def end(self, *, reason: str, now: datetime) -> list[Event]:
        """End the group for good: nobody is planned into it any more, and its leader and room are free.

        :raises GroupIsOver: when it ended before.
        """
        self.check_runs()
        self.ended_at, self.end_reason, self.room_id = now, reason, None
        return self._reason_settled(outcome="WITHDRAWN", now=now)

    def tell_places(self, taken: Mapping[tuple[str, int], Sized], *, now: datetime) -> list[Event]:
        """Return when the group meets and what is free then, where others know it otherwise.

        :param taken: the standing places that are taken, by group and weekday.
        """
        free = [self.capacity - len(taken.get((self.group_id, day), ())) for day in self.weekdays]
        enrolment = self.enrolment if self.ended_at is None else "CLOSED"
        stands = {"enrolment": enrolment, "mode": self.mode, "free_places": free}
        if stands == self.told:
            return []
        self.told = stands
        self.revision += 1
        return [
            GroupPlacesChanged(
                group_id=self.group_id,
                site_id=self.site_id,
                kind=self.kind,
                modality=self.modality,
                track=self.track,
                mode=self.mode,
                enrolment=enrolment,
                weekdays=tuple(self.weekdays),
                free_places=tuple(free),
                starts=self.starts.isoformat("minutes"),
                ends=self.ends.isoformat("minutes"),
                clinical_minutes=self.clinical_minutes,
                capacity=self.capacity,
                revision=self.revision,
                told_at=now,
            )
        ]


def open_group(
    *,
    group_id: str,
    site_id: str,
    kind: str,
    modality: str,
    track: str,
    weekdays: list[int],
    starts: time | None,
    ends: time | None,
    clinical_minutes: int | None,
    capacity: int | None,
    facilitator: Clinician,
    enrolment: str,
    cohort_begins_on: date | None = None,
    mode: str | None,
    room: Room | None,
    block_reason: str | None = None,
    taken: Iterable[Span],
    today: date,
    now: datetime,
) -> Group:
    """Open a group; what is left out takes the defaults of its track and kind.

    :param room: where the group meets, if it is to have a room of its own.
    :param block_reason: why a counselling group is shorter than three hours, one of BLOCK_REASONS.
    :param taken: when the facilitator is in another group or with a patient.
    :raises CredentialNotValid: when the facilitator has no unexpired credential.
    :raises BlockOutOfBounds: when the block is not 45 to 240 minutes long, or its clinical minutes
        exceed it.
    :raises GroupTooLarge: when the capacity exceeds that of the kind.
    :raises CohortBeginsInPast: when a closed group's cohort would begin on a day that is over.
    :raises ClinicianDoubleBooked: when the facilitator is elsewhere at that time.
    :raises NoSuchRoom: when the room is at another site.
    :raises NoRoomNeeded: when nobody leaves home for the group.
    :raises RoomTooSmall: when the group has more seats than the room has places.
    """
    if not facilitator.may_lead(on=today):
        raise CredentialNotValid(field="facilitator_id", rule="needs an unexpired credential")
    starts, ends = starts or TRACK_HOURS[track][0], ends or TRACK_HOURS[track][1]
    minutes = block_minutes(starts=starts, ends=ends)
    if not SHORTEST_BLOCK <= minutes <= LONGEST_BLOCK:
        raise BlockOutOfBounds(field="ends", rule=f"{SHORTEST_BLOCK} to {LONGEST_BLOCK} minutes after starts")
    if clinical_minutes is None:
        clinical_minutes = minutes - (BREAK_MINUTES if minutes >= BREAK_FROM_MINUTES else 0)
    if clinical_minutes > minutes:
        raise BlockOutOfBounds(field="clinical_minutes", rule="at most the minutes of the block")
    if kind == "SUPPORT":
        # It stands on the same calendar and is no treatment: brief, sentence S4.
        clinical_minutes = 0
    mode = mode or ("VIDEO" if track == "TELEHEALTH" else "IN_PERSON")
    most = most_seats(kind=kind, mode=mode)
    if capacity is None:
        capacity = most
    if capacity > most:
        raise GroupTooLarge(field="capacity", rule=f"at most {most} for {kind}, {mode}")
    group = Group(
        group_id=group_id,
        site_id=site_id,
        kind=kind,
        modality=modality,
        track=track,
        weekdays=sorted(set(weekdays)),
        starts=starts,
        ends=ends,
        clinical_minutes=clinical_minutes,
        capacity=capacity,
        facilitator_id=facilitator.clinician_id,
        opened_at=now,
        enrolment=enrolment,
        mode=mode,
        block_reason=block_reason,
    )
    if enrolment == "CLOSED":
        group.enrolment = "OPEN"
        group.change_enrolment("CLOSED", begins_on=cohort_begins_on or today + GATHERS_FOR, today=today)
    elif cohort_begins_on is not None:
        raise CohortBeginsInPast(field="cohort_begins_on", rule="of a closed group")
    elsewhere = tuple(taken)
    if any(own.meets(other) for own in group.spans() for other in elsewhere):
        raise ClinicianDoubleBooked(field="facilitator_id", rule="is elsewhere at that time")
    if room is not None:
        room.check_holds(site_id=site_id, capacity=group.capacity, mode=group.mode)
        group.room_id = room.room_id
    return group


def most_seats(*, kind: str, mode: str) -> int:
    """Return how many may take part in something of a kind that is held in a mode."""
    most = MOST_IN_EDUCATION if kind == "EDUCATION" else MOST_IN_GROUP
    return most if mode == "IN_PERSON" else min(most, MOST_FROM_AFAR)


def block_minutes(*, starts: time, ends: time) -> int:
    """Return the minutes between two times of one day; negative when they are the wrong way round."""
    return (ends.hour - starts.hour) * 60 + ends.minute - starts.minute
