"""What holds for every contract, also for one that is declared tomorrow."""

import dataclasses
import re

import orjson
import pytest

from shared.contracts.catalogue import EVENTS
from shared.contracts.event import Envelope, EpisodeFact, Event, UnreadableEvent, event
from tests.contracts.store import STORED

every_event = pytest.mark.parametrize("wire_name", sorted(EVENTS))

#: Parts of a field's name that suggest who somebody is, how to reach them, or a human's own words.
TELLING = re.compile(
    r"name|birth|phone|e_?mail|street|address|zip|postal|contact_point|note|text|comment|remark|message|summary"
    r"|description|goal|ssn|photo"
)

#: What a value may not be, if a refusal to read it is to quote nothing.
SECRET = "Rosalind Achterberg, 312-555-0147"


def required_fields() -> list[tuple[str, str]]:
    return [
        (wire_name, field)
        for wire_name, contract in sorted(EVENTS.items())
        for field in contract.json_schema()["required"]
    ]


def stored_message(wire_name: str) -> dict[str, object]:
    return orjson.loads((STORED / f"{wire_name}.json").read_bytes())


class TestEveryContract:
    @every_event
    def test_says_what_happened_in_a_sentence_of_its_own(self, wire_name):
        contract = EVENTS[wire_name]

        # A dataclass without a docstring is given its signature for one.
        assert not (contract.__doc__ or "").startswith(f"{contract.__name__}(")
        assert contract.__doc__ not in {None, Event.__doc__, EpisodeFact.__doc__}
        assert re.fullmatch(r"[A-Z].*\.", contract.json_schema()["description"])

    @every_event
    def test_has_no_field_that_suggests_identity_or_text(self, wire_name):
        for field in dataclasses.fields(EVENTS[wire_name]):
            assert not TELLING.search(field.name), field.name

    @every_event
    def test_has_a_name_on_the_wire_that_follows_from_its_class(self, wire_name):
        words = [word.capitalize() for word in wire_name.split("_")]

        assert EVENTS[wire_name].__name__ == "".join(words)
        assert stored_message(wire_name)["type"] == f"homeward.{wire_name}"

    @pytest.mark.parametrize(("wire_name", "field"), required_fields())
    def test_is_refused_without_a_field_it_requires(self, wire_name, field):
        message = stored_message(wire_name)
        del message["data"][field]

        with pytest.raises(UnreadableEvent) as refused:
            Envelope.from_bytes(orjson.dumps(message))

        assert str(refused.value) == f"{wire_name}.{field}: missing"

    @pytest.mark.parametrize(("wire_name", "field"), required_fields())
    def test_is_refused_without_quoting_a_value_of_the_wrong_kind(self, wire_name, field):
        message = stored_message(wire_name)
        message["data"][field] = [{"unexpected": SECRET}]

        with pytest.raises(UnreadableEvent, match=rf"^{wire_name}\.{field}: \w+$") as refused:
            Envelope.from_bytes(orjson.dumps(message))

        # Neither the error nor what it was raised from is there to be logged.
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__

    @pytest.mark.parametrize("value", ["ATTENDANCE", {"ATTENDANCE": True}])
    def test_reads_a_list_from_a_list_alone(self, value):
        message = stored_message("consent_granted")
        message["data"]["information_classes"] = value

        with pytest.raises(UnreadableEvent, match=r"consent_granted\.information_classes"):
            Envelope.from_bytes(orjson.dumps(message))


class TestDeclaring:
    def test_refuses_a_service_that_does_not_exist(self):
        with pytest.raises(ValueError, match=r"no such service: \['dispatch'\]"):
            event(source="intake", reacting=("dispatch",))

    def test_refuses_a_name_that_is_taken(self):
        twin = type("SessionMissed", (EpisodeFact,), {"__doc__": "Somebody did not come."})

        with pytest.raises(ValueError, match="session_missed is declared twice"):
            event(source="scheduling")(twin)
