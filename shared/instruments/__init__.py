"""The screening instruments: versioned packs of data, one pure scorer, and what is due when.

Where an instrument is scored, it is scored here and nowhere else.
"""

from shared.instruments.due import Due, Given, due_now
from shared.instruments.packs import (
    FOLLOW_UP,
    INTAKE,
    OBSERVER,
    PLACES,
    SELF,
    TREATMENT,
    NoSuchInstrument,
    Pack,
    all_packs,
    newest,
    pack_of,
)
from shared.instruments.scoring import COMPLETE, INCOMPLETE, PRORATED, Scored, check, score

__all__ = [
    "COMPLETE",
    "FOLLOW_UP",
    "INCOMPLETE",
    "INTAKE",
    "OBSERVER",
    "PLACES",
    "PRORATED",
    "SELF",
    "TREATMENT",
    "Due",
    "Given",
    "NoSuchInstrument",
    "Pack",
    "Scored",
    "all_packs",
    "check",
    "due_now",
    "newest",
    "pack_of",
    "score",
]
