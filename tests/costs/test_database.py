"""What a command, a question and an event cost the database: a guard that needs no clock.

A ceiling is what it costs now. Whoever makes something cheaper lowers it; whoever has to raise one says
in the commit what is bought with that.
"""

import itertools
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bench.programs import short_weeks
from bench.programs.short_weeks import short_week
from services.aftercare.service import Aftercare
from services.intake import tables
from services.intake.service import Intake
from services.monitoring.service import Monitoring
from services.scheduling.service import Scheduling
from shared import clock
from shared.contracts import roles
from shared.contracts.common import MessageWanted
from shared.contracts.monitoring import PlanDrafted
from shared.ids import derived_id, new_id
from shared.messaging import announce, inbox, outbox
from shared.messaging.oversight import backlog
from shared.messaging.timers import fire_due
from tests.aftercare import test_service as discharged
from tests.costs.counting import within
from tests.intake.test_instruments import Desk
from tests.messaging import ferry, samples
from tests.monitoring import telling
from tests.monitoring.duty import settled
from tests.scheduling import test_booking as booking
from tests.scheduling.builders import admitted, furnish, ids_of, referral_of
from tests.support import Room

#: Round trips and statements, BEGIN and COMMIT among them.
QUESTION = {"round trips": 1, "statements": 1}
COMMAND = {"round trips": 1, "statements": 4}
#: However many rows it has.
IMPORT_OF_A_HUNDRED = {"round trips": 12, "statements": 23}
#: Of all patients of a day, however many they are.
INSTRUMENT_ANSWERED = {"round trips": 2, "statements": 9}
ASSESSMENT_COMPLETED = {"round trips": 2, "statements": 14}
MESSAGE_WRITTEN = {"round trips": 5, "statements": 9}
LEVEL_DECIDED = {"round trips": 2, "statements": 13}
REFERRED_ELSEWHERE = {"round trips": 2, "statements": 14}
FORMS_OF_A_DAY = {"round trips": 6, "statements": 6}
NAMES_OF_A_DAY = {"round trips": 1, "statements": 1}
#: However many seats it has: what changes in many rows travels together. The rows are the roster and what was
#: told of each one's day; of the sessions of that day each is read once, not for each patient. A change of
#: one row tells one, too, and so does the lock of those days.
ROSTER = {"round trips": 3, "rows": 20}
BOOKING = {"round trips": 3, "statements": 13}
REACTION = {"round trips": 1, "statements": 3}
#: Noted, and that is all.
NOTHING_TO_DO = {"round trips": 1, "statements": 2}
#: The look for those that are due together and the commit; what each does comes on top.
TIMERS = {"round trips": 2, "statements": 5}
#: Of somebody of whom monitoring hears for the first time.
PLAN_DRAFTED = {"round trips": 4, "statements": 11}
CHECK_IN = {"round trips": 6, "statements": 11}
OUTREACH_ATTEMPT = {"round trips": 2, "statements": 11}
#: What ends with it is counted as well.
#: After a discharge, of somebody who does not answer.
CONTACT_ATTEMPT = {"round trips": 2, "statements": 11}
OUTREACH_THAT_REACHED = {"round trips": 3, "statements": 15}
PLAN_SIGNED = {"round trips": 2, "statements": 9}
REACTION_OF_MONITORING = {"round trips": 4, "statements": 15}
BATCH_OF_A_HUNDRED = {"round trips": 1, "statements": 3}
#: With the batch that was in vain: nothing is rolled back of what was sent in one.
ONE_FAILS_ALONE = {"round trips": 2, "statements": 2}
#: What the database refuses is looked for. The others wait for the number of halves, not for as many as they
#: are. Where the first half goes well, nobody runs the second as a whole.
FIRST_FAILS_OF_TWO = {"round trips": 3, "statements": 7}
FIRST_FAILS_OF_A_HUNDRED = {"round trips": 13, "statements": 26}
ONE_FAILS_OF_TWO = {"round trips": 2, "statements": 5}
ONE_FAILS_OF_A_HUNDRED = {"round trips": 8, "statements": 23}
#: What fails by itself is known, and the others are taken as ever.
ONE_FAILS_BY_ITSELF_OF_TEN = {"round trips": 18, "statements": 25}
#: Nobody looks in vain for another that is due.
RETRIES_THAT_FAIL = {"round trips": 3, "statements": 6}
RELAY_OF_A_HUNDRED = {"round trips": 1, "statements": 2}
RELAY_OF_A_HUNDRED_LEFT_BEHIND = {"round trips": 2, "statements": 5}

