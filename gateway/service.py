"""The door: what it answers by itself, and what it takes from events.

Most routes only carry a request to the service that owns its schema: they stand in :mod:`gateway.routes`.
"""

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
import structlog
from marshmallow import Schema
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.orm import Session

from gateway import (
    asyncapi,
    calendar_addresses,
    disclosure,
    feed,
    forwarding,
    leaving,
    openapi,
    page,
    program_clock,
    records,
    repeats,
    schemas,
    standing,
    tables,
    trace,
    work,
)
from gateway.asking import ask, send
from gateway.disclosure import Audience
from gateway.http import Request, Response, route
from gateway.routes.aftercare import AftercareRoutes
from gateway.routes.intake import IntakeRoutes
from gateway.routes.monitoring import MonitoringRoutes
from gateway.routes.scheduling import SchedulingRoutes
from gateway.routing import OWN_PATH, SERVICE_GUARDS, WITHHELD
from gateway.tokens import OPERATIONS
from services.scheduling import schemas as scheduling
from shared import holds, safety
from shared.clock import real_now
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import SERVICES, Envelope
from shared.contracts.gateway import TaskClaimed, TaskHandedOver
from shared.contracts.intake import (
    ConsentExpired,
    ConsentGranted,
    ConsentRevoked,
    LegalHoldPlaced,
    LegalHoldReleased,
    RestrictionAgreed,
    RestrictionEnded,
)
from shared.contracts.monitoring import (
    EscalationAcknowledged,
    EscalationRaised,
    PagesHeldUp,
    SafetyConcernTaken,
)
from shared.errors import Forbidden, InvalidInput, NotFound, Refusal
from shared.ids import derived_id, new_id
from shared.messaging import (
    STAFF,
    CommandClient,
    announce,
    envelope_reacted_to,
    reacts_to,
    reacts_to_every_event,
)
from shared.messaging.commands import RoleMayNot
from shared.messaging.hosting.traffic import CommandFailed
from shared.messaging.oversight.builtin import ACCOUNTABLE
from shared.notification.fallback import page_fallback

log = structlog.get_logger()


