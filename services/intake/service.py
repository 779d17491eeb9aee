"""Everything that wakes intake: commands, questions, reactions and timers."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from services.intake import (
    answering,
    asking,
    consenting,
    contacting,
    costing,
    covering,
    delivering,
    directory,
    eligibility,
    finding,
    inquiring,
    licensing,
    queueing,
    recognising,
    records,
    registering,
    reporting,
    rerating,
    reserving,
    schemas,
    searching,
    stepping,
    supporting,
    tables,
    telling,
    views,
    writing,
)
from services.intake.domain import (
    admissions,
    assessments,
    consents,
    decisions,
    diagnoses,
    fit,
    instruments,
    matching,
    obligations,
    outward,
    placement,
    placement4,
    privacy,
    program_credentials,
    reentries,
    referrals,
    reviews,
    rules,
    sites,
    tasks,
    timeline,
    withdrawal,
)
from services.intake.domain.episodes import Episode
from services.intake.domain.people import Patient
from services.intake.domain.sites import Site
from shared import notification, safety
from shared.answers import answer_of
from shared.clock import Timer, calendar_job, cancel_timer, on_timer, set_timer
from shared.contracts import roles
from shared.contracts.aftercare import PatientDischarged, ReentryRequested
from shared.contracts.common import MessageWanted, NotificationSettled
from shared.contracts.event import write_moment
from shared.contracts.monitoring import (
    LevelReviewRequested,
    LevelReviewWithdrawn,
    OnCallShiftPlanned,
    OnCallShiftWithdrawn,
    SafetyConcernTaken,
)
from shared.contracts.scheduling import (
    NOT_SEEN_BY_PROGRAM,
    ClinicianCredentialsChanged,
    GroupPlacesChanged,
    ObligationFitFound,
    PatientNotSeen,
    ScheduleConfirmed,
    SeatCancelled,
    ServiceDelivered,
    SessionMissed,
    SessionScheduled,
    SiteClosed,
    StandingPlaceFreed,
)
from shared.errors import NotFound, Refusal, TooEarly
from shared.ids import derived_id, new_id
from shared.messaging import STAFF, Call, announce, announce_all, command, question, reacts_to

#: Who meets patients at the door as well as in treatment.
_DOOR = (*roles.CARE_TEAM, roles.FRONT_DESK)

#: Who brings somebody's first questions: the program's own front end or a partner's, or the staff for them.
_FIRST_CONTACT = (roles.PARTNER, *_DOOR)

#: Who sees to it that what is owed is reported and paid.
_OFFICE = (roles.FRONT_DESK, roles.SUPERVISOR, roles.MEDICAL_DIRECTOR, roles.OPERATIONS)

#: Who looks for a program.
_SEEKERS = (*STAFF, roles.PATIENT, roles.PARTNER)
#: Who keeps the directory.
_DIRECTORY = (roles.OPERATIONS, roles.SUPERVISOR, roles.MEDICAL_DIRECTOR)

#: Timer of a follow-up after a referral elsewhere; its key is the follow-up.
_FOLLOW_UP_DUE = "referral_follow_up_due"
#: Timer of the deadline for a decision after a re-entry; its key is the episode.
_DECISION_DUE = "level_decision_due"

#: More versions of the notice than anybody is ever given. Design default.
_MOST_VERSIONS = 1000

#: How long telling somebody that their schedule has changed is tried. Design default: a day, within
#: which quiet hours end and a mail server that was away for a night is back.
_CHANGE_OF_USE_FOR = timedelta(hours=24)


class Intake:
    """Finds out what a person needs, and whether this program is right for them."""

    name = "intake"
    #: What of it is somebody's record.
    keeps = tables.metadata

    # --- Sites ------------------------------------------------------------------------------------

    @command(schemas.OpenSite, roles=(roles.OPERATIONS,))
    def open_site(self, db: Session, call: Call) -> dict[str, Any]:
        """Open a site of the program."""
        site_id = call.data.get("site_id")
        if site_id is not None:
            tables.take_turn(db, tenant_id=call.tenant_id, about=f"site:{site_id}".encode())
            if tables.find_site(db, site_id=site_id) is not None:
                raise sites.SiteAlreadyOpen("The site is open already.", field="site_id", rule="a new id")
        site, events = sites.open_site(
            site_id=site_id or new_id(),
            name=call.data["name"],
            time_zone=call.data["time_zone"],
            levels_licensed=call.data["levels_licensed"],
            emergency_phone=call.data["emergency_phone"],
            now=call.now,
        )
        db.add(site)
        announce_all(db, events)
        return views.site_view(site, now=call.now)

    @question(schemas.ListSites)
    def list_sites(self, db: Session, call: Call) -> dict[str, Any]:
        """List the sites."""
        limit = call.data["limit"]
        found = tables.sites_after(db, after=call.data["after"], limit=limit + 1)
        shown = [views.site_view(site, now=call.now) for site in found]
        return views.page(shown, limit=limit, key="site_id")

    @command(schemas.ChangeSite, roles=(roles.OPERATIONS,))
    def change_site(self, db: Session, call: Call) -> dict[str, Any]:
        """Change a site's name, address, number for emergencies or, while it is not in use, its time zone."""
        site = finding.locked_site(db, call.data["site_id"])
        licensing.change(db, site, call.data, now=call.now)
        return views.site_view(site, now=call.now)

    @command(schemas.RecordSiteLicence, roles=(roles.OPERATIONS,))
    def record_site_licence(self, db: Session, call: Call) -> dict[str, Any]:
        """Record a licence of a site that is new, or that renews another, with its days."""
        site = finding.locked_site(db, call.data["site_id"])
        site.record_licence(
            licence_id=new_id(),
            **{name: call.data[name] for name in ("level", "number", "first_on", "last_on")},
            actor_id=call.actor.actor_id,
            actor_role=call.actor.role,
            now=call.now,
        )
        licensing.settle(db, site, now=call.now)
        return views.site_view(site, now=call.now)

    @command(schemas.WithdrawSiteLicence, roles=(roles.OPERATIONS,))
    def withdraw_site_licence(self, db: Session, call: Call) -> dict[str, Any]:
        """Have a licence of a site count no longer: given back, suspended or revoked before its end."""
        site = finding.locked_site(db, call.data["site_id"])
        site.withdraw_licence(
            call.data["licence_id"],
            on=call.data["withdrawn_on"],
            because=call.data["because"],
            actor_id=call.actor.actor_id,
            actor_role=call.actor.role,
            now=call.now,
        )
        licensing.settle(db, site, now=call.now)
        return views.site_view(site, now=call.now)

    @on_timer(licensing.LICENCES_TURN)
    def turn_licences(self, db: Session, timer: Timer, now: datetime) -> None:
        """See a licence of a site begin or end, and ask for the one that follows in time."""
        licensing.look_at(db, timer.key, now=now)

    @calendar_job(at=licensing.LOOKED_AT)
    def begin_day_of_sites(self, db: Session, occurrence: datetime, now: datetime) -> None:
        """Have the sites of every tenant looked at, also those that an older version opened."""
        licensing.begin_day(db, tables.tenants_with_sites(db), occurrence=occurrence)

    @on_timer(licensing.SITES_DAY)
    def look_at_sites(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask for the number for emergencies where a site must have one and has none, and for licences."""
        licensing.look_at_all(db, now=now)

    @command(schemas.SetStaffedHours, roles=(roles.OPERATIONS,))
    def set_staffed_hours(self, db: Session, call: Call) -> dict[str, Any]:
        """Tell when somebody is at a site, who calls back soon."""
        site = finding.locked_site(db, call.data["site_id"])
        site.keep_staffed_hours(call.data["hours"])
        return views.site_view(site, now=call.now)

    # --- First contact ----------------------------------------------------------------------------

    @question(schemas.GetSelfCheckForm, roles=_FIRST_CONTACT)
    def get_self_check_form(self, db: Session, call: Call) -> dict[str, Any]:
        """Look at what a self-check asks now."""
        site = finding.site(db, call.data["site_id"])
        return answer_of(schemas.SelfCheckForm, inquiring.form_of(db, site, now=call.now))

    @question(schemas.TakeSelfCheck, roles=_FIRST_CONTACT)
    def take_self_check(self, db: Session, call: Call) -> dict[str, Any]:
        """Tell what a self-check comes to; as a question, it cannot keep anything."""
        site = finding.site(db, call.data["site_id"])
        return answer_of(schemas.SelfCheck, inquiring.check(db, site, call.data, now=call.now))

    @command(schemas.SubmitInquiry, roles=_FIRST_CONTACT)
    def submit_inquiry(self, db: Session, call: Call) -> dict[str, Any]:
        """Take in that somebody asks for help, who may stay without a name, and have them called back."""
        site = finding.site(db, call.data["site_id"])
        inquiry, key = inquiring.take_in(db, site, call.data, now=call.now)
        told = inquiring.status_of(db, inquiry, site, now=call.now)
        secret = {"status_key": key, "status_link": inquiring.STATUS_LINK.format(status_key=key)}
        return answer_of(schemas.InquiryReceipt, {"inquiry_id": inquiry.inquiry_id, **told, **secret})

    @question(schemas.GetInquiryStatus, roles=_FIRST_CONTACT)
    def get_inquiry_status(self, db: Session, call: Call) -> dict[str, Any]:
        """Look at where an inquiry stands, with its secret key."""
        inquiry = inquiring.by_key(db, call.data["status_key"])
        return views.inquiry_status(db, inquiry, now=call.now)

    @command(schemas.SubmitPreScreen, roles=_FIRST_CONTACT)
    def submit_pre_screen(self, db: Session, call: Call) -> dict[str, Any]:
        """Keep the answers before the first talk; a danger in them is announced in the same transaction."""
        inquiry = inquiring.by_key(db, call.data["status_key"], lock=True)
        site = finding.site(db, inquiry.site_id)
        inquiring.pre_screen(db, inquiry, site, call.data, occasion=call.command_id, now=call.now)
        return views.inquiry_status(db, inquiry, now=call.now)

    @question(schemas.ListInquiries)
    def list_inquiries(self, db: Session, call: Call) -> dict[str, Any]:
        """List inquiries."""
        limit = call.data["limit"]
        found = tables.inquiries_after(
            db, state=call.data["state"], after=call.data["after"], limit=limit + 1
        )
        return views.page([views.inquiry_view(one) for one in found], limit=limit, key="inquiry_id")

    @question(schemas.GetInquiry)
    def get_inquiry(self, db: Session, call: Call) -> dict[str, Any]:
        """Look at one inquiry."""
        inquiry = tables.find_inquiry(db, inquiry_id=call.data["inquiry_id"])
        if inquiry is None:
            raise NotFound("No such inquiry.", field="inquiry_id")
        return views.inquiry_view(inquiry)

    @command(schemas.RecordCallBack, roles=_DOOR)
    def record_call_back(self, db: Session, call: Call) -> dict[str, Any]:
        """Record a call to somebody who asked for help."""
        inquiry = finding.locked_inquiry(db, call.data["inquiry_id"])
        inquiring.call(db, inquiry, outcome=call.data["outcome"], actor=call.actor, now=call.now)
        return views.inquiry_view(inquiry)

    @command(schemas.DecideInquiry, roles=roles.CARE_TEAM)
    def decide_inquiry(self, db: Session, call: Call) -> dict[str, Any]:
        """Decide where somebody who asked begins, beside what was recommended."""
        inquiry = finding.locked_inquiry(db, call.data["inquiry_id"])
        told = {name: call.data[name] for name in ("decision", "why")}
        inquiring.decide(db, inquiry, **told, actor=call.actor, now=call.now)
        return views.inquiry_view(inquiry)

    @on_timer(inquiring.CALL_BACK_DUE)
    def escalate_call_back(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask the supervisor to call somebody whom nobody has called by the deadline."""
        inquiring.ask_supervisor(db, finding.locked_inquiry(db, timer.key), at=timer.due_at)

    # --- People and referrals ---------------------------------------------------------------------

    @command(schemas.RegisterReferral, roles=_DOOR)
    def register_referral(self, db: Session, call: Call) -> dict[str, Any]:
        """Register somebody who was referred; somebody known already is recognised."""
        site = finding.site(db, call.data["site_id"])
        referral, episode = registering.register(db, call, site, call.data)
        return views.referral_view(db, referral, episode, now=call.now)

    @command(
        schemas.ImportReferrals,
        roles=(*_DOOR, roles.OPERATIONS),
        long=True,
        first=lambda db, call: finding.site(db, call.data["site_id"]),
    )
    def import_referrals(self, db: Session, call: Call) -> dict[str, Any]:
        """Register many referrals; a row that breaks a rule is reported, and the others go on."""
        site = finding.site(db, call.data["site_id"])
        registered, refused = registering.import_rows(db, call, site)
        report = {
            "registered": [
                {
                    "line": line,
                    "referral_id": referral.referral_id,
                    "patient_id": referral.patient_id,
                    "episode_id": referral.episode_id,
                }
                for line, referral in registered
            ],
            "refused": [{"line": line, **problem} for line, problem in refused],
        }
        return answer_of(schemas.ImportReport, report)

    @command(schemas.RegisterPartnerReferral, roles=_FIRST_CONTACT)
    def register_partner_referral(self, db: Session, call: Call) -> dict[str, Any]:
        """Register what a partner sent under its own id; sent again, it is the same referral.

        Its answer tells a sender outside the program the same, whether the person was known or not.
        """
        site = finding.site(db, call.data["site_id"])
        identity_index = registering.index_of(call.data["patient"], tenant_id=call.tenant_id)
        told, external_index = stepping.known(db, call, call.data["external_id"])
        if told is not None:
            told.check_same(identity_index)
        else:
            referral, episode = registering.refer_or_join(db, call, site)
            told = stepping.keep(
                db,
                call,
                external_index=external_index,
                identity_index=identity_index,
                episode=episode,
                referral=referral,
                received_at=call.data["received_at"] or call.now,
            )
            if call.data["step_down"] is not None:
                try:
                    stay, step_down_id = call.data["step_down"], told.step_down_id
                    stepping.step_down(db, episode, site, stay, step_down_id=step_down_id, at=call.now)
                except Refusal as refusal:
                    raise refusal.within("step_down") from None
        return views.partner_referral_view(db, told, call)

    @command(schemas.RecordStepDown, roles=_DOOR)
    def record_step_down(self, db: Session, call: Call) -> dict[str, Any]:
        """Record that somebody steps down, as a hospital told it by telephone; once for each discharge."""
        episode = finding.locked_episode(db, call.data["episode_id"])
        site = finding.site(db, episode.site_id)
        found = stepping.step_down(db, episode, site, call.data, step_down_id=new_id(), at=call.now)
        return answer_of(schemas.StepDown, found)

    @question(schemas.GetStepDown)
    def get_step_down(self, db: Session, call: Call) -> dict[str, Any]:
        """Look at a step-down from inpatient care."""
        found = tables.find_step_down(db, step_down_id=call.data["step_down_id"])
        if found is None:
            raise NotFound("No such step-down.", field="step_down_id")
        return answer_of(schemas.StepDown, found)

    @command(schemas.RecordStepDownContact, roles=_DOOR)
    def record_step_down_contact(self, db: Session, call: Call) -> dict[str, Any]:
        """Record an attempt to reach somebody who steps down; only reaching them counts."""
        found = stepping.locked(db, call.data["step_down_id"])
        if call.data["outcome"] == "VOICEMAIL":
            contacting.check_voicemail(db, found.patient_id, tenant_id=call.tenant_id)
        if call.data["outcome"] == "REACHED":
            stepping.note_contact(db, found, at=call.now)
        return answer_of(schemas.StepDown, found)

    @command(schemas.RecordDischargeSummary, roles=_DOOR)
    def record_discharge_summary(self, db: Session, call: Call) -> dict[str, Any]:
        """Record that the earlier program's summary is here."""
        found = stepping.locked(db, call.data["step_down_id"])
        reconciled = call.data["medications_reconciled"]
        stepping.receive_summary(db, found, medications_reconciled=reconciled, at=call.now)
        return answer_of(schemas.StepDown, found)

    @command(schemas.ImportEarlierPlan, roles=roles.CARE_TEAM)
    def import_earlier_plan(self, db: Session, call: Call) -> dict[str, Any]:
        """Take over the plan and the skills that somebody brings, as version 0."""
        found = stepping.locked(db, call.data["step_down_id"])
        stepping.import_plan(db, found, call.data, at=call.now)
        return answer_of(schemas.StepDown, found)

    @on_timer(stepping.CONTACT_DUE)
    def escalate_step_down_contact(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask the supervisor to contact somebody whom nobody has contacted after an inpatient stay."""
        stepping.contact_late(db, stepping.locked(db, timer.key), at=timer.due_at)

    @on_timer(stepping.SERVICE_DUE)
    def tell_step_down_breach(self, db: Session, timer: Timer, now: datetime) -> None:
        """Tell that seven days after an inpatient stay there has been no service."""
        stepping.service_late(db, stepping.locked(db, timer.key), at=timer.due_at)

    @question(schemas.GetReferral)
    def get_referral(self, db: Session, call: Call) -> dict[str, Any]:
        """Look at one referral."""
        referral = tables.find_referral(db, referral_id=call.data["referral_id"])
        if referral is None:
            raise NotFound("No such referral.", field="referral_id")
        episode = finding.episode(db, referral.episode_id)
        return views.referral_view(db, referral, episode, now=call.now)

    @question(schemas.GetPatient, roles=(*_DOOR, roles.PATIENT))
    def get_patient(self, db: Session, call: Call) -> dict[str, Any]:
        """Look at who somebody is."""
        contacts = contacting.read(db, call)
        finding.check_own(call, contacts.patient.patient_id, field="patient_id")
        return views.patient_view(contacts)

    # --- How people are reached -------------------------------------------------------------------

    @question(schemas.ListContactPoints, roles=(*_DOOR, roles.PATIENT))
    def list_contact_points(self, db: Session, call: Call) -> dict[str, Any]:
        """List how somebody is reached, in the order in which to try, and what is safe there."""
        contacts = contacting.read(db, call)
        finding.check_own(call, contacts.patient.patient_id, field="patient_id")
        return {"items": views.contact_point_views(contacts, ended=call.data["ended"]), "next": None}

    @command(schemas.LookUpPhone, roles=_DOOR)
    def look_up_phone(self, db: Session, call: Call) -> dict[str, Any]:
        """Look up which patients are reached at a telephone number; who was found stands in the audit."""
        return answer_of(schemas.PhoneLookup, recognising.look_up(db, call))

    @command(schemas.AddContactPoint, roles=(*_DOOR, roles.PATIENT))
    def add_contact_point(self, db: Session, call: Call) -> dict[str, Any]:
        """Add a way to reach somebody."""
        return views.contact_point_view(*contacting.add(db, finding.own_patient(db, call), call))

    @command(schemas.ChangeContactPoint, roles=(*_DOOR, roles.PATIENT))
    def change_contact_point(self, db: Session, call: Call) -> dict[str, Any]:
        """Change what is safe at a contact point, whether and when it is tried, whether it is verified."""
        return views.contact_point_view(*contacting.change(db, finding.own_patient(db, call), call))

    @command(schemas.EndContactPoint, roles=(*_DOOR, roles.PATIENT))
    def end_contact_point(self, db: Session, call: Call) -> dict[str, Any]:
        """Use a contact point no more; that it was one stays on record."""
        return views.contact_point_view(*contacting.end(db, finding.own_patient(db, call), call))

    @command(schemas.SetContactPreferences, roles=(*_DOOR, roles.PATIENT))
    def set_contact_preferences(self, db: Session, call: Call) -> dict[str, Any]:
        """Keep what somebody speaks, and how they would rather be reached."""
        contacts = contacting.prefer(db, finding.own_patient(db, call), call)
        return answer_of(schemas.ContactPreferences, contacts.patient)

    # --- Episodes and where somebody stands -------------------------------------------------------

    @question(schemas.GetEpisode, roles=(*STAFF, roles.PATIENT))
    def get_episode(self, db: Session, call: Call) -> dict[str, Any]:
        """Look at one episode of care, with the one thing to do next."""
        episode = finding.episode(db, call.data["episode_id"])
        finding.check_own(call, episode.patient_id, field="episode_id")
        return answer_of(schemas.Episode, episode) | {"next_step": views.next_step(db, episode, now=call.now)}

    @question(schemas.GetStatus, roles=(*_DOOR, roles.PATIENT))
    def get_status(self, db: Session, call: Call) -> dict[str, Any]:
        """Look at where somebody stands: one next step, and what to bring."""
        patient = finding.own_patient(db, call)
        return answer_of(schemas.Status, answering.status_of(db, call, patient))

    # --- Assessment and decision ------------------------------------------------------------------

    @command(schemas.CompleteAssessment, roles=roles.CARE_TEAM)
    def complete_assessment(self, db: Session, call: Call) -> dict[str, Any]:
        """Complete an assessment and recommend a level of care."""
        known = finding.to_assess(db, call.data["episode_id"])
        episode, site, patient = known.episode, known.site, known.patient
        fit_found, network = known.obligation_fit, known.network
        in_force = rules.in_force(known.signed, licensed=answering.licensed_packs(db))
        assessment, events = assessments.complete(
            assessment_id=new_id(),
            episode=episode,
            patient=patient,
            site=site,
            findings=_findings(call.data),
            placeable_minutes=fit_found.placeable_minutes if fit_found else None,
            required_minutes=fit_found.required_minutes if fit_found else None,
            placeable_by_track=fit_found.by_track if fit_found else (),
            actor=call.actor,
            now=call.now,
            recorded=answering.recorded_for(episode, known.given, now=call.now, in_force=in_force),
            # Unsigned rules recommend as well, so that a danger found on the way is never held up; but
            # nobody can decide on their word.
            rules_version=in_force.get(placement.CODE),
            supporters=network.supporters if network else None,
            edition=call.data["edition"],
            instruments_missing=answering.missing_for(
                episode, patient, site, known.given, now=call.now, in_force=in_force
            ),
            fourth_edition_in_force=placement4.CODE in in_force,
        )
        db.add(assessment)
        announce_all(db, events)
        _ask_for_what_follows(db, episode, assessment, site, known.tasks)
        if known.steps_down:
            stepping.note_contact_in(db, episode, at=call.now)
        if call.data["pregnant"]:
            queueing.note_what_is_known(db, episode, pregnant=True, now=call.now)
        return views.assessment_view(assessment, site)

    @question(schemas.GetAssessment, roles=roles.CARE_TEAM)
    def get_assessment(self, db: Session, call: Call) -> dict[str, Any]:
        """Look at one assessment."""
        assessment = finding.assessment(db, call.data["assessment_id"])
        return views.assessment_view(assessment, finding.site(db, assessment.site_id))

    @command(schemas.DecideLevelOfCare, roles=roles.CARE_TEAM)
    def decide_level_of_care(self, db: Session, call: Call) -> dict[str, Any]:
        """Decide on the level of care, as a licensed clinician."""
        decisions.check_licensed(call.actor)
        # The site is held, so that no licence is withdrawn between this look and the decision.
        known = finding.to_decide(db, call.data["episode_id"], assessment_id=call.data["assessment_id"])
        episode, site = known.episode, known.site
        assessment = known.assessment or finding.assessment(db, call.data["assessment_id"])
        rules.check_signed(assessment.rule_version, known.signed)
        decision, events = decisions.decide(
            decision_id=new_id(),
            episode=episode,
            assessment=assessment,
            site=site,
            level=call.data["level"],
            override_reason_code=call.data["override_reason_code"],
            override_reason=call.data["override_reason"],
            actor=call.actor,
            now=call.now,
        )
        db.add(decision)
        announce_all(db, events)
        today = site.local_day(call.now)
        if known.waits and not admissions.is_admissible_level(decision.decided_level, site=site, on=today):
            queueing.leave_with_episode(
                db, episode, reason="NO_LONGER_NEEDED", actor=call.actor, now=call.now
            )
        _close_tasks(db, known.tasks, outcome=tasks.DONE, at=call.now, task=reentries.DECISION_TASK)
        cancel_timer(db, _DECISION_DUE, key=episode.episode_id)
        return answer_of(schemas.LevelDecision, decision) | {
            "next_step": views.next_step(db, episode, now=call.now)
        }

    # --- Instruments ------------------------------------------------------------------------------

    @question(schemas.GetDueInstruments, roles=(*_DOOR, roles.PATIENT))
    def get_due_instruments(self, db: Session, call: Call) -> dict[str, Any]:
        """Look at which instruments are due for somebody now, in turn."""
        patient = finding.own_patient(db, call)
        return answer_of(schemas.DueInstruments, answering.due_for(db, call, patient))

    @command(schemas.AnswerInstrument, roles=(*roles.CARE_TEAM, roles.PATIENT))
    def answer_instrument(self, db: Session, call: Call) -> dict[str, Any]:
        """Keep what somebody answered; a dangerous answer is announced in the same transaction."""
        about = f"instruments:{call.data['patient_id']}".encode()
        tables.take_turn(db, tenant_id=call.tenant_id, about=about)
        known = finding.to_answer(db, call)
        in_force = answering.packs_signed(db, known.signed)
        kept = answering.keep_answers(db, call, known, in_force=in_force)
        (shown,) = answering.views_of(db, [kept], call, in_force=in_force, known=known)
        return answer_of(schemas.InstrumentAnswers, shown)

    @on_timer(answering.SCREEN_AGAIN_DUE)
    def ask_to_screen_again(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask for the suicide screen of somebody at risk to whom nobody has given it again in time."""
        answering.ask_to_screen_again(db, timer.key, at=timer.due_at)

    @question(schemas.ListInstrumentAnswers, roles=(*roles.CARE_TEAM, roles.PATIENT))
    def list_instrument_answers(self, db: Session, call: Call) -> dict[str, Any]:
        """List what somebody answered, with the scores."""
        patient = finding.own_patient(db, call)
        limit = call.data["limit"]
        found = tables.instrument_answers_after(
            db,
            patient_id=patient.patient_id,
            instrument=call.data["instrument"],
            after=call.data["after"],
            limit=limit + 1,
        )
        in_force = answering.packs_in_force(db)
        told = answering.views_of(db, found, call, in_force=in_force)
        shown = [answer_of(schemas.InstrumentAnswers, one) for one in told]
        return views.page(shown, limit=limit, key="answers_id")

    @question(schemas.GetInstrumentAnswers, roles=(*roles.CARE_TEAM, roles.PATIENT))
    def get_instrument_answers(self, db: Session, call: Call) -> dict[str, Any]:
        """Look at what somebody answered on one occasion, scored again by the version asked for."""
        kept = tables.find_instrument_answers(db, answers_id=call.data["answers_id"])
        if kept is None:
            raise NotFound("No such answers.", field="answers_id")
        finding.check_own(call, kept.patient_id, field="answers_id")
        in_force = answering.packs_in_force(db)
        (shown,) = answering.views_of(db, [kept], call, in_force=in_force, version=call.data["version"])
        return answer_of(schemas.InstrumentAnswers, shown)

    @on_timer(rerating.RATING_DUE)
    def ask_to_rate_again(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask for the next day's rating of withdrawal from alcohol."""
        rerating.go_on(db, timer)

    @command(schemas.CloseTask, roles=_DOOR)
    def close_task(self, db: Session, call: Call) -> dict[str, Any]:
        """Note that somebody did what no action of its own ends."""
        task = tables.find_task(db, task_id=call.data["task_id"])
        if task is None or task.task != call.data["task"]:
            raise NotFound("No such task.", field="task_id")
        task.check_closer(call.actor)
        if not task.is_open:
            raise tasks.TaskClosedAlready(field="task_id", rule="an open task")
        announce_all(db, task.close(outcome=call.data["outcome"], at=call.now))
        told = {name: call.data[name] for name in ("task_id", "task", "outcome")}
        return {**told, "closed_at": write_moment(call.now), "patient_id": task.patient_id}

    # --- Rules ------------------------------------------------------------------------------------

    @question(schemas.ListRules)
    def list_rules(self, db: Session, call: Call) -> dict[str, Any]:
        """List the packs of rules, and which are in force for the tenant."""
        signatures = tables.rule_signatures(db)
        licensed = answering.licensed_packs(db)
        in_force = rules.in_force(signatures, licensed=licensed)
        shown = [
            views.rules_view(one, signatures, in_force=in_force, licensed=licensed)
            for one in rules.catalogue()
        ]
        return {"items": shown, "next": None}

    @command(schemas.SignRules, roles=(roles.MEDICAL_DIRECTOR,))
    def sign_rules(self, db: Session, call: Call) -> dict[str, Any]:
        """Put a version of a pack of rules in force, as the medical director."""
        pack = rules.find(call.data["pack"], call.data["version"])
        tables.take_turn(db, tenant_id=call.tenant_id, about=f"rules:{pack.pack}".encode())
        signature, events = rules.sign(
            signature_id=new_id(),
            pack=pack,
            digest=call.data["digest"],
            earlier=tables.rule_signatures(db),
            licensed=answering.licensed_packs(db),
            actor=call.actor,
            now=call.now,
        )
        db.add(signature)
        announce_all(db, events)
        return answer_of(schemas.RuleSignature, signature)

    # --- Consent ----------------------------------------------------------------------------------

    @command(schemas.GrantConsent, roles=(*_DOOR, roles.PATIENT))
    def grant_consent(self, db: Session, call: Call) -> dict[str, Any]:
        """Record a consent; one that says the same as one in force changes nothing."""
        patient = finding.own_patient(db, call)
        tables.take_turn(db, tenant_id=call.tenant_id, about=f"consents:{patient.patient_id}".encode())
        consent = consents.Consent(
            consent_id=new_id(),
            journey_id=patient.journey_id,
            granted_at=call.now,
            **(call.data | {"signed_at": call.data["signed_at"] or call.now}),
        )
        consents.check_signer(consent, actor=call.actor)
        events = consents.grant(consent)
        known = tables.consents_of(db, patient_id=patient.patient_id)
        for earlier in known:
            if earlier.is_active(now=call.now) and earlier.says_the_same_as(consent):
                return answer_of(schemas.Consent, earlier)
        db.add(consent)
        announce_all(db, events)
        consenting.watch(db, consent, now=call.now)
        consenting.note_newer(db, consent, earlier=known, at=call.now)
        return answer_of(schemas.Consent, consent)

    @command(schemas.RevokeConsent, roles=(*_DOOR, roles.PATIENT))
    def revoke_consent(self, db: Session, call: Call) -> dict[str, Any]:
        """Take a consent back."""
        consent = tables.lock_consent(db, consent_id=call.data["consent_id"])
        if consent is None:
            raise NotFound("No such consent.", field="consent_id")
        finding.check_own(call, consent.patient_id, field="consent_id")
        ended = consent.revoke(
            event_occurred_at=call.data["event_occurred_at"], actor=call.actor, now=call.now
        )
        announce_all(db, ended)
        consenting.stop(db, consent, at=call.now)
        consenting.see_to_treatment(db, consent, now=call.now)
        return answer_of(schemas.Consent, consent)

    @command(schemas.EndConsent, roles=_DOOR)
    def end_consent(self, db: Session, call: Call) -> dict[str, Any]:
        """End a consent with the event that it names."""
        consent = tables.lock_consent(db, consent_id=call.data["consent_id"])
        if consent is None:
            raise NotFound("No such consent.", field="consent_id")
        ended = consent.end_with(call.data["event"], occurred_at=call.data["occurred_at"], now=call.now)
        announce_all(db, ended)
        consenting.stop(db, consent, at=call.now)
        return answer_of(schemas.Consent, consent)

    @question(schemas.ListConsents, roles=(*_DOOR, roles.PATIENT))
    def list_consents(self, db: Session, call: Call) -> dict[str, Any]:
        """List all consents of somebody, oldest first."""
        patient = finding.own_patient(db, call)
        found = tables.consents_of(db, patient_id=patient.patient_id)
        return {"items": [answer_of(schemas.Consent, consent) for consent in found], "next": None}

    @on_timer(consenting.CONSENT_ENDS)
    def remind_of_consent(self, db: Session, timer: Timer, now: datetime) -> None:
        """Say that a consent ends soon, or has ended."""
        consent = tables.lock_consent(db, consent_id=timer.key)
        if consent is not None:
            consenting.remind(db, consent, at=timer.due_at)

    # --- Who backs a patient, and what helps --------------------------------------------------------

    @command(schemas.AddSupporter, roles=(*_DOOR, roles.PATIENT))
    def add_supporter(self, db: Session, call: Call) -> dict[str, Any]:
        """Name somebody who backs a patient; who they are stays sealed here."""
        patient = finding.own_patient(db, call)
        return views.supporter_view(db, supporting.add(db, patient, call), now=call.now)

    @command(schemas.EndSupporter, roles=(*_DOOR, roles.PATIENT))
    def end_supporter(self, db: Session, call: Call) -> dict[str, Any]:
        """Take somebody off who backed a patient."""
        supporter = tables.find_supporter(db, supporter_id=call.data["supporter_id"])
        if supporter is None:
            raise NotFound("No such supporter.", field="supporter_id")
        finding.check_own(call, supporter.patient_id, field="supporter_id")
        supporting.end(db, supporter, finding.patient(db, supporter.patient_id), call)
        return views.supporter_view(db, supporter, now=call.now)

    @command(schemas.TellNoSupporter, roles=(*_DOOR, roles.PATIENT))
    def tell_no_supporter(self, db: Session, call: Call) -> dict[str, Any]:
        """Keep that nobody backs a patient, which the treatment plan then works on."""
        patient = finding.own_patient(db, call)
        return answer_of(schemas.SupportNetwork, supporting.tell_nobody(db, patient, call))

    @question(schemas.ListSupporters, roles=(*_DOOR, roles.PATIENT))
    def list_supporters(self, db: Session, call: Call) -> dict[str, Any]:
        """List who backs a patient now, and what each may be told."""
        patient = finding.own_patient(db, call)
        found = tables.supporters_of(db, patient_id=patient.patient_id)
        return {"items": [views.supporter_view(db, one, now=call.now) for one in found], "next": None}

    @command(schemas.RecordTriggers, roles=roles.CARE_TEAM)
    def record_triggers(self, db: Session, call: Call) -> dict[str, Any]:
        """Keep what sets off use, and the tools that somebody has against it now."""
        episode = finding.locked_episode(db, call.data["episode_id"])
        inventory = supporting.record_triggers(db, episode, call)
        return answer_of(schemas.TriggerInventory, inventory) | {"complete": inventory.is_complete}

    # --- What patients are told, and what they ask not to be told to others ------------------------

    @command(schemas.PublishPrivacyNotice, roles=(*privacy.PRIVACY_ROLES, roles.OPERATIONS))
    def publish_privacy_notice(self, db: Session, call: Call) -> dict[str, Any]:
        """Publish a version of the notice of how records are protected."""
        notice = telling.publish_notice(db, call)
        (told,) = (one for one in telling.list_notices(db, now=call.now) if one["notice"] is notice)
        return views.notice_view(told)

    @question(schemas.ListPrivacyNotices, roles=(*STAFF, roles.PATIENT))
    def list_privacy_notices(self, db: Session, call: Call) -> dict[str, Any]:
        """List the versions of the notice, with how many people were given each."""
        shown = [views.notice_view(one) for one in telling.list_notices(db, now=call.now)]
        return {"items": shown, "next": None}

    @command(schemas.GivePrivacyNotice, roles=(*_DOOR, roles.PATIENT))
    def give_privacy_notice(self, db: Session, call: Call) -> dict[str, Any]:
        """Record that somebody was given the notice; the same version again changes nothing."""
        patient = finding.own_patient(db, call)
        receipt, notice = telling.give_notice(db, patient, call)
        return answer_of(schemas.NoticeReceipt, receipt) | {"edition": notice.edition}

    @question(schemas.ListNoticeReceipts)
    def list_notice_receipts(self, db: Session, call: Call) -> dict[str, Any]:
        """Tell who was given which version of the notice, and when."""
        limit = call.data["limit"]
        found = tables.receipts_after(
            db, patient_id=None, notice_id=call.data["notice_id"], after=call.data["after"], limit=limit + 1
        )
        return views.page(views.receipt_views(db, found), limit=limit, key="receipt_id")

    @question(schemas.ListNoticeReceiptsOf, roles=(*STAFF, roles.PATIENT))
    def list_notice_receipts_of(self, db: Session, call: Call) -> dict[str, Any]:
        """Tell which versions of the notice somebody was given, and when."""
        patient = finding.own_patient(db, call)
        found = tables.receipts_after(
            db, patient_id=patient.patient_id, notice_id=None, after=None, limit=_MOST_VERSIONS
        )
        return {"items": views.receipt_views(db, found), "next": None}

    @command(schemas.RequestRestriction, roles=(*_DOOR, roles.PATIENT))
    def request_restriction(self, db: Session, call: Call) -> dict[str, Any]:
        """Take a patient's request that less be told than consents allow."""
        patient = finding.own_patient(db, call)
        return answer_of(schemas.Restriction, telling.request_restriction(db, patient, call))

    @command(schemas.AnswerRestriction, roles=privacy.PRIVACY_ROLES)
    def answer_restriction(self, db: Session, call: Call) -> dict[str, Any]:
        """Agree that less is told, or deny it with a reason."""
        restriction = finding.locked_restriction(db, call.data["restriction_id"])
        telling.answer_restriction(db, restriction, call)
        return answer_of(schemas.Restriction, restriction)

    @command(schemas.EndRestriction, roles=(*_DOOR, roles.PATIENT))
    def end_restriction(self, db: Session, call: Call) -> dict[str, Any]:
        """End a restriction, because the patient asks for that."""
        restriction = finding.locked_restriction(db, call.data["restriction_id"])
        finding.check_own(call, restriction.patient_id, field="restriction_id")
        announce_all(db, restriction.end(actor=call.actor, now=call.now))
        return answer_of(schemas.Restriction, restriction)

    @question(schemas.ListRestrictions, roles=(*_DOOR, roles.PATIENT))
    def list_restrictions(self, db: Session, call: Call) -> dict[str, Any]:
        """List what somebody asked to be told less, oldest first."""
        patient = finding.own_patient(db, call)
        found = tables.restrictions_of(db, patient_id=patient.patient_id)
        return {"items": [answer_of(schemas.Restriction, one) for one in found], "next": None}

    # --- Who asks for records ---------------------------------------------------------------------

    @command(schemas.ReceiveLegalDemand, roles=(*STAFF, roles.PARTNER))
    def receive_legal_demand(self, db: Session, call: Call) -> dict[str, Any]:
        """Queue a demand for records for a human; the answer is the same whoever it is about."""
        records.receive_demand(db, call)
        return {"status": "received"}

    @question(schemas.ListLegalDemands, roles=privacy.PRIVACY_ROLES)
    def list_legal_demands(self, db: Session, call: Call) -> dict[str, Any]:
        """List demands for records."""
        limit = call.data["limit"]
        found = tables.demands_after(
            db,
            only_open=call.data["open"],
            on_hold=call.data["on_hold"],
            after=call.data["after"],
            limit=limit + 1,
        )
        return views.page(
            [answer_of(schemas.LegalDemand, one) for one in found], limit=limit, key="demand_id"
        )

    @command(schemas.IdentifyDemanded, roles=privacy.PRIVACY_ROLES)
    def identify_demanded(self, db: Session, call: Call) -> dict[str, Any]:
        """Say whom a demand is about, which puts the hold on."""
        demand = finding.locked_demand(db, call.data["demand_id"])
        records.identify(db, demand, finding.patient(db, call.data["patient_id"]), now=call.now)
        return answer_of(schemas.LegalDemand, demand)

    @command(schemas.SettleLegalDemand, roles=privacy.PRIVACY_ROLES)
    def settle_legal_demand(self, db: Session, call: Call) -> dict[str, Any]:
        """Record what was decided about a demand for records; the hold stays."""
        demand = finding.locked_demand(db, call.data["demand_id"])
        records.settle_demand(db, demand, call)
        return answer_of(schemas.LegalDemand, demand)

    @command(schemas.ReleaseLegalHold, roles=privacy.PRIVACY_ROLES)
    def release_legal_hold(self, db: Session, call: Call) -> dict[str, Any]:
        """Let what is old about somebody be forgotten again."""
        demand = finding.locked_demand(db, call.data["demand_id"])
        records.release(db, demand, call)
        return answer_of(schemas.LegalDemand, demand)

    @command(schemas.RequestRecord, roles=(*_DOOR, roles.PATIENT))
    def request_record(self, db: Session, call: Call) -> dict[str, Any]:
        """Take a request for somebody's own record; one that is open already goes on."""
        patient = finding.own_patient(db, call)
        return answer_of(schemas.RecordRequest, records.request_record(db, patient, call))

    @question(schemas.ListRecordRequests, roles=(*_DOOR, roles.PATIENT))
    def list_record_requests(self, db: Session, call: Call) -> dict[str, Any]:
        """List somebody's requests for their record, oldest first."""
        patient = finding.own_patient(db, call)
        found = tables.record_requests_of(db, patient_id=patient.patient_id)
        return {"items": [answer_of(schemas.RecordRequest, one) for one in found], "next": None}

    @question(schemas.GetRecordRequest, roles=(*_DOOR, roles.PATIENT))
    def get_record_request(self, db: Session, call: Call) -> dict[str, Any]:
        """Look at a request for a record that can be delivered."""
        request = tables.find_record_request(db, request_id=call.data["request_id"])
        if request is None:
            raise NotFound("No such request.", field="request_id")
        finding.check_own(call, request.patient_id, field="request_id")
        return answer_of(schemas.RecordRequest, request)

    @command(schemas.DeliverRecord, roles=(*privacy.PRIVACY_ROLES, roles.FRONT_DESK, roles.PATIENT))
    def deliver_record(self, db: Session, call: Call) -> dict[str, Any]:
        """Note that a record was delivered; only the first time stops the clock."""
        request = finding.locked_record_request(db, call)
        records.deliver_record(db, request, call)
        return answer_of(schemas.RecordRequest, request)

    @command(schemas.AnswerRecordRequest, roles=privacy.PRIVACY_ROLES)
    def answer_record_request(self, db: Session, call: Call) -> dict[str, Any]:
        """Put a request for a record off once, or deny it."""
        request = finding.locked_record_request(db, call)
        records.answer_request(db, request, call)
        return answer_of(schemas.RecordRequest, request)

    @on_timer(records.RECORD_DUE)
    def escalate_record_request(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask the next human when a record was not delivered in time."""
        request = tables.lock_record_request(db, request_id=timer.key)
        if request is not None:
            records.run_out(db, request, at=timer.due_at)

    @question(schemas.ListDueForms, roles=(roles.SYSTEM,))
    def list_due_forms(self, db: Session, call: Call) -> dict[str, Any]:
        """Tell the gateway which instruments are due for the patients of a day, all of them at once."""
        found = answering.due_forms(db, patient_ids=call.data["patient_ids"], now=call.now)
        return {"items": found, "next": None}

    @question(schemas.ListNames, roles=(roles.SYSTEM,))
    def list_names(self, db: Session, call: Call) -> dict[str, Any]:
        """Tell the gateway what the patients on a sheet are called, all of them at once."""
        found = tables.find_patients(db, patient_ids=call.data["patient_ids"])
        told = ("patient_id", "given_name", "family_name")
        return {"items": [{name: getattr(one, name) for name in told} for one in found], "next": None}

    @question(schemas.ListStandingConsents, roles=(roles.SYSTEM,))
    def list_standing_consents(self, db: Session, call: Call) -> dict[str, Any]:
        """Tell the gateway under which consents something may leave at this moment."""
        standing = records.standing_consents(db, patient_ids=call.data["patient_ids"], now=call.now)
        return {"items": standing, "next": None}

    # --- Messages ---------------------------------------------------------------------------------

    @command(schemas.StopMessages, roles=(*_DOOR, roles.PATIENT))
    def stop_messages(self, db: Session, call: Call) -> dict[str, Any]:
        """Have nothing more sent to somebody, whatever address they give later."""
        patient = finding.own_patient(db, call)
        notification.stop_messages(db, notification.person(patient.patient_id))
        for address in contacting.read(db, call).mailboxes():
            # It was said by whoever reads there, for all who gave that address.
            notification.stop_messages(db, f"mailto:{address}")
        return answer_of(schemas.MessageStop, {"patient_id": patient.patient_id, "stopped": True})

    @command(schemas.AllowMessages, roles=(*_DOOR, roles.PATIENT))
    def allow_messages(self, db: Session, call: Call) -> dict[str, Any]:
        """Have messages sent to somebody again who had wanted none."""
        patient = finding.own_patient(db, call)
        notification.allow_messages(db, notification.person(patient.patient_id))
        for address in contacting.read(db, call).mailboxes():
            notification.allow_messages(db, f"mailto:{address}")
        return answer_of(schemas.MessageStop, {"patient_id": patient.patient_id, "stopped": False})

    @question(schemas.ListMessages, roles=(*_DOOR, roles.PATIENT))
    def list_messages(self, db: Session, call: Call) -> dict[str, Any]:
        """List what was written to somebody, where to, and what became of it."""
        patient = finding.own_patient(db, call)
        limit = call.data["limit"]
        found = tables.messages_after(
            db, patient_id=patient.patient_id, after=call.data["after"], limit=limit + 1
        )
        return views.page([answer_of(schemas.Message, one) for one in found], limit=limit, key="message_id")

    # --- Admission and referral elsewhere ---------------------------------------------------------

    @command(schemas.AdmitPatient, roles=_DOOR)
    def admit_patient(self, db: Session, call: Call) -> dict[str, Any]:
        """Admit somebody: decision and consent are there, and no gate holds them."""
        known = finding.to_decide(db, call.data["episode_id"])
        episode, site, assessment = known.episode, known.site, known.assessment
        referral = tables.find_referral(db, referral_id=episode.referral_id)
        # Locked, so that none is taken back between this look and the admission: a revocation at the same
        # moment is seen here, or waits and comes after.
        active = {
            consent.kind
            for consent in tables.lock_consents_of(db, patient_id=episode.patient_id)
            if consent.is_active(now=call.now)
        }
        admission, events = admissions.admit(
            admission_id=new_id(),
            episode=episode,
            patient=finding.patient(db, episode.patient_id),
            site=site,
            assessment=assessment,
            held_since=answering.held_since(db, episode, assessment, now=call.now),
            treatment_consent="TREATMENT" in active,
            follow_up_consent="FOLLOW_UP" in active,
            opioid_history=(assessment is not None and assessment.opioid)
            or (referral is not None and referral.names_opioid),
            actor_id=call.actor.actor_id,
            actor_role=call.actor.role,
            now=call.now,
        )
        db.add(admission)
        announce_all(db, events)
        queueing.note_admission(db, episode, site, actor=call.actor, now=call.now)
        left_open = supporting.ask_for_what_is_open(db, episode, assessment, now=call.now)
        floor, ceiling = admissions.WEEKLY_MINUTES[admission.level]
        return answer_of(schemas.Admission, admission) | {
            "weekly_minutes_floor": floor,
            "weekly_minutes_ceiling": ceiling,
            "planned_weeks": admissions.PLANNED_WEEKS,
            "left_open": left_open,
            "next_step": views.next_step(db, episode, now=call.now),
        }

    @command(schemas.RecordTedsCodes, roles=(*_DOOR, roles.OPERATIONS))
    def record_teds_codes(self, db: Session, call: Call) -> dict[str, Any]:
        """Keep what was found out about somebody in TEDS codes, before or after the admission."""
        episode = finding.locked_episode(db, call.data["episode_id"])
        referral = reporting.keep_codes(db, episode, call.data["teds"])
        queueing.note_what_is_known(
            db, episode, pregnant=referral.pregnant, injecting=referral.injecting, now=call.now
        )
        due = timeline.assessment_task(referral)
        asking.hurry(db, task_id=due.task_id, due_at=due.due_at)
        return answer_of(schemas.TedsCodes, referral)

    @question(schemas.ListTedsRecords, roles=_OFFICE)
    def list_teds_records(self, db: Session, call: Call) -> dict[str, Any]:
        """List the records of a site's admissions in TEDS codes, checked against the code book."""
        found = reporting.records_of(db, finding.site(db, call.data["site_id"]), call.data)
        shown = [answer_of(schemas.TedsRecord, record) for record in found]
        return views.page(shown, limit=call.data["limit"], key="admission_id")

    @command(schemas.ReferElsewhere, roles=_DOOR)
    def refer_elsewhere(self, db: Session, call: Call) -> dict[str, Any]:
        """Refer somebody to another program, and plan to follow them up."""
        known = finding.to_decide(db, call.data["episode_id"])
        episode = known.episode
        referral, follow_ups, events = outward.refer_elsewhere(
            outward_referral_id=new_id(),
            episode=episode,
            site=known.site,
            assessment=known.assessment,
            program=call.data["program"],
            actor_id=call.actor.actor_id,
            actor_role=call.actor.role,
            now=call.now,
        )
        db.add_all([referral, *follow_ups])
        announce_all(db, events)
        if known.waits:
            queueing.leave_with_episode(
                db, episode, reason="REFERRED_ELSEWHERE", actor=call.actor, now=call.now
            )
        _withdraw_tasks(db, known.tasks, at=call.now)
        cancel_timer(db, _DECISION_DUE, key=episode.episode_id)
        rerating.stop(db, episode)
        for follow_up in follow_ups:
            set_timer(
                db,
                _FOLLOW_UP_DUE,
                key=follow_up.follow_up_id,
                due_at=follow_up.due_at,
                data={"outward_referral_id": referral.outward_referral_id, "number": follow_up.number},
            )
        return views.outward_view(referral, follow_ups)

    @question(schemas.GetOutwardReferral)
    def get_outward_referral(self, db: Session, call: Call) -> dict[str, Any]:
        """Look at a referral to another program."""
        referral = finding.outward_referral(db, call.data["outward_referral_id"])
        follow_ups = tables.follow_ups_of(db, outward_referral_id=referral.outward_referral_id)
        return views.outward_view(referral, follow_ups)

    @on_timer(_FOLLOW_UP_DUE)
    def ask_for_follow_up(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask somebody to look after a person who was referred elsewhere."""
        referral, follow_ups = finding.locked_follow_ups(db, timer.data["outward_referral_id"])
        for follow_up in follow_ups:
            if follow_up.number == timer.data["number"] and follow_up.fall_due():
                _open_task(db, outward.follow_up_task(follow_up, referral=referral))

    @command(schemas.RecordReferralFollowUp, roles=_DOOR)
    def record_referral_follow_up(self, db: Session, call: Call) -> dict[str, Any]:
        """Record whether somebody arrived where they were referred to."""
        referral, follow_ups = finding.locked_follow_ups(db, call.data["outward_referral_id"])
        follow_up = outward.next_to_record(follow_ups, number=call.data["number"])
        follow_up.record(
            outcome=call.data["outcome"],
            note=call.data["note"],
            actor_id=call.actor.actor_id,
            actor_role=call.actor.role,
            now=call.now,
        )
        cancel_timer(db, _FOLLOW_UP_DUE, key=follow_up.follow_up_id)
        task = tables.find_task(db, task_id=outward.follow_up_task(follow_up, referral=referral).task_id)
        if task is not None:
            announce_all(db, task.close(outcome=tasks.DONE, at=call.now))
        return views.outward_view(referral, follow_ups)

    # --- The waiting list for admission -----------------------------------------------------------

    @command(schemas.WaitForAdmission, roles=_DOOR)
    def wait_for_admission(self, db: Session, call: Call) -> dict[str, Any]:
        """Put somebody on the waiting list; a free seat is offered at once, in the order of the law."""
        episode = finding.locked_episode(db, call.data["episode_id"])
        wait = queueing.join(db, episode, finding.site(db, episode.site_id), call.data, now=call.now)
        return answer_of(schemas.AdmissionWait, wait)

    @question(schemas.GetAdmissionWait, roles=(*STAFF, roles.PATIENT))
    def get_admission_wait(self, db: Session, call: Call) -> dict[str, Any]:
        """Look at somebody's entry of the waiting list."""
        wait = tables.find_admission_wait(db, wait_id=call.data["wait_id"])
        if wait is None:
            raise NotFound("Nobody waits there.", field="wait_id")
        finding.check_own(call, wait.patient_id, field="wait_id")
        return answer_of(schemas.AdmissionWait, wait)

    @question(schemas.ListAdmissionWaits)
    def list_admission_waits(self, db: Session, call: Call) -> dict[str, Any]:
        """List who waits for admission to a site, in the order of the law."""
        site = finding.site(db, call.data["site_id"])
        return {
            "items": [views.queued_view(one) for one in queueing.positions(db, site.site_id)],
            "next": None,
        }

    @command(schemas.AcceptAdmissionOffer, roles=(*_DOOR, roles.PATIENT))
    def accept_admission_offer(self, db: Session, call: Call) -> dict[str, Any]:
        """Take the seat that is offered."""
        wait = finding.locked_wait(db, call)
        queueing.accept(db, wait, now=call.now)
        return answer_of(schemas.AdmissionWait, wait)

    @command(schemas.DeclineAdmissionOffer, roles=(*_DOOR, roles.PATIENT))
    def decline_admission_offer(self, db: Session, call: Call) -> dict[str, Any]:
        """Let the next have the seat that is offered."""
        wait = finding.locked_wait(db, call)
        queueing.decline(db, wait, now=call.now)
        return answer_of(schemas.AdmissionWait, wait)

    @command(schemas.RemoveAdmissionWait, roles=_DOOR)
    def remove_admission_wait(self, db: Session, call: Call) -> dict[str, Any]:
        """Take somebody off the waiting list, with a reason."""
        wait = finding.locked_wait(db, call)
        site = finding.site(db, wait.site_id)
        queueing.remove(db, wait, site, reason=call.data["reason"], actor=call.actor, now=call.now)
        return answer_of(schemas.AdmissionWait, wait)

    @command(schemas.RecordInterimServices, roles=_DOOR)
    def record_interim_services(self, db: Session, call: Call) -> dict[str, Any]:
        """Note what somebody was given who waits."""
        wait = finding.locked_wait(db, call)
        queueing.provide_interim(
            db,
            wait,
            services=call.data["services"],
            provided_at=call.data["provided_at"] or call.now,
            now=call.now,
        )
        return answer_of(schemas.AdmissionWait, wait)

    @command(schemas.AddAdmissionSeats, roles=(roles.OPERATIONS, roles.SUPERVISOR, roles.FRONT_DESK))
    def add_admission_seats(self, db: Session, call: Call) -> dict[str, Any]:
        """Tell that a site has room for more, and offer it in the order of the law."""
        site = finding.site(db, call.data["site_id"])
        seat_ids = [new_id() for _ in range(call.data["seats"])]
        queueing.add_seats(db, site.site_id, seat_ids, freed_at=call.now, now=call.now)
        return answer_of(schemas.AdmissionSeats, queueing.seats_of(db, site.site_id))

    @question(schemas.GetAdmissionWaitReport)
    def get_admission_wait_report(self, db: Session, call: Call) -> dict[str, Any]:
        """Look at how long people waited who were admitted on some days, in the buckets of TEDS."""
        site = finding.site(db, call.data["site_id"])
        days = {"first": call.data["first_on"], "last": call.data["last_on"]}
        return answer_of(schemas.AdmissionWaitReport, queueing.report(db, site, **days))

    @reacts_to(StandingPlaceFreed)
    def offer_freed_place(self, db: Session, event: StandingPlaceFreed, now: datetime) -> None:
        """Offer the place of somebody who left to the next on the waiting list."""
        seat_id = derived_id(event.place_id, "admission seat")
        queueing.add_seats(db, event.site_id, [seat_id], freed_at=event.freed_at, now=now)

    @on_timer(queueing.OFFER_ENDS)
    def end_admission_offer(self, db: Session, timer: Timer, now: datetime) -> None:
        """End an offer that nobody took, and offer the seat to the next in order."""
        queueing.expire(db, queueing.locked(db, timer.key), at=timer.due_at)

    @on_timer(queueing.CLOCK_RUNS_OUT)
    def tell_admission_clock(self, db: Session, timer: Timer, now: datetime) -> None:
        """Tell that a clock of the law has run out on somebody who waits, and ask who leads."""
        wait = queueing.locked(db, timer.data["wait_id"])
        queueing.run_out(db, wait, timer.data["clock"], at=timer.due_at)

    # --- Reviews of the level of care -------------------------------------------------------------

    @question(schemas.ListLevelReviews)
    def list_level_reviews(self, db: Session, call: Call) -> dict[str, Any]:
        """List reviews of the level of care."""
        limit = call.data["limit"]
        found = tables.reviews_after(
            db,
            only_open=call.data["open"],
            episode_id=call.data["episode_id"],
            after=call.data["after"],
            limit=limit + 1,
        )
        items = [answer_of(schemas.LevelReview, review) for review in found]
        return views.page(items, limit=limit, key="review_id")

    @command(schemas.CloseLevelReview, roles=roles.CARE_TEAM)
    def close_level_review(self, db: Session, call: Call) -> dict[str, Any]:
        """Close a review of the level of care, as a licensed clinician."""
        decisions.check_licensed(call.actor)
        review = tables.lock_review(db, review_id=call.data["review_id"])
        if review is None:
            raise NotFound("No such review.", field="review_id")
        episode = finding.episode(db, review.episode_id)
        admission = tables.find_admission(db, admission_id=episode.admission_id)
        decided = review.close(
            outcome=call.data["outcome"],
            to_level=call.data["to_level"],
            from_level=admission.level if admission is not None else None,
            note=call.data["note"],
            actor=call.actor,
            now=call.now,
        )
        announce_all(db, decided)
        task = tables.find_task(db, task_id=review.task().task_id)
        if task is not None:
            announce_all(db, task.close(outcome=tasks.DONE, at=call.now))
        return answer_of(schemas.LevelReview, review)

    @reacts_to(LevelReviewRequested)
    def open_level_review(self, db: Session, event: LevelReviewRequested, now: datetime) -> None:
        """Open a review of the level of care; one that comes after the end is withdrawn at once."""
        episode = tables.lock_episode(db, episode_id=event.episode_id)
        if episode is None:
            raise TooEarly
        known = tables.lock_review(db, review_id=event.review_id)
        if known is not None:
            if known.ask_again(revision=event.revision):
                _ask_for_review_again(db, known, episode)
            return
        review = reviews.LevelReview(
            review_id=event.review_id,
            episode_id=event.episode_id,
            patient_id=event.patient_id,
            journey_id=event.journey_id,
            reason=event.reason,
            requested_at=event.requested_at,
            due_at=event.due_at,
            revision=event.revision,
        )
        db.add(review)
        announce(db, review.opened())
        task = review.task()
        _open_task(db, task)
        if episode.closed_at is not None:
            review.withdraw(at=episode.closed_at)
            announce_all(db, task.close(outcome=tasks.WITHDRAWN, at=episode.closed_at))

    @reacts_to(LevelReviewWithdrawn)
    def drop_level_review(self, db: Session, event: LevelReviewWithdrawn, now: datetime) -> None:
        """Drop a review of the level of care that stood on a mistake, unless a human has closed it."""
        review = tables.lock_review(db, review_id=event.review_id)
        if review is None:
            raise TooEarly
        if review.take_back(revision=event.revision, at=event.withdrawn_at):
            task = tables.find_task(db, task_id=review.task().task_id)
            if task is not None:
                announce_all(db, task.withdraw(at=event.withdrawn_at))

    # --- Cover ------------------------------------------------------------------------------------

    @command(schemas.RecordEligibilityAnswer, roles=(*_DOOR, roles.OPERATIONS))
    def record_eligibility_answer(self, db: Session, call: Call) -> dict[str, Any]:
        """Keep what a payer answered about somebody; an answer older than the known one changes nothing."""
        patient = finding.patient(db, call.data["patient_id"])
        kept, _ = eligibility.take(db, patient, call.data, tenant_id=call.tenant_id, now=call.now)
        return answer_of(schemas.Coverage, kept)

    @command(schemas.ImportEligibilityAnswers, roles=(*_DOOR, roles.OPERATIONS), long=True)
    def import_eligibility_answers(self, db: Session, call: Call) -> dict[str, Any]:
        """Keep what payers answered about many people; a row that breaks a rule is told by its line."""
        report = eligibility.take_rows(db, call.data["rows"], tenant_id=call.tenant_id, now=call.now)
        return answer_of(schemas.EligibilityImport, report)

    @question(schemas.ListEligibilityDue, roles=(*_DOOR, roles.OPERATIONS))
    def list_eligibility_due(self, db: Session, call: Call) -> dict[str, Any]:
        """List whose payers are to be asked this month: covers that pay and were not answered for in it."""
        site = finding.site(db, call.data["site_id"])
        limit = call.data["limit"]
        found = tables.covers_to_ask(
            db,
            site_id=site.site_id,
            before=site.begin_of(site.local_day(call.now).replace(day=1)),
            after=call.data["after"],
            limit=limit + 1,
        )
        shown = [
            answer_of(schemas.EligibilityDue, one) | {"episode_id": episode_id} for one, episode_id in found
        ]
        return views.page(shown, limit=limit, key="coverage_id")

    @command(schemas.RecordAuthorization, roles=(*_DOOR, roles.OPERATIONS))
    def record_authorization(self, db: Session, call: Call) -> dict[str, Any]:
        """Keep what a payer decided about days of care."""
        episode = finding.locked_episode(db, call.data["episode_id"])
        kept = covering.keep_authorization(db, episode, call.data, actor=call.actor, now=call.now)
        reserving.reserve_scheduled(db, episode, now=call.now)
        return views.authorization_view(db, kept)

    @command(schemas.TakeAuthorizedUnit, roles=_DOOR)
    def take_authorized_unit(self, db: Session, call: Call) -> dict[str, Any]:
        """Reserve a unit for a day; of two who want the last one, one gets it."""
        authorization = finding.locked_authorization(db, call.data["authorization_id"])
        covering.take_unit(db, authorization, served_on=call.data["served_on"], now=call.now)
        return views.authorization_view(db, authorization)

    @command(schemas.ReleaseAuthorizedUnit, roles=_DOOR)
    def release_authorized_unit(self, db: Session, call: Call) -> dict[str, Any]:
        """Give a reserved unit back."""
        authorization = finding.locked_authorization(db, call.data["authorization_id"])
        covering.release_unit(db, authorization, served_on=call.data["served_on"])
        return views.authorization_view(db, authorization)

    @command(schemas.EndAuthorization, roles=(*_DOOR, roles.OPERATIONS))
    def end_authorization(self, db: Session, call: Call) -> dict[str, Any]:
        """End an authorisation before its time; units that it held for later days are given back."""
        authorization = finding.locked_authorization(db, call.data["authorization_id"])
        reserving.end(db, authorization, last_on=call.data["last_on"], now=call.now)
        return views.authorization_view(db, authorization)

    @question(schemas.GetCoverage, roles=(*_DOOR, roles.OPERATIONS))
    def get_coverage(self, db: Session, call: Call) -> dict[str, Any]:
        """Look at somebody's cover in an episode, the ledger of units, and what stands against being paid."""
        episode = finding.episode(db, call.data["episode_id"])
        site = finding.site(db, episode.site_id)
        today = site.local_day(call.now)
        covers = tables.coverages_of(db, patient_id=episode.patient_id)
        found = tables.authorizations_of(db, episode_id=episode.episode_id)
        return {
            "patient_id": episode.patient_id,
            "episode_id": episode.episode_id,
            "coverages": [answer_of(schemas.Coverage, one) for one in covers],
            "authorizations": [views.authorization_view(db, one) for one in found],
            "warnings": covering.warnings(db, covers, found, site=site, now=call.now),
            "days_not_authorized": [
                day.isoformat() for day in reserving.uncovered_days(db, episode, covers, since=today)
            ],
        }

    @reacts_to(ServiceDelivered, at_once=True)
    def count_delivered_day(self, db: Session, events: list[ServiceDelivered], now: datetime) -> None:
        """Count each day's unit as used, or give it back, and keep what sites delivered for their profile."""
        delivering.count(db, events, now=now)

    @question(schemas.ListUnbilledDays, roles=_OFFICE)
    def list_unbilled_days(self, db: Session, call: Call) -> dict[str, Any]:
        """List a site's attended days that cannot be billed, with every reason that holds."""
        return views.days_view(db, call, billable=False)

    @question(schemas.ListBillableDays, roles=_OFFICE)
    def list_billable_days(self, db: Session, call: Call) -> dict[str, Any]:
        """List a site's attended days that can be billed."""
        return views.days_view(db, call, billable=True)

    @reacts_to(SessionScheduled, at_once=True)
    def reserve_unit(self, db: Session, events: list[SessionScheduled], now: datetime) -> None:
        """Reserve a unit for the day of a session, or warn that none is left; care goes on either way."""
        reserving.note_seats(db, events, now=now)

    @reacts_to(SessionMissed, at_once=True)
    def give_unit_back(self, db: Session, events: list[SessionMissed], now: datetime) -> None:
        """Give the unit of a day back to which nobody came."""
        reserving.drop_seats(db, events, now=now)

    @reacts_to(SeatCancelled, at_once=True)
    def give_cancelled_unit_back(self, db: Session, events: list[SeatCancelled], now: datetime) -> None:
        """Give the unit of a day back of which the program took the seat back."""
        reserving.drop_seats(db, events, now=now)

    @reacts_to(PatientNotSeen, at_once=True)
    def give_unseen_unit_back(self, db: Session, events: list[PatientNotSeen], now: datetime) -> None:
        """Give the unit of a day back on which the program could not see who came.

        Whoever waits may still be let in, and their unit stays theirs.
        """
        by_program = [one for one in events if one.reason in NOT_SEEN_BY_PROGRAM]
        if by_program:
            reserving.drop_seats(db, by_program, now=now)

    @on_timer(reserving.RESERVATION_LAPSES)
    def give_unused_units_back(self, db: Session, timer: Timer, now: datetime) -> None:
        """Give units back that were reserved for days of which nobody told that they were attended."""
        reserving.lapse(db, timer.key, at=timer.due_at)

    @on_timer(covering.AUTHORIZATION_ENDS)
    def tell_authorization_ends(self, db: Session, timer: Timer, now: datetime) -> None:
        """Say that few covered days are left, and ask for more."""
        found = tables.lock_units(db, authorization_id=timer.key)
        if found is not None:
            authorization, taken = found
            covering.watch_end(db, authorization, taken=taken, now=timer.due_at)

    # --- Cost -------------------------------------------------------------------------------------

    @command(schemas.SetRate, roles=(roles.OPERATIONS, roles.SUPERVISOR))
    def set_rate(self, db: Session, call: Call) -> dict[str, Any]:
        """Tell what a day of care costs at a site from a day on, or what a payer allows for it."""
        finding.site(db, call.data["site_id"])
        return answer_of(schemas.Rate, costing.set_rate(db, call.data, actor=call.actor, now=call.now))

    @question(schemas.ListRates)
    def list_rates(self, db: Session, call: Call) -> dict[str, Any]:
        """List what a day costs at a site."""
        site = finding.site(db, call.data["site_id"])
        found = tables.rates_of(db, site_id=site.site_id)
        return {"items": [answer_of(schemas.Rate, one) for one in found], "next": None}

    @command(schemas.EstimateCost, roles=(*_DOOR, roles.OPERATIONS))
    def estimate_cost(self, db: Session, call: Call) -> dict[str, Any]:
        """Tell somebody what care would cost, with every assumption."""
        episode = finding.locked_episode(db, call.data["episode_id"])
        site = finding.site(db, episode.site_id)
        found = costing.estimate(db, episode, site, call.data, actor=call.actor, now=call.now)
        return answer_of(schemas.CostEstimate, found)

    @question(schemas.ListCostEstimates, roles=(*STAFF, roles.PATIENT))
    def list_cost_estimates(self, db: Session, call: Call) -> dict[str, Any]:
        """List what somebody was told that care would cost, and how far a bill would pass it by now."""
        episode = finding.episode(db, call.data["episode_id"])
        finding.check_own(call, episode.patient_id, field="episode_id")
        return answer_of(schemas.CostEstimates, costing.estimates_view(db, episode))

    @command(schemas.DeclareSelfPay, roles=(*_DOOR, roles.OPERATIONS, roles.PATIENT))
    def declare_self_pay(self, db: Session, call: Call) -> dict[str, Any]:
        """Keep that somebody pays themself; a good-faith estimate is owed to them in time."""
        episode = finding.locked_episode(db, call.data["episode_id"])
        finding.check_own(call, episode.patient_id, field="episode_id")
        own = costing.declare(
            db,
            episode,
            finding.site(db, episode.site_id),
            reason=call.data["reason"],
            asks=call.data["asks_for_estimate"],
            now=call.now,
        )
        return answer_of(schemas.SelfPay, own)

    @command(schemas.UseCover, roles=(*_DOOR, roles.OPERATIONS, roles.PATIENT))
    def use_cover(self, db: Session, call: Call) -> dict[str, Any]:
        """Keep that somebody uses their cover after all; days from then on are told to the payer again."""
        episode = finding.locked_episode(db, call.data["episode_id"])
        finding.check_own(call, episode.patient_id, field="episode_id")
        told = {name: call.data[name] for name in ("used_from", "because")}
        site = finding.site(db, episode.site_id)
        own = costing.use_cover(db, episode, site, **told, actor=call.actor, now=call.now)
        return answer_of(schemas.SelfPay, own)

    @command(schemas.AssessFee, roles=(*_DOOR, roles.OPERATIONS))
    def assess_fee(self, db: Session, call: Call) -> dict[str, Any]:
        """Work out what somebody pays by household and income, under the table that is signed."""
        episode = finding.episode(db, call.data["episode_id"])
        found = costing.assess_fee(db, episode, call.data, actor=call.actor, now=call.now)
        return answer_of(schemas.FeeAssessment, found)

    @question(schemas.GetFundingPaths, roles=(*STAFF, roles.PATIENT))
    def get_funding_paths(self, db: Session, call: Call) -> dict[str, Any]:
        """Look at the ways to pay for care without cover, each with what to do next."""
        episode = finding.episode(db, call.data["episode_id"])
        finding.check_own(call, episode.patient_id, field="episode_id")
        return answer_of(schemas.FundingPaths, costing.funding_view(db, episode, now=call.now))

    @on_timer(costing.ESTIMATE_DUE)
    def escalate_estimate(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask the supervisor when the estimate that is owed was not given in time."""
        costing.escalate(db, timer.key, at=timer.due_at)

    @reacts_to(ScheduleConfirmed)
    def note_confirmed_week(self, db: Session, event: ScheduleConfirmed, now: datetime) -> None:
        """Know when care begins, which starts the clock of an estimate that is owed."""
        costing.note_week(db, event, now=now)

    @reacts_to(SiteClosed)
    def note_holiday(self, db: Session, event: SiteClosed, now: datetime) -> None:
        """Know on which days a site keeps a holiday: they are no business days."""
        if event.reason == "HOLIDAY":
            covering.note_holiday(db, event, now=now)

    # --- Directory --------------------------------------------------------------------------------

    @reacts_to(ClinicianCredentialsChanged)
    def keep_program_staff(self, db: Session, event: ClinicianCredentialsChanged, now: datetime) -> None:
        """Keep what credentials of a clinician count, for the profile of the site."""
        directory.keep_staff(db, event)

    @reacts_to(GroupPlacesChanged)
    def keep_program_group(self, db: Session, event: GroupPlacesChanged, now: datetime) -> None:
        """Keep when a group meets and what is free then, for searches and the profile of the site."""
        directory.keep_group(db, event)

    @command(schemas.PublishProgram, roles=_DIRECTORY)
    def publish_program(self, db: Session, call: Call) -> dict[str, Any]:
        """List one of our sites in the directory."""
        site = finding.site(db, call.data["site_id"])
        tables.take_turn(db, tenant_id=call.tenant_id, about=f"program:{site.site_id}".encode())
        program = directory.list_own(db, site, call.data, now=call.now)
        return answer_of(schemas.FoundProgram, program) | {"verified": False}

    @command(schemas.ImportFacilities, roles=(roles.OPERATIONS,), long=True)
    def import_facilities(self, db: Session, call: Call) -> dict[str, Any]:
        """Take records of facilities into the directory; a row that breaks a rule is told by its line."""
        tables.take_turn(db, tenant_id=call.tenant_id, about=b"facilities")
        report = directory.import_records(
            db, call.data["rows"], import_id=call.command_id, tenant_id=call.tenant_id, now=call.now
        )
        return answer_of(schemas.FacilityImport, report)

    @question(schemas.ListPrograms, roles=_SEEKERS)
    def list_programs(self, db: Session, call: Call) -> dict[str, Any]:
        """List the directory."""
        limit = call.data["limit"]
        found = tables.programs_after(db, after=call.data["after"], limit=limit + 1)
        shown = [views.program_view(program, now=call.now) for program in found]
        return views.page(shown, limit=limit, key="program_id")

    @question(schemas.GetProgram, roles=_SEEKERS)
    def get_program(self, db: Session, call: Call) -> dict[str, Any]:
        """Look at a program's profile: who works there, what was delivered, what is verified."""
        program = finding.program(db, call.data["program_id"])
        told = directory.profile(db, program, now=call.now)
        told["credentials"] = [views.credential_view(one, now=call.now) for one in told["credentials"]]
        staff, groups = told.pop("staff"), told.pop("groups")
        return (
            answer_of(schemas.ProgramProfile, program)
            | told
            | {
                "staff": answer_of(schemas.StaffMix, staff) if staff else None,
                "groups": [answer_of(schemas.ProgramGroup, group) for group in groups],
            }
        )

    @question(schemas.GetProgramMatches, roles=_SEEKERS)
    def get_program_matches(self, db: Session, call: Call) -> dict[str, Any]:
        """Search the directory by place, need, payer and busy blocks; nobody pays for a place."""
        asked = searching.read(db, call.data)
        weighed, found = searching.search(db, asked, now=call.now)
        return {
            "latitude": asked.latitude,
            "longitude": asked.longitude,
            "radius_miles": asked.radius_miles,
            "weighed": weighed,
            "weights": matching.WEIGHTS,
            "matches": [views.match_view(one, now=call.now) for one in found if one.alternative is None],
            "alternatives": [
                views.match_view(one, now=call.now) for one in found if one.alternative is not None
            ],
        }

    @command(schemas.RecordProgramCredential, roles=_DIRECTORY)
    def record_program_credential(self, db: Session, call: Call) -> dict[str, Any]:
        """Record a licence or accreditation, which counts once it is checked."""
        program = finding.program(db, call.data["program_id"], lock=True)
        credential = program_credentials.ProgramCredential(
            credential_id=new_id(),
            recorded_at=call.now,
            recorded_by=call.actor.actor_id,
            recorded_by_role=call.actor.role,
            **call.data,
        )
        program_credentials.record(
            credential, beside=tables.credentials_of(db, program_id=program.program_id)
        )
        db.add(credential)
        directory.settle_credential(db, program, credential, now=call.now)
        directory.renewed(db, credential, at=call.now)
        return views.credential_view(credential, now=call.now)

    @command(schemas.CheckProgramCredential, roles=_DIRECTORY)
    def check_program_credential(self, db: Session, call: Call) -> dict[str, Any]:
        """Keep what the primary source says of a credential."""
        credential = tables.lock_credential(db, credential_id=call.data["credential_id"])
        if credential is None:
            raise NotFound("No such credential.", field="credential_id")
        program = finding.program(db, credential.program_id, lock=True)
        asking.end(db, task_id=credential.recheck_task().task_id, outcome=tasks.DONE, at=call.now)
        credential.check(
            found=call.data["found"],
            evidence_hash=call.data["evidence_hash"],
            source_url=call.data["source_url"],
            actor_id=call.actor.actor_id,
            actor_role=call.actor.role,
            now=call.now,
        )
        directory.settle_credential(db, program, credential, now=call.now)
        return views.credential_view(credential, now=call.now)

    @question(schemas.ListProgramCredentials)
    def list_program_credentials(self, db: Session, call: Call) -> dict[str, Any]:
        """List a program's credentials and where they stand."""
        program = finding.program(db, call.data["program_id"])
        found = tables.credentials_of(db, program_id=program.program_id)
        return {"items": [views.credential_view(one, now=call.now) for one in found], "next": None}

    @on_timer(directory.CREDENTIAL_CHANGES)
    def tell_credential_change(self, db: Session, timer: Timer, now: datetime) -> None:
        """Say where a credential stands that changed by the passing of time, and ask for the next one."""
        credential = tables.lock_credential(db, credential_id=timer.key)
        if credential is None:
            return
        program = finding.program(db, credential.program_id, lock=True)
        directory.settle_credential(db, program, credential, now=timer.due_at)
        if credential.is_ending(now=timer.due_at):
            asking.ask(db, credential.renewal_task())
        if credential.status(now=timer.due_at) == program_credentials.EXPIRED:
            recheck = credential.recheck_task()
            asking.end(db, task_id=recheck.task_id, outcome=tasks.WITHDRAWN, at=timer.due_at)

    @on_timer(directory.RECHECK_DUE)
    def ask_for_recheck(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask somebody to look at the primary source again."""
        credential = tables.lock_credential(db, credential_id=timer.key)
        if credential is not None and credential.recheck_due_at() == timer.due_at:
            asking.ask(db, credential.recheck_task())

    # --- What happens elsewhere -------------------------------------------------------------------

    @reacts_to(ObligationFitFound)
    def note_obligation_fit(self, db: Session, event: ObligationFitFound, now: datetime) -> None:
        """Keep how well a site's tracks fit what a person is bound to."""
        told: dict[str, Any] = {
            "best_track": event.best_track,
            "placeable_minutes": event.placeable_minutes,
            "required_minutes": event.required_minutes,
            "found_at": event.found_at,
            "by_track": list(zip(event.tracks, event.placeable_by_track, strict=True)),
        }
        known = tables.find_obligation_fit(db, patient_id=event.patient_id, site_id=event.site_id)
        if known is None:
            db.add(obligations.ObligationFit(patient_id=event.patient_id, site_id=event.site_id, **told))
        else:
            known.take_over(**told)

    @reacts_to(OnCallShiftPlanned)
    def note_duty(self, db: Session, event: OnCallShiftPlanned, now: datetime) -> None:
        """Know when somebody is there, so that nobody alone is asked about danger while nobody is."""
        answering.duty_of(db, event.shift_id).plan(starts_at=event.starts_at, ends_at=event.ends_at)

    @reacts_to(OnCallShiftWithdrawn)
    def drop_duty(self, db: Session, event: OnCallShiftWithdrawn, now: datetime) -> None:
        """Know that somebody is not there after all, also when the duty itself is told later."""
        answering.duty_of(db, event.shift_id).withdraw(at=event.withdrawn_at)

    @reacts_to(PatientDischarged)
    def close_episode(self, db: Session, event: PatientDischarged, now: datetime) -> None:
        """Close the episode of somebody who was discharged, and drop what was still asked in it."""
        episode = tables.lock_episode(db, episode_id=event.episode_id)
        if episode is None:
            raise TooEarly
        if not episode.is_open:
            return
        episode.close_as_discharged(discharge_id=event.discharge_id, at=event.discharged_at)
        consenting.end_with_treatment(db, patient_id=event.patient_id, ended_at=event.discharged_at, now=now)
        for review in tables.open_reviews_of(db, episode_id=episode.episode_id):
            review.withdraw(at=event.discharged_at)
        open_tasks = tables.open_tasks_of(db, episode_id=episode.episode_id)
        _withdraw_tasks(db, open_tasks, at=event.discharged_at)
        cancel_timer(db, _DECISION_DUE, key=episode.episode_id)
        rerating.stop(db, episode)
        cancel_timer(db, costing.ESTIMATE_DUE, key=episode.episode_id)
        reserving.release_after(db, episode, ended_at=event.discharged_at)

    @reacts_to(ReentryRequested)
    def bring_back(self, db: Session, event: ReentryRequested, now: datetime) -> None:
        """Open an episode for somebody who comes back, and ask for a decision in time."""
        ended = tables.lock_episode(db, episode_id=event.episode_id)
        patient = tables.find_patient(db, patient_id=event.patient_id)
        # The discharge that ended the episode may be on its way still.
        if ended is None or patient is None or ended.is_open:
            raise TooEarly
        episode = tables.lock_open_episode(db, patient_id=event.patient_id)
        if episode is None:
            episode = _come_back(db, event, patient, finding.site(db, ended.site_id))
        else:
            _hurry(db, event, episode)
        if episode is not None and episode.awaits_decision and episode.decision_due_at is not None:
            set_timer(db, _DECISION_DUE, key=episode.episode_id, due_at=episode.decision_due_at)

    @on_timer(_DECISION_DUE)
    def escalate_decision(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask the supervisor when nobody has decided on the level of care by the deadline."""
        episode = finding.locked_episode(db, timer.key)
        escalated = reentries.escalate(episode, at=timer.due_at)
        if escalated is None or tables.find_task(db, task_id=escalated.task_id) is not None:
            return
        open_tasks = tables.open_tasks_of(db, episode_id=episode.episode_id)
        _close_tasks(db, open_tasks, outcome=tasks.ESCALATED, at=timer.due_at, task=reentries.DECISION_TASK)
        _open_task(db, escalated)

    @reacts_to(MessageWanted)
    def send_message(self, db: Session, event: MessageWanted, now: datetime) -> None:
        """Write to somebody who gave an address; whoever said STOP gets nothing."""
        where = tables.episode_at_site(db, episode_id=event.episode_id)
        if where is None:
            raise TooEarly
        episode, _ = where
        writing.write_to(
            db,
            patient_id=event.patient_id,
            site_id=episode.site_id,
            episode_id=episode.episode_id,
            notification_id=event.notification_id,
            template=event.template,
            give_up_after=event.deadline_at - now,
            now=now,
        )

    @reacts_to(NotificationSettled)
    def follow_up_message(self, db: Session, event: NotificationSettled, now: datetime) -> None:
        """Keep what became of a message to a patient, and try the next address where one is none."""
        writing.follow_up(db, event, now=now)

    @reacts_to(SeatCancelled)
    def tell_of_changed_schedule(self, db: Session, event: SeatCancelled, now: datetime) -> None:
        """Write to somebody whose seat the program took back; once for all seats of one step."""
        where = tables.episode_at_site(db, episode_id=event.episode_id)
        if where is None:
            raise TooEarly
        episode, _ = where
        if event.starts_at <= now or not episode.is_open:
            # Nobody sets out for it any more.
            return
        writing.write_to(
            db,
            patient_id=event.patient_id,
            site_id=episode.site_id,
            episode_id=episode.episode_id,
            # All that one command called off was called off at one moment.
            notification_id=derived_id(
                event.episode_id, "schedule_changed", write_moment(event.cancelled_at)
            ),
            template="SCHEDULE_CHANGED",
            give_up_after=_CHANGE_OF_USE_FOR,
            now=now,
        )

    @reacts_to(SafetyConcernTaken)
    def confirm_safety_concern(self, db: Session, event: SafetyConcernTaken, now: datetime) -> None:
        """Watch no longer over a danger that was announced here: humans are being asked."""
        safety.confirm(db, event.concern_id)


# --- Steps that several ways in share ---------------------------------------------------------------


def _findings(data: dict[str, Any]) -> assessments.Findings:
    stay = data["prior_stay"]
    return assessments.Findings(
        withdrawal=withdrawal.Signs(**data["withdrawal"]),
        dimensions=tuple(data["dimensions"]),
        problems=[_problem(problem) for problem in data["problems"]],
        danger=assessments.Danger(**data["danger"]),
        home=fit.Home(**data["home"]),
        rulers=fit.Rulers(**data["rulers"]),
        triggers=[fit.Trigger(**trigger) for trigger in data["triggers"]],
        goals=data["goals"],
        naloxone=data["naloxone"],
        prior_stay=fit.PriorStay(**stay) if stay else None,
        co_occurring=data["co_occurring"],
        pregnant=data["pregnant"],
        conditions=[assessments.Condition(**condition) for condition in data["conditions"]],
        subdimensions=data["subdimensions"],
    )


def _problem(data: dict[str, Any]) -> diagnoses.ReportedProblem:
    met = data.pop("criteria_met")
    listed = isinstance(met, tuple)
    return diagnoses.ReportedProblem(
        criteria_numbers=met if listed else None, criteria_count=None if listed else met, **data
    )


def _come_back(db: Session, event: ReentryRequested, patient: Patient, site: Site) -> Episode | None:
    earlier = tables.find_episode(db, episode_id=reentries.first_reentry_id(event.episode_id))
    episode_id = reentries.reentry_episode_id(event, earlier=earlier)
    if tables.find_episode(db, episode_id=episode_id) is not None:
        return None
    referral, episode, task = reentries.come_back(event, episode_id=episode_id, patient=patient, site=site)
    db.add_all([referral, episode])
    announce(db, referrals.received(referral))
    _open_task(db, task)
    return episode


def _hurry(db: Session, event: ReentryRequested, episode: Episode) -> None:
    referral = tables.find_referral(db, referral_id=episode.referral_id)
    if referral is None:
        raise TooEarly
    known = tables.find_task(db, task_id=reentries.decision_task_id(episode.episode_id))
    task = reentries.hurry(event, episode=episode, referral=referral, task=known)
    if task is not None:
        _open_task(db, task)


def _open_task(db: Session, task: tasks.Task) -> None:
    db.add(task)
    announce(db, task.opened())


def _close_tasks(
    db: Session, open_tasks: Iterable[tasks.Task], *, task: str, outcome: str, at: datetime
) -> None:
    for open_task in open_tasks:
        if open_task.task == task:
            announce_all(db, open_task.close(outcome=outcome, at=at))


def _ask_for_what_follows(
    db: Session,
    episode: Episode,
    assessment: assessments.Assessment,
    site: Site,
    open_tasks: list[tasks.Task],
) -> None:
    """End the request to assess, and ask for a decision in time and for what the withdrawal gate found.

    :param open_tasks: all of the episode.
    """
    at = assessment.completed_at
    for name in (timeline.ASSESSMENT_TASK, timeline.EVALUATION_TASK, timeline.RATING_TASK):
        for task in open_tasks:
            if task.task == name:
                announce_all(db, task.close(outcome=tasks.DONE, at=at))
    decision = timeline.decision_task(assessment, site=site)
    if not any(task.task == decision.task for task in open_tasks):
        _open_task(db, decision)
    episode.decision_due_at = timeline.decide_by(episode, decision)
    set_timer(db, _DECISION_DUE, key=episode.episode_id, due_at=episode.decision_due_at)
    evaluation = timeline.evaluation_task(assessment, site=site)
    if evaluation is not None:
        _open_task(db, evaluation)
    rerating.begin(db, episode, assessment)


def _ask_for_review_again(db: Session, review: reviews.LevelReview, episode: Episode) -> None:
    """Have somebody review after all; where the episode has ended nobody is asked."""
    review.withdraw_if_over(episode)
    task = tables.find_task(db, task_id=review.task().task_id)
    if task is not None and review.state == reviews.OPEN:
        announce_all(db, [review.opened(), *task.reopen()])


def _withdraw_tasks(db: Session, open_tasks: Iterable[tasks.Task], *, at: datetime) -> None:
    """Close what was asked about an episode that has ended, but nothing about a danger."""
    for open_task in open_tasks:
        if open_task.task not in instruments.SAFETY_TASKS:
            announce_all(db, open_task.close(outcome=tasks.WITHDRAWN, at=at))
