"""Every text that Homeward ever sends to a person: an allow-list of ours, nothing else leaves.

A text says that there is something to look at, never what. Codes fill it in: short ones from a safe
alphabet, each under a name that its template declares. A text for patients may be there in more
languages than English; a reader whose language is not among them gets the English one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

#: What a code may look like: long enough for an id's first block, a level or a time of day.
_CODE = re.compile(r"[A-Za-z0-9:+. -]{1,32}")


#: The language of every text, as a code of ISO 639.
ENGLISH = "EN"
SPANISH = "ES"

#: Among the codes of a notification: the language of its text, where that is not English. Kept there, so
#: that a copy of an older version, which does not know of it, still sends the English text.
LANGUAGE = "language"


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What a text says in one language: a subject, and lines, but for those that miss a code."""

    subject: str
    lines: tuple[str, ...]

    def body(self, codes: Mapping[str, str]) -> str:
        """Return the text, filled in."""
        return "".join(f"{line.format(**codes)}\n" for line in self.lines if _wanted_by(line) <= codes.keys())


@dataclass(frozen=True, kw_only=True)
class Template(Wording):
    """One text: what it says in English, and in the other languages that there are."""

    #: Whether it is for somebody of the staff; else it is for a patient.
    for_staff: bool
    codes: tuple[str, ...] = ()
    #: By the code of ISO 639.
    others: Mapping[str, Wording] = field(default_factory=dict)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the text is there in, English first."""
        return (ENGLISH, *self.others)

    def wording(self, language: str | None) -> Wording:
        """Return what it says in a language, or in English where it is not there in that one."""
        return self.others.get(language or ENGLISH, self)


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
        others={
            SPANISH: Wording(
                subject="Por favor, llámenos",
                lines=(
                    "Tiene una cita con nosotros. Por favor, llámenos cuando pueda.",
                    "Si no quiere recibir más mensajes como este, díganoslo, por favor.",
                ),
            )
        },
    ),
    "PLEASE_COME_TODAY": Template(
        for_staff=False,
        subject="Please call us today",
        lines=(
            "We would like to see you today. Please call us before you come.",
            "If you want no more of these messages, please tell us.",
        ),
        others={
            SPANISH: Wording(
                subject="Por favor, llámenos hoy",
                lines=(
                    "Quisiéramos verle hoy. Por favor, llámenos antes de venir.",
                    "Si no quiere recibir más mensajes como este, díganoslo, por favor.",
                ),
            )
        },
    ),
    "NEWS_FOR_YOU": Template(
        for_staff=False,
        subject="There is news for you",
        lines=(
            "There is news for you. Please look at it, or call us by tomorrow.",
            "If you want no more of these messages, please tell us.",
        ),
        others={
            SPANISH: Wording(
                subject="Hay novedades para usted",
                lines=(
                    "Hay novedades para usted. Por favor, véalas, o llámenos a más tardar mañana.",
                    "Si no quiere recibir más mensajes como este, díganoslo, por favor.",
                ),
            )
        },
    ),
    "SCHEDULE_CHANGED": Template(
        for_staff=False,
        subject="Your schedule has changed",
        lines=(
            "Your schedule has changed. Please look at it, or call us when you can.",
            "If you want no more of these messages, please tell us.",
        ),
        others={
            SPANISH: Wording(
                subject="Su horario ha cambiado",
                lines=(
                    "Su horario ha cambiado. Por favor, consúltelo, o llámenos cuando pueda.",
                    "Si no quiere recibir más mensajes como este, díganoslo, por favor.",
                ),
            )
        },
    ),
    "SCHEDULE_TO_CONFIRM": Template(
        for_staff=False,
        subject="A schedule waits for your answer",
        lines=(
            "There is a schedule for you to agree to. Please look at it, or call us when you can.",
            "If you want no more of these messages, please tell us.",
        ),
        others={
            SPANISH: Wording(
                subject="Un horario espera su respuesta",
                lines=(
                    "Hay un horario que espera su respuesta. Por favor, consúltelo, o llámenos cuando pueda.",
                    "Si no quiere recibir más mensajes como este, díganoslo, por favor.",
                ),
            )
        },
    ),
    "PLACE_OFFERED": Template(
        for_staff=False,
        subject="There is a place for you",
        lines=(
            "There is a place that you can take, for a short time. Please look at it soon, or call us.",
            "If you want no more of these messages, please tell us.",
        ),
        others={
            SPANISH: Wording(
                subject="Hay un lugar para usted",
                lines=(
                    "Hay un lugar que puede aceptar por poco tiempo. Por favor, véalo pronto, o llámenos.",
                    "Si no quiere recibir más mensajes como este, díganoslo, por favor.",
                ),
            )
        },
    ),
}


def is_for_patients(template: str) -> bool:
    """Return whether there is such a text, and it is one for patients."""
    return template in TEMPLATES and not TEMPLATES[template].for_staff


def is_for_staff(template: str) -> bool:
    """Return whether there is such a text, and it is one for staff."""
    return template in TEMPLATES and TEMPLATES[template].for_staff


def language_for(template: str, language: str | None) -> str:
    """Return the language in which somebody who reads *language* gets a text; English when nobody knows."""
    return language if language in TEMPLATES[template].languages else ENGLISH


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
