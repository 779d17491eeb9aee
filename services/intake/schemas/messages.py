"""Whether somebody wants messages."""

from marshmallow import Schema, fields

from services.intake.schemas.fields import id_field


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
