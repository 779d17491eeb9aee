"""What is due now: each instrument by its own offers, at the place where a person is in the journey."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.instruments.packs import Offer, Pack
from shared.instruments.scoring import INCOMPLETE, Scored

#: How many days before and after its day a follow-up may be done. Source: brief 6.7, 30 +/- 7 to 365 +/- 30.
FOLLOW_UP_WINDOWS = {30: 7, 90: 14, 180: 30, 365: 30}
#: The same for any other day. Design default.
WINDOW = 7
#: How soon an instrument that a dangerous answer asks for has to follow. Safety rule: the same encounter,
#: or contact within 15 minutes.
FOLLOWS_WITHIN = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class Given:
    """An instrument that was given: when, and what it amounted to."""

    instrument: str
    given_at: datetime
    scored: Scored


@dataclass(frozen=True, kw_only=True)
class Due:
    """An instrument that is due; ``because`` is the place, or the concern that asks for it.

    ``overdue`` tells that its time has passed; ``urgent`` that it has to follow at once.
    """

    pack: Pack
    due_at: datetime
    because: str
    overdue: bool
    urgent: bool = False


def due_now(
    packs: Iterable[Pack], *, place: str, since: datetime, given: Iterable[Given], now: datetime
) -> list[Due]:
    """Return what is due, in the turn in which it is offered: what is urgent, then what was due first.

    :param packs: those in force, in the order in which equals are offered.
    :param since: when the person came to the place.
    :param given: what was given before, also at earlier places.
    """
    in_force = list(packs)
    earlier = sorted(given, key=lambda one: one.given_at)
    found = _asked_for(in_force, earlier)
    urgent = {one.pack.instrument for one in found}
    for pack in in_force:
        if pack.instrument not in urgent:
            of_pack = [_due(pack, offer, since=since, given=earlier, now=now) for offer in pack.offers]
            first = min(
                (one for one in of_pack if one and one.because == place),
                key=lambda one: one.due_at,
                default=None,
            )
            found += [first] if first else []
    return sorted(found, key=lambda one: (not one.urgent, one.due_at))


def _asked_for(packs: list[Pack], given: list[Given]) -> list[Due]:
    """Return what dangerous answers ask for and was not given completely since."""
    found = []
    for pack in packs:
        asking = [
            (one.given_at, danger.concern)
            for one in given
            for danger in one.scored.dangers
            if danger.then == pack.instrument
        ]
        if asking and not any(
            one.instrument == pack.instrument
            and one.given_at >= asking[-1][0]
            and one.scored.status != INCOMPLETE
            for one in given
        ):
            at, concern = asking[-1]
            found.append(
                Due(pack=pack, due_at=at + FOLLOWS_WITHIN, because=concern, overdue=False, urgent=True)
            )
    return found


def _due(pack: Pack, offer: Offer, *, since: datetime, given: list[Given], now: datetime) -> Due | None:
    done = [one for one in given if one.instrument == pack.instrument and one.scored.status != INCOMPLETE]
    here = [one for one in done if one.given_at >= since]
    if offer.unless and any(one.instrument == offer.unless and one.given_at >= since for one in given):
        return None
    if offer.on_days:
        return _on_a_day(pack, offer, since=since, done=done, now=now)
    if offer.every_days is None:
        due_at, within = (None if here else since), timedelta(days=WINDOW)
    else:
        due_at, within = _again_at(offer, since=since, here=here), timedelta(days=WINDOW)
    if due_at is None or due_at > now:
        return None
    until = since + timedelta(days=offer.until_day) if offer.until_day is not None else None
    if until is not None and now >= until:
        return None
    return Due(pack=pack, due_at=due_at, because=offer.place, overdue=now > due_at + within)


def _again_at(offer: Offer, *, since: datetime, here: list[Given]) -> datetime:
    assert offer.every_days is not None
    begins = since + timedelta(days=offer.from_day)
    if not here:
        return begins
    last, days = here[-1], offer.every_days
    if offer.below is not None:
        code, value, rarely = offer.below
        told = last.scored.score(code)
        days = rarely if told is not None and told.value < value else days
    return max(begins, last.given_at + timedelta(days=days))


def _on_a_day(pack: Pack, offer: Offer, *, since: datetime, done: list[Given], now: datetime) -> Due | None:
    """Return the newest of its days whose window is open and in which nothing was given yet."""
    for day in sorted(offer.on_days, reverse=True):
        window = timedelta(days=FOLLOW_UP_WINDOWS.get(day, WINDOW))
        due_at = since + timedelta(days=day)
        if due_at - window <= now <= due_at + window:
            if any(abs(one.given_at - due_at) <= window for one in done):
                return None
            return Due(pack=pack, due_at=due_at, because=offer.place, overdue=now > due_at)
    return None
