"""A danger told at the door that its service does not take: it is heard, and where nobody reacts, paged."""

import socket
import time
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import dangers, openapi, tables, tokens
from gateway.service import Gateway
from shared.clock import real_now
from shared.contracts import roles
from shared.contracts.common import SafetyConcernRaised
from shared.contracts.event import Actor, Envelope, Event
from shared.contracts.scheduling import SessionScheduled
from shared.dangers import somebody
from shared.database import new_engine
from shared.ids import derived_id, new_id
from shared.safety import safety_watch
from tests.gateway.conftest import KEY, MAX_BODY_BYTES, TENANT, Answer, Builder, House

# The same in every process: tests are named by them.
DANA = derived_id("test", "Dana")
EPISODE = derived_id("test", "episode")
SOMEWHERE = derived_id("test", "somewhere")
ANSWERS = {"craving": 9, "mood": 1, "stress": 9, "sleep_hours": 2, "used": False}
CONCERN = {"patient_id": DANA, "concern": "VIOLENCE", "level": "E4"}
LAPSE = {"reported_by": "CALL", "substance": "ALCOHOL"}
ATTEMPT = {"channel": "CALL", "outcome": "REACHED"}
PHQ9 = {"instrument": "PHQ9", "answers": {"9": 2}}
SIGNS = {"withdrawal": {}, "danger": {"suicidal_intent": "NONE", "violence_threat": False}}
LINES = {"call_or_text_988", "call_911"}

AWAY = {
    "HOMEWARD_SAFETY_CONFIRM_SECONDS": "1",
    "HOMEWARD_FALLBACK_PAGE": f"{TENANT}=mailto:on.call@example.org",
}


@pytest.fixture(scope="module")
def alone(builder: Builder) -> House:
    """A gateway without any service, which pages soon."""
    return builder.start(
        STUBS_AWAY="intake,scheduling,monitoring,aftercare",
        # Nobody will ever answer: the shorter the wait for them, the better.
        HOMEWARD_COMMAND_DEADLINE_SECONDS="0.2",
        **AWAY,
    )


@pytest.fixture(scope="module")
def refusing(builder: Builder) -> House:
    """A gateway whose services are there and refuse what the tests send: they know no such command."""
    return builder.start(**AWAY)


def rows(house: House, query: Any) -> list[Any]:
    engine = sa.create_engine(house.database_url.replace("{service}", "gateway"))
    with engine.connect() as connection:
        found = list(connection.execute(query))
    engine.dispose()
    return found


def announced(house: House) -> list[SafetyConcernRaised]:
    bodies = rows(
        house, sa.text("SELECT body FROM outbox WHERE type = 'safety_concern_raised' ORDER BY event_id")
    )
    events = [Envelope.from_bytes(bytes(row.body)).event for row in bodies]
    return [one for one in events if isinstance(one, SafetyConcernRaised)]


def raised(house: House, patient_id: str) -> list[SafetyConcernRaised]:
    return [one for one in announced(house) if one.patient_id == patient_id]


def levels(house: House, patient_id: str) -> list[tuple[str, str]]:
    return [(one.concern, one.level) for one in raised(house, patient_id)]


def states(house: House, patient_id: str) -> set[str]:
    watched = sa.select(safety_watch.c.state).where(safety_watch.c.patient_id == patient_id)
    return {row.state for row in rows(house, watched)}


def check_in(house: House, answers: dict[str, Any], **options: Any) -> Answer:
    return house.post(f"/v1/episodes/{EPISODE}/check-ins", answers, **options)


class TestTable:
    def test_names_every_command_whose_answer_shows_who_helps(self) -> None:
        routes = dict(openapi.routes_of(Gateway))
        # What a self-check tells is kept nowhere and said by nobody.
        showing = {name for name, one in routes.items() if one.is_command and one.shows_crisis_lines}
        closing = {"acknowledge_escalation", "close_escalation", "take_self_check"}
        # Whoever came and has to wait is told whom to call until somebody comes; no danger is told there.
        waiting = {"join_by_telehealth", "check_in"}

        assert (
            showing - closing - waiting
            == set(dangers.TOLD_BY)
            == {n for n, one in routes.items() if one.hears}
        )


