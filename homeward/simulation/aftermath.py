"""The end of the program and what follows: graduation, calls, follow-ups, lapses and the way back."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from homeward.simulation import courses, questionnaires, staff
from homeward.simulation.agenda import Turn
from homeward.simulation.cases import Case
from homeward.simulation.world import World
from shared.contracts import roles
from shared.contracts.aftercare import ATTESTABLE_CRITERIA
from shared.contracts.event import read_moment, write_moment

#: Weights of what an answered contact after discharge comes to. Assumption.
ANSWERED = {"REACHED": 0.96, "REFUSED": 0.04}

#: Share of answered contacts in which somebody tells of use. Assumption.
TELLS_OF_USE = 0.01

#: Weights of who reports a lapse. Assumption.
REPORTERS = {"SELF": 0.6, "SUPPORTER": 0.4}

#: Weeks after discharge over which lapses are drawn; beyond the longest simulation nothing shows.
WEEKS_DRAWN = 30

#: Days between attempts at one contact.
DAYS_BETWEEN_ATTEMPTS = 1

#: Days after which a graduation that the gate held back is tried again.
RETRY_DAYS = 7

#: Everything that a clinician attests; each with the first kind of evidence that may stand behind it.
ATTESTATIONS = [
    {"criterion": criterion, "evidence": evidence[0]}
    for criterion, evidence in ATTESTABLE_CRITERIA.items()
    if criterion != "NO_USE"
]


class Aftermath:
    """Everything that happens around and after the end of an episode."""

    def __init__(self, world: World) -> None:
        """Begin with nobody graduated."""
        self._world = world
        self._completed: set[str] = set()
        self._graduating: set[str] = set()

    # --- Graduation --------------------------------------------------------------------------------

    def prepare_graduation(self, case: Case) -> None:
        """Have a clinician attest, write the aftercare plan and graduate somebody who is ready."""
        if case.episode_id in self._graduating:
            return
        self._graduating.add(case.episode_id)
        delay = staff.task_delay(case.draws, f"graduation {case.reentries}")
        self._graduate_later(case, case.episode_id, wait=delay)

    def _graduate_later(self, case: Case, episode_id: str, *, wait: timedelta) -> None:
        at = self._world.office_hours(self._world.now + wait)
        self._world.agenda.add(
            at, Turn.DECISION, case.name, "graduation", lambda: self._graduate(case, episode_id)
        )

    def _graduate(self, case: Case, episode_id: str) -> None:
        if not case.in_treatment or case.episode_id != episode_id:
            return
        gateway, now = self._world.gateway, self._world.now
        gateway.post(
            f"/v1/episodes/{episode_id}/attestations", {"attestations": ATTESTATIONS}, role=roles.CLINICIAN
        )
        gateway.post(
            f"/v1/episodes/{episode_id}/aftercare-plan",
            {
                "components": {
                    "ongoing_therapy": "PRESENT",
                    "support_groups": "PRESENT" if case.draws.happens(0.85, "groups") else "DECLINED",
                    "relapse_prevention": "PRESENT",
                },
                "goals": "Modelled: the simulation writes no goals of its own.",
                "first_appointment_at": write_moment(now + timedelta(days=5)),
                "relapse_prevention": {
                    "triggers": 5,
                    "coping_actions_per_trigger": 2,
                    "warning_signs": 3,
                    "routines_per_week": 4,
                    "supports": 3,
                    "supports_outside_family": 1,
                    "lapse_plan": True,
                    "safety_plan": True,
                    "reviewed_at": write_moment(now),
                },
                "patient_signed_at": write_moment(now),
                "sign": True,
            },
            role=roles.CLINICIAN,
        )
        graduated = gateway.post(
            f"/v1/episodes/{episode_id}/graduation",
            {"summary": "Modelled: the course of this episode was simulated."},
            role=roles.CLINICIAN,
            tolerate=("graduation_criteria_missing",),
        )
        if graduated is None:
            self._graduate_later(case, episode_id, wait=timedelta(days=RETRY_DAYS))
        else:
            self._world.latest = "somebody graduated"

    # --- After discharge ---------------------------------------------------------------------------

    def discharge(self, case: Case, data: Mapping[str, Any]) -> None:
        """Take note of the end of an episode, and draw whether and when a lapse follows."""
        case.discharged = True
        case.discharge_reason = data["reason_code"]
        if case.discharge_reason == "6":
            return
        n = case.reentries
        weeks = next(
            (
                week
                for week in range(1, WEEKS_DRAWN)
                if case.draws.happens(courses.LAPSES_IN_WEEK, "lapse", f"{n}.{week}")
            ),
            None,
        )
        if weeks is None:
            return
        day = self._world.on(read_moment(data["discharged_at"])) + timedelta(days=7 * weeks)
        at = self._world.at(day, case.draws.between(9, 20, "lapse hour", n))
        self._world.agenda.add(at, Turn.DESK, case.name, f"lapse {n}", lambda: self._lapse(case, n))

    def _lapse(self, case: Case, reentries: int) -> None:
        if not case.discharged or case.reentries != reentries:
            return
        problem = case.findings.problems[0].code
        self._world.gateway.post(
            "/v1/lapses",
            {
                "patient_id": case.patient_id,
                "reported_by": case.draws.one_of(REPORTERS, "lapse reporter", reentries),
                "substance": problem,
            },
            role=roles.COUNSELOR,
        )
        self._world.alarming = True
        self._world.latest = "a lapse was reported, without blame"

    def contact(self, case: Case, data: Mapping[str, Any]) -> None:
        """Have somebody make a call or a follow-up that is due."""
        number = f"{case.reentries}.{data['kind']}.{data['number']}"
        at = self._world.office_hours(self._world.now + staff.task_delay(case.draws, f"contact {number}"))
        self._attempt_later(case, data, number, at, attempt=1)

    def _attempt_later(self, case: Case, data: Mapping[str, Any], n: str, at: Any, *, attempt: int) -> None:
        self._world.agenda.add(
            at,
            Turn.ATTEMPT,
            case.name,
            f"contact {n}.{attempt}",
            lambda: self._attempt(case, data, n, attempt=attempt),
        )

    def _attempt(self, case: Case, data: Mapping[str, Any], n: str, *, attempt: int) -> None:
        contact_id = data["contact_id"]
        if contact_id in self._completed or self._world.now >= read_moment(data["window_closes_at"]):
            return
        outcome = self._outcome(case, f"{n}.{attempt}")
        body: dict[str, Any] = {"channel": "CALL", "outcome": outcome}
        if outcome == "REACHED" and case.draws.happens(TELLS_OF_USE, "tells of use", f"{n}.{attempt}"):
            body |= {"used": True, "substance": case.findings.problems[0].code}
            self._world.alarming = True
        answer = self._world.gateway.post(
            f"/v1/aftercare-contacts/{contact_id}/attempts",
            body,
            role=roles.COUNSELOR,
            tolerate=("contact_already_ended", "no_consent_to_follow_up"),
        )
        if answer is not None and outcome == "NO_ANSWER":
            hour = timedelta(hours=case.draws.between(-4, 5, "contact hour", f"{n}.{attempt}"))
            at = self._world.office_hours(self._world.now + timedelta(days=DAYS_BETWEEN_ATTEMPTS) + hour)
            self._attempt_later(case, data, n, at, attempt=attempt + 1)
        elif outcome == "REACHED":
            self._world.latest = "a follow-up reached somebody"
            if answer is not None and data["kind"] == "FOLLOW_UP":
                questionnaires.at_follow_up(self._world, case, days=data["number"])

    def _outcome(self, case: Case, n: str) -> str:
        if case.discharge_reason == "6":
            return "DECEASED"
        stayed = case.discharge_reason in ("1", "4")
        chance = courses.ANSWERS_AFTERCARE if stayed else courses.ANSWERS_AFTER_DROPPING_OUT
        if not case.draws.happens(chance, "aftercare answers", n):
            return "NO_ANSWER"
        return case.draws.one_of(ANSWERED, "aftercare outcome", n)

    def complete(self, data: Mapping[str, Any]) -> None:
        """Take note that a contact came to its end."""
        self._completed.add(data["contact_id"])
