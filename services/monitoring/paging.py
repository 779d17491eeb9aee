"""Getting hold of people: who is paged about an escalation, gaps in the roster, the daily proof.

All of it runs in the transaction of what caused it: an escalation that was saved is an escalation
that somebody is being paged about.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import structlog
from prometheus_client import Counter
from sqlalchemy.orm import Session

from services.monitoring import tables
from services.monitoring.domain import on_call, pages, proofs
from services.monitoring.domain.escalations import ON_CALL, TERMS, Escalation
from shared.clock import cancel_timer, set_timer
from shared.contracts import roles
from shared.contracts.common import NotificationSettled
from shared.contracts.monitoring import PagesHeldUp
from shared.database import origin_of
from shared.ids import derived_id
from shared.messaging import announce, announce_all
from shared.notification import notify
from shared.notification.fallback import page_fallback

log = structlog.get_logger()

nobody_to_page = Counter(
    "homeward_nobody_to_page_total", "Times that a danger found nobody to page on the roster."
)
on_call_gaps_begun = Counter(
    "homeward_on_call_gaps_begun_total", "Gaps in a roster that began with nobody on duty."
)


# --- Pages ----------------------------------------------------------------------------------------


def page_tier(db: Session, escalation: Escalation, *, now: datetime) -> None:
    """Page whoever the tier that is asked stands for; the next ones at once, while it is nobody."""
    if escalation.level not in pages.PAGED_LEVELS:
        return
    last = len(TERMS[escalation.level].tiers) - 1
    _page(db, escalation, from_tier=min(escalation.tier, last), now=now)


def is_being_asked(db: Session, escalation: Escalation) -> bool:
    """Return whether whoever announced the danger may leave it to monitoring.

    Somebody has taken it, or a page about its present level has left. That it stands written down here is
    not enough: this process may be gone a moment later, or have no way out. What pages nobody, because it may
    wait or because nobody is there, waits in the work list, or was shouted about.
    """
    if not escalation.is_open or escalation.acknowledged_at is not None or not pages.is_urgent(escalation):
        return True
    paged = [
        page
        for page in tables.pages_of(db, escalation_id=escalation.escalation_id)
        if page.level == escalation.level
    ]
    return not paged or any(page.has_left for page in paged)


def note_settled_page(
    db: Session,
    escalation: Escalation,
    paged: Sequence[pages.Page],
    event: NotificationSettled,
    *,
    now: datetime,
) -> None:
    """Keep what became of a page, and ask the next tier when nobody will see any of this asking.

    :param escalation: what it is about, locked.
    :param paged: all pages about it.
    """
    page = next(one for one in paged if one.page_id == event.notification_id)
    if page.outcome is not None:
        return
    page.outcome, page.settled_at = event.outcome, event.settled_at
    if page.has_left and page.level == escalation.level:
        announce_all(db, escalation.confirm(now=now))
    asking = _of_asking(paged, level=page.level, tier=page.asked_tier)
    if not pages.is_unanswered(escalation, asking):
        return
    if page.has_left:
        cancel_timer(db, "page_not_left", key=escalation.escalation_id)
    elif all(one.was_missed for one in asking):
        _page_further(db, escalation, asking, now=now)


def page_further_unless_left(
    db: Session, escalation: Escalation, *, level: str, tier: int, now: datetime
) -> None:
    """Ask the next tier as well, when no page of this asking has left yet, and have the gateway page.

    It may be this service alone that has no way out.
    """
    paged = tables.pages_of(db, escalation_id=escalation.escalation_id)
    asking = _of_asking(paged, level=level, tier=tier)
    if pages.is_unanswered(escalation, asking) and not any(page.has_left for page in asking):
        announce(
            db,
            PagesHeldUp(
                escalation_id=escalation.escalation_id,
                patient_id=escalation.patient_id,
                level=level,
                tier=tier,
                held_up_at=now,
            ),
        )
        _page_further(db, escalation, asking, now=now)


def _of_asking(paged: Sequence[pages.Page], *, level: str, tier: int) -> list[pages.Page]:
    return [page for page in paged if (page.level, page.asked_tier) == (level, tier)]


def _page_further(db: Session, escalation: Escalation, asking: list[pages.Page], *, now: datetime) -> None:
    if any(page.paged_as == pages.FALLBACK for page in asking):
        return
    _page(
        db,
        escalation,
        from_tier=max(page.tier for page in asking) + 1,
        besides=[page.staff_id for page in asking],
        now=now,
    )


def _page(
    db: Session, escalation: Escalation, *, from_tier: int, besides: Iterable[str] = (), now: datetime
) -> None:
    wanted = pages.whom_to_page(
        escalation.level,
        from_tier=from_tier,
        roster=tables.roster(db, at=now),
        besides=besides,
        reminds=escalation.reminds,
    )
    urgent = pages.is_urgent(escalation)
    zone = tables.time_zone(db) if wanted else ""
    for one in wanted:
        page = pages.page_of(
            escalation, staff_id=one.contact.staff_id, paged_as=one.paged_as, tier=one.tier, now=now
        )
        db.add(page)
        notify(
            db,
            notification_id=page.page_id,
            template="STAFF_PAGE",
            address=one.contact.address,
            about_id=escalation.escalation_id,
            urgent=urgent,
            codes=pages.codes_of(escalation),
            patient_id=escalation.patient_id,
            # A later tier is asked long before: until somebody must have acted, it is still of use.
            give_up_after=TERMS[escalation.level].act_within,
            time_zone=zone,
        )
        announce(db, page.announced())
    if urgent and not wanted:
        nobody_to_page.inc()
    to_fallback = 0
    if urgent and (escalation.reminds or not wanted):
        # Pages that came through and were not answered are no better than pages to nobody.
        to_fallback = _page_fallback(db, escalation, now=now)
    if urgent and (wanted or to_fallback):
        set_timer(
            db,
            "page_not_left",
            key=escalation.escalation_id,
            due_at=now + pages.PAGE_LEAVES_WITHIN,
            data={"level": escalation.level, "tier": escalation.tier},
        )
    db.flush()


def _page_fallback(db: Session, escalation: Escalation, *, now: datetime) -> int:
    """Page the addresses that the tenant keeps for when nobody else can be reached; return how many."""
    addresses = db.info["host"].settings.fallback_addresses_of(origin_of(db).tenant_id)
    log.error("nobody_to_page", reason="FALLBACK_PAGED" if addresses else "NO_FALLBACK_ADDRESS")
    for number, address in enumerate(addresses):
        page = pages.page_of(
            escalation,
            # One page for each address: the first keeps the plain word.
            staff_id=f"{pages.FALLBACK} {number + 1}" if number else pages.FALLBACK,
            paged_as=pages.FALLBACK,
            tier=len(TERMS[escalation.level].tiers),
            now=now,
        )
        db.add(page)
        page_fallback(
            db,
            notification_id=page.page_id,
            address=address,
            about_id=escalation.escalation_id,
            level=escalation.level,
            patient_id=escalation.patient_id,
            give_up_after=TERMS[escalation.level].act_within,
        )
        announce(db, page.announced())
    return len(addresses)


# --- The roster -----------------------------------------------------------------------------------


def look_for_gaps(db: Session, *, now: datetime, day: str | None = None) -> None:
    """Say which gaps the roster has, each once, and which it has no more.

    :param day: the day that begins: those who can fill an open gap are written to again.
    """
    tables.lock_roster(db)
    db.flush()
    found = on_call.gaps(tables.shifts_after(db, since=now), since=now, until=now + on_call.GAPS_FOUND_AHEAD)
    known = list(tables.open_gaps(db))
    had_begun = {gap.gap_id for gap in known if gap.begun}
    new, events = on_call.reconcile(known, found, now=now)
    announce_all(db, events)
    told = [gap for gap in known if gap.is_open and (day or (gap.begun and gap.gap_id not in had_begun))]
    for starts_at, ends_at in new:
        gap_id = derived_id(origin_of(db).tenant_id, "on-call gap", starts_at.isoformat())
        gap = db.get(on_call.Gap, gap_id)
        if gap is None:
            gap = on_call.Gap(gap_id=gap_id, starts_at=starts_at, ends_at=ends_at)
            db.add(gap)
        announce_all(db, gap.find(ends_at=ends_at, now=now))
        known.append(gap)
        told.append(gap)
    for gap in known:
        if gap.is_open and gap.moves_at is not None:
            set_timer(db, "on_call_gap_moves", key=gap.gap_id, due_at=gap.moves_at)
        else:
            cancel_timer(db, "on_call_gap_moves", key=gap.gap_id)
    for gap in told:
        if gap.begun:
            log.error("nobody_on_call")
        if gap.begun and gap.gap_id not in had_begun:
            on_call_gaps_begun.inc()
        _tell_of_gap(db, gap, day=day)


def _tell_of_gap(db: Session, gap: on_call.Gap, *, day: str | None) -> None:
    """Write to those who can fill it; at any hour once it has begun."""
    asked = (roles.SUPERVISOR, roles.MEDICAL_DIRECTOR) if gap.begun else (roles.SUPERVISOR,)
    codes = {"gap_starts_at": pages.written(gap.starts_at)}
    if gap.ends_at is not None:
        codes["gap_ends_at"] = pages.written(gap.ends_at)
    for contact in tables.active_contacts(db):
        if contact.role in asked:
            notify(
                db,
                notification_id=derived_id(gap.task_id, "told", day or "", contact.staff_id),
                template="ON_CALL_GAP",
                address=contact.address,
                about_id=gap.gap_id,
                urgent=gap.begun,
                codes=codes,
                time_zone=tables.time_zone(db),
            )


# --- The daily proof ------------------------------------------------------------------------------


def prove_page_path(db: Session, *, day: str, now: datetime) -> None:
    """Send today's test page to everybody who has the duty and to the fallback, unless that was done."""
    roster = tables.roster(db, at=now)
    place = (origin_of(db).tenant_id, "page proof", day)
    zone = tables.time_zone(db)
    for contact in roster.who_is(ON_CALL):
        _prove(db, place, staff_id=contact.staff_id, address=contact.address, zone=zone, now=now)
    _prove_fallback(db, place, zone=zone, now=now)
    proof_id = derived_id(*place, "nobody")
    if not roster.on_duty and db.get(proofs.Proof, proof_id) is None:
        proof = proofs.Proof(proof_id=proof_id, staff_id=None, asked_at=now)
        db.add(proof)
        has_shift = tables.has_shift_now(db, at=now)
        _break(db, proof, reason=proofs.NO_ADDRESS if has_shift else proofs.NOBODY_ON_CALL, now=now)


