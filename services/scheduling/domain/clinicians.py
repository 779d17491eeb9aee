"""Clinicians and the credentials that let them lead groups and see patients alone."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from services.scheduling.domain.weeks import moment_of
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Event
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import derived_id


class NoSuchClinician(NotFound):
    """Raised when a clinician is named who is not there."""


class ClinicianKnownAlready(Conflict):
    """Raised when a clinician is added under an id that is taken."""


class CredentialNotValid(InvalidInput):
    """Raised when somebody without an unexpired credential is given a group or a patient."""


class NoSuchTask(NotFound):
    """Raised when a task is closed that was never about this clinician."""


class TaskClosedAlready(Conflict):
    """Raised when a task is closed that somebody closed before."""


@dataclass(eq=False, kw_only=True)
class Clinician:
    """Somebody who leads groups, and sees patients alone when licensed as a therapist."""

    clinician_id: str
    site_id: str
    added_at: datetime
    #: As JSON: ``{"kind", "state", "expires_on"}`` each.
    credentials: list[dict[str, Any]] = field(default_factory=list)
    #: Kept sealed.
    name: str | None = None
    #: Tasks about credentials running out that the supervisor has dealt with.
    expiries_closed: list[str] = field(default_factory=list)
    tenant_id: str = ""

    def _kinds_on(self, day: date) -> set[str]:
        return {row["kind"] for row in self.credentials if day <= date.fromisoformat(row["expires_on"])}

    def may_lead(self, *, on: date) -> bool:
        """Tell whether any credential is unexpired on a day; the last day still counts."""
        return bool(self._kinds_on(on))

    def may_counsel(self, *, on: date) -> bool:
        """Tell whether an unexpired credential is that of a licensed therapist."""
        return not self._kinds_on(on).isdisjoint(roles.THERAPIST_CREDENTIALS)

    def warn_of_expiry(self, *, through: date, zone: str) -> list[Event]:
        """Ask the supervisor for a renewal when the last credential expires in the week up to *through*."""
        last_day = max((date.fromisoformat(row["expires_on"]) for row in self.credentials), default=None)
        if last_day is None or not through - timedelta(days=7) < last_day <= through:
            return []
        return [
            TaskOpened(
                task_id=self._expiry_task_id(last_day),
                task="credential_expires",
                owner_role=roles.SUPERVISOR,
                reason="LAST_CREDENTIAL",
                due_at=moment_of(day=last_day, at=time(17), zone=zone),
                about_id=self.clinician_id,
            )
        ]

    def close_task(self, *, task_id: str, outcome: str, now: datetime) -> list[Event]:
        """Note that the supervisor has dealt with a credential that runs out.

        :raises NoSuchTask: when none of the credentials asked for it.
        :raises TaskClosedAlready: when it was closed before.
        """
        last_days = (date.fromisoformat(row["expires_on"]) for row in self.credentials)
        if task_id not in map(self._expiry_task_id, last_days):
            raise NoSuchTask(field="task_id", rule="must be a task about this clinician")
        if task_id in self.expiries_closed:
            raise TaskClosedAlready(field="task_id", rule="an open task")
        self.expiries_closed = sorted([*self.expiries_closed, task_id])
        return [
            TaskClosed(
                task_id=task_id,
                task="credential_expires",
                outcome=outcome,
                closed_at=now,
                about_id=self.clinician_id,
            )
        ]

    def _expiry_task_id(self, last_day: date) -> str:
        return derived_id(self.clinician_id, "credential_expires", last_day.isoformat())
