"""What patients are told about their records, and what they ask not to be told to others."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.intake import tables
from services.intake.domain import notices, restrictions
from services.intake.service import Intake
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Actor
from shared.contracts.intake import (
    PrivacyNoticeGiven,
    PrivacyNoticePublished,
    RestrictionAgreed,
    RestrictionEnded,
)
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import new_id
from tests.intake.builders import NOW
from tests.intake.test_service import House
from tests.support import Room

DIGEST = "3f" * 32
PLAN = new_id()
SUPERVISOR = Actor(actor_id="ines", role="supervisor", credential="LPC")


@pytest.fixture
def house(room_of: Callable[[type], Room]) -> House:
    return House(room_of(Intake))


def publish(house: House, edition: str = "2026-02", **changes: Any) -> dict[str, Any]:
    told = {"edition": edition, "digest": DIGEST} | changes
    return house.room.call("publish_privacy_notice", told, role="supervisor")


def give(house: House, patient_id: str, **changes: Any) -> dict[str, Any]:
    return house.room.call(
        "give_privacy_notice", {"patient_id": patient_id} | changes, role="front_desk", credential=""
    )


def ask_for_less(house: House, patient_id: str, **changes: Any) -> dict[str, Any]:
    told = {
        "patient_id": patient_id,
        "towards": "HEALTH_PLAN",
        "recipient_id": PLAN,
        "paid_in_full": True,
        "words": "My cousin Hortensia reads the mail there.",
    }
    return house.room.call("request_restriction", told | changes, role="patient", actor_id=patient_id)


def answer(house: House, asked: dict[str, Any], said: str, **changes: Any) -> dict[str, Any]:
    told = {"restriction_id": asked["restriction_id"], "answer": said} | changes
    return house.room.call("answer_restriction", told, role="supervisor", credential="LPC")


def tasks_named(house: House, name: str) -> list[TaskOpened]:
    return [task for task in house.room.announced_of(TaskOpened) if task.task == name]


def closed_named(house: House, name: str) -> list[str]:
    return [task.outcome for task in house.room.announced_of(TaskClosed) if task.task == name]


def notice(edition: str, *, days: int) -> notices.PrivacyNotice:
    """A version that takes effect some days from now."""
    return notices.PrivacyNotice(
        notice_id=edition,
        edition=edition,
        digest=DIGEST,
        effective_at=NOW + timedelta(days=days),
        published_at=NOW,
        published_by="ines",
        published_by_role="supervisor",
    )


def restriction(**changes: Any) -> restrictions.Restriction:
    """Ada's request that her plan hear nothing of what she paid herself."""
    values: dict[str, Any] = {
        "restriction_id": new_id(),
        "patient_id": new_id(),
        "journey_id": new_id(),
        "towards": "HEALTH_PLAN",
        "recipient_id": PLAN,
        "information_classes": [],
        "paid_in_full": True,
        "requested_at": NOW,
        "requested_by": "ada",
        "requested_by_role": "patient",
        "answer_due_at": NOW + timedelta(days=5),
    }
    return restrictions.Restriction(**values | changes)


class TestNoticeInForce:
    def test_is_the_one_that_took_effect_last(self) -> None:
        old, current, coming = notice("2024", days=-400), notice("2026", days=0), notice("2027", days=1)

        assert notices.in_force([coming, current, old], at=NOW) is current
        assert notices.in_force([coming], at=NOW) is None

    def test_is_the_only_one_that_can_be_given(self) -> None:
        said = {"patient_id": "ada", "journey_id": "journey", "channel": "MAIL", "acknowledgement": "SIGNED"}

        for one in (None, notice("2027", days=1)):
            with pytest.raises(notices.NoNoticeInForce):
                notices.give(one, given_at=NOW, actor=SUPERVISOR, now=NOW, **said)
        with pytest.raises(InvalidInput):
            notices.give(
                notice("2026", days=0),
                given_at=NOW + timedelta(minutes=1),
                actor=SUPERVISOR,
                now=NOW,
                **said,
            )


