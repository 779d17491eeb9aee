"""Attended days: which may be billed, and every reason why the others may not."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from services.intake.domain import billing
from services.intake.domain.billing import AttendedDay, Payment
from services.intake.domain.coverage import Authorization, Coverage, Unit
from services.intake.domain.restrictions import Restriction
from services.intake.service import Intake
from shared.contracts.scheduling import BILLING_GAPS, ServiceDelivered
from shared.errors import Forbidden, InvalidInput, NotFound
from shared.ids import derived_id
from tests.intake.builders import NOW, SITE_ID
from tests.intake.test_coverage import MONDAY, Billing
from tests.support import Room


def day(**changes: Any) -> AttendedDay:
    values: dict[str, Any] = {
        "delivery_id": "d",
        "site_id": "s",
        "patient_id": "p",
        "episode_id": "e",
        "served_on": MONDAY,
        "minutes": {"GROUP": 165},
        "attended_minutes": 165,
        "gaps": (),
    }
    return AttendedDay(**values | changes)


def cover(**changes: Any) -> Coverage:
    values: dict[str, Any] = {
        "coverage_id": "c",
        "patient_id": "p",
        "journey_id": "j",
        "payer": "BLUE_IL",
        "status": "ACTIVE",
        "in_network": True,
        "needs_authorization": True,
        "deductible_left": None,
        "out_of_pocket_left": None,
        "coinsurance_percent": None,
        "copay": None,
        "answered_at": NOW,
    }
    return Coverage(**values | changes)


def authorization(**changes: Any) -> Authorization:
    values: dict[str, Any] = {
        "authorization_id": "a",
        "patient_id": "p",
        "episode_id": "e",
        "journey_id": "j",
        "coverage_id": "c",
        "decision": "APPROVED",
        "units": 1,
        "first_on": MONDAY,
        "last_on": MONDAY + timedelta(days=30),
        "decided_at": NOW,
        "recorded_by": "olga",
        "recorded_by_role": "front_desk",
        "recorded_at": NOW,
    }
    return Authorization(**values | changes)


def unit(state: str = "USED", served_on: date = MONDAY) -> Unit:
    return Unit(authorization_id="a", served_on=served_on, state=state, taken_at=NOW)


def promise(**changes: Any) -> Restriction:
    values: dict[str, Any] = {
        "restriction_id": "r",
        "patient_id": "p",
        "journey_id": "j",
        "towards": "HEALTH_PLAN",
        "recipient_id": None,
        "information_classes": [],
        "paid_in_full": True,
        "requested_at": NOW,
        "requested_by": "olga",
        "requested_by_role": "front_desk",
        "answer_due_at": NOW,
        "state": "AGREED",
    }
    return Restriction(**values | changes)


def payment(**changes: Any) -> Payment:
    values: dict[str, Any] = {
        "level": "2.1",
        "diagnoses": ("F10.20",),
        "covers": (cover(),),
        "authorizations": (authorization(),),
        "units": {"a": (unit(),)},
        "consented": ((MONDAY, None),),
    }
    return Payment(**values | changes)


class TestJudge:
    def test_bills_a_day_that_has_everything_as_one_unit_of_its_level(self) -> None:
        found = billing.judge(day(), payment())

        assert found.is_billable
        line = found.line()
        assert (line["procedure_code"], line["revenue_code"], line["units"]) == ("H0015", "0906", 1)
        assert (line["authorization_id"], line["coverage_id"], line["diagnoses"]) == ("a", "c", ["F10.20"])

    def test_names_every_reason_that_holds_at_once(self) -> None:
        nothing = day(minutes={}, gaps=BILLING_GAPS)

        found = billing.judge(nothing, payment(covers=(), diagnoses=()))

        assert found.reasons == (*BILLING_GAPS, "NO_ACTIVE_COVER", "NO_DIAGNOSIS")

    def test_bills_a_day_of_which_one_session_lacks_its_note(self) -> None:
        assert billing.judge(day(gaps=("NO_SIGNED_NOTE",)), payment()).is_billable

    @pytest.mark.parametrize(
        ("changes", "reasons"),
        [
            ({"covers": (cover(status="INACTIVE"),)}, ("NO_ACTIVE_COVER",)),
            ({"covers": (cover(status="UNKNOWN"),)}, ("NO_ACTIVE_COVER",)),
            ({"authorizations": ()}, ("DAY_NOT_AUTHORIZED",)),
            ({"authorizations": (authorization(decision="DENIED"),)}, ("DAY_NOT_AUTHORIZED",)),
            ({"authorizations": (authorization(first_on=date(2026, 2, 3)),)}, ("DAY_NOT_AUTHORIZED",)),
            ({"authorizations": (authorization(coverage_id="other"),)}, ("DAY_NOT_AUTHORIZED",)),
            ({"units": {"a": (unit(served_on=date(2026, 2, 3)),)}}, ("NO_UNIT_LEFT",)),
            ({"diagnoses": ()}, ("NO_DIAGNOSIS",)),
            ({"covers": (cover(needs_authorization=False),), "authorizations": ()}, ()),
            ({"consented": ()}, ("NO_CONSENT_TO_BILL",)),
            (
                {"consented": ((MONDAY - timedelta(days=9), MONDAY - timedelta(days=1)),)},
                ("NO_CONSENT_TO_BILL",),
            ),
            ({"consented": ((MONDAY - timedelta(days=9), MONDAY),)}, ()),
            ({"consented": ((MONDAY + timedelta(days=9), None),)}, ()),
            ({"restrictions": (promise(),)}, ("RESTRICTED_BY_PATIENT",)),
            ({"restrictions": (promise(),), "consented": (), "covers": ()}, ("NO_ACTIVE_COVER",)),
            ({"restrictions": (promise(coverage_id="c"),)}, ("RESTRICTED_BY_PATIENT",)),
            ({"restrictions": (promise(coverage_id="other"),)}, ()),
            ({"restrictions": (promise(information_classes=["MEDICATIONS"]),)}, ()),
            ({"days_without_cover": ((MONDAY, None),), "consented": ()}, ("COVER_NOT_USED",)),
            ({"days_without_cover": ((MONDAY + timedelta(days=1), None),)}, ()),
            ({"days_without_cover": ((MONDAY - timedelta(days=3), MONDAY),)}, ()),
            (
                {"days_without_cover": ((MONDAY - timedelta(days=3), MONDAY + timedelta(days=1)),)},
                ("COVER_NOT_USED",),
            ),
        ],
    )
    def test_asks_for_cover_unit_and_diagnosis(
        self, changes: dict[str, Any], reasons: tuple[str, ...]
    ) -> None:
        assert billing.judge(day(), payment(**changes)).reasons == reasons

    def test_holds_no_unit_against_a_day_that_will_take_one(self) -> None:
        waiting = day(minutes={}, gaps=("NO_SIGNED_NOTE",))

        for units in ((), (unit("RESERVED"),)):
            assert billing.judge(waiting, payment(units={"a": units})).reasons == ("NO_SIGNED_NOTE",)
        gone = payment(units={"a": (unit(served_on=date(2026, 2, 3)),)})
        assert billing.judge(waiting, gone).reasons == ("NO_SIGNED_NOTE", "NO_UNIT_LEFT")

    def test_has_no_code_of_a_day_for_what_is_billed_by_session(self) -> None:
        assert billing.judge(day(), payment(level="1")).line()["procedure_code"] is None


class TestFamilySession:
    """Of an hour with the family it is told whether the patient was there: brief section 7."""

    def test_with_the_patient_stands_beside_the_code_of_the_day(self) -> None:
        line = billing.judge(day(family_forms=("WITH_PATIENT",)), payment(), family_consent=True).line()

        assert (line["procedure_code"], line["family_codes"]) == ("H0015", ["90847"])
        assert line["family_codes_withheld"] == []

    def test_is_not_billed_without_a_consent_and_holds_no_other_session_back(self) -> None:
        both = day(family_forms=("WITH_PATIENT", "WITHOUT_PATIENT"), family_alone_minutes=50)

        found = billing.judge(both, payment())

        line = found.line()
        assert found.is_billable
        assert (line["family_codes"], line["family_codes_withheld"]) == ([], ["90846", "90847"])
        assert (line["procedure_code"], line["billable_minutes"]) == ("H0015", 165)

    def test_without_the_patient_is_nothing_to_bill_without_a_consent(self) -> None:
        alone = day(
            minutes={}, attended_minutes=0, family_forms=("WITHOUT_PATIENT",), family_alone_minutes=50
        )

        found = billing.judge(alone, payment())

        assert found.reasons == ("NO_FAMILY_CONSENT",)
        assert (found.line()["billable_minutes"], found.line()["kinds"]) == (0, [])

    def test_of_several_families_has_no_code_here(self) -> None:
        several = day(family_forms=("SEVERAL_FAMILIES",))

        assert billing.judge(several, payment(), family_consent=True).line()["family_codes"] == []

    def test_without_the_patient_is_billed_by_itself_and_needs_no_unit(self) -> None:
        alone = day(
            minutes={}, attended_minutes=0, family_forms=("WITHOUT_PATIENT",), family_alone_minutes=50
        )
        without_unit = payment(units={"a": (unit(served_on=date(2026, 2, 3)),)})
        found = billing.judge(alone, without_unit, family_consent=True)

        line = found.line()
        assert found.is_billable
        assert (line["procedure_code"], line["revenue_code"], line["units"]) == ("90846", "0916", 1)
        assert (line["kinds"], line["billable_minutes"], line["attended_minutes"]) == (["FAMILY"], 50, 0)
        assert line["family_codes"] == ["90846"]

    def test_without_the_patient_is_never_a_day_of_the_program(self) -> None:
        unsigned = day(minutes={}, attended_minutes=0, gaps=("NO_SIGNED_NOTE",), family_alone_minutes=50)

        found = billing.judge(unsigned, payment(), family_consent=True)

        assert found.reasons == ("NO_SIGNED_NOTE",)
        assert found.line()["procedure_code"] == "90846"

    def test_without_the_patient_beside_others_of_the_day_tells_both(self) -> None:
        line = billing.judge(
            day(family_forms=("WITH_PATIENT", "WITHOUT_PATIENT"), family_alone_minutes=50),
            payment(),
            family_consent=True,
        ).line()

        assert (line["procedure_code"], line["family_codes"]) == ("H0015", ["90846", "90847"])
        assert (line["attended_minutes"], line["billable_minutes"]) == (165, 215)


@pytest.fixture
def office(room_of: Callable[[type], Room]) -> Billing:
    return Billing(room_of(Intake))


def told(office: Billing, served_on: date = MONDAY, **changes: Any) -> ServiceDelivered:
    values: dict[str, Any] = {
        "patient_id": office.patient["patient_id"],
        "episode_id": office.patient["episode_id"],
        "journey_id": office.patient["journey_id"],
        "delivery_id": derived_id("delivery", served_on.isoformat()),
        "site_id": SITE_ID,
        "served_on": served_on,
        "kinds": (),
        "minutes": (),
        "revision": 1,
        "told_at": office.room.now,
        "attended_minutes": 165,
        "gaps": ("NO_SIGNED_NOTE",),
    }
    return ServiceDelivered(**values | changes)


def signed(office: Billing, served_on: date = MONDAY, **changes: Any) -> ServiceDelivered:
    now = {"kinds": ("GROUP",), "minutes": (165,), "revision": 2, "gaps": ()}
    return told(office, served_on, **now | changes)


def listed(office: Billing, name: str, **asked: Any) -> list[dict[str, Any]]:
    found = office.room.ask(name, {"site_id": SITE_ID} | asked, role="front_desk")
    return list(found["items"])


class TestLists:
    def test_tell_why_a_day_is_not_billed_until_nothing_stands_against_it(self, office: Billing) -> None:
        office.room.deliver(told(office))
        (found,) = listed(office, "list_unbilled_days")
        assert found["reasons"] == ["NO_SIGNED_NOTE", "DAY_NOT_AUTHORIZED"]
        assert found["attended_minutes"] == 165

        office.authorize(units=2)
        assert listed(office, "list_unbilled_days")[0]["reasons"] == ["NO_SIGNED_NOTE"]
        office.room.deliver(signed(office))

        assert listed(office, "list_unbilled_days") == []
        (line,) = listed(office, "list_billable_days")
        assert (line["served_on"], line["payer"], line["procedure_code"]) == (
            "2026-02-02",
            "BLUE_IL",
            "H0015",
        )
        assert line["billable_minutes"] == 165

    def test_come_out_the_same_in_any_order_and_with_duplicates(self, office: Billing) -> None:
        office.authorize(units=1)

        office.room.deliver(signed(office), told(office), signed(office))

        assert len(listed(office, "list_billable_days")) == 1
        (seen,) = office.seen()["authorizations"]
        assert seen["ledger"]["used"] == 1

    def test_use_no_unit_for_a_family_that_came_without_the_patient(self, office: Billing) -> None:
        office.authorize(units=1)
        alone = {"kinds": (), "minutes": (), "attended_minutes": 0, "family_alone_minutes": 50}

        office.room.deliver(told(office, **alone))
        assert listed(office, "list_unbilled_days")[0]["reasons"] == ["NO_SIGNED_NOTE", "NO_FAMILY_CONSENT"]
        office.room.deliver(signed(office, **alone, family_forms=("WITHOUT_PATIENT",)))
        assert listed(office, "list_unbilled_days")[0]["reasons"] == ["NO_FAMILY_CONSENT"]
        self.consent(office, signed_at=office.room.now)

        (line,) = listed(office, "list_billable_days")
        assert (line["procedure_code"], line["family_codes"]) == ("90846", ["90846"])
        (seen,) = office.seen()["authorizations"]
        assert seen["ledger"]["used"] == 0

    def consent(self, office: Billing, *, signed_at: datetime) -> str:
        """Let people close to the patient know; return the id of the consent."""
        family = {
            "patient_id": office.patient["patient_id"],
            "kind": "FAMILY",
            "recipient": "Her sister",
            "purpose": "To come along.",
            "information_classes": ["ATTENDANCE"],
            "signed_at": signed_at.isoformat(),
            "expires_at": (office.room.now + timedelta(days=90)).isoformat(),
        }
        return str(office.room.call("grant_consent", family)["consent_id"])

    @pytest.mark.parametrize(("asked_on", "codes"), [(MONDAY, ["90847"]), (MONDAY + timedelta(days=2), [])])
    def test_tell_of_sessions_with_the_family_while_a_consent_stood(
        self, office: Billing, asked_on: date, codes: list[str]
    ) -> None:
        consent_id = self.consent(office, signed_at=office.room.now)
        office.room.advance(timedelta(days=1))
        office.room.call("revoke_consent", {"consent_id": consent_id})
        office.room.advance(timedelta(days=3))
        office.authorize(units=3)

        office.room.deliver(signed(office, asked_on, family_forms=("WITH_PATIENT",)))

        (line,) = listed(office, "list_billable_days")
        assert line["family_codes"] == codes
        assert line["family_codes_withheld"] == ([] if codes else ["90847"])

    def test_tell_no_payer_of_somebody_who_does_not_use_their_cover(self, office: Billing) -> None:
        office.authorize(units=2)
        office.room.deliver(signed(office))
        for reason in ("UNINSURED", "NOT_USING_COVER"):
            told_so = {"episode_id": office.patient["episode_id"], "reason": reason}
            office.room.call("declare_self_pay", told_so, role="front_desk")

        assert listed(office, "list_billable_days") == []
        (found,) = listed(office, "list_unbilled_days")
        assert (found["reasons"], found["payer"]) == (["COVER_NOT_USED"], None)

    def test_tell_a_payer_again_from_the_day_on_from_which_the_cover_is_used(self, office: Billing) -> None:
        office.authorize(units=3)
        own = {"episode_id": office.patient["episode_id"]}
        office.room.call("declare_self_pay", own | {"reason": "NOT_USING_COVER"}, role="front_desk")
        office.room.advance(timedelta(days=3))
        for days in range(3):
            office.room.deliver(signed(office, MONDAY + timedelta(days=days)))
        assert listed(office, "list_billable_days") == []

        back = own | {"used_from": "2026-02-03", "because": "PATIENT_ASKED"}
        found = office.room.call("use_cover", back, role="front_desk", actor_id="olga")

        assert [one["served_on"] for one in listed(office, "list_billable_days")] == [
            "2026-02-03",
            "2026-02-04",
        ]
        assert [one["reasons"] for one in listed(office, "list_unbilled_days")] == [["COVER_NOT_USED"]]
        (told,) = found["cover_not_used"]
        assert (told["first_on"], told["used_from"], told["because"]) == (
            "2026-02-02",
            "2026-02-03",
            "PATIENT_ASKED",
        )
        assert (told["told_by"], told["told_by_role"]) == ("olga", "front_desk")

        office.room.call("declare_self_pay", own | {"reason": "NOT_USING_COVER"}, role="front_desk")
        assert len(listed(office, "list_billable_days")) == 2

    def test_bill_what_was_given_while_a_consent_stood_and_nothing_after(self, office: Billing) -> None:
        office.authorize(units=2)
        office.room.advance(timedelta(days=1))
        office.room.call("revoke_consent", {"consent_id": office.allowed["consent_id"]})
        office.room.advance(timedelta(days=1))

        office.room.deliver(signed(office), signed(office, MONDAY + timedelta(days=2)))

        assert [one["served_on"] for one in listed(office, "list_billable_days")] == ["2026-02-02"]
        (found,) = listed(office, "list_unbilled_days")
        assert (found["served_on"], found["reasons"]) == ("2026-02-04", ["NO_CONSENT_TO_BILL"])

    @pytest.mark.parametrize(
        ("changes", "reasons"),
        [
            ({"towards": "HEALTH_PLAN", "recipient_id": derived_id("plan")}, [["RESTRICTED_BY_PATIENT"]]),
            ({"towards": "HEALTH_PLAN", "paid_in_full": True}, [["RESTRICTED_BY_PATIENT"]]),
            ({"towards": "ANYONE", "information_classes": ["DIAGNOSES"]}, [["RESTRICTED_BY_PATIENT"]]),
            ({"towards": "ANYONE", "information_classes": ["MEDICATIONS"]}, []),
        ],
    )
    def test_obey_what_the_patient_was_promised(
        self, office: Billing, changes: dict[str, Any], reasons: list[list[str]]
    ) -> None:
        office.authorize(units=2)
        office.room.deliver(signed(office))
        request = {"patient_id": office.patient["patient_id"], **changes}
        asked = office.room.call("request_restriction", request, role="front_desk")
        assert len(listed(office, "list_billable_days")) == 1

        agreed = {"restriction_id": asked["restriction_id"], "answer": "AGREE"}
        office.room.call("answer_restriction", agreed, role="supervisor")

        assert [one["reasons"] for one in listed(office, "list_unbilled_days")] == reasons

    def test_are_kept_from_the_one_plan_that_the_patient_names(self, office: Billing) -> None:
        office.authorize(units=2)
        office.room.deliver(signed(office))
        other = office.answer(payer="PRAIRIE_MUTUAL", needs_authorization=True)
        for cover, kept in ((other, []), (office.cover, [["RESTRICTED_BY_PATIENT"]])):
            request = {
                "patient_id": office.patient["patient_id"],
                "towards": "HEALTH_PLAN",
                "coverage_id": cover["coverage_id"],
                "paid_in_full": True,
            }
            asked = office.room.call("request_restriction", request, role="front_desk")
            agreed = {"restriction_id": asked["restriction_id"], "answer": "AGREE"}
            office.room.call("answer_restriction", agreed, role="supervisor")

            assert [one["reasons"] for one in listed(office, "list_unbilled_days")] == kept

    def test_bill_a_day_to_the_cover_that_held_on_it(self, office: Billing) -> None:
        office.authorize(units=9)
        office.room.deliver(signed(office))
        office.room.advance(timedelta(days=9))
        office.answer(status="INACTIVE")

        office.room.deliver(signed(office, MONDAY + timedelta(days=9)))

        assert [one["served_on"] for one in listed(office, "list_billable_days")] == ["2026-02-02"]
        assert [one["reasons"] for one in listed(office, "list_unbilled_days")] == [["NO_ACTIVE_COVER"]]

    def test_ask_for_the_unit_of_a_day_though_its_cover_has_ended(self, office: Billing) -> None:
        office.room.deliver(signed(office))
        office.room.advance(timedelta(days=9))
        office.answer(status="INACTIVE")

        assert [one["reasons"] for one in listed(office, "list_unbilled_days")] == [["DAY_NOT_AUTHORIZED"]]

    def test_leave_out_a_day_that_nobody_attended_after_all(self, office: Billing) -> None:
        office.room.deliver(told(office), told(office, revision=2, attended_minutes=0, gaps=()))

        assert listed(office, "list_unbilled_days") == []

    def test_go_on_page_by_page_oldest_first(self, office: Billing) -> None:
        days = [MONDAY - timedelta(days=n) for n in (3, 1, 2, 0)]
        office.room.deliver(*(told(office, one) for one in days))

        first = office.room.ask("list_unbilled_days", {"site_id": SITE_ID, "limit": 3}, role="front_desk")
        rest = listed(office, "list_unbilled_days", limit=3, after=first["next"])

        assert [one["served_on"] for one in (*first["items"], *rest)] == [
            one.isoformat() for one in sorted(days)
        ]
        assert len(listed(office, "list_unbilled_days", **{"from": "2026-02-01"})) == 2
        assert listed(office, "list_unbilled_days", **{"from": "2026-01-01", "to": "2026-01-29"}) == []

    def test_read_what_was_told_before_there_were_gaps(self, office: Billing) -> None:
        office.authorize(units=1)

        office.room.deliver(signed(office, attended_minutes=0))

        assert listed(office, "list_billable_days")[0]["attended_minutes"] == 165

    def test_are_for_the_office_and_for_a_stretch_that_makes_sense(self, office: Billing) -> None:
        with pytest.raises(Forbidden):
            office.room.ask("list_unbilled_days", {"site_id": SITE_ID}, role="counselor")
        with pytest.raises(NotFound):
            office.room.ask(
                "list_billable_days", {"site_id": SITE_ID}, role="front_desk", tenant_id="elsewhere"
            )
        for stretch in (
            {"from": "2026-02-03", "to": "2026-02-02"},
            {"from": "2025-01-01", "to": "2026-02-02"},
        ):
            with pytest.raises(InvalidInput) as refused:
                listed(office, "list_unbilled_days", **stretch)
            assert refused.value.problems[0]["field"] == "to"

    @pytest.mark.parametrize(("days_before", "reasons"), [(3, None), (1, ["NO_CONSENT_TO_BILL"])])
    def test_bill_days_since_a_consent_on_paper_was_signed_though_it_was_recorded_later(
        self, office: Billing, days_before: int, reasons: list[str] | None
    ) -> None:
        office.authorize(units=3)
        office.room.call("revoke_consent", {"consent_id": office.allowed["consent_id"]})
        office.room.advance(timedelta(days=4))
        told = {"recipient": "My plan", "purpose": "Payment.", "information_classes": ["BILLING"]}
        signed_at = office.room.now - timedelta(days=days_before)
        paper = office.consent(office.patient["patient_id"], "TPO", **told, signed_at=signed_at.isoformat())
        office.room.call("revoke_consent", {"consent_id": paper["consent_id"]})

        office.room.deliver(signed(office, MONDAY + timedelta(days=2)))

        unbilled = listed(office, "list_unbilled_days")
        assert [day["reasons"] for day in unbilled] == ([reasons] if reasons else [])
