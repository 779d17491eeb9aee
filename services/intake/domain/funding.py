"""Ways to pay for care without cover, each with what to do next. Nobody is turned away by any of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.intake import teds

#: Percent of the poverty guideline up to which a state that expanded Medicaid covers adults (42 USC
#: 1396a(a)(10)(A)(i)(VIII) with its five percent disregard); pregnant people are covered further up
#: everywhere.
MEDICAID_PERCENT = 138

#: How likely a way is, as far as is known: the office finds out, never software.
LIKELY, TO_BE_ASKED, UNLIKELY = "LIKELY", "TO_BE_ASKED", "UNLIKELY"

#: Whom block-grant money goes to first (45 CFR 96.131), by what is known of somebody.
PREGNANT_AND_INJECTING, PREGNANT, INJECTING, OTHERS = (
    "PREGNANT_AND_INJECTING",
    "PREGNANT",
    "INJECTING",
    "OTHERS",
)


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What is known of somebody that decides which ways are open; empty where nobody asked."""

    pregnant: bool = False
    injecting: bool = False
    #: Whether the person served (VET is 1), did not (2), or nobody knows.
    veteran: bool | None = None
    percent_of_guideline: int | None = None
    pays_percent: int | None = None


@dataclass(frozen=True, kw_only=True)
class Path:
    """One way to pay, how likely it is, why, and what to do next."""

    path: str
    likelihood: str
    because: str
    next_step: str
    what: str
    bring: tuple[str, ...]


def circumstances(
    *,
    teds_codes: Mapping[str, Any],
    findings: Mapping[str, Any] | None,
    percent_of_guideline: int | None,
    pays_percent: int | None,
) -> Circumstances:
    """Return what is known of somebody from the referral's codes, the assessment and the sliding fee."""
    served = teds_codes.get("VET")
    return Circumstances(
        pregnant=teds.tells_pregnancy(teds_codes) or bool((findings or {}).get("pregnant")),
        injecting=teds.tells_injecting(teds_codes),
        veteran=None if served is None else served == 1,
        percent_of_guideline=percent_of_guideline,
        pays_percent=pays_percent,
    )


def paths(known: Circumstances) -> list[Path]:
    """Return every way that may be open to somebody without cover, the likelier first."""
    found = [_medicaid(known), _block_grant(known), _veteran(known), _sliding_fee(known)]
    order = (LIKELY, TO_BE_ASKED, UNLIKELY)
    return sorted(found, key=lambda one: order.index(one.likelihood))


def priority(known: Circumstances) -> str:
    """Return the place in the order in which block-grant money is given."""
    if known.pregnant:
        return PREGNANT_AND_INJECTING if known.injecting else PREGNANT
    return INJECTING if known.injecting else OTHERS


def _medicaid(known: Circumstances) -> Path:
    if known.pregnant:
        likelihood, because = LIKELY, "PREGNANT"
    elif known.percent_of_guideline is None:
        likelihood, because = TO_BE_ASKED, "INCOME_NOT_KNOWN"
    elif known.percent_of_guideline <= MEDICAID_PERCENT:
        likelihood, because = LIKELY, f"INCOME_UP_TO_{MEDICAID_PERCENT}_PERCENT"
    else:
        likelihood, because = UNLIKELY, f"INCOME_ABOVE_{MEDICAID_PERCENT}_PERCENT"
    return Path(
        path="MEDICAID_PRESUMPTIVE",
        likelihood=likelihood,
        because=because,
        next_step="APPLY_WITH_QUALIFIED_ENTITY",
        what="Apply for presumptive eligibility with a hospital or clinic that may grant it: care is covered "
        "from that day, and the full application follows within about two months.",
        bring=("an identity document", "what the household earned last month", "social security numbers"),
    )


def _block_grant(known: Circumstances) -> Path:
    place = priority(known)
    return Path(
        path="BLOCK_GRANT",
        likelihood=TO_BE_ASKED if place == OTHERS else LIKELY,
        because=place,
        next_step="ASK_STATE_AGENCY_FOR_SLOT",
        what="Ask the state's agency for substance use for a slot that the federal block grant pays, "
        "and say what gives precedence.",
        bring=("an identity document", "what the household earns in a year"),
    )


def _veteran(known: Circumstances) -> Path:
    likelihood, because = {
        None: (TO_BE_ASKED, "SERVICE_NOT_KNOWN"),
        True: (LIKELY, "SERVED"),
        False: (UNLIKELY, "DID_NOT_SERVE"),
    }[known.veteran]
    return Path(
        path="VETERANS_AFFAIRS",
        likelihood=likelihood,
        because=because,
        next_step="CALL_VETERANS_AFFAIRS",
        what="Call 877-222-8387 to enrol in care of Veterans Affairs, and ask for a referral to this program "
        "as community care before the first day.",
        bring=("the discharge papers (DD 214)", "an identity document"),
    )


def _sliding_fee(known: Circumstances) -> Path:
    if known.pays_percent is None:
        likelihood, because = TO_BE_ASKED, "INCOME_NOT_KNOWN"
    elif known.pays_percent < 100:
        likelihood, because = LIKELY, f"PAYS_{known.pays_percent}_PERCENT"
    else:
        likelihood, because = UNLIKELY, "FULL_PRICE_BY_INCOME"
    done = known.pays_percent is not None
    return Path(
        path="SLIDING_FEE",
        likelihood=likelihood,
        because=because,
        next_step="AGREE_ON_PAYMENT" if done else "TELL_HOUSEHOLD_AND_INCOME",
        what="Agree with the front desk on what is paid and when."
        if done
        else "Tell the front desk how many live in the household and what it earns: the price falls with it.",
        bring=() if done else ("pay stubs or a tax return", "or your word, where there is neither"),
    )
