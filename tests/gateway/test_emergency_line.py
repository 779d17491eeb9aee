"""The program's own number as the gateway's archive tells it, in whatever order it heard."""

from collections.abc import Callable
from itertools import permutations

import pytest

from gateway import tables
from gateway.service import Gateway
from shared.contracts.event import Event
from shared.contracts.intake import SiteChanged, SiteOpened
from shared.ids import derived_id
from tests.support import BEGINNING, TENANT, Room

SITE = derived_id("site", "lakeside")
OPENED = SiteOpened(
    site_id=SITE,
    time_zone="America/Chicago",
    levels_licensed=("1", "2.1"),
    opened_at=BEGINNING,
    emergency_line="+1 555 0100",
)


def changed(revision: int, line: str) -> SiteChanged:
    return SiteChanged(
        site_id=SITE,
        revision=revision,
        changed=("EMERGENCY_PHONE",),
        time_zone="America/Chicago",
        levels_licensed=("1", "2.1"),
        emergency_line=line,
        changed_at=BEGINNING,
    )


class TestEmergencyLineOf:
    @pytest.mark.parametrize(
        "events", list(permutations((OPENED, changed(1, "+1 555 0101"), changed(2, "+1 555 0102"))))
    )
    def test_is_the_newest_that_was_told(
        self, room_of: Callable[[type], Room], events: tuple[Event, ...]
    ) -> None:
        room = room_of(Gateway)
        room.deliver(*events)

        with room.db() as db:
            line = tables.emergency_line_of(db, tenant_id=TENANT, episode_id=None)
        assert line == "+1 555 0102"
