"""Sites that change, behind intake's ways in: who hears of it, who is asked, and who is not treated."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from services.intake import tables
from services.intake.service import Intake
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.intake import SiteChanged
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import new_id
from tests.intake.builders import SITE_ID
from tests.intake.test_admission_waits import together
from tests.intake.test_service import House
from tests.support import Room

#: Midnight in Chicago, as the first of March begins.
END_OF_FEBRUARY = "2026-03-01T06:00:00+00:00"

ADDRESS = {
    "street": "1 North State Street",
    "city": "Chicago",
    "state": "IL",
    "zip_code": "60602",
    "latitude": 41.8821,
    "longitude": -87.6278,
}


class Lakeside(House):
    """A house whose site changes."""

    def do(self, command: str, /, **told: Any) -> dict[str, Any]:
        request = {"site_id": SITE_ID} | told
        return self.room.call(command, request, role=roles.OPERATIONS, credential="", actor_id="olga")

    def license(self, last_on: str | None, **told: Any) -> dict[str, Any]:
        request = {"level": "2.1", "number": "A-0815", "first_on": "2026-01-01", "last_on": last_on}
        return self.do("record_site_licence", **request | told)

    def withdraw(self, licence: dict[str, Any], **told: Any) -> dict[str, Any]:
        return self.do(
            "withdraw_site_licence", **{"licence_id": licence["licence_id"], "because": "SURRENDERED"} | told
        )

    def seen(self) -> dict[str, Any]:
        (shown,) = self.room.ask("list_sites", {})["items"]
        return shown

    def changes(self) -> list[SiteChanged]:
        return self.room.announced_of(SiteChanged)

    def asked(self, task: str = "site_licence_ends") -> list[str]:
        return [one.reason for one in self.room.announced_of(TaskOpened) if one.task == task]

    def ended(self, task: str = "site_licence_ends") -> list[str]:
        return [one.outcome for one in self.room.announced_of(TaskClosed) if one.task == task]

    def forget_number(self) -> None:
        """Make the site one that an older version opened without a number."""
        with self.room.engine.begin() as connection:
            connection.execute(tables.site_rows.update().values(emergency_phone=None))


@pytest.fixture
def lakeside(room_of: Callable[[type], Room]) -> Lakeside:
    return Lakeside(room_of(Intake))


class TestChangeSite:
    def test_changes_what_is_told_and_keeps_the_rest(self, lakeside: Lakeside) -> None:
        shown = lakeside.do("change_site", name="Lakeshore", emergency_phone="+1 312 555 0199")

        (changed,) = lakeside.changes()
        assert shown == lakeside.seen()
        assert (shown["name"], shown["time_zone"]) == ("Lakeshore", "America/Chicago")
        assert (changed.revision, changed.changed) == (1, ("EMERGENCY_PHONE", "NAME"))
        assert (changed.emergency_line, changed.levels_licensed) == ("+1 312 555 0199", ("1", "2.1"))
        assert "Lakeshore" not in str(changed.to_data())

    def test_told_the_same_again_changes_nothing(self, lakeside: Lakeside) -> None:
        lakeside.do("change_site", name="Lakeside", emergency_phone="+1 312 555 0142")

        assert lakeside.changes() == []

    def test_counts_every_change(self, lakeside: Lakeside) -> None:
        for number in ("+1 312 555 0101", "+1 312 555 0102"):
            lakeside.do("change_site", emergency_phone=number)

        assert [one.revision for one in lakeside.changes()] == [1, 2]

    def test_of_two_at_once_each_counts(self, lakeside: Lakeside) -> None:
        numbers = [f"+1 312 555 010{n}" for n in range(4)]
        together(
            lakeside.room,
            [lambda number=n: lakeside.do("change_site", emergency_phone=number) for n in numbers],
        )

        assert sorted(one.revision for one in lakeside.changes()) == [1, 2, 3, 4]
        newest = max(lakeside.changes(), key=lambda one: one.revision)
        assert lakeside.seen()["emergency_phone"] == newest.emergency_line

    @pytest.mark.parametrize(
        ("told", "field"),
        [
            ({"emergency_phone": None}, "emergency_phone"),
            ({"time_zone": "America/Gotham"}, "time_zone"),
            ({"name": ""}, "name"),
            ({"address": {**ADDRESS, "state": "ZZ"}}, "address.state"),
            ({}, "name"),
        ],
    )
    def test_refuses_what_cannot_be_and_changes_nothing(
        self, lakeside: Lakeside, told: dict[str, Any], field: str
    ) -> None:
        before = lakeside.seen()
        with pytest.raises(InvalidInput) as refused:
            lakeside.do("change_site", **told)

        assert refused.value.problems[0]["field"] == field
        assert (lakeside.seen(), lakeside.changes()) == (before, [])

    def test_changes_the_time_zone_while_nobody_is_there(self, lakeside: Lakeside) -> None:
        lakeside.do("change_site", time_zone="America/Denver")

        (changed,) = lakeside.changes()
        assert (changed.time_zone, changed.changed) == ("America/Denver", ("TIME_ZONE",))

    def test_refuses_another_time_zone_once_days_are_reckoned_by_it(self, lakeside: Lakeside) -> None:
        lakeside.refer()

        with pytest.raises(Conflict) as refused:
            lakeside.do("change_site", time_zone="America/Denver", name="Elsewhere")
        lakeside.do("change_site", time_zone="America/Chicago")

        assert refused.value.problems[0]["field"] == "time_zone"
        assert lakeside.seen()["name"] == "Lakeside"

    def test_is_for_operations_and_not_there_for_another_tenant(self, lakeside: Lakeside) -> None:
        told = {"site_id": SITE_ID, "name": "Elsewhere"}
        with pytest.raises(Forbidden):
            lakeside.room.call("change_site", told, role=roles.FRONT_DESK)
        with pytest.raises(NotFound):
            lakeside.room.call("change_site", told, role=roles.OPERATIONS, tenant_id="riverside")

    def test_is_followed_by_its_listing(self, lakeside: Lakeside) -> None:
        listing = {**ADDRESS, "street": "233 South Wacker Drive", "payers": ["MEDICAID"]}
        lakeside.do("publish_program", **listing)

        lakeside.do("change_site", name="Lakeshore", address=ADDRESS)
        lakeside.license("2026-03-01")
        lakeside.room.advance("2026-03-02T12:00:00+00:00")

        found = lakeside.room.ask("get_program", {"program_id": SITE_ID})
        assert (found["name"], found["street"], found["zip_code"]) == (
            "Lakeshore",
            ADDRESS["street"],
            "60602",
        )
        assert set(found["offers"]) == {"LEVEL:1", "PAYER:MEDICAID"}
        assert lakeside.seen()["address"] == ADDRESS


class TestEmergencyLine:
    def test_is_asked_for_where_a_site_of_long_ago_has_none(self, lakeside: Lakeside) -> None:
        lakeside.forget_number()
        lakeside.room.advance(timedelta(days=2))

        (task,) = [one for one in lakeside.room.announced_of(TaskOpened) if one.task == "site_emergency_line"]
        assert (task.owner_role, task.next_role) == (roles.OPERATIONS, roles.SUPERVISOR)
        assert task.about_id == SITE_ID
        # What goes on there goes on.
        assert lakeside.admitted()["episode_id"]
        lakeside.do("change_site", name="Lakeshore")

        lakeside.do("change_site", emergency_phone="+1 312 555 0142")
        lakeside.room.advance(timedelta(days=2))

        assert lakeside.ended("site_emergency_line") == ["DONE"]
        assert lakeside.asked("site_emergency_line") == ["MISSING"]

    def test_is_asked_for_in_every_tenant(self, lakeside: Lakeside) -> None:
        request = {
            "name": "River",
            "time_zone": "UTC",
            "levels_licensed": ["2.1"],
            "emergency_phone": "55501",
        }
        lakeside.room.call("open_site", request, role=roles.OPERATIONS, tenant_id="riverside")
        lakeside.forget_number()
        lakeside.room.advance(timedelta(days=2))

        told = [one for one in lakeside.room.announced_envelopes if isinstance(one.event, TaskOpened)]
        assert {one.tenant_id for one in told} == {"lakeside", "riverside"}

    def test_is_needed_before_a_site_is_licensed_for_more(self, lakeside: Lakeside) -> None:
        site_id = new_id()
        lakeside.open_site(site_id=site_id, levels_licensed=["1"], emergency_phone=None)
        told = {"level": "2.1", "first_on": "2026-01-01", "last_on": None, "site_id": site_id}

        with pytest.raises(InvalidInput) as refused:
            lakeside.do("record_site_licence", **told)
        lakeside.do("change_site", site_id=site_id, emergency_phone="+1 312 555 0142")

        assert refused.value.problems[0]["field"] == "level"
        assert "2.1" in lakeside.do("record_site_licence", **told)["levels_licensed"]

    def test_can_be_taken_away_where_no_level_needs_it(self, lakeside: Lakeside) -> None:
        site_id = new_id()
        lakeside.open_site(site_id=site_id, levels_licensed=["1"])

        assert lakeside.do("change_site", site_id=site_id, emergency_phone=None)["emergency_phone"] is None


class TestLicences:
    def test_are_kept_with_their_days_and_who_told_them_when(self, lakeside: Lakeside) -> None:
        shown = lakeside.license("2026-12-31")

        one, undated, dated = shown["licences"]
        assert [one["level"], undated["level"], dated["level"]] == ["1", "2.1", "2.1"]
        assert (undated["last_on"], undated["state"]) == ("2025-12-31", "LAPSED")
        assert (dated["first_on"], dated["last_on"], dated["number"]) == (
            "2026-01-01",
            "2026-12-31",
            "A-0815",
        )
        assert (dated["recorded_by"], dated["recorded_by_role"]) == ("olga", "operations")
        assert dated["recorded_at"] == "2026-02-02T15:00:00Z"
        assert shown["levels_licensed"] == ["1", "2.1"]
        # What may be given is what it was, so nobody hears of it.
        assert lakeside.changes() == []

    def test_of_another_level_widen_what_the_site_gives_from_their_first_day(
        self, lakeside: Lakeside
    ) -> None:
        lakeside.license(None, level="2.5", first_on="2026-03-01")
        assert lakeside.changes() == []

        lakeside.room.advance("2026-03-01T05:59:00+00:00")
        before = lakeside.seen()["levels_licensed"]
        lakeside.room.advance(END_OF_FEBRUARY)

        (changed,) = lakeside.changes()
        assert before == ["1", "2.1"]
        assert changed.changed == ("LEVELS_LICENSED",)
        assert list(changed.levels_licensed) == lakeside.seen()["levels_licensed"] == ["1", "2.1", "2.5"]

    def test_are_asked_to_be_renewed_at_60_30_and_7_days_and_once_they_lapse(
        self, lakeside: Lakeside
    ) -> None:
        lakeside.license("2026-05-01")
        lakeside.room.advance("2026-05-03T00:00:00+00:00")

        assert lakeside.asked() == [
            "EXPIRES_WITHIN_60_DAYS",
            "EXPIRES_WITHIN_30_DAYS",
            "EXPIRES_WITHIN_7_DAYS",
            "LICENCE_LAPSED",
        ]
        assert lakeside.ended() == ["ESCALATED"] * 3
        (changed,) = lakeside.changes()
        assert changed.levels_licensed == ("1",)

    def test_are_asked_for_no_longer_once_they_are_renewed(self, lakeside: Lakeside) -> None:
        lakeside.license("2026-03-01")
        assert lakeside.asked() == ["EXPIRES_WITHIN_30_DAYS"]

        lakeside.license("2027-03-01", first_on="2026-03-02")
        lakeside.room.advance(timedelta(days=60))

        assert lakeside.ended() == ["DONE"]
        assert len(lakeside.asked()) == 1
        assert "2.1" in lakeside.seen()["levels_licensed"]

    def test_count_no_longer_once_they_are_withdrawn(self, lakeside: Lakeside) -> None:
        shown = lakeside.license("2026-03-01")
        withdrawn = lakeside.withdraw(shown["licences"][-1])

        assert withdrawn["levels_licensed"] == ["1"]
        last = withdrawn["licences"][-1]
        assert (last["state"], last["withdrawn_on"], last["withdrawn_by"]) == (
            "WITHDRAWN",
            "2026-02-02",
            "olga",
        )
        assert lakeside.changes()[-1].levels_licensed == ("1",)
        # It was given up: nobody is asked for the next one.
        assert lakeside.ended() == ["WITHDRAWN"]
        assert len(lakeside.asked()) == 1

    def test_can_be_withdrawn_that_were_told_as_the_site_was_opened(self, lakeside: Lakeside) -> None:
        first, _ = lakeside.seen()["licences"]

        assert lakeside.withdraw(first)["levels_licensed"] == ["2.1"]

    @pytest.mark.parametrize(
        ("told", "field"),
        [
            ({"last_on": "2026-01-31"}, "last_on"),
            ({"last_on": "2026-03-01", "first_on": "2026-03-02"}, "last_on"),
            ({"level": "2.9"}, "level"),
            ({"first_on": "yesterday"}, "first_on"),
        ],
    )
    def test_refuse_what_cannot_be_and_change_nothing(
        self, lakeside: Lakeside, told: dict[str, Any], field: str
    ) -> None:
        before = lakeside.seen()
        with pytest.raises(InvalidInput) as refused:
            lakeside.license(**{"last_on": "2026-12-31"} | told)

        assert refused.value.problems[0]["field"] == field
        assert lakeside.seen() == before

    def test_are_not_there_to_be_withdrawn_by_another_site(self, lakeside: Lakeside) -> None:
        site_id = new_id()
        lakeside.open_site(site_id=site_id)
        with pytest.raises(NotFound):
            lakeside.withdraw(lakeside.license("2026-12-31")["licences"][-1], site_id=site_id)


class TestLapsedLicence:
    """Across the end of the last day where the site is: midnight in Chicago, six in the morning by UTC."""

    @pytest.fixture
    def ending(self, lakeside: Lakeside) -> Lakeside:
        lakeside.license("2026-02-28")
        return lakeside

    def admit(self, house: Lakeside, referral: dict[str, Any]) -> dict[str, Any]:
        return house.room.call("admit_patient", {"episode_id": referral["episode_id"]}, role="front_desk")

    def test_stops_admissions_at_the_end_of_its_last_day(self, ending: Lakeside) -> None:
        in_time, late = ending.decided(given_name="Ada"), ending.decided(given_name="Ben")
        for one in (in_time, late):
            ending.consent(one["patient_id"])

        ending.room.at("2026-03-01T05:59:59+00:00")
        admitted = self.admit(ending, in_time)
        ending.room.at(END_OF_FEBRUARY)
        with pytest.raises(Conflict) as refused:
            self.admit(ending, late)

        (problem,) = refused.value.problems
        assert admitted["level"] == "2.1"
        assert (refused.value.code, problem["field"]) == ("admission_not_possible", "level")
        assert "2026-02-28" in problem["rule"]
        assert ending.episode(late["episode_id"])["state"] == "DECIDED"

    def test_stops_decisions_at_the_end_of_its_last_day(self, ending: Lakeside) -> None:
        assessed = ending.assess(ending.refer()["episode_id"])
        ending.room.at(END_OF_FEBRUARY)

        with pytest.raises(Conflict) as refused:
            ending.decide(assessed, "2.1")

        (problem,) = refused.value.problems
        assert (refused.value.code, problem["field"]) == ("licence_lapsed", "level")
        assert "2026-02-28" in problem["rule"]
        assert ending.episode(assessed["episode_id"])["state"] == "ASSESSED"

    def test_leaves_decisions_on_what_the_site_never_gave(self, ending: Lakeside) -> None:
        assessed = ending.assess(ending.refer()["episode_id"])
        ending.room.at(END_OF_FEBRUARY)

        assert ending.decide(assessed, "3.7")["next_step"] == "REFER_ELSEWHERE"

    def test_lets_nobody_wait_for_its_renewal(self, ending: Lakeside) -> None:
        decided = ending.decided(given_name="Ada")
        assessed = ending.assess(ending.refer(patient={"given_name": "Ben"})["episode_id"])
        ending.room.at(END_OF_FEBRUARY)

        assert ending.episode(decided["episode_id"])["next_step"] == "REFER_ELSEWHERE"
        for episode_id in (decided["episode_id"], assessed["episode_id"]):
            sent = ending.room.call("refer_elsewhere", {"episode_id": episode_id}, role=roles.FRONT_DESK)
            assert sent["level"] == "2.1"

    def test_goes_on_once_it_is_renewed(self, ending: Lakeside) -> None:
        referral = ending.decided()
        ending.consent(referral["patient_id"])
        ending.room.at("2026-03-02T12:00:00+00:00")
        ending.license("2027-02-28", first_on="2026-03-01")

        assert self.admit(ending, referral)["level"] == "2.1"

    def test_is_not_overtaken_by_an_admission_at_the_same_moment(self, lakeside: Lakeside) -> None:
        referral = lakeside.decided()
        lakeside.consent(referral["patient_id"])
        held = lakeside.license(None)["licences"][-1]

        def try_to_admit() -> Any:
            try:
                return self.admit(lakeside, referral)
            except Conflict as refused:
                return refused.problems[0]["field"]

        admitted, withdrawn = together(lakeside.room, [try_to_admit, lambda: lakeside.withdraw(held)])

        told = [one.event.wire_name for one in lakeside.room.announced_envelopes]
        assert withdrawn["levels_licensed"] == ["1"]
        if admitted == "level":
            assert "patient_admitted" not in told
        else:
            assert admitted["episode_id"] == referral["episode_id"]

    def test_keeps_those_in_treatment(self, ending: Lakeside) -> None:
        referral = ending.admitted()
        ending.room.advance("2026-03-05T12:00:00+00:00")

        assert ending.episode(referral["episode_id"])["state"] == "ADMITTED"
