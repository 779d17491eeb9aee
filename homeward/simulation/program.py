"""Opens the simulated program: one site, its clinicians, its groups, and who has the duty when."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from homeward.simulation import cover, directory
from homeward.simulation.world import World
from shared.contracts import roles
from shared.contracts.event import write_moment
from shared.contracts.scheduling import DAY_TRACKS

TIME_ZONE = "America/Chicago"

#: Levels of care that the simulated site is licensed for.
LEVELS_LICENSED = ["2.1"]

#: Groups on each track, each on five days with twelve places: 60 places a week for people who need
#: three. Enough that nobody waits because of numbers, whatever track their week leaves free.
GROUPS_A_TRACK = 4

#: Workshops on each track, on five days with thirty places: one a week for everybody.
WORKSHOPS_A_TRACK = 1

#: Groups that stand in a week only for who wishes them, between the blocks of the day so that they can be
#: had without another trip: kind, what it does, track, weekdays, start, end, who leads it. Twelve places on
#: each day, enough for everybody who wishes.
GROUPS_BY_WISH = (
    ("FAMILY", "FAMILY", "AFTERNOON", (0, 1, 2, 3), "12:00", "13:00", "LCSW"),
    ("FAMILY", "FAMILY", "EVENING", (0, 1, 2, 3), "17:00", "18:00", "LCSW"),
    ("SUPPORT", "TWELVE_STEP", "AFTERNOON", (2, 4), "12:00", "13:00", "LADC"),
    ("SUPPORT", "TWELVE_STEP", "EVENING", (2, 4), "17:00", "18:00", "LADC"),
)

#: Licensed therapists for the weekly hour alone, some 60 a week each.
THERAPISTS = 8

#: What the groups of a track do, in turn.
MODALITIES = ("RELAPSE_PREVENTION", "CBT", "PROCESS", "MI", "LIFE_SKILLS")

#: The manual that the workshops follow, a module a week.
WORKSHOP_MANUAL = "LIFE_SKILLS"

#: Staff who can be paged, by the role that they are paged as. The first two take turns in the duty.
PAGED_STAFF = (
    roles.CLINICIAN,
    roles.CLINICIAN,
    roles.COUNSELOR,
    roles.SUPERVISOR,
    roles.MEDICAL_DIRECTOR,
)
ON_CALL_STAFF = 2

#: The duty goes from one to the other every week, and is planned beyond the end of the run.
DUTY = timedelta(days=7)

#: What the notice is called that everybody is given.
NOTICE_EDITION = "simulated-1"

#: The last day of every credential: nobody's runs out within a simulation.
CREDENTIAL_EXPIRES_ON = "2035-12-31"


def open_program(world: World) -> None:
    """Open the site, hire the staff and open the groups."""
    gateway = world.gateway
    site = gateway.post(
        "/v1/sites",
        {
            "name": "Homeward, simulated",
            "time_zone": TIME_ZONE,
            "levels_licensed": LEVELS_LICENSED,
            "emergency_phone": "+1 312 555 0142",
        },
        role=roles.OPERATIONS,
    )
    world.site_id = site["site_id"]
    _sign_rules(world)
    _publish_notice(world)
    # The services hear of the site before they are told about its people.
    gateway.post("/v1/clock/jumps", {"no_later_than": world.now.isoformat()}, role=roles.OPERATIONS)
    # Ids that are given, and grow with the number: what a service orders by id comes out the same in
    # every run of a seed, and two runs on one server still do not meet.
    run = secrets.token_hex(4)
    for number in range(1, THERAPISTS + 1):
        _add_clinician(world, f"{run}-0000-7000-8001-{number:012x}", "LCSW" if number % 2 else "LPC")
    curriculum = gateway.post(
        "/v1/curricula",
        {
            "curriculum_id": f"{run}-0000-7000-8005-{1:012x}",
            "site_id": world.site_id,
            "manual": WORKSHOP_MANUAL,
        },
        role=roles.SUPERVISOR,
    )
    number = 0
    for track in DAY_TRACKS:
        kinds = [("GROUP", modality) for modality in MODALITIES[:GROUPS_A_TRACK]]
        kinds += [("EDUCATION", "LIFE_SKILLS")] * WORKSHOPS_A_TRACK
        for kind, modality in kinds:
            number += 1
            group = _open_group(
                world,
                run,
                number,
                credential="LADC",
                kind=kind,
                track=track,
                modality=modality,
                weekdays=[0, 1, 2, 3, 4],
            )
            if kind == "EDUCATION":
                gateway.post(
                    f"/v1/groups/{group['group_id']}/curriculum",
                    {"curriculum_id": curriculum["curriculum_id"]},
                    role=roles.SUPERVISOR,
                )
    _open_groups_by_wish(world, run, number)
    cover.set_rates(world)
    directory.publish(world)
    _plan_duty(world, run)


def _open_groups_by_wish(world: World, run: str, number: int) -> None:
    for kind, modality, track, weekdays, starts, ends, credential in GROUPS_BY_WISH:
        number += 1
        _open_group(
            world,
            run,
            number,
            credential=credential,
            kind=kind,
            track=track,
            modality=modality,
            weekdays=list(weekdays),
            starts=starts,
            ends=ends,
        )


def _open_group(world: World, run: str, number: int, *, credential: str, **told: Any) -> Any:
    """Hire somebody with a credential, and open a group that they lead; return the answer."""
    facilitator_id = f"{run}-0000-7000-8002-{number:012x}"
    _add_clinician(world, facilitator_id, credential)
    return world.gateway.post(
        "/v1/groups",
        {
            "group_id": f"{run}-0000-7000-8003-{number:012x}",
            "site_id": world.site_id,
            "facilitator_id": facilitator_id,
        }
        | told,
        role=roles.OPERATIONS,
    )


def _publish_notice(world: World) -> None:
    """Publish an edition of the notice of how records are protected: a name without a text."""
    digest = hashlib.sha256(NOTICE_EDITION.encode()).hexdigest()
    world.gateway.post(
        "/v1/privacy-notices",
        {"edition": NOTICE_EDITION, "digest": digest},
        role=roles.OPERATIONS,
    )


def _sign_rules(world: World) -> None:
    """Put every pack of rules in force that may be, in the name of the medical director.

    In a program of its own, a person reads each pack before signing it; here a script signs.
    """
    for pack in world.gateway.get("/v1/rules", role=roles.MEDICAL_DIRECTOR)["items"]:
        if pack["may_be_signed"] and not pack["in_force"]:
            signed = {name: pack[name] for name in ("pack", "version", "digest")}
            world.gateway.post("/v1/rule-signatures", signed, role=roles.MEDICAL_DIRECTOR)


def _plan_duty(world: World, run: str) -> None:
    """Tell where the staff are paged, and have somebody on duty at every moment of the run.

    In simulated time nothing is sent: what would have been is announced as simulated.
    """
    staff = [f"{run}-0000-7000-8004-{number:012x}" for number in range(1, len(PAGED_STAFF) + 1)]
    for number, (staff_id, role) in enumerate(zip(staff, PAGED_STAFF, strict=True), start=1):
        world.gateway.post(
            "/v1/staff-contacts",
            {"staff_id": staff_id, "role": role, "address": f"mailto:staff-{number}@example.org"},
            role=roles.SUPERVISOR,
        )
    week, starts_at = 0, world.now
    while starts_at < world.ends_at + DUTY:
        world.gateway.post(
            "/v1/on-call-shifts",
            {
                "staff_id": staff[week % ON_CALL_STAFF],
                "starts_at": write_moment(starts_at),
                "ends_at": write_moment(starts_at + DUTY),
            },
            role=roles.SUPERVISOR,
        )
        week, starts_at = week + 1, starts_at + DUTY


def _add_clinician(world: World, clinician_id: str, credential: str) -> None:
    world.gateway.post(
        "/v1/clinicians",
        {
            "clinician_id": clinician_id,
            "site_id": world.site_id,
            "credentials": [{"kind": credential, "state": "IL", "expires_on": CREDENTIAL_EXPIRES_ON}],
        },
        role=roles.OPERATIONS,
    )
