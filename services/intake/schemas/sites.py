"""Sites of the program."""

from marshmallow import Schema, fields, validate

from services.intake.schemas.fields import (
    Page,
    clock_field,
    code_field,
    id_field,
    moment_field,
    number_field,
    phone_field,
    text_field,
)
from shared.contracts import intake as codes


class OpenSite(Schema):
    """Open a site of the program."""

    site_id = id_field("Id of the site; made up when left out.", required=False)
    name = text_field("Name of the site.", longest=200, required=True)
    time_zone = text_field("Zone of the IANA tz database, e.g. America/Chicago.", longest=64, required=True)
    levels_licensed = fields.List(
        code_field("ASAM level.", codes.LEVELS_OF_CARE),
        required=True,
        validate=validate.Length(min=1, max=len(codes.LEVELS_OF_CARE)),
        metadata={"description": "ASAM levels of care that the site is licensed for."},
    )
    emergency_phone = phone_field("Number answered day and night.", allow_none=True, load_default=None)


class StaffedHours(Schema):
    """Hours of a day in which somebody is there; of the local clock."""

    weekday = number_field("0 is Monday.", 0, 6, required=True)
    starts = clock_field("From, e.g. 08:00.", required=True)
    ends = clock_field("Until, e.g. 18:00.", required=True)


class SetStaffedHours(Schema):
    """Tell when somebody is at a site, who calls back soon."""

    site_id = id_field("The site.")
    hours = fields.List(
        fields.Nested(StaffedHours),
        required=True,
        validate=validate.Length(max=50),
        metadata={"description": "All hours of the week; none means the usual ones."},
    )


class ListSites(Page):
    """List the sites."""


class Site(Schema):
    """A site of the program."""

    site_id = id_field("Id of the site.")
    name = fields.String()
    time_zone = fields.String()
    levels_licensed = fields.List(fields.String())
    emergency_phone = fields.String(allow_none=True)
    staffed_hours = fields.List(fields.Nested(StaffedHours))
    opened_at = moment_field("When the site was opened.")