def _prove_fallback(db: Session, place: tuple[str, ...], *, zone: str, now: datetime) -> None:
    """Send a test page to each fallback address; one that is none any more needs no mending."""
    tenant_id = origin_of(db).tenant_id
    addresses = {
        derived_id(tenant_id, pages.FALLBACK, address): address
        for address in db.info["host"].settings.fallback_addresses_of(tenant_id)
    }
    for staff_id, address in addresses.items():
        _prove(db, place, staff_id=staff_id, address=address, zone=zone, now=now, to_fallback=True)
    for proof in tables.proofs_to_mend(db):
        if proof.to_fallback and proof.staff_id not in addresses:
            announce_all(db, proof.mend(now=now))


def _prove(
    db: Session,
    place: tuple[str, ...],
    *,
    staff_id: str,
    address: str,
    zone: str,
    now: datetime,
    to_fallback: bool = False,
) -> None:
    proof_id = derived_id(*place, staff_id)
    if db.get(proofs.Proof, proof_id) is not None:
        return
    db.add(proofs.Proof(proof_id=proof_id, staff_id=staff_id, asked_at=now, to_fallback=to_fallback))
    notify(
        db,
        notification_id=proof_id,
        template="PAGE_TEST",
        address=address,
        about_id=proof_id,
        # As every page of a danger goes, so that this very way is shown to be open.
        urgent=True,
        codes={"reference": proof_id[:8]},
        give_up_after=proofs.PROOF_GIVES_UP_AFTER,
        time_zone=zone,
    )
    set_timer(db, "page_path_unproven", key=proof_id, due_at=now + proofs.UNPROVEN_AFTER)


