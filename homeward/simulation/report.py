"""Turns the counts of a run into the report: one dictionary, the same for the same seed.

Only ``wall_seconds`` and the figures under ``run`` that depend on the machine may differ.
"""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from homeward.simulation import people
from homeward.simulation.rows import Admission, RefusedRow, code_book
from homeward.simulation.tally import ATTENDED_STATES, Seat, Tally, reasons_with_names
from shared.contracts.event import write_moment
from shared.contracts.intake import FIT_FACTORS, LEVELS_OF_CARE

#: What every run adds to the rows by its model: none of it is recorded anywhere.
MODELLED = (
    "identity",
    "birth_date_within_age_band",
    "arrival",
    "inquiries_and_call_backs",
    "days_waited_within_band",
    "weekly_obligations",
    "wishes",
    "dimension_ratings",
    "dsm5_criteria",
    "withdrawal_scores",
    "instrument_answers",
    "home_and_supporters",
    "readiness_rulers",
    "triggers_and_tools",
    "prior_level_of_care",
    "clinician_overrides",
    "payers_decisions",
    "prices",
    "household_income",
    "session_notes",
    "waits_for_a_place",
    "programs_around",
    "self_checks",
    "consents",
    "referral_follow_up_outcomes",
    "attendance",
    "excuses",
    "marking_mistakes",
    "check_ins",
    "return_to_use",
    "outreach_delays",
    "outreach_answers",
    "escalation_handling",
    "discharge_decisions",
    "graduation_attestations",
    "aftercare_answers",
    "lapses",
    "staff_and_groups",
)

#: Ends of intensive outpatient treatment nationally, percent, and median days of stay.
#: Source: SAMHSA, TEDS discharges 2004, the newest table by type of service that we hold.
NATIONAL_2004 = {
    "ends_percent": {"completed": 38, "transferred": 18, "dropped_out": 23, "terminated": 14, "other": 7},
    "median_stay_days": 41,
    "median_stay_days_completed": 50,
    "median_stay_days_dropped_out": 26,
}

#: Upper edges, in minutes, of the times from a missed session to the first attempt.
OUTREACH_EDGES = (15, 30, 45, 60, 120, 240, 480, 1440)

#: How soon a missed session should be followed by an attempt. Source: published attendance policies.
OUTREACH_DEADLINE = timedelta(hours=1)

#: The level of care that the simulated site admits to. Source: ASAM criteria, intensive outpatient.
PROGRAM_LEVEL = "2.1"

#: Days after which somebody counts as retained. Source: common retention measure (30, 60, 90 days).
RETENTION_DAYS = 30

#: Columns of the confusion table that are not levels of care.
NOT_ASSESSED = "not assessed"

HONEST_WORD = (
    "SERVICES is where a person was treated, by rules, beds and courts that the row does not "
    "tell. The recommendation beside it rests on dimension ratings drawn from a model, because the "
    "rows have none. So this table shows that the two can be compared, and nothing about which is "
    "right: agreement here is neither accuracy nor evidence. No draw, assessment or rule read "
    "SERVICES."
)

#: What is true of the admissions that come with Homeward, and of no others.
WORD_ON_SAMPLE = (
    " The 372 rows of the sample, of 2017, are no random sample either: all are women referred by "
    "criminal justice."
)


@dataclass(kw_only=True)
class Run:
    """What a report needs to know about a run besides its tally."""

    file_name: str
    seed: int
    weeks: int
    starts_at: datetime
    ended_at: datetime
    zone: ZoneInfo
    #: Patient → the row that they were made from.
    rows: Mapping[str, Admission]
    #: Whether the rows are the sample that comes with Homeward.
    of_sample: bool = False
    rows_refused: Sequence[RefusedRow] = ()
    #: Rows that could be sent, and of whom there was no referral by the end of the run.
    rows_not_referred: int = 0
    #: Seats of admitted patients by their state in the end, as the server lists them.
    seat_states: Mapping[str, int] = field(default_factory=dict)
    #: How many of the graduates completed each module of what their groups taught, by its title.
    modules_completed: Mapping[str, int] = field(default_factory=dict)
    #: Attended days that may be billed, how many of them used an authorised unit, and why others may not.
    billing: Mapping[str, Any] = field(default_factory=dict)
    #: Records of admissions in TEDS codes, and how many of them contradict the code book.
    teds_records: Mapping[str, int] = field(default_factory=dict)
    #: What the server answered that no event tells: what it was asked, and what came of it.
    answers: Sequence[tuple[str, str]] = ()
    #: Requests that were refused, by route and kind of problem.
    refusals: Mapping[str, int] = field(default_factory=dict)
    requests: int = 0
    jumps: int = 0
    events_parked: int = 0
    wall_seconds: float = 0.0


