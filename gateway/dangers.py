"""A danger told at the door that its own service did not take: the gateway hears it.

Each service hears the dangers in what it is told, also while the gateway's own database is away: a
command needs nothing of it. While the service is away, or where it refuses what holds a danger, the gateway
announces the danger itself, in its own transaction. So it waits for monitoring in the outbox, and the watch
over dangers pages by the gateway's own path where monitoring stays away. Of the request nothing else is kept,
and whoever sent it is told so.

Where service and database are both away, somebody is paged at once (see :mod:`gateway.unwritten`). The answer
is then the refusal, with what was heard: nothing stands anywhere yet, and the request is to come again.

The command's id stands for what was told: the same request that does reach its service later tells
monitoring nothing new.

A patient's report that nobody can read may hold a danger: somebody is asked to find out. What broke off on
its way comes again by itself, and whoever else sends something unreadable is told so: nobody is asked then.
"""

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import eventlet
import structlog
from marshmallow import fields
from sqlalchemy.orm import Session

from gateway import repeats, tables
from gateway.http import Request
from gateway.problems import CALL, CRISIS_LINES, Heard
from shared import dangers
from shared.contracts import roles
from shared.contracts.aftercare import LAPSE_SUBSTANCES
from shared.contracts.common import CONCERNS, SafetyConcernRaised
from shared.dangers import Concern
from shared.database import Origin
from shared.errors import Refusal, TooLarge, Unavailable
from shared.ids import derived_id, new_id
from shared.instruments import NoSuchInstrument, Pack, newest, pack_of
from shared.messaging import STAFF, announce
from shared.messaging.commands import CommandIdReused

log = structlog.get_logger()

#: Whose word on a danger is heard: of whoever may raise a safety concern.
HEARD_ROLES = (*STAFF, roles.PATIENT, roles.PARTNER)
#: The least level that is heard though the request was refused. A wish for help (E2) is heard only where
#: nobody could look at the request: who is told what to mend can wish again.
LEAST_THOUGH_REFUSED = "E3"
#: The levels that whoever raises a concern may name; E3 where they name none.
CONCERN_LEVELS = ("E3", "E4")
#: Seconds that writing a danger down may take before somebody is paged instead: a database may have hung.
#: Design default: longer than waiting in vain for a connection of the pool, for a new one, and for a lock.
WRITTEN_WITHIN_SECONDS = 8.0
#: The most points of CIWA-Ar and COWS.
MOST_POINTS = {"ciwa_ar": 67, "cows": 48}

#: What is said of a danger that the gateway heard in a service's place, then of the rest of the request.
PASSED_ON = "That help is needed was passed on, and the staff on duty are asked."
NOT_KEPT = "The {rest} itself was not kept: send it again later."
REFUSED = "The {rest} itself was refused: send it again, mended."
#: What is said where somebody was paged at once, and where nobody could read anything.
PAGED = "Somebody is being paged. Nothing could be written down: send it again later."
UNREADABLE = "Nobody could read this. The staff are asked to get in touch. Send it again, mended."


@dataclass(frozen=True, kw_only=True)
class Told:
    """How a danger is told by one route."""

    #: Finds the dangers in path and body together, whatever else is wrong with them.
    seen: Callable[[dict[str, Any]], list[Concern]]
    #: What is to be sent again, in words; empty where the danger is all there is.
    rest: str = ""
    #: The list in the body of which each part is about somebody of their own; empty where all of it is about
    #: the same.
    each: str = ""
    #: What it tells where a patient sent it and nobody can read it.
    unread: Concern = dangers.UNREAD


# --- Reading: what is not what it should be tells nothing, and never hides the rest -----------------


def _yes(value: Any) -> bool:
    """Return whether a schema would read a yes."""
    return isinstance(value, str | int) and value in fields.Boolean.truthy


def _part(told: dict[str, Any], name: str) -> dict[str, Any]:
    found = told.get(name)
    return found if isinstance(found, dict) else {}


def _word(told: dict[str, Any], name: str) -> str:
    found = told.get(name)
    return found if isinstance(found, str) else ""


def _substance(told: dict[str, Any]) -> str:
    """Return what was used; what nobody here knows may be what kills."""
    found = _word(told, "substance")
    return found if found in LAPSE_SUBSTANCES else "UNKNOWN"


def _points(told: dict[str, Any], name: str) -> int | None:
    found = told.get(name)
    return found if type(found) is int and 0 <= found <= MOST_POINTS[name] else None


def _id(told: dict[str, Any], name: str) -> str | None:
    try:
        return str(UUID(_word(told, name)))
    except ValueError:
        return None


