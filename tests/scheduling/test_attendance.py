from datetime import datetime, timedelta

import pytest

from services.scheduling.domain import attendance, attended
from services.scheduling.domain.attendance import Mark, Seen
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.scheduling import AttendanceCorrected, PatientNotSeen, SessionAttended, SessionMissed
from shared.ids import derived_id
from tests.scheduling.builders import MONDAY_MORNING, morning_session, seat_of

NOON = MONDAY_MORNING + timedelta(hours=3)
GRACE_OVER = MONDAY_MORNING + timedelta(minutes=15)


def minutes(count: int) -> datetime:
    return MONDAY_MORNING + timedelta(minutes=count)


def take(seat: attendance.Seat, session: attendance.Session, mark: str, *, now=NOON, past=(), **times):
    return seat.take(mark=Mark(mark=mark, **times), session=session, past=list(past), now=now)


class TestWorth:
    @pytest.mark.parametrize(
        ("arrived", "left", "state", "credited"),
        [
            (-20, 180, "PRESENT", 165),
            (10, 180, "PRESENT", 155),
            (11, 180, "LATE", 154),
            (30, 180, "LATE", 137),
            (31, 180, "PARTIAL", 0),
            (0, 144, "LEFT_EARLY", 132),
            (0, 143, "PARTIAL", 131),
            (20, 150, "PARTIAL", 119),
            (0, 400, "PRESENT", 165),
        ],
    )
    def test_scales_presence_to_clinical_minutes(self, arrived, left, state, credited):
        found = attendance.worth(
            session=morning_session(), arrived_at=minutes(arrived), left_at=minutes(left)
        )

        assert found == (state, credited)


class TestSupportGroup:
    """It stands on the same calendar and is no treatment (S4)."""

    def support(self, **changes) -> attendance.Session:
        return morning_session(kind="SUPPORT", modality="WELLNESS", clinical_minutes=0, **changes)

    def test_is_missed_without_anybody_being_told(self):
        session = self.support()
        seat = seat_of("Ada", session)

        assert take(seat, session, "NO_SHOW") == []
        assert (seat.state, seat.told) == ("NO_SHOW", False)

    def test_tells_that_somebody_came_after_all(self):
        session = self.support()
        seat = seat_of("Ada", session)
        take(seat, session, "NO_SHOW")

        (told,) = take(seat, session, "PRESENT")

        assert (told.kind, told.clinical_minutes, told.credited_minutes) == ("SUPPORT", 0, 0)

    def test_neither_lengthens_nor_ends_a_row_of_absences(self):
        session = self.support()
        seat = seat_of("Ada", session)
        past = [Seen(seat_id="treatment", starts_at=MONDAY_MORNING - timedelta(days=1), state="NO_SHOW")]
        take(seat, session, "PRESENT", past=past)

        (corrected,) = take(seat, session, "NO_SHOW", past=past)

        assert (corrected.to_state, corrected.clinical_minutes, corrected.consecutive) == ("NO_SHOW", 0, 1)

    def test_is_no_part_of_the_dose_and_of_what_was_planned(self):
        group, support = morning_session(), self.support(session_id=derived_id("session", "support"))
        seats = [(seat_of("Ada", one, state="NO_SHOW"), one) for one in (group, support)]
        came = seat_of("Ada", support, state="PRESENT")

        assert attended.tally(seats).missed_sessions == 1
        assert attended.dose_by_modality([(came, support)]) == []


