"""What an assessor finds in the simulation: six ratings, criteria counts, withdrawal, home, wishes.

A row has none of these. Each is drawn from the row's own fields through the tables below, which are
the simulation's assumptions, not published figures: they say which way a field points and roughly
how far. ``SERVICES`` is not among the fields, and cannot be: an ``Admission`` keeps it apart.
"""

from dataclasses import dataclass

from homeward.simulation.draws import Draws
from homeward.simulation.people import recorded_or_drawn
from homeward.simulation.rows import Admission

#: The problem that each code of SUB1 to SUB3 is about. Source of the codes: TEDS code book.
PROBLEM_OF_SUBSTANCE: dict[int, str] = {
    2: "ALCOHOL",
    3: "COCAINE",
    4: "CANNABIS",
    5: "OPIOID",
    6: "OPIOID",
    7: "OPIOID",
    8: "HALLUCINOGEN",
    9: "HALLUCINOGEN",
    10: "STIMULANT",
    11: "STIMULANT",
    12: "STIMULANT",
    13: "SEDATIVE",
    14: "SEDATIVE",
    15: "SEDATIVE",
    16: "SEDATIVE",
    17: "INHALANT",
    18: "OTHER",
    19: "OTHER",
}

#: Codes of SUB1 to SUB3 that are benzodiazepines: daily use needs a medical evaluation.
BENZODIAZEPINES = (13,)

#: Problems whose withdrawal endangers (alcohol, sedatives) or drives back to use (opioids).
WITHDRAWAL_PROBLEMS = ("ALCOHOL", "SEDATIVE", "OPIOID")

#: Weights of dimension 1, severity 0 to 4, by the recorded frequency of use of the primary substance
#: (1 none in the past month, 2 some, 3 daily) and by whether its withdrawal endangers.
DIMENSION_1: dict[tuple[int, str], tuple[float, ...]] = {
    (1, "dangerous"): (0.95, 0.05, 0.0, 0.0, 0.0),
    (1, "other"): (0.98, 0.02, 0.0, 0.0, 0.0),
    (2, "dangerous"): (0.60, 0.32, 0.06, 0.02, 0.0),
    (2, "other"): (0.82, 0.17, 0.01, 0.0, 0.0),
    (3, "dangerous"): (0.18, 0.46, 0.24, 0.105, 0.015),
    (3, "other"): (0.55, 0.39, 0.05, 0.01, 0.0),
}

#: Weights of dimension 2 by whether injecting is reported (IDU).
DIMENSION_2: dict[int, tuple[float, ...]] = {
    0: (0.70, 0.245, 0.04, 0.012, 0.003),
    1: (0.54, 0.36, 0.07, 0.025, 0.005),
}

#: Weights of dimension 3 by whether a mental disorder is reported besides (PSYPROB: 1 yes, 2 no).
DIMENSION_3: dict[int, tuple[float, ...]] = {
    1: (0.12, 0.52, 0.28, 0.07, 0.01),
    2: (0.64, 0.31, 0.04, 0.01, 0.0),
}

#: Weights of dimension 4 by whether the person goes to self-help groups already.
DIMENSION_4: dict[bool, tuple[float, ...]] = {
    True: (0.25, 0.40, 0.25, 0.09, 0.01),
    False: (0.10, 0.28, 0.40, 0.19, 0.03),
}

#: Weights of dimension 5 by the recorded frequency of use of the primary substance.
DIMENSION_5: dict[int, tuple[float, ...]] = {
    1: (0.06, 0.30, 0.42, 0.20, 0.02),
    2: (0.02, 0.15, 0.46, 0.33, 0.04),
    3: (0.0, 0.06, 0.40, 0.46, 0.08),
}

#: Weights of dimension 6 by the recorded living arrangement (1 homeless, 2 dependent, 3 independent).
DIMENSION_6: dict[int, tuple[float, ...]] = {
    1: (0.0, 0.05, 0.30, 0.43, 0.22),
    2: (0.10, 0.34, 0.37, 0.17, 0.02),
    3: (0.20, 0.42, 0.28, 0.09, 0.01),
}

#: Chance that several earlier treatments make continued use one step likelier (NOPRIOR 3 or more).
EARLIER_TREATMENT_COUNTS = 0.35

