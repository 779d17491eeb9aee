"""What the gateway itself is asked and answers, beside what the services are."""

from marshmallow import Schema, fields, validate

from gateway import feed, trace, work
from services.scheduling import schemas as scheduling
from shared.contracts.common import TASK_OUTCOMES_OF_PEOPLE
from shared.contracts.event import SERVICES
from shared.contracts.scheduling import LETTER_PURPOSES
from shared.schema_fields import Id, Moment


class ListEvents(Schema):
    """Where to begin or go on in the feed, and which events are wanted."""

    after = fields.String(
        validate=validate.Length(min=1, max=64),
        metadata={"description": "The value of next in an earlier answer; left out, the feed begins."},
    )
    last = fields.Integer(
        validate=validate.Range(min=0, max=feed.MAX_LIMIT),
        metadata={
            "description": "In the place of after: begin with that many of the newest events, 0 for none."
        },
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


class GetRecord(Schema):
    """Which request for a record."""

    request_id = Id(required=True, metadata={"description": "Id of the request."})


class Record(Schema):
    """A patient's own record, from every service that keeps a part of it."""

    form = fields.String(required=True, metadata={"description": "The form of the document."})
    request_id = Id(required=True)
    patient_id = Id(required=True)
    exported_at = Moment(required=True)
    due_at = Moment(required=True, metadata={"description": "By when it had to be delivered."})
    parts = fields.Dict(
        required=True, metadata={"description": "By service and table: all rows about the patient."}
    )
    disclosures = fields.List(
        fields.Dict(), required=True, metadata={"description": "What was disclosed, to whom, and when."}
    )


class ListDisclosures(Schema):
    """About whom, and where to go on."""

    patient_id = Id(required=True, metadata={"description": "About whom."})
    after = Id(load_default=None, metadata={"description": "The value of next in an earlier answer."})
    limit = fields.Integer(
        load_default=100,
        validate=validate.Range(min=1, max=500),
        metadata={"description": "Most disclosures in the answer."},
    )


class Disclosure(Schema):
    """Something about a patient left the program."""

    disclosure_id = Id(required=True)
    patient_id = Id(required=True)
    consent_id = Id(required=True)
    recipient_id = fields.String(required=True)
    recipient = fields.String(allow_none=True, metadata={"description": "Whom the consent names."})
    purpose = fields.String(allow_none=True, metadata={"description": "For which purpose."})
    information_classes = fields.List(fields.String(), required=True)
    disclosed_at = Moment(required=True)


class ListWork(Schema):
    """Which of the open tasks; all of them when nothing is said."""

    role = fields.String(
        load_default=None,
        validate=validate.OneOf(work.ASKED_ROLES),
        metadata={
            "description": "Asked of this role, of everyone, and of on_call where the role treats patients;"
            " or overdue, and one of these is asked next."
        },
    )
    mine = fields.Boolean(load_default=False, metadata={"description": "Only what the caller has taken."})
    unclaimed = fields.Boolean(load_default=False, metadata={"description": "Only what nobody has taken."})
    overdue = fields.Boolean(
        load_default=None, metadata={"description": "Only what is overdue; false: only what is not."}
    )
    patient_id = Id(load_default=None, metadata={"description": "Only about this patient."})
    task = fields.String(
        load_default=None,
        validate=validate.Length(min=1, max=64),
        metadata={"description": "Only tasks of this name, e.g. outreach_call."},
    )
    after = fields.String(
        load_default=None,
        validate=validate.Length(min=1, max=200),
        metadata={"description": "The value of next in an earlier answer."},
    )
    limit = fields.Integer(
        load_default=work.DEFAULT_LIMIT,
        validate=validate.Range(min=1, max=work.MAX_LIMIT),
        metadata={"description": "Most tasks in the answer."},
    )


class Task(Schema):
    """Something that a human is asked to do."""

    task_id = Id(required=True)
    task = fields.String(required=True, metadata={"description": "What is to be done."})
    service = fields.String(required=True, metadata={"description": "Who asks."})
    reason = fields.String(required=True, metadata={"description": "A code that says why."})
    level = fields.String(
        allow_none=True, metadata={"description": "The escalation's; E4 and E3 come first."}
    )
    owner_role = fields.String(required=True, metadata={"description": "The role that was asked."})
    asked_role = fields.String(
        required=True, metadata={"description": "The role that has it now: taken, handed over, or the owner."}
    )
    due_at = Moment(required=True)
    overdue = fields.Boolean(required=True)
    next_role = fields.String(allow_none=True, metadata={"description": "Who is asked when it is overdue."})
    escalates_to = fields.String(allow_none=True, metadata={"description": "That role, now that it is."})
    about_id = fields.String(required=True, metadata={"description": "What to act on."})
    patient_id = Id(allow_none=True)
    episode_id = Id(allow_none=True)
    opened_at = Moment(required=True)
    claimed_by = fields.String(allow_none=True, metadata={"description": "The person who has taken it."})
    claimed_at = Moment(allow_none=True)
    acknowledged_by = fields.String(
        allow_none=True, metadata={"description": "Of an escalation: the person who took it, at any tier."}
    )
    acknowledged_at = Moment(allow_none=True)
    action = fields.String(
        required=True,
        metadata={"description": "What to POST to next; an escalation is acknowledged, then closed."},
    )


class ClaimTask(Schema):
    """Take a task: somebody is on it.

    An escalation is acknowledged besides, in monitoring: that alone ends the paging.
    """

    task_id = Id(required=True, metadata={"description": "Which task."})


class HandOverTask(Schema):
    """Give a task to somebody, or back to a role."""

    task_id = Id(required=True, metadata={"description": "Which task."})
    to_role = fields.String(
        required=True,
        validate=validate.OneOf(work.RECEIVING_ROLES),
        metadata={"description": "The role that is to have it; a danger stays with the care team."},
    )
    to_id = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(min=1, max=64),
        metadata={"description": "The person who has it from now on; left out, anybody of the role may."},
    )


