"""Cover: payers' answers, authorisations and units."""

from marshmallow import Schema, fields, validate

from services.intake.schemas.fields import (
    Page,
    code_field,
    day_field,
    flag_field,
    id_field,
    moment_field,
    number_field,
    text_field,
)
from shared.contracts import intake as codes

#: Most money in one field, in cents. Design default: more, and a comma is missing.
MOST_MONEY = 100_000_000

#: Most answers in one request. Design default: a few seconds of one transaction.
MOST_ANSWERS = 500


def _money(description: str) -> fields.Integer:
    return number_field(f"{description}, in cents.", 0, MOST_MONEY, allow_none=True, load_default=None)


class RecordEligibilityAnswer(Schema):
    """Keep what a payer answered about somebody (X12 271); the newest answer of a payer counts."""

    patient_id = id_field("Whose cover it is.")
    payer = text_field("Code of the payer.", longest=64, required=True)
    status = code_field("EB01: 1 is ACTIVE, 6 is INACTIVE.", codes.COVERAGE_STATES, required=True)
    in_network = fields.Boolean(
        allow_none=True, load_default=None, metadata={"description": "Whether the program is in its network."}
    )
    needs_authorization = flag_field("Days of care need its word beforehand.")
    deductible_left = _money("Deductible left")
    out_of_pocket_left = _money("Left until the most that the person pays in a year")
    coinsurance_percent = number_field(
        "Share that the person pays.", 0, 100, allow_none=True, load_default=None
    )
    copay = _money("Paid by the person for each day")
    member_number = text_field("Number of the member.", longest=80, allow_none=True, load_default=None)
    answered_at = moment_field("When the payer answered.", required=True)
    first_on = day_field(
        "First day that it pays for, where the payer says so.", allow_none=True, load_default=None
    )
    last_on = day_field(
        "Last day that it pays for, where the payer says so; while it pays, a day to come.",
        allow_none=True,
        load_default=None,
    )


class ImportEligibilityAnswers(Schema):
    """Keep what payers answered about many people; answered with a job: its result is an EligibilityImport.

    A row that breaks a rule is told by its line, and the others go on. A row that came before, or that a
    newer answer has overtaken, changes nothing.
    """

    rows = fields.List(
        fields.Raw(),
        required=True,
        validate=validate.Length(min=1, max=MOST_ANSWERS),
        metadata={
            "description": "Rows {line?, patient_id, payer, status, answered_at, in_network?,"
            " needs_authorization?, deductible_left?, out_of_pocket_left?, coinsurance_percent?, copay?,"
            " member_number?, first_on?, last_on?}, as in the answer about one person."
        },
    )


class RefusedAnswer(Schema):
    """A row of an import that was not taken, and why."""

    line = fields.Integer()
    field = fields.String()
    rule = fields.String()


class EligibilityImport(Schema):
    """What an import of answers came to."""

    taken = fields.Integer(metadata={"description": "Rows that are the newest answer of their payer now."})
    known = fields.Integer(metadata={"description": "Rows that said nothing new."})
    refused_rows = fields.Integer(metadata={"description": "Rows that were not taken."})
    refused = fields.List(fields.Nested(RefusedAnswer))


class ListEligibilityDue(Page):
    """List the covers whose payers are to be asked this month."""

    site_id = id_field("Of people in treatment at this site.")


class EligibilityDue(Schema):
    """A cover that pays, as its payer said in a month before this one."""

    coverage_id = id_field("Id of the cover; the list goes on by it.")
    patient_id = id_field("Whose cover it is.")
    episode_id = id_field("Their episode at the site.")
    payer = fields.String()
    member_number = fields.String(allow_none=True)
    answered_at = moment_field("When the payer answered last.")


class CoveredStretch(Schema):
    """Days for which a payer pays, as far as it told."""

    first_on = fields.Date(allow_none=True, metadata={"description": "First day; null where not known."})
    last_on = fields.Date(allow_none=True, metadata={"description": "Last day; null where none is known."})


class Coverage(Schema):
    """What a payer last answered about somebody."""

    coverage_id = id_field("Id of the cover.")
    patient_id = id_field("Whose cover it is.")
    payer = fields.String()
    status = fields.String()
    in_network = fields.Boolean(allow_none=True)
    needs_authorization = fields.Boolean()
    deductible_left = fields.Integer(allow_none=True)
    out_of_pocket_left = fields.Integer(allow_none=True)
    coinsurance_percent = fields.Integer(allow_none=True)
    copay = fields.Integer(allow_none=True)
    member_number = fields.String(allow_none=True)
    answered_at = moment_field("When the payer answered.")
    covered = fields.List(
        fields.Nested(CoveredStretch),
        metadata={"description": "When it pays and paid: days are billed by what held on them."},
    )


class RecordAuthorization(Schema):
    """Keep what a payer decided about days of care."""

    episode_id = id_field("Episode of the person.")
    coverage_id = id_field("The cover that decided.")
    decision = code_field("What was decided.", codes.AUTHORIZATION_DECISIONS, required=True)
    units = number_field("Days that are authorised; 0 when denied.", 0, 366, required=True)
    first_on = fields.Date(required=True, metadata={"description": "First covered day."})
    last_on = fields.Date(required=True, metadata={"description": "Last covered day."})
    decided_at = moment_field("When it was decided.", required=True)
    denial_code = code_field("Why it was denied.", codes.DENIAL_CODES, allow_none=True, load_default=None)
    number = text_field("The payer's number for it.", longest=80, allow_none=True, load_default=None)


class TakeAuthorizedUnit(Schema):
    """Reserve a unit for a day."""

    authorization_id = id_field("The authorisation.")
    served_on = fields.Date(required=True, metadata={"description": "The day."})


class ReleaseAuthorizedUnit(Schema):
    """Give a reserved unit back."""

    authorization_id = id_field("The authorisation.")
    served_on = fields.Date(required=True, metadata={"description": "The day."})


class EndAuthorization(Schema):
    """End an authorisation before its time, because the payer said so."""

    authorization_id = id_field("The authorisation.")
    last_on = fields.Date(required=True, metadata={"description": "Its last covered day from now on."})


class GetCoverage(Schema):
    """Look at somebody's cover in an episode, and at the ledger of units."""

    episode_id = id_field("The episode.")


class UnitLedger(Schema):
    """What became of units."""

    authorized = fields.Integer()
    reserved = fields.Integer()
    used = fields.Integer()
    remaining = fields.Integer()


class Authorization(Schema):
    """An authorisation with its ledger."""

    authorization_id = id_field("Id of the authorisation.")
    patient_id = id_field("Whose it is.")
    episode_id = id_field("Episode of the person.")
    coverage_id = id_field("The cover that decided.")
    decision = fields.String()
    first_on = fields.Date()
    last_on = fields.Date()
    decided_at = moment_field("When it was decided.")
    denial_code = fields.String(allow_none=True)
    number = fields.String(allow_none=True)
    recorded_by = fields.String()
    recorded_by_role = fields.String()
    ledger = fields.Nested(UnitLedger)
    alerts = fields.List(fields.String(), metadata={"description": "Few units or days left, as was told."})


class EpisodeCoverage(Schema):
    """Somebody's cover in an episode."""

    patient_id = id_field("Whose it is.")
    episode_id = id_field("The episode.")
    coverages = fields.List(fields.Nested(Coverage))
    authorizations = fields.List(fields.Nested(Authorization))
    warnings = fields.List(fields.String(), metadata={"description": "What stands against being paid."})
    days_not_authorized = fields.List(
        fields.Date(), metadata={"description": "Scheduled days that the payer would have to authorise."}
    )
