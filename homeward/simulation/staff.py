"""What the people who work in the program do in the simulation, and how soon."""

from datetime import timedelta

from homeward.simulation.draws import Draws

#: Share of level-of-care decisions in which the clinician decides against the recommendation.
OVERRIDES = 0.06

#: Median minutes from an opened outreach task to the first attempt, and its spread on the log scale.
#: Assumption: most calls are made within the hour, some are not, so that the share is a measured one.
MINUTES_TO_OUTREACH = 24.0
OUTREACH_SPREAD = 0.75

#: Share of outreach tasks that nobody gets to before the next working morning. Assumption.
LEFT_FOR_TOMORROW = 0.03

#: Median minutes from an inquiry to the call back, and its spread: most are called within the quarter of
#: an hour that is promised in staffed hours. Assumption.
MINUTES_TO_CALL_BACK = 8.0
CALL_BACK_SPREAD = 0.5

#: Median minutes to any other task, within working hours. Assumption.
MINUTES_TO_TASK = 90.0
TASK_SPREAD = 0.6

#: Median minutes to acknowledge an escalation by level, and to close it. Assumption, inside the
#: deadlines of the escalation table most of the time.
MINUTES_TO_ACKNOWLEDGE = {"E0": 120.0, "E1": 120.0, "E2": 60.0, "E3": 12.0, "E4": 3.0}
ACKNOWLEDGE_SPREAD = 0.5
MINUTES_TO_CLOSE = {"E0": 600.0, "E1": 600.0, "E2": 240.0, "E3": 25.0, "E4": 7.0}

#: Weights of what a closed escalation came to. Assumption.
DISPOSITIONS = {"SAFE_PLAN_IN_PLACE": 0.5, "EVALUATED_NO_ACTION": 0.3, "MEDICAL_EVALUATION_DONE": 0.2}

#: Weights of what a review of the level of care comes to. Assumption; transfers are drawn as fates.
REVIEW_OUTCOMES = {"STAY": 0.6, "PLAN_CHANGED": 0.4}

#: Share of marks that turn out wrong the next morning: the person was there. Assumption.
WRONG_MARKS = 0.01


def outreach_delay(draws: Draws, n: str) -> timedelta | None:
    """Draw the time to a first outreach attempt; None when it is left for the next morning."""
    if draws.happens(LEFT_FOR_TOMORROW, "outreach left", n):
        return None
    return _minutes(draws.around(MINUTES_TO_OUTREACH, OUTREACH_SPREAD, "outreach", n))


def call_back_delay(draws: Draws) -> timedelta:
    """Draw the time in which somebody who asked for help is called back."""
    return _minutes(draws.around(MINUTES_TO_CALL_BACK, CALL_BACK_SPREAD, "call back"))


def task_delay(draws: Draws, n: str) -> timedelta:
    """Draw the time in which somebody turns to an ordinary task."""
    return _minutes(draws.around(MINUTES_TO_TASK, TASK_SPREAD, "task", n))


def acknowledge_delay(draws: Draws, level: str, n: str) -> timedelta:
    """Draw the time in which an escalation is acknowledged."""
    return _minutes(draws.around(MINUTES_TO_ACKNOWLEDGE[level], ACKNOWLEDGE_SPREAD, "acknowledge", n))


def close_delay(draws: Draws, level: str, n: str) -> timedelta:
    """Draw the time from acknowledgement to disposition of an escalation."""
    return _minutes(draws.around(MINUTES_TO_CLOSE[level], ACKNOWLEDGE_SPREAD, "close", n))


def _minutes(minutes: float) -> timedelta:
    return timedelta(minutes=max(1, round(minutes)))