class TestConcern:
    def test_is_heard_once_and_somebody_is_paged(self, alone: House) -> None:
        key = new_id()

        first = alone.post("/v1/safety-concerns", CONCERN, key=key)
        again = alone.post("/v1/safety-concerns", CONCERN, key=key)

        assert (first.status, again.status, again.body) == (202, 202, first.body)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert (first.body["status"], first.body["heard"]) == ("received", ["VIOLENCE"])
        assert first.body["send_again"] is False
        assert set(first.body["crisis_lines"]) >= LINES
        (event,) = raised(alone, DANA)
        assert (event.concern, event.level) == ("VIOLENCE", "E4")
        assert event.concern_id == derived_id(event.evidence_id, "concern", "VIOLENCE")
        ends = time.monotonic() + 60
        while states(alone, DANA) != {"paged"} and time.monotonic() < ends:
            time.sleep(0.1)
        assert states(alone, DANA) == {"paged"}

    def test_of_a_patient_is_about_them_whomever_they_name(self, alone: House) -> None:
        own, other = new_id(), new_id()
        token = alone.token("patient", actor_id=own)

        heard = alone.post("/v1/safety-concerns", CONCERN | {"patient_id": other}, token=token)

        assert heard.status == 202
        assert (len(raised(alone, own)), raised(alone, other)) == (1, [])

    def test_in_a_word_that_nobody_knows_is_a_call_for_help(self, alone: House) -> None:
        patient_id = new_id()

        answer = alone.post("/v1/safety-concerns", {"patient_id": patient_id, "concern": "SELF_HARM"})

        assert answer.body["heard"] == ["DANGER_ANSWER"]
        assert levels(alone, patient_id) == [("DANGER_ANSWER", "E3")]