# --- How a danger is seen, by route -----------------------------------------------------------------


def _in_check_in(told: dict[str, Any]) -> list[Concern]:
    return dangers.in_check_in(
        danger=_yes(told.get("danger")), used=_yes(told.get("used")), substance=_substance(told)
    )


def _in_drug_test(told: dict[str, Any]) -> list[Concern]:
    found = told.get("positives")
    if not isinstance(found, list):
        return []
    # As in a check-in, what nobody here knows may be what kills.
    return dangers.in_drug_test(one if one in LAPSE_SUBSTANCES else "UNKNOWN" for one in found)


def _in_concern(told: dict[str, Any]) -> list[Concern]:
    concern, level = _word(told, "concern"), _word(told, "level")
    if not concern:
        return []
    # A word that nobody here knows is somebody who calls for help all the same.
    known = concern if concern in CONCERNS else "DANGER_ANSWER"
    return [(known, level if level in CONCERN_LEVELS else "E3")]


def _in_lapse(told: dict[str, Any]) -> list[Concern]:
    if not _word(told, "substance") and not (_yes(told.get("danger")) or _yes(told.get("overdose"))):
        return []
    return dangers.in_lapse(
        substance=_substance(told), danger=_yes(told.get("danger")), overdose=_yes(told.get("overdose"))
    )


def _in_attempt(told: dict[str, Any]) -> list[Concern]:
    used, danger, overdose, need_help = (
        _yes(told.get(name)) for name in ("used", "danger", "overdose", "need_help")
    )
    if not (used or danger or overdose or need_help):
        return []
    # Nobody overdoses without having used.
    substance = _substance(told) if used or overdose else dangers.NO_USE
    return dangers.in_lapse(substance=substance, danger=danger, overdose=overdose, need_help=need_help)


def _in_inquiry(told: dict[str, Any]) -> list[Concern]:
    checks = told.get("self_check")
    # Without consent nothing is kept of what somebody tells who says not even who they are.
    if not _yes(told.get("consent")) or not isinstance(checks, list):
        return []
    return [concern for one in checks if isinstance(one, dict) for concern in _in_answers(one)]


def _in_answers(told: dict[str, Any]) -> list[Concern]:
    pack = _pack(told)
    return dangers.in_answers(pack, _part(told, "answers")) if pack is not None else []


def _pack(told: dict[str, Any]) -> Pack | None:
    """Return the version of an instrument that was answered, or the newest where there is no such version."""
    instrument, version = _word(told, "instrument"), told.get("version")
    try:
        return pack_of(instrument, version if type(version) is int else None)
    except NoSuchInstrument:
        pass
    try:
        return newest(instrument)
    except NoSuchInstrument:
        return None


def _in_pre_screen(told: dict[str, Any]) -> list[Concern]:
    flags = ("overdose_last_72h", "withdrawing_now", "seizure_or_dt_history", "pregnant")
    return dangers.in_pre_screen(
        suicidal_intent=_word(told, "suicidal_intent"), **{name: _yes(told.get(name)) for name in flags}
    )


def _in_assessment(told: dict[str, Any]) -> list[Concern]:
    signs, danger = _part(told, "withdrawal"), _part(told, "danger")
    rated = told.get("dimensions")
    found = dangers.in_withdrawal(
        ciwa_ar=_points(signs, "ciwa_ar"),
        cows=_points(signs, "cows"),
        complicated_now=_yes(signs.get("seizure_or_dt_now")) or _yes(signs.get("hallucinations")),
        pregnant_withdrawing=_yes(signs.get("pregnant_withdrawing")),
        overdose_last_72h=_yes(signs.get("overdose_last_72h")),
    ) + dangers.in_assessment(
        suicidal_intent=_word(danger, "suicidal_intent"),
        violence_threat=_yes(danger.get("violence_threat")),
    )
    imminent = dangers.is_rated_imminent(
        rated if isinstance(rated, list) else (), _part(told, "subdimensions")
    )
    return dangers.with_rating(found, imminent=imminent)


def _in_check_out(told: dict[str, Any]) -> list[Concern]:
    return dangers.in_check_out(_word(told, "answer"))


