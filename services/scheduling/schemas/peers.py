"""Peers: what people want, what is offered to them, and what staff decide."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from services.scheduling.schemas.fields import described
from shared.contracts.scheduling import PEER_ANSWERS, PEER_DECLINE_REASONS, PEER_STATES
from shared.schema_fields import Id, Moment


class SetPeerPreference(Schema):
    """A patient says whether they want a peer, and would be one."""

    patient_id = Id(required=True, metadata=described("Which patient."))
    preference = fields.String(
        required=True,
        validate=validate.OneOf(PEER_ANSWERS),
        metadata=described("YES to accompany newcomers as well; NO ends all of it."),
    )


class PeerPreference(Schema):
    """What a patient wants of peers."""

    patient_id = Id(required=True)
    preference = fields.String(required=True)
    told_at = Moment(required=True)


class ListPeerOffers(Schema):
    """What a patient was offered."""

    patient_id = Id(required=True, metadata=described("Which patient."))


class AnswerPeerOffer(Schema):
    """One of two people says whether they want to be matched."""

    offer_id = Id(required=True, metadata=described("Which offer."))
    answer = fields.String(
        required=True,
        validate=validate.OneOf(PEER_ANSWERS),
        metadata=described("A no is told to nobody as theirs."),
    )


class PeerOffer(Schema):
    """A match as one of the two sees it."""

    offer_id = Id(required=True)
    patient_id = Id(required=True)
    part = fields.String(required=True, validate=validate.OneOf(("NEWCOMER", "GUIDE")))
    state = fields.String(
        required=True, validate=validate.OneOf(("OFFERED", "MATCHED", "NOT_MATCHED", "ENDED"))
    )
    answer = fields.String(allow_none=True)
    offered_at = Moment(required=True)
    peer_patient_id = Id(allow_none=True, metadata=described("Who it is, once both have agreed."))


class PeerOffers(Schema):
    """A page of offers."""

    items = fields.List(fields.Nested(PeerOffer), required=True)
    next = fields.String(allow_none=True)


class DecidePeerMatch(Schema):
    """Staff confirm a match that was proposed, or decline it."""

    match_id = Id(required=True, metadata=described("Which match."))
    decision = fields.String(
        required=True,
        validate=validate.OneOf(("CONFIRM", "DECLINE")),
        metadata=described("Both are asked once it is confirmed; somebody else is looked for otherwise."),
    )
    reason = fields.String(
        validate=validate.OneOf(PEER_DECLINE_REASONS), metadata=described("Why it is declined.")
    )

    @validates_schema
    def says_why_not(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Refuse to decline without a reason, and a reason to confirm."""
        if ("reason" in data) != (data.get("decision") == "DECLINE"):
            raise ValidationError("Needed to decline, and only then.", "reason")


class ListPeerMatches(Schema):
    """The matches of a site."""

    site_id = Id(required=True, metadata=described("Which site."))


class PeerMatch(Schema):
    """A match as staff see it."""

    match_id = Id(required=True)
    site_id = Id(required=True)
    newcomer_patient_id = Id(required=True)
    guide_patient_id = Id(required=True)
    reasons = fields.List(fields.String(), required=True, metadata=described("Why these two, in codes."))
    state = fields.String(required=True, validate=validate.OneOf(PEER_STATES))
    proposed_at = Moment(required=True)
    due_at = Moment(required=True)
    decided_at = Moment(allow_none=True)
    decided_by = fields.String(allow_none=True)
    decline_reason = fields.String(allow_none=True)
    settled_at = Moment(allow_none=True)


class PeerMatches(Schema):
    """A page of matches."""

    items = fields.List(fields.Nested(PeerMatch), required=True)
    next = fields.String(allow_none=True)
