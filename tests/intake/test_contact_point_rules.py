"""In which order a patient's contact points are tried, and which of them takes a message."""

from typing import Any

import pytest

from services.intake.domain import contact_points, messages
from services.intake.domain.contact_points import ContactBook, Told
from shared.contracts import roles
from shared.contracts.event import Actor
from shared.ids import new_id
from tests.intake.builders import NOW, patient

DESK = Actor(actor_id="desk-1", role=roles.FRONT_DESK)
ONE, TWO, MAIL = "+1 312 555 0101", "+1 312 555 0102", "ada@example.org"


def book(*addresses: str, **person: Any) -> ContactBook:
    """A book with a number or an address for mail each, in this order; messages are safe at all."""
    found = ContactBook(patient(**person), (), new_id=new_id)
    for address in addresses:
        kind = "EMAIL" if "@" in address else "PHONE"
        found.add(kind=kind, address=address, message_safe=True, by=DESK, at=NOW)
    return found


def tried(found: ContactBook) -> list[str]:
    return [one.address for one in found.in_order()]


class TestAddressKey:
    @pytest.mark.parametrize("number", ["312-555-0101", "(312) 555.0101", "1 312 555 0101", "+13125550101"])
    def test_is_one_for_a_number_with_and_without_its_country(self, number: str) -> None:
        assert contact_points.address_key("PHONE", number) == "3125550101"

    def test_tells_numbers_of_other_countries_apart(self) -> None:
        assert contact_points.address_key("PHONE", "+44 20 7946 0101") == "442079460101"

    def test_is_one_for_an_address_in_either_case(self) -> None:
        assert contact_points.address_key("EMAIL", " Ada@Example.org") == "ada@example.org"


class TestOrder:
    def test_is_as_told_where_nothing_is_preferred(self) -> None:
        assert tried(book(ONE, MAIL, TWO)) == [ONE, MAIL, TWO]

    def test_begins_with_the_preferred_kind(self) -> None:
        assert tried(book(MAIL, ONE, TWO, preferred_channel="PHONE")) == [ONE, TWO, MAIL]

    def test_ends_with_what_is_refused_and_what_may_not_be_used(self) -> None:
        found = book(ONE, MAIL, TWO)
        first, mail, _ = found.in_order()

        found.change(first, may_be_used=False, by=DESK, at=NOW)
        found.note_outcome(mail.contact_point_id, refused=True, at=NOW)

        assert tried(found) == [TWO, MAIL, ONE]

    @pytest.mark.parametrize(
        ("position", "order"), [(1, [TWO, ONE, MAIL]), (2, [ONE, TWO, MAIL]), (99, [ONE, MAIL, TWO])]
    )
    def test_takes_one_in_at_its_place(self, position: int, order: list[str]) -> None:
        found = book(ONE, MAIL)

        found.add(kind="PHONE", address=TWO, message_safe=False, position=position, by=DESK, at=NOW)

        assert tried(found) == order

    def test_has_what_a_newer_referral_tells_first(self) -> None:
        found = book(ONE, MAIL)

        found.take_over(Told(phone=TWO, email="new@example.org"), by=DESK, at=NOW)

        assert tried(found) == [TWO, "new@example.org", ONE, MAIL]


class TestMessages:
    def test_go_nowhere_that_is_not_safe_or_cannot_be_written_to(self) -> None:
        found = book(ONE, MAIL)
        found.change(found.in_order()[1], message_safe=False, by=DESK, at=NOW)

        assert found.for_messages() == []

    def test_go_to_none_that_was_tried(self) -> None:
        found = book(MAIL, "second@example.org")
        (first, second) = found.for_messages()

        assert found.for_messages(but=[first.contact_point_id]) == [second]

    @pytest.mark.parametrize(
        ("outcome", "error", "at_fault"),
        [
            ("FAILED", "MailboxRefused550", True),
            ("FAILED", "AddressUnusable", True),
            ("FAILED", "MessageRefused554", False),
            ("FAILED", "SenderRefused550", False),
            ("FAILED", "OutcomeUnknown", False),
            ("FAILED", None, False),
            ("SUPPRESSED", None, False),
            ("SENT", None, False),
        ],
    )
    def test_are_tried_elsewhere_only_where_the_mailbox_is_at_fault(
        self, outcome: str, error: str | None, at_fault: bool
    ) -> None:
        assert messages.is_at_fault(outcome, error) is at_fault


class TestTheRowOfThePatient:
    def test_tells_the_first_of_each_kind_that_may_be_used(self) -> None:
        found = book(ONE, MAIL, TWO)

        found.change(found.in_order()[0], may_be_used=False, by=DESK, at=NOW)

        assert (found.patient.phone, found.patient.email) == (TWO, MAIL)

    def test_brings_in_what_it_alone_tells_and_nothing_that_was_ended(self) -> None:
        found = book(ONE, MAIL)
        found.end(found.in_order()[0], why="NOT_SAFE", by=DESK, at=NOW)
        found.patient.phone = ONE
        found.patient.email = "before@example.org"

        found.adopt(id_of=lambda kind, address: f"{kind}:{address}")

        assert tried(found) == ["before@example.org", MAIL]
