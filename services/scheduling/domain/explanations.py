"""Why a standing week is as it is: a reason for each slot, and one for each wish that is not met.

Codes only. Whoever shows them finds the words; nothing in here tells what somebody is bound to.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from services.scheduling.domain.planner import (
    IN_BLOCKS,
    START_WITHIN,
    IndividualSlot,
    Meeting,
    Request,
    StandingWeek,
    is_on_the_way,
)
from services.scheduling.domain.weeks import MINUTES_A_WEEK, Span

#: Minutes to an obligation up to which a slot is said to lie just before or after it. Design default.
BESIDE_WITHIN = 120


@dataclass(frozen=True, kw_only=True)
class UnmetWish:
    """A wish that the week does not meet, and what stands against it."""

    #: "MODALITY", "FAMILY", "SUPPORT_GROUP", "TRACKS" or "TELEHEALTH".
    wish: str
    #: Which modality, where the wish is one; "INDIVIDUAL" where the hour alone is not from afar.
    detail: str | None
    #: "NOT_OFFERED", "OBLIGATIONS", "FULL" or "OTHER_RULES"; of family sessions that the treatment plan asks
    #: for also "NOBODY_COMES" or "NO_CONSENT".
    reason: str

    @property
    def code(self) -> str:
        """Return the wish as one word, e.g. ``MODALITY_CBT``."""
        return f"{self.wish}_{self.detail}" if self.detail else self.wish


def _has_moved(week: StandingWeek, request: Request) -> bool:
    """Return whether a week differs from the one that was held before.

    Where it does not, that its slots were held is no reason: a week that is only looked at again must
    be told as when it was found, in whatever order its reasons came.
    """
    meetings = {(meeting.group_id, meeting.weekday) for meeting in week.meetings}
    return meetings != set(request.held) or week.individual != request.held_hour


def reasons_for_meeting(meeting: Meeting, *, week: StandingWeek, request: Request) -> tuple[str, ...]:
    """Return why a meeting stands in the week; the first reason holds for all: no obligation is met."""
    stretch = meeting.span()
    found = ["CLEAR_OF_OBLIGATIONS", *_beside(stretch, request)]
    if (meeting.group_id, meeting.weekday) in request.held and _has_moved(week, request):
        found.append("KEPT")
    if not {meeting.kind, meeting.modality}.isdisjoint(request.modalities):
        found.append("TREATMENT_PLAN")
    if meeting.kind == "EDUCATION":
        found.append("WORKSHOP_OF_THE_WEEK")
    if meeting.kind == "FAMILY" and request.wishes.family:
        found.append("FAMILY_WISHED")
    if meeting.kind == "SUPPORT":
        found.append("SUPPORT_GROUP_WISHED")
    if meeting.track in request.wishes.tracks:
        found.append("TRACK_WISHED")
    if meeting.telehealth and request.wishes.telehealth:
        found.append("TELEHEALTH_WISHED")
    if sum(other.group_id == meeting.group_id for other in week.meetings) > 1:
        found.append("SAME_PEOPLE")
    if (stretch.begins - request.admitted_minute) % MINUTES_A_WEEK <= START_WITHIN:
        found.append("WITHIN_48_HOURS")
    return tuple(found)


def reasons_for_hour(hour: IndividualSlot, *, week: StandingWeek, request: Request) -> tuple[str, ...]:
    """Return why the hour with the therapist is where it is."""
    stretch = hour.span()
    found = ["CLEAR_OF_OBLIGATIONS", "LICENSED_THERAPIST", *_beside(stretch, request)]
    if hour.from_afar and (request.wishes.telehealth or "TELEHEALTH" in request.wishes.tracks):
        found.append("TELEHEALTH_WISHED")
    if hour.is_at_the_time_of(request.held_hour):
        if _has_moved(week, request):
            found.append("KEPT")
    elif request.held_hour is not None and hour.clinician_id == request.held_hour.clinician_id:
        found.append("SAME_THERAPIST")
    if is_on_the_way(hour, week=week):
        found.append("SAME_TRIP")
    return tuple(found)


def _beside(stretch: Span, request: Request) -> list[str]:
    """Say which kinds of obligations the slot was put before or after."""
    found = []
    for kind, taken in zip(request.busy_with, request.busy, strict=True):
        for shift in (-MINUTES_A_WEEK, 0, MINUTES_A_WEEK):
            if 0 <= taken.begins + shift - stretch.ends <= BESIDE_WITHIN:
                found.append(f"BEFORE_{kind}")
            if 0 <= stretch.begins - taken.ends - shift <= BESIDE_WITHIN:
                found.append(f"AFTER_{kind}")
    return list(dict.fromkeys(found))


def wishes_not_met(
    week: StandingWeek, *, request: Request, meetings: Iterable[Meeting]
) -> tuple[UnmetWish, ...]:
    """Return each wish that the week does not meet, those of the treatment plan first.

    :param meetings: all that the site offers, with the places that are free.
    """
    offered = tuple(meetings)
    wishes = request.wishes
    provided = {meeting.kind for meeting in week.meetings} | {meeting.modality for meeting in week.meetings}
    found = [
        UnmetWish(wish="MODALITY", detail=modality, reason=_against_modality(modality, offered, request))
        for modality in request.modalities
        if modality not in provided
    ]
    for wanted, kind, wish in (
        (wishes.family, "FAMILY", "FAMILY"),
        (wishes.support_group, "SUPPORT", "SUPPORT_GROUP"),
    ):
        if wanted and kind not in provided:
            reason = _against([one for one in offered if kind in (one.kind, one.modality)], request)
            found.append(UnmetWish(wish=wish, detail=None, reason=reason))
    treatment = [meeting for meeting in week.meetings if meeting.kind in IN_BLOCKS]
    blocks = [meeting for meeting in offered if meeting.kind in IN_BLOCKS]
    if wishes.tracks and any(meeting.track not in wishes.tracks for meeting in treatment):
        reason = _against([one for one in blocks if one.track in wishes.tracks], request)
        found.append(UnmetWish(wish="TRACKS", detail=None, reason=reason))
    if wishes.telehealth and not all(meeting.telehealth for meeting in treatment):
        reason = _against([one for one in blocks if one.telehealth], request)
        found.append(UnmetWish(wish="TELEHEALTH", detail=None, reason=reason))
    elif wishes.telehealth and not week.individual.from_afar:
        # Nobody told where the patient is, or nobody who has an hour is licensed there.
        found.append(UnmetWish(wish="TELEHEALTH", detail="INDIVIDUAL", reason="OTHER_RULES"))
    return tuple(found)


def _against_modality(modality: str, offered: tuple[Meeting, ...], request: Request) -> str:
    wanted = [one for one in offered if modality in (one.kind, one.modality)]
    if wanted and modality == "FAMILY" and not request.wants_family and request.against_family is not None:
        return request.against_family
    return _against(wanted, request)


def _against(wanted: list[Meeting], request: Request) -> str:
    """Return what stands between a patient and meetings of some sort."""
    clear = [meeting for meeting in wanted if request.clear(meeting.span())]
    if not wanted:
        return "NOT_OFFERED"
    if not clear:
        return "OBLIGATIONS"
    return "OTHER_RULES" if any(meeting.free_places > 0 for meeting in clear) else "FULL"
