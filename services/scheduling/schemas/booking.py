"""Booking by hand: seats, waiting lists, swaps, make-ups and closures."""

from marshmallow import Schema, fields, validate

from services.scheduling.schemas.attendance import Seat
from services.scheduling.schemas.fields import described
from shared.contracts.scheduling import CANCELLATION_REASONS
from shared.schema_fields import Id, Moment


class BookSeat(Schema):
    """A patient wants a seat in a session."""

    session_id = Id(required=True, metadata=described("Which session."))
    patient_id = Id(metadata=described("Who; a patient's own token may leave it out."))
    wait = fields.Boolean(
        load_default=True,
        truthy={True},
        falsy={False},
        metadata=described("Whether the patient waits where no seat is left."),
    )


class ReleaseSeat(Schema):
    """A seat that was booked by hand is given back."""

    seat_id = Id(required=True, metadata=described("Which seat."))


class SwapSeat(Schema):
    """A session is moved to an equivalent one of the same week."""

    seat_id = Id(required=True, metadata=described("The seat that is given up."))
    to_session_id = Id(required=True, metadata=described("The session that is attended instead."))


class MakeUpSession(Schema):
    """A missed session is made up in the same week."""

    seat_id = Id(required=True, metadata=described("The seat that was missed, excused or called off."))
    to_session_id = Id(required=True, metadata=described("The session that is attended instead."))


class ListAlternatives(Schema):
    """The sessions that a seat can be swapped for, or made up in."""

    seat_id = Id(required=True, metadata=described("Which seat."))


class AcceptOffer(Schema):
    """A seat that was offered is taken."""

    wait_id = Id(required=True, metadata=described("The entry of the waiting list."))


class LeaveWaitingList(Schema):
    """Somebody waits no longer."""

    wait_id = Id(required=True, metadata=described("The entry of the waiting list."))


class ListWaits(Schema):
    """The entries of an episode on waiting lists."""

    episode_id = Id(required=True, metadata=described("Which episode."))


class CloseSite(Schema):
    """A site closes for a while: a holiday, the weather."""

    site_id = Id(required=True, metadata=described("Which site."))
    closed_from = Moment(required=True, metadata=described("From when on nothing starts."))
    closed_until = Moment(required=True, metadata=described("Until when nothing starts."))
    reason = fields.String(
        required=True, validate=validate.OneOf(CANCELLATION_REASONS), metadata=described("Why.")
    )


class ListClosures(Schema):
    """The closures of a site that are not over."""

    site_id = Id(required=True, metadata=described("Which site."))


class Wait(Schema):
    """Somebody on the waiting list of a session."""

    wait_id = Id(required=True)
    session_id = Id(required=True)
    patient_id = Id(required=True)
    episode_id = Id(required=True)
    state = fields.String(required=True)
    joined_at = Moment(required=True)
    expires_at = Moment(allow_none=True, metadata=described("Until when an offered seat is kept."))


class Waits(Schema):
    """A page of entries on waiting lists."""

    items = fields.List(fields.Nested(Wait), required=True)
    next = fields.String(allow_none=True)


class Booking(Schema):
    """A seat, or an entry on the waiting list."""

    outcome = fields.String(required=True, validate=validate.OneOf(("BOOKED", "WAITING")))
    patient_id = Id(required=True)
    seat = fields.Nested(Seat, allow_none=True)
    wait = fields.Nested(Wait, allow_none=True)


class Alternative(Schema):
    """A session that stands for another."""

    session_id = Id(required=True)
    kind = fields.String(required=True)
    modality = fields.String(required=True)
    mode = fields.String(required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(required=True)
    clinical_minutes = fields.Integer(required=True)
    free_seats = fields.Integer(required=True)
    same_module = fields.Boolean(
        required=True, metadata=described("Whether it teaches what the seat's own session teaches.")
    )


class Alternatives(Schema):
    """A page of sessions that stand for another."""

    items = fields.List(fields.Nested(Alternative), required=True)
    next = fields.String(allow_none=True)


class Closure(Schema):
    """A stretch of time in which a site is closed."""

    closure_id = Id(required=True)
    site_id = Id(required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(required=True)
    reason = fields.String(required=True)
    declared_at = Moment(required=True)


class SiteClosure(Closure):
    """A closure, with what it called off."""

    cancelled_session_ids = fields.List(Id(), required=True)
    under_way_session_ids = fields.List(
        Id(), required=True, metadata=described("Sessions that somebody attends already: they go on.")
    )
    reaching_into_session_ids = fields.List(
        Id(),
        required=True,
        metadata=described(
            "Sessions that begin before and reach into it, the first first: nothing was done about them, so"
            " somebody has to end them early or call them off. Where anybody has a seat, a task says so."
        ),
    )


class Closures(Schema):
    """A page of closures."""

    items = fields.List(fields.Nested(Closure), required=True)
    next = fields.String(allow_none=True)
