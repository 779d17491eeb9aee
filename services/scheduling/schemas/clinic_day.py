"""The day at a site, check-outs and walk-ins, and what a patient attended."""

from marshmallow import Schema, fields, validate

from services.scheduling.schemas.attendance import Seat, SessionSummary
from services.scheduling.schemas.fields import described
from shared.contracts.scheduling import CHECK_OUT_ANSWERS
from shared.schema_fields import Id, Moment


class CheckOut(Schema):
    """A patient leaves, and says whether they are safe."""

    session_id = Id(required=True, metadata=described("Which session."))
    patient_id = Id(metadata=described("Who; a patient's own token may leave it out."))
    answer = fields.String(
        required=True,
        validate=validate.OneOf(CHECK_OUT_ANSWERS),
        metadata=described("Are you safe on your way home and at home tonight?"),
    )
    left_at = Moment(metadata=described("For a late entry by the desk: when it truly was."))


class CheckedOut(Seat):
    """A seat after its check-out; who helps now, where the answer carries risk."""

    crisis_lines = fields.Dict(keys=fields.String(), values=fields.String(), allow_none=True)
    not_counted = fields.String(
        allow_none=True,
        metadata=described(
            "Why the check-out itself did not count, as the code of a refusal, though the danger was heard; "
            "null where it did."
        ),
    )


class AddWalkIn(Schema):
    """A patient came to a session in person without having been booked."""

    session_id = Id(required=True, metadata=described("Which session."))
    patient_id = Id(required=True, metadata=described("Who; somebody in the program."))
    arrived_at = Moment(metadata=described("For a late entry: when it truly was."))


class GetToday(Schema):
    """The day at a site."""

    site_id = Id(required=True, metadata=described("Which site."))
    day = fields.Date(metadata=described("A day of the site's calendar; today when left out."))


class SeatToday(Seat):
    """A seat, and when its session is."""

    starts_at = Moment(required=True)
    ends_at = Moment(required=True)


class SessionToday(SessionSummary):
    """A session of the day with its seats."""

    seats = fields.List(fields.Nested(Seat), required=True)


class TestDue(Schema):
    """A drug test that is asked for on this day; nobody knew of it before."""

    test_id = Id(required=True)
    patient_id = Id(required=True)
    episode_id = Id(required=True)
    due_at = Moment(required=True, metadata=described("When the program's day ends."))


class Today(Schema):
    """The day at a site: what is known of every seat."""

    site_id = Id(required=True)
    day = fields.Date(required=True)
    time_zone = fields.String(required=True)
    as_of = Moment(required=True)
    sessions = fields.List(fields.Nested(SessionToday), required=True)
    expected = fields.List(fields.Nested(SeatToday), required=True, metadata=described("Still to come."))
    arrived = fields.List(fields.Nested(SeatToday), required=True, metadata=described("Here now."))
    left = fields.List(fields.Nested(SeatToday), required=True, metadata=described("Were here."))
    unmarked = fields.List(
        fields.Nested(SeatToday), required=True, metadata=described("Nobody has said whether they came.")
    )
    absent = fields.List(
        fields.Nested(SeatToday), required=True, metadata=described("Did not come, excused or not.")
    )
    walk_ins = fields.List(
        fields.Nested(SeatToday), required=True, metadata=described("Came without having been booked.")
    )
    check_outs_missing = fields.List(
        fields.Nested(SeatToday),
        required=True,
        metadata=described("Checked in, and not out half an hour after the end."),
    )
    not_asked = fields.List(
        fields.Nested(SeatToday),
        required=True,
        metadata=described(
            "Were there by the roster, and nobody has put the safety question to them; a check-out does."
        ),
    )
    not_seen = fields.List(
        fields.Nested(SeatToday),
        required=True,
        metadata=described(
            "Came and were not seen, for what not_seen_because says: nobody may treat them where they are, or"
            " they wait at the door, and are unmarked until somebody decides."
        ),
    )
    tests_due = fields.List(
        fields.Nested(TestDue),
        required=True,
        metadata=described("Drug tests of this day of which nothing came yet."),
    )


class GetAttendance(Schema):
    """What an episode's patient attended."""

    episode_id = Id(required=True, metadata=described("Which episode."))
    from_ = fields.Date(data_key="from", metadata=described("First day; that of admission when left out."))
    to = fields.Date(metadata=described("Last day; today when left out."))


class ModalityDose(Schema):
    """What a patient got of one modality."""

    modality = fields.String(required=True)
    sessions = fields.Integer(required=True)
    minutes = fields.Integer(required=True, metadata=described("Clinical minutes, breaks excluded."))


class WeekAttended(Schema):
    """One local week, from Monday."""

    week_starts_on = fields.Date(required=True)
    attended_minutes = fields.Integer(required=True)
    floor_minutes = fields.Integer(
        required=True,
        metadata=described(
            "Clinical minutes that the level of care asks for; in a week of an agreed step-down those agreed."
        ),
    )


class DayAttended(Schema):
    """One local day on which the patient was there."""

    day = fields.Date(required=True)
    sessions = fields.Integer(required=True)
    minutes = fields.Integer(required=True, metadata=described("Minutes there, breaks included."))


class Attendance(Schema):
    """What a patient attended from one day to another, both included."""

    episode_id = Id(required=True)
    patient_id = Id(required=True)
    site_id = Id(required=True)
    time_zone = fields.String(required=True)
    from_ = fields.Date(required=True, data_key="from")
    to = fields.Date(required=True)
    planned_sessions = fields.Integer(required=True)
    attended_sessions = fields.Integer(required=True)
    excused_sessions = fields.Integer(required=True)
    missed_sessions = fields.Integer(required=True)
    planned_minutes = fields.Integer(required=True)
    attended_minutes = fields.Integer(required=True)
    consecutive_absences = fields.Integer(required=True, metadata=described("As they stand now."))
    modalities = fields.List(fields.Nested(ModalityDose), required=True)
    weeks = fields.List(fields.Nested(WeekAttended), required=True)
    days = fields.List(fields.Nested(DayAttended), required=True)


class GetBalance(Schema):
    """How much the program holds a patient, and how much it gives way."""

    episode_id = Id(required=True, metadata=described("Which episode."))


class Balance(Schema):
    """Structure, flexibility and personal fit of an episode so far."""

    episode_id = Id(required=True)
    patient_id = Id(required=True)
    weekly_minutes = fields.Integer(
        required=True, metadata=described("Clinical minutes of the standing week; 0 while there is none.")
    )
    floor_minutes = fields.Integer(
        required=True,
        metadata=described("Of the level of care; of the step-down while one is agreed for today."),
    )
    weeks = fields.Integer(required=True, metadata=described("Local weeks with sessions so far."))
    attended_minutes = fields.Integer(required=True)
    attendance_percent = fields.Integer(
        required=True,
        allow_none=True,
        metadata=described("Of the clinical minutes that were held; null before the first."),
    )
    swaps = fields.Integer(required=True, metadata=described("Sessions moved within their week."))
    make_ups = fields.Integer(required=True, metadata=described("Sessions in place of missed ones."))
    week_changes = fields.Integer(required=True, metadata=described("How often the week was found anew."))
    week_confirmed = fields.Boolean(
        required=True, metadata=described("Whether the patient agreed to the present week.")
    )
    treatment_plan_version = fields.Integer(
        required=True, allow_none=True, metadata=described("Of the treatment plan that the week heeds.")
    )
    wishes_not_met = fields.Integer(required=True)
