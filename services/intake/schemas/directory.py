"""The directory: listed programs, their credentials, imports and searches."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from services.intake.schemas.fields import (
    LANGUAGE_CODE,
    Page,
    code_field,
    degrees_field,
    id_field,
    language_field,
    moment_field,
    phone_field,
    state_field,
    text_field,
    zip_code_field,
)
from shared.contracts import intake as codes

#: Most rows of one import of facility records. Design default.
MOST_FACILITIES = 20_000
#: Longest radius of a search in miles, and the one of a search that names none. Design default.
LONGEST_RADIUS = 200
USUAL_RADIUS = 25
#: Most busy blocks of a search. Design default.
MOST_BLOCKS = 60

_BLOCK = validate.Regexp(
    r"^(MON|TUE|WED|THU|FRI|SAT|SUN) ([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]\Z",
    error="A weekday and two local times, e.g. MON 09:00-17:00.",
)


def _codes(description: str, allowed: tuple[str, ...], **options: Any) -> fields.List:
    return fields.List(
        code_field("Code.", allowed),
        validate=validate.Length(max=len(allowed)),
        metadata={"description": description},
        **{"load_default": list, **options},
    )


def _languages(description: str) -> fields.List:
    return fields.List(
        fields.String(validate=LANGUAGE_CODE),
        load_default=list,
        validate=validate.Length(max=30),
        metadata={"description": description},
    )


class PublishProgram(Schema):
    """List one of our sites in the directory, with what it offers."""

    site_id = id_field("The site.")
    street = text_field("Street and number.", longest=200, required=True)
    city = text_field("City.", longest=200, required=True)
    state = state_field("Two letters.", required=True)
    zip_code = zip_code_field("ZIP code.", required=True)
    phone = phone_field("Number to call.", allow_none=True, load_default=None)
    website = fields.URL(
        schemes={"https", "http"}, allow_none=True, load_default=None, metadata={"description": "Web site."}
    )
    latitude = degrees_field("Degrees north.", 90, required=True)
    longitude = degrees_field("Degrees east: negative in the Americas.", 180, required=True)
    payers = _codes("How people can pay.", codes.PAYERS)
    needs = _codes("Needs that are met.", codes.PROGRAM_NEEDS)
    approaches = _codes("Approaches with evidence.", codes.PROGRAM_APPROACHES)
    languages = _languages("Languages spoken, codes of ISO 639.")


class GetProgram(Schema):
    """Look at the profile of a listed program."""

    program_id = id_field("Id of the program.")


class ListPrograms(Page):
    """List the directory, by id."""


class Program(Schema):
    """A listed program."""

    program_id = id_field("Id of the program.")
    site_id = id_field("The site, where it is one of ours.", allow_none=True)
    origin = fields.String(metadata={"description": "OWN, or IMPORTED: the facility's own survey answers."})
    name = fields.String()
    second_name = fields.String(allow_none=True)
    street = fields.String()
    second_street = fields.String(allow_none=True)
    city = fields.String()
    state = fields.String()
    zip_code = fields.String()
    phone = fields.String(allow_none=True)
    website = fields.String(allow_none=True)
    latitude = fields.Float()
    longitude = fields.Float()
    offers = fields.List(
        fields.String(), metadata={"description": "Codes such as LEVEL:2.1, PAYER:MEDICAID, LANGUAGE:ES."}
    )
    listed_at = moment_field("When it was first listed.")
    changed_at = moment_field("When the listing last changed.")


class FoundProgram(Program):
    """A listed program, and whether its licence is verified now."""

    verified = fields.Boolean(metadata={"description": "A licence of its own is verified and in force."})
    verified_until = moment_field("Until when that holds, as known now.", allow_none=True)


class ProgramGroup(Schema):
    """A standing group with its live seats."""

    group_id = id_field("Id of the group.")
    kind = fields.String()
    modality = fields.String()
    track = fields.String()
    mode = fields.String(metadata={"description": "How people take part: IN_PERSON, VIDEO or AUDIO."})
    enrolment = fields.String(metadata={"description": "OPEN, or CLOSED to newcomers."})
    weekdays = fields.List(fields.Integer())
    free_by_weekday = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        metadata={"description": "Live: places that a newcomer could take, by weekday; 0 is Monday."},
    )
    starts = fields.Time(metadata={"description": "Local start."})
    ends = fields.Time(metadata={"description": "Local end."})
    clinical_minutes = fields.Integer()
    free_seats = fields.Integer(
        metadata={"description": "Live: places for a newcomer on the weekday with the most room."}
    )


class StaffMix(Schema):
    """Staff by class of credential, from live records."""

    people = fields.Integer()
    licensed = fields.Integer()
    percent_licensed = fields.Integer(allow_none=True)
    physician_present = fields.Boolean()
    by_class = fields.Dict(keys=fields.String(), values=fields.Integer())


class ProgramCredential(Schema):
    """A licence or accreditation of a program, and where it stands."""

    credential_id = id_field("Id of the credential.")
    program_id = id_field("The program.")
    kind = fields.String()
    body = fields.String()
    number = fields.String()
    state = fields.String(allow_none=True)
    levels = fields.List(fields.String())
    outcome = fields.String(allow_none=True)
    starts_at = moment_field("From when.")
    ends_at = moment_field("Until when.")
    source_url = fields.String(allow_none=True)
    status = code_field("Where it stands now.", codes.PROGRAM_CREDENTIAL_STATES)
    recorded_at = moment_field("When it was recorded.")
    verified_at = moment_field("When the primary source was last asked.", allow_none=True)
    verified_by = fields.String(allow_none=True)
    verified_by_role = fields.String(allow_none=True)
    evidence_hash = fields.String(allow_none=True)
    recheck_due_at = fields.String(
        allow_none=True, metadata={"description": "When the source is asked again.", "format": "date-time"}
    )


class Publication(Schema):
    """An outcome card or a testimonial, published under the consents that it needs."""

    publication_id = id_field("Id of the publication.")
    kind = fields.String()
    content = fields.Dict()
    published_at = moment_field("When it was published.")


class ProgramProfile(FoundProgram):
    """A listed program as somebody who chooses wants to see it."""

    services = fields.List(fields.Dict(), metadata={"description": "Groups f1, f2, f3 as the record has."})
    banners = fields.List(fields.String(), metadata={"description": "What everybody should know first."})
    licensed_levels = fields.List(
        fields.String(), metadata={"description": "Levels of care of verified licences in force."}
    )
    credentials = fields.List(fields.Nested(ProgramCredential))
    staff = fields.Nested(StaffMix, allow_none=True)
    groups = fields.List(fields.Nested(ProgramGroup))
    delivered_last_90_days = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        metadata={
            "description": "Minutes by modality, attended and signed for in 90 days; of our sites only."
        },
    )
    outcome_cards = fields.List(
        fields.Nested(Publication),
        metadata={"description": "Results with their definitions. Empty until aftercare publishes any."},
    )
    testimonials = fields.List(
        fields.Nested(Publication),
        metadata={"description": "What people say, by their consent. Empty until aftercare publishes any."},
    )


class RecordProgramCredential(Schema):
    """Record a licence or accreditation of a listed program; it counts once it is checked."""

    program_id = id_field("The program.")
    kind = code_field("What it is.", codes.PROGRAM_CREDENTIAL_KINDS, required=True)
    body = code_field(
        "Who gave it.",
        tuple(body for bodies in codes.PROGRAM_CREDENTIAL_BODIES.values() for body in bodies),
        required=True,
    )
    number = text_field("Its number.", longest=64, required=True)
    state = state_field("State of a licence.", allow_none=True, load_default=None)
    levels = _codes("ASAM levels that it covers.", codes.ALL_LEVELS_OF_CARE)
    outcome = code_field(
        "What an accreditor decided.", codes.ACCREDITATION_OUTCOMES, allow_none=True, load_default=None
    )
    starts_at = moment_field("From when.", required=True)
    ends_at = moment_field("Until when.", required=True)
    source_url = fields.URL(
        schemes={"https", "http"},
        allow_none=True,
        load_default=None,
        validate=validate.Length(max=400),
        metadata={"description": "Where it can be looked up."},
    )


class CheckProgramCredential(Schema):
    """Keep what the primary source says of a credential."""

    credential_id = id_field("The credential.")
    found = code_field("What was found.", codes.PROGRAM_CREDENTIAL_FINDINGS, required=True)
    evidence_hash = fields.String(
        required=True,
        validate=validate.Regexp(r"^[0-9a-f]{64}\Z", error="A SHA-256 digest, 64 hexadecimal digits."),
        metadata={"description": "SHA-256 of the page or letter that was seen."},
    )
    source_url = fields.URL(
        schemes={"https", "http"},
        allow_none=True,
        load_default=None,
        validate=validate.Length(max=400),
        metadata={"description": "Where it was looked up."},
    )


class ListProgramCredentials(Schema):
    """List the credentials of a program."""

    program_id = id_field("The program.")


class ImportFacilities(Schema):
    """Take records of facilities into the directory; answered with a job: its result is a FacilityImport.

    A file that is larger than a body may be is sent in parts; a row may name its `line` in the file, and is
    told by it where it is refused. A row that came before changes its listing, or nothing.
    """

    rows = fields.List(
        fields.Raw(),
        required=True,
        validate=validate.Length(min=1, max=MOST_FACILITIES),
        metadata={
            "description": "Records {line?, name1, name2?, street1, street2?, city, state, zip, phone?,"
            " website?, latitude, longitude, services?: [{f1, f2, f3}]}."
        },
    )


class RefusedFacility(Schema):
    """A row of an import that was not taken, and why."""

    line = fields.Integer()
    field = fields.String()
    rule = fields.String()


class FacilityImport(Schema):
    """What an import of facility records came to."""

    import_id = id_field("Id of the import.")
    listed = fields.Integer(metadata={"description": "New listings."})
    changed = fields.Integer(metadata={"description": "Listings that changed."})
    unchanged = fields.Integer(metadata={"description": "Rows that said nothing new."})
    refused_rows = fields.Integer(metadata={"description": "Rows that were not taken."})
    refused = fields.List(fields.Nested(RefusedFacility))


class GetProgramMatches(Schema):
    """Search the directory: what suits somebody, in which order, and why."""

    latitude = degrees_field("Degrees north of the place.", 90, allow_none=True, load_default=None)
    longitude = degrees_field("Degrees east of the place.", 180, allow_none=True, load_default=None)
    zip_code = fields.String(
        validate=validate.Regexp(r"^[0-9]{5}\Z", error="Five digits."),
        allow_none=True,
        load_default=None,
        metadata={"description": "ZIP code of the place, instead."},
    )
    city = text_field(
        "City of the place, instead; with its state.", longest=200, allow_none=True, load_default=None
    )
    state = state_field("State of the city.", allow_none=True, load_default=None)
    # Not strict: it comes as text, in the address of a question.
    radius_miles = fields.Integer(
        load_default=USUAL_RADIUS,
        validate=validate.Range(min=1, max=LONGEST_RADIUS),
        metadata={"description": "How far away at most."},
    )
    level = code_field("ASAM level of care.", codes.ALL_LEVELS_OF_CARE, allow_none=True, load_default=None)
    payer = code_field("How to pay.", codes.PAYERS, allow_none=True, load_default=None)
    need = _codes("What is needed besides; may be given repeatedly.", codes.PROGRAM_NEEDS)
    language = language_field("Language spoken there, a code of ISO 639.", allow_none=True, load_default=None)
    verified = fields.Boolean(
        load_default=False, metadata={"description": "Only programs whose licence is verified."}
    )
    busy = fields.List(
        fields.String(validate=_BLOCK),
        load_default=list,
        validate=validate.Length(max=MOST_BLOCKS),
        metadata={"description": "When the searcher is bound, e.g. MON 09:00-17:00; may be repeated."},
    )

    @validates_schema
    def _check_place(self, data: dict[str, Any], **_: Any) -> None:
        ways = [
            data["latitude"] is not None and data["longitude"] is not None,
            data["zip_code"] is not None,
            data["city"] is not None and data["state"] is not None,
        ]
        if sum(ways) != 1:
            raise ValidationError(
                "Name one place: latitude and longitude, zip_code, or city and state.", field_name="latitude"
            )


class MatchReason(Schema):
    """What one part contributed to a place in the order."""

    part = fields.String()
    value = fields.Float(metadata={"description": "From 0 to 1; 0.5 where nobody knows."})
    weight = fields.Float()
    code = fields.String()


class ProgramMatch(Schema):
    """A program in its place in the order, with the reasons."""

    program = fields.Nested(FoundProgram)
    score = fields.Float()
    miles = fields.Float()
    free_seats = fields.Integer(allow_none=True, metadata={"description": "Live; null where not known."})
    placeable_minutes = fields.Integer(
        allow_none=True, metadata={"description": "Clinical minutes a week beside the busy blocks."}
    )
    week_is_placeable = fields.Boolean(allow_none=True)
    reasons = fields.List(fields.Nested(MatchReason))
    alternative = code_field(
        "In what it differs from what was searched for; null for a match.",
        codes.ALTERNATIVE_CODES,
        allow_none=True,
    )


class ProgramMatches(Schema):
    """What a search found. No place in the order can be bought."""

    latitude = fields.Float()
    longitude = fields.Float()
    radius_miles = fields.Integer()
    weighed = fields.Integer(metadata={"description": "Programs that were weighed: the nearest that fit."})
    weights = fields.Dict(keys=fields.String(), values=fields.Float())
    matches = fields.List(fields.Nested(ProgramMatch))
    alternatives = fields.List(fields.Nested(ProgramMatch))