def build(tally: Tally, run: Run) -> dict[str, Any]:
    """Build the report of a run."""
    first = set(tally.first_episodes)
    admitted = {episode for episode in first if episode in tally.admitted_at}
    elsewhere = {episode for episode in first if episode in tally.elsewhere} - admitted
    stays = [discharge.stay_days for discharge in tally.discharges.values()]
    reasons = Counter(discharge.reason_code for discharge in tally.discharges.values())
    attended = sum(seat.state in ATTENDED_STATES for seat in tally.seats.values())
    missed = sum(seat.state == "MISSED" for seat in tally.seats.values())
    outreach = _outreach(tally)
    contacts = _contacts(tally, run)
    due, done = contacts["follow_ups"]["due"], contacts["follow_ups"]["reached"]
    return {
        "referrals": len(first),
        "admitted": len(admitted),
        "referred_elsewhere": len(elsewhere),
        "open": len(first) - len(admitted) - len(elsewhere),
        "sessions_scheduled": sum(seat.starts_at < run.ended_at for seat in tally.seats.values()),
        "sessions_attended": attended,
        "sessions_missed": missed,
        "outreach_within_1h": outreach["within_1h"],
        "graduated": len(tally.graduated),
        "discharged_by_reason": {code: n for code, _, n in reasons_with_names(reasons)},
        "median_stay_days": statistics.median(stays) if stays else None,
        "follow_ups_due": due,
        "follow_ups_done": done,
        "events_announced": sum(tally.announced.values()),
        "events_parked": run.events_parked,
        "wall_seconds": round(run.wall_seconds, 1),
        "modelled": list(MODELLED),
        "recorded": ["CASEID", *(name for name in code_book() if _is_recorded(name, run))],
        "rows_refused": [
            {"line": row.line, "field": row.field, "reason": row.reason} for row in run.rows_refused
        ],
        "rows_not_referred": run.rows_not_referred,
        "run": {
            "file": run.file_name,
            "of_sample": run.of_sample,
            "seed": run.seed,
            "weeks": run.weeks,
            "starts_at": write_moment(run.starts_at),
            "ended_at": write_moment(run.ended_at),
            "time_zone": str(run.zone),
            "requests": run.requests,
            "clock_jumps": run.jumps,
            "requests_refused": dict(sorted(run.refusals.items())),
        },
        "funnel": _funnel(tally, run, first, admitted),
        "first_contact": {
            "inquiries": tally.inquiries,
            **_in_time_and_late("called_back", tally.called_back),
            "pre_screens": dict(sorted(tally.pre_screened.items())),
            "decided_by_a_specialist": tally.inquiries_decided,
        },
        "placement": {
            "recommended": _by_level(tally.recommended, first),
            "decided": _by_level(tally.decided, first),
            "overridden": len(tally.overridden & first),
            "decisions": len(set(tally.decided) & first),
            "confusion": _confusion(tally, run, first),
        },
        "instruments": _instruments(tally),
        "fit_factors": {
            factor: {result: tally.fit[factor][result] for result in ("MET", "CONDITIONAL", "NOT_MET")}
            for factor in FIT_FACTORS
        },
        "cover": _cover(tally, run, admitted),
        "sliding_fees": _answers(run, "sliding_fees"),
        "billing": dict(run.billing),
        "teds_records": dict(run.teds_records),
        "step_downs": _step_downs(tally),
        "waiting_list": {name: tally.waits[name] for name in ("waited", "offers", "admitted", "removed")},
        "examples": {
            name: _answers(run, name) for name in ("statuses", "directory_searches", "self_checks", "rights")
        },
        "weekly_plans": _weekly_plans(tally, run, admitted),
        "attendance": {
            "by_week": _attendance_by_week(tally, run),
            "seats_by_state_at_end": dict(sorted(run.seat_states.items())),
            "seats_by_kind": dict(
                sorted(
                    Counter(
                        seat.kind for seat in tally.seats.values() if seat.starts_at < run.ended_at
                    ).items()
                )
            ),
            "weekly_dose_shortfalls": len(tally.short_weeks),
            "modules_completed_by_graduates": dict(run.modules_completed),
        },
        "outreach": outreach,
        "stays": _stays(tally, run),
        "aftercare": contacts,
        "reentries": sum(source == "REENTRY" for source in tally.source_of_episode.values()),
        "lapses_reported": tally.lapses,
        "escalations_by_level": {level: tally.escalations[level] for level in ("E0", "E1", "E2", "E3", "E4")},
        "events_by_kind": dict(sorted(tally.announced.items())),
        "national_2004": NATIONAL_2004,
    }


