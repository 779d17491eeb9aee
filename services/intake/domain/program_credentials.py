"""Licences and accreditations of programs: who checked them, when, and until when they hold.

A program counts as verified only while a licence of its own is, and no licence of its own is suspended
or revoked. All of it depends on moments, so a search sees an expiry at once, not when a job has run.

Of a site of ours, the program itself knows until when it may give which level: a licence that somebody saw
at the source counts only for levels, and only as long, as the site's own licences say so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.intake.domain.tasks import Task
from shared.contracts import roles
from shared.contracts.event import Event
from shared.contracts.intake import PROGRAM_CREDENTIAL_BODIES, ProgramCredentialChanged
from shared.errors import Conflict, InvalidInput
from shared.ids import derived_id

UNVERIFIED, PENDING, VERIFIED, EXPIRING = "UNVERIFIED", "PENDING", "VERIFIED", "EXPIRING"
EXPIRED, SUSPENDED, REVOKED = "EXPIRED", "SUSPENDED", "REVOKED"

#: How long a check holds before the source is asked again. Brief section 9.
RECHECK_AFTER = timedelta(days=30)
#: How long a credential stays verified while its re-check is overdue. Design default.
RECHECK_GRACE = timedelta(days=7)
#: How long before its end a credential is said to be expiring: first, second and last time. Brief 9.
EXPIRING_BEFORE = (timedelta(days=90), timedelta(days=60), timedelta(days=30))

#: Tasks: to look at the primary source again, and to record what follows a credential that ends.
RECHECK_TASK = "program_credential_recheck"
RENEWAL_TASK = "program_credential_ends"

#: Until when a site's own licences let it give each level that it may give now; None where no end is known.
Given = Mapping[str, datetime | None]

#: What a check of the primary source can find.
CONFIRMED, NOT_FOUND = "CONFIRMED", "NOT_FOUND"


class CredentialKnownAlready(Conflict):
    """Raised when a program's credential of this body and number is recorded already."""


class CredentialHasEnded(Conflict):
    """Raised when a credential is checked that was revoked, or whose end has passed."""


@dataclass(eq=False, kw_only=True)
class ProgramCredential:
    """A licence or an accreditation of one program.

    ``standing`` is what the newest check found: "" before the first one, else CONFIRMED, NOT_FOUND,
    SUSPENDED or REVOKED. ``evidence_hash`` is of what the checker saw and kept elsewhere.
    """

    credential_id: str
    program_id: str
    kind: str
    body: str
    number: str
    state: str | None
    levels: list[str]
    outcome: str | None
    starts_at: datetime
    ends_at: datetime
    source_url: str | None
    recorded_at: datetime
    recorded_by: str
    recorded_by_role: str
    standing: str = ""
    verified_at: datetime | None = None
    verified_by: str | None = None
    verified_by_role: str | None = None
    evidence_hash: str | None = None
    tenant_id: str = ""

    def status(self, *, now: datetime) -> str:
        """Return where the credential stands at a moment: one of PROGRAM_CREDENTIAL_STATES."""
        if self.standing in (SUSPENDED, REVOKED):
            return self.standing
        if now >= self.ends_at:
            return EXPIRED
        if self.verified_at is None:
            return PENDING
        if self.standing == NOT_FOUND or now < self.starts_at or now >= self.lapses_at(self.verified_at):
            return UNVERIFIED
        return EXPIRING if now >= self.ends_at - EXPIRING_BEFORE[0] else VERIFIED

    def lapses_at(self, verified_at: datetime) -> datetime:
        """Return when a check made at a moment holds no longer: its end, or too long without another."""
        return min(self.ends_at, verified_at + RECHECK_AFTER + RECHECK_GRACE)

    def recheck_due_at(self) -> datetime | None:
        """Return when the source must be asked again; none before the first check and after the end."""
        if self.verified_at is None or self.standing == REVOKED:
            return None
        due_at = self.verified_at + RECHECK_AFTER
        return due_at if due_at < self.ends_at else None

    def check(
        self,
        *,
        found: str,
        evidence_hash: str | None,
        source_url: str | None,
        actor_id: str,
        actor_role: str,
        now: datetime,
    ) -> None:
        """Keep what a look at the primary source found, who looked and when.

        :raises CredentialHasEnded: when it was revoked before, or its end has passed.
        """
        if self.standing == REVOKED or now >= self.ends_at:
            raise CredentialHasEnded("The credential has ended; record the new one.", rule="not ended")
        self.standing = found
        self.verified_at, self.verified_by, self.verified_by_role = now, actor_id, actor_role
        self.evidence_hash = evidence_hash
        self.source_url = source_url or self.source_url

    def next_change_at(self, *, now: datetime) -> datetime | None:
        """Return when its status changes next, or is told again, without anybody's doing."""
        if self.standing in (SUSPENDED, REVOKED):
            return None
        moments = [self.ends_at, *(self.ends_at - before for before in EXPIRING_BEFORE)]
        if self.verified_at is not None:
            moments += [self.starts_at, self.lapses_at(self.verified_at)]
        return min((moment for moment in moments if moment > now), default=None)

    def is_ending(self, *, now: datetime) -> bool:
        """Tell whether it is time to ask for the credential that follows."""
        return self.standing != REVOKED and self.ends_at - EXPIRING_BEFORE[0] <= now < self.ends_at

    def recheck_task(self) -> Task:
        """Return the request to look at the primary source again; the newest look names it."""
        asked_at = (self.verified_at or self.recorded_at) + RECHECK_AFTER
        return Task(
            task_id=derived_id(self.credential_id, RECHECK_TASK, asked_at.isoformat()),
            task=RECHECK_TASK,
            owner_role=roles.OPERATIONS,
            next_role=roles.SUPERVISOR,
            reason=self.kind,
            about_id=self.credential_id,
            opened_at=asked_at,
            due_at=asked_at + RECHECK_GRACE,
        )

    def renewal_task(self) -> Task:
        """Return the request for the credential that follows this one."""
        return Task(
            task_id=derived_id(self.credential_id, RENEWAL_TASK),
            task=RENEWAL_TASK,
            owner_role=roles.OPERATIONS,
            next_role=roles.SUPERVISOR,
            reason=self.kind,
            about_id=self.program_id,
            opened_at=max(self.recorded_at, self.ends_at - EXPIRING_BEFORE[0]),
            due_at=self.ends_at,
        )


