"""Rules of step-downs: the clocks after an inpatient stay, what is asked, and what takes a breach back."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.intake.domain import partner_referrals, step_downs
from services.intake.domain.step_downs import StepDown
from shared.contracts import roles
from shared.contracts.event import Event
from shared.contracts.intake import (
    DischargeSummaryRequested,
    EarlierPlanImported,
    StepDownReferralReceived,
    StepDownServed,
    StepDownServiceBreached,
)
from shared.errors import Conflict, InvalidInput
from shared.ids import derived_id
from tests.intake.builders import NOW, episode, site

#: Two days before the referral came in.
DISCHARGED_ON = date(2026, 1, 31)


def received(**changes: object) -> tuple[StepDown, list[Event]]:
    told = {
        "step_down_id": derived_id("step-down"),
        "episode": episode(),
        "site": site(),
        "prior_level": "3.7",
        "discharged_on": DISCHARGED_ON,
        "received_at": NOW,
    }
    return step_downs.receive(**told | changes)


def stepping_down(**changes: object) -> StepDown:
    return received(**changes)[0]


class TestReceive:
    def test_starts_the_clocks_from_the_discharge_on_the_sites_calendar(self) -> None:
        found, (told, requested) = received()

        assert isinstance(told, StepDownReferralReceived)
        assert isinstance(requested, DischargeSummaryRequested)
        # As the third, and the seventh, day after the discharge ends in Chicago.
        assert told.contact_due_at == found.contact_due_at == datetime(2026, 2, 4, 6, tzinfo=UTC)
        assert told.service_due_at == found.service_due_at == datetime(2026, 2, 8, 6, tzinfo=UTC)

    def test_asks_for_contact_and_for_the_summary(self) -> None:
        asked = {task.task: (task.owner_role, task.due_at) for task in stepping_down().tasks()}

        assert asked == {
            "step_down_contact": (roles.FRONT_DESK, datetime(2026, 2, 4, 6, tzinfo=UTC)),
            "discharge_summary": (roles.FRONT_DESK, NOW + timedelta(days=2)),
        }

    @pytest.mark.parametrize("level", ["0.5", "1", "2.1", "2.5"])
    def test_refuses_a_level_that_nobody_steps_down_from(self, level: str) -> None:
        with pytest.raises(InvalidInput):
            received(prior_level=level)

    @pytest.mark.parametrize(("days", "taken"), [(30, True), (31, False), (-365, True), (-366, False)])
    def test_takes_a_discharge_that_is_planned_and_none_that_is_a_slip(self, days: int, taken: bool) -> None:
        discharged_on = site().local_day(NOW) + timedelta(days=days)
        if taken:
            assert stepping_down(discharged_on=discharged_on)
        else:
            with pytest.raises(InvalidInput):
                received(discharged_on=discharged_on)


class TestService:
    def _told(self, found: StepDown, day: int, *, given: bool = True, at: datetime = NOW) -> list[Event]:
        return found.note_service(on=DISCHARGED_ON + timedelta(days=day), given=given, at=at)

    @pytest.mark.parametrize(("day", "in_time"), [(0, True), (7, True), (8, False)])
    def test_counts_within_seven_days(self, day: int, in_time: bool) -> None:
        (served,) = self._told(stepping_down(), day)

        assert isinstance(served, StepDownServed)
        assert served.in_time is in_time

    def test_is_breached_once_and_only_without_one(self) -> None:
        found, late = stepping_down(), NOW + timedelta(days=6)
        (breached,) = found.breach(at=late)

        assert isinstance(breached, StepDownServiceBreached)
        assert found.breach(at=late) == []
        served = stepping_down()
        self._told(served, 3)
        assert served.breach(at=late) == []

    def test_that_is_told_late_and_was_in_time_takes_the_breach_back(self) -> None:
        found = stepping_down()
        found.breach(at=found.service_due_at)

        (served,) = self._told(found, 6, at=NOW + timedelta(days=9))

        assert isinstance(served, StepDownServed)
        assert served.in_time
        assert found.breached_at is None

    def test_is_the_first_in_whatever_order_days_are_told(self) -> None:
        forwards, backwards = stepping_down(), stepping_down()
        for days, found in (((3, 5), forwards), ((5, 3), backwards)):
            for day in days:
                self._told(found, day)

        assert forwards.served_on == backwards.served_on == DISCHARGED_ON + timedelta(days=3)
        assert forwards.served_days == backwards.served_days

    def test_that_was_none_after_all_is_breached_again_once_it_is_late(self) -> None:
        found, late = stepping_down(), NOW + timedelta(days=9)
        self._told(found, 3)

        (breached,) = self._told(found, 3, given=False, at=late)

        assert isinstance(breached, StepDownServiceBreached)
        early = stepping_down()
        self._told(early, 3)
        assert self._told(early, 3, given=False) == []


class TestWhatCameAlong:
    def test_goes_on_in_codes_and_the_words_stay(self) -> None:
        found = stepping_down()
        codes = {
            "problems": ["OPIOID"],
            "modalities": ["CBT"],
            "skills": ["GROUNDING", "GROUNDING"],
            "triggers": ["PAYDAY"],
        }

        (imported,) = found.import_plan(codes, words="She rang her sister.", at=NOW)

        assert isinstance(imported, EarlierPlanImported)
        assert imported.skills == ("GROUNDING",)
        assert "sister" not in repr(imported)
        assert found.words == "She rang her sister."

    def test_counts_the_first_contact_and_the_summary_once(self) -> None:
        found = stepping_down()

        assert [found.note_contact(at=NOW), found.note_contact(at=NOW + timedelta(days=1))] == [True, False]
        assert found.contacted_at == NOW
        found.receive_summary(medications_reconciled=True, at=NOW)
        with pytest.raises(Conflict):
            found.receive_summary(medications_reconciled=False, at=NOW)


class TestExternalText:
    def test_keeps_the_ids_of_two_partners_apart(self) -> None:
        texts = {
            partner_referrals.external_text(partner=partner, external_id=external_id)
            for partner, external_id in (("a", "b:c"), ("a:b", "c"), ("a", "c"), ("b", "c"))
        }

        assert len(texts) == 4
