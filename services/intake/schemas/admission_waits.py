"""The waiting list for admission."""

from marshmallow import Schema, fields, validate

from services.intake.schemas.fields import code_field, flag_field, id_field, moment_field, number_field
from shared.contracts import intake as codes


class WaitForAdmission(Schema):
    """Put somebody on the waiting list; a free seat is offered at once, in the order of the law."""

    episode_id = id_field("Episode of the person.")
    pregnant = flag_field(
        "Pregnant; as assessed, or told at the referral, when left out.", allow_none=True, load_default=None
    )
    injecting = flag_field(
        "Injects; as told at the referral when left out.", allow_none=True, load_default=None
    )


class GetAdmissionWait(Schema):
    """Look at somebody's entry of the waiting list."""

    wait_id = id_field("The entry.")


class ListAdmissionWaits(Schema):
    """List who waits for admission to a site, in the order of the law; for the staff alone."""

    site_id = id_field("The site.")


class AcceptAdmissionOffer(Schema):
    """Take the seat that is offered."""

    wait_id = id_field("The entry.")


class DeclineAdmissionOffer(Schema):
    """Let the next have the seat that is offered; the place on the list stays."""

    wait_id = id_field("The entry.")


class RemoveAdmissionWait(Schema):
    """Take somebody off the waiting list."""

    wait_id = id_field("The entry.")
    reason = code_field("Why.", codes.WAIT_REMOVAL_REASONS, required=True)


class RecordInterimServices(Schema):
    """Note what somebody was given who waits."""

    wait_id = id_field("The entry.")
    services = fields.List(
        code_field("What was given.", codes.INTERIM_SERVICES),
        required=True,
        validate=validate.Length(min=1, max=len(codes.INTERIM_SERVICES)),
    )
    provided_at = moment_field("When; now when left out.", allow_none=True, load_default=None)


class AddAdmissionSeats(Schema):
    """Tell that a site has room for more, such as in a new group."""

    site_id = id_field("The site.")
    seats = number_field("How many.", 1, 50, required=True)


class GetAdmissionWaitReport(Schema):
    """Look at how long people waited who were admitted on some days."""

    site_id = id_field("The site.")
    first_on = fields.Date(required=True, metadata={"description": "First day of admission."})
    last_on = fields.Date(required=True, metadata={"description": "Last day of admission."})


class AdmissionWait(Schema):
    """Somebody's entry of the waiting list. Where in the order they are is told to the staff alone."""

    wait_id = id_field("The entry.")
    patient_id = id_field("Id of the person.")
    episode_id = id_field("Episode of the person.")
    site_id = id_field("The site.")
    state = code_field("Where it stands.", codes.ADMISSION_WAIT_STATES)
    asked_at = moment_field("When they asked for help.")
    joined_at = moment_field("When they were put on the list.")
    offer_expires_at = moment_field("Until when a seat is kept for them.", allow_none=True)
    interim_services = fields.List(fields.String())
    interim_completed_at = moment_field("When all that is required was given.", allow_none=True)
    ended_at = moment_field("When the waiting ended.", allow_none=True)
    reason = code_field("Why they were taken off.", codes.WAIT_REMOVAL_REASONS, allow_none=True)


class AdmissionClock(Schema):
    """A clock of the law that runs for somebody who waits."""

    clock = code_field("Which.", codes.ADMISSION_CLOCKS)
    due_at = moment_field("When it runs out.")


class QueuedAdmission(AdmissionWait):
    """Somebody who waits, as the staff see it."""

    position = fields.Integer(metadata={"description": "Place in the order of the law, from 1."})
    priority = fields.String(metadata={"description": "The rank that the law gives."})
    pregnant = fields.Boolean()
    injecting = fields.Boolean()
    clocks = fields.List(fields.Nested(AdmissionClock))


class AdmissionSeats(Schema):
    """The seats of a site that nobody has yet."""

    site_id = id_field("The site.")
    free = fields.Integer(metadata={"description": "Seats that nobody was offered."})
    waiting = fields.Integer(metadata={"description": "People who wait."})


class WaitBucket(Schema):
    """People admitted after some days of waiting."""

    daywait = fields.Integer(metadata={"description": "TEDS code of DAYWAIT."})
    from_days = fields.Integer()
    below_days = fields.Integer(allow_none=True)
    admissions = fields.Integer()


class AdmissionWaitReport(Schema):
    """How long people waited, in the buckets of TEDS."""

    site_id = id_field("The site.")
    admissions = fields.Integer()
    buckets = fields.List(fields.Nested(WaitBucket))
