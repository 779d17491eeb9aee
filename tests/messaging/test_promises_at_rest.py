"""The promises of messaging on a real database, without a broker between."""

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY

from bench.programs import short_weeks
from homeward.postgres import PrivatePostgres
from shared import audit, clock
from shared.contracts import roles
from shared.contracts.event import Actor, write_moment
from shared.contracts.scheduling import WeeklyDoseShortfall
from shared.database import Origin, new_engine
from shared.errors import Conflict, Refusal
from shared.ids import derived_id, new_id
from shared.messaging import commands, inbox, outbox, reacts_to, timers
from shared.messaging.hosting.host import Host
from shared.messaging.outbox import relay_once
from shared.messaging.oversight import backlog
from shared.messaging.timers import fire_due, run_due_jobs
from tests.messaging import ferry
from tests.messaging.ferry import FAILING, RUNS, Ferry
from tests.messaging.samples import attended, missed, short_week
from tests.support import TENANT, Room, settings_for_tests

#: Lets a row be written, and not be committed.
_REFUSED_AT_THE_COMMIT = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
    CREATE CONSTRAINT TRIGGER refused AFTER INSERT ON crossings DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.crossing_id = '{crossing_id}') EXECUTE FUNCTION refuse()
"""


@pytest.fixture
def room(postgres_server: PrivatePostgres) -> Iterator[Room]:
    name = f"ferry_{new_id().replace('-', '')}"
    postgres_server.create_databases([name])
    url = postgres_server.url_of(name)
    engine = new_engine(url)
    ferry.metadata.create_all(engine)
    engine.dispose()
    room = Room(Ferry, url=url, settings=settings_for_tests())
    FAILING.clear()
    RUNS.clear()
    yield room
    room.close()


@pytest.fixture
def values_refused(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the ids of seats of which the database refuses a value."""
    ids: set[str] = set()
    write = Ferry._write

    def write_or_be_refused(ferry: Ferry, db: Any, what: str, *key: str) -> None:
        write(ferry, db, what, *key)
        if key and key[0] in ids:
            db.execute(sa.text("SELECT 2147483647 + 1"))

    monkeypatch.setattr(Ferry, "_write", write_or_be_refused)
    return ids


def rows(room: Room) -> list[str]:
    with room.engine.connect() as connection:
        return sorted(connection.scalars(sa.select(ferry.crossings.c.what)))


def states(room: Room) -> list[tuple[str, int]]:
    with room.engine.connect() as connection:
        return [
            (row.state, row.attempts)
            for row in connection.execute(sa.select(inbox.inbox).order_by(inbox.inbox.c.received_at))
        ]


def ask_for(name: str, data: dict[str, Any], command_id: str) -> commands.Ask:
    """Return a request as the gateway sends it."""
    return commands.Ask(
        name=name,
        data=data,
        tenant_id=TENANT,
        actor=Actor(actor_id=new_id(), role=roles.CLINICIAN),
        command_id=command_id,
        correlation_id=new_id(),
        deadline=clock.real_now() + timedelta(seconds=60),
    )


