"""The sliding fee: what somebody without cover pays of a day's price, by household and income.

The table of a year is a data pack with its source and the day from which it holds, and takes effect for
a tenant once its medical director has signed it, like every other pack of rules. Money is in cents.
"""

import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib import resources
from typing import Any

import orjson

from shared.contracts.event import Actor
from shared.errors import Conflict, InvalidInput

CODE = "SLIDING_FEE"

#: Percent of the poverty guideline up to which nobody pays more than a nominal fee, and above which the
#: full price is paid. Brief section 7: the pattern of federally qualified health centers.
NOTHING_TO, FULL_ABOVE = 100, 200
#: Least tiers between the two. Brief section 7.
LEAST_TIERS = 3
#: Highest share that is still nominal, in percent. Design default.
NOMINAL_PERCENT = 10
#: How long what was worked out holds. Design default: a year, after which income is asked for again.
HOLDS_FOR = timedelta(days=365)
#: States with guidelines of their own; all others share one.
STATES_APART = ("AK", "HI")
#: Largest household that is taken. Design default: more, and it is a slip.
LARGEST_HOUSEHOLD = 20


class SlidingFeeNotSigned(Conflict):
    """Raised when no table that holds today is signed by the tenant's medical director."""


@dataclass(frozen=True, kw_only=True)
class SlidingFeePack:
    """The table of one year; ``digest`` is the SHA-256 of its file."""

    code: str
    version: int
    title: str
    licence: str
    source: str
    ships_on: bool
    year: int
    effective_on: date
    #: By area: cents a year for one person, and for each one more.
    guidelines: Mapping[str, tuple[int, int]]
    #: Percent of the guideline up to which each tier goes, and the share of the price that it pays.
    tiers: tuple[tuple[int, int], ...]
    digest: str

    def guideline(self, *, household_size: int, state: str | None) -> int:
        """Return the poverty guideline of a household, in cents a year.

        :raises InvalidInput: when the table has none for the state.
        """
        area = state if state in STATES_APART else "CONTIGUOUS"
        if area not in self.guidelines:
            raise InvalidInput(
                "The table in force has no guideline for the state.",
                field="state",
                rule=f"a signed table of {self.year} that holds {area}",
            )
        first, each_more = self.guidelines[area]
        return first + each_more * (household_size - 1)

    def pays_percent(self, *, income: int, guideline: int) -> int:
        """Return the share of the price that an income pays.

        :param income: cents a year.
        """
        for to_percent, pays in self.tiers:
            if income * 100 <= guideline * to_percent:
                return pays
        return 100


@dataclass(eq=False, kw_only=True)
class FeeAssessment:
    """What somebody pays by household and income, who worked it out, and by which table.

    ``yearly_income`` is kept sealed, as digits: cents a year.
    """

    fee_assessment_id: str
    patient_id: str
    episode_id: str
    journey_id: str
    household_size: int
    yearly_income: str
    #: One of INCOME_PROOFS.
    proof: str
    state: str | None
    percent_of_guideline: int
    pays_percent: int
    pack_version: int
    guidelines_year: int
    assessed_at: datetime
    ends_at: datetime
    assessed_by: str
    assessed_by_role: str
    tenant_id: str = ""

    def holds(self, *, now: datetime) -> bool:
        """Tell whether it still counts."""
        return now < self.ends_at


@functools.cache
def all_packs() -> Mapping[int, SlidingFeePack]:
    """Return the tables that ship, by version."""
    found = {}
    for file in sorted(resources.files(__package__).joinpath("packs").iterdir(), key=lambda one: one.name):
        if file.name.startswith(f"{CODE.lower()}-"):
            pack = _read(file.read_bytes())
            found[pack.version] = pack
    return found


def in_effect(versions: Iterable[int], *, today: date) -> SlidingFeePack:
    """Return the table that holds today, of those that are signed.

    :raises SlidingFeeNotSigned: when none is signed that holds yet.
    """
    packs = [all_packs()[version] for version in versions if version in all_packs()]
    holding = [pack for pack in packs if pack.effective_on <= today]
    if not holding:
        raise SlidingFeeNotSigned(
            "No sliding fee is in force: the medical director has signed no table that holds today.",
            field="episode_id",
            rule=f"a version of {CODE} is signed",
        )
    return max(holding, key=lambda pack: (pack.effective_on, pack.version))


def assess(
    pack: SlidingFeePack,
    *,
    fee_assessment_id: str,
    patient_id: str,
    episode_id: str,
    journey_id: str,
    household_size: int,
    yearly_income: int,
    proof: str,
    state: str | None,
    actor: Actor,
    now: datetime,
) -> FeeAssessment:
    """Work out what somebody pays.

    :raises InvalidInput: when the table has no guideline for the state.
    """
    guideline = pack.guideline(household_size=household_size, state=state)
    return FeeAssessment(
        fee_assessment_id=fee_assessment_id,
        patient_id=patient_id,
        episode_id=episode_id,
        journey_id=journey_id,
        household_size=household_size,
        yearly_income=str(yearly_income),
        proof=proof,
        state=state,
        # Told rounded up, so that nobody reads a tier into it that the exact income is not in.
        percent_of_guideline=-(-yearly_income * 100 // guideline),
        pays_percent=pack.pays_percent(income=yearly_income, guideline=guideline),
        pack_version=pack.version,
        guidelines_year=pack.year,
        assessed_at=now,
        ends_at=now + HOLDS_FOR,
        assessed_by=actor.actor_id,
        assessed_by_role=actor.role,
    )


def check(pack: SlidingFeePack) -> list[str]:
    """Return what a table breaks of the pattern: nominal to the guideline, tiers above it, then full."""
    ends = [to_percent for to_percent, _ in pack.tiers]
    pays = [percent for _, percent in pack.tiers]
    between = [end for end in ends if NOTHING_TO < end <= FULL_ABOVE]
    rules = {
        "tiers rise": ends == sorted(set(ends)) and pays == sorted(set(pays)),
        "the first ends at the guideline": ends[0] == NOTHING_TO,
        "the first is nominal": pays[0] <= NOMINAL_PERCENT,
        "at least three tiers above the guideline": len(between) >= LEAST_TIERS,
        "full above twice the guideline": ends[-1] == FULL_ABOVE and pays[-1] < 100,
    }
    return [rule for rule, holds in rules.items() if not holds]


def _read(content: bytes) -> SlidingFeePack:
    data: dict[str, Any] = orjson.loads(content)
    return SlidingFeePack(
        code=data["pack"],
        version=data["version"],
        title=data["title"],
        licence=data["licence"],
        source=data["source"],
        ships_on=data["ships_on"],
        year=data["year"],
        effective_on=date.fromisoformat(data["effective_on"]),
        guidelines={area: (one["first"], one["each_more"]) for area, one in data["guidelines"].items()},
        tiers=tuple((tier["to_percent"], tier["pays_percent"]) for tier in data["tiers"]),
        digest=hashlib.sha256(content).hexdigest(),
    )
