"""The admission fields of the Treatment Episode Data Set and their codes: data only.

Source: code books of TEDS-A 2017 (admissions) and TEDS-D 2019 (discharges), Substance Abuse and
Mental Health Services Administration; public domain. ``NOPRIOR`` counts 0 to 5 as in TEDS-A 2017
(5 means five or more); TEDS-D 2019 has only 0 and 1.
"""

#: How TEDS writes a value that is missing, unknown, not collected or invalid.
MISSING = -9

#: Field that is kept for comparison only: what the source recorded as the service. No rule reads it.
RECORDED_SERVICE = "SERVICES"

#: Codes of the substances SUB1 to SUB3.
SUBSTANCES = tuple(range(1, 20))

#: Codes of SUB1 to SUB3 that are opioids: heroin, non-prescription methadone, other opiates.
OPIOIDS = (5, 6, 7)

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
    "FREQ_ATND_SELF_HELP": (1, 2, 3, 4, 5),
    "FRSTUSE1": tuple(range(1, 8)),
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
