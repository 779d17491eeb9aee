"""Curricula: a site's catalogue, what groups follow, and how far patients are."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from services.scheduling.schemas.fields import described
from shared.contracts.scheduling import CURRICULUM_PACES, MODALITIES, MODULE_OCCASIONS, SKILL_TAGS
from shared.schema_fields import Id, Moment

#: A title of the program's own: it is shown to patients, and tells nothing about any.
_TITLE = validate.Length(min=1, max=120)


class ModuleTaught(Schema):
    """One subject of a curriculum of the site's own."""

    module_no = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(min=1, max=60),
        metadata=described("From 1 on, without a gap."),
    )
    title = fields.String(required=True, validate=_TITLE, metadata=described("What it is about."))
    modality = fields.String(
        validate=validate.OneOf(MODALITIES), metadata=described("The curriculum's when left out.")
    )
    skill_tags = fields.List(
        fields.String(validate=validate.OneOf(SKILL_TAGS)),
        load_default=list,
        validate=validate.Length(max=8),
        metadata=described("What it trains."),
    )
    parts = fields.Integer(
        load_default=1,
        strict=True,
        validate=validate.Range(min=1, max=12),
        metadata=described("Sessions that it takes."),
    )


class AdoptCurriculum(Schema):
    """A curriculum is taken into a site's catalogue: a manual, or one of the site's own."""

    curriculum_id = Id(metadata=described("Made up when left out."))
    site_id = Id(required=True, metadata=described("Whose catalogue."))
    manual = fields.String(
        validate=validate.Length(min=1, max=32),
        metadata=described(
            "A manual that is shipped, by its code; else title, modality and modules are told."
        ),
    )
    title = fields.String(validate=_TITLE, metadata=described("The manual's when left out."))
    modality = fields.String(
        validate=validate.OneOf(MODALITIES), metadata=described("What it does; a manual has its own.")
    )
    modules = fields.List(
        fields.Nested(ModuleTaught),
        validate=validate.Length(min=1, max=60),
        metadata=described("What is taught; a manual has its own."),
    )

    @validates_schema
    def is_a_manual_or_told(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Refuse a curriculum that is neither a manual nor told whole, or both."""
        own = ("title", "modality", "modules")
        if "manual" in data:
            for name in own[1:]:
                if name in data:
                    raise ValidationError("A manual has its own.", name)
            return
        for name in own:
            if name not in data:
                raise ValidationError("Missing data for required field.", name)


class FollowCurriculum(Schema):
    """A group follows a curriculum from now on."""

    group_id = Id(required=True, metadata=described("Which group."))
    curriculum_id = Id(required=True, metadata=described("One of the site's catalogue."))
    since = fields.Date(metadata=described("First local day; today when left out."))
    first_module = fields.Integer(
        load_default=1,
        strict=True,
        validate=validate.Range(min=1, max=60),
        metadata=described("The module that it begins with."),
    )
    pace = fields.String(
        load_default="WEEK",
        validate=validate.OneOf(CURRICULUM_PACES),
        metadata=described("One lesson a week on all of its days, or one a meeting."),
    )


class ListCurricula(Schema):
    """The catalogue of one site, or of all."""

    site_id = Id(metadata=described("Only of this site."))


class ListManuals(Schema):
    """The manuals that can be adopted."""


class GetCurriculumProgress(Schema):
    """How far a patient is with what their groups teach."""

    episode_id = Id(required=True, metadata=described("Which episode."))


class Module(Schema):
    """One subject of a curriculum."""

    module_no = fields.Integer(required=True)
    title = fields.String(required=True)
    modality = fields.String(required=True)
    skill_tags = fields.List(fields.String(), required=True)
    parts = fields.Integer(required=True, metadata=described("Sessions that it takes."))


class Curriculum(Schema):
    """A curriculum in a site's catalogue."""

    curriculum_id = Id(required=True)
    site_id = Id(required=True)
    title = fields.String(required=True)
    modality = fields.String(required=True)
    manual = fields.String(allow_none=True)
    manual_version = fields.Integer(allow_none=True)
    adopted_at = Moment(required=True)
    modules = fields.List(fields.Nested(Module), required=True)
    group_ids = fields.List(Id(), required=True, metadata=described("Groups that follow it."))


class Curricula(Schema):
    """A page of curricula."""

    items = fields.List(fields.Nested(Curriculum), required=True)
    next = fields.String(allow_none=True)


class Manual(Schema):
    """A published curriculum that is shipped as data."""

    manual = fields.String(required=True)
    version = fields.Integer(required=True)
    title = fields.String(required=True)
    modality = fields.String(required=True)
    source = fields.String(required=True)
    licence = fields.String(required=True)
    titles = fields.String(required=True, metadata=described("Where the titles of the modules come from."))
    modules = fields.List(fields.Nested(Module), required=True)


class Manuals(Schema):
    """A page of manuals."""

    items = fields.List(fields.Nested(Manual), required=True)
    next = fields.String(allow_none=True)


class Occasion(Schema):
    """When a missed part of a module is offered again."""

    occasion = fields.String(required=True, validate=validate.OneOf(MODULE_OCCASIONS))
    starts_at = Moment(allow_none=True)
    session_id = Id(allow_none=True, metadata=described("The session, where it is booked already."))


class MissedPart(Schema):
    """A part of a module that was missed and not completed since."""

    module_part = fields.Integer(required=True)
    seat_id = Id(required=True, metadata=described("The seat, which can be made up in the same week."))
    missed_at = Moment(required=True)
    state = fields.String(required=True, metadata=described("What became of the seat."))
    offered_again = fields.Nested(
        Occasion, allow_none=True, metadata=described("None once the patient has left the program.")
    )


class ModuleProgress(Module):
    """How far a patient is with one module."""

    state = fields.String(
        required=True, validate=validate.OneOf(("COMPLETED", "MISSED", "COMING", "BEGUN", "AHEAD"))
    )
    parts_completed = fields.Integer(required=True)
    completed_at = Moment(allow_none=True)
    comes_at = Moment(allow_none=True, metadata=described("The patient's next seat that teaches it."))
    missed = fields.List(fields.Nested(MissedPart), required=True)


class CurriculumOfPatient(Schema):
    """How far a patient is with one curriculum."""

    curriculum_id = Id(required=True)
    title = fields.String(required=True)
    modality = fields.String(required=True)
    modules_completed = fields.Integer(required=True)
    modules = fields.List(fields.Nested(ModuleProgress), required=True)


class SkillDose(Schema):
    """What a patient got of one skill; a session that trains several counts for each."""

    skill_tag = fields.String(required=True)
    sessions = fields.Integer(required=True)
    minutes = fields.Integer(required=True, metadata=described("Clinical minutes, breaks excluded."))


class CurriculumProgress(Schema):
    """How far a patient is with each curriculum of an episode."""

    episode_id = Id(required=True)
    patient_id = Id(required=True)
    curricula = fields.List(fields.Nested(CurriculumOfPatient), required=True)
    skills = fields.List(fields.Nested(SkillDose), required=True, metadata=described("The most first."))
