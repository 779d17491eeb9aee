"""Clinicians, the credentials that let them lead groups and see patients alone, and their absences."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from services.scheduling.domain import exclusions
from services.scheduling.domain.weeks import moment_of
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Actor, Event
from shared.contracts.scheduling import ClinicianCredentialsChanged, CredentialExpired
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import derived_id

#: Days before a credential expires at which the supervisor is asked for a renewal: brief section 12,
#: event 29.
ALERT_DAYS = (60, 30, 7)

#: Local time of day at which the supervisor is asked. Design default.
ALERT_TIME = time(8)

#: A check at the source that did not find the credential as it was told.
NOT_CONFIRMED = "NOT_CONFIRMED"


class NoSuchClinician(NotFound):
    """Raised when a clinician is named who is not there."""


class ClinicianKnownAlready(Conflict):
    """Raised when a clinician is added under an id that is taken."""


class ClinicianElsewhere(Conflict):
    """Raised when a clinician would have to lead two sessions at once."""


class CredentialNotValid(InvalidInput):
    """Raised when somebody without an unexpired credential is given a group or a patient."""


class NoSuchCredential(NotFound):
    """Raised when a credential is checked that the clinician does not have."""


class SupervisorNotLicensed(InvalidInput):
    """Raised when somebody is to supervise who is no licensed clinician of the program."""


class AbsenceEndsBeforeStart(InvalidInput):
    """Raised when an absence ends before it begins."""


class NoSuchTask(NotFound):
    """Raised when a task is closed that was never about this clinician."""


class TaskClosedAlready(Conflict):
    """Raised when a task is closed that somebody closed before."""


class NotYoursToClose(Forbidden):
    """Raised when somebody closes a task about a clinician who does not answer for clinicians."""


@dataclass(eq=False, kw_only=True)
class Clinician:
    """Somebody who leads groups, and sees patients alone when licensed as a therapist."""

    clinician_id: str
    site_id: str
    added_at: datetime
    #: As JSON: ``{"kind", "state", "expires_on"}`` each, and ``"supervised_by"``, ``"checked_on"``,
    #: ``"check_source"``, ``"check_outcome"`` where there are any.
    credentials: list[dict[str, Any]] = field(default_factory=list)
    #: Kept sealed.
    name: str | None = None
    #: Tasks about credentials running out that the supervisor has dealt with.
    expiries_closed: list[str] = field(default_factory=list)
    #: Tasks about credentials running out that were opened, and credentials that were told expired.
    expiries_told: list[str] = field(default_factory=list)
    #: Open tasks to find somebody else for sessions, as JSON: ``{"task_id", "reason"}`` each.
    reassigning: list[dict[str, Any]] = field(default_factory=list)
    #: Credentials that others were told of, kind and last day each, and how often they were told.
    told: list[list[str]] = field(default_factory=list)
    revision: int = 0
    #: The newest look at each federal exclusion list, as JSON: ``{"finding", "checked_at"}`` by list.
    exclusions: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: The open task to look at them again.
    exclusion_task: str | None = None
    tenant_id: str = ""

    def kinds_on(self, day: date) -> set[str]:
        """Return the credentials that count on a day: unexpired, and not found wanting at the source.

        None of somebody who is on a federal exclusion list counts.
        """
        return {row["kind"] for row in self.credentials if self._counts(row, day)}

    def may_lead(self, *, on: date) -> bool:
        """Tell whether any credential is unexpired on a day; the last day still counts."""
        return bool(self.kinds_on(on))

    def may_counsel(self, *, on: date) -> bool:
        """Tell whether an unexpired credential is that of a licensed therapist."""
        return not self.kinds_on(on).isdisjoint(roles.THERAPIST_CREDENTIALS)

    def counsels_in(self, *, on: date) -> frozenset[str]:
        """Return the states of which the clinician is a licensed therapist on a day."""
        return frozenset(
            row["state"]
            for row in self.credentials
            if row["kind"] in roles.THERAPIST_CREDENTIALS and self._counts(row, on)
        )

    def may_take(self, *, kind: str, on: date) -> bool:
        """Tell whether the credentials of a day are enough for a session of some kind."""
        return self.may_counsel(on=on) if kind == "INDIVIDUAL" else self.may_lead(on=on)

    def is_licensed_in(self, *, state: str, on: date) -> bool:
        """Tell whether a credential of that state is unexpired: what telehealth asks for."""
        return any(row["state"] == state and self._counts(row, on) for row in self.credentials)

    def record_credential(self, credential: dict[str, Any], *, now: datetime) -> list[Event]:
        """Add a credential, or renew the one of the same kind and state; what asked for it is closed.

        A renewal has to be checked at the source anew.
        """
        before = [row for row in self.credentials if self._same(row, credential)]
        self.credentials = [row for row in self.credentials if not self._same(row, credential)] + [credential]
        caused: list[Event] = []
        for row in before:
            if row["expires_on"] < credential["expires_on"]:
                caused += self._close_alerts(row, outcome="DONE", now=now)
        return caused

    def check_credential(
        self, *, kind: str, state: str, source: str, outcome: str, checked_on: date
    ) -> dict[str, Any]:
        """Note what the primary source said about a credential, and return it.

        :raises NoSuchCredential: when the clinician has none of that kind and state.
        """
        named = {"kind": kind, "state": state}
        if not any(self._same(row, named) for row in self.credentials):
            raise NoSuchCredential(field="kind", rule="must be a credential of the clinician")
        checked = {
            "check_source": source,
            "check_outcome": outcome,
            "checked_on": checked_on.isoformat(),
        }
        self.credentials = [{**row, **checked} if self._same(row, named) else row for row in self.credentials]
        return next(row for row in self.credentials if self._same(row, named))

    def tell_credentials(self, *, now: datetime) -> list[Event]:
        """Return what credentials count now, where others know it otherwise; never who the person is."""
        counting = sorted(
            [row["kind"], row["expires_on"]]
            for row in self.credentials
            if self._counts(row, date.fromisoformat(row["expires_on"]))
        )
        if self.revision and counting == self.told:
            return []
        self.told = counting
        self.revision += 1
        return [
            ClinicianCredentialsChanged(
                clinician_id=self.clinician_id,
                site_id=self.site_id,
                kinds=tuple(kind for kind, _ in counting),
                expire_on=tuple(date.fromisoformat(expires_on) for _, expires_on in counting),
                revision=self.revision,
                told_at=now,
            )
        ]

    def watch(self, *, today: date, zone: str, now: datetime) -> list[Event]:
        """Ask for renewals that are due; each credential asks once at each of its alerts."""
        caused: list[Event] = []
        for row in self.credentials:
            expires_on = date.fromisoformat(row["expires_on"])
            left = (expires_on - today).days
            stages = [days for days in ALERT_DAYS if left <= days]
            if not stages or left < 0:
                continue
            stage = min(stages)
            task_id = self._alert_id(row, stage)
            if task_id in self.expiries_told:
                continue
            caused += self._close_alerts(row, outcome="ESCALATED", now=now)
            self.expiries_told = [*self.expiries_told, task_id]
            caused.append(
                TaskOpened(
                    task_id=task_id,
                    task="credential_expires",
                    owner_role=roles.SUPERVISOR,
                    reason=f"EXPIRES_WITHIN_{stage}_DAYS",
                    due_at=moment_of(day=expires_on, at=time(17), zone=zone),
                    about_id=self.clinician_id,
                    next_role=roles.MEDICAL_DIRECTOR,
                )
            )
        return caused

    def newly_expired(self, *, today: date) -> list[dict[str, Any]]:
        """Return the credentials that have run out and were not told yet; they are told by this."""
        found = []
        for row in self.credentials:
            told = self._alert_id(row, -1)
            if date.fromisoformat(row["expires_on"]) < today and told not in self.expiries_told:
                self.expiries_told = [*self.expiries_told, told]
                found.append(row)
        return found

    def expired(self, row: dict[str, Any], *, sessions_affected: int) -> CredentialExpired:
        """Return the fact that a credential has run out."""
        return CredentialExpired(
            clinician_id=self.clinician_id,
            site_id=self.site_id,
            kind=row["kind"],
            state=row["state"],
            expired_on=date.fromisoformat(row["expires_on"]),
            sessions_affected=sessions_affected,
        )

    def next_watch(self, *, after: datetime, zone: str) -> datetime | None:
        """Return the next moment at which a credential has to be looked at."""
        due = []
        for row in self.credentials:
            expires_on = date.fromisoformat(row["expires_on"])
            due += [
                moment_of(day=expires_on - timedelta(days=days), at=ALERT_TIME, zone=zone)
                for days in ALERT_DAYS
            ]
            due.append(moment_of(day=expires_on + timedelta(days=1), at=time(0), zone=zone))
        return min((moment for moment in due if moment > after), default=None)

    def ask_to_reassign(self, *, reason: str, about: str, due_at: datetime, now: datetime) -> list[Event]:
        """Ask the supervisor to find somebody else for sessions; the same trouble is told once.

        :param about: what keeps the clinician from leading them: a credential's last day, or an absence.
        """
        task_id = derived_id(self.clinician_id, "sessions_to_reassign", reason, about)
        if any(task["task_id"] == task_id for task in self.reassigning):
            return []
        self.reassigning = [*self.reassigning, {"task_id": task_id, "reason": reason}]
        return [
            TaskOpened(
                task_id=task_id,
                task="sessions_to_reassign",
                owner_role=roles.SUPERVISOR,
                reason=reason,
                due_at=max(due_at, now),
                about_id=self.clinician_id,
                next_role=roles.MEDICAL_DIRECTOR,
            )
        ]

    def settle_reassignment(self, *, now: datetime) -> list[Event]:
        """Close what asked for somebody else, now that no session needs one."""
        caused: list[Event] = [
            TaskClosed(
                task_id=task["task_id"],
                task="sessions_to_reassign",
                outcome="DONE",
                closed_at=now,
                about_id=self.clinician_id,
            )
            for task in self.reassigning
        ]
        self.reassigning = []
        return caused

    def close_task(self, *, task_id: str, outcome: str, now: datetime) -> list[Event]:
        """Note that the supervisor has dealt with a credential that runs out.

        :raises NoSuchTask: when none of the credentials asked for it.
        :raises TaskClosedAlready: when it was closed before.
        """
        asked = {self._expiry_task_id(date.fromisoformat(row["expires_on"])) for row in self.credentials}
        if task_id not in asked.union(self.expiries_told):
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

    def _close_alerts(self, row: dict[str, Any], *, outcome: str, now: datetime) -> list[Event]:
        """Close the tasks that ask for the renewal of a credential and are still open."""
        caused: list[Event] = []
        for stage in ALERT_DAYS:
            task_id = self._alert_id(row, stage)
            if task_id in self.expiries_told and task_id not in self.expiries_closed:
                caused += self.close_task(task_id=task_id, outcome=outcome, now=now)
        return caused

    def _counts(self, row: dict[str, Any], day: date) -> bool:
        return (
            day <= date.fromisoformat(row["expires_on"])
            and row.get("check_outcome") != NOT_CONFIRMED
            and not exclusions.is_excluded(self.exclusions)
        )

    def _same(self, row: dict[str, Any], other: dict[str, Any]) -> bool:
        return bool(row["kind"] == other["kind"] and row["state"] == other["state"])

    def _alert_id(self, row: dict[str, Any], stage: int) -> str:
        return derived_id(
            self.clinician_id, "credential_expires", row["kind"], row["state"], row["expires_on"], str(stage)
        )

    def _expiry_task_id(self, last_day: date) -> str:
        # As it was asked before credentials were watched one by one: such tasks may still be open.
        return derived_id(self.clinician_id, "credential_expires", last_day.isoformat())


@dataclass(eq=False, kw_only=True)
class Absence:
    """A stretch of time in which a clinician leads nothing."""

    absence_id: str
    clinician_id: str
    site_id: str
    starts_at: datetime
    ends_at: datetime
    #: One of ABSENCE_REASONS.
    reason: str
    recorded_at: datetime
    #: Who leads instead, where somebody was named.
    stand_in_id: str | None = None
    tenant_id: str = ""

    def covers(self, *, starts_at: datetime, ends_at: datetime) -> bool:
        """Tell whether the clinician is away for some of a stretch."""
        return self.starts_at < ends_at and starts_at < self.ends_at


def away(absences: Iterable[Absence], *, starts_at: datetime, ends_at: datetime) -> Absence | None:
    """Return the absence that keeps a clinician from a stretch, if one does."""
    return next(
        (absence for absence in absences if absence.covers(starts_at=starts_at, ends_at=ends_at)), None
    )


#: Who answers for clinicians, and closes what is asked about them.
OVERSEERS = (roles.SUPERVISOR, roles.MEDICAL_DIRECTOR)


def check_oversees(actor: Actor) -> None:
    """Refuse somebody who does not answer for clinicians.

    :raises NotYoursToClose: when the role is none of OVERSEERS.
    """
    if actor.role not in OVERSEERS:
        raise NotYoursToClose(field="role", rule=f"one of {', '.join(OVERSEERS)}")
