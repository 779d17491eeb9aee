"""Credentials as they are recorded and checked, absences, hand-overs, rooms and one-off sessions."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from services.scheduling.schemas.attendance import SessionSummary
from services.scheduling.schemas.clinicians import Credential
from services.scheduling.schemas.fields import described
from shared.contracts.scheduling import (
    ABSENCE_REASONS,
    CHECK_SOURCES,
    EXCLUSION_FINDINGS,
    EXCLUSION_LISTS,
    MODALITIES,
    MODES,
    SESSION_KINDS,
)
from shared.schema_fields import Id, Moment


class RecordCredential(Credential):
    """A credential that is new, or renews the one of the same kind and state."""

    clinician_id = Id(required=True, metadata=described("Whose."))
    supervised_by = Id(metadata=described("The licensed clinician who supervises, where one has to."))


class CheckCredential(Schema):
    """What the primary source said about a credential."""

    clinician_id = Id(required=True, metadata=described("Whose."))
    kind = fields.String(
        required=True, validate=validate.Length(min=1, max=16), metadata=described("Which credential.")
    )
    state = fields.String(
        required=True,
        validate=validate.Regexp(r"^[A-Z]{2}$", error="Two capital letters."),
        metadata=described("The state that issued it."),
    )
    source = fields.String(
        required=True, validate=validate.OneOf(CHECK_SOURCES), metadata=described("Who was asked.")
    )
    outcome = fields.String(
        required=True,
        validate=validate.OneOf(("CONFIRMED", "NOT_CONFIRMED")),
        metadata=described("What is not confirmed counts no longer."),
    )


class RecordExclusionCheck(Schema):
    """What a look at a federal exclusion list has found about a clinician, once it is sure who is meant."""

    clinician_id = Id(required=True, metadata=described("Who was looked for."))
    source = fields.String(
        required=True, validate=validate.OneOf(EXCLUSION_LISTS), metadata=described("Which list.")
    )
    finding = fields.String(
        required=True,
        validate=validate.OneOf(EXCLUSION_FINDINGS),
        metadata=described("Whoever is EXCLUDED leads nothing from now on."),
    )
    evidence_hash = fields.String(
        validate=validate.Regexp(r"^[0-9a-f]{64}\Z", error="A SHA-256 digest, 64 hexadecimal digits."),
        metadata=described("SHA-256 of what was seen, where it was kept."),
    )


class ListExclusionChecks(Schema):
    """The looks at exclusion lists for a clinician."""

    clinician_id = Id(required=True, metadata=described("Who was looked for."))


class ExclusionCheck(Schema):
    """A look at an exclusion list: who looked, when, and what was found."""

    check_id = Id(required=True)
    clinician_id = Id(required=True)
    source = fields.String(required=True)
    finding = fields.String(required=True)
    checked_at = Moment(required=True)
    checked_by = fields.String(required=True)
    checked_by_role = fields.String(required=True)
    evidence_hash = fields.String(allow_none=True)


class ExclusionChecks(Schema):
    """Looks at exclusion lists, the newest first."""

    items = fields.List(fields.Nested(ExclusionCheck), required=True)
    next = fields.String(allow_none=True)


class RecordAbsence(Schema):
    """A stretch of time in which a clinician leads nothing."""

    clinician_id = Id(required=True, metadata=described("Who is away."))
    starts_at = Moment(required=True, metadata=described("From when on."))
    ends_at = Moment(required=True, metadata=described("Until when."))
    reason = fields.String(
        required=True, validate=validate.OneOf(ABSENCE_REASONS), metadata=described("Why, as a code.")
    )
    stand_in_id = Id(metadata=described("Who takes the sessions, as far as they can."))


class HandOverCaseload(Schema):
    """Sessions, groups and patients of one clinician go to another."""

    clinician_id = Id(required=True, metadata=described("Who hands over."))
    to_clinician_id = Id(required=True, metadata=described("Who takes over."))
    from_ = Moment(data_key="from", metadata=described("From when on; now when left out."))
    until = Moment(metadata=described("Until when; for good when left out."))


class AssignSession(Schema):
    """Who leads one session, and where."""

    session_id = Id(required=True, metadata=described("Which session."))
    clinician_id = Id(metadata=described("Who leads it from now on."))
    room_id = Id(metadata=described("The room in which it meets from now on."))


class AddRoom(Schema):
    """A room of a site."""

    room_id = Id(metadata=described("Made up when left out."))
    site_id = Id(required=True, metadata=described("Where it is."))
    label = fields.String(
        required=True, validate=validate.Length(min=1, max=80), metadata=described("What the door says.")
    )
    places = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(min=1, max=500),
        metadata=described("How many patients sit in it."),
    )


class ListRooms(Schema):
    """Rooms, of one site or all."""

    site_id = Id(metadata=described("Only of this site."))


class PlanSession(Schema):
    """A session of its own, outside the standing groups: a workshop, a family session, an open hour."""

    site_id = Id(required=True, metadata=described("Where it is."))
    kind = fields.String(
        required=True, validate=validate.OneOf(SESSION_KINDS), metadata=described("What it is.")
    )
    modality = fields.String(
        required=True, validate=validate.OneOf(MODALITIES), metadata=described("What it does.")
    )
    facilitator_id = Id(required=True, metadata=described("Who leads it."))
    starts_at = Moment(required=True, metadata=described("When it starts."))
    ends_at = Moment(required=True, metadata=described("When it ends, at most four hours later."))
    clinical_minutes = fields.Integer(
        strict=True,
        validate=validate.Range(min=0, max=240),
        metadata=described("Minutes of treatment; all of them when left out, none in a support group."),
    )
    capacity = fields.Integer(
        required=True, strict=True, validate=validate.Range(min=1, max=30), metadata=described("Seats.")
    )
    mode = fields.String(
        load_default="IN_PERSON",
        validate=validate.OneOf(MODES),
        metadata=described("How people take part."),
    )
    room_id = Id(metadata=described("Where it meets."))
    curriculum_id = Id(metadata=described("The curriculum of which it teaches a module, if any."))
    module_no = fields.Integer(
        strict=True, validate=validate.Range(min=1, max=60), metadata=described("Which module.")
    )
    module_part = fields.Integer(
        load_default=1,
        strict=True,
        validate=validate.Range(min=1, max=12),
        metadata=described("Which part of the module."),
    )

    @validates_schema
    def names_a_whole_lesson(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Refuse a curriculum without a module, and a module without a curriculum."""
        for one, other in (("curriculum_id", "module_no"), ("module_no", "curriculum_id")):
            if one in data and other not in data:
                raise ValidationError("Missing data for required field.", other)


