"""Instruments as data: each pack is a file of its own, checked when it is loaded.

A pack never changes once it was in use: a new cut-off is a new version beside the old one, so that
what was scored then can be scored the same way for ever. ``digest`` tells exactly which content a
medical director signed.

Texts stand in a pack only where its licence allows it; elsewhere an item has a neutral label. A pack
whose licence is not clear ships off: whoever holds the licence names it in the settings.
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import orjson

from shared.contracts.common import CONCERNS
from shared.errors import InvalidInput

#: Places of the journey at which an instrument can be due.
INTAKE, TREATMENT, FOLLOW_UP = "INTAKE", "TREATMENT", "FOLLOW_UP"
PLACES = (INTAKE, TREATMENT, FOLLOW_UP)

#: Who can have given the answers: the person alone, or somebody who saw and rated them.
SELF, OBSERVER = "SELF", "OBSERVER"

#: The largest answer of any instrument. AWARE has seven steps, the rulers eleven.
LARGEST_ANSWER = 10


class PackInvalid(ValueError):
    """Raised when a pack contradicts itself: nothing is scored by it."""


class NoSuchInstrument(InvalidInput):
    """Raised when an instrument, or that version of it, does not exist."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question; ``answers`` maps each value that may be given to its words.

    ``asked_if`` is an item and the least answer to it with which this one is asked at all.
    """

    item: str
    label: str
    answers: Mapping[int, str]
    loinc: str | None
    asked_if: tuple[str, int] | None
    optional: bool


@dataclass(frozen=True, kw_only=True)
class Band:
    """What a score from ``least`` to ``most`` amounts to."""

    band: str
    least: int
    most: int
    positive: bool
    meaning: str | None


@dataclass(frozen=True, kw_only=True)
class ScoreRule:
    """How one score comes from the answers, and what it means.

    Either the answers of ``items`` are added up, those of ``reversed_items`` turned round, or the
    first line of ``highest`` counts of which any item was answered with yes.
    """

    score: str
    items: tuple[str, ...]
    reversed_items: Mapping[str, int]
    highest: tuple[tuple[int, tuple[str, ...]], ...]
    counts_only_if: tuple[str, int] | None
    bands: tuple[Band, ...]
    #: Least positive score by sex, and under "otherwise"; empty where the bands tell.
    positive_from: Mapping[str, int]
    #: Codes of reviews, each with the items that are all zero when it is due.
    reviews: tuple[tuple[str, tuple[str, ...]], ...]
    loinc: str | None

    def band_of(self, value: int) -> Band:
        """Return the band that a score falls into.

        :raises ValueError: when no band holds it.
        """
        for band in self.bands:
            if band.least <= value <= band.most:
                return band
        raise ValueError(f"no band of {self.score} holds {value}")

    def is_positive(self, value: int, *, sex: str) -> bool:
        """Tell whether a score is positive; an unknown sex uses what is there for it."""
        if self.positive_from:
            return value >= self.positive_from.get(sex, self.positive_from["otherwise"])
        return self.band_of(value).positive


@dataclass(frozen=True, kw_only=True)
class SafetyRule:
    """An answer or a score from which on a human must hear of it at once.

    ``then`` names the instrument that has to follow in the same encounter.
    """

    item: str | None
    score: str | None
    at_least: int
    concern: str
    level: str
    then: str | None


@dataclass(frozen=True, kw_only=True)
class Offer:
    """When an instrument is due at one place of the journey.

    Once, where neither days are named; ``on_days`` are days after the place began, ``every_days`` after
    the last time. ``below`` is a score and the value under which it is due more rarely.
    """

    place: str
    on_days: tuple[int, ...] = ()
    every_days: int | None = None
    from_day: int = 0
    until_day: int | None = None
    unless: str | None = None
    below: tuple[str, int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Pack:
    """One version of one instrument."""

    instrument: str
    version: int
    title: str
    licence: str
    texts_included: bool
    ships_on: bool
    source: str
    locale: str
    min_age: int
    lookback_days: int
    raters: tuple[str, ...]
    loinc_panel: str | None
    #: What is asked once before all items, where the form asks so.
    stem: str | None
    items: Mapping[str, Item]
    scores: tuple[ScoreRule, ...]
    prorated_when_missing: int
    never_prorated: tuple[str, ...]
    safety_rules: tuple[SafetyRule, ...]
    offers: tuple[Offer, ...]
    digest: str

    @property
    def safety_items(self) -> tuple[str, ...]:
        """The items that ask about danger, in order."""
        found = {rule.item for rule in self.safety_rules if rule.item is not None}
        return tuple(item for item in self.items if item in found)

    def score_rule(self, score: str) -> ScoreRule:
        """Return how one of the scores is made."""
        return next(rule for rule in self.scores if rule.score == score)


@functools.cache
def all_packs() -> Mapping[str, tuple[Pack, ...]]:
    """Return every pack by the name of its instrument, the versions in order.

    :raises PackInvalid: when one contradicts itself.
    """
    found: dict[str, list[Pack]] = {}
    for file in sorted(resources.files(__package__).joinpath("data").iterdir(), key=lambda one: one.name):
        if file.name.endswith(".json"):
            pack = read_pack(file.read_bytes())
            if file.name != f"{pack.instrument.lower()}-{pack.version}.json":
                raise PackInvalid(f"{file.name}: is named for another pack")
            found.setdefault(pack.instrument, []).append(pack)
    return {name: tuple(sorted(versions, key=_version)) for name, versions in found.items()}


def _version(pack: Pack) -> int:
    return pack.version


def newest(instrument: str) -> Pack:
    """Return the newest version of an instrument.

    :raises NoSuchInstrument: when there is none of that name.
    """
    return pack_of(instrument, None)


def pack_of(instrument: str, version: int | None) -> Pack:
    """Return a version of an instrument; the newest when none is named.

    :raises NoSuchInstrument: when there is none.
    """
    versions = all_packs().get(instrument, ())
    for pack in reversed(versions):
        if version in (None, pack.version):
            return pack
    if versions:
        rule = f"a version of it: {', '.join(str(pack.version) for pack in versions)}"
    else:
        rule = f"one of {', '.join(all_packs())}"
    raise NoSuchInstrument("No such instrument.", field="instrument", rule=rule)


# --- Reading ----------------------------------------------------------------------------------------


def read_pack(content: bytes) -> Pack:
    """Read a pack from JSON and check it.

    :raises PackInvalid: when something is missing or contradicts the rest.
    """
    try:
        told = orjson.loads(content)
        pack = _pack(told, digest=hashlib.sha256(content).hexdigest())
    except PackInvalid:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PackInvalid(f"cannot be read: {error!r}") from error
    _check(pack)
    return pack


def _pack(told: dict[str, Any], *, digest: str) -> Pack:
    choices = {name: dict(listed) for name, listed in told["choices"].items()}
    items = {one["id"]: _item(one, choices) for one in told["items"]}
    if len(items) != len(told["items"]):
        raise PackInvalid(f"{told['code']}: two items of one id")
    return Pack(
        instrument=told["code"],
        version=told["version"],
        title=told["title"],
        licence=told["licence"]["terms"],
        texts_included=told["licence"]["texts_included"],
        ships_on=told["licence"]["ships_on"],
        source=told["source"],
        locale=told["locale"],
        min_age=told["min_age"],
        lookback_days=told["lookback_days"],
        raters=tuple(told["rated_by"]),
        loinc_panel=told["loinc"].get("panel"),
        stem=told.get("stem"),
        items=items,
        scores=tuple(_score(one, items) for one in told["scores"]),
        prorated_when_missing=told["prorated_when_missing"],
        never_prorated=tuple(told["never_prorated"]),
        safety_rules=tuple(
            SafetyRule(
                item=one.get("item"),
                score=one.get("score"),
                at_least=one["at_least"],
                concern=one["concern"],
                level=one["level"],
                then=one.get("then"),
            )
            for one in told["safety_rules"]
        ),
        offers=tuple(_offer(one) for one in told["offered"]),
        digest=digest,
    )


def _item(told: dict[str, Any], choices: dict[str, dict[int, str]]) -> Item:
    return Item(
        item=told["id"],
        label=told["label"],
        answers=choices[told["choices"]],
        loinc=told.get("loinc"),
        asked_if=_threshold(told.get("asked_if")),
        optional=told.get("optional", False),
    )


def _threshold(told: dict[str, Any] | None) -> tuple[str, int] | None:
    return (told["item"], told["at_least"]) if told else None


def _score(told: dict[str, Any], items: dict[str, Item]) -> ScoreRule:
    return ScoreRule(
        score=told["code"],
        items=tuple(told.get("sum", ())),
        # Turned round, an answer counts as the least and the greatest together less itself.
        reversed_items={
            name: min(items[name].answers) + max(items[name].answers) for name in told.get("reversed", ())
        },
        highest=tuple((line["value"], tuple(line["any"])) for line in told.get("highest", ())),
        counts_only_if=_threshold(told.get("counts_only_if")),
        bands=tuple(
            Band(
                band=one["band"],
                least=one["from"],
                most=one["to"],
                positive=one["positive"],
                meaning=one.get("meaning"),
            )
            for one in told["bands"]
        ),
        positive_from=told.get("positive_from", {}),
        reviews=tuple((one["code"], tuple(one["when_zero"])) for one in told.get("reviews", ())),
        loinc=told.get("loinc"),
    )


def _offer(told: dict[str, Any]) -> Offer:
    below = told.get("below")
    return Offer(
        place=told["place"],
        on_days=tuple(told.get("on_days", ())),
        every_days=told.get("every_days"),
        from_day=told.get("from_day", 0),
        until_day=told.get("until_day"),
        unless=told.get("unless"),
        below=(below["score"], below["value"], below["every_days"]) if below else None,
    )


# --- Checking ---------------------------------------------------------------------------------------


def _check(pack: Pack) -> None:
    _check_items(pack)
    for rule in pack.scores:
        _check_score(pack, rule)
    for safety in pack.safety_rules:
        _known(pack, (safety.item,) if safety.item is not None else (), "a safety rule")
        if (safety.item is None) == (safety.score is None):
            raise PackInvalid(f"{pack.instrument}: a safety rule is about one item or one score")
        if safety.score is not None and safety.score not in {rule.score for rule in pack.scores}:
            raise PackInvalid(f"{pack.instrument}: a safety rule is about a score that is not there")
        if safety.concern not in CONCERNS or safety.level not in ("E3", "E4"):
            raise PackInvalid(f"{pack.instrument}: a safety rule raises nothing that is known")
    _known(pack, pack.never_prorated, "never_prorated")
    if not set(pack.raters) <= {SELF, OBSERVER} or not pack.raters:
        raise PackInvalid(f"{pack.instrument}: rated by nobody")
    if any(offer.place not in PLACES for offer in pack.offers):
        raise PackInvalid(f"{pack.instrument}: offered at a place that is not there")


def _check_items(pack: Pack) -> None:
    for item in pack.items.values():
        _known(pack, (item.asked_if[0],) if item.asked_if else (), f"item {item.item}")
        if not item.answers or not all(
            type(value) is int and 0 <= value <= LARGEST_ANSWER for value in item.answers
        ):
            raise PackInvalid(f"{pack.instrument}: item {item.item} has no usable answers")


def _check_score(pack: Pack, rule: ScoreRule) -> None:
    of_highest = tuple(name for _, names in rule.highest for name in names)
    _known(pack, (*rule.items, *rule.reversed_items, *of_highest), f"score {rule.score}")
    _known(pack, (rule.counts_only_if[0],) if rule.counts_only_if else (), f"score {rule.score}")
    if bool(rule.items) == bool(rule.highest):
        raise PackInvalid(f"{pack.instrument}: score {rule.score} is a sum or the highest, not both")
    if rule.positive_from and "otherwise" not in rule.positive_from:
        raise PackInvalid(f"{pack.instrument}: score {rule.score} leaves an unknown sex out")
    if rule.items:
        least = sum(min(pack.items[name].answers) for name in rule.items)
        most = sum(max(pack.items[name].answers) for name in rule.items)
    else:
        least, most = 0, max(value for value, _ in rule.highest)
    ends = [band.most for band in rule.bands]
    begins = [band.least for band in rule.bands]
    if not rule.bands or begins[0] != least or ends[-1] != most:
        raise PackInvalid(f"{pack.instrument}: the bands of {rule.score} do not run from {least} to {most}")
    if any(begin != end + 1 for end, begin in zip(ends, begins[1:], strict=False)):
        raise PackInvalid(f"{pack.instrument}: the bands of {rule.score} leave a gap or overlap")


def _known(pack: Pack, names: tuple[str, ...], where: str) -> None:
    if any(name not in pack.items for name in names):
        raise PackInvalid(f"{pack.instrument}: {where} names an item that is not there")
