import html
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from homeward.simulation import page, report, terminal
from homeward.simulation.rows import Admission, RefusedRow
from homeward.simulation.tally import Announcement, Tally
from shared.contracts.event import write_moment

MONDAY = datetime(2026, 2, 2, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


class Told:
    """A tally fed with announcements about vivid people, and the run around it."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.rows: dict[str, Admission] = {}

    def tell(self, event: str, patient: str, *, at: datetime = MONDAY, **data: Any) -> "Told":
        data = {"patient_id": patient, "episode_id": f"{patient}'s episode"} | {
            name: write_moment(value) if isinstance(value, datetime) else value
            for name, value in data.items()
        }
        self.tally.take(Announcement(kind=event, occurred_at=at, data=data))
        return self

    def referred(self, patient: str, *, service: int | None = 6, source: str = "7") -> "Told":
        self.rows[patient] = Admission(line=2, case_id="1", codes={"AGE": 5}, recorded_service=service)
        return self.tell("referral_received", patient, referral_source=source)

    def recommended(self, patient: str, level: str) -> "Told":
        return self.tell(
            "assessment_completed",
            patient,
            recommended_level=level,
            fit_factors=["STABLE_HOME", "COMMITTED"],
            fit_results=["MET", "CONDITIONAL"],
        )

    def admitted(self, patient: str) -> "Told":
        return (
            self.referred(patient)
            .recommended(patient, "2.1")
            .tell("patient_admitted", patient, admitted_at=MONDAY)
        )

    def seated(self, patient: str, seat: str, *, day: int = 1) -> "Told":
        return self.tell(
            "session_scheduled", patient, seat_id=seat, starts_at=MONDAY + day * DAY, kind="GROUP"
        )

    def attended(self, patient: str, seat: str, *, day: int = 1) -> "Told":
        return self.seated(patient, seat, day=day).tell(
            "session_attended", patient, seat_id=seat, starts_at=MONDAY + day * DAY, state="PRESENT"
        )

    def missed(self, patient: str, seat: str, *, day: int = 1) -> "Told":
        starts_at = MONDAY + day * DAY
        return self.seated(patient, seat, day=day).tell(
            "session_missed", patient, seat_id=seat, starts_at=starts_at, missed_at=starts_at + 15 * MINUTE
        )

    def called(self, patient: str, seat: str, *, after: timedelta, day: int = 1) -> "Told":
        return self.tell(
            "outreach_attempted",
            patient,
            seat_id=seat,
            attempted_at=MONDAY + day * DAY + 15 * MINUTE + after,
            outcome="NO_ANSWER",
        )

    def discharged(self, patient: str, reason: str, days: int) -> "Told":
        return self.tell("patient_discharged", patient, reason_code=reason, stay_days=days)

    def report(self, *, weeks: int = 4, **run: Any) -> dict[str, Any]:
        return report.build(
            self.tally,
            report.Run(
                **run,
                file_name="lakeside.csv",
                seed=7,
                weeks=weeks,
                starts_at=MONDAY,
                ended_at=MONDAY + 7 * weeks * DAY,
                zone=ZoneInfo("America/Chicago"),
                rows=self.rows,
                rows_refused=[RefusedRow(line=3, field="SUB1", reason="is no code of this field")],
                modules_completed={"Stress management": 1},
                billing={"days_attended": 3, "days_billable": 2, "units_used": 1, "because": {"NO_NOTE": 1}},
                teds_records={"records": 1, "with_problems": 0},
                answers=[("sliding_fees", "pays 20 percent"), ("self_checks", "worth_a_talk")] * 2,
                events_parked=0,
                wall_seconds=12.34,
            ),
        )


class TestBuild:
    def test_splits_referrals_into_admitted_elsewhere_and_open(self):
        told = Told().admitted("Merrin").referred("Tressa").referred("Odalyn")
        told.tell("referred_elsewhere", "Tressa", follow_ups_due_at=[write_moment(MONDAY + 2 * DAY)])

        found = told.report()

        assert (found["referrals"], found["admitted"]) == (3, 1)
        assert (found["referred_elsewhere"], found["open"]) == (1, 1)

    def test_tells_whether_those_who_asked_by_themselves_were_called_back_in_time(self):
        told = Told()
        for patient in ("Merrin", "Tressa", "Odalyn"):
            told.tell("inquiry_received", patient)
        told.tell("pre_screen_completed", "Merrin", recommendation="MEDICAL_EVALUATION_FIRST")
        told.tell("task_closed", "Merrin", task="call_back", outcome="DONE", about_id="Merrin's")
        told.tell("task_closed", "Tressa", task="call_back", outcome="ESCALATED", about_id="Tressa's")
        told.tell("task_closed", "Tressa", task="call_back", outcome="DONE", about_id="Tressa's")
        told.tell("inquiry_decided", "Merrin").tell("inquiry_decided", "Tressa")
        # The supervisor was asked, and the run ended before anybody called.
        told.tell("task_closed", "Odalyn", task="call_back", outcome="ESCALATED", about_id="Odalyn's")

        assert told.report()["first_contact"] == {
            "inquiries": 3,
            "called_back_in_time": 1,
            "called_back_late": 1,
            "pre_screens": {"MEDICAL_EVALUATION_FIRST": 1},
            "decided_by_a_specialist": 2,
        }

    def test_counts_who_waited_and_who_came_from_inpatient_care(self):
        told = Told()
        for patient in ("Merrin", "Tressa"):
            told.tell("step_down_referral_received", patient)
            told.tell("admission_wait_began", patient)
        told.tell("admission_seat_offered", "Merrin").tell(
            "admission_wait_ended", "Merrin", outcome="ADMITTED"
        )
        told.tell("step_down_service_breached", "Merrin").tell("step_down_served", "Merrin", in_time=True)

        found = told.report()

        assert found["waiting_list"] == {"waited": 2, "offers": 1, "admitted": 1, "removed": 0}
        assert found["step_downs"] == {
            "received": 2,
            "summaries_received": 0,
            "served_in_time": 1,
            "served_late": 0,
            "not_served_in_seven_days": 0,
        }

    def test_shows_what_the_office_saw_to_in_words(self):
        lines = dict(report.office_lines(Told().report()))

        assert (lines["Days attended"], lines["… not billed: NO_NOTE"]) == (3, 1)
        assert (lines["Sliding fee: pays 20 percent"], lines["Self checks: worth a talk"]) == (2, 2)

    def test_counts_somebody_who_comes_back_as_no_new_referral(self):
        told = Told().admitted("Merrin")
        told.tell(
            "referral_received", "Merrin", episode_id="Merrin's second episode", referral_source="REENTRY"
        )

        found = told.report()

        assert (found["referrals"], found["reentries"]) == (1, 1)

    def test_counts_patient_sessions_as_they_stand_after_corrections(self):
        told = Told().admitted("Merrin").attended("Merrin", "a").missed("Merrin", "b", day=2)
        told.missed("Merrin", "c", day=3).seated("Merrin", "d", day=20)
        told.tell(
            "attendance_corrected",
            "Merrin",
            seat_id="c",
            starts_at=MONDAY + 3 * DAY,
            to_state="PRESENT",
            revision=1,
        )

        found = told.report()

        assert (found["sessions_scheduled"], found["sessions_attended"], found["sessions_missed"]) == (
            4,
            2,
            1,
        )
        assert [week["attended"] for week in found["attendance"]["by_week"]] == [2, 0, 0, 0]

    def test_counts_weeks_and_finds_the_seat_that_meets_an_obligation(self):
        told = Told()
        week = {"workshop_exception": "", "wishes_not_met": [], "wishes_not_met_because": []}
        for patient in ("Merrin", "Tressa", "Odalyn"):
            told.admitted(patient)
            # Works full time: eight to four, nine to five or two to ten, as it is drawn.
            told.rows[patient] = Admission(
                line=2, case_id="1", codes={"AGE": 5, "EMPLOY": 1}, recorded_service=6
            )
        told.tell("schedule_proposed", "Merrin", weekly_minutes=545, **week)
        told.tell("schedule_confirmed", "Merrin")
        unmet = {"wishes_not_met": ["FAMILY"], "wishes_not_met_because": ["NOT_OFFERED"]}
        told.tell("schedule_proposed", "Tressa", weekly_minutes=660, **(week | unmet))
        told.tell("task_opened", "Odalyn", task="no_week_fits", reason="OBLIGATIONS")
        # MONDAY is midnight in Chicago: at half past two in the afternoon all of them are at work.
        for patient, hour in (("Merrin", 22.5), ("Tressa", 14.5)):
            starts_at = MONDAY + hour / 24 * DAY
            told.tell(
                "session_scheduled",
                patient,
                seat_id=patient,
                starts_at=starts_at,
                ends_at=starts_at + 60 * MINUTE,
                kind="GROUP",
            )

        found = told.report()["weekly_plans"]

        assert (found["admitted"], found["with_a_week"], found["agreed_to"]) == (3, 2, 1)
        assert found["meeting_every_obligation"] == 1
        assert found["without_a_week"] == {"OBLIGATIONS": 1}
        assert found["hours"] == {"least": 9.08, "median": 10.04, "most": 11.0}
        assert found["all_wishes_met"] == 1
        assert found["wishes_not_met"] == [{"wish": "FAMILY", "reason": "NOT_OFFERED", "weeks": 1}]

    def test_counts_who_pays_for_the_admitted_and_who_was_told_in_time(self):
        told = Told()
        for patient, insurance in (("Merrin", 2), ("Tressa", 2), ("Odalyn", 4), ("Sennen", 4)):
            told.admitted(patient)
            told.rows[patient] = Admission(line=2, case_id="1", codes={"AGE": 5, "HLTHINS": insurance})
        told.admitted("Vyvyan").referred("Keren")
        told.tell("authorization_decided", "Merrin", decision="APPROVED", units=48)
        told.tell("authorization_decided", "Tressa", decision="APPROVED", units=12)
        told.tell("authorization_decided", "Tressa", decision="DENIED", units=0)
        told.tell("authorization_decided", "Keren", decision="APPROVED", units=48)
        told.tell("task_closed", "Odalyn", task="good_faith_estimate", outcome="DONE", about_id="Odalyn's")
        told.tell(
            "task_closed", "Sennen", task="good_faith_estimate", outcome="ESCALATED", about_id="Sennen's"
        )
        told.tell("task_closed", "Sennen", task="good_faith_estimate", outcome="DONE", about_id="Sennen's")

        assert told.report()["cover"] == {
            "insurance": {"2 Medicaid": 2, "4 None": 2, "not recorded": 1},
            "authorized": 1,
            "denied": 1,
            "days_authorized": 48,
            "estimates_given_in_time": 1,
            "estimates_given_late": 1,
        }

    def test_counts_answers_and_whether_staff_were_paged_about_each_danger_in_them(self):
        told = Told().admitted("Merrin").admitted("Tressa")
        for patient in ("Merrin", "Tressa"):
            told.tell("instrument_scored", patient, instrument="PHQ9")
            told.tell("safety_concern_raised", patient, concern_id=f"{patient}'s", concern="PHQ9_I9")
            told.tell(
                "safety_concern_taken", patient, concern_id=f"{patient}'s", escalation_id=f"{patient}'s call"
            )
        told.tell("instrument_scored", "Merrin", instrument="CSSRS")
        told.tell("safety_concern_raised", "Merrin", concern_id="a threat", concern="VIOLENCE")
        told.tell("staff_paged", "Merrin", escalation_id="Merrin's call")

        assert told.report()["instruments"] == {
            "answered": {"CSSRS": 1, "PHQ9": 2},
            "safety_answers": {"PHQ9_I9": 2},
            "safety_answers_paged": 1,
            "safety_answers_not_paged": 1,
        }

    def test_counts_untouched_and_late_misses_against_the_hour(self):
        told = Told().admitted("Merrin").admitted("Tressa").admitted("Odalyn").admitted("Sennen")
        told.missed("Merrin", "m").called("Merrin", "m", after=60 * MINUTE)
        told.missed("Tressa", "t").called("Tressa", "t", after=61 * MINUTE)
        told.missed("Odalyn", "o")
        told.missed("Sennen", "s").called("Sennen", "s", after=5 * MINUTE)

        found = told.report()

        assert found["outreach_within_1h"] == 0.5
        assert found["outreach"]["minutes_to_first_attempt"]["never"] == 1
        assert sum(found["outreach"]["minutes_to_first_attempt"].values()) == 4

    def test_does_not_count_an_attempt_before_the_miss(self):
        told = Told().admitted("Merrin").missed("Merrin", "early").missed("Merrin", "later", day=4)
        told.called("Merrin", "early", after=10 * MINUTE)

        assert told.report()["outreach_within_1h"] == 0.5

    def test_tells_no_share_where_nothing_was_missed(self):
        assert Told().admitted("Merrin").report()["outreach_within_1h"] is None

    def test_adds_up_discharges_by_teds_reason(self):
        told = Told().admitted("Merrin").admitted("Tressa").admitted("Odalyn")
        told.discharged("Merrin", "1", 84).discharged("Tressa", "2", 20).discharged("Odalyn", "2", 30)
        told.tell("program_graduated", "Merrin")

        found = told.report()

        assert found["discharged_by_reason"] == {
            "1": 1, "2": 2, "3": 0, "4": 0, "5": 0, "6": 0, "7": 0,
        }  # fmt: skip
        assert found["graduated"] == 1
        assert found["median_stay_days"] == 30
        assert sum(found["discharged_by_reason"].values()) + found["stays"]["still_in_treatment"] == 3

    def test_never_counts_silence_as_a_follow_up_done(self):
        told = Told().admitted("Merrin").discharged("Merrin", "2", 20)
        for contact, outcome in (("seven", "REACHED"), ("thirty", "LOST"), ("ninety", None)):
            told.tell("aftercare_contact_due", "Merrin", contact_id=contact, kind="FOLLOW_UP", number=7)
            if outcome:
                told.tell("aftercare_contact_completed", "Merrin", contact_id=contact, outcome=outcome)

        found = told.report()

        assert (found["follow_ups_due"], found["follow_ups_done"]) == (3, 1)

    def test_sets_the_recorded_service_beside_the_recommendation(self):
        told = (
            Told()
            .referred("Merrin", service=6)
            .referred("Tressa", service=5)
            .referred("Odalyn", service=None)
        )
        told.recommended("Merrin", "2.1").recommended("Tressa", "2.1")

        confusion = told.report()["placement"]["confusion"]

        assert confusion["columns"] == ["2.1", "not assessed"]
        assert sum(sum(row) for row in confusion["rows"].values()) == 3
        assert confusion["rows"]["not recorded"] == [0, 1]
        assert "neither accuracy nor evidence" in confusion["word"]

    def test_has_everything_that_is_promised_at_the_top(self):
        found = Told().admitted("Merrin").report()

        assert {
            "referrals", "admitted", "referred_elsewhere", "open", "sessions_scheduled",
            "sessions_attended", "sessions_missed", "outreach_within_1h", "graduated",
            "discharged_by_reason", "median_stay_days", "follow_ups_due", "follow_ups_done",
            "events_announced", "events_parked", "wall_seconds", "modelled", "rows_refused",
        } <= set(found)  # fmt: skip
        assert json.loads(json.dumps(found)) == found

    def test_comes_out_the_same_whatever_ids_the_server_gave(self):
        def about(names: tuple[str, str]) -> dict[str, Any]:
            told = Told().admitted(names[0]).admitted(names[1])
            return told.attended(names[0], names[1]).missed(names[1], names[0]).report()

        assert about(("Merrin", "Tressa")) == about(("8d1f", "03ab"))


def a_full_report() -> dict[str, Any]:
    told = Told().admitted("Merrin").admitted("Tressa").referred("<script>")
    told.attended("Merrin", "a").missed("Tressa", "b").called("Tressa", "b", after=20 * MINUTE)
    return told.discharged("Merrin", "1", 84).discharged("Tressa", "2", 20).report()


def plain(page_text: str) -> str:
    """Return what a reader sees of a page, with single blanks."""
    body = page_text[page_text.index("<body>") :]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.mark.slow
class TestPage:
    def test_asks_nothing_from_any_other_place(self):
        text = page.render(a_full_report())

        without_namespaces = re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
        assert "http://" not in without_namespaces
        assert "https://" not in without_namespaces
        assert not re.search(r"<(script|link|img|iframe|object)|@import|url\((?!#)", without_namespaces)

    def test_shows_the_four_plots_and_marks_what_is_modelled(self):
        text = page.render(a_full_report())

        assert text.count("<svg") == 4
        assert text.count("tag modelled") > 5
        assert text.count("tag recorded") >= 3

    def test_tells_how_many_graduates_completed_each_module(self):
        assert "<td>Graduates who completed: Stress management</td><td>1</td>" in page.render(a_full_report())

    def test_is_the_same_for_the_same_report(self):
        assert page.render(a_full_report()) == page.render(a_full_report())

    def test_says_it_in_sentences_when_nobody_came(self):
        text = plain(page.render(Told().report(weeks=1)))

        for sentence in (
            "0 people referred, 1 week of intensive outpatient care",
            "Nobody asked for help by themselves.",
            "Nobody missed a session.",
            "Nobody was still in treatment at the end.",
            "Nobody's level was decided.",
            "none attended, and none missed",
            "nobody discharged",
        ):
            assert sentence in text
        assert "None" not in text

    def test_says_one_and_many_as_they_are_said(self):
        one = Told().admitted("Merrin").missed("Merrin", "m").called("Merrin", "m", after=20 * MINUTE)
        one.tell("inquiry_received", "Tressa").tell("level_of_care_decided", "Merrin", decided_level="2.1",
                                                    overridden=True)  # fmt: skip
        one.referred("Odalyn").tell("referred_elsewhere", "Odalyn", follow_ups_due_at=[])
        many = Told()
        for patient in ("Merrin", "Tressa", "Odalyn"):
            many.admitted(patient).missed(patient, patient).tell("inquiry_received", patient)
            many.tell("level_of_care_decided", patient, decided_level="2.1", overridden=False)
        many.tell("task_closed", "Merrin", task="call_back", outcome="DONE", about_id="Merrin's")

        of_one, of_many = plain(page.render(one.report())), plain(page.render(many.report()))

        for sentence in (
            "1 person was referred to the level of care they need",
            "1 person asked for help by themselves;",
            "called back within the time promised: 0, later: 0, not by the end: 1.",
            "1 session was missed; the first attempt came within 20 min.",
            "Still in treatment at the end, and not shown: 1 person.",
            "1 of 1 decision went against the recommendation",
            "1 row was refused, and not sent",
            "0 requests and 0 jumps",
        ):
            assert sentence in of_one
        assert "Not everybody needs this program" not in of_many
        for sentence in (
            "3 people referred, 4 weeks",
            "3 people asked for help by themselves;",
            "called back within the time promised: 1, later: 0, not by the end: 2.",
            "3 sessions were missed, and nobody had tried to reach them by the end.",
            "not shown: 3 people.",
            "None of 3 decisions went against",
        ):
            assert sentence in of_many

    def test_says_how_many_rows_came_too_late(self):
        late = "had no referral by the end: people arrive over the first 10 working days."

        assert f"1 row {late}" in plain(page.render(Told().report(weeks=1, rows_not_referred=1)))
        assert late not in plain(page.render(Told().report()))

    def test_tells_of_the_sample_only_where_it_was_sent(self):
        of_sample = plain(page.render(Told().admitted("Merrin").report(of_sample=True)))
        of_others = plain(page.render(Told().admitted("Merrin").report()))

        for words in ("real, de-identified admissions", "The 372 rows", "no random sample", "SAMHSA"):
            assert words in of_sample
            assert words not in of_others
        assert "Data: lakeside.csv." in of_others


class TestShow:
    @pytest.mark.parametrize("make", [a_full_report, lambda: Told().report()])
    def test_prints_the_figures_of_the_report(self, make):
        console = Console(record=True, width=120, file=io.StringIO())
        found = make()

        terminal.show(found, console)

        text = console.export_text()
        assert f"{report.counted(found['referrals'], 'referral')} =" in text
        assert "None" not in text
        assert "line 3: field SUB1" in text
        assert "no referral by the end" not in text

    def test_says_how_many_rows_came_too_late(self):
        console = Console(record=True, width=120, file=io.StringIO())

        terminal.show(Told().report(weeks=1, rows_not_referred=2), console)

        assert "2 rows had no referral by the end" in console.export_text()
