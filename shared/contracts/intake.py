"""What intake tells the others."""

from datetime import date, datetime

from shared.contracts.event import EpisodeFact, Event, event


@event(source="intake", reacting=("scheduling", "monitoring", "aftercare"))
class SiteOpened(Event):
    """A site of the program exists, with its time zone and licensed levels of care."""

    site_id: str
    time_zone: str
    #: ASAM levels the site is licensed for, e.g. ("1", "2.1").
    levels_licensed: tuple[str, ...]
    opened_at: datetime
    #: The program's own number for emergencies, day and night; public, and nobody's private one.
    emergency_line: str | None = None


@event(source="intake", reacting=("scheduling", "monitoring", "aftercare"))
class SiteChanged(Event):
    """A site has another time zone, number or licensed levels: all that is told of it, as it is now."""

    site_id: str
    #: Counts what was told of the site since it was opened; the highest counts, whatever came when.
    revision: int
    #: What is different, of SITE_CHANGES.
    changed: tuple[str, ...]
    time_zone: str
    #: ASAM levels that the site may give now: whose licences count.
    levels_licensed: tuple[str, ...]
    #: The program's own number for emergencies, day and night; public, and nobody's private one.
    emergency_line: str | None
    changed_at: datetime


@event(source="intake", reacting=("scheduling",))
class ReferralReceived(EpisodeFact):
    """Somebody was referred, or came back; an episode is open and waits for an assessment."""

    referral_id: str
    site_id: str
    #: TEDS code of the referral source (PSOURCE 1 to 7), or "REENTRY".
    referral_source: str
    #: Whether the person was known already.
    known_patient: bool
    received_at: datetime


@event(source="intake", reacting=("gateway", "scheduling"))
class ConsentGranted(Event):
    """A patient consented in writing to a use or disclosure (42 CFR 2.31)."""

    consent_id: str
    patient_id: str
    journey_id: str
    #: "TREATMENT", "TPO", "FOLLOW_UP", "FAMILY", "CRIMINAL_JUSTICE".
    kind: str
    recipient_id: str | None
    information_classes: tuple[str, ...]
    granted_at: datetime
    expires_at: datetime | None = None


@event(source="intake", reacting=("gateway", "scheduling"))
class ConsentRevoked(Event):
    """A patient took a consent back."""

    consent_id: str
    patient_id: str
    journey_id: str
    kind: str
    revoked_at: datetime


@event(source="intake", reacting=("monitoring", "aftercare"))
class AssessmentCompleted(EpisodeFact):
    """The six dimensions, the diagnoses and the fit of a person are known, and a level recommended."""

    assessment_id: str
    site_id: str
    #: Of ASAM_EDITIONS: edition of the criteria behind the ratings.
    edition: str
    #: Severity 0 to 4 of dimensions 1 to 6 of the 3rd edition, in order; none by the 4th.
    dimension_ratings: tuple[int, ...]
    #: Problem codes, most severe first, e.g. ("ALCOHOL", "OPIOID").
    problems: tuple[str, ...]
    #: "NONE", "MILD", "MODERATE" or "SEVERE" for each problem, in the same order.
    severities: tuple[str, ...]
    #: ICD-10-CM code for each problem, in the same order ("" where none applies).
    icd10_codes: tuple[str, ...]
    #: Disposition of the withdrawal gate, e.g. "CLEAR", "MEDICAL_EVALUATION", "EMERGENCY".
    withdrawal_gate: str
    #: "MET", "CONDITIONAL" or "NOT_MET" for each of fit_factors, in the same order.
    fit_factors: tuple[str, ...]
    fit_results: tuple[str, ...]
    recommended_level: str
    deciding_dimensions: tuple[int, ...]
    rule_version: str
    completed_at: datetime
    #: Co-occurring mental health condition reported.
    co_occurring: bool = False
    pregnant: bool = False
    #: Co-occurring conditions of mind and body: CONDITIONS_OF_MIND and CONDITIONS_OF_BODY.
    conditions: tuple[str, ...] = ()
    #: How many people back the person; not asked when empty.
    supporters: int | None = None
    #: Sub-dimensions of the 4th edition, e.g. "1A", and the code of each, in the same order; none by the 3rd.
    subdimensions: tuple[str, ...] = ()
    subdimension_codes: tuple[str, ...] = ()
    #: Dimensions of the 4th edition in which more is needed than outpatient therapy.
    dimensions_in_need: tuple[int, ...] = ()
    #: Instruments answered before it that point to a condition of the mind: "PHQ9", from 10 on.
    positive_screens: tuple[str, ...] = ()


