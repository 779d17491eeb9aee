"""What care costs: the rules, on their own."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain import business_days, costs, funding, self_pay, sliding_fees
from services.intake.domain.costs import NoRate, Rate, Share
from services.intake.domain.funding import Circumstances
from services.intake.domain.self_pay import SelfPay
from shared.contracts.event import Actor
from shared.errors import InvalidInput
from tests.intake.builders import NOW, SITE_ID, site
from tests.intake.test_billing import cover

DESK = Actor(actor_id="olga", role="front_desk")


def codes(found: Iterable[dict[str, Any]]) -> list[str]:
    return [one["code"] for one in found]


class TestBusinessDays:
    def test_know_a_new_year_that_is_kept_in_the_year_before(self) -> None:
        assert not business_days.is_business_day(date(2027, 12, 31))
        assert business_days.is_business_day(date(2026, 12, 31))

    def test_leave_out_what_the_site_keeps(self) -> None:
        friday, monday = date(2026, 2, 6), date(2026, 2, 9)

        assert business_days.after(friday, 1) == monday
        assert business_days.after(friday, 1, closed={monday}) == date(2026, 2, 10)

    @given(st.dates(date(2020, 1, 1), date(2035, 1, 1)), st.integers(0, 30))
    def test_there_and_back_count_alike(self, day: date, count: int) -> None:
        ahead, back = business_days.after(day, count), business_days.before(day, count)

        assert business_days.between(day, ahead) == count
        counted = [back + timedelta(days=n) for n in range((day - back).days)]
        assert sum(map(business_days.is_business_day, counted)) == count


class TestInsured:
    def share(
        self,
        *,
        allowed: int = 30_000,
        units: int = 10,
        begins: date = date(2026, 2, 2),
        **changes: Any,
    ) -> Share:
        known = {"deductible_left": 50_000, "out_of_pocket_left": 1_000_000, "coinsurance_percent": 20}
        return costs.insured(
            cover(**known | changes),
            allowed=allowed,
            units=units,
            answered_on=date(2026, 2, 2),
            begins=begins,
            days_a_week=3,
        )

    def test_pays_the_deductible_then_a_share(self) -> None:
        found = self.share()

        # 500 of 3,000 dollars, then 20 percent of 2,500.
        assert (found.total, found.least, found.most) == (300_000, 100_000, 100_000)

    def test_pays_no_more_than_is_left_of_the_years_most(self) -> None:
        assert self.share(out_of_pocket_left=70_000).most == 70_000
        assert self.share(out_of_pocket_left=0).most == 0

    def test_pays_a_copay_for_each_day_that_the_deductible_does_not_take_whole(self) -> None:
        found = self.share(coinsurance_percent=None, copay=4_000, deductible_left=60_000)

        assert found.most == 60_000 + 8 * 4_000
        assert "COINSURANCE_UNKNOWN" not in codes(found.assumptions)

    def test_pays_no_copay_above_what_is_allowed(self) -> None:
        assert self.share(coinsurance_percent=None, copay=90_000, deductible_left=0).most == 300_000

    def test_tells_the_least_and_the_most_where_the_payer_did_not_say(self) -> None:
        found = self.share(deductible_left=None, coinsurance_percent=None, out_of_pocket_left=None)

        assert (found.least, found.most) == (0, 300_000)
        unknown = {"DEDUCTIBLE_UNKNOWN", "COINSURANCE_UNKNOWN", "OUT_OF_POCKET_UNKNOWN"}
        assert unknown <= set(codes(found.assumptions))

    def test_tells_every_assumption_in_words_with_its_amount(self) -> None:
        found = self.share(in_network=None)

        told = {one["code"]: one for one in found.assumptions}
        assert told["DEDUCTIBLE"]["text"] == "$500.00 of the deductible is left."
        assert told["ALLOWED_AMOUNT"]["amount"] == 30_000
        assert told["OUT_OF_POCKET"]["text"].count("$10,000.00") == 1
        assert set(told) == {
            "ALLOWED_AMOUNT",
            "DEDUCTIBLE",
            "COINSURANCE",
            "OUT_OF_POCKET",
            "NETWORK_UNKNOWN",
            "AUTHORIZATION_NEEDED",
            "AS_ANSWERED",
        }

    @pytest.mark.parametrize(
        ("begins", "units", "later"),
        [
            (date(2026, 12, 31), 3, 0),
            (date(2026, 12, 31), 4, 1),
            (date(2026, 12, 10), 12, 0),
            (date(2026, 12, 10), 36, 24),
        ],
    )
    def test_may_pay_nothing_or_all_of_days_in_the_next_year(
        self, begins: date, units: int, later: int
    ) -> None:
        found = self.share(begins=begins, units=units, out_of_pocket_left=60_000)
        this_year = self.share(units=units - later, out_of_pocket_left=60_000)

        assert (found.least, found.most) == (this_year.least, this_year.most + 30_000 * later)
        assert ("YEAR_ENDS" in codes(found.assumptions)) == (later > 0)

    def test_warns_out_of_the_network(self) -> None:
        assert "OUT_OF_NETWORK" in codes(self.share(in_network=False).assumptions)

    @given(
        st.integers(1, 100_000),
        st.integers(1, 60),
        st.none() | st.integers(0, 2_000_000),
        st.none() | st.integers(0, 2_000_000),
        st.none() | st.integers(0, 100),
        st.none() | st.integers(0, 50_000),
    )
    def test_is_whole_cents_within_bounds(
        self,
        allowed: int,
        units: int,
        deductible: int | None,
        most: int | None,
        percent: int | None,
        copay: int | None,
    ) -> None:
        known = {
            "deductible_left": deductible,
            "out_of_pocket_left": most,
            "coinsurance_percent": percent,
            "copay": copay,
        }
        found = self.share(allowed=allowed, units=units, **known)

        assert all(isinstance(cents, int) for cents in (found.total, found.least, found.most))
        assert 0 <= found.least <= found.most <= found.total
        assert most is None or found.most <= most
        assert self.share(allowed=allowed, units=units + 1, **known).most >= found.most
        if None not in (deductible, percent):
            assert found.least == found.most


class TestSelfPaid:
    def test_pays_the_price_or_what_the_sliding_fee_leaves_of_it(self) -> None:
        assert costs.self_paid(price=30_000, units=36, share_percent=None).most == 1_080_000
        assert costs.self_paid(price=30_001, units=2, share_percent=45).most == 2 * 13_500
        assert costs.self_paid(price=30_000, units=36, share_percent=0).most == 0


class TestRates:
    def rate(self, effective_on: date, amount: int, **changes: Any) -> Rate:
        values: dict[str, Any] = {
            "rate_id": str(amount),
            "site_id": SITE_ID,
            "payer": "SELF_PAY",
            "level": "2.1",
            "amount": amount,
            "effective_on": effective_on,
            "recorded_by": "olga",
            "recorded_by_role": "operations",
            "recorded_at": NOW,
        }
        return Rate(**values | changes)

    def test_the_one_that_began_last_holds(self) -> None:
        known = [self.rate(date(2026, 1, 1), 100), self.rate(date(2026, 7, 1), 120)]

        for day, amount in ((date(2026, 6, 30), 100), (date(2026, 7, 1), 120)):
            assert costs.rate_on(known, payer="SELF_PAY", level="2.1", day=day).amount == amount

    def test_none_is_made_up(self) -> None:
        known = [self.rate(date(2026, 1, 1), 100)]

        for asked in ({"payer": "BLUE_IL"}, {"level": "1"}, {"day": date(2025, 12, 31)}):
            with pytest.raises(NoRate):
                costs.rate_on(known, **{"payer": "SELF_PAY", "level": "2.1", "day": date(2026, 2, 1)} | asked)


class TestSlidingFee:
    def test_tables_follow_the_pattern_of_health_centers(self) -> None:
        for pack in sliding_fees.all_packs().values():
            assert sliding_fees.check(pack) == []
            assert str(pack.year) in pack.source
            assert pack.effective_on.year == pack.year

    def test_a_table_that_does_not_is_told(self) -> None:
        pack = sliding_fees.all_packs()[2]
        steep = type(pack)(**vars(pack) | {"tiers": ((100, 30), (200, 100))})

        assert sliding_fees.check(steep) == [
            "the first is nominal",
            "at least three tiers above the guideline",
            "full above twice the guideline",
        ]

    @pytest.mark.parametrize(
        ("income", "pays"),
        [
            (0, 0),
            (3_300_000, 0),
            (3_300_001, 20),
            (4_389_000, 20),
            (4_389_001, 45),
            (5_478_000, 45),
            (5_478_001, 70),
            (6_600_000, 70),
            (6_600_001, 100),
        ],
    )
    def test_a_household_of_four_pays_by_its_income(self, income: int, pays: int) -> None:
        pack = sliding_fees.all_packs()[2]
        guideline = pack.guideline(household_size=4, state="IL")

        assert guideline == 3_300_000
        assert pack.pays_percent(income=income, guideline=guideline) == pays

    @given(st.integers(1, 20), st.integers(0, 50_000_000), st.integers(0, 5_000_000))
    def test_nobody_pays_more_for_a_larger_household_or_less_for_a_larger_income(
        self, household: int, income: int, more: int
    ) -> None:
        pack = sliding_fees.all_packs()[2]
        small, large = (pack.guideline(household_size=n, state=None) for n in (household, household + 1))

        pays = pack.pays_percent(income=income, guideline=small)
        assert pack.pays_percent(income=income, guideline=large) <= pays
        assert pack.pays_percent(income=income + more, guideline=small) >= pays

    def test_the_table_of_the_year_holds_from_its_day(self) -> None:
        assert sliding_fees.in_effect([1, 2], today=date(2026, 1, 12)).year == 2025
        assert sliding_fees.in_effect([1, 2], today=date(2026, 1, 13)).year == 2026
        assert sliding_fees.in_effect([1], today=date(2026, 1, 13)).year == 2025
        for versions, today in (([], date(2026, 2, 2)), ([2], date(2026, 1, 12))):
            with pytest.raises(sliding_fees.SlidingFeeNotSigned):
                sliding_fees.in_effect(versions, today=today)

    def test_states_apart_have_their_own_guideline_or_none(self) -> None:
        assert sliding_fees.all_packs()[1].guideline(household_size=2, state="AK") == 2_643_000
        with pytest.raises(InvalidInput) as refused:
            sliding_fees.all_packs()[2].guideline(household_size=1, state="HI")
        assert refused.value.problems[0]["field"] == "state"

    @pytest.mark.parametrize(("state", "one", "four"), [("AK", 19_950, 41_250), ("HI", 18_360, 37_950)])
    def test_the_newest_table_has_one_for_each(self, state: str, one: int, four: int) -> None:
        newest = sliding_fees.in_effect(sliding_fees.all_packs(), today=date(2026, 2, 2))

        assert newest.guideline(household_size=1, state=state) == one * 100
        assert newest.guideline(household_size=4, state=state) == four * 100
        assert newest.guideline(household_size=1, state="IL") == 1_596_000


def pays(**changes: Any) -> SelfPay:
    values: dict[str, Any] = {"episode_id": "e", "patient_id": "p", "journey_id": "j", "site_id": SITE_ID}
    return SelfPay(**values | changes)


#: A Monday noon in Chicago.
MONDAY = datetime(2026, 2, 2, 18, 0, tzinfo=UTC)


class TestGoodFaith:
    @pytest.mark.parametrize(
        ("first", "due"),
        [
            # Three business days ahead: one. Presidents' Day, the 16th, does not count.
            ("2026-02-04", None),
            ("2026-02-05", "2026-02-04T06:00:00Z"),
            ("2026-02-13", "2026-02-04T06:00:00Z"),
            ("2026-02-16", "2026-02-04T06:00:00Z"),
            ("2026-02-17", "2026-02-06T06:00:00Z"),
        ],
    )
    def test_is_owed_by_the_end_of_a_business_day_at_the_site(self, first: str, due: str | None) -> None:
        own = pays()
        own.declare(reason="UNINSURED", at=MONDAY)
        begins = datetime.fromisoformat(f"{first}T18:00:00+00:00")
        own.note_week(first_session_at=begins, days=3, confirmed_at=MONDAY)

        own.settle(site=site())

        assert own.due_at == (datetime.fromisoformat(due) if due else None)
        assert own.is_owed() == (due is not None)

    def test_is_owed_later_where_the_site_keeps_a_holiday(self) -> None:
        own = pays()
        own.declare(reason="UNINSURED", at=MONDAY)
        own.note_week(first_session_at=MONDAY + timedelta(days=9), days=3, confirmed_at=MONDAY)

        own.settle(site=site(), closed={date(2026, 2, 3)})

        assert own.due_at == datetime(2026, 2, 5, 6, 0, tzinfo=UTC)

    def test_is_owed_within_three_business_days_to_whoever_asks(self) -> None:
        friday = MONDAY + timedelta(days=4)
        own = pays()
        own.declare(reason="NOT_USING_COVER", at=friday)
        own.request(at=friday)

        own.settle(site=site())

        assert own.due_at == datetime(2026, 2, 12, 6, 0, tzinfo=UTC)

    def test_counts_from_when_both_are_known_in_any_order(self) -> None:
        told = []
        for order in (0, 1):
            own = pays()
            steps = [
                lambda own=own: own.declare(reason="UNINSURED", at=MONDAY + timedelta(days=1)),
                lambda own=own: own.note_week(
                    first_session_at=MONDAY + timedelta(days=21), days=3, confirmed_at=MONDAY
                ),
            ]
            for step in steps[order:] + steps[:order]:
                step()
                own.settle(site=site())
            told.append(own.due_at)

        assert told == [datetime(2026, 2, 7, 6, 0, tzinfo=UTC)] * 2

    def test_is_owed_to_nobody_who_is_covered_after_all(self) -> None:
        own = pays()
        own.declare(reason=self_pay.COVER_INACTIVE, at=MONDAY)
        own.request(at=MONDAY)
        own.take_back()
        own.settle(site=site())
        assert own.due_at is None

        own.declare(reason="NOT_USING_COVER", at=MONDAY)
        own.take_back()
        own.settle(site=site())
        assert own.is_owed()

    @pytest.mark.parametrize(("days", "disputed"), [(10, False), (13, False), (14, True)])
    def test_is_passed_by_a_bill_of_four_hundred_dollars_more(self, days: int, disputed: bool) -> None:
        own = pays(estimate_id="x", estimated_total=100_000, estimated_day=10_000)

        assert own.may_be_disputed(days) == disputed
        assert own.over_by(days) == (days - 10) * 10_000

    def test_is_passed_by_nothing_where_none_was_given(self) -> None:
        assert pays().over_by(100) == 0


class TestFunding:
    def test_always_tells_every_way_with_a_next_step(self) -> None:
        found = funding.paths(Circumstances())

        assert {one.path for one in found} == {
            "MEDICAID_PRESUMPTIVE",
            "BLOCK_GRANT",
            "VETERANS_AFFAIRS",
            "SLIDING_FEE",
        }
        assert {one.likelihood for one in found} == {"TO_BE_ASKED"}
        assert all(one.next_step and one.what for one in found)

    @pytest.mark.parametrize(
        ("known", "first"),
        [
            ({"pregnant": True, "injecting": True}, "PREGNANT_AND_INJECTING"),
            ({"pregnant": True}, "PREGNANT"),
            ({"injecting": True}, "INJECTING"),
            ({}, "OTHERS"),
        ],
    )
    def test_gives_block_grants_in_the_order_of_the_law(self, known: dict[str, Any], first: str) -> None:
        assert funding.priority(Circumstances(**known)) == first

    def test_puts_the_likelier_way_first(self) -> None:
        known = Circumstances(veteran=True, percent_of_guideline=150, pays_percent=45)

        found = {one.path: one.likelihood for one in funding.paths(known)}

        assert found == {
            "VETERANS_AFFAIRS": "LIKELY",
            "SLIDING_FEE": "LIKELY",
            "BLOCK_GRANT": "TO_BE_ASKED",
            "MEDICAID_PRESUMPTIVE": "UNLIKELY",
        }
        assert list(found.values()) == sorted(found.values(), key=["LIKELY", "TO_BE_ASKED", "UNLIKELY"].index)

    def test_reads_what_is_known_from_codes_and_assessment(self) -> None:
        known = funding.circumstances(
            teds_codes={"ROUTE2": 4, "VET": 2},
            findings={"pregnant": True},
            percent_of_guideline=None,
            pays_percent=None,
        )

        assert (known.injecting, known.pregnant, known.veteran) == (True, True, False)
        unknown = funding.circumstances(
            teds_codes={}, findings=None, percent_of_guideline=None, pays_percent=None
        )
        assert unknown.veteran is None
