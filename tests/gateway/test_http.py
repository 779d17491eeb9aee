"""The door over real HTTP: what is refused, in which words, and what happens when things break."""

import http.client
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa

from gateway import tables
from homeward.postgres import PrivatePostgres
from shared.ids import new_id
from tests.costs import counting
from tests.gateway.conftest import MAX_BODY_BYTES, Builder, House
from tests.gateway.stubs import SECRET, UNKNOWN_PATIENT
from tests.support import waits_for_a_lock

PATIENT = "018f2a3b-0000-7000-8000-000000000001"


def until(seconds: float, found: Callable[[], bool]) -> bool:
    """Look again and again until something is so, or the time is up."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found():
            return True
        time.sleep(0.05)
    return False


class TestToken:
    def test_is_needed(self, house: House) -> None:
        answer = house.send("GET", "/v1/sites", headers={"Authorization": ""})
        assert (answer.status, answer.code) == (401, "token_missing")
        assert answer.headers["www-authenticate"].startswith("Bearer")

    def test_must_be_one_of_ours(self, house: House) -> None:
        answer = house.get("/v1/sites", token="eyJhbGciOiJub25lIn0.e30.")
        assert (answer.status, answer.code) == (401, "token_invalid")

    def test_must_not_have_expired(self, house: House, expired_token: str) -> None:
        answer = house.get("/v1/sites", token=expired_token)
        assert (answer.status, answer.code) == (401, "token_expired")

    def test_needs_the_scope_of_the_route(self, house: House) -> None:
        answer = house.get("/v1/sites", token=house.token(scopes=("patients:read",)))
        assert (answer.status, answer.code) == (403, "scope_missing")
        assert answer.fields == {"scope": "needs sites:read"}

    def test_of_operations_implies_nothing_else(self, house: House) -> None:
        answer = house.get("/v1/sites", token=house.token("operations", scopes=("operations",)))
        assert answer.code == "scope_missing"

    def test_of_a_clinician_opens_no_route_of_operations(self, house: House) -> None:
        assert house.get("/v1/clock").code == "scope_missing"
        assert house.get("/v1/clock", role="operations").status == 200


class TestPatientToken:
    def test_opens_the_own_record(self, house: House) -> None:
        answer = house.get(f"/v1/patients/{PATIENT}", token=house.token("patient", actor_id=PATIENT))
        assert (answer.status, answer.body["patient_id"]) == (200, PATIENT)

    def test_finds_nobody_elses_record(self, house: House) -> None:
        token = house.token("patient", actor_id=PATIENT)
        strange = house.get(f"/v1/patients/{new_id()}", token=token)
        unknown = house.get(f"/v1/patients/{UNKNOWN_PATIENT}", token=token)
        assert (strange.status, strange.code) == (unknown.status, unknown.code) == (404, "not_found")
        assert strange.body["detail"] == unknown.body["detail"]

    def test_opens_no_route_that_is_not_for_patients(self, house: House) -> None:
        everything = house.token("patient", actor_id=PATIENT, scopes=("sites:read", "events:read"))
        assert house.get("/v1/sites", token=everything).code == "role_may_not"
        assert house.get("/v1/events", token=everything).code == "role_may_not"

    def test_gets_no_view_of_another_patient_from_a_careless_service(self, house: House) -> None:
        path = f"/v1/episodes/{new_id()}/sessions?patients={PATIENT},{new_id()}"
        answer = house.get(path, token=house.token("patient", actor_id=PATIENT))
        assert [item["patient_id"] for item in answer.body["items"]] == [PATIENT]


class TestCommand:
    def test_is_carried_out(self, house: House) -> None:
        answer = house.post("/v1/referrals", {"referral_source": "1"})
        assert answer.status == 201
        assert answer.body["said"] == {"referral_source": "1"}
        assert answer.headers["cache-control"] == "no-store"

    def test_needs_a_key(self, house: House) -> None:
        answer = house.send("POST", "/v1/referrals", {}, headers={"Idempotency-Key": ""})
        assert (answer.status, answer.code) == (400, "idempotency_key_missing")
        assert "Idempotency-Key" in answer.fields

    def test_refuses_a_key_that_is_too_long(self, house: House) -> None:
        assert house.post("/v1/referrals", key="k" * 255).status == 201
        assert house.post("/v1/referrals", key="k" * 256).code == "idempotency_key_invalid"

    def test_repeated_with_its_key_gets_the_first_answer(self, house: House) -> None:
        key = new_id()
        first = house.post("/v1/referrals", {"referral_source": "3"}, key=key)
        again = house.post("/v1/referrals", {"referral_source": "3"}, key=key)
        assert again.body == first.body
        assert (again.status, again.headers["idempotency-replayed"]) == (201, "true")
        assert "idempotency-replayed" not in first.headers

    def test_refuses_a_key_that_named_another_request(self, house: House) -> None:
        key = new_id()
        house.post("/v1/referrals", {"referral_source": "3"}, key=key)
        answer = house.post("/v1/referrals", {"referral_source": "4"}, key=key)
        assert (answer.status, answer.code) == (409, "command_id_reused")

    def test_shares_no_key_with_another_caller_or_address(self, house: House) -> None:
        key = new_id()
        mine = house.post("/v1/referrals", key=key)
        theirs = house.post("/v1/referrals", key=key, token=house.token(actor_id="clinician-2"))
        assert theirs.body["referral_id"] != mine.body["referral_id"]
        assert house.post(f"/v1/sessions/{new_id()}/cancellation", key=key).status == 200

    def test_fifty_at_once_with_one_key_have_one_effect(self, house: House) -> None:
        key, token, answers = new_id(), house.token(), []

        def post() -> None:
            answers.append(house.post("/v1/referrals", {"referral_source": "1"}, key=key, token=token))

        threads = [threading.Thread(target=post) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({answer.body["referral_id"] for answer in answers if answer.status == 201}) == 1
        assert {answer.status for answer in answers} <= {201, 409, 503}

    def test_takes_nothing_from_the_query(self, house: House) -> None:
        answer = house.post("/v1/referrals?referral_source=1")
        assert (answer.status, answer.fields) == (422, {"referral_source": "belongs in the body"})

    def test_takes_the_ids_of_the_path_from_the_path_alone(self, house: House) -> None:
        answer = house.post(f"/v1/sessions/{new_id()}/cancellation", {"session_id": new_id()})
        assert (answer.status, answer.fields) == (422, {"session_id": "is told by the path alone"})

    def test_that_is_long_is_answered_with_a_job(self, house: House) -> None:
        accepted = house.post("/v1/referral-imports", {"rows": [1, 2, 3]})
        assert accepted.status == 202
        assert accepted.headers["location"] == accepted.body["href"] == f"/v1/jobs/{accepted.body['job_id']}"
        assert until(60, lambda: house.get(accepted.body["href"]).body["state"] == "done")
        assert house.get(accepted.body["href"]).body["result"] == {"imported": 3}
        other = house.get(accepted.body["href"], token=house.token(tenant="hillside"))
        assert other.status == 404

    def test_to_a_service_that_does_not_answer_is_refused_by_the_deadline(self, house: House) -> None:
        began = time.monotonic()
        answer = house.post("/v1/referrals", {"wish": "slow", "seconds": 60})
        assert (answer.status, answer.code) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        # The deadline is two seconds; that the machine is busy is nobody's fault.
        assert time.monotonic() - began < 20

    def test_to_a_service_that_is_away_is_refused_by_the_deadline(self, house: House) -> None:
        answer = house.get(f"/v1/discharges/{new_id()}")
        assert answer.status == 503
        assert "retry-after" in answer.headers


class TestJob:
    def test_that_nobody_knows_is_not_found(self, house: House) -> None:
        for job_id in (f"intake.{new_id()}", f"nowhere.{new_id()}", "intake.x", "x"):
            assert house.get(f"/v1/jobs/{job_id}").status == 404


class TestRefusal:
    def test_names_field_and_rule(self, house: House) -> None:
        answer = house.post("/v1/referrals", {"wish": "invalid"})
        assert (answer.status, answer.code) == (422, "invalid_input")
        assert answer.fields == {"patient.birth_date": "in the past"}
        assert answer.body["type"] == "urn:homeward:problem:invalid_input"

    def test_keeps_the_code_of_the_service(self, house: House) -> None:
        answer = house.post("/v1/referrals", {"wish": "conflict"})
        assert (answer.status, answer.code) == (409, "episode_already_open")

    def test_of_an_unknown_address(self, house: House) -> None:
        for path in ("/", "/v1", "/v2/sites", "/v1/sites/", "/v1//sites", "/v1/patients//x"):
            assert (house.get(path).status, house.get(path).code) == (404, "no_such_route")

    def test_of_a_method_that_the_address_has_not(self, house: House) -> None:
        answer = house.send("DELETE", "/v1/sites")
        assert (answer.status, answer.code) == (405, "method_not_allowed")
        assert answer.headers["allow"] == "GET, HEAD, POST"

    def test_after_an_accident_says_nothing_of_it(self, house: House) -> None:
        answer = house.post("/v1/referrals", {"wish": "accident"})
        assert (answer.status, answer.code) == (500, "internal")
        assert SECRET not in str(answer.body)
        assert "RuntimeError" not in str(answer.body)
        assert answer.body["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"


class TestBody:
    def test_must_be_json(self, house: House) -> None:
        for broken in (b'{"a":', b"\xff\xfe", b"nonsense", b'{"a": NaN}', b"[" * 5000):
            answer = house.post("/v1/referrals", broken)
            assert (answer.status, answer.fields) == (400, {"body": "valid JSON in UTF-8"})

    def test_must_be_an_object(self, house: House) -> None:
        for wrong in (b"[]", b'"text"', b"1", b"null"):
            assert house.post("/v1/referrals", wrong).fields == {"body": "a JSON object"}

    def test_must_say_that_it_is_json(self, house: House) -> None:
        answer = house.post("/v1/referrals", b"a=1", headers={"Content-Type": "text/plain"})
        assert (answer.status, answer.code) == (415, "unsupported_media_type")

    def test_holds_no_nul(self, house: House) -> None:
        answer = house.post("/v1/referrals", b'{"deep": [{"\\u0000": 1}]}')
        assert (answer.status, answer.fields) == (400, {"body": "no NUL characters"})
        assert house.post("/v1/referrals", b'{"text": "\\\\u0000"}').status == 201

    def test_is_refused_by_its_stated_length_before_any_of_it_is_read(self, house: House) -> None:
        reply = house.raw(b"POST /v1/referrals HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n")
        assert reply.startswith(b"HTTP/1.1 413 ")
        assert b"application/problem+json" in reply
        assert f"at most {MAX_BODY_BYTES} bytes".encode() in reply

    def test_of_no_stated_length_is_bounded_too(self, house: House) -> None:
        head = (
            f"POST /v1/referrals HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.token()}\r\n"
            f"Idempotency-Key: {new_id()}\r\nTransfer-Encoding: chunked\r\n\r\n"
        ).encode()
        chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
        reply = house.raw(head, then=chunk * 20 + b"0\r\n\r\n")
        assert reply.startswith(b"HTTP/1.1 413 ")

    def test_in_chunks_is_read(self, house: House) -> None:
        head = (
            f"POST /v1/referrals HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.token()}\r\n"
            f"Idempotency-Key: {new_id()}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        ).encode()
        reply = house.raw(head, then=b'c\r\n{"chunk": 1}\r\n0\r\n\r\n')
        assert reply.startswith(b"HTTP/1.1 201 ")
        assert b'"said":{"chunk":1}' in reply

    def test_larger_than_allowed_is_refused_though_it_is_sent(self, house: House) -> None:
        answer = house.post("/v1/referrals", {"text": "x" * (MAX_BODY_BYTES + 1)})
        assert (answer.status, answer.code) == (413, "too_large")

    def test_at_the_limit_is_read(self, house: House) -> None:
        padding = MAX_BODY_BYTES - len(orjson.dumps({"text": ""}))
        assert house.post("/v1/referrals", {"text": "x" * padding}).status == 201

    def test_of_two_lengths_is_refused(self, house: House) -> None:
        for framing in (
            b"Content-Length: 2\r\nContent-Length: 3\r\n",
            b"Transfer-Encoding: gzip, chunked\r\n",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
            b"Content-Length: +2\r\n",
        ):
            reply = house.raw(b"POST /v1/referrals HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n{}")
            assert reply.startswith(b"HTTP/1.1 400 ")
            assert reply.count(b"HTTP/1.1") == 1

    def test_that_breaks_off_changes_nothing_and_ends_nothing(self, house: House) -> None:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", house.port)) as connection:
                connection.sendall(
                    f"POST /v1/referrals HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.token()}\r\n"
                    "Idempotency-Key: k\r\nContent-Length: 100\r\n\r\n{".encode()
                )
        assert house.get("/livez").status == 200


class TestRequest:
    def test_that_is_not_http_gets_a_problem_that_quotes_nothing(self, house: House) -> None:
        reply = house.raw(f"{SECRET}\r\n\r\n".encode())
        assert reply.startswith(b"HTTP/1.1 400 ")
        assert SECRET.split()[0].encode() not in reply

    @pytest.mark.parametrize(
        ("head", "status"),
        [
            (b"GET /livez HTTP/1.1\r\nHost : x\r\n\r\n", 400),
            (b"GET /livez HTTP/1.1\r\nHost: x\r\n and more\r\n\r\n", 400),
            (b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Note: a\rb\r\n\r\n", 400),
            (b"GET /livez HTTP/1.1\r\nno field\r\n\r\n", 400),
            (b"GET /livez and more HTTP/1.1\r\n\r\n", 400),
            (b"GET /livez\r\n\r\n", 400),
            (b"PRI * HTTP/2.0\r\n\r\n", 505),
            (b"GET /livez HTTP/1.1\r\n" + b"X-Note: a\r\n" * 101 + b"\r\n", 431),
            (b"GET /livez HTTP/1.1\r\nX-Note: " + b"a" * 9000 + b"\r\n\r\n", 431),
            (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        ],
    )
    def test_whose_head_is_not_as_it_should_be_is_refused(
        self, house: House, head: bytes, status: int
    ) -> None:
        reply = house.raw(head)
        assert reply.startswith(f"HTTP/1.1 {status} ".encode())
        assert b"application/problem+json" in reply
        assert reply.count(b"HTTP/1.1") == 1

    def test_of_an_older_version_is_the_last_one_unless_it_says_otherwise(self, house: House) -> None:
        last = house.raw(b"GET /livez HTTP/1.0\r\n\r\nGET /livez HTTP/1.0\r\n\r\n")
        assert (last.count(b" 200 "), b"\r\nConnection: close\r\n" in last) == (1, True)
        more = house.raw(b"GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /livez HTTP/1.0\r\n\r\n")
        assert (more.count(b" 200 "), b"\r\nConnection: keep-alive\r\n" in more) == (2, True)

    def test_that_waits_to_be_told_to_go_on_is_told(self, house: House) -> None:
        head = (
            f"POST /v1/referrals HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.token()}\r\n"
            f"Idempotency-Key: {new_id()}\r\nContent-Length: 7\r\nExpect: 100-continue\r\n"
            "Connection: close\r\n\r\n"
        ).encode()
        reply = house.raw(head, then=b'{"a":1}')
        assert reply.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 ")

    def test_that_nobody_told_to_go_on_is_the_last_one(self, house: House) -> None:
        head = b"POST /v1/referrals HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n"
        reply = house.raw(head)
        assert reply.startswith(b"HTTP/1.1 401 ")
        assert b"\r\nConnection: close\r\n" in reply

    def test_with_an_address_that_cannot_be_read_is_refused(self, house: House) -> None:
        assert house.get("/v1/patients/%ff").fields == {"path": "UTF-8 without NUL"}
        assert house.get("/v1/patients/a%00b").fields == {"path": "UTF-8 without NUL"}
        assert house.get("/v1/sites?a=%ff").fields == {"query": "URL-encoded UTF-8"}
        assert house.get("/v1/sites?a=%00").fields == {"query": "no NUL characters"}

    def test_goes_on_within_the_callers_trace(self, house: House) -> None:
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        answer = house.get("/livez", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        assert answer.headers["traceparent"].split("-")[1] == trace
        assert answer.headers["traceparent"].split("-")[2] != "00f067aa0ba902b7"

    def test_with_a_broken_trace_begins_one(self, house: House) -> None:
        answer = house.get("/livez", headers={"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"})
        assert len(answer.headers["traceparent"].split("-")[1].strip("0")) > 0

    def test_keeps_an_id_that_is_a_uuid_and_no_other(self, house: House) -> None:
        mine = new_id()
        assert house.get("/livez", headers={"X-Request-Id": mine}).headers["x-request-id"] == mine
        answer = house.get("/livez", headers={"X-Request-Id": SECRET})
        assert answer.headers["x-request-id"] not in ("", SECRET)

    def test_for_the_head_gets_no_body(self, house: House) -> None:
        reply = house.raw(b"HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert reply.startswith(b"HTTP/1.1 200 ")
        assert reply.endswith(b"\r\n\r\n")

    def test_may_follow_another_on_one_connection(self, house: House) -> None:
        refused = b'POST /v1/referrals HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n{"a":1}'
        last = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        reply = house.raw(refused + last)
        assert reply.startswith(b"HTTP/1.1 401 ")
        assert reply.count(b"HTTP/1.1 200 ") == 1

    def test_repeated_query_names_make_a_list_only_where_one_is_wanted(self, house: House) -> None:
        assert house.get("/v1/events?type=session_missed&type=session_attended").status == 200
        assert house.get("/v1/events?limit=1&limit=2").fields.keys() == {"limit"}
        assert house.get("/v1/events?wrong=1").fields == {"wrong": "Unknown field."}


class TestHealth:
    def test_tells_that_it_lives_and_is_ready(self, house: House) -> None:
        assert house.get("/livez", headers={"Authorization": ""}).status == 200
        assert house.get("/readyz", headers={"Authorization": ""}).body == {"status": "ready"}

    def test_counts_requests_by_route_and_never_by_address(self, house: House) -> None:
        house.get(f"/v1/patients/{PATIENT}")
        metrics = house.get("/metrics").body.decode()
        assert 'route="/v1/patients/{patient_id}"' in metrics
        assert PATIENT not in metrics


class TestPage:
    def test_needs_nothing_from_elsewhere(self, house: House) -> None:
        answer = house.get("/docs", headers={"Authorization": ""})
        html = answer.body.decode()
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        for foreign in ("http://", "https://", "<script", "@import", "url(", "<link", "<img"):
            assert foreign not in html
        assert html.count("<article") > 50


@pytest.mark.slow
class TestStop:
    def test_finishes_what_is_in_hand_and_says_so_before(self, builder: Builder) -> None:
        house = builder.start(HOMEWARD_COMMAND_DEADLINE_SECONDS="10")
        answers = []

        def post() -> None:
            answers.append(house.post("/v1/referrals", {"wish": "slow", "seconds": 3}))

        working = threading.Thread(target=post)
        working.start()
        # The one that works, and the one that asks.
        assert until(60, lambda: b"\nhomeward_http_requests_in_flight 2.0\n" in house.get("/metrics").body)
        began = time.monotonic()
        house.process.terminate()
        assert until(60, lambda: house.get("/readyz").status == 503)
        house.process.wait(timeout=30)
        working.join()
        assert [answer.status for answer in answers] == [201]
        assert answers[0].headers["connection"] == "close"
        assert time.monotonic() - began < 20
        assert house.process.returncode == 0

    def test_hangs_up_on_idle_connections(self, builder: Builder) -> None:
        house = builder.start()
        with socket.create_connection(("127.0.0.1", house.port)) as idle:
            idle.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            idle.recv(65536)
            began = time.monotonic()
            assert house.stop() == 0
            assert time.monotonic() - began < 20

    def test_leaves_no_secret_in_the_log(self, builder: Builder) -> None:
        house = builder.start()
        house.post("/v1/referrals", {"wish": "accident", "given_name": SECRET})
        house.get(f"/v1/patients/{PATIENT}?name=Rosalind")
        house.get("/v1/Rosalind")
        house.raw(b"Rosalind\r\n\r\n")
        house.stop()
        assert "request" in house.log
        assert "Rosalind" not in house.log
        assert PATIENT not in house.log

    def test_loses_nobody_who_asks_meanwhile(self, builder: Builder) -> None:
        house = builder.start()
        token, lost, answered = house.token(), [], []

        def ask_again_and_again() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=20)
            while True:
                try:
                    if connection.sock is None:
                        connection.connect()
                except OSError:
                    return
                try:
                    connection.request(
                        "GET", f"/v1/patients/{new_id()}", headers={"Authorization": f"Bearer {token}"}
                    )
                    answer = connection.getresponse()
                    answer.read()
                    answered.append(answer.status)
                except (OSError, http.client.HTTPException) as error:
                    lost.append(repr(error))
                    return

        asking = [threading.Thread(target=ask_again_and_again) for _ in range(8)]
        for thread in asking:
            thread.start()
        assert until(60, lambda: len(answered) > len(asking))
        house.process.terminate()
        for thread in asking:
            thread.join()
        assert house.process.wait(timeout=30) == 0
        assert lost == []
        assert set(answered) == {200}


class TestClock:
    def test_that_is_real_does_not_jump(self, house: House) -> None:
        answer = house.post("/v1/clock/jumps", {"no_later_than": "2026-03-02T15:00:00Z"}, role="operations")
        assert (answer.status, answer.code) == (409, "clock_is_real")

    def test_jumps_once_however_often_a_jump_is_repeated(self, builder: Builder) -> None:
        house = builder.start(HOMEWARD_CLOCK="simulated")
        first, second = ({"no_later_than": f"2026-02-0{day}T15:00:00Z"} for day in (3, 4))
        key = new_id()

        jumped = house.post("/v1/clock/jumps", first, key=key, role="operations")
        house.post("/v1/clock/jumps", second, role="operations")
        again = house.post("/v1/clock/jumps", first, key=key, role="operations")
        other = house.post("/v1/clock/jumps", second, key=key, role="operations")

        assert jumped.body.get("now") == "2026-02-03T15:00:00Z", (jumped.body, house.log[-1500:])
        assert (again.body, again.headers["idempotency-replayed"]) == (jumped.body, "true")
        assert other.code == "command_id_reused"
        assert house.get("/v1/clock", role="operations").body["now"] == "2026-02-04T15:00:00Z"

    def test_jumps_once_also_where_the_process_before_was_told_to(self, builder: Builder) -> None:
        databases = builder.databases()
        first, second = ({"no_later_than": f"2026-02-0{day}T15:00:00Z"} for day in (3, 4))
        key = new_id()
        house = builder.start(HOMEWARD_CLOCK="simulated", databases=databases)
        jumped = house.post("/v1/clock/jumps", first, key=key, role="operations")
        assert house.stop() == 0

        house = builder.start(HOMEWARD_CLOCK="simulated", databases=databases)
        house.post("/v1/clock/jumps", second, role="operations")
        again = house.post("/v1/clock/jumps", first, key=key, role="operations")

        assert (again.body, again.headers["idempotency-replayed"]) == (jumped.body, "true")

    def test_jumps_in_two_trips_to_the_database_where_nothing_is_due(self, builder: Builder) -> None:
        databases = builder.databases()
        # An address with the braces of a template in it is not kept as it is.
        parsed = sa.make_url(databases.replace("{service}", "of-service"))
        with counting.Proxy(Path(str(parsed.query["host"])) / ".s.PGSQL.5432", counting.postgres) as proxy:
            query = {"sslmode": "disable", "gssencmode": "disable"}
            counted = parsed.set(host="127.0.0.1", port=proxy.port, query=query)
            through = counted.render_as_string(hide_password=False).replace("of-service", "{service}")
            house = builder.start(HOMEWARD_CLOCK="simulated", databases=through)
            house.database_url = databases
            costs = []
            for hour in range(10, 22):
                before = proxy.snapshot()
                jump = {"no_later_than": f"2026-02-03T{hour}:00:00Z"}
                assert house.post("/v1/clock/jumps", jump, role="operations").status == 200
                costs.append((proxy.snapshot() - before)["round trips"])

        # One to move the clock, and one to keep the answer. Every second others look for work besides.
        assert min(costs) == 2, costs

    def test_ends_a_jump_only_when_the_feed_is_whole(self, builder: Builder) -> None:
        house = builder.start(HOMEWARD_CLOCK="simulated")
        # The stub announces, and another process of the gateway gives places just now.
        engine = sa.create_engine(house.database_url.replace("{service}", "gateway"))
        try:
            with engine.begin() as other:
                other.execute(sa.select(sa.func.pg_advisory_xact_lock(tables._PLACE_LOCK)))
                house.post(f"/v1/sessions/{new_id()}/roster", {"seats": [new_id()]})
                ended: list[int | None] = []
                jump = {"no_later_than": "2026-02-03T15:00:00Z"}
                jumping = threading.Thread(
                    target=lambda: ended.append(house.post("/v1/clock/jumps", jump, role="operations").status)
                )
                jumping.start()
                assert waits_for_a_lock(engine)
                assert ended == [], "the jump ended before the event had its place"
            jumping.join(timeout=60)
            assert ended == [200]
            with engine.connect() as connection:
                assert connection.scalars(sa.select(tables.archive.c.position)).all() == [1]
        finally:
            engine.dispose()

    def test_jumps_to_a_moment_only(self, house: House) -> None:
        for wrong in ({}, {"no_later_than": "2026-02-03T15:00:00"}, {"no_later_than": 7}):
            answer = house.post("/v1/clock/jumps", wrong, role="operations")
            assert (answer.status, set(answer.fields)) == (422, {"no_later_than"})


@pytest.mark.slow
class TestDatabase:
    def test_that_is_away_makes_the_door_say_so_until_it_is_back(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="hw-gate-"))
        folder.chmod(0o755)
        server = PrivatePostgres(folder / "pg", durable=False)
        server.start()
        builder = Builder(server)
        try:
            house = builder.start()
            assert house.get("/v1/events").status == 200

            server.kill()
            assert until(60, lambda: house.get("/readyz").status == 503)
            assert "database" in house.get("/readyz").body["because"]
            answer = house.get("/v1/events")
            assert (answer.status, answer.code) == (503, "unavailable")
            assert int(answer.headers["retry-after"]) >= 1
            assert house.get("/livez").status == 200

            server.start()
            assert until(60, lambda: house.get("/readyz").status == 200)
            assert until(60, lambda: house.get("/v1/events").status == 200)
            assert house.post("/v1/referrals").status == 201
        finally:
            builder.end()
            server.discard()
            shutil.rmtree(folder, ignore_errors=True)


class TestPort:
    def test_that_is_in_use_is_refused(self, builder: Builder, house: House) -> None:
        try:
            builder.start(HOMEWARD_PORT=str(house.port))
        except AssertionError as refusal:
            assert "PortInUse" in str(refusal)  # noqa: PT017  # the process's own words
        else:
            raise AssertionError("two servers share a port")
