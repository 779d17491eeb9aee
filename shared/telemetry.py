"""What a process tells its operators: log lines, metrics, and whether it is well.

Logs are JSON lines. Only keys on a list pass, so that nobody logs a name by accident: a value under
any other key is replaced by its type. Metrics carry names of types and methods, never ids.
"""

import contextvars
import functools
import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import eventlet
import orjson
import structlog
from eventlet import wsgi
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

#: W3C trace context of what is being worked on.
traceparent: contextvars.ContextVar[str | None] = contextvars.ContextVar("traceparent", default=None)

#: Keys whose values may be logged: codes, names of ours, ids, counts and times.
LOGGED = frozenset(
    {
        "event", "level", "timestamp", "trace_id", "service", "loop", "reaction", "command", "timer",
        "queue", "error", "exc_place", "attempts", "state", "event_id", "command_id", "digest", "status",
        "method", "route", "seconds", "count", "reason", "port", "error_id", "request_id", "job",
        "correlation_id", "signal", "fault", "number", "milliseconds", "host", "unfinished", "lost",
        "notification_id", "template", "channel", "concern_id",
    }
)  # fmt: skip

events_announced = Counter("homeward_events_announced_total", "Events saved to be sent.", ["type"])
reactions = Counter("homeward_reactions_total", "Reactions run, by how they went.", ["reaction", "outcome"])
commands = Counter(
    "homeward_commands_total", "Commands and questions, by how they went.", ["command", "outcome"]
)
command_seconds = Histogram(
    "homeward_command_seconds",
    "Time a service took for a command or question.",
    ["command"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2),
)
oldest_unsent = Gauge("homeward_oldest_unsent_seconds", "Age of the oldest unsent event.", ["service"])
oldest_waiting = Gauge("homeward_oldest_waiting_seconds", "Age of the oldest waiting reaction.", ["service"])
oldest_due_timer = Gauge(
    "homeward_oldest_due_timer_seconds",
    "Age of the oldest timer that is due and not fired.",
    ["service"],
)
notifications = Counter(
    "homeward_notifications_total", "Notifications settled, by what became of them.", ["channel", "outcome"]
)
oldest_page = Gauge(
    "homeward_oldest_page_seconds", "Age of the oldest urgent notification not sent yet.", ["service"]
)
unconfirmed_dangers = Gauge(
    "homeward_unconfirmed_dangers", "Dangers that nobody has confirmed in time.", ["service"]
)
unpageable_dangers = Gauge(
    "homeward_unpageable_dangers", "Those of them whose tenant has no fallback address.", ["service"]
)
nobody_on_call = Gauge(
    "homeward_tenants_with_nobody_on_call", "Tenants in which nobody has the duty right now."
)
parked = Gauge("homeward_parked_reactions", "Reactions parked for a human.", ["service"])
unknown_timers = Gauge(
    "homeward_unknown_timers", "Timers that are due and that only another version knows.", ["service"]
)
parked_timers = Gauge("homeward_parked_timers", "Timers parked for a human.", ["service"])


@functools.lru_cache(maxsize=8192)
def labelled(metric: Any, *labels: str) -> Any:
    """Return what a metric counts under these labels; kept, because finding it costs more than counting."""
    return metric.labels(*labels)


def configure_logging(level: str) -> None:
    """Write logs as JSON lines to standard output, from *level* up; libraries from WARNING up."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_trace,
            _let_pass_what_is_listed,
            structlog.processors.JSONRenderer(serializer=_as_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_LibraryLine())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _as_json(line: Any, **_: Any) -> str:
    return orjson.dumps(line, default=lambda value: type(value).__name__).decode()


def _add_trace(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    trace = traceparent.get()
    if trace and "trace_id" not in line:
        line["trace_id"] = trace.split("-")[1]
    return line


def _let_pass_what_is_listed(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in line.items():
        if key not in LOGGED:
            line[key] = f"<{type(value).__name__} withheld>"
    return line


class _LibraryLine(logging.Formatter):
    """A library's log line: who, how bad and where; never its text, which may quote a message."""

    def format(self, record: logging.LogRecord) -> str:
        return orjson.dumps(
            {
                "event": "library_log",
                "level": record.levelname.lower(),
                "timestamp": self.formatTime(record),
                "logger": record.name,
                "exc_place": f"{record.filename}:{record.lineno}",
                "error": record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None,
            }
        ).decode()


def metrics_page() -> tuple[str, bytes]:
    """Return the content type and body of the metrics."""
    return CONTENT_TYPE_LATEST, generate_latest()


def serve_health(
    port: int,
    *,
    not_ready_because: Callable[[], tuple[str, ...]],
    warnings: Callable[[], tuple[str, ...]],
) -> Any:
    """Serve ``/livez``, ``/readyz`` and ``/metrics`` of a process that has no door of its own.

    :param not_ready_because: returns why the process is not ready; nothing when it is.
    :param warnings: returns what ``/readyz`` tells besides, whether or not the process is ready.
    :returns: the greenthread that serves.
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            content_type, body = metrics_page()
            start_response("200 OK", [("Content-Type", content_type)])
            return [body]
        if path not in ("/livez", "/readyz"):
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"not found\n"]
        reasons, warned = (not_ready_because(), warnings()) if path == "/readyz" else ((), ())
        start_response("503 Service Unavailable" if reasons else "200 OK", [("Content-Type", "text/plain")])
        lines = [f"not ready: {', '.join(reasons)}" if reasons else "ok"]
        lines += [f"warning: {warning}" for warning in warned]
        return ["".join(f"{line}\n" for line in lines).encode()]

    listener = eventlet.listen(("0.0.0.0", port), reuse_port=False)  # noqa: S104  # probes come from outside
    return eventlet.spawn(wsgi.server, listener, answer, log_output=False)
