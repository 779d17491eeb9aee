"""Consents: their elements, and how they are taken back."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.intake.domain import consents
from shared.contracts import roles
from shared.contracts.event import Actor
from shared.errors import InvalidInput
from tests.intake.builders import NOW, site

STAFF = Actor(actor_id="rosa", role=roles.COUNSELOR)


def consent(**changes: Any) -> consents.Consent:
    """A consent to treatment."""
    values: dict[str, Any] = {
        "consent_id": "consent",
        "patient_id": "ada",
        "journey_id": "journey",
        "kind": "TREATMENT",
        "signed_by": "PATIENT",
        "signed_at": NOW,
        "granted_at": NOW,
        "information_classes": [],
    }
    return consents.Consent(**values | changes)


def court(**changes: Any) -> consents.Consent:
    """A consent to tell a probation officer about attendance."""
    values: dict[str, Any] = {
        "kind": "CRIMINAL_JUSTICE",
        "recipient": "Cook County probation",
        "purpose": "Condition of probation",
        "information_classes": ["ATTENDANCE"],
        "ends_with_event": "END_OF_SUPERVISION",
    }
    return consent(**values | changes)


class TestGrant:
    def test_tells_kind_and_classes_and_never_the_recipients_name(self) -> None:
        (granted,) = consents.grant(court())

        assert (granted.kind, granted.information_classes) == ("CRIMINAL_JUSTICE", ("ATTENDANCE",))
        assert "Cook" not in str(granted.to_data())

    @pytest.mark.parametrize(
        ("changes", "fields"),
        [
            ({"signed_at": NOW + timedelta(minutes=1)}, ["signed_at"]),
            ({"expires_at": NOW}, ["expires_at"]),
            ({"kind": "TPO"}, ["recipient", "information_classes", "purpose"]),
            (
                {
                    "kind": "FAMILY",
                    "recipient": "Her sister",
                    "purpose": "x",
                    "information_classes": ["CONTACT"],
                },
                ["expires_at"],
            ),
        ],
    )
    def test_names_each_element_that_is_missing(self, changes: dict[str, Any], fields: list[str]) -> None:
        with pytest.raises(InvalidInput) as refused:
            consents.grant(consent(**changes))

        assert [problem["field"] for problem in refused.value.problems] == fields

    @pytest.mark.parametrize(
        ("changes", "fields"),
        [
            ({"ends_with_event": None, "expires_at": NOW + timedelta(days=90)}, ["ends_with_event"]),
            ({"information_classes": ["ATTENDANCE", "COUNSELLING_NOTES"]}, ["information_classes"]),
        ],
    )
    def test_asks_more_of_a_court_consent(self, changes: dict[str, Any], fields: list[str]) -> None:
        with pytest.raises(InvalidInput) as refused:
            consents.grant(court(**changes))

        assert [problem["field"] for problem in refused.value.problems] == fields

    def test_lets_a_tpo_consent_never_end(self) -> None:
        assert consents.grant(
            consent(kind="TPO", recipient="My payer", purpose="TPO", information_classes=["BILLING"])
        )


class TestRevoke:
    def test_ends_the_consent_at_once(self) -> None:
        given = consent()

        (revoked,) = given.revoke(event_occurred_at=None, actor=STAFF, now=NOW)

        assert revoked.revoked_at == NOW
        assert not given.is_active(now=NOW)

    def test_refuses_the_second_time(self) -> None:
        given = consent()
        given.revoke(event_occurred_at=None, actor=STAFF, now=NOW)

        with pytest.raises(consents.ConsentAlreadyRevoked):
            given.revoke(event_occurred_at=None, actor=STAFF, now=NOW)

    @pytest.mark.parametrize("occurred_at", [None, NOW + timedelta(seconds=1), NOW - timedelta(days=365)])
    def test_waits_for_the_event_that_a_court_consent_names(self, occurred_at: Any) -> None:
        with pytest.raises(consents.ConsentNotRevocable):
            court().revoke(event_occurred_at=occurred_at, actor=STAFF, now=NOW)

    def test_of_a_court_consent_is_not_on_the_patients_word(self) -> None:
        patient = Actor(actor_id="ada", role=roles.PATIENT)
        later = NOW + timedelta(days=90)

        with pytest.raises(consents.ConsentNotRevocable):
            court().revoke(event_occurred_at=later, actor=patient, now=later)

    def test_follows_the_event_that_a_court_consent_names(self) -> None:
        given = court()

        given.revoke(event_occurred_at=NOW + timedelta(days=89), actor=STAFF, now=NOW + timedelta(days=90))

        assert given.revoked_at == NOW + timedelta(days=90)


class TestIsActive:
    def test_ends_at_its_expiry(self) -> None:
        given = consent(expires_at=NOW + timedelta(days=1))

        assert given.is_active(now=NOW)
        assert not given.is_active(now=NOW + timedelta(days=1))


class TestDays:
    """They are days at the site, whose clock is behind Greenwich's."""

    EVENING = datetime(2026, 2, 3, 2, tzinfo=UTC)  # still the second in Chicago

    @pytest.mark.parametrize(
        ("changes", "last"),
        [
            ({}, None),
            ({"expires_at": EVENING + timedelta(days=30)}, None),
            ({"expires_at": EVENING + timedelta(days=1)}, date(2026, 2, 3)),
            ({"revoked_at": EVENING + timedelta(days=2)}, date(2026, 2, 4)),
            ({"expires_at": EVENING + timedelta(days=1), "revoked_at": EVENING}, date(2026, 2, 2)),
            ({"ended_at": EVENING, "expires_at": EVENING + timedelta(days=1)}, date(2026, 2, 2)),
        ],
    )
    def test_go_from_the_signature_to_the_end(self, changes: dict[str, Any], last: date | None) -> None:
        told = court(signed_at=self.EVENING, granted_at=self.EVENING + timedelta(days=3), **changes)

        found = told.days(site=site(), now=self.EVENING + timedelta(days=9))

        assert found == (date(2026, 2, 2), last)
