"""Licences of a site: from when until when they count, and what they come to."""

from datetime import date
from typing import Any

import pytest

from services.intake.domain import site_licences, sites
from services.intake.domain.site_licences import Ending, SiteLicence
from shared.contracts.intake import SITE_LICENCE_STATES
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import derived_id
from tests.intake.builders import NOW, site

#: Today where the sites of these tests are.
TODAY = date(2026, 2, 2)


def licence(first: str | None, last: str | None, *, level: str = "2.1", **changes: Any) -> SiteLicence:
    values: dict[str, Any] = {
        "licence_id": derived_id("licence", level, str(first), str(last)),
        "level": level,
        "first_on": date.fromisoformat(first) if first else None,
        "last_on": date.fromisoformat(last) if last else None,
        "recorded_at": NOW,
        "recorded_by": "olga",
        "recorded_by_role": "operations",
    }
    return SiteLicence(**values | changes)


class TestSiteLicence:
    @pytest.mark.parametrize(
        ("day", "state"),
        [
            (date(2026, 2, 28), "AHEAD"),
            (date(2026, 3, 1), "VALID"),
            (date(2026, 10, 31), "VALID"),
            (date(2026, 11, 1), "EXPIRING"),
            (date(2026, 12, 31), "EXPIRING"),
            (date(2027, 1, 1), "LAPSED"),
        ],
    )
    def test_stands_somewhere_on_each_day(self, day: date, state: str) -> None:
        held = licence("2026-03-01", "2026-12-31")

        assert held.state_on(day) == state
        assert held.counts_on(day) == (state in ("VALID", "EXPIRING"))
        assert state in SITE_LICENCE_STATES

    def test_counts_no_longer_from_the_day_on_which_it_was_withdrawn(self) -> None:
        held = licence("2026-01-01", "2026-12-31", withdrawn_on=date(2026, 2, 10))

        assert held.counts_on(date(2026, 2, 9))
        assert not held.counts_on(date(2026, 2, 10))
        assert held.state_on(date(2026, 2, 10)) == "WITHDRAWN"

    def test_comes_back_from_its_record_as_it_was(self) -> None:
        held = licence("2026-01-01", None, number="A-0815", withdrawn_on=date(2026, 2, 10), withdrawn_at=NOW)

        assert site_licences.read(held.on_record()) == held


class TestWhatTheyComeTo:
    def test_a_renewal_covers_on_without_a_gap(self) -> None:
        held = [licence("2026-01-01", "2026-03-31"), licence("2026-04-01", "2027-03-31")]
        gap = [held[0], licence("2026-04-02", "2027-03-31")]

        assert site_licences.covered_until(held, "2.1", on=TODAY) == date(2027, 3, 31)
        assert site_licences.covered_until(gap, "2.1", on=TODAY) == date(2026, 3, 31)
        assert site_licences.covered_until([*held, licence(None, None)], "2.1", on=TODAY) is None

    @pytest.mark.parametrize(
        ("held", "lapsed"),
        [
            ([licence("2025-01-01", "2026-02-01")], date(2026, 2, 1)),
            ([licence("2025-01-01", "2026-02-02")], None),
            ([licence("2025-01-01", "2026-01-01"), licence("2026-02-02", None)], None),
            ([licence("2026-03-01", "2027-02-28")], None),
            ([licence("2025-01-01", "2026-01-01", level="1")], None),
            ([licence("2025-01-01", None, withdrawn_on=date(2026, 2, 1))], date(2026, 1, 31)),
            ([licence("2026-01-01", None, withdrawn_on=date(2026, 1, 1))], None),
        ],
        ids=["ended", "last-day", "renewed", "ahead", "another-level", "withdrawn", "never-counted"],
    )
    def test_a_level_has_lapsed_that_could_be_given_and_can_no_longer(
        self, held: list[SiteLicence], lapsed: date | None
    ) -> None:
        assert site_licences.lapsed_on(held, "2.1", on=TODAY) == lapsed

    @pytest.mark.parametrize(
        ("last", "stage"),
        [
            ("2026-04-04", None),
            ("2026-04-03", 60),
            ("2026-03-04", 30),
            ("2026-02-09", 7),
            ("2026-02-02", 7),
            ("2026-02-01", 0),
        ],
    )
    def test_the_next_one_is_asked_for_60_30_and_7_days_before_and_once_it_has_lapsed(
        self, last: str, stage: int | None
    ) -> None:
        found = list(site_licences.endings([licence("2025-01-01", last)], today=TODAY))

        wanted = [] if stage is None else [Ending(level="2.1", ends_on=date.fromisoformat(last), stage=stage)]
        assert found == wanted

    @pytest.mark.parametrize(
        "held",
        [
            [licence(None, None)],
            [licence("2025-01-01", "2026-02-03"), licence("2026-02-04", "2027-01-01")],
            [licence("2025-01-01", "2026-12-31", withdrawn_on=date(2026, 1, 15))],
        ],
        ids=["no-end", "renewed", "given-up"],
    )
    def test_nobody_is_asked_for_what_needs_nothing(self, held: list[SiteLicence]) -> None:
        assert list(site_licences.endings(held, today=TODAY)) == []

    @pytest.mark.parametrize(
        ("levels", "needed"), [(["0.5", "1"], False), (["1", "2.1"], True), (["3.7"], True), ([], False)]
    )
    def test_a_number_for_emergencies_is_needed_from_level_2_1_on(
        self, levels: list[str], needed: bool
    ) -> None:
        assert site_licences.needs_emergency_line(levels) == needed


