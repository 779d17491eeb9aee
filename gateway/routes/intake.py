"""What is asked of intake: sites, first contacts, referrals, patients, consents, admissions, coverage."""

from gateway import dangers
from gateway.forwarding import command, question
from gateway.routing import ASSESSMENT, CONTACT, OWN_PATH, SERVICE_GUARDS, WITHHELD
from gateway.tokens import OPERATIONS
from services.intake import schemas as intake


class IntakeRoutes:
    """The routes to intake."""

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
        information=ASSESSMENT,
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
        information=ASSESSMENT,
    )
    get_patient = question(
        "/v1/patients/{patient_id}",
        intake.GetPatient,
        intake.Patient,
        scope="patients:read",
        patients=OWN_PATH,
        information=CONTACT,
    )
    # By POST: a number belongs in no address.
    look_up_phone = command(
        "/v1/phone-lookups",
        intake.LookUpPhone,
        intake.PhoneLookup,
        scope="contact-points:write",
        status=200,
        information=WITHHELD,
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
        information=ASSESSMENT,
    )
    complete_assessment = command(
        "/v1/episodes/{episode_id}/assessments",
        intake.CompleteAssessment,
        intake.Assessment,
        scope="assessments:write",
        information=ASSESSMENT,
        hears=dangers.hear,
    )
    get_assessment = question(
        "/v1/assessments/{assessment_id}",
        intake.GetAssessment,
        intake.Assessment,
        scope="assessments:read",
        information=ASSESSMENT,
    )
    decide_level_of_care = command(
        "/v1/episodes/{episode_id}/level-decisions",
        intake.DecideLevelOfCare,
        intake.LevelDecision,
        scope="assessments:write",
        information=ASSESSMENT,
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
        information=CONTACT,
    )
    allow_messages = command(
        "/v1/patients/{patient_id}/message-permissions",
        intake.AllowMessages,
        intake.MessageStop,
        scope="consents:write",
        patients=OWN_PATH,
        information=CONTACT,
    )
    admit_patient = command(
        "/v1/episodes/{episode_id}/admission",
        intake.AdmitPatient,
        intake.Admission,
        scope="episodes:write",
        information=ASSESSMENT,
    )
    refer_elsewhere = command(
        "/v1/episodes/{episode_id}/outward-referral",
        intake.ReferElsewhere,
        intake.OutwardReferral,
        scope="outward-referrals:write",
        information=ASSESSMENT,
    )
    get_outward_referral = question(
        "/v1/outward-referrals/{outward_referral_id}",
        intake.GetOutwardReferral,
        intake.OutwardReferral,
        scope="outward-referrals:read",
        information=ASSESSMENT,
    )
    record_referral_follow_up = command(
        "/v1/outward-referrals/{outward_referral_id}/follow-ups",
        intake.RecordReferralFollowUp,
        intake.OutwardReferral,
        scope="outward-referrals:write",
        information=ASSESSMENT,
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
    import_eligibility_answers = command(
        "/v1/eligibility-imports",
        intake.ImportEligibilityAnswers,
        intake.EligibilityImport,
        scope="coverage:write",
        status=202,
        information=WITHHELD,
    )
    list_eligibility_due = question(
        "/v1/eligibility-inquiries",
        intake.ListEligibilityDue,
        intake.EligibilityDue,
        many=True,
        scope="coverage:read",
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
    use_cover = command(
        "/v1/episodes/{episode_id}/self-pay/ending",
        intake.UseCover,
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
