"""What was written to patients: which text, to which of their contact points, and what became of it."""

from dataclasses import dataclass
from datetime import datetime

from shared.contracts.intake import MESSAGE_OUTCOMES

SENT, FAILED, _, _, NO_WAY = MESSAGE_OUTCOMES

#: Failures of the notification port after which the mailbox itself is at fault: there is none of that
#: name, or no address. RFC 5321, 4.2.1: a reply of 5yz is permanent. Others may be ours.
_MAILBOX_AT_FAULT = ("MailboxRefused5", "AddressUnusable")


@dataclass(eq=False, kw_only=True)
class Message:
    """A text to one contact point of a patient, never its words or the address.

    ``message_id`` is the notification's. ``wanted_id`` is shared by the tries of one message at several
    contact points, and is the id of the first. ``outcome`` is one of MESSAGE_OUTCOMES, None while it is
    under way.
    """

    message_id: str
    wanted_id: str
    patient_id: str
    episode_id: str
    #: Which text of the allow-list, and in which language.
    template: str
    language: str
    #: None where there was no way to send it.
    contact_point_id: str | None
    asked_at: datetime
    #: After this moment it would be of no use any more.
    give_up_at: datetime
    outcome: str | None = None
    settled_at: datetime | None = None
    tenant_id: str = ""

    def settle(self, outcome: str, *, at: datetime) -> None:
        """Keep what became of it."""
        self.outcome, self.settled_at = outcome, at


def is_at_fault(outcome: str, error: str | None) -> bool:
    """Tell whether sending failed for good because of the mailbox, so that another one may do better."""
    return outcome == FAILED and (error or "").startswith(_MAILBOX_AT_FAULT)
