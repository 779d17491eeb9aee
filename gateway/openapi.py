"""The OpenAPI 3.1 document, made from the routes and schemas that the code itself uses."""

import importlib.metadata
import re
import warnings
from collections.abc import Iterable
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema, fields
from nameko.extensions import ENTRYPOINT_EXTENSIONS_ATTR

from gateway import schemas, tokens
from gateway.http import MAX_KEY_LENGTH, HttpRoute
from gateway.problems import MEDIA_TYPE, TITLES
from gateway.routing import Route
from shared.schema_fields import Id, Moment

#: Refusals that any route can answer with, and those of routes that need a token or take a body.
_ALWAYS = (400, 500, 503)
_WITH_TOKEN = (401, 403)
_WITH_IDS = (404,)
_WITH_INPUT = (422,)
_COMMAND = (408, 409, 413, 415)

_DESCRIPTION = """\
Homeward is the back end of intensive outpatient addiction treatment. This is its only door.

* **Tokens**: `Authorization: Bearer …`, with a scope for each resource. A patient's token is bound
  to that patient. What is not yours looks like what is not there: 404.
* **Idempotency-Key** on every POST: repeat a request with the same key as often as you like, it has
  one effect and one answer; `Idempotency-Replayed: true` tells a repeat.
* **Problems** (RFC 9457) for every refusal, naming each field at fault and the rule it breaks.
* **Pages**: `{"items": […], "next": …}`; give `next` back as `after`.
* **Moments** are RFC 3339 with an offset, **days** are ISO dates, **ids** are UUIDs.
"""


def routes_of(service_class: type) -> list[tuple[str, Route]]:
    """Return the name and the route of every method that HTTP can wake, in the order of the class's parts."""
    return [
        (name, entry.route)
        for part in (*service_class.__mro__[1:], service_class)
        for name, attribute in vars(part).items()
        for entry in getattr(attribute, ENTRYPOINT_EXTENSIONS_ATTR, ())
        if isinstance(entry, HttpRoute)
    ]


def document_of(routes: Iterable[tuple[str, Route]]) -> dict[str, Any]:
    """Return the OpenAPI document of these routes."""
    plugin = MarshmallowPlugin(schema_name_resolver=_name_of)
    spec = APISpec(
        title="Homeward",
        version=version(),
        openapi_version="3.1.0",
        plugins=[plugin],
        info={"description": _DESCRIPTION, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
    )
    assert plugin.converter is not None  # the spec has set it
    plugin.converter.add_attribute_function(_ours)
    spec.components.security_scheme(
        "token", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": _scopes_told()}
    )
    spec.components.schema("Problem", schema=schemas.Problem)
    for status in sorted({*_ALWAYS, *_WITH_TOKEN, *_WITH_IDS, *_WITH_INPUT, *_COMMAND}):
        spec.components.response(
            f"Problem{status}",
            {
                "description": TITLES[status],
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        )
    tags: dict[str, None] = {}
    for name, route in routes:
        tags.setdefault(_tag_of(route))
        spec.path(route.path, operations={route.method.lower(): _operation(spec, plugin, name, route)})
    for tag in tags:
        spec.tag({"name": tag})
    document: dict[str, Any] = spec.to_dict()
    _write_patterns_as_others_read_them(document)
    return document


def _write_patterns_as_others_read_them(part: Any) -> None:
    """Replace Python's anchors, which JSON Schema's dialect of regular expressions does not know."""
    if isinstance(part, dict):
        if isinstance(part.get("pattern"), str):
            part["pattern"] = re.sub(r"^\\A", "^", re.sub(r"\\Z$", "$", part["pattern"]))
        for inner in part.values():
            _write_patterns_as_others_read_them(inner)
    elif isinstance(part, list):
        for inner in part:
            _write_patterns_as_others_read_them(inner)


def _operation(spec: APISpec, plugin: MarshmallowPlugin, name: str, route: Route) -> dict[str, Any]:
    refusals: tuple[int, ...] = _ALWAYS
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": route.summary or name.replace("_", " ").capitalize(),
        "tags": [_tag_of(route)],
        "parameters": _parameters(plugin, route),
    }
    described = (route.request.__doc__ or "").strip() if route.request else ""
    if described:
        operation["description"] = described
    if route.scope:
        operation["security"] = [{"token": []}]
        operation["x-scope"] = route.scope
        operation["x-patients"] = bool(route.patients)
        refusals += _WITH_TOKEN
    else:
        operation["security"] = []
    if route.parameters:
        refusals += _WITH_IDS
    if route.request is not None:
        refusals += _WITH_INPUT
    if route.is_command:
        refusals += _COMMAND + (_WITH_IDS if not route.parameters else ())
        if route.request is not None:
            operation["requestBody"] = _body(spec, route)
    operation["responses"] = {
        **_answers(spec, route),
        **{str(status): f"Problem{status}" for status in sorted(refusals)},
    }
    return operation


def _parameters(plugin: MarshmallowPlugin, route: Route) -> list[dict[str, Any]]:
    declared: dict[str, fields.Field[Any]] = getattr(route.request, "_declared_fields", {})
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, **_told(plugin, declared.get(name), default=Id())}
        for name in route.parameters
    ]
    if route.is_command:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": True,
                "description": "Names this request: repeated with the same key it has no second effect.",
                "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH},
            }
        )
        return found
    for name, field in declared.items():
        if name not in route.parameters:
            parameter = {
                "name": name,
                "in": "query",
                "required": field.required,
                **_told(plugin, field, default=field),
            }
            if isinstance(field, fields.List):
                parameter |= {"style": "form", "explode": True}
            found.append(parameter)
    return found


