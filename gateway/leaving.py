"""What is put together at the door from several services, and what leaves it on paper or by subscription."""

import base64
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import eventlet.tpool
import orjson

from gateway import (
    calendar_addresses,
    calendar_feed,
    csv_files,
    day_sheet,
    disclosure,
    letters,
    repeats,
    standing,
    tables,
)
from gateway.asking import ask
from gateway.disclosure import Audience
from gateway.http import Request, Response
from services.intake.schemas import BILLABLE_DAY_COLUMNS, TEDS_FIELDS
from shared.contracts import roles
from shared.contracts.event import write_moment
from shared.errors import Forbidden, NotFound, Refusal
from shared.ids import derived_id
from shared.messaging import CommandClient, announce

#: How far back and ahead a subscribed calendar tells. Design default, after scheduling's own.
FEED_BACK = timedelta(weeks=4)
FEED_AHEAD = timedelta(weeks=8)


class ConsentMissing(Forbidden):
    """Raised when a letter would leave without the patient's consent to tell its recipient."""


# --- The day --------------------------------------------------------------------------------------


def today(commands: CommandClient, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the day at a site, with who needs somebody and what is due."""
    told = ask(commands, request, "scheduling", "get_today", asked)
    patients = disclosure.patients_in(told)
    present = {seat["patient_id"] for part in ("expected", "arrived", "unmarked") for seat in told[part]}
    try:
        forms = _of_patients(commands, request, "list_due_forms", present)
    except Refusal:
        # Where nothing can be told of forms now, the day is shown all the same.
        forms = []
    return told | {"needs": needs_of(request, patients), "forms_due": forms}


def _of_patients(
    commands: CommandClient, request: Request, name: str, patient_ids: Collection[str]
) -> list[dict[str, Any]]:
    """Ask intake a question about the patients of a day, all of them at once; return what it tells, by id.

    Whoever may see the day may see it: so the gateway asks, as of consents.
    """
    asked, items = sorted(patient_ids), []
    for begin in range(0, len(asked), standing.ASKED_AT_ONCE):
        some = {"patient_ids": asked[begin : begin + standing.ASKED_AT_ONCE]}
        items += ask(commands, request, "intake", name, some, by=standing.GATEWAY)["items"]
    return items


def needs_of(request: Request, patient_ids: set[str]) -> list[dict[str, Any]]:
    """Return, of some patients, who needs somebody: the open tasks about each, the most urgent first."""
    with request.transaction() as (db, origin):
        rows = tables.open_tasks_about(db, tenant_id=origin.tenant_id, patient_ids=sorted(patient_ids))
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        told = {
            "task_id": row.task_id,
            "task": row.task,
            "reason": row.reason,
            "level": row.level,
            "owner_role": row.owner_role,
            "due_at": write_moment(row.due_at),
            "overdue": row.due_at < origin.now,
        }
        found.setdefault(row.patient_id, []).append(told)
    return [{"patient_id": patient_id, "tasks": tasks} for patient_id, tasks in found.items()]


def sheet(commands: CommandClient, request: Request, asked: dict[str, Any]) -> Response:
    """Return the day's sheet as a page to print."""
    today = ask(commands, request, "scheduling", "get_today", asked)
    people = _of_patients(commands, request, "list_names", disclosure.patients_in(today))
    known = {person["patient_id"]: person for person in people}

    def name_of(patient_id: str) -> str:
        person = known.get(patient_id, {})
        return day_sheet.short_name(person.get("given_name"), person.get("family_name"), otherwise=patient_id)

    response = Response(body=day_sheet.written(today, name_of=name_of), content_type=day_sheet.CONTENT_TYPE)
    response.headers.append(("Content-Security-Policy", day_sheet.CONTENT_SECURITY_POLICY))
    return response


# --- Letters --------------------------------------------------------------------------------------


def letter(commands: CommandClient, request: Request, asked: dict[str, Any]) -> Response:
    """Write an attendance letter to an outside recipient, if the patient consented, and account for it.

    :raises ConsentMissing: when no consent covers it now.
    """
    caller = request.known_caller
    attendance = ask(
        commands,
        request,
        "scheduling",
        "get_attendance",
        {name: asked[name] for name in ("episode_id", "from", "to") if name in asked},
    )
    person = ask(commands, request, "intake", "get_patient", {"patient_id": attendance["patient_id"]})
    sites = ask(commands, request, "intake", "list_sites", {})["items"]
    sender = next((site["name"] for site in sites if site["site_id"] == attendance["site_id"]), "")
    audience = Audience(tenant_id=caller.tenant_id, recipient_id=asked["recipient_id"])
    confirmed = standing.confirmed(
        commands,
        request,
        recipient_id=asked["recipient_id"],
        patient_ids=[attendance["patient_id"]],
    )
    role, credential = caller.actor.role.replace("_", " "), caller.actor.credential
    issued_by = f"{role}, {credential}" if credential else role

    def write(db: Any, origin: Any) -> dict[str, Any]:
        decision = disclosure.may_leave(
            db,
            audience=audience,
            patient_id=attendance["patient_id"],
            information_class="ATTENDANCE",
            now=origin.now,
            confirmed=confirmed,
        )
        if not decision.allowed or decision.consent_id is None:
            raise ConsentMissing(
                "No consent lets this recipient know.", field="recipient_id", rule=decision.reason
            )
        document = eventlet.tpool.execute(
            letters.written,
            letters.Letter(
                letter_id=derived_id(request.command_id, "letter"),
                purpose=asked["purpose"],
                recipient=tuple(asked["recipient"].splitlines()),
                sender=sender,
                patient_name=f"{person['given_name']} {person['family_name']}",
                birth_date=person["birth_date"],
                attendance=attendance,
                issued_by=issued_by,
                issued_on=origin.now.date(),
                consent_id=decision.consent_id,
            ),
        )
        left = {(attendance["patient_id"], decision.consent_id): {"ATTENDANCE"}}
        for event in disclosure.account_for(
            left, audience=audience, cause_id=request.command_id, now=origin.now
        ):
            announce(db, event)
        return {"patient_id": attendance["patient_id"], "letter": base64.b64encode(document).decode()}

    answer = repeats.once(request, write)
    kept = orjson.loads(answer.body)
    request.about_id = kept["patient_id"]
    return Response(
        status=answer.status,
        body=base64.b64decode(kept["letter"]),
        content_type=letters.CONTENT_TYPE,
        headers=[*answer.headers, ("Content-Disposition", 'attachment; filename="letter.pdf"')],
    )


# --- Files ----------------------------------------------------------------------------------------


def teds_file(commands: CommandClient, request: Request, asked: dict[str, Any]) -> Response:
    """Return the records of a site's admissions as a file in TEDS codes, the earliest admission first."""

    def page(part: dict[str, Any]) -> dict[str, Any]:
        return ask(commands, request, "intake", "list_teds_records", asked | part)

    records = csv_files.every_item(page)
    records.sort(key=lambda record: (record["admitted_at"], record["admission_id"]))
    return csv_files.download(
        TEDS_FIELDS, (record["values"] for record in records), name="teds_a_admissions.csv"
    )


def billable_days_file(commands: CommandClient, request: Request, asked: dict[str, Any]) -> Response:
    """Return a site's billable days as a file, the oldest first."""

    def page(part: dict[str, Any]) -> dict[str, Any]:
        return ask(commands, request, "intake", "list_billable_days", asked | part)

    return csv_files.download(BILLABLE_DAY_COLUMNS, csv_files.every_item(page), name="billable_days.csv")


# --- Calendars ------------------------------------------------------------------------------------


def calendar(commands: CommandClient, request: Request) -> Response:
    """Return the calendar behind a secret address.

    :raises NotFound: when the address was revoked, never was, or its owner is gone.
    """
    with request.door.wiring.engine_of("gateway").connect() as connection:
        caller, calendar_id = calendar_addresses.owner_of(connection, request.ids["address"])
    request.caller = caller
    request.about_id = calendar_id
    owner, name = (
        ("patient_id", "get_patient_calendar")
        if caller.actor.role == roles.PATIENT
        else ("clinician_id", "get_clinician_calendar")
    )
    now = request.door.wiring.clock.now()
    asked = {
        owner: caller.actor.actor_id,
        "from": write_moment(now - FEED_BACK),
        "to": write_moment(now + FEED_AHEAD),
    }
    try:
        items = ask(commands, request, "scheduling", name, asked)["items"]
    except Refusal as refusal:
        if refusal.status != NotFound.status:
            raise
        raise calendar_addresses.NoSuchCalendarAddress(field="address", rule="one that holds now") from None
    return Response(body=calendar_feed.written(items, now=now), content_type=calendar_feed.CONTENT_TYPE)
