"""Sending what waits: in every copy, several at once, each written down before it is tried.

A try is committed before it begins, with the moment until which nobody else takes the notification. So
no row is locked while the network is slow, and when a process is killed in the middle the next copy
knows that the outcome is unknown:

- a page to staff is tried again, under the same message id, until it is certain: it arrives **at least
  once**, and a receiver can drop the double;
- a message to a patient is not: it arrives **at most once**, and the try counts as failed.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import eventlet
import sqlalchemy as sa
import structlog
from eventlet.greenpool import GreenPool
from eventlet.semaphore import Semaphore
from sqlalchemy.orm import Session

from shared import clock, telemetry
from shared.contracts.common import NotificationSettled
from shared.contracts.event import Actor
from shared.contracts.roles import SYSTEM
from shared.database import Origin, act_for
from shared.messaging.inbox import place_of
from shared.messaging.outbox import announce
from shared.notification.addresses import EMAIL, WEBHOOK
from shared.notification.delivery import deliver
from shared.notification.outcomes import NotSent, OutcomeUnknown, Refused
from shared.notification.port import seal_of, wants_none
from shared.notification.quiet import next_loud_moment
from shared.notification.tables import notifications
from shared.notification.templates import TEMPLATES
from shared.sealing import unseal

if TYPE_CHECKING:
    from shared.messaging.hosting.host import Host

log = structlog.get_logger()

#: Lanes, and how many are sent at once in each: a mail server that is dead holds up no webhook, and
#: whatever is slow in the daily traffic holds up no page.
LANES = {(EMAIL, True): 16, (WEBHOOK, True): 16, (EMAIL, False): 4, (WEBHOOK, False): 4}
#: How long nobody else takes a notification that is being sent: longer than any try, with its entry.
TAKEN_FOR = timedelta(seconds=20)
#: Seconds between tries to write down how sending went, while the database is away.
PAUSE_SECONDS = 0.5
#: Outcomes written down at once: connections to the database are few.
WRITERS = 2

#: Seconds until the second try, how much longer each further wait is, and the longest.
#: Design default: a page tries within seconds, and for its whole time at least twice a minute.
URGENT_WAITS = (2.0, 2.0, 30.0)
#: Design default: as mail servers do, from seconds to an hour.
ORDINARY_WAITS = (10.0, 3.0, 3600.0)

#: No page is put off for longer: where one seems to be, a clock went back, and it is due.
LONGEST_WAIT_OF_A_PAGE = timedelta(seconds=40)

#: In the row's error while somebody sends it; found there later, nobody knows how that ended.
IN_HAND = "InHand"
#: What became of a message to a patient whose last try nobody knows the end of.
UNKNOWN = "OutcomeUnknown"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One notification that this process sends now, and which try that is."""

    row: sa.Row[Any]
    attempt: int

    @property
    def notification_id(self) -> str:
        """Return its id, the same at every try."""
        found: str = self.row.notification_id
        return found


class Sending:
    """Sends one service's notifications from one process."""

    def __init__(self, host: "Host") -> None:
        self._host = host
        self._pools = {lane: GreenPool(size) for lane, size in LANES.items()}
        self._writing = Semaphore(WRITERS)
        #: Called when a place in a lane is free again.
        self.wake = lambda: None

    def step(self) -> bool:
        """Take what is due, as much as there are places for, and begin to send it; tell if there was any."""
        if self._host.clock.simulated:
            return False
        claimed = 0
        for lane, pool in self._pools.items():
            if pool.free() > 0:
                for claim in claim_due(self._host, lane, limit=pool.free()):
                    pool.spawn_n(self._send, claim)
                    claimed += 1
        return claimed > 0

    def stop(self) -> None:
        """Wait for what is being sent."""
        for pool in self._pools.values():
            pool.waitall()

    def _send(self, claim: Claim) -> None:
        failure = try_to_send(self._host, claim)
        # Written down however long the database is away, but not beyond the time others wait.
        with eventlet.Timeout(TAKEN_FOR.total_seconds() / 2, False):
            while not self._written_down(claim, failure):
                eventlet.sleep(PAUSE_SECONDS)
        self.wake()

    def _written_down(self, claim: Claim, failure: NotSent | None) -> bool:
        try:
            with self._writing:
                write_down(self._host, claim, failure)
        except Exception as error:  # noqa: BLE001  # most often the database is away: it is tried again
            log.warning(
                "outcome_not_written_down",
                service=self._host.name,
                notification_id=claim.notification_id,
                error=type(error).__name__,
                exc_place=place_of(error),
            )
            return False
        return True


