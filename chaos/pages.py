"""Who is paged when somebody is in danger: a real mail server, and dangers told over HTTP all along."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from typing import Any

from aiosmtpd.controller import Controller

from chaos.house import House
from chaos.load import Load, Refused
from shared.contracts.event import SERVICES, write_moment
from shared.ids import new_id
from tests.door.program import assessment
from tests.ports import free_port

#: Seconds within which a danger of the highest level has to be in a human's hands. Safety rule.
E4_SECONDS = 300.0
#: Seconds between two dangers told to the same service.
PAUSE_SECONDS = 4.0

#: Who has the duty, and who is paged when nobody else can be.
ON_CALL, FALLBACK = "on.call@example.org", "fallback@example.org"


class MailServer:
    """A mail server on this machine that notes when which notification came."""

    def __init__(self) -> None:
        self.port = free_port()
        #: Id of a notification → when it came first.
        self.came_at: dict[str, float] = {}
        self._controller: Controller | None = None

    def start(self) -> None:
        """Take mail from now on."""
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def stop(self) -> None:
        """Take no more, until started again; nothing where none is taken."""
        if self._controller is not None:
            self._controller.stop()
        self._controller = None

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


def tell_danger(load: Load, patient_id: str) -> None:
    """Tell monitoring of a danger to somebody, whom nobody need know: a danger needs no earlier record."""
    body = {"patient_id": patient_id, "concern": "DANGER_ANSWER", "level": "E4"}
    announces = {"escalation_opened": 1}
    load.send("page", "/v1/safety-concerns", body, role="counselor", announces=announces)


def take_and_close(load: Load, escalation_id: str) -> None:
    """Have a clinician take an escalation, and close it with what was found."""
    for name, what, announced in (
        ("acknowledgement", {}, "escalation_acknowledged"),
        ("closure", {"disposition": "EVALUATED_NO_ACTION"}, "escalation_closed"),
    ):
        path = f"/v1/escalations/{escalation_id}/{name}"
        load.send(name, path, what, role="clinician", announces={announced: 1})


class Dangers:
    """Tells dangers over HTTP every few seconds, to monitoring and, independently of it, to intake.

    What is told to intake is taken while monitoring is away, and then nobody but intake can page. Once a page
    has left, a clinician takes the escalation, and closes it with what was found.
    """

    def __init__(self, house: House, load: Load, mail: MailServer) -> None:
        self._house = house
        self._load = load
        self.mail = mail
        #: Patients about whom nobody takes anything, for as long as they stand here.
        self.left_alone: set[str] = set()
        self._staff_id = new_id()
        self._shift_id = ""
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(tell,), daemon=True)
            for tell in (self._tell_monitoring, self._tell_intake, self._answer_pages)
        ]

    def make_contact(self, *, active: bool = True) -> None:
        """Let somebody be known who can be paged, or cannot any more."""
        contact: dict[str, Any] = {
            "staff_id": self._staff_id,
            "role": "clinician",
            "address": f"mailto:{ON_CALL}",
            "active": active,
        }
        self._load.send("contact", "/v1/staff-contacts", contact, role="supervisor", announces={})

    def plan_duty(self) -> None:
        """Put them on duty, for longer than any run."""
        now = datetime.now(UTC)
        shift = {
            "staff_id": self._staff_id,
            "starts_at": write_moment(now + timedelta(seconds=1)),
            "ends_at": write_moment(now + timedelta(days=6)),
        }
        planned = self._load.send("shift", "/v1/on-call-shifts", shift, role="supervisor", announces={})
        self._shift_id = planned["shift_id"]

    def withdraw_duty(self) -> None:
        """Leave nobody on duty, as a supervisor may who says why."""
        accepted = {"accept_gap": True, "reason": "Chaos."}
        path = f"/v1/on-call-shifts/{self._shift_id}/withdrawal"
        self._load.send("withdrawal", path, accepted, role="supervisor", announces={})

    def fallback_pages(self, service: str, *, since: float) -> int:
        """Return how many pages to the fallback address left a service, of those made since a moment."""
        ((left,),) = self._house.rows(
            service,
            "SELECT count(*) FROM notifications WHERE template = 'FALLBACK_PAGE' AND state = 'sent'"
            " AND created_at > to_timestamp(%(since)s)",
            since=since,
        )
        return int(left)

    def pages_waiting(self) -> int:
        """Return how many pages are made and have not left."""
        query = "SELECT count(*) FROM notifications WHERE state = 'waiting' AND urgent"
        return sum(int(self._house.rows(service, query)[0][0]) for service in SERVICES)

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Tell of no more."""
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(180)

    def _work(self, tell: Callable[[], None]) -> None:
        while not self._stopping.wait(PAUSE_SECONDS):
            try:
                tell()
            except Refused as refused:
                self._load.problems.append(str(refused))

    def _tell_monitoring(self) -> None:
        tell_danger(self._load, new_id())

    def _tell_intake(self) -> None:
        referred = self._load.refer()
        self._load.send(
            "page",
            f"/v1/episodes/{referred['episode_id']}/assessments",
            assessment(danger={"suicidal_intent": "ACTIVE", "violence_threat": False}),
            role="counselor",
            announces={"assessment_completed": 1, "safety_concern_raised": 1},
        )

    def _answer_pages(self) -> None:
        for escalation in self._asked("/v1/escalations?limit=50").get("items", ()):
            if escalation["state"] != "OPEN" or escalation["patient_id"] in self.left_alone:
                continue
            # Asked anew: whoever left somebody alone has closed it since the list was made.
            told = self._asked(f"/v1/escalations/{escalation['escalation_id']}")
            is_open = told.get("state") == "OPEN"
            if is_open and any(page["outcome"] == "SENT" for page in told["pages"]):
                take_and_close(self._load, escalation["escalation_id"])

    def _asked(self, path: str) -> dict[str, Any]:
        """Return what a clinician is told; nothing where nobody answers."""
        status, told = self._load.request("GET", path, role="clinician")
        return told if status == 200 else {}

    def seconds_to_page(self) -> dict[str, float | None]:
        """Return by correlation id the seconds from the first try to tell a danger to the first page."""
        paged: dict[str, float] = {}
        for service in SERVICES:
            for notification_id, correlation_id in self._house.rows(
                service, "SELECT notification_id::text, correlation_id FROM notifications"
            ):
                if notification_id in self.mail.came_at:
                    at = self.mail.came_at[notification_id]
                    paged[correlation_id] = min(at, paged.get(correlation_id, at))
        return {
            fact.correlation_id: (
                round(paged[fact.correlation_id] - fact.sent_at, 2) if fact.correlation_id in paged else None
            )
            for fact in self._load.ledger.facts
            if fact.kind == "page" and fact.acknowledged_at is not None
        }
