"""Version 0 of a plan in monitoring: kept from events in any order, the newest counts."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from itertools import permutations

import pytest

from services.monitoring.service import Monitoring
from shared.contracts import roles
from shared.contracts.intake import EarlierPlanImported
from shared.errors import NotFound
from shared.ids import derived_id
from tests.support import BEGINNING, Room

FIRST = EarlierPlanImported(
    patient_id=derived_id("patient"),
    episode_id=derived_id("episode"),
    journey_id=derived_id("journey"),
    step_down_id=derived_id("step-down"),
    problems=("ALCOHOL",),
    modalities=("CBT",),
    skills=("URGE_SURFING",),
    triggers=("PAYDAY",),
    imported_at=BEGINNING,
)
SECOND = dataclasses.replace(FIRST, skills=("GROUNDING",), imported_at=BEGINNING + timedelta(hours=1))
#: Told at the same moment as the second.
THIRD = dataclasses.replace(SECOND, skills=("MEETING",))


@pytest.fixture
def room(room_of: Callable[[type], Room]) -> Room:
    return room_of(Monitoring)


class TestEarlierPlan:
    @pytest.mark.parametrize("order", list(permutations((FIRST, SECOND, THIRD))))
    def test_is_the_newest_in_any_order(self, room: Room, order: tuple[EarlierPlanImported, ...]) -> None:
        for event in order:
            envelope = room.envelope_of(event)
            room.deliver(envelope, envelope)

        seen = room.ask("get_earlier_plan", {"episode_id": FIRST.episode_id})
        assert (seen["version"], seen["skills"], seen["problems"]) == (0, ["MEETING"], ["ALCOHOL"])

    def test_is_the_patients_own_and_nobody_elses(self, room: Room) -> None:
        room.deliver(FIRST)
        asked = {"episode_id": FIRST.episode_id}
        own = {"role": roles.PATIENT, "actor_id": FIRST.patient_id}

        assert room.ask("get_earlier_plan", asked, **own)["patient_id"] == FIRST.patient_id
        for stranger in (own | {"actor_id": derived_id("stranger")}, {"tenant_id": "riverside"}):
            with pytest.raises(NotFound):
                room.ask("get_earlier_plan", asked, **stranger)
