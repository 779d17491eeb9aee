"""The level of care that a severity profile asks for, after the ASAM Criteria, 3rd edition.

The rules are data: a pack that is read from the top, where the first rule that hits decides. A law
holds over every profile and every pack: a worse rating in any dimension never lowers the level. Where
the criteria leave a choice, the shipped pack settles it so:

- a need for residential care together with a medical need (dimension 1 or 2 moderate) is "3.7";
- severe dimension 3 or imminent danger in dimension 5 is "3.5"; a living environment that is
  dangerous is "3.1";
- a medical need alone is "2.5" with medical services: the 3rd edition has no level 2.7;
- everything outpatient below intensive is "1".

The result recommends; a licensed human decides.
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import orjson

from shared.contracts.intake import LEVELS_OF_CARE

#: Edition whose dimensions are rated where an assessor names none.
EDITION = "ASAM3"
#: The pack's name.
CODE = "PLACEMENT_ASAM3"

#: Severity of a dimension: none, mild, moderate, severe, imminent danger. ASAM Criteria, 3rd edition.
RATINGS = (0, 1, 2, 3, 4)
DIMENSIONS = (1, 2, 3, 4, 5, 6)


class PackInvalid(ValueError):
    """Raised when a pack of rules contradicts itself: nobody is placed by it."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Any of some dimensions rated ``least`` or worse; ``home_unsafe`` where it counts only then."""

    least: int
    dimensions: tuple[int, ...]
    home_unsafe: bool = False

    def hits(self, ratings: tuple[int, ...], *, home_unsafe: bool) -> tuple[int, ...]:
        """Return the dimensions that meet it."""
        if self.home_unsafe and not home_unsafe:
            return ()
        return tuple(d for d in self.dimensions if ratings[d - 1] >= self.least)


@dataclass(frozen=True, kw_only=True)
class PlacementRule:
    """One rule: each group of conditions needs so many dimensions that meet any of them.

    ``also`` are conditions that decide besides, once the rule hits.
    """

    code: str
    text: str
    level: str
    services: tuple[str, ...]
    groups: tuple[tuple[int, tuple[Condition, ...]], ...]
    also: tuple[Condition, ...]

    def hits(self, ratings: tuple[int, ...], *, home_unsafe: bool) -> tuple[int, ...]:
        """Return the dimensions that decide; none when the rule does not apply."""
        if not self.groups:
            worst = max(ratings)
            return tuple(d for d in DIMENSIONS if ratings[d - 1] >= worst)
        deciding: set[int] = set()
        for needed, conditions in self.groups:
            found = {d for one in conditions for d in one.hits(ratings, home_unsafe=home_unsafe)}
            if len(found) < needed:
                return ()
            deciding |= found
        for one in self.also:
            deciding.update(one.hits(ratings, home_unsafe=home_unsafe))
        return tuple(sorted(deciding))


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """Another way than the recommended level, with the code of the condition under which it fits."""

    level: str | None
    code: str


