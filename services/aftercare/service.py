"""Everything that can wake aftercare."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from services.aftercare import schemas, tables
from services.aftercare.domain import contacts, discharge, episodes, graduation, lapses, plans
from shared import dangers, holds, safety
from shared.answers import answer_of
from shared.clock import Timer, cancel_timer, on_timer, set_timer
from shared.contracts import roles
from shared.contracts.aftercare import PatientDischarged, ProgramGraduated
from shared.contracts.event import Event, write_moment
from shared.contracts.intake import (
    AssessmentCompleted,
    LegalHoldPlaced,
    LegalHoldReleased,
    PatientAdmitted,
    SiteChanged,
    SiteOpened,
)
from shared.contracts.monitoring import (
    DischargeProposalWithdrawn,
    DischargeProposed,
    GraduationReady,
    OutreachAttempted,
    PatientReengaged,
    SafetyConcernTaken,
)
from shared.contracts.scheduling import AttendanceCorrected, SessionAttended, SessionMissed
from shared.errors import Conflict, NotFound, TooEarly
from shared.ids import derived_id, new_id
from shared.messaging import STAFF, Call, announce_all, because_of, command, question, reacts_to

#: Who may tell of a lapse: staff, the patient, and a supporter through a partner's app.
LAPSE_REPORTING_ROLES = (*roles.CARE_TEAM, roles.FRONT_DESK, roles.PATIENT, roles.PARTNER)


class Aftercare:
    """Graduates and discharges people, follows them for two years, and brings them back after a lapse."""

    name = "aftercare"
    #: What of it is somebody's record.
    keeps = tables.metadata

    # --- Facts of an episode -----------------------------------------------------------------------

    @reacts_to(SiteOpened)
    def keep_emergency_line(self, db: Session, event: SiteOpened, now: datetime) -> None:
        """Keep the site's number for emergencies."""
        tables.keep_site(db, site_id=event.site_id, emergency_line=event.emergency_line)

    @reacts_to(SiteChanged)
    def follow_emergency_line(self, db: Session, event: SiteChanged, now: datetime) -> None:
        """Keep the number of a site that changed, also when it comes before the opening."""
        tables.keep_site(
            db, site_id=event.site_id, emergency_line=event.emergency_line, revision=event.revision
        )

    @reacts_to(PatientAdmitted)
    def remember_admission(self, db: Session, event: PatientAdmitted, now: datetime) -> None:
        """Know the admission, and stop what follows earlier discharges: the patient is back."""
        episode = _told_of(db, event)
        episode.admit(
            site_id=event.site_id,
            time_zone=event.time_zone,
            admitted_at=event.admitted_at,
            follow_up_consent=event.follow_up_consent,
            opioid_history=event.opioid_history,
        )
        reentry = tables.open_reentry(db, event.journey_id)
        if reentry is not None:
            reentry.admit(at=event.admitted_at)
        _note_contact_after_lapse(db, event.journey_id, at=event.admitted_at)
        db.flush()
        _stop_contacts(db, event.journey_id)

    @reacts_to(AssessmentCompleted)
    def remember_problems(self, db: Session, event: AssessmentCompleted, now: datetime) -> None:
        """Know the problems that the patient came with."""
        _told_of(db, event).assess(problems=event.problems, completed_at=event.completed_at)

    @reacts_to(SessionAttended, at_once=True)
    def remember_attendance(self, db: Session, events: Sequence[SessionAttended], now: datetime) -> None:
        """Know that patients were there: a whole group comes with one roster."""
        lapsed = _mark_seats(db, events)
        for event in events:
            because_of(db, event)
            own = [lapse for lapse in lapsed if lapse.journey_id == event.journey_id]
            _note_contact_after(db, own, at=event.starts_at)

    @reacts_to(SessionMissed, at_once=True)
    def remember_absence(self, db: Session, events: Sequence[SessionMissed], now: datetime) -> None:
        """Know that patients did not come."""
        _mark_seats(db, events)

    @reacts_to(AttendanceCorrected)
    def correct_attendance(self, db: Session, event: AttendanceCorrected, now: datetime) -> None:
        """Know the mark that holds now."""
        _mark_seats(db, [event])

    @reacts_to(OutreachAttempted)
    def remember_outreach(self, db: Session, event: OutreachAttempted, now: datetime) -> None:
        """Count somebody reached as a contact."""
        episode = _told_of(db, event)
        if event.outcome == "REACHED":
            episode.reach(at=event.attempted_at)
            _note_contact_after_lapse(db, event.journey_id, at=event.attempted_at)

    @reacts_to(PatientReengaged)
    def remember_reengagement(self, db: Session, event: PatientReengaged, now: datetime) -> None:
        """Count somebody who was reached again as a contact; attendance is counted by its session."""
        episode = _told_of(db, event)
        if event.how == "REACHED":
            episode.reach(at=event.reengaged_at)
            _note_contact_after_lapse(db, event.journey_id, at=event.reengaged_at)

    @reacts_to(GraduationReady)
    def remember_readiness(self, db: Session, event: GraduationReady, now: datetime) -> None:
        """Know which criteria monitoring and attendance found met."""
        _told_of(db, event).become_ready(criteria=event.criteria, ready_at=event.ready_at)

    # --- Legal holds ------------------------------------------------------------------------------

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

    # --- Graduation --------------------------------------------------------------------------------

    @question(schemas.GetGraduation)
    def get_graduation(self, db: Session, call: Call) -> dict[str, Any]:
        """Show each criterion of the gate: met or missing, and on whose word."""
        episode = _admitted(db.get(episodes.Episode, call.data["episode_id"]))
        plan = tables.newest_plan(db, episode.episode_id)
        today = episode.local_day(call.now)
        findings = _weigh(
            db,
            episode,
            plan,
            discharged_on=max(plan.planned_discharge_on, today) if plan else today,
            now=call.now,
        )
        return _graduation_view(episode, findings)

    @command(schemas.AttestCriterion, roles=roles.CARE_TEAM)
    def attest_criterion(self, db: Session, call: Call) -> dict[str, Any]:
        """Attest criteria of the gate with evidence."""
        episode = _admitted(tables.episode_to_change(db, call.data["episode_id"]))
        for word in call.data["attestations"]:
            db.add(
                graduation.attest(
                    episode=episode, attestation_id=new_id(), actor=call.actor, now=call.now, **word
                )
            )
        plan = tables.newest_plan(db, episode.episode_id)
        findings = _weigh(db, episode, plan, discharged_on=episode.local_day(call.now), now=call.now)
        return _graduation_view(episode, findings)

    @command(schemas.GraduatePatient, roles=roles.CARE_TEAM)
    def graduate_patient(self, db: Session, call: Call) -> dict[str, Any]:
        """Graduate a patient who meets every criterion, or whose exceptions a supervisor signs."""
        episode = _admitted(tables.episode_to_change(db, call.data["episode_id"]))
        plan = tables.newest_plan(db, episode.episode_id)
        signed, events = discharge.graduate(
            episode=episode,
            findings=_weigh(db, episode, plan, discharged_on=episode.local_day(call.now), now=call.now),
            exceptions=call.data["exceptions"],
            exception_reason=call.data["exception_reason"],
            ending=_ending(db, episode, call),
            now=call.now,
        )
        return _end_episode(db, signed, events)

    @command(schemas.DischargePatient, roles=roles.CARE_TEAM)
    def discharge_patient(self, db: Session, call: Call) -> dict[str, Any]:
        """Discharge a patient for another reason than completion."""
        episode = _admitted(tables.episode_to_change(db, call.data["episode_id"]))
        signed, events = discharge.discharge(
            episode=episode,
            reason_code=call.data["reason_code"],
            ending=_ending(db, episode, call),
            now=call.now,
        )
        return _end_episode(db, signed, events)

    @question(schemas.GetDischarge)
    def get_discharge(self, db: Session, call: Call) -> dict[str, Any]:
        """Show how an episode ended."""
        signed = db.get(discharge.Discharge, call.data["discharge_id"])
        if signed is None:
            raise NotFound("No such discharge.", field="discharge_id")
        return answer_of(schemas.Discharge, signed)

    # --- Proposed discharges -----------------------------------------------------------------------

    @reacts_to(DischargeProposed)
    def ask_supervisor(self, db: Session, event: DischargeProposed, now: datetime) -> None:
        """Put the proposed discharge before a supervisor; nobody is discharged by a machine."""
        episode = _told_of(db, event)
        if db.get(discharge.Proposal, event.proposal_id) is not None:
            return
        proposal, events = discharge.propose(event)
        db.add(proposal)
        if episode.discharged_at is not None:
            events += proposal.close(status=discharge.DISCHARGED, at=episode.discharged_at)
        announce_all(db, events)

    @reacts_to(DischargeProposalWithdrawn)
    def withdraw_proposal(self, db: Session, event: DischargeProposalWithdrawn, now: datetime) -> None:
        """Take the proposal off the supervisor's table."""
        _told_of(db, event)
        proposal = db.get(discharge.Proposal, event.proposal_id)
        if proposal is None:
            raise TooEarly("the proposal has not come yet")
        announce_all(db, proposal.close(status=discharge.WITHDRAWN, at=event.withdrawn_at))

    @question(schemas.ListDischargeProposals)
    def list_discharge_proposals(self, db: Session, call: Call) -> dict[str, Any]:
        """List proposed discharges, oldest first."""
        limit = call.data["limit"]
        found = tables.page_of_proposals(
            db, open_only=call.data["open"], after=call.data["after"], limit=limit + 1
        )
        items = [answer_of(schemas.DischargeProposal, proposal) for proposal in found[:limit]]
        return {"items": items, "next": items[-1]["proposal_id"] if len(found) > limit else None}

    # --- Aftercare plan ----------------------------------------------------------------------------

    @command(schemas.WriteAftercarePlan, roles=roles.CARE_TEAM)
    def write_aftercare_plan(self, db: Session, call: Call) -> dict[str, Any]:
        """Write a version of the aftercare plan; earlier versions are kept as they were signed."""
        data = dict(call.data)
        episode = _admitted(tables.episode_to_change(db, data.pop("episode_id")))
        before = tables.newest_plan(db, episode.episode_id)
        relapse_prevention = plans.RelapsePrevention(**(data.pop("relapse_prevention") or {}))
        plan = plans.write(
            episode=episode,
            plan_id=new_id(),
            version=before.version + 1 if before else 1,
            draft=plans.Draft(relapse_prevention=relapse_prevention, **data),
            actor=call.actor,
            now=call.now,
        )
        db.add(plan)
        return _plan_view(plan, now=call.now)

    @question(schemas.GetAftercarePlan, roles=(*STAFF, roles.PATIENT))
    def get_aftercare_plan(self, db: Session, call: Call) -> dict[str, Any]:
        """Show the newest version of an aftercare plan; patients see their own."""
        plan = tables.newest_plan(db, call.data["episode_id"])
        if plan is None or (call.actor.role == roles.PATIENT and call.actor.actor_id != plan.patient_id):
            raise NotFound("No such aftercare plan.", field="episode_id")
        return _plan_view(plan, now=call.now)

    # --- After the discharge -----------------------------------------------------------------------

    @reacts_to(PatientDischarged)
    def remember_discharge(self, db: Session, event: PatientDischarged, now: datetime) -> None:
        """Know the end of the episode, close its proposals, and after a death stop every contact."""
        episode = _told_of(db, event)
        death = event.reason_code == discharge.DEATH
        episode.end(
            discharge_id=event.discharge_id, reason=event.reason_code, at=event.discharged_at, death=death
        )
        for proposal in tables.proposals_of(db, event.episode_id):
            announce_all(db, proposal.close(status=discharge.DISCHARGED, at=event.discharged_at))
        if death:
            db.flush()
            _stop_contacts(db, event.journey_id)

    @reacts_to(PatientDischarged)
    def plan_follow_ups(self, db: Session, event: PatientDischarged, now: datetime) -> None:
        """Plan the follow-ups of the coming year, where the patient lives and consented."""
        episode = _admitted_already(_told_of(db, event))
        if event.reason_code == discharge.DEATH:
            return
        for follow_up in contacts.plan_follow_ups(
            episode=episode, discharge_id=event.discharge_id, discharged_at=event.discharged_at
        ):
            _keep(db, follow_up)
        _wait_for_follow_up(db, event.episode_id)

    @reacts_to(ProgramGraduated)
    def start_weekly_calls(self, db: Session, event: ProgramGraduated, now: datetime) -> None:
        """Start the continuing-care calls with the first weekly one."""
        episode = _admitted_already(_told_of(db, event))
        episode.graduated_at = event.graduated_at
        first = contacts.plan_call(
            episode=episode, discharge_id=event.discharge_id, number=1, graduated_at=event.graduated_at
        )
        if first is not None:
            _keep(db, first)
            _wait_for(db, first)

    @on_timer("aftercare_contact_due")
    def ask_for_contact(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask a counselor to make the call or the follow-up, and watch its window."""
        contact = tables.contact_to_change(db, timer.key)
        if contact is None or contact.ended:
            return
        announce_all(db, contact.become_due(now=now))
        _watch_window(db, contact)

    @on_timer("aftercare_window_closed")
    def give_contact_up(self, db: Session, timer: Timer, now: datetime) -> None:
        """Count a contact as lost whose window is over, and go on to the next."""
        contact = tables.contact_to_change(db, timer.key)
        if contact is None or contact.ended:
            return
        announce_all(db, contact.close_window())
        _go_on(db, contact)

    @question(schemas.ListAftercareContacts)
    def list_aftercare_contacts(self, db: Session, call: Call) -> dict[str, Any]:
        """List the calls and follow-ups of an episode in the order they fall due."""
        if db.get(episodes.Episode, call.data["episode_id"]) is None:
            raise episodes.EpisodeUnknown(field="episode_id")
        limit = call.data["limit"]
        found = tables.page_of_contacts(
            db, episode_id=call.data["episode_id"], after=call.data["after"], limit=limit + 1
        )
        items = [answer_of(schemas.AftercareContact, contact) for contact in found[:limit]]
        return {"items": items, "next": items[-1]["contact_id"] if len(found) > limit else None}

    @command(schemas.RecordContactAttempt, roles=(*roles.CARE_TEAM, roles.FRONT_DESK))
    def record_contact_attempt(self, db: Session, call: Call) -> dict[str, Any]:
        """Record an attempt; use, danger or a wish for help told on the way opens the way back.

        What was told is heard even where the attempt itself does not count.
        """
        contact = tables.contact_to_change(db, call.data["contact_id"])
        if contact is None:
            raise NotFound("No such contact.", field="contact_id")
        told = _told_on_the_way(contact, call)
        outcome = contacts.outcome_of(**_pick(call.data, "outcome", "used", "need_help"))
        attempt_id, not_counted = None, None
        try:
            announce_all(db, contact.attempt(outcome=outcome, now=call.now))
        except Conflict as refusal:
            if told is None:
                raise
            not_counted = refusal.code
        else:
            attempt_id = new_id()
            db.add(
                contacts.Attempt(
                    attempt_id=attempt_id,
                    contact_id=contact.contact_id,
                    number=contact.tries,
                    channel=call.data["channel"],
                    outcome=outcome,
                    made_by=call.actor.actor_id,
                    role=call.actor.role,
                    attempted_at=call.now,
                )
            )
        lapse, reentry = None, None
        if outcome == contacts.REACHED:
            _note_contact_after_lapse(db, contact.journey_id, at=call.now)
        if outcome == contacts.DECEASED:
            _told_of(db, contact).die(at=call.now)
            db.flush()
            _stop_contacts(db, contact.journey_id)
        if told is not None:
            lapse, reentry = _take_report(db, told, now=call.now)
        if attempt_id is not None:
            _watch_or_go_on(db, contact)
        return {
            "attempt_id": attempt_id,
            "not_counted": not_counted,
            "contact": answer_of(schemas.AftercareContact, contact),
            "lapse_id": lapse.lapse_id if lapse else None,
            "reentry_id": reentry.reentry_id if reentry else None,
            "crisis_lines": _crisis_lines(db, lapse) if told else None,
        }

    # --- Lapses ------------------------------------------------------------------------------------

    @command(schemas.ReportLapse, roles=LAPSE_REPORTING_ROLES)
    def report_lapse(self, db: Session, call: Call) -> dict[str, Any]:
        """Take the report of a lapse; a supporter learns nothing about whom they ask."""
        told = lapses.Report(lapse_id=new_id(), **call.data)
        lapses.refuse_unless_theirs_to_tell(told, actor=call.actor)
        lapse, reentry = _take_report(
            db, told, now=call.now, known_only=lapses.must_be_known(told, actor=call.actor)
        )
        # A supporter would learn from the number of a site who is treated there.
        lines = _crisis_lines(db, lapse if told.reported_by != "SUPPORTER" else None)
        return answer_of(schemas.LapseReceipt, lapses.receipt(lapse, reentry=reentry, lines=lines))

    @command(schemas.CloseTask, roles=roles.CARE_TEAM)
    def close_task(self, db: Session, call: Call) -> dict[str, Any]:
        """Note that somebody spoke with a patient after a lapse."""
        data = call.data
        lapse = tables.lapse_to_change(db, data["about_id"])
        if lapse is None or lapse.task_id != data["task_id"]:
            raise NotFound("No such task.", field="task_id")
        announce_all(db, lapse.contact_by_hand(at=call.now))
        if lapse.journey_id is not None:
            # It answers whatever else was reported of the patient until now.
            db.flush()
            _note_contact_after_lapse(db, lapse.journey_id, at=call.now)
        return _pick(data, "task_id", "task", "outcome") | {
            "closed_at": write_moment(call.now),
            "patient_id": lapse.patient_id,
        }

    @question(schemas.GetLapse)
    def get_lapse(self, db: Session, call: Call) -> dict[str, Any]:
        """Show a reported lapse and the way back that it opened."""
        lapse = db.get(lapses.Lapse, call.data["lapse_id"])
        if lapse is None:
            raise NotFound("No such lapse.", field="lapse_id")
        episode = db.get(episodes.Episode, lapse.episode_id) if lapse.episode_id else None
        reentry = tables.reentry_of(db, lapse.lapse_id)
        view = answer_of(schemas.Lapse, lapse)
        view["opioid_history"] = episode is not None and episode.knows_opioids
        view["reentry_id"] = reentry.reentry_id if reentry else None
        view["reentry_status"] = reentry.status if reentry else None
        view["level_decision_due_at"] = (
            answer_of(schemas.Lapse, reentry)["level_decision_due_at"] if reentry else None
        )
        return view

    @reacts_to(SafetyConcernTaken)
    def confirm_safety_concern(self, db: Session, event: SafetyConcernTaken, now: datetime) -> None:
        """Watch no longer over a danger that was announced here: humans are being asked."""
        safety.confirm(db, event.concern_id)


# --- Steps that several ways in share --------------------------------------------------------------


def _pick(data: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: data[name] for name in names}


def _crisis_lines(db: Session, lapse: lapses.Lapse | None) -> dict[str, str]:
    """Return who helps now, with the number of the site of whom was told, if they may hear it."""
    episode = db.get(episodes.Episode, lapse.episode_id) if lapse and lapse.episode_id else None
    line = tables.emergency_line_of(db, site_id=episode.site_id if episode else None)
    return lapses.crisis_lines(emergency_line=line)


def _told_on_the_way(contact: contacts.Contact, call: Call) -> lapses.Report | None:
    """Return what an attempt to reach a patient has told of them, if it has."""
    data = call.data
    if not any(data[name] for name in ("used", "need_help", "danger", "overdose")):
        return None
    return lapses.Report(
        lapse_id=new_id(),
        patient_id=contact.patient_id,
        reported_by="CALL",
        # Nobody overdoses without having used.
        substance=data["substance"] if data["used"] or data["overdose"] else dangers.NO_USE,
        **_pick(data, "danger", "overdose", "need_help"),
    )


def _told_of(db: Session, about: Any) -> episodes.Episode:
    return tables.told_of(
        db, episode_id=about.episode_id, patient_id=about.patient_id, journey_id=about.journey_id
    )


def _admitted(episode: episodes.Episode | None) -> episodes.Episode:
    if episode is None or episode.admitted_at is None:
        raise episodes.EpisodeUnknown(field="episode_id")
    return episode


def _admitted_already(episode: episodes.Episode) -> episodes.Episode:
    if episode.admitted_at is None:
        raise TooEarly("the admission has not come yet")
    return episode


def _mark_seats(
    db: Session, marks: Sequence[SessionAttended | SessionMissed | AttendanceCorrected]
) -> list[lapses.Lapse]:
    """Keep marks; return the lapses of their patients after which nobody has spoken with them yet."""
    tables.know_all(db, marks)
    first_of: dict[str, SessionAttended | SessionMissed | AttendanceCorrected] = {}
    for mark in marks:
        first_of.setdefault(mark.seat_id, mark)
    new, lapsed = tables.keep_marks(
        db, [_seat_of(mark) for mark in first_of.values()], journey_ids=[mark.journey_id for mark in marks]
    )
    for mark in marks:
        if mark is not first_of[mark.seat_id] or mark.seat_id not in new:
            tables.seat(db, mark.seat_id).take(mark)
    return lapsed


def _seat_of(mark: SessionAttended | SessionMissed | AttendanceCorrected) -> episodes.Seat:
    seat = episodes.Seat(
        seat_id=mark.seat_id,
        episode_id=mark.episode_id,
        starts_at=mark.starts_at,
        clinical_minutes=mark.clinical_minutes,
    )
    seat.take(mark)
    return seat


def _weigh(
    db: Session,
    episode: episodes.Episode,
    plan: plans.AftercarePlan | None,
    *,
    discharged_on: date,
    now: datetime,
) -> list[graduation.Finding]:
    return graduation.weigh(
        episode=episode,
        attestations=tables.attestations_of(db, episode.episode_id),
        plan=plan,
        lapsed_at=tables.last_lapse_at(db, episode.episode_id),
        discharged_on=discharged_on,
        now=now,
    )


def _graduation_view(episode: episodes.Episode, findings: list[graduation.Finding]) -> dict[str, Any]:
    missing = graduation.missing(findings)
    return answer_of(
        schemas.Graduation,
        {
            "episode_id": episode.episode_id,
            "patient_id": episode.patient_id,
            "status": episode.status,
            "ready": not missing,
            "missing": missing,
            "criteria": findings,
            "rule_version": graduation.RULE_VERSION,
        },
    )


def _plan_view(plan: plans.AftercarePlan, *, now: datetime) -> dict[str, Any]:
    missing = plan.relapse_prevention.missing(now=now)
    return answer_of(schemas.AftercarePlan, plan) | {"missing": missing, "complete": not missing}


def _ending(db: Session, episode: episodes.Episode, call: Call) -> discharge.Ending:
    return discharge.Ending(
        discharge_id=derived_id(episode.episode_id, "discharge"),
        actor=call.actor,
        attended_at=tables.last_attended_at(db, episode.episode_id),
        last_contact_at=call.data["last_contact_at"],
        summary=call.data["summary"],
    )


def _end_episode(db: Session, signed: discharge.Discharge, events: list[Event]) -> dict[str, Any]:
    db.add(signed)
    for proposal in tables.proposals_of(db, signed.episode_id):
        events += proposal.close(status=discharge.DISCHARGED, at=signed.discharged_at)
    announce_all(db, events)
    return answer_of(schemas.Discharge, signed)


def _keep(db: Session, contact: contacts.Contact) -> None:
    """Keep a newly planned contact, unless the patient came back or died before it could be."""
    stopped_at = tables.came_back_or_died_at(db, journey_id=contact.journey_id, after=contact.counted_from)
    if stopped_at is not None:
        contact.stop(at=stopped_at)
    db.add(contact)
    db.flush()


def _wait_for(db: Session, contact: contacts.Contact) -> None:
    if not contact.ended:
        set_timer(db, "aftercare_contact_due", key=contact.contact_id, due_at=contact.due_at)


def _wait_for_follow_up(db: Session, episode_id: str) -> None:
    following = tables.next_follow_up(db, episode_id)
    if following is not None:
        _wait_for(db, following)


def _watch_window(db: Session, contact: contacts.Contact) -> None:
    set_timer(db, "aftercare_window_closed", key=contact.contact_id, due_at=contact.window_closes_at)


def _watch_or_go_on(db: Session, contact: contacts.Contact) -> None:
    cancel_timer(db, "aftercare_contact_due", key=contact.contact_id)
    if contact.ended:
        cancel_timer(db, "aftercare_window_closed", key=contact.contact_id)
        _go_on(db, contact)
    else:
        _watch_window(db, contact)


def _go_on(db: Session, contact: contacts.Contact) -> None:
    """Wait for the contact after this one, so that each chain has one timer at most."""
    db.flush()
    if contact.kind == contacts.FOLLOW_UP:
        _wait_for_follow_up(db, contact.episode_id)
        return
    episode = _told_of(db, contact)
    if contact.status == contacts.CANCELLED or episode.discharge_id is None:
        return
    following = contacts.plan_call(
        episode=episode,
        discharge_id=episode.discharge_id,
        number=contact.number + 1,
        graduated_at=contact.counted_from,
    )
    if following is not None:
        _keep(db, following)
        _wait_for(db, following)


def _stop_contacts(db: Session, journey_id: str) -> None:
    for contact in tables.contacts_of_journey(db, journey_id):
        stopped_at = tables.came_back_or_died_at(db, journey_id=journey_id, after=contact.counted_from)
        if stopped_at is None:
            continue
        announce_all(db, contact.stop(at=stopped_at))
        if contact.ended:
            cancel_timer(db, "aftercare_contact_due", key=contact.contact_id)
            cancel_timer(db, "aftercare_window_closed", key=contact.contact_id)


def _note_contact_after_lapse(db: Session, journey_id: str, *, at: datetime) -> None:
    _note_contact_after(db, tables.uncontacted_lapses(db, [journey_id]), at=at)


def _note_contact_after(db: Session, reported: Sequence[lapses.Lapse], *, at: datetime) -> None:
    for lapse in reported:
        announce_all(db, lapse.contact(at=at))


def _take_report(
    db: Session, told: lapses.Report, *, now: datetime, known_only: bool = False
) -> tuple[lapses.Lapse, lapses.Reentry | None]:
    episode = tables.newest_episode_to_change(db, told.patient_id)
    if episode is None and known_only:
        raise NotFound("No such patient.", field="patient_id")
    lapse, events = lapses.take_report(told, episode=episode, now=now)
    db.add(lapse)
    db.flush()
    reentry = None
    if episode is not None and episode.ended:
        open_one = tables.open_reentry(db, episode.journey_id)
        if open_one is not None:
            open_one.expire(now=now)
            db.flush()
        if open_one is None or open_one.status != "OPEN":
            reentry, asked = lapses.ask_back(lapse, episode=episode, now=now)
            db.add(reentry)
            events += asked
    announce_all(db, events)
    return lapse, reentry
