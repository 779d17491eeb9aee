"""Whether a program holds a patient and still leaves room for a life: structure beside flexibility."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.scheduling.domain.attendance import GIVEN_UP
from services.scheduling.domain.attended import Sat, tally, weeks_of
from services.scheduling.domain.plans import WeeklyPlan
from services.scheduling.domain.records import Episode
from services.scheduling.domain.step_downs import floor_on
from services.scheduling.domain.weeks import local_day


@dataclass(frozen=True, kw_only=True)
class Balance:
    """Structure in clinical minutes; flexibility and personal fit in how often something was done."""

    #: Of the standing week; none where no week was found.
    weekly_minutes: int
    #: What the level of care asks for, or a step-down that is agreed for today.
    floor_minutes: int
    #: Local weeks with sessions so far, and what was attended in them.
    weeks: int
    attended_minutes: int
    #: Percent of the clinical minutes held that were attended; None before the first session.
    attendance_percent: int | None
    #: Sessions that the patient moved within their week, and those taken in place of missed ones.
    swaps: int
    make_ups: int
    #: How often the standing week was found anew, and whether the patient agreed to the present one.
    week_changes: int
    week_confirmed: bool
    #: Version of the treatment plan that the week heeds; None before the first.
    treatment_plan_version: int | None
    wishes_not_met: int


def balance_of(
    seats: Iterable[Sat], *, plan: WeeklyPlan, episode: Episode, zone: str, now: datetime
) -> Balance:
    """Return the balance of an episode.

    :param seats: all seats of the episode, each with its session.
    """
    known = list(seats)
    begun = [(seat, session) for seat, session in known if seat.starts_at <= now]
    counts = tally(known)
    by_hand = [seat.origin for seat, _ in known if seat.state not in GIVEN_UP]
    planned = counts.planned_minutes
    return Balance(
        weekly_minutes=plan.weekly_minutes,
        floor_minutes=floor_on(episode, on=local_day(at=now, zone=zone)),
        weeks=len(weeks_of(begun, floor=0, zone=zone)),
        attended_minutes=counts.attended_minutes,
        attendance_percent=100 * counts.attended_minutes // planned if planned else None,
        swaps=by_hand.count("SWAP"),
        make_ups=by_hand.count("MAKE_UP"),
        week_changes=plan.version - 1,
        week_confirmed=plan.confirmed_at is not None,
        treatment_plan_version=episode.treatment_plan_version,
        wishes_not_met=len((plan.explained or {}).get("wishes_not_met", ())),
    )