class TestTold:
    """What each route tells while its service is away, and as how grave."""

    @pytest.mark.parametrize(
        ("path", "body", "told"),
        [
            ("/v1/lapses", LAPSE | {"substance": "OPIOID"}, [("RETURN_TO_USE", "E3")]),
            (
                "/v1/lapses",
                LAPSE | {"danger": True, "overdose": True},
                [("DANGER_ANSWER", "E4"), ("OVERDOSE", "E4")],
            ),
            ("/v1/lapses", LAPSE | {"substance": "NONE"}, [("HELP_WANTED", "E2")]),
            (
                "/v1/patients/{}/instrument-answers",
                PHQ9,
                [("PHQ9_I9", "E4")],
            ),
            (
                "/v1/patients/{}/instrument-answers",
                {"instrument": "CSSRS", "version": 1, "answers": {"3": 1}},
                [("CSSRS_MODERATE", "E3")],
            ),
            (f"/v1/sessions/{SOMEWHERE}/check-outs", {"answer": "NOT_SAFE"}, [("DANGER_ANSWER", "E4")]),
            (f"/v1/sessions/{SOMEWHERE}/check-outs", {"answer": "UNSURE"}, [("DANGER_ANSWER", "E3")]),
        ],
    )
    def test_of_a_patient_is_raised_as_its_service_would(
        self, alone: House, path: str, body: dict[str, Any], told: list[tuple[str, str]]
    ) -> None:
        patient_id = new_id()
        about = {} if "{}" in path else {"patient_id": patient_id}

        answer = alone.post(path.format(patient_id), body | about)

        assert (answer.status, answer.body["heard"]) == (202, [concern for concern, _ in told])
        assert answer.body["send_again"] is True
        assert "not kept: send it again" in answer.body["notice"]
        assert set(answer.body["crisis_lines"]) >= LINES
        assert levels(alone, patient_id) == told

    @pytest.mark.parametrize(
        ("path", "body", "told"),
        [
            (
                f"/v1/episodes/{EPISODE}/assessments",
                SIGNS | {"danger": {"suicidal_intent": "PASSIVE", "violence_threat": True}},
                [("DANGER_ANSWER", "E3"), ("VIOLENCE", "E4")],
            ),
            (
                f"/v1/episodes/{EPISODE}/assessments",
                SIGNS | {"withdrawal": {"cows": 26, "rated_by": "OBSERVER", "overdose_last_72h": True}},
                [("WITHDRAWAL_EMERGENCY", "E4"), ("OVERDOSE", "E4")],
            ),
            (
                f"/v1/episodes/{EPISODE}/assessments",
                SIGNS | {"dimensions": [0, 4, "one", None]},
                [("DANGER_ANSWER", "E3")],
            ),
            (
                f"/v1/episodes/{EPISODE}/assessments",
                SIGNS | {"edition": "ASAM4", "subdimensions": {"3A": "4"}},
                [("DANGER_ANSWER", "E3")],
            ),
            (f"/v1/episodes/{EPISODE}/check-ins", ANSWERS | {"danger": True}, [("DANGER_ANSWER", "E4")]),
            (
                f"/v1/drug-tests/{SOMEWHERE}/outcome",
                {"outcome": "COLLECTED", "result": "POSITIVE", "positives": ["ALCOHOL", "OPIOID"]},
                [("RETURN_TO_USE", "E3")],
            ),
            (
                f"/v1/drug-tests/{SOMEWHERE}/outcome",
                {"outcome": "COLLECTED", "result": "POSITIVE", "positives": ["A WORD NOBODY KNOWS"]},
                [("RETURN_TO_USE", "E3")],
            ),
            (
                f"/v1/aftercare-contacts/{SOMEWHERE}/attempts",
                ATTEMPT | {"used": True, "danger": True},
                [("DANGER_ANSWER", "E4"), ("RETURN_TO_USE", "E3")],
            ),
            (
                f"/v1/aftercare-contacts/{SOMEWHERE}/attempts",
                ATTEMPT | {"need_help": True},
                [("HELP_WANTED", "E2")],
            ),
            (
                "/v1/inquiries",
                {"site_id": SOMEWHERE, "consent": True, "self_check": [PHQ9]},
                [("PHQ9_I9", "E4")],
            ),
            (
                f"/v1/inquiry-statuses/{'k' * 43}/pre-screens",
                {
                    "problems": ["ALCOHOL"],
                    "suicidal_intent": "ACTIVE",
                    "withdrawing_now": True,
                    "pregnant": True,
                },
                [("DANGER_ANSWER", "E4"), ("WITHDRAWAL_EMERGENCY", "E4")],
            ),
        ],
    )
    def test_of_somebody_whom_nobody_here_knows_is_raised_all_the_same(
        self, alone: House, path: str, body: dict[str, Any], told: list[tuple[str, str]]
    ) -> None:
        before = len(announced(alone))

        answer = alone.post(path, body)

        assert (answer.status, answer.body["heard"]) == (202, [concern for concern, _ in told])
        found = announced(alone)[before:]
        assert [(one.concern, one.level) for one in found] == told
        assert {one.patient_id for one in found} == {somebody(found[0].evidence_id)}

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/v1/lapses", LAPSE | {"patient_id": DANA}),
            (f"/v1/patients/{DANA}/instrument-answers", {"instrument": "PHQ9", "answers": {"9": 0, "1": 3}}),
            (f"/v1/sessions/{SOMEWHERE}/check-outs", {"patient_id": DANA, "answer": "SAFE"}),
            (f"/v1/sessions/{SOMEWHERE}/roster", {"marks": [{"patient_id": DANA, "answer": "SAFE"}]}),
            (f"/v1/sessions/{SOMEWHERE}/roster", {"marks": [DANA, None, {"answer": 4}]}),
            (f"/v1/sessions/{SOMEWHERE}/roster", {"marks": {"answer": "NOT_SAFE"}}),
            (f"/v1/episodes/{EPISODE}/assessments", SIGNS),
            (f"/v1/episodes/{EPISODE}/check-ins", ANSWERS),
            (f"/v1/aftercare-contacts/{SOMEWHERE}/attempts", ATTEMPT),
            (f"/v1/drug-tests/{SOMEWHERE}/outcome", {"outcome": "COLLECTED", "positives": ["ALCOHOL"]}),
            (f"/v1/drug-tests/{SOMEWHERE}/outcome", {"outcome": "COLLECTED", "positives": "OPIOID"}),
            # Who does not want anything kept is not heard of.
            ("/v1/inquiries", {"site_id": SOMEWHERE, "consent": False, "self_check": [PHQ9]}),
            (f"/v1/inquiry-statuses/{'k' * 43}/pre-screens", {"problems": ["ALCOHOL"]}),
        ],
    )
    def test_without_a_danger_is_refused_and_says_whom_to_call(
        self, alone: House, path: str, body: dict[str, Any]
    ) -> None:
        before = len(announced(alone))

        answer = alone.post(path, body)

        assert (answer.status, answer.code, set(answer.body["crisis_lines"])) == (503, "unavailable", LINES)
        assert len(announced(alone)) == before

    def test_by_a_supporter_is_answered_the_same_whoever_it_is_about(self, alone: House) -> None:
        body = LAPSE | {"reported_by": "SUPPORTER", "danger": True}

        answers = [
            alone.post("/v1/lapses", body | {"patient_id": who}, role="partner") for who in (DANA, new_id())
        ]

        assert [answer.status for answer in answers] == [202, 202]
        assert answers[0].body == answers[1].body

    def test_of_another_kind_says_nothing_of_crises(self, alone: House) -> None:
        answer = alone.post(f"/v1/outreach/{new_id()}/attempts", {"channel": "CALL", "outcome": "REACHED"})

        assert (answer.status, "crisis_lines" in answer.body) == (503, False)


