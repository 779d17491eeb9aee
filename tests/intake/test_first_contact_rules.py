"""Rules of first contact: self-checks, pre-screens, the call back, and when somebody is there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.intake.domain import inquiries, pre_screens, self_checks
from shared.contracts.common import SafetyConcernRaised
from shared.contracts.event import Actor
from shared.contracts.intake import INQUIRY_DECISIONS, InquiryDecided, PreScreenCompleted
from shared.errors import Conflict, InvalidInput
from shared.instruments import newest
from tests.intake.builders import COUNSELOR, NOW, inquiry, site

IN_FORCE = [newest(name) for name in ("AUDIT_C", "PHQ9", "GAD7")]


def calm(instrument: str) -> dict[str, int | None]:
    return dict.fromkeys(newest(instrument).items, 0)


def weigh(*given: tuple[str, dict[str, int | None]], **changes: Any) -> self_checks.Weighed:
    how: dict[str, Any] = {"sex": "UNKNOWN", "minor": False, "in_force": IN_FORCE}
    return self_checks.weigh([(newest(name), answers) for name, answers in given], **how | changes)


def answers(**changes: Any) -> pre_screens.Answers:
    return pre_screens.Answers(**{"problems": ("ALCOHOL",)} | changes)


class TestSelfCheck:
    def test_asks_nobody_alone_about_danger_while_nobody_is_there(self) -> None:
        asked, withheld = self_checks.asked(IN_FORCE, somebody_on_duty=False)

        assert [pack.instrument for pack in asked] == ["AUDIT_C"]
        assert withheld == ["PHQ9"]

    def test_asks_only_what_is_free_to_use_and_signed(self) -> None:
        asked, _ = self_checks.asked(IN_FORCE, somebody_on_duty=True)

        assert [pack.instrument for pack in asked] == ["AUDIT_C", "PHQ9"]
        assert self_checks.asked([], somebody_on_duty=True) == ([], [])

    @pytest.mark.parametrize(
        ("sex", "points", "result"),
        [("UNKNOWN", 3, "WORTH_A_TALK"), ("FEMALE", 3, "WORTH_A_TALK"), ("MALE", 3, "LITTLE_SIGN")],
    )
    def test_uses_the_lower_cut_off_where_the_sex_is_unknown(
        self, sex: str, points: int, result: str
    ) -> None:
        weighed = weigh(("AUDIT_C", calm("AUDIT_C") | {"1": points}), sex=sex)

        assert [one.result for one in weighed.outcomes] == [result]

    def test_tells_nothing_but_where_help_is_in_danger_whatever_was_signed(self) -> None:
        given = (("AUDIT_C", calm("AUDIT_C") | {"1": 4}), ("PHQ9", calm("PHQ9") | {"9": 1}))

        weighed = weigh(*given, in_force=[])

        assert [danger.concern for danger in weighed.dangers] == ["PHQ9_I9"]
        assert weighed.outcomes == ()

    @pytest.mark.parametrize(("changes"), [{"in_force": []}, {"minor": True}])
    def test_scores_neither_minors_nor_by_unsigned_packs(self, changes: dict[str, Any]) -> None:
        (told,) = weigh(("AUDIT_C", calm("AUDIT_C") | {"1": 4}), **changes).outcomes

        assert told.result == "NOT_TOLD"

    def test_tells_nothing_of_what_was_answered_in_part(self) -> None:
        (told,) = weigh(("AUDIT_C", {"1": 4, "2": None, "3": None})).outcomes

        assert told.result == "NOT_TOLD"

    @pytest.mark.parametrize(
        "given",
        [
            [("CSSRS", {"1": 0})],
            [("AUDIT_C", calm("AUDIT_C")), ("AUDIT_C", calm("AUDIT_C"))],
            [("AUDIT_C", calm("AUDIT_C") | {"1": 5})],
        ],
        ids=["not-offered", "twice", "out-of-range"],
    )
    def test_refuses_what_it_does_not_ask(self, given: list[tuple[str, dict[str, int | None]]]) -> None:
        with pytest.raises(InvalidInput):
            weigh(*given)


class TestPreScreen:
    def test_takes_ten_minutes_at_most(self) -> None:
        assert len(pre_screens.QUESTIONS) * pre_screens.TIME_FOR_A_QUESTION <= pre_screens.ANSWERED_WITHIN

    def test_leaves_the_question_about_suicide_out_while_nobody_is_there(self) -> None:
        asked = pre_screens.questions_asked(somebody_on_duty=False)

        assert set(pre_screens.QUESTIONS) - set(asked) == {"suicidal_intent"}

    @pytest.mark.parametrize(
        ("told", "recommendation", "reasons"),
        [
            ({}, "ASSESSMENT_HERE", ("NOTHING_AGAINST",)),
            ({"readiness": 1}, "ASSESSMENT_HERE", ("NOT_READY",)),
            ({"hours_possible": False}, "ASSESSMENT_HERE", ("HOURS_HARD_TO_KEEP",)),
            ({"home_safe": False}, "OTHER_LEVEL", ("HOME_NOT_SAFE",)),
            ({"housing": "STREET"}, "OTHER_LEVEL", ("NO_HOUSING",)),
            ({"minor": True, "home_safe": False}, "CLINICIAN_FIRST", ("MINOR", "HOME_NOT_SAFE")),
            ({"suicidal_intent": "PASSIVE"}, "CLINICIAN_FIRST", ("SUICIDAL_THOUGHTS",)),
            ({"daily_benzodiazepine": True}, "MEDICAL_EVALUATION_FIRST", ("DAILY_BENZODIAZEPINE",)),
            ({"withdrawing_now": True}, "MEDICAL_EVALUATION_FIRST", ("WITHDRAWING_NOW",)),
            ({"seizure_or_dt_history": True}, "MEDICAL_EVALUATION_FIRST", ("SEIZURES_BEFORE",)),
            ({"withdrawing_now": True, "pregnant": True}, "EMERGENCY_NOW", ("WITHDRAWAL_DANGEROUS",)),
            ({"overdose_last_72h": True}, "EMERGENCY_NOW", ("OVERDOSE_LAST_72H",)),
            ({"suicidal_intent": "ACTIVE"}, "EMERGENCY_NOW", ("SUICIDAL_INTENT",)),
        ],
    )
    def test_recommends_by_the_gravest_reason(
        self, told: dict[str, Any], recommendation: str, reasons: tuple[str, ...]
    ) -> None:
        result = pre_screens.weigh(answers(**told))

        assert (result.recommendation, result.reasons) == (recommendation, reasons)
        assert result.alternatives
        assert recommendation not in result.alternatives

    @pytest.mark.parametrize(
        ("told", "concerns"),
        [
            ({}, []),
            ({"suicidal_intent": "NONE"}, []),
            ({"suicidal_intent": "PASSIVE"}, [("DANGER_ANSWER", "E3")]),
            ({"suicidal_intent": "ACTIVE"}, [("DANGER_ANSWER", "E4")]),
            ({"overdose_last_72h": True}, [("OVERDOSE", "E4")]),
            ({"withdrawing_now": True}, [("WITHDRAWAL_EVALUATION", "E3")]),
            ({"withdrawing_now": True, "seizure_or_dt_history": True}, [("WITHDRAWAL_EMERGENCY", "E4")]),
        ],
    )
    def test_has_a_human_hear_of_every_danger(
        self, told: dict[str, Any], concerns: list[tuple[str, str]]
    ) -> None:
        assert pre_screens.concerns(answers(**told)) == concerns

    @pytest.mark.parametrize(
        "told", [{"problems": ("OPIOID",)}, {"injecting": True}, {"pregnant": True}], ids=str
    )
    def test_is_urgent_with_opioids_needles_or_a_pregnancy(self, told: dict[str, Any]) -> None:
        assert answers(**told).urgent
        assert not answers().urgent

    def test_is_read_back_as_it_was_kept(self) -> None:
        told = answers(readiness=4, housing="SHELTER", problems=("OPIOID", "ALCOHOL"))

        assert pre_screens.read(told.on_record()) == told


class TestCallBack:
    @pytest.mark.parametrize(
        ("at", "due_at"),
        [
            # Monday, nine in the morning in Chicago.
            ("2026-02-02T15:00:00+00:00", "2026-02-02T15:15:00+00:00"),
            # A minute before six in the evening: somebody is there, and calls.
            ("2026-02-02T23:59:00+00:00", "2026-02-03T00:14:00+00:00"),
            # Six in the evening: nobody is there any more.
            ("2026-02-03T00:00:00+00:00", "2026-02-03T02:00:00+00:00"),
            # Half past seven in the morning: the site opens before two hours have gone.
            ("2026-02-03T13:30:00+00:00", "2026-02-03T14:15:00+00:00"),
            # Saturday.
            ("2026-02-07T16:00:00+00:00", "2026-02-07T18:00:00+00:00"),
        ],
    )
    def test_is_due_soon_while_somebody_is_there_and_within_two_hours_otherwise(
        self, at: str, due_at: str
    ) -> None:
        found = inquiries.call_back_due_at(site(), at=datetime.fromisoformat(at))

        assert found == datetime.fromisoformat(due_at)

    def test_heeds_hours_of_the_sites_own_also_when_clocks_change(self) -> None:
        own = site()
        own.keep_staffed_hours([{"weekday": 6, "starts": "01:00", "ends": "04:00"}])

        # On 8 March clocks go from two to three; the site is open for two hours.
        assert own.next_staffed_at(datetime(2026, 3, 8, 6, tzinfo=UTC)) == datetime(2026, 3, 8, 7, tzinfo=UTC)
        assert own.is_staffed(datetime(2026, 3, 8, 8, 59, tzinfo=UTC))
        assert not own.is_staffed(datetime(2026, 3, 8, 9, tzinfo=UTC))

    @pytest.mark.parametrize(
        "hours",
        [
            [{"weekday": 0, "starts": "10:00", "ends": "10:00"}],
            [
                {"weekday": 0, "starts": "08:00", "ends": "12:00"},
                {"weekday": 0, "starts": "11:00", "ends": "13:00"},
            ],
        ],
        ids=["backwards", "overlap"],
    )
    def test_refuses_hours_that_nobody_can_keep(self, hours: list[dict[str, Any]]) -> None:
        own = site()

        with pytest.raises(InvalidInput):
            own.keep_staffed_hours(hours)

        assert own.staffed_hours == []

    def test_follows_where_there_is_a_number_only(self) -> None:
        (task,), _ = inquiries.receive(inquiry(), dangers=[], site=site())
        none, _ = inquiries.receive(inquiry(phone=None), dangers=[], site=site())

        assert (task.task, task.due_at) == ("call_back", NOW + timedelta(minutes=15))
        assert none == []

    def test_leaves_a_voicemail_only_where_that_is_safe(self) -> None:
        with pytest.raises(InvalidInput):
            inquiry().record_call(outcome="VOICEMAIL", actor=COUNSELOR, now=NOW)

        assert inquiry(voicemail_safe=True).record_call(outcome="VOICEMAIL", actor=COUNSELOR, now=NOW)

    def test_is_tried_three_times(self) -> None:
        one = inquiry()

        followed = [one.record_call(outcome="NO_ANSWER", actor=COUNSELOR, now=NOW) for _ in range(3)]

        assert [task.task for task in followed] == ["call_back_again", "call_back_again", "inquiry_decision"]

    def test_has_nobody_to_call_without_a_number(self) -> None:
        with pytest.raises(Conflict):
            inquiry(phone=None).record_call(outcome="REACHED", actor=COUNSELOR, now=NOW)


class TestInquiry:
    def test_keeps_the_decision_beside_the_recommendation(self) -> None:
        one = inquiry()
        one.take_pre_screen(answers(withdrawing_now=True), now=NOW)

        (decided,) = one.decide(decision="ASSESSMENT_HERE", why="Seen today.", actor=COUNSELOR, now=NOW)

        assert isinstance(decided, InquiryDecided)
        assert (decided.decision, decided.recommendation, decided.agrees) == (
            "ASSESSMENT_HERE",
            "MEDICAL_EVALUATION_FIRST",
            False,
        )
        assert (one.decided_by, one.decided_by_credential) == ("nora", "LPC")

    def test_asks_why_where_the_two_differ_and_changes_nothing(self) -> None:
        one = inquiry()
        one.take_pre_screen(answers(withdrawing_now=True), now=NOW)

        with pytest.raises(InvalidInput):
            one.decide(decision="ASSESSMENT_HERE", why=" ", actor=COUNSELOR, now=NOW)

        assert one.is_open

    def test_raises_dangers_in_the_step_that_keeps_the_answers(self) -> None:
        raised, completed = inquiry().take_pre_screen(answers(suicidal_intent="ACTIVE"), now=NOW)

        assert isinstance(raised, SafetyConcernRaised)
        assert isinstance(completed, PreScreenCompleted)
        assert raised.level == "E4"

    def test_has_an_assessment_offered_within_a_day_or_three(self) -> None:
        urgent, usual = inquiry(), inquiry()
        urgent.take_pre_screen(answers(injecting=True), now=NOW)
        for one in (urgent, usual):
            one.decide(decision="ASSESSMENT_HERE", why=None, actor=COUNSELOR, now=NOW)

        due = [task.due_at - NOW for one in (urgent, usual) if (task := one.offer_task())]
        assert due == [timedelta(hours=24), timedelta(days=3)]

    @pytest.mark.parametrize("decision", sorted(set(INQUIRY_DECISIONS) - {"ASSESSMENT_HERE"}))
    def test_offers_no_assessment_that_nobody_decided_on(self, decision: str) -> None:
        one = inquiry()
        one.decide(decision=decision, why=None, actor=COUNSELOR, now=NOW)

        assert one.offer_task() is None

    def test_is_answered_and_decided_once(self) -> None:
        one, actor = inquiry(), Actor(actor_id="nora", role="counselor")
        one.take_pre_screen(answers(), now=NOW)
        with pytest.raises(Conflict):
            one.take_pre_screen(answers(), now=NOW)
        one.decide(decision="NOT_WANTED", why="Changed their mind.", actor=actor, now=NOW)

        with pytest.raises(Conflict):
            one.decide(decision="NOT_WANTED", why="Again.", actor=actor, now=NOW)
        with pytest.raises(Conflict):
            one.record_call(outcome="REACHED", actor=actor, now=NOW)
