"""Contracts: every event is documented, read back from what was stored, and free of surprises."""

import dataclasses
from datetime import UTC, datetime

import jsonschema
import orjson
import pytest

from docs import write_events
from shared.contracts.catalogue import EVENTS
from shared.contracts.event import SERVICES, Actor, Envelope, EpisodeFact, UnreadableEvent
from shared.contracts.scheduling import SessionMissed
from tests.contracts.store import STORED, example_of

every_event = pytest.mark.parametrize("wire_name", sorted(EVENTS))


def stored_message(wire_name: str) -> bytes:
    return (STORED / f"{wire_name}.json").read_bytes()


class TestStoredMessages:
    @every_event
    def test_are_read_back_with_all_that_they_said(self, wire_name):
        message = orjson.loads(stored_message(wire_name))

        envelope = Envelope.from_bytes(stored_message(wire_name))

        read = orjson.loads(dataclasses.replace(envelope).to_bytes())
        # New optional fields may come in; what was said before stays as it was.
        assert read | {"data": None} == message | {"data": None}
        assert {name: read["data"].get(name) for name in message["data"]} == message["data"]

    @every_event
    def test_are_read_by_older_versions_that_know_less(self, wire_name):
        message = orjson.loads(stored_message(wire_name))
        message["data"]["added_in_a_later_version"] = {"deep": ["unknown"]}
        message["laterextension"] = "unknown"

        envelope = Envelope.from_bytes(orjson.dumps(message))

        assert envelope == Envelope.from_bytes(stored_message(wire_name))

    @every_event
    def test_fit_the_schema_that_partners_are_given(self, wire_name):
        message = orjson.loads(stored_message(wire_name))

        jsonschema.validate(message["data"], EVENTS[wire_name].json_schema())

    @every_event
    def test_are_passed_on_as_they_came_unless_they_tell_what_this_version_does_not_know(self, wire_name):
        envelope = Envelope.from_bytes(stored_message(wire_name))
        spaced = orjson.dumps(
            orjson.loads(dataclasses.replace(envelope).to_bytes()), option=orjson.OPT_INDENT_2
        )

        assert Envelope.from_bytes(spaced).to_bytes() == spaced
        for place, name in (("data", "added_in_a_later_version"), (None, "laterextension")):
            message = orjson.loads(spaced)
            (message[place] if place else message)[name] = "unknown"
            assert b"unknown" not in Envelope.from_bytes(orjson.dumps(message)).to_bytes()

    def test_are_passed_on_with_the_ids_that_they_are_kept_under(self):
        envelope = example_of(SessionMissed)
        message = orjson.loads(envelope.to_bytes())
        for name, told in (("id", message["id"].upper()), ("subject", "somebody else")):
            read = Envelope.from_bytes(orjson.dumps(message | {name: told}))
            assert read == envelope
            assert orjson.loads(read.to_bytes()) == message

    def test_are_of_events_that_still_exist(self):
        assert {place.stem for place in STORED.glob("*.json")} == set(EVENTS)


class TestEvents:
    @every_event
    def test_survive_the_wire(self, wire_name):
        envelope = example_of(EVENTS[wire_name])

        read = Envelope.from_bytes(envelope.to_bytes())
        assert read == envelope
        assert dataclasses.replace(read).to_bytes() == envelope.to_bytes()

    @every_event
    def test_carry_ids_codes_and_times_only(self, wire_name):
        telling = {
            "name",
            "phone",
            "email",
            "address",
            "birth",
            "note",
            "text",
            "message",
            "comment",
            "summary",
        }

        for field in dataclasses.fields(EVENTS[wire_name]):
            assert not telling & set(field.name.split("_")), field.name

    @every_event
    def test_never_require_what_was_added_later(self, wire_name):
        required = set(EVENTS[wire_name].json_schema()["required"])

        assert required <= set(orjson.loads(stored_message(wire_name))["data"])

    @every_event
    def test_name_services_that_exist(self, wire_name):
        event = EVENTS[wire_name]

        assert event.source in {*SERVICES, "common"}
        assert set(event.reacting) <= set(SERVICES)

    @pytest.mark.parametrize("field", ["seat_id", "starts_at", "consecutive"])
    def test_are_refused_without_a_required_field(self, field):
        message = orjson.loads(stored_message("session_missed"))
        del message["data"][field]

        with pytest.raises(UnreadableEvent, match=f"session_missed.{field}: missing"):
            Envelope.from_bytes(orjson.dumps(message))

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("consecutive", "2"),
            ("consecutive", True),
            ("starts_at", "tomorrow"),
            ("starts_at", "2026-02-03T00:00:00"),
            ("seat_id", None),
        ],
    )
    def test_are_refused_with_a_value_of_the_wrong_type(self, field, value):
        message = orjson.loads(stored_message("session_missed"))
        message["data"][field] = value

        with pytest.raises(UnreadableEvent, match=f"session_missed.{field}"):
            Envelope.from_bytes(orjson.dumps(message))

    @pytest.mark.parametrize(
        "body", [b"", b"\xff\xfe", b"[]", b'"Maria Lopez"', b'{"type": "homeward.nothing"}']
    )
    def test_are_refused_without_repeating_what_cannot_be_read(self, body):
        with pytest.raises(UnreadableEvent) as refused:
            Envelope.from_bytes(body)

        assert "Lopez" not in str(refused.value)

    def test_tell_moments_in_utc(self):
        noon_in_chicago = datetime.fromisoformat("2026-02-03T12:00:00-06:00")
        example = example_of(SessionMissed).event
        assert isinstance(example, SessionMissed)
        missed = dataclasses.replace(example, missed_at=noon_in_chicago)

        assert missed.to_data()["missed_at"] == "2026-02-03T18:00:00Z"
        assert SessionMissed.from_data(missed.to_data()).missed_at == datetime(2026, 2, 3, 18, tzinfo=UTC)


class TestEnvelope:
    def test_is_a_cloud_event(self):
        message = orjson.loads(example_of(SessionMissed).to_bytes())

        assert message["specversion"] == "1.0"
        assert message["type"] == "homeward.session_missed"
        assert message["source"] == "/homeward/scheduling"
        # Names of extension attributes: small letters and digits only.
        assert all(name.isalnum() and name.islower() for name in message)

    def test_says_who_it_is_about_and_in_which_episode(self):
        envelope = example_of(SessionMissed)
        fact = envelope.event
        assert isinstance(fact, EpisodeFact)

        message = orjson.loads(envelope.to_bytes())

        assert message["subject"] == fact.patient_id
        assert message["episodeid"] == fact.episode_id
        assert message["journeyid"] == fact.journey_id

    def test_leaves_out_what_is_not_known(self):
        envelope = dataclasses.replace(
            example_of(SessionMissed),
            actor=Actor(actor_id="scheduling", role="system"),
            causation_id=None,
            traceparent=None,
        )

        message = orjson.loads(envelope.to_bytes())

        assert not {"actorcredential", "causationid", "traceparent"} & set(message)
        assert Envelope.from_bytes(envelope.to_bytes()) == envelope


class TestDocumentation:
    def test_of_events_is_current(self):
        assert write_events.PLACE.read_text(encoding="utf-8") == write_events.render(), "run: make docs"
