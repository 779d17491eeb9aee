"""What scheduling tells the others."""

from datetime import date, datetime

from shared.contracts.event import EpisodeFact, Event, event


@event(source="scheduling", reacting=("intake",))
class ObligationFitFound(Event):
    """How well the tracks of a site fit what a person is bound to."""

    patient_id: str
    journey_id: str
    site_id: str
    #: The track that fits best: "MORNING", "AFTERNOON", "EVENING".
    best_track: str
    placeable_minutes: int
    required_minutes: int
    found_at: datetime
    #: Each track that the site offers, the one that fits best first, and the clinical minutes a week that it
    #: can place, in the same order; empty from an older version.
    tracks: tuple[str, ...] = ()
    placeable_by_track: tuple[int, ...] = ()


@event(source="scheduling")
class ScheduleProposed(EpisodeFact):
    """A standing week was found that meets the hours of the level and no obligation; its places are held."""

    plan_id: str
    version: int
    track: str
    weekly_minutes: int
    days: int
    first_session_at: datetime
    #: Meetings of the week before that are no part of this one; none at first.
    moved: int
    #: Why the week has no workshop, one of WORKSHOP_EXCEPTIONS; empty where it has one.
    workshop_exception: str
    #: Wishes that the week does not meet, e.g. "MODALITY_CBT", and what stands against each, in the
    #: same order.
    wishes_not_met: tuple[str, ...]
    wishes_not_met_because: tuple[str, ...]
    proposed_at: datetime
    #: "GROUP_ENDED" where the program ended a group of the week before; else empty.
    because: str = ""
    #: By when the patient is to agree; then somebody asks them. Older announcers do not tell.
    confirm_by: datetime | None = None


@event(source="scheduling", reacting=("intake",))
class ScheduleConfirmed(EpisodeFact):
    """A patient agreed to the standing week that was proposed."""

    plan_id: str
    version: int
    track: str
    weekly_minutes: int
    days: int
    first_session_at: datetime
    confirmed_at: datetime


@event(source="scheduling")
class StepDownAgreed(EpisodeFact):
    """A clinician agreed with a patient on fewer hours than the level asks for: no floor is judged then."""

    agreement_id: str
    #: Clinical minutes a week at least, and days a week with a block.
    weekly_minutes: int
    days: int
    #: First and last local day; no last one while it is not known.
    begins_on: date
    ends_on: date | None
    agreed_at: datetime


@event(source="scheduling")
class StepDownEnded(EpisodeFact):
    """A clinician ended an agreed step-down before its time: the level's hours are planned again."""

    agreement_id: str
    ended_at: datetime


@event(source="scheduling", reacting=("intake",))
class SessionScheduled(EpisodeFact):
    """A patient has a seat in a session."""

    seat_id: str
    session_id: str
    #: "GROUP", "INDIVIDUAL", "FAMILY" or "EDUCATION".
    kind: str
    modality: str
    starts_at: datetime
    ends_at: datetime
    #: Clinical minutes, breaks excluded.
    clinical_minutes: int


@event(source="scheduling", reacting=("monitoring", "aftercare"))
class SessionAttended(EpisodeFact):
    """A patient was there, in whole or in part."""

    seat_id: str
    session_id: str
    kind: str
    starts_at: datetime
    clinical_minutes: int
    credited_minutes: int
    #: "PRESENT", "LATE", "LEFT_EARLY", "PARTIAL" or "MADE_UP".
    state: str


@event(source="scheduling", reacting=("intake", "monitoring", "aftercare"))
class SessionMissed(EpisodeFact):
    """A patient did not come and had not excused themself: often the first sign of a relapse."""

    seat_id: str
    session_id: str
    kind: str
    starts_at: datetime
    clinical_minutes: int
    #: Absences in a row, this one included.
    consecutive: int
    missed_at: datetime


@event(source="scheduling", reacting=("intake", "monitoring"))
class PatientNotSeen(EpisodeFact):
    """A patient came and was not seen. For a reason of NOT_SEEN_BY_PROGRAM it never counts against them.

    For another they wait: their seat stays open until somebody says what became of it.
    """

    seat_id: str
    session_id: str
    kind: str
    starts_at: datetime
    clinical_minutes: int
    #: One of NOT_SEEN_REASONS.
    reason: str
    came_at: datetime


