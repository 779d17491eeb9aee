"""The directory in several steps: listings, imports, profiles, and what becomes of credentials."""

from collections.abc import Iterable, Sequence
from datetime import datetime, time
from typing import Any

from sqlalchemy.orm import Session

from services.intake import asking, tables
from services.intake.domain import facilities, program_credentials, programs
from services.intake.domain.program_credentials import ProgramCredential
from services.intake.domain.programs import Program
from services.intake.domain.sites import Site
from services.intake.domain.tasks import DONE
from shared.clock import cancel_timer, set_timer
from shared.contracts.intake import FacilitiesImported
from shared.contracts.scheduling import ClinicianCredentialsChanged, GroupPlacesChanged
from shared.errors import InvalidInput, Refusal
from shared.messaging import announce

#: Timer of the next moment at which a program's credential changes by itself; its key is the credential.
CREDENTIAL_CHANGES = "program_credential_changes"
#: Timer of the next look at the primary source; its key is the credential.
RECHECK_DUE = "program_credential_recheck"


# --- Listings -------------------------------------------------------------------------------------


def list_own(db: Session, site: Site, data: dict[str, Any], *, now: datetime) -> Program:
    """List a site of ours under its own id.

    :raises ProgramListedAlready: when it is listed.
    """
    if tables.find_program(db, program_id=site.site_id) is not None:
        raise programs.ProgramListedAlready("The site is listed already.", field="site_id", rule="once")
    offers = sorted(
        {
            *(f"LEVEL:{level}" for level in site.levels_on(site.local_day(now))),
            *(f"PAYER:{payer}" for payer in data["payers"]),
            *(f"NEED:{need}" for need in data["needs"]),
            *(f"APPROACH:{approach}" for approach in data["approaches"]),
            *(f"LANGUAGE:{language}" for language in data["languages"]),
        }
    )
    program = Program(
        program_id=site.site_id,
        site_id=site.site_id,
        origin=programs.OWN,
        name=site.name,
        second_name=None,
        street=data["street"],
        second_street=None,
        city=data["city"],
        state=data["state"],
        zip_code=data["zip_code"],
        zip5=data["zip_code"][:5],
        city_key=programs.city_key(data["city"]),
        phone=data["phone"],
        website=data["website"],
        latitude=data["latitude"],
        longitude=data["longitude"],
        services=[],
        offers=offers,
        approaches=tables.approaches_in(offers),
        listed_at=now,
        changed_at=now,
        digest=b"",
    )
    db.add(program)
    return program


def import_records(
    db: Session, rows: Sequence[Any], *, import_id: str, tenant_id: str, now: datetime
) -> dict[str, Any]:
    """List records of facilities; a row that breaks a rule is reported by its line, the others go on."""
    refused: list[dict[str, Any]] = []
    refused_rows = 0
    lines: dict[str, int] = {}
    taken: list[tuple[str, facilities.Facility]] = []
    listed = changed = 0
    for place, row in enumerate(rows, start=1):
        line = row["line"] if isinstance(row, dict) and type(row.get("line")) is int else place
        try:
            record = facilities.read_facility(row)
            program_id = record.program_id(tenant_id=tenant_id)
            if program_id in lines:
                rule = f"the same as in line {lines[program_id]}"
                raise InvalidInput("The facility comes twice.", field="name1", rule=rule)
        except Refusal as refusal:
            refused_rows += 1
            refused += [{"line": line, **problem} for problem in refusal.problems]
            continue
        lines[program_id] = line
        taken.append((program_id, record))
        if len(taken) == tables.ROWS_A_STATEMENT:
            # Reading a few hundred rows takes a while; what waits for this process gets its turn here.
            new, other = tables.keep_facilities(db, taken, now=now)
            listed, changed, taken = listed + new, changed + other, []
    new, other = tables.keep_facilities(db, taken, now=now)
    listed, changed = listed + new, changed + other
    unchanged = len(lines) - listed - changed
    announce(
        db,
        FacilitiesImported(
            import_id=import_id,
            listed=listed,
            changed=changed,
            unchanged=unchanged,
            refused=refused_rows,
            imported_at=now,
        ),
    )
    return {
        "import_id": import_id,
        "listed": listed,
        "changed": changed,
        "unchanged": unchanged,
        "refused_rows": refused_rows,
        "refused": refused,
    }


