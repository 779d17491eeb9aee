"""Every way into monitoring: it keeps the plan, watches risk, and gets a human to act in time."""

import dataclasses
import itertools
import zoneinfo
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.monitoring import paging, schemas, tables, testing
from services.monitoring.domain import (
    attendance,
    checkins,
    doses,
    drug_tests,
    earlier_plans,
    escalations,
    on_call,
    outreach,
    plans,
    proofs,
    readiness,
    risk,
    support,
)
from services.monitoring.domain.episodes import Episode
from shared import dangers, holds, notification, telemetry
from shared.clock import Timer, calendar_job, cancel_timer, on_timer, set_timer
from shared.contracts import roles
from shared.contracts.aftercare import PatientDischarged
from shared.contracts.common import NotificationSettled, SafetyConcernRaised
from shared.contracts.event import EpisodeFact, write_moment
from shared.contracts.intake import (
    AssessmentCompleted,
    EarlierPlanImported,
    LegalHoldPlaced,
    LegalHoldReleased,
    PatientAdmitted,
    SiteChanged,
    SiteOpened,
    SupportNetworkTold,
)
from shared.contracts.monitoring import (
    EscalationRaised,
    GraduationReady,
    RiskBandChanged,
)
from shared.contracts.scheduling import (
    AttendanceCorrected,
    PatientNotSeen,
    SessionAttended,
    SessionMissed,
    WeeklyDoseCorrected,
    WeeklyDoseShortfall,
)
from shared.database import act_for, origin_of
from shared.errors import InvalidInput, NotFound, TooEarly
from shared.ids import derived_id
from shared.messaging import (
    STAFF,
    Call,
    announce,
    announce_all,
    because_of,
    command,
    envelope_reacted_to,
    question,
    reacts_to,
)
from shared.notification import AddressUnusable, read_address

#: The escalation that a risk band opens, if it opens one.
LEVEL_OF_BAND = {"ORANGE": "E2", "RED": "E3"}

_STAFF_AND_PATIENT = (*STAFF, roles.PATIENT)
#: Who keeps the roster.
_ROSTER_KEEPERS = (roles.SUPERVISOR, roles.MEDICAL_DIRECTOR, roles.OPERATIONS)

#: Who orders drug tests, with a licence.
_ORDERING = (roles.CLINICIAN, roles.SUPERVISOR, roles.MEDICAL_DIRECTOR)


