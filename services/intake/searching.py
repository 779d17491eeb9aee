"""Searches of the directory: what suits somebody, in which order and why, and three other ways."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from services.intake import tables
from services.intake.domain import facilities, matching, programs
from services.intake.domain.programs import Program
from shared.errors import InvalidInput

#: Programs that are weighed, the nearest ones: for the matches, and for each alternative. Design default.
WEIGHED = 200
WEIGHED_ASIDE = 25

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
class Found:
    """A program in its place, and in what it differs from what was asked for, if it does."""

    match: matching.Match
    program: Program
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
        new = [one.site_id for one in near if one.site_id and one.site_id not in self.groups]
        if new:
            self.groups |= tables.groups_of(self._db, site_ids=new)
            self.delivered |= tables.evidence_delivered(self._db, site_ids=new, since=self._since)


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
    weighed, best = _weigh(db, asked, live, week=week, at_most=WEIGHED, now=now)
    chosen: list[tuple[matching.Match, str | None]] = [(one, None) for one in best[: matching.MOST_MATCHES]]
    shown = {one.program_id for one, _ in chosen}
    alternatives = 0
    for code, aside, of_week in _ways_aside(asked, week):
        if alternatives == matching.ALTERNATIVES:
            break
        _, others = _weigh(db, aside, live, week=of_week, at_most=WEIGHED_ASIDE, now=now)
        other = next((one for one in others if one.program_id not in shown), None)
        if other is not None:
            alternatives += 1
            shown.add(other.program_id)
            chosen.append((other, code))
    listings = tables.programs_of(db, program_ids=shown)
    return weighed, [
        Found(match=match, program=listings[match.program_id], alternative=code) for match, code in chosen
    ]


def _weigh(
    db: Session, asked: Asked, live: Live, *, week: str, at_most: int, now: datetime
) -> tuple[int, list[matching.Match]]:
    """Return how many programs were weighed, and those that fit, best first."""
    near = tables.programs_near(
        db,
        latitude=asked.latitude,
        longitude=asked.longitude,
        radius_miles=asked.radius_miles,
        offers=asked.offers,
        only_verified=asked.only_verified,
        # Nobody knows the week of a program that is not ours.
        only_ours=week == _FITS,
        at_most=at_most,
        now=now,
    )
    live.learn(near)
    required = matching.required_week(asked.level)
    found = []
    for one in near:
        miles = facilities.miles_between(asked.latitude, asked.longitude, one.latitude, one.longitude)
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
        if _will_do(match, week):
            found.append(match)
    return len(near), matching.ranked(found)


def _will_do(match: matching.Match, week: str) -> bool:
    if week == _FITS:
        return match.week_is_placeable is True
    return week == _ANY or match.week_is_placeable is not False


def _ways_aside(asked: Asked, week: str) -> Iterable[tuple[str, Asked, str]]:
    """Return in what an alternative may differ, the most useful way first; never in what is needed.

    Another level's week may be one that nobody knows.
    """
    if asked.level is not None:
        higher, lower = matching.neighbouring_levels(asked.level)
        of_level = _MAY_FIT if week == _FITS else _ANY
        if higher is not None:
            yield "HIGHER_LEVEL", replace(asked, level=higher), of_level
        if lower is not None:
            yield "LOWER_LEVEL", replace(asked, level=lower), of_level
    if week == _FITS:
        yield "WEEK_NOT_KNOWN_TO_FIT", asked, _ANY
    yield "FARTHER", replace(asked, radius_miles=asked.radius_miles * 2), week
    if asked.payer is not None:
        yield "OTHER_PAYER", replace(asked, payer=None), week
    if asked.only_verified:
        yield "NOT_VERIFIED", replace(asked, only_verified=False), week


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
