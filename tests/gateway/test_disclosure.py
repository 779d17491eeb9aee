"""What may leave: the one decision, over any history of consents and on every way out."""

import contextlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import disclosure, tables
from gateway.disclosure import Audience, may_leave
from gateway.service import Gateway
from shared.clock import real_now
from shared.contracts.catalogue import EVENTS
from shared.contracts.event import EpisodeFact
from shared.contracts.intake import (
    INFORMATION_CLASSES,
    ConsentExpired,
    ConsentGranted,
    ConsentRevoked,
    RestrictionAgreed,
    RestrictionEnded,
)
from shared.database import new_engine, send_what_waits, send_with_next, transaction
from shared.ids import derived_id, new_id
from tests.gateway.conftest import House
from tests.support import TENANT, Room

PATIENT = derived_id("patient", "one")
CLINIC = "riverside-primary-care"
MONDAY = datetime(2026, 2, 2, 15, tzinfo=UTC)


def granted(consent: str = "c", **told: Any) -> ConsentGranted:
    """Return a consent of our patient for the clinic, to attendance unless told otherwise."""
    usual: dict[str, Any] = {
        "consent_id": derived_id("consent", consent),
        "patient_id": PATIENT,
        "journey_id": derived_id("journey"),
        "kind": "TPO",
        "recipient_id": CLINIC,
        "information_classes": ("ATTENDANCE",),
        "granted_at": MONDAY,
    }
    return ConsentGranted(**(usual | told))


def revoked(consent: str = "c", at: datetime = MONDAY) -> ConsentRevoked:
    """Return the revocation of a consent."""
    return ConsentRevoked(
        consent_id=derived_id("consent", consent),
        patient_id=PATIENT,
        journey_id=derived_id("journey"),
        kind="TPO",
        revoked_at=at,
    )


def leaves(
    room: Room,
    *,
    to: str = CLINIC,
    patient_id: str = PATIENT,
    what: str = "ATTENDANCE",
    at: datetime = MONDAY + timedelta(days=1),
    tenant_id: str = TENANT,
) -> bool:
    """Ask whether something may leave."""
    audience = Audience(tenant_id=tenant_id, recipient_id=to)
    with room.db() as db:
        return may_leave(
            db,
            audience=audience,
            patient_id=patient_id,
            information_class=what,
            now=at,
            confirmed=everything(db),
        ).allowed


def everything(db: Any) -> dict[str, tuple[str, ...]]:
    """Return what intake says that knows no less than the gateway."""
    known = db.scalars(sa.select(tables.consents.c.consent_id))
    return dict.fromkeys(known, (*INFORMATION_CLASSES, "WITHHELD"))


@pytest.fixture
def room(room_of: Any) -> Room:
    found: Room = room_of(Gateway)
    return found


