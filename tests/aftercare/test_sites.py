"""Sites that change, as aftercare hears of them: in any order, the newest number counts."""

from collections.abc import Callable
from itertools import permutations

import pytest

from services.aftercare import tables
from services.aftercare.service import Aftercare
from shared.contracts.event import Event
from shared.contracts.intake import SiteChanged
from tests.aftercare import telling
from tests.aftercare.telling import ADMITTED_AT, SITE
from tests.support import Room


def changed(revision: int, line: str) -> SiteChanged:
    return SiteChanged(
        site_id=SITE,
        revision=revision,
        changed=("EMERGENCY_PHONE",),
        time_zone="America/Chicago",
        levels_licensed=("1", "2.1"),
        emergency_line=line,
        changed_at=ADMITTED_AT,
    )


HISTORY = (telling.site_opened(), changed(1, "+1 555 0101"), changed(2, "+1 555 0102"))


class TestFollowEmergencyLine:
    @pytest.mark.parametrize("events", list(permutations(HISTORY)))
    def test_keeps_the_newest_in_any_order(
        self, room_of: Callable[[type], Room], events: tuple[Event, ...]
    ) -> None:
        room = room_of(Aftercare)
        room.deliver(*events, events[0])

        with room.db() as db:
            assert tables.emergency_line_of(db, site_id=SITE) == "+1 555 0102"
