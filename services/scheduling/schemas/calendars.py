"""What stands in a patient's and in a clinician's calendar."""

from marshmallow import Schema, fields

from services.scheduling.schemas.fields import described
from shared.schema_fields import Id, Moment


class _Stretch(Schema):
    from_ = Moment(data_key="from", metadata=described("Only what ends after this."))
    to = Moment(metadata=described("Only what starts before this."))


class GetPatientCalendar(_Stretch):
    """A patient's calendar; four weeks back and eight ahead when no stretch is given."""

    patient_id = Id(required=True, metadata=described("Whose."))


class GetClinicianCalendar(_Stretch):
    """A clinician's calendar; four weeks back and eight ahead when no stretch is given."""

    clinician_id = Id(required=True, metadata=described("Whose."))


class CalendarEntry(Schema):
    """A time at which somebody is to be somewhere; what it is for is told nowhere."""

    entry_id = Id(required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(required=True)
    cancelled = fields.Boolean(required=True)


class PatientCalendar(Schema):
    """A patient's calendar."""

    patient_id = Id(required=True)
    items = fields.List(fields.Nested(CalendarEntry), required=True)


class ClinicianCalendar(Schema):
    """A clinician's calendar."""

    clinician_id = Id(required=True)
    items = fields.List(fields.Nested(CalendarEntry), required=True)