@event(source="intake")
class LevelOfCareDecided(EpisodeFact):
    """A licensed clinician decided the level of care, with or against the recommendation."""

    decision_id: str
    assessment_id: str
    recommended_level: str
    decided_level: str
    overridden: bool
    #: Code of the reason when overridden.
    override_reason: str | None
    rule_version: str
    decided_at: datetime


@event(source="intake")
class ReferredElsewhere(EpisodeFact):
    """Somebody needs another level of care and was referred there; follow-ups at 48 h and 7 d."""

    outward_referral_id: str
    level: str
    referred_at: datetime
    follow_ups_due_at: tuple[datetime, ...]


@event(source="intake", reacting=("scheduling", "monitoring", "aftercare"))
class PatientAdmitted(EpisodeFact):
    """Consent and decision are there: the episode of treatment starts."""

    admission_id: str
    site_id: str
    level: str
    admitted_at: datetime
    time_zone: str
    #: Clinical minutes a week that the level asks for: at least, and below.
    weekly_minutes_floor: int
    weekly_minutes_ceiling: int
    #: Expected weeks of the program.
    planned_weeks: int
    #: Patient consented to follow-up after discharge.
    follow_up_consent: bool = False
    #: Opioid use is among the problems (guards against an overdose after absences).
    opioid_history: bool = False


@event(source="intake")
class RulesSigned(Event):
    """A medical director put a version of a pack of rules in force for the tenant."""

    signature_id: str
    #: E.g. "PLACEMENT_ASAM3" or "PHQ9".
    pack: str
    version: int
    #: SHA-256 of the content that was signed.
    digest: str
    signed_at: datetime


@event(source="intake")
class LevelReviewOpened(EpisodeFact):
    """A review of the level of care is due, asked for by monitoring."""

    review_id: str
    reason: str
    due_at: datetime


@event(source="intake")
class LevelOfCareChangeDecided(EpisodeFact):
    """A licensed clinician decided in a review that somebody in treatment needs another level of care.

    The treatment changes with the discharge, transfer or admission that follows.
    """

    review_id: str
    from_level: str
    to_level: str
    #: Why it was looked at again: the reason of the review.
    reason: str
    decided_at: datetime


@event(source="intake")
class InquiryReceived(Event):
    """Somebody asked for help, with or without a name; a human calls back where there is a number."""

    inquiry_id: str
    site_id: str
    anonymous: bool
    reachable: bool
    call_back_due_at: datetime | None
    received_at: datetime


@event(source="intake")
class PreScreenCompleted(Event):
    """The questions before the first talk were answered, and recommend where to begin."""

    inquiry_id: str
    site_id: str
    #: One of PRE_SCREEN_RESULTS.
    recommendation: str
    #: Codes, e.g. "WITHDRAWING_NOW".
    reasons: tuple[str, ...]
    rule_version: str
    #: Whether an assessment is offered within a day.
    urgent: bool
    completed_at: datetime


@event(source="intake")
class InquiryDecided(Event):
    """A specialist decided where somebody who asked begins, beside what was recommended."""

    inquiry_id: str
    site_id: str
    #: One of INQUIRY_DECISIONS.
    decision: str
    #: None where nothing was recommended: the questions were not answered.
    recommendation: str | None
    agrees: bool | None
    decided_at: datetime


@event(source="intake")
class StepDownReferralReceived(EpisodeFact):
    """Somebody comes from residential or inpatient care: contact within 3 days, service within 7."""

    step_down_id: str
    site_id: str
    prior_level: str
    discharged_on: date
    contact_due_at: datetime
    service_due_at: datetime
    received_at: datetime


@event(source="intake")
class DischargeSummaryRequested(EpisodeFact):
    """The earlier program is asked for its summary of somebody who steps down."""

    step_down_id: str
    requested_at: datetime
    due_at: datetime


@event(source="intake")
class DischargeSummaryReceived(EpisodeFact):
    """The earlier program's summary of somebody who steps down is here."""

    step_down_id: str
    received_at: datetime


@event(source="intake", reacting=("monitoring",))
class EarlierPlanImported(EpisodeFact):
    """What somebody who steps down worked on and learned before, in codes: the plan's version 0."""

    step_down_id: str
    #: Of PROBLEMS, of the modalities of sessions, of COPING_SKILLS and of TRIGGERS.
    problems: tuple[str, ...]
    modalities: tuple[str, ...]
    skills: tuple[str, ...]
    triggers: tuple[str, ...]
    imported_at: datetime