#: Weights of the number of DSM-5 criteria by what DSMCRIT tells of the primary substance. A recorded
#: dependence is mostly severe, a recorded abuse mostly mild or moderate, anything else lies between.
CRITERIA_COUNTS: dict[str, dict[int, float]] = {
    "dependence": {4: 0.05, 5: 0.11, 6: 0.18, 7: 0.20, 8: 0.18, 9: 0.13, 10: 0.09, 11: 0.06},
    "abuse": {2: 0.24, 3: 0.30, 4: 0.24, 5: 0.14, 6: 0.06, 7: 0.02},
    "unknown": {3: 0.10, 4: 0.16, 5: 0.20, 6: 0.20, 7: 0.16, 8: 0.10, 9: 0.08},
}

#: Codes of DSMCRIT that say dependence, and abuse. Source: TEDS code book.
DEPENDENCE_CODES = range(4, 9)
ABUSE_CODES = range(9, 14)

#: Weights of the number of criteria of a secondary or tertiary substance by its frequency of use;
#: 0 and 1 are no diagnosis.
FURTHER_CRITERIA_COUNTS: dict[int, dict[int, float]] = {
    1: {0: 0.35, 2: 0.20, 3: 0.20, 4: 0.15, 6: 0.10},
    2: {0: 0.15, 2: 0.15, 3: 0.25, 4: 0.20, 5: 0.15, 6: 0.10},
    3: {3: 0.15, 4: 0.20, 5: 0.20, 6: 0.25, 7: 0.20},
}

#: Chance that somebody with an earlier treatment comes straight from a residential level.
STEPS_DOWN = 0.12

#: Scores of an observed withdrawal scale that go with a rating of dimension 1, low and high.
#: Source of the bands: ASAM 2020 alcohol withdrawal guideline (CIWA-Ar); COWS scoring sheet.
CIWA_AR_OF_RATING: tuple[tuple[int, int], ...] = ((0, 4), (3, 9), (10, 18), (19, 26), (27, 40))
COWS_OF_RATING: tuple[tuple[int, int], ...] = ((0, 4), (5, 12), (13, 24), (25, 36), (37, 44))

#: Rulers of importance, confidence and readiness (0 to 10) that go with a rating of dimension 4.
RULERS_OF_RATING: tuple[tuple[int, int], ...] = ((8, 10), (6, 10), (4, 8), (2, 6), (0, 3))

#: Weights of the answer about suicide by the rating of dimension 3. Assumption.
SUICIDAL_INTENT: tuple[dict[str, float], ...] = (
    {"NONE": 0.995, "PASSIVE": 0.005},
    {"NONE": 0.97, "PASSIVE": 0.03},
    {"NONE": 0.89, "PASSIVE": 0.11},
    {"NONE": 0.62, "PASSIVE": 0.33, "ACTIVE": 0.05},
    {"NONE": 0.15, "PASSIVE": 0.25, "ACTIVE": 0.60},
)

#: Share of people under a threat of violence. Assumption.
VIOLENCE = 0.01

#: Weights of housing by the recorded living arrangement.
HOUSING: dict[int, dict[str, float]] = {
    1: {"SHELTER": 0.55, "STREET": 0.30, "FAMILY_OR_FRIENDS": 0.15},
    2: {"FAMILY_OR_FRIENDS": 0.55, "RECOVERY_RESIDENCE": 0.25, "TRANSITIONAL": 0.20},
    3: {"OWN_OR_RENT": 0.85, "FAMILY_OR_FRIENDS": 0.15},
}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A substance that troubles a person, with the number of DSM-5 criteria met in twelve months."""

    code: str
    criteria_met: int


@dataclass(frozen=True, kw_only=True)
class Withdrawal:
    """What an observer and the history tell for the withdrawal gate."""

    ciwa_ar: int | None
    cows: int | None
    pawss: int | None
    #: Hours since the last drink; None where alcohol is no problem.
    last_drink_hours: int | None
    seizure_or_delirium_history: bool
    overdose_in_72_hours: bool
    daily_benzodiazepine: bool


@dataclass(frozen=True, kw_only=True)
class Danger:
    """The answers about danger to oneself and others."""

    #: "NONE", "PASSIVE" or "ACTIVE".
    suicidal_intent: str
    violence_threat: bool


@dataclass(frozen=True, kw_only=True)
class Home:
    """Where and with whom a person lives."""

    housing: str
    days_secure: int
    safe: bool
    others_use: bool
    coping_plan: bool
    supporter: bool
    recovery_residence_possible: bool


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Everything an assessment asks for, as drawn for one row."""

    #: Severity 0 to 4 of dimensions 1 to 6, in order (ASAM criteria, 3rd edition).
    ratings: tuple[int, ...]
    problems: tuple[Problem, ...]
    withdrawal: Withdrawal
    danger: Danger
    home: Home
    importance: int
    confidence: int
    readiness: int
    triggers_known: int
    triggers_with_tool: int
    naloxone: bool
    #: Level of care that the person steps down from, and how many days ago they left it.
    prior_level: str | None
    days_since_prior: int | None
    prior_summary: bool
    co_occurring: bool
    pregnant: bool


