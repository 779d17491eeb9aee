"""The clocks of the law for people on the waiting list who inject or are pregnant, and who is asked.

They count from the request for help, whatever happened since.
"""

from datetime import datetime, timedelta

from services.intake.domain.admission_waits import AdmissionWait
from services.intake.domain.tasks import Task
from shared.contracts import roles
from shared.contracts.event import Event
from shared.contracts.intake import ADMISSION_CLOCKS, AdmissionClockBreached, InterimServicesProvided
from shared.errors import InvalidInput
from shared.ids import derived_id

INTERIM, FIRST, LAST = ADMISSION_CLOCKS

#: When interim services, and the admission of somebody who injects, are due after the request. 45 CFR
#: 96.126(b): 14 days, or 120 days where there is no capacity and interim services began within 48 hours.
#: Pregnant women get interim services within 48 hours as well: 45 CFR 96.131(d).
DUE_AFTER = {INTERIM: timedelta(hours=48), FIRST: timedelta(days=14), LAST: timedelta(days=120)}

#: What interim services are at least, and besides for pregnant women. 45 CFR 96.121.
REQUIRED = ("HIV_TB_COUNSELLING", "TRANSMISSION_PREVENTION", "HIV_TB_REFERRAL")
REQUIRED_IF_PREGNANT = ("FETAL_EFFECTS_COUNSELLING", "PRENATAL_REFERRAL")

#: Time to write down what was given, where somebody is put on the list late. Design default.
WRITTEN_DOWN_WITHIN = timedelta(hours=2)
#: Time for whoever is asked once a clock has run out. Design default.
ESCALATED_WITHIN = timedelta(hours=4)

INTERIM_TASK = "interim_services"
ADMISSION_TASK = "admission_in_time"


def clocks_of(wait: AdmissionWait) -> dict[str, datetime]:
    """Return which clocks run from the beginning, and when each runs out."""
    found = {}
    if (wait.injecting or wait.pregnant) and wait.interim_completed_at is None:
        found[INTERIM] = due_at(wait, INTERIM)
    if wait.injecting:
        clock = LAST if wait.extended else FIRST
        found[clock] = due_at(wait, clock)
    return found


def due_at(wait: AdmissionWait, clock: str) -> datetime:
    """Return when a clock runs out."""
    return wait.asked_at + DUE_AFTER[clock]


def looked_at(wait: AdmissionWait, clock: str, *, asked_at: datetime) -> datetime:
    """Return when to look at a clock: as it runs out, or as soon as can be written down what was given.

    :param asked_at: when somebody was asked because of it.
    """
    return max(due_at(wait, clock), asked_at + WRITTEN_DOWN_WITHIN)


def required_of(wait: AdmissionWait) -> set[str]:
    """Return what interim services have to be, for this person."""
    return {*REQUIRED, *(REQUIRED_IF_PREGNANT if wait.pregnant else ())}


def provide(wait: AdmissionWait, *, services: list[str], provided_at: datetime, now: datetime) -> list[Event]:
    """Note interim services; the clock stops once all that is required was given.

    :raises InvalidInput: when they lie ahead, or before the request.
    """
    wait.check_waiting()
    if not wait.asked_at <= provided_at <= now:
        raise InvalidInput(
            "They cannot have been given then.",
            field="provided_at",
            rule="after the request, and not in the future",
        )
    wait.interim_services = sorted({*wait.interim_services, *services})
    if wait.interim_completed_at is not None or not required_of(wait) <= set(wait.interim_services):
        return []
    wait.interim_completed_at = provided_at
    return [
        InterimServicesProvided(
            patient_id=wait.patient_id,
            episode_id=wait.episode_id,
            journey_id=wait.journey_id,
            wait_id=wait.wait_id,
            in_time=provided_at <= due_at(wait, INTERIM),
            completed_at=provided_at,
        )
    ]


def run_out(wait: AdmissionWait, clock: str, *, at: datetime) -> tuple[list[Event], Task | None]:
    """Return what follows when a clock has run out: a breach, and who is asked.

    After 14 days the law allows up to 120, where interim services began in time: then it is no breach.
    """
    if not wait.is_waiting or (clock == INTERIM and wait.interim_completed_at is not None):
        return [], None
    if clock == FIRST and _interim_in_time(wait):
        wait.extended = True
        return [], task(wait, LAST, opened_at=at)
    breached = AdmissionClockBreached(
        patient_id=wait.patient_id,
        episode_id=wait.episode_id,
        journey_id=wait.journey_id,
        wait_id=wait.wait_id,
        clock=clock,
        due_at=due_at(wait, clock),
        breached_at=at,
    )
    return [breached], task(wait, clock, opened_at=at, run_out=True)


def task(wait: AdmissionWait, clock: str, *, opened_at: datetime, run_out: bool = False) -> Task:
    """Return what is asked because of a clock: of the team while it runs, of the leaders once it is out."""
    if clock == INTERIM:
        return _task(wait, clock, task=INTERIM_TASK, opened_at=opened_at, run_out=run_out)
    return _task(wait, clock, task=ADMISSION_TASK, opened_at=opened_at, run_out=run_out)


def _task(wait: AdmissionWait, clock: str, *, task: str, opened_at: datetime, run_out: bool) -> Task:
    owner = _LEADER[clock] if run_out else _OWNER[clock]
    return Task(
        task_id=task_id(wait, clock, run_out=run_out),
        task=task,
        owner_role=owner,
        next_role=roles.SUPERVISOR if owner in _TEAM else roles.MEDICAL_DIRECTOR,
        reason=f"{clock}_PASSED" if run_out else clock,
        about_id=wait.wait_id,
        patient_id=wait.patient_id,
        episode_id=wait.episode_id,
        journey_id=wait.journey_id,
        opened_at=opened_at,
        due_at=opened_at + ESCALATED_WITHIN if run_out else due_at(wait, clock),
    )


def task_id(wait: AdmissionWait, clock: str, *, run_out: bool = False) -> str:
    """Return the id of what is asked because of a clock."""
    # For a pregnant woman interim services are more: being asked for them is another request.
    who = "pregnant" if clock == INTERIM and wait.pregnant else ""
    return derived_id(wait.wait_id, clock, "passed" if run_out else "running", who)


def task_ids(wait: AdmissionWait, *, clocks: tuple[str, ...] = ADMISSION_CLOCKS) -> list[str]:
    """Return the ids of all that can have been asked because of some clocks."""
    return [task_id(wait, clock, run_out=passed) for clock in clocks for passed in (False, True)]


def _interim_in_time(wait: AdmissionWait) -> bool:
    return wait.interim_completed_at is not None and wait.interim_completed_at <= due_at(wait, INTERIM)


_TEAM = (roles.COUNSELOR, roles.FRONT_DESK)
#: Who is asked while a clock runs, and once it has run out.
_OWNER = {INTERIM: roles.COUNSELOR, FIRST: roles.FRONT_DESK, LAST: roles.SUPERVISOR}
_LEADER = {INTERIM: roles.SUPERVISOR, FIRST: roles.SUPERVISOR, LAST: roles.MEDICAL_DIRECTOR}
