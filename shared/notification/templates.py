"""Every text that Homeward ever sends to a person: an allow-list of ours, nothing else leaves.

A text says that there is something to look at, never what. Codes fill it in: short ones from a safe
alphabet, each under a name that its template declares.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

#: What a code may look like: long enough for an id's first block, a level or a time of day.
_CODE = re.compile(r"[A-Za-z0-9:+. -]{1,32}")


@dataclass(frozen=True, kw_only=True)
class Template:
    """One text: its subject, and lines of which those that miss a code are left out."""

    #: Whether it is for somebody of the staff; else it is for a patient.
    for_staff: bool
    subject: str
    lines: tuple[str, ...]
    codes: tuple[str, ...] = ()

    def body(self, codes: Mapping[str, str]) -> str:
        """Return the text, filled in."""
        return "".join(f"{line.format(**codes)}\n" for line in self.lines if _wanted_by(line) <= codes.keys())


def _wanted_by(line: str) -> set[str]:
    return set(re.findall(r"{(\w+)}", line))


TEMPLATES: dict[str, Template] = {
    "STAFF_PAGE": Template(
        for_staff=True,
        subject="A task is waiting for you",
        lines=(
            "A task is waiting for you. Please sign in now.",
            "Reference: {reference}",
            "Level: {level}",
            "Please take it by: {acknowledge_by}",
        ),
        codes=("reference", "level", "acknowledge_by"),
    ),
    "FALLBACK_PAGE": Template(
        for_staff=True,
        subject="A task needs somebody at once",
        lines=(
            "A task needs somebody at once, and nobody has been reached on the usual way.",
            "Please sign in now.",
            "Reference: {reference}",
            "Level: {level}",
        ),
        codes=("reference", "level"),
    ),
    "PAGE_TEST": Template(
        for_staff=True,
        subject="Daily test of this address",
        lines=("This is the daily test of this address. There is nothing to do.", "Reference: {reference}"),
        codes=("reference",),
    ),
    "ON_CALL_GAP": Template(
        for_staff=True,
        subject="The roster has a gap",
        lines=(
            "Nobody is on the roster for a time that is near. Please sign in and fill it.",
            "From: {gap_starts_at}",
            "Until: {gap_ends_at}",
        ),
        codes=("gap_starts_at", "gap_ends_at"),
    ),
    "PLEASE_CALL_US": Template(
        for_staff=False,
        subject="Please call us",
        lines=(
            "You have an appointment with us. Please call us when you can.",
            "If you want no more of these messages, please tell us.",
        ),
    ),
    "NEWS_FOR_YOU": Template(
        for_staff=False,
        subject="There is news for you",
        lines=(
            "There is news for you. Please look at it, or call us by tomorrow.",
            "If you want no more of these messages, please tell us.",
        ),
    ),
    "SCHEDULE_CHANGED": Template(
        for_staff=False,
        subject="Your schedule has changed",
        lines=(
            "Your schedule has changed. Please look at it, or call us when you can.",
            "If you want no more of these messages, please tell us.",
        ),
    ),
    "SCHEDULE_TO_CONFIRM": Template(
        for_staff=False,
        subject="A schedule waits for your answer",
        lines=(
            "There is a schedule for you to agree to. Please look at it, or call us when you can.",
            "If you want no more of these messages, please tell us.",
        ),
    ),
    "PLACE_OFFERED": Template(
        for_staff=False,
        subject="There is a place for you",
        lines=(
            "There is a place that you can take, for a short time. Please look at it soon, or call us.",
            "If you want no more of these messages, please tell us.",
        ),
    ),
}


def check(template: str, codes: Mapping[str, str]) -> None:
    """Refuse what is not on the list.

    :raises ValueError: when there is no such template, or a code is not one of its own, or holds
        more than a code does.
    """
    if template not in TEMPLATES:
        raise ValueError(f"no text is called {template}")
    unknown = codes.keys() - set(TEMPLATES[template].codes)
    if unknown:
        raise ValueError(f"{template} has no code {sorted(unknown)}")
    wrong = [name for name, code in codes.items() if not _CODE.fullmatch(code)]
    if wrong:
        raise ValueError(f"{template}: no code stands in {sorted(wrong)}")
