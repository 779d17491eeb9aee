"""Sites that change, as scheduling hears of them: in any order, and its rounds go by the new clock."""

from collections.abc import Callable
from itertools import permutations

import pytest

from services.scheduling import tables
from services.scheduling.service import Scheduling
from shared.contracts.event import Event
from shared.contracts.intake import SiteChanged
from tests.scheduling.builders import CHICAGO, OPENED_AT, SITE, site_opened
from tests.support import Room


def changed(revision: int, line: str, *, time_zone: str = CHICAGO) -> SiteChanged:
    return SiteChanged(
        site_id=SITE,
        revision=revision,
        changed=("EMERGENCY_PHONE", "TIME_ZONE"),
        time_zone=time_zone,
        levels_licensed=("1", "2.1"),
        emergency_line=line,
        changed_at=OPENED_AT,
    )


HISTORY = (site_opened(), changed(1, "+1 555 0101"), changed(2, "+1 555 0102", time_zone="America/Denver"))


class TestFollowSite:
    @pytest.mark.parametrize("events", list(permutations(HISTORY)))
    def test_keeps_the_newest_in_any_order(
        self, room_of: Callable[[type], Room], events: tuple[Event, ...]
    ) -> None:
        room = room_of(Scheduling)
        room.at(OPENED_AT)
        room.deliver(*events, events[0])

        with room.db() as db:
            site = tables.site_of(db, site_id=SITE)
            assert site is not None
            assert (site.emergency_line, site.time_zone) == ("+1 555 0102", "America/Denver")
        assert room.waiting == []

    def test_waits_for_the_opening(self, room_of: Callable[[type], Room]) -> None:
        room = room_of(Scheduling)
        room.deliver(changed(1, "+1 555 0101"))

        assert room.waiting == ["follow_site"]

    def test_turns_its_rounds_with_the_clock_of_the_site(self, room_of: Callable[[type], Room]) -> None:
        moved, denver = room_of(Scheduling), room_of(Scheduling)
        for room in (moved, denver):
            room.at(OPENED_AT)
        moved.deliver(*HISTORY)
        denver.deliver(site_opened(time_zone="America/Denver"))

        assert moved.timers() == denver.timers()