#: Minutes that no column of integers holds.
NO_MINUTES = 2**40


class TestCosts:
    def test_a_question_that_reads_one_row(self, measured):
        intake = measured(Intake)
        site = open_site(intake.room)
        person = {"given_name": "Rosa", "family_name": "Diaz", "birth_date": "1980-03-01"}
        known = intake.room.call(
            "register_referral", {"site_id": site["site_id"], "referral_source": "1", "patient": person}
        )

        cost = intake.cost_of(lambda: intake.room.ask("get_patient", {"patient_id": known["patient_id"]}))

        assert within(cost, QUESTION), cost

    @pytest.mark.parametrize(
        ("question", "ceiling"), [("list_due_forms", FORMS_OF_A_DAY), ("list_names", NAMES_OF_A_DAY)]
    )
    @pytest.mark.parametrize("number", [1, 30])
    def test_a_question_about_every_patient_of_a_day(self, measured, question, ceiling, number):
        intake = measured(Intake)
        sign_all(intake.room)
        site = open_site(intake.room)
        people = [
            {"given_name": f"Rosa {place}", "family_name": "Diaz", "birth_date": "1980-03-01"}
            for place in range(number)
        ]
        known = [
            intake.room.call(
                "register_referral", {"site_id": site["site_id"], "referral_source": "1", "patient": person}
            )
            for person in people
        ]
        ask = {"patient_ids": [one["patient_id"] for one in known]}

        cost = intake.cost_of(lambda: intake.room.ask(question, ask, role=roles.SYSTEM))

        assert len(intake.room.ask(question, ask, role=roles.SYSTEM)["items"]) == number
        assert within(cost, ceiling), cost

    def test_a_command_with_its_row_event_identity_and_audit(self, measured):
        intake = measured(Intake)

        cost = intake.cost_of(lambda: open_site(intake.room))

        assert within(cost, COMMAND), cost

    def test_an_instrument_that_somebody_answers(self, measured):
        intake = measured(Intake)
        desk = Desk(intake.room)

        cost = intake.cost_of(lambda: desk.answer("PHQ9"))

        assert within(cost, INSTRUMENT_ANSWERED), cost

    def test_an_assessment(self, measured):
        intake = measured(Intake)
        desk = Desk(intake.room)
        names = ("Rosa", "Ines")
        referred = iter([desk.refer(patient={"given_name": name}) for name in names])

        cost = intake.cost_of(lambda: desk.assess(next(referred)["episode_id"]))

        assert within(cost, ASSESSMENT_COMPLETED), cost

    def test_a_decision_on_the_level_of_care(self, measured):
        intake = measured(Intake)
        desk = Desk(intake.room)
        referred = [desk.refer(patient={"given_name": name}) for name in ("Rosa", "Ines")]
        assessed = iter([desk.assess(one["episode_id"]) for one in referred])

        cost = intake.cost_of(lambda: desk.decide(next(assessed)))

        assert within(cost, LEVEL_DECIDED), cost

    def test_a_referral_elsewhere(self, measured):
        intake = measured(Intake)
        desk = Desk(intake.room)
        decided = iter([desk.decided("3.5", given_name=name)["episode_id"] for name in ("Rosa", "Ines")])

        def refer() -> None:
            intake.room.call("refer_elsewhere", {"episode_id": next(decided), "program": "Marigold House"})

        cost = intake.cost_of(refer)

        assert within(cost, REFERRED_ELSEWHERE), cost

    def test_a_message_to_a_patient(self, measured):
        intake = measured(Intake)
        desk = Desk(intake.room)
        referral = desk.refer(patient={"given_name": "Rosa", "email": "rosa@example.org"})
        ids = {name: referral[name] for name in ("patient_id", "episode_id")}

        def want() -> None:
            now = intake.room.now
            about = {"template": "PLEASE_CALL_US", "deadline_at": now + timedelta(hours=3), "wanted_at": now}
            wanted = MessageWanted(**ids, **about, journey_id=new_id(), notification_id=new_id())
            inbox.take(intake.room.host, [inbox.Delivery(intake.room.envelope_of(wanted).to_bytes())])

        cost = intake.cost_of(want)

        assert within(cost, MESSAGE_WRITTEN), cost

    def test_an_import_of_a_hundred_referrals(self, measured):
        intake = measured(Intake)
        site = open_site(intake.room)
        numbers = itertools.count(1)

        def import_referrals() -> None:
            people = [
                {"given_name": f"Rosa {next(numbers)}", "family_name": "Diaz", "birth_date": "1980-03-01"}
                for _ in range(100)
            ]
            rows = [{"patient": person, "referral_source": "1"} for person in people]
            intake.room.call("import_referrals", {"site_id": site["site_id"], "rows": rows})
            intake.room.run_jobs()

        cost = intake.cost_of(import_referrals)

        with intake.room.db() as db:
            assert db.scalar(sa.select(sa.func.count()).select_from(tables.referral_rows)) == 200
        assert within(cost, IMPORT_OF_A_HUNDRED), cost

    def test_a_roster_and_a_booking(self, measured):
        scheduling = measured(Scheduling)
        room = scheduling.room
        furnish(room)
        names = [f"Member {place}" for place in range(12)]
        for name in names:
            room.deliver(referral_of(name), *admitted(name))
        held = [
            one
            for name in names
            for one in room.ask("list_patient_sessions", {"episode_id": ids_of(name)["episode_id"]})["items"]
            if one["kind"] == "GROUP"
        ]
        begins = {one["session_id"]: datetime.fromisoformat(one["starts_at"]) for one in held}
        members = {
            one: [seat["patient_id"] for seat in room.ask("get_session", {"session_id": one})["seats"]]
            for one in begins
        }
        fullest = sorted(begins, key=lambda one: (-len(members[one]), begins[one]))[:2]
        in_turn = iter(sorted(fullest, key=begins.__getitem__))

        def take_roster() -> None:
            session_id = next(in_turn)
            room.at(begins[session_id] + timedelta(hours=3))
            marks = [{"patient_id": member, "mark": "PRESENT"} for member in members[session_id]]
            room.call("record_roster", {"session_id": session_id, "marks": marks}, role="counselor")

        cost = scheduling.cost_of(take_roster)

        assert min(len(members[one]) for one in fullest) >= 5
        assert within(cost, ROSTER), cost

        saturday = booking.SATURDAY + timedelta(days=7)
        session_id = booking.workshop(room, saturday, capacity=8)["session_id"]
        patients = iter(names)

        cost = scheduling.cost_of(lambda: booking.book(room, session_id, next(patients)))

        assert within(cost, BOOKING), cost

    def test_a_reaction_with_one_insert(self, measured):
        monitoring = measured(short_weeks.ShortWeeks)
        short_weeks.metadata.create_all(monitoring.room.engine)

        cost = monitoring.cost_of(lambda: take(monitoring.room, 1))

        assert effects_in(monitoring.room) == 2
        assert within(cost, REACTION), cost

    def test_a_hundred_reactions_cost_hardly_more_than_one(self, measured):
        monitoring = measured(short_weeks.ShortWeeks)
        short_weeks.metadata.create_all(monitoring.room.engine)

        cost = monitoring.cost_of(lambda: take(monitoring.room, 100))

        assert effects_in(monitoring.room) == 200
        assert within(cost, BATCH_OF_A_HUNDRED), cost

    @pytest.mark.parametrize(
        ("number", "ceiling"),
        [(1, ONE_FAILS_ALONE), (2, ONE_FAILS_OF_TWO), (100, ONE_FAILS_OF_A_HUNDRED)],
    )
    def test_reactions_of_which_the_last_fails(self, measured, number, ceiling):
        monitoring = measured(short_weeks.ShortWeeks)
        short_weeks.metadata.create_all(monitoring.room.engine)

        cost = monitoring.cost_of(lambda: take(monitoring.room, number - 1, fail=1))

        assert effects_in(monitoring.room) == 2 * (number - 1)
        assert within(cost, ceiling), cost

    @pytest.mark.parametrize(
        ("number", "ceiling"), [(2, FIRST_FAILS_OF_TWO), (100, FIRST_FAILS_OF_A_HUNDRED)]
    )
    def test_reactions_of_which_the_first_fails(self, measured, number, ceiling):
        monitoring = measured(short_weeks.ShortWeeks)
        short_weeks.metadata.create_all(monitoring.room.engine)

        cost = monitoring.cost_of(lambda: take(monitoring.room, number - 1, fail=1, first=True))

        assert effects_in(monitoring.room) == 2 * (number - 1)
        assert within(cost, ceiling), cost

    def test_reactions_of_which_one_fails_by_itself(self, measured):
        monitoring = measured(ferry.Ferry)
        room = monitoring.room
        ferry.metadata.create_all(room.engine)
        ferry.FAILING.add(derived_id("poison"))
        rounds = itertools.count()

        def take_ten() -> None:
            number = next(rounds)
            seats = [f"seat {number}.{place}" for place in range(9)]
            envelopes = [
                room.envelope_of(samples.missed(seat)) for seat in (*seats[:5], "poison", *seats[5:])
            ]
            inbox.take(room.host, [inbox.Delivery(envelope.to_bytes()) for envelope in envelopes])

        cost = monitoring.cost_of(take_ten)

        ferry.FAILING.clear()
        assert within(cost, ONE_FAILS_BY_ITSELF_OF_TEN), cost

    def test_a_look_while_one_waits(self, measured):
        monitoring = measured(short_weeks.ShortWeeks)
        short_weeks.metadata.create_all(monitoring.room.engine)
        host = monitoring.room.host
        monitoring.room.clock.simulated = False
        take(monitoring.room, 0, fail=1)

        looks = [backlog.look(host, now=host.clock.now())]
        with monitoring.room.db() as db:
            db.execute(inbox.inbox.update().values(next_attempt_at=clock.real_now()))
        looks.append(backlog.look(host, now=host.clock.now()))

        assert [(look.waiting, look.retries_due) for look in looks] == [(1, False), (1, True)]

    @pytest.mark.parametrize("number", [1, 3])
    def test_reactions_that_fail_again(self, measured, number: int):
        monitoring = measured(short_weeks.ShortWeeks)
        room = monitoring.room
        short_weeks.metadata.create_all(room.engine)
        room.clock.simulated = False
        take(room, 0, fail=number)
        cost: Counter[str] = Counter()
        for _ in range(2):
            with room.db() as db:
                db.execute(inbox.inbox.update().values(next_attempt_at=clock.real_now()))
            before = monitoring.counted()
            while inbox.retry_one(room.host):
                pass
            cost = monitoring.counted() - before

        with room.db() as db:
            assert list(db.scalars(sa.select(inbox.inbox.c.attempts))) == [3] * number
        assert within(cost, {kind: number * most for kind, most in RETRIES_THAT_FAIL.items()}), cost

    def test_a_hundred_reactions_cost_the_same_while_a_poison_waits(self, measured):
        monitoring = measured(ferry.Ferry)
        room = monitoring.room
        ferry.metadata.create_all(room.engine)
        numbers = itertools.count()

        def take_missed(*seats: str) -> None:
            envelopes = [room.envelope_of(samples.missed(seat)) for seat in seats]
            inbox.take(room.host, [inbox.Delivery(envelope.to_bytes()) for envelope in envelopes])

        def take_a_hundred() -> None:
            take_missed(*(f"seat {next(numbers)}" for _ in range(100)))

        before = monitoring.cost_of(take_a_hundred)
        ferry.FAILING.add(derived_id("poison"))
        take_missed("poison")
        with room.db() as db:
            states = dict(db.execute(sa.select(inbox.inbox.c.state, sa.func.count()).group_by("state")).all())

        beside = monitoring.cost_of(take_a_hundred)

        ferry.FAILING.clear()
        assert states == {"done": 200, "waiting": 1}
        assert beside == before

    @pytest.mark.parametrize("number", [1, 10])
    def test_timers_with_one_insert_each(self, measured, number: int):
        monitoring = measured(ferry.Ferry)
        room = monitoring.room
        ferry.metadata.create_all(room.engine)

        def arrival_of(what: str) -> Counter[str]:
            with room.db() as db:
                for one in range(number):
                    clock.set_timer(db, "arrive", key=f"{what} {one}", due_at=room.now)
            before = monitoring.counted()
            fire_due(room.host)
            return monitoring.counted() - before

        arrival_of("goat")
        cost = arrival_of("wolf")

        assert room.timers() == []
        assert within(cost, {kind: most + number for kind, most in TIMERS.items()}), cost

    def test_asking_what_is_left_to_do_after_nothing_was(self, measured):
        monitoring = measured(short_weeks.ShortWeeks)
        short_weeks.metadata.create_all(monitoring.room.engine)
        for _ in range(2):
            take(monitoring.room, 1)
            before = monitoring.counted()
            found = backlog.stillness(monitoring.room.host, count_messages=False, only_copy=True)
            cost = monitoring.counted() - before

        assert not backlog.has_to_do(found)
        assert cost["round trips"] == 0

    def test_a_reaction_of_monitoring(self, measured):
        monitoring = measured(Monitoring)

        def miss() -> None:
            envelope = monitoring.room.envelope_of(samples.missed(new_id()))
            inbox.take(monitoring.room.host, [inbox.Delivery(envelope.to_bytes())])

        cost = monitoring.cost_of(miss)

        assert monitoring.room.waiting == []
        assert within(cost, REACTION_OF_MONITORING), cost

    @pytest.mark.parametrize(
        ("service", "template"), [(Monitoring, "NEWS_FOR_YOU"), (Intake, "STAFF_PAGE"), (Intake, "PAGE_TEST")]
    )
    def test_what_became_of_a_notification_of_anothers(self, measured, service, template):
        other = measured(service)

        def settle() -> None:
            told = settled(new_id(), "SENT", about_id=new_id(), at=other.room.now, template=template)
            inbox.take(other.room.host, [inbox.Delivery(other.room.envelope_of(told).to_bytes())])

        cost = other.cost_of(settle)

        assert other.room.waiting == []
        assert within(cost, NOTHING_TO_DO), cost

    def test_a_plan_that_is_drafted(self, measured):
        monitoring = measured(Monitoring)

        def assess() -> None:
            ids = {name: new_id() for name in ("patient_id", "episode_id", "journey_id", "assessment_id")}
            envelope = monitoring.room.envelope_of(telling.assessed(**ids))
            inbox.take(monitoring.room.host, [inbox.Delivery(envelope.to_bytes())])

        cost = monitoring.cost_of(assess)

        assert len(monitoring.room.announced_of(PlanDrafted)) == 2
        assert within(cost, PLAN_DRAFTED), cost

    def test_a_check_in(self, measured):
        monitoring = measured(Monitoring)
        monitoring.room.at(telling.ADMITTED_AT)
        monitoring.room.deliver(telling.assessed(), telling.admitted())
        dana = {"role": roles.PATIENT, "actor_id": telling.DANA, "credential": ""}

        cost = monitoring.cost_of(lambda: monitoring.room.call("submit_check_in", telling.check_in(), **dana))

        assert within(cost, CHECK_IN), cost

    def test_an_attempt_after_a_discharge(self, measured):
        aftercare = measured(Aftercare)
        room = aftercare.room
        room.deliver(discharged.telling.admitted())
        discharged.discharge(room)
        room.advance(timedelta(days=5))
        first, *_ = discharged.contacts_of(room)
        attempt = {"contact_id": first["contact_id"], "channel": "CALL", "outcome": "NO_ANSWER"}

        cost = aftercare.cost_of(lambda: room.call("record_contact_attempt", attempt))

        assert within(cost, CONTACT_ATTEMPT), cost

    def test_a_plan_that_is_signed(self, measured):
        monitoring = measured(Monitoring)
        monitoring.room.deliver(telling.assessed(), telling.admitted())
        (plan,) = monitoring.room.announced_of(PlanDrafted)
        signers = iter(("PATIENT", "CLINICIAN"))

        def sign() -> None:
            told = {"plan_id": plan.plan_id, "as": next(signers)}
            monitoring.room.call("sign_treatment_plan", told, role="clinician")

        cost = monitoring.cost_of(sign)

        assert within(cost, PLAN_SIGNED), cost

    @pytest.mark.parametrize(
        ("outcome", "ceiling"), [("NO_ANSWER", OUTREACH_ATTEMPT), ("REACHED", OUTREACH_THAT_REACHED)]
    )
    def test_an_attempt_to_reach_somebody(self, measured, outcome, ceiling):
        monitoring = measured(Monitoring)
        room = monitoring.room
        room.at(telling.ADMITTED_AT)
        room.deliver(telling.assessed(), telling.admitted())
        days = iter((1, 2))

        def log() -> Counter[str]:
            day = next(days)
            room.deliver(telling.missed(day))
            room.at(telling.missed_at(day))
            told = {"outreach_id": derived_id(telling.seat_of(day), "outreach"), "channel": "CALL"}
            before = monitoring.counted()
            room.call("log_outreach_attempt", {**told, "outcome": outcome}, role="counselor")
            return monitoring.counted() - before

        log()
        cost = log()

        assert within(cost, ceiling), cost

    @pytest.mark.parametrize(
        ("send", "most"),
        [
            (
                lambda room, sent: (room.host.relay(sent), room.host.mark_sent()),
                RELAY_OF_A_HUNDRED,
            ),
            (lambda room, sent: outbox.relay_once(room.engine, sent), RELAY_OF_A_HUNDRED_LEFT_BEHIND),
        ],
        ids=["fresh", "left-behind"],
    )
    def test_sending_a_hundred_events(self, measured, send, most):
        scheduling = measured(short_weeks.ShortWeeks)
        short_weeks.metadata.create_all(scheduling.room.engine)
        sent = Sent()
        before: Counter[str] = Counter()
        for _ in range(2):  # the first time, connections are made and names of columns learnt
            before.clear()
            with scheduling.room.db() as db:
                for _ in range(100):
                    announce(db, short_week())
            before.update(scheduling.counted())
            send(scheduling.room, sent)
        cost = scheduling.counted() - before

        assert len(sent.messages) == 200
        assert within(cost, most), cost


