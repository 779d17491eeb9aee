"""The directory's rules: records as the locator writes them, credentials, and the order of a search."""

import dataclasses
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain import facilities, matching, program_credentials, programs
from services.intake.domain.program_credentials import ProgramCredential
from shared.contracts.intake import PAYERS, PROGRAM_APPROACHES, PROGRAM_NEEDS
from shared.errors import InvalidInput
from tests.intake.builders import NOW, SITE_ID


def record(**changes: Any) -> dict[str, Any]:
    """A record of a facility in Chicago, as the locator writes it."""
    values: dict[str, Any] = {
        "name1": "Harbor Light Center",
        "name2": "Outpatient Services",
        "street1": "825 North Christiana Avenue",
        "street2": None,
        "city": "Chicago",
        "state": "IL",
        "zip": "60651",
        "phone": "312-555-0142",
        "website": "https://harbor.example",
        "latitude": "41.8968",
        "longitude": "-87.7113",
        "services": [
            {
                "f1": "Service Setting",
                "f2": "SET",
                "f3": "Intensive outpatient treatment; Regular outpatient treatment",
            },
            {
                "f1": "Payment Accepted",
                "f2": "PAY",
                "f3": "Medicaid; Private health insurance; Cash or self-payment",
            },
            {
                "f1": "Treatment Approaches",
                "f2": "TAP",
                "f3": "Cognitive behavioral therapy;  Motivational interviewing",
            },
            {"f1": "Opioid Medications", "f2": "OM", "f3": "Buprenorphine used in treatment"},
            {"f1": "Language Services", "f2": "LAN", "f3": "Spanish; Polish"},
        ],
    }
    return values | changes


class TestRecords:
    def test_say_what_is_offered(self) -> None:
        offers = facilities.read_facility(record()).offers

        assert offers == [
            "APPROACH:CBT",
            "APPROACH:MI",
            "LANGUAGE:ES",
            "LANGUAGE:PL",
            "LEVEL:1",
            "LEVEL:2.1",
            "NEED:BUPRENORPHINE",
            "NEED:MOUD",
            "PAYER:MEDICAID",
            "PAYER:PRIVATE",
            "PAYER:SELF_PAY",
        ]

    def test_keep_the_groups_as_they_are(self) -> None:
        groups = facilities.read_facility(record()).services

        assert groups[0] == {
            "f1": "Service Setting",
            "f2": "SET",
            "f3": ["Intensive outpatient treatment", "Regular outpatient treatment"],
        }

    @pytest.mark.parametrize(
        ("changes", "fields"),
        [
            ({"name1": " "}, ["name1"]),
            ({"street1": None}, ["street1"]),
            ({"state": "Illinois"}, ["state"]),
            ({"zip": "6065"}, ["zip"]),
            ({"phone": "call us"}, ["phone"]),
            ({"website": "javascript:alert(1)"}, ["website"]),
            ({"website": "ask at the desk"}, ["website"]),
            ({"latitude": "-87.7", "longitude": "41.9"}, ["latitude", "longitude"]),
            ({"latitude": "nan"}, ["latitude"]),
            ({"latitude": None}, ["latitude"]),
            ({"longitude": True}, ["longitude"]),
            ({"longitude": "87.7113"}, ["longitude"]),
            ({"city": ["Chicago"]}, ["city"]),
            ({"name1": "x" * 201}, ["name1"]),
            ({"name1": "bell \x07"}, ["name1"]),
            ({"services": "many"}, ["services"]),
            ({"services": [{"f1": "Type", "f2": "TC"}]}, ["services.0"]),
        ],
    )
    def test_are_refused_by_field(self, changes: dict[str, Any], fields: list[str]) -> None:
        with pytest.raises(InvalidInput) as refused:
            facilities.read_facility(record(**changes))

        assert [problem["field"] for problem in refused.value.problems] == fields

    @pytest.mark.parametrize(
        "website", ["www.harbor.org", "http://harbor-light.org/iop?x=1", "HTTPS://harbor.org:8443/", None, ""]
    )
    def test_have_a_web_site_as_the_locator_writes_it(self, website: str | None) -> None:
        assert facilities.read_facility(record(website=website)).website == (website or None)

    @pytest.mark.parametrize("row", [None, [], "Harbor Light", 7])
    def test_are_objects(self, row: Any) -> None:
        with pytest.raises(InvalidInput):
            facilities.read_facility(row)

    def test_of_one_facility_have_one_id_however_they_are_spelt(self) -> None:
        one = facilities.read_facility(record())
        other = facilities.read_facility(record(name1="HARBOR  LIGHT center", zip="60651-1234"))

        assert one.program_id(tenant_id="lakeside") == other.program_id(tenant_id="lakeside")
        assert one.program_id(tenant_id="lakeside") != one.program_id(tenant_id="neighbours")

    def test_offer_only_what_a_search_can_ask_for(self) -> None:
        known = {f"PAYER:{payer}" for payer in PAYERS} | {f"NEED:{need}" for need in PROGRAM_NEEDS}
        known |= {f"APPROACH:{approach}" for approach in PROGRAM_APPROACHES}

        for code in facilities.OFFERED_BY_WORDS.values():
            assert code in known or code.startswith(("LEVEL:", "LANGUAGE:")), code

    @given(
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(record())), inner)
            ),
            max_leaves=20,
        )
    )
    def test_of_any_shape_are_read_or_refused(self, row: Any) -> None:
        problems: Any = ()
        try:
            name = facilities.read_facility(row).name
        except InvalidInput as refused:
            name, problems = "", refused.problems

        assert bool(name) != bool(problems)


