"""A danger told at the door while monitoring is away: it is heard, and where nobody reacts, paged."""

import time
from typing import Any

import pytest
import sqlalchemy as sa

from gateway import dangers
from shared.contracts.common import SafetyConcernRaised
from shared.contracts.event import Envelope
from shared.ids import derived_id, new_id
from shared.safety import safety_watch
from tests.gateway.conftest import TENANT, Builder, House

DANA = new_id()
EPISODE = new_id()
ANSWERS = {"craving": 9, "mood": 1, "stress": 9, "sleep_hours": 2, "used": False}
CONCERN = {"patient_id": DANA, "concern": "VIOLENCE", "level": "E4"}


@pytest.fixture(scope="module")
def alone(builder: Builder) -> House:
    """A gateway without monitoring, which pages soon."""
    return builder.start(
        STUBS_AWAY="monitoring",
        HOMEWARD_SAFETY_CONFIRM_SECONDS="1",
        HOMEWARD_FALLBACK_PAGE=f"{TENANT}=mailto:on.call@example.org",
    )


def rows(house: House, query: Any) -> list[Any]:
    engine = sa.create_engine(house.database_url.replace("{service}", "gateway"))
    with engine.connect() as connection:
        found = list(connection.execute(query))
    engine.dispose()
    return found


def raised(house: House, patient_id: str) -> list[SafetyConcernRaised]:
    bodies = rows(house, sa.text("SELECT body FROM outbox WHERE type = 'safety_concern_raised'"))
    events = [Envelope.from_bytes(bytes(row.body)).event for row in bodies]
    return [one for one in events if isinstance(one, SafetyConcernRaised) and one.patient_id == patient_id]


def states(house: House, patient_id: str) -> set[str]:
    watched = sa.select(safety_watch.c.state).where(safety_watch.c.patient_id == patient_id)
    return {row.state for row in rows(house, watched)}


class TestConcern:
    def test_is_heard_once_and_somebody_is_paged(self, alone: House) -> None:
        key = new_id()

        first = alone.post("/v1/safety-concerns", CONCERN, key=key)
        again = alone.post("/v1/safety-concerns", CONCERN, key=key)

        assert (first.status, again.status, again.body) == (202, 202, first.body)
        assert (first.body["status"], first.body["notice"]) == ("received", dangers.PASSED_ON)
        assert {"call_or_text_988", "call_911"} <= set(first.body["crisis_lines"])
        (event,) = raised(alone, DANA)
        assert (event.concern, event.level) == ("VIOLENCE", "E4")
        assert event.concern_id == derived_id(event.evidence_id, "concern", "VIOLENCE")
        ends = time.monotonic() + 20
        while states(alone, DANA) != {"paged"} and time.monotonic() < ends:
            time.sleep(0.1)
        assert states(alone, DANA) == {"paged"}

    def test_of_a_patient_is_their_own(self, alone: House) -> None:
        own, other = new_id(), new_id()
        token = alone.token("patient", actor_id=own)

        heard = alone.post("/v1/safety-concerns", CONCERN | {"patient_id": own}, token=token)
        strange = alone.post("/v1/safety-concerns", CONCERN | {"patient_id": other}, token=token)

        assert (heard.status, strange.status) == (202, 404)
        assert (len(raised(alone, own)), raised(alone, other)) == (1, [])

    def test_that_nobody_can_read_is_refused(self, alone: House) -> None:
        answer = alone.post("/v1/safety-concerns", {"patient_id": DANA, "concern": "HUNGER"})

        assert (answer.status, set(answer.fields)) == (422, {"concern"})


class TestCheckIn:
    def test_with_a_danger_is_heard_and_says_that_it_was_not_kept(self, alone: House) -> None:
        own = new_id()
        answers = ANSWERS | {"danger": True, "used": True, "substance": "OPIOID"}

        answer = alone.post(
            f"/v1/episodes/{EPISODE}/check-ins", answers, token=alone.token("patient", actor_id=own)
        )

        assert (answer.status, answer.body["notice"]) == (202, dangers.NOT_KEPT)
        heard = raised(alone, own)
        assert [(one.concern, one.level) for one in heard] == [
            ("DANGER_ANSWER", "E4"),
            ("RETURN_TO_USE", "E3"),
        ]
        # Whose episode it is nobody here knows.
        assert {one.episode_id for one in heard} == {None}

    @pytest.mark.parametrize("danger", [False, True])
    def test_that_cannot_be_heard_says_whom_to_call(self, alone: House, danger: bool) -> None:
        answer = alone.post(
            f"/v1/episodes/{new_id()}/check-ins", ANSWERS | {"danger": danger}, role="counselor"
        )

        assert (answer.status, answer.code) == (503, "unavailable")
        assert set(answer.body["crisis_lines"]) == {"call_or_text_988", "call_911"}

    def test_of_another_kind_says_nothing_of_crises(self, alone: House) -> None:
        answer = alone.post(f"/v1/outreach/{new_id()}/attempts", {"channel": "CALL", "outcome": "REACHED"})

        assert (answer.status, "crisis_lines" in answer.body) == (503, False)
