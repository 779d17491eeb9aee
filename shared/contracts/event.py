"""What an event is, how it is named on the wire and how it is read back.

An event is a past-tense fact, declared once, as a frozen dataclass, by the service that announces
it, together with the services that react::

    @event(source="scheduling", reacting=("monitoring", "aftercare"))
    class SessionMissed(EpisodeFact):
        session_id: str

Wire name and JSON schema are derived, never typed. Contracts only grow by optional fields:
readers ignore fields that they do not know.
"""

import dataclasses
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

import orjson
import uuid_utils

EventT = TypeVar("EventT", bound="Event")

#: The processes that may announce or react. The gateway's archive receives every event besides.
SERVICES = ("intake", "scheduling", "monitoring", "aftercare", "gateway")

#: Every event, by its wire name.
EVENTS: dict[str, type["Event"]] = {}


class UnreadableEvent(ValueError):
    """Raised when bytes from the wire are not an event that this version can read."""


#: What a later version may call an event. Anything else may be somebody's words, and is kept sealed.
_WIRE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class UnknownEvent(UnreadableEvent):
    """Raised when an envelope holds an event of a type that only a later version knows."""

    def __init__(self, *, event_id: str, tenant_id: str, wire_name: str) -> None:
        """Tell what every version can read of it."""
        super().__init__("UnknownEvent")
        self.event_id, self.tenant_id, self.wire_name = event_id, tenant_id, wire_name