def _told(
    plugin: MarshmallowPlugin, field: fields.Field[Any] | None, *, default: fields.Field[Any]
) -> dict[str, Any]:
    assert plugin.converter is not None  # the spec has set it
    schema = dict(plugin.converter.field2property(field or default))
    description = schema.pop("description", "")
    return {"schema": schema, **({"description": description} if description else {})}


def _body(spec: APISpec, route: Route) -> dict[str, Any]:
    assert route.request is not None  # the caller looked
    name = _name_of(route.request)
    if name not in spec.components.schemas:
        # What the path tells is no field of the body.
        told_by_path = tuple(
            part for part in route.parameters if part in getattr(route.request, "_declared_fields", {})
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            spec.components.schema(name, schema=route.request(exclude=told_by_path))
        spec.components.schemas[name]["additionalProperties"] = False
    required = bool(spec.components.schemas[name].get("required"))
    return {
        "required": required,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
    }


def _answers(spec: APISpec, route: Route) -> dict[str, Any]:
    schema: Any = {"type": "object"}
    if route.answer is not None:
        name = _name_of(route.answer)
        if name not in spec.components.schemas:
            spec.components.schema(name, schema=route.answer)
        schema = {"$ref": f"#/components/schemas/{name}"}
    if route.many and "items" not in getattr(route.answer, "_declared_fields", {}):
        schema = {
            "type": "object",
            "required": ["items", "next"],
            "properties": {
                "items": {"type": "array", "items": schema},
                "next": {
                    "type": ["string", "null"],
                    "description": "The cursor to give as after, while there may be more.",
                },
            },
        }
    media_type = "application/json" if route.answer is not None or route.many else "*/*"
    headers: dict[str, Any] = {
        "X-Request-Id": {"description": "The request's id.", "schema": {"type": "string", "format": "uuid"}}
    }
    if route.is_command:
        headers["Idempotency-Replayed"] = {
            "description": "true when this answers a repeated request.",
            "schema": {"type": "string"},
        }
    answers = {
        str(route.status): {
            "description": "Done." if route.is_command else "The answer.",
            "headers": headers,
            "content": {media_type: {"schema": schema}},
        }
    }
    if route.status == 202:
        if "AcceptedJob" not in spec.components.schemas:
            spec.components.schema("AcceptedJob", schema=schemas.AcceptedJob)
        answers["202"] |= {
            "description": "Accepted: the work is long and done later; the job tells how it went.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/AcceptedJob"}}},
        }
    elif route.is_command and (route.information or route.hears):
        answers["202"] = {
            "description": "Received: all that an outside partner hears without the patient's consent, and"
            " anybody whose danger was passed on while it could not be looked into.",
            "headers": headers,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["status"],
                        "properties": {
                            "status": {"type": "string", "enum": ["received"]},
                            "crisis_lines": {
                                "type": "object",
                                "additionalProperties": {"type": "string"},
                                "description": "Whom anybody may call, where somebody may be in danger.",
                            },
                            "notice": {"type": "string", "description": "What to say plainly."},
                            "heard": {
                                "type": "array",
                                "items": {"type": "string"},
                                "description": "The dangers that were passed on.",
                            },
                            "send_again": {
                                "type": "boolean",
                                "description": "Whether the rest was not kept and is to be sent again.",
                            },
                        },
                    }
                }
            },
        }
    return answers


def _ours(_converter: Any, field: fields.Field[Any], **_: Any) -> dict[str, Any]:
    """Describe the fields that apispec does not know."""
    if isinstance(field, Id):
        return {"type": ["string", "null"] if field.allow_none else "string", "format": "uuid"}
    if isinstance(field, Moment):
        return {"type": ["string", "null"] if field.allow_none else "string", "format": "date-time"}
    return {}


def _name_of(schema: Any) -> str:
    """Name a schema by its service and class, since two services may use one noun for two things."""
    cls = schema if isinstance(schema, type) else type(schema)
    if isinstance(schema, str):
        return schema
    assert issubclass(cls, Schema)  # apispec resolves schemas only
    parts = cls.__module__.split(".")
    return f"{parts[1]}.{cls.__name__}" if parts[0] == "services" else cls.__name__


def _tag_of(route: Route) -> str:
    if route.service:
        return route.service
    return "gateway" if route.path.startswith("/v1/") else "about this door"


def _scopes_told() -> str:
    told = ", ".join(f"`{scope}`" for scope in tokens.SCOPES)
    return f"A signed access token. Each operation names the scope that it needs in `x-scope`: {told}."


def version() -> str:
    """Return the version of Homeward."""
    try:
        return importlib.metadata.version("homeward")
    except importlib.metadata.PackageNotFoundError:
        return "0.1.0"
