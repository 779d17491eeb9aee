"""One script that a whole program goes through, the same requests in every run."""

import random
from collections.abc import Callable
from datetime import timedelta

from shared.contracts.event import read_moment
from tests.journeys.clinic import Clinic, Patient
from tests.journeys.house import House

#: Told what is about to be done, before each step.
Notice = Callable[[str], None]


def _nothing(step: str) -> None:
    """Take no notice."""


def play(house: House, *, notice: Notice = _nothing) -> None:
    """Open two sites, and bring two people of each through the program.

    Program time stands still while requests are sent, so what is stored depends on what was done and
    not on how long it took. Nobody's week depends on who came first: people of one site are on
    different tracks, and the therapist has room for both.
    """
    notice("open")
    clinics = [Clinic.open(house, number=number) for number in (1, 2)]
    people: list[tuple[Clinic, Patient]] = []
    for clinic in clinics:
        for name, track in (("Aldous", "MORNING"), ("Benedetta", "EVENING")):
            notice("admit")
            people.append((clinic, clinic.admit(name, track=track)))
    for clinic, patient in people:
        notice("sign")
        clinic.sign_plan(patient)
    for _ in range(3):
        for number, (clinic, patient) in enumerate(people):
            notice("attend")
            seat = clinic.next_group(patient)
            house.door.jump(read_moment(seat["starts_at"]) + timedelta(minutes=5))
            clinic.mark(seat, "NO_SHOW" if number % 2 else "PRESENT")
    for clinic, patient in people:
        for outreach in clinic.outreach_of(patient)[:1]:
            notice("reach out")
            if outreach["state"] == "OPEN":
                path = f"/v1/outreach/{outreach['outreach_id']}/attempts"
                clinic.post(path, {"channel": "CALL", "outcome": "NO_ANSWER"}, role="counselor")
    house.door.jump(house.door.now() + timedelta(days=2))
    notice("graduate")
    people[0][0].graduate(people[0][1])
    notice("discharge")
    people[1][0].discharge(people[1][1])
    notice("settle")
    house.door.jump(house.door.now() + timedelta(days=8))
    notice("lapse")
    people[1][0].lapse(people[1][1])
    house.door.jump(house.door.now() + timedelta(days=1))


def steps_of(play_once: Callable[[Notice], None]) -> list[str]:
    """Return the steps that a run of the script announced."""
    steps: list[str] = []
    play_once(steps.append)
    return steps


#: Steps in which a service is given work soon.
BUSY_IN = {
    "intake": ("admit",),
    "scheduling": ("admit", "attend"),
    "monitoring": ("attend", "reach out"),
    "aftercare": ("attend", "graduate", "discharge"),
    "gateway": ("admit", "sign", "attend", "reach out"),
}


def chosen_steps(steps: list[str], *, seed: int) -> dict[int, str]:
    """Choose at which step each service is to be struck; the first step is number 1."""
    draws = random.Random(seed)  # the moments of a test
    chosen: dict[int, str] = {}
    for service, busy_in in BUSY_IN.items():
        possible = [n for n, step in enumerate(steps, 1) if step in busy_in and n not in chosen]
        chosen[draws.choice(possible)] = service
    return chosen
