"""Sites that change, as monitoring hears of them: in any order, the newest counts."""

from collections.abc import Callable
from itertools import permutations

import pytest

from services.monitoring import tables
from services.monitoring.service import Monitoring
from shared.contracts.event import Event
from shared.contracts.intake import SiteChanged, SiteOpened
from tests.monitoring.telling import ADMITTED_AT, SITE
from tests.support import Room

OPENED = SiteOpened(
    site_id=SITE,
    time_zone="America/Chicago",
    levels_licensed=("1", "2.1"),
    opened_at=ADMITTED_AT,
    emergency_line="+1 555 0100",
)


def changed(revision: int, line: str | None, *, time_zone: str = "America/Chicago") -> SiteChanged:
    return SiteChanged(
        site_id=SITE,
        revision=revision,
        changed=("EMERGENCY_PHONE", "TIME_ZONE"),
        time_zone=time_zone,
        levels_licensed=("1",),
        emergency_line=line,
        changed_at=ADMITTED_AT,
    )


HISTORY = (OPENED, changed(1, "+1 555 0101"), changed(2, "+1 555 0102", time_zone="America/Denver"))


class TestFollowSite:
    @pytest.mark.parametrize("events", list(permutations(HISTORY)))
    def test_keeps_the_newest_in_any_order(
        self, room_of: Callable[[type], Room], events: tuple[Event, ...]
    ) -> None:
        room = room_of(Monitoring)
        room.deliver(*events, events[0])

        with room.db() as db:
            assert tables.emergency_line_of(db, site_id=SITE) == "+1 555 0102"
            assert tables.time_zone(db) == "America/Denver"

    def test_forgets_a_number_that_was_taken_away(self, room_of: Callable[[type], Room]) -> None:
        room = room_of(Monitoring)
        room.deliver(OPENED, changed(1, None))

        with room.db() as db:
            assert tables.emergency_line_of(db, site_id=SITE) is None
