"""Patients' right to their own record: a request with a clock (45 CFR 164.524, 42 CFR 2.23)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.intake.domain.privacy import PRIVACY_DEPUTY, PRIVACY_OFFICER
from services.intake.domain.tasks import Task
from shared.contracts import roles
from shared.contracts.event import Actor, Event
from shared.contracts.intake import RecordDelivered, RecordRequested
from shared.errors import Conflict, Forbidden, InvalidInput
from shared.ids import derived_id

#: By when the record is delivered, and by how much that can be put off, once, with a reason.
#: 45 CFR 164.524(b)(2).
DELIVER_WITHIN = timedelta(days=30)
EXTENSION = timedelta(days=30)
#: How soon somebody acts who is asked only when the time has run out. Design default.
OVERDUE_WITHIN = timedelta(days=1)

ACCESS_TASK = "record_access"
OVERDUE_TASK = "record_access_overdue"

#: Grounds that only a licensed professional may find: 45 CFR 164.524(a)(3)(i).
GROUNDS_OF_THE_LICENSED = ("ENDANGERS_LIFE",)


class RequestNotOpen(Conflict):
    """Raised when something is done about a request that was delivered or denied."""


class ExtendedAlready(Conflict):
    """Raised when a request is put off a second time."""


class GroundNeedsLicence(Forbidden):
    """Raised when somebody without a licence denies a record because it would endanger somebody."""


@dataclass(eq=False, kw_only=True)
class RecordRequest:
    """A request for somebody's own record; ``reason`` is a human's, kept sealed.

    A record can be delivered again and again; the clock ends with the first time.
    """

    request_id: str
    patient_id: str
    journey_id: str
    requested_at: datetime
    requested_by: str
    requested_by_role: str
    due_at: datetime
    #: "OPEN", "DELIVERED" or "DENIED".
    state: str = "OPEN"
    extended_at: datetime | None = None
    delivered_at: datetime | None = None
    delivered_by: str | None = None
    delivered_by_role: str | None = None
    denied_at: datetime | None = None
    denied_by: str | None = None
    denied_by_role: str | None = None
    denied_by_credential: str | None = None
    ground: str | None = None
    reason: str | None = None
    tenant_id: str = ""

    def opened(self) -> list[Event]:
        """Return the news of it."""
        return [
            RecordRequested(
                request_id=self.request_id,
                patient_id=self.patient_id,
                journey_id=self.journey_id,
                due_at=self.due_at,
                requested_at=self.requested_at,
            )
        ]

    def task(self) -> Task:
        """Return the request to deliver it in time."""
        return self._task(
            task=ACCESS_TASK,
            owner=roles.FRONT_DESK,
            then=PRIVACY_OFFICER,
            at=self.requested_at,
            due_at=self.due_at,
        )

    def overdue_task(self) -> Task:
        """Return what is asked once the time has run out."""
        return self._task(
            task=OVERDUE_TASK,
            owner=PRIVACY_OFFICER,
            then=PRIVACY_DEPUTY,
            at=self.due_at,
            due_at=self.due_at + OVERDUE_WITHIN,
        )

    def check_deliverable(self) -> None:
        """Refuse what was denied.

        :raises RequestNotOpen: when it was.
        """
        if self.state == "DENIED":
            raise RequestNotOpen(field="request_id", rule="a request that was not denied")

    def deliver(self, *, actor: Actor, now: datetime) -> list[Event]:
        """Note that the record was delivered; only the first time counts.

        :raises RequestNotOpen: when it was denied.
        """
        self.check_deliverable()
        if self.state == "DELIVERED":
            return []
        self.state, self.delivered_at = "DELIVERED", now
        self.delivered_by, self.delivered_by_role = actor.actor_id, actor.role
        return [
            RecordDelivered(
                request_id=self.request_id,
                patient_id=self.patient_id,
                journey_id=self.journey_id,
                in_time=now <= self.due_at,
                delivered_at=now,
            )
        ]

    def extend(self, *, reason: str, now: datetime) -> None:
        """Put it off by thirty days, once, and say why.

        :raises RequestNotOpen: when it was delivered or denied, or its time has run out.
        :raises ExtendedAlready: when it was put off before.
        """
        self._check_open()
        if self.extended_at is not None:
            raise ExtendedAlready(field="request_id", rule="once (45 CFR 164.524(b)(2))")
        if now > self.due_at:
            raise RequestNotOpen(field="request_id", rule="put off before its time has run out")
        self.extended_at, self.reason = now, reason
        self.due_at += EXTENSION

    def deny(self, *, ground: str, reason: str, actor: Actor, now: datetime) -> None:
        """Deny it on one of the few grounds that there are.

        :raises RequestNotOpen: when it was delivered or denied.
        :raises GroundNeedsLicence: when the ground is for the licensed only.
        """
        self._check_open()
        if ground in GROUNDS_OF_THE_LICENSED and actor.credential not in roles.LICENSED_CREDENTIALS:
            raise GroundNeedsLicence(field="ground", rule="a licensed professional finds this")
        self.state, self.denied_at, self.ground, self.reason = "DENIED", now, ground, reason
        self.denied_by, self.denied_by_role = actor.actor_id, actor.role
        self.denied_by_credential = actor.credential

    def _check_open(self) -> None:
        if self.state != "OPEN":
            raise RequestNotOpen(field="request_id", rule="a request that is open")

    def _task(self, *, task: str, owner: str, then: str, at: datetime, due_at: datetime) -> Task:
        return Task(
            task_id=derived_id(self.request_id, task),
            task=task,
            owner_role=owner,
            next_role=then,
            reason="EXTENDED" if self.extended_at else "REQUESTED",
            about_id=self.request_id,
            patient_id=self.patient_id,
            journey_id=self.journey_id,
            opened_at=at,
            due_at=due_at,
        )


def check_said(*, ground: str | None, extend: bool) -> None:
    """Refuse an answer that says neither or both: put off, or denied on a ground.

    :raises InvalidInput: when it does.
    """
    if extend == (ground is not None):
        raise InvalidInput(
            "The answer says nothing, or two things.", field="ground", rule="a ground, or extend: not both"
        )
