"""What is served equals what is documented, and every route equals a command of its service.

``asyncapi-3.0.0.json`` is schemas/3.0.0-without-$id.json of github.com/asyncapi/spec-json-schemas at commit
7dd3990d9fff, without its descriptions and examples, under the Apache License 2.0.
"""

import importlib
import re
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
from marshmallow import fields
from openapi_spec_validator import validate

from gateway import asyncapi, openapi, routing, tokens
from gateway.disclosure import NEVER
from gateway.page import page_of
from gateway.routing import Route, Router
from gateway.service import Gateway, asyncapi_document, docs_page, openapi_document
from shared.contracts import roles
from shared.contracts.catalogue import EVENTS
from shared.contracts.event import SERVICES
from shared.contracts.intake import INFORMATION_CLASSES
from shared.ids import new_id
from shared.messaging import ways_in
from shared.messaging.entrypoints import Command
from tests.gateway.conftest import House

#: What the specification says of every document.
ASYNCAPI = Path(__file__).parent / "asyncapi-3.0.0.json"

ROUTES = openapi.routes_of(Gateway)
OF_SERVICES = [(name, route) for name, route in ROUTES if route.service]
DOCUMENT = orjson.loads(openapi_document())
OPERATIONS = [
    (verb.upper(), path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for verb, operation in operations.items()
]


#: Questions by POST: what somebody tells in them would stand in an address, and in others' logs.
BELONGS_IN_NO_ADDRESS = ("take_self_check",)


def commands_of(service: str) -> dict[str, Command]:
    """Return the commands and questions of a service, by name."""
    module = importlib.import_module(f"services.{service}.service")
    ways = ways_in(getattr(module, service.capitalize()))
    # Of several services: which one is asked, the work list knows.
    return {
        name: entry
        for name, entry in ways
        # What only the gateway itself asks has no route.
        if isinstance(entry, Command) and name != "close_task" and entry.roles != (roles.SYSTEM,)
    }


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "gateway"])
class TestServiceBehindTheDoor:
    def test_has_one_route_for_each_command_and_question(self, service: str) -> None:
        routed = [name for name, route in OF_SERVICES if route.service == service]
        assert sorted(routed) == sorted(commands_of(service))

    def test_is_asked_with_its_own_schemas(self, service: str) -> None:
        for name, entry in commands_of(service).items():
            assert dict(OF_SERVICES)[name].request is entry.schema, name

    def test_is_told_by_post_and_asked_by_get(self, service: str) -> None:
        for name, entry in commands_of(service).items():
            asked = entry.reads_only and name not in BELONGS_IN_NO_ADDRESS
            assert dict(OF_SERVICES)[name].method == ("GET" if asked else "POST"), name

    def test_promises_a_job_where_the_work_is_long(self, service: str) -> None:
        for name, entry in commands_of(service).items():
            assert (dict(OF_SERVICES)[name].status == 202) == entry.long, name

    def test_is_open_to_patients_where_it_says_so_itself(self, service: str) -> None:
        for name, entry in commands_of(service).items():
            assert bool(dict(OF_SERVICES)[name].patients) == (roles.PATIENT in entry.roles), name

    def test_is_asked_for_ids_that_its_schema_knows(self, service: str) -> None:
        for name, entry in commands_of(service).items():
            parameters = dict(OF_SERVICES)[name].parameters
            assert set(parameters) <= set(entry.schema._declared_fields), name