def _instruments(tally: Tally) -> dict[str, Any]:
    """Count what was answered, and whether staff were paged about each answer that tells of danger."""
    paged = {
        concern for concern, escalation in tally.escalation_of_concern.items() if escalation in tally.paged
    }
    told = Counter(tally.safety_answers.values())
    return {
        "answered": dict(sorted(tally.answered.items())),
        "safety_answers": dict(sorted(told.items())),
        "safety_answers_paged": len(tally.safety_answers.keys() & paged),
        "safety_answers_not_paged": len(tally.safety_answers.keys() - paged),
    }


def _funnel(tally: Tally, run: Run, first: set[str], admitted: set[str]) -> list[dict[str, Any]]:
    came = {seat.patient_id for seat in tally.seats.values() if seat.state in ATTENDED_STATES}
    stayed = sum(
        tally.discharges[episode].stay_days >= RETENTION_DAYS
        if episode in tally.discharges
        else (run.ended_at - tally.admitted_at[episode]).days >= RETENTION_DAYS
        for episode in admitted
    )
    steps = (
        ("Rows sent as referrals", len(first), "recorded"),
        ("Assessed", len(set(tally.recommended) & first), "modelled"),
        ("Decided for this program", sum(tally.decided.get(e) == PROGRAM_LEVEL for e in first), "modelled"),
        ("Admitted", len(admitted), "modelled"),
        ("Came at least once", len({tally.patient_of_episode[e] for e in admitted} & came), "modelled"),
        (f"In care after {RETENTION_DAYS} days", stayed, "modelled"),
        ("Graduated", len(tally.graduated & admitted), "modelled"),
    )
    return [{"step": step, "people": people, "kind": kind} for step, people, kind in steps]


def _is_recorded(name: str, run: Run) -> bool:
    if name == "SERVICES":
        return any(row.recorded_service is not None for row in run.rows.values())
    return any(name in row.codes for row in run.rows.values())


def _by_level(levels: Mapping[str, str], episodes: set[str]) -> dict[str, int]:
    counts = Counter(level for episode, level in levels.items() if episode in episodes)
    return {level: counts[level] for level in _levels_in_order(counts)}


def _levels_in_order(found: Mapping[str, int]) -> list[str]:
    known = [level for level in LEVELS_OF_CARE if level in found]
    return known + sorted(level for level in found if level not in LEVELS_OF_CARE)


def _confusion(tally: Tally, run: Run, first: set[str]) -> dict[str, Any]:
    counts: dict[str, Counter[str]] = {}
    for episode in first:
        row = run.rows.get(tally.patient_of_episode[episode])
        service = row.recorded_service if row is not None else None
        counts.setdefault(_as_recorded("SERVICES", service), Counter())[
            tally.recommended.get(episode, NOT_ASSESSED)
        ] += 1
    levels = _levels_in_order(sum(counts.values(), Counter()))
    levels.sort(key=lambda level: level == NOT_ASSESSED)
    return {
        "columns": levels,
        "rows": {service: [counts[service][level] for level in levels] for service in sorted(counts)},
        "word": HONEST_WORD + (WORD_ON_SAMPLE if run.of_sample else ""),
    }


def _as_recorded(field_name: str, code: int | None) -> str:
    """Return a code with its label in the code book."""
    if code is None:
        return "not recorded"
    return f"{code} {code_book()[field_name]['codes'][str(code)]['label']}"


def _cover(tally: Tally, run: Run, admitted: set[str]) -> dict[str, Any]:
    """Count who pays for the admitted, as recorded, and what came of it as the server told."""
    recorded: Counter[str] = Counter()
    for episode in admitted:
        row = run.rows.get(tally.patient_of_episode[episode])
        code = row.codes.get("HLTHINS") if row is not None else None
        recorded[_as_recorded("HLTHINS", code)] += 1
    of_payers = [units for episode, units in tally.authorized.items() if episode in admitted]
    return {
        "insurance": dict(sorted(recorded.items())),
        "authorized": sum(units > 0 for units in of_payers),
        "denied": sum(units == 0 for units in of_payers),
        "days_authorized": sum(of_payers),
        **_in_time_and_late("estimates_given", tally.estimates),
    }