#: Every route by which a danger can be told, and how it is seen there. Each names :func:`hear` besides.
TOLD_BY = {
    "submit_inquiry": Told(seen=_in_inquiry, rest="inquiry"),
    "submit_pre_screen": Told(seen=_in_pre_screen, rest="set of answers"),
    "complete_assessment": Told(seen=_in_assessment, rest="assessment"),
    "answer_instrument": Told(seen=_in_answers, rest="set of answers"),
    "check_out": Told(seen=_in_check_out, rest="check-out"),
    "record_roster": Told(seen=_in_check_out, rest="roster", each="marks"),
    "submit_check_in": Told(seen=_in_check_in, rest="check-in"),
    "record_drug_test": Told(seen=_in_drug_test, rest="result"),
    # By its address alone a patient calls for help.
    "raise_safety_concern": Told(seen=_in_concern, unread=("DANGER_ANSWER", "E3")),
    "record_contact_attempt": Told(seen=_in_attempt, rest="attempt"),
    "report_lapse": Told(seen=_in_lapse, rest="report"),
}


# --- Hearing ----------------------------------------------------------------------------------------


def hear(request: Request, refusal: Refusal) -> Heard | None:
    """Announce the danger in a request that its service did not take; return what is told of it.

    :returns: None where there is no danger in it.
    :raises Refusal: when nobody can read it, and nobody is asked what it told.
    """
    if request.known_caller.actor.role not in HEARD_ROLES:
        return None
    nobody_looked = refusal.status >= 500
    try:
        found = _found_in(request, least="E2" if nobody_looked else LEAST_THOUGH_REFUSED)
    except Refusal as why:
        if not request.known_caller.is_patient or not _stays_unread(request, refusal, why):
            raise
        request.read_as_empty()
        found = [_Found(told=dict(request.ids), concerns=[TOLD_BY[request.name].unread], part=())]
    if not found:
        return None
    log.warning("danger_heard_at_door", route=request.name, request_id=request.correlation_id)
    return _written_or_paged(request, refusal, found)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """The dangers in what a request tells of one person."""

    #: What it says of them, and where they are named.
    told: dict[str, Any]
    concerns: list[Concern]
    #: The place of the part of the request that it is; none where that is all of it.
    part: tuple[str, ...]

    @property
    def seat_id(self) -> str | None:
        """Return the seat by which they are named, if they are."""
        return _id(self.told, "seat_id")

    @property
    def gravest(self) -> Concern:
        """Return the concern whose level is the highest."""
        return max(self.concerns, key=lambda one: one[1])

    def concern_id(self, command_id: str, concern: str) -> str:
        """Return the identity of a concern, the same however often the command comes."""
        return derived_id(command_id, "concern", concern, *self.part)


def _found_in(request: Request, *, least: str) -> list[_Found]:
    found = []
    for part, told in _parts_of(request):
        seen = dangers.gravest(TOLD_BY[request.name].seen(told))
        concerns = [(concern, level) for concern, level in seen if level >= least]
        if concerns:
            found.append(_Found(told=told, concerns=concerns, part=part))
    return found


def _parts_of(request: Request) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """Return what a request tells, person by person; where of several, each part by its place."""
    each = TOLD_BY[request.name].each
    if not each:
        return [((), {**request.told, **request.ids})]
    listed = request.told.get(each)
    parts = listed if isinstance(listed, list) else []
    return [((str(place),), one) for place, one in enumerate(parts) if isinstance(one, dict)]


def _stays_unread(request: Request, refusal: Refusal, why: Refusal) -> bool:
    """Return whether nobody can read a body however often it comes: too large, or all there and no JSON."""
    return request.readable or isinstance(refusal, TooLarge) or isinstance(why, TooLarge)


def _written_or_paged(request: Request, refusal: Refusal, found: list[_Found]) -> Heard:
    """Announce what was told, or page about it where that cannot be written down; return what is told of it.

    :raises Exception: when neither can be done.
    """
    try:
        command_id = request.command_id
    except Refusal:
        # Without a key nobody knows the request again.
        command_id = new_id()

    def announce_it() -> tuple[dict[str, str], bool]:
        try:
            with eventlet.Timeout(WRITTEN_WITHIN_SECONDS):
                return _announce_once(request, refusal, found, command_id=command_id)
        except eventlet.Timeout:
            raise Unavailable("The database does not answer.") from None

    # What nobody could read was heard by nobody, though somebody is asked about it.
    heard = [concern for one in found for concern in one.concerns if concern != dangers.UNREAD]
    told = tuple(dict.fromkeys(name for name, _ in heard))
    try:
        own, replayed = announce_it()
    except Exception as error:
        gravest = max(found, key=lambda one: one.gravest[1])
        concern, level = gravest.gravest
        log.error("danger_not_announced", route=request.name, error=type(error).__name__)
        if not request.door.unwritten.take(
            gravest.concern_id(command_id, concern),
            tenant_id=request.known_caller.tenant_id,
            level=level,
            write=announce_it,
        ):
            raise
        return Heard(concerns=told, notice=f"{PAGED} {CALL}", send_again=True, crisis_lines=CRISIS_LINES)
    return Heard(
        concerns=told,
        notice=_notice(request, refusal, told),
        send_again=bool(TOLD_BY[request.name].rest) or not told,
        crisis_lines=own | CRISIS_LINES,
        kept=True,
        replayed=replayed,
    )


