"""A danger that monitoring does not manage to take in is tried for ever, and people are paged about it."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from services.monitoring.domain.escalations import Escalation
from services.monitoring.service import Monitoring
from shared import clock, safety
from shared.contracts.common import FallbackPaged
from shared.contracts.event import EVENTS, Actor, Envelope, Event
from shared.ids import new_id
from shared.messaging import inbox
from tests.messaging import samples
from tests.notification.desk import Desk, variables_for
from tests.safety.test_watch import ON_CALL, concern, let_pass, page_due, watched
from tests.support import TENANT

pytestmark = pytest.mark.usefixtures("real_time_stands")


@pytest.fixture
def desk(desk_of, mail) -> Desk:
    return desk_of(Monitoring, **variables_for(mail) | {"HOMEWARD_FALLBACK_PAGE": f"{TENANT}={ON_CALL}"})


@pytest.fixture
def broken(desk, monkeypatch):
    """Monitoring cannot open escalations until the fixture is called."""

    def fail(*_, **__):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(desk.host.service, "_escalate", fail)
    return monkeypatch.undo


def deliver(desk: Desk, *, redeliveries: int = 0) -> Envelope:
    envelope = envelope_of(concern())
    inbox.take(desk.host, [inbox.Delivery(envelope.to_bytes(), redeliveries)])
    return envelope


def envelope_of(event: Event) -> Envelope:
    return Envelope(
        event_id=new_id(),
        event=event,
        announced_by="intake",
        tenant_id=TENANT,
        occurred_at=clock.real_now(),
        recorded_at=clock.real_now(),
        actor=Actor(actor_id="intake", role="system"),
        correlation_id=new_id(),
    )


def waits(desk: Desk) -> tuple[str, int, float]:
    with desk.engine.connect() as connection:
        row = connection.execute(sa.select(inbox.inbox)).one()
    return row.state, row.attempts, round((row.next_attempt_at - clock.real_now()).total_seconds())


def escalations(desk: Desk) -> int:
    with desk.db() as db:
        return db.scalar(sa.select(sa.func.count()).select_from(Escalation))


def fallback_pages(desk: Desk) -> int:
    """Return the pages of the watch; monitoring pages by itself what it has taken in."""
    return sum(isinstance(envelope.event, FallbackPaged) for envelope in desk.envelopes)


class TestReactionToDanger:
    def test_is_what_the_contract_promises(self):
        assert [name for name, event in EVENTS.items() if event.never_parked] == ["safety_concern_raised"]

    def test_is_tried_again_within_seconds(self, desk, broken):
        deliver(desk)

        seen = [waits(desk)]
        for _ in range(5):
            let_pass(desk, timedelta(seconds=11))
            inbox.retry_one(desk.host)
            seen.append(waits(desk))

        assert [state for state, _, _ in seen] == ["waiting"] * 6
        assert [attempts for _, attempts, _ in seen] == [1, 2, 3, 4, 5, 6]
        assert [wait for _, _, wait in seen] == [1, 2, 4, 8, 10, 10]

    def test_is_run_a_second_time_before_it_waits(self, desk, monkeypatch):
        escalate, runs = desk.host.service._escalate, []

        def fail_once(*args, **told):
            runs.append(args)
            if len(runs) == 1:
                raise RuntimeError("a mistake of ours")
            return escalate(*args, **told)

        monkeypatch.setattr(desk.host.service, "_escalate", fail_once)
        deliver(desk)

        assert escalations(desk) == 1
        assert watched(desk) == []

    def test_is_never_parked_and_goes_on_each_minute(self, desk, broken):
        deliver(desk)
        for _ in range(desk.settings.parked_after_attempts + 12):
            let_pass(desk, timedelta(seconds=11))
            inbox.retry_one(desk.host)
        let_pass(desk, timedelta(seconds=61))
        inbox.retry_one(desk.host)

        state, attempts, wait = waits(desk)

        assert (state, wait) == ("waiting", 60)
        assert attempts > desk.settings.parked_after_attempts

    def test_has_people_paged_after_two_minutes(self, desk, broken, mail):
        deliver(desk)
        (row,) = watched(desk)
        assert row.page_at - clock.real_now() == timedelta(seconds=120)
        page_due(desk)
        assert mail.taken == []

        let_pass(desk, timedelta(seconds=121))
        page_due(desk)

        assert mail.readers == ["on.call@example.org"]

    def test_that_succeeds_in_the_end_ends_the_watch(self, desk, broken):
        deliver(desk)
        broken()
        let_pass(desk, timedelta(seconds=2))
        inbox.retry_one(desk.host)

        let_pass(desk, timedelta(minutes=3))
        page_due(desk)

        assert escalations(desk) == 1
        assert [row.state for row in watched(desk)] == ["confirmed"]
        assert fallback_pages(desk) == 0

    def test_waits_for_no_others_that_came_with_it_and_fail(self, desk, monkeypatch):
        opened_before = []

        def be_refused(db, event, now):
            opened_before.append(escalations(desk))
            db.execute(sa.text("SELECT 2147483647 + 1"))

        monkeypatch.setitem(desk.host.reactions, "session_missed", [("ask", be_refused)])
        events = [*(samples.missed(seat) for seat in ("monday", "tuesday", "wednesday")), concern()]
        inbox.take(desk.host, [inbox.Delivery(envelope_of(event).to_bytes()) for event in events])

        assert opened_before == [0, 0, 1, 1, 1], "those that fail are looked for when it is taken in"

    def test_that_succeeds_at_once_needs_no_watch(self, desk):
        deliver(desk)

        assert (escalations(desk), watched(desk)) == (1, [])


class TestTimerForDanger:
    def test_is_each_that_asks_the_next_tier(self, desk):
        kept = [name for name, (entry, _) in desk.host.timers.items() if entry.never_parked]

        assert sorted(kept) == ["escalation_not_acknowledged", "escalation_not_acted_on", "page_not_left"]


class TestDangerThatWasDeliveredTooOften:
    def test_is_run_nevertheless(self, desk):
        deliver(desk, redeliveries=21)

        inbox.retry_one(desk.host)
        let_pass(desk, timedelta(minutes=1))
        page_due(desk)

        assert escalations(desk) == 1
        assert fallback_pages(desk) == 0

    def test_is_put_off_before_it_is_run_so_that_it_cannot_kill_the_process_in_a_row(
        self, desk, monkeypatch, mail
    ):
        deliver(desk, redeliveries=21)
        seen = []

        def die(*_, **__):
            seen.append(waits(desk))
            raise KeyboardInterrupt

        monkeypatch.setattr(desk.host.service, "_escalate", die)
        with pytest.raises(KeyboardInterrupt):
            inbox.retry_one(desk.host)

        assert [wait for _, _, wait in seen] == [60]
        assert not inbox.retry_one(desk.host)
        let_pass(desk, safety.TIME_FOR_ONE_TRY)
        page_due(desk)
        assert mail.readers == ["on.call@example.org"]
