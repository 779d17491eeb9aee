"""The suicide screen while there is risk: due again by how grave it was, until it finds none."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from homeward.postgres import PrivatePostgres
from services.intake import answering, tables
from services.intake.answering import SCREEN_AGAIN_DUE, vars_of
from services.intake.domain import suicide_risk
from services.intake.domain.instruments import InstrumentAnswers
from services.intake.service import Intake
from shared.clock import set_timer, timers
from shared.contracts import roles
from shared.contracts.common import SafetyConcernRaised
from shared.contracts.event import write_moment
from shared.database import new_engine
from shared.ids import derived_id, new_id
from shared.instruments import newest
from tests.faults.recorded import upgrade
from tests.intake.builders import NOW, site
from tests.intake.test_instruments import Desk
from tests.intake.test_service import discharged
from tests.support import Room

NO_RISK: dict[str, int | None] = {}
LOW: dict[str, int | None] = {"1": 1}
MODERATE: dict[str, int | None] = {"2": 1, "3": 1}
HIGH: dict[str, int | None] = {"2": 1, "4": 1}
#: Somebody who tried once, long ago, and thinks of nothing of the kind now.
LONG_AGO: dict[str, int | None] = {"6A": 1}

DAY = timedelta(days=1)
SINCE = "CSSRS_SINCE_LAST_CONTACT"
#: Somebody who did something to end their life since the last contact.
OF_LATE: dict[str, int | None] = {"6": 1}
#: Ways in which a screen was given by no licensed clinician.
ALONE = {"rated_by": "SELF", "recorded_by_role": roles.PATIENT, "recorded_by_credential": ""}
UNLICENSED = {"recorded_by_role": roles.COUNSELOR, "recorded_by_credential": "CADC"}
ON_PAPER = {"rated_by": "SELF"}


def screen(answers: dict[str, int | None], *, at: datetime = NOW, **changes: Any) -> InstrumentAnswers:
    instrument = changes.get("instrument", "CSSRS")
    every = {name: min(item.answers) for name, item in newest(instrument).items.items()}
    values: dict[str, Any] = {
        "answers_id": derived_id("screen", at.isoformat()),
        "patient_id": derived_id("patient", "ada"),
        "episode_id": derived_id("episode", "ada"),
        "journey_id": derived_id("journey", "ada"),
        "instrument": "CSSRS",
        "version": 1,
        "place": "TREATMENT",
        "rated_by": "OBSERVER",
        "mode": "IN_PERSON",
        "sex": "FEMALE",
        "age": 34,
        "answers": every | answers,
        "given_at": at,
        "recorded_at": at,
        "recorded_by": "nora",
        "recorded_by_role": roles.CLINICIAN,
        "recorded_by_credential": "LCSW",
    }
    return InstrumentAnswers(**values | changes)


def since(answers: dict[str, int | None], *, at: datetime, **changes: Any) -> InstrumentAnswers:
    """Give the form that asks about the time since the last contact."""
    return screen(answers, at=at, instrument=SINCE, **changes)


class TestFind:
    @pytest.mark.parametrize(
        ("answers", "grade", "after"),
        [
            (LOW, "LOW", 7 * DAY),
            (MODERATE, "MODERATE", DAY),
            (LONG_AGO, "MODERATE", DAY),
            (HIGH, "HIGH", DAY),
            ({"2": 1, "5": 1, "6A": None}, "HIGH", DAY),
        ],
        ids=["low", "moderate", "long-ago", "high", "broken-off"],
    )
    def test_a_positive_screen_is_due_again_by_how_grave_it_was(
        self, answers: dict[str, int | None], grade: str, after: timedelta
    ) -> None:
        risk = suicide_risk.find([screen(answers)])

        assert risk is not None
        assert (risk.grade, risk.due_at) == (grade, NOW + after)

    @pytest.mark.parametrize(
        ("first", "second", "after"),
        [
            (MODERATE, MODERATE, 3 * DAY),
            (HIGH, MODERATE, 3 * DAY),
            (LOW, MODERATE, DAY),
            (HIGH, HIGH, DAY),
            (MODERATE, LOW, 7 * DAY),
        ],
    )
    def test_what_stays_is_looked_at_again_at_each_review(
        self, first: dict[str, int | None], second: dict[str, int | None], after: timedelta
    ) -> None:
        risk = suicide_risk.find([screen(second, at=NOW + DAY), screen(first)])

        assert risk is not None
        assert risk.due_at == NOW + DAY + after

    @pytest.mark.parametrize(
        "screens",
        [
            [],
            [screen(NO_RISK)],
            [screen(HIGH), screen(NO_RISK, at=NOW + DAY)],
            [screen(LONG_AGO), screen(LONG_AGO, at=NOW + DAY)],
            [screen({"1": None})],
        ],
        ids=["none", "negative", "negative-again", "nothing-but-long-ago", "broken-off"],
    )
    def test_ends_with_a_screen_that_finds_none(self, screens: list[InstrumentAnswers]) -> None:
        assert suicide_risk.find(screens) is None

    def test_is_not_ended_by_a_screen_that_was_broken_off(self) -> None:
        risk = suicide_risk.find([screen(HIGH), screen({"6A": None}, at=NOW + DAY)])

        assert risk is not None
        assert risk.grade == "HIGH"

    @pytest.mark.parametrize("by", [ALONE, UNLICENSED, ON_PAPER], ids=["alone", "unlicensed", "on-paper"])
    @pytest.mark.parametrize("form", ["CSSRS", SINCE])
    @pytest.mark.parametrize("first", [LONG_AGO, {"6A": 1, "6B": 1}], ids=["long-ago", "of-late"])
    def test_after_an_attempt_is_ended_by_no_answers_alone(
        self, first: dict[str, int | None], form: str, by: dict[str, Any]
    ) -> None:
        found = suicide_risk.find([screen(first), screen(NO_RISK, at=NOW + DAY, instrument=form, **by)])

        assert found is not None
        assert found.grade in ("MODERATE", "HIGH")
        assert found.waits_for_clinician

    def test_is_not_ended_by_the_same_answer_about_the_whole_life(self) -> None:
        found = suicide_risk.find([screen(LONG_AGO), screen(LONG_AGO, at=NOW + DAY, **ALONE)])

        assert found is not None
        assert (found.grade, found.due_at) == ("MODERATE", NOW + DAY + 3 * DAY)

    @pytest.mark.parametrize("first", [LOW, MODERATE, HIGH, LONG_AGO, {"6A": 1, "6B": 1}])
    @pytest.mark.parametrize("form", ["CSSRS", SINCE])
    def test_ends_with_a_screen_of_a_licensed_clinician_that_finds_nothing_new(
        self, form: str, first: dict[str, int | None]
    ) -> None:
        assert suicide_risk.find([screen(first), screen(NO_RISK, at=NOW + DAY, instrument=form)]) is None

    @pytest.mark.parametrize(
        ("first", "second", "grade"),
        [
            (LOW, NO_RISK, None),
            (MODERATE, NO_RISK, "MODERATE"),
            (HIGH, NO_RISK, "HIGH"),
            (HIGH, LOW, "HIGH"),
            (LOW, MODERATE, "MODERATE"),
            (MODERATE, OF_LATE, "HIGH"),
            ({"1": 1, "6A": 1}, LOW, "MODERATE"),
        ],
    )
    def test_is_not_lowered_by_the_days_since_the_last_contact(
        self, first: dict[str, int | None], second: dict[str, int | None], grade: str | None
    ) -> None:
        found = suicide_risk.find([screen(first), since(second, at=NOW + DAY, **ALONE)])

        assert (found.grade if found else None) == grade

    def test_knows_an_attempt_since_the_last_contact_for_good(self) -> None:
        screens = [
            screen(LOW),
            since(OF_LATE, at=NOW + DAY),
            since(LOW, at=NOW + 2 * DAY),
            since(NO_RISK, at=NOW + 9 * DAY, **ALONE),
        ]

        found = suicide_risk.find(screens)

        # The clinician found it low; that it is over, nobody has said.
        assert found is not None
        assert (found.grade, found.waits_for_clinician) == ("LOW", True)

    def test_is_as_grave_as_before_after_a_screen_that_was_broken_off(self) -> None:
        found = suicide_risk.find([screen(HIGH), since({"2": 1, "3": 1, "6": None}, at=NOW + DAY)])

        assert found is not None
        assert found.grade == "HIGH"

    def test_is_due_from_the_beginning_of_its_day_where_the_site_is(self) -> None:
        # Nine in the morning in Chicago, the next day.
        risk = suicide_risk.find([screen(MODERATE)])
        midnight = datetime(2026, 2, 3, 6, tzinfo=UTC)

        assert risk is not None
        assert risk.is_due(site=site(), now=midnight)
        assert not risk.is_due(site=site(), now=midnight - timedelta(seconds=1))


class UnsignedForm(Desk):
    """A house whose medical director has signed all but the form since the last contact."""

    def sign_version(self, listed: dict[str, Any], **changes: Any) -> dict[str, Any]:
        return {} if listed["pack"] == SINCE else super().sign_version(listed, **changes)


class TestScreenAgain:
    @pytest.fixture
    def desk(self, room_of: Callable[[type], Room]) -> Desk:
        return Desk(room_of(Intake))

    def screen_due(self, desk: Desk) -> dict[str, Any] | None:
        return next((one for one in desk.due()["due"] if one["instrument"] in ("CSSRS", SINCE)), None)

    def test_is_offered_first_of_all_on_its_day_and_is_overdue_after_its_time(self, desk: Desk) -> None:
        kept = desk.answer("CSSRS", MODERATE)
        due_at = desk.room.now + DAY
        assert self.screen_due(desk) is None

        desk.room.advance(due_at - timedelta(hours=2))
        due = self.screen_due(desk)

        assert kept["scores"][0]["band"] == "MODERATE"
        assert due is not None
        assert desk.due_names()[0] == SINCE
        assert (due["because"], due["due_at"]) == ("CSSRS_MODERATE", write_moment(due_at))
        assert (due["urgent"], due["overdue"]) == (True, False)
        assert desk.due()["crisis"]["lines"][0]["code"] == "988"
        assert desk.tasks("suicide_screen_again") == []

        desk.room.advance(due_at + timedelta(minutes=1))
        assert self.screen_due(desk)["overdue"]

    def test_asks_a_clinician_once_its_time_has_passed(self, desk: Desk) -> None:
        kept = desk.answer("CSSRS", LOW)
        due_at = desk.room.now + 7 * DAY
        desk.room.advance(due_at - timedelta(minutes=1))
        assert desk.tasks("suicide_screen_again") == []
        desk.room.advance(due_at + timedelta(hours=1))

        (task,) = desk.tasks("suicide_screen_again")
        assert (task.owner_role, task.next_role) == (roles.CLINICIAN, roles.SUPERVISOR)
        assert (task.reason, task.about_id) == ("CSSRS_LOW", kept["answers_id"])
        assert task.due_at == due_at + suicide_risk.ASKED_WITHIN

    def test_goes_on_until_a_screen_finds_no_risk(self, desk: Desk) -> None:
        desk.answer("CSSRS", HIGH)
        desk.room.advance(DAY + timedelta(hours=1))
        desk.answer("CSSRS", MODERATE)
        desk.room.advance(4 * DAY)
        assert len(desk.tasks("suicide_screen_again")) == 2

        desk.answer("CSSRS", NO_RISK)
        desk.room.advance(30 * DAY)

        assert [one.outcome for one in desk.ended("suicide_screen_again")] == ["DONE", "DONE"]
        assert len(desk.tasks("suicide_screen_again")) == 2
        assert self.screen_due(desk) is None
        assert not [name for name, _, _ in desk.room.timers() if name == "suicide_screen_again_due"]

    def test_given_in_time_asks_nobody(self, desk: Desk) -> None:
        desk.answer("CSSRS", LOW)
        desk.room.advance(6 * DAY)
        desk.answer("CSSRS", LOW)
        desk.room.advance(2 * DAY)

        assert desk.tasks("suicide_screen_again") == []

    def test_closed_by_a_human_asks_nobody_again_but_is_still_offered(self, desk: Desk) -> None:
        desk.answer("CSSRS", MODERATE)
        desk.room.advance(2 * DAY)
        (task,) = desk.tasks("suicide_screen_again")
        told = {"task_id": task.task_id, "task": task.task, "about_id": task.about_id, "outcome": "WITHDRAWN"}
        desk.room.call("close_task", told)
        desk.room.advance(30 * DAY)

        assert len(desk.tasks("suicide_screen_again")) == 1
        assert self.screen_due(desk) is not None

    def test_asks_about_the_time_since_the_last_contact_and_not_again_about_the_whole_life(
        self, desk: Desk
    ) -> None:
        desk.answer("CSSRS", LONG_AGO)
        desk.room.advance(DAY)

        due = self.screen_due(desk)

        assert due is not None
        assert due["instrument"] == SINCE
        assert [one["item"] for one in due["items"]] == ["1", "2", "3", "4", "5", "6"]

    def test_asks_about_the_whole_life_again_where_that_was_left_out(self, desk: Desk) -> None:
        desk.answer("CSSRS", HIGH | {"6A": None})
        desk.room.advance(DAY)

        assert self.screen_due(desk)["instrument"] == "CSSRS"

    def test_is_the_screener_again_until_the_form_is_signed(self, room_of: Callable[[type], Room]) -> None:
        desk = UnsignedForm(room_of(Intake))
        desk.answer("CSSRS", MODERATE)
        desk.room.advance(DAY)

        assert self.screen_due(desk)["instrument"] == "CSSRS"

    def test_follows_an_answer_about_death_as_the_form_since_the_last_contact(self, desk: Desk) -> None:
        desk.answer("CSSRS")
        desk.room.advance(timedelta(hours=1))
        desk.answer("PHQ9", {"9": 1})
        assert (desk.due_names()[0], self.screen_due(desk)["urgent"]) == (SINCE, True)

        desk.room.advance(timedelta(minutes=5))
        desk.answer(SINCE)

        assert self.screen_due(desk) is None
        assert [one.outcome for one in desk.ended("suicide_screen")] == ["DONE"]

    @pytest.mark.parametrize(
        ("answers", "told"),
        [({"2": 1, "3": 1}, ("CSSRS_MODERATE", "E3")), (OF_LATE, ("CSSRS_HIGH", "E4"))],
    )
    def test_of_the_form_acts_on_a_danger_at_once(
        self, desk: Desk, answers: dict[str, int | None], told: tuple[str, str]
    ) -> None:
        desk.answer("CSSRS", LOW)
        kept = desk.answer(SINCE, answers)

        (raised,) = desk.room.announced_of(SafetyConcernRaised)
        assert (raised.concern, raised.level) == told
        assert raised.evidence_id == kept["answers_id"]

    def test_that_is_quieter_asks_a_licensed_clinician_who_ends_the_risk(self, desk: Desk) -> None:
        desk.answer("CSSRS", LONG_AGO)
        for _ in range(2):
            desk.room.advance(DAY)
            kept = desk.answer(SINCE, who=desk.as_patient())
        (task,) = desk.tasks("suicide_risk_review")
        assert (task.owner_role, task.reason) == (roles.CLINICIAN, "CSSRS_MODERATE")
        assert task.about_id != kept["answers_id"]
        assert [name for name, _, _ in desk.room.timers() if name == SCREEN_AGAIN_DUE]

        desk.room.advance(timedelta(hours=1))
        desk.answer(SINCE)

        assert [one.outcome for one in desk.ended("suicide_risk_review")] == ["DONE"]
        assert not [name for name, _, _ in desk.room.timers() if name == SCREEN_AGAIN_DUE]

    def test_of_a_high_risk_holds_the_gate_though_a_quieter_one_was_answered_alone(self, desk: Desk) -> None:
        desk.answer("CSSRS", {"6A": 1, "6B": 1})
        desk.room.advance(timedelta(hours=1))
        desk.answer(SINCE, who=desk.as_patient())

        found = desk.assess(desk.referral["episode_id"])

        assert found["gate"]["held_by"] == ["SUICIDAL_INTENT"]

    def test_is_among_the_forms_of_the_day(self, desk: Desk) -> None:
        desk.answer("CSSRS", LOW)
        desk.room.advance(7 * DAY)

        with desk.room.db() as db:
            (found,) = answering.due_forms(db, patient_ids=[desk.patient_id], now=desk.room.now)

        assert found["forms"][0] == SINCE

    def test_outlives_the_episode(self, desk: Desk) -> None:
        desk.answer("CSSRS", HIGH)
        desk.room.deliver(discharged(desk.referral, desk.room))
        desk.room.advance(2 * DAY)

        assert len(desk.tasks("suicide_screen_again")) == 1
        assert self.screen_due(desk) is not None

    def test_is_left_to_those_who_treat_them_now(self, desk: Desk) -> None:
        desk.decide(desk.assess(desk.referral["episode_id"]), "3.7")
        desk.answer("CSSRS", MODERATE)
        desk.room.call("refer_elsewhere", {"episode_id": desk.referral["episode_id"]}, role=roles.FRONT_DESK)
        desk.room.advance(2 * DAY)

        assert desk.tasks("suicide_screen_again") == []
        assert desk.due()["due"] == []

    def test_is_asked_of_nobody_alone_while_nobody_is_there(self, desk: Desk) -> None:
        desk.answer("CSSRS", MODERATE)
        desk.take_off_duty()
        desk.room.advance(DAY)

        found = desk.due(**desk.as_patient())

        assert SINCE in found["withheld"]
        assert SINCE not in [one["instrument"] for one in found["due"]]

    def test_counts_from_when_it_was_answered_on_paper(self, desk: Desk) -> None:
        desk.answer("CSSRS", MODERATE, given_at=write_moment(desk.room.now - 2 * DAY))
        desk.room.fire_due()

        assert len(desk.tasks("suicide_screen_again")) == 1

    def test_stands_among_what_an_assessment_lacks(self, desk: Desk) -> None:
        desk.answer("CSSRS", MODERATE)
        desk.room.advance(DAY)

        found = desk.assess(desk.referral["episode_id"])

        kept = desk.room.ask("get_assessment", {"assessment_id": found["assessment_id"]})
        assert SINCE in kept["findings"]["instruments_missing"]

    def test_shows_the_person_where_help_is(self, desk: Desk) -> None:
        desk.answer("CSSRS", MODERATE)
        desk.room.advance(DAY)

        status = desk.room.ask("get_status", {"patient_id": desk.patient_id}, **desk.as_patient())

        assert status["crisis"]["lines"][0]["code"] == "988"
        assert status["due_instruments"][0] == SINCE


class TestUpgrade:
    """Screens that an older version kept, which set no timer."""

    def test_looks_at_everybody_who_was_ever_found_at_risk(self, postgres_server: PrivatePostgres) -> None:
        name = f"screens_{new_id().replace('-', '')}"
        postgres_server.create_databases([name])
        url = postgres_server.url_of(name)
        upgrade(url, "intake", "0019")
        engine = new_engine(url)
        found, clear = derived_id("patient", "ada"), derived_id("patient", "ben")
        kept = [
            screen(MODERATE),
            screen(HIGH, at=NOW + DAY),
            screen(NO_RISK, at=NOW, answers_id=new_id(), patient_id=clear),
        ]
        with engine.begin() as connection:
            connection.exec_driver_sql("SET session_replication_role = replica")
            rows = [{**vars_of(one), "tenant_id": "lakeside"} for one in kept]
            connection.execute(tables.instrument_answer_rows.insert(), rows)

        upgrade(url, "intake", "head")

        with engine.connect() as connection:
            set_ = connection.execute(sa.select(timers.c.key, timers.c.due_at, timers.c.name)).all()
        engine.dispose()
        assert [tuple(row) for row in set_] == [(found, NOW + 2 * DAY, SCREEN_AGAIN_DUE)]

    def test_looks_again_at_whom_a_repeated_lifetime_attempt_alone_had_dropped(
        self, postgres_server: PrivatePostgres
    ) -> None:
        name = f"screens_{new_id().replace('-', '')}"
        postgres_server.create_databases([name])
        url = postgres_server.url_of(name)
        upgrade(url, "intake", "0022")
        engine = new_engine(url)
        found, never = derived_id("patient", "ada"), derived_id("patient", "ben")
        kept = [
            screen(LONG_AGO),
            screen(LONG_AGO, at=NOW + DAY),
            screen(LOW, at=NOW, answers_id=new_id(), patient_id=never),
        ]
        with engine.begin() as connection:
            connection.exec_driver_sql("SET session_replication_role = replica")
            rows = [{**vars_of(one), "tenant_id": "lakeside"} for one in kept]
            connection.execute(tables.instrument_answer_rows.insert(), rows)

        upgrade(url, "intake", "head")

        with engine.connect() as connection:
            set_ = connection.execute(sa.select(timers.c.key, timers.c.name)).all()
        engine.dispose()
        assert [tuple(row) for row in set_] == [(found, SCREEN_AGAIN_DUE)]

    def test_asks_at_the_time_by_all_screens(self, room_of: Callable[[type], Room]) -> None:
        desk = Desk(room_of(Intake))
        desk.answer("CSSRS", LOW)
        with desk.room.db() as db:
            # A day after, as the migration sets it: sooner than a low risk is due.
            set_timer(db, SCREEN_AGAIN_DUE, key=desk.patient_id, due_at=desk.room.now + DAY)
        desk.room.advance(2 * DAY)
        assert desk.tasks("suicide_screen_again") == []

        desk.room.advance(6 * DAY)
        assert len(desk.tasks("suicide_screen_again")) == 1
