"""A whole house on real time, in which somebody says that they may not live: a person hears of it."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.ids import new_id
from tests.journeys.clinic import ASSESSMENT
from tests.journeys.house import DistributedHouse, wait_until
from tests.notification.desk import variables_for
from tests.ports import free_port

pytestmark = [pytest.mark.rabbitmq, pytest.mark.journey]

_PERSON = {"given_name": "Rosalind", "family_name": "Achterberg", "birth_date": "1991-06-15"}


@pytest.fixture
def house(postgres_server, rabbitmq_node, mail) -> Iterator[DistributedHouse]:
    """Everything but monitoring, which is down."""
    with contextlib.ExitStack() as ending:
        # Not pytest's own folder: root's is closed to the user that PostgreSQL runs as.
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="hw-house-")))
        house = DistributedHouse(
            postgres_server,
            rabbitmq_node,
            folder,
            order=("intake", "scheduling", "aftercare", "gateway"),
            variables=variables_for(mail)
            | {
                "HOMEWARD_CLOCK": "real",
                "HOMEWARD_FALLBACK_PAGE": "demo=mailto:on.call@example.org",
                "HOMEWARD_SAFETY_CONFIRM_SECONDS": "3",
            },
        )
        ending.callback(house.discard)
        yield house


def tell_intake(house: DistributedHouse) -> None:
    """Let somebody who was just referred say, in an assessment, that they may not live."""
    site_id = new_id()
    house.door.post(
        "/v1/sites",
        {
            "site_id": site_id,
            "name": "Lakeside",
            "time_zone": "America/Chicago",
            "levels_licensed": ["2.1"],
            "emergency_phone": "+1 312 555 0142",
        },
        role="operations",
    ).expect(201)
    referral = house.door.post(
        "/v1/referrals",
        {"site_id": site_id, "referral_source": "7", "patient": _PERSON, "teds": {}},
        role="front_desk",
    ).expect(201)
    danger = {"suicidal_intent": "ACTIVE", "violence_threat": False}
    house.door.post(
        f"/v1/episodes/{referral['episode_id']}/assessments", ASSESSMENT | {"danger": danger}
    ).expect(201)


class TestDangerBeforeTheAdmission:
    def test_reaches_a_person_while_monitoring_is_down_and_monitoring_when_it_is_back(self, house, mail):
        tell_intake(house)
        wait_until(lambda: mail.taken, seconds=120, what="somebody is paged")

        assert {(reader, message["Subject"]) for reader, message in mail.taken} == {
            ("on.call@example.org", "A task needs somebody at once")
        }
        assert "paged" in _states(house)

        house.start("monitoring")
        wait_until(lambda: _states(house) == {"confirmed"}, seconds=120, what="monitoring has confirmed")
        assert house.count("monitoring", "escalations") >= 1
        assert house.parked() == []
        assert "Achterberg" not in house.logs
        assert "example.org" not in house.logs


class TestDangerThatMonitoringCannotPageAbout:
    def test_reaches_a_person_by_the_way_of_whoever_announced_it(self, house, mail):
        everybody = house.settings
        # Monitoring is there, and its own way out leads nowhere: a wall, a name, a certificate.
        house.settings = dataclasses.replace(everybody, smtp_url=f"smtp://127.0.0.1:{free_port()}")
        house.start("monitoring")
        house.settings = everybody

        tell_intake(house)
        # The page does not wait for monitoring, which may take in what it is about after it.
        wait_until(lambda: mail.taken, seconds=120, what="somebody is paged")
        wait_until(lambda: house.count("monitoring", "escalations"), seconds=120, what="it is an escalation")

        (escalation_id,) = house.rows("monitoring", "SELECT escalation_id::text FROM escalations")[0]
        assert mail.readers == ["on.call@example.org"]
        assert _states(house) == {"paged"}
        house.door.post(f"/v1/escalations/{escalation_id}/acknowledgement").expect(200)
        wait_until(lambda: _states(house) == {"confirmed"}, seconds=60, what="monitoring has confirmed")


class TestDangerToldToMonitoring:
    def test_reaches_a_person_while_monitoring_is_down_and_is_one_escalation_when_it_is_back(
        self, house, mail
    ):
        told = {"patient_id": new_id(), "concern": "VIOLENCE", "level": "E4"}
        key = new_id()

        def tell():
            return house.door.post("/v1/safety-concerns", told, key=key)

        assert tell().status == 202
        wait_until(lambda: mail.taken, seconds=120, what="somebody is paged")
        assert _states(house, "gateway") == {"paged"}

        house.start("monitoring")
        wait_until(
            lambda: _states(house, "gateway") == {"confirmed"}, seconds=120, what="monitoring has confirmed"
        )
        wait_until(lambda: tell().status == 201, seconds=60, what="monitoring is told as well")
        assert house.count("monitoring", "escalations") == 1
        assert house.parked() == []


class TestDangerToldToAServiceThatIsAway:
    """Everything but intake and aftercare is there; what was told is sent again once they are."""

    @pytest.fixture
    def house(self, postgres_server, rabbitmq_node) -> Iterator[DistributedHouse]:
        with contextlib.ExitStack() as ending:
            folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="hw-house-")))
            house = DistributedHouse(
                postgres_server, rabbitmq_node, folder, variables={"HOMEWARD_CLOCK": "real"}
            )
            ending.callback(house.discard)
            yield house

    def test_is_one_escalation_also_when_it_is_sent_again(self, house):
        site_id = new_id()
        site = {
            "site_id": site_id,
            "name": "Lakeside",
            "time_zone": "America/Chicago",
            "levels_licensed": ["2.1"],
            "emergency_phone": "+1 312 555 0199",
        }
        house.door.post("/v1/sites", site, role="operations").expect(201)
        referral = house.door.post(
            "/v1/referrals",
            {"site_id": site_id, "referral_source": "7", "patient": _PERSON, "teds": {}},
            role="front_desk",
        ).expect(201)
        for service in ("intake", "aftercare", "scheduling"):
            house.end(service)
        told = [
            (
                "/v1/lapses",
                {
                    "patient_id": new_id(),
                    "reported_by": "SUPPORTER",
                    "substance": "OPIOID",
                    "overdose": True,
                },
            ),
            (
                f"/v1/episodes/{referral['episode_id']}/assessments",
                ASSESSMENT | {"danger": {"suicidal_intent": "ACTIVE", "violence_threat": False}},
            ),
            (
                "/v1/inquiries",
                {
                    "site_id": site_id,
                    "consent": True,
                    "self_check": [{"instrument": "PHQ9", "answers": {"9": 2}}],
                },
            ),
        ]
        keys = [new_id() for _ in told]
        checked_out = {"patient_id": new_id(), "answer": "NOT_SAFE"}

        for (path, body), key in zip(told, keys, strict=True):
            assert house.door.send("POST", path, body, key=key).status == 202
        assert house.door.send("POST", f"/v1/sessions/{new_id()}/check-outs", checked_out).status == 202
        wait_until(lambda: _open_escalations(house) == 5, seconds=120, what="each is an escalation")

        house.start("intake")
        house.start("aftercare")
        for (path, body), key in zip(told, keys, strict=True):
            wait_until(
                lambda path=path, body=body, key=key: (
                    house.door.send("POST", path, body, key=key).status == 201
                ),
                seconds=120,
                what="the service is told as well",
            )
        for service in ("intake", "aftercare"):
            wait_until(
                lambda service=service: _states(house, service) == {"confirmed"},
                seconds=120,
                what="monitoring has confirmed",
            )
        assert house.count("monitoring", "escalations") == 5
        evidence = house.rows(
            "monitoring", "SELECT cause, jsonb_array_length(evidence) FROM escalations ORDER BY cause, 2"
        )
        assert [tuple(row) for row in evidence] == [
            ("DANGER_ANSWER", 1),
            ("DANGER_ANSWER", 2),
            ("OVERDOSE", 2),
            ("PHQ9_I9", 2),
            ("RETURN_TO_USE", 2),
        ]
        (asked,) = house.rows("intake", "SELECT patient_id FROM inquiries")
        (named,) = house.rows("monitoring", "SELECT patient_id FROM escalations WHERE cause = 'PHQ9_I9'")
        assert named == asked
        assert house.parked() == []


def _open_escalations(house: DistributedHouse) -> int:
    return int(house.rows("monitoring", "SELECT count(*) FROM escalations WHERE state <> 'CLOSED'")[0][0])


def _states(house: DistributedHouse, service: str = "intake") -> set[str]:
    return {state for (state,) in house.rows(service, "SELECT state FROM safety_watch")}
