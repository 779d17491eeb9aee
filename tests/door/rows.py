"""A valid request for each command of the door, and every way in which it can be spoiled."""

import copy
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema, fields, validate

from gateway import openapi
from gateway.routing import Route
from gateway.service import Gateway
from services.intake.schemas import CriteriaMet
from services.scheduling.schemas import LocalTime
from shared.contracts import roles
from shared.contracts.event import SERVICES
from shared.ids import derived_id, new_id
from shared.instruments import newest
from shared.messaging import STAFF, ways_in
from shared.messaging.entrypoints import Command
from shared.schema_fields import Id, Moment
from tests.door.program import Program, assessment, person

#: Every command of the door, from its routes: a new route without a row here fails.
COMMANDS: dict[str, Route] = {name: route for name, route in openapi.routes_of(Gateway) if route.is_command}

#: Part of every spoiled value: an answer that holds it quotes what was sent.
MARK = "unmistakable"


@dataclass
class Row:
    """A request that would be understood: who sends it, about what, with which body."""

    ids: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    role: str = roles.CLINICIAN
    #: Fields of ids that need not be known: the caller makes them up, or nobody may learn who is a patient.
    free: tuple[str, ...] = ()


def _of_episode(who: str, **body: Any) -> Callable[[Program], Row]:
    return lambda program: Row({"episode_id": getattr(program, who).episode_id}, body)


def _of(name: str, **body: Any) -> Callable[[Program], Row]:
    return lambda program: Row({name: getattr(program, name)}, body)


_COMPONENTS = {"ongoing_therapy": "PRESENT", "support_groups": "DECLINED", "relapse_prevention": "PRESENT"}

