"""Groups that meet every week."""

from marshmallow import Schema, fields, validate

from services.scheduling.schemas.fields import WEEKDAY, LocalTime, described
from shared.contracts.scheduling import (
    BLOCK_REASONS,
    ENROLMENTS,
    GROUP_END_REASONS,
    GROUP_KINDS,
    MODALITIES,
    MODES,
    TRACKS,
)
from shared.schema_fields import Id, Moment


class OpenGroup(Schema):
    """A group that meets every week."""

    group_id = Id(metadata=described("Made up when left out."))
    site_id = Id(required=True, metadata=described("Where the group meets."))
    kind = fields.String(
        load_default="GROUP",
        validate=validate.OneOf(GROUP_KINDS),
        metadata=described("Counselling group or education."),
    )
    modality = fields.String(
        load_default="PROCESS",
        validate=validate.OneOf(MODALITIES),
        metadata=described("What the group does."),
    )
    track = fields.String(
        required=True, validate=validate.OneOf(TRACKS), metadata=described("The time of day.")
    )
    weekdays = fields.List(
        fields.Integer(strict=True, validate=WEEKDAY),
        required=True,
        validate=validate.Length(min=1, max=7),
        metadata=described("Days on which the group meets: 0 is Monday, 6 is Sunday."),
    )
    starts = LocalTime(metadata=described("Local start; the track's when left out."))
    ends = LocalTime(metadata=described("Local end; the track's when left out."))
    clinical_minutes = fields.Integer(
        strict=True,
        validate=validate.Range(min=1, max=240),
        metadata=described("Minutes of treatment; the block less 15 minutes of break when left out."),
    )
    capacity = fields.Integer(
        strict=True,
        validate=validate.Range(min=2, max=30),
        metadata=described("Seats: at most 12, in education in person 30, which are the defaults."),
    )
    facilitator_id = Id(required=True, metadata=described("The clinician who leads the group."))
    enrolment = fields.String(
        load_default="OPEN",
        validate=validate.OneOf(ENROLMENTS),
        metadata=described("Whether newcomers may join at any time, or a cohort stays together."),
    )
    cohort_begins_on = fields.Date(
        metadata=described("Of a closed group: from this local day on nobody joins; in a week when left out.")
    )
    mode = fields.String(
        validate=validate.OneOf(MODES),
        metadata=described("How people take part: by video on the telehealth track, else in person."),
    )
    room_id = Id(metadata=described("Where it meets; its sessions meet there too."))
    block_reason = fields.String(
        validate=validate.OneOf(BLOCK_REASONS),
        metadata=described(
            "Why a counselling group is shorter than three hours; left out, somebody is asked for it."
        ),
    )


class ExplainBlock(Schema):
    """Why a counselling group is shorter than three hours."""

    group_id = Id(required=True, metadata=described("Which group."))
    reason = fields.String(
        required=True, validate=validate.OneOf(BLOCK_REASONS), metadata=described("Why, as a code.")
    )


class ChangeEnrolment(Schema):
    """A group is closed to newcomers, or opened again."""

    group_id = Id(required=True, metadata=described("Which group."))
    enrolment = fields.String(
        required=True,
        validate=validate.OneOf(ENROLMENTS),
        metadata=described("CLOSED keeps those who are in it together."),
    )
    cohort_begins_on = fields.Date(
        metadata=described("From this local day on nobody joins a closed group; at once when left out.")
    )


class MoveGroup(Schema):
    """A group meets in another room from now on."""

    group_id = Id(required=True, metadata=described("Which group."))
    room_id = Id(
        required=True, allow_none=True, metadata=described("Where it meets from now on; null for no room.")
    )


class EndGroup(Schema):
    """A group ends for good; each of its members is given another week."""

    group_id = Id(required=True, metadata=described("Which group."))
    reason = fields.String(
        required=True, validate=validate.OneOf(GROUP_END_REASONS), metadata=described("Why, as a code.")
    )


class ListGroups(Schema):
    """Groups, of one site or all."""

    site_id = Id(metadata=described("Only of this site."))
    ended = fields.Boolean(load_default=False, metadata=described("Those that have ended as well."))


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
    enrolment = fields.String(required=True)
    cohort_begins_on = fields.Date(
        allow_none=True, metadata=described("Of a closed group: from this local day on nobody joins.")
    )
    mode = fields.String(required=True)
    room_id = Id(allow_none=True)
    ended_at = Moment(allow_none=True)
    block_reason = fields.String(
        allow_none=True, metadata=described("Why it is shorter than three hours, if it is and somebody said.")
    )
    curriculum_id = Id(allow_none=True, metadata=described("The curriculum that it follows, if any."))
    curriculum_since = fields.Date(allow_none=True)
    curriculum_pace = fields.String()
    free_places = fields.List(
        fields.Integer(),
        required=True,
        metadata=described("Standing places free, in the order of weekdays."),
    )


class Groups(Schema):
    """A page of groups."""

    items = fields.List(fields.Nested(Group), required=True)
    next = fields.String(allow_none=True)


class MovedMember(Schema):
    """A member of a group that ended, whose week was found anew and is proposed."""

    patient_id = Id(required=True)
    episode_id = Id(required=True)
    version = fields.Integer(required=True, metadata=described("The version of the week."))
    meetings_moved = fields.Integer(
        required=True, metadata=described("Meetings and hours of the week before that are gone.")
    )
    because = fields.String(required=True, metadata=described("What the patient is told."))
    confirm_by = Moment(required=True, metadata=described("By when the patient is to agree."))


class MemberWithoutWeek(Schema):
    """A member of a group that ended for whom no week was found; what is left of theirs stays."""

    patient_id = Id(required=True)
    episode_id = Id(required=True)
    reason = fields.String(required=True, metadata=described("The constraint to relax."))
    task_id = Id(required=True, metadata=described("The task that asks the front desk."))


class GroupEnding(Schema):
    """What became of a group that ended, and of its members."""

    group_id = Id(required=True)
    site_id = Id(required=True)
    reason = fields.String(required=True)
    ended_at = Moment(required=True)
    sessions_cancelled = fields.Integer(required=True)
    seats_cancelled = fields.Integer(required=True)
    moved = fields.List(fields.Nested(MovedMember), required=True)
    without_week = fields.List(fields.Nested(MemberWithoutWeek), required=True)