@dataclass(frozen=True, kw_only=True)
class PlacementPack:
    """One version of the rules."""

    code: str
    version: int
    title: str
    edition: str
    licence: str
    ships_on: bool
    source: str
    rules: tuple[PlacementRule, ...]
    alternatives: Mapping[str, tuple[Alternative, ...]]
    digest: str

    @property
    def rule_version(self) -> str:
        """The version as it stands on recommendations and decisions."""
        return f"{self.edition}-{self.version}"


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The recommended level, what decided it, and what else is possible."""

    level: str
    deciding_dimensions: tuple[int, ...]
    reasons: tuple[tuple[str, str], ...]
    alternatives: tuple[Alternative, ...]
    services: tuple[str, ...]
    minor: bool
    rule_version: str
    #: By the 4th edition only: the sub-dimensions that decided; none where the withdrawal gate did.
    deciding_subdimensions: tuple[str, ...] = ()


def recommend(
    *,
    ratings: tuple[int, ...],
    home_unsafe: bool,
    gate_least_level: str | None,
    minor: bool,
    version: int | None = None,
) -> Recommendation:
    """Return the level that the profile asks for, raised by the withdrawal gate where that asks for more.

    :param ratings: severity 0 to 4 of dimensions 1 to 6, in order.
    :param version: of the rules; the newest when left out.
    """
    pack = newest() if version is None else pack_of(version)
    rule, deciding = _deciding(pack, ratings, home_unsafe=home_unsafe)
    level, services = rule.level, rule.services
    reasons = [(rule.code, rule.text)]
    if gate_least_level is not None and _rank(gate_least_level) > _rank(level):
        level, deciding, services = gate_least_level, (1,), ("MEDICAL",)
        reasons.insert(0, ("WITHDRAWAL_GATE", "The withdrawal gate asks for a higher level."))
    alternatives = pack.alternatives[level]
    if minor:
        reasons.append(
            ("MINOR", "The person is a minor: the program admits adults; a clinician must decide.")
        )
        alternatives = (Alternative(level=None, code="ADOLESCENT_PROGRAM"), *alternatives)
    return Recommendation(
        level=level,
        deciding_dimensions=deciding,
        reasons=tuple(reasons),
        alternatives=alternatives,
        services=services,
        minor=minor,
        rule_version=pack.rule_version,
    )


def _deciding(
    pack: PlacementPack, ratings: tuple[int, ...], *, home_unsafe: bool
) -> tuple[PlacementRule, tuple[int, ...]]:
    for rule in pack.rules:
        deciding = rule.hits(ratings, home_unsafe=home_unsafe)
        if deciding:
            return rule, deciding
    raise PackInvalid(f"{pack.rule_version} has no rule for everybody")


def _rank(level: str) -> int:
    return LEVELS_OF_CARE.index(level)


# --- The packs --------------------------------------------------------------------------------------


@functools.cache
def all_packs() -> Mapping[int, PlacementPack]:
    """Return the versions of the rules.

    :raises PackInvalid: when one contradicts itself.
    """
    found = [
        read_pack(file.read_bytes())
        for file in resources.files(__package__).joinpath("packs").iterdir()
        if file.name.startswith(f"{CODE.lower()}-")
    ]
    return {pack.version: pack for pack in sorted(found, key=lambda pack: pack.version)}


@functools.cache
def newest() -> PlacementPack:
    """Return the newest version of the rules."""
    return all_packs()[max(all_packs())]


def pack_of(version: int) -> PlacementPack:
    """Return a version of the rules.

    :raises PackInvalid: when there is none.
    """
    try:
        return all_packs()[version]
    except KeyError:
        raise PackInvalid(f"{CODE} has no version {version}") from None


def read_pack(content: bytes) -> PlacementPack:
    """Read a pack from JSON and check it.

    :raises PackInvalid: when something is missing, or it leaves somebody without a level or a choice.
    """
    try:
        pack = _pack(orjson.loads(content), digest=hashlib.sha256(content).hexdigest())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PackInvalid(f"cannot be read: {error!r}") from error
    if not pack.rules or pack.rules[-1].groups:
        raise PackInvalid(f"{pack.rule_version}: the last rule is not for everybody")
    for rule in pack.rules:
        if rule.level not in LEVELS_OF_CARE:
            raise PackInvalid(f"{pack.rule_version}: {rule.code} asks for a level that is not there")
    for level, others in pack.alternatives.items():
        if not others or any(one.level == level for one in others):
            raise PackInvalid(f"{pack.rule_version}: level {level} has no alternative")
    if not {rule.level for rule in pack.rules} <= set(pack.alternatives):
        raise PackInvalid(f"{pack.rule_version}: a level has no alternative")
    return pack


def _pack(told: dict[str, Any], *, digest: str) -> PlacementPack:
    return PlacementPack(
        code=told["code"],
        version=told["version"],
        title=told["title"],
        edition=told["edition"],
        licence=told["licence"]["terms"],
        ships_on=told["licence"]["ships_on"],
        source=told["source"],
        rules=tuple(_rule(one) for one in told["rules"]),
        alternatives={
            level: tuple(Alternative(level=other, code=code) for other, code in others)
            for level, others in told["alternatives"].items()
        },
        digest=digest,
    )


def _rule(told: dict[str, Any]) -> PlacementRule:
    return PlacementRule(
        code=told["code"],
        text=told["text"],
        level=told["level"],
        services=tuple(told["services"]),
        groups=tuple(
            (group.get("dimensions", 1), tuple(_condition(one) for one in group["any"]))
            for group in told["when"]
        ),
        also=tuple(_condition(one) for one in told["also"]),
    )


def _condition(told: dict[str, Any]) -> Condition:
    dimensions = tuple(told["of"])
    if not set(dimensions) <= set(DIMENSIONS) or told["least"] not in RATINGS:
        raise PackInvalid("a condition is about no dimension, or no rating")
    return Condition(least=told["least"], dimensions=dimensions, home_unsafe=told.get("home") == "UNSAFE")
