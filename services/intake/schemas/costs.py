"""What care costs: prices, estimates with their assumptions, the sliding fee, and ways to pay."""

from marshmallow import Schema, fields

from services.intake.schemas.coverage import MOST_MONEY
from services.intake.schemas.fields import (
    code_field,
    flag_field,
    id_field,
    moment_field,
    number_field,
    text_field,
)
from shared.contracts import intake as codes

#: Largest household, and most days of one estimate. Design default: more, and it is a slip.
LARGEST_HOUSEHOLD, MOST_UNITS = 20, 366


class SetRate(Schema):
    """Tell what a day of care costs at a site from a day on, or what a payer allows for it."""

    site_id = id_field("The site.")
    payer = text_field("Code of the payer, or SELF_PAY for the price.", longest=64, required=True)
    level = code_field("Level of care.", codes.ALL_LEVELS_OF_CARE, required=True)
    amount = number_field("Cents a day.", 1, MOST_MONEY, required=True)
    effective_on = fields.Date(required=True, metadata={"description": "First day on which it holds."})


class ListRates(Schema):
    """List what a day costs at a site."""

    site_id = id_field("The site.")


class Rate(Schema):
    """What a day of care costs at a site from a day on."""

    rate_id = id_field("Id of the rate.")
    site_id = id_field("The site.")
    payer = fields.String()
    level = fields.String()
    amount = fields.Integer(metadata={"description": "Cents a day."})
    effective_on = fields.Date()
    recorded_by = fields.String()
    recorded_by_role = fields.String()
    recorded_at = moment_field("When it was told.")


class EstimateCost(Schema):
    """Tell somebody what care would cost, with every assumption."""

    episode_id = id_field("The episode.")
    units = number_field(
        "Days of care; the usual weeks when left out.", 1, MOST_UNITS, allow_none=True, load_default=None
    )
    level = code_field(
        "Level of care; the one decided on when left out.",
        codes.ALL_LEVELS_OF_CARE,
        allow_none=True,
        load_default=None,
    )
    coverage_id = id_field(
        "Cover that would pay; the active one when left out.",
        required=False,
        allow_none=True,
        load_default=None,
    )
    self_pay = flag_field("The person would pay themself, whatever cover there is.")


class ListCostEstimates(Schema):
    """List what somebody was told, and how far a bill would pass it by now."""

    episode_id = id_field("The episode.")


class Assumption(Schema):
    """Something that an estimate assumes."""

    code = fields.String()
    text = fields.String(metadata={"description": "The same in words."})
    amount = fields.Integer(allow_none=True, metadata={"description": "In cents, where it is an amount."})


class CostEstimate(Schema):
    """What somebody was told that care would cost; all amounts in cents. It is no bill."""

    estimate_id = id_field("Id of the estimate.")
    patient_id = id_field("Whose it is.")
    episode_id = id_field("The episode.")
    payer = fields.String()
    coverage_id = id_field("Cover that would pay.", allow_none=True)
    level = fields.String()
    units = fields.Integer(metadata={"description": "Days of care."})
    amount = fields.Integer(metadata={"description": "For a day: the price, or what the payer allows."})
    total = fields.Integer(metadata={"description": "For all days."})
    person_pays_least = fields.Integer()
    person_pays_most = fields.Integer()
    assumptions = fields.List(fields.Nested(Assumption))
    good_faith = fields.Boolean(
        metadata={"description": "Whether it is the good-faith estimate of somebody who pays themself."}
    )
    made_at = moment_field("When it was made.")
    made_by_role = fields.String()


class CostEstimates(Schema):
    """What somebody was told, the newest first, and how a bill stands to it."""

    patient_id = id_field("Whose they are.")
    episode_id = id_field("The episode.")
    items = fields.List(fields.Nested(CostEstimate))
    good_faith_due_at = moment_field("By when a good-faith estimate is owed.", allow_none=True)
    good_faith_given = fields.Boolean()
    days_delivered = fields.Integer(metadata={"description": "Days that may be charged so far."})
    over_by = fields.Integer(metadata={"description": "Cents by which they pass the newest estimate."})
    may_be_disputed = fields.Boolean(
        metadata={"description": "Whether a bill for them would be at least 400 dollars over it."}
    )


