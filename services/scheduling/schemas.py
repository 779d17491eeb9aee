"""What scheduling takes in and gives out: commands and questions by their names, nouns as views."""

from datetime import time
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from shared.contracts.common import TASK_OUTCOMES_OF_PEOPLE
from shared.contracts.roles import LICENSED_CREDENTIALS
from shared.contracts.scheduling import (
    CANCELLATION_REASONS,
    EXCUSE_REASONS,
    GROUP_KINDS,
    MARKS,
    MODALITIES,
    OBLIGATION_KINDS,
    SEAT_STATES,
    TASKS_CLOSED_BY_HAND,
    TRACKS,
)
from shared.schema_fields import Id, Moment

_WEEKDAY = validate.Range(min=0, max=6)


def _described(text: str) -> dict[str, Any]:
    return {"description": text}


class LocalTime(fields.Field[time]):
    """A time of day on the clocks of the site, as HH:MM."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else str(value.isoformat("minutes"))

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> time:
        try:
            found = time.fromisoformat(value)
        except (TypeError, ValueError):
            raise ValidationError("Not a valid time of day: HH:MM is needed.") from None
        if found.tzinfo is not None or found.second or found.microsecond:
            raise ValidationError("A time of day is HH:MM, without seconds and offset.")
        return found


# --- Commands -------------------------------------------------------------------------------------


class Credential(Schema):
    """A licence of a clinician."""

    kind = fields.String(
        required=True,
        validate=validate.OneOf((*LICENSED_CREDENTIALS, "CADC", "PEER")),
        metadata=_described("What the person is licensed or certified as."),
    )
    state = fields.String(
        required=True,
        validate=validate.Regexp(r"^[A-Z]{2}$", error="Two capital letters."),
        metadata=_described("The state that issued it, e.g. IL."),
    )
    expires_on = fields.Date(required=True, metadata=_described("The last day on which it is valid."))


class AddClinician(Schema):
    """Somebody who leads groups or sees patients."""

    clinician_id = Id(metadata=_described("The actor id of the person's tokens; made up when left out."))
    site_id = Id(required=True, metadata=_described("Where the person works."))
    name = fields.String(validate=validate.Length(min=1, max=200), metadata=_described("Kept encrypted."))
    credentials = fields.List(
        fields.Nested(Credential),
        required=True,
        validate=validate.Length(min=1, max=20),
        metadata=_described("Licences and certificates."),
    )


class CloseTask(Schema):
    """A task of the work list that no action of its own ends."""

    task_id = Id(required=True, metadata=_described("The task."))
    task = fields.String(
        required=True,
        validate=validate.OneOf(TASKS_CLOSED_BY_HAND),
        metadata=_described("What was to be done."),
    )
    about_id = Id(required=True, metadata=_described("The clinician."))
    outcome = fields.String(
        required=True,
        validate=validate.OneOf(TASK_OUTCOMES_OF_PEOPLE),
        metadata=_described("Done, or not needed any more."),
    )


class OpenGroup(Schema):
    """A group that meets every week."""

    group_id = Id(metadata=_described("Made up when left out."))
    site_id = Id(required=True, metadata=_described("Where the group meets."))
    kind = fields.String(
        load_default="GROUP",
        validate=validate.OneOf(GROUP_KINDS),
        metadata=_described("Counselling group or education."),
    )
    modality = fields.String(
        load_default="PROCESS",
        validate=validate.OneOf(MODALITIES),
        metadata=_described("What the group does."),
    )
    track = fields.String(
        required=True, validate=validate.OneOf(TRACKS), metadata=_described("The time of day.")
    )
    weekdays = fields.List(
        fields.Integer(strict=True, validate=_WEEKDAY),
        required=True,
        validate=validate.Length(min=1, max=7),
        metadata=_described("Days on which the group meets: 0 is Monday, 6 is Sunday."),
    )
    starts = LocalTime(metadata=_described("Local start; the track's when left out."))
    ends = LocalTime(metadata=_described("Local end; the track's when left out."))
    clinical_minutes = fields.Integer(
        strict=True,
        validate=validate.Range(min=1, max=240),
        metadata=_described("Minutes of treatment; the block less 15 minutes of break when left out."),
    )
    capacity = fields.Integer(
        strict=True,
        validate=validate.Range(min=2, max=30),
        metadata=_described("Seats: at most 12, in education 30, which are the defaults."),
    )
    facilitator_id = Id(required=True, metadata=_described("The clinician who leads the group."))


class Obligation(Schema):
    """A stretch of each week that a person cannot give away."""

    kind = fields.String(
        required=True, validate=validate.OneOf(OBLIGATION_KINDS), metadata=_described("What binds.")
    )
    weekday = fields.Integer(
        required=True,
        strict=True,
        validate=_WEEKDAY,
        metadata=_described("The day on which it starts: 0 is Monday, 6 is Sunday."),
    )
    starts = LocalTime(required=True, metadata=_described("Local start."))
    ends = LocalTime(
        required=True,
        metadata=_described("Local end; at or before the start it is on the next day."),
    )
    travel_minutes = fields.Integer(
        load_default=0,
        strict=True,
        validate=validate.Range(min=0, max=240),
        metadata=_described("Minutes of way before and after."),
    )


class DeclareObligations(Schema):
    """All that binds a person's week, in place of what was declared before."""

    patient_id = Id(required=True, metadata=_described("Whose week."))
    site_id = Id(required=True, metadata=_described("The site whose tracks are to fit."))
    obligations = fields.List(
        fields.Nested(Obligation),
        required=True,
        validate=validate.Length(max=100),
        metadata=_described("Empty when nothing binds."),
    )


