"""The one scorer: raw answers and a pack go in, scores with their bands and what is dangerous come out.

It is pure: the same answers under the same version give the same result for ever, so only the answers
are kept. An answer about danger counts whether or not the rest was answered.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.errors import InvalidInput
from shared.instruments.packs import OBSERVER, Item, Pack, ScoreRule

COMPLETE, PRORATED, INCOMPLETE = "COMPLETE", "PRORATED", "INCOMPLETE"

#: What somebody did not answer.
Answers = Mapping[str, int | None]


class AnswerOutOfRange(InvalidInput):
    """Raised when an item has no such answer, or the instrument no such item."""


class ObserverNeeded(InvalidInput):
    """Raised when a scale that an observer rates was answered by the person alone."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One score, the band that it falls into, and whether it is positive."""

    score: str
    value: int
    band: str
    positive: bool
    meaning: str | None = None


@dataclass(frozen=True, kw_only=True)
class Danger:
    """What a human must hear of at once; ``then`` is the instrument that has to follow."""

    concern: str
    level: str
    then: str | None = None


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What answers amount to.

    Without a complete set of answers there is no score and no band; ``missing`` names the items.
    ``dangers`` holds each concern once, at its gravest level.
    """

    status: str
    scores: tuple[Score, ...]
    missing: tuple[str, ...]
    reviews: tuple[str, ...]
    dangers: tuple[Danger, ...]

    @property
    def positive(self) -> bool:
        """Whether any score is positive."""
        return any(score.positive for score in self.scores)

    def score(self, code: str) -> Score | None:
        """Return one of the scores, if it is there."""
        return next((score for score in self.scores if score.score == code), None)


def check(pack: Pack, answers: Answers, *, rated_by: str) -> None:
    """Refuse answers that nobody can have given.

    :raises AnswerOutOfRange: naming every item with an answer that it does not have.
    :raises ObserverNeeded: when an observer's scale was self-reported.
    """
    if rated_by not in pack.raters:
        raise ObserverNeeded(
            "This scale is rated by an observer.",
            field="rated_by",
            rule=f"{OBSERVER}: a self-report of this scale is refused",
        )
    problems = []
    for name, answer in answers.items():
        item = pack.items.get(name)
        if item is None:
            # The name is the caller's own text, so it is not repeated.
            problems.append({"field": "answers", "rule": f"items {', '.join(pack.items)}"})
        elif answer is not None and (type(answer) is not int or answer not in item.answers):
            allowed = ", ".join(str(value) for value in item.answers)
            problems.append({"field": f"answers.{name}", "rule": f"one of {allowed}"})
    if problems:
        raise AnswerOutOfRange("An answer is not possible.", problems=tuple(problems))


def score(pack: Pack, answers: Answers, *, sex: str = "UNKNOWN") -> Scored:
    """Score answers that were checked.

    :param answers: by item; ``None`` and items that are left out were not answered.
    :param sex: where cut-offs differ; an unknown one uses the cut-off that finds more.
    """
    given = {name: answer for name, answer in answers.items() if answer is not None}
    missing = tuple(
        item.item
        for item in pack.items.values()
        if item.item not in given and not item.optional and _is_asked(item, given)
    )
    prorated = bool(missing) and _may_prorate(pack, missing)
    scores: tuple[Score, ...] = ()
    reviews: tuple[str, ...] = ()
    if not missing or prorated:
        values = [(rule, _value(rule, given)) for rule in pack.scores]
        scores = tuple(_score(rule, value, sex=sex) for rule, value in values)
        reviews = tuple(
            code
            for rule, value in values
            for code, zeros in rule.reviews
            if rule.is_positive(value, sex=sex) and not any(given.get(name) for name in zeros)
        )
    return Scored(
        status=INCOMPLETE if missing and not prorated else PRORATED if prorated else COMPLETE,
        scores=scores,
        missing=missing,
        reviews=reviews,
        dangers=_dangers(pack, given, scores),
    )


def _is_asked(item: Item, given: Mapping[str, int]) -> bool:
    if item.asked_if is None:
        return True
    gate, least = item.asked_if
    return given.get(gate, 0) >= least


def _may_prorate(pack: Pack, missing: tuple[str, ...]) -> bool:
    return len(missing) <= pack.prorated_when_missing and not set(missing) & set(pack.never_prorated)


def _value(rule: ScoreRule, given: Mapping[str, int]) -> int:
    if rule.highest:
        return next((value for value, names in rule.highest if any(given.get(n) for n in names)), 0)
    if rule.counts_only_if is not None and given.get(rule.counts_only_if[0], 0) < rule.counts_only_if[1]:
        return 0
    turned = rule.reversed_items
    total = counted = 0
    for name in rule.items:
        answer = given.get(name)
        if answer is not None:
            total += turned[name] - answer if name in turned else answer
            counted += 1
    # Prorating takes the mean of the others for what is missing; half rounds up.
    return total if counted == len(rule.items) else (2 * total * len(rule.items) + counted) // (2 * counted)


def _score(rule: ScoreRule, value: int, *, sex: str) -> Score:
    band = rule.band_of(value)
    return Score(
        score=rule.score,
        value=value,
        band=band.band,
        positive=rule.is_positive(value, sex=sex),
        meaning=band.meaning,
    )


def _dangers(pack: Pack, given: Mapping[str, int], scores: tuple[Score, ...]) -> tuple[Danger, ...]:
    # Where an answer is missing, what was rated so far can already be too much.
    values = {one.score: one.value for one in scores} or {
        rule.score: sum(given.get(name, 0) for name in rule.items) for rule in pack.scores
    }
    found: dict[str, Danger] = {}
    for rule in pack.safety_rules:
        value = given.get(rule.item, 0) if rule.item is not None else values.get(rule.score or "", 0)
        if value < rule.at_least:
            continue
        known = found.get(rule.concern)
        if known is None or rule.level > known.level:
            found[rule.concern] = Danger(concern=rule.concern, level=rule.level, then=rule.then)
    return tuple(found.values())
