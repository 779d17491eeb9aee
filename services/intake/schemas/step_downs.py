"""Referrals from partners under their own ids, and step-downs from inpatient care."""

from marshmallow import Schema, fields, validate

from services.intake.schemas.fields import code_field, flag_field, id_field, moment_field, text_field
from services.intake.schemas.people import AdmissionData, Person
from shared.contracts import intake as codes
from shared.contracts.scheduling import MODALITIES


def _codes(description: str, allowed: tuple[str, ...]) -> fields.List:
    return fields.List(
        code_field(description, allowed), load_default=list, validate=validate.Length(max=len(allowed))
    )


class EarlierPlan(Schema):
    """What somebody worked on, learned and has to beware of, as the earlier program tells it."""

    problems = _codes("A problem.", codes.PROBLEMS)
    modalities = _codes("What its sessions did.", MODALITIES)
    skills = _codes("A skill against craving.", codes.COPING_SKILLS)
    triggers = _codes("What can set off use.", codes.TRIGGERS)
    words = text_field("In the program's own words.", allow_none=True, load_default=None)


class StepDownTold(Schema):
    """The stay that somebody comes from."""

    prior_level = code_field("Level of care of the stay.", codes.LEVELS_OF_CARE, required=True)
    discharged_on = fields.Date(
        required=True, metadata={"description": "Day of the discharge, which may be planned."}
    )
    earlier_plan = fields.Nested(EarlierPlan, allow_none=True, load_default=None)


class RecordStepDown(StepDownTold):
    """Record that somebody steps down from inpatient care, as the hospital told it on the telephone."""

    episode_id = id_field("Open episode of the person.")


class RegisterPartnerReferral(Schema):
    """Refer somebody under an id of one's own; sent again, it is the same referral."""

    external_id = text_field("The sender's id of the referral.", longest=128, required=True)
    site_id = id_field("Site the person is referred to.")
    patient = fields.Nested(Person, required=True)
    referral_source = code_field(
        "TEDS code of PSOURCE, 1 to 7; a care provider when left out.",
        codes.REFERRAL_SOURCES,
        load_default="2",
    )
    teds = fields.Nested(AdmissionData, load_default=dict, metadata={"description": "TEDS admission data."})
    received_at = moment_field("When it was sent; now when left out.", allow_none=True, load_default=None)
    step_down = fields.Nested(StepDownTold, allow_none=True, load_default=None)


class PartnerReferral(Schema):
    """A referral that was received: to its sender the same whether the person was known or not."""

    external_id = fields.String()
    status = fields.String(metadata={"description": "RECEIVED."})
    received_at = moment_field("When it was received first.")
    next_step = fields.String(metadata={"description": "Code of the one thing to do next."})
    what = fields.String(metadata={"description": "The same in plain words."})
    bring = fields.List(fields.String(), metadata={"description": "Codes of what to bring."})
    patient_id = id_field("Id of the person; for the staff alone.", required=False)
    episode_id = id_field("Episode that it opened or joined; for the staff alone.", required=False)
    referral_id = id_field(
        "Referral; none where it joined an open episode; for the staff alone.",
        required=False,
        allow_none=True,
    )
    step_down_id = id_field("Step-down, if it is one; for the staff alone.", required=False, allow_none=True)


class GetStepDown(Schema):
    """Look at a step-down from inpatient care."""

    step_down_id = id_field("The step-down.")


class RecordStepDownContact(Schema):
    """Record an attempt to reach somebody who steps down."""

    step_down_id = id_field("The step-down.")
    outcome = code_field("How it ended.", codes.CALL_OUTCOMES, required=True)


class RecordDischargeSummary(Schema):
    """Record that the earlier program's summary is here."""

    step_down_id = id_field("The step-down.")
    medications_reconciled = flag_field("The medications were compared.")


class ImportEarlierPlan(EarlierPlan):
    """Take over the plan and the skills that somebody brings, to begin with as version 0."""

    step_down_id = id_field("The step-down.")


class StepDown(Schema):
    """A step-down, its clocks, and what came along."""

    step_down_id = id_field("The step-down.")
    patient_id = id_field("Id of the person.")
    episode_id = id_field("Episode of the person.")
    site_id = id_field("The site.")
    prior_level = fields.String()
    discharged_on = fields.Date()
    received_at = moment_field("When it was received.")
    contact_due_at = moment_field("By when somebody contacts them.")
    contacted_at = moment_field("When somebody did.", allow_none=True)
    service_due_at = moment_field("By when the first service is given.")
    served_on = fields.Date(allow_none=True, metadata={"description": "Day of the first service."})
    served_in_time = fields.Boolean()
    breached_at = moment_field("When the seven days were over without a service.", allow_none=True)
    summary_due_at = moment_field("By when the summary is expected.", allow_none=True)
    summary_received_at = moment_field("When it came.", allow_none=True)
    medications_reconciled = fields.Boolean()
    earlier_plan = fields.Dict(allow_none=True)
    words = fields.String(allow_none=True)
