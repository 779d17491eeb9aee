"""What must not be read over somebody's shoulder: the words that give away what this is about."""

import re

#: No text, sender or domain of a message holds one of these, not even as a part of a word.
#: Source: brief 8.3 R5 and 13b.11, 42 CFR 2.11 (what identifies somebody as a patient).
REVEALING_WORDS = (
    "988",
    "abstinen",
    "addict",
    "aftercare",
    "alcohol",
    "assessment",
    "buprenorphine",
    "clinic",
    "cocaine",
    "counsel",
    "craving",
    "crisis",
    "danger",
    "dependen",
    "detox",
    "diagnos",
    "disorder",
    "drink",
    "drug",
    "emergency",
    "fentanyl",
    "health",
    "heroin",
    "homeward",
    "hospital",
    "intensive",
    "lapse",
    "medic",
    "mental",
    "methadone",
    "misuse",
    "naloxone",
    "naltrexone",
    "narcotic",
    "opiate",
    "opioid",
    "outpatient",
    "overdose",
    "patient",
    "program",
    "psych",
    "recover",
    "rehab",
    "screening",
    "self-harm",
    "sober",
    "substance",
    "suboxone",
    "suicid",
    "therap",
    "treatment",
    "urine",
    "withdrawal",
)

_REVEALING = re.compile("|".join(re.escape(word) for word in REVEALING_WORDS), re.IGNORECASE)


def reveals(text: str) -> bool:
    """Return whether *text* holds a word that gives away what a message is about."""
    return _REVEALING.search(text) is not None