class TestRecord:
    def record(self, held: list[SiteLicence], new: SiteLicence, **changes: Any) -> list[SiteLicence]:
        values: dict[str, Any] = {"today": TODAY, "has_emergency_line": True}
        return site_licences.record(held, new, **values | changes)

    def test_tells_the_end_of_what_was_held_without_days(self) -> None:
        held = site_licences.undated("lakeside", ["1", "2.1"], opened_at=NOW)

        now_held = self.record(held, licence("2026-03-01", "2027-02-28"))

        assert [(one.level, one.last_on) for one in now_held] == [
            ("1", None),
            ("2.1", date(2026, 2, 28)),
            ("2.1", date(2027, 2, 28)),
        ]

    @pytest.mark.parametrize(
        ("new", "changes", "field"),
        [
            (licence("2026-03-01", "2026-02-28"), {}, "last_on"),
            (licence("2025-03-01", "2026-02-01"), {}, "last_on"),
            (licence("2026-03-01", None), {"has_emergency_line": False}, "level"),
        ],
    )
    def test_refuses_what_cannot_be_and_names_the_field(
        self, new: SiteLicence, changes: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(InvalidInput) as refused:
            self.record([], new, **changes)

        assert refused.value.problems[0]["field"] == field

    def test_refuses_the_same_days_twice(self) -> None:
        held = [licence("2026-03-01", "2027-02-28")]

        with pytest.raises(site_licences.LicenceKnownAlready):
            self.record(held, held[0])


class TestWithdraw:
    def withdraw(self, held: list[SiteLicence], licence_id: str, on: date = TODAY) -> list[SiteLicence]:
        return site_licences.withdraw(
            held, licence_id, on=on, because="REVOKED", at=NOW, by="olga", by_role="operations"
        )

    def test_keeps_who_withdrew_it_when_and_why(self) -> None:
        one = licence("2026-01-01", None)

        (withdrawn,) = self.withdraw([one], one.licence_id)

        assert (withdrawn.withdrawn_on, withdrawn.withdrawn_because) == (TODAY, "REVOKED")
        assert (withdrawn.withdrawn_by, withdrawn.withdrawn_at) == ("olga", NOW)

    def test_happens_once_to_what_is_there_and_counts(self) -> None:
        one = licence("2026-01-01", "2026-12-31")
        withdrawn = self.withdraw([one], one.licence_id)

        with pytest.raises(Conflict):
            self.withdraw(withdrawn, one.licence_id)
        with pytest.raises(NotFound):
            self.withdraw([one], derived_id("another"))
        with pytest.raises(InvalidInput) as refused:
            self.withdraw([one], one.licence_id, date(2027, 1, 1))
        assert refused.value.problems[0]["field"] == "withdrawn_on"


class TestSite:
    def test_counts_what_it_was_opened_with_until_somebody_tells_an_end(self) -> None:
        lakeside = site()

        assert lakeside.levels_on(TODAY) == ["1", "2.1"]
        assert lakeside.lapsed_on("2.1", on=TODAY) is None
        assert lakeside.next_look_at(after=NOW) is None

    def test_refuses_a_level_that_it_may_give_no_longer_and_says_since_when(self) -> None:
        lakeside = site(licences=[licence("2025-01-01", "2026-02-01").on_record()])

        with pytest.raises(site_licences.LicenceLapsed) as refused:
            lakeside.check_not_lapsed("2.1", on=TODAY)
        lakeside.check_not_lapsed("3.7", on=TODAY)

        (problem,) = refused.value.problems
        assert problem["field"] == "level"
        assert "2026-02-01" in problem["rule"]

    @pytest.mark.parametrize("levels", [["2.1"], ["1", "2.5"], ["3.5"]])
    def test_is_not_opened_for_level_2_1_or_more_without_a_number(self, levels: list[str]) -> None:
        told: dict[str, Any] = {
            "site_id": "lakeside",
            "name": "Lakeside",
            "time_zone": "America/Chicago",
            "now": NOW,
        }
        with pytest.raises(InvalidInput) as refused:
            sites.open_site(**told, levels_licensed=levels, emergency_phone=None)
        opened, _ = sites.open_site(**told, levels_licensed=["1"], emergency_phone=None)

        assert refused.value.problems[0]["field"] == "emergency_phone"
        assert opened.emergency_phone is None
