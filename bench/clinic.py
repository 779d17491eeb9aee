"""A program of many patients in a running house, and years of sessions behind it."""

import contextlib
import dataclasses
import time as clock
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bench.house import House
from bench.parts import Parts
from bench.past import put_behind
from services.scheduling.service import Scheduling
from shared import sealing
from shared.clock import real_now
from shared.contracts.event import EVENTS
from shared.contracts.intake import PatientAdmitted, ReferralReceived, SiteOpened
from shared.contracts.monitoring import PlanActivated
from shared.ids import derived_id
from shared.messaging import inbox
from tests.support import Room

ZONE = "America/Chicago"

#: What binds the patients of the program, in turn: nothing, a day of work, an evening shift, the school
#: run, and classes; each with the way there and back.
_LIVES: tuple[tuple[dict[str, Any], ...], ...] = (
    (),
    tuple(
        {"kind": "WORK", "weekday": day, "starts": "09:00", "ends": "17:00", "travel_minutes": 30}
        for day in range(5)
    ),
    tuple(
        {"kind": "WORK", "weekday": day, "starts": "16:00", "ends": "23:00", "travel_minutes": 20}
        for day in range(5)
    ),
    tuple(
        {"kind": "CHILDCARE", "weekday": day, "starts": "15:00", "ends": "17:00", "travel_minutes": 15}
        for day in range(5)
    ),
    tuple({"kind": "SCHOOL", "weekday": day, "starts": "08:00", "ends": "12:00"} for day in (0, 2, 4)),
)

#: Tracks of the groups, in turn, and the days on which those meet that are no workshops.
_TRACKS = ("MORNING", "EVENING", "AFTERNOON", "MORNING", "EVENING")
_DAYS = [0, 1, 2, 3, 4]
#: Every so many groups one is a workshop, with seats for more; it meets twice a week.
_WORKSHOP_EVERY = 4
#: Patients for whom one therapist has hours: 13 a day on five days, some of which nobody can come to.
_HOURS_OF_THERAPIST = 30

#: Sessions of the past, each an hour long: every three hours back from a day ago, of many clinicians.
_PAST_CLINICIANS, _PAST_PATIENTS = 200, 2_000
_PAST = """
WITH past AS (
    SELECT n, gen_random_uuid() AS session_id,
        %(until)s - (n / %(spread_over)s) * interval '3 hours' AS starts_at
    FROM generate_series(0, %(number)s - 1) AS n
), held AS (
    INSERT INTO sessions (session_id, tenant_id, site_id, kind, modality, facilitator_id, starts_at, ends_at,
        clinical_minutes, capacity, state, roster_asked, first_mark_at, noted_at)
    SELECT session_id, %(tenant)s, %(site)s::uuid, 'INDIVIDUAL', 'INDIVIDUAL_COUNSELING',
        coalesce((%(leaders)s::uuid[])[n %% %(spread_over)s + 1],
            md5('leader' || n %% %(spread_over)s)::uuid),
        starts_at, starts_at + interval '1 hour', 50, 1, 'PLANNED', 'DONE', starts_at, starts_at
    FROM past
)
INSERT INTO seats (seat_id, tenant_id, session_id, patient_id, episode_id, journey_id, capacity, number,
    starts_at, ends_at, state, credited_minutes, told, revision, arrived_at, left_at)
SELECT gen_random_uuid(), %(tenant)s, session_id,
    coalesce((%(patients)s::uuid[])[n %% %(people)s + 1], md5('patient' || n %% %(people)s)::uuid),
    coalesce((%(episodes)s::uuid[])[n %% %(people)s + 1], md5('episode' || n %% %(people)s)::uuid),
    md5('journey' || n %% %(people)s)::uuid, 1, 1, starts_at, starts_at + interval '1 hour', 'PRESENT', 50,
    true, 0, starts_at, starts_at + interval '1 hour'
FROM past
"""