class TestNotices:
    def test_are_published_once_under_a_name(self, house: House) -> None:
        first, again = publish(house), publish(house)

        assert first == again
        assert (first["in_force"], first["given"]) == (True, 0)
        assert len(house.room.announced_of(PrivacyNoticePublished)) == 1
        with pytest.raises(Conflict):
            publish(house, digest="a0" * 32)
        with pytest.raises(Forbidden):
            house.room.call("publish_privacy_notice", {"edition": "x", "digest": DIGEST}, role="counselor")

    def test_tell_which_version_who_got_when(self, house: House) -> None:
        ada, bert = (house.refer(patient={"given_name": name})["patient_id"] for name in ("Ada", "Bert"))
        old = publish(house)
        give(house, ada)
        house.room.advance(timedelta(days=10))
        new = publish(house, "2026-03", digest="a0" * 32)
        give(house, ada, acknowledgement="REFUSED_TO_SIGN")
        give(house, bert, channel="MAIL")
        give(house, bert, channel="MAIL")

        of_ada = house.room.ask("list_notice_receipts_of", {"patient_id": ada})["items"]
        of_new = house.room.ask("list_notice_receipts", {"notice_id": new["notice_id"]})["items"]
        listed = house.room.ask("list_privacy_notices", {})["items"]

        assert {(one["edition"], one["acknowledgement"]) for one in of_ada} == {
            ("2026-02", "SIGNED"),
            ("2026-03", "REFUSED_TO_SIGN"),
        }
        assert {one["patient_id"] for one in of_new} == {ada, bert}
        assert [(one["edition"], one["in_force"], one["given"]) for one in listed] == [
            ("2026-02", False, 1),
            ("2026-03", True, 2),
        ]
        assert len(house.room.announced_of(PrivacyNoticeGiven)) == 3
        assert old["notice_id"] != new["notice_id"]

    def test_are_listed_page_by_page(self, house: House) -> None:
        publish(house)
        for name in ("Ada", "Bert", "Cleo"):
            give(house, house.refer(patient={"given_name": name})["patient_id"])

        first = house.room.ask("list_notice_receipts", {"limit": 2})
        rest = house.room.ask("list_notice_receipts", {"limit": 2, "after": first["next"]})

        assert (len(first["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)

    def test_are_acknowledged_by_patients_for_themselves(self, house: House) -> None:
        publish(house)
        patient_id = house.refer()["patient_id"]
        own = {"role": "patient", "actor_id": patient_id}

        given = house.room.call("give_privacy_notice", {"patient_id": patient_id}, **own)

        assert (given["given_by"], given["acknowledgement"]) == (patient_id, "SIGNED")
        with pytest.raises(InvalidInput):
            house.room.call(
                "give_privacy_notice",
                {"patient_id": patient_id, "acknowledgement": "REFUSED_TO_SIGN"},
                **own,
            )
        with pytest.raises(NotFound):
            house.room.call(
                "give_privacy_notice", {"patient_id": patient_id}, role="patient", actor_id=new_id()
            )


class TestAdmissionWithoutTheNotice:
    def test_asks_for_it_within_a_day_and_is_answered_by_giving_it(self, house: House) -> None:
        publish(house)
        referral = house.admitted()

        (task,) = tasks_named(house, "privacy_notice")
        give(house, referral["patient_id"])

        assert (task.owner_role, task.reason, task.patient_id) == (
            "front_desk",
            "NOT_GIVEN",
            referral["patient_id"],
        )
        assert task.due_at == house.room.now + timedelta(hours=24)
        assert closed_named(house, "privacy_notice") == ["DONE"]

    def test_asks_nobody_when_it_was_given_before(self, house: House) -> None:
        publish(house)
        referral = house.decided()
        give(house, referral["patient_id"])
        house.consent(referral["patient_id"])

        house.room.call("admit_patient", {"episode_id": referral["episode_id"]})

        assert tasks_named(house, "privacy_notice") == []

    def test_asks_again_when_only_an_older_version_was_given(self, house: House) -> None:
        publish(house)
        referral = house.decided()
        give(house, referral["patient_id"])
        house.room.advance(timedelta(days=1))
        publish(house, "2026-03", digest="a0" * 32)
        house.consent(referral["patient_id"])

        house.room.call("admit_patient", {"episode_id": referral["episode_id"]})

        assert [task.reason for task in tasks_named(house, "privacy_notice")] == ["NOT_GIVEN"]

    def test_says_that_there_is_none_to_give(self, house: House) -> None:
        house.admitted()

        assert [task.reason for task in tasks_named(house, "privacy_notice")] == ["NONE_PUBLISHED"]


class TestRestrictionRule:
    def test_makes_the_program_agree_to_what_was_paid_in_full(self) -> None:
        asked = restriction()

        with pytest.raises(restrictions.RestrictionMandatory):
            asked.answer("DENY", reason="Not usual.", paid_in_full=None, actor=SUPERVISOR, now=NOW)
        (agreed,) = asked.answer("AGREE", reason=None, paid_in_full=None, actor=SUPERVISOR, now=NOW)

        assert (agreed.recipient_id, agreed.information_classes) == (PLAN, ())

    def test_lets_the_books_say_that_it_was_not_paid(self) -> None:
        asked = restriction()

        told = asked.answer("DENY", reason="The plan paid.", paid_in_full=False, actor=SUPERVISOR, now=NOW)

        assert (told, asked.state, asked.answered_by_credential) == ([], "DENIED", "LPC")

    @pytest.mark.parametrize("reason", [None, " "])
    def test_wants_a_reason_for_every_denial(self, reason: str | None) -> None:
        asked = restriction(towards="FAMILY", paid_in_full=False)

        with pytest.raises(InvalidInput) as refused:
            asked.answer("DENY", reason=reason, paid_in_full=None, actor=SUPERVISOR, now=NOW)

        assert refused.value.problems[0]["field"] == "reason"
        assert asked.state == "REQUESTED"

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"towards": "ANYONE"}, "recipient_id"),
            ({"towards": "EMPLOYER", "paid_in_full": False, "recipient_id": None}, "recipient_id"),
            ({"towards": "FAMILY", "paid_in_full": False, "coverage_id": PLAN}, "coverage_id"),
            ({"towards": "FAMILY"}, "paid_in_full"),
            ({"information_classes": ["COUNSELLING_NOTES"]}, "information_classes"),
        ],
    )
    def test_refuses_what_makes_no_sense(self, changes: dict[str, Any], field: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            restrictions.request(restriction(**changes))

        assert refused.value.problems[0]["field"] == field


class TestRestrictions:
    def test_are_asked_by_the_patient_answered_by_a_human_and_ended_by_the_patient(
        self, house: House
    ) -> None:
        patient_id = house.refer()["patient_id"]
        asked = ask_for_less(house, patient_id)
        (task,) = tasks_named(house, "restriction_request")

        agreed = answer(house, asked, "AGREE", reason="Paid on Monday.")
        ended = house.room.call(
            "end_restriction",
            {"restriction_id": asked["restriction_id"]},
            role="patient",
            actor_id=patient_id,
        )

        assert (task.owner_role, task.next_role, task.reason) == (
            "supervisor",
            "medical_director",
            "MUST_BE_AGREED",
        )
        assert task.due_at == house.room.now + timedelta(days=5)
        assert closed_named(house, "restriction_request") == ["DONE"]
        assert (agreed["state"], agreed["answered_by_role"], ended["state"]) == (
            "AGREED",
            "supervisor",
            "ENDED",
        )
        told = house.room.announced_of(RestrictionAgreed) + house.room.announced_of(RestrictionEnded)
        assert {event.restriction_id for event in told} == {asked["restriction_id"]}
        assert "Hortensia" not in str(house.room.dump())
        listed = house.room.ask("list_restrictions", {"patient_id": patient_id})["items"]
        assert [one["words"] for one in listed] == ["My cousin Hortensia reads the mail there."]

    def test_that_were_denied_are_never_announced(self, house: House) -> None:
        asked = ask_for_less(house, house.refer()["patient_id"])

        with pytest.raises(Conflict):
            answer(house, asked, "DENY", reason="No.")
        denied = answer(house, asked, "DENY", reason="The plan paid.", paid_in_full=False)

        assert denied["answer_reason"] == "The plan paid."
        assert house.room.announced_of(RestrictionAgreed) == []
        with pytest.raises(Conflict):
            answer(house, asked, "AGREE")

    def test_are_not_answered_by_those_who_treat(self, house: House) -> None:
        asked = ask_for_less(house, house.refer()["patient_id"])

        with pytest.raises(Forbidden):
            house.room.call(
                "answer_restriction", {"restriction_id": asked["restriction_id"], "answer": "AGREE"}
            )


class TestRevokingWhileAdmitting:
    def test_ends_in_one_order_or_the_other(self, house: House) -> None:
        outcomes = set()
        for number in range(8):
            referral = house.decided(given_name=f"Ada {'abcdefgh'[number]}")
            consent = house.consent(referral["patient_id"])
            admitted, revoked = together(
                lambda episode_id=referral["episode_id"]: house.room.call(
                    "admit_patient", {"episode_id": episode_id}
                ),
                lambda consent_id=consent["consent_id"]: house.room.call(
                    "revoke_consent", {"consent_id": consent_id}
                ),
            )
            state = house.episode(referral["episode_id"])["state"]
            assert isinstance(revoked, dict)
            assert isinstance(admitted, dict) == (state == "ADMITTED")
            if not isinstance(admitted, dict):
                assert "consent" in str(admitted.problems)
            # Whoever was admitted first is brought before a human; nobody else is.
            asked = {task.patient_id for task in tasks_named(house, "treatment_without_consent")}
            assert (referral["patient_id"] in asked) == (state == "ADMITTED")
            outcomes.add(state)
        assert outcomes <= {"ADMITTED", "DECIDED"}

    def test_waits_for_an_admission_that_has_looked(self, house: House) -> None:
        referral = house.decided()
        consent = house.consent(referral["patient_id"])
        with house.room.engine.begin() as admitting:
            rows = tables.consent_rows
            admitting.execute(
                sa.select(rows).where(rows.c.consent_id == consent["consent_id"]).with_for_update()
            )
            with pytest.raises(Conflict):
                house.room.call("admit_patient", {"episode_id": referral["episode_id"]})


class TestTreatmentWithoutConsent:
    def test_is_brought_before_a_human_and_ended_by_a_new_consent(self, house: House) -> None:
        referral = house.admitted()
        (given,) = house.room.ask("list_consents", {"patient_id": referral["patient_id"]})["items"]

        house.room.call("revoke_consent", {"consent_id": given["consent_id"]})
        (task,) = tasks_named(house, "treatment_without_consent")
        house.consent(referral["patient_id"])

        assert (task.owner_role, task.due_at) == ("counselor", house.room.now + timedelta(hours=8))
        assert closed_named(house, "treatment_without_consent") == ["DONE"]

    def test_is_none_before_the_admission(self, house: House) -> None:
        referral = house.decided()
        given = house.consent(referral["patient_id"])

        house.room.call("revoke_consent", {"consent_id": given["consent_id"]})

        assert tasks_named(house, "treatment_without_consent") == []


class TestWhoSigned:
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"signed_by": "LEGAL_GUARDIAN", "signing_authority": "POWER_OF_ATTORNEY"}, "signing_authority"),
            (
                {"signed_by": "PERSONAL_REPRESENTATIVE", "signing_authority": "COURT_APPOINTED"},
                "signing_authority",
            ),
            ({"signed_by": "PATIENT", "signing_authority": "EXECUTOR"}, "signed_by"),
        ],
    )
    def test_has_the_right_that_goes_with_the_capacity(
        self, house: House, changes: dict[str, Any], field: str
    ) -> None:
        patient_id = house.refer()["patient_id"]

        with pytest.raises(InvalidInput) as refused:
            house.consent(patient_id, signer="Ruth Marigold", **changes)

        assert refused.value.problems[0]["field"] == field

    def test_is_the_patient_where_the_patients_app_says_so(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]
        told = {
            "patient_id": patient_id,
            "kind": "TREATMENT",
            "signed_by": "LEGAL_GUARDIAN",
            "signer": "Ruth Marigold",
            "signing_authority": "COURT_APPOINTED",
        }

        with pytest.raises(InvalidInput) as refused:
            house.room.call("grant_consent", told, role="patient", actor_id=patient_id)

        assert refused.value.problems[0]["field"] == "signed_by"
        assert house.room.call("grant_consent", told)["signing_authority"] == "COURT_APPOINTED"


class TestTwoAdmissionsAtOnce:
    def test_admit_one_person_once(self, house: House) -> None:
        referral = house.decided()
        house.consent(referral["patient_id"])

        def admit() -> dict[str, Any]:
            return house.room.call("admit_patient", {"episode_id": referral["episode_id"]})

        answers = together(admit, admit, admit)

        assert sorted(isinstance(one, dict) for one in answers) == [False, False, True]
        assert all(isinstance(one, dict | Conflict) for one in answers)
        assert house.count(tables.admission_rows) == 1


def together(*steps: Callable[[], dict[str, Any]]) -> list[Any]:
    """Do several things at the same moment; return what each answered, or refused with."""
    found: list[Any] = [None] * len(steps)
    start = threading.Barrier(len(steps))

    def do(place: int) -> None:
        start.wait()
        try:
            found[place] = steps[place]()
        except Exception as refusal:  # noqa: BLE001  # handed to the test
            found[place] = refusal

    threads = [threading.Thread(target=do, args=(place,)) for place in range(len(steps))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
