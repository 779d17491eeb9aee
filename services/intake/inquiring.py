"""First contact: what the ways in of intake do for somebody who may not say who they are."""

import hashlib
import secrets
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from services.intake import answering, asking, tables
from services.intake.domain import assessments, guide, instruments, pre_screens, self_checks, tasks
from services.intake.domain.inquiries import Inquiry, receive
from services.intake.domain.sites import Site
from shared.clock import cancel_timer, set_timer
from shared.contracts.event import Actor
from shared.errors import NotFound
from shared.ids import new_id
from shared.instruments import Pack, newest
from shared.messaging import announce, announce_all

#: Timer of the deadline for calling back; its key is the inquiry.
CALL_BACK_DUE = "call_back_due"

#: Bytes of chance in a key: as many as a digest keeps. It is no id, so that no record of who looked at what
#: takes it for one.
KEY_BYTES = 32
#: Where whoever has the key of an inquiry looks.
STATUS_LINK = "/v1/inquiry-statuses/{status_key}"


# --- Self-checks: nothing here writes ---------------------------------------------------------------


def form_of(db: Session, site: Site, *, now: datetime) -> dict[str, Any]:
    """Return what a self-check asks now."""
    on_duty = tables.somebody_on_duty(db, at=now)
    asked, withheld = self_checks.asked(answering.packs_in_force(db), somebody_on_duty=on_duty)
    return {
        "instruments": [_pack_view(pack) for pack in asked],
        "withheld": withheld,
    } | _help(site, on_duty=on_duty, in_danger=False)


