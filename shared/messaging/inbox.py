"""Effects happen once: a reaction and the note that it happened commit together.

A batch of messages is one transaction. When one reaction fails, the batch is rolled back. The failing one
is kept waiting here, with its error and the moment of its next attempt, and the others are run once more.
Where nobody can tell which one it was, each half is a batch of its own, until it is found. The next attempt
has a transaction of its own, and no fresh event waits for it. After too many attempts it is parked for a
human. A message that nobody can read is put aside, sealed, and stops nothing. One that a later version
announced, which runs beside this one, waits here for a copy that knows it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg2
import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from shared import audit, clock, safety, telemetry
from shared.contracts.event import (
    EVENTS,
    Actor,
    Envelope,
    Event,
    UnknownEvent,
    UnreadableEvent,
    write_moment,
)
from shared.contracts.roles import SYSTEM
from shared.database import (
    Condition,
    Kept,
    Origin,
    act_for,
    by_kept_plan,
    finds_row_gone,
    go_on_if,
    lost_a_lock,
    moment,
    plumbing,
    send_what_waits,
    send_with_next,
    tenant_column,
    written_once,
)
from shared.errors import NotFound, TooEarly
from shared.many_rows import as_json
from shared.sealing import seal, unseal

if TYPE_CHECKING:
    from shared.messaging.hosting.host import Host

log = structlog.get_logger()

inbox = sa.Table(
    "inbox",
    plumbing,
    sa.Column("event_id", sa.Uuid(as_uuid=False), primary_key=True),
    #: The name of the method that reacts: renaming one is a migration. ALL_REACTIONS where this version knew
    #: no such event.
    sa.Column("reaction", sa.String(64), primary_key=True),
    tenant_column(),
    sa.Column("type", sa.String(64), nullable=False),
    #: "done", "waiting", "parked" or "skipped".
    sa.Column("state", sa.String(16), nullable=False),
    #: Kept only while the reaction is not done.
    sa.Column("body", sa.LargeBinary),
    sa.Column("received_at", moment(), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    #: Times the reaction was run and found that something it builds on had not come yet.
    sa.Column("early", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_attempt_at", moment()),
    #: Kind of the last failure; never its text, which could quote what must not be read.
    sa.Column("error", sa.String(200)),
    sa.Column("resolved_by", sa.String(64)),
    sa.Column("resolution", sa.String(200)),
    sa.Index("ix_inbox_waiting", "next_attempt_at", postgresql_where=sa.text("state = 'waiting'")),
    sa.Index("ix_inbox_parked", "received_at", postgresql_where=sa.text("state = 'parked'")),
)

quarantine = sa.Table(
    "quarantine",
    plumbing,
    sa.Column("digest", sa.LargeBinary(32), primary_key=True),
    sa.Column("body_sealed", sa.LargeBinary, nullable=False),
    sa.Column("error", sa.String(200), nullable=False),
    sa.Column("received_at", moment(), nullable=False),
)

#: How long a reaction may wait for an event it builds on before that counts as a failure.
TOO_EARLY_PATIENCE = timedelta(hours=1)
#: The same, counted in tries, where waiting retries run at once because time is simulated.
TOO_EARLY_TRIES_SIMULATED = 300
#: Deliveries of one message after which it is set aside, to be run alone: it may be what kills the
#: process, or may only have been in hand when that was killed, or when the database was away.
DELIVERIES_BEFORE_ASIDE = 5
#: In a row's error: it may be what kills the process, or can be run and not committed, so each run is counted
#: before it begins.
DELIVERED_TOO_OFTEN = "DeliveredTooOften"
#: How long it is waited then, after the last run, for that to have ended: as after so many failures.
PAUSE_AFTER_THE_LAST = 2
#: In place of a reaction's name: all that a later version does about an event.
ALL_REACTIONS = "*"
#: In the error of such a row: its body is sealed, as nobody here can tell what it holds.
UNKNOWN = "UnknownEvent"


@dataclass(frozen=True)
class Delivery:
    """One message from the broker and how often it was delivered before."""

    body: bytes
    redeliveries: int = 0


def take(host: "Host", deliveries: list[Delivery]) -> None:
    """Run the reactions to a batch of messages; on return all of it is committed.

    :raises sqlalchemy.exc.DBAPIError: when the database cannot be reached: nothing may be
        acknowledged then.
    """
    batches: dict[str, list[tuple[Envelope, bytes]]] = defaultdict(list)
    for delivery in deliveries:
        try:
            envelope = Envelope.from_bytes(delivery.body)
        except UnknownEvent as later:
            _leave_to_later_version(host, later, delivery.body)
            continue
        except UnreadableEvent as error:
            _put_aside(host, delivery.body, str(error))
            continue
        if delivery.redeliveries > DELIVERIES_BEFORE_ASIDE:
            _set_aside(host, envelope, delivery.body)
        else:
            batches[envelope.tenant_id].append((envelope, delivery.body))
    try:
        for batch in batches.values():
            _take_batch(host, batch)
    finally:
        host.times_taken_in += 1


@dataclass
class _Attempt:
    """How far a batch has come, for whoever looks for what it has failed by."""

    #: The events and reactions that were to be run, and the one that was just running.
    noted: frozenset[tuple[str, str]] = frozenset()
    running: tuple[str, str] | None = None


class _Failed(NamedTuple):
    """A reaction that was run for the first time and failed: to what, by which name, and how."""

    envelope: Envelope
    body: bytes
    name: str
    error: Exception
    #: Whether that is known; else it is so where all others of its batch go well.
    is_known: bool = True


def _take_batch(
    host: "Host",
    batch: list[tuple[Envelope, bytes]],
    *,
    kept: frozenset[tuple[str, str]] = frozenset(),
    failed: _Failed | None = None,
    again: bool = False,
    left: list[_Failed] | None = None,
) -> bool:
    """Run the reactions to events of one tenant in one transaction; return whether nothing failed.

    What fails is kept waiting. Where it is not plain what that is, it is looked for by halves.

    :param kept: events and reactions that failed before and wait already: they are not run.
    :param failed: another's that failed: it is kept in the same transaction.
    :param again: whether it was tried before, and is without what that failed by.
    :param left: is given what fails and is all that there is, to be kept by whoever asks.
    """
    attempt, unnoted = _Attempt(), Condition("pk_inbox")
    try:
        try:
            _run_batch(host, batch, attempt, kept=kept, failed=failed, unnoted=unnoted)
        except Exception:
            if unnoted.sent and unnoted.broken is None:
                raise
            _run_batch(host, batch, attempt, kept=kept, failed=failed)
    except Exception as error:
        if is_cut_off(error):
            raise
        if failed is not None and failed.is_known:
            _keep_failed(host, failed)
        # Of one more that fails there may be many, each of which would have all before it run once more.
        found = None if again else _failed_one(host, batch, error, attempt)
        is_all = len(attempt.noted) == 1 and host.every_event is None
        if found is not None and is_all and left is not None:
            left.append(found)
        elif found is not None:
            _keep_failed(host, found)
            if not is_all:
                _take_batch(host, batch, kept=kept | {(found.envelope.event_id, found.name)}, again=True)
        elif len(batch) == 1 or lost_a_lock(getattr(error, "orig", None)):
            # Those that held each other up might do so again.
            for envelope, body in batch:
                _take_apart(host, envelope, body)
        else:
            # Dangers wait for no others.
            batch = sorted(batch, key=lambda one: not one[0].event.never_parked)
            _take_halves(host, batch, error, noted=attempt.noted, kept=kept)
        return False
    return True


def _take_halves(
    host: "Host",
    batch: list[tuple[Envelope, bytes]],
    error: Exception,
    *,
    noted: frozenset[tuple[str, str]],
    kept: frozenset[tuple[str, str]],
) -> None:
    """Take a batch that fails as a whole, each half as one of its own.

    So what goes well is committed before the rest is looked through, and what comes next waits for the number
    of halves. Where one goes well, what failed is in the other, which need not be run as a whole.

    :param noted: the events and reactions that were run.
    """
    first, second = batch[: len(batch) // 2], batch[len(batch) // 2 :]
    blamed = _blamed(host, second, error, noted=noted) if len(second) == 1 else None
    left: list[_Failed] = []
    went_well = _take_batch(host, first, kept=kept, failed=blamed, left=left)
    if went_well and len(second) > 1 and not _met_another(error):
        _take_halves(host, second, error, noted=noted, kept=kept)
    elif not went_well or blamed is None:
        _take_batch(host, second, kept=kept, failed=left[0] if left else None)


def _blamed(
    host: "Host",
    only: list[tuple[Envelope, bytes]],
    error: Exception,
    *,
    noted: frozenset[tuple[str, str]],
) -> _Failed | None:
    """Return what a batch has failed by if all but one event of it go well; None where that is to be seen.

    A value that no column holds fails whoever else is there and whenever it comes. A danger does not wait
    before it was run twice.
    """
    ((envelope, body),) = only
    is_of_value = isinstance(error, sa.exc.DataError) and not finds_row_gone(error.orig)
    names = [name for event_id, name in noted if event_id == envelope.event_id]
    if not is_of_value or envelope.event.never_parked or len(names) != 1 or host.every_event is not None:
        return None
    return _Failed(envelope, body, names[0], error, is_known=False)


def _run_batch(
    host: "Host",
    batch: list[tuple[Envelope, bytes]],
    attempt: _Attempt,
    *,
    kept: frozenset[tuple[str, str]],
    failed: _Failed | None,
    unnoted: Condition | None = None,
) -> None:
    """Run the reactions to a batch that were not noted as done before, in one transaction.

    :param failed: is kept waiting by it.
    :param unnoted: tells to go on as if none was, and is broken in the end where some were: nothing stands
        then. What comes for the first time is hardly ever noted, and to ask would be a trip to the database.
    """
    # Asked once: simulated time stands still while there is anything to do.
    now = host.clock.now()
    attempt.running = None
    with host.transaction(None, by_the_book=failed is None) as db:
        new = _note_received(host, db, [envelope for envelope, _ in batch], kept=kept, unnoted=unnoted)
        attempt.noted = frozenset(new)
        if failed is not None:
            outcome = _outcome_of_run(host, failed.envelope, failed.error, attempts=0, early=0, since=None)
            _keep_with_next(host, db, failed, outcome)
        if host.every_event is not None:
            act_for(db, origin_of_reaction(host, batch[0][0], now=now))
            host.every_event(db, [envelope for envelope, _ in batch])
        for envelope, _ in batch:
            for name, react in host.reactions.get(envelope.event.wire_name, ()):
                if (envelope.event_id, name) not in new:
                    continue
                at_once = host.reactions_at_once.get((envelope.event.wire_name, name))
                if at_once is None:
                    attempt.running = (envelope.event_id, name)
                    new.discard(attempt.running)
                    _react(host, db, envelope, name, react, now=now)
                    attempt.running = None
                    continue
                alike = _of_kind(envelope.event.wire_name, batch, new=new, name=name)
                new.difference_update((one.event_id, name) for one in alike)
                _react_at_once(host, db, alike, name, at_once, now=now)
    if failed is not None:
        _say_failed(failed.envelope, failed.name, failed.error, outcome)


def is_cut_off(error: BaseException) -> bool:
    """Tell whether an error is the database's being away, and so nobody's fault."""
    return isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated


def _met_another(error: Exception) -> bool:
    """Tell whether somebody was in the way who is done by now: tried at once, the same may do."""
    in_the_way = isinstance(error, (sa.exc.IntegrityError, StaleDataError))
    return in_the_way or lost_a_lock(getattr(error, "orig", None))


def _failed_one(
    host: "Host",
    batch: list[tuple[Envelope, bytes]],
    error: Exception,
    attempt: _Attempt,
) -> _Failed | None:
    """Return the reaction that a batch has failed by, where that is plain.

    What the database refuses may be what an earlier one has left to be written, unless there was no other.
    One to a danger is not told: that does not wait before it was run twice.
    """
    only = next(iter(attempt.noted)) if len(attempt.noted) == 1 and host.every_event is None else None
    if not isinstance(error, (sa.exc.SQLAlchemyError, psycopg2.Error)):
        failed = attempt.running or only
    else:
        failed = None if _met_another(error) else only
    if failed is None:
        return None
    event_id, name = failed
    envelope, body = next(one for one in batch if one[0].event_id == event_id)
    return None if envelope.event.never_parked else _Failed(envelope, body, name, error)


#: Another copy that was given the same message may have failed just before: each run counts.
_KEEP_FAILED = """
    INSERT INTO inbox (event_id, reaction, tenant_id, type, state, body, received_at,
                       attempts, early, next_attempt_at, error)
    VALUES (%(event_id)s, %(reaction)s, %(tenant_id)s, %(type)s, %(state)s, %(body)s, %(received_at)s,
            %(attempts)s, %(early)s, %(next_attempt_at)s, %(error)s)
    ON CONFLICT (event_id, reaction)
    DO UPDATE SET
        attempts = inbox.attempts + excluded.attempts,
        state = CASE WHEN inbox.attempts + excluded.attempts < %(most)s THEN 'waiting' ELSE 'parked' END
    WHERE inbox.state = 'waiting'
