"""What is parked is shown, tried again or given up, by whom and why: over HTTP and by command."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from shared.audit import audit
from shared.clock import timers
from shared.contracts.scheduling import SessionMissed
from shared.database import new_engine
from shared.ids import new_id
from shared.messaging.inbox import inbox, quarantine
from shared.messaging.oversight import parked
from shared.messaging.oversight.parked import resolutions
from tests.contracts.store import example_of
from tests.gateway.conftest import TENANT, Answer, Builder, House
from tests.homeward.test_command import homeward

MISSED = example_of(SessionMissed)


class Desk:
    """An operator's desk: a house, and the database of its monitoring."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.engine = new_engine(house.database_url.replace("{service}", "monitoring"))

    def park_reaction(self, tenant_id: str = TENANT) -> str:
        """Park a reaction to an event and return the event's id."""
        event_id = new_id()
        with self.engine.begin() as connection:
            connection.execute(
                inbox.insert().values(
                    event_id=event_id,
                    reaction="reach_out",
                    tenant_id=tenant_id,
                    type="session_missed",
                    state="parked",
                    body=MISSED.to_bytes(),
                    received_at=datetime(2026, 2, 3, 1, tzinfo=UTC),
                    attempts=8,
                    error="ZeroDivisionError",
                )
            )
        return event_id

    def park_timer(self, tenant_id: str = TENANT) -> str:
        """Park a timer and return the id that it is shown under."""
        row = {
            "tenant_id": tenant_id,
            "name": "silent_for_a_week",
            "key": new_id(),
            "due_at": datetime(2026, 2, 9, 15, tzinfo=UTC),
            "data": {"week": 1},
            "correlation_id": new_id(),
            "state": "parked",
            "attempts": 8,
            "error": "KeyError",
        }
        with self.engine.begin() as connection:
            connection.execute(timers.insert().values(**row))
        return parked.timer_id("monitoring", row)

    def get(self, path: str, **options: Any) -> Answer:
        return self.house.get(path, role="operations", **options)

    def decide(self, item_id: str, how: str, **options: Any) -> Answer:
        body = {"service": "monitoring", "why": "Mended in 0.2."}
        return self.house.post(f"/v1/parked-items/{item_id}/{how}", body, role="operations", **options)

    def rows(self, table: sa.Table, *columns: str) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.select(*(table.c[name] for name in columns)))]

    def item(self, item_id: str) -> dict[str, Any]:
        (found,) = (one for one in self.get("/v1/parked-items").body["items"] if one["item_id"] == item_id)
        return dict(found)

    def command(self, *arguments: str) -> Any:
        return homeward(*arguments, HOMEWARD_DATABASE_URL=self.house.database_url)


@pytest.fixture(scope="module")
def full_house(builder: Builder) -> House:
    """A house in which every service answers; simulated time lets nothing be tried by itself too late."""
    return builder.start(HOMEWARD_CLOCK="simulated")


@pytest.fixture
def desk(full_house: House) -> Iterator[Desk]:
    found = Desk(full_house)
    with found.engine.begin() as connection:
        for table in (inbox, timers, resolutions, quarantine):
            connection.execute(table.delete())
    yield found
    found.engine.dispose()