class CloseTask(Schema):
    """Close a task that no action of its own ends; those have theirs in `action`."""

    task_id = Id(required=True, metadata={"description": "Which task."})
    outcome = fields.String(
        required=True,
        validate=validate.OneOf(TASK_OUTCOMES_OF_PEOPLE),
        metadata={"description": "Done, or not needed any more."},
    )


class ClosedTask(Schema):
    """What became of a task."""

    task_id = Id(required=True)
    task = fields.String(required=True)
    outcome = fields.String(required=True)
    closed_at = Moment(required=True)
    patient_id = Id(allow_none=True)


class Parked(Schema):
    """A reaction or a timer that failed too often and waits for a human."""

    service = fields.String(required=True, validate=validate.OneOf(SERVICES))
    kind = fields.String(required=True, validate=validate.OneOf(("REACTION", "TIMER")))
    item_id = fields.UUID(
        required=True,
        metadata={"description": "To show it, retry it or skip it: an event's or a timer's id."},
    )
    name = fields.String(required=True, metadata={"description": "The reaction's or the timer's name."})
    attempts = fields.Integer(required=True, metadata={"description": "How often it was tried."})
    error = fields.String(allow_none=True, metadata={"description": "The kind of the last failure."})
    event_type = fields.String(metadata={"description": "Of a reaction: the event's name."})
    event_id = fields.UUID(metadata={"description": "Of a reaction: the event."})
    received_at = Moment(metadata={"description": "Of a reaction: when the event came, in real time."})
    due_at = Moment(metadata={"description": "Of a timer: when it was due, in program time."})


class GetParked(Schema):
    """Which parked reactions, or which parked timer."""

    item_id = Id(required=True, metadata={"description": "The item_id of the list."})


class Decision(Schema):
    """What an operator decided about a parked item."""

    how = fields.String(required=True, validate=validate.OneOf(("RETRY", "SKIP")))
    who = fields.String(required=True)
    why = fields.String(required=True)
    resolved_at = Moment(required=True, metadata={"description": "When, in real time."})


class ParkedItem(Parked):
    """A parked reaction with its event, or a parked timer with what was set with it."""

    event = fields.Nested(Event, metadata={"description": "Of a reaction: the event, ids and codes."})
    key = fields.String(metadata={"description": "Of a timer: what it was set for."})
    data = fields.Dict(metadata={"description": "Of a timer: what was set with it."})
    correlation_id = fields.String(metadata={"description": "Of a timer: the request that set it."})
    decisions = fields.List(
        fields.Nested(Decision), required=True, metadata={"description": "What was decided before."}
    )


class RetryParked(GetParked):
    """What is to be tried again, and why."""

    service = fields.String(required=True, validate=validate.OneOf(SERVICES))
    why = fields.String(
        required=True,
        validate=validate.Length(min=1, max=200),
        metadata={"description": "The reason, kept on record: no names, please."},
    )


class SkipParked(RetryParked):
    """What is given up for good, and why."""


class Resolved(Schema):
    """What was decided about a parked item."""

    service = fields.String(required=True, validate=validate.OneOf(SERVICES))
    item_id = fields.UUID(required=True)
    how = fields.String(required=True, validate=validate.OneOf(("RETRY", "SKIP")))
    count = fields.Integer(required=True, metadata={"description": "How many reactions or timers it was."})


class Quarantined(Schema):
    """A message that nobody could read: put aside, sealed."""

    service = fields.String(required=True, validate=validate.OneOf(SERVICES))
    digest = fields.String(required=True, metadata={"description": "SHA-256 of the message."})
    error = fields.String(required=True, metadata={"description": "Why it could not be read."})
    received_at = Moment(required=True, metadata={"description": "When it came, in real time."})


