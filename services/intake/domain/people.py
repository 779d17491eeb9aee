"""People: who they are, how they are reached, and how somebody known already is recognised."""

import unicodedata
from dataclasses import dataclass
from datetime import date, datetime

from shared.errors import InvalidInput

#: Age from which somebody is an adult; the program admits adults only. Design default.
ADULT_AGE = 18
#: Age that nobody living has passed: a birth date before it is a slip. Design default.
OLDEST_AGE = 125


@dataclass(eq=False, kw_only=True)
class Patient:
    """A person, across all their episodes of care; ``journey_id`` spans them.

    Names, birth date (an ISO date) and contacts are kept sealed; ``identity_index`` finds the
    person again without storing who they are.
    """

    patient_id: str
    journey_id: str
    identity_index: bytes
    given_name: str
    family_name: str
    birth_date: str
    registered_at: datetime
    sex: str = "UNKNOWN"
    #: The first number and the first address that may be used, of the patient's contact points.
    phone: str | None = None
    email: str | None = None
    #: What the patient speaks, a code of ISO 639; English where nobody told.
    language: str | None = None
    #: How they would rather be reached: one of CONTACT_KINDS.
    preferred_channel: str | None = None
    tenant_id: str = ""

    def age_on(self, day: date) -> int:
        """Return the age in completed years on a day."""
        return age_on(date.fromisoformat(self.birth_date), day)

    def is_minor_on(self, day: date) -> bool:
        """Tell whether the person is under 18 on a day."""
        return self.age_on(day) < ADULT_AGE


def age_on(born_on: date, day: date) -> int:
    """Return the completed years between a birth date and a day; born on 29 February, one ages on 1 March."""
    return day.year - born_on.year - ((day.month, day.day) < (born_on.month, born_on.day))


def identity_text(*, given_name: str, family_name: str, birth_date: date) -> str:
    """Return the text that two records of one person share: names without case, accents and marks.

    :raises InvalidInput: when a name holds no letter.
    """
    parts = []
    for field, name in (("given_name", given_name), ("family_name", family_name)):
        part = "".join(c for c in unicodedata.normalize("NFKD", name).casefold() if c.isalnum())
        if not any(c.isalpha() for c in part):
            raise InvalidInput(
                "A name is not usable.", field=f"patient.{field}", rule="needs at least one letter"
            )
        parts.append(part)
    return "|".join([*parts, birth_date.isoformat()])


def check_birth_date(born_on: date, *, today: date) -> None:
    """Refuse a birth date on which nobody living was born.

    :raises InvalidInput: when it lies in the future or more than 125 years back.
    """
    if born_on > today:
        rule = "a birth date may not be in the future"
    elif age_on(born_on, today) > OLDEST_AGE:
        rule = f"nobody is older than {OLDEST_AGE}"
    else:
        return
    raise InvalidInput("The birth date is impossible.", field="patient.birth_date", rule=rule)