@event(source="intake")
class StepDownServed(EpisodeFact):
    """The first service after an inpatient stay is known; in time, it takes a breach back."""

    step_down_id: str
    served_on: date
    in_time: bool
    told_at: datetime


@event(source="intake")
class StepDownServiceBreached(EpisodeFact):
    """Seven days after an inpatient stay there had been no service."""

    step_down_id: str
    discharged_on: date
    service_due_at: datetime
    breached_at: datetime


@event(source="intake")
class AdmissionWaitBegan(EpisodeFact):
    """Somebody who was decided on waits for a seat in the program."""

    wait_id: str
    site_id: str
    #: Rank by law: "PREGNANT_INJECTING", "PREGNANT", "INJECTING" or "OTHER".
    priority: str
    #: When they asked for help: what the clocks of the law count from.
    asked_at: datetime
    joined_at: datetime


@event(source="intake")
class AdmissionSeatOffered(EpisodeFact):
    """A seat in the program is kept for the next in the order of the law."""

    wait_id: str
    site_id: str
    seat_id: str
    priority: str
    offered_at: datetime
    expires_at: datetime


@event(source="intake")
class AdmissionOfferSettled(EpisodeFact):
    """What became of an offered seat."""

    wait_id: str
    site_id: str
    seat_id: str
    #: "ACCEPTED", "DECLINED", "EXPIRED", or "WITHDRAWN" where somebody else had to have it.
    outcome: str
    settled_at: datetime


@event(source="intake")
class AdmissionWaitEnded(EpisodeFact):
    """Somebody waits no longer: admitted, or taken off the list."""

    wait_id: str
    site_id: str
    #: "ADMITTED" or "REMOVED".
    outcome: str
    #: One of WAIT_REMOVAL_REASONS where removed.
    reason: str | None
    #: Days since they asked for help, and the TEDS code of DAYWAIT for them.
    days: int
    daywait: int
    ended_at: datetime


@event(source="intake")
class InterimServicesProvided(EpisodeFact):
    """Somebody who waits was given all that the law asks for meanwhile (45 CFR 96.121)."""

    wait_id: str
    in_time: bool
    completed_at: datetime


@event(source="intake")
class AdmissionClockBreached(EpisodeFact):
    """A clock of the law ran out on somebody who waits (45 CFR 96.126, 96.131)."""

    wait_id: str
    #: One of ADMISSION_CLOCKS.
    clock: str
    due_at: datetime
    breached_at: datetime


#: The factors of how well the program fits somebody. Design default.
FIT_FACTORS = (
    "STABLE_HOME",
    "MILD_TO_MODERATE",
    "OBLIGATIONS",
    "COMMITTED",
    "TOOLS_AGAINST_TRIGGERS",
    "STEP_DOWN",
)

#: Editions of the ASAM criteria: severity by dimension, and minimum level by sub-dimension.
ASAM_EDITIONS = ("ASAM3", "ASAM4")

#: Levels of care of the ASAM criteria, 3rd edition, lowest first.
LEVELS_OF_CARE = ("0.5", "1", "2.1", "2.5", "3.1", "3.3", "3.5", "3.7", "4")

#: Levels of care of the 4th edition, for adults, lowest first; "COE" is a program for co-occurring
#: conditions, "BIO" biomedically enhanced, "4PSYCH" inpatient psychiatric care. ASAM Criteria, 4th edition.
LEVELS_OF_CARE_4 = (
    "1.0",
    "1.5",
    "1.5COE",
    "1.7",
    "1.7COE",
    "2.1",
    "2.5",
    "2.5COE",
    "2.7",
    "2.7COE",
    "3.1",
    "3.5",
    "3.5COE",
    "3.7",
    "3.7COE",
    "3.7BIO",
    "4PSYCH",
    "4",
)

#: Levels of both editions, lowest first: what sites are licensed for and people may be placed in. Those that
#: both editions have stand for themselves in each.
ALL_LEVELS_OF_CARE = (
    "0.5",
    "1",
    *LEVELS_OF_CARE_4[: LEVELS_OF_CARE_4.index("3.5")],
    "3.3",
    *LEVELS_OF_CARE_4[LEVELS_OF_CARE_4.index("3.5") :],
)


@event(source="intake")
class ConsentExpiring(Event):
    """A consent that ends on a date ends soon: told 30 and 7 days before."""

    consent_id: str
    patient_id: str
    journey_id: str
    kind: str
    days_left: int
    expires_at: datetime