def find(admission: Admission, *, seed: int) -> Findings:
    """Draw what an assessor finds about the person of a row."""
    draws = Draws(seed, admission.case_id)
    problems = _problems(admission, draws)
    pregnant = admission.codes.get("PREG") == 1
    psychiatric = recorded_or_drawn(admission, draws, "PSYPROB")
    ratings = _ratings(admission, draws, problems, pregnant=pregnant, psychiatric=psychiatric)
    low, high = RULERS_OF_RATING[ratings[3]]
    triggers = draws.between(max(0, 4 - ratings[4]), 5, "triggers")
    prior_level, days_since_prior = _prior(admission, draws)
    opioid = any(problem.code == "OPIOID" for problem in problems)
    return Findings(
        ratings=ratings,
        problems=problems,
        withdrawal=_withdrawal(admission, draws, problems, rating=ratings[0]),
        danger=Danger(
            suicidal_intent=draws.one_of(SUICIDAL_INTENT[ratings[2]], "suicidal intent"),
            violence_threat=draws.happens(VIOLENCE, "violence"),
        ),
        home=_home(admission, draws, rating=ratings[5]),
        importance=draws.between(low, high, "importance"),
        confidence=draws.between(low, high, "confidence"),
        readiness=draws.between(low, high, "readiness"),
        triggers_known=triggers,
        triggers_with_tool=draws.between(0, triggers, "coping tools"),
        naloxone=opioid and draws.happens(0.4, "naloxone"),
        prior_level=prior_level,
        days_since_prior=days_since_prior,
        prior_summary=draws.happens(0.5, "prior summary"),
        co_occurring=psychiatric == 1,
        pregnant=pregnant,
    )


def _problems(admission: Admission, draws: Draws) -> tuple[Problem, ...]:
    primary = PROBLEM_OF_SUBSTANCE.get(recorded_or_drawn(admission, draws, "SUB1"), "OTHER")
    counts = {primary: draws.one_of(CRITERIA_COUNTS[_dsm_kind(admission)], "criteria", 1)}
    for n, (substance, frequency) in enumerate((("SUB2", "FREQ2"), ("SUB3", "")), start=2):
        code = PROBLEM_OF_SUBSTANCE.get(admission.codes.get(substance, 1))
        if code is None or code in counts:
            continue
        # The third substance has no frequency in the row; it is drawn as one used sometimes.
        often = admission.codes.get(frequency, 2)
        criteria = draws.one_of(FURTHER_CRITERIA_COUNTS[often], "criteria", n)
        if criteria >= 2:
            counts[code] = criteria
    return tuple(Problem(code=code, criteria_met=criteria) for code, criteria in counts.items())


def _dsm_kind(admission: Admission) -> str:
    code = admission.codes.get("DSMCRIT")
    if code in DEPENDENCE_CODES:
        return "dependence"
    return "abuse" if code in ABUSE_CODES else "unknown"


