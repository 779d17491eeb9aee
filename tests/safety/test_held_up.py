"""No page gets out of monitoring: the gateway pages by its own way, whoever the danger was told to."""

from datetime import timedelta

from gateway.service import Gateway
from shared.clock import real_now
from shared.contracts.event import Actor, Envelope
from shared.contracts.monitoring import PagesHeldUp
from shared.ids import derived_id, new_id
from shared.messaging import inbox
from tests.notification.desk import Desk, variables_for
from tests.support import TENANT

LAST = f"{TENANT}=mailto:on.call@example.org mailto:director@example.org"


def held_up(tier: int = 0) -> Envelope:
    """Monitoring says that no page about Alex has left."""
    return Envelope(
        event_id=new_id(),
        event=PagesHeldUp(
            escalation_id=derived_id("escalation"),
            patient_id=derived_id("Alex"),
            level="E4",
            tier=tier,
            held_up_at=real_now() - timedelta(seconds=1),
        ),
        announced_by="monitoring",
        tenant_id=TENANT,
        occurred_at=real_now(),
        recorded_at=real_now(),
        actor=Actor(actor_id="monitoring", role="system"),
        correlation_id=new_id(),
    )


def hear(desk: Desk, envelope: Envelope) -> None:
    inbox.take(desk.host, [inbox.Delivery(envelope.to_bytes())])
    desk.send_due()


class TestPagesThatAreHeldUp:
    def test_are_made_by_the_gateway_once_each_time_that_monitoring_asks(self, desk_of, mail):
        desk = desk_of(Gateway, **variables_for(mail) | {"HOMEWARD_FALLBACK_PAGE": LAST})

        hear(desk, held_up())
        hear(desk, held_up())
        assert sorted(mail.readers) == ["director@example.org", "on.call@example.org"]
        hear(desk, held_up(tier=1))

        assert len(mail.taken) == 4
        page = mail.taken[0][1]
        assert f"Reference: {derived_id('escalation')[:8]}" in page.get_payload()
        assert "Level: E4" in page.get_payload()
        assert derived_id("Alex") not in page.as_string()

    def test_are_nobodys_where_no_address_was_told(self, desk_of, mail):
        desk = desk_of(Gateway, **variables_for(mail))

        hear(desk, held_up())

        assert (mail.taken, desk.states()) == ([], {})
