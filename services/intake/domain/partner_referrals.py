"""Referrals that a partner sends under ids of its own: told again, one is the same referral."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.intake.domain.tasks import Task
from shared.contracts import roles
from shared.errors import Conflict
from shared.ids import derived_id

#: The task of looking at somebody who was referred while they are with us already.
KNOWN_TASK = "known_person_referred"
#: How soon somebody looks. Design default: a working day.
LOOKED_AT_WITHIN = timedelta(hours=24)


class ExternalIdTaken(Conflict):
    """Raised when a partner sends another person under an id that it has used."""


@dataclass(eq=False, kw_only=True)
class PartnerReferral:
    """What a partner sent, under its own id.

    ``external_index`` finds it by partner and id, and ``identity_index`` tells whether the same person
    is meant; the id itself is sealed, because it may be a number of the partner's records.
    ``referral_id`` is empty where the person was with us already: then it joined ``episode_id``.
    """

    partner_referral_id: str
    partner: str
    external_index: bytes
    identity_index: bytes
    patient_id: str
    episode_id: str
    journey_id: str
    site_id: str
    received_at: datetime
    external_id: str
    referral_id: str | None = None
    tenant_id: str = ""

    @property
    def step_down_id(self) -> str:
        """The id of the step-down that it begins, where it is one."""
        return derived_id(self.partner_referral_id, "step-down")

    def check_same(self, identity_index: bytes) -> None:
        """Refuse another person under an id that was used.

        :raises ExternalIdTaken: when it is another person.
        """
        if self.identity_index != identity_index:
            raise ExternalIdTaken(
                "This id names somebody else.", field="external_id", rule="one id, one referral"
            )

    def known_task(self) -> Task:
        """Return the request to look at somebody who is with us already: the sender hears nothing of it."""
        return Task(
            task_id=derived_id(self.partner_referral_id, KNOWN_TASK),
            task=KNOWN_TASK,
            owner_role=roles.FRONT_DESK,
            next_role=roles.COUNSELOR,
            reason="REFERRED_AGAIN",
            about_id=self.partner_referral_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            opened_at=self.received_at,
            due_at=self.received_at + LOOKED_AT_WITHIN,
        )


def external_text(*, partner: str, external_id: str) -> str:
    """Return the text under which a partner's id is found: two partners' ids never meet."""
    return f"{len(partner)}:{partner}:{external_id}"