class TestMayLeave:
    def test_says_no_by_default(self, room: Room) -> None:
        assert not any(leaves(room, what=what) for what in INFORMATION_CLASSES)

    def test_says_yes_to_what_a_consent_covers_and_nothing_else(self, room: Room) -> None:
        room.deliver(granted())
        assert leaves(room)
        assert not leaves(room, what="DIAGNOSES")
        assert not leaves(room, to="somebody-else")
        assert not leaves(room, patient_id=new_id())
        assert not leaves(room, tenant_id="hillside")

    def test_says_no_before_after_and_at_the_end(self, room: Room) -> None:
        room.deliver(granted(expires_at=MONDAY + timedelta(days=90)))
        assert not leaves(room, at=MONDAY - timedelta(seconds=1))
        assert leaves(room, at=MONDAY)
        assert leaves(room, at=MONDAY + timedelta(days=90, seconds=-1))
        assert not leaves(room, at=MONDAY + timedelta(days=90))

    def test_says_no_after_a_revocation_in_whatever_order_they_come(self, room: Room) -> None:
        room.deliver(revoked("late"), granted("late"), granted("late"))
        room.deliver(granted("usual"), revoked("usual"), granted("usual"))
        assert not leaves(room)

    @pytest.mark.parametrize("reason", ["DATE", "FINAL_DISPOSITION"])
    def test_says_no_after_an_end_by_itself_in_whatever_order_they_come(
        self, room: Room, reason: str
    ) -> None:
        ended = ConsentExpired(
            consent_id=derived_id("consent", "c"),
            patient_id=PATIENT,
            journey_id=derived_id("journey"),
            kind="CRIMINAL_JUSTICE",
            reason=reason,
            expired_at=MONDAY + timedelta(hours=1),
        )
        room.deliver(ended, granted(), revoked(at=MONDAY + timedelta(hours=2)), granted())
        assert not leaves(room)

    def test_lets_counselling_notes_and_unknown_classes_leave_to_nobody(self, room: Room) -> None:
        room.deliver(granted(information_classes=(*INFORMATION_CLASSES, "WITHHELD")))
        assert leaves(room, what="BILLING")
        assert not leaves(room, what="COUNSELLING_NOTES")
        assert not leaves(room, what="WITHHELD")

    def test_says_no_to_what_nobody_has_confirmed(self, room: Room) -> None:
        room.deliver(granted())
        audience = Audience(tenant_id=TENANT, recipient_id=CLINIC)
        asked: dict[str, Any] = {"audience": audience, "patient_id": PATIENT, "now": MONDAY}
        asked |= {"information_class": "ATTENDANCE"}

        with room.db() as db:
            said = [
                may_leave(db, **asked, confirmed=confirmed).allowed
                for confirmed in (
                    None,
                    {},
                    {derived_id("consent", "c"): ("BILLING",)},
                    {derived_id("consent", "c"): ("ATTENDANCE",)},
                )
            ]

        assert said == [False, False, False, True]

    def test_needs_a_consent_that_names_the_recipient(self, room: Room) -> None:
        room.deliver(granted(recipient_id=None))
        assert not leaves(room)

    def test_lets_staff_and_the_patient_themself_see(self, room: Room) -> None:
        with room.db() as db:
            for audience, patient_id, allowed in (
                (Audience(tenant_id=TENANT), PATIENT, True),
                (Audience(tenant_id=TENANT, patient_id=PATIENT), PATIENT, True),
                (Audience(tenant_id=TENANT, patient_id=PATIENT), new_id(), False),
            ):
                decision = may_leave(
                    db, audience=audience, patient_id=patient_id, information_class="CONTACT", now=MONDAY
                )
                assert decision.allowed is allowed


def agreed(**told: Any) -> RestrictionAgreed:
    """Return that nothing of our patient is told to the clinic, unless told otherwise."""
    usual: dict[str, Any] = {
        "restriction_id": derived_id("restriction"),
        "patient_id": PATIENT,
        "journey_id": derived_id("journey"),
        "recipient_id": CLINIC,
        "information_classes": (),
        "agreed_at": MONDAY,
    }
    return RestrictionAgreed(**(usual | told))


def lifted() -> RestrictionEnded:
    """Return the end of that."""
    return RestrictionEnded(
        restriction_id=derived_id("restriction"),
        patient_id=PATIENT,
        journey_id=derived_id("journey"),
        ended_at=MONDAY + timedelta(hours=1),
    )


class TestRestriction:
    def test_keeps_in_what_consents_would_let_leave(self, room: Room) -> None:
        room.deliver(granted(information_classes=("ATTENDANCE", "BILLING")), agreed())

        assert not any(leaves(room, what=what) for what in INFORMATION_CLASSES)

    def test_is_about_the_classes_that_it_names(self, room: Room) -> None:
        room.deliver(
            granted(information_classes=("ATTENDANCE", "BILLING")),
            agreed(information_classes=("BILLING",)),
        )

        assert leaves(room)
        assert not leaves(room, what="BILLING")

    def test_is_towards_whom_it_names_or_towards_everybody(self, room: Room) -> None:
        other = "hillside-employer"
        room.deliver(granted(), granted("other", recipient_id=other), agreed(recipient_id=other))
        assert (leaves(room), leaves(room, to=other)) == (True, False)

        room.deliver(agreed(restriction_id=derived_id("all"), recipient_id=None))
        assert (leaves(room), leaves(room, to=other)) == (False, False)

    def test_of_one_patient_or_tenant_leaves_others_alone(self, room: Room) -> None:
        room.deliver(granted(), agreed(patient_id=new_id()))
        room.deliver(room.envelope_of(agreed(restriction_id=derived_id("x")), tenant_id="hillside"))

        assert leaves(room)

    def test_ends_in_whatever_order_that_is_told(self, room: Room) -> None:
        room.deliver(granted(), lifted(), agreed(), lifted(), agreed())

        assert leaves(room)

    def test_says_why_and_is_asked_for_staff_and_the_patient_never(self, room: Room) -> None:
        room.deliver(granted(), agreed(recipient_id=None))

        with room.db() as db:
            said = [
                may_leave(
                    db,
                    audience=one,
                    patient_id=PATIENT,
                    information_class="ATTENDANCE",
                    now=MONDAY,
                    confirmed=everything(db),
                ).reason
                for one in (
                    Audience(tenant_id=TENANT, recipient_id=CLINIC),
                    Audience(tenant_id=TENANT),
                    Audience(tenant_id=TENANT, patient_id=PATIENT),
                )
            ]
        assert said == ["restricted", "inside", "own_record"]


