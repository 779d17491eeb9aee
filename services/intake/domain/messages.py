"""What was written to patients: which text, to which of their contact points, and what became of it."""

from dataclasses import dataclass
from datetime import datetime

from services.intake.domain.episodes import Episode
from services.intake.domain.tasks import Task
from shared.contracts import roles
from shared.contracts.intake import MESSAGE_OUTCOMES
from shared.ids import derived_id

SENT, FAILED, _, _, NO_WAY = MESSAGE_OUTCOMES

#: Failures of the notification port after which the mailbox itself is at fault: there is none of that
#: name, or no address. RFC 5321, 4.2.1: a reply of 5yz is permanent. Others may be ours.
_MAILBOX_AT_FAULT = ("MailboxRefused5", "AddressUnusable")

#: Task of telling somebody by telephone, or when they come, what no message could.
TELL_TASK = "patient_to_tell"
#: Texts of which nobody would know otherwise. Of the others a human is asked besides: to call who missed a
#: session, whom a place in the program is offered, and who has not agreed to a week; and the desk has the
#: list of whom the program wants to see today.
_TOLD_BY_NOBODY_ELSE = ("PLACE_OFFERED", "SCHEDULE_CHANGED")


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

    def task_to_tell(self, episode: Episode, *, at: datetime) -> Task | None:
        """Return the request to tell the person otherwise, while that is of use and nobody else is asked."""
        if self.template not in _TOLD_BY_NOBODY_ELSE or at >= self.give_up_at or not episode.is_open:
            return None
        return Task(
            task_id=derived_id(self.wanted_id, TELL_TASK),
            task=TELL_TASK,
            owner_role=roles.FRONT_DESK,
            next_role=roles.COUNSELOR,
            reason=self.outcome or FAILED,
            about_id=self.wanted_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=episode.journey_id,
            opened_at=at,
            due_at=self.give_up_at,
        )


def is_at_fault(outcome: str, error: str | None) -> bool:
    """Tell whether sending failed for good because of the mailbox, so that another one may do better."""
    return outcome == FAILED and (error or "").startswith(_MAILBOX_AT_FAULT)
