"""Sites of the program."""

from marshmallow import Schema, fields, validate

from services.intake.schemas.fields import (
    Page,
    clock_field,
    code_field,
    day_field,
    degrees_field,
    id_field,
    moment_field,
    number_field,
    phone_field,
    state_field,
    text_field,
    zip_code_field,
)
from shared.contracts import intake as codes


class OpenSite(Schema):
    """Open a site of the program."""

    site_id = id_field("Id of the site; made up when left out.", required=False)
    name = text_field("Name of the site.", longest=200, required=True)
    time_zone = text_field("Zone of the IANA tz database, e.g. America/Chicago.", longest=64, required=True)
    levels_licensed = fields.List(
        code_field("ASAM level.", codes.ALL_LEVELS_OF_CARE),
        required=True,
        validate=validate.Length(min=1, max=len(codes.ALL_LEVELS_OF_CARE)),
        metadata={"description": "ASAM levels of care that the site is licensed for."},
    )
    emergency_phone = phone_field(
        "Number answered day and night; needed where the site is licensed for 2.1 or more.",
        allow_none=True,
        load_default=None,
    )


class Address(Schema):
    """Where a site is, as the directory lists it."""

    street = text_field("Street and number.", longest=200, required=True)
    city = text_field("City.", longest=200, required=True)
    state = state_field("Two letters.", required=True)
    zip_code = zip_code_field("ZIP code.", required=True)
    latitude = degrees_field("Degrees north.", 90, required=True)
    longitude = degrees_field("Degrees east: negative in the Americas.", 180, required=True)


class ChangeSite(Schema):
    """Change what is told of a site; what is left out stays as it is."""

    site_id = id_field("The site.")
    name = text_field("Name of the site.", longest=200)
    time_zone = text_field(
        "Zone of the IANA tz database; only before anybody is referred to the site, asks it, or meets there.",
        longest=64,
    )
    emergency_phone = phone_field(
        "Number answered day and night; null takes it away, where the site is not licensed for 2.1 or more.",
        allow_none=True,
    )
    address = fields.Nested(Address, metadata={"description": "Where it is; its listing follows."})


class RecordSiteLicence(Schema):
    """Record a licence of a site for one level that is new, or that renews another."""

    site_id = id_field("The site.")
    level = code_field("ASAM level of care.", codes.ALL_LEVELS_OF_CARE, required=True)
    number = text_field("Number of the licence.", longest=60, allow_none=True, load_default=None)
    first_on = day_field("First day on which it counts, where the site is.", required=True)
    last_on = day_field(
        "Last day on which it counts, until midnight there; none when no end is set.",
        required=True,
        allow_none=True,
    )


class WithdrawSiteLicence(Schema):
    """Have a licence of a site count no longer, before its end."""

    site_id = id_field("The site.")
    licence_id = id_field("The licence.")
    because = code_field("Why.", codes.SITE_LICENCE_WITHDRAWALS, required=True)
    withdrawn_on = day_field(
        "First day on which it counts no longer; today, or its first day if that is ahead, when left out.",
        allow_none=True,
        load_default=None,
    )


class SiteLicence(Schema):
    """A licence of a site for one level, and who told of it."""

    licence_id = id_field("The licence.")
    level = fields.String()
    state = code_field("Where it stands today.", codes.SITE_LICENCE_STATES)
    number = fields.String(allow_none=True)
    first_on = day_field("First day on which it counts; none since the site was opened.", allow_none=True)
    last_on = day_field("Last day on which it counts, where that was told.", allow_none=True)
    recorded_at = moment_field("When it was recorded.")
    recorded_by = fields.String(metadata={"description": "Empty for what was told as the site was opened."})
    recorded_by_role = fields.String()
    withdrawn_on = day_field("First day on which it counts no longer.", allow_none=True)
    withdrawn_because = fields.String(allow_none=True)
    withdrawn_at = moment_field("When that was recorded.", allow_none=True)
    withdrawn_by = fields.String(allow_none=True)
    withdrawn_by_role = fields.String(allow_none=True)


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
    levels_licensed = fields.List(
        fields.String(), metadata={"description": "ASAM levels whose licences count today."}
    )
    licences = fields.List(fields.Nested(SiteLicence))
    address = fields.Nested(Address, allow_none=True)
    emergency_phone = fields.String(allow_none=True)
    staffed_hours = fields.List(fields.Nested(StaffedHours))
    opened_at = moment_field("When the site was opened.")
