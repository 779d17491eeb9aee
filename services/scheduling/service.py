"""Every way into scheduling: it builds weeks that fit around lives, and knows who came."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from services.scheduling import (
    calendars,
    cohorts,
    day,
    dosing,
    grouping,
    joining,
    manuals,
    noting,
    peering,
    planning,
    rostering,
    schemas,
    seating,
    staffing,
    tables,
    teaching,
    vacancies,
    vetting,
)
from services.scheduling.domain import (
    attendance,
    check_outs,
    clinicians,
    curricula,
    dose,
    due_tests,
    exclusions,
    family,
    feedback,
    groups,
    obligations,
    plans,
    records,
    rooms,
    step_downs,
    telehealth,
    weeks,
)
from shared import holds, safety
from shared.answers import answer_of
from shared.clock import Timer, cancel_timer, on_timer, set_timer
from shared.contracts import roles
from shared.contracts.aftercare import PatientDischarged
from shared.contracts.event import Event, read_moment, write_moment
from shared.contracts.intake import (
    ConsentExpired,
    ConsentGranted,
    ConsentRevoked,
    LegalHoldPlaced,
    LegalHoldReleased,
    PatientAdmitted,
    ReferralReceived,
    SiteChanged,
    SiteOpened,
    SupportNetworkTold,
)
from shared.contracts.monitoring import (
    DrugTestDue,
    DrugTestRecorded,
    PlanActivated,
    PlanDrafted,
    SafetyConcernTaken,
)
from shared.contracts.scheduling import GROUP_ENDED, ObligationFitFound
from shared.errors import InvalidInput, TooEarly
from shared.ids import new_id
from shared.messaging import (
    STAFF,
    Call,
    announce,
    announce_all,
    because_of,
    command,
    door_closed_until,
    question,
    reacts_to,
)
from shared.schema_fields import Id

#: Who is at the door and in the rooms.
_DESK_AND_CARE = (*roles.CARE_TEAM, roles.FRONT_DESK)

#: Who decides about clinicians, groups and rooms.
_STAFFING = (roles.OPERATIONS, roles.SUPERVISOR, roles.MEDICAL_DIRECTOR)

#: Who writes and reads what was said in a session.
_CARE = roles.CARE_TEAM

#: Who agrees with a patient on fewer hours than their level asks for.
_DECIDING = (roles.CLINICIAN, roles.SUPERVISOR, roles.MEDICAL_DIRECTOR)

#: Sessions whose grace period is over that are judged in one transaction: a morning's at a large site,
#: and few enough that no mark waits long for one of them. Design default.
JUDGED_AT_ONCE = 200

#: Sessions that are over whose check-ins are credited in one transaction: as many as are fired together.
OVER_AT_ONCE = 20


class Scheduling:
    """Owns clinicians, groups, weekly plans, sessions, seats and attendance."""

    name = "scheduling"
    #: What of it is somebody's record.
    keeps = tables.metadata
    #: Silence means absence only while people could be checked in.
    watches_door = True

    # --- What others tell -------------------------------------------------------------------------

    @reacts_to(SiteOpened)
    def keep_site(self, db: Session, event: SiteOpened, now: datetime) -> None:
        """Keep the site's time zone, and begin its weekly rounds."""
        if tables.add_site(
            db,
            site_id=event.site_id,
            time_zone=event.time_zone,
            opened_at=event.opened_at,
            emergency_line=event.emergency_line,
        ):
            self._begin_rounds(db, event.site_id, event.time_zone, after=event.opened_at)

    @reacts_to(SiteChanged)
    def follow_site(self, db: Session, event: SiteChanged, now: datetime) -> None:
        """Keep the number and the time zone of a site that changed; its rounds go by the new clock."""
        site = tables.lock_site(db, site_id=event.site_id)
        if site is None:
            raise TooEarly
        if site.follow(event):
            self._begin_rounds(db, event.site_id, event.time_zone, after=event.changed_at)

    @reacts_to(ReferralReceived)
    def keep_patient(self, db: Session, event: ReferralReceived, now: datetime) -> None:
        """Keep who was referred where, so that obligations can be declared."""
        _, episode = tables.lock_episode_of(db, event)
        episode.note_referral(event)
        # Whoever is referred may be admitted soon, and is not to wait for a library to load.
        planning.solver.warm_up()

    @reacts_to(PatientAdmitted)
    def plan_week(self, db: Session, event: PatientAdmitted, now: datetime) -> None:
        """Find a standing week for the patient and book its first sessions, or ask the front desk.

        The week is to bring what the treatment plan asks for, so it waits for the plan's draft where
        that has not come, a quarter of an hour at most. An admission that comes after its discharge
        leaves the same rows as one that came before, and announces only that the place is free.
        """
        patient, episode = tables.lock_episode_of(db, event)
        timetable = tables.lock_timetable(
            db,
            site_id=event.site_id,
            plan_ids=[plans.id_of(event.episode_id)],
            patient_ids=[event.patient_id],
            since=event.admitted_at,
        )
        if timetable is None:
            raise TooEarly
        if not episode.note_admission(event):
            return
        plan = plans.plan_of(episode)
        db.add(plan)
        peering.expect(db, episode, timetable.site)
        if episode.treatment_plan_version is None:
            plan.awaits_treatment_plan = True
            set_timer(db, "treatment_plan_late", key=event.episode_id, due_at=now + plans.DRAFT_WAIT)
        else:
            planning.begin_plan(db, plan, episode, patient, timetable, at=event.admitted_at, now=now)

    @reacts_to(PlanDrafted)
    def heed_draft(self, db: Session, event: PlanDrafted, now: datetime) -> None:
        """Build the first week on what the draft of the treatment plan asks for.

        Later drafts change nothing: whoever is in treatment gets another week once somebody has signed.
        """
        patient, episode, plan = tables.lock_episode_with_plan(db, event)
        if plan is None or plan.awaits_treatment_plan:
            episode.note_draft(version=event.version, modalities=event.modalities)
            planning.begin_awaited_plan(db, plan, episode, patient, now=now)

    @reacts_to(DrugTestDue)
    def keep_due_test(self, db: Session, event: DrugTestDue, now: datetime) -> None:
        """Have the day view list a drug test, unless something came of it that was told before."""
        tables.keep_drug_test(db, due_tests.of(event, settled_at=None))

    @reacts_to(DrugTestRecorded)
    def settle_due_test(self, db: Session, event: DrugTestRecorded, now: datetime) -> None:
        """List a drug test no more, also where this comes before it was told to be due."""
        tables.keep_drug_test(db, due_tests.of(event, settled_at=event.recorded_at))

    @reacts_to(PlanActivated)
    def heed_treatment_plan(self, db: Session, event: PlanActivated, now: datetime) -> None:
        """Change the week when the treatment plan in force asks for what is not in it."""
        patient, episode, plan = tables.lock_episode_with_plan(db, event)
        news = episode.note_treatment_plan(version=event.version, modalities=event.modalities)
        if planning.begin_awaited_plan(db, plan, episode, patient, now=now) or plan is None or not news:
            return
        timetable = planning.timetable_of(db, plan, site_id=plan.site_id, since=now)
        if plan.state == "ACTIVE" and plan.reason is None:
            announce_all(db, planning.find_week(db, plan, episode, patient, timetable, at=now))

    @reacts_to(SupportNetworkTold)
    def heed_support_network(self, db: Session, event: SupportNetworkTold, now: datetime) -> None:
        """Plan family sessions for whoever needs them, once somebody could come along."""
        patient = tables.lock_patient_of(db, patient_id=event.patient_id, journey_id=event.journey_id)
        before = family.against_sessions(patient)
        family.note_network(patient, supporters=event.supporters, told_at=event.told_at)
        planning.plan_family_sessions(db, patient, before=before, now=now)

    @reacts_to(ConsentGranted)
    def let_family_come(self, db: Session, event: ConsentGranted, now: datetime) -> None:
        """Plan family sessions for whoever needs them, once people close to them may know."""
        planning.heed_consent(db, event, stands=True, now=now)

    @reacts_to(ConsentRevoked)
    def stop_family_sessions(self, db: Session, event: ConsentRevoked, now: datetime) -> None:
        """Plan no family sessions any more under a consent that was taken back."""
        planning.heed_consent(db, event, stands=False, now=now)

    @reacts_to(ConsentExpired)
    def end_family_sessions(self, db: Session, event: ConsentExpired, now: datetime) -> None:
        """Plan no family sessions any more under a consent that ended by itself."""
        planning.heed_consent(db, event, stands=False, now=now)

    @reacts_to(PatientDischarged)
    def free_week(self, db: Session, event: PatientDischarged, now: datetime) -> None:
        """Free what the patient held, and see whom it helps."""
        _, episode, plan = tables.lock_episode_with_plan(db, event)
        if not episode.note_discharge(event) or plan is None:
            return
        if plan.awaits_treatment_plan:
            # A plan that has not begun ends as soon as it does.
            seating.leave_all(db, episode_id=event.episode_id, now=now)
            peering.leave(db, episode, now=now)
            return
        timetable = planning.timetable_of(db, plan, site_id=plan.site_id, since=now)
        booked = tables.scheduled_sessions_of(db, episode_id=event.episode_id, after=now)
        announce_all(db, [*planning.end_plan(db, plan, timetable, at=event.discharged_at), plan.freed()])
        seating.leave_all(db, episode_id=event.episode_id, now=now)
        peering.leave(db, episode, now=now)
        if booked:
            seating.free_seats(db, booked, reason="DISCHARGED", now=now)
        planning.help_those_without_week(
            db, timetable.site, at=now, at_most=planning.TRIED_AT_ONCE, says_why=False
        )

    @reacts_to(SafetyConcernTaken)
    def confirm_safety_concern(self, db: Session, event: SafetyConcernTaken, now: datetime) -> None:
        """Watch no longer over a danger that was announced here: humans are being asked."""
        safety.confirm(db, event.concern_id)

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

    # --- Clinicians and groups --------------------------------------------------------------------

    @command(schemas.AddClinician, roles=(roles.OPERATIONS, roles.SUPERVISOR, roles.MEDICAL_DIRECTOR))
    def add_clinician(self, db: Session, call: Call) -> dict[str, Any]:
        """Add a clinician with credentials."""
        site = planning.locked_site(db, call.data["site_id"])
        clinician_id = call.data.get("clinician_id") or new_id()
        if db.get(clinicians.Clinician, clinician_id) is not None:
            raise clinicians.ClinicianKnownAlready(field="clinician_id", rule="must be new")
        clinician = clinicians.Clinician(
            clinician_id=clinician_id,
            site_id=site.site_id,
            added_at=call.now,
            name=call.data.get("name"),
            credentials=[
                {**credential, "expires_on": credential["expires_on"].isoformat()}
                for credential in call.data["credentials"]
            ],
        )
        db.add(clinician)
        staffing.watch_credentials(db, clinician, site, now=call.now, tell=False)
        vetting.watch(db, clinician, now=call.now)
        planning.help_those_without_week(db, site, at=call.now, at_most=planning.TRIED_AT_ONCE)
        return _clinician_view(clinician, today=weeks.local_day(at=call.now, zone=site.time_zone))

    @command(schemas.CloseTask, roles=roles.CARE_TEAM)
    def close_task(self, db: Session, call: Call) -> dict[str, Any]:
        """Note that somebody has dealt with what was asked of them; about a clinician, a supervisor."""
        data = call.data
        asked = tables.find_asked(db, task_id=data["task_id"])
        if asked is not None:
            if (asked.task, asked.about_id) != (data["task"], data["about_id"]):
                raise clinicians.NoSuchTask(field="about_id", rule="must be what the task is about")
            announce(db, asked.close(outcome=data["outcome"], now=call.now))
            told = {name: data[name] for name in ("task_id", "task", "outcome")}
            return {**told, "closed_at": write_moment(call.now), "patient_id": asked.patient_id}
        clinicians.check_oversees(call.actor)
        clinician = db.get(clinicians.Clinician, data["about_id"], with_for_update=True)
        if clinician is None:
            raise clinicians.NoSuchTask(field="task_id", rule="must be a task about a clinician")
        announce_all(db, clinician.close_task(task_id=data["task_id"], outcome=data["outcome"], now=call.now))
        told = {name: data[name] for name in ("task_id", "task", "outcome")}
        return {**told, "closed_at": write_moment(call.now), "patient_id": None}

    @command(schemas.RecordCredential, roles=_STAFFING)
    def record_credential(self, db: Session, call: Call) -> dict[str, Any]:
        """Record a credential that is new or renewed, and close what asked for the renewal."""
        data = call.data
        clinician = staffing.clinician_of(db, data["clinician_id"])
        site = planning.locked_site(db, clinician.site_id)
        today = weeks.local_day(at=call.now, zone=site.time_zone)
        credential = {name: data[name] for name in ("kind", "state")}
        credential["expires_on"] = data["expires_on"].isoformat()
        if "supervised_by" in data:
            supervisor = staffing.clinician_of(db, data["supervised_by"], field="supervised_by")
            if not supervisor.may_counsel(on=today):
                raise clinicians.SupervisorNotLicensed(field="supervised_by", rule="a licensed therapist")
            credential["supervised_by"] = supervisor.clinician_id
        announce_all(db, clinician.record_credential(credential, now=call.now))
        staffing.watch_credentials(db, clinician, site, now=call.now, tell=False)
        staffing.settle(db, clinician, site, now=call.now)
        announce_all(db, noting.after_renewal(db, clinician, site, now=call.now))
        planning.help_those_without_week(db, site, at=call.now, at_most=planning.TRIED_AT_ONCE)
        return _clinician_view(clinician, today=today)

    @command(schemas.CheckCredential, roles=_STAFFING)
    def check_credential(self, db: Session, call: Call) -> dict[str, Any]:
        """Note what the primary source said; a credential that is not confirmed counts no longer."""
        data = call.data
        clinician = staffing.clinician_of(db, data["clinician_id"])
        site = planning.locked_site(db, clinician.site_id)
        today = weeks.local_day(at=call.now, zone=site.time_zone)
        clinician.check_credential(
            kind=data["kind"],
            state=data["state"],
            source=data["source"],
            outcome=data["outcome"],
            checked_on=today,
        )
        announce_all(db, clinician.tell_credentials(now=call.now))
        left = staffing.uncovered(db, clinician, site, now=call.now)
        if left:
            asked = clinician.ask_to_reassign(
                reason="CREDENTIAL_NOT_CONFIRMED",
                about=today.isoformat(),
                due_at=left[0].starts_at,
                now=call.now,
            )
            announce_all(db, asked)
        else:
            staffing.settle(db, clinician, site, now=call.now)
        return _clinician_view(clinician, today=today)

    @command(schemas.RecordExclusionCheck, roles=_STAFFING)
    def record_exclusion_check(self, db: Session, call: Call) -> dict[str, Any]:
        """Keep what a look at a federal exclusion list has found; whoever is on it leads nothing."""
        clinician = staffing.clinician_of(db, call.data["clinician_id"])
        site = planning.locked_site(db, clinician.site_id)
        check = exclusions.ExclusionCheck(
            check_id=new_id(),
            checked_at=call.now,
            checked_by=call.actor.actor_id,
            checked_by_role=call.actor.role,
            **call.data,
        )
        vetting.record(db, clinician, site, check, now=call.now)
        return answer_of(schemas.ExclusionCheck, check)

    @question(schemas.ListExclusionChecks, roles=_STAFFING)
    def list_exclusion_checks(self, db: Session, call: Call) -> dict[str, Any]:
        """Return the looks at exclusion lists for a clinician, the newest first."""
        if db.get(clinicians.Clinician, call.data["clinician_id"]) is None:
            raise clinicians.NoSuchClinician(field="clinician_id", rule="must be a clinician")
        found = tables.exclusion_checks_of(db, clinician_id=call.data["clinician_id"])
        return answer_of(schemas.ExclusionChecks, {"items": found, "next": None})

    @command(schemas.RecordAbsence, roles=_STAFFING)
    def record_absence(self, db: Session, call: Call) -> dict[str, Any]:
        """Record that a clinician is away; a stand-in takes the sessions, or somebody is asked."""
        data = call.data
        if data["ends_at"] <= data["starts_at"]:
            raise clinicians.AbsenceEndsBeforeStart(field="ends_at", rule="after starts_at")
        clinician = staffing.clinician_of(db, data["clinician_id"])
        site = planning.locked_site(db, clinician.site_id)
        stand_in = None
        if "stand_in_id" in data:
            stand_in = self._colleague(db, data["stand_in_id"], of=clinician, field="stand_in_id")
        absence = clinicians.Absence(
            absence_id=new_id(),
            clinician_id=clinician.clinician_id,
            site_id=site.site_id,
            starts_at=data["starts_at"],
            ends_at=data["ends_at"],
            reason=data["reason"],
            recorded_at=call.now,
            stand_in_id=stand_in.clinician_id if stand_in else None,
        )
        done = staffing.record_absence(db, clinician, site, absence=absence, stand_in=stand_in, now=call.now)
        view = {**_columns(absence), "moved": len(done.moved), "left": _left_view(done.left)}
        return answer_of(schemas.Absence, view)

    @command(schemas.HandOverCaseload, roles=_STAFFING)
    def hand_over_caseload(self, db: Session, call: Call) -> dict[str, Any]:
        """Give a clinician's sessions to another, for a while or for good."""
        data = call.data
        clinician = staffing.clinician_of(db, data["clinician_id"])
        site = planning.locked_site(db, clinician.site_id)
        to = self._colleague(db, data["to_clinician_id"], of=clinician, field="to_clinician_id")
        done = staffing.hand_over(
            db,
            clinician,
            to,
            site,
            since=data.get("from_", call.now),
            until=data.get("until"),
            now=call.now,
        )
        return answer_of(
            schemas.HandedOver,
            {
                "clinician_id": clinician.clinician_id,
                "to_clinician_id": to.clinician_id,
                "moved": len(done.moved),
                "groups_moved": done.groups_moved,
                "hours_moved": done.hours_moved,
                "left": _left_view(done.left),
            },
        )

    @command(schemas.AssignSession, roles=_STAFFING)
    def assign_session(self, db: Session, call: Call) -> dict[str, Any]:
        """Have somebody else lead one session, or hold it in another room."""
        data = call.data
        session = tables.lock_session(db, session_id=data["session_id"])
        session.check_can_change(now=call.now)
        site = planning.locked_site(db, session.site_id)
        if "clinician_id" in data:
            to = staffing.clinician_of(db, data["clinician_id"])
            if to.site_id != session.site_id:
                raise clinicians.NoSuchClinician(field="clinician_id", rule="must be a clinician of the site")
            staffing.assign(db, session, to, site, now=call.now)
        if "room_id" in data:
            room = grouping.room_of(db, data["room_id"])
            room.check_holds(site_id=session.site_id, capacity=session.capacity, mode=session.mode)
            grouping.check_room_free(db, session, room, site)
            session.room_id = room.room_id
            seating.write_down(db)
        return _planned_view(session)

    @command(schemas.AddRoom, roles=_STAFFING)
    def add_room(self, db: Session, call: Call) -> dict[str, Any]:
        """Add a room to a site."""
        data = call.data
        site = planning.locked_site(db, data["site_id"])
        room_id = data.get("room_id") or new_id()
        if db.get(rooms.Room, room_id) is not None:
            raise rooms.RoomKnownAlready(field="room_id", rule="must be new")
        room = rooms.Room(
            room_id=room_id,
            site_id=site.site_id,
            label=data["label"],
            places=data["places"],
            added_at=call.now,
        )
        db.add(room)
        return answer_of(schemas.Room, room)

    @question(schemas.ListRooms)
    def list_rooms(self, db: Session, call: Call) -> dict[str, Any]:
        """Return the rooms, by label."""
        found = tables.rooms_of_site(db, site_id=call.data.get("site_id"))
        return answer_of(schemas.Rooms, {"items": found, "next": None})

    @command(schemas.PlanSession, roles=(*_STAFFING, roles.CLINICIAN, roles.COUNSELOR))
    def plan_session(self, db: Session, call: Call) -> dict[str, Any]:
        """Plan a session outside the standing groups: a workshop, a family session, an open hour."""
        data = call.data
        site = planning.locked_site(db, data["site_id"])
        leader = staffing.clinician_of(db, data["facilitator_id"], field="facilitator_id")
        if leader.site_id != site.site_id:
            raise clinicians.NoSuchClinician(field="facilitator_id", rule="must be a clinician of the site")
        told = {name: value for name, value in data.items() if name not in teaching.LESSON}
        session = attendance.plan_session(
            **{**told, "room_id": data.get("room_id"), "clinical_minutes": data.get("clinical_minutes")},
            session_id=staffing.new_session_id(call.command_id),
            now=call.now,
        )
        teaching.teach_planned(db, session, data)
        if session.room_id is not None:
            room = grouping.room_of(db, session.room_id)
            room.check_holds(site_id=site.site_id, capacity=session.capacity, mode=session.mode)
            grouping.check_room_free(db, session, room, site)
        db.add(session)
        seating.write_down(db)
        staffing.assign(db, session, leader, site, now=call.now, field="facilitator_id")
        return _planned_view(session)

    @command(schemas.OpenGroup, roles=(roles.OPERATIONS, roles.SUPERVISOR, roles.MEDICAL_DIRECTOR))
    def open_group(self, db: Session, call: Call) -> dict[str, Any]:
        """Open a group that meets every week."""
        data = call.data
        site = planning.locked_site(db, data["site_id"])
        group_id = data.get("group_id") or new_id()
        if db.get(groups.Group, group_id) is not None:
            raise groups.GroupKnownAlready(field="group_id", rule="must be new")
        facilitator = db.get(clinicians.Clinician, data["facilitator_id"])
        if facilitator is None or facilitator.site_id != site.site_id:
            raise clinicians.NoSuchClinician(field="facilitator_id", rule="must be a clinician of the site")
        led = tables.groups_of_site(db, site_id=site.site_id)
        elsewhere = planning.spans_of_facilitators(led).get(facilitator.clinician_id, [])
        hours = tables.hours_taken(db, site_id=site.site_id, besides=None)
        elsewhere += [hour.span() for hour in hours.get(facilitator.clinician_id, ())]
        room = grouping.room_of(db, data["room_id"]) if "room_id" in data else None
        group = groups.open_group(
            group_id=group_id,
            site_id=site.site_id,
            kind=data["kind"],
            modality=data["modality"],
            track=data["track"],
            weekdays=data["weekdays"],
            starts=data.get("starts"),
            ends=data.get("ends"),
            clinical_minutes=data.get("clinical_minutes"),
            capacity=data.get("capacity"),
            facilitator=facilitator,
            enrolment=data["enrolment"],
            cohort_begins_on=data.get("cohort_begins_on"),
            mode=data.get("mode"),
            room=room,
            block_reason=data.get("block_reason"),
            taken=elsewhere,
            today=weeks.local_day(at=call.now, zone=site.time_zone),
            now=call.now,
        )
        db.add(group)
        announce_all(db, [*group.tell_places({}, now=call.now), *group.ask_for_reason(now=call.now)])
        db.flush()
        if room is not None:
            grouping.take_room(db, group, room, site, now=call.now)
        planning.help_those_without_week(db, site, at=call.now, at_most=planning.TRIED_AT_ONCE)
        return _group_view(group, taken=tables.numbers_taken(db, site_id=site.site_id))

    @command(schemas.ExplainBlock, roles=_STAFFING)
    def explain_block(self, db: Session, call: Call) -> dict[str, Any]:
        """Say why a counselling group is shorter than three hours."""
        group, site = grouping.locked(db, call.data["group_id"])
        announce_all(db, group.explain_block(call.data["reason"], now=call.now))
        return _group_view(group, taken=tables.numbers_taken(db, site_id=site.site_id))

    @command(schemas.ChangeEnrolment, roles=(*roles.CARE_TEAM, roles.OPERATIONS))
    def change_enrolment(self, db: Session, call: Call) -> dict[str, Any]:
        """Close a group to newcomers, or open it again."""
        # The site is locked first, as by everybody who plans; whoever books waits for this group alone.
        group, site = grouping.locked(db, call.data["group_id"])
        tables.lock_group(db, group_id=group.group_id)
        group.check_runs()
        group.change_enrolment(
            call.data["enrolment"],
            begins_on=call.data.get("cohort_begins_on"),
            today=weeks.local_day(at=call.now, zone=site.time_zone),
        )
        announce_all(db, vacancies.of_site(db, site_id=site.site_id, now=call.now))
        planning.help_those_without_week(db, site, at=call.now, at_most=planning.TRIED_AT_ONCE)
        return _group_view(group, taken=tables.numbers_taken(db, site_id=site.site_id))

    @command(schemas.MoveGroup, roles=_STAFFING)
    def move_group(self, db: Session, call: Call) -> dict[str, Any]:
        """Have a group meet in another room from now on, its sessions to come included."""
        group, site = grouping.locked(db, call.data["group_id"])
        group.check_runs()
        room_id = call.data["room_id"]
        room = grouping.room_of(db, room_id) if room_id is not None else None
        grouping.move(db, group, room, site, now=call.now)
        return _group_view(group, taken=tables.numbers_taken(db, site_id=site.site_id))

    @command(
        schemas.EndGroup,
        roles=_STAFFING,
        long=True,
        first=lambda db, call: grouping.group_of(db, call.data["group_id"]),
    )
    def end_group(self, db: Session, call: Call) -> dict[str, Any]:
        """End a group, and find another week for each of its members that moves as little as can be.

        For whom there is none, what is left of the week stays, and the front desk is asked.
        """
        group, site = grouping.locked(db, call.data["group_id"])
        ending = grouping.end(db, group, reason=call.data["reason"], now=call.now)
        for one in ending.members:
            planning.replan(
                db,
                site,
                one.plan,
                one.episode,
                one.patient,
                gone=one.gone,
                hour_gone=False,
                at=call.now,
                because=GROUP_ENDED,
            )
        # Whoever moved later may have left the very place that somebody before them lacked.
        for one in ending.left:
            found = planning.find_week(
                db,
                one.plan,
                one.episode,
                one.patient,
                planning.timetable_of(db, one.plan, site_id=site.site_id, since=call.now),
                at=call.now,
                known=one.plan.reason,
                because=GROUP_ENDED,
            )
            announce_all(db, found)
        planning.help_those_without_week(
            db, site, at=call.now, at_most=planning.TRIED_AT_ONCE, says_why=False
        )
        announce_all(db, vacancies.of_site(db, site_id=site.site_id, now=call.now))
        announce(db, ending.told())
        return grouping.ending_view(db, ending)

    @command(schemas.AdoptCurriculum, roles=_STAFFING)
    def adopt_curriculum(self, db: Session, call: Call) -> dict[str, Any]:
        """Take a curriculum into a site's catalogue."""
        site = planning.locked_site(db, call.data["site_id"])
        curriculum = teaching.adopt(db, site, call.data, by=call.actor.actor_id, now=call.now)
        return teaching.curriculum_view(curriculum, group_ids=())

    @command(schemas.FollowCurriculum, roles=_STAFFING)
    def follow_curriculum(self, db: Session, call: Call) -> dict[str, Any]:
        """Have a group follow a curriculum of its site's catalogue."""
        data = call.data
        group = grouping.group_of(db, data["group_id"])
        site = planning.locked_site(db, group.site_id)
        # Whoever held the lock before may have changed the group.
        db.refresh(group)
        teaching.follow(
            db,
            site,
            group,
            curriculum_id=data["curriculum_id"],
            since=data.get("since"),
            first_module=data["first_module"],
            pace=data["pace"],
            now=call.now,
        )
        return _group_view(group, taken=tables.numbers_taken(db, site_id=site.site_id))

    @question(schemas.ListCurricula)
    def list_curricula(self, db: Session, call: Call) -> dict[str, Any]:
        """Return a site's catalogue of curricula, each with the groups that follow it."""
        return {"items": teaching.catalogue_view(db, site_id=call.data.get("site_id")), "next": None}

    @question(schemas.ListManuals)
    def list_manuals(self, db: Session, call: Call) -> dict[str, Any]:
        """Return the manuals that can be adopted, in their newest versions."""
        newest = [versions[-1] for versions in manuals.all_manuals().values()]
        return answer_of(schemas.Manuals, {"items": newest, "next": None})

    @question(schemas.GetCurriculumProgress, roles=(*STAFF, roles.PATIENT))
    def get_curriculum_progress(self, db: Session, call: Call) -> dict[str, Any]:
        """Return what a patient completed of what is taught, what they missed, and when it comes again."""
        episode = db.get(records.Episode, call.data["episode_id"])
        if episode is None or episode.site_id is None:
            raise records.NoSuchEpisode(field="episode_id", rule="must be an episode")
        _own_or_not_there(call, patient_id=episode.patient_id)
        return teaching.progress_view(db, episode=episode, now=call.now)

    @question(schemas.ListClinicians)
    def list_clinicians(self, db: Session, call: Call) -> dict[str, Any]:
        """Return the clinicians, with what they may do today."""
        found = tables.clinicians_of_site(db, site_id=call.data.get("site_id"))
        sites = {site_id: tables.site_of(db, site_id=site_id) for site_id in {one.site_id for one in found}}
        today = {
            site_id: weeks.local_day(at=call.now, zone=site.time_zone)
            for site_id, site in sites.items()
            if site
        }
        items = [_clinician_view(clinician, today=today[clinician.site_id]) for clinician in found]
        return {"items": items, "next": None}

    @question(schemas.ListGroups)
    def list_groups(self, db: Session, call: Call) -> dict[str, Any]:
        """Return the groups, with their free places."""
        found = [
            group
            for group in tables.groups_of_site(db, site_id=call.data.get("site_id"))
            if call.data["ended"] or group.ended_at is None
        ]
        taken: dict[tuple[str, int], set[int]] = {}
        for site_id in sorted({group.site_id for group in found}):
            taken |= tables.numbers_taken(db, site_id=site_id)
        return {"items": [_group_view(group, taken=taken) for group in found], "next": None}

    @question(schemas.ListCohorts)
    def list_cohorts(self, db: Session, call: Call) -> dict[str, Any]:
        """Return what became of the people of each group of a site."""
        site = tables.site_of(db, site_id=call.data["site_id"])
        if site is None:
            raise records.NoSuchSite(field="site_id", rule="must be a site")
        return {"items": cohorts.stability_view(db, site=site, now=call.now), "next": None}

    # --- Obligations ------------------------------------------------------------------------------

    @command(schemas.DeclareObligations, roles=(*STAFF, roles.PATIENT))
    def declare_obligations(self, db: Session, call: Call) -> dict[str, Any]:
        """Replace what binds a patient's week; a standing week that it meets is planned anew."""
        data = call.data
        _own_or_not_there(call, patient_id=data["patient_id"])
        known = tables.lock_to_declare(
            db, patient_id=data["patient_id"], site_id=data["site_id"], after=call.now
        )
        if known is None:
            raise records.NoSuchPatient(field="patient_id", rule="must be a patient referred here")
        patient, site = known.patient, known.site
        if site is None:
            raise records.NoSuchSite(field="site_id", rule="must be a site")
        patient.declare(
            bound_by=tuple(obligations.Obligation(**declared) for declared in data["obligations"]),
            site_id=site.site_id,
            now=call.now,
        )
        if "wishes" in data:
            patient.wishes = data["wishes"]
        fit = planning.fit_of_tracks(patient, known.groups)
        announce(
            db,
            ObligationFitFound(
                patient_id=patient.patient_id,
                journey_id=patient.journey_id,
                site_id=site.site_id,
                best_track=fit[0].track,
                placeable_minutes=fit[0].placeable_minutes,
                required_minutes=fit[0].required_minutes,
                found_at=call.now,
                tracks=tuple(one.track for one in fit),
                placeable_by_track=tuple(one.placeable_minutes for one in fit),
            ),
        )
        if known.sits_by_hand:
            seating.give_up_bound(
                db, patient, bound_by=patient.obligations(), zone=site.time_zone, now=call.now
            )
        if known.present_episode is not None:
            planning.keep_week_clear(db, patient, known.present_episode, now=call.now)
        return _obligations_view(patient, fit)

    @question(schemas.GetObligations, roles=(*STAFF, roles.PATIENT))
    def get_obligations(self, db: Session, call: Call) -> dict[str, Any]:
        """Return what binds a patient's week, and how the tracks fit around it today."""
        _own_or_not_there(call, patient_id=call.data["patient_id"])
        patient = db.get(records.Patient, call.data["patient_id"])
        if patient is None:
            raise records.NoSuchPatient(field="patient_id", rule="must be a patient referred here")
        fit: tuple[obligations.TrackFit, ...] = ()
        if patient.obligations_site_id:
            own = tables.groups_of_site(db, site_id=patient.obligations_site_id)
            fit = planning.fit_of_tracks(patient, own)
        return _obligations_view(patient, fit)

    # --- Weekly plans -----------------------------------------------------------------------------

    @question(schemas.GetWeeklyPlan, roles=(*STAFF, roles.PATIENT))
    def get_weekly_plan(self, db: Session, call: Call) -> dict[str, Any]:
        """Return the standing week of an episode."""
        plan = tables.plan_of(db, episode_id=call.data["episode_id"])
        if plan is None:
            raise plans.NoSuchPlan(field="episode_id", rule="must be an admitted episode")
        _own_or_not_there(call, patient_id=plan.patient_id)
        places = tables.places_of(db, plan_ids=[plan.plan_id])[plan.plan_id]
        by_id = {group.group_id: group for group in tables.groups_of_site(db, site_id=plan.site_id)}
        return _plan_view(plan, places, by_id)

    @command(schemas.ConfirmWeeklyPlan, roles=(*STAFF, roles.PATIENT))
    def confirm_weekly_plan(self, db: Session, call: Call) -> dict[str, Any]:
        """Take the patient's agreement to the week that was proposed, from the app or by word of mouth."""
        plan = tables.plan_of(db, episode_id=call.data["episode_id"])
        if plan is None:
            raise plans.NoSuchPlan(field="episode_id", rule="must be an admitted episode")
        _own_or_not_there(call, patient_id=plan.patient_id)
        timetable = planning.timetable_of(db, plan, site_id=plan.site_id, since=call.now)
        places = timetable.places[plan.plan_id]
        if plan.confirm(version=call.data.get("version"), at=call.now):
            days = {place.weekday for place in places} | {plan.individual_weekday} - {None}
            first = tables.seats_of_episode(
                db, episode_id=plan.episode_id, since=call.now, until=None, after=None, at_most=1
            )
            starts_at = first[0][0].starts_at if first else call.now
            announce(db, plan.confirmation(days=len(days), first_session_at=starts_at))
            announce_all(db, plan.settle_confirmation(outcome="DONE", at=call.now))
            cancel_timer(db, "week_unconfirmed", key=plan.plan_id)
        return _plan_view(plan, places, timetable.groups)

    @command(schemas.AgreeStepDown, roles=_DECIDING)
    def agree_step_down(self, db: Session, call: Call) -> dict[str, Any]:
        """Agree with a patient on fewer hours than the level asks for, and plan the week on them."""
        plan, episode, patient, site = planning.planned(db, call.data["episode_id"])
        today = weeks.local_day(at=call.now, zone=site.time_zone)
        before = step_downs.in_force(episode, on=today)
        agreed = step_downs.agree(
            episode,
            agreement_id=new_id(),
            weekly_minutes=call.data["weekly_minutes"],
            days=call.data["days"],
            begins_on=call.data.get("begins_on"),
            ends_on=call.data["ends_on"],
            by=call.actor,
            today=today,
            now=call.now,
        )
        announce_all(db, agreed)
        turned = step_downs.in_force(episode, on=today) != before
        planning.heed_step_down(db, plan, episode, patient, site, turned=turned, now=call.now)
        return _step_downs_view(episode)

    @command(schemas.EndStepDown, roles=_DECIDING)
    def end_step_down(self, db: Session, call: Call) -> dict[str, Any]:
        """End an agreed step-down from today on, and plan the hours of the level again."""
        plan, episode, patient, site = planning.planned(db, call.data["episode_id"])
        today = weeks.local_day(at=call.now, zone=site.time_zone)
        before = step_downs.in_force(episode, on=today)
        announce_all(db, step_downs.end(episode, by=call.actor, today=today, now=call.now))
        turned = step_downs.in_force(episode, on=today) != before
        planning.heed_step_down(db, plan, episode, patient, site, turned=turned, now=call.now)
        return _step_downs_view(episode)

    @question(schemas.ListStepDowns, roles=(*STAFF, roles.PATIENT))
    def list_step_downs(self, db: Session, call: Call) -> dict[str, Any]:
        """Return what was agreed with a patient on fewer hours."""
        episode = db.get(records.Episode, call.data["episode_id"])
        if episode is None:
            raise records.NoSuchEpisode(field="episode_id", rule="must be an episode")
        _own_or_not_there(call, patient_id=episode.patient_id)
        return _step_downs_view(episode)

    @question(schemas.ListPatientSessions, roles=(*STAFF, roles.PATIENT))
    def list_patient_sessions(self, db: Session, call: Call) -> dict[str, Any]:
        """Return the sessions in which an episode has, or had, a seat."""
        data = call.data
        episode = db.get(records.Episode, data["episode_id"])
        if episode is None:
            raise records.NoSuchEpisode(field="episode_id", rule="must be an episode")
        _own_or_not_there(call, patient_id=episode.patient_id)
        found = tables.seats_of_episode(
            db,
            episode_id=data["episode_id"],
            since=data.get("from_"),
            until=data.get("to"),
            after=_read_cursor(data.get("after")),
            at_most=data["limit"],
        )
        items = [{**_columns(session), **_columns(seat)} for seat, session in found]
        last = (found[-1][0].starts_at, found[-1][0].seat_id) if len(found) == data["limit"] else None
        return answer_of(schemas.PatientSessions, {"items": items, "next": _write_cursor(last)})

    # --- Sessions ---------------------------------------------------------------------------------

    @question(schemas.ListSessions)
    def list_sessions(self, db: Session, call: Call) -> dict[str, Any]:
        """Return sessions by start, each with how many seats are in which state."""
        data = call.data
        found = tables.page_of_sessions(
            db,
            site_id=data.get("site_id"),
            since=data.get("from_"),
            until=data.get("to"),
            after=_read_cursor(data.get("after")),
            at_most=data["limit"],
        )
        last = (found[-1]["starts_at"], found[-1]["session_id"]) if len(found) == data["limit"] else None
        return {"items": [day.session_item(one) for one in found], "next": _write_cursor(last)}

    @question(schemas.GetSession)
    def get_session(self, db: Session, call: Call) -> dict[str, Any]:
        """Return a session with its roster."""
        session = db.get(attendance.Session, call.data["session_id"])
        if session is None:
            raise attendance.NoSuchSession(field="session_id", rule="must be a session")
        return _session_view(session, tables.seats_of(db, session_id=session.session_id))

    @command(schemas.CheckIn, roles=(*_DESK_AND_CARE, roles.PATIENT))
    def check_in(self, db: Session, call: Call) -> dict[str, Any]:
        """Note that a patient is at the door, by the desk or by the patient's own app.

        Whoever comes late to a group by their own app waits: that is kept, and somebody asks who leads it.
        """
        roster, seat = self._seat_at_door(db, call)
        session = roster.session
        if call.actor.role == roles.PATIENT and "arrived_at" in call.data:
            raise attendance.TimesDoNotFit(field="arrived_at", rule="is for the desk to enter")
        told = session.mode == "IN_PERSON" or db.get(telehealth.Visit, seat.seat_id) is not None
        if not told or (session.mode != "IN_PERSON" and seat.not_seen_because is not None):
            raise telehealth.WhereaboutsNeeded
        arrival = None
        if joining.needs_facilitator(db, session, seat, call):
            arrival, caused = joining.turn_away(db, roster, seat, call, reason="ENTRY_NEEDS_FACILITATOR")
        else:
            caused = seat.check_in(
                session=session,
                arrived_at=call.data.get("arrived_at", call.now),
                past=day.past_of(db, seat),
                now=call.now,
            )
        self._after_marks(db, roster, caused, now=call.now)
        return joining.joined_view(roster, seat, arrival)

    @command(schemas.CheckOut, roles=(*_DESK_AND_CARE, roles.PATIENT))
    def check_out(self, db: Session, call: Call) -> dict[str, Any]:
        """Note that a patient leaves, and hear whether they are safe."""
        roster, seat = self._seat_at_door(db, call)
        refused = None
        if call.actor.role == roles.PATIENT and "left_at" in call.data:
            refused = attendance.TimesDoNotFit(field="left_at", rule="is for the desk to enter")
        answer, left_at = call.data["answer"], call.data.get("left_at", call.now)
        left = day.check_out(
            db, roster.session, seat, answer=answer, left_at=left_at, refused=refused, now=call.now
        )
        self._after_marks(db, roster, left.caused, now=call.now)
        return day.checked_out_view(roster, seat, answer=answer, left=left)

    @command(schemas.AddWalkIn, roles=_DESK_AND_CARE)
    def add_walk_in(self, db: Session, call: Call) -> dict[str, Any]:
        """Seat and check in a patient who came without having been booked."""
        tables.hold_enrolment(db, session_ids=[call.data["session_id"]])
        roster = tables.lock_roster(db, session_id=call.data["session_id"])
        seat, caused = day.walk_in(
            db,
            roster,
            patient_id=call.data["patient_id"],
            arrived_at=call.data.get("arrived_at", call.now),
            now=call.now,
        )
        self._after_marks(db, roster, caused, now=call.now)
        return answer_of(schemas.Seat, _columns(seat))

    @command(schemas.RecordRoster, roles=_DESK_AND_CARE)
    def record_roster(self, db: Session, call: Call) -> dict[str, Any]:
        """Take a whole group's marks and what they answered on leaving; the same again changes nothing."""
        roster = tables.lock_roster(db, session_id=call.data["session_id"])
        caused = rostering.record(db, roster, call)
        self._after_marks(db, roster, caused, now=call.now)
        return rostering.taken_view(roster, call)

    @command(schemas.ExcuseAbsence, roles=(*_DESK_AND_CARE, roles.PATIENT))
    def excuse_absence(self, db: Session, call: Call) -> dict[str, Any]:
        """Excuse a patient's absence from one session."""
        roster, seat = self._seat_at_door(db, call)
        session = roster.session
        if call.actor.role == roles.PATIENT and "noticed_at" in call.data:
            raise attendance.TimesDoNotFit(field="noticed_at", rule="is for the desk to enter")
        caused = seat.excuse(
            session=session,
            reason=call.data["reason"],
            noticed_at=call.data.get("noticed_at", call.now),
            past=day.past_of(db, seat),
            now=call.now,
        )
        if "note" in call.data:
            seat.note = call.data["note"]
        self._after_marks(db, roster, caused, now=call.now)
        if seat.number is not None:
            self._free_excused(db, session, seat, now=call.now)
        return answer_of(schemas.Seat, _columns(seat))

    @command(schemas.CorrectAttendance, roles=_DESK_AND_CARE)
    def correct_attendance(self, db: Session, call: Call) -> dict[str, Any]:
        """Put one mark right; what it caused elsewhere is withdrawn by what this announces."""
        seat = db.get(attendance.Seat, call.data["seat_id"])
        if seat is None:
            raise attendance.NoSuchSeat(field="seat_id", rule="must be a seat")
        roster = tables.lock_roster(db, session_id=seat.session_id)
        session = roster.session
        session.check_can_mark(now=call.now)
        past = tables.past_of(db, episode_ids=[seat.episode_id])
        session.note_mark(now=call.now)
        caused = seat.correct(
            mark=rostering.mark_of(call.data),
            session=session,
            past=past[seat.episode_id],
            now=call.now,
            although_they_came=call.data["although_they_came"],
        )
        self._after_marks(db, roster, caused, now=call.now)
        return answer_of(schemas.Seat, _columns(seat))

    @command(schemas.CancelSession, roles=(*_DESK_AND_CARE, roles.OPERATIONS))
    def cancel_session(self, db: Session, call: Call) -> dict[str, Any]:
        """Call a session off: nobody is absent from it."""
        roster = tables.lock_roster(db, session_id=call.data["session_id"])
        session, seats = roster.session, roster.seats
        past = tables.past_of(db, episode_ids=[seat.episode_id for seat in seats if seat.told])
        caused = session.cancel(reason=call.data["reason"], seats=seats, past=past, now=call.now)
        self._after_marks(db, roster, caused, now=call.now)
        queue = tables.waits_for(db, session_ids=[session.session_id]).get(session.session_id, [])
        seating.after_calling_off(db, session, queue, now=call.now)
        seating.nothing_to_decide(db, [session], now=call.now)
        return _session_view(session, seats)

    # --- The day ----------------------------------------------------------------------------------

    @question(schemas.GetToday, roles=_DESK_AND_CARE)
    def get_today(self, db: Session, call: Call) -> dict[str, Any]:
        """Return the day at a site: who is expected, who came, and of whom nothing is known."""
        site = tables.site_of(db, site_id=call.data["site_id"])
        if site is None:
            raise records.NoSuchSite(field="site_id", rule="must be a site")
        return day.today_view(db, site=site, day=call.data.get("day"), now=call.now)

    @question(schemas.GetAttendance, roles=(*STAFF, roles.PATIENT))
    def get_attendance(self, db: Session, call: Call) -> dict[str, Any]:
        """Return what an episode's patient attended: days, weeks, and minutes by modality."""
        episode = db.get(records.Episode, call.data["episode_id"])
        site = tables.site_of(db, site_id=episode.site_id) if episode and episode.site_id else None
        if episode is None or site is None:
            raise records.NoSuchEpisode(field="episode_id", rule="must be an episode")
        _own_or_not_there(call, patient_id=episode.patient_id)
        first, last = call.data.get("from_"), call.data.get("to")
        return day.attendance_view(db, episode=episode, site=site, first=first, last=last, now=call.now)

    @question(schemas.GetBalance, roles=(*STAFF, roles.PATIENT))
    def get_balance(self, db: Session, call: Call) -> dict[str, Any]:
        """Return how much the program holds a patient, and how much it gives way."""
        episode = db.get(records.Episode, call.data["episode_id"])
        site = tables.site_of(db, site_id=episode.site_id) if episode and episode.site_id else None
        plan = tables.plan_of(db, episode_id=call.data["episode_id"])
        if episode is None or site is None or plan is None:
            raise records.NoSuchEpisode(field="episode_id", rule="must be an admitted episode")
        _own_or_not_there(call, patient_id=episode.patient_id)
        return day.balance_view(db, episode=episode, site=site, plan=plan, now=call.now)

    # --- Session notes ----------------------------------------------------------------------------

    @command(schemas.WriteNote, roles=_CARE)
    def write_note(self, db: Session, call: Call) -> dict[str, Any]:
        """Write a note on a session, or on one patient's part in it; sign it at once where asked to."""
        roster = tables.lock_roster(db, session_id=call.data["session_id"])
        patient_id, text = call.data.get("patient_id"), call.data["text"]
        note, written = noting.write(
            db, roster, patient_id=patient_id, text=text, by=call.actor, now=call.now
        )
        if call.data["sign"]:
            caused = note.sign(by=call.actor, now=call.now)
            announce_all(db, noting.after_signature(db, roster, caused, written=written, now=call.now))
        return noting.note_view(note)

    @command(schemas.RewriteNote, roles=_CARE)
    def rewrite_note(self, db: Session, call: Call) -> dict[str, Any]:
        """Write a draft anew."""
        note, _ = noting.locked(db, call.data["note_id"])
        note.rewrite(text=call.data["text"], by=call.actor)
        return noting.notes_view(db, [note])[0]

    @command(schemas.SignNote, roles=_CARE)
    def sign_note(self, db: Session, call: Call) -> dict[str, Any]:
        """Sign a note as its author: from then on it does not change."""
        note, roster = noting.locked(db, call.data["note_id"])
        caused = note.sign(by=call.actor, now=call.now)
        announce_all(db, noting.after_signature(db, roster, caused, now=call.now))
        return noting.notes_view(db, [note])[0]

    @command(schemas.CosignNote, roles=_CARE)
    def cosign_note(self, db: Session, call: Call) -> dict[str, Any]:
        """Sign for what somebody without a licence wrote."""
        note, roster = noting.locked(db, call.data["note_id"])
        caused = note.cosign(by=call.actor, now=call.now)
        announce_all(db, noting.after_signature(db, roster, caused, now=call.now))
        return noting.notes_view(db, [note])[0]

    @command(schemas.AddAddendum, roles=_CARE)
    def add_addendum(self, db: Session, call: Call) -> dict[str, Any]:
        """Say more about a session whose note is signed."""
        note, _ = noting.locked(db, call.data["note_id"])
        db.add(note.add(addendum_id=new_id(), text=call.data["text"], by=call.actor, now=call.now))
        db.flush()
        return noting.notes_view(db, [note])[0]

    @question(schemas.ListSessionNotes, roles=_CARE)
    def list_session_notes(self, db: Session, call: Call) -> dict[str, Any]:
        """Return the notes on a session."""
        if db.get(attendance.Session, call.data["session_id"]) is None:
            raise attendance.NoSuchSession(field="session_id", rule="must be a session")
        found = tables.notes_of(db, session_ids=[call.data["session_id"]])[call.data["session_id"]]
        return {"items": noting.notes_view(db, found), "next": None}

    @question(schemas.ListUnsignedNotes, roles=(*_CARE, roles.OPERATIONS))
    def list_unsigned_notes(self, db: Session, call: Call) -> dict[str, Any]:
        """Return the sessions that need a signed note, the one due first first."""
        data = call.data
        found = tables.unsigned_notes(
            db,
            site_id=data.get("site_id"),
            facilitator_id=data.get("facilitator_id"),
            due_before=call.now if data["overdue"] else None,
            after=_read_cursor(data.get("after")),
            at_most=data["limit"],
        )
        last = found[-1] if len(found) == data["limit"] else None
        following = (last.note_due_at, last.session_id) if last and last.note_due_at else None
        return {"items": noting.unsigned_view(db, found, now=call.now), "next": _write_cursor(following)}

    # --- Feedback ---------------------------------------------------------------------------------

    @command(schemas.GiveFeedback, roles=(*_DESK_AND_CARE, roles.PATIENT))
    def give_feedback(self, db: Session, call: Call) -> dict[str, Any]:
        """Take a patient's word on a session; the last one counts."""
        _, seat = self._seat_at_door(db, call)
        feedback.check_can_rate(seat, now=call.now)
        given = day.rate(db, seat, rating=call.data["rating"], reason=call.data.get("reason"), now=call.now)
        return answer_of(schemas.Feedback, {**_columns(given), "reason": given.reason})

    @question(schemas.ListFeedback, roles=(*_CARE, roles.PATIENT))
    def list_feedback(self, db: Session, call: Call) -> dict[str, Any]:
        """Return what a patient said of their sessions."""
        data = call.data
        episode = db.get(records.Episode, data["episode_id"])
        if episode is None:
            raise records.NoSuchEpisode(field="episode_id", rule="must be an episode")
        _own_or_not_there(call, patient_id=episode.patient_id)
        after = _read_cursor(data.get("after"))
        found = tables.feedback_of_episode(
            db, episode_id=episode.episode_id, after=after, at_most=data["limit"]
        )
        last = (found[-1].starts_at, found[-1].seat_id) if len(found) == data["limit"] else None
        items = [{**_columns(given), "reason": given.reason} for given in found]
        return answer_of(schemas.Feedbacks, {"items": items, "next": _write_cursor(last)})

    # --- Calendars --------------------------------------------------------------------------------

    @question(schemas.GetPatientCalendar, roles=(*STAFF, roles.PATIENT))
    def get_patient_calendar(self, db: Session, call: Call) -> dict[str, Any]:
        """Return when a patient is to be somewhere."""
        patient_id = call.data["patient_id"]
        _own_or_not_there(call, patient_id=patient_id)
        since, until = calendars.stretch(call.data, now=call.now)
        found = tables.calendar_of_patient(db, patient_id=patient_id, since=since, until=until)
        if not found and db.get(records.Patient, patient_id) is None:
            raise records.NoSuchPatient(field="patient_id", rule="must be a patient referred here")
        return {"patient_id": patient_id, "items": calendars.entries(found)}

    @question(schemas.GetClinicianCalendar)
    def get_clinician_calendar(self, db: Session, call: Call) -> dict[str, Any]:
        """Return when a clinician is to be somewhere."""
        clinician_id = call.data["clinician_id"]
        since, until = calendars.stretch(call.data, now=call.now)
        found = tables.calendar_of_clinician(db, clinician_id=clinician_id, since=since, until=until)
        if not found and db.get(clinicians.Clinician, clinician_id) is None:
            raise clinicians.NoSuchClinician(field="clinician_id", rule="must be a clinician")
        return {"clinician_id": clinician_id, "items": calendars.entries(found)}

    @command(schemas.JoinByTelehealth, roles=(*_DESK_AND_CARE, roles.PATIENT))
    def join_by_telehealth(self, db: Session, call: Call) -> dict[str, Any]:
        """Check a patient in who takes part from afar, where the clinician may treat them where they are.

        Where not, or where they have to wait, keep that they came, and have somebody see to them. Whom the
        staff check in has a seat from then on, as who walks in.
        """
        caused: list[Event] = []
        if call.actor.role == roles.PATIENT:
            roster, seat = self._seat_at_door(db, call)
        else:
            patient_id = self._who_is_at_door(call)
            tables.hold_enrolment(db, session_ids=[call.data["session_id"]])
            roster = tables.lock_roster(db, session_id=call.data["session_id"])
            seat, caused = day.seated(db, roster, patient_id=patient_id, now=call.now)
            seating.write_down(db)
        session, site = roster.session, roster.site
        leader = db.get(clinicians.Clinician, session.facilitator_id)
        if site is None or leader is None:
            raise clinicians.NoSuchClinician(field="session_id", rule="must have a clinician")
        telehealth.check_from_afar(session)
        not_seen = telehealth.why_not_seen(
            session,
            clinician=leader,
            state=call.data["state"],
            on=weeks.local_day(at=call.now, zone=site.time_zone),
            needs_facilitator=joining.needs_facilitator(db, session, seat, call),
            privacy_attested=call.data["privacy_attested"],
        )
        arrival = None
        if not_seen is not None:
            arrival, came = joining.turn_away(db, roster, seat, call, reason=not_seen)
        else:
            came = joining.join(db, roster, seat, call)
        caused += came
        self._after_marks(db, roster, caused, now=call.now)
        return joining.joined_view(roster, seat, arrival)

    @question(schemas.GetTelehealthVisit, roles=_CARE)
    def get_telehealth_visit(self, db: Session, call: Call) -> dict[str, Any]:
        """Return where a patient is during a session, and the number to call."""
        visit = db.get(telehealth.Visit, call.data["seat_id"])
        seat = db.get(attendance.Seat, call.data["seat_id"])
        if visit is None or seat is None:
            raise telehealth.NoSuchVisit(field="seat_id", rule="must have joined from afar")
        return joining.visit_view(db, visit, patient_id=seat.patient_id)

    # --- Booking by hand --------------------------------------------------------------------------

    @command(schemas.BookSeat, roles=(*_DESK_AND_CARE, roles.PATIENT))
    def book_seat(self, db: Session, call: Call) -> dict[str, Any]:
        """Book a patient into a session, or put them on its waiting list."""
        patient_id = call.data.get("patient_id") or _own_id(call)
        if patient_id is None:
            raise InvalidInput(field="patient_id", rule="Missing data for required field.")
        _own_or_not_there(call, patient_id=patient_id)
        seat, wait = seating.book(
            db,
            session_id=call.data["session_id"],
            patient_id=patient_id,
            wait=call.data["wait"],
            now=call.now,
        )
        view = {
            "outcome": "BOOKED" if seat else "WAITING",
            "patient_id": patient_id,
            "seat": _columns(seat) if seat else None,
            "wait": wait,
        }
        return answer_of(schemas.Booking, view)

    @command(schemas.ReleaseSeat, roles=(*_DESK_AND_CARE, roles.PATIENT))
    def release_seat(self, db: Session, call: Call) -> dict[str, Any]:
        """Give back a seat that was booked by hand; it goes to whoever waits for it."""
        seat = seating.release(db, seat_id=call.data["seat_id"], patient_id=_own_id(call), now=call.now)
        return answer_of(schemas.Seat, _columns(seat))

    @command(schemas.SwapSeat, roles=(*_DESK_AND_CARE, roles.PATIENT))
    def swap_seat(self, db: Session, call: Call) -> dict[str, Any]:
        """Move a patient to an equivalent session of the same week."""
        seat = seating.swap(
            db,
            seat_id=call.data["seat_id"],
            to_session_id=call.data["to_session_id"],
            patient_id=_own_id(call),
            now=call.now,
        )
        return answer_of(schemas.Seat, _columns(seat))

    @command(schemas.MakeUpSession, roles=(*_DESK_AND_CARE, roles.PATIENT))
    def make_up_session(self, db: Session, call: Call) -> dict[str, Any]:
        """Book a session in place of a missed one of the same week."""
        seat = seating.make_up(
            db,
            seat_id=call.data["seat_id"],
            to_session_id=call.data["to_session_id"],
            patient_id=_own_id(call),
            now=call.now,
        )
        return answer_of(schemas.Seat, _columns(seat))

    @question(schemas.ListAlternatives, roles=(*STAFF, roles.PATIENT))
    def list_alternatives(self, db: Session, call: Call) -> dict[str, Any]:
        """Return the sessions that a seat can be swapped for, or made up in, by their start."""
        found = seating.alternatives(db, seat_id=call.data["seat_id"], patient_id=_own_id(call), now=call.now)
        own = seating.session_of(db, seat_id=call.data["seat_id"])
        items = [
            {
                **_columns(session),
                "free_seats": free,
                "same_module": curricula.same_lesson(own, session),
            }
            for session, free in found
        ]
        return answer_of(schemas.Alternatives, {"items": items, "next": None})

    @command(schemas.AcceptOffer, roles=(*_DESK_AND_CARE, roles.PATIENT))
    def accept_offer(self, db: Session, call: Call) -> dict[str, Any]:
        """Take a seat that was offered to somebody on a waiting list."""
        seat = seating.accept(db, wait_id=call.data["wait_id"], patient_id=_own_id(call), now=call.now)
        return answer_of(schemas.Seat, _columns(seat))

    @command(schemas.LeaveWaitingList, roles=(*_DESK_AND_CARE, roles.PATIENT))
    def leave_waiting_list(self, db: Session, call: Call) -> dict[str, Any]:
        """Wait no longer; a seat that was offered goes to the next."""
        wait = seating.leave_waiting_list(
            db, wait_id=call.data["wait_id"], patient_id=_own_id(call), now=call.now
        )
        return answer_of(schemas.Wait, wait)

    @question(schemas.ListWaits, roles=(*STAFF, roles.PATIENT))
    def list_waits(self, db: Session, call: Call) -> dict[str, Any]:
        """Return the entries of an episode on waiting lists."""
        episode = db.get(records.Episode, call.data["episode_id"])
        if episode is None:
            raise records.NoSuchEpisode(field="episode_id", rule="must be an episode")
        _own_or_not_there(call, patient_id=episode.patient_id)
        found = tables.waits_of_episode(db, episode_id=episode.episode_id)
        return answer_of(schemas.Waits, {"items": found, "next": None})

    @command(schemas.CloseSite, roles=(*_DESK_AND_CARE, roles.OPERATIONS))
    def close_site(self, db: Session, call: Call) -> dict[str, Any]:
        """Close a site for a while: everything that starts in it is called off, and counts for nobody.

        What begins before and reaches into it is named, and the counselor is asked to decide.
        """
        data = call.data
        site = planning.locked_site(db, data["site_id"])
        closing = seating.close_site(
            db,
            site,
            closed_from=data["closed_from"],
            closed_until=data["closed_until"],
            reason=data["reason"],
            now=call.now,
        )
        announce_all(db, dosing.weigh_called_off(db, closing.called_off, now=call.now))
        view = {
            **_columns(closing.closure),
            "cancelled_session_ids": [session.session_id for session in closing.called_off],
            "under_way_session_ids": [session.session_id for session in closing.under_way],
            "reaching_into_session_ids": [session.session_id for session in closing.reaching_into],
        }
        return answer_of(schemas.SiteClosure, view)

    @question(schemas.ListClosures)
    def list_closures(self, db: Session, call: Call) -> dict[str, Any]:
        """Return the closures of a site that are not over."""
        found = tables.closures_between(db, site_id=call.data["site_id"], since=call.now, until=None)
        return answer_of(schemas.Closures, {"items": found, "next": None})

    # --- Peers ------------------------------------------------------------------------------------

    @command(schemas.SetPeerPreference, roles=(*STAFF, roles.PATIENT))
    def set_peer_preference(self, db: Session, call: Call) -> dict[str, Any]:
        """Note whether a patient wants a peer; a no ends what is under way."""
        patient_id = call.data["patient_id"]
        _own_or_not_there(call, patient_id=patient_id)
        patient = tables.lock_patient(db, patient_id=patient_id)
        if patient is None:
            raise records.NoSuchPatient(field="patient_id", rule="must be a patient referred here")
        peering.prefer(db, patient, preference=call.data["preference"], now=call.now)
        view = {"patient_id": patient_id, "preference": patient.peers, "told_at": patient.peers_told_at}
        return answer_of(schemas.PeerPreference, view)

    @question(schemas.ListPeerOffers, roles=(*_CARE, roles.PATIENT))
    def list_peer_offers(self, db: Session, call: Call) -> dict[str, Any]:
        """Return what a patient was offered; who the other is only once both have agreed."""
        patient_id = call.data["patient_id"]
        _own_or_not_there(call, patient_id=patient_id)
        if db.get(records.Patient, patient_id) is None:
            raise records.NoSuchPatient(field="patient_id", rule="must be a patient referred here")
        return {"items": peering.offers_view(db, patient_id=patient_id), "next": None}

    @command(schemas.AnswerPeerOffer, roles=(*_CARE, roles.PATIENT))
    def answer_peer_offer(self, db: Session, call: Call) -> dict[str, Any]:
        """Take what one of two people says to a match, from the app or by word of mouth."""
        offer_id = call.data["offer_id"]
        match = peering.answer(
            db, offer_id=offer_id, said=call.data["answer"], patient_id=_own_id(call), now=call.now
        )
        is_newcomer = offer_id == match.newcomer_offer_id
        whose = match.newcomer_patient_id if is_newcomer else match.guide_patient_id
        return peering.offer_view(match, patient_id=whose)

    @command(schemas.DecidePeerMatch, roles=_CARE)
    def decide_peer_match(self, db: Session, call: Call) -> dict[str, Any]:
        """Confirm a match that was proposed, or decline it."""
        match = peering.decide(
            db,
            match_id=call.data["match_id"],
            confirm=call.data["decision"] == "CONFIRM",
            reason=call.data.get("reason"),
            by=call.actor,
            now=call.now,
        )
        return peering.match_view(match)

    @question(schemas.ListPeerMatches, roles=_CARE)
    def list_peer_matches(self, db: Session, call: Call) -> dict[str, Any]:
        """Return the matches of a site, the last proposed first."""
        found = tables.matches_of_site(db, site_id=call.data["site_id"])
        return {"items": [peering.match_view(match) for match in found], "next": None}

    # --- Timers -----------------------------------------------------------------------------------

    @on_timer("credential_watch")
    def watch_credentials(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask for renewals that are due, and tell of credentials that have run out."""
        clinician = staffing.clinician_of(db, timer.key)
        site = planning.locked_site(db, clinician.site_id)
        staffing.watch_credentials(db, clinician, site, now=now)

    @on_timer("treatment_plan_late")
    def plan_week_without_draft(self, db: Session, timer: Timer, now: datetime) -> None:
        """Find a week for somebody whose treatment plan was not drafted in time; it is heeded later."""
        plan, episode, patient = tables.plan_with_people(db, episode_id=timer.key)
        if plan.awaits_treatment_plan:
            timetable = planning.timetable_of(db, plan, site_id=plan.site_id, since=now)
            planning.begin_plan(db, plan, episode, patient, timetable, at=now, now=now)

    @on_timer(peering.TIMER)
    def look_for_peer(self, db: Session, timer: Timer, now: datetime) -> None:
        """Propose a peer for somebody who has been here for a week, or ask for one."""
        peering.seek(db, timer.key, now=now)

    @on_timer(vetting.CHECK_DUE)
    def ask_for_exclusion_check(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask somebody to look at the federal exclusion lists again."""
        vetting.watch(db, staffing.clinician_of(db, timer.key), now=now)

    @on_timer("seat_offer_over")
    def end_offer(self, db: Session, timer: Timer, now: datetime) -> None:
        """End an offer that nobody took, and offer the seat to the next."""
        seating.end_offer(db, wait_id=timer.key, now=now)

    @on_timer(teaching.MAKE_UP_OFFER_DUE)
    def tell_of_make_up(self, db: Session, timer: Timer, now: datetime) -> None:
        """Have somebody who stayed away told what they can make up in the same week."""
        announce_all(db, teaching.still_to_make_up(db, seat_id=timer.key, now=now))

    @on_timer("week_unconfirmed")
    def ask_for_confirmation(self, db: Session, timer: Timer, now: datetime) -> None:
        """Have somebody ask a patient who has not agreed to the proposed week in time."""
        plan = db.get(plans.WeeklyPlan, timer.key)
        if plan is None:
            return
        planning.locked_site(db, plan.site_id)
        # Whoever held the lock before may have changed the plan.
        db.refresh(plan)
        announce_all(db, plan.ask_for_confirmation(now=now))

    @on_timer(planning.STEP_DOWN_TURNS)
    def turn_step_down(self, db: Session, timer: Timer, now: datetime) -> None:
        """Plan a week anew on the day on which an agreed step-down begins or is over."""
        known = tables.plan_of(db, episode_id=timer.key)
        if known is not None and known.state != "ENDED":
            plan, episode, patient, site = planning.planned(db, timer.key)
            planning.heed_step_down(db, plan, episode, patient, site, turned=True, now=now)

    @on_timer("attendance_grace_over", at_once=JUDGED_AT_ONCE)
    def mark_no_shows(self, db: Session, due: list[Timer], now: datetime) -> None:
        """Say who did not come, or ask the facilitator where nobody was marked."""
        sessions = tables.lock_sessions(db, session_ids=[timer.key for timer in due])
        open_seats = tables.open_seats_of(db, session_ids=sessions)
        past = tables.past_of(
            db, episode_ids={seat.episode_id for seats in open_seats.values() for seat in seats}
        )
        for timer in due:
            session = sessions.get(timer.key)
            if session is None:
                raise attendance.NoSuchSession(field="session_id", rule="must be a session")
            because_of(db, timer)
            seats = open_seats[timer.key]
            caused = session.judge(seats=seats, past=past, now=now, door_closed_until=door_closed_until(db))
            missed = teaching.newly_missed(session, seats)
            announce_all(db, [*caused, *teaching.offer_again(db, session, missed, now=now)])
            for seat in seats:
                # The same patient may have missed the next one of these as well.
                past[seat.episode_id] += attendance.seen_in(session, seat)
            if session.roster_asked == "FACILITATOR":
                set_timer(db, "roster_overdue", key=session.session_id, due_at=now + attendance.ROSTER_DUE)

    @on_timer("roster_overdue")
    def ask_supervisor(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask the supervisor for a roster that the facilitator did not give."""
        roster = tables.lock_roster(db, session_id=timer.key)
        announce_all(db, roster.session.ask_supervisor(seats=roster.seats, now=now))

    @on_timer("session_over", at_once=OVER_AT_ONCE)
    def credit_check_ins(self, db: Session, due: list[Timer], now: datetime) -> None:
        """Credit those who checked in to a session whose roster never came, and ask for what is missing."""
        rosters = tables.lock_rosters(db, session_ids=[timer.key for timer in due])
        for timer in due:
            roster = rosters.get(timer.key)
            if roster is None:
                raise attendance.NoSuchSession(field="session_id", rule="must be a session")
            because_of(db, timer)
            self._credit(db, roster, now=now)

    def _credit(self, db: Session, roster: tables.Roster, *, now: datetime) -> None:
        """Credit those who checked in to one session that is over, and ask for what is missing."""
        session, seats = roster.session, roster.seats
        checked_in = [seat for seat in seats if seat.state == "CHECKED_IN"]
        past = tables.past_of(db, episode_ids=[seat.episode_id for seat in checked_in if seat.told])
        caused: list[Event] = []
        for seat in seats:
            caused += seat.credit_check_in(session=session, past=past.get(seat.episode_id, []), now=now)
            caused += check_outs.ask(seat, session=session, now=now)
        caused += check_outs.ask_for_question(session, seats=seats, now=now)
        if checked_in:
            self._after_marks(db, roster, caused, now=now)
            return
        # The roster has come, and what it caused was told with it: only check-outs are missing.
        announce_all(db, caused)
        self._watch(db, roster, now=now)

    @on_timer("remind_of_notes")
    def remind_of_notes(self, db: Session, timer: Timer, now: datetime) -> None:
        """Ask each clinician of a site for the oldest note that is overdue."""
        site = planning.locked_site(db, timer.key)
        noting.set_reminder(db, site_id=site.site_id, zone=site.time_zone, after=timer.due_at)
        announce_all(db, noting.remind(db, site_id=site.site_id, now=now))

    @on_timer("book_next_week")
    def book_next_week(self, db: Session, timer: Timer, now: datetime) -> None:
        """Book one more week for everybody in the program, and try again for those without a week."""
        site = planning.locked_site(db, timer.key)
        self._set_booking_timer(db, site.site_id, site.time_zone, after=timer.due_at)
        through = plans.licensed_through(at=timer.due_at, zone=site.time_zone)
        planning.look_at_licences(db, site, through=through, at=now)
        planning.help_those_without_week(db, site, at=now, at_most=None)
        # Groups that an older version opened are told of from now on.
        announce_all(db, vacancies.of_site(db, site_id=site.site_id, now=now))
        active = tables.active_plans(db, site_id=site.site_id)
        timetable = planning.timetable_of(db, *active, site_id=site.site_id, since=timer.due_at)
        _, scheduled = planning.book(db, timetable, active, after=timer.due_at, through=through)
        announce_all(db, scheduled)

    @on_timer("weigh_week")
    def weigh_week(self, db: Session, timer: Timer, now: datetime) -> None:
        """Compare what each patient attended in the week that ends with the floor of their level."""
        site = planning.locked_site(db, timer.key)
        self._set_weighing_timer(db, site.site_id, site.time_zone, after=timer.due_at)
        # A site that an older version opened has no reminder yet.
        noting.set_reminder(db, site_id=site.site_id, zone=site.time_zone, after=timer.due_at)
        monday = weeks.monday_of(weeks.local_day(at=timer.due_at, zone=site.time_zone))
        announce_all(db, dosing.weigh(db, site, week_starts_on=monday, at=timer.due_at))

    # --- Shared steps -----------------------------------------------------------------------------

    def _free_excused(
        self, db: Session, session: attendance.Session, seat: attendance.Seat, *, now: datetime
    ) -> None:
        """Give the seat of somebody who cannot come to whoever waits, while there is time."""
        if seat.state == "EXCUSED" and session.starts_at > now and session.kind != "INDIVIDUAL":
            seat.number = None
            seating.free_seats(db, [session.session_id], reason="EXCUSED", now=now)

    def _colleague(
        self, db: Session, clinician_id: str, *, of: clinicians.Clinician, field: str
    ) -> clinicians.Clinician:
        found = staffing.clinician_of(db, clinician_id, field=field)
        if found.site_id != of.site_id or found is of:
            raise clinicians.NoSuchClinician(field=field, rule="must be another clinician of the site")
        return found

    def _begin_rounds(self, db: Session, site_id: str, zone: str, *, after: datetime) -> None:
        noting.set_reminder(db, site_id=site_id, zone=zone, after=after)
        self._set_booking_timer(db, site_id, zone, after=after)
        self._set_weighing_timer(db, site_id, zone, after=after)

    def _set_booking_timer(self, db: Session, site_id: str, zone: str, *, after: datetime) -> None:
        due_at = weeks.next_weekly(
            after=after, weekday=plans.BOOKING_WEEKDAY, at=plans.BOOKING_TIME, zone=zone
        )
        set_timer(db, "book_next_week", key=site_id, due_at=due_at)

    def _set_weighing_timer(self, db: Session, site_id: str, zone: str, *, after: datetime) -> None:
        due_at = weeks.next_weekly(
            after=after, weekday=dose.WEIGHING_WEEKDAY, at=dose.WEIGHING_TIME, zone=zone
        )
        set_timer(db, "weigh_week", key=site_id, due_at=due_at)

    def _who_is_at_door(self, call: Call) -> str:
        """Return the patient that a request is about: whose token asks, where nobody is named."""
        named: str | None = call.data.get("patient_id")
        if call.actor.role == roles.PATIENT:
            if named not in (None, call.actor.actor_id):
                raise attendance.NoSuchSeat(field="patient_id", rule="must have a seat in the session")
            return call.actor.actor_id
        if named is None:
            raise InvalidInput(field="patient_id", rule="Missing data for required field.")
        return named

    def _seat_at_door(self, db: Session, call: Call) -> tuple[tables.Roster, attendance.Seat]:
        """Return the session's roster, locked, and the seat of the patient the request is about."""
        patient_id = self._who_is_at_door(call)
        roster = tables.lock_roster(db, session_id=call.data["session_id"])
        seat = attendance.seat_of(roster.seats, patient_id=patient_id)
        if seat is None:
            raise attendance.NoSuchSeat(field="patient_id", rule="must have a seat in the session")
        return roster, seat

    def _after_marks(self, db: Session, roster: tables.Roster, caused: list[Event], *, now: datetime) -> None:
        """Announce what marks caused, and what follows from them."""
        session, seats = roster.session, roster.seats
        missed, marked = teaching.newly_missed(session, seats), dosing.newly_marked(seats)
        seen = joining.seen_after_all(seats)
        seating.seat_returned(db, seats)
        for seat in seats:
            caused += check_outs.settle(seat, session=session, now=now)
        caused += check_outs.settle_question(session, seats=seats, now=now)
        # Told last; decided here, so that the session is written down once.
        settled = session.settle(seats=seats, now=now)
        caused += joining.need_no_call(db, seen, now=now)
        caused += teaching.offer_again(db, session, missed, now=now)
        caused += noting.after_marks(db, roster, now=now)
        # Last of all: who waits here for the turn has every row that others could wait for.
        caused += dosing.weigh_again(db, session, marked, now=now)
        announce_all(db, [*caused, *settled])
        self._watch(db, roster, now=now)

    def _watch(self, db: Session, roster: tables.Roster, *, now: datetime) -> None:
        """Keep only the timers of a session that still have something to watch."""
        session, seats = roster.session, roster.seats
        if not any(seat.state == "SCHEDULED" for seat in seats):
            cancel_timer(db, "attendance_grace_over", key=session.session_id)
        if session.roster_asked == "DONE":
            cancel_timer(db, "roster_overdue", key=session.session_id)
        waits_for_check_out = check_outs.waits_for_question(session, seats=seats, now=now) or any(
            check_outs.is_missing(seat, session=session) and not seat.check_out_asked for seat in seats
        )
        if waits_for_check_out or any(seat.state == "CHECKED_IN" for seat in seats):
            over_at = session.ends_at + attendance.CHECK_OUT_GRACE
            # After a late entry its check-out has a moment to be entered as well.
            if over_at <= now:
                over_at = now + attendance.CHECK_OUT_GRACE
            set_timer(db, "session_over", key=session.session_id, due_at=over_at)
        else:
            cancel_timer(db, "session_over", key=session.session_id)


def _own_or_not_there(call: Call, *, patient_id: str) -> None:
    """Let a patient see and change only what is their own."""
    if call.actor.role == roles.PATIENT and call.actor.actor_id != patient_id:
        raise records.NoSuchPatient


def _own_id(call: Call) -> str | None:
    """Return the patient whose token asks; None where the staff does."""
    return call.actor.actor_id if call.actor.role == roles.PATIENT else None


def _planned_view(session: attendance.Session) -> dict[str, Any]:
    return answer_of(schemas.PlannedSession, {**_columns(session), "counts": {}})


def _left_view(left: list[tuple[attendance.Session, str]]) -> list[dict[str, Any]]:
    return [{"session_id": session.session_id, "reason": reason} for session, reason in left]


def _columns(row: Any) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__mapper__.column_attrs}


def _clinician_view(clinician: clinicians.Clinician, *, today: date) -> dict[str, Any]:
    return answer_of(
        schemas.Clinician,
        {
            **_columns(clinician),
            "name": clinician.name,
            "may_lead": clinician.may_lead(on=today),
            "may_counsel": clinician.may_counsel(on=today),
        },
    )


def _group_view(group: groups.Group, *, taken: dict[tuple[str, int], set[int]]) -> dict[str, Any]:
    free = [group.capacity - len(taken.get((group.group_id, day), ())) for day in group.weekdays]
    return answer_of(schemas.Group, {**_columns(group), "free_places": free})


def _plan_view(
    plan: plans.WeeklyPlan, places: Iterable[plans.Place], by_id: dict[str, groups.Group]
) -> dict[str, Any]:
    explained = plan.explained or {}
    reasons = {(one["group_id"], one["weekday"]): one["reasons"] for one in explained.get("meetings", ())}
    blocks = [
        {
            **_columns(by_id[place.group_id]),
            "weekday": place.weekday,
            "reasons": reasons.get((place.group_id, place.weekday), []),
        }
        for place in places
    ]
    hour = plan.individual
    individual = (
        {
            "clinician_id": hour.clinician_id,
            "weekday": hour.weekday,
            "starts": hour.starts,
            "ends": hour.ends,
            "mode": hour.mode,
            "reasons": explained.get("individual", []),
        }
        if hour
        else None
    )
    return answer_of(
        schemas.WeeklyPlan,
        {
            **_columns(plan),
            "individual": individual,
            "blocks": blocks,
            "workshop_exception": explained.get("workshop_exception"),
            "wishes_not_met": explained.get("wishes_not_met", []),
            "obligations_to_relax": explained.get("obligations_to_relax", []) if plan.reason else [],
        },
    )


def _step_downs_view(episode: records.Episode) -> dict[str, Any]:
    agreed = step_downs.agreed_in(episode.step_downs)
    told = {"episode_id": episode.episode_id, "patient_id": episode.patient_id}
    return answer_of(schemas.AgreedStepDowns, {**told, "items": agreed, "next": None})


def _obligations_view(patient: records.Patient, fit: tuple[obligations.TrackFit, ...]) -> dict[str, Any]:
    return answer_of(
        schemas.Obligations,
        {
            "patient_id": patient.patient_id,
            "site_id": patient.obligations_site_id,
            "declared_at": patient.obligations_declared_at,
            "obligations": patient.obligations(),
            "wishes": patient.wished(),
            "fit": fit,
        },
    )


def _session_view(session: attendance.Session, seats: list[attendance.Seat]) -> dict[str, Any]:
    return answer_of(schemas.Session, day.with_roster(session, seats))


def _write_cursor(last: tuple[datetime, str] | None) -> str | None:
    return f"{write_moment(last[0])}_{last[1]}" if last else None


def _read_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    try:
        starts_at, _, row_id = cursor.partition("_")
        return read_moment(starts_at), Id().deserialize(row_id)
    except ValueError:
        raise InvalidInput(field="after", rule="must be the cursor of a page") from None
