"""The directory in the simulation: our own site with a verified licence, and invented programs around it."""

import hashlib
from datetime import timedelta
from typing import Any

from homeward.simulation.draws import Draws
from homeward.simulation.world import World
from shared.contracts import roles
from shared.contracts.event import write_moment

#: Where the simulated site stands: the middle of Chicago.
PLACE: dict[str, float] = {"latitude": 41.8786, "longitude": -87.6360}
#: How the payers of the rows are called in the directory; who has none pays themself.
PAYERS: dict[str | None, str] = {
    "PRIVATE": "PRIVATE",
    "MEDICAID": "MEDICAID",
    "MEDICARE_OR_OTHER": "MEDICARE",
    None: "SELF_PAY",
}

#: Invented programs around the site, and how far away they lie at most, in degrees. Assumption.
FACILITIES, WITHIN_DEGREES = 24, 0.25
#: What each of them is, in turn, in the words of SAMHSA's locator.
_SETTINGS = (
    "Regular outpatient treatment; Intensive outpatient treatment",
    "Outpatient day treatment or partial hospitalization",
    "Long-term residential; Short-term residential",
    "Residential detoxification; Hospital inpatient treatment",
)
_PAYMENTS = ("Medicaid; Medicare; Cash or self-payment", "Private health insurance; Cash or self-payment")


def publish(world: World) -> None:
    """List our site, have its licence verified, and take invented programs into the directory."""
    gateway = world.gateway
    listing = {
        "site_id": world.site_id,
        "street": "1 Modelled Street",
        "city": "Chicago",
        "state": "IL",
        "zip_code": "60601",
        "payers": sorted(PAYERS.values()),
        "approaches": ["CBT", "MI", "RELAPSE_PREVENTION"],
        "languages": ["EN"],
    }
    program = gateway.post("/v1/programs", {**listing, **PLACE}, role=roles.OPERATIONS)
    licence = gateway.post(
        f"/v1/programs/{program['program_id']}/credentials",
        {
            "kind": "LICENCE",
            "body": "STATE",
            "number": "SIMULATED-1",
            "state": "IL",
            "levels": ["2.1"],
            "starts_at": write_moment(world.now - timedelta(days=30)),
            "ends_at": write_moment(world.now + timedelta(days=365)),
        },
        role=roles.OPERATIONS,
    )
    gateway.post(
        f"/v1/program-credentials/{licence['credential_id']}/checks",
        {"found": "CONFIRMED", "evidence_hash": hashlib.sha256(b"simulated").hexdigest()},
        role=roles.OPERATIONS,
    )
    rows = [_facility(world, number) for number in range(FACILITIES)]
    # A job: program time does not move before it is done, so that it need not be asked after.
    gateway.post("/v1/facility-imports", {"rows": rows}, role=roles.OPERATIONS)


def search(world: World, *, level: str, payer: str | None) -> Any:
    """Return what the directory finds around the site for somebody."""
    asked: dict[str, Any] = {**PLACE, "level": level, "payer": PAYERS[payer]}
    return world.gateway.get("/v1/program-matches", role=roles.FRONT_DESK, **asked)


def _facility(world: World, number: int) -> dict[str, Any]:
    draws = Draws(world.seed, f"facility {number}")

    def beside(degrees: float, what: str) -> float:
        return round(degrees + draws.source(what).uniform(-WITHIN_DEGREES, WITHIN_DEGREES), 4)

    return {
        "name1": f"Modelled Program {number + 1}",
        "street1": f"{number + 1} Invented Avenue",
        "city": "Chicago",
        "state": "IL",
        "zip": "60601",
        "latitude": beside(PLACE["latitude"], "latitude"),
        "longitude": beside(PLACE["longitude"], "longitude"),
        "services": [
            {"f1": "Service Setting", "f2": "SET", "f3": _SETTINGS[number % len(_SETTINGS)]},
            {"f1": "Payment Accepted", "f2": "PAY", "f3": _PAYMENTS[number // len(_SETTINGS) % 2]},
        ],
    }
