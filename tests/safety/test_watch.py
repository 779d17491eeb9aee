"""Nobody in danger waits because monitoring is away: who announced the danger pages by itself."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from services.intake.service import Intake
from services.monitoring.service import Monitoring
from shared import safety
from shared.clock import real_now
from shared.contracts.common import FallbackPaged, SafetyConcernRaised
from shared.contracts.monitoring import SafetyConcernTaken
from shared.ids import derived_id, new_id
from shared.messaging import announce, inbox
from shared.messaging.hosting.traffic import measure_backlog
from shared.messaging.oversight.backlog import look
from shared.safety import safety_watch
from tests.notification.desk import Desk, until, variables_for
from tests.support import TENANT

ON_CALL = "mailto:on.call@example.org"


def concern(**changes) -> SafetyConcernRaised:
    return SafetyConcernRaised(
        **{
            "concern_id": new_id(),
            "patient_id": derived_id("Alex"),
            "concern": "PHQ9_I9",
            "level": "E3",
            "evidence_id": new_id(),
            "raised_at": real_now(),
        }
        | changes
    )


def announced(desk: Desk, **changes) -> SafetyConcernRaised:
    with desk.db() as db:
        event = concern(**changes)
        announce(db, event)
    return event


def watched(desk: Desk) -> list[sa.Row]:
    with desk.engine.connect() as connection:
        return list(connection.execute(sa.select(safety_watch)))


def let_pass(desk: Desk, time: timedelta) -> None:
    """Let time pass for everything that is written down with a moment."""
    with desk.engine.begin() as connection:
        for table in ("safety_watch", "notifications", "inbox"):
            columns = connection.scalars(
                sa.text(
                    "SELECT column_name FROM information_schema.columns"
                    " WHERE table_name = :table AND data_type LIKE 'timestamp%'"
                ),
                {"table": table},
            )
            moves = ", ".join(f"{column} = {column} - :time" for column in columns)
            connection.execute(sa.text(f"UPDATE {table} SET {moves}"), {"time": time})


def page_due(desk: Desk) -> None:
    while safety.page_one(desk.host):
        pass
    desk.send_due()


@pytest.fixture
def desk(desk_of, mail) -> Desk:
    return desk_of(**variables_for(mail) | {"HOMEWARD_FALLBACK_PAGE": f"{TENANT}={ON_CALL}"})


class TestDanger:
    def test_is_watched_over_from_the_transaction_that_announces_it(self, desk):
        event = announced(desk)

        (row,) = watched(desk)
        assert (row.concern_id, row.tenant_id, row.state) == (event.concern_id, TENANT, "waiting")
        assert row.page_at - row.announced_at == timedelta(seconds=60)

    def test_that_was_not_saved_is_not_watched_over(self, desk):
        def change_ones_mind():
            announced(desk, concern_id="not an id at all")

        with pytest.raises(sa.exc.SQLAlchemyError):
            change_ones_mind()

        assert (watched(desk), desk.envelopes) == ([], [])

    def test_that_monitoring_itself_announces_needs_nobody_elses_word(self, desk_of):
        desk = desk_of(Monitoring)

        announced(desk)

        assert watched(desk) == []

    def test_is_nobodys_while_program_time_is_simulated(self, room_of):
        room = room_of(Intake)

        with room.db() as db:
            announce(db, concern())

        with room.engine.connect() as connection:
            assert connection.execute(sa.select(safety_watch)).all() == []


class TestUnconfirmedDanger:
    def test_is_paged_about_when_the_time_is_over(self, desk, mail):
        event = announced(desk)

        let_pass(desk, timedelta(seconds=61))
        page_due(desk)

        ((reader, message),) = mail.taken
        assert reader == "on.call@example.org"
        assert message["Subject"] == "A task needs somebody at once"
        assert f"Reference: {event.concern_id[:8]}" in message.get_payload()
        assert [row.state for row in watched(desk)] == ["paged"]

    def test_is_not_paged_about_before(self, desk, mail):
        announced(desk)

        let_pass(desk, timedelta(seconds=50))
        page_due(desk)

        assert mail.taken == []

    def test_is_told_of_in_the_tree_of_what_it_came_of(self, desk):
        event = announced(desk)

        let_pass(desk, timedelta(seconds=61))
        page_due(desk)

        raised, paged, settled = desk.envelopes
        assert isinstance(paged.event, FallbackPaged)
        assert (paged.event.concern_id, paged.event.patient_id) == (event.concern_id, event.patient_id)
        assert settled.event.notification_id == paged.event.notification_id
        assert settled.event.outcome == "SENT"
        assert {paged.correlation_id, settled.correlation_id} == {raised.correlation_id}
        assert {paged.causation_id, settled.causation_id} == {raised.event_id}

    def test_reaches_every_address_by_whatever_way(self, desk_of, mail, pager):
        addresses = f"{TENANT}={ON_CALL} {pager.url} mailto:director@example.org"
        desk = desk_of(**variables_for(mail) | {"HOMEWARD_FALLBACK_PAGE": addresses})
        announced(desk)

        let_pass(desk, timedelta(seconds=61))
        page_due(desk)

        assert sorted(mail.readers) == ["director@example.org", "on.call@example.org"]
        assert len(pager.taken) == 1

    def test_is_paged_about_each_minute_until_a_page_arrives(self, desk, mail):
        mail.recipient_answer = "550 Not here"
        announced(desk)
        for _ in range(3):
            let_pass(desk, timedelta(seconds=61))
            page_due(desk)
        assert [event.outcome for event in desk.settled] == ["FAILED"] * 3

        mail.recipient_answer = ""
        let_pass(desk, timedelta(seconds=61))
        page_due(desk)
        let_pass(desk, timedelta(seconds=61))
        page_due(desk)

        assert mail.readers == ["on.call@example.org"]

    def test_is_paged_about_again_when_nobody_has_confirmed_long_after(self, desk, mail):
        announced(desk)
        let_pass(desk, timedelta(seconds=61))
        page_due(desk)
        for _ in range(13):
            let_pass(desk, timedelta(seconds=61))
            page_due(desk)
        assert len(mail.taken) == 1

        for _ in range(3):
            let_pass(desk, timedelta(seconds=61))
            page_due(desk)

        assert len(mail.taken) == 2
        assert len(set(mail.ids)) == 2

    def test_is_not_paged_about_anew_while_a_page_is_being_tried(self, desk, mail):
        mail.stop()
        announced(desk)
        let_pass(desk, timedelta(seconds=61))
        page_due(desk)

        desk.make_due()
        with desk.engine.begin() as connection:
            connection.execute(safety_watch.update().values(page_at=real_now() - timedelta(seconds=1)))
        while safety.page_one(desk.host):
            pass

        assert desk.states() == {"waiting": 1}

    def test_is_shouted_about_where_nobody_can_be_paged_and_paged_once_somebody_can(
        self, desk_of, mail, capsys
    ):
        desk = desk_of(**variables_for(mail))
        announced(desk)
        let_pass(desk, timedelta(seconds=61))

        page_due(desk)

        assert "danger_unconfirmed_and_nobody_to_page" in capsys.readouterr().out
        measure_backlog(desk.host)
        assert desk.host.unpageable_dangers == 1
        mended = Desk(
            desk.engine,
            desk_of(**variables_for(mail) | {"HOMEWARD_FALLBACK_PAGE": f"{TENANT}={ON_CALL}"}).settings,
        )
        let_pass(desk, timedelta(seconds=61))
        page_due(mended)
        assert mail.readers == ["on.call@example.org"]
        measure_backlog(mended.host)
        assert mended.host.unpageable_dangers == 0
        mended.close()

    def test_is_paged_about_once_however_many_copies_look(self, desk, mail):
        announced(desk)
        let_pass(desk, timedelta(seconds=61))

        copies = [threading.Thread(target=safety.page_one, args=(desk.host,)) for _ in range(6)]
        for copy in copies:
            copy.start()
        for copy in copies:
            copy.join()
        desk.send_due()

        assert len(mail.taken) == 1

    @pytest.mark.parametrize("already_paged", [False, True])
    def test_does_not_wait_for_a_clock_that_went_back(self, desk, mail, already_paged):
        announced(desk)
        if already_paged:
            mail.recipient_answer = "550 Not here"
            let_pass(desk, timedelta(seconds=61))
            page_due(desk)
            mail.recipient_answer = ""

        let_pass(desk, -timedelta(hours=1))
        assert look(desk.host, now=desk.host.clock.now()).dangers_due
        page_due(desk)

        assert mail.readers == ["on.call@example.org"]

    def test_that_somebody_was_paged_about_is_let_be_when_a_clock_went_back(self, desk, mail):
        announced(desk)
        let_pass(desk, timedelta(seconds=61))
        page_due(desk)

        let_pass(desk, -timedelta(hours=1))
        page_due(desk)

        assert len(mail.taken) == 1

    def test_wakes_its_loop(self, desk):
        announced(desk)
        assert not look(desk.host, now=desk.host.clock.now()).dangers_due

        let_pass(desk, timedelta(seconds=61))

        assert look(desk.host, now=desk.host.clock.now()).dangers_due


class TestConfirmedDanger:
    def confirmed(self, desk: Desk, event: SafetyConcernRaised, *, tenant_id: str = TENANT) -> None:
        taken = SafetyConcernTaken(
            concern_id=event.concern_id,
            escalation_id=derived_id("escalation"),
            patient_id=event.patient_id,
            taken_at=real_now(),
        )
        (raised, *_) = desk.envelopes
        envelope = type(raised)(
            event_id=new_id(),
            event=taken,
            announced_by="monitoring",
            tenant_id=tenant_id,
            occurred_at=real_now(),
            recorded_at=real_now(),
            actor=raised.actor,
            correlation_id=raised.correlation_id,
        )
        inbox.take(desk.host, [inbox.Delivery(envelope.to_bytes())])

    def test_is_not_paged_about(self, desk, mail):
        event = announced(desk)

        self.confirmed(desk, event)
        let_pass(desk, timedelta(seconds=61))
        page_due(desk)

        assert mail.taken == []
        assert [row.state for row in watched(desk)] == ["confirmed"]

    def test_late_is_not_paged_about_any_more(self, desk, mail):
        event = announced(desk)
        let_pass(desk, timedelta(seconds=61))
        page_due(desk)

        self.confirmed(desk, event)
        let_pass(desk, timedelta(hours=1))
        page_due(desk)

        assert len(mail.taken) == 1
        with desk.engine.connect() as connection:
            assert safety.unconfirmed(connection, desk.host) == (0, 0)

    def test_by_another_tenant_is_not_confirmed(self, desk, mail):
        event = announced(desk)

        self.confirmed(desk, event, tenant_id="elsewhere")
        let_pass(desk, timedelta(seconds=61))
        page_due(desk)

        assert len(mail.taken) == 1


@pytest.mark.servers
class TestProcess:
    def test_pages_with_nothing_but_its_database_and_the_mail_server(self, desk_of, mail, tmp_path):
        desk = desk_of(
            **variables_for(mail)
            | {
                "HOMEWARD_FALLBACK_PAGE": f"{TENANT}={ON_CALL}",
                "HOMEWARD_SAFETY_CONFIRM_SECONDS": "2",
            }
        )
        # Two copies, no broker, no monitoring, and a mail server that comes late.
        mail.stop()
        for number in range(2):
            desk.start_copy(tmp_path / f"log{number}")

        announced(desk)
        until(lambda: desk.states() == {"waiting": 1})
        mail.start()
        until(lambda: desk.settled)

        assert mail.readers == ["on.call@example.org"]
        assert [event.outcome for event in desk.settled] == ["SENT"]
        logs = "".join((tmp_path / f"log{number}").read_text() for number in range(2))
        assert "danger_unconfirmed" in logs
        assert "example.org" not in logs