def _ratings(
    admission: Admission, draws: Draws, problems: tuple[Problem, ...], *, pregnant: bool, psychiatric: int
) -> tuple[int, ...]:
    codes = admission.codes
    frequency = recorded_or_drawn(admission, draws, "FREQ1")
    primary = problems[0].code
    danger = "dangerous" if primary in WITHDRAWAL_PROBLEMS else "other"
    first = draws.rating(DIMENSION_1[(frequency, danger)], "dimension", 1)
    if codes.get("METHUSE") == 1:
        # Somebody on methadone or buprenorphine is already kept from the worst of withdrawal.
        first = max(0, first - 1)
    second = draws.rating(DIMENSION_2[codes.get("IDU", 0)], "dimension", 2)
    if pregnant:
        at_risk = primary in WITHDRAWAL_PROBLEMS and frequency > 1
        second = max(second, 2 if at_risk and draws.happens(0.6, "pregnancy at risk") else 1)
    third = draws.rating(DIMENSION_3[psychiatric], "dimension", 3)
    helps_self = codes.get("FREQ_ATND_SELF_HELP", 1) > 1
    fourth = draws.rating(DIMENSION_4[helps_self], "dimension", 4)
    fifth = draws.rating(DIMENSION_5[frequency], "dimension", 5)
    if codes.get("NOPRIOR", 0) >= 3 and draws.happens(EARLIER_TREATMENT_COUNTS, "earlier treatment"):
        fifth = max(fifth, min(3, fifth + 1))
    sixth = draws.rating(DIMENSION_6[recorded_or_drawn(admission, draws, "LIVARAG")], "dimension", 6)
    return (first, second, third, fourth, fifth, sixth)


def _withdrawal(
    admission: Admission, draws: Draws, problems: tuple[Problem, ...], *, rating: int
) -> Withdrawal:
    codes = {problem.code for problem in problems}
    sedating = bool(codes & {"ALCOHOL", "SEDATIVE"})
    opioid = "OPIOID" in codes
    # The rating is the worst of what the scales show: the primary problem's scale carries it, and
    # the other one, where it is asked at all, stays at its lowest.
    carried_by_opioid = problems[0].code == "OPIOID" or not sedating
    ciwa_ar = cows = pawss = None
    if sedating:
        ciwa_ar = draws.between(*CIWA_AR_OF_RATING[0 if carried_by_opioid else rating], "CIWA-Ar")
        pawss = draws.between(0, 3, "PAWSS") + (2 if not carried_by_opioid and rating > 1 else 0)
    if opioid:
        cows = draws.between(*COWS_OF_RATING[rating if carried_by_opioid else 0], "COWS")
    frequency = recorded_or_drawn(admission, draws, "FREQ1")
    drinking = frequency if problems[0].code == "ALCOHOL" else admission.codes.get("FREQ2", 2)
    low, high = {1: (31 * 24, 90 * 24), 2: (48, 20 * 24), 3: (8, 48)}[drinking]
    return Withdrawal(
        ciwa_ar=ciwa_ar,
        cows=cows,
        pawss=pawss,
        last_drink_hours=draws.between(low, high, "last drink") if "ALCOHOL" in codes else None,
        seizure_or_delirium_history=sedating and rating >= 3,
        overdose_in_72_hours=opioid and frequency > 1 and draws.happens(0.02, "overdose"),
        daily_benzodiazepine=admission.codes.get("SUB1") in BENZODIAZEPINES and frequency == 3,
    )


def _home(admission: Admission, draws: Draws, *, rating: int) -> Home:
    arrangement = recorded_or_drawn(admission, draws, "LIVARAG")
    housing = draws.one_of(HOUSING[arrangement], "housing")
    unsafe = (0.01, 0.02, 0.06, 0.25, 0.95)[rating]
    return Home(
        housing=housing,
        days_secure=draws.between(*((0, 25) if arrangement == 1 else (10, 400)), "days secure"),
        safe=not draws.happens(unsafe, "unsafe home"),
        others_use=draws.happens((0.03, 0.10, 0.30, 0.55, 0.75)[rating], "others use"),
        coping_plan=draws.happens(0.5, "coping plan"),
        recovery_residence_possible=draws.happens(0.4, "recovery residence"),
        supporter=draws.happens((0.95, 0.85, 0.65, 0.40, 0.20)[rating], "supporter"),
    )


def _prior(admission: Admission, draws: Draws) -> tuple[str | None, int | None]:
    if admission.codes.get("NOPRIOR", 0) == 0 or not draws.happens(STEPS_DOWN, "steps down"):
        return None, None
    level = draws.one_of({"3.5": 0.6, "3.7": 0.3, "4": 0.1}, "prior level")
    return level, draws.between(1, 20, "prior discharge")
