"""What is asked of scheduling: clinicians, rooms, groups, sessions and seats, weeks, attendance, notes."""

from gateway import dangers
from gateway.forwarding import command, question
from gateway.routing import ATTENDANCE, OWN_PATH, SERVICE_GUARDS, WITHHELD
from services.scheduling import schemas as scheduling


class SchedulingRoutes:
    """The routes to scheduling."""

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
        information=ATTENDANCE,
    )
    join_by_telehealth = command(
        "/v1/sessions/{session_id}/telehealth-check-ins",
        scheduling.JoinByTelehealth,
        scheduling.Joined,
        scope="sessions:write",
        patients=SERVICE_GUARDS,
        information=ATTENDANCE,
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
        information=ATTENDANCE,
    )
    swap_seat = command(
        "/v1/seats/{seat_id}/swaps",
        scheduling.SwapSeat,
        scheduling.Seat,
        scope="bookings:write",
        patients=SERVICE_GUARDS,
        information=ATTENDANCE,
    )
    make_up_session = command(
        "/v1/seats/{seat_id}/make-ups",
        scheduling.MakeUpSession,
        scheduling.Seat,
        scope="bookings:write",
        patients=SERVICE_GUARDS,
        information=ATTENDANCE,
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
        information=ATTENDANCE,
    )
    leave_waiting_list = command(
        "/v1/waiting-list-entries/{wait_id}/withdrawal",
        scheduling.LeaveWaitingList,
        scheduling.Wait,
        scope="bookings:write",
        patients=SERVICE_GUARDS,
        information=ATTENDANCE,
    )
    list_waits = question(
        "/v1/episodes/{episode_id}/waiting-list-entries",
        scheduling.ListWaits,
        scheduling.Waits,
        many=True,
        scope="bookings:read",
        patients=SERVICE_GUARDS,
        information=ATTENDANCE,
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
    explain_block = command(
        "/v1/groups/{group_id}/block-reason",
        scheduling.ExplainBlock,
        scheduling.Group,
        status=200,
        scope="groups:write",
    )
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
        information=ATTENDANCE,
    )
    confirm_weekly_plan = command(
        "/v1/episodes/{episode_id}/weekly-plan/confirmation",
        scheduling.ConfirmWeeklyPlan,
        scheduling.WeeklyPlan,
        scope="weekly-plans:write",
        patients=SERVICE_GUARDS,
        information=ATTENDANCE,
    )
    agree_step_down = command(
        "/v1/episodes/{episode_id}/weekly-plan/step-downs",
        scheduling.AgreeStepDown,
        scheduling.AgreedStepDowns,
        scope="weekly-plans:write",
        information=ATTENDANCE,
    )
    list_step_downs = question(
        "/v1/episodes/{episode_id}/weekly-plan/step-downs",
        scheduling.ListStepDowns,
        scheduling.AgreedStepDowns,
        scope="weekly-plans:read",
        patients=SERVICE_GUARDS,
        information=ATTENDANCE,
    )
    end_step_down = command(
        "/v1/episodes/{episode_id}/weekly-plan/step-down-end",
        scheduling.EndStepDown,
        scheduling.AgreedStepDowns,
        scope="weekly-plans:write",
        status=200,
        information=ATTENDANCE,
    )
    list_patient_sessions = question(
        "/v1/episodes/{episode_id}/sessions",
        scheduling.ListPatientSessions,
        scheduling.PatientSessions,
        many=True,
        scope="sessions:read",
        patients=SERVICE_GUARDS,
        information=ATTENDANCE,
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
        information=ATTENDANCE,
    )
    check_in = command(
        "/v1/sessions/{session_id}/check-ins",
        scheduling.CheckIn,
        scheduling.Joined,
        scope="sessions:write",
        patients=SERVICE_GUARDS,
        information=ATTENDANCE,
    )
    check_out = command(
        "/v1/sessions/{session_id}/check-outs",
        scheduling.CheckOut,
        scheduling.CheckedOut,
        scope="sessions:write",
        patients=SERVICE_GUARDS,
        information=ATTENDANCE,
        hears=dangers.hear,
    )
    add_walk_in = command(
        "/v1/sessions/{session_id}/walk-ins",
        scheduling.AddWalkIn,
        scheduling.Seat,
        scope="sessions:write",
        information=ATTENDANCE,
    )
    record_roster = command(
        "/v1/sessions/{session_id}/roster",
        scheduling.RecordRoster,
        scheduling.RosterTaken,
        status=200,
        scope="sessions:write",
        information=ATTENDANCE,
        hears=dangers.hear,
    )
    excuse_absence = command(
        "/v1/sessions/{session_id}/excuses",
        scheduling.ExcuseAbsence,
        scheduling.Seat,
        scope="sessions:write",
        patients=SERVICE_GUARDS,
        information=ATTENDANCE,
    )
    correct_attendance = command(
        "/v1/seats/{seat_id}/corrections",
        scheduling.CorrectAttendance,
        scheduling.Seat,
        scope="sessions:write",
        information=ATTENDANCE,
    )
    cancel_session = command(
        "/v1/sessions/{session_id}/cancellation",
        scheduling.CancelSession,
        scheduling.Session,
        status=200,
        scope="sessions:write",
        information=ATTENDANCE,
    )

    get_attendance = question(
        "/v1/episodes/{episode_id}/attendance",
        scheduling.GetAttendance,
        scheduling.Attendance,
        scope="sessions:read",
        patients=SERVICE_GUARDS,
        information=ATTENDANCE,
    )
    get_balance = question(
        "/v1/episodes/{episode_id}/balance",
        scheduling.GetBalance,
        scheduling.Balance,
        scope="sessions:read",
        patients=SERVICE_GUARDS,
        information=ATTENDANCE,
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