ROWS: dict[str, Callable[[Program], Row]] = {
    "open_site": lambda program: Row(
        body={
            "site_id": new_id(),
            "name": "Elsewhere",
            "time_zone": "America/Chicago",
            "levels_licensed": ["2.1"],
            "emergency_phone": "+1 312 555 0142",
        },
        role=roles.OPERATIONS,
        free=("site_id",),
    ),
    "change_site": lambda program: Row(
        {"site_id": program.site_id},
        {
            "name": "Lakeshore",
            "time_zone": "America/Chicago",
            "emergency_phone": "+1 312 555 0199",
            "address": {
                "street": "1 North State Street",
                "city": "Chicago",
                "state": "IL",
                "zip_code": "60602",
                "latitude": 41.8821,
                "longitude": -87.6278,
            },
        },
        role=roles.OPERATIONS,
    ),
    "record_site_licence": lambda program: Row(
        {"site_id": program.site_id},
        {"level": "2.1", "number": "A-0815", "first_on": "2026-01-01", "last_on": "2035-12-31"},
        role=roles.OPERATIONS,
    ),
    "withdraw_site_licence": lambda program: Row(
        {"site_id": program.site_id, "licence_id": derived_id(program.site_id, "licence", "1")},
        {"because": "SURRENDERED", "withdrawn_on": "2035-12-31"},
        role=roles.OPERATIONS,
    ),
    "set_staffed_hours": lambda program: Row(
        {"site_id": program.site_id},
        {"hours": [{"weekday": 0, "starts": "08:00", "ends": "18:00"}]},
        role=roles.OPERATIONS,
    ),
    "take_self_check": lambda program: Row(
        body={"site_id": program.site_id, "checks": [{"instrument": "AUDIT_C", "answers": {"1": 0}}]}
    ),
    "submit_inquiry": lambda program: Row(
        body={
            "site_id": program.site_id,
            "consent": True,
            "self_check": [{"instrument": "AUDIT_C", "answers": {"1": 0}}],
        }
    ),
    "submit_pre_screen": _of("status_key", problems=["ALCOHOL"]),
    "record_call_back": _of("inquiry_id", outcome="REACHED"),
    "look_up_phone": lambda program: Row(body={"phone": "(312) 555-0143"}, role=roles.FRONT_DESK),
    "decide_inquiry": _of("inquiry_id", decision="ASSESSMENT_HERE"),
    "register_referral": lambda program: Row(
        body={"site_id": program.site_id, "referral_source": "7", "patient": person(29), "teds": {"SUB1": 2}}
    ),
    "register_partner_referral": lambda program: Row(
        body={
            "external_id": "MRN-0815",
            "site_id": program.site_id,
            "patient": person(27),
            "step_down": {
                "prior_level": "3.7",
                "discharged_on": "2026-02-01",
                "earlier_plan": {"problems": ["ALCOHOL"], "skills": ["URGE_SURFING"]},
            },
        }
    ),
    "record_step_down": _of_episode(
        "referred", prior_level="3.7", discharged_on="2026-02-01", earlier_plan={"skills": ["GROUNDING"]}
    ),
    "record_step_down_contact": _of("step_down_id", outcome="NO_ANSWER"),
    "record_discharge_summary": _of("step_down_id", medications_reconciled=True),
    "import_earlier_plan": _of("step_down_id", skills=["URGE_SURFING"]),
    "import_referrals": lambda program: Row(
        body={
            "site_id": program.site_id,
            "referral_source": "7",
            "rows": [{"line": 2, "patient": person(28)}],
        },
    ),
    "complete_assessment": lambda program: Row(
        {"episode_id": program.referred.episode_id},
        assessment(prior_stay={"level": "3.7", "discharged_on": "2026-01-30"}),
    ),
    "decide_level_of_care": lambda program: Row(
        {"episode_id": program.decided.episode_id},
        {"assessment_id": program.decided.assessment_id, "level": "2.1"},
    ),
    "answer_instrument": lambda program: Row(
        {"patient_id": program.treated.patient_id}, {"instrument": "GAD7", "answers": {"1": 0, "2": None}}
    ),
    "sign_rules": lambda program: Row(
        body={"pack": "PHQ9", "version": 1, "digest": newest("PHQ9").digest}, role=roles.MEDICAL_DIRECTOR
    ),
    "record_teds_codes": _of_episode("treated", teds={"VET": 2}),
    "record_eligibility_answer": lambda program: Row(
        {"patient_id": program.treated.patient_id},
        {"payer": "BLUE_IL", "status": "ACTIVE", "answered_at": "2026-02-02T15:00:00Z"},
    ),
    "import_eligibility_answers": lambda program: Row(
        body={"rows": [{"patient_id": program.treated.patient_id}]}
    ),
    "record_authorization": lambda program: Row(
        {"episode_id": program.treated.episode_id},
        {
            "coverage_id": program.coverage_id,
            "decision": "APPROVED",
            "units": 10,
            "first_on": "2026-02-02",
            "last_on": "2026-03-02",
            "decided_at": "2026-02-02T15:00:00Z",
        },
    ),
    "take_authorized_unit": _of("authorization_id", served_on="2026-02-06"),
    "release_authorized_unit": _of("authorization_id", served_on="2026-02-05"),
    "set_rate": lambda program: Row(
        {"site_id": program.site_id},
        {"payer": "SELF_PAY", "level": "2.1", "amount": 30000, "effective_on": "2026-01-01"},
        role=roles.SUPERVISOR,
    ),
    "estimate_cost": _of_episode("treated", units=36),
    "declare_self_pay": _of_episode("treated", reason="UNINSURED"),
    "use_cover": _of_episode("treated", used_from="2026-02-02", because="PATIENT_ASKED"),
    "assess_fee": _of_episode("treated", household_size=3, yearly_income=2_400_000, proof="PAY_STUBS"),
    "end_authorization": _of("authorization_id", last_on="2026-12-30"),
    "publish_program": lambda program: Row(
        body={
            "site_id": program.site_id,
            "street": "233 South Wacker Drive",
            "city": "Chicago",
            "state": "IL",
            "zip_code": "60606",
            "latitude": 41.8788,
            "longitude": -87.6359,
        },
        role=roles.OPERATIONS,
    ),
    "import_facilities": lambda program: Row(
        body={"rows": [{"name1": "Harbor Light Center"}]}, role=roles.OPERATIONS
    ),
    "record_program_credential": lambda program: Row(
        {"program_id": program.site_id},
        {
            "kind": "LICENCE",
            "body": "STATE",
            "number": "A-0816",
            "state": "IL",
            "levels": ["2.1"],
            "starts_at": "2026-01-01T00:00:00Z",
            "ends_at": "2030-01-01T00:00:00Z",
        },
        role=roles.OPERATIONS,
    ),
    "check_program_credential": lambda program: Row(
        {"credential_id": program.credential_id},
        {"found": "CONFIRMED", "evidence_hash": "0" * 64},
        role=roles.OPERATIONS,
    ),
    "grant_consent": lambda program: Row(
        {"patient_id": program.decided.patient_id},
        {"kind": "TPO", "information_classes": ["ATTENDANCE"], "recipient_id": new_id()},
        free=("recipient_id",),
    ),
    "revoke_consent": _of("consent_id"),
    "end_consent": _of("consent_id", event="END_OF_TREATMENT", occurred_at="2026-02-02T15:00:00Z"),
    "add_supporter": lambda program: Row(
        {"patient_id": program.treated.patient_id},
        {"role": "FRIEND", "reached_by": "IN_PERSON", "name": "Ottoline"},
    ),
    "tell_no_supporter": lambda program: Row({"patient_id": program.decided.patient_id}),
    "end_supporter": _of("supporter_id"),
    "record_triggers": _of_episode("treated", triggers=[{"trigger_code": "PAYDAY", "coping_tools": 1}]),
    "publish_privacy_notice": lambda program: Row(
        body={"edition": "2027-01", "digest": "a0" * 32}, role=roles.SUPERVISOR
    ),
    "give_privacy_notice": lambda program: Row({"patient_id": program.treated.patient_id}),
    "request_restriction": lambda program: Row(
        {"patient_id": program.treated.patient_id}, {"towards": "ANYONE"}
    ),
    "answer_restriction": lambda program: Row(
        {"restriction_id": program.restriction_id}, {"answer": "AGREE"}, role=roles.SUPERVISOR
    ),
    "end_restriction": _of("restriction_id"),
    "receive_legal_demand": lambda program: Row(
        body={
            "kind": "COURT_ORDER",
            "asker": "A court",
            "about": {"given_name": "Ada", "family_name": "Quill"},
        }
    ),
    "identify_demanded": lambda program: Row(
        {"demand_id": program.demand_id},
        {"patient_id": program.treated.patient_id},
        role=roles.SUPERVISOR,
    ),
    "settle_legal_demand": lambda program: Row(
        {"demand_id": program.demand_id},
        {"outcome": "NOTHING_DISCLOSED", "note": "No order."},
        role=roles.SUPERVISOR,
    ),
    "release_legal_hold": lambda program: Row({"demand_id": program.demand_id}, role=roles.SUPERVISOR),
    "request_record": lambda program: Row({"patient_id": program.treated.patient_id}),
    "deliver_record": lambda program: Row({"request_id": program.request_id}, role=roles.FRONT_DESK),
    "answer_record_request": lambda program: Row(
        {"request_id": program.request_id},
        {"extend": True, "reason": "The archive moved."},
        role=roles.SUPERVISOR,
    ),
    "stop_messages": lambda program: Row({"patient_id": program.decided.patient_id}),
    "allow_messages": lambda program: Row({"patient_id": program.decided.patient_id}),
    "add_contact_point": lambda program: Row(
        {"patient_id": program.decided.patient_id},
        {"kind": "PHONE", "address": "+1 312 555 0143", "message_safe": False},
    ),
    "change_contact_point": lambda program: Row(
        {"patient_id": program.treated.patient_id, "contact_point_id": program.contact_point_id},
        {"message_safe": True},
    ),
    "end_contact_point": lambda program: Row(
        {"patient_id": program.treated.patient_id, "contact_point_id": program.contact_point_id},
        {"why": "GIVEN_UP"},
    ),
    "set_contact_preferences": lambda program: Row(
        {"patient_id": program.decided.patient_id}, {"language": "ES"}
    ),
    "admit_patient": _of_episode("decided"),
    "refer_elsewhere": _of_episode("decided", program="Somewhere"),
    "record_referral_follow_up": _of("outward_referral_id", outcome="ARRIVED", number=2),
    "wait_for_admission": _of_episode("decided"),
    "accept_admission_offer": lambda program: Row({"wait_id": program.admission_wait_id}),
    "decline_admission_offer": lambda program: Row({"wait_id": program.admission_wait_id}),
    "remove_admission_wait": lambda program: Row(
        {"wait_id": program.admission_wait_id}, {"reason": "NO_LONGER_NEEDED"}
    ),
    "record_interim_services": lambda program: Row(
        {"wait_id": program.admission_wait_id},
        {"services": ["NALOXONE"], "provided_at": "2026-02-02T15:00:00Z"},
    ),
    "add_admission_seats": lambda program: Row(
        {"site_id": program.site_id}, {"seats": 1}, role=roles.SUPERVISOR
    ),
    "close_level_review": _of("review_id", outcome="STAY", note="Looked at it."),
    "add_clinician": lambda program: Row(
        body={
            "clinician_id": new_id(),
            "site_id": program.site_id,
            "credentials": [{"kind": "LCSW", "state": "IL", "expires_on": "2030-01-31"}],
        },
        role=roles.OPERATIONS,
        free=("clinician_id",),
    ),
    "open_group": lambda program: Row(
        body={
            "group_id": new_id(),
            "site_id": program.site_id,
            "track": "MORNING",
            "weekdays": [0, 2, 4],
            "facilitator_id": program.clinician_id,
        },
        role=roles.OPERATIONS,
        free=("group_id",),
    ),
    "explain_block": lambda program: Row(
        {"group_id": program.group_id}, {"reason": "MEMBERS_HOURS"}, role=roles.OPERATIONS
    ),
    "change_enrolment": _of("group_id", enrolment="CLOSED"),
    "move_group": lambda program: Row(
        {"group_id": program.group_id}, {"room_id": None}, role=roles.OPERATIONS
    ),
    # The work is done later: its job tells that there is no such group.
    "end_group": lambda program: Row(
        {"group_id": new_id()}, {"reason": "OTHER"}, role=roles.OPERATIONS, free=("group_id",)
    ),
    "adopt_curriculum": lambda program: Row(
        body={
            "curriculum_id": new_id(),
            "site_id": program.site_id,
            "title": "Evenings at home",
            "modality": "LIFE_SKILLS",
            "modules": [{"module_no": 1, "title": "Cooking", "skill_tags": ["NUTRITION"]}],
        },
        role=roles.SUPERVISOR,
        free=("curriculum_id",),
    ),
    "follow_curriculum": lambda program: Row(
        {"group_id": program.group_id}, {"curriculum_id": program.curriculum_id}, role=roles.SUPERVISOR
    ),
    "record_credential": lambda program: Row(
        {"clinician_id": program.clinician_id},
        {"kind": "LADC", "state": "WI", "expires_on": "2031-01-31"},
        role=roles.SUPERVISOR,
    ),
    "check_credential": lambda program: Row(
        {"clinician_id": program.clinician_id},
        {"kind": "LADC", "state": "IL", "source": "STATE_BOARD", "outcome": "CONFIRMED"},
        role=roles.SUPERVISOR,
    ),
    "record_exclusion_check": lambda program: Row(
        {"clinician_id": program.clinician_id},
        {"source": "OIG_LEIE", "finding": "CLEAR", "evidence_hash": "0" * 64},
        role=roles.SUPERVISOR,
    ),
    "record_absence": lambda program: Row(
        {"clinician_id": program.clinician_id},
        {"starts_at": "2027-01-04T08:00:00Z", "ends_at": "2027-01-05T08:00:00Z", "reason": "SICK"},
        role=roles.SUPERVISOR,
    ),
    "hand_over_caseload": lambda program: Row(
        {"clinician_id": program.clinician_id},
        {"to_clinician_id": program.colleague_id, "until": "2027-01-05T08:00:00Z"},
        role=roles.SUPERVISOR,
    ),
    "add_room": lambda program: Row(
        body={"room_id": new_id(), "site_id": program.site_id, "label": "Blue", "places": 12},
        role=roles.OPERATIONS,
        free=("room_id",),
    ),
    "plan_session": lambda program: Row(
        body={
            "site_id": program.site_id,
            "kind": "EDUCATION",
            "modality": "PROCESS",
            "facilitator_id": program.clinician_id,
            "starts_at": "2027-01-09T14:00:00Z",
            "ends_at": "2027-01-09T15:00:00Z",
            "capacity": 12,
            "curriculum_id": program.curriculum_id,
            "module_no": 1,
        },
        role=roles.SUPERVISOR,
    ),
    "assign_session": lambda program: Row(
        {"session_id": program.open_session_id},
        {"clinician_id": program.colleague_id},
        role=roles.SUPERVISOR,
    ),
    "book_seat": lambda program: Row(
        {"session_id": program.open_session_id}, {"patient_id": program.treated.patient_id}
    ),
    "join_by_telehealth": lambda program: Row(
        {"session_id": program.session_id},
        {
            "patient_id": program.treated.patient_id,
            "state": "IL",
            "place": "HOME",
            "call_back": "+1 555 0100",
            "whereabouts": "12 Elm Street",
        },
    ),
    "release_seat": lambda program: Row({"seat_id": program.booked_seat_id}),
    "swap_seat": lambda program: Row(
        {"seat_id": program.booked_seat_id}, {"to_session_id": program.open_session_id}
    ),
    "make_up_session": lambda program: Row(
        {"seat_id": program.booked_seat_id}, {"to_session_id": program.open_session_id}
    ),
    "accept_offer": _of("wait_id"),
    "leave_waiting_list": _of("wait_id"),
    "close_site": _of(
        "site_id",
        closed_from="2027-02-01T00:00:00Z",
        closed_until="2027-02-02T00:00:00Z",
        reason="WEATHER",
    ),
    "set_peer_preference": lambda program: Row(
        {"patient_id": program.treated.patient_id}, {"preference": "YES"}
    ),
    "answer_peer_offer": lambda program: Row({"offer_id": new_id()}, {"answer": "YES"}),
    "decide_peer_match": lambda program: Row({"match_id": new_id()}, {"decision": "CONFIRM"}),
    "declare_obligations": lambda program: Row(
        {"patient_id": program.treated.patient_id},
        {
            "site_id": program.site_id,
            "obligations": [{"kind": "WORK", "weekday": 1, "starts": "08:00", "ends": "16:00"}],
        },
    ),
    "agree_step_down": lambda program: Row(
        {"episode_id": program.treated.episode_id},
        {"weekly_minutes": 360, "days": 2, "patient_agrees": True},
    ),
    "end_step_down": lambda program: Row({"episode_id": program.treated.episode_id}),
    "confirm_weekly_plan": lambda program: Row({"episode_id": program.treated.episode_id}),
    "check_in": lambda program: Row(
        {"session_id": program.session_id}, {"patient_id": program.treated.patient_id}
    ),
    "check_out": lambda program: Row(
        {"session_id": program.session_id}, {"patient_id": program.treated.patient_id, "answer": "SAFE"}
    ),
    "add_walk_in": lambda program: Row(
        {"session_id": program.session_id}, {"patient_id": program.treated.patient_id}
    ),
    "write_note": _of("session_id", text="A quiet evening."),
    "rewrite_note": lambda program: Row({"note_id": new_id()}, {"text": "A quiet evening."}),
    "sign_note": lambda program: Row({"note_id": new_id()}),
    "cosign_note": lambda program: Row({"note_id": new_id()}),
    "add_addendum": lambda program: Row({"note_id": new_id()}, {"text": "It was longer."}),
    "give_feedback": lambda program: Row(
        {"session_id": program.session_id}, {"patient_id": program.treated.patient_id, "rating": 8}
    ),
    "write_attendance_letter": lambda program: Row(
        {"episode_id": program.treated.episode_id},
        {"purpose": "COURT", "recipient_id": "court-7", "recipient": "The clerk"},
    ),
    "open_patient_calendar": lambda program: Row({"patient_id": program.treated.patient_id}),
    "open_clinician_calendar": lambda program: Row({"clinician_id": program.clinician_id}),
    "revoke_calendar_address": lambda program: Row({"calendar_id": new_id()}),
    "record_roster": lambda program: Row(
        {"session_id": program.session_id}, {"marks": [{"seat_id": program.seat_id, "mark": "PRESENT"}]}
    ),
    "excuse_absence": lambda program: Row(
        {"session_id": program.session_id}, {"patient_id": program.treated.patient_id, "reason": "COURT"}
    ),
    "correct_attendance": _of("seat_id", mark="PRESENT"),
    "cancel_session": _of("session_id", reason="WEATHER"),
    "sign_treatment_plan": lambda program: Row({"plan_id": program.plan_id}, {"as": "CLINICIAN"}),
    "submit_check_in": _of_episode("treated", craving=3, mood=6, stress=4, sleep_hours=7.5, used=False),
    "order_drug_testing": _of_episode(
        "treated", mean_interval_days=4, longest_gap_days=7, reason="STABLE", paydays=[1]
    ),
    "end_drug_testing": lambda program: Row(
        {"order_id": program.testing_order_id}, {"reason": "OTHER_INTERVAL"}
    ),
    "record_drug_test": lambda program: Row(
        {"test_id": program.drug_test_id},
        # What it was positive for is left out: a danger in it is heard, however the rest is spoiled.
        {"outcome": "COLLECTED", "result": "NEGATIVE"},
    ),
    "log_outreach_attempt": _of("outreach_id", channel="CALL", outcome="NO_ANSWER"),
    "raise_safety_concern": lambda program: Row(
        body={"patient_id": program.treated.patient_id, "concern": "PHQ9_I9"},
        free=("patient_id", "episode_id"),
    ),
    "acknowledge_escalation": _of("escalation_id"),
    "close_escalation": _of("escalation_id", disposition="SAFE_PLAN_IN_PLACE"),
    "keep_staff_contact": lambda program: Row(
        body={"staff_id": new_id(), "role": roles.CLINICIAN, "address": "mailto:desk@example.org"},
        role=roles.SUPERVISOR,
        free=("staff_id",),
    ),
    "plan_on_call_shift": lambda program: Row(
        body={
            "staff_id": program.staff_id,
            "starts_at": "2026-06-01T08:00:00Z",
            "ends_at": "2026-06-01T20:00:00Z",
        },
        role=roles.SUPERVISOR,
    ),
    "withdraw_on_call_shift": lambda program: Row(
        {"shift_id": program.shift_id}, {"reason": "Swapped."}, role=roles.SUPERVISOR
    ),
    "attest_criterion": _of_episode(
        "treated", attestations=[{"criterion": "SUPPORT", "evidence": "SUPPORTER_NAMED"}]
    ),
    "graduate_patient": _of_episode("treated"),
    "discharge_patient": _of_episode("treated", reason_code="2"),
    "write_aftercare_plan": _of_episode(
        "treated", components=_COMPONENTS, goals="A quiet year.", relapse_prevention={"triggers": 3}
    ),
    "record_contact_attempt": _of("contact_id", channel="CALL", outcome="NO_ANSWER"),
    "report_lapse": lambda program: Row(
        body={"patient_id": program.treated.patient_id, "reported_by": "CALL", "substance": "ALCOHOL"}
    ),
    "claim_task": _of("task_id"),
    "hand_over_task": _of("task_id", to_role=roles.COUNSELOR, to_id="counselor-8"),
    "close_task": _of("task_id", outcome="DONE"),
    "retry_parked": lambda program: Row(
        {"item_id": new_id()}, {"service": "monitoring", "why": "Mended."}, role=roles.OPERATIONS
    ),
    "skip_parked": lambda program: Row(
        {"item_id": new_id()}, {"service": "monitoring", "why": "Done by hand."}, role=roles.OPERATIONS
    ),
    "jump_clock": lambda program: Row(body={"no_later_than": "2026-02-02T14:00:00Z"}, role=roles.OPERATIONS),
}


