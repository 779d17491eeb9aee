"""Pages that are really sent, to a mail server and a pager on this machine, and what follows."""

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.monitoring.service import Monitoring
from shared.contracts.common import NotificationSettled
from shared.contracts.monitoring import PagePathBroken, PagePathProven
from shared.notification.sending import Sending
from tests.monitoring import telling
from tests.monitoring.duty import keep, names_paged, plan
from tests.monitoring.telling import ADMITTED_AT
from tests.notification.desk import mail, pager, variables_for
from tests.notification.mailroom import MailServer, Pager
from tests.support import TENANT, Room, settings_for_tests

__all__ = ["mail", "pager"]

RoomOf = Callable[[type], Room]

CHICAGO = ZoneInfo("America/Chicago")


@pytest.fixture
def room(room_of: RoomOf, mail: MailServer, pager: Pager) -> Room:
    """Return a room where Ana, with a mailbox, has the duty, and Mia, with a pager, does not."""
    room = room_of(Monitoring)
    room.host.settings = settings_for_tests(
        **variables_for(mail), HOMEWARD_FALLBACK_PAGE=f"{TENANT}={pager.url}/last"
    )
    room.at(ADMITTED_AT)
    keep(room, "ana")
    keep(room, "mia", address=pager.url)
    plan(room, "ana", ADMITTED_AT, timedelta(days=7))
    room.clock.simulated = False
    return room


def send(room: Room) -> None:
    """Send what is due, and let monitoring hear what became of it."""
    heard = len(room.announced_of(NotificationSettled))
    sending = Sending(room.host)
    sending.step()
    sending.stop()
    room.deliver(*room.announced_of(NotificationSettled)[heard:])


def paged(pager: Pager) -> list[str]:
    """Return what a pager was told, but for the daily tests of the fallback address."""
    return [told["type"] for _, told in pager.taken if told["type"] != "page_test"]


class TestPageThatIsSent:
    def test_is_in_the_mailbox_of_whoever_has_the_duty(
        self, room: Room, mail: MailServer, pager: Pager
    ) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))

        send(room)
        room.advance(timedelta(minutes=4))
        send(room)

        # Beside the daily test, which is due at nine as well.
        pages = [(reader, message) for reader, message in mail.taken if "test" not in message["Subject"]]
        ((reader, message),) = pages
        assert reader == "ana@example.org"
        assert "OVERDOSE" not in message.as_string()
        assert "Level: E4" in message.as_string()
        assert paged(pager) == []

    def test_goes_to_the_next_tier_at_once_when_the_mailbox_is_refused(
        self, room: Room, mail: MailServer, pager: Pager
    ) -> None:
        mail.recipient_answer = "550 no such mailbox"
        room.deliver(telling.concern("OVERDOSE", "E4"))

        send(room)
        send(room)

        assert names_paged(room) == ["ana", "mia"]
        assert len(paged(pager)) == 1
        assert mail.taken == []

    def test_goes_to_the_next_tier_after_a_minute_while_the_mail_server_is_down(
        self, room: Room, mail: MailServer, pager: Pager
    ) -> None:
        mail.stop()
        room.deliver(telling.concern("OVERDOSE", "E4"))

        send(room)
        assert paged(pager) == []
        room.advance(timedelta(seconds=60))
        send(room)

        assert len(paged(pager)) == 1
        # Ana's page is not given up: her mailbox may be the first to be back.
        settled = [one for one in room.announced_of(NotificationSettled) if one.template != "PAGE_TEST"]
        assert [one.outcome for one in settled] == ["SENT"]

    def test_goes_to_the_fallback_address_when_nobody_else_is_left(
        self, room: Room, mail: MailServer, pager: Pager
    ) -> None:
        mail.stop()
        keep(room, "mia", address="mailto:mia@example.org")
        room.deliver(telling.concern("OVERDOSE", "E4"))

        for _ in range(2):
            send(room)
            room.advance(timedelta(seconds=60))
        send(room)

        assert names_paged(room) == ["ana", "mia", "fallback"]
        assert len(paged(pager)) == 1


class TestProofThatIsSent:
    def test_proves_the_way_to_the_mailbox(self, room: Room, mail: MailServer) -> None:
        room.fire_due()

        send(room)

        ((reader, message),) = mail.taken
        assert (reader, message["Subject"]) == ("ana@example.org", "Daily test of this address")
        # Hers, and the fallback's.
        assert len(room.announced_of(PagePathProven)) == 2

    def test_finds_the_way_broken_when_the_mailbox_is_refused(
        self, room: Room, mail: MailServer, pager: Pager
    ) -> None:
        mail.recipient_answer = "550 no such mailbox"
        room.advance(datetime(2026, 2, 3, 9, 0, tzinfo=CHICAGO))

        send(room)

        assert "FAILED" in {event.reason for event in room.announced_of(PagePathBroken)}
        # Nothing is proven but the way to the fallback, yesterday's late.
        assert len(room.announced_of(PagePathProven)) == len(pager.taken) == 2
