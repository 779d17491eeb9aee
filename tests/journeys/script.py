"""One script that a whole program goes through, the same requests in every run."""

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
