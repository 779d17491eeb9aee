"""What the people of one site do, as requests over HTTP."""

import dataclasses
import itertools
from datetime import date, datetime, timedelta
from typing import Any

from shared.contracts.event import read_moment, write_moment
from shared.contracts.scheduling import DAY_TRACKS
from shared.ids import derived_id
from tests.journeys.house import Door, House

#: Numbers of sites, so that every test has one of its own.
_numbers = itertools.count(1)

#: Local hours outside which somebody is bound when only one track is to be left to them.
_HOURS_OF = {"MORNING": ("08:00", "13:00"), "AFTERNOON": ("12:30", "17:00"), "EVENING": ("16:30", "22:00")}

#: Somebody who suits the program: level 2.1, decided by dimensions 4 and 5.
ASSESSMENT: dict[str, Any] = {
    "withdrawal": {},
    "dimensions": [0, 0, 1, 2, 2, 1],
    "problems": [{"problem": "ALCOHOL", "criteria_met": [1, 2, 4, 5, 7], "primary": True}],
    "danger": {"suicidal_intent": "NONE", "violence_threat": False},
    "home": {"housing": "OWN_OR_RENT", "secure_days": 400, "safe": True, "supporters": 2},
    "rulers": {"importance": 8, "confidence": 7, "readiness": 9},
    "triggers": [{"trigger_code": "PAYDAY", "coping_tools": 2}],
    "goals": "See my daughter Wilhelmina finish school.",
}


def obligations_around(track: str) -> list[dict[str, Any]]:
    """Return a job that leaves nothing of each day but the hours of one track."""
    opens, closes = _HOURS_OF[track]
    bound = []
    for weekday in range(7):
        for starts, ends in (("06:00", opens), (closes, "23:30")):
            bound.append({"kind": "WORK", "weekday": weekday, "starts": starts, "ends": ends})
    return bound


@dataclasses.dataclass
class Patient:
    """Somebody, as far as a test knows them."""

    name: str
    patient_id: str
    journey_id: str
    episode_id: str
    referral_id: str


