"""What care would cost somebody, what they pay of it, and the estimate owed to whoever pays themself."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from services.intake import answering, asking, finding, tables
from services.intake.domain import admissions, costs, funding, rules, self_pay, sliding_fees
from services.intake.domain.coverage import Coverage
from services.intake.domain.episodes import Episode
from services.intake.domain.sites import Site
from services.intake.domain.tasks import DONE, ESCALATED, WITHDRAWN
from shared.clock import cancel_timer, set_timer
from shared.contracts.event import Actor
from shared.contracts.intake import SELF_PAY
from shared.contracts.scheduling import ScheduleConfirmed
from shared.errors import InvalidInput, NotFound, TooEarly
from shared.ids import new_id
from shared.messaging import announce

#: Timer of the moment by which a good-faith estimate is owed; its key is the episode.
ESTIMATE_DUE = "good_faith_estimate_due"

#: Level that is assumed while none is decided: the program's own.
_USUAL_LEVEL = "2.1"


def set_rate(db: Session, data: dict[str, Any], *, actor: Actor, now: datetime) -> costs.Rate:
    """Keep what a day costs from a day on."""
    rate = costs.Rate(
        rate_id=new_id(), recorded_by=actor.actor_id, recorded_by_role=actor.role, recorded_at=now, **data
    )
    db.add(rate)
    return rate


def estimate(
    db: Session, episode: Episode, site: Site, data: dict[str, Any], *, actor: Actor, now: datetime
) -> costs.Estimate:
    """Tell somebody what care would cost; of whoever pays themself it is the estimate in good faith.

    :raises NotFound: when the cover is not there, or is somebody else's.
    :raises InvalidInput: when the cover is not active, or is named beside self_pay.
    :raises NoRate: when nobody has told what a day costs.
    """
    own = _self_pay(db, episode)
    cover = _cover(db, episode, data, pays_themself=own.pays)
    level = data["level"] or episode.decided_level
    told = "LEVEL" if level else "LEVEL_NOT_DECIDED"
    level = level or _USUAL_LEVEL
    units, about_days = costs.check_units(
        data["units"], weeks=admissions.PLANNED_WEEKS, days_a_week=own.days_a_week
    )
    today = site.local_day(now)
    payer = cover.payer if cover else SELF_PAY
    rate = costs.rate_on(tables.rates_of(db, site_id=site.site_id), payer=payer, level=level, day=today)
    if cover is not None:
        answered_on = site.local_day(cover.answered_at)
        share = costs.insured(
            cover,
            allowed=rate.amount,
            units=units,
            answered_on=answered_on,
            begins=today,
            days_a_week=own.days_a_week or costs.USUAL_DAYS_A_WEEK,
        )
    else:
        fee = tables.newest_fee_assessment(db, patient_id=episode.patient_id, at=now)
        share = costs.self_paid(
            price=rate.amount, units=units, share_percent=fee.pays_percent if fee else None
        )
    found = costs.Estimate(
        estimate_id=new_id(),
        patient_id=episode.patient_id,
        episode_id=episode.episode_id,
        journey_id=episode.journey_id,
        payer=payer,
        coverage_id=cover.coverage_id if cover else None,
        level=level,
        units=units,
        amount=rate.amount,
        total=share.total,
        person_pays_least=share.least,
        person_pays_most=share.most,
        assumptions=[costs.assumption(told, count=level), about_days, *share.assumptions],
        good_faith=cover is None,
        made_at=now,
        made_by=actor.actor_id,
        made_by_role=actor.role,
    )
    db.add(found)
    if found.good_faith:
        if own.estimate_id is not None:
            asking.end(db, task_id=own.exceeded_task(now=now).task_id, outcome=DONE, at=now)
        own.give(found)
        settle(db, own, episode, site, now=now)
    return found


def estimates_view(db: Session, episode: Episode) -> dict[str, Any]:
    """Return what somebody was told in an episode, and how a bill for what was delivered stands to it."""
    own = tables.find_self_pay(db, episode_id=episode.episode_id)
    days = tables.billable_days_of(db, episode_id=episode.episode_id)
    return {
        "patient_id": episode.patient_id,
        "episode_id": episode.episode_id,
        "items": tables.estimates_of(db, episode_id=episode.episode_id),
        "good_faith_due_at": own.due_at if own else None,
        "good_faith_given": own is not None and own.estimate_id is not None,
        "days_delivered": days,
        "over_by": own.over_by(days) if own and own.pays else 0,
        "may_be_disputed": bool(own and own.pays and own.may_be_disputed(days)),
    }


def assess_fee(
    db: Session, episode: Episode, data: dict[str, Any], *, actor: Actor, now: datetime
) -> sliding_fees.FeeAssessment:
    """Work out what somebody pays by household and income, under the table that is signed and holds today.

    :raises SlidingFeeNotSigned: when there is none.
    """
    site = tables.find_site(db, site_id=episode.site_id)
    assert site is not None  # an episode is at a site that is open
    versions = rules.versions_in_force(
        sliding_fees.CODE, tables.rule_signatures(db), licensed=answering.licensed_packs(db)
    )
    listed = tables.find_program_of_site(db, site_id=site.site_id)
    found = sliding_fees.assess(
        sliding_fees.in_effect(versions, today=site.local_day(now)),
        fee_assessment_id=new_id(),
        patient_id=episode.patient_id,
        episode_id=episode.episode_id,
        journey_id=episode.journey_id,
        household_size=data["household_size"],
        yearly_income=data["yearly_income"],
        proof=data["proof"],
        state=listed.state if listed else None,
        actor=actor,
        now=now,
    )
    db.add(found)
    return found


def funding_view(db: Session, episode: Episode, *, now: datetime) -> dict[str, Any]:
    """Return the ways to pay without cover that may be open to somebody; none while a payer covers them."""
    covered = any(one.status == "ACTIVE" for one in tables.coverages_of(db, patient_id=episode.patient_id))
    own = tables.find_self_pay(db, episode_id=episode.episode_id)
    covered = covered and not (own is not None and own.pays)
    referral = tables.find_referral(db, referral_id=episode.referral_id)
    assessment = tables.find_assessment(db, assessment_id=episode.assessment_id)
    fee = tables.newest_fee_assessment(db, patient_id=episode.patient_id, at=now)
    known = funding.circumstances(
        teds_codes=referral.teds if referral else {},
        findings=assessment.findings if assessment else None,
        percent_of_guideline=fee.percent_of_guideline if fee else None,
        pays_percent=fee.pays_percent if fee else None,
    )
    return {
        "patient_id": episode.patient_id,
        "episode_id": episode.episode_id,
        "covered": covered,
        "paths": [] if covered else funding.paths(known),
    }


# --- Whoever pays themself ------------------------------------------------------------------------


def declare(
    db: Session, episode: Episode, site: Site, *, reason: str, asks: bool, now: datetime
) -> self_pay.SelfPay:
    """Keep that somebody pays themself, and whether they ask what it would cost."""
    own = _self_pay(db, episode)
    own.declare(reason=reason, at=now)
    if asks:
        own.request(at=now)
    settle(db, own, episode, site, now=now)
    return own


def use_cover(
    db: Session, episode: Episode, site: Site, *, used_from: date, because: str, actor: Actor, now: datetime
) -> self_pay.SelfPay:
    """Keep that somebody uses their cover after all; they pay themself still where no payer covers them.

    :raises CoverIsUsed: when they had not said that they do not.
    :raises InvalidInput: when the day from which on lies ahead.
    """
    own = _self_pay(db, episode)
    own.use_cover(site=site, used_from=used_from, because=because, actor=actor, now=now)
    states = {one.status for one in tables.coverages_of(db, patient_id=episode.patient_id)}
    if states == {"INACTIVE"}:
        own.declare(reason=self_pay.COVER_INACTIVE, at=now)
    elif own.estimate_id is not None:
        asking.end(db, task_id=own.exceeded_task(now=now).task_id, outcome=WITHDRAWN, at=now)
    settle(db, own, episode, site, now=now)
    return own


def note_week(db: Session, event: ScheduleConfirmed, *, now: datetime) -> None:
    """Know of a week that somebody agreed on: it starts the clock of whoever pays themself."""
    found = tables.episode_at_site(db, episode_id=event.episode_id)
    if found is None:
        raise TooEarly
    episode, site = found
    own = _self_pay(db, episode)
    own.note_week(first_session_at=event.first_session_at, days=event.days, confirmed_at=event.confirmed_at)
    settle(db, own, episode, site, now=now)


def note_covers(db: Session, covers: Sequence[Coverage], *, patient_id: str, now: datetime) -> None:
    """Know from payers' answers whether somebody pays themself: none covers them, and one said so."""
    episode = tables.lock_open_episode(db, patient_id=patient_id)
    site = tables.find_site(db, site_id=episode.site_id) if episode else None
    if episode is None or site is None:
        return
    states = {one.status for one in covers}
    own = tables.lock_self_pay(db, episode_id=episode.episode_id)
    if own is None and states != {"INACTIVE"}:
        return
    own = own or _self_pay(db, episode)
    if states == {"INACTIVE"}:
        own.declare(reason=self_pay.COVER_INACTIVE, at=now)
    elif "ACTIVE" in states:
        own.take_back()
    settle(db, own, episode, site, now=now)