class TestParkedItems:
    def test_lists_reactions_and_timers_of_the_own_tenant(self, desk: Desk) -> None:
        ours = {desk.park_reaction(), desk.park_timer()}
        desk.park_reaction("riverside")
        desk.park_timer("riverside")

        found = desk.get("/v1/parked-items").body["items"]

        assert {item["item_id"] for item in found} == ours
        assert {(item["kind"], item["name"], item["error"]) for item in found} == {
            ("REACTION", "reach_out", "ZeroDivisionError"),
            ("TIMER", "silent_for_a_week", "KeyError"),
        }

    def test_shows_the_event_behind_a_reaction(self, desk: Desk) -> None:
        event_id = desk.park_reaction()

        (item,) = desk.get(f"/v1/parked-items/{event_id}").body["items"]

        assert (item["service"], item["attempts"], item["decisions"]) == ("monitoring", 8, [])
        assert item["event"]["data"] == MISSED.event.to_data()

    def test_shows_what_a_timer_was_set_for(self, desk: Desk) -> None:
        (item,) = desk.get(f"/v1/parked-items/{desk.park_timer()}").body["items"]

        assert (item["kind"], item["data"]) == ("TIMER", {"week": 1})

    def test_gives_a_reaction_fresh_attempts_on_a_retry(self, desk: Desk) -> None:
        event_id = desk.park_reaction()

        answer = desk.decide(event_id, "retries")

        assert answer.body == {"service": "monitoring", "item_id": event_id, "how": "RETRY", "count": 1}
        # The monitoring of this house knows no such reaction, so it goes on waiting.
        assert desk.rows(inbox, "state", "attempts", "resolved_by") == [("waiting", 0, "operations-1")]

    def test_gives_up_a_reaction_on_a_skip(self, desk: Desk) -> None:
        event_id = desk.park_reaction()

        answer = desk.decide(event_id, "skips")

        assert answer.status == 201
        assert answer.body == {"service": "monitoring", "item_id": event_id, "how": "SKIP", "count": 1}
        assert desk.rows(inbox, "state", "resolved_by") == [("skipped", "operations-1")]
        assert desk.get("/v1/parked-items").body["items"] == []

    def test_has_a_timer_fire_again_on_a_retry(self, desk: Desk) -> None:
        item_id = desk.park_timer()

        assert desk.decide(item_id, "retries").body["how"] == "RETRY"

        # Nobody here knows such a timer, so it fails again at once, with attempts that begin anew.
        assert desk.rows(resolutions, "how", "who", "why") == [("RETRY", "operations-1", "Mended in 0.2.")]
        assert all(
            attempts < 8 or state == "parked" for state, attempts in desk.rows(timers, "state", "attempts")
        )

    def test_gives_up_a_timer_on_a_skip(self, desk: Desk) -> None:
        item_id = desk.park_timer()

        desk.decide(item_id, "skips")

        assert desk.rows(timers, "state") == [("skipped",)]

    def test_keeps_who_decided_and_why(self, desk: Desk) -> None:
        event_id = desk.park_reaction()
        desk.decide(event_id, "skips")

        assert desk.rows(resolutions, "item_id", "how", "who", "why") == [
            (event_id, "SKIP", "operations-1", "Mended in 0.2.")
        ]
        audited = desk.rows(audit, "action", "actor_id", "about_id")
        assert ("skip_parked", "operations-1", event_id) in audited

    def test_shows_what_was_decided_before(self, desk: Desk) -> None:
        event_id = desk.park_reaction()
        desk.decide(event_id, "skips")
        with desk.engine.begin() as connection:
            connection.execute(inbox.update().values(state="parked"))

        (item,) = desk.get(f"/v1/parked-items/{event_id}").body["items"]

        assert [(one["how"], one["who"], one["why"]) for one in item["decisions"]] == [
            ("SKIP", "operations-1", "Mended in 0.2.")
        ]

    def test_decides_once_for_a_request_that_is_repeated(self, desk: Desk) -> None:
        event_id, key = desk.park_reaction(), new_id()

        first, again = (desk.decide(event_id, "skips", key=key) for _ in range(2))

        assert first.body == again.body
        assert again.headers["Idempotency-Replayed"] == "true"
        assert len(desk.rows(resolutions, "how")) == 1

    @pytest.mark.parametrize("how", ["retries", "skips"])
    def test_refuses_what_is_another_tenants(self, desk: Desk, how: str) -> None:
        for item_id in (desk.park_reaction("riverside"), desk.park_timer("riverside"), new_id()):
            assert desk.decide(item_id, how).code == "not_found"
            assert desk.get(f"/v1/parked-items/{item_id}").status == 404
        assert desk.rows(inbox, "state") == [("parked",)]
        assert desk.rows(timers, "state") == [("parked",)]

    def test_wants_a_reason(self, desk: Desk) -> None:
        answer = desk.house.post(
            f"/v1/parked-items/{desk.park_reaction()}/skips", {"service": "monitoring"}, role="operations"
        )

        assert answer.fields.keys() == {"why"}


class TestQuarantine:
    def test_tells_fingerprints_and_reasons_only(self, desk: Desk) -> None:
        with desk.engine.begin() as connection:
            connection.execute(
                quarantine.insert().values(
                    digest=bytes(range(32)),
                    body_sealed=b"sealed Rosalind",
                    error="session_missed.seat_id: missing",
                    received_at=datetime(2026, 2, 3, 1, tzinfo=UTC),
                )
            )

        (item,) = desk.get("/v1/quarantined-messages").body["items"]
        told = desk.command("quarantine")

        assert item == {
            "service": "monitoring",
            "digest": bytes(range(32)).hex(),
            "error": "session_missed.seat_id: missing",
            "received_at": "2026-02-03T01:00:00Z",
        }
        assert item["digest"] in told.output
        assert "1 put aside" in told.output
        assert "Rosalind" not in told.output


class TestAuditBreaks:
    def test_are_found(self, desk: Desk) -> None:
        assert desk.get("/v1/audit-breaks").body["items"] == []
        event_id = desk.park_reaction()
        desk.decide(event_id, "skips")
        link = None
        while link is None:
            with desk.engine.connect() as connection:
                link = connection.scalar(sa.select(audit.c.link).where(audit.c.about_id == event_id))
        with desk.engine.begin() as connection:
            connection.execute(audit.update().where(audit.c.link == link).values(actor_id="nobody"))

        assert {"service": "monitoring", "link": link} in desk.get("/v1/audit-breaks").body["items"]

        with desk.engine.begin() as connection:
            connection.execute(audit.update().where(audit.c.link == link).values(actor_id="operations-1"))


class TestCommand:
    def test_lists_and_shows_timers_too(self, desk: Desk) -> None:
        item_id = desk.park_timer()

        listed, shown = desk.command("parked", "list"), desk.command("parked", "show", item_id)

        assert item_id in listed.output
        assert listed.output.endswith("1 parked\n")
        assert json.loads(shown.output)["data"] == {"week": 1}

    def test_gives_up_a_timer_with_who_and_why_in_the_audit(self, desk: Desk) -> None:
        item_id = desk.park_timer()

        told = desk.command("parked", "skip", item_id, "--why", "Done by hand.", "--who", "rosa")

        assert told.output == "monitoring: 1 skipped\n"
        assert desk.rows(resolutions, "name", "who", "why") == [
            ("silent_for_a_week", "rosa", "Done by hand.")
        ]
        assert ("skip_parked", "rosa", item_id) in desk.rows(audit, "action", "actor_id", "about_id")