class Clinic:
    """One site with a therapist, three facilitators and a group on each track.

    The ids that a caller may choose are derived from the site's number, and so is every
    Idempotency-Key: two runs of one script send the same requests.
    """

    def __init__(self, house: House, *, number: int) -> None:
        self.house = house
        self.number = number
        self.site_id = self.id_of("site")
        #: Who was admitted, and has not left.
        self._in_program: list[Patient] = []
        self._sent = 0

    @classmethod
    def open(cls, house: House, *, number: int | None = None) -> "Clinic":
        """Open a site with its staff and groups."""
        clinic = cls(house, number=next(_numbers) + 1000 if number is None else number)
        clinic.post(
            "/v1/sites",
            {
                "site_id": clinic.site_id,
                "name": "Lakeside",
                "time_zone": "America/Chicago",
                "levels_licensed": ["1", "2.1"],
                "emergency_phone": "+1 312 555 0142",
            },
            role="operations",
        )
        clinic.door.sign_rules()
        clinic.door.settle()
        clinic.hire("therapist", "LCSW")
        for track in DAY_TRACKS:
            clinic.hire(track, "LADC")
            group = {
                "group_id": clinic.id_of("group", track),
                "site_id": clinic.site_id,
                "track": track,
                # Three days: whoever is on a track meets all others who are.
                "weekdays": [0, 2, 3],
                "facilitator_id": clinic.id_of("clinician", track),
            }
            clinic.post("/v1/groups", group, role="operations")
        return clinic

    @property
    def door(self) -> Door:
        return self.house.door

    def id_of(self, *parts: str) -> str:
        """Return an id that is the same in every run."""
        return derived_id("clinic", str(self.number), *parts)

    def post(self, path: str, body: dict[str, Any] | None = None, *, role: str = "clinician") -> Any:
        """Send a command, patiently, under a key of its own; return the answer."""
        self._sent += 1
        key = self.id_of("request", str(self._sent))
        return self.door.post(path, body, role=role, key=key).ok

    def hire(self, name: str, credential: str) -> None:
        """Add a clinician."""
        body = {
            "clinician_id": self.id_of("clinician", name),
            "site_id": self.site_id,
            "credentials": [{"kind": credential, "state": "IL", "expires_on": "2035-12-31"}],
        }
        self.post("/v1/clinicians", body, role="operations")

    # --- Coming in ------------------------------------------------------------------------------

    def refer(self, name: str) -> Patient:
        """Register somebody; *name* is the family name."""
        # Born on a day of the site's own: a name may come again at another site.
        born = date(1970, 1, 1) + timedelta(days=self.number)
        person = {"given_name": "Ada", "family_name": name, "birth_date": born.isoformat()}
        body = {"site_id": self.site_id, "referral_source": "1", "patient": person, "teds": {"SUB1": 2}}
        answer = self.post("/v1/referrals", body, role="front_desk")
        named = {field.name: answer[field.name] for field in dataclasses.fields(Patient)[1:]}
        # Scheduling hears of somebody before it is told what binds them.
        self.door.settle()
        return Patient(name=name, **named)

    def bind(self, patient: Patient, obligations: list[dict[str, Any]]) -> dict[str, Any]:
        """Declare what binds somebody's week."""
        body = {"site_id": self.site_id, "obligations": obligations}
        bound = self.post(f"/v1/patients/{patient.patient_id}/obligations", body, role="front_desk")
        # An assessment weighs what intake has heard of this by then.
        self.door.settle()
        return dict(bound)

    def assess(self, patient: Patient, **changes: Any) -> dict[str, Any]:
        """Complete an assessment."""
        path = f"/v1/episodes/{patient.episode_id}/assessments"
        return dict(self.post(path, ASSESSMENT | changes, role="counselor"))

    def decide(self, patient: Patient, assessment_id: str) -> None:
        """Decide on level 2.1."""
        decision = {"assessment_id": assessment_id, "level": "2.1"}
        self.post(f"/v1/episodes/{patient.episode_id}/level-decisions", decision)

    def consent(self, patient: Patient, *kinds: str) -> None:
        """Record consents."""
        for kind in kinds:
            body: dict[str, Any] = {"kind": kind}
            if kind == "TPO":
                body |= {
                    "purpose": "Treatment, payment and health care operations.",
                    "recipient": "Treating providers and health plans.",
                    "information_classes": ["ATTENDANCE", "ASSESSMENT", "TREATMENT_PLAN"],
                }
            self.post(f"/v1/patients/{patient.patient_id}/consents", body, role="front_desk")

    def admit(self, name: str, *, track: str = "EVENING") -> Patient:
        """Bring somebody from the referral into the program, to a week in one track."""
        patient = self.refer(name)
        self.bind(patient, obligations_around(track))
        assessed = self.assess(patient)
        self.decide(patient, assessed["assessment_id"])
        self.consent(patient, "TREATMENT", "TPO", "FOLLOW_UP")
        self.post(f"/v1/episodes/{patient.episode_id}/admission")
        self.door.settle()
        self._in_program.append(patient)
        return patient

    # --- In the program -------------------------------------------------------------------------

    def sign_plan(self, patient: Patient) -> dict[str, Any]:
        """Have patient and clinician sign the newest treatment plan; return it."""
        plan_id = self.door.ask(f"/v1/episodes/{patient.episode_id}/treatment-plan")["plan_id"]
        for signer in ("PATIENT", "CLINICIAN"):
            signed = self.post(f"/v1/treatment-plans/{plan_id}/signatures", {"as": signer})
        return dict(signed)

    def sessions(self, patient: Patient, *, after: datetime | None = None) -> list[dict[str, Any]]:
        """Return somebody's seats by start, those that start after a moment."""
        seats = self.door.ask(f"/v1/episodes/{patient.episode_id}/sessions?limit=500")["items"]
        found = [seat for seat in seats if after is None or read_moment(seat["starts_at"]) > after]
        return sorted(found, key=lambda seat: str(seat["starts_at"]))

    def next_group(self, patient: Patient) -> dict[str, Any]:
        """Return somebody's seat in the next group session."""
        return next(seat for seat in self.sessions(patient, after=self.door.now()) if seat["kind"] == "GROUP")

    def mark(self, seat: dict[str, Any], mark: str = "PRESENT", **times: datetime) -> None:
        """Mark one seat on the roster of its session."""
        row = {"seat_id": seat["seat_id"], "mark": mark}
        row |= {name: write_moment(at) for name, at in times.items()}
        self.post(f"/v1/sessions/{seat['session_id']}/roster", {"marks": [row]}, role="counselor")

    def miss(self, patient: Patient, *, beside: Patient) -> dict[str, Any]:
        """Let the next group session begin with *beside* there and *patient* not; return the seat."""
        seat = self.next_group(patient)
        other = next(s for s in self.sessions(beside) if s["session_id"] == seat["session_id"])
        starts_at = read_moment(seat["starts_at"])
        self.door.jump(starts_at + timedelta(minutes=1))
        self.mark(other)
        self.door.jump(starts_at + timedelta(minutes=15))
        return seat

    def outreach_of(self, patient: Patient) -> list[dict[str, Any]]:
        """Return every outreach to somebody, by miss."""
        path = f"/v1/outreach?open=false&episode_id={patient.episode_id}"
        return sorted(self.door.ask(path)["items"], key=lambda outreach: str(outreach["missed_at"]))

    # --- Going out ------------------------------------------------------------------------------

    def graduate(self, patient: Patient) -> dict[str, Any]:
        """Graduate somebody; the supervisor excepts whatever the gate still misses."""
        gate = self.door.ask(f"/v1/episodes/{patient.episode_id}/graduation")
        body = {"exceptions": gate["missing"], "exception_reason": "Moves to her sister in Duluth."}
        path = f"/v1/episodes/{patient.episode_id}/graduation"
        self._in_program.remove(patient)
        return dict(self.post(path, body, role="supervisor"))

    def discharge(self, patient: Patient, *, reason: str = "7") -> dict[str, Any]:
        """Discharge somebody for another reason than completion."""
        self._in_program.remove(patient)
        return dict(self.post(f"/v1/episodes/{patient.episode_id}/discharge", {"reason_code": reason}))

    def discharge_all(self) -> None:
        """Discharge whoever is left: whenever time passes for others, it would pass for them too."""
        for patient in list(self._in_program):
            self.discharge(patient)
        self.door.settle()

    def lapse(self, patient: Patient) -> dict[str, Any]:
        """Report that somebody returned to use."""
        body = {"patient_id": patient.patient_id, "reported_by": "SELF", "substance": "ALCOHOL"}
        return dict(self.post("/v1/lapses", body, role="counselor"))

    # --- What was announced ---------------------------------------------------------------------

    def events(self, patient: Patient, *types: str) -> list[dict[str, Any]]:
        """Return the events about somebody, of these types."""
        return [e for e in self.door.events(*types) if e.get("subject") == patient.patient_id]