def profile(db: Session, program: Program, *, now: datetime) -> dict[str, Any]:
    """Return all that a profile shows beside the listing."""
    credentials = tables.credentials_of(db, program_id=program.program_id)
    site = tables.find_site(db, site_id=program.site_id) if program.site_id else None
    given = site.given_until(now=now) if site is not None else None
    shown: dict[str, Any] = {
        "verified": program.is_verified(now=now),
        "credentials": credentials,
        "licensed_levels": program_credentials.licensed_levels(credentials, now=now, given=given),
        "banners": _banners(program, credentials, site, now=now),
        "staff": None,
        "groups": [],
        "delivered_last_90_days": {},
        "outcome_cards": [],
        "testimonials": [],
    }
    if site is not None:
        # Both age by the day of the site: a credential counts on its last day, a delivery for 90 days.
        today = site.local_day(now)
        since = today - programs.DELIVERED_WITHIN
        shown["staff"] = programs.staff_mix(tables.staff_of(db, site_id=site.site_id), today=today)
        groups, _ = tables.live_of(db, site_ids=[site.site_id], since=since)
        shown["groups"] = groups[site.site_id]
        shown["delivered_last_90_days"] = tables.delivered_of(db, site_id=site.site_id, since=since)
    return shown


def _banners(
    program: Program, credentials: Iterable[ProgramCredential], site: Site | None, *, now: datetime
) -> list[str]:
    told = {
        f"{one.kind}_{status}"
        for one in credentials
        if (status := one.status(now=now)) in ("EXPIRED", "SUSPENDED", "REVOKED")
    }
    if site is not None and site.has_lapsed(now=now):
        told.add("LICENCE_EXPIRED")
    if not program.is_verified(now=now):
        told.add("NOT_VERIFIED")
    return sorted(told)


# --- Live facts -----------------------------------------------------------------------------------


def keep_staff(db: Session, event: ClinicianCredentialsChanged) -> None:
    """Keep what credentials of a clinician count, unless something newer is known."""
    credentials = [
        {"kind": kind, "expires_on": last_day.isoformat()}
        for kind, last_day in zip(event.kinds, event.expire_on, strict=True)
    ]
    tables.keep_staff(
        db,
        clinician_id=event.clinician_id,
        site_id=event.site_id,
        credentials=credentials,
        revision=event.revision,
    )


def keep_group(db: Session, event: GroupPlacesChanged) -> None:
    """Keep when a group meets and what is free then, unless something newer is known."""
    told = {
        name: getattr(event, name)
        for name in (
            "site_id",
            "kind",
            "modality",
            "track",
            "mode",
            "enrolment",
            "clinical_minutes",
            "capacity",
            "revision",
        )
    }
    told |= {
        "weekdays": list(event.weekdays),
        "free_places": list(event.free_places),
        "starts": time.fromisoformat(event.starts),
        "ends": time.fromisoformat(event.ends),
    }
    tables.keep_group(db, group_id=event.group_id, told=told)


# --- Credentials ----------------------------------------------------------------------------------


def settle_verified(db: Session, program: Program, *, now: datetime) -> list[ProgramCredential]:
    """Have a program verified as long as its credentials, and the licences of our own site, come to.

    :returns: its credentials.
    """
    site = tables.find_site(db, site_id=program.site_id) if program.site_id else None
    given = site.given_until(now=now) if site is not None else None
    credentials = tables.credentials_of(db, program_id=program.program_id)
    span = program_credentials.verified_between(credentials, now=now, given=given)
    program.verified_from, program.verified_until = span or (None, None)
    return credentials


def settle_credential(db: Session, program: Program, credential: ProgramCredential, *, now: datetime) -> None:
    """Bring a program, timers and tasks in line with a credential that changed, and tell where it stands."""
    db.flush()
    credentials = settle_verified(db, program, now=now)
    accredited = [
        one.lapses_at(one.verified_at)
        for one in credentials
        if one.kind == "ACCREDITATION" and one.verified_at and one.standing == program_credentials.CONFIRMED
    ]
    program.accredited_until = max(accredited, default=None)
    announce(
        db,
        program_credentials.changed(credential, program_verified=program.is_verified(now=now), now=now),
    )
    next_change = credential.next_change_at(now=now)
    if next_change is None:
        cancel_timer(db, CREDENTIAL_CHANGES, key=credential.credential_id)
    else:
        set_timer(db, CREDENTIAL_CHANGES, key=credential.credential_id, due_at=next_change)
    recheck_at = credential.recheck_due_at()
    if recheck_at is None:
        cancel_timer(db, RECHECK_DUE, key=credential.credential_id)
    elif recheck_at > now:
        set_timer(db, RECHECK_DUE, key=credential.credential_id, due_at=recheck_at)


def renewed(db: Session, credential: ProgramCredential, *, at: datetime) -> None:
    """Close the requests for a new credential that this one answers."""
    for earlier in tables.credentials_of(db, program_id=credential.program_id):
        if earlier.body == credential.body and earlier.ends_at < credential.ends_at:
            asking.end(db, task_id=earlier.renewal_task().task_id, outcome=DONE, at=at)