@event(source="scheduling", reacting=("monitoring", "aftercare"))
class AttendanceCorrected(EpisodeFact):
    """A mark was wrong: the miss, or the attendance, and everything it caused is withdrawn."""

    seat_id: str
    session_id: str
    starts_at: datetime
    clinical_minutes: int
    from_state: str
    to_state: str
    credited_minutes: int
    #: Grows by one with each correction of the same seat, so that the newest wins in any order.
    revision: int
    #: Absences in a row as they stand after the correction.
    consecutive: int
    corrected_at: datetime


@event(source="scheduling")
class SessionCancelled(Event):
    """The program called a session off: nobody is absent, and its seats count for nothing."""

    session_id: str
    site_id: str
    starts_at: datetime
    #: One of CANCELLATION_REASONS, or GROUP_ENDED.
    reason: str
    cancelled_at: datetime


@event(source="scheduling", reacting=("intake",))
class SeatCancelled(EpisodeFact):
    """The program took back a seat that somebody had: it never counts against them."""

    seat_id: str
    session_id: str
    kind: str
    starts_at: datetime
    #: One of CANCELLATION_REASONS, or GROUP_ENDED.
    reason: str
    cancelled_at: datetime


@event(source="scheduling")
class GroupEnded(Event):
    """A standing group ended for good: each of its members was given another week, or somebody asked."""

    group_id: str
    site_id: str
    #: One of GROUP_END_REASONS.
    reason: str
    sessions_cancelled: int
    seats_cancelled: int
    #: Members whose week was found anew, and those for whom somebody has to relax a constraint.
    members_moved: int
    members_without_week: int
    ended_at: datetime


@event(source="scheduling", reacting=("intake",))
class SiteClosed(Event):
    """A site closes for a while: everything that starts in it is called off in one step."""

    closure_id: str
    site_id: str
    closed_from: datetime
    closed_until: datetime
    #: One of CANCELLATION_REASONS.
    reason: str
    sessions_cancelled: int
    seats_cancelled: int


@event(source="scheduling")
class SeatFreed(Event):
    """A session to come has room again."""

    session_id: str
    site_id: str
    group_id: str | None
    starts_at: datetime
    free_seats: int
    #: "EXCUSED", "SWAPPED", "RELEASED", "DISCHARGED", "REPLANNED" or "OFFER_ENDED".
    reason: str
    freed_at: datetime


@event(source="scheduling", reacting=("intake",))
class StandingPlaceFreed(Event):
    """Somebody left the program, and their place in it is free for somebody who waits to be admitted."""

    #: The weekly plan that ended.
    place_id: str
    site_id: str
    freed_at: datetime


@event(source="scheduling")
class SeatOffered(EpisodeFact):
    """A seat has become free for the next on the waiting list, who has until a moment to take it."""

    wait_id: str
    session_id: str
    starts_at: datetime
    expires_at: datetime


@event(source="scheduling")
class SeatOfferSettled(EpisodeFact):
    """What became of an offered seat, or of waiting for one."""

    wait_id: str
    session_id: str
    #: One of WAIT_OUTCOMES.
    outcome: str
    settled_at: datetime


@event(source="scheduling")
class SessionSwapped(EpisodeFact):
    """Somebody moved a session to an equivalent one of the same week."""

    from_seat_id: str
    from_session_id: str
    to_seat_id: str
    to_session_id: str
    #: Whether the patient did it without the staff.
    by_patient: bool
    swapped_at: datetime


@event(source="scheduling")
class MakeUpBooked(EpisodeFact):
    """Somebody makes up for a session that they could not attend."""

    missed_seat_id: str
    seat_id: str
    session_id: str
    starts_at: datetime
    booked_at: datetime


@event(source="scheduling")
class ModuleOfferedAgain(EpisodeFact):
    """A patient missed what a session taught, and is told when it comes again.

    A correction of the seat's attendance takes it back.
    """

    #: The seat in which it was missed.
    seat_id: str
    curriculum_id: str
    module_no: int
    module_part: int
    #: One of MODULE_OCCASIONS.
    occasion: str
    #: The session that teaches it again, where it is booked already; it can be made up in or is the
    #: patient's own, as the occasion says.
    session_id: str | None
    #: When it is taught again, where that is known.
    starts_at: datetime | None
    offered_at: datetime


@event(source="scheduling")
class PeerMatchOffered(EpisodeFact):
    """Staff confirmed a peer for somebody, who is asked now; each of the two is told apart from the other."""

    #: One of the two's own: nothing links it to the other.
    offer_id: str
    offered_at: datetime


@event(source="scheduling")
class PeerMatchSettled(EpisodeFact):
    """What became of a peer for somebody. Who of the two said no is told to nobody."""

    offer_id: str
    #: One of PEER_OUTCOMES.
    outcome: str
    settled_at: datetime


