"""Whether somebody wants messages, and what was written to them."""

from marshmallow import Schema, fields

from services.intake.schemas.fields import Page, code_field, id_field, moment_field
from shared.contracts import intake as codes


class StopMessages(Schema):
    """Send nothing more to somebody."""

    patient_id = id_field("Who wants no messages.")


class AllowMessages(Schema):
    """Send messages to somebody again who had wanted none."""

    patient_id = id_field("Who wants messages again.")


class MessageStop(Schema):
    """Whether somebody wants no messages."""

    patient_id = id_field("Who it is.")
    stopped = fields.Boolean(metadata={"description": "Whether nothing is sent to them."})


class ListMessages(Page):
    """List what was written to a patient."""

    patient_id = id_field("To whom.")


class Message(Schema):
    """A text that was written to one contact point of a patient, without its words and the address."""

    message_id = id_field("Id of the message.")
    wanted_id = id_field("Shared by the tries of one message at several contact points.")
    patient_id = id_field("To whom.")
    episode_id = id_field("Episode that it was about.")
    template = fields.String(metadata={"description": "Which text of the allow-list."})
    language = fields.String(metadata={"description": "In which language, a code of ISO 639."})
    contact_point_id = id_field("Where to; null where there was no way to send it.", allow_none=True)
    asked_at = moment_field("When it was asked for.")
    outcome = code_field(
        "What became of it; null while it is under way.", codes.MESSAGE_OUTCOMES, allow_none=True
    )
    settled_at = moment_field("When that was settled.", allow_none=True)
