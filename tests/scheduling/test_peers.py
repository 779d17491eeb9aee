"""Peers: offered in the second week, to people who want it, and telling nobody before both agreed."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduling.domain import peers
from services.scheduling.service import Scheduling
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.scheduling import PeerMatchOffered, PeerMatchSettled
from shared.errors import Conflict, InvalidInput, NotFound, Refusal
from shared.ids import derived_id
from tests.scheduling.builders import (
    ADMITTED_AT,
    SITE,
    admission_of,
    admitted,
    discharge_of,
    draft_of,
    furnish,
    ids_of,
    referral_of,
)
from tests.support import Room

#: Three weeks after the first are admitted, and the morning a week later: eight o'clock in Chicago.
THREE_WEEKS_ON = ADMITTED_AT + timedelta(weeks=3)
MORNING = datetime(2026, 3, 2, 14, tzinfo=UTC)


@pytest.fixture
def room(room_of) -> Room:
    room = room_of(Scheduling)
    furnish(room)
    return room


def admit(room: Room, *names: str, at: datetime = ADMITTED_AT) -> None:
    room.at(max(room.now, at))
    for name in names:
        room.deliver(referral_of(name), *admitted(name, admitted_at=at))


def patient(name: str) -> str:
    return ids_of(name)["patient_id"]


def prefer(room: Room, preference: str, *names: str) -> None:
    for name in names:
        room.call(
            "set_peer_preference",
            {"patient_id": patient(name), "preference": preference},
            role="patient",
            actor_id=patient(name),
        )


def matches(room: Room) -> list[dict[str, Any]]:
    return room.ask("list_peer_matches", {"site_id": SITE}, role="counselor")["items"]


def open_match(room: Room) -> dict[str, Any]:
    (found,) = [one for one in matches(room) if one["state"] in ("PROPOSED", "OFFERED", "MATCHED")]
    return found


def decide(room: Room, decision: str = "CONFIRM", **told: Any) -> dict[str, Any]:
    wanted = {"match_id": open_match(room)["match_id"], "decision": decision, **told}
    return room.call("decide_peer_match", wanted, role="counselor")


def offers(room: Room, name: str) -> list[dict[str, Any]]:
    asked = {"patient_id": patient(name)}
    return room.ask("list_peer_offers", asked, role="patient", actor_id=patient(name))["items"]


def answer(room: Room, name: str, said: str) -> dict[str, Any]:
    offer_id = offers(room, name)[-1]["offer_id"]
    return room.call(
        "answer_peer_offer",
        {"offer_id": offer_id, "answer": said},
        role="patient",
        actor_id=patient(name),
    )


def open_tasks(room: Room) -> list[tuple[str, str | None]]:
    """Return name and patient of each peer task that is open."""
    closed = {one.task_id for one in room.announced_of(TaskClosed)}
    return [
        (one.task, one.patient_id)
        for one in room.announced_of(TaskOpened)
        if one.task.startswith("peer_") and one.task_id not in closed
    ]


def tasks_of(room: Room, name: str) -> list[str]:
    return [task for task, patient_id in open_tasks(room) if patient_id == patient(name)]


def person(name: str, *, weeks: int = 0, **changes: Any) -> peers.Person:
    fields: dict[str, Any] = {
        **ids_of(name),
        "admitted_at": ADMITTED_AT - timedelta(weeks=weeks),
        "track": "MORNING",
        "groups": frozenset({"sunrise"}),
    }
    return peers.Person(**(fields | changes))


class TestChoose:
    def test_takes_whoever_shares_most_groups_and_is_further_along(self):
        ada = person("Ada", weeks=5, groups=frozenset({"sunrise", "workshop"}))
        ben = person("Ben", weeks=9)
        new = person("Eve", groups=frozenset({"sunrise", "workshop"}))

        found = peers.choose(new, [ben, ada], tried=())

        assert found == (ada, ["SAME_GROUP", "SAME_TRACK", "FURTHER_ALONG"])

    def test_spares_whoever_accompanies_somebody_already(self):
        ada, ben = person("Ada", weeks=5, accompanies=1), person("Ben", weeks=4)

        assert peers.choose(person("Eve"), [ada, ben], tried=()) == (
            ben,
            peers.reasons_for(person("Eve"), ben),
        )
        full = person("Ada", weeks=5, accompanies=peers.MOST_AT_ONCE)
        assert peers.choose(person("Eve"), [full], tried=()) is None

    @pytest.mark.parametrize(
        "changes",
        [
            {"weeks": 1},
            {"weeks": 5, "track": "EVENING", "groups": frozenset({"dusk"})},
            {"weeks": 5, "track": None, "groups": frozenset()},
        ],
    )
    def test_passes_over_whoever_is_not_further_along_or_shares_nothing(self, changes):
        assert peers.choose(person("Eve"), [person("Ada", **changes)], tried=()) is None

    def test_takes_somebody_of_the_same_cohort_who_began_with_the_newcomer(self):
        both = {"groups": frozenset({"dbt"}), "cohorts": frozenset({"dbt"}), "track": None}

        found = peers.choose(person("Eve", **both), [person("Ada", **both)], tried=())

        assert found is not None
        assert found[1] == ["SAME_COHORT", "SAME_GROUP"]

    @given(
        pool=st.lists(
            st.builds(
                lambda number, weeks, track, groups, many: person(
                    f"person {number}", weeks=weeks, track=track, groups=frozenset(groups), accompanies=many
                ),
                st.integers(0, 40),
                st.integers(0, 12),
                st.sampled_from(["MORNING", "EVENING", None]),
                st.sets(st.sampled_from(["sunrise", "dusk", "workshop"])),
                st.integers(0, 3),
            ),
            max_size=12,
            unique_by=lambda one: one.episode_id,
        ),
        tried=st.sets(st.integers(0, 40).map(lambda number: ids_of(f"person {number}")["episode_id"])),
    )
    def test_never_breaks_its_own_rule_and_depends_on_no_order(self, pool, tried):
        newcomer = person("person 0")

        found = peers.choose(newcomer, pool, tried=tried)

        assert found == peers.choose(newcomer, list(reversed(pool)), tried=tried)
        if found is not None:
            one, why = found
            assert one.patient_id != newcomer.patient_id
            assert one.episode_id not in tried
            assert one.accompanies < peers.MOST_AT_ONCE
            assert why
            assert newcomer.admitted_at - one.admitted_at >= peers.FURTHER_ALONG

    def test_is_looked_for_a_week_after_admission_in_the_morning_whatever_the_clocks_do(self):
        # On 8 March 2026 the clocks of Chicago go forward.
        admitted_at = datetime(2026, 3, 2, 20, tzinfo=UTC)

        looked_for = peers.looked_for_at(admitted_at=admitted_at, zone="America/Chicago")

        assert looked_for == datetime(2026, 3, 9, 13, tzinfo=UTC)


class TestPeerMatch:
    @pytest.fixture
    def met(self, room) -> Room:
        """Have Eve come three weeks after Ada, who opted in."""
        admit(room, "Ada", "Ben")
        prefer(room, "YES", "Ada")
        admit(room, "Eve", at=THREE_WEEKS_ON)
        return room

    def test_is_proposed_to_staff_in_time_for_the_second_week(self, met):
        met.advance(MORNING - timedelta(minutes=1))
        before = matches(met)
        met.advance(MORNING)

        match = open_match(met)
        (task,) = [one for one in met.announced_of(TaskOpened) if one.task == "peer_match_confirm"]

        assert before == []
        assert (match["newcomer_patient_id"], match["guide_patient_id"]) == (patient("Eve"), patient("Ada"))
        assert "FURTHER_ALONG" in match["reasons"]
        assert (task.about_id, task.due_at) == (match["match_id"], THREE_WEEKS_ON + timedelta(days=14))

    def test_tells_nobody_before_staff_confirmed_and_no_name_before_both_agreed(self, met):
        met.advance(MORNING)
        unconfirmed = offers(met, "Eve"), offers(met, "Ada")
        for _ in range(2):
            decide(met)
        asked = offers(met, "Eve"), offers(met, "Ada")
        one_agreed = answer(met, "Eve", "YES")

        agreed = answer(met, "Ada", "YES")
        answer(met, "Ada", "YES")

        assert unconfirmed == ([], [])
        for (mine,), part, other in ((asked[0], "NEWCOMER", "Ada"), (asked[1], "GUIDE", "Eve")):
            assert (mine["part"], mine["state"], mine["peer_patient_id"]) == (part, "OFFERED", None)
            assert patient(other) not in str(mine)
        assert (one_agreed["state"], one_agreed["peer_patient_id"]) == ("OFFERED", None)
        assert (agreed["state"], agreed["peer_patient_id"]) == ("MATCHED", patient("Eve"))
        assert offers(met, "Eve")[0]["peer_patient_id"] == patient("Ada")
        assert tasks_of(met, "Eve") == ["peer_match_introduce"]

    def test_links_the_two_in_no_event(self, met):
        met.advance(MORNING)
        decide(met)
        answer(met, "Eve", "YES")
        answer(met, "Ada", "YES")

        told = [*met.announced_of(PeerMatchOffered), *met.announced_of(PeerMatchSettled)]

        assert [one.patient_id for one in told] == [patient("Eve"), patient("Ada")] * 2
        assert len({one.offer_id for one in told}) == 2
        for one in told:
            other = "Ada" if one.patient_id == patient("Eve") else "Eve"
            assert not set(ids_of(other).values()) & set(map(str, one.to_data().values()))

    def test_is_in_the_record_of_both_without_what_is_the_others(self, met):
        met.advance(MORNING)

        for name, other in (("Eve", "Ada"), ("Ada", "Eve")):
            told = met.ask("get_record_part", {"patient_id": patient(name)}, role=roles.SYSTEM)
            (match,) = [item["row"] for item in told["items"] if item["table"] == "peer_matches"]
            assert match["state"] == "PROPOSED"
            assert patient(name) in match.values()
            assert not set(ids_of(other).values()) & set(map(str, match.values()))

    def test_goes_on_to_somebody_else_when_staff_decline(self, met):
        prefer(met, "YES", "Ben")
        met.advance(MORNING)
        first = open_match(met)
        with pytest.raises(InvalidInput) as unsaid:
            decide(met, "DECLINE")

        declined = decide(met, "DECLINE", reason="KNOWN_CONFLICT")

        assert unsaid.value.problems[0]["field"] == "reason"
        assert (declined["state"], declined["decline_reason"]) == ("REJECTED", "KNOWN_CONFLICT")
        assert declined["decided_by"] == derived_id("actor", "counselor")
        assert open_match(met)["guide_patient_id"] != first["guide_patient_id"]
        assert offers(met, "Ada") == offers(met, "Eve") == []

    def test_that_somebody_declines_is_told_as_theirs_to_nobody(self, met):
        prefer(met, "YES", "Ben")
        met.advance(MORNING)
        decide(met)
        guide = "Ada" if open_match(met)["guide_patient_id"] == patient("Ada") else "Ben"
        answer(met, "Eve", "YES")

        answer(met, guide, "NO")

        assert [one["state"] for one in (*offers(met, "Eve"), *offers(met, guide))] == ["NOT_MATCHED"] * 2
        assert [one.outcome for one in met.announced_of(PeerMatchSettled)] == ["NOT_MATCHED"] * 2
        assert open_match(met)["state"] == "PROPOSED"
        with pytest.raises(Conflict) as refused:
            answer(met, guide, "YES")
        assert refused.value.code == "nothing_to_answer"

    def test_is_not_pressed_upon_a_newcomer_who_says_no(self, met):
        prefer(met, "YES", "Ben")
        met.advance(MORNING)
        decide(met)

        answer(met, "Eve", "NO")

        assert {one["state"] for one in matches(met)} == {"DECLINED"}
        assert tasks_of(met, "Eve") == []

    def test_is_nobody_else_s_to_answer_or_to_see(self, met):
        met.advance(MORNING)
        decide(met)
        offer_id = offers(met, "Eve")[0]["offer_id"]

        with pytest.raises(NotFound):
            met.call(
                "answer_peer_offer",
                {"offer_id": offer_id, "answer": "YES"},
                role="patient",
                actor_id=patient("Ada"),
            )
        with pytest.raises(NotFound):
            met.ask(
                "list_peer_offers",
                {"patient_id": patient("Eve")},
                role="patient",
                actor_id=patient("Ada"),
            )

    def test_is_decided_once_by_two_at_once(self, met):
        met.advance(MORNING)
        match_id = open_match(met)["match_id"]
        start, outcomes = threading.Barrier(2), []

        def ask(decision: str, **told: Any) -> None:
            start.wait()
            try:
                wanted = {"match_id": match_id, "decision": decision, **told}
                outcomes.append(met.call("decide_peer_match", wanted, role="counselor")["state"])
            except Refusal as refusal:
                outcomes.append(refusal.code)

        threads = [
            threading.Thread(target=ask, args=("CONFIRM",)),
            threading.Thread(target=ask, args=("DECLINE",), kwargs={"reason": "OTHER"}),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(outcomes)[1] == "match_decided_already"
        assert min(outcomes) in ("OFFERED", "REJECTED")


class TestNobodyFits:
    def test_asks_the_counselor_once_and_takes_it_back_when_somebody_opts_in(self, room):
        admit(room, "Ada")
        admit(room, "Eve", at=THREE_WEEKS_ON)
        room.advance(MORNING)
        asked = open_tasks(room)

        prefer(room, "YES", "Ada")

        assert asked == [("peer_match_wanted", patient("Ada")), ("peer_match_wanted", patient("Eve"))]
        assert open_match(room)["newcomer_patient_id"] == patient("Eve")
        assert open_tasks(room) == [
            ("peer_match_wanted", patient("Ada")),
            ("peer_match_confirm", patient("Eve")),
        ]

    def test_is_closed_by_hand_and_not_asked_again(self, room):
        admit(room, "Ada")
        room.advance(ADMITTED_AT + timedelta(days=8))
        (task,) = [one for one in room.announced_of(TaskOpened) if one.task == "peer_match_wanted"]

        room.call(
            "close_task",
            {"task_id": task.task_id, "task": task.task, "about_id": task.about_id, "outcome": "DONE"},
            role=task.owner_role,
        )
        prefer(room, "YES", "Ada")

        assert open_tasks(room) == []

    def test_gives_nobody_a_third_newcomer(self, room):
        admit(room, "Ada")
        prefer(room, "YES", "Ada")
        admit(room, "Eve", "Fay", "Gil", at=THREE_WEEKS_ON)

        room.advance(MORNING)

        assert [one["guide_patient_id"] for one in matches(room)] == [patient("Ada")] * peers.MOST_AT_ONCE
        assert [task for task, _ in open_tasks(room)].count("peer_match_wanted") == 2


class TestOptOut:
    def test_is_honoured_before_anything_is_proposed(self, room):
        admit(room, "Ada")
        prefer(room, "YES", "Ada")
        admit(room, "Eve", at=THREE_WEEKS_ON)
        prefer(room, "NO", "Eve")

        room.advance(MORNING + timedelta(days=1))

        assert matches(room) == []
        assert ("peer_match_wanted", patient("Eve")) not in open_tasks(room)

    @pytest.mark.parametrize("agreed", [False, True])
    def test_ends_what_is_under_way_for_both(self, room, agreed):
        admit(room, "Ada")
        prefer(room, "YES", "Ada")
        admit(room, "Eve", at=THREE_WEEKS_ON)
        room.advance(MORNING)
        decide(room)
        if agreed:
            answer(room, "Eve", "YES")
            answer(room, "Ada", "YES")

        prefer(room, "NO", "Ada")

        state = "ENDED" if agreed else "NOT_MATCHED"
        assert [offers(room, name)[0]["state"] for name in ("Ada", "Eve")] == [state] * 2
        assert {offers(room, name)[0]["peer_patient_id"] for name in ("Ada", "Eve")} == {None}
        assert [one.outcome for one in room.announced_of(PeerMatchSettled)][-2:] == [state] * 2
        assert "peer_match_introduce" not in [task for task, _ in open_tasks(room)]

    def test_can_be_taken_back(self, room):
        admit(room, "Ada")
        prefer(room, "YES", "Ada")
        admit(room, "Eve", at=THREE_WEEKS_ON)
        prefer(room, "NO", "Eve")
        room.advance(MORNING)

        prefer(room, "YES", "Eve")

        assert open_match(room)["newcomer_patient_id"] == patient("Eve")


class TestOrder:
    def test_of_discharge_and_admission_leaves_no_timer_and_no_match(self, room):
        found = []
        for name, turn in (("Eve", 1), ("Fay", -1)):
            told = [admission_of(name), discharge_of(name, at=room.now)]
            room.deliver(*told[::turn], *told)
            found.append([key for timer, key, _ in room.timers() if timer == "peer_match_due"])

        assert found == [[], []]

    def test_of_an_admission_that_is_heard_of_late_looks_at_once(self, room):
        admit(room, "Ada")
        prefer(room, "YES", "Ada")
        room.at(THREE_WEEKS_ON + timedelta(days=20))
        late = admission_of("Eve", admitted_at=THREE_WEEKS_ON)

        room.deliver(draft_of("Eve"), late, late)
        room.fire_due()

        match = open_match(room)
        assert match["newcomer_patient_id"] == patient("Eve")
        assert datetime.fromisoformat(match["due_at"]) == room.now + timedelta(days=1)

    def test_of_an_end_of_the_guide_brings_somebody_else_and_is_told_once(self, room):
        admit(room, "Ada", "Ben")
        prefer(room, "YES", "Ada", "Ben")
        admit(room, "Eve", at=THREE_WEEKS_ON)
        room.advance(MORNING)
        first = open_match(room)
        guide = next(name for name in ("Ada", "Ben") if patient(name) == first["guide_patient_id"])
        end = discharge_of(guide, at=room.now)

        room.deliver(end, end)

        states = {one["match_id"]: one["state"] for one in matches(room)}
        assert states[first["match_id"]] == "WITHDRAWN"
        assert open_match(room)["guide_patient_id"] not in (first["guide_patient_id"], patient("Eve"))
        # Nobody was asked yet, so nobody is told.
        assert room.announced_of(PeerMatchSettled) == []

    def test_of_a_preference_before_the_admission_counts(self, room):
        room.deliver(referral_of("Eve"))
        prefer(room, "NO", "Eve")

        room.deliver(admission_of("Eve"))
        room.advance(ADMITTED_AT + timedelta(days=8))

        assert open_tasks(room) == []