class Sent:
    """Takes what the relay publishes."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []

    def publish(self, messages: list[tuple[str, bytes]]) -> None:
        self.messages += messages


def open_site(room: Room) -> dict[str, Any]:
    site = {
        "name": "Lakeside",
        "time_zone": "America/Chicago",
        "levels_licensed": ["1", "2.1"],
        "emergency_phone": "+1 312 555 0142",
    }
    return room.call("open_site", site, role=roles.OPERATIONS)


def sign_all(room: Room) -> None:
    for one in room.ask("list_rules", {})["items"]:
        if one["may_be_signed"]:
            signed = {name: one[name] for name in ("pack", "version", "digest")}
            room.call("sign_rules", signed, role=roles.MEDICAL_DIRECTOR, credential="MD")


def take(room: Room, number: int, *, fail: int = 0, first: bool = False) -> None:
    weeks = [short_week() for _ in range(number)]
    failing = [short_week(NO_MINUTES) for _ in range(fail)]
    weeks = failing + weeks if first else weeks + failing
    envelopes = [room.envelope_of(week) for week in weeks]
    inbox.take(room.host, [inbox.Delivery(envelope.to_bytes()) for envelope in envelopes])


def effects_in(room: Room) -> int:
    with room.db() as db:
        return db.scalar(sa.select(sa.func.count()).select_from(short_weeks.noted_weeks)) or 0