def entry_of(name: str) -> Command | None:
    """Return the way in of the service that a route leads to; none where the gateway answers itself."""
    service = COMMANDS[name].service
    if service not in SERVICES or service == "gateway":
        return None
    module = importlib.import_module(f"services.{service}.service")
    found = dict(ways_in(getattr(module, service.capitalize())))[name]
    assert isinstance(found, Command)
    return found


#: The roles that may use what the gateway does itself, by scope.
_OWN_ROLES: dict[str, tuple[str, ...]] = {
    "calendars:write": STAFF,
    "letters:write": (*roles.CARE_TEAM, roles.FRONT_DESK),
    "work:write": STAFF,
}


def roles_of(name: str) -> tuple[str, ...]:
    """Return the roles that may."""
    entry = entry_of(name)
    if entry is None:
        return _OWN_ROLES.get(COMMANDS[name].scope, (roles.OPERATIONS,)) + (
            (roles.PATIENT,) if COMMANDS[name].patients else ()
        )
    return tuple(entry.roles)


def schema_of(name: str) -> Schema:
    """Return the schema of what a command takes."""
    request = COMMANDS[name].request
    assert request is not None
    return request()


#: Where to put a value: the body is walked along this.
Place = tuple[str | int, ...]

#: In the place of a value: none at all.
NOTHING = object()