class Absence(Schema):
    """An absence, and what became of the sessions in it."""

    absence_id = Id(required=True)
    clinician_id = Id(required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(required=True)
    reason = fields.String(required=True)
    stand_in_id = Id(allow_none=True)
    moved = fields.Integer(required=True, metadata=described("Sessions that the stand-in took."))
    left = fields.List(
        fields.Dict(),
        required=True,
        metadata=described("Sessions still without anybody, with reasons."),
    )


class HandedOver(Schema):
    """What became of a caseload."""

    clinician_id = Id(required=True)
    to_clinician_id = Id(required=True)
    moved = fields.Integer(required=True, metadata=described("Sessions that changed hands."))
    groups_moved = fields.Integer(required=True)
    hours_moved = fields.Integer(required=True, metadata=described("Standing hours with patients."))
    left = fields.List(
        fields.Dict(), required=True, metadata=described("Sessions that stayed, each with the reason.")
    )


class Room(Schema):
    """A room of a site."""

    room_id = Id(required=True)
    site_id = Id(required=True)
    label = fields.String(required=True)
    places = fields.Integer(required=True)
    added_at = Moment(required=True)


class Rooms(Schema):
    """A page of rooms."""

    items = fields.List(fields.Nested(Room), required=True)
    next = fields.String(allow_none=True)


class PlannedSession(SessionSummary):
    """A session with how and where it is held."""