@event(source="scheduling")
class SessionReassigned(Event):
    """Somebody else leads a session."""

    session_id: str
    site_id: str
    from_facilitator_id: str
    to_facilitator_id: str
    starts_at: datetime
    reassigned_at: datetime


@event(source="scheduling")
class CredentialExpired(Event):
    """A clinician's credential has run out: no new session that needs it is booked."""

    clinician_id: str
    site_id: str
    #: What it was, e.g. "LCSW".
    kind: str
    state: str
    expired_on: date
    #: Sessions already booked that somebody else has to lead.
    sessions_affected: int


@event(source="scheduling", reacting=("monitoring",))
class WeeklyDoseShortfall(EpisodeFact):
    """The clinical hours attended in a week stayed under the floor of the level."""

    week_starts_on: date
    attended_minutes: int
    floor_minutes: int
    #: Short weeks in a row, this one included.
    consecutive_weeks: int
    #: When it was found: on Sunday night, or later by a roster that came late. Older announcers do not tell.
    told_at: datetime | None = None


@event(source="scheduling", reacting=("monitoring",))
class WeeklyDoseCorrected(EpisodeFact):
    """A week that was told as short was weighed again, after a late roster or a correction.

    Told also of the weeks after it that were told as short, where they are another number in a row by now.
    """

    week_starts_on: date
    attended_minutes: int
    floor_minutes: int
    #: Short weeks in a row, this one included; 0 where it is not short, or not to be judged, after all.
    consecutive_weeks: int
    #: Grows by one with each correction of the same week, so that the newest wins in any order.
    revision: int
    corrected_at: datetime


@event(source="scheduling", reacting=("intake",))
class ServiceDelivered(EpisodeFact):
    """What of a patient's day may be billed: attended, in a signed note, by somebody with a credential.

    Told from the first attendance on, and anew whenever it changes: the newest revision counts, and empty
    minutes tell that nothing may be billed, or take the day back.
    """

    delivery_id: str
    site_id: str
    served_on: date
    #: Kind of each session, and the minutes credited for it, in the same order.
    kinds: tuple[str, ...]
    minutes: tuple[int, ...]
    #: Grows by one with each change of the same day, so that the newest wins in any order.
    revision: int
    told_at: datetime
    #: Minutes credited in all sessions of the day, also in those that may not be billed.
    attended_minutes: int = 0
    #: What stands against billing a session of the day that was attended, each of BILLING_GAPS once.
    gaps: tuple[str, ...] = ()
    #: What each session did, one of MODALITIES, in the order of the kinds; empty from an older version.
    modalities: tuple[str, ...] = ()
    #: How family sessions of the day that may be billed were held, each of FAMILY_FORMS once.
    family_forms: tuple[str, ...] = ()
    #: Minutes for which the family was seen without the patient; they are in none of the minutes above.
    family_alone_minutes: int = 0


@event(source="scheduling", reacting=("intake",))
class ClinicianCredentialsChanged(Event):
    """A clinician was added, or other credentials of theirs count than before: new, renewed or not confirmed.

    That a credential runs out is no news: its last day is told with it.
    """

    clinician_id: str
    site_id: str
    #: Kind of each credential that counts, e.g. "LCSW", and its last day, in the same order.
    kinds: tuple[str, ...]
    expire_on: tuple[date, ...]
    #: Grows by one with each change of the same clinician, so that the newest wins in any order.
    revision: int
    told_at: datetime


@event(source="scheduling", reacting=("intake",))
class GroupPlacesChanged(Event):
    """A standing group was opened or changed, or standing places in it were taken or given back."""

    group_id: str
    site_id: str
    kind: str
    modality: str
    track: str
    #: One of MODES.
    mode: str
    #: "OPEN" or "CLOSED" to newcomers.
    enrolment: str
    #: Weekdays on which it meets, 0 is Monday, and the standing places free on each, in the same order.
    weekdays: tuple[int, ...]
    free_places: tuple[int, ...]
    #: Local time of day of the site, e.g. "18:00".
    starts: str
    ends: str
    #: Clinical minutes of one meeting, breaks excluded.
    clinical_minutes: int
    capacity: int
    #: Grows by one with each change of the same group, so that the newest wins in any order.
    revision: int
    told_at: datetime


#: What can stand against billing a session that was attended.
BILLING_GAPS = ("NO_SIGNED_NOTE", "TOO_FEW_MINUTES", "NO_VALID_CREDENTIAL", "TOO_FEW_PEOPLE")

