"""The AsyncAPI 3.0 document: every event, made from the contracts that the code itself uses."""

from typing import Any

from gateway.openapi import version
from shared.contracts.catalogue import EVENTS
from shared.messaging.broker import topology

#: Services that may announce the events that belong to several.
_SEVERAL = "any service"

_DESCRIPTION = """\
The facts that Homeward's services tell each other, and partners by GET /v1/events. An event is a \
past-tense fact, told at least once, in any order: know it by its id. It carries ids, codes and \
moments, never names, contacts or free text. Contracts only grow by optional fields: ignore those \
that you do not know."""


def document() -> dict[str, Any]:
    """Return the AsyncAPI document of all contracts."""
    messages = {
        name: {
            "name": name,
            "title": cls.__name__,
            "summary": (cls.__doc__ or "").strip().splitlines()[0],
            "contentType": "application/cloudevents+json",
            "payload": {"$ref": f"#/components/schemas/{cls.__name__}"},
            "x-announced-by": _SEVERAL if cls.source == "common" else cls.source,
            "x-reacting": list(cls.reacting),
        }
        for name, cls in sorted(EVENTS.items())
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Homeward events",
            "version": version(),
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            name: {
                "address": name,
                "title": EVENTS[name].__name__,
                "messages": {name: {"$ref": f"#/components/messages/{name}"}},
                "bindings": {
                    "amqp": {
                        "is": "routingKey",
                        "exchange": {
                            "name": topology.EVENTS_EXCHANGE,
                            "type": "topic",
                            "durable": True,
                            "autoDelete": False,
                        },
                        "bindingVersion": "0.3.0",
                    }
                },
            }
            for name in messages
        },
        "operations": _operations(),
        "components": {
            "messages": messages,
            "schemas": {
                "Envelope": _envelope(),
                **{cls.__name__: _payload(name) for name, cls in sorted(EVENTS.items())},
            },
        },
    }


def _operations() -> dict[str, Any]:
    operations = {}
    for name, cls in sorted(EVENTS.items()):
        told = {
            "channel": {"$ref": f"#/channels/{name}"},
            "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
        }
        by = _SEVERAL if cls.source == "common" else cls.source
        operations[f"announce_{name}"] = {
            "action": "send",
            "summary": f"Announced by {by}.",
            **told,
        }
        for service in cls.reacting:
            operations[f"{service}_reacts_to_{name}"] = {
                "action": "receive",
                "summary": f"{service.capitalize()} reacts.",
                **told,
            }
    return operations


def _envelope() -> dict[str, Any]:
    text = {"type": "string"}
    moment = {"type": "string", "format": "date-time"}
    uuid = {"type": "string", "format": "uuid"}
    return {
        "type": "object",
        "description": "CloudEvents 1.0 in structured mode, with the extensions of Homeward.",
        "required": [
            "specversion",
            "id",
            "source",
            "type",
            "time",
            "recordedtime",
            "tenantid",
            "actorid",
            "actorrole",
            "correlationid",
            "data",
        ],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**uuid, "description": "The event's id: the same whenever it is told."},
            "source": {**text, "description": "/homeward/ and the service."},
            "type": {**text, "description": "homeward. and the event's name."},
            "time": {**moment, "description": "When it happened, in program time."},
            "recordedtime": {**moment, "description": "When it was written, in real time."},
            "datacontenttype": {"const": "application/json"},
            "tenantid": text,
            "subject": {**uuid, "description": "The patient, where it is about one."},
            "episodeid": uuid,
            "journeyid": uuid,
            "actorid": text,
            "actorrole": text,
            "actorcredential": text,
            "correlationid": {**text, "description": "Shared by everything that one request set off."},
            "causationid": {**text, "description": "The command or event that caused this one."},
            "traceparent": {**text, "description": "W3C trace context."},
            "data": {"type": "object"},
        },
    }


def _payload(name: str) -> dict[str, Any]:
    return {
        "allOf": [
            {"$ref": "#/components/schemas/Envelope"},
            {
                "type": "object",
                "properties": {
                    "type": {"const": f"homeward.{name}"},
                    "data": EVENTS[name].json_schema(),
                },
            },
        ]
    }