def _in_time_and_late(done: str, ended: Mapping[str, set[str]]) -> dict[str, int]:
    """Count what was done by its deadline, and what was done once the supervisor was asked."""
    return {
        f"{done}_in_time": len(ended["DONE"] - ended["ESCALATED"]),
        f"{done}_late": len(ended["DONE"] & ended["ESCALATED"]),
    }


def _answers(run: Run, asked: str) -> dict[str, int]:
    """Count what came of one kind of question."""
    return dict(sorted(Counter(came for what, came in run.answers if what == asked).items()))


def _step_downs(tally: Tally) -> dict[str, int]:
    """Count who came from inpatient care, and what became of the seven days to the first service."""
    ends = Counter(tally.step_downs.values())
    return {
        "received": len(tally.step_downs),
        "summaries_received": tally.summaries,
        "served_in_time": ends["served_in_time"],
        "served_late": ends["served_late"],
        "not_served_in_seven_days": ends["not_served_in_seven_days"],
    }


def _weekly_plans(tally: Tally, run: Run, admitted: set[str]) -> dict[str, Any]:
    """Count the weeks that were found, and check every seat against what its patient declared."""
    found = {episode: tally.weeks[episode] for episode in admitted if episode in tally.weeks}
    hours = [week["weekly_minutes"] / 60 for week in found.values()]
    clashing = {seat.patient_id for seat in tally.seats.values() if _clashes(seat, run)}
    patients = {tally.patient_of_episode[episode] for episode in found}
    unmet = Counter(
        (wish, reason)
        for week in found.values()
        for wish, reason in zip(week["wishes_not_met"], week["wishes_not_met_because"], strict=True)
    )
    return {
        "admitted": len(admitted),
        "with_a_week": len(found),
        "meeting_every_obligation": len(patients - clashing),
        "agreed_to": len(tally.weeks_agreed & set(found)),
        "without_a_week": dict(
            sorted(Counter(tally.weeks_refused.get(e, "") for e in admitted - set(found)).items())
        ),
        "hours": {
            "least": round(min(hours), 2) if hours else None,
            "median": round(statistics.median(hours), 2) if hours else None,
            "most": round(max(hours), 2) if hours else None,
        },
        "all_wishes_met": sum(not week["wishes_not_met"] for week in found.values()),
        "wishes_not_met": [
            {"wish": wish, "reason": reason, "weeks": number}
            for (wish, reason), number in sorted(unmet.items())
        ],
        "without_workshop": dict(
            sorted(
                Counter(
                    week["workshop_exception"] for week in found.values() if week["workshop_exception"]
                ).items()
            )
        ),
    }


def _clashes(seat: Seat, run: Run) -> bool:
    """Tell whether a seat meets an obligation of its patient, the way there and back included."""
    row = run.rows.get(seat.patient_id)
    if row is None or seat.ends_at is None:
        return False
    starts_at, ends_at = seat.starts_at.astimezone(run.zone), seat.ends_at.astimezone(run.zone)
    for block in people.obligations(row, seed=run.seed):
        if block.weekday != starts_at.weekday():
            continue
        way = timedelta(minutes=block.travel_minutes)
        begins = datetime.combine(starts_at.date(), block.starts, tzinfo=run.zone) - way
        ends = datetime.combine(starts_at.date(), block.ends, tzinfo=run.zone) + way
        if starts_at < ends and begins < ends_at:
            return True
    return False


def _attendance_by_week(tally: Tally, run: Run) -> list[dict[str, Any]]:
    weeks = [Counter[str]() for _ in range(run.weeks)]
    starts_on = run.starts_at.astimezone(run.zone).date()
    for seat in tally.seats.values():
        week = (seat.starts_at.astimezone(run.zone).date() - starts_on).days // 7
        if not 0 <= week < run.weeks:
            continue
        weeks[week]["scheduled"] += 1
        if seat.state in ATTENDED_STATES:
            weeks[week]["attended"] += 1
        elif seat.state == "MISSED":
            weeks[week]["missed"] += 1
    return [
        {
            "week": number,
            "starts_on": (starts_on + timedelta(days=7 * (number - 1))).isoformat(),
            "scheduled": week["scheduled"],
            "attended": week["attended"],
            "missed": week["missed"],
            "attended_percent": _percent(week["attended"], week["attended"] + week["missed"]),
        }
        for number, week in enumerate(weeks, start=1)
    ]


