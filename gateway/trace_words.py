"""What a trace says, in words of the field: codes and roles, never who somebody is."""

from collections.abc import Callable
from typing import Any

Data = dict[str, Any]


def words(code: str) -> str:
    """Return a code, or the name of a method, as words."""
    return code.replace("_", " ").lower()


#: Who is meant, where that is no role.
_WHOM = {"everyone": "everyone", "on_call": "whoever has the duty", "fallback": "the fallback address"}


def _whom(role: str) -> str:
    return _WHOM.get(role, f"the {words(role)}")


def _times(count: int, thing: str) -> str:
    return f"{count} {thing}" + ("" if count == 1 else "s")


#: What an event tells; the others by their names.
_EVENTS: dict[str, Callable[[Data], str]] = {
    "session_missed": lambda d: (
        "a session was missed" + (f", the {d['consecutive']}th in a row" if d["consecutive"] > 3 else "")
        if d["consecutive"] not in (2, 3)
        else f"a session was missed, the {('second', 'third')[d['consecutive'] - 2]} in a row"
    ),
    "session_attended": lambda d: "a session was attended",
    "seat_cancelled": lambda d: f"the program took back a seat ({words(d['reason'])})",
    "service_delivered": lambda d: f"billing was told of {_times(len(d['kinds']), 'session')} of a day",
    "attendance_corrected": lambda d: (
        f"a mark was corrected from {words(d['from_state'])} to {words(d['to_state'])}"
    ),
    "weekly_dose_corrected": lambda d: (
        f"a week was weighed again: {d['attended_minutes']} of {d['floor_minutes']} minutes"
    ),
    "task_opened": lambda d: f"asked {_whom(d['owner_role'])}: {words(d['task'])} ({words(d['reason'])})",
    "task_closed": lambda d: f"the task {words(d['task'])} is {words(d['outcome'])}",
    "task_claimed": lambda d: f"a {words(d['claimed_by_role'])} took the task",
    "task_handed_over": lambda d: f"the task went to {_whom(d['to_role'])}",
    "outreach_attempted": lambda d: (
        f"attempt {d['attempt']} to reach the patient, by {words(d['channel'])}: {words(d['outcome'])}"
    ),
    "patient_reengaged": lambda d: f"there was contact again ({words(d['how'])})",
    "safety_concern_raised": lambda d: f"danger told: {words(d['concern'])}, level {d['level']}",
    "safety_concern_taken": lambda d: "monitoring confirmed the danger: it has an escalation",
    "escalation_opened": lambda d: f"escalation {d['level']} opened ({words(d['cause'])})",
    "escalation_raised": lambda d: f"the escalation rose from {d['from_level']} to {d['to_level']}",
    "escalation_acknowledged": lambda d: "somebody took the escalation",
    "escalation_breached": lambda d: (
        f"nobody {'acknowledged' if d['deadline'] == 'ACKNOWLEDGE' else 'acted'} in time:"
        f" {_whom(d['next_role'])} is asked (tier {d['tier']})"
    ),
    "escalation_closed": lambda d: f"the escalation was closed ({words(d['disposition'])})",
    "staff_paged": lambda d: f"paged {_whom(d['paged_as'])} (tier {d['tier']})",
    "pages_held_up": lambda d: "no page had left within a minute: the gateway was asked to page as well",
    "fallback_paged": lambda d: "nobody had confirmed the danger: the fallback address was paged",
    "notification_settled": lambda d: (
        f"the message {words(d['template'])} is {words(d['outcome'])}"
        + (f" after {_times(d['attempts'], 'attempt')}" if d["attempts"] else "")
    ),
    "message_wanted": lambda d: f"asked intake to write to the patient ({words(d['template'])})",
    "risk_band_changed": lambda d: (
        f"the risk band went from {words(d['from_band'])} to {words(d['to_band'])}"
    ),
    "drug_test_due": lambda d: "the day's lot fell on the patient: a drug test was due",
    "drug_test_recorded": lambda d: f"of the drug test came: {words(d['outcome'])}",
    "discharge_proposed": lambda d: "a discharge is proposed to a human",
}

#: What it means that a timer fired and something came of it.
_TIMERS = {
    "outreach_first_attempt_due": "nobody had recorded an attempt by then",
    "outreach_same_day_call_due": "nobody had reached the patient by then",
    "message_due": "the patient had not been heard of until then",
    "silent_for_a_week": "there had been no contact for a week",
    "silent_for_two_weeks": "there had been no contact for two weeks",
    "attendance_grace_over": "the time of grace after the start was over",
    "make_up_offer_due": "the session that was missed had not been made up by then",
    "roster_overdue": "nobody had recorded the attendance by then",
    "session_over": "the session had been over for a while",
    "remind_of_notes": "notes had not been signed by then",
    "escalation_not_acknowledged": "nobody had acknowledged by then",
    "escalation_not_acted_on": "nobody had acted by then",
    "drug_test_draw": "the day's lot fell on the patient",
    "page_not_left": "no page had left by then",
}


def of_event(type_: str, data: Data) -> str:
    """Return what an event tells."""
    told = _EVENTS.get(type_)
    try:
        return told(data) if told else words(type_)
    except (KeyError, TypeError):
        # Of a version that told less.
        return words(type_)


def of_timer(name: str, *, did_something: bool) -> str:
    """Return what it means that a timer fired."""
    if not did_something:
        return f"the timer {words(name)} fired, and nothing was left to do"
    return _TIMERS.get(name, f"the timer {words(name)} fired")


def of_waiting_timer(name: str, state: str) -> str:
    """Return what it means that a timer is there."""
    if state == "parked":
        return f"the timer {words(name)} failed too often and was parked"
    if state == "skipped":
        return f"the timer {words(name)} was given up by an operator"
    return f"the timer {words(name)} is set"


def of_reaction(row: Data) -> str:
    """Return how a reaction went."""
    name, state = words(row["reaction"]), row["state"]
    attempts = _times(row.get("attempts") or 0, "attempt")
    why = f" ({row['error']})" if row.get("error") else ""
    who = f" by {row['resolved_by']}, {row['resolution']}" if row.get("resolved_by") else ""
    if state == "waiting":
        if row.get("error") == "TooEarly":
            return f"{name}: waits for something that has not come yet"
        if row.get("error") == "UnknownEvent":
            return "waits for a copy of a later version: this one knows no such event"
        return f"{name}: failed{why}, will be tried again after {attempts}{who}"
    if state == "parked":
        return f"{name}: failed too often{why}, parked after {attempts}: an operator must look"
    if state == "skipped":
        return f"{name}: given up{who}"
    return f"{name}: done{who}"


def of_notification(row: Data) -> str:
    """Return how a notification went."""
    sent = {
        "waiting": f"waits to be sent after {_times(row.get('attempts') or 0, 'attempt')}",
        "sent": "was sent",
        "failed": f"could not be sent ({row.get('error') or 'no reason told'})",
        "suppressed": "was not sent: the address wants none",
        "simulated": "was not sent: time is simulated",
    }
    kind = f"{words(row['template'])} by {words(row['channel'])}"
    return f"{kind} {sent.get(row['state'], words(row['state']))}"
