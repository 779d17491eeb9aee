"""Whether the people of a group stay together."""

from marshmallow import Schema, fields

from services.scheduling.schemas.fields import described
from shared.schema_fields import Id


class ListCohorts(Schema):
    """The groups of a site, and what became of their people."""

    site_id = Id(required=True, metadata=described("Which site."))


class Cohort(Schema):
    """What became of the people of a group; numbers only."""

    group_id = Id(required=True)
    enrolment = fields.String(required=True)
    since = fields.Date(
        required=True,
        metadata=described("First day of the week whose people are looked for: a closed cohort's first."),
    )
    members_then = fields.Integer(required=True)
    still_there = fields.Integer(required=True)
    completed = fields.Integer(required=True, metadata=described("Who completed the program meanwhile."))
    left = fields.Integer(required=True, metadata=described("Who left, or changed to another group."))
    members_now = fields.Integer(required=True)
    joined_since = fields.Integer(required=True)
    stability_percent = fields.Integer(
        attribute="percent",
        allow_none=True,
        metadata=described("Still there, of all who have not completed; none where there was nobody."),
    )


class Cohorts(Schema):
    """A page of cohorts."""

    items = fields.List(fields.Nested(Cohort), required=True)
    next = fields.String(allow_none=True)
