"""First contact through the door, by an app that knows no patient and leaves nothing behind."""

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from gateway.tokens import mint
from shared.contracts import roles
from shared.ids import new_id
from shared.instruments import newest
from tests.door.program import Program
from tests.door.test_bad_input import Rows
from tests.journeys.house import EmbeddedHouse, wait_until

pytestmark = pytest.mark.journey

#: What differs between two equal requests: who knows which, when, and how long it took.
_INCIDENTAL = re.compile(r'"(timestamp|seconds|request_id|trace_id)":\s*("[^"]*"|[0-9.]+),?')

#: Lines that could have come of a self-check; others tell how the machinery is doing.
_TELLING = re.compile(r"self|check|danger|crisis|concern|PHQ9|request|intake")

#: What the door tells of a self-check.
ANSWERED = re.compile(r"POST /v1/self-checks.*\n")

PHQ9_CALM = dict.fromkeys(newest("PHQ9").items, 0)


@pytest.fixture(scope="module")
def rows_(house: EmbeddedHouse, program: Program) -> Iterator[Rows]:
    found = Rows(house)
    house.door.settle()
    found.when_quiet()
    yield found
    found.close()


@pytest.fixture(scope="module")
def app(house: EmbeddedHouse) -> str:
    """Return the token of a front end: outside the program, with the scopes of first contact alone."""
    return mint(
        house.settings.token_key,
        tenant=house.settings.tenant,
        partner="find-help",
        role=roles.PARTNER,
        actor_id="find-help",
        scopes=("self-checks:read", "self-checks:write", "inquiries:read", "inquiries:write"),
    )


def self_check(program: Program, **changes: int) -> dict[str, Any]:
    return {
        "site_id": program.site_id,
        "checks": [{"instrument": "PHQ9", "answers": PHQ9_CALM | changes}],
    }


def looks_at_statuses(house: EmbeddedHouse) -> list[Any]:
    return house.rows("gateway", "SELECT about_id FROM audit WHERE action = 'get_inquiry_status'")


def look_at_status(house: EmbeddedHouse, program: Program, app: str) -> None:
    """Look at an inquiry, and wait until that was written down, and so whatever was looked at before."""
    before = len(looks_at_statuses(house))
    house.door.get(f"/v1/inquiry-statuses/{program.status_key}", token=app).expect(200)
    wait_until(lambda: len(looks_at_statuses(house)) > before, seconds=60, what="the look is written down")


class TestSelfCheck:
    def test_leaves_no_row_no_event_and_no_word_in_a_log(
        self, house: EmbeddedHouse, program: Program, app: str, rows_: Rows
    ) -> None:
        rows_before = rows_.when_quiet()
        events_before = house.door.events()

        lines = []
        for answers in (PHQ9_CALM, PHQ9_CALM | {"9": 3}):
            said_before = len(house.logs)
            house.door.get(f"/v1/self-check-forms/{program.site_id}", token=app).expect(200)
            body = {"site_id": program.site_id, "checks": [{"instrument": "PHQ9", "answers": answers}]}
            told = house.door.post("/v1/self-checks", body, token=app).expect(200)
            # The door tells of a request once it has answered it, and others tell of it before.
            wait_until(
                lambda said_before=said_before: ANSWERED.search(house.logs, said_before) is not None,
                seconds=60,
                what="the door has told of it",
            )
            said = [_INCIDENTAL.sub("", line) for line in house.logs[said_before:].splitlines()]
            lines.append(sorted(line for line in said if _TELLING.search(line)))

        assert told["crisis"]["lines"][0]["code"] == "988"
        assert lines[0] == lines[1]
        after = rows_.when_quiet()
        # What the gateway writes down of looks and refusals is a table of its own: see the next test.
        assert {table for table in rows_before if rows_before[table] != after[table]} == set()
        assert house.door.events() == events_before

    def test_is_in_no_record_of_who_looked_at_what(
        self, house: EmbeddedHouse, program: Program, app: str, rows_: Rows
    ) -> None:
        house.door.get(f"/v1/self-check-forms/{program.site_id}", token=app).expect(200)
        house.door.post("/v1/self-checks", self_check(program), token=app).expect(200)
        look_at_status(house, program, app)
        rows_.when_quiet()

        names = "('get_self_check_form', 'take_self_check')"
        for service in ("gateway", "intake"):
            # Whoever is refused at the door is written down as ever.
            query = f"SELECT action FROM audit WHERE action IN {names} AND outcome IN ('allowed', 'done')"
            assert house.rows(service, query) == []

    def test_begins_with_where_help_is(self, house: EmbeddedHouse, program: Program, app: str) -> None:
        answer = house.door.post("/v1/self-checks", self_check(program, **{"9": 2}), token=app).ok

        assert orjson.dumps(answer).startswith(b'{"crisis":{"lines":[{"code":"988"')
        assert [line["code"] for line in answer["crisis"]["lines"]][:2] == ["988", "911"]
        assert answer["outcomes"] == []

    def test_needs_the_scope_of_its_own(self, house: EmbeddedHouse, program: Program) -> None:
        other = mint(
            house.settings.token_key,
            tenant=house.settings.tenant,
            partner="payer",
            role=roles.PARTNER,
            actor_id="payer",
            scopes=("referrals:write",),
        )
        assert house.door.post("/v1/self-checks", self_check(program), token=other).status == 403