@event(source="intake", reacting=("gateway", "scheduling"))
class ConsentExpired(Event):
    """A consent ended by itself: its date came, or the event that it names happened (42 CFR 2.31)."""

    consent_id: str
    patient_id: str
    journey_id: str
    kind: str
    #: "DATE", or one of CONSENT_END_EVENTS.
    reason: str
    expired_at: datetime


@event(source="intake", reacting=("monitoring", "scheduling"))
class SupportNetworkTold(Event):
    """A patient told who backs them: how many people, or nobody."""

    patient_id: str
    journey_id: str
    supporters: int
    #: Of SUPPORTER_ROLES, those that there are.
    roles: tuple[str, ...]
    told_at: datetime


@event(source="intake")
class PrivacyNoticePublished(Event):
    """A version of the notice of how records are protected took its place (42 CFR 2.22)."""

    notice_id: str
    #: What the program calls this version, e.g. "2026-02".
    edition: str
    #: SHA-256 of the text.
    digest: str
    effective_at: datetime
    published_at: datetime


@event(source="intake")
class PrivacyNoticeGiven(Event):
    """A patient was given a version of the notice."""

    receipt_id: str
    notice_id: str
    edition: str
    patient_id: str
    journey_id: str
    #: One of NOTICE_ACKNOWLEDGEMENTS.
    acknowledgement: str
    given_at: datetime


@event(source="intake", reacting=("gateway",))
class RestrictionAgreed(Event):
    """The program agreed that less is told than consents allow (42 CFR 2.26)."""

    restriction_id: str
    patient_id: str
    journey_id: str
    #: Whom it is towards; everybody outside when it is nobody in particular.
    recipient_id: str | None
    #: Which classes it is about; all of them when none is named.
    information_classes: tuple[str, ...]
    agreed_at: datetime


@event(source="intake")
class PlanRestrictionAgreed(Event):
    """The program agreed that health plans are told less, by the cover and not by who asks at the door.

    Claims heed it, and so does what intake says of standing consents: nobody else has to.
    """

    restriction_id: str
    patient_id: str
    journey_id: str
    #: Of the one plan that is not told; every plan when it is none.
    coverage_id: str | None
    #: Which classes it is about; all of them when none is named.
    information_classes: tuple[str, ...]
    agreed_at: datetime


@event(source="intake", reacting=("gateway",))
class RestrictionEnded(Event):
    """A restriction that was agreed to ended, because the patient asked for that."""

    restriction_id: str
    patient_id: str
    journey_id: str
    ended_at: datetime


@event(source="intake", reacting=("scheduling", "monitoring", "aftercare", "gateway"))
class LegalHoldPlaced(Event):
    """Somebody's records were demanded by a court or the like: nothing about them may be forgotten."""

    hold_id: str
    patient_id: str
    journey_id: str
    #: One of LEGAL_DEMANDS.
    kind: str
    placed_at: datetime


@event(source="intake", reacting=("scheduling", "monitoring", "aftercare", "gateway"))
class LegalHoldReleased(Event):
    """A human said that what is old about somebody may be forgotten again."""

    hold_id: str
    patient_id: str
    journey_id: str
    released_at: datetime


@event(source="intake")
class RecordRequested(Event):
    """A patient asked for their own record (45 CFR 164.524)."""

    request_id: str
    patient_id: str
    journey_id: str
    due_at: datetime
    requested_at: datetime


@event(source="intake")
class RecordDelivered(Event):
    """A patient has got their own record."""

    request_id: str
    patient_id: str
    journey_id: str
    in_time: bool
    delivered_at: datetime


@event(source="intake")
class EligibilityAnswered(Event):
    """A payer answered whether, and how, it covers somebody."""

    coverage_id: str
    patient_id: str
    journey_id: str
    #: One of COVERAGE_STATES.
    status: str
    needs_authorization: bool
    answered_at: datetime


@event(source="intake")
class AuthorizationDecided(EpisodeFact):
    """A payer decided about some days of care."""

    authorization_id: str
    #: One of AUTHORIZATION_DECISIONS.
    decision: str
    units: int
    first_covered_on: date
    last_covered_on: date
    decided_at: datetime


@event(source="intake")
class AuthorizationLow(EpisodeFact):
    """Few authorised units, or few covered days, are left."""

    authorization_id: str
    #: "UNITS_5", "UNITS_3" or "DAYS_5".
    reason: str
    units_left: int
    last_covered_on: date
    found_at: datetime