class DeclareSelfPay(Schema):
    """Keep that somebody pays themself; a good-faith estimate is owed to them in time."""

    episode_id = id_field("The episode.")
    reason = code_field("Why.", codes.SELF_PAY_REASONS, required=True)
    asks_for_estimate = flag_field("The person asks what it would cost.")


class UseCover(Schema):
    """Keep that somebody uses their cover after all, who had said that they do not."""

    episode_id = id_field("The episode.")
    used_from = fields.Date(
        required=True, metadata={"description": "From which day on, at the site: today, or one before."}
    )
    because = code_field("Why.", codes.COVER_USED_REASONS, required=True)


class CoverNotUsed(Schema):
    """Days for which somebody used no cover, and how that ended."""

    first_on = fields.Date(metadata={"description": "Since which day."})
    used_from = fields.Date(metadata={"description": "From which day on cover is used again."})
    because = fields.String(metadata={"description": "Why."})
    told_by = fields.String()
    told_by_role = fields.String()
    told_at = moment_field("When that was said.")


class SelfPay(Schema):
    """That somebody pays themself, and by when an estimate is owed to them."""

    patient_id = id_field("Who.")
    episode_id = id_field("The episode.")
    reason = fields.String(allow_none=True)
    declared_at = moment_field("Since when.", allow_none=True)
    requested_at = moment_field("When they asked what it would cost.", allow_none=True)
    scheduled_at = moment_field("When a week was agreed on.", allow_none=True)
    first_session_at = moment_field("Its first session.", allow_none=True)
    due_at = moment_field("By when the estimate is owed.", allow_none=True)
    estimate_id = id_field("The estimate that was given.", allow_none=True)
    cover_not_used = fields.List(
        fields.Nested(CoverNotUsed),
        metadata={"description": "When no cover was used before that was taken back."},
    )


class AssessFee(Schema):
    """Work out what somebody pays by household and income."""

    episode_id = id_field("The episode.")
    household_size = number_field("How many live in the household.", 1, LARGEST_HOUSEHOLD, required=True)
    yearly_income = number_field("What it earns in a year, in cents.", 0, 10 * MOST_MONEY, required=True)
    proof = code_field("What shows it.", codes.INCOME_PROOFS, required=True)


class FeeAssessment(Schema):
    """What somebody pays by household and income."""

    fee_assessment_id = id_field("Id of the assessment.")
    patient_id = id_field("Who.")
    episode_id = id_field("The episode.")
    household_size = fields.Integer()
    yearly_income = fields.Integer(metadata={"description": "In cents."})
    proof = fields.String()
    percent_of_guideline = fields.Integer(
        metadata={"description": "Income, in percent of the poverty guideline."}
    )
    pays_percent = fields.Integer(metadata={"description": "Share of the price that the person pays."})
    guidelines_year = fields.Integer()
    pack_version = fields.Integer(metadata={"description": "Version of the signed table."})
    assessed_at = moment_field("When it was worked out.")
    ends_at = moment_field("Until when it holds.")
    assessed_by = fields.String()
    assessed_by_role = fields.String()


class GetFundingPaths(Schema):
    """Look at the ways to pay for care without cover."""

    episode_id = id_field("The episode.")


class FundingPath(Schema):
    """One way to pay, and what to do next."""

    path = fields.String(
        metadata={"description": "MEDICAID_PRESUMPTIVE, BLOCK_GRANT, VETERANS_AFFAIRS or SLIDING_FEE."}
    )
    likelihood = fields.String(metadata={"description": "LIKELY, TO_BE_ASKED or UNLIKELY."})
    because = fields.String()
    next_step = fields.String()
    what = fields.String(metadata={"description": "The next step in words."})
    bring = fields.List(fields.String())


class FundingPaths(Schema):
    """The ways to pay for care without cover, the likelier first."""

    patient_id = id_field("Who.")
    episode_id = id_field("The episode.")
    covered = fields.Boolean(
        metadata={"description": "Whether a payer covers the person now: then there are none."}
    )
    paths = fields.List(fields.Nested(FundingPath))