class TestCheckIn:
    def test_with_a_danger_is_heard_and_says_that_it_was_not_kept(self, alone: House) -> None:
        own = new_id()
        answers = ANSWERS | {"danger": True, "used": True, "substance": "OPIOID"}

        answer = check_in(alone, answers, token=alone.token("patient", actor_id=own))

        assert answer.status == 202
        assert "The check-in itself was not kept" in answer.body["notice"]
        assert levels(alone, own) == [("DANGER_ANSWER", "E4"), ("RETURN_TO_USE", "E3")]
        # Whose episode it is nobody here knows.
        assert {one.episode_id for one in raised(alone, own)} == {None}


class TestRoster:
    """Each patient of a roster is in danger for themselves."""

    PATH = f"/v1/sessions/{SOMEWHERE}/roster"

    def mark(self, answer: str, **whose: str) -> dict[str, str]:
        return {"mark": "PRESENT", "answer": answer, **whose}

    def test_that_nobody_can_take_is_heard_of_each_patient_once(self, alone: House) -> None:
        key, ada, ben, cleo = (new_id() for _ in range(4))
        marks = [
            self.mark("NOT_SAFE", patient_id=ada),
            self.mark("SAFE", patient_id=cleo),
            self.mark("UNSURE", patient_id=ben),
        ]

        first, again = (alone.post(self.PATH, {"marks": marks}, key=key) for _ in range(2))

        assert (first.status, first.body["heard"]) == (202, ["DANGER_ANSWER"])
        assert "The roster itself was not kept" in first.body["notice"]
        assert set(first.body["crisis_lines"]) >= LINES
        assert (again.status, again.headers["Idempotency-Replayed"]) == (202, "true")
        assert [levels(alone, one) for one in (ada, ben, cleo)] == [
            [("DANGER_ANSWER", "E4")],
            [("DANGER_ANSWER", "E3")],
            [],
        ]

    def test_that_is_refused_is_heard_whatever_else_is_wrong_in_it(self, refusing: House) -> None:
        patient_id = new_id()
        marks = [None, {"mark": "NO_SHOW", "answer": "NOT_SAFE", "patient_id": patient_id}]
        token = refusing.token("counselor", scopes=("sites:read",))

        answer = refusing.post(self.PATH, {"marks": marks, "no_such_field": 1}, token=token)

        assert (answer.status, answer.body["heard"]) == (403, ["DANGER_ANSWER"])
        assert levels(refusing, patient_id) == [("DANGER_ANSWER", "E4")]

    def test_that_names_seats_is_about_whoever_holds_them(self, alone: House) -> None:
        ids = {name: new_id() for name in ("patient_id", "episode_id", "journey_id", "seat_id")}
        scheduled = SessionScheduled(
            **ids,
            session_id=SOMEWHERE,
            kind="GROUP",
            modality="PROCESS",
            starts_at=real_now(),
            ends_at=real_now() + timedelta(hours=3),
            clinical_minutes=165,
        )
        archived(alone, scheduled)

        alone.post(self.PATH, {"marks": [self.mark("NOT_SAFE", seat_id=ids["seat_id"])]})

        (event,) = raised(alone, ids["patient_id"])
        assert (event.level, event.episode_id) == ("E4", ids["episode_id"])

    def test_that_names_seats_which_nobody_here_knows_tells_them_apart(self, alone: House) -> None:
        before = len(announced(alone))
        marks = [self.mark("NOT_SAFE", seat_id=new_id()) for _ in range(2)]

        answer = alone.post(self.PATH, {"marks": marks})

        assert answer.status == 202
        found = announced(alone)[before:]
        assert len({one.patient_id for one in found}) == len({one.concern_id for one in found}) == 2