"""


def _keep_failed(host: "Host", failed: _Failed) -> None:
    """Keep a reaction waiting that failed, in one trip to the database."""
    outcome = _after_failed_run(
        host, failed.envelope, failed.name, failed.error, attempts=0, early=0, since=None
    )
    with host.transaction(None) as db:
        _keep_with_next(host, db, failed, outcome)


def _keep_with_next(host: "Host", db: Session, failed: _Failed, outcome: dict[str, Any]) -> None:
    row = {
        "event_id": failed.envelope.event_id,
        "reaction": failed.name,
        "tenant_id": failed.envelope.tenant_id,
        "type": failed.envelope.event.wire_name,
        "body": failed.body,
        "received_at": clock.real_now(),
        "attempts": 0,
        "early": 0,
        "most": host.settings.parked_after_attempts,
    }
    send_with_next(db.connection(), _KEEP_FAILED, row | outcome)


def _take_apart(host: "Host", envelope: Envelope, body: bytes) -> None:
    """Run the reactions to one event, each within a savepoint, and have those that fail wait.

    Where that cannot be committed, the event is set aside.
    """
    _archive_alone(host, envelope, body)
    try:
        now = host.clock.now()
        with host.transaction(None) as db:
            new = _note_received(host, db, [envelope])
            for name, react in host.reactions.get(envelope.event.wire_name, ()):
                if (envelope.event_id, name) in new:
                    act_for(db, origin_of_reaction(host, envelope, now=now))
                    _try(host, db, envelope, name, react, attempts=0, early=0, body=body)
    except Exception as error:
        if is_cut_off(error):
            raise
        _set_aside(host, envelope, body)


#: A whole batch in one statement of one form; fails where one of it is noted already.
_NOTE_ALL = """
    INSERT INTO inbox (event_id, reaction, tenant_id, type, state, received_at)
    SELECT event_id, reaction, %(tenant_id)s, type, 'done', %(received_at)s
    FROM json_to_recordset(%(rows)s) AS arrived (event_id uuid, reaction text, type text)
    """
_TYPES = {"tenant_id": "text", "received_at": "timestamptz", "rows": "json"}
_NOTE_AS_NEW = Kept(_NOTE_ALL, **_TYPES)
_NOTE_NEW = Kept(f"{_NOTE_ALL} ON CONFLICT DO NOTHING RETURNING event_id, reaction", **_TYPES)


def _note_received(
    host: "Host",
    db: Session,
    envelopes: list[Envelope],
    *,
    kept: frozenset[tuple[str, str]] = frozenset(),
    unnoted: Condition | None = None,
) -> set[tuple[str, str]]:
    """Note the reactions to these events of one tenant as done; return those not noted before.

    :param kept: those of them that are known to be noted.
    :param unnoted: has the notes travel with what is asked next, as if none of them were there.
    """
    # Sorted, so that copies that note the same events wait for each other and never in a circle.
    places = sorted(
        {
            (envelope.event_id, name, envelope.event.wire_name)
            for envelope in envelopes
            for name, _ in host.reactions.get(envelope.event.wire_name, ())
            if (envelope.event_id, name) not in kept
        }
    )
    if not places:
        return set()
    connection = db.connection()
    row = {
        "tenant_id": envelopes[0].tenant_id,
        "received_at": clock.real_now(),
        "rows": as_json([{"event_id": place[0], "reaction": place[1], "type": place[2]} for place in places]),
    }
    if unnoted is None:
        noted = connection.exec_driver_sql(by_kept_plan(connection, _NOTE_NEW), row)
        return {(event_id, reaction) for event_id, reaction in noted}
    go_on_if(connection, unnoted, by_kept_plan(connection, _NOTE_AS_NEW), row)
    return {(event_id, name) for event_id, name, _ in places}


def _react(  # one reaction is told by these
    host: "Host", db: Session, envelope: Envelope, name: str, react: Callable[..., None], *, now: datetime
) -> None:
    act_for(db, origin_of_reaction(host, envelope, now=now))
    telemetry.traceparent.set(envelope.traceparent)
    db.info["reacting_to"] = envelope
    react(db, envelope.event, now)
    telemetry.labelled(telemetry.reactions, name, "done").inc()
    audit.record(db, action=name, about_id=envelope.event.subject)


def _of_kind(
    wire_name: str, batch: list[tuple[Envelope, bytes]], *, new: set[tuple[str, str]], name: str
) -> list[Envelope]:
    """Return the events of one kind in a batch to which a reaction is still to be run, each once."""
    found = {
        one.event_id: one
        for one, _ in batch
        if one.event.wire_name == wire_name and (one.event_id, name) in new
    }
    return list(found.values())


def _react_at_once(
    host: "Host",
    db: Session,
    envelopes: list[Envelope],
    name: str,
    react: Callable[..., None],
    *,
    now: datetime,
) -> None:
    """Run one reaction to several events; until it turns to one of them, it acts on account of the first."""
    db.info["taken_at_once"] = {
        id(envelope.event): (envelope, origin_of_reaction(host, envelope, now=now)) for envelope in envelopes
    }
    turn_to(db, envelopes[0].event)
    react(db, [envelope.event for envelope in envelopes], now)
    for envelope in envelopes:
        turn_to(db, envelope.event)
        telemetry.labelled(telemetry.reactions, name, "done").inc()
        audit.record(db, action=name, about_id=envelope.event.subject)
    del db.info["taken_at_once"]


def turn_to(db: Session, event: Event) -> None:
    """Act on account of one of the events that a reaction takes at once; of a single one, go on as before."""
    several: dict[int, tuple[Envelope, Origin]] = db.info.get("taken_at_once", {})
    if id(event) not in several:
        return
    envelope, origin = several[id(event)]
    act_for(db, origin)
    telemetry.traceparent.set(envelope.traceparent)
    db.info["reacting_to"] = envelope


def envelope_reacted_to(db: Session) -> Envelope:
    """Return the envelope of the event that the transaction's present reaction is about."""
    envelope: Envelope = db.info["reacting_to"]
    return envelope