class AuditBreak(Schema):
    """A place in a chain of the audit where a row was changed, removed, added or moved."""

    service = fields.String(required=True, validate=validate.OneOf(SERVICES))
    link = fields.Integer(required=True, metadata={"description": "The place in the chain, from 1."})


class GetTrace(Schema):
    """What to tell the story of, and which part of it."""

    trace_id = Id(
        required=True,
        metadata={
            "description": "The id of an event, a command, a request (the instance of a problem), an episode "
            "or a patient."
        },
    )
    since = Moment(load_default=None, metadata={"description": "Only events from then on, program time."})
    until = Moment(load_default=None, metadata={"description": "Only events until then, program time."})
    limit = fields.Integer(
        load_default=trace.DEFAULT_LIMIT,
        validate=validate.Range(min=1, max=trace.MAX_LIMIT),
        metadata={"description": "Most events in the answer; cut_at says where it was cut."},
    )


#: What a step of a trace is.
STEP_KINDS = ("COMMAND", "REQUEST", "EVENT", "REACTION", "TIMER", "NOTIFICATION", "WATCH")


class TraceStep(Schema):
    """Something that was asked, told, done, set or sent, or should have been."""

    step = fields.Integer(metadata={"description": "Its number, where it stands in a tree."})
    of = fields.Integer(allow_none=True, metadata={"description": "The step that led to it."})
    depth = fields.Integer(metadata={"description": "How far down in its tree."})
    kind = fields.String(required=True, validate=validate.OneOf(STEP_KINDS))
    sentence = fields.String(required=True, metadata={"description": "What it is, to be read."})
    service = fields.String(validate=validate.OneOf(SERVICES))
    name = fields.String(metadata={"description": "Of the command, event, reaction, timer or notification."})
    id = fields.String(metadata={"description": "Of the command, event, notification or concern."})
    state = fields.String()
    problem = fields.String(metadata={"description": "Why it is stuck, late or failed; nothing when well."})
    at = Moment(metadata={"description": "When, in program time."})
    due_at = Moment(metadata={"description": "By when it is to be done, or when it will be tried."})
    after_seconds = fields.Float(metadata={"description": "Program time since the step above."})
    recorded_at = Moment(metadata={"description": "When it was written down, in real time."})
    sent_at = Moment(metadata={"description": "When the broker had it, in real time."})
    sent_after_seconds = fields.Float()
    received_at = Moment(metadata={"description": "When the service received it, in real time."})
    received_after_seconds = fields.Float()
    done_at = Moment(metadata={"description": "When it was done, in real time."})
    done_after_seconds = fields.Float()
    actor_id = fields.String(metadata={"description": "Who did it."})
    actor_role = fields.String()
    attempts = fields.Integer()
    error = fields.String(metadata={"description": "The kind of the last failure."})
    elsewhere = fields.Boolean(
        metadata={"description": "Whether it came of another request and stands here as its answer."}
    )


class TraceProblem(Schema):
    """A step that is stuck, late or failed."""

    step = fields.Integer(required=True)
    problem = fields.String(required=True)
    sentence = fields.String(required=True)
    service = fields.String()
    name = fields.String()
    at = Moment()
    due_at = Moment()


class Trace(Schema):
    """What came of what, across all services."""

    trace_id = fields.UUID(required=True)
    kind = fields.String(
        required=True, validate=validate.OneOf(("EVENT", "COMMAND", "REQUEST", "EPISODE", "PATIENT"))
    )
    told_at = Moment(required=True, metadata={"description": "Program time of the answer."})
    missing = fields.List(
        fields.String(validate=validate.OneOf(SERVICES)),
        required=True,
        metadata={"description": "Services that did not answer: what they know is not told."},
    )
    forgotten_before = Moment(
        allow_none=True,
        required=True,
        metadata={"description": "Some events are older than the inboxes' memory, which begins then."},
    )
    cut_at = Moment(
        allow_none=True,
        required=True,
        metadata={"description": "There is more from then on: ask again with since. Null: this is all."},
    )
    problems = fields.List(fields.Nested(TraceProblem), required=True)
    causes = fields.List(
        fields.Nested(TraceStep),
        required=True,
        metadata={"description": "How it came to the event, the first cause first."},
    )
    steps = fields.List(
        fields.Nested(TraceStep), required=True, metadata={"description": "The trees, line by line."}
    )


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


class JumpedClock(Clock):
    """Program time after a jump."""

    feed = fields.String(
        allow_none=True,
        metadata={
            "description": "Changes once anything may have been announced: while it is the same as in the"
            " answer before, there is nothing new in the feed. Null where that is not known."
        },
    )


