"""What care would cost somebody, with every assumption told; money is in whole cents.

An estimate is no bill: where a payer did not say something, the least and the most that it could mean
are both told.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from services.intake.domain.coverage import Coverage
from shared.contracts.intake import SELF_PAY
from shared.errors import Conflict, InvalidInput

#: Days of care a week that are assumed until a week is agreed on. Brief section 7: H0015 asks for three.
USUAL_DAYS_A_WEEK = 3

#: What is assumed, in words for the person, by code. ``{amount}`` is in dollars.
_WORDS = {
    "LEVEL": "The level of care is {count}.",
    "LEVEL_NOT_DECIDED": "The level of care is not decided yet; {count} is assumed.",
    "DAYS": "There are {count} days of care.",
    "DAYS_ASSUMED": "There are {count} days of care: the usual weeks of the program, by the days of a week.",
    "ALLOWED_AMOUNT": "The payer allows {amount} for a day.",
    "DEDUCTIBLE": "{amount} of the deductible is left.",
    "DEDUCTIBLE_UNKNOWN": "The payer did not say what is left of the deductible: it may be nothing or all.",
    "COINSURANCE": "After the deductible the person pays {count} percent.",
    "COINSURANCE_UNKNOWN": "The payer did not say which share the person pays: it may be nothing or all.",
    "COPAY": "The person pays {amount} for each day that the deductible does not take whole.",
    "OUT_OF_POCKET": "The person pays at most {amount} more this year.",
    "OUT_OF_POCKET_UNKNOWN": "The payer did not say how much the person pays in a year at most.",
    "YEAR_ENDS": "Care may go on into {count}, when deductible and the most of a year often begin anew.",
    "OUT_OF_NETWORK": "The program is not in the payer's network: it may bill more than the payer allows.",
    "NETWORK_UNKNOWN": "Whether the program is in the payer's network is not known.",
    "AUTHORIZATION_NEEDED": "Days that the payer does not authorise are not covered.",
    "AS_ANSWERED": "This is how the payer answered on {count}; other care may change it.",
    "FULL_PRICE": "A day costs {amount} without cover.",
    "SLIDING_FEE": "By income and household the person pays {count} percent of it.",
    "NO_SLIDING_FEE": "No reduction by income has been worked out.",
}


class NoRate(Conflict):
    """Raised when nobody has told what a day costs, or what a payer allows for it."""


@dataclass(eq=False, kw_only=True)
class Rate:
    """What a day of care costs at a site from a day on: the price, or what a payer allows."""

    rate_id: str
    site_id: str
    #: Code of the payer, or SELF_PAY.
    payer: str
    level: str
    #: Cents a day.
    amount: int
    effective_on: date
    recorded_by: str
    recorded_by_role: str
    recorded_at: datetime
    tenant_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Share:
    """What somebody would pay of some days: at least and at most, in cents, under some assumptions."""

    total: int
    least: int
    most: int
    #: Each ``{"code", "text", "amount"}``; the amount is in cents, or empty.
    assumptions: tuple[dict[str, Any], ...]


@dataclass(eq=False, kw_only=True)
class Estimate:
    """What somebody was told that care would cost; never changed, only followed by a newer one."""

    estimate_id: str
    patient_id: str
    episode_id: str
    journey_id: str
    payer: str
    #: Empty where the person pays themself.
    coverage_id: str | None
    level: str
    units: int
    #: Cents a day: the price, or what the payer allows.
    amount: int
    total: int
    person_pays_least: int
    person_pays_most: int
    assumptions: list[dict[str, Any]]
    #: Whether it is the good-faith estimate of somebody who pays themself (45 CFR 149.610).
    good_faith: bool
    made_at: datetime
    made_by: str
    made_by_role: str
    tenant_id: str = ""


def rate_on(rates: Iterable[Rate], *, payer: str, level: str, day: date) -> Rate:
    """Return what holds on a day: the rate that began last.

    :raises NoRate: when there is none.
    """
    found = [one for one in rates if one.payer == payer and one.level == level and one.effective_on <= day]
    if not found:
        what = "price of a day" if payer == SELF_PAY else "amount that the payer allows for a day"
        raise NoRate(
            f"The {what} is not known.", field="payer", rule="a rate of the site for the payer and level"
        )
    return max(found, key=lambda one: (one.effective_on, one.recorded_at, one.rate_id))


def insured(
    cover: Coverage, *, allowed: int, units: int, answered_on: date, begins: date, days_a_week: int
) -> Share:
    """Return what somebody pays of covered days: deductible first, then their share, up to the year's most.

    What a payer says of a year it says of this one. Of days in the next the person may pay nothing or all.

    :param allowed: cents that the payer allows for a day.
    :param begins: the day from which care is reckoned, at that many days a week.
    """
    total = allowed * units
    later = _days_of_next_year(units, begins=begins, days_a_week=days_a_week)
    assumed = [assumption("ALLOWED_AMOUNT", amount=allowed)]
    deductible, told = _known_or_between(cover.deductible_left, (0, total), code="DEDUCTIBLE")
    assumed.append(told)
    percent, told = _known_or_between(
        cover.coinsurance_percent, (0, 0 if cover.copay is not None else 100), code="COINSURANCE"
    )
    if cover.coinsurance_percent is not None or cover.copay is None:
        assumed.append(told)
    if cover.copay is not None:
        assumed.append(assumption("COPAY", amount=cover.copay))
    least, most = (
        _person_pays(
            cover, allowed=allowed, units=units - later, deductible=deductible[end], percent=percent[end]
        )
        for end in (0, 1)
    )
    if cover.out_of_pocket_left is None:
        assumed.append(assumption("OUT_OF_POCKET_UNKNOWN"))
    else:
        assumed.append(assumption("OUT_OF_POCKET", amount=cover.out_of_pocket_left))
    if later:
        assumed.append(assumption("YEAR_ENDS", count=begins.year + 1))
    if cover.in_network is None:
        assumed.append(assumption("NETWORK_UNKNOWN"))
    elif not cover.in_network:
        assumed.append(assumption("OUT_OF_NETWORK"))
    if cover.needs_authorization:
        assumed.append(assumption("AUTHORIZATION_NEEDED"))
    assumed.append(assumption("AS_ANSWERED", count=answered_on.isoformat()))
    return Share(total=total, least=least, most=most + allowed * later, assumptions=tuple(assumed))


def self_paid(*, price: int, units: int, share_percent: int | None) -> Share:
    """Return what somebody pays who has no cover, or does not use it.

    :param price: cents a day.
    :param share_percent: what the sliding fee leaves of it; empty where none was worked out.
    """
    assumed = [assumption("FULL_PRICE", amount=price)]
    if share_percent is None:
        assumed.append(assumption("NO_SLIDING_FEE"))
    else:
        assumed.append(assumption("SLIDING_FEE", count=share_percent))
    pays = units * day_price(price, share_percent)
    return Share(total=price * units, least=pays, most=pays, assumptions=tuple(assumed))


def day_price(price: int, share_percent: int | None) -> int:
    """Return the cents that somebody without cover pays for a day."""
    return price if share_percent is None else _percent_of(price, share_percent)


def assumption(code: str, *, amount: int | None = None, count: Any = None) -> dict[str, Any]:
    """Return an assumption with its words."""
    dollars = "" if amount is None else f"${amount // 100:,}.{amount % 100:02d}"
    return {"code": code, "text": _WORDS[code].format(amount=dollars, count=count), "amount": amount}


def check_units(units: int | None, *, weeks: int, days_a_week: int | None) -> tuple[int, dict[str, Any]]:
    """Return the days of care with what is assumed about them.

    :raises InvalidInput: when there is none.
    """
    if units is not None:
        if units < 1:
            raise InvalidInput("There is no day of care.", field="units", rule="at least one")
        return units, assumption("DAYS", count=units)
    assumed = weeks * (days_a_week or USUAL_DAYS_A_WEEK)
    return assumed, assumption("DAYS_ASSUMED", count=assumed)


def _days_of_next_year(units: int, *, begins: date, days_a_week: int) -> int:
    """Return how many of some days of care come after the turn of the year."""
    this_year = (date(begins.year, 12, 31) - begins).days // 7 * days_a_week + days_a_week
    return max(0, units - this_year)


def _person_pays(cover: Coverage, *, allowed: int, units: int, deductible: int, percent: int) -> int:
    total = allowed * units
    by_deductible = min(deductible, total)
    rest = total - by_deductible
    copays = 0
    if cover.copay is not None and rest:
        # Nobody pays more for a day than is allowed for it.
        copays = min(cover.copay, allowed) * (units - by_deductible // allowed)
    pays = by_deductible + min(rest, _percent_of(rest, percent) + copays)
    return pays if cover.out_of_pocket_left is None else min(pays, cover.out_of_pocket_left)


def _known_or_between(
    known: int | None, ends: tuple[int, int], *, code: str
) -> tuple[tuple[int, int], dict[str, Any]]:
    if known is None:
        return ends, assumption(f"{code}_UNKNOWN")
    told = assumption(code, amount=known) if code == "DEDUCTIBLE" else assumption(code, count=known)
    return (known, known), told


def _percent_of(cents: int, percent: int) -> int:
    # Half a cent is rounded up, as in commerce.
    return (cents * percent + 50) // 100