def licence(**changes: Any) -> ProgramCredential:
    """A licence of Illinois for Level 2.1, for a year from a week ago."""
    values: dict[str, Any] = {
        "credential_id": "licence",
        "program_id": SITE_ID,
        "kind": "LICENCE",
        "body": "STATE",
        "number": "A-0815",
        "state": "IL",
        "levels": ["2.1"],
        "outcome": None,
        "starts_at": NOW - timedelta(days=7),
        "ends_at": NOW + timedelta(days=358),
        "source_url": None,
        "recorded_at": NOW,
        "recorded_by": "olga",
        "recorded_by_role": "operations",
    }
    return ProgramCredential(**values | changes)


def checked(found: str = "CONFIRMED", **changes: Any) -> ProgramCredential:
    """The same, looked up now."""
    one = licence(**changes)
    one.check(
        found=found,
        evidence_hash="0" * 64,
        source_url=None,
        actor_id="olga",
        actor_role="operations",
        now=NOW,
    )
    return one


class TestCredentials:
    def test_count_for_nothing_before_somebody_looked(self) -> None:
        assert licence().status(now=NOW) == "PENDING"
        assert program_credentials.verified_between([licence()], now=NOW) is None

    def test_hold_while_they_are_looked_up_again_in_time(self) -> None:
        one = checked()

        assert one.status(now=NOW) == "VERIFIED"
        assert one.recheck_due_at() == NOW + timedelta(days=30)
        assert one.status(now=NOW + timedelta(days=36)) == "VERIFIED"
        assert one.status(now=NOW + timedelta(days=37)) == "UNVERIFIED"

    def test_are_said_to_expire_for_ninety_days(self) -> None:
        one = checked(ends_at=NOW + timedelta(days=60))

        assert one.status(now=NOW) == "EXPIRING"
        assert program_credentials.verified_between([one], now=NOW) is not None

    def test_end_at_their_end(self) -> None:
        one = checked(ends_at=NOW + timedelta(days=5))

        assert one.status(now=NOW + timedelta(days=5)) == "EXPIRED"
        assert program_credentials.verified_between([one], now=NOW) == (one.starts_at, one.ends_at)

    def test_tell_of_every_mark_on_the_way_to_their_end(self) -> None:
        one, told, now = checked(ends_at=NOW + timedelta(days=120)), [], NOW
        one.verified_at = NOW + timedelta(days=119)
        while (following := one.next_change_at(now=now)) is not None:
            now = following
            told.append((one.ends_at - now).days)

        assert told == [90, 60, 30, 0]

    @pytest.mark.parametrize(
        ("given", "until"),
        [
            ({"2.1": None}, NOW + timedelta(days=37)),
            ({"2.1": NOW + timedelta(days=5)}, NOW + timedelta(days=5)),
            ({"2.1": NOW + timedelta(days=90)}, NOW + timedelta(days=37)),
            ({"2.1": NOW + timedelta(days=5), "2.5": None}, NOW + timedelta(days=5)),
            ({"2.5": None}, None),
            ({}, None),
        ],
        ids=["no-end", "ends-first", "ends-later", "another-level-goes-on", "another-level", "lapsed"],
    )
    def test_of_a_site_of_ours_count_as_long_as_its_own_licences(
        self, given: dict[str, datetime | None], until: datetime | None
    ) -> None:
        one = checked()

        found = program_credentials.verified_between([one], now=NOW, given=given)

        assert found == ((one.starts_at, until) if until else None)
        levels = program_credentials.licensed_levels([one], now=NOW, given=given)
        assert levels == (["2.1"] if until else [])

    @pytest.mark.parametrize("found", ["SUSPENDED", "REVOKED"])
    def test_that_are_taken_away_hide_the_program_whatever_else_it_has(self, found: str) -> None:
        assert program_credentials.verified_between([checked(), checked(found, number="B")], now=NOW) is None

    def test_that_are_not_found_verify_nothing(self) -> None:
        assert checked("NOT_FOUND").status(now=NOW) == "UNVERIFIED"
        assert program_credentials.verified_between([checked("NOT_FOUND")], now=NOW) is None

    def test_of_accreditors_are_no_licence(self) -> None:
        carf = checked(kind="ACCREDITATION", body="CARF")

        assert program_credentials.verified_between([carf], now=NOW) is None
        assert program_credentials.licensed_levels([carf, checked()], now=NOW) == ["2.1"]

    @pytest.mark.parametrize(
        ("changes", "fields"),
        [
            ({"ends_at": NOW - timedelta(days=8)}, ["ends_at", "ends_at"]),
            ({"ends_at": NOW}, ["ends_at"]),
            ({"body": "CARF"}, ["body"]),
            ({"state": None}, ["state"]),
            ({"levels": []}, ["levels"]),
        ],
    )
    def test_are_refused_by_field(self, changes: dict[str, Any], fields: list[str]) -> None:
        with pytest.raises(InvalidInput) as refused:
            program_credentials.record(licence(**changes), beside=[])

        assert [problem["field"] for problem in refused.value.problems] == fields

    def test_are_recorded_once(self) -> None:
        with pytest.raises(program_credentials.CredentialKnownAlready):
            program_credentials.record(licence(), beside=[licence()])

    def test_that_have_ended_are_checked_no_more(self) -> None:
        with pytest.raises(program_credentials.CredentialHasEnded):
            checked(ends_at=NOW)


