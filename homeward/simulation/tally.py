"""Counts what happened from the server's own announcements, never from what the driver meant to do."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.contracts.aftercare import DISCHARGE_REASONS
from shared.contracts.common import CONCERNS
from shared.contracts.event import read_moment

#: Concerns that an answer to an instrument tells of: of the PHQ-9 and of the C-SSRS.
CONCERNS_OF_ANSWERS = tuple(one for one in CONCERNS if one.startswith(("PHQ9", "CSSRS")))

#: States of a seat in which somebody was there, in whole or in part.
ATTENDED_STATES = ("PRESENT", "LATE", "PARTIAL", "LEFT_EARLY", "MADE_UP")


@dataclass(frozen=True)
class Announcement:
    """One event as the feed tells it."""

    kind: str
    occurred_at: datetime
    data: Mapping[str, Any]

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Announcement":
        """Read an item of the feed: a CloudEvents envelope."""
        return cls(
            kind=item["type"].removeprefix("homeward."),
            occurred_at=read_moment(item["time"]),
            data=item["data"],
        )


@dataclass(kw_only=True)
class Seat:
    """What is known of one patient's place in one session."""

    patient_id: str
    starts_at: datetime
    kind: str
    ends_at: datetime | None = None
    #: "" while nothing was marked, "MISSED", or one of the states of attendance.
    state: str = ""
    missed_at: datetime | None = None
    revision: int = 0


@dataclass(kw_only=True)
class Discharge:
    """One end of an episode."""

    patient_id: str
    reason_code: str
    stay_days: int