#: How a session with a patient's family was held: with the patient or without, or together with others.
FAMILY_FORMS = ("WITH_PATIENT", "WITHOUT_PATIENT", "SEVERAL_FAMILIES")

#: States of a seat: nobody is absent without a human's mark or others' presence.
SEAT_STATES = (
    "SCHEDULED",
    "CHECKED_IN",
    "UNMARKED",
    "PRESENT",
    "LATE",
    "PARTIAL",
    "LEFT_EARLY",
    "EXCUSED",
    "NO_SHOW",
    "CANCELLED",
    "CANCELLED_BY_PROGRAM",
    "MADE_UP",
)

#: States that tell that a patient was there.
ATTENDED_STATES = ("PRESENT", "LATE", "LEFT_EARLY", "PARTIAL", "MADE_UP")

#: Marks that a facilitator gives on a roster.
MARKS = ("PRESENT", "LATE", "LEFT_EARLY", "NO_SHOW", "EXCUSED")

#: What a patient says at check-out to whether they are safe on their way home and at home.
CHECK_OUT_ANSWERS = ("SAFE", "UNSURE", "NOT_SAFE", "DECLINED")

#: States of a session note: written, signed by somebody unlicensed, and signed for good.
NOTE_STATES = ("DRAFT", "AWAITS_COSIGNATURE", "SIGNED")

#: What an attendance letter is for.
LETTER_PURPOSES = ("COURT", "EMPLOYER", "FAMILY_LEAVE")

#: Times of day at which groups meet at a site.
DAY_TRACKS = ("MORNING", "AFTERNOON", "EVENING")

#: Tracks that a group can be of: one of a time of day, or one for which nobody leaves home.
TRACKS = (*DAY_TRACKS, "TELEHEALTH")

#: How people take part in a session.
MODES = ("IN_PERSON", "VIDEO", "AUDIO")

#: Whether a group takes newcomers.
ENROLMENTS = ("OPEN", "CLOSED")

#: How a seat came about: from the standing week, or booked, swapped or made up by hand.
SEAT_ORIGINS = ("PLAN", "BOOKED", "SWAP", "MAKE_UP")

#: Ways in which waiting for a seat ends.
WAIT_OUTCOMES = ("TAKEN", "EXPIRED", "WITHDRAWN", "SESSION_GONE")

#: Why a clinician is away.
ABSENCE_REASONS = ("SICK", "LEAVE", "TRAINING", "OTHER")

#: Who was asked whether a credential is real.
CHECK_SOURCES = ("STATE_BOARD", "CERTIFYING_BODY", "NPDB", "OTHER_PRIMARY_SOURCE")

#: Federal lists of people who may have no part in what Medicare and Medicaid pay for.
EXCLUSION_LISTS = ("OIG_LEIE", "SAM")

#: What a look at such a list finds.
EXCLUSION_FINDINGS = ("CLEAR", "EXCLUDED")

#: Where a patient is during a telehealth session: places of service 10, and 02.
TELEHEALTH_PLACES = ("HOME", "OTHER")

#: Reasons, and the program's own affair, for which it could not see somebody who came: nobody of it may treat
#: them where they are.
NOT_SEEN_BY_PROGRAM = ("NOT_LICENSED_THERE",)

#: Why somebody who came was not seen. But for the program's own reasons they wait: they have not said that
#: nobody listens, or they come to a group so late that whoever leads it is asked first.
NOT_SEEN_REASONS = (*NOT_SEEN_BY_PROGRAM, "PRIVACY_NOT_ATTESTED", "ENTRY_NEEDS_FACILITATOR")

#: What follows for somebody who came and was not seen.
NEXT_STEPS = ("STAFF_CALLS_BACK", "ATTEST_PRIVACY", "STAFF_ASKS_FACILITATOR")

#: Kinds of standing groups.
GROUP_KINDS = ("GROUP", "EDUCATION", "FAMILY", "SUPPORT")

#: Kinds of sessions. What a support group does is no treatment: its hours do not count.
SESSION_KINDS = (*GROUP_KINDS, "INDIVIDUAL")

#: What groups and individual sessions do.
MODALITIES = (
    "PROCESS",
    "CBT",
    "DBT",
    "MI",
    "RELAPSE_PREVENTION",
    "LIFE_SKILLS",
    "PSYCHOEDUCATION",
    "FAMILY",
    "WELLNESS",
    "INDIVIDUAL_COUNSELING",
    "ANGER_MANAGEMENT",
    "TWELVE_STEP",
)