@event(source="intake")
class ProgramCredentialChanged(Event):
    """A licence or accreditation of a listed program was checked, is about to end, or has ended."""

    credential_id: str
    program_id: str
    #: One of PROGRAM_CREDENTIAL_KINDS.
    kind: str
    #: One of PROGRAM_CREDENTIAL_STATES.
    status: str
    ends_at: datetime
    #: Whether the program still counts as verified.
    program_verified: bool
    changed_at: datetime


@event(source="intake")
class FacilitiesImported(Event):
    """Records of facilities were taken into the directory."""

    import_id: str
    #: Rows that were new, that changed a listing, that said nothing new, and that were refused.
    listed: int
    changed: int
    unchanged: int
    refused: int
    imported_at: datetime


#: The payer where the person pays themself.
SELF_PAY = "SELF_PAY"

#: Why somebody pays themself, as they say it.
SELF_PAY_REASONS = ("UNINSURED", "NOT_USING_COVER")

#: Why somebody uses their cover after all.
COVER_USED_REASONS = ("PATIENT_ASKED", "RECORDED_BY_MISTAKE")

#: What shows what a household earns.
INCOME_PROOFS = ("PAY_STUBS", "TAX_RETURN", "BENEFIT_LETTER", "SELF_DECLARED")

#: Problems that bring people to the program (DSM-5, ICD-10-CM F10 to F19, F63.0): substances and gambling.
PROBLEMS = (
    "ALCOHOL",
    "OPIOID",
    "CANNABIS",
    "SEDATIVE",
    "COCAINE",
    "STIMULANT",
    "HALLUCINOGEN",
    "NICOTINE",
    "INHALANT",
    "OTHER",
    "GAMBLING",
)

#: TEDS codes of PSOURCE, who referred; "REENTRY" is somebody who came back after a lapse.
REFERRAL_SOURCES = {
    "1": "Individual, self-referral included",
    "2": "Alcohol or drug use care provider",
    "3": "Other health care provider",
    "4": "School",
    "5": "Employer or employee assistance program",
    "6": "Other community referral",
    "7": "Court or criminal justice referral",
}

#: What an episode goes through.
EPISODE_STATES = ("REFERRED", "ASSESSED", "DECIDED", "ADMITTED", "REFERRED_ELSEWHERE", "DISCHARGED")

#: Sex as recorded at the referral.
SEXES = ("FEMALE", "MALE", "OTHER", "UNKNOWN")

#: Dispositions of the withdrawal gate, least urgent first. From "MEDICAL_EVALUATION" on, nobody is
#: admitted until the finding is gone or a prescriber has cleared it.
WITHDRAWAL_GATES = (
    "CLEAR",
    "RECHECK_DAILY",
    "MOUD_EVALUATION",
    "MEDICAL_EVALUATION",
    "MOUD_INDUCTION",
    "SAFETY_EVALUATION",
    "INPATIENT_EVALUATION",
    "EMERGENCY",
)

#: Who rated a withdrawal scale; self-reports of CIWA-Ar and COWS are refused.
RATERS = ("OBSERVER", "SELF")

#: Answers to the question about suicide.
SUICIDAL_INTENTS = ("NONE", "PASSIVE", "ACTIVE")

#: Where somebody lives.
HOUSING = (
    "OWN_OR_RENT",
    "FAMILY_OR_FRIENDS",
    "RECOVERY_RESIDENCE",
    "TRANSITIONAL",
    "SHELTER",
    "STREET",
)

#: What can set off use: kinds of triggers; two triggers may be of one kind.
TRIGGERS = (
    "PEOPLE",
    "PLACE",
    "THING",
    "EMOTION",
    "TIME",
    "PHYSICAL",
    "DATE",
    "STRESS",
    "BOREDOM",
    "LONELINESS",
    "CONFLICT",
    "CELEBRATION",
    "PAIN",
    "SLEEP_LOSS",
    "PAYDAY",
)

#: Skills against craving that programs teach.
COPING_SKILLS = (
    "URGE_SURFING",
    "CALLING_SOMEBODY",
    "LEAVING_THE_PLACE",
    "REFUSAL_SKILLS",
    "THOUGHT_RECORD",
    "MINDFUL_BREATHING",
    "GROUNDING",
    "DISTRESS_TOLERANCE",
    "OPPOSITE_ACTION",
    "EXERCISE",
    "SLEEP_ROUTINE",
    "MEETING",
    "DAILY_SCHEDULE",
)

#: Stages of remission, stored apart from the ICD-10-CM code.
REMISSIONS = ("EARLY", "SUSTAINED")

