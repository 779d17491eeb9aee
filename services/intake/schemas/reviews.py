"""Reviews of the level of care."""

from marshmallow import Schema, fields

from services.intake.schemas.fields import Page, code_field, id_field, moment_field, text_field
from shared.contracts import intake as codes


class ListLevelReviews(Page):
    """List reviews of the level of care."""

    open = fields.Boolean(load_default=False, metadata={"description": "Open ones only."})
    episode_id = id_field("Of one episode only.", required=False, allow_none=True, load_default=None)


class CloseLevelReview(Schema):
    """Close a review of the level of care."""

    review_id = id_field("Id of the review.")
    outcome = code_field("What it came to.", codes.REVIEW_OUTCOMES, required=True)
    to_level = code_field(
        "The level of care that is needed then; only with STEP_UP and STEP_DOWN, and needed with them.",
        codes.ALL_LEVELS_OF_CARE,
        allow_none=True,
        load_default=None,
    )
    note = text_field("What was looked at and why.", required=True)


class LevelReview(Schema):
    """A review of the level of care."""

    review_id = id_field("Id of the review.")
    episode_id = id_field("Episode of the person.")
    patient_id = id_field("Id of the person.")
    reason = fields.String()
    requested_at = moment_field("When it was asked for.")
    due_at = moment_field("By when it is due.")
    state = fields.String()
    outcome = fields.String(allow_none=True)
    to_level = fields.String(allow_none=True)
    closed_at = moment_field("When it ended.", allow_none=True)
    closed_by = fields.String(allow_none=True)
    closed_by_role = fields.String(allow_none=True)
    closed_by_credential = fields.String(allow_none=True)
    note = fields.String(allow_none=True)
