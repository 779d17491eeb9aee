"""Writes docs/events.md from the contracts; a test checks that it is current."""

import ast
import inspect
import re
from pathlib import Path

from shared.contracts.catalogue import EVENTS
from shared.contracts.event import SERVICES, EpisodeFact, Event

PLACE = Path(__file__).parent / "events.md"

_HEAD = """\
# Events

Every fact that Homeward's services tell each other, written by `make docs` from `shared/contracts/`.
An event travels in a CloudEvents 1.0 envelope with tenant, subject, episode and journey, actor,
correlation, causation and trace context. It carries ids, codes and times, never names, contacts or free
text. The gateway keeps every event besides those who react; partners read them at `GET /v1/events`, as
far as consent allows.

Contracts only grow by optional fields, so a reader ignores what it does not know.
"""

#: What the fields of every fact about an episode are; told once.
_EPISODE_FIELDS = ("patient_id", "episode_id", "journey_id")


def render() -> str:
    """Return the page."""
    sections = [_HEAD, _overview()]
    for source, events in _by_source().items():
        who = "any service" if source == "common" else source
        sections.append(f"## Announced by {who}\n")
        sections += [_entry(event) for event in events]
    return "\n".join(sections)


def _by_source() -> dict[str, list[type[Event]]]:
    # Not in the order of declaration, which depends on who imported what first.
    grouped = {
        source: [event for event in EVENTS.values() if event.source == source]
        for source in (*SERVICES, "common")
    }
    return {source: events for source, events in grouped.items() if events}


def _overview() -> str:
    lines = ["| Event | Announced by | Wakes |", "|---|---|---|"]
    lines += [
        f"| [{event.__name__}](#{event.__name__.lower()}) | {event.source} | {_list(event.reacting)} |"
        for events in _by_source().values()
        for event in events
    ]
    return "\n".join(lines) + "\n"


def _list(services: tuple[str, ...]) -> str:
    return ", ".join(services) or "–"


def _entry(event: type[Event]) -> str:
    schema = event.json_schema()
    remarks = _remarks(event)
    lines = [f"### {event.__name__}", "", inspect.cleandoc(event.__doc__ or ""), ""]
    wakes = ", ".join(event.reacting) or "nobody; kept in the feed"
    lines += [f"On the wire `homeward.{event.wire_name}`. Wakes: {wakes}.", ""]
    if issubclass(event, EpisodeFact):
        lines += ["Beside `patient_id`, `episode_id` and `journey_id`:", ""]
    lines += ["| Field | Type | |", "|---|---|---|"]
    for name, kind in schema["properties"].items():
        if issubclass(event, EpisodeFact) and name in _EPISODE_FIELDS:
            continue
        needed = "" if name in schema["required"] else "Optional. "
        lines.append(
            f"| `{name}` | {_type_of(kind)} | {needed}{remarks.get(name, '')} |".replace("  |", " |")
        )
    return "\n".join(lines) + "\n"


def _type_of(kind: dict[str, object]) -> str:
    """Write a JSON schema as a reader would say it."""
    choices = kind.get("anyOf")
    if isinstance(choices, list):
        return " or ".join(_type_of(choice) for choice in choices)
    if kind["type"] == "array" and isinstance(kind["items"], dict):
        return f"list of {_type_of(kind['items'])}"
    return str(kind.get("format", kind["type"]))


def _remarks(event: type[Event]) -> dict[str, str]:
    """Return the ``#:`` comments above the fields of a contract."""
    source = inspect.getsource(event)
    (declared,) = ast.parse(source).body
    lines = source.splitlines()
    remarks = {}
    for statement in declared.body if isinstance(declared, ast.ClassDef) else ():
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            above: list[str] = []
            line = statement.lineno - 2
            while re.match(r"\s*#:", lines[line]):
                above.insert(0, lines[line].strip().removeprefix("#:").strip())
                line -= 1
            remarks[statement.target.id] = " ".join(above).replace("|", "\\|")
    return remarks


if __name__ == "__main__":
    PLACE.write_text(render(), encoding="utf-8")
    print(f"{PLACE.name}: {len(EVENTS)} events")