class TestTake:
    def test_tells_of_attendance_once(self):
        session = morning_session()
        seat = seat_of("Ada", session)

        (told,) = take(seat, session, "PRESENT")

        assert isinstance(told, SessionAttended)
        assert (told.credited_minutes, told.state) == (165, "PRESENT")
        assert take(seat, session, "PRESENT") == []
        assert seat.revision == 0

    def test_withdraws_a_miss_when_the_patient_was_there_after_all(self):
        session = morning_session()
        seat = seat_of("Ada", session)
        (missed,) = take(seat, session, "NO_SHOW")

        (corrected,) = take(seat, session, "LATE", arrived_at=minutes(20))

        assert isinstance(missed, SessionMissed)
        assert isinstance(corrected, AttendanceCorrected)
        assert (corrected.from_state, corrected.to_state) == ("NO_SHOW", "LATE")
        assert (corrected.revision, corrected.consecutive, corrected.credited_minutes) == (1, 0, 146)
        assert seat.arrived_at == minutes(20)

    def test_counts_revisions_up_so_that_the_newest_wins(self):
        session = morning_session()
        seat = seat_of("Ada", session)
        take(seat, session, "PRESENT")

        revisions = [take(seat, session, mark)[0].revision for mark in ("NO_SHOW", "EXCUSED", "PRESENT")]

        assert revisions == [1, 2, 3]

    def test_keeps_the_true_arrival_of_a_check_in(self):
        session = morning_session()
        seat = seat_of("Ada", session)
        seat.check_in(session=session, arrived_at=minutes(14), past=[], now=minutes(14))

        (told,) = take(seat, session, "PRESENT")
        again = take(seat, session, "PRESENT")

        assert (told.state, told.credited_minutes, seat.arrived_at) == ("LATE", 152, minutes(14))
        assert again == []

    def test_keeps_a_no_show_back_while_the_patient_may_still_come(self):
        session = morning_session()
        seat = seat_of("Ada", session)

        assert take(seat, session, "NO_SHOW", now=minutes(14)) == []
        assert seat.state == "SCHEDULED"

    @pytest.mark.parametrize(
        ("mark", "times", "field"),
        [
            ("LATE", {}, "arrived_at"),
            ("LEFT_EARLY", {}, "left_at"),
            ("PRESENT", {"arrived_at": minutes(200)}, "arrived_at"),
            ("PRESENT", {"arrived_at": minutes(100), "left_at": minutes(50)}, "arrived_at"),
            ("PRESENT", {"left_at": minutes(190)}, "left_at"),
            ("NO_SHOW", {"arrived_at": minutes(5)}, "marks"),
        ],
    )
    def test_refuses_times_that_do_not_fit(self, mark, times, field):
        session = morning_session()
        seat = seat_of("Ada", session)

        with pytest.raises(attendance.TimesDoNotFit) as refused:
            take(seat, session, mark, **times)

        assert refused.value.problems[0]["field"] == field
        assert seat.state == "SCHEDULED"

    def test_refuses_a_seat_that_was_cancelled(self):
        session = morning_session()

        with pytest.raises(attendance.SeatGivenUp):
            take(seat_of("Ada", session, state="CANCELLED"), session, "PRESENT")


class TestCheckIn:
    def test_changes_nothing_the_second_time(self):
        session = morning_session()
        seat = seat_of("Ada", session)
        seat.check_in(session=session, arrived_at=minutes(-5), past=[], now=minutes(-5))

        assert seat.check_in(session=session, arrived_at=minutes(30), past=[], now=minutes(30)) == []
        assert seat.arrived_at == minutes(-5)

    def test_withdraws_the_miss_of_somebody_who_comes_after_the_grace_period(self):
        session = morning_session(first_mark_at=minutes(1))
        seat = seat_of("Ada", session)
        session.judge(seats=[seat], past={}, now=GRACE_OVER)

        (corrected,) = seat.check_in(session=session, arrived_at=minutes(20), past=[], now=minutes(20))
        (attended,) = take(seat, session, "PRESENT")

        assert (corrected.to_state, corrected.revision) == ("CHECKED_IN", 1)
        assert (attended.to_state, attended.revision) == ("LATE", 2)

    @pytest.mark.parametrize("at", [-61, 180])
    def test_is_refused_outside_its_hours(self, at):
        session = morning_session()

        with pytest.raises(attendance.CheckInNotOpen):
            seat_of("Ada", session).check_in(
                session=session, arrived_at=minutes(at), past=[], now=minutes(at)
            )