#: Why a clinician decides against the recommendation.
OVERRIDE_REASONS = (
    "CLINICAL_JUDGEMENT",
    "PATIENT_PREFERENCE",
    "LEVEL_NOT_AVAILABLE",
    "DISTANCE_OR_TRANSPORT",
    "LEGAL_MANDATE",
    "COVERAGE",
    "STEP_DOWN",
    "SAFETY",
    "OTHER",
)

#: Kinds of consent.
CONSENT_KINDS = (
    "TREATMENT",
    "TPO",
    "FOLLOW_UP",
    "FAMILY",
    "EMPLOYER",
    "ALUMNI",
    "CRIMINAL_JUSTICE",
    "COUNSELLING_NOTES",
    "LEGAL_PROCEEDINGS",
)

#: Who signed a consent.
SIGNATORIES = ("PATIENT", "LEGAL_GUARDIAN", "PERSONAL_REPRESENTATIVE")

#: By what right somebody else signs for a patient (42 CFR 2.14 and 2.15).
SIGNING_AUTHORITIES = ("COURT_APPOINTED", "POWER_OF_ATTORNEY", "EXECUTOR", "NEXT_OF_KIN_AFTER_DEATH")

#: How a consent was signed (42 CFR 2.31(a)(8)).
SIGNATURES = ("PAPER", "ELECTRONIC")

#: Who may disclose under a consent (42 CFR 2.31(a)(2)).
DISCLOSERS = ("THIS_PROGRAM", "ANY_TREATING_PROVIDER", "NAMED")

#: What the form told whoever signed: how to revoke; that a recipient under HIPAA may disclose again; what
#: follows from not signing; that treatment does not depend on it (42 CFR 2.31).
CONSENT_STATEMENTS = ("REVOCATION", "REDISCLOSURE", "REFUSAL", "TREATMENT_NOT_CONDITIONED")

#: Classes of information that a consent can cover.
INFORMATION_CLASSES = (
    "ATTENDANCE",
    "ASSESSMENT",
    "DIAGNOSES",
    "MEDICATIONS",
    "TEST_RESULTS",
    "TREATMENT_PLAN",
    "DISCHARGE_SUMMARY",
    "BILLING",
    "CONTACT",
    "COUNSELLING_NOTES",
)

#: Events with which a consent can end instead of on a date.
CONSENT_END_EVENTS = ("FINAL_DISPOSITION", "END_OF_SUPERVISION", "END_OF_TREATMENT")

#: The class that no consent with other classes, no restriction and no export is about (42 CFR 2.31(b)).
COUNSELLING_NOTES = "COUNSELLING_NOTES"

#: How somebody was given the notice of how records are protected (42 CFR 2.22).
NOTICE_CHANNELS = ("IN_PERSON", "ELECTRONIC", "MAIL")

#: How they acknowledged it; that they would not, or could not, is on record too (45 CFR 164.520(c)).
NOTICE_ACKNOWLEDGEMENTS = ("SIGNED", "REFUSED_TO_SIGN", "UNABLE_TO_SIGN")

#: Towards whom a patient can ask that less be told (42 CFR 2.26).
RESTRICTED_RECIPIENTS = ("HEALTH_PLAN", "FAMILY", "EMPLOYER", "PROVIDER", "OTHER", "ANYONE")

#: What becomes of such a request, and how a human answers it.
RESTRICTION_STATES = ("REQUESTED", "AGREED", "DENIED", "ENDED")
RESTRICTION_ANSWERS = ("AGREE", "DENY")

#: With what somebody demands records (42 CFR 2.61 to 2.67).
LEGAL_DEMANDS = ("SUBPOENA", "COURT_ORDER", "WARRANT", "POLICE_REQUEST", "LAWYERS_LETTER", "OTHER")

#: What a human decided about such a demand. A court order counts with a subpoena, after a hearing
#: (42 CFR 2.61, 2.64).
LEGAL_OUTCOMES = (
    "NOTHING_DISCLOSED",
    "OBJECTED_IN_COURT",
    "ORDER_AND_SUBPOENA_VERIFIED",
    "PATIENT_CONSENTED",
    "WITHDRAWN_BY_ASKER",
)

#: Why somebody does not get their own record (45 CFR 164.524(a)(2) and (3)).
ACCESS_DENIAL_GROUNDS = ("ENDANGERS_LIFE", "COMPILED_FOR_PROCEEDINGS", "NOT_HELD_HERE")

