"""The watch over dangers: nobody in danger waits because monitoring, or the broker, is away.

Whoever announces a danger writes it down here in the same transaction. Monitoring confirms that humans
are being asked; where it has not by then, the service that announced it pages the tenant's fallback
addresses by itself, over and over until it is confirmed. All that this needs is the service's own
database and the way to send a page.

Monitoring keeps the same watch over itself, for a danger that it could not take in.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from shared import clock
from shared.contracts.common import FallbackPaged, SafetyConcernRaised
from shared.contracts.event import Actor, Envelope
from shared.contracts.roles import SYSTEM
from shared.database import Origin, act_for, moment, origin_of, plumbing, tenant_column
from shared.ids import derived_id

if TYPE_CHECKING:
    from shared.messaging.hosting.host import Host

log = structlog.get_logger()

#: How often the fallback addresses are paged while no page has reached any of them. Design default: each
#: page is tried for that long by itself.
AGAIN_WHEN_UNREACHED = timedelta(seconds=60)
#: How often they are paged after one has, until monitoring confirms. Design default: three times the time
#: that a crisis has for an acknowledgement (brief 4.5, E4), so that a page slept through is not the last.
AGAIN_WHEN_REACHED = timedelta(minutes=15)
#: No page is put off for longer: where one seems to be, a clock went back, and it is due.
LONGEST_WAIT = AGAIN_WHEN_REACHED + timedelta(minutes=1)
#: How soon is looked again for what became of a page that is still being tried.
LOOK_AGAIN = timedelta(seconds=5)

#: A reaction to a danger is tried again within seconds for this long, and then humans are paged about it.
#: Safety rule.
QUICK_TRIES_FOR = timedelta(minutes=2)
#: The longest wait between those tries, and the wait between all later ones. Design default.
QUICK_WAIT = timedelta(seconds=10)
SLOW_WAIT = timedelta(minutes=1)
#: After so many failures the quick tries are over, however short each wait was.
_SURELY_SLOW = QUICK_TRIES_FOR // timedelta(seconds=1)
#: How long one that may kill the process has to go well before humans are paged. Design default.
TIME_FOR_ONE_TRY = timedelta(seconds=5)

#: Dangers that this service announced and monitoring has yet to confirm.
safety_watch = sa.Table(
    "safety_watch",
    plumbing,
    sa.Column("concern_id", sa.Uuid(as_uuid=False), primary_key=True),
    tenant_column(),
    sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
    sa.Column("level", sa.String(2), nullable=False),
    #: Real time: when it was announced, and when this service pages by its own path, or again.
    sa.Column("announced_at", moment(), nullable=False),
    sa.Column("page_at", moment(), nullable=False),
    #: "waiting", "paged" or "confirmed".
    sa.Column("state", sa.String(16), nullable=False),
    #: When it was paged last, or confirmed.
    sa.Column("settled_at", moment()),
    sa.Column("correlation_id", sa.String(64), nullable=False),
    sa.Column("causation_id", sa.String(64)),
    sa.Column("traceparent", sa.String(64)),
    sa.Index("ix_safety_watch_unconfirmed", "page_at", postgresql_where=sa.text("state <> 'confirmed'")),
)


# --- Watching ---------------------------------------------------------------------------------------


def watch_announced(db: Session, announced: list[Envelope]) -> None:
    """Watch over the dangers among what a transaction announces, until monitoring confirms them."""
    for envelope in announced:
        host: Host = db.info["host"]
        # Who takes a danger in by itself has nobody to wait for.
        if envelope.event.never_parked and host.name not in envelope.event.reacting:
            patience = timedelta(seconds=host.settings.safety_confirm_seconds)
            watch(db, envelope, page_at=envelope.recorded_at + patience)


def watch(db: Session, envelope: Envelope, *, page_at: datetime) -> None:
    """Have a danger paged about from *page_at* on, or from before where that was said already.

    Not while program time is simulated: nobody is there to be paged.
    """
    host: Host = db.info["host"]
    event = envelope.event
    if host.clock.simulated or not isinstance(event, SafetyConcernRaised):
        return
    inserted = postgresql.insert(safety_watch).values(
        concern_id=event.concern_id,
        tenant_id=envelope.tenant_id,
        patient_id=event.patient_id,
        level=event.level,
        announced_at=envelope.recorded_at,
        page_at=page_at,
        state="waiting",
        correlation_id=envelope.correlation_id,
        causation_id=envelope.event_id,
        traceparent=envelope.traceparent,
    )
    db.connection().execute(
        inserted.on_conflict_do_update(
            index_elements=["concern_id"],
            set_={"page_at": sa.func.least(safety_watch.c.page_at, inserted.excluded.page_at)},
            where=sa.and_(
                safety_watch.c.state == "waiting", safety_watch.c.tenant_id == inserted.excluded.tenant_id
            ),
        )
    )


def confirm(db: Session, concern_id: str) -> None:
    """Watch no longer: humans are being asked about this danger."""
    db.connection().execute(
        safety_watch.update()
        .where(
            safety_watch.c.concern_id == concern_id,
            safety_watch.c.tenant_id == origin_of(db).tenant_id,
            safety_watch.c.state != "confirmed",
        )
        .values(state="confirmed", settled_at=clock.real_now())
    )


# --- Reactions and timers for dangers ---------------------------------------------------------------


def wait_after(attempts: int, *, tried_for: timedelta) -> timedelta:
    """Return how long to wait before the next try: about a second, then longer; each minute in the end."""
    if tried_for >= QUICK_TRIES_FOR:
        return SLOW_WAIT
    return min(QUICK_WAIT, timedelta(seconds=2.0 ** min(attempts - 1, 10)))


def tried_for(attempts: int) -> timedelta:
    """Return for how long at least something is being tried that has failed so often."""
    waits = (wait_after(failed, tried_for=timedelta()) for failed in range(1, min(attempts, _SURELY_SLOW)))
    return sum(waits, timedelta())


def watch_over_reaction(db: Session, envelope: Envelope, *, done: bool, since: datetime | None) -> None:
    """Have humans paged about a danger that this service does not manage to take in.

    :param since: when it was first tried; None at the first try itself.
    """
    now = clock.real_now()
    if done:
        if since is not None and isinstance(envelope.event, SafetyConcernRaised):
            confirm(db, envelope.event.concern_id)
        return
    page_at = (since or now) + QUICK_TRIES_FOR
    watch(db, envelope, page_at=page_at)
    if page_at <= now:
        log.critical("danger_not_taken_in", event_id=envelope.event_id)


# --- Paging -----------------------------------------------------------------------------------------


def page_one(host: "Host") -> bool:
    """Page about one danger that was not confirmed in time; return whether there was one."""
    if host.clock.simulated:
        return False
    now = clock.real_now()
    with host.transaction(None) as db:
        danger = db.execute(
            sa.select(safety_watch)
            .where(safety_watch.c.state != "confirmed", _is_due(host, now))
            .order_by(safety_watch.c.page_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).first()
        if danger is None:
            return False
        act_for(
            db,
            Origin(
                service=host.name,
                tenant_id=danger.tenant_id,
                actor=Actor(actor_id=host.name, role=SYSTEM),
                now=host.clock.now(),
                correlation_id=danger.correlation_id,
                causation_id=danger.causation_id,
                traceparent=danger.traceparent,
            ),
        )
        changed = _page(db, danger, addresses=host.settings.fallback_addresses_of(danger.tenant_id), now=now)
        db.execute(
            safety_watch.update().where(safety_watch.c.concern_id == danger.concern_id).values(**changed)
        )
        return True


def _is_due(host: "Host", now: datetime) -> sa.ColumnElement[bool]:
    """Return what holds for a danger that is to be paged about, also where a clock went back."""
    patience = max(timedelta(seconds=host.settings.safety_confirm_seconds), QUICK_TRIES_FOR)
    never_so_late = sa.case(
        (safety_watch.c.state == "waiting", now + patience + LOOK_AGAIN), else_=now + LONGEST_WAIT
    )
    return sa.or_(safety_watch.c.page_at <= now, safety_watch.c.page_at > never_so_late)


def _page(db: Session, danger: sa.Row[Any], *, addresses: tuple[str, ...], now: datetime) -> dict[str, Any]:
    """Page about a danger, unless the last page still may do; return what changes in its row."""
    # They know the outbox, which knows the watch.
    from shared.messaging.outbox import announce  # noqa: PLC0415
    from shared.notification.fallback import FALLBACK_PAGE, page_fallback  # noqa: PLC0415
    from shared.notification.tables import notifications  # noqa: PLC0415

    if not addresses:
        log.critical("danger_unconfirmed_and_nobody_to_page", concern_id=danger.concern_id)
        return {"page_at": now + AGAIN_WHEN_UNREACHED}
    asked = db.execute(
        sa.select(notifications.c.state, notifications.c.created_at).where(
            notifications.c.about_id == danger.concern_id, notifications.c.template == FALLBACK_PAGE
        )
    ).all()
    if danger.state == "paged":
        last = {page.state for page in asked if page.created_at >= danger.settled_at}
        reached_until = danger.settled_at + AGAIN_WHEN_REACHED
        if "sent" in last and now < reached_until:
            return {"page_at": min(reached_until, now + AGAIN_WHEN_REACHED)}
        if "waiting" in last and "sent" not in last:
            return {"page_at": now + LOOK_AGAIN}
    log.critical("danger_unconfirmed", concern_id=danger.concern_id, count=len(addresses))
    for number, address in enumerate(addresses, start=len(asked)):
        notification_id = derived_id(danger.concern_id, "fallback page", str(number))
        page_fallback(
            db,
            notification_id=notification_id,
            address=address,
            about_id=danger.concern_id,
            level=danger.level,
            patient_id=danger.patient_id,
            give_up_after=AGAIN_WHEN_UNREACHED,
        )
        announce(
            db,
            FallbackPaged(
                concern_id=danger.concern_id,
                patient_id=danger.patient_id,
                notification_id=notification_id,
                paged_at=now,
            ),
        )
    return {"state": "paged", "settled_at": now, "page_at": now + AGAIN_WHEN_UNREACHED}


def unconfirmed(connection: sa.Connection, host: "Host") -> tuple[int, int]:
    """Return how many dangers were not confirmed in time, and how many of them reach no address."""
    overdue_since = clock.real_now() - timedelta(seconds=host.settings.safety_confirm_seconds)
    found = connection.execute(
        sa.select(safety_watch.c.tenant_id, sa.func.count().label("dangers"))
        .where(safety_watch.c.state != "confirmed", safety_watch.c.announced_at <= overdue_since)
        .group_by(safety_watch.c.tenant_id)
    ).all()
    unpageable = (row.dangers for row in found if not host.settings.fallback_addresses_of(row.tenant_id))
    return sum(row.dangers for row in found), sum(unpageable)