#: What a module of a curriculum trains.
SKILL_TAGS = (
    "ANGER",
    "BUDGETING",
    "COPING",
    "CRAVINGS",
    "DISTRESS_TOLERANCE",
    "EMOTION_REGULATION",
    "FAMILY_ROLES",
    "HEALTH",
    "HEALTHY_COMMUNICATION",
    "INTERPERSONAL_EFFECTIVENESS",
    "JOB_SEARCH",
    "LEISURE",
    "MEDICATION",
    "MINDFULNESS",
    "MOTIVATION",
    "MUTUAL_HELP",
    "NUTRITION",
    "OVERDOSE",
    "PARENTING",
    "PROBLEM_SOLVING",
    "REFUSAL",
    "RELAPSE_PREVENTION",
    "SLEEP",
    "STRESS_MANAGEMENT",
    "THOUGHTS",
    "TRIGGERS",
)

#: How a group goes on in its curriculum: one lesson a week, or one a meeting.
CURRICULUM_PACES = ("WEEK", "MEETING")

#: Ways in which a missed module comes again: a session of the same week to make it up in, a seat that the
#: patient has already, a date of the patient's own groups in a later cycle, one of another day or group that
#: can be booked, or nothing known yet.
MODULE_OCCASIONS = ("MAKE_UP", "OWN_SEAT", "NEXT_CYCLE", "ANOTHER_DAY", "NONE_KNOWN")

#: What a person can be bound to.
OBLIGATION_KINDS = ("WORK", "SCHOOL", "CHILDCARE", "FAMILY", "COURT", "MEDICAL", "OTHER")

#: Reasons that excuse an absence at any time; "OTHER" needs notice.
EXCUSE_REASONS = ("ILLNESS", "COURT", "WORK", "CHILD_EMERGENCY", "OTHER")

#: Why the program calls a session off.
CANCELLATION_REASONS = ("FACILITATOR_ABSENT", "CLOSURE", "WEATHER", "HOLIDAY", "OTHER")

#: Why a standing group ends for good.
GROUP_END_REASONS = ("FACILITATOR_LEFT", "TOO_FEW_MEMBERS", "CURRICULUM_COMPLETED", "OTHER")

#: Why the block of a counselling group is shorter than three hours: brief, sentence S41. Design default.
BLOCK_REASONS = ("PART_OF_A_BLOCK", "MEMBERS_HOURS", "SITE_HOURS", "BY_VIDEO", "CLINICAL", "OTHER")

#: Why the program takes back the seats of a standing group that ended, and proposes another week.
GROUP_ENDED = "GROUP_ENDED"

#: Why a standing week has no workshop.
WORKSHOP_EXCEPTIONS = (
    "NO_WORKSHOP_OFFERED",
    "WORKSHOPS_FULL",
    "WORKSHOPS_MEET_OBLIGATIONS",
    "NO_WORKSHOP_FITS",
)

#: Which constraint to relax when no week fits somebody.
NO_WEEK_REASONS = (
    "NO_GROUPS",
    "GROUPS_FULL",
    "OBLIGATIONS",
    "OBLIGATIONS_AND_CAPACITY",
    "NO_THERAPIST",
    "HOURS",
)

#: Whether somebody wants a peer, or agrees to one.
PEER_ANSWERS = ("YES", "NO")

#: States of a match: proposed to staff, offered to both, agreed by both; or rejected by staff, declined by
#: one of the two, withdrawn because one left or wants none, and ended after both had agreed.
PEER_STATES = ("PROPOSED", "OFFERED", "MATCHED", "REJECTED", "DECLINED", "WITHDRAWN", "ENDED")

#: What people are told of an offer.
PEER_OUTCOMES = ("MATCHED", "NOT_MATCHED", "ENDED")

#: Why two people are proposed to each other.
PEER_REASONS = ("SAME_COHORT", "SAME_GROUP", "SAME_TRACK", "FURTHER_ALONG")

#: Why staff decline a match.
PEER_DECLINE_REASONS = ("SAFETY", "KNOWN_CONFLICT", "NOT_READY", "OTHER")

#: Tasks that no action of their own ends: whoever does them says so on the work list.
TASKS_CLOSED_BY_HAND = (
    "check_out_contact",
    "credential_expires",
    "feedback_drop",
    "patient_not_seen",
    "peer_match_introduce",
    "peer_match_wanted",
    "session_reaches_closure",
)