def _notice(request: Request, refusal: Refusal, told: tuple[str, ...]) -> str:
    """Return what is said plainly of what was told, and of the rest of the request."""
    rest = TOLD_BY[request.name].rest
    if not told:
        return f"{UNREADABLE} {CALL}"
    if not rest:
        return f"{PASSED_ON} {CALL}"
    of_the_rest = (NOT_KEPT if refusal.status >= 500 else REFUSED).format(rest=rest)
    return f"{PASSED_ON} {of_the_rest} {CALL}"


def _announce_once(
    request: Request, refusal: Refusal, found: list[_Found], *, command_id: str
) -> tuple[dict[str, str], bool]:
    """Announce what was told, unless that was done; return the program's own number, and whether it was."""

    def announce_it(db: Session, origin: Origin) -> dict[str, Any]:
        whom = _announce_each(db, request, found, origin)
        # What is about several people is about none of them alone.
        about, of_episode = whom[0] if len(whom) == 1 else (None, None)
        # Nobody outside learns from a number at which site somebody is treated.
        line = tables.emergency_line_of(
            db,
            tenant_id=origin.tenant_id,
            episode_id=None if request.known_caller.is_outside else of_episode,
        )
        return {"patient_id": about, "lines": {"program_emergency_line": line} if line else {}}

    def once(command_id: str) -> tuple[dict[str, str], bool]:
        kept, replayed = repeats.first_answer(
            request, announce_it, command_id=command_id, action="hear_danger"
        )
        # What the version before kept has no such part.
        return kept.get("lines", {}), replayed

    if refusal.code != CommandIdReused().code:
        with contextlib.suppress(CommandIdReused):
            return once(command_id)
    # The key stands for something else that was told: this is told besides.
    return once(derived_id(command_id, "besides", hashlib.sha256(repeats.said(request)).hexdigest()))


def _announce_each(
    db: Session, request: Request, found: list[_Found], origin: Origin
) -> list[tuple[str, str | None]]:
    """Announce every danger that was found; return whom each part is about, and in which episode."""
    command_id = str(origin.causation_id)
    seat_ids = [one.seat_id for one in found if one.seat_id is not None]
    holders = tables.holders_of(db, tenant_id=origin.tenant_id, seat_ids=seat_ids) if seat_ids else {}
    whom = [_whom(db, request, one, command_id=command_id, holders=holders) for one in found]
    for one, (patient_id, episode_id) in zip(found, whom, strict=True):
        for concern, level in one.concerns:
            announce(
                db,
                SafetyConcernRaised(
                    concern_id=one.concern_id(command_id, concern),
                    patient_id=patient_id,
                    concern=concern,
                    level=level,
                    evidence_id=command_id,
                    raised_at=origin.now,
                    episode_id=episode_id,
                ),
            )
    return whom


def _whom(
    db: Session,
    request: Request,
    found: _Found,
    *,
    command_id: str,
    holders: Mapping[str, tuple[str, str]],
) -> tuple[str, str | None]:
    """Return whom what was told is about, and in which episode, as far as anybody here knows.

    Whoever says so of themselves is heard, whatever they name besides.

    :param holders: whose seats are, and in which episode.
    """
    caller, data = request.known_caller, found.told
    tenant_id, episode_id = caller.tenant_id, _id(data, "episode_id")
    owner = (
        tables.patient_of_episode(db, tenant_id=tenant_id, episode_id=episode_id)
        if episode_id is not None
        else None
    )
    if caller.is_patient:
        own = caller.actor.actor_id
        return own, episode_id if owner == own else None
    contact_id = _id(data, "contact_id")
    asked = (
        tables.patient_of_task_about(db, tenant_id=tenant_id, about_id=contact_id)
        if contact_id is not None
        else None
    )
    named = _id(data, "patient_id") or owner or asked
    if named is None and found.seat_id is not None and found.seat_id in holders:
        return holders[found.seat_id]
    unknown = derived_id(command_id, *found.part) if found.part else command_id
    return named or dangers.somebody(unknown), episode_id
