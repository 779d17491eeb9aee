"""Searches of the directory: what suits somebody, in which order and why, and three other ways."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from services.intake import tables
from services.intake.domain import facilities, matching, programs
from shared.errors import InvalidInput

#: Programs that are weighed, the nearest ones: for the matches, and for each alternative. Design default.
WEIGHED = 200
WEIGHED_ASIDE = 25
#: Ways that are looked at in one question: what was asked for, and as many others as are shown.
_AT_ONCE = 1 + matching.ALTERNATIVES
#: Programs of a way that can be shown: where all of the others are shown already, the next.
_TOLD = matching.MOST_MATCHES + matching.ALTERNATIVES

#: What is asked of the searcher's week: that it is known to fit, that it may fit, or nothing.
_FITS, _MAY_FIT, _ANY = "FITS", "MAY_FIT", "ANY"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What somebody searches for, at one place."""

    latitude: float
    longitude: float
    radius_miles: int
    level: str | None
    payer: str | None
    language: str | None
    needs: Sequence[str]
    only_verified: bool
    busy: Sequence[matching.Block]

    @property
    def offers(self) -> list[str]:
        """The codes that a listing must have."""
        wanted = [f"NEED:{need}" for need in self.needs]
        for prefix, code in (("LEVEL", self.level), ("PAYER", self.payer), ("LANGUAGE", self.language)):
            if code is not None:
                wanted.append(f"{prefix}:{code}")
        return wanted


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way of searching: what was asked for, or an alternative to it with its code."""

    code: str | None
    asked: Asked
    week: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """A program in its place, its listing, and in what it differs from what was asked for, if it does."""

    match: matching.Match
    listing: Mapping[str, Any]
    alternative: str | None


class Live:
    """What is known of our own sites, each asked for once in a search however many ways it goes."""

    def __init__(self, db: Session, *, now: datetime) -> None:
        self._db = db
        self._since = now.date() - programs.DELIVERED_WITHIN
        self.groups: dict[str, list[matching.ProgramGroup]] = {}
        #: How many approaches with evidence a site delivered; without any delivery, no entry.
        self.delivered: dict[str, int] = {}

    def learn(self, near: Iterable[matching.Candidate]) -> None:
        """Ask about those of our sites that were not asked about before."""
        new = {one.site_id for one in near if one.site_id and one.site_id not in self.groups}
        if new:
            groups, delivered = tables.live_of(self._db, site_ids=new, since=self._since)
            self.groups |= groups
            self.delivered |= delivered


def read(db: Session, data: dict[str, Any]) -> Asked:
    """Return what is asked for.

    :raises InvalidInput: when nothing is listed at the place that is named, so it is not known; when a
        busy block ends before it begins.
    """
    busy = [block for text in data["busy"] if (block := matching.Block.read(text))]
    if len(busy) != len(data["busy"]):
        raise InvalidInput("A busy block ends before it begins.", field="busy", rule="ends after it begins")
    latitude, longitude = _place(db, data)
    return Asked(
        latitude=latitude,
        longitude=longitude,
        radius_miles=data["radius_miles"],
        level=data["level"],
        payer=data["payer"],
        language=data["language"],
        needs=data["need"],
        only_verified=data["verified"],
        busy=busy,
    )


def search(db: Session, asked: Asked, *, now: datetime) -> tuple[int, list[Found]]:
    """Return how many programs were weighed, and what was found: matches first, then three other ways.

    Somebody with busy blocks gets only programs with a week that is known to fit.
    """
    live = Live(db, now=now)
    week = _FITS if asked.busy else _ANY
    ways = [Way(code=None, asked=asked, week=week), *_ways_aside(asked, week)]
    # Three ways aside are mostly enough, and are looked at together with what was asked for.
    near = _near(db, asked, ways[:_AT_ONCE], now=now)
    live.learn(itertools.chain.from_iterable(one.candidates for one in near))
    matches = _weigh(ways[0], near[0].candidates, live)[: matching.MOST_MATCHES]
    chosen: list[tuple[matching.Match, str | None]] = [(one, None) for one in matches]
    shown = {one.program_id for one in matches}
    for number, way in enumerate(ways[1:], start=1):
        if len(chosen) == len(matches) + matching.ALTERNATIVES:
            break
        if number == len(near):
            more = _near(db, asked, ways[number:], now=now)
            live.learn(itertools.chain.from_iterable(one.candidates for one in more))
            near += more
        others = _weigh(way, near[number].candidates, live)
        other = next((one for one in others if one.program_id not in shown), None)
        if other is not None:
            shown.add(other.program_id)
            chosen.append((other, way.code))
    listings = tables.listings_of(db, program_ids=shown)
    return near[0].weighed, [
        Found(match=match, listing=listings[match.program_id], alternative=code) for match, code in chosen
    ]


def _near(db: Session, asked: Asked, ways: Sequence[Way], *, now: datetime) -> list[tables.Near]:
    """Return the programs near the place for each way, the nearest first."""
    boxes = [
        tables.Box(
            radius_miles=way.asked.radius_miles,
            offers=way.asked.offers,
            only_verified=way.asked.only_verified,
            # Nobody knows the week of a program that is not ours.
            only_ours=way.week == _FITS,
            at_most=WEIGHED if way.code is None else WEIGHED_ASIDE,
            told=_TOLD,
        )
        for way in ways
    ]
    return tables.programs_near(db, boxes, latitude=asked.latitude, longitude=asked.longitude, now=now)


def _weigh(way: Way, near: Iterable[matching.Candidate], live: Live) -> list[matching.Match]:
    """Return the programs that fit in a way, best first."""
    asked = way.asked
    required = matching.required_week(asked.level)
    miles_to = facilities.miles_from(asked.latitude, asked.longitude)
    found = []
    for one in near:
        miles = miles_to(one.latitude, one.longitude)
        # The box has corners that the circle has not.
        if miles > asked.radius_miles:
            continue
        match = matching.match(
            one,
            miles=miles,
            radius_miles=asked.radius_miles,
            busy=asked.busy,
            # A site of ours whose groups are not known has no live schedule to speak of.
            groups=live.groups.get(one.site_id or "") or None,
            required=required,
            delivered=live.delivered.get(one.site_id or ""),
        )
        if _will_do(match, way.week):
            found.append(match)
    return matching.ranked(found)


def _will_do(match: matching.Match, week: str) -> bool:
    if week == _FITS:
        return match.week_is_placeable is True
    return week == _ANY or match.week_is_placeable is not False


def _ways_aside(asked: Asked, week: str) -> Iterable[Way]:
    """Return in what an alternative may differ, the most useful way first; never in what is needed.

    Another level's week may be one that nobody knows.
    """
    if asked.level is not None:
        higher, lower = matching.neighbouring_levels(asked.level)
        of_level = _MAY_FIT if week == _FITS else _ANY
        if higher is not None:
            yield Way(code="HIGHER_LEVEL", asked=replace(asked, level=higher), week=of_level)
        if lower is not None:
            yield Way(code="LOWER_LEVEL", asked=replace(asked, level=lower), week=of_level)
    if week == _FITS:
        yield Way(code="WEEK_NOT_KNOWN_TO_FIT", asked=asked, week=_ANY)
    farther = replace(asked, radius_miles=asked.radius_miles * 2)
    yield Way(code="FARTHER", asked=farther, week=week)
    if asked.payer is not None:
        yield Way(code="OTHER_PAYER", asked=replace(asked, payer=None), week=week)
    if asked.only_verified:
        yield Way(code="NOT_VERIFIED", asked=replace(asked, only_verified=False), week=week)


def _place(db: Session, data: dict[str, Any]) -> tuple[float, float]:
    if data["zip_code"] is not None:
        place, field = tables.place_of_zip(db, zip_code=data["zip_code"]), "zip_code"
    elif data["city"] is not None:
        place, field = tables.place_of_city(db, city=data["city"], state=data["state"]), "city"
    else:
        place, field = (data["latitude"], data["longitude"]), "latitude"
    if place is None:
        raise InvalidInput(
            "The place is not known here.", field=field, rule="a place with a listing, or its coordinates"
        )
    return place