class CheckIn(Schema):
    """A patient is at the door."""

    session_id = Id(required=True, metadata=_described("Which session."))
    patient_id = Id(metadata=_described("Who; a patient's own token may leave it out."))
    arrived_at = Moment(metadata=_described("For a late entry by the desk: when it truly was."))


class RosterMark(Schema):
    """What is said of one seat."""

    seat_id = Id(metadata=_described("The seat, or else the patient."))
    patient_id = Id(metadata=_described("The patient, or else the seat."))
    mark = fields.String(
        required=True, validate=validate.OneOf(MARKS), metadata=_described("Whether the patient was there.")
    )
    arrived_at = Moment(metadata=_described("When the patient came; LATE needs it without a check-in."))
    left_at = Moment(metadata=_described("When the patient left; LEFT_EARLY needs it."))

    @validates_schema
    def names_one(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Refuse a mark that names no seat, or two."""
        if ("seat_id" in data) == ("patient_id" in data):
            raise ValidationError("Give either seat_id or patient_id.", "seat_id")


class RecordRoster(Schema):
    """A whole group's marks."""

    session_id = Id(required=True, metadata=_described("Which session."))
    marks = fields.List(
        fields.Nested(RosterMark),
        required=True,
        validate=validate.Length(min=1, max=30),
        metadata=_described("One for each patient; who is left out keeps their mark."),
    )

    @validates_schema
    def names_each_once(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Refuse a roster that marks somebody twice."""
        named = [mark.get("seat_id") or mark.get("patient_id") for mark in data.get("marks", ())]
        if len(set(named)) < len(named):
            raise ValidationError("Nobody may be marked twice.", "marks")


class ExcuseAbsence(Schema):
    """A patient cannot come, and says why."""

    session_id = Id(required=True, metadata=_described("Which session."))
    patient_id = Id(metadata=_described("Who; a patient's own token may leave it out."))
    reason = fields.String(
        required=True,
        validate=validate.OneOf(EXCUSE_REASONS),
        metadata=_described("OTHER needs 24 hours' notice."),
    )
    noticed_at = Moment(metadata=_described("When the desk was told; now when left out."))
    note = fields.String(validate=validate.Length(max=2000), metadata=_described("Kept encrypted."))


class CorrectAttendance(Schema):
    """A mark was wrong, or comes late."""

    seat_id = Id(required=True, metadata=_described("Which seat."))
    mark = fields.String(required=True, validate=validate.OneOf(MARKS), metadata=_described("What is true."))
    arrived_at = Moment(metadata=_described("When the patient truly came."))
    left_at = Moment(metadata=_described("When the patient truly left."))


class CancelSession(Schema):
    """The program calls a session off."""

    session_id = Id(required=True, metadata=_described("Which session."))
    reason = fields.String(
        required=True, validate=validate.OneOf(CANCELLATION_REASONS), metadata=_described("Why.")
    )


# --- Questions ------------------------------------------------------------------------------------


class _Page(Schema):
    after = fields.String(
        validate=validate.Length(max=100), metadata=_described("The cursor that the page before ended with.")
    )
    limit = fields.Integer(
        load_default=100,
        validate=validate.Range(min=1, max=500),
        metadata=_described("Most items of a page."),
    )


class ListClinicians(Schema):
    """Clinicians, of one site or all."""

    site_id = Id(metadata=_described("Only of this site."))


class ListGroups(Schema):
    """Groups, of one site or all."""

    site_id = Id(metadata=_described("Only of this site."))


class GetObligations(Schema):
    """What binds a person's week."""

    patient_id = Id(required=True, metadata=_described("Whose week."))


class GetWeeklyPlan(Schema):
    """The standing week of an episode."""

    episode_id = Id(required=True, metadata=_described("Which episode."))


class ListPatientSessions(_Page):
    """The sessions in which an episode has a seat, by start."""

    episode_id = Id(required=True, metadata=_described("Which episode."))
    from_ = Moment(data_key="from", metadata=_described("Only those that start at or after this."))
    to = Moment(metadata=_described("Only those that start before this."))


class ListSessions(_Page):
    """The sessions of a site, by start."""

    site_id = Id(metadata=_described("Only of this site."))
    from_ = Moment(data_key="from", metadata=_described("Only those that start at or after this."))
    to = Moment(metadata=_described("Only those that start before this."))


class GetSession(Schema):
    """One session with its roster."""

    session_id = Id(required=True, metadata=_described("Which session."))


# --- Nouns ----------------------------------------------------------------------------------------


class Clinician(Schema):
    """A clinician with credentials."""

    clinician_id = Id(required=True)
    site_id = Id(required=True)
    name = fields.String(allow_none=True)
    credentials = fields.List(fields.Dict(), required=True)
    added_at = Moment(required=True)
    may_lead = fields.Boolean(required=True, metadata=_described("Has an unexpired credential today."))
    may_counsel = fields.Boolean(required=True, metadata=_described("Is a licensed therapist today."))


class Clinicians(Schema):
    """A page of clinicians."""

    items = fields.List(fields.Nested(Clinician), required=True)
    next = fields.String(allow_none=True)


class Group(Schema):
    """A standing group and its free places."""

    group_id = Id(required=True)
    site_id = Id(required=True)
    kind = fields.String(required=True)
    modality = fields.String(required=True)
    track = fields.String(required=True)
    weekdays = fields.List(fields.Integer(), required=True)
    starts = LocalTime(required=True)
    ends = LocalTime(required=True)
    clinical_minutes = fields.Integer(required=True)
    capacity = fields.Integer(required=True)
    facilitator_id = Id(required=True)
    free_places = fields.List(
        fields.Integer(),
        required=True,
        metadata=_described("Standing places free, in the order of weekdays."),
    )


class Groups(Schema):
    """A page of groups."""

    items = fields.List(fields.Nested(Group), required=True)
    next = fields.String(allow_none=True)


class TrackFit(Schema):
    """How well one track fits around obligations."""

    track = fields.String(required=True, validate=validate.OneOf(TRACKS))
    placeable_minutes = fields.Integer(required=True)
    required_minutes = fields.Integer(required=True)
    result = fields.String(required=True, validate=validate.OneOf(("MET", "CONDITIONAL", "NOT_MET")))


class Obligations(Schema):
    """What binds a person's week, and how the tracks of the site fit around it, the best first."""

    patient_id = Id(required=True)
    site_id = Id(allow_none=True)
    declared_at = Moment(allow_none=True)
    obligations = fields.List(fields.Nested(Obligation), required=True)
    fit = fields.List(fields.Nested(TrackFit), required=True)


class Block(Schema):
    """A standing place in one weekly meeting."""

    group_id = Id(required=True)
    kind = fields.String(required=True)
    modality = fields.String(required=True)
    track = fields.String(required=True)
    weekday = fields.Integer(required=True)
    starts = LocalTime(required=True)
    ends = LocalTime(required=True)
    clinical_minutes = fields.Integer(required=True)


class IndividualHour(Schema):
    """The weekly hour alone with a licensed therapist."""

    clinician_id = Id(required=True)
    weekday = fields.Integer(required=True)
    starts = LocalTime(required=True)
    ends = LocalTime(required=True)


class WeeklyPlan(Schema):
    """The standing week of an episode."""

    plan_id = Id(required=True)
    episode_id = Id(required=True)
    patient_id = Id(required=True)
    site_id = Id(required=True)
    state = fields.String(
        required=True,
        validate=validate.OneOf(("ACTIVE", "WAITING", "ENDED")),
        metadata=_described("WAITING until a week fits."),
    )
    reason = fields.String(
        allow_none=True, metadata=_described("The constraint to relax, while no week fits.")
    )
    version = fields.Integer(required=True)
    track = fields.String(allow_none=True)
    weekly_minutes = fields.Integer(required=True, metadata=_described("Clinical minutes, breaks excluded."))
    blocks = fields.List(fields.Nested(Block), required=True)
    individual = fields.Nested(IndividualHour, allow_none=True)
    confirmed_at = Moment(allow_none=True)
    booked_through = fields.Date(allow_none=True)
    ended_at = Moment(allow_none=True)


class Seat(Schema):
    """One patient's seat in a session."""

    seat_id = Id(required=True)
    session_id = Id(required=True)
    patient_id = Id(required=True)
    episode_id = Id(required=True)
    state = fields.String(required=True, validate=validate.OneOf(SEAT_STATES))
    arrived_at = Moment(allow_none=True)
    left_at = Moment(allow_none=True)
    credited_minutes = fields.Integer(required=True)
    excuse_reason = fields.String(allow_none=True)
    revision = fields.Integer(required=True)


class SessionSummary(Schema):
    """A session, and how many seats it has in each state."""

    session_id = Id(required=True)
    site_id = Id(required=True)
    group_id = Id(allow_none=True)
    kind = fields.String(required=True)
    modality = fields.String(required=True)
    facilitator_id = Id(required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(required=True)
    clinical_minutes = fields.Integer(required=True)
    capacity = fields.Integer(required=True)
    state = fields.String(required=True)
    cancellation_reason = fields.String(allow_none=True)
    roster_asked = fields.String(required=True)
    counts = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)


class Sessions(Schema):
    """A page of sessions."""

    items = fields.List(fields.Nested(SessionSummary), required=True)
    next = fields.String(allow_none=True)


class Session(SessionSummary):
    """A session with its roster."""

    seats = fields.List(fields.Nested(Seat), required=True)


class PatientSession(Seat):
    """A patient's seat, with what the session is."""

    kind = fields.String(required=True)
    modality = fields.String(required=True)
    facilitator_id = Id(required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(required=True)
    clinical_minutes = fields.Integer(required=True)


class PatientSessions(Schema):
    """A page of a patient's sessions."""

    items = fields.List(fields.Nested(PatientSession), required=True)
    next = fields.String(allow_none=True)
