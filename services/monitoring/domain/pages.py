"""Whom to page about an escalation, and when to go on to the next tier at once.

Deadlines ask the next tier whether or not a page came through; pages that do not come through ask it
sooner. A page says nothing but that there is something to look at.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.monitoring.domain.escalations import DANGERS, EVERYONE, ON_CALL, TERMS, Escalation
from services.monitoring.domain.on_call import StaffContact
from shared.contracts.event import Event
from shared.contracts.monitoring import StaffPaged
from shared.ids import derived_id

#: Levels that page somebody; milder ones wait in the work list. Design default.
PAGED_LEVELS = ("E2", "E3", "E4")

#: Who is paged besides the tier, at every tier and hour. Safety rule: at three in the morning only
#: whoever has the duty is awake, and no rule about opening hours is to stand between.
PAGED_BESIDES = {"E3": ON_CALL, "E4": ON_CALL}

#: How soon a page about a danger must have left before the next tier is paged as well: as soon as a
#: service would page by its own path, were monitoring away. Safety rule.
PAGE_LEAVES_WITHIN = timedelta(seconds=60)

#: What stands for the tenant's fallback address where one of the staff would be named.
FALLBACK = "fallback"

#: What became of a page that nobody will ever see.
MISSED = ("FAILED", "SUPPRESSED")


@dataclass(frozen=True, kw_only=True)
class Roster:
    """Who could be paged right now."""

    #: Active contacts.
    contacts: Sequence[StaffContact]
    #: Ids of the staff who have the duty.
    on_duty: frozenset[str]

    def who_is(self, audience: str) -> list[StaffContact]:
        """Return everybody whom a role, "on_call" or "everyone" stands for right now."""
        if audience == EVERYONE:
            return list(self.contacts)
        if audience == ON_CALL:
            return [one for one in self.contacts if one.staff_id in self.on_duty]
        return [one for one in self.contacts if one.role == audience]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Somebody to page: as what, and at which tier."""

    contact: StaffContact
    paged_as: str
    tier: int


def whom_to_page(
    level: str, *, from_tier: int, roster: Roster, besides: Iterable[str] = (), reminds: bool = False
) -> list[Wanted]:
    """Return whom to page when a tier is asked; the next ones at once, while one stands for nobody.

    :param besides: ids of staff who were paged already.
    :param reminds: whether every tier was asked before: about a danger, all of the staff are paged now.
    """
    tiers = TERMS[level].tiers
    everyone = [EVERYONE] if reminds and level in DANGERS else []
    paged_already = set(besides)
    found: dict[str, Wanted] = {}
    for tier in range(from_tier, len(tiers)):
        everybody_stands = True
        besides_it = [PAGED_BESIDES.get(level, tiers[tier][0]), *everyone]
        for audience in dict.fromkeys([tiers[tier][0], *besides_it]):
            people = roster.who_is(audience)
            everybody_stands = everybody_stands and bool(people)
            for contact in people:
                if contact.staff_id not in paged_already:
                    found.setdefault(contact.staff_id, Wanted(contact=contact, paged_as=audience, tier=tier))
        if found and everybody_stands:
            break
    return list(found.values())


@dataclass(eq=False, kw_only=True)
class Page:
    """A page about an escalation, and what became of it."""

    #: Also the id of the notification.
    page_id: str
    escalation_id: str
    patient_id: str
    level: str
    #: The escalation's tier when it was made: pages of one asking belong together.
    asked_tier: int
    #: The tier that the person was paged as, which may be a later one.
    tier: int
    #: Who was paged; the word "fallback" for the tenant's fallback address.
    staff_id: str
    paged_as: str
    paged_at: datetime
    outcome: str | None = None
    settled_at: datetime | None = None
    tenant_id: str = ""

    @property
    def was_missed(self) -> bool:
        """Whether nobody will ever see it."""
        return self.outcome in MISSED

    @property
    def has_left(self) -> bool:
        """Whether it is on its way to somebody; in simulated time, as if it were."""
        return self.outcome is not None and not self.was_missed

    def announced(self) -> Event:
        """Say that it is on its way."""
        return StaffPaged(
            escalation_id=self.escalation_id,
            patient_id=self.patient_id,
            notification_id=self.page_id,
            staff_id=self.staff_id,
            paged_as=self.paged_as,
            tier=self.tier,
            paged_at=self.paged_at,
        )


def page_of(escalation: Escalation, *, staff_id: str, paged_as: str, tier: int, now: datetime) -> Page:
    """Return a page to somebody; made anew whenever a level or a tier is asked."""
    asked = (escalation.level, str(escalation.tier))
    return Page(
        page_id=derived_id(escalation.escalation_id, "page", *asked, paged_as, staff_id),
        escalation_id=escalation.escalation_id,
        patient_id=escalation.patient_id,
        level=escalation.level,
        asked_tier=escalation.tier,
        tier=tier,
        staff_id=staff_id,
        paged_as=paged_as,
        paged_at=now,
    )


def codes_of(escalation: Escalation) -> Mapping[str, str]:
    """Return what a page may say: a reference that says nothing, how urgent, and by when."""
    codes = {"reference": escalation.escalation_id[:8], "level": escalation.level}
    if escalation.acknowledgement_due_at is not None:
        codes["acknowledge_by"] = written(escalation.acknowledgement_due_at)
    return codes


def written(at: datetime) -> str:
    """Return a moment as a text tells it: in UTC, because a page travels with its reader."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def is_urgent(escalation: Escalation) -> bool:
    """Whether quiet hours do not delay its pages: never those about a danger (safety rule)."""
    return escalation.level in DANGERS


def is_unanswered(escalation: Escalation, asking: Sequence[Page]) -> bool:
    """Whether these pages are the newest asking, and nobody has taken the escalation since."""
    if not asking or not escalation.is_open:
        return False
    newest = max(asking, key=lambda page: page.paged_at)
    return (newest.level, newest.asked_tier) == (escalation.level, escalation.tier) and (
        escalation.acknowledged_at is None or escalation.acknowledged_at < newest.paged_at
    )