def group(**changes: Any) -> matching.ProgramGroup:
    """A morning group on Monday, Wednesday and Thursday with room for three more."""
    values: dict[str, Any] = {
        "group_id": "mornings",
        "site_id": SITE_ID,
        "kind": "GROUP",
        "modality": "PROCESS",
        "track": "MORNING",
        "mode": "IN_PERSON",
        "enrolment": "OPEN",
        "weekdays": [0, 2, 3],
        "free_places": [3, 3, 3],
        "starts": time(9),
        "ends": time(12),
        "clinical_minutes": 180,
        "capacity": 12,
        "revision": 1,
    }
    return matching.ProgramGroup(**values | changes)


def block(text: str) -> matching.Block:
    """Read a busy block that is one."""
    found = matching.Block.read(text)
    assert found is not None
    return found


class TestPlaceableWeek:
    def test_are_those_of_groups_beside_the_busy_blocks(self) -> None:
        busy = [block("MON 13:00-17:00"), block("WED 11:00-15:00")]

        assert matching.placeable_week([group()], busy, travel_minutes=0) == (360, 2)

    def test_leave_time_for_the_way(self) -> None:
        busy = [block("MON 12:20-17:00")]

        assert matching.placeable_week([group()], busy, travel_minutes=20) == (540, 3)
        assert matching.placeable_week([group()], busy, travel_minutes=21) == (360, 2)
        assert matching.placeable_week([group(mode="VIDEO")], busy, travel_minutes=21) == (540, 3)

    def test_are_none_of_a_weekday_without_a_free_place(self) -> None:
        assert matching.placeable_week([group(free_places=[0, 0, 0])], [], travel_minutes=0) == (0, 0)
        assert matching.placeable_week([group(free_places=[3, 0, 1])], [], travel_minutes=0) == (360, 2)

    def test_are_none_of_a_closed_group(self) -> None:
        assert matching.placeable_week([group(enrolment="CLOSED")], [], travel_minutes=0) == (0, 0)

    def test_are_none_of_a_group_that_is_no_treatment(self) -> None:
        support = group(kind="SUPPORT", clinical_minutes=0)

        assert matching.placeable_week([support], [], travel_minutes=0) == (0, 0)

    @given(
        st.lists(st.integers(0, 2), min_size=3, max_size=3),
        st.integers(0, 2),
        st.lists(st.sampled_from(["MON 08:00-10:00", "WED 11:00-15:00", "THU 06:00-09:00"]), unique=True),
    )
    def test_never_grow_when_a_place_goes(self, free: list[int], which: int, texts: list[str]) -> None:
        busy = [block(text) for text in texts]
        fewer = [max(0, places - (at == which)) for at, places in enumerate(free)]

        before = matching.placeable_week([group(free_places=free)], busy, travel_minutes=0)
        after = matching.placeable_week([group(free_places=fewer)], busy, travel_minutes=0)

        assert after <= before

    def test_count_an_hour_once_however_many_groups_meet_in_it(self) -> None:
        groups = [group(), group(group_id="other", starts=time(10), clinical_minutes=150)]

        assert matching.placeable_week(groups, [], travel_minutes=0) == (540, 3)

    def test_take_two_short_groups_where_they_are_longer_than_one(self) -> None:
        monday = {"weekdays": [0], "free_places": [3]}
        groups = [
            group(**monday, starts=time(9), ends=time(12), clinical_minutes=165),
            group(**monday, group_id="early", starts=time(8), ends=time(10), clinical_minutes=120),
            group(**monday, group_id="late", starts=time(10), ends=time(12), clinical_minutes=100),
        ]

        assert matching.placeable_week(groups, [], travel_minutes=0) == (220, 1)

    @pytest.mark.parametrize(
        "text",
        ["MON 17:00-09:00", "MON 9:00-17:00", "MON 09:00-24:00", "MUN 09:00-10:00", "", "MON 09:00-09:00"],
    )
    def test_know_no_other_form(self, text: str) -> None:
        assert matching.Block.read(text) is None


