"""The admission fields of the Treatment Episode Data Set and their codes, as data.

Source: code books of TEDS-A 2017 (admissions) and TEDS-D 2019 (discharges), Substance Abuse and
Mental Health Services Administration; public domain. ``NOPRIOR`` counts 0 to 5 as in TEDS-A 2017
(5 means five or more); TEDS-D 2019 has only 0 and 1.
"""

from collections.abc import Mapping
from typing import Any

#: How TEDS writes a value that is missing, unknown, not collected or invalid.
MISSING = -9

#: Field that is kept for comparison only: what the source recorded as the service. No rule reads it.
RECORDED_SERVICE = "SERVICES"

#: Codes of the substances SUB1 to SUB3.
SUBSTANCES = tuple(range(1, 20))

#: Codes of SUB1 to SUB3 that are opioids: heroin, non-prescription methadone, other opiates.
OPIOIDS = (5, 6, 7)

#: Code of ROUTE1 to ROUTE3 that is an injection.
INJECTION = 4

#: Allowed codes of each numeric field.
CODES: dict[str, tuple[int, ...]] = {
    "AGE": tuple(range(1, 13)),
    "ALCDRUG": (0, 1, 2, 3),
    "ARRESTS": (0, 1, 2),
    "DAYWAIT": (0, 1, 2, 3, 4),
    "DETCRIM": tuple(range(1, 9)),
    "DETNLF": (1, 2, 3, 4, 5),
    "DSMCRIT": tuple(range(1, 20)),
    "EDUC": (1, 2, 3, 4, 5),
    "EMPLOY": (1, 2, 3, 4),
    "ETHNIC": (1, 2, 3, 4, 5),
    "FREQ1": (1, 2, 3),
    "FREQ2": (1, 2, 3),
    "FREQ3": (1, 2, 3),
    "FREQ_ATND_SELF_HELP": (1, 2, 3, 4, 5),
    "FRSTUSE1": tuple(range(1, 8)),
    "FRSTUSE2": tuple(range(1, 8)),
    "FRSTUSE3": tuple(range(1, 8)),
    "GENDER": (1, 2),
    "HLTHINS": (1, 2, 3, 4),
    "IDU": (0, 1),
    "LIVARAG": (1, 2, 3),
    "MARSTAT": (1, 2, 3, 4),
    "METHUSE": (1, 2),
    "NOPRIOR": (0, 1, 2, 3, 4, 5),
    "PREG": (1, 2),
    "PRIMINC": (1, 2, 3, 4, 5),
    "PRIMPAY": tuple(range(1, 8)),
    "PSOURCE": tuple(range(1, 8)),
    "PSYPROB": (1, 2),
    "RACE": tuple(range(1, 10)),
    "ROUTE1": (1, 2, 3, 4, 5),
    "ROUTE2": (1, 2, 3, 4, 5),
    "ROUTE3": (1, 2, 3, 4, 5),
    "SERVICES": tuple(range(1, 9)),
    "SUB1": SUBSTANCES,
    "SUB2": SUBSTANCES,
    "SUB3": SUBSTANCES,
    "VET": (1, 2),
}

#: STFIPS, the census code of a state, with its STUSAB.
STATES: dict[int, str] = {
    1: "AL", 2: "AK", 4: "AZ", 5: "AR", 6: "CA", 8: "CO", 9: "CT", 10: "DE", 11: "DC", 12: "FL",
    13: "GA", 15: "HI", 16: "ID", 17: "IL", 18: "IN", 19: "IA", 20: "KS", 21: "KY", 22: "LA",
    23: "ME", 24: "MD", 25: "MA", 26: "MI", 27: "MN", 28: "MS", 29: "MO", 30: "MT", 31: "NE",
    32: "NV", 33: "NH", 34: "NJ", 35: "NM", 36: "NY", 37: "NC", 38: "ND", 39: "OH", 40: "OK",
    41: "OR", 42: "PA", 44: "RI", 45: "SC", 46: "SD", 47: "TN", 48: "TX", 49: "UT", 50: "VT",
    51: "VA", 53: "WA", 54: "WV", 55: "WI", 56: "WY", 72: "PR",
}  # fmt: skip
CODES["STFIPS"] = tuple(STATES)