class TestInquiry:
    def test_goes_from_nobody_to_a_call_back_and_a_decision(
        self, house: EmbeddedHouse, program: Program, app: str
    ) -> None:
        door = house.door
        asked = {"site_id": program.site_id, "consent": True, "phone": "+1 312 555 0111"}
        receipt = door.post("/v1/inquiries", asked, token=app).ok
        door.post(
            f"{receipt['status_link']}/pre-screens", {"problems": ["OPIOID"], "injecting": True}, token=app
        ).expect(201)
        status = door.get(receipt["status_link"], token=app).ok
        door.settle()
        (task,) = (
            one
            for one in door.get("/v1/work?task=call_back&limit=500").ok["items"]
            if one["about_id"] == receipt["inquiry_id"]
        )
        door.post(task["action"], {"outcome": "REACHED"}).expect(201)
        decided = door.post(
            f"/v1/inquiries/{receipt['inquiry_id']}/decisions", {"decision": "ASSESSMENT_HERE"}
        ).ok

        assert (status["next_step"], bool(status["bring"])) == ("EXPECT_CALL", True)
        assert decided["recommendation"] == decided["decision"] == "ASSESSMENT_HERE"
        assert door.get(receipt["status_link"], token=app).ok["next_step"] == "ARRANGE_ASSESSMENT"

    def test_writes_its_key_down_nowhere(
        self, house: EmbeddedHouse, program: Program, app: str, rows_: Rows
    ) -> None:
        look_at_status(house, program, app)
        rows_.when_quiet()

        assert {row.about_id for row in looks_at_statuses(house)} == {None}
        assert program.status_key not in house.logs

    def test_shows_an_outsider_nothing_of_what_others_asked(
        self, house: EmbeddedHouse, program: Program, app: str
    ) -> None:
        for path in ("/v1/inquiries", f"/v1/inquiries/{program.inquiry_id}"):
            assert house.door.get(path, token=app).status == 404
        assert house.door.get(f"/v1/inquiry-statuses/{new_id()}", token=app).status == 404


class TestPartnerReferral:
    def test_tells_its_sender_the_same_whoever_it_is_about(
        self, house: EmbeddedHouse, program: Program
    ) -> None:
        hospital = mint(
            house.settings.token_key,
            tenant=house.settings.tenant,
            partner="hospital",
            role=roles.PARTNER,
            actor_id="hospital",
            scopes=("referrals:write",),
        )
        known = house.door.get(f"/v1/patients/{program.treated.patient_id}").ok
        known = {name: known[name] for name in ("given_name", "family_name", "birth_date")}
        told = []
        for external_id, person in (("A-1", known), ("A-2", known | {"birth_date": "1951-07-19"})):
            body = {"external_id": external_id, "site_id": program.site_id, "patient": person}
            first, again = (house.door.post("/v1/partner-referrals", body, token=hospital) for _ in range(2))
            assert first.status == again.status == 201
            assert first.body == again.body
            told.append(first.body | {"external_id": ""})

        assert told[0] == told[1]
        assert not {"patient_id", "episode_id", "referral_id"} & told[0].keys()

    def test_brings_along_what_somebody_learned_before(self, house: EmbeddedHouse, program: Program) -> None:
        stepping_down = house.door.get(f"/v1/step-downs/{program.step_down_id}").ok
        house.door.settle()

        plan = house.door.get(f"/v1/episodes/{stepping_down['episode_id']}/earlier-plan").ok
        assert (plan["version"], plan["skills"]) == (0, ["CALLING_SOMEBODY"])


class TestWaitingList:
    def test_is_offered_the_place_of_somebody_who_left(
        self, house: EmbeddedHouse, program: Program, app: str
    ) -> None:
        wait = house.door.get(f"/v1/admission-waits/{program.admission_wait_id}").ok
        (queued,) = house.door.get(f"/v1/admission-waits?site_id={program.site_id}").ok["items"]

        assert (wait["state"], queued["priority"], queued["position"]) == ("OFFERED", "INJECTING", 1)
        for path in ("/v1/admission-waits", "/v1/admission-wait-reports"):
            assert house.door.get(f"{path}?site_id={program.site_id}", token=app).status in (403, 404)