#: Groups of twelve that met between those hours, and of which nobody was marked yet.
_UNMARKED = """
WITH met AS (
    SELECT n, gen_random_uuid() AS session_id,
        %(until)s - n * interval '3 hours' + interval '75 minutes' AS starts_at
    FROM generate_series(1, %(number)s) AS n
), held AS (
    INSERT INTO sessions (session_id, tenant_id, site_id, kind, modality, facilitator_id, starts_at, ends_at,
        clinical_minutes, capacity, state, roster_asked)
    SELECT session_id, %(tenant)s, %(site)s::uuid, 'GROUP', 'PROCESS', (%(leaders)s::uuid[])[1], starts_at,
        starts_at + interval '90 minutes', 90, 12, 'PLANNED', 'NOBODY'
    FROM met
), seated AS (
    INSERT INTO seats (seat_id, tenant_id, session_id, patient_id, episode_id, journey_id, capacity, number,
        starts_at, ends_at, state, credited_minutes, told, revision)
    SELECT gen_random_uuid(), %(tenant)s, session_id, (%(patients)s::uuid[])[seat],
        (%(episodes)s::uuid[])[seat], md5('journey' || seat)::uuid, 12, seat, starts_at,
        starts_at + interval '90 minutes', 'SCHEDULED', 0, false, 0
    FROM met, generate_series(1, 12) AS seat
)
SELECT session_id FROM met
"""

#: A day's sessions, an hour each: in some the door was watched and one patient has not come.
_DAY = """
WITH met AS (
    SELECT n, gen_random_uuid() AS session_id, n %% %(one_in)s = 0 AS missed
    FROM generate_series(1, %(number)s) AS n
), held AS (
    INSERT INTO sessions (session_id, tenant_id, site_id, kind, modality, facilitator_id, starts_at, ends_at,
        clinical_minutes, capacity, state, roster_asked, first_mark_at, noted_at)
    SELECT session_id, %(tenant)s, %(site)s::uuid, 'GROUP', 'PROCESS', gen_random_uuid(), %(starts_at)s,
        %(starts_at)s + interval '1 hour', 60, 12, 'PLANNED', CASE WHEN missed THEN 'NOBODY' ELSE 'DONE' END,
        %(starts_at)s, NULL
    FROM met
), seated AS (
    INSERT INTO seats (seat_id, tenant_id, session_id, patient_id, episode_id, journey_id, capacity, number,
        starts_at, ends_at, state, credited_minutes, told, revision)
    SELECT gen_random_uuid(), %(tenant)s, session_id,
        CASE WHEN missed THEN md5('missing patient' || n / %(one_in)s)::uuid ELSE gen_random_uuid() END,
        CASE WHEN missed THEN md5('missing episode' || n / %(one_in)s)::uuid ELSE gen_random_uuid() END,
        CASE WHEN missed THEN md5('missing journey' || n / %(one_in)s)::uuid ELSE gen_random_uuid() END,
        12, 1, %(starts_at)s, %(starts_at)s + interval '1 hour',
        CASE WHEN missed THEN 'SCHEDULED' ELSE 'PRESENT' END, CASE WHEN missed THEN 0 ELSE 60 END,
        NOT missed, 0
    FROM met
)
INSERT INTO timers (tenant_id, name, key, due_at, data, correlation_id, state, attempts)
SELECT %(tenant)s, 'attendance_grace_over', session_id::text, %(starts_at)s + interval '15 minutes', '{}',
    session_id::text, 'waiting', 0
FROM met WHERE missed
"""
#: The ids of those who have not come, as intake knows them.
_MISSING = {
    "patient_id": "md5('missing patient' || n)::uuid",
    "episode_id": "md5('missing episode' || n)::uuid",
    "journey_id": "md5('missing journey' || n)::uuid",
    "referral_id": "md5('missing referral' || n)::uuid",
}

#: Who announces events in a house without monitoring and aftercare, and to which of them intake reacts.
_ANNOUNCING = ("intake", "scheduling")
_REACTED_TO = [name for name, event in EVENTS.items() if "intake" in event.reacting]
_FOR_INTAKE = "SELECT count(*) FROM outbox WHERE type = ANY(%(types)s)"
_DONE = "SELECT count(DISTINCT event_id) FROM inbox WHERE state = 'done'"


@dataclasses.dataclass(frozen=True)
class Patient:
    """Somebody in the program, as intake registered them."""

    number: int
    #: The ids that every event about the patient carries.
    ids: dict[str, Any]