class TestTurnAway:
    """Somebody came by video, and nobody of the session may treat them where they are."""

    def turn_away(self, seat: attendance.Seat, session: attendance.Session, *, now: datetime, past=()):
        return seat.turn_away(session=session, reason="NOT_LICENSED_THERE", past=list(past), now=now)

    def test_is_told_once_and_judged_by_nobody(self):
        session = morning_session()
        seat = seat_of("Ada", session)

        (told,) = self.turn_away(seat, session, now=minutes(-5))
        again = self.turn_away(seat, session, now=minutes(1))
        judged = session.judge(seats=[seat], past={}, now=GRACE_OVER)

        assert isinstance(told, PatientNotSeen)
        assert (told.came_at, again, judged) == (minutes(-5), [], [])
        assert (seat.state, seat.number, seat.is_turned_away) == ("CANCELLED_BY_PROGRAM", 1, True)

    @pytest.mark.parametrize("mark", ["NO_SHOW", "EXCUSED"])
    def test_is_no_absence_by_any_mark(self, mark):
        session = morning_session()
        seat = seat_of("Ada", session)
        self.turn_away(seat, session, now=minutes(0))

        by_roster = take(seat, session, mark)
        with pytest.raises(attendance.CameAndNotSeen):
            seat.correct(mark=Mark(mark=mark), session=session, past=[], now=NOON)

        assert (by_roster, seat.is_turned_away) == ([], True)

    def test_neither_lengthens_nor_ends_a_row_of_absences(self):
        session = morning_session()
        seat = seat_of("Ada", session)
        take(seat, session, "NO_SHOW", now=minutes(20))
        before = Seen(seat_id="before", starts_at=minutes(-2880), state="NO_SHOW")

        corrected, told = self.turn_away(seat, session, now=minutes(25), past=[before])

        assert (corrected.from_state, corrected.to_state) == ("NO_SHOW", "CANCELLED_BY_PROGRAM")
        assert (corrected.consecutive, isinstance(told, PatientNotSeen)) == (1, True)

    def test_ends_with_a_check_in_and_leaves_no_trace_on_the_seat(self):
        session = morning_session()
        seat = seat_of("Ada", session)
        self.turn_away(seat, session, now=minutes(0))

        seat.check_in(session=session, arrived_at=minutes(6), past=[], now=minutes(6))
        (attended,) = take(seat, session, "PRESENT")

        assert (attended.state, seat.not_seen_because) == ("PRESENT", None)

    @pytest.mark.parametrize("reason", ["PRIVACY_NOT_ATTESTED", "ENTRY_NEEDS_FACILITATOR"])
    def test_leaves_who_waits_unmarked_by_every_rule(self, reason):
        session = morning_session(first_mark_at=minutes(-20))
        seat = seat_of("Ada", session)

        (told,) = seat.turn_away(session=session, reason=reason, past=[], now=minutes(-5))
        judged = session.judge(seats=[seat], past={}, now=GRACE_OVER)
        by_roster = take(seat, session, "NO_SHOW")

        assert isinstance(told, PatientNotSeen)
        assert (judged, by_roster, seat.state, seat.is_waiting) == ([], [], "UNMARKED", True)

    def test_takes_no_excuse_from_who_waits(self):
        session = morning_session()
        seat = seat_of("Ada", session, state="EXCUSED")

        seat.turn_away(session=session, reason="PRIVACY_NOT_ATTESTED", past=[], now=minutes(0))
        by_roster = take(seat, session, "NO_SHOW")

        assert (by_roster, seat.state) == ([], "EXCUSED")

    def test_of_who_waits_is_decided_by_somebody_who_knows_that_they_came(self):
        session = morning_session()
        seat = seat_of("Ada", session)
        seat.turn_away(session=session, reason="ENTRY_NEEDS_FACILITATOR", past=[], now=minutes(20))
        absent = Mark(mark="NO_SHOW")

        with pytest.raises(attendance.CameAndNotSeen):
            seat.correct(mark=absent, session=session, past=[], now=NOON)
        (missed,) = seat.correct(mark=absent, session=session, past=[], now=NOON, although_they_came=True)

        assert isinstance(missed, SessionMissed)
        assert (seat.state, seat.not_seen_because) == ("NO_SHOW", None)

    def test_leaves_a_seat_alone_that_was_given_up(self):
        session = morning_session()

        with pytest.raises(attendance.SeatGivenUp):
            self.turn_away(seat_of("Ada", session, state="CANCELLED"), session, now=minutes(0))


