"""Demands for records by courts and the like, and patients' requests for their own."""

from marshmallow import Schema, fields, validate

from services.intake.schemas.fields import Page, code_field, flag_field, id_field, moment_field, text_field
from shared.contracts import intake as codes

#: Patients that the gateway asks about at once. Design default: a few milliseconds of work.
MOST_PATIENTS = 200


class Demanded(Schema):
    """Whom a demand is about, as its sender puts it."""

    given_name = text_field("Given name.", longest=100, required=True)
    family_name = text_field("Family name.", longest=100, required=True)
    birth_date = fields.Date(
        allow_none=True, load_default=None, metadata={"description": "Day of birth, if it is told."}
    )


class ReceiveLegalDemand(Schema):
    """Hand in a demand for somebody's records. The answer never tells whether there is such a person."""

    kind = code_field("With what they are demanded.", codes.LEGAL_DEMANDS, required=True)
    asker = text_field("Who demands them.", longest=500, required=True)
    about = fields.Nested(Demanded, required=True)
    text = text_field("What is demanded.", allow_none=True, load_default=None)
    answer_by = moment_field("When an answer is wanted.", allow_none=True, load_default=None)


class LegalDemandReceipt(Schema):
    """That a demand was received: the same whoever it is about."""

    status = fields.String(metadata={"description": "received"})


class ListLegalDemands(Page):
    """List demands for records."""

    open = flag_field("Only those that wait for a human.")
    on_hold = flag_field("Only those because of which nothing may be forgotten.")


class IdentifyDemanded(Schema):
    """Say whom a demand is about, where its sender told too little to recognise them."""

    demand_id = id_field("Id of the demand.")
    patient_id = id_field("Whom it is about.")


class SettleLegalDemand(Schema):
    """Record what was decided about a demand for records."""

    demand_id = id_field("Id of the demand.")
    outcome = code_field("What was decided.", codes.LEGAL_OUTCOMES, required=True)
    note = text_field("Why.", required=True)


class ReleaseLegalHold(Schema):
    """Let what is old about somebody be forgotten again."""

    demand_id = id_field("Id of the demand that put the hold on.")


class LegalDemand(Schema):
    """A demand for records."""

    demand_id = id_field("Id of the demand.")
    kind = fields.String()
    patient_id = id_field("Whom it is about, where we know them.", allow_none=True)
    asker = fields.String()
    about = fields.String()
    text = fields.String(allow_none=True)
    received_at = moment_field("When it came.")
    received_by = fields.String()
    received_by_role = fields.String()
    due_at = moment_field("By when somebody looks at it.")
    outcome = fields.String(allow_none=True)
    note = fields.String(allow_none=True)
    settled_at = moment_field("When it was decided.", allow_none=True)
    settled_by = fields.String(allow_none=True)
    settled_by_role = fields.String(allow_none=True)
    settled_by_credential = fields.String(allow_none=True)
    hold_is_on = fields.Boolean(metadata={"description": "Whether nothing may be forgotten because of it."})
    released_at = moment_field("When the hold was released.", allow_none=True)


class RequestRecord(Schema):
    """Ask for somebody's own record (45 CFR 164.524)."""

    patient_id = id_field("Whose record.")


class ListRecordRequests(Schema):
    """List somebody's requests for their record."""

    patient_id = id_field("Whose requests.")


class GetRecordRequest(Schema):
    """Look at a request for a record."""

    request_id = id_field("Id of the request.")


class DeliverRecord(Schema):
    """Say that a record was delivered, on paper or by the door."""

    request_id = id_field("Id of the request.")


class AnswerRecordRequest(Schema):
    """Put a request off once, or deny it on one of the few grounds that there are."""

    request_id = id_field("Id of the request.")
    extend = flag_field("Put it off by thirty days.")
    ground = code_field("Why it is denied.", codes.ACCESS_DENIAL_GROUNDS, allow_none=True, load_default=None)
    reason = text_field("Why, in words for the patient.", required=True)


class RecordRequest(Schema):
    """A request for somebody's own record."""

    request_id = id_field("Id of the request.")
    patient_id = id_field("Whose record.")
    requested_at = moment_field("When it was asked for.")
    requested_by = fields.String()
    requested_by_role = fields.String()
    due_at = moment_field("By when it is delivered.")
    state = fields.String(metadata={"description": "OPEN, DELIVERED or DENIED."})
    extended_at = moment_field("When it was put off.", allow_none=True)
    delivered_at = moment_field("When it was first delivered.", allow_none=True)
    denied_at = moment_field("When it was denied.", allow_none=True)
    denied_by = fields.String(allow_none=True)
    denied_by_role = fields.String(allow_none=True)
    denied_by_credential = fields.String(allow_none=True)
    ground = fields.String(allow_none=True)
    reason = fields.String(allow_none=True)


class ListDueForms(Schema):
    """Ask which instruments are due for some patients now: the gateway's own question about a day."""

    patient_ids = fields.List(
        id_field("A patient."), required=True, validate=validate.Length(max=MOST_PATIENTS)
    )


class ListNames(Schema):
    """Ask what some patients are called: the gateway's own question for a sheet of a day."""

    patient_ids = fields.List(
        id_field("A patient."), required=True, validate=validate.Length(max=MOST_PATIENTS)
    )


class ListStandingConsents(Schema):
    """Ask under which consents of some patients something may leave now: the gateway's own question."""

    patient_ids = fields.List(
        id_field("A patient."), required=True, validate=validate.Length(max=MOST_PATIENTS)
    )
