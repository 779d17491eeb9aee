"""A service that is down: its commands are refused in time, its events wait, and nothing happens twice."""

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from shared.ids import new_id
from tests.journeys.clinic import Clinic, Patient
from tests.journeys.conftest import houses
from tests.journeys.house import Answer, DistributedHouse, wait_until

pytestmark = pytest.mark.rabbitmq


@pytest.fixture(scope="module")
def house(request: pytest.FixtureRequest) -> Iterator[DistributedHouse]:
    """One process a service, to be stopped by a test, and started again by it."""
    with houses(request) as build:
        house: DistributedHouse = build("rabbitmq")
        yield house


@pytest.fixture
def clinic(house: DistributedHouse) -> Iterator[Clinic]:
    """An open site, at the end of which nothing may have been given up."""
    yield Clinic.open(house)
    assert house.parked() == []


def report_lapse(clinic: Clinic, patient: Patient, *, key: str) -> Answer:
    """Send a command to aftercare, once."""
    body = {"patient_id": patient.patient_id, "reported_by": "SELF", "substance": "ALCOHOL"}
    return clinic.door.send("POST", "/v1/lapses", body, role="counselor", key=key)


def found_and_taken(house: DistributedHouse) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Return what scheduling found of obligations, what of it intake took in, and what intake noted."""
    query = "SELECT {}::uuid::text FROM {} WHERE {} = '{}'"
    of = "type", "obligation_fit_found"
    found = house.rows("scheduling", query.format("event_id", "outbox", *of))
    taken = house.rows("intake", query.format("event_id", "inbox", *of))
    noted = house.rows("intake", query.format("cause_id", "audit", "action", "note_obligation_fit"))
    announced, kept, written = (Counter(event_id for (event_id,) in rows) for rows in (found, taken, noted))
    return announced, kept, written


class TestAServiceThatIsDown:
    def test_refuses_in_time_and_carries_nothing_out_later(
        self, house: DistributedHouse, clinic: Clinic
    ) -> None:
        patient = clinic.admit("Rosenthal")
        before = house.count("aftercare", "lapses")
        assert house.end("aftercare") == 0
        began = time.monotonic()
        refused = report_lapse(clinic, patient, key=new_id())
        waited = time.monotonic() - began

        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.body["code"] == "unavailable"
        assert waited < 10
        # What aftercare does not answer for goes on.
        assert clinic.door.ask(f"/v1/episodes/{patient.episode_id}")["episode_id"] == patient.episode_id

        house.start("aftercare")
        house.wait_until_ready()
        clinic.door.settle()
        assert house.count("aftercare", "lapses") == before
        assert clinic.events(patient, "lapse_reported") == []

    def test_answers_the_same_to_the_same_key_once_it_is_back(
        self, house: DistributedHouse, clinic: Clinic
    ) -> None:
        patient, key = clinic.admit("Hargreaves"), new_id()
        before = house.count("aftercare", "lapses")
        assert house.end("aftercare") == 0
        assert report_lapse(clinic, patient, key=key).status == 503
        house.start("aftercare")
        house.wait_until_ready()

        first = report_lapse(clinic, patient, key=key)
        again = report_lapse(clinic, patient, key=key)
        assert first.status == again.status == 201
        assert first.body == again.body
        assert "Idempotency-Replayed" not in first.headers
        assert again.headers["Idempotency-Replayed"] == "true"
        assert house.count("aftercare", "lapses") == before + 1

    def test_finds_the_events_that_waited_for_it(self, house: DistributedHouse, clinic: Clinic) -> None:
        before = house.count("monitoring", "treatment_plans")
        assert house.end("monitoring") == 0
        patient = clinic.door.post(
            "/v1/referrals",
            {
                "site_id": clinic.site_id,
                "referral_source": "1",
                "patient": {"given_name": "Ida", "family_name": "Kowalczyk", "birth_date": "1979-11-02"},
            },
        ).ok
        somebody = Patient(
            "Kowalczyk",
            **{
                f"{whose}_id": patient[f"{whose}_id"]
                for whose in ("patient", "journey", "episode", "referral")
            },
        )
        clinic.assess(somebody)
        assert clinic.door.send("GET", f"/v1/episodes/{somebody.episode_id}/risk").status == 503
        assert house.count("monitoring", "treatment_plans") == before

        house.start("monitoring")
        house.wait_until_ready()
        clinic.door.settle()
        plan = clinic.door.ask(f"/v1/episodes/{somebody.episode_id}/treatment-plan")
        assert plan["patient_id"] == somebody.patient_id
        assert len(clinic.events(somebody, "plan_drafted")) == 1


class TestACleanStop:
    def test_redelivers_nothing_that_was_finished(self, house: DistributedHouse, clinic: Clinic) -> None:
        people = [clinic.refer(name) for name in ("Ashdown", "Blackwood", "Cormorant")]
        of_others, taken_before = found_and_taken(house), house.count("intake", "inbox")
        done = threading.Event()
        answers: list[Answer] = []

        def declare_again_and_again(patient: Patient) -> None:
            body = {"obligations": [], "site_id": clinic.site_id}
            path = f"/v1/patients/{patient.patient_id}/obligations"
            while not done.is_set():
                answers.append(clinic.door.post(path, body, role="front_desk"))

        senders = [threading.Thread(target=declare_again_and_again, args=(one,)) for one in people]
        for sender in senders:
            sender.start()
        waiting: set[str] = set()
        try:
            # Scheduling announces what intake takes in: each is stopped in the middle of it.
            for service in ("intake", "scheduling", "intake", "intake"):
                before = len(answers)
                wait_until(lambda before=before: len(answers) > before + 9, seconds=60, what="traffic")
                # What scheduling finds comes back a while after the answer; a stop before the
                # first of it would show nothing.
                wait_until(
                    lambda: house.count("intake", "inbox") > taken_before, seconds=60, what="an effect"
                )
                assert house.end(service) == 0
                if service == "intake":
                    time.sleep(0.5)
                    queued = set(house.queued_events("intake"))
                    done_before = house.rows("intake", "SELECT event_id::text FROM inbox")
                    assert done_before
                    assert not queued & {event_id for (event_id,) in done_before}, "delivered again"
                    waiting |= queued
                house.start(service)
                house.wait_until_ready()
        finally:
            done.set()
            for sender in senders:
                sender.join()
        clinic.door.settle()

        assert {answer.status for answer in answers} == {201}
        assert waiting, "events came while intake was down"
        announced, taken, noted = (
            now - before for now, before in zip(found_and_taken(house), of_others, strict=True)
        )
        assert announced.total() == len(answers)
        assert taken == announced
        assert noted == announced