def record(credential: ProgramCredential, *, beside: Iterable[ProgramCredential]) -> None:
    """Check a credential before it is kept.

    :param beside: what the program has already.
    :raises InvalidInput: naming each field that breaks a rule.
    :raises CredentialKnownAlready: when the program has one of this body and number.
    """
    problems = []
    if any((one.body, one.number) == (credential.body, credential.number) for one in beside):
        raise CredentialKnownAlready("The program has it already.", field="number", rule="once for each body")
    if credential.ends_at <= credential.starts_at:
        problems.append({"field": "ends_at", "rule": "after starts_at"})
    if credential.body not in PROGRAM_CREDENTIAL_BODIES[credential.kind]:
        allowed = ", ".join(PROGRAM_CREDENTIAL_BODIES[credential.kind])
        problems.append({"field": "body", "rule": f"for this kind one of {allowed}"})
    if credential.kind == "LICENCE" and not credential.state:
        problems.append({"field": "state", "rule": "a licence is of a state"})
    if credential.kind == "LICENCE" and not credential.levels:
        problems.append({"field": "levels", "rule": "a licence is for levels of care"})
    if credential.recorded_at >= credential.ends_at:
        problems.append({"field": "ends_at", "rule": "a credential that has ended is not recorded"})
    if problems:
        raise InvalidInput("The credential is not usable.", problems=tuple(problems))


def verified_between(
    credentials: Iterable[ProgramCredential], *, now: datetime, given: Given | None = None
) -> tuple[datetime, datetime] | None:
    """Return from when until when a program is verified, as far as is known now; none when it is not.

    :param given: of a site of ours, what it may give by its own licences.
    """
    licences = [one for one in credentials if one.kind == "LICENCE"]
    if any(one.standing in (SUSPENDED, REVOKED) for one in licences):
        return None
    good = [one for one in licences if one.standing == CONFIRMED and one.verified_at and one.starts_at <= now]
    ends = [_counts_until(one, one.verified_at, given, now=now) for one in good if one.verified_at]
    until = max(ends, default=now)
    return (max(one.starts_at for one in good), until) if until > now else None


def _counts_until(
    licence: ProgramCredential, verified_at: datetime, given: Given | None, *, now: datetime
) -> datetime:
    """Return until when a licence that was looked up counts; now, where it does not."""
    until = licence.lapses_at(verified_at)
    if given is None:
        return until
    ends = [given[level] or until for level in licence.levels if level in given]
    return min(until, max(ends, default=now))


def licensed_levels(
    credentials: Iterable[ProgramCredential], *, now: datetime, given: Given | None = None
) -> list[str]:
    """Return the levels of care that verified licences of a program cover now.

    :param given: of a site of ours, what it may give by its own licences.
    """
    return sorted(
        {
            level
            for one in credentials
            if one.kind == "LICENCE" and one.status(now=now) in (VERIFIED, EXPIRING)
            for level in one.levels
            if given is None or level in given
        }
    )


def changed(credential: ProgramCredential, *, program_verified: bool, now: datetime) -> Event:
    """Return the news of where a credential stands."""
    return ProgramCredentialChanged(
        credential_id=credential.credential_id,
        program_id=credential.program_id,
        kind=credential.kind,
        status=credential.status(now=now),
        ends_at=credential.ends_at,
        program_verified=program_verified,
        changed_at=now,
    )
