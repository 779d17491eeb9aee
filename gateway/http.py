"""HTTP as a nameko entry point of our own: the server, what is read and what is answered.

nameko's own HTTP entry point answers an accident with its text, reads any body whole, and lets one
broken connection end the process. Here a request ends in an answer, whatever happens, and a stop
finishes what is in hand.
"""

import contextlib
import errno
import functools
import logging
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import eventlet
import orjson
import structlog
from eventlet import greenio, wsgi
from eventlet.greenpool import GreenPool
from eventlet.semaphore import Semaphore
from nameko.extensions import Entrypoint, SharedExtension
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import exc as database_errors
from sqlalchemy.orm import Session

from gateway import problems, routing, tables, wire
from gateway.accesses import Accesses
from gateway.problems import Malformed
from gateway.tokens import Caller, Verifier
from gateway.unwritten import Unwritten
from shared import telemetry
from shared.database import Origin, without_transactions
from shared.errors import Forbidden, NotFound, Refusal, TooLarge, Unauthenticated, Unavailable
from shared.ids import derived_id, new_id
from shared.messaging.hosting.traffic import TICK_SECONDS, Loop, Traffic, Wiring
from shared.messaging.inbox import place_of

log = structlog.get_logger()

JSON = "application/json"

#: Connections open at once; more wait in the listen queue.
MAX_CONNECTIONS = 1000
#: Seconds without a byte after which a connection is given up.
SOCKET_TIMEOUT_SECONDS = 15.0
#: Seconds that an idle connection is kept for the next request.
KEEP_ALIVE_SECONDS = 60
#: Seconds in which the whole body has to be there.
BODY_SECONDS = 20.0
#: Seconds in which every request is answered. A jump of program time may wait for quiet twice.
ANSWER_SECONDS = 150.0
#: Seconds between telling that we are about to stop and accepting no more: a balancer needs one look.
NOTICE_SECONDS = 0.5
#: Seconds in which somebody who just connected may still be about to ask, though we are stopping.
PATIENCE_SECONDS = 1.0
#: Longest Idempotency-Key.
MAX_KEY_LENGTH = 255

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)