#: What somebody who backs a patient is to them, and how they are reached.
SUPPORTER_ROLES = (
    "PARTNER",
    "PARENT",
    "CHILD",
    "SIBLING",
    "RELATIVE",
    "FRIEND",
    "HOUSEMATE",
    "SPONSOR",
    "CLERGY",
    "EMPLOYER",
    "OTHER",
)
SUPPORTER_CHANNELS = ("PHONE", "TEXT", "EMAIL", "IN_PERSON")

#: The kinds of a patient's contact points.
CONTACT_KINDS = ("PHONE", "EMAIL")
#: Whose, or where, a contact point is; SHARED where others answer or read as well.
CONTACT_LABELS = ("MOBILE", "HOME", "WORK", "TEMPORARY", "SHARED", "OTHER")
#: Why a contact point is used no more: it was never theirs, is theirs no longer, others could hear of
#: the treatment there, or they do not want to be reached there.
CONTACT_ENDINGS = ("WRONG", "GIVEN_UP", "NOT_SAFE", "NOT_WANTED")
#: What became of a message to a patient: as the notification port tells, or there was no way to send it.
MESSAGE_OUTCOMES = ("SENT", "FAILED", "SUPPRESSED", "SIMULATED", "NO_WAY")

#: Conditions that occur beside addiction: of the mind, which the plan works on, and of the body.
CONDITIONS_OF_MIND = (
    "DEPRESSION",
    "ANXIETY",
    "PTSD",
    "BIPOLAR",
    "PSYCHOSIS",
    "ADHD",
    "EATING_DISORDER",
    "PERSONALITY_DISORDER",
    "OTHER_MENTAL",
)
CONDITIONS_OF_BODY = (
    "CHRONIC_PAIN",
    "HEPATITIS",
    "HIV",
    "LIVER_DISEASE",
    "HEART_DISEASE",
    "DIABETES",
    "SEIZURES",
    "BRAIN_INJURY",
    "OTHER_MEDICAL",
)
#: Who says that somebody has a condition, and how it is treated.
CONDITION_SOURCES = ("REPORTED", "DIAGNOSED", "SCREENED_POSITIVE")
CONDITION_TREATMENTS = ("NONE", "HERE", "ELSEWHERE", "UNKNOWN")

#: How the follow-up of somebody referred elsewhere ended.
REFERRAL_FOLLOW_UP_OUTCOMES = ("ARRIVED", "NOT_ARRIVED", "NOT_REACHED", "REFUSED", "DECEASED")

#: What a review of the level of care came to.
REVIEW_OUTCOMES = ("STAY", "STEP_UP", "STEP_DOWN", "PLAN_CHANGED")

#: What a payer answers to the question whether somebody is covered.
COVERAGE_STATES = ("ACTIVE", "INACTIVE", "UNKNOWN")

#: What a payer decides about days of care, and why it says no.
AUTHORIZATION_DECISIONS = ("APPROVED", "DENIED")
DENIAL_CODES = (
    "NOT_MEDICALLY_NECESSARY",
    "NOT_COVERED",
    "OUT_OF_NETWORK",
    "MISSING_INFORMATION",
    "LATE_REQUEST",
    "OTHER",
)

#: What a program can hold: the state's licence, or an accreditor's word.
PROGRAM_CREDENTIAL_KINDS = ("LICENCE", "ACCREDITATION")

#: Who gives what. Accreditors and certifiers after the brief's section 9.
PROGRAM_CREDENTIAL_BODIES = {
    "LICENCE": ("STATE",),
    "ACCREDITATION": (
        "CARF",
        "JOINT_COMMISSION",
        "COA",
        "DNV",
        "NCQA",
        "ASAM_CERTIFICATION",
        "LEGITSCRIPT",
    ),
}

#: What can change about a site; of name and address only that they did.
SITE_CHANGES = ("ADDRESS", "EMERGENCY_PHONE", "LEVELS_LICENSED", "NAME", "TIME_ZONE")

#: Where a licence of a site of ours stands, and why one counts no longer before its end.
SITE_LICENCE_STATES = ("AHEAD", "VALID", "EXPIRING", "LAPSED", "WITHDRAWN")
SITE_LICENCE_WITHDRAWALS = ("SURRENDERED", "SUSPENDED", "REVOKED", "RECORDED_IN_ERROR")

#: Where a program's credential stands.
PROGRAM_CREDENTIAL_STATES = (
    "UNVERIFIED",
    "PENDING",
    "VERIFIED",
    "EXPIRING",
    "EXPIRED",
    "SUSPENDED",
    "REVOKED",
)

