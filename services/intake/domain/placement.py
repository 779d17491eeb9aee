"""The level of care that fits a severity profile, after the ASAM Criteria, 3rd edition.

The cut-offs are a design default and stand in a table that is read from the top: the first rule
that hits decides. A law holds over every profile: a worse rating in any dimension never lowers
the level. Where the table leaves a choice, it is settled so:

- a need for residential care together with a medical need (dimension 1 or 2 moderate) is "3.7";
- severe dimension 3 or imminent danger in dimension 5 is "3.5"; a living environment that is
  dangerous is "3.1";
- a medical need alone is "2.5" with medical services: the 3rd edition has no level 2.7;
- everything outpatient below intensive is "1".

The result recommends; a licensed human decides.
"""

from collections.abc import Callable
from dataclasses import dataclass

from shared.contracts.intake import LEVELS_OF_CARE

#: Edition whose dimensions are rated.
EDITION = "ASAM3"
#: Version of the table below: grows whenever a rule changes.
RULE_VERSION = "ASAM3-1"

#: Severity of a dimension: none, mild, moderate, severe, imminent danger. ASAM Criteria, 3rd edition.
RATINGS = (0, 1, 2, 3, 4)
DIMENSIONS = (1, 2, 3, 4, 5, 6)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What placement looks at: the ratings of dimensions 1 to 6, and whether the home is unsafe."""

    ratings: tuple[int, ...]
    home_unsafe: bool = False

    def at_least(self, rating: int, *dimensions: int) -> tuple[int, ...]:
        """Return those of the dimensions that are rated *rating* or worse."""
        return tuple(d for d in dimensions if self.ratings[d - 1] >= rating)


@dataclass(frozen=True, kw_only=True)
class PlacementRule:
    """One rule: ``hits`` returns the dimensions that decide, none when the rule does not apply."""

    code: str
    text: str
    level: str
    hits: Callable[[Profile], tuple[int, ...]]
    services: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """Another way than the recommended level, with the code of the condition under which it fits."""

    level: str | None
    code: str


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


def _environment_dangerous(profile: Profile) -> tuple[int, ...]:
    return profile.at_least(3 if profile.home_unsafe else 4, 6)


def _residential_need(profile: Profile) -> tuple[int, ...]:
    return profile.at_least(3, 3) + profile.at_least(4, 5) + _environment_dangerous(profile)


def _residential_and_medical(profile: Profile) -> tuple[int, ...]:
    medical, residential = profile.at_least(2, 1, 2), _residential_need(profile)
    return medical + residential if medical and residential else ()


def _psychiatric_and_unsteady(profile: Profile) -> tuple[int, ...]:
    unsteady = profile.at_least(3, 4, 5, 6)
    return (3, *unsteady) if profile.at_least(2, 3) and unsteady else ()


def _two_severe(profile: Profile) -> tuple[int, ...]:
    severe = profile.at_least(3, 4, 5, 6)
    return severe if len(severe) >= 2 else ()


#: The table, read from the top. Design default, after the ASAM Criteria, 3rd edition.
RULES: tuple[PlacementRule, ...] = (
    PlacementRule(
        code="IMMINENT_DANGER_1_TO_3",
        text="Imminent danger in dimension 1, 2 or 3.",
        level="4",
        hits=lambda p: p.at_least(4, 1, 2, 3),
    ),
    PlacementRule(
        code="SEVERE_1_OR_2",
        text="Severe withdrawal risk or biomedical condition: medically monitored care round the clock.",
        level="3.7",
        hits=lambda p: p.at_least(3, 1, 2),
        services=("MEDICAL",),
    ),
    PlacementRule(
        code="RESIDENTIAL_AND_MEDICAL_NEED",
        text="A need for residential care together with a medical need.",
        level="3.7",
        hits=_residential_and_medical,
        services=("MEDICAL",),
    ),
    PlacementRule(
        code="SEVERE_3",
        text="Severe emotional, behavioral or cognitive condition.",
        level="3.5",
        hits=lambda p: p.at_least(3, 3) + (p.at_least(4, 5) if p.at_least(3, 3) else ()),
        services=("PSYCHIATRIC",),
    ),
    PlacementRule(
        code="IMMINENT_DANGER_5",
        text="Return to use is imminent without care round the clock.",
        level="3.5",
        hits=lambda p: p.at_least(4, 5),
    ),
    PlacementRule(
        code="DANGEROUS_ENVIRONMENT",
        text="The living environment is dangerous, or severe and the home unsafe.",
        level="3.1",
        hits=_environment_dangerous,
    ),
    PlacementRule(
        code="MEDICAL_NEED",
        text="Moderate withdrawal risk or biomedical condition: medical services by day.",
        level="2.5",
        hits=lambda p: p.at_least(2, 1, 2),
        services=("MEDICAL",),
    ),
    PlacementRule(
        code="IMMINENT_DANGER_4",
        text="Readiness to change is so low that danger is imminent.",
        level="2.5",
        hits=lambda p: p.at_least(4, 4),
    ),
    PlacementRule(
        code="PSYCHIATRIC_AND_UNSTEADY",
        text="Moderate dimension 3 together with a severe dimension 4, 5 or 6.",
        level="2.5",
        hits=_psychiatric_and_unsteady,
        services=("PSYCHIATRIC",),
    ),
    PlacementRule(
        code="TWO_SEVERE_4_TO_6",
        text="Two of dimensions 4, 5 and 6 are severe.",
        level="2.5",
        hits=_two_severe,
    ),
    PlacementRule(
        code="STRUCTURE_NEEDED",
        text="Dimension 3, 4, 5 or 6 asks for structure several times a week.",
        level="2.1",
        hits=lambda p: p.at_least(2, 3, 4, 5, 6),
    ),
    PlacementRule(
        code="OUTPATIENT",
        text="No dimension asks for more than outpatient care.",
        level="1",
        hits=lambda p: p.at_least(max(p.ratings), *DIMENSIONS),
    ),
)

#: What else is possible for each level: never a bare denial. Design default.
ALTERNATIVES: dict[str, tuple[Alternative, ...]] = {
    "1": (Alternative(level="2.1", code="WHEN_MORE_STRUCTURE_IS_NEEDED"),),
    "2.1": (
        Alternative(level="2.5", code="WHEN_HOURS_ARE_NOT_ENOUGH"),
        Alternative(level="1", code="WHEN_STABLE"),
    ),
    "2.5": (
        Alternative(level="3.1", code="WHEN_HOME_DOES_NOT_HOLD"),
        Alternative(level="2.1", code="WHEN_NEEDED_SERVICES_ARE_ADDED"),
    ),
    "3.1": (
        Alternative(level="2.5", code="WITH_RECOVERY_RESIDENCE"),
        Alternative(level="2.1", code="WITH_RECOVERY_RESIDENCE"),
    ),
    "3.5": (
        Alternative(level="3.7", code="WHEN_MEDICAL_NEED_APPEARS"),
        Alternative(level="2.5", code="WITH_PSYCHIATRIC_SERVICES_AND_RECOVERY_RESIDENCE"),
    ),
    "3.7": (
        Alternative(level="4", code="WHEN_UNSTABLE"),
        Alternative(level="2.1", code="AFTER_STABILISATION"),
    ),
    "4": (
        Alternative(level="3.7", code="AFTER_STABILISATION"),
        Alternative(level="2.1", code="AFTER_STABILISATION"),
    ),
}


def recommend(
    *, ratings: tuple[int, ...], home_unsafe: bool, gate_least_level: str | None, minor: bool
) -> Recommendation:
    """Return the level that the profile asks for, raised by the withdrawal gate where that asks for more.

    :param ratings: severity 0 to 4 of dimensions 1 to 6, in order.
    """
    profile = Profile(ratings=ratings, home_unsafe=home_unsafe)
    rule, deciding = next((rule, hit) for rule in RULES if (hit := rule.hits(profile)))
    level, services = rule.level, rule.services
    reasons = [(rule.code, rule.text)]
    if gate_least_level is not None and _rank(gate_least_level) > _rank(level):
        level, deciding, services = gate_least_level, (1,), ("MEDICAL",)
        reasons.insert(0, ("WITHDRAWAL_GATE", "The withdrawal gate asks for a higher level."))
    alternatives = ALTERNATIVES[level]
    if minor:
        reasons.append(
            ("MINOR", "The person is a minor: the program admits adults; a clinician must decide.")
        )
        alternatives = (Alternative(level=None, code="ADOLESCENT_PROGRAM"), *alternatives)
    return Recommendation(
        level=level,
        deciding_dimensions=tuple(sorted(set(deciding))),
        reasons=tuple(reasons),
        alternatives=alternatives,
        services=services,
        minor=minor,
        rule_version=RULE_VERSION,
    )


def _rank(level: str) -> int:
    return LEVELS_OF_CARE.index(level)