def origin_of_reaction(host: "Host", envelope: Envelope, *, now: datetime) -> Origin:
    """Return whom a reaction acts for: the service itself, on account of the event."""
    return Origin(
        service=host.name,
        tenant_id=envelope.tenant_id,
        actor=Actor(actor_id=host.name, role=SYSTEM),
        now=now,
        correlation_id=envelope.correlation_id,
        causation_id=envelope.event_id,
        traceparent=envelope.traceparent,
    )


def _archive_alone(host: "Host", envelope: Envelope, body: bytes) -> None:
    """Give one event to whoever takes every one; where it cannot be kept as it is, put it aside."""
    if host.every_event is None:
        return
    try:
        with host.transaction(origin_of_reaction(host, envelope, now=host.clock.now())) as db:
            host.every_event(db, [envelope])
    except (sa.exc.DataError, sa.exc.IntegrityError) as error:
        # It is the event's own fault: whatever else fails here may do better next time.
        _put_aside(host, body, type(error).__name__)


#: Travels with whatever comes next; what is not told stays as it is.
_WRITE_DOWN = """
    UPDATE inbox
    SET state = %(state)s, body = %(body)s, next_attempt_at = %(next_attempt_at)s,
        attempts = coalesce(%(attempts)s, attempts), early = coalesce(%(early)s, early),
        error = coalesce(%(error)s, error)
    WHERE event_id = %(event_id)s AND reaction = %(reaction)s
"""
_DONE = {"state": "done", "body": None, "next_attempt_at": None}


