"""A program in full swing behind the door: something there for every route to be about."""

import dataclasses
from datetime import datetime, timedelta
from typing import Any

from shared.contracts.event import read_moment, write_moment
from shared.ids import new_id
from tests.journeys.house import BEGINNING, House

#: What stands for identity and free text, each unmistakable wherever it turns up. The places that take
#: texts use all of these, so that what is searched for can be found in exactly one way: in the clear.
SECRETS = {
    "clinician": "Thaddeus Okonkwo-Brandtner",
    "given_name": "Zerelda",
    "family_name": "Featherstonehaugh",
    "phone": "+1 312 555 0987",
    "email": "zerelda.featherstonehaugh@quillmoor.example",
    "goals": "Walk Bartholomew to kindergarten past Huckleberry Creek.",
    "override": "Her sister Philippa drives only on Wednesdays.",
    "purpose": "Tell Doctor Quackenbush about Tuesdays.",
    "recipient": "Doctor Ignatius Quackenbush",
    "elsewhere": "Periwinkle Meadow Withdrawal House",
    "follow_up": "Answered at her aunt Clementine's bakery.",
    "excuse": "Jury duty in Kankakee, courtroom of Judge Wapshott.",
    "outreach": "Spoke with neighbour Ebenezer by the green gate.",
    "escalation": "Grandmother Wilhelmina keeps the tablets now.",
    "review": "Sleeps in a Studebaker near Muskrat Pond.",
    "aftercare_goals": "Play the euphonium with the Gooseberry Band.",
    "summary": "Carved a walnut heron for each of the group.",
    "inquiry": "Cousin Octavia found the number at Marmalade Ferry.",
    "inquiry_why": "Rang from a phone box in Cheboygan.",
    "external_id": "Record 77 of Larkspur Pavilion",
    "earlier_words": "Learned to ring Great-uncle Leopold from the tram.",
    "page_address": "mailto:thaddeus.okonkwo@quillmoor.example",
    "supporter": "Theophania Marchbanks",
    "supporter_phone": "+1 312 555 0765",
    "second_phone": "+1 312 555 0654",
    "asker": "Prothonotary Lindqvist of Sangamon County",
    "demand": "All that the Rutabaga Street ledger tells.",
    "access": "The ledger is at cousin Eulalia's.",
    "restriction": "Cousin Hortensia sorts the mail at the plan.",
    "gap_accepted": "His barge to Kaskaskia was early.",
}


@dataclasses.dataclass
class Person:
    """Somebody in the program."""

    patient_id: str
    episode_id: str
    referral_id: str
    assessment_id: str = ""


@dataclasses.dataclass
class Program:
    """The ids of one thing of each kind."""

    site_id: str
    clinician_id: str
    group_id: str
    curriculum_id: str
    referred: Person
    decided: Person
    treated: Person
    elsewhere: Person
    discharged: Person
    consent_id: str
    restriction_id: str
    demand_id: str
    supporter_id: str
    contact_point_id: str
    request_id: str
    credential_id: str
    coverage_id: str
    authorization_id: str
    outward_referral_id: str
    session_id: str
    seat_id: str
    plan_id: str
    outreach_id: str
    escalation_id: str
    review_id: str
    contact_id: str
    lapse_id: str
    staff_id: str
    shift_id: str
    task_id: str
    colleague_id: str
    open_session_id: str
    booked_seat_id: str
    wait_id: str
    inquiry_id: str
    status_key: str
    admission_wait_id: str
    step_down_id: str
    testing_order_id: str
    drug_test_id: str


def assessment(**changes: Any) -> dict[str, Any]:
    """Return the assessment of somebody who suits the program."""
    return {
        "withdrawal": {},
        "dimensions": [0, 0, 1, 2, 2, 1],
        "problems": [{"problem": "ALCOHOL", "criteria_met": [1, 2, 4, 5, 7], "primary": True}],
        "danger": {"suicidal_intent": "NONE", "violence_threat": False},
        "home": {"housing": "OWN_OR_RENT", "secure_days": 400, "safe": True, "supporters": 2},
        "rulers": {"importance": 8, "confidence": 7, "readiness": 9},
        "triggers": [{"trigger_code": "PAYDAY", "coping_tools": 2}],
        "goals": SECRETS["goals"],
    } | changes