class Gateway(IntakeRoutes, SchedulingRoutes, MonitoringRoutes, AftercareRoutes):
    """The only door in."""

    name = "gateway"

    commands = CommandClient()

    def __init__(self) -> None:
        self._jumps_answered = repeats.Answered()

    # --- The gateway's own ------------------------------------------------------------------------

    @route(
        "GET",
        "/v1/events",
        request=schemas.ListEvents,
        answer=schemas.Event,
        many=True,
        scope="events:read",
        information=WITHHELD,
    )
    def list_events(self, request: Request) -> dict[str, Any]:
        """Return a page of the feed."""
        asked = forwarding.loaded(schemas.ListEvents, forwarding.data_of(request))
        # What was announced a moment ago has its place before the page is cut.
        request.door.place_all()
        audience = Audience.of(request.known_caller)
        confirmed: standing.Standing = {}
        if audience.recipient_id:
            confirmed = standing.confirmed(self.commands, request, recipient_id=audience.recipient_id)
        with request.transaction(reads_only=audience.is_staff) as (db, origin):

            def account(disclosed: dict[tuple[str, str], set[str]]) -> None:
                for made in disclosure.account_for(
                    disclosed, audience=audience, cause_id=new_id(), now=origin.now
                ):
                    announce(db, made)

            return feed.read_page(
                db,
                audience=audience,
                after=asked.get("after"),
                last=asked.get("last"),
                types=asked["type"],
                limit=asked["limit"],
                now=origin.now,
                confirmed=confirmed,
                account=account,
            )

    @route(
        "GET",
        "/v1/jobs/{job_id}",
        request=schemas.GetJob,
        answer=schemas.Job,
        scope="jobs:read",
        information=WITHHELD,
    )
    def get_job(self, request: Request) -> dict[str, Any]:
        """Ask the service that took the work on how it went."""
        job_id = forwarding.loaded(schemas.GetJob, forwarding.data_of(request))["job_id"]
        service, _, own_id = job_id.partition(".")
        if service not in SERVICES or request.known_caller.is_outside:
            raise NotFound("No such job.", field="job_id")
        try:
            told = ask(self.commands, request, service, "get_job", {"job_id": own_id})
        except InvalidInput:
            raise NotFound("No such job.", field="job_id") from None
        return {"job_id": job_id, **told}

    @route("GET", "/v1/parked-items", answer=schemas.Parked, many=True, scope=OPERATIONS)
    def list_parked(self, request: Request) -> dict[str, Any]:
        """Ask every service what failed too often and waits for a human."""
        return {"items": self._of_every_service(request, "list_parked", {}), "next": None}

    @route(
        "GET",
        "/v1/parked-items/{item_id}",
        request=schemas.GetParked,
        answer=schemas.ParkedItem,
        many=True,
        scope=OPERATIONS,
    )
    def get_parked(self, request: Request) -> dict[str, Any]:
        """Ask every service what is parked under an id, with the event or the timer."""
        asked = forwarding.loaded(schemas.GetParked, forwarding.data_of(request))
        items = self._of_every_service(request, "get_parked", asked)
        if not items:
            raise NotFound("Nothing is parked under this id.", field="item_id")
        return {"items": items, "next": None}

    @route(
        "POST",
        "/v1/parked-items/{item_id}/retries",
        request=schemas.RetryParked,
        answer=schemas.Resolved,
        status=201,
        scope=OPERATIONS,
    )
    def retry_parked(self, request: Request) -> Response:
        """Have the service try again, with fresh attempts."""
        return self._resolve_parked(request, schemas.RetryParked)

    @route(
        "POST",
        "/v1/parked-items/{item_id}/skips",
        request=schemas.SkipParked,
        answer=schemas.Resolved,
        status=201,
        scope=OPERATIONS,
    )
    def skip_parked(self, request: Request) -> Response:
        """Have the service give it up."""
        return self._resolve_parked(request, schemas.SkipParked)

    def _resolve_parked(self, request: Request, schema: type[Schema]) -> Response:
        _ = request.command_id
        asked = forwarding.loaded(schema, forwarding.data_of(request))
        service = asked.pop("service")
        return self._carried_out(request, service, request.name, asked)

    @route("GET", "/v1/quarantined-messages", answer=schemas.Quarantined, many=True, scope=OPERATIONS)
    def list_quarantined(self, request: Request) -> dict[str, Any]:
        """Ask every service which messages it could not read."""
        return {"items": self._of_every_service(request, "list_quarantined", {}), "next": None}

    @route("GET", "/v1/audit-breaks", answer=schemas.AuditBreak, many=True, scope=OPERATIONS)
    def list_audit_breaks(self, request: Request) -> dict[str, Any]:
        """Have every service check its chain, stretch by stretch: nothing else waits for it."""
        items: list[dict[str, Any]] = []
        for service in SERVICES:
            after: int | None = 0
            while after is not None:
                told = ask(self.commands, request, service, "list_audit_breaks", {"after": after})
                items += told["items"]
                after = told["after"]
        return {"items": items, "next": None}

    @route(
        "GET",
        "/v1/traces/{trace_id}",
        request=schemas.GetTrace,
        answer=schemas.Trace,
        scope="traces:read",
        information=WITHHELD,
    )
    def get_trace(self, request: Request) -> dict[str, Any]:
        """Tell what came of what, across all services, to whoever answers for it."""
        caller = request.known_caller
        if caller.actor.role not in ACCOUNTABLE:
            raise RoleMayNot(field="role", rule=f"get_trace is for {', '.join(ACCOUNTABLE)}", problems=())
        asked = forwarding.loaded(schemas.GetTrace, forwarding.data_of(request))
        engine = request.door.wiring.engine_of("gateway")
        tables.fill_causes(engine)

        def traces_of(service: str, ids: list[str]) -> dict[str, Any] | None:
            try:
                return ask(self.commands, request, service, "get_traces_of", {"ids": ids})
            except (Refusal, CommandFailed):
                # It is away, or of a version that does not know the question yet.
                return None

        with engine.connect() as connection:
            return trace.trace(
                connection,
                traces_of,
                tenant_id=caller.tenant_id,
                now=request.door.wiring.clock.now(),
                real_now=real_now(),
                **asked,
            )

    def _of_every_service(self, request: Request, name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
        """Ask every service the same and return all the items that they answer."""
        told = [ask(self.commands, request, service, name, data) for service in SERVICES]
        return [item for one in told for item in one["items"]]

    def _carried_out(self, request: Request, service: str, name: str, data: dict[str, Any]) -> Response:
        """Have a service carry out a command as the caller, once however often the request comes."""
        told = send(self.commands, request, service, name, data, command_id=request.command_id)
        return Response.of(told["answer"], status=request.route.status, replayed=told.get("replayed", False))

    @route("GET", "/v1/clock", answer=schemas.Clock, scope=OPERATIONS)
    def get_clock(self, request: Request) -> dict[str, Any]:
        """Return program time."""
        return program_clock.get_clock(self.commands)

    @route("POST", "/v1/clock/jumps", request=schemas.JumpClock, answer=schemas.JumpedClock, scope=OPERATIONS)
    def jump_clock(self, request: Request) -> Response:
        """Let simulated program time jump to what is due next and announces something."""
        first = repeats.recall(request) if self._jumps_answered.may_hold(request) else None
        if first is not None:
            return Response.of(first, replayed=True)
        asked = forwarding.loaded(schemas.JumpClock, forwarding.data_of(request))
        answer = program_clock.jump_clock(self.commands, **asked)
        # What came of it can be read in the feed, whole: a driver decides by it what is next.
        request.door.place_all(wait=True, also=repeats.remembering(request, answer))
        self._jumps_answered.add(request)
        return Response.of(answer)

    # --- Patients' own records --------------------------------------------------------------------

    @route(
        "GET",
        "/v1/record-requests/{request_id}/record",
        request=schemas.GetRecord,
        answer=schemas.Record,
        scope="records:read",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
        summary="A patient's own record as one document",
    )
    def get_record(self, request: Request) -> dict[str, Any]:
        """Put a patient's own record together from what every service keeps."""
        asked = self._asked_inside(request)
        forwarding.loaded(schemas.GetRecord, asked)
        return records.export(self.commands, request, asked)

    @route(
        "GET",
        "/v1/patients/{patient_id}/disclosures",
        request=schemas.ListDisclosures,
        answer=schemas.Disclosure,
        many=True,
        scope="records:read",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    def list_disclosures(self, request: Request) -> dict[str, Any]:
        """Account for what was disclosed about a patient within three years (42 CFR 2.25)."""
        asked = forwarding.loaded(schemas.ListDisclosures, self._asked_inside(request))
        return records.accounting(self.commands, request, asked)

    # --- The day, letters and calendars -----------------------------------------------------------

    @route(
        "GET",
        "/v1/sites/{site_id}/today",
        service="scheduling",
        request=scheduling.GetToday,
        answer=schemas.Today,
        scope="sessions:read",
        information=WITHHELD,
    )
    def get_today(self, request: Request) -> dict[str, Any]:
        """Tell the day at a site, with who needs somebody and what is due."""
        asked = self._asked_inside(request)
        return leaving.today(self.commands, request, asked)

    @route(
        "GET",
        "/v1/sites/{site_id}/day-sheet",
        request=schemas.GetDaySheet,
        scope="sessions:read",
        information=WITHHELD,
        summary="The day as a sheet to print",
    )
    def get_day_sheet(self, request: Request) -> Response:
        """Return the day's sheet for when the network may go down."""
        asked = self._asked_inside(request)
        forwarding.loaded(schemas.GetDaySheet, asked)
        return leaving.sheet(self.commands, request, asked)

    @route(
        "GET",
        "/v1/exports/teds-records",
        request=schemas.GetTedsFile,
        scope="reports:read",
        information=WITHHELD,
        summary="Admissions in TEDS codes, as a file",
    )
    def get_teds_file(self, request: Request) -> Response:
        """Return the records of a site's admissions as a file that states take."""
        asked = self._asked_inside(request)
        forwarding.loaded(schemas.GetTedsFile, asked)
        return leaving.teds_file(self.commands, request, asked)

    @route(
        "GET",
        "/v1/exports/billable-days",
        request=schemas.GetBillableDaysFile,
        scope="coverage:read",
        information=WITHHELD,
        summary="Days that can be billed, as a file",
    )
    def get_billable_days_file(self, request: Request) -> Response:
        """Return a site's billable days as a file of ids and codes."""
        asked = self._asked_inside(request)
        forwarding.loaded(schemas.GetBillableDaysFile, asked)
        return leaving.billable_days_file(self.commands, request, asked)

    @route(
        "POST",
        "/v1/episodes/{episode_id}/attendance-letters",
        request=schemas.WriteAttendanceLetter,
        status=201,
        scope="letters:write",
        information=WITHHELD,
        summary="An attendance letter as PDF",
    )
    def write_attendance_letter(self, request: Request) -> Response:
        """Write an attendance letter, where the patient consented to it."""
        asked = self._asked_by_role(
            request, schemas.WriteAttendanceLetter, (*roles.CARE_TEAM, roles.FRONT_DESK)
        )
        return leaving.letter(self.commands, request, asked)

    @route(
        "POST",
        "/v1/patients/{patient_id}/calendar-addresses",
        request=schemas.OpenPatientCalendar,
        answer=schemas.NewCalendarAddress,
        status=201,
        scope="calendars:write",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    def open_patient_calendar(self, request: Request) -> Response:
        """Make a secret address for a patient's calendar."""
        asked = self._asked_by_role(request, schemas.OpenPatientCalendar, (*STAFF, roles.PATIENT))
        ask(self.commands, request, "scheduling", "get_patient_calendar", asked)
        return self._open_calendar(request, roles.PATIENT, asked["patient_id"])

    @route(
        "POST",
        "/v1/clinicians/{clinician_id}/calendar-addresses",
        request=schemas.OpenClinicianCalendar,
        answer=schemas.NewCalendarAddress,
        status=201,
        scope="calendars:write",
        information=WITHHELD,
    )
    def open_clinician_calendar(self, request: Request) -> Response:
        """Make a secret address for a clinician's calendar."""
        asked = self._asked_by_role(request, schemas.OpenClinicianCalendar, STAFF)
        ask(self.commands, request, "scheduling", "get_clinician_calendar", asked)
        return self._open_calendar(request, roles.CLINICIAN, asked["clinician_id"])

    def _open_calendar(self, request: Request, owner_role: str, owner_id: str) -> Response:
        return repeats.once(
            request,
            lambda db, origin: calendar_addresses.opened(
                db,
                tenant_id=origin.tenant_id,
                owner_role=owner_role,
                owner_id=owner_id,
                by=origin.actor,
                now=origin.now,
            ),
        )

    @route(
        "GET",
        "/v1/calendar-addresses",
        request=schemas.ListCalendarAddresses,
        answer=schemas.CalendarAddress,
        many=True,
        scope="calendars:read",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    def list_calendar_addresses(self, request: Request) -> dict[str, Any]:
        """Tell which addresses there are, without their secrets."""
        asked = forwarding.loaded(schemas.ListCalendarAddresses, self._asked_inside(request))
        with request.transaction() as (db, origin):
            items = calendar_addresses.listed(
                db, tenant_id=origin.tenant_id, owner_id=asked.get("owner_id"), by=origin.actor
            )
        return {"items": items, "next": None}

    @route(
        "POST",
        "/v1/calendar-addresses/{calendar_id}/revocation",
        request=schemas.RevokeCalendarAddress,
        answer=schemas.CalendarAddress,
        scope="calendars:write",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    def revoke_calendar_address(self, request: Request) -> Response:
        """Let an address lead nowhere from now on."""
        asked = self._asked_by_role(request, schemas.RevokeCalendarAddress, (*STAFF, roles.PATIENT))
        return repeats.once(
            request,
            lambda db, origin: calendar_addresses.revoke(
                db, tenant_id=origin.tenant_id, by=origin.actor, now=origin.now, **asked
            ),
        )

    @route(
        "GET",
        "/calendars/{address}",
        request=schemas.ReadCalendar,
        summary="A calendar, for whoever has its secret address",
    )
    def read_calendar(self, request: Request) -> Response:
        """Return the calendar behind a secret address."""
        return leaving.calendar(self.commands, request)

    def _asked_inside(self, request: Request) -> dict[str, Any]:
        """Return what a question says, unless it comes from outside: there is nothing for them here."""
        if request.known_caller.is_outside:
            raise forwarding.nothing_there()
        return forwarding.data_of(request)

    def _asked_by_role(
        self, request: Request, schema: type[Schema], may: tuple[str, ...], *, rule: str = ""
    ) -> dict[str, Any]:
        """Return what a command of the gateway's own says, in the order in which services refuse.

        :param rule: what is told of who may, where it is not the names of the roles.
        :raises Refusal: when it cannot be read, has no key, is not for the role, or breaks a rule.
        """
        data = forwarding.data_of(request)
        _ = request.command_id
        if request.known_caller.actor.role not in may:
            raise Forbidden(
                "The role may not do this.",
                code="role_may_not",
                field="role",
                rule=rule or f"for {', '.join(may)}",
            )
        return forwarding.loaded(schema, data)

    # --- The work list ----------------------------------------------------------------------------

    @route(
        "GET",
        "/v1/work",
        request=schemas.ListWork,
        answer=schemas.Task,
        many=True,
        scope="work:read",
        information=WITHHELD,
    )
    def list_work(self, request: Request) -> dict[str, Any]:
        """Return who needs a human now, why, by when, and whose it is."""
        caller = request.known_caller
        if caller.is_outside:
            raise forwarding.nothing_there()
        asked = forwarding.loaded(schemas.ListWork, forwarding.data_of(request))
        request.about_id = asked["patient_id"]
        with request.transaction(reads_only=True) as (db, origin):
            page: dict[str, Any] = work.list_work(
                db, tenant_id=caller.tenant_id, reader=caller.actor, now=origin.now, asked=asked
            )
            return page

    @route(
        "POST",
        "/v1/work/{task_id}/claims",
        request=schemas.ClaimTask,
        answer=schemas.Task,
        status=201,
        scope="work:write",
        information=WITHHELD,
    )
    def claim_task(self, request: Request) -> Response:
        """Take a task."""
        return self._change_task(request, schemas.ClaimTask, work.claim_task)

    @route(
        "POST",
        "/v1/work/{task_id}/handovers",
        request=schemas.HandOverTask,
        answer=schemas.Task,
        status=201,
        scope="work:write",
        information=WITHHELD,
    )
    def hand_over_task(self, request: Request) -> Response:
        """Give a task to somebody, or back to a role."""
        return self._change_task(request, schemas.HandOverTask, work.hand_over_task)

    @route(
        "POST",
        "/v1/work/{task_id}/closures",
        request=schemas.CloseTask,
        answer=schemas.ClosedTask,
        status=201,
        scope="work:write",
        information=WITHHELD,
    )
    def close_task(self, request: Request) -> Response:
        """Have the service that asks close a task."""
        asked = self._asked_by_role(request, schemas.CloseTask, STAFF, rule="staff only")
        with request.transaction(reads_only=True) as (db, origin):
            service, told = work.closure_of(
                db, tenant_id=origin.tenant_id, by=origin.actor, now=origin.now, **asked
            )
        return self._carried_out(request, service, "close_task", told)

    def _change_task(
        self, request: Request, schema: type[Schema], change: Callable[..., dict[str, Any]]
    ) -> Response:
        """Change whose a task is, once however often the request comes."""
        asked = self._asked_by_role(request, schema, STAFF, rule="staff only")
        return repeats.once(
            request,
            lambda db, origin: change(
                db, tenant_id=origin.tenant_id, by=origin.actor, now=origin.now, **asked
            ),
        )

    # --- About this door --------------------------------------------------------------------------

    @route("GET", "/livez", summary="Is the process alive")
    def get_liveness(self, request: Request) -> dict[str, Any]:
        """Tell that the process answers."""
        return {"status": "alive"}

    @route("GET", "/readyz", summary="Should requests be sent here")
    def get_readiness(self, request: Request) -> Response:
        """Tell whether requests should be sent here now."""
        reasons, warnings = request.door.not_ready_because(), request.door.warnings()
        warned = {"warnings": list(warnings)} if warnings else {}
        if reasons:
            response = Response.of({"status": "not ready", "because": list(reasons)} | warned, status=503)
            response.headers.append(("Retry-After", "1"))
            return response
        return Response.of({"status": "ready"} | warned)

    @route("GET", "/metrics", summary="Metrics for Prometheus")
    def get_metrics(self, request: Request) -> Response:
        """Return the process's metrics."""
        return Response(body=generate_latest(), content_type=CONTENT_TYPE_LATEST)

    @route("GET", "/openapi.json", summary="This door as OpenAPI 3.1")
    def get_openapi(self, request: Request) -> Response:
        """Return the OpenAPI document."""
        return _lasting(openapi_document())

    @route("GET", "/asyncapi.json", summary="The events as AsyncAPI 3.0")
    def get_asyncapi(self, request: Request) -> Response:
        """Return the AsyncAPI document."""
        return _lasting(asyncapi_document())

    @route("GET", "/docs", summary="This door, to be read by people")
    def get_docs(self, request: Request) -> Response:
        """Return the page that shows the OpenAPI document."""
        response = _lasting(docs_page(), content_type="text/html; charset=utf-8")
        response.headers.append(("Content-Security-Policy", page.CONTENT_SECURITY_POLICY))
        return response

    # --- Reactions --------------------------------------------------------------------------------

    @reacts_to_every_event
    def keep_in_archive(self, db: Session, envelopes: list[Envelope]) -> None:
        """Keep every event, for feeds and for tracing."""
        tables.keep_events(db, envelopes, received_at=real_now())

    @reacts_to(TaskOpened)
    def list_task(self, db: Session, event: TaskOpened, now: datetime) -> None:
        """Put a task on the work list."""
        work.keep(db, envelope_reacted_to(db))

    @reacts_to(TaskClosed)
    def take_off_list(self, db: Session, event: TaskClosed, now: datetime) -> None:
        """Take a task off the work list: it needs nobody any more."""
        work.keep(db, envelope_reacted_to(db))

    @reacts_to(EscalationAcknowledged)
    def note_acknowledgement(self, db: Session, event: EscalationAcknowledged, now: datetime) -> None:
        """Know who took an escalation."""
        work.keep(db, envelope_reacted_to(db))

    @reacts_to(EscalationRaised)
    def drop_acknowledgement(self, db: Session, event: EscalationRaised, now: datetime) -> None:
        """Know that nobody has taken an escalation yet whose level rose."""
        work.keep(db, envelope_reacted_to(db))

    @reacts_to(TaskClaimed)
    def note_claim(self, db: Session, event: TaskClaimed, now: datetime) -> None:
        """Know who has taken a task, also when the list was made anew meanwhile."""
        work.keep(db, envelope_reacted_to(db))

    @reacts_to(TaskHandedOver)
    def note_handover(self, db: Session, event: TaskHandedOver, now: datetime) -> None:
        """Know whom a task was given to, also when the list was made anew meanwhile."""
        work.keep(db, envelope_reacted_to(db))

    @reacts_to(ConsentGranted)
    def allow_disclosure(self, db: Session, event: ConsentGranted, now: datetime) -> None:
        """Remember what the consent lets leave."""
        tables.keep_consent(
            db,
            tenant_id=db.info["tenant_id"],
            consent_id=event.consent_id,
            patient_id=event.patient_id,
            kind=event.kind,
            recipient_id=event.recipient_id,
            information_classes=event.information_classes,
            granted_at=event.granted_at,
            expires_at=event.expires_at,
        )

    @reacts_to(ConsentRevoked)
    def stop_disclosure(self, db: Session, event: ConsentRevoked, now: datetime) -> None:
        """Let nothing leave under the consent any more."""
        tables.keep_revocation(
            db,
            tenant_id=db.info["tenant_id"],
            consent_id=event.consent_id,
            patient_id=event.patient_id,
            kind=event.kind,
            revoked_at=event.revoked_at,
        )

    @reacts_to(ConsentExpired)
    def end_disclosure(self, db: Session, event: ConsentExpired, now: datetime) -> None:
        """Let nothing leave any more under a consent that ended by itself, by a date or an event."""
        tables.keep_revocation(
            db,
            tenant_id=db.info["tenant_id"],
            consent_id=event.consent_id,
            patient_id=event.patient_id,
            kind=event.kind,
            revoked_at=event.expired_at,
        )

    @reacts_to(RestrictionAgreed)
    def restrict_disclosure(self, db: Session, event: RestrictionAgreed, now: datetime) -> None:
        """Let leave no more than the program agreed to with the patient."""
        tables.keep_restriction(
            db,
            tenant_id=db.info["tenant_id"],
            restriction_id=event.restriction_id,
            patient_id=event.patient_id,
            recipient_id=event.recipient_id,
            information_classes=event.information_classes,
            agreed_at=event.agreed_at,
        )

    @reacts_to(RestrictionEnded)
    def lift_restriction(self, db: Session, event: RestrictionEnded, now: datetime) -> None:
        """Let consents decide again, because the patient asked for that."""
        tables.keep_restriction_end(
            db,
            tenant_id=db.info["tenant_id"],
            restriction_id=event.restriction_id,
            patient_id=event.patient_id,
            ended_at=event.ended_at,
        )

    @reacts_to(SafetyConcernTaken)
    def confirm_safety_concern(self, db: Session, event: SafetyConcernTaken, now: datetime) -> None:
        """Watch no longer over a danger that was announced here: humans are being asked."""
        safety.confirm(db, event.concern_id)

    @reacts_to(PagesHeldUp)
    def page_by_own_way(self, db: Session, event: PagesHeldUp, now: datetime) -> None:
        """Page the fallback addresses: it may be monitoring alone that has no way out."""
        about = envelope_reacted_to(db)
        addresses = db.info["host"].settings.fallback_addresses_of(about.tenant_id)
        log.critical("pages_held_up", event_id=about.event_id, count=len(addresses))
        # Once for each time that monitoring asks, however often it says so.
        asking = (event.escalation_id, "held up", event.level, str(event.tier))
        for number, address in enumerate(addresses):
            page_fallback(
                db,
                notification_id=derived_id(*asking, str(number)),
                address=address,
                about_id=event.escalation_id,
                level=event.level,
                patient_id=event.patient_id,
                # By then monitoring has asked again, for as long as nobody takes it.
                give_up_after=safety.AGAIN_WHEN_REACHED,
            )

    @reacts_to(LegalHoldPlaced)
    def keep_for_the_law(self, db: Session, event: LegalHoldPlaced, now: datetime) -> None:
        """Forget nothing about a patient whose records were demanded."""
        holds.keep_hold(db, hold_id=event.hold_id, patient_id=event.patient_id, placed_at=event.placed_at)

    @reacts_to(LegalHoldReleased)
    def forget_again(self, db: Session, event: LegalHoldReleased, now: datetime) -> None:
        """Forget again what is old, because a human said so."""
        holds.keep_release(
            db, hold_id=event.hold_id, patient_id=event.patient_id, released_at=event.released_at
        )


@functools.cache
def openapi_document() -> bytes:
    """Return the OpenAPI document as JSON."""
    return orjson.dumps(openapi.document_of(openapi.routes_of(Gateway)))


@functools.cache
def asyncapi_document() -> bytes:
    """Return the AsyncAPI document as JSON."""
    return orjson.dumps(asyncapi.document())


@functools.cache
def docs_page() -> bytes:
    """Return the page that shows the OpenAPI document."""
    return page.page_of(orjson.loads(openapi_document()))


def _lasting(body: bytes, *, content_type: str = "application/json") -> Response:
    # They change with the version of the code only.
    return Response(body=body, content_type=content_type, headers=[("Cache-Control", "public, max-age=300")])
