"""Scheduling: a week for a new patient, a group that ends, and the clinic day, in a program of many."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from bench.clinic import Clinic
from bench.house import open_house
from bench.parts import Parts, ProgramFailed, wait_until
from bench.rows import HOMEWARD, Row, spread
from shared.clock import real_now

PLAN = "a week for a new patient"
MOVE = "a group that ends, another week for each member"
BOOK = "booking a seat, one client"
ROSTER = "a roster of 12, one client"
PATIENTS_WEEK = "a patient's week, one client"
CLINICIANS_WEEK = "a clinician's week, one client"
SITES_WEEK = "a site's week, first hundred sessions, one client"
SWEEP = "missed sessions of a day found"

#: Requests of each kind before those that are counted.
WARM_UP = 10
#: Seats of a workshop, and those of it that are booked at most.
_SEATS = 30
#: Of a day's sessions, one in so many has somebody who has not come: the others' rosters are in.
MISSED_ONE_IN = 10
#: Members that the group has which ends: what is to be moved.
MEMBERS = 50
#: Seconds after which what was asked for counts as not coming.
PATIENCE_SECONDS = 300.0


@dataclasses.dataclass(frozen=True)
class Amounts:
    """How large the program is, what lies behind it, and how often each is done."""

    patients: int
    groups: int
    newcomers: int
    stored: int
    requests: int
    rosters: int
    of_a_day: int


FULL = Amounts(500, 40, 60, 1_000_000, 200, 100, 100_000)
QUICK = Amounts(40, 12, 8, 20_000, 30, 15, 5_000)


def measure(parts: Parts, amounts: Amounts, tell: Callable[[str], None]) -> Iterator[Row]:
    """Measure a program through the real gateway, with the solver in a process of its own."""
    with (
        open_house(parts, ("intake", "scheduling", "gateway")) as house,
        contextlib.closing(Clinic(house, parts)) as clinic,
    ):
        tell(f"scheduling: {amounts.patients} patients, {amounts.groups} groups")
        clinic.open(groups=amounts.groups, patients=amounts.patients)
        size = f"{clinic.with_a_week()} of {amounts.patients} patients have a week"
        _settle(clinic)
        yield Row(
            work=PLAN,
            system=HOMEWARD,
            remark=size,
            **spread([clinic.admit() * 1000 for _ in range(amounts.newcomers)]),
        )
        tell(f"scheduling: {amounts.stored} sessions behind it")
        clinic.put_behind(amounts.stored)
        stored = f"{amounts.stored:,} sessions stored"
        for work, requests in (
            (BOOK, _bookings(clinic, amounts.requests)),
            (ROSTER, _rosters(clinic, amounts.rosters)),
            (PATIENTS_WEEK, _weeks_of_patients(clinic, amounts.requests)),
            (CLINICIANS_WEEK, _weeks_of_clinicians(clinic, amounts.requests)),
            (SITES_WEEK, _weeks_of_site(clinic, amounts.requests)),
        ):
            _settle(clinic)
            yield Row(work=work, system=HOMEWARD, remark=stored, **_timed(requests))
        _settle(clinic)
        yield _move(clinic)
        _settle(clinic)
        yield _sweep(clinic, amounts.of_a_day)
        # Nothing was told of somebody whom intake does not know, which it would try again and again.
        _settle(clinic)


def _settle(clinic: Clinic) -> None:
    """Wait until what was announced before has had its effects, so that none of them is measured.

    :raises ProgramFailed: when that takes too long.
    """
    if not wait_until(clinic.is_settled, seconds=PATIENCE_SECONDS, step=0.5):
        raise ProgramFailed("what was announced before has not had its effects in time")


def _timed(requests: list[Callable[[], Any]]) -> dict[str, Any]:
    """Send requests one after the other; return the spread of their milliseconds, without the first ones."""
    taken = []
    for send in requests:
        began = time.perf_counter()
        send()
        taken.append((time.perf_counter() - began) * 1000)
    return spread(taken[min(WARM_UP, len(taken) // 4) :])


# --- One client ------------------------------------------------------------------------------------------


def _bookings(clinic: Clinic, number: int) -> list[Callable[[], Any]]:
    """Return requests that book patients into workshops, one seat each."""
    starts_at = clinic.saturday()
    workshops = []
    for place in range(-(-number // _SEATS)):
        begins = starts_at + timedelta(hours=place)
        body = {
            "site_id": clinic.site_id,
            "kind": "EDUCATION",
            "modality": "LIFE_SKILLS",
            "facilitator_id": clinic.clinicians[0],
            "starts_at": begins.isoformat(),
            "ends_at": (begins + timedelta(minutes=50)).isoformat(),
            "capacity": _SEATS,
        }
        workshops.append(clinic.house.post("/v1/sessions", body, role="operations")["session_id"])

    def book(place: int) -> Callable[[], Any]:
        patient = clinic.patients[place % len(clinic.patients)]
        path = f"/v1/sessions/{workshops[place // _SEATS]}/seats"
        body = {"patient_id": patient.ids["patient_id"]}
        return lambda: clinic.house.post(path, body, role="front_desk")

    return [book(place) for place in range(number)]


def _rosters(clinic: Clinic, number: int) -> list[Callable[[], Any]]:
    """Return requests that each mark the twelve patients of a group as there."""
    marks = [{"patient_id": one.ids["patient_id"], "mark": "PRESENT"} for one in clinic.patients[:12]]

    def mark(session_id: str) -> Callable[[], Any]:
        path = f"/v1/sessions/{session_id}/roster"
        return lambda: clinic.house.post(path, {"marks": marks}, role="counselor")

    return [mark(session_id) for session_id in clinic.met_unmarked(number)]


def _weeks_of_patients(clinic: Clinic, number: int) -> list[Callable[[], Any]]:
    ids = [clinic.patients[place % len(clinic.patients)].ids["patient_id"] for place in range(number)]
    return [_week(clinic, f"/v1/patients/{patient_id}/calendar") for patient_id in ids]


def _weeks_of_clinicians(clinic: Clinic, number: int) -> list[Callable[[], Any]]:
    ids = [clinic.clinicians[place % len(clinic.clinicians)] for place in range(number)]
    return [_week(clinic, f"/v1/clinicians/{clinician_id}/calendar") for clinician_id in ids]


def _weeks_of_site(clinic: Clinic, number: int) -> list[Callable[[], Any]]:
    return [_week(clinic, "/v1/sessions", f"&site_id={clinic.site_id}")] * number


def _week(clinic: Clinic, path: str, more: str = "") -> Callable[[], Any]:
    """Return a question for the week that begins now."""
    since = real_now()
    stretch = [moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (since, since + timedelta(days=7))]
    query = f"?from={stretch[0]}&to={stretch[1]}{more}"
    return lambda: clinic.house.get(path + query, role="counselor")


# --- In one step -----------------------------------------------------------------------------------------


def _move(clinic: Clinic) -> Row:
    """End the group whose members are as near to fifty as can be, and wait for the job."""
    members = clinic.members()
    group_id = min(members, key=lambda one: (abs(members[one] - MEMBERS), one))
    began = time.perf_counter()
    accepted = clinic.house.post(
        f"/v1/groups/{group_id}/end", {"reason": "FACILITATOR_LEFT"}, role="operations"
    )
    ended: dict[str, Any] = {}

    def is_over() -> bool:
        ended.update(clinic.house.get(accepted["href"], role="operations"))
        return ended["state"] != "running"

    if not wait_until(is_over, seconds=PATIENCE_SECONDS, step=0.05) or ended["state"] != "done":
        raise ProgramFailed(f"the group did not end: {ended}")
    seconds = time.perf_counter() - began
    result = ended["result"]
    told = f"{len(result['moved'])} moved, {len(result['without_week'])} without a week"
    return Row(work=MOVE, system=HOMEWARD, seconds=seconds, remark=told)


def _sweep(clinic: Clinic, number: int) -> Row:
    """Let a day's sessions be due for judgement, and wait until all of them are judged."""
    clinic.miss(number, one_in=MISSED_ONE_IN)
    began = time.perf_counter()
    if not wait_until(clinic.is_judged, seconds=PATIENCE_SECONDS, step=0.05):
        raise ProgramFailed("not all sessions were judged in time")
    seconds = time.perf_counter() - began
    told = f"{number:,} sessions, one in {MISSED_ONE_IN} with somebody who did not come"
    return Row(work=SWEEP, system=HOMEWARD, seconds=seconds, remark=told)
