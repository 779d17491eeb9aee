"""A self-check: somebody answers a few questions without telling who they are, and nothing is kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.intake.domain import instruments as answered
from shared import instruments
from shared.errors import InvalidInput
from shared.instruments import COMPLETE, PRORATED, SELF, Pack
from shared.instruments.scoring import Danger

#: What a self-check asks, in turn: what is free to use, short, and answered alone. Where the licence for
#: DAST-10 is held, and the medical director has signed it, it asks that as well. Design default.
INSTRUMENTS = ("AUDIT_C", "DAST10", "PHQ9")

#: What an instrument comes to, told without a score: a number is no diagnosis.
WORTH_A_TALK, LITTLE_SIGN, NOT_TOLD = "WORTH_A_TALK", "LITTLE_SIGN", "NOT_TOLD"
#: The same in plain words.
WORDS = {
    WORTH_A_TALK: "Your answers are a good reason to talk with somebody. They are no verdict.",
    LITTLE_SIGN: "Your answers show little sign of trouble. If you are worried all the same, talk with us.",
    NOT_TOLD: "Your answers do not tell enough. Talk with us: it costs nothing.",
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one instrument comes to."""

    instrument: str
    result: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """What a self-check comes to; in danger nothing is told but where help is."""

    dangers: tuple[Danger, ...]
    outcomes: tuple[Outcome, ...]


def asked(in_force: Iterable[Pack], *, somebody_on_duty: bool) -> tuple[list[Pack], list[str]]:
    """Return the packs that a self-check asks now, and the names of those that have to wait.

    Somebody alone is asked about danger only while somebody is there to act on the answer. Safety rule.
    """
    offered = sorted(
        (pack for pack in in_force if pack.instrument in INSTRUMENTS and SELF in pack.raters),
        key=lambda pack: INSTRUMENTS.index(pack.instrument),
    )
    asked_now, waiting = [], []
    for pack in offered:
        if answered.may_be_asked(pack, by_patient=True, somebody_on_duty=somebody_on_duty):
            asked_now.append(pack)
        else:
            waiting.append(pack.instrument)
    return asked_now, waiting


def weigh(
    given: Iterable[tuple[Pack, Mapping[str, int | None]]],
    *,
    sex: str,
    minor: bool,
    in_force: Iterable[Pack],
    place: str = "checks",
) -> Weighed:
    """Tell what answers come to: dangers whatever was signed, the rest by packs in force only.

    :param place: the field of the request that holds what was given.
    :raises InvalidInput: when an instrument is none of a self-check's, comes twice, or has no such answer.
    """
    signed, seen = list(in_force), set()
    dangers: list[Danger] = []
    outcomes = []
    for number, (pack, answers) in enumerate(given):
        if pack.instrument not in INSTRUMENTS or pack.instrument in seen:
            raise InvalidInput(
                "A self-check does not ask this.",
                field=place,
                rule=f"each once, of {', '.join(INSTRUMENTS)}",
            )
        seen.add(pack.instrument)
        try:
            instruments.check(pack, answers, rated_by=SELF)
        except InvalidInput as refusal:
            raise refusal.within(f"{place}.{number}") from None
        scored = instruments.score(pack, answers, sex=sex)
        dangers.extend(scored.dangers)
        told = scored.status in (COMPLETE, PRORATED) and pack in signed and not minor
        result = NOT_TOLD if not told else WORTH_A_TALK if scored.positive else LITTLE_SIGN
        outcomes.append(Outcome(instrument=pack.instrument, result=result, what=WORDS[result]))
    return Weighed(dangers=tuple(dangers), outcomes=() if dangers else tuple(outcomes))