def _try(  # one attempt is told by these
    host: "Host",
    db: Session,
    envelope: Envelope,
    name: str,
    react: Callable[..., None],
    *,
    attempts: int,
    early: int,
    body: bytes,
    received_at: datetime | None = None,
) -> None:
    """Run one reaction within a savepoint and write down how it went."""
    before = snapshot(db)
    outcome: dict[str, Any] = _DONE
    try:
        with db.begin_nested() as savepoint:
            db.info["sends_all_within"] = savepoint
            _react(host, db, envelope, name, react, now=db.info["origin"].now)
            send_all(db)
    except Exception as error:
        if is_cut_off(error):
            raise
        restore(db, before)
        outcome = {"body": body} | _after_failed_run(
            host, envelope, name, error, attempts=attempts, early=early, since=received_at
        )
    done = outcome is _DONE
    if envelope.event.never_parked:
        safety.watch_over_reaction(db, envelope, done=done, since=received_at)
    if not done or received_at is not None:
        untold = {"attempts": None, "early": None, "error": None}
        this_row = {"event_id": envelope.event_id, "reaction": name}
        send_with_next(db.connection(), _WRITE_DOWN, untold | outcome | this_row)


def _after_failed_run(  # as many as tell an attempt
    host: "Host",
    envelope: Envelope,
    name: str,
    error: Exception,
    *,
    attempts: int,
    early: int,
    since: datetime | None,
) -> dict[str, Any]:
    """Return what is written down of a run that failed; say so, unless it was only too early.

    :param attempts: how often it had failed before.
    :param since: when its event was received; None where that is now.
    """
    outcome = _outcome_of_run(host, envelope, error, attempts=attempts, early=early, since=since)
    _say_failed(envelope, name, error, outcome)
    return outcome


