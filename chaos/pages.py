"""Who is paged when somebody is in danger: a real mail server, and dangers told over HTTP all along."""

import threading
import time
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from typing import Any

from aiosmtpd.controller import Controller

from chaos.house import House
from chaos.load import Load, Refused
from shared.contracts.event import SERVICES, write_moment
from shared.ids import new_id
from tests.door.program import assessment
from tests.journeys.house import free_port

#: Seconds within which a danger of the highest level has to be in a human's hands. Safety rule.
E4_SECONDS = 300.0
#: Seconds between two dangers.
PAUSE_SECONDS = 2.0

#: Who has the duty, and who is paged when nobody else can be.
ON_CALL, FALLBACK = "on.call@example.org", "fallback@example.org"


class MailServer:
    """A mail server on this machine that notes when which notification came."""

    def __init__(self) -> None:
        self.port = free_port()
        #: Id of a notification → when it came first.
        self.came_at: dict[str, float] = {}
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    def start(self) -> None:
        """Take mail from now on."""
        self._controller.start()

    def stop(self) -> None:
        """Take no more."""
        self._controller.stop()

    @property
    def settings(self) -> dict[str, str]:
        """What a house is told of it."""
        return {
            "HOMEWARD_SMTP_URL": f"smtp://127.0.0.1:{self.port}",
            "HOMEWARD_MAIL_FROM": "tasks@example.org",
            "HOMEWARD_FALLBACK_PAGE": f"demo=mailto:{FALLBACK}",
        }

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # its name
        """Take a message."""
        message = message_from_bytes(envelope.content)
        notification_id = message["Message-ID"].strip("<>").partition("@")[0]
        self.came_at.setdefault(notification_id, time.time())
        return "250 OK"


class Dangers:
    """Tells a danger over HTTP every few seconds, in turn to monitoring and to intake."""

    def __init__(self, house: House, load: Load, mail: MailServer) -> None:
        self._house = house
        self._load = load
        self._mail = mail
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def plan_duty(self) -> None:
        """Put somebody on duty for the whole run."""
        staff_id = new_id()
        contact = {"staff_id": staff_id, "role": "clinician", "address": f"mailto:{ON_CALL}"}
        self._load.send("contact", "/v1/staff-contacts", contact, role="supervisor", announces={})
        now = datetime.now(UTC)
        shift = {
            "staff_id": staff_id,
            "starts_at": write_moment(now + timedelta(seconds=1)),
            "ends_at": write_moment(now + timedelta(days=6)),
        }
        self._load.send("shift", "/v1/on-call-shifts", shift, role="supervisor", announces={})

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Tell of no more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(180)

    def _work(self) -> None:
        while not self._stopping.wait(PAUSE_SECONDS):
            try:
                self._tell_monitoring()
                if not self._stopping.wait(PAUSE_SECONDS):
                    self._tell_intake()
            except Refused as refused:
                self._load.problems.append(str(refused))

    def _tell_monitoring(self) -> None:
        # Somebody whom nobody knows: a danger needs no earlier record.
        body = {"patient_id": new_id(), "concern": "DANGER_ANSWER", "level": "E4"}
        announces = {"escalation_opened": 1}
        self._load.send("page", "/v1/safety-concerns", body, role="counselor", announces=announces)

    def _tell_intake(self) -> None:
        referred = self._load.refer()
        self._load.send(
            "page",
            f"/v1/episodes/{referred['episode_id']}/assessments",
            assessment(danger={"suicidal_intent": "ACTIVE", "violence_threat": False}),
            role="counselor",
            announces={"assessment_completed": 1, "safety_concern_raised": 1},
        )

    def seconds_to_page(self) -> dict[str, float | None]:
        """Return by correlation id the seconds from the first try to tell a danger to the first page."""
        paged: dict[str, float] = {}
        for service in SERVICES:
            for notification_id, correlation_id in self._house.rows(
                service, "SELECT notification_id::text, correlation_id FROM notifications"
            ):
                if notification_id in self._mail.came_at:
                    at = self._mail.came_at[notification_id]
                    paged[correlation_id] = min(at, paged.get(correlation_id, at))
        return {
            fact.correlation_id: (
                round(paged[fact.correlation_id] - fact.sent_at, 2) if fact.correlation_id in paged else None
            )
            for fact in self._load.ledger.facts
            if fact.kind == "page" and fact.acknowledged_at is not None
        }