def claim_due(host: "Host", lane: tuple[str, bool], *, limit: int) -> list[Claim]:
    """Take notifications of one lane that are due, and settle those that are not to be sent any more."""
    channel, urgent = lane
    now = clock.real_now()
    is_due = notifications.c.next_attempt_at <= now
    if urgent:
        is_due |= notifications.c.next_attempt_at > now + LONGEST_WAIT_OF_A_PAGE
    claimed = []
    with host.transaction(None) as db:
        due = db.execute(
            sa.select(notifications)
            .where(
                notifications.c.state == "waiting",
                is_due,
                notifications.c.channel == channel,
                notifications.c.urgent == urgent,
            )
            .order_by(notifications.c.next_attempt_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        for row in due:
            try:
                address = unseal(row.address_sealed, bound_to=seal_of(row.notification_id)).decode()
                for_staff = TEMPLATES[row.template].for_staff
            except Exception as error:  # noqa: BLE001  # one that cannot be read holds up no other
                _put_off_unreadable(host, db, row, now, error=type(error).__name__)
                continue
            patient_id = None if for_staff else row.patient_id
            unwanted = wants_none(db, address, patient_id=patient_id, tenant_id=row.tenant_id)
            loud_at = now if row.urgent else next_loud_moment(now, row.time_zone)
            if unwanted and not (for_staff and row.urgent):
                _settle(host, db, row, "suppressed", error=None)
            elif row.error == IN_HAND and not for_staff:
                _settle(host, db, row, "failed", error=UNKNOWN)
            elif row.give_up_at <= now:
                last = UNKNOWN if row.error == IN_HAND else row.error
                _settle(host, db, row, "failed", error=last or "NotInTime")
            elif loud_at > now:
                _update(db, row, next_attempt_at=min(loud_at, row.give_up_at))
            else:
                _update(db, row, attempts=row.attempts + 1, error=IN_HAND, next_attempt_at=now + TAKEN_FOR)
                claimed.append(Claim(row=row, attempt=row.attempts + 1))
    return claimed


def _put_off_unreadable(host: "Host", db: Session, row: sa.Row[Any], now: datetime, *, error: str) -> None:
    """Leave to a copy that can read it what this one cannot: a text of a newer version, or another key."""
    log.error("notification_unreadable", notification_id=row.notification_id, error=error)
    if row.give_up_at <= now:
        _settle(host, db, row, "failed", error=error)
    else:
        _update(db, row, next_attempt_at=now + wait_after(1, urgent=row.urgent))


def try_to_send(host: "Host", claim: Claim) -> NotSent | None:
    """Send one notification and return what went wrong, if anything did."""
    row = claim.row
    try:
        deliver(
            host.settings,
            notification_id=row.notification_id,
            template=row.template,
            address=unseal(row.address_sealed, bound_to=seal_of(row.notification_id)).decode(),
            codes=row.codes,
            urgent=row.urgent,
        )
    except NotSent as failure:
        return failure
    except Exception as error:  # noqa: BLE001  # a mistake of ours must not leave it without an outcome
        return OutcomeUnknown(type(error).__name__)
    return None


def write_down(host: "Host", claim: Claim, failure: NotSent | None) -> None:
    """Write down how a try went, and announce it if that was the last."""
    with host.transaction(None) as db:
        row = db.execute(
            sa.select(notifications)
            .where(
                notifications.c.notification_id == claim.notification_id,
                notifications.c.state == "waiting",
                # Where another copy has taken it meanwhile, its try is the one that counts.
                notifications.c.attempts == claim.attempt,
            )
            .with_for_update()
        ).first()
        if row is None:
            return
        now = clock.real_now()
        if failure is None:
            _settle(host, db, row, "sent", error=None)
        elif isinstance(failure, Refused):
            _settle(host, db, row, "failed", error=failure.code)
        elif isinstance(failure, OutcomeUnknown) and not TEMPLATES[row.template].for_staff:
            _settle(host, db, row, "failed", error=UNKNOWN)
        else:
            again_at = now + wait_after(row.attempts, urgent=row.urgent)
            if again_at >= row.give_up_at:
                _settle(host, db, row, "failed", error=failure.code)
            else:
                _update(db, row, error=failure.code[:200], next_attempt_at=again_at)
    if failure is not None:
        log.warning(
            "notification_not_sent",
            notification_id=claim.notification_id,
            template=claim.row.template,
            channel=claim.row.channel,
            attempts=claim.attempt,
            error=failure.code,
        )


def wait_after(attempt: int, *, urgent: bool) -> timedelta:
    """Return how long to wait after the *attempt*-th try, give or take a fifth."""
    first, growth, longest = URGENT_WAITS if urgent else ORDINARY_WAITS
    seconds = min(longest, first * growth ** min(attempt - 1, 30))
    # Never longer than the longest: those who wait for a page count on it.
    return timedelta(seconds=min(longest, seconds * random.uniform(0.8, 1.2)))  # noqa: S311  # no secret


def _update(db: Session, row: sa.Row[Any], **values: Any) -> None:
    db.execute(
        notifications.update().where(notifications.c.notification_id == row.notification_id).values(**values)
    )


def _settle(host: "Host", db: Session, row: sa.Row[Any], state: str, *, error: str | None) -> None:
    """End a notification and announce how, as part of what it came of."""
    now = clock.real_now()
    _update(db, row, state=state, error=error and error[:200], settled_at=now, next_attempt_at=None)
    act_for(
        db,
        Origin(
            service=host.name,
            tenant_id=row.tenant_id,
            actor=Actor(actor_id=host.name, role=SYSTEM),
            now=host.clock.now(),
            correlation_id=row.correlation_id,
            causation_id=row.causation_id,
            traceparent=row.traceparent,
        ),
    )
    announce(
        db,
        NotificationSettled(
            notification_id=row.notification_id,
            template=row.template,
            outcome=state.upper(),
            about_id=row.about_id,
            attempts=row.attempts,
            settled_at=now,
            patient_id=row.patient_id,
            error=error and error[:200] if state == "failed" else None,
        ),
    )
    telemetry.notifications.labels(row.channel, state).inc()
    if state == "failed":
        log.error(
            "notification_failed",
            notification_id=row.notification_id,
            template=row.template,
            channel=row.channel,
            attempts=row.attempts,
            error=error,
        )


def age_of_oldest_page(connection: sa.Connection) -> float:
    """Return the seconds since the oldest urgent notification that waits was asked for, 0 without one."""
    oldest = connection.scalar(
        sa.select(sa.func.min(notifications.c.created_at)).where(
            notifications.c.state == "waiting", notifications.c.urgent
        )
    )
    return (clock.real_now() - oldest).total_seconds() if oldest else 0.0