@dataclass(frozen=True, kw_only=True)
class Event:
    """A fact that one service tells the others: ids, codes and times, never names or free text."""

    source: ClassVar[str] = ""
    reacting: ClassVar[tuple[str, ...]] = ()
    wire_name: ClassVar[str] = ""
    #: Whether somebody may be in danger: a reaction to it is tried for ever, and humans are paged.
    never_parked: ClassVar[bool] = False

    @property
    def subject(self) -> str | None:
        """The patient the fact is about, if it is about one."""
        return getattr(self, "patient_id", None)

    def to_data(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values: moments in UTC as RFC 3339, days as ISO dates."""
        return {name: _to_json(getattr(self, name)) for name in _field_names(type(self))}

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Self:
        """Build the event from JSON values, ignoring fields unknown to this version.

        :raises UnreadableEvent: when a required field is missing or a value has the wrong type.
        """
        values = {}
        for name, reader, required in _readers(cls):
            if name in data:
                try:
                    values[name] = reader(data[name])
                except (TypeError, ValueError) as error:
                    raise UnreadableEvent(f"{cls.wire_name}.{name}: {type(error).__name__}") from None
            elif required:
                raise UnreadableEvent(f"{cls.wire_name}.{name}: missing")
        return cls(**values)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the JSON schema of the event's data, for AsyncAPI and the catalogue."""
        hints = typing.get_type_hints(cls)
        required = [name for name, _, needed in _readers(cls) if needed]
        return {
            "type": "object",
            "title": cls.__name__,
            "description": (cls.__doc__ or "").strip().splitlines()[0],
            "properties": {name: _schema_of(hints[name]) for name in _field_names(cls)},
            "required": required,
        }


@dataclass(frozen=True, kw_only=True)
class EpisodeFact(Event):
    """A fact about one patient in one episode of care; ``journey_id`` spans all their episodes."""

    patient_id: str
    episode_id: str
    journey_id: str


@dataclass_transform(frozen_default=True, kw_only_default=True)
def event(
    *, source: str, reacting: tuple[str, ...] = (), never_parked: bool = False
) -> Callable[[type[EventT]], type[EventT]]:
    """Declare a class as an event of *source* that wakes the services named in *reacting*.

    :param never_parked: whether it tells of a danger: see :mod:`shared.safety`.
    """
    unknown = {source, *reacting} - {*SERVICES, "common"}
    if unknown:
        raise ValueError(f"no such service: {sorted(unknown)}")

    def declare(cls: type[EventT]) -> type[EventT]:
        declared = dataclass(frozen=True, kw_only=True)(cls)
        declared.source = source
        declared.reacting = reacting
        declared.never_parked = never_parked
        declared.wire_name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        if declared.wire_name in EVENTS:
            raise ValueError(f"{declared.wire_name} is declared twice")
        EVENTS[declared.wire_name] = declared
        return declared

    return declare


#: What is worked out once for each class: field names, and how each field is read.
_NAMES: dict[type[Event], tuple[str, ...]] = {}
_SETS: dict[type[Event], frozenset[str]] = {}
_READERS: dict[type[Event], tuple[tuple[str, Callable[[Any], Any], bool], ...]] = {}


def _field_names(cls: type[Event]) -> tuple[str, ...]:
    if cls not in _NAMES:
        _NAMES[cls] = tuple(field.name for field in dataclasses.fields(cls))
    return _NAMES[cls]


def _field_set(cls: type[Event]) -> frozenset[str]:
    if cls not in _SETS:
        _SETS[cls] = frozenset(_field_names(cls))
    return _SETS[cls]


def _readers(cls: type[Event]) -> tuple[tuple[str, Callable[[Any], Any], bool], ...]:
    if cls not in _READERS:
        hints = typing.get_type_hints(cls)
        _READERS[cls] = tuple(
            (
                field.name,
                _reader_of(hints[field.name]),
                field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
            )
            for field in dataclasses.fields(cls)
        )
    return _READERS[cls]


def read_moment(value: Any) -> datetime:
    """Read an RFC 3339 moment into an aware datetime in UTC."""
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a moment needs its offset")
    return moment.astimezone(UTC)


def write_moment(moment: datetime) -> str:
    """Write an aware moment as RFC 3339 in UTC, the one form used on the wire."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return write_moment(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    return value


def _exactly(kind: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            raise TypeError(kind.__name__)
        return value

    return read


def _listed(read_item: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise TypeError("list")
        return tuple(read_item(item) for item in value)

    return read


def _reader_of(hint: Any) -> Callable[[Any], Any]:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (arg for arg in typing.get_args(hint) if arg is not type(None))
        reader = _reader_of(inner)
        return lambda value: None if value is None else reader(value)
    if origin is tuple:
        return _listed(_reader_of(typing.get_args(hint)[0]))
    if hint is datetime:
        return read_moment
    if hint is date:
        return date.fromisoformat
    return _exactly(hint)


_JSON_TYPES: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
}


def _schema_of(hint: Any) -> dict[str, Any]:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (arg for arg in typing.get_args(hint) if arg is not type(None))
        return {"anyOf": [_schema_of(inner), {"type": "null"}]}
    if origin is tuple:
        return {"type": "array", "items": _schema_of(typing.get_args(hint)[0])}
    return dict(_JSON_TYPES[hint])


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts: a person of the tenant, a patient, or a service reacting by itself.

    ``role`` is one of the codes in ``shared.contracts.roles``; ``credential`` is what the
    partner's token asserts about the person's licence ("" when it asserts none).
    """

    actor_id: str
    role: str
    credential: str = ""


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """A CloudEvents 1.0 envelope around one event.

    ``occurred_at`` is program time, ``recorded_at`` real time, both in UTC. ``correlation_id`` is
    shared by everything that one request set off; ``causation_id`` is the one event or command
    that caused this event.
    """

    event_id: str
    event: Event
    announced_by: str
    tenant_id: str
    occurred_at: datetime
    recorded_at: datetime
    actor: Actor
    correlation_id: str
    causation_id: str | None = None
    traceparent: str | None = None
    #: What it was read from, where that holds this and nothing else.
    _read_from: bytes | None = field(default=None, init=False, compare=False, repr=False)

    def to_bytes(self) -> bytes:
        """Write the envelope as structured-mode CloudEvents JSON."""
        if self._read_from is not None:
            return self._read_from
        event = self.event
        attributes = {
            "specversion": "1.0",
            "id": self.event_id,
            "source": f"/homeward/{self.announced_by}",
            "type": f"homeward.{event.wire_name}",
            "time": write_moment(self.occurred_at),
            "recordedtime": write_moment(self.recorded_at),
            "datacontenttype": "application/json",
            "tenantid": self.tenant_id,
            "subject": event.subject,
            "episodeid": getattr(event, "episode_id", None),
            "journeyid": getattr(event, "journey_id", None),
            "actorid": self.actor.actor_id,
            "actorrole": self.actor.role,
            "actorcredential": self.actor.credential or None,
            "correlationid": self.correlation_id,
            "causationid": self.causation_id,
            "traceparent": self.traceparent,
            "data": event.to_data(),
        }
        return orjson.dumps({name: value for name, value in attributes.items() if value is not None})

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read an envelope from the wire.

        :raises UnknownEvent: when it is an envelope, and this version knows no such event.
        :raises UnreadableEvent: when the bytes are no envelope, or the event is not as its contract says.
        """
        try:
            attributes = orjson.loads(body)
            wire_name = attributes["type"].removeprefix("homeward.")
            event_id, tenant_id = str(uuid_utils.UUID(attributes["id"])), _short(attributes["tenantid"])
            if wire_name not in EVENTS and _WIRE_NAME.fullmatch(wire_name):
                raise UnknownEvent(event_id=event_id, tenant_id=tenant_id, wire_name=wire_name)
            kind, data = EVENTS[wire_name], attributes["data"]
            read = cls(
                event_id=event_id,
                event=kind.from_data(data),
                announced_by=attributes["source"].rsplit("/", 1)[-1],
                tenant_id=tenant_id,
                occurred_at=read_moment(attributes["time"]),
                recorded_at=read_moment(attributes["recordedtime"]),
                actor=Actor(
                    actor_id=_short(attributes["actorid"]),
                    role=_short(attributes["actorrole"]),
                    credential=attributes.get("actorcredential", ""),
                ),
                correlation_id=_short(attributes["correlationid"]),
                causation_id=_short(attributes["causationid"]) if "causationid" in attributes else None,
                traceparent=attributes.get("traceparent"),
            )
            # A later version may have told more than what this one answers for, an older one less.
            is_all = attributes.keys() <= _ATTRIBUTES and data.keys() == _field_set(kind)
            if is_all and attributes["id"] == event_id and attributes.get("subject") == read.event.subject:
                object.__setattr__(read, "_read_from", body)
            return read
        except UnreadableEvent:
            raise
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
            # The text of the error could quote the message, so only its kind is told.
            raise UnreadableEvent(type(error).__name__) from None


#: Of an envelope, as :meth:`Envelope.to_bytes` writes it.
_ATTRIBUTES = frozenset(
    {
        "specversion", "id", "source", "type", "time", "recordedtime", "datacontenttype", "tenantid",
        "subject", "episodeid", "journeyid", "actorid", "actorrole", "actorcredential", "correlationid",
        "causationid", "traceparent", "data",
    }
)  # fmt: skip


def _short(name: Any) -> str:
    """Return a name that fits where names are kept.

    :raises ValueError: when it is no text, or longer than 64 characters.
    """
    if not isinstance(name, str) or not 0 < len(name) <= 64:
        raise ValueError("a name of at most 64 characters")
    return name