def note_settled_proof(db: Session, event: NotificationSettled, *, now: datetime) -> None:
    """Take what became of a test page for what the way to its reader is worth."""
    proof = db.get(proofs.Proof, event.notification_id, with_for_update=True)
    if proof is None or proof.outcome is not None:
        return
    cancel_timer(db, "page_path_unproven", key=proof.proof_id)
    asked = _is_being_mended(db, proof)
    announce_all(db, proof.settle(outcome=event.outcome, task_is_open=asked, now=now))
    if event.outcome == "SENT":
        db.flush()
        mend(db, staff_id=proof.staff_id, now=now, to_fallback=proof.to_fallback)


def break_unproven(db: Session, *, proof_id: str, now: datetime) -> None:
    """Take a test of which nothing was heard for a broken way."""
    proof = db.get(proofs.Proof, proof_id, with_for_update=True)
    if proof is not None and proof.outcome is None:
        _break(db, proof, reason="FAILED", now=now)


def mend(db: Session, *, staff_id: str | None, now: datetime, to_fallback: bool = False) -> None:
    """Close the tasks about the way to somebody, and about the times when it was a way to nobody.

    That a fallback address is reached puts nobody on duty.
    """
    for proof in tables.proofs_to_mend(db):
        if proof.staff_id == staff_id or (proof.staff_id is None and not to_fallback):
            announce_all(db, proof.mend(now=now))


def _break(db: Session, proof: proofs.Proof, *, reason: str, now: datetime) -> None:
    asked = _is_being_mended(db, proof)
    announce_all(db, proof.broken(reason=reason, task_is_open=asked, now=now))


def _is_being_mended(db: Session, proof: proofs.Proof) -> bool:
    db.flush()
    return any(one.staff_id == proof.staff_id for one in tables.proofs_to_mend(db))