class TestJudge:
    def test_takes_silence_for_absence_where_others_were_marked(self):
        session = morning_session()
        ada, ben, cleo = (seat_of(name, session) for name in ("Ada", "Ben", "Cleo"))
        ada.check_in(session=session, arrived_at=minutes(2), past=[], now=minutes(2))
        ben.excuse(session=session, reason="ILLNESS", noticed_at=minutes(-9), past=[], now=minutes(3))

        caused = session.judge(seats=[ada, ben, cleo], past={}, now=GRACE_OVER)

        assert [(type(event), event.patient_id) for event in caused] == [(SessionMissed, cleo.patient_id)]
        assert [seat.state for seat in (ada, ben, cleo)] == ["CHECKED_IN", "EXCUSED", "NO_SHOW"]

    def test_asks_the_facilitator_where_nobody_was_marked(self):
        session = morning_session()
        seats = [seat_of(name, session) for name in ("Ada", "Ben")]

        (task,) = session.judge(seats=seats, past={}, now=GRACE_OVER)

        assert isinstance(task, TaskOpened)
        assert (task.task, task.owner_role, task.next_role) == ("roster_missing", "counselor", "supervisor")
        assert task.about_id == session.session_id
        assert {seat.state for seat in seats} == {"UNMARKED"}

    def test_does_not_take_an_excuse_for_a_mark(self):
        session = morning_session()
        ada, ben = seat_of("Ada", session), seat_of("Ben", session)
        ada.excuse(session=session, reason="COURT", noticed_at=minutes(-5), past=[], now=minutes(-5))

        session.judge(seats=[ada, ben], past={}, now=GRACE_OVER)

        assert ben.state == "UNMARKED"

    def test_asks_where_nobody_watched_the_door(self):
        session = morning_session(first_mark_at=minutes(1))
        seat = seat_of("Ada", session)

        (task,) = session.judge(seats=[seat], past={}, now=GRACE_OVER + timedelta(minutes=3))

        assert (task.reason, seat.state) == ("DOOR_NOT_WATCHED", "UNMARKED")

    def test_is_as_good_a_minute_late(self):
        session = morning_session(first_mark_at=minutes(1))
        seat = seat_of("Ada", session)

        (missed,) = session.judge(seats=[seat], past={}, now=GRACE_OVER + timedelta(minutes=1))

        assert (type(missed), seat.state) == (SessionMissed, "NO_SHOW")

    def test_asks_the_supervisor_after_the_facilitator(self):
        session = morning_session()
        seat = seat_of("Ada", session)
        (asked,) = session.judge(seats=[seat], past={}, now=GRACE_OVER)

        closed, opened = session.ask_supervisor(seats=[seat], now=minutes(75))
        take(seat, session, "PRESENT")
        (done,) = session.settle(seats=[seat], now=NOON)

        assert (closed.task_id, closed.outcome) == (asked.task_id, "ESCALATED")
        assert opened.owner_role == "supervisor"
        assert isinstance(done, TaskClosed)
        assert (done.task_id, done.outcome) == (opened.task_id, "DONE")


