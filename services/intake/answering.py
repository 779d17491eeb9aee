"""Instruments, answered and offered: what the ways in of intake do in several steps.

All of it runs in one transaction: answers that were kept are answers whose dangers were announced.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from services.intake import asking, tables
from services.intake.domain import (
    admissions,
    assessments,
    duties,
    guide,
    instruments,
    rules,
    suicide_risk,
    tasks,
    timeline,
)
from services.intake.domain.admission_waits import AdmissionWait
from services.intake.domain.episodes import ASSESSED, DECIDED, REFERRED, Episode
from services.intake.domain.people import Patient
from services.intake.domain.sites import Site
from shared.clock import cancel_timer, set_timer
from shared.contracts import roles
from shared.errors import NotFound
from shared.ids import new_id
from shared.instruments import SELF, Due, Pack, newest, pack_of
from shared.messaging import Call, announce, announce_all

if TYPE_CHECKING:
    from shared.messaging.hosting.host import Host

#: Timer of the next suicide screen of somebody at risk; its key is the patient.
SCREEN_AGAIN_DUE = "suicide_screen_again_due"


def licensed_packs(db: Session) -> tuple[str, ...]:
    """Return the packs that ship off and whose licence the operator holds."""
    host: Host = db.info["host"]
    return host.settings.licensed_packs


def rules_in_force(db: Session) -> dict[str, int]:
    """Return the version in force of each pack of the tenant."""
    return rules.in_force(tables.rule_signatures(db), licensed=licensed_packs(db))


def packs_in_force(db: Session) -> list[Pack]:
    """Return the instruments in force, each in the version that was signed."""
    return _packs_among(rules_in_force(db))


def packs_signed(db: Session, signed: Iterable[rules.Signed]) -> list[Pack]:
    """Return the instruments in force among what was signed."""
    return _packs_among(rules.in_force(signed, licensed=licensed_packs(db)))


def _packs_among(in_force: dict[str, int]) -> list[Pack]:
    return [
        pack_of(one.pack, one.version)
        for one in rules.catalogue()
        if one.kind == rules.INSTRUMENT and in_force.get(one.pack) == one.version
    ]


def recorded_for(
    episode: Episode, given: list[instruments.InstrumentAnswers], *, now: datetime, in_force: Collection[str]
) -> assessments.Recorded:
    """Return what instruments told in an episode that an assessment must not overlook.

    :param given: all that the patient answered.
    :param in_force: the packs of rules that are in force.
    """
    return instruments.recorded(_of_episode(given, episode), now=now, in_force=in_force)


def held_since(
    db: Session, episode: Episode, assessment: assessments.Assessment | None, *, now: datetime
) -> list[str]:
    """Return codes of what instruments told that keeps somebody from being admitted.

    What the assessment has weighed is not told again.
    """
    assessed_at = assessment.completed_at if assessment is not None else None
    return instruments.holds_since(_given_in(db, episode), assessed_at=assessed_at, now=now)


def _held(db: Session, episode: Episode, *, now: datetime) -> list[str]:
    """Return codes of all that keeps somebody from being admitted who is on the way."""
    if episode.state not in (REFERRED, ASSESSED, DECIDED):
        return []
    assessment = tables.find_assessment(db, assessment_id=episode.assessment_id)
    weighed = assessment.gate["held_by"] if assessment is not None else []
    return [*weighed, *held_since(db, episode, assessment, now=now)]


def _given_in(db: Session, episode: Episode) -> list[instruments.InstrumentAnswers]:
    return _of_episode(tables.instrument_answers_of(db, patient_id=episode.patient_id), episode)


def _of_episode(
    given: list[instruments.InstrumentAnswers], episode: Episode
) -> list[instruments.InstrumentAnswers]:
    return [one for one in given if one.episode_id == episode.episode_id]


def missing_for(
    episode: Episode,
    patient: Patient,
    site: Site,
    given: list[instruments.InstrumentAnswers],
    *,
    now: datetime,
    in_force: dict[str, int],
) -> tuple[str, ...]:
    """Return the instruments in force that were due before the decision and that nobody has answered yet.

    :param given: all that the patient answered.
    :param in_force: the version in force of each pack of rules.
    """
    place = instruments.place_of(episode, admitted_at=None)
    packs = _packs_among(in_force)
    due = _due_by(given, patient, episode, site, packs=packs, place=place, now=now)
    return tuple(sorted({one.pack.instrument for one in due}))


def _due(
    db: Session,
    patient: Patient,
    episode: Episode,
    site: Site,
    *,
    packs: list[Pack],
    place: tuple[str, datetime] | None,
    now: datetime,
) -> list[Due]:
    """Return what is due for somebody, in turn; the suicide screen also while there is risk."""
    given = tables.instrument_answers_of(db, patient_id=patient.patient_id)
    return _due_by(given, patient, episode, site, packs=packs, place=place, now=now)


def _due_by(
    given: list[instruments.InstrumentAnswers],
    patient: Patient,
    episode: Episode,
    site: Site,
    *,
    packs: list[Pack],
    place: tuple[str, datetime] | None,
    now: datetime,
) -> list[Due]:
    age = patient.age_on(site.local_day(now))
    due = instruments.offered(packs, place=place, age=age, given=given, now=now)
    if place is None:
        return due
    return suicide_risk.in_turn(due, packs, given=given, episode=episode, site=site, now=now)


def keep_answers(
    db: Session, call: Call, known: tables.ToAnswer, *, in_force: list[Pack]
) -> instruments.InstrumentAnswers:
    """Keep what somebody answered, announce every danger in it, and ask humans for what follows.

    :param known: whoever answers, with the open tasks that answers end or ask for.
    """
    data = call.data
    episode, site = _at_site(known.episode, known.site)
    pack = _pack(data["instrument"], data["version"], in_force)
    instruments.check_licence(pack, licensed=licensed_packs(db))
    place = instruments.place_of(episode, admitted_at=known.admitted_at)
    by_patient = call.actor.role == roles.PATIENT
    kept, events = instruments.answer(
        answers_id=new_id(),
        patient=known.patient,
        episode=episode,
        site=site,
        pack=pack,
        place=place[0] if place else None,
        answers=data["answers"],
        rated_by=data["rated_by"],
        mode="REMOTE" if by_patient else data["mode"] or "IN_PERSON",
        given_at=data["given_at"],
        in_force=pack in in_force,
        actor=call.actor,
        now=call.now,
    )
    db.add(kept)
    announce_all(db, events)
    _ask_humans(db, kept, known, site)
    if kept.instrument in suicide_risk.FORMS:
        being_reviewed = any(one.task == suicide_risk.REVIEW_TASK and one.is_open for one in known.tasks)
        given = [*known.earlier, kept]
        _watch_over_risk(db, episode, given, being_reviewed=being_reviewed, now=call.now)
    return kept


def _watch_over_risk(
    db: Session,
    episode: Episode,
    given: list[instruments.InstrumentAnswers],
    *,
    being_reviewed: bool,
    now: datetime,
) -> None:
    """Have somebody at risk screened again in time, and nobody whose risk a screen has ended."""
    risk = suicide_risk.find(given)
    patient_id = episode.patient_id
    if risk is None:
        cancel_timer(db, SCREEN_AGAIN_DUE, key=patient_id)
        return
    set_timer(db, SCREEN_AGAIN_DUE, key=patient_id, due_at=max(now, risk.due_at))
    if risk.waits_for_clinician and not being_reviewed:
        asking.ask(db, risk.review_task(episode, at=now))


def ask_to_screen_again(db: Session, patient_id: str, *, at: datetime) -> None:
    """Ask a clinician to screen somebody at risk who was not screened by then, unless others treat them."""
    risk = suicide_risk.find(tables.instrument_answers_of(db, patient_id=patient_id))
    episode = tables.newest_episode(db, patient_id=patient_id)
    if risk is None or episode is None or _place(db, episode) is None:
        return
    if risk.due_at > at:
        set_timer(db, SCREEN_AGAIN_DUE, key=patient_id, due_at=risk.due_at)
    elif not tables.open_tasks_about(db, patient_id=patient_id, tasks_named=[suicide_risk.SCREEN_AGAIN_TASK]):
        asking.ask(db, risk.task(episode, at=at))


def _ask_humans(db: Session, kept: instruments.InstrumentAnswers, known: tables.ToAnswer, site: Site) -> None:
    """End the tasks that the answers answer, and open those that they ask for."""
    newest_first = sorted([*known.earlier, kept], key=lambda one: one.recorded_at, reverse=True)
    silent = instruments.skipped_in_row(newest_first)
    answered = instruments.answered_tasks(kept)
    wanted = instruments.wanted_tasks(kept, skipped_in_row=silent, site=site)
    for name in answered:
        for task in known.tasks:
            if task.task == name:
                announce_all(db, task.close(outcome=tasks.DONE, at=kept.recorded_at))
    for task in wanted:
        if any(one.task == task.task and one.is_open for one in known.tasks):
            # Somebody is being asked already.
            continue
        db.add(task)
        announce(db, task.opened())


def views_of(
    db: Session,
    kept: list[instruments.InstrumentAnswers],
    call: Call,
    *,
    in_force: list[Pack],
    version: int | None = None,
    known: tables.ToAnswer | None = None,
) -> list[dict[str, Any]]:
    """Return what one person answered and what it amounts to, with where help is where it tells of danger.

    :param known: the person, where that was looked up already.
    """
    if not kept:
        return []
    if known is not None:
        site, on_duty = known.site, known.somebody_on_duty
    else:
        _, site = tables.newest_episode_at_site(db, patient_id=kept[0].patient_id)
        on_duty = tables.somebody_on_duty(db, at=call.now)
    helps: dict[bool, dict[str, Any]] = {}
    shown = []
    for one in kept:
        scored = one.scored(version=version)
        why_not = one.why_not_scored(in_force=in_force)
        in_danger = bool(scored.dangers)
        if in_danger not in helps:
            helps[in_danger] = _help(site, on_duty=on_duty, in_danger=in_danger)
        told = {
            "scored_by_version": version or one.version,
            "status": scored.status,
            "why_not_scored": why_not,
            "scores": [] if why_not else list(scored.scores),
            "missing": scored.missing,
            "reviews": () if why_not else scored.reviews,
            "dangers": scored.dangers,
        }
        shown.append(vars_of(one) | told | helps[in_danger])
    return shown


def vars_of(kept: instruments.InstrumentAnswers) -> dict[str, Any]:
    """Return the fields of what was answered."""
    return {name: value for name, value in vars(kept).items() if not name.startswith("_")}


def due_for(db: Session, call: Call, patient: Patient) -> dict[str, Any]:
    """Return what is due for somebody now, and what must wait until somebody is there."""
    episode, site = _where(db, patient)
    in_force = packs_in_force(db)
    place = _place(db, episode)
    due = _due(db, patient, episode, site, packs=in_force, place=place, now=call.now)
    by_patient = call.actor.role == roles.PATIENT
    on_duty = tables.somebody_on_duty(db, at=call.now)
    asked, withheld = [], []
    for one in due:
        if instruments.may_be_asked(one.pack, by_patient=by_patient, somebody_on_duty=on_duty):
            asked.append(_due_view(one))
        elif SELF in one.pack.raters:
            withheld.append(one.pack.instrument)
    signed = {pack.instrument for pack in in_force}
    shipped = {one.pack for one in rules.catalogue() if one.kind == rules.INSTRUMENT and one.ships_on}
    return {
        "patient_id": patient.patient_id,
        "place": place[0] if place else None,
        "since": place[1] if place else None,
        "due": asked,
        "withheld": withheld,
        "not_signed": [] if by_patient else sorted(shipped - signed),
    } | _help(site, on_duty=on_duty, in_danger=any(one.urgent for one in due))


def due_forms(db: Session, *, patient_ids: list[str], now: datetime) -> list[dict[str, Any]]:
    """Return which instruments staff may put to some patients now, in turn: in as many statements as for one.

    Whom intake does not know, and of whom nothing is due, is left out.
    """
    given = tables.instrument_answers_of_all(db, patient_ids=patient_ids)
    newest_of = tables.newest_episodes(db, patient_ids=patient_ids)
    admitted_at = tables.admitted_at_of(
        db, admission_ids=[one.admission_id for one in newest_of.values() if one.admission_id]
    )
    in_force = packs_in_force(db)
    found = []
    for patient in tables.find_patients(db, patient_ids=patient_ids):
        episode = newest_of.get(patient.patient_id)
        site = tables.find_site(db, site_id=episode.site_id) if episode else None
        if episode is None or site is None:
            continue
        due = _due_by(
            given[patient.patient_id],
            patient,
            episode,
            site,
            packs=in_force,
            place=instruments.place_of(episode, admitted_at=admitted_at.get(episode.admission_id or "")),
            now=now,
        )
        if due:
            found.append({"patient_id": patient.patient_id, "forms": [one.pack.instrument for one in due]})
    return found


def status_of(db: Session, call: Call, patient: Patient) -> dict[str, Any]:
    """Return where somebody stands, with their one next step, and what they can answer now."""
    episode, site = _where(db, patient)
    wait = tables.newest_admission_wait(db, episode_id=episode.episode_id)
    held = _held(db, episode, now=call.now)
    due = due_for(db, call, patient)
    step = guide.next_step(
        episode,
        held=held,
        level_is_here=admissions.is_admissible_level(
            episode.decided_level, site=site, on=site.local_day(call.now)
        ),
        wait=wait,
    )
    return {
        "patient_id": patient.patient_id,
        "episode_id": episode.episode_id,
        "state": episode.state,
        "next_step": step.code,
        "what": step.what,
        "bring": step.bring,
        "next_step_by": _next_step_by(db, episode, wait, held=held),
        "due_instruments": [one["instrument"] for one in due["due"]],
        "program_emergency_phone": site.emergency_phone,
    } | _help(site, on_duty=due["staff_on_duty"], in_danger=bool(held) or due["crisis"] is not None)


def _next_step_by(
    db: Session, episode: Episode, wait: AdmissionWait | None, *, held: list[str]
) -> datetime | None:
    """Return by when the next step is to be done, where there is such a day; of a danger, it is now."""
    if held:
        return None
    if wait is not None and wait.offer_expires_at is not None:
        return wait.offer_expires_at
    due: list[datetime | None] = []
    if episode.awaits_decision:
        due.append(episode.decision_due_at)
    if episode.state == REFERRED:
        stepping_down = tables.newest_step_down(db, episode_id=episode.episode_id)
        if stepping_down is not None and stepping_down.contacted_at is None:
            due.append(stepping_down.contact_due_at)
        assessment = tables.find_task(db, task_id=timeline.assessment_task_id(episode.episode_id))
        if assessment is not None and assessment.is_open:
            due.append(assessment.due_at)
    if episode.outward_referral_id is not None:
        follow_ups = tables.follow_ups_of(db, outward_referral_id=episode.outward_referral_id)
        due += [one.due_at for one in follow_ups if one.recorded_at is None]
    return min((one for one in due if one is not None), default=None)


def _due_view(due: Due) -> dict[str, Any]:
    pack = due.pack
    return {
        "instrument": pack.instrument,
        "version": pack.version,
        "title": pack.title,
        "licence": pack.licence,
        "locale": pack.locale,
        "lookback_days": pack.lookback_days,
        "due_at": due.due_at,
        "because": due.because,
        "overdue": due.overdue,
        "urgent": due.urgent,
        "rated_by": pack.raters,
        "stem": pack.stem,
        "items": instruments.item_view(pack),
    }


def _help(site: Site | None, *, on_duty: bool, in_danger: bool) -> dict[str, Any]:
    """Return whether somebody is there now, and where help is: in danger, or while nobody is."""
    return {
        "staff_on_duty": on_duty,
        "notice": None if on_duty else instruments.NOBODY_ON_DUTY,
        "crisis": assessments.crisis_content(
            ["DANGER"] if in_danger or not on_duty else [],
            emergency_phone=site.emergency_phone if site else None,
        ),
    }


def _where(db: Session, patient: Patient) -> tuple[Episode, Site]:
    return _at_site(*tables.newest_episode_at_site(db, patient_id=patient.patient_id))


def _at_site(episode: Episode | None, site: Site | None) -> tuple[Episode, Site]:
    if episode is None or site is None:
        raise NotFound("No such patient.", field="patient_id")
    return episode, site


def _place(db: Session, episode: Episode) -> Any:
    admission = tables.find_admission(db, admission_id=episode.admission_id)
    return instruments.place_of(episode, admitted_at=admission.admitted_at if admission else None)


def _pack(instrument: str, version: int | None, in_force: list[Pack]) -> Pack:
    if version is not None:
        return pack_of(instrument, version)
    return next((pack for pack in in_force if pack.instrument == instrument), None) or newest(instrument)


def duty_of(db: Session, shift_id: str) -> duties.Duty:
    """Return a duty, made when it is told of for the first time."""
    known = tables.find_duty(db, shift_id=shift_id)
    if known is None:
        known = duties.Duty(shift_id=shift_id)
        db.add(known)
    return known