#: The one field that is text: the state's postal abbreviation.
STATE_FIELD = "STUSAB"

#: DIVISION, the census division of a state, and REGION, the census region of a division.
_DIVISIONS: dict[int, tuple[int, ...]] = {
    0: (72,),
    1: (9, 23, 25, 33, 44, 50),
    2: (34, 36, 42),
    3: (17, 18, 26, 39, 55),
    4: (19, 20, 27, 29, 31, 38, 46),
    5: (10, 11, 12, 13, 24, 37, 45, 51, 54),
    6: (1, 21, 28, 47),
    7: (5, 22, 40, 48),
    8: (4, 8, 16, 30, 32, 35, 49, 56),
    9: (2, 6, 15, 41, 53),
}
DIVISION_OF_STATE: dict[int, int] = {
    state: division for division, states in _DIVISIONS.items() for state in states
}
REGION_OF_DIVISION: dict[int, int] = {0: 0, 1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3, 7: 3, 8: 4, 9: 4}

#: Fields that say whether a substance is among SUB1 to SUB3 (0 no, 1 yes), with its code there.
FLAGS: dict[str, int] = {
    "ALCFLG": 2,
    "COKEFLG": 3,
    "MARFLG": 4,
    "HERFLG": 5,
    "METHFLG": 6,
    "OPSYNFLG": 7,
    "PCPFLG": 8,
    "HALLFLG": 9,
    "MTHAMFLG": 10,
    "AMPHFLG": 11,
    "STIMFLG": 12,
    "BENZFLG": 13,
    "TRNQFLG": 14,
    "BARBFLG": 15,
    "SEDHPFLG": 16,
    "INHFLG": 17,
    "OTCFLG": 18,
    "OTHERFLG": 19,
}

#: Fields of a record that follow from others, and their codes: nobody tells them.
FOLLOWING: dict[str, tuple[int, ...]] = {
    "REGION": (0, 1, 2, 3, 4),
    "DIVISION": tuple(range(10)),
    **dict.fromkeys(FLAGS, (0, 1)),
}

#: Every field of an admission's record: those of the admissions file of 2017 as its public sample has
#: them, in its order, then those that only the code book of 2019 has at admission.
FIELDS: tuple[str, ...] = (
    *("CASEID", "STFIPS", STATE_FIELD, "EDUC", "MARSTAT", "SERVICES", "DETCRIM", "NOPRIOR", "METHUSE"),
    *("PSYPROB", "PREG", "VET", "LIVARAG", "DAYWAIT", "DSMCRIT", "AGE", "RACE", "ETHNIC", "DETNLF"),
    *("PRIMINC", "SUB1", "SUB2", "SUB3", "ROUTE1", "FREQ1", "FREQ2", "FRSTUSE1", "HLTHINS", "PRIMPAY"),
    *("FREQ_ATND_SELF_HELP", "IDU", "ALCDRUG", "ARRESTS"),
    *("ADMYR", "GENDER", "EMPLOY", "PSOURCE", "ROUTE2", "ROUTE3", "FREQ3", "FRSTUSE2", "FRSTUSE3"),
    *FOLLOWING,
)


def tells_pregnancy(codes: Mapping[str, Any]) -> bool:
    """Tell whether admission codes say that somebody is pregnant."""
    return bool(codes.get("PREG") == 1)


def tells_injecting(codes: Mapping[str, Any]) -> bool:
    """Tell whether admission codes say that somebody injects, outright or by the route of a substance."""
    routes = (codes.get(name) for name in ("ROUTE1", "ROUTE2", "ROUTE3"))
    return codes.get("IDU") == 1 or INJECTION in routes