class Monitoring:
    """Owns treatment plans, check-ins, the risk index, outreach and escalations."""

    name = "monitoring"
    #: What of it is somebody's record.
    keeps = tables.metadata

    # --- Sites and episodes -----------------------------------------------------------------------

    @reacts_to(SiteOpened)
    def keep_site(self, db: Session, event: SiteOpened, now: datetime) -> None:
        """Keep the site's time zone and its number for emergencies."""
        tables.keep_site(
            db,
            site_id=event.site_id,
            time_zone=event.time_zone,
            emergency_line=event.emergency_line,
        )

    @reacts_to(SiteChanged)
    def follow_site(self, db: Session, event: SiteChanged, now: datetime) -> None:
        """Keep the time zone and the number of a site that changed, also when it comes before the opening."""
        tables.keep_site(
            db,
            site_id=event.site_id,
            time_zone=event.time_zone,
            emergency_line=event.emergency_line,
            revision=event.revision,
        )

    @reacts_to(PatientAdmitted)
    def follow_episode(self, db: Session, event: PatientAdmitted, now: datetime) -> None:
        """Begin to follow the episode, and put a signed plan in force."""
        episode = _episode_of(db, event)
        episode.admitted_at = event.admitted_at
        episode.site_id, episode.time_zone = event.site_id, event.time_zone
        episode.opioid_history = episode.opioid_history or event.opioid_history
        # Before the first session the admission itself counts as contact.
        episode.note_contact(at=event.admitted_at)
        _activate_newest(db, episode)
        self._settle(db, episode, at=event.admitted_at)
        self._judge_readiness(db, episode)

    @reacts_to(PatientDischarged)
    def end_episode(self, db: Session, event: PatientDischarged, now: datetime) -> None:
        """Stop reaching out and watching; open escalations stay, a human closes those."""
        episode = _episode_of(db, event)
        episode.discharged_at = event.discharged_at
        announce_all(db, checkins.close_skips_task(episode, outcome="WITHDRAWN", at=event.discharged_at))
        order = tables.order_in_force(db, episode_id=episode.episode_id)
        if order is not None:
            announce_all(db, testing.end(db, order, by=None, reason="DISCHARGED", at=event.discharged_at))
        self._settle(db, episode, at=event.discharged_at)

    # --- Treatment plans --------------------------------------------------------------------------

    @reacts_to(AssessmentCompleted)
    def draft_plan(self, db: Session, event: AssessmentCompleted, now: datetime) -> None:
        """Draft a treatment plan from what the assessment found."""
        episode = _episode_of(db, event, is_first_told=True)
        known = tables.plans_of(db, episode_id=episode.episode_id)
        network = tables.find_network(db, event.patient_id)
        if "OPIOID" in event.problems and not episode.opioid_history:
            episode.opioid_history = True
            if episode.outreaches_open:
                self._settle(db, episode, at=event.completed_at)
        plan = plans.draft(event)
        if any(one.plan_id == plan.plan_id for one in known):
            return
        if network is not None and network.told_at > event.completed_at:
            plan.heed_support(network.supporters)
        db.add(plan)
        plans.number_versions([*known, plan])
        announce(db, plan.drafted())

    @reacts_to(EarlierPlanImported)
    def begin_with_earlier_plan(self, db: Session, event: EarlierPlanImported, now: datetime) -> None:
        """Keep what somebody worked on and learned before as version 0 of their plan; the newest counts."""
        # Its lock lets one reaction about the episode go after the other.
        _episode_of(db, event)
        known = tables.find_earlier_plan(db, episode_id=event.episode_id, lock=True)
        if known is None:
            db.add(earlier_plans.imported(event))
        else:
            known.take_over(event)

    @question(schemas.GetEarlierPlan, roles=_STAFF_AND_PATIENT)
    def get_earlier_plan(self, db: Session, call: Call) -> dict[str, Any]:
        """Return version 0 of a treatment plan: what somebody brings from the program before."""
        found = tables.find_earlier_plan(db, episode_id=call.data["episode_id"])
        if found is None:
            raise NotFound("No earlier plan of such an episode.", field="episode_id")
        _own_or_staff(call, found.patient_id, field="episode_id")
        return {"version": 0, **_view(schemas.EarlierPlan(), found)}

    @reacts_to(SupportNetworkTold)
    def heed_support_network(self, db: Session, event: SupportNetworkTold, now: datetime) -> None:
        """Have plans that nobody has signed yet work on it that nobody backs the patient."""
        network = tables.find_network(db, event.patient_id)
        if network is None:
            network = support.SupportNetwork(
                patient_id=event.patient_id, supporters=event.supporters, told_at=event.told_at
            )
            db.add(network)
        network.take_over(supporters=event.supporters, told_at=event.told_at)
        for plan in tables.plans_of_patient(db, event.patient_id):
            # What was known when it was drafted is in it already.
            if network.told_at > plan.drafted_at:
                plan.heed_support(network.supporters)

    @question(schemas.GetTreatmentPlan, roles=_STAFF_AND_PATIENT)
    def get_treatment_plan(self, db: Session, call: Call) -> dict[str, Any]:
        """Return the newest treatment plan of an episode."""
        found = tables.plans_of(db, episode_id=call.data["episode_id"])
        if not found:
            raise NotFound("No plan for such an episode.", field="episode_id")
        _own_or_staff(call, found[-1].patient_id, field="episode_id")
        return _view(schemas.TreatmentPlan(), found[-1])

    @command(schemas.SignTreatmentPlan, roles=(*roles.CARE_TEAM, roles.FRONT_DESK, roles.PATIENT))
    def sign_treatment_plan(self, db: Session, call: Call) -> dict[str, Any]:
        """Add a signature to a treatment plan; it comes into force with the last one needed."""
        # An admission at the same moment sees the signature, or is seen here.
        found = tables.lock_plan(db, plan_id=call.data["plan_id"])
        if found is None:
            raise NotFound("No such plan.", field="plan_id")
        plan, episode = found
        _own_or_staff(call, plan.patient_id, field="plan_id")
        if call.actor.role == roles.PATIENT and call.data["as_"] != "PATIENT":
            raise plans.SignatureNeedsLicence(field="as", rule="a patient signs as PATIENT")
        plan.sign(as_=call.data["as_"], by=call.actor, now=call.now)
        announce_all(db, plan.activate_if_due(admitted_at=episode.admitted_at if episode else None))
        return _view(schemas.TreatmentPlan(), plan)

    # --- Attendance and outreach ------------------------------------------------------------------

    @reacts_to(SessionAttended, at_once=True)
    def note_attended(self, db: Session, events: Sequence[SessionAttended], now: datetime) -> None:
        """Count the session, end the outreach to the patient, and see whether they are ready.

        A whole group comes with one roster. What came later about the same patient is taken after it.
        """
        for several in _once_each(events):
            known, kept = tables.keep_marks(
                db,
                several,
                [
                    _mark_of(event, state=attendance.ATTENDED, credited_minutes=event.credited_minutes)
                    for event in several
                ],
            )
            together = tables.Known(db, episode_ids=known, since=min(event.starts_at for event in several))
            for event in several:
                because_of(db, event)
                newest, before = kept[event.seat_id]
                if newest:
                    self._count_attended(db, known[event.episode_id], event, before=before, known=together)

    def _count_attended(
        self,
        db: Session,
        episode: Episode,
        event: SessionAttended,
        *,
        before: str | None,
        known: tables.Known,
    ) -> None:
        episode.sessions_attended += event.clinical_minutes > 0
        episode.note_contact(at=event.starts_at)
        if before or episode.discharge_proposed or episode.may_answer_outreach(at=event.starts_at):
            self._settle(db, episode, at=event.starts_at)
        corrected = before is not None
        self._weigh(db, episode, fact_at=event.starts_at, may_raise=False, corrected=corrected, known=known)
        self._judge_readiness(db, episode, known=known)

    @reacts_to(SessionMissed)
    def reach_out(self, db: Session, event: SessionMissed, now: datetime) -> None:
        """Ask humans to reach the patient, with deadlines in hours from the miss."""
        if event.clinical_minutes == 0:
            # An older version told of support groups too: nobody is called because of one.
            return
        episode, _ = _keep_mark(db, event, state=attendance.MISSED)
        episode.note_risk(at=event.starts_at, lasts=risk.LASTS)
        absences = tables.absences_of(db, episode_id=episode.episode_id)
        # A mark that was corrected before it arrived is kept as answered, as in any other order.
        self._miss(db, episode, absences, event, missed_at=event.missed_at, revision=0)
        self._settle(db, episode, at=event.missed_at, absences=absences)
        self._weigh(db, episode, fact_at=event.starts_at, may_raise=True)
        self._judge_readiness(db, episode)

    @reacts_to(AttendanceCorrected)
    def correct_attendance(self, db: Session, event: AttendanceCorrected, now: datetime) -> None:
        """Withdraw what the wrong mark had caused, and do what the right one asks for."""
        state = attendance.state_of(event.to_state, clinical_minutes=event.clinical_minutes)
        episode, (newest, before) = _keep_mark(
            db,
            event,
            state=state,
            credited_minutes=event.credited_minutes,
            revision=event.revision,
            corrected_at=event.corrected_at,
        )
        episode.note_risk(at=event.starts_at, lasts=risk.LASTS)
        if newest:
            if event.clinical_minutes > 0:
                came, had_come = state == attendance.ATTENDED, before == attendance.ATTENDED
                episode.sessions_attended += came - had_come
            self._find_last_contact(db, episode)
        absences = tables.absences_of(db, episode_id=episode.episode_id)
        if state == attendance.MISSED:
            self._miss(db, episode, absences, event, missed_at=event.corrected_at, revision=event.revision)
        self._settle(db, episode, at=event.corrected_at, absences=absences)
        self._weigh(
            db,
            episode,
            fact_at=event.starts_at,
            may_raise=state == attendance.MISSED,
            corrected=True,
        )
        self._judge_readiness(db, episode)

    @reacts_to(PatientNotSeen)
    def note_coming(self, db: Session, event: PatientNotSeen, now: datetime) -> None:
        """Take somebody who came and was not seen for not silent; who speaks to them is not settled by it."""
        episode = _episode_of(db, event)
        coming_id = derived_id(event.seat_id, "coming", write_moment(event.came_at))
        if db.get(attendance.Coming, coming_id) is None:
            db.add(attendance.Coming(coming_id=coming_id, episode_id=event.episode_id, came_at=event.came_at))
        episode.note_contact(at=event.came_at)
        # As after a check-in, an outreach goes on until somebody has spoken to them.
        self._settle(db, episode, at=event.came_at)

    def _find_last_contact(self, db: Session, episode: Episode) -> None:
        """Find the newest contact anew: a correction may have taken one away."""
        known = [
            *(
                seat.starts_at
                for seat in tables.attendances_of(db, episode_id=episode.episode_id)
                if seat.state == attendance.ATTENDED
            ),
            *tables.reached_of(db, episode_id=episode.episode_id)[-1:],
            tables.newest_check_in_at(db, episode_id=episode.episode_id),
            tables.newest_coming_at(db, episode_id=episode.episode_id),
            episode.admitted_at,
        ]
        episode.last_contact_at = max((at for at in known if at is not None), default=None)

    def _miss(
        self,
        db: Session,
        episode: Episode,
        absences: tables.Absences,
        event: SessionMissed | AttendanceCorrected,
        *,
        missed_at: datetime,
        revision: int,
    ) -> None:
        """Have an outreach for the seat that answers this mark, or a newer one."""
        outreach_id = derived_id(event.seat_id, "outreach")
        known = next((one for one in absences.outreaches if one.outreach_id == outreach_id), None)
        if known is not None:
            if revision > known.revision:
                announce_all(db, known.miss_again(missed_at=missed_at, revision=revision))
                self._watch_attempts(db, known)
            return
        opened = outreach.Outreach(
            outreach_id=outreach_id,
            episode_id=episode.episode_id,
            patient_id=episode.patient_id,
            journey_id=episode.journey_id,
            seat_id=event.seat_id,
            session_starts_at=event.starts_at,
            missed_at=missed_at,
            consecutive=event.consecutive,
            revision=revision,
        )
        db.add(opened)
        absences.outreaches.append(opened)
        self._watch_attempts(db, opened)

    def _watch_attempts(self, db: Session, watched: outreach.Outreach) -> None:
        key, missed_at = watched.outreach_id, watched.missed_at
        if watched.first_attempt_at is None:
            set_timer(
                db, "outreach_first_attempt_due", key=key, due_at=missed_at + outreach.FIRST_ATTEMPT_WITHIN
            )
        set_timer(db, "outreach_same_day_call_due", key=key, due_at=missed_at + outreach.SAME_DAY_CALL_WITHIN)
        if watched.message_due_at is not None:
            set_timer(db, "message_due", key=key, due_at=watched.message_due_at)

    def _settle(
        self, db: Session, episode: Episode, *, at: datetime, absences: tables.Absences | None = None
    ) -> None:
        """Bring the outreaches of an episode, and what hangs on them, in line with what is known.

        All of it follows from the marks, the contacts and the discharge, never from the order in which
        they came: so a fact that was wrong can be taken back, and one that comes late still counts.

        :param absences: what is known, where it has been looked up since it was changed last.
        """
        if absences is None:
            absences = tables.absences_of(db, episode_id=episode.episode_id)
        known, seats = absences.in_turn, absences.seats
        if not known:
            return
        marks = {seat.seat_id: seat for seat in seats}
        contacts = [(seat.starts_at, "ATTENDED") for seat in seats if seat.state == attendance.ATTENDED]
        contacts += [(when, "REACHED") for when in absences.reached]
        for one in known:
            was_open, seat = one.is_open, marks[one.seat_id]
            answers = [(when, how) for when, how in contacts if one.is_answered_by(how=how, at=when)]
            if seat.state != attendance.MISSED:
                answers.append((seat.corrected_at or one.missed_at, "CORRECTED"))
            if episode.discharged_at is not None:
                answers.append((episode.discharged_at, "DISCHARGED"))
            announce_all(
                db,
                one.settle(
                    answer=min(answers, default=None),
                    consecutive=attendance.absences_in_row(seats, up_to=one.session_starts_at),
                    opioid_history=episode.opioid_history,
                ),
            )
            if was_open and not one.is_open:
                cancel_timer(db, "outreach_first_attempt_due", key=one.outreach_id)
                cancel_timer(db, "outreach_same_day_call_due", key=one.outreach_id)
                cancel_timer(db, "message_due", key=one.outreach_id)
            elif one.is_open and not was_open:
                self._watch_attempts(db, one)
        episode.outreaches_open = sum(one.is_open for one in known)
        episode.answered_until = max(
            (max(one.closed_at, one.session_starts_at) for one in known if one.closed_at is not None),
            default=None,
        )
        self._withdraw_proposal(db, episode, at=at)
        self._watch_silence(db, episode)

    def _withdraw_proposal(self, db: Session, episode: Episode, *, at: datetime) -> None:
        """Take a proposed discharge back where there is contact again, or nobody was missing."""
        if not episode.discharge_proposed or episode.discharged_at is not None:
            return
        for proposal in tables.proposals_of(db, episode_id=episode.episode_id):
            contact = episode.last_contact_at
            if contact is None or contact <= proposal.last_contact_at:
                contact = None
            if proposal.withdrawn_at is None and (contact is not None or not episode.outreaches_open):
                announce_all(db, proposal.withdraw(at=contact or at))
                episode.discharge_proposed = False

    def _watch_silence(self, db: Session, episode: Episode) -> None:
        """Have the silence of a patient who is missing noticed after one week, and after two.

        Somebody whom nobody expected is not silent, so nothing is watched while no outreach is open.
        """
        if not (episode.outreaches_open and episode.in_treatment and episode.last_contact_at):
            cancel_timer(db, "silent_for_a_week", key=episode.episode_id)
            cancel_timer(db, "silent_for_two_weeks", key=episode.episode_id)
            return
        since = episode.last_contact_at
        set_timer(
            db, "silent_for_a_week", key=episode.episode_id, due_at=since + outreach.SILENCE_UNTIL_LETTER
        )
        set_timer(
            db, "silent_for_two_weeks", key=episode.episode_id, due_at=since + outreach.SILENCE_UNTIL_PROPOSAL
        )

    @on_timer("message_due")
    def ask_patient_to_call(self, db: Session, timer: Timer, now: datetime) -> None:
        """Have somebody in treatment who missed a first session written to."""
        missed, episode = tables.lock_outreach(db, outreach_id=timer.key)
        if missed is not None and episode is not None and episode.in_treatment:
            announce_all(db, missed.ask_patient_to_call(now=now))

    @on_timer("outreach_first_attempt_due")
    def ask_supervisor_to_call(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask the next tier: nobody has tried within the hour."""
        overdue = db.get(outreach.Outreach, timer.key, with_for_update=True)
        if overdue is not None and overdue.first_attempt_at is None:
            announce_all(db, overdue.ask(outreach.OVERDUE_CALL, at=timer.due_at))

    @on_timer("outreach_same_day_call_due")
    def ask_for_another_call(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask for another call the same day: the patient was not reached yet."""
        unanswered = db.get(outreach.Outreach, timer.key, with_for_update=True)
        if unanswered is not None:
            announce_all(db, unanswered.ask(outreach.SAME_DAY_CALL, at=timer.due_at))

    @on_timer("silent_for_a_week")
    def ask_for_letter(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask for a letter and a supervisor's review after a week without contact."""
        episode = tables.find_episode(db, episode_id=timer.key, lock=True)
        if episode is None or not episode.in_treatment or not episode.outreaches_open:
            return
        missing = [one for one in tables.outreaches_of(db, episode_id=timer.key) if one.is_open]
        if not any(outreach.LETTER.task in one.asked for one in missing):
            announce_all(db, missing[0].fall_silent(at=timer.due_at))

    @on_timer("silent_for_two_weeks")
    def propose_discharge(self, db: Session, timer: Timer, now: datetime) -> None:
        """Propose an administrative discharge to a human after two weeks without contact."""
        episode = tables.find_episode(db, episode_id=timer.key, lock=True)
        if episode is None or not episode.in_treatment or episode.last_contact_at is None:
            return
        if not episode.outreaches_open or episode.discharge_proposed:
            return
        number = len(tables.proposals_of(db, episode_id=timer.key))
        proposal = outreach.Proposal(
            proposal_id=derived_id(episode.episode_id, "proposal", str(number)),
            episode_id=episode.episode_id,
            patient_id=episode.patient_id,
            journey_id=episode.journey_id,
            last_contact_at=episode.last_contact_at,
            proposed_at=timer.due_at,
        )
        db.add(proposal)
        episode.discharge_proposed = True
        announce(db, proposal.announced())

    @question(schemas.ListOutreach)
    def list_outreach(self, db: Session, call: Call) -> dict[str, Any]:
        """Return a page of outreaches."""
        query = sa.select(outreach.Outreach)
        if call.data["open"]:
            query = query.where(tables.outreaches.c.state == outreach.OPEN)
        if call.data["episode_id"]:
            query = query.where(tables.outreaches.c.episode_id == call.data["episode_id"])
        items, cursor = tables.page(
            db,
            query,
            after=call.data["after"],
            key=tables.outreaches.c.outreach_id,
            limit=call.data["limit"],
        )
        return _view(schemas.Outreaches(), {"items": items, "next": cursor})

    @question(schemas.GetOutreach)
    def get_outreach(self, db: Session, call: Call) -> dict[str, Any]:
        """Return one outreach."""
        found = db.get(outreach.Outreach, call.data["outreach_id"])
        if found is None:
            raise NotFound("No such outreach.", field="outreach_id")
        return _view(schemas.Outreach(), found)

    @command(schemas.LogOutreachAttempt, roles=(*roles.CARE_TEAM, roles.FRONT_DESK))
    def log_outreach_attempt(self, db: Session, call: Call) -> dict[str, Any]:
        """Log an attempt to reach the patient; reaching them ends the outreach."""
        known, episode = tables.lock_outreach(db, outreach_id=call.data["outreach_id"])
        if known is None or episode is None:
            raise NotFound("No such outreach.", field="outreach_id")
        at = call.data["attempted_at"] or call.now
        if at > call.now:
            raise InvalidInput(field="attempted_at", rule="not in the future")
        announce_all(db, known.log(channel=call.data["channel"], outcome=call.data["outcome"], at=at))
        db.add(
            tables.Attempt(
                attempt_id=derived_id(known.outreach_id, "attempt", str(known.attempts)),
                outreach_id=known.outreach_id,
                channel=call.data["channel"],
                outcome=call.data["outcome"],
                attempted_at=at,
                attempted_by=call.actor.actor_id,
                note=call.data["note"],
            )
        )
        cancel_timer(db, "outreach_first_attempt_due", key=known.outreach_id)
        if call.data["outcome"] == "REACHED":
            episode.note_contact(at=at)
            self._settle(db, episode, at=at)
            self._judge_readiness(db, episode)
        return _view(schemas.Outreach(), known)

    # --- Check-ins and risk -----------------------------------------------------------------------

    @command(schemas.SubmitCheckIn, roles=(*roles.CARE_TEAM, roles.FRONT_DESK, roles.PATIENT))
    def submit_check_in(self, db: Session, call: Call) -> dict[str, Any]:
        """Keep a check-in; a dangerous answer opens an escalation in the same transaction."""
        data = dict(call.data)
        episode = _episode_in_treatment(db, call, lock=True)
        check_in = checkins.CheckIn(check_in_id=call.command_id, checked_in_at=call.now, **data)
        db.add(check_in)
        db.flush()
        # Whoever checks in is not silent; the outreach goes on until somebody has spoken to them.
        episode.note_contact(at=call.now)
        if episode.outreaches_open:
            self._settle(db, episode, at=call.now)
        episode.note_risk(at=call.now, lasts=risk.LASTS)
        opened = [
            self._escalate(
                db,
                patient_id=episode.patient_id,
                cause=concern,
                level=level,
                evidence_id=check_in.check_in_id,
                at=call.now,
                episode_id=episode.episode_id,
                journey_id=episode.journey_id,
                told_in=check_in.check_in_id,
            )
            for concern, level in check_in.concerns()
        ]
        self._weigh(db, episode, fact_at=call.now, may_raise=True)
        self._judge_readiness(db, episode)
        announce_all(db, check_in.ask_for_call(episode))
        left_out = self._left_out_in_row(db, episode, check_in)
        # Read once: where nobody has the duty, none of so many was asked.
        moments = [call.now, *left_out]
        shifts = tables.shifts_after(db, since=min(moments), until=max(moments))
        asked = (at for at in left_out if any(shift.covers(at) for shift in shifts))
        skipped = len(list(itertools.islice(asked, checkins.SKIPS_FOR_CLINICIAN)))
        announce_all(db, checkins.watch_skips(episode, check_in, skipped_in_row=skipped))
        on_duty = any(shift.covers(call.now) for shift in shifts)
        lines = None
        if check_in.carries_risk or not on_duty:
            lines = _crisis_lines(db, site_id=episode.site_id)
        return _view(
            schemas.CheckIn(),
            {
                "check_in_id": check_in.check_in_id,
                "episode_id": episode.episode_id,
                "patient_id": episode.patient_id,
                "checked_in_at": check_in.checked_in_at,
                "carries_risk": check_in.carries_risk,
                "crisis_lines": lines,
                "escalation_ids": [escalation.escalation_id for escalation in opened],
                "staff_on_duty": on_duty,
                "notice": None if on_duty else checkins.NOBODY_ON_DUTY,
            },
        )

    def _left_out_in_row(self, db: Session, episode: Episode, check_in: checkins.CheckIn) -> list[datetime]:
        """Return when the check-ins up to this one were that left a safety question out, the newest first.

        Looked for only where it matters, and no further than that a clinician is asked.
        """
        if check_in.danger is not None or episode.skips_task_id is not None:
            return []
        newest = tables.newest_check_ins(db, episode_id=check_in.episode_id, limit=checkins.SKIPS_LOOKED_AT)
        return [one.checked_in_at for one in itertools.takewhile(lambda one: one.danger is None, newest)]

    @question(schemas.GetCheckInForm, roles=(*roles.CARE_TEAM, roles.FRONT_DESK, roles.PATIENT))
    def get_check_in_form(self, db: Session, call: Call) -> dict[str, Any]:
        """Return what may be asked now: nothing about safety while nobody is there to act on it."""
        episode = _episode_in_treatment(db, call)
        on_duty = tables.somebody_on_duty(db, at=call.now)
        asked = checkins.questions(staff_on_duty=on_duty)
        return _view(
            schemas.CheckInForm(),
            {
                "episode_id": episode.episode_id,
                "patient_id": episode.patient_id,
                "questions": [{"field": field, "text": text} for field, text in asked.items()],
                "staff_on_duty": on_duty,
                "notice": None if on_duty else checkins.NOBODY_ON_DUTY,
                "crisis_lines": _crisis_lines(db, site_id=episode.site_id),
            },
        )

    @question(schemas.GetRisk)
    def get_risk(self, db: Session, call: Call) -> dict[str, Any]:
        """Return the risk index as it stands now, with every term."""
        episode = tables.find_episode(db, episode_id=call.data["episode_id"])
        if episode is None:
            raise NotFound("No such episode.", field="episode_id")
        known = tables.Known(db, episode_ids=[episode.episode_id], since=call.now)
        facts = known.facts[episode.episode_id]
        found = risk.index_at(facts, now=call.now)
        return _view(
            schemas.Risk(),
            {
                "episode_id": episode.episode_id,
                "patient_id": episode.patient_id,
                "index": found.index,
                "band": risk.shown_band(facts, now=call.now),
                "terms": [{"term": term, "points": points} for term, points in found.terms],
                "as_of": call.now,
                "rule_version": risk.RULE_VERSION,
            },
        )

    @reacts_to(WeeklyDoseShortfall)
    def note_short_week(self, db: Session, event: WeeklyDoseShortfall, now: datetime) -> None:
        """Count a week under the floor; the second in a row asks for a review of the level."""
        self._note_week(db, event, revision=0, told_at=event.told_at)

    @reacts_to(WeeklyDoseCorrected)
    def correct_short_week(self, db: Session, event: WeeklyDoseCorrected, now: datetime) -> None:
        """Take a week back that is not short after all, or count it anew, and the review with it."""
        self._note_week(db, event, revision=event.revision, told_at=event.corrected_at)

    def _note_week(
        self,
        db: Session,
        event: WeeklyDoseShortfall | WeeklyDoseCorrected,
        *,
        revision: int,
        told_at: datetime | None,
    ) -> None:
        episode = _episode_of(db, event)
        if episode.time_zone is None:
            # Where the week ends is told by the admission.
            raise TooEarly
        zone = zoneinfo.ZoneInfo(episode.time_zone)
        told = doses.ToldWeek(
            episode_id=event.episode_id,
            week_starts_on=event.week_starts_on,
            attended_minutes=event.attended_minutes,
            floor_minutes=event.floor_minutes,
            consecutive_weeks=event.consecutive_weeks,
            ends_at=datetime.combine(event.week_starts_on + timedelta(days=7), time(0), tzinfo=zone),
            revision=revision,
            told_at=told_at,
        )
        known = tables.find_told_week(db, episode_id=told.episode_id, week_starts_on=told.week_starts_on)
        if known is not None and revision == known.revision:
            return
        self._settle_level_review(db, episode, told=told, known=known)
        if known is not None and revision < known.revision:
            return
        if known is None:
            db.add(told)
        else:
            known.take(told)
        episode.note_risk(at=told.ends_at, lasts=risk.LASTS)
        self._weigh(db, episode, fact_at=told.ends_at, may_raise=told.is_short, corrected=True)

    def _settle_level_review(
        self, db: Session, episode: Episode, *, told: doses.ToldWeek, known: doses.ToldWeek | None
    ) -> None:
        """Ask for a review of the level, or no more, as the newest word of a week has it.

        One that an older word asked for, which comes late, is kept as withdrawn: nobody is asked.

        :param known: the newest word before this one.
        """
        newest = told if known is None or told.revision > known.revision else known
        wanted = doses.review_of(told)
        review = tables.find_level_review(db, review_id=wanted.review_id)
        was_asked = review is not None and review.withdrawn_at is None
        if review is None and told.asks_for_review:
            review = wanted
            db.add(review)
        if review is None:
            return
        if told.asks_for_review:
            review.note_request(at=told.known_at)
        settled = review.settle(
            newest, patient_id=episode.patient_id, journey_id=episode.journey_id, was_asked=was_asked
        )
        announce_all(db, settled)

    def _weigh(
        self,
        db: Session,
        episode: Episode,
        *,
        fact_at: datetime,
        may_raise: bool,
        corrected: bool = False,
        known: tables.Known | None = None,
    ) -> None:
        """Compute the index anew from the facts; one that rises to orange or red opens an escalation.

        :param known: what is known of several episodes, where it is not about this one alone.
        """
        known_until = episode.latest_fact_at
        episode.note_fact(at=fact_at)
        as_of = episode.latest_fact_at
        if as_of is None or (as_of == known_until and not may_raise and not corrected):
            # Having come adds nothing and takes nothing off: it only moves the moment of the index.
            return
        if episode.calm_from is None or as_of >= episode.calm_from:
            found, band = risk.Risk(index=0, terms=()), "GREEN"
        else:
            # No fact is newer than the newest, so this is the earlier of the two.
            known = known or tables.Known(db, episode_ids=[episode.episode_id], since=fact_at)
            facts = known.facts[episode.episode_id]
            found, band = risk.index_at(facts, now=as_of), risk.shown_band(facts, now=as_of)
            if may_raise:
                self._answer_rises(db, episode, facts, fact_at=fact_at)
        before = episode.risk_band
        episode.risk_index, episode.risk_band = found.index, band
        if band != before:
            announce(
                db,
                RiskBandChanged(
                    patient_id=episode.patient_id,
                    episode_id=episode.episode_id,
                    journey_id=episode.journey_id,
                    from_band=before,
                    to_band=band,
                    index=found.index,
                    terms=tuple(term for term, _ in found.terms),
                    points=tuple(points for _, points in found.terms),
                    rule_version=risk.RULE_VERSION,
                    changed_at=as_of,
                ),
            )

    def _answer_rises(self, db: Session, episode: Episode, facts: risk.Facts, *, fact_at: datetime) -> None:
        """Open an escalation, or raise it, for each orange or red band that a fact raised the index to."""
        for band, at in risk.rises_between(facts, since=fact_at, until=fact_at + risk.WINDOW):
            if band in LEVEL_OF_BAND:
                self._escalate(
                    db,
                    patient_id=episode.patient_id,
                    cause="RISK_INDEX",
                    level=LEVEL_OF_BAND[band],
                    evidence_id=episode.episode_id,
                    at=at,
                    episode_id=episode.episode_id,
                    journey_id=episode.journey_id,
                )

    # --- Drug tests -------------------------------------------------------------------------------

    @command(schemas.OrderDrugTesting, roles=_ORDERING)
    def order_drug_testing(self, db: Session, call: Call) -> dict[str, Any]:
        """Have a patient in treatment tested at random intervals, from tomorrow on."""
        data = call.data
        drug_tests.check_licence(call.actor)
        drug_tests.check_interval(mean_days=data["mean_interval_days"], longest_gap=data["longest_gap_days"])
        episode = _episode_in_treatment(db, call, lock=True)
        if not episode.in_treatment or episode.time_zone is None:
            raise NotFound("No such episode in treatment.", field="episode_id")
        if tables.order_in_force(db, episode_id=episode.episode_id) is not None:
            raise drug_tests.OrderedAlready(field="episode_id", rule="no order in force")
        order = drug_tests.Order(
            order_id=call.command_id,
            patient_id=episode.patient_id,
            journey_id=episode.journey_id,
            ordered_at=call.now,
            ordered_on=drug_tests.local_day(call.now, zone=episode.time_zone),
            ordered_by=call.actor.actor_id,
            ordered_by_role=call.actor.role,
            ordered_by_credential=call.actor.credential or "",
            **data,
        )
        testing.begin(db, order, episode, now=call.now)
        return _view(schemas.DrugTestingOrder(), order)

    @command(schemas.EndDrugTesting, roles=_ORDERING)
    def end_drug_testing(self, db: Session, call: Call) -> dict[str, Any]:
        """Draw no more tests of an order, and ask for none that is due."""
        drug_tests.check_licence(call.actor)
        order = db.get(drug_tests.Order, call.data["order_id"])
        if order is None:
            raise NotFound("No such order.", field="order_id")
        # The episode is locked first, as every draw does it.
        tables.find_episode(db, episode_id=order.episode_id, lock=True)
        db.refresh(order)
        announce_all(
            db,
            testing.end(db, order, by=call.actor.actor_id, reason=call.data["reason"], at=call.now),
        )
        return _view(schemas.DrugTestingOrder(), order)

    @question(schemas.GetDrugTesting, roles=roles.CARE_TEAM)
    def get_drug_testing(self, db: Session, call: Call) -> dict[str, Any]:
        """Return an episode's drug tests; of the days to come nothing is known to anybody."""
        return testing.testing_view(db, _episode_in_treatment(db, call), now=call.now)

    @on_timer(testing.DRAW_TIMER)
    def draw_drug_test(self, db: Session, timer: Timer, now: datetime) -> None:
        """Draw the lot of the day: whoever it falls on is tested today."""
        announce_all(db, testing.draw(db, order_id=timer.key, now=now))

    @command(schemas.RecordDrugTest, roles=(*roles.CARE_TEAM, roles.FRONT_DESK))
    def record_drug_test(self, db: Session, call: Call) -> dict[str, Any]:
        """Keep what came of a test; what was not negative is looked at by a human, and changes nothing else.

        A return to use that can kill opens an escalation in the same transaction.
        """
        data = dict(call.data)
        test = db.get(drug_tests.DrugTest, data.pop("test_id"))
        if test is None:
            raise NotFound("No such drug test.", field="test_id")
        episode = tables.find_episode(db, episode_id=test.episode_id, lock=True)
        db.refresh(test)
        announce_all(db, test.record(**data, by=call.actor, now=call.now))
        concerns = test.concerns()
        for concern, level in concerns:
            self._escalate(
                db,
                patient_id=test.patient_id,
                cause=concern,
                level=level,
                evidence_id=test.test_id,
                at=call.now,
                episode_id=test.episode_id,
                journey_id=test.journey_id,
                told_in=call.command_id,
            )
        lines = _crisis_lines(db, site_id=episode.site_id if episode else None) if concerns else None
        return _view(schemas.RecordedDrugTest(), test) | {"crisis_lines": lines}

    # --- Readiness --------------------------------------------------------------------------------

    def _judge_readiness(self, db: Session, episode: Episode, *, known: tables.Known | None = None) -> None:
        """See whether what monitoring can tell of the graduation criteria is met.

        :param known: what is known of several episodes, where it is not about this one alone.
        """
        was_ready, episode.ready_at = episode.ready_at is not None, None
        if (
            episode.admitted_at is None
            or episode.outreaches_open
            or episode.sessions_attended < readiness.SESSIONS
            or episode.latest_fact_at is None
            or episode.latest_fact_at < episode.admitted_at + timedelta(weeks=readiness.WEEKS)
        ):
            return
        known = known or tables.Known(db, episode_ids=[episode.episode_id], since=episode.admitted_at)
        course = known.courses[episode.episode_id]
        episode.ready_at = readiness.ready_since(
            seats=course.seats, uses=course.uses, admitted_at=episode.admitted_at
        )
        if episode.ready_at is not None and not was_ready:
            self._announce_readiness(db, episode, course.seats)

    def _announce_readiness(
        self, db: Session, episode: Episode, seats: Sequence[attendance.Attendance]
    ) -> None:
        """Say that a patient is ready, unless a danger is open or the episode is over."""
        if episode.ready_at is None or episode.discharged_at is not None:
            return
        if tables.has_open_danger(db, patient_id=episode.patient_id):
            return
        newest = max(
            seat.starts_at for seat in seats if seat.state == attendance.ATTENDED and seat.is_treatment
        )
        announce(
            db,
            GraduationReady(
                patient_id=episode.patient_id,
                episode_id=episode.episode_id,
                journey_id=episode.journey_id,
                criteria=readiness.CRITERIA,
                sessions_attended=episode.sessions_attended,
                attendance_percent=attendance.percent_attended(
                    seats, until=newest, days=readiness.ATTENDANCE_DAYS
                ),
                rule_version=readiness.RULE_VERSION,
                ready_at=episode.ready_at,
            ),
        )

    # --- Escalations ------------------------------------------------------------------------------

    @reacts_to(SafetyConcernRaised)
    def escalate(self, db: Session, event: SafetyConcernRaised, now: datetime) -> None:
        """Get a human to act, whether or not the patient is known here, and confirm it once one is asked."""
        escalation = self._escalate(
            db,
            patient_id=event.patient_id,
            cause=event.concern,
            level=event.level,
            evidence_id=event.evidence_id,
            # Of another machine, whose clock may be ahead: nobody is asked later on that account.
            at=min(event.raised_at, now),
            episode_id=event.episode_id,
            journey_id=event.journey_id,
            # What the door heard for a service is told by the service as well, when the request is repeated.
            told_in=envelope_reacted_to(db).causation_id,
        )
        escalation.note_concern(event.concern_id)
        if paging.is_being_asked(db, escalation):
            announce_all(db, escalation.confirm(now=now))

    @command(schemas.RaiseSafetyConcern, roles=(*STAFF, roles.PATIENT, roles.PARTNER))
    def raise_safety_concern(self, db: Session, call: Call) -> dict[str, Any]:
        """Open an escalation on somebody's word."""
        _own_or_staff(call, call.data["patient_id"], field="patient_id")
        escalation = self._escalate(
            db,
            patient_id=call.data["patient_id"],
            cause=call.data["concern"],
            level=call.data["level"],
            evidence_id=call.command_id,
            at=call.now,
            episode_id=call.data["episode_id"],
            journey_id=None,
            told_in=call.command_id,
        )
        if call.actor.role in (roles.PATIENT, roles.PARTNER):
            # Neither learns what else is known, or whether anything was.
            return _view(
                schemas.Escalation(),
                {
                    "escalation_id": escalation.escalation_id,
                    "patient_id": escalation.patient_id,
                    "cause": escalation.cause,
                    "level": call.data["level"],
                    "state": escalations.OPEN,
                    "opened_at": call.now,
                    "crisis_lines": _crisis_lines(
                        db, site_id=_own_site(db, call, episode_id=call.data["episode_id"])
                    ),
                },
            )
        return _escalation_view(escalation)

    def _escalate(  # a danger is told by these
        self,
        db: Session,
        *,
        patient_id: str,
        cause: str,
        level: str,
        evidence_id: str,
        at: datetime,
        episode_id: str | None,
        journey_id: str | None,
        told_in: str | None = None,
    ) -> escalations.Escalation:
        """Open an escalation, or add to the open one.

        :param told_in: the command by which it was told. Where the door heard the same, whoever closed an
            escalation knew of it already.
        """
        tables.lock_patient(db, patient_id=patient_id)
        db.flush()
        if told_in is not None:
            self._name_somebody(
                db,
                stand_in=dangers.somebody(told_in),
                patient_id=patient_id,
                cause=cause,
                episode_id=episode_id,
                journey_id=journey_id,
            )
            known = tables.closed_escalation_about(
                db, patient_id=patient_id, cause=cause, evidence_id=told_in
            )
            # The same request, mended, may tell of something graver.
            if known is not None and level <= known.level:
                return known
        escalation = tables.open_escalation(db, patient_id=patient_id, cause=cause)
        if escalation is not None:
            events = escalation.add(level=level, evidence_id=evidence_id, at=at)
            asks = any(isinstance(event, EscalationRaised) for event in events)
        else:
            number = tables.count_escalations(db, patient_id=patient_id, cause=cause)
            escalation = escalations.Escalation(
                escalation_id=derived_id(patient_id, "escalation", cause, str(number)),
                patient_id=patient_id,
                cause=cause,
                level=level,
                opened_at=at,
                level_since=at,
                episode_id=episode_id,
                journey_id=journey_id,
                evidence=[evidence_id],
            )
            db.add(escalation)
            db.flush()
            events, asks = escalation.open(), True
        announce_all(db, events)
        self._watch_deadlines(db, escalation)
        if asks:
            paging.page_tier(db, escalation, now=origin_of(db).now)
        return escalation

    def _name_somebody(
        self,
        db: Session,
        *,
        stand_in: str,
        patient_id: str,
        cause: str,
        episode_id: str | None,
        journey_id: str | None,
    ) -> None:
        """Name in an escalation whom the door did not know when it heard the danger.

        Where the patient has an open one for the cause besides, both stay: a human ends them.
        """
        if stand_in == patient_id:
            return
        for escalation in tables.escalations_about_somebody(db, stand_in=stand_in, cause=cause):
            if escalation.is_open and tables.open_escalation(db, patient_id=patient_id, cause=cause):
                continue
            announce_all(
                db, escalation.name(patient_id=patient_id, episode_id=episode_id, journey_id=journey_id)
            )
        db.flush()

    def _watch_deadlines(self, db: Session, escalation: escalations.Escalation) -> None:
        key, acknowledgement_due_at = escalation.escalation_id, escalation.acknowledgement_due_at
        if acknowledgement_due_at is not None:
            set_timer(db, "escalation_not_acknowledged", key=key, due_at=acknowledgement_due_at)
        set_timer(db, "escalation_not_acted_on", key=key, due_at=escalation.action_due_at)

    @on_timer("escalation_not_acknowledged", never_parked=True)
    def ask_next_tier_to_acknowledge(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask the next tier, again and again until somebody takes it."""
        escalation = db.get(escalations.Escalation, timer.key, with_for_update=True)
        if escalation is None:
            return
        escalation.heed_clock(now=now)
        events = escalation.breach(deadline="ACKNOWLEDGE", now=timer.due_at)
        announce_all(db, events)
        due_at = escalation.reminded_again_at(after=now)
        if due_at is not None:
            set_timer(db, "escalation_not_acknowledged", key=timer.key, due_at=due_at)
        if events:
            paging.page_tier(db, escalation, now=now)

    @on_timer("escalation_not_acted_on", never_parked=True)
    def ask_next_tier_to_act(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask the next tier: somebody took it and has not acted in time."""
        escalation = db.get(escalations.Escalation, timer.key, with_for_update=True)
        # While nobody has taken it, the other timer asks.
        if escalation is None or escalation.acknowledged_at is None or not escalation.is_open:
            return
        announce_all(db, escalation.breach(deadline="ACT", now=timer.due_at))
        due_at = escalation.asked_to_act_again_at(after=now)
        set_timer(db, "escalation_not_acted_on", key=timer.key, due_at=due_at)
        paging.page_tier(db, escalation, now=now)

    @reacts_to(NotificationSettled)
    def follow_up_page(self, db: Session, event: NotificationSettled, now: datetime) -> None:
        """Keep what became of a page or a test, and ask the next tier when nobody will see it."""
        if notification.is_for_patients(event.template):
            return
        paged = tables.lock_paged(db, page_id=event.notification_id)
        if paged is not None:
            paging.note_settled_page(db, *paged, event, now=now)
        else:
            paging.note_settled_proof(db, event, now=now)

    @on_timer("page_not_left", never_parked=True)
    def page_next_tier_as_well(self, db: Session, timer: Timer, now: datetime) -> None:
        """Page the next tier: a page about a danger has not left within a minute."""
        escalation = db.get(escalations.Escalation, timer.key, with_for_update=True)
        if escalation is not None:
            paging.page_further_unless_left(
                db, escalation, level=timer.data["level"], tier=timer.data["tier"], now=now
            )

    @question(schemas.ListEscalations)
    def list_escalations(self, db: Session, call: Call) -> dict[str, Any]:
        """Return a page of escalations."""
        query = sa.select(escalations.Escalation)
        if call.data["open"]:
            query = query.where(tables.escalation_rows.c.state != escalations.CLOSED)
        if call.data["patient_id"]:
            query = query.where(tables.escalation_rows.c.patient_id == call.data["patient_id"])
        items, cursor = tables.page(
            db,
            query,
            after=call.data["after"],
            key=tables.escalation_rows.c.escalation_id,
            limit=call.data["limit"],
        )
        return {"items": [_escalation_view(item) for item in items], "next": cursor}

    @question(schemas.GetEscalation)
    def get_escalation(self, db: Session, call: Call) -> dict[str, Any]:
        """Return one escalation, with who was paged and what became of it."""
        found = _escalation(db, call, lock=False)
        paged = tables.pages_of(db, escalation_id=found.escalation_id)
        return _escalation_view(found) | {"pages": schemas.EscalationPage(many=True).dump(paged)}

    @command(schemas.AcknowledgeEscalation, roles=roles.CARE_TEAM)
    def acknowledge_escalation(self, db: Session, call: Call) -> dict[str, Any]:
        """Take an escalation."""
        escalation = _escalation(db, call, lock=True)
        announce_all(db, escalation.acknowledge(by=call.actor, now=call.now))
        key = escalation.escalation_id
        cancel_timer(db, "escalation_not_acknowledged", key=key)
        cancel_timer(db, "page_not_left", key=key)
        set_timer(db, "escalation_not_acted_on", key=key, due_at=escalation.action_due_at)
        return _escalation_view(escalation)

    @command(schemas.CloseEscalation, roles=roles.CARE_TEAM)
    def close_escalation(self, db: Session, call: Call) -> dict[str, Any]:
        """End an escalation with a disposition, and see whether its patient is ready to graduate."""
        escalation = _escalation(db, call, lock=True)
        announce_all(
            db,
            escalation.close(
                by=call.actor, disposition=call.data["disposition"], note=call.data["note"], now=call.now
            ),
        )
        cancel_timer(db, "escalation_not_acknowledged", key=escalation.escalation_id)
        cancel_timer(db, "escalation_not_acted_on", key=escalation.escalation_id)
        cancel_timer(db, "page_not_left", key=escalation.escalation_id)
        if escalation.level in escalations.DANGERS:
            db.flush()
            for episode in tables.ready_episodes_of(db, patient_id=escalation.patient_id):
                seats = tables.attendances_of(db, episode_id=episode.episode_id)
                self._announce_readiness(db, episode, seats)
        return _escalation_view(escalation)

    @command(schemas.CloseTask, roles=roles.CARE_TEAM)
    def close_task(self, db: Session, call: Call) -> dict[str, Any]:
        """Note that somebody did what an escalation, a check-in, a drug test or an outreach asked for."""
        data = call.data
        asked_by: escalations.Escalation | outreach.Outreach | Episode | drug_tests.DrugTest | None
        asked = {name: data[name] for name in ("task_id", "task", "outcome")}
        if data["task"] in escalations.ALL_SAFETY_TASKS:
            asked_by = db.get(escalations.Escalation, data["about_id"], with_for_update=True)
            if asked_by is not None:
                announce_all(db, asked_by.close_task(**asked, by=call.actor, now=call.now))
        elif data["task"] == checkins.SKIPS_TASK:
            asked_by = tables.find_episode(db, episode_id=data["about_id"], lock=True)
            if asked_by is not None and asked_by.skips_task_id != data["task_id"]:
                raise checkins.SkipsTaskIsClosed(field="task_id", rule="an open task")
            if asked_by is not None:
                announce_all(db, checkins.close_skips_task(asked_by, outcome=data["outcome"], at=call.now))
        elif data["task"] == drug_tests.REVIEW_TASK:
            asked_by = test = db.get(drug_tests.DrugTest, data["about_id"], with_for_update=True)
            if test is not None:
                told = {"task_id": data["task_id"], "outcome": data["outcome"]}
                announce_all(db, test.close_review(**told, by=call.actor, at=call.now))
        elif data["task"] == checkins.CALL_TASK:
            check_in = db.get(checkins.CheckIn, data["about_id"], with_for_update=True)
            asked_by = tables.find_episode(db, episode_id=check_in.episode_id) if check_in else None
            if check_in is not None and asked_by is not None:
                told = {"task_id": data["task_id"], "outcome": data["outcome"]}
                announce_all(db, check_in.settle_call(asked_by, **told, at=call.now))
        else:
            asked_by, _ = tables.lock_outreach(db, outreach_id=data["about_id"])
            if asked_by is not None:
                announce_all(db, asked_by.close_task(**asked, at=call.now))
        if asked_by is None:
            raise NotFound("No such task.", field="task_id")
        return {**asked, "closed_at": write_moment(call.now), "patient_id": asked_by.patient_id}

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

    # --- On-call duty -----------------------------------------------------------------------------

    @command(schemas.KeepStaffContact, roles=_ROSTER_KEEPERS)
    def keep_staff_contact(self, db: Session, call: Call) -> dict[str, Any]:
        """Keep where somebody of the staff is paged; nobody leaves whose duty is near and alone."""
        data = call.data
        try:
            read_address(data["address"])
        except AddressUnusable:
            raise InvalidInput(field="address", rule="mailto:… or https://…") from None
        tables.lock_roster(db)
        contact = tables.contact_of(db, staff_id=data["staff_id"], lock=True)
        if contact is None:
            contact = on_call.StaffContact(
                contact_id=derived_id(call.tenant_id, "staff contact", data["staff_id"]), **data
            )
            db.add(contact)
            db.flush()
            return _view(schemas.StaffContact(), contact)
        if contact.active and not data["active"]:
            shifts = tables.shifts_after(db, since=call.now)
            on_call.guard_removal(
                [shift for shift in shifts if shift.staff_id == contact.staff_id],
                remaining=[shift for shift in shifts if shift.staff_id != contact.staff_id],
                now=call.now,
            )
        if contact.address != data["address"]:
            paging.mend(db, staff_id=contact.staff_id, now=call.now)
            contact.address = data["address"]
        contact.role, contact.active = data["role"], data["active"]
        paging.look_for_gaps(db, now=call.now)
        return _view(schemas.StaffContact(), contact)

    @question(schemas.ListStaffContacts)
    def list_staff_contacts(self, db: Session, call: Call) -> dict[str, Any]:
        """Return where the staff are paged, addresses masked."""
        found = db.scalars(sa.select(on_call.StaffContact).order_by(tables.staff_contacts.c.staff_id))
        return _view(schemas.StaffContacts(), {"items": found.all(), "next": None})

    @command(schemas.PlanOnCallShift, roles=_ROSTER_KEEPERS)
    def plan_on_call_shift(self, db: Session, call: Call) -> dict[str, Any]:
        """Give somebody the duty for a time; two at once are welcome."""
        tables.lock_roster(db)
        contact = tables.contact_of(db, staff_id=call.data["staff_id"])
        if contact is None or not contact.active:
            raise NotFound("Nobody of the staff with an active contact.", field="staff_id")
        shift = on_call.Shift(shift_id=call.command_id, planned_by=call.actor.actor_id, **call.data)
        announce_all(db, shift.planned(now=call.now))
        db.add(shift)
        paging.look_for_gaps(db, now=call.now)
        return _shift_view(shift, now=call.now)

    @command(schemas.WithdrawOnCallShift, roles=_ROSTER_KEEPERS)
    def withdraw_on_call_shift(self, db: Session, call: Call) -> dict[str, Any]:
        """Take a duty off the roster, unless that leaves a gap that is near."""
        tables.lock_roster(db)
        shift = db.get(on_call.Shift, call.data["shift_id"], with_for_update=True)
        if shift is None:
            raise NotFound("No such shift.", field="shift_id")
        others = [one for one in tables.shifts_after(db, since=call.now) if one is not shift]
        announce_all(
            db,
            shift.withdraw(
                from_=call.data["from_"],
                others=others,
                by=call.actor,
                accept_gap=call.data["accept_gap"],
                reason=call.data["reason"],
                now=call.now,
            ),
        )
        paging.look_for_gaps(db, now=call.now)
        return _shift_view(shift, now=call.now)

    @question(schemas.ListOnCallShifts)
    def list_on_call_shifts(self, db: Session, call: Call) -> dict[str, Any]:
        """Return the roster from a moment on."""
        found = tables.shifts_after(db, since=call.data["since"] or call.now)
        return {"items": [_shift_view(shift, now=call.now) for shift in found], "next": None}

    @question(schemas.ListOnCallGaps)
    def list_on_call_gaps(self, db: Session, call: Call) -> dict[str, Any]:
        """Return the times of the week ahead with nobody on duty."""
        found = on_call.gaps(
            tables.shifts_after(db, since=call.now),
            since=call.now,
            until=call.now + on_call.GAPS_FOUND_AHEAD,
        )
        gaps = [{"starts_at": starts_at, "ends_at": ends_at} for starts_at, ends_at in found]
        return _view(schemas.OnCallGaps(), {"items": gaps, "next": None})

    def measure(self, connection: sa.Connection) -> None:
        """Tell metrics in how many tenants nobody has the duty right now."""
        telemetry.nobody_on_call.set(tables.tenants_with_nobody_on_duty(connection))

    @on_timer("on_call_gap_moves")
    def look_at_gap_again(self, db: Session, timer: Timer, now: datetime) -> None:
        """See a gap begin, or end: nobody has the duty, or somebody has it again."""
        paging.look_for_gaps(db, now=now)

    @calendar_job(at=proofs.PROOF_AT)
    def begin_on_call_day(self, db: Session, occurrence: datetime, now: datetime) -> None:
        """Have every tenant's roster looked through and its way to page tried, each by itself."""
        if now - occurrence > proofs.PROOF_NOT_LATER_THAN:
            return
        origin = origin_of(db)
        for tenant_id in tables.tenants(db):
            act_for(db, dataclasses.replace(origin, tenant_id=tenant_id))
            set_timer(db, "on_call_day", key=occurrence.date().isoformat(), due_at=occurrence)

    @on_timer("on_call_day")
    def look_through_on_call_day(self, db: Session, timer: Timer, now: datetime) -> None:
        """Look for gaps in the roster, and prove that a page reaches whoever has the duty."""
        paging.look_for_gaps(db, now=now, day=timer.key)
        paging.prove_page_path(db, day=timer.key, now=now)

    @on_timer("page_path_unproven")
    def ask_to_mend_page_path(self, db: Session, timer: Timer, now: datetime) -> None:
        """Take the way to somebody for broken: nothing was heard of its test."""
        paging.break_unproven(db, proof_id=timer.key, now=now)


def _shift_view(shift: on_call.Shift, *, now: datetime) -> dict[str, Any]:
    return _view(schemas.OnCallShift(), shift) | {"on_duty": shift.covers(now)}


def _episode_of(db: Session, event: EpisodeFact, *, is_first_told: bool = False) -> Episode:
    return tables.lock_episode(
        db,
        episode_id=event.episode_id,
        patient_id=event.patient_id,
        journey_id=event.journey_id,
        is_first_told=is_first_told,
    )


def _episode_in_treatment(db: Session, call: Call, *, lock: bool = False) -> Episode:
    """Return the episode that is named, which has begun and which the caller may see."""
    episode = tables.find_episode(db, episode_id=call.data["episode_id"], lock=lock)
    if episode is None or episode.admitted_at is None:
        raise NotFound("No such episode in treatment.", field="episode_id")
    _own_or_staff(call, episode.patient_id, field="episode_id")
    return episode


def _keep_mark(
    db: Session, event: SessionMissed | AttendanceCorrected, *, state: str, **told: Any
) -> tuple[Episode, tuple[bool, str | None]]:
    """Keep what an event tells of a seat in an episode, locked; see :func:`tables.keep_marks`."""
    known, kept = tables.keep_marks(db, [event], [_mark_of(event, state=state, **told)])
    return known[event.episode_id], kept[event.seat_id]


def _mark_of(
    event: SessionAttended | SessionMissed | AttendanceCorrected, *, state: str, **told: Any
) -> attendance.Attendance:
    return attendance.Attendance(
        seat_id=event.seat_id,
        episode_id=event.episode_id,
        starts_at=event.starts_at,
        clinical_minutes=event.clinical_minutes,
        state=state,
        **told,
    )


def _once_each(events: Sequence[SessionAttended]) -> list[list[SessionAttended]]:
    """Return the events in lists in none of which an episode comes twice, in their order."""
    turns: list[list[SessionAttended]] = []
    seen: Counter[str] = Counter()
    for event in events:
        turn = seen[event.episode_id]
        seen[event.episode_id] += 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(event)
    return turns


def _crisis_lines(db: Session, *, site_id: str | None) -> dict[str, str]:
    """Return who helps now, the site's own number first where it has one."""
    return escalations.crisis_lines(emergency_line=tables.emergency_line_of(db, site_id=site_id))


def _activate_newest(db: Session, episode: Episode) -> None:
    for plan in tables.plans_of(db, episode_id=episode.episode_id)[-1:]:
        announce_all(db, plan.activate_if_due(admitted_at=episode.admitted_at))


def _escalation(db: Session, call: Call, *, lock: bool) -> escalations.Escalation:
    found = db.get(escalations.Escalation, call.data["escalation_id"], with_for_update=lock)
    if found is None:
        raise NotFound("No such escalation.", field="escalation_id")
    return found


def _escalation_view(escalation: escalations.Escalation) -> dict[str, Any]:
    return _view(schemas.Escalation(), escalation) | {"crisis_lines": escalations.CRISIS_LINES}


def _own_or_staff(call: Call, patient_id: str, *, field: str) -> None:
    """Refuse a patient's token for anybody else, without telling that there is somebody."""
    if call.actor.role == roles.PATIENT and call.actor.actor_id != patient_id:
        raise NotFound("No such thing.", field=field)


def _own_site(db: Session, call: Call, *, episode_id: str | None) -> str | None:
    """Return where a patient is treated; nobody else learns that from a number."""
    episode = tables.find_episode(db, episode_id=episode_id) if episode_id else None
    if episode is None or call.actor.role != roles.PATIENT or episode.patient_id != call.actor.actor_id:
        return None
    return episode.site_id


def _view(schema: Any, thing: Any) -> dict[str, Any]:
    view: dict[str, Any] = schema.dump(thing)
    return view
