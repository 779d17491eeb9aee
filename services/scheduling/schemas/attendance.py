"""Sessions, seats and who came."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from services.scheduling.schemas.fields import Page, described
from shared.contracts.scheduling import (
    CANCELLATION_REASONS,
    CHECK_OUT_ANSWERS,
    EXCUSE_REASONS,
    MARKS,
    NOT_SEEN_REASONS,
    SEAT_STATES,
)
from shared.schema_fields import Id, Moment


class CheckIn(Schema):
    """A patient is at the door."""

    session_id = Id(required=True, metadata=described("Which session."))
    patient_id = Id(metadata=described("Who; a patient's own token may leave it out."))
    arrived_at = Moment(metadata=described("For a late entry by the desk: when it truly was."))


#: Marks of somebody who was not there, and so left nowhere.
_NOT_THERE = ("NO_SHOW", "EXCUSED")


#: How long a family was seen alone at most; a session is a block at most.
_FAMILY_MINUTES: dict[str, Any] = {
    "validate": validate.Range(min=0, max=240),
    "metadata": described(
        "In a family session, with NO_SHOW or EXCUSED: clinical minutes for which the family was seen"
        " without the patient; 0 takes that back."
    ),
}


class RosterMark(Schema):
    """What is said of one seat, and what the patient answered on leaving."""

    seat_id = Id(metadata=described("The seat, or else the patient."))
    patient_id = Id(metadata=described("The patient, or else the seat."))
    mark = fields.String(
        required=True, validate=validate.OneOf(MARKS), metadata=described("Whether the patient was there.")
    )
    arrived_at = Moment(metadata=described("When the patient came; LATE needs it without a check-in."))
    left_at = Moment(metadata=described("When the patient left; LEFT_EARLY needs it."))
    family_minutes = fields.Integer(strict=True, **_FAMILY_MINUTES)
    answer = fields.String(
        validate=validate.OneOf(CHECK_OUT_ANSWERS),
        metadata=described(
            "The answer to the question of the check-out, where it was put: it checks the patient out, before"
            " the end of the session only together with left_at."
        ),
    )

    @validates_schema
    def answers_if_there(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Refuse an answer of somebody who was not there."""
        if "answer" in data and data.get("mark") in _NOT_THERE:
            raise ValidationError("Only somebody who was there answers on leaving.", "answer")

    @validates_schema
    def names_one(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Refuse a mark that names no seat, or two."""
        if ("seat_id" in data) == ("patient_id" in data):
            raise ValidationError("Give either seat_id or patient_id.", "seat_id")


class RecordRoster(Schema):
    """A whole group's marks."""

    session_id = Id(required=True, metadata=described("Which session."))
    marks = fields.List(
        fields.Nested(RosterMark),
        required=True,
        validate=validate.Length(min=1, max=30),
        metadata=described("One for each patient; who is left out keeps their mark."),
    )

    @validates_schema
    def names_each_once(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Refuse a roster that marks somebody twice."""
        named = [mark.get("seat_id") or mark.get("patient_id") for mark in data.get("marks", ())]
        if len(set(named)) < len(named):
            raise ValidationError("Nobody may be marked twice.", "marks")


class ExcuseAbsence(Schema):
    """A patient cannot come, and says why."""

    session_id = Id(required=True, metadata=described("Which session."))
    patient_id = Id(metadata=described("Who; a patient's own token may leave it out."))
    reason = fields.String(
        required=True,
        validate=validate.OneOf(EXCUSE_REASONS),
        metadata=described("OTHER needs 24 hours' notice."),
    )
    noticed_at = Moment(metadata=described("When the desk was told; now when left out."))
    note = fields.String(validate=validate.Length(max=2000), metadata=described("Kept encrypted."))


class CorrectAttendance(Schema):
    """A mark was wrong, or comes late."""

    seat_id = Id(required=True, metadata=described("Which seat."))
    mark = fields.String(required=True, validate=validate.OneOf(MARKS), metadata=described("What is true."))
    arrived_at = Moment(metadata=described("When the patient truly came."))
    left_at = Moment(metadata=described("When the patient truly left."))
    family_minutes = fields.Integer(strict=True, **_FAMILY_MINUTES)
    although_they_came = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata=described(
            "That you know that the patient came and was not let in, and call them absent all the same."
        ),
    )


class CancelSession(Schema):
    """The program calls a session off."""

    session_id = Id(required=True, metadata=described("Which session."))
    reason = fields.String(
        required=True, validate=validate.OneOf(CANCELLATION_REASONS), metadata=described("Why.")
    )


class GetSession(Schema):
    """One session with its roster."""

    session_id = Id(required=True, metadata=described("Which session."))


class ListSessions(Page):
    """The sessions of a site, by start."""

    site_id = Id(metadata=described("Only of this site."))
    from_ = Moment(data_key="from", metadata=described("Only those that start at or after this."))
    to = Moment(metadata=described("Only those that start before this."))


class ListPatientSessions(Page):
    """The sessions in which an episode has a seat, by start."""

    episode_id = Id(required=True, metadata=described("Which episode."))
    from_ = Moment(data_key="from", metadata=described("Only those that start at or after this."))
    to = Moment(metadata=described("Only those that start before this."))


class Seat(Schema):
    """One patient's seat in a session."""

    seat_id = Id(required=True)
    session_id = Id(required=True)
    patient_id = Id(required=True)
    episode_id = Id(required=True)
    state = fields.String(required=True, validate=validate.OneOf(SEAT_STATES))
    arrived_at = Moment(allow_none=True)
    left_at = Moment(allow_none=True)
    checked_out_at = Moment(allow_none=True)
    walked_in = fields.Boolean(metadata=described("Whether the patient came without having been booked."))
    credited_minutes = fields.Integer(required=True)
    family_minutes = fields.Integer(
        allow_none=True, metadata=described("Minutes for which the family was seen without the patient.")
    )
    excuse_reason = fields.String(allow_none=True)
    not_seen_because = fields.String(
        allow_none=True,
        validate=validate.OneOf(NOT_SEEN_REASONS),
        metadata=described(
            "Why the patient, who came, was not seen. With CANCELLED_BY_PROGRAM it counts for nothing against"
            " them; with UNMARKED they wait, and nobody has decided yet."
        ),
    )
    revision = fields.Integer(required=True)


class SessionSummary(Schema):
    """A session, and how many seats it has in each state."""

    session_id = Id(required=True)
    site_id = Id(required=True)
    group_id = Id(allow_none=True)
    kind = fields.String(required=True)
    modality = fields.String(required=True)
    mode = fields.String(required=True, metadata=described("How people take part."))
    facilitator_id = Id(required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(required=True)
    clinical_minutes = fields.Integer(required=True)
    capacity = fields.Integer(required=True)
    state = fields.String(required=True)
    cancellation_reason = fields.String(allow_none=True)
    roster_asked = fields.String(required=True)
    room_id = Id(allow_none=True, metadata=described("Where it meets, if it has a room."))
    curriculum_id = Id(allow_none=True, metadata=described("The curriculum that it follows, if any."))
    module_no = fields.Integer(allow_none=True, metadata=described("The module that it teaches."))
    module_part = fields.Integer(metadata=described("Which part of the module."))
    skill_tags = fields.List(fields.String(), metadata=described("What it trains."))
    counts = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)


class Sessions(Schema):
    """A page of sessions."""

    items = fields.List(fields.Nested(SessionSummary), required=True)
    next = fields.String(allow_none=True)


class Session(SessionSummary):
    """A session with its roster."""

    seats = fields.List(fields.Nested(Seat), required=True)


class RosterTaken(Session):
    """A session after its roster; who helps now, where an answer carries risk."""

    crisis_lines = fields.Dict(keys=fields.String(), values=fields.String(), allow_none=True)


class PatientSession(Seat):
    """A patient's seat, with what the session is."""

    kind = fields.String(required=True)
    modality = fields.String(required=True)
    mode = fields.String(required=True, metadata=described("How people take part."))
    facilitator_id = Id(required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(required=True)
    clinical_minutes = fields.Integer(required=True)


class PatientSessions(Schema):
    """A page of a patient's sessions."""

    items = fields.List(fields.Nested(PatientSession), required=True)
    next = fields.String(allow_none=True)