requests_total = Counter("homeward_http_requests_total", "Requests answered.", ["method", "route", "status"])
request_seconds = Histogram(
    "homeward_http_request_seconds",
    "Time from a request's arrival to its answer.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
unheard_total = Counter(
    "homeward_unheard_requests_total",
    "Requests that may have told of a danger, and that nobody heard or could read.",
    ["route", "status"],
)
requests_in_flight = Gauge("homeward_http_requests_in_flight", "Requests being answered now.")


class PortInUse(RuntimeError):
    """Raised at start when somebody already answers at the address."""


class HttpRoute(Entrypoint):
    """Wakes a method with the signature ``(self, request) -> Response | dict`` for one route."""

    def __init__(self, route: routing.Route, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.route = route
        self.door = Door()

    def stop(self) -> None:
        """Answer what is in hand and take no more."""
        self.door.drain()


def route(method: str, path: str, **options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Wake the decorated method for requests to *path*; see :class:`gateway.routing.Route`."""
    found: Callable[[Callable[..., Any]], Callable[..., Any]] = HttpRoute.decorator(
        routing.Route(method=method, path=path, **options)
    )
    return found


@dataclass(kw_only=True)
class Response:
    """What is answered."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, document: Any, *, status: int = 200, replayed: bool = False) -> "Response":
        """Return an answer that holds a JSON document.

        :param replayed: whether the same request was given this answer before.
        """
        headers = [("Idempotency-Replayed", "true")] if replayed else []
        return cls(status=status, body=orjson.dumps(document), headers=headers)


class Request:
    """One request: who asks for what, and whom the answer is for."""

    def __init__(self, door: "Door", name: str, route_: routing.Route, head: wire.Head) -> None:
        self.door = door
        #: The name of the route, its command and its schema.
        self.name = name
        self.route = route_
        self.head = head
        self.ids: dict[str, str] = {}
        self.caller: Caller | None = None
        asked_id = head.fields.get("x-request-id", "")
        #: Shared by everything that this request sets off.
        self.correlation_id: str = asked_id.lower() if _UUID.fullmatch(asked_id) else new_id()
        self.traceparent = _traceparent_of(head.fields.get("traceparent", ""))
        #: The patient that the answer is about, once it is known; for the record.
        self.about_id: str | None = None
        self._query: dict[str, list[str]] | None = None if head.query else {}
        self._raw: bytes | None = None
        self._body: dict[str, Any] | None = None
        #: Whether the body can be read to its end.
        self.readable = True

    @property
    def trace_id(self) -> str:
        """The W3C trace id."""
        return self.traceparent.split("-")[1]

    @property
    def known_caller(self) -> Caller:
        """Who asks, on a route that needs a token.

        :raises Unauthenticated: when nobody was asked for one.
        """
        if self.caller is None:
            raise Unauthenticated
        return self.caller

    @property
    def query(self) -> dict[str, list[str]]:
        """The query's parameters, each with all its values.

        :raises Malformed: when the query cannot be read.
        """
        if self._query is None:
            try:
                pairs = parse_qsl(
                    self.head.query,
                    keep_blank_values=True,
                    max_num_fields=100,
                    errors="strict",
                )
            except (ValueError, UnicodeDecodeError):
                raise Malformed(
                    "The query cannot be read.", field="query", rule="URL-encoded UTF-8"
                ) from None
            found: dict[str, list[str]] = {}
            for name, value in pairs:
                if "\0" in name or "\0" in value:
                    raise Malformed("The query holds a NUL.", field="query", rule="no NUL characters")
                found.setdefault(name, []).append(value)
            self._query = found
        return self._query

    @property
    def body(self) -> dict[str, Any]:
        """The body's JSON object; empty when there is no body.

        :raises Refusal: when the body is too large, late, not JSON, or not an object.
        """
        if self._body is None:
            self._body = self._parsed(self._read())
        return self._body

    @property
    def told(self) -> dict[str, Any]:
        """What the body's JSON object tells, also where the body breaks a rule of the door's.

        :raises Malformed: when it is no JSON object, or cannot be read to its end.
        """
        if not self.readable:
            raise Malformed("The body cannot be read.", field="body", rule="whole")
        try:
            document = orjson.loads(self._read().strip() or b"{}")
        except (orjson.JSONDecodeError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise Malformed("The body is not a JSON object.", field="body", rule="a JSON object")
        return document

    def read_as_empty(self) -> None:
        """Go on as though the body, which nobody can read, told nothing."""
        self.readable, self._raw = True, b""

    def _read(self) -> bytes:
        if self._raw is None:
            # What broke off once is not waited for again.
            self.readable = False
            self._raw = _read_body(self.head, self.door.settings.max_body_bytes)
            self.readable = True
        return self._raw

    def _parsed(self, raw: bytes) -> dict[str, Any]:
        if not raw.strip():
            return {}
        content_type = self.head.fields.get("content-type", JSON)
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type != JSON and not media_type.endswith("+json"):
            raise problems.UnsupportedMediaType(field="Content-Type", rule=JSON)
        try:
            document = orjson.loads(raw)
        except (orjson.JSONDecodeError, RecursionError):
            # Where it breaks would be harmless to tell; what stands there would not.
            raise Malformed("The body is not valid JSON.", field="body", rule="valid JSON in UTF-8") from None
        if not isinstance(document, dict):
            raise Malformed("The body is not a JSON object.", field="body", rule="a JSON object")
        # PostgreSQL keeps no NUL in a text.
        if b"\\u0000" in raw and _holds_nul(document):
            raise Malformed("The body holds a NUL.", field="body", rule="no NUL characters")
        return document

    @property
    def command_id(self) -> str:
        """The identity of the command: the same for the same caller, address and Idempotency-Key.

        :raises Malformed: when there is no usable key.
        """
        key = self.head.fields.get("idempotency-key", "")
        if not 0 < len(key) <= MAX_KEY_LENGTH or not (key.isascii() and key.isprintable()):
            raise Malformed(
                "Every POST needs a key of its own, so that it can be repeated safely.",
                code="idempotency_key_missing" if not key else "idempotency_key_invalid",
                field="Idempotency-Key",
                rule=f"1 to {MAX_KEY_LENGTH} printable ASCII characters",
            )
        caller = self.known_caller
        path = self.route.path.format(**self.ids)
        return derived_id(
            caller.tenant_id, caller.partner, caller.actor.actor_id, f"{self.route.method} {path}", key
        )

    def origin(self) -> Origin:
        """Return whom a transaction of the gateway's own acts for."""
        caller = self.known_caller
        return Origin(
            service="gateway",
            tenant_id=caller.tenant_id,
            actor=caller.actor,
            now=self.door.wiring.clock.now(),
            correlation_id=self.correlation_id,
            causation_id=None,
            traceparent=self.traceparent,
        )

    @contextlib.contextmanager
    def transaction(self, *, reads_only: bool = False) -> Iterator[tuple[Session, Origin]]:
        """Open a transaction on the gateway's database that acts for the caller."""
        origin = self.origin()
        with self.door.traffic.host.transaction(origin, reads_only=reads_only, by_the_book=True) as db:
            yield db, origin


class Door(SharedExtension):
    """The HTTP server of the process; all routes of the gateway share it."""

    def __init__(self) -> None:
        super().__init__()
        self.traffic = Traffic()
        self.draining = False
        self.drained = False
        self._one_drain = Semaphore(1)
        self._connections: dict[int, list[Any]] = {}
        self._pool = GreenPool(MAX_CONNECTIONS)
        self._listener: Any = None
        self._accepting: Any = None
        #: How often events had been taken in when last all of them had their place.
        self._placed = -1
        self._in_flight = 0
        self._database_checked_at = float("-inf")
        self._database_answers = False

    @property
    def wiring(self) -> Wiring:
        """What the process is connected to."""
        wiring: Wiring = self.container.config["homeward"]
        return wiring

    @property
    def settings(self) -> Any:
        """The process's settings."""
        return self.wiring.settings

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that the door listens on."""
        host, port = self._listener.getsockname()[:2]
        return host, port

    def setup(self) -> None:
        """Take the port, so that a port in use ends the start before anything else began.

        :raises PortInUse: when somebody answers there already.
        """
        self._listener = listen(self.settings.http_host, self.settings.http_port)
        self._verifier = Verifier(self.settings.token_key)

    def start(self) -> None:
        """Open the door."""
        # Bound methods of the class are found by their entry points, which nameko bound already.
        entries = [entry for entry in self.container.entrypoints if isinstance(entry, HttpRoute)]
        self._router = routing.Router((entry.route, entry.method_name) for entry in entries)
        engine = self.wiring.engine_of("gateway")
        self.accesses = Accesses(engine)
        self.unwritten = Unwritten(self.settings, self.wiring.clock)
        self._placing = Loop("positions", self.place_all)
        self._ticking = eventlet.spawn(self._tick)
        self._server = wsgi.Server(
            self._listener,
            self._listener.getsockname(),
            self._answer,
            protocol=wire.Protocol,
            log_output=False,
            keepalive=KEEP_ALIVE_SECONDS,
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            url_length_limit=8192,
            debug=False,
        )
        self.wiring.http_port = self.address[1]
        self._accepting = eventlet.spawn(self._accept)
        log.info("door_open", port=self.address[1])

    def place_all(self, *, wait: bool = False, also: tuple[str, dict[str, Any]] | None = None) -> None:
        """Give every event its place in the feed, unless it is known here that none has come since.

        :param wait: whether to wait for whoever does this now.
        :param also: a statement on the gateway's database, and what it names, that travels with this where it
            waits, and is carried out in any case.
        """
        # Noted before, so that what is taken in meanwhile is looked for the next time.
        taken_in = self.traffic.host.times_taken_in
        # Where events are confirmed by their effects, nobody else keeps any.
        if taken_in != self._placed or not self.wiring.broker.confirms_effects:
            tables.place_all(self.wiring.engine_of("gateway"), wait=wait, also=also)
            if wait:
                # Who does not wait leaves the newest to whoever does this now.
                self._placed = taken_in
        elif also is not None:
            with without_transactions(self.wiring.engine_of("gateway")) as connection:
                connection.exec_driver_sql(*also)

    def _tick(self) -> None:
        """Have within a second written what waits to be, and events placed, though nobody asks for it."""
        while True:
            eventlet.sleep(TICK_SECONDS)
            self.accesses.wake()
            self.unwritten.wake()
            self._placing.wake()

    # --- Connections --------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                connection, address = self._listener.accept()
            except OSError as error:
                if error.errno in (errno.EBADF, errno.EINVAL):
                    return
                # Out of file descriptors, or gone before it was accepted: the next may fare better.
                eventlet.sleep(0.05)
                continue
            self._serve(connection, address)

    def _serve(self, connection: Any, address: Any) -> None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(SOCKET_TIMEOUT_SECONDS)
        state = [address, connection, wsgi.STATE_IDLE, time.monotonic()]
        self._connections[id(state)] = state
        self._pool.spawn_n(self._serve_connection, state)

    def _serve_connection(self, state: list[Any]) -> None:
        try:
            self._server.process_request(state)
        except Exception as error:  # noqa: BLE001  # a broken connection is nobody else's business
            log.debug("connection_broken", error=type(error).__name__)
        finally:
            self._connections.pop(id(state), None)
            state[2] = wsgi.STATE_CLOSE
            with contextlib.suppress(OSError):
                state[1].close()

    # --- Requests -----------------------------------------------------------------------------

    def _answer(self, head: wire.Head) -> wire.Answer:
        began = time.perf_counter()
        request = Request(self, "", _no_route(head.method), head)
        telemetry.traceparent.set(request.traceparent)
        self._in_flight += 1
        requests_in_flight.inc()
        try:
            response = self._respond(request)
        finally:
            self._in_flight -= 1
            requests_in_flight.dec()
        if wire.end_of_body_is_unknown(head):
            head.protocol.hang_up_politely()
        seconds = time.perf_counter() - began
        method, path = request.route.method, request.route.path or "none"
        if not request.route.path:
            method = "none"
        telemetry.labelled(requests_total, method, path, str(response.status)).inc()
        telemetry.labelled(request_seconds, method, path).observe(seconds)
        log.log(
            logging.WARNING if response.status >= 500 else logging.INFO,
            "request",
            route=f"{method} {path}",
            status=response.status,
            seconds=round(seconds, 4),
            request_id=request.correlation_id,
            trace_id=request.trace_id,
        )
        fields = [
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
            ("X-Request-Id", request.correlation_id),
            ("Traceparent", request.traceparent),
            ("X-Content-Type-Options", "nosniff"),
            *response.headers,
        ]
        if not any(name == "Cache-Control" for name, _ in response.headers):
            fields.append(("Cache-Control", "no-store"))
        return wire.Answer(response.status, fields, response.body)

    def _respond(self, request: Request) -> Response:
        timeout = eventlet.Timeout(ANSWER_SECONDS)
        try:
            return self._handle(request)
        except Refusal as refusal:
            why = refusal
            if request.caller is not None and refusal.status in (403, 404):
                self.accesses.note(request, outcome=refusal.code)
        except (database_errors.OperationalError, database_errors.TimeoutError) as error:
            log.warning("database_error", error=type(error).__name__, request_id=request.correlation_id)
            why = Unavailable("The database does not answer.", retry_after=2)
        except eventlet.Timeout:
            why = Unavailable("This took too long.")
        except Exception as error:  # noqa: BLE001  # whatever happened, the caller gets an answer
            log.error(
                "request_failed",
                route=f"{request.route.method} {request.route.path}",
                error=type(error).__name__,
                exc_place=place_of(error),
                request_id=request.correlation_id,
                trace_id=request.trace_id,
            )
            why = problems.Internal()
        finally:
            timeout.cancel()
        return self._refuse(request, why)

    def _refuse(self, request: Request, refusal: Refusal) -> Response:
        """Return the answer that says no, and have a danger in the request heard all the same."""
        try:
            heard = self._hear(request, refusal)
        except Exception as error:  # noqa: BLE001  # whoever sent it is told whom to call
            log.warning("nobody_heard", error=type(error).__name__, request_id=request.correlation_id)
            heard = problems.UNHEARD
        if heard is None and refusal.status >= 500 and _may_tell(request):
            heard = problems.UNHEARD
        if heard is not None and not heard.concerns:
            unheard_total.labels(request.name, str(refusal.status)).inc()
        elif heard is not None and heard.kept and refusal.status >= 500:
            document = {"status": "received"} | heard.to_document()
            return Response.of(document, status=202, replayed=heard.replayed)
        return refused(refusal, request, heard=heard)

    def _hear(self, request: Request, refusal: Refusal) -> problems.Heard | None:
        """Hear the danger in a request that was refused, if there is one.

        :raises Exception: when nobody can look, or write down what was found.
        """
        if request.route.hears is None:
            return None
        if request.caller is None:
            # Somebody whose token has just expired is in the same danger.
            request.caller = self._verifier.lately_caller_of(request.head.fields.get("authorization"))
        return request.route.hears(request, refusal)

    def _handle(self, request: Request) -> Response:
        head = request.head
        try:
            _check_framing(head, self.settings.max_body_bytes)
        except Refusal:
            request.readable = False
            with contextlib.suppress(Refusal):
                self._find(request)
            raise
        found = self._find(request)
        if found.scope:
            request.caller = self._verifier.caller_of(head.fields.get("authorization"))
            _authorise(request)
        if not self.traffic.consumers and found.scope:
            raise Unavailable("Still starting.")
        answer = getattr(self.traffic.host.service, request.name)(request)
        response = answer if isinstance(answer, Response) else Response.of(answer)
        if request.caller is not None and not found.is_command and found.recorded:
            self.accesses.note(request, outcome="allowed")
        return response

    def _find(self, request: Request) -> routing.Route:
        """Find the request's route.

        :raises Refusal: when there is none.
        """
        path = _path_of(request.head)
        request.route, request.name, request.ids = self._router.find(request.head.method, path)
        return request.route

    # --- Health and end -----------------------------------------------------------------------

    def not_ready_because(self) -> tuple[str, ...]:
        """Return why no request should be sent here now; nothing when all is well."""
        reasons = []
        if self.draining:
            reasons.append("draining")
        reasons += self.traffic.not_ready_because() if self.traffic.consumers else ("broker",)
        if not self._database_is_there():
            reasons.append("database")
        return tuple(reasons)

    def warnings(self) -> tuple[str, ...]:
        """Return what an operator should look at though requests can be sent here."""
        return self.traffic.warnings() if self.traffic.consumers else ()

    def _database_is_there(self) -> bool:
        if time.monotonic() - self._database_checked_at > 1.0:
            try:
                with self.wiring.engine_of("gateway").connect() as connection:
                    connection.exec_driver_sql("SELECT 1")
                self._database_answers = True
            except database_errors.SQLAlchemyError:
                self._database_answers = False
            self._database_checked_at = time.monotonic()
        return self._database_answers

    def drain(self) -> None:
        """Tell that we stop, accept no more, and finish what is in hand within the drain time."""
        with self._one_drain:
            if self.drained or self._accepting is None:
                return
            ends = time.monotonic() + float(self.settings.drain_seconds)
            self.draining = True
            # From here on every answer says "Connection: close".
            self._server.keepalive = False
            eventlet.sleep(NOTICE_SECONDS)
            self._accepting.kill()
            self._accept_those_who_knocked()
            self._listener.close()
            self._hang_up_idle()
            while self._connections and time.monotonic() < ends:
                eventlet.sleep(0.02)
                self._hang_up_idle()
            for state in list(self._connections.values()):
                with contextlib.suppress(OSError):
                    greenio.shutdown_safe(state[1])
            self._ticking.kill()
            self._placing.stop()
            self.accesses.stop()
            self.unwritten.stop()
            self.drained = True
            log.info("door_closed", count=self._in_flight)

    def _accept_those_who_knocked(self) -> None:
        # Connections in the listen queue were made in good faith; closing would reset them.
        self._listener.settimeout(0)
        while True:
            try:
                connection, address = self._listener.accept()
            except OSError:
                return
            self._serve(connection, address)

    def _hang_up_idle(self) -> None:
        new_since = time.monotonic() - PATIENCE_SECONDS
        for state in list(self._connections.values()):
            if state[2] == wsgi.STATE_IDLE and state[3] < new_since and not _has_data(state[1]):
                state[2] = wsgi.STATE_CLOSE
                greenio.shutdown_safe(state[1])

    def stop(self) -> None:
        """Close the door, if the routes have not done so."""
        self.drain()

    def kill(self) -> None:
        """Close the port at once."""
        if self._accepting is not None:
            self._accepting.kill()
            self._ticking.kill()
        if self._listener is not None:
            self._listener.close()


def listen(host: str, port: int) -> Any:
    """Return a socket that listens at the address, alone.

    eventlet's own would share the port with another server, in silence.

    :raises PortInUse: when somebody answers there already.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if port:
        asked = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        with (
            contextlib.suppress(OSError),
            contextlib.closing(socket.create_connection((asked, port), timeout=1)),
        ):
            raise PortInUse(f"somebody already answers on port {port} of {asked}")
    try:
        return eventlet.listen((host, port), family=family, backlog=1024, reuse_port=False)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"port {port} of {host} is in use") from None
        raise


def refused(refusal: Refusal, request: Request, *, heard: problems.Heard | None = None) -> Response:
    """Return the answer that says no.

    :param heard: what was heard in a request that told of a danger, or may have.
    """
    return Response(
        status=refusal.status,
        body=problems.problem(
            refusal.status,
            code=refusal.code,
            detail=refusal.detail,
            errors=refusal.problems,
            trace_id=request.trace_id,
            request_id=request.correlation_id,
            heard=heard,
        ),
        content_type=problems.MEDIA_TYPE,
        headers=problems.headers_of(refusal),
    )


@functools.lru_cache(maxsize=16)
def _no_route(method: str) -> routing.Route:
    """Return what stands for the route of a request until its own is found."""
    return routing.Route(method=method, path="")


def _may_tell(request: Request) -> bool:
    """Return whether a request may tell of a danger."""
    return request.route.is_command and request.route.shows_crisis_lines


def _authorise(request: Request) -> None:
    """Let the caller on, or refuse.

    :raises Forbidden: when the scope is missing, or the route is not for patients.
    :raises NotFound: when a patient asks for somebody else's.
    """
    caller = request.known_caller
    if caller.is_patient:
        if request.route.patients == routing.NO_PATIENTS:
            raise Forbidden(
                "A patient's token may not do this.", code="role_may_not", field="role", rule="not patients"
            )
        own = caller.actor.actor_id == request.ids.get("patient_id", "").lower()
        if request.route.patients == routing.OWN_PATH and not own:
            raise NotFound("There is no such patient.", field="patient_id", rule="one that you can see")
    caller.require(request.route.scope)


def _check_framing(head: wire.Head, limit: int) -> None:
    """Refuse a body that is too large, or whose length is told in two ways, before reading any of it.

    :raises TooLarge: when the stated length is above the limit.
    :raises Malformed: when the length cannot be trusted.
    """
    lengths, coding = head.lengths, head.fields.get("transfer-encoding", "").strip().lower()
    ways = len(lengths) + bool(coding)
    if ways > 1 or coding not in ("", "chunked") or any(not text.isdecimal() for text in lengths):
        head.protocol.hang_up_politely()
        raise Malformed("The body's length is not clear.", field="Content-Length", rule="one length")
    if any(len(text) > 15 or int(text) > limit for text in lengths):
        head.protocol.hang_up_politely()
        raise _too_large(limit)


def _read_body(head: wire.Head, limit: int) -> bytes:
    stream = head.body
    patience = eventlet.Timeout(BODY_SECONDS)
    try:
        # One byte more than allowed tells whether a body of unknown length is too large.
        body: bytes = stream.read(limit + 1)
    except eventlet.Timeout as expired:
        if expired is not patience:
            raise
        head.protocol.hang_up_politely()
        raise problems.RequestTimeout(field="body", rule=f"whole within {BODY_SECONDS:.0f} s") from None
    except (OSError, ValueError):
        head.protocol.hang_up_politely()
        raise Malformed("The body broke off.", field="body", rule="as long as it says") from None
    finally:
        patience.cancel()
    if len(body) > limit:
        head.protocol.hang_up_politely()
        raise _too_large(limit)
    if not stream.chunked_input and len(body) < (stream.content_length or 0):
        head.protocol.hang_up_politely()
        raise Malformed("The body broke off.", field="body", rule="as long as it says")
    return body


def _too_large(limit: int) -> TooLarge:
    return TooLarge("The body is larger than the door accepts.", field="body", rule=f"at most {limit} bytes")


def _path_of(head: wire.Head) -> str:
    """Return the path.

    :raises Malformed: when it is not UTF-8.
    """
    try:
        path = unquote_to_bytes(head.path).decode()
    except UnicodeError:
        path = "\0"
    if "\0" in path:
        raise Malformed("The address cannot be read.", field="path", rule="UTF-8 without NUL")
    return path


def _traceparent_of(asked: str) -> str:
    found = _TRACEPARENT.fullmatch(asked.strip())
    # A span of our own within the caller's trace, or a trace of our own.
    made_up = secrets.token_hex(24)
    trace_id = found.group(1) if found else made_up[16:]
    return f"00-{trace_id}-{made_up[:16]}-01"


def _holds_nul(document: Any) -> bool:
    waiting = [document]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if "\0" in item:
                return True
        elif isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return False


def _has_data(connection: Any) -> bool:
    """Return whether something came that was not read yet: a request that we owe an answer."""
    try:
        return bool(connection.fd.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except OSError:
        return False