def _outcome_of_run(
    host: "Host", envelope: Envelope, error: Exception, *, attempts: int, early: int, since: datetime | None
) -> dict[str, Any]:
    if isinstance(error, TooEarly):
        return _after_too_early(host, envelope, attempts=attempts, early=early, since=since)
    return _after_failure(host, envelope, attempts=attempts + 1, error=error, since=since)


def _say_failed(envelope: Envelope, name: str, error: Exception, outcome: dict[str, Any]) -> None:
    if isinstance(error, TooEarly):
        return
    telemetry.reactions.labels(name, "failed").inc()
    log.warning(
        "reaction_failed",
        reaction=name,
        event_id=envelope.event_id,
        error=type(error).__name__,
        attempts=outcome["attempts"],
        state=outcome["state"],
        exc_place=place_of(error),
    )


def _after_too_early(
    host: "Host", envelope: Envelope, *, attempts: int, early: int, since: datetime | None
) -> dict[str, Any]:
    now = clock.real_now()
    if host.clock.simulated:
        patience_is_over = early >= TOO_EARLY_TRIES_SIMULATED
        delay = timedelta(milliseconds=20)
    else:
        patience_is_over = since is not None and now - since > TOO_EARLY_PATIENCE
        delay = timedelta(seconds=min(60.0, 0.2 * 2.0**early))
    if patience_is_over or envelope.event.never_parked:
        return _after_failure(host, envelope, attempts=attempts + 1, error=TooEarly(), since=since)
    return {"state": "waiting", "early": early + 1, "next_attempt_at": now + delay, "error": "TooEarly"}


