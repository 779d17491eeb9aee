"""Attended days: which may be billed, and why others may not."""

from marshmallow import Schema, fields

from services.intake.schemas.fields import Page, id_field


class ListUnbilledDays(Page):
    """List a site's attended days that cannot be billed, oldest first."""

    site_id = id_field("The site.")
    from_ = fields.Date(
        data_key="from",
        allow_none=True,
        load_default=None,
        metadata={"description": "First day at the site; a month before the last when left out."},
    )
    to = fields.Date(
        allow_none=True,
        load_default=None,
        metadata={"description": "Last day at the site; today when left out."},
    )


class ListBillableDays(ListUnbilledDays):
    """List a site's attended days that can be billed, oldest first."""


class AttendedDay(Schema):
    """A day that somebody attended, as ids and codes."""

    delivery_id = id_field("Id of the day.")
    served_on = fields.Date(metadata={"description": "The day, in the site's calendar."})
    site_id = id_field("The site.")
    patient_id = id_field("Who attended.")
    episode_id = id_field("The episode.")
    level = fields.String(metadata={"description": "Level of care."})
    attended_minutes = fields.Integer(metadata={"description": "Clinical minutes that were attended."})
    billable_minutes = fields.Integer(metadata={"description": "Those of sessions that may be billed."})
    kinds = fields.List(fields.String(), metadata={"description": "Kinds of sessions that may be billed."})
    payer = fields.String(allow_none=True)
    coverage_id = id_field("Cover that pays.", allow_none=True)
    authorization_id = id_field("Authorisation whose unit the day uses.", allow_none=True)
    diagnoses = fields.List(fields.String(), metadata={"description": "ICD-10-CM, the most severe first."})
    procedure_code = fields.String(
        allow_none=True,
        metadata={"description": "HCPCS code of a day; 90846 where only the family came: no unit is used."},
    )
    revenue_code = fields.String(allow_none=True, metadata={"description": "UB-04 revenue code of a day."})
    units = fields.Integer(metadata={"description": "One a day."})
    family_codes = fields.List(
        fields.String(),
        metadata={
            "description": "CPT codes of the day's sessions with the family: 90847 with the patient, 90846"
            " without. Whether a payer takes them beside the code of the day is the payer's rule."
        },
    )
    family_alone_minutes = fields.Integer(
        metadata={"description": "Minutes for which the family was seen without the patient."}
    )
    family_codes_withheld = fields.List(
        fields.String(),
        metadata={
            "description": "CPT codes of sessions with the family that are not billed: no consent for people"
            " close to the patient stood on the day."
        },
    )
    reasons = fields.List(
        fields.String(), metadata={"description": "Every reason why it cannot be billed; none when it can."}
    )


#: Columns of the file of billable days, in its order.
BILLABLE_DAY_COLUMNS = tuple(name for name in AttendedDay().fields if name != "reasons")