class TestRequiredWeek:
    @pytest.mark.parametrize(
        ("level", "required"),
        [(None, (540, 3)), ("1", (1, 1)), ("2.1", (540, 3)), ("2.5", (1200, 3)), ("3.5", None), ("4", None)],
    )
    def test_is_that_of_the_level(self, level: str | None, required: tuple[int, int] | None) -> None:
        assert matching.required_week(level) == required

    def test_has_its_days_as_well_as_its_minutes(self) -> None:
        two_days = [group(weekdays=[0, 2], free_places=[3, 3], clinical_minutes=300)]

        assert weighed(two_days).week_is_placeable is False
        assert weighed([group()]).week_is_placeable is True
        assert weighed([group()], required=None).week_is_placeable is None


def weighed(groups: list[matching.ProgramGroup], **changes: Any) -> matching.Match:
    """Weigh a program whose groups are known."""
    here = matching.Candidate(
        program_id="a",
        site_id=SITE_ID,
        latitude=41.88,
        longitude=-87.63,
        approaches=0,
        verified=False,
        accredited=False,
    )
    return matched(here, groups=groups, **changes)


candidates = st.builds(
    matching.Candidate,
    program_id=st.uuids().map(str),
    site_id=st.none(),
    latitude=st.floats(41.5, 42.2),
    longitude=st.floats(-88.0, -87.3),
    approaches=st.integers(0, 8),
    verified=st.booleans(),
    accredited=st.booleans(),
    completed=st.none() | st.floats(0, 1),
)