def archived(house: House, event: Event) -> None:
    """Have an event in the archive, as if it had come long ago."""
    envelope = Envelope(
        event_id=new_id(),
        event=event,
        announced_by=event.source,
        tenant_id=TENANT,
        occurred_at=real_now(),
        recorded_at=real_now(),
        actor=Actor(actor_id=event.source, role=roles.SYSTEM),
        correlation_id=new_id(),
    )
    engine = new_engine(house.database_url.replace("{service}", "gateway"))
    with Session(engine) as db:
        tables.keep_events(db, [envelope], received_at=real_now())
        db.commit()
    engine.dispose()


class TestRefused:
    """A danger in what is refused is heard before it is refused."""

    def tell(self, house: House, body: dict[str, Any], **options: Any) -> tuple[Answer, str]:
        own = new_id()
        options.setdefault("token", house.token("patient", actor_id=own))
        return check_in(house, body, **options), own

    @pytest.mark.parametrize(
        "wrong",
        [
            {"craving": 11},
            {"mood": None},
            {"sleep_hours": "two"},
            {"no_such_field": True},
        ],
    )
    def test_though_something_else_in_it_is_wrong(self, refusing: House, wrong: dict[str, Any]) -> None:
        answer, own = self.tell(refusing, ANSWERS | {"danger": True} | wrong)

        assert answer.status in (404, 422)
        assert answer.body["heard"] == ["DANGER_ANSWER"]
        assert "refused: send it again, mended" in answer.body["notice"]
        assert set(answer.body["crisis_lines"]) >= LINES
        assert levels(refusing, own) == [("DANGER_ANSWER", "E4")]

    def test_once_however_often_it_comes(self, refusing: House) -> None:
        own, key = new_id(), new_id()
        token = refusing.token("patient", actor_id=own)

        answers = [check_in(refusing, ANSWERS | {"danger": True}, token=token, key=key) for _ in range(2)]

        assert {answer.status for answer in answers} == {404}
        assert answers[0].body["heard"] == answers[1].body["heard"] == ["DANGER_ANSWER"]
        assert len(raised(refusing, own)) == 1

    def test_though_its_key_was_used_for_something_else(self, refusing: House) -> None:
        own, key = new_id(), new_id()
        token = refusing.token("patient", actor_id=own)

        for stress in (3, 4):
            check_in(refusing, ANSWERS | {"danger": True, "stress": stress}, token=token, key=key)

        first, second = raised(refusing, own)
        assert first.evidence_id != second.evidence_id

    def test_though_it_has_no_key(self, refusing: House) -> None:
        answer, own = self.tell(refusing, ANSWERS | {"danger": True}, headers={"Idempotency-Key": ""})

        assert (answer.status, answer.code) == (400, "idempotency_key_missing")
        assert levels(refusing, own) == [("DANGER_ANSWER", "E4")]

    def test_though_a_word_in_it_holds_what_no_database_keeps(self, refusing: House) -> None:
        episode = f"/v1/episodes/{EPISODE}/assessments"
        before = len(announced(refusing))

        answer = refusing.post(episode, SIGNS | {"goals": "\0", "danger": {"suicidal_intent": "ACTIVE"}})

        assert (answer.status, answer.code, answer.body["heard"]) == (400, "malformed", ["DANGER_ANSWER"])
        assert len(announced(refusing)) == before + 1

    def test_though_it_says_to_be_of_another_kind(self, refusing: House) -> None:
        answer, own = self.tell(refusing, ANSWERS | {"danger": True}, headers={"Content-Type": "text/csv"})

        assert answer.status == 415
        assert levels(refusing, own) == [("DANGER_ANSWER", "E4")]

    def test_though_the_scope_is_missing(self, refusing: House) -> None:
        own = new_id()
        token = refusing.token("patient", actor_id=own, scopes=("episodes:read",))

        answer, _ = self.tell(refusing, ANSWERS | {"danger": True}, token=token)

        assert (answer.status, answer.code) == (403, "scope_missing")
        assert levels(refusing, own) == [("DANGER_ANSWER", "E4")]

    def test_though_a_patient_answers_for_another(self, refusing: House) -> None:
        own, other = new_id(), new_id()
        token = refusing.token("patient", actor_id=own)

        answer = refusing.post(f"/v1/patients/{other}/instrument-answers", PHQ9, token=token)

        assert answer.status == 404
        assert (levels(refusing, own), levels(refusing, other)) == ([("PHQ9_I9", "E4")], [])

    @pytest.mark.parametrize(
        ("since", "heard"), [(timedelta(minutes=5), True), (timedelta(days=1, minutes=5), False)]
    )
    def test_though_the_token_has_just_expired(
        self, refusing: House, since: timedelta, *, heard: bool
    ) -> None:
        own = new_id()
        token = tokens.mint(KEY, tenant=TENANT, role="patient", actor_id=own, lifetime=-since)

        answer, _ = self.tell(refusing, ANSWERS | {"danger": True}, token=token)

        assert (answer.status, answer.code) == (401, "token_expired")
        assert levels(refusing, own) == ([("DANGER_ANSWER", "E4")] if heard else [])
        assert set(answer.body["crisis_lines"]) >= LINES

    @pytest.mark.parametrize(
        "body",
        [
            {"instrument": "PHQ9", "version": 99, "answers": {"9": 1}},
            {"instrument": "PHQ9", "answers": {"9": 1, "1": 17}},
            {"instrument": "PHQ9", "answers": {"9": 1, "no such item": 0}},
            {"instrument": "PHQ9", "answers": {"9": 1}, "given_at": "2019-01-01T00:00:00Z"},
        ],
    )
    def test_though_the_instrument_was_answered_wrongly(self, refusing: House, body: dict[str, Any]) -> None:
        patient_id = new_id()

        refusing.post(f"/v1/patients/{patient_id}/instrument-answers", body)

        assert levels(refusing, patient_id) == [("PHQ9_I9", "E3")]

    def test_though_nobody_knows_the_word_for_what_was_used(self, refusing: House) -> None:
        patient_id = new_id()

        refusing.post("/v1/lapses", LAPSE | {"patient_id": patient_id, "substance": "XYLAZINE"})

        assert levels(refusing, patient_id) == [("RETURN_TO_USE", "E3")]

    def test_but_not_a_wish_for_help_that_can_be_wished_again(self, builder: Builder) -> None:
        house = builder.start()
        patient_id = new_id()
        token = house.token("counselor", scopes=("sites:read",))

        answer = house.post(
            "/v1/lapses", LAPSE | {"patient_id": patient_id, "substance": "NONE"}, token=token
        )

        assert (answer.status, "heard" in answer.body, raised(house, patient_id)) == (403, False, [])

    def test_without_a_danger_is_refused_as_ever(self, refusing: House) -> None:
        answer, own = self.tell(refusing, ANSWERS)

        assert (answer.status, raised(refusing, own)) == (404, [])
        assert {"crisis_lines", "heard", "notice"}.isdisjoint(answer.body)