def _outreach(tally: Tally) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    minutes_taken = []
    missed = [seat_id for seat_id, seat in tally.seats.items() if seat.state == "MISSED"]
    for seat_id in missed:
        missed_at = tally.seats[seat_id].missed_at
        attempted_at = tally.first_attempt_after(seat_id)
        if attempted_at is None or missed_at is None:
            counts["never"] += 1
            continue
        minutes = (attempted_at - missed_at).total_seconds() / 60
        minutes_taken.append(minutes)
        edge = next((edge for edge in OUTREACH_EDGES if minutes <= edge), None)
        counts["later" if edge is None else str(edge)] += 1
    within = sum(taken <= OUTREACH_DEADLINE.total_seconds() / 60 for taken in minutes_taken)
    return {
        "missed_sessions": len(missed),
        "within_1h": round(within / len(missed), 4) if missed else None,
        "median_minutes_to_first_attempt": statistics.median(minutes_taken) if minutes_taken else None,
        "minutes_to_first_attempt": {
            label: counts[label] for label in (*(str(edge) for edge in OUTREACH_EDGES), "later", "never")
        },
        "attempts": tally.attempts_logged,
        "attempts_that_reached": tally.reached,
        "outreaches_ended_by_contact": len(tally.reengaged),
    }


def _stays(tally: Tally, run: Run) -> dict[str, Any]:
    by_reason: dict[str, list[int]] = {}
    for discharge in tally.discharges.values():
        by_reason.setdefault(discharge.reason_code, []).append(discharge.stay_days)
    still = {episode: at for episode, at in tally.admitted_at.items() if episode not in tally.discharges}
    return {
        "by_reason": {
            code: {
                "name": name,
                "discharged": n,
                "median_days": statistics.median(by_reason[code]) if n else None,
                "days": sorted(by_reason.get(code, [])),
            }
            for code, name, n in reasons_with_names({code: len(days) for code, days in by_reason.items()})
        },
        "still_in_treatment": len(still),
        "still_in_treatment_days": sorted((run.ended_at - at).days for at in still.values()),
    }


def _contacts(tally: Tally, run: Run) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, kind in (("follow_ups", "FOLLOW_UP"), ("calls", "CALL")):
        contacts = [contact for contact, (its_kind, _) in tally.contacts_due.items() if its_kind == kind]
        outcomes = Counter(tally.contacts_completed.get(contact, "OPEN") for contact in contacts)
        found[name] = {
            "due": len(contacts),
            "reached": outcomes["REACHED"],
            "outcomes": {
                outcome: outcomes[outcome] for outcome in ("REACHED", "LOST", "REFUSED", "DECEASED", "OPEN")
            },
        }
    numbers = Counter(number for kind, number in tally.contacts_due.values() if kind == "FOLLOW_UP")
    found["follow_ups"]["due_by_days_after_discharge"] = {
        str(days): numbers[days] for days in sorted(numbers)
    }
    found["referral_follow_ups"] = {
        "due": sum(due <= run.ended_at for due in tally.referral_follow_ups_due),
        "done": tally.referral_follow_ups_done,
    }
    return found


def office_lines(report: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return what the office saw to, in words with their counts, as both pages show it."""
    billing, waits, stays = report["billing"], report["waiting_list"], report["step_downs"]
    return [
        ("Days attended", billing.get("days_attended", 0)),
        ("… that may be billed", billing.get("days_billable", 0)),
        ("… that used an authorised unit", billing.get("units_used", 0)),
        *((f"… not billed: {why}", days) for why, days in billing.get("because", {}).items()),
        ("Records of admissions in TEDS codes", report["teds_records"].get("records", 0)),
        ("… that contradict the code book", report["teds_records"].get("with_problems", 0)),
        *((f"Sliding fee: {pays}", people) for pays, people in report["sliding_fees"].items()),
        ("Waited for a place", waits["waited"]),
        ("… and were admitted", waits["admitted"]),
        ("Came from inpatient care", stays["received"]),
        ("… served within seven days", stays["served_in_time"]),
        *(
            (f"{asked}: {came}".replace("_", " ").capitalize(), number)
            for asked, found in report["examples"].items()
            for came, number in found.items()
        ),
    ]


def late_rows(report: Mapping[str, Any]) -> str:
    """Return a sentence about the rows that had no referral by the end; nothing without such rows."""
    rows = report["rows_not_referred"]
    if not rows:
        return ""
    return (
        f"{counted(rows, 'row')} had no referral by the end: people arrive over the first "
        f"{people.ARRIVAL_WORKING_DAYS} working days."
    )


def counted(number: float, one: str, many: str = "") -> str:
    """Return a number with the words that go with it: ``1 person was``, ``2,345 people were``.

    :param many: what goes with every number but one; *one* with an s, where it is not said.
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 1) if whole else None