def _after_failure(
    host: "Host", envelope: Envelope, *, attempts: int, error: BaseException, since: datetime | None
) -> dict[str, Any]:
    now = clock.real_now()
    outcome: dict[str, Any] = {"attempts": attempts, "error": type(error).__name__}
    if envelope.event.never_parked:
        wait = safety.wait_after(attempts, tried_for=now - (since or now))
        return outcome | {"state": "waiting", "next_attempt_at": now + wait}
    if attempts >= host.settings.parked_after_attempts:
        return outcome | {"state": "parked", "next_attempt_at": None}
    # Simulated time stands still until all is quiet, so waiting for real seconds would stop it.
    delay = timedelta(0) if host.clock.simulated else clock.retry_delay(attempts)
    return outcome | {"state": "waiting", "next_attempt_at": now + delay}


def _of_this_version(rows: Any) -> sa.ColumnElement[bool]:
    known = rows.c.type + " " + rows.c.reaction == sa.any_(sa.bindparam("known", type_=ARRAY(sa.String)))
    return sa.or_(known, _left_for_this_version(rows))


def _left_for_this_version(rows: Any) -> sa.ColumnElement[bool]:
    """Tell what a copy of the version before has left for this one."""
    events = sa.bindparam("events", type_=ARRAY(sa.String))
    return sa.and_(rows.c.reaction == ALL_REACTIONS, rows.c.type == sa.any_(events))


def _is_due(rows: Any) -> sa.ColumnElement[bool]:
    due = sa.and_(rows.c.state == "waiting", rows.c.next_attempt_at <= sa.bindparam("now"))
    return sa.and_(due, _of_this_version(rows))


_others = inbox.alias("others")
_IS_NOT_ALONE = (
    sa.exists()
    .where(_is_due(_others))
    .where(sa.tuple_(_others.c.event_id, _others.c.reaction) != sa.tuple_(inbox.c.event_id, inbox.c.reaction))
    .correlate(inbox)
)
#: The first that is due, and whether it is the only one: then nobody looks in vain for the next.
_NEXT_WAITING = written_once(
    sa.select(inbox, _IS_NOT_ALONE.label("others_are_due"))
    .where(_is_due(inbox))
    .order_by(inbox.c.next_attempt_at)
    .limit(1)
    .with_for_update(skip_locked=True, of=inbox)
)


def retry_one(host: "Host") -> bool:
    """Run one waiting reaction whose moment has come; return whether there may be another.

    The row stays locked while it runs, so the cap on attempts is exact with any number of copies. One
    that this version does not know waits for a copy that does, and holds up no other.
    """
    known = [f"{type_} {name}" for type_, reactions in host.reactions.items() for name, _ in reactions]
    row: sa.Row[Any] | None = None
    try:
        with host.transaction(None) as db:
            row = db.execute(
                _NEXT_WAITING, {"now": clock.real_now(), "known": known, "events": list(EVENTS)}
            ).first()
            if row is None:
                return False
            if _is_harmless(row):
                _run_waiting(host, db, row)
                # Where time is simulated the next attempt is due at once.
                return row.others_are_due or host.clock.simulated
            this_row = sa.and_(inbox.c.event_id == row.event_id, inbox.c.reaction == row.reaction)
            db.execute(inbox.update().where(this_row).values(_counted_beforehand(host, row)))
    except Exception as error:
        if row is None or not _is_harmless(row) or is_cut_off(error):
            raise
        _count_uncommitted(host, row, error)
        return True
    if row.reaction == ALL_REACTIONS:
        # As if the broker had delivered it so often. What is noted of it by then is not done again.
        body = unseal(row.body, bound_to=_place_of_unknown(row.event_id))
        take(host, [Delivery(body, row.attempts)])
        with host.transaction(None) as db:
            db.execute(inbox.delete().where(this_row))
        return True
    with host.transaction(None) as db:
        # Parked now, or put off for longer by a copy that was quicker: then it is not for us.
        counted = sa.and_(this_row, inbox.c.state == "waiting", inbox.c.attempts == row.attempts + 1)
        if db.execute(sa.select(inbox.c.event_id).where(counted).with_for_update(skip_locked=True)).first():
            _run_waiting(host, db, row)
        return True


