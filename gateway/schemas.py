"""What the gateway itself is asked and answers, beside what the services are."""

from marshmallow import Schema, fields, validate

from gateway import feed
from shared.contracts.event import SERVICES
from shared.schema_fields import Moment


class ListEvents(Schema):
    """Where to go on in the feed, and which events are wanted."""

    after = fields.String(
        validate=validate.Length(min=1, max=64),
        metadata={"description": "The value of next in an earlier answer; left out, the feed begins."},
    )
    limit = fields.Integer(
        load_default=feed.DEFAULT_LIMIT,
        validate=validate.Range(min=1, max=feed.MAX_LIMIT),
        metadata={"description": "Most events in the answer."},
    )
    type = fields.List(
        fields.String(validate=validate.Length(min=1, max=64)),
        load_default=list,
        validate=validate.Length(max=50),
        metadata={"description": "Only events of this type, e.g. session_missed; may be given repeatedly."},
    )


class Event(Schema):
    """An event in its CloudEvents 1.0 envelope; /asyncapi.json tells what is in its data."""

    specversion = fields.String(required=True, metadata={"description": "1.0"})
    id = fields.UUID(required=True, metadata={"description": "The event's id: the same whenever it is told."})
    source = fields.String(required=True, metadata={"description": "/homeward/ and the service."})
    type = fields.String(required=True, metadata={"description": "homeward. and the event's name."})
    time = Moment(required=True, metadata={"description": "When it happened, in program time."})
    recordedtime = Moment(required=True, metadata={"description": "When it was written, in real time."})
    datacontenttype = fields.String(required=True)
    tenantid = fields.String(required=True)
    subject = fields.UUID(metadata={"description": "The patient, where it is about one."})
    episodeid = fields.UUID()
    journeyid = fields.UUID()
    actorid = fields.String(required=True)
    actorrole = fields.String(required=True)
    actorcredential = fields.String()
    correlationid = fields.String(
        required=True, metadata={"description": "Shared by everything that one request set off."}
    )
    causationid = fields.String(metadata={"description": "The command or event that caused this one."})
    traceparent = fields.String()
    data = fields.Dict(required=True, metadata={"description": "The event's own fields."})


class GetJob(Schema):
    """Which long work."""

    job_id = fields.String(
        required=True,
        validate=validate.Length(max=128),
        metadata={"description": "The job_id of the answer that accepted the work."},
    )


class Job(Schema):
    """How long work went."""

    job_id = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(("running", "done", "failed")))
    result = fields.Dict(allow_none=True, metadata={"description": "What came of it, once it has ended."})


class Parked(Schema):
    """A reaction or a timer that failed too often and waits for a human."""

    service = fields.String(required=True, validate=validate.OneOf(SERVICES))
    kind = fields.String(required=True, validate=validate.OneOf(("REACTION", "TIMER")))
    name = fields.String(required=True, metadata={"description": "The reaction's or the timer's name."})
    attempts = fields.Integer(required=True, metadata={"description": "How often it was tried."})
    error = fields.String(allow_none=True, metadata={"description": "The kind of the last failure."})
    event_type = fields.String(metadata={"description": "Of a reaction: the event's name."})
    event_id = fields.UUID(metadata={"description": "Of a reaction: the event, to retry it or skip it."})
    received_at = Moment(metadata={"description": "Of a reaction: when the event came, in real time."})
    due_at = Moment(metadata={"description": "Of a timer: when it was due, in program time."})


class JumpClock(Schema):
    """How far simulated program time may jump: to what is due next, and no further than this."""

    no_later_than = Moment(required=True, metadata={"description": "The last moment to jump to."})


class Clock(Schema):
    """Program time."""

    now = Moment(required=True, metadata={"description": "Program time."})
    simulated = fields.Boolean(required=True, metadata={"description": "Whether it moves by jumps only."})
    next_due_at = Moment(
        allow_none=True, metadata={"description": "When simulated, the moment of what is due next."}
    )


class AcceptedJob(Schema):
    """Work that was accepted and is done later."""

    job_id = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(("accepted",)))
    href = fields.String(required=True, metadata={"description": "Where to ask how it went."})


class Problem(Schema):
    """A refusal, as problem details (RFC 9457)."""

    type = fields.String(required=True, metadata={"description": "urn:homeward:problem: and the code."})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata={"description": "One sentence for a human."})
    code = fields.String(required=True, metadata={"description": "The problem's name, for programs."})
    errors = fields.List(fields.Nested("BrokenRule"), required=True)
    trace_id = fields.String(metadata={"description": "W3C trace id."})
    instance = fields.String(
        metadata={"description": "urn:uuid: and the request's id, to be named in reports."}
    )


class BrokenRule(Schema):
    """A field of the request and the rule that it breaks."""

    field = fields.String(required=True)
    rule = fields.String(required=True)