@dataclass
class Spoiled:
    """One thing that is wrong with a body."""

    place: Place
    value: Any

    @property
    def field(self) -> str:
        """How a refusal names it."""
        return ".".join(str(part) for part in self.place)

    def apply(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the body with this wrong."""
        return _without(body, self.place) if self.value is NOTHING else spoil(body, self.place, self.value)

    def leaves(self, other: "Spoiled") -> bool:
        """Return whether another thing can be wrong in the same body: neither stands within the other."""
        return any(one != two for one, two in zip(self.place, other.place, strict=False))


def together(spoiled: list[Spoiled]) -> Iterator[list[Spoiled]]:
    """Return what is wrong in as few bodies as can be."""
    left = spoiled
    while left:
        chosen: list[Spoiled] = []
        for one in left:
            if all(one.leaves(other) for other in chosen):
                chosen.append(one)
        yield chosen
        left = [one for one in left if one not in chosen]


def places(schema: Schema, row: Row) -> Iterator[tuple[Place, fields.Field[Any]]]:
    """Return every field of a request's body, also those that the row leaves out, but for ids of the path."""
    for place, one in _places(schema, row.body, ()):
        if place[0] not in row.ids:
            yield place, one


def _places(schema: Schema, body: Any, at: Place) -> Iterator[tuple[Place, fields.Field[Any]]]:
    for name, one in schema.load_fields.items():
        key = one.data_key or name
        place = (*at, key)
        yield place, one
        there = body.get(key) if isinstance(body, dict) else None
        yield from _inner(one, there, place)


def _inner(one: fields.Field[Any], there: Any, place: Place) -> Iterator[tuple[Place, fields.Field[Any]]]:
    if isinstance(one, fields.Nested):
        yield from _places(one.schema, there or {}, place)
    elif isinstance(one, fields.List) and there:
        yield (*place, 0), one.inner
        yield from _inner(one.inner, there[0], (*place, 0))


def spoil(body: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:
    """Return the body with another value at a place."""
    found = copy.deepcopy(body)
    node: Any = found
    for part in place[:-1]:
        if isinstance(part, str) and node.get(part) is None:
            node[part] = {}
        node = node[part]
    node[place[-1]] = value
    return found


def wrong_types(schema: Schema, row: Row) -> Iterator[Spoiled]:
    """Return values of another type for each field of the body."""
    for place, one in places(schema, row):
        for value in _wrong_for(one):
            yield Spoiled(place, value)


def _wrong_for(one: fields.Field[Any]) -> tuple[Any, ...]:
    if type(one) is fields.Raw:
        # TEDS codes: the rule that judges them is the service's own; rows of an import are its job's.
        return ({MARK: 1}, [MARK]) if one.metadata.get("enum") else ()
    if isinstance(one, fields.Nested | fields.List):
        return (MARK, 7)
    if isinstance(one, fields.Number):
        return ({MARK: 1}, MARK, True)
    if isinstance(one, fields.Boolean):
        return ({MARK: 1}, MARK, 17)
    if isinstance(one, fields.String):
        return ({MARK: 1}, [MARK], 7, True)
    if isinstance(one, CriteriaMet):
        return ({MARK: 1}, [MARK], MARK, 1.5, True)
    return ({MARK: 1}, [MARK], 7)


def missing(schema: Schema, row: Row) -> Iterator[Spoiled]:
    """Return that each field which the body needs is missing, and that there is nothing in it."""
    for place, one in places(schema, row):
        # What stands within something that was left out is not missing.
        if one.required and _is_there(row.body, place[:-1]) and place[-1] != 0:
            yield Spoiled(place, NOTHING)
            if not one.allow_none:
                yield Spoiled(place, None)


def _is_there(body: Any, place: Place) -> bool:
    node = body
    for part in place:
        if isinstance(node, dict) and node.get(str(part)) is None:
            return False
        node = node[part]
    return True


def _without(body: dict[str, Any], place: Place) -> dict[str, Any]:
    found = copy.deepcopy(body)
    node: Any = found
    for part in place[:-1]:
        node = node[part]
    node.pop(place[-1], None)
    return found


def unknown(schema: Schema, row: Row) -> Iterator[Spoiled]:
    """Return a field that nobody knows, at the top and in each part."""
    at: list[Place] = [(), *(place for place, one in places(schema, row) if isinstance(one, fields.Nested))]
    for place in at:
        yield Spoiled((*place, "no_such_field"), MARK)


def impossible_moments(schema: Schema, row: Row) -> Iterator[Spoiled]:
    """Return days and moments that do not exist."""
    for place, one in places(schema, row):
        for value in _impossible_for(one):
            yield Spoiled(place, value)


def _impossible_for(one: fields.Field[Any]) -> tuple[str, ...]:
    if isinstance(one, Moment):
        return (
            "2026-02-30T10:00:00Z",
            "2026-02-02T25:00:00Z",
            "2026-02-02T10:00:00",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-12:00",
            f"{MARK} noon",
        )
    if isinstance(one, fields.Date):
        return ("2026-02-30", "2026-13-01", "yesterday", "2026-02-02T10:00:00Z", "")
    if isinstance(one, LocalTime):
        return ("25:61", "9 o'clock", "10:00:30", "10:00+02:00")
    return ()


def broken_rules(schema: Schema, row: Row) -> Iterator[Spoiled]:
    """Return values beyond what a field's rules allow."""
    for place, one in places(schema, row):
        for value in _beyond(one):
            yield Spoiled(place, value)


def _beyond(one: fields.Field[Any]) -> Iterator[Any]:
    if isinstance(one, Id):
        yield f"{MARK}-id"
    for rule in one.validators:
        if isinstance(rule, validate.OneOf):
            yield MARK
        elif isinstance(rule, validate.Range):
            if rule.max is not None:
                yield rule.max + 1
            if rule.min is not None:
                yield rule.min - 1
        elif isinstance(rule, validate.Length) and isinstance(one, fields.String):
            if rule.max is not None:
                yield (MARK * (rule.max // len(MARK) + 1))[: rule.max + 1]
            if rule.min:
                yield ""
        elif isinstance(rule, validate.Length) and rule.min:
            yield []
        elif isinstance(rule, validate.Regexp):
            yield f"{MARK}!"


def unknown_ids(schema: Schema, row: Row) -> Iterator[tuple[str, dict[str, str], dict[str, Any]]]:
    """Return path ids and body with each id in turn replaced by one that nobody has."""
    for name in row.ids:
        yield name, {**row.ids, name: new_id()}, row.body
    for place, one in places(schema, row):
        if isinstance(one, Id) and place[-1] not in row.free and _is_there(row.body, place):
            yield Spoiled(place, None).field, row.ids, spoil(row.body, place, new_id())