def _is_harmless(row: sa.Row[Any]) -> bool:
    """Tell whether to run a reaction can do no worse than fail, so that it is enough to count it after."""
    return row.reaction != ALL_REACTIONS and row.error != DELIVERED_TOO_OFTEN


def _count_uncommitted(host: "Host", row: sa.Row[Any], error: Exception) -> None:
    """Count a run whose transaction could not be committed, so that it holds up nothing else that waits.

    From then on each is counted before it begins.
    """
    outcome = _after_failed_run(
        host,
        Envelope.from_bytes(row.body),
        row.reaction,
        error,
        attempts=row.attempts,
        early=row.early,
        since=row.received_at,
    )
    this_row = sa.and_(inbox.c.event_id == row.event_id, inbox.c.reaction == row.reaction)
    unchanged = sa.and_(this_row, inbox.c.state == "waiting", inbox.c.attempts == row.attempts)
    with host.transaction(None) as db:
        db.execute(inbox.update().where(unchanged).values(outcome | {"error": DELIVERED_TOO_OFTEN}))


def _counted_beforehand(host: "Host", row: sa.Row[Any]) -> dict[str, Any]:
    """Return what is written before a reaction is run that may kill the process: it is put off.

    One that has killed as often as others may fail is parked; one to a danger kills once a minute.
    """
    now = clock.real_now()
    if EVENTS[row.type].never_parked:
        return {"attempts": row.attempts + 1, "next_attempt_at": now + safety.SLOW_WAIT}
    attempts, most = row.attempts + 1, host.settings.parked_after_attempts
    if row.reaction == ALL_REACTIONS:
        # What becomes of it is noted under the names of its reactions.
        return {"attempts": attempts, "next_attempt_at": now + clock.retry_delay(attempts)}
    if attempts > most:
        return {"state": "parked", "next_attempt_at": None}
    # Nothing is tried after the last run: whoever looks next parks it, unless that went well.
    wait = clock.retry_delay(attempts if attempts < most else PAUSE_AFTER_THE_LAST)
    return {"attempts": attempts, "next_attempt_at": now + wait}


def _run_waiting(host: "Host", db: Session, row: sa.Row[Any]) -> None:
    envelope = Envelope.from_bytes(row.body)
    react = dict(host.reactions.get(row.type, ())).get(row.reaction)
    if react is None:
        raise LookupError(f"no reaction is called {row.reaction}")
    act_for(db, origin_of_reaction(host, envelope, now=host.clock.now()))
    _try(
        host,
        db,
        envelope,
        row.reaction,
        react,
        attempts=row.attempts,
        early=row.early,
        body=row.body,
        received_at=row.received_at,
    )


def _put_aside(host: "Host", body: bytes, error: str) -> None:
    digest = hashlib.sha256(body).digest()
    log.error("message_unreadable", digest=digest.hex(), error=error)
    with host.transaction(None) as db:
        db.execute(
            postgresql.insert(quarantine)
            .values(
                digest=digest,
                body_sealed=seal(body, bound_to=f"quarantine:{digest.hex()}"),
                error=error[:200],
                received_at=clock.real_now(),
            )
            .on_conflict_do_nothing()
        )


def _leave_to_later_version(host: "Host", event: UnknownEvent, body: bytes) -> None:
    """Keep an event that only a later version knows, until a copy of that looks for what waits."""
    log.warning("event_unknown", event_id=event.event_id)
    with host.transaction(None) as db:
        _keep_waiting(
            db,
            event_id=event.event_id,
            reaction=ALL_REACTIONS,
            tenant_id=event.tenant_id,
            wire_name=event.wire_name,
            body=seal(body, bound_to=_place_of_unknown(event.event_id)),
            error=UNKNOWN,
        )


def _keep_waiting(  # each column of a row
    db: Session, *, event_id: str, reaction: str, tenant_id: str, wire_name: str, body: bytes, error: str
) -> None:
    """Keep a reaction that was not run yet waiting from now on, unless it is known already."""
    now = clock.real_now()
    db.execute(
        postgresql.insert(inbox)
        .values(
            event_id=event_id,
            reaction=reaction,
            tenant_id=tenant_id,
            type=wire_name,
            state="waiting",
            next_attempt_at=now,
            body=body,
            received_at=now,
            error=error,
        )
        .on_conflict_do_nothing()
    )


