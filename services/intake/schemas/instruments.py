"""Instruments: what is due, what was answered, and what it amounts to."""

from marshmallow import Schema, fields, validate

from services.intake.schemas.assessments import Crisis
from services.intake.schemas.fields import (
    ItemAnswers,
    Page,
    code_field,
    id_field,
    moment_field,
    number_field,
    text_field,
)
from shared.contracts import intake as codes
from shared.contracts.common import TASK_OUTCOMES_OF_PEOPLE


class AnswerInstrument(Schema):
    """Keep somebody's answers to an instrument; an answer about danger reaches a human at once."""

    patient_id = id_field("Whose answers they are.")
    instrument = text_field("Name of the instrument, e.g. PHQ9.", longest=40, required=True)
    version = number_field(
        "Version of the pack that was shown; the one in force when left out.",
        1,
        1000,
        allow_none=True,
        load_default=None,
    )
    answers = ItemAnswers()
    rated_by = code_field(
        "Who rated; a patient who answers is SELF, staff are OBSERVER unless they say otherwise.",
        codes.RATERS,
        allow_none=True,
        load_default=None,
    )
    mode = code_field(
        "How it was answered; REMOTE from a patient's app.",
        codes.ANSWER_MODES,
        allow_none=True,
        load_default=None,
    )
    given_at = moment_field(
        "When it was answered, where that was earlier, on paper.", allow_none=True, load_default=None
    )


class GetInstrumentAnswers(Schema):
    """Look at what somebody answered, scored by the version that it was given to, or by another."""

    answers_id = id_field("Id of the answers.")
    version = fields.Integer(
        allow_none=True,
        load_default=None,
        validate=validate.Range(min=1, max=1000),
        metadata={"description": "Version to score by instead."},
    )


class ListInstrumentAnswers(Page):
    """List what somebody answered, with the scores."""

    patient_id = id_field("Whose answers they are.")
    instrument = text_field(
        "Of this instrument only.", longest=40, required=False, allow_none=True, load_default=None
    )


class GetDueInstruments(Schema):
    """Look at which instruments are due for somebody now, in the turn in which to offer them."""

    patient_id = id_field("Who is asked.")


class InstrumentScore(Schema):
    """One score."""

    score = fields.String(metadata={"description": "Which score, e.g. TOTAL."})
    value = fields.Integer()
    band = fields.String(metadata={"description": "What the value amounts to."})
    positive = fields.Boolean()
    meaning = fields.String(allow_none=True)


class InstrumentDanger(Schema):
    """What a human hears of at once."""

    concern = fields.String()
    level = fields.String(metadata={"description": "E3 or E4."})
    then = fields.String(
        allow_none=True, metadata={"description": "Instrument that has to follow in the same encounter."}
    )


class InstrumentAnswers(Schema):
    """What somebody answered on one occasion, and what it amounts to."""

    answers_id = id_field("Id of the answers.")
    patient_id = id_field("Whose answers they are.")
    episode_id = id_field("Episode in which they were given.")
    journey_id = id_field("Id that spans the person's episodes.")
    instrument = fields.String()
    version = fields.Integer(metadata={"description": "Version of the pack that it was given to."})
    scored_by_version = fields.Integer(metadata={"description": "Version that the scores come from."})
    place = fields.String(allow_none=True, metadata={"description": "Place of the journey."})
    rated_by = fields.String()
    mode = fields.String()
    answers = fields.Dict(keys=fields.String(), values=fields.Integer(allow_none=True))
    status = fields.String(metadata={"description": "COMPLETE, PRORATED or INCOMPLETE."})
    why_not_scored = fields.String(
        allow_none=True, metadata={"description": "NOT_SIGNED or BELOW_MIN_AGE, where there is no score."}
    )
    scores = fields.List(fields.Nested(InstrumentScore))
    missing = fields.List(fields.String(), metadata={"description": "Items without an answer."})
    reviews = fields.List(fields.String(), metadata={"description": "What to look at again."})
    dangers = fields.List(fields.Nested(InstrumentDanger))
    given_at = moment_field("When it was answered.")
    recorded_at = moment_field("When it was recorded.")
    recorded_by = fields.String()
    recorded_by_role = fields.String()
    recorded_by_credential = fields.String()
    staff_on_duty = fields.Boolean(metadata={"description": "Whether somebody is there to answer now."})
    notice = fields.String(allow_none=True, metadata={"description": "What to say while nobody is."})
    crisis = fields.Nested(Crisis, allow_none=True)


class AnswerChoice(Schema):
    """One possible answer."""

    value = fields.Integer()
    label = fields.String()


class AskedIf(Schema):
    """When an item is asked at all."""

    item = fields.String()
    at_least = fields.Integer()


class InstrumentItem(Schema):
    """One item; a neutral label where the words belong to somebody."""

    item = fields.String()
    label = fields.String()
    loinc = fields.String(allow_none=True)
    answers = fields.List(fields.Nested(AnswerChoice))
    asked_if = fields.Nested(AskedIf, allow_none=True)
    optional = fields.Boolean()


class DueInstrument(Schema):
    """An instrument that is due, with what it asks."""

    instrument = fields.String()
    version = fields.Integer()
    title = fields.String()
    licence = fields.String()
    locale = fields.String()
    lookback_days = fields.Integer()
    due_at = moment_field("Since when it is due; by when, where it is urgent.")
    because = fields.String(metadata={"description": "The place of the journey, or the concern behind it."})
    overdue = fields.Boolean()
    urgent = fields.Boolean()
    rated_by = fields.List(fields.String())
    stem = fields.String(
        allow_none=True,
        metadata={"description": "What is asked once before all items, where the form asks so."},
    )
    items = fields.List(fields.Nested(InstrumentItem))


class DueInstruments(Schema):
    """What is due for somebody now, in turn."""

    patient_id = id_field("Who is asked.")
    place = fields.String(allow_none=True)
    since = moment_field("Since when they are there.", allow_none=True)
    due = fields.List(fields.Nested(DueInstrument))
    withheld = fields.List(
        fields.String(),
        metadata={"description": "Due too, but not to be asked now: nobody is there to act on the answer."},
    )
    not_signed = fields.List(
        fields.String(), metadata={"description": "Instruments that the medical director has not signed."}
    )
    staff_on_duty = fields.Boolean(metadata={"description": "Whether somebody is there to answer now."})
    notice = fields.String(allow_none=True, metadata={"description": "What to say while nobody is."})
    crisis = fields.Nested(Crisis, allow_none=True)


class CloseTask(Schema):
    """A task of the work list that no action of its own ends."""

    task_id = id_field("The task.")
    task = code_field("What was to be done.", codes.TASKS_CLOSED_BY_HAND, required=True)
    about_id = id_field("The answers behind it.")
    outcome = code_field("Done, or not needed any more.", TASK_OUTCOMES_OF_PEOPLE, required=True)
