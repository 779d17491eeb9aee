"""What a patient's standing week must meet, what it is asked to meet, and whether it does.

The rules stand here in plain Python: which options there are, what a choice of them must not break, and
which constraint to relax when there is no choice. Choosing among the options is the solver's work,
which is handed in as a function; what it chooses is checked against the rules once more.

Equal inputs give equal weeks.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import time
from itertools import combinations

from services.scheduling.domain.problem import BLOCK, HOUR, SINGLE, Option, Problem
from services.scheduling.domain.weeks import MINUTES_A_WEEK, Span, span
from shared.contracts.scheduling import TRACKS

#: Fewest days a week with a block. Design default: three, as contractors of federal payers describe.
FEWEST_DAYS = 3

#: Fewest counselling groups a week: at least two blocks are led by a counsellor, the third may be a
#: workshop. Design default.
FEWEST_COUNSELLING = 2

#: Blocks a week beyond which more are asked of nobody who gets enough hours without them. Design
#: default: the published Monday, Wednesday, Thursday week.
PREFERRED_BLOCKS = 3

#: Shortest and longest block of a day, in minutes on the clock, and the longest break between two
#: meetings of one block. Three to four hours: the article's sentence S41; the break: design default.
SHORTEST_BLOCK = 180
LONGEST_BLOCK = 240
LONGEST_PAUSE = 30

#: Clinical minutes of an individual session. Design default, within the published 50 to 60.
INDIVIDUAL_MINUTES = 50

#: The first and the last hour at which an individual session starts; they start on the hour, so
#: that a therapist has ten minutes between two. Design default.
FIRST_INDIVIDUAL_HOUR = 8
LAST_INDIVIDUAL_HOUR = 20

#: Minutes from admission within which the first block lies where the groups permit: 48 hours. Brief,
#: sentence S4.
START_WITHIN = 48 * 60

#: Minutes between two sessions of a day up to which nobody goes home between them. Design default.
ONE_TRIP_WITHIN = 60

#: Of groups that are alike in all but their people, how many are weighed on one day. Design default:
#: enough to stay with the same people, few enough for a small model.
ALIKE_AT_ONCE = 3

#: Tracks in the order of the day, and last the one for which nobody leaves home.
_TRACKS = tuple(dict.fromkeys((*TRACKS, "TELEHEALTH")))

#: Kinds of meetings that may make a block, alone or with another.
IN_BLOCKS = ("GROUP", "EDUCATION")

#: Kinds that stand in a week only for a patient who wishes them, or whose treatment plan asks for them.
_BY_WISH = ("FAMILY", "SUPPORT")


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """One weekly meeting of a group, and how many standing places are free in it."""

    group_id: str
    kind: str
    modality: str = "PROCESS"
    track: str
    weekday: int
    starts: time
    ends: time
    clinical_minutes: int
    free_places: int

    @property
    def telehealth(self) -> bool:
        """Tell whether nobody leaves home for it."""
        return self.track == "TELEHEALTH"

    def span(self) -> Span:
        """Return the stretch of the week that the meeting takes."""
        return span(weekday=self.weekday, starts=self.starts, ends=self.ends)


@dataclass(frozen=True, kw_only=True)
class Therapist:
    """A licensed therapist's standing week: hours with patients, and time in groups."""

    clinician_id: str
    #: Weekday and start of the individual sessions that are taken.
    taken: frozenset[tuple[int, time]]
    busy: tuple[Span, ...]
    #: States that licensed them as a therapist: where a patient may be whom they see from afar.
    states: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class IndividualSlot:
    """The hour a week that a patient has alone with a therapist."""

    clinician_id: str
    weekday: int
    starts: time
    #: One of MODES: how the two meet.
    mode: str = "IN_PERSON"

    @property
    def from_afar(self) -> bool:
        """Tell whether nobody leaves home for it."""
        return self.mode != "IN_PERSON"

    def is_at_the_time_of(self, other: "IndividualSlot | None") -> bool:
        """Tell whether two are with the same therapist at the same time, however they meet."""
        return other is not None and replace(self, mode=other.mode) == other

    @property
    def ends(self) -> time:
        """Return the local time at which the hour ends."""
        minutes = self.starts.hour * 60 + self.starts.minute + INDIVIDUAL_MINUTES
        return time(minutes // 60, minutes % 60)

    def span(self) -> Span:
        """Return the stretch of the week that the hour takes."""
        return span(weekday=self.weekday, starts=self.starts, ends=self.ends)


@dataclass(frozen=True, kw_only=True)
class StandingWeek:
    """A week that fits: the meetings in order of the week, and the individual session."""

    meetings: tuple[Meeting, ...]
    individual: IndividualSlot
    #: Why the week has no workshop, one of ``WORKSHOP_EXCEPTIONS``; None where it has one.
    exception: str | None = None

    @property
    def weekly_minutes(self) -> int:
        """Return the clinical minutes of the week."""
        return sum(meeting.clinical_minutes for meeting in self.meetings) + INDIVIDUAL_MINUTES

    @property
    def track(self) -> str:
        """Return the track of most meetings; of equal ones the earlier in the day."""
        tracks = [meeting.track for meeting in self.meetings if meeting.kind in IN_BLOCKS]
        return min(_TRACKS, key=lambda track: (-tracks.count(track), _TRACKS.index(track)))

    @property
    def days(self) -> int:
        """Return on how many days of the week there is something."""
        return len({meeting.weekday for meeting in self.meetings} | {self.individual.weekday})


@dataclass(frozen=True, kw_only=True)
class NoWeek:
    """No week fits; ``reason`` is the constraint to relax, one of ``NO_WEEK_REASONS``.

    ``obligations`` are the kinds of which one alone would have to give way for a week to fit.
    """

    reason: str
    obligations: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a patient would like, and gets where everything that must be leaves room for it."""

    #: Tracks in which the patient would rather come; all alike when empty.
    tracks: tuple[str, ...] = ()
    telehealth: bool = False
    family: bool = False
    support_group: bool = False
    #: The state in which the patient is during sessions from afar, in two letters; None where nobody told.
    telehealth_state: str | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a patient's week has to meet, and what it is asked to meet.

    The week has at least ``floor`` and fewer than ``ceiling`` clinical minutes. ``busy`` holds what
    binds the patient, travel included. ``admitted_minute`` is the minute of the local week from
    which treatment can start.
    """

    floor: int
    ceiling: int
    busy: tuple[Span, ...]
    admitted_minute: int
    #: The kind of each obligation in ``busy``, in its order.
    busy_with: tuple[str, ...] = ()
    #: Modalities that the treatment plan asks for.
    modalities: tuple[str, ...] = ()
    wishes: Wishes = field(default_factory=Wishes)
    #: Days with a block, and counselling groups: fewer where a step-down was agreed, and no more days then.
    fewest_days: int = FEWEST_DAYS
    most_days: int = 7
    fewest_counselling: int = FEWEST_COUNSELLING
    #: Group and weekday of what the patient has now, and the hour with the therapist.
    held: frozenset[tuple[str, int]] = frozenset()
    held_hour: IndividualSlot | None = None
    #: Why nobody would come along to family sessions; None where somebody may.
    against_family: str | None = None

    @property
    def wants_family(self) -> bool:
        """Tell whether family sessions are planned: by wish, or by treatment plan where somebody may come."""
        return self.wishes.family or ("FAMILY" in self.modalities and self.against_family is None)

    def clear(self, stretch: Span) -> bool:
        """Tell whether a stretch of the week meets none of the obligations."""
        return not any(stretch.meets(taken) for taken in self.busy)

    def without(self, kind: str) -> "Request":
        """Return the request of somebody whose obligations of one kind gave way."""
        kept = [place for place, one in enumerate(self.busy_with) if one != kind]
        return replace(
            self,
            busy=tuple(self.busy[place] for place in kept),
            busy_with=tuple(self.busy_with[place] for place in kept),
        )


#: Finds the best choice of a problem's options: their places in its order, None when there is none.
Solve = Callable[[Problem], "list[int] | None"]


class RuleBroken(RuntimeError):
    """Raised when a week that was found breaks a hard rule: nothing of it is used."""


@dataclass(frozen=True)
class _Choice:
    """An option, with what it means for the week."""

    option: Option
    meetings: tuple[Meeting, ...] = ()
    hour: IndividualSlot | None = None


def plan_week(
    *,
    request: Request,
    meetings: Iterable[Meeting],
    therapists: Iterable[Therapist],
    solve: Solve,
    known: str | None = None,
) -> StandingWeek | NoWeek:
    """Return the best standing week, or why there is none.

    :param therapists: in the order in which they are to be asked, e.g. the least busy first.
    :param known: why there was no week before; then it is not asked again what is to be relaxed.
    :raises RuleBroken: when what the solver chose breaks a hard rule.
    """
    offered, asked = tuple(meetings), tuple(therapists)
    exception = _without_workshop(request, offered)
    if exception is None:
        week = _find(request, offered, asked, solve, exception=None)
        if week is not None:
            return week
        exception = "NO_WORKSHOP_FITS"
    week = _find(request, offered, asked, solve, exception=exception)
    if week is None and known is not None:
        return NoWeek(reason=known)
    return week or _what_to_relax(request, offered, asked, solve)


def broken_rules(week: StandingWeek, *, request: Request) -> tuple[str, ...]:
    """Return the hard rules that a week breaks, by name; none is what anybody may be given."""
    spans = [meeting.span() for meeting in week.meetings] + [week.individual.span()]
    blocks = _blocks_of(week)
    counselling = [meeting for meeting in week.meetings if meeting.kind == "GROUP"]
    rules = {
        "HOURS": not request.floor <= week.weekly_minutes < request.ceiling,
        "DAYS": not request.fewest_days <= len({block[0].weekday for block in blocks}) <= request.most_days,
        "BLOCKS": any(
            meeting.kind == "GROUP" and not any(meeting in block for block in blocks)
            for meeting in week.meetings
        )
        or len({block[0].weekday for block in blocks}) < len(blocks),
        "COUNSELLING": len(counselling) < request.fewest_counselling,
        "OBLIGATIONS": not all(request.clear(stretch) for stretch in spans),
        "TWO_PLACES": any(one.meets(other) for one, other in combinations(spans, 2)),
        "CAPACITY": any(meeting.free_places < 1 for meeting in week.meetings),
        "SERVICE_TYPES": week.exception is None
        and not any(meeting.kind == "EDUCATION" for meeting in week.meetings),
    }
    return tuple(name for name, broken in rules.items() if broken)


def _blocks_of(week: StandingWeek) -> list[tuple[Meeting, ...]]:
    """Return the blocks of a week: meetings of one day in a row that last three to four hours together."""
    blocks: list[tuple[Meeting, ...]] = []
    for day in range(7):
        row = sorted(
            (one for one in week.meetings if one.weekday == day and one.kind in IN_BLOCKS),
            key=lambda one: one.starts,
        )
        alone = [(one,) for one in row if _is_block((one,))]
        pairs = [(one, other) for one, other in combinations(row, 2) if _is_block((one, other))]
        blocks += alone or pairs[:1]
    return blocks


def _is_block(row: tuple[Meeting, ...]) -> bool:
    first, last = row[0].span(), row[-1].span()
    if len(row) > 1 and not 0 <= last.begins - first.ends <= LONGEST_PAUSE:
        return False
    return SHORTEST_BLOCK <= last.ends - first.begins <= LONGEST_BLOCK


def _find(
    request: Request,
    meetings: tuple[Meeting, ...],
    therapists: tuple[Therapist, ...],
    solve: Solve,
    *,
    exception: str | None = "NO_WORKSHOP_FITS",
) -> StandingWeek | None:
    must_provide = ("EDUCATION",) if exception is None else ()
    choices = _choices(request, meetings, therapists)
    options = tuple(choice.option for choice in choices)
    if not _may_fit(options, must_provide, fewest_days=request.fewest_days):
        return None
    wishes = request.wishes
    chosen = solve(
        Problem(
            options=options,
            floor=request.floor,
            ceiling=request.ceiling,
            fewest_days=request.fewest_days,
            fewest_counselling=request.fewest_counselling,
            preferred_blocks=min(PREFERRED_BLOCKS, request.most_days),
            must_provide=must_provide,
            should_provide=request.modalities,
            may_provide=(
                *(("FAMILY",) if wishes.family else ()),
                *(("SUPPORT",) if wishes.support_group else ()),
            ),
            wants_remote=wishes.telehealth,
            one_trip_within=ONE_TRIP_WITHIN,
            most_days=request.most_days,
        )
    )
    if chosen is None:
        return None
    found = [choices[place] for place in chosen]
    (individual,) = (choice.hour for choice in found if choice.hour is not None)
    week = _from_afar_where_it_can_be(
        StandingWeek(
            meetings=tuple(
                sorted(
                    (meeting for choice in found for meeting in choice.meetings),
                    key=lambda meeting: (meeting.weekday, meeting.starts, meeting.group_id),
                )
            ),
            individual=individual,
            exception=exception,
        ),
        request=request,
        therapists=therapists,
    )
    broken = broken_rules(week, request=request)
    if broken:
        raise RuleBroken(", ".join(broken))
    return week


def _may_fit(options: tuple[Option, ...], must_provide: tuple[str, ...], *, fewest_days: int) -> bool:
    """Tell whether it is worth asking the solver: what is plainly missing needs no search."""
    days = {option.day for option in options if option.role == BLOCK}
    offered = {code for option in options for code in option.provides}
    return (
        len(days) >= fewest_days
        and any(option.role == HOUR for option in options)
        and offered.issuperset(must_provide)
    )


# --- The hour from afar ---------------------------------------------------------------------------


def licensed_for(therapist: Therapist, *, wishes: Wishes) -> bool:
    """Tell whether a therapist may see a patient from afar, where the patient is then: brief section 3.4."""
    return wishes.telehealth_state is not None and wishes.telehealth_state in therapist.states


def _from_afar_where_it_can_be(
    week: StandingWeek, *, request: Request, therapists: tuple[Therapist, ...]
) -> StandingWeek:
    """Return the week with its hour by video, for whoever is treated from afar and may be by this therapist.

    Whoever comes to the site on that day anyhow, just before or after, has the hour there.
    """
    hour, wishes = week.individual, request.wishes
    stays_home = wishes.telehealth or "TELEHEALTH" in wishes.tracks or week.track == "TELEHEALTH"
    licensed = any(
        one.clinician_id == hour.clinician_id and licensed_for(one, wishes=wishes) for one in therapists
    )
    if not stays_home or not licensed or is_on_the_way(hour, week=week):
        return week
    return replace(week, individual=replace(hour, mode="VIDEO"))


def is_on_the_way(hour: IndividualSlot, *, week: StandingWeek) -> bool:
    """Tell whether a patient who comes to the site that day does not go home before or after the hour."""
    stretch = hour.span()
    return any(
        meeting.weekday == hour.weekday
        and not meeting.telehealth
        and max(meeting.span().begins - stretch.ends, stretch.begins - meeting.span().ends) <= ONE_TRIP_WITHIN
        for meeting in week.meetings
    )


# --- Options --------------------------------------------------------------------------------------


def _choices(
    request: Request, meetings: tuple[Meeting, ...], therapists: tuple[Therapist, ...]
) -> list[_Choice]:
    free = _worth_weighing(
        request,
        sorted(
            (one for one in meetings if one.free_places > 0 and request.clear(one.span())),
            key=lambda one: (one.weekday, one.starts, one.ends, one.kind, one.modality, one.group_id),
        ),
    )
    numbers = {
        group_id: number
        for number, group_id in enumerate(dict.fromkeys(meeting.group_id for meeting in free))
    }
    # A therapist's day is where the site is open; who has a free hour on a closed day is not asked.
    days = sorted({meeting.weekday for meeting in meetings})
    in_blocks = [one for one in free if one.kind in IN_BLOCKS]
    rows = [
        *[(one,) for one in in_blocks if _is_block((one,))],
        *[
            (one, other)
            for one in in_blocks
            for other in in_blocks
            if one.weekday == other.weekday and "GROUP" in (one.kind, other.kind) and _is_block((one, other))
        ],
    ]
    singles = [
        (one,)
        for one in free
        if (one.kind == "EDUCATION" and not _is_block((one,)))
        or (one.kind in _BY_WISH and _wanted(request, one.kind))
    ]
    found = [
        _Choice(option=_option_of(role, row, request, numbers), meetings=row)
        for role, many in ((BLOCK, rows), (SINGLE, singles))
        for row in many
    ]
    return found + _hours(request, days, therapists)


def _worth_weighing(request: Request, free: list[Meeting]) -> list[Meeting]:
    """Of groups that are alike on a day in all but their people, keep some: those a patient can stay with.

    They go by what the patient has already, on how many days they could be taken, and how many places
    they have left. Any of them would do as well for every rule.
    """
    days: dict[str, int] = {}
    for meeting in free:
        days[meeting.group_id] = days.get(meeting.group_id, 0) + 1
    alike: dict[tuple[object, ...], list[Meeting]] = {}
    for meeting in free:
        if meeting.kind in _BY_WISH and not _wanted(request, meeting.kind):
            continue
        key = (
            meeting.weekday,
            meeting.starts,
            meeting.ends,
            meeting.kind,
            meeting.modality,
            meeting.track,
            meeting.clinical_minutes,
        )
        alike.setdefault(key, []).append(meeting)
    return [
        meeting
        for many in alike.values()
        for meeting in sorted(
            many,
            key=lambda one: (
                (one.group_id, one.weekday) not in request.held,
                -days[one.group_id],
                -one.free_places,
                one.group_id,
            ),
        )[:ALIKE_AT_ONCE]
    ]


def _wanted(request: Request, kind: str) -> bool:
    return request.wants_family if kind == "FAMILY" else request.wishes.support_group


def _option_of(role: str, row: tuple[Meeting, ...], request: Request, numbers: dict[str, int]) -> Option:
    first, last = row[0].span(), row[-1].span()
    wished = request.wishes.tracks
    return Option(
        role=role,
        day=row[0].weekday,
        begins=first.begins,
        ends=last.ends,
        minutes=sum(meeting.clinical_minutes for meeting in row),
        counselling=sum(meeting.kind == "GROUP" for meeting in row),
        provides=tuple(sorted({meeting.kind for meeting in row} | {meeting.modality for meeting in row})),
        groups=tuple(sorted({numbers[meeting.group_id] for meeting in row})),
        track=_TRACKS.index(row[0].track) if role == BLOCK else -1,
        remote=all(meeting.telehealth for meeting in row),
        unwished=bool(wished)
        and any(meeting.kind in IN_BLOCKS and meeting.track not in wished for meeting in row),
        kept=sum((meeting.group_id, meeting.weekday) in request.held for meeting in row),
        prompt=role == BLOCK and (first.begins - request.admitted_minute) % MINUTES_A_WEEK <= START_WITHIN,
        fullness=max(0, 12 - min(meeting.free_places for meeting in row)),
    )


def _hours(request: Request, days: list[int], therapists: tuple[Therapist, ...]) -> list[_Choice]:
    """Return the hours in which a therapist and the patient are free; one therapist for each.

    Whoever has an hour with a therapist stays with them where that is possible.
    """
    held = request.held_hour
    known = held.clinician_id if held is not None else None
    wishes = request.wishes
    in_turn = sorted(
        therapists,
        key=lambda one: (
            one.clinician_id != known,
            wishes.telehealth and not licensed_for(one, wishes=wishes),
        ),
    )
    found = []
    for weekday in days:
        for hour in range(FIRST_INDIVIDUAL_HOUR, LAST_INDIVIDUAL_HOUR + 1):
            starts = time(hour)
            stretch = span(weekday=weekday, starts=starts, ends=time(hour, INDIVIDUAL_MINUTES))
            if not request.clear(stretch):
                continue
            for therapist in in_turn:
                if (weekday, starts) not in therapist.taken and not any(
                    stretch.meets(taken) for taken in therapist.busy
                ):
                    slot = IndividualSlot(clinician_id=therapist.clinician_id, weekday=weekday, starts=starts)
                    remote = licensed_for(therapist, wishes=wishes)
                    found.append(_Choice(option=_hour_option(slot, held, remote=remote), hour=slot))
                    break
    return found


def _hour_option(slot: IndividualSlot, held: IndividualSlot | None, *, remote: bool) -> Option:
    stretch = slot.span()
    return Option(
        role=HOUR,
        day=slot.weekday,
        begins=stretch.begins,
        ends=stretch.ends,
        minutes=INDIVIDUAL_MINUTES,
        counselling=0,
        provides=("INDIVIDUAL",),
        groups=(),
        track=-1,
        remote=remote,
        unwished=False,
        # An hour with somebody else at the same time is another hour.
        kept=int(slot.is_at_the_time_of(held)),
        prompt=False,
        fullness=0,
    )


# --- Why there is none ----------------------------------------------------------------------------


def _without_workshop(request: Request, meetings: tuple[Meeting, ...]) -> str | None:
    """Return why no workshop can be in the week, or None where one may be."""
    workshops = [meeting for meeting in meetings if meeting.kind == "EDUCATION"]
    if not workshops:
        return "NO_WORKSHOP_OFFERED"
    clear = [meeting for meeting in workshops if request.clear(meeting.span())]
    if not clear:
        return "WORKSHOPS_MEET_OBLIGATIONS"
    return None if any(meeting.free_places > 0 for meeting in clear) else "WORKSHOPS_FULL"


def _what_to_relax(
    request: Request, meetings: tuple[Meeting, ...], therapists: tuple[Therapist, ...], solve: Solve
) -> NoWeek:
    """Try what could give way, the program's own means first, and name the first that is enough."""
    if not meetings:
        return NoWeek(reason="NO_GROUPS")
    unbound = replace(request, busy=(), busy_with=())
    roomy = tuple(replace(meeting, free_places=max(1, meeting.free_places)) for meeting in meetings)
    anyone = (Therapist(clinician_id="", taken=frozenset(), busy=()),)
    if _find(request, meetings, anyone, solve):
        return NoWeek(reason="NO_THERAPIST")
    if _find(request, roomy, anyone, solve):
        return NoWeek(reason="GROUPS_FULL")
    for offered, reason in ((meetings, "OBLIGATIONS"), (roomy, "OBLIGATIONS_AND_CAPACITY")):
        if _find(unbound, offered, anyone, solve):
            alone = [
                kind
                for kind in dict.fromkeys(request.busy_with)
                if _find(request.without(kind), offered, anyone, solve)
            ]
            return NoWeek(reason=reason, obligations=tuple(alone))
    return NoWeek(reason="HOURS")
