"""While people are in the program: sessions, missed ones, check-ins, escalations and endings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from homeward.simulation import courses, questionnaires, staff
from homeward.simulation.agenda import Turn
from homeward.simulation.cases import Case
from homeward.simulation.report import counted
from homeward.simulation.world import World, quarter_up, stepped
from shared.contracts import roles
from shared.contracts.event import read_moment, write_moment

#: How long after a session's start the facilitator adds who came late: within the grace period, after
#: which everybody who is not on the roster counts as missing. Who comes later still is added at the end.
LATE_ADDED_AFTER = timedelta(minutes=14)

#: The hour in which the notes on a day's sessions are signed: the last evening groups end then.
NOTES_AT_HOUR = 21
#: The kind of session that notes are written on, and of an example the hour alone as well: one note a day is
#: enough for the day to be billed.
NOTED_KIND, NOTED_OF_EXAMPLES = "GROUP", "INDIVIDUAL"

#: How long before a session an absence is excused, by those who give notice.
EXCUSED_BEFORE = timedelta(hours=26)

#: TEDS reasons of the fates that a clinician decides on.
DECIDED_REASONS = {courses.TERMINATED: "3", courses.TRANSFERRED: "4"}

#: Share of check-ins that tell of danger. Assumption.
IN_DANGER = 0.002

#: Calls at most within one outreach: the next miss brings the next one.
MOST_ATTEMPTS = 2


@dataclass(kw_only=True)
class SessionAhead:
    """A session with the people who have a seat in it."""

    session_id: str
    starts_at: datetime
    ends_at: datetime
    kind: str
    #: Case name → episode and seat, of everybody who was given one.
    seats: dict[str, tuple[Case, str, str]] = field(default_factory=dict)


class Treatment:
    """Everything that happens between admission and discharge."""

    def __init__(self, world: World) -> None:
        """Begin with no sessions."""
        self._world = world
        self._sessions: dict[str, SessionAhead] = {}
        #: Outreaches that need nobody any more, and those of each case by name.
        self._ended: set[str] = set()
        self._outreach_of: dict[str, list[str]] = {}
        #: Case name → treatment plan that waits for the admission to be signed.
        self._drafts: dict[str, str] = {}
        self._withdrawn: set[str] = set()

    # --- Sessions ----------------------------------------------------------------------------------

    def seat(self, case: Case, data: Mapping[str, Any]) -> None:
        """Take note of a seat, and be at its session."""
        session = self._sessions.get(data["session_id"])
        if session is None:
            session = SessionAhead(
                session_id=data["session_id"],
                starts_at=read_moment(data["starts_at"]),
                ends_at=read_moment(data["ends_at"]),
                kind=data["kind"],
            )
            self._sessions[session.session_id] = session
            # A session is named by somebody in it: ids differ from run to run.
            self._world.agenda.add(
                session.starts_at,
                Turn.ROSTER,
                case.name,
                session.kind,
                lambda: self._record_roster(session),
                concerns=lambda: session.seats,
            )
        session.seats[case.name] = (case, data["episode_id"], data["seat_id"])
        day = self._world.on(session.starts_at)
        starts = case.sessions_of_day.setdefault(day, [])
        if session.starts_at not in starts:
            starts.append(session.starts_at)
            starts.sort()
        self._excuse_ahead(case, session)

    def _excuse_ahead(self, case: Case, session: SessionAhead) -> None:
        day = self._world.on(session.starts_at)
        at = stepped(session.starts_at - EXCUSED_BEFORE)
        if case.course is None or at < self._world.now or not case.course.excuses(on=day):
            return
        if case.attends(starts_at=session.starts_at, on=day):
            return
        self._world.agenda.add(
            at, Turn.DESK, case.name, f"excuse {session.starts_at}", lambda: self._excuse(case, session)
        )

    def _excuse(self, case: Case, session: SessionAhead) -> None:
        if not any(holder is case for holder, _ in _held_seats(session)):
            return
        reasons = ("ILLNESS", "COURT", "WORK", "CHILD_EMERGENCY", "OTHER")
        reason = case.draws.source("excuse reason", session.starts_at.isoformat()).choice(reasons)
        excused = self._world.gateway.post(
            f"/v1/sessions/{session.session_id}/excuses",
            {"patient_id": case.patient_id, "reason": reason},
            role=roles.FRONT_DESK,
            tolerate=("seat_given_up",),
        )
        if excused is not None:
            session.seats.pop(case.name, None)

    def _record_roster(self, session: SessionAhead) -> None:
        """Mark who is there at the start, and write down to add who comes late or leaves early."""
        self._strike_out_moved(session)
        if not session.seats:
            return
        there, late, later = [], [], []
        for case, seat_id in _held_seats(session):
            found = self._marks(case, session, seat_id)
            if found is None:
                continue
            first, last = found
            if first["mark"] == "PRESENT":
                there.append(first)
            elif read_moment(first["arrived_at"]) <= session.starts_at + LATE_ADDED_AFTER:
                late.append(first)
            else:
                later.append(last)
                continue
            if last is not first:
                later.append(last)
        if not (there or late):
            # An empty room: the facilitator says so, since a session without any mark means nothing.
            coming = {mark["seat_id"] for mark in later}
            there = [
                {"seat_id": seat_id, "mark": "NO_SHOW"}
                for _, seat_id in _held_seats(session)
                if seat_id not in coming
            ]
        for when, marks in ((session.starts_at + LATE_ADDED_AFTER, late), (session.ends_at, later)):
            if marks:
                self._send_later(session, marks, at=when)
        if there:
            self._send_marks(session, there)
        if self._is_noted(session) and (_anybody_in(there) or late or later):
            self._note_later(session)

    def _is_noted(self, session: SessionAhead) -> bool:
        of_example = session.kind == NOTED_OF_EXAMPLES and any(
            case.example for case, _, _ in session.seats.values()
        )
        return session.kind == NOTED_KIND or of_example

    def _note_later(self, session: SessionAhead) -> None:
        """Have whoever led a session write about it in the evening, and sign."""
        self._world.agenda.add(
            self._world.at(self._world.on(session.starts_at), NOTES_AT_HOUR),
            Turn.DESK,
            min(session.seats),
            f"note {session.starts_at}",
            lambda: self._write_note(session),
            concerns=lambda: session.seats,
        )

    def _write_note(self, session: SessionAhead) -> None:
        self._world.gateway.post(
            f"/v1/sessions/{session.session_id}/notes",
            {"text": "Signed by the simulation, which does not model what was said.", "sign": True},
            role=roles.CLINICIAN,
            tolerate=("session_not_held",),
        )

    def _marks(
        self, case: Case, session: SessionAhead, seat_id: str
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Draw what a roster says of somebody at first and in the end; None for who does not come."""
        course, starts_at = case.course, session.starts_at
        on = self._world.on(starts_at)
        if course is None or case.discharged or not case.attends(starts_at=starts_at, on=on):
            return None
        first: dict[str, Any] = {"seat_id": seat_id, "mark": "PRESENT"}
        late = course.minutes_late(starts_at=starts_at)
        if late:
            first["mark"] = "LATE"
            first["arrived_at"] = write_moment(starts_at + timedelta(minutes=late))
        minutes = int((session.ends_at - starts_at).total_seconds() // 60)
        early = course.minutes_early(starts_at=starts_at, minutes=minutes)
        if not early:
            return first, first
        left_at = session.ends_at - timedelta(minutes=early)
        return first, first | {"mark": "LEFT_EARLY", "left_at": write_moment(left_at)}

    def _strike_out_moved(self, session: SessionAhead) -> None:
        """Look up who still has a seat, where somebody's week was moved since the seat was told."""
        if not any(case.week_moved for case, _, _ in session.seats.values()):
            return
        roster = self._world.gateway.get(f"/v1/sessions/{session.session_id}", role=roles.COUNSELOR)
        given_up = {seat["seat_id"] for seat in roster["seats"] if seat["state"].startswith("CANCELLED")}
        session.seats = {name: place for name, place in session.seats.items() if place[2] not in given_up}

    def _send_later(self, session: SessionAhead, marks: list[dict[str, Any]], *, at: datetime) -> None:
        self._world.agenda.add(
            at,
            Turn.ROSTER,
            min(session.seats),
            f"{session.kind} {session.starts_at}",
            lambda: self._send_marks(session, marks),
            concerns=lambda: session.seats,
        )

    def _send_marks(self, session: SessionAhead, marks: list[dict[str, Any]]) -> None:
        held = {seat_id for _, seat_id in _held_seats(session)}
        kept = [mark for mark in marks if mark["seat_id"] in held]
        if kept:
            self._world.gateway.post(
                f"/v1/sessions/{session.session_id}/roster",
                {"marks": kept},
                role=roles.COUNSELOR,
                tolerate=("session_called_off", "seat_given_up"),
            )
            self._world.latest = f"a roster says who came ({counted(len(kept), 'mark')})"

    # --- Missed sessions ---------------------------------------------------------------------------

    def miss(self, case: Case, data: Mapping[str, Any]) -> None:
        """Find out the next morning, rarely, that the person had been there."""
        starts_at = read_moment(data["starts_at"])
        if not case.draws.happens(staff.WRONG_MARKS, "wrong mark", data["starts_at"]):
            return
        at = self._world.at(self._world.on(starts_at) + timedelta(days=1), 9)
        seat_id = data["seat_id"]
        self._world.agenda.add(
            at,
            Turn.DESK,
            case.name,
            f"correction {starts_at}",
            lambda: self._world.gateway.post(
                f"/v1/seats/{seat_id}/corrections",
                {"mark": "PRESENT"},
                role=roles.COUNSELOR,
                tolerate=("seat_given_up",),
            ),
        )

    def reach_out(self, case: Case, outreach_id: str, *, asked_at: datetime) -> None:
        """Have somebody try to reach a person who was missed, soon or the next morning."""
        n = asked_at.isoformat()
        self._outreach_of.setdefault(case.name, []).append(outreach_id)
        delay = staff.outreach_delay(case.draws, n)
        if delay is None:
            delay = staff.task_delay(case.draws, f"outreach {n}")
            morning = self._world.at(self._world.on(asked_at) + timedelta(days=1), 9)
            at = stepped(self._world.staffed(morning + delay))
        else:
            at = quarter_up(self._world.staffed(asked_at + delay))
        self._attempt_later(case, outreach_id, at, n, attempt=1)

    def write_letter(self, case: Case, outreach_id: str, *, asked_at: datetime) -> None:
        """Have the front desk send the letter that is asked for after several misses."""
        n = asked_at.isoformat()
        at = self._world.office_hours(asked_at + staff.task_delay(case.draws, f"letter {n}"))
        self._world.agenda.add(
            at, Turn.ATTEMPT, case.name, f"letter {n}", lambda: self._post_letter(case, outreach_id)
        )

    def _post_letter(self, case: Case, outreach_id: str) -> None:
        if case.in_treatment and outreach_id not in self._ended:
            self._log_attempt(outreach_id, channel="LETTER", outcome="NO_ANSWER", role=roles.FRONT_DESK)

    def _attempt_later(self, case: Case, outreach_id: str, at: datetime, n: str, *, attempt: int) -> None:
        self._world.agenda.add(
            at,
            Turn.ATTEMPT,
            case.name,
            f"outreach {n}.{attempt}",
            lambda: self._attempt(case, outreach_id, n, attempt=attempt),
        )

    def _attempt(self, case: Case, outreach_id: str, n: str, *, attempt: int) -> None:
        if not case.in_treatment or case.course is None or outreach_id in self._ended:
            return
        today = self._world.on(self._world.now)
        answered = case.course.answers(on=today, n=f"{n}.{attempt}")
        outcome = "REACHED" if answered else "NO_ANSWER"
        if not self._log_attempt(outreach_id, channel="CALL", outcome=outcome, role=roles.COUNSELOR):
            return
        if answered:
            self._ended.add(outreach_id)
            self._world.latest = "somebody who was missed was reached"
            self._hear(case, on=today, n=f"{n}.{attempt}")
        elif attempt < MOST_ATTEMPTS:
            gap = timedelta(hours=case.draws.between(2, 26, "next attempt", f"{n}.{attempt}"))
            at = stepped(self._world.staffed(self._world.now + gap))
            self._attempt_later(case, outreach_id, at, n, attempt=attempt + 1)

    def _hear(self, case: Case, *, on: date, n: str) -> None:
        """Hear from somebody who was reached whether they come back, where they had dropped out."""
        course = case.course
        if course is None or course.fate != courses.DROPS_OUT or not course.has_left(on=on):
            return
        if not course.come_back(on=on, n=n):
            # Somebody who says that they leave is discharged against advice, by a human.
            at = self._world.office_hours(self._world.now + timedelta(days=1))
            self._discharge_later(case, at, "AMA", role=roles.CLINICIAN)

    def _log_attempt(self, outreach_id: str, *, channel: str, outcome: str, role: str) -> bool:
        """Log an attempt; False when the outreach had ended meanwhile."""
        logged = self._world.gateway.post(
            f"/v1/outreach/{outreach_id}/attempts",
            {"channel": channel, "outcome": outcome},
            role=role,
            tolerate=("outreach_closed",),
        )
        return logged is not None

    def reengage(self, data: Mapping[str, Any]) -> None:
        """Stop an outreach that ended by itself."""
        self._ended.add(data["outreach_id"])

    # --- Between sessions --------------------------------------------------------------------------

    def admit(self, case: Case, data: Mapping[str, Any]) -> None:
        """Begin the course of somebody who was admitted."""
        world = self._world
        case.admitted_at = read_moment(data["admitted_at"])
        admitted_on = world.on(case.admitted_at)
        case.course = courses.begin(
            case.admission, seed=world.seed, admitted_on=admitted_on, attempt=case.reentries
        )
        case.discharged = False
        case.sessions_of_day.clear()
        self._sign_later(case)
        self._check_in_later(case, week=1)
        questionnaires.expect(world, case)
        reason = DECIDED_REASONS.get(case.course.fate)
        if case.course.fate == courses.OTHER:
            reason = case.course.other_reason
        if reason is not None and case.course.leaves_on is not None:
            at = world.office_hours(world.at(case.course.leaves_on, 15))
            self._discharge_later(case, at, reason, role=roles.CLINICIAN)

    def _check_in_later(self, case: Case, *, week: int) -> None:
        if case.admitted_at is None:
            return
        day = self._world.on(case.admitted_at) + timedelta(days=7 * week)
        hour = case.draws.between(17, 20, "check-in hour", week)
        episode_id = case.episode_id
        self._world.agenda.add(
            self._world.at(day, hour),
            Turn.DESK,
            case.name,
            f"check-in {case.reentries}.{week}",
            lambda: self._check_in(case, episode_id, week),
        )

    def _check_in(self, case: Case, episode_id: str, week: int) -> None:
        course = case.course
        if course is None or case.discharged or case.episode_id != episode_id:
            return
        self._check_in_later(case, week=week + 1)
        if course.has_left(on=self._world.on(self._world.now)):
            return
        used = course.uses(week=week, severity=case.findings.ratings[4])
        body = check_in_body(case, week=week, used=used)
        self._world.gateway.post(f"/v1/episodes/{episode_id}/check-ins", body, role=roles.COUNSELOR)
        self._world.alarming |= used or body["danger"]

    def sign_plan(self, case: Case, data: Mapping[str, Any]) -> None:
        """Keep in mind the newest drafted treatment plan, to be signed once the person is admitted."""
        self._drafts[case.name] = data["plan_id"]
        if case.in_treatment:
            self._sign_later(case)

    def _sign_later(self, case: Case) -> None:
        """Have the clinician sign the plan, and record the patient's signature from paper."""
        plan_id = self._drafts.pop(case.name, None)
        if plan_id is None:
            return
        delay = staff.task_delay(case.draws, f"sign plan {case.reentries}")
        self._world.agenda.add(
            self._world.office_hours(self._world.now + delay),
            Turn.DESK,
            case.name,
            f"sign {case.reentries}",
            lambda: self._sign(plan_id),
        )

    def _sign(self, plan_id: str) -> None:
        for signer in ("PATIENT", "CLINICIAN"):
            self._world.gateway.post(
                f"/v1/treatment-plans/{plan_id}/signatures",
                {"as": signer},
                role=roles.CLINICIAN,
                tolerate=("plan_superseded",),
            )

    def escalate(self, case: Case, data: Mapping[str, Any]) -> None:
        """Have a human acknowledge an escalation, and later close it."""
        level, opened_at = data["level"], read_moment(data["opened_at"])
        n = f"{data['cause']} {data['opened_at']}"
        at = opened_at + staff.acknowledge_delay(case.draws, level, n)
        # Quiet hours never delay E3 and E4.
        at = at if level in ("E3", "E4") else stepped(self._world.staffed(at))
        self._world.agenda.add(
            at,
            Turn.ATTEMPT,
            case.name,
            f"acknowledge {n}",
            lambda: self._acknowledge(case, data["escalation_id"], level, n),
        )

    def _acknowledge(self, case: Case, escalation_id: str, level: str, n: str) -> None:
        world = self._world
        world.gateway.post(
            f"/v1/escalations/{escalation_id}/acknowledgement",
            {},
            role=roles.CLINICIAN,
            tolerate=("escalation_is_closed",),
        )
        world.latest = f"an escalation {level} was taken by a human"
        at = world.now + staff.close_delay(case.draws, level, n)
        at = at if level in ("E3", "E4") else stepped(at)
        world.agenda.add(
            at, Turn.ATTEMPT, case.name, f"close {n}", lambda: self._close(case, escalation_id, n)
        )

    def _close(self, case: Case, escalation_id: str, n: str) -> None:
        self._world.gateway.post(
            f"/v1/escalations/{escalation_id}/closure",
            {
                "disposition": case.draws.one_of(staff.DISPOSITIONS, "disposition", n),
                "note": "Modelled: the simulation draws dispositions.",
            },
            role=roles.CLINICIAN,
            tolerate=("escalation_is_closed",),
        )

    def review_level(self, case: Case, data: Mapping[str, Any]) -> None:
        """Have a clinician look at the level of care again, and close the review."""
        n = f"{data['reason']} {data['due_at']}"
        review_id = data["review_id"]
        at = self._world.office_hours(self._world.now + staff.task_delay(case.draws, f"review {n}"))
        self._world.agenda.add(
            at,
            Turn.DECISION,
            case.name,
            f"review {n}",
            lambda: self._world.gateway.post(
                f"/v1/level-reviews/{review_id}/closure",
                {
                    "outcome": case.draws.one_of(staff.REVIEW_OUTCOMES, "review", n),
                    "note": "Modelled: the simulation draws the outcome of reviews.",
                },
                role=roles.CLINICIAN,
                tolerate=("review_already_closed",),
            ),
        )

    # --- Endings -----------------------------------------------------------------------------------

    def end(self, case: Case) -> None:
        """Take note that an episode ended: nobody is called about its absences any more."""
        self._ended.update(self._outreach_of.pop(case.name, ()))

    def propose_discharge(self, case: Case, data: Mapping[str, Any]) -> None:
        """Have a supervisor decide on a proposed discharge, unless it is withdrawn first."""
        delay = staff.task_delay(case.draws, f"proposal {data['proposed_at']}")
        at = self._world.office_hours(self._world.now + delay)
        self._discharge_later(
            case, at, data["reason_code"], role=roles.SUPERVISOR, proposal_id=data["proposal_id"]
        )

    def withdraw_proposal(self, data: Mapping[str, Any]) -> None:
        """Take note that a proposal is off the table."""
        self._withdrawn.add(data["proposal_id"])

    def _discharge_later(
        self, case: Case, at: datetime, reason: str, *, role: str, proposal_id: str = ""
    ) -> None:
        episode_id = case.episode_id
        self._world.agenda.add(
            at,
            Turn.DECISION,
            case.name,
            f"discharge {role} {reason}",
            lambda: self._discharge(case, episode_id, reason, role=role, proposal_id=proposal_id),
        )

    def _discharge(self, case: Case, episode_id: str, reason: str, *, role: str, proposal_id: str) -> None:
        if not case.in_treatment or case.episode_id != episode_id or proposal_id in self._withdrawn:
            return
        self._world.gateway.post(
            f"/v1/episodes/{episode_id}/discharge",
            {"reason_code": reason, "summary": "Modelled: the course of this episode was simulated."},
            role=role,
            tolerate=("already_discharged",),
        )
        self._world.latest = f"an episode ended with TEDS reason {reason}"


def _anybody_in(marks: list[dict[str, Any]]) -> bool:
    """Tell whether anybody is marked as there."""
    return any(mark["mark"] == "PRESENT" for mark in marks)


def _held_seats(session: SessionAhead) -> list[tuple[Case, str]]:
    """List who still holds a seat, in the order of cases: a discharge gives all seats up."""
    return [
        (case, seat_id)
        for _, (case, episode_id, seat_id) in sorted(session.seats.items())
        if case.in_treatment and case.episode_id == episode_id
    ]


def check_in_body(case: Case, *, week: int, used: bool) -> dict[str, Any]:
    """Draw what somebody tells in a check-in: it mends over the weeks, and is worse around use."""
    draws, worse = case.draws, 3 if used else 0
    mending = min(week, 8) // 2
    severity = case.findings.ratings[4]
    n = f"{case.reentries}.{week}"
    body: dict[str, Any] = {
        "craving": _scale(1 + severity + worse - mending + draws.between(-1, 2, "craving", n)),
        "mood": _scale(5 + mending - worse + draws.between(-2, 2, "mood", n)),
        "stress": _scale(5 + worse - mending + draws.between(-2, 3, "stress", n)),
        "sleep_hours": 0.5 * draws.between(9, 17, "sleep", n),
        "used": used,
        "risky_situation": used or draws.happens(0.15, "risky situation", n),
        "coping_skill_used": draws.happens(0.6, "coping skill", n),
        "confidence": _scale(5 + mending - worse + draws.between(-2, 2, "confidence", n)),
        "want_call": draws.happens(0.05, "wants a call", n),
        "danger": draws.happens(IN_DANGER, "danger", n),
    }
    if used:
        body["substance"] = case.findings.problems[0].code
    return body


def _scale(value: int) -> int:
    return max(0, min(10, value))