def settle(db: Session, own: self_pay.SelfPay, episode: Episode, site: Site, *, now: datetime) -> None:
    """Ask for the estimate that is owed, by when it is owed, or for none any more."""
    own.settle(
        site=site, closed=finding.holidays(db, site, since=own.scheduled_at or own.requested_at or now)
    )
    if not own.is_owed() or not episode.is_open:
        outcome = DONE if own.estimate_id is not None else WITHDRAWN
        _end_estimate_tasks(db, own, outcome=outcome, at=now)
        cancel_timer(db, ESTIMATE_DUE, key=own.episode_id)
        return
    assert own.due_at is not None  # it is owed
    task = own.estimate_task(now=now)
    known = tables.find_task(db, task_id=task.task_id)
    if known is None:
        asking.ask(db, task)
    elif known.is_open and known.due_at != own.due_at:
        known.due_at = own.due_at
        announce(db, known.opened())
    set_timer(db, ESTIMATE_DUE, key=own.episode_id, due_at=own.due_at)


def escalate(db: Session, episode_id: str, *, at: datetime) -> None:
    """Ask the supervisor for an estimate that was not given in time."""
    own = tables.lock_self_pay(db, episode_id=episode_id)
    if own is None or own.due_at is None or not own.is_owed() or at < own.due_at:
        return
    asking.end(db, task_id=own.estimate_task(now=at).task_id, outcome=ESCALATED, at=at)
    asking.ask(db, own.estimate_task(now=at, overdue=True))