def check(db: Session, site: Site, data: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return what a self-check comes to."""
    weighed = self_checks.weigh(
        _given(data["checks"]),
        sex=data["sex"],
        minor=data["minor"],
        in_force=answering.packs_in_force(db),
    )
    in_danger = bool(weighed.dangers)
    step = guide.self_check_step(in_danger=in_danger)
    return {
        "next_step": step.code,
        "what": step.what,
        "outcomes": [vars(one) for one in weighed.outcomes],
    } | _help(site, on_duty=tables.somebody_on_duty(db, at=now), in_danger=in_danger)


def _given(checks: list[dict[str, Any]]) -> list[tuple[Pack, dict[str, int | None]]]:
    return [(newest(one["instrument"]), one["answers"]) for one in checks]


def _pack_view(pack: Pack) -> dict[str, Any]:
    told = ("instrument", "version", "title", "licence", "locale", "lookback_days")
    return {name: getattr(pack, name) for name in told} | {"items": instruments.item_view(pack)}


def _help(site: Site, *, on_duty: bool, in_danger: bool) -> dict[str, Any]:
    """Return where help is, which every answer begins with: in danger, or while nobody is there."""
    return {
        "crisis": assessments.crisis_content(
            ["DANGER"] if in_danger or not on_duty else [], emergency_phone=site.emergency_phone
        ),
        "notice": None if on_duty else instruments.NOBODY_ON_DUTY,
        "staff_on_duty": on_duty,
        "program_emergency_phone": site.emergency_phone,
    }


# --- Inquiries --------------------------------------------------------------------------------------


def take_in(db: Session, site: Site, data: dict[str, Any], *, now: datetime) -> tuple[Inquiry, str]:
    """Keep an inquiry and have it answered in time; return it with its secret key."""
    key = secrets.token_urlsafe(KEY_BYTES)
    given = _given(data["self_check"])
    weighed = self_checks.weigh(given, sex="UNKNOWN", minor=False, in_force=(), place="self_check")
    inquiry = Inquiry(
        inquiry_id=new_id(),
        patient_id=new_id(),
        site_id=site.site_id,
        status_digest=digest_of(key),
        received_at=now,
        voicemail_safe=data["voicemail_safe"],
        language=data["language"],
        self_check={pack.instrument: dict(answers) for pack, answers in given} or None,
        given_name=data["given_name"],
        phone=data["phone"],
        email=data["email"],
        words=data["words"],
    )
    dangers = [(one.concern, one.level) for one in weighed.dangers]
    asked, events = receive(inquiry, dangers=dangers, site=site)
    db.add(inquiry)
    announce_all(db, events)
    _ask_to_call(db, inquiry, asked)
    return inquiry, key


def pre_screen(
    db: Session, inquiry: Inquiry, site: Site, data: dict[str, Any], *, occasion: str, now: datetime
) -> None:
    """Keep the answers to the questions before the first talk, and a number where there was none.

    Answers that come too late are refused, unless there is a danger in them: it is heard all the same.

    :param occasion: what tells this request from others.
    """
    told = {name: data[name] for name in pre_screens.QUESTIONS}
    answers = pre_screens.Answers(**{**told, "problems": tuple(dict.fromkeys(data["problems"]))})
    dangers = pre_screens.concerns(answers)
    if dangers and not inquiry.takes_pre_screen:
        inquiry.in_danger = True
        for concern, level in dangers:
            announce(db, inquiry.raised(concern, level, at=now, occasion=occasion))
        return
    announce_all(db, inquiry.take_pre_screen(answers, now=now))
    _ask_to_call(db, inquiry, inquiry.take_contact(phone=data["phone"], email=None, site=site, now=now))


def _ask_to_call(db: Session, inquiry: Inquiry, asked: list[tasks.Task]) -> None:
    for task in asked:
        asking.ask(db, task)
        set_timer(db, CALL_BACK_DUE, key=inquiry.inquiry_id, due_at=task.due_at)


def call(db: Session, inquiry: Inquiry, *, outcome: str, actor: Actor, now: datetime) -> None:
    """Keep a call, end the requests that it answers, and ask for what follows."""
    follows = inquiry.record_call(outcome=outcome, actor=actor, now=now)
    _end_calls(db, inquiry, outcome=tasks.DONE, at=now)
    asking.ask(db, follows)


def decide(
    db: Session, inquiry: Inquiry, *, decision: str, why: str | None, actor: Actor, now: datetime
) -> None:
    """Keep what a specialist decided, and ask for what follows: an offer, a talk, how it went elsewhere."""
    announce_all(db, inquiry.decide(decision=decision, why=why, actor=actor, now=now))
    _end_calls(db, inquiry, outcome=tasks.DONE, at=now)
    asking.end(db, task_id=inquiry.decision_task_id(), outcome=tasks.DONE, at=now)
    offer = inquiry.offer_task()
    for task in [*([offer] if offer is not None else []), *inquiry.follow_ups()]:
        asking.ask(db, task)


def become_referral(db: Session, inquiry: Inquiry, *, referral_id: str, at: datetime) -> None:
    """Let an inquiry go on as a referral: whatever was asked about it is done."""
    offer = inquiry.offer_task()
    follow_ups = inquiry.follow_ups()
    inquiry.become_referral(referral_id=referral_id)
    _end_calls(db, inquiry, outcome=tasks.DONE, at=at)
    asking.end(db, task_id=inquiry.decision_task_id(), outcome=tasks.DONE, at=at)
    for task in [*([offer] if offer is not None else []), *follow_ups]:
        asking.end(db, task_id=task.task_id, outcome=tasks.DONE, at=at)


def ask_supervisor(db: Session, inquiry: Inquiry, *, at: datetime) -> None:
    """Ask the supervisor, when nobody has answered by the deadline."""
    for task_id in inquiry.answer_task_ids():
        first = tables.find_task(db, task_id=task_id)
        if inquiry.is_open and first is not None and first.is_open:
            asking.end(db, task_id=first.task_id, outcome=tasks.ESCALATED, at=at)
            asking.ask(db, inquiry.overdue_task(at=at))


def _end_calls(db: Session, inquiry: Inquiry, *, outcome: str, at: datetime) -> None:
    cancel_timer(db, CALL_BACK_DUE, key=inquiry.inquiry_id)
    for task_id in inquiry.call_task_ids():
        asking.end(db, task_id=task_id, outcome=outcome, at=at)


def status_of(db: Session, inquiry: Inquiry, site: Site, *, now: datetime) -> dict[str, Any]:
    """Return where an inquiry stands, for whoever has its key: never who they are."""
    step = guide.inquiry_step(inquiry)
    on_duty = tables.somebody_on_duty(db, at=now)
    open_questions = inquiry.is_open and inquiry.pre_screen is None
    expected = inquiry.call_back_due_at if inquiry.is_open and not inquiry.calls else None
    return {
        "state": inquiry.state,
        "next_step": step.code,
        "what": step.what,
        "bring": step.bring,
        "call_expected_by": expected,
        "questions": pre_screens.questions_asked(somebody_on_duty=on_duty) if open_questions else (),
        "minutes": int(pre_screens.ANSWERED_WITHIN.total_seconds()) // 60,
    } | _help(site, on_duty=on_duty, in_danger=inquiry.in_danger)


def view_of(inquiry: Inquiry) -> dict[str, Any]:
    """Return what the staff see besides the fields: where else the person could begin."""
    if inquiry.pre_screen is None:
        return {"alternatives": []}
    return {"alternatives": list(pre_screens.weigh(pre_screens.read(inquiry.pre_screen)).alternatives)}


def by_key(db: Session, status_key: str, *, lock: bool = False) -> Inquiry:
    """Return the inquiry of whoever has its key.

    :raises NotFound: when nobody has such a key.
    """
    inquiry = tables.find_inquiry_by_key(db, digest=digest_of(status_key), lock=lock)
    if inquiry is None:
        raise NotFound("No such inquiry.", field="status_key")
    return inquiry


def digest_of(status_key: str) -> bytes:
    """Return what is kept of a key: enough to find its inquiry, not enough to open it."""
    return hashlib.sha256(status_key.encode()).digest()