def matched(candidate: matching.Candidate, **changes: Any) -> matching.Match:
    """Weigh a program for somebody in the Loop."""
    values: dict[str, Any] = {
        "miles": facilities.miles_from(41.88, -87.63)(candidate.latitude, candidate.longitude),
        "radius_miles": 60,
        "busy": [],
        "groups": None,
        "required": matching.required_week("2.1"),
    }
    return matching.match(candidate, **values | changes)


class TestOrder:
    @given(st.lists(candidates, max_size=20))
    def test_is_the_sum_of_its_reasons_and_the_same_however_it_comes(
        self, some: list[matching.Candidate]
    ) -> None:
        matches = [matched(one) for one in some]

        for one in matches:
            assert one.score == pytest.approx(sum(why.value * why.weight for why in one.reasons), abs=1e-4)
            assert 0 <= one.score <= 1
        assert matching.ranked(matches) == matching.ranked(reversed(matches))

    @given(candidates, st.integers(0, 7))
    def test_never_gets_worse_by_more_approaches(self, one: matching.Candidate, more: int) -> None:
        better = dataclasses.replace(one, approaches=one.approaches + more)

        assert matched(better).score >= matched(one).score

    @given(candidates, st.integers(0, 8))
    def test_believes_what_is_delivered_before_what_is_listed(
        self, one: matching.Candidate, delivered: int
    ) -> None:
        (why,) = [why for why in matched(one, delivered=delivered).reasons if why.part == "EVIDENCE"]

        assert why.value == min(1, delivered / matching.ENOUGH_APPROACHES)
        assert why.code == "APPROACHES_DELIVERED"

    def test_weighs_the_whole_and_no_money(self) -> None:
        assert sum(matching.WEIGHTS.values()) == pytest.approx(1)
        assert not {"PAYMENT", "FEE", "SPONSOR", "PAID"} & set(matching.WEIGHTS)

    def test_tells_where_nobody_knows(self) -> None:
        one = matched(
            matching.Candidate(
                program_id="a",
                site_id=None,
                latitude=41.88,
                longitude=-87.63,
                approaches=0,
                verified=False,
                accredited=False,
            )
        )

        told = {why.part: (why.value, why.code) for why in one.reasons}
        assert told["SCHEDULE"] == told["OUTCOMES"] == told["WAIT"] == (0.5, "NOT_KNOWN")
        assert told["CREDENTIALS"] == (0.0, "NOT_VERIFIED")
        assert one.week_is_placeable is None


class TestDistance:
    def test_is_that_of_the_globe(self) -> None:
        assert facilities.miles_from(41.8781, -87.6298)(42.3314, -83.0458) == pytest.approx(238, abs=2)
        assert facilities.miles_from(41.88, -87.63)(41.88, -87.63) == 0


def member(*credentials: tuple[str, str], clinician_id: str = "a") -> programs.StaffMember:
    """Somebody with credentials, each of a kind until a day."""
    held = [{"kind": kind, "expires_on": day} for kind, day in credentials]
    return programs.StaffMember(clinician_id=clinician_id, site_id=SITE_ID, credentials=held, revision=1)


class TestStaffMix:
    def test_counts_credentials_in_force_by_class(self) -> None:
        staff = [
            member(("LCSW", "2027-01-31"), ("CADC", "2027-01-31")),
            member(("MD", "2027-01-31"), clinician_id="b"),
            member(("LPC", "2026-02-01"), clinician_id="c"),
            member(("PEER", "2026-02-02"), clinician_id="d"),
        ]

        mix = programs.staff_mix(staff, today=NOW.date())

        assert mix.by_class == {"THERAPIST": 1, "ADDICTION_COUNSELOR": 1, "MEDICAL": 1, "PEER": 1}
        assert (mix.people, mix.licensed, mix.percent_licensed, mix.physician_present) == (4, 2, 50, True)

    def test_of_nobody_says_nothing(self) -> None:
        assert programs.staff_mix([], today=NOW.date()).percent_licensed is None
