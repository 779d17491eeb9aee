"""How a course of treatment goes in the simulation: who comes, who leaves when, who uses, who answers.

The fate of a course is drawn once, at admission, after the national figures for intensive
outpatient treatment; when and how it shows is left to the server: the driver only stops sending
somebody to sessions, or says what a clinician decided. A drop-out who is reached may come back.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import exp, log
from statistics import NormalDist

from homeward.simulation.draws import Draws
from homeward.simulation.rows import Admission, code_book

COMPLETES = "COMPLETES"
DROPS_OUT = "DROPS_OUT"
TERMINATED = "TERMINATED"
TRANSFERRED = "TRANSFERRED"
OTHER = "OTHER"

#: Shares of the ends of intensive outpatient treatment.
#: Source: SAMHSA, TEDS discharges 2004, the newest table by type of service that we hold.
FATES: dict[str, float] = {
    COMPLETES: 0.38,
    TRANSFERRED: 0.18,
    DROPS_OUT: 0.23,
    TERMINATED: 0.14,
    OTHER: 0.07,
}

#: Completion share by schooling, relative to all: 29 % up to eight grades, 45 % beyond twelve years
#: (TEDS discharges 2004); the steps between are drawn straight.
COMPLETION_OF_SCHOOLING: dict[int, float] = {1: 0.29, 2: 0.34, 3: 0.39, 4: 0.45, 5: 0.45}

#: Median days from admission to leaving. Drop-outs: TEDS discharges 2004 (26 days). For the others
#: only the median of all stays is published (41 days): 30 is the simulation's assumption.
DAYS_TO_LEAVING: dict[str, float] = {DROPS_OUT: 26.0, TERMINATED: 30.0, TRANSFERRED: 30.0, OTHER: 30.0}

#: Spread of the days to leaving on the log scale. Assumption.
LEAVING_SPREAD = 0.7

#: The days before which somebody leaves who does not complete: the eight weeks after which the
#: program can be completed. Draws are cut off here; the medians above are those after the cut.
LEAVES_BEFORE = 56

#: Chance to come on a day of treatment, by fate. Assumption, set so that completers can meet the
#: 80 % of planned hours that graduation asks for, and others mostly would not.
COMES: dict[str, float] = {COMPLETES: 0.93, TRANSFERRED: 0.86, DROPS_OUT: 0.82, TERMINATED: 0.76, OTHER: 0.85}

#: Over how many days before leaving the chance to come falls, and to what share of itself.
FADING_DAYS = 10
FADES_TO = 0.45

#: Chance to come to a further session of a day on which somebody came already. Assumption.
STAYS_FOR_NEXT = 0.97

#: Share of absences that are excused a day or more ahead. Assumption.
EXCUSES = 0.22

#: Shares of attended sessions that start late or end early for somebody. Assumption.
COMES_LATE = 0.04
LEAVES_EARLY = 0.02

#: Weekly chance of a return to use that is told, during treatment, by severity of dimension 5, and
#: the factor for those who complete. Assumption.
USES_IN_WEEK: tuple[float, ...] = (0.01, 0.02, 0.04, 0.07, 0.12)
COMPLETERS_USE = 0.25

#: Weekly chance of a lapse that is reported after discharge. Assumption.
LAPSES_IN_WEEK = 0.008

#: Chance that a call reaches somebody who still comes; who has left; and after discharge. Assumption.
ANSWERS_IN_TREATMENT = 0.62
ANSWERS_AFTER_LEAVING = 0.28
ANSWERS_AFTERCARE = 0.72
ANSWERS_AFTER_DROPPING_OUT = 0.35

#: Share of those who leave of themselves that no call reaches any more. Assumption.
FALLS_SILENT = 0.6

#: Chance that a drop-out who is reached comes back, once; the others say that they leave. Assumption.
COMES_BACK = 0.4

#: Fits by the national reasons 5, 6 and 7 of TEDS-D 2019: how "other" ends divide.
OTHER_REASONS = ("5", "6", "7")

#: Share of people found fit for the program who then do not consent to treatment. Assumption.
DECLINES = 0.03

#: Share of the admitted who consent to be followed up after discharge. Assumption.
AGREES_TO_FOLLOW_UP = 0.9


@dataclass(kw_only=True)
class Course:
    """One admitted person's way through the program."""

    draws: Draws
    fate: str
    admitted_on: date
    #: The day from which the person no longer comes; None for who stays to the end.
    leaves_on: date | None
    came_back: bool = False

    def attends(self, *, on: date, n: int) -> bool:
        """Tell whether the person comes to the n-th session of a day."""
        if self.has_left(on=on):
            return False
        if not self.draws.happens(self._chance_to_come(on), "comes", on.isoformat()):
            return False
        return n == 0 or self.draws.happens(STAYS_FOR_NEXT, "stays", f"{on} {n}")

    def excuses(self, *, on: date) -> bool:
        """Tell whether an absence on a day was excused ahead; who has left excuses nothing."""
        return not self.has_left(on=on) and self.draws.happens(EXCUSES, "excuses", on.isoformat())

    def minutes_late(self, *, starts_at: datetime) -> int:
        """Draw how late the person comes to a session that they attend."""
        if not self.draws.happens(COMES_LATE, "late", starts_at.isoformat()):
            return 0
        return round(self.draws.source("minutes late", starts_at.isoformat()).triangular(11, 25, 11))

    def minutes_early(self, *, starts_at: datetime, minutes: int) -> int:
        """Draw how early the person leaves a session of so many minutes that they attend."""
        if not self.draws.happens(LEAVES_EARLY, "early", starts_at.isoformat()):
            return 0
        return self.draws.between(minutes // 5, minutes // 2, "minutes early", starts_at.isoformat())

    def has_left(self, *, on: date) -> bool:
        """Tell whether the person has stopped coming by a day."""
        return self.leaves_on is not None and on >= self.leaves_on

    def uses(self, *, week: int, severity: int) -> bool:
        """Draw whether the person returns to use in a week of treatment and tells it."""
        chance = USES_IN_WEEK[severity] * (COMPLETERS_USE if self.fate == COMPLETES else 1.0)
        return self.draws.happens(chance, "uses", week)

    def answers(self, *, on: date, n: str) -> bool:
        """Draw whether an attempt to reach the person during treatment succeeds."""
        if not self.has_left(on=on):
            return self.draws.happens(ANSWERS_IN_TREATMENT, "answers", n)
        if self.draws.happens(FALLS_SILENT, "falls silent", int(self.came_back)):
            return False
        return self.draws.happens(ANSWERS_AFTER_LEAVING, "answers", n)

    def come_back(self, *, on: date, n: str) -> bool:
        """Draw whether a drop-out who was reached comes back; at most once, and for a while."""
        if self.came_back or self.fate != DROPS_OUT or not self.has_left(on=on):
            return False
        if not self.draws.happens(COMES_BACK, "comes back", n):
            return False
        self.came_back = True
        days = max(7, _days_to_leaving(self.draws, DROPS_OUT, "second leaving"))
        stays = self.draws.happens(FATES[COMPLETES], "stays for good")
        self.leaves_on = None if stays else on + timedelta(days=days)
        return True

    @property
    def other_reason(self) -> str:
        """Draw the TEDS reason of an end that is none of the usual four."""
        counts = code_book()["REASON"]["codes"]
        return self.draws.one_of({code: counts[code]["n"] for code in OTHER_REASONS}, "other reason")

    def _chance_to_come(self, on: date) -> float:
        chance = COMES[self.fate]
        if self.leaves_on is not None and self.fate != COMPLETES:
            days_left = (self.leaves_on - on).days
            if days_left < FADING_DAYS:
                chance *= FADES_TO + (1 - FADES_TO) * days_left / FADING_DAYS
        return chance


def begin(admission: Admission, *, seed: int, admitted_on: date, attempt: int = 0) -> Course:
    """Draw the course of an admission; *attempt* counts re-entries of the same person."""
    draws = Draws(seed, admission.case_id if attempt == 0 else f"{admission.case_id}#{attempt}")
    shares = dict(FATES)
    shares[COMPLETES] = COMPLETION_OF_SCHOOLING.get(admission.codes.get("EDUC", 3), FATES[COMPLETES])
    left_over = sum(share for fate, share in FATES.items() if fate != COMPLETES)
    for fate in FATES:
        if fate != COMPLETES:
            shares[fate] *= (1 - shares[COMPLETES]) / left_over
    fate = draws.one_of(shares, "fate")
    leaves_on = None
    if fate != COMPLETES:
        leaves_on = admitted_on + timedelta(days=max(2, _days_to_leaving(draws, fate, "leaving")))
    return Course(draws=draws, fate=fate, admitted_on=admitted_on, leaves_on=leaves_on)


def _days_to_leaving(draws: Draws, fate: str, what: str) -> int:
    """Draw the days to leaving from the log-normal whose median is as given once it is cut off."""
    normal = NormalDist(sigma=LEAVING_SPREAD)
    median = DAYS_TO_LEAVING[fate]
    # The median after the cut grows with the one before it, so halving finds that one.
    low, high = median, 100 * median
    for _ in range(40):
        middle = (low + high) / 2
        share_kept = normal.cdf(log(LEAVES_BEFORE / middle))
        after_cut = middle * exp(normal.inv_cdf(share_kept / 2))
        low, high = (middle, high) if after_cut < median else (low, middle)
    share_kept = normal.cdf(log(LEAVES_BEFORE / low))
    place = draws.source(what).uniform(1e-9, share_kept)
    return round(low * exp(normal.inv_cdf(place)))