class TestExcuse:
    @pytest.mark.parametrize(
        ("reason", "notice"),
        [("OTHER", timedelta(hours=24)), ("ILLNESS", timedelta()), ("WORK", timedelta())],
    )
    def test_takes_a_day_of_notice_or_a_good_reason(self, reason, notice):
        session = morning_session()
        seat = seat_of("Ada", session)
        told_at = MONDAY_MORNING - notice

        assert seat.excuse(session=session, reason=reason, noticed_at=told_at, past=[], now=told_at) == []
        assert (seat.state, seat.excuse_reason) == ("EXCUSED", reason)

    def test_refuses_less_than_a_day_for_any_other_reason(self):
        session = morning_session()
        told_at = MONDAY_MORNING - timedelta(hours=23, minutes=59)

        with pytest.raises(attendance.ExcuseTooLate):
            seat_of("Ada", session).excuse(
                session=session, reason="OTHER", noticed_at=told_at, past=[], now=told_at
            )

    def test_refuses_for_somebody_who_was_there(self):
        session = morning_session()
        seat = seat_of("Ada", session)
        take(seat, session, "PRESENT")

        with pytest.raises(attendance.AttendedAlready):
            seat.excuse(session=session, reason="ILLNESS", noticed_at=NOON, past=[], now=NOON)

    def test_withdraws_a_miss_that_was_told(self):
        session = morning_session()
        seat = seat_of("Ada", session)
        take(seat, session, "NO_SHOW")

        (corrected,) = seat.excuse(session=session, reason="ILLNESS", noticed_at=NOON, past=[], now=NOON)

        assert (corrected.to_state, corrected.consecutive) == ("EXCUSED", 0)


class TestCancel:
    def test_withdraws_the_misses_of_a_session_that_never_was(self):
        session = morning_session()
        ada, ben = seat_of("Ada", session), seat_of("Ben", session)
        take(ada, session, "NO_SHOW")

        cancelled, corrected, *told = session.cancel(
            reason="FACILITATOR_ABSENT", seats=[ada, ben], past={}, now=NOON
        )

        assert cancelled.reason == "FACILITATOR_ABSENT"
        assert (corrected.patient_id, corrected.to_state) == (ada.patient_id, "CANCELLED_BY_PROGRAM")
        assert ben.state == "CANCELLED_BY_PROGRAM"
        assert {one.patient_id for one in told} == {ada.patient_id, ben.patient_id}
        assert session.cancel(reason="CLOSURE", seats=[ada, ben], past={}, now=NOON) == []

    def test_is_refused_once_somebody_was_there(self):
        session = morning_session()
        seat = seat_of("Ada", session)
        take(seat, session, "PRESENT")

        with pytest.raises(attendance.SessionHeldAlready):
            session.cancel(reason="WEATHER", seats=[seat], past={}, now=NOON)


class TestAbsencesInRow:
    @pytest.mark.parametrize(
        ("states", "count"),
        [
            (["NO_SHOW", "NO_SHOW"], 2),
            (["NO_SHOW", "PRESENT", "NO_SHOW"], 1),
            (["NO_SHOW", "EXCUSED", "NO_SHOW"], 2),
            (["NO_SHOW", "CANCELLED_BY_PROGRAM", "UNMARKED", "NO_SHOW"], 2),
            (["NO_SHOW", "NO_SHOW", "PARTIAL"], 0),
        ],
    )
    def test_are_counted_back_to_the_last_attendance(self, states, count):
        seen = [
            Seen(seat_id=str(day), starts_at=MONDAY_MORNING + timedelta(days=day), state=state)
            for day, state in enumerate(states)
        ]

        assert attendance.absences_in_row(reversed(seen)) == count

    def test_follow_the_order_of_sessions_and_not_of_marks(self):
        session = morning_session()
        tuesday = Seen(seat_id="tuesday", starts_at=MONDAY_MORNING + timedelta(days=1), state="NO_SHOW")
        friday_before = Seen(seat_id="friday", starts_at=MONDAY_MORNING - timedelta(days=3), state="NO_SHOW")

        (missed,) = take(seat_of("Ada", session), session, "NO_SHOW", past=[tuesday, friday_before])

        assert missed.consecutive == 2
