"""Looking a telephone number up: which patients are reached there, however the number is written.

For the staff alone. That somebody is a patient here is itself what nobody outside may know.
"""

from services.intake.domain.contact_points import PHONE, address_key
from shared.errors import InvalidInput

#: The fewest and the most digits of a whole number: seven stand in a local one of North America, fifteen in
#: the longest one anywhere (ITU-T E.164).
FEWEST_DIGITS, MOST_DIGITS = 7, 15


def number_key(phone: str) -> str:
    """Return what all ways of writing one whole number share.

    :raises InvalidInput: when it is a part of a number, or more than one.
    """
    key = address_key(PHONE, phone)
    if not FEWEST_DIGITS <= len(key) <= MOST_DIGITS:
        raise InvalidInput(
            "This is no whole telephone number.",
            field="phone",
            rule=f"{FEWEST_DIGITS} to {MOST_DIGITS} digits",
        )
    return key