class Need(Schema):
    """Why a patient needs somebody: an open task about them."""

    task_id = fields.UUID(required=True)
    task = fields.String(required=True)
    reason = fields.String(required=True)
    level = fields.String(required=True, allow_none=True)
    owner_role = fields.String(required=True)
    due_at = Moment(required=True)
    overdue = fields.Boolean(required=True)


class PatientsNeeds(Schema):
    """Who needs somebody, the most urgent first."""

    patient_id = fields.UUID(required=True)
    tasks = fields.List(fields.Nested(Need), required=True)


class FormsDue(Schema):
    """What a patient is to be asked when they are here."""

    patient_id = fields.UUID(required=True)
    forms = fields.List(fields.String(), required=True)


class Today(scheduling.Today):
    """The day at a site, with who needs somebody and what is due."""

    needs = fields.List(fields.Nested(PatientsNeeds), required=True)
    forms_due = fields.List(fields.Nested(FormsDue), required=True)


class GetDaySheet(Schema):
    """Which day's sheet to print."""

    site_id = Id(required=True, metadata={"description": "Which site."})
    day = fields.Date(metadata={"description": "A day of the site's calendar; today when left out."})


class GetTedsFile(Schema):
    """Which admissions to write into a file of TEDS codes."""

    site_id = Id(required=True, metadata={"description": "Which site."})
    from_ = fields.Date(
        data_key="from", metadata={"description": "First day of admission; from the first when left out."}
    )
    to = fields.Date(metadata={"description": "Last day of admission; to the last when left out."})


class GetBillableDaysFile(Schema):
    """Which billable days to write into a file."""

    site_id = Id(required=True, metadata={"description": "Which site."})
    from_ = fields.Date(
        data_key="from", metadata={"description": "First day; a month before the last when left out."}
    )
    to = fields.Date(metadata={"description": "Last day; today when left out."})


class WriteAttendanceLetter(Schema):
    """A letter about what somebody attended, to a recipient whom they consented to be told."""

    episode_id = Id(required=True, metadata={"description": "Which episode."})
    purpose = fields.String(
        required=True,
        validate=validate.OneOf(LETTER_PURPOSES),
        metadata={"description": "What it is for; it says no more than that needs."},
    )
    recipient_id = fields.String(
        required=True,
        validate=validate.Length(min=1, max=64),
        metadata={"description": "The recipient as the consent names it."},
    )
    recipient = fields.String(
        required=True,
        validate=validate.Length(min=1, max=500),
        metadata={"description": "Name and address as they are printed, in lines."},
    )
    from_ = fields.Date(
        data_key="from", metadata={"description": "First day; that of admission when left out."}
    )
    to = fields.Date(metadata={"description": "Last day; today when left out."})


class OpenPatientCalendar(Schema):
    """A secret address for a patient's calendar."""

    patient_id = Id(required=True, metadata={"description": "Whose calendar."})


class OpenClinicianCalendar(Schema):
    """A secret address for a clinician's calendar."""

    clinician_id = Id(required=True, metadata={"description": "Whose calendar."})


class ListCalendarAddresses(Schema):
    """Whose addresses are wanted."""

    owner_id = Id(metadata={"description": "A patient or a clinician; all that one may see when left out."})


class RevokeCalendarAddress(Schema):
    """An address that is to lead nowhere."""

    calendar_id = Id(required=True, metadata={"description": "Which address."})


class ReadCalendar(Schema):
    """A calendar by its secret address."""

    address = fields.String(required=True, metadata={"description": "The secret, with .ics after it."})


class CalendarAddress(Schema):
    """An address of a calendar, without its secret."""

    calendar_id = fields.UUID(required=True)
    patient_id = fields.UUID(required=True, allow_none=True)
    clinician_id = fields.UUID(required=True, allow_none=True)
    opened_at = Moment(required=True)
    revoked_at = Moment(required=True, allow_none=True)


class NewCalendarAddress(CalendarAddress):
    """An address of a calendar; whoever has it can read the calendar, and it is told only this once."""

    address = fields.String(required=True, metadata={"description": "The path at this door."})


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
    crisis_lines = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "Who helps now, where what was refused told of a danger, or may have."},
    )
    heard = fields.List(
        fields.String(),
        metadata={
            "description": "The dangers in what was refused: they were passed on all the same."
            " Empty where one may have been told and nobody heard it."
        },
    )
    notice = fields.String(
        metadata={"description": "What to say plainly, where a danger was told, or may have been."}
    )
    send_again = fields.Boolean(
        metadata={"description": "Whether the rest of the request is to be sent again, mended."}
    )


class BrokenRule(Schema):
    """A field of the request and the rule that it breaks."""

    field = fields.String(required=True)
    rule = fields.String(required=True)