def _place_of_unknown(event_id: str) -> str:
    return f"inbox:{event_id}"


def wake_for_known(host: "Host", connection: sa.Connection) -> None:
    """Have those events taken up that a copy of the version before has left for this one."""
    left = sa.exists().where(inbox.c.state == "waiting", _left_for_this_version(inbox))
    if connection.scalar(sa.select(left), {"events": list(EVENTS)}):
        host.wake_waiting()


def _set_aside(host: "Host", envelope: Envelope, body: bytes) -> None:
    """Keep the reactions to one event waiting, to be run alone; nothing of it is run before."""
    now = clock.real_now()
    _archive_alone(host, envelope, body)
    with host.transaction(None) as db:
        for name, _ in host.reactions.get(envelope.event.wire_name, ()):
            _keep_waiting(
                db,
                event_id=envelope.event_id,
                reaction=name,
                tenant_id=envelope.tenant_id,
                wire_name=envelope.event.wire_name,
                body=body,
                error=DELIVERED_TOO_OFTEN,
            )
        if envelope.event.never_parked:
            safety.watch(db, envelope, page_at=now + safety.TIME_FOR_ONE_TRY)
    host.wake_waiting()


# --- What operators do -----------------------------------------------------------------------


def list_parked(db: Session) -> list[dict[str, Any]]:
    """Return the parked reactions, oldest first, without their messages."""
    columns = (c for c in inbox.c if c.name != "body")
    rows = db.execute(sa.select(*columns).where(inbox.c.state == "parked").order_by(inbox.c.received_at))
    return [dict(row._mapping) for row in rows]


def show_parked(db: Session, *, event_id: str) -> list[dict[str, Any]]:
    """Return the parked reactions to one event, with the message.

    :raises NotFound: when no reaction to it is parked.
    """
    rows = db.execute(sa.select(inbox).where(inbox.c.state == "parked", inbox.c.event_id == event_id)).all()
    if not rows:
        raise NotFound("No reaction to this event is parked.", field="event_id")
    return [dict(row._mapping) for row in rows]


def retry_parked(db: Session, *, event_id: str, who: str, why: str) -> int:
    """Have the parked reactions to one event tried again, with fresh attempts; return how many.

    :raises NotFound: when no reaction to it is parked.
    """
    return _resolve(
        db,
        event_id=event_id,
        values={
            "state": "waiting",
            "attempts": 0,
            "early": 0,
            "next_attempt_at": clock.real_now(),
            "resolved_by": who,
            "resolution": f"retry: {why}"[:200],
        },
    )


def skip_parked(db: Session, *, event_id: str, who: str, why: str) -> int:
    """Give up the parked reactions to one event, on record; return how many.

    :raises NotFound: when no reaction to it is parked.
    """
    return _resolve(
        db,
        event_id=event_id,
        values={"state": "skipped", "resolved_by": who, "resolution": f"skip: {why}"[:200]},
    )


def _resolve(db: Session, *, event_id: str, values: dict[str, Any]) -> int:
    changed = db.execute(
        inbox.update()
        .where(inbox.c.event_id == event_id, inbox.c.state == "parked")
        .values(**values)
        .returning(inbox.c.reaction)
    ).all()
    if not changed:
        raise NotFound("No reaction to this event is parked.", field="event_id")
    return len(changed)


def list_quarantined(db: Session) -> list[dict[str, Any]]:
    """Return what nobody could read, oldest first: a fingerprint and why, never the message.

    Whose it is nobody knows either.
    """
    rows = db.execute(
        sa.select(quarantine.c.digest, quarantine.c.error, quarantine.c.received_at).order_by(
            quarantine.c.received_at
        )
    )
    return [
        {
            "digest": bytes(row.digest).hex(),
            "error": row.error,
            "received_at": write_moment(row.received_at),
        }
        for row in rows
    ]


# --- Savepoints --------------------------------------------------------------------------------


def snapshot(db: Session) -> dict[str, Any]:
    """Return what the transaction has pending, to be put back if a savepoint is rolled back."""
    return {
        "announced": list(db.info.get("announced", ())),
        "timers": dict(db.info.get("timers", ())),
        "audit": list(db.info.get("audit", ())),
    }


def restore(db: Session, pending: dict[str, Any]) -> None:
    """Forget what was pending since the snapshot."""
    db.info.update(pending)


def send_all(db: Session) -> None:
    """Send what was to travel with a later statement: that fails within the savepoint, not at the commit."""
    db.flush()
    send_what_waits(db.connection())


def place_of(error: BaseException) -> str:
    """Return file and line where *error* was raised: says where, quotes nothing."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 2)[-1]}:{trace.tb_lineno}"