class TestUnread:
    """What nobody can read is heard by nobody, and the answer says so; a patient is asked what it was."""

    @pytest.mark.parametrize(
        ("body", "headers", "status"),
        [
            (b"{", {}, 400),
            (b"[]", {}, 400),
            (b"a,b", {"Content-Type": "text/csv"}, 415),
            (b"x" * (MAX_BODY_BYTES + 1), {}, 413),
        ],
    )
    @pytest.mark.parametrize("role", ["patient", "clinician"])
    def test_says_that_nobody_heard_it_and_whom_to_call(
        self, refusing: House, body: bytes, headers: dict[str, str], status: int, *, role: str
    ) -> None:
        own, key = new_id(), new_id()
        token = refusing.token(role, actor_id=own)

        answers = [
            refusing.send(
                "POST", f"/v1/episodes/{EPISODE}/check-ins", body, headers=headers, token=token, key=key
            )
            for _ in range(2)
        ]

        for answer in answers:
            assert (answer.status, answer.body["heard"], answer.body["send_again"]) == (status, [], True)
            assert set(answer.body["crisis_lines"]) >= LINES
            assert ("asked to get in touch" in answer.body["notice"]) == (role == "patient")
            assert "In danger of life call 911 or 988 now." in answer.body["notice"]
        assert levels(refusing, own) == ([("UNREAD_REPORT", "E2")] if role == "patient" else [])

    def test_is_a_call_for_help_where_the_address_says_so(self, refusing: House) -> None:
        own = new_id()

        answer = refusing.send(
            "POST", "/v1/safety-concerns", b"{", token=refusing.token("patient", actor_id=own)
        )

        assert (answer.status, answer.body["heard"]) == (400, ["DANGER_ANSWER"])
        assert levels(refusing, own) == [("DANGER_ANSWER", "E3")]

    def test_asks_nobody_about_what_broke_off_on_its_way(self, refusing: House) -> None:
        own = new_id()
        token = refusing.token("patient", actor_id=own)
        with socket.create_connection(("127.0.0.1", refusing.port), timeout=30) as connection:
            connection.sendall(
                f"POST /v1/episodes/{EPISODE}/check-ins HTTP/1.1\r\nHost: door\r\n"
                f"Authorization: Bearer {token}\r\nIdempotency-Key: {new_id()}\r\n"
                'Content-Length: 200\r\n\r\n{"danger":'.encode()
            )
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))

        assert answer.startswith(b"HTTP/1.1 400")
        assert b'"heard":[]' in answer
        assert raised(refusing, own) == []

    def test_is_said_to_whoever_has_no_token(self, refusing: House) -> None:
        answer = check_in(refusing, ANSWERS, headers={"Authorization": "Bearer nothing"})

        assert (answer.status, answer.body["heard"]) == (401, [])
        assert set(answer.body["crisis_lines"]) == LINES

    def test_is_counted(self, refusing: House) -> None:
        refusing.send("POST", "/v1/lapses", b"{")

        counted = refusing.get("/metrics").body
        assert b'homeward_unheard_requests_total{route="report_lapse",status="400"} 1.0' in counted
