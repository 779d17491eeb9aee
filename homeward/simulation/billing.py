"""What the office reads off at the end: days that may be billed, and the records of admissions."""

from collections import Counter
from datetime import timedelta
from typing import Any

from homeward.simulation.world import World
from shared.contracts import roles

#: Days of one list: the server tells at most a hundred at a time.
STRETCH = timedelta(days=90)
#: Days, or records, in a page.
PAGE = 200


def days(world: World) -> dict[str, Any]:
    """Count the attended days of the run that may be billed, and why others may not, as the server judges."""
    billable = _days_of(world, "billable-days")
    unbilled = _days_of(world, "unbilled-days")
    reasons = Counter(reason for one in unbilled for reason in one["reasons"])
    return {
        "days_attended": len(billable) + len(unbilled),
        "days_billable": len(billable),
        "units_used": sum(one["authorization_id"] is not None for one in billable),
        "days_unbilled": len(unbilled),
        "because": dict(sorted(reasons.items())),
    }


def teds_records(world: World) -> dict[str, int]:
    """Count the records of admissions in TEDS codes, and those that contradict the code book."""
    records = _listed(world, "/v1/teds-records")
    return {"records": len(records), "with_problems": sum(bool(one["problems"]) for one in records)}


def _days_of(world: World, which: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    first, last = world.on(world.starts_at), world.on(world.now)
    while first <= last:
        until = min(first + STRETCH, last)
        found += _listed(world, f"/v1/{which}", **{"from": first.isoformat(), "to": until.isoformat()})
        first = until + timedelta(days=1)
    return found


def _listed(world: World, path: str, **asked: str) -> list[dict[str, Any]]:
    return world.gateway.list_all(path, role=roles.FRONT_DESK, page=PAGE, site_id=world.site_id, **asked)
