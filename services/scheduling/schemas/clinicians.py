"""Clinicians and their credentials."""

from marshmallow import Schema, fields, validate

from services.scheduling.schemas.fields import described
from shared.contracts.common import TASK_OUTCOMES_OF_PEOPLE
from shared.contracts.roles import LICENSED_CREDENTIALS
from shared.contracts.scheduling import TASKS_CLOSED_BY_HAND
from shared.schema_fields import Id, Moment


class Credential(Schema):
    """A licence of a clinician."""

    kind = fields.String(
        required=True,
        validate=validate.OneOf((*LICENSED_CREDENTIALS, "CADC", "PEER")),
        metadata=described("What the person is licensed or certified as."),
    )
    state = fields.String(
        required=True,
        validate=validate.Regexp(r"^[A-Z]{2}$", error="Two capital letters."),
        metadata=described("The state that issued it, e.g. IL."),
    )
    expires_on = fields.Date(required=True, metadata=described("The last day on which it is valid."))


class AddClinician(Schema):
    """Somebody who leads groups or sees patients."""

    clinician_id = Id(metadata=described("The actor id of the person's tokens; made up when left out."))
    site_id = Id(required=True, metadata=described("Where the person works."))
    name = fields.String(validate=validate.Length(min=1, max=200), metadata=described("Kept encrypted."))
    credentials = fields.List(
        fields.Nested(Credential),
        required=True,
        validate=validate.Length(min=1, max=20),
        metadata=described("Licences and certificates."),
    )


class CloseTask(Schema):
    """A task of the work list that no action of its own ends."""

    task_id = Id(required=True, metadata=described("The task."))
    task = fields.String(
        required=True,
        validate=validate.OneOf(TASKS_CLOSED_BY_HAND),
        metadata=described("What was to be done."),
    )
    about_id = Id(required=True, metadata=described("The clinician, the seat, or the session."))
    outcome = fields.String(
        required=True,
        validate=validate.OneOf(TASK_OUTCOMES_OF_PEOPLE),
        metadata=described("Done, or not needed any more."),
    )


class ListClinicians(Schema):
    """Clinicians, of one site or all."""

    site_id = Id(metadata=described("Only of this site."))


class Clinician(Schema):
    """A clinician with credentials."""

    clinician_id = Id(required=True)
    site_id = Id(required=True)
    name = fields.String(allow_none=True)
    credentials = fields.List(fields.Dict(), required=True)
    added_at = Moment(required=True)
    may_lead = fields.Boolean(required=True, metadata=described("Has an unexpired credential today."))
    may_counsel = fields.Boolean(required=True, metadata=described("Is a licensed therapist today."))


class Clinicians(Schema):
    """A page of clinicians."""

    items = fields.List(fields.Nested(Clinician), required=True)
    next = fields.String(allow_none=True)
