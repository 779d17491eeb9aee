"""The notice that tells patients how their records are protected (42 CFR 2.22, 45 CFR 164.520)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.intake.domain.privacy import PRIVACY_OFFICER
from services.intake.domain.tasks import Task
from shared.contracts import roles
from shared.contracts.event import Actor, Event
from shared.contracts.intake import NOTICE_ACKNOWLEDGEMENTS, PrivacyNoticeGiven, PrivacyNoticePublished
from shared.errors import Conflict, InvalidInput
from shared.ids import derived_id

#: How long after the admission the notice may be given at the latest: 42 CFR 2.22(a) says at admission,
#: or as soon as the person can understand it; a day is a design default.
NOTICE_WITHIN = timedelta(hours=24)

NOTICE_TASK = "privacy_notice"

SIGNED = NOTICE_ACKNOWLEDGEMENTS[0]


class NoticeTextTaken(Conflict):
    """Raised when the name of a notice's text is used again for another text."""


class NoNoticeInForce(Conflict):
    """Raised when a notice is said to have been given while none is in force."""


@dataclass(eq=False, kw_only=True)
class PrivacyNotice:
    """One version of the notice: a text that the program keeps, by its name and its digest."""

    notice_id: str
    #: What the program calls this version, e.g. "2026-02".
    edition: str
    #: SHA-256 of the text, in hexadecimal digits: what was given can be proved.
    digest: str
    effective_at: datetime
    published_at: datetime
    published_by: str
    published_by_role: str
    tenant_id: str = ""


@dataclass(eq=False, kw_only=True)
class NoticeReceipt:
    """Somebody was given one version of the notice; a version is given once."""

    receipt_id: str
    notice_id: str
    patient_id: str
    journey_id: str
    #: One of NOTICE_CHANNELS.
    channel: str
    #: One of NOTICE_ACKNOWLEDGEMENTS: a refusal to sign is recorded too (45 CFR 164.520(c)(2)(ii)).
    acknowledgement: str
    given_at: datetime
    given_by: str
    given_by_role: str
    tenant_id: str = ""


def publish(notice: PrivacyNotice, *, earlier: Iterable[PrivacyNotice]) -> list[Event]:
    """Publish a version of the notice.

    :raises NoticeTextTaken: when another text has the name.
    """
    if any(one.edition == notice.edition for one in earlier):
        raise NoticeTextTaken(field="edition", rule="each version has a name of its own")
    return [
        PrivacyNoticePublished(
            notice_id=notice.notice_id,
            edition=notice.edition,
            digest=notice.digest,
            effective_at=notice.effective_at,
            published_at=notice.published_at,
        )
    ]


def in_force(notices: Iterable[PrivacyNotice], *, at: datetime) -> PrivacyNotice | None:
    """Return the version in force at a moment: the one that took effect last."""
    begun = [one for one in notices if one.effective_at <= at]
    return max(begun, key=lambda one: (one.effective_at, one.published_at, one.notice_id), default=None)


def give(
    notice: PrivacyNotice | None,
    *,
    patient_id: str,
    journey_id: str,
    channel: str,
    acknowledgement: str,
    given_at: datetime,
    actor: Actor,
    now: datetime,
) -> tuple[NoticeReceipt, list[Event]]:
    """Record that somebody was given a version.

    :raises NoNoticeInForce: when there was none in force then.
    :raises InvalidInput: when it is said to have been given in the future, or a patient refuses to sign
        in an app where not signing is enough.
    """
    if given_at > now:
        raise InvalidInput("Nothing is given ahead.", field="given_at", rule="may not be in the future")
    if notice is None or notice.effective_at > given_at:
        raise NoNoticeInForce(field="notice_id", rule="a version that was in force when it was given")
    if actor.role == roles.PATIENT and acknowledgement != SIGNED:
        raise InvalidInput(
            "Patients acknowledge by signing.", field="acknowledgement", rule="staff record a refusal"
        )
    receipt = NoticeReceipt(
        receipt_id=derived_id(patient_id, notice.notice_id, "receipt"),
        notice_id=notice.notice_id,
        patient_id=patient_id,
        journey_id=journey_id,
        channel=channel,
        acknowledgement=acknowledgement,
        given_at=given_at,
        given_by=actor.actor_id,
        given_by_role=actor.role,
    )
    return receipt, [
        PrivacyNoticeGiven(
            receipt_id=receipt.receipt_id,
            notice_id=notice.notice_id,
            edition=notice.edition,
            patient_id=patient_id,
            journey_id=journey_id,
            acknowledgement=acknowledgement,
            given_at=given_at,
        )
    ]


def task_for(
    *, patient_id: str, episode_id: str, journey_id: str, admitted_at: datetime, published: bool
) -> Task:
    """Return the request to give somebody the notice who was admitted without it."""
    return Task(
        task_id=derived_id(episode_id, NOTICE_TASK),
        task=NOTICE_TASK,
        owner_role=roles.FRONT_DESK,
        next_role=PRIVACY_OFFICER,
        reason="NOT_GIVEN" if published else "NONE_PUBLISHED",
        about_id=episode_id,
        patient_id=patient_id,
        episode_id=episode_id,
        journey_id=journey_id,
        opened_at=admitted_at,
        due_at=admitted_at + NOTICE_WITHIN,
    )