_HISTORY = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(["grant", "revoke"]),
        st.sets(st.sampled_from(INFORMATION_CLASSES[:3]), min_size=1),
        st.integers(0, 5),
        st.none() | st.integers(1, 5),
    ),
    max_size=6,
    # A consent is given once and taken back once.
    unique_by=lambda step: step[:2],
)


class TestAnyHistoryOfConsents:
    @settings(
        max_examples=40,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(history=_HISTORY, doubled=st.booleans(), day=st.integers(0, 10), data=st.data())
    def test_lets_leave_exactly_what_it_allows_then(
        self, room: Room, history: list[Any], doubled: bool, day: int, data: st.DataObject
    ) -> None:
        with room.db() as db:
            db.execute(tables.consents.delete())
        events: list[Any] = []
        for name, step, classes, start, days in history:
            if step == "grant":
                at = MONDAY + timedelta(days=start)
                ends = at + timedelta(days=days) if days else None
                events.append(
                    granted(name, information_classes=tuple(classes), granted_at=at, expires_at=ends)
                )
            else:
                events.append(revoked(name))
        now = MONDAY + timedelta(days=day)
        taken_back = {event.consent_id for event in events if isinstance(event, ConsentRevoked)}
        expected = {
            what
            for event in events
            if isinstance(event, ConsentGranted)
            and event.consent_id not in taken_back
            and event.granted_at <= now
            and (event.expires_at is None or now < event.expires_at)
            for what in event.information_classes
        }

        room.deliver(*data.draw(st.permutations(events * 2 if doubled else events)))

        assert {what for what in INFORMATION_CLASSES if leaves(room, what=what, at=now)} == expected


class TestInformationOfEvents:
    def test_names_known_events_and_classes(self) -> None:
        for wire_name, classes in disclosure.INFORMATION_OF_EVENT.items():
            assert issubclass(EVENTS[wire_name], EpisodeFact)
            assert set(classes) <= set(INFORMATION_CLASSES) - disclosure.NEVER

    def test_leaves_out_what_is_the_programs_own(self) -> None:
        kept = set(EVENTS) - set(disclosure.INFORMATION_OF_EVENT)
        assert {"risk_band_changed", "escalation_opened", "lapse_reported", "disclosure_made"} <= kept


class TestPartner:
    """An outside recipient at the real door."""

    def test_sees_a_patient_under_a_consent_only(self, house: House) -> None:
        partner = house.token("partner", partner="riverside", actor_id="dr-lind")
        consent = {"consent_id": new_id(), "recipient_id": "riverside", "information_classes": ["CONTACT"]}
        patient_id = new_id()
        path = f"/v1/patients/{patient_id}"

        before = house.get(path, token=partner)
        house.post(f"{path}/consents", consent)
        under = _until_status(house, path, partner, 200)
        house.post(f"/v1/consents/{consent['consent_id']}/revocation", {"patient": patient_id})
        after = _until_status(house, path, partner, 404)

        assert (before.status, before.code) == (404, "not_found")
        assert under.body["patient_id"] == patient_id
        assert after.body["detail"] == before.body["detail"]
        told = _until(lambda: _disclosures(house, patient_id))
        assert told == [("riverside", ["CONTACT"])]

    def test_cannot_tell_a_patient_from_nobody(self, house: House) -> None:
        partner = house.token("partner", partner="riverside", actor_id="dr-lind")
        known = house.get(f"/v1/patients/{new_id()}", token=partner)
        unknown = house.get("/v1/patients/00000000-0000-4000-8000-00000000dead", token=partner)
        assert known.status == unknown.status == 404

        new = house.post("/v1/referrals", {}, token=partner)
        known_already = house.post("/v1/referrals", {"wish": "conflict"}, token=partner)
        assert (new.status, new.body) == (known_already.status, known_already.body)
        assert new.body == {"status": "received"}

    def test_gets_of_a_page_only_the_patients_who_agreed(self, house: House) -> None:
        partner = house.token("partner", partner="sober-house", actor_id="keeper")
        agreed, other, episode = new_id(), new_id(), new_id()
        house.post(
            f"/v1/patients/{agreed}/consents",
            {
                "consent_id": new_id(),
                "recipient_id": "sober-house",
                "information_classes": ["ATTENDANCE"],
            },
        )
        path = f"/v1/episodes/{episode}/sessions?patients={agreed},{other}"

        seen = _until(lambda: house.get(path, token=partner).body["items"])

        assert [item["patient_id"] for item in seen] == [agreed]

    def test_who_warns_is_told_whom_to_call_and_nothing_else(self, house: House) -> None:
        partner = house.token("partner", partner="sober-house", actor_id="keeper")
        answer = house.post("/v1/safety-concerns", {"patient_id": new_id()}, token=partner)
        assert (answer.status, set(answer.body)) == (202, {"status", "crisis_lines"})

    def test_gets_nothing_that_is_the_programs_own(self, house: House) -> None:
        partner = house.token("partner", partner="riverside", actor_id="dr-lind")
        for path in ("/v1/outreach", f"/v1/episodes/{new_id()}/risk", f"/v1/escalations/{new_id()}"):
            assert house.get(path, token=partner).status == 404

    def test_reads_events_of_patients_who_agreed_and_of_nobody_else(self, house: House) -> None:
        partner = house.token("partner", partner="probation", actor_id="officer")
        agreed, other = new_id(), new_id()
        house.post(
            f"/v1/patients/{agreed}/consents",
            {"consent_id": new_id(), "recipient_id": "probation", "information_classes": ["ATTENDANCE"]},
        )
        house.post(f"/v1/sessions/{new_id()}/roster", {"seats": [agreed, other]})
        house.post(f"/v1/sessions/{new_id()}/cancellation")

        seen = _until(lambda: house.get("/v1/events", token=partner).body["items"])

        assert [(item["type"], item["subject"]) for item in seen] == [("homeward.session_scheduled", agreed)]
        assert _until(lambda: _disclosures(house, agreed)) == [("probation", ["ATTENDANCE"])]
        assert _disclosures(house, other) == []


class TestFeed:
    def test_tells_each_event_once_page_by_page(self, house: House) -> None:
        token = house.token(tenant="feed-pages")
        patients = [new_id() for _ in range(7)]
        for patient in patients:
            house.post(f"/v1/sessions/{new_id()}/roster", {"seats": [patient]}, token=token)
        _until(lambda: len(house.get("/v1/events", token=token).body["items"]) == 7)

        seen, after = [], ""
        while True:
            page = house.get(f"/v1/events?limit=3{after}", token=token).body
            seen += page["items"]
            after = f"&after={page['next']}"
            if len(page["items"]) < 3:
                break

        assert [event["subject"] for event in seen] == patients
        assert house.get(f"/v1/events?limit=3{after}", token=token).body["items"] == []
        assert all(event["specversion"] == "1.0" for event in seen)

    def test_goes_on_where_it_ended_when_more_happens(self, house: House) -> None:
        token, late = house.token(tenant="feed-goes-on"), new_id()
        house.post(f"/v1/sessions/{new_id()}/cancellation", token=token)
        first = _until(lambda: _filled(house.get("/v1/events", token=token).body))
        same = house.get(f"/v1/events?after={first['next']}", token=token).body
        house.post(f"/v1/sessions/{new_id()}/roster", {"seats": [late]}, token=token)

        more = _until(lambda: _filled(house.get(f"/v1/events?after={same['next']}", token=token).body))

        assert same == {"items": [], "next": first["next"]}
        assert [event["subject"] for event in more["items"]] == [late]

    def test_tells_another_tenant_nothing(self, house: House) -> None:
        mine, theirs = house.token(tenant="feed-mine"), house.token(tenant="feed-theirs")
        house.post(f"/v1/sessions/{new_id()}/cancellation", token=mine)
        page = _until(lambda: _filled(house.get("/v1/events", token=mine).body))
        assert house.get("/v1/events", token=theirs).body == {"items": [], "next": None}
        assert house.get(f"/v1/events?after={page['next']}", token=theirs).body["items"] == []

    def test_tells_only_the_types_asked_for(self, house: House) -> None:
        token = house.token(tenant="feed-types")
        house.post(f"/v1/sessions/{new_id()}/cancellation", token=token)
        house.post(f"/v1/sessions/{new_id()}/roster", {"seats": [new_id()]}, token=token)
        _until(lambda: len(house.get("/v1/events", token=token).body["items"]) == 2)
        page = house.get("/v1/events?type=session_cancelled", token=token).body
        assert [event["type"] for event in page["items"]] == ["homeward.session_cancelled"]
        assert house.get("/v1/events?type=nonsense").fields.keys() == {"type"}

    def test_begins_with_the_newest_when_asked(self, house: House) -> None:
        token = house.token(tenant="feed-newest")
        assert house.get("/v1/events?last=0", token=token).body == {"items": [], "next": None}
        patients = [new_id() for _ in range(3)]
        for patient in patients:
            house.post(f"/v1/sessions/{new_id()}/roster", {"seats": [patient]}, token=token)
        house.post(f"/v1/sessions/{new_id()}/cancellation", token=token)
        _until(lambda: len(house.get("/v1/events", token=token).body["items"]) == 4)

        page = house.get("/v1/events?last=2", token=token).body
        of_type = house.get("/v1/events?last=2&type=session_scheduled", token=token).body
        end = house.get("/v1/events?last=0&type=session_scheduled", token=token).body

        assert [event.get("subject") for event in page["items"]] == [patients[2], None]
        assert [event["subject"] for event in of_type["items"]] == patients[1:]
        assert len(house.get("/v1/events?last=5", token=token).body["items"]) == 4
        assert end == {"items": [], "next": page["next"]}
        house.post(f"/v1/sessions/{new_id()}/roster", {"seats": [late := new_id()]}, token=token)
        more = _until(lambda: _filled(house.get(f"/v1/events?after={end['next']}", token=token).body))
        assert [event["subject"] for event in more["items"]] == [late]

    def test_leaves_out_of_the_newest_what_may_not_leave(self, house: House) -> None:
        staff = house.token(tenant="feed-newest-outside")
        partner = house.token("partner", partner="parole", actor_id="officer", tenant="feed-newest-outside")
        agreed, other = new_id(), new_id()
        consent = {"consent_id": new_id(), "recipient_id": "parole", "information_classes": ["ATTENDANCE"]}
        house.post(f"/v1/patients/{agreed}/consents", consent, token=staff)
        # Another service's event: it is before the others where it came first.
        _until(lambda: _filled(house.get("/v1/events", token=staff).body))
        for patient in (agreed, other):
            house.post(f"/v1/sessions/{new_id()}/roster", {"seats": [patient]}, token=staff)
        _until(lambda: len(house.get("/v1/events", token=staff).body["items"]) == 3)

        both = _until(lambda: _filled(house.get("/v1/events?last=2", token=partner).body))
        newest = house.get("/v1/events?last=1", token=partner).body

        assert [event["subject"] for event in both["items"]] == [agreed]
        assert newest["items"] == []

    def test_begins_in_one_place_only(self, house: House) -> None:
        token = house.token(tenant="feed-two-beginnings")
        house.post(f"/v1/sessions/{new_id()}/cancellation", token=token)
        page = _until(lambda: _filled(house.get("/v1/events", token=token).body))

        refused = house.get(f"/v1/events?last=1&after={page['next']}", token=token)

        assert (refused.status, refused.fields) == (422, {"last": "not beside after"})
        for number in ("-1", "1001", "x"):
            assert house.get(f"/v1/events?last={number}").fields.keys() == {"last"}

    def test_refuses_a_cursor_that_it_never_gave(self, house: House) -> None:
        for cursor in ("x", "MTox=", "OTk6NQ", "MTotNQ", "%C3%A9", "MTo5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"):
            answer = house.get(f"/v1/events?after={cursor}")
            assert (answer.status, set(answer.fields)) == (422, {"after"})
        assert house.get("/v1/events?limit=0").fields.keys() == {"limit"}
        assert house.get("/v1/events?limit=x").fields.keys() == {"limit"}


class TestAccesses:
    def test_are_written_with_who_looked_at_whom_and_who_was_refused(self, house: House) -> None:
        patient_id, who = new_id(), house.token(tenant="audited", actor_id="nosy-1")
        house.get(f"/v1/patients/{patient_id}", token=who)
        house.get(f"/v1/patients/{patient_id}", token=house.token(tenant="audited", scopes=("sites:read",)))

        rows = _until(lambda: _audited(house, "audited", 2))

        assert [(row.actor_id, row.action, row.about_id, row.outcome) for row in rows] == [
            ("nosy-1", "get_patient", patient_id, "allowed"),
            ("clinician-1", "get_patient", patient_id, "scope_missing"),
        ]


class TestPositions:
    def test_are_given_in_order_without_a_gap_to_each_tenant(self, room: Room) -> None:
        envelopes = [room.envelope_of(granted(str(n)), tenant_id=("a", "b")[n % 2]) for n in range(20)]

        room.deliver(*envelopes, *envelopes)
        room.deliver(room.envelope_of(granted("late"), tenant_id="a"))

        assert _unplaced(room) == 0
        _are_in_order(room, a=11, b=10)

    def test_are_given_later_where_somebody_else_gives_places_just_now(self, room: Room) -> None:
        envelopes = [room.envelope_of(granted(str(n)), tenant_id=("a", "b")[n % 2]) for n in range(20)]
        with _placing(room):
            room.deliver(*envelopes)
            unplaced = _unplaced(room)
        room.deliver(room.envelope_of(granted("late"), tenant_id="a"))

        assert unplaced == 20
        assert tables.assign_positions(room.engine) == 20
        assert tables.assign_positions(room.engine) == 0
        rows = _archived(room)
        assert {row.tenant_id: row.position for row in rows if row.position == 1} == {"a": 1, "b": 1}
        assert sorted(row.position for row in rows if row.tenant_id == "a") == list(range(1, 12))

    def test_are_given_by_one_writer_at_a_time(self, room: Room) -> None:
        with _placing(room):
            room.deliver(granted())
            assert tables.assign_positions(room.engine) == 0
        assert tables.assign_positions(room.engine) == 1

    def test_are_not_given_behind_what_is_about_to_be_committed(
        self, room: Room, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before, after = (room.envelope_of(granted(which), tenant_id="a") for which in ("before", "after"))
        with transaction(room.engine, None) as db:
            with monkeypatch.context() as patch:
                # What travels with the commit is sent, and the commit takes its time.
                patch.setattr(tables, "send_with_commit", send_with_next)
                tables.keep_events(db, [after], received_at=real_now())
                send_what_waits(db.connection())
            room.deliver(before)
            unplaced = _unplaced(room)

        assert unplaced == 1
        assert tables.assign_positions(room.engine) == 1
        assert [row.event_id for row in _archived(room)] == [after.event_id, before.event_id]


def _placing(room: Room) -> contextlib.AbstractContextManager[Any]:
    """Hold what whoever gives places holds."""
    held = contextlib.ExitStack()
    other = held.enter_context(room.engine.begin())
    other.execute(sa.select(sa.func.pg_advisory_xact_lock(tables._PLACE_LOCK)))
    return held


def _unplaced(room: Room) -> int:
    return sum(row.position is None for row in _archived(room))


def _archived(room: Room) -> Sequence[Any]:
    query = sa.select(tables.archive).order_by(tables.archive.c.tenant_id, tables.archive.c.position)
    with room.engine.connect() as connection:
        return connection.execute(query).all()


def _are_in_order(room: Room, **counts: int) -> None:
    rows = _archived(room)
    for tenant, count in counts.items():
        own = [row for row in rows if row.tenant_id == tenant]
        assert [row.position for row in own] == list(range(1, count + 1))
        assert all(one.recorded_at <= next_one.recorded_at for one, next_one in pairwise(own))


def _filled(page: dict[str, Any]) -> dict[str, Any] | None:
    return page if page["items"] else None


def _until(look: Any, seconds: float = 60) -> Any:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come about in time")


def _until_status(house: House, path: str, token: str, status: int) -> Any:
    def look() -> Any:
        answer = house.get(path, token=token)
        return answer if answer.status == status else None

    return _until(look)


def _disclosures(house: House, patient_id: str) -> list[tuple[str, list[str]]]:
    page = house.get("/v1/events?type=disclosure_made&limit=1000").body
    told = {
        (item["data"]["recipient_id"], tuple(item["data"]["information_classes"]))
        for item in page["items"]
        if item["subject"] == patient_id
    }
    return [(recipient, list(classes)) for recipient, classes in sorted(told)]


def _audited(house: House, tenant: str, count: int) -> Any:
    engine = new_engine(house.database_url.replace("{service}", "gateway"))
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(tables.metadata.tables["audit"])
            .where(sa.column("tenant_id") == tenant)
            .order_by(sa.column("position"))
        ).all()
    engine.dispose()
    return rows if len(rows) >= count else None