class Clinic:
    """The program. It is filled through the service itself, run in this process beside the house's own.

    Intake knows its site and its people: what it does about their sessions is part of what the house does,
    and what it cannot do yet would be tried again and again beside all that is measured.
    """

    def __init__(self, house: House, parts: Parts) -> None:
        self.house, self._parts = house, parts
        self.site_id = derived_id("bench", "site")
        self.clinicians: list[str] = []
        self.groups: list[str] = []
        self.patients: list[Patient] = []
        self._past_ends_at = real_now() - timedelta(days=1)
        sealing.use_key(house.settings.encryption_key)
        self.room = Room(
            Scheduling, url=house.settings.database_url_of("scheduling"), settings=house.settings
        )
        self.room.tenant_id = house.settings.tenant

    def close(self) -> None:
        """End what this process has of the service; the solver's ends with it."""
        self.room.close()

    def open(self, *, groups: int, patients: int) -> None:
        """Open the site with its staff and groups, and admit patients, each with a life of their own."""
        site = {
            "site_id": self.site_id,
            "name": "Lakeside",
            "time_zone": ZONE,
            "levels_licensed": ["2.1"],
            "emergency_phone": "+1 312 555 0142",
        }
        self.house.post("/v1/sites", site, role="operations")
        self.room.at(real_now())
        # Told here as well, so that nothing waits for the broker.
        self.room.deliver(
            SiteOpened(
                site_id=self.site_id,
                time_zone=ZONE,
                levels_licensed=("2.1",),
                opened_at=self.room.now,
            )
        )
        for number in range(groups):
            self._open_group(number, self._add_clinician("CADC"))
        for _ in range(1 + patients // _HOURS_OF_THERAPIST):
            self._add_clinician("LCSW")
        for _ in range(patients):
            self.admit()

    def _add_clinician(self, kind: str) -> str:
        credential = {"kind": kind, "state": "IL", "expires_on": "2040-12-31"}
        body = {"site_id": self.site_id, "name": "Somebody", "credentials": [credential]}
        clinician_id: str = self.room.call("add_clinician", body, role="operations")["clinician_id"]
        self.clinicians.append(clinician_id)
        return clinician_id

    def _open_group(self, number: int, facilitator_id: str) -> None:
        body: dict[str, Any] = {
            "site_id": self.site_id,
            "track": _TRACKS[number % len(_TRACKS)],
            "weekdays": _DAYS,
            "facilitator_id": facilitator_id,
        }
        if number % _WORKSHOP_EVERY == 0:
            first = number // _WORKSHOP_EVERY % 3
            body |= {"kind": "EDUCATION", "modality": "LIFE_SKILLS", "weekdays": [first, first + 2]}
        self.groups.append(self.room.call("open_group", body, role="operations")["group_id"])

    def admit(self) -> float:
        """Admit one more patient; return the seconds from the event's arrival to the commit of the week."""
        patient = self._refer(len(self.patients))
        self.patients.append(patient)
        self.room.at(real_now())
        now = self.room.now
        self.room.deliver(
            ReferralReceived(
                **patient.ids,
                referral_id=derived_id("bench", "referral", str(patient.number)),
                site_id=self.site_id,
                referral_source="7",
                known_patient=False,
                received_at=now,
            ),
            # A plan comes before the admission, so that the first week waits for nothing.
            PlanActivated(
                **patient.ids,
                plan_id=derived_id("bench", "plan", str(patient.number)),
                version=1,
                modalities=("CBT",),
                activated_at=now,
            ),
        )
        bound_by = _LIVES[patient.number % len(_LIVES)]
        declared = {"patient_id": patient.ids["patient_id"], "site_id": self.site_id}
        self.room.call("declare_obligations", declared | {"obligations": list(bound_by)})
        admitted = PatientAdmitted(
            **patient.ids,
            admission_id=derived_id("bench", "admission", str(patient.number)),
            site_id=self.site_id,
            level="2.1",
            admitted_at=now,
            time_zone=ZONE,
            weekly_minutes_floor=540,
            weekly_minutes_ceiling=1140,
            planned_weeks=12,
        )
        delivery = inbox.Delivery(self.room.envelope_of(admitted).to_bytes())
        began = clock.perf_counter()
        inbox.take(self.room.host, [delivery])
        return clock.perf_counter() - began

    def _refer(self, number: int) -> Patient:
        person = {
            "given_name": f"Number {number}",
            "family_name": "Measured",
            "birth_date": f"19{50 + number % 50}-03-{number % 28 + 1:02}",
        }
        referral = {"site_id": self.site_id, "referral_source": "7", "patient": person}
        told = self.house.post("/v1/referrals", referral, role="clinician")
        return Patient(number, {name: told[name] for name in ("patient_id", "episode_id", "journey_id")})

    def members(self) -> dict[str, int]:
        """Return how many patients have a standing place in each group."""
        rows = self._ask("SELECT group_id, count(DISTINCT plan_id) FROM places GROUP BY group_id")
        return {str(group_id): number for group_id, number in rows}

    def with_a_week(self) -> int:
        """Return how many patients have a week."""
        return int(self._ask("SELECT count(*) FROM weekly_plans WHERE state = 'ACTIVE'")[0][0])

    def saturday(self) -> datetime:
        """Return nine o'clock of the Saturday after the next, on which no group meets."""
        today = real_now().astimezone(ZoneInfo(ZONE)).date()
        day = today + timedelta(days=(5 - today.weekday()) % 7 + 7)
        return datetime.combine(day, time(9), tzinfo=ZoneInfo(ZONE))

    # --- The past -------------------------------------------------------------------------------

    def put_behind(self, sessions: int) -> None:
        """Store so many sessions of the past, each with a seat."""
        self._do(_PAST, number=sessions)
        for table in ("sessions", "seats"):
            self._do(f"VACUUM ANALYZE {table}")

    def met_unmarked(self, groups: int) -> list[str]:
        """Store groups of twelve of the past of which no roster came; return the sessions."""
        return [str(session_id) for (session_id,) in self._ask(_UNMARKED, number=groups)]

    def miss(self, sessions: int, *, one_in: int) -> None:
        """Store the sessions of one day, of which one in some has a patient who has not come.

        Intake knows those before: what it does about a missed session it does beside all that is measured.
        """
        missing = dict.fromkeys(("patients", "referrals", "episodes"), sessions // one_in)
        with contextlib.closing(self._parts.connect(self.house.database_url, "intake")) as connection:
            put_behind(connection, missing, told=_MISSING)
        self._do(_DAY, number=sessions, one_in=one_in, starts_at=real_now() - timedelta(minutes=16))

    def is_judged(self) -> bool:
        """Return whether no session waits to be judged."""
        told = self._ask(
            "SELECT NOT EXISTS (SELECT FROM timers WHERE name = 'attendance_grace_over' AND state = 'waiting'"
            " AND due_at <= now())"
        )
        return bool(told[0][0])

    def is_settled(self) -> bool:
        """Return whether all that was announced is archived, and intake has done what it does about it."""
        announced = sum(self._count(service, "SELECT count(*) FROM outbox") for service in _ANNOUNCING)
        for_intake = sum(self._count(service, _FOR_INTAKE, types=_REACTED_TO) for service in _ANNOUNCING)
        archived = self._count("gateway", "SELECT count(*) FROM archive")
        return archived >= announced and self._count("intake", _DONE) >= for_intake

    def _count(self, database: str, statement: str, **more: Any) -> int:
        with self._cursor(database) as cursor:
            cursor.execute(statement, more)
            return int(cursor.fetchone()[0])

    @contextlib.contextmanager
    def _cursor(self, database: str = "scheduling") -> Iterator[Any]:
        with contextlib.closing(self._parts.connect(self.house.database_url, database)) as connection:
            yield connection.cursor()

    def _do(self, statement: str, **more: Any) -> None:
        with self._cursor() as cursor:
            cursor.execute(statement, self._known() | more)

    def _ask(self, statement: str, **more: Any) -> list[Any]:
        with self._cursor() as cursor:
            cursor.execute(statement, self._known() | more)
            found: list[Any] = cursor.fetchall()
            return found

    def _known(self) -> dict[str, Any]:
        return {
            "tenant": self.room.tenant_id,
            "site": self.site_id,
            "until": self._past_ends_at,
            "spread_over": _PAST_CLINICIANS,
            "people": _PAST_PATIENTS,
            "leaders": self.clinicians,
            "patients": [patient.ids["patient_id"] for patient in self.patients],
            "episodes": [patient.ids["episode_id"] for patient in self.patients],
        }
