"""Stores one message of each event that has none yet: ``python -m tests.contracts.store``.

What is stored stays as it is for ever: it is the old message that new versions must read. Replace
the made-up values of a new one by vivid ones before you commit it.
"""

import dataclasses
import types
import typing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from shared.contracts.catalogue import EVENTS
from shared.contracts.event import Actor, Envelope, Event
from shared.ids import derived_id

STORED = Path(__file__).parent / "stored"

_MONDAY_MORNING = datetime(2026, 2, 2, 15, 0, tzinfo=UTC)


def example_of(event: type[Event]) -> Envelope:
    """Make up a message: ids that belong together, values that fit their types."""
    hints = typing.get_type_hints(event)
    values = {field.name: _value_of(field.name, hints[field.name]) for field in dataclasses.fields(event)}
    return Envelope(
        event_id=derived_id(event.wire_name, "stored"),
        event=event(**values),
        announced_by="monitoring" if event.source == "common" else event.source,
        tenant_id="lakeside",
        occurred_at=_MONDAY_MORNING,
        recorded_at=_MONDAY_MORNING + timedelta(seconds=2),
        actor=Actor(actor_id="counselor-1", role="counselor", credential="LADC"),
        correlation_id=derived_id("request", "stored"),
        causation_id=derived_id("command", "stored"),
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )


def _value_of(name: str, hint: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (kind for kind in typing.get_args(hint) if kind is not type(None))
        return _value_of(name, inner)
    if origin is tuple:
        inner = typing.get_args(hint)[0]
        return tuple(_value_of(f"{name}-{place}", inner) for place in (1, 2))
    if hint is str:
        return derived_id(name, "stored") if name.endswith("_id") else name.upper()
    return {int: 3, float: 0.5, bool: True, datetime: _MONDAY_MORNING, date: date(2026, 2, 2)}[hint]


def main() -> None:
    """Store what is missing."""
    STORED.mkdir(exist_ok=True)
    for wire_name, event in EVENTS.items():
        place = STORED / f"{wire_name}.json"
        if not place.exists():
            message = orjson.loads(example_of(event).to_bytes())
            place.write_bytes(orjson.dumps(message, option=orjson.OPT_INDENT_2) + b"\n")
            print(place)


if __name__ == "__main__":
    main()