class TestRoutes:
    def test_share_their_name_with_their_schema(self) -> None:
        for name, route in ROUTES:
            if route.request is not None:
                assert route.request.__name__ == "".join(part.capitalize() for part in name.split("_")), name

    def test_under_v1_need_a_scope_that_tokens_know(self) -> None:
        for name, route in ROUTES:
            if route.path.startswith("/v1/"):
                assert route.scope in tokens.SCOPES, name
            else:
                assert not route.scope, name

    def test_read_with_read_scopes_and_write_with_write_scopes(self) -> None:
        for name, route in ROUTES:
            if route.scope and route.scope != tokens.OPERATIONS:
                assert route.scope.endswith(":write" if route.is_command else ":read"), name

    def test_use_every_scope(self) -> None:
        used = {route.scope for _, route in ROUTES} | {"consents:read"}
        unused = {scope for scope in tokens.SCOPES if scope not in used}
        # A resource has both scopes, though nothing may be there to read, or to write, yet.
        assert {scope.partition(":")[0] for scope in unused} <= {scope.partition(":")[0] for scope in used}

    def test_for_patients_are_within_a_patients_scopes(self) -> None:
        for name, route in ROUTES:
            if route.patients:
                assert route.scope in tokens.PATIENT_SCOPES, name
            if route.patients == routing.OWN_PATH:
                assert "patient_id" in route.parameters, name

    def test_name_known_classes_of_information(self) -> None:
        known = {*INFORMATION_CLASSES, *routing.WITHHELD} - NEVER
        for name, route in ROUTES:
            assert set(route.information) <= known, name

    def test_that_lead_to_a_patient_are_about_somebody(self) -> None:
        about_patients = {"patient_id", "episode_id", "session_id", "seat_id", "discharge_id", "plan_id"}
        for name, route in ROUTES:
            if about_patients & set(route.parameters):
                assert route.information != routing.ABOUT_NOBODY, name

    def test_read_numbers_of_a_question_from_its_address(self) -> None:
        """In an address all is text, so a number that must be one already could never be asked for."""
        asked = [
            (name, field)
            for name, route in ROUTES
            if not route.is_command and route.request is not None
            for field in route.request._declared_fields.values()
            if isinstance(field, fields.Integer)
        ]

        assert len(asked) > 5
        assert [name for name, field in asked if field.strict] == []

    def test_are_plural_nouns(self) -> None:
        singular, irregular = {"obligations", "outreach", "clock", "work"}, {"curricula"}
        for _, route in ROUTES:
            if route.path.startswith("/v1/"):
                noun = route.path.split("/")[2]
                assert noun.endswith("s") or noun in singular | irregular, route.path


class TestRouter:
    def test_tells_parts_that_vary_from_those_that_do_not(self) -> None:
        one = Route(method="GET", path="/v1/things/{thing_id}")
        fixed = Route(method="GET", path="/v1/things/all")
        router = Router([(one, "one"), (fixed, "fixed")])
        assert router.find("GET", "/v1/things/7")[1:] == ("one", {"thing_id": "7"})
        assert router.find("GET", "/v1/things/all")[1:] == ("fixed", {})

    def test_refuses_two_routes_for_one_address(self) -> None:
        one = Route(method="GET", path="/v1/things/{thing_id}")
        two = Route(method="GET", path="/v1/things/{other_id}")
        with pytest.raises(ValueError, match="two routes"):
            Router([(one, ""), (two, "")])


class TestOpenApi:
    @pytest.mark.slow
    def test_is_valid(self) -> None:
        assert DOCUMENT["openapi"].startswith("3.1")
        validate(DOCUMENT)

    def test_tells_every_route_and_no_other(self) -> None:
        told = {(verb, path, operation["operationId"]) for verb, path, operation in OPERATIONS}
        assert told == {(route.method, route.path, name) for name, route in ROUTES}

    def test_refuses_unknown_fields_where_the_services_do(self) -> None:
        for _, path, operation in OPERATIONS:
            if "requestBody" in operation:
                schema = _schema(operation["requestBody"]["content"]["application/json"]["schema"])
                assert schema["additionalProperties"] is False, path

    def test_leaves_the_ids_of_the_path_out_of_the_body(self) -> None:
        for _, path, operation in OPERATIONS:
            if "requestBody" in operation:
                schema = _schema(operation["requestBody"]["content"]["application/json"]["schema"])
                assert not set(re.findall(r"\{(\w+)\}", path)) & set(schema.get("properties", {})), path

    def test_tells_ids_and_moments_as_such(self) -> None:
        schema = DOCUMENT["components"]["schemas"]["aftercare.Discharge"]["properties"]
        assert schema["discharge_id"]["format"] == "uuid"
        assert schema["discharged_at"]["format"] == "date-time"

    def test_wants_a_key_for_every_post(self) -> None:
        for verb, path, operation in OPERATIONS:
            keys = [one for one in operation["parameters"] if one["name"] == "Idempotency-Key"]
            assert bool(keys) == (verb == "POST"), path

    def test_describes_every_parameter(self) -> None:
        for _, path, operation in OPERATIONS:
            for parameter in operation["parameters"]:
                assert parameter.get("description"), (path, parameter["name"])

    def test_is_served(self, house: House) -> None:
        served = house.get("/openapi.json", headers={"Authorization": ""})
        assert served.body == DOCUMENT
        assert served.headers["content-type"] == "application/json"


