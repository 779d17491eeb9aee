"""The gateway's routes and reactions: one search for a name finds route, command and schema.

Most routes only carry a request to the service that owns its schema. What they need besides is told
here, in one place: the scope, whether a patient's token may use them, and which classes of patient
information their answers hold.
"""

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
from marshmallow import Schema
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.orm import Session

from gateway import (
    asyncapi,
    calendar_addresses,
    dangers,
    disclosure,
    feed,
    forwarding,
    leaving,
    openapi,
    page,
    program_clock,
    records,
    repeats,
    schemas,
    standing,
    tables,
    trace,
    work,
)
from gateway.disclosure import Audience
from gateway.forwarding import command, question
from gateway.http import Request, Response, route
from gateway.routing import ABOUT_NOBODY, OWN_PATH, SERVICE_GUARDS, WITHHELD
from gateway.tokens import OPERATIONS
from services.aftercare import schemas as aftercare
from services.intake import schemas as intake
from services.monitoring import schemas as monitoring
from services.scheduling import schemas as scheduling
from shared import holds, safety
from shared.clock import real_now
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import SERVICES, Envelope
from shared.contracts.gateway import TaskClaimed, TaskHandedOver
from shared.contracts.intake import (
    ConsentExpired,
    ConsentGranted,
    ConsentRevoked,
    LegalHoldPlaced,
    LegalHoldReleased,
    RestrictionAgreed,
    RestrictionEnded,
)
from shared.contracts.monitoring import EscalationAcknowledged, EscalationRaised, SafetyConcernTaken
from shared.errors import Forbidden, InvalidInput, NotFound, Refusal
from shared.ids import new_id
from shared.messaging import (
    STAFF,
    CommandClient,
    announce,
    envelope_reacted_to,
    reacts_to,
    reacts_to_every_event,
)
from shared.messaging.builtin import ACCOUNTABLE
from shared.messaging.commands import RoleMayNot
from shared.messaging.traffic import CommandFailed

#: Classes of patient information that answers hold.
_CONTACT = ("CONTACT",)
_ASSESSMENT = ("ASSESSMENT", "DIAGNOSES")
_ATTENDANCE = ("ATTENDANCE",)
_PLAN = ("TREATMENT_PLAN",)
_DISCHARGE = ("DISCHARGE_SUMMARY",)


