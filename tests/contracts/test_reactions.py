"""What a contract says about who reacts is what the services do."""

import pytest

from homeward.packages import service_class_of
from shared.contracts.catalogue import EVENTS
from shared.contracts.event import SERVICES
from shared.messaging import reactions_of


@pytest.mark.parametrize("service", SERVICES)
class TestReactions:
    def test_are_those_that_the_contracts_name(self, service):
        promised = {wire_name for wire_name, event in EVENTS.items() if service in event.reacting}

        assert set(reactions_of(service_class_of(service))) == promised

    def test_are_named_for_what_the_service_does(self, service):
        names = [name for methods in reactions_of(service_class_of(service)).values() for name in methods]

        assert not [name for name in names if name.startswith(("handle", "on_", "react"))]