class _Paper:
    """A publisher that writes down what it is given, and breaks when told to."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []
        self.broken = False

    def publish(self, messages: list[tuple[str, bytes]]) -> None:
        if self.broken:
            raise OSError("gone")
        self.published += messages


class TestSavedAndAnnouncedOrNeither:
    def test_commits_the_row_the_event_the_timer_and_the_audit_row_together(self, room: Room) -> None:
        room.call("cross", {"what": "goat"})

        assert rows(room) == ["goat"]
        assert len(room.announced) == 1
        assert [timer[:2] for timer in room.timers()] == [("arrive", "goat")]
        with room.engine.connect() as connection:
            assert list(connection.scalars(sa.select(audit.audit.c.action))) == ["cross"]

    def test_leaves_nothing_of_a_refused_command(self, room: Room) -> None:
        with pytest.raises(Conflict) as refused:
            room.call("cross", {"what": "wolf", "fail": True})

        assert refused.value.code == "ferry_is_full"
        assert rows(room) == []
        assert room.announced == []
        assert room.timers() == []
        with room.engine.connect() as connection:
            for table in (commands.commands, audit.audit):
                assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0

    def test_publishes_each_event_once_confirmed_and_again_when_not(self, room: Room) -> None:
        paper = _Paper()
        room.call("cross", {"what": "goat"})
        paper.broken = True

        with pytest.raises(OSError, match="gone"):
            relay_once(room.engine, paper)
        paper.broken = False
        first, second = relay_once(room.engine, paper), relay_once(room.engine, paper)

        assert (first, second) == (1, 0)
        assert [name for name, _ in paper.published] == ["obligation_fit_found"]

    def test_does_not_pass_over_a_transaction_that_commits_late(self, room: Room) -> None:
        paper = _Paper()
        envelope = room.envelope_of(ferry.fit("late"))
        row = {
            "event_id": envelope.event_id,
            "tenant_id": envelope.tenant_id,
            "type": envelope.event.wire_name,
            "body": envelope.to_bytes(),
            "announced_at": envelope.recorded_at,
        }
        with room.engine.begin() as late:
            late.execute(outbox.outbox.insert().values(row))  # its position is taken before the other's
            room.call("cross", {"what": "goat"})
            assert relay_once(room.engine, paper) == 1

        assert relay_once(room.engine, paper) == 1


class TestRelay:
    def unsent(self, room: Room) -> int:
        with room.engine.connect() as connection:
            query = sa.select(sa.func.count()).select_from(outbox.outbox)
            return connection.scalar(query.where(outbox.outbox.c.dispatched_at.is_(None))) or 0

    def older(self, room: Room) -> None:
        """Let what is in the outbox have been announced a while ago."""
        with room.engine.begin() as connection:
            connection.execute(
                outbox.outbox.update().values(announced_at=clock.real_now() - outbox.LEFT_BEHIND_AFTER)
            )

    def test_sends_what_was_just_committed_and_marks_it(self, room: Room) -> None:
        paper = _Paper()
        room.host.relay(paper)  # looks at what others have left
        room.call("cross", {"what": "goat"})

        room.host.relay(paper)
        room.host.relay(paper)
        sent_and_not_marked = self.unsent(room)
        room.host.mark_sent()

        assert [name for name, _ in paper.published] == ["obligation_fit_found"]
        assert (sent_and_not_marked, self.unsent(room)) == (1, 0)

    def test_is_woken_by_a_commit_that_announced_something_and_by_no_other(self, room: Room) -> None:
        woken: list[bool] = []
        room.host.wake_relay = lambda: woken.append(True)

        with pytest.raises(Conflict):
            room.call("cross", {"what": "wolf", "fail": True})
        room.ask("count", {})
        assert not woken
        room.call("cross", {"what": "goat"})
        assert woken

    def test_marks_many_at_once(self, room: Room) -> None:
        paper = _Paper()
        room.host.relay(paper)
        for what in ("goat", "wolf", "cabbage"):
            room.call("cross", {"what": what})
            room.host.relay(paper)
        assert self.unsent(room) == 3

        assert not room.host.mark_sent()

        assert self.unsent(room) == 0

    def test_marks_with_the_moment_of_the_confirm(self, room: Room) -> None:
        room.call("cross", {"what": "goat"})
        room.host.relay(_Paper())
        confirmed_by = clock.real_now()

        room.host.mark_sent()

        with room.engine.connect() as connection:
            (marked_with,) = connection.scalars(sa.select(outbox.outbox.c.dispatched_at)).all()
        assert marked_with <= confirmed_by

    def test_has_many_marked_at_once_and_few_with_the_next_look(self, room: Room, monkeypatch) -> None:
        room.host.relay(_Paper())
        monkeypatch.setattr(outbox, "MARKED_AT_ONCE", 3)
        woken: list[int] = []
        room.host.wake_marking = lambda: woken.append(room.host.sending.unmarked)

        for what in ("goat", "wolf", "cabbage"):
            room.call("cross", {"what": what})
            room.host.relay(_Paper())

        assert woken == [3]

    def test_marks_later_what_it_could_not_mark(self, room: Room) -> None:
        paper = _Paper()
        room.host.relay(paper)
        room.call("cross", {"what": "goat"})
        room.host.relay(paper)
        with room.engine.begin() as held:
            held.execute(outbox.outbox.select().with_for_update())
            with pytest.raises(sa.exc.OperationalError):
                room.host.mark_sent()

        room.host.mark_sent()

        assert self.unsent(room) == 0
        assert len(paper.published) == 1

    def test_leaves_to_the_outbox_what_was_not_confirmed(self, room: Room) -> None:
        paper = _Paper()
        room.call("cross", {"what": "goat"})
        paper.broken = True
        with pytest.raises(OSError, match="gone"):
            room.host.relay(paper)
        paper.broken = False

        room.host.relay(paper)
        at_once = list(paper.published)
        self.older(room)
        room.host.relay(paper)  # nothing has told it that something is there
        room.host.sending.look_behind()
        room.host.relay(paper)

        assert at_once == []
        assert [name for name, _ in paper.published] == ["obligation_fit_found"]
        assert self.unsent(room) == 0

    def test_sends_what_another_process_left_behind_once_it_is_old_enough(self, room: Room) -> None:
        paper = _Paper()
        room.call("cross", {"what": "goat"})
        restarted = outbox.Relay(room.engine)

        restarted.step(paper)
        too_young = list(paper.published)
        self.older(room)
        restarted.look_behind()
        restarted.step(paper)

        assert too_young == []
        assert [name for name, _ in paper.published] == ["obligation_fit_found"]
        assert self.unsent(room) == 0

    def test_sends_once_what_waited_in_memory_until_it_was_old(
        self, room: Room, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outbox, "RELAY_BATCH", 1)
        monkeypatch.setattr(outbox, "LEFT_BEHIND_AFTER", timedelta(0))
        paper = _Paper()
        for what in ("goat", "wolf", "cabbage"):
            room.call("cross", {"what": what})

        while room.host.relay(paper):
            pass
        room.host.mark_sent()

        assert len(paper.published) == 3
        assert self.unsent(room) == 0

    def test_sends_what_was_left_behind_before_a_clock_went_back(self, room: Room) -> None:
        paper = _Paper()
        room.call("cross", {"what": "goat"})
        with room.engine.begin() as connection:
            ahead = clock.real_now() + timedelta(hours=1)
            connection.execute(outbox.outbox.update().values(announced_at=ahead))

        outbox.Relay(room.engine).step(paper)

        assert [name for name, _ in paper.published] == ["obligation_fit_found"]

    def test_never_sends_what_was_rolled_back(self, room: Room) -> None:
        paper = _Paper()
        with pytest.raises(Conflict):
            room.call("cross", {"what": "wolf", "fail": True})

        assert not room.host.relay(paper)
        assert paper.published == []

    def test_keeps_no_more_in_memory_than_it_promises(
        self, room: Room, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outbox, "MOST_FRESH", 2)
        paper = _Paper()
        for what in ("goat", "wolf", "cabbage"):
            room.call("cross", {"what": what})

        while room.host.relay(paper):
            pass
        room.host.mark_sent()
        in_memory = len(paper.published)
        self.older(room)
        room.host.sending.look_behind()
        room.host.relay(paper)

        assert (in_memory, len(paper.published)) == (2, 3)
        assert self.unsent(room) == 0


class TestCommandIdentity:
    def test_answers_a_repeated_id_with_the_first_answer_and_no_second_effect(self, room: Room) -> None:
        command_id = new_id()

        first = room.call("cross", {"what": "goat"}, command_id=command_id)
        again = room.call("cross", {"what": "goat"}, command_id=command_id)

        assert first == again == {"crossed": "goat"}
        assert rows(room) == ["goat"]

    def test_keeps_nothing_from_which_a_request_can_be_guessed(self, room: Room) -> None:
        keys = [new_id(), new_id()]
        for command_id in keys:
            room.call("cross_slowly", {"what": "goat"}, command_id=command_id)

        with room.engine.connect() as connection:
            kept = [bytes(one) for one in connection.scalars(sa.select(commands.commands.c.fingerprint))]

        said = commands.said_by("cross_slowly", {"what": "goat"}, actor_id=derived_id("actor", "clinician"))
        assert hashlib.sha256(said).digest() not in kept
        assert len(set(kept)) == 2, "equal requests look equal"

    def test_knows_a_request_again_of_which_an_earlier_version_kept_a_plain_digest(self, room: Room) -> None:
        command_id = new_id()
        first = room.call("cross", {"what": "goat"}, command_id=command_id)
        said = commands.said_by("cross", {"what": "goat"}, actor_id=derived_id("actor", "clinician"))
        with room.engine.begin() as connection:
            connection.execute(commands.commands.update().values(fingerprint=hashlib.sha256(said).digest()))

        assert room.call("cross", {"what": "goat"}, command_id=command_id) == first
        with pytest.raises(Conflict):
            room.call("cross", {"what": "cabbage"}, command_id=command_id)
        assert rows(room) == ["goat"]

    def test_refuses_an_id_that_comes_with_another_request(self, room: Room) -> None:
        command_id = new_id()
        room.call("cross", {"what": "goat"}, command_id=command_id)

        with pytest.raises(Conflict) as refused:
            room.call("cross", {"what": "cabbage"}, command_id=command_id)

        assert refused.value.code == "command_id_reused"

    def test_has_one_effect_for_twenty_at_once(self, room: Room) -> None:
        command_id = new_id()
        answers: list[Any] = []

        def ask() -> None:
            try:
                answers.append(room.call("cross", {"what": "goat"}, command_id=command_id))
            except Refusal as refusal:
                answers.append(refusal.status)

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert rows(room) == ["goat"]
        assert {str(answer) for answer in answers} <= {"{'crossed': 'goat'}", "409", "503"}

    def test_does_not_carry_out_what_comes_after_its_deadline(self, room: Room) -> None:
        ask = commands.Ask(
            name="cross",
            data={"what": "goat"},
            tenant_id="lakeside",
            actor=room.envelope_of(missed("m")).actor,
            command_id=new_id(),
            correlation_id=new_id(),
            deadline=clock.real_now(),
        )

        assert commands.answer(room.host, ask.to_bytes()) is None
        assert rows(room) == []

    def test_leaves_nothing_of_what_took_until_after_its_deadline(self, room: Room) -> None:
        late = ask_for("cross", {"what": "goat"}, new_id())
        # In time when it came: whoever asked has been told meanwhile that nothing happened.
        reply = commands.carry_out(room.host, replace(late, deadline=clock.real_now()))

        assert reply["refused"]["family"] == "Unavailable"
        assert (rows(room), room.announced, room.timers()) == ([], [], [])
        assert commands.carry_out(room.host, late) == {"done": {"crossed": "goat"}}
        assert rows(room) == ["goat"]

    def test_names_field_and_rule_of_bad_input(self, room: Room) -> None:
        with pytest.raises(Refusal) as refused:
            room.call("cross", {"whom": "goat"})

        assert refused.value.status == 422
        assert {problem["field"] for problem in refused.value.problems} == {"what", "whom"}

    def test_does_long_work_as_a_job_once(self, room: Room) -> None:
        command_id = new_id()

        accepted = room.call("cross_slowly", {"what": "goat"}, command_id=command_id)
        again = room.call("cross_slowly", {"what": "goat"}, command_id=command_id)
        running = room.ask("get_job", {"job_id": command_id})
        room.run_jobs()
        afterwards = room.call("cross_slowly", {"what": "goat"}, command_id=command_id)

        assert accepted["accepted"] == again["accepted"] == f"monitoring.{command_id}"
        assert afterwards == again, "the first answer, though there is a result by now"
        assert running["state"] == "running"
        assert room.ask("get_job", {"job_id": command_id}) == {
            "state": "done",
            "result": {"crossed": "goat"},
        }
        assert rows(room) == ["goat"]

    def test_leaves_long_work_of_a_later_version_and_does_the_rest(self, room: Room) -> None:
        unknown, unreadable, plain = new_id(), new_id(), new_id()
        for command_id in (unknown, unreadable, plain):
            room.call("cross_slowly", {"what": command_id}, command_id=command_id)
        with room.engine.begin() as connection:
            connection.execute(
                commands.commands.update()
                .where(commands.commands.c.command_id == unknown)
                .values(name="cross_under_water")
            )
            request = commands.seal(
                ask_for("cross_slowly", {"what": "goat", "depth": 20}, unreadable).to_bytes(),
                bound_to=f"commands:{unreadable}",
            )
            connection.execute(
                commands.commands.update()
                .where(commands.commands.c.command_id == unreadable)
                .values(content_sealed=request)
            )

        room.run_jobs()

        states = [room.ask("get_job", {"job_id": one})["state"] for one in (unknown, unreadable, plain)]
        assert states == ["running", "running", "done"]

    def test_tries_long_work_again_after_a_lock_that_came_too_late(self, room: Room) -> None:
        command_id = new_id()
        room.call("cross_slowly", {"what": "goat"}, command_id=command_id)

        with room.engine.connect() as other:
            other.execute(sa.text("LOCK TABLE crossings IN EXCLUSIVE MODE"))
            with pytest.raises(sa.exc.OperationalError):
                room.run_jobs()
        between = room.ask("get_job", {"job_id": command_id})["state"]
        room.run_jobs()

        assert (between, room.ask("get_job", {"job_id": command_id})["state"]) == ("running", "done")
        assert rows(room) == ["goat"]


class TestEffectsHappenOnce:
    def test_drops_what_was_done_before(self, room: Room) -> None:
        envelope = room.envelope_of(missed("monday"))

        room.deliver(envelope, envelope)
        room.deliver_together([envelope, envelope])

        assert rows(room) == ["missed"]

    def test_rolls_back_a_failing_reaction_alone(self, room: Room) -> None:
        FAILING.add(derived_id("tuesday"))

        inbox.take(
            room.host,
            [
                inbox.Delivery(room.envelope_of(missed(day)).to_bytes())
                for day in ("monday", "tuesday", "wednesday")
            ],
        )

        assert rows(room) == ["missed", "missed"]
        assert sorted(states(room)) == [("done", 0), ("done", 0), ("waiting", 1)]
        assert len(room.announced) == 2
        assert len(room.timers()) == 2

    @pytest.mark.parametrize("failing", [{0}, {7}, {3, 4}, {0, 2, 9}, set(range(10))])
    def test_rolls_back_those_that_fail_and_no_others(self, room: Room, failing: set[int]) -> None:
        FAILING.update(derived_id(f"day {day}") for day in failing)
        bodies = [room.envelope_of(missed(f"day {day}")).to_bytes() for day in range(10)]

        inbox.take(room.host, [inbox.Delivery(body) for body in (*bodies, bodies[5])])

        well = 10 - len(failing)
        assert rows(room) == ["missed"] * well
        assert sorted(states(room)) == [("done", 0)] * well + [("waiting", 1)] * len(failing)
        assert len(room.announced) == well
        assert len(room.timers()) == well

    def test_parks_what_can_be_run_and_not_committed_and_keeps_the_others(self, room: Room) -> None:
        bad = derived_id("tuesday")
        with room.engine.begin() as connection:
            connection.exec_driver_sql(_REFUSED_AT_THE_COMMIT.format(crossing_id=derived_id(bad, "missed")))
        bodies = [room.envelope_of(missed(day)).to_bytes() for day in ("monday", "tuesday", "wednesday")]

        inbox.take(room.host, [inbox.Delivery(body) for body in bodies])
        while "waiting" in {state for state, _ in states(room)}:
            with room.engine.begin() as connection:
                connection.execute(inbox.inbox.update().values(next_attempt_at=clock.real_now()))
            with contextlib.suppress(sa.exc.DBAPIError):
                inbox.retry_one(room.host)

        assert rows(room) == ["missed", "missed"]
        assert sorted(states(room)) == [("done", 0), ("done", 0), ("parked", 8)]

    def test_parks_after_exactly_the_cap_of_attempts_and_goes_on_when_retried(self, room: Room) -> None:
        FAILING.add(derived_id("tuesday"))
        envelope = room.envelope_of(missed("tuesday"))
        inbox.take(room.host, [inbox.Delivery(envelope.to_bytes())])
        RUNS.clear()
        for _ in range(20):
            inbox.retry_one(room.host)

        assert states(room) == [("parked", 8)]
        assert len(RUNS) == 7
        FAILING.clear()
        with room.db() as db:
            assert inbox.retry_parked(db, event_id=envelope.event_id, who="ops-7", why="mended") == 1
        inbox.retry_one(room.host)
        assert states(room) == [("done", 0)]
        assert rows(room) == ["missed"]

    def test_runs_what_fails_alone_as_often_as_the_cap_says_and_never_in_vain(self, room: Room) -> None:
        FAILING.add(derived_id("tuesday"))
        inbox.take(room.host, [inbox.Delivery(room.envelope_of(missed("tuesday")).to_bytes())])
        while inbox.retry_one(room.host):
            pass

        assert states(room) == [("parked", 8)]
        assert len(RUNS) == 8

    def test_runs_what_fails_by_itself_once_and_the_others_of_its_batch_once_more(self, room: Room) -> None:
        FAILING.add(derived_id("tuesday"))
        days = ("monday", "tuesday", "wednesday")

        inbox.take(room.host, [inbox.Delivery(room.envelope_of(missed(day)).to_bytes()) for day in days])

        runs = [*days[:2], "monday", "wednesday"]
        assert [derived_id(day) for day in runs] == RUNS
        assert sorted(states(room)) == [("done", 0), ("done", 0), ("waiting", 1)]

    @pytest.mark.parametrize(
        ("days", "bad", "runs"),
        [
            # Where all others go well, it is known by what the batch has failed, and is not run again.
            ("mon tue", "tue", "mon tue, mon"),
            ("mon tue wed", "wed", "mon tue wed, mon, tue"),
            ("mon tue wed thu", "thu", "mon tue wed thu, mon tue, wed"),
            ("mon tue", "mon", "mon, mon, tue"),
            ("mon tue", "mon tue", "mon, mon, tue"),
            ("mon tue wed thu", "tue thu", "mon tue, mon tue, mon, wed thu, wed"),
        ],
    )
    def test_counts_each_run_once_of_what_the_database_refuses_for_its_value(
        self, room: Room, values_refused: set[str], days: str, bad: str, runs: str
    ) -> None:
        values_refused.update(derived_id(day) for day in bad.split())
        bodies = [room.envelope_of(missed(day)).to_bytes() for day in days.split()]

        inbox.take(room.host, [inbox.Delivery(body) for body in bodies])

        well = len(bodies) - len(bad.split())
        assert [derived_id(day) for day in runs.replace(",", "").split()] == RUNS
        assert sorted(states(room)) == [("done", 0)] * well + [("waiting", 1)] * len(bad.split())
        assert rows(room) == ["missed"] * well
        while inbox.retry_one(room.host):
            pass
        assert sorted(states(room)) == [("done", 0)] * well + [("parked", 8)] * len(bad.split())

    def test_blames_nothing_that_was_done_before(self, room: Room, values_refused: set[str]) -> None:
        bodies = [room.envelope_of(missed(day)).to_bytes() for day in ("monday", "tuesday", "wednesday")]
        inbox.take(room.host, [inbox.Delivery(bodies[2])])
        values_refused.add(derived_id("tuesday"))

        inbox.take(room.host, [inbox.Delivery(body) for body in bodies])

        assert sorted(states(room)) == [("done", 0), ("done", 0), ("waiting", 1)]
        assert rows(room) == ["missed", "missed"]

    def test_commits_the_half_that_goes_well_before_it_looks_through_the_other(
        self, room: Room, values_refused: set[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        values_refused.update(derived_id(day) for day in ("wed", "thu"))
        carry, seen = room.host.reactions["session_missed"][0][1], []

        def look(db: Any, event: Any, now: Any) -> None:
            seen.append(len(rows(room)))
            carry(db, event, now)

        monkeypatch.setitem(room.host.reactions, "session_missed", [("carry_missed", look)])
        bodies = [room.envelope_of(missed(day)).to_bytes() for day in ("mon", "tue", "wed", "thu")]
        inbox.take(room.host, [inbox.Delivery(body) for body in bodies])

        assert seen == [0, 0, 0, 0, 0, 2, 2]
        assert sorted(states(room)) == [("done", 0), ("done", 0), ("waiting", 1), ("waiting", 1)]

    @pytest.mark.parametrize(("cap", "state"), [(2, "parked"), (3, "waiting")])
    def test_counts_the_runs_of_two_copies_that_were_given_the_same_message(
        self, room: Room, monkeypatch: pytest.MonkeyPatch, cap: int, state: str
    ) -> None:
        FAILING.add(derived_id("tuesday"))
        delivery = inbox.Delivery(room.envelope_of(missed("tuesday")).to_bytes())
        capped = settings_for_tests(HOMEWARD_PARKED_AFTER_ATTEMPTS=str(cap))
        copies = [Room(Ferry, engine=room.engine, settings=capped) for _ in range(2)]
        wait = inbox._after_failed_run

        def be_overtaken(host: Any, *args: Any, **told: Any) -> dict[str, Any]:
            if host is copies[0].host:
                # Ours is rolled back, and not written down yet.
                inbox.take(copies[1].host, [delivery])
            return wait(host, *args, **told)

        monkeypatch.setattr(inbox, "_after_failed_run", be_overtaken)
        inbox.take(copies[0].host, [delivery])

        assert len(RUNS) == 2
        assert states(room) == [(state, 2)]

    def test_tries_at_once_again_what_somebody_else_was_in_the_way_of(
        self, room: Room, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = Ferry._write

        def be_in_the_way(ferry: Ferry, db: Any, *what: str) -> None:
            write(ferry, db, *what)
            if len(RUNS) == 1:
                write(ferry, db, *what)

        monkeypatch.setattr(Ferry, "_write", be_in_the_way)
        inbox.take(room.host, [inbox.Delivery(room.envelope_of(missed("tuesday")).to_bytes())])

        assert len(RUNS) == 2
        assert states(room) == [("done", 0)]

    def test_parks_what_cannot_be_committed_any_more_and_tries_the_others(self, room: Room) -> None:
        FAILING.update(derived_id(day) for day in ("tuesday", "wednesday"))
        for day in ("tuesday", "wednesday"):
            inbox.take(room.host, [inbox.Delivery(room.envelope_of(missed(day)).to_bytes())])
        FAILING.clear()
        bad = derived_id("tuesday")
        with room.engine.begin() as connection:
            connection.exec_driver_sql(_REFUSED_AT_THE_COMMIT.format(crossing_id=derived_id(bad, "missed")))
        RUNS.clear()
        for _ in range(20):
            with room.engine.begin() as connection:
                connection.execute(inbox.inbox.update().values(next_attempt_at=clock.real_now()))
            with contextlib.suppress(sa.exc.DBAPIError):
                inbox.retry_one(room.host)

        assert sorted(states(room)) == [("done", 1), ("parked", 8)]
        assert RUNS.count(bad) == 7
        assert rows(room) == ["missed"]

    @pytest.mark.usefixtures("real_time_stands")
    def test_is_tried_again_after_waits_that_grow_in_real_time(self, room: Room) -> None:
        room.clock.simulated = False  # where time is simulated nothing waits
        FAILING.add(derived_id("tuesday"))
        inbox.take(room.host, [inbox.Delivery(room.envelope_of(missed("tuesday")).to_bytes())])

        waits = []
        while states(room)[0][0] == "waiting":
            waits.append(let_wait_be_over(room))
            inbox.retry_one(room.host)

        # Give or take a fifth.
        wanted = [1, 4, 16, 64, 256, 1024, 3600]
        assert len(waits) == len(wanted)
        for wait, seconds in zip(waits, wanted, strict=True):
            assert 0.8 * seconds <= wait <= 1.2 * seconds
        assert states(room) == [("parked", 8)]

    def test_parked_is_listed_to_its_tenant_only(self, room: Room) -> None:
        inbox.take(
            room.host,
            [
                inbox.Delivery(room.envelope_of(missed("monday")).to_bytes(), 21),
                inbox.Delivery(room.envelope_of(missed("tuesday"), tenant_id="hillside").to_bytes(), 21),
            ],
        )
        room.call("cross", {"what": "goat"})
        with room.db() as db:
            db.execute(clock.timers.update().values(state="parked", attempts=8, error="ValueError"))
            db.execute(inbox.inbox.update().values(state="parked"))

        found = room.ask("list_parked", {}, role="operations")["items"]

        assert [(item["kind"], item["attempts"], item["error"]) for item in found] == [
            ("REACTION", 0, "DeliveredTooOften"),
            ("TIMER", 8, "ValueError"),
        ]

    def test_waits_for_an_event_it_builds_on_without_using_up_attempts(self, room: Room) -> None:
        inbox.take(room.host, [inbox.Delivery(room.envelope_of(attended("monday")).to_bytes())])
        room.settle()

        assert states(room) == [("waiting", 0)]
        room.deliver(missed("monday"))
        assert rows(room) == ["attended", "missed"]

    def test_waits_for_it_no_longer_than_an_hour_before_that_counts_as_a_failure(self, room: Room) -> None:
        room.clock.simulated = False  # where time is simulated it is counted in tries
        inbox.take(room.host, [inbox.Delivery(room.envelope_of(attended("monday")).to_bytes())])
        for _ in range(20):
            let_wait_be_over(room)
            inbox.retry_one(room.host)
        assert states(room) == [("waiting", 0)]

        with room.engine.begin() as connection:
            an_hour_ago = clock.real_now() - timedelta(hours=1, seconds=1)
            connection.execute(inbox.inbox.update().values(received_at=an_hour_ago))
        attempts = []
        while states(room)[0][0] == "waiting":
            let_wait_be_over(room)
            inbox.retry_one(room.host)
            attempts.append(states(room)[0][1])

        assert attempts == list(range(1, 9))
        assert states(room) == [("parked", 8)]

    def test_puts_aside_what_nobody_can_read_and_goes_on(self, room: Room) -> None:
        inbox.take(
            room.host,
            [
                inbox.Delivery(b"\xff not an event, said Rosa Lindqvist"),
                inbox.Delivery(room.envelope_of(missed("monday")).to_bytes()),
            ],
        )

        assert rows(room) == ["missed"]
        with room.engine.connect() as connection:
            row = connection.execute(sa.select(inbox.quarantine)).one()
        assert b"Lindqvist" not in bytes(row.body_sealed)


class TwoWeeks:
    """Keeps each short week twice: with its minutes, at most so many, and without."""

    name = "monitoring"
    most = 2**40

    @reacts_to(WeeklyDoseShortfall)
    def keep_with_minutes(self, db: Any, event: WeeklyDoseShortfall, now: Any) -> None:
        db.add(self._week(event.episode_id, event, now, minutes=min(event.attended_minutes, self.most)))

    @reacts_to(WeeklyDoseShortfall)
    def keep_without_minutes(self, db: Any, event: WeeklyDoseShortfall, now: Any) -> None:
        db.add(self._week(event.patient_id, event, now, minutes=0))

    def _week(self, id_: str, event: WeeklyDoseShortfall, now: Any, *, minutes: int) -> short_weeks.ShortWeek:
        return short_weeks.ShortWeek(
            episode_id=id_,
            patient_id=event.patient_id,
            week_starts_on=event.week_starts_on,
            attended_minutes=minutes,
            floor_minutes=event.floor_minutes,
            noted_at=now,
        )


class TestReactionsToOneEvent:
    def test_of_which_one_is_refused_leave_nothing_of_it_to_the_other(self, room: Room) -> None:
        short_weeks.metadata.create_all(room.engine)
        two = Room(TwoWeeks, engine=room.engine, settings=settings_for_tests())

        def minutes() -> list[int]:
            with room.engine.connect() as connection:
                kept = connection.scalars(sa.select(short_weeks.noted_weeks.c.attended_minutes))
                return sorted(kept)

        body = room.envelope_of(replace(short_week("ada"), attended_minutes=2**40)).to_bytes()
        inbox.take(two.host, [inbox.Delivery(body)])
        assert (minutes(), sorted(states(room))) == ([0], [("done", 0), ("waiting", 1)])
        inbox.retry_one(two.host)
        assert (minutes(), sorted(states(room))) == ([0], [("done", 0), ("waiting", 2)])
        two.host.service.most = 330
        inbox.retry_one(two.host)

        assert (minutes(), sorted(states(room))) == ([0, 330], [("done", 0), ("done", 2)])


def let_wait_be_over(room: Room) -> float:
    """Let the wait of the reaction that failed go by, and return its seconds."""
    with room.engine.begin() as connection:
        until = connection.scalar(sa.select(inbox.inbox.c.next_attempt_at))
        assert until is not None
        wait = (until - clock.real_now()).total_seconds()
        connection.execute(inbox.inbox.update().values(next_attempt_at=clock.real_now()))
    return float(wait)


class TestReactionToSeveralAtOnce:
    @pytest.fixture(autouse=True)
    def no_convoys(self) -> None:
        ferry.CONVOYS.clear()

    def test_takes_those_of_its_kind_that_came_together_each_once_and_for_its_own_cause(
        self, room: Room
    ) -> None:
        ada, ben, ida = (room.envelope_of(short_week(name)) for name in ("ada", "ben", "ida"))
        other = room.envelope_of(missed("monday"))
        room.deliver(ida)
        ferry.CONVOYS.clear()

        room.deliver_together([ada, other, ben, ada, ida])

        # What ran before it was known that one of them had come already was taken back.
        *_, convoy = ferry.CONVOYS
        assert convoy == [derived_id("ada"), derived_id("ben")]
        assert rows(room) == ["missed", "short week", "short week", "short week"]
        assert {state for state, _ in states(room)} == {"done"}
        causes = {one.event.patient_id: one.causation_id for one in room.announced_envelopes}
        assert causes == {
            derived_id(cause.event.seat_id if cause is other else cause.event.patient_id): cause.event_id
            for cause in (ada, ben, ida, other)
        }
        with room.engine.connect() as connection:
            acts = connection.execute(
                sa.select(audit.audit.c.about_id, audit.audit.c.cause_id).where(
                    audit.audit.c.action == "carry_short_weeks"
                )
            ).all()
        assert sorted((act.about_id, act.cause_id) for act in acts) == sorted(
            (cause.event.patient_id, cause.event_id) for cause in (ada, ben, ida)
        )

    def test_rolls_back_the_one_that_fails_alone(self, room: Room) -> None:
        FAILING.add(derived_id("ben"))

        room.deliver_together([room.envelope_of(short_week(name)) for name in ("ada", "ben", "ida")])
        waiting = room.waiting
        FAILING.clear()
        room.settle()

        assert waiting == ["carry_short_weeks"]
        assert ferry.CONVOYS[0] == [derived_id(name) for name in ("ada", "ben", "ida")]
        assert {len(convoy) for convoy in ferry.CONVOYS[1:]} == {1}
        assert rows(room) == ["short week"] * 3
        assert len(room.announced) == 3
        assert {state for state, _ in states(room)} == {"done"}


def set_arrivals(room: Room, *names: str) -> None:
    """Have these arrive now, each by itself."""
    with room.db() as db:
        for name in names:
            clock.set_timer(db, "arrive", key=name, due_at=room.now)


def set_convoy(room: Room, *names: str) -> dict[str, str]:
    """Set a timer for each name in a transaction of its own; return what each was caused by."""
    ferry.CONVOYS.clear()
    causes = {}
    for name in names:
        with room.db() as db:
            causes[name] = db.info["origin"].correlation_id
            clock.set_timer(db, "arrive_in_convoy", key=name, due_at=room.now)
    return causes


class TestStillnessOfAnOnlyCopy:
    """What simulated time waits for, of a service that has its only copy in this process."""

    @pytest.fixture(autouse=True)
    def _looked_at(self, room: Room) -> None:
        assert still(room) == {}

    def test_ends_with_an_event_until_it_is_sent_though_not_marked(self, room: Room) -> None:
        room.deliver(missed("s1"))

        assert still(room)["unsent"] == 1
        room.host.relay(_Paper())
        assert "unsent" not in still(room)

    def test_ends_with_an_event_that_the_broker_did_not_take(self, room: Room) -> None:
        paper = _Paper()
        paper.broken = True
        room.deliver(missed("s1"))
        with pytest.raises(OSError, match="gone"):
            room.host.relay(paper)

        assert still(room)["unsent"] == 1
        relay_once(room.engine, _Paper())
        assert "unsent" not in still(room)

    def test_ends_with_an_event_for_which_there_was_no_room(self, room: Room, monkeypatch) -> None:
        monkeypatch.setattr(outbox, "MOST_FRESH", 0)

        room.deliver(missed("s1"))

        assert still(room)["unsent"] == 1

    def test_ends_with_a_timer(self, room: Room) -> None:
        room.deliver(missed("s1"))

        assert still(room)["timers_due"]
        room.fire_due()
        assert "timers_due" not in still(room)

    def test_ends_with_the_timer_of_a_command(self, room: Room) -> None:
        room.call("cross", {"what": "goat"})

        assert still(room)["timers_due"]

    def test_ends_with_a_reaction_that_waits(self, room: Room) -> None:
        room.deliver(attended("s1"))

        assert still(room) == {"waiting": 1}

    def test_ends_with_long_work(self, room: Room) -> None:
        room.call("cross_slowly", {"what": "elephant"})

        assert still(room) == {"jobs": 1}
        room.run_jobs()
        assert still(room) == {}

    def test_ends_with_what_an_operator_has_tried_again(self, room: Room) -> None:
        FAILING.add(derived_id("s1"))
        event = room.envelope_of(missed("s1"))
        inbox.take(room.host, [inbox.Delivery(event.to_bytes())])
        while room.waiting:
            room.settle()
        FAILING.discard(derived_id("s1"))
        assert still(room) == {}

        item = {"item_id": event.event_id, "why": "mended"}
        room.call("retry_parked", item, role=roles.OPERATIONS)

        assert still(room) == {"waiting": 1}


class TestNextTimerOfAnOnlyCopy:
    """When it is due, once something was written of which all that is left to do is known."""

    @pytest.mark.parametrize(
        ("key", "hours", "next_in", "asks"),
        [
            ("another", 3, 2, False),
            ("another", 1, 1, False),
            ("another", None, 2, False),
            ("first", 1, 1, True),
            ("first", 3, 3, True),
            ("first", None, None, True),
        ],
    )
    def test_is_asked_for_only_where_the_next_one_was_changed(
        self, room: Room, *, key: str, hours: int | None, next_in: int | None, asks: bool
    ) -> None:
        write_timer(room, "first", hours=2)
        now_due(room)
        asked = room.host.times_asked

        write_timer(room, key, hours=hours)

        due_at = now_due(room)
        # Where there is no timer, it is the calendar's.
        assert next_in is None or due_at == write_moment(room.now + timedelta(hours=next_in))
        assert room.host.times_asked == asked + asks
        room.host.last_look = None
        assert due_at == now_due(room), "the database knows better"

    def test_is_none_that_no_method_waits_for(self, room: Room) -> None:
        write_timer(room, "first", hours=2)
        now_due(room)

        write_timer(room, "first", hours=1, name="unknown")

        assert now_due(room) == write_moment(room.now + timedelta(hours=2))

    def test_is_asked_for_where_one_was_set_while_it_was_asked_for(self, room: Room, monkeypatch) -> None:
        write_timer(room, "first", hours=2)
        ask = backlog._look_before_a_jump

        def ask_late(host: Host) -> backlog.Duties:
            found = ask(host)
            if host.times_asked == 1:
                write_timer(room, "second", hours=1)
            return found

        monkeypatch.setattr(backlog, "_look_before_a_jump", ask_late)
        now_due(room)

        assert now_due(room) == write_moment(room.now + timedelta(hours=1))


def write_timer(room: Room, key: str, *, hours: int | None, name: str = "arrive") -> None:
    """Set a timer as a reaction does, or cancel it."""
    origin = Origin(
        service=room.host.name,
        tenant_id=TENANT,
        actor=Actor(actor_id="test", role=roles.SYSTEM),
        now=room.now,
        correlation_id=new_id(),
    )
    with room.host.transaction(origin, by_the_book=True) as db:
        if hours is None:
            clock.cancel_timer(db, name, key=key)
        else:
            clock.set_timer(db, name, key=key, due_at=room.now + timedelta(hours=hours))


def now_due(room: Room) -> str | None:
    """Return when the next timer or calendar job is due, as the program clock asks for it."""
    due_at: str | None = backlog.stillness(room.host, count_messages=False, only_copy=True)["next_due_at"]
    return due_at


def still(room: Room) -> dict[str, Any]:
    """Return what is still to be done, as the program clock asks for it."""
    found = backlog.stillness(room.host, count_messages=False, only_copy=True)
    return {name: value for name, value in found.items() if value and name != "next_due_at"}


class TestTimers:
    def test_fire_once_with_four_at_once(self, room: Room) -> None:
        for what in ("goat", "wolf", "cabbage"):
            room.call("cross", {"what": what})
        threads = [threading.Thread(target=room.fire_due) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert rows(room).count("arrived") == 3
        assert room.timers() == []

    def test_fire_together_where_the_method_takes_several(self, room: Room) -> None:
        causes = set_convoy(room, "goat", "wolf", "cabbage", "fox")

        room.fire_due()

        assert ferry.CONVOYS == [["cabbage", "fox", "goat"], ["wolf"]]
        assert rows(room) == ["arrived"] * 4
        told = {one.event.patient_id: one.correlation_id for one in room.announced_envelopes}
        assert told == {derived_id(name): cause for name, cause in causes.items()}
        with room.engine.connect() as connection:
            acts = connection.scalars(
                sa.select(audit.audit.c.action).where(audit.audit.c.action.like("timer:%"))
            ).all()
        assert acts == ["timer:arrive_in_convoy"] * 4

    def test_of_which_one_fails_are_fired_alone(self, room: Room) -> None:
        set_convoy(room, "goat", "wolf", "cabbage")
        ferry.FAILING.add("wolf")
        try:
            for _ in range(5):
                fire_due(room.host)
        finally:
            ferry.FAILING.discard("wolf")

        assert ferry.CONVOYS[:1] == [["cabbage", "goat", "wolf"]]
        assert {len(convoy) for convoy in ferry.CONVOYS[1:]} == {1}
        assert rows(room) == ["arrived"] * 2
        assert [key for _, key, _ in room.timers()] == ["wolf"]

    def test_that_are_due_together_are_fired_in_one_transaction(self, room: Room) -> None:
        set_arrivals(room, "goat", "wolf")
        set_convoy(room, "cabbage", "fox")

        assert [fire_due(room.host), fire_due(room.host)] == [1, 0]

        assert rows(room) == ["arrived"] * 4
        assert ferry.CONVOYS == [["cabbage", "fox"]]

    def test_of_which_there_are_many_are_fired_in_several(self, room: Room, monkeypatch) -> None:
        set_arrivals(room, *(f"sheep {number:02}" for number in range(timers.FIRED_TOGETHER + 1)))

        assert [fire_due(room.host) for _ in range(3)] == [2, 1, 0]

        assert rows(room) == ["arrived"] * (timers.FIRED_TOGETHER + 1)

    def test_of_one_kind_are_taken_at_once_however_many_are_looked_for(
        self, room: Room, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(timers, "FIRED_TOGETHER", 2)
        monkeypatch.setattr(timers, "_DUE", timers._DUE.limit(2))
        set_convoy(room, *"abcdefg")

        assert [fire_due(room.host) for _ in range(4)] == [2, 2, 1, 0]
        assert [list("abc"), list("def"), list("g")] == ferry.CONVOYS

    def test_fail_no_others_that_are_due_together(self, room: Room) -> None:
        set_arrivals(room, "goat", "wolf", "cabbage")
        room.clock.simulated = False  # where time is simulated it would be tried again at once
        FAILING.add("wolf")

        room.fire_due()

        assert rows(room) == ["arrived"] * 2
        with room.engine.connect() as connection:
            (failed,) = connection.execute(sa.select(clock.timers)).all()
        assert (failed.key, failed.attempts, failed.state) == ("wolf", 1, "waiting")

    def test_are_not_fired_where_one_before_them_has_put_them_off(self, room: Room) -> None:
        with room.db() as db:
            clock.set_timer(
                db, "announce_fog", key="fog", due_at=room.now, data={"late": "goat", "lost": "wolf"}
            )
        set_arrivals(room, "goat", "wolf", "cabbage")

        room.fire_due()

        assert rows(room) == ["arrived", "fog"]
        assert [(name, key) for name, key, _ in room.timers()] == [("arrive", "goat")]
        room.advance(timedelta(hours=1))
        assert rows(room) == ["arrived", "arrived", "fog"]

    def test_for_somebody_in_danger_are_fired_alone(self, room: Room) -> None:
        set_arrivals(room, "goat", "wolf")
        with room.db() as db:
            clock.set_timer(db, "sound_the_alarm", key="fire", due_at=room.now - timedelta(minutes=1))
        FAILING.add("wolf")

        assert fire_due(room.host) == 2

        assert rows(room) == ["alarm"]

    @pytest.mark.usefixtures("real_time_stands")
    def test_that_fail_wait_longer_each_time_and_are_parked_in_the_end(self, room: Room) -> None:
        room.clock.simulated = False  # where time is simulated nothing waits
        set_convoy(room, "wolf")
        FAILING.add("wolf")

        waits = []
        while fire_due(room.host):
            waits.append(let_rest(room))

        assert len(waits) == 8
        for wait, seconds in zip(waits, [1, 4, 16, 64, 256, 1024, 3600], strict=False):
            assert 0.8 * seconds - 1 <= wait <= 1.2 * seconds + 1
        assert rows(room) == []
        with room.engine.connect() as connection:
            (parked,) = connection.execute(sa.select(clock.timers)).all()
        assert (parked.state, parked.attempts, parked.error) == ("parked", 8, "FerryIsFull")

    @pytest.mark.usefixtures("real_time_stands")
    def test_for_somebody_in_danger_are_never_parked_and_tried_within_the_minute(self, room: Room) -> None:
        with room.db() as db:
            clock.set_timer(db, "sound_the_alarm", key="fire", due_at=room.now)
        FAILING.add("fire")
        waits = []
        for _ in range(20):
            fire_due(room.host)
            waits.append(let_rest(room))

        assert waits[:6] == [1, 2, 4, 8, 10, 10]
        assert sum(wait < 60 for wait in waits) == 15, "about two minutes of quick tries"
        assert set(waits[15:]) == {60}
        FAILING.clear()
        fire_due(room.host)
        assert rows(room) == ["alarm"]

    def test_of_a_later_version_wait_for_it_and_hold_up_no_other(self, room: Room) -> None:
        set_later_versions_timer(room, "submarine")
        room.call("cross", {"what": "goat"})

        room.advance(timedelta(hours=1))

        assert rows(room) == ["arrived", "goat"]
        assert [name for name, _, _ in room.timers()] == ["dive"]

    def test_of_a_later_version_do_not_stop_simulated_time(self, room: Room) -> None:
        set_later_versions_timer(room, "submarine")

        found = backlog.stillness(room.host, count_messages=False, only_copy=False)

        assert (found["timers_due"], found["next_due_at"]) == (False, None)

    def test_of_a_later_version_are_told_of_once(self, room: Room, capsys: pytest.CaptureFixture) -> None:
        set_later_versions_timer(room, "submarine")
        set_later_versions_timer(room, "bathyscaphe")

        for _ in range(3):
            backlog.measure(room.host)

        assert REGISTRY.get_sample_value("homeward_unknown_timers", {"service": "monitoring"}) == 2
        assert capsys.readouterr().out.count("timer_unknown") == 1


def let_rest(room: Room) -> int:
    """Let the pause of the timer that failed go by, and return its seconds."""
    with room.engine.begin() as connection:
        (until,) = connection.scalars(sa.select(clock.timers.c.next_attempt_at))
        assert until is not None
        connection.execute(clock.timers.update().values(next_attempt_at=clock.real_now()))
    return round((until - clock.real_now()).total_seconds())


def set_later_versions_timer(room: Room, key: str) -> None:
    """Set a timer as a later version does, due before all others."""
    with room.db() as db:
        clock.set_timer(db, "dive", key=key, due_at=room.now - timedelta(hours=1))


class TestCalendarJobs:
    @pytest.fixture
    def harbour(self, room: Room) -> Room:
        return Room(ferry.FerryWithHours, engine=room.engine, settings=room.host.settings)

    def test_run_once_however_many_copies_look(self, harbour: Room) -> None:
        copies = [Room(ferry.FerryWithHours, engine=harbour.engine, settings=harbour.host.settings)
                  for _ in range(4)]  # fmt: skip
        together = threading.Barrier(len(copies))
        ran: list[int] = []

        def look(copy: Room) -> None:
            together.wait(timeout=30)
            ran.append(run_due_jobs(copy.host))

        threads = [threading.Thread(target=look, args=(copy,)) for copy in copies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sum(ran) == 2
        assert rows(harbour) == ["cast off", "flag"]
        assert [copy.host.jobs_failed for copy in copies] == [{}] * len(copies)
        # Nor does one that has just been started run them again.
        assert run_due_jobs(harbour.host) == 0

    def test_that_fail_hold_up_no_other(self, harbour: Room) -> None:
        FAILING.add("cast_off")

        assert run_due_jobs(harbour.host) == 1
        assert rows(harbour) == ["flag"]

        FAILING.clear()
        assert run_due_jobs(harbour.host) == 1
        assert rows(harbour) == ["cast off", "flag"]

    def test_that_fail_rest_for_longer_each_time(self, harbour: Room, monkeypatch) -> None:
        FAILING.add("cast_off")
        harbour.clock.simulated = False  # where time is simulated nothing rests
        began, rests, ticking = clock.real_now(), [], [timedelta()]
        monkeypatch.setattr(clock, "real_now", lambda: began + ticking[0])

        for _ in range(6):
            run_due_jobs(harbour.host)
            (failures, not_before), *_ = harbour.host.jobs_failed.values()
            rests.append((not_before - clock.real_now()).total_seconds())
            run_due_jobs(harbour.host)
            assert next(iter(harbour.host.jobs_failed.values()))[0] == failures, "it did not rest"
            ticking[0] += timedelta(seconds=61)

        assert rests == sorted(rests)
        assert 0.8 <= rests[0] <= 1.2
        assert rests[-1] == 60


class TestStillness:
    @pytest.mark.parametrize("asked_before", range(5))
    def test_never_hides_what_came_of_an_event_that_is_taken_in_meanwhile(
        self, room: Room, monkeypatch: pytest.MonkeyPatch, asked_before: int
    ) -> None:
        event = room.envelope_of(missed("goat"))
        asked = []

        def after_so_many(ask: Any) -> Any:
            def asking(*what: Any, **how: Any) -> Any:
                if len(asked) == asked_before:
                    inbox.take(room.host, [inbox.Delivery(event.to_bytes())])
                asked.append(ask)
                return ask(*what, **how)

            return asking

        for name in ("_to_do", "_by_type"):
            monkeypatch.setattr(backlog, name, after_so_many(getattr(backlog, name)))

        answer = backlog.stillness(room.host, count_messages=True, only_copy=False)

        # It has set a timer that is due, and announced something.
        assert backlog.has_to_do(answer) or not answer["taken"]
        assert len(asked) == (1 if asked_before == 0 else 4)


def look(what: str, *, tenant_id: str = TENANT) -> dict[str, Any]:
    """Return the row of somebody who looked at something."""
    origin = Origin(
        service="ferry",
        tenant_id=tenant_id,
        actor=Actor(actor_id="nosy-1", role=roles.CLINICIAN),
        now=clock.real_now(),
        correlation_id=new_id(),
    )
    return audit.row_of(origin, action="look", about_id=derived_id(what), outcome="allowed")


class TestAuditChain:
    def test_finds_a_row_that_was_changed(self, room: Room) -> None:
        for what in ("goat", "wolf", "cabbage"):
            room.call("cross", {"what": what})
        assert audit.link_new_rows(room.engine) == 3
        with room.engine.begin() as connection:
            assert audit.find_breaks(connection, tenant_id="lakeside") == []
            connection.execute(audit.audit.update().where(audit.audit.c.link == 2).values(actor_id="x"))
            assert audit.find_breaks(connection, tenant_id="lakeside") == [2]

    def test_goes_on_through_rows_that_are_linked_as_they_are_written(self, room: Room) -> None:
        room.call("cross", {"what": "goat"})
        assert audit.link_new_rows(room.engine) == 1
        audit.write_linked(room.engine, [look("wolf"), look("cabbage"), look("wolf", tenant_id="elsewhere")])
        room.call("cross", {"what": "wolf"})
        assert audit.link_new_rows(room.engine) == 1
        with room.engine.begin() as connection:
            assert audit.find_breaks(connection, tenant_id="lakeside") == []
            assert audit.find_breaks(connection, tenant_id="elsewhere") == []
            links = connection.scalars(sa.select(audit.audit.c.link).order_by(audit.audit.c.position)).all()
            assert links == [1, 2, 3, 1, 4]
            connection.execute(audit.audit.update().where(audit.audit.c.link == 2).values(outcome="x"))
            assert audit.find_breaks(connection, tenant_id="lakeside") == [2]

    def test_makes_nobody_wait_who_writes_while_another_links(self, room: Room) -> None:
        with room.engine.begin() as other:
            other.execute(sa.select(sa.func.pg_advisory_xact_lock(audit._LINK_LOCK)))
            audit.write_linked(room.engine, [look("wolf")])
        assert audit.link_new_rows(room.engine) == 1
        with room.engine.begin() as connection:
            assert audit.find_breaks(connection, tenant_id="lakeside") == []

    def test_finds_a_row_that_was_removed(self, room: Room) -> None:
        for what in ("goat", "wolf", "cabbage"):
            room.call("cross", {"what": what})
        audit.link_new_rows(room.engine)
        with room.engine.begin() as connection:
            connection.execute(audit.audit.delete().where(audit.audit.c.link == 2))
            assert audit.find_breaks(connection, tenant_id="lakeside") != []