#: What a look at the primary source finds.
PROGRAM_CREDENTIAL_FINDINGS = ("CONFIRMED", "NOT_FOUND", "SUSPENDED", "REVOKED")

#: What an accreditor decided.
ACCREDITATION_OUTCOMES = ("THREE_YEAR", "ONE_YEAR", "PROVISIONAL", "FULL", "CERTIFIED")

#: How somebody pays, as listings say it and searches ask it.
PAYERS = (
    "MEDICAID",
    "MEDICARE",
    "PRIVATE",
    "STATE",
    "MILITARY",
    "TRIBAL",
    "GOVERNMENT",
    "SELF_PAY",
    "SLIDING_FEE",
    "ASSISTANCE",
    "FREE",
)

#: What else somebody may need of a program.
PROGRAM_NEEDS = (
    "MOUD",
    "BUPRENORPHINE",
    "METHADONE",
    "NALTREXONE",
    "WITHDRAWAL",
    "TELEHEALTH",
    "CO_OCCURRING",
    "PREGNANCY",
    "WOMEN",
    "MEN",
    "ADOLESCENTS",
    "SENIORS",
    "VETERANS",
    "LGBTQ",
    "JUSTICE",
    "TRAUMA",
    "CHILDCARE",
    "TRANSPORT",
    "GAMBLING",
)

#: Approaches with evidence that listings can name.
PROGRAM_APPROACHES = (
    "CBT",
    "DBT",
    "MI",
    "CONTINGENCY_MANAGEMENT",
    "RELAPSE_PREVENTION",
    "TWELVE_STEP_FACILITATION",
    "MATRIX",
    "COMMUNITY_REINFORCEMENT",
)

#: In what an alternative differs from what was searched for.
ALTERNATIVE_CODES = (
    "HIGHER_LEVEL",
    "LOWER_LEVEL",
    "FARTHER",
    "WEEK_NOT_KNOWN_TO_FIT",
    "OTHER_PAYER",
    "NOT_VERIFIED",
)

#: What becomes of somebody who waits for admission.
ADMISSION_WAIT_STATES = ("WAITING", "OFFERED", "ACCEPTED", "ADMITTED", "REMOVED")

#: Why somebody is taken off the waiting list.
WAIT_REMOVAL_REASONS = (
    "REFUSES_TREATMENT",
    "CANNOT_BE_LOCATED",
    "ADMITTED_ELSEWHERE",
    "REFERRED_ELSEWHERE",
    "NO_LONGER_NEEDED",
    "DIED",
)

#: Clocks of the law for people who wait: interim services, and the admission of people who inject.
ADMISSION_CLOCKS = ("INTERIM_48_HOURS", "ADMIT_14_DAYS", "ADMIT_120_DAYS")

#: What people are given who wait (45 CFR 96.121), and what else helps meanwhile.
INTERIM_SERVICES = (
    "HIV_TB_COUNSELLING",
    "TRANSMISSION_PREVENTION",
    "HIV_TB_REFERRAL",
    "FETAL_EFFECTS_COUNSELLING",
    "PRENATAL_REFERRAL",
    "NALOXONE",
    "INTERIM_MEDICATION",
)

#: What becomes of an inquiry: nobody has decided, a specialist has, or it became a referral.
INQUIRY_STATES = ("OPEN", "DECIDED", "REFERRED")

#: Where a pre-screen recommends to begin, the most pressing last.
PRE_SCREEN_RESULTS = (
    "ASSESSMENT_HERE",
    "OTHER_LEVEL",
    "CLINICIAN_FIRST",
    "MEDICAL_EVALUATION_FIRST",
    "EMERGENCY_NOW",
)

#: What a specialist decides on an inquiry.
INQUIRY_DECISIONS = (*PRE_SCREEN_RESULTS, "NOT_WANTED", "NOT_REACHED")

#: How a call to somebody ended.
CALL_OUTCOMES = ("REACHED", "NO_ANSWER", "VOICEMAIL", "WRONG_NUMBER")

#: How the answers to an instrument were given.
ANSWER_MODES = ("IN_PERSON", "REMOTE")

#: Tasks that no action of their own ends: whoever does them says so on the work list.
TASKS_CLOSED_BY_HAND = (
    "admission_offer_missed",
    "clinician_talk",
    "inquiry_answer",
    "inquiry_follow_up",
    "known_person_referred",
    "low_suicide_risk",
    "obligations_missing",
    "patient_to_tell",
    "safety_items_skipped",
    "suicide_risk_review",
    "suicide_screen_again",
    "waiting_list_passed_over",
    "withdrawal_evaluation",
)