@dataclass(kw_only=True)
class Tally:
    """Everything that the report counts, gathered while the feed is read."""

    announced: Counter[str] = field(default_factory=Counter)
    #: Episode → how it was referred ("REENTRY" when somebody came back).
    source_of_episode: dict[str, str] = field(default_factory=dict)
    patient_of_episode: dict[str, str] = field(default_factory=dict)
    admitted_at: dict[str, datetime] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)
    #: Episode → level recommended by its assessment, and level that a clinician decided.
    recommended: dict[str, str] = field(default_factory=dict)
    decided: dict[str, str] = field(default_factory=dict)
    overridden: set[str] = field(default_factory=set)
    fit: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    #: Episode → the newest week that was proposed for it, as announced; and the weeks agreed to.
    weeks: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    weeks_agreed: set[str] = field(default_factory=set)
    #: Episode → why no week fitted at first.
    weeks_refused: dict[str, str] = field(default_factory=dict)
    seats: dict[str, Seat] = field(default_factory=dict)
    #: Patient → moments of outreach attempts, in the order of the feed.
    attempts: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    #: Seat → moments of attempts of the outreach that this missed seat started.
    attempts_for_seat: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    attempts_logged: int = 0
    reached: int = 0
    reengaged: set[str] = field(default_factory=set)
    discharges: dict[str, Discharge] = field(default_factory=dict)
    graduated: set[str] = field(default_factory=set)
    #: Contact → (kind, number) that fell due; and contact → outcome that it ended with.
    contacts_due: dict[str, tuple[str, int]] = field(default_factory=dict)
    contacts_completed: dict[str, str] = field(default_factory=dict)
    referral_follow_ups_due: list[datetime] = field(default_factory=list)
    referral_follow_ups_done: int = 0
    inquiries: int = 0
    #: How the requests to call back ended → inquiries. ESCALATED: the supervisor was asked in the end.
    called_back: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    pre_screened: Counter[str] = field(default_factory=Counter)
    inquiries_decided: int = 0
    #: Episode → days of care that its payer authorised at last, 0 where it denied them.
    authorized: dict[str, int] = field(default_factory=dict)
    #: The same of estimates owed to whoever pays themself → episodes.
    estimates: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    escalations: Counter[str] = field(default_factory=Counter)
    #: Instrument → times that it was answered and scored.
    answered: Counter[str] = field(default_factory=Counter)
    #: Safety answers by the id of their concern; concern → escalation; and escalations with a page to staff.
    safety_answers: dict[str, str] = field(default_factory=dict)
    escalation_of_concern: dict[str, str] = field(default_factory=dict)
    paged: set[str] = field(default_factory=set)
    lapses: int = 0
    #: Waits for a place: begun, offers made, and how they ended.
    waits: Counter[str] = field(default_factory=Counter)
    #: Step-downs: episode → what was told of its first service last; and those whose summary came.
    step_downs: dict[str, str] = field(default_factory=dict)
    summaries: int = 0
    #: Weeks under the floor, by episode and Monday, as they were weighed last.
    short_weeks: set[tuple[str, str]] = field(default_factory=set)

    def take(self, told: Announcement) -> None:
        """Count one announcement."""
        self.announced[told.kind] += 1
        count = getattr(self, f"_take_{told.kind}", None)
        if count is not None:
            count(told.data)

    @property
    def first_episodes(self) -> list[str]:
        """Episodes that began with a referral, not with a lapse of somebody known."""
        return [episode for episode, source in self.source_of_episode.items() if source != "REENTRY"]

    def first_attempt_after(self, seat_id: str) -> datetime | None:
        """Find the first attempt to reach the patient once this seat was known to be missed."""
        seat = self.seats[seat_id]
        if seat.missed_at is None:
            return None
        later = [at for at in self.attempts[seat.patient_id] if at >= seat.missed_at]
        return min([*later, *self.attempts_for_seat[seat_id]], default=None)

    def _take_referral_received(self, data: Mapping[str, Any]) -> None:
        self.source_of_episode[data["episode_id"]] = data["referral_source"]
        self.patient_of_episode[data["episode_id"]] = data["patient_id"]

    def _take_assessment_completed(self, data: Mapping[str, Any]) -> None:
        first_time = data["episode_id"] not in self.recommended
        self.recommended[data["episode_id"]] = data["recommended_level"]
        if first_time and self.source_of_episode.get(data["episode_id"]) != "REENTRY":
            for factor, result in zip(data["fit_factors"], data["fit_results"], strict=True):
                self.fit[factor][result] += 1

    def _take_level_of_care_decided(self, data: Mapping[str, Any]) -> None:
        self.decided[data["episode_id"]] = data["decided_level"]
        if data["overridden"]:
            self.overridden.add(data["episode_id"])

    def _take_patient_admitted(self, data: Mapping[str, Any]) -> None:
        self.admitted_at[data["episode_id"]] = read_moment(data["admitted_at"])
        self.patient_of_episode[data["episode_id"]] = data["patient_id"]

    def _take_schedule_proposed(self, data: Mapping[str, Any]) -> None:
        self.weeks[data["episode_id"]] = data

    def _take_schedule_confirmed(self, data: Mapping[str, Any]) -> None:
        self.weeks_agreed.add(data["episode_id"])

    def _take_task_opened(self, data: Mapping[str, Any]) -> None:
        if data["task"] == "no_week_fits":
            self.weeks_refused.setdefault(data["episode_id"], data["reason"])

    def _take_referred_elsewhere(self, data: Mapping[str, Any]) -> None:
        self.elsewhere.add(data["episode_id"])
        self.referral_follow_ups_due.extend(read_moment(due) for due in data["follow_ups_due_at"])

    def _take_inquiry_received(self, _data: Mapping[str, Any]) -> None:
        self.inquiries += 1

    def _take_pre_screen_completed(self, data: Mapping[str, Any]) -> None:
        self.pre_screened[data["recommendation"]] += 1

    def _take_inquiry_decided(self, _data: Mapping[str, Any]) -> None:
        self.inquiries_decided += 1

    def _take_task_closed(self, data: Mapping[str, Any]) -> None:
        if data["task"] == "call_back":
            self.called_back[data["outcome"]].add(data["about_id"])
        if data["task"] == "referral_follow_up" and data["outcome"] == "DONE":
            self.referral_follow_ups_done += 1
        if data["task"] == "good_faith_estimate":
            self.estimates[data["outcome"]].add(data["about_id"])

    def _take_authorization_decided(self, data: Mapping[str, Any]) -> None:
        self.authorized[data["episode_id"]] = data["units"] if data["decision"] == "APPROVED" else 0

    def _take_admission_wait_began(self, _data: Mapping[str, Any]) -> None:
        self.waits["waited"] += 1

    def _take_admission_seat_offered(self, _data: Mapping[str, Any]) -> None:
        self.waits["offers"] += 1

    def _take_admission_wait_ended(self, data: Mapping[str, Any]) -> None:
        self.waits[data["outcome"].lower()] += 1

    def _take_step_down_referral_received(self, data: Mapping[str, Any]) -> None:
        self.step_downs.setdefault(data["episode_id"], "")

    def _take_step_down_served(self, data: Mapping[str, Any]) -> None:
        self.step_downs[data["episode_id"]] = "served_in_time" if data["in_time"] else "served_late"

    def _take_step_down_service_breached(self, data: Mapping[str, Any]) -> None:
        self.step_downs[data["episode_id"]] = "not_served_in_seven_days"

    def _take_discharge_summary_received(self, _data: Mapping[str, Any]) -> None:
        self.summaries += 1

    def _take_session_scheduled(self, data: Mapping[str, Any]) -> None:
        self._seat(data)

    def _take_session_attended(self, data: Mapping[str, Any]) -> None:
        seat = self._seat(data)
        if seat.revision == 0:
            seat.state = data["state"]

    def _take_session_missed(self, data: Mapping[str, Any]) -> None:
        seat = self._seat(data)
        seat.missed_at = read_moment(data["missed_at"])
        if seat.revision == 0:
            seat.state = "MISSED"

    def _take_attendance_corrected(self, data: Mapping[str, Any]) -> None:
        seat = self._seat(data)
        if data["revision"] > seat.revision:
            seat.revision = data["revision"]
            seat.state = "MISSED" if data["to_state"] == "NO_SHOW" else data["to_state"]

    def _take_outreach_attempted(self, data: Mapping[str, Any]) -> None:
        attempted_at = read_moment(data["attempted_at"])
        self.attempts_logged += 1
        self.reached += data["outcome"] == "REACHED"
        self.attempts[data["patient_id"]].append(attempted_at)
        self.attempts_for_seat[data["seat_id"]].append(attempted_at)

    def _take_patient_reengaged(self, data: Mapping[str, Any]) -> None:
        self.reengaged.add(data["outreach_id"])

    def _take_patient_discharged(self, data: Mapping[str, Any]) -> None:
        self.discharges[data["episode_id"]] = Discharge(
            patient_id=data["patient_id"], reason_code=data["reason_code"], stay_days=data["stay_days"]
        )

    def _take_program_graduated(self, data: Mapping[str, Any]) -> None:
        self.graduated.add(data["episode_id"])

    def _take_aftercare_contact_due(self, data: Mapping[str, Any]) -> None:
        self.contacts_due[data["contact_id"]] = (data["kind"], data["number"])

    def _take_aftercare_contact_completed(self, data: Mapping[str, Any]) -> None:
        self.contacts_completed[data["contact_id"]] = data["outcome"]

    def _take_escalation_opened(self, data: Mapping[str, Any]) -> None:
        self.escalations[data["level"]] += 1

    def _take_instrument_scored(self, data: Mapping[str, Any]) -> None:
        self.answered[data["instrument"]] += 1

    def _take_safety_concern_raised(self, data: Mapping[str, Any]) -> None:
        if data["concern"] in CONCERNS_OF_ANSWERS:
            self.safety_answers[data["concern_id"]] = data["concern"]

    def _take_safety_concern_taken(self, data: Mapping[str, Any]) -> None:
        self.escalation_of_concern[data["concern_id"]] = data["escalation_id"]

    def _take_staff_paged(self, data: Mapping[str, Any]) -> None:
        self.paged.add(data["escalation_id"])

    def _take_lapse_reported(self, _data: Mapping[str, Any]) -> None:
        self.lapses += 1

    def _take_weekly_dose_shortfall(self, data: Mapping[str, Any]) -> None:
        self.short_weeks.add((data["episode_id"], data["week_starts_on"]))

    def _take_weekly_dose_corrected(self, data: Mapping[str, Any]) -> None:
        week = (data["episode_id"], data["week_starts_on"])
        if data["consecutive_weeks"]:
            self.short_weeks.add(week)
        else:
            self.short_weeks.discard(week)

    def _seat(self, data: Mapping[str, Any]) -> Seat:
        seat = self.seats.get(data["seat_id"])
        if seat is None:
            seat = self.seats[data["seat_id"]] = Seat(
                patient_id=data["patient_id"],
                starts_at=read_moment(data["starts_at"]),
                ends_at=read_moment(data["ends_at"]) if "ends_at" in data else None,
                kind=data.get("kind", ""),
            )
        return seat


def reasons_with_names(counts: Mapping[str, int]) -> list[tuple[str, str, int]]:
    """List every TEDS reason for discharge with its name and count, zeros included."""
    return [(code, name, counts.get(code, 0)) for code, name in DISCHARGE_REASONS.items()]
