"""Groups that meet every week."""

from marshmallow import Schema, fields, validate

from services.scheduling.schemas.fields import WEEKDAY, LocalTime, described
from shared.contracts.scheduling import ENROLMENTS, GROUP_KINDS, MODALITIES, MODES, TRACKS
from shared.schema_fields import Id


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
        metadata=described("Seats: at most 12, in education 30, which are the defaults."),
    )
    facilitator_id = Id(required=True, metadata=described("The clinician who leads the group."))
    enrolment = fields.String(
        load_default="OPEN",
        validate=validate.OneOf(ENROLMENTS),
        metadata=described("Whether newcomers may join at any time."),
    )
    mode = fields.String(
        validate=validate.OneOf(MODES),
        metadata=described("How people take part: by video on the telehealth track, else in person."),
    )


class ChangeEnrolment(Schema):
    """A group is closed to newcomers, or opened again."""

    group_id = Id(required=True, metadata=described("Which group."))
    enrolment = fields.String(
        required=True,
        validate=validate.OneOf(ENROLMENTS),
        metadata=described("CLOSED keeps those who are in it together."),
    )


class ListGroups(Schema):
    """Groups, of one site or all."""

    site_id = Id(metadata=described("Only of this site."))


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
    mode = fields.String(required=True)
    free_places = fields.List(
        fields.Integer(),
        required=True,
        metadata=described("Standing places free, in the order of weekdays."),
    )


class Groups(Schema):
    """A page of groups."""

    items = fields.List(fields.Nested(Group), required=True)
    next = fields.String(allow_none=True)
