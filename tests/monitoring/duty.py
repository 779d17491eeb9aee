"""Who works where Dana is treated, and who of them has the duty."""

from datetime import datetime, timedelta
from typing import Any

from shared.contracts import common
from shared.contracts.monitoring import StaffPaged
from shared.ids import derived_id
from tests.support import Room

#: Staff by their first names: what they are paged as, and where.
STAFF = {
    "ana": ("clinician", "mailto:ana@example.org"),
    "ben": ("clinician", "mailto:ben@example.org"),
    "cleo": ("counselor", "mailto:cleo@example.org"),
    "sue": ("supervisor", "mailto:sue@example.org"),
    "mia": ("medical_director", "https://pager.example.org/mia"),
}

AS_SUE = {"role": "supervisor", "credential": "LCSW"}


def staff(name: str) -> str:
    """Return somebody's id."""
    return derived_id("staff", name)


def name_of(staff_id: str) -> str:
    """Return whose id it is; what is no id, as it is."""
    return {staff(name): name for name in STAFF}.get(staff_id, staff_id)


def keep(room: Room, *names: str, **changed: Any) -> None:
    """Tell where these of the staff are paged."""
    for name in names:
        role, address = STAFF[name]
        contact = {"staff_id": staff(name), "role": role, "address": address, **changed}
        room.call("keep_staff_contact", contact, **AS_SUE)


def plan(room: Room, name: str, since: datetime, until: datetime | timedelta) -> str:
    """Give somebody the duty and return the shift's id."""
    ends_at = since + until if isinstance(until, timedelta) else until
    shift = {"staff_id": staff(name), "starts_at": since.isoformat(), "ends_at": ends_at.isoformat()}
    shift_id: str = room.call("plan_on_call_shift", shift, **AS_SUE)["shift_id"]
    return shift_id


def paged(room: Room) -> list[tuple[str, str, int]]:
    """Return who was paged, as what and at which tier, in order."""
    return [(name_of(page.staff_id), page.paged_as, page.tier) for page in room.announced_of(StaffPaged)]


def names_paged(room: Room) -> list[str]:
    """Return who was paged, in order."""
    return [name for name, _, _ in paged(room)]


def settle(room: Room, outcome: str, *, pages: list[StaffPaged] | None = None) -> None:
    """Let something become of pages; of all that were made so far when none are named."""
    for page in room.announced_of(StaffPaged) if pages is None else pages:
        room.deliver(settled(page.notification_id, outcome, about_id=page.escalation_id, at=room.now))


def settled(
    notification_id: str, outcome: str, *, about_id: str, at: datetime, template: str = "STAFF_PAGE"
) -> common.NotificationSettled:
    """Something became of a notification."""
    return common.NotificationSettled(
        notification_id=notification_id,
        template=template,
        outcome=outcome,
        about_id=about_id,
        attempts=1,
        settled_at=at,
    )