class Gateway:
    """The only door in."""

    name = "gateway"

    commands = CommandClient()

    # --- intake -----------------------------------------------------------------------------------

    open_site = command("/v1/sites", intake.OpenSite, intake.Site, scope=OPERATIONS)
    list_sites = question("/v1/sites", intake.ListSites, intake.Site, many=True, scope="sites:read")

    set_staffed_hours = command(
        "/v1/sites/{site_id}/staffed-hours", intake.SetStaffedHours, intake.Site, scope=OPERATIONS, status=200
    )

    change_site = command(
        "/v1/sites/{site_id}/changes", intake.ChangeSite, intake.Site, scope=OPERATIONS, status=200
    )
    record_site_licence = command(
        "/v1/sites/{site_id}/licences", intake.RecordSiteLicence, intake.Site, scope=OPERATIONS
    )
    withdraw_site_licence = command(
        "/v1/sites/{site_id}/licences/{licence_id}/withdrawal",
        intake.WithdrawSiteLicence,
        intake.Site,
        scope=OPERATIONS,
        status=200,
    )

    get_self_check_form = question(
        "/v1/self-check-forms/{site_id}",
        intake.GetSelfCheckForm,
        intake.SelfCheckForm,
        scope="self-checks:read",
        recorded=False,
    )
    # A question by POST: what somebody tells in it belongs in no address.
    take_self_check = command(
        "/v1/self-checks", intake.TakeSelfCheck, intake.SelfCheck, scope="self-checks:write", status=200
    )
    # What these answer names nobody, so that somebody without a name can ask through any partner.
    submit_inquiry = command(
        "/v1/inquiries",
        intake.SubmitInquiry,
        intake.InquiryReceipt,
        scope="inquiries:write",
        hears=dangers.hear,
    )
    get_inquiry_status = question(
        "/v1/inquiry-statuses/{status_key}",
        intake.GetInquiryStatus,
        intake.InquiryStatus,
        scope="inquiries:read",
    )
    submit_pre_screen = command(
        "/v1/inquiry-statuses/{status_key}/pre-screens",
        intake.SubmitPreScreen,
        intake.InquiryStatus,
        scope="inquiries:write",
        hears=dangers.hear,
    )
    list_inquiries = question(
        "/v1/inquiries",
        intake.ListInquiries,
        intake.Inquiry,
        many=True,
        scope="inquiries:read",
        information=WITHHELD,
    )
    get_inquiry = question(
        "/v1/inquiries/{inquiry_id}",
        intake.GetInquiry,
        intake.Inquiry,
        scope="inquiries:read",
        information=WITHHELD,
    )
    record_call_back = command(
        "/v1/inquiries/{inquiry_id}/calls",
        intake.RecordCallBack,
        intake.Inquiry,
        scope="inquiries:write",
        information=WITHHELD,
    )
    decide_inquiry = command(
        "/v1/inquiries/{inquiry_id}/decisions",
        intake.DecideInquiry,
        intake.Inquiry,
        scope="inquiries:write",
        information=WITHHELD,
    )

    register_referral = command(
        "/v1/referrals",
        intake.RegisterReferral,
        intake.Referral,
        scope="referrals:write",
        information=_ASSESSMENT,
    )
    import_referrals = command(
        "/v1/referral-imports",
        intake.ImportReferrals,
        intake.ImportReport,
        scope="referrals:write",
        status=202,
        information=WITHHELD,
    )
    # What it answers to an outsider names nobody, and is the same whether the person was known or not.
    register_partner_referral = command(
        "/v1/partner-referrals",
        intake.RegisterPartnerReferral,
        intake.PartnerReferral,
        scope="referrals:write",
    )
    record_step_down = command(
        "/v1/episodes/{episode_id}/step-downs",
        intake.RecordStepDown,
        intake.StepDown,
        scope="step-downs:write",
        information=WITHHELD,
    )
    get_step_down = question(
        "/v1/step-downs/{step_down_id}",
        intake.GetStepDown,
        intake.StepDown,
        scope="step-downs:read",
        information=WITHHELD,
    )
    record_step_down_contact = command(
        "/v1/step-downs/{step_down_id}/contacts",
        intake.RecordStepDownContact,
        intake.StepDown,
        scope="step-downs:write",
        information=WITHHELD,
    )
    record_discharge_summary = command(
        "/v1/step-downs/{step_down_id}/summaries",
        intake.RecordDischargeSummary,
        intake.StepDown,
        scope="step-downs:write",
        information=WITHHELD,
    )
    import_earlier_plan = command(
        "/v1/step-downs/{step_down_id}/earlier-plans",
        intake.ImportEarlierPlan,
        intake.StepDown,
        scope="step-downs:write",
        information=WITHHELD,
    )
    get_referral = question(
        "/v1/referrals/{referral_id}",
        intake.GetReferral,
        intake.Referral,
        scope="referrals:read",
        information=_ASSESSMENT,
    )
    get_patient = question(
        "/v1/patients/{patient_id}",
        intake.GetPatient,
        intake.Patient,
        scope="patients:read",
        patients=OWN_PATH,
        information=_CONTACT,
    )
    list_contact_points = question(
        "/v1/patients/{patient_id}/contact-points",
        intake.ListContactPoints,
        intake.ContactPoint,
        many=True,
        scope="contact-points:read",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    add_contact_point = command(
        "/v1/patients/{patient_id}/contact-points",
        intake.AddContactPoint,
        intake.ContactPoint,
        scope="contact-points:write",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    change_contact_point = command(
        "/v1/patients/{patient_id}/contact-points/{contact_point_id}/changes",
        intake.ChangeContactPoint,
        intake.ContactPoint,
        status=200,
        scope="contact-points:write",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    end_contact_point = command(
        "/v1/patients/{patient_id}/contact-points/{contact_point_id}/ending",
        intake.EndContactPoint,
        intake.ContactPoint,
        status=200,
        scope="contact-points:write",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    set_contact_preferences = command(
        "/v1/patients/{patient_id}/contact-preferences",
        intake.SetContactPreferences,
        intake.ContactPreferences,
        status=200,
        scope="contact-points:write",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    list_messages = question(
        "/v1/patients/{patient_id}/messages",
        intake.ListMessages,
        intake.Message,
        many=True,
        scope="contact-points:read",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    get_episode = question(
        "/v1/episodes/{episode_id}",
        intake.GetEpisode,
        intake.Episode,
        scope="episodes:read",
        patients=SERVICE_GUARDS,
        information=_ASSESSMENT,
    )
    complete_assessment = command(
        "/v1/episodes/{episode_id}/assessments",
        intake.CompleteAssessment,
        intake.Assessment,
        scope="assessments:write",
        information=_ASSESSMENT,
        hears=dangers.hear,
    )
    get_assessment = question(
        "/v1/assessments/{assessment_id}",
        intake.GetAssessment,
        intake.Assessment,
        scope="assessments:read",
        information=_ASSESSMENT,
    )
    decide_level_of_care = command(
        "/v1/episodes/{episode_id}/level-decisions",
        intake.DecideLevelOfCare,
        intake.LevelDecision,
        scope="assessments:write",
        information=_ASSESSMENT,
    )
    get_status = question(
        "/v1/patients/{patient_id}/status",
        intake.GetStatus,
        intake.Status,
        scope="patients:read",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    get_due_instruments = question(
        "/v1/patients/{patient_id}/due-instruments",
        intake.GetDueInstruments,
        intake.DueInstruments,
        scope="instruments:read",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    answer_instrument = command(
        "/v1/patients/{patient_id}/instrument-answers",
        intake.AnswerInstrument,
        intake.InstrumentAnswers,
        scope="instruments:write",
        patients=OWN_PATH,
        information=WITHHELD,
        hears=dangers.hear,
    )
    list_instrument_answers = question(
        "/v1/patients/{patient_id}/instrument-answers",
        intake.ListInstrumentAnswers,
        intake.InstrumentAnswers,
        many=True,
        scope="instruments:read",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    get_instrument_answers = question(
        "/v1/instrument-answers/{answers_id}",
        intake.GetInstrumentAnswers,
        intake.InstrumentAnswers,
        scope="instruments:read",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    list_rules = question("/v1/rules", intake.ListRules, intake.RulePack, many=True, scope="rules:read")
    sign_rules = command("/v1/rule-signatures", intake.SignRules, intake.RuleSignature, scope="rules:write")
    grant_consent = command(
        "/v1/patients/{patient_id}/consents",
        intake.GrantConsent,
        intake.Consent,
        scope="consents:write",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    revoke_consent = command(
        "/v1/consents/{consent_id}/revocation",
        intake.RevokeConsent,
        intake.Consent,
        scope="consents:write",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    end_consent = command(
        "/v1/consents/{consent_id}/endings",
        intake.EndConsent,
        intake.Consent,
        scope="consents:write",
        information=WITHHELD,
    )
    list_consents = question(
        "/v1/patients/{patient_id}/consents",
        intake.ListConsents,
        intake.Consent,
        many=True,
        scope="consents:read",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    add_supporter = command(
        "/v1/patients/{patient_id}/supporters",
        intake.AddSupporter,
        intake.Supporter,
        scope="supporters:write",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    list_supporters = question(
        "/v1/patients/{patient_id}/supporters",
        intake.ListSupporters,
        intake.Supporter,
        many=True,
        scope="supporters:read",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    tell_no_supporter = command(
        "/v1/patients/{patient_id}/no-supporter",
        intake.TellNoSupporter,
        intake.SupportNetwork,
        scope="supporters:write",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    end_supporter = command(
        "/v1/supporters/{supporter_id}/ending",
        intake.EndSupporter,
        intake.Supporter,
        status=200,
        scope="supporters:write",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    record_triggers = command(
        "/v1/episodes/{episode_id}/trigger-inventories",
        intake.RecordTriggers,
        intake.TriggerInventory,
        scope="assessments:write",
        information=WITHHELD,
    )
    publish_privacy_notice = command(
        "/v1/privacy-notices",
        intake.PublishPrivacyNotice,
        intake.PrivacyNotice,
        scope="privacy-notices:write",
        information=WITHHELD,
    )
    list_privacy_notices = question(
        "/v1/privacy-notices",
        intake.ListPrivacyNotices,
        intake.PrivacyNotice,
        many=True,
        scope="privacy-notices:read",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    give_privacy_notice = command(
        "/v1/patients/{patient_id}/notice-receipts",
        intake.GivePrivacyNotice,
        intake.NoticeReceipt,
        scope="privacy-notices:write",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    list_notice_receipts_of = question(
        "/v1/patients/{patient_id}/notice-receipts",
        intake.ListNoticeReceiptsOf,
        intake.NoticeReceipt,
        many=True,
        scope="privacy-notices:read",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    list_notice_receipts = question(
        "/v1/notice-receipts",
        intake.ListNoticeReceipts,
        intake.NoticeReceipt,
        many=True,
        scope="privacy-notices:read",
        information=WITHHELD,
    )
    request_restriction = command(
        "/v1/patients/{patient_id}/restrictions",
        intake.RequestRestriction,
        intake.Restriction,
        scope="restrictions:write",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    list_restrictions = question(
        "/v1/patients/{patient_id}/restrictions",
        intake.ListRestrictions,
        intake.Restriction,
        many=True,
        scope="restrictions:read",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    answer_restriction = command(
        "/v1/restrictions/{restriction_id}/answer",
        intake.AnswerRestriction,
        intake.Restriction,
        status=200,
        scope="restrictions:write",
        information=WITHHELD,
    )
    end_restriction = command(
        "/v1/restrictions/{restriction_id}/ending",
        intake.EndRestriction,
        intake.Restriction,
        status=200,
        scope="restrictions:write",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    receive_legal_demand = command(
        "/v1/legal-demands",
        intake.ReceiveLegalDemand,
        intake.LegalDemandReceipt,
        scope="legal-demands:write",
    )
    list_legal_demands = question(
        "/v1/legal-demands",
        intake.ListLegalDemands,
        intake.LegalDemand,
        many=True,
        scope="legal-demands:read",
        information=WITHHELD,
    )
    identify_demanded = command(
        "/v1/legal-demands/{demand_id}/identification",
        intake.IdentifyDemanded,
        intake.LegalDemand,
        status=200,
        scope="legal-demands:write",
        information=WITHHELD,
    )
    settle_legal_demand = command(
        "/v1/legal-demands/{demand_id}/settlement",
        intake.SettleLegalDemand,
        intake.LegalDemand,
        status=200,
        scope="legal-demands:write",
        information=WITHHELD,
    )
    release_legal_hold = command(
        "/v1/legal-demands/{demand_id}/release",
        intake.ReleaseLegalHold,
        intake.LegalDemand,
        status=200,
        scope="legal-demands:write",
        information=WITHHELD,
    )
    request_record = command(
        "/v1/patients/{patient_id}/record-requests",
        intake.RequestRecord,
        intake.RecordRequest,
        scope="records:write",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    list_record_requests = question(
        "/v1/patients/{patient_id}/record-requests",
        intake.ListRecordRequests,
        intake.RecordRequest,
        many=True,
        scope="records:read",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    get_record_request = question(
        "/v1/record-requests/{request_id}",
        intake.GetRecordRequest,
        intake.RecordRequest,
        scope="records:read",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    deliver_record = command(
        "/v1/record-requests/{request_id}/delivery",
        intake.DeliverRecord,
        intake.RecordRequest,
        status=200,
        scope="records:write",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    answer_record_request = command(
        "/v1/record-requests/{request_id}/answer",
        intake.AnswerRecordRequest,
        intake.RecordRequest,
        status=200,
        scope="records:write",
        information=WITHHELD,
    )
    stop_messages = command(
        "/v1/patients/{patient_id}/message-stops",
        intake.StopMessages,
        intake.MessageStop,
        scope="consents:write",
        patients=OWN_PATH,
        information=_CONTACT,
    )
    allow_messages = command(
        "/v1/patients/{patient_id}/message-permissions",
        intake.AllowMessages,
        intake.MessageStop,
        scope="consents:write",
        patients=OWN_PATH,
        information=_CONTACT,
    )
    admit_patient = command(
        "/v1/episodes/{episode_id}/admission",
        intake.AdmitPatient,
        intake.Admission,
        scope="episodes:write",
        information=_ASSESSMENT,
    )
    refer_elsewhere = command(
        "/v1/episodes/{episode_id}/outward-referral",
        intake.ReferElsewhere,
        intake.OutwardReferral,
        scope="outward-referrals:write",
        information=_ASSESSMENT,
    )
    get_outward_referral = question(
        "/v1/outward-referrals/{outward_referral_id}",
        intake.GetOutwardReferral,
        intake.OutwardReferral,
        scope="outward-referrals:read",
        information=_ASSESSMENT,
    )
    record_referral_follow_up = command(
        "/v1/outward-referrals/{outward_referral_id}/follow-ups",
        intake.RecordReferralFollowUp,
        intake.OutwardReferral,
        scope="outward-referrals:write",
        information=_ASSESSMENT,
    )
    wait_for_admission = command(
        "/v1/episodes/{episode_id}/admission-waits",
        intake.WaitForAdmission,
        intake.AdmissionWait,
        scope="admission-waits:write",
        information=WITHHELD,
    )
    # In which order people wait tells of others: no outsider learns it, and no patient either.
    list_admission_waits = question(
        "/v1/admission-waits",
        intake.ListAdmissionWaits,
        intake.QueuedAdmission,
        many=True,
        scope="admission-waits:read",
        information=WITHHELD,
    )
    get_admission_wait = question(
        "/v1/admission-waits/{wait_id}",
        intake.GetAdmissionWait,
        intake.AdmissionWait,
        scope="admission-waits:read",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    accept_admission_offer = command(
        "/v1/admission-waits/{wait_id}/acceptance",
        intake.AcceptAdmissionOffer,
        intake.AdmissionWait,
        scope="admission-waits:write",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    decline_admission_offer = command(
        "/v1/admission-waits/{wait_id}/refusal",
        intake.DeclineAdmissionOffer,
        intake.AdmissionWait,
        scope="admission-waits:write",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    remove_admission_wait = command(
        "/v1/admission-waits/{wait_id}/removal",
        intake.RemoveAdmissionWait,
        intake.AdmissionWait,
        scope="admission-waits:write",
        information=WITHHELD,
    )
    record_interim_services = command(
        "/v1/admission-waits/{wait_id}/interim-services",
        intake.RecordInterimServices,
        intake.AdmissionWait,
        scope="admission-waits:write",
        information=WITHHELD,
    )
    add_admission_seats = command(
        "/v1/sites/{site_id}/admission-seats",
        intake.AddAdmissionSeats,
        intake.AdmissionSeats,
        scope="admission-waits:write",
        information=WITHHELD,
    )
    get_admission_wait_report = question(
        "/v1/admission-wait-reports",
        intake.GetAdmissionWaitReport,
        intake.AdmissionWaitReport,
        scope="admission-waits:read",
        information=WITHHELD,
    )
    list_level_reviews = question(
        "/v1/level-reviews",
        intake.ListLevelReviews,
        intake.LevelReview,
        many=True,
        scope="level-reviews:read",
        information=WITHHELD,
    )
    close_level_review = command(
        "/v1/level-reviews/{review_id}/closure",
        intake.CloseLevelReview,
        intake.LevelReview,
        status=200,
        scope="level-reviews:write",
        information=WITHHELD,
    )

    record_teds_codes = command(
        "/v1/episodes/{episode_id}/teds-codes",
        intake.RecordTedsCodes,
        intake.TedsCodes,
        status=200,
        scope="reports:write",
        information=WITHHELD,
    )
    list_teds_records = question(
        "/v1/teds-records",
        intake.ListTedsRecords,
        intake.TedsRecord,
        many=True,
        scope="reports:read",
        information=WITHHELD,
    )

    record_eligibility_answer = command(
        "/v1/patients/{patient_id}/eligibility-answers",
        intake.RecordEligibilityAnswer,
        intake.Coverage,
        scope="coverage:write",
        information=WITHHELD,
    )
    record_authorization = command(
        "/v1/episodes/{episode_id}/authorizations",
        intake.RecordAuthorization,
        intake.Authorization,
        scope="coverage:write",
        information=WITHHELD,
    )
    take_authorized_unit = command(
        "/v1/authorizations/{authorization_id}/units",
        intake.TakeAuthorizedUnit,
        intake.Authorization,
        scope="coverage:write",
        information=WITHHELD,
    )
    release_authorized_unit = command(
        "/v1/authorizations/{authorization_id}/releases",
        intake.ReleaseAuthorizedUnit,
        intake.Authorization,
        scope="coverage:write",
        information=WITHHELD,
    )
    end_authorization = command(
        "/v1/authorizations/{authorization_id}/ending",
        intake.EndAuthorization,
        intake.Authorization,
        status=200,
        scope="coverage:write",
        information=WITHHELD,
    )
    get_coverage = question(
        "/v1/episodes/{episode_id}/coverage",
        intake.GetCoverage,
        intake.EpisodeCoverage,
        scope="coverage:read",
        information=WITHHELD,
    )
    list_unbilled_days = question(
        "/v1/unbilled-days",
        intake.ListUnbilledDays,
        intake.AttendedDay,
        many=True,
        scope="coverage:read",
        information=WITHHELD,
    )
    list_billable_days = question(
        "/v1/billable-days",
        intake.ListBillableDays,
        intake.AttendedDay,
        many=True,
        scope="coverage:read",
        information=WITHHELD,
    )
    set_rate = command("/v1/sites/{site_id}/rates", intake.SetRate, intake.Rate, scope="coverage:write")
    list_rates = question(
        "/v1/sites/{site_id}/rates", intake.ListRates, intake.Rate, many=True, scope="coverage:read"
    )
    estimate_cost = command(
        "/v1/episodes/{episode_id}/cost-estimates",
        intake.EstimateCost,
        intake.CostEstimate,
        scope="coverage:write",
        information=WITHHELD,
    )
    list_cost_estimates = question(
        "/v1/episodes/{episode_id}/cost-estimates",
        intake.ListCostEstimates,
        intake.CostEstimates,
        scope="coverage:read",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    declare_self_pay = command(
        "/v1/episodes/{episode_id}/self-pay",
        intake.DeclareSelfPay,
        intake.SelfPay,
        status=200,
        scope="coverage:write",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    assess_fee = command(
        "/v1/episodes/{episode_id}/fee-assessments",
        intake.AssessFee,
        intake.FeeAssessment,
        scope="coverage:write",
        information=WITHHELD,
    )
    get_funding_paths = question(
        "/v1/episodes/{episode_id}/funding-paths",
        intake.GetFundingPaths,
        intake.FundingPaths,
        scope="coverage:read",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    publish_program = command(
        "/v1/programs", intake.PublishProgram, intake.FoundProgram, scope="programs:write"
    )
    list_programs = question(
        "/v1/programs",
        intake.ListPrograms,
        intake.FoundProgram,
        many=True,
        scope="programs:read",
        patients=SERVICE_GUARDS,
    )
    get_program = question(
        "/v1/programs/{program_id}",
        intake.GetProgram,
        intake.ProgramProfile,
        scope="programs:read",
        patients=SERVICE_GUARDS,
    )
    get_program_matches = question(
        "/v1/program-matches",
        intake.GetProgramMatches,
        intake.ProgramMatches,
        scope="programs:read",
        patients=SERVICE_GUARDS,
    )
    import_facilities = command(
        "/v1/facility-imports",
        intake.ImportFacilities,
        intake.FacilityImport,
        scope="programs:write",
        status=202,
    )
    record_program_credential = command(
        "/v1/programs/{program_id}/credentials",
        intake.RecordProgramCredential,
        intake.ProgramCredential,
        scope="programs:write",
    )
    list_program_credentials = question(
        "/v1/programs/{program_id}/credentials",
        intake.ListProgramCredentials,
        intake.ProgramCredential,
        many=True,
        scope="programs:read",
    )
    check_program_credential = command(
        "/v1/program-credentials/{credential_id}/checks",
        intake.CheckProgramCredential,
        intake.ProgramCredential,
        scope="programs:write",
    )

    # --- scheduling -------------------------------------------------------------------------------

    add_clinician = command(
        "/v1/clinicians", scheduling.AddClinician, scheduling.Clinician, scope="clinicians:write"
    )
    list_clinicians = question(
        "/v1/clinicians",
        scheduling.ListClinicians,
        scheduling.Clinicians,
        many=True,
        scope="clinicians:read",
    )
    record_credential = command(
        "/v1/clinicians/{clinician_id}/credentials",
        scheduling.RecordCredential,
        scheduling.Clinician,
        scope="clinicians:write",
    )
    check_credential = command(
        "/v1/clinicians/{clinician_id}/credential-checks",
        scheduling.CheckCredential,
        scheduling.Clinician,
        scope="clinicians:write",
    )
    record_exclusion_check = command(
        "/v1/clinicians/{clinician_id}/exclusion-checks",
        scheduling.RecordExclusionCheck,
        scheduling.ExclusionCheck,
        scope="clinicians:write",
    )
    list_exclusion_checks = question(
        "/v1/clinicians/{clinician_id}/exclusion-checks",
        scheduling.ListExclusionChecks,
        scheduling.ExclusionChecks,
        many=True,
        scope="clinicians:read",
    )
    record_absence = command(
        "/v1/clinicians/{clinician_id}/absences",
        scheduling.RecordAbsence,
        scheduling.Absence,
        scope="clinicians:write",
    )
    hand_over_caseload = command(
        "/v1/clinicians/{clinician_id}/hand-overs",
        scheduling.HandOverCaseload,
        scheduling.HandedOver,
        scope="clinicians:write",
    )
    add_room = command("/v1/rooms", scheduling.AddRoom, scheduling.Room, scope="rooms:write")
    list_rooms = question("/v1/rooms", scheduling.ListRooms, scheduling.Rooms, many=True, scope="rooms:read")
    plan_session = command(
        "/v1/sessions", scheduling.PlanSession, scheduling.PlannedSession, scope="sessions:write"
    )
    assign_session = command(
        "/v1/sessions/{session_id}/assignments",
        scheduling.AssignSession,
        scheduling.PlannedSession,
        scope="sessions:write",
        information=WITHHELD,
    )
    book_seat = command(
        "/v1/sessions/{session_id}/seats",
        scheduling.BookSeat,
        scheduling.Booking,
        scope="bookings:write",
        patients=SERVICE_GUARDS,
        information=_ATTENDANCE,
    )
    join_by_telehealth = command(
        "/v1/sessions/{session_id}/telehealth-check-ins",
        scheduling.JoinByTelehealth,
        scheduling.Joined,
        scope="sessions:write",
        patients=SERVICE_GUARDS,
        information=_ATTENDANCE,
    )
    get_telehealth_visit = question(
        "/v1/seats/{seat_id}/telehealth-visit",
        scheduling.GetTelehealthVisit,
        scheduling.TelehealthVisit,
        scope="sessions:read",
        information=WITHHELD,
    )
    release_seat = command(
        "/v1/seats/{seat_id}/release",
        scheduling.ReleaseSeat,
        scheduling.Seat,
        scope="bookings:write",
        patients=SERVICE_GUARDS,
        information=_ATTENDANCE,
    )
    swap_seat = command(
        "/v1/seats/{seat_id}/swaps",
        scheduling.SwapSeat,
        scheduling.Seat,
        scope="bookings:write",
        patients=SERVICE_GUARDS,
        information=_ATTENDANCE,
    )
    make_up_session = command(
        "/v1/seats/{seat_id}/make-ups",
        scheduling.MakeUpSession,
        scheduling.Seat,
        scope="bookings:write",
        patients=SERVICE_GUARDS,
        information=_ATTENDANCE,
    )
    list_alternatives = question(
        "/v1/seats/{seat_id}/alternatives",
        scheduling.ListAlternatives,
        scheduling.Alternatives,
        many=True,
        scope="bookings:read",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    accept_offer = command(
        "/v1/waiting-list-entries/{wait_id}/acceptance",
        scheduling.AcceptOffer,
        scheduling.Seat,
        scope="bookings:write",
        patients=SERVICE_GUARDS,
        information=_ATTENDANCE,
    )
    leave_waiting_list = command(
        "/v1/waiting-list-entries/{wait_id}/withdrawal",
        scheduling.LeaveWaitingList,
        scheduling.Wait,
        scope="bookings:write",
        patients=SERVICE_GUARDS,
        information=_ATTENDANCE,
    )
    list_waits = question(
        "/v1/episodes/{episode_id}/waiting-list-entries",
        scheduling.ListWaits,
        scheduling.Waits,
        many=True,
        scope="bookings:read",
        patients=SERVICE_GUARDS,
        information=_ATTENDANCE,
    )
    close_site = command(
        "/v1/sites/{site_id}/closures", scheduling.CloseSite, scheduling.SiteClosure, scope="sessions:write"
    )
    list_closures = question(
        "/v1/sites/{site_id}/closures",
        scheduling.ListClosures,
        scheduling.Closures,
        many=True,
        scope="sessions:read",
    )
    open_group = command("/v1/groups", scheduling.OpenGroup, scheduling.Group, scope="groups:write")
    change_enrolment = command(
        "/v1/groups/{group_id}/enrolment",
        scheduling.ChangeEnrolment,
        scheduling.Group,
        status=200,
        scope="groups:write",
    )
    move_group = command(
        "/v1/groups/{group_id}/room",
        scheduling.MoveGroup,
        scheduling.Group,
        status=200,
        scope="groups:write",
    )
    end_group = command(
        "/v1/groups/{group_id}/end",
        scheduling.EndGroup,
        scheduling.GroupEnding,
        scope="groups:write",
        status=202,
        information=WITHHELD,
    )
    list_groups = question(
        "/v1/groups", scheduling.ListGroups, scheduling.Groups, many=True, scope="groups:read"
    )
    list_cohorts = question(
        "/v1/sites/{site_id}/cohorts",
        scheduling.ListCohorts,
        scheduling.Cohorts,
        many=True,
        scope="groups:read",
        information=WITHHELD,
    )
    set_peer_preference = command(
        "/v1/patients/{patient_id}/peer-preference",
        scheduling.SetPeerPreference,
        scheduling.PeerPreference,
        status=200,
        scope="peers:write",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    list_peer_offers = question(
        "/v1/patients/{patient_id}/peer-offers",
        scheduling.ListPeerOffers,
        scheduling.PeerOffers,
        many=True,
        scope="peers:read",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    answer_peer_offer = command(
        "/v1/peer-offers/{offer_id}/answers",
        scheduling.AnswerPeerOffer,
        scheduling.PeerOffer,
        status=200,
        scope="peers:write",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    decide_peer_match = command(
        "/v1/peer-matches/{match_id}/decisions",
        scheduling.DecidePeerMatch,
        scheduling.PeerMatch,
        scope="peers:write",
        information=WITHHELD,
    )
    list_peer_matches = question(
        "/v1/sites/{site_id}/peer-matches",
        scheduling.ListPeerMatches,
        scheduling.PeerMatches,
        many=True,
        scope="peers:read",
        information=WITHHELD,
    )
    adopt_curriculum = command(
        "/v1/curricula", scheduling.AdoptCurriculum, scheduling.Curriculum, scope="curricula:write"
    )
    list_curricula = question(
        "/v1/curricula", scheduling.ListCurricula, scheduling.Curricula, many=True, scope="curricula:read"
    )
    list_manuals = question(
        "/v1/curriculum-manuals",
        scheduling.ListManuals,
        scheduling.Manuals,
        many=True,
        scope="curricula:read",
    )
    follow_curriculum = command(
        "/v1/groups/{group_id}/curriculum",
        scheduling.FollowCurriculum,
        scheduling.Group,
        status=200,
        scope="groups:write",
    )
    get_curriculum_progress = question(
        "/v1/episodes/{episode_id}/curriculum-progress",
        scheduling.GetCurriculumProgress,
        scheduling.CurriculumProgress,
        scope="curricula:read",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    declare_obligations = command(
        "/v1/patients/{patient_id}/obligations",
        scheduling.DeclareObligations,
        scheduling.Obligations,
        scope="obligations:write",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    get_obligations = question(
        "/v1/patients/{patient_id}/obligations",
        scheduling.GetObligations,
        scheduling.Obligations,
        scope="obligations:read",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    get_weekly_plan = question(
        "/v1/episodes/{episode_id}/weekly-plan",
        scheduling.GetWeeklyPlan,
        scheduling.WeeklyPlan,
        scope="weekly-plans:read",
        patients=SERVICE_GUARDS,
        information=_ATTENDANCE,
    )
    confirm_weekly_plan = command(
        "/v1/episodes/{episode_id}/weekly-plan/confirmation",
        scheduling.ConfirmWeeklyPlan,
        scheduling.WeeklyPlan,
        scope="weekly-plans:write",
        patients=SERVICE_GUARDS,
        information=_ATTENDANCE,
    )
    agree_step_down = command(
        "/v1/episodes/{episode_id}/weekly-plan/step-downs",
        scheduling.AgreeStepDown,
        scheduling.AgreedStepDowns,
        scope="weekly-plans:write",
        information=_ATTENDANCE,
    )
    list_step_downs = question(
        "/v1/episodes/{episode_id}/weekly-plan/step-downs",
        scheduling.ListStepDowns,
        scheduling.AgreedStepDowns,
        scope="weekly-plans:read",
        patients=SERVICE_GUARDS,
        information=_ATTENDANCE,
    )
    end_step_down = command(
        "/v1/episodes/{episode_id}/weekly-plan/step-down-end",
        scheduling.EndStepDown,
        scheduling.AgreedStepDowns,
        scope="weekly-plans:write",
        status=200,
        information=_ATTENDANCE,
    )
    list_patient_sessions = question(
        "/v1/episodes/{episode_id}/sessions",
        scheduling.ListPatientSessions,
        scheduling.PatientSessions,
        many=True,
        scope="sessions:read",
        patients=SERVICE_GUARDS,
        information=_ATTENDANCE,
    )
    list_sessions = question(
        "/v1/sessions",
        scheduling.ListSessions,
        scheduling.Sessions,
        many=True,
        scope="sessions:read",
        information=WITHHELD,
    )
    get_session = question(
        "/v1/sessions/{session_id}",
        scheduling.GetSession,
        scheduling.Session,
        scope="sessions:read",
        information=_ATTENDANCE,
    )
    check_in = command(
        "/v1/sessions/{session_id}/check-ins",
        scheduling.CheckIn,
        scheduling.Seat,
        scope="sessions:write",
        patients=SERVICE_GUARDS,
        information=_ATTENDANCE,
    )
    check_out = command(
        "/v1/sessions/{session_id}/check-outs",
        scheduling.CheckOut,
        scheduling.CheckedOut,
        scope="sessions:write",
        patients=SERVICE_GUARDS,
        information=_ATTENDANCE,
        hears=dangers.hear,
    )
    add_walk_in = command(
        "/v1/sessions/{session_id}/walk-ins",
        scheduling.AddWalkIn,
        scheduling.Seat,
        scope="sessions:write",
        information=_ATTENDANCE,
    )
    record_roster = command(
        "/v1/sessions/{session_id}/roster",
        scheduling.RecordRoster,
        scheduling.Session,
        status=200,
        scope="sessions:write",
        information=_ATTENDANCE,
    )
    excuse_absence = command(
        "/v1/sessions/{session_id}/excuses",
        scheduling.ExcuseAbsence,
        scheduling.Seat,
        scope="sessions:write",
        patients=SERVICE_GUARDS,
        information=_ATTENDANCE,
    )
    correct_attendance = command(
        "/v1/seats/{seat_id}/corrections",
        scheduling.CorrectAttendance,
        scheduling.Seat,
        scope="sessions:write",
        information=_ATTENDANCE,
    )
    cancel_session = command(
        "/v1/sessions/{session_id}/cancellation",
        scheduling.CancelSession,
        scheduling.Session,
        status=200,
        scope="sessions:write",
        information=_ATTENDANCE,
    )

    get_attendance = question(
        "/v1/episodes/{episode_id}/attendance",
        scheduling.GetAttendance,
        scheduling.Attendance,
        scope="sessions:read",
        patients=SERVICE_GUARDS,
        information=_ATTENDANCE,
    )
    get_balance = question(
        "/v1/episodes/{episode_id}/balance",
        scheduling.GetBalance,
        scheduling.Balance,
        scope="sessions:read",
        patients=SERVICE_GUARDS,
        information=_ATTENDANCE,
    )
    write_note = command(
        "/v1/sessions/{session_id}/notes",
        scheduling.WriteNote,
        scheduling.Note,
        scope="session-notes:write",
        information=WITHHELD,
    )
    rewrite_note = command(
        "/v1/session-notes/{note_id}/texts",
        scheduling.RewriteNote,
        scheduling.Note,
        scope="session-notes:write",
        information=WITHHELD,
    )
    sign_note = command(
        "/v1/session-notes/{note_id}/signature",
        scheduling.SignNote,
        scheduling.Note,
        status=200,
        scope="session-notes:write",
        information=WITHHELD,
    )
    cosign_note = command(
        "/v1/session-notes/{note_id}/cosignature",
        scheduling.CosignNote,
        scheduling.Note,
        status=200,
        scope="session-notes:write",
        information=WITHHELD,
    )
    add_addendum = command(
        "/v1/session-notes/{note_id}/addenda",
        scheduling.AddAddendum,
        scheduling.Note,
        scope="session-notes:write",
        information=WITHHELD,
    )
    list_session_notes = question(
        "/v1/sessions/{session_id}/notes",
        scheduling.ListSessionNotes,
        scheduling.Notes,
        many=True,
        scope="session-notes:read",
        information=WITHHELD,
    )
    list_unsigned_notes = question(
        "/v1/unsigned-notes",
        scheduling.ListUnsignedNotes,
        scheduling.UnsignedNotes,
        many=True,
        scope="session-notes:read",
        information=WITHHELD,
    )
    give_feedback = command(
        "/v1/sessions/{session_id}/feedback",
        scheduling.GiveFeedback,
        scheduling.Feedback,
        scope="feedback:write",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    list_feedback = question(
        "/v1/episodes/{episode_id}/feedback",
        scheduling.ListFeedback,
        scheduling.Feedbacks,
        many=True,
        scope="feedback:read",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    get_patient_calendar = question(
        "/v1/patients/{patient_id}/calendar",
        scheduling.GetPatientCalendar,
        scheduling.PatientCalendar,
        scope="calendars:read",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    get_clinician_calendar = question(
        "/v1/clinicians/{clinician_id}/calendar",
        scheduling.GetClinicianCalendar,
        scheduling.ClinicianCalendar,
        scope="calendars:read",
        information=WITHHELD,
    )

    # --- monitoring -------------------------------------------------------------------------------

    get_earlier_plan = question(
        "/v1/episodes/{episode_id}/earlier-plan",
        monitoring.GetEarlierPlan,
        monitoring.EarlierPlan,
        scope="treatment-plans:read",
        patients=SERVICE_GUARDS,
        information=_PLAN,
    )
    get_treatment_plan = question(
        "/v1/episodes/{episode_id}/treatment-plan",
        monitoring.GetTreatmentPlan,
        monitoring.TreatmentPlan,
        scope="treatment-plans:read",
        patients=SERVICE_GUARDS,
        information=_PLAN,
    )
    sign_treatment_plan = command(
        "/v1/treatment-plans/{plan_id}/signatures",
        monitoring.SignTreatmentPlan,
        monitoring.TreatmentPlan,
        scope="treatment-plans:write",
        patients=SERVICE_GUARDS,
        information=_PLAN,
    )
    submit_check_in = command(
        "/v1/episodes/{episode_id}/check-ins",
        monitoring.SubmitCheckIn,
        monitoring.CheckIn,
        scope="check-ins:write",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
        hears=dangers.hear,
    )
    get_check_in_form = question(
        "/v1/episodes/{episode_id}/check-in-form",
        monitoring.GetCheckInForm,
        monitoring.CheckInForm,
        scope="check-ins:read",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    get_risk = question(
        "/v1/episodes/{episode_id}/risk",
        monitoring.GetRisk,
        monitoring.Risk,
        scope="risk:read",
        information=WITHHELD,
    )
    list_outreach = question(
        "/v1/outreach",
        monitoring.ListOutreach,
        monitoring.Outreaches,
        many=True,
        scope="outreach:read",
        information=WITHHELD,
    )
    get_outreach = question(
        "/v1/outreach/{outreach_id}",
        monitoring.GetOutreach,
        monitoring.Outreach,
        scope="outreach:read",
        information=WITHHELD,
    )
    log_outreach_attempt = command(
        "/v1/outreach/{outreach_id}/attempts",
        monitoring.LogOutreachAttempt,
        monitoring.Outreach,
        scope="outreach:write",
        information=WITHHELD,
    )
    raise_safety_concern = command(
        "/v1/safety-concerns",
        monitoring.RaiseSafetyConcern,
        monitoring.Escalation,
        scope="safety-concerns:write",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
        hears=dangers.hear,
    )
    list_escalations = question(
        "/v1/escalations",
        monitoring.ListEscalations,
        monitoring.Escalations,
        many=True,
        scope="escalations:read",
        information=WITHHELD,
    )
    get_escalation = question(
        "/v1/escalations/{escalation_id}",
        monitoring.GetEscalation,
        monitoring.Escalation,
        scope="escalations:read",
        information=WITHHELD,
    )
    acknowledge_escalation = command(
        "/v1/escalations/{escalation_id}/acknowledgement",
        monitoring.AcknowledgeEscalation,
        monitoring.Escalation,
        status=200,
        scope="escalations:write",
        information=WITHHELD,
    )
    close_escalation = command(
        "/v1/escalations/{escalation_id}/closure",
        monitoring.CloseEscalation,
        monitoring.Escalation,
        status=200,
        scope="escalations:write",
        information=WITHHELD,
    )

    keep_staff_contact = command(
        "/v1/staff-contacts",
        monitoring.KeepStaffContact,
        monitoring.StaffContact,
        scope="staff-contacts:write",
    )
    list_staff_contacts = question(
        "/v1/staff-contacts",
        monitoring.ListStaffContacts,
        monitoring.StaffContact,
        many=True,
        scope="staff-contacts:read",
    )
    plan_on_call_shift = command(
        "/v1/on-call-shifts", monitoring.PlanOnCallShift, monitoring.OnCallShift, scope="on-call-shifts:write"
    )
    list_on_call_shifts = question(
        "/v1/on-call-shifts",
        monitoring.ListOnCallShifts,
        monitoring.OnCallShift,
        many=True,
        scope="on-call-shifts:read",
    )
    withdraw_on_call_shift = command(
        "/v1/on-call-shifts/{shift_id}/withdrawal",
        monitoring.WithdrawOnCallShift,
        monitoring.OnCallShift,
        status=200,
        scope="on-call-shifts:write",
    )
    list_on_call_gaps = question(
        "/v1/on-call-gaps",
        monitoring.ListOnCallGaps,
        monitoring.OnCallGap,
        many=True,
        scope="on-call-shifts:read",
    )

    # --- aftercare --------------------------------------------------------------------------------

    get_graduation = question(
        "/v1/episodes/{episode_id}/graduation",
        aftercare.GetGraduation,
        aftercare.Graduation,
        scope="discharges:read",
        information=_DISCHARGE,
    )
    attest_criterion = command(
        "/v1/episodes/{episode_id}/attestations",
        aftercare.AttestCriterion,
        aftercare.Graduation,
        scope="discharges:write",
        information=_DISCHARGE,
    )
    graduate_patient = command(
        "/v1/episodes/{episode_id}/graduation",
        aftercare.GraduatePatient,
        aftercare.Discharge,
        scope="discharges:write",
        information=_DISCHARGE,
    )
    discharge_patient = command(
        "/v1/episodes/{episode_id}/discharge",
        aftercare.DischargePatient,
        aftercare.Discharge,
        scope="discharges:write",
        information=_DISCHARGE,
    )
    get_discharge = question(
        "/v1/discharges/{discharge_id}",
        aftercare.GetDischarge,
        aftercare.Discharge,
        scope="discharges:read",
        information=_DISCHARGE,
    )
    list_discharge_proposals = question(
        "/v1/discharge-proposals",
        aftercare.ListDischargeProposals,
        aftercare.DischargeProposal,
        many=True,
        scope="discharges:read",
        information=WITHHELD,
    )
    write_aftercare_plan = command(
        "/v1/episodes/{episode_id}/aftercare-plan",
        aftercare.WriteAftercarePlan,
        aftercare.AftercarePlan,
        scope="aftercare:write",
        information=_PLAN,
    )
    get_aftercare_plan = question(
        "/v1/episodes/{episode_id}/aftercare-plan",
        aftercare.GetAftercarePlan,
        aftercare.AftercarePlan,
        scope="aftercare:read",
        patients=SERVICE_GUARDS,
        information=_PLAN,
    )
    list_aftercare_contacts = question(
        "/v1/episodes/{episode_id}/aftercare-contacts",
        aftercare.ListAftercareContacts,
        aftercare.AftercareContact,
        many=True,
        scope="aftercare:read",
        information=WITHHELD,
    )
    record_contact_attempt = command(
        "/v1/aftercare-contacts/{contact_id}/attempts",
        aftercare.RecordContactAttempt,
        aftercare.ContactAttempt,
        scope="aftercare:write",
        information=WITHHELD,
        hears=dangers.hear,
    )
    # The receipt is the same whoever it is about, so it tells an outside reporter nothing.
    report_lapse = command(
        "/v1/lapses",
        aftercare.ReportLapse,
        aftercare.LapseReceipt,
        scope="lapses:write",
        patients=SERVICE_GUARDS,
        information=ABOUT_NOBODY,
        hears=dangers.hear,
    )
    get_lapse = question(
        "/v1/lapses/{lapse_id}",
        aftercare.GetLapse,
        aftercare.Lapse,
        scope="lapses:read",
        information=WITHHELD,
    )

    # --- The gateway's own ------------------------------------------------------------------------

    @route(
        "GET",
        "/v1/events",
        request=schemas.ListEvents,
        answer=schemas.Event,
        many=True,
        scope="events:read",
        information=WITHHELD,
    )
    def list_events(self, request: Request) -> dict[str, Any]:
        """Return a page of the feed."""
        asked = forwarding.loaded(schemas.ListEvents, forwarding.data_of(request))
        # What was announced a moment ago has its place before the page is cut.
        tables.place_all(request.door.wiring.engine_of("gateway"))
        audience = Audience.of(request.known_caller)
        confirmed: standing.Standing = {}
        if audience.recipient_id:
            confirmed = standing.confirmed(self.commands, request, recipient_id=audience.recipient_id)
        with request.transaction(reads_only=audience.is_staff) as (db, origin):

            def account(disclosed: dict[tuple[str, str], set[str]]) -> None:
                for made in disclosure.account_for(
                    disclosed, audience=audience, cause_id=new_id(), now=origin.now
                ):
                    announce(db, made)

            return feed.read_page(
                db,
                audience=audience,
                after=asked.get("after"),
                types=asked["type"],
                limit=asked["limit"],
                now=origin.now,
                confirmed=confirmed,
                account=account,
            )

    @route(
        "GET",
        "/v1/jobs/{job_id}",
        request=schemas.GetJob,
        answer=schemas.Job,
        scope="jobs:read",
        information=WITHHELD,
    )
    def get_job(self, request: Request) -> dict[str, Any]:
        """Ask the service that took the work on how it went."""
        job_id = forwarding.loaded(schemas.GetJob, forwarding.data_of(request))["job_id"]
        service, _, own_id = job_id.partition(".")
        if service not in SERVICES or request.known_caller.is_outside:
            raise NotFound("No such job.", field="job_id")
        try:
            told = self._ask(request, service, "get_job", {"job_id": own_id})
        except InvalidInput:
            raise NotFound("No such job.", field="job_id") from None
        return {"job_id": job_id, **told}

    @route("GET", "/v1/parked-items", answer=schemas.Parked, many=True, scope=OPERATIONS)
    def list_parked(self, request: Request) -> dict[str, Any]:
        """Ask every service what failed too often and waits for a human."""
        items: list[dict[str, Any]] = []
        for service in SERVICES:
            told = self._ask(request, service, "list_parked", {})
            items += told["items"]
        return {"items": items, "next": None}

    @route(
        "GET",
        "/v1/parked-items/{item_id}",
        request=schemas.GetParked,
        answer=schemas.ParkedItem,
        many=True,
        scope=OPERATIONS,
    )
    def get_parked(self, request: Request) -> dict[str, Any]:
        """Ask every service what is parked under an id, with the event or the timer."""
        asked = forwarding.loaded(schemas.GetParked, forwarding.data_of(request))
        items = [
            item for service in SERVICES for item in self._ask(request, service, "get_parked", asked)["items"]
        ]
        if not items:
            raise NotFound("Nothing is parked under this id.", field="item_id")
        return {"items": items, "next": None}

    @route(
        "POST",
        "/v1/parked-items/{item_id}/retries",
        request=schemas.RetryParked,
        answer=schemas.Resolved,
        status=201,
        scope=OPERATIONS,
    )
    def retry_parked(self, request: Request) -> Response:
        """Have the service try again, with fresh attempts."""
        return self._resolve_parked(request, schemas.RetryParked)

    @route(
        "POST",
        "/v1/parked-items/{item_id}/skips",
        request=schemas.SkipParked,
        answer=schemas.Resolved,
        status=201,
        scope=OPERATIONS,
    )
    def skip_parked(self, request: Request) -> Response:
        """Have the service give it up."""
        return self._resolve_parked(request, schemas.SkipParked)

    def _resolve_parked(self, request: Request, schema: type[Schema]) -> Response:
        _ = request.command_id
        asked = forwarding.loaded(schema, forwarding.data_of(request))
        service = asked.pop("service")
        return self._carried_out(request, service, request.name, asked)

    @route("GET", "/v1/quarantined-messages", answer=schemas.Quarantined, many=True, scope=OPERATIONS)
    def list_quarantined(self, request: Request) -> dict[str, Any]:
        """Ask every service which messages it could not read."""
        told = [self._ask(request, service, "list_quarantined", {}) for service in SERVICES]
        return {"items": [item for one in told for item in one["items"]], "next": None}

    @route("GET", "/v1/audit-breaks", answer=schemas.AuditBreak, many=True, scope=OPERATIONS)
    def list_audit_breaks(self, request: Request) -> dict[str, Any]:
        """Have every service check its chain, stretch by stretch: nothing else waits for it."""
        items: list[dict[str, Any]] = []
        for service in SERVICES:
            after: int | None = 0
            while after is not None:
                told = self._ask(request, service, "list_audit_breaks", {"after": after})
                items += told["items"]
                after = told["after"]
        return {"items": items, "next": None}

    @route(
        "GET",
        "/v1/traces/{trace_id}",
        request=schemas.GetTrace,
        answer=schemas.Trace,
        scope="traces:read",
        information=WITHHELD,
    )
    def get_trace(self, request: Request) -> dict[str, Any]:
        """Tell what came of what, across all services, to whoever answers for it."""
        caller = request.known_caller
        if caller.actor.role not in ACCOUNTABLE:
            raise RoleMayNot(field="role", rule=f"get_trace is for {', '.join(ACCOUNTABLE)}", problems=())
        asked = forwarding.loaded(schemas.GetTrace, forwarding.data_of(request))
        engine = request.door.wiring.engine_of("gateway")
        tables.fill_causes(engine)

        def ask(service: str, ids: list[str]) -> dict[str, Any] | None:
            try:
                return self._ask(request, service, "get_traces_of", {"ids": ids})
            except (Refusal, CommandFailed):
                # It is away, or of a version that does not know the question yet.
                return None

        with engine.connect() as connection:
            return trace.trace(
                connection,
                ask,
                tenant_id=caller.tenant_id,
                now=request.door.wiring.clock.now(),
                real_now=real_now(),
                **asked,
            )

    def _ask(self, request: Request, service: str, name: str, data: dict[str, Any]) -> dict[str, Any]:
        """Ask a service as the caller and return what it answers."""
        answer: dict[str, Any] = self._send(request, service, name, data, command_id=new_id())["answer"]
        return answer

    def _carried_out(self, request: Request, service: str, name: str, data: dict[str, Any]) -> Response:
        """Have a service carry out a command as the caller, once however often the request comes."""
        told = self._send(request, service, name, data, command_id=request.command_id)
        return Response.of(told["answer"], status=request.route.status, replayed=told.get("replayed", False))

    def _send(
        self, request: Request, service: str, name: str, data: dict[str, Any], *, command_id: str
    ) -> dict[str, Any]:
        """Send a service a command or a question as the caller, and return what came back."""
        caller = request.known_caller
        return self.commands.send(
            service,
            name,
            data,
            tenant_id=caller.tenant_id,
            actor=caller.actor,
            command_id=command_id,
            correlation_id=request.correlation_id,
            traceparent=request.traceparent,
        )

    @route("GET", "/v1/clock", answer=schemas.Clock, scope=OPERATIONS)
    def get_clock(self, request: Request) -> dict[str, Any]:
        """Return program time."""
        return program_clock.get_clock(self.commands)

    @route("POST", "/v1/clock/jumps", request=schemas.JumpClock, answer=schemas.Clock, scope=OPERATIONS)
    def jump_clock(self, request: Request) -> Response:
        """Let simulated program time jump to what is due next."""
        first = repeats.recall(request)
        if first is not None:
            return Response.of(first, replayed=True)
        asked = forwarding.loaded(schemas.JumpClock, forwarding.data_of(request))
        answer = program_clock.jump_clock(self.commands, **asked)
        repeats.remember(request, answer)
        return Response.of(answer)

    # --- Patients' own records --------------------------------------------------------------------

    @route(
        "GET",
        "/v1/record-requests/{request_id}/record",
        request=schemas.GetRecord,
        answer=schemas.Record,
        scope="records:read",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
        summary="A patient's own record as one document",
    )
    def get_record(self, request: Request) -> dict[str, Any]:
        """Put a patient's own record together from what every service keeps."""
        asked = self._asked_inside(request)
        forwarding.loaded(schemas.GetRecord, asked)
        return records.export(self.commands, request, asked)

    @route(
        "GET",
        "/v1/patients/{patient_id}/disclosures",
        request=schemas.ListDisclosures,
        answer=schemas.Disclosure,
        many=True,
        scope="records:read",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    def list_disclosures(self, request: Request) -> dict[str, Any]:
        """Account for what was disclosed about a patient within three years (42 CFR 2.25)."""
        asked = forwarding.loaded(schemas.ListDisclosures, self._asked_inside(request))
        return records.accounting(self.commands, request, asked)

    # --- The day, letters and calendars -----------------------------------------------------------

    @route(
        "GET",
        "/v1/sites/{site_id}/today",
        service="scheduling",
        request=scheduling.GetToday,
        answer=schemas.Today,
        scope="sessions:read",
        information=WITHHELD,
    )
    def get_today(self, request: Request) -> dict[str, Any]:
        """Tell the day at a site, with who needs somebody and what is due."""
        asked = self._asked_inside(request)
        return leaving.today(self.commands, request, asked)

    @route(
        "GET",
        "/v1/sites/{site_id}/day-sheet",
        request=schemas.GetDaySheet,
        scope="sessions:read",
        information=WITHHELD,
        summary="The day as a sheet to print",
    )
    def get_day_sheet(self, request: Request) -> Response:
        """Return the day's sheet for when the network may go down."""
        asked = self._asked_inside(request)
        forwarding.loaded(schemas.GetDaySheet, asked)
        return leaving.sheet(self.commands, request, asked)

    @route(
        "GET",
        "/v1/exports/teds-records",
        request=schemas.GetTedsFile,
        scope="reports:read",
        information=WITHHELD,
        summary="Admissions in TEDS codes, as a file",
    )
    def get_teds_file(self, request: Request) -> Response:
        """Return the records of a site's admissions as a file that states take."""
        asked = self._asked_inside(request)
        forwarding.loaded(schemas.GetTedsFile, asked)
        return leaving.teds_file(self.commands, request, asked)

    @route(
        "GET",
        "/v1/exports/billable-days",
        request=schemas.GetBillableDaysFile,
        scope="coverage:read",
        information=WITHHELD,
        summary="Days that can be billed, as a file",
    )
    def get_billable_days_file(self, request: Request) -> Response:
        """Return a site's billable days as a file of ids and codes."""
        asked = self._asked_inside(request)
        forwarding.loaded(schemas.GetBillableDaysFile, asked)
        return leaving.billable_days_file(self.commands, request, asked)

    @route(
        "POST",
        "/v1/episodes/{episode_id}/attendance-letters",
        request=schemas.WriteAttendanceLetter,
        status=201,
        scope="letters:write",
        information=WITHHELD,
        summary="An attendance letter as PDF",
    )
    def write_attendance_letter(self, request: Request) -> Response:
        """Write an attendance letter, where the patient consented to it."""
        asked = self._asked_by_role(
            request, schemas.WriteAttendanceLetter, (*roles.CARE_TEAM, roles.FRONT_DESK)
        )
        return leaving.letter(self.commands, request, asked)

    @route(
        "POST",
        "/v1/patients/{patient_id}/calendar-addresses",
        request=schemas.OpenPatientCalendar,
        answer=schemas.NewCalendarAddress,
        status=201,
        scope="calendars:write",
        patients=OWN_PATH,
        information=WITHHELD,
    )
    def open_patient_calendar(self, request: Request) -> Response:
        """Make a secret address for a patient's calendar."""
        asked = self._asked_by_role(request, schemas.OpenPatientCalendar, (*STAFF, roles.PATIENT))
        self._ask(request, "scheduling", "get_patient_calendar", asked)
        return self._open_calendar(request, roles.PATIENT, asked["patient_id"])

    @route(
        "POST",
        "/v1/clinicians/{clinician_id}/calendar-addresses",
        request=schemas.OpenClinicianCalendar,
        answer=schemas.NewCalendarAddress,
        status=201,
        scope="calendars:write",
        information=WITHHELD,
    )
    def open_clinician_calendar(self, request: Request) -> Response:
        """Make a secret address for a clinician's calendar."""
        asked = self._asked_by_role(request, schemas.OpenClinicianCalendar, STAFF)
        self._ask(request, "scheduling", "get_clinician_calendar", asked)
        return self._open_calendar(request, roles.CLINICIAN, asked["clinician_id"])

    def _open_calendar(self, request: Request, owner_role: str, owner_id: str) -> Response:
        return repeats.once(
            request,
            lambda db, origin: calendar_addresses.opened(
                db,
                tenant_id=origin.tenant_id,
                owner_role=owner_role,
                owner_id=owner_id,
                by=origin.actor,
                now=origin.now,
            ),
        )

    @route(
        "GET",
        "/v1/calendar-addresses",
        request=schemas.ListCalendarAddresses,
        answer=schemas.CalendarAddress,
        many=True,
        scope="calendars:read",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    def list_calendar_addresses(self, request: Request) -> dict[str, Any]:
        """Tell which addresses there are, without their secrets."""
        asked = forwarding.loaded(schemas.ListCalendarAddresses, self._asked_inside(request))
        with request.transaction() as (db, origin):
            items = calendar_addresses.listed(
                db, tenant_id=origin.tenant_id, owner_id=asked.get("owner_id"), by=origin.actor
            )
        return {"items": items, "next": None}

    @route(
        "POST",
        "/v1/calendar-addresses/{calendar_id}/revocation",
        request=schemas.RevokeCalendarAddress,
        answer=schemas.CalendarAddress,
        scope="calendars:write",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    def revoke_calendar_address(self, request: Request) -> Response:
        """Let an address lead nowhere from now on."""
        asked = self._asked_by_role(request, schemas.RevokeCalendarAddress, (*STAFF, roles.PATIENT))
        return repeats.once(
            request,
            lambda db, origin: calendar_addresses.revoke(
                db, tenant_id=origin.tenant_id, by=origin.actor, now=origin.now, **asked
            ),
        )

    @route(
        "GET",
        "/calendars/{address}",
        request=schemas.ReadCalendar,
        summary="A calendar, for whoever has its secret address",
    )
    def read_calendar(self, request: Request) -> Response:
        """Return the calendar behind a secret address."""
        return leaving.calendar(self.commands, request)

    def _asked_inside(self, request: Request) -> dict[str, Any]:
        """Return what a question says, unless it comes from outside: there is nothing for them here."""
        if request.known_caller.is_outside:
            raise forwarding.nothing_there()
        return forwarding.data_of(request)

    def _asked_by_role(self, request: Request, schema: type[Schema], may: tuple[str, ...]) -> dict[str, Any]:
        """Return what a command of the gateway's own says, in the order in which services refuse.

        :raises Refusal: when it cannot be read, has no key, is not for the role, or breaks a rule.
        """
        data = forwarding.data_of(request)
        _ = request.command_id
        if request.known_caller.actor.role not in may:
            raise Forbidden(
                "The role may not do this.", code="role_may_not", field="role", rule=f"for {', '.join(may)}"
            )
        return forwarding.loaded(schema, data)

    # --- The work list ----------------------------------------------------------------------------

    @route(
        "GET",
        "/v1/work",
        request=schemas.ListWork,
        answer=schemas.Task,
        many=True,
        scope="work:read",
        information=WITHHELD,
    )
    def list_work(self, request: Request) -> dict[str, Any]:
        """Return who needs a human now, why, by when, and whose it is."""
        caller = request.known_caller
        if caller.is_outside:
            raise forwarding.nothing_there()
        asked = forwarding.loaded(schemas.ListWork, forwarding.data_of(request))
        request.about_id = asked["patient_id"]
        with request.transaction(reads_only=True) as (db, origin):
            page: dict[str, Any] = work.list_work(
                db, tenant_id=caller.tenant_id, reader=caller.actor, now=origin.now, asked=asked
            )
            return page

    @route(
        "POST",
        "/v1/work/{task_id}/claims",
        request=schemas.ClaimTask,
        answer=schemas.Task,
        status=201,
        scope="work:write",
        information=WITHHELD,
    )
    def claim_task(self, request: Request) -> Response:
        """Take a task."""
        return self._change_task(request, schemas.ClaimTask, work.claim_task)

    @route(
        "POST",
        "/v1/work/{task_id}/handovers",
        request=schemas.HandOverTask,
        answer=schemas.Task,
        status=201,
        scope="work:write",
        information=WITHHELD,
    )
    def hand_over_task(self, request: Request) -> Response:
        """Give a task to somebody, or back to a role."""
        return self._change_task(request, schemas.HandOverTask, work.hand_over_task)

    @route(
        "POST",
        "/v1/work/{task_id}/closures",
        request=schemas.CloseTask,
        answer=schemas.ClosedTask,
        status=201,
        scope="work:write",
        information=WITHHELD,
    )
    def close_task(self, request: Request) -> Response:
        """Have the service that asks close a task."""
        asked = self._asked_by_staff(request, schemas.CloseTask)
        with request.transaction(reads_only=True) as (db, origin):
            service, told = work.closure_of(
                db, tenant_id=origin.tenant_id, by=origin.actor, now=origin.now, **asked
            )
        return self._carried_out(request, service, "close_task", told)

    def _change_task(
        self, request: Request, schema: type[Schema], change: Callable[..., dict[str, Any]]
    ) -> Response:
        """Change whose a task is, once however often the request comes."""
        asked = self._asked_by_staff(request, schema)
        return repeats.once(
            request,
            lambda db, origin: change(
                db, tenant_id=origin.tenant_id, by=origin.actor, now=origin.now, **asked
            ),
        )

    def _asked_by_staff(self, request: Request, schema: type[Schema]) -> dict[str, Any]:
        """Return what a command of the work list says, in the order in which services refuse.

        :raises Refusal: when it cannot be read, has no key, is not for the role, or breaks a rule.
        """
        data = forwarding.data_of(request)
        _ = request.command_id
        if request.known_caller.actor.role not in STAFF:
            raise Forbidden("The role may not do this.", code="role_may_not", field="role", rule="staff only")
        return forwarding.loaded(schema, data)

    # --- About this door --------------------------------------------------------------------------

    @route("GET", "/livez", summary="Is the process alive")
    def get_liveness(self, request: Request) -> dict[str, Any]:
        """Tell that the process answers."""
        return {"status": "alive"}

    @route("GET", "/readyz", summary="Should requests be sent here")
    def get_readiness(self, request: Request) -> Response:
        """Tell whether requests should be sent here now."""
        reasons, warnings = request.door.not_ready_because(), request.door.warnings()
        warned = {"warnings": list(warnings)} if warnings else {}
        if reasons:
            response = Response.of({"status": "not ready", "because": list(reasons)} | warned, status=503)
            response.headers.append(("Retry-After", "1"))
            return response
        return Response.of({"status": "ready"} | warned)

    @route("GET", "/metrics", summary="Metrics for Prometheus")
    def get_metrics(self, request: Request) -> Response:
        """Return the process's metrics."""
        return Response(body=generate_latest(), content_type=CONTENT_TYPE_LATEST)

    @route("GET", "/openapi.json", summary="This door as OpenAPI 3.1")
    def get_openapi(self, request: Request) -> Response:
        """Return the OpenAPI document."""
        return _lasting(openapi_document())

    @route("GET", "/asyncapi.json", summary="The events as AsyncAPI 3.0")
    def get_asyncapi(self, request: Request) -> Response:
        """Return the AsyncAPI document."""
        return _lasting(asyncapi_document())

    @route("GET", "/docs", summary="This door, to be read by people")
    def get_docs(self, request: Request) -> Response:
        """Return the page that shows the OpenAPI document."""
        response = _lasting(docs_page(), content_type="text/html; charset=utf-8")
        response.headers.append(("Content-Security-Policy", page.CONTENT_SECURITY_POLICY))
        return response

    # --- Reactions --------------------------------------------------------------------------------

    @reacts_to_every_event
    def keep_in_archive(self, db: Session, envelopes: list[Envelope]) -> None:
        """Keep every event, for feeds and for tracing."""
        tables.keep_events(db, envelopes, received_at=real_now())

    @reacts_to(TaskOpened)
    def list_task(self, db: Session, event: TaskOpened, now: datetime) -> None:
        """Put a task on the work list."""
        work.keep(db, envelope_reacted_to(db))

    @reacts_to(TaskClosed)
    def take_off_list(self, db: Session, event: TaskClosed, now: datetime) -> None:
        """Take a task off the work list: it needs nobody any more."""
        work.keep(db, envelope_reacted_to(db))

    @reacts_to(EscalationAcknowledged)
    def note_acknowledgement(self, db: Session, event: EscalationAcknowledged, now: datetime) -> None:
        """Know who took an escalation."""
        work.keep(db, envelope_reacted_to(db))

    @reacts_to(EscalationRaised)
    def drop_acknowledgement(self, db: Session, event: EscalationRaised, now: datetime) -> None:
        """Know that nobody has taken an escalation yet whose level rose."""
        work.keep(db, envelope_reacted_to(db))

    @reacts_to(TaskClaimed)
    def note_claim(self, db: Session, event: TaskClaimed, now: datetime) -> None:
        """Know who has taken a task, also when the list was made anew meanwhile."""
        work.keep(db, envelope_reacted_to(db))

    @reacts_to(TaskHandedOver)
    def note_handover(self, db: Session, event: TaskHandedOver, now: datetime) -> None:
        """Know whom a task was given to, also when the list was made anew meanwhile."""
        work.keep(db, envelope_reacted_to(db))

    @reacts_to(ConsentGranted)
    def allow_disclosure(self, db: Session, event: ConsentGranted, now: datetime) -> None:
        """Remember what the consent lets leave."""
        tables.keep_consent(
            db,
            tenant_id=db.info["tenant_id"],
            consent_id=event.consent_id,
            patient_id=event.patient_id,
            kind=event.kind,
            recipient_id=event.recipient_id,
            information_classes=event.information_classes,
            granted_at=event.granted_at,
            expires_at=event.expires_at,
        )

    @reacts_to(ConsentRevoked)
    def stop_disclosure(self, db: Session, event: ConsentRevoked, now: datetime) -> None:
        """Let nothing leave under the consent any more."""
        tables.keep_revocation(
            db,
            tenant_id=db.info["tenant_id"],
            consent_id=event.consent_id,
            patient_id=event.patient_id,
            kind=event.kind,
            revoked_at=event.revoked_at,
        )

    @reacts_to(ConsentExpired)
    def end_disclosure(self, db: Session, event: ConsentExpired, now: datetime) -> None:
        """Let nothing leave any more under a consent that ended by itself, by a date or an event."""
        tables.keep_revocation(
            db,
            tenant_id=db.info["tenant_id"],
            consent_id=event.consent_id,
            patient_id=event.patient_id,
            kind=event.kind,
            revoked_at=event.expired_at,
        )

    @reacts_to(RestrictionAgreed)
    def restrict_disclosure(self, db: Session, event: RestrictionAgreed, now: datetime) -> None:
        """Let leave no more than the program agreed to with the patient."""
        tables.keep_restriction(
            db,
            tenant_id=db.info["tenant_id"],
            restriction_id=event.restriction_id,
            patient_id=event.patient_id,
            recipient_id=event.recipient_id,
            information_classes=event.information_classes,
            agreed_at=event.agreed_at,
        )

    @reacts_to(RestrictionEnded)
    def lift_restriction(self, db: Session, event: RestrictionEnded, now: datetime) -> None:
        """Let consents decide again, because the patient asked for that."""
        tables.keep_restriction_end(
            db,
            tenant_id=db.info["tenant_id"],
            restriction_id=event.restriction_id,
            patient_id=event.patient_id,
            ended_at=event.ended_at,
        )

    @reacts_to(SafetyConcernTaken)
    def confirm_safety_concern(self, db: Session, event: SafetyConcernTaken, now: datetime) -> None:
        """Watch no longer over a danger that was announced here: humans are being asked."""
        safety.confirm(db, event.concern_id)

    @reacts_to(LegalHoldPlaced)
    def keep_for_the_law(self, db: Session, event: LegalHoldPlaced, now: datetime) -> None:
        """Forget nothing about a patient whose records were demanded."""
        holds.keep_hold(db, hold_id=event.hold_id, patient_id=event.patient_id, placed_at=event.placed_at)

    @reacts_to(LegalHoldReleased)
    def forget_again(self, db: Session, event: LegalHoldReleased, now: datetime) -> None:
        """Forget again what is old, because a human said so."""
        holds.keep_release(
            db, hold_id=event.hold_id, patient_id=event.patient_id, released_at=event.released_at
        )


@functools.cache
def openapi_document() -> bytes:
    """Return the OpenAPI document as JSON."""
    return orjson.dumps(openapi.document_of(openapi.routes_of(Gateway)))


@functools.cache
def asyncapi_document() -> bytes:
    """Return the AsyncAPI document as JSON."""
    return orjson.dumps(asyncapi.document())


@functools.cache
def docs_page() -> bytes:
    """Return the page that shows the OpenAPI document."""
    return page.page_of(orjson.loads(openapi_document()))


def _lasting(body: bytes, *, content_type: str = "application/json") -> Response:
    # They change with the version of the code only.
    return Response(body=body, content_type=content_type, headers=[("Cache-Control", "public, max-age=300")])
