from datetime import UTC, date, datetime, time, timedelta

import pytest

from services.scheduling.domain import groups, obligations, plans, records, weeks
from shared.ids import derived_id
from tests.scheduling.builders import CHICAGO, OPENED_AT, SITE


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def plan_with_hour(**changes) -> plans.WeeklyPlan:
    fields = {
        "plan_id": derived_id("plan", "Ada"),
        "episode_id": derived_id("episode", "Ada"),
        "patient_id": derived_id("patient", "Ada"),
        "journey_id": derived_id("journey", "Ada"),
        "site_id": SITE,
        "state": "ACTIVE",
        "version": 1,
    }
    return plans.WeeklyPlan(**(fields | changes))


def group(**changes) -> groups.Group:
    fields = {
        "group_id": derived_id("group", "sunrise"),
        "site_id": SITE,
        "kind": "GROUP",
        "modality": "PROCESS",
        "track": "MORNING",
        "weekdays": [0, 2, 3],
        "starts": time(9),
        "ends": time(12),
        "clinical_minutes": 165,
        "capacity": 12,
        "facilitator_id": derived_id("clinician", "Ines"),
        "opened_at": OPENED_AT,
    }
    return groups.Group(**(fields | changes))


def dates_of(
    group_: groups.Group, *, zone: str, first: date, last: date, after: str = "2020-01-01T00:00"
) -> list[plans.DatedSession]:
    plan = plan_with_hour()
    places = [
        plans.Place(plan_id=plan.plan_id, weekday=day, group_id=group_.group_id, capacity=12, number=1)
        for day in group_.weekdays
    ]
    return plans.dated_sessions(
        plan=plan,
        places=places,
        groups={group_.group_id: group_},
        site=records.Site(site_id=SITE, time_zone=zone, opened_at=OPENED_AT),
        after=utc(after),
        first=first,
        last=last,
    )


class TestDatedSessions:
    def test_stay_at_nine_when_the_clocks_go_forward(self):
        dated = dates_of(
            group(weekdays=[4, 6, 0]), zone=CHICAGO, first=date(2026, 3, 6), last=date(2026, 3, 9)
        )

        assert [one.starts_at for one in dated] == [
            utc("2026-03-06T15:00"),
            utc("2026-03-08T14:00"),
            utc("2026-03-09T14:00"),
        ]

    def test_stay_at_nine_when_the_clocks_go_back(self):
        dated = dates_of(
            group(weekdays=[5, 6]), zone=CHICAGO, first=date(2026, 10, 31), last=date(2026, 11, 1)
        )

        assert [one.starts_at for one in dated] == [utc("2026-10-31T14:00"), utc("2026-11-01T15:00")]

    def test_last_as_long_on_the_day_when_the_clocks_change(self):
        night = group(weekdays=[5, 6], starts=time(0, 30), ends=time(3, 30))

        dated = dates_of(night, zone=CHICAGO, first=date(2026, 3, 7), last=date(2026, 3, 8))

        assert [one.ends_at - one.starts_at for one in dated] == [timedelta(hours=3)] * 2

    def test_run_on_over_new_year(self):
        dated = dates_of(group(), zone=CHICAGO, first=date(2026, 12, 28), last=date(2027, 1, 3))

        assert [weeks.local_day(at=one.starts_at, zone=CHICAGO) for one in dated] == [
            date(2026, 12, 28),
            date(2026, 12, 30),
            date(2026, 12, 31),
        ]

    def test_have_the_same_ids_whoever_books_them(self):
        first, last = date(2026, 2, 2), date(2026, 2, 8)

        dated = dates_of(group(), zone=CHICAGO, first=first, last=last)

        assert [one.seat_id for one in dated] == [
            one.seat_id for one in dates_of(group(), zone=CHICAGO, first=first, last=last)
        ]
        assert len({one.session_id for one in dated}) == 3

    def test_leave_out_the_one_that_starts_at_the_very_moment(self):
        days = {"first": date(2026, 2, 2), "last": date(2026, 2, 4)}

        dated = dates_of(group(), zone=CHICAGO, after="2026-02-02T15:00", **days)

        assert [one.starts_at for one in dated] == [utc("2026-02-04T15:00")]

    def test_are_each_tenants_own_though_both_chose_the_same_group_id(self):
        days = {"first": date(2026, 2, 2), "last": date(2026, 2, 8)}

        here = dates_of(group(tenant_id="north"), zone=CHICAGO, **days)
        there = dates_of(group(tenant_id="south"), zone=CHICAGO, **days)

        assert {one.session_id for one in here}.isdisjoint(one.session_id for one in there)


class TestNextWeekly:
    @pytest.mark.parametrize(
        ("after", "due"),
        [
            ("2026-03-02T12:00", "2026-03-09T01:00"),
            ("2026-03-09T01:00", "2026-03-16T01:00"),
            ("2026-03-01T12:00", "2026-03-02T02:00"),
            ("2026-12-31T12:00", "2027-01-04T02:00"),
        ],
    )
    def test_is_sunday_at_eight_on_the_clocks_of_the_site(self, after, due):
        found = weeks.next_weekly(after=utc(after), weekday=6, at=time(20), zone=CHICAGO)

        assert found == utc(due)


class TestMinuteOfWeek:
    def test_is_counted_on_the_clocks_of_the_site(self):
        sunday_evening = utc("2026-02-02T04:30")

        assert weeks.minute_of_week(at=sunday_evening, zone=CHICAGO) == 6 * 1440 + 22 * 60 + 30


def bound_on_monday(begins: int, ends: int) -> obligations.Obligation:
    return obligations.Obligation(
        kind="WORK", weekday=0, starts=time(begins), ends=time(ends), travel_minutes=0
    )


class TestHardestFirst:
    def test_lets_those_go_first_who_are_bound_for_most_of_the_week(self):
        def member(name: str, *hours: tuple[int, int]):
            ids = {key: derived_id(key, name) for key in ("patient_id", "episode_id", "journey_id")}
            patient = records.Patient(patient_id=ids["patient_id"], journey_id=ids["journey_id"])
            bound = tuple(bound_on_monday(begins, ends) for begins, ends in hours)
            patient.declare(bound_by=bound, site_id=SITE, now=OPENED_AT)
            plan = plan_with_hour(plan_id=derived_id("plan", name))
            return plan, records.Episode(**ids), patient

        free, half_bound, bound = member("Ada"), member("Ben", (8, 12)), member("Cleo", (6, 12), (13, 20))

        assert plans.hardest_first([free, half_bound, bound]) == [bound, half_bound, free]