def watch_bill(db: Session, own: self_pay.SelfPay, *, now: datetime) -> None:
    """Ask somebody to look at the bill of whoever pays themself once it passes what they were told."""
    if not own.pays or own.estimate_id is None:
        return
    if own.may_be_disputed(tables.billable_days_of(db, episode_id=own.episode_id)):
        asking.ask(db, own.exceeded_task(now=now))


def _end_estimate_tasks(db: Session, own: self_pay.SelfPay, *, outcome: str, at: datetime) -> None:
    for task in tables.open_tasks_of(db, episode_id=own.episode_id, task=self_pay.ESTIMATE_TASK):
        asking.end(db, task_id=task.task_id, outcome=outcome, at=at)


def _self_pay(db: Session, episode: Episode) -> self_pay.SelfPay:
    """Return what is known of how somebody pays themself, locked; made when it is asked for first."""
    tables.take_turn(db, tenant_id=episode.tenant_id, about=f"self_pay:{episode.episode_id}".encode())
    known = tables.lock_self_pay(db, episode_id=episode.episode_id)
    if known is None:
        known = self_pay.SelfPay(
            episode_id=episode.episode_id,
            patient_id=episode.patient_id,
            journey_id=episode.journey_id,
            site_id=episode.site_id,
        )
        db.add(known)
    return known


def _cover(db: Session, episode: Episode, data: dict[str, Any], *, pays_themself: bool) -> Coverage | None:
    """Return the cover that would pay; none where the person pays themself."""
    named = data["coverage_id"]
    covers = tables.coverages_of(db, patient_id=episode.patient_id)
    active = [one for one in covers if one.status == "ACTIVE"]
    if named is None:
        if data["self_pay"] or pays_themself:
            return None
        return next(iter(sorted(active, key=lambda one: one.in_network is not True)), None)
    if data["self_pay"]:
        raise InvalidInput("Either a cover pays, or the person.", field="self_pay", rule="not beside a cover")
    if named not in {one.coverage_id for one in covers}:
        raise NotFound("No such cover.", field="coverage_id")
    for one in active:
        if one.coverage_id == named:
            return one
    raise InvalidInput("The cover does not pay.", field="coverage_id", rule="an active cover")
