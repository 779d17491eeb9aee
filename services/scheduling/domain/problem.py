"""A week to be found, as plain numbers: what goes to the solver's process, and what comes back.

Times are minutes since Monday 00:00. Nothing in here tells whose week it is.
"""

from dataclasses import dataclass

#: What an option is in a week: the block of a day, something beside it, or the hour with a therapist.
BLOCK = "BLOCK"
SINGLE = "SINGLE"
HOUR = "HOUR"


@dataclass(frozen=True, kw_only=True)
class Option:
    """Something that can stand in the week, and what it does for it."""

    role: str
    day: int
    begins: int
    ends: int
    #: Clinical minutes, breaks excluded; none for a support group.
    minutes: int
    #: How many of its meetings are counselling groups.
    counselling: int
    #: Kinds and modalities of its meetings.
    provides: tuple[str, ...]
    #: Numbers of the groups whose people it joins.
    groups: tuple[int, ...]
    #: Place of its track in the day, 0 the earliest; -1 where it has none.
    track: int
    #: Whether the patient need not leave home for it.
    remote: bool
    #: Whether it lies outside the wished tracks.
    unwished: bool
    #: How many of its meetings the patient holds already.
    kept: int
    #: Whether it begins soon enough after admission.
    prompt: bool
    #: The more, the fewer places are left in it.
    fullness: int


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Options to choose from, and what the choice has to meet and is asked to meet."""

    options: tuple[Option, ...]
    #: Clinical minutes: at least the floor, fewer than the ceiling.
    floor: int
    ceiling: int
    fewest_days: int
    fewest_counselling: int
    preferred_blocks: int
    #: Kinds that the week must have.
    must_provide: tuple[str, ...]
    #: Modalities that the treatment plan asks for, and kinds that the patient wishes for.
    should_provide: tuple[str, ...]
    may_provide: tuple[str, ...]
    wants_remote: bool
    #: Minutes between two sessions up to which they are one trip.
    one_trip_within: int
    #: Most days with a block: more than a week has, where nothing says so.
    most_days: int = 7