def person(number: int = 0) -> dict[str, Any]:
    """Return who somebody is; another number is another person of the same name."""
    return {
        "given_name": SECRETS["given_name"],
        "family_name": SECRETS["family_name"],
        "birth_date": f"19{70 + number}-07-19",
        "phone": SECRETS["phone"],
        "email": SECRETS["email"],
        "sex": "FEMALE",
    }


class Opening:
    """Opens a program over HTTP and fills it, with free text in every place that takes some."""

    def __init__(self, house: House) -> None:
        self.door = house.door
        self.site_id = ""
        self._people = 0

    def open(self) -> Program:
        """Do all of it; program time goes on by four weeks."""
        clinician_id, group_id = self.open_site()
        referred, decided = self.refer(), self.decide()
        treated, elsewhere, discharged = self.decide(), self.decide(level="3.7"), self.decide()
        consent_id = self.consent(treated, "TREATMENT")
        restriction_id = self.restrict(treated)
        supporter_id = self.name_supporter(treated)
        contact_point_id = self.add_contact_point(treated)
        demand_id, request_id = self.ask_for_records(decided)
        credential_id = self.list_program()
        coverage_id, authorization_id = self.cover(treated)
        for kind in ("TREATMENT", "FOLLOW_UP"):
            self.consent(discharged, kind)
        for one in (treated, discharged):
            self.do(f"/v1/episodes/{one.episode_id}/admission")
        testing_order_id = self.order_tests(treated)
        outward_referral_id = self.refer_elsewhere(elsewhere)
        self.door.settle()
        colleague_id, booked_seat_id, wait_id, open_session_id = self.book(
            treated, discharged, clinician_id=clinician_id
        )
        contact_id, lapse_id = self.discharge(discharged)
        plan_id = self.door.get(f"/v1/episodes/{treated.episode_id}/treatment-plan").ok["plan_id"]
        self.do(f"/v1/treatment-plans/{plan_id}/signatures", {"as": "PATIENT"})
        session_id, seat_id = self.miss_sessions(treated)
        outreach_id = self.door.get(f"/v1/outreach?open=false&episode_id={treated.episode_id}").ok["items"][
            0
        ]["outreach_id"]
        self.do(
            f"/v1/outreach/{outreach_id}/attempts",
            {"channel": "CALL", "outcome": "NO_ANSWER", "note": SECRETS["outreach"]},
        )
        reviews = self.door.get("/v1/level-reviews").ok["items"]
        # After the weeks have passed: everybody is reminded of a danger every hour until somebody sees to it.
        escalation_id = self.do(
            "/v1/safety-concerns", {"patient_id": treated.patient_id, "concern": "PHQ9_I9"}
        )["escalation_id"]
        self.close_other_escalations(treated, escalation_id)
        staff_id, shift_id = self.plan_duty()
        inquiry = self.ask_for_help()
        waiting = self.do(f"/v1/episodes/{self.decide().episode_id}/admission-waits", {"injecting": True})
        admission_wait_id = waiting["wait_id"]
        step_down_id = self.step_down()
        self.door.settle()
        tests = self.door.get(f"/v1/episodes/{treated.episode_id}/drug-testing").ok["tests"]
        return Program(
            site_id=self.site_id,
            clinician_id=clinician_id,
            group_id=group_id,
            curriculum_id=self.adopt_curriculum(),
            referred=referred,
            decided=decided,
            treated=treated,
            elsewhere=elsewhere,
            discharged=discharged,
            consent_id=consent_id,
            restriction_id=restriction_id,
            demand_id=demand_id,
            supporter_id=supporter_id,
            contact_point_id=contact_point_id,
            request_id=request_id,
            credential_id=credential_id,
            coverage_id=coverage_id,
            authorization_id=authorization_id,
            outward_referral_id=outward_referral_id,
            session_id=session_id,
            seat_id=seat_id,
            plan_id=plan_id,
            outreach_id=outreach_id,
            escalation_id=escalation_id,
            review_id=reviews[0]["review_id"],
            contact_id=contact_id,
            lapse_id=lapse_id,
            staff_id=staff_id,
            shift_id=shift_id,
            task_id=self.door.get("/v1/work?task=lapse_contact").ok["items"][0]["task_id"],
            colleague_id=colleague_id,
            open_session_id=open_session_id,
            booked_seat_id=booked_seat_id,
            wait_id=wait_id,
            inquiry_id=inquiry["inquiry_id"],
            status_key=inquiry["status_key"],
            admission_wait_id=admission_wait_id,
            step_down_id=step_down_id,
            testing_order_id=testing_order_id,
            drug_test_id=tests[0]["test_id"],
        )

    def do(self, path: str, body: Any = None, **options: Any) -> dict[str, Any]:
        """Send a command and return its answer, if it was done."""
        return self.door.post(path, body, **options).ok

    def open_site(self) -> tuple[str, str]:
        """Open the site with its staff and groups; return a clinician and a group."""
        site = {
            "name": "Lakeside",
            "time_zone": "America/Chicago",
            "levels_licensed": ["1", "2.1"],
            "emergency_phone": "+1 312 555 0142",
        }
        self.site_id = self.do("/v1/sites", site, role="operations")["site_id"]
        self.door.sign_rules()
        self.door.settle()
        clinician_id = ""
        for kind in ("LCSW", "LPC", "LADC"):
            clinician_id = self.do(
                "/v1/clinicians",
                {
                    "site_id": self.site_id,
                    "name": SECRETS["clinician"],
                    "credentials": [{"kind": kind, "state": "IL", "expires_on": "2035-12-31"}],
                },
                role="operations",
            )["clinician_id"]
        group = {
            "site_id": self.site_id,
            "track": "EVENING",
            "weekdays": [0, 1, 2, 3, 4],
            "facilitator_id": clinician_id,
        }
        return clinician_id, self.do("/v1/groups", group, role="operations")["group_id"]

    def adopt_curriculum(self) -> str:
        """Take a curriculum into the site's catalogue that its group could follow."""
        curriculum = {
            "site_id": self.site_id,
            "title": "Talking",
            "modality": "PROCESS",
            "modules": [{"module_no": 1, "title": "Listening", "skill_tags": ["HEALTHY_COMMUNICATION"]}],
        }
        return str(self.do("/v1/curricula", curriculum, role="supervisor")["curriculum_id"])

    def ask_for_help(self) -> dict[str, Any]:
        """Ask for help as somebody twice, of whom one is decided on; return what the other one was told."""
        asked = {
            "site_id": self.site_id,
            "consent": True,
            "given_name": SECRETS["given_name"],
            "phone": SECRETS["phone"],
            "email": SECRETS["email"],
            "words": SECRETS["inquiry"],
        }
        decided, told = self.do("/v1/inquiries", asked), self.do("/v1/inquiries", asked)
        decision = {"decision": "NOT_REACHED", "why": SECRETS["inquiry_why"]}
        self.do(f"/v1/inquiries/{decided['inquiry_id']}/decisions", decision)
        return told

    def step_down(self) -> str:
        """Refer somebody from inpatient care under the sender's own id, with what they bring."""
        self._people += 1
        now = read_moment(self.door.get("/v1/clock", role="operations").ok["now"])
        told = {
            "external_id": SECRETS["external_id"],
            "site_id": self.site_id,
            "patient": person(self._people),
            "step_down": {
                "prior_level": "3.7",
                "discharged_on": now.date().isoformat(),
                "earlier_plan": {"skills": ["CALLING_SOMEBODY"], "words": SECRETS["earlier_words"]},
            },
        }
        return str(self.do("/v1/partner-referrals", told)["step_down_id"])

    def cover(self, who: Person) -> tuple[str, str]:
        """Keep somebody's cover and what it authorised."""
        answer = {
            "payer": "BLUE_IL",
            "status": "ACTIVE",
            "needs_authorization": True,
            "answered_at": write_moment(BEGINNING),
        }
        coverage_id = self.do(f"/v1/patients/{who.patient_id}/eligibility-answers", answer)["coverage_id"]
        decided = {
            "coverage_id": coverage_id,
            "decision": "APPROVED",
            "units": 20,
            "first_on": "2026-02-02",
            "last_on": "2026-12-31",
            "decided_at": write_moment(BEGINNING),
        }
        authorization = self.do(f"/v1/episodes/{who.episode_id}/authorizations", decided)
        return coverage_id, authorization["authorization_id"]

    def list_program(self) -> str:
        """List the site in the directory and return its licence."""
        listing = {
            "site_id": self.site_id,
            "street": "233 South Wacker Drive",
            "city": "Chicago",
            "state": "IL",
            "zip_code": "60606",
            "latitude": 41.8788,
            "longitude": -87.6359,
        }
        self.do("/v1/programs", listing, role="operations")
        licence = {
            "kind": "LICENCE",
            "body": "STATE",
            "number": "A-0815",
            "state": "IL",
            "levels": ["2.1"],
            "starts_at": "2026-01-01T00:00:00Z",
            "ends_at": "2035-01-01T00:00:00Z",
        }
        path = f"/v1/programs/{self.site_id}/credentials"
        return str(self.do(path, licence, role="operations")["credential_id"])

    def book(self, who: Person, other: Person, *, clinician_id: str) -> tuple[str, str, str, str]:
        """Book one patient into the last seat of a workshop, for which another waits.

        :return: a colleague of the clinician, the seat, the entry of the waiting list, and a workshop
            that nobody has booked.
        """
        staff = self.door.get(f"/v1/clinicians?site_id={self.site_id}").ok["items"]
        now = read_moment(self.door.get("/v1/clock", role="operations").ok["now"])
        # Early in the day, when no group meets, and long after all that is told here.
        first = (now + timedelta(days=200)).replace(hour=14, minute=0)
        workshops = []
        for days in (0, 1):
            starts_at = first + timedelta(days=days)
            workshop = {
                "site_id": self.site_id,
                "kind": "EDUCATION",
                "modality": "LIFE_SKILLS",
                "facilitator_id": clinician_id,
                "starts_at": write_moment(starts_at),
                "ends_at": write_moment(starts_at + timedelta(hours=1)),
                "capacity": 1,
            }
            workshops.append(self.do("/v1/sessions", workshop, role="supervisor")["session_id"])
        seats = f"/v1/sessions/{workshops[0]}/seats"
        seat = self.do(seats, {"patient_id": who.patient_id})["seat"]
        wait = self.do(seats, {"patient_id": other.patient_id})["wait"]
        colleague_id = next(one["clinician_id"] for one in staff if one["clinician_id"] != clinician_id)
        return colleague_id, seat["seat_id"], wait["wait_id"], workshops[1]

    def plan_duty(self) -> tuple[str, str]:
        """Have somebody on duty for days, of which one is given back; return who, and their other duty."""
        staff_id = new_id()
        contact = {"staff_id": staff_id, "role": "clinician", "address": SECRETS["page_address"]}
        self.do("/v1/staff-contacts", contact, role="supervisor")
        now = read_moment(self.door.get("/v1/clock", role="operations").ok["now"])
        shift_ids = []
        for days in (0, 3):
            starts_at = now + timedelta(days=days)
            shift = {
                "staff_id": staff_id,
                "starts_at": write_moment(starts_at),
                "ends_at": write_moment(starts_at + timedelta(days=3)),
            }
            shift_ids.append(self.do("/v1/on-call-shifts", shift, role="supervisor")["shift_id"])
        self.do(
            f"/v1/on-call-shifts/{shift_ids[0]}/withdrawal",
            {"accept_gap": True, "reason": SECRETS["gap_accepted"]},
            role="supervisor",
        )
        return staff_id, shift_ids[1]

    def refer(self) -> Person:
        """Register one more person."""
        self._people += 1
        body = {"site_id": self.site_id, "referral_source": "7", "patient": person(self._people)}
        answer = self.do("/v1/referrals", body)
        return Person(answer["patient_id"], answer["episode_id"], answer["referral_id"])

    def decide(self, *, level: str = "2.1") -> Person:
        """Refer and assess somebody, and decide against the recommendation, with a reason in words."""
        who = self.refer()
        dimensions = [0, 0, 1, 2, 2, 1] if level == "2.1" else [1, 1, 1, 3, 4, 4]
        answer = self.do(f"/v1/episodes/{who.episode_id}/assessments", assessment(dimensions=dimensions))
        who.assessment_id = answer["assessment_id"]
        decision = {"assessment_id": who.assessment_id, "level": level}
        if answer["recommendation"]["level"] != level:
            decision |= {"override_reason_code": "SAFETY", "override_reason": SECRETS["override"]}
        self.do(f"/v1/episodes/{who.episode_id}/level-decisions", decision)
        return who

    def consent(self, who: Person, kind: str) -> str:
        """Record a consent, with what it is for and to whom."""
        consent = {"kind": kind}
        if kind == "TREATMENT":
            consent |= {"purpose": SECRETS["purpose"], "recipient": SECRETS["recipient"]}
        return str(self.do(f"/v1/patients/{who.patient_id}/consents", consent)["consent_id"])

    def restrict(self, who: Person) -> str:
        """Give somebody the notice, and take their request that less be told."""
        self.do("/v1/privacy-notices", {"edition": "2026-02", "digest": "3f" * 32}, role="supervisor")
        self.do(f"/v1/patients/{who.patient_id}/notice-receipts")
        asked = {"towards": "ANYONE", "words": SECRETS["restriction"]}
        return str(self.do(f"/v1/patients/{who.patient_id}/restrictions", asked)["restriction_id"])

    def name_supporter(self, who: Person) -> str:
        """Name somebody who backs a patient."""
        supporter = {
            "role": "SIBLING",
            "reached_by": "PHONE",
            "name": SECRETS["supporter"],
            "phone": SECRETS["supporter_phone"],
        }
        return str(self.do(f"/v1/patients/{who.patient_id}/supporters", supporter)["supporter_id"])

    def add_contact_point(self, who: Person) -> str:
        """Add a number at which somebody is reached besides."""
        number = {"kind": "PHONE", "address": SECRETS["second_phone"], "message_safe": False}
        added = self.do(f"/v1/patients/{who.patient_id}/contact-points", number)
        return str(added["contact_point_id"])

    def ask_for_records(self, who: Person) -> tuple[str, str]:
        """Have a court demand the first person's records, and somebody else ask for theirs."""
        about = {name: person(1)[name] for name in ("given_name", "family_name", "birth_date")}
        demand = {"kind": "SUBPOENA", "asker": SECRETS["asker"], "about": about, "text": SECRETS["demand"]}
        self.do("/v1/legal-demands", demand)
        (queued,) = self.door.get("/v1/legal-demands", role="supervisor").ok["items"]
        asked = self.do(f"/v1/patients/{who.patient_id}/record-requests")
        put_off = {"extend": True, "reason": SECRETS["access"]}
        self.do(f"/v1/record-requests/{asked['request_id']}/answer", put_off, role="supervisor")
        return queued["demand_id"], asked["request_id"]

    def order_tests(self, person: Person) -> str:
        """Have somebody tested at random intervals; return the order."""
        ordered = {"mean_interval_days": 2, "longest_gap_days": 5, "reason": "INITIAL_PHASE", "paydays": [15]}
        order_id: str = self.do(f"/v1/episodes/{person.episode_id}/drug-testing-orders", ordered)["order_id"]
        return order_id

    def refer_elsewhere(self, who: Person) -> str:
        """Refer somebody to another program, and follow them up once."""
        answer = self.do(f"/v1/episodes/{who.episode_id}/outward-referral", {"program": SECRETS["elsewhere"]})
        followed = {"outcome": "ARRIVED", "note": SECRETS["follow_up"]}
        self.door.jump(BEGINNING + timedelta(hours=49))
        self.do(f"/v1/outward-referrals/{answer['outward_referral_id']}/follow-ups", followed)
        return str(answer["outward_referral_id"])

    def discharge(self, who: Person) -> tuple[str, str]:
        """End somebody's treatment early; return a follow-up and a lapse that came after."""
        plan = {
            "components": {
                "ongoing_therapy": "PRESENT",
                "support_groups": "DECLINED",
                "relapse_prevention": "PRESENT",
            },
            "goals": SECRETS["aftercare_goals"],
            "sign": True,
        }
        self.do(f"/v1/episodes/{who.episode_id}/aftercare-plan", plan)
        ending = {"reason_code": "2", "summary": SECRETS["summary"]}
        self.do(f"/v1/episodes/{who.episode_id}/discharge", ending)
        self.door.settle()
        contacts = self.door.get(f"/v1/episodes/{who.episode_id}/aftercare-contacts").ok["items"]
        lapse = {"patient_id": who.patient_id, "reported_by": "CALL", "substance": "ALCOHOL"}
        return contacts[0]["contact_id"], self.do("/v1/lapses", lapse)["lapse_id"]

    def miss_sessions(self, who: Person) -> tuple[str, str]:
        """Let three weeks pass in which somebody excuses one session and misses all others."""
        session_id = seat_id = ""
        now = read_moment(self.door.get("/v1/clock", role="operations").ok["now"])
        excused = False
        for _ in range(3):
            for seat in self.coming(who, after=now):
                starts_at = read_moment(seat["starts_at"])
                if starts_at > now + timedelta(days=7):
                    break
                path = f"/v1/sessions/{seat['session_id']}"
                if not excused:
                    excused = True
                    excuse = {"patient_id": who.patient_id, "reason": "COURT", "note": SECRETS["excuse"]}
                    self.do(f"{path}/excuses", excuse)
                    continue
                session_id, seat_id = seat["session_id"], seat["seat_id"]
                self.door.jump(starts_at + timedelta(minutes=5))
                marks = {"marks": [{"seat_id": seat_id, "mark": "NO_SHOW"}]}
                self.do(f"{path}/roster", marks)
            now = self.door.jump(now + timedelta(days=7))
        return session_id, seat_id

    def coming(self, who: Person, *, after: datetime) -> list[dict[str, Any]]:
        """Return somebody's seats that start after a moment, the next first."""
        seats = self.door.get(f"/v1/episodes/{who.episode_id}/sessions").ok["items"]
        found = [seat for seat in seats if read_moment(seat["starts_at"]) > after]
        return sorted(found, key=lambda seat: str(seat["starts_at"]))

    def close_other_escalations(self, who: Person, kept: str) -> None:
        """Close with a note what the misses have escalated, but for one."""
        for escalation in self.door.get(f"/v1/escalations?patient_id={who.patient_id}").ok["items"]:
            path = f"/v1/escalations/{escalation['escalation_id']}"
            if escalation["escalation_id"] != kept:
                self.do(f"{path}/acknowledgement")
                closed = {"disposition": "SAFE_PLAN_IN_PLACE", "note": SECRETS["escalation"]}
                self.do(f"{path}/closure", closed)
