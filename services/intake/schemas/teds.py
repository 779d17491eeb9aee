"""Records of admissions in codes of the Treatment Episode Data Set."""

from marshmallow import Schema, fields

from services.intake import teds
from services.intake.schemas.fields import Page, id_field, moment_field
from services.intake.schemas.people import AdmissionData

#: Fields of a record, in the order in which a file has them.
TEDS_FIELDS = teds.FIELDS


class RecordTedsCodes(Schema):
    """Keep what was found out about somebody in TEDS codes; -9 forgets a code that was wrong."""

    episode_id = id_field("The episode.")
    teds = fields.Nested(AdmissionData, required=True, metadata={"description": "TEDS admission data."})


class TedsCodes(Schema):
    """What is recorded of somebody in TEDS codes, as far as it was told."""

    episode_id = id_field("The episode.")
    patient_id = id_field("Whose codes they are.")
    teds = fields.Dict(metadata={"description": "Code of each field that is known."})


class ListTedsRecords(Page):
    """List the records of a site's admissions, by the id of the admission."""

    site_id = id_field("The site.")
    from_ = fields.Date(
        data_key="from",
        allow_none=True,
        load_default=None,
        metadata={"description": "First day of admission at the site; from the first when left out."},
    )
    to = fields.Date(
        allow_none=True,
        load_default=None,
        metadata={"description": "Last day of admission; to the last when left out."},
    )


class TedsProblem(Schema):
    """A code that the code book does not allow where it stands."""

    field = fields.String()
    rule = fields.String()


class TedsRecord(Schema):
    """An admission in TEDS codes: every field of the data set, -9 where nothing is known."""

    admission_id = id_field("The admission.")
    patient_id = id_field("Who was admitted.")
    episode_id = id_field("The episode.")
    admitted_at = moment_field("When the treatment began.")
    values = fields.Dict(metadata={"description": "Code of each field."})
    not_collected = fields.List(fields.String(), metadata={"description": "Fields that hold -9."})
    problems = fields.List(
        fields.Nested(TedsProblem), metadata={"description": "What the code book does not allow; else empty."}
    )
