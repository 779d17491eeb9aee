"""Fewer hours than the level of care asks for, agreed by a clinician with a patient: a step out of treatment.

In a week of an agreed step-down the floor of hours is not judged (brief 13b.8), and the standing week is
planned on what was agreed instead.
"""

from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from services.scheduling.domain.records import Episode
from shared.contracts import roles
from shared.contracts.event import Actor, Event, read_moment, write_moment
from shared.contracts.scheduling import StepDownAgreed, StepDownEnded
from shared.errors import Conflict, Forbidden, InvalidInput

#: Fewest counselling groups in a week of an agreed step-down. Design default: one, so that a step-down is
#: never down to lectures alone.
FEWEST_COUNSELLING = 1


class NoStepDown(InvalidInput):
    """Raised when what is agreed is not less than the level of care asks for."""


class StepDownDaysDoNotFit(InvalidInput):
    """Raised when a step-down would begin in the past, or end before it begins."""


class NothingSteppedDown(Conflict):
    """Raised when a step-down is ended that nobody agreed, or that is over."""


class AgreementNeedsLicence(Forbidden):
    """Raised when somebody without a clinical licence agrees a step-down, or ends one."""


@dataclass(frozen=True, kw_only=True)
class StepDown:
    """An agreement on fewer hours: from a local day of the site on, for good or to a last day."""

    agreement_id: str
    begins_on: date
    #: The last day; None while nobody told of one.
    ends_on: date | None
    #: Clinical minutes a week that the patient gets at least, and days a week with a block.
    weekly_minutes: int
    days: int
    agreed_at: datetime
    agreed_by: str
    agreed_role: str
    credential: str
    #: When a clinician ended it before its time.
    ended_at: datetime | None = None

    def is_in_force(self, *, on: date) -> bool:
        """Tell whether the standing week follows it on a day."""
        return self.ended_at is None and self._covers(first=on, last=on)

    def touches(self, *, week_starts_on: date) -> bool:
        """Tell whether it held on any day of a week: then the hours of the week are not judged."""
        return self._covers(first=week_starts_on, last=week_starts_on + timedelta(days=6))

    def _covers(self, *, first: date, last: date) -> bool:
        ends_on = self.ends_on or last
        return max(self.begins_on, first) <= min(ends_on, last)

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept with the episode."""
        return {
            **asdict(self),
            "begins_on": self.begins_on.isoformat(),
            "ends_on": self.ends_on.isoformat() if self.ends_on else None,
            "agreed_at": write_moment(self.agreed_at),
            "ended_at": write_moment(self.ended_at) if self.ended_at else None,
        }


def agreed_in(kept: list[dict[str, Any]]) -> tuple[StepDown, ...]:
    """Return the step-downs that an episode keeps, in the order in which they were agreed."""
    return tuple(
        StepDown(
            **{
                **row,
                "begins_on": date.fromisoformat(row["begins_on"]),
                "ends_on": date.fromisoformat(row["ends_on"]) if row["ends_on"] else None,
                "agreed_at": read_moment(row["agreed_at"]),
                "ended_at": read_moment(row["ended_at"]) if row["ended_at"] else None,
            }
        )
        for row in kept
    )


def in_force(episode: Episode, *, on: date) -> StepDown | None:
    """Return the step-down that the standing week follows on a day, if there is one."""
    return next((one for one in agreed_in(episode.step_downs) if one.is_in_force(on=on)), None)


def floor_on(episode: Episode, *, on: date) -> int:
    """Return the clinical minutes a week that the standing week keeps on a day."""
    agreed = in_force(episode, on=on)
    return agreed.weekly_minutes if agreed is not None else episode.weekly_minutes_floor or 0


def floor_in(*, floor: int, kept: list[dict[str, Any]], week_starts_on: date) -> int:
    """Return the clinical minutes that a week keeps: those of the level, or of the agreed step-down.

    :param kept: the step-downs of the episode, as it keeps them.
    """
    agreed = [one.weekly_minutes for one in agreed_in(kept) if one.touches(week_starts_on=week_starts_on)]
    return min([floor, *agreed])


def agree(
    episode: Episode,
    *,
    agreement_id: str,
    weekly_minutes: int,
    days: int,
    begins_on: date | None,
    ends_on: date | None,
    by: Actor,
    today: date,
    now: datetime,
) -> list[Event]:
    """Agree on fewer hours, in place of what was agreed for that time before.

    :param begins_on: the first day; today when left out.
    :raises AgreementNeedsLicence: when whoever agrees has no clinical licence.
    :raises NoStepDown: when the hours are no fewer than the level asks for.
    :raises StepDownDaysDoNotFit: when it would begin before today, or end before it begins.
    """
    _check_licence(by)
    floor = episode.weekly_minutes_floor or 0
    if weekly_minutes >= floor:
        raise NoStepDown(field="weekly_minutes", rule=f"fewer than the {floor} of the level of care")
    first = begins_on or today
    if first < today:
        raise StepDownDaysDoNotFit(field="begins_on", rule="not in the past")
    if ends_on is not None and ends_on < first:
        raise StepDownDaysDoNotFit(field="ends_on", rule="not before begins_on")
    agreed = StepDown(
        agreement_id=agreement_id,
        begins_on=first,
        ends_on=ends_on,
        weekly_minutes=weekly_minutes,
        days=days,
        agreed_at=now,
        agreed_by=by.actor_id,
        agreed_role=by.role,
        credential=by.credential,
    )
    before = [_cut(one, last=first - timedelta(days=1)) for one in agreed_in(episode.step_downs)]
    episode.step_downs = [one.as_json() for one in (*before, agreed)]
    return [
        StepDownAgreed(
            patient_id=episode.patient_id,
            episode_id=episode.episode_id,
            journey_id=episode.journey_id,
            agreement_id=agreement_id,
            weekly_minutes=weekly_minutes,
            days=days,
            begins_on=first,
            ends_on=ends_on,
            agreed_at=now,
        )
    ]


def end(episode: Episode, *, by: Actor, today: date, now: datetime) -> list[Event]:
    """End what is agreed, from today on: the week has the hours of the level again.

    :raises AgreementNeedsLicence: when whoever ends it has no clinical licence.
    :raises NothingSteppedDown: when nothing is agreed for today or later.
    """
    _check_licence(by)
    agreed = agreed_in(episode.step_downs)
    ending = [one for one in agreed if one.ended_at is None and (one.ends_on or today) >= today]
    if not ending:
        raise NothingSteppedDown(field="episode_id", rule="an episode with an agreed step-down")
    ended = [_ended(one, today=today, now=now) if one in ending else one for one in agreed]
    episode.step_downs = [one.as_json() for one in ended]
    return [
        StepDownEnded(
            patient_id=episode.patient_id,
            episode_id=episode.episode_id,
            journey_id=episode.journey_id,
            agreement_id=one.agreement_id,
            ended_at=now,
        )
        for one in ending
    ]


def next_turn(episode: Episode, *, after: date) -> date | None:
    """Return the next day on which the standing week begins, or ceases, to follow a step-down."""
    turns = [
        day
        for one in agreed_in(episode.step_downs)
        if one.ended_at is None and (one.ends_on is None or one.begins_on <= one.ends_on)
        for day in (one.begins_on, one.ends_on + timedelta(days=1) if one.ends_on else None)
        if day is not None and day > after
    ]
    return min(turns, default=None)


def _cut(one: StepDown, *, last: date) -> StepDown:
    if one.ended_at is not None or (one.ends_on is not None and one.ends_on <= last):
        return one
    return replace(one, ends_on=last)


def _ended(one: StepDown, *, today: date, now: datetime) -> StepDown:
    return replace(one, ends_on=today, ended_at=now)


def _check_licence(by: Actor) -> None:
    if by.credential not in roles.LICENSED_CREDENTIALS:
        raise AgreementNeedsLicence(field="credential", rule="a licensed clinician agrees a step-down")