class TestAsyncApi:
    @pytest.mark.slow
    def test_is_valid(self) -> None:
        schema = orjson.loads(ASYNCAPI.read_bytes())
        jsonschema.Draft7Validator(schema).validate(orjson.loads(asyncapi_document()))

    def test_tells_every_contract_and_no_other(self) -> None:
        document = asyncapi.document()
        assert set(document["channels"]) == set(document["components"]["messages"]) == set(EVENTS)

    def test_tells_who_reacts(self) -> None:
        operations = asyncapi.document()["operations"]
        told = {name for name, operation in operations.items() if operation["action"] == "receive"}
        assert told == {f"{who}_reacts_to_{name}" for name, cls in EVENTS.items() for who in cls.reacting}

    def test_refers_to_nothing_that_is_not_there(self) -> None:
        document = orjson.loads(asyncapi_document())
        references = re.findall(r'"\$ref":"#/([^"]+)"', asyncapi_document().decode())
        assert len(references) > 100
        for reference in references:
            found: Any = document
            for part in reference.split("/"):
                found = found[part]

    def test_is_served(self, house: House) -> None:
        answer = house.get("/asyncapi.json", headers={"Authorization": ""})
        assert answer.body["asyncapi"] == "3.0.0"


class TestPage:
    def test_shows_every_operation(self) -> None:
        html = docs_page().decode()
        for name, _ in ROUTES:
            assert f'id="{name}"' in html

    def test_tells_both_ends_of_a_range_at_once(self) -> None:
        html = docs_page().decode()

        assert "1 to 200 characters" in html
        assert "characters or more" not in html

    def test_escapes_what_it_is_told(self) -> None:
        document = {**DOCUMENT, "info": {**DOCUMENT["info"], "title": "<script>"}}
        assert b"<script>" not in page_of(document)


@pytest.mark.parametrize(
    ("verb", "path", "operation"), OPERATIONS, ids=[operation["operationId"] for *_, operation in OPERATIONS]
)
class TestEveryRoute:
    """Made from the OpenAPI document, so that a new route is tried as well."""

    def test_lets_nobody_in_who_may_not(
        self, house: House, verb: str, path: str, operation: dict[str, Any]
    ) -> None:
        scope = operation.get("x-scope")
        if not scope:
            assert not path.startswith("/v1/")
            return
        address = re.sub(r"\{\w+\}", lambda _: new_id(), path)
        others = tuple(other for other in tokens.SCOPES if other != scope)
        assert house.send(verb, address, headers={"Authorization": ""}).status == 401
        assert house.send(verb, address, token=house.token("operations", scopes=others)).status == 403
        patient = house.token("patient", actor_id=new_id(), scopes=tokens.SCOPES)
        answer = house.send(verb, address, token=patient)
        if not operation["x-patients"]:
            assert (answer.status, answer.code) == (403, "role_may_not")
        elif "{patient_id}" in path:
            assert (answer.status, answer.code) == (404, "not_found")

    def test_answers_nonsense_with_a_problem(
        self, house: House, verb: str, path: str, operation: dict[str, Any]
    ) -> None:
        if verb != "POST":
            return
        address = re.sub(r"\{\w+\}", lambda _: new_id(), path)
        token = house.token("operations")
        for wrong, status in ((b"{", 400), (b"[]", 400), (b"x" * 30_000, 413)):
            answer = house.send(verb, address, wrong, token=token)
            assert answer.status == status
            assert answer.fields.keys() == {"body"}
        keyless = house.send(verb, address, {}, token=token, headers={"Idempotency-Key": ""})
        assert keyless.fields.keys() == {"Idempotency-Key"}


def _schema(reference: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["components"]["schemas"][reference["$ref"].rsplit("/", 1)[-1]]
    return found
